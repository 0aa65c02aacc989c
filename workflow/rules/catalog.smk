# Needs the source. Makes catalog.csv, the bins in the window. All later rules follow from it.


checkpoint list_catalog:
    """List the bins of the window in catalog.csv."""
    input:
        files_of_catalog,
    output:
        # update: the old list stays if a new one is unavailable
        catalog=update(MERGED["catalog"]),
    log:
        f"{LOGS}/list_catalog.log",
    localrule: True
    resources:
        dashboard=1,
    params:
        **OF_CATALOG,
    message:
        "List the bins of the window."
    run:
        empty = SHARD is not None
        logged(log[0], catalog.list_catalog, SOURCE, WINDOW, output.catalog, empty, METHOD.group_by)
