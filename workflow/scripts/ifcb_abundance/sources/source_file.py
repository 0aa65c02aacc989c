"""A file of a bin, as a source returns it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SourceFile:
    """The bytes of a product of a bin: its class scores (`.csv`, or the `.h5` or `.mat` of a classifier), its features.

    address: where they were read. server: the server's version, if it is known.
    """

    address: str
    body: bytes
    server: str = ""
