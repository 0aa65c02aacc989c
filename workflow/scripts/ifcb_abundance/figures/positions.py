"""Map of where the used bins were sampled."""

import math
from typing import Any

import altair as alt
import pandas as pd

from ifcb_abundance.bins.positions import has_position
from ifcb_abundance.bins.statuses import BinStatus
from ifcb_abundance.figures import chart_parts as parts
from ifcb_abundance.figures.options import FigureOptions, Tables
from ifcb_abundance.figures.rows import SERIES_MOST, in_natural_order, series_of
from ifcb_abundance.tables import table_files

PLACES_MOST = 4000  # points of the map
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
DEGREE = "format(abs({0}), '.6~g') + '°' + ({0} < 0 ? '{1}' : {0} > 0 ? '{2}' : '')"


def chart(tables: Tables, options: FigureOptions) -> Any:
    """Draw a map of the used bins, coloured by time; it is true to scale at its middle latitude."""
    head = "Where the used bins were sampled"
    columns = ["bin", "sample_time", "latitude", "longitude", *options.group_by]
    catalog = table_files.read("catalog", tables["catalog"], columns)
    ledger = table_files.read("ledger", tables["ledger"], ["bin", "status"])
    used = catalog[catalog["bin"].isin(ledger.loc[ledger["status"] == BinStatus.USED, "bin"])]
    bins = used[has_position(used, options.accept_zero_position)]
    if bins.empty:
        return parts.message(head, f"{options.dataset}: none of the {len(used)} used bins has a position")
    bins = bins.assign(series=series_of(bins, options.group_by), day=bins["sample_time"].dt.strftime("%Y-%m-%d"))
    n_series = bins["series"].nunique()
    series = in_natural_order(bins["series"].value_counts().sort_index(kind="stable").nlargest(SERIES_MOST).index)
    bins = bins[bins["series"].isin(series)]
    # Both sides of the date line are one place: count on beyond 180 degrees.
    if bins["longitude"].max() - bins["longitude"].min() > 180:
        bins["longitude"] = bins["longitude"].where(bins["longitude"] >= 0, bins["longitude"] + 360)
    (west, east), (south, north), (width, height) = frame_of(bins)
    places = thinned(bins, max(east - west, north - south))
    places["day"] = pd.to_datetime(places["day"])

    dots = _points(places).encode(
        x=_degrees("longitude", (west, east), "(datum.value > 180 ? datum.value - 360 : datum.value)", "WE"),
        y=_degrees("latitude", (south, north), "datum.value", "SN"),
    )
    if len(series) > 1:
        scale = alt.Scale(domain=series, range=list(SHAPES[: len(series)]))
        dots = dots.encode(shape=alt.Shape("series:N", title=None, scale=scale, legend=alt.Legend(columns=2)))
    return dots.properties(
        width=width,
        height=height,
        title=parts.title(
            f"{head}, {options.dataset}",
            f"{len(bins):,} of {len(used):,} used bins"
            + (f" ({len(used) - len(bins):,} without a position or not shown)" if len(bins) < len(used) else ""),
            f"{bins['day'].min()} to {bins['day'].max()} (UTC); no coast lines are drawn",
            parts.series_note(series, n_series),
        ),
    )


def _degrees(field: str, ends: tuple[float, float], value: str, signs: str) -> Any:
    """Make an axis of degrees. value: an expression for their number. signs: letters for negative and positive."""
    return (alt.X if field == "longitude" else alt.Y)(
        f"{field}:Q",
        title=f"{field} (degrees)",
        scale=alt.Scale(domain=list(ends), nice=False, zero=False),
        axis=alt.Axis(labelExpr=DEGREE.format(value, *signs), tickCount=5, gridColor="#ccc"),
    )


def _points(places: pd.DataFrame) -> Any:
    """Draw a point for each place, coloured by the number of its day: a scale of times takes only a scheme's ends."""
    first, last = (parts.milliseconds(day) for day in (places["day"].min(), places["day"].max()))
    colour = alt.Color(
        "time:Q",
        title="day (UTC)",
        scale=alt.Scale(scheme="viridis", domain=[first, last], nice=False),
        legend=alt.Legend(labelExpr="utcFormat(datum.value, '%Y-%m-%d')", gradientLength=300, values=[first, last]),
    )
    return (
        alt.Chart(parts.inline(places[["series", "day", "longitude", "latitude", "bins"]], digits=9))
        .mark_point(
            filled=True, size=45 if len(places) <= 500 else 20, opacity=1, clip=True, stroke="#333", strokeWidth=0.3
        )
        .encode(
            color=colour if first < last else alt.value(parts.OKABE_ITO[0]),
            tooltip=[
                parts.series_hover(),
                parts.day_hover(),
                alt.Tooltip("latitude:Q", title="latitude (degrees north)"),
                alt.Tooltip("longitude:Q", title="longitude (degrees east)"),
                alt.Tooltip("bins:Q", title="bins here"),
            ],
        )
        .transform_calculate(time="toNumber(datum.day)")
        .add_params(parts.zoom())
    )


def frame_of(bins: pd.DataFrame) -> tuple[tuple[float, float], tuple[float, float], tuple[int, int]]:
    """Frame a map with one scale in both directions.

    Returns west and east, south and north (degrees), width and height (pixels).
    """
    middle = [(bins[c].min() + bins[c].max()) / 2 for c in ("longitude", "latitude")]
    half = [(bins[c].max() - bins[c].min()) / 2 * 1.2 for c in ("longitude", "latitude")]
    shrink = max(math.cos(math.radians(middle[1])), 0.05)  # a degree of longitude in degrees of latitude
    least = max(0.02, half[0] * shrink / 3, half[1] / 3)  # no narrower than one to three
    half = [max(half[0], least / shrink), max(half[1], least)]
    scale = min(560 / (2 * half[0] * shrink), 420 / (2 * half[1]))  # pixels per degree of latitude
    size = (round(2 * half[0] * shrink * scale), round(2 * half[1] * scale))
    west_east, south_north = ((m - h, m + h) for m, h in zip(middle, half, strict=True))
    return west_east, south_north, size


def thinned(bins: pd.DataFrame, extent: float) -> pd.DataFrame:
    """Merge bins into places: a row per place, at the position of its first bin, with the number of its `bins`.

    extent: of the map, in degrees. Places become coarser until there are at most PLACES_MOST. They are told apart by
    series and, if that leaves few enough, by day; otherwise the day is the last one.
    """
    bins = bins.sort_values(["day", "bin"], kind="stable")
    for cells, by in ((1000, ["day"]), (500, ["day"]), (250, ["day"]), (250, []), (120, []), (60, [])):
        cell = [(bins[c] // (extent / cells)).rename(f"{c}_cell") for c in ("latitude", "longitude")]
        groups = bins.groupby([bins["series"], *(bins[name] for name in by), *cell], sort=False)
        if groups.ngroups <= PLACES_MOST:
            break
    places = groups[["series", "longitude", "latitude"]].first().assign(day=groups["day"].last(), bins=groups.size())
    return places.reset_index(drop=True).sort_values("day", kind="stable")
