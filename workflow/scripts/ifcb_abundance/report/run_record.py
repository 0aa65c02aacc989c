"""Record a run: what was asked for, with which software, and what the result is."""

import json
import math
import platform
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from ifcb_abundance.bins.deployments import unmatched
from ifcb_abundance.bins.layout import SUMMARY, of_bin
from ifcb_abundance.bins.statuses import BinStatus
from ifcb_abundance.classes.labels import UNCLASSIFIED
from ifcb_abundance.common import proof
from ifcb_abundance.common import version as project
from ifcb_abundance.common.atomic_write import atomic_write
from ifcb_abundance.common.words import counted
from ifcb_abundance.config import Config
from ifcb_abundance.sources.score_files import form_of
from ifcb_abundance.tables import table_files

RULES = {
    "winner": "the highest score wins and must reach its class's threshold (>=)",
    "above_own": "of the classes whose score reaches their own threshold (>=) the one with the highest score",
    "each": "each class whose score reaches its own threshold (>=): a ROI may count for several classes",
}
VERSION = 4  # of what run.json holds: raise it so that it is written again
SHOWN = ("url", "path", "endpoint_url", "dataset")  # keys of the source that the summary of a run shows
SOFTWARE = ("snakemake", "requests", "pandas", "numpy", "scipy", "pyarrow")


@dataclass(frozen=True)
class RunFacts:
    """What a run knows of itself beside its tables.

    config: resolved. source: the identity of the source. score_files: as `Source.score_files`, for the run's window.
    class_thresholds: thresholds of single classes. class_table: a checksum of the class table. merged_labels: the class
    of each label of that table. cells: abundance is given in cells too. listed_at: the time of the catalog; None for
    that of its file. The others are for `vouches`: files, the names of the merged tables; parts, the path of a day's
    part that states what the day was made of, with `{date}`; catalog_made_of, a checksum of what the catalog was made
    of.
    """

    config: Mapping[str, Any]
    source: Mapping[str, Any]
    score_files: Callable[[Collection[str]], Mapping[str, Any] | None] | None = None
    class_thresholds: Mapping[str, float] = field(default_factory=dict)
    class_table: str = ""
    merged_labels: Mapping[str, str] = field(default_factory=dict)
    cells: bool = False
    listed_at: datetime | None = None
    files: Sequence[str] = ()
    parts: str = ""
    catalog_made_of: str = ""


def record_run(
    facts: RunFacts,
    catalog: str | Path,
    ledger: str | Path,
    abundance: str | Path,
    summaries: str | Path,
    path: str | Path,
) -> None:
    """Write run.json: the resolved config, software versions, the source's identity, times and counts.

    catalog, ledger, abundance: the tables of the run, beside `path`. summaries: the folder of the scores summaries.
    """
    config = facts.config
    bins = table_files.read("ledger", ledger, ["bin", "date", "status", "address", "server"])
    rows = table_files.read("abundance_long", abundance, ["date", "class", "count", "n_rois", "ml_analyzed_total"])
    totals = rows[rows["class"] == UNCLASSIFIED]  # a row per day and group, with the volume of all its used bins
    listed = table_files.read("catalog", catalog, ["bin", "instrument", "sample_time"])
    used = bins.loc[bins["status"] == BinStatus.USED, "bin"].tolist()
    deployments = Config(**config).deployments if config["source"]["catalog"] == "raw" else []
    record = {
        "workflow": {
            "name": project.NAME,
            "version": project.VERSION,
            "released": project.RELEASED,
            "authors": project.AUTHORS,
            "title": project.TITLE,
        },
        "dataset": config["dataset"],
        "source": dict(facts.source),
        "scores_format": _form_read(bins),
        "catalog_read_at": _utc(facts.listed_at.timestamp() if facts.listed_at else Path(catalog).stat().st_mtime),
        "written_at": _utc(datetime.now(UTC).timestamp()),
        "bins": len(bins),
        "bins_per_status": {status: int((bins["status"] == status).sum()) for status in BinStatus},
        "days": int(bins["date"].nunique()),
        "days_with_data": int(rows["date"].nunique()),
        "first_day": min(bins["date"].unique(), default=None),
        "last_day": max(bins["date"].unique(), default=None),
        "instruments": sorted(
            listed.loc[listed["bin"].isin(used), "instrument"].unique(), key=lambda name: (len(name), name)
        ),
        "n_rois": int(totals["n_rois"].sum()),
        "n_unclassified": int(totals["count"].sum()),
        "ml_analyzed": math.fsum(totals["ml_analyzed_total"]),
        "servers": sorted(set(bins["server"].unique()) - {""}),
        "classes": int(rows["class"].nunique()),
        "rows": len(rows),
        "score_files": facts.score_files(set(listed["bin"].tolist())) if facts.score_files else None,
        "deployments_without_bins": unmatched(deployments, listed),
        "scores_read_at": _read_times(bins, Path(summaries)),
        "rule_of_classification": RULES[config["classify"].get("rule", "winner")],
        **_on_classes(facts),
        "config": dict(config),
        "software": {"python": platform.python_version(), **{name: version(name) for name in SOFTWARE}},
        "files_sha256": _checksums(Path(path).parent, facts.files),
        "made_of": {"catalog": facts.catalog_made_of, "days": _days(bins, facts.parts)},
    }
    with atomic_write(path) as unfinished:
        unfinished.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def _on_classes(facts: RunFacts) -> dict[str, Any]:
    """Tell what the run knows of classes beside its tables."""
    return {
        "class_thresholds": dict(facts.class_thresholds),
        "class_table": facts.class_table,
        "merged_labels": {label: name for label, name in facts.merged_labels.items() if label != name},
        "cells": facts.cells,
    }


def _read_times(bins: pd.DataFrame, folder: Path) -> dict[str, str]:
    """Map bins to the time at which their scores were read (UTC), which is the time of their summaries."""
    times = {}
    for bin_id in bins["bin"].tolist():
        with suppress(FileNotFoundError, NotADirectoryError):
            times[bin_id] = _utc(Path(of_bin(folder, SUMMARY, bin_id)).stat().st_mtime)
    return times


def _form_read(ledger: pd.DataFrame) -> str | None:
    """The form of the class scores that were read, which all used bins share; None if there is no used bin."""
    used = ledger.loc[(ledger["status"] == BinStatus.USED) & (ledger["address"] != ""), ["bin", "address"]]
    return form_of(*used.iloc[0]) if len(used) else None


def _utc(timestamp: float) -> str:
    return datetime.fromtimestamp(timestamp, UTC).isoformat(timespec="seconds")


def _checksums(folder: Path, files: Sequence[str]) -> dict[str, str]:
    return proof.checksums({name: folder / name for name in sorted(files)})


def _days(ledger: pd.DataFrame, parts: str) -> str:
    """Compute a checksum of what the days of a ledger were made of."""
    return proof.of_days(parts.format(date=date) for date in sorted(ledger["date"].unique())) if parts else ""


def read(path: str | Path) -> dict[str, Any]:
    """Read a run.json; empty if it is missing or cannot be read."""
    try:
        return dict(json.loads(Path(path).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}


def vouches_for_catalog(run: Mapping[str, Any], catalog: str | Path, made_of: str) -> bool:
    """Whether a run.json says that the catalog beside it was made of this."""
    if run.get("made_of", {}).get("catalog") != made_of:
        return False
    found: str = run.get("files_sha256", {}).get(Path(catalog).name, "")
    return bool(found) and proof.checksums({"": catalog})[""] == found


def vouches(run: Mapping[str, Any], config: Mapping[str, Any], folder: str | Path, parts: str) -> bool:
    """Whether a run.json has this config and version, and vouches for the tables beside it and the days.

    config: as `asked_of` gives it. folder: the one that it lies in. parts: as in `RunFacts`.
    """
    files = run.get("files_sha256") or {}
    ledger = Path(folder, "ledger.csv")
    if (
        asked_of(run.get("config", {})) != json.loads(json.dumps(config))
        or run.get("workflow", {}).get("version") != project.VERSION
        or ledger.name not in files
        or _checksums(Path(folder), list(files)) != files
    ):
        return False
    days = _days(table_files.read("ledger", ledger, ["date"]), parts)
    return bool(days) and days == run["made_of"]["days"]


def asked_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """Give the part of a config that results depend on: all keys but those of the stages beside the main job."""
    return {key: value for key, value in config.items() if key not in Config.BESIDE}


def summary(path: str | Path) -> str:
    """Sum up a run in a few lines for the terminal, from its run.json."""
    run = json.loads(Path(path).read_text(encoding="utf-8"))
    folder = Path(path).parent
    statuses = ", ".join(f"{n} {status}" for status, n in run["bins_per_status"].items() if n)
    without = run["days"] - run["days_with_data"]
    gaps = f", {without} of them without a used bin" if without else ""
    source = " ".join(str(part) for key, part in run["source"].items() if key in SHOWN and part)
    return (
        f"{run['dataset']}: {run['days']} day{'' if run['days'] == 1 else 's'} "
        f"({run['first_day']} to {run['last_day']}, UTC){gaps}, "
        f"{counted(max(run['classes'] - 1, 0), 'class')} beside {UNCLASSIFIED}\n"
        f"  {run['bins']} bin{'' if run['bins'] == 1 else 's'}: {statuses}\n"
        f"  source: {source}\n"
        f"  table:  {folder / 'abundance_long.csv'} ({run['rows']} rows, objects per mL)\n"
        f"  ledger: {folder / 'ledger.csv'} (what became of each bin, and why)"
    )
