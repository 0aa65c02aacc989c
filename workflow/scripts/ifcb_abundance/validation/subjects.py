"""The sample as people see it: an image per ROI, and the manifest with which they are uploaded.

In the form that `panoptes subject-set upload-subjects` takes. Columns of the manifest that begin with `#` are hidden
from volunteers; nothing in it says what the classifier thinks.
"""

import csv
import io
import logging
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ifcb_abundance.bins.ids import parse_roi_id
from ifcb_abundance.common.atomic_write import atomic_write
from ifcb_abundance.common.errors import NoRawFilesError
from ifcb_abundance.common.words import counted
from ifcb_abundance.images.extract import as_png
from ifcb_abundance.raw.images import RoiImage, image_numbers, read_image
from ifcb_abundance.sources.protocols import ImageReader

log = logging.getLogger("ifcb.validation")

MANIFEST = "manifest.csv"
LARGEST = 1_000_000  # bytes of an image that Zooniverse takes
MOST = 10_000  # subjects that Zooniverse lets a user have


def write_subjects(source: ImageReader, rois: Sequence[str], dataset: str, folder: str | Path) -> None:
    """Write `{roi}.png` of each ROI and the manifest into a folder.

    Each bin is opened once. A ROI that is the second of a stitched pair has no image of its own and is left out, and so
    are all others of which the raw files have no image; that is said. Raises NoRawFilesError if a bin has no raw files.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    by_bin: dict[str, list[tuple[int, str]]] = {}
    for roi in rois:
        bin_id, number = parse_roi_id(roi)
        by_bin.setdefault(bin_id, []).append((number, roi))
    written: list[str] = []
    missing: list[str] = []
    scaled: list[str] = []
    for bin_id, wanted in by_bin.items():
        with source.open_images(bin_id) as images:
            if images is None:
                raise NoRawFilesError(f"bin {bin_id}: the source has no raw files (.hdr, .adc, .roi) of it")
            there = set(image_numbers(images.triggers))
            for number, roi in wanted:
                if number not in there:
                    missing.append(roi)
                    continue
                body, smaller = fitting_png(read_image(images.read, images.triggers, number))
                with atomic_write(folder / f"{roi}.png") as unfinished:
                    unfinished.write_bytes(body)
                written.append(roi)
                scaled += [roi] * smaller
    with atomic_write(folder / MANIFEST) as unfinished:
        unfinished.write_text(manifest(written, dataset), encoding="utf-8")
    _tell(written, missing, scaled)


def manifest(rois: Sequence[str], dataset: str) -> str:
    """The manifest as text: a row per image."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["file", "#roi_id", "#dataset"])
    rows.writerows([f"{roi}.png", roi, dataset] for roi in rois)
    return text.getvalue()


def fitting_png(image: RoiImage, largest: int = LARGEST) -> tuple[bytes, bool]:
    """The image as PNG of at most `largest` bytes, and whether it had to be scaled down for it."""
    body = as_png(image)
    pixels: NDArray[np.uint8] = image.pixels
    factor = 1.0
    while len(body) > largest:
        factor *= min(0.9, math.sqrt(largest / len(body)))
        height, width = (max(1, round(side * factor)) for side in image.pixels.shape)
        pixels = np.asarray(Image.fromarray(image.pixels).resize((width, height), Image.Resampling.LANCZOS))
        body = as_png(RoiImage(pixels, image.rois))
    return body, factor < 1


def _tell(written: Sequence[str], missing: Sequence[str], scaled: Sequence[str]) -> None:
    if missing:
        log.warning(f"subjects: {counted(len(missing), 'ROI')} without an image left out, the first is {missing[0]}")
    if scaled:
        log.warning(
            f"subjects: {counted(len(scaled), 'image')} scaled down to {LARGEST:,} bytes, which is the most that "
            f"Zooniverse takes; the first is {scaled[0]}"
        )
    if len(written) > MOST:
        log.warning(
            f"subjects: {len(written):,} images; Zooniverse lets a user have {MOST:,} unless it is asked for more"
        )
