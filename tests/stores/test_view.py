"""Pictures: grey, colours of labels, labels of another store at the same place, and the link."""

import json
import sys
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from PIL import Image

from ifcb_abundance.common.errors import StateError
from ifcb_abundance.stores.colours import colours_of, hex_colours, laid_over
from ifcb_abundance.stores.graph_files import read_bson
from ifcb_abundance.stores.places import ArrayError, Place
from ifcb_abundance.stores.view import grey
from tests.stores.array_files import write_n5, write_zarr
from tests.stores.test_array_requests import view

RAW = np.random.default_rng(1).integers(0, 255, (5, 6, 7), np.uint8)
IDS = np.array([0, 1, 77_322_656_252, 2**63, 2**64 - 1], np.uint64)


def test_an_id_has_one_colour_in_every_picture() -> None:
    """Whatever stands beside it, and whatever the type of the labels."""
    alone = [tuple(colours_of(np.array([each]))[0]) for each in IDS]
    assert [tuple(colour) for colour in colours_of(IDS)] == alone
    assert tuple(colours_of(np.array([1], np.uint8))[0]) == tuple(colours_of(np.array([1], np.int64))[0]) == alone[1]
    assert len(set(alone)) == len(IDS)
    assert hex_colours(IDS[:1]) == ["#{:02x}{:02x}{:02x}".format(*alone[0])]


def test_colours_are_those_of_earlier_versions() -> None:
    """Else an id would change its colour from one release to the next."""
    assert hex_colours(IDS[1:]) == COLOURS


COLOURS = ["#65e27a", "#fea74d", "#c41e4d", "#c1c636"]


def test_colours_are_many_and_bright() -> None:
    colours = colours_of(np.arange(1, 2000, dtype=np.uint64))
    assert len(np.unique(colours, axis=0)) > 1950
    assert colours.max(axis=1).min() > 180


def test_labels_lie_over_the_grey_at_half_opacity_and_0_is_transparent() -> None:
    plane = np.array([[10, 20], [30, 255]], np.uint8)
    ids = np.array([[0, 5], [2**64 - 1, 0]], np.uint64)
    got = laid_over(plane, ids)
    assert got[0, 0].tolist() == [10, 10, 10]
    assert got[1, 1].tolist() == [255, 255, 255]
    want = np.floor((20 + colours_of(ids[0, 1:])[0].astype(float)) / 2 + 0.5)
    assert got[0, 1].tolist() == want.tolist()


def test_uint8_is_shown_as_it_is_and_other_types_are_stretched_over_the_box() -> None:
    assert np.array_equal(grey(RAW, 2), RAW[2])
    box = np.array([[[0, 1000]], [[250, 500]]], np.uint16)
    assert grey(box, 1).tolist() == [[64, 128]]
    numbers = np.array([[[-1.0, np.nan, 1.0, np.inf]]])
    assert grey(numbers, 0).tolist() == [[0, 0, 255, 255]]
    assert grey(np.full((1, 1, 2), 7, np.int32), 0).tolist() == [[0, 0]]
    assert grey(np.array([[[True, False]]]), 0).tolist() == [[255, 0]]


def test_labels_of_another_store_axes_and_offset_are_cut_at_the_same_place(tmp_path: Path) -> None:
    """The labels begin two voxels later in z, and one earlier in x."""
    write_zarr(tmp_path / "raw", RAW, resolution=[40, 8, 4], offset=[400, 0, 80])
    ids = np.arange(3 * 6 * 9, dtype=np.uint64).reshape(3, 6, 9) + np.uint64(2**63)
    write_n5(tmp_path / "labels", ids, resolution=[4, 8, 40], offset=[76, 0, 480])
    box = {"unit": "nm", "z": [490, 530], "y": [0, 100], "x": [84, 95]}
    got = view(tmp_path, str(tmp_path / "raw"), labels=str(tmp_path / "labels"), box=box)
    assert np.array_equal(got["raw"], RAW[2:4, :, 1:4])
    assert np.array_equal(got["labels"], ids[0:2, :, 2:5])
    assert (got["offset_nm"].tolist(), got["voxel_nm"].tolist()) == ([480, 0, 84], [40, 8, 4])
    picture = np.array(Image.open(tmp_path / "a.png"))
    assert np.array_equal(picture, laid_over(RAW[3, :, 1:4], ids[1, :, 2:5]))
    entry = json.loads((tmp_path / "a.json").read_text())
    (note,) = entry["notes"]
    assert note.startswith("the box is cut at the bounds of the array: z: [480, 560], y: [0, 48], x: [84, 96] nm")
    line, hint = (tmp_path / "a.txt").read_text().splitlines()
    state = json.loads(unquote(line.partition("#!")[2]))
    assert state["position"] == [22.5, 3, 13]  # x 90, y 24, z 520 nm
    raw, labels = (layer["source"] for layer in state["layers"])
    assert [row[-1] for row in raw["transform"]["matrix"]] == [10, 0, 20]
    assert [row[-1] for row in labels["transform"]["matrix"]] == [19, 0, 12]
    assert list(labels["transform"]["outputDimensions"]) == ["x", "y", "z"]
    assert raw["url"] == "zarr2://http://127.0.0.1:9000/raw"
    assert str(tmp_path) in hint


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("coarse", r"its voxels of \[40.0, 16.0, 8.0\] nm .* are not those of .*raw.*set scale"),
        ("between", "its voxels lie between those of"),
        ("small", "the labels are of another extent, and do not cover the box"),
        ("floats", "labels are whole numbers"),
    ],
)
def test_labels_that_do_not_fit_are_refused_before_a_chunk_is_read(tmp_path: Path, name: str, message: str) -> None:
    write_zarr(tmp_path / "raw", RAW, resolution=[40, 8, 4])
    ids = RAW.astype(np.uint64)
    attributes = {
        "coarse": {"resolution": [40, 16, 8]},
        "between": {"resolution": [40, 8, 4], "offset": [0, 4, 0]},
        "small": {"resolution": [40, 8, 4], "offset": [120, 0, 0]},
        "floats": {"resolution": [40, 8, 4]},
    }
    values = {"floats": RAW.astype(np.float32), "small": ids[:1]}
    write_zarr(tmp_path / name, values.get(name, ids), **attributes[name])
    with pytest.raises(ArrayError, match=message):
        view(tmp_path, str(tmp_path / "raw"), labels=str(tmp_path / name), box=None)
    assert not (tmp_path / "a.json").exists()


def pyramid(folder: Path, name: str, scales: int, values: np.ndarray) -> str:
    """An n5 with scales of voxels that double."""
    for scale in range(scales):
        write_n5(folder / name / f"s{scale}", values, resolution=[4 * 2**scale, 8 * 2**scale, 40])
    (folder / name / "attributes.json").write_text(json.dumps({"scales": [[2**n, 2**n, 1] for n in range(scales)]}))
    return str(folder / name)


def test_labels_of_one_scale_are_taken_at_that_scale(tmp_path: Path) -> None:
    """Of a pyramid the scale of the array, which labels that lie alone need not have."""
    raw, ids = pyramid(tmp_path, "raw", 2, RAW), RAW.astype(np.uint64)
    write_n5(tmp_path / "labels", ids, resolution=[8, 16, 40])
    got = view(tmp_path, raw, scale=1, labels=str(tmp_path / "labels"), box=None)
    assert np.array_equal(got["labels"][0], ids[2])


def test_a_scale_of_labels_that_is_closed_is_not_taken_for_one_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw, labels = pyramid(tmp_path, "raw", 2, RAW), pyramid(tmp_path, "labels", 2, RAW.astype(np.uint64))
    read, asked = Place.read, []

    def closed(place: Place, name: str) -> bytes | None:
        asked.append(place.address)
        if place.address.endswith("labels/s1"):
            raise ArrayError(f"{place.address}: the connection broke off")
        return read(place, name)

    monkeypatch.setattr(Place, "read", closed)
    with pytest.raises(ArrayError, match="labels/s1: the connection broke off"):
        view(tmp_path, raw, scale=1, labels=labels, box=None)
    assert not any(address.endswith("labels/s0") for address in asked)


def test_the_key_for_the_voxels_of_labels_is_named(tmp_path: Path) -> None:
    write_zarr(tmp_path / "raw", RAW, resolution=[40, 8, 4])
    write_zarr(tmp_path / "labels", RAW)
    with pytest.raises(ArrayError, match=r"labels: the store does not say .* set arrays\.a\.voxel_nm: \[z, y, x\]"):
        view(tmp_path, str(tmp_path / "raw"), labels=str(tmp_path / "labels"), box=None)


def test_a_box_outside_is_refused_with_the_bounds_in_both_units(tmp_path: Path) -> None:
    write_zarr(tmp_path / "raw", RAW, resolution=[40, 8, 4], offset=[400, 0, 80])
    bounds = r"z: \[400, 600\], y: \[0, 48\], x: \[80, 108\] nm, z: \[10, 15\], y: \[0, 6\], x: \[20, 27\] in voxels"
    with pytest.raises(ArrayError, match=f"lies outside of the array, which is at {bounds}: set box within it"):
        view(tmp_path, str(tmp_path / "raw"), box={"unit": "voxel", "z": [0, 9], "y": [0, 1], "x": [20, 21]})


def test_a_box_larger_than_the_memory_is_refused(tmp_path: Path) -> None:
    path = write_zarr(tmp_path / "raw", RAW, resolution=[1, 1, 1])
    entry = json.loads((path / ".zarray").read_text())
    (path / ".zarray").write_text(json.dumps({**entry, "shape": [10**5] * 3}))
    with pytest.raises(ArrayError, match=r"the box is 1,000,000.0 GB, more than the memory of this machine"):
        view(tmp_path, str(path), box={"unit": "voxel", "z": [0, 10**5], "y": [0, 10**5], "x": [0, 10**5]})


def test_a_library_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for library in ("tensorstore", "bson"):
        monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(StateError, match="Reading an array needs tensorstore, which is not installed: `make stages`"):
        view(tmp_path, str(tmp_path))
    with pytest.raises(
        StateError, match="Reading a graph in BSON needs pymongo, which is not installed: `make stages`"
    ):
        next(read_bson(str(tmp_path / "a.bson"), "nodes"))
