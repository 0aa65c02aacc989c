"""Carbon by group of classes."""

from typing import Any

import altair as alt
import pandas as pd

from ifcb_abundance.figures import chart_parts as parts
from ifcb_abundance.figures import words
from ifcb_abundance.figures.colours import GROUPS_MOST, NO_GROUP, OTHER_GROUPS
from ifcb_abundance.figures.options import FigureOptions, Tables
from ifcb_abundance.figures.rows import main_series, read_coverage, series_of, with_ends
from ifcb_abundance.tables import table_files


def chart(tables: Tables, options: FigureOptions) -> Any:
    """Draw a bar per day with the carbon of living classes, by group of classes."""
    head = "Carbon by group of classes"
    coverage, span = read_coverage(tables, options)
    columns = ["date", *options.group_by, "class", "living", "group", "ml_analyzed_total", "carbon_ug_per_L"]
    rows = table_files.read("biovolume_long", tables["biovolume"], columns)
    rows = rows[(rows["living"] == "yes") & rows["carbon_ug_per_L"].notna()]
    if span is None or rows.empty:
        return parts.message(
            options, head, f"{options.dataset}: no used bin has features of classes that are known to live"
        )
    rows = rows.assign(series=series_of(rows, options.group_by))
    with_features = rows["series"]
    series = main_series(coverage[coverage["series"].isin(with_features)])
    rows = rows[with_features.isin(series)]
    bars, named = _bars(rows.assign(day=span.start(rows["date"])))
    order = [name for name in (*named, OTHER_GROUPS, NO_GROUP) if name in set(bars["kind"])]
    bars = with_ends(_stacked(bars, order), span)
    data = parts.inline(bars[["series", "day", "end", "kind", "carbon", "bottom", "top"]], digits=6)

    width = parts.panel_width(options)
    x = parts.time_axis(span, width)
    y = alt.Y("bottom:Q", title=words.CARBON, axis=parts.number_axis(tickCount=5))
    value = alt.Tooltip("carbon:Q", title=words.CARBON, format=".4~g")
    drawn = parts.stacked_bars(x, y, order, value, options).properties(width=width, height=160)
    return parts.panels(drawn, data, series).properties(
        title=parts.title(
            options,
            f"{head}, {options.dataset}",
            f"{span}; a bar is a {span.pooled}. Without a bar: no used bin with features",
            "living classes only; objects without a class or a biovolume are not in it",
            parts.lack_note(series, with_features, coverage),
        )
    )


def _bars(rows: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Sum `carbon` (ug/L) per series, day and `kind`, and name the groups that have a colour, the largest first."""
    rows = rows.assign(mass=rows["carbon_ug_per_L"] * rows["ml_analyzed_total"])
    sums = rows.groupby(["series", "day", "group", "class"], as_index=False)[["mass", "ml_analyzed_total"]].sum()
    sums["carbon"] = sums["mass"] / sums["ml_analyzed_total"]
    groups = sums.loc[sums["group"] != ""].groupby("group")["carbon"].sum()
    groups = groups.sort_values(ascending=False, kind="stable")
    named = [str(name) for name in groups.index[:GROUPS_MOST]]
    kind = sums["group"].where(sums["group"] != "", NO_GROUP)
    sums["kind"] = kind.where(kind.isin([*named, NO_GROUP]), OTHER_GROUPS)
    return sums.groupby(["series", "day", "kind"])["carbon"].sum().reset_index(), named


def _stacked(bars: pd.DataFrame, order: list[str]) -> pd.DataFrame:
    """Stack the bars of a day from `bottom` to `top`."""
    bars = bars.assign(rank=bars["kind"].map({name: i for i, name in enumerate(order)}))
    bars = bars.sort_values(by=["series", "day", "rank"])
    top = bars.groupby(["series", "day"])["carbon"].cumsum()
    return bars.assign(top=top, bottom=top - bars["carbon"])
