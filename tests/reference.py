"""What a run over an archive has to give, worked out plainly from the archive's files.

Nothing of the workflow is used: csv, numpy and the definitions of the contract only.
"""

import csv
from collections import defaultdict
from pathlib import Path

import numpy as np
from scipy.stats import chi2

Key = tuple[str, str, str]  # date, instrument, class


def metadata(archive: Path) -> list[dict[str, str]]:
    with (archive / "metadata.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def score_files(archive: Path) -> dict[str, Path]:
    return {path.name.removesuffix("_class_scores.csv"): path for path in archive.rglob("*_class_scores.csv")}


def score_rows(archive: Path, bin_id: str) -> tuple[list[str], list[list[float]]] | None:
    """Labels and scores of a bin, NaN for an empty cell; None without a file."""
    file = score_files(archive).get(bin_id)
    return None if file is None else rows_of(file)


def rows_of(file: Path) -> tuple[list[str], list[list[float]]]:
    with file.open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    return header[1:], [[float(cell) if cell else np.nan for cell in row[1:]] for row in rows]


def statuses(archive: Path) -> dict[str, str]:
    """Bin to status, with the default selection."""
    found = {}
    files = score_files(archive)
    for row in metadata(archive):
        volume = float(row["ml_analyzed"] or "nan")
        if row["skip"] == "1":
            found[row["pid"]] = "skipped"
        elif not 0 < volume <= 5.25:
            found[row["pid"]] = "bad_volume"
        else:
            found[row["pid"]] = "used" if row["pid"] in files else "no_scores"
    return found


def winner(labels: list[str], scores: list[float], threshold: float, precision: type = np.float16) -> str:
    """The class of one ROI."""
    best, label = -1.0, "unclassified"
    for name, rounded in zip(labels, np.array(scores, precision).tolist(), strict=True):
        if rounded > best:  # NaN is not
            best, label = rounded, name
    return label if best >= float(precision(threshold)) else "unclassified"


def abundance(archive: Path, threshold: float = 0.7) -> dict[Key, dict[str, float]]:
    """The merged table grouped by instrument, by (date, instrument, class)."""
    count: dict[Key, int] = defaultdict(int)
    volume: dict[Key, float] = defaultdict(float)
    bins: dict[tuple[str, str], int] = defaultdict(int)
    rois: dict[tuple[str, str], int] = defaultdict(int)
    used = statuses(archive)
    files = score_files(archive)
    for row in metadata(archive):
        if used[row["pid"]] != "used":
            continue
        group = (row["sample_time"][:10], f"IFCB{int(float(row['ifcb']))}")
        labels, scores = rows_of(files[row["pid"]])
        bins[group] += 1
        rois[group] += len(scores)
        for label in [*labels, "unclassified"]:
            volume[(*group, label)] += float(row["ml_analyzed"])
            count[(*group, label)] += 0
        for roi in scores:
            count[(*group, winner(labels, roi, threshold))] += 1
    table = {}
    for key, n in count.items():
        v = volume[key]
        table[key] = {
            "count": n,
            "ml_analyzed_total": v,
            "objects_per_ml": n / v,
            "objects_per_ml_low": chi2.ppf(0.025, 2 * n) / 2 / v if n else 0.0,
            "objects_per_ml_high": chi2.ppf(0.975, 2 * n + 2) / 2 / v,
            "objects_per_L": 1000 * n / v,
            "n_bins": bins[key[:2]],
            "n_rois": rois[key[:2]],
        }
    return table
