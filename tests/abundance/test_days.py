"""Days pooled from bins, and the merged table and ledger: by hand, and under changes that must not matter."""

import csv
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ifcb_abundance.abundance.bin_table import bin_rows, merge_parts, part_of
from ifcb_abundance.abundance.bin_values import values_of_bin
from ifcb_abundance.abundance.days import merge_abundance, pool_abundance, reshape_abundance
from ifcb_abundance.abundance.days import pool as pool_bins_of_a_day
from ifcb_abundance.abundance.periods import pool_periods
from ifcb_abundance.bins.statuses import WANTED
from ifcb_abundance.catalog.selection import assess
from ifcb_abundance.classes.class_table import AFTER, BEFORE, LabelTable
from ifcb_abundance.common import workers
from ifcb_abundance.common.errors import ScoresError, TableError
from ifcb_abundance.config import Select
from ifcb_abundance.pooling.method import Method
from ifcb_abundance.scores.summary import Counts, summarize_scores
from ifcb_abundance.sources.directory import DirectorySource
from ifcb_abundance.sources.metadata_export import from_records
from ifcb_abundance.tables import table_files
from tests.abundance.pooling import (
    CLASSES,
    PARTS,
    Pooled,
    Rois,
    Row,
    a_bin,
    day_files,
    pool,
    pool_features,
    records,
    rois,
)

# --- by hand ---


def test_the_volume_of_a_bin_without_a_hit_counts(tmp_path: Path) -> None:
    """8 objects in 12 mL, 4 mL of them in a bin without any: 0.667, not 1.0."""
    bins = [a_bin(n, ml_analyzed=4) for n in range(3)]
    day = pool(tmp_path, bins, [rois(A=5, B=0), rois(A=3, B=0), rois(2, A=0, B=0)])
    assert day.column("count") == {"A": 8, "B": 0, "unclassified": 2}
    assert day.column("ml_analyzed_total") == {"A": 12, "B": 12, "unclassified": 12}
    assert day.column("objects_per_ml") == {"A": 8 / 12, "B": 0, "unclassified": 2 / 12}
    assert day.column("objects_per_L")["A"] == pytest.approx(666.667, abs=0.001)
    assert day.column("objects_per_ml_high")["B"] == pytest.approx(3.689 / 12, abs=0.0001)
    assert day.column("objects_per_ml_low")["B"] == 0
    assert set(day.column("n_bins").values()) == {3}
    assert set(day.column("n_rois").values()) == {10}
    assert [row["threshold"] for row in day.rows] == ["0.7", "0.7", ""]
    assert {(row["date"], row["instrument"]) for row in day.rows} == {("2024-02-15", "IFCB10")}


def test_limits_are_of_the_count_over_the_volume(tmp_path: Path) -> None:
    day = pool(tmp_path, [a_bin(0, ml_analyzed=2)], [rois(A=5)])
    assert day.column("objects_per_ml_low")["A"] == pytest.approx(1.62 / 2, abs=0.005)
    assert day.column("objects_per_ml_high")["A"] == pytest.approx(11.67 / 2, abs=0.005)
    narrow = pool(tmp_path, [a_bin(0, ml_analyzed=2)], [rois(A=5)], confidence=0.5)
    assert day.column("objects_per_ml_low")["A"] < narrow.column("objects_per_ml_low")["A"] < 2.5
    assert day.column("objects_per_ml_high")["A"] > narrow.column("objects_per_ml_high")["A"] > 2.5


def test_a_class_has_the_volume_of_the_bins_that_looked_for_it(tmp_path: Path) -> None:
    bins = [a_bin(0, ml_analyzed=1.5), a_bin(1, ml_analyzed=2.5), a_bin(2, ml_analyzed=3)]
    day = pool(tmp_path, bins, [rois(A=3, B=1), rois(A=1, C=0), rois(1, B=2)])
    assert day.column("ml_analyzed_total") == {"A": 4.0, "B": 4.5, "C": 2.5, "unclassified": 7.0}
    assert day.column("objects_per_ml") == {"A": 1.0, "B": 3 / 4.5, "C": 0.0, "unclassified": 1 / 7}
    assert set(day.column("n_rois").values()) == {8}


def test_own_thresholds_and_missing_scores(tmp_path: Path) -> None:
    nan = math.nan
    scores = (["A", "B", "C"], [[0.75, 0.2, 0], [0.6, 0.5, 0], [nan, nan, nan], [nan, 0.72, 0], [0.1, 0.1, 0.4]])
    day = pool(tmp_path, [a_bin(0)], [scores], class_thresholds={"C": 0.4, "A": 0.8})
    assert day.column("count") == {"A": 0, "B": 1, "C": 1, "unclassified": 3}
    assert [row["threshold"] for row in day.rows] == ["0.8", "0.7", "0.4", ""]


def test_labels_of_every_kind_and_one_called_unclassified(tmp_path: Path) -> None:
    day = pool(tmp_path, [a_bin(0)], [rois(1, **{"NA": 2, "unclassified": 3, 'a, "b"': 1, "<10um": 0})])
    assert day.column("count") == {"<10um": 0, "NA": 2, 'a, "b"': 1, "unclassified": 4}
    assert [row["class"] for row in day.rows][-1] == "unclassified"
    assert set(day.column("n_rois").values()) == {7}


def test_what_does_not_live_is_marked_and_kept(tmp_path: Path) -> None:
    dead = "bad bead bubble camera_spot detritus detritus_clear fecal_pellet fiber pollen".split()
    day = pool(tmp_path, [a_bin(0)], [rois(1, **dict.fromkeys(dead, 2), Akashiwo=3)])
    assert {row["class"]: row["living"] for row in day.rows} == (
        dict.fromkeys(dead, "no") | {"Akashiwo": "", "unclassified": ""}
    )
    assert day.column("count") == dict.fromkeys(dead, 2) | {"Akashiwo": 3, "unclassified": 1}


def test_a_bin_without_rois_is_used(tmp_path: Path) -> None:
    day = pool(tmp_path, [a_bin(0)], [rois(A=0, B=0)])
    assert day.column("count") == {"A": 0, "B": 0, "unclassified": 0}
    assert day.ledger == {"D20240215T000000_IFCB010": ("used", "")}


def test_bins_that_are_not_used_count_nowhere_and_are_told(tmp_path: Path) -> None:
    bins = [a_bin(0), a_bin(1, skip=1), a_bin(2, ml_analyzed=37.8), a_bin(3), a_bin(4)]
    day = pool(tmp_path, bins, [rois(A=1), rois(A=100), rois(A=100), "no_scores", "failed"])
    assert day.column("count")["A"] == 1
    assert day.column("ml_analyzed_total") == {"A": 2.0, "unclassified": 2.0}
    assert set(day.column("n_bins").values()) == {1}
    statuses = {name[15]: said for name, said in day.ledger.items()}
    assert {n: status for n, (status, _) in statuses.items()} == {
        "0": "used", "1": "skipped", "2": "bad_volume", "3": "no_scores", "4": "failed"
    }  # fmt: skip
    assert statuses["3"][1] == "reason: no_scores"
    assert statuses["4"][1] == "reason: failed"


@pytest.mark.parametrize("row", [b"_00002,\0", b'_00002,"0.5', b"\x01,0.5"])
def test_a_bin_recorded_as_failed_has_a_reason_that_fits_in_the_ledger(tmp_path: Path, row: bytes) -> None:
    """Whatever is in its file: what the message quotes of it must not fail the day."""
    text = {name: str(value) for name, value in ({"tags": ""} | a_bin(0)).items()}
    path, summary = tmp_path / f"{text['pid']}_class_scores.csv", tmp_path / "summary.parquet"
    path.write_bytes(b"pid,a\n" + text["pid"].encode() + row + b"\n")
    summarize_scores(DirectorySource(str(tmp_path)), text["pid"], summary, record_failures=True)
    bins = assess(from_records([text], "here"), Select())
    pool_abundance(bins, [summary], Method(), False, day_files(tmp_path))
    status, reason = Pooled(tmp_path).ledger[text["pid"]]
    assert status == "failed"
    assert path.name in reason
    assert reason.isprintable()


def test_a_day_without_a_used_bin_has_a_header_and_a_ledger(tmp_path: Path) -> None:
    day = pool(tmp_path, [a_bin(0, skip=1), a_bin(1)], [rois(A=1), "no_scores"])
    assert day.rows == []
    assert day.header == table_files.columns("abundance_long")
    assert [status for status, _ in day.ledger.values()] == ["skipped", "no_scores"]
    assert day.groups == {}
    assert day.bins.empty
    assert list(day.bins) == table_files.columns("bins_long")
    assert [(row["n_expected"], row["n_used"], row["complete"]) for row in day.coverage] == [("2", "0", "no")]


def test_a_missing_summary_is_an_error_naming_the_bin(tmp_path: Path) -> None:
    with pytest.raises(ScoresError, match=r"2 bin.*D20240215T000000_IFCB010"):
        pool_abundance(assess(records([a_bin(0), a_bin(7)]), Select()), [], Method(), False, day_files(tmp_path))
    assert not list(tmp_path.iterdir())


def test_another_process_pools_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers.os, "cpu_count", lambda: 2)
    rows = [a_bin(0), a_bin(1, 12), a_bin(2, skip=1), a_bin(3), a_bin(4)]
    here = pool(tmp_path, rows, [rois(2, A=1, B=3), rois(B=2, C=0), "", "no_scores", "failed"])
    bins, there = assess(records(rows), Select()), day_files(tmp_path / "there")
    summaries = [tmp_path / f"{bin_id}.parquet" for bin_id in bins["bin"][bins["status"] == WANTED]]
    pool_abundance(bins, summaries, Method(), False, there, processes=2)
    assert {name: Path(path).read_bytes() for name, path in there.items()} == here.bytes
    summaries[0].write_bytes(b"torn")
    with pytest.raises(ScoresError, match=f"^{summaries[0]}: not a scores summary"):
        pool_abundance(bins, summaries, Method(), False, day_files(tmp_path / "torn"), processes=2)
    assert not (tmp_path / "torn").exists()


@pytest.mark.parametrize(
    ("group_by", "groups"),
    [
        ([], {("IFCB10;IFCB125",): 15}),
        (["instrument"], {("IFCB10",): 7, ("IFCB125",): 8}),
        (["depth"], {("IFCB10;IFCB125", "4.0"): 9, ("IFCB10", "8.5"): 2, ("IFCB10", ""): 4}),
        (["depth", "instrument"], {
            ("IFCB10", "4.0"): 1, ("IFCB10", "8.5"): 2, ("IFCB10", ""): 4, ("IFCB125", "4.0"): 8}),
        (["sample_type", "cruise"], {("IFCB10", "EN706", ""): 1, ("IFCB10", "", ""): 6, ("IFCB125", "", "cast"): 8}),
    ],
)  # fmt: skip
def test_groups(tmp_path: Path, group_by: list[str], groups: dict[tuple[str, ...], int]) -> None:
    bins = [
        a_bin(0, depth=4, cruise="EN706"),
        a_bin(1, depth=8.5),
        a_bin(2),
        a_bin(3, instrument=125, depth="4.0", sample_type="cast"),
    ]
    day = pool(tmp_path, bins, [rois(A=n) for n in (1, 2, 4, 8)], group_by=group_by)
    assert day.header == table_files.columns("abundance_long", group_by)
    keys = ["instrument", *(name for name in ("depth", "cruise", "sample_type") if name in group_by)]
    counts = {tuple(row[key] for key in keys): int(row["count"]) for row in day.rows if row["class"] == "A"}
    assert counts == groups
    assert len(day.rows) == 2 * len(groups)


@pytest.mark.parametrize(
    ("places", "mean"),
    [
        ([("41.5", "-70.5"), ("41.0", "-70.0")], (41.25, -70.25)),
        ([("41.5", "-70.5"), ("", "")], (41.5, -70.5)),
        ([("41.5", "-70.5"), ("-9999999", "-9999999.0")], (41.5, -70.5)),
        ([("", ""), ("-9999999", "-9999999")], (math.nan, math.nan)),
        ([("0", "0"), ("", "")], (math.nan, math.nan)),  # a device that knows none, not the Gulf of Guinea
        ([("30", "-90"), ("0", "0"), ("-0.0", "0")], (30, -90)),
        ([("0", "-90"), ("0", "-80")], (0, -85)),  # on the equator
        ([("36.9", "-121.9"), ("", "-122.6")], (36.9, -121.9)),
        ([("36.9", "-121.9"), ("40", "-9999999"), ("91", "-122")], (36.9, -121.9)),
        ([("10", "179"), ("10", "-177")], (10, -179)),
        ([("10", "177"), ("10", "-179")], (10, 179)),
        ([("10", "170"), ("10", "-170")], (10, 180)),
        ([("10", "-10"), ("20", "20")], (15, 5)),
    ],
)
def test_positions(tmp_path: Path, places: list[tuple[str, str]], mean: tuple[float, float]) -> None:
    bins = [a_bin(n, latitude=lat, longitude=lon) for n, (lat, lon) in enumerate(places)]
    day = pool(tmp_path, bins, [rois(A=1)] * len(bins))
    found = (day.column("latitude")["A"], day.column("longitude")["A"])
    assert found == pytest.approx(mean, nan_ok=True)


@pytest.mark.parametrize("n_bins", range(2, 12))
def test_the_mean_of_one_place_is_this_place_to_the_last_digit(tmp_path: Path, n_bins: int) -> None:
    """Otherwise a mooring has several places: 3 times -123.3917, by 3, is -123.39169999999999."""
    bins = [a_bin(n, latitude="37.7083", longitude="-123.3917") for n in range(n_bins)]
    day = pool(tmp_path, bins, [rois(A=1)] * n_bins)
    assert (day.column("latitude")["A"], day.column("longitude")["A"]) == (37.7083, -123.3917)


def test_the_mean_of_positions_keeps_all_their_digits(tmp_path: Path) -> None:
    step = 2.0**-40  # 1e-12 degrees: of such numbers the mean is exact
    places = [(41 + step, -70 - step), (41 + 4 * step, -70 - 2 * step)]
    bins = [a_bin(n, latitude=repr(lat), longitude=repr(lon)) for n, (lat, lon) in enumerate(places)]
    day = pool(tmp_path, bins, [rois(A=1)] * 2)
    assert (day.column("latitude")["A"], day.column("longitude")["A"]) == (41 + 2.5 * step, -70 - 1.5 * step)
    day = pool(tmp_path, [a_bin(1, latitude="41.123456789012345", longitude="-70.98765432109876")], [rois(A=1)])
    assert (day.column("latitude")["A"], day.column("longitude")["A"]) == (41.123456789012345, -70.98765432109876)


# --- what must hold for any day ---

VOLUMES = st.floats(0.001, 5.25)
PLACES = st.one_of(st.just(("", "")), st.tuples(st.floats(-90, 90), st.floats(-180, 180)))


@st.composite
def days(draw: st.DrawFn) -> tuple[list[Row], list[Rois]]:
    bins, scores = [], []
    for number in range(draw(st.integers(1, 6))):
        lat, lon = draw(PLACES)
        row = a_bin(number, draw(st.sampled_from([10, 125])), latitude=lat, longitude=lon)
        bins.append(row | {"ml_analyzed": draw(VOLUMES)})
        hits = draw(st.dictionaries(st.sampled_from("ABC"), st.integers(0, 3), min_size=1))
        scores.append(rois(draw(st.integers(0, 2)), **hits))
    return bins, scores


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("day")


@settings(max_examples=12)  # each pools two or three days
@given(days(), st.data())
def test_the_order_of_bins_changes_no_byte(
    folder: Path, day: tuple[list[Row], list[Rois]], data: st.DataObject
) -> None:
    order = data.draw(st.permutations(range(len(day[0]))))
    method = {"group_by": data.draw(st.sampled_from([[], ["instrument"]])), "class_table": CLASSES}
    straight = pool(folder, *day, **method)
    turned = pool(folder, [day[0][i] for i in order], [day[1][i] for i in order], **method)
    for name in set(PARTS) - {"ledger", "bins"}:  # the ledger has the order of the catalog
        assert turned.bytes[name] == straight.bytes[name], name
    rows = [pq.read_table(pa.BufferReader(pooled.bytes["bins"])) for pooled in (straight, turned)]
    assert rows[0].equals(rows[1])  # their file also has the checksum of the ledger
    assert turned.ledger == straight.ledger


@settings(max_examples=12)  # each pools two or three days
@given(days(), st.data())
def test_two_parts_of_a_day_add_up(folder: Path, day: tuple[list[Row], list[Rois]], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(day[0])))
    method = {"group_by": [], "class_table": CLASSES}
    whole = pool(folder, *day, **method)
    halves = [half for half in (slice(at), slice(at, None)) if day[0][half]]
    parts = [pool(folder, day[0][half], day[1][half], **method) for half in halves]
    for column in ("count", "ml_analyzed_total"):
        for of_table in (Pooled.column, Pooled.group_column):
            totals: dict[str, float] = {}
            for part in parts:
                for name, value in of_table(part, column).items():
                    totals[name] = totals.get(name, 0) + value
            assert totals == pytest.approx(of_table(whole, column), rel=1e-12)
    assert sum(whole.column("count").values()) == sum(len(rows) for _, rows in day[1])
    assert set(whole.column("n_rois").values()) == {sum(len(rows) for _, rows in day[1])}


@settings(max_examples=12)  # each pools two or three days
@given(days(), VOLUMES)
def test_a_bin_without_hits_dilutes_exactly_by_its_volume(
    folder: Path, day: tuple[list[Row], list[Rois]], volume: float
) -> None:
    bins, scores = day
    method = {"group_by": [], "class_table": CLASSES}
    before = pool(folder, bins, scores, **method)
    after = pool(folder, [*bins, a_bin(50, ml_analyzed=volume)], [*scores, rois(A=0, B=0, C=0)], **method)
    for name, count in before.column("count").items():
        looked = [float(row["ml_analyzed"]) for row, (labels, _) in zip(bins, scores, strict=True)
                  if name in (*labels, "unclassified")]  # fmt: skip
        assert after.column("count")[name] == count
        assert before.column("objects_per_ml")[name] == count / math.fsum(looked)
        assert after.column("objects_per_ml")[name] == count / math.fsum([*looked, volume])
    for group, count in before.group_column("count").items():
        members = set({"diatom": "AB", "dinoflagellate": "C", "living total": "ABC"}[group])
        looked = [float(b["ml_analyzed"]) for b, (labels, _) in zip(bins, scores, strict=True) if members & {*labels}]
        assert before.group_column("objects_per_ml")[group] == count / math.fsum(looked)
        assert after.group_column("objects_per_ml")[group] == count / math.fsum([*looked, volume])


# --- labels that are one class ---


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_roi_that_reaches_two_labels_of_a_class_counts_once(tmp_path: Path, when: str) -> None:
    """By hand: all of 3 ROIs in 2 mL reach A and B, one class; the second has more of B. One reaches C too."""
    table = CLASSES | {"B": CLASSES["A"] | {"synonym_of": "A", "merge": when}}
    scores = (["A", "B", "C"], [[0.45, 0.4, 0.05], [0.4, 0.45, 0.05], [0.45, 0.45, 0.4]])
    how: dict[str, Any] = {"rule": "each", "threshold": 0.4, "class_table": table}
    day = pool(tmp_path, [a_bin(1)], [scores], **how)
    assert day.column("count") == {"A": 3, "C": 1, "unclassified": 0}
    assert day.column("objects_per_ml") == {"A": 1.5, "C": 0.5, "unclassified": 0}
    assert day.column("objects_per_ml_high")["A"] == pytest.approx(8.767 / 2, abs=0.001)  # Poisson, of 3
    assert set(day.column("n_rois").values()) == {3}
    of_labels = {"A": 2, "B": 1} if when == "after" else {"A": 3}
    assert dict(zip(day.bins["class"], day.bins["count"], strict=True)) == of_labels | {"C": 1, "unclassified": 0}
    pool_periods(tmp_path / PARTS["bins"], "month", Method(**how), tmp_path / "month.csv")
    month = table_files.read("abundance_long", tmp_path / "month.csv").set_index("class")["count"]
    assert month.to_dict() == {"A": 3, "C": 1, "unclassified": 0}
    # The first is not measured; the others have 1 and 2 um3, and the last one is of both classes.
    features = pool_features(tmp_path, [a_bin(1)], [scores], [[math.nan, 1, 2]], **how)
    assert features.column("count") == {"A": 3, "C": 1, "unclassified": 0}
    assert features.column("n_measured") == {"A": 2, "C": 1, "unclassified": 0}
    assert features.column("biovolume_um3_per_ml") == {"A": 1.5, "C": 1, "unclassified": 0}


@pytest.mark.parametrize("when", ["before", "after"])
def test_the_classifiers_thresholds_of_merged_labels_are_mixed_where_they_differ(tmp_path: Path, when: str) -> None:
    """By hand: A has 0.5 in the first bin; 0.5 and 0.9 by its two labels in the second; the third says none at all."""
    table = CLASSES | {"B": CLASSES["A"] | {"synonym_of": "A", "merge": when}}
    how = Method(class_table=table, from_scores=True)
    bins = assess(records([a_bin(n) for n in range(3)]), Select())
    found = {
        bin_id: values_of_bin(classes, Counts(np.ones(len(classes), dtype=int), len(classes)), 3, thresholds, how)
        for bin_id, classes, thresholds in zip(
            bins["bin"],
            [("A", "C"), ("A", "B", "C"), ("A", "C")],
            [np.array([0.5, 0.6]), np.array([0.5, 0.9, 0.6]), None],
            strict=True,
        )
    }
    rows = bin_rows(bins, found, how.bin_columns)
    (tmp_path / "bins.parquet").write_bytes(part_of(rows, "the table of bins"))
    of_second = rows[rows["bin"] == bins["bin"][1]].set_index("class")["threshold"].fillna(-1).to_dict()
    labels = {"A": 0.5, "B": 0.9} if when == "after" else {"A": -1}
    assert of_second == labels | {"C": 0.6, "unclassified": -1}
    pool_periods(tmp_path / "bins.parquet", "month", how, tmp_path / "month.csv")
    month = table_files.read("abundance_long", tmp_path / "month.csv")
    for pooled in (pool_bins_of_a_day(bins, found, how)[0], month):
        said = pooled.set_index("class")[["threshold", "thresholds_mixed"]].fillna(-1)
        assert said["threshold"].to_dict() == {"A": -1, "C": 0.6, "unclassified": -1}
        assert said["thresholds_mixed"].to_dict() == {"A": "yes", "C": "no", "unclassified": "yes"}
    first = pool_bins_of_a_day(bins.iloc[[0, 2]], found, how)[0].set_index("class")
    assert (first.loc["A", "threshold"], first.loc["A", "thresholds_mixed"]) == (0.5, "no")


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("winners_only", [False, True])
def test_the_threshold_of_a_class_is_that_of_the_labels_that_bins_have(
    tmp_path: Path, when: str, winners_only: bool
) -> None:
    """By hand: of 0.6, 0.55 and 0.4 two reach 0.5. No bin has the label `A`, and the table spells the others otherwise.
    On the second day a label of another threshold is there too, so that the class has no threshold of the month."""
    into_a = CLASSES["A"] | {"synonym_of": "A", "merge": when}
    table = LabelTable({"A": CLASSES["A"], "A one": into_a, "A two": into_a, "Aold": into_a}, loose=True)
    own = {"A_one": 0.5, "A_two": 0.5, "B": 0.6}
    how: dict[str, Any] = {"class_table": table, "class_thresholds": own, "winners_only": winners_only}
    days = {
        "20240215": (["A_one", "A_two", "B"], [[0.6, 0.1, 0], [0.2, 0.55, 0], [0.4, 0.3, 0]]),
        "20240216": (["A_one", "A_old", "B"], [[0.6, 0.1, 0]]),
    }
    found = [pool(tmp_path / day, [a_bin(1, day=day)], [scores], **how) for day, scores in days.items()]
    assert [day.column("count")["A"] for day in found] == [2, 1]
    thresholds_of = [{row["class"]: row["threshold"] for row in day.rows} | {"unclassified": ""} for day in found]
    assert thresholds_of == [{"A": threshold, "B": "0.6", "unclassified": ""} for threshold in ("0.5", "")]
    merge_parts([tmp_path / day / PARTS["bins"] for day in days], tmp_path / "bins.parquet", Method(**how).bin_columns)
    for period, thresholds in {"month": {"A": -1, "B": 0.6}, "bin": {"A": 0.5, "B": 0.6}}.items():
        pool_periods(tmp_path / "bins.parquet", period, Method(**how), tmp_path / "period.csv")
        schema = "abundance_long" if period == "month" else "abundance_moving"
        table_of_period = table_files.read(schema, tmp_path / "period.csv", ["class", "threshold"])
        first = table_of_period.drop_duplicates("class").set_index("class")["threshold"].fillna(-1).to_dict()
        assert first == thresholds | {"unclassified": -1}


# --- periods of winners alone ---


def test_a_class_that_won_on_one_day_was_looked_for_in_the_whole_period(tmp_path: Path) -> None:
    """By hand: a ROI of B in days of 5, 4 and 4 mL, 1/13 per mL. With known label sets it is 1/5: others have no B."""
    days = {"20240215": (5, rois(A=1, B=1)), "20240216": (4, rois(A=2)), "20240217": (4, rois(A=0))}
    for day, (volume, scores) in days.items():
        pool(tmp_path / day, [a_bin(1, day=day, ml_analyzed=volume)], [scores])
    merge_parts([tmp_path / day / PARTS["bins"] for day in days], tmp_path / "bins.parquet")

    def pooled(period: str, **method: Any) -> pd.DataFrame:
        pool_periods(tmp_path / "bins.parquet", period, Method(**method), tmp_path / "period.csv")
        return table_files.read("abundance_long", tmp_path / "period.csv").set_index(["date", "class"])

    month = pooled("month", winners_only=True).loc["2024-02-01"]
    assert month["count"].to_dict() == {"A": 3, "B": 1, "unclassified": 0}
    assert month["objects_per_ml"].to_dict() == {"A": 3 / 13, "B": 1 / 13, "unclassified": 0}
    assert month["n_bins_assessed"].to_dict() == {"A": 3, "B": 3, "unclassified": 3}
    assert pooled("month").loc[("2024-02-01", "B"), "objects_per_ml"] == 1 / 5
    hours = pooled("hour", winners_only=True)["objects_per_ml"]  # as a day
    assert hours.xs("B", level="class").to_dict() == {"2024-02-15T00:00:00+00:00": 1 / 5}


# --- the merged table and the ledger ---

DAYS: Mapping[str, Sequence[int]] = {"20240215": (0, 1), "20240216": (2,)}


class Merge:
    """Two pooled days and their catalog, ready to be merged; `failed`: the last bin is one that failed."""

    def __init__(self, folder: Path, last: Rois | str, **method: Any) -> None:
        self.folder, self.catalog = folder, folder / "catalog.csv"
        self.merged = day_files(folder / "merged")
        self.abundance, self.ledger = Path(self.merged["abundance"]), Path(self.merged["ledger"])
        bins = [a_bin(n, day=day) for day, numbers in DAYS.items() for n in numbers]
        scores = [rois(A=1), rois(A=2), last]
        self.pooled = [
            pool(folder / day, [bins[n] for n in of], [scores[n] for n in of], **method) for day, of in DAYS.items()
        ]
        self.write_catalog(bins)

    def write_catalog(self, bins: Sequence[Row]) -> None:
        table_files.write(records(bins), "catalog", self.catalog)

    def run(self, failures_allowed: bool = False, **method: Any) -> None:
        parts = {name: [self.folder / day / file for day in DAYS] for name, file in PARTS.items()}
        merge_abundance(parts, self.catalog, Method(**method), failures_allowed, self.folder / "bins", self.merged)

    def refused(self, error: type[Exception], match: str, **method: Any) -> None:
        with pytest.raises(error, match=match):
            self.run(**method)
        assert not list(self.abundance.parent.glob("*"))


@pytest.fixture
def merge(tmp_path: Path) -> Merge:
    return Merge(tmp_path, rois(A=0, B=1))


def test_the_merged_table_is_the_days_one_after_the_other(merge: Merge) -> None:
    merge.run()
    with merge.abundance.open(newline="") as file:
        merged = list(csv.DictReader(file))
    assert merged == merge.pooled[0].rows + merge.pooled[1].rows
    assert [(r["date"], r["class"], r["count"]) for r in merged] == [
        ("2024-02-15", "A", "3"),
        ("2024-02-15", "unclassified", "0"),
        ("2024-02-16", "A", "0"),
        ("2024-02-16", "B", "1"),
        ("2024-02-16", "unclassified", "0"),
    ]
    assert merge.ledger.read_text().splitlines() == [
        "bin,date,status,reason,address,sha256,bytes,server,label_set",
        "D20240215T000000_IFCB010,2024-02-15,used,,at/D20240215T000000_IFCB010,ab12,8,5.2,1 class d2a4b37c",
        "D20240215T000001_IFCB010,2024-02-15,used,,at/D20240215T000001_IFCB010,ab12,9,5.2,1 class d2a4b37c",
        "D20240216T000002_IFCB010,2024-02-16,used,,at/D20240216T000002_IFCB010,ab12,8,5.2,2 classes f2314439",
    ]
    for name, table in {"groups": "groups_long", "coverage": "coverage"}.items():
        one, two = (day.bytes[name].decode().splitlines() for day in merge.pooled)
        assert Path(merge.merged[name]).read_text().splitlines() == [*one, *two[1:]]
        table_files.read(table, merge.merged[name])
    bins = pd.concat([day.bins for day in merge.pooled], ignore_index=True)
    pd.testing.assert_frame_equal(pd.read_parquet(merge.merged["bins"]), bins)


@pytest.mark.parametrize("bins", [[(0, 1)], [(0, 1), (2, 3)], [(0, 1), (4,)]])
def test_a_ledger_that_is_not_the_catalog_is_refused(merge: Merge, bins: list[tuple[int, ...]]) -> None:
    days = zip(DAYS, bins, strict=False)
    merge.write_catalog([a_bin(n, day=day) for day, numbers in days for n in numbers])
    merge.refused(TableError, r"catalog\.csv")


def test_a_bin_in_two_days_is_refused(merge: Merge) -> None:
    one, two = (merge.folder / day / "ledger.csv" for day in DAYS)
    two.write_bytes(one.read_bytes())
    merge.refused(TableError, "column bin")


def test_a_day_with_other_columns_is_refused_by_name(merge: Merge) -> None:
    merge.refused(TableError, r"20240215/abundance\.csv: its columns", group_by=["instrument", "depth"])


@pytest.mark.parametrize("name", ["abundance", "ledger", "groups", "coverage"])
def test_an_empty_part_is_refused_by_name(merge: Merge, name: str) -> None:
    (merge.folder / "20240216" / f"{name}.csv").write_text("")
    merge.refused(TableError, rf"20240216/{name}\.csv")


def test_a_bin_that_failed_earlier_is_in_the_ledger_only_where_that_is_allowed(tmp_path: Path) -> None:
    merge = Merge(tmp_path, "failed")
    merge.refused(ScoresError, r"reason: failed[\s\S]*D20240216T000002_IFCB010")
    merge.run(failures_allowed=True)
    assert merge.ledger.read_text().endswith("D20240216T000002_IFCB010,2024-02-16,failed,reason: failed,,,,,\n")


def test_days_of_two_forms_of_class_scores_are_refused_by_the_names_of_files(merge: Merge) -> None:
    """A bucket that grew is not looked at as a whole: only here all of its bins meet."""
    for day, ending in zip(DAYS, ("_class_scores.csv", "_class.h5"), strict=True):
        ledger = merge.folder / day / "ledger.csv"
        ledger.write_text(re.sub(r"(at/\w+)", rf"\1{ending}", ledger.read_text()))
    says = (
        r"class scores in 2 forms: csv, such as at/D20240215T000000_IFCB010_class_scores\.csv, "
        r"h5, such as at/D20240216T000002_IFCB010_class\.h5\. .*: csv or h5$"
    )
    merge.refused(ScoresError, says)
    merge.refused(ScoresError, says)  # again


def test_labels_in_the_sweep_of_days_of_an_earlier_version_are_merged(merge: Merge) -> None:
    """They have 1 + 2 winners of A, and 1 of B, which is A now."""
    merge.run(class_table=CLASSES | {"B": CLASSES["A"] | {"synonym_of": "A", "merge": "before"}})
    table = table_files.read("threshold_sweep", merge.merged["sweep"])
    assert table.loc[table["threshold"] == 0, ["class", "count"]].to_numpy().tolist() == [["A", 4]]


def test_a_threshold_for_no_class_is_told(merge: Merge, caplog: pytest.LogCaptureFixture) -> None:
    merge.run(class_thresholds={"B": 0.5, "Bb": 0.5})
    assert ["Bb" in message for message in caplog.messages] == [True]


def test_thresholds_of_all_labels_of_a_class_are_known(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    into_b = CLASSES["B"] | {"synonym_of": "B"}
    how: dict[str, Any] = {"class_table": CLASSES | {"B_one": into_b, "B_two": into_b}}
    how["class_thresholds"] = {"B_one": 0.5, "B_two": 0.5}
    Merge(tmp_path, rois(B_one=1, B_two=1), **how).run(**how)
    assert not caplog.messages


def test_labels_that_the_class_table_lacks_are_told_and_kept(merge: Merge, caplog: pytest.LogCaptureFixture) -> None:
    merge.run(class_table={"A": CLASSES["A"]})
    assert ["classify.class_table lacks 1 label" in said and "no total: 'B'." in said for said in caplog.messages] == [
        True
    ]
    assert "B" in set(table_files.read("abundance_long", merge.abundance)["class"])


@pytest.mark.parametrize("when", [BEFORE, AFTER])
@pytest.mark.parametrize("own", ["1", ""])
def test_the_upper_limit_of_cells_of_what_was_not_found_is_of_the_label_with_most(
    tmp_path: Path, own: str, when: str
) -> None:
    """A has one cell an image, or none said, and B, which is merged into it, has 8. 2 mL of a classifier that knows B.

    Nothing was found: -log(0.025) objects in 2 mL at most, each of 8 cells.
    """
    table = {"A": CLASSES["A"] | {"cells_per_image": own}, "D": CLASSES["D"]}
    table["B"] = CLASSES["B"] | {"cells_per_image": "8", "synonym_of": "A", "merge": when}
    day = pool(tmp_path, [a_bin(0, ml_analyzed=2)], [(["B", "D"], [[0.2, 0.1]])], class_table=table, cells=True)
    assert day.column("cells_per_ml")["A"] == 0
    assert day.column("cells_per_ml_high")["A"] == pytest.approx(8 * -math.log(0.025) / 2, rel=1e-12)


# --- in other shapes ---


def reshaped(folder: Path, *days: Pooled, **method: Any) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Rows of the days' long table and of the wide one; the Parquet file is checked to be the long one."""
    long = folder / "abundance_long.csv"
    header, *_ = days[0].bytes["abundance"].split(b"\n")
    long.write_bytes(b"\n".join([header, *(day.bytes["abundance"].partition(b"\n")[2].rstrip() for day in days), b""]))
    reshape_abundance(long, Method(**method), folder / "wide.csv", folder / "abundance_long.parquet")
    pd.testing.assert_frame_equal(
        pd.read_parquet(folder / "abundance_long.parquet"),
        table_files.read("abundance_long", long),
        check_exact=True,
        check_dtype=False,  # whole numbers without and with room for missing ones
    )
    with (folder / "wide.csv").open(newline="") as file:
        wide = list(csv.DictReader(file))
    return [row for day in days for row in day.rows], wide


def test_no_two_columns_of_the_wide_table_have_one_name(tmp_path: Path) -> None:
    """In 2 mL one ROI of `date` and two of `date (class)`, which is no other class by another column's name."""
    scores = ["date", "date (class)"], [[0.9, 0], [0, 0.9], [0, 0.8]]
    _, (row,) = reshaped(tmp_path, pool(tmp_path / "day", [a_bin(0, ml_analyzed=2)], [scores]))
    assert {name: cell for name, cell in row.items() if "class)" in name} == {
        "date (class) (class)": "0.5",
        "date (class)": "1.0",
    }


@pytest.mark.parametrize("group_by", [[], ["instrument"], ["depth"], ["cruise", "instrument", "depth"]])
def test_the_wide_table_has_the_numbers_of_the_long_one(tmp_path: Path, group_by: list[str]) -> None:
    bins = [a_bin(0, depth=4, ml_analyzed=0.7), a_bin(1, 125, cruise="EN706"), a_bin(2, depth=8.5)]
    later = [a_bin(3, day="20240216", ml_analyzed=1.3)]
    scores = [rois(1, NA=1, zoo=0), rois(NA=2, Beta=3), rois(alpha=1, NA=0)]
    days = [pool(tmp_path / "1", bins, scores, group_by=group_by)]
    days.append(pool(tmp_path / "2", later, [rois(Beta=0)], group_by=group_by))
    long, wide = reshaped(tmp_path, *days, group_by=group_by)
    keys = ["date", "instrument", *(name for name in ("depth", "cruise") if name in group_by)]
    assert list(wide[0]) == [*keys, "Beta", "NA", "alpha", "zoo", "unclassified"]
    expected: dict[tuple[str, ...], dict[str, str]] = {}
    for row in long:
        empty = dict.fromkeys(("Beta", "NA", "alpha", "zoo", "unclassified"), "")
        expected.setdefault(tuple(row[key] for key in keys), empty)[row["class"]] = row["objects_per_ml"]
    found = {tuple(row[key] for key in keys): {k: v for k, v in row.items() if k not in keys} for row in wide}
    assert found == expected
    assert len(wide) == len(expected)
    assert [row["date"] for row in wide] == sorted(row["date"] for row in wide)
    last = wide[-1]  # zero, with its limits, and not assessed are two things
    assert (last["Beta"], last["NA"], last["alpha"], last["unclassified"]) == ("0.0", "", "", "0.0")


def test_days_without_used_bins_make_a_wide_table_without_rows(tmp_path: Path) -> None:
    long, wide = reshaped(tmp_path, pool(tmp_path / "1", [a_bin(0, skip=1)], [rois(A=1)]))
    assert long == wide == []
    assert (tmp_path / "wide.csv").read_text() == "date,instrument\n"
