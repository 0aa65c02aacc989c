"""The packed scores of the report: unpacked plainly, they give the counts of any threshold that fits their steps."""

import gzip
from base64 import b64decode
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from ifcb_abundance.bins.layout import SUMMARY, of_bin
from ifcb_abundance.bins.statuses import ScoresStatus
from ifcb_abundance.common.precision import Precision
from ifcb_abundance.report import scores as packed_scores
from ifcb_abundance.report.packing import planes
from ifcb_abundance.scores.summary import Provenance, find_winners, write_summary

CLASSES = ("A", "B", "C")
BINS = ("D20240215T000000_IFCB010", "D20240215T010000_IFCB010", "D20240216T000000_IFCB010")
KEYS = (0, 0, 1)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[NDArray[np.float64]]]:
    """Summaries of three bins, and their scores: ties, a ROI without a score, and scores at either side of 0.7."""
    folder = tmp_path_factory.mktemp("scores")
    random = np.random.default_rng(7)
    scores = []
    for bin_id in BINS:
        rows = random.beta(2, 1, (400, 3))
        rows[:4] = [[0.7, 0.1, 0.1], [0.69995, 0.1, 0.1], [0.5, 0.5, 0.2], [np.nan] * 3]
        path = Path(of_bin(folder, SUMMARY, bin_id))
        path.parent.mkdir(parents=True, exist_ok=True)
        write_summary(Provenance(bin_id, ScoresStatus.READ, classes=CLASSES), find_winners(rows), path)
        scores.append(rows)
    return folder, scores


def counted(scores: list[NDArray[np.float64]], precision: Precision, threshold: float) -> list[list[int]]:
    """Count ROI by ROI, with the definition of the contract: per class and key."""
    counts = [[0, 0] for _ in CLASSES]
    for key, rows in zip(KEYS, scores, strict=True):
        for row in rows.astype(precision):
            if not np.isnan(row).all():
                best = int(np.nanargmax(row))
                counts[best][key] += int(row[best] >= np.array(threshold).astype(precision))
    return counts


def at_threshold(found: packed_scores.PackedScores, precision: Precision, threshold: float) -> list[list[int]]:
    """Unpack as the page does, and count."""
    content, start = gzip.decompress(b64decode(found.packed)), 0
    arrays = []
    for n, kind in ((found.edges, "<f8"), (found.cells, "<u4"), (found.entries, "<u4"), (found.entries, "<u4")):
        width = np.dtype(kind).itemsize
        part = np.frombuffer(content[start : start + n * width], np.uint8)
        arrays.append(np.ascontiguousarray(part.reshape(width, n).T).view(kind).ravel())
        start += n * width
    assert start == len(content)
    edges, sizes, steps, n_rois = arrays
    least = np.searchsorted(edges, float(np.array(threshold).astype(precision)))
    counts, at = [], 0
    for size in sizes:
        edge = np.cumsum(steps[at : at + size])
        counts.append(int(n_rois[at : at + size][edge >= least].sum()))
        at += size
    return np.array(counts).reshape(-1, 2).tolist()


@pytest.mark.parametrize("precision", ["float16", "float32", "float64"])
def test_every_score_is_there(archive: tuple[Path, list[NDArray[np.float64]]], precision: Precision) -> None:
    folder, scores = archive
    bins = pd.DataFrame({"bin": BINS, "key": KEYS})
    found = packed_scores.pack_scores(bins, 2, folder, CLASSES, precision, [0.7])
    assert found
    assert found.step == 0
    for threshold in (0, 0.12345, 0.5, 0.69995, 0.7, 0.70001, 1):
        assert at_threshold(found, precision, threshold) == counted(scores, precision, threshold), threshold


def test_what_is_too_large_is_counted_in_steps(
    archive: tuple[Path, list[NDArray[np.float64]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run's own threshold stays exact, whatever the steps."""
    folder, scores = archive
    bins = pd.DataFrame({"bin": BINS, "key": KEYS})
    monkeypatch.setattr(packed_scores, "MOST_ENTRIES", 300)
    found = packed_scores.pack_scores(bins, 2, folder, CLASSES, "float16", [0.6347])
    assert found
    assert found.step == 0.01
    for threshold in (*(i / 100 for i in range(0, 101, 7)), 0.29, 0.57, 0.6347, 1.0):
        assert at_threshold(found, "float16", threshold) == counted(scores, "float16", threshold), threshold
    monkeypatch.setattr(packed_scores, "MOST_BYTES", 10)
    coarsest = packed_scores.pack_scores(bins, 2, folder, CLASSES, "float16", [0.6347])
    assert coarsest
    assert coarsest.step == packed_scores.STEPS[-1]


def test_labels_that_are_one_class_are_counted_together(archive: tuple[Path, list[NDArray[np.float64]]]) -> None:
    """A and C become B or a class of another name: its counts are the sums of theirs, label by label."""
    folder, scores = archive
    bins = pd.DataFrame({"bin": BINS, "key": KEYS})
    for name in ("B", "both"):
        one_of = {"A": name, "B": "B", "C": name}
        left = ["B"] if name == "B" else ["B", "both"]
        found = packed_scores.pack_scores(bins, 2, folder, left, "float16", [0.7], one_of.__getitem__)
        assert found
        assert found.labels == {"B": {"B": ["A", "B", "C"]}, "both": {"both": ["A", "C"]}}[name]
        for threshold in (0, 0.5, 0.7, 0.9):
            of_a, of_b, of_c = np.array(counted(scores, "float16", threshold))
            expected = [of_a + of_b + of_c] if name == "B" else [of_b, of_a + of_c]
            assert at_threshold(found, "float16", threshold) == np.array(expected).tolist(), threshold


def test_without_a_summary_there_are_none(archive: tuple[Path, list[NDArray[np.float64]]]) -> None:
    gone = pd.DataFrame({"bin": [*BINS, "D20240217T000000_IFCB010"], "key": [*KEYS, 2]})
    assert packed_scores.pack_scores(gone, 3, archive[0], CLASSES, "float16", []) is None


def test_planes() -> None:
    assert planes(np.array([0x01020304, 0x0A0B0C0D], np.uint32)) == bytes([4, 0xD, 3, 0xC, 2, 0xB, 1, 0xA])
