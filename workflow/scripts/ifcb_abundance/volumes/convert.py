"""Turn volumes of any kind into volumes of bytes, the input untouched, and say how."""

import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from ifcb_abundance.common.atomic_write import atomic_write
from ifcb_abundance.common.errors import RawFileError
from ifcb_abundance.common.words import counted
from ifcb_abundance.curation.grey import scale_numbers, to_grey
from ifcb_abundance.tables import table_files
from ifcb_abundance.volumes.files import NoVolumeError, Triple, is_video, open_volume
from ifcb_abundance.volumes.nrrd_file import write_nrrd

log = logging.getLogger("ifcb.volumes")

VERSION = 4  # of what is made of a volume: raise it so that all are made again

NAMED = 3  # volumes in a message

Slices = Callable[[], Iterator[NDArray[Any]]]


def convert_volume(
    name: str,
    path: str | Path,
    scaling: str,
    axes: Sequence[int],
    anisotropy: float,
    voxel_nm: Sequence[float] | None,
    outputs: tuple[str | Path, str | Path],
) -> None:
    """Write a volume as .nrrd of bytes, and its row of the table `volumes`.

    scaling: `type` or `range`, as in curation. axes: those that are wanted; only 0 stays where (x - z) / x of the
    voxels is above `anisotropy`, and of videos. voxel_nm: z, y, x, for a file that does not say. outputs:
    the .nrrd and the table. If the file cannot be used, its row says why, and the .nrrd is empty.
    """
    volume_path, table = map(Path, outputs)
    path = Path(path)
    row: dict[str, Any] = {"volume": name, "file": str(path)}
    try:
        row |= _convert(path, name, scaling, (axes, anisotropy), voxel_nm, volume_path)
    except NoVolumeError as error:
        log.warning(f"volumes: {path} is not used: {error}")
        row["problem"] = str(error)
        with atomic_write(volume_path) as unfinished:
            unfinished.touch()
    table_files.write(table_files.from_rows([row], "volumes"), "volumes", table)


def _convert(
    path: Path,
    name: str,
    scaling: str,
    cut: tuple[Sequence[int], float],
    given: Sequence[float] | None,
    volume_path: Path,
) -> dict[str, Any]:
    volume = open_volume(path)
    for note in volume.notes:
        log.warning(f"volumes: {path}: {note}")
    voxel, voxel_from = volume.voxel_nm, volume.voxel_from
    if given is not None and voxel is None:
        voxel, voxel_from = (float(given[0]), float(given[1]), float(given[2])), "volumes.voxel_nm"
    video = is_video(path)
    if voxel is None and not video:
        raise NoVolumeError(f"does not say how large its voxels are: set volumes.voxel_nm: {{{name}: [z, y, x]}}")
    slices, rule, low, high = as_bytes(volume.blocks, scaling)
    digest = write_nrrd(volume_path, slices(), volume.shape, voxel, volume.origin_nm, space=volume.space)
    sizes = {f"voxel_{axis}_nm": each for axis, each in zip("zyx", voxel, strict=True)} if voxel else {}
    return {
        "format": volume.format,
        "stored": volume.stored,
        **{f"shape_{axis}": n for axis, n in zip("zyx", volume.shape, strict=True)},
        **sizes,
        "voxel_from": voxel_from,
        "axes": " ".join(map(str, axes_to_cut(cut[0], voxel, cut[1], video))),
        "rule": rule,
        "low": low,
        "high": high,
        "sha256": digest,
    }


def axes_to_cut(axes: Sequence[int], voxel_nm: Triple | None, anisotropy: float, video: bool) -> list[int]:
    """Return the axes that a volume is cut along: only 0, if that is wanted, of an anisotropic volume or a video."""
    flat = video or voxel_nm is None or abs(voxel_nm[2] - voxel_nm[0]) / voxel_nm[2] > anisotropy
    return [axis for axis in sorted(axes) if not flat or axis == 0]


def as_bytes(blocks: Slices, scaling: str) -> tuple[Slices, str, float, float]:
    """Turn slices into slices of bytes by one rule for the whole volume.

    Returns what gives the slices; the rule in words; and the stored values that became 0 and 255.
    """
    if next(iter(blocks())).ndim == 4:
        slices, rule, low, high = _one_range(lambda: map(_luma, blocks()), scaling)
        return slices, "luma" if rule == "none" else f"luma, {rule}", low, high
    return _one_range(blocks, scaling)


def _luma(block: NDArray[Any]) -> NDArray[np.uint8]:
    if block.dtype.kind != "u":
        raise NoVolumeError(f"colours of type {block.dtype}")
    n, height, width, _ = block.shape
    eight = to_grey(block.reshape(n * height, width * 3)).pixels.reshape(n * height, width, 3)
    return np.asarray(Image.fromarray(np.ascontiguousarray(eight)).convert("L")).reshape(n, height, width)


def _one_range(blocks: Slices, scaling: str) -> tuple[Slices, str, float, float]:
    """Scale all slices by the range of their type, or by that of all values of the volume."""
    first = next(iter(blocks()))
    of_values = first.dtype.kind == "f" or scaling == "range"
    least, greatest = extremes(blocks) if of_values else (float(first.min()), float(first.max()))
    if not np.isfinite([least, greatest]).all():
        raise NoVolumeError("has NaN or infinity")
    sample = scale_numbers(first[0], least, greatest, scaling)

    def slices() -> Iterator[NDArray[np.uint8]]:
        for block in blocks():
            flat = block.reshape(block.shape[0] * block.shape[1], block.shape[2])
            yield scale_numbers(flat, least, greatest, scaling).pixels.reshape(block.shape)

    return slices, sample.rule, sample.low, sample.high


def extremes(blocks: Slices) -> tuple[float, float]:
    """Return the least and the greatest value of all slices; NaN if there is one."""
    low, high = zip(*((block.min(), block.max()) for block in blocks()), strict=True)
    return float(np.min(low)), float(np.max(high))


def merge_volumes(parts: Sequence[str | Path], path: str | Path) -> None:
    """Join the rows of the table `volumes`. Raises RawFileError if there is no volume, or none can be used."""
    if not parts:
        raise RawFileError(
            f"volumes: no box of the datasets in samples.list was taken; the files in {Path(path).with_name('boxes')} "
            "say why. Lower samples.filled, correct padding_value in samples.list, or choose another crop_size there"
        )
    rows = pd.concat([table_files.read("volumes", part) for part in parts], ignore_index=True)
    broken = rows[rows["problem"] != ""]
    told = "; ".join(f"{file}: {problem}" for file, problem in broken[["file", "problem"]].head(NAMED).to_numpy())
    if len(broken) == len(rows):
        raise RawFileError(f"volumes: none of {counted(len(rows), 'volume')} can be used: {told}")
    if len(broken):
        log.warning(f"volumes: {len(broken)} of {counted(len(rows), 'volume')} are not used, see volumes.csv: {told}")
    table_files.write(rows, "volumes", path)
