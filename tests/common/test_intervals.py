"""Limits of counts and the scatter of bins: against published values, definitions, real data and simulations."""

import csv
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare, poisson

from ifcb_abundance.common.intervals import pearson_dispersion, poisson_limits, widened_limits

REAL = Path(__file__).parents[3] / "shared" / "data" / "tables" / "Margalefidinium_2018.csv"
NAN = float("nan")


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


# --- dispersion ---


@pytest.mark.parametrize(
    ("counts", "volumes", "expected"),
    [
        ([2, 4], [1, 1], (1 / 3 + 1 / 3) / 1),
        ([0, 0, 9], [1, 1, 1], (3 + 3 + 36 / 3) / 2),
        ([1, 2, 3], [1, 2, 3], 0),  # one concentration exactly
        ([4, 1, 2], [1.5, 2.5, 3], (2.5**2 / 1.5 + 1.5**2 / 2.5 + 1 / 3) / 2),
        ([4, NAN, 2, NAN], [1, 50, 1, 0.01], (1 / 3 + 1 / 3) / 1),  # what was not assessed is left out
        ([5], [1], NAN),
        ([5, NAN], [1, 1], NAN),
        ([0, 0, 0], [1, 2, 3], NAN),
        ([NAN, NAN], [1, 2], NAN),
    ],
)
def test_dispersion_by_hand(counts: list[float], volumes: list[float], expected: float) -> None:
    table = np.column_stack([np.array(counts, dtype=float), np.arange(len(counts))])
    assert pearson_dispersion(table, np.array(volumes))[0] == pytest.approx(expected, rel=1e-12, abs=1e-12, nan_ok=True)


def test_dispersion_of_a_real_summer_is_that_of_scipy() -> None:
    """Days of one taxon, 2,377 bins; all days at once, as classes whose other bins were not assessed."""
    if not REAL.exists():
        pytest.skip(f"no real counts at {REAL}")
    by_day: dict[str, list[tuple[float, float]]] = defaultdict(list)
    with REAL.open(newline="") as file:
        for row in csv.DictReader(file):
            by_day[row["sample_time"][:10]].append((float(row["taxon_count"] or "nan"), float(row["bin_ml"])))
    counts = np.full((sum(map(len, by_day.values())), len(by_day)), np.nan)
    expected, first = [], 0
    for number, of_day in enumerate(by_day.values()):
        counts[first : first + len(of_day), number] = [count for count, _ in of_day]
        first += len(of_day)
        n, ml = np.array([(count, ml) for count, ml in of_day if not np.isnan(count)]).reshape(-1, 2).T
        known = len(n) > 1 and n.sum() > 0
        expected.append(chisquare(n, ml * n.sum() / ml.sum()).statistic / (len(n) - 1) if known else NAN)
    volume = np.array([ml for of_day in by_day.values() for _, ml in of_day])
    found = pearson_dispersion(counts, volume)
    assert found == pytest.approx(expected, rel=1e-9, nan_ok=True)
    assert np.count_nonzero(found > 1) > 30  # a bloom is patchy: Poisson limits alone would be too narrow


# --- widened limits ---


@given(st.integers(0, 100_000), st.floats(0, 1000), st.floats(0.5, 0.999))
def test_widened_limits_are_never_narrower(count: int, dispersion: float, confidence: float) -> None:
    low, high = poisson_limits(count, confidence)
    wide_low, wide_high = widened_limits(count, dispersion, confidence)
    assert 0 <= wide_low <= low * (1 + 1e-9)
    assert wide_high >= high * (1 - 1e-9)
    if dispersion <= 1:
        assert (wide_low, wide_high) == (low, high)
    elif dispersion > 1.01:
        assert wide_high > high
        assert wide_low < low or count == 0


def test_widened_limits_by_hand() -> None:
    """25 objects at a dispersion of 5 tell as much as 5 Poisson ones: 5 times 1.62 to 11.67."""
    low, high = widened_limits([25, 25, 25, 0], [5.0, NAN, 0.2, NAN])
    assert low == pytest.approx([5 * 1.6235, 16.179, 16.179, 0], abs=0.001)
    assert high == pytest.approx([5 * 11.668, 36.905, 36.905, 3.689], abs=0.003)


# --- how often the limits hold the truth ---

VOLUMES = np.linspace(1.5, 4.5, 20)  # mL of the bins of a day


def held(counts: np.ndarray, mean: float) -> tuple[float, float]:
    """Share of simulated days, shape (bins, days), whose limits hold the mean of the sum: Poisson, widened."""
    total, dispersion = counts.sum(axis=0), pearson_dispersion(counts.astype(float), VOLUMES)
    limits = poisson_limits(total), widened_limits(total, dispersion)
    poisson_held, widened_held = (float(np.mean((low <= mean) & (mean <= high))) for low, high in limits)
    return poisson_held, widened_held


@pytest.mark.parametrize("mean", [0.05, 0.5, 1, 3.7, 10, 40.5, 300])
def test_garwood_limits_hold_the_mean_at_least_as_often_as_they_say(mean: float) -> None:
    """Exactly, over all counts; and simulated bins, within four standard errors of 0.003."""
    n = np.arange(2000)
    low, high = poisson_limits(n)
    assert poisson.pmf(n[(low <= mean) & (mean <= high)], mean).sum() >= 0.95
    counts = np.random.default_rng(1).poisson(mean * VOLUMES[:, None] / VOLUMES.sum(), (20, 5000))
    poisson_held, widened_held = held(counts, mean)
    assert poisson_held >= 0.95 - 4 * 0.003
    assert widened_held >= poisson_held


@pytest.mark.parametrize("per_ml", [0.5, 2.0, 20.0])
def test_scatter_beyond_poisson_is_held_by_the_widened_limits_only(per_ml: float) -> None:
    """Negative binomial counts whose variance is three times their mean, 20 bins a day, standard error 0.004.

    Poisson limits are too short by the root of 3: P(|z| < 1.96 / 1.73) = 0.74, a little more as Garwood's are wide.
    With the dispersion estimated from 20 bins, z is a t of 19 degrees of freedom: P(|t| < 1.96) = 0.935.
    """
    means = per_ml * VOLUMES[:, None]
    counts = np.random.default_rng(2).negative_binomial(means / 2, 1 / 3, (20, 5000))
    assert counts.var(axis=1) == pytest.approx(3 * counts.mean(axis=1), rel=0.15)
    poisson_held, widened_held = held(counts, means.sum())
    assert 0.70 < poisson_held < 0.80
    assert 0.915 < widened_held < 0.97
