"""Find hashes of 64 bits that differ in few of them, exactly and among millions.

The bits are cut into bands. Of two hashes that differ in at most d bits, some band differs in at most r of its bits, if
the numbers r + 1 of all bands add up to d + 1 (pigeonhole; M. Norouzi, A. Punjani, D. J. Fleet, Fast search in Hamming
space with multi-index hashing, CVPR 2012). So each band is looked up in a table, with up to r of its bits flipped.
Few hashes, or large distances, are compared one with each other instead.
"""

from collections.abc import Iterator
from functools import cache
from itertools import combinations
from math import comb
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

BITS = 64
AT_ONCE = 1 << 22  # pairs that are compared at a time
# Costs in ns, measured: of a comparison, of a look-up, of a comparison after one, of a call of numpy's functions.
COMPARED, LOOKED_UP, COMPARED_THEN, CALLED = 3.0, 6.0, 25.0, 60_000.0

Hashes = NDArray[np.uint64]


class Pairs(NamedTuple):
    """Pairs of hashes, sorted by query, then by known: their places in the two arrays, and the bits that differ."""

    query: NDArray[np.int64]
    known: NDArray[np.int64]
    distance: NDArray[np.uint8]


class Band(NamedTuple):
    """Some of the bits: `width` from `shift` on, of which up to `radius` are flipped."""

    shift: int
    width: int
    radius: int


class TooManyError(Exception):
    """There are more pairs than were allowed."""


def find_pairs(queries: Hashes, known: Hashes, distance: int, most: int) -> Pairs:
    """Find all pairs of a query and a known hash that differ in at most `distance` bits.

    Raises TooManyError, with little done, if there are more than about `most`.
    """
    bands = best_bands(len(queries), len(known), distance)
    of_bands = [_in_band(queries, known, band, distance, most) for band in bands]
    found = of_bands or [_one_by_one(queries, known, distance, most)]
    codes = np.concatenate([query * np.int64(len(known)) + other for query, other in found])
    codes = np.unique(codes)
    query, other = np.divmod(codes, np.int64(max(len(known), 1)))
    return Pairs(query, other, np.bitwise_count(queries[query] ^ known[other]))


@cache
def _layouts(distance: int) -> list[tuple[Band, ...]]:
    """The ways to cut the bits into bands, of about equal width; wider where more bits may be flipped."""
    layouts = []
    for n in range(1, min(distance + 1, 8) + 1):
        radii = [(distance + 1) // n - 1 + (i < (distance + 1) % n) for i in range(n)]
        bands, shift = [], 0
        for i, radius in enumerate(radii):
            width = (BITS - shift) // (n - i)
            bands.append(Band(shift, width, radius))
            shift += width
        if all(band.width <= 24 for band in bands):
            layouts.append(tuple(bands))
    return layouts


def best_bands(n_queries: int, n_known: int, distance: int) -> tuple[Band, ...]:
    """Choose the bands that cost least; none if to compare all with each other costs less."""
    best: tuple[Band, ...] = ()
    least = COMPARED * n_queries * n_known + CALLED
    for bands in _layouts(distance):
        cost = 0.0
        for band in bands:
            masks = sum(comb(band.width, flipped) for flipped in range(band.radius + 1))
            full = n_known / 2**band.width
            cost += masks * (n_queries * (LOOKED_UP + full * COMPARED_THEN) + CALLED) + n_known * 100 + 2**band.width
        if cost < least:
            best, least = bands, cost
    return best


def _masks(band: Band) -> Iterator[int]:
    for flipped in range(band.radius + 1):
        for bits in combinations(range(band.width), flipped):
            yield sum(1 << bit for bit in bits)


def _key(hashes: Hashes, band: Band) -> NDArray[np.int32]:
    return ((hashes >> np.uint64(band.shift)) & np.uint64((1 << band.width) - 1)).astype(np.int32)


def _in_band(
    queries: Hashes, known: Hashes, band: Band, distance: int, most: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    # Sorted by their key, so that neighbours in memory are looked up one after the other.
    keys = _key(known, band)
    order = np.argsort(keys, kind="stable")
    counts = np.bincount(keys, minlength=1 << band.width).astype(np.int32)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int32)
    is_full = counts > 0
    sorted_known = known[order]
    asked = _key(queries, band)
    order_asked = np.argsort(asked, kind="stable")
    asked, sorted_queries = asked[order_asked], queries[order_asked]
    found: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
    n_found = 0
    for mask in _masks(band):
        wanted = asked ^ np.int32(mask)
        hits = np.flatnonzero(is_full[wanted])
        if not len(hits):
            continue
        wanted = wanted[hits]
        for part in _parts(counts[wanted]):
            n, first = counts[wanted[part]], starts[wanted[part]]
            query = np.repeat(hits[part], n)
            place = np.arange(len(query)) + np.repeat(first - (np.cumsum(n) - n), n)
            near = np.flatnonzero(np.bitwise_count(sorted_queries[query] ^ sorted_known[place]) <= distance)
            if len(near):
                found.append((order_asked[query[near]], order[place[near]]))
                n_found += len(near)
                if n_found > most:
                    raise TooManyError
    return _joined(found)


def _parts(counts: NDArray[np.int32]) -> Iterator[slice]:
    """Slices of look-ups that give at most about AT_ONCE pairs each."""
    total = np.cumsum(counts, dtype=np.int64)
    start = 0
    while start < len(counts):
        before = total[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(total, before + AT_ONCE, side="right")))
        yield slice(start, stop)
        start = stop


def _one_by_one(
    queries: Hashes, known: Hashes, distance: int, most: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    found: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
    n_found = 0
    rows = max(1, AT_ONCE // max(1, len(known)))
    for start in range(0, len(queries), rows):
        near = np.bitwise_count(queries[start : start + rows, None] ^ known[None, :]) <= distance
        query, other = np.nonzero(near)
        found.append((query + start, other))
        n_found += len(query)
        if n_found > most:
            raise TooManyError
    return _joined(found)


def _joined(
    found: list[tuple[NDArray[np.int64], NDArray[np.int64]]],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    if not found:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    return np.concatenate([query for query, _ in found]), np.concatenate([other for _, other in found])
