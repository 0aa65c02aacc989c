"""Time series of abundance, a panel per class."""

from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from ifcb_abundance.classes.top_classes import top_classes
from ifcb_abundance.common.intervals import poisson_limits
from ifcb_abundance.figures import chart_parts as parts
from ifcb_abundance.figures.options import FigureOptions, Tables
from ifcb_abundance.figures.rows import (
    NO_DATA,
    NOT_ASSESSED,
    main_series,
    merge_equal_days,
    read_abundance,
    read_coverage,
    with_states,
)
from ifcb_abundance.figures.span import Span

DOTS_MOST = 62  # with more days, only those without a neighbour are drawn as points too
LIMITS = ("objects_per_ml_low_dispersed", "objects_per_ml_high_dispersed")
WIDTH, HEIGHT = 400, 90  # of a panel, in pixels


def chart(tables: Tables, options: FigureOptions) -> Any:
    """Draw abundance per day with its interval, a panel per class.

    Days without a value are gaps, zeros are zeros.
    """
    head = "Daily abundance per class"
    coverage, span = read_coverage(tables, options)
    abundance = read_abundance(tables, options, span, "living", *LIMITS)
    classes = top_classes(abundance, options.top_classes)
    if span is None or not classes:
        return parts.message(head, parts.no_class_to_show(options, abundance))
    series = main_series(coverage)
    rows = _with_values(with_states(abundance, coverage, span, series, classes), span, options.confidence)
    rows["rank"] = rows["class"].map({name: rank for rank, name in enumerate(classes)})
    missing = _missing_days(rows, span, series)
    columns = ["rank", "key", "day", "value", "low", "high", "dot"]
    drawn = pd.concat([_line_rows(rows, span)[columns], missing[["rank", "key", "day", "end", "line"]]])

    base = alt.Chart().encode(color=_colour(series, set(missing["state"])))
    layers = [_abundances(base, span), *([_missing_bars(base, span)] if len(missing) else [])]
    panel = alt.layer(*layers).resolve_scale(y="independent").properties(width=WIDTH, height=HEIGHT)
    panels = panel.facet(
        alt.Facet("class:N", sort=alt.EncodingSortField("rank", op="min"), header=alt.Header(title=None)),
        data=parts.inline(drawn),
        columns=2,
    ).resolve_scale(y="independent")
    labels = parts.inline(pd.DataFrame({"rank": range(len(classes)), "class": classes}))
    panels = panels.transform_lookup("rank", alt.LookupData(labels, key="rank", fields=["class"]))
    return panels.properties(
        title=parts.title(
            f"{head}, {options.dataset}",
            f"{span}; a point is a {span.pooled}; {parts.classes_note(classes)}",
            f"band: {parts.percent(options.confidence)} interval of the count"
            + (", widened by the scatter between bins" if span.step == 1 else " (Poisson)")
            + "; no classification error; square-root scale",
            parts.series_note(series, coverage["series"].nunique()),
        )
    )


def _with_values(rows: pd.DataFrame, span: Span, confidence: float) -> pd.DataFrame:
    """Add objects/mL as `value` and its limits as `low` and `high`; those of pooled days are Poisson's."""
    volume = rows["ml_analyzed_total"]
    if span.step == 1:
        low, high = rows[LIMITS[0]], rows[LIMITS[1]]
    else:
        limits = poisson_limits(rows["count"].fillna(0).to_numpy(dtype=int), confidence)
        low, high = limits[0] / volume, limits[1] / volume
    return rows.assign(value=rows["count"] / volume, low=low, high=high, key=rows["series"])


def _line_rows(rows: pd.DataFrame, span: Span) -> pd.DataFrame:
    """Keep the rows that a line needs, and mark those that are drawn as a point too as `dot`."""
    present = rows["value"].notna()
    keys = rows[["series", "class"]]
    as_before, as_after = (keys.eq(keys.shift(n)).all(axis=1) for n in (1, -1))
    # A line is visible only between two neighbours.
    before = present.shift(1, fill_value=False) & as_before
    after = present.shift(-1, fill_value=False) & as_after
    dot = (~(before | after) | (len(span.days) <= DOTS_MOST)).where(lambda dots: dots).astype("Int8")
    # One row without a value breaks a line; more of them add nothing.
    needless = ~present & ~present.shift(1, fill_value=False) & as_before
    return rows.assign(dot=dot)[~needless]


def _missing_days(rows: pd.DataFrame, span: Span, series: Sequence[str]) -> pd.DataFrame:
    """Merge the days without a value; `line` counts the series from 0."""
    missing = merge_equal_days(rows[rows["state"] != ""], "state", span.step)
    return missing.assign(key=missing["state"], line=missing["series"].map({name: i for i, name in enumerate(series)}))


def _colour(series: Sequence[str], states: set[str]) -> alt.Color:
    state_colours = {NOT_ASSESSED: parts.PURPLE, NO_DATA: parts.GREY}
    shown = [state for state in state_colours if state in states]
    return alt.Color(
        "key:N",
        title=None,
        scale=alt.Scale(
            domain=[*series, *shown],
            range=[*parts.OKABE_ITO[: len(series)], *(state_colours[state] for state in shown)],
        ),
        legend=alt.Legend(symbolType="square", symbolOpacity=1),
    )


def _abundances(base: alt.Chart, span: Span) -> Any:
    """Draw bands, lines and points at the middle of their days."""
    y_axis = alt.Axis(tickCount=4, format=".6~g", minExtent=34)
    y = alt.Y("value:Q", title="objects/mL", scale=parts.SQUARE_ROOT, axis=y_axis)
    y_low = alt.Y("low:Q", title="objects/mL", scale=parts.SQUARE_ROOT)
    hover = [
        alt.Tooltip("class:N"),
        alt.Tooltip("key:N", title="group"),
        parts.day_hover(),
        alt.Tooltip("value:Q", title="objects/mL"),
        alt.Tooltip("low:Q", title="lower limit"),
        alt.Tooltip("high:Q", title="upper limit"),
    ]
    middle = f"toNumber(datum.day) + {span.step * 12 * 3600 * 1000}"
    days = base.transform_filter("!isValid(datum.line)").transform_calculate(middle=middle)
    days = days.encode(x=parts.time_axis(span, WIDTH, field="middle"))
    dots = days.transform_filter("isValid(datum.value) && (screen || datum.dot)").encode(y=y, tooltip=hover)
    return alt.layer(
        days.mark_area(opacity=0.25, clip=True).encode(y=y_low, y2="high:Q"),
        days.mark_line(strokeWidth=1.2, clip=True).encode(y=y).add_params(parts.zoom("x")),
        dots.transform_filter("datum.dot").mark_rule(opacity=0.6, clip=True).encode(y=y_low, y2="high:Q"),
        dots.mark_circle(size=22, clip=True).encode(opacity=alt.condition("datum.dot", alt.value(1), alt.value(0))),
    )


def _missing_bars(base: alt.Chart, span: Span) -> Any:
    """Mark days without a value at the top of a panel, a line for each series."""
    return (
        base.transform_filter("isValid(datum.line)")
        .transform_calculate(top="4 * datum.line + 1", bottom="4 * datum.line + 4")
        .mark_rect(opacity=1, clip=True)
        .encode(
            x=parts.time_axis(span, WIDTH),
            x2="end:T",
            y=alt.Y("top:Q", scale=None, axis=None),
            y2="bottom:Q",
            tooltip=[alt.Tooltip("key:N", title="state"), parts.day_hover("from (UTC)")],
        )
    )
