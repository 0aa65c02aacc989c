"""Outlines of blobs: by hand, and those of the golden bin in zips and montages of a run."""

import io
import zipfile
from base64 import b64encode
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ifcb_abundance.images.extract import Extraction, extract_images, outline_png
from ifcb_abundance.pooling.method import Method
from ifcb_abundance.sources.directory import DirectorySource
from tests.archives import bin_row, write_archive
from tests.checkout import Checkout
from tests.raw_files import NEW, OLD, picture, write_bin

RAW = Path(__file__).parents[2].parent / "shared" / "data" / "raw"
shared = pytest.mark.skipif(not RAW.exists(), reason=f"no shared data in {RAW}")


def drawn(png: bytes) -> np.ndarray:
    """Where an outline is drawn, and that it is orange there and nothing elsewhere."""
    rgba = np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"))
    where = rgba[..., 3] > 0
    assert {tuple(pixel) for pixel in rgba[where].tolist()} <= {(0xE6, 0x9F, 0x00, 255)}
    return where


def test_an_outline_by_hand() -> None:
    blob = np.zeros((6, 7), bool)
    blob[1:5, 1:6] = True
    blob[0, 3] = True
    expected = blob.copy()
    expected[2:4, 2:5] = False  # inside
    expected[1, 3] = False  # below the knob
    assert np.array_equal(drawn(outline_png(blob)), expected)
    assert drawn(outline_png(np.ones((1, 3), bool))).all()  # the edge of the image is an edge
    assert outline_png(blob) == outline_png(blob)


def test_a_blob_that_cannot_be_read_costs_its_outline_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_bin(tmp_path, NEW, [(n, 1, 1, picture(8, 4, n)) for n in (1, 2, 3)])
    blob = io.BytesIO()
    Image.new("1", (8, 4), 1).save(blob, "PNG")
    with zipfile.ZipFile(tmp_path / f"{NEW}_blobs_v4.zip", "w") as zipped:
        for n in (1, 2, 3):
            zipped.writestr(f"{NEW}_{n:05d}.png", blob.getvalue()[: 20 if n == 2 else None])
    path = tmp_path / "a.zip"
    for record in (False, True):
        how = Extraction(Method(), True, record, outlines=True)
        extract_images(DirectorySource(str(tmp_path)), NEW, path, (), how)
        with zipfile.ZipFile(path) as zipped:
            images = [f"{NEW}_{n:05d}.png" for n in (1, 2, 3)]
            outlines = [f"outlines/{name}" for name in (images[0], images[2])]
            assert sorted(zipped.namelist()) == [*images, "manifest.csv", *outlines]
        assert f"ROI {NEW}_00002: it has no outline: " in caplog.text
        caplog.clear()


@shared
def test_zips_and_montages_with_outlines(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    of_old = {"pid": OLD, "sample_time": "2012-01-28 08:15:15+00:00", "ifcb": 5, "ml_analyzed": 0.5}
    write_archive(archive, [bin_row(NEW, **of_old)], {})
    for path in [*RAW.glob(f"{OLD}.*"), RAW / "golden" / f"{OLD}_blobs_v4.zip"]:
        (archive / path.name).write_bytes(path.read_bytes())
    lines = ["pid,Akashiwo,detritus", *(f"{OLD}_{roi:05d},0.9,0.1" for roi in (1, 2, 3, 5, 6))]
    (archive / f"{OLD}_class_scores.csv").write_text("\n".join([*lines, ""]))
    config = {"dataset": "own", "source": {"kind": "directory", "path": str(archive)}}
    run = Checkout(tmp_path / "checkout")
    path = run.results("own") / "images" / "2012" / "IFCB5_2012_028" / f"{OLD}.zip"
    run.run(config, "images")
    plain = path.read_bytes()
    run.run(config | {"images": {"outlines": True}}, "images", "montages")
    with zipfile.ZipFile(path) as zipped, zipfile.ZipFile(RAW / "golden" / f"{OLD}_blobs_v4.zip") as blobs:
        names = [f"{OLD}_{roi:05d}.png" for roi in (1, 2, 3, 5, 6)]
        assert sorted(zipped.namelist()) == sorted([*names, *(f"outlines/{name}" for name in names), "manifest.csv"])
        with zipfile.ZipFile(io.BytesIO(plain)) as before:
            assert {name: before.read(name) for name in before.namelist()} == {
                name: zipped.read(name) for name in before.namelist()
            }
        picture = (run.results("own") / "montages" / "Akashiwo.svg").read_text()
        for name in names:
            blob = np.asarray(Image.open(io.BytesIO(blobs.read(name))).convert("1"))
            outline = drawn(zipped.read(f"outlines/{name}"))
            assert outline.any()
            assert not (outline & ~blob).any()
            assert b64encode(zipped.read(f"outlines/{name}")).decode() in picture
    run.run(config, "images")
    assert path.read_bytes() == plain
