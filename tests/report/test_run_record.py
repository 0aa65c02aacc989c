"""The record of a run: its config, its software and its outcome."""

import csv
import json
import os
from importlib.metadata import version
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ifcb_abundance.common import proof
from ifcb_abundance.report.run_record import RunFacts, asked_of, read, record_run, summary, vouches, vouches_for_catalog
from ifcb_abundance.tables import table_files

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
    for day in (15, 16):
        part = tmp_path / f"2024-02-{day}.parquet"
        pq.write_table(pa.table({"x": [day]}).replace_schema_metadata({proof.KEY: proof.statement("settings")}), part)
    files = (catalog, ledger, abundance, tmp_path / "bins", tmp_path / "run.json")
    facts = RunFacts(
        CONFIG,
        {"path": "resources/demo"},
        class_thresholds={"NA": 0.4},
        cells=True,
        files=["catalog.csv", "ledger.csv"],
        parts=str(tmp_path / "{date}.parquet"),
        catalog_made_of="of a list",
    )
    record_run(facts, *files)
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
    assert record["cells"] is True
    assert record["software"]["pandas"] == version("pandas")
    assert record["instruments"] == ["IFCB10"]
    assert (record["n_rois"], record["n_unclassified"], record["ml_analyzed"]) == (1, 1, 1.0)
    assert {"python", "snakemake", "numpy", "scipy", "pyarrow", "requests"} <= set(record["software"])


@pytest.mark.parametrize(
    ("address", "form"),
    [
        ("", None),
        ("https://x.org/mvco/D20240215T000000_IFCB010_class_scores.csv", "csv"),
        ("s3://bucket/a/summary_biovol_allTB2024.mat", "summary"),
    ],
)
def test_the_form_of_class_scores_is_that_of_the_files_that_were_read(
    run: Path, address: str, form: str | None
) -> None:
    ledger = run.parent / "ledger.csv"
    ledger.write_text(ledger.read_text().replace(",used,,", f",used,,{address}"))
    files = (run.parent / "catalog.csv", ledger, run.parent / "abundance_long.csv", run.parent / "bins", run)
    record_run(RunFacts(CONFIG, {}), *files)
    assert json.loads(run.read_text())["scores_format"] == form


def test_the_end_of_a_run_in_words(run: Path) -> None:
    text = summary(run)
    first_line = text.splitlines()[0]
    assert first_line.startswith("mvco: 2 days (2024-02-15 to 2024-02-16, UTC), 1 of them without a used bin, ")
    assert first_line.endswith(", 2 classes beside unclassified")
    assert "6 bins: 2 used, 1 skipped, 1 filtered, 1 bad_volume, 1 no_scores\n" in text
    assert str(run.parent / "abundance_long.csv") in text


def test_a_run_vouches_for_what_it_was_made_with_and_for_nothing_else(run: Path) -> None:
    folder, parts = run.parent, str(run.parent / "{date}.parquet")
    record = read(run)
    assert vouches(record, CONFIG, folder, parts)
    assert vouches_for_catalog(record, folder / "catalog.csv", "of a list")
    assert not vouches(record, CONFIG | {"classify": {"threshold": 0.8}}, folder, parts)
    assert not vouches_for_catalog(record, folder / "catalog.csv", "of another list")
    assert not vouches({**record, "workflow": {"version": "0.0.1"}}, CONFIG, folder, parts)
    pq.write_table(pa.table({"x": [1]}), folder / "2024-02-16.parquet")
    assert not vouches(record, CONFIG, folder, parts)


@pytest.mark.parametrize("name", ["catalog.csv", "ledger.csv"])
def test_a_table_that_was_changed_is_not_vouched_for(run: Path, name: str) -> None:
    table = run.parent / name
    table.write_text(table.read_text() + " ")
    assert not vouches(read(run), CONFIG, run.parent, str(run.parent / "{date}.parquet"))
    assert vouches_for_catalog(read(run), run.parent / "catalog.csv", "of a list") == (name != "catalog.csv")


def test_how_to_recheck_is_not_what_was_asked_for() -> None:
    assert asked_of({"recheck": {"days": 3}, "shard": None}) == {"shard": None}


@pytest.mark.parametrize("body", [None, "", "[1]", "{"])
def test_a_record_that_cannot_be_read_vouches_for_nothing(tmp_path: Path, body: str | None) -> None:
    if body is not None:
        (tmp_path / "run.json").write_text(body)
    record = read(tmp_path / "run.json")
    assert record == {}
    assert not vouches(record, CONFIG, tmp_path, "{date}")
    assert not vouches_for_catalog(record, tmp_path / "catalog.csv", "")
