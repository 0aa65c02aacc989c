"""All that is changed in the engine itself. `docs/engine.md` has a line for each: what, why, what it saves.

Each function first looks whether the part of the engine is there and takes the arguments that it is known to take. It
returns False and changes nothing if not. A run is slower then, or refuses something, but its results are the same.
"""

import ctypes
import gc
import inspect
import os
import re
import signal
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

from ifcb_abundance.common import stopping
from ifcb_abundance.engine.lock import Claim
from ifcb_abundance.engine.script_process import ScriptProcesses

M_TOP_PAD = -2  # glibc's malloc.h
# How many threads libraries of linear algebra use: the engine sets these for a script.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def takes(part: object, *parameters: str) -> bool:
    """Whether a function or method of the engine takes exactly these arguments."""
    try:
        return list(inspect.signature(part).parameters) == list(parameters)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False


def save_memory_work() -> None:
    """Settings of Python and of the C library, not of the engine: less looking for garbage, memory kept for reuse."""
    # The graph of jobs is large and lives as long as the run: looking through it for garbage finds none.
    gc.set_threshold(50_000, 50, 1000)
    # The memory for one bin's scores is kept for the next bin. By default glibc gives it back to the system and takes
    # it again page by page. Other systems have no such setting.
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).mallopt(M_TOP_PAD, 64 << 20)


def skip_input_sizes(scheduler: Any) -> bool:
    """Keep the scheduler from looking up the size of each input of each ready job, each time that a job ends.

    It uses the sizes to start larger jobs first, among jobs of equal priority. A ready day has 60 inputs.
    """
    if not isinstance(getattr(scheduler, "_input_sizes", None), dict):
        return False
    if not takes(getattr(scheduler, "update_input_sizes", None), "jobs"):
        return False

    async def leave_sizes(jobs: Iterable[Any]) -> None:
        """All inputs look alike to the scheduler."""

    scheduler._input_sizes = defaultdict(int)
    scheduler.update_input_sizes = leave_sizes
    return True


def skip_remaining_jobs(scheduler: Any) -> bool:
    """Keep the scheduler from listing all jobs that are still to do, each time that a job ends.

    The greedy scheduler, which the profile chooses, makes no use of the list. Without the patch a run of n bins looks
    at n times n jobs. With another scheduler, or without keep-going, which need the list, nothing is changed.
    """
    kind = type(scheduler)
    chosen = getattr(getattr(scheduler, "_job_selector", None), "__self__", None)
    greedy = getattr(scheduler, "_greedy_scheduler", None)
    if greedy is None or type(chosen) is not type(greedy) or not getattr(scheduler, "keepgoing", False):
        return False
    if not isinstance(getattr(kind, "remaining_jobs", None), property):
        return False

    class Scheduler(kind):  # type: ignore[misc, valid-type]
        @property
        def remaining_jobs(self) -> list[Any]:
            return []

    scheduler.__class__ = Scheduler
    return True


def skip_rate_limit(scheduler: Any) -> bool:
    """Drop the limit on jobs per second, which makes the scheduler plan again a second after every job.

    The profile sets it so high that it never limits, but only without it does the scheduler not plan twice.
    """
    if getattr(scheduler, "job_rate_limiter", None) is None or not hasattr(scheduler.job_rate_limiter, "timespan"):
        return False
    scheduler.job_rate_limiter = None
    return True


def hold_back(scheduler: Any, is_vain: Callable[[Any], bool]) -> bool:
    """Start no job of which `is_vain` says that it would fail, once one job has failed.

    Without it each such job starts, and fails at once.
    """
    kind = type(scheduler)
    if not isinstance(getattr(kind, "open_jobs", None), property) or not isinstance(
        getattr(scheduler, "failed", None), set
    ):
        return False

    class Scheduler(kind):  # type: ignore[misc, valid-type]
        @property
        def open_jobs(self) -> list[Any]:
            jobs = super().open_jobs
            # The first such job fails, so that the run does.
            return [job for job in jobs if not is_vain(job)] if self.failed else jobs

    scheduler.__class__ = Scheduler
    return True


def force(dag: Any, paths: Iterable[str]) -> bool:
    """Have the engine make files again, whatever its records say; to be called while it builds the graph."""
    forced = getattr(dag, "forcefiles", None)
    if not isinstance(forced, set):
        return False
    forced.update(paths)
    return True


def leave_out_of_records(persistence: Any, is_left_out: Callable[[Any, str], bool]) -> bool:
    """Leave inputs of jobs out of the engine's records, and of what it compares with them.

    is_left_out: called with a job and one of its inputs. Without it, a job that is asked for with other inputs than the
    last time is done again.
    """
    inputs_of = getattr(persistence, "_input", None)
    if not takes(inputs_of, "job"):
        return False

    def recorded(job: Any) -> list[str]:
        return [path for path in inputs_of(job) if not is_left_out(job, path)]  # type: ignore[misc]

    persistence._input = recorded
    return True


def accept_any_time(dag: Any) -> bool:
    """Let jobs succeed whose inputs are newer than the present: files of an archive may be from the future.

    Without it the engine refuses: the job fails, with a message that names both files and their times.
    """
    if not takes(getattr(dag, "check_output_mtime", None), "job", "expanded_output"):
        return False

    async def accept(job: Any, expanded_output: Any) -> None:
        """Any time is right."""

    dag.check_output_mtime = accept
    return True


def claim_before_lock(persistence: Any, claim: Claim, arguments: Sequence[str]) -> bool:
    """Claim the folder before the engine takes its lock: so a run at work is told from a lock that a killed one left.

    Without it the engine's own lock refuses both alike, and the claim is taken when the first job is about to start.
    """
    lock = getattr(persistence, "lock", None)
    if not takes(lock):
        return False

    def claim_and_lock() -> AbstractContextManager[None]:
        return claim.around(lock, arguments)  # type: ignore[arg-type]

    persistence.lock = claim_and_lock
    return True


def stop_in_a_thread() -> bool:
    """Have the engine's handler of SIGTERM run in a thread of its own.

    It waits for a lock, which the code that it interrupts may hold: then it would wait for ever.
    """
    stop = signal.getsignal(signal.SIGTERM)
    if not callable(stop):
        return False
    signal.signal(signal.SIGTERM, lambda *args: threading.Thread(target=stop, args=args).start())
    return True


def tell_jobs_to_stop() -> bool:
    """Have Ctrl-C and SIGTERM tell long jobs of this process too, before the engine waits for their end.

    Without it a job that fetches for hours is waited for.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        before = signal.getsignal(number)
        if callable(before):

            def tell(signum: int, frame: Any, before: Callable[..., Any] = before) -> None:
                stopping.ASKED.set()
                before(signum, frame)

            signal.signal(number, tell)
    return True


def escape_python() -> bool:
    """Put a backslash before each character of Python's path that means something to a shell, such as a blank.

    The engine puts the path as it is into the commands of scripts, and of jobs in processes of their own: they would
    not start. Not quotes, because the engine adds some of its own. Without it those jobs fail, and nothing else.
    """
    if not Path(sys.executable).exists():
        return False
    sys.executable = re.sub(r"[^\w/.+-]", r"\\\g<0>", sys.executable)
    return True


def share_python(script_class: Any, folder: Path, processes: ScriptProcesses) -> bool:
    """Run the scripts of a folder in processes that stay for the next script. script_class: the engine's PythonScript.

    Not those that have an environment of their own, or are measured. Without it each script starts a Python, and
    imports what it needs.
    """
    run_alone = getattr(script_class, "execute_script", None)
    if not takes(run_alone, "self", "fname", "edit"):
        return False
    special = ("conda_env", "container_img", "env_modules", "shadow_dir", "bench_record")

    def execute_script(self: Any, fname: str, edit: bool = False) -> None:
        """Run a script, here or alone."""
        try:
            is_ours = Path(self.path.get_path_or_uri(secret_free=True)).resolve().parent == folder
            alone = edit or not is_ours or any(getattr(self, name) is not None for name in special)
            threads = str(self.threads)
        except AttributeError:
            alone = True
        if alone:
            run_alone(self, fname, edit)  # type: ignore[misc]
        else:
            processes.run(fname, {**os.environ, **dict.fromkeys(THREADS, threads)})

    script_class.execute_script = execute_script
    return True
