"""What we change in the engine: only what is there as we know it; without it results are the same.

The first tests call each patch on a stand-in for its part of the engine, as it is and with another name or signature.
The others run the workflow with an engine whose parts have changed.
"""

# ruff: noqa: ARG001, ARG002 - stand-ins have the arguments of what they stand for
import asyncio
import copy
import inspect
import logging
import os
import re
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from ifcb_abundance.common import stopping
from ifcb_abundance.common.errors import StateError
from ifcb_abundance.engine import patches
from ifcb_abundance.engine.lock import Claim
from ifcb_abundance.engine.script_process import ScriptProcesses
from tests.archives import bin_row, write_archive
from tests.checkout import Checkout
from tests.dashboard.emulator import Emulator
from tests.sources.test_dashboard_run import config


class Greedy:
    def select_jobs(self) -> None:
        pass


class Limiter:
    timespan = 1


class Job:
    """A job of the engine, with its rule."""

    __slots__ = ("is_checkpoint", "name", "priority", *patches.WORKED_OUT, "_scheduler_resources")
    jobid, output = 7, ("a.csv",)

    def __init__(self, name: str = "bin", priority: int = 0, is_checkpoint: bool = False) -> None:
        self.name, self.priority, self.is_checkpoint = name, priority, is_checkpoint
        self._scheduler_resources: Any = {"_cores": 1}
        for part in patches.WORKED_OUT:
            setattr(self, part, "worked out")

    @property
    def rule(self) -> "Job":
        return self

    is_handover = False

    def is_group(self) -> bool:
        return False

    def log_info(self, indent: bool = False, printshellcmd: bool = True) -> None:
        logging.getLogger("ifcb-engine").info("all of it")


class Reason:
    def __init__(self) -> None:
        self._missing_output, self._updated_input = {"a.csv"}, set[str]()


class RuleOfEngine:
    """A rule of the engine: its environment, and what its jobs make of it."""

    def __init__(self, environment: str | None = None) -> None:
        self.environment = environment

    @property
    def conda_env(self) -> str | None:
        return self.environment

    def expand_conda_env(self, wildcards: Any, params: Any = None, input: Any = None) -> str | None:
        return self.environment


class NewJob:
    """A job of the engine when it is made, with its sets, and what is worked out for it when it is asked."""

    def __init__(
        self,
        rule: RuleOfEngine | None = None,
        dag: Any = None,
        wildcards_dict: Any = None,
        format_wildcards: Any = None,
        targetfile: Any = None,
        groupid: Any = None,
    ) -> None:
        self.rule, self.asked = rule or RuleOfEngine(), list[str]()
        self.temp_output, self.protected_output = {"a.tmp"}, set[str]()

    @property
    def conda_env_spec(self) -> str | None:
        self.asked.append("params")
        return self.rule.expand_conda_env({})

    def products(self, include_logfiles: bool = True) -> list[str]:
        self.asked.append(f"logs: {include_logfiles}")
        return ["a.csv"]


class NewDag:
    def __init__(self) -> None:
        self.job_cache: dict[Any, Any] = {}

    def cache_job(self, job: Any) -> None:
        for path in job.products():
            self.job_cache[job.rule, path] = job


class OtherDag(NewDag):
    """One that keeps jobs elsewhere."""

    def cache_job(self, job: Any) -> None:
        self.jobs = [job]


class Guard:
    def __init__(self, name: str) -> None:
        self.name = name


class Scheduler:
    """The parts of the engine's scheduler that are patched, named as in Snakemake 9."""

    def __init__(self) -> None:
        self._input_sizes: Any = {}
        self._greedy_scheduler: Any = Greedy()
        self._job_selector = Greedy().select_jobs  # the engine has one of its own, and the chosen one
        self.keepgoing = True
        self.subsample, self.resources = 50, {"_cores": 2}
        self.job_rate_limiter: Any = Limiter()
        self.failed: Any = set()

    @property
    def open_jobs(self) -> list[str]:
        return ["bin", "day"]

    @property
    def remaining_jobs(self) -> list[str]:
        return ["bin", "day", "table"]

    async def update_input_sizes(self, jobs: list[str]) -> None:
        raise AssertionError("the sizes of inputs are looked up")


class Dag:
    def __init__(self) -> None:
        self.forcefiles: Any = {"asked.csv"}
        self._ready_jobs: Any = set()
        self._running: Any = set()
        self.jobs: list[Job] = []
        self.why = Reason()

    async def finish(self, job: Any, update_checkpoint_dependencies: bool = True) -> str:
        return f"finished {job.name}"

    def reason(self, job: Any) -> Reason:
        return self.why

    def needrun_jobs(self) -> list[Job]:
        return self.jobs

    async def check_output_mtime(self, job: str, expanded_output: list[str]) -> None:
        raise AssertionError("times are compared")


class SourceFile:
    def __init__(self, path: Path) -> None:
        self.path = path

    def get_path_or_uri(self, secret_free: bool) -> str:
        return str(self.path)


class PythonScript:
    """The engine's script of a rule; `alone` are those that got a Python of their own."""

    conda_env = container_img = env_modules = shadow_dir = bench_record = None
    threads = 1
    alone: list[str] = []  # noqa: RUF012

    def __init__(self, path: Path = Path("draw.py")) -> None:
        self.path = SourceFile(path)

    def execute_script(self, fname: str, edit: bool = False) -> None:
        self.alone.append(fname)


# The engine's module `workflow`: it translates a file of rules, and runs what comes out. `parsed` are those it has.
WORKFLOW = """
def parse(path, workflow, linemap, overwrite_shellcmd=None, rulecount=0):
    file = path.get_path_or_uri(secret_free=True)
    parsed.append(file)
    linemap.update({1: 4, 2: 5})
    return f"FILE = {file!r}; COUNT = {rulecount}; {open(file).read()}\\ndef made(): return FILE", rulecount + 3


class Workflow:
    def __init__(self, rules=0):
        self.rules = rules

    def include(self, path):
        code, count = parse(path, self, linemap=(lines := {}), rulecount=self.rules)
        exec(compile(code, path.get_path_or_uri(secret_free=True), "exec"), made := {})
        return made["FILE"], made["made"].__code__.co_filename, made["COUNT"], made["CLASS"], lines, count


parsed = []
"""


def workflow_module(old: str = "", new: str = "") -> Any:
    """The engine's module, or one that is otherwise."""
    module = ModuleType("workflow")
    exec(WORKFLOW.replace(old, new), vars(module))
    return module


def keep_translations(module: Any) -> bool:
    return patches.keep_translations(module, Path("rules"))


class ScriptModule:
    """The engine's module `script`."""

    def get_language(self, source_file: Any, source: str) -> str:
        return f"language of {source_file.get_filename()}"


class Persistence:
    @contextmanager
    def lock(self) -> Iterator[None]:
        yield

    def _input(self, job: str) -> list[str]:
        return [f"{job}.csv", f"bins/{job}.parquet"]


def run_now(coroutine: Any) -> None:
    """Run a coroutine that waits for nothing."""
    with pytest.raises(StopIteration):
        coroutine.send(None)


def is_vain(job: str) -> bool:
    return job == "bin"


def lock_patch(store: Any) -> bool:
    return patches.claim_before_lock(store, Claim("results/demo", lambda: None), [])


def is_of_bin(job: str, path: str) -> bool:
    return path.startswith("bins/") and job == "day"


def leave_out(store: Any) -> bool:
    return patches.leave_out_of_records(store, is_of_bin)


def force(dag: Any) -> bool:
    return patches.force(dag, ["a.csv"])


def share_python(script: Any) -> bool:
    return patches.share_python(type(script), Path("scripts"), ScriptProcesses(1))


def hold_back(scheduler: Any) -> bool:
    return patches.hold_back(scheduler, is_vain)


class NamedOtherwise:
    def __init__(self, method: str) -> None:
        pass


class MadeOtherwise(Guard):
    def __new__(cls, name: str) -> "MadeOtherwise":  # noqa: ARG004
        return super().__new__(cls)


def offer(scheduler: Any) -> bool:
    return patches.offer_first_jobs(scheduler, Dag())


def release(dag: Any) -> bool:
    return patches.release_what_is_worked_out(dag, Job)


def release_of(job: Any) -> bool:
    return patches.release_what_is_worked_out(Dag(), type(job))


def skip_infos(job: Any) -> bool:
    return patches.skip_job_infos(type(job), logging.getLogger("ifcb-engine"))


def share(guard: Any) -> bool:
    return patches.share_guards(type(guard))


def skip_environments(job: Any) -> bool:
    return patches.skip_environments(type(job), RuleOfEngine)


def skip_environments_of(rule: Any) -> bool:
    return patches.skip_environments(type("NewJob", (NewJob,), {}), type(rule))


def skip_logs(dag: Any) -> bool:
    return patches.skip_logs_of_waiting_jobs(type(dag), NewJob)


def skip_logs_of(job: Any) -> bool:
    return patches.skip_logs_of_waiting_jobs(type("NewDag", (NewDag,), {}), type(job))


def share_sets(job: Any) -> bool:
    return patches.share_empty_sets(type(job))


def look_up(func: Callable[..., Any]) -> list[str]:
    LOOKED_UP.append(func)
    return ["wildcards"]


LOOKED_UP: list[Any] = []


# --- parts that are there as we know them ---


def test_input_sizes_are_not_looked_up() -> None:
    scheduler = Scheduler()
    assert patches.skip_input_sizes(scheduler)
    run_now(scheduler.update_input_sizes(["bin"]))
    assert scheduler._input_sizes["any.csv"] == 0


def test_remaining_jobs_are_not_listed() -> None:
    scheduler = Scheduler()
    assert patches.skip_remaining_jobs(scheduler)
    assert scheduler.remaining_jobs == []
    assert Scheduler().remaining_jobs == ["bin", "day", "table"]  # the class is as it was


def test_no_rate_limit() -> None:
    scheduler = Scheduler()
    assert patches.skip_rate_limit(scheduler)
    assert scheduler.job_rate_limiter is None


def test_vain_jobs_are_held_back_once_one_has_failed() -> None:
    scheduler = Scheduler()
    assert hold_back(scheduler)
    assert scheduler.open_jobs == ["bin", "day"]
    scheduler.failed.add("bin")
    assert scheduler.open_jobs == ["day"]


def test_both_patches_of_the_scheduler_class() -> None:
    scheduler = Scheduler()
    assert patches.skip_remaining_jobs(scheduler)
    assert hold_back(scheduler)
    scheduler.failed.add("bin")
    assert (scheduler.open_jobs, scheduler.remaining_jobs) == (["day"], [])


def test_the_first_jobs_of_each_rule_are_offered_by_priority() -> None:
    dag, scheduler = Dag(), Scheduler()
    bins = [Job("bin", priority=-n // 10) for n in range(100)]  # one job of priority 0, then ten of each
    days = [Job("day", 1) for _ in range(3)]
    dag._ready_jobs = set(bins)
    assert patches.offer_first_jobs(scheduler, dag)
    for day in days:
        dag._ready_jobs.add(day)

    def offered(rule: str) -> list[Job]:
        jobs: list[Any] = scheduler.open_jobs
        return [job for job in jobs if job.name == rule]

    # As many as there are free cores, and some more in case that the first ones need what others have.
    assert len(offered("bin")) == 2 + patches.SPARE_JOBS
    assert sorted(-job.priority for job in offered("bin")) == [0, *[1] * 9]
    assert offered("day") == days
    # Jobs that start leave the set; one that failed comes back; all leave when the graph is built anew.
    dag._ready_jobs -= {*bins[:1], *days[:2]}
    assert sorted(-job.priority for job in offered("bin")) == [1] * 10
    assert offered("day") == days[2:]
    dag._ready_jobs.add(bins[0])
    assert offered("bin")[0] is bins[0]
    scheduler.resources["_cores"] = sys.maxsize  # of a cluster
    assert len(offered("bin")) == 50
    dag._ready_jobs.clear()
    assert scheduler.open_jobs == []
    # All jobs are offered sooner or later, each once.
    dag._ready_jobs.update([*bins, *days])
    done: list[Any] = []
    while jobs := scheduler.open_jobs:
        done += jobs[:3]
        dag._ready_jobs -= set(jobs[:3])
    assert sorted(map(id, done)) == sorted(map(id, [*bins, *days]))


def test_only_what_is_read_is_logged_of_a_job_that_starts(caplog: pytest.LogCaptureFixture) -> None:
    job, checkpoint = (type("Job", (Job,), {})(is_checkpoint=each) for each in (False, True))
    logger = logging.getLogger("ifcb-engine")
    job_class = type(job)
    assert patches.skip_job_infos(job_class, logger)
    with caplog.at_level("INFO", "ifcb-engine"):
        job.log_info()
        job_class.log_info(checkpoint)
    record, whole = caplog.records
    said = vars(record)
    assert (said["event"].value, said["jobid"], said["rule_name"], said["output"]) == ("job_info", 7, "bin", ["a.csv"])
    assert whole.message == "all of it"
    # If a handler would print it, it gets all of it.
    handler = logging.StreamHandler()
    logger.addHandler(handler)
    try:
        assert not skip_infos(type("Job", (Job,), {})())
        handler.addFilter(lambda record: getattr(record, "event", None) is None)
        assert skip_infos(type("Job", (Job,), {})())
    finally:
        logger.removeHandler(handler)


def test_finished_jobs_give_up_what_is_worked_out_and_waiting_ones_after_a_checkpoint() -> None:
    dag = Dag()
    done, waiting, running = Job(), Job(), Job()
    checkpoint = Job(is_checkpoint=True)
    dag.jobs, dag._running = [done, waiting, running, checkpoint], {running}
    assert release(dag)

    def held(job: Job) -> bool:
        values = {getattr(job, part) for part in patches.WORKED_OUT}
        assert len(values) == 1
        return values == {"worked out"}

    with pytest.raises(StopIteration, match="finished bin"):
        dag.finish(done).send(None)
    assert [held(job) for job in dag.jobs] == [False, True, True, True]
    assert done._scheduler_resources is None
    assert (dag.why._missing_output, dag.why._updated_input) == ({"a.csv"}, None)
    run_now(dag.finish(checkpoint))
    assert [held(job) for job in dag.jobs] == [False, False, True, False]


def test_lists_share_their_guards() -> None:
    guards = type("Guard", (Guard,), {})
    assert patches.share_guards(guards)
    sort, index = guards("sort"), guards("index")
    assert guards("sort") is sort
    assert (sort.name, index.name) == ("sort", "index")
    copied = copy.copy(index)
    assert copied is not index
    assert (copied.name, sort.name) == ("index", "sort")


def test_params_are_not_worked_out_for_a_rule_without_an_environment() -> None:
    job_class = type("NewJob", (NewJob,), {})
    assert patches.skip_environments(job_class, RuleOfEngine)
    without_one, with_one = job_class(), job_class(RuleOfEngine("figures.yaml"))
    assert (without_one.conda_env_spec, without_one.asked) == (None, [])
    assert (with_one.conda_env_spec, with_one.asked) == ("figures.yaml", ["params"])


def test_a_job_is_found_by_what_it_makes_without_its_logs() -> None:
    dag, job = type("NewDag", (NewDag,), {})(), NewJob()
    assert skip_logs(dag)
    dag.cache_job(job)
    assert dag.job_cache == {(job.rule, "a.csv"): job}
    assert job.asked == ["logs: False"]


def test_jobs_share_an_empty_set() -> None:
    job_class = type("NewJob", (NewJob,), {})
    assert patches.share_empty_sets(job_class)
    first, second = job_class(), job_class(targetfile="a.csv")
    assert first.protected_output is second.protected_output
    assert not first.protected_output
    assert first.temp_output == second.temp_output == {"a.tmp"}
    assert not hasattr(first, "touch_output")  # what the engine has not made stays so
    assert patches.takes(job_class, *list(inspect.signature(NewJob).parameters))  # the records ask what a job takes


def test_arguments_of_functions_are_looked_up_once() -> None:
    modules = SimpleNamespace(get_function_params=look_up), SimpleNamespace(get_function_params=look_up)
    assert patches.remember_signatures(*modules)
    LOOKED_UP.clear()
    for module in (*modules, *modules):
        assert module.get_function_params(is_vain) == ["wildcards"]
    assert [is_vain] == LOOKED_UP


def test_a_task_that_never_ends_does_not_keep_a_run_from_its_end() -> None:
    closed: list[int] = []

    async def lost() -> None:
        while True:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(60)

    async def begin(work: Callable[[], Any]) -> None:
        asyncio.get_running_loop().create_task(work())
        await asyncio.sleep(0)

    runners = {1: asyncio.Runner(), 2: asyncio.Runner()}
    runners[1].run(begin(lost))
    runners[2].run(begin(lambda: asyncio.sleep(60)))
    workflow = SimpleNamespace(_async_runners=runners, tear_down=lambda: closed.extend(runners))
    assert patches.end_lost_tasks(workflow)
    workflow.tear_down()
    assert closed == [2]
    runners[2].close()
    assert not patches.end_lost_tasks(SimpleNamespace(tear_down=lambda: None))


def test_files_are_forced() -> None:
    dag = Dag()
    assert force(dag)
    assert dag.forcefiles == {"asked.csv", "a.csv"}


def test_times_are_not_compared() -> None:
    dag = Dag()
    assert patches.accept_any_time(dag)
    run_now(dag.check_output_mtime("job", ["a.csv"]))


def test_inputs_are_left_out_of_records_for_some_jobs() -> None:
    store = Persistence()
    assert leave_out(store)
    assert store._input("day") == ["day.csv"]
    assert store._input("year") == ["year.csv", "bins/year.parquet"]


def test_the_claim_is_held_within_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    begun: list[bool] = []
    store = Persistence()
    claim = Claim("results/demo", lambda: begun.append(claim._held is not None))
    assert patches.claim_before_lock(store, claim, [])
    assert claim._held is None
    with store.lock():
        assert claim._held is not None
        assert begun == [True]
    assert claim._held is None


def test_python_is_escaped_for_a_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = tmp_path / "my (first) env" / "python3.11"
    python.parent.mkdir()
    python.touch()
    monkeypatch.setattr(sys, "executable", str(python))
    assert patches.escape_python()
    assert sys.executable == f"{tmp_path}/my\\ \\(first\\)\\ env/python3.11"
    assert not patches.escape_python()  # it is no path any more
    assert sys.executable == f"{tmp_path}/my\\ \\(first\\)\\ env/python3.11"


def test_our_scripts_share_a_python(tmp_path: Path) -> None:
    """Scripts of others, and those with an environment or a measurement of their own, do not."""
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    script = tmp_path / "script.py"
    script.write_text(f"import os; open({str(tmp_path / 'pids')!r}, 'a').write(f'{{os.getpid()}}\\n')")
    scripts = type("PythonScript", (PythonScript,), {"alone": []})
    processes = ScriptProcesses(1)
    assert patches.share_python(scripts, ours, processes)
    for _ in range(2):
        scripts(ours / "draw.py").execute_script(str(script))
    assert len(set((tmp_path / "pids").read_text().split())) == 1
    assert scripts.alone == []
    with_conda, measured, changed = (scripts(ours / "draw.py") for _ in range(3))
    with_conda.conda_env, measured.bench_record = "envs/figures", object()
    del changed.path
    for number, other in enumerate((scripts(theirs / "draw.py"), with_conda, measured, changed)):
        other.execute_script(str(number))
    scripts(ours / "draw.py").execute_script("4", edit=True)
    assert scripts.alone == ["0", "1", "2", "3", "4"]
    processes.close()


def test_rules_are_translated_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Again if the file, the engine or what was kept is another; not if it was moved, or comes after other rules."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    rules, elsewhere = (tmp_path / name / "bins.smk" for name in ("rules", "moved"))
    for folder in ("rules", "other"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "bins.smk").write_text("CLASS = 'Alexandrium'")
    module = workflow_module()
    assert patches.keep_translations(module, rules.parent)

    def include(path: Path, before: int = 0) -> Any:
        return module.Workflow(before).include(SourceFile(path))

    def of(path: Path, before: int = 0, what: str = "Alexandrium") -> Any:
        return str(path), str(path), 0, what, {1: 4, 2: 5}, before + 3

    for _start in range(3):
        assert include(rules) == of(rules)
    assert module.parsed == [str(rules)]

    other = tmp_path / "other" / "bins.smk"  # not a folder of ours
    assert [include(other), include(other)] == [of(other)] * 2
    assert module.parsed == [str(rules), str(other), str(other)]

    rules.parent.rename(elsewhere.parent)
    moved = workflow_module()
    for _module in range(2):  # a workflow may have this one as a module twice
        assert patches.keep_translations(moved, elsewhere.parent)
    assert moved.Workflow().include(SourceFile(elsewhere)) == of(elsewhere)
    assert moved.parsed == []

    module = moved
    assert include(elsewhere, 5) == of(elsewhere, 5)
    assert moved.parsed == []
    elsewhere.write_text("CLASS = 'Dinophysis'")
    assert [include(elsewhere, 5), include(elsewhere, 5)] == [of(elsewhere, 5, "Dinophysis")] * 2
    (kept,) = (elsewhere.parent / "__pycache__").iterdir()
    for damaged in (b"", b"not ours", kept.read_bytes()[:-100]):
        kept.write_bytes(damaged)
        assert include(elsewhere, 5) == of(elsewhere, 5, "Dinophysis")
    assert module.parsed == [str(elsewhere)] * 4
    monkeypatch.setattr("snakemake.__version__", "10.0")
    assert include(elsewhere, 5) == of(elsewhere, 5, "Dinophysis")
    assert module.parsed == [str(elsewhere)] * 5


def test_where_python_keeps_no_modules_no_translation_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "bins.smk").write_text("CLASS = 'Alexandrium'")
    module = workflow_module()
    patches.keep_translations(module, tmp_path)
    found = {module.Workflow().include(SourceFile(tmp_path / "bins.smk"))[3] for _start in range(2)}
    assert (found, len(module.parsed)) == ({"Alexandrium"}, 2)
    assert [path.name for path in tmp_path.iterdir()] == ["bins.smk"]


def test_the_reader_of_notebooks_is_not_imported_for_a_python_script() -> None:
    scripts = ScriptModule()
    assert patches.skip_notebooks(scripts)
    files = [SimpleNamespace(get_filename=lambda name=name: name) for name in ("draw.py", "draw.R", "draw.ipynb")]
    assert [scripts.get_language(file, "") for file in files] == [
        "python",
        "language of draw.R",
        "language of draw.ipynb",
    ]


def test_sigterm_is_handled_in_a_thread_if_the_engine_handles_it() -> None:
    before = signal.getsignal(signal.SIGTERM)
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        assert not patches.stop_in_a_thread()
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
        signal.signal(signal.SIGTERM, print)
        assert patches.stop_in_a_thread()
    finally:
        signal.signal(signal.SIGTERM, before)


def test_signals_tell_long_jobs_before_the_engine_hears_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "ASKED", threading.Event())
    heard: list[tuple[int, bool]] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        signal.signal(signal.SIGINT, lambda number, _: heard.append((number, stopping.ASKED.is_set())))
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        patches.tell_jobs_to_stop()
        os.kill(os.getpid(), signal.SIGINT)
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_IGN
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert heard == [(signal.SIGINT, True)]
    with pytest.raises(StateError, match="Stopped as you asked"):
        stopping.refuse_if_asked()


# --- parts that are not there, or are not as we know them ---


def without(kind: type, *names: str) -> Any:
    """An object whose class and which itself lack some parts."""
    thing = type(
        kind.__name__,
        (),
        {name: part for name, part in vars(kind).items() if name not in (*names, "__dict__", "__weakref__")},
    )()
    for name in names:
        vars(thing).pop(name, None)
    return thing


def with_part(kind: type, name: str, part: Any) -> Any:
    """An object with another part: one of its class if it is a function or a property."""
    if callable(part) or isinstance(part, property):
        return type(kind.__name__, (kind,), {name: part})()
    thing = kind()
    setattr(thing, name, part)
    return thing


@contextmanager
def lock_of_files(self: Any, files: list[str]) -> Iterator[None]:
    yield


async def sizes_of(self: Any, jobs: list[str], cache: dict[str, int]) -> None:
    pass


async def check_times(self: Any, job: str) -> None:
    pass


def made_of_rule(self: Any, rule: Any = None) -> None:
    pass


def list_jobs(self: Any) -> list[str]:
    return ["bin"]


@pytest.mark.parametrize(
    ("patch", "part"),
    [
        (patches.skip_input_sizes, without(Scheduler, "update_input_sizes")),
        (patches.skip_input_sizes, without(Scheduler, "_input_sizes")),
        (patches.skip_input_sizes, with_part(Scheduler, "update_input_sizes", sizes_of)),
        (patches.skip_input_sizes, with_part(Scheduler, "_input_sizes", [])),
        (patches.skip_remaining_jobs, without(Scheduler, "remaining_jobs")),
        (patches.skip_remaining_jobs, without(Scheduler, "_job_selector")),
        (patches.skip_remaining_jobs, without(Scheduler, "_greedy_scheduler")),
        (patches.skip_remaining_jobs, without(Scheduler, "keepgoing")),
        (patches.skip_remaining_jobs, with_part(Scheduler, "remaining_jobs", list_jobs)),
        (patches.skip_remaining_jobs, with_part(Scheduler, "keepgoing", False)),  # it says then which jobs are left
        (patches.skip_remaining_jobs, with_part(Scheduler, "_greedy_scheduler", Limiter())),  # another one is chosen
        (patches.skip_rate_limit, without(Scheduler, "job_rate_limiter")),
        (patches.skip_rate_limit, with_part(Scheduler, "job_rate_limiter", None)),
        (patches.skip_rate_limit, with_part(Scheduler, "job_rate_limiter", Greedy())),
        (hold_back, without(Scheduler, "open_jobs")),
        (hold_back, without(Scheduler, "failed")),
        (hold_back, with_part(Scheduler, "open_jobs", list_jobs)),
        (hold_back, with_part(Scheduler, "failed", [])),
        (offer, without(Scheduler, "open_jobs")),
        (offer, without(Scheduler, "subsample")),
        (offer, with_part(Scheduler, "subsample", None)),  # all jobs are to be weighed
        (offer, without(Scheduler, "resources")),
        (offer, with_part(Scheduler, "open_jobs", list_jobs)),
        (lambda dag: patches.offer_first_jobs(Scheduler(), dag), with_part(Dag, "_ready_jobs", [])),
        (lambda dag: patches.offer_first_jobs(Scheduler(), dag), without(Dag, "_ready_jobs")),
        (release, without(Dag, "finish")),
        (release, without(Dag, "reason")),
        (release, without(Dag, "_running")),
        (release, with_part(Dag, "finish", check_times)),
        (release_of, type("Job", (), dict.fromkeys(patches.WORKED_OUT))()),
        (skip_infos, type("Job", (), {})()),
        (skip_infos, with_part(Job, "log_info", list_jobs)),
        (share, NamedOtherwise("sort")),
        (share, MadeOtherwise("sort")),
        (skip_environments, type("NewJob", (), {})()),
        (skip_environments, with_part(NewJob, "conda_env_spec", list_jobs)),
        (skip_environments_of, without(RuleOfEngine, "expand_conda_env")),
        (skip_environments_of, with_part(RuleOfEngine, "conda_env", list_jobs)),
        (skip_logs, without(NewDag, "cache_job")),
        (skip_logs, with_part(NewDag, "cache_job", list_jobs)),
        (skip_logs, OtherDag()),
        (skip_logs_of, with_part(NewJob, "products", list_jobs)),
        (share_sets, type("NewJob", (), {})()),
        (share_sets, with_part(NewJob, "__init__", made_of_rule)),
        (patches.remember_signatures, SimpleNamespace()),
        (patches.remember_signatures, SimpleNamespace(get_function_params=list_jobs)),
        (force, without(Dag, "forcefiles")),
        (force, with_part(Dag, "forcefiles", ["asked.csv"])),
        (patches.accept_any_time, without(Dag, "check_output_mtime")),
        (patches.accept_any_time, with_part(Dag, "check_output_mtime", check_times)),
        (share_python, without(PythonScript, "execute_script")),
        (share_python, with_part(PythonScript, "execute_script", list_jobs)),
        (keep_translations, workflow_module("def parse", "def translate")),
        (keep_translations, workflow_module("linemap, overwrite_shellcmd", "lines, overwrite_shellcmd")),
        (keep_translations, workflow_module("def include", "def add")),
        (keep_translations, workflow_module("exec(compile(", "(run(code, ")),
        (patches.skip_notebooks, without(ScriptModule, "get_language")),
        (patches.skip_notebooks, with_part(ScriptModule, "get_language", list_jobs)),
        (lock_patch, without(Persistence, "lock")),
        (lock_patch, with_part(Persistence, "lock", lock_of_files)),
        (leave_out, without(Persistence, "_input")),
        (leave_out, with_part(Persistence, "_input", list_jobs)),
    ],
)
def test_a_part_that_is_not_as_we_know_it_is_left_alone(patch: Callable[[Any], bool], part: Any) -> None:
    before = type(part), dict(vars(part)), {name: repr(value) for name, value in vars(part).items()}
    assert patch(part) is False
    assert (type(part), dict(vars(part)), {name: repr(value) for name, value in vars(part).items()}) == before


# --- runs ---

# A later engine, whose parts do what they did, and have other signatures or are of other types. What the patches
# return is printed.
LATER = """

from snakemake.dag import DAG
from snakemake.jobs import Job
from snakemake.persistence import PersistenceBase
from snakemake.persistence.file import FilePersistence
from snakemake.scheduling.job_scheduler import JobScheduler


class AsMethod:
    def __init__(self, part):
        self.part = part.fget

    def __get__(self, thing, kind=None):
        return self if thing is None else self.part(thing)


def change(kind, *names):
    for name in names:
        part = vars(kind)[name]
        if isinstance(part, property):
            setattr(kind, name, AsMethod(part))
        else:
            setattr(kind, name, lambda *args, _part=part, **options: _part(*args, **options))


def tell(name):
    patch = getattr(patches, name)

    def told(*args):
        done = patch(*args)
        print(f"{name}: {done}", flush=True)
        return done

    setattr(patches, name, told)


CHANGED = False
if CHANGED:
    change(JobScheduler, "open_jobs", "remaining_jobs", "update_input_sizes")
    change(DAG, "check_output_mtime", "finish")
    change(Job, "log_info")
    change(PersistenceBase, "lock", "params_changed", "_filter_incomplete_keys", "_input")
    change(FilePersistence, "_record_path")
    patches.skip_rate_limit = lambda scheduler: False  # what it needs cannot be renamed here
for name in (
    "skip_input_sizes",
    "skip_remaining_jobs",
    "skip_rate_limit",
    "offer_first_jobs",
    "skip_job_infos",
    "release_what_is_worked_out",
    "hold_back",
    "accept_any_time",
    "leave_out_of_records",
    "claim_before_lock",
):
    tell(name)
"""
# The same for what is patched while the Snakefile is read.
EARLIER = """
import snakemake.script
import snakemake.workflow
from snakemake.dag import DAG
from snakemake.jobs import Job
from snakemake.rules import Rule

for module, name in (
    (snakemake.script, "get_language"),
    (snakemake.workflow, "parse"),
    (DAG, "cache_job"),
    (Rule, "expand_conda_env"),
    (Job, "__init__"),
):
    part = getattr(module, name)
    setattr(module, name, lambda *args, _part=part, **options: _part(*args, **options))


include: "workflow/rules/checkout.smk"
"""
NAMES = re.findall(r'^    "(\w+)",$', LATER, re.MULTILINE)


def engine(folder: Path, changed: bool) -> Checkout:
    run = Checkout(folder)
    snakefile = run.folder / "Snakefile"
    text = snakefile.read_text()
    if changed:
        first = 'include: "workflow/rules/checkout.smk"\n'
        assert text.count(first) == 1
        text = text.replace(first, EARLIER)
        shutil.rmtree(run.folder / "workflow/rules/__pycache__", ignore_errors=True)
    snakefile.write_text(text + LATER.replace("CHANGED = False", f"CHANGED = {changed}"))
    return run


def told(printed: str) -> dict[str, str]:
    return dict(re.findall(rf"^({'|'.join(NAMES)}): (\w+)$", printed, re.MULTILINE))


@pytest.fixture
def dashboard(tmp_path: Path) -> Iterator[Emulator]:
    bins = [f"D2024040{day}T{hour:02d}0000_IFCB010" for day in (1, 2, 3) for hour in range(5)]
    scores = {b: (["A", "B"], [[0.9, 0.1], [0.3, 0.6], [0.5, n / 30]]) for n, b in enumerate(bins)}
    del scores[bins[4]]
    with Emulator({"demo": write_archive(tmp_path / "archive", [bin_row(b) for b in bins], scores)}) as server:
        yield server


def asked(dashboard: Emulator, **sections: Any) -> dict[str, Any]:
    return config(dashboard, "2024-04-01", "2024-04-03", **sections)


def test_without_any_patch_the_results_are_the_same(tmp_path: Path, dashboard: Emulator) -> None:
    """A first run, one with nothing to do, another threshold, and one without the engine's records."""
    files, patched = {}, {}
    for changed in (False, True):
        run = engine(tmp_path / str(changed), changed)
        patched[changed] = told(run.run(asked(dashboard)))
        cold = run.files("demo")
        dashboard.clear()
        run.run(asked(dashboard))
        run.run(asked(dashboard, classify={"threshold": 0.55}))
        warm = run.files("demo")
        (run.folder / ".snakemake").rename(tmp_path / f"records-{changed}")
        run.run(asked(dashboard))
        assert dashboard.requests == []
        files[changed] = cold, warm, run.files("demo")
        assert not (changed and (run.folder / "workflow/rules/__pycache__").exists())
    assert patched == {False: dict.fromkeys(NAMES, "True"), True: dict.fromkeys(NAMES, "False")}
    assert files[True] == files[False]
    cold, warm, without_records = files[True]
    assert cold == without_records
    assert cold != warm


def test_with_records_in_a_database_the_results_are_the_same(tmp_path: Path, dashboard: Emulator) -> None:
    files = []
    for arguments in ((), ("--persistence-backend", "db")):
        run = Checkout(tmp_path / str(len(arguments)))
        run.run(asked(dashboard), *arguments)
        cold, stamps = run.files("demo"), run.stamps()
        dashboard.clear()
        run.run(asked(dashboard), *arguments)
        assert run.stamps() == stamps
        run.run(asked(dashboard, classify={"threshold": 0.55}), *arguments)
        assert dashboard.requests == []
        files.append((cold, run.files("demo")))
    assert files[0] == files[1]


def test_an_engine_that_cannot_be_told_to_make_files_again_is_refused(tmp_path: Path, dashboard: Emulator) -> None:
    """Rather than take files as they are that may be of another config."""
    run = Checkout(tmp_path / "run")
    run.run(asked(dashboard))
    before = run.files("demo")
    (run.folder / ".snakemake").rename(tmp_path / "records")
    with (run.folder / "Snakefile").open("a") as file:
        file.write("\npatches.force = lambda dag, paths: False\n")
    printed = run.run(asked(dashboard, classify={"threshold": 0.55}), fails=True)
    assert "this version of it cannot be told to make them again. Delete them" in printed
    assert run.files("demo") == before
