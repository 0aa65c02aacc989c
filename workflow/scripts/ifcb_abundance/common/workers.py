"""Do pieces of work in processes of their own, for work that one Python cannot do on several cores.

A worker is a plain child process that reads pieces from its standard input. It writes no files, and it ends as soon as
that input does, so that nothing goes on when this process is killed. `multiprocessing` would import the main module,
here all of the engine, into each worker, and leave the workers behind.
"""

import gc
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import IO, Any, TypeVar

from ifcb_abundance.common.errors import StateError

Piece = TypeVar("Piece")
Result = TypeVar("Result")

# What comes back from a worker that is gone.
GONE = (EOFError, BrokenPipeError, pickle.UnpicklingError)
PACKAGES = Path(__file__).parents[2]
PYTHON = sys.executable  # as it is before the engine room escapes it for a shell
_own = threading.local()  # of a thread: its worker
_lock = threading.Lock()  # of what follows
_workers: list[subprocess.Popen[bytes]] = []  # all that were started
_calls = {"open": 0}  # of `in_order`


def in_order(work: Callable[[Piece], Result], pieces: Iterable[Piece], processes: int) -> Iterator[Result]:
    """Give the results of `work` on each piece, in the order of the pieces; few of them are in memory at a time.

    work: a function of a module, or a `partial` of one. processes: how many work at most; with one, this process does
    it all. Raises what `work` raises, and StateError if a worker is gone. Workers are kept for later calls, so many
    small calls cost little.
    """
    if processes <= 1:
        yield from map(work, pieces)
        return
    processes = min(processes, os.cpu_count() or 1)
    with _lock:
        _calls["open"] += 1
    pool = _pool(processes)
    waiting: deque[Future[Result]] = deque()
    try:
        for piece in pieces:
            waiting.append(pool.submit(_ask, work, piece))
            if len(waiting) > processes + 1:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()
        with _lock:
            _calls["open"] -= 1


def end_if_idle() -> None:
    """End all workers, unless results are awaited of one. A later call of `in_order` starts new ones."""
    with _lock:
        if _calls["open"]:
            return
        for worker in _workers:
            assert worker.stdin
            with suppress(BrokenPipeError):
                worker.stdin.close()
            worker.wait()
        _workers.clear()


@cache
def _pool(processes: int) -> ThreadPoolExecutor:
    """Make the threads that each talk to a worker; all jobs of a run share them."""
    return ThreadPoolExecutor(processes, "worker")


def _ask(work: Callable[[Piece], Result], piece: Piece) -> Result:
    worker: subprocess.Popen[bytes] | None = getattr(_own, "worker", None)
    if worker is None or worker.poll() is not None:
        variables = {**os.environ, "PYTHONPATH": os.pathsep.join([str(PACKAGES), os.environ.get("PYTHONPATH", "")])}
        command = [PYTHON, "-P", "-c", f"from {__name__} import serve; serve()"]
        worker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=variables)
        _own.worker = worker
        _workers.append(worker)
    assert worker.stdin
    assert worker.stdout
    try:
        pickle.dump((str(Path.cwd()), work, piece), worker.stdin, pickle.HIGHEST_PROTOCOL)
        worker.stdin.flush()
        done, result = pickle.load(worker.stdout)
    except GONE as error:
        _own.worker = None
        raise StateError(
            "A worker process was ended from outside, perhaps because the machine is short of memory. Run the same "
            "command again, with fewer --cores"
        ) from error
    if not done:
        raise result
    return result  # type: ignore[no-any-return]


def serve() -> None:
    """Work on the pieces that come through standard input until it ends."""
    # Who stops a run may tell all of its processes. The one that started this one decides, and this one ends with it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    gc.set_threshold(50_000, 50, 1000)  # what is imported is no garbage: to look for it took 5 % of the time
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints is no answer
    while (asked := _next(sys.stdin.buffer)) is not None:
        folder, work, piece = asked
        os.chdir(folder)  # a worker outlives the call that it was started for
        try:
            answer = (True, work(piece))
        except Exception as error:
            answer = (False, error)
        try:
            pickle.dump(answer, answers, pickle.HIGHEST_PROTOCOL)
            answers.flush()
        except BrokenPipeError:
            return


def _next(stream: IO[bytes]) -> Any:
    try:
        return pickle.load(stream)
    except EOFError:
        return None
