"""The progress of a run: each finished piece counts once, and reports come now and then and at the end."""

import io
import logging
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from ifcb_abundance.common import progress as module
from ifcb_abundance.common.progress import TRAFFIC, Progress, Transfer


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "ifcb.progress")
    return caplog


def test_what_was_there_before_counts_as_done(said: pytest.LogCaptureFixture) -> None:
    progress = Progress("bins", lambda: (10, 4), interval=0)
    assert [progress.counted(pow, 2, n) for n in range(4)] == [1, 2, 4, 8]
    assert said.messages[0] == "bins: 4 to read, 6 of 10 are done already"
    done = [re.match(r"bins: (\d+) of 10 done \((.*)%\)", message).groups() for message in said.messages[1:]]
    assert done == [("7", "70.0"), ("8", "80.0"), ("9", "90.0"), ("10", "100.0")]
    assert said.messages[-1].endswith("0:00:00 left")


def test_between_two_intervals_only_the_end_is_told(said: pytest.LogCaptureFixture) -> None:
    progress = Progress("bins", lambda: (500, 500), interval=3600)
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda n: progress.counted(abs, -n), range(500)))
    assert results == list(range(500))
    assert len(said.messages) == 2
    assert said.messages[1].startswith("bins: 500 of 500 done (100.0%)")


def test_a_piece_that_fails_is_not_counted(said: pytest.LogCaptureFixture) -> None:
    progress = Progress("bins", lambda: (2, 2), interval=0)
    with pytest.raises(ValueError, match="invalid literal"):
        progress.counted(int, "x")
    assert progress.counted(int, "1", base=10) == 1
    assert len(said.messages) == 2
    assert said.messages[1].startswith("bins: 1 of 2 done (50.0%)")


def test_it_asks_how_many_only_when_the_first_piece_begins() -> None:
    asked: list[int] = []
    progress = Progress("bins", lambda: (asked.append(1) or 2, 2))
    assert not asked
    progress.counted(int)
    progress.counted(int)
    assert len(asked) == 1


def test_a_transfer_tells_files_bytes_rate_and_time_left(
    said: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an earlier run brought counts as done, and not in the rate."""
    now = 0.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    transfer = Transfer("cells", 10, 4_000_000, interval=5)
    transfer.add(2, 1_000_000, before=True)
    assert said.messages == []
    now = 10.0
    transfer.add(1, 500_000)
    assert said.messages == ["cells: 3 of 10 files, 1.5 MB of 4 MB (37.5%), 50 kB/s, 0:00:50 left"]
    now = 12.0
    transfer.add(1, 500_000)  # less than 5 s later
    assert len(said.messages) == 1


def test_a_list_tells_files_and_rate(said: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    listed = Transfer("cells: listed", interval=5)
    now = 8.0
    listed.add(2000, 0)
    assert said.messages == ["cells: listed: 2,000 files so far, 250 per second"]


class Terminal(io.StringIO):
    """Standard error that is a terminal, as far as can be asked."""

    def isatty(self) -> bool:
        return True


def test_a_transfer_has_a_line_in_place_on_a_terminal(
    said: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = Terminal()
    monkeypatch.setattr(module.sys, "stderr", screen)
    for _ in range(2):  # the line is given back each time
        with Transfer("cells", 2, 4_000_000, interval=0) as transfer:
            transfer.add(1, 1_000_000, before=True)
            assert transfer._line is not None
            transfer._line.refresh()
            transfer.add(1, 3_000_000)
            transfer._line.refresh()
    with Transfer("cells: listed") as listed:
        listed.add(2000, 0)
        assert listed._line is not None
        listed._line.refresh()
    drawn = screen.getvalue()
    assert "\n" not in drawn
    assert "cells:  25%" in drawn
    assert "1.00M/4.00M" in drawn
    assert ", 1 of 2 files]" in drawn
    assert "cells: listed: 2000 files [" in drawn
    assert all(record.heartbeat for record in said.records)  # these are for the log file alone


def test_a_log_has_a_heartbeat_also_while_nothing_gets_done(said: pytest.LogCaptureFixture) -> None:
    progress = Progress("bins", lambda: (10, 10), interval=0)
    progress.beat()
    assert not said.messages  # it has not begun
    progress.begin()
    progress.beat()
    TRAFFIC.add(2_500_000)
    TRAFFIC.fault()
    progress.step(5)
    assert said.messages[1] == "bins: 0 of 10 done (0.0%), 0.0 per second, unknown time left"
    assert re.fullmatch(
        r"bins: 5 of 10 done \(50.0%\), 2.5 MB, 1 fault so far, [\d.]+ per second, 0:00:0\d left", said.messages[2]
    )
    progress.step(5)
    progress.beat()
    assert len(said.messages) == 4
