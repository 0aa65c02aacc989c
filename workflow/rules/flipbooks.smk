# Needs the patches of volumes and what was found of them. Makes the kept patches, the way back to their bytes, and
# flipbooks, on request:
#
#   snakemake --cores 8 volumes
#   snakemake --cores 8 flipbooks


rule curate_volumes:
    """Say what becomes of each patch of the volumes."""
    input:
        duplicates=MERGED["volume_duplicates"],
        filtered=MERGED["volume_filter"],
        patches=MERGED["volume_patches"],
    output:
        MERGED["volume_curated"],
    log:
        f"{LOGS}/curate_volumes.log",
    localrule: True
    params:
        version=lambda wildcards: volumes_version("curate"),
    message:
        "Say what becomes of each patch of the volumes."
    run:
        from ifcb_abundance.volumes import curate

        logged(log[0], curate.curate_volumes, input.duplicates, input.filtered, output[0])


rule write_kept_patches:
    """Write the kept patches of a dataset."""
    input:
        MERGED["volume_curated"],
    output:
        directory(f"{VOLUMES}/kept/{{source}}"),
    log:
        f"{LOGS}/write_kept_patches/{{source}}.log",
    wildcard_constraints:
        source="[^/]+",
    localrule: True
    params:
        version=lambda wildcards: volumes_version("curate"),
    message:
        "Write the kept patches of {wildcards.source}."
    run:
        from ifcb_abundance.volumes import curate

        logged(log[0], curate.write_kept, input[0], wildcards.source, f"{VOLUMES}/patches", output[0])


rule trace_patches:
    """Take each kept patch back to the bytes that it came from."""
    input:
        curated=MERGED["volume_curated"],
        volumes=MERGED["volumes"],
        datasets=[MERGED["sampled_datasets"]] if OF_CROPS else [],
    output:
        MERGED["trace"],
    log:
        f"{LOGS}/trace_patches.log",
    localrule: True
    params:
        version=lambda wildcards: volumes_version("trace"),
    message:
        "Take each kept patch back to the bytes that it came from."
    run:
        from ifcb_abundance.volumes import trace

        datasets = next(iter(input.datasets), None)
        logged(log[0], trace.trace_patches, input.curated, input.volumes, f"{VOLUMES}/bytes", datasets, output[0])


rule volumes:
    """Cut volumes into patches, and write the kept ones."""
    input:
        MERGED["volumes"],
        MERGED["volume_patches"],
        MERGED["trace"],
        of_sources("kept/{source}"),
        pictures_of_volumes,
    localrule: True
    message:
        "The volumes are cut, and their patches are curated."


rule build_flipbooks:
    """Build the flipbooks of a dataset."""
    input:
        curated=MERGED["volume_curated"],
        volumes=MERGED["volumes"],
        of=[] if CONFIG.volumes.flipbooks.of == "kept" else CONFIG.volumes.flipbooks.of,
    output:
        folder=directory(f"{VOLUMES}/flipbooks/{{source}}"),
        rows=f"{VOLUMES}/flipbook_rows/{{source}}.csv",
    log:
        f"{LOGS}/build_flipbooks/{{source}}.log",
    wildcard_constraints:
        source="[^/]+",
    localrule: True
    params:
        version=lambda wildcards: volumes_version("flipbooks"),
        how=CONFIG.volumes.flipbooks.model_dump(),
        of=[] if CONFIG.volumes.flipbooks.of == "kept" else stamp(CONFIG.volumes.flipbooks.of),
    message:
        "Build the flipbooks of {wildcards.source}."
    run:
        from ifcb_abundance.volumes import flipbooks

        outputs = (output.folder, output.rows)
        how = flipbooks.Wish(**params.how)
        logged(
            log[0], flipbooks.build_flipbooks, wildcards.source, how, input.curated, input.volumes, VOLUMES, outputs
        )


rule merge_flipbooks:
    """Join the rows of all flipbooks."""
    input:
        of_sources("flipbook_rows/{source}.csv"),
    output:
        MERGED["flipbooks"],
    log:
        f"{LOGS}/merge_flipbooks.log",
    localrule: True
    message:
        "Join the rows of all flipbooks."
    run:
        from ifcb_abundance.volumes import flipbooks

        logged(log[0], flipbooks.merge_flipbooks, input, output[0])
        stale.put_aside(of_other_flipbooks(VOLUMES, input), RESULTS)


rule flipbooks:
    """Build flipbooks: patches with the slices around them."""
    input:
        MERGED["flipbooks"],
        MERGED["trace"],
        of_sources("pictures/flipbooks/{source}.png"),
    localrule: True
    message:
        "The flipbooks are built."
