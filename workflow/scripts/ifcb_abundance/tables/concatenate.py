"""Tables of the same columns are joined line by line."""

from collections.abc import Sequence
from pathlib import Path

from ifcb_abundance.common.atomic_write import atomic_write
from ifcb_abundance.common.errors import TableError
from ifcb_abundance.tables import table_files


def join_parts(table: str, parts: Sequence[str | Path], path: str | Path) -> None:
    """Write a table that is in parts, in their order, whole or not at all."""
    with atomic_write(path) as unfinished:
        concatenate(parts, table_files.columns(table), unfinished)


def concatenate(parts: Sequence[str | Path], columns: Sequence[str], whole: Path) -> None:
    """Join tables of the same columns, in order, in the file `whole`. Raises TableError if columns differ."""
    header = ",".join(columns)
    with whole.open("w", encoding="utf-8", newline="") as out:
        out.write(header + "\n")
        for part in parts:
            with Path(part).open(encoding="utf-8", newline="") as lines:
                found = lines.readline().rstrip("\n")
                if found != header:
                    raise TableError(
                        f"{part}: its columns are {found!r}, not {header!r}; delete it to have it made again"
                    )
                rows = lines.read()
                if rows and not rows.endswith("\n"):
                    raise TableError(f"{part}: it is truncated within a line; delete it to have it made again")
                out.write(rows)
