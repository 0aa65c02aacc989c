"""What a user reads when something is wrong: each of our errors once, as a sentence, and everything of a bug."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.archives import bin_row, write_archive
from tests.checkout import Checkout
from tests.dashboard.emulator import Emulator, Fault
from tests.sources.test_dashboard_run import config

DAYS = ["2024-04-01", "2024-04-02"]
BINS = [f"D{day.replace('-', '')}T{hour:02d}0000_IFCB010" for day in DAYS for hour in (0, 6, 12)]
# What the engine puts around an error, and what is of no use to a user.
NOISE = (
    *("RuleException", "WorkflowError", "InputFunctionException", "CalledProcessError", "Error in ", "Traceback"),
    *('File "', 'in file "', ".smk", "no backup found", "Trying to restart", "exit status", "StateError", "TableError"),
)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    scores = {bin_id: (["Akashiwo", "Chaetoceros, single"], [[0.9, 0.1]] * 4) for bin_id in BINS}
    return write_archive(tmp_path_factory.mktemp("archive"), [bin_row(bin_id) for bin_id in BINS], scores)


@pytest.fixture
def dashboard(archive: Path) -> Iterator[Emulator]:
    with Emulator({"demo": archive}) as emulator:
        yield emulator


def assert_plain(printed: str) -> None:
    assert not [noise for noise in NOISE if noise in printed], printed


def lines(printed: str, start: str) -> list[str]:
    """The lines that begin so, without the time that a log file puts before them."""
    return [line for line in printed.splitlines() if line.startswith(start)]


@pytest.mark.parametrize(
    "arguments",
    [(), ("--workflow-profile", "none", "--keep-going", "--rerun-triggers", "mtime")],
    ids=["threads", "processes"],
)
def test_each_bin_that_failed_is_one_line(checkout: Checkout, dashboard: Emulator, arguments: tuple[str, ...]) -> None:
    """In this process, as the profile has it, and with each job in a process of its own, as without a profile."""
    failing = [BINS[0], BINS[4], BINS[5]]
    settings = config(dashboard, DAYS[0], DAYS[-1], source={"retries": 0})
    if arguments:  # each process starts the engine anew: these bins need none
        checkout.run(settings, *(f"results/demo/bins/2024/{b[:9]}/{b}.parquet" for b in BINS if b not in failing))
    dashboard.faults += [Fault(bin_id, "status", status=500) for bin_id in failing]
    printed = checkout.run(settings, *arguments, fails=True)
    assert_plain(printed)
    told = sorted(line.partition(":")[0] for line in lines(printed, "bin "))
    assert told == [f"bin {bin_id}" for bin_id in failing]
    assert "3 failed (3 HTTP 500)" in printed if not arguments else "3 bins failed." in printed
    kept = (max((checkout.folder / ".snakemake" / "log").glob("*.log"))).read_text()
    assert_plain(kept)
    assert sorted(line.partition(":")[0] for line in lines(kept, "bin ")) == told


def test_a_list_of_bins_that_cannot_be_had(checkout: Checkout, dashboard: Emulator) -> None:
    dashboard.faults.append(Fault("export_metadata", "status", status=503))
    printed = checkout.run(config(dashboard, *DAYS, source={"retries": 0}), fails=True)
    assert_plain(printed)
    assert printed.count("HTTP 503") == 1


def test_faults_of_a_config_stand_alone(checkout: Checkout) -> None:
    for arguments in ((), ("--dry-run",), ("--workflow-profile", "none")):
        printed = checkout.run({"classify": {"threshold": 3}}, *arguments, fails=True)
        assert_plain(printed)
        assert printed.count("classify.threshold: 3 cannot be used") == 1
    printed = checkout.run({"dataset": "own", "source": {"path": "nowhere"}}, fails=True)
    assert_plain(printed)
    assert printed.count("nowhere") == 1


def test_a_catalog_that_was_spoilt_is_told_where_its_bins_are_asked_for(checkout: Checkout, archive: Path) -> None:
    """An error in what the engine calls to know the inputs of a rule."""
    settings = {"dataset": "own", "source": {"path": str(archive)}}
    checkout.run(settings)
    catalog = checkout.results("own") / "catalog.csv"
    catalog.write_text(catalog.read_text().replace("sample_time", "yesterday", 1))
    for arguments in ((), ("--dry-run",)):
        printed = checkout.run(settings, *arguments, fails=True)
        assert_plain(printed)
        assert len(lines(printed, f"{catalog.relative_to(checkout.folder)}")) == 1, printed


def test_a_script_of_its_own_process_is_told_once_though_it_is_tried_three_times(
    checkout: Checkout, archive: Path
) -> None:
    settings = {"dataset": "own", "source": {"path": str(archive)}}
    checkout.run(settings)
    coverage = checkout.results("own") / "coverage.csv"
    coverage.write_text(coverage.read_text().replace("2024-04-01,", ","))
    for arguments in ((), ("--workflow-profile", "none")):
        printed = checkout.run(settings, "results/own/figures/coverage_calendar.svg", *arguments, fails=True)
        assert_plain(printed)
        assert printed.count("table coverage, column date") == 1
        assert "column date" in (checkout.folder / "logs/own/figures/coverage_calendar.log").read_text()
        assert "1 job failed." in printed
    printed = checkout.run(settings, "results/own/report.html", fails=True)
    assert_plain(printed)


BUG = """    from ifcb_abundance.common.errors import WorkflowInputError
    try:
        raise WorkflowInputError("not this")
    except WorkflowInputError:
        raise KeyError("a slip of ours")
"""


def break_function(checkout: Checkout, module: str, line: str) -> None:
    path = checkout.module(module)
    text = path.read_text()
    assert text.count(line) == 1
    path.write_text(text.replace(line, BUG + line))


def test_of_a_bug_all_is_told(checkout: Checkout, archive: Path) -> None:
    """Even of one that is met while an error of ours is dealt with; in this process, in another, and in a script."""
    settings = {"dataset": "own", "source": {"path": str(archive)}}
    checkout.run(settings)
    break_function(checkout, "figures/vega_scripts.py", "    with atomic_write(path) as unfinished:\n")
    printed = checkout.run(settings, "results/own/figures/vega.js", fails=True)
    assert "a slip of ours" in printed
    assert re.search(r'vega_scripts\.py", line \d+', printed)
    assert "Traceback" in printed
    break_function(
        checkout, "abundance/days.py", '    index = table_files.columns("abundance_wide", method.group_by)\n'
    )
    (checkout.results("own") / "abundance_wide.csv").unlink()
    for arguments in ((), ("--workflow-profile", "none")):
        printed = checkout.run(settings, *arguments, fails=True)
        assert "a slip of ours" in printed
        assert re.search(r'days\.py", line \d+', printed), printed


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("daily/2099-01-01.csv", "select: no bin of the window is of the day '2099-01-01'; there are '2024-04-1"),
        ("quality/2099-01-01.csv", "select: no bin of the window is of the day '2099-01-01'; there are '2024-04-1"),
        ("curation/clean/foo.zip", "curation: no group of images is called 'foo'; without curation.folder a group is"),
    ],
)
def test_a_file_that_is_asked_for_by_a_wrong_name(demo_run: Checkout, path: str, says: str) -> None:
    printed = demo_run.run(None, "-n", f"results/demo/{path}", fails=True)
    assert_plain(printed)
    assert says in printed
