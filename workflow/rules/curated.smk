# Needs the tables of cleaned, grouped, stuck and filtered images. Says what becomes of each image, and packs the kept ones.
# Runs make them if curation.make says so, or on request:
#
#   snakemake --cores 8 curation
#   snakemake --cores 8 without_stuck


rule find_issues:
    """Score what might be wrong with patches."""
    input:
        patches=MERGED["patches"],
        duplicates=MERGED["duplicates"],
    output:
        MERGED["issues"],
    log:
        f"{LOGS}/find_issues.log",
    params:
        version=lambda wildcards: curation_version("issues"),
    message:
        "Score what might be wrong with patches."
    run:
        from ifcb_abundance.curation import issues

        logged(log[0], issues.find_issues, *input, output[0])


rule measure_distance:
    """Measure what each distance finds, on copies of the user's images."""
    input:
        patches=MERGED["patches"],
        duplicates=MERGED["duplicates"],
        clean=of_all_groups("clean/{group}.zip"),
    output:
        MERGED["distance"],
    log:
        f"{LOGS}/measure_distance.log",
    params:
        version=lambda wildcards: curation_version("distance"),
        rule=DUPLICATES.model_dump(exclude={"within"}),
    message:
        "Measure what each distance of hashes finds."
    run:
        from ifcb_abundance.curation import distance

        how = (CLEAN, DUPLICATES.hash, duplicate_rule(), output[0])
        logged(log[0], distance.measure_distance, input.patches, input.duplicates, *how)


rule curate:
    """Say what becomes of each image, and pack the kept ones."""
    input:
        kept_images,
        **{name: MERGED[name] for name in OF_CURATED},
        clean=of_all_groups("clean/{group}.zip"),
    output:
        # The kept images are no output, and the table is updated: the old ones stay if nothing is kept.
        update(MERGED["curated"]),
    log:
        f"{LOGS}/curate.log",
    params:
        version=lambda wildcards: curation_version("curate"),
    message:
        "Say what becomes of each image, and pack the kept ones."
    run:
        from ifcb_abundance.curation import curate

        tables = {name: input[name] for name in OF_CURATED}
        logged(log[0], curate.curate, tables, CLEAN, output[0], KEPT, DUPLICATES.seed)


rule pool_without_stuck:
    """Pool abundance without the images of stuck particles."""
    input:
        stuck=MERGED["stuck"],
        bins=MERGED["bins"],
        abundance=MERGED["abundance"],
    output:
        MERGED["without_stuck"],
    log:
        f"{LOGS}/pool_without_stuck.log",
    localrule: True
    resources:
        dashboard=1,
    params:
        version=lambda wildcards: curation_version("without_stuck"),
    message:
        "Pool abundance without the images of stuck particles."
    run:
        from ifcb_abundance.curation import without_stuck

        tables = (input.stuck, input.bins, input.abundance)
        logged(log[0], without_stuck.without_stuck, SOURCE, *tables, METHOD, output[0])


rule without_stuck:
    """Build abundance without stuck particles, and its figure."""
    input:
        targets,
        MERGED["without_stuck"],
        figure_files(("stuck_particles",)),
    localrule: True
    message:
        "Abundance without stuck particles is built."


rule curation:
    """Build the tables of curated images, and the kept images."""
    input:
        curation_targets,
    localrule: True
    message:
        "The images are curated."
