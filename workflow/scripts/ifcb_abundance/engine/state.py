"""What stands in the engine's own folder: locks, and of which files it has a record.

The engine makes a file again if it was made under other settings, which it knows from its record of the file. A run
that is killed leaves files without one, and so does a copy of the results. The engine would take such files as they
are. Here it is decided which of them prove by themselves what they are; the others are made again. That is decided in
memory, while the graph is built: to look changes nothing. And the lock of a run that is killed stays behind.
"""

import fcntl
import os
import shlex
import sys
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from ifcb_abundance.common.errors import StateError

ENGINE = Path(".snakemake")
LONGEST_NAME = 254  # of a file that the engine keeps a record in


def claim(folder: str) -> IO[str] | None:
    """Hold `folder` for this process until what is returned is closed, or the process ends; None if another holds it.

    The engine's own locks do not tell a run at work from one that was killed, and a run on another dataset takes
    them away when it ends. Raises StateError if the checkout cannot be written to.
    """
    try:
        ENGINE.mkdir(exist_ok=True)
        held = (ENGINE / f"{folder.replace('/', '-')}.claim").open("a", encoding="utf-8")
    except OSError as error:
        if ENGINE.is_dir():
            return None
        raise StateError(f"{Path.cwd()} cannot be written to ({error}): run in a copy of your own") from None
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        held.close()
        return None
    except OSError:
        pass  # a file system without locks: there are the engine's
    return held


def claim_or_refuse(folder: str) -> IO[str]:
    """`claim`, or StateError."""
    held = claim(folder)
    if not held:
        raise StateError(f"another run is at work on {folder}: wait until it has ended")
    return held


def is_locked(folder: str) -> bool:
    """Whether the engine has a lock on files of `folder`."""
    for lock in (ENGINE / "locks").glob("*.lock"):
        with suppress(FileNotFoundError):
            if any(line.startswith(f"{folder}/") for line in lock.read_text(encoding="utf-8").splitlines()):
                return True
    return False


def refuse_stale_lock(folder: str, arguments: Sequence[str]) -> None:
    """Raise StateError, with the command that goes on, if a killed run has left its lock; call it with the claim."""
    if is_locked(folder):
        # With this Python the command runs where no environment is activated too. Its path may have backslashes before
        # blanks (engine.smk).
        python = sys.executable if Path(sys.executable).exists() else shlex.split(sys.executable)[0]
        raise StateError(
            f"{folder} is locked by a run that was killed; no other run is at work on it. To unlock it:\n"
            f"  {shlex.join([python, '-m', 'snakemake', '--unlock', *arguments])}\n"
            "Then the same command as now goes on where that run stopped."
        )


def refuse_what_is_no_folder(*folders: str) -> None:
    """Raise StateError if something else stands where one of the folders should be."""
    for folder in folders:
        for path in (Path(folder), *Path(folder).parents):
            if os.path.lexists(path) and not path.is_dir():
                link = f"a link to {path.readlink()}, which is not there" if path.is_symlink() else "a file"
                raise StateError(f"{path} should be a folder, for results, but is {link}: move it away")


def refuse_read_only(folders: Iterable[Path]) -> None:
    """Raise StateError if one of the folders, or what it is to be made in, cannot be written to."""
    for folder in sorted(set(folders)):
        there = next(path for path in (folder, *folder.parents) if path.exists())
        if not os.access(there, os.W_OK | os.X_OK):
            missing = "" if there == folder else f", so {folder} cannot be made"
            raise StateError(
                f"the folder {there} cannot be written to{missing}: give yourself the right to write "
                f"(chmod -R u+w {there}), or run in a copy of the workflow on a disk where you have it"
            )


class Doubt:
    """Files that the engine has no record of, or holds for unfinished: right if they prove it, else made again.

    workflow: the engine's. Functions for inputs ask, so it is settled for each job of the graph when it enters it, and
    for good. Nothing is written: files that have to be made again are forced in memory, and removed by their job.
    """

    def __init__(self, workflow: Any) -> None:
        self.workflow = workflow
        self._settled: dict[str, bool] = {}
        self._names: tuple[set[str], set[str]] | None = None

    def unrecorded(self, path: str) -> bool:
        """Whether the engine has no record of a file that is there, or holds it for unfinished."""
        if self.workflow.workflow_settings.persistence_backend.name != "FILE":
            store = self.workflow.persistence
            known = store._read_record(path) is not None and not store._filter_incomplete_keys([path])
        else:
            if self._names is None:
                self._names = _names(ENGINE / "metadata"), _names(ENGINE / "incomplete")
            name = _record(path)
            known = name in self._names[0] and name not in self._names[1]
        return not known and os.path.lexists(path)

    def proven(self, paths: Sequence[str], prove: Callable[[], bool]) -> bool:
        """Whether the files of a job, not all of which have a record, prove to be right; if not, they are forced.

        False too if there is nothing to prove: all have a record, or are not there.
        """
        if paths[0] not in self._settled:
            self._settled[paths[0]] = self._prove(paths, prove)
        return self._settled[paths[0]]

    def _prove(self, paths: Sequence[str], prove: Callable[[], bool]) -> bool:
        # A job in a process of its own was decided on by the run that it belongs to.
        if not self.workflow.is_main_process or not any(map(self.unrecorded, paths)):
            return False
        if all(map(os.path.exists, paths)) and prove():
            return True
        self.workflow.dag.forcefiles.update(paths)
        return False

    def was_proven(self, path: str) -> bool:
        """What `proven` found for a file that is the first of its job."""
        return self._settled.get(path, False)

    def takes_times_as_given(self) -> bool:
        """Whether someone forces jobs: what hangs on them is to be made again, proven or not."""
        settings = self.workflow.dag_settings
        return not (settings.forceall or settings.forcerun)


@contextmanager
def claimed(lock: Callable[[], AbstractContextManager[None]], folder: str, arguments: Sequence[str]) -> Iterator[None]:
    """The engine's lock, below a claim of the folder. Raises StateError as `claim_or_refuse`, `refuse_stale_lock`."""
    with claim_or_refuse(folder):
        refuse_stale_lock(folder, arguments)
        with lock():
            yield


def main_outputs(workflow: Any, folders: Iterable[str], leave_out: Iterable[str] = ()) -> dict[str, Any]:
    """Files that stand right in one of the folders, by path, with the rules that make them; rules without wildcards."""
    within, without = set(folders), set(leave_out)
    return {
        str(path): rule
        for rule in workflow.rules
        if not rule.has_wildcards()
        for path in rule.output
        if str(path.parent if isinstance(path, Path) else Path(str(path)).parent) in within and str(path) not in without
    }


def out_of_date(workflow: Any, outputs: Mapping[str, Any], vouched: bool, over: bool) -> list[str]:
    """Those of `outputs`, of `main_outputs`, that are there, that this run does not make, and that it would make anew.

    They are of another config, or of other data, than what the run makes. vouched: files without a record are right
    otherwise. over: the run is at its end: what it was to make and has not made is out of date too.
    """
    from snakemake.jobs import Job

    dag, store = workflow.dag, workflow.persistence
    pending = {str(path) for job in dag.needrun_jobs() for path in job.output}
    current = {str(path) for job in dag.jobs for path in job.output} - (pending if over else set())
    there = {path: rule for path, rule in outputs.items() if path not in current and os.path.lexists(path)}
    late = {path for path in there if path in pending}
    jobs = {rule: Job(rule, dag, {}) for rule in {rule for path, rule in there.items() if path not in late}}
    for path in there.keys() - late:
        (output,) = (each for each in jobs[there[path]].output if each == path)
        changed = store.params_changed(jobs[there[path]], file=output) if store.metadata(output) else not vouched
        if changed:
            late.add(path)
    while True:
        found = {path for path in there.keys() - late if _is_late(path, jobs[there[path]].input, late | pending)}
        if not found:
            return sorted(late)
        late |= found


def _is_late(path: str, inputs: Iterable[Any], late: set[str]) -> bool:
    made = _made(path)
    return any(str(each) in late or (not each.is_ancient and _made(str(each)) > made) for each in inputs)


def _made(path: str) -> float:
    """When a file was made, or a folder as a whole, as the engine notes it; endless for one that is not there."""
    stamp = Path(path, ".snakemake_timestamp")
    try:
        return (stamp if stamp.exists() else Path(path)).stat().st_mtime
    except OSError:
        return float("inf")


def _names(folder: Path) -> set[str]:
    start = len(f"{folder}/")
    return {f"{top}/{name}"[start:] for top, _, names in os.walk(folder) for name in names}


def _record(path: str) -> str:
    """The name of the engine's record of a file: its path in base 64, cut to the length of a file's name."""
    name = urlsafe_b64encode(path.encode()).decode()
    if len(name) <= LONGEST_NAME:
        return name
    *heads, last = [name[i : i + LONGEST_NAME] for i in range(0, len(name), LONGEST_NAME)]
    return "/".join([*(f"@{head}" for head in heads), last])


def take_from_the_future(folder: Path) -> None:
    """Give files that were made before the clock was set back the present time."""
    now = time.time()
    for path in folder.rglob("*"):
        if path.stat().st_mtime > now:
            os.utime(path, (now, now))
