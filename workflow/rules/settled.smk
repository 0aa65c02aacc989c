# Which days need none of their bins in the graph: docs/engine.md, "Days that have settled". This file has no rule.
from ifcb_abundance.common import proof


def recorded(of, **more):
    """The params that parts of days are recorded with. A checksum stands in place of the table of bins."""
    return {**of, "bins": lambda wildcards: selection().checksums[wildcards.date], **more}


def scores_read(date):
    """A checksum of which bins of a day are read, and of what each is read from."""
    bins = selection().wanted[date]
    read_from = SOURCE.scores_identity if SOURCE.same_for_all_bins else list(map(SOURCE.scores_identity_of, bins))
    named = [SOURCE.named_form] if SOURCE.named_form else []  # then each summary has to be looked at
    return proof.digest(scores.version_of(METHOD.kept), bins, read_from, *named)


def features_read(date):
    bins = selection().wanted[date]
    read_from = SOURCE.scores_identity if SOURCE.same_for_all_bins else list(map(SOURCE.features_identity_of, bins))
    computed = []
    if CONFIG.features.compute is not None:
        images = None if SOURCE.same_for_all_bins else list(map(SOURCE.images_identity_of, bins))
        computed = [CONFIG.features.compute, CONFIG.features.blobs, images]
    return proof.digest(features.version_of(METHOD.kept, METHOD.winners_only), scores_read(date), read_from, *computed)


def computed_of(bin_id):
    """Where a bin's computed features are, if its features are computed; None if the source is asked for them.

    A folder shows which files a bin has. Over a network that takes requests, so there each bin has a file, which may
    say that the source has features of it.
    """
    if CONFIG.features.compute is None:
        return None
    if CONFIG.source.kind == "directory":
        there = CONFIG.features.compute == "missing" and SOURCE.features_files(bin_id)
        if there or not SOURCE.scores_files(bin_id) or not SOURCE.may_have_images(bin_id):
            return None
    return of_bin(LAYOUT.computed, COMPUTED, bin_id)


def raw_of_day(date):
    """A checksum of the raw files of all bins that are listed for a day."""
    if SOURCE.same_for_all_bins:
        return SOURCE.scores_identity
    return proof.digest([SOURCE.images_identity_of(bin_id) for bin_id in all_listed().wanted[date]])


def rereads_beside_others():
    """Whether the run reads the source again, beside other targets: it may delete summaries that days are built on."""
    asked = workflow.dag_settings.targets
    return rules.recheck.rule.name in asked and len(asked) > 1


def scores_settled(date):
    """Whether a day needs no summary of its bins in the graph."""
    if rereads_beside_others():
        return False
    parts = [table.part_in(RESULTS, date) for table in OF_DAYS.values()]
    return SETTLED.has(parts, scores_read(date), selection().wanted[date], summary_path)


def features_settled(date):
    """Whether a day needs no summary of the features of its bins in the graph."""
    if rereads_beside_others():
        return False
    parts = [table.part_in(RESULTS, date) for table in OF_FEATURE_DAYS.values()]
    parts.append(f"{RESULTS}/{table_registry.FEATURES_PROOF.format(date=date)}")
    return SETTLED.has(parts, features_read(date), selection().wanted[date], summary_path, features_path)


def is_bin_of_day(job, path):
    """Whether an input of a job is a summary that a day is made of: the params of the day say which those are."""
    of_days = (rules.pool_abundance.rule, rules.pool_biovolume.rule, rules.tabulate_bins.rule)
    return job.rule in of_days and path != MERGED["catalog"]


def of_each_bin(identity_of):
    """The param that says what a bin is read from. The engine asks for each bin only where that tells bins apart."""
    return SOURCE.scores_identity if SOURCE.same_for_all_bins else lambda wildcards: identity_of(wildcards.bin)
