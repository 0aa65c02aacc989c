# Which shards `archive` makes, and with which command. This file has no rule.
import shutil

shard_runs.end_with_starter()
# What says that a shard is made holds for this run alone: only the shard's own run knows whether it is up to date.
MADE_BY_THIS_RUN = f".snakemake/archive/{STARTED:.0f}-{os.getpid()}"
SHARD_MADE = ".snakemake/archive/{started}/{requests}/{shard}"


def requests_of_each(n_shards):
    """How many requests at a time each shard may make, so that as many run at a time as there are cores or nodes for.

    All together they make no more than one run would.
    """
    allowed = workflow.global_resources["dashboard"] if "dashboard" in workflow.global_resources else 8
    requests, places = int(getattr(allowed, "value", allowed)), workflow.nodes or 1
    if workflow.local_exec:
        requests, places = min(requests, workflow.cores), min(workflow.cores, os.cpu_count() or 1)
    if CONFIG.source.max_requests_per_second:  # each would make as many
        places = 1
    return max(1, requests // min(places, n_shards))


def all_shards(wildcards):
    name = rules.archive.rule.name
    others = [target for target in workflow.dag_settings.targets if target != name]
    if name in workflow.dag_settings.targets and others:  # this run would make them of the whole window itself
        raise ConfigError(
            f"{name} cannot be asked for together with {', '.join(others)}. Run `snakemake {name}` alone, and then "
            f"`snakemake {' '.join(others)} --config shard=merge`, which takes what the shards have"
        )
    if SHARD is not None:
        raise ConfigError(f"shard: {SHARD} makes no sense with `archive`, which makes all shards. Leave it out")
    try:
        years = list(WINDOW.shards())
    except ValueError as error:
        raise ConfigError(f"archive: {error}") from None
    of_run = {"started": Path(MADE_BY_THIS_RUN).name, "requests": requests_of_each(len(years))}
    return [SHARD_MADE.format(shard=year, **of_run) for year in years]


def run_of_shard(cores, requests):
    """The arguments of Snakemake for the run of a shard: `--config` is the last."""
    configs = [os.path.relpath(path) for path in workflow.overwrite_configfiles]
    return [
        *("--snakefile", os.path.relpath(workflow.main_snakefile), "--cores", str(cores), "--nolock"),
        *("--resources", f"dashboard={requests}", "pooling=1"),
        *(["--configfile", *configs] if configs else []),
        *("--config", *(workflow.config_settings.config_args or [])),
    ]


def makes_archive():
    """Whether this run does nothing itself: the runs of shards claim their folders, and see to what is in them."""
    return any(job.rule in (rules.make_shard.rule, rules.archive.rule) for job in workflow.dag.jobs)


def forget_shards():
    """At the end of a run: the next one asks each shard again whether it is up to date."""
    shutil.rmtree(MADE_BY_THIS_RUN, ignore_errors=True)
