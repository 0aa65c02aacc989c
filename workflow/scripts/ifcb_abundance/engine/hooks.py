"""What the engine says of its jobs, as log events: who counts progress and who acts before a job hear of it here."""

import logging
import re
import sys
from collections.abc import Callable, Mapping
from typing import Any

from snakemake.logging import LogEvent

from ifcb_abundance.common.progress import Progress
from ifcb_abundance.engine.log import cause
from ifcb_abundance.engine.status import Status

# A year has 22,000 jobs. The engine's lines about each of them do not reach the terminal.
PER_JOB = (LogEvent.JOB_STARTED, LogEvent.JOB_FINISHED, LogEvent.PROGRESS)


def no_line_per_job(record: logging.LogRecord) -> bool:
    """Filter out the engine's lines about single jobs."""
    return getattr(record, "event", None) not in PER_JOB and "Select jobs" not in str(record.msg)


def keep_line_in_place(logger: logging.Logger) -> None:
    """Let the messages of a terminal pass above its line of progress, and keep a log's heartbeats from it."""
    for handler in logger.handlers:
        stream = getattr(handler, "stream", None)
        if isinstance(handler, logging.FileHandler) or not (stream and stream.isatty()):
            continue
        from tqdm import tqdm

        emit = handler.emit

        def around(record: logging.LogRecord, emit: Any = emit, stream: Any = stream) -> None:
            if not getattr(record, "heartbeat", False):
                with tqdm.external_write_mode(file=stream):
                    emit(record)

        handler.emit = around  # type: ignore[method-assign]


class JobEvents(logging.Filter):
    """Reads the log events of jobs. It must be the first filter of the engine's logger, and lets all of them pass.

    A handler of the logger would not do: it sees only what the other filters leave. The engine logs in the thread that
    starts a job, and before it deletes the job's outputs, so an error raised here stops the run in time.

    before: called with the id and the outputs of a job that is about to start, and whether it is another try.
    progress: who counts the jobs of a rule, by the rule's name. status: who is told how many jobs are done.
    """

    def __init__(
        self,
        before: Callable[[int, list[str], bool], None],
        progress: Mapping[str, Progress],
        status: Status,
    ) -> None:
        super().__init__()
        self._before, self._progress, self._status = before, progress, status
        self._started: dict[int, str] = {}  # rules by job, of jobs that have not ended well

    def filter(self, record: logging.LogRecord) -> bool:
        """Act on the event. Returns True."""
        event, fields = getattr(record, "event", None), vars(record)
        if event == LogEvent.JOB_INFO:
            again = fields["jobid"] in self._started
            self._started[fields["jobid"]] = fields["rule_name"]
            self._before(fields["jobid"], list(map(_path, fields["output"])), again)
            if progress := self._progress.get(fields["rule_name"]):
                progress.begin()
        elif event == LogEvent.PROGRESS:
            self._status.jobs = {"done": fields["done"], "total": fields["total"]}
        elif event == LogEvent.JOB_FINISHED:
            if progress := self._progress.get(self._started.pop(fields["job_id"], "")):
                progress.step()
        elif event == LogEvent.JOB_ERROR:
            error = cause(sys.exc_info()[1])
            if error and (progress := self._progress.get(fields["rule_name"])):
                progress.fail(error)
        return True


def _path(output: str) -> str:
    """The path of an output, which the event may give with a note: `catalog.csv (update)`."""
    return re.sub(r" \([a-z ,]+\)$", "", output)
