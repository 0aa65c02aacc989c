# Needs curated images. Makes a training set of the kept ones, split without a leak, on request:
#
#   snakemake --cores 8 training_set


include: "training_set_inputs.smk"


rule classify_images:
    """Name the class that each ROI of a bin won."""
    input:
        lambda wildcards: SOURCE.scores_files(wildcards.group),
    output:
        f"{CURATION}/classes/{{group}}.csv",
    log:
        f"{LOGS}/classify_images/{{group}}.log",
    wildcard_constraints:
        group=BIN_ID,
    localrule: True
    resources:
        dashboard=1,
    params:
        version=lambda wildcards: curation_version("classes_won"),
        scores=lambda wildcards: SOURCE.scores_identity_of(wildcards.group),
        counted=lambda wildcards: counted_scores(wildcards.group),
        thresholds=OF_CLASSES,
    message:
        "Name the classes of the ROIs of bin {wildcards.group}."
    run:
        from ifcb_abundance.curation import classes_won

        logged(log[0], classes_won.write_classes, SOURCE, wildcards.group, METHOD, params.counted, output[0])


rule split_training_set:
    """Split the kept images into those to train on, to validate on and to test on."""
    input:
        labels_of_set,
        unpack(lambda wildcards: {name: MERGED[name] for name in ("curated", "patches", "duplicates")}),
        clean=of_all_groups("clean/{group}.zip"),
        won=classes_won,
        ledger=[] if OF_FOLDER else MERGED["ledger"],
    output:
        update(MERGED["training_split"]),  # the old set stays whole if labels cannot be used
        update(MERGED["training_classes"]),
        update(JOINED),
    log:
        f"{LOGS}/split_training_set.log",
    localrule: True
    params:
        version=lambda wildcards: [curation_version(each) for each in ("training_set", "splits", "leaks")],
        rule=[DUPLICATES.distance, DUPLICATES.confirm],
        kept=kept_by,
        labels=labels_identity,
        won=OF_CLASSES if WON else None,
        split=[SET_OPTIONS.split_by, FRACTIONS, SET_OPTIONS.seed],
    message:
        "Split the kept images."
    run:
        logged(log[0], split_training_set, input, params.split, tuple(output))


rule write_training_set:
    """Write the images of the training set, and its card."""
    input:
        MERGED["training_split"],
        MERGED["training_classes"],
        JOINED,
        MERGED["curated"],  # the kept images are made with it
    output:
        f"{SET}/README.md",
    log:
        f"{LOGS}/write_training_set.log",
    localrule: True
    params:
        version=lambda wildcards: [curation_version(each) for each in ("training_set", "dataset_card")],
        facts=lambda wildcards: asdict(card_facts()),
    message:
        "Write the images of the training set."
    run:
        from ifcb_abundance.curation import training_set

        tables = tuple(input[:3])
        logged(log[0], training_set.write_training_set, tables, KEPT, card_facts(), SET)


rule find_leaks:
    """Look for near-duplicates in different splits of the finished set."""
    input:
        f"{SET}/README.md",
    output:
        MERGED["training_leaks"],
    log:
        f"{LOGS}/find_leaks.log",
    localrule: True
    params:
        version=lambda wildcards: curation_version("leaks"),
        rule=[DUPLICATES.hash, DUPLICATES.distance, DUPLICATES.confirm],
    message:
        "Look for near-duplicates in different splits."
    run:
        from ifcb_abundance.curation import leaks

        how = (DUPLICATES.hash, duplicate_rule(), output[0], workflow.cores)
        logged(log[0], leaks.find_leaks, SET, *how)


rule sum_training_set:
    """Write the checksums of the training set's files."""
    input:
        f"{SET}/README.md",
        MERGED["training_leaks"],
    output:
        f"{SET}/SHA256SUMS",
    log:
        f"{LOGS}/sum_training_set.log",
    localrule: True
    message:
        "Write the checksums of the training set's files."
    run:
        from ifcb_abundance.curation import training_set

        logged(log[0], training_set.write_sums, SET, output[0])


rule training_set:
    """Build a training set of the kept images, and prove that it does not leak."""
    input:
        MERGED["training_split"],
        MERGED["training_classes"],
        MERGED["training_leaks"],
        f"{SET}/README.md",
        f"{SET}/SHA256SUMS",
    localrule: True
    message:
        "The training set is built."
