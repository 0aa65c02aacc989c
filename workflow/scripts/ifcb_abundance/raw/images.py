"""The images of a raw bin, from its `.roi`: one byte a pixel, row by row, without any header.

The `.adc` says where an image lies and how large it is. Old instruments split a target that is too large for one ROI
into two, which overlap. They are stitched into one image, under the number of the first. The gap is what neither
covers: it is filled with the mean of the pixels along it, and marked.

Sources: ifcbkit 0.3.1 (`roi.py`, `stitching.py`) and pyifcb (`ifcb/data/stitching.py`): which ROIs are a pair, that the
second one covers the first, and the filling. They differ in the pixels along the gap at the edge of the
image; here these are the pixels that share a side with the gap, as in ifcbkit.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ifcb_abundance.bins.ids import add_target, parse_bin_id
from ifcb_abundance.common.errors import RawFileError
from ifcb_abundance.raw.triggers import Roi, TriggerTable

OVERLAP = 2  # pixels; two ROIs of a pair overlap by more, across and down

# Reads so many bytes from an offset on, fewer only where the file ends: from a local file, or from one in a bucket.
ReadRange = Callable[[int, int], bytes]


@dataclass(frozen=True, eq=False)
class RoiImage:
    """An image. pixels: (height, width), 0 black to 255 white. rois: the numbers of the ROIs that it consists of.

    gap: (height, width), true where no ROI is and pixels are filled in; None for an image that is not stitched.
    """

    pixels: NDArray[np.uint8]
    rois: tuple[int, ...]
    gap: NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class RawImages:
    """The images of a bin: its triggers, and a reader of its `.roi`."""

    triggers: TriggerTable
    read: ReadRange


@contextmanager
def open_roi(path: str | Path) -> Iterator[ReadRange]:
    """Open a `.roi` on disk, to read parts of it. Raises RawFileError, naming it, if it cannot be read."""

    def read(offset: int, length: int) -> bytes:
        try:
            return os.pread(file, length, offset)
        except OSError as error:
            raise RawFileError(f"{path}: cannot be read ({error.strerror})") from None

    try:
        file = os.open(path, os.O_RDONLY)
    except OSError as error:
        raise RawFileError(f"{path}: cannot be opened ({error.strerror})") from None
    try:
        yield read
    finally:
        os.close(file)


def stitched_pairs(triggers: TriggerTable) -> dict[int, int]:
    """First to second ROI of each pair of an old instrument's bin: next to each other, of one trigger, overlapping.

    A ROI is in one pair at most. If three overlap one after the other, the third is single, so that no image is
    lost (pyifcb would drop it).
    """
    return find_pairs(triggers.bin, triggers.rois.values())


def find_pairs(bin_id: str, rois: Iterable[Roi]) -> dict[int, int]:
    """The same for ROIs of a bin, in the order of their numbers."""
    if not parse_bin_id(bin_id).old_style:
        return {}
    pairs: dict[int, int] = {}
    second = None
    for a, b in pairwise(rois):
        if a.trigger == b.trigger and a.number != second and _overlap(a, b):
            pairs[a.number] = second = b.number
    return pairs


def _overlap(a: Roi, b: Roi) -> bool:
    across = min(a.x + a.width - b.x, b.x + b.width - a.x)
    down = min(a.y + a.height - b.y, b.y + b.height - a.y)
    return across > OVERLAP and down > OVERLAP


def image_numbers(triggers: TriggerTable, stitch: bool = True) -> list[int]:
    """The ROI numbers of the bin's images. Without `stitch` the second ROI of a pair is one of them too."""
    second = set(stitched_pairs(triggers).values()) if stitch else set()
    return [number for number in triggers.rois if number not in second]


def read_image(read: ReadRange, triggers: TriggerTable, roi: int, stitch: bool = True) -> RoiImage:
    """Read the image of one ROI. Only its bytes are read, or those of the pair that it begins.

    Without `stitch` each ROI of a pair is an image of its own. Raises RawFileError, naming the ROI, if the bin has no
    such image or the `.roi` ends before it does.
    """
    if roi not in image_numbers(triggers, stitch):
        raise _no_image(triggers, roi)
    return image_of(read, triggers, roi, stitched_pairs(triggers) if stitch else {})


def read_images(read: ReadRange, triggers: TriggerTable, stitch: bool = True) -> Iterator[tuple[int, RoiImage]]:
    """Yield every image of the bin with its number, as `read_image` returns it."""
    pairs = stitched_pairs(triggers) if stitch else {}
    for roi in image_numbers(triggers, stitch):
        yield roi, image_of(read, triggers, roi, pairs)


def _named(triggers: TriggerTable, roi: int) -> str:
    return add_target(triggers.bin, roi) if roi > 0 else f"{roi} of bin {triggers.bin}"


def _no_image(triggers: TriggerTable, roi: int) -> RawFileError:
    return RawFileError(f"ROI {_named(triggers, roi)}: the bin has no image under this number")


def _pixels(read: ReadRange, triggers: TriggerTable, roi: Roi) -> NDArray[np.uint8]:
    size = roi.width * roi.height
    body = read(roi.offset, size)
    if len(body) < size:
        raise RawFileError(
            f"ROI {_named(triggers, roi.number)}: the .roi ends within its image: of its {size:,} bytes, from byte "
            f"{roi.offset:,} on, {len(body):,} are there. Copy the file again, or exclude the bin"
        )
    return np.frombuffer(body, np.uint8).reshape(roi.height, roi.width)


def image_of(read: ReadRange, triggers: TriggerTable, number: int, pairs: Mapping[int, int]) -> RoiImage:
    """Read one of the images of `image_numbers`. pairs: as `stitched_pairs` gives them, {} without stitching.

    Raises RawFileError as `read_image` does, but not for the second of a pair, which is then an image of its own.
    """
    if number not in triggers.rois:
        raise _no_image(triggers, number)
    rois = [triggers.rois[n] for n in (number, pairs.get(number)) if n is not None]
    images = [_pixels(read, triggers, roi) for roi in rois]
    if len(rois) == 1:
        return RoiImage(images[0], (number,))
    whole, gap = composite(rois, images)
    return RoiImage(fill(whole, gap), tuple(roi.number for roi in rois), gap)


def composite(rois: Sequence[Roi], images: Sequence[NDArray[np.uint8]]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Lay the images of a pair into one, the second over the first. Returns the image, 0 in the gap, and the gap."""
    left, top = min(roi.x for roi in rois), min(roi.y for roi in rois)
    right, bottom = max(roi.x + roi.width for roi in rois), max(roi.y + roi.height for roi in rois)
    whole, gap = np.zeros((bottom - top, right - left), np.uint8), np.ones((bottom - top, right - left), np.bool_)
    for roi, image in zip(rois, images, strict=True):
        place = np.s_[roi.y - top : roi.y - top + roi.height, roi.x - left : roi.x - left + roi.width]
        whole[place], gap[place] = image, False
    return whole, gap


def fill(whole: NDArray[np.uint8], gap: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Fill the gap of an image with the mean of the pixels along it."""
    if not gap.any():
        return whole
    filled = whole.copy()
    filled[gap] = round(float(whole[_along(gap)].mean()))
    return filled


def _along(gap: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The pixels outside the gap that share a side with it."""
    around = np.pad(gap, 1)
    beside = around[:-2, 1:-1] | around[2:, 1:-1] | around[1:-1, :-2] | around[1:-1, 2:]
    return beside & ~gap
