"""Choose the ROIs that montages show: for each class the highest scores, and those on either side of its threshold.

The choice uses the scores summaries, so that few bins are requested: on a dashboard a bin's images are megabytes. The
same summaries give the same choice.
"""

import logging
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ifcb_abundance.bins.layout import SUMMARY, of_bin
from ifcb_abundance.bins.statuses import BinStatus
from ifcb_abundance.classes.labels import UNCLASSIFIED
from ifcb_abundance.classes.top_classes import top_classes
from ifcb_abundance.common.errors import RawFileError, quoted
from ifcb_abundance.common.named import Named
from ifcb_abundance.images.extract import warn_of_unknown
from ifcb_abundance.pooling.method import Method
from ifcb_abundance.scores.decide import Outcome, outcome
from ifcb_abundance.scores.summary import read_summary
from ifcb_abundance.sources.protocols import ImageReader
from ifcb_abundance.tables import table_files

log = logging.getLogger("ifcb.examples")

VERSION = 1  # of the choice: raise it so that it is made again
BY_OUTCOME = 2  # the same, where a ROI may count for another class than the winner, or by other thresholds
BINS_MOST = 4  # bins of a class and a kind
PRUNED_AT = 20_000  # scores of a class and a kind that are kept before those that cannot be chosen are dropped
KINDS = table_files.schema("montages")["kind"]["constraints"]["enum"]


class Held(NamedTuple):
    """ROIs of a label in a bin that have the same score. threshold: the label's, NaN if it is not known."""

    bin: str
    score: float
    n_rois: int
    label: str
    threshold: float


@dataclass(frozen=True)
class ExampleCriteria:
    """Which ROIs are chosen.

    classes: only these; if empty, the `top` most abundant. bins: only these; if empty, all used ones. per_class: the
    number of ROIs with the highest scores, and also of those nearest to the threshold, half of them from either side.
    """

    classes: Sequence[str]
    bins: Sequence[str]
    top: int
    per_class: int
    method: Method


def choose_examples(
    source: ImageReader,
    ledger: str | Path,
    abundance: str | Path,
    summaries: str | Path,
    criteria: ExampleCriteria,
    path: str | Path,
) -> None:
    """Choose the ROIs that are shown and write the table `montages`.

    source: bins that it is known to lack raw files of are excluded. ledger, abundance: the tables of these names.
    summaries: the folder of the scores summaries. Which ROIs are counted is what `decide.outcome` says. The ROIs of a
    class and kind come from BINS_MOST bins at most, those with most of the best ROIs. Raises RawFileError if no bin is
    left.
    """
    table = table_files.read("ledger", ledger, ["bin", "status"])
    used = list(table.loc[table["status"] == BinStatus.USED, "bin"])
    counts = table_files.read("abundance_long", abundance, ["class", "count", "ml_analyzed_total", "living"])
    warn_of_unknown(criteria.bins, used, criteria.classes, set(counts["class"]))
    within = _bins_with_images(source, used, criteria.bins)
    classes = map(criteria.method.merged, criteria.classes or top_classes(counts, criteria.top))
    wanted = [name for name in dict.fromkeys(classes) if name != UNCLASSIFIED]
    n = criteria.per_class
    most = {"top": n, "reached": n - n // 2, "missed": n // 2}
    rows = list(_choose(summaries, within, wanted, most, criteria.method))
    without = sorted(set(wanted) - {criteria.method.merged(row["class"]) for row in rows})
    if without:
        log.warning(f"no montage of classes that won no ROI: {quoted(without)}")
    chosen = pd.DataFrame(rows, columns=table_files.columns("montages")).astype(
        {"class": "str", "kind": "str", "bin": "str", "threshold": float, "score": float, "n_rois": "int64"}
    )
    table_files.write(chosen, "montages", path)
    log.info(f"classes in montages: {len(wanted) - len(without)}; bins: {chosen['bin'].nunique()} of {len(within)}")


def _bins_with_images(source: ImageReader, used: Sequence[str], bins: Sequence[str]) -> list[str]:
    """Give the used bins (of `bins`, if there are any) that may have raw files. Raises RawFileError without any."""
    asked = [bin_id for bin_id in used if bin_id in set(bins)] if bins else used
    within = list(filter(source.may_have_images, asked))
    if not asked:
        among = f" among those of images.bins: {', '.join(bins)}" if bins else ""
        raise RawFileError(f"montages: there is no used bin{among}. ledger.csv says what became of each bin")
    if not within:
        raise RawFileError(
            f"montages: none of {len(asked)} used bins has raw files (.hdr, .adc, .roi) in the source, so there are no "
            "images to show"
        )
    if len(within) < len(asked):
        lacking = f"{len(asked) - len(within)} of {len(asked)} used bins"
        log.warning(f"montages: {lacking} lack raw files (.hdr, .adc or .roi): excluded")
    return within


def of_bins(path: str | Path) -> Named[list[tuple[str, float, int]]]:
    """Map bins to the class, score and number of their ROIs in the table `montages`, of all kinds."""
    table = table_files.read("montages", path)
    sums = table.groupby(["bin", "class", "score"], as_index=False, sort=True)["n_rois"].sum()
    found = {
        # as plain types, which a checksum of the settings takes
        str(bin_id): [
            (str(name), float(score), int(n))
            for name, score, n in zip(rows["class"], rows["score"], rows["n_rois"], strict=True)
        ]
        for bin_id, rows in sums.groupby("bin", sort=True)
    }
    return Named("images: montages show no ROI of the bin", found)


def _choose(
    summaries: str | Path, bins: Sequence[str], classes: Sequence[str], most: Mapping[str, int], method: Method
) -> Iterator[dict[str, Any]]:
    # Some ROIs that reached the threshold are shown already for their high scores.
    depth = {**most, "reached": most["top"] + most["reached"]}
    best: dict[tuple[str, str], list[Held]] = {(name, kind): [] for name in classes for kind in KINDS}
    for bin_id in bins:
        read = _read(summaries, bin_id, method)
        for name in set(classes) & set(_by_class(read.labels, method)):
            for kind, held in _held(read, name, method).items():
                found = best[name, kind]
                found += _first(held, depth[kind])
                if len(found) > PRUNED_AT:
                    best[name, kind] = _best(found, kind, depth[kind])
    chosen: set[str] = set()
    for name in classes:
        taken: dict[tuple[str, float, str], int] = {}

        def left(held: Iterable[Held], taken: Mapping[tuple[str, float, str], int] = taken) -> list[Held]:
            rest = (e._replace(n_rois=e.n_rois - taken.get((e.bin, e.score, e.label), 0)) for e in held)
            return [each for each in rest if each.n_rois > 0]

        for kind, n in most.items():
            of_kind = _bins(_best(left(best[name, kind]), kind, n), n, chosen)
            chosen |= set(of_kind)
            # Now all ROIs of these bins, so that there are enough if the best ones are in more bins than BINS_MOST.
            held = [e for bin_id in of_kind for e in _held(_read(summaries, bin_id, method), name, method)[kind]]
            for bin_id, score, n_rois, label, threshold in _first(_sorted(left(held), kind), n):
                taken[bin_id, score, label] = taken.get((bin_id, score, label), 0) + n_rois
                row = (label, threshold, kind, bin_id, score, n_rois)
                yield dict(zip(table_files.columns("montages"), row, strict=True))


class Read(NamedTuple):
    """The labels of a bin, what became of the rows of its summary, and how many ROIs each of these rows has."""

    bin: str
    labels: tuple[str, ...]
    outcome: Outcome
    n_rois: NDArray[np.int64]


def _read(summaries: str | Path, bin_id: str, method: Method) -> Read:
    provenance, winners = read_summary(of_bin(summaries, SUMMARY, bin_id), method.kept)
    found = outcome(provenance.classes, winners, method.decision)
    return Read(bin_id, provenance.classes, found, winners.n_rois[found.rows])


def _by_class(labels: tuple[str, ...], method: Method) -> dict[str, list[str]]:
    """Map classes to the labels that are merged into each: the label itself, as a rule."""
    found: dict[str, list[str]] = {}
    for label in labels:
        found.setdefault(method.merged(label), []).append(label)
    return found


def _held(read: Read, name: str, method: Method) -> dict[str, list[Held]]:
    """List the ROIs of a class in a bin by kind, the best first."""
    found: dict[str, list[Held]] = {kind: [] for kind in KINDS}
    of = read.outcome
    for label in _by_class(read.labels, method).get(name, ()):
        member = read.labels.index(label)
        for kind, held in found.items():
            these = (of.members == member) & (of.counted != (kind == "missed"))
            pairs = zip(of.score[these].tolist(), read.n_rois[these].tolist(), strict=True)
            held += [Held(read.bin, *pair, label, float(of.thresholds[member])) for pair in pairs]
    return {kind: _sorted(held, kind) for kind, held in found.items()}


def _sorted(held: Iterable[Held], kind: str) -> list[Held]:
    """Sort the best first: for `top` the highest scores, for others the nearest to the threshold; then by bin."""

    def order(each: Held) -> tuple[float, float, str]:
        sign = 1 if kind == "reached" else -1
        # Labels of a class may differ in the threshold. Without one, the lowest that is counted is the nearest.
        threshold = 0 if kind == "top" or np.isnan(each.threshold) else each.threshold
        beyond = each.score - threshold
        return sign * beyond, sign * each.score, each.bin

    return sorted(held, key=order)


def _first(held: Iterable[Held], most: int) -> Iterator[Held]:
    """Take the first `most` ROIs."""
    for each in held:
        if most <= 0:
            return
        yield each._replace(n_rois=min(each.n_rois, most))
        most -= each.n_rois


def _best(held: Sequence[Held], kind: str, most: int) -> list[Held]:
    """Keep the best `most` ROIs, and all that are as good as the last of them."""
    in_order = _sorted(held, kind)
    as_good = {each.score for each in _first(in_order, most)}
    return [each for each in in_order if each.score in as_good]


def _bins(best: Sequence[Held], most: int, chosen: Collection[str]) -> list[str]:
    """Choose the bins with most of the best ROIs until there are enough; among equals, bins that are chosen already.

    best: as `_best` gives them; ROIs that are as good as the last of them may come from any bin.
    """
    better: Counter[str] = Counter()
    n_rois: Counter[str] = Counter()
    for each in best:
        n_rois[each.bin] += each.n_rois
        better[each.bin] += each.n_rois * (each.score != best[-1].score)
    found: list[str] = []
    for bin_id in sorted(n_rois, key=lambda b: (-better[b], -min(n_rois[b], most), b not in chosen, b)):
        enough = sum(n_rois[b] for b in found) >= most and not better[bin_id]
        if enough or len(found) == BINS_MOST:
            break
        found.append(bin_id)
    return found
