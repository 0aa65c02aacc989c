"""Weeks, months and hours: the same pooling over other spans than the UTC day."""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from ifcb_abundance.abundance.bin_table import OF_BIN
from ifcb_abundance.abundance.days import pool
from ifcb_abundance.pooling.core import COUNT, BinValues
from ifcb_abundance.pooling.method import Method
from ifcb_abundance.tables import table_files

STARTS = {"hour": "h", "week": "W", "month": "M"}  # pandas' names; weeks begin on Monday (ISO 8601)


def pool_periods(bins: str | Path, period: str, method: Method, path: str | Path) -> None:
    """Pool the used bins of each period; write the columns of abundance_long, `date` being where a period starts.

    bins: the bin-level table. A week or month that the window does not hold whole is pooled from the days it has.
    """
    group_by = method.group_columns
    pooled = [_pool_span(start, rows, method) for start, rows in _spans(bins, period)]
    table = pd.concat(pooled) if pooled else table_files.empty("abundance_long", group_by)
    table_files.write(table, "abundance_long", path)


def _spans(bins: str | Path, period: str) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the start and the bin-level rows of each period; only the days of one period are in memory."""

    def start_of(times: pd.Series) -> pd.Series:
        starts = times.dt.tz_localize(None).dt.to_period(STARTS[period]).dt.start_time
        texts: pd.Series = starts.dt.strftime("%Y-%m-%dT%H:00:00+00:00" if period == "hour" else "%Y-%m-%d")
        return texts

    def span_of_day(rows: pd.DataFrame) -> str:
        first = rows["sample_time"].iloc[:1]
        return str((first.dt.strftime("%Y-%m-%d") if period == "hour" else start_of(first)).iloc[0])

    table = pq.ParquetFile(bins)
    days = (table.read_row_group(day).to_pandas() for day in range(table.num_row_groups))
    for _, of_span in groupby((rows for rows in days if len(rows)), key=span_of_day):
        rows = pd.concat(of_span, ignore_index=True)
        for start, of_start in rows.groupby(start_of(rows["sample_time"]), sort=True):
            yield str(start), of_start


def _pool_span(start: str, rows: pd.DataFrame, method: Method) -> pd.DataFrame:
    used = rows.drop_duplicates("bin")[OF_BIN].assign(date=start)
    found = {
        str(bin_id): BinValues(tuple(of_bin["class"]), {COUNT: of_bin["count"].to_numpy(np.float64)})
        for bin_id, of_bin in rows.groupby("bin", sort=False)
    }
    abundance, _ = pool(used, found, method)
    return abundance
