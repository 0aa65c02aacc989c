"""Limits requests to what the server can take: so many at a time, and so many per second."""

import logging
import threading
import time
from typing import NamedTuple

from ifcb_abundance.common import stopping
from ifcb_abundance.common.words import counted

log = logging.getLogger("ifcb.concurrency")

SLOW = 3.0  # times as long as answers usually take: the server is overloaded
UNNOTICED = 1.0  # seconds: an answer this fast is never slow
MEMORY = 0.05  # weight of the latest answer in the running means


class Slot(NamedTuple):
    """A request's permission to go.

    started: when it was given (time.monotonic). in_flight: requests under way at that time, this one included.
    """

    started: float
    in_flight: int = 1


class AdaptiveConcurrencyLimiter:
    """Limits how many requests one process has in flight to one server.

    There is no limit while the server keeps up: the callers decide (the profile's `dashboard` resource). The limit is
    halved when the server refuses a request (HTTP 429, 502, 503, 504, no answer), or begins an answer much later than
    usual. Each round of good answers raises it by one. per_second: the most requests per second; None is no limit.

    A server with one worker queues requests: when eight go together, the last answer takes eight times as long as the
    answer to a single request. That does not count as slow.
    """

    def __init__(self, per_second: float | None = None) -> None:
        self._pause = 0.0 if per_second is None else 1.0 / per_second
        self._change = threading.Condition()
        self._in_flight = 0
        self._limit = float("inf")
        self._before = 0  # requests in flight before the first limit
        self._limited_at = 0.0
        self._not_before = 0.0
        self._usual: float | None = None
        self._alone = 0.0  # the same per request in flight: its own time, if the server works on one at a time

    def begin(self) -> Slot:
        """Wait until a request may go. Each call needs one of `end`. Raises StateError if the run is to stop."""
        with self._change:
            while (wait := self._not_before - time.monotonic()) > 0 or self._in_flight + 1 > self._limit:
                stopping.refuse_if_asked()
                self._change.wait(min(wait, stopping.LOOK) if wait > 0 else stopping.LOOK)
            now = time.monotonic()
            self._not_before = now + self._pause
            self._in_flight += 1
            return Slot(now, self._in_flight)

    def end(self) -> None:
        """A request is over, whether it succeeded or failed."""
        with self._change:
            self._in_flight -= 1
            self._change.notify_all()

    def answered(self, slot: Slot) -> None:
        """The server has begun a good answer to the request."""
        seconds = time.monotonic() - slot.started
        alone = seconds / slot.in_flight
        with self._change:
            if self._usual is None:
                self._usual, self._alone = seconds, alone
            expected = max(self._usual, slot.in_flight * self._alone)
            slow = seconds > max(UNNOTICED, SLOW * expected)
            self._usual += MEMORY * (seconds - self._usual)
            self._alone += MEMORY * (alone - self._alone)
            if slow:
                self._slow_down(slot.started, f"answers begin after {seconds:.1f} s, usually after {expected:.1f} s")
            elif self._limit < float("inf"):
                self._limit += 1 / self._limit
                if self._limit >= self._before:
                    self._limit = float("inf")
                self._change.notify_all()

    def refused(self, slot: Slot, wait: float | None) -> None:
        """The server is there but did not take the request. wait: seconds that it asked to be left alone for."""
        with self._change:
            if wait:
                self._not_before = max(self._not_before, time.monotonic() + wait)
            self._slow_down(slot.started, "it refuses requests or does not answer")

    def _slow_down(self, started: float, why: str) -> None:
        if started < self._limited_at:
            return  # the request went before the last change, so it does not tell whether that was enough
        if self._limit == float("inf"):
            self._before = self._in_flight
        limit = max(1.0, min(self._limit, self._in_flight) / 2)
        self._limited_at = time.monotonic()
        if limit < self._limit:
            log.warning(
                f"the server is overloaded ({why}): {counted(int(limit), 'request')} at a time until it keeps up again"
            )
        self._limit = limit
