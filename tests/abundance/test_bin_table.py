"""The bin-level table: its contents, its agreement with the daily table, and reading it back."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ifcb_abundance.abundance.bin_table import bin_rows, merge_parts, part_of, write_csv
from ifcb_abundance.abundance.bin_values import counts_of_bin
from ifcb_abundance.common.errors import TableError
from ifcb_abundance.tables import table_files
from tests.abundance.pooling import PARTS, Pooled, Rois, Row, a_bin, pool, rois

BINS: dict[str, list[Row]] = {
    "20240215": [
        a_bin(0, ml_analyzed=1.1, latitude="41.3", longitude="-70.123456789", depth=4, cruise='EN706, "a"')
        | {"sample_time": "2024-02-15 00:00:09+00:00"},
        a_bin(1, 125, ml_analyzed=1 / 3, sample_type="cast", sample_time="2024-02-15 00:00:00.123456+00:00"),
        a_bin(2, skip=1),
        a_bin(3),
    ],
    "20240216": [a_bin(0, day="20240216", skip=1)],
    "20240217": [a_bin(n, day="20240217", ml_analyzed=0.1 + n) for n in range(3)],
}
SCORES: dict[str, list[Rois | str]] = {
    "20240215": [rois(2, A=3, B=0, unclassified=1), rois(C=0, A=1), rois(A=9), "no_scores"],
    "20240216": [rois(A=9)],
    "20240217": [rois(A=7, **{"<10um": 1}), rois(1, A=0, NA=5), rois(A=0)],
}


@pytest.fixture
def days(tmp_path: Path) -> dict[str, Pooled]:
    return {day: pool(tmp_path / day, BINS[day], SCORES[day]) for day in BINS}


@pytest.fixture
def merged(tmp_path: Path, days: dict[str, Pooled]) -> Path:
    merge_parts([tmp_path / day / PARTS["bins"] for day in days], tmp_path / "bins_long.parquet")
    return tmp_path / "bins_long.parquet"


def test_rows_of_a_day_by_hand(days: dict[str, Pooled]) -> None:
    table = days["20240215"].bins
    assert list(zip(table["bin"].str[15:], table["class"], table["count"], strict=True)) == [
        ("1_IFCB125", "C", 0),  # in order of time, not of name
        ("1_IFCB125", "A", 1),
        ("1_IFCB125", "unclassified", 0),
        ("0_IFCB010", "A", 3),
        ("0_IFCB010", "B", 0),
        ("0_IFCB010", "unclassified", 3),
    ]
    of_second, of_first = table.iloc[0], table.iloc[-1]
    assert of_first[["instrument", "latitude", "longitude", "depth", "cruise", "sample_type"]].tolist() == (
        ["IFCB10", 41.3, -70.123456789, 4.0, 'EN706, "a"', ""]
    )
    assert (of_second["instrument"], of_second["sample_type"], of_second["cruise"]) == ("IFCB125", "cast", "")
    assert of_second[["latitude", "longitude", "depth"]].isna().all()
    assert of_second["sample_time"] == pd.Timestamp("2024-02-15 00:00:00.123456", tz="UTC")
    assert table["objects_per_ml"].tolist() == [0, 1 / (1 / 3), 0, 3 / 1.1, 0, 3 / 1.1]


def test_it_agrees_with_the_daily_table(days: dict[str, Pooled]) -> None:
    for day, scores in SCORES.items():
        table, pooled = days[day].bins, days[day]
        of_bin = table.groupby("bin")["count"].sum().to_dict()
        used = {bin_id for bin_id, (status, _) in pooled.ledger.items() if status == "used"}
        assert of_bin == {
            row["pid"]: len(given[1]) for row, given in zip(BINS[day], scores, strict=True) if row["pid"] in used
        }
        sums = table.groupby(["instrument", "class"])[["count", "ml_analyzed"]].sum()
        daily = {(row["instrument"], row["class"]): row for row in pooled.rows}
        assert set(sums.index) == set(daily)
        for key, row in daily.items():
            assert sums.loc[key, "count"] == int(row["count"])
            assert sums.loc[key, "ml_analyzed"] == pytest.approx(float(row["ml_analyzed_total"]), rel=1e-12)


def test_columns_are_of_the_declared_types_and_units(merged: Path) -> None:
    schema = pq.read_schema(merged)
    assert dict(zip(schema.names, schema.types, strict=True)) == {
        **{"bin": pa.string(), "sample_time": pa.timestamp("us", "UTC"), "instrument": pa.string()},
        **dict.fromkeys(("latitude", "longitude", "depth"), pa.float64()),
        **{"cruise": pa.string(), "sample_type": pa.string(), "class": pa.string(), "count": pa.int64()},
        **{"ml_analyzed": pa.float64(), "objects_per_ml": pa.float64()},
    }
    units = {
        name: entry["unit"]
        for name, entry in table_files.schema("bins_long").items()
        if name in schema.names and "unit" in entry
    }
    assert units == {
        "sample_time": "UTC", "latitude": "degrees north", "longitude": "degrees east", "depth": "m",
        "count": "objects", "ml_analyzed": "mL", "objects_per_ml": "objects/mL",
    }  # fmt: skip


def test_one_row_group_per_day_that_reads_back_exactly(merged: Path, days: dict[str, Pooled]) -> None:
    file = pq.ParquetFile(merged)
    groups = [file.read_row_group(i).to_pandas() for i in range(file.num_row_groups)]
    dates = [set(group["sample_time"].dt.strftime("%Y%m%d")) for group in groups]
    assert dates == [{"20240215"}, set(), {"20240217"}]  # nothing was used on the second day
    whole = pd.concat([day.bins for day in days.values() if len(day.bins)], ignore_index=True)
    pd.testing.assert_frame_equal(pd.read_parquet(merged), whole, check_exact=True)
    table_files.check(pd.read_parquet(merged), "bins_long", "here")


def test_the_compressed_csv_has_the_same_numbers_to_the_last_digit(tmp_path: Path, merged: Path) -> None:
    write_csv(merged, tmp_path / "bins_long.csv.gz")
    expected = pd.read_parquet(merged)
    read = table_files.read("bins_long", tmp_path / "bins_long.csv.gz")
    assert list(read) == list(expected)
    pd.testing.assert_frame_equal(read, expected, check_exact=True, check_dtype=False)
    times = pd.read_csv(tmp_path / "bins_long.csv.gz", usecols=["sample_time"], dtype=str)["sample_time"]
    # As in catalog.csv, whatever the engine's own way is.
    assert times.iloc[0] == "2024-02-15T00:00:00.123456+00:00"
    assert "2024-02-15T00:00:09+00:00" in set(times)
    once = (tmp_path / "bins_long.csv.gz").read_bytes()
    write_csv(merged, tmp_path / "bins_long.csv.gz")
    assert (tmp_path / "bins_long.csv.gz").read_bytes() == once


def test_any_numbers_are_read_back_to_the_bit(tmp_path: Path, days: dict[str, Pooled]) -> None:
    random = np.random.default_rng(5)
    rows = pd.concat([days["20240215"].bins] * 300, ignore_index=True)
    for column in ("latitude", "depth", "ml_analyzed", "objects_per_ml"):
        rows[column] = random.random(len(rows)) * 10.0 ** random.integers(-300, 300, len(rows))
    rows["count"] = random.integers(0, 2**53, len(rows))
    (tmp_path / "part.parquet").write_bytes(part_of(rows, "part"))
    merge_parts([tmp_path / "part.parquet"], tmp_path / "whole.parquet")
    write_csv(tmp_path / "whole.parquet", tmp_path / "whole.csv.gz")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "whole.parquet"), rows, check_exact=True)
    read = table_files.read("bins_long", tmp_path / "whole.csv.gz")
    pd.testing.assert_frame_equal(read, rows, check_exact=True, check_dtype=False)


def test_no_days_make_a_table_without_rows(tmp_path: Path) -> None:
    merge_parts([], tmp_path / "whole.parquet")
    write_csv(tmp_path / "whole.parquet", tmp_path / "whole.csv.gz")
    assert list(pd.read_parquet(tmp_path / "whole.parquet")) == table_files.columns("bins_long")
    assert table_files.read("bins_long", tmp_path / "whole.csv.gz").empty


def test_what_breaks_the_schema_is_refused(days: dict[str, Pooled]) -> None:
    rows = days["20240215"].bins
    for broken in (rows.assign(count=-1), rows.assign(**{"class": ""}), rows.drop(columns="depth")):
        with pytest.raises(TableError, match="bins_long"):
            part_of(broken, "new.parquet")


def test_the_order_in_which_bins_come_does_not_show(days: dict[str, Pooled]) -> None:
    used = days["20240217"].bins.drop_duplicates("bin")
    found = {bin_id: counts_of_bin(("B", "A"), np.array([n, 0]), 5) for n, bin_id in enumerate(used["bin"])}
    rows = bin_rows(used, found)
    pd.testing.assert_frame_equal(rows, bin_rows(used[::-1], found))
    assert list(rows["count"][:6]) == [0, 0, 5, 1, 0, 4]
