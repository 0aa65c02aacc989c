# Access to the config, the bins of a day, the list of targets. The only file that reads `config`.
import sys
import time
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import datetime, timezone
from functools import lru_cache, partial
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZipFile

from snakemake.logging import logger
from snakemake.sourcecache import HostingProviderFile
from snakemake_interface_executor_plugins.settings import ExecMode


def checkout_folder(rules):
    """The folder of the workflow's files; `rules`: what the engine knows of this file's folder.

    As a module that the engine has fetched, by `github(...)`, the workflow has no folder. All its files are unpacked
    into one then, beside what the engine keeps for the time of the run.
    """
    if not isinstance(rules, HostingProviderFile):
        return Path(rules.get_path_or_uri(secret_free=True)).parents[1]
    repository = rules.hosted_repo.repo
    commit = repository.commit(rules.ref).hexsha
    unpacked = Path(workflow.sourcecache.runtime_cache_path, f"checkout-{commit}")
    if not unpacked.exists():
        with TemporaryDirectory(dir=unpacked.parent) as unfinished:
            repository.git.archive(commit, output=f"{unfinished}/files.zip")
            with ZipFile(f"{unfinished}/files.zip") as files:
                files.extractall(f"{unfinished}/files")
            with suppress(OSError):  # another process was faster
                Path(unfinished, "files").rename(unpacked)
    return (unpacked / rules.path).parents[1]


# The modules import each other by name.
CHECKOUT = checkout_folder(workflow.current_basedir)
sys.path.insert(0, str(CHECKOUT / "workflow" / "scripts"))
# The scripts of rules, for their rules files. Where the workflow is fetched they are read from what is unpacked: jobs side
# by side would read them from the repository at once, which it does not stand.
SCRIPTS = (
    CHECKOUT / "workflow" / "scripts" if isinstance(workflow.current_basedir, HostingProviderFile) else "../scripts"
)

from ifcb_abundance.abundance import days as abundance
from ifcb_abundance.abundance import bin_table
from ifcb_abundance.features import biovolume
from ifcb_abundance.catalog import listing as catalog
from ifcb_abundance.config import AUTO, MERGE, resolve
from ifcb_abundance.config import files as config_files
from ifcb_abundance.tables import data_package
from ifcb_abundance.demo import archive as demo_archive
from ifcb_abundance.engine import log as engine_log
from ifcb_abundance.images import examples
from ifcb_abundance.exports import publication as exports
from ifcb_abundance.images import extract as extract_images
from ifcb_abundance.features import summary as features
from ifcb_abundance.figures import registry
from ifcb_abundance.figures.options import FigureOptions
from ifcb_abundance.abundance import periods
from ifcb_abundance.recheck import reread as recheck
from ifcb_abundance.report import run_record
from ifcb_abundance.scores import summary as scores
from ifcb_abundance.catalog import shards
from ifcb_abundance.tables import registry as table_registry, table_files
from ifcb_abundance.bins.ids import PATTERN as BIN_ID, parse_bin_id
from ifcb_abundance.bins.layout import SUMMARY, ZIP, Layout, of_bin
from ifcb_abundance.common.errors import ConfigError
from ifcb_abundance.common.job_log import logged
from ifcb_abundance.common.progress import Progress
from ifcb_abundance.catalog.selection import Selection
from ifcb_abundance.sources.directory import why_no_list
from ifcb_abundance.sources.open_source import open_source


def read_config():
    """The config as it was written, and where its keys are written."""
    if workflow.modifier.namespace is not None:  # a module has its config from another workflow
        return config, {}
    entries, parsed = workflow.config_settings.config_args or [], workflow.config_settings.config
    places = {}
    if workflow.is_main_process:  # else the run that this job is of has looked already
        given = workflow.overwrite_configfiles
        own = workflow.configfiles[len(given) :]
        places = config_files.read_strictly([*own, *given], entries, parsed)
    return {**config, **config_files.in_quotes(entries, parsed)}, places


# Of all that follows an error is told as a sentence, without the file and line of a rule.
logger.addFilter(engine_log.SENTENCES)
engine_log.SENTENCES.of_one_job = workflow.exec_mode == ExecMode.SUBPROCESS

CONFIG = resolve(*read_config())
SETTINGS = CONFIG.as_written()
CLASS_THRESHOLDS = CONFIG.class_thresholds
CLASS_TABLE = CONFIG.class_table
WINDOW = CONFIG.window
SOURCE = open_source(SETTINGS["dataset"], SETTINGS["source"])
if SETTINGS["classify"]["score_precision"] == AUTO:  # what it stands for is recorded, and compared by all
    SETTINGS["classify"]["score_precision"] = SOURCE.score_precision
SHARD = SETTINGS["shard"]
LAYOUT = Layout(SETTINGS["dataset"], None if SHARD == MERGE else SHARD)
SHARDS = shards.find_shards(LAYOUT.shards, WINDOW.shards(), SETTINGS) if SHARD == MERGE else []

STARTED = time.time()
RESULTS, TABLES, LOGS = LAYOUT.results, LAYOUT.tables, LAYOUT.logs
SUMMARIES, FEATURES = LAYOUT.summaries, LAYOUT.features
DEMO = "resources/demo"
# A shard may have no bin, or none with scores; all of them together may not.
MAY_BE_EMPTY = SETTINGS["source"]["allow_empty"] or SHARD not in (None, MERGE)
RECORD_FAILURES = SETTINGS["source"]["on_failure"] == "record"
CRITERIA = CONFIG.select
METHOD = abundance.Method(
    threshold=SETTINGS["classify"]["threshold"],
    class_thresholds=CLASS_THRESHOLDS,
    class_table=CLASS_TABLE,
    precision=SETTINGS["classify"]["score_precision"],
    group_by=SETTINGS["abundance"]["group_by"],
    confidence=SETTINGS["abundance"]["confidence"],
    position_tolerance_km=SETTINGS["abundance"]["position_tolerance_km"],
)
PERIOD = SETTINGS["abundance"]["period"]
PIXELS = SETTINGS["features"]["pixels_per_um"]
FEATURES_WANTED = SETTINGS["features"]["make"]
CLASS_TABLE_SHA256 = sha256(repr(CLASS_TABLE).encode()).hexdigest()

FIGURES, MONTAGES = LAYOUT.figures, LAYOUT.montages
FIGURE_OPTIONS = FigureOptions(
    dataset=SETTINGS["dataset"],
    group_by=METHOD.group_by,
    top_classes=SETTINGS["report"]["top_classes"],
    one_class=SETTINGS["report"]["class"],
    confidence=METHOD.confidence,
    accept_zero_position=CRITERIA.accept_zero_position,
)
REPORT_WANTED = SETTINGS["report"]["make"]
if REPORT_WANTED is None:
    REPORT_WANTED = SETTINGS["source"]["kind"] == "directory" and SETTINGS["source"]["path"] == DEMO

# The tables that are merged from days: of class scores, and of features.
OF_DAYS = table_registry.made_by("merge_abundance")
OF_FEATURE_DAYS = table_registry.made_by("merge_biovolume")
DESCRIBED = table_registry.described(table_registry.wanted(PERIOD, FEATURES_WANTED, whole=True))
# What archives are told, and what is made for them.
PUBLICATION = exports.Publication(
    dataset=SETTINGS["dataset"],
    title=SETTINGS["export"]["title"] or "",
    summary=SETTINGS["export"]["summary"] or "",
    institution=SETTINGS["export"]["institution"] or "",
    license=SETTINGS["export"]["license"] or "",
    info_url=SETTINGS["export"]["info_url"] or "",
    model=SETTINGS["export"]["model"] or "",
    creator_name=SETTINGS["export"]["creator"]["name"] or "",
    creator_email=SETTINGS["export"]["creator"]["email"] or "",
    experiment=SETTINGS["export"]["seabass"]["experiment"] or "",
    cruise=SETTINGS["export"]["seabass"]["cruise"] or "",
    documents=SETTINGS["export"]["seabass"]["documents"],
)
EXPORTS = {
    "netcdf": LAYOUT.export(".nc"),
    "darwin_core": LAYOUT.export("_darwin_core.zip"),
    "seabass": LAYOUT.export(".sb"),
    "erddap": LAYOUT.export("_erddap.xml"),
}
RECHECK = recheck.Recheck(WINDOW, CRITERIA, SETTINGS["recheck"]["scores"], SETTINGS["recheck"]["days"])

IMAGES = SETTINGS["images"]
OF_CLASSES = {
    "threshold": METHOD.threshold,
    "class_thresholds": METHOD.class_thresholds,
    "precision": METHOD.precision,
}
EXTRACTION = extract_images.Extraction(METHOD, IMAGES["stitch"], RECORD_FAILURES)
EXAMPLES = examples.ExampleCriteria(
    classes=IMAGES["classes"],
    bins=IMAGES["bins"],
    top=FIGURE_OPTIONS.top_classes,
    per_class=IMAGES["per_class"],
    method=METHOD,
)

for needed in map(Path, SOURCE.catalog_files()):
    if not needed.exists() and needed.parent != Path(DEMO):
        raise ConfigError(why_no_list(needed.parent))


wildcard_constraints:
    bin=BIN_ID,
    folder=r"\d{4}/[A-Z0-9_]+",
    date=r"\d{4}-\d{2}-\d{2}",


def targets():
    """The results of a run that hold all of it; other shapes of them only when all shards are together."""
    whole = TABLES == RESULTS
    tables = [table.merged_in(TABLES) for table in table_registry.wanted(PERIOD, FEATURES_WANTED, whole)]
    tables += [f"{TABLES}/{name}" for name in ("run.json", "overview.rst", *(["datapackage.json"] if whole else []))]
    shown = [*figure_files(), f"{TABLES}/report.html"] if REPORT_WANTED and whole else []
    shown += [MONTAGES] if IMAGES["make"] and whole else []
    return tables + shown + [EXPORTS[name] for name in SETTINGS["export"]["formats"] if whole]


def shown_figures():
    return registry.figure_names(FEATURES_WANTED)


def figure_files(figures=None):
    forms = ("svg", "pdf", "html", "json")
    return [f"{FIGURES}/{figure}.{form}" for figure in figures or shown_figures() for form in forms]


def parts(wildcards):
    """What they are made of: targets too, so that a part that was deleted is made again.

    Not all summaries: the time that the engine takes for a job grows with the square of its inputs.
    """
    if SHARDS:
        return []
    made = deleted_summaries(summary_path, OF_DAYS["abundance"])
    made += [path for table in OF_DAYS.values() for path in all_days(table)]
    return made + (parts_of_features(wildcards) if FEATURES_WANTED else [])


def parts_of_features(wildcards):
    if SHARDS:
        return []
    made = deleted_summaries(features_path, OF_FEATURE_DAYS["biovolume"])
    return made + [path for table in OF_FEATURE_DAYS.values() for path in all_days(table)]


def selection():
    """The bins of the catalog, by day; waits for the catalog."""
    path = Path(checkpoints.list_catalog.get().output.catalog)
    return read_selection(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=1)
def read_selection(path, changed):
    return Selection(path, CRITERIA)


def bins_of_day(wildcards):
    return selection().days[wildcards.date]


def summary_path(bin_id):
    return of_bin(SUMMARIES, SUMMARY, bin_id)


def features_path(bin_id):
    return of_bin(FEATURES, SUMMARY, bin_id)


def deleted_summaries(path_of, table):
    """The summaries that are not there although their day is made: the day alone does not miss them."""
    made = {date for date in selection().wanted if Path(table.part_in(RESULTS, date)).exists()}
    return [path for date in made for path in map(path_of, selection().wanted[date]) if not Path(path).exists()]


def all_days(table):
    return [table.part_in(RESULTS, date) for date in selection().days]


def all_parts(name):
    """What a merged table is made of: its days, or its shards."""
    table = table_registry.TABLES[name]
    return [table.merged_in(shard) for shard in SHARDS] or all_days(table)


def priority_of_day(wildcards):
    """Earlier days go first, so that days are finished one after the other."""
    return -parse_bin_id(wildcards.bin).time.toordinal()


def after_recheck(wildcards):
    checkpoints.reread_source.get()
    return targets() + parts(wildcards)


def day_is_cut(wildcards):
    """Whether the window begins or ends within the day, or the bins were listed before it was over."""
    listed, day = selection().bins["bin"], selection().days[wildcards.date]["bin"]
    # The id of a bin may be of another day than its sample_time. One that is not listed is of raw files: its id's.
    cut = any(
        (day == end.bin).any() or (str(end.day) == wildcards.date and not (listed == end.bin).any())
        for end in (WINDOW.start, WINDOW.end)
        if end and end.bin
    )
    return cut or f"{listed_at():%Y-%m-%d}" <= wildcards.date


def by_name(files):
    """The inputs or outputs of a job, by the names of the tables."""
    return dict(files.items())


def bins_to_read(rule):
    """How many bins are wanted, and how many of them this run has to read; a job on its own knows of itself alone."""
    if not workflow.is_main_process:
        return 1, 1
    return sum(map(len, selection().wanted.values())), jobs_of(rule)


def is_among_all(bin_id):
    """Whether a bin's images are wanted because all are: it is left out without raw files, which one by name is not."""
    listed = Path(f"{TABLES}/image_bins.csv")
    return not IMAGES["bins"] and listed.exists() and bin_id in read_image_bins(listed, listed.stat().st_mtime_ns)


@lru_cache(maxsize=1)
def read_image_bins(path, changed):
    return frozenset(table_files.read("image_bins", path)["bin"])


def say_left_out():
    """How many bins of all images have no raw files, which a server only says when it is asked for them."""
    zips = [path for job in workflow.dag.jobs if job.rule.name == "extract_images" for path in job.output]
    if without := extract_images.left_out(zips):
        if len(without) == len(zips):
            for path in without:  # so that the next run says so too
                path.unlink()
            raise WorkflowError(f"images: none of {len(zips)} bins has raw files (.hdr, .adc, .roi) in the source")
        logger.warning(f"images: {len(without)} of {len(zips)} bins have no raw files in the source: left out")


def of_zip(wildcards):
    return {"leave_out": is_among_all(wildcards.bin), "made_of": of_images(wildcards)}


def ask_again_for_left_out():
    """Raw files that were not there may be now: their bins are asked for again, by the next run that wants images."""
    for path in extract_images.left_out(
        [*Path(RESULTS).glob("images/**/*.zip"), *Path(TABLES).glob("examples/**/*.zip")]
    ):
        path.unlink()


def image_files(wildcards, scores=True):
    """The local files that a bin's images, and their class scores, are read from."""
    return SOURCE.image_files(wildcards.bin) + (SOURCE.scores_files(wildcards.bin) if scores else [])


def image_zips(wildcards):
    """Those asked for; which used bins have a ROI of the classes has to be seen in the tables."""
    bins = IMAGES["bins"]
    if IMAGES["classes"] or not bins:
        bins = table_files.read("image_bins", checkpoints.list_images.get().output[0])["bin"]
    return [of_bin(LAYOUT.images, ZIP, bin_id) for bin_id in bins]


def examples_of_bins():
    """Bin to the class, score and number of its ROIs that montages show; waits for the choice."""
    path = Path(checkpoints.choose_examples.get().output[0])
    return read_examples(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=1)
def read_examples(path, changed):
    return examples.of_bins(path)


def example_zips(wildcards):
    return [of_bin(LAYOUT.examples, ZIP, bin_id) for bin_id in examples_of_bins()]


def jobs_to_do(rule):
    """How many jobs of a rule there are, as all and as left; a job on its own knows of itself alone."""
    if not workflow.is_main_process:
        return 1, 1
    return (jobs_of(rule),) * 2


def jobs_of(rule):
    """How many jobs of a rule there are to do. A workflow that has this one as a module may call the rule otherwise."""
    own = getattr(rules, rule).rule
    return sum(job.rule is own for job in workflow.dag.needrun_jobs())


progress = Progress("class scores of bins", lambda: bins_to_read("summarize_scores"))
progress_of_features = Progress("features of bins", lambda: bins_to_read("summarize_features"))


def print_summary():
    if Path(f"{TABLES}/run.json").exists():
        logger.info(run_record.summary(f"{TABLES}/run.json"))
