"""The catalog: one row per bin in the window, whatever becomes of it."""

import logging
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from ifcb_abundance.bins.ids import bin_timestamp
from ifcb_abundance.bins.window import Window
from ifcb_abundance.common.errors import CatalogError, NoBinsError
from ifcb_abundance.common.folders import stamp
from ifcb_abundance.common.words import counted
from ifcb_abundance.sources.protocols import BinCatalog
from ifcb_abundance.tables import table_files

log = logging.getLogger("ifcb.catalog")

VERSION = 7  # of the meaning of catalog.csv: raise it when a new catalog has to be listed
OPTIONAL = ("cast", "niskin")  # columns that are there where a bin has such a thing, or bins are grouped by it
SAME_TIME = pd.Timedelta(minutes=1)  # apart at most
TOLD = 3  # bins that a warning names
WALKED_DEPTHS = (
    "a walk cannot tell a depth of 0 m from an unknown one, and abundance.group_by has depth: bins of both kinds are "
    "pooled, without a depth. source.catalog: export can tell them apart"
)


def identity(source: BinCatalog) -> dict[str, Any]:
    """Say what bins are listed from: the source, and size and time of each local file, so that changes show."""
    files = [stamp(path) for path in source.catalog_files()]
    return {**source.catalog_identity, **({"files": files} if files else {})}


def made_of(source: Any, window: Window) -> dict[str, Any]:
    """Say all that a catalog is made of: a run lists it once. source: its `identity`, or a function that gives it."""
    return {"version": VERSION, "source": source, "window": [str(window.start), str(window.end)]}


def list_catalog(
    source: BinCatalog,
    window: Window,
    path: str | Path,
    may_be_empty: bool = False,
    group_by: Sequence[str] = (),
    at_once: int = 4,
) -> None:
    """Ask the source which bins there are and write those in the window to `path` (catalog.csv).

    group_by: what bins will be pooled by; warns where it needs what this way of listing does not know. at_once: as of
    `BinCatalog.list_bins`. Raises NoBinsError if the window holds no bin, unless it may be empty.
    """
    try:
        inside = _list_bins(source, window, at_once)
    except NoBinsError as error:
        if not may_be_empty:
            raise
        log.warning(f"catalog: an empty shard: {error}")
        inside = table_files.empty("catalog")
    _tell_of_positions(source, inside)
    _tell_of_times(inside)
    if "depth" in group_by and source.catalog_identity.get("catalog") == "walk":
        log.warning(f"catalog: {WALKED_DEPTHS}")
    for name in OPTIONAL:
        if name in inside or name in group_by:
            inside[name] = inside[name].fillna("") if name in inside else pd.Series("", inside.index, dtype="str")
    table_files.write(inside[table_files.columns("catalog", [str(name) for name in inside])], "catalog", path)


def _list_bins(source: BinCatalog, window: Window, at_once: int) -> pd.DataFrame:
    rows = source.list_bins(window, at_once)
    inside = in_window(rows, window)
    if inside.empty:
        spans = f"{rows['sample_time'].min()} to {rows['sample_time'].max()}"
        known = spans if len(rows) else "nothing: the list itself has no bin"
        raise NoBinsError(
            f"no bin has its sample_time in the window, select.start {window.start} to select.end {window.end} "
            f"(UTC, inclusive); what was listed spans {known}"
        )
    inside = inside.sort_values(["sample_time", "bin"], ignore_index=True)
    first, last = inside["sample_time"].iloc[[0, -1]]
    log.info(f"catalog: {counted(len(inside), 'bin')}, {first:%Y-%m-%d %H:%M:%S} to {last:%Y-%m-%d %H:%M:%S} (UTC)")
    return inside


def _tell_of_positions(source: BinCatalog, inside: pd.DataFrame) -> None:
    """Warn of bins whose position does not count. The reader of raw headers has warned of its own already."""
    noted = inside[inside["position_note"] != ""]
    if len(noted) and source.catalog_identity.get("catalog") != "raw":
        told = [f"{row['bin']}: {row['position_note']}" for row in noted.head(TOLD).to_dict("records")]
        log.warning(
            f"catalog: {counted(len(noted), 'bin')} with a latitude, longitude or depth of an old fix or nowhere on "
            f"earth, which is not kept (position_note in the catalog): {'; '.join(told)}"
            + ("; ..." if len(noted) > TOLD else "")
        )


def _tell_of_times(inside: pd.DataFrame) -> None:
    """Tell of bins whose sample_time is not the time in their id. Somebody corrected it; or, of most, it is not UTC."""
    if inside.empty:
        return
    in_ids = pd.Series([bin_timestamp(bin_id) for bin_id in inside["bin"]], inside.index, dtype="datetime64[us, UTC]")
    apart = (inside["sample_time"] - in_ids).abs()
    others = inside[apart > SAME_TIME]
    if len(others):
        hours = apart.max() / pd.Timedelta(hours=1)
        told = [f"{row['bin']}: {row['sample_time']:%Y-%m-%d %H:%M:%S}" for row in others.head(TOLD).to_dict("records")]
        log.log(
            logging.WARNING if len(others) > len(inside) / 2 else logging.INFO,
            f"catalog: the sample_time of {counted(len(others), 'bin')} is not the time in the id, by up to "
            f"{hours:.1f} h. Bins belong to the day of their sample_time, which has to be in UTC, as ids are: "
            + "; ".join(told)
            + ("; ..." if len(others) > TOLD else ""),
        )


def merge_catalogs(parts: Sequence[str | Path], path: str | Path) -> None:
    """Merge the catalogs of shards, in order.

    Raises NoBinsError if none has a bin, and CatalogError if two have the same one.
    """
    listed = [table_files.read("catalog", part) for part in parts]
    merged = pd.concat(listed, ignore_index=True)
    if (again := merged["bin"][merged["bin"].duplicated()]).size:
        where = [str(part) for part, rows in zip(parts, listed, strict=True) if again.iloc[0] in set(rows["bin"])]
        raise CatalogError(
            f"bin {again.iloc[0]} is in the lists of several shards: {', '.join(where)}. Its sample_time may have been "
            "changed in between: delete these lists and run these shards again"
        )
    for name in set(OPTIONAL) & set(merged):
        merged[name] = merged[name].fillna("").astype("str")
    merged = merged[table_files.columns("catalog", [str(name) for name in merged])]
    if merged.empty:
        raise NoBinsError("none of the shards has a bin: check dataset, select.start and select.end")
    table_files.write(merged, "catalog", path)


def in_window(rows: pd.DataFrame, window: Window) -> pd.DataFrame:
    """Select the rows whose sample_time lies in the window, both ends included.

    A bin as an end stands for its sample_time, or for the time in its id if it is not among the rows. Raises
    CatalogError if the window ends before it starts.
    """
    times = rows["sample_time"]
    try:
        first, last = window.instants(_sample_times(rows, window))
    except ValueError as error:
        raise CatalogError(f"{error}. Accepted: a start not after the end") from None
    inside = pd.Series(True, index=rows.index)
    if first:
        inside &= times >= first
    if last:
        inside &= times <= last
    return rows[inside]


def _sample_times(rows: pd.DataFrame, window: Window) -> dict[str, datetime]:
    """Look up the sample times of bins that are ends of the window. The source has refused those that it lacks."""
    found = {}
    for key, bin_id in window.bins():
        of_bin = rows.loc[rows["bin"] == bin_id, "sample_time"]
        if of_bin.empty:
            log.warning(f"{key}: there is no bin {bin_id}; the time in its id is the end of the window")
        else:
            found[bin_id] = of_bin.iloc[0].to_pydatetime()
    return found
