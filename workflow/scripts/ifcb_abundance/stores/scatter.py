"""Draws the nodes of a graph: a page that turns in three dimensions, and three projections as a drawing.

The page needs no network: plotly's script is in it. Colours are those of arrays: an id has one everywhere.
"""

import html
from dataclasses import dataclass
from math import ceil, floor, log10
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ifcb_abundance.common.errors import quoted
from ifcb_abundance.common.extras import needed
from ifcb_abundance.stores.colours import hex_colours
from ifcb_abundance.stores.graph_files import GraphError
from ifcb_abundance.stores.graph_tables import batches_of

COLUMNS = ["id", "neuron_id", "z", "y", "x"]
SIDE, MARGIN, TITLE = 320, 64, 34  # px: of the longest axis, between projections, above them
INSET, NARROWEST = 8, 60  # px: between the outermost nodes and the frame; of the shortest axis
FEW = 1000  # nodes that have larger dots
PROJECTIONS = (("x", "y"), ("x", "z"), ("z", "y"))  # across, down
NAMED = 8  # neurons that a message names


@dataclass(frozen=True)
class Shown:
    """What is shown of a graph. neuron: only this one. lines: edges between shown nodes are drawn too."""

    name: str
    sample: int
    seed: int
    neuron: int | None
    lines: bool


def write_scatter(shown: Shown, nodes: Path, edges: Path, page: Path, drawing: Path) -> None:
    """Write the page and the drawing. Raises GraphError if there is no such neuron."""
    rows, count = _sample(shown, nodes)
    lines = _lines(rows, edges) if shown.lines else np.empty((0, 2), np.int64)
    whose = f"neuron {shown.neuron}" if shown.neuron is not None else "all neurons"
    some = f"{len(rows):,} of {count:,} nodes" if len(rows) < count else f"{count:,} nodes"
    title = f"{shown.name}: {some} of {whose}" if shown.neuron is not None else f"{shown.name}: {some}"
    _write_page(title, rows, lines, page)
    _write_drawing(title, rows, lines, drawing)


def _sample(shown: Shown, nodes: Path) -> tuple[pd.DataFrame, int]:
    """A seeded choice of the nodes that have a position, in the order of the file, and how many there are."""
    chosen, ids = _eligible(shown.neuron, nodes)
    if shown.neuron is not None and not len(chosen):
        some = f"There are {quoted(map(str, ids))} and others" if ids else "No node has a neuron_id"
        raise GraphError(f"graphs.{shown.name}.neuron: there is no neuron {shown.neuron}. {some}: set one, or null")
    count = len(chosen)
    if count > shown.sample:
        drawn = np.random.default_rng(shown.seed).choice(count, shown.sample, replace=False)
        chosen = chosen[np.sort(drawn)]
    parts, first = [], 0
    for batch in batches_of(nodes, COLUMNS):
        begin, end = np.searchsorted(chosen, [first, first + len(batch)])
        parts.append(batch.take(chosen[begin:end] - first).to_pandas(integer_object_nulls=True))
        first += len(batch)
    return pd.concat(parts, ignore_index=True), count


def _eligible(neuron: int | None, nodes: Path) -> tuple[npt.NDArray[np.int64], list[int]]:
    """The rows of nodes with a position, of one neuron or of all, and some ids of neurons."""
    chosen, ids, first = [], set[int](), 0
    for batch in batches_of(nodes, COLUMNS):
        placed = np.logical_and.reduce([batch[axis].is_valid().to_numpy(zero_copy_only=False) for axis in "zyx"])
        if neuron is not None:
            known = batch["neuron_id"].is_valid().to_numpy(zero_copy_only=False)
            whose = batch["neuron_id"].fill_null(0).to_numpy()
            placed &= known & (whose == neuron)
            ids |= set(np.unique(whose[known])[:NAMED].tolist())
        chosen.append(np.flatnonzero(placed) + first)
        first += len(batch)
    return np.concatenate(chosen), sorted(ids)[:NAMED]


def _lines(rows: pd.DataFrame, edges: Path) -> npt.NDArray[np.int64]:
    """The edges between shown nodes, as pairs of rows."""
    place = {node: number for number, node in enumerate(rows["id"].tolist())}
    pairs = [
        (place[u], place[v])
        for batch in batches_of(edges, ["u", "v"])
        for u, v in zip(batch["u"].to_pylist(), batch["v"].to_pylist(), strict=True)
        if u in place and v in place
    ]
    return np.array(pairs, np.int64).reshape(-1, 2)


def _colours(rows: pd.DataFrame) -> list[str]:
    """Of the neuron, else of the node itself."""
    ids = [node if pd.isna(neuron) else neuron for node, neuron in zip(rows["id"], rows["neuron_id"], strict=True)]
    return hex_colours(np.array([int(each) % 2**64 for each in ids], np.uint64))


def _write_page(title: str, rows: pd.DataFrame, lines: npt.NDArray[np.int64], path: Path) -> None:
    io = needed("plotly.io", "plotly", "Drawing a graph")  # takes 0.5 s

    said = [
        f"id {node}" + ("" if pd.isna(neuron) else f"<br>neuron {neuron}")
        for node, neuron in zip(rows["id"], rows["neuron_id"], strict=True)
    ]
    data: list[dict[str, Any]] = [
        {
            "type": "scatter3d",
            "mode": "markers",
            **{axis: rows[axis].to_numpy(float) for axis in "xyz"},
            "marker": {"size": 3 if len(rows) <= FEW else 2, "color": _colours(rows)},
            "text": said,
            "hovertemplate": "%{text}<br>x %{x:.6~g}, y %{y:.6~g}, z %{z:.6~g} nm<extra></extra>",
        }
    ]
    if len(lines):
        gap = np.full((len(lines), 1), np.nan)
        data.append(
            {
                "type": "scatter3d",
                "mode": "lines",
                **{axis: np.hstack([rows[axis].to_numpy(float)[lines], gap]).ravel() for axis in "xyz"},
                "line": {"color": "#808080", "width": 2},
                "hoverinfo": "skip",
            }
        )
    extents = {axis: float(np.ptp(rows[axis].to_numpy(float))) if len(rows) else 1.0 for axis in "xyz"}
    longest = max(*extents.values(), 1e-9)
    shares = {axis: max(extent / longest, 0.1) for axis, extent in extents.items()}
    layout = {
        "title": {"text": html.escape(title)},
        "scene": {
            "aspectmode": "manual",  # one scale in nm, as `data` has it, but never larger than the view
            "aspectratio": {axis: 1.5 * share for axis, share in shares.items()},
            **{
                f"{axis}axis": {"title": {"text": f"{axis} (nm)"}, "nticks": 2 + round(6 * share)}
                for axis, share in shares.items()
            },
        },
        "showlegend": False,
        "margin": {"l": 0, "r": 0, "b": 0, "t": 40},
    }
    page = io.to_html(
        {"data": data, "layout": layout},
        config={"displaylogo": False, "responsive": True},
        include_plotlyjs=True,
        div_id="scatter",
        default_height="100vh",
        validate=False,
    )
    page = page.replace("<head>", f'<head><title>{html.escape(title)}</title><link rel="icon" href="data:,">', 1)
    path.write_text(page.replace("<body>", '<body style="margin:0">', 1), encoding="utf-8")


# --- projections ---


class _Scale:
    """Where an axis lies on a drawing. All axes have one scale, of `px` for a nm."""

    def __init__(self, values: npt.NDArray[np.float64], px: float) -> None:
        low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
        self.px = px
        self.length = max((high - low) * px + 2 * INSET, NARROWEST)
        self.start = (low + high) / 2 - self.length / 2 / px  # nm

    def pixels(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The places of values, in px from the beginning of the axis."""
        result: npt.NDArray[np.float64] = (values - self.start) * self.px
        return result

    def ticks(self, step: float) -> list[tuple[str, str]]:
        """Place and label of each tick."""
        first, last = ceil(self.start / step), floor((self.start + self.length / self.px) / step)
        return [
            (f"{(number * step - self.start) * self.px:.1f}", f"{number * step:.6g}")
            for number in range(first, last + 1)
        ]


def _write_drawing(title: str, rows: pd.DataFrame, lines: npt.NDArray[np.int64], path: Path) -> None:
    """Three projections of one scale."""
    places = {axis: rows[axis].to_numpy(float) for axis in "xyz"}
    extent = max(1e-9, *(float(np.ptp(values)) if len(values) else 1.0 for values in places.values()))
    scales = {axis: _Scale(values, SIDE / extent) for axis, values in places.items()}
    colours, dot = _colours(rows), 5 if len(rows) <= FEW else 2.4
    width = MARGIN + sum(scales[across].length + MARGIN for across, _ in PROJECTIONS)
    height = TITLE + max(scales[down].length for _, down in PROJECTIONS) + MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" font-family="sans-serif" font-size="11">',
        f"<title>{html.escape(title)}</title>",
        f'<rect width="{width:.0f}" height="{height:.0f}" fill="#fff"/>',
        f'<text x="{MARGIN}" y="20" font-size="14">{html.escape(title)}</text>',
    ]
    left = float(MARGIN)
    for across, down in PROJECTIONS:
        parts.append(f'<g transform="translate({left:.1f} {TITLE})">')
        parts += _axes(across, down, scales, _step(extent))
        x, y = (scales[axis].pixels(places[axis]) for axis in (across, down))
        if len(lines):
            steps = "".join(f"M{x[u]:.1f} {y[u]:.1f}L{x[v]:.1f} {y[v]:.1f}" for u, v in lines.tolist())
            parts.append(f'<path d="{steps}" stroke="#808080" stroke-width=".8" fill="none"/>')
        parts += _dots(x, y, colours, dot)
        parts.append("</g>")
        left += scales[across].length + MARGIN
    path.write_text("\n".join([*parts, "</svg>\n"]), encoding="utf-8")


def _dots(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], colours: list[str], dot: float) -> list[str]:
    """A path for each colour, whose dots are lines without length."""
    places: dict[str, list[str]] = {}
    for colour, a, b in zip(colours, x.tolist(), y.tolist(), strict=True):
        places.setdefault(colour, []).append(f"M{a:.1f} {b:.1f}h0")
    paths = [f'<path stroke="{colour}" d="{"".join(dots)}"/>' for colour, dots in places.items()]
    return [f'<g stroke-width="{dot:g}" stroke-linecap="round">', *paths, "</g>"]


def _axes(across: str, down: str, scales: dict[str, _Scale], step: float) -> list[str]:
    width, height = scales[across].length, scales[down].length
    parts = [f'<rect width="{width:.1f}" height="{height:.1f}" fill="none" stroke="#bbb"/>']
    for at, label in scales[across].ticks(step):
        parts.append(f'<path d="M{at} {height:.1f}v4" stroke="#888"/>')
        parts.append(f'<text x="{at}" y="{height + 16:.1f}" text-anchor="middle">{label}</text>')
    for at, label in scales[down].ticks(step):
        parts.append(f'<path d="M0 {at}h-4" stroke="#888"/>')
        parts.append(f'<text x="-7" y="{at}" dy="4" text-anchor="end">{label}</text>')
    parts.append(f'<text x="{width / 2:.1f}" y="{height + 34:.1f}" text-anchor="middle">{across} (nm)</text>')
    turned = f'transform="translate({16 - MARGIN} {height / 2:.1f}) rotate(-90)"'
    parts.append(f'<text {turned} text-anchor="middle">{down} (nm)</text>')
    return parts


def _step(extent: float) -> float:
    """The distance of ticks: 1, 2 or 5 times a power of ten, and four to ten of them on the longest axis."""
    power: float = 10.0 ** floor(log10(extent / 4))
    return max(times * power for times in (1, 2, 5) if times * power <= extent / 4)
