"""The counts of cases, at the end of a run's output."""

from _pytest.terminal import TerminalReporter

from tests.fuzz import tally


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    if found := tally.lines():
        terminalreporter.section("fuzz: inputs that parser and oracle agree on")
        for line in found:
            terminalreporter.write_line(line)
