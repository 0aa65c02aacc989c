"""Abundance: the bins of a day pooled per group and class, days merged, every bin accounted for."""

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ifcb_abundance.abundance import sweep
from ifcb_abundance.abundance.bin_table import bin_rows, merge_parts, write_part
from ifcb_abundance.abundance.coverage import cover
from ifcb_abundance.bins.ids import parse_bin_id
from ifcb_abundance.catalog.selection import WANTED
from ifcb_abundance.classes.class_table import LIVING_TOTAL, traits, warn_of_unlisted
from ifcb_abundance.classes.labels import UNCLASSIFIED
from ifcb_abundance.classes.thresholds import warn_of_unknown
from ifcb_abundance.common import proof
from ifcb_abundance.common.atomic_write import atomic_write
from ifcb_abundance.common.errors import ScoresError, TableError
from ifcb_abundance.common.intervals import pearson_dispersion, poisson_limits, widened_limits
from ifcb_abundance.common.words import counted
from ifcb_abundance.pooling.method import Method
from ifcb_abundance.scores.summary import Provenance, count_classes, label_set, read_provenance, read_summary
from ifcb_abundance.tables import table_files
from ifcb_abundance.tables.concatenate import concatenate

VERSION = 2  # of the meaning of the daily tables: raise it when they have to be pooled again
STATUS = {"read": "used", "no_scores": "no_scores", "failed": "failed"}


@dataclass
class Tally:
    """Of one bin: ROIs per class, by label, and in all."""

    counts: dict[str, int]
    n_rois: int


@dataclass(frozen=True)
class DayFiles:
    """Where the parts of one day go."""

    abundance: str
    ledger: str
    groups: str
    coverage: str
    bins: str
    sweep: str


def pool_abundance(
    bins: pd.DataFrame,
    summaries: Sequence[str | Path],
    method: Method,
    cut: bool,
    files: DayFiles,
    made_of: str = "",
) -> None:
    """Pool the bins of one UTC day and write the day's part of the merged tables.

    bins: all bins of the day, as `selection.assess` returns them. summaries: the scores summaries of
    those that were asked for. cut: the window begins or ends within the day. made_of: a checksum of the settings, for
    the proof. Raises ScoresError if a summary is missing or damaged.
    """
    tallies, told = {}, {}
    kept: dict[tuple[str, ...], np.ndarray] = {}
    for path in summaries:
        provenance, winners = read_summary(path)
        told[provenance.bin] = provenance
        if provenance.status == "read":
            counts = count_classes(
                provenance.classes, winners, method.threshold, method.class_thresholds, method.precision
            )
            tallies[provenance.bin] = Tally(
                dict(zip(provenance.classes, counts.tolist(), strict=True)), int(winners.n_rois.sum())
            )
            of_bin = sweep.count_kept(provenance.classes, winners, method.precision)
            kept[provenance.classes] = kept.get(provenance.classes, 0) + of_bin
    wanted = bins["status"] == WANTED
    untold = [bin_id for bin_id in bins.loc[wanted, "bin"] if bin_id not in told]
    if untold:
        raise ScoresError(f"no scores summary of {counted(len(untold), 'bin')}, the first is {untold[0]}")
    left_out = Provenance("", "")
    outcome = [told.get(bin_id, left_out) for bin_id in bins["bin"]]
    bins = bins.assign(
        status=bins["status"].where(~wanted, [STATUS.get(provenance.status, "") for provenance in outcome]),
        reason=bins["reason"].where(~wanted, [provenance.reason for provenance in outcome]),
        address=[provenance.address for provenance in outcome],
        sha256=[provenance.sha256 for provenance in outcome],
        bytes=pd.array([provenance.bytes or None for provenance in outcome], dtype="Int64"),
        server=[provenance.server for provenance in outcome],
        label_set=[label_set(provenance.classes) if provenance.status == "read" else "" for provenance in outcome],
    )
    used = bins[bins["status"] == "used"]
    abundance, groups = pool(used, tallies, method)
    group_by = method.group_columns
    table_files.write(abundance, "abundance_long", files.abundance)
    table_files.write(groups, "groups_long", files.groups)
    table_files.write(bins[table_files.columns("ledger")], "ledger", files.ledger)
    table_files.write(cover(bins, group_by, cut, method.position_tolerance_km), "coverage", files.coverage)
    by_bin = {bin_id: tally.counts for bin_id, tally in tallies.items()}
    sweep.write_part(kept, files.sweep)
    # The last one, with the proof of all.
    rows = bin_rows(used, by_bin, {bin_id: tally.n_rois for bin_id, tally in tallies.items()})
    said = [vars(told[bin_id]) for bin_id in sorted(bins.loc[wanted, "bin"])]
    write_part(rows, files.bins, proof.statement(proof.digest(made_of, said), _others(files)))


def _others(files: DayFiles) -> dict[str, str]:
    """The parts of a day that do not hold the proof."""
    return {name: path for name, path in vars(files).items() if name != "bins"}


def proves_itself(bins: pd.DataFrame, summaries: Sequence[str | Path], files: DayFiles, made_of: str) -> bool:
    """Whether the parts of a day are those that `pool_abundance` would write, which says what the arguments are."""
    stated = proof.of_parquet(files.bins).get(proof.KEY)
    if not stated:
        return False
    told = {said.bin: vars(said) for said in map(read_provenance, summaries) if said}
    said = [told.get(bin_id) for bin_id in sorted(bins.loc[bins["status"] == WANTED, "bin"])]
    return proof.holds(stated, proof.digest(made_of, said), _others(files))


def pool(used: pd.DataFrame, tallies: Mapping[str, Tally], method: Method) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Abundance of one day: sum of counts over sum of volumes, per group and class, and per group of classes.

    used: the day's used bins. tallies: of each of them. Returns the columns of abundance_long, sorted by
    group and class with `unclassified` last, and those of groups_long; no rows if there is no used bin.
    """
    group_by = method.group_columns
    if used.empty:
        return table_files.empty("abundance_long", group_by), table_files.empty("groups_long", group_by)
    used = used.sort_values("bin")  # so that the order in which bins come changes no digit
    parts = used.groupby(group_by, dropna=False, sort=True) if group_by else [((), used)]
    pooled = [_pool_group(bins, tallies, method) for _, bins in parts]
    classes, groups = (pd.concat(tables, ignore_index=True) for tables in zip(*pooled, strict=True))
    return (
        classes[table_files.columns("abundance_long", group_by)],
        groups[table_files.columns("groups_long", group_by)],
    )


def _pool_group(bins: pd.DataFrame, tallies: Mapping[str, Tally], method: Method) -> tuple[pd.DataFrame, pd.DataFrame]:
    of_bins = [tallies[bin_id] for bin_id in bins["bin"]]
    # A label set may have a class of this name; what it won is unclassified all the same.
    classes = sorted({name for tally in of_bins for name in tally.counts} - {UNCLASSIFIED})
    names = [*classes, UNCLASSIFIED]
    counts = np.array([[tally.counts.get(name, np.nan) for name in classes] for tally in of_bins])  # bins x classes
    n_rois = np.array([tally.n_rois for tally in of_bins])
    counts = np.column_stack([counts, n_rois - np.nansum(counts, axis=1)])
    volume = bins["ml_analyzed"].to_numpy()
    placed = bins[bins["latitude"].notna() & bins["longitude"].notna()]
    shared = {
        "date": bins["date"].iloc[0],
        "instrument": ";".join(sorted(set(bins["instrument"]))),
        **{name: bins[name].iloc[0] for name in method.group_by if name != "instrument"},
        "latitude": _mean(placed["latitude"]),
        "longitude": _mean(_unwrapped(placed["longitude"])),
        "n_bins": len(bins),
        "n_rois": int(n_rois.sum()),
    }
    of_class = traits(names, method.class_table)
    table = pd.concat([of_class, _concentrations(counts, volume, method.confidence)], axis="columns").assign(
        **shared,
        **{"class": names},
        threshold=[*(method.class_thresholds.get(name, method.threshold) for name in classes), np.nan],
    )
    members = {group: (of_class["group"] == group).to_numpy() for group in sorted(set(of_class["group"]) - {""})}
    members[LIVING_TOTAL] = (of_class["living"] == "yes").to_numpy()
    members = {group: in_group for group, in_group in members.items() if in_group.any()}
    if not members:
        return table, table_files.empty("groups_long", list(method.group_by))
    known = [counts[:, in_group] for in_group in members.values()]
    totals = [np.where(np.isnan(of_group).all(axis=1), np.nan, np.nansum(of_group, axis=1)) for of_group in known]
    groups = _concentrations(np.column_stack(totals), volume, method.confidence).assign(
        **shared, group=list(members), n_classes=[of_group.shape[1] for of_group in known]
    )
    return table, groups


def _concentrations(counts: np.ndarray, volume: np.ndarray, confidence: float) -> pd.DataFrame:
    """Pooled counts and concentrations, a row per column of `counts` (bins x classes, NaN: not assessed)."""
    assessed = ~np.isnan(counts)  # a class counts for the bins whose label set has it, hits or no hits
    count = np.nansum(counts, axis=0).astype(int)
    total = np.array([math.fsum(volume[with_class]) for with_class in assessed.T])
    dispersion = pearson_dispersion(counts, volume)
    low, high = poisson_limits(count, confidence)
    wide_low, wide_high = widened_limits(count, dispersion, confidence)
    return pd.DataFrame(
        {
            "count": count,
            "ml_analyzed_total": total,
            "objects_per_ml": count / total,
            "objects_per_ml_low": low / total,
            "objects_per_ml_high": high / total,
            "objects_per_L": count / total * 1000,
            "n_bins_assessed": assessed.sum(axis=0),
            "dispersion": dispersion,
            "objects_per_ml_low_dispersed": wide_low / total,
            "objects_per_ml_high_dispersed": wide_high / total,
        }
    )


def _mean(degrees: Iterable[float]) -> float:
    known = [value for value in degrees if not math.isnan(value)]
    if not known:
        return math.nan
    mean = math.fsum(known) / len(known)
    return mean - 360 if mean > 180 else mean


def _unwrapped(longitudes: pd.Series) -> pd.Series:
    """Longitudes that lie on both sides of 180 degrees, counted on beyond it, so that they can be averaged."""
    if longitudes.max() - longitudes.min() > 180:
        return longitudes.where(longitudes >= 0, longitudes + 360)
    return longitudes


def merge_abundance(
    parts: Mapping[str, Sequence[str | Path]],
    catalog: str | Path,
    method: Method,
    failures_allowed: bool,
    summaries: str | Path,
    merged: DayFiles,
    instead: Callable[[Collection[str]], str] | None = None,
) -> None:
    """Put the days, in order, into the merged tables.

    parts: by the names of DayFiles, the files of the days, or of shards. summaries: the folder of the scores
    summaries, for a message. instead: tells what the source has where none of these bins has scores; None if the tables
    may be empty. Lines are copied as they are. Raises TableError if the ledger does not have exactly the bins of the
    catalog, and ScoresError if a bin failed in an earlier run and that is not allowed now, or if no bin was used and
    `instead` is given. Warns of thresholds for unknown classes and of labels not in the class table.
    """
    tables = {"abundance": "abundance_long", "ledger": "ledger", "groups": "groups_long", "coverage": "coverage"}
    with ExitStack() as files:
        whole = {name: files.enter_context(atomic_write(getattr(merged, name))) for name in tables}
        for name, table in tables.items():
            concatenate(parts[name], table_files.columns(table, method.group_by), whole[name])
        bins = table_files.read("ledger", whole["ledger"], ["bin", "status", "reason"])
        failed = bins[bins["status"] == "failed"]
        if len(failed) and not failures_allowed:
            paths = " ".join(f"{Path(summaries, parse_bin_id(b).folder, b)}.parquet" for b in failed["bin"])
            raise ScoresError(
                f"{counted(len(failed), 'bin')} recorded as failed by an earlier run, but source.on_failure is now "
                "stop:\n"
                + "".join(f"  {reason}\n" for reason in failed["reason"])
                + f"To have them asked for again, delete their summaries and run again:\n  rm {paths}"
            )
        listed = table_files.read("catalog", catalog, ["bin"])["bin"]
        if sorted(bins["bin"]) != sorted(listed):
            odd = sorted(set(bins["bin"]) ^ set(listed))[:3]
            raise TableError(
                f"{merged.ledger}: {counted(len(bins), 'bin')}, {catalog} has {len(listed)}; not in both: {odd}"
            )
        if instead and not (bins["status"] == "used").any():
            raise ScoresError(_nothing_used(bins, instead, Path(summaries)))
        labels = set(table_files.read("abundance_long", whole["abundance"], ["class"])["class"]) - {UNCLASSIFIED}
        warn_of_unknown(labels, method.class_thresholds)
        warn_of_unlisted(labels, method.class_table)
        merge_parts(parts["bins"], merged.bins)
        sweep.merge_parts(parts["sweep"], merged.sweep)


def _nothing_used(bins: pd.DataFrame, instead: Callable[[Collection[str]], str], summaries: Path) -> str:
    """Why there is no abundance at all: what became of the bins, with one of each kind, and what there is instead."""
    counts = bins["status"].value_counts(sort=False)
    asked = bins.loc[bins["status"] == "no_scores", "bin"]
    first = bins.drop_duplicates("status")
    answered = bins.loc[bins["status"].isin(["no_scores", "failed"]), "bin"]
    kept = "".join(f"{summaries / parse_bin_id(bin_id).folder / bin_id}.parquet ..." for bin_id in answered[:1])
    return (
        f"no bin of the window has class scores that can be used, so all tables would be empty. "
        f"Of {counted(len(bins), 'bin')}: "
        + ", ".join(f"{n} {status}" for status, n in counts.items())
        + "".join(f"\n  {row['bin']}: {row['status']}: {row['reason']}" for row in first.to_dict("records"))
        + (f"\n{instead(set(asked))}" if len(asked) else "")
        + (f"\nTo have the source asked again, delete the summaries of these bins: {kept}" if kept else "")
        + "\nIf tables without a row are right all the same, set source.allow_empty: true"
    )


def reshape_abundance(abundance: str | Path, method: Method, wide: str | Path, parquet: str | Path) -> None:
    """Write abundance_long in two other shapes.

    wide: a row per day and group and a column per class, in objects per mL, empty where the class was not assessed;
    `unclassified` is the last column. parquet: the long table as it is.
    """
    index = table_files.columns("abundance_wide", method.group_by)
    table = table_files.read("abundance_long", abundance, [*index, "class", "objects_per_ml"])
    pivoted = table.pivot(index=index, columns="class", values="objects_per_ml")
    classes = sorted(set(pivoted.columns) - {UNCLASSIFIED}) + [UNCLASSIFIED] * (UNCLASSIFIED in pivoted.columns)
    keys = pivoted.index.to_frame(index=False)
    table_files.check(keys, "abundance_wide", str(wide))
    keys = table_files.cells(keys, "abundance_wide")
    rows = pd.concat([keys, pivoted[classes].reset_index(drop=True)], axis="columns")  # a label may be called date
    with atomic_write(wide) as unfinished:
        rows.to_csv(unfinished, index=False, lineterminator="\n")
    table_files.convert("abundance_long", abundance, parquet)
