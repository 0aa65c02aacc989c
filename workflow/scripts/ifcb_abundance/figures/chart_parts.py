"""What charts share: colours, axes, titles, panels, and rows as inline data.

Rows go into a chart as CSV text: it is a third of the size of JSON, and labels never become names of fields, which
would have to be escaped.
"""

import math
from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from ifcb_abundance.classes.labels import UNCLASSIFIED
from ifcb_abundance.figures.options import FigureOptions
from ifcb_abundance.figures.span import Span

DIGITS = 4  # significant digits of numbers in a chart
WIDTH = 620  # of a chart with one column of panels, in pixels

# Okabe & Ito's colours for the colour-blind. Reddish purple is kept for what was not assessed.
PURPLE, GREY = "#CC79A7", "#d9d9d9"
OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#E69F00", "#56B4E9", "#000000")
GROUP_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#E69F00", "#56B4E9", PURPLE, "#F0E442")
OTHER_GROUPS, NO_GROUP, NOT_LIVING = "further groups", "no group in the class table", "not living"
REST_COLOURS = {OTHER_GROUPS: "#4d4d4d", NO_GROUP: "#808080", NOT_LIVING: "#b3b3b3", UNCLASSIFIED: "#e0e0e0"}

# The scale of abundances through time: a bloom leaves the rest of the year visible, and unlike a log scale it has zero.
SQUARE_ROOT = alt.Scale(type="sqrt", domainMin=0)

alt.data_transformers.consolidate_datasets = False  # data stay where they are used


def inline(rows: pd.DataFrame, digits: int = DIGITS) -> alt.InlineData:
    """Turn rows into the data of a chart: times are UTC, missing values are null.

    digits: significant digits of numbers.
    """
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
    """Make a title with lines below it; empty lines are omitted."""
    return alt.TitleParams(text, subtitle=[line for line in below if line])


def message(text: str, reason: str) -> alt.Chart:
    """Make a chart that only says why there is nothing to show."""
    chart = alt.Chart(alt.InlineData(values=[{}]), title=title(text), width=WIDTH, height=80)
    drawn: alt.Chart = chart.mark_text(fontSize=13, text=reason)
    return drawn


def no_class_to_show(options: FigureOptions, abundance: pd.DataFrame) -> str:
    """Say why a table of abundances has no class to show."""
    if abundance.empty:
        return f"{options.dataset}: no bin of the window was used (ledger.csv says why)"
    return f"{options.dataset}: no class that lives or may live was looked for"


def time_axis(span: Span, width: int, name: str = "day (UTC)", field: str = "day") -> alt.X:
    """Make the x of a chart that is `width` pixels wide."""
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
    """Count from 1970-01-01 (UTC), as charts do."""
    return int(time.timestamp() * 1000)


def zoom(*encodings: Any) -> alt.Parameter:
    """Let a reader pan and zoom on the screen."""
    return alt.selection_interval(name="zoom", bind="scales", encodings=list(encodings))


def series_hover() -> alt.Tooltip:
    """Name the group of bins."""
    return alt.Tooltip("series:N", title="group")


def day_hover(name: str = "day (UTC)", field: str = "day") -> alt.Tooltip:
    """Show a day."""
    return alt.Tooltip(f"{field}:T", title=name, format="%Y-%m-%d")


def panels(chart: Any, data: alt.InlineData, series: Sequence[str]) -> Any:
    """Draw the chart from its data, in one panel per series if there are several."""
    if len(series) == 1:
        return chart.properties(data=data)
    header = alt.Header(title=None)
    return chart.facet(alt.Facet("series:N", header=header, sort=list(series)), data=data, columns=1)


def colours_of(groups: Sequence[str]) -> dict[str, str]:
    """Give each kind of class its colour. groups: those of classes, the largest first."""
    return {**dict(zip(groups, GROUP_COLOURS, strict=False)), **REST_COLOURS}


def stacked_bars(x: alt.X, y: alt.Y, named: Sequence[str], order: Sequence[str], value: alt.Tooltip) -> Any:
    """Draw bars from `bottom` to `top`, coloured by `kind`. named: the groups of classes, the largest first."""
    colours = colours_of(named)
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
                day_hover(),
                value,
            ],
        )
        .add_params(zoom("x"))
    )


def decades(values: pd.Series) -> list[float]:
    """Give the powers of ten around positive values."""
    if values.empty:
        return [0.1, 1]
    low, high = math.floor(math.log10(values.min())), math.ceil(math.log10(values.max()))
    return [10.0**low, 10.0 ** max(high, low + 1)]


def powers_of_ten(values: pd.Series) -> list[float]:
    """Give all powers of ten from one end of `decades` to the other."""
    low, high = (round(math.log10(end)) for end in decades(values))
    return [10.0**power for power in range(low, high + 1)]


# --- lines below a title ---


def series_note(series: Sequence[str], n_all: int) -> str:
    """Say how many of all series are shown, unless all are."""
    return f"{len(series)} of {n_all} groups, those with the most used bins" if len(series) < n_all else ""


def features_note(series: Sequence[str], with_features: pd.Series, coverage: pd.DataFrame) -> str:
    """Say which series have features, unless all do. A figure of one series alone has no name above it."""
    n_with, n_all = with_features.nunique(), coverage["series"].nunique()
    if n_with == n_all:
        return series_note(series, n_all)
    if len(series) < n_with:
        return f"{len(series)} of the {n_with} groups with features, those with the most used bins"
    return f"{', '.join(series)} alone: no used bin of the others has features"


def classes_note(classes: Sequence[str]) -> str:
    """Say which classes are shown."""
    return f"{len(classes)} most abundant of the classes that live or may live"


def percent(share: float) -> str:
    """Write a share from 0 to 1 in percent."""
    return f"{100 * share:g} %"
