"""Labels that mean something to the workflow itself, and labels that cannot be used."""

from collections import Counter
from functools import lru_cache

from ifcb_abundance.common.strict_csv import is_formula

UNCLASSIFIED = "unclassified"  # ROIs below the threshold of their class, or without any valid score


@lru_cache(maxsize=64)  # bins share their label set
def odd_labels(classes: tuple[str, ...]) -> list[str]:
    """List the labels that cannot be told apart, or cannot stand in a table: empty, duplicate, or like a formula."""
    met = Counter(classes)
    return sorted(name for name, n in met.items() if not name or min(name) < " " or n > 1 or is_formula(name))
