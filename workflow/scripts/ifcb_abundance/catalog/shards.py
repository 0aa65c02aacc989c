"""Shards: parts of a window that is too long for one run. Each has tables of its own, which are merged at the end."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ifcb_abundance.common.errors import ConfigError
from ifcb_abundance.config import Config
from ifcb_abundance.tables.registry import Table, When

# The keys that have shards make tables that they would not make otherwise.
ASKED_BY = {When.FEATURES: "features.make", When.BINS: "features.bins", When.QUALITY: "quality.make"}


def find_shards(
    folder: str | Path,
    years: Mapping[str, Sequence[str]],
    config: Mapping[str, Any],
    contents: Mapping[str, Any] = MappingProxyType({}),
) -> list[Path]:
    """Find the shards that make up a window, in order: one for a year, or else those of its months.

    folder: where they are; years: as `Window.shards` gives them. contents: what files that the config names say, by the
    names that run.json has for it. Raises ConfigError, naming the shards, if some are missing or were made with another
    config, or with other contents of such a file.
    """
    found: list[str] = []
    for year, months in years.items():
        found += [year] if _record(folder, year) else months
    missing = [shard for shard in found if not _record(folder, shard)]
    if missing:
        raise ConfigError(
            f"shard: {len(missing)} of the window's shards are not there, or not finished: {', '.join(missing[:12])}. "
            f"Make each first, as in --config shard={missing[0]} (or the whole year, shard={missing[0][:4]})"
        )
    for shard in found:
        record = _record(folder, shard)
        others = [f"the file of classify.{key}" for key, said in contents.items() if record.get(key, said) != said]
        if keys := [*differing(record["config"], config), *others]:
            raise ConfigError(
                f"shard: {shard} was made with another config ({', '.join(keys)}). Run it again with this one: "
                f"--config shard={shard}"
            )
    return [Path(folder, shard) for shard in found]


def parts_of(table: Table, shards: Sequence[Path]) -> list[str]:
    """The files of shards that a table is merged from. Raises ConfigError, naming the shard, if one is missing."""
    parts = [table.merged_in(str(shard)) for shard in shards]
    for shard, part in zip(shards, parts, strict=True):
        if not Path(part).exists():
            key = ASKED_BY.get(table.when)
            raise ConfigError(
                f"shard: {shard.name} has no {table.merged}. "
                + (f"Make all shards with {key}: true" if key else f"Run it again: --config shard={shard.name}")
            )
    return parts


def _record(folder: str | Path, shard: str) -> dict[str, Any]:
    """Read the run.json of a shard, which is its last file to be made; empty if there is none."""
    path = Path(folder, shard, "run.json")
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return record


def differing(made_with: Mapping[str, Any], config: Mapping[str, Any]) -> list[str]:
    """Name the keys that differ between two configs, among those that decide what is in a table."""
    keys = sorted((set(made_with) | set(config)) - Config.BESIDE - {"shard", "report", "images", "export"})
    return [key for key in keys if _of_tables(made_with.get(key)) != _of_tables(config.get(key))]


def _of_tables(section: Any) -> Any:
    """Drop the key `allow_empty` from a section of the config: it is asked of all shards together."""
    if not isinstance(section, dict):
        return section
    return {key: value for key, value in section.items() if key != "allow_empty"}
