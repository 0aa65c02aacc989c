"""The bins of a folder: it has lists of bins or their raw files, and class scores anywhere below it."""

import re
from collections.abc import Collection, Iterable, Mapping
from contextlib import AbstractContextManager, suppress
from functools import cached_property
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any

from ifcb_abundance.bins.ids import parse_bin_id
from ifcb_abundance.bins.window import Window
from ifcb_abundance.common.errors import ConfigError, RawFileError, RequestError
from ifcb_abundance.common.folders import below, stamp
from ifcb_abundance.common.progress import TRAFFIC
from ifcb_abundance.common.words import printable
from ifcb_abundance.raw.images import ReadRange, open_roi
from ifcb_abundance.raw.tree import EXCLUDED, PARTS, RawBin, RawTree, find_raw, read_start
from ifcb_abundance.sources.bin_files import BinFiles, FileOptions
from ifcb_abundance.sources.score_files import (
    AUTO,
    SUMMARY,
    ScoreFiles,
    chosen,
    detect,
    is_summary,
    like_scores,
    nearly_named,
)
from ifcb_abundance.sources.source_file import SourceFile

LOOKED_AT = 100_000  # files that are searched for raw ones, for a hint

# To the workflow braces are wildcards. Control characters, and bytes that are not UTF-8, are in no table.
_UNUSABLE = re.compile("[{}\0-\x1f\ud800-\udfff]")


def _usable(paths: list[str]) -> list[str]:
    """Return the paths. Raises ConfigError for one that neither the workflow nor a table can have."""
    for path in paths:
        if _UNUSABLE.search(path):
            raise ConfigError(
                f"source.path: {path!r} cannot be read: there are braces, control characters such as a line break, or "
                "bytes that are not UTF-8 in it. Rename the folder or file"
            )
    return paths


def why_no_folder(path: str | Path) -> str:
    """Return why a path is not the folder of an archive, for a message; empty if it is one."""
    path = Path(path)
    if path.is_dir():
        return ""
    if path.exists():
        return f"source.path: {path} is a file; give its folder, {path.parent}"
    return f"source.path: there is no folder {path}"


def why_no_list(path: str | Path) -> str:
    """Return why there is no `metadata.csv` in the folder of an archive, and what to do about it."""
    if why := why_no_folder(path):
        return f"{why}. Accepted: the folder of an archive on disk"
    hint = "Accepted: the folder of an archive on disk"
    with suppress(RawFileError):  # a folder that cannot be read: it is only a hint
        found = list(islice(below(path), LOOKED_AT))
        lists = [name for name in found if Path(name).name.lower().startswith("metadata")]
        if below_it := [Path(name).parent for name in lists if Path(name).name == "metadata.csv"]:
            hint = f"Accepted: the folder that has it. Is that {below_it[0]}?"
        elif lists:
            hint = f"Is {lists[0]} the list? It has to be {Path(path, 'metadata.csv')}, with commas and in UTF-8"
        elif any(name.lower().endswith(PARTS) for name in found):
            hint = "There are raw files in it: source.catalog: raw takes the list of bins from these"
    return f"source.path: {path} has no metadata.csv. {hint}"


class DirectorySource(BinFiles):
    """A source of bins: the files below the folder `path`.

    Raises RawFileError if raw files are to be listed and there is no such folder.
    """

    same_for_all_bins = False
    named_form = ""

    def __init__(self, path: str, options: FileOptions = FileOptions()) -> None:  # noqa: B008
        address = Path(path).as_posix()  # `archive/` is the folder `archive`
        super().__init__(address, {"path": address}, options)
        self.path = Path(path)
        self._stamps: dict[str, list[str | int]] = {}
        if self.raw:
            self.catalog_identity |= {"catalog": options.catalog, "raw_files": self._raw_files()}

    def catalog_files(self) -> list[str]:
        """The archive's `metadata.csv`, or the deployments; summaries list their bins themselves."""
        if self.raw:
            return super().catalog_files()
        if self.path.is_dir() and not self._has_list and self._of_summaries and self._summaries:
            return self._summaries
        return [str(self.path / "metadata.csv")]

    @cached_property
    def scores_format(self) -> str:
        """See BinFiles. Raises ConfigError if they are of several forms, or for a path of one that is of no use."""
        if self.asked_format != AUTO:
            return self.asked_format
        if not self.path.is_dir():  # the demo may still have to be made
            return "csv"
        form = detect(self._index, self._summaries, self.scores_version, str(self.path))
        _usable([path for by_format in self._index.values() for path in by_format.get(form, ())])
        return form

    def scores_files(self, bin_id: str) -> list[str]:
        """The files with this bin's class scores: one, or none if it has no scores."""
        if not self.path.exists():  # the demo may still have to be made
            return []
        if self.scores_format == SUMMARY:
            return self._found(self.summaries.of_bin, bin_id)
        paths = self._index.get(bin_id, {}).get(self.scores_format, [])
        return _usable(chosen(paths, self.scores_format, self.scores_version))

    def some_scores(self, most: int) -> list[tuple[str, SourceFile]] | None:
        """See ScoreReader."""
        if not self.path.is_dir():
            return []
        of_form = self.summaries.of_bin if self.scores_format == SUMMARY else self._index
        there = sorted(bin_id for bin_id in of_form if len(self.scores_files(bin_id)) == 1)
        steps = max(min(most, len(there)) - 1, 1)
        few = dict.fromkeys(there[(len(there) - 1) * step // steps] for step in range(min(most, len(there))))
        files = [(bin_id, self.read_scores(bin_id)) for bin_id in few]
        return [(bin_id, file) for bin_id, file in files if file]

    # --- summaries, which are files of many bins ---

    @property
    def _has_list(self) -> bool:
        return (self.path / "metadata.csv").exists()

    def _summary_paths(self) -> list[str]:
        return self._summaries if self.path.exists() else []

    def image_files(self, bin_id: str) -> list[str]:
        """The bin's raw files; none before the demo was made."""
        raw = self._files.bins.get(bin_id) if self.path.exists() else None
        return _usable([path for path in (raw.hdr, raw.adc, raw.roi) if path]) if raw else []

    def features_files(self, bin_id: str) -> list[str]:
        """The files with this bin's features of the highest version: one, or none if it has no features."""
        return _usable(self._features(bin_id)) if self.path.exists() else []

    def blobs_files(self, bin_id: str) -> list[str]:
        """The files with this bin's blobs of the highest version: one, or none."""
        return _usable(self._latest(bin_id, "blobs")) if self.path.exists() else []

    def scores_identity_of(self, bin_id: str) -> dict[str, Any]:
        """What is read for the bin's scores: which file, with its size and time."""
        return self._identity_of(self.scores_files(bin_id))

    def features_identity_of(self, bin_id: str) -> dict[str, Any]:
        """The same for the bin's features."""
        return self._identity_of(self.features_files(bin_id))

    def images_identity_of(self, bin_id: str) -> dict[str, Any]:
        """The same for the bin's images."""
        return self._identity_of(self.image_files(bin_id))

    def _identity_of(self, files: Iterable[str]) -> dict[str, Any]:
        return {**self.scores_identity, "files": [self._stamp(path) for path in files]}

    def _stamp(self, path: str) -> list[str | int]:
        """Taken once, before the file is read. If it is replaced meanwhile, the next run sees that it changed."""
        if path not in self._stamps:
            self._stamps[path] = stamp(path)
        return self._stamps[path]

    def missing_reason(self, bin_id: str) -> str:
        """Why a bin has no scores, for the ledger: perhaps it has them in another format."""
        others = [
            f"source.scores_format: {name} would read {printable(files[0])}"
            for name, files in self._index.get(bin_id, {}).items()
        ]
        if nearly := self._nearly.get(bin_id):
            others.append(
                f"{printable(nearly)} is not named so, and is not read: rename it, and unpack it if it is compressed"
            )
        return "; ".join([super().missing_reason(bin_id), *others])

    def would_tell(self, bin_id: str, told: str) -> bool:  # noqa: ARG002
        """False: the file may have changed, and reading it again costs no request."""
        return False

    def score_files(self, bins: Collection[str], window: Window) -> dict[str, Any] | None:
        """Count the class-scores files by the bins that they belong to. bins: those of the catalog.

        of_the_catalog: of these bins. outside_the_window: of others, by the time in the bin's id. not_in_the_catalog:
        of others in the window; such_as: the first few of these. of_other_formats: not of source.scores_format, of
        any bin.
        """
        counts = dict.fromkeys(("of_the_catalog", "not_in_the_catalog", "outside_the_window", "of_other_formats"), 0)
        strangers = []
        for bin_id, by_format in self._index.items():
            counts["of_other_formats"] += sum(map(len, by_format.values()))
            if n := len(by_format.get(self.scores_format, ())):
                counts["of_other_formats"] -= n
                if bin_id in bins:
                    counts["of_the_catalog"] += n
                elif _lies_in(window, bin_id):
                    counts["not_in_the_catalog"] += n
                    strangers.append(bin_id)
                else:
                    counts["outside_the_window"] += n
        return {**counts, "such_as": sorted(strangers)[:5]}

    def score_files_identity(self) -> str | None:
        """A checksum of the list of class-scores files."""
        return sha256(repr(self._index).encode()).hexdigest() if self.path.exists() else None

    def _all_scores(self, bins: Collection[str]) -> ScoreFiles:  # noqa: ARG002
        return self._index

    def _raw_bins(self, window: Window) -> Mapping[str, RawBin]:  # noqa: ARG002
        return self._files.bins

    def _strangers(self) -> Iterable[str]:
        return self._files.strangers

    def _tree(self, bin_id: str) -> RawTree:  # noqa: ARG002
        return self._files

    def _scores(self, bin_id: str) -> list[str]:
        return [Path(path).as_posix() for path in self.scores_files(bin_id)]

    def _read(self, path: str) -> bytes:
        try:
            body = Path(path).read_bytes()
        except OSError as error:
            raise RequestError(f"{path}: cannot be read ({error.strerror})") from error
        TRAFFIC.add(len(body))
        return body

    def _read_start(self, path: str, most: int) -> bytes:
        return read_start(path, most)

    def _open_roi(self, path: str) -> AbstractContextManager[ReadRange]:
        return open_roi(path)

    def _raw_files(self) -> str:
        """A checksum of the raw files, their sizes and times: when it changes, the bins are listed again."""
        paths = [path for raw in self._files.bins.values() for path in (raw.hdr, raw.adc, raw.roi) if path]
        return sha256(repr([tuple(stamp(path)) for path in paths]).encode()).hexdigest()

    @cached_property
    def _files(self) -> RawTree:
        if why := why_no_folder(self.path):
            raise RawFileError(why)
        try:
            return find_raw(self.path)
        except RawFileError as error:
            raise RawFileError(f"source.path: {error}") from None

    @cached_property
    def _index(self) -> dict[str, dict[str, list[str]]]:
        index = self._index_of(self._paths)
        for by_format in index.values():
            for form, paths in by_format.items():
                if len(paths) > 1:
                    by_format[form] = [path for path in paths if not self._is_excluded(path)] or paths
        return index

    def _is_excluded(self, path: str) -> bool:
        """Whether a file is in a folder `skip` or `beads`. Class scores there count for bins without any others."""
        folders = path.removeprefix(f"{self.address}/").lower().split("/")[:-1]
        return not EXCLUDED.isdisjoint(folders)

    @cached_property
    def _paths(self) -> list[str]:
        """What may be class scores."""
        return [path for path in self._like_scores if path.endswith((".csv", ".h5", ".mat"))]

    @cached_property
    def _nearly(self) -> dict[str, str]:
        """Bin id to a file that would be its class scores under another name."""
        return nearly_named(self._like_scores) if self.path.is_dir() else {}

    @cached_property
    def _like_scores(self) -> list[str]:
        """All files with such a name, found in one walk: a search for each bin would read all folders every time."""
        try:
            return [path for path in below(self.path) if like_scores(path)]
        except RawFileError as error:
            raise RawFileError(f"source.path: {error}") from None

    @cached_property
    def _summaries(self) -> list[str]:
        return _usable(sorted(filter(is_summary, self._paths)))


def _lies_in(window: Window, bin_id: str) -> bool:
    """Whether the time in a bin's id lies in the window; true for an id with a day that does not exist."""
    try:
        time = parse_bin_id(bin_id).time
    except ValueError:
        return True
    after = window.start is None or time >= window.start.first_instant
    return after and (window.end is None or time <= window.end.last_instant)
