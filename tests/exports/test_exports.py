"""Files for repositories, through the front door, each checked by a tool that others wrote."""

import json
import re
import subprocess
import sys
from collections import Counter, defaultdict
from datetime import datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from dwca.read import DwCAReader

from tests.archives import bin_row, write_archive
from tests.checkout import ROOT, Checkout
from tests.exports.test_seabass import read as read_seabass

EXPORT: dict[str, Any] = {
    "formats": ["netcdf", "darwin_core", "seabass", "erddap"],
    "title": "Plankton of two moorings, made up",
    "summary": "Made-up bins of two Imaging FlowCytobots & their classes.",
    "institution": "An Institute",
    "license": "CC-BY-4.0",
    "info_url": "https://example.org/demo",
    "model": "demo classifier 1.0, https://example.org/model",
    "creator": {"name": "A. Name", "email": "a.name@example.org"},
    "seabass": {"experiment": "DEMO", "cruise": "demo_2024", "documents": ["protocol.txt", "checklist.txt"]},
}
NO_REPORT = {"report": {"make": False}}
EXPORTED = [f"results/demo/exports/demo{ending}" for ending in (".nc", "_darwin_core.zip", ".sb", "_erddap.xml")]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """The demo with all exports and, to be quick, without figures."""
    run = Checkout(tmp_path_factory.mktemp("exported"))
    run.run({"export": EXPORT, **NO_REPORT})
    return run


def tool(*command: str | Path, cwd: Path) -> str:
    """What a command-line tool of the environment prints; it must succeed. It has no network."""
    name, *arguments = command
    nowhere = {"http_proxy": "http://127.0.0.1:1", "https_proxy": "http://127.0.0.1:1", "NO_COLOR": "1"}
    done = subprocess.run(
        [Path(sys.executable).parent / name, *arguments],
        cwd=cwd,
        env={**nowhere, "PATH": "/usr/bin:/bin", "HOME": str(cwd)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_no_export_unless_asked_for(demo_run: Checkout) -> None:
    assert not (demo_run.results("demo") / "exports").exists()


def test_the_folder_is_a_valid_frictionless_package(demo_run: Checkout) -> None:
    printed = tool("frictionless", "validate", "datapackage.json", "--json", cwd=demo_run.results("demo"))
    report = json.loads(printed)
    assert report["valid"]
    assert report["stats"] == report["stats"] | {"tasks": 9, "errors": 0, "warnings": 0}


@pytest.mark.parametrize("period", ["hour", "month", "bin"])
def test_other_groups_periods_and_names_are_a_valid_package_too(
    checkout: Checkout, tmp_path: Path, period: str
) -> None:
    bins = {
        "D20240401T010000_IFCB010": {"cruise": "EN 1", "depth": 5.0, "latitude": 41.0, "longitude": -70.0},
        "D20240401T020000_IFCB010": {"cruise": "EN 1", "depth": 5.0, "ml_analyzed": 0},
        "D20240502T040000_IFCB010": {},
    }
    labels = ["NA", "nan", "\u00e9t\u00e9", "a,b", "nano <10um", "date"]
    archive = write_archive(
        tmp_path / "archive",
        [bin_row(bin_id, **columns) for bin_id, columns in bins.items()],
        {bin_id: (labels, [[0.9, 0.1, 0, 0, 0, 0]] * i) for i, bin_id in enumerate(bins)},
    )
    config = {"dataset": "odd", "source": {"kind": "directory", "path": str(archive)}}
    checkout.run({**config, "abundance": {"group_by": ["cruise", "depth"], "period": period, "pool_km": 200}})
    folder = checkout.results("odd")
    assert json.loads(tool("frictionless", "validate", "datapackage.json", "--json", cwd=folder))["valid"]
    described = {of["path"]: of for of in json.loads((folder / "datapackage.json").read_text())["resources"]}
    start = described[f"abundance_{period}.csv"]["schema"]["fields"][0]
    of_first = "Time of the first bin."
    said = of_first if period == "bin" else f"Start of the {period}, over which the bins are pooled."
    assert start["description"] == said
    assert start["type"] == ("date" if period == "month" else "datetime")
    assert described["abundance_km.csv"]["schema"]["fields"][0]["description"] == of_first
    header = (folder / "abundance_wide.csv").read_text(encoding="utf-8").splitlines()[0]
    assert header == 'date,instrument,depth,cruise,NA,"a,b",date (class),nan,nano <10um,\u00e9t\u00e9,unclassified'


def test_netcdf_is_cf_1_11_and_has_the_tables_numbers(exported: Checkout) -> None:
    path = exported.results("demo") / "exports" / "demo.nc"
    assert "All tests passed!" in tool("compliance-checker", "-t", "cf:1.11", path, cwd=path.parent)
    table = exported.table("demo").set_index(["instrument", "date", "class"])
    with xr.open_dataset(path) as data:
        assert data.attrs["Conventions"].startswith("CF-1.11")
        dates = data["time"].dt.strftime("%F").values
        found = {}
        for prefix, dimension in (("", "taxon"), ("other_", "other_class")):
            values = data[f"{prefix}abundance"].transpose("station", "time", dimension).values
            labels = data[f"{dimension}_label"].values
            for (i, j, k), value in np.ndenumerate(values):
                found[str(data["station_name"].values[i]), str(dates[j]), str(labels[k])] = value
    assert found == pytest.approx((table["objects_per_ml"] * 1e6).to_dict(), rel=1e-12)
    unnamed = table[table["scientific_name"].isna() | (table["living"] == "no")].index.get_level_values("class")
    assert set(labels) == set(unnamed) >= {"unclassified", "detritus", "bead", "nanoplankton <10um"}


def test_darwin_core_has_every_taxon_of_every_day(exported: Checkout) -> None:
    table = exported.table("demo").dropna(subset=["scientific_name", "aphia_id"])
    # Labels that are one taxon are one occurrence.
    labels, counts = defaultdict(list), Counter[tuple[str, str]]()
    for row in table[table["living"] != "no"].to_dict("records"):
        taxon = f"demo:{row['date']}:{row['instrument']}", str(row["aphia_id"])
        labels[taxon].append(row["class"])
        counts[taxon] += row["count"]
    expected = {(taxon[0], " | ".join(labels[taxon]), str(n)) for taxon, n in counts.items() if n > 0}
    assert any(len(of_taxon) > 1 for of_taxon in labels.values())

    def term(name: str) -> str:
        return f"http://rs.tdwg.org/dwc/terms/{name}"

    with DwCAReader(exported.results("demo") / "exports" / "demo_darwin_core.zip") as archive:
        assert archive.core_contains_term(term("eventDate"))
        rows = [row.data for event in archive for row in event.extensions if row.rowtype == term("Occurrence")]
    found = {
        tuple(row[term(name)] for name in ("eventID", "verbatimIdentification", "organismQuantity"))
        for row in rows
        if row[term("occurrenceStatus")] == "present"
    }
    assert found == expected
    absent = [row for row in rows if row[term("occurrenceStatus")] == "absent"]
    assert absent
    assert {row[term("organismQuantity")] for row in absent} == {"0"}
    log = (exported.folder / "logs" / "demo" / "export_darwin_core.log").read_text()
    assert "has no AphiaID" not in log  # the shipped class table has one for each name
    named = {label for _, of_taxon, _ in found for label in of_taxon.split(" | ")}
    assert {"Akashiwo", "pennate"} <= named
    assert not {"mix", "ciliate", "detritus"} & named  # without a WoRMS number


def test_seabass_has_a_row_per_day_and_instrument(exported: Checkout) -> None:
    headers, _, rows = read_seabass(exported.results("demo") / "exports" / "demo.sb")
    label_of = dict(pair.split(":") for pair in headers["id_fields_definitions"].split(","))
    table = exported.table("demo")
    table = table.assign(label=table["class"].str.replace(r"[^A-Za-z0-9._-]+", "_", regex=True))
    keyed = table.set_index(["instrument", "date", "label"])["objects_per_ml"] * 1e6
    found = {
        (row["station_alt_id"], f"{datetime.strptime(row['date'], '%Y%m%d'):%F}", label): float(row[f"abun_{number}"])
        for row in rows
        for number, label in label_of.items()
    }
    assert found == pytest.approx(keyed.to_dict(), rel=1e-12)


def test_erddap_describes_the_table(exported: Checkout) -> None:
    described = ET.parse(exported.results("demo") / "exports" / "demo_erddap.xml").getroot()
    columns = [variable.findtext("sourceName") for variable in described.findall("dataVariable")]
    assert columns == list(exported.table("demo").columns)


def test_a_second_run_makes_nothing(exported: Checkout) -> None:
    before = exported.stamps()
    exported.run({"export": EXPORT, **NO_REPORT})
    assert exported.stamps() == before


def test_what_is_said_of_the_dataset_is_new_in_each_file_once_it_is_in_the_config(
    exported: Checkout, tmp_path: Path
) -> None:
    run = Checkout(tmp_path / "retold", copied_from=exported.folder)
    of = {path.relative_to(run.folder): path.read_bytes() for path in (run.results("demo") / "exports").iterdir()}
    assert len(of) == 4
    creator = {**EXPORT["creator"], "name": "B. Other"}
    run.run({"export": {**EXPORT, "creator": creator}, **NO_REPORT}, *map(str, of))
    with xr.open_dataset(run.results("demo") / "exports" / "demo.nc") as dataset:
        assert dataset.attrs["creator_name"] == "B. Other"
    assert [path.name for path, body in of.items() if (run.folder / path).read_bytes() == body] == []


def test_without_a_used_bin_there_is_a_message_and_no_file(checkout: Checkout) -> None:
    export = {**EXPORT, "formats": ["netcdf"]}
    nothing = {"source": {"allow_empty": True}, "select": {"ml_analyzed": {"at_most": 0.0001}}}
    printed = checkout.run({"export": export, **nothing, **NO_REPORT}, fails=True)
    assert "no bin of the window was used, so there is nothing to export" in printed
    assert "Traceback" not in printed
    assert not list(checkout.results("demo").glob("exports/*"))
    assert (checkout.results("demo") / "abundance_long.csv").exists()
    assert pd.read_csv(checkout.results("demo") / "abundance_long.csv").empty


def test_a_key_that_a_format_needs_is_named_before_any_work(checkout: Checkout) -> None:
    printed = checkout.run({"export": {"formats": ["netcdf"]}}, fails=True)
    assert "export.title: not set, but needed by netcdf in export.formats. Accepted: a text" in printed
    assert not (checkout.folder / "resources").exists()


def test_a_file_that_is_asked_for_by_name_needs_the_same_keys(demo_run: Checkout) -> None:
    """It is no format of the config, and was made with what the config does not say."""
    before = demo_run.stamps()
    printed = demo_run.run({}, "results/demo/exports/demo.nc", fails=True)
    assert "export.title: not set, but needed by netcdf" in printed
    printed = demo_run.run({"export": EXPORT | {"formats": []}, "classify": {"rule": "each"}}, EXPORTED[1], fails=True)
    assert "classify.rule: 'each' cannot be exported" in printed
    assert "Traceback" not in printed
    results = {path: stamp for path, stamp in before.items() if path.startswith("results/")}
    assert results.items() <= demo_run.stamps().items()


def test_other_groups_than_the_list_of_bins_was_made_for(checkout: Checkout) -> None:
    """No bin has a cast, so the list has no such column; nor is it made anew for other groups."""
    config = {"export": EXPORT, "report": {"make": True}}
    checkout.run({"export": EXPORT, **NO_REPORT})
    checkout.run(config | {"abundance": {"group_by": ["cast", "niskin"]}})
    assert "cast" not in checkout.table("demo", "catalog")
    assert set(checkout.table("demo")["cast"].dropna()) == set()
    assert all((checkout.folder / path).exists() for path in (*EXPORTED, "results/demo/report.html"))


@pytest.mark.parametrize("page", ["README.md", "docs/results.md"])
def test_the_snippets_of_pages_run(demo_run: Checkout, monkeypatch: pytest.MonkeyPatch, page: str) -> None:
    """Those in Python; R and DuckDB are not part of the environment."""
    monkeypatch.chdir(demo_run.folder)
    snippets = re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)
    assert snippets
    for snippet in snippets:
        *statements, last = snippet.strip().splitlines()
        names: dict[str, Any] = {}
        exec("\n".join(statements), names)
        shown = eval(last, names)
    assert shown.index.strftime("%F").tolist() == ["2024-04-15", "2024-04-16", "2024-04-17", "2024-04-18"]
    table = demo_run.table("demo")
    of_class = table[(table["class"] == "Guinardia_delicatula") & (table["instrument"] == "IFCB901")]
    assert shown["IFCB901"].tolist() == of_class["objects_per_ml"].tolist()
