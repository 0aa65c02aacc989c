"""Size spectrum of the objects over the whole window."""

import math
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from ifcb_abundance.classes.labels import UNCLASSIFIED
from ifcb_abundance.common.intervals import poisson_limits
from ifcb_abundance.features.size_spectrum import ALL, LIVING, drop_off
from ifcb_abundance.figures import chart_parts as parts
from ifcb_abundance.figures import words
from ifcb_abundance.figures.options import FigureOptions, Tables
from ifcb_abundance.figures.rows import main_series, read_coverage, series_of
from ifcb_abundance.tables import table_files

SPECTRA = {ALL: "all objects", LIVING: "objects of living classes"}
DROP_OFF = "size drop-off"
HEIGHT = 240  # pixels
COLOURS = dict(zip([*SPECTRA.values(), DROP_OFF], ("#0072B2", "#009E73", "#D55E00"), strict=True))


def chart(tables: Tables, options: FigureOptions) -> Any:
    """Draw objects per mL and um by their diameter on log scales, with the drop-off marked."""
    head = "Size spectrum"
    coverage, span = read_coverage(tables, options)
    columns = ["date", *options.group_by, "objects", "esd_low_um", "esd_high_um", "count"]
    days = table_files.read("size_spectrum", tables["size_spectrum"], columns)
    if span is None or days.empty:
        return parts.message(options, head, f"{options.dataset}: no used bin has features with a measured object")
    days["series"] = series_of(days, options.group_by)
    series = main_series(coverage[coverage["series"].isin(days["series"])])
    volume = _volume_with_features(tables, options)
    rows = pd.concat(
        [_pooled_spectrum(days[days["series"] == name], volume[name]) for name in series], ignore_index=True
    )
    low, high = poisson_limits(rows["count"].to_numpy(dtype=int), options.confidence)
    one_object = rows["value"] / rows["count"]  # per mL and um
    rows = rows.assign(low=low * one_object, high=high * one_object, what=rows["objects"].map(SPECTRA))
    drawn = pd.concat([rows, _drop_offs(rows)])
    data = parts.inline(drawn[["series", "what", "esd", "count", "value", "low", "high"]])
    return parts.panels(_spectra(rows, options), data, series).properties(
        title=parts.title(
            options,
            f"{head}, {options.dataset}",
            f"{span}, pooled; bars: {parts.percent(options.confidence)} Poisson interval of the count",
            "left of the drop-off the instrument does not count all objects",
            parts.lack_note(series, days["series"], coverage),
        )
    )


def _volume_with_features(tables: Tables, options: FigureOptions) -> dict[str, float]:
    """Sum the volume (mL) of each series' used bins with features; bins without an object count too."""
    columns = ["date", *options.group_by, "class", "ml_analyzed_total"]
    rows = table_files.read("biovolume_long", tables["biovolume"], columns)
    rows = rows[rows["class"] == UNCLASSIFIED]
    volumes = rows["ml_analyzed_total"].groupby(series_of(rows, options.group_by))
    return {str(name): math.fsum(values) for name, values in volumes}


def _pooled_spectrum(days: pd.DataFrame, volume: float) -> pd.DataFrame:
    """Pool the days of one series per kind of objects and size.

    Adds `count` and objects per mL and um as `value`, which is NaN where no object was counted, so that a line breaks.
    """
    keys = ["series", "objects", "esd_low_um"]
    rows = days.groupby(keys, as_index=False).agg({"esd_high_um": "first", "count": "sum"})
    sizes = rows[["esd_low_um", "esd_high_um"]].drop_duplicates().sort_values("esd_low_um")
    steps = round(4 * math.log2(sizes["esd_high_um"].iloc[-1] / sizes["esd_low_um"].iloc[0]))
    edges = sizes["esd_low_um"].iloc[0] * 2.0 ** (np.arange(steps + 1) / 4)
    grids = []
    for objects, spectrum in rows.groupby("objects"):
        at = np.rint(4 * np.log2(spectrum["esd_low_um"] / edges[0])).astype(int)
        count = np.zeros(steps, dtype=int)
        count[at] = spectrum["count"]
        grid = pd.DataFrame({"esd_low_um": edges[:-1], "esd": np.sqrt(edges[:-1] * edges[1:]), "count": count})
        grid["value"] = np.where(count > 0, count / volume / (edges[1:] - edges[:-1]), np.nan)
        grids.append(grid.assign(objects=objects, series=rows["series"].iloc[0]))
    return pd.concat(grids, ignore_index=True)


def _drop_offs(rows: pd.DataFrame) -> pd.DataFrame:
    """Give the drop-off of each series as `esd`."""
    all_objects = rows[rows["objects"] == ALL].assign(objects_per_ml_per_um=rows["value"].fillna(0))
    return pd.DataFrame(
        [{"series": name, "what": DROP_OFF, "esd": drop_off(of)} for name, of in all_objects.groupby("series")]
    )


def _size_axis(sizes: pd.Series) -> alt.X:
    ends = [2.0 ** math.floor(math.log2(sizes.min())), 2.0 ** math.ceil(math.log2(sizes.max()))]
    doublings = round(math.log2(ends[1] / ends[0]))
    return alt.X(
        "esd:Q",
        title="equivalent spherical diameter (µm, log scale)",
        scale=alt.Scale(type="log", base=2, domain=ends, nice=False),
        axis=alt.Axis(values=[ends[0] * 2.0**i for i in range(doublings + 1)], format=".3~g"),
    )


def _spectra(rows: pd.DataFrame, options: FigureOptions) -> Any:
    """Draw the layers: spectra with their intervals, and drop-offs."""
    named = [*(text for objects, text in SPECTRA.items() if objects in set(rows["objects"])), DROP_OFF]
    colour = alt.Color(
        "what:N",
        title=None,
        scale=alt.Scale(domain=named, range=[COLOURS[name] for name in named]),
        legend=parts.legend(options, named),
    )
    shown = rows[rows["value"].notna()]
    ends = pd.concat([shown["low"].where(shown["low"] > 0, shown["value"]), shown["high"]])
    (lowest, highest), ticks = parts.within(ends)
    y_parts: dict[str, Any] = {
        "title": f"{words.PER_ML_PER_UM} (log scale)",
        "scale": alt.Scale(type="log", domain=[lowest / 1.3, highest * 1.3], nice=False),  # off the frame
        "axis": alt.Axis(values=ticks, labelExpr=parts.of_powers(ticks)),
    }
    y, y_low = alt.Y("value:Q", **y_parts), alt.Y("low:Q", **y_parts)
    base = alt.Chart().encode(x=_size_axis(rows["esd"]), color=colour)
    spectra = base.transform_filter(f"datum.what != '{DROP_OFF}'")
    points = spectra.transform_filter("isValid(datum.value)")
    mark = base.transform_filter(f"datum.what == '{DROP_OFF}'")
    hover = [
        parts.series_hover(),
        alt.Tooltip("what:N", title="objects"),
        alt.Tooltip("esd:Q", title="diameter (µm)"),
        alt.Tooltip("count:Q"),
        alt.Tooltip("value:Q", title=words.PER_ML_PER_UM),
    ]
    return alt.layer(
        mark.mark_rule(strokeDash=[5, 3], strokeWidth=1.5, clip=True),
        # At the bottom: at the top the spectrum has its peak.
        mark.mark_text(align="left", baseline="bottom", dx=5)
        .encode(y=alt.value(HEIGHT - 4), text="label:N")
        .transform_calculate(label="format(datum.esd, '.3~g') + ' µm'"),
        points.mark_rule(opacity=0.5, clip=True).encode(y=y_low, y2="high:Q"),
        spectra.mark_line(strokeWidth=1.3, clip=True).encode(y=y).add_params(parts.zoom("x")),
        points.mark_circle(size=24, opacity=1, clip=True).encode(y=y, tooltip=hover),
    ).properties(width=parts.panel_width(options), height=HEIGHT)
