"""Bins per day and what became of them."""

from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from ifcb_abundance.bins.statuses import BinStatus
from ifcb_abundance.figures import chart_parts as parts
from ifcb_abundance.figures.options import FigureOptions, Tables
from ifcb_abundance.figures.rows import main_series, merge_equal_days, read_coverage, with_ends
from ifcb_abundance.figures.span import Span

NO_BINS = "no bin listed"
STATUS_COLOURS = {
    BinStatus.USED.value: "#009E73",
    BinStatus.SKIPPED.value: "#56B4E9",
    BinStatus.FILTERED.value: "#0072B2",
    BinStatus.BAD_VOLUME.value: "#E69F00",
    BinStatus.NO_SCORES.value: "#D55E00",
    BinStatus.FAILED.value: "#000000",
}
COLOURS = {**STATUS_COLOURS, NO_BINS: parts.GREY}


def chart(tables: Tables, options: FigureOptions) -> Any:
    """Draw a bar per day with the number of bins of each status; days without a bin are grey."""
    head = "Bins per day and what became of them"
    coverage, span = read_coverage(tables, options, STATUS_COLOURS)
    if span is None:
        return parts.message(head, f"{options.dataset}: no bin in the window")
    series, n_series = main_series(coverage), coverage["series"].nunique()
    coverage = coverage[coverage["series"].isin(series)]
    statuses = [status for status in STATUS_COLOURS if coverage[f"n_{status}"].any()]
    most = int(coverage[[f"n_{status}" for status in STATUS_COLOURS]].sum(axis=1).max())
    grid = pd.MultiIndex.from_product([series, span.days], names=["series", "day"])
    counts = coverage.set_index(["series", "day"]).reindex(grid)
    missing = counts[counts["n_used"].isna()].reset_index().assign(status=NO_BINS, **{"class": ""})
    empty = merge_equal_days(missing, "status", span.step).assign(bottom=0, top=most, n=0)
    columns = ["series", "day", "end", "status", "n", "bottom", "top"]
    data = parts.inline(pd.concat([with_ends(_stacked_counts(counts, statuses), span), empty])[columns])

    bars = _bars([*statuses, *([NO_BINS] if len(empty) else [])], span, most)
    return parts.panels(bars, data, series).properties(
        title=parts.title(
            f"{head}, {options.dataset}",
            f"{span}; a bar is a {span.pooled}",
            parts.series_note(series, n_series),
        )
    )


def _stacked_counts(counts: pd.DataFrame, statuses: Sequence[str]) -> pd.DataFrame:
    """Stack the counts `n` of each day's statuses from `bottom` to `top`."""
    stacked = []
    below = pd.Series(0, index=counts.index)
    for status in statuses:
        n = counts[f"n_{status}"]
        rows = pd.DataFrame({"status": status, "n": n, "bottom": below, "top": below + n})
        stacked.append(rows[n > 0].reset_index())
        below = below + n.fillna(0)
    return pd.concat(stacked)


def _bars(statuses: Sequence[str], span: Span, most: int) -> Any:
    """Draw the bars. most: the highest number of bins in one of them."""
    return (
        alt.Chart()
        .mark_rect(clip=True)
        .encode(
            x=parts.time_axis(span, parts.WIDTH),
            x2="end:T",
            y=alt.Y(
                "bottom:Q",
                title="bins per " + ("day" if span.step == 1 else f"{span.step} days"),
                scale=alt.Scale(domain=[0, most], nice=True),
                axis=alt.Axis(tickCount=min(most, 5), format="d"),
            ),
            y2="top:Q",
            color=alt.Color(
                "status:N",
                title="status in ledger.csv",
                scale=alt.Scale(domain=statuses, range=[COLOURS[status] for status in statuses]),
                legend=alt.Legend(symbolType="square", columns=len(statuses)),
            ),
            tooltip=[
                alt.Tooltip("status:N"),
                parts.series_hover(),
                parts.day_hover(),
                alt.Tooltip("n:Q", title="bins"),
            ],
        )
        .add_params(parts.zoom("x"))
        .properties(width=parts.WIDTH, height=150)
    )
