"""Abundance: the bins of a day pooled per group and class, days merged, every bin accounted for."""

import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

import table_files
from bin_ids import parse_bin_id
from errors import ScoresError, TableError
from files import whole_file
from intervals import poisson_limits
from scores import UNCLASSIFIED, Precision, count_classes, read_summary
from selection import WANTED
from thresholds import warn_of_unknown

VERSION = 1  # of the meaning of the daily tables: raise it when they have to be pooled again
GROUPS = ("instrument", "depth", "cruise", "sample_type")
# Labels that by convention name no organism: marked, never left out.
NOT_LIVING = frozenset(
    "bad bead beads bubble bubbles camera_spot detritus fecal_pellet fiber mix pollen unknown".split()
)
STATUS = {"read": "used", "no_scores": "no_scores", "failed": "failed"}


@dataclass(frozen=True)
class Method:
    """How scores become abundance: the config's `classify` and `abundance`.

    threshold: for classes that class_thresholds does not name. precision: in which scores and
    thresholds are compared. group_by: any of GROUPS. confidence: of the intervals.
    """

    threshold: float = 0.7
    class_thresholds: Mapping[str, float] = field(default_factory=dict)
    precision: Precision = "float16"
    group_by: Sequence[str] = ("instrument",)
    confidence: float = 0.95


@dataclass
class _Tally:
    """Of one bin: ROIs per class, by label, and in all."""

    counts: dict[str, int]
    n_rois: int


def pool_abundance(
    bins: pd.DataFrame,
    summaries: Sequence[str | Path],
    method: Method,
    abundance: str | Path,
    ledger: str | Path,
) -> None:
    """Pool the bins of one UTC day and write the day's part of the merged table and of the ledger.

    bins: all bins of the day, as `selection.assess` returns them. summaries: the scores summaries of
    those that were asked for. Raises ScoresError if a summary is missing or damaged.
    """
    tallies, told = {}, {}
    for path in summaries:
        provenance, winners = read_summary(path)
        told[provenance.bin] = STATUS[provenance.status], provenance.reason
        if provenance.status == "read":
            counts = count_classes(
                provenance.classes, winners, method.threshold, method.class_thresholds, method.precision
            )
            tallies[provenance.bin] = _Tally(
                dict(zip(provenance.classes, counts.tolist(), strict=True)), int(winners.n_rois.sum())
            )
    wanted = bins["status"] == WANTED
    untold = [bin_id for bin_id in bins.loc[wanted, "bin"] if bin_id not in told]
    if untold:
        raise ScoresError(f"no scores summary of {len(untold)} bin(s), the first is {untold[0]}")
    outcome = [
        told[bin_id] if is_wanted else (status, reason)
        for bin_id, is_wanted, status, reason in zip(bins["bin"], wanted, bins["status"], bins["reason"], strict=True)
    ]
    bins = bins.assign(status=[status for status, _ in outcome], reason=[reason for _, reason in outcome])
    used = bins[bins["status"] == "used"]
    table_files.write(pool(used, tallies, method), "abundance_long", abundance)
    table_files.write(bins[table_files.columns("ledger")], "ledger", ledger)


def pool(used: pd.DataFrame, tallies: Mapping[str, _Tally], method: Method) -> pd.DataFrame:
    """Abundance of one day: sum of counts over sum of volumes, per group and class.

    used: the day's used bins. tallies: of each of them. Returns the columns of abundance_long, sorted by
    group and class with `unclassified` last; no rows if there is no used bin.
    """
    group_by = [column for column in GROUPS if column in method.group_by]
    if used.empty:
        return table_files.empty("abundance_long", group_by)
    groups = used.groupby(group_by, dropna=False, sort=True) if group_by else [((), used)]
    parts = [_pool_group(bins, tallies, method) for _, bins in groups]
    return pd.concat(parts, ignore_index=True)[table_files.columns("abundance_long", group_by)]


def _pool_group(bins: pd.DataFrame, tallies: Mapping[str, _Tally], method: Method) -> pd.DataFrame:
    count: dict[str, int] = {}
    volumes: dict[str, list[float]] = {}
    for bin_id, volume in zip(bins["bin"], bins["ml_analyzed"], strict=True):
        for name, n in tallies[bin_id].counts.items():
            count[name] = count.get(name, 0) + n
            volumes.setdefault(name, []).append(volume)
    # A label set may have a class of this name; what it won is unclassified all the same.
    count.pop(UNCLASSIFIED, None)
    classes = sorted(count)
    n_rois = sum(tallies[bin_id].n_rois for bin_id in bins["bin"])
    rows = pd.DataFrame(
        {
            "class": [*classes, UNCLASSIFIED],
            "living": ["no" if name.lower() in NOT_LIVING else "" for name in [*classes, UNCLASSIFIED]],
            "count": [*(count[name] for name in classes), n_rois - sum(count.values())],
            # fsum: the same to the last bit in whatever order the bins come
            "ml_analyzed_total": [
                *(math.fsum(volumes[name]) for name in classes),
                math.fsum(bins["ml_analyzed"]),
            ],
            "threshold": [*(method.class_thresholds.get(n, method.threshold) for n in classes), np.nan],
        }
    )
    volume = rows["ml_analyzed_total"]
    low, high = poisson_limits(rows["count"], method.confidence)
    return rows.assign(
        date=bins["date"].iloc[0],
        instrument=";".join(sorted(set(bins["instrument"]))),
        **{name: bins[name].iloc[0] for name in method.group_by if name != "instrument"},
        latitude=_mean(bins["latitude"]),
        longitude=_mean(_unwrapped(bins["longitude"])),
        objects_per_ml=rows["count"] / volume,
        objects_per_ml_low=low / volume,
        objects_per_ml_high=high / volume,
        objects_per_L=rows["count"] / volume * 1000,
        n_bins=len(bins),
        n_rois=n_rois,
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
    days: Sequence[str | Path],
    day_ledgers: Sequence[str | Path],
    catalog: str | Path,
    method: Method,
    failures_allowed: bool,
    abundance: str | Path,
    ledger: str | Path,
) -> None:
    """Put the days, in order, into the merged table and the ledger.

    Lines are copied as they are. Raises TableError if the ledger does not have exactly the bins of the
    catalog, and ScoresError if a bin failed in an earlier run and that is not allowed now. Warns of
    thresholds for unknown classes.
    """
    with ExitStack() as files:
        whole_abundance = files.enter_context(whole_file(abundance))
        whole_ledger = files.enter_context(whole_file(ledger))
        _concatenate(days, table_files.columns("abundance_long", method.group_by), whole_abundance)
        _concatenate(day_ledgers, table_files.columns("ledger"), whole_ledger)
        bins = table_files.read("ledger", whole_ledger)
        failed = bins[bins["status"] == "failed"]
        if len(failed) and not failures_allowed:
            folder = Path(abundance).parent / "bins"
            summaries = " ".join(f"{folder / parse_bin_id(b).folder / b}.parquet" for b in failed["bin"])
            raise ScoresError(
                f"{len(failed)} bin(s) were recorded as failed by an earlier run, but source.on_failure is now stop:\n"
                + "".join(f"  {reason}\n" for reason in failed["reason"])
                + f"To have them asked for again, delete their summaries and run again:\n  rm {summaries}"
            )
        listed = table_files.read("catalog", catalog)["bin"]
        if sorted(bins["bin"]) != sorted(listed):
            odd = sorted(set(bins["bin"]) ^ set(listed))[:3]
            raise TableError(f"{ledger}: {len(bins)} bins, but {catalog} has {len(listed)}; not in both: {odd}")
        warn_of_unknown(whole_abundance, method.class_thresholds)


def _concatenate(parts: Sequence[str | Path], columns: Sequence[str], whole: Path) -> None:
    header = ",".join(columns)
    with whole.open("w", encoding="utf-8", newline="") as out:
        out.write(header + "\n")
        for part in parts:
            with Path(part).open(encoding="utf-8", newline="") as lines:
                found = lines.readline().rstrip("\n")
                if found != header:
                    raise TableError(
                        f"{part}: its columns are {found!r}, not {header!r}; delete it to have it made again"
                    )
                out.writelines(lines)
