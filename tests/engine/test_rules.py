"""Each rule says what it does: in `snakemake --list-rules`, and as the message of its jobs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.checkout import Checkout

ROOT = Path(__file__).parents[2]
FILES = (ROOT / "Snakefile", *sorted((ROOT / "workflow" / "rules").glob("*.smk")))
RULES = {
    re.search(r"(?:name:\s+f?\"(.*?)\"|$)", body)[1] or name.strip(): body
    for path in FILES
    for name, body in re.findall(
        r"^ *(?:rule|checkpoint)( \w+)?:\n((?:(?: .*)?\n)*)", path.read_text(encoding="utf-8"), re.MULTILINE
    )
}


def test_rules_list_themselves_as_a_table_of_contents(checkout: Checkout) -> None:
    command = [sys.executable, "-m", "snakemake", "--list-rules"]
    printed = subprocess.run(command, cwd=checkout.folder, capture_output=True, text=True, check=True).stdout
    listed = [line for line in printed.splitlines() if not line.startswith("Using ")]
    assert len(listed) > 40
    for line in listed:
        assert re.fullmatch(r"\w+ \([A-Z][^()]*\.\)", line), line


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_has_a_docstring_and_a_message(rule: str) -> None:
    assert re.match(r' +"""[A-Z].*\."""\n', RULES[rule])
    assert re.search(r'^ +message:\n +f?"[A-Z].*\."$', RULES[rule], re.MULTILINE)


def test_all_rule_files_are_looked_at() -> None:
    assert {"all", "summarize_scores", "merge_catalogs", "draw_{figure.name}", "test_results", "recheck"} <= set(RULES)
    assert len(RULES) == 123
