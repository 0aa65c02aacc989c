"""The report as a file: its data equal the tables, and no text in it is taken for markup."""

import gzip
import json
import re
from base64 import b64decode
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ifcb_abundance.config import resolve
from ifcb_abundance.figures import coast
from ifcb_abundance.figures.options import FigureOptions
from ifcb_abundance.figures.rows import main_series, read_coverage
from ifcb_abundance.report import page as report_page
from ifcb_abundance.scores.summary import find_winners, read_summary, write_summary
from tests.abundance.pooling import a_bin, rois
from tests.report.reported import a_report, a_run

HOSTILE = ("</script><script>alert(1)</script>", "<!--", "&<img src=x onerror=alert(2)>", '" onload="alert(3)')


def unpacked(page: Path) -> dict[str, str]:
    """What is packed in a page, by its name."""
    packs = re.findall(r'id="pack-([^"]+)">([A-Za-z0-9+/=]*)</script>', page.read_text(encoding="utf-8"))
    return {
        name: gzip.decompress(b64decode(packed)).decode("latin1" if name == "scores" else "utf-8")
        for name, packed in packs
    }


def rows(packed: str) -> list[dict[str, Any]]:
    columns = {}
    for column in json.loads(packed):
        values = column["values"]
        columns[column["name"]] = [values[code] for code in column["codes"]] if "codes" in column else values
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


class Tags(HTMLParser):
    """The tags of a page, in order, with the names of their attributes."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.found: list[tuple[str, tuple[str, ...]]] = []
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, tuple(name for name, _ in attrs)))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Two days; B is in the second one's label set only."""
    days = [([a_bin(0), a_bin(1), a_bin(2)], [rois(1, A=3), rois(A=0), "no_scores"])]
    days.append(([a_bin(0, day="20240217", ml_analyzed=4.0)], [rois(A=1, B=0)]))
    return a_run(tmp_path / "run", *days)


def test_tables_are_in_it_without_loss(run: Path) -> None:
    packs = unpacked(a_report(run))
    shown = pd.DataFrame(rows(packs["abundance"])).set_index(["date", "instrument", "class"])
    written = pd.read_csv(run / "abundance_long.csv").set_index(["date", "instrument", "class"])
    numbers = [name for name in shown if written[name].dtype != "str"]
    assert {"count", "objects_per_ml", "objects_per_ml_low", "objects_per_ml_high", "n_bins", "dispersion"} <= set(
        numbers
    )
    pd.testing.assert_frame_equal(shown[numbers].astype(float), written[numbers].astype(float), check_exact=True)
    assert {(row["bin"], row["status"]) for row in rows(packs["ledger"])} == {
        ("D20240215T000000_IFCB010", "used"),
        ("D20240215T000001_IFCB010", "used"),
        ("D20240215T000002_IFCB010", "no_scores"),
        ("D20240217T000000_IFCB010", "used"),
    }
    assert [(row["date"], row["n_used"], row["complete"]) for row in rows(packs["coverage"])] == [
        ("2024-02-15", 2, "no"),
        ("2024-02-17", 1, "yes"),
    ]
    for name in report_page.TITLES:
        assert unpacked(run / "report" / f"{name}.html")[name] == packs[name]


def test_classes_of_the_explorer(run: Path) -> None:
    told = json.loads(unpacked(a_report(run))["explorer"])
    assert told["group_by"] == ["instrument"]
    assert told["series"] == [{"name": "IFCB10", "select": {"instruments": [10]}}]
    assert told["keys"] == {"date": ["2024-02-15", "2024-02-17"], "series": [0, 0]}
    assert [(each["name"], each["count"], each["living"], each["threshold"]) for each in told["classes"]] == [
        ("A", 4, "yes", 0.7),
        ("B", 0, "yes", 0.7),
        ("unclassified", 1, "", None),
    ]


def test_figures_and_the_explorer_give_a_series_one_name_and_one_colour(tmp_path: Path) -> None:
    """The config names the depth first. By depth, 5 m would come before 20 m, and so IFCB125 before IFCB10."""
    asked: dict[str, Any] = {"abundance": {"group_by": ["depth", "instrument"]}}
    run = a_run(tmp_path / "run", ([a_bin(0, depth=20), a_bin(1, 125, depth=5)], [rois(A=1)] * 2), **asked)
    told = json.loads(unpacked(a_report(run))["explorer"])
    options = FigureOptions.of(resolve({"dataset": "mvco", "source": {"path": "here"}, **asked}))
    coverage, _ = read_coverage({"coverage": run / "coverage.csv"}, options)
    # The place in the order is the colour.
    assert main_series(coverage) == [each["name"] for each in told["series"]] == ["IFCB10, 20 m", "IFCB125, 5 m"]


@pytest.mark.parametrize(("accept_zero", "placed"), [(False, [1, 0, 0]), (True, [1, 1, 0])])
def test_zero_is_a_place_on_the_map_where_the_config_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, accept_zero: bool, placed: list[int]
) -> None:
    monkeypatch.setattr(coast, "folder", lambda: None)
    places: list[dict[str, Any]] = [{"latitude": 41, "longitude": -70.5}, {"latitude": 0, "longitude": 0}, {}]
    bins = [a_bin(n, **place) for n, place in enumerate(places)]
    run = a_run(tmp_path / "run", (bins, [rois(A=1)] * 3), select={"accept_zero_position": accept_zero})
    packs = unpacked(a_report(run))
    assert json.loads(packs["explorer"])["placed"] == placed
    # The table shows what the source said.
    assert [(row["latitude"], row["longitude"]) for row in rows(packs["ledger"])] == [
        (41, -70.5),
        (0, 0),
        (None, None),
    ]


def test_thresholds_are_fixed_where_the_highest_scores_do_not_give_the_counts(run: Path) -> None:
    told = json.loads(unpacked(a_report(run))["explorer"])
    assert told["scores"]
    assert told["fixed"] == ""
    table = run / "abundance_long.csv"
    header, *lines = table.read_text().splitlines()
    table.write_text("\n".join([f"{header},thresholds_mixed", *(f"{line},no" for line in lines), ""]))
    record = json.loads((run / "run.json").read_text())
    classify = record["config"]["classify"] | {"class_thresholds": "from_scores"}
    (run / "run.json").write_text(json.dumps(record | {"config": record["config"] | {"classify": classify}}))
    told = json.loads(unpacked(a_report(run))["explorer"])
    assert told["scores"] is None
    assert told["fixed"] == "the classifier's own are used (classify.class_thresholds: from_scores)"
    (run / "run.json").write_text(json.dumps(record))
    for path in (run / "bins").rglob("*.parquet"):  # as of a class summary: counts, and no score
        said = replace(read_summary(path)[0], counts={"classcountTB": [1, 2]}, n_rois=3)
        write_summary(said, find_winners(np.empty((0, 0))), path)
    told = json.loads(unpacked(a_report(run))["explorer"])
    assert told["scores"] is None
    assert told["fixed"] == "the class scores are counts per bin"


def test_the_same_inputs_give_the_same_bytes(run: Path) -> None:
    page = a_report(run)
    before = page.read_bytes()
    record = json.loads((run / "run.json").read_text())
    later = dict.fromkeys(("catalog_read_at", "written_at"), "2031-01-01T00:00:00+00:00")
    (run / "run.json").write_text(json.dumps(record | later | {"scores_read_at": {}}))
    assert a_report(run).read_bytes() == before


def test_labels_and_reasons_are_text(tmp_path: Path) -> None:
    def of(labels: tuple[str, ...], tag: str, name: str) -> Path:
        bins = [a_bin(0, sample_type=f"test {tag}"), a_bin(1)]
        scores = [rois(**dict.fromkeys(labels, 1)), "no_scores"]
        return a_report(a_run(tmp_path / name, (bins, scores)))

    hostile, plain = of(HOSTILE, HOSTILE[0], "hostile"), of(("E", "F", "G", "H"), "x", "plain")
    assert Tags(hostile).found == Tags(plain).found
    assert HOSTILE[0] in {row["class"] for row in rows(unpacked(hostile)["abundance"])}


def test_figures_are_packed_with_their_descriptions(run: Path, tmp_path: Path) -> None:
    spec = {"description": "What <b> it shows", "data": {"values": [{"class": HOSTILE[0]}]}}
    figure = tmp_path / "heat_map.json"
    figure.write_text(json.dumps(spec))
    page = a_report(run, [figure])
    assert json.loads(unpacked(page)["figure-heat_map"]) == spec
    assert "<h3>Heat map</h3>" in page.read_text()
    assert "What &lt;b&gt; it shows" in page.read_text()


def test_what_does_not_fit_is_left_out_and_said(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of five rows and four bins, three each are too many by one day and one bin. A page has one day at least."""
    monkeypatch.setattr(report_page, "MOST_ROWS", 1)
    assert {row["date"] for row in rows(unpacked(a_report(run))["abundance"])} == {"2024-02-17"}
    monkeypatch.setattr(report_page, "MOST_ROWS", 3)
    page = a_report(run)
    assert {row["date"] for row in rows(unpacked(page)["abundance"])} == {"2024-02-17"}
    assert [row["status"] for row in rows(unpacked(page)["ledger"])] == ["no_scores", "used"]
    assert "This page has the last 1 day only, from 2024-02-17; abundance_long.csv has all." in page.read_text()
    assert "Used bins of earlier days are not in this page; ledger.csv has all." in page.read_text()
    assert "7.0 mL" not in page.read_text()
    assert "8.0 mL in used bins" in page.read_text()


@pytest.mark.parametrize(("name", "folder"), [(None, "results/mvco"), ("strict", "results/mvco/runs/strict")])
def test_the_folder_is_that_of_the_run(tmp_path: Path, name: str | None, folder: str) -> None:
    run = a_run(tmp_path / "run", ([a_bin(0)], [rois(A=1)]), run=name)
    words = " ".join(a_report(run).read_text(encoding="utf-8").split())
    assert "datapackage.json describes each column of the tables that each run makes: all in the folder" in words
    assert f"that this page is from, {folder}.</p>" in words


@pytest.mark.parametrize("days", [1, 2])
def test_no_used_bin(tmp_path: Path, days: int) -> None:
    run = a_run(tmp_path / "run", *[([a_bin(0, day=f"2024021{day}")], ["no_scores"]) for day in range(days)])
    packs = unpacked(a_report(run))
    assert rows(packs["abundance"]) == []
    assert json.loads(packs["explorer"])["classes"] == []
    assert len(rows(packs["ledger"])) == days
    assert "No bin was used" in (run / "report.html").read_text()
