# Needs the merged tables. Makes the files for repositories that export.formats asks for.
from ifcb_abundance.exports import publication as exports

EXPORTS = {
    "netcdf": LAYOUT.export(".nc"),
    "darwin_core": LAYOUT.export("_darwin_core.zip"),
    "seabass": LAYOUT.export(".sb"),
    "erddap": LAYOUT.export("_erddap.xml"),
}
OF_EXPORTS = {name: MERGED[name] for name in ("abundance", "coverage", "catalog", "ledger")}


rule export_netcdf:
    """Write abundance as NetCDF."""
    input:
        **OF_EXPORTS,
        run=LAYOUT.run_record,  # not ancient: the engine does not look at params where an ancient input is made anew
    output:
        EXPORTS["netcdf"],
    log:
        f"{LOGS}/export_netcdf.log",
    retries: 2
    conda:
        "../../envs/exports.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=60,
    params:
        version=exports.VERSION,
        publication=lambda wildcards: asdict(exports.Publication.of(CONFIG, "netcdf")),
        group_by=METHOD.group_by,
        tolerance_km=METHOD.position_tolerance_km,
        confidence=METHOD.confidence,
    message:
        "Write abundance as NetCDF."
    script:
        f"{SCRIPTS}/export_netcdf.py"


rule pool_bins_of_export:
    """Pool abundance per bin, for a Darwin Core archive with an event for each."""
    input:
        MERGED["bins"],
    output:
        LAYOUT.export("_bins.csv"),
    log:
        f"{LOGS}/pool_bins_of_export.log",
    resources:
        mem_mb=4000,
    params:
        version=periods.VERSION,
        method=asdict(replace(METHOD, class_table={})),
        class_table=CLASS_TABLE_SHA256,
    message:
        "Pool abundance per bin."
    run:
        logged(log[0], periods.pool_periods, input[0], "bin", METHOD, output[0])


rule export_darwin_core:
    """Write abundance as a Darwin Core archive, for OBIS."""
    input:
        **OF_EXPORTS
        | ({"abundance": LAYOUT.export("_bins.csv")} if CONFIG.export.event == "bin" else {"bins": MERGED["bins"]}),
        run=LAYOUT.run_record,
    output:
        EXPORTS["darwin_core"],
    log:
        f"{LOGS}/export_darwin_core.log",
    retries: 2
    conda:
        "../../envs/exports.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=60,
    params:
        **({"event": "bin"} if CONFIG.export.event == "bin" else {}),
        version=exports.VERSION,
        publication=lambda wildcards: asdict(exports.Publication.of(CONFIG, "darwin_core")),
        group_by=METHOD.group_by,
        precision=METHOD.precision,
        confidence=METHOD.confidence,
        class_table=dict(METHOD.table) if METHOD.table.merges else {},
        loose=METHOD.table.loose,
    message:
        "Write abundance as a Darwin Core archive."
    script:
        f"{SCRIPTS}/export_darwin_core.py"


rule export_seabass:
    """Write abundance as a SeaBASS file."""
    input:
        **OF_EXPORTS,
    output:
        EXPORTS["seabass"],
    log:
        f"{LOGS}/export_seabass.log",
    retries: 2
    conda:
        "../../envs/exports.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=60,
    params:
        version=exports.VERSION,
        publication=lambda wildcards: asdict(exports.Publication.of(CONFIG, "seabass")),
        group_by=METHOD.group_by,
        tolerance_km=METHOD.position_tolerance_km,
        accept_zero=CONFIG.select.accept_zero_position,
    message:
        "Write abundance as a SeaBASS file."
    script:
        f"{SCRIPTS}/export_seabass.py"


rule export_erddap:
    """Write what an ERDDAP server needs to serve abundance."""
    input:
        OF_EXPORTS["abundance"],
    output:
        EXPORTS["erddap"],
    log:
        f"{LOGS}/export_erddap.log",
    conda:
        "../../envs/exports.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        version=exports.VERSION,
        publication=lambda wildcards: asdict(exports.Publication.of(CONFIG, "erddap")),
        optional=METHOD.table_columns,
    message:
        "Write the dataset's description for an ERDDAP server."
    script:
        f"{SCRIPTS}/export_erddap.py"
