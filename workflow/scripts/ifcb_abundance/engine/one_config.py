"""Refuses results of two configs, where the engine was told not to look at how files were made.

By itself the engine makes a file again whose params have changed. It does not with `--rerun-triggers mtime`: then days
of another config would be merged with those that the run makes. And `--touch` notes files as made with the config of
now.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from ifcb_abundance.common.errors import StateError
from ifcb_abundance.engine import records

NAMED = 3  # files in a message


class OneConfig:
    """What the engine takes as it is has to be of the config of now.

    workflow: the engine's. doubt: which files without a record are made again. is_result: called with a path, whether
    it is a table, a part of one, or made of tables.
    """

    def __init__(self, workflow: Any, doubt: records.Doubt, is_result: Callable[[str], bool]) -> None:
        self._workflow, self._doubt, self._is_result = workflow, doubt, is_result
        self._right: set[Any] = set()  # jobs that were looked at

    def refuse_others(self) -> None:
        """Raise StateError, naming files, if some would be taken as they are that were made with another config.

        Costs nothing where the engine itself looks at params: to read the records of a year takes a second.
        """
        if self._workflow.touch:
            if others := self._made_otherwise(self._workflow.dag.needrun_jobs(), lambda _: True):
                raise StateError(
                    "--touch would note files as made with this config that were made with another config, or by "
                    f"another version of the workflow: {_told(others)}. Without --touch they are made again"
                )
        elif "params" not in map(str, self._workflow.rerun_triggers):
            pending = set(self._workflow.dag.needrun_jobs())
            left = [job for job in self._workflow.dag.jobs if job not in pending]
            if others := self._made_otherwise(left, self._is_result):
                raise StateError(
                    "--rerun-triggers is given without params. So files would be taken as they are that were made with "
                    f"another config, or by another version of the workflow: {_told(others)}. Without "
                    "--rerun-triggers they are made again"
                )

    def _made_otherwise(self, jobs: Iterable[Any], is_asked: Callable[[str], bool]) -> list[str]:
        others = []
        for job in jobs:
            if job in self._right:
                continue
            path = next((str(each) for each in job.output if os.path.lexists(each)), "")
            unproven = path in self._doubt.forced
            if path and is_asked(path) and records.made_otherwise(self._workflow, job, path, partial(bool, unproven)):
                others.append(path)
            else:
                self._right.add(job)
        return sorted(others)


def _told(paths: Sequence[str]) -> str:
    more = len(paths) - NAMED
    return ", ".join(paths[:NAMED]) + (f" and {more} more" if more > 0 else "")
