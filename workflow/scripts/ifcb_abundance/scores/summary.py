"""A bin's class scores, reduced to its scores summary: who won, at which score.

The summary is exact for every threshold and for each precision in which scores may be compared, so
that thresholds can be changed later without asking a server again. It is a Parquet file; a row is a
class and a score, and says how many ROIs the class won at that score. Equal top scores go to the first
class; since scores that differ in double precision may be equal in a lower one, `class_float32` and
`class_float16` give the winner in that precision where it is another one (null: as in `class`).
A null class stands for ROIs without any valid score.
"""

import csv
import io
import json
import logging
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ifcb_abundance.bins.ids import add_target
from ifcb_abundance.bins.statuses import ScoresStatus
from ifcb_abundance.classes.labels import UNCLASSIFIED
from ifcb_abundance.common import proof
from ifcb_abundance.common.atomic_write import atomic_write
from ifcb_abundance.common.errors import ScoresError
from ifcb_abundance.common.precision import PRECISIONS, Precision
from ifcb_abundance.common.strict_csv import is_formula, miscounted, number, refuse_other_separators
from ifcb_abundance.common.words import counted
from ifcb_abundance.scores.packed import PACKED, read_packed
from ifcb_abundance.sources.protocols import ScoreReader
from ifcb_abundance.sources.source_file import SourceFile

log = logging.getLogger("ifcb.scores")

VERSION = 1  # of the meaning of a summary: raise it when all bins have to be read again
BLOCK = 2**22  # bytes of a class-scores file that are parsed at a time
MISSING = ["", "nan", "NaN", "NA"]  # a score that is not there


@dataclass(frozen=True)
class Provenance:
    """What a summary was made from.

    status: `read`, `no_scores` (the source has none) or `failed`; reason: why not `read`.
    address, sha256, bytes: of the class-scores file; server: the server's version if it can be told. classes: the
    label set, in the file's order.
    """

    bin: str
    status: ScoresStatus
    reason: str = ""
    address: str = ""
    sha256: str = ""
    bytes: int = 0
    server: str = ""
    classes: tuple[str, ...] = ()


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
    of the class that has it, -1 without a valid score. n_rois: how many ROIs.
    """

    score: NDArray[np.float64]
    winner: Mapping[Precision, NDArray[np.intp]]
    n_rois: NDArray[np.int64]


@dataclass(frozen=True)
class RoiWinners:
    """The winning class of each ROI of a bin; arrays have one element per ROI, in the file's order.

    rois: ROI numbers. score, winner: as of Winners.
    """

    classes: tuple[str, ...]
    rois: NDArray[np.int64]
    score: NDArray[np.float64]
    winner: Mapping[Precision, NDArray[np.intp]]


# --- from a class-scores file to its winners ---


def read_score_file(bin_id: str, file: SourceFile) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """Read the label set and the scores of a score file of any kind, known by the end of its address.

    Returns (classes, scores): scores has the shape (ROIs, classes), NaN where a score is missing. Raises
    ScoresError, naming the bin, if the body is not a score file of this bin, with scores from 0 to 1. A dashboard's
    addresses all end with `.csv`: what a server sends never gets to the readers of binary files.
    """
    classes, _, scores = _read_packed(bin_id, file.body) if file.address.endswith(PACKED) else _read(bin_id, file.body)
    return classes, scores


def read_rois(bin_id: str, file: SourceFile) -> RoiWinners:
    """Find the winning class of each ROI in a score file of any kind. Raises ScoresError as `read_score_file` does."""
    if file.address.endswith(PACKED):
        classes, rois, scores = _read_packed(bin_id, file.body)
    else:
        classes, numbers, scores = _read(bin_id, file.body)
        try:
            rois = numbers.cast(pa.int64()).to_numpy()
        except pa.ArrowInvalid as error:
            raise ScoresError(f"bin {bin_id}: its class scores have a ROI number that is too large") from error
    return RoiWinners(classes, rois, *best_scores(scores))


def _read_packed(bin_id: str, body: bytes) -> tuple[tuple[str, ...], NDArray[np.int64], NDArray[np.float64]]:
    classes, rois, scores = read_packed(bin_id, body)
    _check_labels(bin_id, classes)
    _check_range(bin_id, classes, scores, lambda row: add_target(bin_id, int(rois[row])))
    return classes, rois, scores


def _read(bin_id: str, body: bytes) -> tuple[tuple[str, ...], pa.ChunkedArray, NDArray[np.float64]]:
    """Read the label set, the ROI numbers as they are written, and the scores of a `{bin}_class_scores.csv`."""
    if not body.strip():
        raise ScoresError(f"bin {bin_id}: not class scores: the file is empty")
    start = body.find(b"\n") + 1  # of the rows, which are not copied: a busy bin has 18 MB of them
    header = body[: start - 1] if start else body
    try:
        text = header.decode("utf-8-sig").rstrip("\r")
        if text.startswith(("pid", '"pid')):  # else it is something else altogether
            _check_separators(bin_id, text)
        names = next(csv.reader([text], strict=True), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise ScoresError(f"bin {bin_id}: the header of its class scores cannot be read ({error})") from None
    classes = tuple(names[1:])
    if not start or not classes or names[0] != "pid":
        raise ScoresError(
            f"bin {bin_id}: not class scores: the header is {header[:120]!r}, not a line of pid and classes"
        )
    _check_labels(bin_id, classes)
    if not body.endswith((b"\n", b"\r")) or b"\0" in body:
        raise ScoresError(f"bin {bin_id}: its class scores are truncated in a line, or hold a null character")
    if not re.compile(rb"\S").search(body, start):
        return classes, pa.chunked_array([], pa.string()), np.empty((0, len(classes)))
    _check_quotes(bin_id, body, start)
    try:
        table = pyarrow.csv.read_csv(
            pa.py_buffer(body).slice(start),
            read_options=pyarrow.csv.ReadOptions(
                use_threads=False, column_names=[str(i) for i in range(len(names))], block_size=BLOCK
            ),
            convert_options=_convert_options(len(classes)),
        )
    except pa.ArrowInvalid as error:
        why = _odd_line(body[start:], names) or str(error)
        raise ScoresError(f"bin {bin_id}: its class scores cannot be read: {why}") from None
    if not table.num_rows:
        raise ScoresError(f"bin {bin_id}: its class scores cannot be read: what follows the header is not a row")
    pids = table.column(0)
    numbers = _check_rois(bin_id, pids)
    scores = np.empty((table.num_rows, len(classes)))
    filled = 0
    for batch in table.to_batches():
        columns = pa.RecordBatch.from_arrays(batch.columns[1:], batch.schema.names[1:])
        scores[filled : filled + batch.num_rows] = columns.to_tensor(null_to_nan=True, row_major=True)
        filled += batch.num_rows
    _check_range(bin_id, classes, scores, lambda row: str(pids[row]))
    return classes, numbers, scores


def _check_separators(bin_id: str, header: str) -> None:
    try:
        refuse_other_separators(header)
    except ValueError as error:
        raise ScoresError(f"bin {bin_id}: its class scores cannot be read: {error}") from None


def _odd_line(rows: bytes, names: Sequence[str]) -> str:
    """Describe the first line with a wrong number of cells or a cell that is no number; empty if none is wrong."""
    lines = csv.reader(io.StringIO(rows.decode("utf-8", "replace"), newline=""))
    try:
        for row in lines:
            line = lines.line_num + 1  # that of the header is the first
            if row and len(row) != len(names):
                return f"line {line} has {miscounted(row, len(names))}"
            for label, cell in zip(names[1:], row[1:], strict=True) if row else ():
                try:
                    if cell not in MISSING and cell.strip().lower().lstrip("+-") not in ("inf", "nan"):
                        number(cell)
                except ValueError as error:
                    return f"line {line}, ROI {row[0]}, class {label!r}: {cell[:80]!r} is {error}"
    except csv.Error as error:
        return f"line {lines.line_num + 1}: {error}"
    return ""


def _check_labels(bin_id: str, classes: Sequence[str]) -> None:
    met = Counter(classes)
    odd = sorted(name for name, n in met.items() if not name or min(name) < " " or n > 1 or is_formula(name))
    if odd:
        raise ScoresError(
            f"bin {bin_id}: class labels that are empty or duplicate, hold control characters or begin like a "
            f"spreadsheet formula: {odd}"
        )


def _check_range(bin_id: str, classes: Sequence[str], scores: NDArray[np.float64], named: Callable[[int], str]) -> None:
    if scores.size and (np.fmin.reduce(scores, axis=None) < 0 or np.fmax.reduce(scores, axis=None) > 1):
        wrong = np.argwhere((scores < 0) | (scores > 1))
        row, column_at = wrong[0]
        raise ScoresError(
            f"bin {bin_id}: {counted(len(wrong), 'score')} outside 0 to 1, the first in "
            f"{named(row)}, class {classes[column_at]}: {scores[row, column_at]}"
        )


@lru_cache(maxsize=16)
def _convert_options(n_classes: int) -> pyarrow.csv.ConvertOptions:
    """Name columns by position, so that no label can be mistaken for another."""
    types = {"0": pa.string(), **{str(i): pa.float64() for i in range(1, n_classes + 1)}}
    return pyarrow.csv.ConvertOptions(column_types=types, null_values=MISSING)


def _check_quotes(bin_id: str, body: bytes, start: int) -> None:
    """Refuse quotes within a cell: the parser would read `"0."5` as 0.5."""
    if body.find(b'"', start) < 0:
        return
    text = np.frombuffer(body, np.uint8)
    quotes = np.flatnonzero(text[start:] == ord('"')) + start
    beside = (text[quotes - 1], text[quotes + 1])  # the last byte is the end of a line
    at_ends = np.isin(beside, list(b",\r\n")).any(axis=0)
    if not at_ends.all():
        raise ScoresError(f"bin {bin_id}: its class scores hold a quote within a cell, at byte {quotes[~at_ends][0]}")


def _check_rois(bin_id: str, pids: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the numbers in the ids, if they are those of different ROIs of this bin."""
    numbers = pc.utf8_slice_codeunits(pids, len(bin_id) + 1)
    own = pc.fill_null(pc.and_(pc.starts_with(pids, f"{bin_id}_"), pc.ascii_is_decimal(numbers)), False)
    if not pc.all(own).as_py():
        stranger = pids.filter(pc.invert(own))[0]
        raise ScoresError(f"bin {bin_id}: its class scores hold {stranger}, which is not a ROI of this bin")
    if pc.count_distinct(pc.ascii_ltrim(numbers, "0")).as_py() < len(pids):
        raise ScoresError(f"bin {bin_id}: its class scores have a duplicate ROI")
    return numbers


def best_scores(scores: NDArray[np.float64]) -> tuple[NDArray[np.float64], dict[Precision, NDArray[np.intp]]]:
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


def find_winners(scores: NDArray[np.float64]) -> Winners:
    """Reduce scores of the shape (ROIs, classes), NaN for missing ones, to the winners of the ROIs."""
    top, keys = best_scores(scores)
    order = np.lexsort((top, *reversed(keys.values())))
    rows = np.column_stack([*keys.values(), top])[order]
    first = np.ones(len(rows), dtype=bool)
    first[1:] = (rows[1:] != rows[:-1]).any(axis=1)
    starts = np.flatnonzero(first)
    return Winners(
        score=top[order][starts],
        winner={precision: key[order][starts] for precision, key in keys.items()},
        n_rois=np.diff(np.append(starts, len(rows))),
    )


def count_classes(
    classes: tuple[str, ...],
    winners: Winners,
    threshold: float,
    class_thresholds: Mapping[str, float],
    precision: Precision,
) -> NDArray[np.int64]:
    """Count the ROIs per class whose winning score reaches the class's threshold, in the order of `classes`.

    threshold: for classes that `class_thresholds` does not name. Both sides are rounded to `precision`
    and compared by `>=`. All other ROIs are unclassified.
    """
    if not classes:
        return np.zeros(0, dtype=np.int64)
    needed = _needed(classes, threshold, class_thresholds, precision)
    winner = winners.winner[precision]
    kept = (winner >= 0) & (winners.score.astype(precision) >= needed[winner])
    return np.bincount(winner[kept], weights=winners.n_rois[kept], minlength=len(classes)).astype(np.int64)


def _needed(
    classes: tuple[str, ...], threshold: float, class_thresholds: Mapping[str, float], precision: Precision
) -> NDArray[np.floating[Any]]:
    """Give the score that each class needs, rounded to `precision`."""
    if not class_thresholds:
        return np.full(len(classes), threshold, dtype=precision)
    return np.array([class_thresholds.get(name, threshold) for name in classes]).astype(precision)


def classify_rois(
    rois: RoiWinners, threshold: float, class_thresholds: Mapping[str, float], precision: Precision
) -> list[str]:
    """Name the class of each ROI, UNCLASSIFIED below its threshold, as `count_classes` counts them."""
    needed = _needed(rois.classes, threshold, class_thresholds, precision)
    winner = rois.winner[precision]
    kept = (winner >= 0) & (rois.score.astype(precision) >= needed[winner])
    return [rois.classes[i] if keep else UNCLASSIFIED for i, keep in zip(winner, kept, strict=True)]


# --- the summary file ---


def summarize_scores(source: ScoreReader, bin_id: str, path: str | Path, record_failures: bool) -> Provenance:
    """Read a bin's class scores from the source and write its scores summary to `path`.

    A bin whose scores are unavailable raises ScoresError, or is written down as `failed` with `record_failures`.
    """
    classes: tuple[str, ...] = ()
    winners = find_winners(np.empty((0, 0)))
    address = ""
    try:
        file = source.read_scores(bin_id)
        if file is None:
            provenance = Provenance(bin_id, ScoresStatus.NO_SCORES, source.missing_reason(bin_id))
        else:
            address = file.address
            classes, scores = read_score_file(bin_id, file)
            winners = find_winners(scores)
            provenance = Provenance(bin_id, ScoresStatus.READ, **_origin(file), classes=classes)
    except ScoresError as error:
        message = str(error) if not address or address in str(error) else f"{error} ({address})"
        if not record_failures:
            raise ScoresError(message) from error
        log.error(f"{message}: recorded as failed")
        # A message may quote what the file holds; the ledger has one line per bin.
        reason = "".join(c if c.isprintable() else "?" for c in message)
        provenance = Provenance(bin_id, ScoresStatus.FAILED, reason, address)
    write_summary(provenance, winners, path, made_of(source, bin_id))
    return provenance


def made_of(source: ScoreReader, bin_id: str) -> str:
    """Return a checksum of what decides which scores a summary holds: the version of summaries and the source."""
    return proof.digest(VERSION, source.scores_identity_of(bin_id))


def proves_itself(source: ScoreReader, bin_id: str, path: str | Path) -> bool:
    """Tell whether a file is the summary that `summarize_scores` would make, without asking the source."""
    found = proof.of_parquet(path)
    said = _said(found)
    if said is None or said.bin != bin_id:
        return False
    if proof.KEY not in found:  # made before summaries said it
        return source.would_tell(bin_id, said.address or said.reason)
    return proof.holds(found[proof.KEY], made_of(source, bin_id))


def _said(metadata: Mapping[str, bytes]) -> Provenance | None:
    try:
        return _provenance(json.loads(metadata["ifcb"]))
    except (LookupError, TypeError, ValueError):
        return None


def _provenance(said: dict[str, Any]) -> Provenance:
    return Provenance(**{**said, "status": ScoresStatus(said["status"]), "classes": tuple(said["classes"])})


def read_provenance(path: str | Path) -> Provenance | None:
    """Read what a scores summary was made from, without its rows; None if it is not a summary."""
    return _said(proof.of_parquet(path))


def _origin(file: SourceFile) -> dict[str, Any]:
    digest = sha256(file.body).hexdigest()
    return {"address": file.address, "sha256": digest, "bytes": len(file.body), "server": file.server}


def write_summary(provenance: Provenance, winners: Winners, path: str | Path, made_of: str = "") -> None:
    """Write a scores summary, as described at the top of this module. made_of: from the function `made_of`."""
    table = pa.table(
        {
            **winner_columns(provenance.classes, winners.score, winners.winner),
            "n_rois": pa.array(winners.n_rois, pa.int32()),
        }
    ).select(["class", "score", "n_rois", "class_float32", "class_float16"])
    table = table.replace_schema_metadata({"ifcb": json.dumps(vars(provenance)), proof.KEY: proof.statement(made_of)})
    with atomic_write(path) as unfinished:
        pq.write_table(
            table,
            unfinished,
            compression="lz4",
            use_dictionary=[name for name in table.column_names if name.startswith("class")],
            write_statistics=False,
            write_page_checksum=True,
        )


def read_summary(path: str | Path) -> tuple[Provenance, Winners]:
    """Read a scores summary. Raises ScoresError, naming the file, if it is not one."""
    try:
        # Small enough to be read in one piece; buffering ahead takes a third more time.
        table = pq.ParquetFile(path, page_checksum_verification=True, pre_buffer=False).read(use_threads=False)
        provenance = _provenance(json.loads(table.schema.metadata[b"ifcb"]))
        return provenance, _winners(table, provenance.classes)
    except (pa.ArrowException, OSError, LookupError, TypeError, ValueError) as error:
        raise ScoresError(f"{path}: not a scores summary ({error}); delete it to have the bin read again") from error


def winner_columns(
    classes: tuple[str, ...], score: NDArray[np.float64], winner: Mapping[Precision, NDArray[np.intp]]
) -> dict[str, pa.Array]:
    """Turn winners, as in Winners, into columns of a file. The top of this module says what they mean."""
    labels = pa.array(classes, pa.string())

    def named(indices: NDArray[np.intp], absent: NDArray[np.bool_]) -> pa.DictionaryArray:
        return pa.DictionaryArray.from_arrays(pa.array(indices, pa.int32(), mask=absent), labels)

    exact = winner["float64"]
    return {
        "class": named(exact, exact < 0),
        "score": pa.array(score, mask=exact < 0),
        "class_float32": named(winner["float32"], winner["float32"] == exact),
        "class_float16": named(winner["float16"], winner["float16"] == exact),
    }


def read_winner_columns(
    table: pa.Table, classes: tuple[str, ...]
) -> tuple[NDArray[np.float64], dict[Precision, NDArray[np.intp]]]:
    """Read score and winner, as in Winners, from the columns that `winner_columns` made."""
    position = {name: i for i, name in enumerate(classes)}

    def indices(column: str) -> NDArray[np.intp]:
        encoded = table.column(column).combine_chunks().dictionary_encode()
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


def _winners(table: pa.Table, classes: tuple[str, ...]) -> Winners:
    score, winner = read_winner_columns(table, classes)
    return Winners(score, winner, table.column("n_rois").to_numpy().astype(np.int64))
