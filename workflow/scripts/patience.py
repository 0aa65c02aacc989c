"""Requests to a server: sent again after faults that may pass, with growing waits, and no faster than it bears."""

import logging
from collections.abc import Callable
from typing import TypeVar

import tenacity

from errors import RequestError, TransientError
from traffic import Traffic

log = logging.getLogger("ifcb.patience")

T = TypeVar("T")


class Patience:
    """How a server is asked.

    retries: further tries after a transient fault; the wait doubles from `backoff` seconds.
    max_requests_per_second: None is no limit.
    """

    def __init__(self, retries: int, backoff: float, max_requests_per_second: float | None) -> None:
        self.retries = retries
        self.backoff = backoff
        self.traffic = Traffic(max_requests_per_second)

    def ask(self, send: Callable[[float], T]) -> T:
        """What `send` returns; it is told when its request began, and again called after a TransientError.

        Raises RequestError if there is no usable answer, after all tries.
        """
        tries = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(TransientError),
            stop=tenacity.stop_after_attempt(self.retries + 1),
            wait=self._wait,
            before_sleep=self._say,
        )
        try:
            answer: T = tries(self._ask_once, send)
        except tenacity.RetryError as error:
            last = error.last_attempt.exception()
            raise RequestError(f"{last} (tried {self.retries + 1} times)") from last
        return answer

    def _say(self, state: tenacity.RetryCallState) -> None:
        if state.outcome and state.next_action:
            log.warning(
                f"{state.outcome.exception()}; trying again in {state.next_action.sleep:.1f} s "
                f"({state.attempt_number} of {self.retries})"
            )

    def _wait(self, state: tenacity.RetryCallState) -> float:
        fault = state.outcome.exception() if state.outcome else None
        asked = fault.retry_after if isinstance(fault, TransientError) else None
        grown = tenacity.wait_exponential_jitter(self.backoff, max=60, jitter=self.backoff / 2)(state)
        return max(grown, asked or 0.0)

    def _ask_once(self, send: Callable[[float], T]) -> T:
        began = self.traffic.begin()
        try:
            return send(began)
        except TransientError as error:
            if error.refused:
                self.traffic.refused(began, error.retry_after)
            raise
        finally:
            self.traffic.end()
