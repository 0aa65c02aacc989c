# How the workflow deals with the engine: its log, what it costs per job, how a run begins and ends. No rule is here.
import ctypes
import gc
import logging
import re
import signal
import sys
import threading
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

from snakemake.logging import logger
from snakemake_interface_logger_plugins.common import LogEvent

from ifcb_abundance.engine import log as engine_log
from ifcb_abundance.engine import state as engine_state

M_TOP_PAD = -2  # glibc's malloc.h

# What modules log goes to the terminal and the run's log file. What the engine says of each job does not:
# a year has 22,000 of them, and the modules report their progress.
logging.getLogger("ifcb").parent = logger
PER_JOB = (LogEvent.JOB_STARTED, LogEvent.JOB_FINISHED, LogEvent.PROGRESS)
logging.raiseExceptions = False  # a log file that cannot be written, on a full disk, is no reason for a traceback
logger.addFilter(lambda record: getattr(record, "event", None) not in PER_JOB and "Select jobs" not in str(record.msg))


# The engine puts the path of Python as it is into commands of the shell, of scripts and of jobs in processes of their own:
# in a folder whose name has a blank or an apostrophe they would not start. Not in quotes: it adds some of its own.
if Path(sys.executable).exists():
    sys.executable = re.sub(r"[^\w/.+-]", r"\\\g<0>", sys.executable)


def spare_the_engine():
    """What makes the engine's own work per job less: `python -m benchmarks settings` measures it."""
    # The graph of jobs is large and lives as long as the run: looking through it for garbage finds none.
    gc.set_threshold(300_000, 50, 1000)
    # What a bin's body and scores took is kept for the next bin's, instead of being given back to the system and
    # taken again page by page, as glibc and Linux do it; other systems have no such setting.
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).mallopt(M_TOP_PAD, 64 << 20)
    # The sizes of inputs, by which larger jobs would go first among equals: it looks up those of all ready days, at
    # 60 files a day, each time that a job ends.
    workflow.scheduler._input_sizes = defaultdict(int)
    workflow.scheduler.update_input_sizes = leave_sizes
    # The limit on jobs per second makes the engine plan anew a second after every job. It is meant for clusters, which
    # get a few jobs of a run: bins and days are done in this process.
    workflow.scheduler.job_rate_limiter = None


def let_go():
    """What is left when all is done needs no last search for garbage, which would look through the whole graph."""
    gc.freeze()


def leave_what_asks_in_vain():
    """Begin no job that would ask a server that was given up; what can be built without it still is."""

    class Scheduler(type(workflow.scheduler)):
        @property
        def open_jobs(self):
            # The first one after the server was given up fails, so that the run does.
            gone = self._errors and SOURCE.given_up()
            return [job for job in super().open_jobs if not (gone and "dashboard" in job.scheduler_resources)]

    workflow.scheduler.__class__ = Scheduler


async def leave_sizes(jobs):
    """In place of the scheduler's look at the sizes of inputs: to it they are all alike."""


def get_ready():
    """What is to be seen to when there is something to do, the engine has its lock and knows its first jobs."""
    if workflow.touch:
        return
    to_write = [Path(path).parent for job in workflow.dag.needrun_jobs() for path in (*job.output, *job.log)]
    engine_state.refuse_read_only([*to_write, *Path(RESULTS).glob("*/"), *Path(SUMMARIES).glob("*/")])
    # The engine's own handler takes a lock, for which it waits for ever if the interrupted code holds it.
    stop = signal.getsignal(signal.SIGTERM)
    signal.signal(signal.SIGTERM, lambda *args: threading.Thread(target=stop, args=args).start())
    # A clock that was set back must not make every job fail whose input is newer than the present.
    engine_state.take_from_the_future(Path(RESULTS))
    workflow.dag.check_output_mtime = accept_any_time


async def accept_any_time(job, outputs):
    """In place of the engine's check: files of an archive may be from the future too."""


def after_failure():
    """Leave no merged table that lacks what failed, and say how to go on."""
    engine_log.SENTENCES.summed_up = True
    if workflow.touch:
        return
    unfinished = {job.rule.name for job in workflow.dag.needrun_jobs()}
    if "list_catalog" in unfinished:
        # The engine has put back the list there was, and noted it as that of the window asked for now.
        for job in workflow.dag.needrun_jobs():
            if job.rule.name == "list_catalog":
                workflow.persistence.started(job)
        logger.error("The list of bins could not be read, for the reason said above; what was built is as it was.")
        return
    put_aside(over=True)
    if not workflow.scheduler.failed:
        logger.error("The run was stopped. What is built is kept: the same command goes on where it stood.")
        return
    if SOURCE.given_up():
        logger.error(
            "The run is not complete, for the server could not be reached, as is said above. Bins that were not had "
            "are not recorded as failed for that. What is built is kept: the same command goes on where this run "
            "stopped, once the server can be reached."
        )
        return
    failures = [said for each in (progress, progress_of_features, extracted, exampled) if (said := each.failures())]
    if not failures and not engine_log.of_bins(workflow.scheduler.failed):
        logger.error(
            f"The run is not complete: {engine_log.count_failed(workflow.scheduler.failed)} What is built is kept. "
            "Mend what the message above says, then run the same command again."
        )
        return
    gone = (
        "the merged tables are gone until nothing is missing"
        if "merge_abundance" in unfinished
        else "tables that have what failed are gone until nothing is missing"
    )
    counted = "".join(f"\n  {said}" for said in failures) or f" {engine_log.count_failed(workflow.scheduler.failed)}"
    counted += "\n" if failures else " "
    stays = (
        "An HTTP 500 that stays is of a file that the server cannot read: trying again does not help. "
        if any("HTTP 500" in said for said in failures)
        else ""
    )
    logger.error(
        "The run is not complete. What failed is said above, with its bin and address."
        f"{counted}The bins and days that are built are kept; {gone}. The same command goes on where this run stopped. "
        f"{stays}To have what cannot be had written down as failed, set source.on_failure: record."
    )
