"""The images of a bin that come over a network, in one file: its features may be computed where there is none."""

from pathlib import Path
from typing import Any

import numpy as np

from ifcb_abundance.bins.statuses import ScoresStatus
from ifcb_abundance.common.atomic_write import atomic_write
from ifcb_abundance.common.errors import FeaturesError, RawFileError
from ifcb_abundance.features.compute import AT_SOURCE, FAILED, NOT_COMPUTED
from ifcb_abundance.raw.images import read_images
from ifcb_abundance.scores.summary import provenance_of
from ifcb_abundance.sources.protocols import Source


def gather_images(
    source: Source, bin_id: str, summary: str | Path, missing: bool, path: str | Path, record_failures: bool
) -> None:
    """Write the images of a bin from a network into one file, for `compute_features` on a machine without network.

    summary: the bin's scores summary; a bin without class scores needs no features. missing: whether a bin that has
    features in the source needs no others. Where none are to be computed, the file says so. A failure raises
    RawFileError or FeaturesError, and leaves no file for later runs; with `record_failures` the file says it.
    """
    said = provenance_of(summary)
    arrays: dict[str, Any] = {}
    why = ""
    try:
        if said.status != ScoresStatus.READ:
            why = NOT_COMPUTED + "it has no class scores"
        elif missing and source.read_features(bin_id) is not None:
            why = NOT_COMPUTED + AT_SOURCE
        else:
            with source.open_images(bin_id) as opened:
                if opened is None:
                    why = NOT_COMPUTED + "the source has no raw files of it"
                else:
                    for number, image in read_images(opened.read, opened.triggers):
                        arrays[str(number)] = image.pixels
                        if image.gap is not None:
                            arrays[f"gap {number}"] = image.gap
    except (RawFileError, FeaturesError) as error:
        if not record_failures:
            raise
        arrays, why = {}, f"{FAILED}{error}"
    with atomic_write(path) as unfinished, unfinished.open("wb") as file:
        np.savez(file, allow_pickle=False, why=np.array(why), **arrays)
