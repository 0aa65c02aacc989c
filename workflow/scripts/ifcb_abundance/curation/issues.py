"""Look for what might be wrong with patches, by the questions, scores and thresholds of cleanvision 0.3.7.

A score is between 0 and 1, and the lower, the worse. Near-duplicates are those of the table `duplicates`.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ifcb_abundance.tables import table_files

VERSION = 1  # of the scores: raise it so that they are made again
# A score below it is an issue.
THRESHOLDS = {"dark": 0.32, "light": 0.05, "blurry": 0.29, "low_information": 0.3, "odd_aspect": 0.35}
EDGES, FEW_PEAKS = 0.01, 0.18  # factor of edges and peaks in the score of blur; peaks that do not count
BITS = 0.1  # factor of the entropy
FAR = 3.0  # interquartile ranges beyond the quartiles, from which on a size is odd
COLUMNS = ["patch", "group", "width", "height", "low", "high", "edges", "peaks", "entropy", "sha256"]

Floats = NDArray[np.float64]


def find_issues(patches: str | Path, duplicates: str | Path, path: str | Path) -> None:
    """Write the table `issues`. patches, duplicates: the tables of these names."""
    table = table_files.read("patches", patches, COLUMNS)
    copies = table_files.read("duplicates", duplicates, ["patch", "exemplar"])
    rows = table[["patch", "group"]].copy()
    for name, score in _scores(table).items():
        rows[f"{name}_score"] = np.clip(score, 0, 1)
        rows[f"is_{name}_issue"] = (score < THRESHOLDS[name]).astype("int64")
    rows["odd_size_score"], odd = odd_sizes(np.sqrt((table["width"] * table["height"]).to_numpy(float)))
    rows["is_odd_size_issue"] = odd.astype("int64")
    # The exemplar is of the set too.
    sets = copies["exemplar"].where(copies["exemplar"] != "", copies["patch"])
    for name, of in (("exact_duplicate", table["sha256"]), ("near_duplicate", sets)):
        sizes = of.map(of.value_counts()).to_numpy(float)
        rows[f"{name}_score"] = 1 / sizes
        rows[f"is_{name}_issue"] = (sizes > 1).astype("int64")
    table_files.write(rows[table_files.columns("issues")], "issues", path)


def _scores(table: pd.DataFrame) -> dict[str, Floats]:
    of = {name: table[name].to_numpy(float) for name in COLUMNS if name not in ("patch", "group", "sha256")}
    # Few grey levels that hold almost all pixels are not blur: an empty picture has little information.
    peaks = 1 - np.exp(-EDGES * of["peaks"])
    blur = 1 - np.exp(-EDGES * of["edges"]) + np.where(peaks > FEW_PEAKS, peaks, 0)
    return {
        "dark": of["high"] / 255,
        "light": 1 - of["low"] / 255,
        "blurry": np.minimum(blur, 1),
        "low_information": np.minimum(BITS * of["entropy"], 1),
        "odd_aspect": np.minimum(of["width"] / of["height"], of["height"] / of["width"]),
    }


def odd_sizes(sizes: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Score sizes by how far they are from the middle of the usual ones; also tell which are odd."""
    if not len(sizes):
        return sizes, np.zeros(0, np.bool_)
    first, third = np.percentile(sizes, [25, 75])
    low, high = first - FAR * (third - first), third + FAR * (third - first)
    middle, gap = (low + high) / 2, high - low
    away = np.abs(sizes - middle) / (gap if gap > 0 else middle)
    scores: Floats = 1 - np.clip(away, 0, 1)
    return scores, scores < (0.5 if gap > 0 else 1.0)
