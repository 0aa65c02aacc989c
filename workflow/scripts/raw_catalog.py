"""The catalog of raw bins: time, volume and number of images from their own files."""

import logging
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pandas as pd

from bin_ids import parse_bin_id
from deployments import Deployment, deployed
from errors import RawFileError
from metadata_export import COLUMNS
from progress import Progress
from raw_archive import RawBin, ReadStart, read_raw_bin, read_start
from raw_volume import measure_volume

log = logging.getLogger("ifcb.raw_catalog")

READERS = 4  # files read at a time: it is the disk, or the network behind it, that is waited for


def list_raw(bins: Iterable[RawBin], deployments: Sequence[Deployment], read: ReadStart = read_start) -> pd.DataFrame:
    """Catalog rows of raw bins, as `metadata_export.read_export` gives them.

    `sample_time` is the time in the id, `n_images` counts triggers with an image, positions come from the deployments.
    A bin that cannot be read whole is a row like any other, with `volume_note` saying why; without a volume it will not
    be used. No bin is flagged skip: such ones lie in folders that are not looked into.
    """
    bins = list(bins)
    progress = Progress("raw bins", lambda: (len(bins), len(bins)))
    with ThreadPoolExecutor(READERS) as pool:
        rows = list(pool.map(lambda raw: progress.counted(_row, raw, deployments, read), bins))
    for row in rows:
        if row["volume_note"]:
            log.warning(f"raw bins: {row['bin']}: {row['volume_note']}")
    types = {"sample_time": "datetime64[us, UTC]", "n_images": "Int64"}
    return pd.DataFrame(rows, columns=COLUMNS).astype(
        types
        | dict.fromkeys(("ml_analyzed", "latitude", "longitude", "depth", "volume_disagreement"), "float64")
        | dict.fromkeys(("bin", "instrument", "cruise", "sample_type", "tags", "volume_method", "volume_note"), "str")
    )


def _row(raw: RawBin, deployments: Sequence[Deployment], read: ReadStart) -> dict[str, Any]:
    bin_id = parse_bin_id(raw.bin)
    row: dict[str, Any] = dict.fromkeys(("cruise", "sample_type", "tags", "volume_method", "volume_note"), "")
    row |= {"bin": raw.bin, "sample_time": bin_id.time, "instrument": f"IFCB{bin_id.instrument}", "skip": 0}
    if place := deployed(deployments, bin_id.instrument, bin_id.time):
        row |= {"latitude": place.latitude, "longitude": place.longitude, "depth": place.depth}
    try:
        header, triggers = read_raw_bin(raw, read)
    except RawFileError as error:
        return row | {"volume_note": str(error)}
    volume = measure_volume(triggers, header)
    notes = [
        f"{path}: {lines}"
        for path, lines in ((raw.hdr, header.malformed), (raw.adc, triggers.malformed))
        if lines.count
    ]
    return row | {
        "ml_analyzed": volume.ml_analyzed,
        "n_images": len(triggers.rois),
        "volume_method": volume.volume_method,
        "volume_disagreement": volume.volume_disagreement,
        "volume_note": "; ".join(notes),
    }
