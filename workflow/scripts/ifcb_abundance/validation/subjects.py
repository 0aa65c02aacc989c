"""The sample as people see it: an image per ROI, and the manifest with which they are uploaded.

In the form that `panoptes subject-set upload-subjects` takes. Columns of the manifest that begin with `#` are hidden
from volunteers; nothing in it says what the classifier thinks.
"""

import csv
import io
import logging
import math
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from PIL import Image

from ifcb_abundance.bins.ids import parse_roi_id
from ifcb_abundance.common import proof
from ifcb_abundance.common.atomic_write import atomic_folder, atomic_write
from ifcb_abundance.common.errors import NoRawFilesError
from ifcb_abundance.common.words import counted
from ifcb_abundance.images.extract import EPOCH, as_png
from ifcb_abundance.raw.images import image_numbers, image_of, stitched_pairs
from ifcb_abundance.sources.protocols import ImageReader

log = logging.getLogger("ifcb.validation")

MANIFEST = "manifest.csv"
LARGEST = 1_000_000  # bytes of an image that Zooniverse takes
MOST = 10_000  # subjects that Zooniverse lets a user have


def cut_subjects(source: ImageReader, bin_id: str, rois: Sequence[str], path: str | Path, made_of: str = "") -> None:
    """Write a zip of the images of ROIs of a bin, `{roi}.png`.

    A ROI that is the second of a stitched pair has no image of its own and is left out, and so are all others of which
    the raw files have no image. The zip of a bin without raw files is empty, so that the source is not asked again.
    made_of: a checksum of the settings, for the zip's proof.
    """
    with atomic_write(path) as unfinished, zipfile.ZipFile(unfinished, "w") as archive:
        archive.comment = proof.statement(made_of).encode()
        with source.open_images(bin_id) as images:
            if images is None:
                log.warning(f"bin {bin_id}: the source has no raw files (.hdr, .adc, .roi) of it")
                return
            there, pairs = set(image_numbers(images.triggers)), stitched_pairs(images.triggers)
            for roi in rois:
                if (number := parse_roi_id(roi)[1]) in there:
                    body = as_png(image_of(images.read, images.triggers, number, pairs))
                    archive.writestr(zipfile.ZipInfo(f"{roi}.png", EPOCH), body)


def proves_itself(path: str | Path, made_of: str) -> bool:
    """Whether a file is the zip that `cut_subjects` would write with this checksum of the settings."""
    return proof.holds(proof.of_zip(path), made_of)


def write_subjects(zips: Iterable[str | Path], rois: Sequence[str], dataset: str, folder: str | Path) -> None:
    """Write `{roi}.png` of each ROI and the manifest into a folder.

    zips: those of `cut_subjects` of the ROIs' bins. An image above LARGEST is scaled down. Raises NoRawFilesError if no
    ROI has an image.
    """
    wanted, written, scaled = set(rois), set(), []
    with atomic_folder(folder) as unfinished:
        for path in zips:
            with zipfile.ZipFile(path) as archive:
                for name in archive.namelist():
                    if (roi := name.removesuffix(".png")) not in wanted:
                        continue
                    body, smaller = fitting(archive.read(name))
                    (unfinished / name).write_bytes(body)
                    written.add(roi)
                    scaled += [roi] * smaller
        if not written:
            raise NoRawFilesError(
                f"subject_set: none of {counted(len(rois), 'ROI')} has an image in the source. sample.csv lists them"
            )
        there = [roi for roi in rois if roi in written]
        (unfinished / MANIFEST).write_text(manifest(there, dataset), encoding="utf-8")
    _tell(there, [roi for roi in rois if roi not in written], scaled)


def manifest(rois: Sequence[str], dataset: str) -> str:
    """The manifest as text: a row per image."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["file", "#roi_id", "#dataset"])
    rows.writerows([f"{roi}.png", roi, dataset] for roi in rois)
    return text.getvalue()


def fitting(body: bytes, largest: int = LARGEST) -> tuple[bytes, bool]:
    """A PNG of at most `largest` bytes, and whether the image had to be scaled down for it."""
    whole, factor = body, 1.0
    while len(body) > largest:
        factor *= min(0.9, math.sqrt(largest / len(body)))
        with Image.open(io.BytesIO(whole)) as image:
            size = [max(1, round(side * factor)) for side in image.size]
            smaller = io.BytesIO()
            image.resize((size[0], size[1]), Image.Resampling.LANCZOS).save(smaller, "PNG", compress_level=6)
        body = smaller.getvalue()
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
