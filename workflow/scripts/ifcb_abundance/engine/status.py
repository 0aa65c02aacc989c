"""What a run is doing, in a file that others may read at any time: `status.json` beside the tables."""

import json
import logging
import os
import socket
import threading
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ifcb_abundance.common.progress import HEARTBEAT, TRAFFIC, Progress
from ifcb_abundance.common.words import counted

log = logging.getLogger("ifcb.status")

EVERY = 3.0  # seconds between two states of the file


class Status:
    """Writes the file every few seconds while the run is at work, and a last time when it ends.

    Once a second it lets the counts be told; while nothing is counted, a line a minute says how many jobs are done.

    path: of the file. of: which run it is. progress: whose counts it has. jobs: of the engine, as `done` and `total`.
    The last state has no times and no rates: runs with the same result leave the same file. A run that was killed
    leaves `running`, and `updated` stands still.
    """

    def __init__(self, path: str | Path, of: Mapping[str, Any], progress: Collection[Progress]) -> None:
        self.path, self._of, self._progress = Path(path), dict(of), progress
        self.jobs: Mapping[str, int] = {}
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._before: tuple[bytes, int] | None = None

    @property
    def begun(self) -> bool:
        """Whether the run has begun its work."""
        return self._thread is not None

    def begin(self) -> None:
        """The run begins its work. Called again, it does nothing."""
        if not self.begun:
            self._started = datetime.now(UTC)
            with suppress(OSError):
                self._before = self.path.read_bytes(), self.path.stat().st_mtime_ns
            self._thread = threading.Thread(target=self._watch, daemon=True)
            self._thread.start()

    def end(self, state: str) -> None:
        """The run ends, as `complete`, `failed` or `stopped`; does nothing if it had nothing to do."""
        for progress in self._progress:
            progress.end()
        if self._thread is not None:
            self._ended.set()
            self._thread.join()
            self._write({"state": state, **self._of})
            with suppress(OSError):  # a run that changed nothing leaves this file as it was, too
                if self._before and self._before[0] == self.path.read_bytes():
                    os.utime(self.path, ns=(self._before[1], self._before[1]))

    def all_is_there(self) -> None:
        """A run of all targets ended well; where it had nothing to do, what a failed run left is corrected."""
        with suppress(OSError):
            state = {"state": "complete", **self._of}
            if not self.begun and self.path.read_bytes() != _as_file(state):
                self._write(state)

    def _watch(self) -> None:
        written, said = -EVERY, time.monotonic()
        while not self._ended.is_set():
            now = time.monotonic()
            if sum(progress.beat() for progress in self._progress):  # not `any`, which ends at the first
                said = now
            elif now - said >= HEARTBEAT and self.jobs:
                said = now
                log.info(f"{self.jobs['done']:,} of {counted(self.jobs['total'], 'job')} done")
            if now - written >= EVERY:
                written = now
                self._write(self._state())
            self._ended.wait(1)

    def _state(self) -> dict[str, Any]:
        return {
            "state": "running",
            **self._of,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "started": self._started.isoformat(timespec="seconds"),
            "updated": datetime.now(UTC).isoformat(timespec="seconds"),
            "jobs": dict(self.jobs),
            "steps": [state for progress in self._progress if (state := progress.state())],
            "megabytes_read": round(TRAFFIC.size / 1e6, 1),
            "faults": TRAFFIC.faults,
        }

    def _write(self, state: Mapping[str, Any]) -> None:
        """Not by atomic_write, which waits for the disk: after a crash nobody needs this file."""
        unfinished = self.path.with_name(f".{self.path.name}.part")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            unfinished.write_bytes(_as_file(state))
            unfinished.replace(self.path)
        except OSError:  # on a full disk: a run does not fail because nobody can watch it
            with suppress(OSError), self.path.open("r+b") as there:  # in place it needs no room
                there.write(_as_file(state))
                there.truncate()
            with suppress(OSError):
                unfinished.unlink(missing_ok=True)


def _as_file(state: Mapping[str, Any]) -> bytes:
    return (json.dumps(state, indent=2) + "\n").encode()
