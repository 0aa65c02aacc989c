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
        dashboard=4,  # or the profile's limit if that is lower; of raw bins so many files are read at a time
    params:
        **OF_CATALOG,
    message:
        "List the bins of the window."
    run:
        how = SHARD is not None, METHOD.group_by, resources.dashboard
        logged(log[0], catalog.list_catalog, SOURCE, WINDOW, output.catalog, *how)
