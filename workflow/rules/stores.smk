# Needs the config's stores, and no bin. Lists what lies in them, plans what is fetched within a budget, and fetches it:
# `snakemake --cores 8 inventory`, `plan`, `fetch`. Imports stand in the rules: runs without stores do without them.


include: "stores_inputs.smk"


rule list_store:
    """List the files of a store."""
    input:
        meet_run,
    output:
        # update: the old list stays if the store cannot be listed
        inventory=update(OF_STORES["inventory"]),
        folders=update(OF_STORES["store_folders"]),
        formats=update(OF_STORES["store_formats"]),
    log:
        f"{LOGS}/list_store/{{store}}.log",
    localrule: True
    resources:
        dashboard=MOST_REQUESTS,
    params:
        version=1,  # raise it when stores have to be listed anew
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
        update(OF_STORES["plan"]),  # the old plan stays if the new one is over the budget
    log:
        f"{LOGS}/plan_fetch/{{store}}.log",
    localrule: True
    params:
        version=1,  # raise it when a plan says something else
        choice=lambda wildcards: store_of(wildcards).model_dump(include={"include", "exclude", "max_bytes"}),
    message:
        "Plan what is fetched of store {wildcards.store}."
    run:
        from ifcb_abundance.stores import plan

        choice = plan.Choice(wildcards.store, **params.choice)
        logged(log[0], plan.plan_fetch, input[0], choice, output[0])


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
        version=1,  # raise it when fetched.csv says something else
    message:
        "Fetch the files of store {wildcards.store}."
    run:
        from ifcb_abundance.stores import fetch

        how = (input[0], resources.dashboard, command_to_list(wildcards.store))
        logged(log[0], fetch.fetch_store, store_to_fetch(wildcards.store, input[0]), wildcards.store, *how, *output)


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
