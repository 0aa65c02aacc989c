"""Cells of the tables: lists in and out, and no cell that a spreadsheet would run."""

import ast
import json
import math
import re
from typing import TYPE_CHECKING, Any

from ifcb_abundance.common.strict_csv import guarded, is_formula

if TYPE_CHECKING:
    import pandas as pd

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
# What people typed, and what was made of it: text, even if it looks like a list.
TEXT_COLUMNS = ("data.text", "data.choice", "data.most_likely")


def written(value: Any) -> str:
    """The value as a cell: lists and dicts as JSON, None as an empty cell, text so that no spreadsheet runs it."""
    if value is None:
        return ""
    if isinstance(value, list | dict):
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        if not _is_utf_8(text):
            text = json.dumps(value, allow_nan=False)
        # All semicolons are inside strings. Behind one, some spreadsheets begin a new cell.
        return text.replace(";", "\\u003b") if ";" in text and is_formula(text) else text
    if isinstance(value, str):
        return safe(value if _is_utf_8(value) else value.encode("utf-8", "replace").decode())
    return str(value)


def _is_utf_8(text: str) -> bool:
    """Whether the text can be written; JSON may hold halves of characters."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def safe(text: str) -> str:
    """The text as a cell that no spreadsheet runs; a number stays as it is."""
    return guarded(text) if is_formula(text) and not _NUMBER.fullmatch(text) else text


def read(text: str) -> Any:
    """The list or dict that is written in a cell as JSON or as a Python literal; nothing is evaluated.

    Raises ValueError if it is neither.
    """
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        raise ValueError(f"{text[:60]!r} is neither JSON nor a Python literal") from None


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a number")


def number(value: Any, what: str) -> int | float:
    """A finite number that was written as one. Raises ValueError, naming `what` it should have been."""
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or abs(value) > 1e12:
        raise ValueError(f"{what} is {str(value)[:60]!r}, not a number")
    return value


def unjson_dataframe(frame: "pd.DataFrame") -> None:
    """Make lists and dicts of the cells that hold them, in place, in all columns whose name has `data.` in it.

    Reads tables of this program and of panoptes_aggregation. Other cells, and columns of typed text, stay as they are.
    """
    for name in frame.columns:
        if "data." not in str(name) or name in TEXT_COLUMNS:
            continue
        column = frame[name].astype(object)
        values = [_listed(value) for value in column]
        if any(isinstance(value, list | dict) for value in values):
            made = column.copy()
            for position, value in enumerate(values):
                made.iat[position] = value
            frame[name] = made


def _listed(value: Any) -> Any:
    if not isinstance(value, str) or value[:1] not in ("[", "{"):
        return value
    try:
        return read(value)
    except ValueError:
        return value
