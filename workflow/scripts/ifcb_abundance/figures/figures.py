"""Figures of a run: tables to Vega-Lite, drawn as SVG and PDF for papers and as an interactive page of its own.

Each figure is a function from the paths of its tables to one `alt.Chart` or a combination of them; `draw_figure` makes
all files from that. Rows go into a chart as CSV text: it is a third of the size of JSON, and labels never become
names of fields, which would have to be escaped.
"""

import json
import logging
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import altair as alt
import jinja2
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import vl_convert

from ifcb_abundance.bins.positions import has_position
from ifcb_abundance.classes.labels import UNCLASSIFIED
from ifcb_abundance.classes.top_classes import top_classes
from ifcb_abundance.common.atomic_write import atomic_write
from ifcb_abundance.common.intervals import poisson_limits
from ifcb_abundance.features.size_spectrum import ALL, LIVING, drop_off
from ifcb_abundance.tables import table_files

log = logging.getLogger("ifcb.figures")

ZERO, NOT_ASSESSED, NO_DATA = "0: looked for, none found", "not assessed: in no label set", "no data: no used bin"
NO_BINS = "no bin listed"
DAYS_MOST = 1100  # a longer window is pooled into weeks: its days would be narrower than a line
SERIES_MOST = 6  # more could not be told apart by colour
DOTS_MOST = 62  # days that are drawn as points too
BINS_MOST = 3000  # bins that are drawn as points
CAPTIONS = Path(__file__).parent / "captions"
BINS_SHOWN = 60_000  # of a longer series of bins the last ones
PLACES_MOST = 4000  # points of the map
DIGITS = 4  # significant ones of numbers in a chart

# Okabe & Ito's colours for the colour-blind. Reddish purple is kept for what was not assessed.
PURPLE, GREY = "#CC79A7", "#d9d9d9"
OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#E69F00", "#56B4E9", "#000000")
STATUS_COLOURS = {
    "used": "#009E73",
    "skipped": "#56B4E9",
    "filtered": "#0072B2",
    "bad_volume": "#E69F00",
    "no_scores": "#D55E00",
    "failed": "#000000",
}
GROUP_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#E69F00", "#56B4E9", PURPLE, "#F0E442")
OTHER_GROUPS, NO_GROUP, NOT_LIVING = "further groups", "no group in the class table", "not living"
REST_COLOURS = {OTHER_GROUPS: "#4d4d4d", NO_GROUP: "#808080", NOT_LIVING: "#b3b3b3", UNCLASSIFIED: "#e0e0e0"}

alt.data_transformers.consolidate_datasets = False  # data stay where they are used

# One weight of one font: a PDF of several fonts has them in no fixed order.
PLAIN: dict[str, Any] = {"titleFontWeight": "normal", "titleFontSize": 11, "labelFontSize": 10}
CONFIG: dict[str, Any] = {
    "background": "white",
    "font": "sans-serif",
    "aria": False,  # a label on each of thousands of marks would make an SVG three times as large
    "view": {"stroke": "#bbb"},
    "title": {"anchor": "start", "fontSize": 15, "fontWeight": "normal", "subtitleFontSize": 11, "offset": 12},
    "axis": {**PLAIN, "labelLimit": 240, "grid": True, "gridColor": "#eee", "tickColor": "#bbb", "domainColor": "#bbb"},
    "legend": {
        **PLAIN,
        "labelLimit": 300,
        "titleLimit": 300,
        "orient": "bottom",
        "symbolSize": 90,
        "columns": 4,
        "padding": 8,
    },
    "header": {**PLAIN, "labelFontSize": 11, "labelLimit": 400, "labelAnchor": "start", "labelPadding": 3},
}


@dataclass(frozen=True)
class Wish:
    """What is wanted of the figures: the config's keys that they need.

    group_by: columns by which bins were pooled separately. top_classes: so many classes are shown. one_class: that of
    `bin_series`, None for the most abundant. confidence: of the intervals, from 0 to 1. accept_zero_position: whether
    0,0 is a position.
    """

    dataset: str
    group_by: Sequence[str]
    top_classes: int
    one_class: str | None
    confidence: float
    accept_zero_position: bool = False


Tables = Mapping[str, str | Path]  # abundance, coverage, sweep, bins, catalog, ledger, ...: to their paths


@dataclass(frozen=True)
class Span:
    """The days of a figure: the first and the last with a bin, and how many are pooled into one point (1, 7)."""

    first: pd.Timestamp
    last: pd.Timestamp

    @property
    def step(self) -> int:
        """Days in a point."""
        return 1 if (self.last - self.first).days < DAYS_MOST else 7

    @property
    def days(self) -> pd.DatetimeIndex:
        """Where each point's days begin."""
        return pd.date_range(self.first, self.last, freq=f"{self.step}D")

    @property
    def pooled(self) -> str:
        """What a point is."""
        return "day" if self.step == 1 else f"span of {self.step} days, pooled"

    def start(self, dates: pd.Series) -> pd.Series:
        """Of each UTC day, the first of the days that it is pooled with."""
        days = (pd.to_datetime(dates) - self.first).dt.days
        return self.first + pd.to_timedelta(days // self.step * self.step, unit="D")

    def __str__(self) -> str:
        return f"{self.first:%Y-%m-%d} to {self.last:%Y-%m-%d} (UTC)"


# --- tables to rows ---


def series_of(frame: pd.DataFrame, group_by: Sequence[str]) -> pd.Series:
    """The name of each row's group: what `group_by` tells apart, such as `IFCB10, 5 m`."""
    parts = []
    for column in group_by:
        if column == "depth":
            parts.append(frame["depth"].map(lambda depth: "no depth" if math.isnan(depth) else f"{depth:g} m"))
        else:
            parts.append(frame[column].where(frame[column] != "", f"no {column.replace('_', ' ')}"))
    if not parts:
        return pd.Series("all bins", index=frame.index, dtype="str")
    name = parts[0]
    for part in parts[1:]:
        name = name + ", " + part
    return name


def read_coverage(tables: Tables, wish: Wish) -> tuple[pd.DataFrame, Span | None]:
    """The bins per day, status and series, and the span of days; no span if there is no day."""
    statuses = [f"n_{status}" for status in STATUS_COLOURS]
    rows = table_files.read("coverage", tables["coverage"], ["date", *wish.group_by, *statuses])
    rows["series"] = series_of(rows, wish.group_by)
    if rows.empty:
        return rows, None
    span = Span(pd.Timestamp(rows["date"].min()), pd.Timestamp(rows["date"].max()))
    rows["day"] = span.start(rows["date"])
    return rows.groupby(["series", "day"], as_index=False)[statuses].sum(), span


def read_abundance(tables: Tables, wish: Wish, span: Span | None, *others: str) -> pd.DataFrame:
    """Count and volume (mL) per series, day and class, with `others` of the class, which are the same each day."""
    rows = table_files.read(
        "abundance_long",
        tables["abundance"],
        ["date", *wish.group_by, "class", "count", "ml_analyzed_total", *others],
    )
    rows["series"] = series_of(rows, wish.group_by)
    rows["day"] = span.start(rows["date"]) if span else pd.to_datetime(rows["date"])
    sums = {"count": "sum", "ml_analyzed_total": "sum"}
    return rows.groupby(["series", "day", "class"], as_index=False).agg(sums | dict.fromkeys(others, "first"))


def main_series(coverage: pd.DataFrame) -> list[str]:
    """The series that are shown, by name: all, or those with the most used bins."""
    used = coverage.groupby("series")["n_used"].sum().sort_values(ascending=False, kind="stable")
    return in_natural_order(used.index[:SERIES_MOST])


def in_natural_order(names: Iterable[str]) -> list[str]:
    """IFCB5 before IFCB10."""
    return sorted(names, key=lambda name: [int(p) if p.isdecimal() else p for p in re.split(r"(\d+)", name)])


def states(
    abundance: pd.DataFrame, coverage: pd.DataFrame, span: Span, series: Sequence[str], classes: Sequence[str]
) -> pd.DataFrame:
    """A row per series, class and day: `state` NO_DATA (no used bin), NOT_ASSESSED (in no label set), else empty."""
    grid = pd.MultiIndex.from_product([series, classes, span.days], names=["series", "class", "day"])
    rows = abundance.set_index(["series", "class", "day"]).reindex(grid).reset_index()
    used = coverage.loc[coverage["n_used"] > 0, ["series", "day"]]
    has_used = pd.MultiIndex.from_frame(rows[["series", "day"]]).isin(pd.MultiIndex.from_frame(used))
    rows["state"] = np.where(rows["count"].notna(), "", np.where(has_used, NOT_ASSESSED, NO_DATA))
    return rows


def runs(rows: pd.DataFrame, what: str, step: int) -> pd.DataFrame:
    """Days in a row with the same value of `what`, per series and class, as one row: `day` to `end` (exclusive)."""
    keys = ["series", "class", what]
    rows = rows.sort_values(["series", "class", "day"])
    begins = (rows[keys] != rows[keys].shift()).any(axis=1) | (rows["day"].diff() != pd.Timedelta(days=step))
    firsts = rows[begins].reset_index(drop=True)
    lasts = rows["day"][begins.shift(-1, fill_value=True)].reset_index(drop=True)
    return firsts.assign(end=lasts + pd.Timedelta(days=step))


# --- rows to charts ---

# Of abundances through time: a bloom leaves the rest of the year visible, and zero is at zero, which a log scale lacks.
ROOT = alt.Scale(type="sqrt", domainMin=0)


def inline(rows: pd.DataFrame, digits: int = DIGITS) -> alt.InlineData:
    """The rows as data of a chart; times are UTC, missing values null, numbers have so many significant digits."""
    parse: dict[str, str] = {}
    texts: dict[str, pd.Series] = {}
    for name, values in rows.items():
        if pd.api.types.is_datetime64_any_dtype(values):
            midnight = bool((values.dropna() == values.dropna().dt.normalize()).all())
            texts[str(name)] = values.dt.strftime("%Y-%m-%d" if midnight else "%Y-%m-%dT%H:%M:%SZ")
            parse[str(name)] = "date"
        else:
            parse[str(name)] = "number" if pd.api.types.is_numeric_dtype(values) else "string"
    text = rows.assign(**texts).to_csv(index=False, float_format=f"%.{digits}g", lineterminator="\n")
    return alt.InlineData(values=text, format=alt.CsvDataFormat(type="csv", parse=parse))


def title(text: str, *below: str) -> alt.TitleParams:
    """Title and lines below it."""
    return alt.TitleParams(text, subtitle=[line for line in below if line])


def note(text: str, below: str) -> alt.Chart:
    """In place of a figure that has nothing to show: why."""
    chart = alt.Chart(alt.InlineData(values=[{}]), title=title(text), width=620, height=80)
    drawn: alt.Chart = chart.mark_text(fontSize=13, text=below)
    return drawn


def time_axis(span: Span, width: int, name: str = "day (UTC)", field: str = "day") -> alt.X:
    """The x of a chart that is so many pixels wide."""
    ticks = min((span.last - span.first).days + 1, width // 90)
    first, last = (milliseconds(day) for day in (span.first, span.days[-1] + pd.Timedelta(days=span.step)))
    # Within a day there are ticks only after zooming in.
    label = "utcFormat(datum.value, datum.value % 86400000 ? '%m-%d %H:%M' : '%Y-%m-%d')"
    axis = alt.Axis(
        title=name,
        labelExpr=label,
        tickCount=ticks,
        labelOverlap="greedy",
        labelFlush=False,
    )
    return alt.X(f"{field}:T", axis=axis, scale=alt.Scale(type="utc", domainMin=first, domainMax=last, nice=False))


def milliseconds(time: pd.Timestamp) -> int:
    """Since 1970-01-01 (UTC), as charts count."""
    return int(time.timestamp() * 1000)


def zoom(*encodings: Any) -> alt.Parameter:
    """Panning and zooming on the screen."""
    return alt.selection_interval(name="zoom", bind="scales", encodings=list(encodings))


def _of_series(series: Sequence[str], n_all: int) -> str:
    return f"{len(series)} of {n_all} groups, those with the most used bins" if len(series) < n_all else ""


def _panels(chart: Any, data: alt.InlineData, series: Sequence[str]) -> Any:
    """The chart over its data, one panel per series if there are several."""
    if len(series) == 1:
        return chart.properties(data=data)
    header = alt.Header(title=None)
    return chart.facet(alt.Facet("series:N", header=header, sort=list(series)), data=data, columns=1)


def time_series(tables: Tables, wish: Wish) -> Any:
    """A panel per class: abundance per day with its interval; days without are gaps, zeros are zeros."""
    head = "Daily abundance per class"
    coverage, span = read_coverage(tables, wish)
    limits = ("objects_per_ml_low_dispersed", "objects_per_ml_high_dispersed")
    abundance = read_abundance(tables, wish, span, "living", *limits)
    classes = top_classes(abundance, wish.top_classes)
    if span is None or not classes:
        return note(head, _nothing(wish, abundance))
    series = main_series(coverage)
    rows = states(abundance, coverage, span, series, classes)
    rows["value"] = rows["count"] / rows["ml_analyzed_total"]
    if span.step == 1:
        rows["low"], rows["high"] = rows[limits[0]], rows[limits[1]]
    else:
        low, high = poisson_limits(rows["count"].fillna(0).to_numpy(dtype=int), wish.confidence)
        rows["low"], rows["high"] = low / rows["ml_analyzed_total"], high / rows["ml_analyzed_total"]
    rows["rank"] = rows["class"].map({name: rank for rank, name in enumerate(classes)})
    rows["key"] = rows["series"]
    labels = inline(pd.DataFrame({"rank": range(len(classes)), "class": classes}))

    # A line needs two neighbours to be seen.
    there = rows["value"].notna()
    same = [rows[["series", "class"]].eq(rows[["series", "class"]].shift(n)).all(axis=1) for n in (1, -1)]
    near = (there.shift(1, fill_value=False) & same[0]) | (there.shift(-1, fill_value=False) & same[1])
    rows["dot"] = (~near | (len(span.days) <= DOTS_MOST)).where(lambda dots: dots).astype("Int8")
    lack = runs(rows[rows["state"] != ""], "state", span.step)
    lack = lack.assign(key=lack["state"], line=lack["series"].map({name: i for i, name in enumerate(series)}))
    # One row without a value breaks a line; more of them say no more.
    gap = ~there & ~there.shift(1, fill_value=False) & same[0]
    columns = ["rank", "key", "day", "value", "low", "high", "dot"]
    drawn = pd.concat([rows.loc[~gap, columns], lack[["rank", "key", "day", "end", "line"]]])

    states_there = [state for state in (NOT_ASSESSED, NO_DATA) if state in set(lack["state"])]
    colour = alt.Color(
        "key:N",
        title=None,
        scale=alt.Scale(
            domain=[*series, *states_there],
            range=[*OKABE_ITO[: len(series)], *({NOT_ASSESSED: PURPLE, NO_DATA: GREY}[s] for s in states_there)],
        ),
        legend=alt.Legend(symbolType="square", symbolOpacity=1),
    )
    width, height = 400, 90
    y = alt.Y("value:Q", title="objects/mL", scale=ROOT, axis=alt.Axis(tickCount=4, format=".6~g", minExtent=34))
    base = alt.Chart().encode(color=colour)
    hover = [
        alt.Tooltip("class:N"),
        alt.Tooltip("key:N", title="group"),
        alt.Tooltip("day:T", title="day (UTC)", format="%Y-%m-%d"),
        alt.Tooltip("value:Q", title="objects/mL"),
        alt.Tooltip("low:Q", title="lower limit"),
        alt.Tooltip("high:Q", title="upper limit"),
    ]
    middle = f"toNumber(datum.day) + {span.step * 12 * 3600 * 1000}"
    of_days = base.transform_filter("!isValid(datum.line)").transform_calculate(middle=middle)
    of_days = of_days.encode(x=time_axis(span, width, field="middle"))
    dots = of_days.transform_filter("isValid(datum.value) && (screen || datum.dot)").encode(y=y, tooltip=hover)
    # The top of a panel says which days lack, a line for each series.
    lacking = (
        base.transform_filter("isValid(datum.line)")
        .transform_calculate(top="4 * datum.line + 1", bottom="4 * datum.line + 4")
        .mark_rect(opacity=1, clip=True)
        .encode(
            x=time_axis(span, width),
            x2="end:T",
            y=alt.Y("top:Q", scale=None, axis=None),
            y2="bottom:Q",
            tooltip=[alt.Tooltip("key:N", title="state"), alt.Tooltip("day:T", format="%Y-%m-%d", title="from (UTC)")],
        )
    )
    y_low = alt.Y("low:Q", title="objects/mL", scale=ROOT)
    layers = (
        of_days.mark_area(opacity=0.25, clip=True).encode(y=y_low, y2="high:Q"),
        of_days.mark_line(strokeWidth=1.2, clip=True).encode(y=y).add_params(zoom("x")),
        dots.transform_filter("datum.dot").mark_rule(opacity=0.6, clip=True).encode(y=y_low, y2="high:Q"),
        dots.mark_circle(size=22, clip=True).encode(opacity=alt.condition("datum.dot", alt.value(1), alt.value(0))),
    )
    chart = (
        alt.layer(alt.layer(*layers), *([lacking] if len(lack) else []))
        .resolve_scale(y="independent")
        .properties(width=width, height=height)
    )
    panels = chart.facet(
        alt.Facet("class:N", sort=alt.EncodingSortField("rank", op="min"), header=alt.Header(title=None)),
        data=inline(drawn),
        columns=2,
    ).resolve_scale(y="independent")
    panels = panels.transform_lookup("rank", alt.LookupData(labels, key="rank", fields=["class"]))
    return panels.properties(
        title=title(
            f"{head}, {wish.dataset}",
            f"{span}; a point is a {span.pooled}; {_shown(classes)}",
            f"band: {_percent(wish.confidence)} interval of the count"
            + (", widened by the scatter between bins" if span.step == 1 else " (Poisson)")
            + "; no classification error; square-root scale",
            _of_series(series, coverage["series"].nunique()),
        )
    )


def _shown(classes: Sequence[str]) -> str:
    return f"{len(classes)} most abundant of the classes that live or may live"


def _percent(share: float) -> str:
    return f"{100 * share:g} %"


def _nothing(wish: Wish, abundance: pd.DataFrame) -> str:
    if abundance.empty:
        return f"{wish.dataset}: no bin of the window was used (ledger.csv says why)"
    return f"{wish.dataset}: no class that lives or may live was looked for"


def heat_map(tables: Tables, wish: Wish) -> Any:
    """Class by day, colour is abundance on a log scale; zero, not assessed and no data in colours of their own."""
    head = "Abundance per class and day"
    coverage, span = read_coverage(tables, wish)
    abundance = read_abundance(tables, wish, span, "living")
    classes = top_classes(abundance, wish.top_classes)
    if span is None or not classes:
        return note(head, _nothing(wish, abundance))
    series = main_series(coverage)
    rows = states(abundance, coverage, span, series, classes)
    rows["value"] = rows["count"] / rows["ml_analyzed_total"]
    rows["end"] = rows["day"] + pd.Timedelta(days=span.step)
    found = rows[rows["value"] > 0]
    rows["state"] = rows["state"].where(rows["value"].isna(), ZERO)
    rest = runs(rows.drop(found.index), "state", span.step)
    columns = ["series", "class", "day", "end", "value", "state"]
    data = inline(pd.concat([found[columns], rest[columns]]))

    row_height = 15 if len(classes) <= 40 else 10
    axis = alt.Axis(grid=False, labelFontSize=10 if row_height == 15 else 8, ticks=False, labelOverlap=False)
    y = alt.Y("class:N", title=None, scale=alt.Scale(domain=classes), axis=axis)
    width = 620
    x = time_axis(span, width)
    base = alt.Chart().encode(x=x, x2="end:T", y=y)
    where = [alt.Tooltip("class:N"), alt.Tooltip("series:N", title="group")]
    when = [alt.Tooltip("day:T", title="from (UTC)", format="%Y-%m-%d")]
    until = [alt.Tooltip("end:T", title="until (UTC)", format="%Y-%m-%d")]
    values = (
        base.transform_filter("isValid(datum.value) && datum.value > 0")
        .mark_rect(clip=True)
        .encode(
            fill=alt.Fill(
                "value:Q",
                title="objects per mL (log scale)",
                scale=alt.Scale(type="log", scheme="viridis", domain=decades(found["value"])),
                legend=alt.Legend(format=".6~g", gradientLength=220, values=_powers(found["value"])),
            ),
            tooltip=[*where, *when, alt.Tooltip("value:Q", title="objects/mL")],
        )
        .add_params(zoom("x"))
    )
    named = [state for state in (ZERO, NOT_ASSESSED, NO_DATA) if state in set(rest["state"])]
    colours = {ZERO: "#ffffff", NOT_ASSESSED: PURPLE, NO_DATA: GREY}
    others = (
        base.transform_filter("!(datum.value > 0)")
        .mark_rect(clip=True)
        .encode(
            color=alt.Color(
                "state:N",
                title=None,
                scale=alt.Scale(domain=named, range=[colours[state] for state in named]),
                legend=alt.Legend(symbolType="square", symbolStrokeColor="#888", symbolStrokeWidth=0.8, columns=1),
            ),
            tooltip=[*where, *when, *until, alt.Tooltip("state:N")],
        )
    )
    layers = ([others] if named else []) + ([values] if len(found) else [])
    chart = alt.layer(*layers).properties(width=width, height=row_height * len(classes))
    return _panels(chart, data, series).properties(
        title=title(
            f"{head}, {wish.dataset}",
            f"{span}; a cell is a {span.pooled}; {_shown(classes)}",
            _of_series(series, coverage["series"].nunique()),
        )
    )


def decades(values: pd.Series) -> list[float]:
    """The powers of ten around positive values."""
    if values.empty:
        return [0.1, 1]
    low, high = math.floor(math.log10(values.min())), math.ceil(math.log10(values.max()))
    return [10.0**low, 10.0 ** max(high, low + 1)]


def _powers(values: pd.Series) -> list[float]:
    low, high = (round(math.log10(end)) for end in decades(values))
    return [10.0**power for power in range(low, high + 1)]


def composition(tables: Tables, wish: Wish) -> Any:
    """A bar per day: which share of the ROIs belongs to which group of classes; what is left is grey."""
    head = "Composition by group of classes"
    coverage, span = read_coverage(tables, wish)
    abundance = read_abundance(tables, wish, span, "living", "group")
    if span is None or abundance.empty:
        return note(head, _nothing(wish, abundance))
    series = main_series(coverage)
    abundance = abundance[abundance["series"].isin(series)]
    kinds = np.select(
        [abundance["class"] == UNCLASSIFIED, abundance["living"] == "no", abundance["group"] == ""],
        [UNCLASSIFIED, NOT_LIVING, NO_GROUP],
        abundance["group"],
    )
    abundance = abundance.assign(kind=kinds)
    groups = abundance[~abundance["kind"].isin(REST_COLOURS)].groupby("kind")["count"].sum()
    groups = groups[groups > 0].sort_values(ascending=False, kind="stable")
    named = [str(name) for name in groups.index[: len(GROUP_COLOURS)]]
    kind = abundance["kind"].where(abundance["kind"].isin([*named, *REST_COLOURS]), OTHER_GROUPS)
    shares = abundance.assign(kind=kind).groupby(["series", "day", "kind"])["count"].sum().reset_index()
    there = set(shares.loc[shares["count"] > 0, "kind"])
    order = [name for name in (*named, *REST_COLOURS) if name in there]
    if not order:
        return note(head, f"{wish.dataset}: the used bins hold no ROI")
    shares["rank"] = shares["kind"].map({name: i for i, name in enumerate(order)})
    shares = shares.sort_values(["series", "day", "rank"])
    of_day = shares.groupby(["series", "day"])["count"]
    total = of_day.transform("sum")
    shares["top"] = of_day.cumsum() / total
    shares["bottom"] = shares["top"] - shares["count"] / total
    shares["end"] = shares["day"] + pd.Timedelta(days=span.step)
    without = shares[total == 0].drop_duplicates(["series", "day"]).assign(kind="", top=0.0, bottom=0.0)
    drawn = pd.concat([shares[shares["count"] > 0], without])
    data = inline(drawn[["series", "day", "end", "kind", "count", "bottom", "top"]])

    width = 620
    y = alt.Y("bottom:Q", title="share of ROIs (%)", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format=".0%"))
    bars = _stacked(time_axis(span, width), y, named, order, alt.Tooltip("count:Q", title="ROIs"))
    bars = bars.transform_filter("datum.count > 0")
    empty = alt.Chart().encode(x=time_axis(span, width), y=y).transform_filter("datum.count == 0")
    empty = empty.mark_text(text="0", dy=-6, align="left")
    chart = alt.layer(bars, *([empty] if len(without) else [])).properties(width=width, height=180)
    return _panels(chart, data, series).properties(
        title=title(
            f"{head}, {wish.dataset}",
            f"{span}; a bar is a {span.pooled}. Without a bar: no used bin; 0: used bins without a ROI",
            _of_series(series, coverage["series"].nunique()),
        )
    )


def _stacked(x: alt.X, y: alt.Y, named: Sequence[str], order: Sequence[str], value: alt.Tooltip) -> Any:
    """Bars of a day from `bottom` to `top`, coloured by `kind`. named: the groups of classes, the largest first."""
    colours = {**dict(zip(named, GROUP_COLOURS, strict=False)), **REST_COLOURS}
    return (
        alt.Chart()
        .mark_rect(clip=True)
        .encode(
            x=x,
            x2="end:T",
            y=y,
            y2="top:Q",
            color=alt.Color(
                "kind:N",
                title=None,
                scale=alt.Scale(domain=order, range=[colours[name] for name in order]),
                legend=alt.Legend(symbolType="square"),
            ),
            tooltip=[
                alt.Tooltip("kind:N", title="group of classes"),
                alt.Tooltip("series:N", title="group of bins"),
                alt.Tooltip("day:T", title="day (UTC)", format="%Y-%m-%d"),
                value,
            ],
        )
        .add_params(zoom("x"))
    )


def coverage_calendar(tables: Tables, wish: Wish) -> Any:
    """A bar per day: how many bins were used, and what became of the others; days without a bin are grey."""
    head = "Bins per day and what became of them"
    coverage, span = read_coverage(tables, wish)
    if span is None:
        return note(head, f"{wish.dataset}: no bin in the window")
    series, n_series = main_series(coverage), coverage["series"].nunique()
    coverage = coverage[coverage["series"].isin(series)]
    statuses = [status for status in STATUS_COLOURS if coverage[f"n_{status}"].any()]
    grid = pd.MultiIndex.from_product([series, span.days], names=["series", "day"])
    counts = coverage.set_index(["series", "day"]).reindex(grid)
    most = int(coverage[[f"n_{status}" for status in STATUS_COLOURS]].sum(axis=1).max())
    parts = []
    below = pd.Series(0, index=grid)
    for status in statuses:
        n = counts[f"n_{status}"]
        parts.append(pd.DataFrame({"status": status, "n": n, "bottom": below, "top": below + n})[n > 0].reset_index())
        below = below + n.fillna(0)
    bars = pd.concat(parts).assign(end=lambda rows: rows["day"] + pd.Timedelta(days=span.step))
    lacking = counts[counts["n_used"].isna()].reset_index().assign(status=NO_BINS, **{"class": ""})
    empty = runs(lacking, "status", span.step).assign(bottom=0, top=most)
    columns = ["series", "day", "end", "status", "n", "bottom", "top"]
    data = inline(pd.concat([bars, empty.assign(n=0)])[columns])

    named = [*statuses, *([NO_BINS] if len(empty) else [])]
    colours = {**STATUS_COLOURS, NO_BINS: GREY}
    width = 620
    chart = (
        alt.Chart()
        .mark_rect(clip=True)
        .encode(
            x=time_axis(span, width),
            x2="end:T",
            y=alt.Y(
                "bottom:Q",
                title="bins per " + ("day" if span.step == 1 else f"{span.step} days"),
                scale=alt.Scale(domain=[0, most], nice=True),
                axis=alt.Axis(tickCount=min(most, 5), format="d"),
            ),
            y2="top:Q",
            color=alt.Color(
                "status:N",
                title="status in ledger.csv",
                scale=alt.Scale(domain=named, range=[colours[name] for name in named]),
                legend=alt.Legend(symbolType="square", columns=len(named)),
            ),
            tooltip=[
                alt.Tooltip("status:N"),
                alt.Tooltip("series:N", title="group"),
                alt.Tooltip("day:T", title="day (UTC)", format="%Y-%m-%d"),
                alt.Tooltip("n:Q", title="bins"),
            ],
        )
        .add_params(zoom("x"))
        .properties(width=width, height=150)
    )
    return _panels(chart, data, series).properties(
        title=title(
            f"{head}, {wish.dataset}",
            f"{span}; a bar is a {span.pooled}",
            _of_series(series, n_series),
        )
    )


def threshold_sweep(tables: Tables, wish: Wish) -> Any:
    """A panel per class: which share of the ROIs that it wins each threshold would keep, and the threshold in use."""
    head = "What each threshold keeps"
    abundance = read_abundance(tables, wish, None, "living", "threshold")
    classes = top_classes(abundance, wish.top_classes)
    if not classes:
        return note(head, _nothing(wish, abundance))
    sweep = table_files.read("threshold_sweep", tables["sweep"])
    sweep = sweep[sweep["class"].isin(classes)]
    in_use = abundance.groupby("class")["threshold"].first()
    won = sweep[sweep["threshold"] == 0].set_index("class")["count"]
    sweep = sweep.assign(
        rank=sweep["class"].map({name: rank for rank, name in enumerate(classes)}),
        # once per class: a rule is drawn for each
        in_use=sweep["class"].map(in_use).where(sweep["threshold"] == 0),
        panel=sweep["class"] + sweep["class"].map(lambda name: f"  (n = {won[name]:,})"),
    )
    data = inline(sweep[["panel", "rank", "threshold", "count", "share_kept", "in_use"]])

    x = alt.X(
        "threshold:Q", title="threshold (score)", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(values=[0, 0.5, 1])
    )
    y = alt.Y(
        "share_kept:Q",
        title="ROIs kept (%)",
        scale=alt.Scale(domain=[0, 1]),
        axis=alt.Axis(format=".0%", values=[0, 0.5, 1]),
    )
    base = alt.Chart()
    line = base.mark_line(color=OKABE_ITO[0], strokeWidth=1.5).encode(x=x, y=y)
    points = (
        base.transform_filter("screen && isValid(datum.share_kept)")
        .mark_circle(size=30, color=OKABE_ITO[0])
        .encode(
            x=x,
            y=y,
            tooltip=[
                alt.Tooltip("panel:N", title="class"),
                alt.Tooltip("threshold:Q"),
                alt.Tooltip("count:Q", title="ROIs kept"),
                alt.Tooltip("share_kept:Q", title="share kept", format=".1%"),
            ],
        )
    )
    rule = (
        base.transform_filter("isValid(datum.in_use)")
        .mark_rule(color=OKABE_ITO[1], strokeDash=[4, 3])
        .encode(x=alt.X("in_use:Q"))
    )
    never = (
        base.transform_filter("datum.threshold == 0 && datum.count == 0")
        .mark_text(text="never wins", fontSize=11, align="left")
        .encode(x=alt.datum(0.05), y=alt.datum(0.5))
    )
    chart = alt.layer(line, points, rule, never).properties(width=175, height=75)
    return chart.facet(
        alt.Facet(
            "panel:N",
            sort=alt.EncodingSortField("rank", op="min"),
            header=alt.Header(title=None, labelFontSize=9, labelLimit=185),
        ),
        data=data,
        columns=4,
    ).properties(
        title=title(
            f"{head}, {wish.dataset}",
            "share of the n ROIs that a class wins whose score reaches the threshold; dashed: the threshold in use",
            f"{_shown(classes)}, all bins together",
        )
    )


def positions(tables: Tables, wish: Wish) -> Any:
    """A map of where the used bins were sampled, coloured by time; true to scale at its middle latitude."""
    head = "Where the used bins were sampled"
    columns = ["bin", "sample_time", "latitude", "longitude", *wish.group_by]
    catalog = table_files.read("catalog", tables["catalog"], columns)
    ledger = table_files.read("ledger", tables["ledger"], ["bin", "status"])
    used = catalog[catalog["bin"].isin(ledger.loc[ledger["status"] == "used", "bin"])]
    bins = used[has_position(used, wish.accept_zero_position)]
    if bins.empty:
        return note(head, f"{wish.dataset}: none of the {len(used)} used bins has a position")
    bins = bins.assign(series=series_of(bins, wish.group_by), day=bins["sample_time"].dt.strftime("%Y-%m-%d"))
    n_series = bins["series"].nunique()
    series = in_natural_order(bins["series"].value_counts().sort_index(kind="stable").nlargest(SERIES_MOST).index)
    bins = bins[bins["series"].isin(series)]
    # Both sides of the date line are one place: count on beyond 180 degrees.
    if bins["longitude"].max() - bins["longitude"].min() > 180:
        bins["longitude"] = bins["longitude"].where(bins["longitude"] >= 0, bins["longitude"] + 360)
    (west, east), (south, north), (width, height) = frame_of(bins)
    places = thinned(bins, max(east - west, north - south))
    places["day"] = pd.to_datetime(places["day"])

    degree = "format(abs({0}), '.6~g') + '°' + ({0} < 0 ? '{1}' : {0} > 0 ? '{2}' : '')"
    wrapped = "(datum.value > 180 ? datum.value - 360 : datum.value)"
    x = alt.X(
        "longitude:Q",
        title="longitude (degrees)",
        scale=alt.Scale(domain=[west, east], nice=False, zero=False),
        axis=alt.Axis(labelExpr=degree.format(wrapped, "W", "E"), tickCount=5, gridColor="#ccc"),
    )
    y = alt.Y(
        "latitude:Q",
        title="latitude (degrees)",
        scale=alt.Scale(domain=[south, north], nice=False, zero=False),
        axis=alt.Axis(labelExpr=degree.format("datum.value", "S", "N"), tickCount=5, gridColor="#ccc"),
    )
    size = 45 if len(places) <= 500 else 20
    # As numbers: a scale of times takes only the ends of a colour scheme.
    ends = [milliseconds(day) for day in (places["day"].min(), places["day"].max())]
    chart = (
        alt.Chart(inline(places[["series", "day", "longitude", "latitude", "bins"]], digits=9))
        .mark_point(filled=True, size=size, opacity=1, clip=True, stroke="#333", strokeWidth=0.3)
        .encode(
            x=x,
            y=y,
            color=alt.Color(
                "time:Q",
                title="day (UTC)",
                scale=alt.Scale(scheme="viridis", domain=ends, nice=False),
                legend=alt.Legend(labelExpr="utcFormat(datum.value, '%Y-%m-%d')", gradientLength=300, values=ends),
            )
            if ends[0] < ends[1]
            else alt.value(OKABE_ITO[0]),
            tooltip=[
                alt.Tooltip("series:N", title="group"),
                alt.Tooltip("day:T", title="day (UTC)", format="%Y-%m-%d"),
                alt.Tooltip("latitude:Q", title="latitude (degrees north)"),
                alt.Tooltip("longitude:Q", title="longitude (degrees east)"),
                alt.Tooltip("bins:Q", title="bins here"),
            ],
        )
        .transform_calculate(time="toNumber(datum.day)")
        .add_params(zoom())
        .properties(width=width, height=height)
    )
    if len(series) > 1:
        shapes = ["circle", "square", "triangle-up", "diamond", "cross", "triangle-down"]
        scale = alt.Scale(domain=series, range=shapes[: len(series)])
        chart = chart.encode(shape=alt.Shape("series:N", title=None, scale=scale, legend=alt.Legend(columns=2)))
    return chart.properties(
        title=title(
            f"{head}, {wish.dataset}",
            f"{len(bins):,} of {len(used):,} used bins"
            + (f" ({len(used) - len(bins):,} without a position or not shown)" if len(bins) < len(used) else ""),
            f"{bins['day'].min()} to {bins['day'].max()} (UTC); no coast lines are drawn",
            _of_series(series, n_series),
        )
    )


def frame_of(bins: pd.DataFrame) -> tuple[tuple[float, float], tuple[float, float], tuple[int, int]]:
    """Of a map: west and east, south and north (degrees), width and height (pixels), one scale in both directions."""
    middle = [(bins[c].min() + bins[c].max()) / 2 for c in ("longitude", "latitude")]
    half = [(bins[c].max() - bins[c].min()) / 2 * 1.2 for c in ("longitude", "latitude")]
    shrink = max(math.cos(math.radians(middle[1])), 0.05)  # of a degree of longitude, against one of latitude
    least = max(0.02, half[0] * shrink / 3, half[1] / 3)  # no narrower than one to three
    half = [max(half[0], least / shrink), max(half[1], least)]
    scale = min(560 / (2 * half[0] * shrink), 420 / (2 * half[1]))  # pixels per degree of latitude
    size = (round(2 * half[0] * shrink * scale), round(2 * half[1] * scale))
    west_east, south_north = ((m - h, m + h) for m, h in zip(middle, half, strict=True))
    return west_east, south_north, size


def thinned(bins: pd.DataFrame, extent: float) -> pd.DataFrame:
    """One row per place, at the position of its first bin, with the number of its `bins`.

    extent: of the map, in degrees. Places are made coarser until they are few. They are told apart by series
    and, while they are few enough, by day; else the day is the last one.
    """
    bins = bins.sort_values(["day", "bin"], kind="stable")
    for cells, by in ((1000, ["day"]), (500, ["day"]), (250, ["day"]), (250, []), (120, []), (60, [])):
        cell = [(bins[c] // (extent / cells)).rename(f"{c}_cell") for c in ("latitude", "longitude")]
        groups = bins.groupby([bins["series"], *(bins[name] for name in by), *cell], sort=False)
        if groups.ngroups <= PLACES_MOST:
            break
    places = groups[["series", "longitude", "latitude"]].first().assign(day=groups["day"].last(), bins=groups.size())
    return places.reset_index(drop=True).sort_values("day", kind="stable")


def bin_series(tables: Tables, wish: Wish) -> Any:
    """One class, bin by bin, and its daily abundance as steps."""
    head = "Bin by bin"
    coverage, span = read_coverage(tables, wish)
    abundance = read_abundance(tables, wish, None, "living")
    names = top_classes(abundance, 1)
    if span is None or (not names and wish.one_class is None):
        return note(head, _nothing(wish, abundance))
    name = wish.one_class if wish.one_class is not None else names[0]
    if name not in set(abundance["class"]):
        log.warning(f"report.class: {name!r} is in no label set of the used bins, so bin_series has nothing to show")
        return note(head, f"{wish.dataset}: the class {name!r} is in no label set of the used bins")
    columns = ["sample_time", *wish.group_by, "objects_per_ml"]
    table = pq.read_table(tables["bins"], columns=columns, filters=[("class", "==", name)])
    bins = table.to_pandas()
    for column in set(wish.group_by) - {"depth"}:
        bins[column] = bins[column].fillna("")
    bins["series"] = series_of(bins, wish.group_by)
    series = main_series(coverage)
    bins = bins[bins["series"].isin(series)].sort_values(["series", "sample_time"], kind="stable")
    bins = bins.rename(columns={"sample_time": "day", "objects_per_ml": "value"})[["series", "day", "value"]]
    bins["day"] = bins["day"].dt.tz_localize(None)
    n_bins = len(bins)
    if n_bins > BINS_SHOWN:
        bins = bins[bins["day"] >= bins["day"].nlargest(BINS_SHOWN).min().normalize()]
        span = Span(bins["day"].min().normalize(), span.last)
    steps = abundance[
        (abundance["class"] == name) & abundance["series"].isin(series) & (abundance["day"] >= span.first)
    ]
    steps["day"] = span.start(steps["day"])
    steps = steps.groupby(["series", "day"], as_index=False)[["count", "ml_analyzed_total"]].sum()
    steps["mean"] = steps["count"] / steps["ml_analyzed_total"]
    steps["end"] = steps["day"] + pd.Timedelta(days=span.step)
    columns = ["series", "day", "end", "value", "mean"]
    data = inline(pd.concat([broken(bins), steps])[columns])

    width = 620
    x = time_axis(span, width, "sample_time (UTC)")
    scale = ROOT if (bins["value"] > 0).any() else alt.Scale(domain=[0, 1])
    y = alt.Y("value:Q", title="objects per mL", scale=scale, axis=alt.Axis(format=".6~g", tickCount=5))
    base = alt.Chart().encode(x=x)
    of_bins = base.transform_filter("!isValid(datum.end)")
    few = len(bins) <= BINS_MOST
    hover = [
        alt.Tooltip("series:N", title="group"),
        alt.Tooltip("day:T", title="sample_time (UTC)", format="%Y-%m-%d %H:%M:%S"),
        alt.Tooltip("value:Q", title="objects/mL"),
    ]
    key = alt.Color(
        "what:N",
        title=None,
        scale=alt.Scale(domain=["bin", f"{span.pooled}"], range=[OKABE_ITO[4], OKABE_ITO[1]]),
        legend=alt.Legend(symbolType="square"),
    )
    layers = [
        of_bins.transform_calculate(what="'bin'")
        .mark_line(strokeWidth=0.7, clip=True)
        .encode(y=y, color=key)
        .add_params(zoom("x")),
        of_bins.transform_filter("isValid(datum.value)" if few else "screen && isValid(datum.value)")
        .transform_calculate(what="'bin'")
        .mark_circle(size=14, opacity=1, clip=True)
        .encode(y=y, color=key, tooltip=hover),
        base.transform_filter("isValid(datum.end)")
        .transform_calculate(what=f"'{span.pooled}'")
        .mark_rule(strokeWidth=2, clip=True)
        .encode(
            x2="end:T",
            y="mean:Q",
            color=key,
            tooltip=[
                alt.Tooltip("series:N", title="group"),
                alt.Tooltip("day:T", title="day (UTC)", format="%Y-%m-%d"),
                alt.Tooltip("mean:Q", title="objects/mL"),
            ],
        ),
    ]
    chart = alt.layer(*layers).properties(width=width, height=170)
    return _panels(chart, data, series).properties(
        title=title(
            f"{head}: {name}, {wish.dataset}",
            f"{span}; "
            + (f"the last {len(bins):,} of " if len(bins) < n_bins else "")
            + f"{n_bins:,} used bins whose label set has the class; square-root scale",
            _of_series(series, coverage["series"].nunique()),
        )
    )


def broken(bins: pd.DataFrame) -> pd.DataFrame:
    """The bins with a row without a value in each gap, so that no line goes through it.

    A gap is longer than three times the usual time between two bins of the series, but not of less than two hours and
    always of more than a day.
    """
    pieces = []
    for _, rows in bins.groupby("series", sort=True):
        waits = rows["day"].diff()
        usual = waits.median() if len(rows) > 1 else pd.Timedelta(0)
        gap = waits > min(max(pd.Timedelta(hours=2), 3 * usual), pd.Timedelta(days=1))
        breaks = rows[gap].assign(day=lambda late: late["day"] - pd.Timedelta(seconds=1), value=np.nan)
        pieces.append(pd.concat([rows, breaks]).sort_values("day", kind="stable"))
    return pd.concat(pieces)


SPECTRA = {ALL: "all objects", LIVING: "objects of living classes"}
DROP_OFF = "size drop-off"


def size_spectrum(tables: Tables, wish: Wish) -> Any:
    """Objects per mL and um by their diameter, on log scales, over the whole window; the drop-off is marked."""
    head = "Size spectrum"
    coverage, span = read_coverage(tables, wish)
    columns = ["date", *wish.group_by, "objects", "esd_low_um", "esd_high_um", "count"]
    days = table_files.read("size_spectrum", tables["size_spectrum"], columns)
    if span is None or days.empty:
        return note(head, f"{wish.dataset}: no used bin has features with a measured object")
    days["series"] = series_of(days, wish.group_by)
    series = [name for name in main_series(coverage) if name in set(days["series"])]
    volume = _volume_with_features(tables, wish)
    rows = pd.concat(
        [_pooled_spectrum(days[days["series"] == name], volume[name]) for name in series], ignore_index=True
    )
    low, high = poisson_limits(rows["count"].to_numpy(dtype=int), wish.confidence)
    per_um = rows["value"] / rows["count"]  # of one object
    rows = rows.assign(low=low * per_um, high=high * per_um, what=rows["objects"].map(SPECTRA))
    of_all = rows[rows["objects"] == ALL].assign(objects_per_ml_per_um=rows["value"].fillna(0))
    marks = [{"series": name, "what": DROP_OFF, "esd": drop_off(of)} for name, of in of_all.groupby("series")]
    data = inline(pd.concat([rows, pd.DataFrame(marks)])[["series", "what", "esd", "count", "value", "low", "high"]])

    named = [text for objects, text in SPECTRA.items() if objects in set(rows["objects"])]
    colours = dict(zip([*SPECTRA.values(), DROP_OFF], ("#0072B2", "#009E73", "#D55E00"), strict=True))
    colour = alt.Color(
        "what:N",
        title=None,
        scale=alt.Scale(domain=[*named, DROP_OFF], range=[colours[name] for name in [*named, DROP_OFF]]),
        legend=alt.Legend(symbolType="square", symbolOpacity=1),
    )
    span_of_sizes = [2.0 ** math.floor(math.log2(rows["esd"].min())), 2.0 ** math.ceil(math.log2(rows["esd"].max()))]
    powers = round(math.log2(span_of_sizes[1] / span_of_sizes[0]))
    x = alt.X(
        "esd:Q",
        title="equivalent spherical diameter (µm, log scale)",
        scale=alt.Scale(type="log", base=2, domain=span_of_sizes, nice=False),
        axis=alt.Axis(values=[span_of_sizes[0] * 2.0**i for i in range(powers + 1)], format=".3~g"),
    )
    shown = rows[rows["value"].notna()]
    found = pd.concat([shown["low"].where(shown["low"] > 0, shown["value"]), shown["high"]])
    scale = alt.Scale(type="log", domain=decades(found), nice=False)
    axis = alt.Axis(values=_powers(found), format=".6~g")
    y_title = "objects per mL per µm (log scale)"
    y = alt.Y("value:Q", title=y_title, scale=scale, axis=axis)
    base = alt.Chart().encode(x=x, color=colour)
    spectra = base.transform_filter(f"datum.what != '{DROP_OFF}'")
    points = spectra.transform_filter("isValid(datum.value)")
    mark = base.transform_filter(f"datum.what == '{DROP_OFF}'")
    hover = [
        alt.Tooltip("series:N", title="group"),
        alt.Tooltip("what:N", title="objects"),
        alt.Tooltip("esd:Q", title="diameter (µm)"),
        alt.Tooltip("count:Q"),
        alt.Tooltip("value:Q", title="objects/mL/µm"),
    ]
    chart = alt.layer(
        mark.mark_rule(strokeDash=[5, 3], strokeWidth=1.5, clip=True),
        mark.mark_text(align="left", baseline="top", dx=5, fontSize=10)
        .encode(y=alt.value(4), text="label:N")
        .transform_calculate(label="format(datum.esd, '.3~g') + ' µm'"),
        points.mark_rule(opacity=0.5, clip=True).encode(
            y=alt.Y("low:Q", title=y_title, scale=scale, axis=axis), y2="high:Q"
        ),
        spectra.mark_line(strokeWidth=1.3, clip=True).encode(y=y).add_params(zoom("x")),
        points.mark_circle(size=24, opacity=1, clip=True).encode(y=y, tooltip=hover),
    ).properties(width=620, height=260)
    return _panels(chart, data, series).properties(
        title=title(
            f"{head}, {wish.dataset}",
            f"{span}, pooled; bars: {_percent(wish.confidence)} Poisson interval of the count",
            "left of the drop-off the instrument does not count all objects",
            _with_features(series, days["series"], coverage),
        )
    )


def _with_features(series: Sequence[str], there: pd.Series, coverage: pd.DataFrame) -> str:
    """Which series have features, if not all; a figure of one alone has no name over it."""
    with_features, n_all = there.nunique(), coverage["series"].nunique()
    if with_features == n_all:
        return _of_series(series, n_all)
    if len(series) < with_features:
        return f"{len(series)} of the {with_features} groups with features, those with the most used bins"
    return f"{', '.join(series)} alone: no used bin of the others has features"


def _volume_with_features(tables: Tables, wish: Wish) -> dict[str, float]:
    """The volume (mL) of the used bins with features of each series, those without an object too."""
    columns = ["date", *wish.group_by, "class", "ml_analyzed_total"]
    rows = table_files.read("biovolume_long", tables["biovolume"], columns)
    rows = rows[rows["class"] == UNCLASSIFIED]
    return {str(name): math.fsum(of) for name, of in rows["ml_analyzed_total"].groupby(series_of(rows, wish.group_by))}


def _pooled_spectrum(days: pd.DataFrame, volume: float) -> pd.DataFrame:
    """Of one series, per kind of objects and size: `count`, and objects per mL and um as `value`, NaN without any."""
    keys = ["series", "objects", "esd_low_um"]
    rows = days.groupby(keys, as_index=False).agg({"esd_high_um": "first", "count": "sum"})
    sizes = rows[["esd_low_um", "esd_high_um"]].drop_duplicates().sort_values("esd_low_um")
    # Where no day has objects of a size between two others, the line is broken.
    steps = round(4 * math.log2(sizes["esd_high_um"].iloc[-1] / sizes["esd_low_um"].iloc[0]))
    edges = sizes["esd_low_um"].iloc[0] * 2.0 ** (np.arange(steps + 1) / 4)
    grids = []
    for objects, of_objects in rows.groupby("objects"):
        at = np.rint(4 * np.log2(of_objects["esd_low_um"] / edges[0])).astype(int)
        count = np.zeros(steps, dtype=int)
        count[at] = of_objects["count"]
        grid = pd.DataFrame({"esd_low_um": edges[:-1], "esd": np.sqrt(edges[:-1] * edges[1:]), "count": count})
        grid["value"] = np.where(count > 0, count / volume / (edges[1:] - edges[:-1]), np.nan)
        grids.append(grid.assign(objects=objects, series=rows["series"].iloc[0]))
    return pd.concat(grids, ignore_index=True)


def carbon(tables: Tables, wish: Wish) -> Any:
    """A bar per day: the carbon of living classes, by group of classes."""
    head = "Carbon by group of classes"
    coverage, span = read_coverage(tables, wish)
    columns = ["date", *wish.group_by, "class", "living", "group", "ml_analyzed_total", "carbon_ug_per_L"]
    rows = table_files.read("biovolume_long", tables["biovolume"], columns)
    rows = rows[(rows["living"] == "yes") & rows["carbon_ug_per_L"].notna()]
    if span is None or rows.empty:
        return note(head, f"{wish.dataset}: no used bin has features of classes that are known to live")
    there = series_of(rows, wish.group_by)
    series = [name for name in main_series(coverage) if name in set(there)]
    rows = rows.assign(series=there)[there.isin(series)].assign(day=span.start(rows["date"]))
    rows["mass"] = rows["carbon_ug_per_L"] * rows["ml_analyzed_total"]
    sums = rows.groupby(["series", "day", "group", "class"], as_index=False)[["mass", "ml_analyzed_total"]].sum()
    sums["carbon"] = sums["mass"] / sums["ml_analyzed_total"]
    of_groups = (
        sums.loc[sums["group"] != ""].groupby("group")["carbon"].sum().sort_values(ascending=False, kind="stable")
    )
    named = [str(name) for name in of_groups.index[: len(GROUP_COLOURS)]]
    kind = sums["group"].where(sums["group"] != "", NO_GROUP)
    sums["kind"] = kind.where(kind.isin([*named, NO_GROUP]), OTHER_GROUPS)
    bars = sums.groupby(["series", "day", "kind"])["carbon"].sum().reset_index()
    order = [name for name in (*named, OTHER_GROUPS, NO_GROUP) if name in set(bars["kind"])]
    bars["rank"] = bars["kind"].map({name: i for i, name in enumerate(order)})
    bars = bars.sort_values(by=["series", "day", "rank"])
    bars["top"] = bars.groupby(["series", "day"])["carbon"].cumsum()
    bars["bottom"] = bars["top"] - bars["carbon"]
    bars["end"] = bars["day"] + pd.Timedelta(days=span.step)
    data = inline(bars[["series", "day", "end", "kind", "carbon", "bottom", "top"]], digits=6)

    width = 620
    y = alt.Y("bottom:Q", title="µg C per L", axis=alt.Axis(format=".6~g", tickCount=5))
    value = alt.Tooltip("carbon:Q", title="µg C/L", format=".4~g")
    chart = _stacked(time_axis(span, width), y, named, order, value).properties(width=width, height=180)
    return _panels(chart, data, series).properties(
        title=title(
            f"{head}, {wish.dataset}",
            f"{span}; a bar is a {span.pooled}. Without a bar: no used bin with features",
            "living classes only; objects without a class or a biovolume are not in it",
            _with_features(series, there, coverage),
        )
    )


FIGURES: dict[str, Callable[[Tables, Wish], Any]] = {
    "time_series": time_series,
    "heat_map": heat_map,
    "composition": composition,
    "coverage_calendar": coverage_calendar,
    "threshold_sweep": threshold_sweep,
    "positions": positions,
    "bin_series": bin_series,
    "size_spectrum": size_spectrum,
    "carbon": carbon,
}


# --- charts to files ---

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<script>{scripts}</script>
</head>
<body>
<div id="figure"></div>
<script>vegaEmbed("#figure", {spec}).catch(console.error);</script>
</body>
</html>
"""


def describe(figure: str, tables: Tables, wish: Wish) -> dict[str, Any]:
    """The Vega-Lite specification of a figure, with its data. Raises ValidationError if it is none."""
    # Its parameter `screen` tells whether there is a pointer: points that only carry a tooltip are not printed.
    chart = FIGURES[figure](tables, wish)
    spec: dict[str, Any] = chart.to_dict()
    spec["description"] = caption(figure, wish)
    spec["config"] = CONFIG
    spec["params"] = [*spec.get("params", []), {"name": "screen", "value": True}]
    actions = {"export": True, "source": False, "compiled": False, "editor": False}
    spec["usermeta"] = {"embedOptions": {"renderer": "canvas", "actions": actions, "downloadFileName": figure}}
    return spec


def caption(figure: str, wish: Wish) -> str:
    """What stands below the figure in the engine's report, as text; paragraphs are parted by an empty line."""
    template = jinja2.Template((CAPTIONS / f"{figure}.rst").read_text(encoding="utf-8"))
    paragraphs = template.render(snakemake={"params": {"wish": asdict(wish)}}).split("\n\n")
    return "\n\n".join(" ".join(paragraph.replace("`", "").split()) for paragraph in paragraphs)


def for_paper(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The specification without what only a pointer can reach."""
    params = [param for param in spec["params"] if param["name"] != "screen"]
    return {**spec, "params": [*params, {"name": "screen", "value": False}]}


def draw_figure(figure: str, tables: Tables, wish: Wish, scripts: str | Path, files: Mapping[str, str | Path]) -> None:
    """Write a figure in the forms that `files` names: svg, pdf, html (by itself, without any network) and json.

    scripts: the file that `vega_scripts.py` wrote. The same tables give the same bytes.
    """
    spec = describe(figure, tables, wish)
    text = json.dumps(spec, separators=(",", ":"), ensure_ascii=False)
    svg = renumbered(vl_convert.vegalite_to_svg(for_paper(spec)))
    page = PAGE.format(
        title=f"{figure}, {wish.dataset}",
        scripts=Path(scripts).read_text(encoding="utf-8"),
        spec=text.replace("<", "\\u003c"),  # a label may hold what ends a script
    )
    contents = {
        "svg": svg.encode(),
        "pdf": in_order(vl_convert.svg_to_pdf(svg)),
        "html": page.encode(),
        "json": text.encode(),
    }
    for form, path in files.items():
        with atomic_write(path) as unfinished:
            unfinished.write_bytes(contents[form])


def renumbered(svg: str) -> str:
    """The SVG with its ids counted from 0: the library counts on through all that a process draws."""
    ids = dict.fromkeys(re.findall(r'id="((?:clip|gradient_)\d+)"', svg))
    new = {old: f"{old.rstrip('0123456789')}{i}" for i, old in enumerate(ids)}
    return re.sub(r"(?<=[\"#])(?:clip|gradient_)\d+(?=[\")])", lambda found: new.get(found[0], found[0]), svg)


def in_order(pdf: bytes) -> bytes:
    """The PDF with the entries of each list of resources in order: the library writes them in a random one."""
    entries = rb"(/(?:XObject|ExtGState) <<\n)((?:[ ]+/\w+ \d+ 0 R\n)+)"
    return re.sub(entries, lambda found: found[1] + b"".join(sorted(found[2].splitlines(keepends=True))), pdf)
