"""The catalog: one row per bin in the window, whatever becomes of it."""

import logging
from datetime import datetime
from pathlib import Path

import pandas as pd

import table_files
from errors import CatalogError
from source import Source
from window import Bound, Window

log = logging.getLogger("ifcb.catalog")

VERSION = 1  # of the meaning of catalog.csv: raise it when a new catalog has to be listed


def list_catalog(source: Source, window: Window, path: str | Path) -> None:
    """Ask the source which bins there are and write those in the window to `path` (catalog.csv).

    Raises CatalogError if the window holds no bin.
    """
    rows = source.list_bins(window)
    inside = in_window(rows, window)
    if inside.empty:
        known = f"{rows['sample_time'].min()} to {rows['sample_time'].max()}" if len(rows) else "nothing"
        raise CatalogError(
            f"no bin has its sample_time in the window, select.start {window.start} to select.end {window.end} "
            f"(UTC, inclusive); what was listed spans {known}"
        )
    inside = inside.sort_values(["sample_time", "bin"], ignore_index=True)
    first, last = inside["sample_time"].iloc[[0, -1]]
    log.info(f"catalog: {len(inside)} bins, {first:%Y-%m-%d %H:%M:%S} to {last:%Y-%m-%d %H:%M:%S} (UTC)")
    table_files.write(inside, "catalog", path)


def in_window(rows: pd.DataFrame, window: Window) -> pd.DataFrame:
    """The rows whose sample_time lies in the window, both ends included.

    A bin as an end stands for its sample_time, or for the time in its id if it is not among the rows.
    """
    times = rows["sample_time"]
    inside = pd.Series(True, index=rows.index)
    if window.start:
        inside &= times >= _sample_time(window.start, rows, window.start.first_instant)
    if window.end:
        inside &= times <= _sample_time(window.end, rows, window.end.last_instant)
    return rows[inside]


def _sample_time(bound: Bound, rows: pd.DataFrame, otherwise: datetime) -> datetime:
    if bound.bin is None:
        return otherwise
    found = rows.loc[rows["bin"] == bound.bin, "sample_time"]
    if found.empty:
        log.warning(
            f"select: bin {bound.bin} is not listed; the time in its id bounds the window: {otherwise.isoformat()}"
        )
        return otherwise
    sample_time: datetime = found.iloc[0].to_pydatetime()
    return sample_time
