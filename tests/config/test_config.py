"""An invalid config stops the run before any request, and the message names key, value and what is accepted."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.archives import bin_row, write_archive
from tests.checkout import ROOT, Checkout
from tests.dashboard.emulator import Emulator

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
        (
            {"classify": {"class_thresholds": "no.csv"}},
            ["classify.class_thresholds: there is no file no.csv", "class,threshold"],
        ),
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


def test_a_target_after_the_config_file_is_told_from_a_key(checkout: Checkout) -> None:
    result = checkout.folder / "results" / "demo" / "run.json"
    result.parent.mkdir(parents=True)
    result.write_text('{"dataset": "demo", "rows": 480, "bins": {"used": 152}}')
    printed = checkout.run(None, "-n", "--configfile", "config/config.yaml", "results/demo/run.json", fails=True)
    assert "results/demo/run.json: a result, not a config file." in printed
    assert "unknown key" not in printed


def test_slips_of_the_command_line_are_told(checkout: Checkout) -> None:
    printed = checkout.run(None, "-n", "results/demo/figures/heatmap.svg", fails=True)
    assert "Did you mean results/demo/figures/heat_map.svg?" in printed
    given = [f"--configfile={name}" for name in ("config/config.yaml", "config/config.yaml")]
    printed = checkout.run(None, "-n", *given, fails=True)
    assert "--configfile is given twice" in printed
    assert "Traceback" not in printed


def test_an_archive_that_is_not_there_is_refused(checkout: Checkout) -> None:
    printed = checkout.run({"dataset": "mine", "source": {"kind": "directory", "path": "elsewhere"}}, fails=True)
    assert "Invalid configuration in my.yaml:\n  my.yaml, line 4: source.path: there is no folder elsewhere" in printed


def test_a_path_that_is_not_the_folder_of_an_archive_is_told_as_what_it_is(checkout: Checkout, tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "archive", [bin_row(BIN)], {})
    with_raw = tmp_path / "raw"
    (with_raw / "2024").mkdir(parents=True)
    metadata = archive / "metadata.csv"
    a_file = f"source.path: {metadata} is a file; give its folder, {archive}"
    for source, told in (
        ({"path": str(metadata)}, a_file),
        ({"path": str(metadata), "catalog": "raw"}, a_file),
        ({"path": str(tmp_path / "none"), "catalog": "raw"}, f"source.path: there is no folder {tmp_path / 'none'}"),
        ({"path": str(with_raw)}, f"{with_raw} has no metadata.csv. Accepted: the folder of an archive on disk"),
    ):
        assert told in checkout.run({"dataset": "mine", "source": source}, fails=True)
    (with_raw / "2024" / f"{BIN}.HDR").touch()
    printed = checkout.run({"dataset": "mine", "source": {"path": str(with_raw)}}, fails=True)
    assert f"{with_raw} has no metadata.csv. There are raw files in it: source.catalog: raw takes the list" in printed


def test_a_threshold_file_that_cannot_be_used_is_told_in_plain_words(checkout: Checkout, tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "archive", [bin_row(BIN)], {BIN: (["Akashiwo"], [[0.6], [0.8]])})
    file = tmp_path / "own.csv"
    settings = {
        "dataset": "mine",
        "source": {"path": str(archive)},
        "classify": {"class_thresholds": str(file), "threshold": 0.5},
    }
    assert f"classify.class_thresholds: there is no file {file}" in checkout.run(settings, fails=True)
    file.write_bytes(b"class,threshold\nAkashiw\xf3,0.7\n")
    assert "line 2 is not in UTF-8: save the file as CSV UTF-8" in checkout.run(settings, fails=True)
    file.write_text("class , threshold\nAkashiwo , 0.7\n")
    checkout.run(settings)
    table = checkout.table("mine").set_index("class")
    assert table["count"].to_dict() == {"Akashiwo": 1, "unclassified": 1}


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
    (checkout.folder / "thresholds.csv").write_text("class,threshold\nAkashiwo ,0.5\n Akashivo,0.2\n")
    config = {"dataset": "mine", "source": {"kind": "directory", "path": str(archive)}}
    config["classify"] = {"class_thresholds": "thresholds.csv"}
    printed = checkout.run(config)
    assert "no bin was classified by a label set with 'Akashivo'; did you mean 'Akashiwo'?" in printed
    overview = (checkout.results("mine") / "overview.rst").read_text()
    assert "names 1 class for which no used bin was classified ('Akashivo')" in overview.replace("\\", "")
    table = checkout.table("mine").set_index("class")
    assert table["count"].to_dict() == {"Akashiwo": 2, "detritus": 1, "unclassified": 1}
    assert table["threshold"].dropna().to_dict() == {"Akashiwo": 0.5, "detritus": 0.7}
    # a changed file is noticed
    (checkout.folder / "thresholds.csv").write_text("class,threshold\ndetritus,0.6\n")
    checkout.run(config)
    assert checkout.table("mine").set_index("class")["count"]["detritus"] == 2
    assert "no used bin was classified" not in (checkout.results("mine") / "overview.rst").read_text()


@pytest.mark.parametrize("example", sorted(path.name for path in (ROOT / "config" / "examples").glob("*.yaml")))
def test_examples_are_accepted(checkout: Checkout, example: str) -> None:
    """A dry run parses and checks everything and asks no server."""
    config = yaml.safe_load((ROOT / "config" / "examples" / example).read_text())
    assert config["source"]["url"].startswith("https://")
    printed = checkout.run(config, "--dry-run")
    assert "list_catalog" in printed


# --- config files are read as they are written ---


def write(checkout: Checkout, text: str) -> str:
    """A config file as somebody types it."""
    (checkout.folder / "typed.yaml").write_text(text)
    return "typed.yaml"


def one_roi(folder: Path) -> Path:
    return write_archive(folder, [bin_row(BIN)], {BIN: (["Akashiwo"], [[0.8]])})


@pytest.mark.parametrize("source", ["", "source: {kind: directory}\n", "source: {path: ./resources/demo}\n"])
def test_made_up_bins_go_by_the_name_demo_alone(checkout: Checkout, source: str) -> None:
    """The first two of these wrote the demo's bins to results/mvco."""
    printed = checkout.run(None, "--configfile", write(checkout, f"dataset: mvco\n{source}"), fails=True)
    assert "source.path: " in printed
    assert "is the demo's, whose bins are made up, but dataset is 'mvco'. Accepted: where the bins of that" in printed
    assert not (checkout.folder / "results").exists()
    assert not (checkout.folder / "resources").exists()


TWICE = """\
dataset: mvco
source:
  kind: dashboard
  url: http://127.0.0.1:1
classify:
  threshold: 0.95
  threshold: 0.7
select: {start: 2024-04-15, end: 2024-04-16, ml_analyzed: {above: 0, above: 1}}
source:
  kind: directory
"""


def test_a_key_that_is_written_twice_is_refused_by_file_line_and_key(checkout: Checkout) -> None:
    printed = checkout.run(None, "--configfile", write(checkout, TWICE), fails=True)
    assert "typed.yaml, line 7: classify.threshold: written twice, first in line 6." in printed
    assert "typed.yaml, line 8: select.ml_analyzed.above: written twice, first in line 8." in printed
    assert "typed.yaml, line 9: source: written twice, first in line 2." in printed
    assert not (checkout.folder / "results").exists()


def test_the_workflows_own_config_file_is_read_as_strictly(checkout: Checkout) -> None:
    own = checkout.folder / "config" / "config.yaml"
    own.write_text(own.read_text() + "\nclassify:\n  threshold: 0.5\n")
    printed = checkout.run(fails=True)
    assert re.search(r"config/config\.yaml, line \d+: classify: written twice, first in line \d+", printed)


@pytest.mark.parametrize(("name", "read"), [("2024_02", "202402"), ("001", "1"), ("2024", "2024"), ("0x1F", "31")])
def test_a_name_that_yaml_takes_for_a_number_is_refused_unless_it_is_quoted(
    checkout: Checkout, tmp_path: Path, name: str, read: str
) -> None:
    text = f"source: {{path: {one_roi(tmp_path / 'archive')}}}\ndataset: "
    printed = checkout.run(None, "--configfile", write(checkout, f"{text}{name}\n"), fails=True)
    advice = f'dataset: YAML reads {name} as the number {read}. Accepted: the name in quotes, dataset: "{name}"'
    assert f"typed.yaml, line 2: {advice}" in printed
    assert not (checkout.folder / "results").exists()
    checkout.run(None, "--configfile", write(checkout, f'{text}"{name}"\n'))
    assert checkout.table(name)["count"].sum() == 1


def test_likewise_on_the_command_line(checkout: Checkout, tmp_path: Path) -> None:
    source = f"source={{path: {one_roi(tmp_path / 'archive')}}}"
    printed = checkout.run(None, "--config", "dataset=001", source, fails=True)
    assert "--config: dataset: 001 is read as 1. Accepted: " in printed
    advised = re.search(r"--config '(dataset=.*)'", printed)[1]
    assert not (checkout.folder / "results").exists()
    # The last job is a process of its own, which reads the config anew, as on a cluster.
    checkout.run(None, "results/001/daily/2024-04-01.csv", "--config", advised, source)
    checkout.run(None, "results/001/abundance_long.csv", "--config", advised, source, "--workflow-profile", "none")
    assert checkout.table("001")["count"].sum() == 1
    assert "--config: dataset is given twice" in checkout.run(None, "--config", "dataset=a", "dataset=b", fails=True)


def test_an_impossible_day_is_named_by_file_line_and_key(checkout: Checkout) -> None:
    text = 'dataset: mvco\nsource: {path: x}\nselect:\n  start: "2024-04-31"\n'
    printed = checkout.run(None, "--configfile", write(checkout, text), fails=True)
    assert "typed.yaml, line 4: select.start: '2024-04-31' is not a UTC day YYYY-MM-DD" in printed


def make_run(checkout: Checkout, config: str, right: bool = False) -> str:
    """`make run CONFIG=...`, with the environment of the tests in place of one of its own."""
    shutil.copy(ROOT / "Makefile", checkout.folder)
    tools = checkout.folder / ".venv" / "bin"
    tools.mkdir(parents=True)
    for name, what in {"python": "", "snakemake": "-m snakemake"}.items():
        (tools / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {what} "$@"\n')
        (tools / name).chmod(0o755)
    (checkout.folder / "requirements.txt").touch()
    (checkout.folder / ".venv" / "installed").touch()
    command = ["make", "--silent", "run", f"CONFIG={config}"]
    done = subprocess.run(command, cwd=checkout.folder, capture_output=True, text=True, timeout=300)
    assert (done.returncode == 0) == right, done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "select:\n  start: 2024-04-31\n",
            "typed.yaml, line 3: select.start: 2024-04-31 does not exist (day is out of",
        ),
        ("select:\n  end: 2024-13-01\n", "typed.yaml, line 3: select.end: 2024-13-01 does not exist (month must be in"),
        ("source: {path: 'x}\n", "typed.yaml, line 2 to 3: not YAML: while scanning a quoted scalar"),
        ("select:\n\tstart: x\n", "typed.yaml, line 3: not YAML: the line has a tab. Indent with blanks"),
        ("source: {path: x}\nselect: {instrument: [10]}", "typed.yaml, line 3: select.instrument: unknown key"),
        ("", "source.path: 'resources/demo' is the demo's"),
    ],
)
def test_make_run_checks_the_file_before_the_engine_reads_it(checkout: Checkout, text: str, told: str) -> None:
    """The engine itself ends at the first four with a traceback that names neither line nor key."""
    printed = make_run(checkout, write(checkout, f"dataset: mvco\n{text}"))
    assert "Invalid configuration in typed.yaml:\n" in printed
    assert told in printed
    assert "Traceback" not in printed
    assert not (checkout.folder / ".snakemake").exists()


def test_make_run_runs_a_file_that_is_right(checkout: Checkout, tmp_path: Path) -> None:
    config = write(checkout, f"dataset: mvco\nsource: {{path: {one_roi(tmp_path / 'archive')}}}\n")
    make_run(checkout, config, right=True)
    assert checkout.table("mvco")["count"].sum() == 1


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
