"""Join the parts of tables of volumes."""

from collections.abc import Sequence
from pathlib import Path

from ifcb_abundance.common.atomic_write import atomic_write
from ifcb_abundance.tables import table_files
from ifcb_abundance.tables.concatenate import concatenate


def join_rows(table: str, parts: Sequence[str | Path], path: str | Path) -> None:
    """Write the rows of all parts of a table, in the order of the parts."""
    with atomic_write(path) as unfinished:
        concatenate(parts, table_files.columns(table), unfinished)
