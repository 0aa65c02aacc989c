"""A synthetic archive for measurements: a list of bins, and one body of class scores that serves for all."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from tests.archives import bin_row, write_archive
from tests.dashboard.__main__ import PLACEHOLDER

FIRST_DAY = datetime(2010, 1, 1, tzinfo=UTC)


def write_bins(folder: Path, n_bins: int, per_day: int = 60) -> list[str]:
    """Write metadata.csv for bins spread evenly over as many days as they need; returns their ids."""
    step = timedelta(days=1) / per_day
    times = [FIRST_DAY + step * i for i in range(n_bins)]
    ids = [f"D{time:%Y%m%dT%H%M%S}_IFCB010" for time in times]
    write_archive(folder, [bin_row(bin_id, ml_analyzed=3.1) for bin_id in ids], {})
    return ids


def days(n_bins: int, per_day: int = 60) -> tuple[str, str]:
    """First and last UTC day of `write_bins`."""
    last = FIRST_DAY + timedelta(days=(n_bins - 1) // per_day)
    return f"{FIRST_DAY:%Y-%m-%d}", f"{last:%Y-%m-%d}"


def write_body(path: Path, n_rois: int, n_classes: int, widened: bool = False) -> int:
    """Write a class-scores file as the dashboard serves it, its bin a placeholder; returns its bytes.

    Each ROI's scores are float16 and sum to about 1. widened: print them as version 5.2 does, else as 5.0 and 5.1.
    """
    rng = np.random.default_rng(0)
    drawn = rng.exponential(size=(n_rois, n_classes)) ** 4
    scores = (drawn / drawn.sum(axis=1, keepdims=True)).astype("float16")
    if widened:
        scores = scores.astype("float64")
    quote = '"' if widened else ""
    lines = [",".join(f"{quote}{name}{quote}" for name in ("pid", *(f"Genus_species_{i}" for i in range(n_classes))))]
    lines += [
        f"{quote}{PLACEHOLDER}_{roi:05d}{quote}," + ",".join(map(str, row))
        for roi, row in enumerate(scores.tolist() if widened else scores, start=1)
    ]
    return path.write_bytes(("\n".join(lines) + "\n").encode())


def copy_shards(folder: Path, year: int, last: int) -> None:
    """Copy the shard of a year for the years after it, as if the same bins had been there in each of them."""
    for copy in range(year + 1, last + 1):
        place = folder / str(copy)
        if place.exists():
            continue
        place.mkdir()
        for path in (folder / str(year)).iterdir():
            if path.suffix == ".parquet":
                _copy_bins(path, place / path.name, copy - year)
            else:
                text = path.read_text().replace(f"D{year}", f"D{copy}").replace(f"{year}-", f"{copy}-")
                (place / path.name).write_text(text)


def _copy_bins(path: Path, copy: Path, years: int) -> None:
    table = pq.ParquetFile(path)
    with pq.ParquetWriter(copy, table.schema_arrow, compression="zstd") as writer:
        for day in range(table.num_row_groups):
            rows = table.read_row_group(day).to_pandas()
            rows["sample_time"] += pd.DateOffset(years=years)
            rows["bin"] = "D" + rows["sample_time"].dt.strftime("%Y%m%dT%H%M%S") + "_IFCB010"
            writer.write_table(pa.Table.from_pandas(rows, table.schema_arrow, preserve_index=False))


def set_window(folder: Path, end: str) -> None:
    """Have all shards say that they were made for a window that ends on that day."""
    for path in folder.glob("*/run.json"):
        record = json.loads(path.read_text())
        record["config"]["select"]["end"] = end
        record["config"]["select"]["start"] = f"{FIRST_DAY:%Y-%m-%d}"
        path.write_text(json.dumps(record))
