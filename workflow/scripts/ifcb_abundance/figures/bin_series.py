"""One class, bin by bin, and its abundance per day."""

import logging
from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from ifcb_abundance.classes.top_classes import top_classes
from ifcb_abundance.figures import chart_parts as parts
from ifcb_abundance.figures.options import FigureOptions, Tables
from ifcb_abundance.figures.rows import main_series, read_abundance, read_coverage, series_of, with_ends
from ifcb_abundance.figures.span import Span

log = logging.getLogger("ifcb.figures")

POINTS_MOST = 3000  # with more bins, points are drawn on the screen only
BINS_SHOWN = 60_000  # the last bins of a longer series


def chart(tables: Tables, options: FigureOptions) -> Any:
    """Draw the abundance of one class in each bin as a line, and per day as steps."""
    head = "Bin by bin"
    coverage, span = read_coverage(tables, options)
    abundance = read_abundance(tables, options, None, "living")
    names = top_classes(abundance, 1) if options.one_class is None else [options.one_class]
    if span is None or not names:
        return parts.message(head, parts.no_class_to_show(options, abundance))
    (name,) = names
    if name not in set(abundance["class"]):
        log.warning(f"report.class: {name!r} is in no label set of the used bins, so bin_series has nothing to show")
        return parts.message(head, f"{options.dataset}: the class {name!r} is in no label set of the used bins")
    series = main_series(coverage)
    bins = _read_bins(tables, options, name, series)
    n_bins = len(bins)
    if n_bins > BINS_SHOWN:
        bins = bins[bins["day"] >= bins["day"].nlargest(BINS_SHOWN).min().normalize()]
        span = Span(bins["day"].min().normalize(), span.last)
    steps = _steps(abundance[(abundance["class"] == name) & abundance["series"].isin(series)], span)
    columns = ["series", "day", "end", "value", "mean"]
    data = parts.inline(pd.concat([with_gaps(bins), steps])[columns])
    lines = _lines(span, screen_only=len(bins) > POINTS_MOST, all_zero=not (bins["value"] > 0).any())
    return parts.panels(lines, data, series).properties(
        title=parts.title(
            f"{head}: {name}, {options.dataset}",
            f"{span}; "
            + (f"the last {len(bins):,} of " if len(bins) < n_bins else "")
            + f"{n_bins:,} used bins whose label set has the class; square-root scale",
            parts.series_note(series, coverage["series"].nunique()),
        )
    )


def _read_bins(tables: Tables, options: FigureOptions, name: str, series: Sequence[str]) -> pd.DataFrame:
    """Read the objects/mL of a class in each bin as `value`; `day` is the time of the sample (UTC)."""
    columns = ["sample_time", *options.group_by, "objects_per_ml"]
    bins: pd.DataFrame = pq.read_table(tables["bins"], columns=columns, filters=[("class", "==", name)]).to_pandas()
    for column in set(options.group_by) - {"depth"}:
        bins[column] = bins[column].fillna("")
    bins["series"] = series_of(bins, options.group_by)
    bins = bins[bins["series"].isin(series)].sort_values(["series", "sample_time"], kind="stable")
    bins = bins.rename(columns={"sample_time": "day", "objects_per_ml": "value"})[["series", "day", "value"]]
    bins["day"] = bins["day"].dt.tz_localize(None)
    return bins


def _steps(abundance: pd.DataFrame, span: Span) -> pd.DataFrame:
    """Give the objects/mL of each point of the span as `mean`."""
    steps = abundance[abundance["day"] >= span.first]
    steps = steps.assign(day=span.start(steps["day"]))
    steps = steps.groupby(["series", "day"], as_index=False)[["count", "ml_analyzed_total"]].sum()
    return with_ends(steps.assign(mean=steps["count"] / steps["ml_analyzed_total"]), span)


def with_gaps(bins: pd.DataFrame) -> pd.DataFrame:
    """Add a row without a value in each gap between bins, so that no line crosses it.

    A wait of more than a day is a gap. So is one of more than two hours that is longer than three times the usual wait
    of the series.
    """
    pieces = []
    for _, rows in bins.groupby("series", sort=True):
        waits = rows["day"].diff()
        usual = waits.median() if len(rows) > 1 else pd.Timedelta(0)
        gap = waits > min(max(pd.Timedelta(hours=2), 3 * usual), pd.Timedelta(days=1))
        breaks = rows[gap].assign(day=lambda late: late["day"] - pd.Timedelta(seconds=1), value=np.nan)
        pieces.append(pd.concat([rows, breaks]).sort_values("day", kind="stable"))
    return pd.concat(pieces)


def _lines(span: Span, *, screen_only: bool, all_zero: bool) -> Any:
    """Draw the layers. screen_only: whether points of bins are for the screen only."""
    scale = alt.Scale(domain=[0, 1]) if all_zero else parts.SQUARE_ROOT
    y = alt.Y("value:Q", title="objects per mL", scale=scale, axis=alt.Axis(format=".6~g", tickCount=5))
    key = alt.Color(
        "what:N",
        title=None,
        scale=alt.Scale(domain=["bin", span.pooled], range=[parts.OKABE_ITO[4], parts.OKABE_ITO[1]]),
        legend=alt.Legend(symbolType="square"),
    )
    hover = [
        parts.series_hover(),
        alt.Tooltip("day:T", title="sample_time (UTC)", format="%Y-%m-%d %H:%M:%S"),
        alt.Tooltip("value:Q", title="objects/mL"),
    ]
    base = alt.Chart().encode(x=parts.time_axis(span, parts.WIDTH, "sample_time (UTC)"))
    bins = base.transform_filter("!isValid(datum.end)")
    layers = [
        bins.transform_calculate(what="'bin'")
        .mark_line(strokeWidth=0.7, clip=True)
        .encode(y=y, color=key)
        .add_params(parts.zoom("x")),
        bins.transform_filter("screen && isValid(datum.value)" if screen_only else "isValid(datum.value)")
        .transform_calculate(what="'bin'")
        .mark_circle(size=14, opacity=1, clip=True)
        .encode(y=y, color=key, tooltip=hover),
        base.transform_filter("isValid(datum.end)")
        .transform_calculate(what=f"'{span.pooled}'")
        .mark_rule(strokeWidth=2, clip=True)
        .encode(
            x2="end:T",
            y="mean:Q",
            color=key,
            tooltip=[parts.series_hover(), parts.day_hover(), alt.Tooltip("mean:Q", title="objects/mL")],
        ),
    ]
    return alt.layer(*layers).properties(width=parts.WIDTH, height=170)
