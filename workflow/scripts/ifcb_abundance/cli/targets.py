"""`ifcb-abundance targets`: what can be built, in the words of the rules themselves."""

import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from ifcb_abundance.common.errors import ConfigError
from ifcb_abundance.config import WORKFLOW
from ifcb_abundance.tables.registry import TABLES

# A rule with its docstring; rules whose name is made up by a loop are no targets of their own.
_RULE = re.compile(r'^(?:rule|checkpoint) (\w+):\n    """(.+?)"""\n((?:(?: .*)?\n)*)', re.MULTILINE)
# Any rule, by its name or by the line that makes one up, such as f"draw_{figure.name}".
_NAME = re.compile(r'^ *(?:rule|checkpoint) (\w+):$|^ +name:\n +f?"(.+)"$', re.MULTILINE)


# Rules that make files themselves and that people ask for by name.
BY_NAME = ("sample_rois", "subject_set", "validation_plan")


def rules() -> Iterator[tuple[str, str, bool]]:
    """Yield each rule: its name, what it does, and whether it only makes files. Others are targets by their name."""
    for text in _texts():
        for name, says, body in _RULE.findall(text):
            yield name, says, name not in BY_NAME and "\n    output:\n" in f"\n{body}"


def check(words: Iterable[str]) -> None:
    """Raise ConfigError for a word that is neither the path of a file nor the name of a rule."""
    names = {named or made_up for text in _texts() for named, made_up in _NAME.findall(text)}
    for word in words:
        if re.search("[/.]", word) or any(re.fullmatch(re.sub(r"\{.*?\}", r"\\w+", name), word) for name in names):
            continue
        gathering = ["all", *(name for name, _, makes in rules() if not makes)]
        close = get_close_matches(word, gathering, n=1)
        meant = f" Did you mean {close[0]}?" if close else ""
        raise ConfigError(f"{word}: no such target.{meant} `ifcb-abundance targets` lists them.")


def _texts() -> Iterator[str]:
    for path in (WORKFLOW / "Snakefile", *sorted((WORKFLOW / "workflow" / "rules").glob("*.smk"))):
        yield path.read_text(encoding="utf-8")


def targets(with_files: bool) -> int:
    """Print all targets, a line each; with_files: also the tables, which are targets by their path."""
    says = {name: (text, makes) for name, text, makes in rules()}
    gathering = {name: text for name, (text, makes) in says.items() if not makes}
    print("Targets, as in `ifcb-abundance run my.yaml TARGET`:")
    _print({"all": gathering.pop("all"), **dict(sorted(gathering.items()))})
    if with_files:
        print("\nFiles, by their path below results/{dataset}/:")
        _print({table.merged: says[table.made_by][0] for table in TABLES.values() if table.made_by in says})
    return 0


def _print(lines: dict[str, str]) -> None:
    width = max(map(len, lines))
    for name, text in lines.items():
        print(f"  {name:{width}}  {text}")
