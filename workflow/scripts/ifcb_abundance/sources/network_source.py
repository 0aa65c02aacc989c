"""What all sources over a network answer alike."""

from collections.abc import Collection
from typing import Any

from ifcb_abundance.bins.window import Window
from ifcb_abundance.sources.retry import Retrier
from ifcb_abundance.sources.source_file import SourceFile


class NetworkSource:
    """A source without local files that the engine could look at.

    What was read stays as it is until `snakemake recheck`: only a request would tell whether it changed.
    """

    scores_identity: dict[str, Any]
    same_for_all_bins = True
    named_form = ""

    def scores_identity_of(self, bin_id: str) -> dict[str, Any]:  # noqa: ARG002
        """The same for all bins."""
        return self.scores_identity

    def features_identity_of(self, bin_id: str) -> dict[str, Any]:  # noqa: ARG002
        """The same for all bins."""
        return self.scores_identity

    def images_identity_of(self, bin_id: str) -> dict[str, Any]:  # noqa: ARG002
        """The same for all bins."""
        return self.scores_identity

    def score_files(self, bins: Collection[str], window: Window) -> dict[str, Any] | None:  # noqa: ARG002
        """None: it would take requests to know which class-scores files there are."""
        return None

    def some_scores(self, most: int) -> list[tuple[str, SourceFile]] | None:  # noqa: ARG002
        """None, for the same reason."""
        return None

    def score_files_identity(self) -> str | None:
        """None, for the same reason."""
        return None

    retrier: Retrier

    def given_up(self) -> str:
        """Why the server is not asked any more; empty as long as it is. See Source.given_up."""
        return self.retrier.given_up

    def scores_files(self, bin_id: str) -> list[str]:  # noqa: ARG002
        """None: class scores come over the network."""
        return []

    def features_files(self, bin_id: str) -> list[str]:  # noqa: ARG002
        """None: features come over the network."""
        return []

    def blobs_files(self, bin_id: str) -> list[str]:  # noqa: ARG002
        """None: blobs come over the network."""
        return []

    def image_files(self, bin_id: str) -> list[str]:  # noqa: ARG002
        """None: images come over the network."""
        return []
