"""Opens an array where it lies, and reads boxes of it: `open_array`, then `OpenArray.read`.

    array = open_array(Place("s3://bucket/x.zarr/raw"), scale=0)
    array.grid.voxel, array.grid.offset         # nm, exact, z y x
    pixels = array.read(array.grid.whole)       # z, y, x

Only the chunks that a box touches are asked for, each once.
"""

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ifcb_abundance.common.progress import Progress
from ifcb_abundance.stores.array_metadata import SPACE, Metadata, Told, find_metadata
from ifcb_abundance.stores.boxes import Exact, Grid, IndexBox, Indices, floats
from ifcb_abundance.stores.places import ArrayError, Place, tensorstore, why

if TYPE_CHECKING:
    import tensorstore as ts

log = logging.getLogger("ifcb.arrays")

MAIN = {"zarr3": "zarr.json", "zarr": ".zarray", "n5": "attributes.json", "neuroglancer_precomputed": "info"}
PIECE = 128 * 2**20  # bytes of chunks that are unpacked at a time


@dataclass(frozen=True)
class OpenArray:
    """An array at one scale. store: as tensorstore opened it, with all stored axes."""

    metadata: Metadata
    store: "ts.TensorStore"

    @property
    def name(self) -> str:
        """The address of the array, for messages."""
        return self.metadata.place.address

    @cached_property
    def grid(self) -> Grid:
        """Shape, size of a voxel and offset, in z, y, x."""
        voxel, offset = self.metadata.voxel, self.metadata.offset
        if voxel is None or offset is None:
            raise TypeError("the metadata is not complete")
        return Grid(self._zyx(self.metadata.shape), voxel, offset)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of a voxel."""
        return np.dtype(self.store.dtype.numpy_dtype)

    @property
    def chunk(self) -> Indices:
        """The shape of what is stored, or within a shard is compressed, as one piece: z, y, x."""
        return self._zyx(_whole(self.store.chunk_layout.read_chunk.shape))

    @property
    def nbytes(self) -> int:
        """Bytes of all voxels, unpacked, without further channels."""
        return math.prod(self.grid.shape) * self.dtype.itemsize

    @property
    def notes(self) -> list[str]:
        """What a reader has to know: which channel or time is read, of several; what may not be read."""
        shape = dict(zip(self.metadata.stored_axes, self.metadata.shape, strict=True))
        kinds = {"c": "channel", "t": "time"}
        several = [axis for axis in shape if axis not in SPACE and shape[axis] > 1]
        return [f"{kinds.get(axis, axis)} 0 of {shape[axis]} is read" for axis in several] + [
            f"{name} may not be read: if it is there, what it says of voxels, offset and axes is not used"
            for name in self.metadata.refused
        ]

    def read(self, box: IndexBox) -> npt.NDArray[Any]:
        """Read a box, in z, y, x. Raises ArrayError.

        A chunk that is not there has the fill value, and no server says whether it ever was; so where a piece is empty,
        the metadata have to be there still.
        """
        order = [self._space.index(axis) for axis in "zyx"]
        result = np.empty(box.shape, self.dtype)
        pieces = list(self._pieces(box))
        empty = False
        progress = Progress(f"pieces of {self.name}", lambda: (len(pieces), len(pieces))) if pieces[1:] else None
        for piece in pieces:
            if progress:
                progress.begin()
            inside = tuple(
                slice(a - first, b - first) for a, b, first in zip(piece.lower, piece.upper, box.lower, strict=True)
            )
            try:
                view = self._spatial[self._window(piece)].transpose(order)
                result[inside] = view[tensorstore().d[:].translate_to[0]].read().result()
            except Exception as error:  # tensorstore raises any kind
                again = "Run the same command again; if it fails again, the chunk is damaged or closed to you"
                advice = self.metadata.place.advice(error) or again
                raise ArrayError(f"{self.name}: a chunk cannot be read: {why(error)}. {advice}") from None
            empty = empty or self._is_empty(result[inside])
            if progress:
                progress.step()
        if empty:
            self._still_there()
        return result

    def _is_empty(self, piece: npt.NDArray[Any]) -> bool:
        """Whether all voxels have the fill value."""
        fill = 0 if self.store.fill_value is None else self.store.fill_value
        return np.array_equal(piece, np.broadcast_to(fill, piece.shape), equal_nan=True)

    def _still_there(self) -> None:
        """Raises ArrayError if the array's metadata are gone, or cannot be read."""
        place, name = self.metadata.place, MAIN[self.metadata.driver]
        if place.read(name) is None:
            raise ArrayError(
                f"{place.address}: {name} was there and is gone: check url, and whether the array has been moved"
            )

    # --- stored order ---

    @property
    def _space(self) -> str:
        return "".join(axis for axis in self.metadata.stored_axes if axis in SPACE)

    @cached_property
    def _spatial(self) -> "ts.TensorStore":
        """The array without other axes than z, y, x, still in stored order."""
        others = [number for number, axis in enumerate(self.metadata.stored_axes) if axis not in SPACE]
        if self.store.rank > len(self.metadata.stored_axes):  # the one channel of precomputed
            others.append(self.store.rank - 1)
        return self.store[tensorstore().d[others][0]] if others else self.store

    def _zyx(self, values: Sequence[int]) -> Indices:
        by_axis = dict(zip(self.metadata.stored_axes, values, strict=False))
        return int(by_axis["z"]), int(by_axis["y"]), int(by_axis["x"])

    def _window(self, box: IndexBox) -> tuple[slice, ...]:
        """A box as slices of `_spatial`, whose indices begin elsewhere in precomputed."""
        low, high = (dict(zip("zyx", corner, strict=True)) for corner in (box.lower, box.upper))
        origin = dict(zip(self._space, self._spatial.domain.inclusive_min, strict=True))
        return tuple(slice(low[axis] + origin[axis], high[axis] + origin[axis]) for axis in self._space)

    def _pieces(self, box: IndexBox) -> Iterator[IndexBox]:
        """A box in pieces that share no chunk and no shard, each of PIECE bytes or of one chunk."""
        step = self._zyx(_whole(self.store.chunk_layout.write_chunk.shape))
        most = max(1, PIECE // self.dtype.itemsize)
        extent = list(step)
        for axis in (2, 1, 0):
            others = math.prod(extent) // extent[axis]
            longest = box.upper[axis] - box.lower[axis] + step[axis]
            extent[axis] = step[axis] * max(1, min(most // (others * step[axis]), math.ceil(longest / step[axis])))
        spans = []
        for lower, upper, each in zip(box.lower, box.upper, extent, strict=True):
            inner = range(lower // each * each + each, upper, each)
            spans.append(list(zip([lower, *inner], [*inner, upper], strict=True)))
        for z, y, x in product(*spans):
            yield IndexBox((z[0], y[0], x[0]), (z[1], y[1], x[1]))


def open_array(place: Place, scale: int = 0, told: Told | None = None) -> OpenArray:
    """Open an array, or a scale of a pyramid. Raises ArrayError, which says what to do.

    told: what the config says where the store does not.
    """
    return open_found(find_metadata(place, scale, told or Told()))


def open_found(metadata: Metadata) -> OpenArray:
    """Open an array whose metadata is known already, without a request. Raises ArrayError."""
    library = tensorstore()
    try:
        store = library.open(
            {**metadata.spec, "kvstore": metadata.place.kvstore(), "open": True, "assume_metadata": True},
            context=metadata.place.context(),
            read=True,
        ).result()
    except Exception as error:  # tensorstore raises any kind
        raise ArrayError(
            f"{metadata.place.address}: tensorstore cannot read this {metadata.format}: {why(error)}. An array with a "
            "codec or type that it does not know has to be written anew with another one, such as blosc, gzip or zstd"
        ) from None
    array = OpenArray(metadata, store)
    if array.dtype.kind not in "buif":
        raise ArrayError(f"{array.name}: voxels of type {store.dtype.name} cannot be shown: set url to another array")
    return array


def described(array: OpenArray) -> Mapping[str, Any]:
    """What an array is, as plain values."""
    return {
        "format": array.metadata.format,
        "driver": array.metadata.driver,
        "scale": array.metadata.scale,
        "scales": array.metadata.scales,
        "dtype": array.store.dtype.name,
        "stored_axes": array.metadata.stored_axes,
        "shape_zyx": list(array.grid.shape),
        "chunk_zyx": list(array.chunk),
        "voxel_nm_zyx": floats(array.grid.voxel),
        "offset_nm_zyx": floats(array.grid.offset),
        "unit_from": dict(sorted(array.metadata.unit_from.items())),
        "bytes": array.nbytes,
    }


def same_grid(one: Grid, other: Grid) -> bool:
    """Whether the voxels of two arrays coincide wherever both have some."""
    steps: Exact = one.voxel
    apart = ((a - b) / step for a, b, step in zip(one.offset, other.offset, steps, strict=True))
    return one.voxel == other.voxel and all(number.denominator == 1 for number in apart)


def _whole(shape: Sequence[int | None] | None) -> list[int]:
    """A shape of chunks, which all drivers that are used here say."""
    return [size or 1 for size in shape or ()]
