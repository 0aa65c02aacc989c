"""Files of bins that need no job in the graph, because what was made of them is finished, recorded and newer.

A job costs the engine about a millisecond to look at, even if there is nothing to do, and a year has 22,000 bins. So
the files of a day's bins stay out of the graph as long as the engine's record of the day says that they are what they
should be. If not, they enter the graph, and the engine looks at each of them.
"""

import operator
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from itertools import repeat
from typing import Any

from ifcb_abundance.common.folders import Listing
from ifcb_abundance.engine import patches
from ifcb_abundance.engine.records import Doubt


class Settled:
    """Which days have settled. That is decided while the graph is built, once for each day.

    workflow: the engine's. doubt: which files the engine has no record of.
    """

    def __init__(self, workflow: Any, doubt: Doubt) -> None:
        self._workflow, self._doubt = workflow, doubt
        self._files = Listing()
        self._decided: dict[tuple[str, str], bool] = {}
        self._left_out = False

    def leave_out_of_records(self, is_of_bin: Callable[[Any, str], bool]) -> None:
        """Have the engine's records of days not name the files of bins, or else a day would never settle.

        is_of_bin: called with a job of the engine and one of its inputs.
        """
        self._left_out = patches.leave_out_of_records(self._workflow.persistence, is_of_bin)

    def has(self, parts: Sequence[str], made_of: str, bins: Sequence[str], *paths_of: Callable[[str], str]) -> bool:
        """Whether the files of a day's bins are as they were when the day's parts were made of them.

        made_of: a checksum of which bins these are, and of what each is read from; a param of the rule that makes the
        parts. paths_of: give the path of a file of a bin, each of a file that is made from the one before.
        """
        key = parts[0], made_of
        if key not in self._decided:
            self._decided[key] = (
                self._may_be
                and not any(map(self._doubt.unrecorded, parts))
                and self._states(parts[0], made_of)
                and self._are_older(parts, [list(map(path_of, bins)) for path_of in paths_of])
            )
        return self._decided[key]

    @cached_property
    def _may_be(self) -> bool:
        """Whether this is a run, or a dry run, that forces nothing. All else the engine does is about every file."""
        settings = self._workflow.dag_settings
        return (
            self._left_out
            and self._workflow.is_main_process
            and getattr(self._workflow, "executor_plugin", None) is not None
            and not self._workflow.touch
            and not (settings.forceall or settings.forcerun or settings.forcetargets)
        )

    def _are_older(self, parts: Sequence[str], generations: Sequence[Sequence[str]]) -> bool:
        """Whether all files are there and finished, and none is newer than what was made from it."""
        later: Iterable[int] = repeat(min(self._changed(path, missing=0) for path in parts))
        for files in reversed(generations):
            changed = [self._changed(path, missing=sys.maxsize) for path in files]
            if any(map(operator.gt, changed, later)) or self._doubt.unfinished(files):
                return False
            later = changed
        return True

    def _changed(self, path: str, missing: int) -> int:
        time = self._files.changed(path)
        return missing if time is None else time

    def _states(self, part: str, made_of: str) -> bool:
        """Whether the engine's record of a part has the checksum among its params, which are recorded as text."""
        from snakemake.io import IOFile

        record = self._workflow.persistence.metadata(IOFile(part))
        return record is not None and repr(made_of) in (record.params or ())
