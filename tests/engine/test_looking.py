"""To look changes nothing: options of the engine that build nothing leave all results unchanged.

Every option of the engine's own parser is listed here. The test fails when the engine has a new one.
"""

import re
import shutil
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import pytest
from snakemake.cli import get_argument_parser

from tests.archives import bin_row, write_archive
from tests.checkout import Checkout
from tests.engine.test_kills import copy_of
from tests.raw_files import picture, write_bin

BINS = [f"D2024040{day}T{hour:02d}0000_IFCB010" for day in (1, 2) for hour in (3, 15)]
TABLE = "results/own/abundance_long.csv"

# Ways to call the engine that build nothing, by the option that makes them such. Some end with an error here, for want
# of conda or of git: that is no reason to change anything either.
LOOKS: dict[str, list[list[str]]] = {
    "--help": [["--help"]],
    "--dry-run": [
        *(["-n"], ["-np"], ["-nq"], ["--dryrun"], ["-n", "--forceall"], ["-n", "-R", "summarize_scores"]),
        *(["-n", "images"], ["-n", "recheck"], ["-n", "figures"], ["-n", "features"], ["-n", TABLE]),
        *(["-n", "--until", "merge_abundance"], ["-n", "--nolock"], ["-n", "--ignore-incomplete"]),
        *(["-n", "--delete-all-output"], ["-n", "--delete-temp-output"]),
    ],
    "--executor": [["--executor", "dryrun"], ["-e", "dryrun"]],
    "--dag": [["--dag"], ["--dag=mermaid-js"]],
    "--rulegraph": [["--rulegraph"], ["--rulegraph=dot"], ["--ruleg"]],
    "--filegraph": [["--filegraph"]],
    "--d3dag": [["--d3dag"]],
    "--report": [["--report=r.html"], ["--report", "r.zip"]],
    "--reporter": [["--reporter", "html", "--report-html-path", "r.html"]],
    "--lint": [["--lint"], ["--lint", "json"]],
    "--generate-unit-tests": [["--generate-unit-tests", "made"]],
    "--containerize": [["--containerize"]],
    "--list-rules": [["--list-rules"], ["-l"]],
    "--list-target-rules": [["--lt"]],
    "--summary": [["--summary"], ["--summ"], ["-S"]],
    "--detailed-summary": [["-D"], ["--detailed-summary"]],
    "--archive": [["--archive", "made.tar.gz"]],
    "--cleanup-metadata": [["--cleanup-metadata", TABLE]],
    "--cleanup-shadow": [["--cleanup-shadow"]],
    "--unlock": [["--unlock"]],
    "--list-changes": [["--list-changes", "params"], ["--lc", "code"], ["--lc", "input"]],
    "--list-input-changes": [["--list-input-changes"]],
    "--list-params-changes": [["--lp"]],
    "--list-untracked": [["--list-untracked"]],
    "--version": [["--version"]],
    "--print-compilation": [["--print-compilation"]],
    "--container-cleanup-images": [["--container-cleanup-images"]],
    "--list-conda-envs": [["--list-conda-envs"]],
    "--conda-cleanup-envs": [["--conda-cleanup-envs"]],
    "--conda-create-envs-only": [["--conda-create-envs-only"]],
}
# May give files another time, nothing else.
TOUCHES: dict[str, list[list[str]]] = {"--touch": [["--touch"], ["-t", TABLE], ["--executor", "touch"]]}
# What is ordered is done.
ORDERS = ["--delete-all-output", "--delete-temp-output"]
# They say how something is built, or how what else was asked for is done, or are the engine's own, for its jobs.
HOW_TO_BUILD = """
--profile --workflow-profile --cache --snakefile --cores --jobs --local-cores --resources --set-threads --max-threads
--set-resources --set-scatter --set-resource-scopes --default-resources --preemptible-rules --preemptible-retries
--configfile --config --replace-workflow-config --envvars --directory --keep-going --rerun-triggers --force --forceall
--forcerun --consider-ancient --prioritize --batch --until --omit-from --rerun-incomplete --shadow-prefix
--strict-dag-evaluation --scheduler --conda-base-path --no-subworkflows --precommand --groups --group-components
--report-after-run --report-stylesheet --report-metadata --draft-notebook --edit-notebook --notebook-listen
--skip-script-cleanup --keep-incomplete --drop-metadata --printshellcmds --debug-dag --nocolor --quiet --verbose
--force-use-threads --allow-ambiguity --nolock --ignore-incomplete --max-inventory-time --trust-io-cache
--max-checksum-file-size --latency-wait --wait-for-free-local-storage --wait-for-files --wait-for-files-file
--runtime-source-cache-path --queue-input-wait-time --omit-flags --notemp --all-temp --unneeded-temp-files
--keep-storage-local-copies --not-retrieve-storage --target-files-omit-workdir-adjustment --allowed-rules
--max-jobs-per-timespan --max-status-checks-per-second --seconds-between-status-checks --retries --wrapper-prefix
--default-storage-provider --default-storage-prefix --local-storage-prefix --remote-job-local-storage-prefix
--shared-fs-usage --scheduler-greediness --scheduler-subsample --no-hooks --debug --runtime-profile --local-groupid
--attempt --show-failed-logs --logger --job-deploy-sources --benchmark-extended --persistence-backend
--persistence-backend-db-url --container-image --immediate-submit --jobscript --jobname --software-deployment-method
--use-conda --conda-not-block-search-path-envvars --conda-prefix --conda-cleanup-pkgs --conda-frontend --use-apptainer
--apptainer-prefix --apptainer-args --use-envmodules --deploy-sources --target-jobs --mode --scheduler-solver-path
--max-jobs-per-second --export-cwl
""".split()  # the last one is known to the parser of 9.27 and to nothing behind it: the engine builds
OF_PLUGINS = re.compile(r".* plugin settings")  # executors, reporters and schedulers say how, too


def options(parser: ArgumentParser) -> dict[str, set[str]]:
    """Each option of the parser, by its first long name, with all of its names."""
    found = {}
    for group in parser._action_groups:
        for action in group._group_actions if not OF_PLUGINS.fullmatch(group.title or "") else []:
            if action.option_strings:
                names = [name for name in action.option_strings if name.startswith("--")]
                found[names[0]] = set(action.option_strings)
    return found


def test_every_option_of_the_engine_is_sorted() -> None:
    known = [*LOOKS, *TOUCHES, *ORDERS, *HOW_TO_BUILD]
    there = options(get_argument_parser())
    unsorted = {name: names for name, names in there.items() if names.isdisjoint(known)}
    assert not unsorted, "new options: do they build? Sort them into LOOKS, TOUCHES, ORDERS or HOW_TO_BUILD"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Results with something of every kind, without the engine's records, and a config that they are not of."""
    folder = tmp_path_factory.mktemp("built")
    write_archive(
        folder / "archive",
        [bin_row(bin_id) for bin_id in BINS],
        {bin_id: (["Akashiwo", "detritus"], [[0.9, 0.1], [0.6, 0.4]]) for bin_id in BINS},
    )
    for bin_id in BINS:
        images = [(n, 10 * n, 20, picture(30 + n, 20, n)) for n in range(1, 4)]
        write_bin(folder / "archive" / "raw", bin_id, images, start=0)
    run = Checkout(folder / "checkout")
    run.run(config(folder / "archive", 0.7), TABLE, "results/own/bins_long.csv.gz", "all", "images")
    shutil.rmtree(run.folder / ".snakemake")
    run.command(config(folder / "archive", 0.5))
    return run


def config(archive: Path, threshold: float) -> dict[str, Any]:
    return {
        "dataset": "own",
        "source": {"kind": "directory", "path": str(archive)},
        "classify": {"threshold": threshold},
        "abundance": {"period": "week" if threshold == 0.7 else "month"},
        "images": {"classes": ["Akashiwo"]},
    }


def state(run: Checkout, times: bool = True) -> dict[str, tuple[bytes | None, int]]:
    """Name, contents and time of every file and folder below results."""
    return {
        str(path.relative_to(run.folder)): (
            path.read_bytes() if path.is_file() else None,
            path.lstat().st_mtime_ns if times else 0,
        )
        for path in [run.folder / "results", *(run.folder / "results").rglob("*")]
    }


def call(run: Checkout, arguments: list[str]) -> str:
    printed, _ = run.call("--cores", "8", "--configfile", "my.yaml", *arguments)
    return printed


def ways(table: dict[str, list[list[str]]]) -> list[Any]:
    """The ways of a table, further spellings of the same among the slow ones, but for those that did harm once."""
    did_harm = (["-np"], ["-nq"], ["--rulegraph=dot"], ["--summ"])
    return [
        pytest.param(way, id=" ".join(way), marks=[pytest.mark.slow] if number and way not in did_harm else [])
        for of_option in table.values()
        for number, way in enumerate(of_option)
    ]


@pytest.mark.parametrize("arguments", ways(LOOKS))
def test_a_look_changes_nothing(tmp_path: Path, built: Checkout, arguments: list[str]) -> None:
    run = copy_of(built, tmp_path / "checkout")
    before = state(run)
    assert len(before) > 40
    printed = call(run, arguments)
    assert state(run) == before, printed
    assert not list(run.folder.glob(".snakemake/*.claim")), printed


@pytest.mark.parametrize("arguments", ways(TOUCHES))
def test_touch_sets_times_and_nothing_else(tmp_path: Path, built: Checkout, arguments: list[str]) -> None:
    run = copy_of(built, tmp_path / "checkout")
    before, times = state(run, times=False), state(run)
    printed = call(run, arguments)
    assert "Without --touch they are made again" in printed  # nothing says that the files are of this config
    assert state(run) == times
    of_before = ["classify={threshold: 0.7}", "abundance={period: week}"]
    printed = call(run, [*arguments, "-F", "--config", *of_before])
    assert state(run, times=False) == before, printed
    assert state(run) != times


def test_a_lock_that_a_killed_run_left_keeps_runs_away_and_looks_not(tmp_path: Path, built: Checkout) -> None:
    run = copy_of(built, tmp_path / "checkout")
    lock = run.folder / ".snakemake" / "locks" / "0.output.lock"
    lock.parent.mkdir(parents=True)
    lock.write_text(f"{TABLE}\n")
    before = state(run)
    assert "Traceback" not in call(run, ["-n"])
    assert "locked by a run that was killed" in call(run, [])
    assert state(run) == before
    call(run, ["--unlock"])
    assert state(run) == before
    assert not lock.exists()
