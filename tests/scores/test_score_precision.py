"""Scores are compared in the precision of their source, unless the config says another one."""

import csv
import json
import math
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.archives import bin_row, write_archive, write_scores
from tests.checkout import ROOT, Checkout
from tests.dashboard.emulator import Emulator
from tests.exports.test_exports import EXPORT
from tests.raw_files import scores_h5, scores_mat

SHARED = ROOT.parent / "shared" / "data"
shared = pytest.mark.skipif(not SHARED.is_dir(), reason=f"no test data at {SHARED}")
FOREST = (
    "D20230314T001205_IFCB134"  # its scores as CSV, and the labels that the forest's own tool gave, are shared data
)

BIN = "D20240215T120000_IFCB010"
CLASSES = ["Akashiwo", "Dinophysis"]
# A forest's votes: the second class is ahead by a rounding error, then a vote that is just below the threshold of 0.7.
VOTES = [[0.5, math.nextafter(0.5, 1)], [0.8, math.nextafter(0.8, 1)], [0.69999, 0.3], [0.9, 0.1]]
IN_DOUBLE = {"Akashiwo": 1, "Dinophysis": 1, "unclassified": 2}
IN_HALF = {"Akashiwo": 3, "Dinophysis": 0, "unclassified": 1}  # ties go to the first class, 0.69999 is 0.7


def counts(run: Checkout, dataset: str) -> dict[str, int]:
    table = run.table(dataset)
    return dict(zip(table["class"], table["count"].tolist(), strict=True))


def recorded(run: Checkout, dataset: str) -> str:
    """The precision that run.json names."""
    record = json.loads((run.results(dataset) / "run.json").read_text())
    return str(record["config"]["classify"]["score_precision"])


def archive_of(folder: Path, scores_format: str) -> dict[str, Any]:
    """The config of an archive on disk with the votes in files of one format."""
    write_archive(folder, [bin_row(BIN, latitude=41.3, longitude=-70.5)], {})
    rois = list(range(1, len(VOTES) + 1))
    if scores_format == "csv":
        write_scores(folder, BIN, CLASSES, VOTES)
    elif scores_format == "h5":
        (folder / f"{BIN}_class.h5").write_bytes(scores_h5(3, BIN, CLASSES, rois, VOTES, dtype="float64"))
    else:
        (folder / f"{BIN}_class_v1.mat").write_bytes(scores_mat(CLASSES, rois, VOTES))
    source = {"kind": "directory", "path": str(folder), "scores_format": scores_format}
    return {"dataset": "votes", "source": source}


@pytest.mark.parametrize(
    ("scores_format", "precision", "expected"),
    [("mat", "float64", IN_DOUBLE), ("csv", "float16", IN_HALF), ("h5", "float16", IN_HALF)],
)
def test_files_are_compared_in_the_precision_of_their_format(
    checkout: Checkout, tmp_path: Path, scores_format: str, precision: str, expected: dict[str, int]
) -> None:
    """The precision of the config goes before it, and changing it reads no bin again."""
    config = archive_of(tmp_path / "archive", scores_format)
    checkout.run(config)
    assert (counts(checkout, "votes"), recorded(checkout, "votes")) == (expected, precision)
    summary = next((checkout.results("votes") / "bins").rglob("*.parquet"))
    read_at = summary.stat().st_mtime_ns
    for other, right in {"float16": IN_HALF, "float64": IN_DOUBLE}.items():
        checkout.run({**config, "classify": {"score_precision": other}})
        assert (counts(checkout, "votes"), recorded(checkout, "votes")) == (right, other)
    # To say what `auto` stands for is no change.
    checkout.run({**config, "classify": {"score_precision": precision}})
    made = checkout.stamps()
    assert "Nothing to be done" in checkout.run({**config, "classify": {"score_precision": "auto"}})
    assert checkout.stamps() == made
    assert summary.stat().st_mtime_ns == read_at


@pytest.mark.parametrize("version", ["5.0", "5.2"])
def test_a_dashboard_is_compared_in_half_precision(checkout: Checkout, tmp_path: Path, version: str) -> None:
    """5.2 prints the half-precision number next to 0.8 in full, 5.0 prints 0.8: both reach 0.8."""
    archive = write_archive(tmp_path / "archive", [bin_row(BIN)], {BIN: (CLASSES, [[0.8, 0.2]])})
    with Emulator({"votes": archive}, version=version) as dashboard:
        source = {"kind": "dashboard", "url": dashboard.url}
        select = {"start": "2024-02-15", "end": "2024-02-15"}
        checkout.run({"dataset": "votes", "source": source, "select": select, "classify": {"threshold": 0.8}})
    assert counts(checkout, "votes") == {"Akashiwo": 1, "Dinophysis": 0, "unclassified": 0}
    assert recorded(checkout, "votes") == "float16"


def test_what_is_told_of_the_method_names_the_precision_itself(checkout: Checkout, tmp_path: Path) -> None:
    """Never `auto`: a reader of the results could not know what it meant."""
    config = archive_of(tmp_path / "archive", "mat")
    checkout.run({**config, "export": {**EXPORT, "formats": ["darwin_core"]}})
    (archive,) = (checkout.results("votes") / "exports").glob("*_darwin_core.zip")
    with zipfile.ZipFile(archive) as found:
        occurrences = found.read("occurrence.txt").decode()
    assert "compared as float64" in occurrences
    assert "auto" not in occurrences


# --- a real forest ---


@shared
def test_four_real_rois_of_a_forest_get_the_labels_of_its_own_tool(checkout: Checkout) -> None:
    """The MATLAB file as it is, nothing said of the precision. By its `TBclass`."""
    source = {
        "kind": "directory",
        "path": str(SHARED / "cases" / "rf_default_precision"),
        "scores_format": "mat",
    }
    checkout.run({"dataset": "forest", "source": source, "classify": {"threshold": 0}})
    expected = {"Thalassiosira_gravida": 2, "Heterocapsa_rotundata": 1, "Strombidium_like": 1}
    assert {name: n for name, n in counts(checkout, "forest").items() if n} == expected
    assert recorded(checkout, "forest") == "float64"


@shared
def test_all_rois_of_a_real_forest_get_the_labels_of_its_own_tool(checkout: Checkout, tmp_path: Path) -> None:
    """1,218 ROIs, whose scores are written back into the format that they came from."""
    folder = write_archive(tmp_path / "archive", [bin_row(FOREST)], {})
    with (SHARED / "scores" / f"{FOREST}_class_scores.csv").open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    rois = [int(row[0].rsplit("_", 1)[1]) for row in rows]
    scores = [[float(cell) for cell in row[1:]] for row in rows]
    (folder / f"{FOREST}_class_v1.mat").write_bytes(scores_mat(header[1:], rois, scores))
    with (SHARED / "scores" / f"{FOREST}_expected_labels.csv").open(newline="", encoding="utf-8") as file:
        expected = Counter(row["TBclass"] for row in csv.DictReader(file))
    assert sum(expected.values()) == 1218
    source = {"kind": "directory", "path": str(folder), "scores_format": "mat"}
    checkout.run({"dataset": "forest", "source": source, "classify": {"threshold": 0}})
    assert {name: n for name, n in counts(checkout, "forest").items() if n} == expected
