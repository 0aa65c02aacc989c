"""What the sample is drawn from, and the sample itself, as files."""

import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from ifcb_abundance.bins.layout import SUMMARY, of_bin
from ifcb_abundance.bins.statuses import BinStatus
from ifcb_abundance.classes.labels import UNCLASSIFIED
from ifcb_abundance.common.errors import RawFileError
from ifcb_abundance.common.words import counted
from ifcb_abundance.tables import table_files
from ifcb_abundance.validation.class_report import labelled_rois
from ifcb_abundance.validation.sampling import (
    Bands,
    Plan,
    Wish,
    at_thresholds,
    choose_bins,
    count_strata,
    draw_sample,
    expect_limits,
    plan_sample,
    plan_second_round,
    predicted_rois,
    sizes,
)
from ifcb_abundance.validation.winners import winners_of, winners_of_rois

log = logging.getLogger("ifcb.validation")


def write_strata(
    ledger: str | Path, catalog: str | Path, summaries: str | Path, bands: Bands, path: str | Path
) -> None:
    """Count the ROIs of each used bin by winner and band of scores: the table `strata`, bins in order of time.

    ledger, catalog: the tables of these names. summaries: the folder of the scores summaries. No source is asked.
    """
    status = table_files.read("ledger", ledger, ["bin", "status"])
    used = status.loc[status["status"] == BinStatus.USED, "bin"]
    bins = table_files.read("catalog", catalog, ["bin", "sample_time"]).sort_values(["sample_time", "bin"])
    in_order = bins.loc[bins["bin"].isin(set(used)), "bin"]
    counts = count_strata((of_bin(summaries, SUMMARY, bin_id) for bin_id in in_order), bands)
    table_files.write_parquet(counts, "strata", path)


def read_strata(path: str | Path) -> pd.DataFrame:
    """Read what `write_strata` wrote."""
    strata: pd.DataFrame = pq.read_table(path, use_threads=False).to_pandas()
    return strata.astype({"bin": "str", "class": "str"})


def plan_round(
    strata: str | Path,
    wish: Wish,
    bands: Bands,
    may_have_images: Callable[[str], bool],
    labelled: Mapping[str, Iterable[str] | str] | None = None,
) -> Plan:
    """What to draw. labelled: for the second round, the table `consensus` and `winners`, the files of labelled bins.

    Raises RawFileError if there is nothing to draw.
    """
    counts = read_strata(strata)
    there = set(choose_bins(list(dict.fromkeys(counts["bin"])), may_have_images))
    counts = counts[counts["bin"].isin(there)].reset_index(drop=True)
    if labelled is None:
        return _with_draws(plan_sample(counts, wish), "no bin that can be drawn from has a ROI")
    consensus = table_files.read("consensus", str(labelled["consensus"]))
    first = winners_of_rois(labelled["winners"], bands, consensus["roi"])
    plan = plan_second_round(counts, wish, first, labelled_rois(consensus, first, bands), bands)
    of_bins = "of the bins that validation.max_bins lets it draw from" if wish.max_bins else "that can be drawn"
    return _with_draws(plan, f"every ROI {of_bins} has a label, so nothing is left for a second round")


def _with_draws(plan: Plan, otherwise: str) -> Plan:
    if plan.draws.empty:
        raise RawFileError(f"validation: {otherwise}")
    return plan


def write_draws(plan: Plan, path: str | Path) -> None:
    """Write how many ROIs of which bin and stratum are drawn: the table `draws`."""
    draws = plan.draws.rename(columns={"n_sampled": "n_rois"}).merge(plan.strata, on=["class", "band"])
    draws = draws.rename(columns={"chance": "inclusion_probability"}).astype({"bin": "str", "class": "str"})
    table_files.write(draws[table_files.columns("draws")], "draws", path)


def read_draws(path: str | Path, consensus: str | Path | None) -> Plan:
    """Read what `write_draws` wrote. consensus: in the second round the table whose ROIs are not drawn again."""
    table = table_files.read("draws", path).rename(columns={"inclusion_probability": "chance"})
    strata = table[["class", "band", "n_stratum", "n_sampled", "chance"]].drop_duplicates(["class", "band"])
    draws = table[["bin", "class", "band", "n_rois"]].rename(columns={"n_rois": "n_sampled"})
    taken = frozenset(table_files.read("consensus", consensus, ["roi"])["roi"]) if consensus else frozenset()
    return Plan(strata.reset_index(drop=True), draws, taken)


def write_sample(plan: Plan, bands: Bands, winners: Iterable[str | Path], seed: int, path: str | Path) -> None:
    """Draw the ROIs: the table `sample`. winners: the files of `winners.keep_winners` of the bins in the plan."""
    sample = draw_sample(plan, bands, winners_of(winners), seed)
    table_files.write(sample, "sample", path)
    log.info(
        f"validation: {counted(len(sample), 'ROI')} of {counted(sample['bin'].nunique(), 'bin')} and "
        f"{sample['stratum'].nunique():,} strata are to be labelled: {path}"
    )


def write_plan(
    strata: str | Path,
    summaries: str | Path,
    bands: Bands,
    threshold_of: Callable[[str], float],
    expected: float,
    level: float,
    path: str | Path,
) -> None:
    """Say which limits samples of several sizes would give: the table `validation_plan`.

    summaries: the folder of the scores summaries; they are read where a band does not begin at each threshold.
    threshold_of: the threshold of a class. expected: what precisions are taken to be. level: of the limits.
    """
    counts = read_strata(strata)
    names = sorted(set(counts["class"]) - {UNCLASSIFIED})
    thresholds = {name: threshold_of(name) for name in names}
    fine = at_thresholds(bands, thresholds)
    if len(fine.edges) > len(bands.edges):
        counts = count_strata((of_bin(summaries, SUMMARY, bin_id) for bin_id in counts["bin"].unique()), fine)
    plan = expect_limits(predicted_rois(sizes(counts), fine, bands, thresholds), expected, level)
    plan = plan.drop_duplicates(ignore_index=True)  # small sizes grow to what is needed at least
    table_files.write(plan, "validation_plan", path)
    plan["within"] = (plan["precision_high"] - plan["precision_low"]) / 2 <= 0.05
    for n_sample, of_size in plan.groupby("n_sample"):
        log.info(
            f"validation: {n_sample:,} labelled ROIs would tell the precision of {of_size['within'].sum()} of "
            f"{counted(len(names), 'class')} to 0.05 or better"
        )
