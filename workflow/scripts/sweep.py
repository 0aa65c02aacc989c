"""The threshold sweep: what each threshold would keep, from the scores summaries alone."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

import table_files
from scores import UNCLASSIFIED, Precision, count_classes, read_summary

VERSION = 1  # of the meaning of threshold_sweep.csv: raise it when it has to be made again
THRESHOLDS = [i / 20 for i in range(21)]


def sweep_thresholds(summaries: Sequence[str | Path], precision: Precision, path: str | Path) -> None:
    """Write, for each class and each threshold from 0 to 1 by 0.05, how many of its winners would be kept.

    All bins are taken together. A class that never won has the count 0 and no share.
    """
    kept: dict[str, np.ndarray] = {}
    for summary in summaries:
        provenance, winners = read_summary(summary)
        counts = [count_classes(provenance.classes, winners, t, {}, precision) for t in THRESHOLDS]
        for name, of_class in zip(provenance.classes, np.transpose(counts), strict=True):
            if name == UNCLASSIFIED:
                continue  # no class in any table, whatever a label set says
            kept[name] = kept.get(name, 0) + of_class
    classes = sorted(kept)
    rows = pd.DataFrame(
        {
            "class": np.repeat(np.array(classes, dtype=object), len(THRESHOLDS)),
            "threshold": THRESHOLDS * len(classes),
            "count": np.concatenate([kept[name] for name in classes]) if classes else np.zeros(0, dtype="int64"),
        }
    ).astype({"class": "str"})
    winners_of_class = rows.groupby("class")["count"].transform("max")
    rows["share_kept"] = (rows["count"] / winners_of_class).where(winners_of_class > 0)
    table_files.write(rows, "threshold_sweep", path)
