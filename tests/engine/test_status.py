"""What a run says while it is at work: a line of the terminal, and status.json for whoever watches."""

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import termios
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from ifcb_abundance.common.progress import Progress
from ifcb_abundance.engine import status
from tests.archives import bin_row, write_archive
from tests.checkout import Checkout
from tests.dashboard.emulator import Emulator, Fault

BINS = [f"D20240415T{hour:02d}0000_IFCB010" for hour in range(8)]


def test_a_terminal_has_one_line_in_place_and_others_may_read_how_far_it_is(checkout: Checkout, tmp_path: Path) -> None:
    scores = {bin_id: (["Akashiwo", "detritus"], [[0.9, 0.1]] * 50) for bin_id in BINS}
    archive = write_archive(tmp_path / "archive", [bin_row(bin_id) for bin_id in BINS], scores)
    faults = [Fault("_class_scores", "status", status=502)]  # once, for the bin that happens to be the first
    with Emulator({"bay": archive}, faults=faults, latency=0.6) as dashboard:
        source = {"kind": "dashboard", "url": dashboard.url, "backoff": 0.1}
        config = {"dataset": "bay", "source": source, "select": {"start": "2024-04-15", "end": "2024-04-15"}}
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 120, 0, 0))
        command = [*checkout.command(config), "--resources", "dashboard=1"]
        run = subprocess.Popen(command, cwd=checkout.folder, stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        states: list[dict[str, Any]] = []
        watching = threading.Thread(target=_watch, args=(run, checkout.results("bay") / "status.json", states))
        watching.start()
        printed = _read_all(ours)
        assert run.wait(120) == 0, printed
        watching.join()
    drawn = [part for part in re.split(r"[\r\n]+", printed) if part.startswith("class scores of bins:") and "|" in part]
    assert len(drawn) > 4
    assert any(re.search(r"\d+/8 \[.*, [\d.]+ kB, 1 fault so far\]", line) for line in drawn), drawn
    assert "trying again in" in printed  # it stands in a line of its own
    assert not re.search(r"\|[^\r\n]*trying again in", printed)
    assert re.search(r"class scores of bins: 8 of 8 done \(100\.0%\), [\d.]+ kB, 1 fault so far, ", printed)

    running = [state for state in states if state["state"] == "running" and state["steps"]]
    (step,) = running[-1]["steps"]
    assert step["what"] == "class scores of bins"
    assert step["total"] == 8
    assert running[-1]["pid"] == run.pid
    assert running[-1]["faults"] == 1
    last = {"state": "complete", "dataset": "bay", "run": None, "shard": None}
    assert json.loads((checkout.results("bay") / "status.json").read_text()) == last
    before = checkout.stamps()
    checkout.run(config)  # there is nothing to do
    assert checkout.stamps() == before
    # An earlier run failed, for figures perhaps, and all else is there.
    path = checkout.results("bay") / "status.json"
    path.write_text(json.dumps(last | {"state": "failed"}))
    before = checkout.stamps()
    for others in (["-n"], ["results/bay/ledger.csv"]):
        checkout.run(config, *others)
        assert checkout.stamps() == before
    (checkout.results("bay") / "ledger.csv").rename(tmp_path / "ledger.csv")
    checkout.run(config, "--until", "list_catalog")  # it does not look for the ledger
    assert json.loads(path.read_text())["state"] == "failed"
    (tmp_path / "ledger.csv").rename(checkout.results("bay") / "ledger.csv")
    for part in (["--omit-from", "all"], ["--allowed-rules", "all", "list_catalog"], ["--batch", "all=1/2"]):
        checkout.run(config, *part)
        assert json.loads(path.read_text())["state"] == "failed", part
    checkout.run(config)
    assert json.loads(path.read_text()) == last


def _watch(run: subprocess.Popen[bytes], path: Path, states: list[dict[str, Any]]) -> None:
    while run.poll() is None:
        if path.exists():
            states.append(json.loads(path.read_text()))  # it is whole at any time
        time.sleep(0.05)


def _read_all(terminal: int) -> str:
    pieces = []
    try:
        while piece := os.read(terminal, 4096):
            pieces.append(piece)
    except OSError:  # the run has ended
        pass
    return b"".join(pieces).decode(errors="replace")


def test_the_file_says_how_a_run_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status, "EVERY", 0.0)
    progress = Progress("bins", lambda: (4, 3))
    progress.begin()
    progress.step()
    path = tmp_path / "results" / "status.json"
    told = status.Status(path, {"dataset": "bay", "run": "a"}, [progress])
    told.jobs = {"done": 2, "total": 9}
    told.end("failed")
    assert not path.exists()  # it had nothing to do
    told.begin()
    told.begin()
    while not path.exists():
        time.sleep(0.01)
    state = json.loads(path.read_text())
    assert state["jobs"] == {"done": 2, "total": 9}
    assert {key: state["steps"][0][key] for key in ("done", "total", "failed")} == {"done": 2, "total": 4, "failed": 0}
    told.end("failed")
    assert json.loads(path.read_text()) == {"state": "failed", "dataset": "bay", "run": "a"}


def test_the_last_state_needs_no_room_on_a_full_disk(tmp_path: Path) -> None:
    """Where no new file can be written, the one that is there is written over."""
    path = tmp_path / "status.json"
    path.write_text('{"state": "running", "host": "a longer text than that of the end"}\n')
    (tmp_path / ".status.json.part").mkdir()  # so that nothing can be written there
    told = status.Status(path, {"dataset": "bay"}, [])
    told.begin()
    told.end("failed")
    assert path.read_text() == '{\n  "state": "failed",\n  "dataset": "bay"\n}\n'
