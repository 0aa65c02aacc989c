"""Graphs and skeletons: every field and count, by files that are written here and by plain definitions."""

import json
from pathlib import Path
from typing import Any

import bson
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ifcb_abundance.stores import graph_files, graph_tables, graphs
from ifcb_abundance.stores.graph_files import GraphError
from tests.browser import chromium, opened
from tests.stores.array_files import made_data, unpack

KEYS = {"nodes": None, "edges": None, "skeleton": None, "voxel_nm": [40, 8, 4], "sample": 20000, "seed": 1}
ENDS = {"nodes": "parquet", "edges": "parquet", "graph": "json", "dangling": "csv", "html": "html", "svg": "svg"}


class Read:
    """What `read_graph` made of files."""

    def __init__(self, folder: Path, **wanted: Any) -> None:
        files = {name: str(folder / "out" / f"{name}.{end}") for name, end in ENDS.items()}
        keys = {**KEYS, "neuron": None, "record_failures": False, **wanted}
        graphs.read_graph("g", keys, files)
        self.folder = folder / "out"
        self.nodes, self.edges = (pq.read_table(files[name]) for name in ("nodes", "edges"))
        self.graph = json.loads(Path(files["graph"]).read_text())
        self.dangling = pd.read_csv(files["dangling"])


def write_bson(path: Path, records: list[dict[str, Any]]) -> str:
    path.write_bytes(b"".join(bson.encode({"_id": bson.ObjectId(), **record}) for record in records))
    return str(path)


def graph_of(folder: Path, nodes: list[dict[str, Any]], edges: list[dict[str, Any]], **wanted: Any) -> Read:
    files = {"nodes": write_bson(folder / "n.bson", nodes), "edges": write_bson(folder / "e.bson", edges)}
    return Read(folder, **files, **wanted)


def node(number: int, **fields: Any) -> dict[str, Any]:
    return {"id": bson.Int64(number), "z": 40.0 * number, "y": 8.0, "x": 4.0, **fields}


def counted_plainly(ids: list[int], edges: list[tuple[int, int]]) -> dict[str, int]:
    """By the definitions: one set of nodes for each component, pairs without an order."""
    components = [{each} for each in ids]
    for u, v in edges:
        if u in ids and v in ids:
            whose = [part for part in components if u in part or v in part]
            components = [part for part in components if part not in whose] + [set().union(*whose)]
    return {
        "n_nodes": len(ids),
        "n_edges": len(edges),
        "components": len(components),
        "dangling": sum(u not in ids or v not in ids for u, v in edges),
        "self_loops": sum(u == v for u, v in edges),
        "repeated": len(edges) - len({frozenset(edge) for edge in edges}),
    }


@given(
    ids=st.lists(st.integers(-8, 8), min_size=1, max_size=10, unique=True),
    edges=st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), max_size=25),
    rows=st.integers(1, 7),
)
@settings(max_examples=40)
def test_counts_are_those_of_the_definitions(
    tmp_path_factory: pytest.TempPathFactory, ids: list[int], edges: list[tuple[int, int]], rows: int
) -> None:
    """Also when edges come in many batches."""
    folder = tmp_path_factory.mktemp("graph")
    nodes = pd.DataFrame({"id": ids, "z": 0.0}).astype({"id": "int64"})
    table = pd.DataFrame(edges, columns=["u", "v"]).astype("int64")
    nodes.to_parquet(folder / "n")
    table.to_parquet(folder / "e")
    wanted = graphs.Wanted("n.bson", "e.bson", None, None, 1, 1, None, False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(graphs, "batches_of", lambda path, names: graph_tables.batches_of(path, names, rows))
        found = graphs._Graph.of(wanted, folder / "n", folder / "e")
        found.connect(folder / "e")
    said = found.described()
    want = counted_plainly(ids, edges)
    assert {key: said[key] for key in want} == want
    ends = [end for edge in edges if set(edge) <= set(ids) for end in edge]
    degrees = [ends.count(each) for each in ids]
    assert said["degree"]["0.5"] == np.median(degrees)
    assert said["degree"]["1"] == max(degrees)


@made_data
def test_the_made_graph_has_the_counts_that_it_was_made_with(tmp_path: Path) -> None:
    made = unpack(tmp_path) / "graphs"
    read = Read(tmp_path, nodes=str(made / "nodes.bson"), edges=str(made / "edges_hist_quant_75.bson"))
    expected = json.loads((made / "expected.json").read_text())
    assert {key: read.graph[key] for key in expected} == expected
    edges = list(bson.decode_file_iter((made / "edges_hist_quant_75.bson").open("rb")))
    assert read.edges.select(["u", "v", "merge_score", "agglomerated"]).to_pylist() == [
        {key: value for key, value in edge.items() if key != "_id"} for edge in edges
    ]
    nodes = list(bson.decode_file_iter((made / "nodes.bson").open("rb")))
    assert read.nodes["size"].to_pylist() == [each["size"] for each in nodes]
    for axis, nm in zip("zyx", (40, 8, 4), strict=True):
        centres = [each[f"center_{axis}"] for each in nodes]
        assert read.nodes[axis].to_pylist() == centres
        assert read.nodes[f"voxel_{axis}"].to_pylist() == [centre / nm for centre in centres]
    scores = [edge["merge_score"] for edge in edges if edge["merge_score"] is not None]
    histogram = read.graph["merge_score_histogram"]
    assert histogram["counts"] == np.histogram(scores, 20, (0, 1))[0].tolist()
    assert histogram["nulls"] == len(edges) - len(scores)
    ids = {each["id"] for each in nodes}
    assert read.dangling["edge"].tolist() == [
        row for row, edge in enumerate(edges) if edge["u"] not in ids or edge["v"] not in ids
    ]


@made_data
def test_positions_of_skeletons_are_equal_in_all_four_files(tmp_path: Path) -> None:
    made = unpack(tmp_path)
    files = ["graphs/webknossos.nml", "graphs/knossos.nml", "graphs/node_link.json", "trees.json"]
    positions, edges = [], []
    for number, name in enumerate(files):
        read = Read(tmp_path / str(number), skeleton=str(made / name))
        columns = [read.nodes[axis].to_pylist() for axis in ("z", "y", "x", "voxel_z", "voxel_y", "voxel_x")]
        positions.append(sorted(zip(*columns, strict=True)))
        place = dict(zip(read.nodes["id"].to_pylist(), zip(*columns, strict=True), strict=True))
        ends = zip(read.edges["u"].to_pylist(), read.edges["v"].to_pylist(), strict=True)
        edges.append(sorted(tuple(sorted((place[u], place[v]))) for u, v in ends))
    trees = json.loads((made / "trees.json").read_text())
    nodes = [each for tree in trees.values() for each in tree["nodes"]]
    want = [(n["z"] * 40.0, n["y"] * 8.0, n["x"] * 4.0, n["z"], n["y"], n["x"]) for n in nodes]
    assert all(each == sorted(want) for each in positions)
    assert all(each == edges[0] for each in edges)


def test_all_fields_are_kept_nulls_are_nulls_and_ids_exact(tmp_path: Path) -> None:
    largest = 2**63 - 1
    nodes = [
        node(largest, size=None, neuron_id=bson.Int64(2**60 + 1), tags=["a", "b"]),
        node(2**53 + 1, size=3, late=1, z=None),
        node(-5, size=2.5, voxel_z=7, mixed=bson.ObjectId("0" * 24)),
    ]
    read = graph_of(tmp_path, nodes, [{"u": bson.Int64(largest), "v": 2**53 + 1, "merge_score": None}])
    rows = read.nodes.to_pylist()
    assert [row["id"] for row in rows] == [largest, 2**53 + 1, -5]
    assert [row["neuron_id"] for row in rows] == [2**60 + 1, None, None]
    assert [row["size"] for row in rows] == [None, 3, 2.5]
    assert [row["tags"] for row in rows] == [["a", "b"], None, None]
    assert [row["late"] for row in rows] == [None, 1, None]
    assert [row["stored_voxel_z"] for row in rows] == [None, None, 7]
    assert rows[2]["mixed"] == "0" * 24
    assert rows[1]["z"] is rows[1]["voxel_z"] is None
    assert "_id" not in read.nodes.column_names
    assert read.edges["v"].to_pylist() == [2**53 + 1]


def test_nan_is_no_position_and_no_score_and_a_field_without_fields_is_text(tmp_path: Path) -> None:
    """BSON has NaN, and records without a field. Scores: 0.25 twice, NaN, null."""
    nodes = [node(1, attributes={}, deep={"a": [{}]}), node(2, z=float("nan")), node(3, x=float("inf"))]
    scores = [0.25, 0.25, float("nan"), None]
    edges = [{"u": 1, "v": 2, "merge_score": score} for score in scores]
    read = graph_of(tmp_path, nodes, edges)
    assert read.nodes["z"].to_pylist() == [40.0, None, 120.0]
    assert read.nodes["voxel_x"].to_pylist() == [1.0, 1.0, None]
    assert read.nodes["attributes"].to_pylist() == ["{}", None, None]
    assert read.nodes["deep"].to_pylist() == ["{'a': [{}]}", None, None]
    assert read.graph["bounds_nm"]["z"] == [40, 120]
    histogram = read.graph["merge_score_histogram"]
    assert histogram["counts"] == [0] * 5 + [2] + [0] * 14  # from 0.25 to 0.3
    assert histogram["nulls"] == 2
    assert (read.folder / "svg.svg").read_text().count("h0") == 3 * 1  # one node has a position
    only = graph_of(tmp_path, nodes[:1], edges[2:3]).graph["merge_score_histogram"]
    assert (sum(only["counts"]), only["nulls"]) == (0, 1)


def test_a_field_may_come_late_and_change_its_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if each record was a batch of its own, written before the next one is read."""
    monkeypatch.setattr(graph_files, "_BLOCK", 20)
    monkeypatch.setattr(graph_tables, "ROWS", 1)
    nodes = [node(1, a=1), node(2, b="x"), node(3, a=2.5), node(4, a=None), node(5, a="five")]
    read = graph_of(tmp_path, nodes, [])
    assert read.nodes["a"].to_pylist() == ["1", None, "2.5", None, "five"]
    assert read.nodes["b"].to_pylist() == [None, "x", None, None, None]
    assert sorted(path.name for path in read.folder.iterdir()) == sorted(f"{name}.{end}" for name, end in ENDS.items())


@pytest.mark.parametrize("cut", [1, 3, 5, 60])
def test_a_file_that_breaks_off_is_named_with_the_byte(tmp_path: Path, cut: int) -> None:
    nodes, edges = ([node(n) for n in range(6)], [{"u": n, "v": n + 1} for n in range(5)])
    whole = Path(write_bson(tmp_path / "n.bson", nodes)).read_bytes()
    one = len(whole) // 6
    (tmp_path / "n.bson").write_bytes(whole[: 4 * one + cut])
    files = {"nodes": str(tmp_path / "n.bson"), "edges": write_bson(tmp_path / "e.bson", edges)}
    message = f"n.bson breaks off at byte {4 * one + cut}, within record 4 from byte {4 * one}"
    with pytest.raises(GraphError, match=message):
        Read(tmp_path, **files)
    assert not (tmp_path / "out" / "nodes.parquet").exists()
    read = Read(tmp_path, **files, record_failures=True)
    assert read.nodes["id"].to_pylist() == [0, 1, 2, 3]
    assert read.graph["broken_off"] == [{"file": files["nodes"], "byte": 4 * one + cut, "records": 4}]
    assert read.graph["dangling"] == 2


def test_a_record_that_is_damaged_is_named_with_the_byte(tmp_path: Path) -> None:
    whole = Path(write_bson(tmp_path / "n.bson", [node(n, name="abc") for n in range(6)])).read_bytes()
    one = len(whole) // 6
    files = {"nodes": str(tmp_path / "n.bson"), "edges": write_bson(tmp_path / "e.bson", [])}
    for rest in (whole[3 * one :].replace(b"abc", b"\xff\xff\xff", 1), b"id,z,y,x" * 40):
        (tmp_path / "n.bson").write_bytes(whole[: 3 * one] + rest)
        with pytest.raises(GraphError, match=f"breaks off at byte {3 * one}, within record 3 from byte {3 * one}"):
            Read(tmp_path, **files)
    read = Read(tmp_path, **files, record_failures=True)
    assert read.nodes["id"].to_pylist() == [0, 1, 2]
    assert read.graph["broken_off"] == [{"file": files["nodes"], "byte": 3 * one, "records": 3}]


NML = (
    '<?xml version="1.0"?>\n<things><parameters><scale x="4" y="8" z="40" unit="nm"/></parameters>'
    '<thing id="7"><nodes><node id="1" x="1" y="2" z="3" radius="1.5" inVp="0"/>'
    '<node id="2" x="2" y="2" z="3"/></nodes><edges><edge source="1" target="2"/></edges></thing></things>'
)


def skeleton(folder: Path, text: str, name: str = "s.nml", **wanted: Any) -> Read:
    (folder / name).write_text(text)
    return Read(folder, skeleton=str(folder / name), **wanted)


def test_nml(tmp_path: Path) -> None:
    read = skeleton(tmp_path, NML, voxel_nm=None)
    assert read.nodes.to_pylist()[0] == {
        "id": 1,
        "neuron_id": 7,
        "z": 120.0,
        "y": 16.0,
        "x": 4.0,
        "voxel_z": 3.0,
        "voxel_y": 2.0,
        "voxel_x": 1.0,
        "radius": 1.5,
        "inVp": 0,
    }
    microns = skeleton(tmp_path, NML.replace('unit="nm"', 'unit="micrometer"'))
    assert microns.nodes["z"].to_pylist() == [120_000.0, 120_000.0]


def test_a_skeleton_that_breaks_off(tmp_path: Path) -> None:
    cut = NML[: NML.index("</nodes>")]
    with pytest.raises(GraphError, match=rf"s.nml breaks off at byte {len(cut)}"):
        skeleton(tmp_path, cut)
    read = skeleton(tmp_path, cut, record_failures=True)
    assert read.graph["n_nodes"] == 2
    assert read.graph["broken_off"][0]["byte"] == len(cut)
    text = json.dumps({"nodes": [node(1), node(2), node(3)], "links": [{"source": 1, "target": 2}]})
    cut = text[: text.index("links") - 40]
    with pytest.raises(GraphError, match=r"s.json breaks off at byte"):
        skeleton(tmp_path, cut, "s.json")
    assert skeleton(tmp_path, cut, "s.json", record_failures=True).nodes["id"].to_pylist() == [1, 2]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("s.nml", '<!DOCTYPE a [<!ENTITY b "c">]><things/>', "declares a document type or entities"),
        ("s.nml", "<svg></svg>", "its first element is <svg>, that of NML is <things>"),
        ("s.nml", NML.replace('id="2"', 'id="1"'), "node ids that stand twice: 1. Give each"),
        ("s.nml", NML.replace('id="2"', 'id="two"'), r"<node> at byte \d+ cannot be used"),
        ("s.nml", NML.replace('<node id="2" x="2"', '<node id="2"'), r"<node> at byte \d+ cannot be used"),
        ("s.nml", "<things></things>", "there is no node"),
        ("s.nml", "id,x,y,z", "this is neither NML nor JSON"),
        ("s.json", "[1, 2]", "JSON of another shape"),
        ("s.json", '{"1": [1, 2]}', "JSON of another shape, at key '1'"),
        ("s.json", '{"nodes": [{"id": 1, "z": 0, "y": 0, "x": 0}]}', "without a list of edges"),
        ("s.json", '{"nodes": [5], "links": []}', "with the node 5"),
        ("s.json", '{"nodes": [{"id": 1, "y": 0, "x": 0}], "links": []}', "a node has no z"),
        ("s.json", '{"nodes": [{"z": 1, "y": 0, "x": 0}], "links": []}', "a record has no id"),
        ("s.json", '{"nodes": [{"id": "a", "z": 1, "y": 0, "x": 0}], "links": []}', "'a' is none"),
        ("s.json", "{nodes}", "this is no JSON"),
    ],
)
def test_skeletons_that_cannot_be_used(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(GraphError, match=message):
        skeleton(tmp_path, text, name)


def test_positions_in_voxels_need_the_size_of_a_voxel(tmp_path: Path) -> None:
    tree = {"7": {"nodes": [{"id": 1, "z": 1, "y": 2, "x": 3}], "edges": []}}
    with pytest.raises(GraphError, match="its positions are in voxels: set voxel_nm"):
        skeleton(tmp_path, json.dumps(tree), "s.json", voxel_nm=None)
    with pytest.raises(GraphError, match="it has no <scale>: set voxel_nm"):
        skeleton(tmp_path, NML.replace("scale", "scales"), voxel_nm=None)
    assert skeleton(tmp_path, json.dumps(tree), "s.json").nodes["z"].to_pylist() == [40.0]


def test_a_skeleton_with_a_cycle_is_refused_and_a_graph_is_not(tmp_path: Path) -> None:
    nodes, ends = [node(n) for n in range(1, 5)], [(1, 2), (2, 3), (2, 1), (3, 1), (4, 4)]
    text = json.dumps({"nodes": nodes, "edges": [{"source": u, "target": v} for u, v in ends]})
    with pytest.raises(GraphError, match="its edges form a cycle, which the edge from 3 to 1 closes"):
        skeleton(tmp_path, text, "s.json")
    read = graph_of(tmp_path, nodes, [{"u": u, "v": v} for u, v in ends])
    assert (read.graph["components"], read.graph["repeated"], read.graph["self_loops"]) == (2, 1, 1)


def test_ids_are_exact_whatever_type_their_file_gives_them(tmp_path: Path) -> None:
    """Above 2^53 floats are not exact, and of ids above 2^63 some may be unsigned while others are not."""
    exact, large = 2**53, 2**63 + 5
    nodes = [{"id": each, "z": 1, "y": 1, "x": 1} for each in (exact, exact + 1, large, large + 1)]

    def read(*ends: tuple[int, int]) -> Read:
        links = [{"source": u, "target": v} for u, v in ends]
        return skeleton(tmp_path, json.dumps({"nodes": nodes, "links": links}), "s.json")

    smaller = read((exact, exact + 1), (exact + 3, exact))
    assert (smaller.graph["components"], smaller.graph["largest_id"]) == (3, large + 1)
    assert smaller.dangling[["u", "v", "missing"]].to_numpy().tolist() == [[exact + 3, exact, "u"]]
    mixed = read((exact + 1, large), (exact + 4, large + 7), (exact + 5, large + 7), (exact, exact + 1))
    counts = {"n_nodes": 4, "components": 2, "dangling": 2, "repeated": 0}
    assert {key: mixed.graph[key] for key in counts} == counts
    with pytest.raises(GraphError, match=r"and u has -1, below 0: no type holds both"):
        read((-1, exact))


def test_what_is_no_graph(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("id,z,y,x\n1,2,3,4\n")
    edges = write_bson(tmp_path / "e.bson", [])
    with pytest.raises(GraphError, match="this is no BSON"):
        Read(tmp_path, nodes=str(tmp_path / "text"), edges=edges)
    with pytest.raises(GraphError, match="cannot be read"):
        Read(tmp_path, nodes=str(tmp_path / "none"), edges=edges)
    with pytest.raises(GraphError, match="a record has no u: its fields are 'id', 'z', 'y', 'x'"):
        graph_of(tmp_path, [node(1)], [node(2)])


def test_the_scatter_plots_show_a_seeded_choice_or_one_neuron(tmp_path: Path) -> None:
    nodes = [node(n, neuron_id=n % 3) for n in range(1, 300)]
    drawings = []
    for number, seed in enumerate((1, 1, 2)):
        read = graph_of(tmp_path, nodes, [], sample=40, seed=seed)
        drawing = (read.folder / "svg.svg").read_text()
        drawings.append(drawing)
        assert drawing.count("h0") == 3 * 40, number
        assert "g: 40 of 299 nodes" in drawing
    assert drawings[0] == drawings[1] != drawings[2]
    one = graph_of(tmp_path, nodes, [], neuron=2)
    assert (one.folder / "svg.svg").read_text().count("h0") == 3 * 100
    with pytest.raises(GraphError, match=r"there is no neuron 9. There are '0', '1', '2'"):
        graph_of(tmp_path, nodes, [], neuron=9)


@pytest.mark.long
def test_the_page_turns_without_a_network(tmp_path: Path) -> None:
    read = skeleton(tmp_path, NML)
    with chromium() as browser, opened(browser, read.folder / "html.html") as page:
        page.wait_for_function("document.querySelector('.gl-container canvas, canvas') !== null")
        camera = "JSON.stringify(document.getElementById('scatter')._fullLayout.scene.camera.eye)"
        before = page.evaluate(camera)
        page.mouse.move(600, 300)
        page.mouse.down()
        page.mouse.move(700, 340, steps=4)
        page.mouse.up()
        page.wait_for_function(f"{camera} !== {json.dumps(before)}")
        assert page.title() == "g: 2 nodes"
        assert page.evaluate("document.getElementById('scatter').data[0].x.length") == 2
