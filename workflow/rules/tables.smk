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
