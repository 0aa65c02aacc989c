"""The images of a bin for people who work with Pillow: a mapping of ROI number to image, and stitching by itself."""

from collections.abc import Iterator, Mapping

import numpy as np
from PIL import Image

from ifcb_abundance.raw.images import ReadRange, RoiImage, composite, fill, find_pairs, image_numbers, image_of
from ifcb_abundance.raw.triggers import Roi, Target, TriggerTable, read_triggers


class BinImages(Mapping[int, Image.Image]):
    """The images of a bin by the ROI's number, each read from the `.roi` when it is asked for.

    The two ROIs of a pair are one image, under the number of the first; with `stitch=False` each is its own. Images are
    8-bit grey (mode `L`). Raises RawFileError, naming the ROI, if the `.roi` ends within an image.
    """

    def __init__(self, triggers: TriggerTable, read: ReadRange, stitch: bool = True) -> None:
        self._triggers = triggers
        self._read = read
        self._pairs = find_pairs(triggers.bin, triggers.rois.values()) if stitch else {}
        self._numbers = dict.fromkeys(image_numbers(triggers, stitch))

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """The numbers of the ROIs that are stitched, first and second."""
        return list(self._pairs.items())

    def get_raw(self, number: int) -> tuple[Image.Image, Image.Image | None]:
        """Read an image before its gap is filled, where it is 0, and the mask of the gap (mode `1`, white in the gap).

        The mask is None for an image that is not stitched. Raises KeyError for a number without an image.
        """
        image = self._image(number)
        if image.gap is None:
            return Image.fromarray(image.pixels), None
        return Image.fromarray(np.where(image.gap, np.uint8(0), image.pixels)), Image.fromarray(image.gap)

    def __getitem__(self, number: int) -> Image.Image:
        return Image.fromarray(self._image(number).pixels)

    def __iter__(self) -> Iterator[int]:
        return iter(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)

    def __contains__(self, number: object) -> bool:
        return number in self._numbers

    def _image(self, number: int) -> RoiImage:
        if number not in self._numbers:
            raise KeyError(number)
        return image_of(self._read, self._triggers, number, self._pairs)


def bin_images(bin_id: str, adc_bytes: bytes, roi_bytes: bytes, stitch: bool = True) -> BinImages:
    """Return the images of a bin from the contents of its `.adc` and `.roi`. Raises RawFileError for no such `.adc`."""
    triggers = read_triggers(bin_id, adc_bytes, f"{bin_id}.adc")
    return BinImages(triggers, lambda offset, length: roi_bytes[offset : offset + length], stitch)


def detect_pairs(bin_id: str, targets: Mapping[int, Target]) -> list[tuple[int, int]]:
    """Find the pairs of ROIs that are two parts of one image: first and second number.

    targets: as `parse_adc_file(..., extended=True)` gives them. Raises ValueError if they lack `trigger`.
    """
    return list(find_pairs(bin_id, [_roi(number, targets[number]) for number in sorted(targets)]).items())


def stitch_pair(
    first: Target, second: Target, first_image: Image.Image, second_image: Image.Image
) -> tuple[Image.Image, Image.Image]:
    """Lay two images into one, the second over the first.

    Returns the image, 0 in the gap that neither covers, and the mask of the gap (mode `1`, white in the gap). Raises
    ValueError if an image is not as large as its target says.
    """
    images = [first_image, second_image]
    rois = [_roi(at, {**target, "trigger": 0}) for at, target in enumerate((first, second), start=1)]
    for roi, image in zip(rois, images, strict=True):
        if image.size != (roi.width, roi.height):
            raise ValueError(f"an image of {image.size} pixels where its target has {roi.width} x {roi.height}")
    whole, gap = composite(rois, [np.asarray(image.convert("L")) for image in images])
    return Image.fromarray(whole), Image.fromarray(gap)


def infill(image: Image.Image, mask: Image.Image) -> Image.Image:
    """Fill the gap of an image with the mean of the pixels along it. image, mask: as `stitch_pair` returns them."""
    return Image.fromarray(fill(np.asarray(image), np.asarray(mask, np.bool_)))


def _roi(number: int, target: Target) -> Roi:
    if "trigger" not in target:
        raise ValueError("a target without its trigger: read them with extended=True")
    place = target["x"], target["y"], target["width"], target["height"]
    return Roi(number, target["trigger"], *place, target.get("offset", 0))
