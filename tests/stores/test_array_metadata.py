"""Where the size of a voxel, the offset and the axes come from, in the habits of several programs."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ifcb_abundance.stores.array_metadata import Told
from ifcb_abundance.stores.arrays import OpenArray, open_array
from ifcb_abundance.stores.boxes import IndexBox, floats
from ifcb_abundance.stores.metadata_files import files_on_disk
from ifcb_abundance.stores.places import ArrayError, Place
from tests.stores.array_files import write_n5, write_zarr

PIXEL = {"pixelResolution": {"unit": "um", "dimensions": [0.004, 0.008, 0.04]}}
VALUES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)


def opened(path: Path, scale: int = 0, **told: Any) -> OpenArray:
    return open_array(Place(str(path)), scale, Told(**told))


def voxel(array: OpenArray) -> list[float]:
    return floats(array.grid.voxel)


def ome(axes: str, unit: str | None, *steps: dict[str, Any], **image: Any) -> dict[str, Any]:
    entries = [{"name": axis, "type": "space", **({"unit": unit} if unit else {})} for axis in axes]
    dataset = {"path": "0", "coordinateTransformations": list(steps)}
    return {"multiscales": [{"version": "0.4", "axes": entries, "datasets": [dataset], **image}]}


def scaled(*values: float) -> dict[str, Any]:
    return {"type": "scale", "scale": list(values)}


def moved(*values: float) -> dict[str, Any]:
    return {"type": "translation", "translation": list(values)}


def test_resolution_and_offset_are_in_stored_order(tmp_path: Path) -> None:
    zarr = opened(write_zarr(tmp_path / "a", VALUES, resolution=[40, 8, 4], offset=[400, 80, 20]))
    assert (voxel(zarr), floats(zarr.grid.offset)) == ([40, 8, 4], [400, 80, 20])
    assert np.array_equal(zarr.read(zarr.grid.whole), VALUES)
    n5 = opened(write_n5(tmp_path / "b", VALUES, resolution=[4, 8, 40], offset=[20, 80, 400]))
    assert (voxel(n5), floats(n5.grid.offset)) == ([40, 8, 4], [400, 80, 20])
    assert np.array_equal(n5.read(n5.grid.whole), VALUES)


def test_the_config_says_axes_where_the_store_does_not(tmp_path: Path) -> None:
    path = write_zarr(tmp_path / "a", VALUES, resolution=[4, 8, 40])
    turned = opened(path, axes="xyz")
    assert turned.grid.shape == (4, 3, 2)
    assert voxel(turned) == [40, 8, 4]
    assert np.array_equal(turned.read(turned.grid.whole), VALUES.T)
    named = opened(
        write_zarr(tmp_path / "b", VALUES, _ARRAY_DIMENSIONS=["z", "y", "x"]), axes="xyz", voxel_nm=[1, 1, 1]
    )
    assert named.grid.shape == (2, 3, 4)


def test_the_config_says_voxel_and_offset_where_the_store_does_not(tmp_path: Path) -> None:
    path = write_zarr(tmp_path / "a", VALUES)
    with pytest.raises(ArrayError, match=r"set voxel_nm: \[z, y, x\]"):
        opened(path)
    array = opened(path, voxel_nm=[40, 8.5, 4], offset_nm=[-40, 0, 4])
    assert (voxel(array), floats(array.grid.offset)) == ([40, 8.5, 4], [-40, 0, 4])
    assert array.metadata.unit_from["voxel_nm"] == "voxel_nm of the config"
    said = opened(write_zarr(tmp_path / "b", VALUES, resolution=[1, 2, 3]), voxel_nm=[9, 9, 9])
    assert voxel(said) == [1, 2, 3]
    shifted = opened(write_zarr(tmp_path / "c", VALUES, offset=[400, 80, 20]), voxel_nm=[40, 8, 4])
    assert floats(shifted.grid.offset) == [400, 80, 20]  # in nm, whoever says the size of a voxel
    shifted = opened(write_n5(tmp_path / "d", VALUES, offset=[20, 80, 400]), voxel_nm=[40, 8, 4])
    assert floats(shifted.grid.offset) == [400, 80, 20]


@pytest.mark.parametrize(
    ("unit", "nm"),
    [("nanometer", 1), ("micrometer", 1000), ("\u00b5m", 1000), ("angstrom", 0.1), ("millimeter", 10**6)],
)
def test_units_of_ome(tmp_path: Path, unit: str, nm: float) -> None:
    """As decimals: 0.0046 um are 4.6 nm, not 4.6000000000000005."""
    write_zarr(tmp_path / "a" / "0", VALUES)
    metadata = ome("zyx", unit, scaled(0.04, 0.008, 0.0046), moved(0.2, 0, 0.0092))
    (tmp_path / "a" / ".zattrs").write_text(json.dumps(metadata))
    array = opened(tmp_path / "a")
    want = {1: [0.04, 0.008, 0.0046], 1000: [40, 8, 4.6], 0.1: [0.004, 0.0008, 0.00046], 10**6: [40000, 8000, 4600]}[nm]
    assert voxel(array) == want
    assert float(array.grid.offset[2] / array.grid.voxel[2]) == 2


def test_ome_without_units_takes_the_voxel_of_the_config(tmp_path: Path) -> None:
    """And its translation is then so many voxels."""
    write_zarr(tmp_path / "a" / "0", VALUES)
    (tmp_path / "a" / ".zattrs").write_text(json.dumps(ome("zyx", None, scaled(5, 1, 0.5), moved(10, 3, 1))))
    with pytest.raises(ArrayError, match="voxel_nm"):
        opened(tmp_path / "a")
    assert floats(opened(tmp_path / "a", voxel_nm=[40, 8, 4]).grid.offset) == [80, 24, 8]


def test_ome_transformations_of_the_image_follow_those_of_the_scale(tmp_path: Path) -> None:
    write_zarr(tmp_path / "a" / "0", VALUES)
    outer = [scaled(2, 2, 2), moved(5, 5, 5)]
    metadata = ome("zyx", "nanometer", scaled(4, 2, 1), moved(1, 1, 1), coordinateTransformations=outer)
    (tmp_path / "a" / ".zattrs").write_text(json.dumps(metadata))
    array = opened(tmp_path / "a")
    assert (voxel(array), floats(array.grid.offset)) == ([8, 4, 2], [7, 7, 7])


def test_of_several_channels_and_times_the_first_is_read_and_it_is_said(tmp_path: Path) -> None:
    values = np.arange(2 * 3 * 24, dtype=np.uint16).reshape(2, 3, 2, 3, 4)
    write_zarr(tmp_path / "a" / "0", values)
    metadata = ome("tczyx", "nanometer", scaled(1, 1, 4, 2, 1))
    (tmp_path / "a" / ".zattrs").write_text(json.dumps(metadata))
    array = opened(tmp_path / "a")
    assert array.notes == ["time 0 of 2 is read", "channel 0 of 3 is read"]
    assert np.array_equal(array.read(array.grid.whole), values[0, 0])


def test_precomputed_with_channels(tmp_path: Path) -> None:
    """A raw chunk is x fastest, then y, z, channel: the specification of neuroglancer."""
    scale = {
        "key": "a",
        "size": [4, 3, 2],
        "resolution": [4, 8, 40],
        "voxel_offset": [1, -2, 3],
        "chunk_sizes": [[4, 3, 2]],
        "encoding": "raw",
    }
    info = {"type": "image", "data_type": "uint8", "num_channels": 2, "scales": [scale]}
    (tmp_path / "info").write_text(json.dumps(info))
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1-5_-2-1_3-5").write_bytes(VALUES.tobytes() + (VALUES + 100).tobytes())
    array = opened(tmp_path)
    assert array.notes == ["channel 0 of 2 is read"]
    assert floats(array.grid.offset) == [120, -16, 4]
    assert np.array_equal(array.read(array.grid.whole), VALUES)


@pytest.mark.parametrize("where", ["array", "group"])
def test_pyramids_of_n5_viewer(tmp_path: Path, where: str) -> None:
    """The resolution is that of the finest scale, and factors stand beside the array or in the group."""
    factors = {"downsamplingFactors": [2, 2, 1]}
    own, above = ({**PIXEL, **factors}, {"scales": [[1, 1, 1], [2, 2, 1]]})
    if where == "group":
        own, above = {}, {**PIXEL, **above}
    write_n5(tmp_path / "em" / "s1", VALUES, **own)
    (tmp_path / "em" / "attributes.json").write_text(json.dumps(above))
    array = opened(tmp_path / "em", scale=1)
    assert voxel(array) == [40, 16, 8]
    assert array.metadata.scales == 2
    assert voxel(opened(tmp_path / "em" / "s1")) == [40, 16, 8]


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"resolution": [40, 8]}, "resolution cannot be used"),
        ({"resolution": [40, 8, "wide"]}, "which is no number"),
        ({"resolution": [40, 8, 0]}, "is not above 0"),
        ({"resolution": [40, 8, "1/0"]}, "which is no number"),
        ({"resolution": [40, 8, 4], "offset": {"z": 1}}, "offset cannot be used"),
        ({**PIXEL, "downsamplingFactors": 2}, "downsamplingFactors cannot be used"),
    ],
)
def test_metadata_that_cannot_be_used(tmp_path: Path, attributes: dict[str, Any], message: str) -> None:
    with pytest.raises(ArrayError, match=message):
        opened(write_zarr(tmp_path / "a", VALUES, **attributes))


@pytest.mark.parametrize("above", [{"scales": [[1, 1, 1], [2, 2, 1]]}, {"scales": [[1, 1, 1], 2, [2, "1/0", 1]]}])
def test_factors_of_a_pyramid_that_cannot_be_used(tmp_path: Path, above: dict[str, Any]) -> None:
    path = write_n5(tmp_path / "em" / "s2", VALUES)
    (tmp_path / "em" / "attributes.json").write_text(json.dumps({**PIXEL, **above}))
    with pytest.raises(ArrayError, match=r"downsamplingFactors (cannot be used|holds '1/0')"):
        opened(path)


@pytest.mark.parametrize("wrong", [{"axes": 3}, {"coordinateTransformations": 2}])
def test_ome_metadata_that_cannot_be_used(tmp_path: Path, wrong: dict[str, Any]) -> None:
    write_zarr(tmp_path / "a" / "0", VALUES)
    metadata = ome("zyx", "nanometer", scaled(4, 2, 1))
    metadata["multiscales"][0] |= wrong
    (tmp_path / "a" / ".zattrs").write_text(json.dumps(metadata))
    with pytest.raises(ArrayError, match=r"OME metadata .*cannot be used"):
        opened(tmp_path / "a")


@pytest.mark.parametrize("resolution", [[4, "1/0", 40], [4, 0, 40]])
def test_a_resolution_of_precomputed_that_cannot_be_used(tmp_path: Path, resolution: list[Any]) -> None:
    scale = {"key": "a", "size": [4, 3, 2], "resolution": resolution, "chunk_sizes": [[4, 3, 2]], "encoding": "raw"}
    info = {"type": "image", "data_type": "uint8", "num_channels": 1, "scales": [scale]}
    (tmp_path / "info").write_text(json.dumps(info))
    with pytest.raises(ArrayError, match="cannot be used"):
        opened(tmp_path)


def test_other_things_that_are_no_volume(tmp_path: Path) -> None:
    (tmp_path / "mesh").mkdir()
    (tmp_path / "mesh" / "info").write_text('{"@type": "neuroglancer_legacy_mesh"}')
    with pytest.raises(ArrayError, match="its info is of neuroglancer_legacy_mesh"):
        opened(tmp_path / "mesh")
    with pytest.raises(ArrayError, match="the array has 2 dimensions"):
        opened(write_zarr(tmp_path / "flat", VALUES[0]))
    with pytest.raises(ArrayError, match="the array is empty"):
        opened(write_zarr(tmp_path / "empty", VALUES[:0], [1, 1, 1]))
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / "zarr.json").write_text("<html>Please log in</html>")
    with pytest.raises(ArrayError, match="this is no JSON"):
        opened(tmp_path / "page")


def test_an_address_may_begin_with_its_format(tmp_path: Path) -> None:
    path = write_n5(tmp_path / "a", VALUES, resolution=[4, 8, 40])
    assert open_array(Place(f"n5://{path}")).grid.shape == (2, 3, 4)


def test_a_box_is_read_in_pieces_of_whole_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.arange(7 * 9 * 11, dtype=np.uint16).reshape(7, 9, 11)
    array = opened(write_zarr(tmp_path / "a", values, [2, 4, 3], resolution=[1, 1, 1]))
    monkeypatch.setattr("ifcb_abundance.stores.arrays.PIECE", 2 * 4 * 6 * 2)
    box = IndexBox((1, 2, 1), (6, 9, 10))
    assert np.array_equal(array.read(box), values[1:6, 2:9, 1:10])
    assert len(list(array._pieces(box))) == 3 * 3 * 2


def test_the_metadata_of_an_array_on_disk_is_that_of_its_scales_and_of_the_folder_above(tmp_path: Path) -> None:
    for scale in ("0", "low/1"):
        write_zarr(tmp_path / "ome" / scale, VALUES)
    (tmp_path / "ome" / ".zattrs").write_text('{"multiscales": [{"datasets": [{"path": "0"}, {"path": "low/1"}]}]}')
    write_n5(tmp_path / "n5" / "s0", VALUES)
    (tmp_path / "n5" / "attributes.json").write_text('{"n5": "2.0.0"}')
    found = files_on_disk(f"zarr://{tmp_path}/ome/")
    for name in ("ome/.zattrs", "ome/0/.zarray", "ome/low/1/.zarray", ".zattrs"):
        assert f"{tmp_path}/{name}" in found
    assert f"{tmp_path}/n5/s0/attributes.json" in files_on_disk(f"{tmp_path}/n5")
    assert f"{tmp_path}/n5/attributes.json" in files_on_disk(f"{tmp_path}/n5/s0")
    assert files_on_disk("s3://bucket/ome") == []
