import numpy as np
import pytest

from ifcb_abundance.common.intervals import effective_number, wilson_limits


def test_the_worked_example_of_weighted_labels() -> None:
    """By hand: weights 10, 10, 10, 1, 1 and right, right, wrong, right, wrong."""
    weight, right = np.array([10, 10, 10, 1, 1]), np.array([1, 1, 0, 1, 0])
    share = (weight * right).sum() / weight.sum()
    n = effective_number(weight.sum(), (weight**2).sum())
    assert share == 0.65625
    assert n == pytest.approx(3.39073, abs=5e-6)
    low, high = wilson_limits(share, n)
    assert low == pytest.approx(0.21729, abs=5e-6)
    assert high == pytest.approx(0.92922, abs=5e-6)


def test_limits_stay_within_0_and_1_and_none_is_not_a_number() -> None:
    low, high = wilson_limits([0, 1, 0.5], [5, 5, 0])
    assert low[0] == 0
    assert high[1] == 1
    assert np.isnan([low[2], high[2]]).all()
    assert effective_number(0, 0) == 0


def test_textbook_limits() -> None:
    """Newcombe 1998, Stat. Med. 17:857, table I, method 3: 81 of 263 and 0 of 20."""
    low, high = wilson_limits([81 / 263, 0], [263, 20])
    assert low == pytest.approx([0.2553, 0], abs=5e-5)
    assert high == pytest.approx([0.3662, 0.1611], abs=5e-5)
