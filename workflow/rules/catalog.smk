# Needs the source. Makes catalog.csv: which bins there are in the window. All later rules follow from it.


checkpoint list_catalog:
    input:
        SOURCE.catalog_files(),
    output:
        # update: the list there was stays if a new one cannot be had
        catalog=update(f"{TABLES}/catalog.csv"),
    log:
        f"{LOGS}/list_catalog.log",
    localrule: True
    resources:
        dashboard=1,
    params:
        version=catalog.VERSION,
        source=lambda wildcards: catalog.identity(SOURCE),
        window=[str(WINDOW.start), str(WINDOW.end)],
    run:
        empty = SHARD is not None
        logged(log[0], catalog.list_catalog, SOURCE, WINDOW, output.catalog, empty, METHOD.group_by)
