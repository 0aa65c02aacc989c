"""A bin's class scores, reduced to its scores summary: who won, at which score.

The summary is exact for every threshold and for each precision in which scores may be compared, so
that thresholds can be changed later without asking a server again. It is a Parquet file; a row is a
class and a score, and says how many ROIs the class won at that score. Equal top scores go to the first
class; since scores that differ in double precision may be equal in a lower one, `class_float32` and
`class_float16` give the winner in that precision where it is another one (null: as in `class`).
A null class stands for ROIs without any valid score.

That is sufficient for the rule `winner` at any threshold. What `Kept` names is there beside it where the config asks
for it: `own` (the class by the classifier's thresholds, null for none) and `cells` tell rows apart, and with `scores`,
those of all classes, there is a row for each ROI, which is sufficient for every rule. A summary that has more than a
config needs is as good: what it has beside is not read.
"""

import json
import logging
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ifcb_abundance.bins.ids import add_target
from ifcb_abundance.bins.statuses import ScoresStatus
from ifcb_abundance.classes.labels import UNCLASSIFIED
from ifcb_abundance.common import proof
from ifcb_abundance.common.atomic_write import atomic_write
from ifcb_abundance.common.errors import CatalogError, ScoresError
from ifcb_abundance.common.precision import PRECISIONS, Precision
from ifcb_abundance.common.words import counted
from ifcb_abundance.scores.additions import read_additions
from ifcb_abundance.scores.decide import Decision, Kept, More, decide, single_class
from ifcb_abundance.scores.packed import read_packed
from ifcb_abundance.scores.score_csv import check_labels, check_range, read_class_csv, read_csv, read_prob_csv
from ifcb_abundance.sources.count_summary import ADHOC, OPT, WINNERS, read_count_summary
from ifcb_abundance.sources.protocols import ScoreReader
from ifcb_abundance.sources.score_files import SUMMARY, WINNERS_ONLY, form_of
from ifcb_abundance.sources.source_file import SourceFile

log = logging.getLogger("ifcb.scores")

WON = ("class", "score", "n_rois", "class_float32", "class_float16")  # columns
MORE = ("own", "cells", "scores")  # columns of what is kept beside the winners
VERSION = 1  # of the meaning of a summary: raise it when all bins have to be read again
# What reading a file raises that is not a summary.
NOT_A_SUMMARY = (pa.ArrowException, OSError, LookupError, OverflowError, TypeError, ValueError)


@dataclass(frozen=True)
class Provenance:
    """What a summary was made from.

    status: `read`, `no_scores` (the source has none) or `failed`; reason: why not `read`.
    address, sha256, bytes: of the class-scores file; server: the server's version if it can be told. classes: the
    label set, in the file's order.

    Where the score file says it: thresholds, the classifier's by class, and stored, the precision of its scores.
    winners_only: it has no scores but the winners', so classes that won nothing are not in classes. counts: of a
    summary without ROIs, the ROIs per class by the name of the array; with n_rois, all of them, and adhoc, the
    threshold of one of the arrays.
    """

    bin: str
    status: ScoresStatus
    reason: str = ""
    address: str = ""
    sha256: str = ""
    bytes: int = 0
    server: str = ""
    classes: tuple[str, ...] = ()
    thresholds: tuple[float, ...] = ()
    stored: Precision = "float64"
    winners_only: bool = False
    counts: Mapping[str, list[int]] = field(default_factory=dict)
    n_rois: int = 0
    adhoc: float | None = None

    def stated(self) -> dict[str, Any]:
        """All of it as plain values, for a file; without what the score file does not say."""
        return {name: value for name, value in vars(self).items() if name in SAID_ALWAYS or value != DEFAULTS[name]}


SAID_ALWAYS = ("bin", "status", "reason", "address", "sha256", "bytes", "server", "classes")
DEFAULTS = vars(Provenance("", ScoresStatus.NO_SCORES))


@lru_cache(maxsize=64)
def label_set(classes: tuple[str, ...]) -> str:
    """Name a label set, such as `109 classes 1f0c3a9e`. The same labels in any order have the same name.

    The digits are the first of the SHA-256 of the labels, sorted, as JSON.
    """
    labels = sorted(set(classes))
    digest = sha256(json.dumps(labels).encode()).hexdigest()
    return f"{counted(len(labels), 'class')} {digest[:8]}"


@dataclass(frozen=True)
class Winners:
    """The winning classes of a bin's ROIs; all arrays have one element per distinct row.

    score: highest valid score in double precision. winner: for each precision the index into `classes`
    of the class that has it, -1 without a valid score. n_rois: how many ROIs. more: what was kept beside them.
    """

    score: NDArray[np.float64]
    winner: Mapping[Precision, NDArray[np.intp]]
    n_rois: NDArray[np.int64]
    more: More = field(default_factory=More)


@dataclass(frozen=True)
class RoiWinners:
    """The winning class of each ROI of a bin; arrays have one element per ROI, in the file's order.

    rois: ROI numbers. score, winner, more: as of Winners.
    """

    classes: tuple[str, ...]
    rois: NDArray[np.int64]
    score: NDArray[np.float64]
    winner: Mapping[Precision, NDArray[np.intp]]
    more: More = field(default_factory=More)


# --- from a class-scores file to its winners ---


def read_score_file(bin_id: str, file: SourceFile) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """Read the label set and the scores of a score file of any form.

    Returns (classes, scores): scores has the shape (ROIs, classes), NaN where a score is missing. Raises
    ScoresError, naming the bin, if the body is not a score file of this bin, with scores from 0 to 1. A dashboard's
    addresses all end with `_class_scores.csv`: what a server sends never gets to the readers of binary files.
    """
    classes, _, scores, _ = _read_form(bin_id, file)
    return classes, scores


class HandOver:
    """Winners of the ROIs of bins whose scores were read a moment ago, for work that needs them next; for any thread.

    They are kept by bin and by the checksum of the file, and taken once. Beyond `most` bytes the oldest go: then the
    scores are read again.
    """

    def __init__(self, most: int = 32 << 20) -> None:
        self._most, self._size = most, 0
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, str], tuple[RoiWinners, int]] = {}

    def put(self, bin_id: str, digest: str, rois: RoiWinners) -> None:
        """Keep the winners of a bin."""
        arrays = [rois.rois, rois.score, *rois.winner.values(), rois.more.own, rois.more.cells, rois.more.scores]
        size = sum(each.nbytes for each in arrays if each is not None)
        with self._lock:
            self._forget(bin_id, digest)
            self._kept[bin_id, digest] = rois, size
            self._size += size
            while self._size > self._most:
                self._forget(*next(iter(self._kept)))

    def take(self, bin_id: str, digest: str) -> RoiWinners | None:
        """The winners of a bin, if they are still here."""
        with self._lock:
            return self._forget(bin_id, digest)

    def _forget(self, bin_id: str, digest: str) -> RoiWinners | None:
        rois, size = self._kept.pop((bin_id, digest), (None, 0))
        self._size -= size
        return rois


HANDED_OVER = HandOver()


def read_rois(bin_id: str, file: SourceFile, kept: Kept = Kept()) -> RoiWinners:  # noqa: B008
    """Find the winning class of each ROI in a score file of any form. Raises ScoresError as `read_score_file` does.

    kept: what is read beside the winners.
    """
    classes, numbers, scores, more = _read_form(bin_id, file, kept, every_score=kept.all_scores)
    more = replace(more, scores=scores if kept.all_scores else None)
    return RoiWinners(classes, _as_integers(bin_id, numbers), *best_scores(scores), more)


def _as_integers(bin_id: str, numbers: pa.ChunkedArray | NDArray[np.int64]) -> NDArray[np.int64]:
    """The numbers of ROIs. Raises ScoresError if one is too large."""
    if isinstance(numbers, pa.ChunkedArray):
        try:
            return numbers.cast(pa.int64()).to_numpy()  # type: ignore[no-any-return]
        except pa.ArrowInvalid as error:
            raise ScoresError(f"bin {bin_id}: its class scores have a ROI number that is too large") from error
    return numbers


def labels_of_file(bin_id: str, file: SourceFile) -> tuple[str, ...]:
    """The label set of a score file of any form; of a file of winners only those that won. Raises ScoresError."""
    if form_of(bin_id, file.address) == SUMMARY:
        try:
            return read_count_summary(file.body, file.address).classes
        except CatalogError as error:
            raise ScoresError(str(error)) from None
    return _read_form(bin_id, file)[0]


Read = tuple[tuple[str, ...], pa.ChunkedArray | NDArray[np.int64], NDArray[np.float64], More]


def _read_form(bin_id: str, file: SourceFile, kept: Kept = Kept(), every_score: bool = True) -> Read:  # noqa: B008
    """Read labels, ROI numbers (of some forms as they are written), scores, and what is to be kept beside them.

    every_score: without it, scores that are not the highest of their ROI may be 0.
    """
    form = form_of(bin_id, file.address)
    if form == SUMMARY:
        raise ScoresError(
            f"bin {bin_id}: {file.address} has counts per bin and no ROIs, so nothing can be asked of single images"
        )
    if form in ("h5", "mat"):
        return _read_packed(bin_id, file.body, kept)
    if form == "class_csv":
        classes, rois, scores, more = read_class_csv(bin_id, file.body)
        check_labels(bin_id, classes)
        check_range(bin_id, classes, scores, lambda row: add_target(bin_id, int(rois[row])))
        if kept.own and more.own is None:
            raise ScoresError(f"bin {bin_id}: its classes have no column class_name, so no thresholds were applied")
        if kept.all_scores:
            raise ScoresError(
                f"bin {bin_id}: its class scores are those of the winners alone. classify.rule: winner is the only one "
                "that can be applied to them"
            )
        return (
            classes,
            rois,
            scores,
            replace(more, own=more.own if kept.own else None, cells=more.cells if kept.cells else None),
        )
    if kept.own:
        raise ScoresError(
            f"bin {bin_id}: its class scores bring no thresholds, which classify.class_thresholds: from_scores needs. "
            "Give a file of thresholds instead"
        )
    return *(read_prob_csv if form == "prob_csv" else read_csv)(bin_id, file.body, every_score), More()


def _read_packed(bin_id: str, body: bytes, kept: Kept) -> Read:
    classes, rois, scores = read_packed(bin_id, body)
    check_labels(bin_id, classes)
    check_range(bin_id, classes, scores, lambda row: add_target(bin_id, int(rois[row])))
    more = read_additions(bin_id, body, classes, len(rois), kept) if kept.own or kept.cells else More()
    return classes, rois, scores, more


Best = tuple[NDArray[np.float64], dict[Precision, NDArray[np.intp]]]


def best_scores(scores: NDArray[np.float64]) -> Best:
    """Find each ROI's highest score and its class, in scores of the shape (ROIs, classes), NaN for missing ones.

    The highest valid score wins, the first class among equals, in each precision by itself; -1 without any.
    """
    if not scores.size:
        scores = np.full((len(scores), 1), np.nan)
    known = np.fmax(scores, -1.0)  # what is missing lies below any score, so is never the highest
    exact = known.argmax(axis=1)
    top = known[np.arange(len(known)), exact]
    keys: dict[Precision, NDArray[np.intp]] = {"float64": np.where(top < 0, -1, exact)}
    # In a lower precision only those can equal the highest that exceed its next lower neighbour in the lowest one:
    # few ROIs have another such class, and only theirs are rounded.
    lowest = PRECISIONS[-1]
    neighbour = np.nextafter(top.astype(lowest), np.array(-np.inf, lowest)).astype("float64")
    doubtful = np.flatnonzero(np.count_nonzero(known > neighbour[:, np.newaxis], axis=1) > 1)
    for precision in PRECISIONS[1:]:
        winner = keys["float64"].copy()
        winner[doubtful] = np.where(top[doubtful] < 0, -1, known[doubtful].astype(precision).argmax(axis=1))
        keys[precision] = winner
    return top, keys


def find_winners(scores: NDArray[np.float64], more: More | None = None, best: Best | None = None) -> Winners:
    """Reduce scores of the shape (ROIs, classes), NaN for missing ones, to the winners of the ROIs.

    more: what is known of each ROI beside them. ROIs that differ in it are not put together; with all scores none are.
    best: of `best_scores`, if it is known already.
    """
    top, keys = best or best_scores(scores)
    more = more or More()
    if more.scores is not None:
        return Winners(top, keys, np.ones(len(top), dtype=np.int64), more)
    columns = [*keys.values(), top, *(each for each in (more.own, more.cells) if each is not None)]
    order = np.lexsort(columns[::-1])
    rows = np.column_stack(columns)[order]
    first = np.ones(len(rows), dtype=bool)
    same = (rows[1:] == rows[:-1]) | (np.isnan(rows[1:]) & np.isnan(rows[:-1]))
    first[1:] = ~same.all(axis=1)
    starts = np.flatnonzero(first)
    at = order[starts]
    own = None if more.own is None else more.own[at]
    cells = None if more.cells is None else more.cells[at]
    return Winners(
        score=top[at],
        winner={precision: key[at] for precision, key in keys.items()},
        n_rois=np.diff(np.append(starts, len(rows))),
        more=replace(more, own=own, cells=cells),
    )


class Counts(NamedTuple):
    """What a bin has of each class, in the order of the classes.

    counts: ROIs. classified: ROIs that count for any class. cells: the sum of the cells in images of a class, and
    uncounted: how many of its ROIs have no count of cells; None where cells were not kept.
    """

    counts: NDArray[np.int64]
    classified: int
    cells: NDArray[np.float64] | None = None
    uncounted: NDArray[np.float64] | None = None


def count_by(classes: tuple[str, ...], winners: Winners, decision: Decision) -> Counts:
    """Count the ROIs of each class by a rule. Raises ScoresError if what the rule needs was not kept."""
    (counts,) = count_bins(classes, winners, decision, np.zeros(len(winners.n_rois), np.intp), 1)
    return counts


def count_bins(
    classes: tuple[str, ...], winners: Winners, decision: Decision, bin_of_row: NDArray[np.intp], n_bins: int
) -> list[Counts]:
    """Count the ROIs of each class in bins with one label set, whose rows are together in `winners`.

    bin_of_row: to which of the bins each row belongs. Raises ScoresError if what the rule needs was not kept.
    """
    rows, members = decide(classes, winners, decision)
    n, shape = winners.n_rois, (n_bins, len(classes))
    cell = bin_of_row[rows] * len(classes) + members

    def summed(weights: NDArray[Any]) -> NDArray[Any]:
        return np.bincount(cell, weights=weights, minlength=n_bins * len(classes)).reshape(shape)

    counts = summed(n[rows]).astype(np.int64)
    once = np.unique(rows)
    classified = np.bincount(bin_of_row[once], weights=n[once], minlength=n_bins).astype(np.int64).tolist()
    if winners.more.cells is None:
        return list(map(Counts, counts, classified))
    cells = winners.more.cells[rows]
    known = ~np.isnan(cells)
    sums, uncounted = summed(np.where(known, cells, 0.0) * n[rows]), summed(n[rows] * ~known)
    return list(map(Counts, counts, classified, sums, uncounted))


class Counted(Protocol):
    """A bin of a summary without ROIs: its counts by the name of the array, as Provenance has them."""

    @property
    def address(self) -> str:
        """Where the summary is."""

    @property
    def counts(self) -> Mapping[str, list[int]]:
        """ROIs per class."""

    @property
    def adhoc(self) -> float | None:
        """The threshold of ADHOC."""


def array_of_summary(said: Counted, decision: Decision) -> str:
    """Return the name of the counts that a summary has for a threshold and rule.

    Raises ScoresError, saying which thresholds it has, if it has none for these.
    """
    plain = decision.rule != "each" and not decision.class_thresholds
    name = ""
    if decision.from_scores:
        name = OPT
    elif plain and decision.threshold == 0:
        name = WINNERS
    elif plain and decision.threshold == said.adhoc:
        name = ADHOC
    if decision.rule != "each" and name in said.counts:
        return name
    has = ["classify.threshold: 0"] if WINNERS in said.counts else []
    has += [f"classify.threshold: {said.adhoc:g}"] if ADHOC in said.counts and said.adhoc is not None else []
    has += ["classify.class_thresholds: from_scores"] if OPT in said.counts else []
    raise ScoresError(
        f"{said.address} has counts per bin and no scores, so only some thresholds can be had of it. Accepted, "
        f"with classify.rule: winner: {' or '.join(has)}"
    )


def counts_of_summary(said: Counted, decision: Decision) -> Counts:
    """Return the counts of a bin of a summary. Raises ScoresError as `array_of_summary` does."""
    counts = np.array(said.counts[array_of_summary(said, decision)], dtype=np.int64)
    return Counts(counts, int(counts.sum()))


def labels_of_rois(rois: RoiWinners, decision: Decision) -> list[str]:
    """Name the class of each ROI, UNCLASSIFIED without any, as `count_by` counts them.

    A ROI has one label: with the rule `each` that of the class with the highest score among those it counts for.
    """
    labels = [UNCLASSIFIED] * len(rois.rois)
    for row, member in zip(*map(np.ndarray.tolist, decide(rois.classes, rois, single_class(decision))), strict=True):
        labels[row] = rois.classes[member]
    return labels


# --- the summary file ---


def summarize_scores(
    source: ScoreReader,
    bin_id: str,
    path: str | Path,
    record_failures: bool,
    kept: Kept = Kept(),  # noqa: B008
    hand_over: bool = False,
) -> Provenance:
    """Read a bin's class scores from the source and write its scores summary to `path`.

    kept: what the summary holds beside the winners. hand_over: whether the winners of single ROIs are wanted next; they
    are put into HANDED_OVER. A bin whose scores are unavailable raises ScoresError, or is written down as `failed` with
    `record_failures`.
    """
    winners = find_winners(np.empty((0, 0)), _nothing(kept))
    address = ""
    try:
        file = source.read_scores(bin_id)
        if file is None:
            provenance = Provenance(bin_id, ScoresStatus.NO_SCORES, source.missing_reason(bin_id))
        else:
            address = file.address
            provenance, winners = _summarized(bin_id, file, kept, hand_over)
    except ScoresError as error:
        message = str(error) if not address or address in str(error) else f"{error} ({address})"
        if not record_failures:
            raise ScoresError(message) from error
        log.error(f"{message}: recorded as failed")
        # A message may quote what the file holds; the ledger has one line per bin.
        reason = "".join(c if c.isprintable() else "?" for c in message)
        provenance = Provenance(bin_id, ScoresStatus.FAILED, reason, address)
    write_summary(provenance, winners, path, made_of(source, bin_id, kept))
    return provenance


def _nothing(kept: Kept) -> More:
    """What is kept of a bin without ROIs."""
    return More(scores=np.empty((0, 0))) if kept.all_scores else More()


def _summarized(bin_id: str, file: SourceFile, kept: Kept, hand_over: bool) -> tuple[Provenance, Winners]:
    form = form_of(bin_id, file.address)
    if form == SUMMARY:
        return read_of_summary(bin_id, file), find_winners(np.empty((0, 0)))
    classes, numbers, scores, more = _read_form(bin_id, file, kept, every_score=kept.all_scores)
    if kept.all_scores:
        more = replace(more, scores=scores)
    best = best_scores(scores)
    provenance = Provenance(
        bin_id,
        ScoresStatus.READ,
        **_origin(file),
        classes=classes,
        thresholds=() if more.thresholds is None else tuple(more.thresholds.tolist()),
        stored=more.stored,
        winners_only=form == WINNERS_ONLY,
    )
    if hand_over:
        with suppress(ScoresError):  # of numbers of ROIs, which counts do not need
            rois = RoiWinners(classes, _as_integers(bin_id, numbers), *best, more)
            HANDED_OVER.put(bin_id, provenance.sha256, rois)
    return provenance, find_winners(scores, more, best)


def read_of_summary(bin_id: str, file: SourceFile) -> Provenance:
    """Read the counts of a bin from a summary without ROIs. Raises ScoresError, naming the bin."""
    try:
        summary = read_count_summary(file.body, file.address)
    except CatalogError as error:
        raise ScoresError(f"bin {bin_id}: {error}") from None
    row = summary.rows[bin_id]
    return Provenance(
        bin_id,
        ScoresStatus.READ,
        classes=summary.classes,
        counts={name: table[row].tolist() for name, table in summary.counts.items()},
        n_rois=int(summary.n_rois[row]),
        adhoc=summary.adhoc,
        **_origin(file, digest_of(file.body)),
    )


@lru_cache(maxsize=4)
def digest_of(body: bytes) -> str:
    """The checksum of a file that many bins share."""
    return sha256(body).hexdigest()


def version_of(kept: Kept) -> int | list[int | str]:
    """The version of summaries. One that keeps more is of another."""
    return [VERSION, *kept.names] if kept.names else VERSION


def made_of(source: ScoreReader, bin_id: str, kept: Kept = Kept()) -> str:  # noqa: B008
    """Return a checksum of what decides which scores a summary holds: the version of summaries and the source."""
    return proof.digest(version_of(kept), source.scores_identity_of(bin_id))


def proves_itself(
    source: ScoreReader,
    bin_id: str,
    path: str | Path,
    kept: Kept = Kept(),  # noqa: B008
) -> bool:
    """Tell whether a file is the summary that `summarize_scores` would make, or has more. The source is not asked."""
    found = proof.of_parquet(path)
    said = _said(found)
    if said is None or said.bin != bin_id:
        return False
    if proof.KEY not in found:  # made before summaries said it
        return not kept.names and source.would_tell(bin_id, said.address or said.reason)
    return _has(source, said, found[proof.KEY], kept) and _is_of_named_form(source, said)


def is_enough(
    source: ScoreReader,
    bin_id: str,
    path: str | Path,
    kept: Kept = Kept(),  # noqa: B008
) -> bool:
    """Tell what the engine's record of a summary does not: whether it has all that is kept, and is of the named form.

    The source is not asked. What is no summary of the bin is left to those that read it.
    """
    found = proof.of_parquet(path)
    said = _said(found)
    if said is None or said.bin != bin_id:
        return True
    stated = found.get(proof.KEY)
    has_all = not kept.names and (stated is None or said.status != ScoresStatus.FAILED)
    return (has_all or _has(source, said, stated, kept)) and _is_of_named_form(source, said)


def _has(source: ScoreReader, said: Provenance, stated: bytes | None, kept: Kept) -> bool:
    """Whether a summary says that it was made of this source, and has all that is kept.

    A bin that failed may have failed for what was kept.
    """
    enough = [kept] if said.status == ScoresStatus.FAILED else kept.or_more
    return any(proof.holds(stated, made_of(source, said.bin, each)) for each in enough)


def _is_of_named_form(source: ScoreReader, said: Provenance) -> bool:
    told = said.address or ("" if said.status == ScoresStatus.FAILED else said.reason)
    return not source.named_form or not told or source.would_tell(said.bin, told)


def _said(metadata: Mapping[str, bytes]) -> Provenance | None:
    try:
        return _provenance(json.loads(metadata["ifcb"]))
    except (LookupError, TypeError, ValueError):
        return None


def _provenance(said: dict[str, Any]) -> Provenance:
    tuples: dict[str, Any] = {name: tuple(said[name]) for name in ("classes", "thresholds") if name in said}
    return Provenance(**{**said, **tuples, "status": ScoresStatus(said["status"])})


def read_provenance(path: str | Path) -> Provenance | None:
    """Read what a scores summary was made from, without its rows; None if it is not a summary."""
    return _said(proof.of_parquet(path))


def provenance_of(path: str | Path) -> Provenance:
    """Read the same of a file that has to be a summary. Raises ScoresError, naming the file, if it is not one."""
    with _of_summary(path):
        return _provenance(json.loads(pq.read_metadata(path).metadata[b"ifcb"]))


def _origin(file: SourceFile, digest: str = "") -> dict[str, Any]:
    digest = digest or sha256(file.body).hexdigest()
    return {"address": file.address, "sha256": digest, "bytes": len(file.body), "server": file.server}


def write_summary(provenance: Provenance, winners: Winners, path: str | Path, made_of: str = "") -> None:
    """Write a scores summary, as described at the top of this module. made_of: from the function `made_of`."""
    table = pa.table(
        {
            **winner_columns(provenance.classes, winners.score, winners.winner),
            "n_rois": pa.array(winners.n_rois, pa.int32()),
            **more_columns(provenance.classes, winners.more),
        }
    )
    table = table.select([*WON, *(name for name in MORE if name in table.column_names)])
    said = json.dumps(provenance.stated())
    table = table.replace_schema_metadata({"ifcb": said, proof.KEY: proof.statement(made_of)})
    # Into memory first: a file is written to in many small pieces, which takes half as long again.
    whole = pa.BufferOutputStream()
    pq.write_table(
        table,
        whole,
        compression="lz4",
        use_dictionary=[name for name in table.column_names if name.startswith(("class", "own"))],
        write_statistics=False,
        write_page_checksum=True,
    )
    with atomic_write(path) as unfinished:
        unfinished.write_bytes(whole.getvalue())


def read_summary(path: str | Path, kept: Kept | None = None) -> tuple[Provenance, Winners]:
    """Read a scores summary. Raises ScoresError, naming the file, if it is not one.

    kept: what is read beside the winners: then the rows are those of a summary that has no more. None for all it has.
    """
    with _of_summary(path):
        table = _read(path, kept)
        provenance = _provenance(json.loads(table.schema.metadata[b"ifcb"]))
        winners = _winners(table, provenance)
        return provenance, winners if kept is None else _put_together(winners)


class Stack(NamedTuple):
    """The winners of bins that have the same label set and thresholds, row below row; none if all have counts instead.

    said: what each summary was made from. bin_of_row: to which of these bins a row belongs.
    """

    said: list[Provenance]
    winners: Winners
    bin_of_row: NDArray[np.intp]


def read_summaries(paths: Iterable[str | Path], kept: Kept | None = None) -> tuple[list[Provenance], list[Stack]]:
    """Read many scores summaries at once, in half the time that `read_summary` takes for each.

    Returns what each was made from, in the order of the paths, and the winners of those with status `read`. Raises
    ScoresError, naming the file, if one is not a scores summary. kept: what is read beside the winners; None for all.
    """
    provenance: list[Provenance] = []
    alike: dict[tuple[Any, ...], list[tuple[str | Path, Provenance, pa.Table]]] = {}
    for path in paths:
        with _of_summary(path):
            table = _read(path, kept)
            said = _provenance(json.loads(table.schema.metadata[b"ifcb"]))
            if said.status == ScoresStatus.READ:
                # The scores of all classes are large, so bins that have them stay alone.
                alone = said.bin if "scores" in table.column_names else ""
                key = said.classes, said.thresholds, said.stored, bool(said.counts), tuple(table.column_names), alone
                alike.setdefault(key, []).append((path, said, table.replace_schema_metadata()))
        provenance.append(said)
    return provenance, [_stacked(summaries) for summaries in alike.values()]


def _stacked(summaries: Sequence[tuple[str | Path, Provenance, pa.Table]]) -> Stack:
    said = [each for _, each, _ in summaries]
    tables = [table for _, _, table in summaries]
    rows = np.repeat(np.arange(len(tables), dtype=np.intp), [len(table) for table in tables])
    try:
        return Stack(said, _winners(pa.concat_tables(tables), said[0]), rows)
    except NOT_A_SUMMARY:
        for path, _, _ in summaries:  # one of them is damaged: say which
            read_summary(path)
        raise


def read_wins(paths: Iterable[str | Path], precision: Precision) -> tuple[pa.StringArray, pa.Table]:
    """Read which classes won in many bins, without what else their summaries say: in under half the time.

    Returns the class that won in that precision, null for ROIs without a valid score, and a table of `score` and
    `n_rois`. Raises ScoresError, naming the file, if one is not a scores summary.
    """
    column = "class" if precision == "float64" else f"class_{precision}"
    columns = list(dict.fromkeys(["score", "n_rois", "class", column]))
    tables = []
    for path in paths:
        with _of_summary(path):
            tables.append(_open(path).read(columns, use_threads=False).select(columns).replace_schema_metadata())
    table = pa.concat_tables(tables)
    classes = pc.coalesce(table.column(column).cast(pa.string()), table.column("class").cast(pa.string()))
    return classes.combine_chunks(), table.select(["score", "n_rois"])


def _read(path: str | Path, kept: Kept | None) -> pa.Table:
    """Read a summary, with what is kept beside the winners; None for all columns."""
    wanted = (
        MORE if kept is None else [name for name, is_kept in zip(MORE, vars(kept).values(), strict=True) if is_kept]
    )
    return _open(path).read([*WON, *wanted], use_threads=False)


def _put_together(winners: Winners) -> Winners:
    """Put rows together that do not differ, in the order of a summary."""
    rows, more = np.repeat(np.arange(len(winners.n_rois)), winners.n_rois), winners.more
    of_each = {name: values[rows] for name in MORE if (values := getattr(more, name)) is not None}
    best = winners.score[rows], {precision: winner[rows] for precision, winner in winners.winner.items()}
    return find_winners(np.empty((0, 0)), replace(more, **of_each), best)


def _open(path: str | Path) -> pq.ParquetFile:
    # Small enough to be read in one piece, which takes two thirds of the time that the parser takes for a path.
    content = pa.BufferReader(Path(path).read_bytes())
    return pq.ParquetFile(content, page_checksum_verification=True, pre_buffer=False)


@contextmanager
def _of_summary(path: str | Path) -> Iterator[None]:
    """Name the file in the error if it is not a summary."""
    try:
        yield
    except NOT_A_SUMMARY as error:
        raise ScoresError(f"{path}: not a scores summary ({error}); delete it to have the bin read again") from error


@lru_cache(maxsize=16)
def _labels(classes: tuple[str, ...]) -> pa.StringArray:
    return pa.array(classes, pa.string())


def winner_columns(
    classes: tuple[str, ...], score: NDArray[np.float64], winner: Mapping[Precision, NDArray[np.intp]]
) -> dict[str, pa.Array]:
    """Turn winners, as in Winners, into columns of a file. The top of this module says what they mean."""
    labels = _labels(classes)

    def named(indices: NDArray[np.intp], absent: NDArray[np.bool_]) -> pa.DictionaryArray:
        return pa.DictionaryArray.from_arrays(pa.array(indices, pa.int32(), mask=absent), labels)

    exact = winner["float64"]
    return {
        "class": named(exact, exact < 0),
        "score": pa.array(score, mask=exact < 0),
        "class_float32": named(winner["float32"], winner["float32"] == exact),
        "class_float16": named(winner["float16"], winner["float16"] == exact),
    }


@lru_cache(maxsize=64)
def _labels_and_places(classes: tuple[str, ...]) -> tuple[pa.Array, dict[str, int], NDArray[np.intp]]:
    """Return the labels as Arrow has them, the place of each, and all places in order with -1 as the last."""
    places = np.append(np.arange(len(classes)), -1).astype(np.intp)
    return pa.array(classes, pa.string()), {name: i for i, name in enumerate(classes)}, places


def read_winner_columns(
    table: pa.Table, classes: tuple[str, ...]
) -> tuple[NDArray[np.float64], dict[Precision, NDArray[np.intp]]]:
    """Read score and winner, as in Winners, from the columns that `winner_columns` made."""
    labels, position, places = _labels_and_places(classes)

    def indices(column: str) -> NDArray[np.intp]:
        encoded = table.column(column).combine_chunks().dictionary_encode()
        if encoded.dictionary.equals(labels):  # as they were written
            translate = places
        else:
            translate = np.array([position[name] for name in encoded.dictionary.to_pylist()] + [-1], dtype=np.intp)
        found: NDArray[np.intp] = translate[encoded.indices.fill_null(len(translate) - 1).to_numpy()]
        return found

    winner: dict[Precision, NDArray[np.intp]] = {"float64": indices("class")}
    for precision in PRECISIONS[1:]:
        winner[precision] = winner["float64"]
        if table.column(f"class_{precision}").null_count < len(table):
            other = indices(f"class_{precision}")
            winner[precision] = np.where(other < 0, winner["float64"], other)
    return table.column("score").fill_null(-1.0).to_numpy(), winner


def more_columns(classes: tuple[str, ...], more: More) -> dict[str, pa.Array]:
    """Turn what was kept beside winners into columns of a file: those of MORE that there are."""
    columns: dict[str, pa.Array] = {}
    if more.own is not None:
        indices = pa.array(more.own, pa.int32(), mask=more.own < 0)
        columns["own"] = pa.DictionaryArray.from_arrays(indices, pa.array(classes, pa.string()))
    if more.cells is not None:
        columns["cells"] = pa.array(more.cells, mask=np.isnan(more.cells))
    if more.scores is not None:
        flat = pa.array(more.scores.ravel(), mask=np.isnan(more.scores.ravel()))
        columns["scores"] = pa.FixedSizeListArray.from_arrays(flat, max(len(classes), 1))
    return columns


def read_more_columns(table: pa.Table, classes: tuple[str, ...]) -> More:
    """Read what `more_columns` wrote."""
    own = cells = scores = None
    if "own" in table.column_names:
        position = {name: i for i, name in enumerate(classes)}
        own = np.array([position.get(name, -1) for name in table.column("own").to_pylist()], dtype=np.intp)
    if "cells" in table.column_names:
        cells = table.column("cells").fill_null(np.nan).to_numpy()
    if "scores" in table.column_names:
        flat = table.column("scores").combine_chunks().flatten()
        scores = flat.fill_null(np.nan).to_numpy(zero_copy_only=False).reshape(table.num_rows, max(len(classes), 1))
    return More(own=own, cells=cells, scores=scores)


def with_thresholds(more: More, thresholds: Sequence[float], stored: Precision) -> More:
    """Add the classifier's thresholds, which stand once for all rows; an empty sequence for none."""
    known = np.array(thresholds, dtype=np.float64) if len(thresholds) else None
    return replace(more, thresholds=known, stored=stored)


def _winners(table: pa.Table, said: Provenance) -> Winners:
    score, winner = read_winner_columns(table, said.classes)
    more = with_thresholds(read_more_columns(table, said.classes), said.thresholds, said.stored)
    return Winners(score, winner, table.column("n_rois").to_numpy().astype(np.int64), more)
