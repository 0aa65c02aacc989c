import numpy as np
import pandas as pd
import pytest
from benchmarks.correction import Crowd, World, abundance, judge, sample, simulate, summarize

from ifcb_abundance.common.intervals import poisson_limits
from ifcb_abundance.validation import correction
from ifcb_abundance.validation.class_report import Question, weigh
from ifcb_abundance.validation.correction import Bootstrap, Labels


def labels_of(
    stratum: list[int], truth: list[int], predicted: list[int], n_rois: list[int], n_predicted: int = 3
) -> Labels:
    days = np.arange(len(stratum)) % 12
    numbers = map(np.array, (stratum, truth, predicted))
    return Labels(*numbers, days, np.array(n_rois, float), np.arange(max(truth) + 1), n_predicted)


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
            n = rng.integers(0, 30, 60)
            found.append(correction.dispersion(n.astype(float), rng.binomial(n, p).astype(float))[0])
        assert np.mean(found) == pytest.approx(rho, abs=0.015)


def test_the_scatter_by_hand() -> None:
    """Two days of 3 labels, 3 and 1 hits: MSB = 10/3 - 8/3 = 2/3, MSW = (4 - 10/3)/4 = 1/6, n_0 = 3, rho = 1/2."""
    n_day, hits = np.array([3.0, 3.0, 0.0]), np.array([3.0, 1.0, 0.0])
    rho, weight = correction.dispersion(n_day, hits)
    assert rho == pytest.approx([0.5])
    assert weight == pytest.approx(6 * (4 / 6) * (2 / 6))
    assert correction.dispersion(n_day[:1], hits[:1]) == (0, 0)  # one day tells nothing


def test_the_scatter_has_a_scatter_of_its_own() -> None:
    """What is drawn scatters about the estimate as estimates of other labels do."""
    rng = np.random.default_rng(2)
    estimates, spreads = [], []
    for _ in range(200):
        hits = rng.binomial(20, rng.beta(0.8 * 19, 0.2 * 19, 30)).astype(float)  # rho = 0.05
        estimates.append(correction.dispersion(np.full(30, 20.0), hits)[0][0])
        spreads.append(correction.dispersion(np.full(30, 20.0), hits, 200, rng)[0].std())
    assert np.mean(estimates) == pytest.approx(0.05, abs=0.01)
    assert np.mean(spreads) == pytest.approx(np.std(estimates), rel=0.25)


def test_a_class_with_many_labels_has_a_scatter_of_its_own() -> None:
    """Class c scatters and has many labels; a does not, and has as many; b has few, so it gets what all have.

    Numbers of true and of predicted classes differ here: nobody named class b0.
    """
    rng = np.random.default_rng(6)
    day, truth = np.tile(np.repeat(np.arange(40), 31), 1), np.tile(np.array([0] * 15 + [1] + [2] * 15), 40)
    p = np.where(truth == 2, rng.beta(0.8 * 4, 0.2 * 4, 40)[day], 0.8)  # rho = 0.2
    own = np.array([0, 2, 3])
    predicted = np.where(rng.random(len(day)) < p, own[truth], 4)
    labels = Labels(np.zeros_like(day), truth, predicted, day, np.ones(1), own, 5)
    found = correction.class_dispersion(labels)
    assert found is not None
    a, b, c = found[:, 0]
    assert a < b < c
    assert c - a > 0.05
    assert correction.class_dispersion(Labels(**{**vars(labels), "day": day % 9})) is None


def weighed_of(truth: list[str], winner: list[str], sizes: dict[str, int], days: int = 12) -> pd.DataFrame:
    """Labels of ROIs with sure scores, one stratum per winner, on so many days."""
    rois = pd.DataFrame({"truth": truth, "class": winner, "score": 0.99, "band": 3})
    rois["roi"] = rois["bin"] = [f"r{i}" for i in range(len(rois))]
    rois["date"] = [f"2024-04-{1 + i % days:02}" for i in range(len(rois))]
    return weigh(rois, pd.DataFrame({"class": list(sizes), "band": 3, "n_rois": list(sizes.values())}))


def day_of(counts: dict[str, int], date: str = "2024-04-18", **groups: object) -> pd.DataFrame:
    """What a day has in abundance_long."""
    rows = pd.DataFrame({"class": list(counts), "count": list(counts.values()), "ml_analyzed_total": 5.0})
    return rows.assign(date=date, **groups)


QUESTION = Question(precision="float64")
QUICK = Bootstrap(replicates=50)


def test_labels_of_few_days_give_no_limits() -> None:
    truth, winner = ["a"] * 30 + ["b"] * 50, ["a"] * 40 + ["b"] * 40
    day = day_of({"a": 100, "b": 120, "unclassified": 30})
    few = weighed_of(truth, winner, {"a": 4000, "b": 4000}, days=9)
    table = correction.abundance_corrected(few, day, [], QUESTION, QUICK)
    assert table["count_corrected"].notna().all()
    assert table.filter(regex="_low|_high").isna().all(axis=None)
    assert set(table["note"]) == {"no limits: label ROIs of 10 days or more, several of a class on a day"}
    given = correction.abundance_corrected(few, day, [], QUESTION, Bootstrap(50, rate_dispersion=0))
    assert given.filter(regex="_low|_high").notna().all(axis=None)
    table = correction.abundance_corrected(weighed_of(truth, winner, {"a": 4000, "b": 4000}), day, [], QUESTION, QUICK)
    assert (table["objects_per_ml_corrected"] == table["count_corrected"] / 5).all()
    assert (table["objects_per_ml_corrected_low"] <= table["objects_per_ml_corrected"]).all()
    assert (table["objects_per_ml_corrected"] <= table["objects_per_ml_corrected_high"]).all()
    assert set(table["note"]) == {""}


def test_one_label_of_a_class_and_day_tells_no_scatter() -> None:
    """However many days there are: hits and misses of single labels scatter alike, whether rates drift or not."""
    days = [f"2024-04-{1 + i:02}" for i in range(12)]
    winner = ["a"] * 9 + ["b"] * 15  # right for a on 9 days, for b on all
    rois = pd.DataFrame({"truth": ["a"] * 12 + ["b"] * 12, "class": winner, "date": days * 2, "score": 0.99, "band": 3})
    rois["roi"] = rois["bin"] = [f"r{i}" for i in range(len(rois))]
    sizes = pd.DataFrame({"class": ["a", "b"], "band": 3, "n_rois": 4000})
    day = day_of({"a": 100, "b": 120, "unclassified": 30})
    table = correction.abundance_corrected(weigh(rois, sizes), day, [], QUESTION, QUICK)
    assert table["count_corrected"].notna().all()
    assert table.filter(regex="_low|_high").isna().all(axis=None)
    assert set(table["note"]) == {"no limits: label ROIs of 10 days or more, several of a class on a day"}
    # A second label of a class and day tells something, if little.
    again = pd.concat([rois, rois.head(1).assign(roi="again", bin="again")], ignore_index=True)
    table = correction.abundance_corrected(weigh(again, sizes), day, [], QUESTION, QUICK)
    assert table.filter(regex="_low|_high").notna().all(axis=None)


def test_classes_with_few_labels_are_not_corrected() -> None:
    weighed = weighed_of(["a"] * 40 + ["b"] * 5, ["a"] * 40 + ["b"] * 5, {"a": 4000, "b": 500})
    days = day_of({"a": 4000, "b": 500, "never": 3, "unclassified": 1})
    table = correction.abundance_corrected(weighed, days, [], QUESTION, QUICK).set_index("class")
    assert table.loc["b", "note"] == "fewer than 10 labels"
    assert np.isnan(table.loc["b", "count_corrected"])
    assert table.loc["never", "n_true"] == 0
    totals = correction.totals_corrected(weighed, days, QUESTION, QUICK).set_index("class")
    assert totals["note"].tolist() == ["", "fewer than 10 labels", "fewer than 10 labels"]
    assert totals.loc["a", "count_corrected"] == 4000


def test_rows_are_those_of_the_abundance_and_other() -> None:
    """Groups with an empty depth stay; `unclassified` has no row; what is no class is one of its own."""
    weighed = weighed_of(["a"] * 30 + ["other"] * 10, ["a"] * 40, {"a": 4000})
    first = day_of({"a": 40, "unclassified": 2}, instrument="IFCB010", depth=np.nan)
    second = day_of({"a": 10, "z": 1, "unclassified": 0}, "2024-04-19", instrument="IFCB010", depth=5.0)
    table = correction.abundance_corrected(
        weighed, pd.concat([first, second], ignore_index=True), ["instrument", "depth"], QUESTION, QUICK
    )
    assert list(table) == [
        *("date", "instrument", "depth", "class", "count", "count_corrected", "ml_analyzed_total"),
        *("objects_per_ml_corrected", "objects_per_ml_corrected_low", "objects_per_ml_corrected_high"),
        *("n_true", "note"),
    ]
    assert table[["date", "class", "count"]].values.tolist() == [
        ["2024-04-18", "a", 40],
        ["2024-04-18", "other", 0],
        ["2024-04-19", "a", 10],
        ["2024-04-19", "other", 0],
        ["2024-04-19", "z", 1],
    ]
    assert table["ml_analyzed_total"].tolist() == [5.0] * 5


def test_a_correction_that_is_noise_is_left_out() -> None:
    """By hand: corrections of 1 have a mean square of 1, and error times correction is 4 on the mean."""
    uncorrected = np.array([[10.0], [20.0], [30.0]])
    small = uncorrected + np.array([[1.0], [-1], [1]])
    assert correction.share_of_correction(uncorrected, small, np.full((3, 1), 4.0)) == [0]
    clear = correction.share_of_correction(uncorrected, uncorrected * 2, np.full((3, 1), 1.0))
    assert clear == pytest.approx(1 - correction.CAUTION * 3 / 1400)


def test_a_class_that_is_never_mistaken_has_the_limits_of_its_count() -> None:
    """Those of Garwood, which a day without a ROI has too."""
    nothing = np.zeros((3, 20_000, 3))
    rates = correction.Rates(np.eye(3), np.arange(3), nothing, nothing, np.zeros(3))
    days = correction.correct_block(np.array([[0.0, 7.0, 300.0]]), rates, 0.95, np.random.default_rng(1))
    low, high = poisson_limits([0, 7, 300])
    assert days.found[0] == pytest.approx([0, 7, 300])
    assert days.low[0] == pytest.approx(low, rel=0.03)
    assert days.high[0] == pytest.approx(high, rel=0.03)
    assert days.noise[0] == pytest.approx([0, 0, 0])  # nothing is added, so nothing of it is error


def test_rates_that_change_with_the_month_are_seen() -> None:
    n = 200
    hit = np.arange(n) % 10
    winner = np.where(np.concatenate([hit < 9, hit < 5]), "a", "b")
    date = ["2024-04-07"] * n + ["2024-05-30"] * n
    rois = pd.DataFrame({"truth": "a", "class": winner, "score": 0.9, "date": date, "weight": 1.0})
    found = correction.rate_drift(rois, ["a", "b"], QUESTION)
    assert found["period"].tolist() == ["2024-04", "2024-05"] * 2
    assert found["recall"].tolist()[:2] == [0.9, 0.5]
    # By hand: 140 hits and 60 misses are expected in each month, and 40 more and 40 fewer are found.
    assert found["chi_square"][0] == pytest.approx(2 * 40**2 / 140 + 2 * 40**2 / 60)
    assert found["p_same"][0] == 1 / 10_000  # none of 9,999 draws differs as much
    assert found.loc[found["class"] == "b", "false_positive_rate"].tolist() == pytest.approx([0.1, 0.5])
    assert correction.drifting(found) == ["a"]


def test_the_chance_of_drift_is_that_of_dealing_out_the_hits() -> None:
    """By hand: two of six labels are hits, and both fall into the first two labels in 1 of 15 ways.

    Both fall into the other four in 6 of 15 ways, and one into each in 8 of 15, which differs least.
    """
    found, p = correction.chance_of_drift(np.array([2, 4]), np.array([2, 0]), 1)
    assert found == pytest.approx(6)
    assert p == pytest.approx(1 / 15, abs=0.01)
    assert correction.chance_of_drift(np.array([2, 4]), np.array([0, 2]), 1)[1] == pytest.approx(7 / 15, abs=0.05)
    assert correction.chance_of_drift(np.array([2, 4]), np.array([1, 1]), 1)[1] == 1
    assert np.isnan(correction.chance_of_drift(np.array([2, 4]), np.array([2, 4]), 1)).all()
    assert np.isnan(correction.chance_of_drift(np.array([6]), np.array([2]), 1)).all()


def test_classes_that_bloom_do_not_drift_for_it() -> None:
    """20 classes with a recall of 0.97, their 60 labels around a month each: a run names one in at most 5 %."""
    named = 0
    for run in range(25):
        rng, p = np.random.default_rng(run), []
        for _ in range(20):
            chance = np.exp(-0.5 * ((np.arange(12) - rng.uniform(0, 12)) / 1.5) ** 2) + 0.01
            n = rng.multinomial(60, chance / chance.sum())
            n = n[n > 0]
            p.append(correction.chance_of_drift(n, rng.binomial(n, 0.97), 20)[1])
        named += bool(correction.drifting(pd.DataFrame({"class": range(20), "p_same": p})))
    assert named <= 4  # more than 4 of 25 are less likely than 1 %; by the chi-square distribution 15 would


def test_among_many_classes_only_clear_drift_is_named() -> None:
    """By Holm: the smallest p times 4, the next one times 3; where one fails, so do the larger ones."""
    table = pd.DataFrame({"class": list("dcba"), "p_same": [0.04, 0.03, 0.016, 0.001]})
    assert correction.drifting(table) == ["a", "b"]
    assert correction.drifting(table.assign(p_same=[0.001, 0.03, 0.2, 0.04])) == ["d"]
    assert correction.drifting(table.assign(p_same=np.nan)) == []


@pytest.mark.parametrize("rho", [0.0, 0.05])
def test_limits_of_days_hold_the_truth(rho: float) -> None:
    """Days with blooms, their rates the same or not. docs/correction.md has more runs, and more classes."""
    worlds = [World(10, 60, 2000, 2000, rho, seed=seed) for seed in range(21, 26)]
    found = summarize([[judge(world, np.random.default_rng([run, 7]), 300) for run in range(2)] for world in worlds])
    assert 0.9 <= found["days_hold"] <= 0.99
    assert 0.9 <= found["all_days_hold"] <= 0.99
    assert 0.9 <= found["rates_hold"] <= 1
    assert found["worst_class"] <= 1.1
    if rho == 0:
        assert found["times_as_wide"] <= 1.3
        assert found["times_nearer"] >= 3


def test_what_people_agree_on_corrects_as_well() -> None:
    """25 persons, four votes a ROI, weighed by skill; docs/correction.md has other people."""
    world = World(12, 20, labels=1500, seed=2)
    crowd = Crowd(((25, 0.85, 0.98),))
    runs = [judge(world, np.random.default_rng([run, 3]), 200, crowd) for run in range(4)]
    found = summarize([runs])
    assert min(run.labels_right for run in runs) > 0.99
    assert np.mean([run.skills_within for run in runs]) > 0.9  # within 0.05; each has 240 votes
    assert 0.92 <= found["days_hold"] <= 0.99
    assert 0.92 <= found["rates_hold"] <= 1
    assert found["times_nearer"] >= 3


def test_limits_of_totals_hold_the_truth() -> None:
    held: list[bool] = []
    for run in range(40):
        world, rng = World(12, 20, labels=1500, seed=run % 4), np.random.default_rng([run, 9])
        expected, counts = simulate(world, rng)
        table = correction.totals_corrected(
            weigh(*sample(world, counts, rng)), abundance(world, counts), QUESTION, Bootstrap(500, seed=run)
        )
        table = table.set_index("class").reindex(world.names).assign(true=expected.sum(axis=0))
        table = table[table["note"] == ""]
        held += table["true"].between(table["count_corrected_low"], table["count_corrected_high"]).tolist()
    assert 0.92 <= np.mean(held) <= 0.99


def test_a_large_class_whose_rate_scatters_adds_to_the_variance_of_small_columns() -> None:
    """By hand: of x = 1000 / 0.9, with rho 0.1, each column has 0.1 x^2 0.9 0.1 = 11,111.1 beside its own count."""
    matrix = np.array([[0.9, 0.1], [0.0, 1.0]])
    rates = correction.Rates(matrix, np.array([0, 1]), np.zeros((2, 1, 2)), None, np.array([0.1, 0.0]))
    found, variance = correction.explain(np.array([[1000.0, 120.0]]), rates)
    assert found[0] == pytest.approx([1000 / 0.9, 120 - 100 / 0.9])
    assert variance[0] == pytest.approx([1000 + 1e5 / 9, 120 + 1e5 / 9])
