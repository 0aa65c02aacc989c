"""Bins that are requested while others are parsed.

A job that reads a bin over a network waits for the server, then parses the answer. If there were no more jobs than
requests may be under way, the server would have nothing to do while they parse, and while the engine notes their end.
So the source itself counts the requests, and there are some more jobs.
"""

from typing import Any, Protocol

from ifcb_abundance.engine.patches import takes

RESOURCE = "reading"
MOST_AHEAD = 4  # jobs more than requests; each keeps a body in memory, and the engine has five threads more than cores


class CountsRequests(Protocol):
    """What is asked of a source here."""

    def limit_requests(self, most: int) -> bool:
        """See sources.protocols.Source."""


def read_ahead(workflow: Any, source: CountsRequests) -> tuple[int, dict[str, int]]:
    """Let some more bins be read at a time than requests are under way; return threads and resources of such a job.

    Requests stay limited by the resource `dashboard`, and by the number of cores. Nothing changes for local files, for
    jobs in processes of their own, or if the engine has no such resource: then a job takes a core and one of
    `dashboard`.
    """
    cores, requests, nodes = (_number(workflow, name) for name in ("_cores", "dashboard", "_nodes"))
    in_threads = getattr(workflow.execution_settings, "use_threads", False)  # there are no settings if nothing is run
    here = workflow.is_main_process and nodes is None and in_threads
    if not here or not cores or not requests:  # with none of `dashboard` the engine says what is wrong
        return 1, {"dashboard": 1}
    if not takes(getattr(workflow, "register_resource", None), "name", "value"):
        return 1, {"dashboard": 1}
    most = min(cores, requests)
    if not source.limit_requests(most):
        return 1, {"dashboard": 1}
    workflow.register_resource(RESOURCE, most + min(MOST_AHEAD, cores // 2))
    return 0, {RESOURCE: 1}


def _number(workflow: Any, resource: str) -> int | None:
    value = getattr(workflow.global_resources.get(resource), "value", None)
    return value if isinstance(value, int) else None


def asks_server(resources: dict[str, Any]) -> bool:
    """Whether a job with these resources asks the server of the source for something."""
    return "dashboard" in resources or RESOURCE in resources
