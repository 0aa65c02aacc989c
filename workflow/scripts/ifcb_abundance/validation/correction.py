"""Counts corrected for the classifier's errors, with limits that hold what the labels leave open.

For the whole window: in each stratum people's labels say which share is of which class. For a day: a ROI of class i is
predicted as class j with the chance M_ij; the true counts are those that explain the predicted ones best (A. R. Solow,
C. Davis, Q. Hu, Mar. Ecol. Prog. Ser. 216 (2001) 309-311; for the IFCB: H. M. Sosik, R. J. Olson, Limnol. Oceanogr.
Methods 5 (2007) 204-216). The community may change from day to day. M may not, except for a scatter that the labels
show.

Rates that differ between days are beta-binomial: the variance of a day's rate p is rho p (1 - p).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import nnls
from scipy.sparse import csr_array

from ifcb_abundance.classes.labels import UNCLASSIFIED
from ifcb_abundance.common.intervals import effective_number, wilson_limits
from ifcb_abundance.validation.class_report import Question, predicted
from ifcb_abundance.validation.labels import OTHER

DAYS_NEEDED = 10  # of labels, for the scatter of rates between days
POOLED = 200.0  # weight of the scatter of all classes beside a class's own: as of 1,250 labels at a rate of 0.8
CAUTION = 2.0  # see `share_of_correction`
REWEIGHTED = 2  # how often a day is solved again, see `explain`
DRIFT_SEED = 1
FIRST_LOOK = 999  # draws of `chance_of_drift`, of which most classes need no more
CLEARLY_SAME = 0.1
DRAWS, DRAWS_PER_CLASS = 9_999, 200  # Holm asks whether a chance is below 0.05 over the number of classes
BLOCK = 16  # days that are corrected at a time
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Labels:
    """Labelled ROIs as numbers.

    stratum, truth, predicted, day: an element per ROI. n_rois: per stratum. own: of each true class the number of the
    predicted class of the same name, -1 without one.
    """

    stratum: NDArray[np.intp]
    truth: NDArray[np.intp]
    predicted: NDArray[np.intp]
    day: NDArray[np.intp]
    n_rois: Floats
    own: NDArray[np.intp]
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
    def n_true_classes(self) -> int:
        """How many true classes there are."""
        return len(self.own)

    @property
    def weight(self) -> Floats:
        """How many ROIs each label stands for."""
        n_labels = np.bincount(self.stratum, minlength=len(self.n_rois))
        return self.n_rois[self.stratum] / n_labels[self.stratum]

    @property
    def weight_of_one_more(self) -> Floats:
        """How many ROIs one more label of each true class would stand for: see `totals`."""
        of_class, n_classes = self.stratum * self.n_true_classes + self.truth, self.n_true_classes
        alike, n_labels = np.bincount(of_class)[of_class], np.bincount(self.stratum)[self.stratum]
        unsure = self.weight * (1 - alike / n_labels)
        sums = np.bincount(self.truth, unsure, minlength=n_classes)
        squares = np.bincount(self.truth, unsure * self.weight, minlength=n_classes)
        weight: Floats = np.divide(squares, sums, out=np.zeros(n_classes), where=sums > 0)
        return weight


def totals(labels: Labels, n: int, confidence: float, rng: np.random.Generator) -> tuple[Floats, Floats, Floats]:
    """ROIs of each true class in the window, with limits.

    Bootstrap percentiles of n replicates: labels drawn anew within strata, the size of each stratum Poisson. The upper
    limit has one more label of a class, as a Poisson count has one more ROI: a class that few labels found may be in
    strata where none found it (M. P. Fay, E. J. Feuer, Stat. Med. 16 (1997) 791-801). It weighs what the labels of the
    class weigh on the mean, each by the share of its stratum that is of other classes: where all labels of a stratum
    agree, nothing is added.
    """
    weight = labels.weight
    found = np.bincount(labels.truth, weight, minlength=labels.n_true_classes)
    times = labels.drawn_anew(n, rng)
    sizes = rng.poisson(labels.n_rois, size=(n, len(labels.n_rois))) / np.maximum(labels.n_rois, 1)
    of_label = times * weight * sizes[:, labels.stratum]
    drawn = of_label @ np.eye(labels.n_true_classes)[labels.truth]
    one_more = rng.standard_exponential(size=(n, 1)) * labels.weight_of_one_more
    low = np.quantile(drawn, (1 - confidence) / 2, axis=0)
    high = np.quantile(drawn + one_more, (1 + confidence) / 2, axis=0)
    return found.astype(float), low, high


# --- rates, and how they scatter ---


def rate_matrix(labels: Labels, row_of: NDArray[np.intp], times: Floats | None = None) -> Floats:
    """M: the chance that a ROI of row i is predicted as j, of the shape (..., rows, predicted classes).

    row_of: true class to row; several may share one. times: bootstrap draws, of the shape (n, labels).
    """
    n_rows, n_columns = int(row_of.max()) + 1, labels.n_predicted_classes
    place = row_of[labels.truth] * n_columns + labels.predicted
    where = csr_array((labels.weight, (place, np.arange(len(place)))), shape=(n_rows * n_columns, len(place)))
    sums = where @ (np.ones((len(place), 1)) if times is None else times.T)
    matrix = sums.T.reshape(-1, n_rows, n_columns)
    total = matrix.sum(axis=-1, keepdims=True)
    matrix = np.divide(matrix, total, out=np.zeros_like(matrix), where=total > 0)
    found: Floats = matrix[0] if times is None else matrix
    return found


def dispersion(n_day: Floats, hits: Floats, n: int = 0, rng: np.random.Generator | None = None) -> tuple[Floats, float]:
    """Scatter of a rate between days, and how much it is to weigh beside others'.

    n_day, hits: labels and hits of each day. The ANOVA estimator, not cut off at 0 so that a mean over classes is not
    too large (M. S. Ridout, C. G. B. Demetrio, D. Firth, Biometrics 55 (1999) 137-148): an array of one element. With
    rng it is of n, with what the labels leave open: the mean square between days is divided by chi-square variates
    (G. E. P. Box, G. C. Tiao, Bayesian Inference in Statistical Analysis (1973), chapter 5), so scaled that its mean is
    the one that was found. The weight is n p (1 - p), or 0 where the scatter cannot be told.
    """
    hits, n_day = hits[n_day > 0], n_day[n_day > 0]
    days, total, k = len(n_day), n_day.sum(), hits.sum()
    if days < 2 or total <= days:
        return np.zeros(max(n, 1)), 0.0
    squares = (hits**2 / n_day).sum()
    within = (k - squares) / (total - days)
    between = np.full(max(n, 1), (squares - k**2 / total) / (days - 1))
    if rng is not None:
        between *= max(days - 3, 0.5) / rng.chisquare(days - 1, n)
    n_0 = (total - (n_day**2).sum() / total) / (days - 1)
    scale = between + (n_0 - 1) * within
    known = scale > 0
    weight = float(k * (1 - k / total)) if known.all() else 0.0
    return np.divide(between - within, scale, out=np.zeros_like(between), where=known), weight


def class_dispersion(labels: Labels, n: int = 0, rng: np.random.Generator | None = None) -> Floats | None:
    """Scatter between days of the share of each true class that is predicted right, 0 to 1: shape (classes, n).

    n, rng: as of `dispersion`. The more labels a class has, the more its own value counts beside the mean of all
    classes, each by its weight; that mean weighs as much as POOLED. None if the labels cannot tell: they are of fewer
    than DAYS_NEEDED days, or no class has labels of several days and more than one on any of them.
    """
    if len(np.unique(labels.day)) < DAYS_NEEDED:
        return None
    told = False
    rho, weight = np.zeros((labels.n_true_classes, max(n, 1))), np.zeros((labels.n_true_classes, 1))
    for name, column in enumerate(labels.own):
        own = labels.truth == name
        if column >= 0 and own.any():
            n_day = np.bincount(labels.day[own]).astype(float)
            hits = np.bincount(labels.day[own], (labels.predicted == column)[own]).astype(float)
            rho[name], weight[name] = dispersion(n_day, hits, n, rng)
            told = told or bool(n_day.sum() > np.count_nonzero(n_day) > 1)
    if not told:
        return None
    mean = np.clip((rho * weight).sum(axis=0) / max(weight.sum(), 1e-9), 0, None)
    both: Floats = np.clip((rho * weight + mean * POOLED) / (weight + POOLED), 0, 0.99)
    return both


# --- days ---


@dataclass(frozen=True)
class Rates:
    """M, of the shape (rows, columns), and what its replicates add to it, of the shape (rows, n, columns).

    own: of each row the column of the same class, -1 without one. of_labels: labels drawn anew. of_day: a day's own
    rates, None if their scatter is not known. rho: the scatter of each row, 0 if it is not known.
    """

    matrix: Floats
    own: NDArray[np.intp]
    of_labels: Floats
    of_day: Floats | None
    rho: Floats


def draw_rates(
    labels: Labels,
    row_of: NDArray[np.intp],
    own: NDArray[np.intp],
    rho: Floats | None,
    n: int,
    rng: np.random.Generator,
) -> Rates:
    """M with what the labels leave open about it.

    row_of, own: as of `rate_matrix` and Rates. rho: the scatter of each row, (rows, n); None: unknown.
    """
    matrix = rate_matrix(labels, row_of)
    drawn = rate_matrix(labels, row_of, labels.drawn_anew(n, rng))
    of_labels = np.ascontiguousarray((drawn - matrix).swapaxes(0, 1))
    if rho is None:
        return Rates(matrix, own, of_labels, None, np.zeros(len(matrix)))
    scatters = rho > 0
    shape = (1 / np.where(scatters, rho, 1) - 1)[:, :, None] * matrix[:, None]
    gamma = rng.standard_gamma(shape)
    total = gamma.sum(axis=-1, keepdims=True)
    day = np.divide(gamma, total, out=np.zeros_like(gamma), where=total > 0)
    of_day = np.where(scatters[:, :, None] & (total > 0), day - matrix[:, None], 0.0)
    return Rates(matrix, own, of_labels, of_day, rho.mean(axis=1))


def solve(counts: Floats, matrix: Floats, variance: Floats | None = None) -> Floats:
    """The true counts, at least 0, that explain the predicted ones best.

    variance: of the predicted ones; None: they are Poisson.
    """
    scale = 1 / np.sqrt(np.maximum(counts, 1) if variance is None else variance)
    found: Floats = nnls(matrix.T * scale[:, None], counts * scale)[0]
    return found


def explain(counts: Floats, rates: Rates) -> tuple[Floats, Floats]:
    """The true counts of days, of the shape (days, rows), and the variances of the predicted ones, (days, columns).

    Where rates scatter from day to day, a large class scatters into the columns of small ones by more than these count.
    If only Poisson noise were allowed for, small columns would pull the large class down, to half of it in simulations.
    So the variance of column j also has the sum over classes i of rho_i x_i^2 M_ij (1 - M_ij), with x of the solution
    before: least squares with weights that are found on the way.
    """
    poisson = np.maximum(counts, 1)
    variance = poisson
    for _ in range(REWEIGHTED if rates.rho.any() else 0):
        found = _solved(counts, rates.matrix, variance)
        variance = poisson + (rates.rho * found**2) @ (rates.matrix * (1 - rates.matrix))
    return _solved(counts, rates.matrix, variance), variance


def _solved(counts: Floats, matrix: Floats, variance: Floats) -> Floats:
    return np.array([solve(of_day, matrix, of_noise) for of_day, of_noise in zip(counts, variance, strict=True)])


@dataclass(frozen=True)
class Days:
    """Corrected counts of days; arrays of the shape (days, rows of M).

    noise: how much of the square of what the correction adds is error: the mean of the error of `found` times that of
    what was added. NaN for rows without a column of their own.
    """

    found: Floats
    low: Floats
    high: Floats
    noise: Floats


def correct_block(counts: Floats, rates: Rates, confidence: float, rng: np.random.Generator) -> Days:
    """The true counts of some days with their limits, which are NaN where the scatter of rates is not known.

    counts: of the shape (days, columns). Each replicate has its own labels, and of each day its own rates. Of
    (M + D)'x = m the solution is taken to first order in what rates of other classes do, and exactly in the class's
    own: a class that was seen at half its rate is twice as many, not half as many again. Counts are Poisson in
    Garwood's way: the lower limit is of gamma variates of shape m, the upper one of shape m + 1 (see `poisson_limits`).
    So a class that is never mistaken has the limits that its uncorrected count has, and a day without a ROI has an
    upper limit.
    """
    n_days, n = len(counts), rates.of_labels.shape[1]
    found, variance = explain(counts, rates)
    scale = 1 / np.sqrt(variance)
    inverse = np.linalg.pinv(rates.matrix.T * scale[:, :, None], rcond=1e-6) * scale[:, None]  # (days, rows, columns)
    of_rates, own = _changed(rates.of_labels, found, inverse)
    of_day = rng.standard_gamma(counts[:, None], size=(n_days, n, counts.shape[1])) - counts[:, None]
    of_counts = of_day @ inverse.swapaxes(1, 2)
    if rates.of_day is not None:
        of_drift, own_drift = _changed(rates.of_day, found, inverse)
        turned = (np.arange(n) + rng.integers(n, size=(n_days, 1))) % n  # no two days have the same rates together
        of_drift = np.take_along_axis(of_drift, turned[:, :, None], axis=1)
        own += np.take_along_axis(own_drift, turned[:, :, None], axis=1)
        of_rates += of_drift
        of_day += of_drift
    seen = of_rates @ inverse.swapaxes(1, 2)
    error = seen + of_counts
    noise = np.where(rates.own < 0, np.nan, (error * (error - of_day[:, :, rates.own])).mean(axis=1))
    if rates.of_day is None:
        return Days(found, np.full(found.shape, np.nan), np.full(found.shape, np.nan), noise)
    one_more = rng.standard_exponential(size=(n_days, n, len(rates.own))) * inverse.max(axis=2)[:, None]
    replicates = found[:, None] + of_counts - (seen - own * found[:, None])
    divisor = np.maximum(1 + own, 0.1)
    low = np.quantile(np.maximum(replicates, 0) / divisor, (1 - confidence) / 2, axis=1)
    high = np.quantile(np.maximum(replicates + one_more, 0) / divisor, (1 + confidence) / 2, axis=1)
    return Days(found, low, high, noise)


def _changed(change: Floats, found: Floats, inverse: Floats) -> tuple[Floats, Floats]:
    """What changed rates do to the counts, (days, n, columns), and to a class by its own row, (days, n, rows)."""
    n_rows, n, n_columns = change.shape
    of_counts = (found @ change.reshape(n_rows, -1)).reshape(-1, n, n_columns)
    of_own = np.matmul(change, inverse.transpose(1, 2, 0)).transpose(2, 1, 0)
    return of_counts, np.ascontiguousarray(of_own)


def share_of_correction(uncorrected: Floats, found: Floats, noise: Floats) -> Floats:
    """How much of the correction of each class to make, 0 to 1; arrays of the shape (days, classes).

    Where labels are few, days have few ROIs of the class, or the classifier's errors cancel out, the correction may be
    mostly noise, and the uncorrected count nearer to the truth. The noise of a day's count is in it: days of a class
    that is rare each day are corrected little, even if the labels say well how far off it is, and their sum is not the
    corrected total. The share that makes the square of the error least is 1 less the mean of the error times
    what is added, over the mean square of what is added, as of James and Stein (Proc. 4th Berkeley Symp. 1 (1961)
    361-379). noise: as of Days. It is taken CAUTION times: errors of labels are the same on all days, so that a class's
    mean square is of one draw only. docs/correction.md shows what other values do.
    """
    square = ((uncorrected - found) ** 2).sum(axis=0)
    own = CAUTION * noise.sum(axis=0)
    share: Floats = np.clip(1 - np.divide(own, square, out=np.ones_like(own), where=square > 0), 0, 1)
    return share


# --- tables ---


@dataclass(frozen=True)
class Bootstrap:
    """How limits are found. rate_dispersion: the scatter of rates between days, or `estimate`: as the labels show."""

    replicates: int = 1000
    rate_dispersion: float | Literal["estimate"] = "estimate"
    seed: int = 1


def as_numbers(rois: pd.DataFrame, columns: Sequence[str], question: Question) -> tuple[Labels, list[str]]:
    """Labelled ROIs as Labels, and the true classes by number.

    rois: as of `class_report.weigh`; the weights of a stratum's labels are its size. columns: what a ROI may be
    predicted as.
    """
    true = sorted(set(rois["truth"]))
    sizes = rois.groupby("stratum")["weight"].sum().round()
    labels = Labels(
        stratum=sizes.index.get_indexer(pd.Index(rois["stratum"])),
        truth=pd.Index(true).get_indexer(pd.Index(rois["truth"])),
        predicted=pd.Index(list(columns)).get_indexer(pd.Index(predicted(rois, question))),
        day=np.unique(rois["date"].to_numpy("str"), return_inverse=True)[1],
        n_rois=sizes.to_numpy("float64"),
        own=pd.Index(list(columns)).get_indexer(pd.Index(true)),
        n_predicted_classes=len(columns),
    )
    return labels, true


def _columns(abundance: pd.DataFrame, rois: pd.DataFrame, question: Question) -> list[str]:
    """What a ROI may be predicted as: the classes, sorted, and `unclassified` the last."""
    return [*sorted({*abundance["class"], *predicted(rois, question)} - {UNCLASSIFIED}), UNCLASSIFIED]


def _too_few(min_labels: int) -> str:
    return f"fewer than {min_labels} labels"


def totals_corrected(
    rois: pd.DataFrame, abundance: pd.DataFrame, question: Question, bootstrap: Bootstrap
) -> pd.DataFrame:
    """ROIs of each class in the whole window: the columns of totals_corrected, sorted by class.

    rois: as of `class_report.weigh`. abundance: the columns class and count of abundance_long, all days and groups.
    """
    labels, true = as_numbers(rois, _columns(abundance, rois, question), question)
    rng = np.random.default_rng(bootstrap.seed)
    found, low, high = totals(labels, bootstrap.replicates, question.confidence, rng)
    n_true = np.bincount(labels.truth, minlength=len(true))
    counts = abundance.groupby("class")["count"].sum()
    place = {name: i for i, name in enumerate(true)}
    rows = []
    for name in sorted({*true, *counts.index} - {UNCLASSIFIED}):
        n = int(n_true[place[name]]) if name in place else 0
        enough = n >= question.min_labels
        values = [float(of[place[name]]) if enough else np.nan for of in (found, low, high)]
        rows.append((name, int(counts.get(name, 0)), *values, n, "" if enough else _too_few(question.min_labels)))
    columns = ["class", "count", "count_corrected", "count_corrected_low", "count_corrected_high", "n_true", "note"]
    return pd.DataFrame(rows, columns=columns)


def abundance_corrected(
    rois: pd.DataFrame, abundance: pd.DataFrame, group_by: Sequence[str], question: Question, bootstrap: Bootstrap
) -> pd.DataFrame:
    """Corrected counts of each day and group: the columns of abundance_corrected, in the order of abundance_long.

    rois: as of `class_report.weigh`. abundance: columns date, those of group_by, class, count and ml_analyzed_total
    of abundance_long. OTHER has a row where people found it; its volume is that of `unclassified`, which is of all
    bins. Classes with too few labels get no corrected count. Limits are NaN, and the note says what to label, where the
    scatter of rates is neither given nor told by the labels (see `class_dispersion`).
    """
    keys = ["date", *group_by]
    columns = _columns(abundance, rois, question)
    labels, true = as_numbers(rois, columns, question)
    rows = abundance[[*keys, "class", "count", "ml_analyzed_total"]]
    rows = rows.assign(day=rows.groupby(keys, sort=False, dropna=False).ngroup())
    counts = rows.pivot(index="day", columns="class", values="count").reindex(columns=columns).fillna(0)
    corrected = correct_days(counts.to_numpy("float64"), columns, labels, true, question, bootstrap)
    classes = rows[rows["class"] != UNCLASSIFIED]
    if OTHER in true and OTHER not in columns:
        whole = rows[rows["class"] == UNCLASSIFIED].copy()
        whole["class"], whole["count"] = OTHER, 0
        classes = pd.concat([classes, whole]).sort_values(["day", "class"], kind="stable")
    table = classes.merge(corrected, on=["day", "class"], how="left")
    for name in ("", "_low", "_high"):
        table[f"objects_per_ml_corrected{name}"] = table[f"count_corrected{name}"] / table["ml_analyzed_total"]
    per_ml = [f"objects_per_ml_corrected{name}" for name in ("", "_low", "_high")]
    return table[
        [*keys, "class", "count", "count_corrected", "ml_analyzed_total", *per_ml, "n_true", "note"]
    ].reset_index(drop=True)


def correct_days(
    counts: Floats,
    columns: Sequence[str],
    labels: Labels,
    true: Sequence[str],
    question: Question,
    bootstrap: Bootstrap,
) -> pd.DataFrame:
    """Correct days: columns day (row of counts), class, count_corrected, ..._low, ..._high, n_true, note.

    counts: of the shape (days, columns). True classes with too few labels are one row of M and get no corrected count.
    """
    rng = np.random.default_rng(bootstrap.seed)
    n_true = np.bincount(labels.truth, minlength=len(true))
    enough = n_true >= question.min_labels
    row_of = np.where(enough, np.cumsum(enough) - 1, enough.sum())
    n, given = bootstrap.replicates, bootstrap.rate_dispersion
    of_class = class_dispersion(labels, n, rng) if given == "estimate" else np.full((len(true), n), given)
    # The row of all classes with few labels scatters as they do on the mean.
    rows = [row_of == row for row in range(int(row_of.max()) + 1)]
    rho = None if of_class is None else np.array([of_class[row].mean(axis=0) for row in rows])
    own = np.array([labels.own[row][0] if enough[row].all() else -1 for row in rows])
    rates = draw_rates(labels, row_of, own, rho, n, rng)
    blocks = [
        correct_block(counts[at : at + BLOCK], rates, question.confidence, rng) for at in range(0, len(counts), BLOCK)
    ]
    no_limits = f"no limits: label ROIs of {DAYS_NEEDED} days or more, several of a class on a day"
    found, low, high, noise = (
        np.concatenate([getattr(days, part) for days in blocks]) for part in ("found", "low", "high", "noise")
    )
    has_own = own >= 0
    uncorrected = counts[:, own[has_own]]
    share = share_of_correction(uncorrected, found[:, has_own], noise[:, has_own])
    found[:, has_own] = share * found[:, has_own] + (1 - share) * uncorrected
    corrected = np.array([found, np.minimum(low, found), np.maximum(high, found)])
    tables = []
    for name in sorted({*true, *columns} - {UNCLASSIFIED}):
        at = list(true).index(name) if name in true else -1
        told = at >= 0 and bool(enough[at])
        limits = corrected[:, :, row_of[at]] if told else np.full((3, len(counts)), np.nan)
        table = pd.DataFrame({"day": np.arange(len(counts)), "class": name})
        table["count_corrected"], table["count_corrected_low"], table["count_corrected_high"] = limits
        table["n_true"] = int(n_true[at]) if at >= 0 else 0
        table["note"] = (no_limits if rho is None else "") if told else _too_few(question.min_labels)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def rate_drift(rois: pd.DataFrame, classes: Sequence[str], question: Question) -> pd.DataFrame:
    """Recall and false positives of each class, month by month, and whether they are the same: rate_drift's columns.

    rois: labelled, with weight. recall: of the ROIs that are of the class, the share predicted as it;
    false_positive_rate: of all others. n_labels: labels of ROIs that are of the class. chi_square, p_same: of the
    class's hits and misses over the periods, and how likely they would differ so by chance, see `chance_of_drift`; NaN
    with one period, or with hits alone or misses alone.
    """
    weight, found = rois["weight"].to_numpy("float64"), predicted(rois, question)
    period = rois["date"].str[:7].to_numpy("str")
    rows = []
    for name in classes:
        hit, own = found == name, (rois["truth"] == name).to_numpy()
        of_period = np.unique(period[own], return_inverse=True)[1]
        n = np.bincount(of_period)
        same = chance_of_drift(n, np.bincount(of_period[hit[own]], minlength=len(n)), len(classes))
        for when in np.unique(period):
            at = period == when
            recall = _share(weight, hit, own & at, question.confidence)
            false = _share(weight, hit, ~own & at, question.confidence)
            rows.append((name, when, int((own & at).sum()), *recall, *false, *same))
    columns = ["class", "period", "n_labels", "recall", "recall_low", "recall_high"]
    columns += ["false_positive_rate", "false_positive_rate_low", "false_positive_rate_high", "chi_square", "p_same"]
    return pd.DataFrame(rows, columns=columns)


def chance_of_drift(n: NDArray[np.intp], hits: NDArray[np.intp], n_classes: int) -> tuple[float, float]:
    """Pearson's chi-square of a class's hits over periods, and how likely it would be as large if recall were the same.

    n: labels of each period, at least one. hits: those of them that are predicted as the class. n_classes: how many
    classes are tested together. NaN, NaN where nothing can differ.

    The chance is a permutation test's: the hits are dealt out to the labels anew. A class that blooms has many periods
    with one or two labels, for which the chi-square distribution gives chances that are far too small. The chance is
    (1 + draws with as large a chi-square) / (1 + draws) (B. Phipson, G. K. Smyth, Stat. Appl. Genet. Mol. Biol. 9
    (2010) 39). A first look at few draws is enough for most classes. Equal tables have equal chances.
    """
    from scipy.stats import chi2_contingency  # takes a second to import

    total, right = int(n.sum()), int(hits.sum())
    if len(n) < 2 or not 0 < right < total:
        return np.nan, np.nan
    found = float(chi2_contingency(np.column_stack([n - hits, hits]), correction=False).statistic)
    expected = n * (right / total)
    variance = expected * (1 - right / total)
    rng = np.random.default_rng(DRIFT_SEED)
    p = 1.0
    for draws in (FIRST_LOOK, max(DRAWS, DRAWS_PER_CLASS * n_classes)):
        dealt = rng.multivariate_hypergeometric(n, right, size=draws)
        # The chi-square of one and the same table may differ in the last digit.
        as_large = ((dealt - expected) ** 2 / variance).sum(axis=1) >= found * (1 - 1e-9)
        p = (1 + int(as_large.sum())) / (1 + draws)
        if p > CLEARLY_SAME:
            break
    return found, p


def drifting(table: pd.DataFrame, alpha: float = 0.05) -> list[str]:
    """The classes of a rate_drift table whose recall differs between periods by more than chance, sorted.

    By Holm's step-down method, so that among many classes that do not drift none is named with a chance of 1 - alpha
    (S. Holm, Scand. J. Stat. 6 (1979) 65-70).
    """
    p = table.drop_duplicates("class").set_index("class")["p_same"].dropna().sort_values()
    refuted = p.to_numpy() * np.arange(len(p), 0, -1) < alpha
    return sorted(p.index[np.logical_and.accumulate(refuted)])


def _share(
    weight: Floats, hit: NDArray[np.bool_], of: NDArray[np.bool_], confidence: float
) -> tuple[float, float, float]:
    total = float(weight[of].sum())
    share = min(float(weight[of & hit].sum()) / total, 1.0) if total else np.nan
    low, high = wilson_limits(share, effective_number(total, (weight[of] ** 2).sum()), confidence)
    return share, float(low), float(high)
