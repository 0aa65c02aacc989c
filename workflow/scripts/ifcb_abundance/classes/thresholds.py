"""Thresholds of single classes, from a CSV file."""

import logging
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path

from ifcb_abundance.classes.labels import UNCLASSIFIED
from ifcb_abundance.common.errors import ConfigError, quoted
from ifcb_abundance.common.strict_csv import number, read_columns

log = logging.getLogger("ifcb.thresholds")


def read_class_thresholds(path: str | Path) -> dict[str, float]:
    """Read the thresholds of single classes from a CSV with the columns `class` and `threshold`.

    Blanks around labels are dropped. Raises ConfigError, naming the file and the row, if it is not such a table with
    values from 0 to 1.
    """
    try:
        table = read_columns(Path(path).read_bytes())
    except FileNotFoundError:
        raise ConfigError(f"there is no file {path}") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read as a CSV with the columns class,threshold ({error})") from None
    if not {"class", "threshold"} <= set(table):
        raise ConfigError(f"{path} has the columns {list(table)}; class,threshold are needed")
    thresholds: dict[str, float] = {}
    for line, (name, text) in enumerate(zip(map(str.strip, table["class"]), table["threshold"], strict=True), start=2):
        problem = "from 0 to 1 are accepted"
        try:
            value = number(text)
        except ValueError as error:
            value, problem = -1.0, f"{error}; {problem}"
        if not 0 <= value <= 1:
            raise ConfigError(f"{path}, line {line}: the threshold of {name!r} is {text!r}: {problem}")
        if not name:
            raise ConfigError(f"{path}, line {line}: no class before the threshold")
        if name == UNCLASSIFIED:
            raise ConfigError(f"{path}, line {line}: {name!r} is reserved for ROIs that reach no threshold")
        if name in thresholds:
            raise ConfigError(f"{path}, line {line}: duplicate class {name!r}")
        thresholds[name] = value
    return thresholds


def warn_of_unknown(labels: Iterable[str], class_thresholds: Mapping[str, float]) -> list[str]:
    """Warn of classes in `class_thresholds` that are not among the labels, and return them: likely misspelt."""
    unknown = sorted(set(class_thresholds) - set(labels))
    if unknown:
        known = sorted(labels)
        near = dict.fromkeys(close for name in unknown for close in get_close_matches(name, known, n=1))
        log.warning(
            f"classify.class_thresholds: no bin was classified by a label set with {quoted(unknown)}; "
            + (f"did you mean {quoted(near)}? " if near else "")
            + f"the classes are: {quoted(known)}"
        )
    return unknown
