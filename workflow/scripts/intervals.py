"""Confidence intervals of counts."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import chi2


def poisson_limits(count: ArrayLike, confidence: float = 0.95) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Exact (Garwood) limits of the mean of a Poisson count.

    count: non-negative counts, any shape; confidence: two-sided level, 0 to 1 exclusive.
    Returns (low, high) of the same shape, in counts; divide by a volume for a concentration.
    They cover counting error only: neither the scatter between bins nor misclassified images.

    Source: F. Garwood, Fiducial limits for the Poisson distribution, Biometrika 28 (1936) 437-442,
    in the chi-square form: chi2(a/2, 2n)/2 and chi2(1 - a/2, 2n + 2)/2, with 0 as the lower limit of 0.
    """
    n = np.asarray(count, dtype=float)
    tail = (1 - confidence) / 2
    with np.errstate(invalid="ignore"):
        low = np.where(n > 0, chi2.ppf(tail, 2 * n) / 2, 0.0)
    return low, chi2.isf(tail, 2 * n + 2) / 2
