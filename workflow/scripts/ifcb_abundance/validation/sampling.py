"""Which ROIs people are asked about: a stratified random sample whose chances are known.

A stratum is a winner and a band of its scores. Sizes of strata come from the scores summaries, so no source is asked
before it is known which bins are needed. Within a stratum the months are strata too, with proportional allocation: a
month with a share of 3.4 ROIs gets 3 or 4, and one with a share of 1 or more is never left out. Which way a share is
rounded is drawn so that each ROI of the stratum keeps the same chance, and weights do not depend on the month: ROIs in
order of time, then each k-th of them from a random start (W. G. Cochran, Sampling Techniques (1977), chapter 8). That
spreads the ROIs of a month over its days too.
"""

import logging
import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ifcb_abundance.bins.ids import add_target, parse_roi_id
from ifcb_abundance.classes.labels import UNCLASSIFIED
from ifcb_abundance.common.errors import RawFileError, ScoresError
from ifcb_abundance.common.intervals import effective_number, wilson_limits
from ifcb_abundance.common.precision import Precision
from ifcb_abundance.common.words import counted
from ifcb_abundance.scores.decide import Kept
from ifcb_abundance.scores.summary import RoiWinners, read_summaries

log = logging.getLogger("ifcb.validation")

LEAST = 5  # ROIs of a stratum in the sample, or all that there are


@dataclass(frozen=True)
class Bands:
    """Bands of scores. edges: where they begin, without 0; a band holds its lower end, and the last one 1."""

    edges: Sequence[float]
    precision: Precision

    def of(self, score: NDArray[np.float64]) -> NDArray[np.intp]:
        """The number of each score's band, compared in the precision in which scores meet their thresholds."""
        ends = np.array(self.edges, dtype="float64").astype(self.precision)
        return np.searchsorted(ends, score.astype(self.precision), side="right")

    def limits(self, band: int) -> tuple[float, float]:
        """Where a band begins and ends."""
        ends = [0.0, *self.edges, 1.0]
        return ends[band], ends[band + 1]

    def named(self, winner: str, band: int) -> str:
        """What a stratum is called."""
        low, high = self.limits(band)
        return winner if winner == UNCLASSIFIED else f"{winner} {low:g}-{high:g}"


def count_strata(summaries: Iterable[str | Path], bands: Bands) -> pd.DataFrame:
    """How many ROIs each bin has in each stratum: columns bin, class, band, n_rois, in the order of the summaries.

    Bins without scores have no row. ROIs without a valid score, and those that a class called `unclassified` won, are
    one stratum of that name.
    """
    columns = ["bin", "class", "band", "n_rois"]
    parts: list[tuple[NDArray[Any], ...]] = []
    n_bands = len(bands.edges) + 1
    for path in summaries:
        (provenance,), stacks = read_summaries([path], Kept())
        if not stacks:
            continue
        winners = stacks[0].winners
        # In the order of names, `unclassified` under its own; few bins have a class of that name.
        names = np.array(sorted({*provenance.classes, UNCLASSIFIED}), dtype=object)
        place = {name: i for i, name in enumerate(names)}
        number = np.array([place[name] for name in (*provenance.classes, UNCLASSIFIED)])[
            winners.winner[bands.precision]
        ]
        band = np.where(number == place[UNCLASSIFIED], 0, bands.of(winners.score))
        n_rois = np.bincount(number * n_bands + band, winners.n_rois, minlength=len(names) * n_bands)
        there = np.flatnonzero(n_rois)
        of_bin = np.full(len(there), provenance.bin, dtype=object)
        parts.append((of_bin, names[there // n_bands], there % n_bands, n_rois[there].astype(np.int64)))
    if not parts:
        return pd.DataFrame({name: pd.Series(dtype="object") for name in columns})
    joined = (np.concatenate(of_column) for of_column in zip(*parts, strict=True))
    return pd.DataFrame(dict(zip(columns, joined, strict=True))).astype({"bin": "str", "class": "str"})


def sizes(counts: pd.DataFrame) -> pd.DataFrame:
    """Strata with their sizes, sorted: columns class, band, n_rois."""
    return counts.groupby(["class", "band"], as_index=False).agg(n_rois=("n_rois", "sum"))


# --- how many of each stratum ---


def allocate(
    n_rois: NDArray[np.int64],
    n: int,
    importance: NDArray[np.float64] | None = None,
    had: NDArray[np.int64] | None = None,
) -> NDArray[np.int64]:
    """How many ROIs of each stratum make a sample of about n; at least LEAST, or all of a stratum.

    By the square root of the size (M. D. Bankier, Power allocations, Am. Stat. 42 (1988) 174-177), or by `importance`.
    had: how many an earlier round drew; they count, and none is given back. Where what is needed at least is more than
    n together, the sample is larger than n.
    """
    least = np.minimum(n_rois, LEAST if had is None else np.maximum(had, LEAST))
    share = np.sqrt(n_rois) if importance is None else importance
    low, high = 0.0, float(n) if share.max(initial=0) == 0 else float(n_rois.max(initial=0)) / share[share > 0].min()
    for _ in range(100):  # the factor at which the strata together are n
        factor = (low + high) / 2
        if np.clip(share * factor, least, n_rois).sum() < n:
            low = factor
        else:
            high = factor
    wanted = np.clip(share * high, least, n_rois)
    taken = np.floor(wanted + 1e-9).astype(np.int64)
    spare = max(0, min(n, round(float(wanted.sum()))) - int(taken.sum()))
    taken[np.argsort(taken - wanted, kind="stable")[:spare]] += 1
    return np.minimum(taken, n_rois)


def neyman(n_rois: NDArray[np.int64], n_labels: NDArray[np.int64], n_alike: NDArray[np.int64]) -> NDArray[np.float64]:
    """Importance of strata for a second round: size times standard deviation of what the first round found.

    n_alike: labels of the class that most labels of the stratum are of. Their share is taken as (alike + 1) /
    (labels + 2), so that a stratum in which all few labels were alike is not taken for one that is known. Source: J.
    Neyman, J. R. Stat. Soc. 97 (1934) 558-625.
    """
    share = (n_alike + 1) / (n_labels + 2)
    return np.asarray(n_rois * np.sqrt(share * (1 - share)), dtype=float)


# --- which ones ---


@dataclass(frozen=True)
class Plan:
    """What to draw.

    strata: columns class, band, n_stratum, n_sampled (of all rounds together), chance (to be in any of them). draws:
    columns bin, class, band, n_sampled, of this round. taken: ROIs that earlier rounds drew.
    """

    strata: pd.DataFrame
    draws: pd.DataFrame
    taken: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Wish:
    """What sample is asked for: how many ROIs, of how many bins at most (None: any), the seed, the spread over time."""

    n_rois: int = 2000
    max_bins: int | None = None
    seed: int = 1
    spread: Literal["month", "none"] = "month"


def choose_bins(bins: Sequence[str], may_have_images: Callable[[str], bool]) -> list[str]:
    """The bins that ROIs can be drawn from: those that may have images, or all if none has; says how many are left out.

    Raises RawFileError if there is no bin.
    """
    if not bins:
        raise RawFileError("validation: no bin of the window is used, so there is nothing to draw from")
    there = [bin_id for bin_id in bins if may_have_images(bin_id)]
    if not there:
        log.warning(f"validation: none of {counted(len(bins), 'bin')} has images: the sample is a list of ROIs alone")
        return list(bins)
    if len(there) < len(bins):
        log.warning(f"validation: {len(bins) - len(there)} of {len(bins)} bins have no images: left out of the sample")
    return there


def plan_sample(counts: pd.DataFrame, wish: Wish) -> Plan:
    """Draw how many ROIs of which bin and stratum are in the sample.

    counts: as of `count_strata`, bins in order of time. With `max_bins` bins are drawn first, each with the same chance
    and evenly over time. The same arguments give the same plan.
    """
    rng = np.random.default_rng(wish.seed)
    kept, chance_of_bin = _bins_within(counts, wish, rng)
    counts = counts[counts["bin"].isin(kept)]
    strata = sizes(counts).rename(columns={"n_rois": "n_stratum"})
    strata["n_sampled"] = allocate(strata["n_stratum"].to_numpy("int64"), wish.n_rois)
    strata["chance"] = chance_of_bin * strata["n_sampled"] / strata["n_stratum"]
    return Plan(strata, _draws(counts.assign(n_free=counts["n_rois"]), strata, wish, rng))


def plan_second_round(
    counts: pd.DataFrame, wish: Wish, first: pd.DataFrame, labelled: pd.DataFrame, bands: Bands
) -> Plan:
    """Draw another `n_rois` ROIs where the labels of the first round leave most open.

    first: the first round's sample. labelled: columns class, band, truth, as of `class_report.labelled_rois`. Both
    rounds together are allocated by Neyman's rule; a stratum that already has its share gets no more. Where the first
    round drew at most `max_bins` bins, the second one takes the same. Of more bins, it draws `max_bins` of all anew:
    bins that have labels are those with many ROIs, so that ROIs of these alone would have a larger chance. Within a
    stratum the ROIs of both rounds have the same chance.
    """
    rng = np.random.default_rng([wish.seed, 2])
    bins = set(counts["bin"])
    of_first = bins & set(first["bin"])
    chance_of_both = chance_of_second = 1.0
    if _too_many(bins, wish) and of_first and not _too_many(of_first, wish):
        counts, kept = counts[counts["bin"].isin(of_first)], of_first
        chance_of_both = len(of_first) / len(bins)
    else:
        kept, chance_of_second = _bins_within(counts, wish, rng)
    counts = _with_free(counts, first, bands, kept)
    columns = {"n_stratum": ("n_rois", "sum"), "had": ("n_taken", "sum"), "n_free": ("n_free", "sum")}
    strata = counts.groupby(["class", "band"], as_index=False).agg(**columns)
    n_stratum, had, n_free = (strata[name].to_numpy("int64") for name in columns)
    per_truth = labelled.groupby(["class", "band", "truth"]).size().groupby(["class", "band"]).agg(["sum", "max"])
    found = strata.merge(per_truth, left_on=["class", "band"], right_index=True, how="left").fillna(
        {"sum": 0, "max": 0}
    )
    importance = neyman(n_stratum, found["sum"].to_numpy("int64"), found["max"].to_numpy("int64"))
    strata["n_sampled"] = allocate(had + n_free, int(had.sum()) + wish.n_rois, importance, had)
    new = strata["n_sampled"] - had
    # A ROI that the first round left has the chance of its bin, times the share of the free ROIs there that are drawn.
    reach = chance_of_second * (n_stratum - had) / np.maximum(n_free, 1)
    strata["chance"] = chance_of_both * (had + new * reach) / n_stratum
    draws = _draws(counts, strata.assign(n_sampled=new), wish, rng)
    return Plan(strata.drop(columns=["had", "n_free"]), draws, frozenset(first["roi"]))


def _too_many(bins: Collection[str], wish: Wish) -> bool:
    return wish.max_bins is not None and wish.max_bins < len(bins)


def _bins_within(counts: pd.DataFrame, wish: Wish, rng: np.random.Generator) -> tuple[set[str], float]:
    """At most `max_bins` of the bins, evenly over time, and the chance of each to be among them."""
    bins = list(dict.fromkeys(counts["bin"]))
    if wish.max_bins is None or not _too_many(bins, wish):
        return set(bins), 1.0
    return {bins[i] for i in _places(len(bins), wish.max_bins, wish, rng)}, wish.max_bins / len(bins)


def _with_free(counts: pd.DataFrame, first: pd.DataFrame, bands: Bands, bins: Collection[str]) -> pd.DataFrame:
    """The counts with how many ROIs the first round drew (n_taken), and how many of `bins` it did not (n_free)."""
    band = np.where(first["class"] == UNCLASSIFIED, 0, bands.of(first["score"].to_numpy("float64")))
    taken = first.assign(band=band).groupby(["bin", "class", "band"]).size().rename("n_taken")
    joined = counts.merge(taken, left_on=["bin", "class", "band"], right_index=True, how="left")
    n_taken = joined["n_taken"].fillna(0).to_numpy("int64")
    return counts.assign(n_taken=n_taken, n_free=(counts["n_rois"] - n_taken).where(counts["bin"].isin(bins), 0))


def _draws(counts: pd.DataFrame, strata: pd.DataFrame, wish: Wish, rng: np.random.Generator) -> pd.DataFrame:
    """Of which bins the ROIs of each stratum are: columns bin, class, band, n_sampled.

    counts: with n_free, how many ROIs of a bin may still be drawn. strata: with n_sampled.
    """
    rows_of = counts.groupby(["class", "band"]).indices
    n_free = counts["n_free"].to_numpy("int64")
    drawn = np.zeros(len(counts), dtype=np.int64)
    for name, band, wanted in strata[["class", "band", "n_sampled"]].itertuples(index=False):
        rows = rows_of[name, band]
        ends = n_free[rows].cumsum()
        places = _places(int(ends[-1]), int(wanted), wish, rng)
        drawn[rows] = np.bincount(np.searchsorted(ends, places, side="right"), minlength=len(rows))
    draws = counts[["bin", "class", "band"]].assign(n_sampled=drawn)[drawn > 0]
    return draws.sort_values(["bin", "class", "band"], ignore_index=True)


def _places(of: int, n: int, wish: Wish, rng: np.random.Generator) -> NDArray[np.int64]:
    """n of the numbers from 0 to `of` - 1, each with the same chance; spread evenly from a random start, or not.

    Of each run of numbers, such as those of a month, its share of n is taken, rounded up or down.
    """
    if wish.spread == "none":
        return np.sort(rng.choice(of, n, replace=False))
    return np.floor((np.arange(n) + rng.random()) * of / max(n, 1)).astype(np.int64)


def draw_sample(plan: Plan, bands: Bands, read_rois: Callable[[str], RoiWinners], seed: int) -> pd.DataFrame:
    """The sample of this round: the columns of `sample`, sorted by ROI; n_sampled and chances are of all rounds.

    read_rois: the winners of a bin's ROIs. Raises ScoresError, naming the bin, if it no longer has as many ROIs in a
    stratum as its summary says.
    """
    rows: list[tuple[str, str, str, float, int]] = []
    taken: dict[str, list[int]] = {}
    for roi in plan.taken:
        of_roi, number = parse_roi_id(roi)
        taken.setdefault(of_roi, []).append(number)
    for bin_id, of_bin in plan.draws.groupby("bin", sort=True):
        rois = read_rois(str(bin_id))
        names, of_band = _strata_of(rois, bands)
        free = ~np.isin(rois.rois, taken.get(str(bin_id), []))
        rng = np.random.default_rng([seed, 1 + bool(plan.taken), *str(bin_id).encode()])  # rounds are independent
        for name, band, n in of_bin[["class", "band", "n_sampled"]].itertuples(index=False):
            there = np.flatnonzero(free & (names == name) & (of_band == band))
            if len(there) < n:
                raise ScoresError(
                    f"bin {bin_id}: its class scores are no longer those that were counted: {name} has "
                    f"{counted(len(there), 'ROI')} in a band of scores of which {n} were drawn. Have the bin read "
                    "again: delete its scores summary, or see `snakemake recheck`"
                )
            there = there[rois.rois[there].argsort()]  # the order of a file's rows changes nothing
            for i in there[rng.choice(len(there), int(n), replace=False)]:
                score = np.nan if name == UNCLASSIFIED else rois.score[i]
                rows.append((add_target(str(bin_id), int(rois.rois[i])), str(bin_id), name, float(score), int(band)))
    sample = pd.DataFrame(rows, columns=["roi", "bin", "class", "score", "band"])
    sample = sample.merge(plan.strata, on=["class", "band"], how="left")
    named = [bands.named(name, band) for name, band in zip(sample["class"], sample["band"], strict=True)]
    sample = sample.assign(stratum=pd.Series(named, dtype="str"), inclusion_probability=sample["chance"])
    columns = ["roi", "bin", "class", "score", "stratum", "n_stratum", "n_sampled", "inclusion_probability"]
    return sample.sort_values("roi", ignore_index=True)[columns]


def place_rois(rois: RoiWinners, bands: Bands) -> pd.DataFrame:
    """Each ROI of a bin with its winner and band: columns number, class, score (NaN without a valid one), band."""
    names, band = _strata_of(rois, bands)
    score = np.where(names == UNCLASSIFIED, np.nan, rois.score)
    return pd.DataFrame(
        {"number": rois.rois, "class": pd.Series(names, dtype="str"), "score": score, "band": band},
    )


def _strata_of(rois: RoiWinners, bands: Bands) -> tuple[NDArray[np.object_], NDArray[np.intp]]:
    """The winner and the band of each ROI."""
    names = np.array([*rois.classes, UNCLASSIFIED], dtype=object)[rois.winner[bands.precision]]
    return names, np.where(names == UNCLASSIFIED, 0, bands.of(rois.score))


# --- how much to label ---

SIZES = (500, 1000, 2000, 5000, 10_000)


def at_thresholds(bands: Bands, thresholds: Mapping[str, float]) -> Bands:
    """Bands that begin at each threshold too."""
    return Bands(sorted({*bands.edges, *thresholds.values()}), bands.precision)


def predicted_rois(strata: pd.DataFrame, fine: Bands, bands: Bands, thresholds: Mapping[str, float]) -> pd.DataFrame:
    """Strata with how many of their ROIs reach their class's threshold: columns class, band, n_rois, n_predicted.

    strata: as of `sizes`, in the bands `fine`, which are those of `at_thresholds`. thresholds: of all classes.
    """
    low = np.array([fine.limits(band)[0] for band in strata["band"]], dtype="float64")
    reached = low >= strata["class"].map(thresholds).fillna(math.inf).to_numpy("float64")
    counts = strata.assign(band=bands.of(low), n_predicted=strata["n_rois"].where(reached, 0))
    return counts.groupby(["class", "band"], as_index=False)[["n_rois", "n_predicted"]].sum()


def expect_limits(strata: pd.DataFrame, precision: float, confidence: float) -> pd.DataFrame:
    """Which limits of its precision each class can expect of samples of several sizes: before anybody labels.

    strata: as of `predicted_rois`; of a stratum that a threshold cuts, its share of the labels is taken. precision:
    what it is taken to be. Columns class, n_sample, n_labels (predicted ones), n_effective, precision_low,
    precision_high.
    """
    n_rois, n_predicted = strata["n_rois"].to_numpy("int64"), strata["n_predicted"].to_numpy("int64")
    tables = []
    for n in SIZES:
        taken = allocate(n_rois, n)
        weight = n_rois / taken
        labels = n_predicted / weight
        kept = strata.assign(n_labels=labels, sum=n_predicted, squares=labels * weight**2)[n_predicted > 0]
        table = kept.groupby("class", as_index=False)[["n_labels", "sum", "squares"]].sum()
        effective = effective_number(table["sum"], table["squares"])
        low, high = wilson_limits(precision, effective, confidence)
        tables.append(
            pd.DataFrame(
                {
                    "class": table["class"],
                    "n_sample": int(taken.sum()),
                    "n_labels": table["n_labels"].round().astype("int64"),
                    "n_effective": effective,
                    "precision_low": low,
                    "precision_high": high,
                }
            )
        )
    return pd.concat(tables).sort_values(["class", "n_sample"], ignore_index=True)
