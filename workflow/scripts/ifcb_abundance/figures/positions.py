"""Map of where the used bins were sampled: the tracks of ships, the places of moorings, and the coast."""

import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import pandas as pd

from ifcb_abundance.bins.positions import has_position
from ifcb_abundance.bins.statuses import BinStatus
from ifcb_abundance.figures import chart_parts as parts
from ifcb_abundance.figures import coast, words
from ifcb_abundance.figures.coast import KM_PER_DEGREE
from ifcb_abundance.figures.colours import OKABE_ITO
from ifcb_abundance.figures.options import FigureOptions, Tables
from ifcb_abundance.figures.rows import in_natural_order, main_series, series_of
from ifcb_abundance.tables import table_files

log = logging.getLogger("ifcb.positions")

PLACES_MOST = 4000  # points of the map
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
DEGREE = "format(abs({0}), '.6~g') + '°' + ({0} < 0 ? '{1}' : {0} > 0 ? '{2}' : '')"
MOORED_KM = 2.0  # a series that stays within this is a mooring
BREAK = pd.Timedelta(days=1)  # a track is not drawn across a longer time without a bin
TALLEST = 0.75  # height over width
NAME_AT = 9  # pixels between the middle of a mooring's mark and its name
LAND, WATER, COAST = "#ece7da", "#ffffff", "#8a8474"
LEAST, LEAST_WITH_COAST = 0.02, 0.15  # half of the map's height, in degrees; a coast tells where it is

Frame = tuple[tuple[float, float], tuple[float, float], tuple[int, int]]
"""West and east, south and north (degrees), width and height (pixels) of a map."""


def chart(tables: Tables, options: FigureOptions) -> Any:
    """Draw a map of the used bins, true to scale at its middle latitude.

    A ship's track is coloured by time. A mooring is one mark with its name.
    """
    head = "Where the used bins were sampled"
    columns = ["bin", "sample_time", "latitude", "longitude", *options.group_by]
    catalog = table_files.read_catalog(tables["catalog"], columns)
    ledger = table_files.read("ledger", tables["ledger"], ["bin", "status"])
    used = catalog[catalog["bin"].isin(ledger.loc[ledger["status"] == BinStatus.USED, "bin"])]
    used = used.assign(series=series_of(used, options.group_by), day=used["sample_time"].dt.strftime("%Y-%m-%d"))
    placed = used[has_position(used, options.accept_zero_position)]
    if placed.empty:
        return parts.message(options, head, f"{options.dataset}: none of the {len(used)} used bins has a position")
    colours = _colours(used["series"], placed["series"])
    series = list(colours)
    bins = placed[placed["series"].isin(series)]
    # Both sides of the date line are one place: count on beyond 180 degrees.
    if bins["longitude"].max() - bins["longitude"].min() > 180:
        bins["longitude"] = bins["longitude"].where(bins["longitude"] >= 0, bins["longitude"] + 360)
    files = coast.folder()
    frame = frame_of(bins, parts.panel_width(options, 66), LEAST if files is None else LEAST_WITH_COAST)
    (west, east), (south, north), (width, height) = frame
    x = _degrees("longitude", (west, east), "(datum.value > 180 ? datum.value - 360 : datum.value)", "WE")
    y = _degrees("latitude", (south, north), "datum.value", "SN")
    moored = [name for name in series if _extent_km(bins[bins["series"] == name]) <= MOORED_KM]
    if files is None:
        log.info(coast.HOW_TO_GET)
    layers = [] if files is None else _coast(coast.coast_lines(files, *frame[:2], (north - south) / height / 3))
    sailing = bins[~bins["series"].isin(moored)]
    rows = []
    if len(sailing):
        rows.append(_track_rows(thinned(sailing, max(east - west, north - south))))
        layers += _tracks(rows[0], [name for name in series if name not in moored], with_names=len(series) > 1)
    if moored:
        rows.append(_with_sides(_mooring_rows(bins[bins["series"].isin(moored)]), frame))
        layers += _moorings({name: colours[name] for name in moored})
    layers += _scale_bar(frame, bins)
    data = parts.inline(pd.concat(rows), digits=9)
    return alt.layer(*(layer.encode(x=x, y=y) for layer in layers), data=data).properties(
        name=parts.TRUE_TO_SCALE,
        width=width,
        height=height,
        title=parts.title(
            options,
            f"{head}, {options.dataset}",
            f"{len(bins):,} of {len(used):,} used bins"
            + (f" ({len(used) - len(bins):,} without a position or not shown)" if len(bins) < len(used) else ""),
            f"{bins['day'].min()} to {bins['day'].max()} (UTC)"
            + ("" if files is None else "; coast: GSHHG, full resolution"),
            parts.lack_note(series, placed["series"], used, what="a position"),
        ),
    )


def _colours(used: pd.Series, placed: pd.Series) -> dict[str, str]:
    """Choose the series of the map, and give each the colour that it has in other figures.

    used, placed: the series of each used bin, and of each that has a position.
    """
    main = main_series(used.to_frame().assign(n_used=1))
    if not placed.isin(main).any():  # other figures show none of those that have a position
        main = main_series(placed.to_frame().assign(n_used=1))
    there = set(placed)
    return {name: colour for name, colour in zip(main, OKABE_ITO, strict=False) if name in there}


def _degrees(field: str, ends: tuple[float, float], value: str, signs: str) -> Any:
    """Make an axis of degrees. value: an expression for their number. signs: letters for negative and positive."""
    return (alt.X if field == "longitude" else alt.Y)(
        f"{field}:Q",
        title=f"{field} (degrees)",
        scale=alt.Scale(domain=list(ends), nice=False, zero=False),
        axis=alt.Axis(labelExpr=DEGREE.format(value, *signs), tickCount=4, gridColor="#ddd"),
    )


def _extent_km(bins: pd.DataFrame) -> float:
    """How far apart the positions of some bins are, in km."""
    north_south = bins["latitude"].max() - bins["latitude"].min()
    east_west = (bins["longitude"].max() - bins["longitude"].min()) * math.cos(math.radians(bins["latitude"].mean()))
    return math.hypot(north_south, east_west) * KM_PER_DEGREE


def _coast(lines: pd.DataFrame) -> list[Any]:
    """Fill land and, above it, lakes, the islands in them and the ponds on those."""
    layers = []
    for level, polygons in lines.groupby("level"):
        data = parts.inline(polygons[["polygon", "point", "longitude", "latitude"]], digits=8)
        fill = LAND if level in (1, 3) else WATER
        line = alt.Chart(data).mark_line(
            fill=fill, stroke=COAST, strokeWidth=0.6, clip=True, interpolate="linear-closed"
        )
        layers.append(line.encode(detail="polygon:N", order="point:Q"))
    return layers


def _track_rows(places: pd.DataFrame) -> pd.DataFrame:
    """The places of ships, with the next place of each that is not too long after."""
    places = places.assign(day=pd.to_datetime(places["day"])).sort_values(["series", "first"], kind="stable")
    after = places.groupby("series")[["longitude", "latitude", "first"]].shift(-1)
    near = after["first"] - places["first"] <= BREAK
    for name in ("longitude", "latitude"):
        places[f"next_{name}"] = after[name].where(near)
    return places.drop(columns="first").assign(moored=0)


def _tracks(places: pd.DataFrame, series: Sequence[str], *, with_names: bool) -> list[Any]:
    """Draw a point for each place, and the way from one to the next, coloured by time.

    Colour is by the number of the day: a scale of times takes only a scheme's ends.
    """
    first, last = (parts.milliseconds(day) for day in (places["day"].min(), places["day"].max()))
    of_way: Any = alt.value(OKABE_ITO[0])
    of_dots: Any = alt.value(OKABE_ITO[0])
    if first < last:
        look: dict[str, Any] = {"scheme": "viridis", "nice": False}
        legend = alt.Legend(
            labelExpr="utcFormat(datum.value, '%Y-%m-%d')", gradientLength=200, values=[first, last], type="gradient"
        )
        of_way = alt.Color("time:Q", title="day (UTC)", scale=alt.Scale(domain=[first, last], **look), legend=legend)
        # A millisecond more: channels of one domain share a legend, which has two symbols in place of a gradient.
        of_dots = alt.Fill("time:Q", scale=alt.Scale(domain=[first, last + 1], **look), legend=None)
    base = alt.Chart().transform_filter("datum.moored == 0").transform_calculate(time="toNumber(datum.day)")
    way = base.transform_filter("isValid(datum.next_longitude)").mark_rule(strokeWidth=1.2, clip=True)
    dots = base.mark_point(
        size=30 if len(places) <= 500 else 12, opacity=1, clip=True, stroke="#333", strokeWidth=0.2
    ).encode(fill=of_dots, tooltip=_hover())
    if with_names:
        below = alt.Legend(columns=2, orient="bottom")  # above the map there is the scale of the time
        shapes = alt.Scale(domain=list(series), range=list(SHAPES[: len(series)]))
        dots = dots.encode(shape=alt.Shape("series:N", title=None, scale=shapes, legend=below))
    return [
        way.encode(x2="next_longitude:Q", y2="next_latitude:Q", color=of_way),
        dots.add_params(parts.zoom()),
    ]


def _hover() -> list[alt.Tooltip]:
    return [
        parts.series_hover(),
        parts.day_hover(),
        alt.Tooltip("latitude:Q", title="latitude (degrees north)"),
        alt.Tooltip("longitude:Q", title="longitude (degrees east)"),
        alt.Tooltip("bins:Q", title="bins here"),
    ]


def _mooring_rows(bins: pd.DataFrame) -> pd.DataFrame:
    """One row for each mooring, at the mean of its positions; those at one place have one label."""
    by_series = bins.groupby("series", sort=False)
    places = by_series[["longitude", "latitude"]].mean().assign(bins=by_series.size(), day=by_series["day"].max())
    places = places.reset_index()
    one = places.groupby([places[name].round(2) for name in ("longitude", "latitude")], sort=False)["series"]
    names = one.transform(lambda series: ", ".join(in_natural_order(series)))
    first = one.cumcount() == 0
    return places.assign(day=pd.to_datetime(places["day"]), label=names.where(first, ""), moored=1)


def _with_sides(places: pd.DataFrame, frame: Frame) -> pd.DataFrame:
    """Say whether the name of each mooring stands at the `left` of its mark.

    It keeps inside the map, and off the marks of others, if one side lets it. Else it is on the side with more room.
    """
    (west, east), (south, north), (width, height) = frame
    x = (places["longitude"] - west) / (east - west) * width
    y = (places["latitude"] - south) / (north - south) * height

    def at_left(at: int) -> bool:
        length = words.text_width(places["label"][at]) + NAME_AT

        def faults(left: bool) -> tuple[bool, int, bool]:
            away = (x - x[at]) * (-1 if left else 1)
            covered = away.between(4, length + 5) & (y - y[at]).between(-4, 18)  # a name is a little above its mark
            room = x[at] if left else width - x[at]
            return room < length, int(covered.sum()), left != (places["longitude"][at] > (west + east) / 2)

        return min((False, True), key=faults)

    return places.assign(left=[int(at_left(at)) for at in places.index])


def _moorings(colours: Mapping[str, str]) -> list[Any]:
    """Draw a mark for each mooring, with its name beside it."""
    base = alt.Chart().transform_filter("datum.moored == 1")
    layers = []
    for name, colour in colours.items():
        mark = base.mark_point(filled=True, size=90, opacity=1, color=colour, stroke="#333", strokeWidth=0.5)
        layers.append(mark.transform_filter(alt.datum.series == name).encode(tooltip=_hover()))
    named = base.transform_filter("datum.label").encode(text="label:N")
    right = named.mark_text(align="left", dx=NAME_AT, dy=-7).transform_filter("datum.left == 0")
    left = named.mark_text(align="right", dx=-NAME_AT, dy=-7).transform_filter("datum.left == 1")
    return [*layers, right, left]


def _corner(west_east: tuple[float, float], south_north: tuple[float, float], bins: pd.DataFrame) -> tuple[bool, bool]:
    """Choose the corner of a map that has the fewest bins: whether it is at the left, and whether at the bottom."""
    x = (bins["longitude"] - west_east[0]) / (west_east[1] - west_east[0])
    y = (bins["latitude"] - south_north[0]) / (south_north[1] - south_north[0])
    corners = [(True, True), (False, True), (True, False), (False, False)]
    return min(corners, key=lambda at: int(((x < 0.42 if at[0] else x > 0.58) & (y < 0.2 if at[1] else y > 0.8)).sum()))


def _scale_bar(frame: Frame, bins: pd.DataFrame) -> list[Any]:
    """Draw a bar of a round number of km in a corner that has few of the bins, true at the middle latitude."""
    (west, east), (south, north), _ = frame
    per_degree = KM_PER_DEGREE * max(math.cos(math.radians((south + north) / 2)), 0.05)
    third = (east - west) * per_degree / 3
    power = 10.0 ** math.floor(math.log10(third))
    length = max(digit for digit in (1, 2, 5) if digit * power <= third) * power
    at_left, at_bottom = _corner(*frame[:2], bins)
    left = west + (east - west) * 0.03 if at_left else east - (east - west) * 0.03 - length / per_degree
    up = south + (north - south) * (0.04 if at_bottom else 0.88)
    bar = pd.DataFrame(
        {"longitude": [left], "latitude": [up], "end": [left + length / per_degree], "text": [f"{length:g} km"]}
    )
    base = alt.Chart(parts.inline(bar, digits=9))
    return [
        base.mark_rule(strokeWidth=2.5, color="#222").encode(x2="end:Q"),
        base.mark_text(align="left", baseline="bottom", dy=-3, color="#222").encode(text="text:N"),
    ]


def frame_of(bins: pd.DataFrame, widest: float, least: float) -> Frame:
    """Frame a map with one scale in both directions.

    widest: the width that there is room for, in pixels. least: half of what the map shows at least, in degrees of
    latitude.
    """
    middle = [(bins[c].min() + bins[c].max()) / 2 for c in ("longitude", "latitude")]
    half = [(bins[c].max() - bins[c].min()) / 2 * 1.2 for c in ("longitude", "latitude")]
    shrink = max(math.cos(math.radians(middle[1])), 0.05)  # a degree of longitude in degrees of latitude
    least = max(least, half[0] * shrink / 3, half[1] / 3)  # no narrower than one to three
    # The map fills the width of the figure.
    half = [max(half[0], least / shrink, half[1] / shrink / TALLEST), max(half[1], least * TALLEST)]
    scale = widest / (2 * half[0] * shrink)  # pixels per degree of latitude
    size = (round(2 * half[0] * shrink * scale), round(2 * half[1] * scale))
    west_east, south_north = ((m - h, m + h) for m, h in zip(middle, half, strict=True))
    return west_east, south_north, size


def thinned(bins: pd.DataFrame, extent: float) -> pd.DataFrame:
    """Merge bins into places: a row per place, at the position of its first bin, with the number of its `bins`.

    extent: of the map, in degrees. Places become coarser until there are at most PLACES_MOST. They are told apart by
    series and, if that leaves few enough, by day; otherwise the day is the last one.
    """
    bins = bins.sort_values(["day", "sample_time", "bin"], kind="stable")
    for cells, by in ((1000, ["day"]), (500, ["day"]), (250, ["day"]), (250, []), (120, []), (60, [])):
        cell = [(bins[c] // (extent / cells)).rename(f"{c}_cell") for c in ("latitude", "longitude")]
        groups = bins.groupby([bins["series"], *(bins[name] for name in by), *cell], sort=False)
        if groups.ngroups <= PLACES_MOST:
            break
    places = (
        groups[["series", "longitude", "latitude"]]
        .first()
        .assign(day=groups["day"].last(), first=groups["sample_time"].first(), bins=groups.size())
    )
    return places.reset_index(drop=True).sort_values("day", kind="stable")
