"""Montages as files: their names, the place of each image, and labels that try to do harm."""

import base64
import io
import json
import re
import zipfile
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ifcb_abundance.common.errors import TableError
from ifcb_abundance.images import extract as extract_images
from ifcb_abundance.images import montages
from ifcb_abundance.sources.directory import DirectorySource
from ifcb_abundance.tables import table_files
from tests.images.test_extract import METHOD
from tests.raw_files import NEW, picture, write_bin

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = (
    "../../etc/passwd",
    "/",
    ".",
    "..",
    "",
    "-rf",
    "con:",
    "a\\b",
    "<script>alert(1)</script>",
    "]]>",
    "{{ 7 * 7 }}",
    '"onload="alert(1)',
    "&amp;",
    "é" * 300,
    "nano <10um",
    "\u202eevil",
    "a\ufffe\x7f",
)


def made(folder: Path, labels: tuple[str, ...], n: int = 3, size: tuple[int, int] = (40, 20)) -> Path:
    """Montages of one bin, in which each class won `n` ROIs, two of them at its threshold."""
    rois = range(1, n * len(labels) + 1)
    write_bin(folder, NEW, [(roi, 1, 1, picture(*size, roi)) for roi in rois])
    header = ",".join('"' + label.replace('"', '""') + '"' for label in labels)
    lines = [
        ",".join([f"{NEW}_{roi:05d}", *["0.9" if (roi - 1) // n == i else "0" for i in range(len(labels))]])
        for roi in rois
    ]
    (folder / f"{NEW}_class_scores.csv").write_text("\n".join([f"pid,{header}", *lines, ""]))
    rows = [
        (label, 0.7, kind, NEW, 0.9, many)
        for label in labels
        for kind, many in (("top", n - 2), ("reached", 1), ("missed", 1))
        if many
    ]
    table_files.write(pd.DataFrame(rows, columns=table_files.columns("montages")), "montages", folder / "montages.csv")
    examples = folder / f"{NEW}.zip"
    chosen = [(label, 0.9, n) for label in labels]
    extract_images.extract_examples(
        DirectorySource(str(folder)), NEW, examples, chosen, extract_images.Extraction(METHOD, True, False)
    )
    montages.draw_montages(folder / "montages.csv", [examples], {"default": 3.4}, folder / "montages")
    return folder / "montages"


def test_names_of_files() -> None:
    assert montages.file_names(["Index"])["Index"].startswith("Index-")  # the index page has that name
    names = montages.file_names(["Akashiwo", "Pseudo-nitzschia", "_mix", "mix", "Mix"])
    assert names["Akashiwo"] == "Akashiwo"
    assert names["Pseudo-nitzschia"] == "Pseudo-nitzschia"
    assert len({name.lower() for name in names.values()}) == 5
    found = montages.file_names(HOSTILE)
    assert len({name.lower() for name in found.values()}) == len(HOSTILE)
    for name in found.values():
        assert name.replace("_", "").replace("-", "").isascii()
        assert name.replace("_", "").replace("-", "").isalnum()
        assert name[0] != "-"
        assert len(name) < 80


def test_a_picture_holds_each_image_once_where_its_score_belongs(tmp_path: Path) -> None:
    folder = made(tmp_path, ("Akashiwo", "Dinophysis"), n=5)
    assert json.loads((folder / "montages.json").read_text()) == [
        {"class": "Akashiwo", "name": "Akashiwo"},
        {"class": "Dinophysis", "name": "Dinophysis"},
    ]
    for first, name in ((1, "Akashiwo"), (6, "Dinophysis")):
        root = ElementTree.parse(folder / f"{name}.svg").getroot()
        images = [image.get("href", "") for image in root.iter(f"{SVG}image")]
        pngs = [base64.b64decode(href.removeprefix("data:image/png;base64,")) for href in images]
        for roi, png in zip(range(first, first + 5), pngs, strict=True):
            assert np.array_equal(np.asarray(Image.open(io.BytesIO(png))), picture(40, 20, roi))
        texts = [text.text for text in root.iter(f"{SVG}text")]
        assert texts[0] == name
        ids = [f"{NEW}_{roi:05d}" for roi in range(first, first + 5)]
        assert [text for text in texts if text in ids or "hreshold:" in text or text == "Highest scores"] == [
            "Highest scores",
            *ids[:3],
            "Just reached the threshold: counted",
            ids[3],
            "Just missed the threshold: unclassified",
            ids[4],
        ]
        assert texts.count("0.9") == 5
        # The line of the threshold is between those that reached it and those that missed it.
        (line,) = (float(path.get("d", "").split("H")[0].split()[1]) for path in root.iter(f"{SVG}path"))
        places = [
            float(tile.get("transform", "").rstrip(")").split()[1])
            for tile in root.iter(f"{SVG}g")
            if tile.get("data-roi")
        ]
        assert places[3] < line < places[4]
        # 20 um are 136 pixels of the screen, twice those of the camera; 50 would be longer than the narrowest image
        assert "20 \u00b5m (at 3.4 pixels per \u00b5m); threshold 0.7" in texts
        assert [float(bar.get("width", "")) for bar in root.iter(f"{SVG}rect") if bar.get("height") == "4"] == [136]
    assert montages.read_montages(folder) == [
        (name, (folder / f"{name}.svg").read_text()) for name in ("Akashiwo", "Dinophysis")
    ]


def test_instruments_of_unlike_pixels_have_a_bar_in_pixels() -> None:
    tiles = {"top": [montages.Tile(f"D20240415T030000_IFCB{n:03d}_00001", 0.9, "", 40, 20) for n in (10, 125, 13)]}
    assert montages._one_size(tiles, {"default": 3.4}) == 3.4
    assert montages._one_size(tiles, {"default": 3.4, "IFCB10": 2.77}) is None
    assert montages._one_size(tiles, {"default": 3.4, "IFCB10": 2.77, "IFCB125": 2.77, "IFCB13": 2.77}) == 2.77
    laid_out = montages._laid_out(tiles, None)
    assert (laid_out["bar_says"], laid_out["bar"]) == ("50 pixels", 100)  # of the screen, at twice the size


def test_labels_are_text_and_no_more(tmp_path: Path) -> None:
    labels = tuple(label for label in HOSTILE if label not in ("", "-rf", "a\ufffe\x7f"))  # no label set has those
    folder = made(tmp_path, labels)
    kinds = Counter(path.suffix for path in folder.iterdir())
    assert kinds == {".html": len(labels) + 1, ".svg": len(labels), ".json": 1}  # a page for each, and the index
    assert {path.parent for path in tmp_path.rglob("*.svg")} == {folder}
    for label, picture_of in montages.read_montages(folder):
        root = ElementTree.fromstring(picture_of)
        told = root.find(f"{SVG}text").text  # type: ignore[union-attr]
        assert told == (label.replace("\u202e", "?") if len(label) <= 100 else f"{label[:100]}...")
        assert {tag.tag.removeprefix(SVG) for tag in root.iter()} == {
            "svg",
            "rect",
            "text",
            "g",
            "title",
            "image",
            "path",
        }
        assert not any(name.startswith("on") for tag in root.iter() for name in tag.keys())  # noqa: SIM118
    for page in folder.glob("*.html"):
        assert "<script" not in page.read_text()


def test_what_no_xml_may_hold_is_not_in_the_picture(tmp_path: Path) -> None:
    folder = made(tmp_path, ("a\ufffe\x7f",))
    ((_, picture_of),) = montages.read_montages(folder)
    assert ElementTree.fromstring(picture_of).find(f"{SVG}text").text == "a??"  # type: ignore[union-attr]


@pytest.mark.parametrize("size", [(1, 1), (40, 20), (300, 30), (30, 300), (1380, 20), (20, 1034), (4096, 4096)])
def test_images_do_not_overlap_and_are_within_the_picture(size: tuple[int, int]) -> None:
    tiles = {"top": [montages.Tile(f"{i}", 0.9, "", *size) for i in range(15)]}
    tiles["missed"] = [montages.Tile("m", 0.5, "", 30, 20)]
    laid_out = montages._laid_out(tiles, 3.4)
    boxes = [
        (
            tile.x,
            tile.y,
            tile.x + max(tile.width * laid_out["scale"], 205),
            tile.y + tile.height * laid_out["scale"] + 33,
        )
        for section in laid_out["sections"]
        for tile in section.tiles
    ]
    assert len(boxes) == 16
    for at, (left, top, right, bottom) in enumerate(boxes):
        assert left >= 0
        assert right <= laid_out["width"]
        assert top >= 0
        assert bottom <= laid_out["height"]
        for other in boxes[:at]:
            assert right <= other[0] or other[2] <= left or bottom <= other[1] or other[3] <= top


def test_what_could_not_be_read_is_said(tmp_path: Path) -> None:
    made(tmp_path, ("Akashiwo",))
    paths = {path.suffix: path for path in tmp_path.glob(f"{NEW}.*")}
    paths[".roi"].write_bytes(paths[".roi"].read_bytes()[:-1])
    chosen = [("Akashiwo", 0.9, 3)]
    extract_images.extract_examples(
        DirectorySource(str(tmp_path)), NEW, paths[".zip"], chosen, extract_images.Extraction(METHOD, True, True)
    )
    montages.draw_montages(tmp_path / "montages.csv", [paths[".zip"]], {"default": 3.4}, tmp_path / "montages")
    page = (tmp_path / "montages" / "Akashiwo.html").read_text()
    assert f"ROI {NEW}_00003: the .roi ends within its image" in page
    assert page.count("<image") == 2


def test_a_class_without_raw_files_says_so_and_takes_no_room(tmp_path: Path) -> None:
    folder = made(tmp_path, ("Akashiwo",))
    table = pd.read_csv(tmp_path / "montages.csv")
    others = [NEW.replace("T", f"T0{n}")[:16] + NEW[16:] for n in (1, 2)]
    more = [("Ditylum", 0.7, kind, bin_id, 0.9, 9) for bin_id in others for kind in ("top", "reached")]
    rows = pd.concat([table[table["kind"] != "missed"], pd.DataFrame(more, columns=table.columns)])
    table_files.write(rows, "montages", tmp_path / "montages.csv")
    zips = [tmp_path / f"{NEW}.zip"]
    for bin_id in others:
        zips.append(tmp_path / f"{bin_id}.zip")
        with zipfile.ZipFile(zips[0]) as archive:
            header = archive.read("manifest.csv").decode().splitlines()[0]
        row = dict.fromkeys(header.split(","), "") | {"problem": f"left out: bin {bin_id}: no raw files"}
        with zipfile.ZipFile(zips[-1], "w") as archive:
            archive.writestr("manifest.csv", f"{header}\n{','.join(row.values())}\n")
    montages.draw_montages(tmp_path / "montages.csv", zips, {"default": 3.4}, folder)
    lacking = "no picture: the 2 chosen bins have no raw files"
    texts, heights = {}, {}
    for name in ("Akashiwo", "Ditylum"):
        root = ElementTree.parse(folder / f"{name}.svg").getroot()
        texts[name], heights[name] = [text.text for text in root.iter(f"{SVG}text")], float(root.get("height", ""))
    assert texts["Ditylum"] == ["Ditylum", lacking]
    assert heights["Ditylum"] < 80
    assert "Just missed the threshold: unclassified: none" in texts["Akashiwo"]
    assert lacking in (folder / "Ditylum.html").read_text()
    index = (folder / "index.html").read_text()
    assert index.count("2 of 3 chosen bins have no raw files") == 1
    assert f'<a href="Ditylum.html">Ditylum</a>: {lacking}' in index
    assert "Ditylum.svg" not in index
    assert "Akashiwo.svg" in index


@pytest.mark.parametrize(
    ("score", "missed", "says"),
    [(0.99951171875, False, "0.9995"), (0.69, True, "0.69"), (0.69998, True, "under 0.7"), (0.69998, False, "0.7")],
)
def test_scores_have_four_digits(score: float, missed: bool, says: str) -> None:
    assert montages.Tile("a", score, "", 1, 1, threshold=0.7, missed=missed).says == says


def test_the_same_images_give_the_same_files_and_earlier_ones_go(tmp_path: Path) -> None:
    folder = made(tmp_path, ("Akashiwo", "<b>"))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    (folder / "Gone.svg").write_text("of a class that is no longer asked for")
    made(tmp_path, ("Akashiwo", "<b>"))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_zip_that_is_none_is_named(tmp_path: Path) -> None:
    made(tmp_path, ("Akashiwo",))
    path = tmp_path / f"{NEW}.zip"
    for body in (b"", path.read_bytes()[:-30]):
        path.write_bytes(body)
        with pytest.raises(TableError, match=rf"{NEW}\.zip: not a zip of images"):
            montages.draw_montages(tmp_path / "montages.csv", [path], {"default": 3.4}, tmp_path / "montages")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("manifest.csv", "roi\n")
    with pytest.raises(TableError, match=r"manifest\.csv: columns .* are missing"):
        montages.draw_montages(tmp_path / "montages.csv", [path], {"default": 3.4}, tmp_path / "montages")


def test_thresholds_that_are_not_known_or_differ_between_bins(tmp_path: Path) -> None:
    made(tmp_path, ("Akashiwo",))
    table = table_files.read("montages", tmp_path / "montages.csv")
    folder = tmp_path / "montages"

    def texts(*thresholds: float) -> list[str]:
        path = tmp_path / "other.csv"
        table_files.write(table.assign(threshold=thresholds), "montages", path)
        montages.draw_montages(path, [tmp_path / f"{NEW}.zip"], {"default": 3.4}, folder)
        return re.findall(r"(?:\(|; |>)threshold ([^<:)]+)", (folder / "Akashiwo.svg").read_text())

    assert texts(np.nan, np.nan, np.nan) == ["of the classifier"] * 2
    both = "0.6 to 0.7, by bin"
    assert texts(0.7, 0.6, 0.6) == [both, "0.7", "0.6", both, "0.6"]
