"""Counts corrected for the classifier's errors, with limits that hold what the labels leave open.

For the whole window: in each stratum people's labels say which share is of which class. For a day: a ROI of class i is
predicted as class j with the chance M_ij; the true counts are those that explain the predicted ones best (A. R. Solow,
C. Davis, Q. Hu, Mar. Ecol. Prog. Ser. 216 (2001) 309-311; for the IFCB: H. M. Sosik, R. J. Olson, Limnol. Oceanogr.
Methods 5 (2007) 204-216). The community may change from day to day. M may not, except for a scatter that the labels
show.

Rates that differ between days are beta-binomial: the variance of a day's rate p is rho p (1 - p).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import nnls

from ifcb_abundance.classes.labels import UNCLASSIFIED
from ifcb_abundance.common.intervals import effective_number, wilson_limits

DAYS_NEEDED = 10  # of labels, for the scatter of rates between days
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Labels:
    """Labelled ROIs as numbers. stratum, truth, predicted, day: an element per ROI; n_rois: per stratum."""

    stratum: NDArray[np.intp]
    truth: NDArray[np.intp]
    predicted: NDArray[np.intp]
    day: NDArray[np.intp]
    n_rois: Floats
    n_true_classes: int
    n_predicted_classes: int

    def drawn_anew(self, n: int, rng: np.random.Generator) -> Floats:
        """How often each label is drawn in n bootstrap samples within strata, of the shape (n, labels).

        One fewer than there are is drawn of each stratum, and weighs more for it: so few labels of a stratum do not
        look more alike than they are (J. N. K. Rao, C. F. J. Wu, J. Am. Stat. Assoc. 83 (1988) 231-241).
        """
        times = np.ones((n, len(self.stratum)))
        for number in np.unique(self.stratum):
            own = np.flatnonzero(self.stratum == number)
            if (k := len(own)) > 1:
                times[:, own] = rng.multinomial(k - 1, np.full(k, 1 / k), size=n) * (k / (k - 1))
        return times

    @property
    def weight(self) -> Floats:
        """How many ROIs each label stands for."""
        n_labels = np.bincount(self.stratum, minlength=len(self.n_rois))
        return self.n_rois[self.stratum] / n_labels[self.stratum]


def totals(labels: Labels, n: int, confidence: float, rng: np.random.Generator) -> tuple[Floats, Floats, Floats]:
    """ROIs of each true class in the window, with limits.

    Bootstrap percentiles of n replicates: labels drawn anew within strata, the size of each stratum Poisson.
    """
    weight = labels.weight
    found = np.bincount(labels.truth, weight, minlength=labels.n_true_classes)
    times = labels.drawn_anew(n, rng)
    sizes = rng.poisson(labels.n_rois, size=(n, len(labels.n_rois))) / np.maximum(labels.n_rois, 1)
    of_label = times * weight * sizes[:, labels.stratum]
    drawn = of_label @ np.eye(labels.n_true_classes)[labels.truth]
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
    return found.astype(float), low, high


# --- rates, and how they scatter ---


def rate_matrix(labels: Labels, row_of: NDArray[np.intp], times: Floats | None = None) -> Floats:
    """M: the chance that a ROI of row i is predicted as j, of the shape (..., rows, predicted classes).

    row_of: true class to row; several may share one. times: bootstrap draws, of the shape (n, labels).
    """
    n_rows, n_columns = int(row_of.max()) + 1, labels.n_predicted_classes
    place = row_of[labels.truth] * n_columns + labels.predicted
    where = np.zeros((len(place), n_rows * n_columns))
    where[np.arange(len(place)), place] = labels.weight
    sums = (np.ones((1, len(place))) if times is None else times) @ where
    matrix = sums.reshape(-1, n_rows, n_columns)
    total = matrix.sum(axis=-1, keepdims=True)
    matrix = np.divide(matrix, total, out=np.zeros_like(matrix), where=total > 0)
    found: Floats = matrix[0] if times is None else matrix
    return found


def dispersion(day: NDArray[np.intp], hit: NDArray[np.bool_]) -> tuple[float, float]:
    """Scatter of a rate between days, and how much it is to weigh beside others'.

    The ANOVA estimator, not cut off at 0 so that a mean over classes is not too large (M. S. Ridout, C. G. B. Demetrio,
    D. Firth, Biometrics 55 (1999) 137-148). The weight is 0 where it cannot be told.
    """
    _, index = np.unique(day, return_inverse=True)
    n_day = np.bincount(index).astype(float)
    hits = np.bincount(index, hit)
    n, days = n_day.sum(), len(n_day)
    if days < 2 or n <= days:
        return 0.0, 0.0
    between = ((hits**2 / n_day).sum() - hits.sum() ** 2 / n) / (days - 1)
    within = (hits.sum() - (hits**2 / n_day).sum()) / (n - days)
    n_0 = (n - (n_day**2).sum() / n) / (days - 1)
    p = hits.sum() / n
    if between + (n_0 - 1) * within <= 0:
        return 0.0, 0.0
    return float((between - within) / (between + (n_0 - 1) * within)), float(n * p * (1 - p))


def pooled_dispersion(labels: Labels) -> float | None:
    """Scatter between days of the share of a class that is predicted right, over all classes; at least 0.

    Classes weigh by n p (1 - p). None with labels of fewer than DAYS_NEEDED days.
    """
    if len(np.unique(labels.day)) < DAYS_NEEDED:
        return None
    found = []
    for name in np.unique(labels.truth):
        own = labels.truth == name
        found.append(dispersion(labels.day[own], (labels.predicted == name)[own]))
    rho, weight = np.array(found).T
    return float(min(max((rho * weight).sum() / weight.sum(), 0.0), 0.99)) if weight.sum() > 0 else 0.0


# --- days ---


@dataclass(frozen=True)
class Rates:
    """M, its bootstrap replicates, and replicates of a day's own rates less M; shapes (rows, columns), (n, ., .)."""

    matrix: Floats
    drawn: Floats
    drift: Floats | None


def draw_rates(labels: Labels, row_of: NDArray[np.intp], rho: float | None, n: int, rng: np.random.Generator) -> Rates:
    """M with what the labels leave open about it. rho: the scatter between days; None: unknown."""
    matrix = rate_matrix(labels, row_of)
    drawn = rate_matrix(labels, row_of, labels.drawn_anew(n, rng))
    if rho is None:
        return Rates(matrix, drawn, None)
    drift = np.zeros_like(drawn)
    if rho > 0:
        gamma = rng.standard_gamma(np.broadcast_to(matrix * (1 - rho) / rho, drawn.shape))
        total = gamma.sum(axis=-1, keepdims=True)
        drift = np.divide(gamma, total, out=np.zeros_like(gamma), where=total > 0) - matrix * (total > 0)
    return Rates(matrix, drawn, drift)


def solve(counts: Floats, matrix: Floats) -> Floats:
    """The true counts, at least 0, that explain the predicted ones best; by weights of counts that are Poisson."""
    scale = 1 / np.sqrt(np.maximum(counts, 1))
    found: Floats = nnls(matrix.T * scale[:, None], counts * scale)[0]
    return found


@dataclass(frozen=True)
class Day:
    """A day's counts, corrected: an element per row of M. spread: variance of what the correction adds."""

    found: Floats
    low: Floats
    high: Floats
    spread: Floats


def correct_day(counts: Floats, rates: Rates, confidence: float, rng: np.random.Generator) -> Day:
    """The true counts of a day with their limits, which are NaN where the scatter of rates is not known.

    Each replicate has its own labels, its own rates of the day, and Poisson counts. Of (M + D)'x = m the solution is
    taken to first order in what rates of other classes do, and exactly in the class's own: a class that was seen at
    half its rate is twice as many, not half as many again.
    """
    found = solve(counts, rates.matrix)
    scale = 1 / np.sqrt(np.maximum(counts, 1))
    inverse = np.linalg.pinv(rates.matrix.T * scale[:, None], rcond=1e-6) * scale
    n = len(rates.drawn)
    change = rates.drawn - rates.matrix
    if rates.drift is not None:
        change = change + rates.drift[(np.arange(n) + rng.integers(n)) % n]
    seen = np.einsum("nij,i->nj", change, found, optimize=True) @ inverse.T
    own = np.einsum("nij,ij->ni", change, inverse, optimize=True)
    noise = (rng.poisson(counts, size=(n, len(counts))) - counts) @ inverse.T
    replicates = np.maximum((found + noise - (seen - own * found)) / np.maximum(1 + own, 0.1), 0)
    spread = seen.var(axis=0)
    if rates.drift is None:
        return Day(found, np.full(len(found), np.nan), np.full(len(found), np.nan), spread)
    low, high = np.quantile(replicates, [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
    return Day(found, low, high, spread)


def share_of_correction(uncorrected: Floats, found: Floats, spread: Floats) -> Floats:
    """How much of the correction of each class is more than noise, 0 to 1; arrays of the shape (days, classes).

    Where labels are few, the correction may be mostly noise, and the uncorrected count nearer to the truth. The share
    is that of James and Stein (Proc. 4th Berkeley Symp. 1 (1961) 361-379), over the days of a class: 1 less the
    variance of the correction over its mean square.
    """
    square = ((uncorrected - found) ** 2).sum(axis=0)
    own = spread.sum(axis=0)
    share: Floats = np.clip(1 - np.divide(own, square, out=np.ones_like(own), where=square > 0), 0, 1)
    return share


# --- tables ---


@dataclass(frozen=True)
class Means:
    """What corrections are made with. rho: the scatter of rates, None: as the labels show. replicates: bootstrap."""

    predicted: Sequence[str]
    min_labels: int = 10
    confidence: float = 0.95
    replicates: int = 1000
    rho: float | None = None
    seed: int = 1


def as_numbers(rois: pd.DataFrame, strata: pd.DataFrame, predicted: Sequence[str]) -> tuple[Labels, list[str]]:
    """Labelled ROIs as Labels, and the true classes by number.

    rois: as of `class_report.weigh`, with the columns predicted and date. strata: what it returns, too. predicted: all
    predicted classes, `unclassified` the last.
    """
    true = sorted(set(rois["truth"]))
    sizes = strata.groupby("stratum")["n_rois"].sum()
    labels = Labels(
        stratum=sizes.index.get_indexer(pd.Index(rois["stratum"])),
        truth=pd.Index(true).get_indexer(pd.Index(rois["truth"])),
        predicted=pd.Index(list(predicted)).get_indexer(pd.Index(rois["predicted"])),
        day=np.unique(rois["date"].to_numpy("str"), return_inverse=True)[1],
        n_rois=sizes.to_numpy("float64"),
        n_true_classes=len(true),
        n_predicted_classes=len(predicted),
    )
    return labels, true


def correct_totals(labels: Labels, true: Sequence[str], counts: Mapping[str, int], means: Means) -> pd.DataFrame:
    """ROIs of each class in the window: the columns of totals_corrected. counts: those of the classes as predicted."""
    rng = np.random.default_rng(means.seed)
    found, low, high = totals(labels, means.replicates, means.confidence, rng)
    n_true = np.bincount(labels.truth, minlength=len(true))
    names = sorted({*true, *counts} - {UNCLASSIFIED})
    place = {name: i for i, name in enumerate(true)}
    rows = []
    for name in names:
        n = int(n_true[place[name]]) if name in place else 0
        enough = n >= means.min_labels
        values = [float(of[place[name]]) if enough else np.nan for of in (found, low, high)]
        rows.append((name, int(counts.get(name, 0)), *values, n, "" if enough else _too_few(means.min_labels)))
    columns = ["class", "count", "count_corrected", "count_corrected_low", "count_corrected_high", "n_true", "note"]
    return pd.DataFrame(rows, columns=columns)


def _too_few(min_labels: int) -> str:
    return f"fewer than {min_labels} labels"


def correct_days(counts: pd.DataFrame, labels: Labels, true: Sequence[str], means: Means) -> pd.DataFrame:
    """Corrected counts of each day and group: columns class, count, count_corrected, ..._low, ..._high, n_true, note.

    counts: a row per day and group, a column per predicted class in the order of `means.predicted`; its index is that
    of the result, with the class beside it. True classes with too few labels are one row of M and get no corrected
    count. Limits are NaN, and the note says why, where labels are of fewer than DAYS_NEEDED days and rho is not given.
    """
    rng = np.random.default_rng(means.seed)
    n_true = np.bincount(labels.truth, minlength=len(true))
    enough = n_true >= means.min_labels
    row_of = np.where(enough, np.cumsum(enough) - 1, enough.sum())
    rho = pooled_dispersion(labels) if means.rho is None else means.rho
    rates = draw_rates(labels, row_of, rho, means.replicates, rng)
    values = counts.to_numpy("float64")
    days = [correct_day(of_day, rates, means.confidence, rng) for of_day in values]
    unlabelled = _too_few(means.min_labels)
    no_limits = f"no limits: label ROIs of {DAYS_NEEDED} days or more" if rho is None else ""
    tables = []
    for name in sorted({*true, *means.predicted} - {UNCLASSIFIED}):
        at = true.index(name) if name in true else -1
        uncorrected = values[:, list(means.predicted).index(name)] if name in means.predicted else np.zeros(len(values))
        table = pd.DataFrame({"class": name, "count": uncorrected.astype("int64")}, index=counts.index)
        corrected = np.full((3, len(values)), np.nan)
        if at >= 0 and enough[at]:
            row = int(row_of[at])
            found, low, high, spread = (
                np.array([getattr(day, part)[row] for day in days]) for part in ("found", "low", "high", "spread")
            )
            if name in means.predicted:
                share = share_of_correction(uncorrected[:, None], found[:, None], spread[:, None])[0]
                found = share * found + (1 - share) * uncorrected
            corrected = np.array([found, np.minimum(low, found), np.maximum(high, found)])
        table["count_corrected"], table["count_corrected_low"], table["count_corrected_high"] = corrected
        table["n_true"] = int(n_true[at]) if at >= 0 else 0
        table["note"] = no_limits if at >= 0 and enough[at] else unlabelled
        tables.append(table)
    return pd.concat(tables)


def rate_drift(rois: pd.DataFrame, period: pd.Series, classes: Sequence[str], confidence: float) -> pd.DataFrame:
    """Recall and false positives of each class, period by period, and whether they are the same.

    rois: labelled, with weight and predicted; period: of each. Columns class, period, n_labels (of ROIs that are of the
    class), recall, recall_low, recall_high, false_positive_rate (of ROIs that are not), its limits, and p_same: how
    likely recall would differ so by chance, from the chi-square of hits and misses over the periods; NaN with one.
    """
    from scipy.stats import chi2_contingency

    rows = []
    weight = rois["weight"].to_numpy()
    for name in classes:
        hit, own = (rois["predicted"] == name).to_numpy(), (rois["truth"] == name).to_numpy()
        crossed = pd.crosstab(period[own], hit[own])
        p_same = chi2_contingency(crossed, correction=False).pvalue if min(crossed.shape, default=0) > 1 else np.nan
        for when in sorted(set(period)):
            at = (period == when).to_numpy()
            recall = _share(weight, hit, own & at, confidence)
            false = _share(weight, hit, ~own & at, confidence)
            rows.append((name, when, int((own & at).sum()), *recall, *false, p_same))
    columns = ["class", "period", "n_labels", "recall", "recall_low", "recall_high"]
    columns += ["false_positive_rate", "false_positive_rate_low", "false_positive_rate_high", "p_same"]
    return pd.DataFrame(rows, columns=columns)


def _share(
    weight: Floats, hit: NDArray[np.bool_], of: NDArray[np.bool_], confidence: float
) -> tuple[float, float, float]:
    total = float(weight[of].sum())
    share = float(weight[of & hit].sum()) / total if total else np.nan
    low, high = wilson_limits(share, effective_number(total, (weight[of] ** 2).sum()), confidence)
    return share, float(low), float(high)
