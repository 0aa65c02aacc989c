"""Slices are cut as the reference cuts them, and the last one too."""

import zipfile
from io import BytesIO
from pathlib import Path

import imagehash
import numpy as np
from PIL import Image

from ifcb_abundance.tables import table_files
from ifcb_abundance.volumes.convert import convert_volume
from ifcb_abundance.volumes.nrrd_file import write_nrrd
from ifcb_abundance.volumes.slices import cut_slices


def test_patches_of_224_have_the_names_pixels_and_hashes_of_the_reference(tmp_path: Path) -> None:
    """By the definition of patchify3d: round(side / 224) tiles, and a dhash of the patch at 224 x 224, bilinear."""
    volume = np.random.default_rng(224).integers(0, 256, (3, 340, 12), np.uint8)
    write_nrrd(tmp_path / "em.nrrd", [volume], volume.shape, (8, 8, 8), (0, 0, 0))
    made = tmp_path / "bytes.nrrd", tmp_path / "row.csv"
    convert_volume("em", tmp_path / "em.nrrd", "type", [0, 1, 2], 0.25, None, made)
    cut_slices(*made, 224, 1, "difference", (tmp_path / "em.zip", tmp_path / "patches.csv"))
    by_axis = [(0, volume, 1), (1, volume.transpose(1, 0, 2), 3), (2, volume.transpose(2, 0, 1), 2)]
    expected = {}
    for axis, slices, digits in by_axis:
        for index, pixels in enumerate(slices):
            # 340 rows or columns are two tiles, up to 448; the shorter sides are one.
            for y0 in (0, 224) if pixels.shape[0] == 340 else (0,):
                for x0 in (0, 224) if pixels.shape[1] == 340 else (0,):
                    patch = pixels[y0 : y0 + 224, x0 : x0 + 224]
                    place = f"{y0}-{y0 + patch.shape[0]}_{x0}-{x0 + patch.shape[1]}"
                    expected[f"em-LOC-{axis}_{index:0{digits}}_{place}"] = patch
    rows = table_files.read("volume_patches", tmp_path / "patches.csv", ["patch", "hash"])
    assert list(rows["patch"]) == list(expected)
    assert rows["patch"].iloc[-1] == "em-LOC-2_11_0-3_224-340"
    with zipfile.ZipFile(tmp_path / "em.zip") as archive:
        for (name, patch), found in zip(expected.items(), rows["hash"], strict=True):
            (member,) = (each for each in archive.namelist() if each.startswith(f"{name}."))
            np.testing.assert_array_equal(np.asarray(Image.open(BytesIO(archive.read(member)))), patch)
            square = Image.fromarray(np.ascontiguousarray(patch)).resize((224, 224), Image.Resampling.BILINEAR)
            assert found == str(imagehash.dhash(square))
