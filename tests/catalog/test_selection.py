"""Which bins are requested: the first of skipped, filtered, bad_volume counts, and names its key."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ifcb_abundance.bins.statuses import WANTED
from ifcb_abundance.catalog.selection import Selection, assess, without_bad
from ifcb_abundance.config import Select, Volumes
from ifcb_abundance.sources.metadata_export import from_records
from ifcb_abundance.tables import table_files
from tests.archives import bin_row

STRICT = Select(
    instruments=[10], sample_types=["cast"], exclude_tags=["bad", "worse"], exclude_bins=["D20240215T000001_IFCB010"]
)


def catalog(*rows: dict[str, Any]) -> pd.DataFrame:
    texts = [{name: str(value) for name, value in ({"tags": row["tag1"]} | row).items()} for row in rows]
    return from_records(texts, "here")


def fate(criteria: Select, **columns: Any) -> tuple[str, str]:
    row = assess(catalog(bin_row("D20240215T000000_IFCB010", **columns)), criteria).iloc[0]
    return row["status"], row["reason"]


# Every ground on which a bin is left out: how to give it to a bin, and the status and reason that follow.
GROUNDS = {
    "skip": ({"skip": 1}, "skipped", "skip"),
    "instrument": ({"ifcb": 125}, "filtered", "select.instruments: IFCB125"),
    "sample_type": ({"sample_type": "beads"}, "filtered", "select.sample_types: 'beads'"),
    "tag": ({"tag1": "good;worse"}, "filtered", "select.exclude_tags: worse"),
    "bin": ({}, "filtered", "select.exclude_bins"),
    "volume": ({"ml_analyzed": 5.3}, "bad_volume", "select.ml_analyzed"),
}


@pytest.mark.parametrize("include_skipped", [False, True])
def test_the_first_ground_stands_in_all_combinations(include_skipped: bool) -> None:
    sizes = range(len(GROUNDS) + 1)
    combinations = [given for size in sizes for given in itertools.combinations(GROUNDS, size)]
    ids = [f"D20240215T{n // 60:02}{n % 60:02}00_IFCB010" for n in range(len(combinations))]
    excluded = [bin_id for bin_id, given in zip(ids, combinations, strict=True) if "bin" in given]
    criteria = Select(**{**vars(STRICT), "include_skipped": include_skipped, "exclude_bins": excluded})
    rows = []
    for bin_id, given in zip(ids, combinations, strict=True):
        columns = {"sample_type": "cast"}
        for ground in given:
            columns |= GROUNDS[ground][0]
        rows.append(bin_row(bin_id, **columns))
    assessed = assess(catalog(*rows), criteria)
    assert assessed["bin"].tolist() == ids
    for given, status, reason in zip(combinations, assessed["status"], assessed["reason"], strict=True):
        standing = [ground for ground in given if not (include_skipped and ground == "skip")]
        if not standing:
            assert (status, reason) == (WANTED, "")
        else:
            assert status == GROUNDS[standing[0]][1]
            assert GROUNDS[standing[0]][2] in reason


@pytest.mark.parametrize(
    ("volume", "good"),
    [
        (0, False),
        (5e-324, True),
        (0.0034, True),
        (5.25, True),
        (np.nextafter(5.25, 6), False),
        (5.2500001, False),
        (37.8, False),
        (-0.029, False),
        (-9999999.0, False),
        ("", False),
        ("inf", False),
    ],
)
def test_volumes_at_the_edges(volume: float | str, good: bool) -> None:
    status, reason = fate(Select(), ml_analyzed=volume)
    assert status == (WANTED if good else "bad_volume")
    if not good:
        assert "ml_analyzed" in reason
        assert volume in ("", -9999999.0, "inf") or str(volume) in reason


def test_volume_bounds_are_those_of_the_config() -> None:
    narrow = Select(ml_analyzed=Volumes(above=1.0, at_most=2.0))
    fates = [fate(narrow, ml_analyzed=volume)[0] for volume in (1.0, 1.01, 2.0, 2.01)]
    assert fates == ["bad_volume", WANTED, WANTED, "bad_volume"]
    assert "above 1.0 and at most 2.0" in fate(narrow, ml_analyzed=1.0)[1]


def test_empty_lists_leave_nothing_out() -> None:
    assert fate(Select(), ifcb=125, sample_type="beads", tag1="bad") == (WANTED, "")


def test_a_tag_is_matched_whole() -> None:
    assert fate(STRICT, sample_type="cast", tag1="not bad;badly") == (WANTED, "")


@pytest.mark.parametrize(("criteria", "status"), [(STRICT, "filtered"), (Select(), WANTED)])
def test_an_instrument_is_the_catalogs_not_the_ids(criteria: Select, status: str) -> None:
    assert fate(criteria, ifcb=7, sample_type="cast")[0] == status


def test_days_and_wanted_bins_of_a_catalog_file(tmp_path: Path) -> None:
    moved = bin_row("D20200101T000000_IFCB010", sample_time="2024-02-16 00:00:00+00:00")
    skipped = bin_row("D20240217T000000_IFCB010", skip=1)
    rows = catalog(moved, bin_row("D20240215T235959_IFCB010"), skipped, bin_row("D20240215T000000_IFCB010"))
    table_files.write(rows, "catalog", tmp_path / "catalog.csv")
    selection = Selection(tmp_path / "catalog.csv", Select())
    assert list(selection.days) == ["2024-02-15", "2024-02-16", "2024-02-17"]
    assert selection.wanted == {
        "2024-02-15": ["D20240215T235959_IFCB010", "D20240215T000000_IFCB010"],
        "2024-02-16": ["D20200101T000000_IFCB010"],
        "2024-02-17": [],
    }
    assert list(selection.days["2024-02-17"]["status"]) == ["skipped"]
    assert len(selection.bins) == 4


def test_what_no_bin_has_is_named_beside_what_there_is(caplog: pytest.LogCaptureFixture) -> None:
    rows = [bin_row("D20240215T000000_IFCB010"), bin_row("D20240215T010000_IFCB010", tag1="beads")]
    assess(catalog(rows[0]), Select(exclude_tags=["beeds"]))
    assert caplog.messages[-1] == "select.exclude_tags: no bin of the window has beeds; there are none at all"
    assess(catalog(*rows), Select(exclude_tags=["beeds"]))
    assert caplog.messages[-1] == "select.exclude_tags: no bin of the window has beeds; there are '', 'beads'"


def test_a_bad_bin_is_filtered_whatever_its_volume() -> None:
    ids = [f"D20240215T00000{n}_IFCB010" for n in range(5)]
    wet, skipped, excluded, huge, other = ids
    rows = [
        bin_row(wet),
        bin_row(skipped, skip=1),
        *(bin_row(name, ml_analyzed=77) for name in (excluded, huge, other)),
    ]
    assessed = assess(catalog(*rows), Select(exclude_bins=[excluded]))
    found = without_bad(assessed, dict.fromkeys([wet, skipped, excluded], "bad: humidity 99.5") | {huge: "bad: ml 77"})
    assert list(zip(found["status"], found["reason"].str.split(" is not in").str[0], strict=True)) == [
        ("filtered", "quality.exclude_bad: bad: humidity 99.5"),
        ("skipped", "flagged skip by the operator"),
        ("filtered", "select.exclude_bins"),
        ("filtered", "quality.exclude_bad: bad: ml 77"),
        ("bad_volume", "ml_analyzed 77.0 mL"),
    ]


def test_volumes_that_are_in_ul_are_told_of(caplog: pytest.LogCaptureFixture) -> None:
    ids = [f"D20240215T00000{n}_IFCB010" for n in range(3)]

    def told(*volumes: float) -> list[str]:
        caplog.clear()
        assess(catalog(*(bin_row(name, ml_analyzed=ml) for name, ml in zip(ids, volumes, strict=True))), Select())
        return caplog.messages

    assert told(2500, 4.1, 3.9) == []  # one that is wrong, as may happen
    assert told(9e6, 9e6, 9e6) == []  # in neither unit
    (warning,) = told(3.9, 2500, 4100)
    assert "2 bins have more, such as 2500" in warning
    assert "at most 5.25" in warning
    assert "uL" in warning
