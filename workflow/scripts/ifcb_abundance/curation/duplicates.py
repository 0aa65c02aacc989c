"""Group patches that show the same thing, and keep the first of each group.

The order is that of the sha256 of `{seed}/{patch}`, so it does not depend on where a patch comes from. A patch is kept
unless an earlier kept one is near by its hash and, if that is asked for, confirmed by its pixels; the first such one is
its exemplar.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ifcb_abundance.common.progress import Progress
from ifcb_abundance.common.words import counted
from ifcb_abundance.curation.hashes import as_numbers
from ifcb_abundance.curation.likeness import Likeness
from ifcb_abundance.curation.neighbours import Hashes, Pairs, TooManyError, find_pairs
from ifcb_abundance.curation.patch_images import PLACE, PatchImages, zip_paths
from ifcb_abundance.tables import table_files

log = logging.getLogger("ifcb.curation")

FIRST, LARGEST = 1 << 12, 1 << 17  # patches that are looked at together: few at first, since most are then kept
MOST_PAIRS = 1 << 24  # that are in memory at a time

VERSION = 2  # of how duplicates are found: raise it so that they are looked for again
DIGITS = 6  # of a correlation; beyond them processors may differ

Step = Callable[[int], None]


class Confirms(Protocol):
    """Tells whether pictures are alike, beyond their hashes."""

    def first(self, query: int, kept: NDArray[np.int64]) -> tuple[int, float] | None:
        """The place of the first of `kept` that `query` is like, and their correlation; None if there is none."""


class Grouping:
    """What became of each patch, in the order that was asked about.

    exemplar: the place of the kept patch that it is a copy of; -1 for a kept one. distance: the bits in which the two
    differ. correlation: NaN without confirmation.
    """

    def __init__(self, n: int) -> None:
        self.exemplar = np.full(n, -1, np.int64)
        self.distance = np.zeros(n, np.uint8)
        self.correlation = np.full(n, np.nan)

    @property
    def kept(self) -> NDArray[np.bool_]:
        """Which patches are kept."""
        return self.exemplar < 0

    def drop(self, patch: int, exemplar: int, distance: int, correlation: float = np.nan) -> None:
        """Note that a patch is a copy of a kept one."""
        self.exemplar[patch], self.distance[patch], self.correlation[patch] = exemplar, distance, correlation


def keep_order(names: Sequence[str], seed: int) -> NDArray[np.int64]:
    """The order in which patches are looked at, as places in `names`: by the sha256 of `{seed}/{name}`."""
    digests = np.array([sha256(f"{seed}/{name}".encode()).digest() for name in names], dtype="S32")
    # A digest may end with a zero byte, which numpy drops, and no order is changed by that.
    return np.argsort(digests, kind="stable")


def group_hashes(hashes: Hashes, distance: int, confirms: Confirms | None = None, step: Step | None = None) -> Grouping:
    """Group hashes that are in their order. confirms: asked for each pair that is near; without it the hash decides.

    step: called with the number of hashes that were looked at since it was called last.
    """
    if confirms is not None:
        return _grouped(hashes, distance, confirms, step)
    # Equal hashes share their fate.
    unique, first, inverse = np.unique(hashes, return_index=True, return_inverse=True)
    in_order = np.argsort(first, kind="stable")
    found = _grouped(unique[in_order], distance, None, step)
    place = np.empty_like(in_order)
    place[in_order] = np.arange(len(in_order))
    own = place[inverse]
    grouping = Grouping(len(hashes))
    exemplar = np.where(found.kept[own], own, found.exemplar[own])
    grouping.exemplar = first[in_order][exemplar]
    grouping.exemplar[first[in_order][found.kept]] = -1
    grouping.distance = found.distance[own]
    return grouping


def _grouped(hashes: Hashes, distance: int, confirms: Confirms | None, step: Step | None) -> Grouping:
    grouping = Grouping(len(hashes))
    kept = np.empty(0, np.int64)
    start, size = 0, FIRST
    while start < len(hashes):
        stop = min(start + size, len(hashes))
        try:
            kept = np.concatenate([kept, _group_some(hashes, start, stop, kept, distance, confirms, grouping)])
        except TooManyError:
            if size > 1:
                size //= 2
                continue
            raise
        if step:
            step(stop - start)
        start, size = stop, min(size * 2, LARGEST)
    return grouping


def _group_some(
    hashes: Hashes,
    start: int,
    stop: int,
    kept: NDArray[np.int64],
    distance: int,
    confirms: Confirms | None,
    grouping: Grouping,
) -> NDArray[np.int64]:
    """Group the hashes from `start` to `stop`; `kept` are the earlier ones. Returns which of them are kept."""
    some = hashes[start:stop]
    most = MOST_PAIRS if stop - start > 1 else len(hashes)
    _drop(find_pairs(some, hashes[kept], distance, most), start, kept, confirms, grouping)
    left = start + np.flatnonzero(grouping.exemplar[start:stop] < 0)
    pairs = find_pairs(hashes[left], hashes[left], distance, most)
    earlier = pairs.known < pairs.query
    pairs = Pairs(pairs.query[earlier], pairs.known[earlier], pairs.distance[earlier])
    for query, others, distances in _by_query(pairs):
        still = grouping.exemplar[left[others]] < 0
        _drop_one(int(left[query]), left[others[still]], distances[still], confirms, grouping)
    return left[grouping.exemplar[left] < 0]


def _drop(pairs: Pairs, start: int, kept: NDArray[np.int64], confirms: Confirms | None, grouping: Grouping) -> None:
    """Drop what is a copy of one that was kept before."""
    if confirms is None:
        queries, first = np.unique(pairs.query, return_index=True)
        grouping.exemplar[start + queries] = kept[pairs.known[first]]
        grouping.distance[start + queries] = pairs.distance[first]
        return
    for query, others, distances in _by_query(pairs):
        _drop_one(start + query, kept[others], distances, confirms, grouping)


def _drop_one(
    patch: int,
    kept: NDArray[np.int64],
    distances: NDArray[np.uint8],
    confirms: Confirms | None,
    grouping: Grouping,
) -> None:
    if not len(kept):
        return
    if confirms is None:
        grouping.drop(patch, int(kept[0]), int(distances[0]))
    elif (found := confirms.first(patch, kept)) is not None:
        exemplar, correlation = found
        grouping.drop(patch, exemplar, int(distances[np.searchsorted(kept, exemplar)]), correlation)


def _by_query(pairs: Pairs) -> "list[tuple[int, NDArray[np.int64], NDArray[np.uint8]]]":
    """The pairs of each query: the query, the places of what it is near to, and the distances."""
    queries, first = np.unique(pairs.query, return_index=True)
    ends = np.append(first, len(pairs.query))[1:].tolist()
    return [
        (query, pairs.known[a:b], pairs.distance[a:b])
        for query, a, b in zip(queries.tolist(), first.tolist(), ends, strict=True)
    ]


# --- the table ---


@dataclass(frozen=True)
class DuplicateRule:
    """When a patch is a copy of another: what the config says under `key`.

    distance: bits of the hashes that may differ. confirm: the least correlation; None if the hash decides. within:
    `all`, or `group` if only patches of one group are compared. seed: of the order.
    """

    distance: int
    confirm: float | None
    within: str
    seed: int
    key: str = "curation.duplicates"


def group_duplicates(patches: str | Path, clean: str | Path, rule: DuplicateRule, path: str | Path) -> None:
    """Write the table `duplicates`. patches: the table of that name. clean: the folder of the cleaned images."""
    columns = [*PLACE, "width", "height", "hash"]
    table = table_files.read("patches", patches, columns)
    names = list(table["patch"])
    order = keep_order(names, rule.seed)
    grouping = Grouping(len(table))
    progress = Progress("patches compared", lambda: (len(table),) * 2)
    progress.begin()
    codes = pd.factorize(table["group"])[0][order] if rule.within == "group" else np.zeros(len(table), np.int64)
    in_groups = np.argsort(codes, kind="stable")
    bounds = np.flatnonzero(np.diff(codes[in_groups])) + 1
    with PatchImages(table, zip_paths(clean, table["group"])) as images:
        for part in np.split(in_groups, bounds):
            places = order[part]  # of patches of a group, or of all, in their order
            rows = table.iloc[places]
            confirms = None
            if rule.confirm is not None:
                sizes = rows["height"].to_numpy("int64"), rows["width"].to_numpy("int64")
                confirms = Likeness(partial(_pixels, images, places), *sizes, rule.confirm)
            found = group_hashes(as_numbers(rows["hash"]), rule.distance, confirms, progress.step)
            grouping.distance[places], grouping.correlation[places] = found.distance, found.correlation
            grouping.exemplar[places] = np.where(found.kept, -1, places[found.exemplar])
    _write(table, names, grouping, path)
    dropped = int((~grouping.kept).sum())
    log.info(f"{rule.key}: {dropped:,} of {counted(len(table), 'patch')} are copies of another")


def _pixels(images: PatchImages, places: NDArray[np.int64], i: int) -> NDArray[np.uint8]:
    return images.pixels(int(places[i]))


def _write(table: pd.DataFrame, names: Sequence[str], grouping: Grouping, path: str | Path) -> None:
    kept = grouping.kept
    rows = pd.DataFrame(
        {
            "patch": table["patch"],
            "group": table["group"],
            "kept": kept.astype("int64"),
            "exemplar": pd.Series(["" if e < 0 else names[e] for e in map(int, grouping.exemplar)], dtype="str"),
            "distance": pd.array(np.where(kept, 0, grouping.distance), dtype="Int64"),
            "correlation": np.round(grouping.correlation, DIGITS),
        }
    )
    rows.loc[kept, "distance"] = pd.NA
    table_files.write(rows, "duplicates", path)
