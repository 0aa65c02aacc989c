"""Volumes of all kinds are read right, or a sentence says why not."""

import gzip
import importlib.util
import struct
from pathlib import Path
from unittest.mock import Mock

import av
import mrcfile
import nrrd
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from ifcb_abundance.common.errors import ConfigError
from ifcb_abundance.tables import table_files
from ifcb_abundance.volumes.convert import as_bytes, axes_to_cut, convert_volume
from ifcb_abundance.volumes.files import NoVolumeError, data_files, find_volumes, open_volume, warn_of_unknown
from ifcb_abundance.volumes.nrrd_file import write_nrrd
from tests.volumes.made import made, recorded, truth

RAMP = np.arange(4 * 6 * 8, dtype=np.uint8).reshape(4, 6, 8)


def voxels(path: Path, scaling: str = "type") -> NDArray[np.uint8]:
    slices, *_ = as_bytes(open_volume(path).blocks, scaling)
    return np.concatenate(list(slices()))


def array_of(path: Path) -> NDArray[np.generic]:
    array = open_volume(path).array
    assert array is not None
    return np.asarray(array)


@recorded
@pytest.mark.parametrize(
    "name",
    [
        *("nrrd_uint8.nrrd", "nrrd_sitk.nrrd", "nrrd_uint16.nrrd"),
        *("mrc_int8.mrc", "mrc_uint16.mrc", "tif_imagej.tif", "tif_ome.ome.tif"),
    ],
)
def test_recorded_volumes(name: str) -> None:
    path = made() / "files" / name
    volume = open_volume(path)
    assert volume.voxel_nm == (40, 8, 4)
    np.testing.assert_array_equal(voxels(path), truth())


@recorded
def test_int16_and_floats() -> None:
    """int16 is scaled by the range of its type, floats by their own."""
    of_type = voxels(made() / "files" / "mrc_int16.mrc")
    with mrcfile.open(made() / "files" / "mrc_int16.mrc") as file:
        expected = np.rint((file.data.astype(float) + 32768) * 255 / 65535)
    np.testing.assert_array_equal(of_type, expected)
    with mrcfile.open(made() / "files" / "mrc_float32.mrc") as file:
        stored = file.data.astype(float)
    expected = np.rint((stored - stored.min()) * 255 / (stored.max() - stored.min()))
    np.testing.assert_array_equal(voxels(made() / "files" / "mrc_float32.mrc"), expected)


@recorded
@pytest.mark.parametrize("name", ["grey_ffv1.avi", "grey_raw.avi", "my_video_ffv1.avi", "mpeg4.mp4"])
def test_recorded_videos(name: str) -> None:
    with np.load(made() / "videos" / "frames.npz") as arrays:
        frames = arrays["frames"].astype(int)
    apart = np.abs(voxels(made() / "videos" / name).astype(int) - frames)
    assert apart.max() <= (12 if name == "mpeg4.mp4" else 0)


@recorded
def test_names_of_videos_say_that_they_are_some() -> None:
    found, passed = find_volumes([str(made() / "videos")])
    assert set(found) == {"grey_ffv1_video", "grey_raw_video", "my_video_ffv1", "mpeg4_video", "cut_video"}
    assert passed == ["frames.npz"]


def test_a_volume_that_is_written_is_read_by_others(tmp_path: Path) -> None:
    for packed in (False, True):
        write_nrrd(tmp_path / "v.nrrd", [RAMP[:3], RAMP[3:]], (4, 6, 8), (40, 8.5, 4), (-200, 0, 120), packed)
        array, header = nrrd.read(str(tmp_path / "v.nrrd"), index_order="C")
        np.testing.assert_array_equal(array, RAMP)
        np.testing.assert_array_equal(header["space directions"], np.diag([4, 8.5, 40]))
        np.testing.assert_array_equal(header["space origin"], [120, 0, -200])
        volume = open_volume(tmp_path / "v.nrrd")
        assert (volume.voxel_nm, volume.origin_nm) == ((40, 8.5, 4), (-200, 0, 120))


def test_spacings_and_units_of_nrrd(tmp_path: Path) -> None:
    nrrd.write(str(tmp_path / "v.nrrd"), RAMP, {"spacings": [0.04, 0.008, 0.004], "units": ["um"] * 3}, index_order="C")
    assert open_volume(tmp_path / "v.nrrd").voxel_nm == pytest.approx((4, 8, 40))  # x is written first


@pytest.mark.parametrize(
    ("unit", "voxel"), [("micrometers", (1000, 2000, 3000)), ("???", (1, 2, 3)), ("", (1, 2, 3)), ("pixel", None)]
)
def test_a_unit_of_nrrd_that_is_no_length_gives_no_size(
    tmp_path: Path, unit: str, voxel: tuple[float, ...] | None
) -> None:
    nrrd.write(str(tmp_path / "v.nrrd"), RAMP, {"spacings": [3, 2, 1], "units": [unit] * 3}, index_order="C")
    volume = open_volume(tmp_path / "v.nrrd")
    assert volume.voxel_nm == voxel
    note = "its unit 'pixel' is no length that is known, so its size of a voxel and its place are not used"
    assert volume.notes == ((note,) if voxel is None else ())


@pytest.mark.parametrize("colours", ["first", "last"])
def test_units_of_nrrd_are_those_of_the_axes_of_space(tmp_path: Path, colours: str) -> None:
    """By hand: 0.008 um are 8 nm, 0.004 um are 4 nm, 30 nm are 30 nm. The axis of colours has neither."""
    header: dict[str, list[float] | list[str]] = {
        "spacings": [np.nan, 0.004, 0.008, 30],
        "units": ["", "um", "um", "nm"],
        "kinds": ["RGB-color", "domain", "domain", "domain"],
    }
    shape = (4, 6, 8, 3)
    if colours == "last":
        header = {key: values[1:] + values[:1] for key, values in header.items()}
        shape = (3, 4, 6, 8)
    nrrd.write(str(tmp_path / "v.nrrd"), np.zeros(shape, np.uint8), header, index_order="C")
    assert open_volume(tmp_path / "v.nrrd").voxel_nm == pytest.approx((30, 8, 4))


TURNED = {
    "mirrored": [(-8, 0, 0), (0, -8, 0), (0, 0, 8)],
    "in another order": [(0, 0, 8), (0, 8, 0), (8, 0, 0)],
    "rotated": [(6, 6, 0), (-6, 6, 0), (0, 0, 8)],
}


@pytest.mark.parametrize("how", TURNED)
def test_a_nrrd_whose_axes_are_not_those_of_its_space_is_a_row_that_says_so(tmp_path: Path, how: str) -> None:
    header = {"space": "LPS", "space directions": np.array(TURNED[how], float), "space origin": [100, 200, 300]}
    nrrd.write(str(tmp_path / "v.nrrd"), RAMP, header, index_order="C")
    outputs = tmp_path / "bytes.nrrd", tmp_path / "v.csv"
    convert_volume("v", tmp_path / "v.nrrd", "type", [0], 0.25, None, outputs)
    (row,) = table_files.read("volumes", outputs[1]).to_dict("records")
    text = " ".join(str(each).replace(" ", "") for each in TURNED[how])
    assert row["problem"] == (
        f"has the space directions {text}: its axes have to run along x, y and z of its space, in this order and "
        "upwards. Write it so, or with spacings in place of its space"
    )


@pytest.mark.parametrize("space", ["right-anterior-superior", "LPS", ""])
def test_a_volume_of_bytes_has_the_space_of_its_file(tmp_path: Path, space: str) -> None:
    """By hand: 0.004, 0.008 and 0.04 um are 4, 8 and 40 nm; 1, 2 and 3 um are 1000, 2000 and 3000 nm."""
    header = {"space": space} if space else {"space dimension": 3}
    header |= {"space directions": np.diag([0.004, 0.008, 0.04]), "space origin": [1, 2, 3], "space units": ["um"] * 3}
    nrrd.write(str(tmp_path / "v.nrrd"), RAMP, header, index_order="C")
    outputs = tmp_path / "bytes.nrrd", tmp_path / "v.csv"
    convert_volume("v", tmp_path / "v.nrrd", "type", [0], 0.25, None, outputs)
    array, written = nrrd.read(str(outputs[0]), index_order="C")
    np.testing.assert_array_equal(array, RAMP)
    assert (written.get("space", ""), written.get("space dimension")) == (space, None if space else 3)
    assert written["space origin"] == pytest.approx([1000, 2000, 3000])
    assert written["space directions"] == pytest.approx(np.diag([4, 8, 40]))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("flags", "values"), [(0, [0, 100, 200, 255]), (1, [0, 100, -56, -1])])
def test_imod_says_whether_bytes_of_mrc_are_signed(tmp_path: Path, order: str, flags: int, values: list[int]) -> None:
    """Two's complement: 200 is -56, 255 is -1."""
    with mrcfile.new(tmp_path / "v.mrc") as file:
        file.set_data(np.array([[[0, 100]], [[-56, -1]]], np.dtype(np.int8)))
        file.voxel_size = 40
    if order == ">":
        with mrcfile.open(tmp_path / "v.mrc") as file:
            header = file.header.byteswap()
        header["map"], header["machst"] = b"MAP ", [0x11, 0x11, 0, 0]
        raw = bytearray((tmp_path / "v.mrc").read_bytes())
        raw[:1024] = header.tobytes()
        (tmp_path / "v.mrc").write_bytes(bytes(raw))
    assert array_of(tmp_path / "v.mrc").ravel().tolist() == [0, 100, -56, -1]
    raw = bytearray((tmp_path / "v.mrc").read_bytes())
    struct.pack_into(f"{order}2i", raw, 152, 1146047817, flags)
    (tmp_path / "v.mrc").write_bytes(bytes(raw))
    assert array_of(tmp_path / "v.mrc").ravel().tolist() == values


def test_a_mrc_whose_axes_are_in_another_order_says_so(tmp_path: Path) -> None:
    with mrcfile.new(tmp_path / "v.mrc") as file:
        file.set_data(RAMP)
        file.header.mapc, file.header.mapr, file.header.maps = 3, 2, 1
    with pytest.raises(NoVolumeError, match=r"has \(3, 2, 1\) as mapc, mapr and maps: its columns, rows"):
        open_volume(tmp_path / "v.mrc")


def test_colours_are_made_grey_by_luma(tmp_path: Path) -> None:
    stack = np.zeros((2, 3, 4, 3), np.uint8)
    stack[..., 0], stack[..., 1], stack[..., 2] = 200, 100, 50
    tifffile.imwrite(tmp_path / "v.tif", stack, photometric="rgb", metadata={"axes": "ZYXS"})
    # (19595 * 200 + 38470 * 100 + 7471 * 50) / 65536 = 124.2
    assert set(voxels(tmp_path / "v.tif").ravel()) == {124}


def test_the_first_of_several_channels_is_used_and_said(tmp_path: Path) -> None:
    stack = np.stack([RAMP, 255 - RAMP], axis=1)  # z, c, y, x
    tifffile.imwrite(tmp_path / "v.tif", stack, imagej=True, metadata={"axes": "ZCYX", "spacing": 2, "unit": "um"})
    assert open_volume(tmp_path / "v.tif").notes == ("the first of 2 along axis C is used",)
    np.testing.assert_array_equal(voxels(tmp_path / "v.tif"), RAMP)


def test_slices_of_tiff_that_are_called_otherwise_are_slices(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "imagej.tif", RAMP, imagej=True)
    tifffile.imwrite(tmp_path / "times.tif", RAMP, photometric="minisblack", metadata={"axes": "TYX"})
    with tifffile.TiffWriter(tmp_path / "series.tif") as file:
        for each in RAMP:
            file.write(each, photometric="minisblack")
    notes = {
        "imagej.tif": "axis C is taken for the slices, 4 of them",
        "times.tif": "axis T is taken for the slices, 4 of them",
        "series.tif": "its 4 series of one image each are taken for slices",
    }
    for name, note in notes.items():
        np.testing.assert_array_equal(array_of(tmp_path / name), RAMP)
        assert open_volume(tmp_path / name).notes == (note,)
    both = np.stack([RAMP, RAMP])
    tifffile.imwrite(tmp_path / "both.tif", both, photometric="minisblack", metadata={"axes": "TCYX"})
    with pytest.raises(NoVolumeError, match=r"has 8 pages with the axes TCYX of 2 x 4 x 6 x 8: an image, not a volume"):
        open_volume(tmp_path / "both.tif")


def test_range_stretches_the_whole_volume_by_one_rule(tmp_path: Path) -> None:
    stack = np.array([[[10, 20]], [[30, 60]]], np.uint8)
    write_nrrd(tmp_path / "v.nrrd", [stack], (2, 1, 2), (1, 1, 1), (0, 0, 0))
    # (v - 10) * 255 / 50
    assert voxels(tmp_path / "v.nrrd", "range").ravel().tolist() == [0, 51, 102, 255]


@recorded
@pytest.mark.parametrize(
    ("name", "says"), [("cut_off.nrrd", "cannot be read as .nrrd"), ("cut_short.mrc", "is truncated")]
)
def test_files_that_break_off(name: str, says: str) -> None:
    with pytest.raises(NoVolumeError, match=says):
        open_volume(made() / "files" / name)


def test_files_that_are_no_volumes(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "flat.tif", RAMP[0])
    (tmp_path / "text.mrc").write_text("no volume" * 200)
    (tmp_path / "empty.nrrd").write_bytes(b"")
    (tmp_path / "brain.nii.gz").write_bytes(b"")
    nrrd.write(str(tmp_path / "flat.nrrd"), RAMP[0], index_order="C")
    says = {
        "flat.tif": "an image, not a volume",
        "text.mrc": "cannot be read as .mrc",
        "empty.nrrd": "cannot be read as .nrrd",
        "flat.nrrd": "an image of 2 dimensions",
    }
    for name, words in says.items():
        with pytest.raises(NoVolumeError, match=words):
            open_volume(tmp_path / name)
    with pytest.raises(ConfigError, match=r"flat\.nrrd and .*flat\.tif are both called 'flat'"):
        find_volumes([str(tmp_path)])
    with pytest.raises(ConfigError, match="cannot be listed"):
        find_volumes([str(tmp_path / "none")])


def test_axes_of_anisotropic_volumes() -> None:
    """|x - z| / x above 0.25: for x = 8 nm that is below 6 or above 10 nm."""
    assert axes_to_cut([0, 1, 2], (10, 8, 8), 0.25, False) == [0, 1, 2]
    assert axes_to_cut([0, 1, 2], (10.1, 8, 8), 0.25, False) == [0]
    assert axes_to_cut([2, 1], (40, 8, 4), 0.25, False) == []
    assert axes_to_cut([2, 0], None, 0.25, True) == [0]


def write_nifti(path: Path) -> None:
    """RAMP as NIfTI-1, by its specification: voxels of 4 x 6 x 40 nm (x, y, z), in mm; the first one at 0."""
    z, y, x = RAMP.shape
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 3, x, y, z, 1, 1, 1, 1)
    struct.pack_into("<2h", header, 70, 2, 8)  # uint8, bits
    struct.pack_into("<8f", header, 76, 1, 4e-6, 6e-6, 40e-6, 0, 0, 0, 0)
    struct.pack_into("<f", header, 108, 352)
    header[123] = 2  # mm
    header[344:348] = b"n+1\0"
    path.write_bytes(gzip.compress(bytes(header) + RAMP.tobytes()))


def test_others_are_read_by_simpleitk_which_is_named_where_it_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "brain.nii.gz"
    write_nifti(path)
    if importlib.util.find_spec("SimpleITK"):
        volume = open_volume(path)
        assert (volume.format, volume.voxel_nm, volume.origin_nm) == (".nii.gz", (40, 6, 4), (0, 0, 0))
        np.testing.assert_array_equal(voxels(path), RAMP)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(NoVolumeError, match=r"needs SimpleITK, which is not installed: \.venv/bin/pip install Simple"):
        open_volume(path)
    (tmp_path / "v.tif").touch()
    lacks = "<COMPRESSION.LZW: 5> requires the 'imagecodecs' package"
    monkeypatch.setattr("ifcb_abundance.volumes.files._open_tiff", Mock(side_effect=ValueError(lacks)))
    with pytest.raises(NoVolumeError, match=r"package, which is not installed: \.venv/bin/pip install imagecodecs$"):
        open_volume(tmp_path / "v.tif")
    monkeypatch.setattr(importlib.util, "find_spec", Mock())
    with pytest.raises(NoVolumeError, match=r"'imagecodecs' package$"):
        open_volume(tmp_path / "v.tif")


@pytest.mark.parametrize(
    ("name", "header", "expected"),
    [
        ("v.nrrd", "NRRD0004\ntype: uint8\ndata file: a b.raw\n", ["{0}/a b.raw"]),
        ("v.nrrd", "NRRD0004\r\ndatafile: /else/where.raw\r\n", ["/else/where.raw"]),
        ("v.nrrd", "NRRD0004\ntype: uint8\n\ndata file: of the voxels\n", []),
        ("v.mhd", "NDims = 3\nElementDataFile = v.zraw \n", ["{0}/v.zraw"]),
        ("v.mha", "NDims = 3\nElementDataFile = LOCAL\n\0\1", []),
        ("v.mhd", "ElementDataFile = LIST\none.raw\n\n two.raw\n", ["{0}/one.raw", "{0}/two.raw"]),
        ("v.mhd", "ElementDataFile = s%02d.raw 1 2 1\n", ["{0}/s01.raw", "{0}/s02.raw"]),
        ("v.tif", "data file: a.raw\n", []),
    ],
)
def test_data_files_are_those_that_the_header_names(
    tmp_path: Path, name: str, header: str, expected: list[str]
) -> None:
    for number in (1, 2):
        (tmp_path / f"s0{number}.raw").touch()
    (tmp_path / name).write_bytes(header.encode())
    assert data_files(tmp_path / name) == [each.format(tmp_path) for each in expected]
    assert data_files(tmp_path / f"none_{name}") == []


def test_an_empty_page_and_a_video_without_frames(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "page.tif", RAMP, compression="zlib", photometric="minisblack")
    with tifffile.TiffFile(tmp_path / "page.tif", mode="r+") as file:
        tag = file.pages[2].tags["StripByteCounts"]
        tag.overwrite([0] * tag.count)
    with pytest.raises(NoVolumeError, match="page 3 is empty"):
        open_volume(tmp_path / "page.tif")
    with av.open(str(tmp_path / "none.avi"), "w") as container:
        stream = container.add_stream("rawvideo", rate=10)
        stream.width, stream.height, stream.pix_fmt = 16, 16, "gray"
        container.start_encoding()
    with pytest.raises(NoVolumeError, match=r"has no frames|cannot be decoded behind frame 0"):
        open_volume(tmp_path / "none.avi")


def test_a_file_that_does_not_say_how_large_voxels_are_is_a_row_that_names_the_key(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "v.tif", RAMP, photometric="minisblack")
    made = tmp_path / "v.nrrd", tmp_path / "v.csv"
    convert_volume("v", tmp_path / "v.tif", "type", [0], 0.25, None, made)
    (row,) = table_files.read("volumes", made[1]).to_dict("records")
    assert row["problem"] == "does not say how large its voxels are: set volumes.voxel_nm: {v: [z, y, x]}"
    convert_volume("v", tmp_path / "v.tif", "type", [0], 0.25, [40, 8, 4], made)
    (row,) = table_files.read("volumes", made[1]).to_dict("records")
    assert (row["problem"], row["voxel_from"], row["voxel_z_nm"]) == ("", "volumes.voxel_nm", 40)


def test_sizes_that_are_given_for_a_volume_that_is_not_there_are_said(caplog: pytest.LogCaptureFixture) -> None:
    warn_of_unknown({"mito_3": [30, 8, 8]}, ["mito_2", "mito_3"])
    assert not caplog.messages
    warn_of_unknown({"mito_3.tif": [30, 8, 8], "mito_3": [30, 8, 8]}, ["mito_2", "mito_3"])
    warn_of_unknown(["x"], [f"v{n:02d}" for n in range(23)])
    twenty = ", ".join(f"'v{n:02d}'" for n in range(20))
    assert caplog.messages == [
        "volumes.voxel_nm: no volume is called 'mito_3.tif'; there are 'mito_2', 'mito_3'",
        f"volumes.voxel_nm: no volume is called 'x'; there are {twenty} and 3 more",
    ]
