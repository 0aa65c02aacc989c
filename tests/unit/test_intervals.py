"""The exact Poisson limits, against published values and against their definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import poisson

from intervals import poisson_limits


# Garwood's 95 % limits as printed in tables (for example Ulm 1990), to the digits given there.
@pytest.mark.parametrize(
    ("count", "low", "high"),
    [(0, 0, 3.689), (1, 0.0253, 5.572), (5, 1.62, 11.67), (25, 16.18, 36.90), (100, 81.4, 121.6)],
)
def test_published_limits(count: int, low: float, high: float) -> None:
    found = poisson_limits(count)
    assert [float(limit) for limit in found] == [
        pytest.approx(low, abs=0.5 * 10 ** -len(str(low).partition(".")[2])),
        pytest.approx(high, abs=0.5 * 10 ** -len(str(high).partition(".")[2])),
    ]


@given(st.integers(0, 100_000), st.floats(0.5, 0.999))
def test_each_tail_has_its_share(count: int, confidence: float) -> None:
    low, high = poisson_limits(count, confidence)
    tail = (1 - confidence) / 2
    assert poisson.cdf(count, high) == pytest.approx(tail, rel=1e-6)  # P(X <= n | high)
    assert low <= count <= high
    if count:
        assert poisson.sf(count - 1, low) == pytest.approx(tail, rel=1e-6)  # P(X >= n | low)
    else:
        assert low == 0
        assert high == pytest.approx(-np.log(tail))


def test_shape_is_kept() -> None:
    low, high = poisson_limits([[0, 5], [25, 100]])
    assert low.shape == high.shape == (2, 2)
    assert (low[0, 1], high[1, 0]) == (poisson_limits(5)[0], poisson_limits(25)[1])
    assert np.isfinite(low).all()
