"""A run that is killed at any moment: no half file counts as complete, and the same command continues.

Files after a kill are compared byte for byte with those of an undisturbed run, which shows half files, and complete
files of other settings.
"""

import json
import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import time
from base64 import urlsafe_b64encode
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.archives import bin_row, write_archive
from tests.checkout import SNAKEMAKE, Checkout, differences
from tests.conftest import Statistic
from tests.dashboard.emulator import Emulator
from tests.sources.test_dashboard_run import asked_bins, config

DAYS = [f"2024-04-0{day}" for day in range(1, 7)]
BINS = [f"D{day.replace('-', '')}T{hour:02d}0000_IFCB010" for day in DAYS for hour in range(0, 24, 3)]
NO_SCORES = BINS[5]
CLASSES = ["Akashiwo", "Ceratium_fusus", "Ditylum_brightwellii", "detritus", "mix"]
USUAL, OTHER = 0.7, 0.35  # thresholds

KILLS = int(os.environ.get("KILLS", "20"))  # per signal; the gate asks for fewer on a slow machine
STAGES = ("start-up", "scores", "days", "tables")  # each folder sees a kill in each
JITTER = 0.05  # seconds
PATIENCE = 60.0  # seconds for a run to end that was told to; an undisturbed one takes four


def scores(seed: int) -> dict[str, tuple[list[str], list[list[float]]]]:
    made_up = random.Random(seed)
    rows = {b: (CLASSES, [[made_up.random() for _ in CLASSES] for _ in range(40)]) for b in BINS}
    del rows[NO_SCORES]
    return rows


@dataclass(frozen=True)
class World:
    """A dashboard, and what undisturbed runs make of it, by threshold."""

    dashboard: Emulator
    expected: dict[float, dict[str, bytes]]
    complete: Checkout | None  # complete with the threshold OTHER; to be copied
    starting: float  # seconds to the first request

    def settings(self, threshold: float = USUAL, **sections: Any) -> dict[str, Any]:
        return config(self.dashboard, DAYS[0], DAYS[-1], classify={"threshold": threshold}, **sections)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("world")
    write_archive(folder / "archive", [bin_row(bin_id) for bin_id in BINS], scores(1))
    with Emulator({"demo": folder / "archive"}, latency=0.08) as dashboard:
        settings = {t: config(dashboard, DAYS[0], DAYS[-1], classify={"threshold": t}) for t in (USUAL, OTHER)}
        undisturbed = Checkout(folder / "undisturbed")
        started = time.monotonic()
        undisturbed.run(settings[USUAL])
        expected = {USUAL: undisturbed.files("demo")}
        undisturbed.run(settings[OTHER])
        expected[OTHER] = undisturbed.files("demo")
        assert len(dashboard.requests) == 1 + len(BINS)
        yield World(dashboard, expected, undisturbed, dashboard.requests[0].started - started)


# --- what is there ---


def files_there(run: Checkout) -> dict[str, Path]:
    """The results by relative path, without temporary files, which are hidden, those put aside, and status.json.

    That file of a run that was killed says that it is at work.
    """
    folder = run.results("demo")
    there = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]
    found = {str(path.relative_to(folder)): path for path in there}
    return {name: path for name, path in found.items() if not name.startswith("stale/") and name != "status.json"}


def whole_summaries(run: Checkout) -> set[str]:
    """The bins with a summary; `assert_whole` has seen to it that it is whole."""
    return {Path(name).stem for name in files_there(run) if name.startswith("bins/")}


def assert_whole(run: Checkout, *states: dict[str, bytes]) -> None:
    """Every file that is there is one of an undisturbed run, to the byte."""
    for name, path in files_there(run).items():
        body = path.read_bytes()
        if name == "run.json":
            assert json.loads(body)["dataset"] == "demo"
        else:
            assert body in [state[name] for state in states if name in state], f"{name}: {len(body)} bytes"


# --- runs, and their end ---


def start(run: Checkout, settings: dict[str, Any], *arguments: str, **options: Any) -> subprocess.Popen[str]:
    """A run in a process group of its own, as a terminal starts it."""
    return run.start(settings, *arguments, start_new_session=True, **options)


def end(process: subprocess.Popen[str]) -> str:
    """What the run printed, when it has ended, which it has to."""
    try:
        return process.communicate(timeout=PATIENCE)[0]
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        printed = process.communicate()[0]
        raise AssertionError(f"the run has not ended after {PATIENCE} s:\n{printed[-3000:]}") from None


def wait_until(there: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Wait until it is so, or the run has ended."""
    while process.poll() is None and not there():
        time.sleep(0.01)  # to look takes a few milliseconds of a core that the run needs


def is_locked(run: Checkout) -> bool:
    return any((run.folder / ".snakemake" / "locks").glob("*.lock"))


def unlock_as_told(run: Checkout, settings: dict[str, Any]) -> None:
    """Do what the refused run says: it names the whole command, which can be copied as it stands."""
    refused = run.run(settings, fails=True)
    told = re.search(r"^ *(\S.* --unlock .*)$", refused, re.MULTILINE)
    assert told, refused[-3000:]
    assert shlex.split(told[1])[:4] == [*SNAKEMAKE, "--unlock"]
    # In a shell where no environment is activated.
    env = {**os.environ, "PATH": "/usr/bin:/bin"}
    subprocess.run(told[1], shell=True, cwd=run.folder, env=env, check=True, capture_output=True)
    assert not is_locked(run)


@dataclass
class Killed:
    """What a killed run printed, and which bins have a whole summary after it."""

    printed: str
    status: int
    whole: set[str]


def kill(process: subprocess.Popen[str], sign: signal.Signals, run: Checkout, *states: dict[str, bytes]) -> Killed:
    """Kill the run, all of it, and look at what it leaves."""
    if process.poll() is None:
        os.killpg(process.pid, sign)
    printed = end(process)
    assert_whole(run, *states)
    return Killed(printed, process.returncode, whole_summaries(run))


def assert_asked_once(world: World, whole: set[str], complete: bool) -> None:
    """Since the last look: no bin whose summary was whole, none twice, and all others if the run is complete."""
    asked = asked_bins(world.dashboard)
    assert not whole & set(asked)
    assert len(asked) == len(set(asked))
    assert not complete or whole | set(asked) == set(BINS)
    world.dashboard.clear()


def go_on(
    run: Checkout, world: World, whole: set[str], threshold: float = USUAL, arguments: Sequence[str] = ()
) -> None:
    """The next run ends in the bytes of an undisturbed one and asks for no bin that is there."""
    world.dashboard.clear()
    run.run(world.settings(threshold), *arguments)
    assert_asked_once(world, whole, complete=True)
    assert not differences(run.files("demo"), world.expected[threshold])


# --- one kill per signal ---


def half_of_the_bins(run: Checkout) -> bool:
    return len(whole_summaries(run)) >= len(BINS) // 2


def half_of_the_days(run: Checkout) -> bool:
    return sum(name.startswith("bins_long/") for name in files_there(run)) >= len(DAYS) // 2


def test_terminated_run_goes_on(checkout: Checkout, world: World) -> None:
    process = start(checkout, world.settings())
    wait_until(lambda: half_of_the_bins(checkout), process)
    killed = kill(process, signal.SIGTERM, checkout, world.expected[USUAL])
    assert killed.status > 0, killed.printed
    assert "Traceback" not in killed.printed
    assert "same command goes on" in killed.printed
    assert len(killed.whole) < len(BINS)
    assert not is_locked(checkout)
    go_on(checkout, world, killed.whole)


def test_interrupted_run_goes_on_with_other_settings(checkout: Checkout, world: World) -> None:
    """Days that were pooled when the run was stopped know with which threshold, even if the engine does not."""
    process = start(checkout, world.settings())
    wait_until(lambda: half_of_the_days(checkout), process)
    killed = kill(process, signal.SIGINT, checkout, world.expected[USUAL])
    assert killed.status > 0, killed.printed
    assert "Traceback" not in killed.printed
    assert "same command goes on" in killed.printed
    assert not is_locked(checkout)
    go_on(checkout, world, killed.whole, OTHER)


def test_killed_run_says_how_to_go_on(checkout: Checkout, world: World) -> None:
    process = start(checkout, world.settings())
    wait_until(lambda: half_of_the_bins(checkout), process)
    killed = kill(process, signal.SIGKILL, checkout, world.expected[USUAL])
    assert killed.status == -signal.SIGKILL
    assert len(killed.whole) < len(BINS)
    before = checkout.files("demo")
    unlock_as_told(checkout, world.settings())
    assert not differences(checkout.files("demo"), before)
    go_on(checkout, world, killed.whole)


def test_killed_pod_goes_on_by_itself(checkout: Checkout, world: World) -> None:
    """Nobody is there to unlock: the next pod has the same arguments."""
    manifest = checkout.folder / "profiles" / "kubernetes" / "job.yaml"
    job = next(part for part in yaml.safe_load_all(manifest.read_text()) if part["kind"] == "Job")
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["args"][0] == "--configfile"  # start() and run() add theirs
    arguments = container["args"][2:]
    process = start(checkout, world.settings(), *arguments)
    wait_until(lambda: half_of_the_bins(checkout), process)
    killed = kill(process, signal.SIGKILL, checkout, world.expected[USUAL])
    assert len(killed.whole) < len(BINS)
    go_on(checkout, world, killed.whole, arguments=arguments)


# --- between a file's last step and the engine's record of it ---


def forget(run: Checkout, path: Path) -> None:
    """As a kill does that comes when the file has its name, but the engine has not yet noted that it is made."""
    name = urlsafe_b64encode(str(path.relative_to(run.folder)).encode()).decode()
    (run.folder / ".snakemake" / "metadata" / name).unlink()
    (run.folder / ".snakemake" / "incomplete" / name).write_text('{"external_jobid": null}')


def test_killed_before_it_tidied_up(tmp_path: Path, world: World) -> None:
    """The last file is made and recorded, but what was put aside for it is still there. Nothing is to be done."""
    run = copy_of(world.complete, tmp_path / "checkout")
    aside = run.results("demo") / "stale" / "abundance_long.csv"
    aside.parent.mkdir()
    aside.write_bytes(world.expected[USUAL][aside.name])
    os.utime(aside, (1, 1))
    run.run(world.settings(OTHER), "-n")
    assert aside.exists()
    assert "Nothing to be done" in run.run(world.settings(OTHER))
    assert not differences(run.files("demo"), world.expected[OTHER])


SLOW_TO_NOTE = """
import os, signal, time
from pathlib import Path
from snakemake.jobs import Job

def kill_when_it_is_done(job, external_jobid=None):
    while job.rule.name == "pool_abundance" and not all(map(os.path.exists, job.output)):
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGKILL)

Job.register = kill_when_it_is_done
"""


def test_killed_before_the_engine_notes_that_a_job_has_begun(tmp_path: Path, world: World) -> None:
    """It notes that after the job has begun. A new day then has the record of the old one, of other settings."""
    run = copy_of(world.complete, tmp_path / "checkout")
    snakefile = run.folder / "Snakefile"
    as_shipped = snakefile.read_text()
    snakefile.write_text(as_shipped + SLOW_TO_NOTE)
    before = {name: path.stat().st_mtime_ns for name, path in files_there(run).items()}
    process = start(run, world.settings())
    printed = end(process)
    assert process.returncode == -signal.SIGKILL, printed
    assert changed_days(run, before) == 1
    snakefile.write_text(as_shipped)
    run.run(world.settings(OTHER), "--unlock")
    go_on(run, world, set(BINS), OTHER)


def test_whole_files_without_a_record(tmp_path: Path, world: World) -> None:
    """A summary is taken up without a request; a day is pooled again, for nobody knows with which threshold it was."""
    run = copy_of(world.complete, tmp_path / "checkout")
    for name, path in files_there(run).items():
        if BINS[3] in name or DAYS[2] in name:
            forget(run, path)
    go_on(run, world, set(BINS))
    before = run.stamps()
    run.run(world.settings())
    assert world.dashboard.requests == []
    assert run.stamps() == before


@pytest.mark.slow
@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGKILL])
def test_stopped_in_its_last_job(tmp_path: Path, world: World, sign: signal.Signals) -> None:
    """All is made anew then, or nearly. What was put aside for it goes, even if nothing is left to be done."""
    run = copy_of(world.complete, tmp_path / "checkout")
    process = start(run, world.settings())
    tables = {name for name in files_there(run) if "/" not in name} - {"catalog.csv"}
    aside = run.results("demo") / "stale"
    wait_until(lambda: tables <= {path.name for path in aside.glob("*")}, process)
    kill(process, sign, run, *world.expected.values())
    if is_locked(run):
        run.run(world.settings(), "--unlock")
    go_on(run, world, set(BINS))


@pytest.mark.slow
def test_engine_without_any_record(tmp_path: Path, world: World) -> None:
    """Its folder was deleted, as is often advised against its lock."""
    run = copy_of(world.complete, tmp_path / "checkout")
    shutil.rmtree(run.folder / ".snakemake")
    go_on(run, world, set(BINS))


# --- many, at all moments ---


def files_before(stage: str, world: World) -> int:
    """How many results are there when a stage begins."""
    parts = sum("/" in name for name in world.expected[USUAL])
    return {"scores": 1, "days": 1 + len(BINS), "tables": 1 + parts, "end": 1 + len(world.expected[USUAL])}[stage]


def wait_for_moment(run: Checkout, world: World, stage: str, share: float, process: subprocess.Popen[str]) -> None:
    """Wait until a share of the stage has passed: of the time to the first bins, or else of the files it makes."""
    if stage == "start-up":
        time.sleep(share * 1.2 * world.starting)
        return
    first, last = (files_before(name, world) for name in (stage, [*STAGES, "end"][STAGES.index(stage) + 1]))
    wait_until(lambda: len(files_there(run)) >= first + share * (last - first), process)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sign", "kills"),
    [
        (signal.SIGTERM, KILLS),
        (signal.SIGINT, KILLS),
        (signal.SIGKILL, KILLS),
        (signal.SIGHUP, len(STAGES)),  # the terminal is closed
    ],
)
def test_kills_at_any_moment(
    tmp_path: Path, world: World, statistic: Statistic, sign: signal.Signals, kills: int
) -> None:
    chance = random.Random(20240401 + sign)
    survived: Counter[str] = Counter()
    locked = folders = 0
    while survived.total() < kills:
        assert folders < kills, survived  # most runs are killed before they end
        run = Checkout(tmp_path / str(folders))
        whole: set[str] = set()
        world.dashboard.clear()
        for stage in STAGES:
            process = start(run, world.settings())
            wait_for_moment(run, world, stage, chance.random(), process)
            time.sleep(chance.random() * JITTER)
            killed = kill(process, sign, run, world.expected[USUAL])
            survived[stage] += killed.status != 0  # else it had just ended
            if is_locked(run):  # nobody was left to release it
                assert killed.status == -sign, killed.printed
                locked += 1
                run.run(world.settings(), "--unlock")
            assert_asked_once(world, whole, complete=False)
            whole = killed.whole
        go_on(run, world, whole, OTHER if folders % 2 else USUAL)
        shutil.rmtree(run.folder)
        folders += 1
    statistic(f"kills survived, by {sign.name}", survived.total())
    statistic("kills that left a lock behind", locked)


@pytest.mark.slow
def test_interrupted_twice(tmp_path: Path, world: World) -> None:
    """An impatient user: the second Ctrl-C comes while the run waits for the jobs at work."""
    chance = random.Random(7)
    for number in range(4):
        run = Checkout(tmp_path / str(number))
        process = start(run, world.settings())
        wait_until(lambda run=run, number=number: len(files_there(run)) >= 10 + 20 * number, process)
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.05 * chance.random())
        killed = kill(process, signal.SIGINT, run, world.expected[USUAL])
        assert killed.status != 0
        if is_locked(run):
            run.run(world.settings(), "--unlock")
        go_on(run, world, killed.whole, OTHER)


@pytest.mark.slow
@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_setting_that_was_tried_and_given_up(tmp_path: Path, world: World, sign: signal.Signals) -> None:
    """Complete results, a run with another threshold that is killed, then the first threshold again."""
    complete = Checkout(tmp_path / "complete")
    complete.run(world.settings())
    for days in (1, 3, 5):
        run = copy_of(complete, tmp_path / str(days))
        before = {name: path.stat().st_mtime_ns for name, path in files_there(run).items()}
        process = start(run, world.settings(OTHER))
        wait_until(lambda run=run, before=before, days=days: changed_days(run, before) >= days, process)
        kill(process, sign, run, *world.expected.values())
        if is_locked(run):
            run.run(world.settings(), "--unlock")
        go_on(run, world, set(BINS))


def copy_of(run: Checkout | None, folder: Path) -> Checkout:
    """The same checkout with its results, elsewhere; times of files stay."""
    assert run is not None
    return Checkout(folder, copied_from=run.folder)


def changed_days(run: Checkout, before: dict[str, int]) -> int:
    """How many days have another file than before."""
    times = {}
    for name, path in files_there(run).items():
        try:
            times[name] = path.stat().st_mtime_ns
        except FileNotFoundError:  # the run is at work
            continue
    return sum(name.startswith("bins_long/") and time != before.get(name) for name, time in times.items())


@pytest.mark.slow
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGKILL])
def test_other_server_after_a_kill(tmp_path: Path, world: World, sign: signal.Signals) -> None:
    """Summaries of one server are not taken for those of another, not even the ones just being written."""
    write_archive(tmp_path / "archive", [bin_row(bin_id) for bin_id in BINS], scores(2))
    with Emulator({"demo": tmp_path / "archive"}) as other:
        there = World(other, {}, None, 0)
        undisturbed = Checkout(tmp_path / "undisturbed")
        undisturbed.run(there.settings())
        expected = undisturbed.files("demo")
        for number in range(3):
            run = Checkout(tmp_path / str(number))
            process = start(run, world.settings())
            wait_until(lambda run=run, number=number: len(whole_summaries(run)) >= 8 + 16 * number, process)
            kill(process, sign, run, world.expected[USUAL])
            if is_locked(run):
                run.run(there.settings(), "--unlock")
            run.run(there.settings())
            assert not differences(run.files("demo"), expected)


@pytest.mark.slow
@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_recheck_that_is_killed(tmp_path: Path, sign: signal.Signals) -> None:
    """Either the new or the old scores of a bin, and the next recheck finds the rest; nothing is left lying about."""
    archive = tmp_path / "archive"
    write_archive(archive, [bin_row(bin_id) for bin_id in BINS], scores(1))
    with Emulator({"demo": archive}, latency=0.05) as dashboard:
        settings = World(dashboard, {}, None, 0).settings(recheck={"scores": "all"})
        complete = Checkout(tmp_path / "complete")
        complete.run(settings)
        old = complete.files("demo")
        write_archive(archive, [bin_row(bin_id, ml_analyzed=3.0) for bin_id in BINS], scores(1) | late_scores())
        dashboard.reload()
        undisturbed = copy_of(complete, tmp_path / "undisturbed")
        undisturbed.run(settings, "recheck")
        new = undisturbed.files("demo")
        assert len([name for name in new if old.get(name) != new[name]]) > len(BINS) // 2
        for asked in (1, 15, 40):
            run = copy_of(complete, tmp_path / str(asked))
            dashboard.clear()
            process = start(run, settings, "recheck")
            wait_until(lambda asked=asked: len(dashboard.requests) >= asked, process)
            os.killpg(process.pid, sign)
            end(process)
            if is_locked(run):
                run.run(settings, "--unlock")
            run.run(settings)  # with what is known so far
            summaries = {name: path for name, path in files_there(run).items() if name.startswith("bins/")}
            assert {name for name in old if name.startswith("bins/")} == set(summaries)
            assert all(path.read_bytes() in (old[name], new[name]) for name, path in summaries.items())
            table = run.results("demo") / "changes.csv"
            told = table.read_bytes() if table.exists() else b""  # whole if it was told to stop and came to its end
            run.run(settings, "recheck")
            assert new["changes.csv"] in (told, table.read_bytes())
            assert not differences({**run.files("demo"), "changes.csv": b""}, {**new, "changes.csv": b""})
            assert not [each for name in ("*fresh*", "*.found*") for each in run.results("demo").rglob(name)]


def late_scores() -> dict[str, tuple[list[str], list[list[float]]]]:
    return {bin_id: rows for bin_id, rows in scores(3).items() if BINS.index(bin_id) % 2}
