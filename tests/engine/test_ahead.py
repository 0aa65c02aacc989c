"""More bins are at work than requests under way, if the source counts its requests itself."""

from types import SimpleNamespace
from typing import Any

import pytest

from ifcb_abundance.engine.ahead import asks_server, read_ahead


class Workflow:
    """The parts of the engine's workflow that are read here."""

    is_main_process = True
    execution_settings = SimpleNamespace(use_threads=True)

    def __init__(self, cores: int | None = 8, dashboard: int | None = 8, nodes: int | None = None) -> None:
        given = {"_cores": cores, "dashboard": dashboard, "_nodes": nodes}
        self.global_resources = {name: SimpleNamespace(value=number) for name, number in given.items()}
        if dashboard is None:
            del self.global_resources["dashboard"]
        self.registered: dict[str, int] = {}

    def register_resource(self, name: str, value: int) -> None:
        self.registered[name] = value


class Source:
    most: int | None = None

    def __init__(self, over_network: bool = True) -> None:
        self.over_network = over_network

    def limit_requests(self, most: int) -> bool:
        self.most = most
        return self.over_network


@pytest.mark.parametrize(
    ("cores", "dashboard", "requests", "bins"),
    [(8, 8, 8, 12), (16, 8, 8, 12), (4, 8, 4, 6), (2, 8, 2, 3), (1, 8, 1, 1), (8, 3, 3, 7), (8, 1, 1, 5)],
)
def test_some_more_bins_than_requests(cores: int, dashboard: int, requests: int, bins: int) -> None:
    workflow, source = Workflow(cores, dashboard), Source()
    threads, resources = read_ahead(workflow, source)
    assert (threads, resources) == (0, {"reading": 1})
    assert (source.most, workflow.registered) == (requests, {"reading": bins})
    assert asks_server({**resources, "mem_mb": 100})
    assert bins <= cores + 5  # the engine has so many threads


class InAJob(Workflow):
    is_main_process = False


class InProcesses(Workflow):
    execution_settings = SimpleNamespace(use_threads=False)


class Otherwise(Workflow):
    """An engine whose method takes something else."""

    def register_resource(self, name: str) -> None:  # type: ignore[override]
        raise AssertionError(name)


@pytest.mark.parametrize(
    ("workflow", "over_network"),
    [
        (Workflow(), False),
        (Workflow(dashboard=None), True),
        (Workflow(dashboard=0), True),
        (Workflow(cores=None, nodes=3), True),
        (Workflow(nodes=3), True),
        (InAJob(), True),
        (InProcesses(), True),
        (Otherwise(), True),
    ],
)
def test_a_core_and_a_request_for_each_bin_otherwise(workflow: Any, over_network: bool) -> None:
    source = Source(over_network)
    assert read_ahead(workflow, source) == (1, {"dashboard": 1})
    assert not workflow.registered
    assert source.most is None or not over_network
    assert asks_server({"dashboard": 1})
    assert not asks_server({"_cores": 1, "mem_mb": 100})
