"""One class, bin by bin, and its abundance per day."""

import logging
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from ifcb_abundance.classes.top_classes import top_classes
from ifcb_abundance.figures import chart_parts as parts
from ifcb_abundance.figures import words
from ifcb_abundance.figures.colours import OKABE_ITO
from ifcb_abundance.figures.options import FigureOptions, Tables
from ifcb_abundance.figures.rows import main_series, read_abundance, read_coverage, series_of, with_ends
from ifcb_abundance.figures.span import Span

log = logging.getLogger("ifcb.figures")

POINTS_MOST = 4000  # in print; of more bins, one stands for those at the same place
DAYS_MOST = 60  # a longer span has a band per day instead of a line from bin to bin
BAND = (0.1, 0.9)  # quantiles of the bins of a day
BINS_SHOWN = 60_000  # the last bins of a longer series


def chart(tables: Tables, options: FigureOptions) -> Any:
    """Draw the abundance of one class in each bin as a line, and per day as steps."""
    head = "Bin by bin"
    coverage, span = read_coverage(tables, options)
    abundance = read_abundance(tables, options, None, "living")
    main = abundance[abundance["series"].isin(main_series(coverage))]
    name = options.one_class or default_class(main, options) or default_class(abundance, options)
    if span is None or name is None:
        return parts.message(options, head, parts.no_class_to_show(options, abundance))
    if name not in set(abundance["class"]):
        close = get_close_matches(name, set(abundance["class"]), n=1)
        log.warning(
            f"report.class: {name!r} is in no label set of the used bins, so bin_series has nothing to show"
            + (
                f". Did you mean {close[0]!r}? Set report.class to it"
                if close
                else ". Set it to a class of abundance_long.csv"
            )
        )
        return parts.message(
            options, head, f"{options.dataset}: the class {name!r} is in no label set of the used bins"
        )
    abundance = abundance[abundance["class"] == name]
    with_class = abundance["series"]
    series = main_series(coverage[coverage["series"].isin(with_class)])
    bins = _read_bins(tables, options, name, series)
    n_bins = len(bins)
    if n_bins > BINS_SHOWN:
        bins = bins[bins["day"] >= bins["day"].nlargest(BINS_SHOWN).min().normalize()]
        span = Span(bins["day"].min().normalize(), span.last)
    long = (span.last - span.first).days > DAYS_MOST
    steps = _steps(abundance[with_class.isin(series)], span)
    if long:
        steps = steps.merge(_bands(bins, span), on=["series", "day"], how="left")
    bins = bins.assign(dot=_printed(bins, span).astype(int))
    columns = ["series", "day", "end", "value", "dot", "mean", *(["low", "high", "part"] if long else [])]
    data = parts.inline(pd.concat([bins if long else with_gaps(bins), steps])[columns])
    lines = _lines(span, options, long=long, highest=float(max(bins["value"].max(), steps["mean"].max())))
    names = words.names_of([name], options)
    about = parts.title(
        options,
        names.shown[name],
        f"{head}, {options.dataset}; {span}; "
        + (f"the last {len(bins):,} of " if len(bins) < n_bins else "")
        + f"{n_bins:,} used bins whose label set has the class; square-root scale",
        "band: the bins between the lowest and the highest tenth" if long else "",
        parts.lack_note(series, with_class, coverage, "label set", "the class"),
    )
    about.fontStyle = names.style_of(name)
    return parts.panels(lines, data, series).properties(title=about)


def default_class(abundance: pd.DataFrame, options: FigureOptions) -> str | None:
    """Choose the most abundant class that is a named taxon; if none is, the most abundant one.

    A label that reads like its scientific name is one. `pennate` and other words for many kinds are none.
    """
    classes = top_classes(abundance, abundance["class"].nunique())
    taxa = [name for name in classes if options.name_of(name).startswith(name.replace("_", " "))]
    return next(iter([*taxa, *classes]), None)


def _read_bins(tables: Tables, options: FigureOptions, name: str, series: Sequence[str]) -> pd.DataFrame:
    """Read the objects/mL of a class in each bin as `value`; `day` is the time of the sample (UTC)."""
    labels = _labels_of(tables, options, name)
    columns = ["sample_time", *options.group_by, "objects_per_ml", *(["bin"] if len(labels) > 1 else [])]
    bins: pd.DataFrame = pq.read_table(tables["bins"], columns=columns, filters=[("class", "in", labels)]).to_pandas()
    bins = bins.rename(columns={"objects_per_ml": "value"})
    if len(labels) > 1:
        bins["value"] = bins.groupby("bin")["value"].transform("sum")
        bins = bins.drop_duplicates("bin")
    for column in set(options.group_by) - {"depth"}:
        bins[column] = bins[column].fillna("")
    bins["series"] = series_of(bins, options.group_by)
    bins = bins[bins["series"].isin(series)].sort_values(["series", "sample_time"], kind="stable")
    bins = bins.rename(columns={"sample_time": "day"})[["series", "day", "value"]]
    bins["day"] = bins["day"].dt.tz_localize(None)
    return bins


def _labels_of(tables: Tables, options: FigureOptions, name: str) -> list[str]:
    """The labels of a class: the table of bins keeps those apart that are merged after pooling."""
    if not options.merged:
        return [name]
    there = pq.read_table(tables["bins"], columns=["class"])["class"].unique().to_pylist()
    return [label for label in there if options.class_of(label) == name]


def _steps(abundance: pd.DataFrame, span: Span) -> pd.DataFrame:
    """Give the objects/mL of each point of the span as `mean`; `part` counts the stretches without a gap."""
    steps = abundance[abundance["day"] >= span.first]
    steps = steps.assign(day=span.start(steps["day"]))
    steps = steps.groupby(["series", "day"], as_index=False)[["count", "ml_analyzed_total"]].sum()
    gap = steps.groupby("series")["day"].diff() != pd.Timedelta(days=span.step)
    return with_ends(steps.assign(mean=steps["count"] / steps["ml_analyzed_total"], part=gap.cumsum()), span)


def _bands(bins: pd.DataFrame, span: Span) -> pd.DataFrame:
    """The quantiles BAND of the bins of each point of the span, as `low` and `high`."""
    by_day = bins.assign(day=span.start(bins["day"].dt.normalize())).groupby(["series", "day"])["value"]
    return by_day.quantile(np.array(BAND)).unstack().set_axis(["low", "high"], axis=1).reset_index()


def _printed(bins: pd.DataFrame, span: Span) -> pd.Series:
    """Which bins are points in print: all, or of those that would be at the same place the first one."""
    dot = pd.Series(True, index=bins.index)
    height = np.sqrt(bins["value"] / (bins["value"].max() or 1))
    for across, up in ((600, 80), (400, 50), (200, 40), (100, 20)):
        if dot.sum() <= POINTS_MOST:
            break
        time = (bins["day"] - span.first) / (span.last - span.first + pd.Timedelta(days=1))
        places = pd.DataFrame({"series": bins["series"], "x": (time * across) // 1, "y": (height * up) // 1})
        dot = ~places.duplicated()
    return dot


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


def _lines(span: Span, options: FigureOptions, *, long: bool, highest: float) -> Any:
    """Draw the layers. long: whether a band per day stands for the line from bin to bin. highest: of all values."""
    width = parts.panel_width(options)
    top = highest * 1.1 or 1
    y_parts: dict[str, Any] = {
        "title": words.PER_ML,
        "scale": alt.Scale(type="sqrt", domain=[0, float(f"{top:.4g}")], nice=False),
        "axis": parts.number_axis(values=words.nice_ticks(top), labelOverlap=False),
    }
    y = alt.Y("value:Q", **y_parts)
    kinds = {"bin": OKABE_ITO[4], span.pooled: OKABE_ITO[1]}
    key = alt.Color(
        "what:N",
        title=None,
        scale=alt.Scale(domain=list(kinds), range=list(kinds.values())),
        legend=parts.legend(options, list(kinds)),
    )
    hover = [
        parts.series_hover(),
        alt.Tooltip("day:T", title="sample_time (UTC)", format="%Y-%m-%d %H:%M:%S"),
        alt.Tooltip("value:Q", title=words.PER_ML),
    ]
    of_day = [parts.series_hover(), parts.day_hover(), alt.Tooltip("mean:Q", title=words.PER_ML)]
    base = alt.Chart().encode(x=parts.time_axis(span, width, "sample_time (UTC)"))
    bins = base.transform_filter("!isValid(datum.end)").transform_calculate(what="'bin'")
    days = base.transform_filter("isValid(datum.end)").transform_calculate(what=f"'{span.pooled}'")
    points = (
        bins.transform_filter("isValid(datum.value) && (screen || datum.dot == 1)")
        .mark_circle(size=5 if long else 14, opacity=0.35 if long else 1, clip=True)
        .encode(y=y, color=key, tooltip=hover)
        .add_params(parts.zoom("x"))
    )
    # The band is of the bins, so it has their colour.
    band = days.mark_rect(opacity=0.4, clip=True).encode(
        x2="end:T", y=alt.Y("low:Q", **y_parts), y2="high:Q", color=alt.value(kinds["bin"])
    )
    line = bins.mark_line(strokeWidth=0.7, clip=True).encode(y=y, color=key)
    mean = alt.Y("mean:Q", **y_parts)
    if span.step == 1:
        means = days.mark_rule(strokeWidth=2, clip=True).encode(x2="end:T", y=mean, color=key, tooltip=of_day)
    else:  # a week is too narrow to be seen by itself
        means = days.mark_line(strokeWidth=1.2, clip=True).encode(y=mean, color=key, detail="part:N", tooltip=of_day)
    layers = [points, band, means] if long else [line, points, means]
    return alt.layer(*layers).properties(width=width, height=150)
