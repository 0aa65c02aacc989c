"""The pixels of patches, out of the zips of cleaned images."""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ifcb_abundance.curation.patches import Tile
from ifcb_abundance.curation.zips import OpenZips, Packed, file_name

DECODED = 1 << 27  # pixels of images that are kept for their next patch

PLACE = ["patch", "image", "group", "y0", "y1", "x0", "x1"]  # the columns of `patches` that are needed


def zip_paths(folder: str | Path, groups: "pd.Series[str]") -> dict[str, Path]:
    """Map groups to the paths of their zips below a folder."""
    return {group: Path(folder, f"{file_name(group)}.zip") for group in groups.unique()}


class PatchImages:
    """Reads patches by their place in a table. Use it in a `with` block; several threads may use one.

    table: with the columns PLACE. zips: group to the zip of its cleaned images.
    """

    def __init__(self, table: pd.DataFrame, zips: Mapping[str, str | Path]) -> None:
        self._patches, self._images, self._groups = (list(table[name]) for name in ("patch", "image", "group"))
        self._tiles = table[["y0", "y1", "x0", "x1"]].to_numpy("int64")
        self._zips = zips
        self._open = OpenZips()
        self._lock = threading.Lock()  # of the open zips and of what is decoded
        self._decoded: OrderedDict[str, NDArray[np.uint8]] = OrderedDict()
        self._n_decoded = 0
        self._is_cut = bool(table["image"].duplicated().any())  # else no image is needed for another patch

    def __enter__(self) -> "PatchImages":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.__exit__(kind, error, trace)

    def png(self, place: int) -> bytes:
        """The PNG file of the image that a patch is cut from."""
        with self._lock:
            return self._open.png(self._zips[self._groups[place]], self._images[place])

    def pixels(self, place: int) -> NDArray[np.uint8]:
        """The (height, width) pixels of a patch."""
        found = self.packed(place)
        return found.pixels() if isinstance(found, Packed) else found

    def packed(self, place: int) -> NDArray[np.uint8] | Packed:
        """A patch as a file and its place in it; or its pixels, if more patches are cut from the same image."""
        path, patch, image = self._zips[self._groups[place]], self._patches[place], self._images[place]
        tile = Tile(*self._tiles[place].tolist())
        with self._lock:
            if self._open.holds(path, patch) and patch != image:
                return Packed(self._open.png(path, patch), slice(None), slice(None))
            if self._is_cut:
                return tile.of(self._decode(path, image))
            return Packed(self._open.png(path, image), slice(tile.y0, tile.y1), slice(tile.x0, tile.x1))

    def _decode(self, path: str | Path, image: str) -> NDArray[np.uint8]:
        """Decode an image that is cut into patches, or take it from those that were decoded last."""
        if (found := self._decoded.get(image)) is not None:
            self._decoded.move_to_end(image)
            return found
        pixels = self._open.pixels(path, image)
        self._decoded[image] = pixels
        self._n_decoded += pixels.size
        while self._n_decoded > DECODED and len(self._decoded) > 1:
            self._n_decoded -= self._decoded.popitem(last=False)[1].size
        return pixels
