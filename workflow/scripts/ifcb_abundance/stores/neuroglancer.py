"""A link that opens an array in neuroglancer at the place that a picture shows.

neuroglancer does not read the offset of zarr and n5 (google/neuroglancer#273), so the link carries it, as a transform.
"""

import json
import os
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any
from urllib.parse import quote

from ifcb_abundance.stores.array_metadata import SPACE
from ifcb_abundance.stores.arrays import OpenArray
from ifcb_abundance.stores.boxes import IndexBox
from ifcb_abundance.stores.places import Place

VIEWER = "https://neuroglancer-demo.appspot.com"
LOCAL = "http://127.0.0.1:9000"  # where the folder of local arrays has to be served


def link(raw: OpenArray, labels: OpenArray | None, box: IndexBox) -> str:
    """Return the link, and for arrays on disk a second line that says what has to be served first."""
    shown = [array for array in (raw, labels) if array is not None]
    folders = [_path(array) for array in shown if array.metadata.place.kind == "file"]
    served = os.path.commonpath([os.path.dirname(folder) for folder in folders]) if folders else ""  # noqa: PTH120
    begin, end = raw.grid.begin(box), raw.grid.end(box)
    middle = {axis: (a + b) / 2 / v for axis, a, b, v in zip("zyx", begin, end, raw.grid.voxel, strict=True)}
    layers = [_layer(raw, "image", "raw", served)]
    if labels is not None:
        layers.append(_layer(labels, "segmentation", "labels", served))
    state = {
        "dimensions": _metres("xyz", raw.grid.voxel),
        "position": [float(middle[axis]) for axis in "xyz"],
        "crossSectionScale": max(1.0, max(box.shape[1:]) / 800),
        "layers": layers,
        "layout": "xy",
    }
    text = f"{VIEWER}/#!{quote(json.dumps(state, separators=(',', ':')), safe='')}\n"
    if folders:
        text += f"# First serve the folder {served} at {LOCAL}, with CORS: see docs/how-to/arrays.md\n"
    return text


def _layer(array: OpenArray, kind: str, name: str, served: str) -> dict[str, Any]:
    metadata = array.metadata
    driver = {"zarr": "zarr2", "neuroglancer_precomputed": "precomputed"}.get(metadata.driver, metadata.driver)
    source: dict[str, Any] = {"url": f"{driver}://{_url(metadata.place, served)}"}
    if metadata.driver != "neuroglancer_precomputed":
        axes = metadata.stored_axes
        dimensions = _metres(axes, array.grid.voxel)
        voxels = [o / v for o, v in zip(array.grid.offset, array.grid.voxel, strict=True)]
        shift = dict(zip("zyx", map(float, voxels), strict=True))
        matrix = [
            [*(float(row == column) for column in range(len(axes))), shift.get(axis, 0.0)]
            for row, axis in enumerate(axes)
        ]
        source["transform"] = {"matrix": matrix, "inputDimensions": dimensions, "outputDimensions": dimensions}
    return {"type": kind, "source": source, "name": name}


def _metres(axes: str, voxel: Sequence[Fraction]) -> Mapping[str, Any]:
    sizes = dict(zip("zyx", voxel, strict=True))
    return {axis if axis in SPACE else f"{axis}'": _dimension(sizes.get(axis)) for axis in axes}


def _dimension(size: Fraction | None) -> list[Any]:
    return [float(size / 10**9), "m"] if size is not None else [1, ""]


def _path(array: OpenArray) -> str:
    return os.path.abspath(array.metadata.place.address)  # noqa: PTH100


def _url(place: Place, served: str) -> str:
    if place.kind == "file":
        return f"{LOCAL}/{quote(os.path.relpath(os.path.abspath(place.address), served))}"  # noqa: PTH100
    if place.kind in ("s3", "gs") and place.endpoint_url:
        return f"{place.endpoint_url.rstrip('/')}/{place.address.partition('://')[2]}"
    return place.address
