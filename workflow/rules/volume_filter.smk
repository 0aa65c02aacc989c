# Needs the patches of volumes. Says which of them are informative; without labels and weights, all are.


rule train_volume_filter:
    """Train the filter on labelled patches of volumes, and judge it."""
    input:
        labels_of_filter("volumes"),
        # Without labels nothing is learned: further volumes leave the filter, and the scores of others, as they are.
        patches=MERGED["volume_patches"] if CONFIG.volumes.filter.labels else [],
        images=of_volumes("patches/{volume}.zip") if VOLUMES_SCORED_BY_NETWORK and CONFIG.volumes.filter.labels else [],
    output:
        model=update(f"{VOLUMES}/filter.json"),  # the old filter stays if labels cannot be used
        curve=update(MERGED["volume_roc"]),
    log:
        f"{LOGS}/train_volume_filter.log",
    localrule: True
    threads: 64  # or all cores of the run; `--summary` and `--report` have no number of cores to ask for
    params:
        **OF_VOLUME_FILTER,
    message:
        "Train the filter on labelled patches of volumes."
    run:
        from ifcb_abundance.curation import filter

        paths = (output.model, output.curve)
        logged(
            log[0],
            filter.train_filter,
            input.patches or None,
            f"{VOLUMES}/patches",
            volume_filter(),
            threads,
            paths,
        )


rule score_volume_patches:
    """Score the patches of a volume with the ResNet34."""
    input:
        patches=f"{VOLUMES}/patches/{{volume}}.csv",
        images=f"{VOLUMES}/patches/{{volume}}.zip",
        filter=f"{VOLUMES}/filter.json",
    output:
        f"{VOLUMES}/filter/{{volume}}.csv",
    log:
        f"{LOGS}/score_volume_patches/{{volume}}.log",
    wildcard_constraints:
        volume="[^/]+",
    localrule: True
    threads: 64  # or all cores of the run; `--summary` and `--report` have no number of cores to ask for
    params:
        **OF_VOLUME_FILTER,
    message:
        "Score the patches of the volume {wildcards.volume}."
    run:
        from ifcb_abundance.curation import filter

        how = (f"{VOLUMES}/patches", input.filter, volume_filter(), threads)
        logged(log[0], filter.score_patches, input.patches, *how, output[0])


rule filter_volume_patches:
    """Decide which patches of volumes are informative."""
    input:
        patches=MERGED["volume_patches"],
        filter=f"{VOLUMES}/filter.json",
        parts=of_volumes("filter/{volume}.csv") if VOLUMES_SCORED_BY_NETWORK else [],
    output:
        MERGED["volume_filter"],
    log:
        f"{LOGS}/filter_volume_patches.log",
    localrule: True
    params:
        threshold=CONFIG.volumes.filter.threshold,
    message:
        "Decide which patches of volumes are informative."
    run:
        from ifcb_abundance.curation import filter

        how = (input.parts, params.threshold, output[0], volume_filter().key)
        logged(log[0], filter.filter_patches, input.patches, input.filter, *how)
