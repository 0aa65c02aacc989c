"""Which kinds of source there are, and how the config describes them."""

from collections.abc import Callable, Mapping
from typing import Any

from ifcb_abundance.sources.bucket import Bucket
from ifcb_abundance.sources.dashboard import Dashboard
from ifcb_abundance.sources.directory import Archive
from ifcb_abundance.sources.protocols import Source

KINDS: dict[str, Callable[[str, Mapping[str, Any]], Source]] = {
    "directory": lambda dataset, options: Archive(  # noqa: ARG005
        options["path"],
        options["catalog"],
        options["scores_format"],
        options["deployments"],
        options["fast_runs"],
    ),
    "dashboard": lambda dataset, options: Dashboard(
        dataset,
        options["url"],
        catalog=options["catalog"],
        scores_version=options["scores_version"],
        model=options["model"],
        timeout=options["timeout"],
        retries=options["retries"],
        backoff=options["backoff"],
        max_body_mb=options["max_body_mb"],
        max_requests_per_second=options["max_requests_per_second"],
    ),
    "bucket": lambda dataset, options: Bucket(  # noqa: ARG005
        options["path"],
        options["endpoint_url"],
        options["anonymous"],
        catalog=options["catalog"],
        scores_format=options["scores_format"],
        deployments=options["deployments"],
        fast_runs=options["fast_runs"],
        timeout=options["timeout"],
        retries=options["retries"],
        backoff=options["backoff"],
        max_body_mb=options["max_body_mb"],
        max_requests_per_second=options["max_requests_per_second"],
    ),
}


def open_source(dataset: str, options: Mapping[str, Any]) -> Source:
    """The source that the options (the config's `source`) describe. Opens nothing yet."""
    return KINDS[options["kind"]](dataset, options)
