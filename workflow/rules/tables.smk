# Needs the merged tables and the bins' summaries. Makes the same numbers in other shapes, and the threshold sweep.


rule sweep_thresholds:
    input:
        all_summaries,
    output:
        f"{RESULTS}/threshold_sweep.csv",
    log:
        f"{LOGS}/sweep_thresholds.log",
    params:
        version=sweep.VERSION,
        precision=METHOD.precision,
    run:
        logged(log[0], sweep.sweep_thresholds, input, METHOD.precision, output[0])


rule reshape_abundance:
    input:
        f"{RESULTS}/abundance_long.csv",
    output:
        wide=f"{RESULTS}/abundance_wide.csv",
        parquet=f"{RESULTS}/abundance_long.parquet",
    log:
        f"{LOGS}/reshape_abundance.log",
    run:
        logged(log[0], abundance.reshape_abundance, input[0], METHOD, *output)


# On request: snakemake results/{dataset}/bins_long.csv.gz
rule convert_bins:
    input:
        f"{RESULTS}/bins_long.parquet",
    output:
        f"{RESULTS}/bins_long.csv.gz",
    log:
        f"{LOGS}/convert_bins.log",
    run:
        logged(log[0], bin_table.write_csv, input[0], output[0])


rule describe_results:
    input:
        f"{RESULTS}/abundance_wide.csv",
    output:
        f"{RESULTS}/datapackage.json",
    log:
        f"{LOGS}/describe_results.log",
    params:
        tables=DESCRIBED,
        group_by=METHOD.group_by,
        version=data_package.VERSION,
    run:
        logged(
            log[0],
            data_package.describe_results,
            SETTINGS["dataset"],
            DESCRIBED,
            METHOD.group_by,
            input[0],
            output[0],
        )


rule pool_periods:
    input:
        lambda wildcards: all_days(PARTS["bins"]),
    output:
        f"{RESULTS}/abundance_{PERIOD}.csv",
    log:
        f"{LOGS}/pool_periods_{PERIOD}.log",
    params:
        method=asdict(replace(METHOD, class_table={})),
        class_table=CLASS_TABLE_SHA256,
    run:
        logged(log[0], periods.pool_periods, input, PERIOD, METHOD, output[0])
