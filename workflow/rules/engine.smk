# How a run begins and ends, and what the workflow changes in the engine: docs/engine.md. No rule is here.
import logging
import os
import sys
from pathlib import Path

import snakemake.script
from snakemake import common as engine_common, rules as engine_rules
from snakemake.dag import DAG
from snakemake.jobs import Job
from snakemake.logging import logger

from ifcb_abundance.common.progress import Progress
from ifcb_abundance.engine import ending, folders, hooks, log as engine_log, patches, script_process
from ifcb_abundance.engine.status import Status

# What modules log goes to the terminal and the run's log file.
logging.getLogger("ifcb").parent = logger
logging.raiseExceptions = False  # a log file that cannot be written, on a full disk, is no reason for a traceback
logger.addFilter(hooks.no_line_per_job)
patches.remember_signatures(engine_common, engine_rules)
patches.share_guards(getattr(sys.modules.get("snakemake.iocontainers"), "AttributeGuard", None))
patches.skip_environments(Job, engine_rules.Rule)
patches.skip_logs_of_waiting_jobs(DAG, Job)
patches.share_empty_sets(Job)
patches.escape_python()
# Each may use two threads of libraries, and 300 MB of memory; those that compute features use one.
SCRIPT_PROCESSES = script_process.ScriptProcesses(
    most=max(1, (os.cpu_count() or 1) // (1 if CONFIG.features.compute else 2))
)
patches.skip_notebooks(snakemake.script)
patches.share_python(snakemake.script.PythonScript, CHECKOUT / "workflow" / "scripts", SCRIPT_PROCESSES)


def on_start():
    """Called when there is something to do, the engine has its lock and knows its first jobs."""
    tune_scheduler()
    if makes_archive():
        patches.stop_in_a_thread()
        patches.tell_jobs_to_stop()
        return
    CLAIM.hold()
    ONE_CONFIG.refuse_others()
    if workflow.touch:
        return
    if SEEN["graph"] and not SHARDS:
        for line in choices.told(ASKED, CONFIG, SOURCE):
            logger.info(line)
    to_write = [Path(path).parent for job in workflow.dag.needrun_jobs() for path in (*job.output, *job.log)]
    folders.refuse_read_only([*to_write, *Path(RESULTS).glob("*/"), *Path(SUMMARIES).glob("*/")])
    patches.stop_in_a_thread()
    patches.tell_jobs_to_stop()
    # A clock that was set back must not make every job fail whose input is newer than the present.
    folders.take_from_the_future(Path(LAYOUT.cache))
    patches.accept_any_time(workflow.dag)
    hooks.keep_line_in_place(logger)
    STATUS.begin()
    POOLED["days"] = min(jobs_of("pool_abundance"), MANY_DAYS)


def tune_scheduler():
    """Reduce what the engine does for each job: `python -m benchmarks settings` measures it."""
    patches.end_lost_tasks(workflow)
    patches.skip_input_sizes(workflow.scheduler)
    patches.skip_remaining_jobs(workflow.scheduler)
    patches.skip_rate_limit(workflow.scheduler)
    patches.offer_first_jobs(workflow.scheduler, workflow.dag)
    patches.skip_job_infos(Job, logger)
    patches.release_what_is_worked_out(workflow.dag, Job)
    # A job that would ask a server that was given up; what can be built without the server still is.
    patches.hold_back(workflow.scheduler, lambda job: "dashboard" in job.scheduler_resources and SOURCE.given_up())


def jobs_of(rule):
    """How many jobs of a rule there are to do. A workflow that has this one as a module may call the rule otherwise."""
    own = getattr(rules, rule).rule
    return sum(job.rule is own for job in workflow.dag.needrun_jobs())


def bins_to_read(rule):
    """How many bins are wanted, and how many of them this run has to read."""
    return sum(map(len, selection().wanted.values())), jobs_of(rule)


def jobs_to_do(rule):
    """How many jobs of a rule there are, as all and as left."""
    return (jobs_of(rule),) * 2


# Rules whose jobs are counted. Only the run itself counts, not the processes of its jobs.
PROGRESS = {
    "summarize_scores": Progress("class scores of bins", lambda: bins_to_read("summarize_scores")),
    "summarize_features": Progress("features of bins", lambda: bins_to_read("summarize_features")),
    "compute_features": Progress("bins whose features are computed", lambda: jobs_to_do("compute_features")),
    "extract_images": Progress("images of bins", lambda: jobs_to_do("extract_images")),
    "keep_winners": Progress("winners of bins", lambda: jobs_to_do("keep_winners")),
    "cut_subjects": Progress("bins of the sample", lambda: jobs_to_do("cut_subjects")),
    "extract_examples": Progress("bins of montages", lambda: jobs_to_do("extract_examples")),
    "clean_images": Progress("groups of images cleaned", lambda: jobs_to_do("clean_images")),
    "cut_patches": Progress("groups of images cut", lambda: jobs_to_do("cut_patches")),
}

# Beside the tables, for whoever watches; and once a second it lets the counts be told again.
STATUS = Status(
    f"{TABLES}/status.json", {"dataset": CONFIG.dataset, "run": CONFIG.run, "shard": LAYOUT.shard}, PROGRESS.values()
)


def progress_by_rule():
    """PROGRESS by the names that rules have in this run."""
    return {getattr(rules, rule).rule.name: progress for rule, progress in PROGRESS.items()}


def on_success():
    SCRIPT_PROCESSES.close()
    if makes_archive():
        forget_shards()
        return
    tidy_up()
    STATUS.end("complete")
    if SEEN["graph"]:
        say_left_out()
        print_summary()
    say_where()


def on_error():
    """Leave no merged table that lacks what failed, and say how to go on."""
    engine_log.SENTENCES.summed_up = True
    SCRIPT_PROCESSES.close()
    if makes_archive():
        forget_shards()
        logger.error(ending.why_incomplete(workflow.scheduler.failed, [], [], ""))
        return
    STATUS.end("failed" if workflow.scheduler.failed else "stopped")
    if workflow.touch:
        return
    CLAIM.hold()
    unfinished = {job.rule.name for job in workflow.dag.needrun_jobs()}
    if "list_catalog" in unfinished:
        logger.error("The list of bins could not be read; the message above says why. What was built is unchanged.")
        return
    put_aside(over=True)
    failures = [said for each in PROGRESS.values() if (said := each.failures())]
    logger.error(ending.why_incomplete(workflow.scheduler.failed, failures, unfinished, SOURCE.given_up()))
