"""The progress of a run: each finished piece counts once, and reports come now and then and at the end."""

import logging
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from ifcb_abundance.common.progress import Progress


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
