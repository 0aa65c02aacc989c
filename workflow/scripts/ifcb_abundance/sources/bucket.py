"""The bins of an S3-compatible bucket: the files of a folder on disk, under `{prefix}/{year}/` and other folders.

Reads only (GET). A process lists the bucket at most once, folder by folder as bins are asked for: a top-level folder
that is named like a year from 2005 to the next one holds the bins of that year, any other one (`legacy`, cruise `1407`)
those of all years.
"""

import logging
import re
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

from ifcb_abundance.bins.ids import FIRST_YEAR, PATTERN, parse_bin_id
from ifcb_abundance.bins.window import Window
from ifcb_abundance.common.errors import ConfigError, NoBinsError, RequestError
from ifcb_abundance.common.words import counted
from ifcb_abundance.raw.images import ReadRange
from ifcb_abundance.raw.tree import EXCLUDED, PARTS, RawBin, RawTree, index_files
from ifcb_abundance.sources.bin_files import BinFiles, FileOptions
from ifcb_abundance.sources.network_source import NetworkSource
from ifcb_abundance.sources.retry import RequestOptions, Retrier
from ifcb_abundance.sources.score_files import (
    AUTO,
    NAMES,
    STORED_AS,
    SUMMARY,
    ScoreFiles,
    chosen,
    detect,
    index_scores,
    is_summary,
)

if TYPE_CHECKING:
    from ifcb_abundance.sources.s3 import S3Client

log = logging.getLogger("ifcb.bucket")

# The file of a bin of either style, and the year in its id.
_OF_A_BIN = re.compile(f"(?s:.*)/(?=(?:D([0-9]{{4}})|IFCB[0-9]+_([0-9]{{4}})_))(?:{PATTERN})[._][^/]+")


def _is_year(folder: str) -> bool:
    """Whether a folder is called like a year in which there may be bins: cruises have four digits too."""
    return bool(re.fullmatch("[0-9]{4}", folder)) and FIRST_YEAR <= int(folder) <= datetime.now(UTC).year + 1


def _year_of(bin_id: str) -> int:
    """The year in a bin's id. The time of a leap second may lie in the next one."""
    return int(parse_bin_id(bin_id).folder[:4])


@dataclass(frozen=True)
class _Year:
    """The files of a year's bins: raw files and products, and class scores of the wanted format by bin."""

    tree: RawTree
    scores: Mapping[str, Sequence[str]]


class BucketSource(NetworkSource, BinFiles):
    """A source of bins: the files below `path` (`s3://bucket/prefix`).

    endpoint_url: address of an S3-compatible server, None for AWS or the one that the environment names. anonymous:
    requests are not signed, otherwise with the usual credentials (environment, ~/.aws, role). Connects at the first
    request.
    """

    def __init__(
        self,
        path: str,
        endpoint_url: str | None = None,
        anonymous: bool = False,
        files: FileOptions = FileOptions(),  # noqa: B008
        requests: RequestOptions = RequestOptions(),  # noqa: B008
    ) -> None:
        address = path.rstrip("/")
        super().__init__(address, {"path": address, "endpoint_url": endpoint_url}, files)
        self.catalog_identity["catalog"] = files.catalog
        # Not a part of `scores_identity`: all that was read of CSV files, as a default once, would be read again.
        self.named_form = "csv" if files.scores_format == "csv" else ""
        self.bucket, _, prefix = address.removeprefix("s3://").partition("/")
        self.prefix = f"{prefix}/" if prefix else ""
        self.endpoint_url = endpoint_url
        self.anonymous = anonymous
        self.retrier = Retrier(requests)
        self._listing = threading.RLock()  # one thread lists, the others wait for it
        self._opening = threading.Lock()
        self._opened: S3Client | None = None
        self._listed: dict[str, list[str] | RequestError] = {}
        self._sizes: dict[str, int] = {}  # in bytes, of all files that were listed
        self._years: dict[int, _Year] = {}
        self._form: str | None = None  # of the years that were listed, with `auto`

    def would_tell(self, bin_id: str, told: str) -> bool:
        """Whether it may be the address of the bin's scores here, or is the reason for none. Makes no request."""
        if is_summary(told):
            return False  # which bins it has, and with which counts, only reading it tells
        forms = index_scores([told]).get(bin_id, {})
        here = told.startswith(f"{self.address}/") and bool(forms) and self.scores_format in (AUTO, *forms)
        return here or told == self.missing_reason(bin_id)

    def _form_met(self) -> str:
        """See BinFiles."""
        return self.scores_format if self.scores_format != AUTO else self._form or "csv"

    # --- which files there are ---

    def _raw_bins(self, window: Window) -> dict[str, RawBin]:
        first = window.start.day.year if window.start else 0
        last = window.end.day.year if window.end else 9999
        with self._listing:
            known = {int(folder) for folder in self._folders if _is_year(folder)} | set(self._others)
            trees = [self._year(year).tree for year in sorted(known) if first <= year <= last]
        return dict(sorted((bin_id, raw) for tree in trees for bin_id, raw in tree.bins.items()))

    def _strangers(self) -> Iterable[str]:
        with self._listing:
            listed = [path for found in self._listed.values() if isinstance(found, list) for path in found]
            no_days = [path for of_year in self._years.values() for path in of_year.tree.strangers]
        return no_days + [path for path in listed if path.lower().endswith(PARTS) and not _OF_A_BIN.fullmatch(path)]

    def _tree(self, bin_id: str) -> RawTree:
        return self._year(_year_of(bin_id)).tree

    def _scores(self, bin_id: str) -> Sequence[str]:
        if self._of_summaries:
            return self._found(self.summaries.of_bin, bin_id)
        return self._year(_year_of(bin_id)).scores.get(bin_id, [])

    def _all_scores(self, bins: Collection[str]) -> ScoreFiles:
        years = {_year_of(bin_id) for bin_id in bins}
        with self._listing:
            paths = [path for of_year in self._others.values() for path in of_year]
            for year in sorted(years):
                paths += self._in_folder_of(year)
        return self._index_of(paths)

    def _summary_paths(self) -> list[str]:
        with self._listing:
            below = [path for path in self._top if path.endswith("/")]
            names = [path[len(self.address) + 1 :] for path in below]
            folders = [name for name in names if name[:-1].lower() not in EXCLUDED]
            return sorted(filter(is_summary, [*self._top, *(path for name in folders for path in self._list(name))]))

    def _summaries_met(self) -> list[str]:
        """See BinFiles. No folder is listed for it."""
        with self._listing:
            return [
                path for found in self._listed.values() if isinstance(found, list) for path in filter(is_summary, found)
            ]

    @cached_property
    def _of_summaries(self) -> bool:
        """See BinFiles. With `auto` they are taken where there is no list of bins and no file of a bin's scores."""
        if self.raw or self.scores_format not in (AUTO, SUMMARY):
            return False
        if self.scores_format == AUTO:
            with self._listing:
                if self._has_list or not (summaries := self._summary_paths()):
                    return False
                listed = (path for found in self._listed.values() if isinstance(found, list) for path in found)
                if self._index_of(listed):
                    return False
                log.info(f"class scores: {SUMMARY}, {counted(len(summaries), 'file')} (source.scores_format: auto)")
        self._form = SUMMARY
        return True

    @property
    def _has_list(self) -> bool:
        with self._listing:
            return f"{self.address}/metadata.csv" in self._top

    def _year(self, year: int) -> _Year:
        """The files of all bins whose id has that year."""
        with self._listing:
            if year not in self._years:
                folder = f"{year:04d}"
                of_year = _by_year(self._in_folder_of(year)).get(year, [])
                # In the order of a walk through folders: of two duplicates the same one counts as on disk.
                paths = sorted(of_year + self._others.get(year, []), key=_place)
                index = self._index_of(paths) if self.scores_format == AUTO else index_scores(paths)
                form = self._form_of(index, f"{self.address}, year {folder},")
                found = {
                    bin_id: chosen(forms.get(form, []), form, self.scores_version) for bin_id, forms in index.items()
                }
                self._years[year] = _Year(index_files(paths), found)
            return self._years[year]

    def _form_of(self, index: ScoreFiles, where: str) -> str:
        """The form that the class scores of a year have: with `auto` it is known once the year was listed.

        Raises RequestError for what `auto` cannot mean here: more than one form, and forms whose scores are compared in
        another precision, for that has to be known before anything is listed.
        """
        if self.scores_format != AUTO:
            return self.scores_format
        try:
            form = detect(index, [], self.scores_version, where)
        except ConfigError as error:
            raise RequestError(str(error)) from None
        if index and self._form not in (None, form):
            why = f"have another form than those of other years ({self._form})"
        elif STORED_AS[form] != self.score_precision:
            why = f"are *{NAMES[form]} files. They are compared as {STORED_AS[form]}, which a run has to know first"
        else:
            if index and self._form is None:
                self._form = form
                log.info(f"class scores: {form} (source.scores_format: auto)")
            return form
        raise RequestError(f"source.scores_format: auto: the class scores of {where} {why}. Set it to {form}")

    @cached_property
    def _others(self) -> dict[int, list[str]]:
        """The files of bins that are in no folder of a year, by the year of the bin."""
        folders = [folder for folder in self._folders if not _is_year(folder)]
        files = [path for path in self._top if not path.endswith("/")]
        return _by_year(files + [path for folder in folders for path in self._list(f"{folder}/")])

    def _in_folder_of(self, year: int) -> list[str]:
        """The files in the folder of a year, if there is one."""
        folder = f"{year:04d}"
        return self._list(f"{folder}/") if folder in self._folders and _is_year(folder) else []

    @property
    def _top(self) -> list[str]:
        """The files right under the prefix, and its folders, which end with `/`. Raises NoBinsError for none."""
        if not (top := self._list("", delimiter="/")):
            at = f" (at {self.endpoint_url})" if self.endpoint_url else ""
            raise NoBinsError(
                f"{self.address}{at}: there is no file below it: check source.path and source.endpoint_url"
            )
        return top

    @property
    def _folders(self) -> list[str]:
        names = [path[len(self.address) + 1 : -1] for path in self._top if path.endswith("/")]
        return [name for name in names if name.lower() not in EXCLUDED]

    def _list(self, folder: str, delimiter: str = "") -> list[str]:
        """Paths below a folder (`2024/`, or `` for all), without those of excluded folders.

        With the delimiter only its own files and folders, which end with `/`. A folder is listed once in a process,
        also one that cannot be listed. Raises RequestError.
        """
        if folder not in self._listed:
            try:
                self._listed[folder] = found = list(self._below(folder, delimiter))
                log.info(f"bucket: {self.address}/{folder}: {counted(len(found), 'file')} listed")
            except RequestError as error:
                self._listed[folder] = error
        listed = self._listed[folder]
        if isinstance(listed, RequestError):
            raise RequestError(str(listed), listed.kind) from listed
        return listed

    def _below(self, folder: str, delimiter: str) -> Iterator[str]:
        for page in self._client.pages(self.prefix + folder, delimiter):
            sizes = {found.key: found.size for found in page.objects if not found.key.endswith("/")}
            for key in [*sizes, *page.folders]:
                folders = key.removeprefix(self.prefix).split("/")[:-1]
                if EXCLUDED.isdisjoint(map(str.lower, folders)):
                    path = f"s3://{self.bucket}/{key}"
                    if key in sizes:
                        self._sizes[path] = sizes[key]
                    yield path

    # --- files ---

    def _read(self, path: str) -> bytes:
        return self._client.read(self._key(path), self._sizes.get(path))

    def _read_start(self, path: str, most: int) -> bytes:
        return self._client.read_start(self._key(path), most, self._sizes.get(path))

    @contextmanager
    def _open_roi(self, path: str) -> Iterator[ReadRange]:
        yield lambda offset, length: self._client.read_range(self._key(path), offset, length)

    def _key(self, path: str) -> str:
        return path.removeprefix(f"s3://{self.bucket}/")

    @property
    def _client(self) -> "S3Client":
        """The client, whose import takes time: a run that asks for nothing does without."""
        from ifcb_abundance.sources.s3 import ConfigKeys, S3Client

        with self._opening:
            if self._opened is None:
                keys = ConfigKeys("source.path", "source.endpoint_url", "source.anonymous", "source.max_body_mb")
                self._opened = S3Client(self.bucket, self.endpoint_url, self.anonymous, self.retrier, keys)
            return self._opened


def _place(path: str) -> tuple[list[str], str]:
    folder, _, name = path.rpartition("/")
    return folder.split("/"), name


def _by_year(paths: Iterable[str]) -> dict[int, list[str]]:
    """The files named after a bin, by the year in its id, even if its day does not exist."""
    years: dict[int, list[str]] = {}
    for path in paths:
        if found := _OF_A_BIN.fullmatch(path):
            years.setdefault(int(found[1] or found[2]), []).append(path)
    return years
