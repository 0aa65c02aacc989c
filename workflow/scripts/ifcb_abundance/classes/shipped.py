"""The class tables that are shipped, by the names that `classify.class_table` takes."""

import sys
from collections.abc import Iterable
from pathlib import Path

from ifcb_abundance.classes.class_table import LabelTable, read_class_table
from ifcb_abundance.common.version import NAME

FOLDER = Path(__file__).parent / "tables"
_CLONE = Path(__file__).parents[4]
SHIPPED = {
    "whoi": (_CLONE if (_CLONE / "Snakefile").exists() else Path(sys.prefix, "share", NAME)) / "config" / "classes.csv",
    **{name: FOLDER / f"{name}.csv" for name in ("smhi", "syke", "ucsc", "whoi_plankton")},
}


def shipped_table(name: str) -> Path:
    """The file of a shipped table."""
    return SHIPPED[name]


def known_labels(labels: Iterable[str], loose: bool = True) -> dict[str, int]:
    """How many of the labels each shipped table knows, in the order of SHIPPED."""
    labels = set(labels)
    tables: dict[str, LabelTable] = {name: read_class_table(path, loose) for name, path in SHIPPED.items()}
    return {name: sum(table.matched(label) is not None for label in labels) for name, table in tables.items()}


def best_table(labels: Iterable[str], loose: bool = True) -> str:
    """The shipped table that knows most labels; the first of SHIPPED among equals."""
    known = known_labels(labels, loose)
    return max(known, key=lambda name: known[name])
