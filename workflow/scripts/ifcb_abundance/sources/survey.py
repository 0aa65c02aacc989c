"""What there is at a place that has no config yet: each source answers `survey` with this."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from random import Random

LOOKED_AT = 3  # bins whose files are looked at


@dataclass(frozen=True)
class Survey:
    """What a source has.

    bins: how many there are. with_skipped: whether those flagged skip are among them. instruments: their numbers.
    first, last: UTC days. catalog: how bins are listed, as of `source.catalog`. score_files: how many class-scores
    files there are, by the format's name in the config; empty if only a request for each bin would tell. looked_at:
    a few bins to look at. features, raw: in words, which bins have them.
    """

    bins: int
    instruments: Sequence[int]
    first: date
    last: date
    catalog: str
    looked_at: Sequence[str]
    score_files: Mapping[str, int] = field(default_factory=dict)
    features: str = ""
    raw: str = ""
    with_skipped: bool = True


def pick(bins: Sequence[str], most: int = LOOKED_AT) -> list[str]:
    """Pick a few bins, the same ones each time, in the order in which they are asked for."""
    return Random(0).sample(sorted(bins), min(most, len(bins)))


def share(having: int, of: int) -> str:
    """In words, how many bins have something: `none of 12 bins`, `all 12 bins`, `3 of 12 bins`."""
    some = "none" if not having else f"{having:,}"
    return f"all {of:,} bins" if 0 < having == of else f"{some} of {of:,} bins"
