"""Shards: which of them can be merged."""

import json
from pathlib import Path

import pytest

from ifcb_abundance.catalog.shards import find_shards, parts_of
from ifcb_abundance.common.errors import ConfigError
from ifcb_abundance.tables.registry import TABLES


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    (tmp_path / "2023").mkdir()
    made_with = {"dataset": "x", "shard": "2023", "recheck": {"days": 7}, "classify": {"threshold": 0.7}}
    (tmp_path / "2023" / "run.json").write_text(json.dumps({"config": made_with}))
    return tmp_path


def test_what_is_in_no_table_may_differ(shard: Path) -> None:
    config = {"dataset": "x", "shard": "merge", "classify": {"threshold": 0.7}, "report": {"make": True}}
    config |= {"export": {"formats": ["netcdf"]}}
    assert find_shards(shard, {"2023": ["2023-01"]}, config) == [shard / "2023"]


def test_what_is_in_the_tables_may_not(shard: Path) -> None:
    config = {"dataset": "x", "shard": "merge", "classify": {"threshold": 0.5}}
    with pytest.raises(ConfigError, match=r"2023 was made with another config \(classify\)"):
        find_shards(shard, {"2023": ["2023-01"]}, config)


def test_files_that_the_config_names_are_the_same_in_all_shards(tmp_path: Path) -> None:
    """Their path alone says nothing of what was in them."""
    config = {"dataset": "x", "classify": {"class_thresholds": "th.csv"}}
    (tmp_path / "2023").mkdir()
    made = {"config": config | {"shard": "2023"}, "class_thresholds": {"A": 0.9}, "class_table": "abc"}
    (tmp_path / "2023" / "run.json").write_text(json.dumps(made))
    same = {"class_thresholds": {"A": 0.9}, "class_table": "abc"}
    assert find_shards(tmp_path, {"2023": ["2023-01"]}, config, same) == [tmp_path / "2023"]
    for key, other in (("class_thresholds", {"A": 0.3}), ("class_table", "abd")):
        with pytest.raises(ConfigError, match=rf"2023 was made with another config \(the file of classify.{key}\)"):
            find_shards(tmp_path, {"2023": ["2023-01"]}, config, same | {key: other})
    del made["class_table"]  # an older version did not write it down
    (tmp_path / "2023" / "run.json").write_text(json.dumps(made))
    assert find_shards(tmp_path, {"2023": ["2023-01"]}, config, same) == [tmp_path / "2023"]


@pytest.mark.parametrize(
    ("table", "remedy"),
    [
        ("biovolume", "has no biovolume_long.csv. Make all shards with features.make: true"),
        ("biovolume_bins", "has no biovolume_bins.parquet. Make all shards with features.bins: true"),
        ("quality", "has no quality.csv. Make all shards with quality.make: true"),
        ("ledger", "has no ledger.csv. Run it again: --config shard=2024"),
    ],
)
def test_a_table_that_a_shard_lacks_is_told_with_the_remedy(tmp_path: Path, table: str, remedy: str) -> None:
    shards = [tmp_path / "2023", tmp_path / "2024"]
    for shard in shards:
        shard.mkdir()
    (shards[0] / TABLES[table].merged).touch()
    with pytest.raises(ConfigError, match=f"shard: 2024 {remedy}"):
        parts_of(TABLES[table], shards)
    (shards[1] / TABLES[table].merged).touch()
    assert parts_of(TABLES[table], shards) == [str(shard / TABLES[table].merged) for shard in shards]
