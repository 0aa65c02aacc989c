"""Tables of the demo, each broken by hand: the test inside the workflow names the table and the row."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from ifcb_abundance.common.errors import TableError
from ifcb_abundance.report.invariants import write_test_results
from tests.checkout import Checkout

NAMES = ("ledger", "catalog", "coverage", "abundance_long", "groups_long")


@pytest.fixture
def tables(tmp_path: Path, demo_run: Checkout) -> dict[str, Path]:
    folder = demo_run.results("demo")
    return {
        path.stem: Path(shutil.copy(path, tmp_path))
        for path in (*(folder / f"{name}.csv" for name in NAMES), folder / "bins_long.parquet")
    }


def test_the_tables_of_the_demo_agree(tables: dict[str, Path], tmp_path: Path, demo_run: Checkout) -> None:
    write_test_results(tables, None, ["instrument"], tmp_path / "tested.txt")
    written = (tmp_path / "tested.txt").read_text()
    assert len(written.splitlines()) == 7
    assert written == (demo_run.results("demo") / "test_results.txt").read_text()


def add(column: str, number: float, row: int = 0) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        frame.loc[row, column] += number
        return frame

    return change


def read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype={"aphia_id": "str"}, keep_default_na=False, na_values=[""])


def lose_row(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.drop(index=3)


@pytest.mark.parametrize(
    ("table", "change", "sentences"),
    [
        ("ledger", lose_row, ["catalog: bins that the ledger does not have: D20240415T"]),
        ("catalog", lose_row, ["ledger: bins that the catalog does not have: D20240415T"]),
        ("catalog", add("ml_analyzed", 0.5), ["abundance_long: ml_analyzed_total does not agree", "coverage: ml_"]),
        ("coverage", add("n_used", 1), ["coverage: the bins of all statuses do not sum to n_expected: 2024-04-15"]),
        ("abundance_long", add("count", 1), ["abundance_long: the counts do not sum to n_rois: 2024-04-15 IFCB901"]),
        ("abundance_long", add("count", 1), ["groups_long: count does not agree with the classes of abundance_long"]),
        (
            "abundance_long",
            add("count", 1),
            ["count does not agree with the counts in bins_long: 2024-04-15 Akashiwo (5, not 4)"],
        ),
        ("abundance_long", add("n_rois", 1), ["abundance_long: the counts do not sum to n_rois: 2024-04-15 IFCB901"]),
        ("abundance_long", add("ml_analyzed_total", 9), ["is more than that of all used bins: 2024-04-15 IFCB901 Ak"]),
        ("abundance_long", add("objects_per_ml_low", 9), ["objects_per_ml_high are not in order: 2024-04-15 Akash"]),
        ("groups_long", add("objects_per_ml", 9), ["groups_long: objects_per_ml_low, objects_per_ml, objects_per_ml_"]),
        ("groups_long", add("count", 5), ["groups_long: count does not agree"]),
    ],
)
def test_a_table_that_was_changed_is_named(
    tables: dict[str, Path],
    tmp_path: Path,
    table: str,
    change: Callable[[pd.DataFrame], pd.DataFrame],
    sentences: list[str],
) -> None:
    change(read(tables[table])).to_csv(tables[table], index=False)
    with pytest.raises(TableError, match="The finished tables do not agree") as error:
        write_test_results(tables, None, ["instrument"], tmp_path / "tested.txt")
    for sentence in sentences:
        assert re.search(re.escape(sentence), str(error.value)), str(error.value)
    assert not (tmp_path / "tested.txt").exists()


def test_a_period_that_lost_a_count_is_named(tables: dict[str, Path], tmp_path: Path) -> None:
    weeks = tmp_path / "abundance_week.csv"
    add("count", 2)(read(tables["abundance_long"])).to_csv(weeks, index=False)
    with pytest.raises(TableError, match=r"abundance_week\.csv: count does not agree .*Akashiwo \(\d+, not \d+\)"):
        write_test_results(tables, weeks, ["instrument"], tmp_path / "tested.txt")


def test_tables_without_rows_agree(tables: dict[str, Path], tmp_path: Path) -> None:
    """As those of a shard without bins."""
    for path in tables.values():
        if path.suffix == ".csv":
            path.write_text(path.read_text().partition("\n")[0] + "\n")
        else:
            pq.write_table(pq.read_table(path).slice(0, 0), path)
    write_test_results(tables, None, ["instrument"], tmp_path / "tested.txt")
    assert len((tmp_path / "tested.txt").read_text().splitlines()) == 7
