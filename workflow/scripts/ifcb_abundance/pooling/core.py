"""The core of pooling: what was found in single bins, summed per class over the bins of a group.

A class counts for the bins whose label set has it, hits or no hits: only their volume is in its concentration.
Abundance, biovolume and periods are uses of it. Each says which columns its table makes of the sums.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ifcb_abundance.classes.class_table import LIVING_TOTAL, ClassTable, traits
from ifcb_abundance.classes.labels import UNCLASSIFIED
from ifcb_abundance.common.intervals import pearson_dispersion, poisson_limits, widened_limits
from ifcb_abundance.pooling.method import N_ROIS, SEVERAL, THRESHOLD
from ifcb_abundance.tables import table_files

Floats = NDArray[np.float64]
# Columns of a table by name: the values of its rows, or one value for all of them. To put them into a data frame at
# once takes a fraction of the time that it takes to add them to one.
Columns = dict[str, Any]
COUNT = "count"  # the quantity that every bin has


class BinGroup(NamedTuple):
    """The bins that are pooled together, and the columns that name them: date, instrument and the group columns."""

    keys: dict[str, Any]
    bins: pd.DataFrame


def group_bins(bins: pd.DataFrame, group_by: Sequence[str]) -> list[BinGroup]:
    """Split the bins of a day, or of another span with one `date`, into groups, sorted by `group_by`.

    group_by: as `Method.group_columns` gives it. Bins without a value in one of the columns are a group too.
    """
    if bins.empty:
        return []
    if all(bins[name].nunique(dropna=False) == 1 for name in group_by):  # nearly always, and quicker
        groups = [bins]
    else:
        groups = [rows for _, rows in bins.groupby(list(group_by), dropna=False, sort=True)]
    return [BinGroup(_keys(rows, group_by), rows) for rows in groups]


def _keys(bins: pd.DataFrame, group_by: Sequence[str]) -> dict[str, Any]:
    return {
        "date": bins["date"].iloc[0],
        "instrument": ";".join(sorted(set(bins["instrument"]))),
        **{name: bins[name].iloc[0] for name in group_by if name != "instrument"},
    }


@dataclass(frozen=True)
class BinValues:
    """What was found in one bin.

    classes: its label set, then `unclassified`. values: quantity to its values, one per class; `count`, the number of
    ROIs, is always among them.
    """

    classes: tuple[str, ...]
    values: Mapping[str, Floats]


@dataclass(frozen=True)
class Pooled:
    """The values of some bins, pooled over these bins per column: a class, or a group of classes.

    columns: their names. values: quantity to its values, shape (bins, columns), NaN where a bin has none. A bin
    assessed a column if it has a count there. volume: mL of each bin.
    """

    columns: Sequence[str]
    values: Mapping[str, Floats]
    volume: Floats

    @cached_property
    def assessed(self) -> NDArray[np.bool_]:
        """Which bins assessed which column, shape (bins, columns)."""
        return ~np.isnan(self.values[COUNT])

    @cached_property
    def n_bins(self) -> NDArray[np.intp]:
        """How many bins assessed each column."""
        n_bins: NDArray[np.intp] = self.assessed.sum(axis=0)
        return n_bins

    @cached_property
    def ml_analyzed(self) -> Floats:
        """The volume (mL) of the bins that assessed each column."""
        return np.array([math.fsum(self.volume[assessed]) for assessed in self.assessed.T], dtype=np.float64)

    @cached_property
    def count(self) -> Floats:
        """The sum of the counts, per column."""
        return self.total(COUNT)

    def total(self, quantity: str) -> Floats:
        """The exact sum of a quantity over the bins that have it, per column; 0 where none has."""
        return np.array([math.fsum(of[~np.isnan(of)]) for of in self.values[quantity].T], dtype=np.float64)

    @cached_property
    def dispersion(self) -> Floats:
        """How much more the counts scatter between bins than Poisson counts would, per column."""
        return pearson_dispersion(self.values[COUNT], self.volume)

    def limits(self, confidence: float) -> tuple[Floats, Floats]:
        """The exact Poisson limits of each column's count."""
        return poisson_limits(self.count, confidence)

    def dispersed_limits(self, confidence: float) -> tuple[Floats, Floats]:
        """The limits of each column's count, widened by its dispersion."""
        return widened_limits(self.count, self.dispersion, confidence)

    def over(self, members: Mapping[str, NDArray[np.bool_]]) -> "Pooled":
        """Add up columns. members: the name of a new column to which of the columns belong to it.

        A bin has a value if it has one in at least one of the columns.
        """
        values = {quantity: _sums_over(of, list(members.values())) for quantity, of in self.values.items()}
        return Pooled(list(members), values, self.volume)


def share_labels(
    label_sets: Mapping[str, Sequence[str]], found: dict[str, BinValues], merged: Callable[[str], str]
) -> dict[str, tuple[str, ...]]:
    """Give bins whose score files name the winners alone the classes that any of them has.

    Their label set is not known, but one classifier looked for its classes in all of them. label_sets: the labels that
    won in each of these bins, also in those that are not in `found`. merged: the class that a label is in `found`.
    Changes `found`, and returns the label sets of its bins.
    """
    labels = tuple(sorted({label for won in label_sets.values() for label in won}))
    classes = sorted({merged(label) for label in labels})
    alone = [name for name in label_sets if name in found]
    thresholds = _thresholds([found[name] for name in alone])
    for name in alone:
        of_bin = found[name]
        missing = [each for each in classes if each not in of_bin.classes]
        values = {
            quantity: np.concatenate(
                [of[:-1], [_of_absent(quantity, of, thresholds.get(each, np.nan)) for each in missing], of[-1:]]
            )
            for quantity, of in of_bin.values.items()
        }
        found[name] = BinValues((*of_bin.classes[:-1], *missing, UNCLASSIFIED), values)
    return dict.fromkeys(alone, labels)


def _of_absent(quantity: str, values: Floats, threshold: float) -> float:
    """The value of a class that a bin has nothing of. threshold: of this class in the other bins."""
    return float(values[-1]) if quantity == N_ROIS else threshold if quantity == THRESHOLD else 0.0


def _thresholds(of_bins: Sequence[BinValues]) -> dict[str, float]:
    """The threshold that a class has in all of the bins, by `shared_value`."""
    known: dict[str, set[float]] = {}
    for of_bin in of_bins:
        if THRESHOLD in of_bin.values:
            for name, threshold in zip(of_bin.classes, of_bin.values[THRESHOLD].tolist(), strict=True):
                known.setdefault(name, set()).add(threshold)
    return {name: shared_value(np.array(list(different))) for name, different in known.items()}


def shared_value(values: Floats) -> float:
    """The value that all of those have that are known, SEVERAL if they differ, NaN if none is known."""
    different = set(values[~np.isnan(values)].tolist())
    if len(different) > 1:
        return SEVERAL
    return different.pop() if different else math.nan


def _sums_over(values: Floats, members: Sequence[NDArray[np.bool_]]) -> Floats:
    sums = np.empty((len(values), len(members)))
    for column, which in enumerate(members):
        of_members = values[:, which]
        sums[:, column] = np.where(np.isnan(of_members).all(axis=1), np.nan, np.nansum(of_members, axis=1))
    return sums


def pool_bins(found: Sequence[BinValues], volume: Floats) -> Pooled:
    """Bring the values of bins, of any label sets, into the same columns: classes by name, `unclassified` last.

    found: of at least one bin, all with the same quantities. volume: mL of each.
    """
    label_sets: dict[tuple[str, ...], list[int]] = {}
    for row, of_bin in enumerate(found):
        label_sets.setdefault(of_bin.classes, []).append(row)
    columns = [*sorted({name for classes in label_sets for name in classes} - {UNCLASSIFIED}), UNCLASSIFIED]
    position = {name: i for i, name in enumerate(columns)}
    values = {quantity: np.full((len(found), len(columns)), np.nan) for quantity in found[0].values}
    for classes, rows in label_sets.items():
        cells = np.ix_(rows, [position[name] for name in classes])
        for quantity, matrix in values.items():
            matrix[cells] = [found[row].values[quantity] for row in rows]
    return Pooled(columns, values, volume)


def tabulate(
    pooled: Pooled, class_table: ClassTable, columns_of: Callable[[Pooled, NDArray[np.bool_]], Columns]
) -> tuple[Columns, Columns]:
    """Build the columns of classes, with their traits, and of groups of classes, for one group of bins.

    pooled: per class. columns_of: makes a table's own columns, a row per column of the values it is given; it is also
    told which of them are known to live as a whole. The last of the groups is the total of what lives; a group without
    a class has no row.
    """
    of_class = traits(pooled.columns, class_table)
    living = np.array(of_class["living"]) == "yes"
    classes = {**of_class, **columns_of(pooled, living), "class": pooled.columns}
    group_of = np.array(of_class["group"], dtype=object)
    members = {group: group_of == group for group in sorted(set(of_class["group"]) - {""})}
    members[LIVING_TOTAL] = living
    members = {group: which for group, which in members.items() if which.any()}
    all_living = np.array([living[which].all() for which in members.values()], dtype=bool)
    n_classes = [int(which.sum()) for which in members.values()]
    return classes, {"group": list(members), "n_classes": n_classes, **columns_of(pooled.over(members), all_living)}


def join_groups(tables: Sequence[Columns], schema: str, group_by: Sequence[str]) -> pd.DataFrame:
    """Join the rows of all groups of bins, in the columns of `schema`. A table without columns has no rows."""
    columns = table_files.columns(schema, group_by)
    frames = [pd.DataFrame({name: table[name] for name in columns}) for table in tables if table]
    filled = [frame for frame in frames if len(frame)]
    if not filled:
        return table_files.empty(schema, group_by)
    return pd.concat(filled, ignore_index=True) if len(filled) > 1 else filled[0]
