# What the workflow takes of the engine's records and of what is there, and what it moves away. No rule is here.
#
# Nothing is written while this is read, or while the graph is built: to look changes nothing.
import os
import sys

from snakemake.jobs import Job

from ifcb_abundance.engine import state as engine_state
from ifcb_abundance.report import run_record
from ifcb_abundance.engine import stale

engine_state.refuse_what_is_no_folder(RESULTS, LOGS)

DOUBT = engine_state.Doubt(workflow)
# Where tables and what is made of them lie; folders of stages beside the main job are not among them.
MAIN_FOLDERS = (TABLES, FIGURES, LAYOUT.exports, LAYOUT.report)
NO_RESULTS = (
    *(table.merged_in(TABLES) for table in table_registry.TABLES.values() if table.updated),
    f"{FIGURES}/vega.js",
)
PART_FOLDERS = {str(Path(table.part_in(RESULTS)).parent) for table in table_registry.TABLES.values() if table.part}
SEEN = {"graph": False, "moved": False, "vouched": False, "replaced": []}
# What the run before this one says of itself. It is read at once: the engine asks for inputs in any order.
RUN_BEFORE = run_record.read(f"{TABLES}/run.json") if workflow.is_main_process else {}


def meet_graph():
    """To be called while the graph is built, before the engine asks which jobs are to be done; does its work once.

    What the engine has no record of, of all that is in the way of a proof of its own, is right if run.json vouches for
    it, and forced if not. What the engine does at the beginning of a run, and before a job, is made to be ours too.
    """
    if SEEN["graph"] or not workflow.is_main_process:
        return
    SEEN["graph"] = True
    doubtful = list(filter(DOUBT.unrecorded, main_outputs()))
    if doubtful:
        SEEN["vouched"] = run_record.vouches(
            RUN_BEFORE, run_record.asked_of(SETTINGS), TABLES, OF_DAYS["bins"].part_in(RESULTS)
        )
        if not SEEN["vouched"]:
            workflow.dag.forcefiles.update(doubtful)
    # Only a run has an executor: summaries, graphs, lists and reports have none.
    if workflow.executor_plugin is None or workflow.dryrun:
        return
    lock = workflow.persistence.lock
    workflow.persistence.lock = lambda: engine_state.claimed(lock, TABLES, sys.argv[1:])
    if not workflow.touch:
        register = workflow.dag.register_running
        workflow.dag.register_running = lambda jobs: (put_aside_before(jobs), register(jobs))


def main_outputs():
    return engine_state.main_outputs(workflow, MAIN_FOLDERS, NO_RESULTS)


def put_aside_before(jobs):
    """Before the first job that makes tables or parts of them: what is of another config must not lie beside them.

    And before each job, the files that it is to replace: the engine deletes them, and the job may fail.
    """
    ones = [one for job in jobs for one in (job if job.is_group() else [job])]
    outputs = [str(path) for one in ones for path in one.output if str(path) not in NO_RESULTS]
    if not SEEN["moved"] and any(str(Path(path).parent) in {*MAIN_FOLDERS, *PART_FOLDERS} for path in outputs):
        SEEN["moved"] = True
        put_aside(over=False)
    # Not what a first try has left.
    again = {str(path) for one in ones if one.attempt > 1 for path in one.output}
    replaced = [path for path in outputs if str(Path(path).parent) in MAIN_FOLDERS and path not in again]
    SEEN["replaced"] += stale.put_aside(filter(os.path.isfile, replaced), RESULTS)


def put_aside(over):
    """Move to stale/ what is of another config or of other data than what this run makes, and is not made by it.

    over: the run is at its end, which is when zips of images, that a run may list as it goes, are looked at again.
    """
    late = engine_state.out_of_date(workflow, main_outputs(), SEEN["vouched"], over)
    others = [
        table.merged_in(TABLES) for name, table in table_registry.made_by("pool_periods").items() if name != PERIOD
    ]
    late += [path for path in others if Path(path).exists()]
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
        job = Job(makes_them, workflow.dag, makes_them.get_wildcards(str(path)))
        if workflow.persistence.has_metadata(job):
            late += [path] if workflow.persistence.params_changed(job, file=job.output[0]) else []
        elif not extract_images.proves_itself(path, of_images(job.wildcards)):
            late.append(path)
    return late


def put_aside_the_whole():
    """In the run of a shard: the tables of all shards, if they were put together with another config."""
    if TABLES == RESULTS:
        return []
    there = [RESULTS + path.removeprefix(TABLES) for path in (*main_outputs(), MERGED["catalog"])]
    there = [path for path in there if Path(path).exists()]
    made_with = run_record.read(f"{RESULTS}/run.json").get("config", {})
    if not there or not shards.differing(made_with, SETTINGS):
        return []
    held = engine_state.claim(RESULTS)
    if not held:  # the run that is at work on them sees to it
        return []
    with held:
        return stale.put_aside(there, RESULTS)
