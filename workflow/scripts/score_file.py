"""A class-scores file as a source hands it over."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ScoreFile:
    """The bytes of a `{bin}_class_scores.csv` and where they were read."""

    address: str
    body: bytes
