# Needs the catalog, and the raw files that the source has. Makes flags of bins, and a figure of them through time. Runs make
# them if quality.make says so, or on request:
#
#   snakemake --cores 8 quality
include: "quality_inputs.smk"


rule measure_quality:
    """Measure the quality of the bins of a day."""
    input:
        catalog=ancient(MERGED["catalog"]),  # the params have what it says of the day
    output:
        f"{RESULTS}/quality/{{date}}.csv",
    log:
        f"{LOGS}/measure_quality/{{date}}.log",
    localrule: True
    resources:
        dashboard=1,
    params:
        version=quality.VERSION,
        bins=lambda wildcards: all_listed().checksums[wildcards.date],
        source=lambda wildcards: raw_of_day(wildcards.date),
    message:
        "Measure the quality of the bins of {wildcards.date}."
    run:
        logged(log[0], quality.measure_quality, SOURCE, *day_to_measure(wildcards), output[0], RECORD_FAILURES)


checkpoint merge_quality:
    """Flag the quality of all bins."""
    input:
        measured_quality,
    output:
        MERGED["quality"],
    log:
        f"{LOGS}/merge_quality.log",
    localrule: True
    params:
        version=quality.VERSION,
        bins=lambda wildcards: proof.digest(list(map(str, SHARDS)) or all_listed().checksums),
    message:
        "Flag the quality of all bins."
    run:
        logged(log[0], quality.merge_quality, list(input), output[0], bool(SHARDS))


rule quality:
    """Build all tables, and the flags of bins with their figure."""
    input:
        targets,
        MERGED["quality"],
        figure_files(registry.OF_QUALITY),
        parts_of_quality,
    localrule: True
    message:
        "The quality of all bins is flagged."
