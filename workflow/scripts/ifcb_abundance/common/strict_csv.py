"""Read CSV files of others strictly, so that damage is an error and never another value."""

import csv
import io
import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from ifcb_abundance.common.errors import ConfigError, quoted
from ifcb_abundance.common.words import counted

# Spreadsheets run cells of a CSV file that begin so, also after the other separator that they know.
_RUN = r"[=+\-@\uff1d\uff0b\uff0d\uff20]"
_FORMULA = re.compile(rf"(^|;)\s*{_RUN}")
_ANY = re.compile(rf"(^|;)\s*'*{_RUN}", re.MULTILINE)
_BARE = re.compile(rf"((?:^|;)\s*)(?='*{_RUN})")
_GUARDED = re.compile(rf"((?:^|;)\s*)'(?='*{_RUN})")
_DECIMAL_COMMA = re.compile(r"(?:^|,)\s*([+-]?[0-9]+,[0-9]+)\s*(?=,|$)")
_NEGATIVE = re.compile(r"-([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


def read_columns(body: bytes) -> dict[str, list[str]]:
    """The columns of a CSV file in UTF-8, as text, by their names, without blanks around these; empty lines and
    nameless columns are skipped.

    Raises ValueError for anything that could be read in two ways: a duplicate name, a row that does not
    have the header's number of cells, text behind a closing quote. Semicolons, tabs and decimal commas, as spreadsheets
    of many languages write them, are named as what they are.
    """
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        raise ValueError(f"line {line} is not in UTF-8: save the file as CSV UTF-8") from None
    refuse_other_separators(text.lstrip().split("\n", 1)[0].rstrip())
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header, *rows = (row for row in lines if row)
    except csv.Error as error:
        raise ValueError(f"line {lines.line_num}: {error}") from None
    except ValueError:
        raise ValueError("it has no header") from None
    header = [name.strip() for name in header]
    twice = [name for name, times in Counter(header).items() if name and times > 1]
    if twice:
        raise ValueError(f"duplicate column {twice[0]!r}")
    for number, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise ValueError(f"line {number} has {miscounted(row, len(header))}")
    columns = zip(*rows, strict=True) if rows else [()] * len(header)
    return {name: list(cells) for name, cells in zip(header, columns, strict=True) if name}


def read_given(path: str | Path, where: str, needed: Iterable[str]) -> dict[str, list[str]]:
    """The columns of a CSV file that the config names. where: the key and the path, for messages.

    Raises ConfigError if the file cannot be read, is no CSV as `read_columns` wants it, or lacks a column.
    """
    try:
        columns = read_columns(Path(path).read_bytes())
    except OSError as error:
        raise ConfigError(f"{where} cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from None
    if missing := [name for name in needed if name not in columns]:
        raise ConfigError(f"{where} has no column {quoted(missing)}")
    return columns


def refuse_other_separators(header: str) -> None:
    """Raise ValueError if a table's first line has semicolons or tabs, and no commas, between its columns."""
    whole = header.count('"') % 2 == 0  # otherwise a name continues in the next line
    if whole and "," not in header and (other := re.search("[;\t]", header)):
        name = {";": "semicolons", "\t": "tabs"}[other[0]]
        raise ValueError(f"its columns are separated by {name}; commas are needed, and decimal points in numbers")


def miscounted(row: Sequence[str], needed: int) -> str:
    """The message for a row without the needed number of cells: `3 cells, not 2`, and the likely cause."""
    cells = ",".join(row)
    hint = ""
    if len(row) > needed:
        comma = _DECIMAL_COMMA.search(cells)
        hint = (
            f". Is {comma[1]} a number with a decimal comma? It needs a decimal point"
            if comma
            else ". Text that has a comma in it needs double quotes around it"
        )
    return f"{counted(len(row), 'cell')}, not {needed}: {cells[:80]!r}{hint}"


def number(text: str) -> float:
    """The number that is written in decimal digits. ValueError for anything else: inf, nan, 0x1, 1_0, 1e400, 0,5."""
    value = float(text) if _NUMBER.fullmatch(text.strip(" ")) else math.nan
    if not math.isfinite(value):
        comma = re.fullmatch(r"\s*[+-]?[0-9]*,[0-9]+\s*", text)
        raise ValueError("not a number" + (": use a decimal point, not a decimal comma" if comma else ""))
    return value


def is_formula(text: str) -> bool:
    """Whether a spreadsheet would run the text if it were a cell of a CSV file."""
    return _FORMULA.search(text) is not None


def any_formula(texts: Iterable[str]) -> bool:
    """Whether `guarded` or `unguarded` might change one of the texts; it is quick for many."""
    return _ANY.search("\n".join(texts)) is not None


def guarded(text: str) -> str:
    """The text as a cell that no spreadsheet runs: with an apostrophe before each place where a formula could begin.

    A negative number is none. `unguarded` returns the original text. Source: OWASP, CSV injection.
    """
    return text if _NEGATIVE.fullmatch(text) else _BARE.sub(r"\1'", text)


def unguarded(cell: str) -> str:
    """The original text of a cell that `guarded` made."""
    return _GUARDED.sub(r"\1", cell) if "'" in cell else cell
