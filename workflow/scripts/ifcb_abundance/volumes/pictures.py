"""Pictures that people look at before they believe: where crops lie, which patches are kept, flipbooks as strips."""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ifcb_abundance.common.atomic_write import atomic_write
from ifcb_abundance.curation.zips import OpenZips
from ifcb_abundance.stores.boxes import IndexBox
from ifcb_abundance.tables import table_files
from ifcb_abundance.volumes.dataset_list import Dataset
from ifcb_abundance.volumes.sample import Overview, finite_range, judged_span, open_overview, scale_rule, to_bytes

VERSION = 1  # of the pictures: raise it so that they are drawn again
TAKEN, LEFT_OUT = (0, 158, 115), (170, 170, 170)  # of boxes; the first is the green that people who see few colours see
LARGEST = 700  # pixels of an overview along each axis
CELL, COLUMNS, ROWS = 112, 8, 4  # of a montage: pixels of a patch, and how many
STRIPS = 12  # flipbooks of a dataset that are shown
GAP = 6
TEXT = 14  # pixels

Pixels = NDArray[np.uint8]
Box = tuple[int, int, int, int]  # top, left, bottom, right: voxels of the coarse scale, the ends exclusive


def draw_boxes(dataset: Dataset, table: str | Path, path: str | Path, requests: int = 0) -> None:
    """Draw where the boxes of a dataset lie: over the middle planes of the scale at which they were judged.

    table: the dataset's part of `boxes`. requests: in flight at a time; 0 for a few. On the left is xy, on the right
    xz; boxes that are taken are green.
    """
    overview = open_overview(dataset, requests)
    rows = table_files.read("boxes", table)
    rows["taken"] = rows["status"] == "taken"
    depth, height, width = overview.coarse.grid.shape
    planes = [
        (overview.coarse.read(IndexBox((depth // 2, 0, 0), (depth // 2 + 1, height, width)))[0], 1, 2),
        (overview.coarse.read(IndexBox((0, height // 2, 0), (depth, height // 2 + 1, width)))[:, 0], 0, 2),
    ]
    size = [float(each) for each in overview.coarse.grid.voxel]
    panels = []
    for plane, down, across in planes:
        least, greatest = finite_range(plane)
        least, greatest = (least, greatest) if least <= greatest else (0.0, 0.0)  # a plane of NaN is black
        rule = scale_rule(plane.dtype, least, greatest)
        pixels = to_bytes(plane, rule.low, rule.high)
        panels.append(_panel(pixels, (size[down], size[across]), _outlines(overview, rows, down, across)))
    taken = f"{rows['taken'].sum():,} of {len(rows):,} boxes are taken (green)"
    title = f"{dataset.name}: {taken}; left xy, right xz, middle planes"
    _save(_side_by_side(panels), title, path)


def _outlines(overview: Overview, rows: pd.DataFrame, down: int, across: int) -> list[tuple[Box, bool]]:
    """Return the boxes as they are seen along the third axis, once each, those that are taken last."""
    names = [f"{'zyx'[axis]}{side}" for axis in (down, across) for side in (0, 1)]
    seen = rows.groupby(names)["taken"].any().sort_values(kind="stable")
    first = overview.first
    outlines = []
    for d0, d1, a0, a1, taken in seen.reset_index().itertuples(index=False):
        top, bottom = judged_span(overview, down, d0 - first[down], d1 - first[down])
        left, right = judged_span(overview, across, a0 - first[across], a1 - first[across])
        outlines.append(((top, left, bottom, right), bool(taken)))
    return outlines


def _panel(plane: Pixels, size: tuple[float, float], outlines: Sequence[tuple[Box, bool]]) -> Image.Image:
    """Draw a plane with square nanometres, and boxes over it. size: of a voxel down and across, nm."""
    extent = [n * each for n, each in zip(plane.shape, size, strict=True)]
    zoom = LARGEST / max(extent)
    down, across = (max(1, round(each * zoom)) for each in extent)
    panel = Image.fromarray(plane).resize((across, down), Image.Resampling.BILINEAR).convert("RGB")
    draw = ImageDraw.Draw(panel)
    for box, taken in outlines:
        y0, x0, y1, x1 = (round(at * size[number % 2] * zoom) for number, at in enumerate(box))
        draw.rectangle((x0, y0, max(x0, x1 - 1), max(y0, y1 - 1)), outline=TAKEN if taken else LEFT_OUT)
    return panel


def draw_patches(volume: str, curated: str | Path, archive: str | Path, path: str | Path) -> None:
    """Draw kept patches of a volume on the left, dropped ones on the right: some, by the checksum of their names."""
    rows = table_files.read("volume_curated", curated, ["patch", "volume", "status"])
    rows = rows[rows["volume"] == volume]
    panels, counts = [], []
    with OpenZips() as images:
        for kept in (True, False):
            names = list(rows.loc[(rows["status"] == "kept") == kept, "patch"])
            counts.append(len(names))
            shown = sorted(names, key=lambda name: sha256(name.encode()).digest())[: COLUMNS * ROWS]
            panels.append(_grid([images.pixels(archive, name) for name in shown]))
    title = f"{volume}: {counts[0]} patches are kept (left), {counts[1]} are dropped (right)"
    _save(_side_by_side(panels), title, path)


def _grid(patches: Sequence[Pixels]) -> Image.Image:
    rows = max(1, -(-len(patches) // COLUMNS))
    grid = Image.new("RGB", (COLUMNS * (CELL + GAP) - GAP, rows * (CELL + GAP) - GAP), "white")
    for number, patch in enumerate(patches):
        grid.paste(_thumbnail(patch), (number % COLUMNS * (CELL + GAP), number // COLUMNS * (CELL + GAP)))
    return grid


def draw_flipbooks(dataset: str, table: str | Path, folder: str | Path, path: str | Path) -> None:
    """Draw flipbooks of a dataset as strips, a line each. table: the dataset's part of `flipbooks`."""
    import tifffile

    rows = table_files.read("flipbooks", table, ["flipbook", "status"])
    names = list(rows.loc[rows["status"] == "made", "flipbook"])
    shown = sorted(names, key=lambda name: sha256(name.encode()).digest())[:STRIPS]
    strips = []
    for name in shown:
        stack = tifffile.imread(Path(folder) / f"{name}.tif")
        stack = stack[None] if stack.ndim == 2 else stack
        middle = len(stack) // 2
        slices = stack[max(0, middle - COLUMNS // 2) : middle + COLUMNS // 2 + 1]
        strips.append(_side_by_side([_thumbnail(each) for each in slices]))
    width = max((strip.width for strip in strips), default=CELL)
    sheet = Image.new("RGB", (width, max(1, sum(strip.height + GAP for strip in strips))), "white")
    top = 0
    for strip in strips:
        sheet.paste(strip, (0, top))
        top += strip.height + GAP
    _save(sheet, f"{dataset}: {len(shown)} of {len(names)} flipbooks, slice by slice", path)


def _thumbnail(pixels: Any) -> Image.Image:
    """Fit a patch into a cell; a small one is enlarged by a whole number."""
    image = Image.fromarray(pixels).convert("RGB")
    if factor := CELL // max(image.size):
        return image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)
    image.thumbnail((CELL, CELL))
    return image


def _side_by_side(panels: Sequence[Image.Image]) -> Image.Image:
    gap = 2 * GAP
    width = sum(panel.width + gap for panel in panels) - gap
    sheet = Image.new("RGB", (width, max(panel.height for panel in panels)), "white")
    left = 0
    for panel in panels:
        sheet.paste(panel, (left, 0))
        left += panel.width + gap
    return sheet


def _save(picture: Image.Image, title: str, path: str | Path) -> None:
    """Write a picture with a title above it."""
    font = ImageFont.load_default(TEXT)
    wide = max(picture.width, round(font.getlength(title)))
    sheet = Image.new("RGB", (wide + 2 * GAP, picture.height + TEXT + 4 * GAP), "white")
    ImageDraw.Draw(sheet).text((GAP, GAP), title, "black", font)
    sheet.paste(picture, (GAP, TEXT + 3 * GAP))
    with atomic_write(path) as unfinished:
        sheet.save(unfinished, "PNG")
