"""The statuses are declared in the code and in the schemas of the tables: both have the same ones."""

from enum import StrEnum

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
