"""How often the classifier is right, by what people see: rates with their limits, per class and threshold.

Each labelled ROI stands for as many as there are in its stratum per label (D. G. Horvitz, D. J. Thompson, J. Am. Stat.
Assoc. 47 (1952) 663-685). Rates are those of all ROIs of the window, not of the labelled ones, of which rare classes
have more than their share. Limits are Wilson's with Kish's effective number.

Tables of labelled ROIs have the columns roi, bin, date (the bin's UTC day), class (the winner), score, band,
truth (people's class) and, once `weigh` has seen them, stratum (a number) and weight.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ifcb_abundance.classes.labels import UNCLASSIFIED
from ifcb_abundance.common.errors import ScoresError, quoted
from ifcb_abundance.common.intervals import effective_number, wilson_limits
from ifcb_abundance.common.precision import Precision
from ifcb_abundance.common.words import counted
from ifcb_abundance.validation.consensus import AGREED
from ifcb_abundance.validation.sampling import Bands

log = logging.getLogger("ifcb.validation")

GRID = np.arange(101) / 100
FOLDS = 5
Criterion = Literal["precision", "f1", "balance"]


@dataclass(frozen=True)
class Question:
    """What is asked of the labels. min_labels: fewer are noted, and give no threshold. confidence: of the limits.

    threshold, class_thresholds, precision: as of Method. criterion, target_precision: of the thresholds that are
    chosen.
    """

    threshold: float = 0.7
    class_thresholds: Mapping[str, float] = field(default_factory=dict)
    precision: Precision = "float16"
    confidence: float = 0.95
    min_labels: int = 10
    criterion: Criterion = "precision"
    target_precision: float = 0.9

    def threshold_of(self, name: str) -> float:
        """The threshold of a class."""
        return self.class_thresholds.get(name, self.threshold)


# --- weights ---


def labelled_rois(consensus: pd.DataFrame, winners: pd.DataFrame, bands: Bands) -> pd.DataFrame:
    """The ROIs that people agreed on, beside what the classifier thinks of them: columns roi, bin, date, ..., truth.

    consensus: columns roi, status, class, as of `consensus.agree`. winners: columns roi, bin, date, class, score, those
    of other ROIs too; `sampling.place_rois` gives a bin's. ROIs without scores are left out with a warning.
    """
    agreed = consensus.loc[consensus["status"] == AGREED, ["roi", "class"]].rename(columns={"class": "truth"})
    found = agreed.merge(winners[["roi", "bin", "date", "class", "score"]], on="roi")
    if lost := len(agreed) - len(found):
        first = quoted(sorted(set(agreed["roi"]) - set(found["roi"]))[:3])
        log.warning(f"validation: {counted(lost, 'labelled ROI')} without scores left out, such as {first}")
    band = np.where(found["class"] == UNCLASSIFIED, 0, bands.of(found["score"].to_numpy("float64")))
    columns = ["roi", "bin", "date", "class", "score", "band", "truth"]
    return found.assign(band=band)[columns].sort_values("roi", ignore_index=True)


def weigh(rois: pd.DataFrame, sizes: pd.DataFrame) -> pd.DataFrame:
    """Give labelled ROIs, of any number of rounds, their strata and weights: two more columns.

    sizes: columns class, band, n_rois, of all used bins. A stratum without any label joins the nearest band of its
    winner that has labels, the lower one of two as near. ROIs whose winner has no label at all are left out of the
    weights with a warning. Raises ScoresError if a label is of a stratum without ROIs.
    """
    n_labels = rois.groupby(["class", "band"]).size().rename("n_labels").reset_index()
    strata = sizes[sizes["n_rois"] > 0].merge(n_labels, on=["class", "band"], how="outer")
    if strata["n_rois"].isna().any():
        odd = strata[strata["n_rois"].isna()].iloc[0]
        raise ScoresError(
            f"people labelled ROIs that {odd['class']} won, at scores of which the scores summaries have no ROI: the "
            "scores are no longer those that were counted. See `snakemake recheck`"
        )
    strata["n_labels"] = strata["n_labels"].fillna(0).astype("int64")
    strata["n_rois"] = strata["n_rois"].astype("int64")
    strata["stratum"] = -1
    for _, own in strata.groupby("class"):
        there = own[own["n_labels"] > 0]
        if len(there):
            far = np.abs(own["band"].to_numpy()[:, None] - there["band"].to_numpy())
            strata.loc[own.index, "stratum"] = there.index.to_numpy()[far.argmin(axis=1)]
    used = strata[strata["stratum"] >= 0]
    left_out = int(strata.loc[strata["stratum"] < 0, "n_rois"].sum())
    if left_out:
        names = sorted(set(strata.loc[strata["stratum"] < 0, "class"]))
        log.warning(
            f"validation: no label of a ROI that {quoted(names[:5])}{' and others' * (len(names) > 5)} won: "
            f"{counted(left_out, 'ROI')} of {int(strata['n_rois'].sum()):,} are left out of all rates"
        )
    joined = used.groupby("stratum")[["n_rois", "n_labels"]].sum()
    weight = joined["n_rois"] / joined["n_labels"]
    placed = rois.merge(used[["class", "band", "stratum"]], on=["class", "band"], how="left")
    return placed.assign(weight=placed["stratum"].map(weight))


def predicted(rois: pd.DataFrame, question: Question) -> NDArray[np.object_]:
    """The class of each ROI, UNCLASSIFIED below the threshold of its winner: as `summary.labels_of_rois`."""
    needed = rois["class"].map(question.threshold_of).to_numpy("float64")
    kept = rois["score"].to_numpy().astype(question.precision) >= needed.astype(question.precision)  # NaN is not
    found: NDArray[np.object_] = np.where(kept, rois["class"].to_numpy(object), UNCLASSIFIED)
    return found


# --- tables ---


def confusion(rois: pd.DataFrame, question: Question) -> pd.DataFrame:
    """True against predicted classes: labels, and the ROIs that they stand for; no row where there is no label."""
    table = rois.assign(true_class=rois["truth"], predicted_class=predicted(rois, question))
    grouped = table.groupby(["true_class", "predicted_class"], as_index=False)
    return grouped.agg(n_labels=("weight", "size"), n_rois=("weight", "sum"))


def rates(rois: pd.DataFrame, name: str, thresholds: NDArray[np.float64], question: Question) -> pd.DataFrame:
    """Precision and recall of a class at each threshold, with limits: a row per threshold, the columns of class_curve.

    What has no ROI to be told from is NaN.
    """
    weight = rois["weight"].to_numpy()
    won, true = (rois["class"] == name).to_numpy(), (rois["truth"] == name).to_numpy()
    score = rois["score"].to_numpy().astype(question.precision)
    kept = score[won, None] >= thresholds.astype(question.precision)  # (labels, thresholds)
    of_won, right = weight[won], (weight * true)[won]
    hits, all_predicted = right @ kept, of_won @ kept
    all_true = weight[true].sum()
    with np.errstate(invalid="ignore", divide="ignore"):
        # No larger than 1: sums of weights in another order differ in the last digit.
        precision = np.minimum(hits / all_predicted, 1)
        recall = np.minimum(hits / np.full(len(thresholds), all_true), 1)
        f1 = np.minimum(2 * hits / (all_predicted + all_true), 1)
    n_of_precision = effective_number(all_predicted, of_won**2 @ kept)
    n_of_recall = effective_number(all_true, (weight[true] ** 2).sum())
    low, high = wilson_limits(precision, n_of_precision, question.confidence)
    recall_low, recall_high = wilson_limits(recall, n_of_recall, question.confidence)
    return pd.DataFrame(
        {
            "class": pd.Series([name] * len(thresholds), dtype="str"),
            "threshold": thresholds,
            "n_predicted": kept.sum(axis=0),
            "n_true": int(true.sum()),
            "precision": precision,
            "precision_low": low,
            "precision_high": high,
            "recall": recall,
            "recall_low": recall_low,
            "recall_high": recall_high,
            "f1": f1,
            "note": _notes(kept.sum(axis=0), int(true.sum()), question.min_labels),
        }
    )


def _notes(n_predicted: NDArray[np.int64], n_true: int, min_labels: int) -> pd.Series:
    """What there are too few labels of, for each threshold."""
    thin = {"predicted": n_predicted < min_labels, "true": np.full(len(n_predicted), n_true < min_labels)}
    return pd.Series(
        [
            ", ".join(f"fewer than {min_labels} {what}" for what, few in thin.items() if few[i])
            for i in range(len(n_predicted))
        ],
        dtype="str",
    )


def class_report(rois: pd.DataFrame, classes: Sequence[str], question: Question) -> pd.DataFrame:
    """Precision and recall of each class at its threshold; a note where there are too few labels to tell."""
    tables = [rates(rois, name, np.array([question.threshold_of(name)]), question) for name in classes]
    return pd.concat(tables, ignore_index=True)


def class_curve(rois: pd.DataFrame, classes: Sequence[str], question: Question) -> pd.DataFrame:
    """Precision and recall of each class at thresholds 0, 0.01, ..., 1."""
    return pd.concat([rates(rois, name, GRID, question) for name in classes], ignore_index=True)


def reliability(rois: pd.DataFrame, bands: Bands, question: Question) -> pd.DataFrame:
    """How often the winner is right, by class and band of scores, beside the mean score of the band."""
    scored = rois[rois["class"] != UNCLASSIFIED]
    weighed = scored.assign(
        right=scored["weight"] * (scored["class"] == scored["truth"]),
        scored=scored["weight"] * scored["score"],
        square=scored["weight"] ** 2,
    )
    grouped = weighed.groupby(["class", "band"], as_index=False).agg(
        n_labels=("weight", "size"),
        weight=("weight", "sum"),
        right=("right", "sum"),
        scored=("scored", "sum"),
        square=("square", "sum"),
    )
    share = np.minimum((grouped["right"] / grouped["weight"]).to_numpy("float64"), 1)
    low, high = wilson_limits(share, effective_number(grouped["weight"], grouped["square"]), question.confidence)
    ends = np.array([bands.limits(band) for band in grouped["band"]]).reshape(-1, 2)
    return pd.DataFrame(
        {
            "class": grouped["class"],
            "score_low": ends[:, 0],
            "score_high": ends[:, 1],
            "n_labels": grouped["n_labels"],
            "mean_score": grouped["scored"] / grouped["weight"],
            "share_right": share,
            "share_right_low": low,
            "share_right_high": high,
        }
    )


# --- thresholds ---


def choose_thresholds(
    rois: pd.DataFrame, classes: Sequence[str], question: Question, seed: int
) -> tuple[pd.DataFrame, dict[str, str]]:
    """The threshold of each class that the criterion asks for, and the classes that have none, each with the reason.

    They have too few labels, or the classifier is never right about them: then no threshold helps.

    precision_cv: the precision on labels that the threshold was not chosen on: chosen on the bins of four folds, judged
    on the fifth, so five times. NaN with fewer bins than folds.
    """
    bins = sorted(set(rois["bin"]))
    fold_of = dict(zip(np.random.default_rng(seed).permutation(bins), np.arange(len(bins)) % FOLDS, strict=True))
    fold = rois["bin"].map(fold_of)
    rows, left_out = [], {}
    for name in classes:
        curve = rates(rois, name, GRID, question)
        if int(curve["n_true"].iloc[0]) < question.min_labels or curve["n_predicted"].max() < question.min_labels:
            left_out[name] = f"fewer than {question.min_labels} labels"
            continue
        if not curve["precision"].max() > 0:
            left_out[name] = "never right"
            continue
        at, note = _chosen(curve, question)
        chosen = curve.iloc[at]
        rows.append(
            {
                "class": name,
                "threshold": chosen["threshold"],
                "criterion": question.criterion,
                "precision": chosen["precision"],
                "recall": chosen["recall"],
                "precision_cv": _judged(rois, name, fold, question) if len(bins) >= FOLDS else np.nan,
                "n_predicted": int(chosen["n_predicted"]),
                "note": note,
            }
        )
    columns = ["class", "threshold", "criterion", "precision", "recall", "precision_cv", "n_predicted", "note"]
    return pd.DataFrame(rows, columns=columns), left_out


def _chosen(curve: pd.DataFrame, question: Question) -> tuple[int, str]:
    """Which row of a curve the criterion takes; only rows with enough predicted labels, if there are any."""
    enough = (curve["n_predicted"] >= question.min_labels).to_numpy()
    enough = enough if enough.any() else (curve["n_predicted"] > 0).to_numpy()
    if question.criterion == "f1":
        return int(np.where(enough, curve["f1"], -1).argmax()), ""
    if question.criterion == "balance":
        # False positives less false negatives are all predicted less all true ones.
        off = np.abs((curve["recall"] / curve["precision"]).to_numpy() - 1)
        return int(np.where(enough & ~np.isnan(off), off, np.inf).argmin()), ""
    precision = np.where(enough, curve["precision"], -1)
    needed = question.target_precision - 1e-9  # 27 of 30 reach 0.9: sums of weights differ in the last digit
    reached = precision >= needed
    if reached.any():
        return int(reached.argmax()), ""
    thin = (curve["precision"] >= needed).any()  # one that is left out does
    which = f" with {question.min_labels} or more predicted labels" if thin else ""
    return int(precision.argmax()), f"no threshold{which} reaches a precision of {question.target_precision:g}"


def _judged(rois: pd.DataFrame, name: str, fold: pd.Series, question: Question) -> float:
    hits = total = 0.0
    for number in range(FOLDS):
        curve = rates(rois[fold != number], name, GRID, question)
        if not curve["n_predicted"].max():
            continue
        threshold = np.asarray(curve["threshold"].iloc[_chosen(curve, question)[0]]).astype(question.precision)
        held = rois[(fold == number) & (rois["class"] == name)]
        weight = held["weight"].to_numpy() * (held["score"].to_numpy().astype(question.precision) >= threshold)
        hits += float(weight[(held["truth"] == name).to_numpy()].sum())
        total += float(weight.sum())
    return hits / total if total else np.nan
