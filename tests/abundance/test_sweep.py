"""The threshold sweep: against a plain loop over the ROIs, and by properties that hold for any scores."""

import math
from pathlib import Path

import numpy as np
import pytest

from ifcb_abundance.abundance.sweep import count_kept, merge_parts, part_of
from ifcb_abundance.common.precision import Precision
from ifcb_abundance.scores.summary import Provenance, find_winners, read_summary, write_summary
from ifcb_abundance.tables import table_files

THRESHOLDS = [0.05 * i for i in range(21)]
LABELS = (("A", "B", "C", "never"), ("C", "A"), ("B", "D", "never"), ("C", "A", "B"))


def sweep(summaries: list[Path], precision: Precision, path: Path) -> None:
    """The table of two days; the first has one bin."""
    parts = []
    for day, of_day in enumerate((summaries[:1], summaries[1:])):
        kept: dict[tuple[str, ...], np.ndarray] = {}
        for summary in of_day:
            provenance, winners = read_summary(summary)
            of_bin = count_kept(provenance.classes, winners, precision)
            kept[provenance.classes] = kept.get(provenance.classes, 0) + of_bin
        parts.append(path.with_name(f"{day}.part.parquet"))
        parts[-1].write_bytes(part_of(kept, str))
    merge_parts(parts, path, str)


@pytest.fixture
def bins(tmp_path: Path) -> dict[Path, tuple[tuple[str, ...], np.ndarray]]:
    """Summaries of four bins with other label sets; scores on and off the thresholds, equal or missing."""
    random, found = np.random.default_rng(3), {}
    for n, labels in enumerate(LABELS):
        scores = random.random((80, len(labels))).round(random.integers(1, 5)) * random.choice([1, 0.7], (80, 1))
        scores[random.random(scores.shape) < 0.1] = np.nan
        scores[:3] = [[np.nan], [0.0], [1.0]]
        if "never" in labels:
            scores[:, -1] = np.where(np.isnan(scores[:, :-1]).all(axis=1), np.nan, 0)  # never first or alone
        found[tmp_path / f"{n}.parquet"] = labels, scores
        write_summary(Provenance(f"bin{n}", "read", classes=labels), find_winners(scores), tmp_path / f"{n}.parquet")
    for status in ("no_scores", "failed"):
        path = tmp_path / f"{status}.parquet"
        write_summary(Provenance(status, status, "none"), find_winners(np.empty((0, 0))), path)
        found[path] = (), np.empty((0, 0))
    return found


@pytest.mark.parametrize("precision", ["float16", "float32", "float64"])
def test_the_sweep_is_that_of_a_plain_loop(
    tmp_path: Path, bins: dict[Path, tuple[tuple[str, ...], np.ndarray]], precision: Precision
) -> None:
    rounded = np.dtype(precision).type
    expected = {(name, t): 0 for labels in LABELS for name in labels for t in range(21)}
    for labels, scores in bins.values():
        for roi in scores:
            top, winner = -1.0, ""
            for name, score in zip(labels, roi, strict=True):
                if not math.isnan(score) and rounded(score) > top:
                    top, winner = rounded(score), name
            for t in range(21):
                if winner and top >= rounded(t / 20):
                    expected[winner, t] += 1
    sweep(list(bins), precision, tmp_path / "sweep.csv")
    table = table_files.read("threshold_sweep", tmp_path / "sweep.csv")
    assert table["class"].tolist() == [name for name in ("A", "B", "C", "D", "never") for _ in range(21)]
    assert table["threshold"].tolist() == pytest.approx(THRESHOLDS * 5, abs=1e-12)
    assert table["count"].tolist() == [expected[name, t] for name in ("A", "B", "C", "D", "never") for t in range(21)]
    assert table["count"].sum() > 1000
    for name, of_class in table.groupby("class"):
        counts, shares = of_class["count"].tolist(), of_class["share_kept"].tolist()
        if name == "never":
            assert counts == [0] * 21
            assert all(map(math.isnan, shares))
        else:
            assert counts == sorted(counts, reverse=True)
            assert shares == [n / counts[0] for n in counts]
            assert shares[0] == 1
    # All winners are there at 0: every ROI that has a valid score.
    at_zero = table.loc[table["threshold"] == 0, "count"].sum()
    assert at_zero == sum((~np.isnan(scores)).any(axis=1).sum() for _, scores in bins.values() if scores.size)
    assert "never,0.0,0,\n" in (tmp_path / "sweep.csv").read_text()


def test_the_order_of_bins_changes_no_byte(
    tmp_path: Path, bins: dict[Path, tuple[tuple[str, ...], np.ndarray]]
) -> None:
    texts = []
    for order in (list(bins), list(bins)[::-1]):
        sweep(order, "float16", tmp_path / "sweep.csv")
        texts.append((tmp_path / "sweep.csv").read_bytes())
    assert texts[0] == texts[1]


def test_no_bins_with_scores_make_a_table_without_rows(tmp_path: Path) -> None:
    sweep([], "float16", tmp_path / "sweep.csv")
    assert (tmp_path / "sweep.csv").read_text() == "class,threshold,count,share_kept\n"
    assert table_files.read("threshold_sweep", tmp_path / "sweep.csv").empty


def test_a_shard_of_an_earlier_version_is_merged_by_class(tmp_path: Path) -> None:
    """It has 3 winners of A and 5 of B, which are one class now; a newer shard has 2 + 4 of the class already."""
    paths = [tmp_path / name for name in ("old.csv", "new.csv", "both.csv")]
    parts = [tmp_path / "old.parquet", tmp_path / "new.parquet"]
    parts[0].write_bytes(part_of({("A", "B"): np.array([[3] * 21, [5] * 21])}, str))
    parts[1].write_bytes(part_of({("A", "B"): np.array([[2] * 21, [4] * 21])}, {"A": "A", "B": "A"}.__getitem__))
    for part, path in zip(parts, paths[:2], strict=True):
        merge_parts([part], path, str)
    merge_parts(paths[:2], paths[2], {"A": "A", "B": "A"}.__getitem__)
    table = table_files.read("threshold_sweep", paths[2])
    assert table["class"].tolist() == ["A"] * 21
    assert table["count"].tolist() == [14] * 21
