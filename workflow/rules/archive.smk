# Needs a window of UTC days. Makes each of its years as a shard, in a run of its own, as many at a time as there are
# cores for, and merges them. On request:
#
#   snakemake --cores 8 archive --configfile my.yaml
#
# On a cluster a shard is a job on a node.
from ifcb_abundance.engine import shard_runs


include: "archive_inputs.smk"


rule make_shard:
    """Make a year of a long window, in a run of its own."""
    output:
        touch(SHARD_MADE),
    log:
        f"{SHARD_MADE}.log",
    wildcard_constraints:
        shard=r"\d{4}",
        requests=r"\d+",
    resources:
        dashboard=lambda wildcards: int(wildcards.requests),
        mem_mb=2000,
        runtime=1440,
    message:
        "Make the shard {wildcards.shard}."
    run:
        command, printed = run_of_shard(*[wildcards.requests] * 2), f"{LOGS}/archive/{wildcards.shard}.log"
        logged(log[0], shard_runs.run, wildcards.shard, command, printed)


rule archive:
    """Make all years of a long window as shards, and merge them."""
    input:
        all_shards,
    log:
        f"{LOGS}/archive.log",
    localrule: True
    message:
        "Merge all shards."
    run:
        logged(log[0], shard_runs.run, MERGE, run_of_shard(workflow.resource_settings.cores or 1, 1))
