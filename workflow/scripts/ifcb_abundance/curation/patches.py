"""Cut images into patches, and hash and measure each.

The grid is that of volume-em/cem-dataset (`patchify2d.py`): max(1, round(size / patch_px)) tiles along each axis, the
last one clipped at the edge of the image. Pixels behind the last tile are in none.
"""

import logging
import zipfile
from collections.abc import Iterator, Sequence
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ifcb_abundance.common.progress import Progress
from ifcb_abundance.common.workers import in_order
from ifcb_abundance.curation.clean import FEW, PIECE_IMAGES
from ifcb_abundance.curation.hashes import HASHES, as_text
from ifcb_abundance.curation.statistics import measure
from ifcb_abundance.curation.zips import from_png, read_png
from ifcb_abundance.tables import table_files

log = logging.getLogger("ifcb.curation")

VERSION = 2  # of patches, hashes and statistics: raise it so that all are made again
LARGE = 1 << 20  # pixels of images that a worker gets at a time

Row = dict[str, Any]


class Tile(NamedTuple):
    """A part of an image: rows y0 to y1, columns x0 to x1, the ends exclusive."""

    y0: int
    y1: int
    x0: int
    x1: int

    def of(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return this part of (height, width) pixels, without copying them."""
        return pixels[self.y0 : self.y1, self.x0 : self.x1]


def tiles(height: int, width: int, patch_px: int | None) -> list[Tile]:
    """List the tiles of an image, row by row; the whole image if `patch_px` is None."""
    if patch_px is None:
        return [Tile(0, height, 0, width)]
    return [
        Tile(y, min(y + patch_px, height), x, min(x + patch_px, width))
        for y in range(0, patch_px * max(1, round(height / patch_px)), patch_px)
        for x in range(0, patch_px * max(1, round(width / patch_px)), patch_px)
    ]


def patch_name(image: str, tile: Tile, patch_px: int | None) -> str:
    """Name a patch: the image itself, or the image and the place of the tile in it."""
    return image if patch_px is None else f"{image}-LOC-2d-{tile.y0}-{tile.y1}_{tile.x0}-{tile.x1}"


def describe(pixels: NDArray[np.uint8], kind: str) -> Row:
    """Hash and measure a patch. kind: `steady` or `difference`."""
    height, width = pixels.shape
    checksum = sha256(np.ascontiguousarray(pixels).data).hexdigest()
    return {
        "width": width,
        "height": height,
        "hash": as_text(HASHES[kind](pixels)),
        **measure(pixels),
        "sha256": checksum,
    }


def cut_patches(
    clean: str | Path,
    cleaning: str | Path,
    patch_px: int | None,
    kind: str,
    table: str | Path,
    processes: int = 1,
) -> None:
    """Write a group's part of the table `patches`.

    clean: the zip of the group's cleaned images. cleaning: its part of that table. processes: how many work at most.
    """
    rows = table_files.read("cleaning", cleaning, ["image", "group", "width", "height", "problem"])
    rows = rows[rows["problem"] == ""]
    group = rows["group"].iloc[0] if len(rows) else ""
    progress = Progress(f"patches of group {group}", lambda: (len(rows),) * 2)
    if len(rows) <= FEW and (rows["width"] * rows["height"]).sum() <= PIECE_IMAGES * LARGE:
        processes = 1
    else:
        progress.begin()
    found: list[Row] = []
    with zipfile.ZipFile(clean) as archive:
        for n, piece in in_order(partial(describe_piece, patch_px, kind), _pieces(rows, archive), processes):
            found += piece
            if len(rows) > FEW:
                progress.step(n)
    table_files.write(table_files.from_rows(found, "patches").assign(group=group), "patches", table)


def _pieces(rows: pd.DataFrame, archive: zipfile.ZipFile) -> Iterator[list[tuple[str, bytes]]]:
    """Yield images with their files. A worker that opened the zip itself would read its table of contents each time."""
    piece: list[tuple[str, bytes]] = []
    size = 0
    for image, width, height in zip(rows["image"], rows["width"], rows["height"], strict=True):
        piece.append((image, read_png(archive, image)))
        size += width * height
        if len(piece) == PIECE_IMAGES or size > LARGE:
            yield piece
            piece, size = [], 0
    if piece:
        yield piece


def describe_piece(patch_px: int | None, kind: str, images: Sequence[tuple[str, bytes]]) -> tuple[int, list[Row]]:
    """Describe all patches of some images, named and as PNG files; return how many images, and a row per patch."""
    found = []
    for image, png in images:
        pixels = from_png(png)
        for tile in tiles(pixels.shape[0], pixels.shape[1], patch_px):
            place = {"patch": patch_name(image, tile, patch_px), "image": image, **tile._asdict()}
            found.append({**place, **describe(tile.of(pixels), kind)})
    return len(images), found
