"""Reads graphs and skeletons from files, in batches of records: BSON, NML, and JSON of two shapes.

A file that breaks off gives what came before, then raises BrokenOffError. Sources: the BSON specification, read by
pymongo's `bson`; NML as webKnossos and Knossos write it; networkx's node-link JSON.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, NamedTuple
from xml.parsers import expat

from ifcb_abundance.common.errors import WorkflowInputError
from ifcb_abundance.common.extras import needed
from ifcb_abundance.common.lengths import NM

BATCH = 65_536  # elements of NML that are kept at a time
LEAST, MOST = 5, 2**25  # bytes of a record of BSON; MongoDB allows 2^24 and a little
_BLOCK = 2**22  # bytes of BSON that are decoded at a time
_PIECE = 2**20  # bytes of a file that are read at a time
Scale = tuple[float, float, float]


class GraphError(WorkflowInputError):
    """A file is no graph, or one that cannot be used; names the file and the remedy."""


class BrokenOffError(GraphError):
    """A file ends within a record, or is damaged there. byte: where."""

    def __init__(self, path: str, byte: int, within: str) -> None:
        super().__init__(
            f"{path} breaks off at byte {byte}{within}: copy the file again; or set on_failure: record, which keeps "
            "and counts what came before"
        )
        self.path, self.byte = path, byte


class Batch(NamedTuple):
    """Records of one kind.

    scale: nm of a voxel (z, y, x), where positions are in voxels; None: they are in nm. byte: how far the file is read.
    """

    kind: Literal["nodes", "edges"]
    records: list[dict[str, Any]]
    scale: Scale | None = None
    byte: int = 0


def read_bson(path: str, kind: Literal["nodes", "edges"]) -> Iterator[Batch]:
    """The records of a BSON file. Raises BrokenOffError after what came before, or GraphError.

    Many records are decoded at a time: `bson.decode_file_iter`, one at a time, takes half as long again.
    """
    bson = needed("bson", "pymongo", "Reading a graph in BSON")
    number, start, waiting, damaged = 0, 0, b"", False
    with _opened(path) as file:
        while not damaged and (piece := file.read(_BLOCK)):
            waiting += piece
            ends = _ends(waiting)
            try:
                records = bson.decode_all(waiting[: ends[-1]])
            except (bson.errors.BSONError, ValueError, KeyError):
                records = list(_before_damage(bson, waiting, ends))
            end = ends[len(records)]
            if records:
                yield Batch(kind, records, byte=start + end)
            number, start, waiting = number + len(records), start + end, waiting[end:]
            damaged = end < ends[-1] or _impossible(waiting)
    if damaged and not start:
        raise GraphError(f"{path}: this is no BSON: check the path of {kind}")
    if waiting:
        byte = start if damaged else start + len(waiting)
        raise BrokenOffError(path, byte, f", within record {number:,} from byte {start}")


def _ends(block: bytes) -> list[int]:
    """Where whole records end; 0 stands first. A record begins with its length."""
    ends, length = [0], len(block)
    while (
        ends[-1] + 4 <= length
        and LEAST <= (size := int.from_bytes(block[ends[-1] : ends[-1] + 4], "little")) <= length - ends[-1]
    ):
        ends.append(ends[-1] + size)
    return ends


def _impossible(rest: bytes) -> bool:
    """Whether these bytes begin no record, however many follow."""
    return len(rest) >= 4 and not LEAST <= int.from_bytes(rest[:4], "little") <= MOST


def _before_damage(bson: Any, block: bytes, ends: list[int]) -> Iterator[dict[str, Any]]:
    """The records of a block up to the first one that cannot be decoded."""
    for first, last in pairwise(ends):
        try:
            yield bson.decode(block[first:last])
        except (bson.errors.BSONError, ValueError, KeyError):
            return


def _opened(path: str) -> Any:
    try:
        return Path(path).open("rb", buffering=_PIECE)
    except OSError as error:
        raise GraphError(f"{path} cannot be read ({error.strerror}): check the path in graphs") from None


def read_skeleton(path: str, voxel_nm: Scale | None) -> Iterator[Batch]:
    """The nodes and edges of skeletons in NML or JSON.

    voxel_nm: of the config (z, y, x), for files in voxels that do not say it. Raises BrokenOffError after what came
    before, or GraphError.
    """
    with _opened(path) as file:
        start = file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith(b"<"):
        yield from _read_nml(path, voxel_nm)
    elif start[:1] in (b"{", b"["):
        yield from _read_json(path, voxel_nm)
    else:
        raise GraphError(f"{path}: this is neither NML nor JSON: skeleton is the path of one of these")


# --- NML ---


class _Nml:
    """What expat calls. Nodes and edges wait here until they are taken."""

    def __init__(self, path: str, voxel_nm: Scale | None) -> None:
        self.path, self.scale = path, voxel_nm
        self.nodes: list[dict[str, Any]] = []
        self.edges: list[dict[str, Any]] = []
        self.neuron: int | None = None
        self.within: list[str] = []
        self.parser = expat.ParserCreate()
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = self.end
        self.parser.StartDoctypeDeclHandler = self.refuse
        self.parser.EntityDeclHandler = self.refuse

    def refuse(self, *_: Any) -> None:
        raise GraphError(f"{self.path}: it declares a document type or entities, which are not read: remove them")

    def start(self, name: str, given: dict[str, str]) -> None:
        if not self.within and name != "things":
            raise GraphError(f"{self.path}: its first element is <{name}>, that of NML is <things>")
        self.within.append(name)
        try:
            if name == "thing":
                self.neuron = int(given["id"])
            elif name == "node" and "thing" in self.within:
                rest = {key: _value(text) for key, text in given.items() if key not in ("id", "z", "y", "x")}
                position = {axis: float(given[axis]) for axis in "zyx"}
                self.nodes.append({"id": int(given["id"]), "neuron_id": self.neuron, **position, **rest})
            elif name == "edge" and "thing" in self.within:
                rest = {key: _value(text) for key, text in given.items() if key not in ("source", "target")}
                self.edges.append({"u": int(given["source"]), "v": int(given["target"]), **rest})
            elif name == "scale" and self.within[:-1] == ["things", "parameters"]:
                unit = NM.get(given.get("unit", "nm"))
                if unit is None:
                    raise ValueError(given["unit"])
                z, y, x = (float(given[axis]) * float(unit) for axis in "zyx")
                self.scale = (z, y, x)
        except (KeyError, ValueError) as error:
            byte = self.parser.CurrentByteIndex
            raise GraphError(
                f"{self.path}: <{name}> at byte {byte} cannot be used ({error}): correct the file"
            ) from None

    def end(self, _: str) -> None:
        self.within.pop()


def _value(text: str) -> int | float | bool | str:
    """An attribute as the number or truth value that it says."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return {"true": True, "false": False}.get(text, text)


def _read_nml(path: str, voxel_nm: Scale | None) -> Iterator[Batch]:
    nml = _Nml(path, voxel_nm)
    with _opened(path) as file:
        while True:
            piece = file.read(_PIECE)
            try:
                nml.parser.Parse(piece, not piece)
            except expat.ExpatError:
                broken = BrokenOffError(path, nml.parser.ErrorByteIndex, "")
                if not nml.within:
                    raise GraphError(f"{path}: this is no NML (byte {broken.byte}): check the path") from None
                yield from _taken(nml)
                raise broken from None
            if not piece or len(nml.nodes) + len(nml.edges) >= BATCH:
                yield from _taken(nml)
            if not piece:
                return


def _taken(nml: _Nml) -> Iterator[Batch]:
    if nml.nodes and nml.scale is None:
        raise GraphError(f"{nml.path}: it has no <scale>: set voxel_nm: [z, y, x]")
    for kind, records in (("nodes", nml.nodes), ("edges", nml.edges)):
        if records:
            yield Batch(kind, records.copy(), nml.scale, nml.parser.CurrentByteIndex)  # type: ignore[arg-type]
            records.clear()


# --- JSON ---

_SHAPES = (
    "accepted are networkx's node-link JSON ({nodes: [{id, z, y, x}], edges or links: [{source, target}]}, in nm) and "
    "{neuron id: {nodes: [{id, z, y, x}], edges: [[u, v]]}}, in voxels"
)


@dataclass(frozen=True)
class _Tree:
    nodes: list[dict[str, Any]]
    edges: list[Any]


def _read_json(path: str, voxel_nm: Scale | None) -> Iterator[Batch]:
    with _opened(path) as file:
        text = file.read().decode("utf-8-sig", "replace")
    broken = None
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        kept = _whole_part(text[: error.pos])
        if kept is None:
            raise GraphError(f"{path}: this is no JSON ({error}): check the path") from None
        content = kept
        broken = BrokenOffError(path, len(text[: error.pos].encode()), "")
    if not isinstance(content, dict) or not content:
        raise GraphError(f"{path}: JSON of another shape: {_SHAPES}")
    if isinstance(content.get("nodes"), list):
        edges = content.get("edges", content.get("links", [] if broken else None))
        yield from _batches(_Tree(content["nodes"], _edges(path, edges)), path, None)
    else:
        if voxel_nm is None:
            _check_trees(path, content)
            raise GraphError(f"{path}: its positions are in voxels: set voxel_nm: [z, y, x]")
        for tree in _check_trees(path, content, partial=broken is not None):
            yield from _batches(tree, path, voxel_nm)
    if broken:
        raise broken


def _whole_part(text: str) -> Any | None:
    """What was complete of a JSON text that breaks off: up to the last bracket that closes, with all others closed."""
    open_brackets: list[str] = []
    cut = None
    for found in re.finditer(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', text):
        mark = found[0]
        if mark in "[{":
            open_brackets.append("]" if mark == "[" else "}")
        elif mark in "]}" and open_brackets:
            open_brackets.pop()
            cut = (found.end(), "".join(reversed(open_brackets)))
    if cut is None:
        return None
    try:
        return json.loads(text[: cut[0]] + cut[1])
    except ValueError:
        return None


def _check_trees(path: str, content: dict[str, Any], partial: bool = False) -> list[_Tree]:
    """`{id: {nodes, edges}}` as trees whose nodes have a neuron_id."""
    trees = []
    for neuron, tree in content.items():
        good = isinstance(tree, dict) and isinstance(tree.get("nodes", [] if partial else None), list)
        if not good or not re.fullmatch("-?[0-9]{1,19}", neuron):
            raise GraphError(f"{path}: JSON of another shape, at key {neuron!r}: {_SHAPES}")
        nodes = tree.get("nodes", [])
        nodes = [{**node, "neuron_id": int(neuron)} if isinstance(node, dict) else node for node in nodes]
        trees.append(_Tree(nodes, _edges(path, tree.get("edges", [] if partial else None))))
    return trees


def _edges(path: str, edges: Any) -> list[dict[str, Any]]:
    """Edges as pairs of ids, or as mappings of source and target, or of u and v."""
    if not isinstance(edges, list):
        raise GraphError(f"{path}: JSON of another shape, without a list of edges: {_SHAPES}")
    result = []
    for edge in edges:
        if isinstance(edge, list) and len(edge) == 2:
            result.append({"u": edge[0], "v": edge[1]})
        elif isinstance(edge, dict) and {"source", "target"} <= edge.keys():
            rest = {key: value for key, value in edge.items() if key not in ("source", "target")}
            result.append({"u": edge["source"], "v": edge["target"], **rest})
        elif isinstance(edge, dict) and {"u", "v"} <= edge.keys():
            result.append(edge)
        else:
            raise GraphError(f"{path}: JSON of another shape, with the edge {str(edge)[:80]}: {_SHAPES}")
    return result


def _batches(tree: _Tree, path: str, scale: Scale | None) -> Iterator[Batch]:
    for node in tree.nodes:
        if not isinstance(node, dict):
            raise GraphError(f"{path}: JSON of another shape, with the node {str(node)[:80]}: {_SHAPES}")
    if tree.nodes:
        yield Batch("nodes", tree.nodes, scale)
    if tree.edges:
        yield Batch("edges", tree.edges, scale)
