"""How well corrected counts and their limits hold: simulated communities of which the truth is known.

`python -m benchmarks correction people spread` makes the tables of docs/correction.md. Days with blooms, one
classifier whose rates are the same each day or scatter (Dirichlet-multinomial), a sample drawn as the workflow draws
it. All that is judged goes through the functions that the workflow calls. Limits are to hold the mean of the Poisson
counts, which is the concentration: how many ROIs of a class happened to come is known to the sampler alone.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from ifcb_abundance.validation.class_report import Question, class_report, weigh
from ifcb_abundance.validation.consensus import AGREED, Rules, agree
from ifcb_abundance.validation.correction import (
    Bootstrap,
    abundance_corrected,
    as_numbers,
    class_dispersion,
    totals_corrected,
)
from ifcb_abundance.validation.sampling import Wish, allocate, plan_sample

Ints = np.ndarray
EDGES = (0.0, 0.5, 0.7, 0.9)  # of the bands of scores; the threshold is the third
KEPT = 2  # the first band that reaches the threshold
QUESTION = Question(threshold=EDGES[KEPT], precision="float64")
MANY = 15  # ROIs of a class on a day, from which limits of days are judged


@dataclass(frozen=True)
class World:
    """A community and its classifier.

    per_day: ROIs on average. labels: how many ROIs are sampled. rho: scatter of rates, which are the same for so many
    days as `steady` says. bloom: how much the logarithm of a class's mean changes from day to day. right: range of the
    shares of a class that its own class wins. seed: of what is the same in all runs: the community and the mean rates.
    """

    classes: int
    days: int = 60
    per_day: float = 2000
    labels: int = 2000
    rho: float = 0.0
    steady: int = 1
    bloom: float = 0.5
    right: tuple[float, float] = (0.75, 0.95)
    seed: int = 0

    @property
    def names(self) -> list[str]:
        """The classes."""
        return [f"c{i:03}" for i in range(self.classes)]

    @property
    def dates(self) -> list[str]:
        """The days."""
        return [str(day) for day in np.datetime64("2024-03-01") + np.arange(self.days)]


def simulate(world: World, rng: np.random.Generator) -> tuple[np.ndarray, Ints]:
    """Mean counts, of the shape (days, classes), and counts, of the shape (days, true, winner, band)."""
    k, d = world.classes, world.days
    same = np.random.default_rng([world.seed, k, 5])
    base = same.dirichlet(np.full(k, 0.6))
    walk = np.cumsum(same.normal(0, world.bloom, (d, k)), axis=0)
    expected = base * np.exp(walk - walk.mean(axis=0))
    expected *= world.per_day / expected.sum(axis=1).mean()
    right = same.uniform(*world.right, k)
    matrix = same.dirichlet(np.full(k, 0.3), k)
    matrix[np.arange(k), np.arange(k)] = 0
    matrix *= ((1 - right) / matrix.sum(axis=1))[:, None]
    matrix[np.arange(k), np.arange(k)] = right
    of_right, of_wrong = np.array([0.06, 0.1, 0.34, 0.5]), np.array([0.35, 0.3, 0.25, 0.1])
    chance = np.where(np.eye(k, dtype=bool)[:, :, None], of_right, of_wrong)
    rows = (matrix[:, :, None] * chance).reshape(k, -1)  # winner and band together drift
    counts = np.zeros((d, k, k * len(EDGES)), int)
    own = rows
    for day in range(d):
        if world.rho > 0 and day % world.steady == 0:
            own = rng.standard_gamma(np.maximum(rows * (1 - world.rho) / world.rho, 1e-9))
            own /= own.sum(axis=1, keepdims=True)
        counts[day] = rng.multinomial(rng.poisson(expected[day]), own)
    return expected, counts.reshape(d, k, k, len(EDGES))


def sample(world: World, counts: Ints, rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A stratified sample of the ROIs with what they are, as `labelled_rois` returns them, and sizes of the strata."""
    d, k = counts.shape[:2]
    n_bands = len(EDGES)
    n_stratum = counts.sum(axis=(0, 1)).reshape(-1)  # winner, band
    taken = allocate(n_stratum, world.labels)
    cells = counts.reshape(d, k, -1)
    parts = []
    for h in np.flatnonzero(n_stratum):
        drawn = rng.multivariate_hypergeometric(cells[:, :, h].reshape(-1), taken[h], method="marginals")
        day, truth = np.divmod(np.repeat(np.arange(d * k), drawn), k)
        parts.append(np.column_stack([np.full(len(day), h), truth, day]))
    h, truth, day = np.concatenate(parts).T
    names, dates = np.array(world.names), np.array(world.dates)
    winner, band = np.divmod(h, n_bands)
    rois = pd.DataFrame({"class": names[winner], "band": band, "truth": names[truth], "date": dates[day]})
    rois["score"] = np.array(EDGES)[band]
    rois["bin"] = rois["date"]
    rois["roi"] = [f"r{i:06}" for i in range(len(rois))]
    of_strata = {"class": np.repeat(names, n_bands), "band": np.tile(np.arange(n_bands), k), "n_rois": n_stratum}
    return rois, pd.DataFrame(of_strata)


def abundance(world: World, counts: Ints) -> pd.DataFrame:
    """What the workflow counts without labels, as in abundance_long; 1 mL a day."""
    kept = counts[:, :, :, KEPT:].sum(axis=(1, 3))
    whole = counts.sum(axis=(1, 2, 3))
    columns = [*world.names, "unclassified"]
    values = np.column_stack([kept, whole - kept.sum(axis=1)])
    table = {"date": np.repeat(world.dates, len(columns)), "class": np.tile(columns, world.days)}
    return pd.DataFrame(table).assign(count=values.reshape(-1), ml_analyzed_total=1.0)


# --- people ---


@dataclass(frozen=True)
class Crowd:
    """People who name ROIs. skills: of each person, one range for every so many of them; votes: of a ROI."""

    skills: tuple[tuple[int, float, float], ...] = ((15, 0.85, 0.98), (10, 0.3, 0.8))
    votes: int = 4
    rules: Rules = field(default_factory=lambda: Rules(people="skill"))


def name_rois(
    rois: pd.DataFrame, names: list[str], crowd: Crowd, rng: np.random.Generator
) -> tuple[pd.DataFrame, float, float]:
    """The ROIs that the crowd agreed on, with what it agreed on; share of skills within 0.05; share of labels right."""
    skill = np.concatenate([rng.uniform(low, high, n) for n, low, high in crowd.skills])
    asked = np.argsort(rng.random((len(rois), len(skill))), axis=1)[:, : crowd.votes]
    k = len(names)
    truth = pd.Index(names).get_indexer(pd.Index(rois["truth"]))[:, None]
    wrong = (truth + rng.integers(1, k, asked.shape)) % k
    said = np.where(rng.random(asked.shape) < skill[asked], truth, wrong)
    votes = {
        "roi": np.repeat(rois["roi"].to_numpy("str"), crowd.votes),
        "label": np.array(names)[said.reshape(-1)],
        "person": np.array([f"p{i:02}" for i in range(len(skill))])[asked.reshape(-1)],
        "created": "",
    }
    consensus, people = agree(pd.DataFrame(votes), crowd.rules)
    agreed = consensus.loc[consensus["status"] == AGREED, ["roi", "class"]].rename(columns={"class": "agreed"})
    found = rois.merge(agreed, on="roi")
    share = float((found["agreed"] == found["truth"]).mean())
    off = np.abs(people["skill"].to_numpy() - skill[people["person"].str[1:].astype(int)])
    return found.assign(truth=found["agreed"]).drop(columns="agreed"), float((off <= 0.05).mean()), share


# --- judging ---


@dataclass(frozen=True)
class Judged:
    """One run: each array of days has the shape (days, classes), of classes that have a corrected count.

    true: mean counts. came: ROIs that came.
    """

    true: np.ndarray
    came: np.ndarray
    uncorrected: np.ndarray
    found: np.ndarray
    low: np.ndarray
    high: np.ndarray
    names: list[str]
    totals_hold: np.ndarray
    rates_hold: np.ndarray
    rho: float
    skills_within: float = np.nan
    labels_right: float = 1.0


def judge(world: World, rng: np.random.Generator, replicates: int = 1000, crowd: Crowd | None = None) -> Judged:
    """Sample and correct one run of a world; labels are right unless a crowd gives them."""
    expected, counts = simulate(world, rng)
    rois, sizes = sample(world, counts, rng)
    within, share = np.nan, 1.0
    if crowd is not None:
        rois, within, share = name_rois(rois, world.names, crowd, rng)
    weighed = weigh(rois, sizes)
    plain = abundance(world, counts)
    bootstrap = Bootstrap(replicates, seed=int(rng.integers(1 << 30)))
    days = abundance_corrected(weighed, plain, [], QUESTION, bootstrap)
    by_class = {name: days.pivot(index="date", columns="class", values=name) for name in _OF_DAYS}
    names = [name for name in world.names if by_class["count_corrected"][name].notna().all()]
    at = [world.names.index(name) for name in names]
    whole = totals_corrected(weighed, plain, QUESTION, bootstrap).set_index("class").loc[names]
    of_window = expected.sum(axis=0)[at]
    rho = class_dispersion(as_numbers(weighed, [*world.names, "unclassified"], QUESTION)[0])
    low, high = (whole[f"count_corrected_{end}"].to_numpy() for end in ("low", "high"))
    return Judged(
        expected[:, at],
        counts.sum(axis=(2, 3))[:, at],
        *(by_class[name][names].to_numpy("float64") for name in _OF_DAYS),
        names=names,
        totals_hold=(low <= of_window) & (of_window <= high),
        rates_hold=_rates_hold(world, counts, weighed),
        rho=0.0 if rho is None else float(rho.mean()),
        skills_within=within,
        labels_right=share,
    )


_OF_DAYS = ("count", "count_corrected", "objects_per_ml_corrected_low", "objects_per_ml_corrected_high")


def _rates_hold(world: World, counts: Ints, weighed: pd.DataFrame) -> np.ndarray:
    """Whether limits of precision and recall hold those of all ROIs of the window; of classes with enough labels."""
    report = class_report(weighed, world.names, QUESTION)
    kept = counts[:, :, :, KEPT:].sum(axis=(0, 3))
    right = np.diagonal(kept)
    held = []
    for name, of, n in (
        ("precision", kept.sum(axis=0), report["n_predicted"]),
        ("recall", counts.sum(axis=(0, 2, 3)), report["n_true"]),
    ):
        true = right / np.maximum(of, 1)
        inside = (report[f"{name}_low"] <= true) & (true <= report[f"{name}_high"])
        held.append(inside[n >= QUESTION.min_labels].to_numpy())
    return np.concatenate(held)


def summarize(worlds: list[list[Judged]]) -> dict[str, float]:
    """What runs, some of each world, come to."""
    runs = [run for world in worlds for run in world]
    names = ("true", "came", "uncorrected", "found", "low", "high")
    true, came, uncorrected, found, low, high = (
        np.concatenate([getattr(run, name).ravel() for run in runs]) for name in names
    )
    many, holds = true >= MANY, (low <= true) & (true <= high)
    half = np.where(true >= found, high - found, found - low)
    error, plain = np.abs(found - true), np.abs(uncorrected - true)
    pairs = np.concatenate([_distances(run)["corrected"] / _distances(run)["plain"] for run in runs])
    means = np.concatenate([_of_classes(world) for world in worlds])
    return {
        "runs": len(runs),
        "rho_found": float(np.mean([run.rho for run in runs])),
        "days_hold": float(holds[many].mean()),
        "all_days_hold": float(holds.mean()),
        "days_hold_rois": float(((low <= came) & (came <= high))[many].mean()),
        "times_as_wide": float(1 / np.quantile((error / np.maximum(half, 1e-9))[many], 0.95)),
        "totals_hold": float(np.concatenate([run.totals_hold for run in runs]).mean()),
        "rates_hold": float(np.concatenate([run.rates_hold for run in runs]).mean()),
        "times_nearer": float(plain[many].sum() / error[many].sum()),
        "times_nearer_rois": float(np.abs(uncorrected - came)[many].sum() / np.abs(found - came)[many].sum()),
        "worst_class": float(means.max()),
        "classes_farther": float((means > 1.1).mean()),
        "class_runs_farther": float((pairs > 1.1).mean()),
    }


def _distances(run: Judged) -> pd.DataFrame:
    """How far each class is from the truth, on the mean over the days."""
    found, plain = (np.abs(values - run.true).mean(axis=0) for values in (run.found, run.uncorrected))
    return pd.DataFrame({"corrected": found, "plain": plain}, index=run.names)


def _of_classes(world: list[Judged]) -> np.ndarray:
    """The distance of the corrected counts of each class over that of the uncorrected ones, on the mean of all runs."""
    mean = pd.concat([_distances(run) for run in world]).groupby(level=0).mean()
    return (mean["corrected"] / mean["plain"]).to_numpy()


# --- tables ---

Say = Callable[[str], None]
WORLDS = {10: 4, 40: 3, 100: 2}  # different ones of so many classes
LABELS = {10: 2000, 40: 2000, 100: 3000}


def drifting_rates(runs: int, say: Say) -> pd.DataFrame:
    """The table `correction`: communities of 10 to 100 classes, rates that scatter by 0 to 0.1, right labels."""
    rows = []
    for classes, n_worlds in WORLDS.items():
        for rho in (0.0, 0.02, 0.05, 0.1):
            worlds = [World(classes, labels=LABELS[classes], rho=rho, seed=seed) for seed in range(n_worlds)]
            judged = [
                [judge(world, np.random.default_rng([run, world.seed, classes, 11])) for run in range(runs)]
                for world in worlds
            ]
            rows.append({"classes": classes, "labels": LABELS[classes], "rho": rho, **summarize(judged)})
            say(f"correction: {rows[-1]}")
    return pd.DataFrame(rows)


CROWDS = {
    "skilled: 25 persons right in 85 to 98 %": Crowd(((25, 0.85, 0.98),)),
    "mixed: 15 of them, and 10 right in 30 to 80 %": Crowd(),
    "mixed, plain vote": Crowd(rules=Rules(people="vote")),
}


def people(runs: int, say: Say) -> pd.DataFrame:
    """The table `people`: constant rates; labels are what simulated people agree on, four votes a ROI."""
    rows = []
    for what, crowd in {"no errors": None, **CROWDS}.items():
        for classes, labels in ((12, 1500), (40, 3000)):
            worlds = [World(classes, days=20, labels=labels, seed=seed) for seed in range(3)]
            judged = [
                [judge(world, np.random.default_rng([run, world.seed, 13]), crowd=crowd) for run in range(runs)]
                for world in worlds
            ]
            all_runs = [run for world in judged for run in world]
            rows.append(
                {
                    "people": what,
                    "classes": classes,
                    "labels": labels,
                    "labels_right": np.mean([run.labels_right for run in all_runs]),
                    "skills_within": np.mean([run.skills_within for run in all_runs]),
                    **summarize(judged),
                }
            )
            say(f"people: {rows[-1]}")
    return pd.DataFrame(rows)


def spread(runs: int, say: Say) -> pd.DataFrame:
    """The table `spread`: how far totals and recalls are from the truth, by how the sample is spread over time.

    Twelve months, each with rates of its own. `largest remainders`: each month of a winner and band has its share of
    the ROIs, rounded so, and all weigh the same. `strata of months`: each month is a stratum with its own weight, and
    one ROI at least, as long as there are as many as months.
    """
    rows = []
    for bloom in (0.1, 0.5):
        for labels in (500, 2000):
            off: dict[str, list[tuple[float, float]]] = {}
            for run in range(runs):
                world = World(10, 120, 500, labels, rho=0.1, steady=10, bloom=bloom, seed=run % 4)
                rng = np.random.default_rng([run, labels, 17])
                _, counts = simulate(world, rng)
                for how in ("any time", "spread", "largest remainders", "strata of months"):
                    off.setdefault(how, []).append(_off(counts, _spread_sample(world, counts, how, rng)))
            for how, values in off.items():
                total, recall = np.sqrt(np.mean(np.square(values), axis=0))
                row = {"bloom": bloom, "labels": labels, "how": how, "runs": runs}
                rows.append({**row, "total_off": total, "recall_off": recall})
                say(f"spread: {rows[-1]}")
    return pd.DataFrame(rows)


def _spread_sample(world: World, counts: Ints, how: str, rng: np.random.Generator) -> np.ndarray:
    """Estimated ROIs of the window, of the shape (true, winner, band)."""
    d, k = counts.shape[:2]
    cells = counts.reshape(d, k, -1)
    per_bin = cells.sum(axis=1)  # (bins, strata)
    months = cells.reshape(-1, world.steady, *cells.shape[1:]).sum(axis=1)
    at = np.argwhere(per_bin > 0)
    table = pd.DataFrame({"bin": at[:, 0], "class": at[:, 1], "band": 0, "n_rois": per_bin[per_bin > 0]})
    wish = Wish(world.labels, seed=int(rng.integers(1 << 30)), spread="none" if how == "any time" else "month")
    plan = plan_sample(table, wish)
    found = np.zeros(cells.shape[1:])
    if how in _OF_MONTHS:
        for h, n in plan.strata[["class", "n_sampled"]].itertuples(index=False):
            found[:, h] = _OF_MONTHS[how](months[:, :, h], n, rng)
        return found.reshape(counts.shape[1:])
    for day, h, _, n in plan.draws.itertuples(index=False):
        found[:, h] += rng.multivariate_hypergeometric(cells[day, :, h], n)
    weight = per_bin.sum(axis=0) / np.maximum(found.sum(axis=0), 1)
    return (found * weight).reshape(counts.shape[1:])


def _by_remainders(months: Ints, n: int, rng: np.random.Generator) -> np.ndarray:
    """ROIs of each class, estimated from n labels of a stratum; months: what each is of, (months, true)."""
    size = months.sum(axis=1)
    share = n * size / size.sum()
    taken = np.floor(share + 1e-9).astype(int)
    taken[np.argsort(taken - share, kind="stable")[: n - taken.sum()]] += 1
    drawn = [rng.multivariate_hypergeometric(of, k) for of, k in zip(months, taken, strict=True)]
    return np.asarray(np.sum(drawn, axis=0) * size.sum() / n)


def _by_months(months: Ints, n: int, rng: np.random.Generator) -> np.ndarray:
    """ROIs of each class, as of `_by_remainders`, from labels that weigh by the size of their month."""
    months = months[months.sum(axis=1) > 0]
    if n < len(months):  # neighbours join, into at most n strata of about the same size
        ends = months.sum(axis=1).cumsum()
        number = np.searchsorted(ends[-1] * np.arange(1, n) / n, ends - months.sum(axis=1) / 2)
        months = np.array([months[number == i].sum(axis=0) for i in np.unique(number)])
    size = months.sum(axis=1)
    more = (n - len(size)) * (size - 1) / max(size.sum() - len(size), 1)  # one each, the rest by size
    taken = 1 + np.floor(more).astype(int)
    taken[np.argsort(np.floor(more) - more)[: n - taken.sum()]] += 1
    parts = [rng.multivariate_hypergeometric(of, k) * of.sum() / k for of, k in zip(months, taken, strict=True)]
    return np.asarray(np.sum(parts, axis=0))


_OF_MONTHS = {"largest remainders": _by_remainders, "strata of months": _by_months}


def _off(counts: Ints, found: np.ndarray) -> tuple[float, float]:
    """How far totals are from the truth, over it, and recalls: the medians of the classes with 50 ROIs or more."""
    true = counts.sum(axis=0)
    of_class = true.sum(axis=(1, 2))
    places = np.flatnonzero(of_class >= 50)
    recall, estimated = (
        of[places, places, KEPT:].sum(axis=1) / np.maximum(of.sum(axis=(1, 2))[places], 1e-9) for of in (true, found)
    )
    total = np.abs(found.sum(axis=(1, 2)) - of_class)[places] / of_class[places]
    return float(np.median(total)), float(np.median(np.abs(estimated - recall)))


# --- the page ---

HEADINGS = {
    "classes": "classes",
    "people": "people",
    "bloom": "change of a day",
    "how": "sample",
    "labels": "labels",
    "rho": "dispersion",
    "rho_found": "found",
    "labels_right": "labels right",
    "skills_within": "skills within 0.05",
    "days_hold": "limits of days hold",
    "all_days_hold": "of days of any size",
    "times_as_wide": "times as wide as needed",
    "totals_hold": "limits of totals hold",
    "rates_hold": "limits of rates hold",
    "times_nearer": "times nearer",
    "times_nearer_rois": "times nearer to the ROIs",
    "worst_class": "worst class",
    "classes_farther": "classes beyond 1.1",
    "class_runs_farther": "single runs beyond 1.1",
    "total_off": "error of a total",
    "recall_off": "error of a recall",
}
SHOWN = {
    "correction": [
        *("classes", "labels", "rho", "rho_found", "days_hold", "all_days_hold", "times_as_wide", "totals_hold"),
        *("rates_hold", "times_nearer", "worst_class", "classes_farther", "class_runs_farther"),
    ],
    "people": [
        *("people", "classes", "labels", "labels_right", "skills_within", "days_hold", "all_days_hold"),
        *("totals_hold", "rates_hold", "times_nearer", "times_nearer_rois"),
    ],
    "spread": ["bloom", "labels", "how", "total_off", "recall_off"],
}
_SHARES = ("labels_right", "skills_within", "days_hold", "all_days_hold", "totals_hold", "rates_hold")
_SHARES += ("classes_farther", "class_runs_farther", "total_off", "recall_off")


def fill_page(page: Path, folder: Path) -> None:
    """Put the tables that are in a folder into the page, each between the comments of its name."""
    text = page.read_text(encoding="utf-8")
    for name, columns in SHOWN.items():
        if (folder / f"{name}.csv").exists():
            before, begin, rest = text.partition(f"<!-- {name} -->\n")
            _, end, after = rest.partition(f"<!-- end of {name} -->")
            table = _markdown(pd.read_csv(folder / f"{name}.csv")[columns])
            text = f"{before}{begin}\n{table}\n{end}{after}"
    page.write_text(text, encoding="utf-8")


def _markdown(table: pd.DataFrame) -> str:
    rows = [[_cell(name, value) for name, value in row.items()] for row in table.to_dict("records")]
    lines = [[HEADINGS[name] for name in table], ["---"] * len(table.columns), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _cell(name: str, value: object) -> str:
    if isinstance(value, float) and np.isnan(value):
        return ""
    if name in _SHARES:
        return f"{100 * float(str(value)):.1f} %"
    return f"{value:.3f}" if name == "rho_found" else f"{value:.2f}" if isinstance(value, float) else f"{value}"
