"""Crops out of volumes that are too large to be copied: boxes of a grid that are not padding, chosen by a seed.

What a box holds is looked up in the coarsest scale at which it still has 2 voxels along each axis, so that boxes of
terabytes are judged by megabytes.
"""

import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from hashlib import sha256
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ifcb_abundance.common.words import counted
from ifcb_abundance.curation.grey import scale_numbers
from ifcb_abundance.stores.array_metadata import Told
from ifcb_abundance.stores.arrays import OpenArray, open_array
from ifcb_abundance.stores.boxes import Exact, Grid, IndexBox, exact, floats
from ifcb_abundance.stores.places import ArrayError, Place
from ifcb_abundance.tables import table_files
from ifcb_abundance.volumes.dataset_list import Dataset
from ifcb_abundance.volumes.files import MRC, TIFF, NoVolumeError, open_volume, suffix_of
from ifcb_abundance.volumes.names import Crop
from ifcb_abundance.volumes.nrrd_file import write_nrrd

log = logging.getLogger("ifcb.volumes")

VERSION = 1  # of boxes and crops: raise it so that all are made again
THINNEST = 5  # voxels of a crop along each axis
FEWEST = 2  # voxels of a box along each axis, at the scale where it is judged
BLOCK = 1 << 25  # voxels of the coarse scale that are in memory at a time


@dataclass(frozen=True)
class LocalFile:
    """A .nrrd, .mrc or .tif with the questions of an OpenArray. It has one scale."""

    path: Path
    array: NDArray[Any]
    grid: Grid

    @property
    def name(self) -> str:
        """The path, for messages."""
        return str(self.path)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of a voxel."""
        return self.array.dtype

    @property
    def notes(self) -> list[str]:
        """What a reader has to know."""
        return []

    def read(self, box: IndexBox) -> NDArray[Any]:
        """Read a box, in z, y, x."""
        z, y, x = (slice(a, b) for a, b in zip(box.lower, box.upper, strict=True))
        array = self.array
        if not (isinstance(array, np.memmap) and array.filename and array.flags.c_contiguous):
            return np.array(array[z, y, x])
        found = np.empty(box.shape, array.dtype)
        step = max(1, 4 * BLOCK // array[0].nbytes)
        for start in range(z.start, z.stop, step):
            stop = min(start + step, z.stop)
            # Mapped anew, what was read before does not stay in memory: a file may be larger than it.
            part = np.memmap(array.filename, array.dtype, "r", array.offset, array.shape)
            found[start - z.start : stop - z.start] = part[start:stop, y, x]
            del part
        return found


Scale = OpenArray | LocalFile


@lru_cache(maxsize=64)
def open_scale(dataset: Dataset, scale: int) -> Scale:
    """Open a dataset at a scale. Raises ArrayError if there is none, or nothing says how large its voxels are."""
    path = Path(dataset.url)
    if "://" not in dataset.url and suffix_of(path) and not path.is_dir():
        return _open_file(dataset, path, scale)
    voxel = [size * 2**scale for size in dataset.voxel_nm] if dataset.voxel_nm else None
    place = Place(dataset.url, endpoint_url=dataset.endpoint_url)
    return open_array(place, scale, Told(voxel_nm=voxel))


def _open_file(dataset: Dataset, path: Path, scale: int) -> LocalFile:
    if scale:
        raise ArrayError(f"{path} has one scale: set mip to 0")
    if (suffix_of(path) or "").lower() not in (".nrrd", *MRC, *TIFF):
        raise ArrayError(f"{path}: crops are taken from .nrrd, .mrc, .rec and .tif files, and from arrays")
    try:
        volume = open_volume(path)
    except NoVolumeError as error:
        raise ArrayError(f"{path} {error}") from None
    voxel = volume.voxel_nm or dataset.voxel_nm
    if voxel is None:
        raise ArrayError(f"{path} does not say how large its voxels are: fill in voxel_x, voxel_y and voxel_z")
    if volume.array is None or volume.array.ndim != 3:
        raise ArrayError(f"{path} has colours: crops are taken from grey volumes")
    return LocalFile(path, volume.array, Grid(volume.shape, exact(voxel), exact(volume.origin_nm)))


@dataclass(frozen=True)
class Overview:
    """A dataset at the scale of its crops and at the one where boxes are judged.

    mip, coarse: the two scales. side: of a box at `mip`, in voxels.
    """

    dataset: Dataset
    fine: Scale
    coarse: Scale
    coarse_scale: int

    @property
    def first(self) -> tuple[int, int, int]:
        """The absolute number of the first voxel at the scale of crops, z, y, x."""
        z, y, x = (math.floor(o / v) for o, v in zip(self.fine.grid.offset, self.fine.grid.voxel, strict=True))
        return z, y, x


def open_overview(dataset: Dataset) -> Overview:
    """Open a dataset at the scale of its crops, and at the coarsest one at which a box has 2 voxels along each axis."""
    fine = coarse = open_scale(dataset, dataset.mip)
    number = dataset.mip
    if dataset.crop and isinstance(fine, OpenArray):
        known = fine.metadata.scales
        last = known - 1 if known else dataset.mip + int(math.log2(dataset.crop_size))
        for scale in range(dataset.mip + 1, last + 1):
            try:
                other = open_scale(dataset, scale)
            except ArrayError:
                break
            ratios = [a / b for a, b in zip(other.grid.voxel, fine.grid.voxel, strict=True)]
            if any(dataset.crop_size / ratio < FEWEST for ratio in ratios):
                break
            coarse, number = other, scale
    return Overview(dataset, fine, coarse, number)


def boxes(overview: Overview) -> list[IndexBox]:
    """List the boxes of a dataset at the scale of crops: a grid from its first voxel, clipped at its end."""
    shape = overview.fine.grid.shape
    if not overview.dataset.crop:
        return [overview.fine.grid.whole]
    side = overview.dataset.crop_size
    starts = [range(0, n, side) for n in shape]
    return [
        IndexBox((z, y, x), (min(z + side, shape[0]), min(y + side, shape[1]), min(x + side, shape[2])))
        for z, y, x in product(*starts)
    ]


def crop_of(overview: Overview, box: IndexBox) -> Crop:
    """Name a box by its absolute voxels."""
    (z0, y0, x0), (z1, y1, x1) = (
        [i + f for i, f in zip(corner, overview.first, strict=True)] for corner in (box.lower, box.upper)
    )
    return Crop(overview.dataset.name, overview.dataset.mip, x0, x1, y0, y1, z0, z1)


def judged_at(overview: Overview, box: IndexBox) -> IndexBox:
    """Return every voxel of the coarse scale that a box touches."""
    grid = overview.fine.grid
    inside = overview.coarse.grid.cut(overview.coarse.grid.touched(grid.begin(box), grid.end(box)))
    if inside is not None:
        return inside
    # Scales of some pyramids do not reach as far as each other: take the nearest voxel.
    shape = overview.coarse.grid.shape
    lower = [min(max(0, a), n - 1) for a, n in zip(box.lower, shape, strict=True)]
    return IndexBox((lower[0], lower[1], lower[2]), (lower[0] + 1, lower[1] + 1, lower[2] + 1))


@dataclass(frozen=True)
class Judged:
    """What the coarse scale says. filled: of each box, the part that is no padding. least, greatest: stored values."""

    filled: list[float]
    least: float
    greatest: float


def judge(overview: Overview, candidates: list[IndexBox]) -> Judged:
    """Read the coarse scale, some slices at a time, and count in each box what is no padding."""
    grid, padding = overview.coarse.grid, overview.dataset.padding_value
    spans = [judged_at(overview, box) for box in candidates]
    solid = [0] * len(candidates)
    least, greatest = math.inf, -math.inf
    step = max(1, BLOCK // (grid.shape[1] * grid.shape[2]))
    for layer in _layers(candidates):
        first, end = min(spans[number].lower[0] for number in layer), max(spans[number].upper[0] for number in layer)
        for top in range(first, end, step):
            bottom = min(top + step, end)
            values = overview.coarse.read(IndexBox((top, 0, 0), (bottom, *grid.shape[1:])))
            least, greatest = min(least, float(values.min())), max(greatest, float(values.max()))
            for number in layer:
                (z0, y0, x0), (z1, y1, x1) = spans[number].lower, spans[number].upper
                part = values[max(z0 - top, 0) : max(z1 - top, 0), y0:y1, x0:x1]
                solid[number] += int(np.count_nonzero(part != padding))
    filled = [n / math.prod(span.shape) for n, span in zip(solid, spans, strict=True)]
    return Judged(filled, least, greatest)


def _layers(candidates: list[IndexBox]) -> Iterator[list[int]]:
    """Group the numbers of boxes by where they begin along z."""
    layers: dict[int, list[int]] = {}
    for number, box in enumerate(candidates):
        layers.setdefault(box.lower[0], []).append(number)
    yield from layers.values()


def choose_boxes(
    dataset: Dataset, max_bytes: int, least_filled: float, seed: int, outputs: tuple[str | Path, str | Path]
) -> None:
    """Choose the crops of a dataset. Nothing of them is read yet.

    max_bytes: of all crops of the dataset. least_filled: part of a box that has to be no padding. outputs: the
    dataset's part of the table `boxes`, and its row of `sampled_datasets`. Raises ArrayError if the dataset cannot be
    opened, or is wanted whole and is too large.
    """
    overview = open_overview(dataset)
    for note in overview.fine.notes:
        log.warning(f"crops: {overview.fine.name}: {note}")
    candidates = boxes(overview)
    size = math.prod(overview.fine.grid.shape)
    if not dataset.crop and size > max_bytes:
        raise ArrayError(
            f"samples.list: line {dataset.line}: {dataset.name} is wanted whole and has {size:,} voxels, more than "
            f"samples.max_bytes ({max_bytes:,}): set crop to TRUE, a coarser mip, or a larger samples.max_bytes"
        )
    looked_at = math.prod(overview.coarse.grid.shape) * overview.coarse.dtype.itemsize
    log.info(
        f"crops of {dataset.name}: {counted(len(candidates), 'box')} to choose from; judging them reads "
        f"{looked_at:,} bytes, scale {overview.coarse_scale}"
    )
    judged = judge(overview, candidates)
    rows = _rows(overview, candidates, judged, max_bytes, least_filled if dataset.crop else 0.0, seed)
    taken = [box for box, row in zip(candidates, rows, strict=True) if row["status"] == "taken"]
    total = sum(math.prod(box.shape) for box in taken) * overview.fine.dtype.itemsize
    log.info(f"crops of {dataset.name}: {counted(len(taken), 'crop')}, {total:,} bytes to read")
    table_files.write(table_files.from_rows(rows, "boxes"), "boxes", outputs[0])
    _write_dataset(overview, judged, (len(candidates), len(taken)), outputs[1])


def _rows(
    overview: Overview,
    candidates: list[IndexBox],
    judged: Judged,
    max_bytes: int,
    least_filled: float,
    seed: int,
) -> list[dict[str, Any]]:
    rows = []
    for box, filled in zip(candidates, judged.filled, strict=True):
        crop = crop_of(overview, box)
        place = {name: value for name, value in crop._asdict().items() if name not in ("dataset", "mip")}
        row = {"crop": crop.name(), "dataset": overview.dataset.name, "mip": overview.dataset.mip, **place}
        reason = ""
        if min(box.shape) < THINNEST:
            reason = f"thinner than {THINNEST} voxels"
        elif filled < least_filled:
            reason = f"less than {least_filled:g} of it is no padding"
        rows.append({**row, "filled": filled, "status": "left_out" if reason else "usable", "reason": reason})
    side = overview.dataset.crop_size
    most = max(1, max_bytes // side**3) if overview.dataset.crop else 1
    usable = [row for row in rows if row["status"] == "usable"]
    usable.sort(key=lambda row: sha256(f"{seed}/{row['crop']}".encode()).digest())
    for number, row in enumerate(usable):
        row["status"] = "taken" if number < most else "left_out"
        row["reason"] = "" if number < most else f"{most} others come first by the seed"
    return rows


def _write_dataset(overview: Overview, judged: Judged, counts: tuple[int, int], path: str | Path) -> None:
    fine = overview.fine
    rule = scale_rule(fine.dtype, judged.least, judged.greatest)
    row: dict[str, Any] = {
        "dataset": overview.dataset.name,
        "url": overview.dataset.url,
        "scale": overview.dataset.mip,
        "judged_scale": overview.coarse_scale,
        "stored": fine.dtype.name,
        "rule": rule.rule + (", inverted" if overview.dataset.invert else ""),
        "low": rule.low,
        "high": rule.high,
        "n_boxes": counts[0],
        "n_taken": counts[1],
    }
    for number, axis in enumerate("zyx"):
        row[f"shape_{axis}"] = fine.grid.shape[number]
        row[f"voxel_{axis}_nm"] = float(fine.grid.voxel[number])
        row[f"offset_{axis}_nm"] = float(fine.grid.offset[number])
    table_files.write(table_files.from_rows([row], "sampled_datasets"), "sampled_datasets", path)


def scale_rule(kind: np.dtype[Any], least: float, greatest: float) -> Any:
    """Return how stored values become bytes: uint8 as it is, others by the range of the dataset."""
    scaling = "type" if kind == np.uint8 else "range"
    return scale_numbers(np.array([[least, greatest]]).astype(kind), least, greatest, scaling)


def sample_volume(
    dataset: Dataset, crop: Crop, filled: float, told: str | Path, outputs: tuple[str | Path, str | Path]
) -> None:
    """Read a crop and write it as .nrrd of bytes, with its place in nm, and its row of the table `crops`.

    told: the dataset's row of `sampled_datasets`. outputs: the .nrrd and the row.
    """
    fine = open_scale(dataset, dataset.mip)
    (row,) = table_files.read("sampled_datasets", told).to_dict("records")
    first = [math.floor(o / v) for o, v in zip(fine.grid.offset, fine.grid.voxel, strict=True)]
    z, y, x = first
    box = IndexBox((crop.z0 - z, crop.y0 - y, crop.x0 - x), (crop.z1 - z, crop.y1 - y, crop.x1 - x))
    values = fine.read(box)
    voxels = to_bytes(values, float(row["low"]), float(row["high"]))
    if dataset.invert:
        voxels = np.invert(voxels)
    size, origin = _triple(fine.grid.voxel), _triple(fine.grid.begin(box))
    digest = write_nrrd(Path(outputs[0]), [voxels], box.shape, size, origin, packed=True)
    place = {name: value for name, value in crop._asdict().items() if name not in ("dataset", "mip")}
    sizes = {f"voxel_{axis}_nm": each for axis, each in zip("xyz", reversed(size), strict=True)}
    entry = {"crop": crop.name(), "dataset": dataset.name, "mip": dataset.mip, **place, **sizes}
    table_files.write(
        table_files.from_rows([{**entry, "filled": filled, "sha256": digest}], "crops"), "crops", outputs[1]
    )


def to_bytes(values: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    """Scale a crop by the range of its dataset; values outside of it, which the coarse scale lacks, become 0 or 255."""
    if values.dtype == np.uint8:
        return values
    flat = np.clip(values, low, high).astype(values.dtype).reshape(-1, values.shape[-1])
    return scale_numbers(flat, low, high, "range").pixels.reshape(values.shape)


def _triple(values: Exact | list[Fraction]) -> tuple[float, float, float]:
    z, y, x = floats(values)
    return z, y, x
