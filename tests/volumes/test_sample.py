"""Crops lie where they say, and the same seed takes the same ones."""

import json
import logging
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from numpy.typing import NDArray

from ifcb_abundance.common.errors import ConfigError
from ifcb_abundance.stores.places import ArrayError, UnreachableError
from ifcb_abundance.tables import table_files
from ifcb_abundance.volumes.dataset_list import Dataset, read_datasets
from ifcb_abundance.volumes.files import open_volume
from ifcb_abundance.volumes.names import parse_crop
from ifcb_abundance.volumes.nrrd_file import write_nrrd
from ifcb_abundance.volumes.pictures import draw_boxes
from ifcb_abundance.volumes.sample import choose_boxes, open_scale, sample_volume
from tests.stores.array_files import served, write_n5, write_zarr
from tests.volumes.made import LIST, made, recorded


def boxes(folder: Path, dataset: Dataset, max_bytes: int = 10**9, filled: float = 0.7, seed: int = 1) -> Any:
    open_scale.cache_clear()
    choose_boxes(dataset, max_bytes, filled, seed, (folder / "boxes.csv", folder / "dataset.csv"))
    return table_files.read("boxes", folder / "boxes.csv")


def crop(folder: Path, dataset: Dataset, name: str) -> tuple[NDArray[np.uint8], Any]:
    """The voxels of a crop, and what its header says of its place: origin and voxel, z, y, x, nm."""
    place = parse_crop(name)
    assert place
    sample_volume(dataset, place, 1.0, folder / "dataset.csv", (folder / "crop.nrrd", folder / "row.csv"))
    volume = open_volume(folder / "crop.nrrd")
    return np.concatenate(list(volume.blocks())), (volume.origin_nm, volume.voxel_nm)


@recorded
@pytest.mark.parametrize("mip", [0, 1, 2, 3])
@pytest.mark.parametrize("name", ["ome_0.4.zarr", "ome_0.5.zarr"])
def test_a_crop_is_the_same_box_in_nm_as_another_reader_has(tmp_path: Path, name: str, mip: int) -> None:
    """Voxels are 40 x 8 x 4 nm at scale 0; the array begins at 200, 96, 120 nm at each scale."""
    dataset = Dataset(2, "made", str(made() / name), mip, crop_size=5)
    taken = boxes(tmp_path, dataset, max_bytes=8 * 5**3)
    taken = taken[taken["status"] == "taken"]
    array = np.asarray(zarr.open(str(made() / name / str(mip)), mode="r"))
    if mip == 3:  # 3 x 5 x 7 voxels: a box of 5 is thinner than 5 along z
        assert taken.empty
        return
    for entry in taken["crop"]:
        pixels, (origin, voxel) = crop(tmp_path, dataset, entry)
        size = np.array([40, 8, 4]) * 2**mip
        assert voxel == tuple(size)
        first = (np.array(origin) - [200, 96, 120]) / size
        assert (first == first.astype(int)).all()
        z, y, x = first.astype(int)
        np.testing.assert_array_equal(pixels, array[z : z + 5, y : y + 5, x : x + 5])
        # Absolute voxels are counted from 0 nm; at scale 1 the array begins within voxel 2 along z.
        place = parse_crop(entry)
        assert place
        expected = np.floor(np.array([200, 96, 120]) / size) + first
        assert [place.z0, place.y0, place.x0] == list(expected)


@recorded
def test_n5_and_precomputed_are_cropped_likewise(tmp_path: Path) -> None:
    """The n5 pyramid begins at 0; precomputed has voxel offsets of its own at each scale (160, 96, 120 nm at 1)."""
    array = np.asarray(zarr.open(str(made() / "ome_0.4.zarr" / "1"), mode="r"))
    for url, origin in (("pyramid.n5/em", (0, 0, 0)), ("image.precomputed", (160, 96, 120))):
        dataset = Dataset(2, "made", str(made() / url), 1, crop_size=9)
        names = boxes(tmp_path, dataset)["crop"]
        pixels, place = crop(tmp_path, dataset, names[0])
        np.testing.assert_array_equal(pixels, array[:9, :9, :9])
        assert place == (origin, (80, 16, 8))


# --- pyramids of five scales, written by hand and read by others ---

VOXEL = (12, 6, 5)  # nm, z, y, x, at scale 0
SHAPE = (80, 96, 112)  # of scale 0; 5 x 6 x 7 at scale 4
Pyramid = list[tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]]  # values, voxel and offset in nm


def five_scales(first: tuple[int, int, int]) -> Pyramid:
    """Values of each scale, which have nothing in common. first: the absolute voxel of scale 0 that is stored first."""
    chance = np.random.default_rng(sum(first))
    shapes = [np.array(SHAPE) // 2**scale for scale in range(5)]
    voxels = [np.array(VOXEL) * 2**scale for scale in range(5)]
    # As precomputed has it: a scale begins at a whole voxel of its own.
    return [
        (chance.integers(1, 256, shape, np.uint8), voxel, np.array(first) // 2**scale * voxel)
        for scale, (shape, voxel) in enumerate(zip(shapes, voxels, strict=True))
    ]


def as_ome(folder: Path, pyramid: Pyramid) -> tuple[str, list[NDArray[np.uint8]]]:
    group = zarr.open_group(str(folder / "em.zarr"), mode="w", zarr_format=2)
    scales = []
    for number, (values, voxel, offset) in enumerate(pyramid):
        group.create_array(str(number), shape=values.shape, chunks=(32, 32, 32), dtype="uint8")[:] = values
        kinds = [{"type": "scale", "scale": voxel.tolist()}, {"type": "translation", "translation": offset.tolist()}]
        scales.append({"path": str(number), "coordinateTransformations": kinds})
    axes = [{"name": name, "type": "space", "unit": "nanometer"} for name in "zyx"]
    group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": scales}]
    read = [np.asarray(zarr.open(str(folder / "em.zarr" / str(number)), mode="r")) for number in range(5)]
    return str(folder / "em.zarr"), read


def as_n5(folder: Path, pyramid: Pyramid) -> tuple[str, list[NDArray[np.uint8]]]:
    read = []
    for number, (values, voxel, offset) in enumerate(pyramid):
        place = {"resolution": voxel[::-1].tolist(), "offset": offset[::-1].tolist()}
        path = write_n5(folder / "em.n5" / f"s{number}", values, **place)
        read.append(np.fromfile(path / "0" / "0" / "0", np.uint8, offset=16).reshape(values.shape))
    (folder / "em.n5" / "attributes.json").write_text('{"n5": "2.0.0"}')
    return str(folder / "em.n5"), read


def as_precomputed(folder: Path, pyramid: Pyramid) -> tuple[str, list[NDArray[np.uint8]]]:
    """One raw chunk for each scale; its first axis in the file, x, is the fastest."""
    scales, read = [], []
    for number, (values, voxel, offset) in enumerate(pyramid):
        first, size = (offset // voxel)[::-1].tolist(), list(values.shape[::-1])
        name = "_".join(f"{a}-{a + n}" for a, n in zip(first, size, strict=True))
        path = folder / "em.precomputed" / str(number) / name
        path.parent.mkdir(parents=True)
        path.write_bytes(values.tobytes())
        scales.append(
            {"key": str(number), "size": size, "resolution": voxel[::-1].tolist(), "voxel_offset": first}
            | {"chunk_sizes": [size], "encoding": "raw"}
        )
        read.append(np.fromfile(path, np.uint8).reshape(values.shape))
    info = {"type": "image", "data_type": "uint8", "num_channels": 1, "scales": scales}
    (folder / "em.precomputed" / "info").write_text(json.dumps(info))
    return str(folder / "em.precomputed"), read


@pytest.mark.parametrize("first", [(48, 16, 32), (7, 13, 21)], ids=["even", "odd"])
@pytest.mark.parametrize("write", [as_ome, as_n5, as_precomputed])
def test_spacing_and_place_at_each_scale(tmp_path: Path, write: Any, first: tuple[int, int, int]) -> None:
    pyramid = five_scales(first)
    url, read = write(tmp_path, pyramid)
    for scale, (_, voxel, offset) in enumerate(pyramid):
        dataset = Dataset(2, "em", url, scale, crop_size=max(5, 27 >> scale))
        rows = boxes(tmp_path, dataset, max_bytes=2 * dataset.crop_size**3)
        taken = list(rows.loc[rows["status"] == "taken", "crop"])
        assert len(taken) == (2 if scale < 4 else 1)
        for name in taken:
            pixels, (origin, size) = crop(tmp_path, dataset, name)
            assert size == tuple(voxel)
            begin, rest = np.divmod(np.array(origin) - offset, voxel)
            assert not rest.any()
            z, y, x = begin.astype(int)
            depth, height, width = pixels.shape
            np.testing.assert_array_equal(pixels, read[scale][z : z + depth, y : y + height, x : x + width])
            place = parse_crop(name)
            assert place
            assert [place.z0, place.y0, place.x0] == list(origin / voxel)


@pytest.mark.parametrize("said", ["ome", "shapes", "n5", "nothing"])
def test_the_voxel_of_the_list_grows_as_the_scales_of_the_store_do(tmp_path: Path, said: str) -> None:
    """z is 40 nm and not sampled down, y and x are halved; 2 for each scale only if nothing is known of scale 0."""
    volumes = [np.ones((10, 33 >> scale, 30 >> scale), np.uint8) for scale in (0, 1, 2)]
    steps = [[1, 2**scale, 2**scale] for scale in (0, 1, 2)]
    if said == "n5":
        for scale, values in enumerate(volumes):
            write_n5(tmp_path / "em" / f"s{scale}", values)
        (tmp_path / "em" / "attributes.json").write_text(json.dumps({"scales": [step[::-1] for step in steps]}))
    else:
        for scale, values in enumerate(volumes):
            write_zarr(tmp_path / "em" / str(scale), values)
        sizes = [{"type": "scale", "scale": list(np.array([40, 8, 8]) * step)} for step in steps]
        scales = [
            {"path": str(n)} | ({"coordinateTransformations": [size]} if said == "ome" else {})
            for n, size in enumerate(sizes)
        ]
        axes = [{"name": name, "type": "space"} for name in "zyx"]
        metadata = {"multiscales": [{"version": "0.4", "axes": axes, "datasets": scales}]}
        (tmp_path / "em" / ".zattrs").write_text(json.dumps(metadata, default=int))
    if said == "nothing":
        (tmp_path / "em" / "0" / ".zarray").unlink()
    for scale in (1, 2):
        dataset = Dataset(2, "em", str(tmp_path / "em"), scale, (40.0, 8.0, 4.0), crop_size=5)
        factor = [1, 2**scale, 2**scale] if said != "nothing" else [2**scale] * 3
        assert list(open_scale(dataset, scale).grid.voxel) == [a * b for a, b in zip((40, 8, 4), factor, strict=True)]


def padded(folder: Path) -> Dataset:
    """A pyramid of two scales, 16 x 16 x 32 voxels of 10 nm; the right half is padding, 0, but for one voxel in 8."""
    volume = np.zeros((16, 16, 32), np.uint16)
    volume[..., :16] = 1000 + np.arange(16, dtype=np.uint16)
    volume[::2, ::2, 16::2] = 500
    group = zarr.open_group(str(folder / "padded.zarr"), mode="w", zarr_format=2)
    for number, values in enumerate((volume, volume[::2, ::2, ::2])):
        array = group.create_array(str(number), shape=values.shape, chunks=(8, 8, 8), dtype="uint16")
        array[:] = values
    scales = [
        {"path": str(number), "coordinateTransformations": [{"type": "scale", "scale": [10 * 2**number] * 3}]}
        for number in (0, 1)
    ]
    axes = [{"name": name, "type": "space", "unit": "nanometer"} for name in "zyx"]
    group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": scales}]
    return Dataset(2, "padded", str(folder / "padded.zarr"), 0, crop_size=8, padding_value=500)


def test_boxes_of_padding_are_left_out_and_all_crops_get_one_range(tmp_path: Path) -> None:
    """Every second voxel is scale 1: on the left all differ from the padding, on the right none."""
    dataset = padded(tmp_path)
    rows = boxes(tmp_path, dataset)
    left = rows["x1"] <= 16
    assert list(rows["filled"]) == [1.0 if each else 0.0 for each in left]
    assert set(rows.loc[left, "status"]) == {"taken"}
    assert set(rows.loc[~left, "reason"]) == {"less than 0.7 of it is no padding"}
    (said,) = table_files.read("sampled_datasets", tmp_path / "dataset.csv").to_dict("records")
    assert (said["low"], said["high"], said["judged_scale"]) == (500, 1014, 1)
    pixels, _ = crop(tmp_path, dataset, rows.loc[left, "crop"].iloc[0])
    # 1000 to 1007 along x, by the range 500 to 1014 of the dataset and not by its own.
    np.testing.assert_array_equal(pixels[0, 0], np.rint((1000 + np.arange(8) - 500) * 255 / 514))
    right = rows.loc[~left, "crop"].iloc[0]
    pixels, _ = crop(tmp_path, dataset, right)
    assert pixels.min() == 0  # scale 0 has zeros that scale 1 lacks


def test_a_fault_of_the_server_is_not_taken_for_the_last_scale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ifcb_abundance.stores.places._RETRIES", {"max_retries": 1, "initial_delay": "1ms"})
    local = padded(tmp_path)
    with served(tmp_path) as web:
        assert list(boxes(tmp_path, replace(local, url=f"{web.url}/padded.zarr"))["status"]) == list(
            boxes(tmp_path, local)["status"]
        )
    with served(tmp_path, broken="/1/") as web, pytest.raises(UnreachableError, match=r"/padded.zarr/1.*503"):
        boxes(tmp_path, replace(local, url=f"{web.url}/padded.zarr"))


def test_what_is_no_padding_is_counted_in_every_box(tmp_path: Path) -> None:
    """Boxes of 5 that the shape does not divide into, counted one by one."""
    volume = np.random.default_rng(5).integers(0, 3, (11, 13, 17), np.uint8)
    write_nrrd(tmp_path / "v.nrrd", [volume], volume.shape, (8, 8, 8), (0, 0, 0))
    rows = boxes(tmp_path, Dataset(2, "v", str(tmp_path / "v.nrrd"), crop_size=5), filled=0)
    assert len(rows) == 3 * 3 * 4
    for row in rows.itertuples():
        part = volume[row.z0 : row.z1, row.y0 : row.y1, row.x0 : row.x1]
        assert row.filled == np.mean(part != 0)


def test_nan_is_padding_and_leaves_the_range_as_it_is(tmp_path: Path) -> None:
    """Boxes of 8: one is 10 to 17 along x with one NaN, so 511 of 512; one is half NaN; one is 0, the padding."""
    volume = np.zeros((8, 8, 24), np.float32)
    volume[..., :8] = volume[..., 8:16] = np.arange(10, 18)
    volume[0, 0, 0], volume[:4, :, 8:16], volume[7, 7, 15] = np.nan, np.nan, np.inf
    array = zarr.create_array(f"{tmp_path}/v.zarr", data=volume, zarr_format=2)
    array.attrs["resolution"] = [8, 8, 8]
    dataset = Dataset(2, "v", f"{tmp_path}/v.zarr", crop_size=8)
    rows = boxes(tmp_path, dataset)
    assert list(rows["filled"]) == [511 / 512, 255 / 512, 0]
    (said,) = table_files.read("sampled_datasets", tmp_path / "dataset.csv").to_dict("records")
    assert (said["low"], said["high"]) == (0, 17)
    pixels, _ = crop(tmp_path, dataset, rows["crop"][0])
    assert pixels[1, 1].tolist() == [150, 165, 180, 195, 210, 225, 240, 255]  # v * 255 / 17
    assert pixels[0, 0].tolist() == [0, 165, 180, 195, 210, 225, 240, 255]
    draw_boxes(dataset, tmp_path / "boxes.csv", tmp_path / "boxes.png")
    array[:] = np.nan
    with pytest.raises(ArrayError, match="line 2: v: all values are NaN or infinity at scale 0"):
        boxes(tmp_path, dataset)


def test_the_seed_takes_the_first_by_their_checksums(tmp_path: Path) -> None:
    dataset = padded(tmp_path)
    for seed in (1, 2):
        rows = boxes(tmp_path, dataset, max_bytes=2 * 3 * 8**3 + 7, filled=0, seed=seed)  # voxels have 2 bytes
        by_hand = sorted(rows["crop"], key=lambda name, seed=seed: sha256(f"{seed}/{name}".encode()).hexdigest())[:3]
        assert set(rows.loc[rows["status"] == "taken", "crop"]) == set(by_hand)


def test_crops_are_no_larger_than_the_budget_in_bytes_as_they_are_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A crop has 8^3 voxels of 2 bytes: 1,024. The log says what is read of those that are taken."""
    caplog.set_level(logging.INFO)
    dataset = padded(tmp_path)
    for budget, n in ((1024, 1), (2047, 1), (2048, 2), (5 * 1024, 5)):
        rows = boxes(tmp_path, dataset, max_bytes=budget, filled=0)
        assert (rows["status"] == "taken").sum() == n
        assert caplog.messages[-1] == f"crops of padded: {n} crop{'s' * (n > 1)}, {1024 * n:,} bytes to read"
    (tmp_path / "boxes.csv").unlink()
    with pytest.raises(ArrayError) as told:
        boxes(tmp_path, dataset, max_bytes=1023)
    assert str(told.value) == (
        "samples.list: line 2: a crop of padded has 1,024 bytes (8 x 8 x 8 voxels of 2 bytes), more than "
        "samples.max_bytes (1,023): set a smaller crop_size or a coarser mip in that line, or samples.max_bytes: 1024 "
        "or more"
    )
    assert not (tmp_path / "boxes.csv").exists()
    # 16 x 16 x 32 voxels are less than a box of 64: it ends where they do.
    assert len(boxes(tmp_path, replace(dataset, crop_size=64), max_bytes=2 * 16 * 16 * 32)) == 1


def test_a_dataset_that_cannot_be_opened_is_named_with_its_line_and_columns(tmp_path: Path) -> None:
    """The array has two scales, 0 and 1."""
    url = padded(tmp_path).url
    zarr.create_array(f"{tmp_path}/bare.zarr", shape=(8, 8, 8), dtype="uint8", zarr_format=2)
    told = {
        Dataset(3, "gone", "/nope.zarr"): "gone: /nope.zarr: nothing is there: check download_url",
        Dataset(4, "deep", url, 9): f"deep: {url} has the scales 0 to 1, and mip is 9: set one of them",
        Dataset(5, "part", f"{url}/0", 2): (
            f"part: {url}/0 is one array and has no scale 2: set mip: 0, or download_url to the folder of all scales"
        ),
        Dataset(6, "bare", f"{tmp_path}/bare.zarr"): (
            f"bare: {tmp_path}/bare.zarr: the store does not say the size of a voxel in nm: fill in voxel_x, voxel_y "
            "and voxel_z"
        ),
    }
    for dataset, words in told.items():
        with pytest.raises(ArrayError) as error:
            boxes(tmp_path, dataset)
        assert str(error.value) == f"samples.list: line {dataset.line}: {words}"


def test_a_dataset_that_is_wanted_whole(tmp_path: Path) -> None:
    dataset = padded(tmp_path)
    whole = Dataset(7, "padded", dataset.url, 1, crop=False, invert=True)
    (row,) = boxes(tmp_path, whole).to_dict("records")
    assert row["crop"] == "padded_s1-ROI-x0-16_y0-8_z0-8"
    plain, _ = crop(tmp_path, Dataset(7, "padded", dataset.url, 1, crop=False), row["crop"])
    inverted, _ = crop(tmp_path, whole, row["crop"])
    np.testing.assert_array_equal(inverted, 255 - plain)
    with pytest.raises(ArrayError, match=r"line 7: padded is wanted whole and has 2,048 bytes .*, more than .*2,047"):
        boxes(tmp_path, whole, max_bytes=2047)
    assert len(boxes(tmp_path, whole, max_bytes=2048)) == 1


@recorded
def test_a_local_file_is_cropped_where_it_lies(tmp_path: Path) -> None:
    dataset = Dataset(2, "made", str(made() / "files" / "mrc_int8.mrc"), crop_size=16)
    rows = boxes(tmp_path, dataset)
    # 18 x 40 x 52 voxels that begin at voxel 5, 12, 30.
    assert rows["crop"][0] == "made_s0-ROI-x30-46_y12-28_z5-21"
    thin = rows["reason"] == "thinner than 5 voxels"
    assert (thin == ((rows["z1"] - rows["z0"] < 5) | (rows["x1"] - rows["x0"] < 5))).all()
    with pytest.raises(ArrayError, match="has one scale: set mip to 0"):
        boxes(tmp_path, Dataset(2, "made", dataset.url, 1))


@pytest.mark.skipif(not LIST.exists(), reason=f"no shared data at {LIST}")
def test_the_list_of_the_reference_is_read_as_it_is() -> None:
    """With its byte-order mark, TRUE and FALSE, `x` for sizes that nobody knows; counted with grep."""
    found = read_datasets(LIST)
    lines = LIST.read_text(encoding="utf-8-sig").splitlines()
    assert len(found) == len(lines) - 1
    assert sum(each.invert for each in found.values()) == 7
    assert sum(not each.crop for each in found.values()) == 4
    assert found["hildebrand2017"].padding_value == 250
    assert found["jrc_ctl-id8-1_openorganelle"].voxel_nm == (3.48, 4, 4)
    assert found["bock2011"].voxel_nm is None
    assert found["microns_cortical_mm3"].url.startswith("precomputed://https://")


def test_rows_that_cannot_be_used_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "list.csv"
    path.write_text(
        "download_url,volume_name,mip,crop,voxel_x,colour\n"
        "s3://a/b,good,1,TRUE,4,red\n,empty,0,TRUE,4,\ns3://a/c,bad,one,TRUE,4,\ns3://a/d,odd,0,maybe,4,\n"
        "s3://a/e,good,0,TRUE,4,\ns3://a/f,a/b,0,TRUE,4,\ns3://a/g,thin,0,TRUE,-4,\n"
    )
    assert set(read_datasets(path)) == {"good"}
    said = [record.message.split(str(path) + ": ")[1] for record in caplog.records]
    assert said == [
        "line 1: the columns 'colour' are not known and not used",
        "line 3 is not used: download_url is empty",
        "line 4 is not used: mip is 'one' and no number",
        "line 5 is not used: crop is 'maybe' and neither TRUE nor FALSE",
        "line 6 is not used: volume_name 'good' is in line 2 already",
        said[5],
        "line 8 is not used: voxel_x is '-4' and not above 0",
    ]
    assert said[5].startswith("line 7 is not used: volume_name: 'a/b' cannot be the name of a volume")
    path.write_text("download_url,volume_name\n,\n")
    with pytest.raises(ConfigError, match="line 2 is not used: download_url is empty"):
        read_datasets(path)
    path.write_text("volume_name\nx\n")
    with pytest.raises(ConfigError, match="has no column 'download_url'"):
        read_datasets(path)
