"""The scores behind the report's threshold slider: per day, group of bins and class, how many ROIs won at which score.

That is all that the counts of any threshold depend on. Scores are rounded to the precision in which the run compares
them, and the winner is the one in that precision, so a count in the page is exactly that of a run. Where a page cannot
hold every score, they are counted between steps, and the counts at the steps are exact.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ifcb_abundance.bins.layout import SUMMARY, of_bin
from ifcb_abundance.common.precision import Precision
from ifcb_abundance.report.packing import pack_bytes, planes
from ifcb_abundance.scores.summary import read_wins

MOST_BYTES = 2_900_000  # of the packed scores of a page
MOST_ENTRIES = 3_500_000  # more would not fit into it, and are not kept in memory
STEPS = (0, 0.001, 0.005, 0.01, 0.05)  # between thresholds, each a multiple of the one before; 0 stands for every score

Ints = NDArray[np.int64]
Scores = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Won:
    """How many ROIs (`n`) a class won at a score, in a group of bins of a day: arrays with an element per such triple.

    key: the number of the group of bins and day. label: the number of the class. Sorted by class, key and score.
    """

    key: Ints
    label: Ints
    score: Scores
    n: Ints


@dataclass(frozen=True)
class PackedScores:
    """Scores for a page. step: the distance of the thresholds that it can count at; 0: any threshold.

    edges: how many different scores there are, or thresholds that a score reaches. cells: classes times keys.
    entries: how many cells and edges have a ROI. packed: as counts.js unpacks it: edges, then entries per cell, then of
    each entry the number of its edge less that of the entry before it in its cell, and its ROIs. labels: those that
    were won, of each class that others than its own name are merged into.
    """

    step: float
    edges: int
    cells: int
    entries: int
    packed: str
    labels: Mapping[str, Sequence[str]]


class _Places:
    """The number of the class of a label, -1 for one that is not counted; and which labels it was asked for."""

    def __init__(self, classes: Sequence[str], class_of: Callable[[str], str]) -> None:
        self._place = {name: i for i, name in enumerate(classes)}
        self._class_of = class_of
        self._labels: dict[str, set[str]] = {}

    def __call__(self, label: str) -> int:
        name = self._class_of(label)
        self._labels.setdefault(name, set()).add(label)
        return self._place.get(name, -1)

    def merged(self) -> dict[str, list[str]]:
        """The labels of each class that has another label than its own name."""
        return {name: sorted(labels) for name, labels in sorted(self._labels.items()) if labels != {name}}


def pack_scores(
    bins: pd.DataFrame,
    n_keys: int,
    summaries: str | Path,
    classes: Sequence[str],
    precision: Precision,
    thresholds: Iterable[float],
    class_of: Callable[[str], str] = str,
) -> PackedScores | None:
    """Read the scores of bins and pack them as finely as the page can hold them.

    bins: used bins with the columns `bin` and `key`, one of `n_keys` whole numbers from 0. classes: those that are
    counted. thresholds: those of the run, which the page can count at however coarse its steps are. class_of: gives the
    class that a label is merged into, all labels of which have the same threshold. Returns None if a summary was
    deleted.
    """
    paths = [of_bin(summaries, SUMMARY, bin_id) for bin_id in bins["bin"]]
    if not all(map(Path.exists, map(Path, paths))):
        return None
    edges = [_edges(step, precision, thresholds) for step in STEPS]
    places = _Places(classes, class_of)
    level, won = _read(bins.assign(path=paths), places, precision, edges)
    shape = (len(classes), n_keys)
    packed = _packed(won, STEPS[level], shape, places.merged())
    while len(packed.packed) > MOST_BYTES and level < len(STEPS) - 1:
        level += 1
        won = _coarsened(won, edges[level])
        packed = _packed(won, STEPS[level], shape, places.merged())
    return packed


def _edges(step: float, precision: Precision, thresholds: Iterable[float]) -> Scores | None:
    """Give the thresholds at which a page can count, in the precision of scores; None stands for every score."""
    if not step:
        return None
    steps = [round(i * step, 3) for i in range(round(1 / step) + 1)]
    return np.unique(np.array([*steps, *thresholds]).astype(precision))


def _read(
    bins: pd.DataFrame, place: Callable[[str], int], precision: Precision, edges: Sequence[Scores | None]
) -> tuple[int, Won]:
    """Read the winners of bins, day by day, as finely as MOST_ENTRIES allows: by the first of `edges` that does."""
    parts: list[Won] = []
    level = n_entries = 0
    for key, paths in bins.groupby("key", sort=True)["path"]:
        label, score, n = _winners(paths, place, precision)
        order = np.lexsort((score, label))
        part = _coarsened(Won(np.full(len(label), key), label[order], score[order], n[order]), edges[level])
        parts.append(part)
        n_entries += len(part.n)
        while n_entries > MOST_ENTRIES and level < len(edges) - 1:
            level += 1
            parts = [_coarsened(part, edges[level]) for part in parts]
            n_entries = sum(len(part.n) for part in parts)
    empty = np.zeros(0, np.int64)
    parts = parts or [Won(empty, empty, np.zeros(0, precision), empty)]
    order = np.argsort(np.concatenate([part.label for part in parts]), kind="stable")
    columns = {name: np.concatenate([getattr(part, name) for part in parts])[order] for name in vars(parts[0])}
    return level, Won(**columns)


def _coarsened(won: Won, edges: Scores | None) -> Won:
    """Take each score as the last edge that it reaches, and add up what is the same then."""
    score = won.score if edges is None else edges[np.searchsorted(edges, won.score, side="right") - 1]
    starts = _starts(won.label, won.key, score)
    return Won(won.key[starts], won.label[starts], score[starts], _sums(won.n, starts))


def _winners(paths: Iterable[str], place: Callable[[str], int], precision: Precision) -> tuple[Ints, Scores, Ints]:
    """Read the classes won, by their numbers, the scores and how many ROIs, of a group of bins."""
    names, won = read_wins(paths, precision)
    encoded = names.dictionary_encode()
    number = np.array([*map(place, encoded.dictionary.to_pylist()), -1], dtype=np.int64)
    label = number[encoded.indices.fill_null(len(number) - 1).to_numpy()]  # -1 of a ROI without a score is the last one
    counted = label >= 0
    score, n = (won.column(name).to_numpy()[counted] for name in ("score", "n_rois"))
    return label[counted], score.astype(precision), n.astype(np.int64)


def _starts(*sorted_by: NDArray[Any]) -> Ints:
    """Find where the first of equal elements is."""
    first = np.ones(len(sorted_by[0]), dtype=bool)
    first[1:] = np.any([values[1:] != values[:-1] for values in sorted_by], axis=0)
    return np.flatnonzero(first)


def _sums(n: Ints, starts: Ints) -> Ints:
    return np.add.reduceat(n, starts) if len(starts) else n


def _packed(won: Won, step: float, shape: tuple[int, int], labels: Mapping[str, Sequence[str]]) -> PackedScores:
    n_classes, n_keys = shape
    cell = won.label * n_keys + won.key
    edges, edge = np.unique(won.score, return_inverse=True)
    difference = np.diff(edge, prepend=0)
    firsts = _starts(cell)
    difference[firsts] = edge[firsts]
    sizes = np.bincount(cell, minlength=n_classes * n_keys)
    arrays = [
        planes(edges.astype(np.float64)),
        *(planes(each.astype(np.uint32)) for each in (sizes, difference, won.n)),
    ]
    return PackedScores(step, len(edges), len(sizes), len(edge), pack_bytes(b"".join(arrays)), labels)
