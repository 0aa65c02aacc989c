"""What the workflow asks of a source of bins, in small protocols. They do not know which kinds of source there are.

`..._identity` is what is read, without how it is asked for. `..._identity_of` adds the bin's own files; when it
changes, what was made of the bin is made again. Both are plain lists, texts and numbers, which the engine compares.
"""

from collections.abc import Collection
from contextlib import AbstractContextManager
from typing import Any, Protocol

import pandas as pd

from ifcb_abundance.bins.window import Window
from ifcb_abundance.common.precision import Precision
from ifcb_abundance.raw.blobs import Blobs
from ifcb_abundance.raw.header import Header
from ifcb_abundance.raw.images import RawImages
from ifcb_abundance.raw.triggers import TriggerTable
from ifcb_abundance.sources.source_file import SourceFile
from ifcb_abundance.sources.survey import Survey


class BinCatalog(Protocol):
    """The list of bins."""

    catalog_identity: dict[str, Any]

    def catalog_files(self) -> list[str]:
        """The local files that the list of bins is read from; none if it comes over the network."""

    def list_bins(self, window: Window, at_once: int = 4) -> pd.DataFrame:
        """List all bins that may lie in the window, as rows of `metadata_export.read_export`.

        at_once: the most files that are read, or requests that are sent, at a time.
        """


class ScoreReader(Protocol):
    """The class scores of bins.

    score_precision: the precision in which the source stores or prints them, which is what `auto` stands for.
    named_form: the form of class scores that the config names, where `scores_identity` does not tell it; else empty.
    """

    named_form: str

    @property
    def scores_identity(self) -> dict[str, Any]:
        """What is read, whatever the bin."""

    @property
    def score_precision(self) -> Precision:
        """As above."""

    @property
    def scores_format(self) -> str:
        """The form of the class scores, a key of `score_files.STORED_AS`, or `auto` where only requests would tell."""

    def some_scores(self, most: int) -> list[tuple[str, SourceFile]] | None:
        """A few bins with their class scores, from the first to the last; None if it takes requests to know them."""

    def scores_files(self, bin_id: str) -> list[str]:
        """The local files with this bin's class scores; none if they come over the network."""

    def scores_identity_of(self, bin_id: str) -> dict[str, Any]:
        """`scores_identity`; with local files also the path, size and time of each, as `files`."""

    def read_scores(self, bin_id: str) -> SourceFile | None:
        """Read the bin's class scores as they are stored; None if the source says that it has none."""

    def missing_reason(self, bin_id: str) -> str:
        """What it means that `read_scores` returns None, for the ledger."""

    def scores_instead(self, bins: Collection[str]) -> str:
        """What the source has instead if none of these bins has scores, for a message. May take requests."""

    def score_files(self, bins: Collection[str], window: Window) -> dict[str, Any] | None:
        """Count the class-scores files as `DirectorySource.score_files` does; None if that takes requests.

        bins: those of the catalog.
        """

    def score_files_identity(self) -> str | None:
        """A checksum of the list of class-scores files; None if that takes requests."""

    def would_tell(self, bin_id: str, told: str) -> bool:
        """Whether a summary with this address or reason need not be read again."""


class FeatureReader(Protocol):
    """The features of bins."""

    def features_files(self, bin_id: str) -> list[str]:
        """The local files with this bin's features; none if they come over the network."""

    def features_identity_of(self, bin_id: str) -> dict[str, Any]:
        """`scores_identity`; with local files also those of `features_files`."""

    def read_features(self, bin_id: str) -> SourceFile | None:
        """Read the bin's features as they are stored; None if the source has none. Raises FeaturesError."""


class ImageReader(Protocol):
    """The images of bins."""

    def image_files(self, bin_id: str) -> list[str]:
        """The local files with this bin's images; none if they come over the network."""

    def images_identity_of(self, bin_id: str) -> dict[str, Any]:
        """`scores_identity`; with local files also those of `image_files`."""

    def may_have_images(self, bin_id: str) -> bool:
        """False if the source is known to lack raw files of the bin. Makes no request for the bin."""

    def blobs_files(self, bin_id: str) -> list[str]:
        """The local files with this bin's blobs; none if they come over the network."""

    def read_blobs(self, bin_id: str) -> Blobs | None:
        """Open the bin's blobs of the highest version; None if the source has none. Raises RawFileError."""

    def read_raw(self, bin_id: str) -> tuple[Header | None, TriggerTable | None]:
        """Read header and triggers of a bin; None for what the source lacks. Raises RawFileError."""

    def open_images(self, bin_id: str) -> AbstractContextManager[RawImages | None]:
        """Open the bin's images, to read any of them; None if the source lacks its raw files. Raises RawFileError."""


class Source(BinCatalog, ScoreReader, FeatureReader, ImageReader, Protocol):
    """A source that answers all of these questions.

    same_for_all_bins: each `..._identity_of` is `scores_identity`, whatever the bin. A run of many bins asks once then.
    """

    same_for_all_bins: bool

    def survey(self) -> Survey:
        """Look what there is, for whoever has no config yet. Raises NoBinsError if there is no bin."""

    def given_up(self) -> str:
        """Why this process asks the server for nothing more; empty as long as it does, or if there is no server."""
