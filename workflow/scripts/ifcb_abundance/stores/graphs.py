"""Reads a graph or skeletons, checks them, and says what they are.

Memory grows by some 30 bytes for each node and each edge. Nothing else is kept: tables are written
while files are read.
"""

import gc
import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ifcb_abundance.common.atomic_write import atomic_write
from ifcb_abundance.common.progress import Progress
from ifcb_abundance.common.words import counted
from ifcb_abundance.stores.graph_files import Batch, BrokenOffError, GraphError, Scale, read_bson, read_skeleton
from ifcb_abundance.stores.graph_tables import ROWS, TableWriter, batches_of, edge_columns, node_columns
from ifcb_abundance.stores.scatter import Shown, write_scatter
from ifcb_abundance.tables import table_files

VERSION = 2  # of what the rule writes; another one makes the files anew
QUANTILES = (0, 0.25, 0.5, 0.75, 0.9, 0.99, 1)
PIECE = 2**24  # bytes of a file, by which progress is counted
NODE_TYPES = {
    "id": pa.int64(),
    "neuron_id": pa.int64(),
    **dict.fromkeys(("z", "y", "x", "voxel_z", "voxel_y", "voxel_x"), pa.float64()),
}
BINS = 20  # of the histogram of merge scores
NAMED = 5  # ids that a message names

log = logging.getLogger("ifcb.graphs")

Ints = npt.NDArray[Any]


@dataclass(frozen=True)
class Wanted:
    """A graph of the config. voxel_nm: z, y, x. neuron: the only one that the scatter plots show."""

    nodes: str | None
    edges: str | None
    skeleton: str | None
    voxel_nm: list[float] | None
    sample: int
    seed: int
    neuron: int | None
    record_failures: bool

    @property
    def scale(self) -> Scale | None:
        """voxel_nm, typed."""
        return (self.voxel_nm[0], self.voxel_nm[1], self.voxel_nm[2]) if self.voxel_nm else None

    @property
    def path(self) -> str:
        """The file of nodes, for messages."""
        return str(self.skeleton or self.nodes)

    def files(self) -> Iterator[tuple[str, Iterator[Batch]]]:
        """The paths, nodes before edges, each with its batches."""
        if self.skeleton is not None:
            yield self.skeleton, read_skeleton(self.skeleton, self.scale)
        else:
            yield str(self.nodes), read_bson(str(self.nodes), "nodes")
            yield str(self.edges), read_bson(str(self.edges), "edges")


def read_graph(name: str, wanted: Mapping[str, Any], files: Mapping[str, str]) -> None:
    """Read a graph of the config and write its `nodes`, `edges`, `graph`, `dangling`, `html` and `svg`.

    Raises GraphError, naming the file: broken off (unless failures are recorded), of another shape, node ids that are
    there twice, skeletons with a cycle.
    """
    asked = Wanted(**wanted)
    with ExitStack() as written:
        nodes, edges, graph, dangling, page, drawing = (
            written.enter_context(atomic_write(files[each]))
            for each in ("nodes", "edges", "graph", "dangling", "html", "svg")
        )
        with _without_searches_for_garbage():
            broken = _copy(name, asked, nodes, edges)
        found = _Graph.of(asked, nodes, edges)
        found.connect(edges)
        if asked.skeleton is not None:
            found.refuse_cycles(asked.path, edges)
        table_files.write(found.dangling_table(), "dangling", dangling)
        entry = {"name": name, **found.described(), **_bounds(nodes), "merge_score_histogram": _histogram(edges)}
        entry["broken_off"] = broken
        graph.write_text(json.dumps(entry, indent=1) + "\n", encoding="utf-8")
        title = Shown(name, asked.sample, asked.seed, asked.neuron, lines=asked.skeleton is not None)
        write_scatter(title, nodes, edges, page, drawing)
    log.info(
        f"graph {name}: {counted(entry['n_nodes'], 'node')}, {counted(entry['n_edges'], 'edge')}, "
        f"{entry['dangling']:,} of them dangling, in {Path(files['graph']).parent}"
    )


@contextmanager
def _without_searches_for_garbage() -> Iterator[None]:
    """Millions of small records are made and dropped, none in a circle: looking for circles takes half of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _copy(name: str, asked: Wanted, nodes: Path, edges: Path) -> list[dict[str, Any]]:
    """Write the tables of nodes and edges; return the files that broke off, and what was kept of them."""
    broken = []
    with TableWriter(nodes) as node_table, TableWriter(edges) as edge_table:
        for path, file in asked.files():
            progress, kept = _Pieces(name, path), 0
            try:
                for batch in file:
                    if batch.kind == "nodes":
                        node_table.add(node_columns(batch, path, asked.scale))
                    else:
                        edge_table.add(edge_columns(batch, path))
                    kept += len(batch.records)
                    progress.reach(batch.byte)
            except BrokenOffError as error:
                if not asked.record_failures:
                    raise
                log.warning(
                    f"graph {name}: {error.path} breaks off at byte {error.byte}: {counted(kept, 'record')} kept"
                )
                broken.append({"file": error.path, "byte": error.byte, "records": kept})
        node_table.add({column: pa.array([], kind) for column, kind in NODE_TYPES.items()})
        edge_table.add({column: pa.array([], pa.int64()) for column in ("u", "v")})
    return broken


class _Pieces:
    """Says how far a file is read."""

    def __init__(self, name: str, path: str) -> None:
        pieces = (Path(path).stat().st_size if Path(path).exists() else 0) // PIECE
        self._said = 0
        self._progress = (
            Progress(f"graph {name}, pieces of 16 MB of {Path(path).name}", lambda: (pieces, pieces))
            if pieces
            else None
        )

    def reach(self, byte: int) -> None:
        """The file is read up to this byte."""
        if self._progress:
            self._progress.begin()
            if byte // PIECE > self._said:
                self._progress.step(byte // PIECE - self._said)
                self._said = byte // PIECE


@dataclass
class _Graph:
    """What is counted of a graph.

    ids: of all nodes, sorted. degree: how many ends of edges are at each. Edges are counted while `connect` reads them.
    """

    ids: Ints
    degree: npt.NDArray[np.int32]
    edges: int = 0
    self_loops: int = 0
    repeated: int = 0
    pairs: int = 0  # of two nodes, each counted once
    joins: int = 0  # that made one component of two
    dangling: list[pd.DataFrame] = field(default_factory=list)

    @classmethod
    def of(cls, asked: Wanted, nodes: Path, edges: Path) -> "_Graph":
        """The nodes of a table, with ids of a type that those of edges have too.

        Raises GraphError if there is no node, if an id is there twice, or if no type holds all ids.
        """
        kind = _type_of_ids(asked, nodes, edges)
        parts = [batch["id"].to_numpy().astype(kind, copy=False) for batch in batches_of(nodes, ["id"])]
        if not parts:
            raise GraphError(f"{asked.path}: there is no node: check the path in graphs")
        ids = np.concatenate(parts)
        del parts
        ids.sort()
        twice = ids[1:][ids[1:] == ids[:-1]]
        if twice.size:
            doubled = np.unique(twice)
            some = ", ".join(map(str, doubled[:NAMED])) + (" and others" if len(doubled) > NAMED else "")
            raise GraphError(f"{asked.path}: node ids that stand twice: {some}. Give each node an id of its own")
        return cls(ids, np.zeros(len(ids), np.int32))

    def connect(self, edges: Path) -> None:
        """Read the edges and count."""
        labels = np.arange(len(self.ids), dtype=np.int32)
        known, filled = np.empty(pq.read_metadata(edges).num_rows, np.int64), 0
        unknown: list[Ints] = []
        for batch in batches_of(edges, ["u", "v"]):
            ends = [batch[column].to_numpy().astype(self.ids.dtype, copy=False) for column in ("u", "v")]
            self.self_loops += int((ends[0] == ends[1]).sum())
            u, v = (self._index(each) for each in ends)
            whole = (u >= 0) & (v >= 0)
            if not whole.all():
                self._dangle(ends, u, v, ~whole)
                unknown.append(np.sort(np.stack([each[~whole] for each in ends], axis=1), axis=1))
                u, v = u[whole], v[whole]
            self.edges += len(whole)
            for end in (u, v):
                np.add.at(self.degree, end, 1)
            pairs = np.minimum(u, v).astype(np.int64) * len(self.ids) + np.maximum(u, v)
            known[filled : filled + len(pairs)] = pairs
            filled += len(pairs)
            labels = self._join(labels, u, v)
        del labels
        self._count_pairs(known[:filled], unknown)

    def _index(self, ids: Ints) -> Ints:
        """The place of each id among the nodes, -1 for none."""
        place = np.searchsorted(self.ids, ids)
        place[place == len(self.ids)] = 0
        place[self.ids[place] != ids] = -1
        return place

    def _dangle(self, ends: list[Ints], u: Ints, v: Ints, chosen: npt.NDArray[np.bool_]) -> None:
        missing = np.where(v[chosen] >= 0, "u", np.where(u[chosen] >= 0, "v", "u v"))
        rows = np.flatnonzero(chosen) + self.edges
        self.dangling.append(
            pd.DataFrame({"edge": rows, "u": ends[0][chosen], "v": ends[1][chosen], "missing": missing})
        )

    def _join(self, labels: npt.NDArray[np.int32], u: Ints, v: Ints) -> npt.NDArray[np.int32]:
        """Give one label to components that edges join. Only the labels that these edges touch are looked at."""
        touched, ends = np.unique(np.concatenate([labels[u], labels[v]]), return_inverse=True)
        n = len(touched)
        if not n:
            return labels
        graph = coo_array((np.ones(len(u), np.int8), (ends[: len(u)], ends[len(u) :])), shape=(n, n))
        count, component = connected_components(graph, directed=False)
        self.joins += n - count
        first = np.full(count, n, np.int64)
        np.minimum.at(first, component, np.arange(n))
        renamed = np.arange(len(labels), dtype=np.int32)
        renamed[touched] = touched[first[component]]
        return renamed[labels]

    def _count_pairs(self, pairs: Ints, unknown: list[Ints]) -> None:
        """Count the pairs of nodes, which are sorted in place, and those of edges that dangle."""
        pairs.sort()
        new = np.ones(len(pairs), bool)
        np.not_equal(pairs[1:], pairs[:-1], out=new[1:])
        self.repeated = len(pairs) - int(new.sum())
        for first in range(0, len(pairs), ROWS):
            one, other = np.divmod(pairs[first : first + ROWS], len(self.ids))
            self.pairs += int(((one != other) & new[first : first + ROWS]).sum())
        if unknown:
            ends = np.concatenate(unknown)
            self.repeated += len(ends) - len(np.unique(ends, axis=0))

    def dangling_table(self) -> pd.DataFrame:
        """The edges with an end that is no node."""
        return pd.concat(self.dangling, ignore_index=True) if self.dangling else table_files.empty("dangling")

    def described(self) -> dict[str, Any]:
        """The counts as plain values."""
        return {
            "n_nodes": len(self.ids),
            "n_edges": self.edges,
            "components": len(self.ids) - self.joins,
            "dangling": sum(map(len, self.dangling)),
            "self_loops": self.self_loops,
            "repeated": self.repeated,
            "smallest_id": int(self.ids[0]),
            "largest_id": int(self.ids[-1]),
            "degree": {
                str(q): float(value) for q, value in zip(QUANTILES, np.quantile(self.degree, QUANTILES), strict=True)
            },
        }

    def refuse_cycles(self, path: str, edges: Path) -> None:
        """Raise GraphError if edges form a cycle, which a skeleton has not; it names an edge that closes one."""
        if self.pairs == self.joins:
            return
        parent: dict[int, int] = {}

        def root(node: int) -> int:
            while (above := parent.get(node, node)) != node:
                parent[node] = parent.get(above, above)
                node = above
            return node

        met: set[tuple[int, int]] = set()
        for batch in batches_of(edges, ["u", "v"]):
            for u, v in zip(batch["u"].to_pylist(), batch["v"].to_pylist(), strict=True):
                pair = (min(u, v), max(u, v))
                if u == v or pair in met:
                    continue
                met.add(pair)
                if root(u) == root(v):
                    raise GraphError(
                        f"{path}: its edges form a cycle, which the edge from {u} to {v} closes: a skeleton is a tree. "
                        "Remove an edge of the cycle"
                    )
                parent[root(u)] = root(v)


def _type_of_ids(asked: Wanted, nodes: Path, edges: Path) -> type[np.int64 | np.uint64]:
    """The one type that ids are compared in: of two types NumPy would make floats, which are not exact."""
    columns = [(nodes, "id"), (edges, "u"), (edges, "v")]
    if all(pq.read_schema(table).field(name).type != pa.uint64() for table, name in columns):
        return np.int64
    for table, name in columns:
        span = _span(table, name)
        if span and span[0] < 0:
            raise GraphError(
                f"{asked.path}: there are ids of 2^63 and above, and {name} has {span[0]}, below 0: no type holds "
                "both. Give each node an id of 0 to 2^64-1"
            )
    return np.uint64


def _bounds(nodes: Path) -> dict[str, Any]:
    """Least and largest position along each axis, in nm and in voxels; null where no node has one."""
    result: dict[str, dict[str, list[float] | None]] = {}
    for unit, prefix in (("bounds_nm", ""), ("bounds_voxel", "voxel_")):
        result[unit] = {axis: _span(nodes, prefix + axis) for axis in "zyx"}
    return result


def _span(table: Path, column: str) -> list[float] | None:
    """The least and the largest value of a column but for NaN; None if there is none."""
    spans = [pc.min_max(batch[column]) for batch in batches_of(table, [column])]
    known = [span for span in spans if span["min"].is_valid and not np.isnan(span["min"].as_py())]  # else all are NaN
    low, high = ([span[end].as_py() for span in known] for end in ("min", "max"))
    return [min(low), max(high)] if low else None


def _histogram(edges: Path) -> dict[str, Any] | None:
    """How often merge scores fall between 0 and 1, or their least and largest; None where edges have none.

    NaN counts among the nulls.
    """
    schema = pq.read_schema(edges)
    if "merge_score" not in schema.names or schema.field("merge_score").type not in (pa.float64(), pa.int64()):
        return None
    low, high = _span(edges, "merge_score") or (0.0, 1.0)
    borders = np.linspace(min(0.0, low), max(1.0, high), BINS + 1)
    counts, nulls = np.zeros(BINS, np.int64), 0
    for batch in batches_of(edges, ["merge_score"]):
        scores = batch["merge_score"].drop_null().to_numpy(zero_copy_only=False)
        scores = scores[~np.isnan(scores)]
        nulls += len(batch) - len(scores)
        counts += np.histogram(scores, borders)[0]
    return {"borders": borders.round(12).tolist(), "counts": counts.tolist(), "nulls": nulls}
