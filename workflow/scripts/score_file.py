"""A class-scores file as a source hands it over."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ScoreFile:
    """The bytes of a `{bin}_class_scores.csv`, where they were read, and the server's version if it can be told."""

    address: str
    body: bytes
    server: str = ""
