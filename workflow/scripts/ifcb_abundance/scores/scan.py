"""The scores that may win, found in a `{bin}_class_scores.csv` without reading all of its numbers.

Nearly all numbers of the file are far below the highest of their line. So only their first digits are looked at, all
together, and the few numbers that may win are read. Parsing all of them is most of what a bin costs, and takes half as
long again, or with few images three times as long. A file that differs in anything from the usual form is left to the
parser, which says what is wrong with it.
"""

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

# A number below 10 as Python writes it. One with an exponent is below 0.01.
NUMBER = r"[0-9](\.[0-9]+)?(e-(0[3-9]|[1-9][0-9]))?"
# Hundredths. Where the highest score of a line is below this, all its scores are read. Above it, scores that are equal
# in float16 differ by one hundredth at most, and none is written with an exponent.
CLEAR = 2
WHOLE = np.uint8(100)  # the hundredths of what does not begin with 0
UNCLEAR = 8  # if more than one in so many lines has no clear winner, the parser is faster

Scanned = tuple[NDArray[np.int64], NDArray[np.float64]]


def scan_scores(bin_id: str, body: bytes, n_classes: int) -> Scanned | None:
    """Read the ROI numbers, and of the scores, shape (ROIs, classes), those that may win; 0 in place of all others.

    A score may win if it is the highest of its line, or if it is equal to it in float16. body: with its header, which
    has been checked. None if the file has another form than scores as Python writes them, from 0 to 1, of different
    ROIs of this bin.
    """
    header = body.find(b"\n")
    quote = '"' if body[header + 1 : header + 2] == b'"' else ""
    prefix = f"{quote}{bin_id}_"
    if not _matches(rf"\A({re.escape(prefix)}[0-9]{{1,9}}{quote}(,{NUMBER})+\n)+\z", body, header + 1):
        return None
    text = np.frombuffer(body, np.uint8, offset=header)
    mark = text < ord("-")  # of what the pattern allows a comma, a line break and a quote
    if quote:
        mark &= text != ord(quote)
    marks = np.flatnonzero(mark)
    begins, ends = marks[:-1] + 1, marks[1:]
    n_lines, rest = divmod(len(ends), n_classes + 1)
    line_breaks = text.take(ends) == ord("\n")
    if rest or np.count_nonzero(line_breaks) > n_lines or not line_breaks[n_classes :: n_classes + 1].all():
        return None
    rois = _numbers(text, begins[:: n_classes + 1] + len(prefix), ends[:: n_classes + 1] - len(quote))
    leads = _hundredths(text, begins, ends).reshape(n_lines, -1)
    leads[:, 0] = 0  # which is no score
    highest = leads.max(axis=1)
    unclear = highest < CLEAR
    if np.count_nonzero(unclear) * UNCLEAR > n_lines or len(np.unique(rois)) < n_lines:
        return None
    may_win = leads >= np.where(unclear, 0, highest - 1)[:, np.newaxis]
    may_win[:, 0] = False
    at = np.flatnonzero(may_win)
    cells = zip((begins[at] + header).tolist(), (ends[at] + header).tolist(), strict=True)
    read = [float(body[begin:end]) for begin, end in cells]
    scores = np.zeros((n_lines, n_classes + 1))
    scores.reshape(-1)[at] = read
    return None if max(read) > 1 else (rois, scores[:, 1:])


def _matches(pattern: str, body: bytes, start: int) -> bool:
    """Whether the bytes from start on match a pattern of RE2, of which the body is not copied."""
    size = pa.py_buffer(np.array([0, len(body) - start]))
    text = pa.Array.from_buffers(pa.large_binary(), 1, [None, size, pa.py_buffer(body).slice(start)])
    return bool(pc.match_substring_regex(text, pattern)[0].as_py())


def _hundredths(text: NDArray[np.uint8], begins: NDArray[np.intp], ends: NDArray[np.intp]) -> NDArray[np.uint8]:
    """The hundredths of each number between these positions, WHOLE from 1 on; 0 if it has an exponent."""
    zero = np.uint8(ord("0"))
    whole = text.take(begins) != zero
    tenths, ones = text[2:].take(begins, mode="clip") - zero, text[3:].take(begins, mode="clip") - zero
    hundredths = (text[1:].take(begins) == ord(".")) * (tenths * np.uint8(10) + ones * (ones < 10))
    return np.where(whole, WHOLE, hundredths) * (text.take(ends - 4) != ord("e"))  # type: ignore[no-any-return]


def _numbers(text: NDArray[np.uint8], begins: NDArray[np.intp], ends: NDArray[np.intp]) -> NDArray[np.int64]:
    """The whole numbers that are written between these positions."""
    numbers = np.zeros(len(begins), np.int64)
    for place in range((ends - begins).max()):
        at = ends - 1 - place
        numbers += np.where(at < begins, 0, text.take(at).astype(np.int64) - ord("0")) * 10**place
    return numbers
