# Needs the bins' summaries, and the source again. Makes one features summary per bin, the day's parts, then the merged
# tables of biovolume, carbon and sizes. Runs make them if features.make says so, or on request:
#
#   snakemake --cores 8 features


rule summarize_features:
    """Read the features of a bin and write its summary."""
    input:
        f"{SUMMARIES}/{SUMMARY}",
        # none from a dashboard
        features_of_bin,
    output:
        f"{FEATURES}/{SUMMARY}",
    log:
        f"{LOGS}/summarize_features/{{folder}}/{{bin}}.log",
    priority: priority_of_day
    localrule: True
    resources:
        dashboard=1,
    params:
        # whatever it keeps beside: features_of_bin sees to it that this is enough
        version=features.WINNERS_VERSION if METHOD.winners_only else features.VERSION,
        source=of_each_bin(lambda bin_id: SOURCE.features_identity_of(bin_id)),
    message:
        "Read the features of bin {wildcards.bin}."
    run:
        logged(
            log[0],
            features.summarize_features,
            SOURCE,
            wildcards.bin,
            input[0],
            output[0],
            RECORD_FAILURES,
            computed_of(wildcards.bin),
            METHOD.kept,
        )


rule pool_biovolume:
    """Pool the biovolume and carbon of a day into the day's part of each table."""
    input:
        catalog=ancient(MERGED["catalog"]),  # the params have what it says of the day
        summaries=features_of_day,
    output:
        **{name: table.part_in(RESULTS) for name, table in OF_FEATURE_DAYS.items()},
        proof=f"{RESULTS}/{table_registry.FEATURES_PROOF}",
    log:
        f"{LOGS}/pool_biovolume/{{date}}.log",
    priority: 1
    localrule: True
    resources:
        pooling=ALONE,
    params:
        **recorded(OF_DAYS_FEATURES, features=lambda wildcards: features_read(wildcards.date)),
    message:
        "Pool the biovolume of {wildcards.date}."
    run:
        read, of = read_of_day(wildcards, features_path), stated(OF_DAYS_FEATURES, wildcards)
        logged(log[0], pool_features, *read, files=by_name(output), made_of=of)


# What merge_biovolume needs beside the files.
OF_FEATURES = {
    "method": METHOD,
    "pixels_per_um": PIXELS,
    "failures_allowed": RECORD_FAILURES,
    "summaries": FEATURES,
    "how": CARBON,
}


rule merge_biovolume:
    """Merge the parts of days into the tables of biovolume, carbon and sizes."""
    input:
        **{name: lambda wildcards, name=name: all_parts(name) for name in OF_FEATURE_DAYS},
        ledger=MERGED["ledger"],
        catalog=MERGED["catalog"],
    output:
        **{name: MERGED[name] for name in OF_FEATURE_DAYS},
    log:
        f"{LOGS}/merge_biovolume.log",
    localrule: True
    params:
        record_failures=RECORD_FAILURES,
        carbon=CARBON.named,
        pixels_per_um=PIXELS,  # they are among the params of days too, which are not checked if nobody asks for features
    message:
        "Merge the biovolume of days into tables."
    run:
        logged(log[0], biovolume.merge_biovolume, by_name(input), by_name(output), **OF_FEATURES)


# Made if features.bins says so, or on request: snakemake results/{dataset}/biovolume_bins.parquet
rule tabulate_bins:
    """Tabulate the biovolume and carbon of the bins of a day."""
    input:
        catalog=ancient(MERGED["catalog"]),  # the params have what it says of the day
        summaries=features_of_day,
    output:
        table_registry.TABLES["biovolume_bins"].part_in(RESULTS),
    log:
        f"{LOGS}/tabulate_bins/{{date}}.log",
    priority: 1
    localrule: True
    resources:
        pooling=ALONE,
    params:
        **recorded(OF_DAYS_FEATURES, features=lambda wildcards: features_read(wildcards.date)),
    message:
        "Tabulate the biovolume of the bins of {wildcards.date}."
    run:
        read = read_of_day(wildcards, features_path)
        logged(log[0], biovolume.tabulate_bins, *read, METHOD, PIXELS, CARBON, output[0])


rule merge_biovolume_bins:
    """Merge the biovolume and carbon of bins into one table."""
    input:
        lambda wildcards: all_parts("biovolume_bins"),
    output:
        MERGED["biovolume_bins"],
    log:
        f"{LOGS}/merge_biovolume_bins.log",
    localrule: True
    params:
        **{name: of for name, of in OF_DAYS_FEATURES.items() if name != "bins"},
        bins=lambda wildcards: proof.digest(list(map(str, SHARDS)) or selection().checksums),
    message:
        "Merge the biovolume of bins."
    run:
        logged(log[0], biovolume.merge_bins, list(input), output[0])


# With all tables, so that they have one threshold.
rule features:
    """Build the tables and figures of biovolume and carbon."""
    input:
        targets,
        [MERGED[name] for name in OF_FEATURE_DAYS],
        figure_files([figure.name for figure in registry.FIGURES.values() if figure.needs_features]),
        parts,
        parts_of_features,
    localrule: True
    message:
        "All tables of features are built."
