"""How many requests run at a time, and how fast."""

import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise

import pytest

from ifcb_abundance.sources import concurrency
from ifcb_abundance.sources.concurrency import AdaptiveConcurrencyLimiter, Slot


class Clock:
    """Time that passes only when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(concurrency.time, "monotonic", clock.monotonic)
    return clock


def at_once(requests: AdaptiveConcurrencyLimiter, asked: int = 20) -> int:
    """How many of so many callers get a slot before any request is over."""
    gone, over = [], threading.Event()

    def call() -> None:
        requests.begin()
        gone.append(1)
        over.wait()
        requests.end()

    with ThreadPoolExecutor(asked) as pool:
        for _ in range(asked):
            pool.submit(call)
        time.sleep(0.3)
        number = len(gone)
        over.set()
    return number


@contextmanager
def in_flight(requests: AdaptiveConcurrencyLimiter, number: int) -> Iterator[list[Slot]]:
    yield [requests.begin() for _ in range(number)]
    for _ in range(number):
        requests.end()


def test_callers_set_the_number_while_the_server_keeps_up() -> None:
    requests = AdaptiveConcurrencyLimiter()
    with in_flight(requests, 8) as began:
        for slot in began:
            requests.answered(slot)
    assert at_once(requests) == 20


def test_a_refusal_halves_the_number_once_for_all_requests_that_went_before_it(clock: Clock) -> None:
    requests = AdaptiveConcurrencyLimiter()
    with in_flight(requests, 8) as began:
        clock.now += 1
        for slot in began:
            requests.refused(slot, None)
    assert at_once(requests) == 4
    clock.now += 1
    with in_flight(requests, 4) as began:
        clock.now += 1
        requests.refused(began[0], None)
    assert at_once(requests) == 2
    for _ in range(5):  # never none
        clock.now += 1
        with in_flight(requests, 1) as began:
            requests.refused(began[0], None)
    assert at_once(requests) == 1


def test_good_answers_bring_the_number_back(clock: Clock) -> None:
    requests = AdaptiveConcurrencyLimiter()
    with in_flight(requests, 8) as began:
        clock.now += 1
        requests.refused(began[0], None)
    # An answer adds one part in as many as may go: 4, 4.25, 4.49, 4.71, 4.92, 5.12, ... so each round adds about one.
    for answers, expected in ((4, 4), (1, 5), (4, 5), (1, 6), (6, 6), (1, 7), (6, 7), (1, 20)):
        for _ in range(answers):
            clock.now += 0.1
            requests.answered(Slot(clock.now - 0.1))
        assert at_once(requests) == expected


def test_answers_much_slower_than_usual_are_a_sign_of_overload(clock: Clock) -> None:
    requests = AdaptiveConcurrencyLimiter()
    for _ in range(50):
        clock.now += 0.5
        requests.answered(Slot(clock.now - 0.5))
    with in_flight(requests, 8) as began:
        clock.now += 1.4  # not three times as long
        requests.answered(began[0])
        assert at_once(requests, 1) == 1
        clock.now += 1.5  # 2.9: not three times as long as two that queue
        requests.answered(began[1])
        assert at_once(requests, 1) == 1
        clock.now += 3.1  # 6.0: longer than three times three of them
        requests.answered(began[2])
    assert at_once(requests) == 4


def test_requests_that_queue_at_one_worker_are_no_overload(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    requests = AdaptiveConcurrencyLimiter()
    with in_flight(requests, 1) as (slot,):
        clock.now += 2
        requests.answered(slot)
    for _ in range(100):
        with in_flight(requests, 8) as began:
            for slot in began:  # one after the other, two seconds each
                clock.now += 2
                requests.answered(slot)
    assert caplog.messages == []
    with in_flight(requests, 8) as began:
        clock.now += 60  # more than three times as long as all eight of them
        requests.answered(began[-1])
    (message,) = caplog.messages
    assert re.match(r"the server is overloaded \(answers begin after 60.0 s, usually after 1[5-7]\.. s\)", message)


def test_one_request_after_many_at_a_time_need_not_be_faster(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """A server of many workers answers each request in its own time, however many there are."""
    requests = AdaptiveConcurrencyLimiter()
    for _ in range(100):
        with in_flight(requests, 8) as began:
            clock.now += 2
            for slot in began:
                requests.answered(slot)
    with in_flight(requests, 1) as (slot,):
        clock.now += 5
        requests.answered(slot)
    assert caplog.messages == []


def test_a_server_that_is_slow_for_good_becomes_usual(clock: Clock) -> None:
    requests = AdaptiveConcurrencyLimiter()
    for seconds in [0.1] * 20 + [5.0] * 200:
        with in_flight(requests, 1) as (slot,):
            clock.now += seconds
            requests.answered(slot)
    assert at_once(requests) == 20


def test_fast_answers_are_never_slow(clock: Clock) -> None:
    requests = AdaptiveConcurrencyLimiter()
    for seconds in [0.001] * 20 + [0.9]:
        clock.now += seconds
        requests.answered(Slot(clock.now - seconds))
    assert at_once(requests) == 20


def test_requests_begin_no_faster_than_allowed() -> None:
    requests = AdaptiveConcurrencyLimiter(per_second=50)
    began: list[float] = []

    def call(_: int) -> None:
        began.append(requests.begin().started)
        requests.end()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(call, range(20)))
    began.sort()
    assert len(began) == 20
    assert all(after - before >= 0.02 - 1e-6 for before, after in pairwise(began))


def test_nothing_goes_before_the_time_that_the_server_asked_for() -> None:
    requests = AdaptiveConcurrencyLimiter()
    with in_flight(requests, 1) as (began,):
        requests.refused(began, 0.3)
        refused_at = time.monotonic()
    later = requests.begin().started
    assert later - refused_at >= 0.29
