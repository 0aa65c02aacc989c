# The config, the source and the paths. The only file that reads `config`.
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

from snakemake.logging import logger
from snakemake_interface_executor_plugins.settings import ExecMode

from ifcb_abundance.abundance import days as abundance
from ifcb_abundance.features import biovolume
from ifcb_abundance.catalog import listing as catalog
from ifcb_abundance.config import MERGE, refused, resolve, why_no_source
from ifcb_abundance.config import files as config_files
from ifcb_abundance.engine import log as engine_log, memory
from ifcb_abundance.features import summary as features
from ifcb_abundance.figures import registry
from ifcb_abundance.scores import summary as scores
from ifcb_abundance.catalog import shards
from ifcb_abundance.scores import choices
from ifcb_abundance.tables import registry as table_registry, table_files
from ifcb_abundance.bins.ids import PATTERN as BIN_ID, parse_bin_id
from ifcb_abundance.bins.layout import BLOBS, COMPUTED, SUMMARY, ZIP, Layout, of_bin
from ifcb_abundance.common.errors import ConfigError
from ifcb_abundance.common.job_log import logged
from ifcb_abundance.common.named import Named
from ifcb_abundance.pooling.method import Method
from ifcb_abundance.sources.directory import why_no_list
from ifcb_abundance.sources.open_source import open_source


def read_config():
    """The config as it was written, and where its keys are written."""
    if workflow.modifier.namespace is not None:  # a module gets its config from another workflow
        return config, {}
    entries, parsed = workflow.config_settings.config_args or [], workflow.config_settings.config
    places = {}
    if workflow.is_main_process:  # otherwise the run that started this job has checked already
        config_files.refuse_second_option(sys.argv[1:])
        given = workflow.overwrite_configfiles
        own = workflow.configfiles[len(given) :]
        places = config_files.read_strictly([*own, *given], entries, parsed)
    return {**config, **config_files.in_quotes(entries, parsed)}, places


def on_all_days(path, work, *args, **more):
    """`logged`, for work on the tables of all days: after many days were pooled, memory is given back before it."""
    if POOLED["days"] > MANY_DAYS:
        memory.make_room()
    return logged(path, work, *args, **more)


# From here on an error is one sentence, without the file and line of a rule.
logger.addFilter(engine_log.SENTENCES)
engine_log.SENTENCES.of_one_job = workflow.exec_mode == ExecMode.SUBPROCESS
engine_log.SENTENCES.targets = lambda: [
    name for rule in workflow.rules for name in (rule.name, *map(str, rule.output)) if "{" not in name
]

WRITTEN, PLACES = read_config()
CONFIG = resolve(WRITTEN, PLACES)
WITHOUT_SOURCE = why_no_source(CONFIG)  # then stages that read no bin can be made, and all else is refused
SOURCE = open_source(CONFIG.dataset, CONFIG.source, WITHOUT_SOURCE)
# `auto` becomes what it means, for the record and for all comparisons.
ASKED, CONFIG = CONFIG, choices.settle(CONFIG, SOURCE)
SETTINGS = CONFIG.as_written()
WINDOW = CONFIG.window
METHOD = Method.of(CONFIG, choices.cells_are_counted(SOURCE))
SHARD = CONFIG.shard
LAYOUT = Layout(CONFIG.dataset, None if SHARD == MERGE else SHARD, CONFIG.run)
CONTENTS = CONFIG.contents
CLASS_TABLE_SHA256 = CONTENTS["class_table"]
SHARDS = shards.find_shards(LAYOUT.shards, WINDOW.shards(), SETTINGS, CONTENTS) if SHARD == MERGE else []

STARTED = time.time()
RESULTS, TABLES, LOGS = LAYOUT.results, LAYOUT.tables, LAYOUT.logs
SUMMARIES, FEATURES = (LAYOUT.with_kept(folder, METHOD.kept.names) for folder in (LAYOUT.summaries, LAYOUT.features))
# A module's `prefix` changes the paths of inputs and outputs alone, and much is read and moved beside them.
if any(workflow.modifier.path_modifier.replace_prefix(path) != path for path in (RESULTS, LOGS)):
    raise ConfigError(
        "A module of this workflow takes no `prefix` or `replace_prefix`: it would look for its results where they are "
        "not. Accepted: another `dataset` or `run` in the module's config, which are folders of their own"
    )
FIGURES, MONTAGES = LAYOUT.figures, LAYOUT.montages
DEMO = "resources/demo"
# A shard may have no bin, or none with scores; all of them together may not.
MAY_BE_EMPTY = CONFIG.source.allow_empty or SHARD not in (None, MERGE)
RECORD_FAILURES = CONFIG.source.on_failure == "record"
PERIOD = CONFIG.abundance.period
FEATURES_WANTED = CONFIG.features.make
QUALITY_WANTED = CONFIG.quality.make or CONFIG.quality.exclude_bad
# A dashboard has the default path too, which it does not read.
IS_DEMO = CONFIG.source.kind == "directory" and CONFIG.source.path == DEMO
REPORT_WANTED = IS_DEMO if CONFIG.report.make is None else CONFIG.report.make

# All tables by name, then those that are merged from days: of class scores, and of features.
MERGED = {name: table.merged_in(TABLES) for name, table in table_registry.TABLES.items()}
OF_DAYS = table_registry.made_by("merge_abundance")
OF_FEATURE_DAYS = table_registry.made_by("merge_biovolume")
for needed in map(Path, () if WITHOUT_SOURCE else SOURCE.catalog_files()):
    if not needed.exists() and needed.parent != Path(DEMO):
        raise refused([why_no_list(needed.parent)], PLACES)


wildcard_constraints:
    bin=BIN_ID,
    folder=r"\d{4}/[A-Z0-9_]+",
    date=r"\d{4}-\d{2}-\d{2}",
