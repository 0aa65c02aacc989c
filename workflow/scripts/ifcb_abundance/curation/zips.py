"""Zips of images: the same images give the same bytes."""

import io
import os
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ifcb_abundance.common.atomic_write import atomic_write

OPEN = 64  # zips at a time
EPOCH = (1980, 1, 1, 0, 0, 0)  # the first time that a zip can hold


def file_name(name: str) -> str:
    """Turn the name of a group, image or patch, which may have slashes, into the name of a file."""
    return name.replace("/", "__")


def as_png(pixels: NDArray[np.uint8]) -> bytes:
    """Encode (height, width) pixels as a PNG file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=6)
    return file.getvalue()


def from_png(body: bytes) -> NDArray[np.uint8]:
    """Decode a PNG file that `as_png` made into (height, width) pixels."""
    with Image.open(io.BytesIO(body), formats=("PNG",)) as image:
        return np.asarray(image)


class Packed(NamedTuple):
    """A part of an image that is not decoded yet: the PNG file of the image, and the part's rows and columns in it."""

    png: bytes
    rows: slice
    columns: slice

    def pixels(self) -> NDArray[np.uint8]:
        """Decode it."""
        return from_png(self.png)[self.rows, self.columns]


class ImageZip:
    """A zip that images are added to, one after the other."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive

    def add(self, name: str, png: bytes) -> None:
        """Add an image under the name that it has in tables."""
        entry = zipfile.ZipInfo(f"{file_name(name)}.png", EPOCH)
        entry.create_system, entry.external_attr = 3, 0o644 << 16  # the same on every system
        self._archive.writestr(entry, png)


@contextmanager
def write_zip(path: str | Path) -> Iterator[ImageZip]:
    """Open a zip of images for writing; it is at `path` only when it is whole."""
    with atomic_write(path) as unfinished, zipfile.ZipFile(unfinished, "w") as archive:
        yield ImageZip(archive)


def read_png(archive: zipfile.ZipFile, name: str) -> bytes:
    """Read the file of an image from a zip, by the name that the image has in tables."""
    return archive.read(f"{file_name(name)}.png")


def holds(archive: zipfile.ZipFile, name: str) -> bool:
    """Tell whether a zip has that image or patch."""
    return f"{file_name(name)}.png" in archive.NameToInfo


class Stored(NamedTuple):
    """Where in a zip an image is, so that it can be read without the zip's table of contents."""

    path: str
    start: int
    size: int

    def read(self) -> bytes:
        """Read its PNG file."""
        with Path(self.path).open("rb") as file:
            file.seek(self.start)
            name, extra = struct.unpack("<26x2H", file.read(30))  # the lengths of what is before the image itself
            file.seek(name + extra, os.SEEK_CUR)
            return file.read(self.size)


def find_png(archive: zipfile.ZipFile, name: str) -> Stored:
    """Find an image in a zip that `write_zip` wrote, where nothing is packed."""
    entry = archive.getinfo(f"{file_name(name)}.png")
    return Stored(str(archive.filename), entry.header_offset, entry.file_size)


class OpenZips:
    """Reads images from many zips; those that were used last stay open. Use it in a `with` block."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, zipfile.ZipFile] = OrderedDict()

    def __enter__(self) -> "OpenZips":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._open:
            self._open.popitem()[1].close()

    def png(self, path: str | Path, name: str) -> bytes:
        """Read the file of an image, by the name that the image has in tables."""
        return read_png(self._archive(path), name)

    def holds(self, path: str | Path, name: str) -> bool:
        """Tell whether a zip has that image or patch: zips of volumes have patches, others what these are cut from."""
        return holds(self._archive(path), name)

    def _archive(self, path: str | Path) -> zipfile.ZipFile:
        key = str(path)
        if key in self._open:
            self._open.move_to_end(key)
        else:
            self._open[key] = zipfile.ZipFile(path)
            if len(self._open) > OPEN:
                self._open.popitem(last=False)[1].close()
        return self._open[key]

    def pixels(self, path: str | Path, name: str) -> NDArray[np.uint8]:
        """Read the (height, width) pixels of an image."""
        return from_png(self.png(path, name))
