"""What all sources over a network have in common."""

from collections.abc import Collection
from typing import Any

from ifcb_abundance.bins.window import Window
from ifcb_abundance.sources.retry import Retrier


class NetworkSource:
    """A source of which no file is a local one, that the engine could look at.

    What was read stands until it is asked for again (`snakemake recheck`): to see whether it changed takes a request.
    """

    scores_identity: dict[str, Any]

    def scores_identity_of(self, bin_id: str) -> dict[str, Any]:  # noqa: ARG002
        """As of all bins."""
        return self.scores_identity

    def features_identity_of(self, bin_id: str) -> dict[str, Any]:  # noqa: ARG002
        """As of all bins."""
        return self.scores_identity

    def images_identity_of(self, bin_id: str) -> dict[str, Any]:  # noqa: ARG002
        """As of all bins."""
        return self.scores_identity

    def score_files(self, bins: Collection[str], window: Window) -> dict[str, Any] | None:  # noqa: ARG002
        """None: only requests would tell which class-scores files there are."""
        return None

    def score_files_identity(self) -> str | None:
        """None, likewise."""
        return None

    retrier: Retrier

    def given_up(self) -> str:
        """As Source.given_up."""
        return self.retrier.given_up

    def scores_files(self, bin_id: str) -> list[str]:  # noqa: ARG002
        """None: class scores come over the network."""
        return []

    def features_files(self, bin_id: str) -> list[str]:  # noqa: ARG002
        """None: features come over the network."""
        return []

    def image_files(self, bin_id: str) -> list[str]:  # noqa: ARG002
        """None: images come over the network."""
        return []
