"""Describes arrays and shows a box of each: one box in nm, cut from an array and from its labels.

Everything that can be refused is refused by `describe_array`, which asks for metadata alone. `view_array` opens what is
described and asks for the chunks of the box.
"""

import json
import logging
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

from ifcb_abundance.common.atomic_write import atomic_write
from ifcb_abundance.common.words import counted
from ifcb_abundance.stores.array_metadata import Metadata, Told
from ifcb_abundance.stores.arrays import OpenArray, described, open_array, open_found, same_grid
from ifcb_abundance.stores.boxes import IndexBox, exact, floats
from ifcb_abundance.stores.colours import Bytes, laid_over
from ifcb_abundance.stores.neuroglancer import link
from ifcb_abundance.stores.places import FEW, ArrayError, Place, ScaleError
from ifcb_abundance.tables import table_files

VERSION = 1  # of what the rules write; another one makes the files anew

log = logging.getLogger("ifcb.arrays")


@dataclass(frozen=True)
class Wanted:
    """An array of the config.

    box: a mapping of unit, z, y and x, or None for the middle plane. requests: in flight at a time.
    """

    url: str
    labels: str | None
    endpoint_url: str | None
    anonymous: bool
    scale: int
    box: Mapping[str, Any] | None
    axes: str | None
    voxel_nm: list[float] | None
    offset_nm: list[float] | None
    requests: int = FEW

    def told(self, name: str) -> Told:
        """What the config says of the array of that name, and of its labels, where a store does not."""
        return Told(self.axes, self.voxel_nm, self.offset_nm, f"arrays.{name}")

    def place(self, url: str) -> Place:
        """The place of the array or of its labels."""
        return Place(url, self.endpoint_url, self.anonymous, self.requests)


def describe_array(name: str, wanted: Mapping[str, Any], path: str) -> None:
    """Ask what an array is and which box of it will be shown, and write that as JSON.

    name: of the array in the config. wanted: its keys there. Raises ArrayError before any chunk is asked for: no array,
    no size of a voxel, a box outside, labels that do not fit.
    """
    asked = Wanted(**wanted)
    told = asked.told(name)
    raw = open_array(asked.place(asked.url), asked.scale, told)
    notes = list(raw.notes)
    box = _cut(raw, asked.box, notes)
    entry = {"name": name, **described(raw), "labels": None, **_record(raw, box)}
    size = _bytes(raw, box)
    if asked.labels is not None:
        labels = _open_labels(asked, told, raw)
        over = _same_place(raw, labels, box)
        notes += [f"labels: {note}" for note in labels.notes]
        size += _bytes(labels, over)
        entry["labels"] = {"url": labels.name, **described(labels), **_record(labels, over)}
    _refuse_too_large(raw, size)
    for note in notes:
        log.warning(f"array {name}: {note}")
    with atomic_write(path) as unfinished:
        text = json.dumps({**entry, "notes": notes}, indent=1, ensure_ascii=False)
        unfinished.write_text(text + "\n", encoding="utf-8")


def tabulate_arrays(paths: Iterable[str], path: str) -> None:
    """Write the table of all arrays: what `describe_array` says of each. Lists are joined by spaces."""
    names = table_files.columns("arrays")
    rows = [json.loads(Path(each).read_text(encoding="utf-8")) for each in paths]
    cells = [[_cell(row[name]) for name in names] for row in rows]
    frame = pd.DataFrame(cells, columns=names).sort_values("name", ignore_index=True)
    table_files.write(frame, "arrays", path)
    log.info(f"arrays: {counted(len(frame), 'array')} in {path}; boxes and pictures of them lie beside it")


def view_array(wanted: Mapping[str, Any], description: str, files: Mapping[str, str], requests: int = 0) -> None:
    """Read the box that is described and write it: `npz`, the arrays; `png`, its middle plane; `txt`, a link.

    wanted: the keys of the array in the config. description: what `describe_array` wrote. requests: in flight at once;
    0 for a few. Raises ArrayError.
    """
    asked = Wanted(**wanted, requests=requests or FEW)
    entry = json.loads(Path(description).read_text(encoding="utf-8"))
    raw, box = _reopened(asked, entry)
    labels, over = _reopened(asked, entry["labels"]) if entry["labels"] else (None, box)
    pixels = raw.read(box)
    ids = labels.read(over) if labels else None
    arrays = {"raw": pixels} | ({"labels": ids} if ids is not None else {})
    place = {"offset_nm": np.array(floats(raw.grid.begin(box))), "voxel_nm": np.array(floats(raw.grid.voxel))}
    with atomic_write(files["npz"]) as unfinished, unfinished.open("wb") as file:
        np.savez_compressed(file, **arrays, **place)  # type: ignore[arg-type]
    middle = box.shape[0] // 2
    picture = grey(pixels, middle)
    if ids is not None:
        picture = laid_over(picture, ids[middle])
    with atomic_write(files["png"]) as unfinished:
        Image.fromarray(picture).save(unfinished, format="PNG")
    with atomic_write(files["txt"]) as unfinished:
        unfinished.write_text(link(raw, labels, box), encoding="utf-8")


def grey(box: npt.NDArray[Any], plane: int) -> Bytes:
    """Return a plane of a box as 8 bit: uint8 as it is, other types stretched from least to largest of the box.

    Values that are no numbers are black, and do not count for the stretch.
    """
    if box.dtype == np.uint8:
        plain: Bytes = box[plane]
        return plain
    if box.dtype == np.bool_:
        return np.where(box[plane], np.uint8(255), np.uint8(0))
    low, high = _range(box)
    result = np.zeros(box.shape[1:], np.uint8)
    for row, values in enumerate(box[plane]):
        if high > low:
            share = (values.astype(np.float64) - low) / (high - low)
            result[row] = np.rint(255 * np.nan_to_num(np.clip(share, 0, 1), nan=0))
    return result


def _range(box: npt.NDArray[Any]) -> tuple[float, float]:
    """The least and the largest number of a box; 0 and 0 if there is none."""
    low, high = math.inf, -math.inf
    for plane in box:
        numbers = plane if plane.dtype.kind in "ui" else plane[np.isfinite(plane)]
        if numbers.size:
            low, high = min(low, float(numbers.min())), max(high, float(numbers.max()))
    return (low, high) if low <= high else (0.0, 0.0)


# --- boxes ---


def _cut(raw: OpenArray, box: Mapping[str, Any] | None, notes: list[str]) -> IndexBox:
    """The part of the asked box that lies in the array; the notes say if it is not all of it."""
    try:
        asked = raw.grid.asked_for(box)
    except ArrayError as error:
        raise ArrayError(f"{raw.name}: {error}") from None
    inside = raw.grid.cut(asked)
    if inside is None:
        raise ArrayError(
            f"{raw.name}: the box {raw.grid.bounds(asked)} lies outside of the array, which is at {raw.grid.bounds()}: "
            "set box within it"
        )
    if inside != asked:
        notes.append(f"the box is cut at the bounds of the array: {raw.grid.bounds(inside)}")
    return inside


def _open_labels(asked: Wanted, told: Told, raw: OpenArray) -> OpenArray:
    """Open the labels at the scale of the array, or the labels that have no other scale."""
    place = asked.place(str(asked.labels))
    try:
        labels = open_array(place, asked.scale, told)
    except ScaleError:
        labels = open_array(place, 0, told)
    if labels.dtype.kind not in "uib":
        raise ArrayError(
            f"{labels.name}: labels are whole numbers, and these are {labels.store.dtype.name}: set others"
        )
    if labels.grid.voxel != raw.grid.voxel:
        raise ArrayError(
            f"{labels.name}: its voxels of {floats(labels.grid.voxel)} nm (z, y, x) are not those of {raw.name}, which "
            f"are {floats(raw.grid.voxel)} nm: set scale, or labels of the same voxels"
        )
    if not same_grid(raw.grid, labels.grid):
        raise ArrayError(
            f"{labels.name}: its voxels lie between those of {raw.name}: they begin at {floats(labels.grid.offset)} nm "
            f"(z, y, x), those at {floats(raw.grid.offset)} nm. Set labels whose offset differs by whole voxels"
        )
    return labels


def _same_place(raw: OpenArray, labels: OpenArray, box: IndexBox) -> IndexBox:
    """The box of the labels at the place of a box of the array."""
    over = labels.grid.touched(raw.grid.begin(box), raw.grid.end(box))
    if labels.grid.cut(over) != over:
        raise ArrayError(
            f"{labels.name}: the labels are of another extent, and do not cover the box. They are at "
            f"{labels.grid.bounds()}; the box is {raw.grid.bounds(box)}: set box within both"
        )
    return over


def _bytes(array: OpenArray, box: IndexBox) -> int:
    return math.prod(box.shape) * array.dtype.itemsize


def _refuse_too_large(raw: OpenArray, size: int) -> None:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if size > memory:
        raise ArrayError(
            f"{raw.name}: the box is {size / 1e9:,.1f} GB, more than the memory of this machine "
            f"({memory / 1e9:,.1f} GB): set a smaller box"
        )


# --- what is described, as JSON ---


def _record(array: OpenArray, box: IndexBox) -> dict[str, Any]:
    """What `_reopened` needs: the box, and all that opens the array without another request."""
    return {
        "box_zyx": {"lower": list(box.lower), "upper": list(box.upper)},
        "array": array.metadata.place.url,
        "spec": dict(array.metadata.spec),
    }


def _reopened(asked: Wanted, entry: Mapping[str, Any]) -> tuple[OpenArray, IndexBox]:
    """The array and the box of a description."""
    axes = entry["stored_axes"]
    sizes = dict(zip("zyx", entry["shape_zyx"], strict=True))
    metadata = Metadata(
        entry["format"],
        asked.place(entry["array"]),
        entry["spec"],
        [sizes.get(axis, 1) for axis in axes],
        axes,
        entry["scale"],
        entry["scales"],
        exact(entry["voxel_nm_zyx"]),
        exact(entry["offset_nm_zyx"]),
    )
    box = entry["box_zyx"]
    return open_found(metadata), IndexBox(tuple(box["lower"]), tuple(box["upper"]))


def _cell(value: Any) -> Any:
    if isinstance(value, dict):
        return "; ".join(f"{key}: {text}" for key, text in value.items())
    return " ".join(map(str, value)) if isinstance(value, list) else value
