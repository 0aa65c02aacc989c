"""Figures through the front door: when they are made, and that they need no other file."""

import json
import re
from pathlib import Path

import pytest

from ifcb_abundance.figures.registry import FORMS, figure_names
from tests.archives import bin_row, write_archive
from tests.checkout import Checkout

FIGURES = figure_names(with_features=False)  # tests/features/test_features_run.py draws the others


def drawn(run: Checkout, dataset: str) -> set[str]:
    return {path.name for path in (run.results(dataset) / "figures").glob("*") if path.name != "vega.js"}


@pytest.fixture
def archive(checkout: Checkout) -> dict[str, str]:
    """A source with one bin of two classes."""
    bin_id = "D20240401T010000_IFCB010"
    scores = {bin_id: (["Akashiwo", "Dinophysis"], [[0.9, 0.1], [0.8, 0.2]])}
    return {"kind": "directory", "path": str(write_archive(checkout.folder / "archive", [bin_row(bin_id)], scores))}


def test_the_demo_comes_with_all_figures(demo_run: Checkout) -> None:
    assert drawn(demo_run, "demo") == {f"{figure}.{form}" for figure in FIGURES for form in FORMS}
    folder = demo_run.results("demo") / "figures"
    assert "day (UTC)" in (folder / "heat_map.svg").read_text()
    assert "objects mL⁻¹ (log scale)" in (folder / "heat_map.svg").read_text()
    assert ">Guinardia delicatula<" in (folder / "bin_series.svg").read_text()  # `nanoplankton <10um` has more
    assert (folder / "time_series.png").read_bytes().startswith(b"\x89PNG")
    assert (folder / "time_series.pdf").read_bytes().startswith(b"%PDF-")


@pytest.mark.parametrize("figure", FIGURES)
def test_pages_load_nothing_and_hold_the_description(demo_run: Checkout, figure: str) -> None:
    folder = demo_run.results("demo") / "figures"
    page = (folder / f"{figure}.html").read_text()
    # Vega's tooltips can show an image; no row has one.
    assert not re.search(r"<script[^>]*\ssrc|<link|<img(?! src=\"\$)|<iframe|@import|url\(.?(https?:)?//", page)
    spec = json.loads((folder / f"{figure}.json").read_text())
    embedded = re.search(r'vegaEmbed\("#figure", (.*)\)\.catch', page)
    assert embedded
    assert json.loads(embedded[1]) == spec
    assert '"url"' not in json.dumps(spec)


def test_figures_are_drawn_when_asked_for_and_moved_when_the_config_changes(
    checkout: Checkout, archive: dict[str, str]
) -> None:
    config = {"dataset": "own", "source": archive}
    checkout.run(config)
    assert not (checkout.results("own") / "figures").exists()
    checkout.run(config, "results/own/figures/heat_map.svg")
    assert drawn(checkout, "own") == {f"heat_map.{form}" for form in FORMS}
    before = checkout.stamps()
    assert "Nothing to be done" in checkout.run(config)
    assert checkout.stamps() == before
    unknown = config | {"report": {"class": "Dinofisis"}}
    printed = checkout.run(unknown, "results/own/figures/bin_series.svg")
    assert "report.class: 'Dinofisis' is in no label set" in printed
    checkout.run(config | {"report": {"make": True, "class": "Dinophysis", "top_classes": 1}})
    assert drawn(checkout, "own") == {f"{figure}.{form}" for figure in FIGURES for form in FORMS}
    folder = checkout.results("own") / "figures"
    assert ">Dinophysis<" in (folder / "bin_series.svg").read_text()
    assert "Dinophysis" not in (folder / "heat_map.svg").read_text()  # drawn again, for another number of classes
    assert "none of the 1 used bins has a position" in (folder / "positions.svg").read_text()

    others = config | {"classify": {"threshold": 0.5}}
    printed = checkout.run(others)
    assert "Moved to results/own/stale/" in printed
    assert f"report.html, figures/ ({len(FIGURES) * len(FORMS)} files), report/ (3 files)" in printed
    assert {path.name for path in (checkout.results("own") / "figures").iterdir()} == {"vega.js"}
    checkout.run(others | {"classify": {"threshold": 0.9}}, "figures")
    assert json.loads((checkout.results("own") / "run.json").read_text())["config"]["classify"]["threshold"] == 0.9
    assert (checkout.results("own") / "figures" / "heat_map.svg").exists()
    left = {path.name for path in (checkout.results("own") / "stale").rglob("*") if path.is_file()}
    assert left == {"report.html", "abundance.html", "coverage.html", "ledger.html"}  # figures are made anew


def test_the_demo_without_figures(tmp_path: Path) -> None:
    run = Checkout(tmp_path)
    run.run(None, "--config", "report={make: false}", "select={start: 2024-04-15, end: 2024-04-15}")
    assert not (run.results("demo") / "figures").exists()
