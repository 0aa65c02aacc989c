"""Confidence intervals of counts."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def poisson_limits(count: ArrayLike, confidence: float = 0.95) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Exact (Garwood) limits of the mean of a Poisson count.

    count: non-negative counts, any shape; confidence: two-sided level, 0 to 1 exclusive.
    Returns (low, high) of the same shape, in counts; divide by a volume for a concentration.
    They cover counting error only: neither the scatter between bins nor misclassified images.

    Source: F. Garwood, Fiducial limits for the Poisson distribution, Biometrika 28 (1936) 437-442. In the
    usual chi-square form chi2(a/2, 2n)/2 and chi2(1 - a/2, 2n + 2)/2, with 0 as the lower limit of 0; the
    quantile of chi-square with 2n degrees of freedom is twice that of the gamma distribution of shape n.
    """
    # Its import takes a fifth of a second, which a run has to spare when the first day is pooled, but not before it
    # sends its first request; scipy.stats takes a second.
    from scipy.special import gammainccinv, gammaincinv

    n = np.asarray(count, dtype=float)
    tail = (1 - confidence) / 2
    low = np.where(n > 0, gammaincinv(np.where(n > 0, n, 1.0), tail), 0.0)
    return low, gammainccinv(n + 1, tail)


def pearson_dispersion(counts: NDArray[np.float64], volume: NDArray[np.float64]) -> NDArray[np.float64]:
    """How much more the bins scatter than Poisson counts of one concentration would; 1 means not more.

    counts: shape (bins, classes), NaN where a class was not assessed; volume: mL of the bins. Returns, per
    class, Pearson's chi-square over its degrees of freedom (assessed bins less one), the expected count of a bin
    being the pooled concentration times its volume; NaN with fewer than two bins or without any count.

    Source: P. McCullagh, J. A. Nelder, Generalized Linear Models, 2nd edition (1989), section 4.5.
    """
    assessed = ~np.isnan(counts)
    volumes = np.where(assessed, volume[:, None], 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = volumes * (np.nansum(counts, axis=0) / volumes.sum(axis=0))
        chi_square = np.nansum((counts - expected) ** 2 / expected, axis=0)
        dispersion = chi_square / (assessed.sum(axis=0) - 1)
    known = (assessed.sum(axis=0) > 1) & (np.nansum(counts, axis=0) > 0)
    return np.where(known, dispersion, np.nan)


def widened_limits(
    count: ArrayLike, dispersion: ArrayLike, confidence: float = 0.95
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Poisson limits widened by the dispersion of the bins, in counts; shapes as in `poisson_limits`.

    A count whose variance is `dispersion` times its mean carries as much information as a Poisson count of
    count/dispersion (quasi-likelihood): these are its exact limits, times the dispersion. They are never narrower
    than the Poisson limits: a dispersion below 1, or unknown (NaN), counts as 1.
    """
    factor = np.fmax(np.asarray(dispersion, dtype=float), 1.0)
    low, high = poisson_limits(np.asarray(count, dtype=float) / factor, confidence)
    return low * factor, high * factor
