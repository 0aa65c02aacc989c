"""Figures that tests find out: printed at the end of a run, and with `--figures` kept as a page of the docs."""

import os
import re
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from _pytest.terminal import TerminalReporter
from hypothesis import HealthCheck, settings

from tests.checkout import Checkout

Figure = Callable[[str, int], None]
PAGE = """\
# What the tests have tried

Written by `make figures`, which runs all tests, the heavy ones too. A test fails if one bin is lost, one byte differs
from an undisturbed run's, or one cell is wrong: **of all these, wrong: 0**. What each kind of fault looks like to a
user is in [faults.md](faults.md).

| tried | how many |
|---|---|
{}
"""
# A slow or busy machine is no fault.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")
FIGURES = pytest.StashKey[Counter[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--figures", type=Path, help="as --figures=PAGE: gets the figures of this run")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[FIGURES] = Counter()
    # The emulated dashboard is on loopback, where a user's proxy does not reach. Tests about proxies set their own.
    for variable in [name for name in os.environ if name.lower().endswith("_proxy")]:
        del os.environ[variable]


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Figure:
    """Adds a number to the figure of that name."""
    figures = request.config.stash[FIGURES]

    def add(what: str, number: int) -> None:
        figures[what] += number

    return add


def pytest_terminal_summary(terminalreporter: TerminalReporter, config: pytest.Config) -> None:
    figures = config.stash[FIGURES]
    if not figures:
        return
    terminalreporter.section("figures")
    for what, number in figures.items():
        terminalreporter.write_line(f"{what}: {number:,}")
    path = config.getoption("--figures")
    if path and not terminalreporter.stats.get("failed"):
        rows = dict(
            re.findall(r"^\| ([^|]+) \| ([0-9,]+) \|$", path.read_text(), re.MULTILINE) if path.exists() else []
        )
        rows |= {what: f"{number:,}" for what, number in figures.items()}
        path.write_text(PAGE.format("\n".join(f"| {what} | {number} |" for what, number in sorted(rows.items()))))


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
    """The embedded default run, shared by tests that only look at it."""
    run = Checkout(tmp_path_factory.mktemp("demo"))
    run.printed = run.run()  # type: ignore[attr-defined]
    return run
