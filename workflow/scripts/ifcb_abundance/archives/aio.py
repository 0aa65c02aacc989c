"""The names of `ifcb_abundance.raw` for asyncio: each returns at once and is awaited, while a thread does the work.

Images are lazy in `raw`; here `read_images` reads the whole `.roi` in its thread, so that no image waits for the disk
or the network later.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from ifcb_abundance import raw
from ifcb_abundance.archives import archive
from ifcb_abundance.bins import ids
from ifcb_abundance.raw import header, image_mapping, triggers

P = ParamSpec("P")
T = TypeVar("T")


def _awaitable(function: Callable[P, T]) -> Callable[P, Awaitable[T]]:
    @wraps(function)
    async def call(*args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.to_thread(function, *args, **kwargs)

    return call


class Archive:
    """The methods of `raw.Archive`, awaitable."""

    def __init__(self, of: archive.Archive) -> None:
        self._of = of
        self.address = of.address
        self.list = _awaitable(of.list)
        self.exists = _awaitable(of.exists)
        self.paths = _awaitable(of.paths)
        self.header = _awaitable(of.header)
        self.triggers = _awaitable(of.triggers)
        self.trigger_table = _awaitable(of.trigger_table)
        self.volume = _awaitable(of.volume)
        self.read_images = _awaitable(of.load_images)
        self.read_image = _awaitable(of.read_image)
        self.blobs = _awaitable(of.blobs)
        self.features = _awaitable(of.features)
        self.class_scores = _awaitable(of.class_scores)


async def open_archive(path: str | Path, endpoint_url: str | None = None, anonymous: bool = False) -> Archive:
    """Open an archive as `raw.open_archive` does."""
    return Archive(await asyncio.to_thread(archive.open_archive, path, endpoint_url, anonymous))


add_target = _awaitable(ids.add_target)
bin_images = _awaitable(image_mapping.bin_images)
bin_timestamp = _awaitable(ids.bin_timestamp)
detect_pairs = _awaitable(image_mapping.detect_pairs)
infill = _awaitable(image_mapping.infill)
parse_adc_file = _awaitable(triggers.parse_adc_file)
parse_bin_id = _awaitable(ids.parse_bin_id)
parse_hdr_file = _awaitable(header.parse_hdr_file)
parse_roi_id = _awaitable(ids.parse_roi_id)
stitch_pair = _awaitable(image_mapping.stitch_pair)


def __getattr__(name: str) -> Any:
    """Names that nobody awaits, such as RawFileError, are those of `raw`."""
    if name in raw.__all__:
        return getattr(raw, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
