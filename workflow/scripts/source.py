"""Where bins come from. Every source answers the same questions: which bins, and what is there of this bin?"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

import pandas as pd

from archive import Archive
from bucket import Bucket
from dashboard import Dashboard
from raw_images import RawImages
from source_file import SourceFile
from window import Window


class Source(Protocol):
    """What the workflow knows of a source. `..._identity` says what is read, not how patiently."""

    catalog_identity: dict[str, Any]
    scores_identity: dict[str, Any]

    def catalog_files(self) -> list[str]:
        """The local files that the list of bins is read from, none if it comes over the network."""

    def scores_files(self, bin_id: str) -> list[str]:
        """The local files with this bin's class scores, none if they come over the network."""

    def features_files(self, bin_id: str) -> list[str]:
        """The local files with this bin's features, none if they come over the network."""

    def image_files(self, bin_id: str) -> list[str]:
        """The local files with this bin's images, none if they come over the network."""

    def may_have_images(self, bin_id: str) -> bool:
        """Whether it is not known that the source has no raw files of the bin; asks for no bin."""

    def list_bins(self, window: Window) -> pd.DataFrame:
        """All bins that may lie in the window, as rows of `metadata_export.read_export`."""

    def read_scores(self, bin_id: str) -> SourceFile | None:
        """The bin's class scores as they are stored, None if the source says that it has none."""

    def read_features(self, bin_id: str) -> SourceFile | None:
        """The bin's features as they are stored, None if the source has none. Raises FeaturesError."""

    def open_images(self, bin_id: str) -> AbstractContextManager[RawImages | None]:
        """The bin's images, to read any of them; None if the source has no raw files of it. Raises RawFileError."""

    def missing_reason(self, bin_id: str) -> str:
        """What `read_scores` returning None means, for the ledger."""

    def would_tell(self, bin_id: str, told: str) -> bool:
        """Whether a summary on which this stands as address or reason need not be read again."""


KINDS: dict[str, Callable[[str, Mapping[str, Any]], Source]] = {
    "directory": lambda dataset, options: Archive(  # noqa: ARG005
        options["path"], options["catalog"], options["scores_format"], options["deployments"]
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
