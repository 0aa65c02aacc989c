"""Commands as whole processes, and the emulated dashboard in a process of its own."""

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import yaml

from benchmarks.clients import DATASET

ROOT = Path(__file__).parents[1]
WORKFLOW = ("Snakefile", "config", "workflow", "profiles", "envs")


@dataclass(frozen=True)
class Cost:
    """What a command took, with all that it started and waited for, and what it printed.

    wall: seconds by the clock. cpu: seconds of processor time. memory: peak of the largest process, MB. together: peak
    of all processes at a time, MB, where it was watched.
    """

    wall: float
    cpu: float
    memory: float
    printed: str
    together: float = float("nan")


@dataclass
class Server:
    """An emulated dashboard; requests and seconds of processor time are known when it has ended."""

    url: str
    requests: int = 0
    cpu: float = 0.0


def run(command: Sequence[str | Path], folder: Path = ROOT, cores: Collection[int] = (), watched: bool = False) -> Cost:
    """Run a command to its end, on these cores alone if there are any given.

    watched: ask once a second how much memory its processes have together. Raises RuntimeError with what it printed if
    it fails.
    """
    began = time.perf_counter()
    process = subprocess.Popen(
        [*_pinned(cores), *map(str, command)],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
    )
    assert process.stdout
    with _watch(process.pid) if watched else nullcontext([float("nan")]) as seen:
        printed = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))} ended with {process.returncode}:\n{printed[-5000:]}")
    cpu, memory = used.ru_utime + used.ru_stime, used.ru_maxrss / 1024
    return Cost(time.perf_counter() - began, cpu, memory, printed, max(seen, default=memory))


@contextmanager
def _watch(process: int) -> Iterator[list[float]]:
    """Once a second, MB of a process and of all below it; what they share is counted once."""
    seen: list[float] = []
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(1.0):
            family: list[psutil.Process] = []
            with suppress(psutil.Error):
                top = psutil.Process(process)
                family = [top, *top.children(recursive=True)]
            held = 0
            for member in family:
                with suppress(psutil.Error):
                    held += member.memory_full_info().pss
            seen.append(held / 2**20)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        thread.join()


@contextmanager
def dashboard(archive: Path, body: Path, latency: float, port: int = 0, core: int | None = None) -> Iterator[Server]:
    """The emulated dashboard over an archive, in a process of its own, on this core alone if one is given."""
    command = [*_pinned([] if core is None else [core]), sys.executable, "-m", "tests.dashboard"]
    command += ["--dataset", f"{DATASET}={archive}", "--version", "5.0", "--port", str(port)]
    command += ["--shared-body", str(body), "--latency", str(latency)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    server = Server(process.stdout.readline().strip())
    try:
        yield server
    finally:
        process.terminate()
        server.requests = int(process.stdout.read() or 0)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        server.cpu = used.ru_utime + used.ru_stime


def _pinned(cores: Collection[int]) -> list[str]:
    return ["taskset", "--cpu-list", ",".join(map(str, cores))] if cores else []


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

    def snakemake(self, *arguments: str, cores: Collection[int] = (), watched: bool = False) -> Cost:
        """A run of the workflow as a user starts it. cores, watched: see `run`."""
        command = [sys.executable, "-m", "snakemake", "--cores", "8", *arguments, "--configfile", "my.yaml"]
        return run(command, self.folder, cores, watched)

    def files(self) -> int:
        """How many files the runs left, the engine's records included."""
        return sum(len(names) for top in ("results", ".snakemake") for _, _, names in os.walk(self.folder / top))
