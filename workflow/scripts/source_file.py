"""A file of a bin as a source hands it over."""

from dataclasses import dataclass

from patience import Patience


@dataclass(frozen=True)
class SourceFile:
    """The bytes of a product of a bin: its class scores (`.csv`, or the `.h5` or `.mat` of a classifier), its features.

    address: where they were read. server: the server's version if it can be told.
    """

    address: str
    body: bytes
    server: str = ""


class OverNetwork:
    """A source of which no file is a local one, that the engine could look at."""

    patience: Patience

    def given_up(self) -> str:
        """As Source.given_up."""
        return self.patience.given_up

    def scores_files(self, bin_id: str) -> list[str]:  # noqa: ARG002
        """None: class scores come over the network."""
        return []

    def features_files(self, bin_id: str) -> list[str]:  # noqa: ARG002
        """None: features come over the network."""
        return []

    def image_files(self, bin_id: str) -> list[str]:  # noqa: ARG002
        """None: images come over the network."""
        return []
