"""CSV files that others wrote: read strictly, so that damage is an error and never another value."""

import csv
import io
import math
import re
from collections import Counter

# What spreadsheets run when they open a CSV file: cells that begin so, also after the other separator that they know.
_FORMULA = re.compile(r"(^|;)\s*[=+\-@\uff1d\uff0b\uff0d\uff20]")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


def read_columns(body: bytes) -> dict[str, list[str]]:
    """The columns of a CSV file in UTF-8, as text, by their names; empty lines and nameless columns are left out.

    Raises ValueError for anything that could be read in two ways: a name that is there twice, a row that does not
    have the header's number of cells, text behind a closing quote.
    """
    lines = csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True)
    try:
        header, *rows = (row for row in lines if row)
    except csv.Error as error:
        raise ValueError(f"line {lines.line_num}: {error}") from None
    except ValueError:
        raise ValueError("it has no header") from None
    twice = [name for name, times in Counter(header).items() if name and times > 1]
    if twice:
        raise ValueError(f"column {twice[0]!r} is there twice")
    for number, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise ValueError(f"line {number} has {len(row)} cells, not {len(header)}: {','.join(row)[:80]!r}")
    columns = zip(*rows, strict=True) if rows else [()] * len(header)
    return {name: list(cells) for name, cells in zip(header, columns, strict=True) if name}


def number(text: str) -> float:
    """The number that is written in decimal digits. Raises ValueError for all else: inf, nan, 0x1, 1_0, 1e400."""
    value = float(text) if _NUMBER.fullmatch(text.strip(" ")) else math.nan
    if not math.isfinite(value):
        raise ValueError("not a number")
    return value


def is_formula(text: str) -> bool:
    """Whether a spreadsheet would run the text if it were a cell of a CSV file."""
    return _FORMULA.search(text) is not None
