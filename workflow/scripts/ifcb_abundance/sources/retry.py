"""Repeats requests after transient faults, with growing waits, and gives up a server that is not there.

The HTTP client and the S3 client both send their requests through it.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import tenacity

from ifcb_abundance.common import stopping
from ifcb_abundance.common.errors import NoConnectionError, RequestError, TransientError, UnreachableError
from ifcb_abundance.common.progress import TRAFFIC
from ifcb_abundance.sources.concurrency import AdaptiveConcurrencyLimiter, Slot

log = logging.getLogger("ifcb.retry")

T = TypeVar("T")

ENOUGH = 3  # requests in a row without a connection, each with all its tries: the server is gone
LONGEST_WAIT = 60.0  # seconds, unless more is asked for


@dataclass(frozen=True)
class RequestOptions:
    """How requests are sent, whatever they ask for.

    timeout: seconds to connect, and between two pieces of an answer. retries: further tries after a transient fault.
    backoff: seconds before the second try; the wait doubles with each one. max_body_mb: the largest answer that is
    accepted, unpacked, in megabytes. max_requests_per_second: None is no limit.
    """

    timeout: float = 60.0
    retries: int = 5
    backoff: float = 1.0
    max_body_mb: float = 256.0
    max_requests_per_second: float | None = None

    @property
    def max_body(self) -> int:
        """The largest accepted answer in bytes."""
        return int(self.max_body_mb * 1e6)


class Retrier:
    """Sends the requests of any number of threads to one server.

    A server that takes no connections is given up; NoConnectionError says when. From then on every request fails at
    once, also one that waits for its next try. given_up: the sentence that says so, empty until then. hasty: somebody
    waits, so a server that has never answered is given up the first time that it is silent.
    """

    def __init__(self, options: RequestOptions) -> None:
        self.options = options
        self.limiter = AdaptiveConcurrencyLimiter(options.max_requests_per_second)
        self.given_up = ""
        self.hasty = False
        self._lock = threading.Lock()
        self._stop_waiting = threading.Event()
        self._answered = False
        self._in_a_row = 0  # requests without a connection since the last one that had one
        self._said = 0  # tries without a connection that the log has since then

    def retry(self, send: Callable[[Slot], T]) -> T:
        """Return what `send` returns. It is called with the slot of a request, and again after a TransientError.

        Raises RequestError if no try gets a usable answer, UnreachableError if no try gets a connection, StateError if
        the run is to stop before a try that would have to wait.
        """
        tries = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(TransientError),
            stop=tenacity.stop_after_attempt(self.options.retries + 1),
            wait=self._wait,
            before_sleep=self._say,
            sleep=self._sleep,
        )
        try:
            answer: T = tries(self._ask_once, send)
        except tenacity.RetryError as error:
            last = error.last_attempt.exception()
            told = f"{last} (tried {self.options.retries + 1} times)"
            if isinstance(last, NoConnectionError):
                raise self._without_connection(last, told) from last
            raise RequestError(told, last.kind if isinstance(last, RequestError) else "") from last
        return answer

    def answered(self, slot: Slot, good: bool) -> None:
        """`send` calls this as soon as the server begins its answer. good: it is neither a refusal nor an error."""
        self._connected(answered=True)
        if good:
            self.limiter.answered(slot)

    def _connected(self, answered: bool) -> None:
        with self._lock:
            self._answered |= answered
            self._in_a_row = self._said = 0

    def _without_connection(self, fault: NoConnectionError, told: str) -> UnreachableError:
        """The error for a request that got no connection in any of its tries."""
        with self._lock:
            self._in_a_row += 1
            if self._in_a_row < (ENOUGH if self._answered else fault.enough):
                return UnreachableError(told)
            requests = f"{self._in_a_row} requests in a row, each " if self._in_a_row > 1 else ""
        return self._give_up(fault, f" ({requests}tried {self.options.retries + 1} times)")

    def _give_up(self, fault: NoConnectionError, tried: str = "") -> UnreachableError:
        with self._lock:
            if not self.given_up:
                self.given_up = f"{fault.server}{tried}: nothing more is asked of it in this run. {fault.advice}"
            self._stop_waiting.set()
            return UnreachableError(self.given_up)

    def _sleep(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not self._stop_waiting.wait(min(left, stopping.LOOK)):
            stopping.refuse_if_asked()

    def _say(self, state: tenacity.RetryCallState) -> None:
        stopping.refuse_if_asked()
        TRAFFIC.fault()
        fault = state.outcome.exception() if state.outcome else None
        if isinstance(fault, NoConnectionError):
            # This is about the server, not the request: say it once for all requests in flight.
            with self._lock:
                new = state.attempt_number > self._said and not self.given_up
                self._said = max(self._said, state.attempt_number)
            if not new:
                return
        if state.next_action:
            tried = f"{state.attempt_number} of {self.options.retries}"
            log.warning(f"{fault}; trying again in {state.next_action.sleep:.1f} s ({tried})")

    def _wait(self, state: tenacity.RetryCallState) -> float:
        fault = state.outcome.exception() if state.outcome else None
        asked = fault.retry_after if isinstance(fault, TransientError) else None
        backoff = self.options.backoff
        most = max(LONGEST_WAIT, backoff)
        grown = tenacity.wait_exponential_jitter(multiplier=backoff, max=most, jitter=backoff / 2)(state)
        return max(grown, asked or 0.0)

    def _ask_once(self, send: Callable[[Slot], T]) -> T:
        if self.given_up:
            raise UnreachableError(self.given_up)
        slot = self.limiter.begin()
        try:
            if self.given_up:  # while it waited for its slot
                raise UnreachableError(self.given_up)
            return send(slot)
        except NoConnectionError as error:
            at_once = not error.enough or (self.hasty and error.silent)
            if error.for_good or (at_once and not self._answered):
                raise self._give_up(error) from error
            raise
        except TransientError as error:
            self._connected(answered=False)
            if error.refused and self._answered:  # a server that never answered may not exist
                self.limiter.refused(slot, error.retry_after)
            raise
        finally:
            self.limiter.end()
