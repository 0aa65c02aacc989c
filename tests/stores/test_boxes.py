"""Boxes in nm and voxels: every voxel that is touched, no other one, and exact."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ifcb_abundance.stores.boxes import Grid, IndexBox, exact
from ifcb_abundance.stores.places import ArrayError

GRID = Grid((18, 40, 52), exact((40, 8, 4)), exact((200, 96, 120)))


def box(unit: str, z: list[float], y: list[float], x: list[float]) -> dict[str, object]:
    return {"unit": unit, "z": z, "y": y, "x": x}


@pytest.mark.parametrize(
    ("z", "lower", "upper"),
    [
        ([200, 240], 0, 1),  # exactly the first voxel
        ([239.9, 240.1], 0, 2),
        ([240, 240.0001], 1, 2),
        ([0, 1000], -5, 20),  # beyond both ends
    ],
)
def test_a_box_in_nm_is_every_voxel_that_it_touches(z: list[float], lower: int, upper: int) -> None:
    asked = GRID.asked_for(box("nm", z, [96, 104], [120, 124]))
    assert (asked.lower[0], asked.upper[0]) == (lower, upper)
    assert (asked.lower[1:], asked.upper[1:]) == ((0, 0), (1, 1))


def test_voxels_are_counted_from_the_origin_of_the_coordinates() -> None:
    asked = GRID.asked_for(box("voxel", [5, 7], [12, 13], [31, 82]))
    assert asked == IndexBox((0, 0, 1), (2, 1, 52))


def test_decimals_are_what_they_are_written_as() -> None:
    """In floats 0.3 / 0.1 is 2.9999999999999996, and 3 * 1.1 is 3.3000000000000003."""
    grid = Grid((9, 9, 9), exact((0.1, 1.1, 4.6)), exact((0, 0, 0)))
    asked = grid.asked_for(box("nm", [0.3, 0.6], [3.3, 4.4], [13.8, 18.4]))
    assert asked == IndexBox((3, 3, 3), (6, 4, 4))


@given(
    voxel=st.fractions("1/10", 50, max_denominator=10),
    offset=st.fractions(-300, 300, max_denominator=10),
    begin=st.fractions(-500, 500, max_denominator=10),
    length=st.fractions("1/10", 200, max_denominator=10),
)
@settings(max_examples=60)
def test_touched_voxels_by_the_definition(voxel: Fraction, offset: Fraction, begin: Fraction, length: Fraction) -> None:
    """A half-open voxel and a half-open box have a point in common."""
    grid = Grid((9, 9, 9), (voxel,) * 3, (offset,) * 3)
    found = grid.touched((begin,) * 3, (begin + length,) * 3)
    for index in range(found.lower[0] - 2, found.upper[0] + 2):
        first = offset + index * voxel
        common = max(first, begin) < min(first + voxel, begin + length)
        assert common == (found.lower[0] <= index < found.upper[0])


def test_without_a_box_the_middle_plane_is_shown_1024_pixels_at_most() -> None:
    assert GRID.asked_for(None) == IndexBox((9, 0, 0), (10, 40, 52))
    large = Grid((3, 2000, 1024), exact((1, 1, 1)), exact((0, 0, 0)))
    assert large.asked_for(None) == IndexBox((1, 488, 0), (2, 1512, 1024))


def test_a_box_is_cut_at_the_bounds() -> None:
    assert GRID.cut(IndexBox((-5, 3, 50), (20, 4, 60))) == IndexBox((0, 3, 50), (18, 4, 52))
    assert GRID.cut(IndexBox((18, 0, 0), (19, 4, 4))) is None


def test_a_box_without_volume_is_refused() -> None:
    with pytest.raises(ArrayError, match="has no volume"):
        GRID.asked_for(box("nm", [5, 5], [0, 1], [0, 1]))
