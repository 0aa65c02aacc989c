"""Work in several processes: in order, with its errors, and with workers that stay or are gone."""

import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import psutil
import pytest

from ifcb_abundance.common import workers
from ifcb_abundance.common.errors import RawFileError, StateError


def own_id(piece: int) -> tuple[int, int]:
    return piece, os.getpid()


def refuse(piece: int) -> int:
    raise RawFileError(f"piece {piece}")


@pytest.fixture(autouse=True)
def _two_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers.os, "cpu_count", lambda: 2)
    # New workers, which have to find this module.
    monkeypatch.setattr(workers, "_pool", cache(workers._pool.__wrapped__))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path.cwd()), os.environ.get("PYTHONPATH", "")]))


def test_results_come_in_order_and_workers_stay() -> None:
    found = list(workers.in_order(own_id, range(40), 2))
    assert [piece for piece, _ in found] == list(range(40))
    ids = {own for _, own in found}
    assert os.getpid() not in ids
    assert 1 <= len(ids) <= 2
    assert {own for _, own in workers.in_order(own_id, range(40), 2)} <= ids | {o for _, o in found}
    assert {own for _, own in workers.in_order(own_id, range(3), 1)} == {os.getpid()}


def test_few_pieces_are_taken_before_results_are_asked_for() -> None:
    taken = []

    def pieces() -> Iterator[int]:
        for piece in range(100):
            taken.append(piece)
            yield piece

    results = workers.in_order(own_id, pieces(), 2)
    assert next(results)[0] == 0
    assert len(taken) <= 5
    results.close()


def test_an_error_of_the_work_is_raised_here() -> None:
    with pytest.raises(RawFileError, match="piece 0"):
        list(workers.in_order(refuse, range(5), 2))
    assert len(list(workers.in_order(own_id, range(5), 2))) == 5


def test_a_worker_that_is_gone_is_named() -> None:
    with pytest.raises(StateError, match="fewer --cores"):
        list(workers.in_order(os._exit, [3, 3], 2))
    assert len(list(workers.in_order(own_id, range(5), 2))) == 5


def test_idle_workers_end_and_busy_ones_do_not() -> None:
    first = workers.in_order(own_id, range(5), 2)
    _, worker = next(first)
    workers.end_if_idle()
    assert psutil.pid_exists(worker)
    assert [piece for piece, _ in first] == [1, 2, 3, 4]
    workers.end_if_idle()
    assert not psutil.pid_exists(worker)
    assert worker not in {own for _, own in workers.in_order(own_id, range(5), 2)}


KILLED = """
import os, signal
from tests.common.test_workers import own_id, workers
workers.os.cpu_count = lambda: 2
for _, worker in workers.in_order(own_id, [0], 2):
    print(worker, flush=True)
    os.kill(worker, signal.SIGINT)
    os.kill(worker, signal.SIGTERM)
print(*next(workers.in_order(own_id, [0], 2)), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_worker_ends_with_a_process_that_is_killed_and_not_before() -> None:
    """Who stops a run may tell all its processes: the run ends what it has begun."""
    package = str(Path(workers.__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path.cwd()), package])}
    killed = subprocess.run([sys.executable, "-c", KILLED], env=environment, stdout=subprocess.PIPE, text=True)
    first, _, second = map(int, killed.stdout.split())
    assert first == second
    try:
        worker = psutil.Process(first)
        if worker.status() != psutil.STATUS_ZOMBIE:  # where nobody reaps it
            worker.wait(20)
    except psutil.NoSuchProcess:
        pass
