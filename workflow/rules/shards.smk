# Needs the tables of all shards. Makes the catalog of the whole window from theirs, and lists or reads nothing again.


rule merge_catalogs:
    """Merge the catalogs of all shards into one."""
    input:
        catalogs_of_shards,
    output:
        MERGED["catalog"],
    log:
        f"{LOGS}/merge_catalogs.log",
    localrule: True
    params:
        version=abundance.MERGED_VERSION,
    message:
        "Merge the catalogs of all shards."
    run:
        logged(log[0], catalog.merge_catalogs, input, output[0])
