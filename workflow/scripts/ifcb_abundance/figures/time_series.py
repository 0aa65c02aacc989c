"""Time series of abundance, a panel per class."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ifcb_abundance.classes.top_classes import top_classes
from ifcb_abundance.common.intervals import poisson_limits
from ifcb_abundance.figures import chart_parts as parts
from ifcb_abundance.figures import words
from ifcb_abundance.figures.colours import GREY, OKABE_ITO, PINK
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
HEIGHT, LOW = 72, 64  # of a panel, in pixels: the lower ones, with more than ROWS, have just room for the title of y
GAP = 62  # between two side by side, in pixels: room for the ends of two dates
ROWS = 8
NARROW_ROWS, NARROW_LOW = 6, 58  # more panels in one column are lower, so that a page of 230 mm holds them
FAR = 50  # times the highest value
HEADROOM = 1.15  # the highest limit stays so far below the frame, and below the marks of missing days


def chart(tables: Tables, options: FigureOptions) -> Any:
    """Draw abundance per day with its interval, a panel per class.

    Days without a value are gaps, zeros are zeros.
    """
    head = "Daily abundance per class"
    coverage, span = read_coverage(tables, options)
    abundance = read_abundance(tables, options, span, "living", *LIMITS)
    every = top_classes(abundance, options.top_classes)
    classes = every[:ROWS] if options.narrow else every
    if span is None or not classes:
        return parts.message(options, head, parts.no_class_to_show(options, abundance))
    told = [f"{head}, {options.dataset}", parts.classes_note(classes)]
    told.append(parts.page_note(len(every) - len(classes)))
    return draw_classes(abundance, coverage, span, classes, options, told)


def draw_classes(
    abundance: pd.DataFrame,
    coverage: pd.DataFrame,
    span: Span,
    classes: Sequence[str],
    options: FigureOptions,
    told: Sequence[str],
    levels: Mapping[str, float] | None = None,
) -> Any:
    """Draw a panel per class. told: the title, and what is said of the classes. levels: objects/mL to be marked."""
    series = main_series(coverage)
    rows = _with_values(with_states(abundance, coverage, span, series, classes), span, options.confidence)
    rows["rank"] = rows["class"].map({name: rank for rank, name in enumerate(classes)})
    missing = _missing_days(rows, span, series)
    columns = ["rank", "key", "day", "value", "low", "high", "dot"]
    drawn = pd.concat([_line_rows(rows, span)[columns], missing[["rank", "key", "day", "end", "line"]]])
    head, *notes = told
    title = parts.title(
        options,
        head,
        f"{span}; a point is a {span.pooled}; {notes[0]}",
        f"band: {parts.percent(options.confidence)} interval of the count"
        + (", widened by the scatter between bins" if span.step == 1 else " (Poisson)")
        + "; no classification error; square-root scale",
        *notes[1:],
        parts.series_note(series, coverage["series"].nunique()),
    )
    across = 1 if options.narrow or len(classes) == 1 else 2
    width = parts.panel_width(options, columns=across, gap=GAP)
    states = set(missing["state"])
    colour = _colour(series, states, options)
    highest = rows.groupby("rank")[["high", "value"]].max().max(axis=1).reindex(range(len(classes))).fillna(0)
    names, levels = words.names_of(classes, options), levels or {}
    of_marks = 4 * (missing["line"].max() + 1) + 3 if len(missing) else 0  # pixels at the top of each panel
    if options.narrow:
        height = HEIGHT if len(classes) <= NARROW_ROWS else NARROW_LOW
    else:
        height = HEIGHT if len(classes) <= ROWS * across else LOW
    headroom = max(HEADROOM, 1 / (1 - of_marks / height) ** 2)  # the scale is that of square roots
    panels = [
        _Panel(
            parts.Place(rank, len(classes), across),
            names.shown[name],
            names.style_of(name),
            highest[rank],
            headroom,
            levels.get(name),
        )
        for rank, name in enumerate(classes)
    ]
    views = [_view(panel, span, (width, height), colour, with_bars=bool(states)) for panel in panels]
    return parts.SideBySide(views, parts.inline(drawn), across, GAP, title)


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


def _colour(series: Sequence[str], states: set[str], options: FigureOptions) -> dict[str, Any]:
    state_colours = {NOT_ASSESSED: PINK, NO_DATA: GREY}
    shown = [state for state in state_colours if state in states]
    colours = [*OKABE_ITO[: len(series)], *(state_colours[state] for state in shown)]
    return {
        "field": "key",
        "type": "nominal",
        "title": None,
        "scale": {"domain": [*series, *shown], "range": colours},
        "legend": parts.legend(options, [*series, *shown]).to_dict(),
    }


@dataclass(frozen=True)
class _Panel:
    """One class. highest: its highest value or limit. level: a value that is marked; both in objects/mL.

    headroom: where the scale ends, as a multiple of the highest value.
    """

    place: parts.Place
    name: str
    style: str
    highest: float
    headroom: float
    level: float | None

    @property
    def top(self) -> float:
        """Where the scale ends. A level far above all values is not in the panel: they would lie on its ground."""
        in_sight = self.level is not None and self.level <= FAR * max(self.highest, 1e-9)
        return max(self.highest, self.level if in_sight and self.level else 0) * self.headroom or 1


def _view(
    panel: _Panel, span: Span, size: tuple[float, float], colour: dict[str, Any], *, with_bars: bool
) -> dict[str, Any]:
    """Describe the panel of a class. size: width and height in pixels."""
    width, height = size
    lines = [_abundances(panel, span, width, colour)]
    if panel.level is not None and panel.level <= panel.top:
        y = {"field": "level", **parts.abundance_axis(panel.top, panel.place.first)}
        mark = {"type": "rule", "strokeDash": [4, 3], "color": "black"}
        lines.append({"data": {"values": [{"level": panel.level}]}, "mark": mark, "encoding": {"y": y}})
    bars = [_missing_bars(panel, span, width, colour)] if with_bars else []
    return {
        "title": parts.panel_title(panel.name, panel.style, width),
        "width": width,
        "height": height,
        "transform": [{"filter": f"datum.rank == {panel.place.number}"}],
        "layer": [{"layer": lines}, *bars],
        "resolve": {"scale": {"y": "independent"}},
    }


def _abundances(panel: _Panel, span: Span, width: float, colour: dict[str, Any]) -> dict[str, Any]:
    """Describe bands, lines and points at the middle of their days."""
    axis = parts.abundance_axis(panel.top, panel.place.first)
    y, limits = {"field": "value", **axis}, {"y": {"field": "low", **axis}, "y2": {"field": "high"}}
    text = json.dumps(panel.name, ensure_ascii=False)
    names = {"value": words.PER_ML, "low": "lower limit", "high": "upper limit"}
    hover = parts.hover(**{"class": "class"}, key="group", day="day (UTC)", **names)
    drawn = {"filter": "isValid(datum.value) && (screen || datum.dot)"}
    seen = {"condition": {"test": "datum.dot", "value": 1}, "value": 0}
    return {
        "transform": [
            {"filter": "!isValid(datum.line)"},
            {"calculate": f"toNumber(datum.day) + {span.step * 12 * 3600 * 1000}", "as": "middle"},
            {"calculate": text, "as": "class"},
        ],
        "encoding": {"x": panel.place.x(parts.time_axis(span, width, field="middle")), "color": colour},
        "layer": [
            {"mark": {"type": "area", "opacity": 0.25, "clip": True}, "encoding": limits},
            {
                "name": f"view_{panel.place.number}",
                "mark": {"type": "line", "strokeWidth": 1.2, "clip": True},
                "encoding": {"y": y},
            },
            {
                "transform": [drawn, {"filter": "datum.dot"}],
                "mark": {"type": "rule", "opacity": 0.6, "clip": True},
                "encoding": limits,
            },
            {
                "transform": [drawn],
                "mark": {"type": "circle", "size": 18, "clip": True},
                "encoding": {"y": y, "opacity": seen, "tooltip": hover},
            },
        ],
    }


def _missing_bars(panel: _Panel, span: Span, width: float, colour: dict[str, Any]) -> dict[str, Any]:
    """Mark days without a value at the top of a panel, a line for each series."""
    return {
        "transform": [
            {"filter": "isValid(datum.line)"},
            {"calculate": "4 * datum.line + 1", "as": "top"},
            {"calculate": "4 * datum.line + 4", "as": "bottom"},
        ],
        "mark": {"type": "rect", "opacity": 1, "clip": True},
        "encoding": {
            "x": panel.place.x(parts.time_axis(span, width)),
            "x2": {"field": "end"},
            "y": {"field": "top", "type": "quantitative", "scale": None, "axis": None},
            "y2": {"field": "bottom"},
            "color": colour,
            "tooltip": parts.hover(key="state", day="from (UTC)"),
        },
    }
