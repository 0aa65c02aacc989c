"""Commands as whole processes, and the emulated dashboard in a process of its own."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.clients import DATASET

ROOT = Path(__file__).parents[1]
WORKFLOW = ("Snakefile", "config", "workflow", "profiles", "envs")


@dataclass(frozen=True)
class Cost:
    """What a command took: seconds by the clock, seconds of processor time, peak memory in MB; what it printed."""

    wall: float
    cpu: float
    memory: float
    printed: str


def run(command: Sequence[str | Path], folder: Path = ROOT) -> Cost:
    """Run a command to its end. Raises RuntimeError with what it printed if it fails."""
    began = time.perf_counter()
    process = subprocess.Popen(
        list(map(str, command)),
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
    )
    assert process.stdout
    printed = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))} ended with {process.returncode}:\n{printed[-5000:]}")
    return Cost(time.perf_counter() - began, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, printed)


@contextmanager
def dashboard(archive: Path, body: Path, latency: float, *options: str) -> Iterator[str]:
    """The emulated dashboard over an archive, in a process of its own; yields its address."""
    command = [sys.executable, "-m", "tests.dashboard", "--dataset", f"{DATASET}={archive}", "--version", "5.0"]
    command += ["--shared-body", str(body), "--latency", str(latency), *options]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()


def copy_workflow(folder: Path, config: Mapping[str, Any]) -> None:
    """A copy of the workflow in a new folder, and my.yaml with this config."""
    folder.mkdir(parents=True)
    for part in WORKFLOW:
        source = ROOT / part
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, folder / part)
    (folder / "my.yaml").write_text(yaml.safe_dump(dict(config)))


class Checkout:
    """A copy of the workflow in a folder of its own, set to read the emulated dashboard."""

    def __init__(self, folder: Path, url: str, first: str, last: str, **settings: Mapping[str, Any]) -> None:
        self.folder = folder
        source = {"kind": "dashboard", "url": url, **settings.pop("source", {})}
        dates = {"start": first, "end": last}
        copy_workflow(folder, {"dataset": DATASET, "source": source, "select": dates, **settings})

    def snakemake(self, *arguments: str) -> Cost:
        """A run of the workflow as a user starts it."""
        command = [sys.executable, "-m", "snakemake", "--cores", "8", "--configfile", "my.yaml", *arguments]
        return run(command, self.folder)
