"""A bin's features, reduced to its features summary: the biovolume of each ROI, beside the class that it won.

A features file has a line per ROI and up to 240 columns. Two are read: `roi_number`, and the biovolume in cubic pixels.
That is `summedBiovolume`, the volume of all blobs of an image, if the file has it: a chain is often several blobs.
Files without it have `Biovolume`, the volume of the largest blob alone. An empty cell, or a biovolume of 0 (no blob was
found), is a ROI that was not measured.

Class summaries of ifcb-analysis have no ROIs. Of these the summary has no rows; it states the sums of biovolume and
carbon per class, which the file has at a few thresholds.

The summary is exact for every threshold, precision and pixel size, so that these can be changed later without asking
a server again. It is a Parquet file; a row is a ROI of the class scores, with its winners as in `scores.py`.

Sources: ifcb-analysis (`analyze_by_class/summarize_biovol_class_h5.m`) takes `summedBiovolume`; iRfcb
(`ifcb_extract_biovolumes`) takes `Biovolume`. How it is computed: Moberg & Sosik 2012, Limnol. Oceanogr. Methods 10.
"""

import csv
import json
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ifcb_abundance.bins.statuses import FeaturesStatus, ScoresStatus
from ifcb_abundance.common import proof
from ifcb_abundance.common.atomic_write import atomic_write
from ifcb_abundance.common.errors import CatalogError, FeaturesError, ScoresError
from ifcb_abundance.common.precision import PRECISIONS, Precision
from ifcb_abundance.features.compute import AT_SOURCE, FAILED, NOT_COMPUTED
from ifcb_abundance.scores.decide import Kept
from ifcb_abundance.scores.score_csv import MISSING
from ifcb_abundance.scores.summary import (
    HANDED_OVER,
    Provenance,
    RoiWinners,
    digest_of,
    more_columns,
    provenance_of,
    read_more_columns,
    read_provenance,
    read_rois,
    read_winner_columns,
    winner_columns,
    with_thresholds,
)
from ifcb_abundance.sources.count_summary import BIOVOLUME, read_size_summary
from ifcb_abundance.sources.protocols import Source
from ifcb_abundance.sources.score_files import is_summary
from ifcb_abundance.sources.source_file import SourceFile

T = TypeVar("T")

log = logging.getLogger("ifcb.features")

VERSION = 1  # of the meaning of a features summary: raise it when all bins have to be read again
WINNERS_VERSION = 2  # of those of bins whose class scores are of winners alone
BIOVOLUMES = ("summedBiovolume", "Biovolume")  # the first one that there is
_ODD = re.compile(rb"[\x00\"\x80-\xff]")
LARGEST_ROI = 2**31 - 1
LARGEST_BIOVOLUME = 1e12  # cubic pixels: the cameras have 1,380 x 1,034 pixels


@dataclass(frozen=True)
class RoiFeatures:
    """The ROIs of a features file, in its order.

    column: which of BIOVOLUMES was read. rois: ROI numbers. biovolume: cubic pixels, NaN where the cell is empty.
    """

    column: str
    rois: NDArray[np.int64]
    biovolume: NDArray[np.float64]


@dataclass(frozen=True)
class FeaturesProvenance:
    """What a features summary was made from.

    status: NO_FEATURES if the source has none, NOT_USED if the bin has no class scores: it was not asked for then.
    reason: why it is not READ. address, sha256, bytes: of the features file. column: which of BIOVOLUMES.
    n_rois_without_scores: ROIs of the features file that are not in the class scores; they count nowhere. classes: the
    label set. thresholds, stored, winners_only: as in the scores summary's Provenance. With winners_only a bin without
    features has its classes too, since other bins of the day share them.

    Of a class summary without ROIs: counts, n_rois and adhoc as in the scores summary's Provenance; biovolumes (um3)
    and carbon (pg C), by the name of the array of counts: of the classes, and behind them of what is unclassified;
    None where it is not known.
    """

    bin: str
    status: FeaturesStatus
    reason: str = ""
    address: str = ""
    sha256: str = ""
    bytes: int = 0
    column: str = ""
    n_rois_without_scores: int = 0
    classes: tuple[str, ...] = ()
    thresholds: tuple[float, ...] = ()
    stored: Precision = "float64"
    winners_only: bool = False
    counts: Mapping[str, list[int]] = field(default_factory=dict)
    biovolumes: Mapping[str, list[float | None]] = field(default_factory=dict)
    carbon: Mapping[str, list[float | None]] = field(default_factory=dict)
    n_rois: int = 0
    adhoc: float | None = None

    def stated(self) -> dict[str, Any]:
        """All of it as plain values, for a file; nothing of what the files of the bin do not have."""
        left_out = [] if self.thresholds else ["thresholds", "stored"]
        left_out += [] if self.winners_only else ["winners_only"]
        left_out += [] if self.counts else ["counts", "biovolumes", "carbon", "n_rois", "adhoc"]
        return {name: value for name, value in vars(self).items() if name not in left_out}


# --- from a features file to its biovolumes ---


def read_features(bin_id: str, body: bytes) -> RoiFeatures:
    """Read the ROI numbers and biovolumes of a features file.

    Raises FeaturesError, naming the bin and the line, if the body is not a features file: a column is missing, a ROI is
    duplicate, a biovolume is negative or not a number, a line is truncated.
    """
    start = body.find(b"\n") + 1
    header = body[: start - 1] if start else body
    try:
        names = next(csv.reader([header.decode("utf-8-sig").rstrip("\r")], strict=True), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise FeaturesError(f"bin {bin_id}: the header of its features cannot be read ({error})") from None
    column = next((name for name in BIOVOLUMES if name in names), None)
    if not start or column is None or "roi_number" not in names or b"\0" in header:
        raise FeaturesError(
            f"bin {bin_id}: not features: the header is {header[:120]!r}, not a line with roi_number and "
            f"{' or '.join(BIOVOLUMES)}. Have the features made again, or exclude the bin (select.exclude_bins)"
        )
    if names.count("roi_number") > 1 or names.count(column) > 1:
        raise FeaturesError(f"bin {bin_id}: its features have a duplicate column, roi_number or {column}")
    if not body.endswith((b"\n", b"\r")):
        line = body.count(b"\n") + 1
        raise FeaturesError(
            f"bin {bin_id}: its features are truncated in line {line}. Copy the file again, or exclude the bin "
            "(select.exclude_bins)"
        )
    if odd := _ODD.search(body, start):  # with quotes the parser would read `"1."5` as 1.5
        line = body.count(b"\n", 0, odd.start()) + 1
        raise FeaturesError(f"bin {bin_id}: its features hold {odd[0]!r} in line {line}, where only numbers belong")
    if len(body) == start:
        return RoiFeatures(column, np.empty(0, np.int64), np.empty(0))
    return RoiFeatures(column, *_columns(bin_id, body, start, names, column))


def _columns(
    bin_id: str, body: bytes, start: int, names: Sequence[str], column: str
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    wanted = [str(names.index(name)) for name in ("roi_number", column)]
    try:
        table = pyarrow.csv.read_csv(
            pa.py_buffer(body).slice(start),
            read_options=pyarrow.csv.ReadOptions(use_threads=False, column_names=[str(i) for i in range(len(names))]),
            # A blank line is not passed over: row by row the numbers of lines are right.
            parse_options=pyarrow.csv.ParseOptions(quote_char=False, ignore_empty_lines=False),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(wanted, pa.float64()), include_columns=wanted, null_values=MISSING
            ),
        )
    except pa.ArrowInvalid as error:
        raise FeaturesError(f"bin {bin_id}: its features cannot be read, the rows below the header: {error}") from None
    numbers, biovolume = (table.column(name).to_numpy() for name in wanted)

    def refuse(wrong: NDArray[np.bool_], why: str) -> None:
        if wrong.any():
            row = int(wrong.argmax())
            raise FeaturesError(
                f"bin {bin_id}: its features cannot be used: line {row + 2}, roi_number {numbers[row]:g}, {column} "
                f"{biovolume[row]:g}: {why}. Have them made again, or exclude the bin (select.exclude_bins)"
            )

    whole = (numbers >= 1) & (numbers <= LARGEST_ROI) & (numbers == np.floor(numbers))
    refuse(~whole, "a ROI's number must be a whole number from 1")
    rois = numbers.astype(np.int64)
    again = np.ones(len(rois), dtype=bool)
    again[np.unique(rois, return_index=True)[1]] = False
    refuse(again, "the ROI is a duplicate")
    told = table.column(wanted[1]).is_valid().to_numpy()
    refuse(told & ~((biovolume >= 0) & (biovolume <= LARGEST_BIOVOLUME)), "a biovolume must be a number from 0 to 1e12")
    return rois, biovolume


# --- the summary file ---


def summarize_features(
    source: Source,
    bin_id: str,
    summary: str | Path,
    path: str | Path,
    record_failures: bool,
    computed: str | Path | None = None,
    kept: Kept = Kept(),  # noqa: B008
) -> FeaturesProvenance:
    """Join a bin's features and class scores by ROI, and write its features summary to `path`.

    summary: the bin's scores summary: a bin without class scores is not asked for. computed: the file of
    `compute.compute_features`, None where the source is asked. Features that are unavailable or
    unusable raise FeaturesError, or the bin is written down as `failed` with `record_failures`. kept: what the summary
    holds beside the winners. The scores of bins that are not in HANDED_OVER are read again.
    """
    said = provenance_of(summary)
    rois = RoiWinners((), np.empty(0, np.int64), np.empty(0), dict.fromkeys(PRECISIONS, np.empty(0, np.intp)))
    biovolume = np.empty(0)
    provenance = FeaturesProvenance(bin_id, FeaturesStatus.NOT_USED, "it has no class scores")
    try:
        if said.status == ScoresStatus.READ:
            file, why = _read(source, bin_id, computed)
            if file is None:
                provenance = FeaturesProvenance(bin_id, FeaturesStatus.NO_FEATURES, why)
            elif is_summary(file.address):
                provenance = _of_class_summary(said, file)
            else:
                features = _addressed(file, lambda: read_features(bin_id, file.body))
                rois = HANDED_OVER.take(bin_id, said.sha256) or _read_same_scores(source, bin_id, said.sha256, kept)
                biovolume = biovolume_of(rois.rois, features)
                provenance = FeaturesProvenance(
                    bin_id,
                    FeaturesStatus.READ,
                    address=file.address,
                    sha256=sha256(file.body).hexdigest(),
                    bytes=len(file.body),
                    column=features.column,
                    n_rois_without_scores=int((~np.isin(features.rois, rois.rois)).sum()),
                    classes=rois.classes,
                    thresholds=() if rois.more.thresholds is None else tuple(rois.more.thresholds.tolist()),
                    stored=rois.more.stored,
                )
    except (FeaturesError, ScoresError) as error:
        if not record_failures:
            raise FeaturesError(str(error)) from error
        log.error(f"{error}: recorded as failed")
        # A message may quote what the file holds; the account has one line per bin.
        reason = "".join(c if c.isprintable() else "?" for c in str(error))
        provenance = FeaturesProvenance(bin_id, FeaturesStatus.FAILED, reason)
    if said.winners_only:
        provenance = replace(provenance, classes=said.classes, winners_only=True)
    write_features_summary(provenance, rois, biovolume, path, made_of(source, bin_id, said, computed, kept))
    return provenance


def _of_class_summary(scores: Provenance, file: SourceFile) -> FeaturesProvenance:
    """Read the sums of a bin from a class summary. Raises FeaturesError unless its counts are those of `scores`."""
    bin_id = scores.bin
    try:
        sizes = read_size_summary(file.body, file.address)
    except CatalogError as error:
        raise FeaturesError(f"bin {bin_id}: {error}") from None
    of, row = sizes.counted, sizes.counted.rows[bin_id]
    counts = {name: table[row].tolist() for name, table in of.counts.items()}
    both = counts.keys() & scores.counts.keys()
    if of.classes != scores.classes or any(counts[name] != list(scores.counts[name]) for name in both):
        raise FeaturesError(
            f"bin {bin_id}: {file.address} and {scores.address} count it differently, so the biovolumes of the one are "
            "not those of the other. Have both made again, or leave one of them"
        )
    return FeaturesProvenance(
        bin_id,
        FeaturesStatus.READ,
        address=file.address,
        sha256=digest_of(file.body),
        bytes=len(file.body),
        column=BIOVOLUME,
        classes=of.classes,
        counts=counts,
        biovolumes={name: _known(table[row]) for name, table in sizes.biovolumes.items()},
        carbon={name: _known(table[row]) for name, table in sizes.carbon.items()},
        n_rois=int(of.n_rois[row]),
        adhoc=of.adhoc,
    )


def _known(values: NDArray[np.float64]) -> list[float | None]:
    return [None if np.isnan(value) else value for value in values.tolist()]


def _read(source: Source, bin_id: str, computed: str | Path | None) -> tuple[SourceFile | None, str]:
    """The features of a bin, or None and why there are none. Raises FeaturesError for those that failed."""
    if computed is not None:
        body = Path(computed).read_bytes()
        why = body.decode().rstrip("\n") if body.startswith((FAILED.encode(), NOT_COMPUTED.encode())) else ""
        if not why:
            return SourceFile(str(computed), body), ""
        if why.startswith(FAILED):
            raise FeaturesError(why.removeprefix(FAILED))
        if why != NOT_COMPUTED + AT_SOURCE:
            return None, why
    return source.read_features(bin_id), "the source has no features of it"


def version_of(kept: Kept, winners_only: bool = False) -> int | list[int | str]:
    """The version of features summaries. One that keeps more is of another."""
    version = WINNERS_VERSION if winners_only else VERSION
    return [version, *kept.names] if kept.names else version


def made_of(
    source: Source,
    bin_id: str,
    scores: Provenance,
    computed: str | Path | None = None,
    kept: Kept = Kept(),  # noqa: B008
) -> str:
    """Return a checksum of what decides which features a summary holds: version, source and class scores."""
    of_file = () if computed is None else (sha256(Path(computed).read_bytes()).hexdigest(),)
    version = version_of(kept, scores.winners_only)
    return proof.digest(version, source.features_identity_of(bin_id), scores.status, scores.sha256, *of_file)


def proves_itself(
    source: Source,
    bin_id: str,
    summary: str | Path,
    path: str | Path,
    computed: str | Path | None = None,
    kept: Kept = Kept(),  # noqa: B008
) -> bool:
    """Tell whether a file is the one that `summarize_features` would make, or has more. The source is not asked."""
    said, found = read_provenance(summary), proof.of_parquet(path)
    if said is None or (computed is not None and not Path(computed).exists()):
        return False
    stated = found.get(proof.KEY)
    return any(proof.holds(stated, made_of(source, bin_id, said, computed, each)) for each in kept.or_more)


def said_of(path: str | Path) -> str:
    """Read what a features summary was made from, as text; empty if it is not one."""
    return proof.of_parquet(path).get("ifcb", b"").decode()


def _addressed(file: SourceFile, read: Callable[[], T]) -> T:
    """Return what `read` returns. If it refuses the file, the message gets the address."""
    try:
        return read()
    except (FeaturesError, ScoresError) as error:
        raise type(error)(f"{error} ({file.address})") from error


def _read_same_scores(source: Source, bin_id: str, digest: str, kept: Kept) -> RoiWinners:
    """Read the class of each ROI from the class scores that were counted, so that counts and sizes agree."""
    file = source.read_scores(bin_id)
    if file is None or sha256(file.body).hexdigest() != digest:
        now = "gone" if file is None else f"different now ({file.address})"
        raise FeaturesError(
            f"bin {bin_id}: the class scores that its abundance was counted from are {now}. To count the "
            "abundance again: snakemake recheck, with recheck.scores: all"
        )
    return _addressed(file, lambda: read_rois(bin_id, file, kept))


def biovolume_of(rois: NDArray[np.int64], features: RoiFeatures) -> NDArray[np.float64]:
    """Look up the biovolume (cubic pixels) of each ROI; NaN for one that the features do not have."""
    order = np.argsort(features.rois)
    known, biovolume = features.rois[order], features.biovolume[order]
    if not len(known):
        return np.full(len(rois), np.nan)
    at = np.searchsorted(known, rois).clip(max=len(known) - 1)
    return np.where(known[at] == rois, biovolume[at], np.nan)


def write_features_summary(
    provenance: FeaturesProvenance,
    rois: RoiWinners,
    biovolume: NDArray[np.float64],
    path: str | Path,
    made_of: str = "",
) -> None:
    """Write a features summary, as described at the top of this module. made_of: from the function `made_of`."""
    winners = winner_columns(provenance.classes, rois.score, rois.winner)
    table = pa.table(
        {
            "roi": pa.array(rois.rois),
            **winners,
            "biovolume": pa.array(biovolume, mask=np.isnan(biovolume)),
            **more_columns(provenance.classes, rois.more),
        }
    ).replace_schema_metadata({"ifcb": json.dumps(provenance.stated()), proof.KEY: proof.statement(made_of)})
    with atomic_write(path) as unfinished:
        pq.write_table(table, unfinished, compression="lz4", write_statistics=False, write_page_checksum=True)


def read_features_summary(path: str | Path) -> tuple[FeaturesProvenance, RoiWinners, NDArray[np.float64]]:
    """Read a features summary: provenance, winners, and biovolume (cubic pixels, NaN: not measured) of each ROI.

    Raises FeaturesError, naming the file, if it is not one.
    """
    try:
        table = pq.ParquetFile(path, page_checksum_verification=True, pre_buffer=False).read(use_threads=False)
        said = json.loads(table.schema.metadata[b"ifcb"])
        tuples = {name: tuple(said[name]) for name in ("classes", "thresholds") if name in said}
        provenance = FeaturesProvenance(**{**said, **tuples, "status": FeaturesStatus(said["status"])})
        score, winner = read_winner_columns(table, provenance.classes)
        more = with_thresholds(read_more_columns(table, provenance.classes), provenance.thresholds, provenance.stored)
        rois = RoiWinners(provenance.classes, table.column("roi").to_numpy(), score, winner, more)
        return provenance, rois, table.column("biovolume").fill_null(np.nan).to_numpy()
    except (pa.ArrowException, OSError, LookupError, TypeError, ValueError) as error:
        raise FeaturesError(
            f"{path}: not a features summary ({error}); delete it to have the bin read again"
        ) from error
