# Needs the ROIs that people agree on, with their weights, and the merged tables. Makes the tables that say how good the
# classifier is, its thresholds, and corrected counts; figures are drawn from them. Runs make them if validation.make says
# so, or on request:
#
#   snakemake --cores 8 validation_plan    # beforehand: what labels would tell
#   snakemake --cores 8 validation


include: "validation_inputs.smk"
include: "validation_bins.smk"
include: "sample.smk"
include: "labels.smk"


rule validation_plan:
    """Say how many labels give which limits, before anybody labels."""
    input:
        MERGED["strata"],
    output:
        MERGED["validation_plan"],
    log:
        f"{LOGS}/validation_plan.log",
    localrule: True
    params:
        **OF_BANDS,
        thresholds=OF_CLASSES,
        plan=VERSIONS["plan"],
        expected=VALIDATION.target_precision,
        confidence=METHOD.confidence,
    message:
        "Say how many labels give which limits."
    run:
        logged(log[0], room("drawing").write_plan, input[0], *how_to_plan(), output[0])


rule report_classes:
    """Say how often the classifier is right, by what people see."""
    input:
        labelled_rois=MERGED["labelled_rois"],
        abundance=MERGED["abundance"],
    output:
        **{name: MERGED[name] for name in table_registry.made_by("report_classes")},
    log:
        f"{LOGS}/report_classes.log",
    localrule: True
    params:
        **OF_RATES,
        thresholds=OF_CLASSES,
    message:
        "Say how often the classifier is right."
    run:
        files = by_name(output)
        logged(log[0], lambda: room("evaluation").report_classes(evidence(input), question(), bands(), files))


rule choose_thresholds:
    """Choose the threshold of each class that has enough labels."""
    input:
        labelled_rois=MERGED["labelled_rois"],
        abundance=MERGED["abundance"],
    output:
        # classify.class_thresholds may name it: the old one stays until there is a new one
        update(MERGED["thresholds"]),
    log:
        f"{LOGS}/choose_thresholds.log",
    localrule: True
    params:
        **OF_THRESHOLDS,
    message:
        "Choose thresholds."
    run:
        seed = VALIDATION.seed
        logged(log[0], lambda: room("evaluation").choose_thresholds(evidence(input), question(), seed, output[0]))


rule correct_counts:
    """Correct the counts of the window and of each day by what people see."""
    input:
        labelled_rois=MERGED["labelled_rois"],
        abundance=MERGED["abundance"],
    output:
        **{name: MERGED[name] for name in table_registry.made_by("correct_counts")},
    log:
        f"{LOGS}/correct_counts.log",
    localrule: True
    params:
        **OF_COUNTS,
        thresholds=OF_CLASSES,
    message:
        "Correct the counts by what people see."
    run:
        logged(log[0], correct_counts, input, by_name(output))


rule validation:
    """Build all tables, and those and the figures of validation."""
    input:
        labels_given,
        targets,
        parts,
    localrule: True
    message:
        "What people say of the classifier is in the tables."
