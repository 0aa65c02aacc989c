"""All that is changed in the engine itself. `docs/engine.md` has a line for each: what, why, what it saves.

Each function first looks whether the part of the engine is there and takes the arguments that it is known to take. It
returns False and changes nothing if not. A run is slower then, or refuses something, but its results are the same.
"""

import asyncio
import atexit
import ctypes
import gc
import heapq
import inspect
import itertools
import logging
import os
import re
import signal
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, suppress
from functools import lru_cache, wraps
from pathlib import Path
from types import CodeType
from typing import Any

from snakemake.logging import LogEvent

from ifcb_abundance.common import stopping
from ifcb_abundance.engine.lock import Claim
from ifcb_abundance.engine.script_process import ScriptProcesses
from ifcb_abundance.engine.translations import Translation, translation_of

SPARE_JOBS = 8  # offered beyond the free cores: the first jobs may need what other jobs use up
# Parts of a job, and of the reason for it, that are worked out when they are asked for.
WORKED_OUT = ("_params", "_non_derived_params", "_resources", "_log", "_output_by_path")
WORKED_OUT_WHY = ("_updated_input", "_updated_input_run", "_missing_output", "_incomplete_output")
M_TOP_PAD, M_ARENA_MAX = -2, -8  # glibc's malloc.h
# Sets of a job that are empty but for rules with temporary files, pipes and the like.
MOSTLY_EMPTY = ("temp_output", "protected_output", "touch_output", "pipe_or_service_output", "_queue_input")
# How many threads libraries of linear algebra use: the engine sets these for a script.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def takes(part: object, *parameters: str) -> bool:
    """Whether a function or method of the engine takes exactly these arguments."""
    try:
        return list(inspect.signature(part).parameters) == list(parameters)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False


def keep_translations(engine: Any, folder: Path) -> bool:
    """Translate the files of rules in a folder once, not at each start. engine: its module `workflow`."""
    parse, include = getattr(engine, "parse", None), getattr(getattr(engine, "Workflow", None), "include", None)
    if not takes(parse, "path", "workflow", "linemap", "overwrite_shellcmd", "rulecount"):
        return False
    if not {"parse", "compile", "exec"} <= set(getattr(getattr(include, "__code__", None), "co_names", ())):
        return False

    def compile_once(code: Any, path: Any, mode: str) -> CodeType:
        return code if isinstance(code, CodeType) else compile(code, path, mode)

    def parse_once(
        path: Any, workflow: Any, linemap: dict[int, int], overwrite_shellcmd: str | None = None, rulecount: int = 0
    ) -> tuple[str | CodeType, int]:
        file = str(path.get_path_or_uri(secret_free=True))

        def translate() -> Translation:
            # Into the engine's own map, which it reads if the code is no Python.
            code, count = parse(path, workflow, linemap)  # type: ignore[misc]
            return compile_once(code, file, "exec"), dict(linemap), count

        if Path(file).parent != folder or overwrite_shellcmd is not None:
            return parse(path, workflow, linemap, overwrite_shellcmd, rulecount)  # type: ignore[misc, no-any-return]
        code, lines, count = translation_of(Path(file), translate)
        linemap.update(lines)
        return code, rulecount + count

    engine.parse, engine.compile = parse_once, compile_once
    return True


def skip_notebooks(scripts: Any) -> bool:
    """Keep the engine from importing what reads notebooks when it looks at a Python script. scripts: its `script`."""
    get_language = getattr(scripts, "get_language", None)
    if not takes(get_language, "source_file", "source"):
        return False

    def language(source_file: Any, source: Any) -> Any:
        if str(source_file.get_filename()).endswith(".py"):
            return "python"
        return get_language(source_file, source)  # type: ignore[misc]

    scripts.get_language = language
    return True


def save_memory_work() -> None:
    """Settings of Python and of the C library, not of the engine: less looking for garbage, memory kept for reuse."""
    # What is imported, and the graph of jobs, are large and live as long as the run: looking through them for garbage
    # finds none. At the end of the process it all goes anyway.
    gc.freeze()
    gc.set_threshold(50_000, 50, 1000)
    atexit.register(gc.freeze)
    # The memory for one bin's scores is kept for the next bin. By default glibc gives it back to the system and takes
    # it again page by page. It also keeps some for each thread: four stores are enough for all, since Python is mostly
    # in one of them at a time. pyarrow uses the same stores, in place of those of its own. Other systems have no such
    # settings.
    with suppress(AttributeError, OSError, TypeError):
        library = ctypes.CDLL(None)
        library.mallopt(M_TOP_PAD, 64 << 20)
        library.mallopt(M_ARENA_MAX, 4)
        os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")  # read when pyarrow is imported
        if arrow := sys.modules.get("pyarrow"):  # by the engine's executor for SLURM
            arrow.set_memory_pool(arrow.system_memory_pool())


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


class ReadyJobs(set[Any]):
    """The engine's jobs that are ready, which also knows the first ones of each rule, by priority."""

    def __init__(self, jobs: Iterable[Any] = ()) -> None:
        super().__init__()
        self._queues: defaultdict[str, list[tuple[float, int, Any]]] = defaultdict(list)
        self._number = itertools.count()
        self.update(jobs)

    def add(self, job: Any) -> None:
        """Add a job."""
        super().add(job)
        rule = "groups of jobs" if job.is_group() else job.name
        heapq.heappush(self._queues[rule], (-job.priority, next(self._number), job))

    def update(self, *jobs: Iterable[Any]) -> None:
        """Add some jobs."""
        for job in itertools.chain(*jobs):
            self.add(job)

    def clear(self) -> None:
        """Remove all jobs."""
        super().clear()
        self._queues.clear()

    def first(self, most: int) -> list[Any]:
        """So many jobs of each rule, those of highest priority, and among equals those that were ready first."""
        found: list[Any] = []
        for queue in self._queues.values():
            offered: list[tuple[float, int, Any]] = []
            while queue and len(offered) < most:
                entry = heapq.heappop(queue)
                if entry[-1] in self:  # otherwise the job was started, and left the set
                    offered.append(entry)
            for entry in offered:
                heapq.heappush(queue, entry)
            found += [job for *_, job in offered]
        return found


def offer_first_jobs(scheduler: Any, dag: Any) -> bool:
    """Offer to the scheduler the first ready jobs of each rule, some more than there are free cores, and not all.

    It handles each job that it is offered, and then takes a sample of them. That is done each time that a job ends, so
    without the patch a run of n bins takes n times n steps. It also finishes the days one after the other, which a
    sample does not.
    """
    kind, sample = type(scheduler), getattr(scheduler, "subsample", None)
    if not sample or not isinstance(getattr(kind, "open_jobs", None), property):
        return False
    if not isinstance(getattr(scheduler, "resources", {}).get("_cores"), int):
        return False
    if type(getattr(dag, "_ready_jobs", None)) is not set:
        return False
    ready = ReadyJobs(dag._ready_jobs)
    dag._ready_jobs = ready

    class Scheduler(kind):  # type: ignore[misc, valid-type]
        @property
        def open_jobs(self) -> list[Any]:
            if dag._ready_jobs is not ready:
                return super().open_jobs  # type: ignore[no-any-return]
            return ready.first(min(sample, self.resources["_cores"] + SPARE_JOBS))  # type: ignore[no-any-return]

    scheduler.__class__ = Scheduler
    return True


def skip_job_infos(job_class: Any, logger: logging.Logger) -> bool:
    """Log of a job that starts only what `hooks.JobEvents` reads, if nobody would print the rest.

    The engine formats the message of the rule, the reason and the lists of files of each job. The profile has them left
    out (`quiet: rules`); then no handler of the logger takes the event.
    """
    whole = getattr(job_class, "log_info", None)
    if not takes(whole, "self", "indent", "printshellcmd"):
        return False
    event = logger.makeRecord("", logging.INFO, "", 0, "", (), None, extra={"event": LogEvent.JOB_INFO})
    if any(handler.filter(event) for handler in logger.handlers):
        return False

    def log_info(self: Any, indent: bool = False, printshellcmd: bool = True) -> None:
        """Log that the job starts."""
        if self.rule.is_checkpoint or self.rule.is_handover:  # the engine says something more of them
            whole(self, indent, printshellcmd)  # type: ignore[misc]
            return
        said = {"jobid": self.jobid, "rule_name": self.rule.name, "output": list(map(str, self.output))}
        logger.info("", extra={"event": LogEvent.JOB_INFO, **said})

    job_class.log_info = log_info
    return True


def remember_signatures(*modules: Any) -> bool:
    """Have the engine look up once which arguments a function of a rule takes, and not for each job.

    modules: those of the engine that look it up.
    """
    look_up = getattr(modules[0], "get_function_params", None)
    if not takes(look_up, "func") or any(getattr(each, "get_function_params", None) is not look_up for each in modules):
        return False
    remembered = lru_cache(maxsize=1000)(look_up)  # type: ignore[arg-type]
    for module in modules:
        module.get_function_params = remembered
    return True


def release_what_is_worked_out(dag: Any, job_class: Any) -> bool:
    """Have jobs give up what the engine works out again when it is asked for it: params, resources, logs.

    A job does so when it is finished. When a checkpoint has brought jobs into the graph, all do that are not running:
    until they start nobody needs it, and then params and resources are worked out anew anyway. Without the patch a run
    needs some kB more for each bin that it reads.
    """
    finish, reason = getattr(dag, "finish", None), getattr(dag, "reason", None)
    if not isinstance(getattr(dag, "_running", None), set):
        return False
    if not takes(finish, "job", "update_checkpoint_dependencies") or not takes(reason, "job"):
        return False
    if not all(inspect.ismemberdescriptor(getattr(job_class, name, None)) for name in WORKED_OUT):
        return False

    def members(job: Any) -> list[Any]:
        return list(job) if job.is_group() else [job]

    def release(job: Any) -> None:
        job._scheduler_resources = None
        for name in WORKED_OUT:
            setattr(job, name, None)
        why = reason(job)  # type: ignore[misc]
        for name in WORKED_OUT_WHY:
            if not getattr(why, name, True):
                setattr(why, name, None)

    async def finish_and_release(job: Any, update_checkpoint_dependencies: bool = True) -> Any:
        """Finish a job or a group of jobs."""
        result = await finish(job, update_checkpoint_dependencies)  # type: ignore[misc]
        jobs = members(job)
        if any(each.is_checkpoint for each in jobs):
            running = {each for started in dag._running for each in members(started)}
            jobs = [each for each in dag.needrun_jobs() if each not in running]
        for each in jobs:
            release(each)
        return result

    dag.finish = finish_and_release
    return True


def skip_environments(job_class: Any, rule_class: Any) -> bool:
    """Keep jobs of rules without an environment from working out their params, to see that they have none.

    The engine asks each job when it enters the graph, so without the patch all jobs hold their params until they start.
    """
    environment = getattr(job_class, "conda_env_spec", None)
    if not isinstance(environment, property) or not isinstance(getattr(rule_class, "conda_env", None), property):
        return False
    if not takes(getattr(rule_class, "expand_conda_env", None), "self", "wildcards", "params", "input"):
        return False
    work_out = environment.fget

    def own(self: Any) -> Any:
        return None if self.rule.conda_env is None else work_out(self)  # type: ignore[misc]

    job_class.conda_env_spec = property(own)
    return True


def skip_logs_of_waiting_jobs(dag_class: Any, job_class: Any) -> bool:
    """Keep jobs from working out their logs when they enter the graph, only to be found by them.

    Nothing asks for a log as an input, and if it did, the job would be found by its wildcards.
    """
    cache = getattr(dag_class, "cache_job", None)
    if not takes(cache, "self", "job") or not takes(getattr(job_class, "products", None), "self", "include_logfiles"):
        return False
    if "job_cache" not in cache.__code__.co_names:  # type: ignore[union-attr]
        return False

    def cache_job(self: Any, job: Any) -> None:
        """Let the job be found by what it makes."""
        for path in job.products(include_logfiles=False):
            self.job_cache[job.rule, path] = job

    dag_class.cache_job = cache_job
    return True


def share_empty_sets(job_class: Any) -> bool:
    """Let jobs share one empty set. Without it each job holds five, 1 kB. They are filled only when a job is made."""
    make = getattr(job_class, "__init__", None)
    if not takes(make, "self", "rule", "dag", "wildcards_dict", "format_wildcards", "targetfile", "groupid"):
        return False
    empty: frozenset[Any] = frozenset()

    @wraps(make)  # type: ignore[arg-type]
    def init(self: Any, *args: Any, **options: Any) -> None:
        make(self, *args, **options)  # type: ignore[misc]
        for name in MOSTLY_EMPTY:
            if getattr(self, name, None) == empty:
                setattr(self, name, empty)

    job_class.__init__ = init
    return True


def share_guards(guard_class: Any) -> bool:
    """Let all lists of files, wildcards and params share two objects that are equal in each of them.

    They forbid to call the methods `sort` and `index`. Without it a job holds a dozen of them, 2 kB.
    """
    if not takes(guard_class, "name") or "__new__" in vars(guard_class):
        return False
    shared: dict[str, Any] = {}

    def new(cls: Any, name: str | None = None) -> Any:
        """The guard of a method; a new one for a copy, which gets its name later."""
        if name is None:
            return object.__new__(cls)
        if name not in shared:
            shared[name] = object.__new__(cls)
        return shared[name]

    guard_class.__new__ = new
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


def end_lost_tasks(workflow: Any) -> bool:
    """Have the end of a run wait for two seconds, and not for ever, for tasks that were cancelled.

    Ctrl-C can come between two steps of an event loop. The step that was to come is lost then, and its task never ends.
    """
    runners, tear_down = getattr(workflow, "_async_runners", None), getattr(workflow, "tear_down", None)
    if not isinstance(runners, dict) or not takes(tear_down):
        return False

    def leave_lost_tasks() -> None:
        for thread, runner in list(runners.items()):
            loop: asyncio.AbstractEventLoop | None = getattr(runner, "_loop", None)
            if loop is None:
                continue
            tasks = asyncio.all_tasks(loop)
            for task in tasks:
                task.cancel()
            if tasks and loop.run_until_complete(asyncio.wait(tasks, timeout=2.0))[1]:
                for task in tasks:
                    task._log_destroy_pending = False  # type: ignore[attr-defined]
                del runners[thread]  # so it is not closed; the process ends anyway
        tear_down()  # type: ignore[misc]

    workflow.tear_down = leave_lost_tasks
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
