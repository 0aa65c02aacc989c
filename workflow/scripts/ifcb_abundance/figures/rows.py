"""Read tables and arrange their rows for the figures: groups of bins, days, and why a day has no value."""

import math
import re
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from ifcb_abundance.bins.statuses import BinStatus
from ifcb_abundance.figures.options import FigureOptions, Tables
from ifcb_abundance.figures.span import Span
from ifcb_abundance.tables import table_files

NOT_ASSESSED, NO_DATA = "not assessed: in no label set", "no data: no used bin"
SERIES_MOST = 6  # more could not be told apart by colour


def series_of(frame: pd.DataFrame, group_by: Sequence[str]) -> pd.Series:
    """Name the group of each row by what `group_by` tells apart, such as `IFCB10, 5 m`."""
    parts = []
    for column in group_by:
        if column == "depth":
            parts.append(frame["depth"].map(_name_of_depth))
        else:
            parts.append(frame[column].where(frame[column] != "", f"no {column.replace('_', ' ')}"))
    if not parts:
        return pd.Series("all bins", index=frame.index, dtype="str")
    name = parts[0]
    for part in parts[1:]:
        name = name + ", " + part
    return name


def _name_of_depth(depth: float) -> str:
    # With all its digits: depths that differ are groups of their own.
    return "no depth" if math.isnan(depth) else f"{np.format_float_positional(depth, trim='-')} m"


def read_coverage(
    tables: Tables, options: FigureOptions, statuses: Iterable[str] = (BinStatus.USED,)
) -> tuple[pd.DataFrame, Span | None]:
    """Count the bins per series, day and status (`n_used`, ...); the span of days is None if there is no day."""
    counts = [f"n_{status}" for status in statuses]
    rows = table_files.read("coverage", tables["coverage"], ["date", *options.group_by, *counts])
    rows["series"] = series_of(rows, options.group_by)
    if rows.empty:
        return rows, None
    span = Span(pd.Timestamp(rows["date"].min()), pd.Timestamp(rows["date"].max()))
    rows["day"] = span.start(rows["date"])
    return rows.groupby(["series", "day"], as_index=False)[counts].sum(), span


def read_abundance(tables: Tables, options: FigureOptions, span: Span | None, *others: str) -> pd.DataFrame:
    """Sum count and volume (mL) per series, day and class; `others` are columns that are the same for a class."""
    rows = table_files.read(
        "abundance_long",
        tables["abundance"],
        ["date", *options.group_by, "class", "count", "ml_analyzed_total", *others],
    )
    rows["series"] = series_of(rows, options.group_by)
    rows["day"] = span.start(rows["date"]) if span else pd.to_datetime(rows["date"])
    sums = {"count": "sum", "ml_analyzed_total": "sum"}
    return rows.groupby(["series", "day", "class"], as_index=False).agg(sums | dict.fromkeys(others, "first"))


def main_series(coverage: pd.DataFrame) -> list[str]:
    """Name the series that are shown: all of them, or those with the most used bins."""
    used = coverage.groupby("series")["n_used"].sum().sort_values(ascending=False, kind="stable")
    return in_natural_order(used.index[:SERIES_MOST])


def in_natural_order(names: Iterable[str]) -> list[str]:
    """Sort names with IFCB5 before IFCB10."""
    return sorted(names, key=lambda name: [int(p) if p.isdecimal() else p for p in re.split(r"(\d+)", name)])


def with_states(
    abundance: pd.DataFrame, coverage: pd.DataFrame, span: Span, series: Sequence[str], classes: Sequence[str]
) -> pd.DataFrame:
    """Give a row to each series, class and day, with a `state`.

    The state is NO_DATA where no bin was used, NOT_ASSESSED where no label set has the class, and else empty.
    """
    grid = pd.MultiIndex.from_product([series, classes, span.days], names=["series", "class", "day"])
    rows = abundance.set_index(["series", "class", "day"]).reindex(grid).reset_index()
    used = coverage.loc[coverage["n_used"] > 0, ["series", "day"]]
    has_used = pd.MultiIndex.from_frame(rows[["series", "day"]]).isin(pd.MultiIndex.from_frame(used))
    rows["state"] = np.where(rows["count"].notna(), "", np.where(has_used, NOT_ASSESSED, NO_DATA))
    return rows


def merge_equal_days(rows: pd.DataFrame, column: str, step: int) -> pd.DataFrame:
    """Merge consecutive days of a series and class with the same value of `column`: `day` to `end` (exclusive).

    step: days in a point.
    """
    keys = ["series", "class", column]
    rows = rows.sort_values(["series", "class", "day"])
    begins = (rows[keys] != rows[keys].shift()).any(axis=1) | (rows["day"].diff() != pd.Timedelta(days=step))
    firsts = rows[begins].reset_index(drop=True)
    lasts = rows["day"][begins.shift(-1, fill_value=True)].reset_index(drop=True)
    return firsts.assign(end=lasts + pd.Timedelta(days=step))


def with_ends(rows: pd.DataFrame, span: Span) -> pd.DataFrame:
    """Add the day after each point's last one as `end`."""
    return rows.assign(end=rows["day"] + pd.Timedelta(days=span.step))
