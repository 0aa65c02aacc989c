"""Heat map of abundance per class and day."""

from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from ifcb_abundance.classes.top_classes import top_classes
from ifcb_abundance.figures import chart_parts as parts
from ifcb_abundance.figures import words
from ifcb_abundance.figures.colours import GREY, PINK
from ifcb_abundance.figures.options import FigureOptions, Tables
from ifcb_abundance.figures.rows import (
    NO_DATA,
    NOT_ASSESSED,
    main_series,
    merge_equal_days,
    read_abundance,
    read_coverage,
    with_ends,
    with_states,
)

ROW = 14  # pixels
ZERO = "0: looked for, none found"
COLOURS = {ZERO: "#ffffff", NOT_ASSESSED: PINK, NO_DATA: GREY}


def chart(tables: Tables, options: FigureOptions) -> Any:
    """Draw classes by days, coloured by abundance on a log scale.

    Zero, not assessed and no data have colours of their own.
    """
    head = "Abundance per class and day"
    coverage, span = read_coverage(tables, options)
    abundance = read_abundance(tables, options, span, "living")
    classes = top_classes(abundance, options.top_classes)
    if span is None or not classes:
        return parts.message(options, head, parts.no_class_to_show(options, abundance))
    series = main_series(coverage)
    names = words.names_of(classes, options)
    rows = with_states(abundance, coverage, span, series, classes)
    rows["value"] = rows["count"] / rows["ml_analyzed_total"]
    rows = with_ends(rows, span)
    found = rows[rows["value"] > 0]
    rows["state"] = rows["state"].where(rows["value"].isna(), ZERO)
    rest = merge_equal_days(rows.drop(found.index), "state", span.step)
    columns = ["series", "class", "day", "end", "value", "state"]
    drawn = pd.concat([found[columns], rest[columns]])
    data = parts.inline(drawn.assign(**{"class": drawn["class"].map(names.shown)}))

    order = [names.shown[name] for name in classes]
    axis, room = parts.label_axis(options, order, labelFontStyle=names.style())
    y = alt.Y("class:N", title=None, scale=alt.Scale(domain=order), axis=axis)
    width = parts.panel_width(options, room)
    base = alt.Chart().encode(x=parts.time_axis(span, width), x2="end:T", y=y)
    states = list(COLOURS)  # all of them: a reader could take what is low for what is missing
    # Two legends side by side would take more room than there is above the cells.
    legend = parts.legend(options, states, room, orient="bottom", symbolStrokeColor="#888", symbolStrokeWidth=0.8)
    layers = [_states(base, states, legend)]
    if len(found):
        layers.append(_values(base, found["value"], min(200, width)))
    cells = alt.layer(*layers).properties(width=width, height=ROW * len(classes))
    return parts.panels(cells, data, series).properties(
        title=parts.title(
            options,
            f"{head}, {options.dataset}",
            f"{span}; a cell is a {span.pooled}; {parts.classes_note(classes)}",
            parts.series_note(series, coverage["series"].nunique()),
        )
    )


def _hover(*more: alt.Tooltip) -> list[alt.Tooltip]:
    return [alt.Tooltip("class:N"), parts.series_hover(), parts.day_hover("from (UTC)"), *more]


def _values(base: alt.Chart, found: pd.Series, length: float) -> Any:
    """Colour the cells of classes that were found. found: their abundances. length: of the legend."""
    ends, ticks = parts.within(found)
    colour = alt.Fill(
        "value:Q",
        title=f"{words.PER_ML} (log scale)",
        scale=alt.Scale(type="log", scheme="viridis", domain=ends, nice=False),
        legend=alt.Legend(labelExpr=parts.of_powers(ticks), gradientLength=length, values=ticks),
    )
    return (
        base.transform_filter("isValid(datum.value) && datum.value > 0")
        .mark_rect(clip=True)
        .encode(fill=colour, tooltip=_hover(alt.Tooltip("value:Q", title=words.PER_ML)))
        .add_params(parts.zoom("x"))
    )


def _states(base: alt.Chart, states: Sequence[str], legend: alt.Legend) -> Any:
    """Colour the cells without an abundance above zero."""
    colour = alt.Color(
        "state:N",
        title=None,
        scale=alt.Scale(domain=states, range=[COLOURS[state] for state in states]),
        legend=legend,
    )
    return (
        base.transform_filter("!(datum.value > 0)")
        .mark_rect(clip=True)
        .encode(color=colour, tooltip=_hover(parts.day_hover("until (UTC)", "end"), alt.Tooltip("state:N")))
    )
