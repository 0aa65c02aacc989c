"""Tiles, their names, hashes and statistics."""

from hashlib import sha256
from pathlib import Path

import imagehash
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from ifcb_abundance.curation import clean, patches, statistics
from ifcb_abundance.curation.hashes import as_numbers, as_text, difference_hash, steady_hash
from ifcb_abundance.curation.image_files import read_image
from ifcb_abundance.curation.listing import Group, ImageFile
from ifcb_abundance.curation.patch_images import PLACE, PatchImages
from ifcb_abundance.curation.patches import describe, patch_name, tiles
from ifcb_abundance.curation.statistics import measure
from ifcb_abundance.curation.zips import Packed
from ifcb_abundance.tables import table_files
from tests.curation.data import SHARED, files_of, needs_shared, particle, pixels_of, rows_of, save


@needs_shared
def test_tiles_are_those_of_the_reference() -> None:
    for row in rows_of("tiles.csv"):
        found = tiles(int(row["height"]), int(row["width"]), int(row["patch_px"]))
        assert " ".join(f"{y0}-{y1}_{x0}-{x1}" for y0, y1, x0, x1 in found) == row["tiles"]


@given(st.integers(1, 3000), st.integers(1, 3000), st.integers(16, 700))
def test_tiles_lie_side_by_side_in_the_image(height: int, width: int, patch_px: int) -> None:
    found = tiles(height, width, patch_px)
    assert len(found) == max(1, round(height / patch_px)) * max(1, round(width / patch_px))
    for y0, y1, x0, x1 in found:
        assert 0 <= y0 < y1 <= min(height, y0 + patch_px)
        assert 0 <= x0 < x1 <= min(width, x0 + patch_px)
        assert y0 % patch_px == x0 % patch_px == 0
    assert len(set(found)) == len(found)
    assert tiles(height, width, None) == [(0, height, 0, width)]


def test_names_of_patches() -> None:
    tile = patches.Tile(0, 224, 448, 500)
    assert patch_name("a/b.tif", tile, 224) == "a/b.tif-LOC-2d-0-224_448-500"
    assert patch_name("a/b.tif", tile, None) == "a/b.tif"


@needs_shared
def test_the_difference_hash_is_that_of_imagehash() -> None:
    files = files_of("hashed.zip")
    rows = rows_of("hashes.csv")
    assert len(rows) == 131
    for row in rows:
        body = files[row["file"]] if row["in"] == "hashed.zip" else (SHARED / row["file"]).read_bytes()
        pixels = read_image(body).to_grey("type").pixels
        assert as_text(difference_hash(pixels)) == row["dhash_after_224_bilinear"], row["file"]


def test_the_bits_of_the_hashes() -> None:
    rising = np.tile(np.arange(0, 180, 20, dtype=np.uint8), (8, 1))
    assert steady_hash(rising) == difference_hash(rising) == 2**64 - 1
    gentle = np.tile(np.arange(9, dtype=np.uint8) * 2, (8, 1))  # the next cell is brighter by 2, not by more
    assert steady_hash(gentle) == 0
    assert difference_hash(gentle) == 2**64 - 1
    one = np.zeros((8, 9), np.uint8)
    one[0, 1] = 3
    assert as_text(steady_hash(one)) == "8000000000000000"
    picture = Image.fromarray(particle(3)).resize((224, 224), Image.Resampling.BILINEAR)
    assert as_text(difference_hash(particle(3))) == str(imagehash.dhash(picture))
    assert as_numbers(["00000000000000ff", "ffffffffffffffff"]).tolist() == [255, 2**64 - 1]


def test_noise_flips_few_bits_of_the_steady_hash() -> None:
    rng = np.random.default_rng(1)
    flat = np.full((60, 80), 190.0)
    noisy = [np.rint(flat + rng.normal(0, 4, flat.shape)).astype(np.uint8) for _ in range(20)]
    assert max(steady_hash(pixels).bit_count() for pixels in noisy) <= 1
    assert np.mean([difference_hash(pixels).bit_count() for pixels in noisy]) > 8


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1), st.integers(1, 256), st.integers(1, 2000))
@settings(max_examples=40)
def test_statistics_beside_numpy(height: int, width: int, seed: int, levels: int, block: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, levels, (height, width)).astype(np.uint8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(statistics, "BLOCK", block)  # a few rows at a time
        found = measure(pixels)
    values = pixels.astype(float)
    assert found["mean"] == pytest.approx(values.mean())
    assert found["deviation"] == pytest.approx(values.std(), abs=1e-6)
    assert (found["minimum"], found["maximum"]) == (pixels.min(), pixels.max())
    for name, percent in (("low", 5), ("median", 50), ("high", 99)):
        assert found[name] == np.percentile(pixels, percent, method="inverted_cdf")
    assert found["entropy"] == pytest.approx(Image.fromarray(pixels).entropy(), abs=1e-9)
    assert found["saturated"] == np.isin(pixels, [0, 255]).mean()
    steps = np.concatenate([np.abs(np.diff(values, axis=1)).ravel(), np.abs(np.diff(values, axis=0)).ravel()])
    assert found["gradient"] == pytest.approx(steps.mean() if len(steps) else 0)
    plain = [line for lines in (pixels, pixels.T) for line in lines if len(line) > 1 and len(set(line.tolist())) == 1]
    assert found["plain_lines"] == len(plain) / (height + width)
    around = values[1:-1, 2:] + values[1:-1, :-2] + values[2:, 1:-1] + values[:-2, 1:-1] - 4 * values[1:-1, 1:-1]
    assert found["laplacian"] == pytest.approx(np.sqrt((around**2).mean()) if around.size else 0)
    edges = np.asarray(Image.fromarray(pixels).filter(ImageFilter.FIND_EDGES)).astype(float)
    assert found["edges"] == pytest.approx(edges.std(), abs=1e-6)
    assert found["peaks"] == pytest.approx(np.bincount(pixels.ravel(), minlength=256).std())


def test_a_group_is_cut_hashed_and_measured(tmp_path: Path) -> None:
    pictures = {"a.png": particle(1, 50, 90), "b.png": particle(2, 20, 20)}
    for name, pixels in pictures.items():
        save(tmp_path / name, pixels)
    (tmp_path / "c.png").write_bytes(b"no image")
    files = [ImageFile(f"g/{name}", str(tmp_path / name)) for name in ("a.png", "b.png", "c.png")]
    paths = [tmp_path / name for name in ("g.zip", "cleaning.csv", "patches.csv")]
    clean.clean_folder(Group("g", tuple(files)), "type", *paths[:2])
    patches.cut_patches(paths[0], paths[1], 32, "steady", paths[2])
    table = table_files.read("patches", paths[2])
    assert list(table["patch"]) == [
        *(f"g/a.png-LOC-2d-{y}_{x}" for y in ("0-32", "32-50") for x in ("0-32", "32-64", "64-90")),
        "g/b.png-LOC-2d-0-20_0-20",
    ]
    row = table.iloc[4]
    part = pictures["a.png"][32:50, 32:64]
    assert (row["width"], row["height"], row["group"], row["image"]) == (32, 18, "g", "g/a.png")
    assert row["hash"] == as_text(steady_hash(np.ascontiguousarray(part)))
    assert row["sha256"] == sha256(part.tobytes()).hexdigest()
    assert row["mean"] == pytest.approx(part.mean())
    with PatchImages(table[PLACE], {"g": paths[0]}) as images:
        assert (images.pixels(4) == part).all()
        assert (images.packed(4) == part).all()  # it is decoded, for other patches are cut from the same image
        assert (pixels_of(images.png(6)) == pictures["b.png"]).all()
    with PatchImages(table[PLACE].iloc[4:5], {"g": paths[0]}) as images:
        packed = images.packed(0)
        assert isinstance(packed, Packed)
        assert (packed.pixels() == part).all()
        assert (images.pixels(0) == part).all()


def test_all_columns_are_described() -> None:
    made = {"patch", "image", "group", "y0", "y1", "x0", "x1", *describe(particle(1), "steady")}
    assert made == set(table_files.columns("patches"))
