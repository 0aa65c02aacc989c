# What the workflow takes of the engine's records and of what is there, and what it moves away. No rule is here. Nothing
# is written while this is read, or while the graph is built: to look changes nothing.
import os
import sys

from snakemake.logging import logger

from ifcb_abundance.engine import folders, hooks, lock, patches, records, settled, stale
from ifcb_abundance.report import run_record

folders.refuse_what_is_no_folder(RESULTS, LOGS)
CLAIM = lock.Claim(TABLES if LAYOUT.shard else LAYOUT.cache, lambda: workflow.touch or stale.drop_replaced(RESULTS))
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
SEEN = {"run": False, "graph": False, "moved": False, "vouched": False, "replaced": []}
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
        patches.claim_before_lock(workflow.persistence, CLAIM, sys.argv[1:])
    return []


def main_outputs():
    return records.main_outputs(workflow, MAIN_FOLDERS, NO_RESULTS)


def before_job(jobid, outputs, again):
    """Called when a job is about to start, with its id and outputs, and whether it is another try."""
    if not (workflow.dryrun or workflow.touch):
        records.note_start(workflow, jobid)
        put_aside_before(outputs, again)


def put_aside_before(outputs, again):
    """Before the first job that makes tables or parts of them: what is of another config must not lie beside them.

    And before each job, the files that it is to replace: the engine deletes them, and the job may fail. Not what a
    first try has left.
    """
    outputs = [path for path in outputs if path not in NO_RESULTS]
    if not SEEN["moved"] and any(str(Path(path).parent) in {*MAIN_FOLDERS, *PART_FOLDERS} for path in outputs):
        SEEN["moved"] = True
        put_aside(over=False)
    replaced = [path for path in outputs if str(Path(path).parent) in MAIN_FOLDERS and not again]
    SEEN["replaced"] += stale.put_aside(filter(os.path.isfile, replaced), RESULTS)


def put_aside(over):
    """Move to stale/ what is of another config or of other data than what this run makes, and is not made by it.

    over: the run is at its end, which is when zips of images, that a run may list as it goes, are looked at again.
    """
    if not SEEN["graph"]:  # the run is of stages that leave the tables as they are
        return
    late = records.out_of_date(workflow, main_outputs(), SEEN["vouched"], over)
    of_periods = table_registry.made_by("pool_periods")
    others = [table.merged_in(TABLES) for name, table in of_periods.items() if name != PERIOD]
    late += filter(os.path.exists, others)
    if over or not any(job.rule.name == "images" for job in workflow.dag.jobs):
        late += images_out_of_date()
    moved = stale.put_aside(late, RESULTS) + put_aside_the_whole()
    if over:  # what was to be replaced and was not
        moved = [each for each in SEEN["replaced"] if each not in moved and not Path(RESULTS, each).exists()] + moved
    if moved:
        logger.warning(
            f"Moved to {RESULTS}/{stale.STALE}/, since this run does not make them and they are of an earlier config "
            f"or of earlier data: {stale.told(moved)}. Ask for them by name to have them made again"
        )


def tidy_up():
    """At the end of a run that went well."""
    if not workflow.touch:
        CLAIM.hold()
        put_aside(over=True)
        stale.drop_replaced(RESULTS)


def images_out_of_date():
    """Zips of images that would be made anew; those of whole bins hang on no threshold, and are many."""
    before = RUN_BEFORE
    same = before.get("source") == SOURCE.catalog_identity and before["config"].get("images") == IMAGES
    if same and not IMAGES["classes"]:
        return []
    folder = LAYOUT.images
    (makes_them,) = (each for each in workflow.rules if any(str(path).startswith(folder) for path in each.output))
    current = {str(path) for job in workflow.dag.jobs for path in job.output}
    late = []
    for path in Path(folder).rglob("[!.]*.zip"):
        if str(path) in current or not makes_them.is_producer(str(path)):
            continue
        job = records.job_of(workflow, makes_them, makes_them.get_wildcards(str(path)))
        if records.made_otherwise(workflow, job, str(path), lambda: not proves_its_images(path, job)):
            late.append(path)
    return late


def proves_its_images(path, job):
    return extract_images.proves_itself(path, of_images(job.wildcards))


def put_aside_the_whole():
    """In the run of a shard: the tables of all shards, if they were put together with another config."""
    if TABLES == RESULTS:
        return []
    there = [RESULTS + path.removeprefix(TABLES) for path in (*main_outputs(), MERGED["catalog"], str(STATUS.path))]
    there = [path for path in there if Path(path).exists()]
    made_with = run_record.read(replace(LAYOUT, shard=None).run_record).get("config", {})
    if not there or not shards.differing(made_with, SETTINGS):
        return []
    held = lock.claim(LAYOUT.cache)
    if not held:  # the run that is at work on them sees to it
        return []
    with held:
        return stale.put_aside(there, RESULTS)
