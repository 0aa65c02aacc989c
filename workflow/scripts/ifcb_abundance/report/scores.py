"""The scores behind the report's threshold slider: per day, group of bins and class, how many ROIs won at which score.

That is all that the counts of any threshold depend on. Scores are rounded to the precision in which the run compares
them, and the winner is the one in that precision, so a count in the page is exactly that of a run. Where a page cannot
hold every score, they are counted between steps, and the counts at the steps are exact.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ifcb_abundance.bins.layout import SUMMARY, of_bin
from ifcb_abundance.common.precision import Precision
from ifcb_abundance.report.packing import pack_bytes, planes
from ifcb_abundance.scores.summary import read_summary

MOST_BYTES = 2_900_000  # of the packed scores of a page
MOST_ENTRIES = 4_000_000  # more would not fit into it, so packing them is not tried
STEPS = (0, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05)  # between thresholds; 0 stands for every score

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Won:
    """How many ROIs (`n`) a class won at a score, in a group of bins of a day: arrays with an element per such triple.

    key: the number of the group of bins and day. label: the number of the class. Sorted by class, key and score.
    """

    key: Ints
    label: Ints
    score: NDArray[np.floating[Any]]
    n: Ints


@dataclass(frozen=True)
class PackedScores:
    """Scores for a page. step: the distance of the thresholds that it can count at; 0: any threshold.

    edges: how many there are: scores, or thresholds in the precision of scores. cells: classes times keys. entries: how
    many cells and edges have a ROI. packed: as page.js unpacks it: edges, then entries per cell, then of each entry the
    number of its edge less that of the entry before it in its cell, and its ROIs.
    """

    step: float
    edges: int
    cells: int
    entries: int
    packed: str


def pack_scores(
    bins: pd.DataFrame,
    summaries: str | Path,
    classes: Sequence[str],
    precision: Precision,
    thresholds: Iterable[float],
) -> PackedScores | None:
    """Read the scores of bins and pack them as finely as the page can hold them.

    bins: used bins with the columns `bin` and `key`, whole numbers from 0. classes: those that are counted. thresholds:
    those of the run, which the page can count at however coarse its steps are. Returns None if a summary was deleted.
    """
    paths = [of_bin(summaries, SUMMARY, bin_id) for bin_id in bins["bin"]]
    if not all(map(Path.exists, map(Path, paths))):
        return None
    n_keys = int(bins["key"].max()) + 1 if len(bins) else 0
    won = _read(bins.assign(path=paths), {name: i for i, name in enumerate(classes)}, precision)
    for step in STEPS:
        edges = _edges(won, step, precision, thresholds)
        packed = _packed(won, edges, len(classes), n_keys, step)
        if packed and len(packed.packed) <= MOST_BYTES:
            break
    return packed


def _edges(won: Won, step: float, precision: Precision, thresholds: Iterable[float]) -> NDArray[np.floating[Any]]:
    if not step:
        return np.unique(won.score)
    steps = [round(i * step, 3) for i in range(round(1 / step) + 1)]
    return np.array(sorted({*steps, *thresholds})).astype(precision)


def _read(bins: pd.DataFrame, position: dict[str, int], precision: Precision) -> Won:
    parts: list[Won] = []
    for key, paths in bins.groupby("key", sort=True)["path"]:
        found = [_winners(path, position, precision) for path in paths]
        label, score, n = (np.concatenate(each) for each in zip(*found, strict=True))
        order = np.lexsort((score, label))
        label, score = label[order], score[order]
        starts = _starts(label, score)
        parts.append(Won(np.full(len(starts), key), label[starts], score[starts], _sums(n[order], starts)))
    empty = np.zeros(0, np.int64)
    parts = parts or [Won(empty, empty, np.zeros(0, precision), empty)]
    order = np.argsort(np.concatenate([part.label for part in parts]), kind="stable")
    columns = {name: np.concatenate([getattr(part, name) for part in parts])[order] for name in vars(parts[0])}
    return Won(**columns)


def _winners(path: str, position: dict[str, int], precision: Precision) -> tuple[Ints, NDArray[np.floating[Any]], Ints]:
    """Read the classes won, by their numbers, the scores and how many ROIs, of a bin."""
    provenance, winners = read_summary(path)
    number = np.array([*(position.get(name, -1) for name in provenance.classes), -1], dtype=np.int64)
    label = number[winners.winner[precision]]  # -1 of a ROI without a score is the last one
    counted = label >= 0
    return label[counted], winners.score[counted].astype(precision), winners.n_rois[counted]


def _starts(*sorted_by: NDArray[Any]) -> Ints:
    """Find where the first of equal elements is."""
    first = np.ones(len(sorted_by[0]), dtype=bool)
    first[1:] = np.any([values[1:] != values[:-1] for values in sorted_by], axis=0)
    return np.flatnonzero(first)


def _sums(n: Ints, starts: Ints) -> Ints:
    return np.add.reduceat(n, starts) if len(starts) else n


def _packed(
    won: Won, edges: NDArray[np.floating[Any]], n_classes: int, n_keys: int, step: float
) -> PackedScores | None:
    """Count the ROIs between edges; None if there is too much for a page, unless the steps are the coarsest."""
    cell = won.label * n_keys + won.key
    edge = np.searchsorted(edges, won.score, side="right") - 1
    starts = _starts(cell, edge)
    if len(starts) > MOST_ENTRIES and step != STEPS[-1]:
        return None
    cell, edge, n = cell[starts], edge[starts], _sums(won.n, starts)
    difference = np.diff(edge, prepend=0)
    firsts = _starts(cell)
    difference[firsts] = edge[firsts]
    sizes = np.bincount(cell, minlength=n_classes * n_keys)
    arrays = [planes(edges.astype(np.float64)), *(planes(each.astype(np.uint32)) for each in (sizes, difference, n))]
    return PackedScores(step, len(edges), len(sizes), len(edge), pack_bytes(b"".join(arrays)))
