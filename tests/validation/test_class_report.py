import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import precision_recall_fscore_support

from ifcb_abundance.common.errors import ScoresError
from ifcb_abundance.validation import class_report
from ifcb_abundance.validation.class_report import Question
from ifcb_abundance.validation.correction import Bootstrap, totals_corrected
from ifcb_abundance.validation.sampling import Bands

BANDS = Bands((0.5, 0.7, 0.9), "float64")
QUESTION = Question(precision="float64", min_labels=2)


def table(*rows: tuple[str, float, str, float]) -> pd.DataFrame:
    """ROIs of (winner, score, truth, weight), each in a bin of its own."""
    made = pd.DataFrame(rows, columns=["class", "score", "truth", "weight"])
    number = range(len(made))
    band = BANDS.of(made["score"].to_numpy("float64"))
    return made.assign(roi=[f"r{i}" for i in number], bin=[f"b{i}" for i in number], band=band)


def test_the_worked_example() -> None:
    rois = table(
        ("a", 0.9, "a", 10), ("a", 0.9, "a", 10), ("a", 0.9, "b", 10), ("a", 0.9, "a", 1), ("a", 0.9, "other", 1)
    )
    report = class_report.class_report(rois, ["a"], QUESTION).iloc[0]
    assert report["precision"] == 0.65625
    assert report[["precision_low", "precision_high"]].tolist() == pytest.approx([0.21729, 0.92922], abs=5e-6)
    assert report["recall"] == 1
    assert report["n_predicted"] == 5
    assert report["n_true"] == 3
    assert report["note"] == ""


def test_rates_of_few_labels_stand_beside_a_note() -> None:
    """By hand: 1 of 2 predicted ROIs is right, and the only one of the class is found."""
    rois = table(("a", 0.9, "a", 1), ("a", 0.9, "b", 1))
    report = class_report.class_report(rois, ["a"], QUESTION).iloc[0]
    assert report[["precision", "recall", "note"]].tolist() == [0.5, 1, "fewer than 2 true"]
    rois, counts = rois.assign(stratum=0, date="2024-04-18"), pd.DataFrame({"class": ["a"], "count": [2]})
    totals = totals_corrected(rois, counts, QUESTION, Bootstrap(50))
    assert totals["count_corrected"].isna().all()
    assert set(totals["note"]) == {"fewer than 2 labels"}


def simulated(seed: int = 1, n: int = 600) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    names = np.array(["a", "b", "c"])
    truth = names[rng.integers(3, size=n)]
    right = rng.random(n) < 0.8
    winner = np.where(right, truth, names[rng.integers(3, size=n)])
    score = np.where(right, rng.beta(6, 2, n), rng.beta(3, 3, n))
    return table(*zip(winner, score, truth, rng.integers(1, 20, n), strict=True))


def test_rates_are_those_of_scikit_learn() -> None:
    rois = simulated()
    predicted = class_report.predicted(rois, QUESTION)
    expected = precision_recall_fscore_support(
        rois["truth"], predicted, labels=["a", "b", "c"], sample_weight=rois["weight"]
    )
    report = class_report.class_report(rois, ["a", "b", "c"], QUESTION)
    for name, values in zip(("precision", "recall", "f1"), expected, strict=False):
        assert report[name].to_numpy() == pytest.approx(values)
    curve = class_report.class_curve(rois, ["a"], QUESTION)
    assert curve.loc[curve["threshold"] == 0.7, "precision"].item() == report["precision"][0]


def test_confusion_holds_all_labels_and_their_weight() -> None:
    rois = simulated()
    confusion = class_report.confusion(rois, QUESTION)
    assert confusion["n_labels"].sum() == len(rois)
    assert confusion["n_rois"].sum() == rois["weight"].sum()
    of_a = confusion[(confusion["true_class"] == "a") & (confusion["predicted_class"] == "a")]
    hit = (rois["truth"] == "a") & (rois["class"] == "a") & (rois["score"] >= 0.7)
    assert of_a["n_labels"].item() == hit.sum()


def test_agreed_rois_stand_beside_what_the_classifier_thinks(caplog: pytest.LogCaptureFixture) -> None:
    consensus = pd.DataFrame(
        [("r3", "agreed", "b"), ("r1", "agreed", "a"), ("r2", "tie", ""), ("lost", "agreed", "a")],
        columns=["roi", "status", "class"],
    )
    winners = pd.DataFrame(
        {"roi": ["r1", "r2", "r3"], "class": ["a", "a", "unclassified"], "score": [0.7, 0.8, np.nan]}
    )
    found = class_report.labelled_rois(consensus, winners.assign(bin="b", date="2024-04-18"), BANDS)
    assert list(found) == ["roi", "bin", "date", "class", "score", "band", "truth"]
    assert found[["roi", "class", "band", "truth"]].values.tolist() == [
        ["r1", "a", 2, "a"],
        ["r3", "unclassified", 0, "b"],
    ]
    assert "1 labelled ROI without scores left out, such as 'lost'" in caplog.text


def test_corrected_totals_are_count_times_precision_over_recall() -> None:
    """Where each ROI of the window is in a stratum with labels: STATISTICS of the sample alone, by another way."""
    rng = np.random.default_rng(3)
    population = simulated(4, 5000).drop(columns="weight").assign(date="2024-04-18")
    sizes = population.groupby(["class", "band"]).size().rename("n_rois").reset_index()
    sample = population.groupby(["class", "band"]).sample(30, random_state=int(rng.integers(1 << 30)))
    weighed = class_report.weigh(sample, sizes)
    question = Question(threshold=0.0, precision="float64")  # each winner counts, so that the counts are known exactly
    counts = population["class"].value_counts()
    abundance = pd.DataFrame({"class": counts.index, "count": counts.to_numpy()})
    totals = totals_corrected(weighed, abundance, question, Bootstrap(50)).set_index("class")
    report = class_report.class_report(weighed, ["a", "b", "c"], question).set_index("class")
    expected = totals["count"] * report["precision"] / report["recall"]
    assert totals["count_corrected"].to_dict() == pytest.approx(expected.to_dict())
    assert list(class_report.class_curve(weighed, ["a"], question)) == list(report.reset_index())


def test_an_empty_stratum_joins_the_nearest_the_lower_of_two_as_near(caplog: pytest.LogCaptureFixture) -> None:
    rois = table(("a", 0.1, "a", 0), ("a", 0.8, "a", 0), ("a", 0.8, "b", 0)).drop(columns="weight")
    sizes = pd.DataFrame({"class": ["a"] * 4 + ["b"], "band": [0, 1, 2, 3, 0], "n_rois": [10, 20, 30, 40, 7]})
    weighed = class_report.weigh(rois, sizes)
    # Band 1 is as near to 0 as to 2: it joins 0. Band 3 joins 2.
    assert weighed["weight"].tolist() == [30, 35, 35]
    assert "no label of a ROI that 'b' won: 7 ROIs of 107 are left out of all rates" in caplog.text


def test_a_label_where_no_roi_was_counted_is_an_error() -> None:
    sizes = pd.DataFrame({"class": ["a"], "band": [0], "n_rois": [10]})
    with pytest.raises(ScoresError, match="people labelled ROIs that a won"):
        class_report.weigh(table(("a", 0.8, "a", 0)).drop(columns="weight"), sizes)


def test_a_band_holds_its_lower_end_in_the_precision_of_scores() -> None:
    just_below = np.array([0.69999])  # in half precision it is what 0.7 is
    assert Bands((0.5, 0.7, 0.9), "float16").of(just_below) == [2]
    assert BANDS.of(just_below) == [1]
    assert BANDS.of(np.array([0.5, 0.7, 0.9, 1.0])).tolist() == [1, 2, 3, 3]


@pytest.mark.parametrize("criterion", ["precision", "f1", "balance"])
def test_thresholds_do_what_the_criterion_says(criterion: class_report.Criterion) -> None:
    rois = simulated(n=2000)
    question = Question(precision="float64", criterion=criterion, target_precision=0.95)
    chosen, left_out = class_report.choose_thresholds(rois, ["a", "rare"], question, seed=1)
    assert left_out == {"rare": "fewer than 10 labels"}
    curve = class_report.class_curve(rois, ["a"], question)
    row = chosen.iloc[0]
    if criterion == "precision":
        reached = curve[curve["precision"] >= 0.95]
        assert row["threshold"] == reached["threshold"].min()
    elif criterion == "f1":
        assert curve["f1"].max() == curve.loc[curve["threshold"] == row["threshold"], "f1"].item()
    else:
        kept = (rois["class"] == "a") & (rois["score"] >= row["threshold"])
        predicted, true = rois["weight"][kept].sum(), rois["weight"][rois["truth"] == "a"].sum()
        assert predicted == pytest.approx(true, rel=0.05)
    assert 0 < row["precision_cv"] <= 1


def test_a_target_that_is_never_reached_is_said() -> None:
    rois = simulated(n=400).assign(truth="b")
    question = Question(precision="float64", min_labels=1)
    chosen, _ = class_report.choose_thresholds(pd.concat([rois, table(("a", 0.2, "a", 1))]), ["a"], question, seed=1)
    assert chosen["note"].item() == "no threshold reaches a precision of 0.9"


@pytest.mark.parametrize(
    ("right_above", "precision", "note"),
    [
        (5, 14 / 17, "no threshold with 10 or more predicted labels reaches a precision of 0.9"),
        (4, 13 / 17, "no threshold reaches a precision of 0.9"),
    ],
)
def test_a_target_that_thin_thresholds_reach_is_said_so(right_above: int, precision: float, note: str) -> None:
    """By hand: 9 of 12 ROIs at 0.6 are right, and 5 or 4 of 5 at 0.9, which are fewer than 10 labels."""
    right = [("a", 0.6, "a", 1)] * 9 + [("a", 0.9, "a", 1)] * right_above
    rois = table(*right, *[("a", 0.6, "b", 1)] * 3, *[("a", 0.9, "b", 1)] * (5 - right_above))
    chosen, _ = class_report.choose_thresholds(rois, ["a"], Question(precision="float64"), seed=1)
    row = chosen.iloc[0]
    assert (row["n_predicted"], row["precision"], row["note"]) == (17, pytest.approx(precision), note)


def test_a_precision_that_is_the_target_reaches_it() -> None:
    """27 of 30 labels are right, whatever each of them stands for. Without 3 of those that are right, 24 of 27 are."""
    for n_rois in (31, 33, 37, 41):
        right = [("a", 0.8, "a", n_rois / 30)] * 27
        wrong = [("a", 0.8, "b", n_rois / 30)] * 3
        for rois, note in (
            (table(*right, *wrong), ""),
            (table(*right[3:], *wrong), "no threshold reaches a precision of 0.9"),
        ):
            chosen, _ = class_report.choose_thresholds(rois, ["a"], Question(precision="float64"), seed=1)
            assert chosen["note"].item() == note


@pytest.mark.parametrize("criterion", ["precision", "f1", "balance"])
def test_a_class_that_is_never_right_gets_no_threshold(criterion: class_report.Criterion) -> None:
    """A threshold of 0 would let in all that is wrong. By hand: a won 12 ROIs, and the 12 of a went to b."""
    rois = table(*[("a", 0.8, "b", 1)] * 12, *[("b", 0.8, "a", 1)] * 12, *[("b", 0.9, "b", 1)] * 12)
    question = Question(precision="float64", criterion=criterion)
    chosen, left_out = class_report.choose_thresholds(rois, ["a", "b"], question, seed=1)
    assert left_out == {"a": "never right"}
    assert chosen["class"].tolist() == ["b"]


def test_reliability_is_per_band() -> None:
    found = class_report.reliability(
        table(("a", 0.6, "a", 2), ("a", 0.5, "b", 2), ("a", 0.95, "a", 1)), BANDS, QUESTION
    )
    assert found[["score_low", "score_high", "n_labels", "mean_score", "share_right"]].values.tolist() == [
        [0.5, 0.7, 2, 0.55, 0.5],
        [0.9, 1.0, 1, 0.95, 1.0],
    ]


@pytest.mark.long
def test_limits_hold_the_truth_of_a_population() -> None:
    """The labels of a stratified sample, over and over: Wilson's limits hold the rates of all ROIs."""
    rng = np.random.default_rng(5)
    population = simulated(2, 20_000).drop(columns="weight")
    sizes = population.groupby(["class", "band"]).size().rename("n_rois").reset_index()
    question = Question(precision="float64")
    true = class_report.class_report(population.assign(weight=1.0), ["a", "b", "c"], question)
    held = []
    for _ in range(60):
        sample = population.groupby(["class", "band"]).sample(
            40, random_state=int(rng.integers(1 << 30)), replace=False
        )
        weighed = class_report.weigh(sample, sizes)
        found = class_report.class_report(weighed, ["a", "b", "c"], question)
        for name in ("precision", "recall"):
            held += ((found[f"{name}_low"] <= true[name]) & (true[name] <= found[f"{name}_high"])).tolist()
    assert 0.92 <= np.mean(held) <= 1
