"""Abundance with and without the images of particles that stuck to the glass."""

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from ifcb_abundance.bins.ids import parse_roi_id
from ifcb_abundance.classes.class_table import AFTER, BEFORE
from ifcb_abundance.classes.labels import UNCLASSIFIED
from ifcb_abundance.common.errors import ScoresError
from ifcb_abundance.common.intervals import poisson_limits
from ifcb_abundance.common.progress import Progress
from ifcb_abundance.curation.classes_won import classes_counted
from ifcb_abundance.pooling.method import Method
from ifcb_abundance.sources.protocols import ScoreReader
from ifcb_abundance.tables import table_files

VERSION = 2  # of the table: raise it so that it is made again
TABLE = "abundance_without_stuck"


def without_stuck(
    source: ScoreReader, stuck: str | Path, bins: str | Path, abundance: str | Path, method: Method, path: str | Path
) -> None:
    """Write the table `abundance_without_stuck`.

    source: has the class scores of the bins with stuck particles. stuck, bins, abundance: the tables `stuck`,
    `bins_long` and `abundance_long`. Raises ScoresError if the class scores of a bin are no longer those counted.
    """
    counts = _by_group(_by_bin(source, stuck, bins, method), bins, method)
    groups = method.group_columns
    columns = ["date", "instrument", *[c for c in groups if c != "instrument"]]
    numbers = ["class", "count", "ml_analyzed_total", "objects_per_ml"]
    table = table_files.read("abundance_long", abundance, [*columns, *numbers])
    keys = ["date", *groups, "class"]
    found = table[keys].merge(counts, on=keys, how="left")["n_stuck"].fillna(0).astype("int64").to_numpy()
    if found.sum() != counts["n_stuck"].sum():
        raise ScoresError("abundance_without_stuck: bins of stuck particles are not in abundance_long.csv")
    table["n_stuck"] = found
    table["count_without_stuck"] = table["count"] - table["n_stuck"]
    volume = table["ml_analyzed_total"].to_numpy(float)
    low, high = poisson_limits(table["count_without_stuck"].to_numpy(float), method.confidence)
    with np.errstate(invalid="ignore", divide="ignore"):
        per_ml = table["count_without_stuck"].to_numpy(float) / volume
        limits = low / volume, high / volume
    name = "objects_per_ml_without_stuck"
    table[name], table[f"{name}_low"], table[f"{name}_high"] = per_ml, *limits
    table_files.write(table[table_files.columns(TABLE, groups)], TABLE, path)


def _by_bin(source: ScoreReader, stuck: str | Path, bins: str | Path, method: Method) -> dict[str, Counter[str]]:
    """Count the images of stuck particles per bin and class. Bins that are not in `bins_long` were not counted."""
    rois = table_files.read("stuck", stuck, ["roi", "bin"])
    file = pq.ParquetFile(bins)
    days = (file.read_row_group(day, columns=["bin"], use_threads=False) for day in range(file.num_row_groups))
    counted = {bin_id for day in days for bin_id in day["bin"].unique().to_pylist()}
    rois = rois[rois["bin"].isin(counted)]
    progress = Progress("bins with stuck particles", lambda: (rois["bin"].nunique(),) * 2)
    progress.begin()
    found = {}
    for bin_id, of_bin in rois.groupby("bin", sort=True)["roi"]:
        classes = classes_counted(source, str(bin_id), method)
        numbers = [n for _, n in map(parse_roi_id, of_bin) if n in classes]  # an image without scores was not counted
        # In the table of bins those labels are merged that the class table merges before pooling.
        found[str(bin_id)] = Counter(_merged(name, BEFORE, method) for n in numbers for name in classes[n])
        progress.step()
    return found


def _merged(name: str, when: str, method: Method) -> str:
    return name if name == UNCLASSIFIED else method.table.class_of(name, when)


def _by_group(counts: dict[str, Counter[str]], bins: str | Path, method: Method) -> pd.DataFrame:
    """Sum counts of bins and classes per day and group."""
    groups = method.group_columns
    file = pq.ParquetFile(bins)
    parts = []
    for day in range(file.num_row_groups):
        rows = file.read_row_group(day, use_threads=False).to_pandas()
        rows = rows[rows["bin"].isin(counts)]
        rows = rows.assign(n_stuck=[counts[b][c] for b, c in zip(rows["bin"], rows["class"], strict=True)])
        if (rows["n_stuck"] > rows["count"]).any():
            wrong = rows.loc[rows["n_stuck"] > rows["count"], "bin"].iloc[0]
            raise ScoresError(
                f"bin {wrong}: its class scores are no longer those that were counted. Have the bin read again: delete "
                "its scores summary, or see `snakemake recheck`"
            )
        names = {name: _merged(name, AFTER, method) for name in rows["class"].unique()}
        parts.append(
            rows.assign(date=rows["sample_time"].dt.strftime("%Y-%m-%d"), **{"class": rows["class"].map(names)})
        )
    keys = ["date", *groups, "class"]
    table = pd.concat(parts) if parts else pd.DataFrame(columns=[*keys, "n_stuck"])
    if table["n_stuck"].sum() != sum(map(Counter.total, counts.values())):
        raise ScoresError("abundance_without_stuck: classes of stuck particles are not in bins_long.parquet")
    sums = pd.DataFrame(table.groupby(keys, as_index=False, dropna=False)["n_stuck"].sum())
    return sums[sums["n_stuck"] > 0]
