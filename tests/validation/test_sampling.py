from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pytest

from ifcb_abundance.bins import layout
from ifcb_abundance.classes.labels import UNCLASSIFIED
from ifcb_abundance.common.errors import RawFileError, ScoresError
from ifcb_abundance.scores import summary
from ifcb_abundance.scores.decide import Kept, More
from ifcb_abundance.scores.summary import Provenance, RoiWinners, best_scores, find_winners, write_summary
from ifcb_abundance.tables import table_files
from ifcb_abundance.validation import drawing, sampling
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


def test_strata_of_summaries_with_all_scores_are_counted_from_their_winners(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = np.array([[0.9, 0.1, 0], [0.6, 0.2, 0.1], [0.6, 0.3, 0.1], [np.nan] * 3])
    said = Provenance(BINS[0], "read", classes=CLASSES)
    write_summary(said, find_winners(scores, More(scores=scores)), tmp_path / "bin")
    write_summary(Provenance(BINS[1], "no_scores"), find_winners(np.empty((0, 0))), tmp_path / "none")
    read, asked_for = summary._read, []
    monkeypatch.setattr(summary, "_read", lambda path, kept: asked_for.append(kept) or read(path, kept))
    found = sampling.count_strata([tmp_path / "bin", tmp_path / "none"], BANDS)
    assert found.set_index(["class", "band"])["n_rois"].to_dict() == {("a", 1): 2, ("a", 3): 1, (UNCLASSIFIED, 0): 1}
    assert set(found["bin"]) == {BINS[0]}
    assert asked_for == [Kept(), Kept()]


def test_the_allocation_is_by_the_square_root_with_a_least() -> None:
    n_rois = np.array([1_000_000, 10_000, 100, 3])
    assert sampling.allocate(n_rois, 1113).tolist() == [1000, 100, 10, 3]
    assert sampling.allocate(n_rois, 10).tolist() == [5, 5, 5, 3]
    assert sampling.allocate(np.array([7, 2]), 100).tolist() == [7, 2]
    assert sampling.allocate(n_rois, 1118).sum() == 1118


def test_a_second_round_asks_where_the_first_was_unsure() -> None:
    importance = sampling.neyman(np.array([1000, 1000, 1000]), np.array([8, 8, 8]), np.array([8, 4, 0]))
    assert importance == pytest.approx(1000 * np.sqrt([0.09, 0.25, 0.09]))
    taken = sampling.allocate(np.array([1000, 1000, 1000]), 110, importance)
    assert taken.tolist() == [30, 50, 30]


FEW = [f"D2024{month:02}{day:02}T000000_IFCB010" for month in (4, 5) for day in (3, 20, 28)]
OF_FEW = {bin_id: np.random.default_rng(i).dirichlet([1.0, 0.7], size=5 + 3 * i) for i, bin_id in enumerate(FEW)}
TWO_BANDS = Bands((0.7,), "float64")


def few_rois(bin_id: str) -> RoiWinners:
    scores = OF_FEW[bin_id]
    return RoiWinners(CLASSES[:2], np.arange(1, len(scores) + 1), *best_scores(scores))


def few_placed() -> pd.DataFrame:
    """All ROIs of the few bins."""
    tables = []
    for bin_id in FEW:
        table = sampling.place_rois(few_rois(bin_id), TWO_BANDS)
        tables.append(table.assign(bin=bin_id, roi=[f"{bin_id}_{n:05d}" for n in table["number"]]))
    return pd.concat(tables, ignore_index=True)


def assert_chances(drawn: list[pd.DataFrame], everything: pd.Series) -> None:
    """Each ROI is drawn as often as the column says: no ROI is far off, and all together are not."""
    times = len(drawn)
    met = pd.concat(drawn).groupby("roi")["inclusion_probability"].agg(["size", "min", "max"])
    assert set(met.index) == set(everything)  # in so many draws each ROI comes up
    assert (met["min"] == met["max"]).all()
    p = met["min"]
    off = (met["size"] / times - p) / np.sqrt(p * (1 - p) / times)
    assert np.abs(off[p < 1]).max() < 4.5
    assert (off[p < 1] ** 2).mean() < 1.6
    assert (met.loc[p == 1, "size"] == times).all()
    # The estimator of Horvitz and Thompson: the sum of 1 / p is, on the mean, the number of ROIs.
    sums = [(1 / sample["inclusion_probability"]).sum() for sample in drawn]
    assert np.mean(sums) == pytest.approx(len(everything), abs=4 * np.std(sums) / np.sqrt(times) + 1e-6)


@pytest.mark.long
@pytest.mark.parametrize(("spread", "max_bins"), [("month", None), ("none", None), ("month", 4)])
def test_each_roi_has_the_chance_that_is_written(spread: Literal["month", "none"], max_bins: int | None) -> None:
    everything = few_placed()
    counts = everything.groupby(["bin", "class", "band"]).size().rename("n_rois").reset_index()
    drawn = []
    for seed in range(60):
        plan = sampling.plan_sample(counts, Wish(24, max_bins, seed, spread))
        sample = sampling.draw_sample(plan, TWO_BANDS, few_rois, seed)
        assert sample["roi"].is_unique
        assert len(sample) == plan.strata["n_sampled"].sum()
        drawn.append(sample)
    if max_bins is None:
        assert_chances(drawn, everything["roi"])
        return
    # How many a stratum has depends on which bins were drawn, so chances differ from draw to draw.
    sums = pd.concat(drawn).assign(one=lambda rows: 1 / rows["inclusion_probability"]).groupby("roi")["one"].sum() / 60
    assert sums.mean() * len(sums) == pytest.approx(len(everything), rel=0.05)
    assert sums.groupby(sums.index.str[:9]).mean().between(0.75, 1.25).all()


@pytest.mark.long
def test_rounds_together_have_the_chance_that_is_written() -> None:
    everything = few_placed()
    counts = everything.groupby(["bin", "class", "band"]).size().rename("n_rois").reset_index()
    # What was found: all alike in one stratum, half and half in the other ones.
    strata = counts.groupby(["class", "band"]).size().index
    found = [(*key, str(i % (1 + (n > 0)))) for n, key in enumerate(strata) for i in range(8)]
    labelled = pd.DataFrame(found, columns=["class", "band", "truth"])
    both = []
    for seed in range(40):
        wish = Wish(16, seed=seed)
        first = sampling.draw_sample(sampling.plan_sample(counts, wish), TWO_BANDS, few_rois, seed)
        plan = sampling.plan_second_round(counts, wish, first, labelled, TWO_BANDS)
        second = sampling.draw_sample(plan, TWO_BANDS, few_rois, seed)
        assert not set(first["roi"]) & set(second["roi"])
        assert len(first) + len(second) == plan.strata["n_sampled"].sum()
        chance = second.drop_duplicates("stratum").set_index("stratum")["inclusion_probability"]
        of_plan = {
            TWO_BANDS.named(name, band): p for name, band, p in plan.strata[["class", "band", "chance"]].values.tolist()
        }
        assert chance.to_dict().items() <= of_plan.items()
        drawn = pd.concat([first, second])
        both.append(drawn.assign(inclusion_probability=drawn["stratum"].map(of_plan)))
    assert_chances(both, everything["roi"])


def test_a_second_round_goes_where_the_first_was_unsure_and_takes_what_there_is_into_account() -> None:
    """By hand: 2 strata of 1,000; both had 30. One is half right (S = 0.5), the other all right (31/32: S = 0.174)."""
    counts = pd.DataFrame({"bin": FEW[0], "class": ["a", "b"], "band": 1, "n_rois": 1000})
    first = pd.DataFrame({"bin": FEW[0], "class": ["a"] * 30 + ["b"] * 30, "score": 0.9})
    first["roi"] = [f"{FEW[0]}_{n:05d}" for n in range(1, 61)]
    labelled = first.assign(band=1, truth=["a", "b"] * 15 + ["b"] * 30)
    plan = sampling.plan_second_round(counts, Wish(40), first, labelled, TWO_BANDS)
    # 100 in all: 74 and 26 by S; the second one already has 30, so that 70 are left for the first one.
    assert plan.strata["n_sampled"].tolist() == [70, 30]
    assert plan.draws[["class", "n_sampled"]].values.tolist() == [["a", 40]]
    plan = sampling.plan_second_round(counts, Wish(240), first, labelled, TWO_BANDS)
    assert plan.strata["n_sampled"].tolist() == pytest.approx([300 * 0.5 / 0.674, 300 * 0.174 / 0.674], abs=1)
    assert plan.strata["chance"].tolist() == (plan.strata["n_sampled"] / 1000).tolist()


def test_a_second_round_takes_the_bins_of_the_first() -> None:
    everything = few_placed()
    counts = everything.groupby(["bin", "class", "band"]).size().rename("n_rois").reset_index()
    first = sampling.draw_sample(sampling.plan_sample(counts, Wish(12, 3)), TWO_BANDS, few_rois, 1)
    labelled = pd.DataFrame({"class": ["a", "a"], "band": 0, "truth": ["a", "b"]})
    plan = sampling.plan_second_round(counts, Wish(10, 3), first, labelled, TWO_BANDS)
    assert set(plan.draws["bin"]) <= set(first["bin"])
    row = plan.strata.iloc[0]
    assert row["chance"] == pytest.approx(first["bin"].nunique() / 6 * row["n_sampled"] / row["n_stratum"])


def one_stratum(sizes: list[int]) -> pd.DataFrame:
    """The counts of the few bins, whose ROIs are all of one stratum."""
    return pd.DataFrame({"bin": FEW, "class": "a", "band": 1, "n_rois": sizes})


def drawn_of(plan: sampling.Plan) -> pd.DataFrame:
    """A sample of the ROIs that a plan draws, as far as a second round needs it; they are the first of their bins."""
    bins = plan.draws["bin"].repeat(plan.draws["n_sampled"])
    numbers = bins.groupby(bins).cumcount() + 1
    return pd.DataFrame({"roi": [f"{name}_{n:05d}" for name, n in zip(bins, numbers, strict=True)]}).assign(
        bin=bins.to_numpy(), **{"class": "a", "score": 0.9}
    )


HALF = pd.DataFrame({"class": "a", "band": 1, "truth": ["a", "b"]})  # of what the first round found


def test_a_second_round_has_no_more_bins_than_asked_for_where_the_first_one_had() -> None:
    """By hand: the first round has 10 % of six bins; the second draws two of them, and 30 of the ROIs that are left."""
    counts = one_stratum([100, 100, 300, 300, 500, 700])
    first = drawn_of(sampling.plan_sample(counts, Wish(200)))
    assert first["bin"].value_counts()[FEW].tolist() == [10, 10, 30, 30, 50, 70]
    found = set()
    for seed in range(30):
        plan = sampling.plan_second_round(counts, Wish(30, 2, seed), first, HALF, TWO_BANDS)
        bins = sorted(set(plan.draws["bin"]))
        assert len(bins) == 2
        assert plan.draws["n_sampled"].sum() == 30
        (row,) = plan.strata.to_dict("records")
        assert (row["n_stratum"], row["n_sampled"]) == (2000, 230)
        left = 0.9 * counts.loc[counts["bin"].isin(bins), "n_rois"].sum()
        assert row["chance"] == pytest.approx(0.1 + 0.9 * (2 / 6) * 30 / left)
        found |= set(bins)
    assert found == set(FEW)
    # No more than the two bins have left.
    plan = sampling.plan_second_round(counts, Wish(1900, 2, 1), first, HALF, TWO_BANDS)
    bins = set(plan.draws["bin"])
    assert plan.draws["n_sampled"].sum() == 0.9 * counts.loc[counts["bin"].isin(bins), "n_rois"].sum()


def test_a_round_with_nothing_to_draw_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ROIs of each bin have labels."""
    counts = one_stratum([2] * len(FEW))
    rois = [f"{name}_{n:05d}" for name in FEW for n in (1, 2)]
    first = pd.DataFrame({"roi": rois, "bin": np.repeat(FEW, 2), "date": "2024-04-18", "class": "a", "score": 0.9})
    consensus = pd.DataFrame({"roi": rois, "status": "agreed", "class": "a", "n_votes": 1, "agreement": 1.0})
    monkeypatch.setattr(drawing, "read_strata", lambda _: counts)
    monkeypatch.setattr(drawing, "winners_of_rois", lambda *_: first)
    table_files.write(consensus, "consensus", tmp_path / "consensus.csv")

    def plan(wish: Wish) -> sampling.Plan:
        labelled = {"consensus": str(tmp_path / "consensus.csv"), "winners": []}
        return drawing.plan_round("strata", wish, TWO_BANDS, lambda _: True, labelled)

    with pytest.raises(RawFileError, match="every ROI that can be drawn has a label, so nothing is left for a second"):
        plan(Wish(10))
    with pytest.raises(RawFileError, match=r"every ROI of the bins that validation\.max_bins lets it draw from has a"):
        plan(Wish(10, 2))
    counts["n_rois"] = [2] * (len(FEW) - 1) + [3]
    assert plan(Wish(10)).draws[["bin", "n_sampled"]].values.tolist() == [[FEW[-1], 1]]
    monkeypatch.setattr(drawing, "read_strata", lambda _: one_stratum([0] * len(FEW)))
    with pytest.raises(RawFileError, match="no bin that can be drawn from has a ROI"):
        drawing.plan_round("strata", Wish(10), TWO_BANDS, lambda _: True)


@pytest.mark.long
def test_a_second_round_of_fewer_bins_is_right_on_the_mean() -> None:
    """Three of six bins of 200 ROIs are all right, the others all wrong: half of all, weighed alike in both rounds.

    With bins of one size each ROI has the chance that is written, whichever bins are drawn.
    """
    counts = one_stratum([200] * 6)
    right = dict(zip(FEW, [1, 0, 0, 1, 1, 0], strict=True))
    first = drawn_of(sampling.plan_sample(counts, Wish(60)))
    shares, met = [], dict.fromkeys(FEW, 0)
    for seed in range(150):
        plan = sampling.plan_second_round(counts, Wish(60, 2, seed, "none"), first, HALF, TWO_BANDS)
        assert plan.strata["chance"].tolist() == pytest.approx([120 / 1200])
        both = pd.concat([first["bin"], plan.draws["bin"].repeat(plan.draws["n_sampled"])])
        shares.append(both.map(right).mean())
        for name in both:
            met[name] += 1
    assert np.mean(shares) == pytest.approx(0.5, abs=3 * np.std(shares) / np.sqrt(150))
    # 10 of each bin each time, and 30 if it is one of the two of six: 50 +- 5.8 of 150 times.
    assert list(met.values()) == pytest.approx([3000] * 6, abs=4 * 5.8 * 30)


def test_both_rounds_together_are_right_on_the_mean() -> None:
    """Of strata whose second round depends on what the first one found: weights N / n over both rounds.

    A stratum that looks purer than it is gets fewer ROIs in the second round, so a bias is left; it is small.
    """
    rng = np.random.default_rng(4)
    size, right = np.array([20_000, 5000, 1000, 200]), np.array([19_400, 4500, 800, 140])
    found, alone = [], []
    for _ in range(400):
        n = sampling.allocate(size, 150)
        hits = rng.hypergeometric(right, size - right, n)
        importance = sampling.neyman(size, n, np.maximum(hits, n - hits))
        both = sampling.allocate(size, int(n.sum()) + 150, importance, n)
        more = rng.hypergeometric(right - hits, size - n - (right - hits), both - n)
        found.append(((hits + more) / both * size).sum())
        alone.append((hits / n * size).sum())
    assert abs(np.mean(found) - right.sum()) < 0.25 * np.std(found)
    assert np.mean(found) == pytest.approx(right.sum(), rel=0.003)
    assert np.std(found) < 0.75 * np.std(alone)  # twice as many, drawn anyhow, would have 0.71


def test_the_sample_is_spread_over_time(counts: pd.DataFrame) -> None:
    plan = sampling.plan_sample(counts, Wish(n_rois=300))
    of_a = plan.draws[(plan.draws["class"] == "a") & (plan.draws["band"] == 1)]
    size = counts[(counts["class"] == "a") & (counts["band"] == 1)]
    n, of = of_a["n_sampled"].sum(), size["n_rois"].sum()
    for day in range(1, 11):
        start = f"D202404{day:02}"
        expected = size.loc[size["bin"].str.startswith(start), "n_rois"].sum() * n / of
        assert abs(of_a.loc[of_a["bin"].str.startswith(start), "n_sampled"].sum() - expected) <= 1


def test_each_month_of_a_stratum_has_its_share() -> None:
    """By hand: 20 of 1,000 ROIs; months have 700, 160, 90, 49 and 1 of them, so shares of 14, 3.2, 1.8, 0.98, 0.02."""
    of_month = {"03": [400, 300], "04": [160], "05": [1, 88, 1], "06": [49], "07": [1]}
    rows = [(f"D2024{month}{10 + i}T000000_IFCB010", n) for month, of in of_month.items() for i, n in enumerate(of)]
    counts = pd.DataFrame(rows, columns=["bin", "n_rois"]).assign(**{"class": "a", "band": 0})
    found = []
    for seed in range(60):
        draws = sampling.plan_sample(counts, Wish(20, seed=seed)).draws
        found.append(draws.groupby(draws["bin"].str[5:7])["n_sampled"].sum().reindex(list(of_month), fill_value=0))
    drawn = np.array(found)
    assert (drawn.sum(axis=1) == 20).all()
    assert (drawn[:, 0] == 14).all()
    assert set(drawn[:, 1]) == {3, 4}
    assert set(drawn[:, 2]) == {1, 2}
    assert (drawn[:, 3:] <= 1).all()
    # On the mean the months have what they have of all ROIs, so each ROI has the same chance.
    assert drawn.mean(axis=0) == pytest.approx([14, 3.2, 1.8, 0.98, 0.02], abs=0.2)


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
    strata = pd.DataFrame({"class": ["a", "b"], "band": [3, 2], "n_rois": [10_000, 100], "n_predicted": [10_000, 100]})
    found = sampling.expect_limits(strata, 0.9, 0.95).set_index(["class", "n_sample"])
    assert sorted({n for _, n in found.index}) == [500, 1000, 2000, 5000, 10_000]
    assert found.loc[("b", 2000), "n_labels"] == 100
    assert found.loc[("b", 2000), "precision_low"] == pytest.approx(0.8256, abs=5e-5)  # Wilson, 90 of 100
    assert found.loc[("b", 2000), "precision_high"] == pytest.approx(0.9448, abs=5e-5)
    assert found.loc[("a", 2000), "n_effective"] == pytest.approx(1900)
    # Of the 1,900 labels of a, 2 in 5 are above a threshold that 4,000 of its ROIs reach; the weights stay alike.
    found = sampling.expect_limits(strata.assign(n_predicted=[4000, 0]), 0.9, 0.95).set_index(["class", "n_sample"])
    assert found.loc[("a", 2000), ["n_labels", "n_effective"]].tolist() == pytest.approx([760, 760])
    assert found.index.get_level_values("class").unique().tolist() == ["a"]


@pytest.mark.parametrize(
    ("threshold", "n_labels", "low", "high"),
    [(0.5, 20, 0.6990, 0.9721), (0.6, 14, 0.6502, 0.9776), (0.7, 10, 0.5958, 0.9821), (0, 23, 0.7156, 0.9699)],
)
def test_a_threshold_may_lie_within_a_band(
    tmp_path: Path, threshold: float, n_labels: int, low: float, high: float
) -> None:
    """By hand: 3, 6, 4 and 10 ROIs of two bins have scores below 0.5, in 0.5-0.6, in 0.6-0.7, and above.

    All are labelled, so each weighs 1. Wilson's limits of 0.9 with n labels, z = 1.96:
    (0.9 + z²/2n -+ z sqrt(0.09/n + z²/4n²)) / (1 + z²/n).
    """
    of_bin = {BINS[0]: [0.4] * 3 + [0.55] * 6 + [0.6] * 2, BINS[1]: [0.65] * 2 + [0.8] * 10}
    paths = [Path(layout.of_bin(tmp_path, layout.SUMMARY, bin_id)) for bin_id in of_bin]
    for path, (bin_id, best) in zip(paths, of_bin.items(), strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        scores = np.array([[score, 0, 0] for score in best])
        write_summary(Provenance(bin_id, "read", classes=CLASSES), find_winners(scores), path)
    table_files.write_parquet(sampling.count_strata(paths, BANDS), "strata", tmp_path / "strata.parquet")
    files = tmp_path / "strata.parquet", tmp_path
    drawing.write_plan(*files, BANDS, lambda _: threshold, 0.9, 0.95, tmp_path / "plan.csv")
    (row,) = table_files.read("validation_plan", tmp_path / "plan.csv").to_dict("records")
    assert (row["class"], row["n_sample"], row["n_labels"], row["n_effective"]) == ("a", 23, n_labels, n_labels)
    assert (row["precision_low"], row["precision_high"]) == pytest.approx((low, high), abs=5e-5)
