"""The archive on disk: a folder with lists of bins or their raw files, and the bins' class scores anywhere below it."""

import os
import re
from collections.abc import Mapping
from contextlib import AbstractContextManager
from functools import cached_property
from hashlib import sha256
from pathlib import Path

from bin_files import FORMATS, BinFiles
from bin_ids import PATTERN
from errors import RawFileError
from raw_archive import RawBin, RawTree, find_raw, read_start
from raw_images import ReadRange, open_roi
from raw_volume import FastRuns
from window import Window


class Archive(BinFiles):
    """A source of bins: the folder `path`; the other arguments as of BinFiles.

    Raises RawFileError if raw files are to be listed and there is no such folder.
    """

    def __init__(
        self,
        path: str,
        catalog: str = "export",
        scores_format: str = "csv",
        deployments: str | None = None,
        fast_runs: FastRuns = "factor",
    ) -> None:
        super().__init__(Path(path).as_posix(), {"path": str(path)}, catalog, scores_format, deployments, fast_runs)
        self.path = Path(path)
        if self.raw:
            self.catalog_identity |= {"catalog": catalog, "raw_files": self._raw_files()}

    def catalog_files(self) -> list[str]:
        """The archive's `metadata.csv`, or the deployments."""
        return super().catalog_files() if self.raw else [str(self.path / "metadata.csv")]

    def scores_files(self, bin_id: str) -> list[str]:
        """The files with this bin's class scores: one, or none if the bin has no scores."""
        if not self.path.exists():  # the demo may still have to be made
            return []
        return self._index.get(bin_id, {}).get(self.scores_format, [])

    def image_files(self, bin_id: str) -> list[str]:
        """The bin's raw files that are there; none either before the demo was made."""
        raw = self._files.bins.get(bin_id) if self.path.exists() else None
        return [path for path in (raw.hdr, raw.adc, raw.roi) if path] if raw else []

    def features_files(self, bin_id: str) -> list[str]:
        """The files with this bin's features, of the highest version: one, or none if the bin has no features."""
        return self._features(bin_id)

    def missing_reason(self, bin_id: str) -> str:
        """Why a bin has no scores, for the ledger: perhaps they are there in another format."""
        others = [
            f"source.scores_format: {name} would read {files[0]}" for name, files in self._index.get(bin_id, {}).items()
        ]
        return "; ".join([super().missing_reason(bin_id), *others])

    def would_tell(self, bin_id: str, told: str) -> bool:  # noqa: ARG002
        """Never: the file may have changed, and to read it again costs no request."""
        return False

    def _raw_bins(self, window: Window) -> Mapping[str, RawBin]:  # noqa: ARG002
        return self._files.bins

    def _tree(self, bin_id: str) -> RawTree:  # noqa: ARG002
        return self._files

    def _scores(self, bin_id: str) -> list[str]:
        return [Path(path).as_posix() for path in self.scores_files(bin_id)]

    def _read(self, path: str) -> bytes:
        return Path(path).read_bytes()

    def _read_start(self, path: str, most: int) -> bytes:
        return read_start(path, most)

    def _open_roi(self, path: str) -> AbstractContextManager[ReadRange]:
        return open_roi(path)

    def _raw_files(self) -> str:
        """A checksum of which raw files there are, and of what size and time: another one has the bins listed again."""
        paths = [path for raw in self._files.bins.values() for path in (raw.hdr, raw.adc, raw.roi) if path]
        stated = [(path, found.st_size, found.st_mtime_ns) for path in paths for found in [Path(path).stat()]]
        return sha256(repr(stated).encode()).hexdigest()

    @cached_property
    def _files(self) -> RawTree:
        try:
            return find_raw(self.path)
        except RawFileError as error:
            raise RawFileError(f"source.path: {error}") from None

    @cached_property
    def _index(self) -> dict[str, dict[str, list[str]]]:
        """Bin id and format to files, found in one walk: a search per bin would read all folders every time."""
        formats = "|".join(f"(?P<{name}>{pattern})" for name, pattern in FORMATS.items())
        pattern = re.compile(f"({PATTERN})(?:{formats})")
        index: dict[str, dict[str, list[str]]] = {}
        for folder, _, names in os.walk(self.path):
            for name in sorted(names):
                if found := pattern.fullmatch(name):
                    index.setdefault(found[1], {}).setdefault(str(found.lastgroup), []).append(f"{folder}/{name}")
        return index
