"""Requests to a server that does not answer: how often, how long, and when the run gives up."""

import itertools
import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
import tenacity

from ifcb_abundance.common import stopping
from ifcb_abundance.common.errors import (
    NoConnectionError,
    RequestError,
    StateError,
    TransientError,
    UnreachableError,
    kind_of,
)
from ifcb_abundance.sources.concurrency import Slot
from ifcb_abundance.sources.retry import ENOUGH, RequestOptions, Retrier


class Server:
    """What `send` meets, and how often: a fault for each request, or None for an answer."""

    def __init__(self, retrier: Retrier, faults: Iterator[RequestError | None]) -> None:
        self.retrier, self.faults = retrier, faults
        self.requests = 0
        self.lock = threading.Lock()

    def send(self, slot: Slot) -> str:
        with self.lock:
            self.requests += 1
            fault = next(self.faults)
        if fault:
            raise fault
        self.retrier.answered(slot, good=True)
        return "answer"


def refusing(enough: int = 1, for_good: bool = False) -> Iterator[RequestError]:
    while True:
        yield NoConnectionError("http://x/bin: refused", "http://x refuses", "Check it", enough, for_good)


def impatient(retries: int = 2) -> Retrier:
    return Retrier(RequestOptions(retries=retries, backoff=0.001))


def test_refused_connections_before_any_answer_give_the_server_up_after_the_tries_of_one_request() -> None:
    retrier = impatient()
    server = Server(retrier, refusing())
    with pytest.raises(UnreachableError) as told:
        retrier.retry(server.send)
    assert str(told.value) == "http://x refuses (tried 3 times): nothing more is asked of it in this run. Check it"
    assert retrier.given_up == str(told.value)
    with pytest.raises(UnreachableError, match="nothing more is asked"):
        retrier.retry(server.send)
    assert server.requests == 3


def test_a_server_that_is_silent_is_given_up_after_three_requests_in_a_row() -> None:
    retrier = impatient()
    server = Server(retrier, refusing(ENOUGH))
    for _ in range(2):
        with pytest.raises(UnreachableError, match=r"^http://x/bin: refused \(tried 3 times\)$"):
            retrier.retry(server.send)
        assert retrier.given_up == ""
    with pytest.raises(UnreachableError, match=r"refuses \(3 requests in a row, each tried 3 times\): nothing more"):
        retrier.retry(server.send)
    assert server.requests == 9


def test_while_somebody_waits_a_server_that_never_answered_is_given_up_when_it_is_silent() -> None:
    def silence() -> Iterator[RequestError]:
        fault = NoConnectionError("http://x/bin: silent", "http://x is silent", "Check it", ENOUGH, silent=True)
        return itertools.repeat(fault)

    retrier = impatient()
    retrier.hasty = True
    server = Server(retrier, silence())
    with pytest.raises(UnreachableError, match=r"^http://x is silent: nothing more is asked of it in this run\. Check"):
        retrier.retry(server.send)
    assert server.requests == 1
    retrier = impatient()
    retrier.hasty = True
    assert retrier.retry(Server(retrier, iter([None])).send) == "answer"
    server = Server(retrier, silence())
    with pytest.raises(UnreachableError, match="tried 3 times"):
        retrier.retry(server.send)


def test_what_cannot_get_better_is_not_tried_again() -> None:
    retrier = impatient()
    server = Server(retrier, refusing(0))
    with pytest.raises(UnreachableError, match=r"^http://x refuses: nothing more is asked"):
        retrier.retry(server.send)
    assert server.requests == 1


def test_a_server_that_answered_is_waited_for_whatever_keeps_it_away() -> None:
    retrier = impatient()
    server = Server(retrier, iter([None, *(next(refusing(0)) for _ in range(9))]))
    assert retrier.retry(server.send) == "answer"
    for given_up in (False, False, True):
        with pytest.raises(UnreachableError):
            retrier.retry(server.send)
        assert bool(retrier.given_up) == given_up
    assert server.requests == 10


def test_an_untrusted_certificate_is_never_tried_again() -> None:
    retrier = impatient()
    server = Server(retrier, iter([None, next(refusing(0, for_good=True))]))
    retrier.retry(server.send)
    with pytest.raises(UnreachableError, match="nothing more"):
        retrier.retry(server.send)


@pytest.mark.parametrize(
    "between", [TransientError("HTTP 500", kind="HTTP 500"), TransientError("reset by peer"), None]
)
def test_a_connection_in_between_begins_the_count_anew(between: RequestError | None) -> None:
    retrier = impatient(retries=0)
    fault = next(refusing(ENOUGH))
    server = Server(retrier, iter([fault, fault, between, fault, fault, fault]))
    for number in range(6):
        with suppress(UnreachableError, RequestError):
            retrier.retry(server.send)
        assert bool(retrier.given_up) == (number == 5)


def test_waits_grow_to_a_minute_or_are_as_long_as_the_config_says() -> None:
    state = tenacity.RetryCallState(None, None, (), {})  # type: ignore[arg-type]

    def waits(backoff: float) -> list[float]:
        retrier = Retrier(RequestOptions(backoff=backoff))
        found = []
        for state.attempt_number in (1, 2, 8):
            found.append(retrier._wait(state))
        return found

    first, second, last = waits(1.0)
    assert 1 <= first <= 1.5
    assert 2 <= second <= 2.5
    assert last == 60
    assert waits(60.0) == [60, 60, 60]
    assert waits(300.0) == [300, 300, 300]


def test_eight_that_ask_at_once_are_told_once_and_woken(caplog: pytest.LogCaptureFixture) -> None:
    """One has used up its tries; the others, who would wait for an hour, need not."""
    retrier = Retrier(RequestOptions(retries=1, backoff=0.01))
    waits = itertools.chain([0.2], itertools.repeat(3600.0))
    retrier._wait = lambda _: next(waits)  # type: ignore[method-assign]
    server = Server(retrier, refusing())

    def ask(_: int) -> str:
        with pytest.raises(UnreachableError) as told:
            retrier.retry(server.send)
        return str(told.value)

    with ThreadPoolExecutor(8) as pool:
        texts = set(pool.map(ask, range(8)))
    assert texts == {retrier.given_up}
    assert server.requests == 9
    assert len(caplog.messages) == 1


@pytest.fixture
def asked_to_stop(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """What Ctrl-C sets."""
    monkeypatch.setattr(stopping, "ASKED", asked := threading.Event())
    return asked


def test_a_run_that_is_to_stop_tries_nothing_again(
    asked_to_stop: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    retrier = impatient()

    def send(slot: Slot) -> str:  # noqa: ARG001
        asked_to_stop.set()
        raise TransientError("HTTP 500")

    with pytest.raises(StateError, match="Stopped as you asked"):
        retrier.retry(send)
    assert caplog.messages == []  # no further try is announced


def test_a_run_that_is_to_stop_waits_no_longer(asked_to_stop: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    """One waits to try again; one waits for its turn, as a request each 20 s is allowed; one for the end of another."""
    monkeypatch.setattr(stopping, "LOOK", 0.01)
    asked = threading.Semaphore(0)
    failing, rare, full = (
        Retrier(options)
        for options in (
            RequestOptions(backoff=20, retries=1),
            RequestOptions(max_requests_per_second=1 / 20),
            RequestOptions(retries=0),
        )
    )

    def send(slot: Slot) -> str:
        asked.release()
        failing.answered(slot, good=False)
        raise TransientError("HTTP 500")

    rare.limiter.begin()
    full.limiter.refused(full.limiter.begin(), None)  # one at a time from now on
    with ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(retrier.retry, send) for retrier in (failing, rare, full)]
        asked.acquire()
        asked_to_stop.set()
        over, _ = futures.wait(waiting, timeout=5)
        full.limiter.end()
    assert over == set(waiting)
    for each in waiting:
        with pytest.raises(StateError, match="Stopped as you asked"):
            each.result()
    assert not asked.acquire(blocking=False)


def test_overload_is_said_only_of_a_server_that_answers(caplog: pytest.LogCaptureFixture) -> None:
    retrier = impatient(retries=0)

    def silent(slot: Slot) -> str:  # noqa: ARG001
        raise TransientError("timed out", refused=True)

    def busy(slot: Slot) -> str:
        retrier.answered(slot, good=False)
        raise TransientError("HTTP 503", refused=True, kind="HTTP 503")

    def ask(send: Callable[[Slot], str]) -> None:
        others = [retrier.limiter.begin() for _ in range(8)]
        with pytest.raises(RequestError):
            retrier.retry(send)
        for _ in others:
            retrier.limiter.end()

    ask(silent)
    assert caplog.messages == []
    ask(busy)
    (message,) = caplog.messages
    assert "the server is overloaded (it refuses requests or does not answer): 4 requests at a time" in message


def test_what_failed_is_counted_by_the_kind_of_the_request_behind_it() -> None:
    retrier = impatient(retries=1)

    def send(slot: Slot) -> str:
        retrier.answered(slot, good=False)
        raise TransientError("http://x/bin: HTTP 500", kind="HTTP 500")

    with pytest.raises(RequestError) as told:
        retrier.retry(send)
    outer = ValueError("bin D1: it")
    outer.__cause__ = told.value
    assert kind_of(outer) == "HTTP 500"
    assert kind_of(ValueError("else")) == "files or answers that cannot be used"
