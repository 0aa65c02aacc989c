"""Volumes through the front door: from files and arrays to kept patches and flipbooks, and all the way back."""

import os
import re
import shutil
import signal
import time
from collections.abc import Mapping
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import imagehash
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from ifcb_abundance.common.errors import quoted
from ifcb_abundance.stores.arrays import open_array
from ifcb_abundance.stores.boxes import exact
from ifcb_abundance.stores.places import Place
from ifcb_abundance.tables import table_files
from ifcb_abundance.volumes.files import open_volume
from ifcb_abundance.volumes.names import parse_patch
from ifcb_abundance.volumes.nrrd_file import write_nrrd
from tests.checkout import Checkout
from tests.engine.test_messages import assert_plain
from tests.engine.test_surroundings import PAGE, disk_in_memory, files_no_larger_than, pages
from tests.stores.array_files import served, write_zarr
from tests.volumes.made import made, recorded, truth

pytestmark = recorded
TARGETS = ("volumes", "flipbooks")


def config(folder: Path, volumes: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {"dataset": "em", "volumes": {"folder": str(folder), "patch_px": 16} | dict(volumes or {})}


def array_of(path: Path) -> NDArray[np.uint8]:
    array = open_volume(path).array
    assert array is not None
    return np.asarray(array)


def table(run: Checkout, name: str) -> list[dict[str, Any]]:
    schema = {"patches": "volume_patches", "curated": "volume_curated"}.get(name, name)
    return table_files.read(schema, run.results("em") / "volumes" / f"{name}.csv").to_dict("records")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """The recorded files, broken ones included."""
    checkout = Checkout(tmp_path_factory.mktemp("run") / "checkout")
    checkout.run(config(made() / "files"), *TARGETS)
    return checkout


def test_each_file_becomes_the_same_bytes_with_its_place(run: Checkout) -> None:
    rows = {row["volume"]: row for row in table(run, "volumes")}
    broken = {"cut_off", "cut_short"}
    assert {name for name, row in rows.items() if row["problem"]} == broken
    folder = run.results("em") / "volumes"
    made_of = {path.stem for part in ("patches", "pictures/patches", "kept") for path in (folder / part).iterdir()}
    assert made_of == rows.keys() - broken
    same = ["nrrd_uint8", "nrrd_sitk", "nrrd_uint16", "mrc_int8", "mrc_uint16", "tif_imagej", "tif_ome"]
    for name in same:
        volume = open_volume(run.results("em") / "volumes" / "bytes" / f"{name}.nrrd")
        np.testing.assert_array_equal(volume.array, truth())
        assert volume.voxel_nm == (40, 8, 4)
        assert volume.origin_nm == ((0, 0, 0) if name.startswith("tif") else (200, 96, 120))
        assert rows[name]["axes"] == "0"
    assert (rows["nrrd_isotropic"]["axes"], rows["nrrd_just_anisotropic"]["axes"]) == ("0 1 2", "0")


def test_a_file_that_is_asked_for_by_a_wrong_name_is_a_sentence(run: Checkout) -> None:
    printed = run.run(config(made() / "files"), "-n", "results/em/volumes/pictures/patches/nosuch.png", fails=True)
    assert_plain(printed)
    names = sorted(row["volume"] for row in table(run, "volumes"))
    assert f"volumes.folder: no volume is called 'nosuch'; there are {quoted(names)}" in printed


def test_each_patch_is_where_its_name_says(run: Checkout) -> None:
    volume = array_of(run.results("em") / "volumes" / "bytes" / "nrrd_isotropic.nrrd")
    own = [row for row in table(run, "patches") if row["volume"] == "nrrd_isotropic"]
    # 18 / 16 rounds to one tile; the last slice is cut.
    assert len(own) == 3 * 18
    kept = run.results("em") / "volumes" / "kept" / "nrrd_isotropic"
    n_kept = 0
    for row in own:
        patch = parse_patch(row["patch"])
        pixels = np.take(volume, patch.slice, axis=patch.axis)[patch.y0 : patch.y1, patch.x0 : patch.x1]
        resized = Image.fromarray(pixels).resize((224, 224), Image.Resampling.BILINEAR)
        assert row["hash"] == str(imagehash.dhash(resized))
        path = kept / f"{row['patch']}.tiff"
        if path.exists():
            n_kept += 1
            np.testing.assert_array_equal(tifffile.imread(path), pixels)
    status = {row["patch"]: row["status"] for row in table(run, "curated") if row["volume"] == "nrrd_isotropic"}
    assert n_kept == sum(each == "kept" for each in status.values())
    assert n_kept == len(list(kept.glob("*.tiff")))


def test_the_centre_of_a_flipbook_is_its_patch(run: Checkout) -> None:
    """Over three axes, and at both ends: the first flipbook begins at slice 0, the last ends at the last slice."""
    folder = run.results("em") / "volumes"
    volume = array_of(folder / "bytes" / "nrrd_isotropic.nrrd")
    rows = [row for row in table(run, "flipbooks") if row["patch"].startswith("nrrd_isotropic")]
    for row in rows:
        patch = parse_patch(row["patch"])
        assert row["status"] == ("made" if 2 <= patch.slice <= 15 else "no_context")
        if row["status"] == "no_context":
            continue
        path = folder / "flipbooks" / "nrrd_isotropic" / f"{row['flipbook']}.tif"
        with tifffile.TiffFile(path) as file:
            stack = file.asarray()
            assert file.imagej_metadata
            depth = file.imagej_metadata["spacing"]
        assert depth == pytest.approx({0: 0.010, 1: 0.008, 2: 0.008}[patch.axis])  # um
        assert stack.shape[0] == 5
        expected = np.take(volume, range(patch.slice - 2, patch.slice + 3), axis=patch.axis)
        expected = np.moveaxis(expected, patch.axis, 0)[:, patch.y0 : patch.y1, patch.x0 : patch.x1]
        np.testing.assert_array_equal(stack, expected)
    made_at = {(parse_patch(row["patch"]).axis, row["first"]) for row in rows if row["status"] == "made"}
    assert {axis for axis, _ in made_at} == {0, 1, 2}


def test_a_new_volume_leaves_the_others_alone(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    shutil.copy(made() / "files" / "nrrd_isotropic.nrrd", folder)
    run = Checkout(tmp_path / "checkout")
    run.run(config(folder), "volumes")
    own = run.results("em") / "volumes"
    made_of_it = [own / "bytes" / "nrrd_isotropic.nrrd", own / "patches" / "nrrd_isotropic.zip"]
    before = [path.stat().st_mtime_ns for path in made_of_it]
    printed = run.run(config(folder, {"voxel_nm": {"isotropic": [8, 8, 8]}}), "volumes")
    assert printed.count("volumes.voxel_nm: no volume is called 'isotropic'; there are 'nrrd_isotropic'") == 1
    noise = np.random.default_rng(3).integers(0, 256, (6, 20, 20), np.uint8)
    write_nrrd(folder / "a b.c.nrrd", [noise], (6, 20, 20), (10, 10, 10), (0, 0, 0))
    write_nrrd(folder / "odd-LOC-0_1.nrrd", [255 - noise], (6, 20, 20), (10, 10, 10), (0, 0, 0))
    printed = run.run(config(folder), "volumes")
    assert [path.stat().st_mtime_ns for path in made_of_it] == before
    assert {row["volume"] for row in table(run, "volumes")} == {"nrrd_isotropic", "a b.c", "odd-LOC-0_1"}
    assert "Nothing to be done" in run.run(config(folder), "volumes"), printed
    names = [row["patch"] for row in table(run, "patches")]
    assert len(names) == 3 * 18 + 2 * (6 + 20 + 20)  # a patch a slice along each axis
    known = tmp_path / "labels.csv"
    known.write_text(
        "".join(["image,label\n", *(f"{name},{'good' if n % 2 else 'bad'}\n" for n, name in enumerate(names))])
    )
    printed = run.run(config(folder, {"filter": {"labels": str(known)}}), "volumes")
    assert re.search(r"volumes\.filter: AUC 0\.\d{3} on groups that it was not trained on", printed)
    assert re.search(r"volumes\.filter: \d+ of 146 patches are informative", printed)
    assert "curation" not in printed
    trained = [(own / name).read_bytes() for name in ("filter.json", "roc.csv")]
    known.write_text(f"image,label\n{names[0]},good\n")
    printed = run.run(config(folder, {"filter": {"labels": str(known)}}), "volumes", fails=True)
    assert "labels 1 informative and 0 uninformative patches" in printed
    assert [(own / name).read_bytes() for name in ("filter.json", "roc.csv")] == trained  # the old filter stays

    # What is gone leaves nothing behind; of what is broken now, its row stays, which says so, and an empty file.
    run.run(config(folder), "flipbooks")
    (folder / "a b.c.nrrd").unlink()
    (folder / "odd-LOC-0_1.nrrd").write_bytes(b"NRRD0004\n")
    run.run(config(folder), *TARGETS)
    left = [str(path.relative_to(own)) for path in own.rglob("*") if re.match("a b.c|odd-", path.name)]
    assert sorted(left) == ["bytes/odd-LOC-0_1.nrrd", "converted/odd-LOC-0_1.csv"]
    assert {row["volume"] for row in table(run, "curated")} == {"nrrd_isotropic"}
    aside = run.results("em") / "stale" / "volumes"
    assert all((aside / name / "a b.c").is_dir() for name in ("kept", "flipbooks"))
    write_nrrd(folder / "a b.c.nrrd", [noise], (6, 20, 20), (10, 10, 10), (0, 0, 0))
    run.run(config(folder), *TARGETS)
    assert list((own / "kept" / "a b.c").glob("*.tiff"))


def test_files_that_were_replaced_by_older_ones_are_met(tmp_path: Path) -> None:
    """A list of flipbooks, and a volume that crops are taken of."""
    noise = np.random.default_rng(3).integers(0, 256, (12, 20, 20), np.uint8)
    files = {name: tmp_path / name for name in ("volume.nrrd", "list.csv", "of.csv")}
    files["of.csv"].touch()
    files["list.csv"].write_text(f"download_url,volume_name,crop_size\n{files['volume.nrrd']},own,12\n")
    asked = {
        "dataset": "em",
        "samples": {"list": str(files["list.csv"]), "max_bytes": 12**3},
        "volumes": {"patch_px": 16, "axes": [0], "flipbooks": {"of": str(files["of.csv"])}},
    }
    run = Checkout(tmp_path / "checkout")
    found = []
    for pixels, n_slice in ((noise, 4), (noise, 7), (255 - noise, 7)):
        write_nrrd(files["volume.nrrd"], [pixels], pixels.shape, (10, 10, 10), (0, 0, 0))
        os.utime(files["volume.nrrd"], (1_000_000_000 - int(pixels[0, 0, 0]),) * 2)
        run.run(asked, "crops")
        (crop,) = table(run, "crops")
        files["of.csv"].write_text(f"patch\n{crop['crop']}-LOC-0_{n_slice:02d}_0-12_0-12\n")
        os.utime(files["of.csv"], (1_000_000_000 - n_slice,) * 2)
        run.run(asked, "flipbooks")
        z, y, x = (slice(crop[f"{axis}0"], crop[f"{axis}1"]) for axis in "zyx")
        np.testing.assert_array_equal(
            array_of(run.results("em") / "volumes" / "crops" / f"{crop['crop']}.nrrd"), pixels[z, y, x]
        )
        found.append([row["centre"] for row in table(run, "flipbooks")])
    assert found == [[4], [7], [7]]


SIMPLE_ITK = """
from pathlib import Path
import numpy as np

class Image:
    GetDimension, GetSpacing, GetOrigin = (lambda self, told=told: told for told in (3, (4, 4, 4), (0, 0, 0)))

def ReadImage(path):
    image = Image()
    image.array = np.fromfile(Path(path).with_suffix(".raw"), np.uint8).reshape(2, 16, 16)
    return image

def GetArrayFromImage(image):
    return image.array
"""


@pytest.mark.skipif(find_spec("SimpleITK") is not None, reason="SimpleITK is installed")
def test_a_data_file_that_was_replaced_and_a_reader_that_was_installed_are_met(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "v.nrrd").write_text(
        "NRRD0004\ntype: uint8\ndimension: 3\nsizes: 16 16 2\nencoding: raw\nspacings: 4 4 4\ndata file: w.raw\n"
    )
    (folder / "w.mhd").touch()
    run = Checkout(tmp_path / "checkout")
    target = "results/em/volumes/volumes.csv"

    def voxels(value: int, seconds: int, **env: str) -> dict[str, Any]:
        """The value of the voxels of each volume, or its problem, once the data file was replaced."""
        (folder / "w.raw").write_bytes(bytes([value]) * 512)
        os.utime(folder / "w.raw", (seconds, seconds))
        run.run(config(folder), target, env=env)
        made_of = run.results("em") / "volumes" / "bytes"
        return {
            row["volume"]: row["problem"] or array_of(made_of / f"{row['volume']}.nrrd").max()
            for row in table(run, "volumes")
        }

    missing = "needs SimpleITK, which is not installed: .venv/bin/pip install SimpleITK"
    assert voxels(7, 2000) == {"v": 7, "w": missing}
    assert voxels(8, 1000) == {"v": 8, "w": missing}
    (tmp_path / "SimpleITK.py").write_text(SIMPLE_ITK)
    assert voxels(8, 1000, PYTHONPATH=str(tmp_path)) == {"v": 8, "w": 8}
    assert "Nothing to be done" in run.run(config(folder), target, env={"PYTHONPATH": str(tmp_path)})


def test_crops_are_traced_back_to_the_array(tmp_path: Path) -> None:
    """A kept patch of a crop is the box in nm of the array that `trace.csv` names; the same with 1 core."""
    (tmp_path / "list.csv").write_text(
        "download_url,volume_name,mip,crop_size\n"
        f"{made() / 'ome_0.5.zarr'},ome,0,12\nprecomputed://{made() / 'image.precomputed'},pre,1,8\n"
    )
    asked = {
        "dataset": "em",
        "samples": {"list": str(tmp_path / "list.csv"), "max_bytes": 3 * 12**3},
        "volumes": {"patch_px": 16, "anisotropy": 100},
    }
    results = []
    for cores in ("8", "1"):
        run = Checkout(tmp_path / cores)
        run.run(asked, "crops", "volumes", "--cores", cores)
        results.append(run.files("em"))
    assert results[0] == results[1]
    # A larger budget reads more crops, and none of the first ones again.
    crops = {path: path.stat().st_mtime_ns for path in (run.results("em") / "volumes" / "crops").iterdir()}
    run.run({**asked, "samples": {**asked["samples"], "max_bytes": 4 * 12**3}}, "crops")
    assert sum(row["dataset"] == "ome" for row in table(run, "crops")) == 4
    assert {path: path.stat().st_mtime_ns for path in crops} == crops
    run.run(asked, "crops")
    assert sum(row["dataset"] == "ome" for row in table(run, "crops")) == 3
    rows = table(run, "trace")
    axes = set()
    for row in rows:
        array = open_array(Place(row["url"]), int(row["scale"]))
        begin, end = ([row[f"{axis}{side}_nm"] for axis in "zyx"] for side in (0, 1))
        box = array.grid.touched(exact(begin), exact(end))
        patch = parse_patch(row["patch"])
        pixels = np.moveaxis(array.read(box), patch.axis, 0)[0]
        dataset = patch.volume.split("-ROI-")[0]
        path = run.results("em") / "volumes" / "kept" / dataset / f"{row['patch']}.tiff"
        np.testing.assert_array_equal(tifffile.imread(path), pixels)
        axes.add((dataset, patch.axis))
    assert axes == {(dataset, axis) for dataset in ("ome_s0", "pre_s1") for axis in (0, 1, 2)}


def test_crops_ask_with_no_more_requests_at_a_time_than_are_allowed(checkout: Checkout, tmp_path: Path) -> None:
    """Two datasets, crops of eight chunks each, and the pictures."""
    values = np.random.default_rng(3).integers(1, 256, (16, 16, 32), np.uint8)
    write_zarr(tmp_path / "em.zarr", values, (8, 8, 8), resolution=[8, 8, 8])
    with served(tmp_path, seconds=0.01) as web:
        rows = [f"{web.url}/em.zarr,{name},16\n" for name in ("one", "two")]
        (tmp_path / "list.csv").write_text("".join(["download_url,volume_name,crop_size\n", *rows]))
        asked = {"dataset": "em", "samples": {"list": str(tmp_path / "list.csv")}}
        checkout.run(asked, "crops", "--resources", "dashboard=1")
    assert len(table(checkout, "crops")) == 4
    assert web.most == 1


@pytest.mark.parametrize(
    ("volumes", "says"),
    [
        ({"folder": "nowhere"}, "volumes.folder: 'nowhere' cannot be used: there is no such folder"),
        ({"flipbooks": {"slices": 4}}, "volumes.flipbooks.slices: 4 cannot be used. Accepted: an odd whole number"),
        ({"folder": None}, "samples.list is not set"),
    ],
)
def test_bad_input_is_a_sentence(checkout: Checkout, volumes: dict[str, Any], says: str) -> None:
    printed = checkout.run(config(made() / "files", volumes), *TARGETS, fails=True)
    assert says in printed
    assert "Traceback" not in printed
    assert not (checkout.results("em") / "volumes").exists()


def test_a_list_of_which_no_box_is_taken_is_a_sentence(checkout: Checkout, tmp_path: Path) -> None:
    write_nrrd(tmp_path / "v.nrrd", [np.zeros((12, 20, 20), np.uint8)], (12, 20, 20), (10, 10, 10), (0, 0, 0))
    (tmp_path / "list.csv").write_text(f"download_url,volume_name,crop_size\n{tmp_path / 'v.nrrd'},padding,12\n")
    asked = {"dataset": "em", "samples": {"list": str(tmp_path / "list.csv")}}
    checkout.run(asked, "crops")
    printed = checkout.run(asked, "volumes", fails=True)
    assert "volumes: no box of the datasets in samples.list was taken; the files in results/em/volumes/boxes" in printed
    assert "Lower samples.filled, correct padding_value in samples.list" in printed
    assert "Traceback" not in printed
    (reason,) = {row["reason"] for row in table(checkout, "boxes")}
    assert reason == "less than 0.7 of it is no padding"


@pytest.mark.slow
def test_killed_at_any_moment(tmp_path: Path, run: Checkout) -> None:
    checkout = Checkout(tmp_path / "checkout")
    for moment in range(6):
        process = checkout.start(config(made() / "files"), *TARGETS, start_new_session=True)
        time.sleep(2 + 0.7 * moment)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        if any((checkout.folder / ".snakemake" / "locks").glob("*.lock")):
            checkout.run(config(made() / "files"), "--unlock")
    checkout.run(config(made() / "files"), *TARGETS, "--rerun-incomplete")
    assert checkout.files("em") == run.files("em")


@pytest.mark.slow
def test_a_disk_that_is_full_is_a_sentence(tmp_path: Path) -> None:
    """Room for the checkout and a part of the volume; without the right to mount, a file that cannot grow."""
    folder = tmp_path / "files"
    folder.mkdir()
    noise = np.random.default_rng(3).integers(0, 256, (64, 200, 200), np.uint8)
    write_nrrd(folder / "large.nrrd", [noise], noise.shape, (10, 10, 10), (0, 0, 0))
    limits: dict[str, Any] = {}
    with ExitStack() as stack:
        try:
            resize = stack.enter_context(disk_in_memory(tmp_path / "disk"))
            checkout = Checkout(tmp_path / "disk" / "checkout")
            resize((pages(checkout.folder) + 300) * PAGE)
        except PermissionError:
            checkout = Checkout(tmp_path / "checkout")
            limits = {"preexec_fn": files_no_larger_than(1_000_000)}
        process = checkout.start(config(folder), "volumes", **limits)
        printed = process.communicate()[0]
        assert process.returncode == 1
        assert re.search("large.nrrd cannot be written: (the disk is full|the file would exceed)", printed), printed
        assert "Traceback" not in printed
        assert not list((checkout.results("em") / "volumes").rglob("large.nrrd"))
