"""The archive on disk: a folder with `metadata.csv` and `{bin}_class_scores.csv` anywhere below it."""

import os
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from errors import ScoresError
from metadata_export import read_export, without_repeats
from score_file import ScoreFile
from window import Window

SUFFIX = "_class_scores.csv"


class Archive:
    """A source of bins: the folder `path`."""

    def __init__(self, path: str) -> None:
        self.path = Path(path)
        self.catalog_identity: dict[str, Any] = {"path": str(path)}
        self.scores_identity: dict[str, Any] = {"path": str(path)}

    def catalog_files(self) -> list[str]:
        """The archive's `metadata.csv`."""
        return [str(self.path / "metadata.csv")]

    def list_bins(self, window: Window) -> pd.DataFrame:  # noqa: ARG002  one file has them all
        """Every bin of the archive, as rows of `metadata_export.read_export`."""
        metadata = self.path / "metadata.csv"
        return without_repeats(read_export(metadata.read_bytes(), str(metadata)), str(metadata))

    def scores_files(self, bin_id: str) -> list[str]:
        """The files with this bin's class scores: one, or none if the bin has no scores."""
        return self._index.get(bin_id, [])

    def read_scores(self, bin_id: str) -> ScoreFile | None:
        """The bin's class scores; None without a file, ScoresError if there is more than one."""
        files = self.scores_files(bin_id)
        if len(files) > 1:
            raise ScoresError(f"bin {bin_id}: more than one class-scores file: {', '.join(files)}")
        return ScoreFile(Path(files[0]).as_posix(), Path(files[0]).read_bytes()) if files else None

    def missing_reason(self, bin_id: str) -> str:
        """Why a bin has no scores, for the ledger."""
        return f"no {bin_id}{SUFFIX} below {self.path.as_posix()}"

    def would_tell(self, bin_id: str, told: str) -> bool:  # noqa: ARG002
        """Never: the file may have changed, and to read it again costs no request."""
        return False

    @cached_property
    def _index(self) -> dict[str, list[str]]:
        """Bin id to files, found in one walk: a search per bin would read all folders every time."""
        index: dict[str, list[str]] = {}
        for folder, _, names in os.walk(self.path):
            for name in sorted(names):
                if name.endswith(SUFFIX):
                    index.setdefault(name.removesuffix(SUFFIX), []).append(f"{folder}/{name}")
        return index
