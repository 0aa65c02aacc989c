"""Of which files the engine has a record, and which of the others are right.

The engine makes a file again if it was made under other settings, which it knows from its record of the file. A run
that is killed leaves files without one, and so does a copy of the results. The engine would take such files as they
are. Here it is decided which of them prove by themselves what they are; the others are made again. That is decided in
memory, while the graph is built: to look changes nothing.
"""

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from ifcb_abundance.common.errors import StateError, WorkflowInputError
from ifcb_abundance.engine import patches


class Doubt:
    """Files that the engine has no record of, or holds for unfinished: right if they prove it, else made again.

    workflow: the engine's. Functions for inputs ask, so it is settled for each job of the graph when it enters it, and
    for good. Nothing is written: files that have to be made again are forced in memory, and removed by their job.
    """

    def __init__(self, workflow: Any) -> None:
        self.workflow = workflow
        self.forced: set[str] = set()  # that are made again
        self._settled: dict[str, bool] = {}
        self._judged: set[str] = set()

    def unrecorded(self, path: str) -> bool:
        """Whether the engine has no record of a file that is there, or holds it for unfinished."""
        return not self._is_known(path) and os.path.lexists(path)

    def unfinished(self, paths: Sequence[str]) -> bool:
        """Whether the engine holds one of the files for unfinished, or cannot say."""
        if not self._listed:
            return any(map(self.unrecorded, paths))
        store, marks = self.workflow.persistence, self._listed[1]
        return bool(marks) and any(store._record_path(store._incomplete_path, path) in marks for path in paths)

    def _is_known(self, path: str) -> bool:
        """Whether the engine has a record of a finished file.

        Its records are files, in folders that are listed once: to read those of a year takes seconds. Where they lie in
        a database, or otherwise than is known here, the engine is asked for each. One that does not say which files are
        unfinished is not believed: then files have to prove themselves.
        """
        store = self.workflow.persistence
        if self._listed:
            recorded, unfinished = self._listed
            return store._record_path(store._metadata_path, path) in recorded and not (
                unfinished and store._record_path(store._incomplete_path, path) in unfinished
            )
        from snakemake.io import IOFile

        if store.metadata(IOFile(path)) is None or not patches.takes(
            getattr(store, "_filter_incomplete_keys", None), "keys"
        ):
            return False
        return not store._filter_incomplete_keys([path])

    @cached_property
    def _listed(self) -> tuple[set[str], set[str]] | None:
        """All records, and those of unfinished files; None if the engine does not keep them as files."""
        store = self.workflow.persistence
        return (_files(store._metadata_path), _files(store._incomplete_path)) if _lists_records(store) else None

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
        self.make_again(paths)
        return False

    def refuse(self, path: str, is_right: Callable[[], bool]) -> None:
        """Have a file made again that is there and is not right, although the engine's record of it may agree.

        It is judged once, as it is before this run makes it.
        """
        if path not in self._judged and self.workflow.is_main_process:
            self._judged.add(path)
            if os.path.lexists(path) and not is_right():
                self.make_again([path])

    def make_again(self, paths: Sequence[str]) -> None:
        """Have files made again. Raises StateError if the engine cannot be told, rather than take them as they are."""
        self.forced.update(paths)
        if not patches.force(self.workflow.dag, paths):
            more = f" and {len(paths) - 1} more files" if len(paths) > 1 else ""
            raise StateError(
                f"{paths[0]}{more}: Snakemake has no record of how they were made, and this version of it cannot be "
                "told to make them again. Delete them, then run the same command again"
            )

    def was_proven(self, path: str) -> bool:
        """What `proven` found for a file that is the first of its job."""
        return self._settled.get(path, False)

    def takes_times_as_given(self) -> bool:
        """Whether nobody forces jobs: else what hangs on them is to be made again, proven or not."""
        settings = self.workflow.dag_settings
        return not (settings.forceall or settings.forcerun)


def note_start(workflow: Any, jobid: int) -> None:
    """Note that a job is about to start, if the engine has a record of one of its outputs.

    The engine itself notes it when the job is already at work. A run that is killed in between would leave new files
    with the record of the old ones, which may be of other settings.
    """
    for running in list(getattr(workflow.scheduler, "running", ())):
        for job in running.jobs if running.is_group() else [running]:
            if job.jobid == jobid and any(workflow.persistence.metadata(path) is not None for path in job.output):
                workflow.persistence.started(job)


def doubt_restored(store: Any) -> None:
    """Have the next run make again what a job that fails was to update. store: the engine's records.

    The engine puts the old files back, and notes them as made from what the config says now: without this the next run
    would take them for right. It is done at once, since a run may be killed, and a module's `onerror` is never called.
    """
    restore, finished = store.restore_output, store.finished
    restored: set[Path] = set()

    def restore_output(path: Path) -> bool:
        """Put an old file back, if there is one."""
        is_back = bool(restore(path))
        if is_back:
            restored.add(path)
        return is_back

    async def note_end(job: Any) -> None:
        """Note that a job is over, well or not."""
        await finished(job)
        if restored and (back := restored.intersection(map(Path, job.output))):
            restored.difference_update(back)
            store.started(job)

    store.restore_output, store.finished = restore_output, note_end


def _lists_records(store: Any) -> bool:
    """Whether the engine keeps its records as files, and says by the known names where."""
    folders = getattr(store, "_metadata_path", None), getattr(store, "_incomplete_path", None)
    return all(isinstance(folder, str | Path) for folder in folders) and patches.takes(
        getattr(store, "_record_path", None), "subject", "id"
    )


def _files(folder: str | Path) -> set[str]:
    return {f"{top}/{name}" for top, _, names in os.walk(folder) for name in names}


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


def parts_there(workflow: Any, folders: Collection[str], days: str) -> Iterator[tuple[Any, dict[str, str], str]]:
    """Parts of days in some folders: the rule that makes them, its wildcards, and the first file of that job.

    days: what the dates begin with, such as `2012`.
    """
    for rule in workflow.rules:
        if rule.has_wildcards() and (folder := Path(str(rule.output[0])).parent).as_posix() in folders:
            for path in sorted(map(str, folder.glob(f"{days}*"))):
                if rule.is_producer(path):
                    yield rule, rule.get_wildcards(path), path


def job_of(workflow: Any, rule: Any, wildcards: Mapping[str, str]) -> Any:
    """A job of a rule that is not in the graph.

    None if its inputs or params raise: this config refuses it. None also if this engine makes jobs in another way than
    is known here.
    """
    from snakemake.exceptions import WorkflowError
    from snakemake.jobs import Job

    if not patches.takes(Job, "rule", "dag", "wildcards_dict", "format_wildcards", "targetfile", "groupid"):
        return None
    try:
        job = Job(rule, workflow.dag, wildcards)
        _ = job.params  # the engine works them out when they are asked for
    except (WorkflowError, WorkflowInputError):
        return None
    return job


def made_otherwise(workflow: Any, job: Any, path: str, unknown: Callable[[], bool]) -> bool:
    """Whether a file was made with other params than those of `job`, of `job_of`.

    unknown: asked for a file without a record. True if there is no job, or the engine cannot say.
    """
    store = workflow.persistence
    if job is None or not patches.takes(getattr(store, "params_changed", None), "job", "file"):
        return True
    (output,) = (each for each in job.output if each == path)
    return bool(store.params_changed(job, file=output)) if store.metadata(output) is not None else unknown()


def out_of_date(
    workflow: Any, outputs: Mapping[str, Any], vouched: bool, over: bool, parts: Iterable[str] = ()
) -> list[str]:
    """Those of `outputs`, of `main_outputs`, that are there, that this run does not make, and that it would make anew.

    They are of another config, or of other data, than what the run makes. vouched: files without a record are right
    otherwise. over: the run is at its end: what it was to make and has not made is out of date too. parts: of days,
    that are out of date, and so is what is made of them. Where the engine cannot say whether a file is of this config,
    it is not believed to be.
    """
    dag = workflow.dag
    pending = {str(path) for job in dag.needrun_jobs() for path in job.output}
    current = {str(path) for job in dag.jobs for path in job.output} - (pending if over else set())
    there = {path: rule for path, rule in outputs.items() if path not in current and os.path.lexists(path)}
    late = {path for path in there if path in pending}
    jobs = {rule: job_of(workflow, rule, {}) for rule in {rule for path, rule in there.items() if path not in late}}
    late |= {
        path for path in there.keys() - late if made_otherwise(workflow, jobs[there[path]], path, lambda: not vouched)
    }
    known = pending.union(parts)
    while True:
        found = {path for path in there.keys() - late if _is_late(path, jobs[there[path]].input, late | known)}
        if not found:
            return sorted(late)
        late |= found


def unchanged(
    workflow: Any, outputs: Mapping[str, Any], gone: Iterable[str], right: Iterable[str], made: Callable[[str], float]
) -> list[str]:
    """Those of `gone`, files of `outputs`, of `main_outputs`, that would be the same if they were made again.

    They have a record with the params and inputs of now, and nothing that they are made from is newer. right: files
    that were found so before, and are there. made: when a file was made, or the one that it replaced if that was the
    same.
    """
    checked = getattr(getattr(workflow, "checkpoints", None), "created_output", None)
    if isinstance(checked, set):  # so that the inputs that hang on them are known
        checked.update(right)
    rule_of = {path: outputs[path] for path in gone if path in outputs}
    jobs = {rule: job_of(workflow, rule, {}) for rule in set(rule_of.values())}
    of = {path: jobs[rule] for path, rule in rule_of.items()}
    same = {path for path, job in of.items() if not _made_of_others(workflow, job, path)}
    known = set(right)

    def is_right(path: str) -> bool:
        return all(str(each) in same or os.path.lexists(each) for each in of[path].output) and all(
            str(each) in same | known or (os.path.lexists(each) and (each.is_ancient or made(str(each)) <= made(path)))
            for each in of[path].input
        )

    while late := {path for path in same if not is_right(path)}:
        same -= late
    return sorted(same)


def _made_of_others(workflow: Any, job: Any, path: str) -> bool:
    """Whether a file has no record, or one of other params or other inputs than those of `job`."""
    return (
        made_otherwise(workflow, job, path, lambda: True)
        or not patches.takes(getattr(workflow.persistence, "input_changed", None), "job", "file")
        or bool(workflow.persistence.input_changed(job, file=next(each for each in job.output if each == path)))
    )


def _is_late(path: str, inputs: Iterable[Any], late: set[str]) -> bool:
    made = time_made(path)
    return any(str(each) in late or (not each.is_ancient and time_made(str(each)) > made) for each in inputs)


def time_made(path: str) -> float:
    """When a file was made, or a folder as a whole, as the engine notes it; endless for one that is not there."""
    stamp = Path(path, ".snakemake_timestamp")
    try:
        return (stamp if stamp.exists() else Path(path)).stat().st_mtime
    except OSError:
        return float("inf")
