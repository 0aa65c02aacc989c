# What a run makes: its tables, and what the config asks for beside them. This file has no rule.


def validation_wanted():
    """Whether each run makes validation, or this one asks for it by name; which is known once the files are read."""
    asked = workflow.dag_settings.targets if workflow.dag_settings else []
    # A workflow that has this one as a module may call the rule otherwise.
    return CONFIG.validation.make or (bool(asked) and rules.validation.rule.name in asked)


def tables_wanted(whole=True):
    others = [table_registry.When.DISTANCE] if CONFIG.abundance.pool_km is not None else []
    others += [table_registry.When.QUALITY] if QUALITY_WANTED else []
    others += [table_registry.When.BINS] if FEATURES_WANTED and CONFIG.features.bins else []
    return table_registry.wanted(PERIOD, FEATURES_WANTED, whole, validation_wanted() and whole, *others)


def targets(wildcards=None):
    """The complete results of a run; a shard has no other shapes of them."""
    whole = TABLES == RESULTS
    tables = [table.merged_in(TABLES) for table in tables_wanted(whole)]
    tables += [
        LAYOUT.run_record,
        LAYOUT.overview,
        LAYOUT.test_results,
        *([LAYOUT.description, LAYOUT.methods] if whole else []),
    ]
    shown = [*figure_files(), LAYOUT.report_page] if REPORT_WANTED and whole else []
    shown += [MONTAGES] if CONFIG.images.make and whole else []
    shown += figure_files(registry.OF_QUALITY) if CONFIG.quality.make and whole else []
    shown += curation_targets() if CONFIG.curation.make and whole else []
    shown += figure_files(registry.OF_VALIDATION) if validation_wanted() and whole else []
    return tables + shown + [EXPORTS[name] for name in CONFIG.export.formats if whole]


def all_is_asked():
    """Whether this run is to make all that the config asks for. As a module its rules may have other names: no."""
    as_module = Path(workflow.main_snakefile).resolve() != CHECKOUT.resolve() / "Snakefile"
    asked = workflow.dag_settings
    only_a_part = asked.until or asked.omit_from or asked.allowed_rules or asked.batch
    return "all" in (asked.targets or ["all"]) and not (only_a_part or as_module)


def say_where():
    """Name the files that a reader opens first, if this run makes them."""
    made = {str(path) for job in workflow.dag.jobs for path in job.output}
    for says, path in (
        ("The report, to look at and to send on", LAYOUT.report_page),
        ("What differs between the two runs, and why", of_comparison("differences.csv")),
    ):
        if path in made:
            logger.info(f"{says}: {path}")
    unsaid = CONFIG.report.make is None and not IS_DEMO and TABLES == RESULTS
    if all_is_asked() and unsaid and not Path(LAYOUT.report_page).exists():
        logger.info(f"Figures and report: {same_config('report')}")


def same_config(*asked):
    """The command that makes something else with the config of this run."""
    configs, entries = workflow.overwrite_configfiles, workflow.config_settings.config_args or []
    moved = workflow.overwrite_workdir is not None
    return ending.same_config(asked, workflow.main_snakefile, configs, entries, moved)


def shown_figures():
    shown = registry.figure_names(FEATURES_WANTED, validation_wanted())
    shown += registry.OF_QUALITY if QUALITY_WANTED else []
    return shown + (registry.OF_CURATION if CONFIG.curation.make else [])


def figure_files(figures=()):
    return [f"{FIGURES}/{name}.{form}" for name in figures or shown_figures() for form in registry.FORMS]


def parts(wildcards):
    """The inputs of the results that are missing: they are targets, so that what was deleted is made again.

    Not all inputs: the time that the engine takes for a job grows with the square of its inputs.
    """
    if SHARDS:
        return []
    # Flags first: bins may have to wait for them.
    missing = parts_of_quality(wildcards) if QUALITY_WANTED else []
    missing += deleted_summaries(summary_path, OF_DAYS["abundance"], scores_settled) + deleted_parts(OF_DAYS)
    return missing + (parts_of_features(wildcards) if FEATURES_WANTED else [])


def parts_of_quality(wildcards):
    there = Listing()
    return [] if SHARDS else [path for path in measured_days() if path not in there]


def parts_of_features(wildcards):
    if SHARDS:
        return []
    of_bins = table_registry.made_by("merge_biovolume_bins") if FEATURES_WANTED and CONFIG.features.bins else {}
    missing = deleted_summaries(features_path, OF_FEATURE_DAYS["biovolume"], features_settled)
    return missing + deleted_parts(OF_FEATURE_DAYS | of_bins)
