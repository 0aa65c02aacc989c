"""The summaries of a data set: files of ifcb-analysis that have the counts, and perhaps the sizes, of many bins."""

import math
import threading
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Any

import pandas as pd

from ifcb_abundance.common.errors import CatalogError
from ifcb_abundance.sources.count_summary import CountSummary, read_count_summary
from ifcb_abundance.sources.metadata_export import NEEDED, from_records, without_repeats
from ifcb_abundance.sources.score_files import has_biovolumes
from ifcb_abundance.sources.source_file import SourceFile

EXPORTED = [*NEEDED, "tags"]


class Summaries:
    """The summaries at these paths. read: returns the bytes of one, which are kept, for each of its bins asks for them.

    Of a year's two summaries the one without biovolumes has the counts that are taken. All methods raise CatalogError
    for a file that is no summary, and for two of a kind that count a bin differently.
    """

    def __init__(self, paths: Sequence[str], read: Callable[[str], bytes]) -> None:
        self.paths = sorted(paths)
        self._read = read
        self._bodies: dict[str, bytes] = {}
        self._reading = threading.Lock()  # one thread reads, the others wait for it

    @cached_property
    def of_bin(self) -> dict[str, str]:
        """Bin id to the summary with its counts."""
        return self._first(sorted(self.paths, key=lambda path: (has_biovolumes(path), path)))

    @cached_property
    def sizes_of_bin(self) -> dict[str, str]:
        """Bin id to the summary with its biovolumes."""
        return self._first(filter(has_biovolumes, self.paths))

    def _first(self, paths: Iterable[str]) -> dict[str, str]:
        found: dict[str, str] = {}
        for path in paths:
            for bin_id in self._summary(path).bins:
                first = found.setdefault(bin_id, path)
                if has_biovolumes(first) == has_biovolumes(path) and self._counts(first, bin_id) != self._counts(
                    path, bin_id
                ):
                    raise CatalogError(
                        f"bin {bin_id}: {first} and {path} count it differently, and nothing tells which is newer. "
                        "Take one of these files out of the archive"
                    )
        return found

    def _counts(self, path: str, bin_id: str) -> list[Any]:
        """What a summary counts of a bin, by class."""
        summary = self._summary(path)
        row = summary.rows[bin_id]
        return [summary.classes, *((name, table[row].tolist()) for name, table in sorted(summary.counts.items()))]

    def file(self, path: str) -> SourceFile:
        """A summary as it is stored."""
        with self._reading:
            if path not in self._bodies:
                self._bodies[path] = self._read(path)
        return SourceFile(path, self._bodies[path])

    def _summary(self, path: str) -> CountSummary:
        return read_count_summary(self.file(path).body, path)

    def list_bins(self, origin: str) -> pd.DataFrame:
        """List the bins with their time and volume, and no position, as rows of `metadata_export.read_export`."""
        records = []
        for path in self.paths:
            summary = self._summary(path)
            for bin_id, time, volume in zip(summary.bins, summary.times, summary.ml_analyzed.tolist(), strict=True):
                if self.of_bin[bin_id] == path:
                    told = {"pid": bin_id, "sample_time": time.isoformat(sep=" "), "skip": "0"}
                    ml_analyzed = "" if math.isnan(volume) else repr(volume)
                    records.append(dict.fromkeys(EXPORTED, "") | told | {"ml_analyzed": ml_analyzed})
        return without_repeats(from_records(records, origin), origin)
