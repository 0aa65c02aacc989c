"""Opens the source that the config describes."""

from collections.abc import Callable
from dataclasses import fields
from typing import TypeVar, cast

from ifcb_abundance.config import model
from ifcb_abundance.sources.bin_files import FileOptions
from ifcb_abundance.sources.bucket import BucketSource
from ifcb_abundance.sources.dashboard import DashboardSource
from ifcb_abundance.sources.directory import DirectorySource
from ifcb_abundance.sources.no_source import NoSource
from ifcb_abundance.sources.protocols import Source
from ifcb_abundance.sources.retry import RequestOptions

Options = TypeVar("Options", FileOptions, RequestOptions)


def _of(kind: type[Options], config: model.Source) -> Options:
    return kind(**{field.name: getattr(config, field.name) for field in fields(kind)})


KINDS: dict[str, Callable[[str, model.Source], Source]] = {
    "directory": lambda dataset, config: DirectorySource(str(config.path), _of(FileOptions, config)),  # noqa: ARG005
    "dashboard": lambda dataset, config: DashboardSource(
        dataset,
        str(config.url),
        config.catalog,
        config.scores_version,
        config.model,
        _of(RequestOptions, config),
    ),
    "bucket": lambda dataset, config: BucketSource(  # noqa: ARG005
        str(config.path),
        config.endpoint_url,
        config.anonymous,
        _of(FileOptions, config),
        _of(RequestOptions, config),
    ),
}


def request_options(config: model.Source) -> RequestOptions:
    """How requests are sent, by the config's `source`; stores are asked likewise."""
    return _of(RequestOptions, config)


def open_source(dataset: str, config: model.Source, why_none: str = "") -> Source:
    """Return the source that the config's `source` describes. Opens nothing yet.

    why_none: that it describes none, as a message. What is returned then refuses with it whatever it is asked.
    """
    if why_none:
        return cast(Source, NoSource(why_none))
    return KINDS[config.kind](dataset, config)
