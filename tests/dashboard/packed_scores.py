"""Class scores in a classifier's own files, read as the dashboard's library reads them: with what it stumbles over.

For some files that are all right it has only an error, each time: labels in non-ASCII in `.h5`, a `.mat` (version 1) of
one ROI, whose matrix it takes for a list, and ROI numbers that are stored as floats, which it cannot write as digits.
Seen of the application in versions 5.0 to 5.2; what fails there raises ValueError here.
"""

from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat

SUFFIXES = ("_class.h5", "_class_v2.h5", "_class_v3.h5", "_class_v1.mat")


def read_packed(path: Path, pid: str) -> tuple[list[str], list[str], NDArray[np.floating]]:
    """The header's labels, the ids of the ROIs, and their scores of the shape (ROIs, classes)."""
    labels, numbers, scores = _read_mat(path) if path.suffix == ".mat" else _read_h5(path)
    if scores.ndim != 2:
        raise ValueError("one ROI: not a matrix")
    if numbers.dtype.kind == "f":
        raise ValueError("ROI numbers that are floats")
    return labels, [f"{pid}_{number:05d}" for number in numbers.tolist()], scores


def _read_mat(path: Path) -> tuple[list[str], NDArray[np.generic], NDArray[np.floating]]:
    file = loadmat(path, squeeze_me=True)
    return [str(label) for label in file["class2useTB"][:-1]], np.atleast_1d(file["roinum"]), file["TBscores"]


def _read_h5(path: Path) -> tuple[list[str], NDArray[np.generic], NDArray[np.floating]]:
    with h5py.File(path, "r") as file:
        scores = file["output_scores" if "output_scores" in file else "scores"]
        labels = file["class_labels"][()] if "class_labels" in file else scores.attrs["class_labels"]
        texts = [label if isinstance(label, bytes) else str(label).encode() for label in labels]
        return [text.decode("ascii") for text in texts], file["roi_numbers"][()], scores[()]
