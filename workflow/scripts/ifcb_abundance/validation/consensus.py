"""What people agree on: one class per ROI out of the labels of several persons, and how good each person is.

Source of the skills: A. P. Dawid, A. M. Skene, Maximum likelihood estimation of observer error-rates using the EM
algorithm, Appl. Stat. 28 (1979) 20-28, here with one skill a person: a person is right with that probability, and an
error is equally likely any other class. A matrix of errors for each person was tried and does worse than the plain
vote, since few people label enough.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

AGREED, TOO_FEW, TIE, NONE, LOW_AGREEMENT = "agreed", "too_few", "tie", "none", "low_agreement"
ROUNDS = 200  # of the estimation of skills, at most
CLOSE = 1e-9  # two classes whose weights differ by less are tied


@dataclass(frozen=True)
class Rules:
    """When people agree.

    people: whether each vote counts the same (`vote`) or by the person's skill (`skill`). repeat: which label of a
    person who labelled a ROI more than once counts. none_labels: labels that say that a ROI cannot be named.
    min_votes: fewer are too few. min_agreement: share of the votes that the winner needs.
    """

    people: Literal["vote", "skill"] = "vote"
    repeat: Literal["first", "last", "all"] = "first"
    none_labels: Sequence[str] = ()
    min_votes: int = 1
    min_agreement: float = 0.5


@dataclass(frozen=True)
class Votes:
    """Votes as indices into ROIs, classes and persons; arrays have an element per vote."""

    rois: list[str]
    classes: list[str]
    persons: list[str]
    roi: NDArray[np.intp]
    label: NDArray[np.intp]
    person: NDArray[np.intp]

    def tally(self, weight: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """The sum of the votes' weights, 1 each if there are none, of the shape (ROIs, classes)."""
        shape = (len(self.rois), len(self.classes))
        place = np.ravel_multi_index((self.roi, self.label), shape)
        return np.bincount(place, weight, minlength=shape[0] * shape[1]).reshape(shape).astype(float)

    @property
    def shared(self) -> NDArray[np.bool_]:
        """Whether somebody else voted on the ROI of each vote too; votes without a name are of different people."""
        pair = self.roi * len(self.persons) + self.person
        _, place, times = np.unique(pair, return_inverse=True, return_counts=True)
        nameless = np.array(self.persons, dtype="str")[self.person] == ""
        return np.bincount(self.roi)[self.roi] > np.where(nameless, 1, times[place])


def agree(labels: pd.DataFrame, rules: Rules) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The consensus on each ROI, and the persons.

    labels: columns roi, label, person, created, as of `labels.read_labels`, with times that `label_times.check_order`
    lets pass; labels without a person count as those of different persons. Returns the columns of `consensus`, with
    `class_by_vote` beside them where people weigh by skill, and those of `people`.
    """
    votes = find_votes(_repeated(labels, rules.repeat))
    counts = votes.tally()
    skill, evidence = find_skills(votes)
    weights = evidence if rules.people == "skill" else counts
    consensus, winner = _decide(votes, counts, weights, rules)
    judged = votes.shared & (winner[votes.roi] >= 0)
    n = len(votes.persons)
    asked = np.bincount(votes.person[judged], minlength=n)
    right = np.bincount(votes.person[judged], (votes.label == winner[votes.roi])[judged], minlength=n)
    pairs = np.unique(np.column_stack([votes.person, votes.roi]), axis=0)
    people = pd.DataFrame(
        {
            "person": pd.Series(votes.persons, dtype="str"),
            "n_rois": np.bincount(pairs[:, 0], minlength=n),
            "agreement": np.where(asked > 0, right / np.maximum(asked, 1), np.nan),
            "skill": skill,
        }
    )
    return (consensus if rules.people == "skill" else consensus.drop(columns="class_by_vote")), people


def _repeated(labels: pd.DataFrame, repeat: str) -> pd.DataFrame:
    """The labels that count of persons who labelled a ROI more than once; nameless ones are persons of their own."""
    if repeat == "all" or labels.empty:
        return labels
    ordered = labels.sort_values("created", kind="stable")
    again = ordered.duplicated(["roi", "person"], keep="first" if repeat == "first" else "last")
    return ordered[~again | (ordered["person"] == "")].sort_index()


def find_votes(labels: pd.DataFrame) -> Votes:
    """The labels as votes; ROIs, classes and persons are sorted."""
    columns = [np.unique(labels[name].to_numpy("str"), return_inverse=True) for name in ("roi", "label", "person")]
    (rois, roi), (classes, label), (persons, person) = columns
    return Votes(rois.tolist(), classes.tolist(), persons.tolist(), roi, label, person)


def find_skills(votes: Votes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Each person's skill, and how likely each class of a ROI is, of the shape (ROIs, classes).

    Only ROIs on which several people voted tell skills apart: a person without one has none (NaN), and in a vote the
    mean skill of the others. The skill is (hits + 1) / (votes + 2), as if each had one hit and one error beside. Votes
    without a name have one skill in common. A ROI whose voters are no better than chance, as far as is known, has the
    shares of its votes: where nobody overlaps, that is so of all ROIs with two classes.
    """
    n_classes, n_persons = max(len(votes.classes), 2), len(votes.persons)
    counts = votes.tally()
    shared = votes.shared
    cast = np.bincount(votes.person[shared], minlength=n_persons)
    by_vote = likely = counts / counts.sum(axis=1, keepdims=True) if len(counts) else counts
    skill = np.full(n_persons, 0.5)
    for _ in range(ROUNDS):
        before = skill
        hits = np.bincount(votes.person[shared], likely[votes.roi, votes.label][shared], minlength=n_persons)
        skill = (hits + 1) / (cast + 2)
        if cast.any():
            skill = np.where(cast > 0, skill, np.average(skill, weights=cast))
        gain = np.log(skill) - np.log((1 - skill) / (n_classes - 1))
        evidence = votes.tally(gain[votes.person])
        evidence -= evidence.max(axis=1, keepdims=True, initial=-np.inf)
        likely = np.exp(evidence)
        likely /= likely.sum(axis=1, keepdims=True)
        told = np.bincount(votes.roi, np.abs(gain[votes.person]) > CLOSE, minlength=len(votes.rois)) > 0
        likely = np.where(told[:, None], likely, by_vote)
        if np.abs(skill - before).max(initial=0) < CLOSE:
            break
    return np.where(cast > 0, skill, np.nan), likely


def _decide(
    votes: Votes, counts: NDArray[np.float64], weights: NDArray[np.float64], rules: Rules
) -> tuple[pd.DataFrame, NDArray[np.intp]]:
    """The consensus, and the index of the class that was agreed on, -1 if none was."""
    n_votes = counts.sum(axis=1)
    names = np.array([*votes.classes, ""], dtype=object)
    winner, lead = _winners(weights)
    by_vote, ahead = _winners(counts)
    agreement = counts[np.arange(len(counts)), winner] / n_votes
    status = np.select(
        [
            n_votes < rules.min_votes,
            lead < CLOSE,
            np.isin(names[winner].astype("str"), list(rules.none_labels)),
            agreement < rules.min_agreement,
        ],
        [TOO_FEW, TIE, NONE, LOW_AGREEMENT],
        AGREED,
    )
    agreed = np.where(status == AGREED, winner, -1)
    consensus = pd.DataFrame(
        {
            "roi": pd.Series(votes.rois, dtype="str"),
            "status": pd.Series(status, dtype="str"),
            "class": pd.Series(names[agreed], dtype="str"),
            "n_votes": n_votes.astype("int64"),
            "agreement": agreement,
            "class_by_vote": pd.Series(names[np.where(ahead < CLOSE, -1, by_vote)], dtype="str"),
        }
    )
    return consensus, agreed


def _winners(weights: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Of weights of the shape (ROIs, classes), which class has the highest, and by how much it leads."""
    if not weights.size:
        return np.zeros(len(weights), np.intp), np.zeros(len(weights))
    ordered = np.sort(np.column_stack([np.full(len(weights), -1.0), weights]), axis=1)
    return weights.argmax(axis=1), ordered[:, -1] - ordered[:, -2]
