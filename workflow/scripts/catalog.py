"""The catalog: one row per bin in the window, whatever becomes of it."""

import logging
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pandas as pd

import table_files
from errors import NoBinsError
from source import Source
from window import Bound, Window

log = logging.getLogger("ifcb.catalog")

VERSION = 3  # of the meaning of catalog.csv: raise it when a new catalog has to be listed


def list_catalog(source: Source, window: Window, path: str | Path, may_be_empty: bool = False) -> None:
    """Ask the source which bins there are and write those in the window to `path` (catalog.csv).

    Raises NoBinsError if the window holds no bin, unless it may be empty.
    """
    try:
        inside = _list_bins(source, window)
    except NoBinsError as error:
        if not may_be_empty:
            raise
        log.warning(f"catalog: an empty shard: {error}")
        inside = table_files.empty("catalog")
    table_files.write(inside, "catalog", path)


def _list_bins(source: Source, window: Window) -> pd.DataFrame:
    rows = source.list_bins(window)
    inside = in_window(rows, window)
    if inside.empty:
        known = f"{rows['sample_time'].min()} to {rows['sample_time'].max()}" if len(rows) else "nothing"
        raise NoBinsError(
            f"no bin has its sample_time in the window, select.start {window.start} to select.end {window.end} "
            f"(UTC, inclusive); what was listed spans {known}"
        )
    inside = inside.sort_values(["sample_time", "bin"], ignore_index=True)
    first, last = inside["sample_time"].iloc[[0, -1]]
    log.info(f"catalog: {len(inside)} bins, {first:%Y-%m-%d %H:%M:%S} to {last:%Y-%m-%d %H:%M:%S} (UTC)")
    return inside


def merge_catalogs(parts: Sequence[str | Path], path: str | Path) -> None:
    """Put the catalogs of shards, in order, into one. Raises NoBinsError if none has a bin."""
    merged = pd.concat([table_files.read("catalog", part) for part in parts], ignore_index=True)
    if merged.empty:
        raise NoBinsError(f"none of the {len(parts)} shards has a bin: check dataset, select.start and select.end")
    table_files.write(merged, "catalog", path)


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
