"""Climatology: the year's course of each class, year by year, and its median and quartiles."""

import json
from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from ifcb_abundance.classes.top_classes import top_classes
from ifcb_abundance.common.words import counted
from ifcb_abundance.figures import chart_parts as parts
from ifcb_abundance.figures import words
from ifcb_abundance.figures.options import FigureOptions, Tables
from ifcb_abundance.figures.rows import read_abundance, read_coverage

PANELS_MOST, NARROW_MOST = 12, 8  # in a narrow figure, where they stand one below the other
HEIGHT, LOW, GAP = 80, 60, 48  # of a panel, of one in a narrow figure, and between two side by side, in pixels
HEADROOM = 1.12  # the highest value stays so far below the frame
DAYS_MOST = 62  # a longer year is pooled into weeks
LAST_WEEK = 358  # the day of the year that begins the last week
YEARS_LEAST = 3  # for a median and quartiles
BAND, MEDIAN = "from the first to the third quartile", "median of the years"


def chart(tables: Tables, options: FigureOptions) -> Any:
    """Draw abundance by the day of the year, a panel per class and a line per year, all groups of bins together."""
    head = "Climatology"
    _, span = read_coverage(tables, options)
    abundance = read_abundance(tables, options, None, "living")
    every = top_classes(abundance, min(options.top_classes, PANELS_MOST))
    classes = every[:NARROW_MOST] if options.narrow else every
    if span is None or not classes:
        return parts.message(options, head, parts.no_class_to_show(options, abundance))
    rows = abundance[abundance["class"].isin(classes)]
    day = rows["day"].dt.day_of_year
    step = 1 if (span.last - span.first).days <= DAYS_MOST else 7
    # The last day or two of a year are no week of their own.
    doy = ((day - 1) // step * step + 1).clip(upper=LAST_WEEK if step > 1 else None)
    rows = rows.assign(year=rows["day"].dt.year, doy=doy)
    rows = rows.groupby(["class", "year", "doy"], as_index=False)[["count", "ml_analyzed_total"]].sum()
    rows["value"] = rows["count"] / rows["ml_analyzed_total"]
    ends = (int(rows["doy"].min()), int(rows["doy"].max()) + step)
    years = sorted(rows["year"].unique())
    middle = _quartiles(rows, step) if len(years) >= YEARS_LEAST else pd.DataFrame(columns=["class", "doy"])
    rows = pd.concat([_with_gaps(rows, step), middle])
    rank = {name: i for i, name in enumerate(classes)}
    columns = ["rank", "year", "middle", "value", *(["q1", "median", "q3", "part", "alone"] if len(middle) else [])]
    rows = rows.assign(rank=rows["class"].map(rank), middle=rows["doy"] + step / 2)[columns]
    title = parts.title(
        options,
        f"{head}, {options.dataset}",
        f"{span}; a point is {counted(step, 'day')} of a year; {parts.classes_note(classes)}; square-root scale",
        _quartiles_note(len(years), not middle.empty),
        parts.page_note(len(every) - len(classes)),
    )
    across = 1 if options.narrow or len(classes) == 1 else 2
    views = _views(rows, classes, years, ends, options, across)
    return parts.SideBySide(views, parts.inline(rows), across, GAP, title)


def _quartiles_note(n_years: int, drawn: bool) -> str:
    """Say what the quartiles are of, or why there are none."""
    if drawn:
        return f"grey: {BAND} of {n_years} years; black: their median"
    if n_years < YEARS_LEAST:
        return f"{counted(n_years, 'year')}: a median and quartiles need {YEARS_LEAST}"
    return f"no week has {YEARS_LEAST} years, which a median and quartiles need"


def _quartiles(rows: pd.DataFrame, step: int) -> pd.DataFrame:
    """The quartiles over the years, where at least YEARS_LEAST of them have a value.

    `part` counts the stretches without a gap; `alone` is 1 where one is a single point, else 0. step: days in a point.
    """
    by_day = rows.groupby(["class", "doy"])["value"]
    table = by_day.quantile(np.array([0.25, 0.5, 0.75])).unstack().set_axis(["q1", "median", "q3"], axis=1)
    table = table[by_day.size() >= YEARS_LEAST].reset_index()
    gap = table.groupby("class")["doy"].diff() != step
    table["part"] = gap.cumsum()
    return table.assign(alone=(table.groupby("part")["doy"].transform("size") == 1).astype(int))


def _with_gaps(rows: pd.DataFrame, step: int) -> pd.DataFrame:
    """Add a row without a value after each one that another does not follow at once, so that no line crosses a gap."""
    rows = rows.sort_values(["class", "year", "doy"])
    keys = ["class", "year"]
    ends = (rows[keys] != rows[keys].shift(-1)).any(axis=1) | (rows["doy"].shift(-1) - rows["doy"] > step)
    breaks = rows.loc[ends, [*keys, "doy"]].assign(doy=lambda last: last["doy"] + 0.5)
    return pd.concat([rows, breaks]).sort_values(["class", "year", "doy"])


def _views(
    rows: pd.DataFrame,
    classes: Sequence[str],
    years: Sequence[int],
    ends: tuple[int, int],
    options: FigureOptions,
    columns: int,
) -> list[dict[str, Any]]:
    names = words.names_of(classes, options)
    width = parts.panel_width(options, columns=columns, gap=GAP)
    shown = ["value", *(["q3"] if "q3" in rows else [])]
    highest = rows.groupby("rank")[shown].max().max(axis=1)
    colour = {
        "field": "year",
        "type": "ordinal",
        "title": None,
        "scale": {"scheme": "viridis", "domain": [int(year) for year in years]},
        "legend": {"symbolType": "stroke", "symbolStrokeWidth": 2, "columns": 5 if options.narrow else 11},
    }
    x = _day_axis(ends, width)
    views = []
    for rank, name in enumerate(classes):
        place = parts.Place(rank, len(classes), columns)
        axis = parts.abundance_axis(float(highest[rank]) * HEADROOM or 1, place.first)
        views.append(
            {
                "title": parts.panel_title(names.shown[name], names.style_of(name), width),
                "width": width,
                "height": LOW if options.narrow else HEIGHT,
                "transform": [{"filter": f"datum.rank == {rank}"}],
                "encoding": {"x": place.x(x)},
                "layer": _layers(rank, axis, colour, "q1" in rows),
            }
        )
    return views


def _layers(rank: int, axis: dict[str, Any], colour: dict[str, Any], with_quartiles: bool) -> list[dict[str, Any]]:
    """Describe the marks of a class: the band of the quartiles, the years, and their median."""
    of_year = {"y": {"field": "value", **axis}, "color": colour}
    hover = parts.hover(year="year", middle="day of year", value=words.PER_ML)
    years = [
        {
            "name": f"view_{rank}",
            "transform": [{"filter": "isValid(datum.year)"}],
            "mark": {"type": "line", "strokeWidth": 1, "clip": True},
            "encoding": of_year,
        },
        {
            "transform": [{"filter": "isValid(datum.year) && isValid(datum.value)"}],
            "mark": {"type": "circle", "size": 7, "opacity": 1, "clip": True},
            "encoding": {**of_year, "tooltip": hover},
        },
    ]
    if not with_quartiles:
        return years
    middle = {"transform": [{"filter": "isValid(datum.median)"}]}
    alone = {"transform": [{"filter": "datum.alone == 1"}]}  # a line is visible only between two points
    part = {"detail": {"field": "part", "type": "nominal"}}
    band = {"type": "area", "color": "#777", "opacity": 0.35, "clip": True}
    rule = {"type": "rule", "color": "#777", "opacity": 0.35, "strokeWidth": 3, "clip": True}
    line = {"type": "line", "color": "black", "strokeWidth": 1.8, "clip": True}
    dot = {"type": "circle", "color": "black", "size": 14, "opacity": 1, "clip": True}
    quartiles, median = {"y": {"field": "q1", **axis}, "y2": {"field": "q3"}}, {"y": {"field": "median", **axis}}
    return [
        {**middle, "mark": band, "encoding": {**quartiles, **part}},
        {**alone, "mark": rule, "encoding": quartiles},
        *years,
        {**middle, "mark": line, "encoding": {**median, **part}},
        {**alone, "mark": dot, "encoding": median},
    ]


def _day_axis(ends: tuple[int, int], width: float) -> alt.X:
    """The days of a year of 365 days, with ticks where months begin, or days of a short span."""
    starts = [day.day_of_year for day in pd.date_range("2001-01-01", "2001-12-01", freq="MS")]
    inside = [day for day in starts if ends[0] <= day <= ends[1]]
    if len(inside) < 2:
        every = max(1, -(-(ends[1] - ends[0]) // 8))
        axis = alt.Axis(title="day of year (UTC)", values=list(range(ends[0], ends[1] + 1, every)), format="d")
    else:
        every = max(1, -(-len(inside) * 30 // int(width)))
        names = dict(zip(map(str, starts), words.MONTHS, strict=True))
        label = f"({json.dumps(names)})[datum.value]"
        axis = alt.Axis(title="day of year (UTC)", values=inside[::every], labelExpr=label)
    return alt.X("middle:Q", axis=axis, scale=alt.Scale(domain=list(ends), nice=False))
