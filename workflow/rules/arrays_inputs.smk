# The arrays and graphs of the config, and what their rules depend on. This file has no rule.
import re

from ifcb_abundance.common.folders import stamp

ARRAY = f"{LAYOUT.arrays}/{{array}}"
GRAPH = f"{LAYOUT.graphs}/{{graph}}"


wildcard_constraints:
    array="|".join(map(re.escape, CONFIG.arrays)) or "(?!)",
    graph="|".join(map(re.escape, CONFIG.graphs)) or "(?!)",


def stage_version(module):
    """The version of what a module of stores makes; imported when a run asks for it."""
    from importlib import import_module

    return import_module(f"ifcb_abundance.stores.{module}").VERSION


def named(section, pattern):
    """The files of all entries of a section; refuses a section without any."""

    def files(wildcards):
        if not getattr(CONFIG, section):
            raise ConfigError(f"{section}: {{}} (empty). Set at least one: docs/how-to/arrays.md has examples")
        return meet_run() + [pattern.format(**{section[:-1]: name}) for name in sorted(getattr(CONFIG, section))]

    return files


def fetched_before(*paths):
    """The tables of stores that have to be fetched before these paths are there."""
    stores = [Path(os.path.relpath(path, LAYOUT.stores)).parts for path in paths if path and below_stores(path)]
    return [f"{LAYOUT.stores}/{parts[0]}/fetched.csv" for parts in stores if parts[0] in CONFIG.stores]


def below_stores(path):
    return "://" not in path and Path(os.path.abspath(path)).is_relative_to(os.path.abspath(LAYOUT.stores))


def stamps(*paths):
    """What tells files on disk apart; of fetched ones the table of their store does."""
    return [stamp(path) for path in paths if path and "://" not in path and not below_stores(path)]


def array_of(wildcards):
    return CONFIG.arrays[wildcards.array].model_dump()


def folders_of(wildcards):
    array = CONFIG.arrays[wildcards.array]
    return [folder for folder in (array.url, array.labels) if folder]


def metadata_of(wildcards):
    from ifcb_abundance.stores.metadata_files import files_on_disk

    return stamps(*(file for folder in folders_of(wildcards) for file in files_on_disk(folder)))


def graph_of(wildcards):
    graph = CONFIG.graphs[wildcards.graph].model_dump()
    on_failure = graph.pop("on_failure") or CONFIG.source.on_failure
    return graph | {"record_failures": on_failure == "record"}


def files_of_graph(wildcards):
    graph = CONFIG.graphs[wildcards.graph]
    return graph.nodes, graph.edges, graph.skeleton
