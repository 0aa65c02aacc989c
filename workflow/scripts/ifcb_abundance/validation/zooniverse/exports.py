"""Read exports and tables line by line as records of cells: a broken record does not affect the next one."""

import csv
import json
import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from ifcb_abundance.common.errors import TableError

LONGEST = 1000  # lines of one record at most; an open quote then loses only its own line
_MISSING = ("", "NA")  # R writes NA where there is nothing
_DIGITS = re.compile(r"\d{1,18}")
_VERSION = re.compile(r"(\d{1,9})\.(\d{1,9})")


class Record(NamedTuple):
    """A record of a CSV file: its first line (the header's is 1), where it is in the file, and its cells.

    problem: why the cells cannot be used; empty if they can.
    """

    line: int
    offset: int
    size: int
    cells: list[str]
    problem: str


@dataclass(frozen=True)
class Table:
    """A CSV file with a header, in UTF-8 with or without a byte-order mark."""

    path: Path
    header: tuple[str, ...]
    begin: int  # where the first record is, in bytes
    line: int  # and in lines
    size: int

    def columns(self, names: Sequence[str]) -> tuple[int, ...]:
        """Where the columns are. Raises TableError if one is missing or duplicate."""
        missing = [name for name in names if name not in self.header]
        if missing:
            there = ", ".join(name for name in self.header if name)[:300]
            raise TableError(f"{self.path} has no column {missing[0]!r}; its columns are: {there}")
        twice = [name for name in names if self.header.count(name) > 1]
        if twice:
            raise TableError(f"{self.path} has a duplicate column {twice[0]!r}")
        return tuple(self.header.index(name) for name in names)

    def records(self) -> Iterator[Record]:
        """All records, in order; empty lines are skipped."""
        held: deque[bytes] = deque()
        line, offset, width = self.line, self.begin, len(self.header)
        with self.path.open("rb") as file:
            file.seek(offset)
            while raw := held.popleft() if held else file.readline():
                taken = 1
                if raw.count(b'"') % 2:
                    raw, taken = _joined(raw, held, file, width)
                if raw.strip():
                    cells, problem = parsed(raw, width)
                    yield Record(line, offset, len(raw), cells, problem)
                line += taken
                offset += len(raw)


def open_table(path: str | Path) -> Table:
    """The table at `path`. Raises TableError if it cannot be read or has no header."""
    path = Path(path)
    csv.field_size_limit(2**31 - 1)
    try:
        with path.open("rb") as file:
            raw, line = file.readline(), 1
            while raw.count(b'"') % 2 and line < LONGEST and (more := file.readline()):
                raw, line = raw + more, line + 1
            size = path.stat().st_size
    except OSError as error:
        raise TableError(f"{path} cannot be read: {error.strerror or error}") from None
    try:
        header = next(csv.reader([raw.decode("utf-8-sig")], strict=True), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise TableError(f"{path} is not a CSV file in UTF-8: {error}") from None
    if not any(header):
        raise TableError(f"{path} is empty: it has no header")
    return Table(path, tuple(header), len(raw), line + 1, size)


def _joined(first: bytes, held: deque[bytes], file: BinaryIO, width: int) -> tuple[bytes, int]:
    """A record that continues over several lines, and their number; or only the first line if they are not a record."""
    lines = [first]
    while len(lines) < LONGEST and (more := held.popleft() if held else file.readline()):
        lines.append(more)
        if more.count(b'"') % 2:
            whole = b"".join(lines)
            if not parsed(whole, width)[1]:
                return whole, len(lines)
            break
    held.extendleft(reversed(lines[1:]))
    return first, 1


def parsed(raw: bytes, width: int) -> tuple[list[str], str]:
    """The cells of a record, and what is wrong with them."""
    try:
        cells = next(csv.reader((raw.decode(),), strict=True))
    except UnicodeDecodeError:
        return [], "it is not UTF-8"
    except (csv.Error, StopIteration) as error:
        return [], f"its cells cannot be told apart: {error}"
    return cells, "" if len(cells) == width else f"it has {len(cells)} cells, not {width}"


def missing(cell: str) -> bool:
    """Whether the cell is empty."""
    return cell in _MISSING


def whole(cell: str, what: str) -> int:
    """A whole number. Raises ValueError, naming `what` it should have been."""
    if not _DIGITS.fullmatch(cell):
        raise ValueError(f"{what} {cell[:60]!r} is not a whole number")
    return int(cell)


def moment(cell: str) -> datetime:
    """A time; UTC if it does not say otherwise. Raises ValueError."""
    try:
        if len(cell) < 16:
            raise ValueError
        time = datetime.fromisoformat(cell.replace(" UTC", "+00:00"))
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"created_at {cell[:60]!r} is not a time such as 2024-02-23 16:17:42 UTC") from None


def from_json(cell: str, what: str) -> Any:
    """Parse JSON; NaN and Infinity are not JSON. Raises ValueError."""
    try:
        return json.loads(cell, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise ValueError(f"{what} are not JSON: {cell[:60]!r}") from None


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def version(text: str) -> tuple[int, int]:
    """A workflow's version, major and minor: 52.8 is not 52.80. Raises ValueError."""
    parts = _VERSION.fullmatch(text.strip())
    if not parts:
        raise ValueError(f"workflow_version {text[:60]!r} is not a version such as 52.76")
    return int(parts[1]), int(parts[2])


def bound(text: str, upper: bool) -> tuple[float, float]:
    """The lowest or highest version that `52` (all minor ones) or `52.76` includes. Raises ValueError."""
    if _DIGITS.fullmatch(text.strip()):
        return int(text), float("inf") if upper else 0
    return version(text)
