"""Corrected abundance beside the uncorrected one."""

import json
from typing import Any

import pandas as pd

from ifcb_abundance.common.words import counted
from ifcb_abundance.figures import chart_parts as parts
from ifcb_abundance.figures import words
from ifcb_abundance.figures.colours import OKABE_ITO
from ifcb_abundance.figures.options import FigureOptions, Tables
from ifcb_abundance.figures.rows import in_natural_order, series_of
from ifcb_abundance.figures.span import Span
from ifcb_abundance.tables import table_files

CORRECTED, UNCORRECTED = "corrected by people's labels", "as classified"
SERIES = 4  # groups of bins at most
PANELS = 12  # at most, so that the text can be read where the figure fills a page
DOTS_MOST = 62  # with more days, only those without a neighbour are drawn as points too
HEIGHT, GAP = 80, 48  # of a panel, and between two side by side, in pixels
HEADROOM = 1.15  # the highest limit stays so far below the frame
LIMITS = ("objects_per_ml_corrected_low", "objects_per_ml_corrected_high")


def chart(tables: Tables, options: FigureOptions) -> Any:
    """Draw both abundances per day, a panel per class and group of bins; the limits as a band, where there are any."""
    head = "Corrected and uncorrected abundance"
    rows = table_files.read("abundance_corrected", tables["abundance_corrected"])
    told = rows[rows["count_corrected"].notna()]
    if told.empty:
        return parts.message(options, head, f"{options.dataset}: no class has enough labels to be corrected")
    told = told.assign(series=series_of(told, options.group_by), day=pd.to_datetime(told["date"]))
    water = told.drop_duplicates(["series", "day"]).groupby("series")["ml_analyzed_total"].sum()
    water = water[in_natural_order(water.index)].sort_values(ascending=False, kind="stable")
    series = in_natural_order(water.index[:SERIES])
    told = told[told["series"].isin(series)]
    sums = told.groupby("class")["count_corrected"].sum().sort_values(ascending=False, kind="stable")
    classes = list(sums.index[: min(options.top_classes, PANELS // len(series))])
    names = words.names_of(classes, options)
    span = Span(told["day"].min(), told["day"].max())
    drawn = _drawn(told[told["class"].isin(classes)], span)
    drawn["panel"] = drawn["class"].map(names.shown) + ("" if len(water) == 1 else ", " + drawn["series"])
    found = set(drawn["panel"])
    titles = {
        f"{names.shown[name]}, {one}" if len(water) > 1 else names.shown[name]: names.style_of(name)
        for name in classes
        for one in series
    }
    titles = {title: style for title, style in titles.items() if title in found}
    across = 1 if options.narrow or len(titles) == 1 else 2
    views = _views(drawn, titles, span, options, across)
    title = parts.title(
        options,
        f"{head}, {options.dataset}",
        f"{span}; a point is a {span.pooled}; square-root scale",
        _of_band(told, span, options.confidence),
        f"{len(classes)} of {counted(len(sums), 'corrected class')}, the most abundant",
        f"{SERIES} of {len(water)} groups, those with the most water analyzed" if len(water) > SERIES else "",
    )
    columns = ["panel", "kind", "part", "day", "value", "low", "high", "dot"]
    return parts.SideBySide(views, parts.inline(drawn[columns]), across, GAP, title)


def _of_band(told: pd.DataFrame, span: Span, confidence: float) -> str:
    """Say what the limits are."""
    if told[LIMITS[0]].isna().all():
        return "no limits: abundance_corrected.csv says what to label for them"
    limits = f"{parts.percent(confidence)} limits"
    of_day = limits if span.step == 1 else f"mean of the days' {limits}, wider than those of the span"
    return f"band: {of_day}, classification error included"


def _drawn(told: pd.DataFrame, span: Span) -> pd.DataFrame:
    """Give a row to each class, series, point of the span and `kind` of abundance: `value`, `low`, `high` (objects/mL).

    `part` counts the stretches without a gap, and `dot` marks what is drawn as a point too. The limits of a point of
    several days are the means of theirs, weighted by volume: errors of the classifier do not average out, so they are
    on the safe side.
    """
    volume = told["ml_analyzed_total"]
    keys = ["series", "class", "day"]
    sums = told.assign(
        day=span.start(told["day"]), low=told[LIMITS[0]] * volume, high=told[LIMITS[1]] * volume, n_days=1
    )
    sums["with_limits"] = sums["low"].notna().astype(int)
    summed = ["count", "count_corrected", "ml_analyzed_total", "low", "high", "n_days", "with_limits"]
    rows = sums.groupby(keys, as_index=False)[summed].sum()
    whole = rows["with_limits"] == rows["n_days"]
    of_points = rows.groupby(["series", "class"])["day"]
    step = pd.Timedelta(days=span.step)
    begins, ends = of_points.diff() != step, of_points.diff(-1) != -step
    rows["part"] = begins.cumsum()
    rows["dot"] = ((begins & ends) | (len(span.days) <= DOTS_MOST)).astype(int)
    volume = rows["ml_analyzed_total"]
    rows["low"], rows["high"] = ((rows[name] / volume).where(whole) for name in ("low", "high"))
    corrected = rows.assign(kind=CORRECTED, value=rows["count_corrected"] / volume)
    plain = rows.assign(kind=UNCORRECTED, value=rows["count"] / volume, low=float("nan"), high=float("nan"))
    return pd.concat([corrected, plain], ignore_index=True)


def _views(
    drawn: pd.DataFrame, titles: dict[str, str], span: Span, options: FigureOptions, across: int
) -> list[dict[str, Any]]:
    """Describe the panels. titles: their styles."""
    width = parts.panel_width(options, columns=across, gap=GAP)
    highest = drawn.groupby("panel")[["value", "high"]].max().max(axis=1)
    colour = {
        "field": "kind",
        "type": "nominal",
        "title": None,
        "scale": {"domain": [CORRECTED, UNCORRECTED], "range": list(OKABE_ITO[:2])},
        "legend": parts.legend(options, [CORRECTED, UNCORRECTED]).to_dict(),
    }
    x = parts.time_axis(span, width, field="middle")
    views = []
    for number, (title, style) in enumerate(titles.items()):
        place = parts.Place(number, len(titles), across)
        axis = parts.abundance_axis(float(highest[title]) * HEADROOM or 1, place.first)
        views.append(
            {
                "title": parts.panel_title(title, style, width),
                "width": width,
                "height": HEIGHT,
                "transform": [
                    {"filter": f"datum.panel == {json.dumps(title, ensure_ascii=False)}"},
                    {"calculate": f"toNumber(datum.day) + {span.step * 12 * 3600 * 1000}", "as": "middle"},
                ],
                "encoding": {"x": place.x(x), "color": colour, "detail": {"field": "part"}},
                "layer": _layers(number, axis, few=len(span.days) <= DOTS_MOST),
            }
        )
    return views


def _layers(number: int, axis: dict[str, Any], *, few: bool) -> list[dict[str, Any]]:
    """Describe the marks of a panel: the limits, then the uncorrected abundance, then the corrected one.

    The wide line is below, so that both are seen where they are the same. few: whether there is room for wide ones.
    """
    y, limits = {"field": "value", **axis}, {"y": {"field": "low", **axis}, "y2": {"field": "high"}}
    hover = parts.hover(
        panel="class", kind=" ", day="day (UTC)", value=words.PER_ML, low="lower limit", high="upper limit"
    )
    seen = {"condition": {"test": "datum.dot == 1", "value": 1}, "value": 0}  # on a screen each day says its numbers
    with_limits = {"filter": "isValid(datum.low)"}

    def of_kind(kind: str, line: float, dot: float, **more: Any) -> list[dict[str, Any]]:
        only = {"filter": f"datum.kind == {json.dumps(kind)}"}
        there = {"filter": "screen || datum.dot == 1"}
        return [
            {
                **more,
                "transform": [only],
                "mark": {"type": "line", "strokeWidth": line, "clip": True},
                "encoding": {"y": y},
            },
            {
                "transform": [only, there],
                "mark": {"type": "circle", "size": dot, "clip": True},
                "encoding": {"y": y, "opacity": seen, "tooltip": hover},
            },
        ]

    return [
        {"transform": [with_limits], "mark": {"type": "area", "opacity": 0.25, "clip": True}, "encoding": limits},
        {
            "transform": [with_limits, {"filter": "datum.dot == 1"}],
            "mark": {"type": "rule", "opacity": 0.35, "clip": True},
            "encoding": limits,
        },
        *of_kind(UNCORRECTED, *((3.5, 60) if few else (1.8, 20)), name=f"view_{number}"),
        *of_kind(CORRECTED, *((1.2, 16) if few else (0.8, 8))),
    ]
