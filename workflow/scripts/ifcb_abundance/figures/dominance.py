"""Dominance: which class is the most abundant one of a day, and how much of all it is."""

from typing import Any

import altair as alt
import pandas as pd

from ifcb_abundance.classes.labels import UNCLASSIFIED
from ifcb_abundance.figures import chart_parts as parts
from ifcb_abundance.figures import words
from ifcb_abundance.figures.colours import NO_GROUP, group_colours
from ifcb_abundance.figures.options import FigureOptions, Tables
from ifcb_abundance.figures.rows import main_series, read_abundance, read_coverage, with_ends
from ifcb_abundance.figures.span import Span

CLASSES_MOST = 15  # rows of classes; the last one is of all further ones
FURTHER = "further classes"
ROW = 14  # pixels
DAYS_MOST = 62  # bars of more days have no outline, which would hide them


def chart(tables: Tables, options: FigureOptions) -> Any:
    """Draw the share of the most abundant class per day (Berger and Parker's index), and which class it is.

    A class has the colour of its group.
    """
    head = "Dominance"
    coverage, span = read_coverage(tables, options)
    abundance = read_abundance(tables, options, span, "living", "group")
    living = abundance[(abundance["class"] != UNCLASSIFIED) & (abundance["living"] != "no") & (abundance["count"] > 0)]
    if span is None or living.empty:
        return parts.message(options, head, parts.no_class_to_show(options, abundance))
    series = main_series(coverage)
    rows = with_ends(_dominating(living[living["series"].isin(series)]), span)
    days = rows["class"].value_counts().sort_index().sort_values(ascending=False, kind="stable")
    classes = [str(name) for name in days.index]
    shown = classes if len(classes) <= CLASSES_MOST else classes[: CLASSES_MOST - 1]
    names = words.names_of(shown, options)
    rows["name"] = rows["class"].map(names.shown).fillna(FURTHER)
    rows["kind"] = rows["group"].where(rows["group"] != "", NO_GROUP)
    order = [names.shown[name] for name in shown] + [FURTHER] * (len(shown) < len(classes))
    rows["what"] = rows["class"]
    data = parts.inline(rows[["series", "day", "end", "name", "kind", "share", "what"]])
    panel = _panel(rows, order, names, span, options)
    return parts.panels(panel, data, series).properties(
        title=parts.title(
            options,
            f"{head}, {options.dataset}",
            f"{span}; a bar is a {span.pooled}: the share of the most abundant class in all {options.counted}s of "
            "classes that live or may live (Berger and Parker 1970)",
            "in the row of that class, in the colour of its group, as high as the row for 100 %; no bar: no such "
            f"{options.counted}, or no used bin",
            parts.series_note(series, coverage["series"].nunique()),
        )
    )


def _dominating(living: pd.DataFrame) -> pd.DataFrame:
    """The most abundant class of each series and day, and its `share`. Of equal ones it is the first by name.

    The share is of abundances, not of counts: classes may have been looked for in different volumes.
    """
    rows = living.assign(value=living["count"] / living["ml_analyzed_total"])
    rows["share"] = rows["value"] / rows.groupby(["series", "day"])["value"].transform("sum")
    rows = rows.sort_values(["series", "day", "share", "class"], ascending=[True, True, False, True], kind="stable")
    return rows.drop_duplicates(["series", "day"])


def _panel(rows: pd.DataFrame, order: list[str], names: words.Names, span: Span, options: FigureOptions) -> Any:
    colours = group_colours([*options.groups, *rows["kind"]])
    kinds = [name for name in colours if name in set(rows["kind"])]
    axis, room = parts.label_axis(options, order, labelFontStyle=names.style())
    width = parts.panel_width(options, room)
    hover = [
        alt.Tooltip("what:N", title="class"),
        alt.Tooltip("kind:N", title="group of classes"),
        parts.series_hover(),
        parts.day_hover(),
        alt.Tooltip("share:Q", format=".1%"),
    ]
    return (
        alt.Chart()
        .mark_bar(clip=True, stroke="#555", strokeWidth=0.4 if len(span.days) <= DAYS_MOST else 0)
        .encode(
            x=parts.time_axis(span, width),
            x2="end:T",
            y=alt.Y("name:N", title=None, scale=alt.Scale(domain=order), axis=axis),
            color=alt.Color(
                "kind:N",
                title=None,
                scale=alt.Scale(domain=kinds, range=[colours[name] for name in kinds]),
                legend=parts.legend(options, kinds, room),
            ),
            size=alt.Size("share:Q", scale=alt.Scale(domain=[0, 1], range=[0, ROW]), legend=None),
            tooltip=hover,
        )
        .add_params(parts.zoom("x"))
        .properties(width=width, height=ROW * len(order))
    )
