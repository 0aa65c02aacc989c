"""Arrays and graphs through the front door, without a source: all that was made, and all that is refused."""

import csv
import hashlib
import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.checkout import Checkout
from tests.stores.array_files import BUCKET, made_data, unpack, write_zarr

pytestmark = made_data
BOX = {"unit": "nm", "z": [205, 615], "y": [100, 330], "x": [121, 300]}
PAIRS = {
    "v2": ("nm_zyx.v2.zarr/volumes/raw", "nm_xyz.n5/labels"),
    "v3": ("nm_zyx.v3.zarr/raw", "segmentation.precomputed"),
    "ome4": ("ome_0.4.zarr", "nm_zyx.v3.zarr/labels"),
    "ome5": ("ome_0.5.zarr", "nm_zyx.v2.zarr/volumes/labels/neuron_ids"),
    "n5": ("nm_xyz.n5/raw", "segmentation.precomputed"),
    "pre": ("image.precomputed", "nm_xyz.n5/labels"),
}
WHOLE = {"unit": "voxel", "z": [-100, 1000], "y": [-100, 1000], "x": [-100, 1000]}
PICTURES = {"picture_n5": "z5py.n5/gzip", "picture_zarr": "zarr.zr/blosc", "picture_zlib": "zarr.zr/zlib"}
SKELETONS = {
    "wk": "graphs/webknossos.nml",
    "knossos": "graphs/knossos.nml",
    "link": "graphs/node_link.json",
    "trees": "trees.json",
}


def rows() -> list[dict[str, str]]:
    if not BUCKET.is_dir():
        return []
    with (BUCKET / "made_arrays.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    folder = tmp_path_factory.mktemp("arrays")
    made = unpack(folder / "data")
    arrays = {
        f"row{n}": {"url": str(made / row["array"]), "scale": int(row["scale"]), "box": WHOLE}
        for n, row in enumerate(rows())
    }
    arrays |= {
        name: {"url": str(made / raw), "labels": str(made / labels), "box": BOX}
        for name, (raw, labels) in PAIRS.items()
    }
    arrays |= {
        name: {"url": str(made.parent / "examples" / path), "voxel_nm": [1, 1, 1], "box": WHOLE}
        for name, path in PICTURES.items()
    }
    graphs = {name: {"skeleton": str(made / path), "voxel_nm": [40, 8, 4]} for name, path in SKELETONS.items()}
    nodes, edges = (str(made / "graphs" / f"{name}.bson") for name in ("nodes", "edges_hist_quant_75"))
    graphs["rag"] = {"nodes": nodes, "edges": edges, "voxel_nm": [40, 8, 4]}
    checkout = Checkout(folder / "checkout")
    checkout.run({"dataset": "made", "arrays": arrays, "graphs": graphs}, "arrays", "graphs")
    return checkout


def loaded(run: Checkout, name: str) -> dict[str, np.ndarray]:
    return dict(np.load(run.results("made") / "arrays" / f"{name}.npz"))


@pytest.mark.parametrize("number", range(len(rows())))
def test_every_made_array_is_read_whole_with_its_voxels_and_offset(run: Checkout, number: int) -> None:
    row = rows()[number]
    got = loaded(run, f"row{number}")
    assert hashlib.sha256(np.ascontiguousarray(got["raw"]).tobytes()).hexdigest() == row["sha256_zyx"]
    entry = json.loads((run.results("made") / "arrays" / f"row{number}.json").read_text())
    assert [entry[key] for key in ("format", "dtype", "stored_axes")] == [
        row[key] for key in ("format", "dtype", "stored_axes")
    ]
    assert entry["scale"] == int(row["scale"])
    assert entry["shape_zyx"] == [int(row[f"shape_{axis}"]) for axis in "zyx"]
    for key, column in (("voxel_nm_zyx", "voxel_{}_nm"), ("offset_nm_zyx", "offset_{}_nm")):
        assert entry[key] == [float(row[column.format(axis)]) for axis in "zyx"]
        assert got[key.removesuffix("_zyx")].tolist() == entry[key]


@pytest.mark.parametrize("name", PAIRS)
def test_one_box_in_nm_gives_the_same_pixels_from_all_stores(run: Checkout, name: str) -> None:
    got = loaded(run, name)
    truth = np.load(run.folder.parent / "data" / "made" / "truth.npz")
    for key in ("raw", "labels"):  # z 205 to 615 nm is voxels 0 to 10, y 100 to 330 0 to 29, x 121 to 300 0 to 44
        assert np.array_equal(got[key], truth[key][0:11, 0:30, 0:45])
    assert got["labels"].dtype == np.uint64
    assert got["offset_nm"].tolist() == [200, 96, 120]


@pytest.mark.parametrize("name", PICTURES)
def test_arrays_of_other_libraries_equal_their_picture(run: Checkout, name: str) -> None:
    picture = np.array(Image.open(run.folder.parent / "data" / "data" / "reference_image.png"))
    assert np.array_equal(loaded(run, name)["raw"], picture)


def test_the_table_has_all_arrays(run: Checkout) -> None:
    table = pd.read_csv(run.results("made") / "arrays" / "arrays.csv").set_index("name")
    assert len(table) == len(rows()) + len(PAIRS) + len(PICTURES)
    assert table.loc["pre", ["format", "driver", "scales", "shape_zyx", "voxel_nm_zyx", "bytes"]].tolist() == [
        "precomputed",
        "neuroglancer_precomputed",
        4,
        "18 40 52",
        "40.0 8.0 4.0",
        18 * 40 * 52,
    ]
    assert table.loc["v3", "chunk_zyx"] == "8 16 16"  # of the chunks within a shard
    assert table.loc["n5", "unit_from"].count(";") == 2


def test_the_picture_is_the_middle_plane(run: Checkout) -> None:
    picture = np.array(Image.open(run.results("made") / "arrays" / "row0.png"))
    assert np.array_equal(picture, loaded(run, "row0")["raw"][9])
    over = np.array(Image.open(run.results("made") / "arrays" / "v2.png")).astype(int)
    got = loaded(run, "v2")
    shown = got["labels"][5] != 0
    assert np.array_equal(over[~shown], np.repeat(got["raw"][5][~shown][:, None], 3, axis=1))
    assert (over[shown] != got["raw"][5][shown][:, None]).any(axis=1).mean() > 0.9


def test_graphs_have_their_counts(run: Checkout) -> None:
    graphs = run.results("made") / "graphs"
    expected = json.loads((run.folder.parent / "data" / "made" / "graphs" / "expected.json").read_text())
    entry = json.loads((graphs / "rag" / "graph.json").read_text())
    assert {key: entry[key] for key in expected} == expected
    positions = {
        name: sorted(map(tuple, pd.read_parquet(graphs / name / "nodes.parquet")[["z", "y", "x"]].to_numpy().tolist()))
        for name in SKELETONS
    }
    assert all(each == positions["wk"] for each in positions.values())
    assert len(pd.read_csv(graphs / "rag" / "dangling.csv")) == expected["dangling"]


def test_what_is_there_is_not_made_again_and_what_has_changed_is(run: Checkout, tmp_path: Path) -> None:
    """Same bytes from another run; a changed box reads that array alone."""
    made = run.folder.parent / "data" / "made"
    array = {"url": str(made / PAIRS["v2"][0]), "labels": str(made / PAIRS["v2"][1]), "box": BOX}
    config = {
        "dataset": "few",
        "arrays": {"v2": array, "ome": {"url": str(made / "ome_0.4.zarr"), "scale": 1, "box": WHOLE}},
        "graphs": {"wk": {"skeleton": str(made / SKELETONS["wk"]), "voxel_nm": [40, 8, 4]}},
    }
    checkout = Checkout(tmp_path / "checkout")
    checkout.run(config, "arrays", "graphs")
    for name in (
        "arrays/v2.npz",
        "arrays/v2.png",
        "arrays/v2.json",
        "graphs/wk/scatter.html",
        "graphs/wk/nodes.parquet",
    ):
        ours, theirs = checkout.results("few") / name, run.results("made") / name
        assert ours.read_bytes() == theirs.read_bytes(), name
    before = checkout.stamps()
    assert "Nothing to be done" in checkout.run(config, "arrays", "graphs")
    assert checkout.stamps() == before
    config["arrays"]["v2"]["box"] = {**BOX, "z": [200, 240]}
    os.utime(made / "ome_0.4.zarr" / "1" / ".zarray", ns=(1, 1))  # the scale was written anew
    checkout.run(config, "arrays", "graphs")
    assert checkout.stamps()["results/few/arrays/ome.npz"] != before["results/few/arrays/ome.npz"]
    assert dict(np.load(checkout.results("few") / "arrays" / "v2.npz"))["raw"].shape[0] == 1
    graph = "results/few/graphs/wk/nodes.parquet"
    assert checkout.stamps()[graph] == before[graph]
    there = checkout.files("few")
    config["arrays"]["v2"]["box"] = {**BOX, "z": [10**6, 10**6 + 1]}
    checkout.run(config, "arrays", fails=True)  # what there was stays
    assert checkout.files("few") == there


def test_a_box_asked_for_by_name_is_not_old_after_a_run_that_failed(tmp_path: Path) -> None:
    values = np.arange(32, dtype=np.uint8).reshape(4, 2, 4)
    array = write_zarr(tmp_path / "array", values, [2, 2, 4], resolution=[1, 1, 1])
    box = {"unit": "voxel", "y": [0, 2], "x": [0, 4]}
    first, second = (
        {"dataset": "d", "arrays": {"a": {"url": str(array), "box": box | {"z": z}}}} for z in ([0, 2], [2, 4])
    )
    checkout = Checkout(tmp_path / "checkout")
    asked = "results/d/arrays/a.npz"
    checkout.run(first, asked)
    whole = (array / "1.0.0").read_bytes()
    (array / "1.0.0").write_bytes(b"broken")
    checkout.run(second, asked, fails=True)
    assert np.array_equal(np.load(checkout.folder / asked)["raw"], values[:2])  # the old one stays
    (array / "1.0.0").write_bytes(whole)
    checkout.run(second, asked)
    assert np.array_equal(np.load(checkout.folder / asked)["raw"], values[2:])


def test_bad_input_gets_a_sentence_each_and_no_traceback(run: Checkout, tmp_path: Path) -> None:
    made = run.folder.parent / "data" / "made"
    ours = made.parent / "ours"
    values = np.zeros((2, 3, 4), np.uint8)
    codec = write_zarr(ours / "codec", values, resolution=[1, 1, 1])
    entry = json.loads((codec / ".zarray").read_text())
    (codec / ".zarray").write_text(json.dumps({**entry, "compressor": {"id": "jpeg-xl-of-mine"}}))
    write_zarr(ours / "unknown", values)
    raw = str(made / "nm_xyz.n5" / "raw")
    arrays = {
        "group": {"url": str(made / "nm_zyx.v2.zarr")},
        "nothing": {"url": str(made / "none.zarr")},
        "metadata": {"url": str(made / "graphs")},
        "codec": {"url": str(codec)},
        "voxel": {"url": str(ours / "unknown")},
        "scale": {"url": str(made / "ome_0.4.zarr"), "scale": 4},
        "labels": {"url": raw, "labels": str(made / "pyramid.n5" / "em")},
        "outside": {"url": raw, "box": {**BOX, "z": [0, 40]}},
    }
    (ours / "shape.json").write_text('{"nodes": {"1": [0, 0, 0]}}')
    cycle = {"nodes": [{"id": n, "z": 0, "y": 0, "x": n} for n in (1, 2, 3)]}
    cycle["links"] = [{"source": u, "target": v} for u, v in ((1, 2), (2, 3), (3, 1))]
    (ours / "cycle.json").write_text(json.dumps(cycle))
    cycle["nodes"][1]["id"] = 1
    (ours / "doubled.json").write_text(json.dumps(cycle))
    nodes, edges, cut = (str(made / "graphs" / f"{name}.bson") for name in ("nodes", "edges_hist_quant_75", "cut"))
    graphs = {name: {"skeleton": str(ours / f"{name}.json")} for name in ("shape", "cycle", "doubled")}
    graphs |= {"cut": {"nodes": cut, "edges": edges}, "missing": {"nodes": nodes + "x", "edges": edges}}
    checkout = Checkout(tmp_path / "checkout")
    printed = checkout.run({"dataset": "bad", "arrays": arrays, "graphs": graphs}, "arrays", "graphs", fails=True)
    assert "Traceback" not in printed
    one = re.sub(r"\s+", " ", printed)
    for sentence in (
        "nm_zyx.v2.zarr is a group and no array. Set url to one of its arrays: ",
        "nm_zyx.v2.zarr/volumes/labels/neuron_ids'",
        "none.zarr: nothing is there: check url",
        "graphs: no metadata of an array (zarr.json, .zarray, attributes.json, info) is there",
        "codec: tensorstore cannot read this zarr2: ",
        '"jpeg-xl-of-mine" is not registered',
        "set arrays.voxel.voxel_nm: [z, y, x]",
        "has the scales 0 to 3, and scale is 4: set one of them",
        "the labels are of another extent",
        "lies outside of the array, which is at z: [200, 920], y: [96, 416], x: [120, 328] nm",
        "shape.json: JSON of another shape",
        "its edges form a cycle",
        "node ids that stand twice: 1. Give each node an id of its own",
        "cut.bson breaks off at byte 5000, within record 51 from byte 4998",
        "nodes.bsonx cannot be read (No such file or directory)",
    ):
        assert sentence in one, sentence
    assert not list((checkout.results("bad") / "graphs").rglob("*.parquet"))
    shutil.rmtree(ours)
    kept = {"dataset": "bad", "graphs": {"cut": {"nodes": cut, "edges": edges, "on_failure": "record"}}}
    checkout.run(kept, "graphs")
    entry = json.loads((checkout.results("bad") / "graphs" / "cut" / "graph.json").read_text())
    assert entry["n_nodes"] == 51
    assert entry["broken_off"] == [{"file": cut, "byte": 5000, "records": 51}]


def test_without_any_array_the_target_says_what_to_set(tmp_path: Path) -> None:
    printed = Checkout(tmp_path / "checkout").run({}, "arrays", fails=True)
    assert "arrays: {} (empty). Set at least one" in printed
    assert "Traceback" not in printed


def test_a_graph_and_an_array_below_the_fetched_files_of_a_store(run: Checkout, tmp_path: Path) -> None:
    """One command fetches, then reads; nothing is done twice."""
    made = run.folder.parent / "data" / "made"
    files = "results/copy/stores/made/files"
    config = {
        "dataset": "copy",
        "stores": {"made": {"url": str(made), "include": ["graphs/*.nml", "ome_0.4.zarr/**"]}},
        "graphs": {"wk": {"skeleton": f"{files}/{SKELETONS['wk']}"}},
        "arrays": {"ome": {"url": f"{tmp_path}/checkout/{files}/ome_0.4.zarr"}},  # the whole path means the same
    }
    checkout = Checkout(tmp_path / "checkout")
    checkout.run(config, "graphs", "arrays")
    assert json.loads((checkout.results("copy") / "graphs" / "wk" / "graph.json").read_text())["n_nodes"] == 69
    assert np.array_equal(
        np.load(checkout.results("copy") / "arrays" / "ome.npz")["raw"][0], np.load(made / "truth.npz")["raw"][9]
    )
    assert "Nothing to be done" in checkout.run(config, "graphs", "arrays")
