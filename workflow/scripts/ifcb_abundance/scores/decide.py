"""How scores become classes: the rules, the thresholds, and what a score file says of itself.

A ROI counts for classes by one of three rules. `winner`: the class of the highest score, if that reaches its threshold.
`above_own`: of the classes that reach their own thresholds the one with the highest score. `each`: every class that
reaches its own threshold, so that a ROI may count more than once, or not at all. For a class that several labels are
merged into it counts once: by that one of its labels that reaches its threshold with the highest score.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product, starmap
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ifcb_abundance.classes.class_table import LabelTable
from ifcb_abundance.classes.labels import UNCLASSIFIED
from ifcb_abundance.common.errors import ScoresError
from ifcb_abundance.common.precision import Precision
from ifcb_abundance.config.model import Rule


@dataclass(frozen=True)
class Kept:
    """What is kept of a bin's score file beside the winners, because the config asks for it.

    own: the classifier's thresholds, or the class of each ROI by them. cells: how many cells an image shows.
    all_scores: the scores of all classes.
    """

    own: bool = False
    cells: bool = False
    all_scores: bool = False

    @property
    def names(self) -> list[str]:
        """Names of what is kept."""
        return [name for name, wanted in vars(self).items() if wanted]

    @property
    def or_more(self) -> Iterator["Kept"]:
        """This, and then all that is more."""
        return starmap(Kept, product(*((True,) if wanted else (False, True) for wanted in vars(self).values())))


@dataclass(frozen=True)
class Decision:
    """By what a ROI counts for a class.

    threshold: for classes that class_thresholds does not name. precision: in which scores and thresholds are compared.
    from_scores: the thresholds are those of the score file. table: says which labels are one class.
    """

    threshold: float
    class_thresholds: Mapping[str, float] = field(default_factory=dict)
    precision: Precision = "float16"
    rule: Rule = "winner"
    from_scores: bool = False
    table: LabelTable = field(default_factory=LabelTable)


@dataclass(frozen=True)
class More:
    """What is known of ROIs, or of rows of a summary, beside their winners; None for what was not kept.

    thresholds: of the classifier, by class, and stored: the precision of the scores that it was compared with. own: the
    class by these thresholds, an index, -1 if unclassified; for files that say the class and not the thresholds.
    cells: per image, NaN if not known. scores: of all classes, shape (ROIs, classes), NaN for missing ones.
    """

    thresholds: NDArray[np.float64] | None = None
    stored: Precision = "float64"
    own: NDArray[np.intp] | None = None
    cells: NDArray[np.float64] | None = None
    scores: NDArray[np.float64] | None = None


class Scored(Protocol):
    """Winners of rows, with what was kept beside them."""

    @property
    def score(self) -> NDArray[np.float64]:
        """The highest score of each row."""

    @property
    def winner(self) -> Mapping[Precision, NDArray[np.intp]]:
        """Its class in each precision, -1 without any."""

    @property
    def more(self) -> More:
        """What was kept beside."""


def needed_scores(
    classes: tuple[str, ...], threshold: float, class_thresholds: Mapping[str, float], precision: Precision
) -> NDArray[np.floating[Any]]:
    """Give the score that each class needs, rounded to `precision`."""
    if not class_thresholds:
        return np.full(len(classes), threshold, dtype=precision)
    return np.array([class_thresholds.get(name, threshold) for name in classes]).astype(precision)


def decide(classes: tuple[str, ...], found: Scored, decision: Decision) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Decide which rows count for which classes: indices of rows and, in the same order, of classes.

    A row without any is unclassified. Raises ScoresError if what the rule needs was not kept.
    """
    precision, more = decision.precision, found.more
    if not classes:
        return np.empty(0, np.intp), np.empty(0, np.intp)
    if decision.from_scores:
        if more.thresholds is None:
            return _as_stated(more, decision.rule)
        precision = more.stored
        needed: NDArray[np.floating[Any]] = more.thresholds.astype(precision)
    else:
        needed = needed_scores(classes, decision.threshold, decision.class_thresholds, precision)
    if decision.rule == "winner":
        winner = found.winner[precision]
        kept = (winner >= 0) & (found.score.astype(precision) >= needed[winner])
        return np.flatnonzero(kept), winner[kept]
    if more.scores is None:
        raise ScoresError(f"classify.rule: {decision.rule} needs the scores of all classes, which were not kept")
    scores = more.scores.astype(precision)
    reached = scores >= needed  # False for a missing one
    if decision.rule == "each":
        if decision.table.merges:
            _keep_one_of_each_class(reached, scores, classes, decision.table)
        rows, members = np.nonzero(reached)
        return rows, members
    best = np.where(reached, scores, -1).argmax(axis=1)
    rows = np.flatnonzero(reached.any(axis=1))
    return rows, best[rows]


def single_class(decision: Decision) -> Decision:
    """The same with one class for each row: in place of `each`, of the classes it counts for that of the best score."""
    return replace(decision, rule="above_own") if decision.rule == "each" else decision


class Outcome(NamedTuple):
    """What became of rows, each of which is here once, or not at all if it has no valid score.

    rows, members: indices of rows and classes. score: of the row for the class. counted: whether it counts for the
    class; otherwise it counts for none, and the class is the one with the highest score. thresholds: what each class
    needs, NaN where it is not known.
    """

    rows: NDArray[np.intp]
    members: NDArray[np.intp]
    score: NDArray[np.float64]
    counted: NDArray[np.bool_]
    thresholds: NDArray[np.float64]


def outcome(classes: tuple[str, ...], found: Scored, decision: Decision) -> Outcome:
    """Find for each row the class that it counts for, or else the one that has its highest score.

    Where a file states classes and no thresholds, rows of one class may have the same score and not the same outcome.
    Only those that count are returned then. Raises ScoresError as `decide` does.
    """
    more = found.more
    thresholds = np.array([decision.class_thresholds.get(name, decision.threshold) for name in classes], np.float64)
    precision = decision.precision
    if decision.from_scores:
        thresholds = np.full(len(classes), np.nan) if more.thresholds is None else more.thresholds
        precision = decision.precision if more.thresholds is None else more.stored
    if not len(found.score):
        none = np.empty(0, np.intp)
        return Outcome(none, none, np.empty(0), np.empty(0, np.bool_), thresholds)
    rows, members = decide(classes, found, single_class(decision))
    by_winner = decision.rule == "winner" or more.scores is None
    score = found.score[rows] if by_winner else more.scores[rows, members]  # type: ignore[index]
    missed = found.winner[precision] >= 0
    missed[rows] = False
    others = np.flatnonzero(missed)
    if more.own is not None:
        taken = set(zip(members.tolist(), score.tolist(), strict=True))
        pairs = zip(found.winner[precision][others].tolist(), found.score[others].tolist(), strict=True)
        others = others[[pair not in taken for pair in pairs]]
    return Outcome(
        np.append(rows, others),
        np.append(members, found.winner[precision][others]),
        np.append(score, found.score[others]),
        np.arange(len(rows) + len(others)) < len(rows),
        thresholds,
    )


def _keep_one_of_each_class(
    reached: NDArray[np.bool_], scores: NDArray[np.floating[Any]], classes: Sequence[str], table: LabelTable
) -> None:
    """Of the labels that are merged into one class, before or after pooling, keep the one with the highest score.

    So the counts of labels add up to ROIs of the class. Changes `reached`; the first label counts among equals.
    """
    of_class: dict[str, list[int]] = {}
    for member, label in enumerate(classes):
        of_class.setdefault(label if label == UNCLASSIFIED else table.merged(label), []).append(member)
    for members in of_class.values():
        if len(members) > 1:
            best = np.where(reached[:, members], scores[:, members], -1).argmax(axis=1)
            reached[:, members] &= best[:, np.newaxis] == np.arange(len(members))


def _as_stated(more: More, rule: Rule) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The classes that the score file states."""
    if more.own is None:
        raise ScoresError("the class scores bring no thresholds, which classify.class_thresholds: from_scores needs")
    if rule == "each":
        raise ScoresError(
            "the class scores bring the class of each ROI and no thresholds, so classify.rule: each cannot be applied"
        )
    rows = np.flatnonzero(more.own >= 0)
    return rows, more.own[rows]
