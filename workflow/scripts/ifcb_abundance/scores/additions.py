"""What `.h5` and `.mat` files say beside the scores: the classifier's thresholds, classes by them, cells per image.

iRfcb and ifcb-pytorch-classify write to `.h5`: `thresholds` (one per class), `class_name` (the class of each ROI by
them), `cell_count` (per ROI; -1 where none were counted, 0 where none were found); to `.mat`:
`TBclass_above_threshold`, `cell_count`. ifcb-analysis' TreeBagger writes `TBclass_above_threshold` too.

Sources: iRfcb (`R/ifcb_save_classification.R`, `R/ifcb_summarize_cell_counts.R`), ifcb-analysis
(`classification/batch_classification/apply_TBclassifier.m`).
"""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ifcb_abundance.classes.labels import UNCLASSIFIED
from ifcb_abundance.common.errors import ScoresError
from ifcb_abundance.common.matlab import CELLS, MATLAB, NUMERIC, read_arrays
from ifcb_abundance.common.precision import PRECISIONS, Precision
from ifcb_abundance.scores.decide import Kept, More
from ifcb_abundance.scores.packed import MOST_BYTES, dataset, decoded

NONE = (UNCLASSIFIED, "", "NA")  # how files say that a ROI is of no class


def read_additions(bin_id: str, body: bytes, labels: tuple[str, ...], n_rois: int, kept: Kept) -> More:
    """Read what is to be kept of a file whose scores were read already.

    Raises ScoresError, naming the bin, if it does not fit to labels and ROIs, or if thresholds are wanted and neither
    they nor the classes by them are there.
    """
    try:
        stored, found = _of_matlab(body, kept) if body.startswith(MATLAB) else _of_hdf5(body, kept)
        thresholds = own = None
        if "thresholds" in found:
            thresholds = _thresholds(found["thresholds"], labels)
        elif "own" in found:
            own = own_classes(found["own"], labels, n_rois)
        cells = cells_of(found["cells"], n_rois) if "cells" in found else None
    except Exception as error:  # the libraries raise whatever a damaged file leads them to
        told = "".join(c if c.isprintable() else "?" for c in str(error)[:200])
        raise ScoresError(f"bin {bin_id}: its class scores cannot be used: {told or type(error).__name__}") from None
    if kept.own and thresholds is None and own is None:
        raise ScoresError(
            f"bin {bin_id}: its class scores bring no thresholds, and no classes by them, which "
            "classify.class_thresholds: from_scores needs. Give a file of thresholds instead"
        )
    return More(thresholds=thresholds, stored=stored, own=own, cells=cells)


def _of_matlab(body: bytes, kept: Kept) -> tuple[Precision, dict[str, Any]]:
    wanted = {"TBclass_above_threshold": CELLS} if kept.own else {}
    wanted |= {"cell_count": NUMERIC} if kept.cells else {}
    arrays = read_arrays(body, wanted, MOST_BYTES)
    names = {"TBclass_above_threshold": "own", "cell_count": "cells"}
    return "float64", {names[name]: array for name, array in arrays.items()}


def _of_hdf5(body: bytes, kept: Kept) -> tuple[Precision, dict[str, Any]]:
    import h5py  # here, for few archives have such files

    names = {"thresholds": "thresholds", "class_name": "own"} if kept.own else {}
    names |= {"cell_count": "cells"} if kept.cells else {}
    with h5py.File(io.BytesIO(body), "r") as file:
        scores = dataset(file, "output_scores" if "output_scores" in file else "scores", body)
        stored: Precision = next((name for name in PRECISIONS if name == scores.dtype.name), "float64")
        found = {said: dataset(file, name, body)[()] for name, said in names.items() if name in file}
    if "own" in found:
        found["own"] = [decoded(label) for label in np.ravel(found["own"])]
    return stored, found


def _thresholds(values: Any, labels: tuple[str, ...]) -> NDArray[np.float64]:
    thresholds = np.ravel(values).astype(np.float64)
    if len(thresholds) != len(labels) or not ((thresholds >= 0) & (thresholds <= 1)).all():
        raise ValueError(f"{len(thresholds)} thresholds for {len(labels)} classes, or thresholds outside 0 to 1")
    return thresholds


def own_classes(names: Sequence[str], labels: tuple[str, ...], n_rois: int) -> NDArray[np.intp]:
    """Return the index of each ROI's class among the labels; -1 if it is of none."""
    position = {label: i for i, label in enumerate(labels)} | dict.fromkeys(NONE, -1)
    if unknown := sorted(set(names) - set(position)):
        raise ValueError(f"it gives ROIs the class {unknown[0]!r}, for which it has no score")
    if len(names) != n_rois:
        raise ValueError(f"classes of {len(names)} ROIs beside scores of {n_rois}")
    return np.array([position[name] for name in names], dtype=np.intp)


def cells_of(values: Any, n_rois: int) -> NDArray[np.float64]:
    """Return how many cells each image shows: NaN where none were counted; one where none were found."""
    cells = np.ravel(values).astype(np.float64)
    if len(cells) != n_rois or (np.isfinite(cells) & ((cells < -1) | (cells != np.floor(cells)))).any():
        raise ValueError(f"{len(cells)} counts of cells for {n_rois} ROIs, or counts that are no whole numbers")
    cells = np.where(np.isfinite(cells) & (cells >= 0), cells, np.nan)
    return np.where(cells == 0, 1.0, cells)
