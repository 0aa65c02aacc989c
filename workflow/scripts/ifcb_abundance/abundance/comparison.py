"""How two runs of a dataset differ, and why: config, bins, volumes and counts."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from math import isclose
from pathlib import Path
from typing import Any

import pandas as pd

from ifcb_abundance.bins.statuses import BinStatus
from ifcb_abundance.classes.class_table import plain
from ifcb_abundance.classes.labels import UNCLASSIFIED
from ifcb_abundance.common.named import listed
from ifcb_abundance.common.words import counted
from ifcb_abundance.tables import table_files

Row = dict[str, Any]
VERSION = 2  # of the table: raise it so that it is made again
OF_ITSELF = {"run", "compare"}  # keys of the config that say which run this is
WINDOW = ""  # as a date: the sum over all days
ON_CLASSES = ("class_thresholds", "class_table", "merged_labels")  # what run.json says of classes beside the config
RUNS = ("first run", "second run")
SHOWN = 5  # labels that a reason names


def why_not_compared(cache: str | Path, names: Sequence[str], run: str) -> str:
    """Say why a run cannot be compared, for a message; empty if it can.

    cache: the folder of the dataset. names: of `compare`. run: the name of one of them, empty for the run at work.
    """
    there = sorted(path.parent.name for path in Path(cache, "runs").glob("*/run.json"))
    known = f"Finished runs in {cache}/runs/: {', '.join(there) or 'none'}"
    if not names:
        return f"compare: no runs are named. Accepted: two names, as in --config 'compare=[a, b]'. {known}"
    if run and run not in there:
        return f"compare: there is no finished run {run!r}. Make it with a config that has run: {run}. {known}"
    return ""


def compare(names: Sequence[str], first: Sequence[str], second: Sequence[str], path: str | Path) -> None:
    """Write what differs between two runs, a row per difference (the table `differences`).

    names: of both runs. first, second: run.json, abundance_long.csv and ledger.csv of each. Counts and volumes are
    summed over the groups of a day, so that runs with other groups can be compared too.
    """
    records = [json.loads(Path(files[0]).read_text(encoding="utf-8")) for files in (first, second)]
    sums = [_sums(table_files.read("abundance_long", files[1])) for files in (first, second)]
    ledgers = [table_files.read("ledger", files[2]).set_index("bin") for files in (first, second)]
    rows = [_row("config", "run", WINDOW, names)]
    of_classes = [key for key in ON_CLASSES if all(key in record for record in records)]  # old runs say less
    one, other = (_settings(record, of_classes) for record in records)
    rows += _of_config(one, other)
    bins = list(_of_bins(*ledgers))
    rows += bins
    rows += _of_numbers(sums[0], sums[1], _other_bins(bins), [_Merged(record) for record in records])
    table = pd.DataFrame(rows, columns=table_files.columns("differences")).astype({"difference": "float64"})
    table_files.write(table, "differences", path)


def _row(what: str, name: str, date: str, values: Sequence[Any], why: str = "") -> Row:
    """Make a row of the table. values: of the first and the second run, None for none."""
    first, second = values
    numbers = isinstance(first, int | float) and isinstance(second, int | float)
    return {
        **{"what": what, "name": name, "date": date, "why": why},
        "first": "" if first is None else str(first),
        "second": "" if second is None else str(second),
        "difference": second - first if numbers else None,
    }


def _settings(record: Mapping[str, Any], of_classes: Sequence[str]) -> dict[str, Any]:
    """What a run was made with: the config, what `of_classes` names, and the version of the workflow."""
    config = {key: value for key, value in record["config"].items() if key not in OF_ITSELF}
    return {**config, **{key: record[key] for key in of_classes}, "version": record["workflow"]["version"]}


class _Merged:
    """Which labels the class table of a run merges into which class. record: the run's run.json."""

    def __init__(self, record: Mapping[str, Any]) -> None:
        self._class_of: Mapping[str, str] = record.get("merged_labels", {})
        loose = record["config"]["classify"].get("match_labels") == "loose"
        self._of_spelling = {plain(label): name for label, name in self._class_of.items()} if loose else {}

    def class_of(self, label: str) -> str | None:
        """The class that a label is merged into; None if it is not."""
        name = self._class_of.get(label) or self._of_spelling.get(plain(label))
        return None if name == label else name

    def labels_of(self, name: str) -> set[str]:
        """The labels that are merged into a class."""
        return {label for label, merged in self._class_of.items() if merged == name}


def _of_config(first: Any, second: Any, key: str = "") -> Iterator[Row]:
    """Yield a row for each key that differs."""
    if isinstance(first, dict) and isinstance(second, dict):
        for name in sorted({*first, *second}):
            yield from _of_config(first.get(name), second.get(name), f"{key}.{name}" if key else name)
    elif first != second:
        told = [value if isinstance(value, str) else json.dumps(value) for value in (first, second)]
        yield _row("config", key, WINDOW, told)


def _of_bins(first: pd.DataFrame, second: pd.DataFrame) -> Iterator[Row]:
    """Yield a row for each bin that did not become the same in both runs, or whose class scores were others."""
    one, other = (dict(zip(each.index, each.to_dict("records"), strict=True)) for each in (first, second))
    for bin_id in sorted({*one, *other}):
        before, after = one.get(bin_id), other.get(bin_id)
        if before and after and (before["status"], before["sha256"]) == (after["status"], after["sha256"]):
            continue
        date = (before or after or {})["date"]
        if not before or not after:
            why = "outside the window of the " + ("second run" if before else "first run")
        elif before["status"] == after["status"]:
            why = "its class scores were others when they were read"
        else:
            why = "; ".join(filter(None, (before["reason"], after["reason"])))
        yield _row("bin", bin_id, date, [each and each["status"] for each in (before, after)], why)


def _other_bins(rows: Sequence[Row]) -> dict[str, int]:
    """Count the bins that differ by day; of the whole window, too."""
    dates = [row["date"] for row in rows if BinStatus.USED in (row["first"], row["second"])]
    return {**Counter(dates), WINDOW: len(dates)}


def _sums(table: pd.DataFrame) -> pd.DataFrame:
    """Sum counts and volumes over groups, by day and class; and over all days."""
    of = {"count": ("count", "sum"), "volume": ("ml_analyzed_total", "sum"), "threshold": ("threshold", "first")}
    daily = table.groupby(["date", "class"], sort=False).agg(**of).reset_index()
    whole = table.groupby("class", sort=False).agg(**of).reset_index().assign(date=WINDOW)
    return pd.concat([whole, daily]).set_index(["date", "class"])


def _of_numbers(
    first: pd.DataFrame, second: pd.DataFrame, other_bins: Mapping[str, int], merged: Sequence[_Merged]
) -> Iterator[Row]:
    """Yield a row for each volume of a day, and each count and abundance of a class, that differs.

    merged: the labels that each run merges.
    """
    days = [set(sums.index.get_level_values("date")) for sums in (first, second)]
    both = first.join(second, how="outer", lsuffix="_first", rsuffix="_second")
    for (date, name), row in zip(both.index, both.to_dict("records"), strict=True):
        counts, volumes, thresholds = (
            [None if pd.isna(row[f"{of}_{run}"]) else float(row[f"{of}_{run}"]) for run in ("first", "second")]
            for of in ("count", "volume", "threshold")
        )
        other_volume = not isclose(
            volumes[0] or 0.0, volumes[1] or 0.0, rel_tol=1e-9
        )  # groups are summed in another order
        if counts[0] == counts[1] and not other_volume:
            continue
        because = []
        if thresholds[0] != thresholds[1] and None not in thresholds:
            because.append(f"threshold {thresholds[0]:g} and {thresholds[1]:g}")
        if n := other_bins.get(date, 0):
            because.append(f"{counted(n, 'other bin')} used")
        if None in counts and date in days[without := counts.index(None)]:
            became = merged[without].class_of(name)
            because.append((f"merged into {became!r}" if became else "not looked for") + f" in the {RUNS[without]}")
        because += _merged_in_one(name, merged)
        why = "; ".join(because)
        if name == UNCLASSIFIED and other_volume:
            yield _row("volume", "all classes", date, volumes, why)
        if counts[0] != counts[1]:
            yield _row("count", name, date, [None if n is None else int(n) for n in counts], why)
        yield _row("abundance", name, date, list(map(_abundance, counts, volumes)), why)


def _merged_in_one(name: str, merged: Sequence[_Merged]) -> Iterator[str]:
    """Say which labels are merged into a class in one run only."""
    labels = [of_run.labels_of(name) for of_run in merged]
    for run, own, others in zip(RUNS, labels, labels[::-1], strict=True):
        if only := sorted(own - others):
            yield f"merged from {listed(only, SHOWN)} in the {run}"


def _abundance(count: float | None, volume: float | None) -> float | None:
    return None if count is None or not volume else count / volume
