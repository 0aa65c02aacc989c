"""Rarefied richness: how many classes a sample of one size would hold."""

from typing import Any

import altair as alt
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import gammaln

from ifcb_abundance.classes.labels import UNCLASSIFIED
from ifcb_abundance.figures import chart_parts as parts
from ifcb_abundance.figures.colours import OKABE_ITO
from ifcb_abundance.figures.options import FigureOptions, Tables
from ifcb_abundance.figures.rows import main_series, read_abundance, read_coverage
from ifcb_abundance.figures.span import Span

SIZES = (5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
DOTS_MOST = 200  # with more days, only those without a neighbour are drawn as points too
ENOUGH = 0.9  # of the days have that many ROIs


def chart(tables: Tables, options: FigureOptions) -> Any:
    """Draw the expected number of classes in a sample of one size, per day; days with fewer ROIs are gaps."""
    head = "Rarefied richness"
    coverage, span = read_coverage(tables, options)
    abundance = read_abundance(tables, options, span, "living")
    counted = abundance[(abundance["class"] != UNCLASSIFIED) & (abundance["living"] != "no") & (abundance["count"] > 0)]
    if span is None or counted.empty:
        return parts.message(options, head, parts.no_class_to_show(options, abundance))
    series = main_series(coverage)
    counted = counted[counted["series"].isin(series)]
    # A day with used bins and no such ROI has too few of them as well.
    used = coverage[(coverage["n_used"] > 0) & coverage["series"].isin(series)]
    days = pd.MultiIndex.from_frame(used[["series", "day"]])
    totals = counted.groupby(["series", "day"])["count"].sum().reindex(days, fill_value=0)
    size = sample_size(totals.to_numpy())
    rows = _per_day(counted, size, span)
    left_out = len(totals) - int(rows["richness"].notna().sum())
    return _lines(rows, series, span, options).properties(
        title=parts.title(
            options,
            f"{head}, {options.dataset}",
            f"{span}; a point is a {span.pooled}; classes expected among {size:,} {options.counted}s drawn at random "
            "from its living and possibly living ones (Hurlbert 1971)",
            f"gaps: fewer {options.counted}s, or no used bin; {left_out:,} of {len(totals):,} points have fewer",
            parts.series_note(series, coverage["series"].nunique()),
        )
    )


def sample_size(totals: NDArray[np.int64]) -> int:
    """Choose the largest of SIZES that most days reach; the smallest if they reach none."""
    reached = [size for size in SIZES if (totals >= size).mean() >= ENOUGH]
    return reached[-1] if reached else SIZES[0]


def rarefied(counts: pd.Series, totals: pd.Series, size: int) -> NDArray[np.float64]:
    """The chance that a class is in a sample of `size` ROIs out of the total; the sum over classes is the richness.

    Hurlbert (1971, Ecology 52, 577-586): 1 - C(N - Ni, n) / C(N, n). NaN where the total is below the size.
    """
    others, total = (totals - counts).to_numpy(dtype=float), totals.to_numpy(dtype=float)
    rest = np.maximum(others - size, 0)  # with fewer others than the sample has ROIs, the class is always in it
    log_none = gammaln(others + 1) - gammaln(rest + 1) - gammaln(total + 1) + gammaln(np.maximum(total - size, 0) + 1)
    chance = np.where(others < size, 1.0, 1 - np.exp(log_none))
    return np.where(total < size, np.nan, chance)


def _per_day(counted: pd.DataFrame, size: int, span: Span) -> pd.DataFrame:
    """The richness of each series and day of the span, NaN where it is not known; `dot` says which ones are points."""
    totals = counted.groupby(["series", "day"])["count"].transform("sum")
    chances = counted.assign(richness=rarefied(counted["count"], totals, size))
    richness = chances.groupby(["series", "day"])["richness"].sum(min_count=1)
    grid = pd.MultiIndex.from_product([counted["series"].unique(), span.days], names=["series", "day"])
    rows = richness.reindex(grid).reset_index()
    there = rows["richness"].notna()
    of_series = there.groupby(rows["series"])
    alone = ~(of_series.shift(1, fill_value=False) | of_series.shift(-1, fill_value=False))
    return rows.assign(dot=(alone | (len(span.days) <= DOTS_MOST)).astype(int))


def _lines(rows: pd.DataFrame, series: list[str], span: Span, options: FigureOptions) -> Any:
    width = parts.panel_width(options)
    highest = rows["richness"].max()
    y = alt.Y(
        "richness:Q",
        title="expected classes",
        scale=alt.Scale(domain=[0, round(highest * 1.1, 2) if highest > 0 else 1], nice=False),
        axis=alt.Axis(tickCount=5),
    )
    colour = alt.Color(
        "series:N",
        title=None,
        scale=alt.Scale(domain=series, range=list(OKABE_ITO[: len(series)])),
        legend=parts.legend(options, series),
    )
    middle = f"toNumber(datum.day) + {span.step * 12 * 3600 * 1000}"
    base = alt.Chart(parts.inline(rows)).transform_calculate(middle=middle)
    base = base.encode(x=parts.time_axis(span, width, field="middle"), y=y, color=colour)
    hover = [parts.series_hover(), parts.day_hover(), alt.Tooltip("richness:Q", title="expected classes")]
    line = base.mark_line(strokeWidth=1.2, clip=True).add_params(parts.zoom("x"))
    dots = base.transform_filter("isValid(datum.richness) && (screen || datum.dot)")
    dots = dots.mark_circle(size=14, opacity=1, clip=True)
    seen = alt.condition("datum.dot", alt.value(1), alt.value(0))
    return alt.layer(line, dots.encode(tooltip=hover, opacity=seen)).properties(width=width, height=170)
