"""Labels that mean something to the workflow itself, and labels that cannot be used."""

from collections import Counter
from functools import lru_cache

from ifcb_abundance.common.strict_csv import is_formula

UNCLASSIFIED = "unclassified"  # ROIs below the threshold of their class, or without any valid score


@lru_cache(maxsize=64)  # bins share their label set
def odd_labels(classes: tuple[str, ...]) -> str:
    """Name the labels that cannot be told apart, or cannot stand in a table, and say why; empty if there is none."""
    return ", ".join(f"{name!r} {why}" for name, n in sorted(Counter(classes).items()) if (why := _why_odd(name, n)))


def _why_odd(name: str, times: int) -> str:
    if not name:
        return "is empty"
    if min(name) < " ":
        return "holds a control character"
    if is_formula(name):
        return "begins like a spreadsheet formula"
    return "is a duplicate" if times > 1 else ""
