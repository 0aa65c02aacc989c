"""An archive on disk, as the emulated dashboard holds it: a dataset's bins, their score and their features files."""

import csv
import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from .packed_scores import SUFFIXES as PACKED_SUFFIXES

SCORES_SUFFIX = "_class_scores.csv"
FEATURES_SUFFIX = "_features.csv"
RAW_SUFFIXES = (".hdr", ".adc", ".roi")


@dataclass(frozen=True)
class Bin:
    """A row of metadata.csv; None is a value the dashboard does not know."""

    pid: str
    sample_time: datetime
    ifcb: int | None
    ml_analyzed: float | None
    latitude: float | None
    longitude: float | None
    depth: float | None
    cruise: str
    cast: str
    niskin: int | None
    sample_type: str
    n_images: int
    tags: tuple[str, ...]
    comment_summary: str
    trigger_selection: int | None
    skip: bool

    @property
    def id_time(self) -> datetime:
        """The time in the id: `sample_time` unless an operator corrected it."""
        old = self.pid.startswith("IFCB")
        text = self.pid.split("_", 1)[1] if old else self.pid.split("_")[0]
        return datetime.strptime(text, "%Y_%j_%H%M%S" if old else "D%Y%m%dT%H%M%S").replace(tzinfo=UTC)


@dataclass(frozen=True)
class ScoreDirectory:
    """A further folder of class scores of a dataset, as an operator enters it.

    A dataset's own files are of version 3 and no model. `default`: served where no model is asked for (5.2).
    """

    dataset: str
    folder: Path
    version: int = 3
    model: str = ""
    default: bool = False

    def files(self) -> dict[str, Path]:
        """Bin id to file."""
        return _named(self.folder, SCORES_SUFFIX)


class Timeline:
    """The bins that navigation visits: those not skipped, by sample_time, then by id."""

    def __init__(self, bins: Iterable[Bin]) -> None:
        self._keys = sorted((b.sample_time, b.pid) for b in bins if not b.skip)

    def neighbours(self, bin_: Bin) -> tuple[str, str]:
        """Ids before and after a bin, "" beyond the ends.

        A bin that is not on the line itself (skipped, another instrument, another dataset) passes over a bin of its
        own instant: where there is one such bin, the application takes it for the bin itself.
        """
        key = (bin_.sample_time, bin_.pid)
        before = bisect_left(self._keys, key)
        after = bisect_right(self._keys, key)
        first = bisect_left(self._keys, (bin_.sample_time, ""))
        end = bisect_right(self._keys, (bin_.sample_time, "\U0010ffff"))
        if end - first == 1:
            before, after = first, end
        previous_id = self._keys[before - 1][1] if before > 0 else ""
        next_id = self._keys[after][1] if after < len(self._keys) else ""
        return previous_id, next_id


class Archive:
    """A folder with metadata.csv and, anywhere below it, class scores (CSV, .h5, .mat), features and raw files."""

    def __init__(self, folder: Path) -> None:
        with (folder / "metadata.csv").open(newline="", encoding="utf-8") as file:
            self.bins = {b.pid: b for b in sorted(map(_bin, csv.DictReader(file)), key=lambda b: b.pid)}
        self.score_files = _named(folder, *PACKED_SUFFIXES, SCORES_SUFFIX)
        self.features_files = _named(folder, FEATURES_SUFFIX)
        self.raw_files = {
            path.name: path
            for suffix in RAW_SUFFIXES
            for path in sorted(folder.rglob(f"*{suffix}"))
            if path.stem in self.bins
        }
        self._timelines: dict[int | None, Timeline] = {}

    def timeline(self, instrument: int | None) -> Timeline:
        """The whole dataset's line, or one instrument's."""
        if instrument not in self._timelines:
            bins = (b for b in self.bins.values() if instrument is None or b.ifcb == instrument)
            self._timelines[instrument] = Timeline(bins)
        return self._timelines[instrument]


def _named(folder: Path, *suffixes: str) -> dict[str, Path]:
    return {path.name.removesuffix(suffix): path for suffix in suffixes for path in sorted(folder.rglob("*" + suffix))}


def utc(text: str) -> datetime:
    """A day or a time in UTC. Raises ValueError on anything else."""
    time = datetime.fromisoformat(text)
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def _bin(row: dict[str, str]) -> Bin:
    tag_columns = (name for name in row if name.startswith("tag") and name[3:].isdigit())
    return Bin(
        pid=row["pid"],
        sample_time=utc(row["sample_time"]),
        ifcb=_integer(row["ifcb"]),
        ml_analyzed=_number(row["ml_analyzed"]),
        latitude=_number(row["latitude"]),
        longitude=_number(row["longitude"]),
        depth=_number(row["depth"]),
        cruise=row["cruise"],
        cast=row["cast"],
        niskin=_integer(row["niskin"]),
        sample_type=row["sample_type"],
        n_images=_integer(row["n_images"]) or 0,
        tags=tuple(row[name] for name in tag_columns if row[name]),
        comment_summary=row["comment_summary"],
        trigger_selection=_integer(row["trigger_selection"]),
        skip=_integer(row["skip"]) == 1,
    )


def _number(text: str) -> float | None:
    number = float(text) if text else math.nan
    return None if math.isnan(number) else number


def _integer(text: str) -> int | None:
    number = _number(text)
    return None if number is None else int(number)
