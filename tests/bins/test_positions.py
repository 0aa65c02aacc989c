"""Positions: a latitude without a longitude is none, and neither is exactly 0,0 unless that is accepted."""

import math
from itertools import product

import pandas as pd
import pytest

from ifcb_abundance.bins.positions import Positions, count_positions, has_position, only_positions

NAN = math.nan
PLACES = [(41.5, -70.5), (NAN, NAN), (NAN, -70.5), (41.5, NAN), (0.0, 0.0), (-0.0, 0.0), (0.0, -70.5), (41.5, 0.0)]


def bins(*places: tuple[float, float]) -> pd.DataFrame:
    return pd.DataFrame(list(places), columns=["latitude", "longitude"], dtype="float64")


@pytest.mark.parametrize("accept_zero", [False, True])
def test_each_kind(accept_zero: bool) -> None:
    table = bins(*PLACES)
    known = [True, False, False, False, accept_zero, accept_zero, True, True]
    assert has_position(table, accept_zero).tolist() == known
    cleaned = only_positions(table, accept_zero)
    assert cleaned.notna().all(axis=1).tolist() == known
    assert cleaned.isna().all(axis=1).tolist() == [not one for one in known]
    assert cleaned[known].equals(table[known])
    assert table.equals(bins(*PLACES))  # what was given is as it was
    expected = Positions(5, 1, 2, 0) if accept_zero else Positions(3, 1, 2, 2)
    assert count_positions(table, accept_zero) == expected


def test_every_bin_is_counted_once() -> None:
    table = bins(*product((NAN, 0.0, 1e-9, 41.5), repeat=2))
    found = count_positions(table, False)
    assert found.known + found.missing + found.half + found.zero == len(table)
    assert count_positions(bins(), False) == Positions(0, 0, 0, 0)
