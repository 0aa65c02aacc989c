"""What a bin has of each class, and the columns of abundance that not every config has: cells, rules, own thresholds.

Labels that the class table merges into one class before pooling are one class here; those that it merges after pooling
are kept apart in the table of bins, and are one class in the tables of days.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ifcb_abundance.classes.class_table import BEFORE
from ifcb_abundance.classes.labels import UNCLASSIFIED
from ifcb_abundance.pooling.core import COUNT, BinValues, Columns, Floats, Pooled, shared_value
from ifcb_abundance.pooling.method import CELL_SUM, LIMITS, N_ROIS, SEVERAL, THRESHOLD, UNCOUNTED, Method
from ifcb_abundance.scores.summary import Counts


def values_of_bin(
    classes: Sequence[str], found: Counts, n_rois: int, thresholds: NDArray[np.float64] | None, method: Method
) -> BinValues:
    """Return the counts of a bin per class, `unclassified` last, and the further quantities that the method needs.

    thresholds: the classifier's, by class. Labels are merged that the class table makes one class before pooling.
    """
    counted = counts_of_bin(classes, found.counts, n_rois, n_rois - found.classified)
    own = [i for i, name in enumerate(classes) if name != UNCLASSIFIED]
    values = dict(counted.values)
    if method.rule == "each":
        values[N_ROIS] = np.full(len(counted.classes), float(n_rois))
    if THRESHOLD in method.quantities:
        if not method.from_scores:
            thresholds = np.array([method.class_thresholds.get(name, method.threshold) for name in classes])
        known = np.full(len(classes), np.nan) if thresholds is None else thresholds
        values[THRESHOLD] = np.append(known[own], np.nan)
    if method.cells:
        cells, uncounted = _cells(classes, found, method)
        values[CELL_SUM], values[UNCOUNTED] = np.append(cells[own], np.nan), np.append(uncounted[own], 0.0)
    return merge_labels(BinValues(counted.classes, values), BEFORE, method)


def counts_of_bin(
    classes: Sequence[str], counts: NDArray[np.int64], n_rois: int, unclassified: int | None = None
) -> BinValues:
    """Complete the counts of a bin with its `unclassified` ROIs, which are in no class.

    counts: one per class. A label set may have a class called `unclassified`: what it won is unclassified all the same.
    unclassified: how many ROIs are in no class, if it is not the rest; they may be in more than one.
    """
    rest = n_rois - int(counts.sum()) if unclassified is None else unclassified
    names = (*classes, UNCLASSIFIED)
    if UNCLASSIFIED in classes:
        own = [i for i, name in enumerate(classes) if name != UNCLASSIFIED]
        rest += int(counts.sum() - counts[own].sum())
        counts, names = counts[own], (*(classes[i] for i in own), UNCLASSIFIED)
    return BinValues(names, {COUNT: np.append(counts, rest).astype(np.float64)})


def _cells(classes: Sequence[str], found: Counts, method: Method) -> tuple[Floats, Floats]:
    """The sum of known cells per class, NaN where nothing is known of a class, and how many ROIs have none."""
    per_image = np.array([method.table.cells_of(name) for name in classes], dtype=np.float64)
    counted = np.zeros(len(classes)) if found.cells is None else found.cells
    uncounted = found.counts.astype(np.float64) if found.uncounted is None else found.uncounted
    by_table = ~np.isnan(per_image)
    cells = counted + np.where(by_table, np.nan_to_num(per_image) * uncounted, 0.0)
    known = by_table | (found.cells is not None)
    return np.where(known, cells, np.nan), np.where(by_table, 0.0, uncounted)


def merge_labels(of_bin: BinValues, when: str, method: Method) -> BinValues:
    """Merge the labels of a bin that the class table makes one class at that time, BEFORE or AFTER pooling."""
    table = method.table
    if not table.merges:
        return of_bin
    names = [table.class_of(name, when) if name != UNCLASSIFIED else name for name in of_bin.classes]
    if tuple(names) == of_bin.classes:
        return of_bin
    classes = (*dict.fromkeys(name for name in names if name != UNCLASSIFIED), UNCLASSIFIED)
    of_class = [[i for i, name in enumerate(names) if name == merged] for merged in classes]
    return BinValues(classes, {quantity: _merged(quantity, of, of_class) for quantity, of in of_bin.values.items()})


def _merged(quantity: str, values: Floats, of_class: Sequence[Sequence[int]]) -> Floats:
    """The value of each class from those of its labels: the sum, or for what is no sum the one they share.

    Of labels with different thresholds it is SEVERAL: NaN says that none is known.
    """
    merged = np.full(len(of_class), np.nan)
    for at, labels in enumerate(of_class):
        of_labels = values[list(labels)]
        known = of_labels[~np.isnan(of_labels)]
        if quantity in (N_ROIS, THRESHOLD):
            merged[at] = shared_value(of_labels)
        elif len(known):
            merged[at] = known.sum()
    return merged


def with_several(of_bin: BinValues) -> BinValues:
    """Tell again, of values from the table of bins, which thresholds are empty because labels have different ones.

    The thresholds of all labels are known, or class scores say none: then all of a bin's are empty.
    """
    thresholds = of_bin.values.get(THRESHOLD)
    if thresholds is None or np.isnan(thresholds).all():
        return of_bin
    several = np.isnan(thresholds) & (np.array(of_bin.classes) != UNCLASSIFIED)
    return BinValues(of_bin.classes, {**of_bin.values, THRESHOLD: np.where(several, SEVERAL, thresholds)})


def n_rois_of(pooled: Pooled) -> int:
    """How many ROIs pooled bins have: the sum of the counts, unless a ROI may count more than once."""
    return int(pooled.total(N_ROIS)[-1] if N_ROIS in pooled.values else pooled.count.sum())


def optional_columns(of_classes: Columns, pooled: Pooled, method: Method) -> Columns:
    """Return the threshold of each class, and the columns that the config asks for, of the rows of abundance_long."""
    columns: Columns = {}
    if THRESHOLD in pooled.values:
        thresholds, mixed = _thresholds_of_bins(pooled)
    else:
        thresholds = [method.class_thresholds.get(name, method.threshold) for name in pooled.columns[:-1]]
    if method.from_scores:
        columns["thresholds_mixed"] = mixed
    if method.rule != "winner":
        columns["rule"] = method.rule
    if method.cells:
        columns |= _cells_per_ml(of_classes, pooled, method)
    return {**columns, "threshold": [*thresholds, np.nan]}


def _thresholds_of_bins(pooled: Pooled) -> tuple[list[float], list[str]]:
    """The threshold of each class, NaN where bins or labels differ, and whether they do.

    The last of the second is of all classes.
    """
    shared = [shared_value(of_class) for of_class in pooled.values[THRESHOLD][:, :-1].T]
    thresholds = [np.nan if each == SEVERAL else each for each in shared]
    mixed = ["yes" if each == SEVERAL else "no" for each in shared]
    return thresholds, [*mixed, "yes" if "yes" in mixed else "no"]


def _cells_per_ml(of_classes: Columns, pooled: Pooled, method: Method) -> dict[str, NDArray[np.float64]]:
    """Cells per mL and the limits of objects per mL times the cells per image; NaN where these are not known.

    Where nothing was counted, an image of the class may be of any of its labels: the one with the most cells counts.
    """
    count, cells = pooled.count, pooled.total(CELL_SUM)
    known = (~np.isnan(pooled.values[CELL_SUM])).any(axis=0) & (pooled.total(UNCOUNTED) == 0)
    per_image = np.array([method.table.most_cells_of(name) for name in pooled.columns], dtype=np.float64)
    per_image = np.where(count > 0, cells / np.where(count > 0, count, 1.0), per_image)
    columns = {"cells_per_ml": np.where(known, cells / pooled.ml_analyzed, np.nan)}
    for name in LIMITS:
        columns[name.replace("objects", "cells")] = np.where(known, of_classes[name] * per_image, np.nan)
    return columns
