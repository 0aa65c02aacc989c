"""The runs behind the fault matrix: `snakemake` as a process, the emulated dashboard, and what is seen of both."""

import csv
import random
import re
import socket
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tests.archives import bin_row, write_archive
from tests.checkout import Checkout
from tests.dashboard.emulator import Emulator, Fault, Request
from tests.dashboard.faults import deaf
from tests.sources.fault_matrix import (
    BIN_ID,
    BINS,
    CLASSES,
    CONNECT_TIMEOUT,
    LAST,
    MATRIX,
    MIDNIGHT,
    MONTHS,
    NO_ROI,
    NO_SCORE,
    NO_VOLUME,
    ROIS,
    STAYING_RETRIES,
    Case,
)
from tests.warm import WarmPopen

TIMEOUT = 1.0
BACKOFF = 0.05
PASSING_RETRIES = 8  # more than any fault that passes needs
ALONE = ("alone", "away", "gone")
DEADLINE = 120.0  # seconds for a run
SLOW = [case.bin for case in MATRIX if case.runs == "staying" and case.slow]


@dataclass(frozen=True)
class Run:
    """A run that has ended: its output, the requests that reached the server, the ledger by bin, and all results."""

    printed: str
    requests: list[Request]
    ledger: dict[str, dict[str, str]]
    files: dict[str, bytes]


@dataclass(frozen=True)
class Seen:
    """What became of a case. In all texts, words stand for what differs from run to run."""

    warnings: list[str]
    errors: list[str]
    requests: list[Request]
    status: str | None
    reason: str


def once(make: Callable[[Any], Any]) -> property:
    """A property of the Bench that is made when it is first asked for; if that fails, it fails each time."""

    def get(bench: "Bench") -> Any:
        if make not in bench.made:
            bench.made[make] = Future()
            try:
                bench.made[make].set_result(make(bench))
            except Exception as error:
                bench.made[make].set_exception(error)
        return bench.made[make].result()

    return property(get)


class Bench:
    """The runs behind the matrix, each made when it is first asked for.

    Those with one fault each are made one after the other beside all else, which waits more than it works: on entry
    for the `cases` that will be asked for.
    """

    def __init__(self, folder: Path, cases: Iterable[Case]) -> None:
        self.folder = folder
        self.made: dict[Callable[[Any], Any], Future[Any]] = {}
        self._chosen = [case for case in cases if case.runs in ALONE]
        self._beside = ThreadPoolExecutor(1)
        self._alone: dict[str, Future[Seen]] = {}
        volumes = dict.fromkeys([*BINS, MIDNIGHT, NO_SCORE, NO_ROI, LAST], "2.5") | {NO_VOLUME: ""}
        self.archive = write_archive(
            folder / "archive",
            [bin_row(bin_id, ml_analyzed=volume) for bin_id, volume in volumes.items()],
            dict.fromkeys(volumes, (CLASSES, ROIS)) | {NO_SCORE: (CLASSES, [[None, None]] * 3), NO_ROI: (CLASSES, [])},
        )
        # Addresses are in the results: those that are to be compared need one port.
        self.dashboard = Emulator({"demo": self.archive}, port=quiet_port())

    def __enter__(self) -> Self:
        self._alone = {case.name: self._beside.submit(self._run_alone, case) for case in self._chosen}
        return self

    def __exit__(self, *_: object) -> None:
        self._beside.shutdown(cancel_futures=True)

    def observe(self, case: Case) -> Seen:
        """What became of the case."""
        if case.runs in ALONE:
            return self._alone[case.name].result()
        if case.runs == "staying":
            run = self.staying["recorded" if case.status == "failed" else "stopped"]
            ledger = self.staying["recorded"].ledger
        else:
            run = getattr(self, case.runs)
            ledger = run.ledger
        found = ledger.get(case.bin or BINS[0], {})
        requests = [] if case.door else [r for r in run.requests if re.search(case.target, r.target)]
        warnings, errors = said(run.printed, case)
        return Seen(warnings, errors, requests, found.get("status"), in_words(found.get("reason", ""), case))

    @once
    def undisturbed(self) -> Run:
        with self._serving("undisturbed") as checkout:
            return self._look(checkout, checkout.run(self.config()))

    @once
    def passing(self) -> Run:
        with self._serving("passing") as checkout:
            return self._look(checkout, checkout.run(self.config(retries=PASSING_RETRIES)))

    @once
    def connecting(self) -> Run:
        """The server is away, then deaf, then there; and the same between the list and the scores."""
        checkout = self._checkout("connecting")
        slow = Fault("_class_scores", "stall", times=None)  # no scores before the server has gone
        with Door(self.dashboard) as door:
            printed = watched(
                checkout.start(self.config(retries=PASSING_RETRIES), popen=WarmPopen),
                ("export_metadata.*Connection refused.*trying again", door.deafen),
                (f"export_metadata.*{CONNECT_TIMEOUT}.*trying again", lambda: door.open([slow])),
                (r"catalog: \d+ bins, ", door.close),
                ("_class_scores.*Connection refused.*trying again", door.deafen),
                (f"_class_scores.*{CONNECT_TIMEOUT}.*trying again", lambda: door.open([])),
            )
            return self._look(checkout, printed)

    @once
    def walking(self) -> Run:
        """The server is away, then deaf, then there, with a fault for each bin of the walk."""
        checkout = self._checkout("walking")
        with Door(self.dashboard) as door:
            printed = watched(
                checkout.start(self.config(retries=PASSING_RETRIES, catalog="walk"), popen=WarmPopen),
                ("/api/.*Connection refused.*trying again", door.deafen),
                (f"/api/.*{CONNECT_TIMEOUT}.*trying again", lambda: door.open(faults_of("walking"))),
            )
            return self._look(checkout, printed)

    @once
    def staying(self) -> dict[str, Run]:
        """Runs that follow each other in one folder.

        `stopped`: with faults that stay, but for those that make a run wait. `recorded`: with all of them, and
        on_failure: record. `repeated`: that again. `refused`: on_failure: stop, with the failures still recorded.
        `healed`: the server is well, and what the message before names is deleted. `rechecked`: all scores asked
        for again.
        """
        runs = {}
        config = self.config(retries=STAYING_RETRIES)
        fast = {**config, "select": {**config["select"], "exclude_bins": SLOW}}
        record = self.config(retries=STAYING_RETRIES, on_failure="record")
        with self._serving("staying") as checkout:
            runs["stopped"] = self._look(checkout, checkout.run(fast, fails=True))
            runs["recorded"] = self._look(checkout, checkout.run(record))
            runs["repeated"] = self._look(checkout, checkout.run(record))
            runs["refused"] = self._look(checkout, checkout.run(config, fails=True))
            self.dashboard.faults.clear()
            for path in remedies(runs["refused"].printed):
                (checkout.folder / path).unlink()
            runs["healed"] = self._look(checkout, checkout.run(config))
            runs["rechecked"] = self._look(checkout, checkout.run({**config, "recheck": {"scores": "all"}}, "recheck"))
        return runs

    def config(self, first: str = f"{MONTHS[0]}-01", last: str = f"{MONTHS[-1]}-28", **source: Any) -> dict[str, Any]:
        return config(self.dashboard, first, last, **source)

    def _run_alone(self, case: Case) -> Seen:
        """One fault in the list of the last month, or no server for the scores of several; nothing is built."""
        if case.at == "scores":
            return self._run_without_server(case)
        checkout = self._checkout(case.name)
        dashboard = Emulator({"demo": self.archive}, port=quiet_port(), faults=case.make())
        settings = {
            "retries": STAYING_RETRIES,
            "on_failure": "record",
            "catalog": "walk" if case.at == "walk" else "export",
        }
        with Door(dashboard) as door:
            {"deaf": door.deafen, "closed": door.close}.get(case.door, door.open)()
            asked = config(dashboard, f"{MONTHS[-1]}-01", f"{MONTHS[-1]}-28", url=address(dashboard, case), **settings)
            printed = checkout.run(asked | {"dataset": case.dataset}, fails=True)
        assert "The list of bins could not be read" in printed
        assert not checkout.results(case.dataset).exists() or checkout.files(case.dataset) == {}
        warnings, errors = said(printed, case)
        return Seen(warnings, errors, [r for r in dashboard.requests if re.search(case.target, r.target)], None, "")

    def _run_without_server(self, case: Case) -> Seen:
        """No bin is had, and none is recorded as failed; once the server is there the same command has them all."""
        checkout = self._checkout(case.name)
        dashboard = Emulator({"demo": self.archive}, port=quiet_port())
        month = (f"{MONTHS[-1]}-01", f"{MONTHS[-1]}-28")
        asked = config(dashboard, *month, retries=STAYING_RETRIES, on_failure="record", url=address(dashboard, case))
        shut = {"deaf": "deafen", "closed": "close"}.get(case.door, "open")
        with Door(dashboard) as door:
            if case.runs == "away":
                door.open()
                (checkout.results("demo")).mkdir(parents=True)
                checkout.run(config(dashboard, *month), "results/demo/catalog.csv")
                dashboard.clear()
                getattr(door, shut)()
                printed = checkout.run(asked, "--rerun-triggers", "mtime", fails=True)
            else:
                door.open([Fault("_class_scores", "stall", times=None)])
                run = checkout.start(asked, popen=WarmPopen)
                printed = watched(run, (r"catalog: \d+ bins, ", getattr(door, shut)), fails=True)
            assert len(re.findall("nothing more is asked of it", printed)) == 1
            assert not (checkout.results("demo") / "ledger.csv").exists()
            requests = [r for r in dashboard.requests if case.runs == "away"]
            warnings, errors = said(printed, case)
            door.open([])
            checkout.run(config(dashboard, *month, on_failure="record"), "--rerun-triggers", "mtime")
        statuses = checkout.table("demo", "ledger").groupby("status").size().to_dict()
        assert statuses == {"used": 5, "bad_volume": 1}
        return Seen(warnings, errors, requests, None, "")

    def _checkout(self, name: str) -> Checkout:
        return Checkout(self.folder / re.sub(r"\W+", "-", name))

    @contextmanager
    def _serving(self, runs: str) -> Iterator[Checkout]:
        with Door(self.dashboard) as door:
            door.open(faults_of(runs))
            yield self._checkout(runs)

    def _look(self, checkout: Checkout, printed: str) -> Run:
        """What there is to see after a run; the requests of the next one are counted from here."""
        path = checkout.results("demo") / "ledger.csv"
        ledger = {}
        if path.exists():
            with path.open(newline="", encoding="utf-8") as file:
                ledger = {row["bin"]: row for row in csv.DictReader(file)}
        requests = self.dashboard.requests
        self.dashboard.clear()
        return Run(printed, requests, ledger, checkout.files("demo"))


class Door:
    """Whether there is a server at an address: open, closed, or deaf, which is to say that nobody comes to the door."""

    def __init__(self, dashboard: Emulator) -> None:
        self.dashboard = dashboard
        self._deaf = ExitStack()

    def open(self, faults: Sequence[Fault] | None = None) -> None:
        """Have the server there, with these faults or those that it has."""
        self.close()
        if faults is not None:
            self.dashboard.faults[:] = faults
        self.dashboard.start()

    def deafen(self) -> None:
        self.close()
        self._deaf.enter_context(deaf(self.dashboard.port))

    def close(self) -> None:
        self._deaf.close()
        self.dashboard.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def address(dashboard: Emulator, case: Case) -> str:
    """Where the case's runs take the server to be."""
    if case.door == "no host":
        return f"http://nowhere.invalid:{dashboard.port}"
    return dashboard.url.replace("http://", "https://") if case.door == "tls" else dashboard.url


def config(dashboard: Emulator, first: str, last: str, **source: Any) -> dict[str, Any]:
    """A run's config; source: keys that differ."""
    here = {"kind": "dashboard", "url": dashboard.url, "timeout": TIMEOUT, "backoff": BACKOFF}
    return {"dataset": "demo", "source": {**here, **source}, "select": {"start": first, "end": last}}


def faults_of(runs: str) -> list[Fault]:
    return [fault for case in MATRIX if case.runs == runs for fault in case.make()]


def quiet_port() -> int:
    """A free port of those that no system hands out by itself: it stays free while its server is away."""
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def watched(process: subprocess.Popen[str], *steps: tuple[str, Callable[[], None]], fails: bool = False) -> str:
    """Read a run's output to its end, which must be a good one, or a bad one if it `fails`.

    Take a step when a line matches its expression.

    The steps are taken in their order, each once.
    """
    lines = []
    waiting = deque(steps)
    give_up = threading.Timer(DEADLINE, process.kill)
    give_up.start()
    try:
        for line in process.stdout or ():
            lines.append(line)
            if waiting and re.search(waiting[0][0], line):
                waiting.popleft()[1]()
        process.wait()
    finally:
        process.kill()
        process.communicate()
        give_up.cancel()
    printed = "".join(lines)
    assert (process.returncode != 0) == fails, printed[-5000:]
    assert not waiting, f"never printed: {waiting[0][0]}\n{printed}"
    return printed


def remedies(printed: str) -> list[str]:
    """The files that a message says to delete."""
    return [path for line in re.findall("^  rm (.*)$", printed, re.MULTILINE) for path in line.split()]


# --- what is said ---

# An error is a line by itself, and tells of a bin or of an address.
RAISED = re.compile(r"^((?:bin |https?://)(?!.*(?:trying again in|recorded as failed)).*)$", re.MULTILINE)
RECORDED = re.compile(r"^(.*): recorded as failed$", re.MULTILINE)


def said(printed: str, case: Case) -> tuple[list[str], list[str]]:
    """The warnings and the errors about a case, in words."""
    about = case.target
    if case.door:  # whichever request it was that found no server
        about = {"catalog": "/api/export_metadata/", "walk": "/api/", "scores": "_class_scores"}[case.at]
        about = f"{about}.*{case.says}"
    raised = [*RAISED.findall(printed), *RECORDED.findall(printed)]
    errors = [text for text in raised if case.runs == "alone" or (case.bin and case.bin in text)]
    if case.runs in ("away", "gone"):
        errors = [text for text in raised if "nothing more is asked of it" in text]
    lines = [line for line in printed.splitlines() if re.search(about, line)]
    of_errors = {line for text in raised for line in text.splitlines()}
    warnings = [line for line in lines if line not in of_errors and not RECORDED.match(line)]
    return [in_words(line, case) for line in warnings], [in_words(text, case) for text in errors]


def in_words(text: str, case: Case) -> str:
    """A text without what differs from run to run and from system to system; as the page explains."""
    url = r"https?://(127\.0\.0\.1|nowhere\.invalid):\d+"
    text = re.sub(url + case.target, "{address}", text)
    text = re.sub(url, "{url}", text)
    text = re.sub(r"host='(127\.0\.0\.1|nowhere\.invalid)', port=\d+", "host='dashboard', port=80", text)
    text = text.replace("127.0.0.1", "dashboard").replace("nowhere.invalid", "dashboard")
    text = re.sub(r"\[Errno -?\d+\] (Name or service not known|Temporary failure in name resolution)", "...", text)
    text = re.sub(r"\[SSL: \w+\] [^()]*\(_ssl\.c:\d+\)", "...", text)
    text = text.replace(case.bin, "{bin}") if case.bin else text
    text = re.sub(BIN_ID, "{other bin}" if case.bin else "{bin}", text)
    text = re.sub(r"Errno \d+", "Errno ...", text)
    return re.sub(r"trying again in [\d.]+ s \(\d+ of \d+\)", "trying again in ... s (... of ...)", text)
