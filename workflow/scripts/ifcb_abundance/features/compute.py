"""Features of a bin from its images, where nobody has made them: version 4 of WHOI's, as the dashboard serves them.

The package planktofeatures computes them; it is optional, and its licence (LGPL) is its own. Of the bin in
WHOI's tests it gives the same 31 features of each image as the file of ifcb-features, to nine digits.

An image needs some 40 ms of one core. A bin is one job, which needs no network: what comes over the network is gathered
before (`gather.py`).
"""

import io
import logging
import math
import time
import warnings
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ifcb_abundance.bins.ids import add_target
from ifcb_abundance.common.atomic_write import atomic_write
from ifcb_abundance.common.errors import RawFileError
from ifcb_abundance.common.extras import needed
from ifcb_abundance.common.words import counted
from ifcb_abundance.raw.images import RoiImage, open_roi, read_images
from ifcb_abundance.raw.tree import RawBin, read_raw_bin

log = logging.getLogger("ifcb.compute")

VERSION = 1  # of the meaning of a computed file: raise it when all have to be computed again
EPOCH = (1980, 1, 1, 0, 0, 0)  # the first time that a zip can hold
# A file that stands where computed features would, and why there are none. `summarize_features` reads it.
FAILED, NOT_COMPUTED = "failed: ", "not computed: "
AT_SOURCE = "the source has features of it"
COLUMNS = (
    "Area Biovolume BoundingBox_xwidth BoundingBox_ywidth ConvexArea ConvexPerimeter Eccentricity EquivDiameter Extent "
    "MajorAxisLength MinorAxisLength Orientation Perimeter RepresentativeWidth Solidity SurfaceArea maxFeretDiameter "
    "minFeretDiameter numBlobs summedArea summedBiovolume summedConvexArea summedConvexPerimeter summedMajorAxisLength "
    "summedMinorAxisLength summedPerimeter summedSurfaceArea Area_over_PerimeterSquared Area_over_Perimeter "
    "summedConvexPerimeter_over_Perimeter"
).split()


def compute_features(
    bin_id: str, given: Sequence[str | Path], features: str | Path, blobs: str | Path | None, record_failures: bool
) -> None:
    """Compute the features of a bin's images and write them as the dashboard serves them.

    given: the bin's `.hdr`, `.adc` and `.roi`, or the one file of `gather.gather_images`. blobs: where a zip of the
    blobs goes, None for none. Raises RawFileError if images cannot be read; with `record_failures` the file says so
    instead. An image for which there are no features has no line, and the log has its number.
    """
    version_4 = needed("planktofeatures.whoi_v4", "planktofeatures", "features.compute")
    lines, pictures, odd = [], {}, []
    why = ""
    began = time.monotonic()
    try:
        with _opened(bin_id, given) as (why, images):
            for number, image in images:
                try:
                    mask = None if image.gap is None else SimpleNamespace(mask=image.gap)
                    with warnings.catch_warnings(), np.errstate(all="ignore"):
                        warnings.simplefilter("ignore")  # of ratios of an image without a blob
                        blob, found, _ = version_4.compute_features(image.pixels, raw_stitch=mask)
                except (ArithmeticError, IndexError, ValueError) as error:  # of images that are one pixel high
                    odd.append(f"{number} ({error})")
                    continue
                lines.append(_line(number, dict(found)))
                if blobs:
                    pictures[add_target(bin_id, number)] = np.asarray(blob, dtype=bool)
        if why.startswith(FAILED):
            raise RawFileError(why.removeprefix(FAILED))
    except RawFileError as error:
        if not record_failures:
            raise
        log.error(f"{error}: recorded as failed")
        lines, pictures, why = [], {}, FAILED + str(error).replace("\n", " ")
    seconds = time.monotonic() - began
    if odd:
        log.warning(f"bin {bin_id}: no features of {counted(len(odd), 'image')}: ROI {'; '.join(odd[:5])}")
    log.info(
        f"bin {bin_id}: features of {counted(len(lines), 'image')}, {len(lines) / max(seconds, 1e-9):.1f} a second"
    )
    text = f"{why}\n" if why else "".join(line + "\n" for line in [",".join(["roi_number", *COLUMNS]), *lines])
    if blobs:
        _write_blobs(pictures, blobs)
    with atomic_write(features) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


def _line(number: int, found: Mapping[str, Any]) -> str:
    """A line of the file: ten digits, as WHOI's files have them; an empty cell where there is no number."""
    cells = ["" if math.isnan(value) else f"{value:.10g}" for value in (float(found[name]) for name in COLUMNS)]
    return ",".join([str(number), *cells])


@contextmanager
def _opened(bin_id: str, given: Sequence[str | Path]) -> Iterator[tuple[str, Iterator[tuple[int, RoiImage]]]]:
    """Why no features are to be computed, or an empty text, and the images with their numbers."""
    if not given:
        raise RawFileError(f"bin {bin_id}: the source has no raw files of it (.hdr, .adc, .roi)")
    with ExitStack() as files:
        if len(given) > 1:
            hdr, adc, roi = map(str, given)
            _, triggers = read_raw_bin(RawBin(bin_id, hdr, adc, roi))
            yield "", read_images(files.enter_context(open_roi(roi)), triggers)
        else:
            held = files.enter_context(np.load(given[0], allow_pickle=False))
            yield str(held["why"]), _gathered(held)


def _gathered(held: Mapping[str, NDArray[Any]]) -> Iterator[tuple[int, RoiImage]]:
    for name in held:
        if name.isdigit():
            yield int(name), RoiImage(held[name], (int(name),), held.get(f"gap {name}"))


def _write_blobs(pictures: Mapping[str, NDArray[np.bool_]], path: str | Path) -> None:
    """Write the blobs as the dashboard serves them; the same ones give the same bytes."""
    with atomic_write(path) as unfinished, zipfile.ZipFile(unfinished, "w") as archive:
        for roi, blob in pictures.items():
            png = io.BytesIO()
            Image.fromarray(blob).save(png, "PNG")
            archive.writestr(zipfile.ZipInfo(f"{roi}.png", EPOCH), png.getvalue())
