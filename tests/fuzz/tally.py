"""Count how many different inputs each engine gave each parser, and their outcomes; print it at the end of a run."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

ENGINES = ("seeded", "explored", "guided")
_CHECKED: dict[tuple[str, str], NDArray[np.uint64]] = {}


def add(name: str, engine: str, digests: Iterable[NDArray[np.uint64]]) -> int:
    """Count inputs that were checked and found right, each once however often it was given; returns how many."""
    given = np.unique(np.concatenate([*digests, *(v for k, v in _CHECKED.items() if k == (name, engine))]))
    for (other, other_engine), counted in _CHECKED.items():
        if other == name and other_engine != engine:
            given = np.setdiff1d(given, counted, assume_unique=True)
    _CHECKED[name, engine] = given
    return len(given)


def total(*engines: str) -> int:
    """Different inputs by these engines, over all parsers."""
    return sum(len(counted) for (_, engine), counted in _CHECKED.items() if engine in engines)


def lines() -> list[str]:
    """A table of the counts."""
    if not _CHECKED:
        return []
    names = list(dict.fromkeys(name for name, _ in _CHECKED))
    nothing = np.empty(0, np.uint64)
    table = [("different inputs to", *ENGINES, "in all", "taken", "refused")]
    for name in [*names, "all parsers"]:
        of = [[_CHECKED.get((n, e), nothing) for n in names if name in (n, "all parsers")] for e in ENGINES]
        counts = [sum(map(len, found)) for found in of]
        taken = sum(int((v & np.uint64(1)).sum()) for found in of for v in found)
        table.append((name, *(f"{n:,}" for n in (*counts, sum(counts), taken, sum(counts) - taken))))
    return [f"{row[0]:<20}" + "".join(f"{cell:>11}" for cell in row[1:]) for row in table]
