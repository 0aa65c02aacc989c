"""Lists raw bins: time, volume and number of images come from their own files."""

import logging
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pandas as pd

from ifcb_abundance.bins.deployments import Deployment, deployed
from ifcb_abundance.bins.ids import parse_bin_id
from ifcb_abundance.common.errors import RawFileError
from ifcb_abundance.common.progress import Progress
from ifcb_abundance.common.words import printable
from ifcb_abundance.raw.position import header_position
from ifcb_abundance.raw.tree import RawBin, ReadStart, read_raw_bin, read_start
from ifcb_abundance.raw.volume import FastRuns, measure_volume
from ifcb_abundance.tables import table_files

log = logging.getLogger("ifcb.raw_catalog")

READERS = 4  # files read at a time, or fewer: most of the time is spent waiting for the disk or the network
TOLD = 100  # warnings about single bins; the catalog has the notes of all bins


def list_raw(
    bins: Iterable[RawBin],
    deployments: Sequence[Deployment],
    read: ReadStart = read_start,
    fast_runs: FastRuns = "factor",
    readers: int = READERS,
) -> pd.DataFrame:
    """Return the catalog rows of raw bins, as `metadata_export.read_export` does.

    `sample_time` is the time in the id, `n_images` counts triggers with an image, `sample_type` is the header's.
    Positions come from the deployments, or from the header if no deployment has the bin; `position_note` says why a
    header's position does not count. fast_runs: as of `measure_volume`. readers: files read at a time.
    A bin that cannot be read is a row too: `volume_note` says why, and without a volume it is not used. No bin is
    flagged skip: such bins lie in excluded folders.
    """
    bins = list(bins)
    progress = Progress("raw bins", lambda: (len(bins), len(bins)))
    with ThreadPoolExecutor(readers) as pool:
        rows = list(pool.map(lambda raw: progress.counted(_row, raw, deployments, read, fast_runs), bins))
    noted = [row for row in rows if row["volume_note"]]
    for row in noted[:TOLD]:
        log.warning(f"raw bins: {row['bin']}: {row['volume_note']}")
    if len(noted) > TOLD:
        log.warning(f"raw bins: {len(noted) - TOLD:,} more have a volume_note in the catalog")
    if unplaced := [row for row in rows if row["position_note"]]:
        first = unplaced[0]
        log.warning(
            f"raw bins: the header's position does not count in {len(unplaced):,} of {len(rows):,} (position_note in "
            f"the catalog), as in {first['bin']}: {first['position_note']}. source.deployments can say where they were"
        )
    return table_files.from_rows(rows, "catalog")


def _row(raw: RawBin, deployments: Sequence[Deployment], read: ReadStart, fast_runs: FastRuns) -> dict[str, Any]:
    bin_id = parse_bin_id(raw.bin)
    row: dict[str, Any] = {"bin": raw.bin, "sample_time": bin_id.time, "instrument": f"IFCB{bin_id.instrument}"}
    row |= {"skip": 0, "position_note": ""}
    place = deployed(deployments, bin_id.instrument, bin_id.time)
    if place:
        row |= {"latitude": place.latitude, "longitude": place.longitude, "depth": place.depth}
    try:
        header, triggers = read_raw_bin(raw, read)
    except RawFileError as error:
        return row | {"volume_note": printable(str(error))}
    volume = measure_volume(triggers, header, fast_runs)
    notes = [f"{raw.hdr}: {volume.note}"] if volume.note else []
    if header.dialect == "empty":
        notes.append(f"{raw.hdr}: is empty: the run is taken for a normal one, and the volume is that of the .adc")
    notes += [
        f"{path}: {lines}"
        for path, lines in ((raw.hdr, header.malformed), (raw.adc, triggers.malformed))
        if lines.count
    ]
    if not place:
        place_of_header = header_position(header, bin_id.time)
        row |= {name: getattr(place_of_header, name) for name in ("latitude", "longitude", "depth")}
        row["position_note"] = printable(place_of_header.note)
    return row | {
        "sample_type": printable(header.setting("sampleType")),
        "ml_analyzed": volume.ml_analyzed,
        "n_images": len(triggers.rois),
        "volume_method": volume.volume_method,
        "volume_disagreement": volume.volume_disagreement,
        "volume_note": printable("; ".join(notes)),
    }
