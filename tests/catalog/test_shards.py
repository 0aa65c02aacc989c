"""Shards: which of them can be merged."""

import json
from pathlib import Path

import pytest

from ifcb_abundance.catalog.shards import find_shards
from ifcb_abundance.common.errors import ConfigError


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
