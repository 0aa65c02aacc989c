"""Tables are written and read back without loss, and what breaks the schema is refused."""

import csv
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ifcb_abundance.common.errors import TableError
from ifcb_abundance.tables import table_files

CATALOG = {
    "bin": "D20240215T000000_IFCB010",
    "sample_time": pd.Timestamp("2024-02-15 00:00:00", tz="UTC"),
    "instrument": "IFCB10",
    "ml_analyzed": 2.0,
    "latitude": 41.3,
    "longitude": -70.5,
    "depth": 4.0,
    "cruise": "",
    "sample_type": "",
    "n_images": 3,
    "skip": 0,
    "tags": "",
    "volume_method": "metadata",
    "volume_disagreement": float("nan"),
    "volume_note": "",
    "position_note": "",
}
ABUNDANCE = {
    "date": "2024-02-15",
    "instrument": "IFCB10",
    "latitude": 41.3,
    "longitude": -70.5,
    "class": "Akashiwo",
    "scientific_name": "Akashiwo sanguinea",
    "aphia_id": "232546",
    "living": "",
    "group": "",
    "harmful": "",
    "count": 5,
    "ml_analyzed_total": 2.0,
    "objects_per_ml": 2.5,
    "objects_per_ml_low": 0.81,
    "objects_per_ml_high": 5.83,
    "objects_per_L": 2500.0,
    "threshold": 0.7,
    "n_bins": 1,
    "n_rois": 9,
    "n_bins_assessed": 1,
    "dispersion": 1.5,
    "objects_per_ml_low_dispersed": 0.6,
    "objects_per_ml_high_dispersed": 6.7,
}
LEDGER = {"bin": "D20240215T000000_IFCB010", "date": "2024-02-15", "status": "used", "reason": ""}
LEDGER |= {"address": "https://x/y", "sha256": "0" * 64, "bytes": 9, "server": "", "label_set": "2 classes 0123abcd"}
ROWS = {"catalog": CATALOG, "abundance_long": ABUNDANCE, "ledger": LEDGER}


def table(name: str, column: str, values: Iterable[Any]) -> pd.DataFrame:
    """A good table but for these values in this column."""
    rows = [ROWS[name] | {column: value} for value in values]
    if column != "bin" and "bin" in ROWS[name]:
        rows = [row | {"bin": f"D20240215T{i:06d}_IFCB010"} for i, row in enumerate(rows)]
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tables") / "table.csv"


def bits(values: Iterable[float]) -> list[bytes]:
    return [struct.pack("d", value) for value in values]


@settings(deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
def test_every_float_is_read_back_to_the_bit(path: Path, values: list[float]) -> None:
    table_files.write(table("catalog", "ml_analyzed", values), "catalog", path)
    assert bits(table_files.read("catalog", path)["ml_analyzed"]) == bits(values)


@settings(deadline=None)
@given(st.lists(st.integers(0, 2**53), min_size=1, max_size=5))
def test_every_count_is_read_back(path: Path, values: list[int]) -> None:
    table_files.write(table("abundance_long", "count", values), "abundance_long", path)
    assert list(table_files.read("abundance_long", path)["count"]) == values


@settings(deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=1, max_size=5))
@example(["a\rb"])
def test_every_class_name_is_read_back_or_not_written(path: Path, values: list[str]) -> None:
    try:
        table_files.write(table("abundance_long", "class", values), "abundance_long", path)
    except TableError:
        assert any(not character.isprintable() for name in values for character in name)
        return
    assert list(table_files.read("abundance_long", path)["class"]) == values


@pytest.mark.parametrize("name", ["NA", "nan", "NaN", "null", "None", "N/A", "", "1.0", "a,b", 'say "x"', "<10um", "é"])
def test_text_stays_text(path: Path, name: str) -> None:
    table_files.write(table("catalog", "tags", [name, "x"]), "catalog", path)
    assert list(table_files.read("catalog", path)["tags"]) == [name, "x"]
    if name:
        table_files.write(table("abundance_long", "class", [name]), "abundance_long", path)
        assert list(table_files.read("abundance_long", path)["class"]) == [name]


def test_empty_numbers_and_times_come_back(path: Path) -> None:
    rows = pd.concat([table("catalog", "depth", [None, 0.0]), table("catalog", "bin", ["IFCB5_2012_028_081515"])])
    rows["sample_time"] += pd.Timedelta(microseconds=1)
    rows["n_images"] = pd.array([None, 0, 3], dtype="Int64")
    table_files.write(rows, "catalog", path)
    read = table_files.read("catalog", path)
    assert read["depth"].isna().tolist() == [True, False, False]
    assert read["n_images"].isna().tolist() == [True, False, False]
    assert set(read["sample_time"]) == {pd.Timestamp("2024-02-15 00:00:00.000001", tz="UTC")}
    assert "2024-02-15T00:00:00.000001+00:00" in path.read_text()


@pytest.mark.parametrize(
    "values", [[3.0, None], [None, 3], pd.array([3, None], dtype="Int64"), [2.0**53, float("nan")]]
)
def test_whole_numbers_stay_whole_where_one_is_missing(path: Path, values: Any) -> None:
    rows = pd.DataFrame([CATALOG, {**CATALOG, "bin": "D20240215T010000_IFCB010"}]).assign(n_images=values)
    table_files.write(rows, "catalog", path)
    cells = pd.read_csv(path, dtype=str, keep_default_na=False)["n_images"].tolist()
    assert sorted(cells) in (["", "3"], ["", "9007199254740992"])
    assert table_files.as_csv(rows, "catalog", "here") == path.read_text()
    assert table_files.read("catalog", path)["n_images"].isna().tolist() == [cell == "" for cell in cells]


@pytest.mark.parametrize("value", [2.5, float("inf"), -0.25])
def test_what_is_not_whole_is_no_whole_number(path: Path, value: float) -> None:
    path.unlink(missing_ok=True)
    with pytest.raises(TableError, match="n_images"):
        table_files.write(pd.DataFrame([{**CATALOG, "n_images": value}]), "catalog", path)
    assert not path.exists()


def test_a_table_without_rows_keeps_its_columns(path: Path) -> None:
    table_files.write(pd.DataFrame([LEDGER]).head(0), "ledger", path)
    assert path.read_text() == "bin,date,status,reason,address,sha256,bytes,server,label_set\n"
    assert list(table_files.read("ledger", path)) == list(LEDGER)


def test_group_columns_are_there_only_when_asked_for() -> None:
    plain = list(ABUNDANCE)
    assert table_files.columns("abundance_long") == plain
    assert table_files.columns("abundance_long", ["sample_type", "depth"]) == (
        [*plain[:2], "depth", "sample_type", *plain[2:]]
    )


NAN, BIN = float("nan"), "D20240215T000000_IFCB010"
BREAKS: dict[str, dict[str, list[list[Any]]]] = {
    "catalog": {
        "bin": [[""], [BIN, BIN]],
        "sample_time": [[pd.NaT]],
        "instrument": [["10"], [""], ["IFCB10.0"]],
        "latitude": [[90.1], [-9999999.0]],
        "longitude": [[-180.1], [181.0]],
        "skip": [[2], [None]],
    },
    "abundance_long": {
        **{"date": [[""]], "instrument": [[""]], "class": [[""], [None]], "living": [["maybe"], ["Yes"]]},
        **{"harmful": [["maybe"], ["1"]], "aphia_id": [["232546.0"], ["urn:1"]], "n_bins_assessed": [[0]]},
        **{"dispersion": [[-0.1]], "objects_per_ml_low_dispersed": [[NAN]], "objects_per_ml_high_dispersed": [[-1.0]]},
        **{"latitude": [[-9999999.0]], "longitude": [[180.5]], "threshold": [[1.1], [-0.1]]},
        **{"count": [[3, -1]], "n_bins": [[0]], "n_rois": [[-1]], "ml_analyzed_total": [[NAN], [-1.0]]},
        **{"objects_per_ml": [[NAN], [-1.0]], "objects_per_L": [[NAN], [-1.0]]},
        **{"objects_per_ml_low": [[NAN], [-0.1]], "objects_per_ml_high": [[None], [-0.1]]},
    },
    "ledger": {"bin": [[BIN, BIN], [""]], "status": [["lost"], [""]], "date": [[""]]},
}


@pytest.mark.parametrize(
    ("name", "column", "values"),
    [(name, column, v) for name, broken in BREAKS.items() for column, cases in broken.items() for v in cases],
)
def test_each_constraint_is_kept_when_writing_and_when_reading(
    tmp_path: Path, name: str, column: str, values: list[Any]
) -> None:
    frame, path = table(name, column, values), tmp_path / "new.csv"
    with pytest.raises(TableError, match=rf"new\.csv.*table {name}, column {column}"):
        table_files.write(frame, name, path)
    assert not list(tmp_path.iterdir())
    frame.to_csv(path, index=False)
    with pytest.raises(TableError, match=rf"new\.csv.*table {name}, column {column}"):
        table_files.read(name, path)


@pytest.mark.parametrize(
    ("name", "column", "text"),
    [
        ("catalog", "ml_analyzed", "two"),
        ("catalog", "n_images", "3.5"),
        ("catalog", "sample_time", "noon"),
        ("abundance_long", "count", "five"),
    ],
)
def test_a_file_with_text_for_a_number_or_a_time_is_refused(tmp_path: Path, name: str, column: str, text: str) -> None:
    table(name, column, [text]).to_csv(tmp_path / "old.csv", index=False)
    with pytest.raises(TableError, match=rf"old\.csv.*{column}"):
        table_files.read(name, tmp_path / "old.csv")


@pytest.mark.parametrize("name", list(ROWS))
def test_columns_missing_or_unknown_are_named(tmp_path: Path, name: str) -> None:
    frame = pd.DataFrame([ROWS[name]])
    for column in frame.columns:
        with pytest.raises(TableError, match=f"'{column}'.*{name}"):
            table_files.write(frame.drop(columns=column), name, tmp_path / "new.csv")
    with pytest.raises(TableError, match=f"'surprise'.*{name}"):
        table_files.write(frame.assign(surprise=1), name, tmp_path / "new.csv")
    assert not list(tmp_path.iterdir())


class Unprintable:
    def __str__(self) -> str:
        raise OSError("no space left on device")


@pytest.mark.parametrize(("reason", "error"), [(Unprintable(), OSError), ("x" * 10, TableError)])
def test_a_failure_leaves_the_old_file_and_no_part_of_a_new_one(
    tmp_path: Path, reason: object, error: type[Exception]
) -> None:
    path = tmp_path / "ledger.csv"
    table_files.write(pd.DataFrame([LEDGER]), "ledger", path)
    old = path.read_bytes()
    status = "used" if error is OSError else "lost"
    with pytest.raises(error):
        table_files.write(pd.DataFrame([LEDGER | {"reason": reason, "status": status}]), "ledger", path)
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]


# --- texts that spreadsheets would run ---

ODD = ["=1+1", "-", "@x", "+1", "a;=b", "'=1", "''-", "it's", ""]


def test_texts_that_spreadsheets_would_run_are_read_back_and_are_no_formulas_in_the_file(tmp_path: Path) -> None:
    rows = [CATALOG | {"bin": f"D20240215T0000{n:02d}_IFCB010", "tags": text} for n, text in enumerate(ODD)]
    frame = pd.DataFrame(rows).assign(cruise="=cruise", sample_type="-", longitude=-70.5)
    table_files.write(frame, "catalog", tmp_path / "catalog.csv")
    with (tmp_path / "catalog.csv").open(newline="") as file:
        read = list(csv.DictReader(file))
    assert [row["tags"] for row in read] == ["'=1+1", "'-", "'@x", "'+1", "a;'=b", "''=1", "'''-", "it's", ""]
    assert {(row["cruise"], row["sample_type"], row["longitude"]) for row in read} == {("'=cruise", "'-", "-70.5")}
    back = table_files.read("catalog", tmp_path / "catalog.csv")
    assert back["tags"].tolist() == ODD
    assert (back["cruise"].unique().tolist(), back["sample_type"].unique().tolist()) == (["=cruise"], ["-"])
    assert table_files.from_csv((tmp_path / "catalog.csv").read_bytes(), "catalog", "here")["tags"].tolist() == ODD
    table_files.convert("catalog", tmp_path / "catalog.csv", tmp_path / "catalog.parquet")
    assert pd.read_parquet(tmp_path / "catalog.parquet")["tags"].tolist() == ODD
