"""Deal units of images, each of which goes whole into one split, so that the splits get the fractions asked for.

The fractions of all images come first; then each class should be split alike. A unit is a row of counts, one for each
class. The result depends on the counts, the names and the seed alone, not on the order of the rows.
"""

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from itertools import product
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

VERSION = 1  # of how units are dealt: raise it so that a set is split anew
SPLITS = ("train", "val", "test")
TOLERANCE = 0.05  # by which a split's fraction may miss what was asked for
AIM = 0.02  # a deviation of this or less is as good as none; classes count instead
MOVES = 300  # at most, after all units are dealt
SEARCHED = 500  # units; more are so small that there is nothing to mend
EXCHANGED = 60  # units; of so many any two are exchanged
EVERY_WAY = 9  # units; with so few each of the 3^9 ways is tried

Item = TypeVar("Item")
Counts = npt.NDArray[np.integer]
Choice = npt.NDArray[np.intp]


def deal(counts: Counts, names: Sequence[str], fractions: Sequence[float], seed: int) -> Choice:
    """Return the split, 0 to 2, of each unit.

    counts: (units, classes) images. names: of the units. fractions: of train, val and test, which add up to 1.
    """
    wanted = np.array(fractions)
    by_seed = shuffled(range(len(names)), lambda unit: names[unit], seed)
    order = sorted(by_seed, key=lambda unit: -int(counts[unit].sum()))  # the largest first
    ordered = counts[order]
    dealt = _every_way(ordered, wanted) if len(order) <= EVERY_WAY else _one_by_one(ordered, wanted)
    if EVERY_WAY < len(order) <= SEARCHED:
        dealt = _mend(ordered, wanted, dealt)
    choice = np.empty(len(order), np.intp)
    choice[order] = dealt
    return choice


def shuffled(items: Iterable[Item], name: Callable[[Item], str], seed: int) -> list[Item]:
    """Return items in an order that their names and the seed decide."""
    return sorted(items, key=lambda item: sha256(f"{seed}/{name(item)}".encode()).digest())


def totals(counts: Counts, choice: Choice) -> Counts:
    """Return the images of each split and class: (3, classes)."""
    return np.stack([counts[choice == split].sum(axis=0) for split in range(len(SPLITS))])


def cost(held: npt.NDArray[np.float64], wanted: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return how far splits are from what was asked for. held: (..., 3, classes) images of each split and class."""
    of_class = held.sum(axis=-2, keepdims=True)
    n = np.maximum(of_class.sum(axis=-1), 1)
    missed = np.abs(held.sum(axis=-1) / n - wanted)
    unevenness = np.abs(held / np.maximum(of_class, 1) - wanted[:, None]).sum(axis=-2).mean(axis=-1)
    # A split without any image is of no use, so that is worst.
    empty = ((held.sum(axis=-1) == 0) & (wanted > TOLERANCE)).sum(axis=-1)
    total: npt.NDArray[np.float64] = (
        100 * np.maximum(missed - AIM, 0).max(axis=-1) + missed.sum(axis=-1) + unevenness + 1000 * empty
    )
    return total


def _every_way(counts: Counts, wanted: npt.NDArray[np.float64]) -> Choice:
    best, least = np.zeros(len(counts), np.intp), np.inf
    ways = np.array(list(product(range(3), repeat=len(counts))), np.intp).reshape(3 ** len(counts), -1)
    for some in np.array_split(ways, max(1, len(ways) // 1000)):
        held = np.stack([((some == split).astype(float) @ counts) for split in range(3)], axis=1)
        costs = cost(held, wanted).round(12)
        if len(costs) and costs.min() < least:
            best, least = some[costs.argmin()], float(costs.min())
    return best


def _one_by_one(counts: Counts, wanted: npt.NDArray[np.float64]) -> Choice:
    """Give each unit to the split that lacks most of what it holds. Units of one image are dealt class by class."""
    of_class = np.maximum(counts.sum(axis=0), 1)
    goal = wanted[:, None] * counts.sum(axis=0)
    n = max(int(counts.sum()), 1)
    held = np.zeros((3, counts.shape[1]))
    sums = np.zeros(3)
    dealt = np.zeros(len(counts), np.intp)

    def give(number: int) -> None:
        unit = counts[number]
        there, size = np.flatnonzero(unit), max(int(unit.sum()), 1)
        lacking = ((goal[:, there] - held[:, there]) / of_class[there] * unit[there]).sum(axis=1) / size
        over = np.maximum(sums + size - wanted * n, 0) / n
        dealt[number] = split = int(np.argmax((lacking - 10 * over).round(12)))
        held[split] += unit
        sums[split] += size

    sizes = counts.sum(axis=1)
    for number in np.flatnonzero(sizes != 1).tolist():
        give(number)
    singles = np.flatnonzero(sizes == 1)
    classes = counts[singles].argmax(axis=1)
    alone: list[int] = []
    for name in np.unique(classes):
        waiting = singles[classes == name]
        lacking = np.maximum(goal[:, name] - held[:, name], 0)
        shares = np.floor(len(waiting) * lacking / max(lacking.sum(), 1e-9) + 1e-9).astype(int)
        splits = np.repeat(range(3), shares)
        dealt[waiting[: len(splits)]] = splits
        held[:, name] += shares
        sums += shares
        alone += waiting[len(splits) :].tolist()
    for number in alone:
        give(number)
    return dealt


def _mend(counts: Counts, wanted: npt.NDArray[np.float64], dealt: Choice) -> Choice:
    """Move single units, or exchange two of them, as long as that makes things better."""
    dealt = dealt.copy()
    held = totals(counts, dealt).astype(float)
    least = float(cost(held, wanted))
    nothing = len(counts)  # the unit that a unit is exchanged with when it is only moved
    padded = np.vstack([counts, np.zeros_like(counts[:1])])
    for _ in range(MOVES):
        unit, split, other = _changes(dealt, nothing)
        rows = np.arange(len(unit))
        changed = np.repeat(held[None], len(unit), axis=0)
        difference = padded[unit] - padded[other]
        changed[rows, dealt[unit]] -= difference
        changed[rows, split] += difference
        costs = cost(changed, wanted).round(12)
        best = int(costs.argmin())
        if costs[best] > least - 1e-9:
            break
        if other[best] != nothing:
            dealt[other[best]] = dealt[unit[best]]
        dealt[unit[best]] = split[best]
        held, least = changed[best], float(costs[best])
    return dealt


def _changes(dealt: Choice, nothing: int) -> tuple[Choice, Choice, Choice]:
    """List what can be done: a unit, the split that it goes to, and the unit that comes back for it, if any."""
    unit, split = (each.ravel() for each in np.indices((len(dealt), len(SPLITS))))
    other = np.full(len(unit), nothing)
    if len(dealt) <= EXCHANGED:
        first, second = np.triu_indices(len(dealt), 1)
        unit, other = np.concatenate([unit, first]), np.concatenate([other, second])
        split = np.concatenate([split, dealt[second]])
    useful = dealt[unit] != split
    return unit[useful], split[useful], other[useful]


def missed_fractions(split: "pd.Series[str]", fractions: Sequence[float]) -> dict[str, tuple[float, float]]:
    """Return the splits that miss their fraction by more than TOLERANCE: what they have, and what was asked for.

    split: of each image; empty for those that are in none.
    """
    there = split[split != ""].value_counts(normalize=True)
    has = {name: float(there.get(name, 0)) for name in SPLITS}
    return {
        name: (has[name], wanted)
        for name, wanted in zip(SPLITS, fractions, strict=True)
        if abs(has[name] - wanted) > TOLERANCE
    }
