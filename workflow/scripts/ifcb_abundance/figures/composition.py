"""Composition by group of classes."""

from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from ifcb_abundance.classes.labels import UNCLASSIFIED
from ifcb_abundance.config.model import Rule
from ifcb_abundance.figures import chart_parts as parts
from ifcb_abundance.figures.colours import GROUPS_MOST, NO_GROUP, NOT_LIVING, OTHER_GROUPS, REST_COLOURS
from ifcb_abundance.figures.options import FigureOptions, Tables
from ifcb_abundance.figures.rows import main_series, read_abundance, read_coverage, with_ends


def chart(tables: Tables, options: FigureOptions) -> Any:
    """Draw a bar per day with the share of ROIs in each group of classes; ROIs in no group are grey."""
    head = "Composition by group of classes"
    coverage, span = read_coverage(tables, options)
    abundance = read_abundance(tables, options, span, "living", "group")
    if span is None or abundance.empty:
        return parts.message(options, head, parts.no_class_to_show(options, abundance))
    series = main_series(coverage)
    counts, named = _counts_per_kind(abundance[abundance["series"].isin(series)])
    found = set(counts.loc[counts["count"] > 0, "kind"])
    order = [name for name in (*named, *REST_COLOURS) if name in found]
    if not order:
        return parts.message(options, head, f"{options.dataset}: the used bins hold no ROI")
    shares = with_ends(_shares(counts, order), span)
    empty_days = shares[shares["total"] == 0].drop_duplicates(["series", "day"]).assign(kind="", top=0.0, bottom=0.0)
    drawn = pd.concat([shares[shares["count"] > 0], empty_days])
    data = parts.inline(drawn[["series", "day", "end", "kind", "count", "bottom", "top"]])

    width = parts.panel_width(options)
    x = parts.time_axis(span, width)
    y = alt.Y(
        "bottom:Q",
        title=f"share of {counted_are(options.rule)} (%)",
        scale=alt.Scale(domain=[0, 1]),
        axis=alt.Axis(format=".0%"),
    )
    bars = parts.stacked_bars(x, y, order, alt.Tooltip("count:Q", title=counted_are(options.rule)), options)
    bars = bars.transform_filter("datum.count > 0")
    zeros = alt.Chart().encode(x=x, y=y).transform_filter("datum.count == 0")
    zeros = zeros.mark_text(text="0", dy=-6, align="left")
    layers = alt.layer(bars, *([zeros] if len(empty_days) else [])).properties(width=width, height=160)
    return parts.panels(layers, data, series).properties(
        title=parts.title(
            options,
            f"{head}, {options.dataset}",
            f"{span}; a bar is a {span.pooled}. Without a bar: no used bin; 0: used bins without a ROI",
            parts.series_note(series, coverage["series"].nunique()),
        )
    )


def counted_are(rule: Rule) -> str:
    """What counts are of: by the rule `each` a ROI may count for several classes."""
    return "counts for classes" if rule == "each" else "ROIs"


def kinds_of(abundance: pd.DataFrame) -> tuple[pd.Series, list[str]]:
    """Name the kind of each row, and the groups of classes that have a colour, the largest first.

    abundance: with the columns class, living, group and count. A kind is a group of classes, or one of REST_COLOURS.
    """
    kinds = np.select(
        [abundance["class"] == UNCLASSIFIED, abundance["living"] == "no", abundance["group"] == ""],
        [UNCLASSIFIED, NOT_LIVING, NO_GROUP],
        abundance["group"],
    )
    kind = pd.Series(kinds, index=abundance.index)
    in_group = ~kind.isin(REST_COLOURS)
    groups = abundance.loc[in_group, "count"].groupby(kind[in_group]).sum()
    groups = groups[groups > 0].sort_values(ascending=False, kind="stable")
    named = [str(name) for name in groups.index[:GROUPS_MOST]]
    return kind.where(kind.isin([*named, *REST_COLOURS]), OTHER_GROUPS), named


def _counts_per_kind(abundance: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Sum counts per series, day and `kind`, and name the groups of classes that have a colour, the largest first."""
    kind, named = kinds_of(abundance)
    return abundance.assign(kind=kind).groupby(["series", "day", "kind"])["count"].sum().reset_index(), named


def _shares(counts: pd.DataFrame, order: list[str]) -> pd.DataFrame:
    """Stack the shares of a day from `bottom` to `top`; `total` is the day's count, and shares of no ROI are NaN."""
    shares = counts.assign(rank=counts["kind"].map({name: i for i, name in enumerate(order)}))
    shares = shares.sort_values(["series", "day", "rank"])
    per_day = shares.groupby(["series", "day"])["count"]
    total = per_day.transform("sum")
    top = per_day.cumsum() / total
    return shares.assign(total=total, top=top, bottom=top - shares["count"] / total)
