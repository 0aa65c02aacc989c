"""The catalog: the bins of the window by sample_time, both ends included."""

import csv
import logging
from pathlib import Path
from typing import Any

import pytest

from ifcb_abundance.bins.window import Bound, Window
from ifcb_abundance.catalog.listing import list_catalog, merge_catalogs
from ifcb_abundance.common.errors import CatalogError
from ifcb_abundance.sources.directory import DirectorySource
from tests.archives import bin_row, write_archive


def listed(folder: Path, bins: list[dict[str, Any]], start: str | None = None, end: str | None = None) -> list[str]:
    """The ids in the catalog of an archive of these bins."""
    write_archive(folder, bins, {})
    bounds = [Bound.parse(text) if text else None for text in (start, end)]
    list_catalog(DirectorySource(str(folder)), Window(*bounds), folder / "catalog.csv")
    with (folder / "catalog.csv").open(newline="", encoding="utf-8") as file:
        return [row["bin"] for row in csv.DictReader(file)]


BEFORE, FIRST, MIDDAY, LAST, AFTER = (
    f"D{time}_IFCB010"
    for time in ("20240214T235959", "20240215T000000", "20240215T120000", "20240216T235959", "20240217T000000")
)
FIVE = [bin_row(name) for name in (BEFORE, FIRST, MIDDAY, LAST, AFTER)]


@pytest.mark.parametrize(
    ("start", "end", "inside"),
    [
        (None, None, [BEFORE, FIRST, MIDDAY, LAST, AFTER]),
        ("2024-02-15", "2024-02-16", [FIRST, MIDDAY, LAST]),
        ("2024-02-15", "2024-02-15", [FIRST, MIDDAY]),
        ("2024-02-17", None, [AFTER]),
        (None, "2024-02-14", [BEFORE]),
        (FIRST, MIDDAY, [FIRST, MIDDAY]),
        (MIDDAY, MIDDAY, [MIDDAY]),
        (MIDDAY, "2024-02-16", [MIDDAY, LAST]),
    ],
)
def test_both_ends_are_inside(tmp_path: Path, start: str | None, end: str | None, inside: list[str]) -> None:
    assert listed(tmp_path, FIVE, start, end) == inside


def test_the_last_second_of_the_last_day_is_inside_to_its_end(tmp_path: Path) -> None:
    late = bin_row(LAST, sample_time="2024-02-16 23:59:59.999999+00:00")
    assert listed(tmp_path, [late, bin_row(AFTER)], None, "2024-02-16") == [LAST]


def test_days_go_by_sample_time_not_by_the_id(tmp_path: Path) -> None:
    moved_in = bin_row("D20200101T000000_IFCB010", sample_time="2024-02-15 01:00:00+00:00")
    moved_out = bin_row(MIDDAY, sample_time="2024-03-01 12:00:00+00:00")
    assert listed(tmp_path, [moved_in, moved_out], "2024-02-15", "2024-02-15") == ["D20200101T000000_IFCB010"]


@pytest.mark.parametrize("skip", [0, 1])
def test_a_bin_bounds_by_its_sample_time(tmp_path: Path, skip: int, caplog: pytest.LogCaptureFixture) -> None:
    """Its id says the 14th; the operator moved it to the 16th at noon. A skipped bin bounds as well."""
    moved = bin_row(BEFORE, sample_time="2024-02-16 12:00:00+00:00", skip=skip)
    rows = [moved, *FIVE[1:]]
    assert listed(tmp_path, rows, start=BEFORE) == [BEFORE, LAST, AFTER]
    assert listed(tmp_path, rows, end=BEFORE) == [FIRST, MIDDAY, BEFORE]
    assert not caplog.records


@pytest.mark.parametrize(("key", "bin_id"), [("start", "IFCB1_2024_046_120001"), ("end", "D20240215T120001_IFCB999")])
def test_a_bin_that_is_not_listed_bounds_nothing(tmp_path: Path, key: str, bin_id: str) -> None:
    """Its sample_time is not known: the time in its id may be years away from it."""
    with pytest.raises(CatalogError, match=f"select.{key}: bin {bin_id} is not in .*metadata.csv.*Accepted"):
        listed(tmp_path, FIVE, **{key: bin_id})
    assert not (tmp_path / "catalog.csv").exists()


def test_an_end_before_the_start_is_told_by_sample_time(tmp_path: Path) -> None:
    moved = bin_row(AFTER, sample_time="2024-02-14 12:00:00+00:00")
    with pytest.raises(CatalogError, match=f"select.start: {MIDDAY}.* is after select.end: {AFTER}"):
        listed(tmp_path, [*FIVE[:4], moved], start=MIDDAY, end=AFTER)
    # By their ids it would be the other way round.
    assert listed(tmp_path, [*FIVE[:4], moved], start=AFTER, end=BEFORE) == [AFTER, BEFORE]


@pytest.mark.parametrize(
    ("bins", "spans"), [(FIVE, "2024-02-17 00:00:00"), ([], "nothing: the list itself has no bin")]
)
def test_an_empty_window_is_an_error_that_says_what_there_is(
    tmp_path: Path, bins: list[dict[str, Any]], spans: str
) -> None:
    with pytest.raises(CatalogError, match=f"2030-01-01.*2030-01-31.*{spans}"):
        listed(tmp_path, bins, "2030-01-01", "2030-01-31")
    assert not (tmp_path / "catalog.csv").exists()


def test_rows_are_in_order_of_time_then_id_and_hold_every_column(tmp_path: Path) -> None:
    rows = [
        bin_row(LAST, sample_time="2024-02-15 00:00:00+00:00"),
        bin_row("D20240215T000000_IFCB125", skip=1, ml_analyzed=-9999999.0, cruise="EN706", tag1="b", tag2="a"),
        bin_row(FIRST, latitude=41.309999999999995, longitude=-70.51, depth=4, sample_type="cast", n_images=139),
    ]
    assert listed(tmp_path, rows) == [FIRST, "D20240215T000000_IFCB125", LAST]
    with (tmp_path / "catalog.csv").open(newline="", encoding="utf-8") as file:
        first, second, _ = csv.DictReader(file)
    time = "2024-02-15T00:00:00+00:00"
    assert list(first.values()) == (
        [
            FIRST,
            time,
            "IFCB10",
            "2.0",
            "41.309999999999995",
            "-70.51",
            "4.0",
            "",
            "cast",
            "139",
            "0",
            "",
            "metadata",
            "",
            "",
            "",
        ]
    )
    assert list(second.values()) == (
        ["D20240215T000000_IFCB125", time, "IFCB125", "", "", "", "", "EN706", "", "3", "1", "b;a", "", "", "", ""]
    )


def test_a_bin_that_an_archive_lists_twice_is_refused_not_counted_twice(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match=f"{FIRST} is listed twice"):
        listed(tmp_path, [bin_row(FIRST), bin_row(FIRST, ml_analyzed=3)])
    assert not (tmp_path / "catalog.csv").exists()


def test_times_that_are_not_those_of_the_ids_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """An operator may correct the time of a bin. Five hours of most bins are a clock that is not in UTC."""
    caplog.set_level(logging.INFO)
    local = {FIRST: "2024-02-14 19:00:00+00:00", MIDDAY: "2024-02-15 07:00:00+00:00"}

    def told(*moved: str) -> list[tuple[int, str]]:
        caplog.clear()
        times = {BEFORE: "2024-02-14 23:59:01+00:00", **{name: local[name] for name in moved}}
        rows = [bin_row(name, **({"sample_time": times[name]} if name in times else {})) for name in (BEFORE, *local)]
        listed(tmp_path, rows)
        return [(each.levelno, each.getMessage()) for each in caplog.records if "sample_time" in each.getMessage()]

    assert told() == []
    ((level, message),) = told(FIRST)
    assert level == logging.INFO
    assert "sample_time of 1 bin is not the time in the id, by up to 5.0 h" in message
    ((level, message),) = told(FIRST, MIDDAY)
    assert level == logging.WARNING
    assert "sample_time of 2 bins" in message
    assert message.endswith(f"{FIRST}: 2024-02-14 19:00:00; {MIDDAY}: 2024-02-15 07:00:00")


def test_a_bin_of_two_shards_is_told_with_both(tmp_path: Path) -> None:
    """Its sample_time was corrected after the first of them had been made."""
    listed(tmp_path / "2023", [bin_row(BEFORE), bin_row(FIRST)])
    listed(tmp_path / "2024", [bin_row(FIRST), bin_row(LAST)])
    parts = [tmp_path / shard / "catalog.csv" for shard in ("2023", "2024")]
    with pytest.raises(CatalogError, match=f"bin {FIRST} is in the lists of several shards: {parts[0]}, {parts[1]}"):
        merge_catalogs(parts, tmp_path / "catalog.csv")
    assert not (tmp_path / "catalog.csv").exists()
