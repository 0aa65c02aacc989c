"""Tables of files, written and read in blocks: a list of a million keys is never in memory as a whole."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ifcb_abundance.common.atomic_write import atomic_write
from ifcb_abundance.sources.objects import StoredObject
from ifcb_abundance.tables import table_files

BLOCK = 20_000  # rows
ONE_FILE = b"is_one_file"  # in the file's metadata: what was listed is one file, and no folder


def write_objects(pages: Iterable[list[StoredObject]], path: str | Path, is_one_file: Callable[[], bool]) -> None:
    """Write files as Parquet (table `inventory`), as pages of them come in.

    is_one_file: asked at the end; whether what was listed is one file, and no folder.
    """
    schema = table_files.arrow_schema("inventory")
    with atomic_write(path) as unfinished, pq.ParquetWriter(unfinished, schema, compression="zstd") as writer:
        for block in _blocks(pages):
            table = pa.table(list(zip(*block, strict=True)), schema=schema)
            table_files.check(table.to_pandas(), "inventory", str(path))
            writer.write_table(table)
        writer.add_key_value_metadata({ONE_FILE: str(int(is_one_file()))})


def read_objects(path: str | Path) -> Iterator[list[StoredObject]]:
    """Read what `write_objects` wrote, block by block."""
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(BLOCK):
            yield list(map(StoredObject, *(column.to_pylist() for column in batch.columns)))


def is_one_file(path: str | Path) -> bool:
    """Whether what was listed in `path` is one file, and no folder."""
    return bool((pq.read_metadata(path).metadata or {}).get(ONE_FILE) == b"1")


def _blocks(pages: Iterable[list[StoredObject]]) -> Iterator[list[StoredObject]]:
    block: list[StoredObject] = []
    for page in pages:
        block += page
        if len(block) >= BLOCK:
            yield block
            block = []
    if block:
        yield block
