"""What the engine prints of errors: one of ours once, as a sentence. Of a bug it prints all that it knows."""

import logging
import re
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from difflib import get_close_matches
from typing import Any

from snakemake.exceptions import MissingRuleException, WorkflowError
from snakemake.logging import LogEvent

from ifcb_abundance.common.errors import WorkflowInputError
from ifcb_abundance.common.job_log import TOLD, last_error
from ifcb_abundance.common.words import counted

NOT_COMPLETE = "At least one job did not complete successfully."
LOOK_ABOVE = "Exiting because a job execution failed. Look above for error messages"


class Sentences(logging.Filter):
    """A filter of the engine's logger: of an error of ours it leaves the message, and that once.

    The engine hands its logger the text of an error while the error is being handled, so what it is about can be seen
    from the error itself. A job in a process of its own has written it into the job's log, and it is read from there.
    """

    def __init__(self) -> None:
        super().__init__()
        self.of_one_job = False  # the process does one job for another one, which reads the job's log
        self.summed_up = False  # the workflow has said itself that the run is not complete
        self.targets: Callable[[], Iterable[str]] = tuple  # rules and files that can be asked for by name
        self._told: set[str] = set()
        self._jobs: set[str] = set()  # those that ended with an error of ours
        self._lock = threading.Lock()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is printed; the text of one about an error of ours becomes the error's message."""
        event, text = getattr(record, "event", None), str(record.msg)
        if event == LogEvent.ERROR:
            return self._error(record)
        if event == LogEvent.JOB_ERROR:
            return self._failed_job(record)
        if again := re.fullmatch(r"Trying to restart job (\w+)\.", text):
            return again[1] not in self._jobs
        if self.of_one_job and text == LOOK_ABOVE:
            return False
        # Of a list that could not be made for the first time: there is nothing to put back.
        return not (text.startswith("Cannot restore ") and text.endswith("no backup found."))

    def _error(self, record: logging.LogRecord) -> bool:
        error = cause(sys.exc_info()[1])
        if isinstance(error, WorkflowInputError):
            return not (self.of_one_job and error.in_log) and self._tell(record, str(error))
        if isinstance(error, MissingRuleException) and (
            asked := re.search(r"No rule to produce (\S+)", str(record.msg))
        ):
            close = get_close_matches(asked[1], self.targets(), n=1)
            record.msg = f"{record.msg}" + (f"\nDid you mean {close[0]}?" if close else "")
            return True
        if getattr(error, "returncode", None) == TOLD:
            return False  # of a script's process: its job's error follows
        if sentence := _of_input_function(str(record.msg)):
            return self._tell(record, sentence)
        is_the_end = isinstance(error, WorkflowError) and str(error) == NOT_COMPLETE
        return not (is_the_end and (self.summed_up or self.of_one_job))

    def _failed_job(self, record: logging.LogRecord) -> bool:
        error, job = cause(sys.exc_info()[1]), vars(record)
        sentence = str(error) if isinstance(error, WorkflowInputError) else last_error(job.get("log", []))
        if sentence is None:
            return True
        self._jobs.add(str(job.get("jobid")))
        return not self.of_one_job and self._tell(record, sentence)

    def _tell(self, record: logging.LogRecord, sentence: str) -> bool:
        with self._lock:
            if sentence in self._told:
                return False
            self._told.add(sentence)
        record.msg, record.args = sentence, ()
        vars(record).update(event=LogEvent.ERROR, exception=WorkflowInputError.__name__)
        return True


def _of_input_function(text: str) -> str:
    """The message of an error of ours that an input function raised; empty if it is about something else.

    The engine writes that error into its own one, and may raise that where nothing leads back to ours.
    """
    found = re.search(r"(?s)^InputFunctionException .*?\nError:\n  (\w+): (.+)\nWildcards:\n", text)
    return found[2] if found and found[1] in {each.__name__ for each in _all_of(WorkflowInputError)} else ""


def _all_of(kind: type[WorkflowInputError]) -> Iterator[type[WorkflowInputError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _all_of(below)


SENTENCES = Sentences()  # one per process: a workflow may use this one as a module more than once


def cause(error: BaseException | None) -> BaseException | None:
    """What an error of the engine is about: the first one behind it that is not the engine's, or itself."""
    about = error
    while about is not None and type(about).__module__.startswith("snakemake"):
        about = about.__cause__ or about.__context__
    return about or error


def of_bins(jobs: Iterable[Any]) -> bool:
    """Whether one of these jobs of the engine is about a single bin."""
    return any("bin" in job.wildcards.keys() for job in jobs)  # noqa: SIM118


def count_failed(jobs: Iterable[Any]) -> str:
    """How many jobs of the engine failed, in words: `100 bins failed`, `1 day and 2 other jobs failed`."""
    jobs = list(jobs)
    counts = {
        name: sum(name in job.wildcards.keys() for job in jobs)  # noqa: SIM118
        for name in ("bin", "date")
    }
    others = len(jobs) - sum(counts.values())
    others_are = "other job" if others < len(jobs) else "job"
    words = {"bin": counts["bin"], "day": counts["date"], others_are: others}
    return f"{_and([counted(n, what) for what, n in words.items() if n])} failed."


def _and(words: Sequence[str]) -> str:
    return " and ".join(words) if len(words) < 3 else f"{', '.join(words[:-1])} and {words[-1]}"
