"""Places in nm and in voxels, and boxes. Everything here is in the order z, y, x, and exact.

A voxel's absolute number is its index plus the array's offset over the size of a voxel. Numbers from metadata are taken
as the decimals that they are written as, so that three times 0.1 nm is 0.3 nm.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from ifcb_abundance.stores.places import ArrayError

Exact = tuple[Fraction, Fraction, Fraction]
Indices = tuple[int, int, int]
MIDDLE_PX = 1024  # rows and columns of the box that is read if none is asked for


def exact(values: Iterable[float | int | str]) -> Exact:
    """Three numbers as the decimals that they are written as. Raises ValueError if they are not three numbers."""
    z, y, x = (Fraction(str(value)) for value in values)
    return z, y, x


def floats(values: Iterable[Fraction]) -> list[float]:
    """The same numbers as floats."""
    return [float(value) for value in values]


def times(values: Iterable[Fraction], factors: Iterable[Fraction]) -> Exact:
    """The products of three numbers and three others."""
    z, y, x = (value * factor for value, factor in zip(values, factors, strict=True))
    return z, y, x


@dataclass(frozen=True)
class IndexBox:
    """A box of an array by its own indices, half-open."""

    lower: Indices
    upper: Indices

    @property
    def shape(self) -> Indices:
        """Voxels along z, y and x."""
        z, y, x = (b - a for a, b in zip(self.lower, self.upper, strict=True))
        return z, y, x


@dataclass(frozen=True)
class Grid:
    """Where the voxels of an array are. voxel: nm. offset: where the first voxel begins, nm."""

    shape: Indices
    voxel: Exact
    offset: Exact

    @property
    def whole(self) -> IndexBox:
        """All of it."""
        return IndexBox((0, 0, 0), self.shape)

    def begin(self, box: IndexBox) -> Exact:
        """Where a box begins, in nm."""
        z, y, x = (o + i * v for o, i, v in zip(self.offset, box.lower, self.voxel, strict=True))
        return z, y, x

    def end(self, box: IndexBox) -> Exact:
        """Where a box ends, in nm."""
        return self.begin(IndexBox(box.upper, box.upper))

    def touched(self, begin: Sequence[Fraction], end: Sequence[Fraction]) -> IndexBox:
        """Every voxel that a box in nm touches, also where there is no voxel."""
        lower = [math.floor((b - o) / v) for b, o, v in zip(begin, self.offset, self.voxel, strict=True)]
        upper = [math.ceil((e - o) / v) for e, o, v in zip(end, self.offset, self.voxel, strict=True)]
        return IndexBox((lower[0], lower[1], lower[2]), (upper[0], upper[1], upper[2]))

    def asked_for(self, box: Mapping[str, Any] | None) -> IndexBox:
        """The box that a config asks for, also where there is no voxel; None: the middle plane, MIDDLE_PX at most.

        Raises ArrayError for a box without volume.
        """
        if box is None:
            z, *plane = self.shape
            y, x = (max(0, (n - MIDDLE_PX) // 2) for n in plane)
            upper = z // 2 + 1, min(plane[0], y + MIDDLE_PX), min(plane[1], x + MIDDLE_PX)
            return IndexBox((z // 2, y, x), upper)
        begin, end = (exact(box[axis][side] for axis in "zyx") for side in (0, 1))
        if any(b >= e for b, e in zip(begin, end, strict=True)):
            raise ArrayError(f"box {_spans(begin, end)} has no volume: each axis is [from, to], the first smaller")
        if box["unit"] == "voxel":
            begin, end = times(begin, self.voxel), times(end, self.voxel)
        return self.touched(begin, end)

    def cut(self, box: IndexBox) -> IndexBox | None:
        """The part of a box that lies in the array; None if no voxel does."""
        lower = [min(max(a, 0), n) for a, n in zip(box.lower, self.shape, strict=True)]
        upper = [min(max(b, 0), n) for b, n in zip(box.upper, self.shape, strict=True)]
        inside = IndexBox((lower[0], lower[1], lower[2]), (upper[0], upper[1], upper[2]))
        return inside if all(n > 0 for n in inside.shape) else None

    def bounds(self, box: IndexBox | None = None) -> str:
        """Where the array or a box begins and ends, in both units, for a message."""
        begin, end = self.begin(box or self.whole), self.end(box or self.whole)
        voxels = [tuple(n / v for n, v in zip(side, self.voxel, strict=True)) for side in (begin, end)]
        return f"{_spans(begin, end)} nm, {_spans(*voxels)} in voxels"


def _spans(begin: Sequence[Fraction], end: Sequence[Fraction]) -> str:
    return ", ".join(
        f"{axis}: [{float(b):.12g}, {float(e):.12g}]" for axis, b, e in zip("zyx", begin, end, strict=True)
    )
