"""A class-scores file as a source hands it over."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ScoreFile:
    """The bytes of a `{bin}_class_scores.csv`, or of the `.h5` or `.mat` that a classifier wrote.

    address: where they were read. server: the server's version if it can be told.
    """

    address: str
    body: bytes
    server: str = ""
