"""How well corrected counts and their limits hold: simulated communities of which the truth is known.

    python benchmarks/correction.py [--runs 20]

Days with blooms, 10 to 100 classes, one classifier whose rates scatter from day to day (Dirichlet-multinomial). A
sample is drawn as the workflow draws it and named without error, and the days are corrected by it. `times as wide as
needed`: limits that are narrower by this factor hold the truth in exactly 95 %.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow" / "scripts"))

from ifcb_abundance.validation.correction import (
    Labels,
    correct_day,
    draw_rates,
    pooled_dispersion,
    share_of_correction,
    totals,
)
from ifcb_abundance.validation.sampling import allocate

BANDS = 4


@dataclass(frozen=True)
class World:
    """A community and its classifier. per_day: ROIs on average; rho: scatter of rates; skill: range of the recalls."""

    classes: int
    days: int
    per_day: float
    labels: int
    rho: float
    skill: tuple[float, float] = (0.75, 0.95)


def simulate(world: World, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """expected (days, classes): mean counts; counts (days, true, predicted winner, band)."""
    k, d = world.classes, world.days
    base = rng.dirichlet(np.full(k, 0.6))
    walk = np.cumsum(rng.normal(0, 0.5, (d, k)), axis=0)
    bloom = np.exp(walk - walk.mean(axis=0))
    expected = base * bloom
    expected *= world.per_day / expected.sum(axis=1).mean()
    right = rng.uniform(*world.skill, k)
    matrix = rng.dirichlet(np.full(k, 0.3), k)
    matrix[np.arange(k), np.arange(k)] = 0
    matrix /= matrix.sum(axis=1, keepdims=True)
    matrix *= (1 - right)[:, None]
    matrix[np.arange(k), np.arange(k)] = right
    of_right, of_wrong = np.array([0.06, 0.1, 0.34, 0.5]), np.array([0.35, 0.3, 0.25, 0.1])
    chance = np.where(np.eye(k, dtype=bool)[:, :, None], of_right, of_wrong)
    rows = (matrix[:, :, None] * chance).reshape(k, -1)  # winner and band together drift
    counts = np.zeros((d, k, k * BANDS), int)
    for day in range(d):
        for i in range(k):
            own = rows[i]
            if world.rho > 0:
                own = rng.dirichlet(np.maximum(own * (1 - world.rho) / world.rho, 1e-9))
            counts[day, i] = rng.multinomial(rng.poisson(expected[day, i]), own / own.sum())
    return expected, counts.reshape(d, k, k, BANDS)


def sample(world: World, counts: np.ndarray, rng: np.random.Generator) -> Labels:
    """A sample of the ROIs, by strata of winner and band, with the true classes."""
    d, k = counts.shape[:2]
    n_h = counts.sum(axis=(0, 1)).reshape(-1)  # winner, band
    taken = allocate(n_h, world.labels)
    cells = counts.reshape(d, k, k * BANDS)
    parts = []
    for h in np.flatnonzero(n_h):
        drawn = rng.multivariate_hypergeometric(cells[:, :, h].reshape(-1), taken[h], method="marginals")
        day, truth = np.divmod(np.repeat(np.arange(d * k), drawn), k)
        parts.append(np.column_stack([np.full(len(day), h), truth, day]))
    stratum, truth, day = np.concatenate(parts).T
    winner, band = np.divmod(stratum, BANDS)
    predicted = np.where(band >= 2, winner, k)
    return Labels(stratum, truth, predicted, day, n_h.astype(float), k, k + 1)


def judge(world: World, rng: np.random.Generator, replicates: int = 300) -> dict[str, np.ndarray]:
    """One world, sampled and corrected: whether limits hold, and how far counts are from the truth."""
    expected, counts = simulate(world, rng)
    labels = sample(world, counts, rng)
    k = world.classes
    n_true = np.bincount(labels.truth, minlength=k)
    enough = n_true >= 10
    row_of = np.where(enough, np.cumsum(enough) - 1, enough.sum())
    rho = pooled_dispersion(labels)
    rates = draw_rates(labels, row_of, rho, replicates, rng)
    kept = counts[:, :, :, 2:].sum(axis=3)
    m = np.concatenate([kept.sum(axis=1), (counts.sum(axis=(1, 2, 3)) - kept.sum(axis=(1, 2)))[:, None]], axis=1)
    days = [correct_day(of_day.astype(float), rates, 0.95, rng) for of_day in m]
    n = int(enough.sum())
    true = expected[:, enough]
    found, low, high, spread = (
        np.array([getattr(day, name)[:n] for day in days]) for name in ("found", "low", "high", "spread")
    )
    uncorrected = m[:, :k][:, enough]
    share = share_of_correction(uncorrected, found, spread)
    found = share * found + (1 - share) * uncorrected
    low, high = np.minimum(low, found), np.maximum(high, found)
    error, plain = np.abs(found - true), np.abs(m[:, :k][:, enough] - true)
    _, total_low, total_high = totals(labels, replicates, 0.95, rng)
    whole = expected.sum(axis=0)
    seen = true >= 15
    half = np.where(true >= found, high - found, found - low)
    return {
        "hold": ((low <= true) & (true <= high))[seen],
        "hold all": ((low <= true) & (true <= high)).ravel(),
        "ratio": (error / np.maximum(half, 1e-9))[seen],
        "of class": np.where(seen.any(axis=0), error.mean(axis=0) / plain.mean(axis=0), np.nan),
        "n_true": n_true[enough],
        "error": np.array([error[seen].sum(), plain[seen].sum()]),
        "total hold": ((total_low <= whole) & (whole <= total_high))[enough],
        "rho": np.array([rho]),
    }


def main() -> None:
    """Print a row for each number of classes and scatter."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--classes", type=int, nargs="*", default=[10, 40, 100])
    parser.add_argument("--rho", type=float, nargs="*", default=[0, 0.02, 0.05, 0.1])
    options = parser.parse_args()
    print(
        "| classes | rho | rho found | days >= 15 hold | all days hold | times as wide as needed | "
        "error / uncorrected | worst class / uncorrected | classes > 1.1 | totals hold |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for classes in options.classes:
        for rho in options.rho:
            world = World(classes, 60, 2000, 2000 if classes < 100 else 3000, rho)
            runs = [judge(world, np.random.default_rng([run, classes])) for run in range(options.runs)]
            put = {name: np.concatenate([run[name].ravel() for run in runs]) for name in runs[0]}
            errors = np.sum([run["error"] for run in runs], axis=0)
            worst = put["of class"]
            print(
                f"| {classes} | {rho} | {put['rho'].mean():.3f} ± {put['rho'].std():.3f} | {put['hold'].mean():.3f} | "
                f"{put['hold all'].mean():.3f} | {1 / np.quantile(put['ratio'], 0.95):.2f} | "
                f"{errors[0] / errors[1]:.2f} | {np.nanmax(worst):.2f} | {(worst > 1.1).mean():.3f} | "
                f"{put['total hold'].mean():.3f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
