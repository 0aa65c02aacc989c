"""Writes the nodes and edges of a graph as Parquet while they are read, whatever fields the records have."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ifcb_abundance.common.errors import quoted
from ifcb_abundance.stores.graph_files import Batch, GraphError, Scale

ROWS = 262_144  # of a row group
ARROW_FAULTS = (pa.ArrowException, OverflowError, TypeError, ValueError)
NODES = ("id", "neuron_id", "z", "y", "x", "voxel_z", "voxel_y", "voxel_x")  # the columns that come first
EDGES = ("u", "v")


class TableWriter:
    """Writes batches of columns to a Parquet file. A column may come late, or change its type on the way.

    What was written before is then written anew when the table is closed. Use it in a `with` statement.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._waiting: list[pa.Table] = []
        self._parts: list[Path] = []
        self._writer: pq.ParquetWriter | None = None
        self._schema: pa.Schema | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            if self._writer:
                self._writer.close()
            for part in self._parts:
                part.unlink(missing_ok=True)

    def add(self, columns: Mapping[str, pa.Array]) -> None:
        """Add rows."""
        self._waiting.append(pa.table(dict(columns)))
        if sum(len(table) for table in self._waiting) >= ROWS:
            self._flush()

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        schema = self._schema
        for table in waiting:
            schema = merged(schema, table.schema)
        if self._writer is None or schema != self._schema:
            if self._writer:
                self._writer.close()
            self._parts.append(self.path.with_name(f"{self.path.name}.{len(self._parts)}"))
            self._writer = pq.ParquetWriter(self._parts[-1], schema, compression="zstd")
            self._schema = schema
        rows = pa.concat_tables([conformed(table, schema) for table in waiting])
        self._writer.write_table(rows, row_group_size=ROWS)

    def _finish(self) -> None:
        self._flush()
        if self._writer is None:
            return
        self._writer.close()
        if len(self._parts) == 1:
            self._parts.pop().replace(self.path)
            return
        with pq.ParquetWriter(self.path, self._schema, compression="zstd") as writer:
            for part in self._parts:
                with pq.ParquetFile(part) as file:
                    for group in range(file.num_row_groups):
                        writer.write_table(conformed(file.read_row_group(group), self._schema), row_group_size=ROWS)


def merged(one: pa.Schema | None, other: pa.Schema) -> pa.Schema:
    """A schema that holds what both do. Of two types that differ the wider one is taken, in the end text."""
    if one is None:
        return other
    types = {field.name: field.type for field in one}
    for field in other:
        types[field.name] = _wider(types[field.name], field.type) if field.name in types else field.type
    return pa.schema(types.items())


def _wider(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    if one == other or pa.types.is_null(other):
        return one
    if pa.types.is_null(one):
        return other
    if {one, other} == {pa.int64(), pa.uint64()}:
        return pa.uint64()
    numbers = (pa.int64(), pa.uint64(), pa.float64())
    return pa.float64() if one in numbers and other in numbers else pa.string()


def conformed(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The table in another schema, with nulls for columns that it lacks. Raises GraphError if a number is lost."""
    columns = []
    for field in schema:
        if field.name not in table.schema.names:
            columns.append(pa.nulls(len(table), field.type))
            continue
        column = table[field.name]
        try:
            columns.append(column if column.type == field.type else column.cast(field.type))
        except pa.ArrowException as error:
            if field.type != pa.string():
                raise GraphError(f"field {field.name} mixes numbers that no type holds exactly ({error})") from None
            columns.append(as_text(column.to_pylist()))
    return pa.table(columns, schema=schema)


def as_text(values: list[Any]) -> pa.Array:
    """Values of any kind as text; nulls stay nulls."""
    return pa.array([None if value is None else str(value) for value in values], pa.string())


def columns_of(records: list[dict[str, Any]]) -> dict[str, pa.Array]:
    """Turn records into columns, without `_id`. A field that a record has not is null there."""
    first = records[0]
    try:
        if sum(map(len, records)) != len(first) * len(records):
            raise KeyError
        return {name: _column([record[name] for record in records]) for name in first if name != "_id"}
    except KeyError:
        names = dict.fromkeys(name for record in records for name in record)
        return {name: _column([record.get(name) for record in records]) for name in names if name != "_id"}


def _column(values: list[Any]) -> pa.Array:
    try:
        column = pa.array(values)
        return as_text(values) if _has_empty_record(column.type) else column
    except ARROW_FAULTS:
        if all(value is None or (type(value) is int and 0 <= value < 2**64) for value in values):
            known = np.array([value or 0 for value in values], np.uint64)
            return pa.array(known, mask=np.array([value is None for value in values]))
        return as_text(values)


def _has_empty_record(kind: pa.DataType) -> bool:
    """Whether a type has a record without fields anywhere within, which Parquet cannot store."""
    if pa.types.is_struct(kind) and not kind.num_fields:
        return True
    return any(_has_empty_record(kind.field(number).type) for number in range(kind.num_fields))


def node_columns(batch: Batch, path: str, voxel_nm: Scale | None) -> dict[str, pa.Array]:
    """The columns of nodes: NODES first, then all other fields. Positions are in nm, voxel_* in voxels.

    A position that is NaN or infinite is none.

    voxel_nm: of the config (z, y, x), for nodes in nm. Raises GraphError, naming the file.
    """
    fields = columns_of(batch.records)
    result = {"id": _ids(fields, "id", path)}
    neuron = fields.pop("neuron_id", None)
    result["neuron_id"] = (
        pa.nulls(len(batch.records), pa.int64()) if neuron is None else _whole(neuron, "neuron_id", path)
    )
    centres = "center_z" in fields
    positions = {axis: _position(fields, f"center_{axis}" if centres else axis, path) for axis in "zyx"}
    scale = batch.scale or voxel_nm
    for number, axis in enumerate("zyx"):
        stored = positions[axis]
        result[axis] = pc.multiply(stored, batch.scale[number]) if batch.scale else stored
    for number, axis in enumerate("zyx"):
        if batch.scale:
            result[f"voxel_{axis}"] = positions[axis]
        else:
            whole = pc.divide(positions[axis], scale[number]) if scale else pa.nulls(len(batch.records), pa.float64())
            result[f"voxel_{axis}"] = whole
    return result | _rest(fields, NODES)


def edge_columns(batch: Batch, path: str) -> dict[str, pa.Array]:
    """The columns of edges: u and v first, then all other fields. Raises GraphError, naming the file."""
    fields = columns_of(batch.records)
    if "u" not in fields and "source" in fields:
        fields = {{"source": "u", "target": "v"}.get(name, name): column for name, column in fields.items()}
    return {"u": _ids(fields, "u", path), "v": _ids(fields, "v", path)} | _rest(fields, EDGES)


def _rest(fields: Mapping[str, pa.Array], own: tuple[str, ...]) -> dict[str, pa.Array]:
    """All other fields; one that is named like a column of ours has `stored_` before its name."""
    return {f"stored_{name}" if name in own else name: column for name, column in fields.items()}


def _ids(fields: dict[str, pa.Array], name: str, path: str) -> pa.Array:
    if name not in fields:
        raise GraphError(f"{path}: a record has no {name}: its fields are {quoted(fields)}. Check the path in graphs")
    column = _whole(fields.pop(name), name, path)
    if column.null_count:
        raise GraphError(f"{path}: {column.null_count} records have no {name}: each needs one")
    return column


def _whole(column: pa.Array, name: str, path: str) -> pa.Array:
    """Ids as 64-bit whole numbers."""
    if column.type in (pa.int64(), pa.uint64()):
        return column
    try:
        if pa.types.is_boolean(column.type) or pa.types.is_string(column.type):
            raise pa.ArrowInvalid("text")
        return column.cast(pa.int64())
    except pa.ArrowException:
        first = next(value for value in column.to_pylist() if value is not None)
        raise GraphError(
            f"{path}: {name} is a whole number of 64 bits, and {first!r} is none: correct the file"
        ) from None


def _position(fields: dict[str, pa.Array], name: str, path: str) -> pa.Array:
    if name not in fields:
        raise GraphError(
            f"{path}: a node has no {name}: its fields are {quoted(fields)}. Positions are center_z, center_y, "
            "center_x, or z, y, x"
        )
    try:
        stored = fields.pop(name).cast(pa.float64())
        return pc.if_else(pc.is_finite(stored), stored, pa.scalar(None, pa.float64()))
    except pa.ArrowException:
        raise GraphError(f"{path}: {name} of a node is no number: correct the file") from None


def batches_of(path: str | Path, names: list[str], rows: int = 1_048_576) -> Iterator[pa.RecordBatch]:
    """Columns of a Parquet file, in batches."""
    with pq.ParquetFile(path) as file:
        yield from file.iter_batches(rows, columns=names)
