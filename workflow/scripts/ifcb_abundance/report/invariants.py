"""What must hold in the finished tables of any run, tested inside the workflow once they are all there.

Each table is checked against its schema when it is written. Here the tables are checked against each other.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ifcb_abundance.bins.statuses import BinStatus
from ifcb_abundance.classes.class_table import AFTER, LIVING_TOTAL
from ifcb_abundance.classes.labels import UNCLASSIFIED
from ifcb_abundance.common.atomic_write import atomic_write
from ifcb_abundance.common.errors import TableError
from ifcb_abundance.pooling.method import Method
from ifcb_abundance.tables import table_files

VERSION = 2
SHOWN = 5  # rows in a message
CLOSE = 1e-9  # sums of volumes are taken in another order here
LIMITS = (
    ("objects_per_ml_low", "objects_per_ml_high"),
    ("objects_per_ml_low_dispersed", "objects_per_ml_high_dispersed"),
)
# The columns that the tests need, by table: a year of all columns would take ten times as long to read.
CONCENTRATIONS = ("objects_per_ml", *(name for limits in LIMITS for name in limits))
TRAITS = ("class", "living", "group", "count")
NEEDED = {
    "ledger": ("bin", "date", "status"),
    "catalog": ("bin", "sample_time", "ml_analyzed"),
    "coverage": ("date", "n_expected", *(f"n_{status.value}" for status in BinStatus), "ml_analyzed_total"),
    "abundance_long": (*TRAITS, "n_rois", "ml_analyzed_total", "n_bins_assessed", *CONCENTRATIONS),
    "groups_long": ("group", "count", *CONCENTRATIONS),
    "features_ledger": ("bin",),
    "biovolume_long": (*TRAITS, "n_measured", "ml_analyzed_total", "n_bins", "n_bins_with_features"),
    "biovolume_groups": ("group", "count"),
}
OF_GROUPS = (
    "abundance_long",
    "groups_long",
    "biovolume_long",
    "biovolume_groups",
)  # one row per group of bins and more


def write_test_results(
    tables: Mapping[str, str | Path],
    period: str | Path | None,
    group_by: Sequence[str],
    path: str | Path,
    method: Method | None = None,
) -> None:
    """Test the tables against each other and write the list of what holds.

    tables: files by the names of their schemas; those of features may be missing. period: the table of abundance per
    week or the like, if there is one. method: how counts were made; None for the default. Raises TableError with a
    sentence for each test that fails.
    """
    keys, method = ["date", *group_by], method or Method()
    read = {
        name: table_files.read_checked(name, tables[name], [*(keys if name in OF_GROUPS else ()), *needed])
        for name, needed in NEEDED.items()
        if name in tables
    }
    tests = {
        "The ledger has the bins of the catalog.": _ledger(read["ledger"], read["catalog"]),
        "The coverage counts the bins of the ledger.": _coverage(read["coverage"], read["ledger"]),
        **_sums_of_counts(read["abundance_long"], keys, method.rule),
        "Counts of bins sum to those of days.": _bins(read["abundance_long"], tables["bins_long"], method),
        "Volumes are those of the used bins.": _volumes(read, keys),
        "Limits are in order.": _limits(read, ("abundance_long", "groups_long")),
        "Groups sum to their classes.": _groups(read["abundance_long"], read["groups_long"], keys, "abundance_long"),
    }
    if period:
        of_period = table_files.read_checked("abundance_long", period, ["class", "count"])
        tests["Periods sum to days."] = _periods(of_period, read["abundance_long"], Path(period).name)
    if "biovolume_long" in read:
        tests["Features are those of the used bins."] = _features(read)
        tests["Bins with features are those that were looked at."] = _looked_at(read, keys)
        tests["Groups of biovolume sum to their classes."] = _groups(
            read["biovolume_long"], read["biovolume_groups"], keys, "biovolume_long", "biovolume_groups"
        )
    failed = [sentence for found in tests.values() for sentence in found]
    if failed:
        raise TableError("The finished tables do not agree:\n" + "\n".join(f"  {sentence}" for sentence in failed))
    with atomic_write(path) as unfinished:
        Path(unfinished).write_text("".join(f"{test}\n" for test in tests), encoding="utf-8")


def _rows(frame: pd.DataFrame, bad: "pd.Series[bool]", columns: Sequence[str]) -> str:
    """The first rows that are wrong, by the columns that name them."""
    few = frame.loc[bad, list(columns)].head(SHOWN).astype("str").agg(" ".join, axis=1)
    more = int(bad.sum()) - len(few)
    return ", ".join(few) + (f" and {more} more rows" if more else "")


def _ledger(ledger: pd.DataFrame, catalog: pd.DataFrame) -> Iterator[str]:
    for name, frame, other, others in (
        ("ledger", ledger, "catalog", catalog),
        ("catalog", catalog, "ledger", ledger),
    ):
        alone = ~frame["bin"].isin(others["bin"].tolist())
        if alone.any():
            yield f"{name}: bins that the {other} does not have: {_rows(frame, alone, ['bin'])}."
    of_bins = catalog["sample_time"].str[:10].tolist()  # UTC
    days = ledger["bin"].map(dict(zip(catalog["bin"].tolist(), of_bins, strict=True)))
    bad = days.notna() & (days != ledger["date"])
    if bad.any():
        yield f"ledger: the date is not the day of the catalog's sample_time: {_rows(ledger, bad, ['bin', 'date'])}."


def _coverage(coverage: pd.DataFrame, ledger: pd.DataFrame) -> Iterator[str]:
    statuses = [f"n_{status.value}" for status in BinStatus]
    bad = coverage[statuses].sum(axis=1) != coverage["n_expected"]
    if bad.any():
        yield f"coverage: the bins of all statuses do not sum to n_expected: {_rows(coverage, bad, ['date'])}."
    found = ledger.groupby(["date", "status"]).size().unstack(fill_value=0)
    found.columns = pd.Index([f"n_{status}" for status in found.columns])
    found, summed = found.reindex(columns=statuses, fill_value=0), coverage.groupby("date")[statuses].sum()
    for status in statuses:
        yield from _same(summed[status], found[status], "coverage", status, "rows of the ledger")


def _counts(abundance: pd.DataFrame, keys: Sequence[str], once: bool = True) -> Iterator[str]:
    """once: a ROI counts for no more than one class."""
    groups = abundance.groupby(list(keys), dropna=False, as_index=False)
    summed = groups.agg(count=("count", "sum"), low=("n_rois", "min"), high=("n_rois", "max"))
    bad = (summed["count"] != summed["low"]) | (summed["count"] != summed["high"])
    if not once:
        bad = (summed["count"] < summed["low"]) | (summed["low"] != summed["high"])
    if bad.any():
        yield f"abundance_long: the counts do not sum to n_rois: {_rows(summed, bad, [*keys, 'count', 'low'])}."


def _sums_of_counts(abundance: pd.DataFrame, keys: Sequence[str], rule: str) -> dict[str, Iterator[str]]:
    """What holds of the counts of a day and group, by the rule that they were made by."""
    if rule != "each":
        return {"Counts sum to n_rois.": _counts(abundance, keys)}
    return {"Each ROI is in a class or unclassified.": _counts(abundance, keys, once=False)}


def _bins(abundance: pd.DataFrame, bins: str | Path, method: Method) -> Iterator[str]:
    """A row group of the table of bins is a day: no more than one is in memory."""
    days = abundance.groupby(["date", "class"])["count"].sum()
    file, parts = pq.ParquetFile(bins), []
    for number in range(file.num_row_groups):
        rows = file.read_row_group(number, columns=["sample_time", "class", "count"], use_threads=False)
        dates = pc.floor_temporal(rows.column("sample_time"), unit="day").cast(pa.timestamp("s", "UTC"))
        summed = rows.set_column(0, "date", dates).group_by(["date", "class"], use_threads=False)
        parts.append(summed.aggregate([("count", "sum")]))
    found = days.iloc[:0]
    if parts:
        rows = pa.concat_tables(parts).to_pandas()
        if method.table.merges:
            rows["class"] = rows["class"].map(lambda name: method.table.class_of(name, AFTER))
        found = rows.groupby(["date", "class"])["count_sum"].sum()
        found.index = found.index.set_levels(found.index.levels[0].strftime("%Y-%m-%d"), level=0)
    yield from _same(days, found, "abundance_long", "count", "counts in bins_long")


def _volumes(read: Mapping[str, pd.DataFrame], keys: Sequence[str]) -> Iterator[str]:
    ledger, catalog, abundance = read["ledger"], read["catalog"], read["abundance_long"]
    used = ledger.loc[ledger["status"] == BinStatus.USED, ["bin", "date"]].merge(catalog[["bin", "ml_analyzed"]])
    everything = abundance[abundance["class"] == UNCLASSIFIED]  # each used bin counts for it
    of_days = used.groupby("date")["ml_analyzed"].sum()
    for name, frame in (("abundance_long", everything), ("coverage", read["coverage"])):
        volume = frame.groupby("date")["ml_analyzed_total"].sum()
        yield from _same(volume[volume > 0], of_days, name, "ml_analyzed_total", "volumes of used bins in the catalog")
    most = abundance[list(keys)].merge(everything[[*keys, "ml_analyzed_total"]], how="left")["ml_analyzed_total"]
    bad = abundance["ml_analyzed_total"] > most.to_numpy() * (1 + CLOSE)
    if bad.any():
        where = _rows(abundance, bad, [*keys, "class"])
        yield f"abundance_long: ml_analyzed_total is more than that of all used bins: {where}."


def _limits(read: Mapping[str, pd.DataFrame], names: Sequence[str]) -> Iterator[str]:
    for name in names:
        frame = read[name]
        for low, high in LIMITS:
            bad = (frame[low] > frame["objects_per_ml"]) | (frame["objects_per_ml"] > frame[high])
            if bad.any():
                where = _rows(frame, bad, ["date", "class" if "class" in frame else "group"])
                yield f"{name}: {low}, objects_per_ml, {high} are not in order: {where}."


def _groups(
    classes: pd.DataFrame, groups: pd.DataFrame, keys: Sequence[str], one: str, other: str = "groups_long"
) -> Iterator[str]:
    keys = [*keys, "group"]
    living = classes[classes["living"] == "yes"].assign(group=LIVING_TOTAL)
    summed = pd.concat([classes[classes["group"] != ""], living]).groupby(keys, dropna=False)["count"].sum()
    yield from _same(groups.groupby(keys, dropna=False)["count"].sum(), summed, other, "count", f"classes of {one}")


def _periods(periods: pd.DataFrame, abundance: pd.DataFrame, name: str) -> Iterator[str]:
    found, days = periods.groupby("class")["count"].sum(), abundance.groupby("class")["count"].sum()
    yield from _same(found, days, name, "count", "counts in abundance_long")


def _features(read: Mapping[str, pd.DataFrame]) -> Iterator[str]:
    ledger, features, biovolume = read["ledger"], read["features_ledger"], read["biovolume_long"]
    used = set(ledger.loc[ledger["status"] == BinStatus.USED, "bin"].tolist())
    if different := sorted(used ^ set(features["bin"].tolist())):
        yield f"features_ledger: bins that are not those used, {len(different)}: {', '.join(different[:SHOWN])}."
    bad = biovolume["n_measured"] > biovolume["count"]
    if bad.any():
        where = _rows(biovolume, bad, ["date", "class"])
        yield f"biovolume_long: n_measured is more than count: {where}."


def _looked_at(read: Mapping[str, pd.DataFrame], keys: Sequence[str]) -> Iterator[str]:
    """Where all used bins of a group have features, a class was looked for in the same bins in both tables."""
    abundance, biovolume = read["abundance_long"], read["biovolume_long"]
    everything = biovolume[biovolume["class"] == UNCLASSIFIED]
    whole = everything.loc[everything["n_bins_with_features"] == everything["n_bins"], list(keys)]
    one, other = (
        frame.merge(whole).groupby([*keys, "class"], dropna=False).sum(numeric_only=True)
        for frame in (biovolume, abundance)
    )
    for name, expected in (("ml_analyzed_total", "ml_analyzed_total"), ("n_bins_with_features", "n_bins_assessed")):
        yield from _same(one[name], other[expected], "biovolume_long", name, f"{expected} of abundance_long")


def _same(found: pd.Series, expected: pd.Series, table: str, column: str, of_what: str) -> Iterator[str]:
    """Yield a sentence if two series of sums, by the same index, differ by more than rounding."""
    one, other = found.astype("float64").align(expected.astype("float64"), fill_value=0.0)
    bad = pd.Series(~np.isclose(one, other, rtol=CLOSE, atol=CLOSE), index=one.index)
    if bad.any():
        keys = [" ".join(map(str, key)) if isinstance(key, tuple) else str(key) for key in bad.index[bad]]
        first = [f"{key} ({a:g}, not {b:g})" for key, a, b in zip(keys, one[bad], other[bad], strict=True)]
        more = f" and {len(first) - SHOWN} more" if len(first) > SHOWN else ""
        yield f"{table}: {column} does not agree with the {of_what}: {', '.join(first[:SHOWN])}{more}."
