# What results were made from, as they say it themselves, and which results without a record of the engine are right. The
# functions are inputs of rules, so this is decided while the graph is built. This file has no rule.
from datetime import datetime, timezone
from functools import partial

from ifcb_abundance.common import proof
from ifcb_abundance.report import run_record

PIXELS = SETTINGS["features"]["pixels_per_um"]
CARBON = biovolume.CarbonMethod(CONFIG.features.carbon_rule, CONFIG.features.carbon == "per_cell")
pool_features = partial(biovolume.pool_biovolume, method=METHOD, pixels_per_um=PIXELS, how=CARBON)

# What results are made from beside their inputs: the params of the rules, which the results repeat.
OF_CATALOG = catalog.made_of(lambda wildcards: catalog.identity(SOURCE), WINDOW)
OF_DAY = {
    "version": abundance.VERSION,
    "bins": lambda wildcards: bins_of_day(wildcards),
    "method": asdict(replace(METHOD, class_table={})),
    "class_table": CLASS_TABLE_SHA256,
    "cut": lambda wildcards: day_is_cut(wildcards),
}
OF_DAYS_FEATURES = {
    **{name: of for name, of in OF_DAY.items() if name != "cut"},
    "version": biovolume.VERSION,
    "pixels_per_um": PIXELS,
    **({"carbon": CARBON.named} if CARBON.columns else {}),
}


def stated(of, wildcards=None):
    """A checksum of one of the OF_... at the top, for a job."""
    return proof.digest({name: value(wildcards) if callable(value) else value for name, value in of.items()})


def files_of_catalog(wildcards):
    """The local files that bins are listed from. A catalog without a record is right if run.json confirms it."""
    meet_graph()
    path = MERGED["catalog"]
    proven = DOUBT.proven([path], lambda: run_record.vouches_for_catalog(RUN_BEFORE, path, stated(OF_CATALOG)))
    return untimed(SOURCE.catalog_files(), proven)


def untimed(files, proven):
    """The inputs, without times for outputs that prove themselves: the times of copied files say nothing."""
    return ancient(files) if files and proven and DOUBT.takes_times_as_given() else files


def scores_of_bin(wildcards):
    """The local files that a scores summary is made from. A summary without a record must prove itself.

    One with a record may have more than the run needs, so the record does not say whether it has enough.
    """
    path = f"{SUMMARIES}/{SUMMARY.format(**wildcards)}"
    DOUBT.proven([path], lambda: scores.proves_itself(SOURCE, wildcards.bin, path, METHOD.kept))
    # Even where winners are enough: it may say that the bin failed for want of what an earlier run kept.
    DOUBT.refuse(path, lambda: scores.is_enough(SOURCE, wildcards.bin, path, METHOD.kept))
    # For a link that leads nowhere the engine would refuse the whole run. Without it, the bin's job tells of it.
    return list(filter(os.path.exists, SOURCE.scores_files(wildcards.bin)))


def features_of_bin(wildcards):
    """The local files that a features summary is made from, likewise."""
    of_scores, path = summary_path(wildcards.bin), features_path(wildcards.bin)
    computed = computed_of(wildcards.bin)
    prove = lambda: features.proves_itself(SOURCE, wildcards.bin, of_scores, path, computed, METHOD.kept)
    DOUBT.proven([path], prove)
    if METHOD.kept.names:
        DOUBT.refuse(path, prove)
    return list(filter(os.path.exists, SOURCE.features_files(wildcards.bin))) if computed is None else computed


def summaries_of_day(wildcards):
    """The scores summaries of a day that has not settled. Parts without a record must prove that they come from these."""
    if scores_settled(wildcards.date):
        return []
    bins = selection().wanted[wildcards.date]
    summaries = list(map(summary_path, bins))
    parts = {name: table.part_in(RESULTS, wildcards.date) for name, table in OF_DAYS.items()}

    def prove():
        right = all(scores.proves_itself(SOURCE, *each, METHOD.kept) for each in zip(bins, summaries))
        files, of = parts, stated(OF_DAY, wildcards)
        return right and abundance.proves_itself(bins_of_day(wildcards), summaries, files, of)

    return untimed(summaries, DOUBT.proven(list(parts.values()), prove))


def features_of_day(wildcards):
    """The features summaries of a day, likewise."""
    if features_settled(wildcards.date):
        return []
    bins = selection().wanted[wildcards.date]
    summaries = list(map(features_path, bins))
    parts = {name: table.part_in(RESULTS, wildcards.date) for name, table in OF_FEATURE_DAYS.items()}
    parts["proof"] = f"{RESULTS}/{table_registry.FEATURES_PROOF.format(date=wildcards.date)}"
    of_scores = list(map(summary_path, bins))

    def prove():
        right = all(
            scores.proves_itself(SOURCE, bin_id, scored, METHOD.kept)
            and features.proves_itself(SOURCE, bin_id, scored, measured, computed_of(bin_id), METHOD.kept)
            for bin_id, scored, measured in zip(bins, of_scores, summaries)
        )
        of = stated(OF_DAYS_FEATURES, wildcards)
        return right and biovolume.proves_itself(summaries, parts, of)

    return untimed(summaries, DOUBT.proven(list(parts.values()), prove))


def listed_at():
    """When the bins were listed: the time of the catalog, or for a copy the time in run.json."""
    path = Path(MERGED["catalog"])
    changed = datetime.fromtimestamp(path.stat().st_mtime, timezone.utc)
    if changed.timestamp() > STARTED or not DOUBT.was_proven(str(path)):
        return changed
    return datetime.fromisoformat(RUN_BEFORE["catalog_read_at"])


def catalogs_of_shards(wildcards):
    meet_graph()
    return [table_registry.TABLES["catalog"].merged_in(shard) for shard in SHARDS]


def facts_of_run():
    """What run.json says beside the tables; much of it lets a run keep a copy of the results."""
    return run_record.RunFacts(
        config=SETTINGS,
        source=SOURCE.catalog_identity,
        score_files=partial(SOURCE.score_files, window=WINDOW),
        **CONTENTS,
        merged_labels=METHOD.table.merged_labels(),
        cells=METHOD.cells,
        listed_at=listed_at(),
        files=[table.merged for table in table_registry.TABLES.values() if table.when == table_registry.When.ALWAYS],
        parts=OF_DAYS["bins"].part_in(RESULTS),
        catalog_made_of=stated(OF_CATALOG),
    )
