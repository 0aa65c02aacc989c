"""docs/labels.md: where the rows of config/classes.csv are from, and on which labels the sources disagree.

python -m tests.classes.label_page        # reads the label tables beside this checkout and writes the list anew
"""

import csv
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "labels.md"
TABLE = ROOT / "config" / "classes.csv"
TABLES = ROOT.parent / "shared" / "data" / "tables"
RESOLVED = TABLES / "whoi_labels_resolved.csv"
NODC = TABLES / "taxa_lookup_nodc.csv"
SITES = TABLES / "labels_of_sites.csv"

COLUMNS = ("scientific_name", "aphia_id", "living", "group", "harmful")
WORMS = "World Register of Marine Species"
NO_ORGANISM = "-999999"  # instead of an id, in the resolved table
# The words of the sources for our groups. What has no word of its own there is in their group of the rest.
GROUPS = {
    "NES-LTER": {"Bacillariophyceae": "diatom", "Dinoflagellata": "dinoflagellate", "Haptophyta": "haptophyte"},
    "UCSC": {"Diatom": "diatom", "Dinoflagellate": "dinoflagellate", "Cilliate": "ciliate"},
    "WHOI-Plankton": {
        **{"Diatom": "diatom", "Dinoflagellata": "dinoflagellate"},
        **{"Ciliate": "ciliate", "Flagellate": "flagellate"},
    },
}
HEAD = "| label | column | here | the sources | why |\n|---|---|---|---|---|\n"
_COLUMN = f"(?:{'|'.join(COLUMNS)})"
_CLAIM = re.compile(rf"([A-Za-z-]+): ({_COLUMN}(?: {_COLUMN})*)(?: \(([^();]+)\))?")


@dataclass(frozen=True)
class Claim:
    """That columns of a row are from a source; `why` if they are by hand."""

    who: str
    columns: tuple[str, ...]
    why: str


@dataclass(frozen=True)
class Told:
    """What a source says of a label in a column, and in which words."""

    who: str
    value: str  # as config/classes.csv would have it; of a group of the rest: ""
    words: str


def read(path: Path) -> list[dict[str, str]]:
    """The rows of a table."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, strict=True))


def claims(source: str) -> list[Claim]:
    """The parts of a cell of the column `source`. Raises ValueError for one that cannot be read."""
    found = [_CLAIM.fullmatch(part) for part in source.split("; ")]
    if None in found:
        raise ValueError(f"not a source: {source!r}")
    return [Claim(part[1], tuple(part[2].split()), part[3] or "") for part in found if part]


def plain(label: str) -> str:
    """A label without what sites write in different ways."""
    return re.sub("_spp?$", "", label).replace("_", " ").lower()


def told_of(rows: list[dict[str, str]]) -> dict[tuple[str, str], list[Told]]:
    """(label, column) to what each source says of it; of nodc's table by the scientific name, else by the label."""
    told = defaultdict(list)
    for label, column, who, value, words in _told(rows):
        if column == "group" and words in GROUPS[who]:
            value = GROUPS[who][words]
        if (found := Told(who, value, words)) not in told[label, column]:
            told[label, column].append(found)
    return told


def _told(rows: list[dict[str, str]]) -> Iterator[tuple[str, str, str, str, str]]:
    by_label = {plain(row["label"]): row["label"] for row in rows}
    for row in read(RESOLVED):
        label, number = by_label[plain(row["name"])], row["resolved_id_fromgnr"]
        higher = {row["higher_order_fromid"], row["resolved_higher_order_fromgnr"]} - {"NA"}
        if number.isdecimal():
            yield label, "aphia_id", "NES-LTER", number, number
        for words in higher:
            yield label, "group", "NES-LTER", "", words
        if higher or number == NO_ORGANISM:
            living = "yes" if higher else "no"
            yield label, "living", "NES-LTER", living, living
    for row in read(SITES):
        who = row["site"].split()[0]
        if (label := by_label.get(plain(row["label"]), "")) and who in GROUPS:
            for column in ("aphia_id", "group", "harmful"):
                if row[column]:
                    value = "" if column == "group" else row[column]
                    yield label, column, who, value, row[column]
    by_name = {row["name"]: row for row in read(NODC)}
    for ours in rows:
        if theirs := by_name.get(ours["scientific_name"] or "-"):
            harmful = {"TRUE": "yes", "FALSE": "no"}[theirs["HAB"]]
            yield ours["label"], "harmful", "NODC", harmful, harmful
            if theirs["AphiaID"] != "NA":
                yield ours["label"], "aphia_id", "NODC", theirs["AphiaID"], theirs["AphiaID"]


def agrees(told: Told, row: dict[str, str], column: str) -> bool:
    """Whether a row has what a source says. A group of the rest holds each group that the source has no word for."""
    if column == "group" and not told.value:
        return row["group"] not in GROUPS[told.who].values()
    return row[column] == told.value


def disagreements() -> str:
    """The list of docs/labels.md: each label and column in which a source has something else than the class table."""
    rows = read(TABLE)
    told = told_of(rows)
    lines = []
    for row in rows:
        by = {column: claim for claim in claims(row["source"]) for column in claim.columns}
        for column in COLUMNS:
            found = told.get((row["label"], column), [])
            if not all(agrees(each, row, column) for each in found):
                words = "; ".join(f"{each.who}: {each.words}" for each in found)
                claim = by.get(column, Claim("", (), ""))
                why = claim.why or (f"as {claim.who}" if claim.who else _unclaimed(row, column, found))
                lines.append(f"| `{row['label']}` | {column} | {row[column] or '(empty)'} | {words} | {why} |\n")
    return HEAD + "".join(lines)


def _unclaimed(row: dict[str, str], column: str, found: list[Told]) -> str:
    """Why nobody need be named: a class is not harmful unless more than UCSC says so, which flags whole genera."""
    if column == "harmful" and [each.who for each in found if each.value == "yes"] == ["UCSC"]:
        return "by UCSC alone"
    raise ValueError(f"{row['label']}: nobody is named for its {column}")


if __name__ == "__main__":
    text = PAGE.read_text(encoding="utf-8") if PAGE.exists() else HEAD
    PAGE.write_text(text[: text.index(HEAD)] + disagreements(), encoding="utf-8")
