"""The threshold sweep: for each class and each threshold from 0 to 1 by 0.05, how many of its winners it would keep."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import table_files
from files import whole_file
from scores import UNCLASSIFIED, Precision, Winners

THRESHOLDS = [i / 20 for i in range(21)]

Kept = dict[str, NDArray[np.int64]]  # class to the number of ROIs that each of THRESHOLDS keeps


def count_kept(classes: tuple[str, ...], winners: Winners, precision: Precision) -> Kept:
    """A bin's winners that each threshold would keep, compared as `scores.count_classes` does."""
    winner = winners.winner[precision]
    won = winner >= 0
    needed = np.array(THRESHOLDS).astype(precision)
    reached = np.searchsorted(needed, winners.score[won].astype(precision), side="right")  # that many thresholds
    per_step = np.zeros((len(classes), len(THRESHOLDS) + 1), dtype=np.int64)
    np.add.at(per_step, (winner[won], reached), winners.n_rois[won])
    kept = per_step[:, ::-1].cumsum(axis=1)[:, -2::-1]
    # No class in any table is called so, whatever a label set says.
    return {name: row for name, row in zip(classes, kept, strict=True) if name != UNCLASSIFIED}


def add(total: Kept, more: Mapping[str, NDArray[np.int64]]) -> None:
    """Add `more` to `total`."""
    for name, row in more.items():
        total[name] = total.get(name, 0) + row


def write_part(kept: Kept, path: str | Path) -> None:
    """Write a day's part: a row per class, a column per threshold, as Parquet."""
    columns = [str(threshold) for threshold in THRESHOLDS]
    rows = pd.DataFrame.from_dict(kept, orient="index", columns=columns).sort_index()
    with whole_file(path) as unfinished:
        rows.rename_axis("class").to_parquet(unfinished, compression="zstd")


def _read_part(part: str | Path) -> pd.DataFrame:
    """A day's part; or the merged table of many days, in the same shape."""
    if Path(part).suffix == ".parquet":
        return pd.read_parquet(part)
    return table_files.read("threshold_sweep", part).pivot(index="class", columns="threshold", values="count")


def merge_parts(parts: Iterable[str | Path], path: str | Path) -> None:
    """Write the sum of the parts, of days or merged ones; of a class that never won the share is empty."""
    total: Kept = {}
    for part in parts:
        rows = _read_part(part)
        add(total, dict(zip(rows.index, rows.to_numpy(), strict=True)))
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
