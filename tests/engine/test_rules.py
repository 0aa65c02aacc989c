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


def without_folders(text: str) -> str:
    """The text with paths of files as inputs and outputs both write them: f"{VOLUMES}/boxes/{{name}}.csv" without the
    folder and the doubled braces."""
    return re.sub(r"f\"(?:\{[A-Z.]\w+\}/)?", '"', text.replace("{{", "{").replace("}}", "}"))


def sections(body: str, *names: str) -> str:
    """The text of some sections of a rule."""
    return "".join(re.findall(rf"^    (?:{'|'.join(names)}):\n((?:        .*\n)*)", body, re.MULTILINE))


def test_each_rule_that_updates_outputs_has_meet_run_called() -> None:
    """After such a job fails, what it was to update is doubted only in runs where inputs of a job call `meet_run`."""
    text = without_folders("\n".join(path.read_text(encoding="utf-8") for path in FILES))
    bodies = {name: without_folders(body) for name, body in RULES.items()}
    functions = re.findall(r"^def (\w+)\(.*\):\n((?:(?: .*)?\n)*)", text, re.MULTILINE)
    calling = {"meet_run"}  # functions that call it, and files of rules whose inputs do
    while True:
        words = [re.compile(rf"(?<!\w){re.escape(each)}" + r"(?!\w)" * each.isidentifier()) for each in calling]
        found = {name for name, body in functions if any(word.search(body) for word in words)}
        met = {name for name, body in bodies.items() if any(word.search(sections(body, "input")) for word in words)}
        made = "".join(sections(bodies[name], "output") for name in met)
        found |= set(re.findall(r"\w+\[\"\w+\"\]|\"[^\"]*\.\w+\"", made))
        if found <= calling:
            break
        calling |= found
    updating = {name for name, body in bodies.items() if "update(" in sections(body, "output")}
    assert {"view_array", "read_graph", "choose_boxes", "list_store"} <= updating
    assert updating - met == set()


def test_all_rule_files_are_looked_at() -> None:
    assert {"all", "summarize_scores", "merge_catalogs", "draw_{figure.name}", "test_results", "recheck"} <= set(RULES)
    assert len(RULES) == 123
