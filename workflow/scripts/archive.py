"""The archive on disk: a folder with lists of bins or their raw files, and the bins' class scores anywhere below it."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandas as pd

from bin_ids import PATTERN, bin_timestamp
from deployments import read_deployments
from errors import FeaturesError, NoBinsError, ScoresError
from metadata_export import read_export, without_repeats
from raw_archive import RawTree, find_raw, read_raw_bin
from raw_catalog import list_raw
from raw_images import RawImages, open_roi
from source_file import SourceFile
from window import Window

# What stands behind the bin's id in the names of class-scores files, by the config's word for their format.
FORMATS = {"csv": r"_class_scores\.csv", "h5": r"_class(_v[23])?\.h5", "mat": r"_class_v1\.mat"}
NAMES = {"csv": "_class_scores.csv", "h5": "_class.h5", "mat": "_class_v1.mat"}


class Archive:
    """A source of bins: the folder `path`.

    catalog: where the list of bins is from, `export` (the folder's metadata.csv) or `raw` (the raw files).
    scores_format: a key of FORMATS. deployments: path of a CSV with positions for raw bins, None without. Raises
    RawFileError if raw files are to be listed and there is no such folder.
    """

    def __init__(
        self, path: str, catalog: str = "export", scores_format: str = "csv", deployments: str | None = None
    ) -> None:
        self.path = Path(path)
        self.raw = catalog == "raw"
        self.scores_format = scores_format
        self.deployments = deployments
        self.catalog_identity: dict[str, Any] = {"path": str(path)}
        if self.raw:
            self.catalog_identity |= {"catalog": catalog, "raw_files": self._raw_files()}
        self.scores_identity: dict[str, Any] = {"path": str(path)}
        if scores_format != "csv":
            self.scores_identity["scores_format"] = scores_format

    def catalog_files(self) -> list[str]:
        """The archive's `metadata.csv`, or the deployments; raw files are too many to be the engine's inputs."""
        if self.raw:
            return [self.deployments] if self.deployments else []
        return [str(self.path / "metadata.csv")]

    def list_bins(self, window: Window) -> pd.DataFrame:
        """All bins of metadata.csv, or the window's raw ones, as rows of `metadata_export.read_export`."""
        if self.raw:
            return self._list_raw(window)
        metadata = self.path / "metadata.csv"
        return without_repeats(read_export(metadata.read_bytes(), str(metadata)), str(metadata))

    def _list_raw(self, window: Window) -> pd.DataFrame:
        bins = self._tree.bins
        inside = [
            raw
            for bin_id, raw in bins.items()
            if (window.start is None or bin_timestamp(bin_id) >= window.start.first_instant)
            and (window.end is None or bin_timestamp(bin_id) <= window.end.last_instant)
        ]
        if not inside:
            times = sorted(map(bin_timestamp, bins))
            spans = f"; there are {len(bins)}, from {times[0]} to {times[-1]}" if bins else ""
            raise NoBinsError(
                f"{self.path}: no raw bin (.hdr, .adc, .roi) from select.start {window.start} to select.end "
                f"{window.end} (UTC, inclusive){spans}"
            )
        return list_raw(inside, read_deployments(self.deployments) if self.deployments else [])

    def _raw_files(self) -> str:
        """A checksum of which raw files there are, and of what size and time: another one has the bins listed again."""
        paths = [path for raw in self._tree.bins.values() for path in (raw.hdr, raw.adc, raw.roi) if path]
        stated = [(path, found.st_size, found.st_mtime_ns) for path in paths for found in [Path(path).stat()]]
        return sha256(repr(stated).encode()).hexdigest()

    @cached_property
    def _tree(self) -> RawTree:
        return find_raw(self.path)

    def scores_files(self, bin_id: str) -> list[str]:
        """The files with this bin's class scores: one, or none if the bin has no scores."""
        return self._index.get(bin_id, []) if self.path.exists() else []  # the demo may still have to be made

    def image_files(self, bin_id: str) -> list[str]:
        """The bin's raw files that are there; none either before the demo was made."""
        raw = self._tree.bins.get(bin_id) if self.path.exists() else None
        return [path for path in (raw.hdr, raw.adc, raw.roi) if path] if raw else []

    def may_have_images(self, bin_id: str) -> bool:
        """Whether there are raw files of the bin."""
        return bin_id in self._tree.bins

    def read_scores(self, bin_id: str) -> SourceFile | None:
        """The bin's class scores; None without a file, ScoresError if there is more than one."""
        files = self.scores_files(bin_id)
        if len(files) > 1:
            raise ScoresError(f"bin {bin_id}: more than one class-scores file: {', '.join(files)}")
        return SourceFile(Path(files[0]).as_posix(), Path(files[0]).read_bytes()) if files else None

    def read_features(self, bin_id: str) -> SourceFile | None:
        """The bin's features, of the highest version; None without a file, FeaturesError if there are two of it."""
        files = [product for product in self._tree.products.get(bin_id, []) if product.kind == "features"]
        latest = [product.path for product in files if product.version == files[-1].version]
        if len(latest) > 1:
            raise FeaturesError(f"bin {bin_id}: more than one features file: {', '.join(latest)}")
        return SourceFile(latest[0], Path(latest[0]).read_bytes()) if latest else None

    @contextmanager
    def open_images(self, bin_id: str) -> Iterator[RawImages | None]:
        """The bin's images; None without raw files."""
        raw = self._tree.bins.get(bin_id)
        if raw is None:
            yield None
            return
        _, triggers = read_raw_bin(raw)
        with open_roi(raw.roi) as read:
            yield RawImages(triggers, read)

    def missing_reason(self, bin_id: str) -> str:
        """Why a bin has no scores, for the ledger."""
        return f"no {bin_id}{NAMES[self.scores_format]} below {self.path.as_posix()}"

    def would_tell(self, bin_id: str, told: str) -> bool:  # noqa: ARG002
        """Never: the file may have changed, and to read it again costs no request."""
        return False

    @cached_property
    def _index(self) -> dict[str, list[str]]:
        """Bin id to files, found in one walk: a search per bin would read all folders every time."""
        pattern = re.compile(f"({PATTERN}){FORMATS[self.scores_format]}")
        index: dict[str, list[str]] = {}
        for folder, _, names in os.walk(self.path):
            for name in sorted(names):
                if found := pattern.fullmatch(name):
                    index.setdefault(found[1], []).append(f"{folder}/{name}")
        return index
