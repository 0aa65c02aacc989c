"""Zips of images: their contents, the same bytes each time, and the outcome for unavailable images."""

import csv
import io
import zipfile
from contextlib import AbstractContextManager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ifcb_abundance.common.errors import RawFileError, ScoresError
from ifcb_abundance.images import extract as extract_images
from ifcb_abundance.images.extract import Extraction
from ifcb_abundance.pooling.method import Method
from ifcb_abundance.raw import images as raw_images
from ifcb_abundance.raw.images import RawImages
from ifcb_abundance.sources.directory import DirectorySource
from ifcb_abundance.tables import table_files
from tests.archives import write_scores
from tests.raw_files import NEW, OLD, picture, write_bin

CLASSES = ["Akashiwo", "detritus"]
METHOD = Method(
    threshold=0.7,
    class_thresholds={"detritus": 0.5},
    class_table={},
    precision="float16",
    group_by=[],
    confidence=0.95,
    position_tolerance_km=1.0,
)


class Counting(DirectorySource):
    """An archive that notes what it is asked for."""

    def __init__(self, folder: Path) -> None:
        super().__init__(str(folder))
        self.asked: list[str] = []

    def read_scores(self, bin_id: str) -> Any:
        self.asked.append("scores")
        return super().read_scores(bin_id)

    def open_images(self, bin_id: str) -> AbstractContextManager[RawImages | None]:
        self.asked.append("images")
        return super().open_images(bin_id)


def scored(folder: Path, rows: dict[int, tuple[float, float]], bin_id: str = NEW) -> None:
    path = write_scores(folder, bin_id, CLASSES, [])
    path.write_text(path.read_text() + "".join(f"{bin_id}_{n:05d},{a},{b}\n" for n, (a, b) in rows.items()))


def unzipped(path: Path) -> tuple[dict[str, bytes], list[dict[str, str]]]:
    """The PNGs by name, and the rows of the manifest, which is the last entry."""
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert archive.namelist()[-1] == "manifest.csv"
        files = {name: archive.read(name) for name in archive.namelist()}
    return files, list(csv.DictReader(io.StringIO(files.pop("manifest.csv").decode())))


def extract(folder: Path, bin_id: str = NEW, classes: Any = (), stitch: bool = True, record: bool = False) -> Path:
    path = folder / "out" / f"{bin_id}.zip"
    extract_images.extract_images(
        DirectorySource(str(folder)), bin_id, path, classes, Extraction(METHOD, stitch, record)
    )
    return path


def test_a_zip_by_hand(tmp_path: Path) -> None:
    first, second, third = np.full((4, 4), 10, np.uint8), np.full((4, 4), 31, np.uint8), picture(9, 7)
    write_bin(tmp_path, OLD, [(1, 100, 200, first), (1, 99, 201, second), (2, 5, 6, third)])
    files, rows = unzipped(extract(tmp_path, OLD))
    assert list(files) == [f"{OLD}_00001.png", f"{OLD}_00003.png"]
    pixels = {name: np.asarray(Image.open(io.BytesIO(png))) for name, png in files.items()}
    assert np.array_equal(pixels[f"{OLD}_00003.png"], third)
    pair = pixels[f"{OLD}_00001.png"]
    # One column further left and one row further down: a corner above on the left, one below on the right.
    assert pair.shape == (5, 5)
    assert pair[0, 0] == round((10 + 31) / 2)
    assert pair[4, 4] == round((10 + 31) / 2)
    assert rows == [
        {
            **dict.fromkeys(table_files.columns("images"), ""),
            "roi": f"{OLD}_00001",
            **{"trigger": "1", "x": "99", "y": "200", "width": "5", "height": "5", "stitched": "1 2", "filled": "2"},
            "sha256": sha256(pair.tobytes()).hexdigest(),
        },
        {
            **dict.fromkeys(table_files.columns("images"), ""),
            "roi": f"{OLD}_00003",
            **{"trigger": "2", "x": "5", "y": "6", "width": "9", "height": "7"},
            "sha256": sha256(third.tobytes()).hexdigest(),
        },
    ]
    files, rows = unzipped(extract(tmp_path, OLD, stitch=False))
    assert [np.asarray(Image.open(io.BytesIO(png))).tolist() for png in files.values()][:2] == [
        first.tolist(),
        second.tolist(),
    ]
    assert {row["stitched"] + row["filled"] for row in rows} == {""}


def test_the_same_images_give_the_same_bytes(tmp_path: Path) -> None:
    write_bin(tmp_path, NEW, [(n, 1, 1, picture(20, 10, n)) for n in range(1, 6)])
    before = extract(tmp_path).read_bytes()
    assert extract(tmp_path).read_bytes() == before
    with zipfile.ZipFile(io.BytesIO(before)) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_only_rois_that_the_classes_won_at_their_thresholds(tmp_path: Path) -> None:
    write_bin(tmp_path, NEW, [(n, 1, 1, picture(8, 4, n)) for n in range(1, 6)])
    scored(tmp_path, {1: (0.9, 0.1), 2: (0.69, 0.2), 3: (0.4, 0.5), 4: (0.4, 0.49), 5: (0.7, 0.3)})
    for classes, expected in (
        (["Akashiwo"], {1: ("Akashiwo", "0.9"), 5: ("Akashiwo", "0.7")}),
        (["detritus"], {3: ("detritus", "0.5")}),
        (["unclassified"], {2: ("unclassified", "0.69"), 4: ("unclassified", "0.49")}),
        (CLASSES, {1: ("Akashiwo", "0.9"), 3: ("detritus", "0.5"), 5: ("Akashiwo", "0.7")}),
    ):
        files, rows = unzipped(extract(tmp_path, classes=classes))
        assert list(files) == [f"{NEW}_{n:05d}.png" for n in expected]
        assert [(row["class"], row["score"]) for row in rows] == list(expected.values())


def test_what_is_not_needed_is_not_asked_for(tmp_path: Path) -> None:
    write_bin(tmp_path, NEW, [(1, 1, 1, picture(8, 4))])
    scored(tmp_path, {1: (0.9, 0.1)})
    for classes, asked in (([], ["images"]), (["Akashiwo"], ["scores", "images"]), (["detritus"], ["scores"])):
        source = Counting(tmp_path)
        extract_images.extract_images(source, NEW, tmp_path / "a.zip", classes, Extraction(METHOD, True, False))
        assert source.asked == asked
    assert unzipped(tmp_path / "a.zip") == ({}, [])


def test_the_second_of_a_pair_that_won_shows_both(tmp_path: Path) -> None:
    write_bin(tmp_path, OLD, [(1, 0, 0, picture(9, 5)), (1, 3, 0, picture(9, 5, 1))])
    path = tmp_path / f"{OLD}_class_scores.csv"
    path.write_text(f"pid,Akashiwo,detritus\n{OLD}_00001,0.1,0.2\n{OLD}_00002,0.9,0.1\n")
    files, (row,) = unzipped(extract(tmp_path, OLD, ["Akashiwo"]))
    assert list(files) == [f"{OLD}_00002.png"]
    assert (row["stitched"], row["width"], row["filled"]) == ("1 2", "12", "0")


def cut(folder: Path) -> None:
    paths = write_bin(folder, NEW, [(n, 1, 1, picture(8, 4, n)) for n in (1, 2, 3)])
    paths["roi"].write_bytes(paths["roi"].read_bytes()[:-1])


def test_an_image_that_breaks_off(tmp_path: Path) -> None:
    cut(tmp_path)
    with pytest.raises(RawFileError, match=rf"ROI {NEW}_00003: the \.roi ends within its image"):
        extract(tmp_path)
    assert list((tmp_path / "out").iterdir()) == []
    files, rows = unzipped(extract(tmp_path, record=True))
    assert list(files) == [f"{NEW}_00001.png", f"{NEW}_00002.png"]
    assert [bool(row["problem"]) for row in rows] == [False, False, True]
    assert (rows[2]["roi"], rows[2]["sha256"], rows[2]["width"]) == (f"{NEW}_00003", "", "")


@pytest.mark.parametrize(
    ("classes", "scores", "named"),
    [
        ([], None, f"bin {NEW}: the source has no raw files"),
        (["detritus"], None, f"bin {NEW}: no class scores to tell its images by: no {NEW}_class_scores.csv below"),
        (["detritus"], "pid,detritus\nx,1\n", f"bin {NEW}: its class scores hold x, which is not a ROI of this bin"),
        (["detritus"], f"pid,detritus\n{NEW}_00000,1\n", f"bin {NEW}: its class scores hold ROI 0"),
        (["detritus"], f"pid,detritus\n{NEW}_00009,1\n", f"bin {NEW}: the source has no raw files"),
    ],
)
def test_a_bin_that_cannot_be_had(tmp_path: Path, classes: list[str], scores: str | None, named: str) -> None:
    if scores:
        (tmp_path / f"{NEW}_class_scores.csv").write_text(scores)
    with pytest.raises((RawFileError, ScoresError), match=named):
        extract(tmp_path, classes=classes)
    files, (row,) = unzipped(extract(tmp_path, classes=classes, record=True))
    assert files == {}
    assert row["roi"] == ""
    assert named in row["problem"]


def test_a_roi_with_scores_but_without_an_image(tmp_path: Path) -> None:
    write_bin(tmp_path, NEW, [(1, 1, 1, picture(8, 4))])
    scored(tmp_path, {2: (0.9, 0.1)})
    with pytest.raises(RawFileError, match=f"ROI {NEW}_00002: the bin has no image under this number"):
        extract(tmp_path, classes=["Akashiwo"])


def test_examples_are_the_first_so_many_at_a_score(tmp_path: Path) -> None:
    write_bin(tmp_path, NEW, [(n, 1, 1, picture(8, 4, n)) for n in range(1, 6)])
    # 0.8 and 0.7998046875 are one number in float16, but as scores they are two.
    scored(tmp_path, {4: (0.8, 0.1), 2: (0.8, 0.1), 5: (0.8, 0.1), 1: (0.7998046875, 0.1), 3: (0.1, 0.8)})
    path = tmp_path / "a.zip"

    def examples(*chosen: tuple[str, float, int]) -> list[str]:
        extract_images.extract_examples(
            DirectorySource(str(tmp_path)), NEW, path, chosen, Extraction(METHOD, True, False)
        )
        return [row["roi"][-1] + row["class"] + row["score"] for row in unzipped(path)[1]]

    assert examples(("Akashiwo", 0.8, 2)) == ["2Akashiwo0.8", "4Akashiwo0.8"]
    assert examples(("detritus", 0.8, 1), ("Akashiwo", 0.7998046875, 1)) == ["1Akashiwo0.7998046875", "3detritus0.8"]
    for gone in (("Akashiwo", 0.8, 4), ("Akashiwo", 0.81, 1), ("Dinophysis", 0.8, 1)):
        with pytest.raises(ScoresError, match=f"bin {NEW}: its class scores are no longer those that were counted"):
            examples(gone)


def test_examples_of_classes_that_did_not_win(tmp_path: Path) -> None:
    """Detritus needs 0.9: ROI 1 counts for Akashiwo, with its score for that; 2 is unclassified; 3 is detritus."""
    write_bin(tmp_path, NEW, [(n, 1, 1, picture(8, 4, n)) for n in range(1, 4)])
    scored(tmp_path, {1: (0.75, 0.8), 2: (0.1, 0.8), 3: (0.1, 0.95)})
    path = tmp_path / "a.zip"
    how = Extraction(replace(METHOD, rule="above_own", class_thresholds={"detritus": 0.9}), True, False)
    chosen = [("Akashiwo", 0.75, 1), ("detritus", 0.8, 1), ("detritus", 0.95, 1)]
    extract_images.extract_examples(DirectorySource(str(tmp_path)), NEW, path, chosen, how)
    found = [row["roi"][-1] + row["class"] + row["score"] for row in unzipped(path)[1]]
    assert found == ["1Akashiwo0.75", "2detritus0.8", "3detritus0.95"]


def test_with_the_rule_each_all_that_count_for_a_class(tmp_path: Path) -> None:
    """All three count for Akashiwo, two of them for detritus, with a higher score. ROI 4 counts for nothing."""
    write_bin(tmp_path, NEW, [(n, 1, 1, picture(8, 4, n)) for n in range(1, 5)])
    scored(tmp_path, {1: (0.3, 0.9), 2: (0.4, 0.1), 3: (0.5, 0.6), 4: (0.1, 0.1)})
    how = Extraction(replace(METHOD, rule="each", threshold=0.25), True, False)
    found = {}
    for classes in (("Akashiwo",), ("detritus",), ("Akashiwo", "detritus"), ("unclassified",)):
        extract_images.extract_images(DirectorySource(str(tmp_path)), NEW, tmp_path / "a.zip", classes, how)
        found[classes] = [row["roi"][-1] + row["class"] + row["score"] for row in unzipped(tmp_path / "a.zip")[1]]
    assert found == {
        ("Akashiwo",): ["1Akashiwo0.3", "2Akashiwo0.4", "3Akashiwo0.5"],
        ("detritus",): ["1detritus0.9", "3detritus0.6"],
        ("Akashiwo", "detritus"): ["1detritus0.9", "2Akashiwo0.4", "3detritus0.6"],
        ("unclassified",): ["4unclassified0.1"],
    }


def test_the_pairs_of_a_bin_are_found_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not for each image: it took half a minute for 8,000 of them."""
    write_bin(tmp_path, OLD, [(n, 1, 1, picture(8, 4, n)) for n in range(1, 31)])
    found: list[str] = []
    find = raw_images.find_pairs
    monkeypatch.setattr(raw_images, "find_pairs", lambda bin_id, rois: [found.append(bin_id), find(bin_id, rois)][1])
    assert len(unzipped(extract(tmp_path, OLD))[1]) == 30
    assert len(found) <= 2
