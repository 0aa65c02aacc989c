# What is measured of the quality of bins, and which days are measured again. This file has no rule.
from functools import lru_cache

from ifcb_abundance.catalog import quality


def measured_quality(wildcards):
    """What was measured of the quality of bins: a file for each day, or for each shard."""
    if SHARDS:
        return all_parts("quality")
    if incomplete := incomplete_quality()[0]:
        DOUBT.make_again(incomplete)
    return measured_days()


def measured_days():
    return [f"{RESULTS}/quality/{date}.csv" for date in all_listed().days]


@lru_cache
def incomplete_quality():
    """The days that lack bins which the server may give now, and the time of the flags; as the run found them."""
    if SHARDS or not workflow.is_main_process:
        return [], None
    incomplete = [path for path in measured_days() if Path(path).exists() and not quality.is_complete(path)]
    flags = Path(MERGED["quality"])
    return incomplete, flags.stat().st_mtime_ns if flags.exists() else None


def flags_lack_bins(path):
    """Whether flags are still those of before, although days are measured again."""
    incomplete, flagged = incomplete_quality()
    return bool(incomplete) and path.stat().st_mtime_ns == flagged


def day_to_measure(wildcards):
    """The arguments of `measure_quality`. A dashboard would have to send whole .roi files for the focus."""
    return all_listed().days[wildcards.date], CONFIG.source.kind != "dashboard"
