"""Pool days from bins that a test describes ROI by ROI."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ifcb_abundance.abundance.days import pool_abundance
from ifcb_abundance.bins.statuses import WANTED, FeaturesStatus, ScoresStatus
from ifcb_abundance.catalog.selection import assess
from ifcb_abundance.config import Select
from ifcb_abundance.features.biovolume import pool_biovolume
from ifcb_abundance.features.summary import FeaturesProvenance, write_features_summary
from ifcb_abundance.pooling.method import Method
from ifcb_abundance.scores.decide import More
from ifcb_abundance.scores.summary import Provenance, RoiWinners, best_scores, find_winners, write_summary
from ifcb_abundance.sources.metadata_export import from_records
from tests.archives import bin_row

Row = dict[str, Any]
Rois = tuple[Sequence[str], Sequence[Sequence[float]]]  # label set and scores

PARTS = {name: f"{name}.csv" for name in ("abundance", "ledger", "groups", "coverage")} | {
    "bins": "bins.parquet",
    "sweep": "sweep.parquet",
}
# A is both, B and C differ in the group, D is told not to live, E and `unclassified` are not in the table.
TRAITS = {"A": ("yes", "diatom"), "B": ("yes", "diatom"), "C": ("yes", "dinoflagellate"), "D": ("no", "")}
CLASSES = {
    label: {"scientific_name": f"{label} sp.", "aphia_id": "", "living": living, "group": group, "harmful": ""}
    for label, (living, group) in TRAITS.items()
}


def a_bin(number: int, instrument: int = 10, day: str = "20240215", **columns: Any) -> Row:
    return bin_row(f"D{day}T0000{number:02d}_IFCB{instrument:03d}", **{"n_images": "", **columns})


def rois(unclassified: int = 0, /, **hits: int) -> Rois:
    """Scores of a bin with so many ROIs per class, and so many with a highest score of 0.1."""
    labels = list(hits)
    rows = [[0.9 if label == won else 0.05 for label in labels] for won in labels for _ in range(hits[won])]
    return labels, rows + [[0.1] * len(labels)] * unclassified


def records(bins: Sequence[Row]) -> pd.DataFrame:
    """The catalog of the bins."""
    return from_records([{name: str(value) for name, value in ({"tags": ""} | row).items()} for row in bins], "here")


def day_files(folder: Path) -> dict[str, str]:
    return {name: str(folder / file) for name, file in PARTS.items()}


class Pooled:
    """The tables of one day: as text, and `bytes` of each file by its name."""

    def __init__(self, folder: Path) -> None:
        self.bytes = {name: (folder / file).read_bytes() for name, file in PARTS.items()}
        self.header, *lines = csv.reader(self.bytes["abundance"].decode().splitlines())
        self.rows = [dict(zip(self.header, line, strict=True)) for line in lines]
        self.groups = {row["group"]: row for row in csv.DictReader(self.bytes["groups"].decode().splitlines())}
        self.coverage = list(csv.DictReader(self.bytes["coverage"].decode().splitlines()))
        self.bins = pd.read_parquet(folder / PARTS["bins"])
        with (folder / PARTS["ledger"]).open(newline="") as file:
            self.ledger = {row["bin"]: (row["status"], row["reason"]) for row in csv.DictReader(file)}

    def column(self, name: str, **where: str) -> dict[str, float]:
        rows = [row for row in self.rows if all(row[key] == value for key, value in where.items())]
        found = {row["class"]: float(row[name] or "nan") for row in rows}
        assert len(found) == len(rows)
        return found

    def group_column(self, name: str) -> dict[str, float]:
        return {group: float(row[name] or "nan") for group, row in self.groups.items()}


def pool(folder: Path, bins: Sequence[Row], scores: Sequence[Rois | str], cut: bool = False, **method: Any) -> Pooled:
    """Pool a day. scores: of each bin, its ROIs, or `no_scores` or `failed`; those of bins left out are not used."""
    folder.mkdir(exist_ok=True)
    of_bin = dict(zip((row["pid"] for row in bins), scores, strict=True))
    assessed = assess(records(bins), Select())
    summaries = []
    for bin_id in assessed["bin"][assessed["status"] == WANTED]:
        given = of_bin[bin_id]
        if isinstance(given, str):
            said, winners = Provenance(bin_id, ScoresStatus(given), f"reason: {given}"), find_winners(np.empty((0, 0)))
        else:
            classes, rows = given
            origin = {"address": f"at/{bin_id}", "sha256": "ab12", "bytes": 7 + len(rows), "server": "5.2"}
            said = Provenance(bin_id, ScoresStatus.READ, classes=tuple(classes), **origin)
            matrix = np.array(rows, dtype=float).reshape(len(rows), len(classes))
            winners = find_winners(matrix, More(scores=matrix if Method(**method).kept.all_scores else None))
        summaries.append(folder / f"{bin_id}.parquet")
        write_summary(said, winners, summaries[-1])
    pool_abundance(assessed, summaries, Method(**method), cut, day_files(folder))
    return Pooled(folder)


FEATURE_PARTS = {name: f"{name}.csv" for name in ("biovolume", "biovolume_groups", "size_spectrum", "features_ledger")}


def feature_files(folder: Path) -> dict[str, str]:
    return {name: str(folder / file) for name, file in FEATURE_PARTS.items()}


class PooledFeatures:
    """The tables of one day that are made of features, as text."""

    def __init__(self, folder: Path) -> None:
        self.tables: dict[str, list[dict[str, str]]] = {}
        for name, file in FEATURE_PARTS.items():
            with (folder / file).open(newline="") as lines:
                self.tables[name] = list(csv.DictReader(lines))
        self.spectrum = self.tables["size_spectrum"]
        self.ledger = {row["bin"]: row for row in self.tables["features_ledger"]}

    def column(self, name: str, table: str = "biovolume", key: str = "class", **where: str) -> dict[str, float]:
        rows = [row for row in self.tables[table] if all(row[column] == value for column, value in where.items())]
        found = {row[key]: float(row[name] or "nan") for row in rows}
        assert len(found) == len(rows)
        return found


def pool_features(
    folder: Path,
    bins: Sequence[Row],
    scores: Sequence[Rois | str],
    volumes: Sequence[Sequence[float] | str] | None = None,
    pixels: dict[str, float] | None = None,
    **method: Any,
) -> PooledFeatures:
    """Pool a day's features. volumes: of each bin those of its ROIs (cubic pixels), or `no_features` or `failed`."""
    folder.mkdir(exist_ok=True)
    assessed = assess(records(bins), Select())
    wanted = set(assessed["bin"][assessed["status"] == WANTED])
    summaries = []
    for i, (row, given) in enumerate(zip(bins, scores, strict=True)):
        if row["pid"] not in wanted:
            continue
        labels, rows = ((), []) if isinstance(given, str) else given
        matrix = np.array(rows, dtype=float).reshape(len(rows), len(labels))
        more = More(scores=matrix if Method(**method).kept.all_scores else None)
        rois_of = RoiWinners(tuple(labels), np.arange(1, len(rows) + 1), *best_scores(matrix), more)
        volume = volumes[i] if volumes else [1000.0 * (n + 1) for n in range(len(rows))]
        status = FeaturesStatus("not_used" if isinstance(given, str) else volume if isinstance(volume, str) else "read")
        said = FeaturesProvenance(row["pid"], status, "" if status == "read" else f"reason: {status}")
        if status == "read":
            said = FeaturesProvenance(
                row["pid"], status, "", f"at/{row['pid']}", "cd34", 9, "Biovolume", 0, classes=tuple(labels)
            )
        else:
            rois_of = RoiWinners((), np.empty(0, int), *best_scores(np.empty((0, 0))))
            volume = []
        summaries.append(folder / f"{row['pid']}_features.parquet")
        write_features_summary(said, rois_of, np.array(volume, dtype=float), summaries[-1])
    pool_biovolume(assessed, summaries, Method(**method), pixels or {"default": 1.0}, feature_files(folder))
    return PooledFeatures(folder)
