import numpy as np
import pandas as pd
import pytest
from benchmarks.correction import World, judge

from ifcb_abundance.validation import correction
from ifcb_abundance.validation.correction import Labels, Means


def labels_of(
    stratum: list[int], truth: list[int], predicted: list[int], n_rois: list[int], n_predicted: int = 3
) -> Labels:
    days = np.arange(len(stratum)) % 12
    numbers = map(np.array, (stratum, truth, predicted))
    return Labels(*numbers, days, np.array(n_rois, float), max(truth) + 1, n_predicted)


def test_totals_are_the_shares_of_the_strata() -> None:
    """By hand: 100 ROIs of which 3 of 4 labels are of class 0, and 50 of which 1 of 2 is."""
    labels = labels_of([0, 0, 0, 0, 1, 1], [0, 0, 0, 1, 0, 1], [0, 0, 0, 0, 1, 1], [100, 50])
    found, low, high = correction.totals(labels, 500, 0.95, np.random.default_rng(1))
    assert found.tolist() == [100, 50]
    assert (low < found).all()
    assert (high > found).all()


def test_days_are_what_the_rates_explain_best() -> None:
    matrix = np.array([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1]])
    assert correction.solve(np.array([1000.0, 300.0]) @ matrix, matrix) == pytest.approx([1000, 300])
    assert correction.solve(np.array([0.0, 70.0, 10.0]), matrix).min() >= 0


def test_the_matrix_of_rates_is_weighted() -> None:
    labels = labels_of([0, 0, 1], [0, 0, 0], [0, 1, 0], [20, 30])
    matrix = correction.rate_matrix(labels, np.array([0]))
    assert matrix[0] == pytest.approx([(10 + 30) / 50, 10 / 50, 0])


def test_the_scatter_of_rates_is_that_of_the_beta_binomial() -> None:
    rng = np.random.default_rng(3)
    for rho in (0.0, 0.05, 0.2):
        found = []
        for _ in range(40):
            p = rng.beta(0.8 * (1 - rho) / rho, 0.2 * (1 - rho) / rho, 60) if rho else np.full(60, 0.8)
            n = rng.integers(2, 30, 60)
            day = np.repeat(np.arange(60), n)
            found.append(correction.dispersion(day, rng.random(len(day)) < p[day])[0])
        assert np.mean(found) == pytest.approx(rho, abs=0.015)


def test_the_scatter_by_hand() -> None:
    """Two days of 3 labels, 3 and 1 hits: MSB = 10/3 - 8/3 = 2/3, MSW = (4 - 10/3)/4 = 1/6, n_0 = 3, rho = 1/2."""
    day, hit = np.array([0, 0, 0, 1, 1, 1]), np.array([True, True, True, True, False, False])
    rho, weight = correction.dispersion(day, hit)
    assert rho == pytest.approx(0.5)
    assert weight == pytest.approx(6 * (4 / 6) * (2 / 6))


def test_labels_of_few_days_give_no_limits() -> None:
    labels = labels_of([0] * 40 + [1] * 40, [0] * 30 + [1] * 50, [0] * 40 + [1] * 40, [4000, 4000])
    few = Labels(**{**vars(labels), "day": np.arange(80) % 9})
    counts = pd.DataFrame([[100, 120, 30]], index=["2024-04-18"], columns=["a", "b", "unclassified"])
    means = Means(("a", "b", "unclassified"), replicates=50)
    table = correction.correct_days(counts, few, ["a", "b"], means)
    assert table["count_corrected"].notna().all()
    assert table[["count_corrected_low", "count_corrected_high"]].isna().all(axis=None)
    assert set(table["note"]) == {"no limits: label ROIs of 10 days or more"}
    table = correction.correct_days(counts, labels, ["a", "b"], means)
    assert (table["count_corrected_low"] <= table["count_corrected"]).all()
    assert set(table["note"]) == {""}


def test_classes_with_few_labels_are_not_corrected() -> None:
    labels = labels_of([0] * 40 + [1] * 5, [0] * 40 + [1] * 5, [0] * 40 + [1] * 5, [4000, 500], n_predicted=4)
    counts = pd.DataFrame([[100, 12, 30, 1]], index=["2024-04-18"])
    means = Means(("a", "b", "never", "unclassified"), replicates=50)
    table = correction.correct_days(counts, labels, ["a", "b"], means).set_index("class")
    assert table.loc["b", "note"] == "fewer than 10 labels"
    assert np.isnan(table.loc["b", "count_corrected"])
    assert table.loc["never", "n_true"] == 0
    totals = correction.correct_totals(labels, ["a", "b"], {"a": 4000, "b": 500, "never": 3}, means).set_index("class")
    assert totals["note"].tolist() == ["", "fewer than 10 labels", "fewer than 10 labels"]
    assert totals.loc["a", "count_corrected"] == 4000


def test_a_correction_that_is_noise_is_left_out() -> None:
    uncorrected = np.array([[10.0], [20.0], [30.0]])
    noise = correction.share_of_correction(
        uncorrected, uncorrected + np.array([[1.0], [-1], [1]]), np.full((3, 1), 4.0)
    )
    assert noise == [0]
    clear = correction.share_of_correction(uncorrected, uncorrected * 2, np.full((3, 1), 1.0))
    assert clear == pytest.approx(1 - 3 / 1400)


def test_rates_that_change_with_the_month_are_seen() -> None:
    n = 200
    period = pd.Series(["2024-04"] * n + ["2024-05"] * n)
    hit = np.arange(n) % 10
    predicted = np.where(np.concatenate([hit < 9, hit < 5]), "a", "b")
    rois = pd.DataFrame({"truth": "a", "predicted": predicted, "weight": 1.0})
    found = correction.rate_drift(rois, period, ["a", "b"], 0.95)
    assert found["recall"].tolist()[:2] == [0.9, 0.5]
    assert found["p_same"][0] < 1e-6
    assert found.loc[found["class"] == "b", "false_positive_rate"].tolist() == pytest.approx([0.1, 0.5])


@pytest.mark.parametrize(("rho", "lowest"), [(0.0, 0.92), (0.05, 0.9)])
def test_limits_of_days_hold_the_truth(rho: float, lowest: float) -> None:
    """Days with blooms, their rates the same or not; benchmarks/correction.py has more of it."""
    runs = [judge(World(10, 40, 1500, 1500, rho), np.random.default_rng([run, 7]), 200) for run in range(4)]
    held = np.concatenate([run["hold"] for run in runs])
    assert lowest <= held.mean() <= 0.99
    error, plain = np.sum([run["error"] for run in runs], axis=0)
    assert error < (plain / 3 if rho == 0 else plain)
