"""Crops out of volumes that are too large to be copied: boxes of a grid that are not padding, chosen by a seed.

What a box holds is looked up in the coarsest scale at which it still has 2 voxels along each axis, so that boxes of
terabytes are judged by megabytes.
"""

import logging
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from hashlib import sha256
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ifcb_abundance.common.words import counted
from ifcb_abundance.curation.grey import scale_numbers
from ifcb_abundance.stores.array_metadata import Told
from ifcb_abundance.stores.arrays import OpenArray, open_array
from ifcb_abundance.stores.boxes import Exact, Grid, IndexBox, exact, floats
from ifcb_abundance.stores.places import FEW, ArrayError, Place, UnreachableError
from ifcb_abundance.tables import table_files
from ifcb_abundance.tables.concatenate import join_parts
from ifcb_abundance.volumes.dataset_list import Dataset
from ifcb_abundance.volumes.files import MRC, TIFF, NoVolumeError, open_volume, suffix_of
from ifcb_abundance.volumes.names import Crop
from ifcb_abundance.volumes.nrrd_file import write_nrrd

log = logging.getLogger("ifcb.volumes")

VERSION = 2  # of crops: raise it so that all are read again
BOXES = 3  # the version of the choice of boxes
THINNEST = 5  # voxels of a crop along each axis
FEWEST = 2  # voxels of a box along each axis, at the scale where it is judged
# Keys of an array in the config, and what the list calls them: messages about arrays name the keys.
COLUMNS = {r"\b(set|check|or|and) url\b": r"\1 download_url", r"\b(set|and) scale\b": r"\1 mip"}
COLUMNS |= {r"\bset voxel_nm: \[z, y, x\]": "fill in voxel_x, voxel_y and voxel_z"}
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
def open_scale(dataset: Dataset, scale: int, requests: int = 0) -> Scale:
    """Open a dataset at a scale. Raises ArrayError if there is none, or nothing says how large its voxels are.

    requests: in flight at a time; 0 for a few. The error names the line of the list and its columns.
    """
    try:
        return _open(dataset, scale, requests or FEW)
    except ArrayError as error:
        text = str(error)
        for key, column in COLUMNS.items():
            text = re.sub(key, column, text, flags=re.IGNORECASE)
        raise type(error)(f"samples.list: line {dataset.line}: {dataset.name}: {text}") from error


def _open(dataset: Dataset, scale: int, requests: int) -> Scale:
    path = Path(dataset.url)
    if "://" not in dataset.url and suffix_of(path) and not path.is_dir():
        return _open_file(dataset, path, scale)
    place = Place(dataset.url, endpoint_url=dataset.endpoint_url, connections=requests)
    return open_array(place, scale, Told(finest_nm=dataset.voxel_nm))


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

    fine, coarse: the two. coarse_scale: the number of the second one.
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


def open_overview(dataset: Dataset, requests: int = 0) -> Overview:
    """Open a dataset at the scale of its crops, and at the coarsest one at which a box has 2 voxels along each axis.

    requests: in flight at a time; 0 for a few. Scales end where one cannot be read. Raises UnreachableError where a
    server has a fault, which says nothing of them.
    """
    fine = coarse = open_scale(dataset, dataset.mip, requests)
    number = dataset.mip
    if dataset.crop and isinstance(fine, OpenArray):
        known = fine.metadata.scales
        last = known - 1 if known else dataset.mip + int(math.log2(dataset.crop_size))
        for scale in range(dataset.mip + 1, last + 1):
            try:
                other = open_scale(dataset, scale, requests)
            except UnreachableError:
                raise
            except ArrayError:
                break
            ratios = [a / b for a, b in zip(other.grid.voxel, fine.grid.voxel, strict=True)]
            if any(dataset.crop_size / ratio < FEWEST for ratio in ratios):
                break
            coarse, number = other, scale
    return Overview(dataset, fine, coarse, number)


Spans = list[tuple[int, int]]  # along an axis, half-open


def grid_of(overview: Overview) -> tuple[Spans, Spans, Spans]:
    """Return where boxes begin and end along z, y and x, at the scale of crops: each with each is a box.

    The grid begins at the first voxel and is clipped at the end. A dataset that is wanted whole is one box.
    """
    side = overview.dataset.crop_size if overview.dataset.crop else max(overview.fine.grid.shape)
    z, y, x = ([(start, min(start + side, n)) for start in range(0, n, side)] for n in overview.fine.grid.shape)
    return z, y, x


def judged_span(overview: Overview, axis: int, start: int, stop: int) -> tuple[int, int]:
    """Return every voxel of the coarse scale that a span along an axis touches; the nearest one if it touches none.

    Scales of some pyramids do not reach as far as each other.
    """
    fine, coarse = overview.fine.grid, overview.coarse.grid
    begin, end = (
        (fine.offset[axis] + index * fine.voxel[axis] - coarse.offset[axis]) / coarse.voxel[axis]
        for index in (start, stop)
    )
    n = coarse.shape[axis]
    first = min(max(math.floor(begin), 0), n - 1)
    return first, max(min(math.ceil(end), n), first + 1)


@dataclass(frozen=True, eq=False)
class Judged:
    """What the coarse scale says.

    filled: of each box the part that is no padding, by its place along z, y and x. least, greatest: stored values.
    """

    filled: NDArray[np.float64]
    least: float
    greatest: float


def judge(overview: Overview, grid: tuple[Spans, Spans, Spans]) -> Judged:
    """Read the coarse scale, some slices at a time, and count in each box what is no padding.

    NaN and infinity are padding too. Raises ArrayError if there is no other value.
    """
    shape, padding = overview.coarse.grid.shape, overview.dataset.padding_value
    z, y, x = (np.array([judged_span(overview, axis, *span) for span in spans]) for axis, spans in enumerate(grid))
    least, greatest = math.inf, -math.inf
    step = max(1, BLOCK // (shape[1] * shape[2]))
    filled = []
    for first, end in z.tolist():
        # Counts of the layer from the corner to each row and column: a box is a difference of four of them.
        solid = np.zeros((shape[1] + 1, shape[2] + 1), np.int64)
        for top in range(first, end, step):
            values = overview.coarse.read(IndexBox((top, 0, 0), (min(top + step, end), *shape[1:])))
            low, high = finite_range(values)
            least, greatest = min(least, low), max(greatest, high)
            solid[1:, 1:] += np.count_nonzero((values != padding) & np.isfinite(values), axis=0)
        solid = solid.cumsum(axis=0).cumsum(axis=1)
        below, above = solid[y[:, 1]], solid[y[:, 0]]
        counts = below[:, x[:, 1]] - above[:, x[:, 1]] - below[:, x[:, 0]] + above[:, x[:, 0]]
        sizes = (end - first) * np.outer(y[:, 1] - y[:, 0], x[:, 1] - x[:, 0])
        filled.append(counts / sizes)
    if least > greatest:
        raise ArrayError(
            f"samples.list: line {overview.dataset.line}: {overview.dataset.name}: all values are NaN or infinity at "
            f"scale {overview.coarse_scale}: there is nothing to take crops of. Take the row out"
        )
    return Judged(np.array(filled), least, greatest)


def finite_range(values: NDArray[Any]) -> tuple[float, float]:
    """Return the least and the greatest value but for NaN and infinity; infinity and -infinity if there is none."""
    if values.dtype.kind == "f":
        values = values[np.isfinite(values)]
    return (float(values.min()), float(values.max())) if values.size else (math.inf, -math.inf)


def choose_boxes(
    dataset: Dataset,
    max_bytes: int,
    least_filled: float,
    seed: int,
    outputs: tuple[str | Path, str | Path],
    requests: int = 0,
) -> None:
    """Choose the crops of a dataset. Nothing of them is read yet.

    max_bytes: of all crops of the dataset, as they are read. least_filled: part of a box that has to be no padding.
    outputs: the dataset's part of the table `boxes`, and its row of `sampled_datasets`. requests: in flight at a time;
    0 for a few. Raises ArrayError if the dataset cannot be opened, has no finite value, or not even one crop is within
    max_bytes.
    """
    overview = open_overview(dataset, requests)
    for note in overview.fine.notes:
        log.warning(f"crops: {overview.fine.name}: {note}")
    grid = grid_of(overview)
    n = math.prod(map(len, grid))
    most = _number_within(overview, grid, max_bytes)
    looked_at = math.prod(overview.coarse.grid.shape) * overview.coarse.dtype.itemsize
    log.info(
        f"crops of {dataset.name}: {counted(n, 'box')} to choose from; judging them reads "
        f"{looked_at:,} bytes, scale {overview.coarse_scale}"
    )
    judged = judge(overview, grid)
    rows = _rows(overview, grid, judged, most, least_filled if dataset.crop else 0.0, seed)
    taken = rows[rows["status"] == "taken"]
    voxels = int(((taken["z1"] - taken["z0"]) * (taken["y1"] - taken["y0"]) * (taken["x1"] - taken["x0"])).sum())
    total = voxels * overview.fine.dtype.itemsize
    log.info(f"crops of {dataset.name}: {counted(len(taken), 'crop')}, {total:,} bytes to read")
    table_files.write(rows, "boxes", outputs[0])
    _write_dataset(overview, judged, (n, len(taken)), outputs[1])


def _number_within(overview: Overview, grid: tuple[Spans, Spans, Spans], max_bytes: int) -> int:
    """Return how many of the largest boxes max_bytes has room for, as they are read; raises ArrayError if for none."""
    dataset, one = overview.dataset, overview.fine.dtype.itemsize
    sides = [max(stop - start for start, stop in spans) for spans in grid]
    size = math.prod(sides) * one
    if size <= max_bytes:
        return max_bytes // size
    z, y, x = sides
    what, remedy = f"a crop of {dataset.name}", "a smaller crop_size"
    if not dataset.crop:
        what, remedy = f"{dataset.name} is wanted whole and", "crop to TRUE"
    raise ArrayError(
        f"samples.list: line {dataset.line}: {what} has {size:,} bytes ({z:,} x {y:,} x {x:,} voxels of "
        f"{counted(one, 'byte')}), more than samples.max_bytes ({max_bytes:,}): set {remedy} or a coarser mip in that "
        f"line, or samples.max_bytes: {size} or more"
    )


def _rows(
    overview: Overview,
    grid: tuple[Spans, Spans, Spans],
    judged: Judged,
    most: int,
    least_filled: float,
    seed: int,
) -> pd.DataFrame:
    """Build the table `boxes`: thin ones and those of padding are left out, and the seed takes `most` of the others."""
    dataset = overview.dataset
    absolute = [[(a + o, b + o) for a, b in spans] for spans, o in zip(grid, overview.first, strict=True)]
    crops = [Crop(dataset.name, dataset.mip, *x, *y, *z) for z, y, x in product(*absolute)]
    rows = pd.DataFrame(crops, columns=Crop._fields)
    rows.insert(0, "crop", [crop.name() for crop in crops])
    rows["filled"] = judged.filled.ravel()
    thin = np.min([rows[f"{axis}1"] - rows[f"{axis}0"] for axis in "zyx"], axis=0) < THINNEST
    empty = rows["filled"].to_numpy() < least_filled
    reasons = [f"thinner than {THINNEST} voxels", f"less than {least_filled:g} of it is no padding"]
    rows["reason"] = np.select([thin, empty], reasons, "")
    usable = np.flatnonzero(~(thin | empty))
    in_order = sorted(usable.tolist(), key=lambda place: sha256(f"{seed}/{rows['crop'].iat[place]}".encode()).digest())
    rows["status"] = "left_out"
    rows.loc[in_order[:most], "status"] = "taken"
    rows.loc[in_order[most:], "reason"] = f"{most} others come first by the seed"
    return rows[table_files.columns("boxes")]


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
    dataset: Dataset,
    crop: Crop,
    filled: float,
    told: str | Path,
    outputs: tuple[str | Path, str | Path],
    requests: int = 0,
) -> None:
    """Read a crop and write it as .nrrd of bytes, with its place in nm, and its row of the table `crops`.

    told: the dataset's row of `sampled_datasets`. outputs: the .nrrd and the row. requests: in flight at a time; 0 for
    a few.
    """
    fine = open_scale(dataset, dataset.mip, requests)
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


def merge_crops(parts: Mapping[str, Sequence[str]], paths: Mapping[str, str]) -> None:
    """Join the parts of the tables `crops`, `boxes` and `sampled_datasets`. Both by the names of the tables."""
    for table in parts:
        join_parts(table, parts[table], paths[table])
    told = f"{counted(len(parts['crops']), 'crop')} of {counted(len(parts['boxes']), 'dataset')}"
    log.info(f"crops: {told} are in {Path(paths['crops']).with_name('crops')}; {paths['crops']} says where each lies")


def to_bytes(values: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    """Scale a crop by the range of its dataset; values outside of it, which the coarse scale lacks, become 0 or 255.

    NaN, which floats of padding may be, becomes 0.
    """
    if values.dtype == np.uint8:
        return values
    if values.dtype.kind == "f":
        values = np.where(np.isnan(values), values.dtype.type(low), values)
    flat = np.clip(values, low, high).astype(values.dtype).reshape(-1, values.shape[-1])
    return scale_numbers(flat, low, high, "range").pixels.reshape(values.shape)


def _triple(values: Exact | list[Fraction]) -> tuple[float, float, float]:
    z, y, x = floats(values)
    return z, y, x
