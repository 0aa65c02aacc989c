"""The statuses are declared in the code and in the schemas of the tables: both have the same ones."""

import ast
from enum import StrEnum
from pathlib import Path

import pytest

from ifcb_abundance.abundance.days import OUTCOME
from ifcb_abundance.bins.statuses import WANTED, BinStatus, FeaturesStatus, ScoresStatus
from ifcb_abundance.tables.table_files import columns, schema


@pytest.mark.parametrize(
    ("table", "statuses"),
    [
        ("ledger", list(BinStatus)),
        ("features_ledger", [status for status in FeaturesStatus if status != FeaturesStatus.NOT_USED]),
    ],
)
def test_the_schema_of_a_ledger_has_the_statuses_in_their_order(table: str, statuses: list[StrEnum]) -> None:
    assert schema(table)["status"]["constraints"]["enum"] == [str(status) for status in statuses]


def test_coverage_counts_each_status() -> None:
    assert {f"n_{status}" for status in BinStatus} <= set(columns("coverage"))


def test_each_outcome_of_reading_scores_is_a_status_of_the_bin() -> None:
    assert set(OUTCOME) == set(ScoresStatus)
    assert WANTED not in set(BinStatus)


def test_statuses_and_unclassified_are_written_once() -> None:
    package = Path(__file__).parents[2] / "workflow" / "scripts" / "ifcb_abundance"
    words = {"unclassified", *(str(s) for s in (*BinStatus, *ScoresStatus, *FeaturesStatus))}
    # The demo names what it puts into its archive, the config asks a recheck for `no_scores`, and the engine has
    # words of its own.
    others = [package / room for room in ("demo", "validation", "config", "recheck", "engine")]
    # Keys of what the page reads, and of status.json.
    others += [package / "report" / "explorer.py", package / "common" / "progress.py"]
    found = {
        f"{path.name}: {node.value}"
        for path in package.rglob("*.py")
        if not any(path.is_relative_to(folder) for folder in others)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in words
    }
    assert found == {"labels.py: unclassified", *(f"statuses.py: {word}" for word in words - {"unclassified"})}
