"""Sum up a run: what was run, totals, completeness, and what a careful reader has to know before using it."""

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ifcb_abundance.abundance.bin_table import labels_of
from ifcb_abundance.bins.positions import Positions, count_positions, has_position
from ifcb_abundance.bins.statuses import BinStatus, FeaturesStatus
from ifcb_abundance.catalog.listing import WALKED_DEPTHS
from ifcb_abundance.classes.labels import UNCLASSIFIED
from ifcb_abundance.common.atomic_write import atomic_write
from ifcb_abundance.common.words import counted
from ifcb_abundance.config import MERGE, Config
from ifcb_abundance.config.model import FROM_SCORES, Volumes
from ifcb_abundance.pooling.method import Method, group_columns
from ifcb_abundance.raw.volume import FAST, FAST_IGNORED
from ifcb_abundance.tables import table_files

VERSION = 14  # of the overview and the report: raise it so that they are written again
# The columns of abundance_long that an overview reads beside the grouping; all of them would be a gigabyte for a large
# archive.
ASKED_OF_ABUNDANCE = (
    "date class count n_rois n_bins n_bins_assessed threshold scientific_name living group harmful".split()
)
APART = 0.2  # the header's volume is usually some percents larger than that of the .adc
NOTES = ("volume_method", "volume_disagreement", "volume_note", "position_note")  # of the catalog
SHOWN = 5  # names or days that a sentence lists before it says how many more there are
# Sample types and tags of bins that hold no plankton; operators spell them in their own ways.
_NOT_PLANKTON = re.compile(r"bead|test|blank|calibrat|clean", re.IGNORECASE)


@dataclass(frozen=True)
class Overview:
    """What a reader sees first. facts: names and values. warnings: sentences; empty if there is no need to warn."""

    facts: dict[str, str]
    warnings: list[str]


def read_run(path: str | Path) -> dict[str, Any]:
    """Read a run.json without its times, which differ between two equal runs."""
    record: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
    return {key: value for key, value in record.items() if not key.endswith("_at")}


def look_over(
    run: Mapping[str, Any],
    tables: Mapping[str, pd.DataFrame],
    bins: str | Path,
    class_of: Callable[[str], str] = str,
) -> Overview:
    """Sum up the tables of a run; each number is computed from them.

    run: as `read_run` gives it. tables: `abundance_long`, `coverage`, `ledger`, `catalog`, by these names,
    `features_ledger` where features are made, `label_notes` and `rate_drift` where people labelled. bins: the file
    bins_long.parquet, read only if label sets alternate. class_of: gives the class that a label is merged into.
    """
    abundance, coverage, ledger = tables["abundance_long"], tables["coverage"], tables["ledger"]
    config = run["config"]
    group_by = group_columns(config["abundance"]["group_by"])
    days = _days(config, ledger)
    with_data = abundance["date"].nunique()
    first, last = coverage["first_sample_time"].min(), coverage["last_sample_time"].max()
    groups = abundance.drop_duplicates(["date", *group_by])
    n_rois = int(groups["n_rois"].sum())
    unclassified = int(abundance.loc[abundance["class"] == UNCLASSIFIED, "count"].sum())
    wanted = _wanted(coverage)
    complete = int((wanted["complete"] == "yes").sum())
    table = config["classify"]["class_table"]
    used = _used(ledger, tables["catalog"])
    facts = {
        "Dataset": run["dataset"] + (f", shard {config['shard']}" if config["shard"] not in (None, MERGE) else ""),
        # raw_files is a checksum
        "Source": " ".join(str(part) for key, part in run["source"].items() if part and key != "raw_files"),
        "Window asked for": _window(config),
        "Used samples": f"{first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC" if not pd.isna(first) else "none",
        "UTC days": f"{len(days):,} from the first to the last, {with_data:,} with data, "
        f"{len(days) - with_data:,} without",
        "Bins": f"{len(ledger):,}: " + (_statuses(ledger) or "none"),
        **_on_files(run),
        "Positions": _positions(count_positions(used, config["select"]["accept_zero_position"]), len(used)),
        "Volume analyzed": f"{coverage['ml_analyzed_total'].sum():,.1f} mL in used bins",
        "Objects (images with class scores)": f"{n_rois:,}"
        + (f", of which {unclassified:,} ({unclassified / n_rois:.0%}) are unclassified" if n_rois else ""),
        "Classes": f"{abundance.loc[abundance['class'] != UNCLASSIFIED, 'class'].nunique():,}, beside {UNCLASSIFIED}",
        "Complete": f"{complete:,} of {len(wanted):,} {_rows(group_by)}",
        "Threshold": _threshold(config["classify"]),
        "Pooled per": " and ".join(["UTC day", *group_by]),
        "Intervals": f"{100 * config['abundance']['confidence']:g} %, exact Poisson (Garwood): counting error only",
        "Class table": table or "none",
        "Made by": f"{run['workflow']['name']} {run['workflow']['version']}",
    }
    warnings = [
        *_warnings(run, group_by, days, tables, bins),
        *_on_source(run),
        *_on_thresholds(run.get("class_thresholds", {}), {*abundance["class"]}, class_of),
    ]
    return Overview(facts, warnings)


def _threshold(classify: Mapping[str, Any]) -> str:
    of = {
        "winner": "which the highest score of an image must reach",
        "above_own": "which scores must reach: the class with the highest such score counts",
        "each": "which scores must reach: an image counts for each such class",
    }[classify.get("rule", "winner")]
    own = classify["class_thresholds"] == FROM_SCORES
    return f"{'that of the classifier for each class' if own else classify['threshold']}, {of}"


def _warnings(
    run: Mapping[str, Any],
    group_by: Sequence[str],
    days: Sequence[str],
    tables: Mapping[str, pd.DataFrame],
    bins: str | Path,
) -> Iterable[str]:
    config = run["config"]
    abundance, coverage, ledger = tables["abundance_long"], tables["coverage"], tables["ledger"]
    if abundance.empty:
        yield "No bin was used: there is no abundance to show. The ledger says what became of each bin."
    wanted = _wanted(coverage)
    incomplete = wanted[wanted["complete"] == "no"]
    if len(incomplete):
        yield (
            f"Not complete: {len(incomplete):,} of {len(wanted):,} {_rows(group_by)} ({_some(incomplete['date'])}). "
            "Bins were lost, or the window does not hold the whole day."
        )
    keys = sorted(set(ledger.loc[ledger["status"] == BinStatus.FILTERED, "reason"].str.split(":").str[0]))
    for status, why in {
        BinStatus.FAILED: "because they could not be read",
        BinStatus.NO_SCORES: "because the source has no class scores for them",
        BinStatus.BAD_VOLUME: f"because they have no {volume_wanted(config) or 'usable volume'}",
        BinStatus.FILTERED: f"by {' and '.join(keys)}",
    }.items():
        n = int((ledger["status"] == status).sum())
        if n:
            yield f"Excluded {why}: {counted(n, 'bin')} (status {status} in the ledger)."
    without = sorted(set(days) - set(abundance["date"].unique()))
    if without and len(abundance):
        yield f"Without a used bin: {counted(len(without), 'UTC day')} ({_some(without)}). They are missing, not zero."
    moving = coverage[coverage["moving"] == "yes"]
    if len(moving):
        yield (
            f"Moving platform: {len(moving):,} of {len(coverage):,} {_rows(group_by)} ({_some(moving['date'])}) pool "
            f"bins that are more than {config['abundance']['position_tolerance_km']} km apart."
        )
    yield from _on_label_sets(run, ledger, tables["catalog"], bins)
    yield from _on_classes(config, group_by, abundance)
    n_rois = abundance.drop_duplicates(["date", *group_by]).groupby("date")["n_rois"].sum()
    yield from _on_bins(config, ledger, tables["catalog"], n_rois)
    if "features_ledger" in tables:
        yield from _on_features(tables["features_ledger"])
    if "label_notes" in tables:
        yield from _on_labels(tables["label_notes"])
    if "rate_drift" in tables:
        yield from _on_drift(tables["rate_drift"])
    if "depth" in group_by and config["source"]["kind"] == "dashboard" and config["source"]["catalog"] == "walk":
        yield f"Depths: {WALKED_DEPTHS}."
    if config["abundance"]["period"] != "day":
        yield (
            f"Abundance is per UTC day here; abundance_{config['abundance']['period']}.csv has it "
            f"per {config['abundance']['period']}."
        )


def volume_wanted(config: Mapping[str, Any]) -> str:
    """Say which volumes of bins the config accepts; empty with the default."""
    wanted = Config(**config).select.ml_analyzed
    return "" if wanted == Volumes() else f"volume above {wanted.above:g} and at most {wanted.at_most:g} mL"


def _on_labels(notes: pd.DataFrame) -> Iterable[str]:
    """Report labels that are no class, and those that were left out."""
    of = {what: notes[notes["what"] == what] for what in ("no_class", "bin_not_used", BinStatus.NO_SCORES)}
    unknown = of["no_class"]
    if len(unknown):
        named = [
            f"{row['name']!r} ({counted(row['n_labels'], 'label')}"
            + (f", nearest class {row['nearest_class']!r})" if row["nearest_class"] else ")")
            for row in unknown.head(SHOWN).to_dict("records")
        ]
        more = f" and {len(unknown) - SHOWN:,} more" if len(unknown) > SHOWN else ""
        yield (
            f"Labels that are no class count as other: {', '.join(named)}{more}. If one is spelt otherwise than its "
            "class, say so in validation.label_map."
        )
    if len(of["bin_not_used"]):
        n, bins = int(of["bin_not_used"]["n_labels"].sum()), of["bin_not_used"]["name"]
        of_bins = f"{counted(n, 'label')} of {counted(len(bins), 'bin')}"
        yield f"Labels left out: {of_bins} that the run does not use ({_some(bins)})."
    if len(of[BinStatus.NO_SCORES]):
        n, bins = int(of[BinStatus.NO_SCORES]["n_labels"].sum()), of[BinStatus.NO_SCORES]["name"]
        yield f"Labels left out: {counted(n, 'label')} of ROIs that class scores do not have ({_some(bins)})."


def _on_drift(drift: pd.DataFrame) -> Iterable[str]:
    """Name the classes whose error rates differ between periods."""
    if names := sorted(set(drift.loc[drift["drifts"] == "yes", "class"])):
        yield (
            f"Error rates drift from month to month: {counted(len(names), 'class')} ({_some(map(repr, names))}). "
            "rate_drift.csv has the rates; the limits of corrected counts cover what differs from day to day."
        )


def _on_label_sets(
    run: Mapping[str, Any], ledger: pd.DataFrame, catalog: pd.DataFrame, bins: str | Path
) -> Iterable[str]:
    """Warn if label sets alternate from bin to bin, which a change of classifier does not explain."""
    used = ledger.loc[ledger["label_set"] != "", ["bin", "label_set"]]
    used = catalog[["bin", "sample_time", "instrument"]].merge(used, on="bin").sort_values(["sample_time", "bin"])
    sets = used["label_set"]
    changes = int((sets != sets.shift()).sum()) - 1
    names = list(sets.value_counts().index)
    if changes < len(names):  # each set from one bin to another, and never again
        return
    of_sets = {name: used[sets == name] for name in names}
    labels = labels_of(bins, [rows["bin"].iloc[0] for rows in of_sets.values()])
    # The table of bins has the classes that labels were merged into, and not these labels.
    what = "class" if run.get("merged_labels") else "label"
    said = []
    for name, rows in list(of_sets.items())[:SHOWN]:
        others = [labels.get(other["bin"].iloc[0], set()) for key, other in of_sets.items() if key != name]
        own = labels.get(rows["bin"].iloc[0], set()).difference(*others)
        said.append(
            f"{name} in {counted(len(rows), 'bin')} of {_some(rows['instrument'])} ({_some(rows['bin'])}), "
            + (f"alone with {_some(map(repr, own))}" if own else f"with no {what} of its own")
        )
    more = [counted(len(names) - SHOWN, "more label set")] if len(names) > SHOWN else []
    yield (
        f"Label sets alternate ({changes:,} changes from bin to bin): class scores are of more than one classifier. "
        + "; ".join([*said, *more])
        + ". The column label_set of the ledger says which bin has which."
        + (
            " A dashboard serves the first class scores that it finds in any dataset of a bin, whichever you ask for. "
            "Ask its operator whose they are. source.model and source.scores_version choose others, if it has them."
            if run["config"]["source"]["kind"] == "dashboard"
            else ""
        )
    )


def _on_classes(config: Mapping[str, Any], group_by: Sequence[str], abundance: pd.DataFrame) -> Iterable[str]:
    """Warn of label sets that change, of classes that are unknown, and of unusual thresholds."""
    classes = abundance[abundance["class"] != UNCLASSIFIED]
    # Not assessed: in some of a day's bins, or on some of a group's days.
    seen = classes.groupby([*group_by, "class"], dropna=False)["date"].nunique().reset_index(name="seen")
    if group_by:
        seen = seen.merge(abundance.groupby([*group_by], dropna=False)["date"].nunique().reset_index(name="days"))
    else:
        seen["days"] = abundance["date"].nunique()
    partly = set(classes.loc[classes["n_bins_assessed"] < classes["n_bins"], "class"])
    partly |= set(seen.loc[seen["seen"] < seen["days"], "class"])
    if partly:
        yield (
            f"The label set changes within the window: {counted(len(partly), 'class')} not assessed in all used bins "
            f"({_some(map(repr, partly))}). Where none of a day's bins was assessed for a class, it has no row; else "
            "its volume is that of the bins that were."
        )
    if config["classify"]["class_table"] is None:
        yield "No class table: classes have no scientific name and no group, and few are marked as not living."
    else:
        traits = classes[["scientific_name", "living", "group", "harmful"]]
        unknown = set(classes.loc[(traits == "").all(axis="columns"), "class"])
        if unknown:
            named = f"{counted(len(unknown), 'class')} ({_some(map(repr, unknown))})"
            yield f"The class table says nothing of {named}: in no group."
    if config["classify"].get("rule") == "each":
        yield (
            "An image counts for each class whose score reaches its threshold (classify.rule: each): the counts of a "
            "day do not sum to its objects, and totals of groups count some images more than once."
        )
    usual = config["classify"]["threshold"]
    if config["classify"]["class_thresholds"] == FROM_SCORES:
        mixed = abundance.loc[abundance["thresholds_mixed"] == "yes", "date"]
        if len(mixed):
            yield (
                "The classifier's thresholds differ between bins or merged labels on "
                f"{counted(mixed.nunique(), 'day')} ({_some(mixed.unique())}): thresholds_mixed says for which classes."
            )
        return
    if usual != Method().threshold:
        yield f"The threshold is {usual}; the workflow's default is {Method().threshold}."
    own = classes[classes["threshold"].notna() & (classes["threshold"] != usual)]
    if len(own):
        yield (
            f"Thresholds of their own: {counted(own['class'].nunique(), 'class')} ({_some(map(repr, own['class']))}), "
            f"from {own['threshold'].min()} to {own['threshold'].max()}."
        )
    several = classes.loc[classes["threshold"].isna(), "class"]
    if len(several):
        yield (
            f"Merged from labels with different thresholds: {counted(several.nunique(), 'class')} "
            f"({_some(map(repr, several))}). Their column threshold is empty."
        )


def _on_thresholds(
    class_thresholds: Iterable[str], classes: Collection[str], class_of: Callable[[str], str]
) -> Iterable[str]:
    """Warn of thresholds of single classes that change nothing. class_thresholds: the labels that have one."""
    unmatched = {label for label in class_thresholds if label not in classes and class_of(label) not in classes}
    if unmatched:
        yield (
            f"classify.class_thresholds names {counted(len(unmatched), 'class')} for which no used bin was classified "
            f"({_some(map(repr, unmatched))}): these thresholds change nothing. Are they misspelt?"
        )


def _on_features(account: pd.DataFrame) -> Iterable[str]:
    """Warn of bins and objects that biovolume, carbon and sizes lack."""
    without = account[account["status"] != FeaturesStatus.READ]
    if len(without):
        yield (
            f"Biovolume, carbon and sizes exclude {counted(len(without), 'used bin')} of {len(account):,}, whose "
            f"features are missing or could not be read ({_some(without['bin'])})."
        )
    n_rois, n_measured = int(account["n_rois"].sum()), int(account["n_measured"].sum())
    if n_measured < n_rois:
        yield (
            f"Biovolume and carbon exclude {n_rois - n_measured:,} of {counted(n_rois, 'object')}, "
            "which were not measured."
        )


def _on_bins(
    config: Mapping[str, Any], ledger: pd.DataFrame, catalog: pd.DataFrame, n_rois: pd.Series
) -> Iterable[str]:
    """Warn of bins that counted and perhaps should not. n_rois: of the used bins of UTC days, by their scores."""
    used = _used(ledger, catalog)
    yield from _on_positions(config, used)
    yield from _on_volumes(used)
    yield from _on_position_notes(config, used)
    yield from _on_disagreements(used)
    if config["select"]["include_skipped"]:
        yield "Bins that the operator flagged as skipped may count: select.include_skipped is true."
    yield from _on_images(ledger, used, n_rois)
    said = used["sample_type"].where(used["sample_type"] != used["tags"], "") + ";" + used["tags"]
    said = said.str.strip(";")
    odd = said.str.contains(_NOT_PLANKTON)
    if odd.any():
        yield (
            f"Perhaps no plankton, by sample type or tag ({_some(said[odd])}): {counted(int(odd.sum()), 'bin')} that "
            f"counted ({_some(used.loc[odd, 'bin'])}). select.sample_types and select.exclude_tags exclude such bins."
        )


def _on_images(ledger: pd.DataFrame, used: pd.DataFrame, n_rois: pd.Series) -> Iterable[str]:
    """Compare the images of days with those that have class scores, where the list of bins has the number of images."""
    days = used["bin"].map(ledger.set_index("bin")["date"])
    known = used["n_images"].notna().groupby(days).all()
    images = used["n_images"].groupby(days).sum()[known].astype("int64")
    scored = n_rois.reindex(images.index, fill_value=0)
    if len(images) == len(n_rois) and scored.sum() > images.sum():
        yield (
            f"More images have class scores ({scored.sum():,}) than the used bins have images ({images.sum():,}): do "
            "the scores belong to these bins, and to images only?"
        )
    fewer = images.index[scored < images]
    if len(fewer):
        lacking = int((images - scored)[fewer].sum())
        yield (
            f"Fewer class scores than images: {lacking:,} of {images[fewer].sum():,} images have none, in used bins of "
            f"{counted(len(fewer), 'UTC day')} ({_some(fewer)}). A file of scores may have been cut off, or is of "
            "fewer images; the two halves of an image, of which old instruments have some, have one score."
        )


def _on_positions(config: Mapping[str, Any], used: pd.DataFrame) -> Iterable[str]:
    accept_zero = config["select"]["accept_zero_position"]
    found = count_positions(used, accept_zero)
    if 0 < found.known < len(used) or found.half or found.zero:
        yield (
            f"Not in the mean positions: {counted(len(used) - found.known, 'used bin')} of {len(used):,} "
            f"({_some(used.loc[~has_position(used, accept_zero), 'bin'])}): {_positions(found, len(used))}. "
            "n_positions in coverage.csv says how many bins a mean is of."
        )


def _on_volumes(used: pd.DataFrame) -> Iterable[str]:
    noted = used[used["volume_note"] != ""]
    if len(noted):
        yield (
            f"Files of {counted(len(noted), 'used bin')} are damaged or unusual ({_some(noted['bin'])}): volume_note "
            "in the catalog says how."
        )
    fast = used["volume_method"].str.endswith(FAST)
    if fast.any():
        yield (
            f"Fast runs: {counted(int(fast.sum()), 'used bin')} ({_some(used.loc[fast, 'bin'])}). Their volume is the "
            "header's look time x 0.25 mL/min x RunFastFactor; source.fast_runs: as_dashboard leaves the factor out."
        )
    ignored = used["volume_method"].str.endswith(FAST_IGNORED)
    if ignored.any():
        yield (
            f"Fast runs: {counted(int(ignored.sum()), 'used bin')} ({_some(used.loc[ignored, 'bin'])}). Their volume "
            "is without RunFastFactor (source.fast_runs: as_dashboard), so their abundance is too high by that factor."
        )


def _on_position_notes(config: Mapping[str, Any], used: pd.DataFrame) -> Iterable[str]:
    unplaced = used[used["position_note"] != ""]
    if len(unplaced) and config["source"]["catalog"] != "raw":
        yield (
            f"Latitudes, longitudes or depths of an old fix or nowhere on earth: {counted(len(unplaced), 'used bin')} "
            f"({_some(unplaced['bin'])}). They are ignored; position_note in the catalog names them."
        )
    elif len(unplaced):
        yield (
            f"The header's position is ignored in {counted(len(unplaced), 'used bin')} ({_some(unplaced['bin'])}): "
            "position_note in the catalog says why. source.deployments can give the instrument's position."
        )


def _on_disagreements(used: pd.DataFrame) -> Iterable[str]:
    fast = used["volume_method"].str.endswith(FAST)
    apart = used[~fast & (used["volume_disagreement"].abs() > APART)]
    if len(apart):
        yield (
            f"The volumes by .adc and by header differ by more than {APART:.0%} in {counted(len(apart), 'used bin')} "
            f"({_some(apart['bin'])}): is the .adc truncated? The volume by .adc counts."
        )


def _used(ledger: pd.DataFrame, catalog: pd.DataFrame) -> pd.DataFrame:
    return catalog[catalog["bin"].isin(ledger.loc[ledger["status"] == BinStatus.USED, "bin"].tolist())]


def _positions(found: Positions, n_used: int) -> str:
    wrong = {"without one": found.missing, "with half of one": found.half, "at exactly 0,0, which is none": found.zero}
    others = [f"{n:,} {what}" for what, n in wrong.items() if n]
    return "; ".join([f"{found.known:,} of {counted(n_used, 'used bin')} with one", *others])


def _on_files(run: Mapping[str, Any]) -> dict[str, str]:
    """Count the class-scores files on disk by what became of them; empty if they are not on disk."""
    files = run.get("score_files")
    if not files:
        return {}
    whose = {
        "of bins of the catalog": files["of_the_catalog"],
        "of bins that the catalog lacks": files["not_in_the_catalog"],
        "of bins outside the window": files["outside_the_window"],
        "in other formats": files["of_other_formats"],
    }
    return {"Class-scores files": ", ".join(f"{n:,} {what}" for what, n in whose.items() if n) or "none"}


def _on_source(run: Mapping[str, Any]) -> Iterable[str]:
    """Warn of scores and deployments that the run did not use although somebody may have meant it to."""
    files = run.get("score_files")
    if files and (n := files["not_in_the_catalog"]):
        yield (
            f"Class scores that count nowhere: {counted(n, 'file')} of bins that the catalog lacks, though the time in "
            f"their ids lies in the window (such as {', '.join(files['such_as'])}). Is the list of bins complete?"
        )
    if without := run.get("deployments_without_bins"):
        yield f"Deployments that match no bin of the window: {counted(len(without), 'line')} ({_some(without)})."


def _wanted(coverage: pd.DataFrame) -> pd.DataFrame:
    """The rows of coverage with a bin that neither the config nor the operator left out."""
    return coverage[coverage["n_expected"] > coverage["n_skipped"] + coverage["n_filtered"]]


def _days(config: Mapping[str, Any], ledger: pd.DataFrame) -> list[str]:
    """List the UTC days of the window; an open end is the first or last day that has a bin."""
    of_bins = ledger["date"].tolist()
    start, end = ends_of_window(config, ledger)
    first, last = start or min(of_bins, default=None), end or max(of_bins, default=None)
    return [] if first is None or last is None else [f"{day:%Y-%m-%d}" for day in pd.date_range(first, last)]


def ends_of_window(config: Mapping[str, Any], ledger: pd.DataFrame) -> tuple[str | None, str | None]:
    """Return the first and the last UTC day of the window; None for an end that is open."""
    window = Config(**config).window
    dates = dict(zip(ledger["bin"].tolist(), ledger["date"].tolist(), strict=True))  # a bin's id may be of another day
    start, end = (
        dates.get(bound.bin or "", bound.day.isoformat()) if bound else None for bound in (window.start, window.end)
    )
    return start, end


def _window(config: Mapping[str, Any]) -> str:
    start, end = config["select"]["start"], config["select"]["end"]
    if start is None and end is None:
        return "all bins"
    return f"{start or 'the first bin'} to {end or 'the last bin'}, both inclusive, UTC"


def _statuses(ledger: pd.DataFrame) -> str:
    counts = ledger["status"].value_counts()
    return ", ".join(f"{counts[status]:,} {status}" for status in BinStatus if status in counts)


def _rows(group_by: Sequence[str]) -> str:
    return "days" if not group_by else f"rows of day and {' and '.join(group_by)}"


def _some(names: Iterable[str]) -> str:
    """List the first few names, and say how many more there are."""
    several = sorted(set(names))
    more = len(several) - SHOWN
    return ", ".join(several[:SHOWN]) + (f" and {more:,} more" if more > 0 else "")


def write_overview(
    run: str | Path,
    tables: Mapping[str, str | Path],
    bins: str | Path,
    path: str | Path,
    class_of: Callable[[str], str] = str,
) -> None:
    """Write the overview as reStructuredText, for a terminal and for the landing page of `snakemake --report`.

    tables: the files of those that `look_over` takes, by their names. bins: bins_long.parquet. class_of: gives the
    class that a label is merged into. Raises TableError if a table does not agree with its schema.
    """
    record = read_run(run)
    columns = {
        "abundance_long": [
            *(*ASKED_OF_ABUNDANCE, *record["config"]["abundance"]["group_by"]),
            *(["thresholds_mixed"] if record["config"]["classify"]["class_thresholds"] == FROM_SCORES else []),
        ],
        "ledger": ["bin", "date", "status", "reason", "label_set"],
        "catalog": [
            *("bin", "sample_time", "instrument", "latitude", "longitude"),
            *("sample_type", "tags", "n_images", *NOTES),
        ],
        "features_ledger": ["bin", "status", "n_rois", "n_measured"],
        "label_notes": [],
        "rate_drift": [],
        "coverage": [],
    }
    read = {name: table_files.read(name, file, columns[name]) for name, file in tables.items()}
    overview = look_over(record, read, bins, class_of)
    lines = [".. list-table::", "   :stub-columns: 1", "   :widths: auto", ""]
    for what, said in overview.facts.items():
        lines += [f"   * - {_rst(what)}", f"     - {_rst(said)}"]
    lines += ["", "**To know before you use it**", ""]
    lines += [f"- {_rst(warning)}" for warning in overview.warnings] or ["Nothing that the tables would show."]
    with atomic_write(path) as unfinished:
        unfinished.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _rst(text: str) -> str:
    """Escape text for reStructuredText: labels and addresses may hold anything."""
    return re.sub(r"^\W|[^\w\s,;()%/.-]|_", lambda mark: "\\" + mark[0], text)
