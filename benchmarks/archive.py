"""A synthetic archive for measurements: a list of bins, and one body of class scores that serves for all."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from tests.archives import bin_row, write_archive
from tests.dashboard.__main__ import PLACEHOLDER

FIRST_DAY = datetime(2010, 1, 1, tzinfo=UTC)


def write_bins(folder: Path, n_bins: int, per_day: int = 60) -> list[str]:
    """Write metadata.csv for bins spread evenly over as many days as they need; returns their ids."""
    ids = _ids(FIRST_DAY, n_bins, per_day)
    write_archive(folder, [bin_row(bin_id, ml_analyzed=3.1) for bin_id in ids], {})
    return ids


def write_years(folder: Path, years: int, n_bins: int, per_day: int = 60) -> tuple[str, str]:
    """Write metadata.csv for years of so many bins, each from its 1 January on; returns the first and last UTC day."""
    starts = [FIRST_DAY.replace(year=FIRST_DAY.year + number) for number in range(years)]
    ids = [bin_id for start in starts for bin_id in _ids(start, n_bins, per_day)]
    write_archive(folder, [bin_row(bin_id, ml_analyzed=3.1) for bin_id in ids], {})
    return f"{FIRST_DAY:%Y-%m-%d}", f"{starts[-1].year}-12-31"


def _ids(start: datetime, n_bins: int, per_day: int) -> list[str]:
    step = timedelta(days=1) / per_day
    return [f"D{start + step * i:%Y%m%dT%H%M%S}_IFCB010" for i in range(n_bins)]


def days(n_bins: int, per_day: int = 60) -> tuple[str, str]:
    """First and last UTC day of `write_bins`."""
    last = FIRST_DAY + timedelta(days=(n_bins - 1) // per_day)
    return f"{FIRST_DAY:%Y-%m-%d}", f"{last:%Y-%m-%d}"


def write_body(path: Path, n_rois: int, n_classes: int, widened: bool = False) -> int:
    """Write a class-scores file as the dashboard serves it, its bin a placeholder; returns its bytes.

    Each ROI's scores are float16 and sum to about 1. widened: print them as version 5.2 does, else as 5.0 and 5.1.
    """
    rng = np.random.default_rng(0)
    drawn = rng.exponential(size=(n_rois, n_classes)) ** 4
    scores = (drawn / drawn.sum(axis=1, keepdims=True)).astype("float16")
    if widened:
        scores = scores.astype("float64")
    quote = '"' if widened else ""
    lines = [",".join(f"{quote}{name}{quote}" for name in ("pid", *(f"Genus_species_{i}" for i in range(n_classes))))]
    lines += [
        f"{quote}{PLACEHOLDER}_{roi:05d}{quote}," + ",".join(map(str, row))
        for roi, row in enumerate(scores.tolist() if widened else scores, start=1)
    ]
    return path.write_bytes(("\n".join(lines) + "\n").encode())
