# What the workflow takes of the engine's records and of what is there. No rule is here. Nothing is written while this is
# read, or while the graph is built: to look changes nothing.
import os
import sys

from snakemake.logging import logger

from ifcb_abundance.engine import folders, hooks, lock, one_config, patches, records, settled, stale
from ifcb_abundance.report import run_record

folders.refuse_what_is_no_folder(RESULTS, LOGS)
CLAIM = lock.Claim(
    TABLES if LAYOUT.shard else LAYOUT.cache,
    begin=lambda: workflow.touch or stale.drop_replaced(RESULTS),
    end=lambda: workflow.touch or (all_is_asked() and STATUS.all_is_there()),
)
DOUBT = records.Doubt(workflow)
SETTLED = settled.Settled(workflow, DOUBT)
# Where tables and what is made of them lie; folders of stages beside the main job are not among them.
MAIN_FOLDERS = (TABLES, FIGURES, LAYOUT.exports, LAYOUT.report, LAYOUT.validation)
NO_RESULTS = (
    *(table.merged_in(TABLES) for table in table_registry.TABLES.values() if table.updated),
    LAYOUT.figure_scripts,
    f"{LAYOUT.validation}/subjects",  # people work with it
)
PART_FOLDERS = {str(Path(table.part_in(RESULTS)).parent) for table in table_registry.TABLES.values() if table.part}
ONE_CONFIG = one_config.OneConfig(workflow, DOUBT, lambda path: is_result(path))
SEEN = {"run": False, "graph": False, "moved": False, "vouched": False, "replaced": [], "aside": []}
# What the run before this one says of itself. It is read at once: the engine asks for inputs in any order.
RUN_BEFORE = run_record.read(LAYOUT.run_record) if workflow.is_main_process else {}


def meet_graph():
    """Called while the graph is built, before the engine asks which jobs are to be done; does its work once.

    Of files that cannot prove themselves, those without a record of the engine are right if run.json vouches for them,
    and are made again if not.
    """
    if SEEN["graph"] or not workflow.is_main_process:
        return
    SEEN["graph"] = True
    meet_run()
    if doubtful := list(filter(DOUBT.unrecorded, main_outputs())):
        asked, bins = run_record.asked_of(SETTINGS), OF_DAYS["bins"].part_in(RESULTS)
        SEEN["vouched"] = run_record.vouches(RUN_BEFORE, asked, TABLES, bins)
        if not SEEN["vouched"]:
            DOUBT.make_again(doubtful)


def meet_run(wildcards=None):
    """Called while the graph is built, by jobs that need no bin too: an input function that gives no files."""
    if SEEN["run"] or not workflow.is_main_process:
        return []
    SEEN["run"] = True
    logger.filters.insert(0, hooks.JobEvents(before_job, progress_by_rule(), STATUS))
    SETTLED.leave_out_of_records(is_bin_of_day)
    # Only a run has an executor: summaries, graphs, lists and reports have none.
    if getattr(workflow, "executor_plugin", None) and not workflow.dryrun:
        records.doubt_restored(workflow.persistence)
        patches.claim_before_lock(workflow.persistence, CLAIM, sys.argv[1:])
    return []


def is_result(path):
    """Whether a path is a table, a part of one, or made of tables; of those that an older one is not read for."""
    return str(Path(path).parent) in {*MAIN_FOLDERS, *PART_FOLDERS} and path not in NO_RESULTS


def main_outputs():
    return records.main_outputs(workflow, MAIN_FOLDERS, NO_RESULTS)


def before_job(jobid, outputs, again):
    """Called when a job is about to start, with its id and outputs, and whether it is another try."""
    if not (workflow.dryrun or workflow.touch):
        if any(map(is_result, outputs)):  # the graph may have grown since the run began
            ONE_CONFIG.refuse_others()
        records.note_start(workflow, jobid)
        put_aside_before(outputs, again)
