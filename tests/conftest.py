"""Statistics that tests count: printed at the end of a run, and written to a page of the docs with `--statistics`."""

import fcntl
import gc
import os
import re
import shutil
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from _pytest.terminal import TerminalReporter
from hypothesis import HealthCheck, settings

from tests.checkout import Checkout

Statistic = Callable[[str, int], None]
PAGE = """\
# What the tests have tried

Written by `make test-statistics`, which runs all tests, the slow ones too. A test fails if one bin is lost, one byte
differs from an undisturbed run's, or one cell is wrong: **of all these, wrong: 0**. What each kind of fault looks like
to a user is in [faults.md](faults.md).

| tried | how many |
|---|---|
{}
"""
# A slow or busy machine is no fault.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")
# A test file that imports one of these starts processes or servers.
STARTERS = {"Checkout", "Emulator", "S3Server", "SNAKEMAKE", "Browser", "Bench", "subprocess", "multiprocessing"}
# One that imports one of these draws with a browser's engine, simulates, or has others' tools check files.
LONG = {"draw", "draw_figure", "for_paper", "ComplianceChecker", "simulate"}
STATISTICS = pytest.StashKey[Counter[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--statistics", type=Path, help="the page that the statistics of this run are written to")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[STATISTICS] = Counter()
    # Slow tests compare runs that start cold, which draw as a user's do, with warm ones.
    os.environ["IFCB_TESTS_DPI"] = "50" if "not slow" in config.option.markexpr else "300"
    # The emulated dashboard is on loopback, where a user's proxy does not reach. Tests about proxies set their own.
    for variable in [name for name in os.environ if name.lower().endswith("_proxy")]:
        del os.environ[variable]


@pytest.fixture
def statistic(request: pytest.FixtureRequest) -> Statistic:
    """Add a number to the statistic of that name."""
    statistics = request.config.stash[STATISTICS]

    def add(what: str, number: int) -> None:
        statistics[what] += number

    return add


def pytest_terminal_summary(terminalreporter: TerminalReporter, config: pytest.Config) -> None:
    statistics = config.stash[STATISTICS]
    if not statistics:
        return
    terminalreporter.section("statistics")
    for what, number in statistics.items():
        terminalreporter.write_line(f"{what}: {number:,}")
    path = config.getoption("--statistics")
    if path and not terminalreporter.stats.get("failed"):
        rows = dict(
            re.findall(r"^\| ([^|]+) \| ([0-9,]+) \|$", path.read_text(), re.MULTILINE) if path.exists() else []
        )
        rows |= {what: f"{number:,}" for what, number in statistics.items()}
        path.write_text(PAGE.format("\n".join(f"| {what} | {number} |" for what, number in sorted(rows.items()))))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the files that `make check` leaves out.

    Those that start processes or servers come first, so that short files end a parallel run.
    """
    for item in items:
        for marker, names in (("process", STARTERS), ("long", LONG)):
            if names & vars(item.module).keys():  # type: ignore[attr-defined]
                item.add_marker(marker)
    items.sort(key=lambda item: item.get_closest_marker("process") is None)


def pytest_collection_finish() -> None:
    """No test needs to search the modules and the tests themselves for garbage."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _no_waiting_for_the_disk() -> Iterator[None]:
    """What is written here need not outlast a power cut; tests/common/test_atomic_write.py asks for it where it counts.

    It is thousands of files, for each of which a disk takes milliseconds.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def _small_pictures() -> Iterator[None]:
    """A PNG of 300 dots per inch takes longer than all else of a figure; tests/figures/test_paper.py asks for some."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ifcb_abundance.figures.draw.DOTS_PER_INCH", int(os.environ["IFCB_TESTS_DPI"]))
        yield


@pytest.fixture(scope="session", autouse=True)
def _signals_of_a_terminal() -> None:
    """What is started in the background, or by nohup, ignores signals, and so would all runs that the tests start."""
    for sign in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(sign) == signal.SIG_IGN:
            signal.signal(sign, signal.SIG_DFL)


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path / "checkout")


@pytest.fixture(scope="session")
def demo_run(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """The embedded default run, shared by tests that only look at it.

    It is built once. Each worker of pytest-xdist has a copy of its own, for tests may ask the engine about it.
    """
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    built, printed = shared / "demo-built", shared / "demo-built.txt"
    with (shared / "demo-built.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not printed.exists():
            shutil.rmtree(built, ignore_errors=True)  # of a worker whose run failed
            printed.write_text(Checkout(built).run(), encoding="utf-8")
    run = Checkout(own / "demo", copied_from=built)
    run.printed = printed.read_text(encoding="utf-8")  # type: ignore[attr-defined]
    return run
