"""Write what made-up people of known skill say about ROIs of the demo archive: `labels.csv`.

The demo's classifier is right more often at high scores, and takes rare classes for abundant ones that look alike.
"""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from ifcb_abundance.demo.images import family

# How often each of them is right; an error is any other class.
SKILLS: Final = {"person-1": 0.97, "person-2": 0.94, "person-3": 0.90, "person-4": 0.85, "person-5": 0.70}
VOTES: Final = 3  # of each ROI
PER_CLASS: Final = 40  # ROIs that a class won, at most
NO_CLASS: Final = "Strombidium_like"  # what some ciliates are, and no class of the classifier
CILIATES: Final = ("Laboea_strobila", "Mesodinium", "Tintinnida", "ciliate")
NOT_A_CLASS: Final = 0.15  # how often a ROI that one of them won is something else


class Scored(NamedTuple):
    """A ROI with the class that won and its score."""

    roi: str
    winner: str
    score: float


def write_people(path: Path, seed: int, rois: Sequence[Scored], density: Mapping[str, float]) -> None:
    """Write the labels of PER_CLASS ROIs of each class that won, VOTES each. density: how abundant each label is.

    The same arguments give the same bytes.
    """
    rng = np.random.Generator(np.random.PCG64([seed, 5]))
    names = sorted(density)
    by_winner: dict[str, list[Scored]] = {}
    for roi in rois:
        by_winner.setdefault(roi.winner, []).append(roi)
    rows: list[tuple[str, str, str]] = []
    people = list(SKILLS)
    for winner, won in sorted(by_winner.items()):
        alike = [name for name in names if name != winner and family(name) == family(winner)]
        weights = np.array([density[name] for name in alike])
        for i in rng.choice(len(won), min(PER_CLASS, len(won)), replace=False):
            truth = winner
            if winner in CILIATES and rng.random() < NOT_A_CLASS:
                truth = NO_CLASS
            elif alike and rng.random() > 0.35 + 0.63 * won[i].score:
                truth = alike[rng.choice(len(alike), p=weights / weights.sum())]
            for j in sorted(rng.choice(len(people), VOTES, replace=False)):
                said = truth
                if rng.random() > SKILLS[people[j]]:
                    said = rng.choice([name for name in names if name != truth])
                rows.append((won[i].roi, said, people[j]))
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["roi", "label", "person"])
        out.writerows(sorted(rows))
