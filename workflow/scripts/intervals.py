"""Confidence intervals of counts."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammainccinv, gammaincinv  # scipy.stats takes a second to import


def poisson_limits(count: ArrayLike, confidence: float = 0.95) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Exact (Garwood) limits of the mean of a Poisson count.

    count: non-negative counts, any shape; confidence: two-sided level, 0 to 1 exclusive.
    Returns (low, high) of the same shape, in counts; divide by a volume for a concentration.
    They cover counting error only: neither the scatter between bins nor misclassified images.

    Source: F. Garwood, Fiducial limits for the Poisson distribution, Biometrika 28 (1936) 437-442. In the
    usual chi-square form chi2(a/2, 2n)/2 and chi2(1 - a/2, 2n + 2)/2, with 0 as the lower limit of 0; the
    quantile of chi-square with 2n degrees of freedom is twice that of the gamma distribution of shape n.
    """
    n = np.asarray(count, dtype=float)
    tail = (1 - confidence) / 2
    low = np.where(n > 0, gammaincinv(np.maximum(n, 1), tail), 0.0)
    return low, gammainccinv(n + 1, tail)
