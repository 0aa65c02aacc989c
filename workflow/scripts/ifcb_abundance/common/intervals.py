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


def wilson_limits(
    share: ArrayLike, n: ArrayLike, confidence: float = 0.95
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Wilson's limits of a proportion; NaN where n is 0.

    share: the observed proportion; n: of how many, which need not be a whole number: of weighted ones it is
    `effective_number`. Any shapes that fit each other. Returns (low, high).

    Sources: E. B. Wilson, Probable inference, J. Am. Stat. Assoc. 22 (1927) 209-212; of weighted samples C. Franco et
    al., Comparative study of confidence intervals for proportions in complex sample surveys, J. Surv. Stat. Methodol. 7
    (2019) 334-364.
    """
    from scipy.special import ndtri

    p, number = np.broadcast_arrays(np.asarray(share, dtype=float), np.asarray(n, dtype=float))
    z = ndtri((1 + confidence) / 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        middle = p + z**2 / (2 * number)
        half = z * np.sqrt(p * (1 - p) / number + z**2 / (4 * number**2))
        scale = 1 + z**2 / number
        low, high = np.clip((middle - half) / scale, 0, 1), np.clip((middle + half) / scale, 0, 1)
    return np.where(number > 0, low, np.nan), np.where(number > 0, high, np.nan)


def effective_number(weight_sum: ArrayLike, square_sum: ArrayLike) -> NDArray[np.float64]:
    """How many equally weighted ones tell as much as weighted ones: the square of the sum over the sum of squares.

    0 without any. Source: L. Kish, Survey Sampling (1965).
    """
    total, squares = np.asarray(weight_sum, dtype=float), np.asarray(square_sum, dtype=float)
    return np.where(squares > 0, total**2 / np.where(squares > 0, squares, 1.0), 0.0)
