"""Reads bins from files, wherever the files are: in a local folder, or in a bucket."""

import logging
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pandas as pd

from ifcb_abundance.bins.deployments import read_deployments, unmatched
from ifcb_abundance.bins.ids import bin_timestamp, parse_bin_id
from ifcb_abundance.bins.window import Window
from ifcb_abundance.common.errors import (
    CatalogError,
    FeaturesError,
    NoBinsError,
    RawFileError,
    RequestError,
    ScoresError,
)
from ifcb_abundance.common.words import counted, printable
from ifcb_abundance.raw.blobs import Blobs
from ifcb_abundance.raw.header import Header
from ifcb_abundance.raw.images import RawImages, ReadRange
from ifcb_abundance.raw.tree import PARTS, RawBin, RawTree, read_raw_bin
from ifcb_abundance.raw.triggers import TriggerTable
from ifcb_abundance.raw.volume import FastRuns
from ifcb_abundance.sources.metadata_export import read_export, without_repeats
from ifcb_abundance.sources.raw_catalog import READERS, list_raw
from ifcb_abundance.sources.score_files import (
    AUTO,
    NAMES,
    STORED_AS,
    SUMMARY,
    WINNERS_ONLY,
    ScoreFiles,
    index_scores,
    without_other_csv,
)
from ifcb_abundance.sources.source_file import SourceFile
from ifcb_abundance.sources.summaries import Summaries
from ifcb_abundance.sources.survey import Survey, pick, share

if TYPE_CHECKING:
    from ifcb_abundance.common.precision import Precision

log = logging.getLogger("ifcb.bin_files")

TOLD = 3  # files that a warning names


@dataclass(frozen=True)
class FileOptions:
    """Which files of bins are read, and how.

    catalog: where the list of bins comes from, `export` (metadata.csv) or `raw` (the raw files). scores_format: a key
    of STORED_AS, or `auto`. scores_version: which of several versions counts; None for the newest. deployments: path of
    a CSV with positions for raw bins, None without. fast_runs: as of `volume.measure_volume`.
    """

    catalog: str = "export"
    scores_format: str = "csv"
    scores_version: int | None = None
    deployments: str | None = None
    fast_runs: FastRuns = "factor"


class BinFiles(ABC):
    """A source of bins that are files: raw ones, products, a list `metadata.csv`; the same in every place.

    address: the place as messages name it. identity: what tells the place from others. A RequestError of the place
    becomes an error about the bin.
    """

    def __init__(self, address: str, identity: Mapping[str, Any], options: FileOptions) -> None:
        self.address = address
        self.raw = options.catalog == "raw"
        self.asked_format = options.scores_format
        self.scores_version = options.scores_version
        self.deployments = options.deployments
        self.fast_runs = options.fast_runs
        self.catalog_identity: dict[str, Any] = dict(identity)
        if options.fast_runs != "factor":
            self.catalog_identity["fast_runs"] = options.fast_runs
        self._identity = dict(identity)

    @cached_property
    def scores_format(self) -> str:
        """The form of the class scores: what the config says, or for `auto` what lies there."""
        return self.asked_format

    def _form_met(self) -> str:
        """The form as far as it is known, for hints."""
        return self.scores_format

    @property
    def score_precision(self) -> "Precision":
        """The precision in which scores of this form are stored."""
        return STORED_AS.get(self.scores_format, STORED_AS["csv"])

    @cached_property
    def scores_identity(self) -> dict[str, Any]:
        """See ScoreReader. What is the default says nothing: so it was before there was a choice."""
        form = {"scores_format": self.scores_format} if self.scores_format not in ("csv", AUTO) else {}
        version = {"scores_version": self.scores_version} if self.scores_version is not None else {}
        return {**self._identity, **form, **version}

    def given_up(self) -> str:
        """Empty: files are always there. See Source.given_up."""
        return ""

    # --- what each place of files has to answer ---

    @abstractmethod
    def _raw_bins(self, window: Window) -> Mapping[str, RawBin]:
        """The raw bins by id: at least those whose id lies in the window."""

    @abstractmethod
    def _strangers(self) -> Iterable[str]:
        """The files that end like raw files and whose names belong to no bin, as far as they were met."""

    @abstractmethod
    def _tree(self, bin_id: str) -> RawTree:
        """A tree with all raw files and products of the bin."""

    @abstractmethod
    def _scores(self, bin_id: str) -> Sequence[str]:
        """The files with this bin's class scores, in the wanted form and version."""

    @abstractmethod
    def _all_scores(self, bins: Collection[str]) -> ScoreFiles:
        """All class-scores files, or those of the years of these bins."""

    @abstractmethod
    def _summary_paths(self) -> Sequence[str]:
        """The summaries, which are files of many bins, wherever they lie."""

    @property
    @abstractmethod
    def _has_list(self) -> bool:
        """Whether there is a metadata.csv."""

    @abstractmethod
    def _read(self, path: str) -> bytes:
        """Read a whole file."""

    @abstractmethod
    def _read_start(self, path: str, most: int) -> bytes:
        """Read the first bytes of a file, as tree.ReadStart."""

    @abstractmethod
    def _open_roi(self, path: str) -> AbstractContextManager[ReadRange]:
        """Open a `.roi` to read parts of it, as images.open_roi."""

    # --- what a source answers ---

    def catalog_files(self) -> list[str]:
        """The deployments. Raw files are too many to be inputs of the engine."""
        return [self.deployments] if self.raw and self.deployments else []

    def list_bins(self, window: Window, at_once: int = READERS) -> pd.DataFrame:
        """List the bins of metadata.csv or summaries, or the window's raw bins, as `metadata_export.read_export` does.

        Raises CatalogError if a bin that is an end of the window is not in metadata.csv: only that file has its
        sample_time. The sample_time of a raw bin is the time in its id.
        """
        if self.raw:
            return self._list_raw(window, at_once)
        if self._of_summaries and not self._has_list and self.summaries.paths:
            return self.summaries.list_bins(self.address)
        metadata = f"{self.address}/metadata.csv"
        rows = without_repeats(read_export(self._read(metadata), metadata, self.fast_runs), metadata)
        for key, bin_id in window.bins():
            if not (rows["bin"] == bin_id).any():
                raise CatalogError(
                    f"{key}: bin {bin_id} is not in {metadata}, so its sample_time is not known. "
                    "Accepted: a bin that is listed there, or a UTC day"
                )
        return rows

    def survey(self) -> Survey:
        """Look what the files are. Raises NoBinsError if they are no list of bins and no raw files."""
        raw = self._raw_bins(Window(None, None))
        listed: dict[str, date] = {bin_id: bin_timestamp(bin_id).date() for bin_id in raw}
        catalog = "raw"
        try:
            rows = self.list_bins(Window(None, None)) if not self.raw else None
        except (OSError, RequestError):
            rows = None
        if rows is not None:
            catalog = "export"
            listed = dict(zip(rows["bin"], rows["sample_time"].dt.date, strict=True))
        if not listed:
            raise NoBinsError(f"{self.address}: there is no metadata.csv in it, and no raw file (.hdr, .adc) of a bin")
        score_files, looked_at = self._scores_of(listed)
        return Survey(
            bins=len(listed),
            instruments=sorted({parse_bin_id(bin_id).instrument for bin_id in listed}),
            first=min(listed.values()),
            last=max(listed.values()),
            catalog=catalog,
            looked_at=looked_at or pick(list(listed)),
            score_files=score_files,
            features=share(sum(bool(self._features(bin_id)) for bin_id in listed), len(listed)),
            raw=self._raw_told(listed, raw),
        )

    def _raw_told(self, listed: Collection[str], raw: Mapping[str, RawBin]) -> str:
        """In words, how many bins have raw files. A bin needs no .roi to be listed; without it, it has no images."""
        there = [bin_id for bin_id in listed if bin_id in raw and raw[bin_id].hdr and raw[bin_id].adc]
        with_images = sum(map(self.may_have_images, there))
        told = share(len(there), len(listed))
        return told if with_images == len(there) else f"{told}, {with_images or 'none'} of them with images (.roi)"

    def _scores_of(self, bins: Collection[str]) -> tuple[dict[str, int], list[str]]:
        """Count the class-scores files of bins by their form, and pick bins that have some: of each summary one."""
        if self._of_summaries:
            of_bin = self.summaries.of_bin
            looked_at = {of_bin[bin_id]: bin_id for bin_id in bins if bin_id in of_bin}
            return ({SUMMARY: len(looked_at)} if looked_at else {}), list(looked_at.values())
        index = self._all_scores(bins)
        there = [bin_id for bin_id in bins if bin_id in index]
        counts = Counter(form for bin_id in there for form in index[bin_id])
        of_form = [bin_id for bin_id in there if self.asked_format in index[bin_id]]
        return dict(sorted(counts.items(), key=lambda each: (-each[1], each[0]))), pick(of_form or there)

    def _list_raw(self, window: Window, at_once: int) -> pd.DataFrame:
        bins = self._raw_bins(window)
        inside = [
            raw
            for bin_id, raw in bins.items()
            if (window.start is None or bin_timestamp(bin_id) >= window.start.first_instant)
            and (window.end is None or bin_timestamp(bin_id) <= window.end.last_instant)
        ]
        self._tell_of_strangers()
        if not inside:
            times = sorted(map(bin_timestamp, bins))
            spans = f"; there are {len(bins)}, from {times[0]} to {times[-1]}" if bins else ""
            raise NoBinsError(
                f"{self.address}: no raw bin (.hdr, .adc, .roi) from select.start {window.start} to select.end "
                f"{window.end} (UTC, inclusive){spans}"
            )
        deployments = read_deployments(self.deployments) if self.deployments else []
        rows = list_raw(inside, deployments, self._read_start, self.fast_runs, at_once)
        if without := unmatched(deployments, rows):
            log.warning(
                f"source.deployments: {len(without)} of {len(deployments)} match no bin of the window: "
                + "; ".join(without)
            )
        return rows

    def _tell_of_strangers(self) -> None:
        """Warn of raw files that are dropped because of their names. Hidden files are none, such as those of macOS."""
        named = sorted(path for path in self._strangers() if path.lower().endswith(PARTS))
        dropped = [path for path in named if "/." not in f"/{path.removeprefix(f'{self.address}/')}"]
        if dropped:
            one_of_each = {path.rpartition(".")[0]: path for path in reversed(dropped)}
            log.warning(
                f"raw bins: {counted(len(dropped), 'file')} (.hdr, .adc, .roi) not read, for no bin is called so. "
                "Names are like D20240215T150055_IFCB010.adc, with an existing time. Such as: "
                + ", ".join(map(printable, sorted(one_of_each.values())[:TOLD]))
            )

    def read_scores(self, bin_id: str) -> SourceFile | None:
        """Read the bin's class scores; None without a file. Raises ScoresError if there is more than one.

        Raises RequestError if a list of files cannot be had. It is about many bins, so none is recorded as failed.
        """
        files = self._scores(bin_id)
        if self._of_summaries:
            with _told_of(bin_id, ScoresError):
                return self.summaries.file(files[0]) if files else None
        if len(files) > 1:
            raise ScoresError(
                f"bin {bin_id}: more than one class-scores file: {', '.join(files)}. Leave one of them, or choose a "
                "version that their names or folders say with source.scores_version"
            )
        with _told_of(bin_id, ScoresError):
            return SourceFile(files[0], self._read(files[0])) if files else None

    def read_features(self, bin_id: str) -> SourceFile | None:
        """Read the bin's features of the highest version; None without a file. Raises FeaturesError for two of them."""
        latest = self._features(bin_id)
        if len(latest) > 1:
            raise FeaturesError(f"bin {bin_id}: more than one features file: {', '.join(latest)}")
        with _told_of(bin_id, FeaturesError):
            if self._of_summaries:
                return self.summaries.file(latest[0]) if latest else None
            return SourceFile(latest[0], self._read(latest[0])) if latest else None

    def may_have_images(self, bin_id: str) -> bool:
        """Whether the bin has all of its raw files."""
        raw = self._tree(bin_id).bins.get(bin_id)
        return raw is not None and all((raw.hdr, raw.adc, raw.roi))

    @cached_property
    def summaries(self) -> Summaries:
        """The summaries of the archive."""
        return Summaries(self._summary_paths(), self._read)

    def _summaries_met(self) -> Sequence[str]:
        """The summaries as far as they were met, for hints."""
        return self._summary_paths()

    @property
    def _of_summaries(self) -> bool:
        """Whether the class scores are those of summaries."""
        return self.scores_format == SUMMARY

    @staticmethod
    def _found(of_bin: Mapping[str, str], bin_id: str) -> list[str]:
        return [of_bin[bin_id]] if bin_id in of_bin else []

    def _features(self, bin_id: str) -> list[str]:
        if self._of_summaries:  # they have no ROIs that the features could be of
            return self._found(self.summaries.sizes_of_bin, bin_id)
        return self._latest(bin_id, "features")

    def _index_of(self, paths: Iterable[str]) -> dict[str, dict[str, list[str]]]:
        """Bin id and format to class scores. What `{bin}.csv` are is looked at unless the config says it."""
        index = index_scores(paths)
        return index if self.asked_format == WINNERS_ONLY else without_other_csv(index, self._read_start)

    def _latest(self, bin_id: str, kind: str) -> list[str]:
        files = [product for product in self._tree(bin_id).products.get(bin_id, []) if product.kind == kind]
        return [product.path for product in files if product.version == files[-1].version]

    def read_blobs(self, bin_id: str) -> Blobs | None:
        """Open the bin's blobs of the highest version; None without a file. Raises RawFileError for two of them."""
        latest = self._latest(bin_id, "blobs")
        if len(latest) > 1:
            raise RawFileError(f"bin {bin_id}: more than one file of blobs: {', '.join(latest)}")
        with _told_of(bin_id, RawFileError):
            return Blobs(bin_id, self._read(latest[0]), latest[0]) if latest else None

    def read_raw(self, bin_id: str) -> tuple[Header | None, TriggerTable | None]:
        """Read header and triggers of a bin; None for both without raw files."""
        raw = self._tree(bin_id).bins.get(bin_id)
        if raw is None:
            return None, None
        with _told_of(bin_id, RawFileError):
            return read_raw_bin(raw, self._read_start)

    @contextmanager
    def open_images(self, bin_id: str) -> Iterator[RawImages | None]:
        """Open the bin's images; None without raw files."""
        raw = self._tree(bin_id).bins.get(bin_id)
        if raw is None:
            yield None
            return
        with _told_of(bin_id, RawFileError):
            if not raw.roi and not raw.problem:
                raise RawFileError(f"bin {bin_id}: no .roi beside {raw.adc}, so there are no images of it")
            _, triggers = read_raw_bin(raw, self._read_start)
            with self._open_roi(raw.roi) as read:
                yield RawImages(triggers, read)

    def missing_reason(self, bin_id: str) -> str:
        """Why a bin has no scores, for the ledger."""
        form = self.scores_format  # not that which was met: it depends on what was read before
        name = f"{bin_id}{NAMES[form]}" if form in NAMES else "summary_allTB*.mat that has the bin"
        name = f"class scores of {bin_id}" if form == AUTO else name
        version = "" if self.scores_version is None else f", in version {self.scores_version} (source.scores_version)"
        return f"no {name} below {self.address}{version}"

    def scores_instead(self, bins: Collection[str]) -> str:
        """Which class-scores files there are if the bins have none, for a message."""
        try:
            index = self._all_scores(bins)
        except RequestError as error:
            return f"it is unknown which files there are: {error}"
        of_bins: Counter[tuple[str, str]] = Counter()
        of_others: Counter[str] = Counter()
        for bin_id, by_format in index.items():
            for name, paths in by_format.items():
                for path in paths:
                    ending = path.rpartition("/")[2].removeprefix(bin_id)
                    if bin_id not in bins:
                        of_others[ending] += 1
                    elif name != self._form_met():
                        of_bins[ending, name] += 1
        found = [f"{n} {ending}: source.scores_format: {name}" for (ending, name), n in sorted(of_bins.items())]
        found += [f"{n} *{ending} for other bins" for ending, n in sorted(of_others.items())]
        if self._form_met() != SUMMARY and (n := len(self._summaries_met())):
            found.append(f"{n} summary_allTB*.mat: source.scores_format: {SUMMARY}")
        return f"below {self.address} there are {', '.join(found) or 'no class scores of any format'}"


@contextmanager
def _told_of(bin_id: str, kind: type[ScoresError | FeaturesError | RawFileError]) -> Iterator[None]:
    try:
        yield
    except RequestError as error:
        raise kind(f"bin {bin_id}: {error}") from error
