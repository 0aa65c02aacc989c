"""Runs of a dataset side by side: their folders, the bins that they share, and how they differ."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ifcb_abundance.abundance.comparison import compare
from ifcb_abundance.classes.class_table import LabelTable
from tests.abundance.pooling import CLASSES, a_bin, rois
from tests.archives import bin_row, write_archive
from tests.checkout import Checkout, differences
from tests.dashboard.emulator import Emulator
from tests.report.reported import a_run

LABELS = ["Akashiwo", "detritus"]
BINS = ["D20240415T030000_IFCB010", "D20240415T150000_IFCB125", "D20240416T030000_IFCB010"]
# Two ROIs of Akashiwo in each bin, at 0.9 and 0.6; the last bin has a third one of detritus, at 0.8.
ROIS = [[0.9, 0.1], [0.6, 0.4]]
WINDOW = {"start": "2024-04-15", "end": "2024-04-16"}
SHARED = ("bins/",)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Checkout, dict[str, Any]]]:
    """A run without a name, then two with names; what each of them asked of the dashboard."""
    folder = tmp_path_factory.mktemp("runs")
    scores = {bin_id: (LABELS, [*ROIS, [0.2, 0.8]] if bin_id == BINS[-1] else ROIS) for bin_id in BINS}
    archive = write_archive(folder / "archive", [bin_row(bin_id) for bin_id in BINS], scores)
    checkout = Checkout(folder / "checkout")
    seen: dict[str, Any] = {}
    with Emulator({"bay": archive}) as dashboard:
        config = {"dataset": "bay", "source": {"kind": "dashboard", "url": dashboard.url}, "select": WINDOW}
        config["abundance"] = {"group_by": []}
        loose = {"classify": {"threshold": 0.5}, "select": {**WINDOW, "exclude_bins": [BINS[1]]}}
        for name, keys in (("", {}), ("a", {"run": "a"}), ("b", {"run": "b", **loose})):
            dashboard.clear()
            checkout.run(config | keys)
            seen[name] = [request.path for request in dashboard.requests]
            if not name:
                seen["files"] = checkout.files("bay")
        dashboard.clear()
        seen["said"] = checkout.run(config | {"compare": ["a", "none"]}, "compare", fails=True)
        seen["compared"] = checkout.run({"dataset": "bay", "compare": ["a", "b"]}, "compare")
        seen["again"] = checkout.run(config | {"run": "b", "compare": ["a", "b"], **loose}, "compare")
        seen["compare"] = [request.path for request in dashboard.requests]
        yield checkout, seen


def test_runs_share_what_was_read_of_bins(runs: tuple[Checkout, dict[str, Any]]) -> None:
    _, seen = runs
    assert len(seen[""]) == 1 + len(BINS)
    assert seen["a"] == seen["b"] == ["/api/export_metadata/bay"]
    assert seen["compare"] == []
    assert "and why: results/bay/compare/a/b/differences.csv\n" in seen["compared"]
    assert "Nothing to be done" in seen["again"]  # whichever run the config is of


def test_a_run_with_a_name_gives_the_same_bytes_beside_the_others(runs: tuple[Checkout, dict[str, Any]]) -> None:
    checkout, seen = runs
    files = checkout.files("bay")
    without_names = {name: body for name, body in files.items() if not name.startswith(("runs/", "compare/"))}
    assert not differences(without_names, seen["files"])
    of_a = {name.removeprefix("runs/a/"): body for name, body in files.items() if name.startswith("runs/a/")}
    own = {name: body for name, body in seen["files"].items() if not name.startswith(SHARED)}
    texts = ("overview.rst", "status.json")  # they name the folder
    assert not differences(
        {name: body for name, body in of_a.items() if name not in texts},
        {name: body for name, body in own.items() if name not in texts},
    )
    assert json.loads((checkout.results("bay") / "runs/b/run.json").read_text())["config"]["run"] == "b"


def test_what_differs_and_why(runs: tuple[Checkout, dict[str, Any]]) -> None:
    checkout, _ = runs
    table = pd.read_csv(checkout.results("bay") / "compare/a/b/differences.csv", keep_default_na=False, dtype=str)
    rows = {(row["what"], row["name"], row["date"]): row for row in table.to_dict("records")}
    assert len(rows) == len(table)
    assert {name for what, name, _ in rows if what == "config"} == {
        "run", "classify.threshold", "select.exclude_bins",
    }  # fmt: skip
    of_bin = rows["bin", BINS[1], "2024-04-15"]
    assert (of_bin["first"], of_bin["second"], of_bin["why"]) == ("used", "filtered", "select.exclude_bins")
    # a: 0.9 alone reaches 0.7, in three bins of 2 mL; b: 0.9 and 0.6 reach 0.5, in two of them.
    whole = rows["count", "Akashiwo", ""]
    assert (whole["first"], whole["second"], float(whole["difference"])) == ("3", "4", 1)
    assert whole["why"] == "threshold 0.7 and 0.5; 1 other bin used"
    assert float(rows["abundance", "Akashiwo", ""]["difference"]) == pytest.approx(4 / 4 - 3 / 6)
    volume = rows["volume", "all classes", "2024-04-15"]
    assert (float(volume["first"]), float(volume["second"]), volume["why"]) == (4, 2, "1 other bin used")
    second_day = rows["count", "Akashiwo", "2024-04-16"]
    assert (second_day["first"], second_day["second"], second_day["why"]) == ("1", "2", "threshold 0.7 and 0.5")
    assert ("count", "detritus", "2024-04-16") not in rows
    for form in ("svg", "pdf", "html", "json"):
        assert (checkout.results("bay") / f"compare/a/b/differences.{form}").stat().st_size > 1000


def test_labels_that_one_run_merges_are_told(tmp_path: Path) -> None:
    """B is counted as A in the second run, whose class table spells it otherwise."""
    days = ([a_bin(0)], [rois(A=1, B_one=2)])
    table = {"A": CLASSES["A"], "B one": CLASSES["A"] | {"synonym_of": "A"}}
    folders = [a_run(tmp_path / "one", days), a_run(tmp_path / "two", days, merged=LabelTable(table, loose=True))]
    for folder, checksum in zip(folders, ("0a", "1b"), strict=True):
        record = json.loads((folder / "run.json").read_text())
        (folder / "run.json").write_text(json.dumps(record | {"class_table": checksum}))
    files = [[str(folder / name) for name in ("run.json", "abundance_long.csv", "ledger.csv")] for folder in folders]
    compare(("one", "two"), *files, tmp_path / "differences.csv")
    table_of = pd.read_csv(tmp_path / "differences.csv", keep_default_na=False, dtype=str)
    rows = {(row["what"], row["name"], row["date"]): row for row in table_of.to_dict("records")}
    assert (rows["config", "class_table", ""]["first"], rows["config", "class_table", ""]["second"]) == ("0a", "1b")
    assert rows["config", "merged_labels.B one", ""]["second"] == "A"
    assert rows["count", "B_one", "2024-02-15"]["why"] == "merged into 'A' in the second run"
    assert (rows["count", "A", ""]["first"], rows["count", "A", ""]["second"]) == ("1", "3")
    assert rows["count", "A", ""]["why"] == "merged from 'B one' in the second run"


def test_a_run_that_is_not_there_is_named_with_those_that_are(runs: tuple[Checkout, dict[str, Any]]) -> None:
    assert (
        "compare: there is no finished run 'none'. Make it with a config that has run: none. "
        "Finished runs in results/bay/runs/: a, b" in runs[1]["said"]
    )


@pytest.mark.parametrize("given", [{"run": "../x"}, {"run": ".x"}, {"run": "a/b"}, {"compare": ["a"]}])
def test_names_are_checked(given: dict[str, Any]) -> None:
    from ifcb_abundance.common.errors import ConfigError
    from ifcb_abundance.config import resolve

    with pytest.raises(ConfigError, match="cannot be used"):
        resolve(given)
