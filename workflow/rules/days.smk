# The bins of the catalog by day, and the inputs of days. This file has no rule.
import os
from functools import lru_cache

from ifcb_abundance.common.errors import ScoresError
from ifcb_abundance.common.folders import Listing
from ifcb_abundance.catalog.selection import Selection, flags_are_of

# What a job takes of the resource `pooling` if no day is to be pooled beside it: all that the profile gives, or more.
ALONE = 3
MANY_DAYS = 20  # to pool so many takes as long as to start two processes for it
POOLED = {"days": 0}  # so far, or MANY_DAYS as soon as it is known that there are as many to pool


def selection():
    """The bins of the catalog, by day; waits for the catalog, and for their flags if bad ones are left out."""
    listed = all_listed()
    if not CONFIG.quality.exclude_bad:
        return listed
    path = Path(checkpoints.merge_quality.get().output[0])
    # The engine may take an old file for a new one once the list is new, or days are measured again.
    if not flags_are_of(listed.path, path) or flags_lack_bins(path):
        workflow.checkpoints.created_output.discard(str(path))
        checkpoints.merge_quality.get()  # which tells the engine to wait for it
    return read_selection(listed.path, listed.path.stat().st_mtime_ns, path, path.stat().st_mtime_ns)


def all_listed():
    """The same before bad bins are left out."""
    path = Path(checkpoints.list_catalog.get().output.catalog)
    return read_selection(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=2)
def read_selection(path, changed, quality=None, judged=None):
    return Selection(path, CONFIG.select, quality, METHOD.group_by)


def bins_of_day(wildcards):
    return selection().days[wildcards.date]


def read_of_day(wildcards, path_of):
    """The table of a day's bins, and the files that the bins are read from."""
    return bins_of_day(wildcards), list(map(path_of, selection().wanted[wildcards.date]))


def processes_for_days():
    """How many processes pool the days of this run; with one, it is this process."""
    POOLED["days"] += 1
    cores = workflow.resource_settings.cores or workflow.resource_settings.local_cores or 1
    at_once = min(2, cores, os.cpu_count() or 1, workflow.scheduler.global_resources.get("pooling", 2))
    return at_once if POOLED["days"] > MANY_DAYS else 1


def day_to_pool(wildcards, cut, output):
    """The arguments of `pool_abundance`."""
    read, of = read_of_day(wildcards, summary_path), stated(OF_DAY, wildcards)
    return *read, METHOD, cut, by_name(output), of, processes_for_days()


def summary_path(bin_id):
    return of_bin(SUMMARIES, SUMMARY, bin_id)


def features_path(bin_id):
    return of_bin(FEATURES, SUMMARY, bin_id)


def computed_blobs(bin_id):
    """Where a bin's blobs are, if outlines are drawn and the run computes its blobs; else None."""
    is_computed = COMPUTES_BLOBS and computed_of(bin_id) is not None
    return of_bin(LAYOUT.computed, BLOBS, bin_id) if is_computed else None


def features_follow():
    """Whether features are wanted too. They need the class of each ROI: then the scores are not read a second time."""
    return FEATURES_WANTED or rules.features.rule.name in workflow.dag_settings.targets


def deleted_summaries(path_of, table, settled):
    """The missing summaries of days that exist: the day itself would not ask for them. A settled day lacks none."""
    there, wanted = Listing(), selection().wanted
    made = [date for date in wanted if table.part_in(RESULTS, date) in there and not settled(date)]
    return [path for date in made for path in map(path_of, wanted[date]) if path not in there]


def deleted_parts(tables):
    """The missing parts of days. Merged tables need all parts, but do not ask for those that are missing."""
    there = Listing()
    return [path for table in tables.values() for path in all_days(table) if path not in there]


def all_days(table):
    return [table.part_in(RESULTS, date) for date in selection().days]


def all_parts(name):
    """The inputs of a merged table: its days, or its shards."""
    table = table_registry.TABLES[name]
    return shards.parts_of(table, SHARDS) or all_days(table)


def days_to_merge(name):
    """The parts of a merged table. That every bin is left out is told before any work, if the list of bins is there."""
    if OF_MERGED["instead"] and not SHARDS and not STATUS.begun and not any(selection().wanted.values()):
        raise ScoresError(abundance.why_nothing_used(selection().bins, OF_MERGED["instead"], SUMMARIES))
    return all_parts(name)


def priority_of_day(wildcards):
    """Start earlier days first, so that days are finished one after the other."""
    return -parse_bin_id(wildcards.bin).time.toordinal()


def day_is_cut(wildcards):
    """Whether the window begins or ends within the day, or the bins were listed before it was over."""
    # The id of a bin may have another day than its sample_time. A bin that is not listed has raw files: its id's day.
    cut = any(
        (bins_of_day(wildcards)["bin"] == end.bin).any()
        or (str(end.day) == wildcards.date and not (selection().bins["bin"] == end.bin).any())
        for end in (WINDOW.start, WINDOW.end)
        if end and end.bin
    )
    return cut or f"{listed_at():%Y-%m-%d}" <= wildcards.date


def by_name(files):
    """The inputs or outputs of a job, by the names of the tables."""
    return dict(files.items())


def print_summary():
    if Path(LAYOUT.run_record).exists():
        logger.info(run_record.summary(LAYOUT.run_record))


def after_recheck(wildcards):
    """All targets, once the source was read again."""
    checkpoints.reread_source.get()
    return targets() + parts(wildcards)
