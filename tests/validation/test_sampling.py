from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ifcb_abundance.classes.labels import UNCLASSIFIED
from ifcb_abundance.common.errors import RawFileError, ScoresError
from ifcb_abundance.scores.summary import Provenance, RoiWinners, best_scores, find_winners, write_summary
from ifcb_abundance.validation import sampling
from ifcb_abundance.validation.sampling import Bands, Wish

BANDS = Bands((0.5, 0.7, 0.9), "float16")
CLASSES = ("a", "b", "rare")
BINS = [f"D202404{day:02}T{hour:02}0000_IFCB010" for day in range(1, 11) for hour in range(6)]


def scores_of(bin_id: str) -> np.ndarray:
    rng = np.random.default_rng(list(bin_id.encode()))
    return rng.dirichlet([1.0, 0.6, 0.05], size=int(rng.integers(20, 60)))


def rois_of(bin_id: str) -> RoiWinners:
    scores = scores_of(bin_id)
    return RoiWinners(CLASSES, np.arange(2, len(scores) + 2), *best_scores(scores))


@pytest.fixture(scope="module")
def counts(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    folder = tmp_path_factory.mktemp("summaries")
    for bin_id in BINS:
        said = Provenance(bin_id, "read", classes=CLASSES)
        write_summary(said, find_winners(scores_of(bin_id)), folder / bin_id)
    return sampling.count_strata([folder / bin_id for bin_id in BINS], BANDS)


def test_strata_are_counted_as_the_rois_are(counts: pd.DataFrame) -> None:
    placed = pd.concat([sampling.place_rois(rois_of(bin_id), BANDS).assign(bin=bin_id) for bin_id in BINS])
    expected = placed.groupby(["bin", "class", "band"]).size()
    found = counts.set_index(["bin", "class", "band"])["n_rois"].sort_index()
    assert found.to_dict() == expected.to_dict()


def test_rois_without_a_valid_score_are_a_stratum(tmp_path: Path) -> None:
    scores = np.array([[0.9, 0.1, 0], [np.nan] * 3])
    write_summary(Provenance(BINS[0], "read", classes=CLASSES), find_winners(scores), tmp_path / "bin")
    found = sampling.count_strata([tmp_path / "bin"], BANDS)
    assert found.set_index(["class", "band"])["n_rois"].to_dict() == {("a", 3): 1, (UNCLASSIFIED, 0): 1}


def test_the_allocation_is_by_the_square_root_with_a_least() -> None:
    n_rois = np.array([1_000_000, 10_000, 100, 3])
    taken = sampling.allocate(n_rois, 1118)
    assert taken.tolist() == [1000, 100, 10, 3] or (abs(taken - [1000, 100, 10, 3]) <= 5).all()
    assert sampling.allocate(n_rois, 10).tolist() == [5, 5, 5, 3]
    assert sampling.allocate(np.array([7, 2]), 100).tolist() == [7, 2]
    assert taken.sum() == pytest.approx(1118, abs=1)


def test_a_second_round_asks_where_the_first_was_unsure() -> None:
    importance = sampling.neyman(np.array([1000, 1000, 1000]), np.array([8, 8, 8]), np.array([8, 4, 0]))
    assert importance == pytest.approx(1000 * np.sqrt([0.09, 0.25, 0.09]))
    taken = sampling.allocate(np.array([1000, 1000, 1000]), 110, importance)
    assert taken.tolist() == [30, 50, 30]


def test_each_roi_has_the_chance_that_is_written(counts: pd.DataFrame) -> None:
    everything = {roi for bin_id in BINS for roi in [f"{bin_id}_{n:05d}" for n in rois_of(bin_id).rois]}
    drawn: dict[str, int] = {}
    chance: dict[str, float] = {}
    times = 60
    for seed in range(times):
        wish = Wish(n_rois=150, seed=seed)
        plan = sampling.plan_sample(counts, wish)
        sample = sampling.draw_sample(plan, BANDS, rois_of, seed)
        assert sample["roi"].is_unique
        assert len(sample) == plan.strata["n_sampled"].sum()
        for roi, p in zip(sample["roi"], sample["inclusion_probability"], strict=True):
            drawn[roi] = drawn.get(roi, 0) + 1
            chance[roi] = p
    assert set(drawn) <= everything
    by_chance = pd.DataFrame({"times": drawn, "chance": chance}).groupby("chance")["times"]
    for p, met in by_chance:
        rate, n = met.mean() / times, met.size * times
        # Of those that were ever drawn; nearly all are, where the chance is not small.
        if p > 0.05:
            assert rate == pytest.approx(p, abs=5 * np.sqrt(p / n) + 0.002)


def test_the_sample_is_spread_over_time(counts: pd.DataFrame) -> None:
    plan = sampling.plan_sample(counts, Wish(n_rois=300))
    of_a = plan.draws[(plan.draws["class"] == "a") & (plan.draws["band"] == 1)]
    size = counts[(counts["class"] == "a") & (counts["band"] == 1)]
    n, of = of_a["n_sampled"].sum(), size["n_rois"].sum()
    for day in range(1, 11):
        start = f"D202404{day:02}"
        expected = size.loc[size["bin"].str.startswith(start), "n_rois"].sum() * n / of
        assert abs(of_a.loc[of_a["bin"].str.startswith(start), "n_sampled"].sum() - expected) <= 1


def test_bins_are_drawn_first_where_there_may_be_few(counts: pd.DataFrame) -> None:
    plan = sampling.plan_sample(counts, Wish(n_rois=100, max_bins=6))
    assert plan.draws["bin"].nunique() <= 6
    row = plan.strata.iloc[0]
    assert row["chance"] == pytest.approx(6 / 60 * row["n_sampled"] / row["n_stratum"])
    days = {bin_id[:9] for bin_id in plan.draws["bin"]}
    assert len(days) == 6


def test_the_same_seed_draws_the_same_(counts: pd.DataFrame) -> None:
    plan = sampling.plan_sample(counts, Wish(n_rois=100, seed=3))
    first = sampling.draw_sample(plan, BANDS, rois_of, 3)
    pd.testing.assert_frame_equal(first, sampling.draw_sample(plan, BANDS, rois_of, 3))


def test_scores_that_changed_since_they_were_counted_are_an_error(counts: pd.DataFrame) -> None:
    plan = sampling.plan_sample(counts, Wish(n_rois=10_000))

    def others(bin_id: str) -> RoiWinners:
        return RoiWinners(CLASSES, np.arange(1, 2), *best_scores(scores_of(bin_id)[:1]))

    with pytest.raises(ScoresError, match="no longer those that were counted"):
        sampling.draw_sample(plan, BANDS, others, 1)


def test_only_bins_that_may_have_images(caplog: pytest.LogCaptureFixture) -> None:
    assert sampling.choose_bins(["x", "y", "z"], lambda bin_id: bin_id != "y") == ["x", "z"]
    assert "1 of 3 bins have no images: left out of the sample" in caplog.text
    assert sampling.choose_bins(["x", "y"], lambda _: False) == ["x", "y"]
    assert "none of 2 bins has images" in caplog.text
    with pytest.raises(RawFileError, match="nothing to draw from"):
        sampling.choose_bins([], lambda _: True)


def test_what_limits_a_sample_will_give() -> None:
    """By hand: of 10,000 and 100 ROIs a sample of 1,100 takes 1,000 and 100; they weigh 10 and 1."""
    strata = pd.DataFrame({"class": ["a", "b"], "band": [3, 2], "n_rois": [10_000, 100]})
    found = sampling.expect_limits(strata, BANDS, {"a": 0.7, "b": 0.7}, 0.9, 0.95).set_index(["class", "n_sample"])
    assert sorted({n for _, n in found.index}) == [500, 1000, 2000, 5000, 10_000]
    assert found.loc[("b", 2000), "n_labels"] == 100
    assert found.loc[("b", 2000), "precision_low"] == pytest.approx(0.8256, abs=5e-5)  # Wilson, 90 of 100
    assert found.loc[("b", 2000), "precision_high"] == pytest.approx(0.9448, abs=5e-5)
    assert found.loc[("a", 2000), "n_effective"] == pytest.approx(1900)
    assert sampling.expect_limits(strata, BANDS, {"a": 0.95, "b": 0.7}, 0.9, 0.95)["class"].unique().tolist() == ["b"]
