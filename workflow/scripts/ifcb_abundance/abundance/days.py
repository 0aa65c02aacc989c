"""Abundance: the bins of a day pooled per group and class, days merged, every bin accounted for."""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ifcb_abundance.abundance import sweep
from ifcb_abundance.abundance.bin_table import bin_rows, merge_parts, part_of
from ifcb_abundance.abundance.bin_values import merge_labels, n_rois_of, optional_columns, values_of_bin
from ifcb_abundance.abundance.coverage import cover
from ifcb_abundance.bins.layout import SUMMARY, of_bin
from ifcb_abundance.bins.statuses import WANTED, BinStatus, ScoresStatus
from ifcb_abundance.classes.class_table import AFTER, BEFORE, warn_of_unlisted
from ifcb_abundance.classes.labels import UNCLASSIFIED
from ifcb_abundance.classes.thresholds import warn_of_unknown
from ifcb_abundance.common import proof
from ifcb_abundance.common.atomic_write import atomic_write
from ifcb_abundance.common.errors import ScoresError, TableError
from ifcb_abundance.common.words import counted
from ifcb_abundance.common.workers import in_order
from ifcb_abundance.pooling.core import (
    BinValues,
    Columns,
    Floats,
    Pooled,
    group_bins,
    join_groups,
    pool_bins,
    share_labels,
    tabulate,
)
from ifcb_abundance.pooling.method import Method
from ifcb_abundance.scores.summary import (
    Counts,
    Provenance,
    Stack,
    count_bins,
    counts_of_summary,
    label_set,
    read_provenance,
    read_summaries,
)
from ifcb_abundance.sources.score_files import form_of
from ifcb_abundance.tables import table_files
from ifcb_abundance.tables.concatenate import concatenate
from ifcb_abundance.tables.registry import TABLES

VERSION = 5  # of the meaning of the daily tables: raise it when they have to be pooled again
MERGED_VERSION = 1  # of how days are merged, and merged tables reshaped: raise it so that this is done again
CONCATENATED = ("abundance", "ledger", "groups", "coverage")  # merged line by line
OUTCOME = {
    ScoresStatus.READ: BinStatus.USED,
    ScoresStatus.NO_SCORES: BinStatus.NO_SCORES,
    ScoresStatus.FAILED: BinStatus.FAILED,
}


def pool_abundance(
    bins: pd.DataFrame,
    summaries: Sequence[str | Path],
    method: Method,
    cut: bool,
    files: Mapping[str, str],
    made_of: str = "",
    processes: int = 1,
) -> None:
    """Pool the bins of one UTC day and write the day's part of the merged tables.

    bins: all bins of the day, as `selection.assess` returns them. summaries: the scores summaries of those that were
    asked for. cut: the window begins or ends within the day. files: where the parts go, by the names of the tables in
    the registry. made_of: a checksum of the settings, for the proof. processes: how many processes pool the days of
    this run; with more than one, they are other processes than this one. Raises ScoresError if a summary is missing or
    damaged.
    """
    # Only this process writes: one that is killed leaves none behind that goes on writing.
    (parts,) = in_order(_parts_of_day, [_Day(bins, summaries, method, cut, files, made_of)], processes)
    for name, content in parts.items():
        with atomic_write(files[name]) as unfinished:
            unfinished.write_bytes(content)


class _Day(NamedTuple):
    """The arguments of `pool_abundance`, as another process gets them."""

    bins: pd.DataFrame
    summaries: Sequence[str | Path]
    method: Method
    cut: bool
    files: Mapping[str, str]
    made_of: str


def _parts_of_day(day: _Day) -> dict[str, bytes]:
    """Pool the bins of a day. Returns what its files hold, by name; the last one has the proof of all."""
    bins, summaries, method, cut, files, made_of = day
    read = _read_summaries(summaries, method)
    wanted = bins["status"] == WANTED
    missing = [bin_id for bin_id in bins.loc[wanted, "bin"].tolist() if bin_id not in read.provenance]
    if missing:
        raise ScoresError(f"no scores summary of {counted(len(missing), 'bin')}, the first is {missing[0]}")
    alone = {name: said.classes for name, said in read.provenance.items() if said.winners_only}
    labels = share_labels(alone, read.found, lambda label: method.table.class_of(label, BEFORE))
    bins = _with_outcome(bins, read.provenance, labels)
    is_used = bins["status"] == BinStatus.USED
    used = bins if is_used.all() else bins[is_used]  # to take all rows takes a millisecond or two
    abundance, groups = pool(used, read.found, method)
    tables = {
        "abundance": (abundance, "abundance_long"),
        "groups": (groups, "groups_long"),
        "ledger": (bins[table_files.columns("ledger")], "ledger"),
        "coverage": (cover(bins, method.group_columns, cut, method.position_tolerance_km), "coverage"),
    }
    parts = {name: table_files.as_csv(*table, files[name]).encode() for name, table in tables.items()}
    parts["sweep"] = sweep.part_of(read.kept, method.merged)
    said = [read.provenance[bin_id].stated() for bin_id in sorted(bins.loc[wanted, "bin"].tolist())]
    stated = proof.statement(proof.digest(made_of, said), parts)
    parts["bins"] = part_of(bin_rows(used, read.found, method.bin_columns), files["bins"], stated)
    return parts


class _Summaries(NamedTuple):
    """What the scores summaries of a day say: by bin, and what each threshold keeps by label set."""

    provenance: dict[str, Provenance]
    found: dict[str, BinValues]
    kept: dict[tuple[str, ...], NDArray[np.int64]]


def _read_summaries(summaries: Sequence[str | Path], method: Method) -> _Summaries:
    provenance, stacks = read_summaries(summaries, method.kept)
    read = _Summaries({said.bin: said for said in provenance}, {}, {})
    for stack in stacks:
        classes, winners = stack.said[0].classes, stack.winners
        for said, found, n_rois in zip(stack.said, *_counts(stack, method), strict=True):
            read.found[said.bin] = values_of_bin(classes, found, n_rois, winners.more.thresholds, method)
        if not stack.said[0].counts:
            kept = sweep.count_kept(classes, winners, method.precision)
            read.kept[classes] = read.kept.get(classes, 0) + kept
    return read


def _counts(stack: Stack, method: Method) -> tuple[list[Counts], list[int]]:
    """What each bin has of each class, and how many ROIs it has. Raises ScoresError, naming the bin."""
    said = stack.said[0]
    if said.counts:
        return [_counted_before(each, method) for each in stack.said], [each.n_rois for each in stack.said]
    try:
        found = count_bins(said.classes, stack.winners, method.decision, stack.bin_of_row, len(stack.said))
    except ScoresError as error:
        raise ScoresError(f"bin {said.bin}: {error}") from None
    n_rois = np.bincount(stack.bin_of_row, weights=stack.winners.n_rois, minlength=len(stack.said))
    return found, n_rois.astype(np.int64).tolist()


def _counted_before(said: Provenance, method: Method) -> Counts:
    try:
        return counts_of_summary(said, method.decision)
    except ScoresError as error:
        raise ScoresError(f"bin {said.bin}: {error}") from None


def _with_outcome(
    bins: pd.DataFrame, provenance: Mapping[str, Provenance], labels: Mapping[str, tuple[str, ...]]
) -> pd.DataFrame:
    """Add the columns of the ledger to the bins of a day: their status, and what was read for the wanted ones.

    labels: the label sets of bins whose score files do not have theirs.
    """
    before = list(zip(bins["status"].tolist(), bins["reason"].tolist(), strict=True))
    nothing = Provenance("", ScoresStatus.NO_SCORES)
    outcome = [provenance.get(bin_id, nothing) for bin_id in bins["bin"].tolist()]
    known = zip(before, outcome, strict=True)
    after = [(OUTCOME[each.status], each.reason) if was[0] == WANTED else was for was, each in known]
    return bins.assign(
        status=[status for status, _ in after],
        reason=[reason for _, reason in after],
        address=[each.address for each in outcome],
        sha256=[each.sha256 for each in outcome],
        bytes=pd.array([each.bytes or None for each in outcome], dtype="Int64"),
        server=[each.server for each in outcome],
        label_set=[
            label_set(labels.get(each.bin, each.classes)) if each.status == ScoresStatus.READ else ""
            for each in outcome
        ],
    )


def _others(files: Mapping[str, str]) -> dict[str, str]:
    """Return the parts of a day that do not hold the proof."""
    return {name: path for name, path in files.items() if name != "bins"}


def proves_itself(bins: pd.DataFrame, summaries: Sequence[str | Path], files: Mapping[str, str], made_of: str) -> bool:
    """Tell whether the parts of a day are those that `pool_abundance` would write from the same arguments."""
    stated = proof.of_parquet(files["bins"]).get(proof.KEY)
    if not stated:
        return False
    told = {said.bin: said.stated() for said in map(read_provenance, summaries) if said}
    said = [told.get(bin_id) for bin_id in sorted(bins.loc[bins["status"] == WANTED, "bin"].tolist())]
    return proof.holds(stated, proof.digest(made_of, said), _others(files))


def pool(used: pd.DataFrame, found: Mapping[str, BinValues], method: Method) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Compute the abundance of one day, sum of counts over sum of volumes, per class and per group of classes.

    used: the day's used bins. found: the counts of each of them. Returns the columns of abundance_long, sorted by
    group and class with `unclassified` last, and those of groups_long; no rows if there is no used bin.
    """
    classes, groups = [], []
    # Sorted, so that the order in which bins come changes no digit.
    for keys, bins in group_bins(used.sort_values("bin"), method.group_columns):
        of_bins = [merge_labels(found[bin_id], AFTER, method) for bin_id in bins["bin"].tolist()]
        pooled = pool_bins(of_bins, bins["ml_analyzed"].to_numpy())
        latitude, longitude = bins["latitude"].to_numpy(), bins["longitude"].to_numpy()
        placed = ~np.isnan(latitude) & ~np.isnan(longitude)
        shared = {
            **keys,
            "latitude": _mean(latitude[placed]),
            "longitude": _mean(_unwrapped(longitude[placed])),
            "n_bins": len(bins),
            "n_rois": n_rois_of(pooled),
        }
        of_classes, of_groups = tabulate(
            pooled, method.class_table, lambda per, _: _concentrations(per, method.confidence)
        )
        classes.append({**of_classes, **shared, **optional_columns(of_classes, pooled, method)})
        groups.append({**of_groups, **shared})
    return (
        join_groups(classes, "abundance_long", method.table_columns),
        join_groups(groups, "groups_long", method.group_columns),
    )


def _concentrations(pooled: Pooled, confidence: float) -> Columns:
    """Compute the columns of counts and concentrations, a row per class or group of classes."""
    count, total = pooled.count.astype(int), pooled.ml_analyzed
    low, high = pooled.limits(confidence)
    wide_low, wide_high = pooled.dispersed_limits(confidence)
    return {
        "count": count,
        "ml_analyzed_total": total,
        "objects_per_ml": count / total,
        "objects_per_ml_low": low / total,
        "objects_per_ml_high": high / total,
        "objects_per_L": count / total * 1000,
        "n_bins_assessed": pooled.n_bins,
        "dispersion": pooled.dispersion,
        "objects_per_ml_low_dispersed": wide_low / total,
        "objects_per_ml_high_dispersed": wide_high / total,
    }


def _mean(degrees: Floats) -> float:
    if not len(degrees):
        return math.nan
    # The mean of equal positions is this position, and not 2e-14 degrees beside it.
    same = degrees.min() == degrees.max()
    mean = float(degrees[0]) if same else math.fsum(degrees) / len(degrees)
    return mean - 360 if mean > 180 else mean


def _unwrapped(longitudes: Floats) -> Floats:
    """Count longitudes on beyond 180 degrees where they lie on both sides of it, so that they can be averaged."""
    if len(longitudes) and longitudes.max() - longitudes.min() > 180:
        return np.where(longitudes >= 0, longitudes, longitudes + 360)
    return longitudes


def merge_abundance(
    parts: Mapping[str, Sequence[str | Path]],
    catalog: str | Path,
    method: Method,
    failures_allowed: bool,
    summaries: str | Path,
    merged: Mapping[str, str],
    instead: Callable[[Collection[str]], str] | None = None,
) -> None:
    """Merge the days, in order, into the tables of the run.

    parts: by the names of the tables in the registry, the files of the days, or of shards. merged: likewise where the
    merged tables go. summaries: the folder of the scores summaries, for a message. instead: tells what the source has
    where none of these bins has scores; None if the tables may be empty.

    Lines are copied as they are. Raises TableError if the ledger does not have exactly the bins of the catalog, and
    ScoresError if a bin failed in an earlier run and that is not allowed now, if used bins have class scores of several
    forms, or if no bin was used and `instead` is given. Warns of thresholds for unknown classes and of labels not in
    the class table.
    """
    with ExitStack() as files:
        whole = {name: files.enter_context(atomic_write(merged[name])) for name in CONCATENATED}
        for name, unfinished in whole.items():
            concatenate(parts[name], table_files.columns(TABLES[name].schema, method.table_columns), unfinished)
        bins = table_files.read("ledger", whole["ledger"], ["bin", "status", "reason", "address"])
        failed = bins[bins["status"] == BinStatus.FAILED]
        if len(failed) and not failures_allowed:
            paths = " ".join(of_bin(summaries, SUMMARY, bin_id) for bin_id in failed["bin"])
            raise ScoresError(
                f"{counted(len(failed), 'bin')} recorded as failed by an earlier run, but source.on_failure is now "
                "stop:\n"
                + "".join(f"  {reason}\n" for reason in failed["reason"])
                + f"To have them asked for again, delete their summaries and run again:\n  rm {paths}"
            )
        accounted, listed = bins["bin"].tolist(), table_files.read("catalog", catalog, ["bin"])["bin"].tolist()
        if sorted(accounted) != sorted(listed):
            odd = sorted(set(accounted) ^ set(listed))[:3]
            raise TableError(
                f"{merged['ledger']}: {counted(len(bins), 'bin')}, {catalog} has {len(listed)}; not in both: {odd}"
            )
        used = bins[bins["status"] == BinStatus.USED]
        if instead and used.empty:
            raise ScoresError(why_nothing_used(bins, instead, summaries))
        _refuse_mixture(used)
        labels = set(table_files.read("abundance_long", whole["abundance"], ["class"])["class"]) - {UNCLASSIFIED}
        merged_labels = {label for label in method.class_thresholds if method.merged(label) in labels}
        warn_of_unknown(labels | merged_labels, method.class_thresholds)
        warn_of_unlisted(labels, method.class_table)
        merge_parts(parts["bins"], merged["bins"], method.bin_columns)
        sweep.merge_parts(parts["sweep"], merged["sweep"], method.merged)


def _refuse_mixture(used: pd.DataFrame) -> None:
    """Raise ScoresError if the class scores of used bins have several forms, which no table can say.

    With `auto` a bucket is not looked at as a whole, so only here all of its bins meet. used: `bin` and `address`.
    """
    # Bins share few ends of names, and to tell the form of an address takes longer than to find its end.
    first: dict[str, tuple[str, str]] = {}
    for bin_id, address in zip(used["bin"].tolist(), used["address"].tolist(), strict=True):
        first.setdefault(address.rpartition("/")[2].removeprefix(bin_id), (bin_id, address))
    such_as = {form_of(*each): each[1] for each in reversed(first.values())}
    if len(such_as) > 1:
        found = ", ".join(f"{form}, such as {such_as[form]}" for form in sorted(such_as))
        raise ScoresError(
            f"source.scores_format: the bins have class scores in {len(such_as)} forms: {found}. They may be of "
            f"different classifiers, so say which of them to read: {' or '.join(sorted(such_as))}"
        )


def why_nothing_used(bins: pd.DataFrame, instead: Callable[[Collection[str]], str], summaries: str | Path) -> str:
    """Explain why there is no abundance: what became of the bins, one of each kind, and what the source has instead.

    bins: their `bin`, `status` and `reason`. instead, summaries: as for `merge_abundance`.
    """
    counts = bins["status"].value_counts(sort=False)
    asked = bins.loc[bins["status"] == BinStatus.NO_SCORES, "bin"]
    first = bins.drop_duplicates("status")
    answered = bins.loc[bins["status"].isin([BinStatus.NO_SCORES, BinStatus.FAILED]), "bin"]
    kept = "".join(f"{of_bin(summaries, SUMMARY, bin_id)} ..." for bin_id in answered[:1])
    key = "select.instruments: "
    others = sorted({reason.removeprefix(key) for reason in bins["reason"] if reason.startswith(key)})
    return (
        f"no bin of the window has class scores that can be used, so all tables would be empty. "
        f"Of {counted(len(bins), 'bin')}: "
        + ", ".join(f"{n} {status}" for status, n in counts.items())
        + "".join(f"\n  {row['bin']}: {row['status']}: {row['reason']}" for row in first.to_dict("records"))
        + (f"\n{instead(set(asked))}" if len(asked) else "")
        + (f"\nTo have the source asked again, delete the summaries of these bins: {kept}" if kept else "")
        + "\nIf tables without a row are right all the same, set source.allow_empty: true"
        + (
            f"\n{key}no bin of the instruments that it names can be used; there are {', '.join(others)}"
            if others
            else ""
        )
    )


def _free_name(name: str, taken: Sequence[str]) -> str:
    """A name for the column of a class that has a name of another column."""
    while (name := f"{name} (class)") in taken:
        pass
    return name


def reshape_abundance(abundance: str | Path, method: Method, wide: str | Path, parquet: str | Path) -> None:
    """Write abundance_long in two other shapes.

    wide: a row per day and group and a column per class, in objects per mL, empty where the class was not assessed;
    `unclassified` is the last column. A class that is called as another column is, has ` (class)` behind its name, so
    often that no other class is called so.
    parquet: the long table as it is.
    """
    index = table_files.columns("abundance_wide", method.group_by)
    table = table_files.read("abundance_long", abundance, [*index, "class", "objects_per_ml"])
    pivoted = table.pivot(index=index, columns="class", values="objects_per_ml")
    classes = sorted(set(pivoted.columns) - {UNCLASSIFIED}) + [UNCLASSIFIED] * (UNCLASSIFIED in pivoted.columns)
    keys = pivoted.index.to_frame(index=False)
    table_files.check(keys, "abundance_wide", str(wide))
    keys = table_files.cells(keys, "abundance_wide")
    of_classes = pivoted[classes].rename(columns={name: _free_name(name, classes) for name in index})
    rows = pd.concat([keys, of_classes.reset_index(drop=True)], axis="columns")
    with atomic_write(wide) as unfinished:
        rows.to_csv(unfinished, index=False, lineterminator="\n")
    table_files.convert("abundance_long", abundance, parquet)
