"""From people's labels to the tables of validation, as files."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ifcb_abundance.bins.statuses import BinStatus
from ifcb_abundance.classes.labels import UNCLASSIFIED
from ifcb_abundance.common.errors import ScoresError, TableError, quoted
from ifcb_abundance.common.named import listed
from ifcb_abundance.common.words import counted
from ifcb_abundance.tables import table_files
from ifcb_abundance.validation import class_report as reports
from ifcb_abundance.validation import correction
from ifcb_abundance.validation.class_report import Question, labelled_rois, weigh
from ifcb_abundance.validation.consensus import AGREED, Rules, agree
from ifcb_abundance.validation.drawing import read_strata
from ifcb_abundance.validation.label_times import check_order
from ifcb_abundance.validation.labels import (
    alike_labels,
    as_classes,
    of_used_bins,
    read_label_map,
    read_labels,
    that_name,
    unknown_labels,
)
from ifcb_abundance.validation.sampling import Bands, sizes
from ifcb_abundance.validation.winners import winners_of_rois
from ifcb_abundance.validation.zooniverse_labels import Exports, read_zooniverse

log = logging.getLogger("ifcb.validation")

NAMED = 5  # classes in a message


def collect_labels(files: Iterable[str | Path], exports: Exports | None, path: str | Path) -> None:
    """Write all labels as they were given: the table `labels`.

    files: of any form that `labels.read_labels` knows. exports: of Zooniverse. Raises TableError if there is no label.
    """
    names = sorted(map(str, files))
    labels = read_labels(names)
    if exports:
        labels = pd.concat([labels, read_zooniverse(exports)], ignore_index=True)
    if labels.empty:
        raise TableError(f"validation: there is no label in {', '.join([*names, *_exported(exports)])[:300]}")
    table_files.write(labels, "labels", path)
    log.info(f"validation: {counted(len(labels), 'label')} of {counted(labels['roi'].nunique(), 'ROI')}")


def _exported(exports: Exports | None) -> list[str]:
    return [exports.classifications] if exports else []


def list_labelled(labels: str | Path, ledger: str | Path, path: str | Path) -> None:
    """List the used bins that have labels: the table `labelled_bins`."""
    bins = table_files.read("labels", labels, ["roi"])["roi"].str.rsplit("_", n=1).str[0].value_counts()
    used = bins[bins.index.isin(set(_used(ledger)["bin"]))].sort_index()
    table = pd.DataFrame({"bin": used.index.astype("str"), "n_labels": used.to_numpy("int64")})
    table_files.write(table, "labelled_bins", path)


def _used(ledger: str | Path) -> pd.DataFrame:
    bins = table_files.read("ledger", ledger, ["bin", "date", "status"])
    return bins[bins["status"] == BinStatus.USED]


def _classes(abundance: str | Path) -> list[str]:
    """All classes that the classifier knows."""
    return sorted(set(table_files.read("abundance_long", abundance, ["class"])["class"]) - {UNCLASSIFIED})


# --- people ---


def agree_labels(
    tables: Mapping[str, str | Path],
    winners: Sequence[str | Path],
    bands: Bands,
    label_map: str | Path | None,
    rules: Rules,
    files: Mapping[str, str | Path],
) -> None:
    """Write what people agree on: the tables `consensus`, `people` and `label_notes`.

    tables: `labels`, `ledger`, `abundance`. winners: the files of `winners.keep_winners` of all used bins with labels.
    Raises ScoresError if a used bin with labels has no such file, and TableError if no label is of a ROI that counts or
    it cannot be told which label of a person came first.
    """
    labels = table_files.read("labels", tables["labels"])
    used = of_used_bins(labels, _used(tables["ledger"])["bin"])
    if without := sorted(set(used["bin"]) - {Path(path).stem for path in winners}):
        raise ScoresError(
            f"validation: labelled_bins.csv lacks {counted(len(without), 'used bin')} with labels, such as "
            f"{quoted(without[:3])}. Delete it to have it made again"
        )
    scored = used[used["roi"].isin(set(winners_of_rois(winners, bands, used["roi"])["roi"]))]
    if lost := len(used) - len(scored):
        log.warning(f"labels: {counted(lost, 'label')} of ROIs that the class scores do not have: left out")
    if scored.empty:
        raise TableError(
            f"validation: none of {counted(len(labels), 'label')} is of a ROI that the run counts. ledger.csv says "
            f"which bins are used; the first label is of {labels['roi'].iloc[0]}"
        )
    classes = _classes(tables["abundance"])
    renamed = read_label_map(label_map) if label_map else {}
    given = that_name(scored, renamed)
    unknown = unknown_labels(given, classes, renamed, rules.none_labels)
    bins = labels.assign(bin=labels["roi"].str.rsplit("_", n=1).str[0])
    kinds = {
        "no_class": unknown,
        "alike": alike_labels(given, classes, renamed),
        "bin_not_used": _by_bin(bins[~bins["bin"].isin(set(used["bin"]))]),
        "no_scores": _by_bin(used[~used["roi"].isin(set(scored["roi"]))]),
    }
    notes = pd.concat([table.assign(what=what) for what, table in kinds.items()], ignore_index=True)
    of_classes = as_classes(given, renamed, unknown)
    check_order(of_classes, rules.repeat)
    consensus, people = agree(of_classes, rules)
    table_files.write(consensus, "consensus", files["consensus"])
    table_files.write(people, "people", files["people"])
    notes = notes.astype({"n_labels": "int64"})[table_files.columns("label_notes")]
    table_files.write(notes, "label_notes", files["label_notes"])
    statuses = consensus["status"].value_counts()
    told = ", ".join(f"{n:,} {status}" for status, n in sorted(statuses.items()))
    log.info(f"validation: {counted(len(people), 'person')}, {counted(len(consensus), 'labelled ROI')}: {told}")


def _by_bin(labels: pd.DataFrame) -> pd.DataFrame:
    counts = labels["bin"].value_counts().sort_index()
    return pd.DataFrame({"name": counts.index.astype("str"), "n_labels": counts.to_numpy("int64"), "nearest_class": ""})


# --- rates, thresholds, counts ---


def weigh_labels(
    tables: Mapping[str, str | Path], winners: Iterable[str | Path], bands: Bands, path: str | Path
) -> None:
    """Put what people agree on beside what the classifier thinks: the table `labelled_rois`.

    tables: `consensus`, `strata`, `ledger`. winners: as of `agree_labels`. Raises TableError if people agreed on no
    ROI.
    """
    used = _used(tables["ledger"])
    consensus = table_files.read("consensus", tables["consensus"])
    if not (consensus["status"] == AGREED).any():
        raise TableError(
            f"validation: people agreed on none of {counted(len(consensus), 'ROI')}. consensus.csv says why; "
            "validation.min_votes and validation.min_agreement say what is needed"
        )
    dates = dict(zip(used["bin"], used["date"], strict=True))
    found = winners_of_rois(winners, bands, consensus["roi"], dates)
    rois = weigh(labelled_rois(consensus, found, bands), sizes(read_strata(tables["strata"])))
    table_files.write(rois[table_files.columns("labelled_rois")], "labelled_rois", path)


@dataclass(frozen=True)
class Evidence:
    """The labelled ROIs beside what the classifier thinks of them, weighed. classes: all that it knows."""

    rois: pd.DataFrame
    classes: list[str]


def read_evidence(rois: str | Path, abundance: str | Path) -> Evidence:
    """Read what `weigh_labels` wrote, and the classes. abundance: the table `abundance_long`."""
    table = table_files.read("labelled_rois", rois).astype({"band": "int64", "stratum": "int64"})
    return Evidence(table, _classes(abundance))


def report_classes(evidence: Evidence, question: Question, bands: Bands, files: Mapping[str, str | Path]) -> None:
    """Write how often the classifier is right.

    The tables are `confusion`, `class_report`, `class_curve`, `reliability` and `rate_drift`.
    """
    rois, classes = evidence.rois, evidence.classes
    table_files.write(reports.confusion(rois, question), "confusion", files["confusion"])
    table_files.write(reports.class_report(rois, classes, question), "class_report", files["class_report"])
    table_files.write(reports.class_curve(rois, classes, question), "class_curve", files["class_curve"])
    table_files.write(reports.reliability(rois, bands, question), "reliability", files["reliability"])
    drift = correction.rate_drift(rois, classes, question)
    names = correction.drifting(drift)
    drift["drifts"] = drift["class"].map(lambda name: "yes" if name in names else "no")
    table_files.write(drift, "rate_drift", files["rate_drift"])
    if names:
        log.warning(f"validation: error rates drift of {listed(names, NAMED)}; see rate_drift.csv")


def choose_thresholds(evidence: Evidence, question: Question, seed: int, path: str | Path) -> None:
    """Write the thresholds that the criterion asks for: the table `thresholds`. Says which classes have none."""
    table, left_out = reports.choose_thresholds(evidence.rois, evidence.classes, question, seed)
    table_files.write(table, "thresholds", path)
    if left_out:
        reasons = sorted(set(left_out.values()))
        told = (f"{why}: {listed([name for name in left_out if left_out[name] == why], NAMED)}" for why in reasons)
        log.warning(
            f"validation: {counted(len(table), 'class')} got a threshold; {len(left_out):,} did not. {'; '.join(told)}"
        )


def correct_counts(
    evidence: Evidence,
    abundance: str | Path,
    group_by: Sequence[str],
    question: Question,
    bootstrap: correction.Bootstrap,
    files: Mapping[str, str | Path],
) -> None:
    """Write corrected counts: the tables `totals_corrected` and `abundance_corrected`.

    abundance: the table `abundance_long`, grouped by group_by.
    """
    keys = ["instrument", *(name for name in group_by if name != "instrument")]
    counts = table_files.read("abundance_long", abundance, ["date", *keys, "class", "count", "ml_analyzed_total"])
    totals = correction.totals_corrected(evidence.rois, counts, question, bootstrap)
    table_files.write(totals, "totals_corrected", files["totals_corrected"])
    days = correction.abundance_corrected(evidence.rois, counts, keys, question, bootstrap)
    table_files.write(days, "abundance_corrected", files["abundance_corrected"])
