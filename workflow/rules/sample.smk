# Needs the merged tables and the scores summaries. Makes the list of ROIs that people are asked about, and their images.
# On request:
#
#   snakemake --cores 8 sample_rois
#   snakemake --cores 8 subject_set


rule count_strata:
    """Count the ROIs of each used bin by winner and band of scores."""
    input:
        about_winners,
        ledger=MERGED["ledger"],
        catalog=MERGED["catalog"],
    output:
        MERGED["strata"],
    log:
        f"{LOGS}/count_strata.log",
    localrule: True
    params:
        **OF_BANDS,
    message:
        "Count the ROIs by winner and band of scores."
    run:
        logged(log[0], room("drawing").write_strata, *input, SUMMARIES, bands(), output[0])


checkpoint draw_bins:
    """Choose the bins that ROIs are drawn from."""
    input:
        consensus=LABELLED,
        listed=MERGED["labelled_bins"] if LABELLED else [],
        labelled=lambda wildcards: labelled_winners(wildcards) if LABELLED else [],
        strata=MERGED["strata"],
    output:
        MERGED["draws"],
    log:
        f"{LOGS}/draw_bins.log",
    localrule: True
    params:
        **OF_DRAWS,
    message:
        "Choose the bins that ROIs are drawn from."
    run:
        logged(log[0], lambda: room("drawing").write_draws(planned(input), output[0]))


rule keep_winners:
    """Read which class won each ROI of a bin."""
    input:
        f"{SUMMARIES}/{SUMMARY}",
        # none from a dashboard
        files_of_winners,
    output:
        f"{LAYOUT.rois}/{SUMMARY}",
    log:
        f"{LOGS}/keep_winners/{{folder}}/{{bin}}.log",
    localrule: True
    resources:
        dashboard=1,
    params:
        version=VERSIONS["winners"],
        source=of_each_bin(lambda bin_id: SOURCE.scores_identity_of(bin_id)),
    message:
        "Read which class won each ROI of bin {wildcards.bin}."
    run:
        logged(log[0], room("winners").keep_winners, SOURCE, wildcards.bin, input[0], output[0])


checkpoint sample_rois:
    """Draw the ROIs that people are asked about."""
    input:
        *LABELLED,
        draws=MERGED["draws"],
        drawn=drawn_winners,
    output:
        update(MERGED["sample"]),  # people work with it: the old one stays until there is a new one
    log:
        f"{LOGS}/sample_rois.log",
    localrule: True
    params:
        version=VERSIONS["sample"],
        seed=VALIDATION.seed,
    message:
        "Draw the ROIs that people are asked about."
    run:
        logged(log[0], room("drawing").write_sample, read_draws(input), bands(), input.drawn, params.seed, output[0])


rule cut_subjects:
    """Cut the images of the sample out of a bin's raw files."""
    input:
        files_of_subjects,
        sample=ancient(MERGED["sample"]),  # the params have what it says of the bin
    output:
        f"{CUT}/{ZIP}",
    log:
        f"{LOGS}/cut_subjects/{{folder}}/{{bin}}.log",
    localrule: True
    resources:
        dashboard=1,
    params:
        **OF_SUBJECTS,
    message:
        "Cut the images of the sample out of bin {wildcards.bin}."
    run:
        of = stated(OF_SUBJECTS, wildcards)
        logged(log[0], room("subjects").cut_subjects, SOURCE, wildcards.bin, params.rois, output[0], of)


rule subject_set:
    """Write the images of the sample and their manifest, to be uploaded to Zooniverse."""
    input:
        sample=MERGED["sample"],
        zips=subject_zips,
    output:
        directory(SUBJECTS),
    log:
        f"{LOGS}/subject_set.log",
    localrule: True
    params:
        version=VERSIONS["subjects"],
    message:
        "Write the images of the sample and their manifest."
    run:
        logged(log[0], room("subjects").write_subjects, input.zips, all_sampled_rois(), CONFIG.dataset, output[0])
