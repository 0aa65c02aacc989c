"""The registry of tables, beside the schemas, the rules and the documentation."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import get_args

import pytest

from ifcb_abundance.abundance.periods import STARTS
from ifcb_abundance.config.model import Abundance
from ifcb_abundance.tables import table_files
from ifcb_abundance.tables.registry import PERIODS, TABLES, Table, When, described, made_by, wanted

ROOT = Path(__file__).parents[2]
RULES = "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "workflow" / "rules").glob("*.smk")))


def files(tables: Iterable[Table]) -> set[str]:
    return {table.merged for table in tables}


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_each_table_has_a_schema_and_a_rule(table: Table) -> None:
    assert table_files.columns(table.schema)
    assert re.search(rf"^(rule|checkpoint) {table.made_by}:", RULES, re.MULTILINE)


def test_each_schema_is_of_a_table_but_those_of_users_and_of_parts() -> None:
    users, parts = (
        {"class_table"},
        {"images", "image_classes", "filter_scores", "training_metadata", "quality_measured"},
    )
    assert set(table_files.TABLES) - {table.schema for table in TABLES.values()} == users | parts


def test_no_file_is_that_of_two_tables() -> None:
    names = [table.merged for table in TABLES.values()] + [table.part for table in TABLES.values() if table.part]
    assert len(set(names)) == len(names)


def test_periods_are_those_that_can_be_pooled() -> None:
    assert list(PERIODS) == list(STARTS)
    assert get_args(Abundance.model_fields["period"].annotation) == ("day", *PERIODS)
    assert set(made_by("pool_periods")) == set(PERIODS)


def test_what_a_run_makes() -> None:
    always = {"abundance_long.csv", "groups_long.csv", "bins_long.parquet", "coverage.csv", "ledger.csv", "catalog.csv"}
    always |= {"threshold_sweep.csv"}
    whole = {"abundance_long.parquet", "abundance_wide.csv"}
    of_features = {"biovolume_long.csv", "biovolume_groups.csv", "size_spectrum.csv", "features_ledger.csv"}
    assert files(wanted("day", features=False, whole=True)) == always | whole
    assert files(wanted("week", features=True, whole=True)) == always | whole | of_features | {"abundance_week.csv"}
    assert files(wanted("week", features=True, whole=False, validation=True)) == always | of_features
    of_labels = files(wanted("day", features=False, whole=True, validation=True)) - always - whole
    assert {"validation/class_report.csv", "validation/thresholds.csv", "validation/consensus.csv"} < of_labels
    assert {name.split("/")[0] for name in of_labels} == {"validation"}


def test_the_description_has_what_a_run_makes_in_a_fixed_order() -> None:
    assert list(described(wanted("hour", features=True, whole=True)).items())[:4] == [
        ("abundance_long.csv", "abundance_long"),
        ("abundance_long.parquet", "abundance_long"),
        ("abundance_hour.csv", "abundance_long"),
        ("groups_long.csv", "groups_long"),
    ]
    assert not {"montages.csv", "changes.csv", "abundance_wide.csv"} & set(described(TABLES.values()))


def test_paths() -> None:
    bins = TABLES["bins"]
    assert bins.merged_in("results/demo") == "results/demo/bins_long.parquet"
    assert bins.part_in("results/demo", "2024-02-15") == "results/demo/bins_long/2024-02-15.parquet"
    assert bins.part_in("results/demo") == "results/demo/bins_long/{date}.parquet"


def test_the_page_on_results_lists_the_tables_and_the_folders_of_parts() -> None:
    page = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    listed = page.replace("`abundance_long.csv`, `.parquet`", "`abundance_long.csv`, `abundance_long.parquet`")
    for table in TABLES.values():
        if table.when == When.PERIOD:
            assert "`abundance_{period}.csv`" in listed
        elif table.described:
            assert f"`{table.merged}`" in listed
        if table.part and table.when == When.ALWAYS:
            assert f"`{table.part.split('/')[0]}/`" in listed


def test_rules_take_the_files_of_tables_from_here() -> None:
    names = "|".join(re.escape(table.merged) for table in TABLES.values())
    assert re.findall(rf"/(?:{names})[\"']", RULES) == []
