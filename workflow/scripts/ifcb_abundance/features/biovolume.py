"""Biovolume and carbon: the bins of a day pooled per group and class, and their size spectra; days merged.

A biovolume in cubic pixels is divided by the cube of the instrument's pixels per um. Carbon is that of Menden-Deuer &
Lessard 2000, Limnol. Oceanogr. 45(3), 569-579, for pg C and um3 of a cell, here of an object:

    diatoms                       log10 C = -0.541 + 0.811 log10 V
    diatoms of more than 3000 um3 log10 C = -0.933 + 0.881 log10 V
    other protist plankton        log10 C = -0.665 + 0.939 log10 V

Other tools take the same three lines for other diatoms: ifcb-analysis (`biovol2carbon.m`) the third one for diatoms of
less than 3000 um3, iRfcb before it had a choice (`vol2C_lgdiatom`) the second one for all diatoms.

It is given for classes that the class table calls living; which of them are diatoms, its column `group` says. A ROI
without a biovolume is missing, not zero: it is in `count` and not in `n_measured`, and adds nothing to the sums.

Class summaries have sums per class and no objects: um3 of their own, whatever the pixel size here, and carbon by
ifcb-analysis' rule alone. Which ROIs were measured they do not say, so all of a class were that has a biovolume.
"""

import logging
import math
from collections.abc import Hashable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ifcb_abundance.bins.layout import SUMMARY, of_bin
from ifcb_abundance.bins.pixel_size import DEFAULT, PixelSizes, pixels_of
from ifcb_abundance.bins.statuses import WANTED, BinStatus, FeaturesStatus
from ifcb_abundance.classes.class_table import ClassTable, are_living, traits
from ifcb_abundance.classes.labels import UNCLASSIFIED
from ifcb_abundance.common import proof
from ifcb_abundance.common.atomic_write import atomic_write
from ifcb_abundance.common.errors import FeaturesError, ScoresError, TableError
from ifcb_abundance.common.words import counted
from ifcb_abundance.features import size_spectrum
from ifcb_abundance.features.summary import FeaturesProvenance, read_features_summary, said_of
from ifcb_abundance.pooling.core import (
    COUNT,
    BinGroup,
    BinValues,
    Columns,
    Pooled,
    group_bins,
    join_groups,
    pool_bins,
    share_labels,
    tabulate,
)
from ifcb_abundance.pooling.method import Method
from ifcb_abundance.scores.decide import decide
from ifcb_abundance.scores.summary import RoiWinners, array_of_summary
from ifcb_abundance.sources.count_summary import BIOVOLUME
from ifcb_abundance.tables import table_files
from ifcb_abundance.tables.concatenate import concatenate
from ifcb_abundance.tables.registry import made_by

log = logging.getLogger("ifcb.biovolume")

VERSION = 7  # of the meaning of the daily tables: raise it when they have to be pooled again
DIATOM = "diatom"  # the group of the class table
LARGE_DIATOM = 3000.0  # um3
# Of log10 C = intercept + slope log10 V: small diatoms, large ones, others.
SMALL_DIATOMS, LARGE_DIATOMS, OTHERS = (-0.541, 0.811), (-0.933, 0.881), (-0.665, 0.939)
UG_PER_L = 1e-3  # of a pg per mL
CarbonRule = Literal["menden_deuer_lessard_2000", "ifcb_analysis", "irfcb_legacy"]
IFCB_ANALYSIS: CarbonRule = "ifcb_analysis"  # the one of class summaries


@dataclass(frozen=True)
class CarbonMethod:
    """How carbon follows from volume. rule: of which tool. per_cell: an object is as many equal cells as it shows."""

    rule: CarbonRule = "menden_deuer_lessard_2000"
    per_cell: bool = False

    @property
    def columns(self) -> list[str]:
        """The columns that tables have because of it, beside those of the default."""
        return ["carbon_rule"] if self != CarbonMethod() else []

    @property
    def named(self) -> str:
        """What these columns say."""
        return self.rule + (", per cell where the cells of an image are known" if self.per_cell else "")


PARTS = made_by("merge_biovolume")  # the tables that are merged from days


@dataclass(frozen=True)
class Tally:
    """The sums of one bin per class, the volume (um3) of each measured object, and that of each living one.

    sums: count, n_measured, biovolume (um3) and carbon (pg, NaN for a class that is not known to live). n_rois,
    n_measured: of all objects, each once, of however many classes it is; those of a class summary are in no array.
    """

    sums: BinValues
    objects: NDArray[np.float64]
    living: NDArray[np.float64]
    n_rois: int
    n_measured: int


def cubic_um(biovolume: NDArray[np.float64], pixels_per_um: float) -> NDArray[np.float64]:
    """Convert biovolumes in cubic pixels to um3; NaN for 0, an image in which no blob was found."""
    return np.where(biovolume > 0, biovolume, np.nan) / pixels_per_um**3


def carbon(
    volume: NDArray[np.float64], diatom: bool, rule: CarbonRule = "menden_deuer_lessard_2000"
) -> NDArray[np.float64]:
    """Compute the carbon (pg) of objects from their volume (um3, above 0 or NaN), by the formulae of this module."""
    small, large, is_large = OTHERS, OTHERS, volume > LARGE_DIATOM
    if diatom:
        small, large = {
            "menden_deuer_lessard_2000": (SMALL_DIATOMS, LARGE_DIATOMS),
            "ifcb_analysis": (OTHERS, LARGE_DIATOMS),
            "irfcb_legacy": (LARGE_DIATOMS, LARGE_DIATOMS),
        }[rule]
    if rule == "ifcb_analysis":  # it has >= where the publication has >
        is_large = volume >= LARGE_DIATOM
    intercept, slope = (np.where(is_large, of_large, of_small) for of_small, of_large in zip(small, large, strict=True))
    picograms: NDArray[np.float64] = 10 ** (intercept + slope * np.log10(volume))
    return picograms


def tally(
    classes: Sequence[str],
    rois: RoiWinners,
    volume: NDArray[np.float64],
    method: Method,
    how: CarbonMethod = CarbonMethod(),
) -> Tally:
    """Sum up a bin's objects by class, by the rule that counts them.

    classes: the label set. rois: the ROIs, of the same classes. volume: um3 of each, NaN where it was not measured.
    Labels that the class table merges into one class are that class here.
    """
    merged = [method.merged(name) if name != UNCLASSIFIED else name for name in classes]
    names = [*sorted(set(merged) - {UNCLASSIFIED}), UNCLASSIFIED]
    position = {name: i for i, name in enumerate(names)}
    rows, members = decide(rois.classes, rois, method.decision)
    none = np.setdiff1d(np.arange(len(volume)), rows)
    label = np.concatenate([members, np.full(len(none), len(classes))])  # behind the labels: unclassified
    row = np.concatenate([rows, none])
    order = np.argsort(row, kind="stable")
    row, label = row[order], label[order]
    code = np.array([*(position[name] for name in merged), len(names) - 1], dtype=np.intp)[label]
    of_class = traits(names, method.class_table)
    living = np.array(of_class["living"]) == "yes"
    diatoms = living & (np.array(of_class["group"]) == DIATOM)
    measured = ~np.isnan(volume[row])
    code_of, known = code[measured], volume[row[measured]]
    shown = _cells_shown(rois, row[measured], label[measured], classes, method) if how.per_cell else np.ones(len(known))
    picograms = shown * np.where(
        diatoms[code_of], carbon(known / shown, diatom=True, rule=how.rule), carbon(known / shown, False, how.rule)
    )

    def summed(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.bincount(code_of, weights=values, minlength=len(names)).astype(np.float64)

    sums = {
        COUNT: np.bincount(code, minlength=len(names)).astype(np.float64),
        "n_measured": np.bincount(code_of, minlength=len(names)).astype(np.float64),
        "biovolume": summed(known),
        "carbon": np.where(living, summed(picograms), np.nan),
    }
    once = np.unique(row[measured], return_index=True)[1]  # a ROI may count for more than one class
    lives = np.unique(row[measured][living[code_of]])
    return Tally(BinValues(tuple(names), sums), known[once], volume[lives], len(volume), len(once))


def tally_of_summary(said: FeaturesProvenance, method: Method, how: CarbonMethod) -> Tally:
    """Sum up what a class summary says of a bin. Raises ScoresError for thresholds that it does not have."""
    name = array_of_summary(said, method.decision)
    counts = np.array([*said.counts[name], said.n_rois - sum(said.counts[name])], dtype=np.float64)
    nothing: list[float | None] = [None] * len(counts)
    volume, picograms = (np.array(of.get(name, nothing), dtype=np.float64) for of in (said.biovolumes, said.carbon))
    merged = [*map(method.merged, said.classes), UNCLASSIFIED]
    names = [*sorted(set(merged) - {UNCLASSIFIED}), UNCLASSIFIED]
    code = np.array([names.index(label) for label in merged], dtype=np.intp)

    def summed(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.bincount(code, weights=values, minlength=len(names)).astype(np.float64)

    measured = np.where(volume > 0, counts, 0.0)
    living = np.array(are_living(names, method.class_table), dtype=bool)
    has_carbon = living & (how == CarbonMethod(IFCB_ANALYSIS)) & bool(said.carbon.get(name))
    sums = {
        COUNT: summed(counts),
        "n_measured": summed(measured),
        "biovolume": summed(np.where(measured > 0, volume, 0.0)),
        "carbon": np.where(has_carbon, summed(np.where(measured > 0, picograms, 0.0)), np.nan),
    }
    none = np.empty(0)
    return Tally(BinValues(tuple(names), sums), none, none, int(counts.sum()), int(measured.sum()))


def _tally_of(
    summary: str | Path, instruments: Mapping[str, str], method: Method, sizes: PixelSizes, how: CarbonMethod
) -> tuple[FeaturesProvenance, Tally | None]:
    """Read a features summary, and sum it up if it has features. Raises FeaturesError."""
    said, rois, biovolume = read_features_summary(summary)
    if said.status != FeaturesStatus.READ:
        return said, None
    try:
        if said.counts:
            return said, tally_of_summary(said, method, how)
        volume = cubic_um(biovolume, pixels_of(instruments[said.bin], sizes))
        return said, tally(said.classes, rois, volume, method, how)
    except ScoresError as error:
        raise FeaturesError(f"bin {said.bin}: {error}") from None


def _tallies_of_day(
    bins: pd.DataFrame, summaries: Sequence[str | Path], method: Method, sizes: PixelSizes, how: CarbonMethod
) -> tuple[dict[str, FeaturesProvenance], dict[str, Tally]]:
    """Read the features summaries of a day, and sum up those that have features. Raises FeaturesError.

    Bins whose class scores name the winners alone share the classes of all such bins of the day, with features or not.
    """
    instruments = dict(zip(bins["bin"], bins["instrument"], strict=True))
    told: dict[str, FeaturesProvenance] = {}
    tallies: dict[str, Tally] = {}
    for path in summaries:
        said, found = _tally_of(path, instruments, method, sizes, how)
        told[said.bin] = said
        if found:
            tallies[said.bin] = found
    alone = {name: said.classes for name, said in told.items() if said.winners_only}
    if alone:
        sums = {name: found.sums for name, found in tallies.items()}
        share_labels(alone, sums, method.merged)
        tallies = {name: replace(found, sums=sums[name]) for name, found in tallies.items()}
    return told, tallies


def _cells_shown(
    rois: RoiWinners, rows: NDArray[np.intp], label: NDArray[np.intp], classes: Sequence[str], method: Method
) -> NDArray[np.float64]:
    """How many cells objects show: as counted, else as the class table says of their label, else one.

    label: of each object, an index into `classes`, the labels as they were before any are merged, and behind them
    unclassified.
    """
    by_table = np.array([*map(method.table.cells_of, classes), math.nan], dtype=np.float64)[label]
    counted = np.full(len(rows), np.nan) if rois.more.cells is None else rois.more.cells[rows]
    return np.where(~np.isnan(counted), counted, np.where(np.isnan(by_table), 1.0, by_table))


def pool_biovolume(
    bins: pd.DataFrame,
    summaries: Sequence[str | Path],
    method: Method,
    pixels_per_um: PixelSizes,
    files: Mapping[str, str],
    made_of: str = "",
    how: CarbonMethod = CarbonMethod(),
) -> None:
    """Pool the bins of one UTC day and write the day's part of the merged tables.

    bins: all bins of the day, as `selection.assess` returns them. summaries: the features summaries of those that were
    asked for class scores. files: where the parts go, by the names of the tables in the registry, and the `proof` of
    what they were made of. made_of: a checksum of the settings, for the proof. Raises FeaturesError if a summary is
    missing or damaged.
    """
    told, tallies = _tallies_of_day(bins, summaries, method, pixels_per_um, how)
    wanted = bins[bins["status"] == WANTED]
    untold = [bin_id for bin_id in wanted["bin"] if bin_id not in told]
    if untold:
        raise FeaturesError(f"no features summary of {counted(len(untold), 'bin')}, the first is {untold[0]}")
    not_used = [bin_id for bin_id, said in told.items() if said.status == FeaturesStatus.NOT_USED]
    used = wanted[~wanted["bin"].isin(not_used)].sort_values("bin")
    pooled = [_pool_group(group, tallies, method.class_table) for group in group_bins(used, method.group_columns)]
    for i, name in enumerate(("biovolume", "biovolume_groups", "size_spectrum")):
        tables_of = [{**tables[i], "carbon_rule": how.named} for tables in pooled if tables[i]]
        table = join_groups(tables_of, PARTS[name].schema, [*method.group_columns, *how.columns])
        table_files.write(table, PARTS[name].schema, files[name])
    account = [
        _account(row, told[row["bin"]], tallies.get(row["bin"]), pixels_per_um) for row in used.to_dict("records")
    ]
    ledger = table_files.from_rows(account, "features_ledger")
    table_files.write(ledger, "features_ledger", files["features_ledger"])
    if "proof" in files:
        with atomic_write(files["proof"]) as unfinished:
            unfinished.write_text(_statement(summaries, files, made_of) + "\n", encoding="utf-8")


def tabulate_bins(
    bins: pd.DataFrame,
    summaries: Sequence[str | Path],
    method: Method,
    pixels_per_um: PixelSizes,
    how: CarbonMethod,
    path: str | Path,
) -> None:
    """Write biovolume and carbon of the bins of one UTC day, a row per used bin that has features and class.

    The arguments are those of `pool_biovolume`.
    """
    of_day = bins.set_index("bin")
    _, tallies = _tallies_of_day(bins, summaries, method, pixels_per_um, how)
    rows = []
    for bin_id, found in sorted(tallies.items(), key=lambda of: of[0]):
        of_bin = of_day.loc[bin_id]
        pooled = pool_bins([found.sums], np.array([of_bin["ml_analyzed"]]))
        living = np.array(are_living(pooled.columns, method.class_table), dtype=bool)
        rows.append(
            {
                **_concentrations(pooled, living),
                "bin": bin_id,
                "sample_time": of_bin["sample_time"],
                "instrument": of_bin["instrument"],
                "ml_analyzed": of_bin["ml_analyzed"],
                "carbon_rule": how.named,
                "class": pooled.columns,
            }
        )
    whole = join_groups(rows, "biovolume_bins", ()).sort_values(["sample_time", "bin"], kind="stable")
    table_files.write_parquet(whole, "biovolume_bins", path)


def merge_bins(parts: Sequence[str | Path], path: str | Path) -> None:
    """Merge the parts, a day of `tabulate_bins` or the merged days of a shard each. One day is in memory at a time.

    A row group is a day, even one without rows: so merged shards are the same bytes as merged days.
    """
    schema = table_files.arrow_schema("biovolume_bins")
    with atomic_write(path) as unfinished, pq.ParquetWriter(unfinished, schema, compression="zstd") as writer:
        for part in map(pq.ParquetFile, parts):
            for day in range(part.num_row_groups):
                writer.write_table(part.read_row_group(day, use_threads=False))


def _statement(summaries: Sequence[str | Path], files: Mapping[str, str], made_of: str) -> str:
    parts = {name: path for name, path in files.items() if name != "proof"}
    return proof.statement(proof.digest(made_of, list(map(said_of, summaries))), parts)


def proves_itself(summaries: Sequence[str | Path], files: Mapping[str, str], made_of: str) -> bool:
    """Tell whether the parts of a day are those that `pool_biovolume` would write from the same arguments."""
    stated = proof.of_json(files["proof"])
    return bool(stated) and stated == _statement(summaries, files, made_of)


def _account(
    bin_row: Mapping[Hashable, object], said: FeaturesProvenance, found: Tally | None, sizes: PixelSizes
) -> dict[str, object]:
    return {
        "bin": said.bin,
        "date": bin_row["date"],
        "status": said.status,
        "reason": said.reason,
        "address": said.address,
        "sha256": said.sha256,
        "bytes": said.bytes if found else None,
        "biovolume_column": said.column,
        "pixels_per_um": None if said.counts else pixels_of(str(bin_row["instrument"]), sizes),
        "n_rois": found.n_rois if found else None,
        "n_measured": found.n_measured if found else None,
        "n_rois_without_scores": said.n_rois_without_scores if found else None,
    }


def _pool_group(
    group: BinGroup, tallies: Mapping[str, Tally], class_table: ClassTable
) -> tuple[Columns, Columns, Columns]:
    """Build the columns of biovolume_long, biovolume_groups and size_spectrum of one group; none without features."""
    bins = group.bins[group.bins["bin"].isin(list(tallies))]
    if bins.empty:
        return {}, {}, {}
    of_bins = [tallies[bin_id] for bin_id in bins["bin"]]
    volume = bins["ml_analyzed"].to_numpy()
    pooled = pool_bins([of_bin.sums for of_bin in of_bins], volume)
    classes, groups = tabulate(pooled, class_table, _concentrations)
    objects = {size_spectrum.ALL: np.concatenate([of_bin.objects for of_bin in of_bins])}
    if "yes" in classes["living"]:
        objects[size_spectrum.LIVING] = np.concatenate([of_bin.living for of_bin in of_bins])
    spectrum = size_spectrum.spectrum(objects, math.fsum(volume))
    of_group = {**group.keys, "n_bins": len(group.bins)}
    return (
        {**classes, **of_group},
        {**groups, **of_group},
        {**{str(name): values for name, values in spectrum.items()}, **group.keys},
    )


def _concentrations(pooled: Pooled, living: NDArray[np.bool_]) -> Columns:
    """Compute the columns of counts and concentrations, a row per class or group; carbon only for what lives."""
    count, n_measured = pooled.count.astype(np.int64), pooled.total("n_measured").astype(np.int64)
    # A class that was looked for and not found has zero; where no object was measured, it is not known.
    known = (count == 0) | (n_measured > 0)
    has_carbon = known & living & ((count == 0) | ~np.isnan(pooled.values["carbon"]).all(axis=0))
    total = pooled.ml_analyzed
    return {
        "count": count,
        "n_measured": n_measured,
        "ml_analyzed_total": total,
        "n_bins_with_features": pooled.n_bins,
        "biovolume_um3_per_ml": np.where(known, pooled.total("biovolume") / total, np.nan),
        "carbon_ug_per_L": np.where(has_carbon, pooled.total("carbon") / total * UG_PER_L, np.nan),
    }


def merge_biovolume(
    tables: Mapping[str, Any],
    merged: Mapping[str, str],
    method: Method,
    pixels_per_um: PixelSizes,
    failures_allowed: bool,
    summaries: str | Path,
    how: CarbonMethod = CarbonMethod(),
) -> None:
    """Merge the days, in order, into the tables of the run.

    tables: by the names of the tables in the registry, the files of the days, or of shards; and the merged `ledger` and
    `catalog`. merged: likewise where the merged tables go. summaries: the folder of the features summaries, for a
    message. Raises TableError if the account does not have exactly the used bins of the ledger, and FeaturesError if a
    bin failed in an earlier run and that is not allowed now. Warns of what has no biovolume.
    """
    with ExitStack() as files:
        whole = {name: files.enter_context(atomic_write(merged[name])) for name in PARTS}
        for name, table in PARTS.items():
            concatenate(tables[name], table_files.columns(table.schema, [*method.group_by, *how.columns]), whole[name])
        account = table_files.read("features_ledger", whole["features_ledger"])
        failed = account[account["status"] == FeaturesStatus.FAILED]
        if len(failed) and not failures_allowed:
            paths = " ".join(of_bin(summaries, SUMMARY, bin_id) for bin_id in failed["bin"])
            raise FeaturesError(
                f"the features of {counted(len(failed), 'bin')} were recorded as failed by an earlier run, but "
                "source.on_failure is now stop:\n"
                + "".join(f"  {reason}\n" for reason in failed["reason"])
                + f"To have them asked for again, delete their summaries and run again:\n  rm {paths}"
            )
        bins = table_files.read("ledger", tables["ledger"], ["bin", "status"])
        used = bins.loc[bins["status"] == BinStatus.USED, "bin"]
        if sorted(account["bin"]) != sorted(used):
            odd = sorted(set(account["bin"]) ^ set(used))[:3]
            raise TableError(
                f"{merged['features_ledger']}: {counted(len(account), 'bin')}, "
                f"{tables['ledger']} has {len(used)} used; not in both: {odd}"
            )
        labels = set(table_files.read("biovolume_long", whole["biovolume"], ["class"])["class"])
        _warn(account, labels, method.class_table)
        _warn_of_summaries(account, how)
        there = set(table_files.read("catalog", tables["catalog"], ["instrument"])["instrument"])
        if unknown := sorted(set(pixels_per_um) - {DEFAULT} - there):
            log.warning(f"features.pixels_per_um: no bin of the window has {', '.join(unknown)}")


def _warn_of_summaries(account: pd.DataFrame, how: CarbonMethod) -> None:
    if (account["biovolume_column"] == BIOVOLUME).any():
        missing = "sizes of objects" if how == CarbonMethod(IFCB_ANALYSIS) else "sizes of objects, and carbon"
        log.warning(
            f"features: class summaries have sums per class, so there are no {missing}. Their carbon is that of "
            "features.carbon_rule: ifcb_analysis, per image"
        )


def _warn(account: pd.DataFrame, labels: set[str], table: ClassTable) -> None:
    without = int((account["status"] != FeaturesStatus.READ).sum())
    if without:
        log.warning(
            f"features: {without} of {len(account)} used bins have none: they are not in the sums and not in the "
            "volume of biovolume and carbon (features_ledger.csv says which)"
        )
    n_rois, n_measured = int(account["n_rois"].sum()), int(account["n_measured"].sum())
    if n_measured < n_rois:
        log.warning(
            f"features: {n_rois - n_measured} of {n_rois} ROIs have no biovolume, so they are missing in biovolume, "
            "carbon and spectra (count less n_measured, per class)"
        )
    of_class = traits(sorted(labels - {UNCLASSIFIED}), table)
    unknown = [
        name for name, living in zip(sorted(labels - {UNCLASSIFIED}), of_class["living"], strict=True) if not living
    ]
    if unknown:
        log.warning(
            f"classify.class_table lacks `living` for {counted(len(unknown), 'label')}, so their carbon is "
            f"empty: {', '.join(unknown)}"
        )
    columns = sorted(set(account["biovolume_column"]) - {""})
    if len(columns) > 1:
        log.warning(
            "features: some bins have summedBiovolume, others only Biovolume, which is that of the largest blob of an "
            "image alone (features_ledger.csv, biovolume_column)"
        )
