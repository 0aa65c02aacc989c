# The stores of the config, their files, and what asks them. This file has no rule.
OF_STORES = {name: f"{RESULTS}/{table_registry.TABLES[name].merged}" for name in table_registry.STORES}
MOST_REQUESTS = 64  # or the profile's limit if that is lower. Stores are asked one after the other


wildcard_constraints:
    store=r"[A-Za-z0-9_][A-Za-z0-9._-]*",


def store_of(wildcards):
    """What the config says of a store."""
    return Named("stores: no store is called", CONFIG.stores)[wildcards.store]


def opened_store(name):
    """The files of a store, of which nothing is asked yet."""
    from ifcb_abundance.sources.objects import open_objects
    from ifcb_abundance.sources.open_source import request_options

    return open_objects(CONFIG.stores[name], request_options(CONFIG.source), f"stores.{name}")


def command_to_list(name):
    """What lists a store again, for messages."""
    return same_config("--force", OF_STORES["inventory"].format(store=name))


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


def store_to_fetch(name, plan):
    """The files of a store, once those that lie in its tree and are not in the plan are moved to stale/."""
    from ifcb_abundance.stores import fetch

    if moved := stale.put_aside(fetch.not_planned(plan), RESULTS):
        told = f"Moved to {RESULTS}/{stale.STALE}/, since the plan of store {name} does not have them"
        logger.warning(f"{told}: {stale.told(moved)}")
    return opened_store(name)
