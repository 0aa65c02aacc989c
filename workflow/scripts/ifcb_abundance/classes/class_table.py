"""The class table: what the labels of a classifier mean."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path

from ifcb_abundance.classes.labels import UNCLASSIFIED
from ifcb_abundance.common.errors import ConfigError, TableError, quoted
from ifcb_abundance.common.strict_csv import is_formula, number, read_columns
from ifcb_abundance.common.words import counted

log = logging.getLogger("ifcb.class_table")

MOST_CELLS = 100_000  # in an image
LIVING_TOTAL = "living total"  # among the groups: all classes that the table calls living
ClassTable = Mapping[str, Mapping[str, str]]  # label to its traits

TRAITS = ("scientific_name", "aphia_id", "living", "group", "harmful")
# Columns that a table may have beside them: how many cells an image shows; the class that a label is merged into, and
# when, before bins are pooled or after; the abundance from which on there is a warning.
WARNING = "warning_cells_per_ml"
OPTIONAL = ("cells_per_image", "synonym_of", "merge", WARNING)
BEFORE, AFTER = "before", "after"
# Labels that by convention name no organism; said of them even where no table does. `mix` is none of them: it is small
# flagellates and other eukaryotes, and most of what a mooring sees.
NOT_LIVING = frozenset(
    "bad bead beads bubble bubbles camera_spot detritus detritus_clear fecal_pellet fiber pollen".split()
)


class LabelTable(dict[str, dict[str, str]]):
    """A class table that finds labels also where they are spelt a little differently.

    loose: regardless of case, blanks, underscores and hyphens, where only one row, or rows that say the same, can be
    meant. Without it a label is found letter by letter.
    """

    def __init__(
        self, rows: Iterable[tuple[str, dict[str, str]]] | Mapping[str, dict[str, str]] = (), loose: bool = False
    ):
        super().__init__(rows)
        self.loose = loose

    @cached_property
    def _by_spelling(self) -> dict[str, str]:
        """A spelling without case, blanks, underscores and hyphens to the label that it can only mean."""
        found: dict[str, list[str]] = {}
        for label in self:
            found.setdefault(plain(label), []).append(label)
        return {
            spelling: labels[0]
            for spelling, labels in found.items()
            if all(self[label] == self[labels[0]] for label in labels)
        }

    def matched(self, label: str) -> str | None:
        """The label of the row that says what a label means; None if there is none."""
        if label in self:
            return label
        return self._by_spelling.get(plain(label)) if self.loose else None

    def traits_of(self, label: str) -> Mapping[str, str]:
        """What the table says of a label; empty if it does not have it."""
        row = self.matched(label)
        return {} if row is None else self[row]

    def class_of(self, label: str, when: str) -> str:
        """The class that a label is merged into at that time, BEFORE or AFTER pooling; else the label itself."""
        if not self.merges:
            return label
        row = self.matched(label)
        said = self[row] if row is not None else {}
        if said.get("synonym_of") and said.get("merge", BEFORE) == when:
            return said["synonym_of"]
        return row if row is not None and row in self._targets(when) else label

    def merged(self, label: str) -> str:
        """The class that a label is merged into, before or after pooling."""
        return self.class_of(self.class_of(label, BEFORE), AFTER)

    def merged_labels(self) -> dict[str, str]:
        """The class of each label of the table, by `merged`; empty if none is merged."""
        return {label: self.merged(label) for label in self} if self.merges else {}

    def merged_spellings(self) -> dict[str, str]:
        """The class of labels that the table spells otherwise, by their plain spelling, if it has other labels too."""
        if not self.loose:
            return {}
        targets = self._targets(BEFORE) | self._targets(AFTER)
        of_several = {row for row in self if row in targets or self[row].get("synonym_of")}
        return {spelling: self.merged(row) for spelling, row in self._by_spelling.items() if row in of_several}

    @cached_property
    def merges(self) -> bool:
        """Whether any label is merged into another class."""
        return any(row.get("synonym_of") for row in self.values())

    def _targets(self, when: str) -> set[str]:
        return {
            row["synonym_of"] for row in self.values() if row.get("synonym_of") and row.get("merge", BEFORE) == when
        }

    def cells_of(self, label: str) -> float:
        """How many cells an image of the class shows; NaN if the table does not say."""
        text = self.traits_of(label).get("cells_per_image", "")
        return float(text) if text else math.nan

    def most_cells_of(self, name: str) -> float:
        """The most cells that an image of a class shows, of all labels merged into it; NaN if the table says none."""
        return self._most_cells.get(name, self.cells_of(name))

    @cached_property
    def _most_cells(self) -> dict[str, float]:
        """The same by class, where labels are merged."""
        found: dict[str, list[float]] = {}
        for label in self if self.merges else ():
            found.setdefault(self.merged(label), []).append(self.cells_of(label))
        return {name: max((each for each in cells if each > 0), default=math.nan) for name, cells in found.items()}


def plain(label: str) -> str:
    """A label without case, blanks, underscores and hyphens."""
    return re.sub(r"[\s_-]+", "", label).casefold()


def as_table(table: ClassTable) -> LabelTable:
    """A class table as one that finds labels; a plain mapping does so letter by letter."""
    return table if isinstance(table, LabelTable) else LabelTable({name: dict(row) for name, row in table.items()})


def read_class_table(path: str | Path | None, loose: bool = False) -> LabelTable:
    """Read the traits of labels from a CSV with the columns of `class_table` in tables.yaml; empty without a path.

    The column `source` is for readers of the file and optional; so are OPTIONAL. loose: as of LabelTable. Raises
    ConfigError, naming the file, if it is not such a table.
    """
    if path is None:
        return LabelTable(loose=loose)
    # These take longer to import than all that a config without a class table has to read.
    import pandas as pd

    from ifcb_abundance.tables import table_files

    try:
        columns = read_columns(Path(path).read_bytes())
        n_rows = len(next(iter(columns.values()), ()))
        columns.setdefault("source", [""] * n_rows)
        table_files.check(pd.DataFrame(columns, dtype="str"), "class_table", str(path))
    except FileNotFoundError:
        raise ConfigError(f"there is no file {path}") from None
    except (OSError, ValueError, TableError) as error:
        raise ConfigError(f"{path} cannot be read as a class table ({error})") from None
    if LIVING_TOTAL in columns["group"]:
        raise ConfigError(f"{path}: a group cannot be called {LIVING_TOTAL!r}: that is the total of what lives")
    formulas = [text for column in columns.values() for text in column if is_formula(text)]
    if formulas:
        raise ConfigError(
            f"{path}: {formulas[0]!r} cannot be used: in the results spreadsheets would run it as a formula"
        )
    more = [name for name in OPTIONAL if name in columns]
    rows = {
        label: {trait: columns[trait][row] for trait in TRAITS}
        | {name: columns[name][row] for name in more if columns[name][row]}
        for row, label in enumerate(columns["label"])
    }
    _spell_targets_as_rows(rows, loose)
    _check_optional(rows, path)
    return LabelTable(rows, loose)


def _spell_targets_as_rows(rows: dict[str, dict[str, str]], loose: bool) -> None:
    """Write in `synonym_of` the row that is meant, where it is spelt otherwise; else the class would be there twice.

    A row that is merged itself is not meant: such a target is another spelling for the class of merged labels alone.
    Changes the rows.
    """
    table = LabelTable({label: dict(row) for label, row in rows.items()}, loose)
    for row in rows.values():
        meant = table.matched(row["synonym_of"]) if row.get("synonym_of") else None
        if meant is not None and not table[meant].get("synonym_of"):
            row["synonym_of"] = meant


def _check_optional(rows: Mapping[str, Mapping[str, str]], path: str | Path) -> None:
    """Raise ConfigError for numbers of cells that are none, and for labels merged into what is merged itself."""
    for label, row in rows.items():
        try:
            usable = not row.get("cells_per_image") or 0 < number(row["cells_per_image"]) <= MOST_CELLS
        except ValueError:
            usable = False
        if not usable:
            raise ConfigError(
                f"{path}: cells_per_image of {label!r} is {row['cells_per_image']!r}: a number above 0, at most "
                f"{MOST_CELLS}, is accepted"
            )
        target = row.get("synonym_of", "")
        if target in (label, UNCLASSIFIED) or rows.get(target, {}).get("synonym_of"):
            raise ConfigError(
                f"{path}: synonym_of of {label!r} is {target!r}, which is the label itself, {UNCLASSIFIED!r}, or is "
                "merged into another class. Name the class that all of them become"
            )


def traits(labels: Iterable[str], table: ClassTable) -> dict[str, list[str]]:
    """Look up the traits of labels, in the order given; empty where the table does not have the label."""
    not_living = {"living": "no"}
    # What is unclassified is of no class, whatever a table says of a label of that name.
    known = as_table(table)
    rows = [
        {}
        if label == UNCLASSIFIED
        else known.traits_of(label) or (not_living if label.lower() in NOT_LIVING and not known.matched(label) else {})
        for label in labels
    ]
    return {trait: [row.get(trait, "") for row in rows] for trait in TRAITS}


def are_living(labels: Iterable[str], table: ClassTable) -> list[bool]:
    """Tell of each label whether the table says that it lives."""
    return [living == "yes" for living in traits(labels, table)["living"]]


def warn_of_unlisted(labels: Iterable[str], table: ClassTable) -> list[str]:
    """Warn of the labels that a class table lacks, and return them. They count, but in no group.

    Labels that it spells otherwise are named too.
    """
    known, labels = as_table(table), set(labels)
    otherwise = {label: row for label in sorted(labels) if (row := known.matched(label)) not in (None, label)}
    if otherwise:
        log.info(
            f"classify.match_labels: the class table spells {counted(len(otherwise), 'label')} otherwise: "
            + ", ".join(f"{label!r} is its {row!r}" for label, row in otherwise.items())
        )
    unlisted = sorted(label for label in labels if known.matched(label) is None) if table else []
    if unlisted:
        log.warning(
            f"classify.class_table lacks {counted(len(unlisted), 'label')}, which are therefore in no group and "
            f"no total: {quoted(unlisted)}. A class table of your own can have them"
        )
    return unlisted
