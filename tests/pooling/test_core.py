"""The core of pooling, beside sums worked out by hand."""

import math

import numpy as np
import pandas as pd
import pytest

from ifcb_abundance.classes.labels import UNCLASSIFIED
from ifcb_abundance.pooling.core import (
    COUNT,
    BinValues,
    Pooled,
    group_bins,
    join_groups,
    pool_bins,
    share_labels,
    tabulate,
)
from ifcb_abundance.pooling.method import SEVERAL, THRESHOLD

TABLE = {
    "A": {"living": "yes", "group": "diatom"},
    "B": {"living": "yes", "group": "diatom"},
    "C": {"living": "no", "group": "other"},
}


def a_bin(biovolume: float | None = None, **counts: float) -> BinValues:
    values = {"count": np.array([*counts.values(), 1.0])}
    if biovolume is not None:
        values["biovolume"] = np.full(len(counts) + 1, biovolume)
    return BinValues((*counts, UNCLASSIFIED), values)


@pytest.fixture
def pooled() -> Pooled:
    """B is in the label sets of two bins, A of the first, C of the last."""
    return pool_bins([a_bin(B=2, A=6), a_bin(B=4), a_bin(C=0)], np.array([2.0, 4.0, 1.0]))


def test_a_class_is_pooled_over_the_bins_that_assessed_it(pooled: Pooled) -> None:
    assert pooled.columns == ["A", "B", "C", UNCLASSIFIED]
    assert pooled.count.tolist() == [6, 6, 0, 3]
    assert pooled.ml_analyzed.tolist() == [2, 6, 1, 7]
    assert pooled.n_bins.tolist() == [1, 2, 1, 3]


def test_dispersion_and_limits_are_those_of_the_counts(pooled: Pooled) -> None:
    # B: 1 per mL in both bins, so none. `unclassified`: 3/7 per mL, expected 6/7, 12/7 and 3/7 of one each.
    of_unclassified = sum((1 - expected) ** 2 / expected for expected in (6 / 7, 12 / 7, 3 / 7)) / 2
    assert pooled.dispersion == pytest.approx([np.nan, 0, np.nan, of_unclassified], nan_ok=True)
    low, high = pooled.limits(0.95)
    assert low == pytest.approx([2.2019, 2.2019, 0, 0.6187], abs=1e-4)  # Garwood's table, of 6, 0 and 3
    assert high == pytest.approx([13.0595, 13.0595, 3.6889, 8.7673], abs=1e-4)
    # None scatters more than Poisson counts, so nothing is widened.
    assert np.array_equal(pooled.dispersed_limits(0.95), (low, high))


def test_groups_of_classes_have_the_volume_of_bins_with_one_of_them(pooled: Pooled) -> None:
    groups = pooled.over(
        {"diatom": np.array([True, True, False, False]), "other": np.array([False, False, True, False])}
    )
    assert groups.columns == ["diatom", "other"]
    assert groups.count.tolist() == [12, 0]
    assert groups.ml_analyzed.tolist() == [6, 1]
    assert groups.dispersion == pytest.approx([(8 - 4) ** 2 / 4 + (4 - 8) ** 2 / 8, np.nan], nan_ok=True)


def test_sums_lose_nothing() -> None:
    tenths = pool_bins([a_bin(biovolume=0.1, A=1)] * 10, np.full(10, 0.1))
    assert tenths.total("biovolume").tolist() == [1.0, 1.0]
    assert tenths.ml_analyzed.tolist() == [1.0, 1.0]
    assert sum([0.1] * 10) != 1.0


def test_a_quantity_may_be_missing_where_there_is_a_count() -> None:
    found = [a_bin(biovolume=5.0, A=1), a_bin(biovolume=math.nan, A=2)]
    pooled = pool_bins(found, np.array([1.0, 1.0]))
    assert pooled.count.tolist() == [3, 2]
    assert pooled.total("biovolume").tolist() == [5, 5]


def test_rows_of_classes_and_groups(pooled: Pooled) -> None:
    told: list[list[bool]] = []

    def columns_of(per: Pooled, living: np.ndarray) -> dict[str, object]:
        told.append(living.tolist())
        return {"count": per.count.tolist()}

    classes, groups = tabulate(pooled, TABLE, columns_of)
    assert told == [[True, True, False, False], [True, False, True]]
    assert list(zip(classes["class"], classes["group"], classes["count"], strict=True)) == [
        ("A", "diatom", 6),
        ("B", "diatom", 6),
        ("C", "other", 0),
        (UNCLASSIFIED, "", 3),
    ]
    assert list(zip(groups["group"], groups["n_classes"], groups["count"], strict=True)) == [
        ("diatom", 2, 12),
        ("other", 1, 0),
        ("living total", 2, 12),
    ]
    assert not tabulate(pooled, {}, columns_of)[1]["group"]


def test_bins_are_grouped_by_columns_and_those_without_a_value_too() -> None:
    bins = pd.DataFrame(
        {
            "bin": ["b1", "b2", "b3"],
            "date": "2024-02-15",
            "instrument": ["IFCB11", "IFCB10", "IFCB10"],
            "depth": [np.nan, 5.0, np.nan],
        }
    )
    groups = group_bins(bins, ["depth"])
    assert [group.bins["bin"].tolist() for group in groups] == [["b2"], ["b1", "b3"]]
    assert groups[0].keys == {"date": "2024-02-15", "instrument": "IFCB10", "depth": 5.0}
    assert groups[1].keys["instrument"] == "IFCB10;IFCB11"
    assert [group.keys["instrument"] for group in group_bins(bins, ["instrument"])] == ["IFCB10", "IFCB11"]
    assert len(group_bins(bins, [])) == 1
    assert group_bins(bins[:0], []) == []


def test_a_table_of_no_groups_has_its_columns() -> None:
    table = join_groups([{}], "groups_long", ["cruise"])
    assert len(table) == 0
    assert {"date", "cruise", "group", "n_classes"} <= set(table.columns)
    assert "depth" not in table.columns


def test_a_class_that_won_nothing_in_a_bin_has_the_threshold_that_it_has_in_the_others() -> None:
    values = {COUNT: np.array([1.0, 2, 0]), THRESHOLD: np.array([0.5, SEVERAL, np.nan])}
    found = {
        "one": BinValues(("A", "B", UNCLASSIFIED), values),
        "two": BinValues(("A", UNCLASSIFIED), {COUNT: np.array([3.0, 0]), THRESHOLD: np.array([0.5, np.nan])}),
    }
    share_labels({"one": ["A", "B"], "two": ["A"]}, found, str)
    assert found["two"].classes == ("A", "B", UNCLASSIFIED)
    assert found["two"].values[THRESHOLD].tolist()[:2] == [0.5, SEVERAL]
