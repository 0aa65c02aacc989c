"""How far a run is: how many of how many, at what rate, and how long it will take.

On a terminal it is one line that stays in place, in a log a line a minute.
"""

import logging
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar

from ifcb_abundance.common.errors import UnreachableError, WorkflowInputError, kind_of
from ifcb_abundance.common.words import counted, sized

if TYPE_CHECKING:
    from tqdm import tqdm

P = ParamSpec("P")
T = TypeVar("T")

HEARTBEAT = 60.0  # seconds between two lines of a log

log = logging.getLogger("ifcb.progress")


class Traffic:
    """What this process has read so far, from servers and disks, and what went wrong at that; for any thread.

    size: bytes. faults: failed tries of a request, and pieces of work that failed.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.size = self.faults = 0

    def add(self, size: int) -> None:
        """So many bytes were read."""
        with self._lock:
            self.size += size

    def fault(self) -> None:
        """A try failed."""
        with self._lock:
            self.faults += 1


TRAFFIC = Traffic()


class _Line:
    """The line of the terminal, which one progress has at a time; others write to the log meanwhile."""

    def __init__(self) -> None:
        self._taken = threading.Lock()

    def take(self, what: str, total: int | None, done: int, **units: Any) -> "tqdm[Any] | None":
        """A line, if standard error is a terminal and its line is free. units: as tqdm takes them."""
        if not (sys.stderr and sys.stderr.isatty() and self._taken.acquire(blocking=False)):
            return None
        from tqdm import tqdm

        how = {"unit": "", **units, "file": sys.stderr, "dynamic_ncols": True, "leave": False}
        return tqdm(total=total, initial=done, desc=what, **how)

    def give_back(self, line: "tqdm[Any]") -> None:
        """The line is free for others."""
        line.close()
        self._taken.release()


_LINE = _Line()


class Progress:
    """Counts finished pieces of work, from any thread, and tells the count: see above.

    count: asked when the first piece begins; returns how many pieces there are in all, and how many are left.
    interval: seconds between two lines of a log. failed: how many pieces failed, by what went wrong; without those that
    only found no server.
    """

    def __init__(self, what: str, count: Callable[[], tuple[int, int]], interval: float = HEARTBEAT) -> None:
        self.what, self.count, self.interval = what, count, interval
        self._lock = threading.Lock()
        self._begun = False
        self._line: tqdm[Any] | None = None
        self.failed: Counter[str] = Counter()

    def counted(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do one piece of work, calling `work`; a piece that fails is not counted."""
        self.begin()
        try:
            result = work(*args, **kwargs)
        except WorkflowInputError as error:
            self.fail(error)
            raise
        self.step()
        return result

    def begin(self) -> None:
        """A piece begins; at the first one, log how many there are."""
        with self._lock:
            if self._begun:
                return
            self._total, left = self.count()
            self._done = self._before = self._total - left
            self._started = self._said = time.monotonic()
            self._read_before, self._faults_before = TRAFFIC.size, TRAFFIC.faults
            self._begun = True
            log.info(f"{self.what}: {left} to read, {self._before} of {self._total} are done already")
            self._line = _LINE.take(self.what, self._total, self._done)

    def step(self, n: int = 1) -> None:
        """A piece is done, or `n` are."""
        with self._lock:
            self._done += n
            if self._line:
                self._line.update(n)
            if self._done >= self._total:
                self._end()
            self._tell(time.monotonic())

    def beat(self) -> bool:
        """Tell the count where it is time to, also if no piece was done since; called now and then by who has time.

        Returns whether there are pieces left.
        """
        with self._lock:
            at_work = self._begun and self._done < self._total
            if at_work:
                self._tell(time.monotonic())
                if self._line:
                    self._line.refresh()
            return at_work

    def end(self) -> None:
        """Nothing more is done, finished or not: leave the terminal's line to others."""
        with self._lock:
            self._end()

    def state(self) -> dict[str, Any] | None:
        """The count for whoever watches: see docs/how-to/resume.md; None before the first piece."""
        with self._lock:
            if not self._begun:
                return None
            rate = self._rate(time.monotonic())
            return {
                "what": self.what,
                "done": self._done,
                "total": self._total,
                "failed": self.failed.total(),
                "per_second": round(rate, 2),
                "seconds_left": round((self._total - self._done) / rate) if rate else None,
            }

    def _rate(self, now: float) -> float:
        """Pieces per second."""
        return (self._done - self._before) / max(now - self._started, 1e-9)

    def _tell(self, now: float) -> None:
        traffic = self._traffic()
        if self._line:
            self._line.set_postfix_str(", ".join(traffic), refresh=False)  # the line draws itself a few times a second
        if now - self._said < self.interval and self._done < self._total:
            return
        self._said = now
        rate = self._rate(now)
        left = timedelta(seconds=round((self._total - self._done) / rate)) if rate else "unknown time"
        told = [f"{self._done} of {self._total} done ({self._done / max(self._total, 1):.1%})", *traffic]
        # The terminal has the line; the log file has this too.
        beats = {"heartbeat": self._line is not None and self._done < self._total}
        log.info(f"{self.what}: {', '.join(told)}, {rate:.1f} per second, {left} left", extra=beats)

    def _traffic(self) -> list[str]:
        """What was read since it began, and the faults so far, in words."""
        size, faults = TRAFFIC.size - self._read_before, TRAFFIC.faults - self._faults_before
        return [*([sized(size)] if size else []), *([f"{counted(faults, 'fault')} so far"] if faults else [])]

    def _end(self) -> None:
        if self._line:
            _LINE.give_back(self._line)
            self._line = None

    def fail(self, error: BaseException) -> None:
        """A piece failed. Counted are errors that a user can mend, but for a server that was not reached."""
        if isinstance(error, WorkflowInputError) and not isinstance(error, UnreachableError):
            TRAFFIC.fault()
            with self._lock:
                self.failed[kind_of(error)] += 1

    def failures(self) -> str:
        """What failed, in words: `class scores of bins: 3 failed (2 HTTP 500, 1 HTTP 502)`; empty if nothing did."""
        kinds = ", ".join(f"{number} {kind}" for kind, number in self.failed.most_common())
        return f"{self.what}: {self.failed.total()} failed ({kinds})" if kinds else ""


class Transfer:
    """Counts files and bytes that are listed or copied, from any thread: in a line that stays in place, or in a log.

    To be used by `with`, which gives the terminal's line back. files, size: how many there are in all, 0 if that is not
    known. interval: seconds between two lines of a log.
    """

    def __init__(self, what: str, files: int = 0, size: int = 0, interval: float = HEARTBEAT) -> None:
        self.what, self.files, self.size, self.interval = what, files, size, interval
        self._lock = threading.Lock()
        self._done = self._bytes = self._before = 0
        self._started = self._said = time.monotonic()
        self._line: tqdm[Any] | None = None

    def __enter__(self) -> Self:
        units = {"unit": "B", "unit_scale": True} if self.files else {"unit": " files"}
        self._line = _LINE.take(self.what, self.size or None, 0, **units)
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            if self._line is not None:  # one without a total has no truth value
                _LINE.give_back(self._line)
                self._line = None

    def add(self, files: int, size: int, before: bool = False) -> None:
        """So much more is done. before: by an earlier run, so it says nothing about the rate."""
        with self._lock:
            self._done += files
            self._bytes += size
            self._before += size if before else 0
            if self._line is not None:
                self._draw(self._line, size if self.files else files, before)
            now = time.monotonic()
            if now - self._said >= self.interval:
                self._said = now
                log.info(self._told(now - self._started), extra={"heartbeat": self._line is not None})

    def _draw(self, line: "tqdm[Any]", more: int, before: bool) -> None:
        """The line draws itself a few times a second."""
        if self.files:
            line.set_postfix_str(f"{self._done:,} of {counted(self.files, 'file')}", refresh=False)
        if before:
            line.initial += more
        line.update(more)

    def _told(self, seconds: float) -> str:
        if not self.files:
            return f"{self.what}: {counted(self._done, 'file')} so far, {self._done / seconds:,.0f} per second"
        rate = (self._bytes - self._before) / seconds
        left = f", {timedelta(seconds=round((self.size - self._bytes) / rate))} left" if rate else ""
        share = f" ({self._bytes / self.size:.1%})" if self.size else ""
        return (
            f"{self.what}: {self._done:,} of {counted(self.files, 'file')}, {sized(self._bytes)} of "
            f"{sized(self.size)}{share}, {sized(rate)}/s{left}"
        )
