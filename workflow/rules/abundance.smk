# Needs the catalog and the bins' summaries. Makes the day's tables, then the merged ones and run.json.


rule pool_abundance:
    input:
        catalog=ancient(f"{RESULTS}/catalog.csv"),  # what it says of the day is among the params
        summaries=summaries_of_day,
    output:
        abundance=f"{RESULTS}/daily/{{date}}.csv",
        ledger=f"{RESULTS}/ledger/{{date}}.csv",
    log:
        f"{LOGS}/pool_abundance/{{date}}.log",
    params:
        version=abundance.VERSION,
        bins=bins_of_day,
        method=asdict(METHOD),
    run:
        logged(log[0], abundance.pool_abundance, params.bins, input.summaries, METHOD, *output)


rule merge_abundance:
    input:
        catalog=f"{RESULTS}/catalog.csv",
        days=lambda wildcards: all_days("{results}/daily/{date}.csv"),
        ledgers=lambda wildcards: all_days("{results}/ledger/{date}.csv"),
    output:
        abundance=f"{RESULTS}/abundance_long.csv",
        ledger=f"{RESULTS}/ledger.csv",
    log:
        f"{LOGS}/merge_abundance.log",
    params:
        record_failures=RECORD_FAILURES,
    run:
        logged(
            log[0],
            abundance.merge_abundance,
            input.days,
            input.ledgers,
            input.catalog,
            METHOD,
            RECORD_FAILURES,
            *output,
        )


rule record_run:
    input:
        catalog=f"{RESULTS}/catalog.csv",
        ledger=f"{RESULTS}/ledger.csv",
        abundance=f"{RESULTS}/abundance_long.csv",
    output:
        f"{RESULTS}/run.json",
    log:
        f"{LOGS}/record_run.log",
    params:
        settings=SETTINGS,
    run:
        logged(log[0], run_record.record_run, SETTINGS, SOURCE.catalog_identity, *input, output[0])
