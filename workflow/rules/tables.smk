# Needs the merged tables. Makes the same numbers in other shapes, and describes all tables. On a cluster, work that
# grows with the table goes to a node.
from ifcb_abundance.abundance import bin_table, periods
from ifcb_abundance.tables import data_package


rule reshape_abundance:
    """Write abundance with a column per class, and as Parquet."""
    input:
        MERGED["abundance"],
    output:
        wide=report(
            MERGED["wide"],
            category="Tables",
            caption="../report/abundance_wide.rst",
            labels={"table": "abundance, a column per class", "form": "CSV"},
        ),
        parquet=MERGED["abundance_parquet"],
    log:
        f"{LOGS}/reshape_abundance.log",
    retries: 2
    resources:
        pooling=ALONE,
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=30,
    params:
        version=abundance.MERGED_VERSION,
    message:
        "Write abundance with a column per class, and as Parquet."
    run:
        on_all_days(log[0], abundance.reshape_abundance, input[0], METHOD, *output)


# On request: snakemake results/{dataset}/bins_long.csv.gz
rule convert_bins:
    """Write the table of bins as CSV; on request."""
    input:
        MERGED["bins"],
    output:
        MERGED["bins_csv"],
    log:
        f"{LOGS}/convert_bins.log",
    retries: 2
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=30,
    message:
        "Write the table of bins as CSV."
    run:
        logged(log[0], bin_table.write_csv, input[0], output[0])


rule describe_results:
    """Describe the columns of all tables in datapackage.json."""
    input:
        MERGED["wide"],
    output:
        LAYOUT.description,
    log:
        f"{LOGS}/describe_results.log",
    localrule: True
    params:
        tables=lambda wildcards: table_registry.described(tables_wanted()),
        columns=[
            *METHOD.table_columns,
            *METHOD.quantities,
            *CARBON.columns,
            *(["class_by_vote"] if CONFIG.validation.people == "skill" else []),
        ],
        version=data_package.VERSION,
    message:
        "Describe the columns of all tables."
    run:
        logged(
            log[0],
            data_package.describe_results,
            SETTINGS["dataset"],
            params.tables,
            params.columns,
            input[0],
            output[0],
        )


rule pool_periods:
    """Pool abundance per hour, week or month, if abundance.period asks for it."""
    input:
        MERGED["bins"],
    output:
        table_registry.of_period(PERIOD).merged_in(TABLES),
    log:
        f"{LOGS}/pool_periods_{PERIOD}.log",
    retries: 2
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=30,
    params:
        version=periods.VERSION,
        method=asdict(replace(METHOD, class_table={})),
        class_table=CLASS_TABLE_SHA256,
    message:
        "Pool abundance per period."
    run:
        logged(log[0], periods.pool_periods, input[0], PERIOD, METHOD, output[0])


rule pool_distance:
    """Pool abundance per stretch of the way of a moving platform, if abundance.pool_km asks for it."""
    input:
        MERGED["bins"],
    output:
        MERGED["km"],
    log:
        f"{LOGS}/pool_distance.log",
    retries: 2
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=30,
    params:
        version=periods.VERSION,
        km=CONFIG.abundance.pool_km,
        method=asdict(replace(METHOD, class_table={})),
        class_table=CLASS_TABLE_SHA256,
    message:
        "Pool abundance per stretch of the way."
    run:
        if params.km is None:
            raise ConfigError(
                "abundance.pool_km: null (not set), but needed by abundance_km.csv. Accepted: a number of km"
            )
        logged(log[0], periods.pool_distance, input[0], params.km, METHOD, output[0])
