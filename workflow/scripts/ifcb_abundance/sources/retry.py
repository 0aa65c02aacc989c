"""Requests to a server: sent again after faults that may pass, with growing waits, and no faster than it bears."""

import logging
import threading
from collections.abc import Callable
from typing import TypeVar

import tenacity

from ifcb_abundance.common.errors import NoConnectionError, RequestError, TransientError, UnreachableError
from ifcb_abundance.sources.concurrency import Leave, Traffic

log = logging.getLogger("ifcb.patience")

T = TypeVar("T")

ENOUGH = 3  # requests in a row that got no connection, after all their tries: the server is gone


class Patience:
    """How a server is asked, by any number of threads.

    retries: further tries after a transient fault; the wait doubles from `backoff` seconds.
    max_requests_per_second: None is no limit.

    A server that takes no connections is given up: see NoConnectionError for when. From then on each request fails at
    once, and those that wait for their next try fail too. given_up: the sentence that says so, empty until then.
    """

    def __init__(self, retries: int, backoff: float, max_requests_per_second: float | None) -> None:
        self.retries = retries
        self.backoff = backoff
        self.traffic = Traffic(max_requests_per_second)
        self.given_up = ""
        self._lock = threading.Lock()
        self._stop_waiting = threading.Event()
        self._answered = False
        self._in_a_row = 0  # requests without a connection since the last one that had one
        self._said = 0  # tries without a connection that were told of since then

    def ask(self, send: Callable[[Leave], T]) -> T:
        """What `send` returns; it is given leave for its request, and again called after a TransientError.

        Raises RequestError if there is no usable answer after all tries, UnreachableError if there is no connection.
        """
        tries = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(TransientError),
            stop=tenacity.stop_after_attempt(self.retries + 1),
            wait=self._wait,
            before_sleep=self._say,
            sleep=tenacity.sleep_using_event(self._stop_waiting),
        )
        try:
            answer: T = tries(self._ask_once, send)
        except tenacity.RetryError as error:
            last = error.last_attempt.exception()
            told = f"{last} (tried {self.retries + 1} times)"
            if isinstance(last, NoConnectionError):
                raise self._without_connection(last, told) from last
            raise RequestError(told, last.kind if isinstance(last, RequestError) else "") from last
        return answer

    def answered(self, leave: Leave, good: bool) -> None:
        """To be called by `send` as soon as the server begins its answer. good: it is no refusal and no error."""
        self._connected(answered=True)
        if good:
            self.traffic.answered(leave)

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
        return self._give_up(fault, f" ({requests}tried {self.retries + 1} times)")

    def _give_up(self, fault: NoConnectionError, tried: str = "") -> UnreachableError:
        with self._lock:
            if not self.given_up:
                self.given_up = f"{fault.server}{tried}: nothing more is asked of it in this run. {fault.advice}"
            self._stop_waiting.set()
            return UnreachableError(self.given_up)

    def _say(self, state: tenacity.RetryCallState) -> None:
        fault = state.outcome.exception() if state.outcome else None
        if isinstance(fault, NoConnectionError):
            # It is the server's affair and not the request's: once for all that ask at the same time.
            with self._lock:
                new = state.attempt_number > self._said and not self.given_up
                self._said = max(self._said, state.attempt_number)
            if not new:
                return
        if state.next_action:
            log.warning(
                f"{fault}; trying again in {state.next_action.sleep:.1f} s ({state.attempt_number} of {self.retries})"
            )

    def _wait(self, state: tenacity.RetryCallState) -> float:
        fault = state.outcome.exception() if state.outcome else None
        asked = fault.retry_after if isinstance(fault, TransientError) else None
        grown = tenacity.wait_exponential_jitter(self.backoff, max=60, jitter=self.backoff / 2)(state)
        return max(grown, asked or 0.0)

    def _ask_once(self, send: Callable[[Leave], T]) -> T:
        if self.given_up:
            raise UnreachableError(self.given_up)
        leave = self.traffic.begin()
        try:
            if self.given_up:  # while it waited for leave
                raise UnreachableError(self.given_up)
            return send(leave)
        except NoConnectionError as error:
            if error.for_good or not (error.enough or self._answered):
                raise self._give_up(error) from error
            raise
        except TransientError as error:
            self._connected(answered=False)
            if error.refused and self._answered:  # of one that never answered it is not known that it is there
                self.traffic.refused(leave, error.retry_after)
            raise
        finally:
            self.traffic.end()
