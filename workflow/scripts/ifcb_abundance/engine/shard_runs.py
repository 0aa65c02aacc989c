"""Runs of shards, each a Snakemake of its own that another one starts and waits for."""

import logging
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ifcb_abundance.common import stopping
from ifcb_abundance.common.errors import StateError

log = logging.getLogger("ifcb.shards")

POLL, SAID = 0.5, 60.0  # seconds


def run(shard: str, arguments: Sequence[str], printed: str | Path | None = None) -> None:
    """Run the workflow for a shard, or for `merge`, and wait for its end.

    arguments: of Snakemake; `--config` has to be the last option, to which the shard is added. printed: the file for
    what it prints, of which the last line is told here once a minute; None prints all of it here. If this run is asked
    to stop, the other one is. Raises StateError, with the last lines that it printed, if it fails.
    """
    command = [sys.executable, "-m", "snakemake", *arguments, f"shard={shard}"]
    if printed is None:
        if _wait(subprocess.Popen(command, start_new_session=True), lambda: None):
            stopping.refuse_if_asked()
            raise StateError("the shards are made, but not merged: the message above says why")
        return
    file = Path(printed)
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
        status = _wait(process, lambda: log.info(f"shard {shard}: {_last(file)}"))
    if status:
        stopping.refuse_if_asked()
        raise StateError(f"shard {shard} is not complete:\n{_last(file, 15)}\nAll that its run printed is in {file}")
    log.info(f"shard {shard} is complete")


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
