"""Flipbooks: a patch with the slices around it, as a stack that people page through.

The patch is the centre slice. The first and the last window that a volume has room for are made too.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ifcb_abundance.common.atomic_write import atomic_write
from ifcb_abundance.common.errors import ConfigError
from ifcb_abundance.common.progress import Progress
from ifcb_abundance.common.strict_csv import read_given
from ifcb_abundance.common.words import counted
from ifcb_abundance.tables import table_files
from ifcb_abundance.tables.concatenate import join_parts
from ifcb_abundance.volumes.names import Flipbook, Patch, parse_patch
from ifcb_abundance.volumes.slices import open_bytes, take_slice

log = logging.getLogger("ifcb.volumes")

VERSION = 1  # of flipbooks: raise it so that all are made again
KEPT = "kept"


@dataclass(frozen=True)
class Wish:
    """Which flipbooks are wanted: the config's `volumes.flipbooks`.

    slices: how many, an odd number. of: `kept`, or the path of a CSV with the column patch. limit: of a dataset, by
    `seed`; None for all.
    """

    slices: int
    of: str
    limit: int | None
    seed: int


def wanted_patches(of: str, curated: str | Path, dataset: str) -> list[str]:
    """List the patches of a dataset that get a flipbook. curated: the table `volume_curated`.

    Raises ConfigError if the CSV cannot be read, or names a patch that is none of these volumes.
    """
    known = table_files.read("volume_curated", curated, ["patch", "dataset", "status"])
    own = known[known["dataset"] == dataset]
    if of == KEPT:
        return list(own.loc[own["status"] == "kept", "patch"])
    names = list(dict.fromkeys(read_given(of, f"volumes.flipbooks.of: {of}", ["patch"])["patch"]))
    patches = set(known["patch"])
    unknown = [name for name in names if name not in patches]
    if unknown:
        raise ConfigError(
            f"volumes.flipbooks.of: {of}: {unknown[0]!r} is no patch of these volumes, nor are {len(unknown) - 1} of "
            f"the other {len(names) - 1}. Their names are in volumes/patches.csv"
        )
    patches = set(own["patch"])
    return [name for name in names if name in patches]


def choose(patches: Iterable[str], limit: int | None, seed: int) -> list[str]:
    """Choose `limit` patches: the first in ascending SHA-256 of the text `{seed}/{patch}`; in the order of names."""
    ordered = sorted(patches, key=lambda name: sha256(f"{seed}/{name}".encode()).digest())
    return sorted(ordered[:limit])


def window(patch: Patch, n: int, length: int) -> Flipbook | None:
    """Return the flipbook of `n` slices around a patch; None if they are not all among the volume's `length` slices."""
    first = patch.slice - n // 2
    if first < 0 or first + n > length:
        return None
    return Flipbook(patch.volume, patch.axis, first, first + n, patch.y0, patch.y1, patch.x0, patch.x1)


def cut(volume: NDArray[np.uint8], flipbook: Flipbook) -> NDArray[np.uint8]:
    """Cut a flipbook out of a volume (z, y, x): (slices, rows, columns) as `take_slice` has them."""
    slices = [take_slice(volume, flipbook.axis, index) for index in range(flipbook.first, flipbook.end)]
    return np.stack([each[flipbook.y0 : flipbook.y1, flipbook.x0 : flipbook.x1] for each in slices])


def build_flipbooks(
    dataset: str,
    wish: Wish,
    curated: str | Path,
    rows: str | Path,
    folder: str | Path,
    outputs: tuple[str | Path, str | Path],
) -> None:
    """Write the flipbooks of a dataset, and a row for each patch that was asked for.

    curated: the table `volume_curated`. rows: the table `volumes`. folder: of the volumes. outputs: the folder of .tif
    files, and the dataset's part of the table `flipbooks`.
    """
    patches = choose(wanted_patches(wish.of, curated, dataset), wish.limit, wish.seed)
    sizes = {row["volume"]: row for row in table_files.read("volumes", rows).to_dict("records")}
    progress = Progress(f"flipbooks of {dataset}", lambda: (len(patches), len(patches)))
    progress.begin()
    Path(outputs[0]).mkdir(parents=True, exist_ok=True)
    found: list[dict[str, Any]] = []
    name, volume = "", np.empty((0, 0, 0), np.uint8)
    for text in patches:
        patch = parse_patch(text)
        if patch.volume != name:
            name, volume = patch.volume, open_bytes(Path(folder, "bytes", f"{patch.volume}.nrrd"))
        flipbook = window(patch, wish.slices, volume.shape[patch.axis])
        row: dict[str, Any] = {"patch": text, "centre": patch.slice}
        if flipbook is None:
            reason = f"{wish.slices} slices around slice {patch.slice} of {volume.shape[patch.axis]} are not all there"
            row |= {"status": "no_context", "reason": reason}
        else:
            row |= {"flipbook": flipbook.name(), "first": flipbook.first, "end": flipbook.end, "status": "made"}
            write_stack(Path(outputs[0], f"{flipbook.name()}.tif"), cut(volume, flipbook), patch.axis, sizes[name])
        found.append(row)
        progress.step()
    table_files.write(table_files.from_rows(found, "flipbooks"), "flipbooks", outputs[1])


def write_stack(path: Path, stack: NDArray[np.uint8], axis: int, size: Mapping[Any, Any]) -> None:
    """Write (slices, rows, columns) as a .tif that ImageJ opens as a stack, with the size of its voxels in um.

    axis: that the slices are along. size: voxel_z_nm, voxel_y_nm, voxel_x_nm; missing for videos.
    """
    import tifffile

    names = {0: "zyx", 1: "yzx", 2: "xzy"}[axis]
    depth, height, width = (float(size[f"voxel_{name}_nm"]) / 1000 for name in names)
    metadata: dict[str, Any] = {"axes": "ZYX"}
    options: dict[str, Any] = {}
    if not np.isnan([depth, height, width]).any():
        metadata |= {"spacing": depth, "unit": "um"}
        options = {"resolution": (1 / width, 1 / height)}
    with atomic_write(path) as unfinished:
        tifffile.imwrite(unfinished, stack, imagej=True, metadata=metadata, **options)


def merge_flipbooks(parts: Sequence[str | Path], path: str | Path) -> None:
    """Join the parts of the table `flipbooks`."""
    join_parts("flipbooks", parts, path)
    status = table_files.read("flipbooks", path, ["status"])["status"]
    told = f"{counted(int((status == 'made').sum()), 'flipbook')} of {counted(len(status), 'patch')}"
    log.info(f"flipbooks: {told} are in {Path(path).with_name('flipbooks')}; {path} says why others are not")
