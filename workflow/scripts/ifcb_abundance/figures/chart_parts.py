"""What charts share: axes, titles, legends, panels, and rows as inline data.

Rows go into a chart as CSV text: it is a third of the size of JSON, and labels never become names of fields, which
would have to be escaped.
"""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import pandas as pd

from ifcb_abundance.figures import words
from ifcb_abundance.figures.colours import group_colours
from ifcb_abundance.figures.options import FigureOptions
from ifcb_abundance.figures.span import Span

FIXED = "fixed"  # the name of a view that is not widened to fill the figure
TRUE_TO_SCALE = "true_to_scale"  # the name of a view whose width and height belong together
DIGITS = 4  # significant digits of numbers in a chart
PANEL_GAP = 18  # pixels between small panels of classes
LAST_TICK = 0.85  # of a square-root scale, at most, as a share of its top

# The keys of a specification that have expressions, and a text in one.
EXPRESSIONS = ("calculate", "expr", "filter", "labelExpr", "test")
QUOTED = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'")

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
            if parse[str(name)] == "string":
                texts[str(name)] = values.map(words.harmless, na_action="ignore")
    text = rows.assign(**texts).to_csv(index=False, float_format=f"%.{digits}g", lineterminator="\n")
    return alt.InlineData(values=text, format=alt.CsvDataFormat(type="csv", parse=parse))


def with_harmless_texts(described: Any, key: str = "") -> Any:
    """Make the texts of a specification harmless, as `inline` does with its data. key: what is described."""
    if isinstance(described, dict):
        return {name: with_harmless_texts(each, name) for name, each in described.items()}
    if isinstance(described, list):
        return [with_harmless_texts(each, key) for each in described]
    if not isinstance(described, str):
        return described
    if key in EXPRESSIONS:
        return QUOTED.sub(lambda found: found[0][0] + words.harmless(found[0][1:-1]) + found[0][0], described)
    return words.harmless(described)


def title(options: FigureOptions, text: str, *below: str) -> alt.TitleParams:
    """Make a title with lines below it, broken where the figure ends; empty lines are omitted."""
    lines = [part for line in below if line for part in words.wrapped(line, options.width - 10)]
    head = words.wrapped(text, options.width - 10, 11.5)
    return alt.TitleParams(head if len(head) > 1 else text, subtitle=lines)


def message(options: FigureOptions, text: str, reason: str) -> alt.Chart:
    """Make a chart that only says why there is nothing to show."""
    width = panel_width(options, 0)
    chart = alt.Chart(alt.InlineData(values=[{}]), title=title(options, text), width=width, height=80)
    drawn: alt.Chart = chart.mark_text(text=words.wrapped(reason, width))
    return drawn


def panel_width(options: FigureOptions, left: float = 60, columns: int = 1, gap: float = 30) -> float:
    """The width of each of some panels side by side, in pixels.

    left: what axes take at the left of the first one. gap: between panels. A little is left for the ends of labels.
    """
    return round((options.width - left - 24 - gap * (columns - 1)) / columns)


def legend(options: FigureOptions, texts: Sequence[str], left: float = 60, **more: Any) -> alt.Legend:
    """Make a legend of squares, with as many columns as its longest text leaves room for.

    left: what axes take at the left of it, in pixels: a legend begins where the panel does.
    """
    room = options.width - left - 14
    longest = max((words.text_width(text) for text in texts), default=0)
    columns = max(1, min(len(texts), int(room / (longest + 24))))
    look: dict[str, Any] = {"symbolType": "square", "symbolOpacity": 1, "columns": columns}
    return alt.Legend(**look | {"labelLimit": room - 20} | more)


def label_axis(
    options: FigureOptions, labels: Sequence[str], share: float = 0.45, **more: Any
) -> tuple[alt.Axis, float]:
    """Make an axis of labels, and say how many pixels it takes at the left of a panel, whatever font the viewer has.

    share: of the figure's width that the labels take at most; the middle of longer ones is cut out.
    """
    short = words.shortened(labels, share * options.width)
    room = max((words.wide_width(text) for text in short.values()), default=0) + 8
    cut = {label: text for label, text in short.items() if text != label}
    look: dict[str, Any] = {"grid": False, "ticks": False, "labelOverlap": False, "labelLimit": 0, "minExtent": room}
    if cut:
        look["labelExpr"] = f"({json.dumps(cut, ensure_ascii=False)})[datum.value] || datum.value"
    return alt.Axis(**look | more), room


def number_axis(**more: Any) -> alt.Axis:
    """Make an axis of numbers, small and large ones as powers of ten."""
    return alt.Axis(labelExpr=words.NUMBER, **more)


def count_axis(width: float) -> alt.Axis:
    """Make the x axis of numbers of things, with as many ticks as there is room for on `width` pixels."""
    return number_axis(tickCount=max(2, int(width // 60)), tickMinStep=1)


def no_class_to_show(options: FigureOptions, abundance: pd.DataFrame) -> str:
    """Say why a table of abundances has no class to show."""
    if abundance.empty:
        return f"{options.dataset}: no bin of the window was used (ledger.csv says why)"
    return f"{options.dataset}: no class that lives or may live was looked for"


def time_axis(span: Span, width: float, name: str = "day (UTC)", field: str = "day") -> alt.X:
    """Make the x of a chart that is `width` pixels wide.

    In print there are as many ticks as their labels leave room for. On a screen a reader may zoom in, so they are found
    anew, and within a day there are ticks too. With fewer asked for than there are, every second one would be left out.
    """
    first, last = (milliseconds(day) for day in (span.first, span.days[-1] + pd.Timedelta(days=span.step)))
    ticks, form = span.ticks(width)
    at = [milliseconds(day) for day in ticks]
    of_day = "utcFormat(datum.value, datum.value % 86400000 ? '%m-%d %H:%M' : '%Y-%m-%d')"
    label = f"(datum.value >= {last} ? '' : {of_day})"  # the day after the last one is not in the window
    axis = alt.Axis(
        title=name,
        labelExpr=f"screen ? {label} : utcFormat(datum.value, '{form}')",
        values=alt.ExprRef(expr=f"screen ? null : {at}"),
        tickCount=max(len(at), min((span.last - span.first).days + 1, int(width // 90))),
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


@dataclass(frozen=True)
class SideBySide:
    """Panels with scales and titles of their own.

    They are dictionaries, as Vega-Lite has them: Altair copies charts again and again, and takes half a minute for
    twenty panels.

    views: the panels, each with one mark named `view_{i}`, along whose x a reader may zoom in on a screen.
    """

    views: Sequence[dict[str, Any]]
    data: alt.InlineData
    columns: int
    gap: float
    head: alt.TitleParams

    def to_dict(self) -> dict[str, Any]:
        """The Vega-Lite specification."""
        lines = max(len(view["title"]["text"]) for view in self.views)  # titles are in the space between rows
        zoom = {
            "name": "zoom",
            "select": {"type": "interval", "encodings": ["x"]},
            "bind": "scales",
            "views": [f"view_{i}" for i in range(len(self.views))],
        }
        return {
            "$schema": alt.SCHEMA_URL,
            "title": self.head.to_dict(),
            "data": self.data.to_dict(),
            "concat": list(self.views),
            "columns": self.columns,
            "spacing": {"row": 26 + 12 * (lines - 1), "column": self.gap},
            "bounds": "flush",
            "params": [zoom],
        }


@dataclass(frozen=True)
class Place:
    """Where a panel stands: its number, how many there are in all, and how many side by side."""

    number: int
    of: int
    columns: int

    @property
    def first(self) -> bool:
        """Whether it begins a row, so that it has the title of the y axis."""
        return self.number % self.columns == 0

    @property
    def last(self) -> bool:
        """Whether none stands below it, so that it has the labels of the x axis."""
        return self.number + self.columns >= self.of

    def x(self, channel: alt.X) -> dict[str, Any]:
        """The x of the panel, with labels where it is the last one of its column."""
        described: Any = channel.to_dict()
        if not self.last:
            described["axis"] = {**described["axis"], "labels": False, "title": None}
        return {**described}


def abundance_axis(top: float, first: bool) -> dict[str, Any]:
    """Describe a y from 0 to `top` (objects/mL) on a square-root scale; only the first of a row has a title.

    The last tick stays so far below the top that its label does not push the title of its panel up.
    """
    return {
        "type": "quantitative",
        "title": words.PER_ML if first else None,
        "scale": {"type": "sqrt", "domain": [0, float(f"{top:.4g}")], "nice": False},
        "axis": number_axis(values=words.nice_ticks(LAST_TICK * top), minExtent=34, labelOverlap=False).to_dict(),
    }


def panel_title(name: str, style: str, width: float) -> dict[str, Any]:
    """Describe the title of a panel, whole."""
    return {
        "text": words.wrapped(name, width, 10.6),
        "fontSize": 10.6,
        "fontStyle": style,
        "offset": 3,
        "frame": "group",
    }


def hover(**titles: str) -> list[dict[str, Any]]:
    """Describe what a pointer shows: fields with their titles; `day` is a day."""
    return [
        {"field": field, "title": title, "type": "temporal", "format": "%Y-%m-%d"}
        if field == "day"
        else {"field": field, "title": title, "type": "nominal"}
        for field, title in titles.items()
    ]


def panels(chart: Any, data: alt.InlineData, series: Sequence[str]) -> Any:
    """Draw the chart from its data, in one panel per series if there are several."""
    if len(series) == 1:
        return chart.properties(data=data)
    header = alt.Header(title=None)
    return chart.facet(alt.Facet("series:N", header=header, sort=list(series)), data=data, columns=1)


def stacked_bars(x: alt.X, y: alt.Y, order: Sequence[str], value: alt.Tooltip, options: FigureOptions) -> Any:
    """Draw bars from `bottom` to `top`, coloured by `kind`. order: the kinds of classes, the lowest first."""
    colours = group_colours([*options.groups, *order])
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
                legend=legend(options, order),
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


def within(values: pd.Series) -> tuple[list[float], list[float]]:
    """The ends of positive values, and the powers of ten among them, or the ends if there is none."""
    if values.empty:
        return [0.1, 1], [0.1, 1]
    low, high = float(f"{values.min():.4g}"), float(f"{values.max():.4g}")
    if low == high:
        low, high = low / 2, high * 2
    inside = range(math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9) + 1)
    return [low, high], [10.0**power for power in inside] or [low, high]


def of_powers(ticks: Sequence[float]) -> str:
    """The expression for the labels of ticks of a log scale."""
    return words.POWER if all(math.log10(tick).is_integer() for tick in ticks) else words.NUMBER


def panel_titles(names: Sequence[str], width: float, scientific: Sequence[str], field: str) -> alt.Header:
    """Make the titles of panels, whole: long ones have several lines, scientific names are in italics.

    names: all titles. scientific: those that begin with a scientific name. field: of the titles in the data.
    """
    lines = {name: words.wrapped(name, width, 10.6) for name in names if words.text_width(name, 10.6) > width}
    broken = json.dumps(lines, ensure_ascii=False)
    style = f"indexof({json.dumps(list(scientific), ensure_ascii=False)}, parent['{field}']) >= 0 ? 'italic' : 'normal'"
    return alt.Header(
        title=None,
        labelExpr=f"({broken})[datum.value] || datum.value" if lines else alt.Undefined,
        labelFontStyle=alt.ExprRef(expr=style),
    )


def class_panels(
    panel: Callable[[float], Any], rows: pd.DataFrame, counts: Mapping[str, int], options: FigureOptions
) -> Any:
    """Draw a small panel per class, four side by side, or two in a narrow figure.

    panel: draws one that is so many pixels wide; `panel` is the field of its title. rows: the data, with a column
    `class`; panels stand in the order of a column `rank` if there is one, and else of their titles. counts: the n in
    the title of each class.
    """
    names = words.names_of(counts, options)
    titles = {name: f"{names.shown[name]}  (n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{n:,})" for name, n in counts.items()}
    scientific = [titles[name] for name in counts if names.style_of(name) == "italic"]
    columns = 2 if options.narrow else 4
    width = panel_width(options, columns=columns, gap=PANEL_GAP)
    rows = rows.assign(**{"class": rows["class"].map(titles)}).rename(columns={"class": "panel"})
    in_order = alt.EncodingSortField("rank", op="min") if "rank" in rows else sorted(set(rows["panel"]))
    header = panel_titles(list(titles.values()), width, scientific, "panel")
    return panel(width).facet(
        alt.Facet("panel:N", sort=in_order, header=header),
        data=inline(rows),
        columns=columns,
        spacing=alt.RowColnumber(row=14, column=PANEL_GAP),
    )


# --- lines below a title ---


def series_note(series: Sequence[str], n_all: int) -> str:
    """Say how many of all series are shown, unless all are."""
    return f"{len(series)} of {n_all} groups, those with the most used bins" if len(series) < n_all else ""


def lack_note(
    series: Sequence[str],
    with_it: pd.Series,
    coverage: pd.DataFrame,
    holder: str = "used bin",
    what: str = "features",
) -> str:
    """Say which series have what is shown, unless all do. A figure of one series alone has no name above it.

    with_it: the series that have it. holder: what of them has it.
    """
    n_with, n_all = with_it.nunique(), coverage["series"].nunique()
    if n_with == n_all:
        return series_note(series, n_all)
    if len(series) < n_with:
        return f"{len(series)} of the {n_with} groups with {what}, those with the most used bins"
    return f"{', '.join(series)} alone: no {holder} of the others has {what}"


def classes_note(classes: Sequence[str]) -> str:
    """Say which classes are shown."""
    return f"{len(classes)} most abundant of the classes that live or may live"


def page_note(n_more: int) -> str:
    """Say how many classes of the config a narrow figure leaves out, if it does."""
    if n_more <= 0:
        return ""
    return f"{n_more} more of report.top_classes do not fit on a page: set report.width_mm to 120 or more"


def percent(share: float) -> str:
    """Write a share from 0 to 1 in percent."""
    return f"{100 * share:g} %"
