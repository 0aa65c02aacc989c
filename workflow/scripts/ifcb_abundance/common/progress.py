"""How far a run is: how many of how many, at what rate, and how long it will take."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import ParamSpec, TypeVar

from ifcb_abundance.common.errors import UnreachableError, WorkflowInputError, kind_of
from ifcb_abundance.common.words import counted, sized

P = ParamSpec("P")
T = TypeVar("T")

log = logging.getLogger("ifcb.progress")


class Progress:
    """Counts finished pieces of work, from any thread, and logs the count every `interval` seconds.

    count: asked when the first piece begins; returns how many pieces there are in all, and how many are left.
    failed: how many pieces failed, by what went wrong; without those that only found no server.
    """

    def __init__(self, what: str, count: Callable[[], tuple[int, int]], interval: float = 5.0) -> None:
        self.what, self.count, self.interval = what, count, interval
        self._lock = threading.Lock()
        self._begun = False
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
            self._begun = True
            self._total, left = self.count()
            self._done = self._before = self._total - left
            self._started = self._said = time.monotonic()
            log.info(f"{self.what}: {left} to read, {self._before} of {self._total} are done already")

    def step(self, n: int = 1) -> None:
        """A piece is done, or `n` are."""
        with self._lock:
            self._done += n
            now = time.monotonic()
            if now - self._said < self.interval and self._done < self._total:
                return
            self._said = now
            rate = (self._done - self._before) / max(now - self._started, 1e-9)
            left = timedelta(seconds=round((self._total - self._done) / rate))
            log.info(
                f"{self.what}: {self._done} of {self._total} done ({self._done / self._total:.1%}), "
                f"{rate:.1f} per second, {left} left"
            )

    def fail(self, error: BaseException) -> None:
        """A piece failed. Counted are errors that a user can mend, but for a server that was not reached."""
        if isinstance(error, WorkflowInputError) and not isinstance(error, UnreachableError):
            with self._lock:
                self.failed[kind_of(error)] += 1

    def failures(self) -> str:
        """What failed, in words: `class scores of bins: 3 failed (2 HTTP 500, 1 HTTP 502)`; empty if nothing did."""
        kinds = ", ".join(f"{number} {kind}" for kind, number in self.failed.most_common())
        return f"{self.what}: {self.failed.total()} failed ({kinds})" if kinds else ""


class Transfer:
    """Counts files and bytes that were listed or copied, from any thread, and logs the count every `interval` seconds.

    files, size: how many there are in all, 0 if that is not known.
    """

    def __init__(self, what: str, files: int = 0, size: int = 0, interval: float = 5.0) -> None:
        self.what, self.files, self.size, self.interval = what, files, size, interval
        self._lock = threading.Lock()
        self._done = self._bytes = self._before = 0
        self._started = self._said = time.monotonic()

    def add(self, files: int, size: int, before: bool = False) -> None:
        """So much more is done. before: by an earlier run, so it says nothing about the rate."""
        with self._lock:
            self._done += files
            self._bytes += size
            self._before += size if before else 0
            now = time.monotonic()
            if now - self._said >= self.interval:
                self._said = now
                log.info(self._told(now - self._started))

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
