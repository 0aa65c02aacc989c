"""A config that cannot be right stops the run before any request, naming key, value and what would do."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.archives import bin_row, write_archive
from tests.dashboard.emulator import Emulator
from tests.integration.conftest import ROOT, Checkout

BIN = "D20240401T010000_IFCB010"


def laid_over(url: str, change: dict[str, Any]) -> dict[str, Any]:
    config: dict[str, Any] = {
        "dataset": "demo",
        "source": {"kind": "dashboard", "url": url},
        "select": {"start": "2024-04-01", "end": "2024-04-02"},
    }
    for key, value in change.items():
        config[key] = {**config.get(key, {}), **value} if isinstance(value, dict) else value
    return config


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"dataset": "../up"}, ["dataset: '../up'", "text of letters"]),
        ({"source": {"kind": "ftp"}}, ["source.kind: 'ftp'", "'directory', 'dashboard' or 'bucket'"]),
        ({"source": {"retries": "many"}}, ["source.retries: 'many'", "whole number from 0"]),
        ({"select": {"start": "2024-02-30"}}, ["select.start: ", "2024-02-30", "UTC day YYYY-MM-DD or a bin id"]),
        ({"select": {"start": "2024-05-01"}}, ["select.start: 2024-05-01 is after select.end: 2024-04-02"]),
        ({"select": {"instrument": [10]}}, ["select.instrument: unknown key", "Did you mean select.instruments?"]),
        ({"classify": {"threshold": 70}}, ["classify.threshold: 70", "a number from 0 to 1"]),
        ({"classify": {"class_thresholds": "no.csv"}}, ["classify.class_thresholds: no.csv", "class,threshold"]),
        ({"abundance": {"group_by": ["place"]}}, ["abundance.group_by", "'place'", "instrument, depth, cruise"]),
    ],
)
def test_refused_before_any_request(
    checkout: Checkout, tmp_path: Path, change: dict[str, Any], told: list[str]
) -> None:
    archive = write_archive(tmp_path / "archive", [bin_row(BIN)], {})
    with Emulator({"demo": archive}) as dashboard:
        printed = checkout.run(laid_over(dashboard.url, change), fails=True)
        assert dashboard.requests == []
    for text in told:
        assert text in printed
    assert "Traceback" not in printed
    assert not (checkout.folder / "results").exists()


def test_an_archive_that_is_not_there_is_refused(checkout: Checkout) -> None:
    printed = checkout.run({"dataset": "mine", "source": {"kind": "directory", "path": "elsewhere"}}, fails=True)
    assert "source.path: elsewhere has no metadata.csv" in printed


def test_single_keys_on_the_command_line(checkout: Checkout, tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "archive", [bin_row(BIN)], {BIN: (["Akashiwo"], [[0.6], [0.8]])})
    checkout.run(
        None,
        "--config",
        "dataset=mine",
        f"source={{kind: directory, path: {archive}}}",
        "classify={threshold: 0.5}",
        "select={instruments: [10], start: 2024-04-01}",
    )
    table = checkout.table("mine").set_index("class")
    assert table["count"].to_dict() == {"Akashiwo": 2, "unclassified": 0}


def test_thresholds_per_class_and_a_warning_for_an_unknown_class(checkout: Checkout, tmp_path: Path) -> None:
    rows = [[0.6, 0.4], [0.3, 0.65], [0.05, 0.95], [0.72, 0.1]]
    archive = write_archive(tmp_path / "archive", [bin_row(BIN)], {BIN: (["Akashiwo", "detritus"], rows)})
    (checkout.folder / "thresholds.csv").write_text("class,threshold\nAkashiwo,0.5\nAkashivo,0.2\n")
    config = {"dataset": "mine", "source": {"kind": "directory", "path": str(archive)}}
    config["classify"] = {"class_thresholds": "thresholds.csv"}
    printed = checkout.run(config)
    assert "no bin was classified by a label set with Akashivo" in printed
    table = checkout.table("mine").set_index("class")
    assert table["count"].to_dict() == {"Akashiwo": 2, "detritus": 1, "unclassified": 1}
    assert table["threshold"].dropna().to_dict() == {"Akashiwo": 0.5, "detritus": 0.7}
    # a changed file is noticed
    (checkout.folder / "thresholds.csv").write_text("class,threshold\ndetritus,0.6\n")
    checkout.run(config)
    assert checkout.table("mine").set_index("class")["count"]["detritus"] == 2


@pytest.mark.parametrize("example", sorted(path.name for path in (ROOT / "config" / "examples").glob("*.yaml")))
def test_examples_are_accepted(checkout: Checkout, example: str) -> None:
    """A dry run parses and checks everything and asks no server."""
    config = yaml.safe_load((ROOT / "config" / "examples" / example).read_text())
    assert config["source"]["url"].startswith("https://")
    printed = checkout.run(config, "--dry-run")
    assert "list_catalog" in printed


def test_paths_below_the_home_folder(checkout: Checkout, tmp_path: Path) -> None:
    write_archive(tmp_path / "archive", [bin_row(BIN)], {BIN: (["Akashiwo"], [[0.8], [0.95]])})
    (tmp_path / "thresholds.csv").write_text("class,threshold\nAkashiwo,0.9\n")
    settings = {
        "dataset": "own",
        "source": {"path": "~/archive"},
        "classify": {"class_thresholds": "~/thresholds.csv"},
    }
    checkout.run(settings, env={"HOME": str(tmp_path)})
    table = checkout.table("own").set_index("class")
    assert table.loc["Akashiwo", "count"] == 1
    assert not (checkout.folder / "~").exists()
