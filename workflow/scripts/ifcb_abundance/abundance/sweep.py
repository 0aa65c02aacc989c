"""The threshold sweep: for each class and each threshold from 0 to 1 by 0.05, how many of its winners it would keep."""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ifcb_abundance.classes.labels import UNCLASSIFIED
from ifcb_abundance.common.precision import Precision
from ifcb_abundance.scores.summary import Winners
from ifcb_abundance.tables import table_files

THRESHOLDS = [i / 20 for i in range(21)]

Kept = dict[str, NDArray[np.int64]]  # class to the number of ROIs that each of THRESHOLDS keeps


def count_kept(classes: tuple[str, ...], winners: Winners, precision: Precision) -> NDArray[np.int64]:
    """Count the winners of a bin that each threshold would keep, compared as `summary.count_by` does.

    Returns the number of ROIs, in the shape (classes, THRESHOLDS).
    """
    winner = winners.winner[precision]
    won = winner >= 0
    needed = np.array(THRESHOLDS).astype(precision)
    reached = np.searchsorted(needed, winners.score[won].astype(precision), side="right")  # that many thresholds
    steps = len(THRESHOLDS) + 1
    cells = winner[won] * steps + reached
    per_step = np.bincount(cells, weights=winners.n_rois[won], minlength=len(classes) * steps).astype(np.int64)
    return per_step.reshape(-1, steps)[:, ::-1].cumsum(axis=1)[:, -2::-1]


def _add(total: Kept, labels: Iterable[str], rows: NDArray[np.int64], class_of: Callable[[str], str]) -> None:
    for label, row in zip(labels, rows, strict=True):
        if label != UNCLASSIFIED:  # no class in any table is called so, whatever a label set says
            name = class_of(label)
            total[name] = total.get(name, 0) + row


def part_of(kept: Mapping[tuple[str, ...], NDArray[np.int64]], class_of: Callable[[str], str]) -> bytes:
    """Return a day's part as a Parquet file: a row per class, a column per threshold.

    kept: label set to the sum of `count_kept` over its bins. class_of: the class that a label is merged into.
    """
    total: Kept = {}
    for label_set, of_set in kept.items():
        _add(total, label_set, of_set, class_of)
    classes = sorted(total)
    counts = np.array([total[name] for name in classes], dtype=np.int64).reshape(len(classes), len(THRESHOLDS))
    empty = _empty_part(bool(classes))
    rows = (
        pa.Table.from_arrays([*map(pa.array, counts.T), pa.array(classes)], schema=empty.schema) if classes else empty
    )
    return table_files.parquet_bytes(rows)


@cache
def _empty_part(of_some_class: bool) -> pa.Table:
    """A part without its rows, as pandas makes it of classes and their counts."""
    rows = {"any": [0] * len(THRESHOLDS)} if of_some_class else {}
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=[str(threshold) for threshold in THRESHOLDS])
    return pa.Table.from_pandas(frame.rename_axis("class")).slice(0, 0)


def _read_part(part: str | Path) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Read a day's part, or the merged table of many days: the classes, and the counts of the shape of `count_kept`."""
    if Path(part).suffix == ".parquet":
        rows = pq.ParquetFile(part).read(use_threads=False)
        if not len(rows):
            return (), np.empty((0, len(THRESHOLDS)), np.int64)
        *counts, classes = rows.columns
        return tuple(classes.to_pylist()), np.column_stack([column.to_numpy() for column in counts])
    table = table_files.read("threshold_sweep", part).pivot(index="class", columns="threshold", values="count")
    return tuple(table.index), table.to_numpy(np.int64)


def merge_parts(parts: Iterable[str | Path], path: str | Path, class_of: Callable[[str], str]) -> None:
    """Write the sum of the parts, of days or merged ones. The share of a class that never won is empty.

    class_of: as for `part_of`. Parts of earlier versions have the labels, not the classes that they are merged into.
    """
    total: Kept = {}
    sums: dict[tuple[str, ...], NDArray[np.int64]] = {}  # days mostly have the same classes
    for part in parts:
        names, rows = _read_part(part)
        sums[names] = sums[names] + rows if names in sums else rows
    for of_classes, rows in sums.items():
        _add(total, of_classes, rows, class_of)
    classes = sorted(total)
    counts = np.array([total[name] for name in classes], dtype=np.int64).reshape(len(classes), len(THRESHOLDS))
    winners = np.where(counts[:, :1] > 0, counts[:, :1], np.nan)  # all of them reach 0
    table = pd.DataFrame(
        {
            "class": pd.Series(np.repeat(np.array(classes, dtype=object), len(THRESHOLDS)), dtype="str"),
            "threshold": np.tile(THRESHOLDS, len(classes)),
            "count": counts.ravel(),
            "share_kept": (counts / winners).ravel(),
        }
    )
    table_files.write(table, "threshold_sweep", path)
