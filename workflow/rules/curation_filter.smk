# Needs the patches. Makes filter.csv: which of them are informative. Without labels and weights, all are.


rule train_filter:
    """Train the filter on labelled patches, and judge it."""
    input:
        labels_of_filter("curation"),
        # Without labels nothing is learned: further groups leave the filter, and the scores of others, as they are.
        patches=MERGED["patches"] if CONFIG.curation.filter.labels else [],
        images=of_all_groups("clean/{group}.zip") if SCORED_BY_NETWORK and CONFIG.curation.filter.labels else [],
    output:
        model=update(f"{CURATION}/filter.json"),  # the old filter stays if labels cannot be used
        curve=update(MERGED["roc"]),
    log:
        f"{LOGS}/train_filter.log",
    localrule: True
    threads: 64  # or all cores of the run; `--summary` and `--report` have no number of cores to ask for
    params:
        **OF_FILTER,
    message:
        "Train the filter on labelled patches."
    run:
        from ifcb_abundance.curation import filter

        paths = (output.model, output.curve)
        logged(
            log[0],
            filter.train_filter,
            input.patches or None,
            f"{CURATION}/clean",
            filter_options(),
            threads,
            paths,
        )


rule score_patches:
    """Score the patches of a group with the ResNet34."""
    input:
        patches=f"{CURATION}/patches/{{group}}.csv",
        images=f"{CURATION}/clean/{{group}}.zip",
        filter=f"{CURATION}/filter.json",
    output:
        f"{CURATION}/filter/{{group}}.csv",
    log:
        f"{LOGS}/score_patches/{{group}}.log",
    wildcard_constraints:
        group="[^/]+",
    localrule: True
    threads: 64  # or all cores of the run; `--summary` and `--report` have no number of cores to ask for
    params:
        **OF_FILTER,
    message:
        "Score the patches of group {wildcards.group}."
    run:
        from ifcb_abundance.curation import filter

        how = (f"{CURATION}/clean", input.filter, filter_options(), threads)
        logged(log[0], filter.score_patches, input.patches, *how, output[0])


rule filter_patches:
    """Decide which patches are informative."""
    input:
        patches=MERGED["patches"],
        filter=f"{CURATION}/filter.json",
        parts=of_all_groups("filter/{group}.csv") if SCORED_BY_NETWORK else [],
    output:
        MERGED["filter"],
    log:
        f"{LOGS}/filter_patches.log",
    localrule: True
    params:
        threshold=CONFIG.curation.filter.threshold,
    message:
        "Decide which patches are informative."
    run:
        from ifcb_abundance.curation import filter

        how = (input.parts, params.threshold, output[0])
        logged(log[0], filter.filter_patches, input.patches, input.filter, *how)
