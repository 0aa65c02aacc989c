"""Draw marks and their clusters, so that people can look before they believe."""

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import altair as alt
import vl_convert

from ifcb_abundance.common.atomic_write import atomic_write
from ifcb_abundance.validation.zooniverse.shapes import parameters

SIZE = 1000  # pixels, of the longer side
# Okabe and Ito's colours, which the colour-blind can tell apart.
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442"]
_TOOL = re.compile(r"(frame\d+)\.(.+_tool(?:Index)?\d+)_cluster_labels")

Point = tuple[float, float]


def draw(folder: Path, subject: str, task: str, shape: str | None, row: Mapping[str, Any]) -> list[Path]:
    """Draw the reduction of a subject and task, a PNG for each frame; returns their paths.

    A mark is a dot, or a triangle if it is in no cluster. A cluster is a large circle round its mean with the number of
    its marks, and an ellipse of two standard deviations; for shapes, the outline of their mean. The y axis points down,
    as in images.
    """
    frames: dict[str, list[str]] = {}
    for name in row:
        if place := _TOOL.fullmatch(name):
            frames.setdefault(place[1], []).append(place[2])
    paths = []
    for frame, tools in frames.items():
        marks: list[dict[str, Any]] = []
        lines: list[dict[str, Any]] = []
        for tool in tools:
            _collect(f"{frame}.{tool}", tool, shape, row, marks, lines)
        if not marks:
            continue
        safe = [re.sub(r"[^A-Za-z0-9-]+", "_", part)[:60] for part in (subject, task, frame)]
        path = folder / f"{'_'.join(safe)}.png"
        picture = vl_convert.vegalite_to_png(_chart(marks, lines, f"{subject}, {task}, {frame}").to_dict(), scale=2)
        with atomic_write(path) as unfinished:
            unfinished.write_bytes(picture)
        paths.append(path)
    return paths


def _collect(
    prefix: str,
    tool: str,
    shape: str | None,
    row: Mapping[str, Any],
    marks: list[dict[str, Any]],
    lines: list[dict[str, Any]],
) -> None:
    begin = f"{prefix}_{shape or 'points'}_"
    there = [name.removeprefix(begin) for name in row if name.startswith(begin)]
    names = parameters(shape, there)
    labels = row[f"{prefix}_cluster_labels"]
    for place, label in enumerate(labels):
        x, y = _anchor(dict(zip(names, (row[begin + name][place] for name in names), strict=True)))
        marks.append({"x": x, "y": y, "tool": tool, "what": "mark in a cluster" if label >= 0 else "mark in none"})
    for place in range(len(row.get(f"{prefix}_clusters_count", []))):
        middle = {name: row[f"{prefix}_clusters_{name}"][place] for name in names}
        x, y = _anchor(middle)
        count = row[f"{prefix}_clusters_count"][place]
        marks.append({"x": x, "y": y, "tool": tool, "what": "cluster, number of marks", "count": count})
        if shape is None:
            spread = [row[f"{prefix}_clusters_{name}"][place] for name in ("var_x", "var_y", "var_x_y")]
            outline = [] if None in spread else ellipse_of(x, y, *spread)
        else:
            outline = outline_of(shape, middle)
        lines += [
            {"x": at_x, "y": at_y, "tool": tool, "of": f"{prefix}{place}", "order": order}
            for order, (at_x, at_y) in enumerate(outline)
        ]


def _chart(
    marks: Sequence[Mapping[str, Any]], lines: Sequence[Mapping[str, Any]], title: str
) -> alt.LayerChart | alt.FacetChart:
    everything = [*marks, *lines]
    spans = [max(one[axis] for one in everything) - min(one[axis] for one in everything) or 1.0 for axis in ("x", "y")]
    scale = SIZE / max(spans)
    x = alt.X("x:Q", title="x, pixels", scale=alt.Scale(zero=False))
    y = alt.Y("y:Q", title="y, pixels", scale=alt.Scale(zero=False, reverse=True))
    tools = sorted({one["tool"] for one in marks})
    colour = alt.Color("tool:N", title="tool", scale=alt.Scale(domain=tools, range=COLOURS))
    kinds = ["mark in a cluster", "mark in none", "cluster, number of marks"]
    data = alt.Chart(alt.InlineData(list(marks)))
    points = data.mark_point(strokeWidth=1, opacity=1).encode(
        x=x,
        y=y,
        color=colour,
        shape=alt.Shape("what:N", title="", scale=alt.Scale(domain=kinds, range=["circle", "triangle", "circle"])),
        size=alt.Size("what:N", title="", scale=alt.Scale(domain=kinds, range=[3, 40, 500])),
    )
    counts = (
        data.transform_filter("isValid(datum.count)")
        .mark_text(dx=14, dy=-14)
        .encode(x=x, y=y, color=colour, text="count:N")
    )
    outlines = (
        alt.Chart(alt.InlineData(list(lines)))
        .mark_line(strokeWidth=1)
        .encode(x=x, y=y, color=colour, detail="of:N", order="order:Q")
    )
    return alt.layer(outlines, points, counts).properties(
        title=title, width=max(spans[0] * scale, SIZE / 4), height=max(spans[1] * scale, SIZE / 4)
    )


def _anchor(values: Mapping[str, float]) -> Point:
    """The place of a mark; the middle of a line; 0 if its kind has no such coordinate."""
    if "x1" in values:
        return (values["x1"] + values["x2"]) / 2, (values["y1"] + values["y2"]) / 2
    x = values.get("x", values.get("x_center", 0.0))
    return x, values.get("y", values.get("y_center", 0.0))


def ellipse_of(x: float, y: float, var_x: float, var_y: float, var_x_y: float, deviations: float = 2) -> list[Point]:
    """The ellipse of so many standard deviations round the mean, as a closed line of 49 points."""
    middle, half = (var_x + var_y) / 2, math.hypot((var_x - var_y) / 2, var_x_y)
    longer, shorter = (deviations * math.sqrt(max(value, 0.0)) for value in (middle + half, middle - half))
    return _turned(x, y, longer, shorter, 0.5 * math.atan2(2 * var_x_y, var_x - var_y))


def _turned(x: float, y: float, rx: float, ry: float, angle: float) -> list[Point]:
    cos, sin = math.cos(angle), math.sin(angle)
    round_it = (2 * math.pi * step / 48 for step in range(49))
    around = [(rx * math.cos(turn), ry * math.sin(turn)) for turn in round_it]
    return [(x + a * cos - b * sin, y + a * sin + b * cos) for a, b in around]


def outline_of(shape: str, values: Mapping[str, float]) -> list[Point]:
    """The outline of a shape, by how the front end draws it; a column and endless lines are 100 pixels long."""
    x, y = _anchor(values)
    if shape in ("circle", "ellipse"):
        rx, ry = (values["r"], values["r"]) if shape == "circle" else (values["rx"], values["ry"])
        return _turned(x, y, rx, ry, -math.radians(values.get("angle", 0.0)))
    if shape == "line":
        return [(values["x1"], values["y1"]), (values["x2"], values["y2"])]
    if shape == "fullWidthLine":
        return [(x - 50, y), (x + 50, y)]
    if shape == "fullHeightLine":
        return [(x, y - 50), (x, y + 50)]
    if shape == "column":
        return [(x, y - 50), (x + values["width"], y - 50), (x + values["width"], y + 50), (x, y + 50), (x, y - 50)]
    if shape in ("rectangle", "rotateRectangle"):
        half = values["width"] / 2, values["height"] / 2
        middle = (x, y) if "x_center" in values else (x + half[0], y + half[1])
        corners = [(-half[0], -half[1]), (half[0], -half[1]), half, (-half[0], half[1]), (-half[0], -half[1])]
        angle = math.radians(values.get("angle", 0.0))
        cos, sin = math.cos(angle), math.sin(angle)
        return [(middle[0] + a * cos - b * sin, middle[1] + a * sin + b * cos) for a, b in corners]
    if shape == "triangle":
        turns = [math.radians(-90 + values["angle"] + 120 * corner) for corner in range(4)]
        return [(x + values["r"] * math.cos(turn), y + values["r"] * math.sin(turn)) for turn in turns]
    half_spread = values["spread"] / 2
    turns = [math.radians(values["rotation"] - half_spread + values["spread"] * step / 24) for step in range(25)]
    arc = [(x + values["radius"] * math.cos(turn), y + values["radius"] * math.sin(turn)) for turn in turns]
    return [(x, y), *arc, (x, y)]
