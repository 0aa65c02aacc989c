# Needs the images of the bins, or those of `curation.folder`. Makes the tables of curated images and the kept ones. Runs
# make them if curation.make says so, or on request:
#
#   snakemake --cores 8 curation


include: "curation_inputs.smk"


rule clean_images:
    """Clean the images of a group: 8-bit grey, in a zip."""
    input:
        images_of_group,
    output:
        images=f"{CURATION}/clean/{{group}}.zip",
        table=f"{CURATION}/cleaning/{{group}}.csv",
    log:
        f"{LOGS}/clean_images/{{group}}.log",
    wildcard_constraints:
        group="[^/]+",
    localrule: True
    params:
        version=lambda wildcards: curation_version("clean"),
        scaling=CONFIG.curation.scaling,
        files=identity_of_group,
    message:
        "Clean the images of group {wildcards.group}."
    run:
        how = (params.scaling, output.images, output.table, workflow.cores)
        logged(log[0], clean_group, wildcards.group, *how)


rule merge_cleaning:
    """Join the groups' rows about their images."""
    input:
        of_all_groups("cleaning/{group}.csv"),
    output:
        update(MERGED["cleaning"]),  # the old table stays if no image can be used
    log:
        f"{LOGS}/merge_cleaning.log",
    localrule: True
    message:
        "Join what was found of all images."
    run:
        from ifcb_abundance.curation import clean

        logged(log[0], clean.merge_cleaning, input, empty_folders(), output[0])
        stale.put_aside(of_other_groups(input), RESULTS)


rule cut_patches:
    """Cut the images of a group into patches, hash and measure them."""
    input:
        images=f"{CURATION}/clean/{{group}}.zip",
        table=f"{CURATION}/cleaning/{{group}}.csv",
    output:
        f"{CURATION}/patches/{{group}}.csv",
    log:
        f"{LOGS}/cut_patches/{{group}}.log",
    wildcard_constraints:
        group="[^/]+",
    localrule: True
    params:
        version=lambda wildcards: curation_version("patches"),
        patch_px=CONFIG.curation.patch_px,
        hash=CONFIG.curation.duplicates.hash,
    message:
        "Cut the images of group {wildcards.group}."
    run:
        from ifcb_abundance.curation import patches

        how = (params.patch_px, params.hash, output[0], workflow.cores)
        logged(log[0], patches.cut_patches, input.images, input.table, *how)


rule merge_patches:
    """Join the groups' rows about their patches."""
    input:
        of_all_groups("patches/{group}.csv"),
        MERGED["cleaning"],  # it stops the run if no image can be used
    output:
        MERGED["patches"],
    log:
        f"{LOGS}/merge_patches.log",
    localrule: True
    message:
        "Join the rows of all patches."
    run:
        from ifcb_abundance.tables.concatenate import join_parts

        logged(log[0], join_parts, "patches", input[:-1], output[0])


rule group_duplicates:
    """Find patches that are copies of others."""
    input:
        patches=MERGED["patches"],
        clean=of_all_groups("clean/{group}.zip"),
    output:
        MERGED["duplicates"],
    log:
        f"{LOGS}/group_duplicates.log",
    resources:
        mem_mb=4000,
    params:
        version=lambda wildcards: curation_version("duplicates"),
        rule=DUPLICATES.model_dump(),
    message:
        "Find the patches that are copies of others."
    run:
        from ifcb_abundance.curation import duplicates

        logged(log[0], duplicates.group_duplicates, input.patches, CLEAN, duplicate_rule(), output[0])


rule find_stuck:
    """Find particles that stick to the glass."""
    input:
        images=image_zips,
        clean=of_all_groups("clean/{group}.zip"),
    output:
        MERGED["stuck"],
    log:
        f"{LOGS}/find_stuck.log",
    params:
        version=lambda wildcards: curation_version("stuck"),
        rule=CONFIG.curation.stuck.model_dump(),
        alike=DUPLICATES.model_dump(exclude={"seed", "within"}),
    message:
        "Find the particles that stick to the glass."
    run:
        from ifcb_abundance.curation import stuck

        logged(log[0], stuck.find_stuck, input.images, CLEAN, stuck_rule(), output[0])


include: "curation_filter.smk"
include: "curated.smk"
