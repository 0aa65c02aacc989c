"""The class table: what the labels of a classifier mean."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ifcb_abundance.classes.labels import UNCLASSIFIED
from ifcb_abundance.common.errors import ConfigError, TableError, quoted
from ifcb_abundance.common.strict_csv import is_formula, read_columns
from ifcb_abundance.common.words import counted

if TYPE_CHECKING:  # its import takes longer than all that a config has to read, so only what makes a table imports it
    import pandas as pd

log = logging.getLogger("ifcb.class_table")

LIVING_TOTAL = "living total"  # among the groups: all classes that the table calls living
ClassTable = Mapping[str, Mapping[str, str]]  # label to its traits

TRAITS = ("scientific_name", "aphia_id", "living", "group", "harmful")
# Labels that by convention name no organism; said of them even where no table does. `mix` is none of them: it is small
# flagellates and other eukaryotes, and most of what a mooring sees.
NOT_LIVING = frozenset(
    "bad bead beads bubble bubbles camera_spot detritus detritus_clear fecal_pellet fiber pollen".split()
)


def read_class_table(path: str | Path | None) -> dict[str, dict[str, str]]:
    """Read the traits of labels from a CSV with the columns of `class_table` in tables.yaml; {} without a path.

    The column `source` is for readers of the file and optional. Raises ConfigError, naming the file, if it is
    not such a table.
    """
    if path is None:
        return {}
    import pandas as pd

    from ifcb_abundance.tables import table_files

    try:
        table = pd.DataFrame(read_columns(Path(path).read_bytes()), dtype="str")
        if "source" not in table:
            table["source"] = ""
        table_files.check(table, "class_table", str(path))
    except FileNotFoundError:
        raise ConfigError(f"there is no file {path}") from None
    except (OSError, ValueError, TableError) as error:
        raise ConfigError(f"{path} cannot be read as a class table ({error})") from None
    if LIVING_TOTAL in set(table["group"]):
        raise ConfigError(f"{path}: a group cannot be called {LIVING_TOTAL!r}: that is the total of what lives")
    formulas = [text for column in table for text in table[column] if is_formula(text)]
    if formulas:
        raise ConfigError(
            f"{path}: {formulas[0]!r} cannot be used: in the results spreadsheets would run it as a formula"
        )
    return {str(row["label"]): {trait: str(row[trait]) for trait in TRAITS} for row in table.to_dict("records")}


def traits(labels: Iterable[str], table: ClassTable) -> pd.DataFrame:
    """Look up the traits of labels, a row each in the order given; empty where the table does not have the label."""
    import pandas as pd

    not_living = {"living": "no"}
    # What is unclassified is of no class, whatever a table says of a label of that name.
    rows = [
        {} if label == UNCLASSIFIED else table.get(label, not_living if label.lower() in NOT_LIVING else {})
        for label in labels
    ]
    return pd.DataFrame(rows, columns=list(TRAITS), dtype="str").fillna("")


def warn_of_unlisted(labels: Iterable[str], table: ClassTable) -> list[str]:
    """Warn of the labels that a class table lacks, and return them. They count, but in no group."""
    unlisted = sorted(set(labels) - set(table)) if table else []
    if unlisted:
        log.warning(
            f"classify.class_table lacks {counted(len(unlisted), 'label')}, which are therefore in no group and "
            "no total: " + quoted(unlisted)
        )
    return unlisted
