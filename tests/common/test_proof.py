"""Files that say what they were made from are believed only as long as that is true."""

import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ifcb_abundance.common.proof import KEY, digest, holds, of_days, of_json, of_parquet, of_zip, statement


def test_the_same_values_have_the_same_checksum_whatever_holds_them() -> None:
    assert digest({"b": [1, 2.5, None], "a": "x"}) == digest({"a": "x", "b": (1, 2.5, None)})
    assert digest({"b", "a"}) == digest(["a", "b"])
    assert digest([np.int64(3), np.float64(0.1), np.bool_(True)]) == digest([3, 0.1, True])


@pytest.mark.parametrize(
    "others", [[1, 2.5], [1, 2.5, "None"], [1.5, 2, None], [[1, 2.5, None]], ["1", 2.5, None], [True, 2.5, None]]
)
def test_other_values_have_another(others: list[object]) -> None:
    assert digest([1, 2.5, None]) != digest(others)


def test_tables_are_told_by_all_of_their_cells() -> None:
    table = pd.DataFrame({"bin": ["a", "b"], "ml_analyzed": [2.0, np.nan]})
    assert digest(table) == digest(table.copy())
    assert digest(table) != digest(table.assign(ml_analyzed=[2.0 + 1e-15, np.nan]))
    assert digest(table) != digest(table.rename(columns={"bin": "pid"}))


def test_values_that_have_no_plain_form_are_refused() -> None:
    with pytest.raises(TypeError, match="no checksum of object"):
        digest(object())


def test_a_statement_holds_while_the_files_beside_it_are_the_same(tmp_path: Path) -> None:
    files = {"daily": tmp_path / "daily.csv", "ledger": tmp_path / "ledger.csv"}
    for path in files.values():
        path.write_text("a,b")
    stated = statement("settings", files)
    assert holds(stated, "settings", files)
    assert holds(stated.encode(), "settings", files)
    assert not holds(stated, "other settings", files)
    files["ledger"].write_text("a,c")
    assert not holds(stated, "settings", files)
    files["ledger"].unlink()
    assert not holds(stated, "settings", files)
    for nothing in (None, "", b""):
        assert not holds(nothing, "settings", files)


def test_statements_are_found_where_they_are_kept(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": [1]}).replace_schema_metadata({KEY: "of parquet"}), tmp_path / "x.parquet")
    assert of_parquet(tmp_path / "x.parquet")[KEY] == b"of parquet"
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.comment = b"of zip"
    assert of_zip(tmp_path / "x.zip") == b"of zip"
    (tmp_path / "x.json").write_text("of json\n")
    assert of_json(tmp_path / "x.json") == "of json"


@pytest.mark.parametrize("body", [None, b"", b"PK", b"PAR1", b"\xff\xfe" * 50])
def test_what_is_no_such_file_states_nothing(tmp_path: Path, body: bytes | None) -> None:
    path = tmp_path / "x"
    if body is not None:
        path.write_bytes(body)
    assert of_parquet(path) == {}
    assert of_zip(path) == b""
    assert of_days([path]) == ""
    assert body in (b"PK", b"PAR1") or of_json(path) == ""


def test_days_are_told_by_what_each_states(tmp_path: Path) -> None:
    def day(name: str, stated: str) -> Path:
        pq.write_table(pa.table({"x": [1]}).replace_schema_metadata({KEY: stated}), tmp_path / name)
        return tmp_path / name

    first, second = day("1", "a"), day("2", "b")
    whole = of_days([first, second])
    assert whole
    assert of_days([second, first]) != whole
    assert of_days([first]) != whole
    day("2", "c")
    assert of_days([first, second]) != whole
