"""When a request may go: no more at a time than the server bears, no more per second than allowed."""

import logging
import threading
import time
from typing import NamedTuple

from ifcb_abundance.common.words import counted

log = logging.getLogger("ifcb.traffic")

SLOW = 3.0  # times as long as answers usually take: the server has more to do than it can
UNNOTICED = 1.0  # seconds: answers that fast are never slow
MEMORY = 0.05  # weight of an answer in what is usual


class Leave(NamedTuple):
    """That a request may go. at: when (time.monotonic). among: how many are then under way, with itself."""

    at: float
    among: int = 1


class Traffic:
    """The requests of one process to one server.

    How many go at a time is the callers' affair (the profile's `dashboard` resource) as long as the server keeps
    up. When it refuses (HTTP 429, 502, 503, 504, no answer) or takes much longer than it usually does to
    begin its answer, half as many go; with each round of good answers, one more again. per_second: None is no limit.

    A server with one worker lets requests queue: of eight that go together, the last one's answer takes eight times as
    long as that of one alone. That is not slow.
    """

    def __init__(self, per_second: float | None = None) -> None:
        self._pause = 0.0 if per_second is None else 1.0 / per_second
        self._change = threading.Condition()
        self._in_flight = 0
        self._limit = float("inf")
        self._before = 0  # requests in flight when the limit was set
        self._limited_at = 0.0
        self._not_before = 0.0
        self._usual: float | None = None
        self._alone = 0.0  # what of that is the request's own time, if the server does one at a time

    def begin(self) -> Leave:
        """Wait for leave to send a request."""
        with self._change:
            while (wait := self._not_before - time.monotonic()) > 0 or self._in_flight + 1 > self._limit:
                self._change.wait(wait if wait > 0 else None)
            began = time.monotonic()
            self._not_before = began + self._pause
            self._in_flight += 1
            return Leave(began, self._in_flight)

    def end(self) -> None:
        """A request is over, well or not."""
        with self._change:
            self._in_flight -= 1
            self._change.notify_all()

    def answered(self, leave: Leave) -> None:
        """The server has begun a good answer to a request."""
        seconds = time.monotonic() - leave.at
        alone = seconds / leave.among
        with self._change:
            if self._usual is None:
                self._usual, self._alone = seconds, alone
            expected = max(self._usual, leave.among * self._alone)
            slow = seconds > max(UNNOTICED, SLOW * expected)
            self._usual += MEMORY * (seconds - self._usual)
            self._alone += MEMORY * (alone - self._alone)
            if slow:
                self._slow_down(leave.at, f"answers begin after {seconds:.1f} s, usually after {expected:.1f} s")
            elif self._limit < float("inf"):
                self._limit += 1 / self._limit
                if self._limit >= self._before:
                    self._limit = float("inf")
                self._change.notify_all()

    def refused(self, leave: Leave, wait: float | None) -> None:
        """The server, which is there, did not take a request, and asked to be left alone for `wait` seconds."""
        with self._change:
            if wait:
                self._not_before = max(self._not_before, time.monotonic() + wait)
            self._slow_down(leave.at, "it refuses requests or does not answer")

    def _slow_down(self, began: float, why: str) -> None:
        if began < self._limited_at:
            return  # it went before the last change, and so says nothing of it
        if self._limit == float("inf"):
            self._before = self._in_flight
        limit = max(1.0, min(self._limit, self._in_flight) / 2)
        self._limited_at = time.monotonic()
        if limit < self._limit:
            log.warning(
                f"the server is overloaded ({why}): {counted(int(limit), 'request')} at a time until it keeps up again"
            )
        self._limit = limit
