# Needs the config's stores, and no bin. Lists what lies in them, plans what is fetched within a budget, and fetches it:
# `snakemake --cores 8 inventory`, `plan`, `fetch`. Imports stand in the rules: runs without stores do without them.
OF_STORES = {name: f"{RESULTS}/{table_registry.TABLES[name].merged}" for name in table_registry.STORES}
MOST_REQUESTS = 64  # or the profile's limit if that is lower. Stores are asked one after the other


wildcard_constraints:
    store=r"[A-Za-z0-9_][A-Za-z0-9._-]*",


def store_of(wildcards):
    """What the config says of a store."""
    if wildcards.store in CONFIG.stores:
        return CONFIG.stores[wildcards.store]
    raise ConfigError(f"stores.{wildcards.store}: not in the config. Accepted: {', '.join(CONFIG.stores) or 'none'}")


def opened_store(name):
    """The files of a store, of which nothing is asked yet."""
    from ifcb_abundance.sources.objects import open_objects
    from ifcb_abundance.sources.open_source import request_options

    return open_objects(CONFIG.stores[name], request_options(CONFIG.source), f"stores.{name}")


def command_to_list(name):
    """What lists a store again, for messages."""
    configs = [os.path.relpath(path) for path in workflow.overwrite_configfiles]
    command = ["snakemake --cores 8 --force", OF_STORES["inventory"].format(store=name)]
    return " ".join([*command, *(["--configfile", *configs] if configs else [])])


def of_all_stores(*tables):
    """Those tables of all stores that the config names."""
    if not CONFIG.stores:
        raise ConfigError("stores: {} names no store. Accepted: names of stores, each with a url")
    return [OF_STORES[table].format(store=name) for table in tables for name in CONFIG.stores]


def whole_tree(wildcards):
    """The plan. If files of the tree are gone, what says that they were fetched is made again."""
    meet_run()
    store_of(wildcards)
    plan, fetched = (OF_STORES[name].format(store=wildcards.store) for name in ("plan", "fetched"))
    if workflow.is_main_process and Path(plan).exists() and Path(fetched).exists():
        from ifcb_abundance.stores import fetch

        if not fetch.is_whole(plan, Path(plan).parent):
            DOUBT.make_again([fetched])
    return plan


rule list_store:
    """List the files of a store."""
    input:
        meet_run,
    output:
        inventory=OF_STORES["inventory"],
        folders=OF_STORES["store_folders"],
        formats=OF_STORES["store_formats"],
    log:
        f"{LOGS}/list_store/{{store}}.log",
    localrule: True
    resources:
        dashboard=MOST_REQUESTS,
    params:
        version=1,
        place=lambda wildcards: store_of(wildcards).model_dump(include={"url", "endpoint_url"}),
    message:
        "List the files of store {wildcards.store}."
    run:
        from ifcb_abundance.stores import inventory

        name = wildcards.store
        logged(log[0], inventory.list_store, opened_store(name), name, command_to_list(name), *output)


rule plan_fetch:
    """Plan what is fetched of a store, within its budget."""
    input:
        OF_STORES["inventory"],
    output:
        OF_STORES["plan"],
    log:
        f"{LOGS}/plan_fetch/{{store}}.log",
    localrule: True
    params:
        version=1,
        choice=lambda wildcards: store_of(wildcards).model_dump(include={"include", "exclude", "max_bytes"}),
    message:
        "Plan what is fetched of store {wildcards.store}."
    run:
        from ifcb_abundance.stores import plan

        choice = plan.Choice(wildcards.store, **params.choice)
        logged(log[0], plan.plan_fetch, input[0], choice, f"{Path(output[0]).parent}/files", output[0])


# The tree, files/, is no output: the engine would delete it after a failure.
rule fetch_store:
    """Fetch the files of a store that are planned, and not there yet."""
    input:
        whole_tree,
    output:
        fetched=OF_STORES["fetched"],
        refused=OF_STORES["refused"],
    log:
        f"{LOGS}/fetch_store/{{store}}.log",
    localrule: True
    resources:
        dashboard=MOST_REQUESTS,
    params:
        version=1,
    message:
        "Fetch the files of store {wildcards.store}."
    run:
        from ifcb_abundance.stores import fetch

        name = wildcards.store
        at_a_time, again = resources.dashboard, command_to_list(name)
        logged(log[0], fetch.fetch_store, opened_store(name), name, input[0], at_a_time, again, *output)


rule inventory:
    """List the files of all stores."""
    input:
        lambda wildcards: of_all_stores("inventory", "store_folders", "store_formats"),
    localrule: True
    message:
        "All stores are listed."


rule plan:
    """Plan what is fetched of all stores."""
    input:
        lambda wildcards: of_all_stores("plan"),
    localrule: True
    message:
        "What is fetched of all stores is planned."


rule fetch:
    """Fetch the planned files of all stores."""
    input:
        lambda wildcards: of_all_stores("fetched", "refused"),
    localrule: True
    message:
        "The planned files of all stores are fetched."
