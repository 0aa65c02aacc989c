"""Bodies of any size, over real HTTP: compressed where the server does it, and never more than is allowed."""

import tracemalloc
from pathlib import Path

import pytest

from dashboard import Dashboard
from errors import ScoresError
from tests.archives import bin_row, write_archive
from tests.dashboard.emulator import Emulator, Fault

BIN = "D20240401T010000_IFCB010"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return write_archive(tmp_path / "archive", [bin_row(BIN)], {})


def body(megabytes: float) -> bytes:
    row = f"{BIN}_00001,0.5\n".encode()
    return b"pid,A\n" + row * int(megabytes * 1e6 / len(row))


def test_compressed_answers_are_asked_for_and_unpacked(archive: Path) -> None:
    whole = body(1)
    with Emulator({"demo": archive}, score_body=lambda _: whole, faults=[Fault("", "gzip", times=None)]) as server:
        file = Dashboard("demo", server.url).read_scores(BIN)
        assert "gzip" in server.requests[0].headers["Accept-Encoding"]
    assert file
    assert file.body == whole


@pytest.mark.parametrize("kind", ["plain", "gzip"])
def test_an_answer_larger_than_allowed_is_refused_before_it_is_held(archive: Path, kind: str) -> None:
    faults = [Fault("", "gzip", times=None)] if kind == "gzip" else []
    bomb = body(60)
    with Emulator({"demo": archive}, score_body=lambda _: bomb, faults=faults) as server:
        source = Dashboard("demo", server.url, max_body_mb=2)
        with pytest.raises(ScoresError, match=rf"bin {BIN}: .*{BIN}_class_scores.csv: the answer is larger than sou"):
            source.read_scores(BIN)  # what the emulator needs for the first answer is not ours
        tracemalloc.start()
        with pytest.raises(ScoresError, match=r"source.max_body_mb \(2 MB\)"):
            source.read_scores(BIN)
        asked = len(server.requests)
        held = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert asked == 2  # it would be as large if it was asked for again
    if kind == "gzip":  # the plain one is in the emulator's own buffers, in the same process
        assert held < 20e6


def test_an_answer_as_large_as_allowed_is_taken(archive: Path) -> None:
    whole = body(1)
    with Emulator({"demo": archive}, score_body=lambda _: whole) as server:
        assert Dashboard("demo", server.url, max_body_mb=len(whole) / 1e6).read_scores(BIN)
        with pytest.raises(ScoresError, match="larger"):
            Dashboard("demo", server.url, max_body_mb=(len(whole) - 1) / 1e6).read_scores(BIN)
