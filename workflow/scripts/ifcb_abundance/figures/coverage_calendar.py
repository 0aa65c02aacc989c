"""Bins per day as a calendar, and what was lost of them."""

from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from ifcb_abundance.bins.statuses import BinStatus
from ifcb_abundance.figures import chart_parts as parts
from ifcb_abundance.figures import words
from ifcb_abundance.figures.colours import GREY
from ifcb_abundance.figures.options import FigureOptions, Side, Tables
from ifcb_abundance.figures.rows import in_natural_order, main_series, read_coverage, series_of
from ifcb_abundance.tables import table_files

NO_BINS = "no bin listed"
# Of what is lost; black is what failed, since somebody has to see to that.
LOSS_COLOURS = {
    BinStatus.SKIPPED.value: "#56B4E9",
    BinStatus.FILTERED.value: "#0072B2",
    BinStatus.BAD_VOLUME.value: "#E69F00",
    BinStatus.NO_SCORES.value: "#D55E00",
    BinStatus.FAILED.value: "#000000",
}
STATUSES = [BinStatus.USED.value, *LOSS_COLOURS]
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
WEEKS = 54  # that a year may touch
LARGEST, SMALLEST = 26, 5  # pixels of a day
PANELS_MOST = 24  # years times groups of bins; with more, the groups are added up


def chart(tables: Tables, options: FigureOptions) -> Any:
    """Draw a cell per day, weeks by weekdays, a panel per year and group of bins.

    The upper part of a cell is the used bins, as light or dark as there are many; the lower part is the share that was
    lost, in the colour of why most of it was.
    """
    head = "Bins per day and what became of them"
    coverage, days = _read(tables, options)
    if coverage.empty:
        return parts.message(options, head, f"{options.dataset}: no bin in the window")
    n_series, series = coverage["series"].nunique(), main_series(coverage)
    coverage = coverage[coverage["series"].isin(series)]
    years = coverage["day"].dt.year.nunique()
    added_up = len(series) > 1 and years * len(series) > PANELS_MOST
    if added_up:
        counts = [f"n_{status}" for status in STATUSES]
        coverage = coverage.groupby("day", as_index=False)[counts].sum().assign(series="all groups")
        series = ["all groups"]
    cells = _cells(coverage, series, days)
    panels = in_natural_order(cells["panel"].unique())
    losses = [status for status in LOSS_COLOURS if coverage[f"n_{status}"].any()]
    width = parts.panel_width(options, 34)
    weeks = int(cells["week"].max()) + 1
    each = max(SMALLEST, min(LARGEST, width / weeks))
    grid = _grid(cells, losses, (each * weeks, min(each, 14)), options.below)
    note = "; all groups of bins together" if added_up else ""
    return grid.facet(
        alt.Facet("panel:N", sort=panels, header=alt.Header(title=None)),
        data=parts.inline(cells),
        columns=1,
        spacing=10,
    ).properties(
        name=parts.FIXED,
        title=parts.title(
            options,
            f"{head}, {options.dataset}",
            f"{days[0]:%Y-%m-%d} to {days[-1]:%Y-%m-%d} (UTC); a cell is a day, a column a week{note}",
            "the lower part of a cell is the share of bins that was lost, in the colour of the most frequent reason",
            "" if added_up else parts.series_note(series, n_series),
        ),
    )


def _read(tables: Tables, options: FigureOptions) -> tuple[pd.DataFrame, pd.DatetimeIndex]:
    """Count the bins per series, day and status; here days are never pooled."""
    coverage, span = read_coverage(tables, options, STATUSES)
    if span is None:
        return coverage, pd.DatetimeIndex([])
    if span.step > 1:
        counts = [f"n_{status}" for status in STATUSES]
        rows = table_files.read("coverage", tables["coverage"], ["date", *options.group_by, *counts])
        rows = rows.assign(series=series_of(rows, options.group_by), day=pd.to_datetime(rows["date"]))
        coverage = rows.groupby(["series", "day"], as_index=False)[counts].sum()
    return coverage, pd.date_range(span.first, span.last)


def _cells(coverage: pd.DataFrame, series: Sequence[str], days: pd.DatetimeIndex) -> pd.DataFrame:
    """Give a row to each series and day: where its cell is, how many bins it has, and the `share` that was lost.

    `week` counts from the first week of the panel, which begins in January unless the window is within a year.
    """
    grid = pd.MultiIndex.from_product([series, days], names=["series", "day"])
    cells = coverage.set_index(["series", "day"]).reindex(grid).reset_index()
    lost = cells[[f"n_{status}" for status in LOSS_COLOURS]].fillna(0)
    n_lost = lost.sum(axis=1)
    cells[BinStatus.USED.value], cells["lost"] = cells["n_used"].fillna(0).astype(int), n_lost.astype(int)
    cells["share"] = (n_lost / (n_lost + cells[BinStatus.USED.value])).fillna(0)
    cells["why"] = lost.idxmax(axis=1).astype("str").str.removeprefix("n_").where(n_lost > 0, "")
    cells["state"] = cells["why"].where(cells["n_used"].notna(), NO_BINS)
    year = cells["day"].dt.year
    first = days[0] if days[0].year == days[-1].year else pd.to_datetime(year.astype(str) + "-01-01")
    monday = first - pd.to_timedelta(
        first.weekday() if isinstance(first, pd.Timestamp) else first.dt.day_of_week, unit="D"
    )
    cells["week"] = (cells["day"] - monday).dt.days // 7
    cells["weekday"] = cells["day"].dt.day_of_week
    cells["panel"] = year.astype(str) if len(series) == 1 else cells["series"] + ", " + year.astype(str)
    first_of_month = (cells["day"].dt.day == 1) | (cells["day"] == days[0])
    month = cells["day"].dt.month.map(lambda number: words.MONTHS[number - 1])
    # A window that begins at the end of a month would have two names in one place.
    another = days[-1].to_period("M") != days[0].to_period("M")
    crowded = (cells["day"] == days[0]) & (cells["day"].dt.day > 18) & another
    cells["month"] = month.where(first_of_month & ~crowded, "")
    return cells.drop(columns=[f"n_{status}" for status in STATUSES])


def _grid(cells: pd.DataFrame, losses: Sequence[str], size: tuple[float, float], below: Side) -> Any:
    """Draw the cells. size: the width of a panel and the height of a day, in pixels. below: where a legend is."""
    width, height = size
    most = max(int(cells[BinStatus.USED.value].max()), 1)
    states = [*losses, *([NO_BINS] if (cells["state"] == NO_BINS).any() else [])]
    weeks = int(cells["week"].max()) + 1
    x = alt.X("week:Q", scale=alt.Scale(domain=[0, weeks], nice=False), axis=None)
    shown = [0, 2, 4, 6] if height >= 7 else [0, 6]
    names = f"{list(WEEKDAYS)}[datum.value - 0.5]"
    y = alt.Y(
        "top:Q",
        title=None,
        scale=alt.Scale(domain=[7, 0], nice=False),
        axis=alt.Axis(values=[day + 0.5 for day in shown], labelExpr=names, grid=False, ticks=False, domain=False),
    )
    hover = [
        alt.Tooltip("panel:N", title="year"),
        parts.day_hover(),
        alt.Tooltip("used:Q", title="used bins"),
        alt.Tooltip("lost:Q", title="lost bins"),
        alt.Tooltip("why:N", title="most of them"),
    ]
    base = alt.Chart().transform_calculate(next_week="datum.week + 0.92", bottom="datum.weekday + 0.92")
    used = (
        base.transform_filter("datum.used > 0")
        .transform_calculate(top="datum.weekday", end="datum.bottom - 0.92 * datum.share")
        .mark_rect()
        .encode(
            x=x,
            x2="next_week:Q",
            y=y,
            y2="end:Q",
            fill=alt.Fill(
                "used:Q",
                title="used bins",
                scale=alt.Scale(range=["#d6efe4", "#00543c"], domain=[0, most], nice=False),
                legend=alt.Legend(gradientLength=110, tickCount=3, format="d"),
            ),
            tooltip=hover,
        )
    )
    rest = (
        base.transform_filter(f"datum.state == '{NO_BINS}' || datum.share > 0")
        .transform_calculate(top=f"datum.state == '{NO_BINS}' ? datum.weekday : datum.bottom - 0.92 * datum.share")
        .mark_rect()
        .encode(x=x, x2="next_week:Q", y=y, y2="bottom:Q", tooltip=hover)
    )
    colours = alt.Scale(domain=states, range=[{**LOSS_COLOURS, NO_BINS: GREY}[state] for state in states])
    legend = alt.Legend(symbolType="square", columns=3, orient=below)
    rest = rest.encode(color=alt.Color("state:N", title=None, scale=colours, legend=legend))
    months = (
        alt.Chart()
        .transform_filter("datum.month")
        .mark_text(align="left", baseline="bottom", dy=-2)
        .encode(x=x, y=alt.value(0), text="month:N")
    )
    layers = [used, *([rest] if states else []), months]
    return alt.layer(*layers).properties(width=width, height=7 * height, view=alt.ViewConfig(stroke=None))
