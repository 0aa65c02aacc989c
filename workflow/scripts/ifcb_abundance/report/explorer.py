"""What the report's page has to know of the tables to draw any class, group, threshold and span of days."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ifcb_abundance.bins.layout import SUMMARY, of_bin
from ifcb_abundance.bins.positions import has_position
from ifcb_abundance.bins.statuses import BinStatus
from ifcb_abundance.classes.class_table import LIVING_TOTAL, TRAITS
from ifcb_abundance.classes.labels import UNCLASSIFIED
from ifcb_abundance.config.model import FROM_SCORES
from ifcb_abundance.figures import coast
from ifcb_abundance.figures.colours import OKABE_ITO, REST_COLOURS, group_colours
from ifcb_abundance.figures.composition import counted_are, kinds_of
from ifcb_abundance.figures.options import FigureOptions
from ifcb_abundance.figures.rows import in_natural_order, series_of
from ifcb_abundance.pooling.method import group_columns
from ifcb_abundance.report.overview import ends_of_window
from ifcb_abundance.report.packing import pack
from ifcb_abundance.report.scores import PackedScores, pack_scores
from ifcb_abundance.scores.summary import read_provenance

# Of the map in the page, in degrees of latitude and width over height; chart.js draws it.
LEAST_DEGREES, NARROWEST, WIDEST = 0.15, 1.0, 8.0


def pack_explorer(
    run: Mapping[str, Any],
    abundance: pd.DataFrame,
    groups: pd.DataFrame,
    bins: pd.DataFrame,
    shown: pd.Index,
    summaries: str | Path,
    options: FigureOptions,
) -> dict[str, str]:
    """Pack the data of the explorer, by the names that the page gives to its packs.

    run: the record. abundance, groups: abundance_long and groups_long of the days in the page. bins: the ledger with
    the group columns of the catalog. shown: of which bins the page has the row. summaries: the folder of
    the scores summaries. options: those of the figures, for what the class table says.

    A key is the number of a group of bins of one day, in the order of the table. Numbers of rows, keys, classes, groups
    and series count from 0; -1 is none.
    """
    config = run["config"]
    accept_zero = config["select"]["accept_zero_position"]
    group_by = group_columns(config["abundance"]["group_by"])
    columns = ["date", *group_by]
    abundance = abundance.reset_index(drop=True)
    keys = abundance[columns].drop_duplicates()
    first_rows, keys = keys.index.tolist(), keys.reset_index(drop=True)
    keys = keys.assign(series=series_of(keys, group_by), key=np.arange(len(keys)))
    series = in_natural_order(keys["series"].unique())
    classes = _classes(abundance)
    names = [each["name"] for each in classes]
    own = sorted({options.class_of(label) for label in run["class_thresholds"]})
    of_bins = _numbers(bins, keys, columns)
    used = bins[["bin"]].assign(key=of_bins)[(bins["status"] == BinStatus.USED) & (of_bins >= 0)]
    counted = [name for name in names if name != UNCLASSIFIED]
    scores, fixed = _scores(config["classify"], abundance, used, len(keys), summaries, counted, options)
    told = {
        "dataset": run["dataset"],
        "window": ends_of_window(config, bins),
        "confidence": config["abundance"]["confidence"],
        "precision": config["classify"]["score_precision"],
        "threshold": config["classify"]["threshold"],
        "unclassified": UNCLASSIFIED,
        "counted_are": counted_are(config["classify"].get("rule", "winner")),
        "living_total": LIVING_TOTAL,
        **_of_kinds(classes, abundance, options),
        "own": [names.index(name) for name in own if name in names],  # the classes with a threshold of their own
        "counted": [names.index(name) for name in counted],  # the classes whose scores are packed
        **_groups(groups.merge(keys, on=columns)),
        "series": [{"name": name, "select": _select(keys, name, group_by)} for name in series],
        "series_colours": list(OKABE_ITO),
        "group_by": group_by,
        "first_rows": first_rows,  # of each key, in abundance
        "keys": {"date": keys["date"].tolist(), "series": _positions(keys["series"], series)},
        "rows": {"key": _numbers(abundance, keys, columns).tolist(), "label": _positions(abundance["class"], names)},
        "bin_keys": of_bins[shown].tolist(),
        "placed": has_position(bins.loc[shown], accept_zero).astype(int).tolist(),  # of each bin in the page
        "coast": pack_coast(bins[bins["status"] == BinStatus.USED], accept_zero),
        "fixed": fixed,
        "scores": _told_of(scores, options.merged) if scores else None,
    }
    return {"explorer": pack(told), **({"scores": scores.packed} if scores else {})}


def _scores(
    classify: Mapping[str, Any],
    abundance: pd.DataFrame,
    used: pd.DataFrame,
    n_keys: int,
    summaries: str | Path,
    counted: Sequence[str],
    options: FigureOptions,
) -> tuple[PackedScores | None, str]:
    """Pack the scores of the counted classes, or None and why the thresholds of the page are fixed."""
    if fixed := _why_fixed(classify, abundance, used["bin"], summaries):
        return None, fixed
    thresholds = {classify["threshold"], *abundance["threshold"].dropna().unique()}
    precision = classify["score_precision"]
    scores = pack_scores(used, n_keys, summaries, counted, precision, thresholds, options.class_of)
    return scores, "" if scores else "scores summaries of this run were deleted"


def _why_fixed(classify: Mapping[str, Any], abundance: pd.DataFrame, used: pd.Series, summaries: str | Path) -> str:
    """Say why the highest scores of ROIs do not give the counts at other thresholds; empty if they do."""
    rule = classify.get("rule", "winner")
    if rule != "winner":
        return f"classify.rule: {rule} needs the scores of all classes"
    if classify["class_thresholds"] == FROM_SCORES:
        return "the classifier's own are used (classify.class_thresholds: from_scores)"
    mixed = abundance.loc[abundance["threshold"].isna() & (abundance["class"] != UNCLASSIFIED), "class"]
    if len(mixed):
        return f"labels that are merged into {mixed.iloc[0]} have different ones"
    said = read_provenance(of_bin(summaries, SUMMARY, used.iloc[0])) if len(used) else None
    return "the class scores are counts per bin" if said and said.counts else ""


def _told_of(scores: PackedScores, merged: Mapping[str, str]) -> dict[str, Any]:
    """What the page needs to unpack scores, and the labels whose thresholds are that of a class."""
    labels = {
        name: sorted({*labels, *(label for label, of in merged.items() if of == name)})
        for name, labels in scores.labels.items()
    }
    return {**{name: value for name, value in asdict(scores).items() if name != "packed"}, "labels": labels}


def pack_coast(bins: pd.DataFrame, accept_zero: bool) -> list[list[Any]] | None:
    """The coast around the positions of bins: of each polygon its level and its longitudes and latitudes in turn.

    accept_zero: whether 0,0 is a position. The coast covers all that a map of these bins shows on any screen. None if
    there are no coast lines, or if the positions lie on both sides of the date line.
    """
    files = coast.folder()
    places = bins.loc[has_position(bins, accept_zero), ["longitude", "latitude"]]
    if files is None or places.empty or np.ptp(places["longitude"]) > 180:
        return None
    (west, south), (east, north) = places.min(), places.max()
    narrow = max(np.cos(np.radians((south + north) / 2)), 0.05)
    tall, wide = max(north - south, LEAST_DEGREES), max((east - west) * narrow, LEAST_DEGREES)
    # The bins take nine tenths of the room for them, around which there is a margin.
    half_tall, half_wide = max(tall, wide / NARROWEST) / 1.6, max(wide, tall * WIDEST) / 1.6 / narrow
    half_wide = min(half_wide, 180.0)  # no place twice
    lon, lat = (west + east) / 2, (south + north) / 2
    box = (lon - half_wide, lon + half_wide), (max(lat - half_tall, -90.0), min(lat + half_tall, 90.0))
    lines = coast.coast_lines(files, *box, half_tall / 200)
    degrees = lines[["longitude", "latitude"]].to_numpy(dtype=float).round(4)
    starts = np.flatnonzero(lines["point"] == 0)
    return [
        [int(level), points.ravel().tolist()]
        for level, points in zip(lines["level"].iloc[starts], np.split(degrees, starts)[1:], strict=True)
    ]


def _of_kinds(classes: Sequence[dict[str, Any]], abundance: pd.DataFrame, options: FigureOptions) -> dict[str, Any]:
    """Tell the kind of each class, and the colours of the kinds."""
    kind, named = kinds_of(abundance)
    kinds = [name for name in (*named, *REST_COLOURS) if name in set(kind)]
    colours = group_colours([*options.groups, *named])
    of_class = dict(zip(abundance["class"], kind, strict=True))
    return {
        "classes": [{**each, "kind": kinds.index(of_class[each["name"]])} for each in classes],
        "kinds": [{"name": name, "colour": colours[name]} for name in kinds],
    }


def _groups(groups: pd.DataFrame) -> dict[str, Any]:
    """Name the groups of classes, the total last, and tell where which of them has a row, and its volume."""
    names = sorted(groups["group"].unique(), key=lambda name: (name == LIVING_TOTAL, name))
    rows = {"key": groups["key"].tolist(), "group": _positions(groups["group"], names)}
    return {"groups": names, "group_rows": {**rows, "ml_analyzed_total": groups["ml_analyzed_total"].tolist()}}


def _numbers(rows: pd.DataFrame, keys: pd.DataFrame, columns: Sequence[str]) -> pd.Series:
    """Number the key of each row; -1 if it has none."""
    found = rows[list(columns)].merge(keys, on=list(columns), how="left")["key"]
    return found.fillna(-1).astype(int).set_axis(rows.index)


def _positions(values: pd.Series, names: Sequence[str]) -> list[int]:
    return [int(number) for number in values.map({name: i for i, name in enumerate(names)})]


def _select(keys: pd.DataFrame, series: str, group_by: Sequence[str]) -> dict[str, list[Any]]:
    """The keys of the config's `select` that choose a group of bins; some groups no key chooses."""
    first = keys[keys["series"] == series].iloc[0]
    chosen: dict[str, list[Any]] = {}
    if "instrument" in group_by:
        chosen["instruments"] = [int(first["instrument"].removeprefix("IFCB"))]
    if "sample_type" in group_by and first["sample_type"]:
        chosen["sample_types"] = [first["sample_type"]]
    return chosen


def _classes(abundance: pd.DataFrame) -> list[dict[str, Any]]:
    """List the classes by name, with their traits, thresholds and total counts."""
    total = abundance.groupby("class")["count"].sum()
    of_class = abundance.drop_duplicates("class").set_index("class").sort_index(key=lambda names: names.str.lower())
    return [
        {
            "name": name,
            "count": int(total.loc[str(name)]),
            "threshold": None if pd.isna(row["threshold"]) else row["threshold"],
            **{trait: row[trait] for trait in TRAITS},
        }
        for name, row in of_class.iterrows()
    ]
