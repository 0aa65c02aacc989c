"""Runs of shards, each a Snakemake of its own that another one starts and waits for.

The run of a shard ends with the run that started it, even if that one is killed and can tell nobody. It reads from a
pipe whose other end the starter holds and never writes to: so it reads the end as soon as the starter is gone.
"""

import logging
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

from ifcb_abundance.common import stopping
from ifcb_abundance.common.errors import StateError
from ifcb_abundance.engine.script_process import PYTHON

log = logging.getLogger("ifcb.shards")

POLL, SAID = 0.5, 60.0  # seconds
PIPE = "IFCB_ENDS_WITH_PIPE"  # environment variable: the number of the pipe in the run that was started


def run(shard: str, arguments: Sequence[str], printed: str | Path | None = None) -> None:
    """Run the workflow for a shard, or for `merge`, and wait for its end.

    arguments: of Snakemake; `--config` has to be the last option, to which the shard is added. printed: the file for
    what it prints, of which the last line is told here once a minute; None prints all of it here. If this run is asked
    to stop, the other one is. Raises StateError, with the last lines that it printed, if it fails.
    """
    command = [PYTHON, "-m", "snakemake", *arguments, f"shard={shard}"]
    if printed is None:
        if _run(command, None, lambda: None):
            stopping.refuse_if_asked()
            raise StateError("the shards are made, but not merged: the message above says why")
        return
    file = Path(printed)
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as output:
        status = _run(command, output, lambda: log.info(f"shard {shard}: {_last(file)}"))
    if status:
        stopping.refuse_if_asked()
        raise StateError(f"shard {shard} is not complete:\n{_last(file, 15)}\nAll that its run printed is in {file}")
    log.info(f"shard {shard} is complete")


def end_with_starter() -> None:
    """Have this run stop when the run that started it is gone; nothing if no other run has."""
    pipe = os.environ.pop(PIPE, None)
    if pipe is None:
        return

    def watch() -> None:
        os.read(int(pipe), 1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def _run(command: Sequence[str], output: BinaryIO | None, say: Callable[[], None]) -> int:
    """Start a run and wait for its end; returns its status."""
    reads, held = os.pipe()  # neither is passed on to what this process starts, except here
    try:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=output,
            start_new_session=True,
            pass_fds=[reads],
            env={**os.environ, PIPE: str(reads)},
        )
        return _wait(process, say)
    finally:
        os.close(reads)
        os.close(held)


def _wait(process: subprocess.Popen[bytes], say: Callable[[], None]) -> int:
    told, said = False, time.monotonic()
    while True:
        try:
            return process.wait(POLL)
        except subprocess.TimeoutExpired:
            if stopping.ASKED.is_set() and not told:
                process.send_signal(signal.SIGTERM)  # it ends in good order; its own session had no Ctrl-C
                told = True
            if time.monotonic() > said + SAID:
                say()
                said = time.monotonic()


def _last(path: Path, lines: int = 1) -> str:
    """The last lines that are not empty."""
    said = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join([line for line in said if line.strip()][-lines:])
