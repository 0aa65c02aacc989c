# Needs people's labels, the merged tables, and the class scores of the bins that have labels. Makes the ROIs that people
# agree on, with what the classifier thinks of them.


rule collect_labels:
    """Collect the labels that people gave."""
    input:
        label_files,
    output:
        MERGED["labels"],
    log:
        f"{LOGS}/collect_labels.log",
    priority: 2  # before all else: labels that cannot be read end a run early
    localrule: True
    params:
        version=VERSIONS["labels"],
        zooniverse=OF_VALIDATION["zooniverse"],
        files=stamps_of_labels,
    message:
        "Collect the labels that people gave."
    run:
        files = [path for path in input if path not in ZOONIVERSE]
        logged(log[0], room("evaluation").collect_labels, files, exports_of_zooniverse(), output[0])


checkpoint list_labelled:
    """List the used bins that have labels."""
    input:
        labels=MERGED["labels"],
        ledger=MERGED["ledger"],
    output:
        MERGED["labelled_bins"],
    log:
        f"{LOGS}/list_labelled.log",
    localrule: True
    message:
        "List the used bins that have labels."
    run:
        logged(log[0], room("evaluation").list_labelled, input.labels, input.ledger, output[0])


rule agree_labels:
    """Find what people agree on, and how good they are."""
    input:
        *LABEL_MAPS,
        labels=MERGED["labels"],
        ledger=MERGED["ledger"],
        abundance=MERGED["abundance"],
        listed=MERGED["labelled_bins"],
        winners=labelled_winners,
    output:
        **{name: MERGED[name] for name in table_registry.made_by("agree_labels")},
    log:
        f"{LOGS}/agree_labels.log",
    localrule: True
    params:
        **OF_PEOPLE,
        label_map=lambda wildcards: list(map(stamp, LABEL_MAPS)),
    message:
        "Find what people agree on."
    run:
        logged(log[0], agree_labels, input, by_name(output))


rule weigh_labels:
    """Put what people agree on beside what the classifier thinks, with weights."""
    input:
        consensus=MERGED["consensus"],
        strata=MERGED["strata"],
        ledger=MERGED["ledger"],
        listed=MERGED["labelled_bins"],
        winners=labelled_winners,
    output:
        MERGED["labelled_rois"],
    log:
        f"{LOGS}/weigh_labels.log",
    localrule: True
    params:
        **OF_BANDS,
    message:
        "Weigh the ROIs that people agree on."
    run:
        logged(log[0], room("evaluation").weigh_labels, by_name(input), input.winners, bands(), output[0])
