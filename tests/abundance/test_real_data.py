"""The main job on real data: a neural network's and a random forest's scores, and a summer of one taxon."""

import csv
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from tests.archives import bin_row, write_archive, write_scores
from tests.checkout import ROOT, Checkout
from tests.dashboard.emulator import Emulator

SHARED = ROOT.parent / "shared" / "data"
pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason=f"no test data at {SHARED}")

NETWORK = "D20220522T000439_IFCB134"  # with thresholds of its own
FOREST = "D20230314T001205_IFCB134"
TAXON = "Margalefidinium"


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("version", ["5.0", "5.2"])
def test_real_scores_get_the_labels_that_their_own_tools_gave(checkout: Checkout, tmp_path: Path, version: str) -> None:
    """Per class; ROI by ROI in tests/scores/test_summary.py. In double precision, as these tools compare."""
    archive = write_archive(tmp_path / "archive", [bin_row(NETWORK), bin_row(FOREST)], {})
    for bin_id in (NETWORK, FOREST):
        (archive / f"{bin_id}_class_scores.csv").symlink_to(SHARED / "scores" / f"{bin_id}_class_scores.csv")
    thresholds = SHARED / "scores" / f"{NETWORK}_thresholds.csv"
    expected = {
        "2022-05-22": Counter(
            row["class_name"] for row in rows_of(SHARED / "scores" / f"{NETWORK}_expected_labels.csv")
        ),
        "2023-03-14": Counter(row["TBclass"] for row in rows_of(SHARED / "scores" / f"{FOREST}_expected_labels.csv")),
    }
    assert [sum(counts.values()) for counts in expected.values()] == [7, 1218]
    with Emulator({"real": archive}, version=version, score_dtype="float64") as dashboard:
        for start, classify in {
            "2022-05-22": {"class_thresholds": str(thresholds), "score_precision": "float64"},
            "2023-03-14": {"threshold": 0.0, "score_precision": "float64"},
        }.items():
            source = {"kind": "dashboard", "url": dashboard.url}
            select = {"start": start, "end": start}
            checkout.run({"dataset": "real", "source": source, "select": select, "classify": classify})
            table = checkout.table("real")
            found = dict(zip(table["class"], table["count"], strict=True))
            assert {name: n for name, n in found.items() if n} == expected[start]
            assert len(found) == {"2022-05-22": 109, "2023-03-14": 36}[start] + 1


def test_a_real_bloom_pooled_by_day(checkout: Checkout, tmp_path: Path) -> None:
    """697 real volumes and counts of a July. A tenth of the bins has no scores at first and must count nowhere."""
    summer = rows_of(SHARED / "tables" / "Margalefidinium_2018.csv")
    bins = [row for row in summer if row["sample_time"] < "2018-08"]
    assert len(bins) == 697
    without = {row["pid"] for row in bins[::10]}
    archive = write_archive(
        tmp_path / "archive",
        [bin_row(row["pid"], ml_analyzed=row["bin_ml"], sample_time=row["sample_time"]) for row in bins],
        {},
    )

    def write(row: dict[str, str]) -> None:
        hits = int(row["taxon_count"])
        write_scores(archive, row["pid"], [TAXON, "other"], [[0.95, 0.05]] * hits + [[0.1, 0.9], [0.5, 0.5]])

    def assert_pooled(used: list[dict[str, str]]) -> None:
        count: dict[tuple[str, str], int] = defaultdict(int)
        volume: dict[tuple[str, str], float] = defaultdict(float)
        for row in used:
            key = (row["sample_time"][:10], "IFCB" + row["pid"][-3:])
            count[key] += int(row["taxon_count"])
            volume[key] += float(row["bin_ml"])
        table = checkout.table("real")
        taxon = table[table["class"] == TAXON].set_index(["date", "instrument"])
        assert taxon["count"].to_dict() == count
        assert taxon["ml_analyzed_total"].to_dict() == pytest.approx(volume, rel=1e-12)
        assert taxon["objects_per_ml"].to_dict() == pytest.approx({key: count[key] / volume[key] for key in count})

    for row in bins:
        if row["pid"] not in without:
            write(row)
    config = {"dataset": "real", "source": {"kind": "directory", "path": str(archive)}}
    checkout.run(config)
    ledger = checkout.table("real", "ledger").set_index("bin")["status"]
    assert set(ledger.index[ledger == "no_scores"]) == without
    assert_pooled([row for row in bins if row["pid"] not in without])

    for row in bins[::10]:  # the scores come late
        write(row)
    printed = checkout.run(config)
    assert f"class scores of bins: {len(without)} to read" in printed
    assert_pooled(bins)
