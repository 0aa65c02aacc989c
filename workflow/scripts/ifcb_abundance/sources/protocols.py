"""What the workflow asks of a source of bins, in small parts; which kinds of source there are is not known here.

`..._identity` says what is read, not how patiently. `..._identity_of` a bin says so of the bin's own files too: what is
made of them is made anew when it changes. Both are plain lists, texts and numbers.
"""

from collections.abc import Collection
from contextlib import AbstractContextManager
from typing import Any, Protocol

import pandas as pd

from ifcb_abundance.bins.window import Window
from ifcb_abundance.common.precision import Precision
from ifcb_abundance.raw.images import RawImages
from ifcb_abundance.sources.source_file import SourceFile


class BinCatalog(Protocol):
    """The list of bins."""

    catalog_identity: dict[str, Any]

    def catalog_files(self) -> list[str]:
        """The local files that the list of bins is read from, none if it comes over the network."""

    def list_bins(self, window: Window) -> pd.DataFrame:
        """All bins that may lie in the window, as rows of `metadata_export.read_export`."""


class ScoreReader(Protocol):
    """The class scores of bins.

    `score_precision` is the precision in which the source stores or prints them: what `auto` stands for.
    """

    scores_identity: dict[str, Any]
    score_precision: Precision

    def scores_files(self, bin_id: str) -> list[str]:
        """The local files with this bin's class scores, none if they come over the network."""

    def scores_identity_of(self, bin_id: str) -> dict[str, Any]:
        """`scores_identity`, and under `files` path, size and time of each of `scores_files`, if there can be any."""

    def read_scores(self, bin_id: str) -> SourceFile | None:
        """The bin's class scores as they are stored, None if the source says that it has none."""

    def missing_reason(self, bin_id: str) -> str:
        """What `read_scores` returning None means, for the ledger."""

    def scores_instead(self, bins: Collection[str]) -> str:
        """What there is instead, where none of these bins has scores: for a message. May take requests."""

    def score_files(self, bins: Collection[str], window: Window) -> dict[str, Any] | None:
        """How many class-scores files there are, as `DirectorySource.score_files`; None where that takes requests.

        bins: those of the catalog.
        """

    def score_files_identity(self) -> str | None:
        """A checksum of which class-scores files there are; None where that takes requests."""

    def would_tell(self, bin_id: str, told: str) -> bool:
        """Whether a summary on which this stands as address or reason need not be read again."""


class FeatureReader(Protocol):
    """The features of bins."""

    def features_files(self, bin_id: str) -> list[str]:
        """The local files with this bin's features, none if they come over the network."""

    def features_identity_of(self, bin_id: str) -> dict[str, Any]:
        """`scores_identity`, and likewise of `features_files`."""

    def read_features(self, bin_id: str) -> SourceFile | None:
        """The bin's features as they are stored, None if the source has none. Raises FeaturesError."""


class ImageReader(Protocol):
    """The images of bins."""

    def image_files(self, bin_id: str) -> list[str]:
        """The local files with this bin's images, none if they come over the network."""

    def images_identity_of(self, bin_id: str) -> dict[str, Any]:
        """`scores_identity`, and likewise of `image_files`."""

    def may_have_images(self, bin_id: str) -> bool:
        """Whether it is not known that the source lacks raw files of the bin; asks for no bin."""

    def open_images(self, bin_id: str) -> AbstractContextManager[RawImages | None]:
        """The bin's images, to read any of them; None if the source has no raw files of it. Raises RawFileError."""


class Source(BinCatalog, ScoreReader, FeatureReader, ImageReader, Protocol):
    """A source that answers all of it."""

    def given_up(self) -> str:
        """Why nothing more is asked of the server in this process; empty as long as it is asked, or there is none."""
