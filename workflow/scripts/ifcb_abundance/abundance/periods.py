"""Weeks, months, hours, single bins and stretches of a ship's way: the pooling of days over other spans."""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from ifcb_abundance.abundance.bin_table import of_bin_columns
from ifcb_abundance.abundance.bin_values import with_several
from ifcb_abundance.abundance.days import pool
from ifcb_abundance.bins.positions import greatest_distance_km
from ifcb_abundance.pooling.core import COUNT, BinValues, share_labels
from ifcb_abundance.pooling.method import Method
from ifcb_abundance.tables import table_files

# pandas' names; weeks begin on Monday (ISO 8601). A bin is a span of its own.
VERSION = 3  # of the meaning of the tables: raise it so that they are pooled again
STARTS = {"hour": "h", "week": "W", "month": "M", "bin": None}


def pool_periods(bins: str | Path, period: str, method: Method, path: str | Path) -> None:
    """Pool the used bins of each period; write the columns of abundance_long, `date` being where a period starts.

    bins: the bin-level table. A week or month that the window does not hold whole is pooled from the days it has. With
    the period `bin` a row is a bin and class, with the columns of abundance_moving.
    """
    if period == "bin":
        _pool_stretches(bins, 0, method, path)
        return
    pooled = [_pool_span(start, rows, method) for start, rows in _spans(bins, period)]
    table = pd.concat(pooled) if pooled else table_files.empty("abundance_long", method.table_columns)
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
    used = rows.drop_duplicates("bin")[of_bin_columns([str(name) for name in rows])].assign(date=start)
    found = {
        str(bin_id): with_several(
            BinValues(
                tuple(of_bin["class"]),
                {name: of_bin[name].to_numpy(np.float64) for name in (COUNT, *method.quantities)},
            )
        )
        for bin_id, of_bin in rows.groupby("bin", sort=False)
    }
    if method.winners_only:  # the bins of a day share their classes already, and here those of all days of the span
        share_labels({name: of_bin.classes[:-1] for name, of_bin in found.items()}, found, str)
    abundance, _ = pool(used, found, method)
    return abundance


def pool_distance(bins: str | Path, km: float, method: Method, path: str | Path) -> None:
    """Pool the used bins of each stretch of the way of a moving platform; write the columns of abundance_moving.

    bins: the bin-level table. A stretch is of one instrument, group and UTC day. It goes on, bin after bin, as long as
    these are no farther than `km` from its first. Bins without a position are pooled for themselves, day by day.
    """
    _pool_stretches(bins, km, method, path)


def _pool_stretches(bins: str | Path, km: float, method: Method, path: str | Path) -> None:
    """km: 0 pools nothing, so that each bin is a stretch."""
    table = pq.ParquetFile(bins)
    pooled = []
    for number in range(table.num_row_groups):
        day = table.read_row_group(number).to_pandas()
        used = day.drop_duplicates("bin")[of_bin_columns([str(name) for name in day])].sort_values(
            ["sample_time", "bin"], ignore_index=True
        )
        stretch = pd.Series(_stretches(used, km, method.group_columns), dtype="int64")
        of_rows = day["bin"].map(dict(zip(used["bin"], stretch, strict=True)))
        for of_stretch, rows in day.groupby(of_rows, sort=True):
            of_bins = used[stretch == of_stretch]
            first, last = of_bins.iloc[0], of_bins.iloc[-1]
            latitude, longitude = (of_bins[axis].to_numpy(np.float64) for axis in ("latitude", "longitude"))
            pooled.append(
                _pool_span(first["sample_time"].isoformat(), rows, method).assign(
                    bins=first["bin"] if len(of_bins) == 1 else f"{first['bin']}..{last['bin']}",
                    last_sample_time=last["sample_time"],
                    n_positions=int((~np.isnan(latitude) & ~np.isnan(longitude)).sum()),
                    position_spread_km=greatest_distance_km(latitude, longitude),
                )
            )
    whole = pd.concat(pooled) if pooled else table_files.empty("abundance_moving", method.table_columns)
    table_files.write(whole, "abundance_moving", path)


def _stretches(used: pd.DataFrame, km: float, group_columns: list[str]) -> list[int]:
    """Number the stretch of each of a day's bins, which are in order of time."""
    open_ones: dict[tuple[object, ...], tuple[int, float, float]] = {}  # the group, its stretch and where that began
    numbers = []
    for at, row in enumerate(used.to_dict("records")):
        latitude, longitude = row["latitude"], row["longitude"]
        placed = not (np.isnan(latitude) or np.isnan(longitude))
        # A missing depth is NaN, which equals nothing.
        key = (placed, row["instrument"], *(str(row[column]) for column in group_columns))
        if km and key in open_ones:
            number, *first = open_ones[key]
            ends = np.array([first[0], latitude]), np.array([first[1], longitude])
            if not placed or greatest_distance_km(*ends) <= km:
                numbers.append(number)
                continue
        open_ones[key] = (at, latitude, longitude)
        numbers.append(at)
    return numbers
