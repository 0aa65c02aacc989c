"""Tell by their pixels whether two pictures show the same thing.

Two pictures are like each other if their widths and heights differ by a quarter at most and they correlate (Pearson),
in one of two ways, at the best of several small shifts: scaled to one square, which finds the same thing larger or
smaller; or, where that nearly suffices, unscaled, both made smaller by one whole number, which finds it in another box.
Both are looked at in about 24 x 24 cells: averages over cells leave little of the noise, which otherwise keeps faint
pictures apart.

Thousands of pictures may share a hash, as empty ones do. What is certainly not alike among them is told for all at
once: by 8 x 8 cells without shifts, and then by the squares.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 24  # cells
COARSE = 8
LARGEST_RATIO = 1.25  # of widths, and of heights
COARSE_LEAST = 0.6  # correlation of COARSE x COARSE cells; copies of any kind have more
CLOSE = 0.85  # a least correlation from which on COARSE_LEAST holds; what correlates less may differ in any cell
NEARLY = 0.06  # below the least correlation: from there on the second way is tried
SHIFT = 1  # cells, to all sides of the place where the centres, or two corners, meet
OVERLAP = 0.75  # of the smaller width and height that the other picture covers at least
FEW, BLOCK = 4, 4096  # pictures that are compared one by one, and at a time
ROUNDING = 0.002  # that the quick way to compare may be off
AT_HAND = 50_000  # pictures in memory, of some 3 kB

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture in few cells. square: SIDE x SIDE. coarse: COARSE x COARSE, of mean 0 and length 1, or all 0.

    reduced: the picture made smaller by each whole number that may be needed.
    """

    height: int
    width: int
    square: Floats
    coarse: Floats
    reduced: dict[int, Floats]

    @classmethod
    def of(cls, pixels: Pixels) -> "Picture":
        """Look at (height, width) pixels."""
        height, width = pixels.shape
        image = Image.fromarray(pixels)
        as_floats = Image.fromarray(pixels.astype(np.float32))
        coarse = np.asarray(as_floats.resize((COARSE, COARSE), Image.Resampling.BOX)).ravel()
        coarse = coarse - coarse.mean()
        length = float(np.sqrt(coarse @ coarse))
        factors = range(_factor(height, width), _factor(LARGEST_RATIO * height, LARGEST_RATIO * width) + 1)
        return cls(
            height,
            width,
            np.asarray(as_floats.resize((SIDE, SIDE), Image.Resampling.BOX)),
            coarse / length if length > 1e-3 else np.zeros_like(coarse),
            {factor: np.asarray(image.reduce(factor), np.float32) for factor in factors},
        )


def _factor(height: float, width: float) -> int:
    return max(1, int(-(-max(height, width) // SIDE)))


def correlate(one: Picture, other: Picture, least: float) -> float:
    """The best correlation of two pictures of like size, from -1 to 1. Two that have no contrast at all have 1.

    least: the correlation that is asked for; the second way is tried only if the first nearly gives it.
    """
    scaled = _best(one.square, other.square)
    if scaled >= least or scaled < least - NEARLY:
        return scaled
    factor = _factor(max(one.height, other.height), max(one.width, other.width))
    return max(scaled, _best(one.reduced[factor], other.reduced[factor]))


def of_like_size(one: Picture, other: Picture) -> bool:
    """Tell whether widths and heights differ by a quarter at most."""
    return all(
        max(sizes) <= LARGEST_RATIO * min(sizes) for sizes in ((one.height, other.height), (one.width, other.width))
    )


def _best(one: Floats, other: Floats) -> float:
    """The best correlation over the shifts at which the pictures overlap."""
    best = -1.0
    least_y = OVERLAP * min(one.shape[0], other.shape[0])
    least_x = OVERLAP * min(one.shape[1], other.shape[1])
    for y in _shifts(one.shape[0], other.shape[0]):
        top, bottom = max(0, y), min(one.shape[0], other.shape[0] + y)
        if bottom - top < least_y:
            continue
        for x in _shifts(one.shape[1], other.shape[1]):
            left, right = max(0, x), min(one.shape[1], other.shape[1] + x)
            if right - left >= least_x:
                part = other[top - y : bottom - y, left - x : right - x]
                best = max(best, _pearson(one[top:bottom, left:right], part))
    return best


def _shifts(one: int, other: int) -> range:
    """The shifts of the other picture along an axis, in cells."""
    return range(min(0, one - other) - SHIFT, max(0, one - other) + SHIFT + 1)


SHIFTS = [(y, x) for y in range(-SHIFT, SHIFT + 1) for x in range(-SHIFT, SHIFT + 1)]


def _moved(square: Floats, y: int, x: int) -> Floats:
    """A square that is moved down by y and right by x; 0 where it leaves nothing."""
    moved = np.zeros_like(square)
    rows, columns = (slice(max(0, by), SIDE + min(0, by)) for by in (y, x))
    own_rows, own_columns = (slice(max(0, -by), SIDE + min(0, -by)) for by in (y, x))
    moved[rows, columns] = square[own_rows, own_columns]
    return moved


WINDOWS = np.stack([_moved(np.ones((SIDE, SIDE), np.float32), *shift).ravel() for shift in SHIFTS])


def _pearson(one: Floats, other: Floats) -> float:
    a, b = one.ravel().astype(np.float64), other.ravel().astype(np.float64)
    a, b = a - a.mean(), b - b.mean()
    of_one, of_other = float((a * a).sum()), float((b * b).sum())
    if of_one == 0 or of_other == 0:
        return float(of_one == of_other)
    length: float = (of_one * of_other) ** 0.5
    return min(float((a * b).sum()) / length, 1.0)


class Likeness:
    """Confirms by their pixels that patches are alike; see `duplicates.Confirms`.

    load: gives the (height, width) pixels of a patch by its place. height, width: of all patches. least: the
    correlation from which on two patches are alike.
    """

    def __init__(
        self, load: Callable[[int], Pixels], height: NDArray[np.int64], width: NDArray[np.int64], least: float
    ) -> None:
        self._load, self._height, self._width, self._least = load, height, width, least
        self._pictures: OrderedDict[int, Picture] = OrderedDict()
        # Of all patches, since all kept ones that are near are asked for together.
        self._coarse = np.zeros((len(height), COARSE * COARSE), np.float16)
        self._squares = np.zeros((len(height), SIDE * SIDE), np.float16)
        self._is_known = np.zeros(len(height), np.bool_)

    def like(self, query: int, others: NDArray[np.int64], enough: float | None = None) -> Iterator[tuple[int, float]]:
        """Yield those of `others` that a patch is like, in their order, and the correlations.

        enough: a correlation below which they are exact; None: the least one.
        """
        enough = self._least if enough is None else enough
        for other in self._possible(query, others).tolist():
            correlation = correlate(self._picture(query), self._picture(other), enough)
            if correlation >= self._least:
                yield other, correlation

    def all(self, query: int, others: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Tell which of some patches a patch is like."""
        return np.isin(others, [other for other, _ in self.like(query, others)])

    def first(self, query: int, kept: NDArray[np.int64]) -> tuple[int, float] | None:
        """The first of some kept patches that a patch is like, and their correlation; None if there is none."""
        return next(self.like(query, kept), None)

    def _possible(self, query: int, kept: NDArray[np.int64]) -> NDArray[np.int64]:
        kept = kept[self._of_like_size(query, kept)]
        if not len(kept):
            return kept
        for patch in (query, *kept[~self._is_known[kept]].tolist()):
            self._picture(patch)
        coarse = self._coarse[query].astype(np.float32)
        others = self._coarse[kept].astype(np.float32)
        plain = ~others.any(axis=1) | ~coarse.any()  # without contrast there is nothing to tell by
        if self._least >= CLOSE:
            kept = kept[plain | (others @ coarse >= COARSE_LEAST)]
        if len(kept) < FEW:
            return kept
        best = np.concatenate([self._scaled(query, some) for some in np.split(kept, range(BLOCK, len(kept), BLOCK))])
        possible: NDArray[np.int64] = kept[best >= self._least - NEARLY - ROUNDING]
        return possible

    def _scaled(self, query: int, others: NDArray[np.int64]) -> Floats:
        """The correlations of the squares of a patch and others, at their best shifts, but for rounding."""
        own = self._squares[query].astype(np.float32)
        squares = self._squares[others].astype(np.float32)
        n = WINDOWS.sum(axis=1)
        # The part of the own square that meets each window of the others, in its place there.
        moved = np.stack([_moved(own.reshape(SIDE, SIDE), *shift).ravel() for shift in SHIFTS])
        of_own, of_others = moved.sum(axis=1), squares @ WINDOWS.T
        spread_own = (moved * moved).sum(axis=1) - of_own**2 / n
        spread = (squares * squares) @ WINDOWS.T - of_others**2 / n
        common = squares @ moved.T - of_others * of_own / n
        with np.errstate(invalid="ignore", divide="ignore"):
            found: Floats = common / np.sqrt(spread * spread_own)
        # Without contrast nothing can be said.
        found[(spread < 1) | (spread_own < 1)] = 1
        best: Floats = found.max(axis=1)
        return best

    def _of_like_size(self, query: int, kept: NDArray[np.int64]) -> NDArray[np.bool_]:
        like = np.ones(len(kept), np.bool_)
        for sizes in (self._height, self._width):
            own, others = sizes[query], sizes[kept]
            like &= np.maximum(own, others) <= LARGEST_RATIO * np.minimum(own, others)
        return like

    def _picture(self, patch: int) -> Picture:
        if (found := self._pictures.get(patch)) is not None:
            self._pictures.move_to_end(patch)
            return found
        picture = Picture.of(self._load(patch))
        self._pictures[patch] = picture
        if len(self._pictures) > AT_HAND:
            self._pictures.popitem(last=False)
        self._coarse[patch], self._is_known[patch] = picture.coarse, True
        self._squares[patch] = (picture.square - picture.square.mean()).ravel()
        return picture
