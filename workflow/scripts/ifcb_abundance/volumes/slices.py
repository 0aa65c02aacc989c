"""Cut slices of a volume along its axes into patches, hash and measure them.

The grid is that of curation's images, the order of axes and the names are those of volume-em/cem-dataset
(`patchify3d.py`), which never cuts the last slice; here all slices are cut.
"""

import logging
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ifcb_abundance.common.progress import Progress
from ifcb_abundance.common.workers import in_order
from ifcb_abundance.curation.patches import describe, tiles
from ifcb_abundance.curation.zips import as_png, write_zip
from ifcb_abundance.tables import table_files
from ifcb_abundance.volumes.files import open_volume
from ifcb_abundance.volumes.names import Patch

VERSION = 1  # of patches: raise it so that all are made again
PIECE_BYTES = 1 << 22  # of slices that a worker gets at a time

log = logging.getLogger("ifcb.volumes")

Row = dict[str, Any]


def open_bytes(path: str | Path) -> NDArray[np.uint8]:
    """Map a volume that `convert_volume` or `sample_volume` wrote: (z, y, x), of which only what is used is read."""
    array = open_volume(Path(path)).array
    assert array is not None  # a .nrrd is one array
    return array


def take_slice(volume: NDArray[np.uint8], axis: int, index: int) -> NDArray[np.uint8]:
    """Return a slice of a volume (z, y, x): (y, x) for axis 0, (z, x) for axis 1, (z, y) for axis 2."""
    return np.ascontiguousarray(np.take(volume, index, axis=axis)) if axis else np.asarray(volume[index])


def cut_slices(
    path: str | Path,
    table: str | Path,
    patch_px: int,
    spacing: int,
    kind: str,
    outputs: tuple[str | Path, str | Path],
    processes: int = 1,
) -> None:
    """Cut a volume into patches.

    path: of the volume of bytes. table: its row of the table `volumes`. patch_px: side of a patch. spacing: every so
    manyth slice. kind: of hash. outputs: the zip of patches, and their rows of the table `volume_patches`.
    """
    (volume,) = table_files.read("volumes", table).to_dict("records")
    rows: list[Row] = []
    shape = [] if volume["problem"] else [int(volume[f"shape_{axis}"]) for axis in "zyx"]
    axes = [int(axis) for axis in volume["axes"].split()] if shape else []
    places = [(axis, index) for axis in axes for index in range(0, shape[axis], spacing)]
    progress = Progress(f"slices of volume {volume['volume']}", lambda: (len(places), len(places)))
    if places:
        progress.begin()
    work = partial(cut_piece, str(path), volume["volume"], patch_px, kind)
    with write_zip(outputs[0]) as out:
        for piece in in_order(work, _pieces(places, shape), processes):
            for done in piece:
                for row, png in done:
                    out.add(row["patch"], png)
                    rows.append(row)
                progress.step()
    table_files.write(table_files.from_rows(rows, "volume_patches"), "volume_patches", outputs[1])


def _pieces(places: Sequence[tuple[int, int]], shape: Sequence[int]) -> Iterator[list[tuple[int, int]]]:
    piece: list[tuple[int, int]] = []
    size = 0
    for axis, index in places:
        piece.append((axis, index))
        size += int(np.prod(shape)) // shape[axis]
        if size >= PIECE_BYTES or len(piece) == 64:
            yield piece
            piece, size = [], 0
    if piece:
        yield piece


def cut_piece(
    path: str, name: str, patch_px: int, kind: str, places: Sequence[tuple[int, int]]
) -> list[list[tuple[Row, bytes]]]:
    """Cut some slices of a volume; workers call it."""
    volume = open_bytes(path)
    found = []
    for axis, index in places:
        pixels = take_slice(volume, axis, index)
        patches = []
        for tile in tiles(pixels.shape[0], pixels.shape[1], patch_px):
            patch = np.ascontiguousarray(tile.of(pixels))
            patch_name = Patch(name, axis, index, *tile).name(volume.shape[axis])
            row = {
                "patch": patch_name,
                "image": patch_name.rsplit("_", 2)[0],
                "group": name,
                "volume": name,
                "axis": axis,
                "slice": index,
                **tile._asdict(),
                **describe(patch, kind),
            }
            patches.append((row, as_png(patch)))
        found.append(patches)
    return found
