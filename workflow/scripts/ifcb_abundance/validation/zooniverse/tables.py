"""Write tables whose columns are known only with the last row: rows wait in a file, not in memory."""

import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ifcb_abundance.common.atomic_write import atomic_write
from ifcb_abundance.validation.zooniverse.cells import safe, written

FORMAT = "5.3.1"  # the version of panoptes_aggregation that has these columns and values
FRONT = ("data.choice", "data.total_vote_count", "data.choice_count")


class GrowingTable:
    """A CSV file of given columns and of data columns that rows add; these are alphabetical, choice first."""

    def __init__(self, path: Path, columns: Sequence[str], data: Sequence[str] = ()) -> None:
        self.path, self.columns = path, tuple(columns)
        self._places: dict[str, int] = {name: place for place, name in enumerate(("aggregation_version", *data))}
        self._waiting = path.with_name(f".{path.name}.rows")
        self._file = self._waiting.open("w", encoding="utf-8", newline="")
        self._writer = csv.writer(self._file, lineterminator="\n")
        self.rows = 0

    def add(self, given: Sequence[str], data: Mapping[str, Any]) -> None:
        """Add a row; `given` are cells that spreadsheets do not run."""
        places = self._places
        cells = [""] * len(places)
        cells[0] = FORMAT
        for name, value in data.items():
            text = written(value)
            place = places.get(name)
            if place is None:
                places[name] = len(cells)
                cells.append(text)
            else:
                cells[place] = text
        self._writer.writerow([*given, *cells])
        self.rows += 1

    def finish(self) -> Path:
        """Put the complete table in its place."""
        self._file.close()
        names = [f"data.{name}" for name in self._places]
        front = [name for name in FRONT if name in names]
        order = [*front, *(name for name in sorted(names) if name not in front)]
        start = len(self.columns)
        places = [*range(start), *(start + names.index(name) for name in order)]
        full = start + len(names)
        with (
            atomic_write(self.path) as unfinished,
            unfinished.open("w", encoding="utf-8", newline="") as file,
            self._waiting.open(encoding="utf-8", newline="") as waiting,
        ):
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow([*self.columns, *order])
            for cells in csv.reader(waiting):
                cells += [""] * (full - len(cells))
                writer.writerow([cells[place] for place in places])
        return self.path

    def close(self) -> None:
        """Remove the waiting rows."""
        self._file.close()
        self._waiting.unlink(missing_ok=True)


@contextmanager
def growing_table(path: Path, columns: Sequence[str], data: Sequence[str] = ()) -> Iterator[GrowingTable]:
    """A GrowingTable that removes its temporary files."""
    table = GrowingTable(path, columns, data)
    try:
        yield table
    finally:
        table.close()


class Rejected:
    """What could not be read: rejected_{name}.csv, with a line for each row and task, and why."""

    COLUMNS = ("line", "classification_id", "task", "extractor", "reason")

    def __init__(self, path: Path, verbose: bool = False) -> None:
        self.path, self.verbose = path, verbose
        self.rows: list[tuple[int, str, str, str, str]] = []

    def add(self, line: int, classification: str, task: str, extractor: str, reason: str) -> None:
        """Add a row of a file, or one task of it."""
        self.rows.append((line, classification, task, extractor, reason))
        if self.verbose:
            print(f"line {line}, classification {classification}, {task or 'the whole row'}: {reason}")

    def write(self, keep: str | None = None) -> None:
        """Write them, by line. keep: a reducer's name; lines in the file that are not of this reducer stay.

        `extract` and `reduce` may have the same name, as in the reference's manual, and each has rows to report.
        """
        others: list[list[str]] = []
        if keep is not None:
            self.rows = [(*row[:4], f"{keep}: {row[4]}") for row in self.rows]
            others = [row for row in _rows(self.path) if len(row) == 5 and not row[4].startswith(f"{keep}: ")]
        with atomic_write(self.path) as unfinished, unfinished.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(self.COLUMNS)
            writer.writerows(others)
            writer.writerows([safe(str(cell)) for cell in row] for row in sorted(self.rows))

    def told(self, what: str) -> str:
        """Their number in words; empty without any."""
        if not self.rows:
            return ""
        lines = len({row[0] for row in self.rows})
        return f"{lines:,} {'row' if lines == 1 else 'rows'} of {what} could not be used: see {self.path}"


def most_frequent(rows: Sequence[tuple[int, str, str, str, str]]) -> str:
    """The most frequent reason of rejected rows, at least one, in words."""
    reason, times = Counter(row[4] for row in rows).most_common(1)[0]
    return f"Most frequent reason ({times:,}): {reason}"


def _rows(path: Path) -> list[list[str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.reader(file))[1:]
    except (OSError, UnicodeDecodeError, csv.Error):
        return []
