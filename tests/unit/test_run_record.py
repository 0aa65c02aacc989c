"""The record of a run: what was asked, with what, and what came of it."""

import csv
import json
import os
from importlib.metadata import version
from pathlib import Path

import pytest

import table_files
from run_record import left_behind, record_run, summary

CONFIG = {"dataset": "mvco", "source": {"kind": "directory", "catalog": "export"}, "classify": {"threshold": 0.7}}
STATUSES = ["used", "used", "skipped", "filtered", "bad_volume", "no_scores"]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The path of a run.json of six bins on two days."""
    catalog, ledger, abundance = (tmp_path / f"{name}.csv" for name in ("catalog", "ledger", "abundance_long"))
    catalog.write_text("bin,instrument,sample_time\nD20240215T000000_IFCB010,IFCB10,2024-02-15T00:00:00+00:00\n")
    os.utime(catalog, (1_708_000_000, 1_708_000_000))  # 2024-02-15 12:26:40 UTC
    lines = [f"D2024021{5 + n // 3}T00000{n}_IFCB010,2024-02-1{5 + n // 3},{s},,,,," for n, s in enumerate(STATUSES)]
    ledger.write_text("\n".join(["bin,date,status,reason,address,sha256,bytes,server", *lines, ""]))
    plain = dict.fromkeys(table_files.columns("abundance_long"), "1")
    plain |= {"date": "2024-02-15", "living": "", "harmful": ""}
    with abundance.open("w", newline="") as file:
        out = csv.DictWriter(file, plain)
        out.writeheader()
        out.writerows([plain | {"class": name} for name in ("NA", "Akashiwo", "unclassified")])
    files = (catalog, ledger, abundance, tmp_path / "bins", tmp_path / "run.json")
    record_run(CONFIG, {"path": "resources/demo"}, *files, class_thresholds={"NA": 0.4})
    return tmp_path / "run.json"


def test_what_is_recorded(run: Path) -> None:
    record = json.loads(run.read_text())
    counted = {"used": 2, "skipped": 1, "filtered": 1, "bad_volume": 1, "no_scores": 1, "failed": 0}
    assert record["bins_per_status"] == counted
    assert sum(counted.values()) == record["bins"] == 6
    assert (record["days"], record["first_day"], record["last_day"]) == (2, "2024-02-15", "2024-02-16")
    assert (record["classes"], record["rows"]) == (3, 3)
    assert record["catalog_read_at"] == "2024-02-15T12:26:40+00:00"
    assert (record["config"], record["source"]) == (CONFIG, {"path": "resources/demo"})
    assert record["class_thresholds"] == {"NA": 0.4}
    assert record["software"]["pandas"] == version("pandas")
    assert {"python", "snakemake", "numpy", "scipy", "pyarrow", "requests"} <= set(record["software"])


def test_the_end_of_a_run_in_words(run: Path) -> None:
    text = summary(run)
    assert "mvco: 2 days (2024-02-15 to 2024-02-16, UTC), 1 of them without a used bin, 3 classes" in text
    assert "6 bins: 2 used, 1 skipped, 1 filtered, 1 bad_volume, 1 no_scores\n" in text
    assert str(run.parent / "abundance_long.csv") in text


def test_what_is_older_than_the_table(tmp_path: Path) -> None:
    names = ["exports/a.nc", "figures/heat_map.json", "abundance_long.csv", "figures/time_series.json", "report.html"]
    for at, name in enumerate(names):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (1000 + at, 1000 + at))
    assert left_behind(tmp_path) == [f"{tmp_path.as_posix()}/{name}" for name in names[:2]]
    assert left_behind(tmp_path / "figures") == []
