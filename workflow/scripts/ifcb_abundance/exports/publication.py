"""What all exports share: what a repository needs to know, and the days and groups with their time and place."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from logging import Logger
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from ifcb_abundance.bins.positions import greatest_distance_km, only_positions
from ifcb_abundance.bins.statuses import BinStatus
from ifcb_abundance.classes.class_table import LabelTable
from ifcb_abundance.common.errors import TableError
from ifcb_abundance.config import Config
from ifcb_abundance.config.checks import refuse_export
from ifcb_abundance.pooling.method import GROUPS
from ifcb_abundance.tables import table_files

VERSION = 11  # of the exported files: raise it so that they are made again
# The licences that OBIS and GBIF accept.
LICENSES = {
    "CC0-1.0": "http://creativecommons.org/publicdomain/zero/1.0/legalcode",
    "CC-BY-4.0": "http://creativecommons.org/licenses/by/4.0/legalcode",
    "CC-BY-NC-4.0": "http://creativecommons.org/licenses/by-nc/4.0/legalcode",
}
_METHOD = (
    "An object is one image (ROI), which may show a chain or colony of many cells. Its class is the one with the "
    "highest score of the classifier, if that reaches the threshold of the class (>=); else it is unclassified. No "
    "human has verified it. "
)
METHOD = _METHOD + (
    "The abundance of a UTC day is the sum of counts over the sum of the volumes analyzed (look time times flow), over "
    "all bins that were classified and have a good volume, bins without a hit included."
)
METHOD_OF_BINS = _METHOD + (
    "An event is a sample (bin) that was classified and has a good volume. Its abundance is the count over the volume "
    "analyzed (look time times flow)."
)
UNKNOWN = ("unknown", "not known")  # the first that is no cruise or sample type itself
LIMITS = "The limits are the exact Poisson (Garwood) limits of the count; they do not cover classification error."


@dataclass(frozen=True)
class Publication:
    """What a repository needs to know beside the numbers: the config's `export`; empty if not set."""

    dataset: str
    title: str = ""
    summary: str = ""
    institution: str = ""
    license: str = ""
    info_url: str = ""
    model: str = ""
    creator_name: str = ""
    creator_email: str = ""
    experiment: str = ""
    cruise: str = ""
    documents: Sequence[str] = ()

    @classmethod
    def of(cls, config: Config, form: str) -> "Publication":
        """What a config says for a format. Raises ConfigError, naming the key, if it does not say what that needs."""
        refuse_export(config, form)
        export = config.export
        return cls(
            dataset=config.dataset,
            title=export.title or "",
            summary=export.summary or "",
            institution=export.institution or "",
            license=export.license or "",
            info_url=export.info_url or "",
            model=export.model or "",
            creator_name=export.creator.name or "",
            creator_email=export.creator.email or "",
            experiment=export.seabass.experiment or "",
            cruise=export.seabass.cruise or "",
            documents=export.seabass.documents,
        )


@dataclass(frozen=True)
class Tables:
    """The tables of a run that exports are made from.

    per_bin: whether `abundance` has a row per bin and class. For `bins_of_classes`: bins, the bin-level table, and
    class_table, if it merges labels.
    """

    abundance: str | Path
    coverage: str | Path
    catalog: str | Path
    ledger: str | Path
    per_bin: bool = False
    bins: str | Path = ""
    class_table: LabelTable = field(default_factory=LabelTable)

    @classmethod
    def among(cls, files: Any, per_bin: bool = False, class_table: LabelTable | None = None) -> "Tables":
        """Take the tables from a rule's named files."""
        tables = cls(files.abundance, files.coverage, files.catalog, files.ledger, per_bin, files.get("bins", ""))
        return replace(tables, class_table=class_table or LabelTable())


@dataclass(frozen=True)
class Days:
    """A dataset that is ready to be exported.

    events: one row per UTC day and group with a used bin, or per bin (`read_bins`), in order: date, name (of the
    group), the columns of the grouping, latitude, longitude, depth_low and depth_high (m, of the used bins; NaN if
    unknown), and those of `coverage`. rows: the rows of the table of abundance, with `event`, the position of theirs in
    `events`, and `taxon`: whether the class is a biological taxon that has a name. dates: all days of the dataset, also
    those without a used bin.
    """

    events: pd.DataFrame
    rows: pd.DataFrame
    dates: list[str]


def read_days(tables: Tables, group_by: Sequence[str], dataset: str) -> Days:
    """Read the tables of a run. Raises TableError if no bin was used."""
    rows = table_files.read("abundance_long", tables.abundance)
    refuse_empty(rows, tables.abundance)
    keys = ["date", *group_by]
    by_event = rows.groupby(keys, sort=False, dropna=False)
    rows = rows.assign(
        event=by_event.ngroup(), taxon=(rows["scientific_name"] != "") & (rows["living"] != "no")
    ).reset_index(drop=True)
    of_event = ["event", *keys, "latitude", "longitude", "n_bins", "n_rois"]
    coverage = table_files.read("coverage", tables.coverage)
    events = (
        rows.drop_duplicates("event")[of_event]
        .merge(coverage[[*keys, *coverage.columns.difference([*keys, "instrument"])]], on=keys, how="left")
        .merge(_instruments_and_depths(tables, keys), on=keys, how="left")
        .sort_values("event", ignore_index=True)
    )
    columns = [events[key].tolist() for key in group_by]
    groups = [{key: values[at] for key, values in zip(group_by, columns, strict=True)} for at in range(len(events))]
    texts = {str(text) for group in groups for text in group.values()}
    unknown = next((word for word in UNKNOWN if word not in texts), "not given")
    names = [_name(group, unknown) or dataset for group in groups]
    return Days(events.assign(name=names), rows, sorted(set(coverage["date"])))


def read_bins(tables: Tables) -> Days:
    """Read the tables of a run with an event for each used bin. Raises TableError if no bin was used.

    tables: `abundance` is one of abundance_moving, with a row per bin and class.
    """
    rows = table_files.read("abundance_moving", tables.abundance)
    refuse_empty(rows, tables.abundance)
    rows = rows.assign(
        event=rows.groupby("bins", sort=False).ngroup(),
        taxon=(rows["scientific_name"] != "") & (rows["living"] != "no"),
    ).reset_index(drop=True)
    of_catalog = ["bin", "sample_time", "instrument", "depth", "ml_analyzed"]
    catalog = table_files.read("catalog", tables.catalog, of_catalog).drop(columns="instrument")
    events = rows.drop_duplicates("event")[
        ["event", "bins", "instrument", "latitude", "longitude", "n_bins", "n_rois", "position_spread_km"]
    ]
    events = events.merge(catalog, left_on="bins", right_on="bin").sort_values("event", ignore_index=True)
    events = events.assign(
        date=events["sample_time"].dt.strftime("%Y-%m-%d"),
        name=events["bin"],
        instruments=events["instrument"],
        first_sample_time=events["sample_time"],
        last_sample_time=events["sample_time"],
        depth_low=events["depth"],
        depth_high=events["depth"],
        ml_analyzed_total=events["ml_analyzed"],
        complete="yes",
        effort="one sample",
    )
    return Days(events, rows, sorted(set(events["date"])))


def refuse_empty(rows: pd.DataFrame, abundance: str | Path) -> None:
    """Raise TableError if no bin was used: no repository accepts a file without data."""
    if rows.empty:
        raise TableError(
            f"{abundance}: no bin of the window was used, so there is nothing to export; ledger.csv beside it says "
            "what became of each bin. Choose another window, or export.formats: []"
        )


def bins_of_classes(
    tables: Tables, group_by: Sequence[str], events: pd.DataFrame, classes: Collection[str]
) -> pd.DataFrame:
    """Find the used bins that looked for some classes: bin, class, event and ml_analyzed; a row for each label of it.

    events: those of `read_days`.
    """
    keys = ["date", *group_by]
    used = _used_bins(tables, keys, "ml_analyzed").merge(events[["event", *keys]], on=keys)
    # The bin-level table keeps labels apart that are merged after pooling.
    labels = pq.read_table(tables.bins, columns=["class"]).column("class").unique().to_pylist()
    class_of = {label: tables.class_table.merged(label) for label in labels}
    of_classes = [("class", "in", [label for label in labels if class_of[label] in classes])]
    found: pd.DataFrame = pq.read_table(tables.bins, columns=["bin", "class"], filters=of_classes).to_pandas()
    found["class"] = found["class"].astype("str").map(class_of)
    return found.merge(used[["bin", "event", "ml_analyzed"]], on="bin")


def _used_bins(tables: Tables, keys: Sequence[str], *columns: str) -> pd.DataFrame:
    """The used bins, with the columns that name their day and group, and others of the catalog."""
    ledger = table_files.read("ledger", tables.ledger, ["bin", "date", "status"])
    groups = (key for key in keys if key in ("instrument", *GROUPS))
    catalog = table_files.read_catalog(tables.catalog, ["bin", *dict.fromkeys([*columns, *groups])])
    return ledger[ledger["status"] == BinStatus.USED].merge(catalog, on="bin")


def _instruments_and_depths(tables: Tables, keys: Sequence[str]) -> pd.DataFrame:
    """Find the instruments and the range of depths of the used bins, per day and group."""
    used = _used_bins(tables, keys, "instrument", "depth")
    used = used.assign(low=used["depth"], high=used["depth"], instruments=used["instrument"])
    return (
        used.groupby(list(keys), dropna=False)
        .agg(depth_low=("low", "min"), depth_high=("high", "max"), instruments=("instruments", _joined))
        .reset_index()
    )


def _joined(values: pd.Series) -> str:
    return ";".join(sorted(set(values)))


def _name(group: Mapping[str, Any], unknown: str) -> str:
    """Name a group; names are unique, and empty if all bins are pooled. unknown: in place of what is not known."""
    parts = []
    for key, value in group.items():
        text = str(value) if key != "depth" else "" if np.isnan(value) else f"{text_of(value)} m"
        parts.append(text if key == "instrument" else f"{key.replace('_', ' ')} {text or unknown}")
    return ", ".join(parts)


def moves(events: pd.DataFrame, by: str, tolerance_km: float) -> bool:
    """Whether something moves within an event, or from event to event. by: the column that says what it is."""
    for _, of_one in events.groupby(by):
        known = of_one[["latitude", "longitude"]].dropna()
        if len(known):
            outermost = [known[axis].to_numpy().argmin() for axis in known]
            outermost += [known[axis].to_numpy().argmax() for axis in known]
            ends = known.to_numpy()[outermost]
            if greatest_distance_km(ends[:, 0], ends[:, 1]) > tolerance_km:
                return True
    return bool((events["moving"] == "yes").any())


def of_instruments(
    tables: Tables, group_by: Sequence[str], events: pd.DataFrame, tolerance_km: float, accept_zero: bool
) -> pd.DataFrame:
    """Where each instrument was in each event, and whether it moved there: instruments, latitude, longitude, moving.

    An event that pools several has a row for each of them, by the positions of its bins: the mean of an event lies
    between them, and how far they are apart is no movement. accept_zero: whether 0,0 is a position.
    """
    columns = ["instruments", "latitude", "longitude", "moving"]
    several = events["instruments"].str.contains(";")
    rows = events.loc[~several, columns].to_dict("records")
    keys = ["date", *group_by]
    used = only_positions(_used_bins(tables, keys, "instrument", "latitude", "longitude"), accept_zero)
    pooled = used.dropna(subset=["latitude", "longitude"]).merge(events.loc[several, ["event", *keys]], on=keys)
    for (_, instrument), bins in pooled.groupby(["event", "instrument"]):
        latitude, longitude = (bins[axis].to_numpy("float64") for axis in ("latitude", "longitude"))
        moving = "yes" if greatest_distance_km(latitude, longitude) > tolerance_km else "no"
        rows.append(dict(zip(columns, (instrument, latitude[0], longitude[0], moving), strict=True)))
    return pd.DataFrame(rows, columns=columns)


def west_and_east(longitudes: pd.Series) -> tuple[float, float]:
    """The ends of a span of longitudes in degrees, -180 to 180. West is the greater one across the date line."""
    if longitudes.max() - longitudes.min() > 180:
        return longitudes[longitudes >= 0].min(), longitudes[longitudes < 0].max()
    return longitudes.min(), longitudes.max()


def one_threshold(rows: pd.DataFrame) -> pd.Series:
    """The threshold of each class, by its label; NaN where rows of it have several, or none."""
    of_class = rows.groupby("class")["threshold"]
    return of_class.first().where(of_class.nunique(dropna=False) == 1)


def lsid(aphia_id: str) -> str:
    """Make the Life Science Identifier of a WoRMS AphiaID; empty for an empty one."""
    return f"urn:lsid:marinespecies.org:taxname:{int(aphia_id)}" if aphia_id else ""


def text_of(number: float) -> str:
    """Write a number so that reading it back loses nothing, without an exponent, which not all readers know."""
    return np.format_float_positional(number, trim="-")


def warn_of_excluded(
    log: Logger, tables: Tables, dataset: str, export: str, lacking: str, without: int, of: int
) -> None:
    """Warn of days and groups, or bins, that an export excludes because they lack what the repository demands."""
    why = f"days and groups are excluded because none of their bins has {lacking}"
    if tables.per_bin:
        why = f"bins are excluded for want of {lacking}"
    if without:
        log.warning(f"{export} export of {dataset}: {without} of {of} {why}")
