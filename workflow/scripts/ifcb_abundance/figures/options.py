"""What figures need to know of the config."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

Tables = Mapping[str, str | Path]
"""The names of tables (abundance, coverage, sweep, bins, catalog, ledger, ...) and their paths."""


@dataclass(frozen=True)
class FigureOptions:
    """The keys of the config that figures depend on.

    group_by: columns by which bins were pooled separately. top_classes: the number of classes shown. one_class: the
    class of `bin_series`, None for the most abundant. confidence: of the intervals, from 0 to 1. accept_zero_position:
    whether 0,0 is a position.
    """

    dataset: str
    group_by: Sequence[str]
    top_classes: int
    one_class: str | None
    confidence: float
    accept_zero_position: bool = False
