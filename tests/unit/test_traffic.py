"""How many requests go at a time, and how fast."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise

import pytest

import traffic
from traffic import Traffic


class Clock:
    """Time that passes only when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(traffic.time, "monotonic", clock.monotonic)
    return clock


def at_once(requests: Traffic, asked: int = 20) -> int:
    """How many of so many callers get leave before any request is over."""
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
def in_flight(requests: Traffic, number: int) -> Iterator[list[float]]:
    yield [requests.begin() for _ in range(number)]
    for _ in range(number):
        requests.end()


def test_callers_set_the_number_while_the_server_keeps_up() -> None:
    requests = Traffic()
    with in_flight(requests, 8) as began:
        for time_of_request in began:
            requests.answered(time_of_request)
    assert at_once(requests) == 20


def test_a_refusal_halves_the_number_once_for_all_requests_that_went_before_it(clock: Clock) -> None:
    requests = Traffic()
    with in_flight(requests, 8) as began:
        clock.now += 1
        for time_of_request in began:
            requests.refused(time_of_request, None)
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
    requests = Traffic()
    with in_flight(requests, 8) as began:
        clock.now += 1
        requests.refused(began[0], None)
    # An answer adds one part in as many as may go: 4, 4.25, 4.49, 4.71, 4.92, 5.12, ... so each round adds about one.
    for answers, expected in ((4, 4), (1, 5), (4, 5), (1, 6), (6, 6), (1, 7), (6, 7), (1, 20)):
        for _ in range(answers):
            clock.now += 0.1
            requests.answered(clock.now - 0.1)
        assert at_once(requests) == expected


def test_answers_much_slower_than_usual_are_a_sign_of_overload(clock: Clock) -> None:
    requests = Traffic()
    for _ in range(50):
        clock.now += 0.5
        requests.answered(clock.now - 0.5)
    with in_flight(requests, 8) as began:
        clock.now += 1.4  # not three times as long
        requests.answered(began[0])
        assert at_once(requests, 1) == 1
        clock.now += 0.3
        requests.answered(began[1])
    assert at_once(requests) == 4


def test_a_server_that_is_slow_for_good_becomes_usual(clock: Clock) -> None:
    requests = Traffic()
    for seconds in [0.1] * 20 + [5.0] * 200:
        with in_flight(requests, 1) as (began,):
            clock.now += seconds
            requests.answered(began)
    assert at_once(requests) == 20


def test_fast_answers_are_never_slow(clock: Clock) -> None:
    requests = Traffic()
    for seconds in [0.001] * 20 + [0.9]:
        clock.now += seconds
        requests.answered(clock.now - seconds)
    assert at_once(requests) == 20


def test_requests_begin_no_faster_than_allowed() -> None:
    requests = Traffic(per_second=50)
    began: list[float] = []

    def call(_: int) -> None:
        began.append(requests.begin())
        requests.end()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(call, range(20)))
    began.sort()
    assert len(began) == 20
    assert all(after - before >= 0.02 - 1e-6 for before, after in pairwise(began))


def test_nothing_goes_before_the_time_that_the_server_asked_for() -> None:
    requests = Traffic()
    with in_flight(requests, 1) as (began,):
        requests.refused(began, 0.3)
        refused_at = time.monotonic()
    later = requests.begin()
    assert later - refused_at >= 0.29
