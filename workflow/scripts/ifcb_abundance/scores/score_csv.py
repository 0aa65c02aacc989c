"""Class scores in CSV files: a column per class, or the winner alone.

`{bin}_class_scores.csv` is what a dashboard serves. syke-pic's `{bin}.prob.csv` has the ROI's number, `roi`, in place
of its id. iRfcb's and ClassiPyR's `{bin}.csv` has a line per image: `file_name`, `class_name` (the class by the
classifier's thresholds), `class_name_auto` (the winner), `score` (the winner's), and perhaps `cell_count`.
"""

import codecs
import csv
import io
import math
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from numpy.typing import NDArray

from ifcb_abundance.classes.labels import odd_labels
from ifcb_abundance.common.errors import ScoresError
from ifcb_abundance.common.strict_csv import miscounted, number, read_columns, refuse_other_separators
from ifcb_abundance.common.words import counted
from ifcb_abundance.scores.additions import NONE, cells_of, own_classes
from ifcb_abundance.scores.decide import More
from ifcb_abundance.scores.scan import scan_scores

BLOCK = 2**22  # bytes of a class-scores file that are parsed at a time
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)  # as spreadsheets begin what they call Unicode text
MISSING = ["", "nan", "NaN", "NA"]  # a score that is not there


Table = tuple[tuple[str, ...], pa.ChunkedArray | NDArray[np.int64], NDArray[np.float64]]


def read_csv(bin_id: str, body: bytes, every_score: bool = True) -> Table:
    """Read the label set, the ROI numbers (perhaps as they are written), and the scores of a `{bin}_class_scores.csv`.

    every_score: without it, scores that are not the highest of their ROI in any precision may be 0.
    """
    names, start = _read_header(bin_id, body)
    classes = tuple(names[1:])
    if not every_score and (scanned := scan_scores(bin_id, body, len(classes))):
        return classes, *scanned
    if not re.compile(rb"\S").search(body, start):
        return classes, pa.chunked_array([], pa.string()), np.empty((0, len(classes)))
    _check_quotes(bin_id, body, start)
    try:
        table = pyarrow.csv.read_csv(
            pa.py_buffer(body).slice(start),
            **_options(len(classes)),
        )
    except pa.ArrowInvalid as error:
        why = _odd_line(body[start:], names) or str(error)
        raise ScoresError(f"bin {bin_id}: its class scores cannot be read: {why}") from None
    if not table.num_rows:
        raise ScoresError(f"bin {bin_id}: its class scores cannot be read: what follows the header is not a row")
    pids = table.column(0)
    numbers = _check_rois(bin_id, pids)
    batches = table.to_batches()
    if len(batches) == 1:  # as of most bins: nothing is copied
        scores = _scores_of(batches[0])
    else:
        scores = np.empty((table.num_rows, len(classes)))
        filled = 0
        for batch in batches:
            scores[filled : filled + batch.num_rows] = _scores_of(batch)
            filled += batch.num_rows
    check_range(bin_id, classes, scores, lambda row: str(pids[row]))
    return classes, numbers, scores


def _read_header(bin_id: str, body: bytes) -> tuple[list[str], int]:
    """Read the names of the columns and where the rows begin, of a file that is not cut off."""
    if not body or body.isspace():
        raise ScoresError(f"bin {bin_id}: not class scores: the file is empty")
    start = body.find(b"\n") + 1  # of the rows, which are not copied: a busy bin has 18 MB of them
    header = body[: start - 1] if start else body
    if header.startswith(UTF_16):
        raise ScoresError(f"bin {bin_id}: its class scores are in UTF-16; save them in UTF-8")
    try:
        text = header.decode("utf-8-sig").rstrip("\r")
        if text.startswith(("pid", '"pid')):  # else it is something else altogether
            _check_separators(bin_id, text)
        names = next(csv.reader([text], strict=True), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise ScoresError(f"bin {bin_id}: the header of its class scores cannot be read ({error})") from None
    if not start or len(names) < 2 or names[0] != "pid":
        raise ScoresError(
            f"bin {bin_id}: not class scores: the header is {header[:120]!r}, not a line of pid and classes"
        )
    check_labels(bin_id, names[1:])
    if not body.endswith((b"\n", b"\r")) or b"\0" in body:
        raise ScoresError(f"bin {bin_id}: its class scores are truncated in a line, or hold a null character")
    return names, start


def _scores_of(batch: pa.RecordBatch) -> NDArray[np.float64]:
    """The scores in rows of Arrow whose first column is the ROI, NaN where one is missing; not to be written to."""
    columns = pa.RecordBatch.from_arrays(batch.columns[1:], batch.schema.names[1:])
    scores: NDArray[np.float64] = columns.to_tensor(null_to_nan=True, row_major=True).to_numpy()
    return scores


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


def check_labels(bin_id: str, classes: Sequence[str]) -> None:
    """Raise ScoresError for labels that cannot be told apart, or cannot stand in a table."""
    if odd := odd_labels(tuple(classes)):
        raise ScoresError(f"bin {bin_id}: class labels that cannot be used: {odd}")


def check_range(bin_id: str, classes: Sequence[str], scores: NDArray[np.float64], named: Callable[[int], str]) -> None:
    """Raise ScoresError for scores outside 0 to 1. named: the ROI of a row, for the message."""
    if scores.size and (np.fmin.reduce(scores, axis=None) < 0 or np.fmax.reduce(scores, axis=None) > 1):
        wrong = np.argwhere((scores < 0) | (scores > 1))
        row, column_at = wrong[0]
        raise ScoresError(
            f"bin {bin_id}: {counted(len(wrong), 'score')} outside 0 to 1, the first in "
            f"{named(row)}, class {classes[column_at]}: {scores[row, column_at]}"
        )


@lru_cache(maxsize=16)
def _options(n_classes: int) -> dict[str, Any]:
    """Name columns by position, so that no label can be mistaken for another."""
    names = [str(i) for i in range(n_classes + 1)]
    types = {name: pa.float64() for name in names} | {"0": pa.string()}
    return {
        "read_options": pyarrow.csv.ReadOptions(use_threads=False, column_names=names, block_size=BLOCK),
        "convert_options": pyarrow.csv.ConvertOptions(column_types=types, null_values=MISSING),
    }


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


def read_prob_csv(bin_id: str, body: bytes, every_score: bool = True) -> Table:
    """Read a `{bin}.prob.csv` as `read_csv` reads its files: each ROI's number becomes its id."""
    start = 3 if body.startswith(b"\xef\xbb\xbf") else 0
    if not body[start:].startswith((b"roi,", b'"roi",')):
        raise ScoresError(
            f"bin {bin_id}: not class probabilities: the header is {body[:80]!r}, not a line of roi and classes"
        )
    header, end, rows = body[start:].partition(b"\n")
    rows = re.sub(rb"(?m)^(?=[0-9])", f"{bin_id}_".encode(), rows)
    return read_csv(bin_id, b"pid" + header[header.index(b",") :] + end + rows, every_score)


def read_class_csv(bin_id: str, body: bytes) -> tuple[tuple[str, ...], NDArray[np.int64], NDArray[np.float64], More]:
    """Read the winners of a `{bin}.csv`: classes that won, ROI numbers, scores with only the winner's, and what else.

    Raises ScoresError, naming the bin and the line, if it is not such a file.
    """
    try:
        columns = read_columns(body)
        if missing := [name for name in ("file_name", "class_name_auto", "score") if name not in columns]:
            raise ValueError(f"it has no column {', '.join(missing)}")
        if not body.endswith((b"\n", b"\r")):
            raise ValueError("its last line does not end with a line break: it may have been cut short")
        rois = _rois_of_images(bin_id, columns["file_name"])
        winners = columns["class_name_auto"]
        stated = columns.get("class_name")
        classes = tuple(sorted({*winners, *(stated or ())} - set(NONE)))
        scores = np.full((len(rois), len(classes)), np.nan)
        at = own_classes(winners, classes, len(rois))
        for row, text in enumerate(columns["score"]):
            if text not in MISSING and at[row] >= 0:
                scores[row, at[row]] = number(text)
        counts = columns.get("cell_count")
        more = More(
            own=own_classes(stated, classes, len(rois)) if stated is not None else None,
            cells=cells_of([math.nan if text in MISSING else number(text) for text in counts], len(rois))
            if counts is not None
            else None,
        )
    except ValueError as error:
        raise ScoresError(f"bin {bin_id}: its classes cannot be read: {error}") from None
    return classes, rois, scores, more


def _rois_of_images(bin_id: str, names: Sequence[str]) -> NDArray[np.int64]:
    found = [re.fullmatch(rf"{re.escape(bin_id)}_([0-9]{{1,9}})(?:\.png)?", name) for name in names]
    strangers = [name for name, match in zip(names, found, strict=True) if not match]
    if strangers:
        raise ValueError(f"{strangers[0][:80]!r} is not an image of this bin")
    rois = np.array([int(match[1]) for match in found if match], dtype=np.int64)
    if len(np.unique(rois)) < len(rois):
        raise ValueError("it has a duplicate image")
    return rois
