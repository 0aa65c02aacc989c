"""Opens the source that the config describes."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, TypeVar

from ifcb_abundance.sources.bin_files import FileOptions
from ifcb_abundance.sources.bucket import BucketSource
from ifcb_abundance.sources.dashboard import DashboardSource
from ifcb_abundance.sources.directory import DirectorySource
from ifcb_abundance.sources.protocols import Source
from ifcb_abundance.sources.retry import RequestOptions

Options = TypeVar("Options", FileOptions, RequestOptions)


def _of(kind: type[Options], config: Mapping[str, Any]) -> Options:
    return kind(**{field.name: config[field.name] for field in fields(kind)})


KINDS: dict[str, Callable[[str, Mapping[str, Any]], Source]] = {
    "directory": lambda dataset, config: DirectorySource(config["path"], _of(FileOptions, config)),  # noqa: ARG005
    "dashboard": lambda dataset, config: DashboardSource(
        dataset,
        config["url"],
        config["catalog"],
        config["scores_version"],
        config["model"],
        _of(RequestOptions, config),
    ),
    "bucket": lambda dataset, config: BucketSource(  # noqa: ARG005
        config["path"],
        config["endpoint_url"],
        config["anonymous"],
        _of(FileOptions, config),
        _of(RequestOptions, config),
    ),
}


def open_source(dataset: str, options: Mapping[str, Any]) -> Source:
    """Return the source that the config's `source` describes, with all defaults. Opens nothing yet."""
    return KINDS[options["kind"]](dataset, options)
