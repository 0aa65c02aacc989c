# Needs the catalog and the bins' summaries. Makes the day's parts, then the merged tables and run.json.
from ifcb_abundance.report import run_record


rule pool_abundance:
    """Pool the bins of a day into the day's part of each table."""
    input:
        catalog=ancient(MERGED["catalog"]),  # the params have what it says of the day
        summaries=summaries_of_day,
    output:
        **{name: table.part_in(RESULTS) for name, table in OF_DAYS.items()},
    log:
        f"{LOGS}/pool_abundance/{{date}}.log",
    priority: 1  # before any bin, so that finished days leave the list
    localrule: True
    resources:
        pooling=1,
    params:
        **recorded(OF_DAY, scores=lambda wildcards: scores_read(wildcards.date)),
    message:
        "Pool the bins of {wildcards.date}."
    run:
        logged(log[0], abundance.pool_abundance, *day_to_pool(wildcards, params.cut, output))


# What merge_abundance needs beside the files.
OF_MERGED = {
    "failures_allowed": RECORD_FAILURES,
    "summaries": SUMMARIES,
    "instead": None if MAY_BE_EMPTY else SOURCE.scores_instead,
}


rule merge_abundance:
    """Merge the parts of days into the tables of abundance, coverage and bins."""
    input:
        **{name: lambda wildcards, name=name: days_to_merge(name) for name in OF_DAYS},
        catalog=MERGED["catalog"],
    output:
        **{name: MERGED[name] for name in OF_DAYS if name != "coverage"},
        coverage=report(
            MERGED["coverage"],
            category="Tables",
            caption="../report/coverage.rst",
            labels={"table": "coverage", "form": "CSV"},
        ),
    log:
        f"{LOGS}/merge_abundance.log",
    localrule: True
    params:
        version=abundance.MERGED_VERSION,
        record_failures=RECORD_FAILURES,
        allow_empty=MAY_BE_EMPTY,
    message:
        "Merge the days into tables."
    run:
        parts, merged = by_name(input), by_name(output)
        on_all_days(log[0], abundance.merge_abundance, parts, input.catalog, METHOD, merged=merged, **OF_MERGED)


rule record_run:
    """Record the config, the software versions and the counts of bins in run.json."""
    input:
        catalog=MERGED["catalog"],
        ledger=MERGED["ledger"],
        abundance=MERGED["abundance"],
    output:
        LAYOUT.run_record,
    log:
        f"{LOGS}/record_run.log",
    localrule: True
    resources:
        pooling=ALONE,
    params:
        version=run_record.VERSION,
        settings=run_record.asked_of(SETTINGS),
        score_files=lambda wildcards: SOURCE.score_files_identity(),
        class_thresholds=CONFIG.class_thresholds,
    message:
        "Record how the results were made."
    run:
        on_all_days(log[0], run_record.record_run, facts_of_run(), *input, SUMMARIES, output[0])
