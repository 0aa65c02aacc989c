"""Draw montages: per class a picture of its top-scoring ROIs, and of those on either side of its threshold.

A picture is an SVG that holds its images, so that it needs no other file; a page around it says how they were
chosen. All images of a picture have one scale. The bars are in um, or all in pixels if a picture has images of
instruments with different pixel sizes.
"""

import json
import logging
import math
import re
import zipfile
from base64 import b64encode
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from ifcb_abundance.bins.ids import parse_bin_id, parse_roi_id
from ifcb_abundance.bins.pixel_size import PixelSizes, pixels_of
from ifcb_abundance.common.atomic_write import atomic_folder
from ifcb_abundance.common.errors import RawFileError, TableError
from ifcb_abundance.images.zip_names import LEFT_OUT, MANIFEST, OUTLINE
from ifcb_abundance.tables import table_files

log = logging.getLogger("ifcb.montages")

VERSION = 4  # of how montages look: raise it so that they are drawn again
TEMPLATES = Path(__file__).parent / "templates"
INDEX = "montages.json"  # in their folder: each class and the name of its files
INDEX_PAGE = "index"  # the page that shows all of them; no class has files of this name
KINDS = {
    "top": "Highest scores",
    "reached": "Just reached the threshold: counted",
    "missed": "Just missed the threshold: unclassified",
}

# Of the picture, in pixels of the screen.
WIDTH = 1080
NARROWEST = 208  # the id of a ROI has to fit below its image
TALLEST = 400
GAP = 10
TEXT = 36
HEADING = 34
NOTE = 22
BARS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)  # lengths that the bar may have, in um or pixels of the camera
LONGEST_BAR = 160
LONGEST_LABEL = 100
# Characters that XML forbids, and those that would reverse the text around them.
UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True)
class Tile:
    """An image of a montage. width, height: pixels of the camera. x, y: where it is in the picture, upper left.

    label, threshold: that it won, and needs, NaN if that is not known. path: of the zip that has it. png: its file in
    base64, once it is needed; outline: that of its blob, or empty.
    """

    roi: str
    score: float
    stitched: str
    width: int
    height: int
    label: str = ""
    threshold: float = 0
    path: str = ""
    png: str = ""
    outline: str = ""
    x: float = 0
    y: float = 0
    missed: bool = False

    @property
    def says(self) -> str:
        """The score with four digits. One that missed the threshold does not look as if it had reached it."""
        text = f"{self.score:.4g}"
        return f"under {text}" if self.missed and float(text) >= self.threshold > self.score else text


@dataclass(frozen=True)
class Section:
    """The images of a kind. y: of its heading in the picture. line: of the threshold above it, if that is there."""

    heading: str
    tiles: Sequence[Tile]
    y: float
    line: float | None


# --- the files ---


def draw_montages(
    chosen: str | Path,
    examples: Sequence[str | Path],
    pixels_per_um: PixelSizes,
    folder: str | Path,
    class_of: Callable[[str], str] = str,
) -> None:
    """Write the montages into a folder: a picture (SVG) and a page (HTML) for each class, an INDEX and an INDEX_PAGE.

    Raises RawFileError if the source had no raw files of any of the bins.

    chosen: the table `montages`. examples: the zips of its bins' images. pixels_per_um: by instrument. class_of:
    label to the class that it is merged into. Nothing of a label becomes part of a name as it is: see `file_names`.
    """
    table = table_files.read("montages", chosen)
    merged = table["class"].map(class_of)
    tiles, problems = _read(table, examples, class_of)
    without = {bin_id for bin_id, text in problems if text.startswith(LEFT_OUT)}
    _warn_of_lack(without, examples)
    names = file_names(list(dict.fromkeys(merged)))
    sizes = {name: _one_size(tiles[name], pixels_per_um) for name in names if any(tiles.get(name, {}).values())}
    in_pixels = None in sizes.values()
    shown = []
    engine = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined
    )
    with atomic_folder(folder) as unfinished:
        for name, file in names.items():
            of_class = table[merged == name]
            labels = list(dict.fromkeys(of_class["class"]))
            given = {
                "label": _shown(name),
                "threshold": _thresholds(of_class),
                "varied": of_class["threshold"].nunique() > 1,
                "labels": [] if labels == [name] else sorted(map(_shown, labels)),
            }
            of_kinds = {kind: list(map(_with_png, of_kind)) for kind, of_kind in tiles.get(name, {}).items()}
            notes = _notes(of_class, of_kinds, without)
            laid_out = _laid_out(of_kinds, None if in_pixels else sizes.get(name), notes)
            picture = engine.get_template("montage.svg.j2").render(**given, **laid_out)
            Path(unfinished, f"{file}.svg").write_text(picture, encoding="utf-8")
            page = engine.get_template("montage.html.j2").render(
                **given,
                picture=picture,
                n_bins=of_class["bin"].nunique(),
                problems=[text for bin_id, text in problems if bin_id in set(of_class["bin"])],
            )
            Path(unfinished, f"{file}.html").write_text(page, encoding="utf-8")
            shown.append({"label": given["label"], "file": file, "note": "" if name in sizes else notes[0]})
        overall = engine.get_template("montages.html.j2").render(
            montages=shown, n_bins=len(examples), n_without=len(without)
        )
        Path(unfinished, f"{INDEX_PAGE}.html").write_text(overall, encoding="utf-8")
        index = [{"class": name, "name": file} for name, file in names.items()]
        Path(unfinished, INDEX).write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")


def read_montages(folder: str | Path) -> list[tuple[str, str]]:
    """Each class that has a montage in the folder, and its picture as SVG text, in their order."""
    index = json.loads(Path(folder, INDEX).read_text(encoding="utf-8"))
    return [(each["class"], Path(folder, f"{each['name']}.svg").read_text(encoding="utf-8")) for each in index]


def file_names(labels: Sequence[str]) -> dict[str, str]:
    """Map labels to names of files: a plain label itself, or its plain characters and a part of its sha256.

    Names also differ on disks that do not distinguish capitals from small letters.
    """
    names = {}
    for label in labels:
        alike = sum(label.lower() == other.lower() for other in labels) > 1
        if re.fullmatch("[A-Za-z0-9][A-Za-z0-9_-]{0,59}", label) and not alike and label.lower() != INDEX_PAGE:
            names[label] = label
        else:
            plain = re.sub("[^A-Za-z0-9_-]+", "_", label)[:60]
            names[label] = f"{plain}-{sha256(label.encode()).hexdigest()[:8]}".lstrip("-_")
    return names


def _warn_of_lack(without: Collection[str], examples: Sequence[str | Path]) -> None:
    """Count the bins that have no raw files. Raises RawFileError if all lack them."""
    if examples and len(without) == len(examples):
        zips = Path(examples[0]).parents[2]
        raise RawFileError(
            "montages: none of the bins that were chosen has raw files (.hdr, .adc, .roi) in the "
            f"source, so there are no images to show. To ask for them again, delete {zips}"
        )
    if without:
        log.warning(
            f"montages: {len(without)} of {len(examples)} chosen bins have no raw files in the source: excluded"
        )


def _notes(of_class: pd.DataFrame, tiles: Mapping[str, Sequence[Tile]], without: Collection[str]) -> list[str]:
    """Say why kinds of images of a class have no picture, or that all have none.

    of_class: its rows of the table `montages`. without: bins that have no raw files.
    """
    if not any(tiles.values()):
        return [_reason(set(of_class["bin"]), without)]
    return [
        f"{heading}: {_reason(set(of_class.loc[of_class['kind'] == kind, 'bin']), without)}"
        for kind, heading in KINDS.items()
        if not tiles.get(kind)
    ]


def _reason(bins: Collection[str], without: Collection[str]) -> str:
    """Say why there is no picture of images that were chosen from some bins."""
    if not bins:
        return "none"
    n = len(set(bins) & set(without))
    if n == len(bins):
        return (
            "no picture: the chosen bin has no raw files"
            if n == 1
            else (f"no picture: the {n} chosen bins have no raw files")
        )
    return f"no picture: the images could not be read ({n} of the {len(bins)} chosen bins have no raw files)"


def _thresholds(of_class: pd.DataFrame) -> str:
    """The threshold of a class, or those of the labels that are merged into it, or of its bins."""
    low, high = float(of_class["threshold"].min()), float(of_class["threshold"].max())
    if math.isnan(low):
        return "of the classifier"
    by = "bin" if (of_class.groupby("class")["threshold"].nunique() > 1).any() else "label"
    return str(low) if low == high else f"{low} to {high}, by {by}"


def _shown(label: str) -> str:
    plain = UNSEEN.sub("?", label)
    return plain if len(plain) <= LONGEST_LABEL else f"{plain[:LONGEST_LABEL]}..."


def _read(
    table: pd.DataFrame, examples: Sequence[str | Path], class_of: Callable[[str], str]
) -> tuple[dict[str, dict[str, list[Tile]]], list[tuple[str, str]]]:
    """Map class and kind to tiles in the order shown; also list bins with their problems."""
    held: dict[tuple[str, str, float], list[Tile]] = {}
    problems = []
    for path in examples:
        bin_id = Path(path).stem
        manifest = table_files.from_csv(_entry(path, MANIFEST), "images", f"{path}: {MANIFEST}")
        for row in manifest.to_dict("records"):
            if row["problem"]:
                problems.append((bin_id, row["problem"]))
                continue
            size = row["width"], row["height"]
            tile = Tile(row["roi"], row["score"], row["stitched"], *size, row["class"], path=str(path))
            held.setdefault((row["class"], bin_id, row["score"]), []).append(tile)
    tiles: dict[str, dict[str, list[Tile]]] = {}
    for row in table.to_dict("records"):
        of_score = held.get((row["class"], row["bin"], row["score"]), [])
        shown, of_score[:] = of_score[: row["n_rois"]], of_score[row["n_rois"] :]
        of_class = tiles.setdefault(class_of(row["class"]), {})
        of_class.setdefault(row["kind"], []).extend(
            replace(tile, threshold=row["threshold"], missed=row["kind"] == "missed") for tile in shown
        )
    return tiles, problems


def _entry(path: str | Path, name: str) -> bytes:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.read(name)
    except (zipfile.BadZipFile, KeyError, OSError) as error:
        raise TableError(f"{path}: not a zip of images ({error}); delete it to have it made again") from error


def _with_png(tile: Tile) -> Tile:
    png = b64encode(_entry(tile.path, f"{tile.roi}.png")).decode()
    with zipfile.ZipFile(tile.path) as archive:
        name = OUTLINE.format(roi=tile.roi)
        outline = b64encode(archive.read(name)).decode() if name in archive.namelist() else ""
    return replace(tile, png=png, outline=outline)


# --- the picture ---


def _one_size(tiles: Mapping[str, Sequence[Tile]], pixels_per_um: PixelSizes) -> float | None:
    """Find the pixels per um of all images of a picture; None if they differ."""
    bins = {parse_roi_id(tile.roi)[0] for of_kind in tiles.values() for tile in of_kind}
    found = {pixels_of(f"IFCB{parse_bin_id(bin_id).instrument}", pixels_per_um) for bin_id in bins}
    return found.pop() if len(found) == 1 else None


def _laid_out(
    tiles: Mapping[str, Sequence[Tile]], pixels_per_um: float | None, notes: Sequence[str] = ()
) -> dict[str, Any]:
    """Lay out a picture: rows that are filled from the left, and a bar above them. Kinds without images take no room.

    notes: lines on what is not shown.
    """
    sizes = [(tile.width, tile.height) for of_kind in tiles.values() for tile in of_kind]
    scale = min([2.0, *(WIDTH / width for width, _ in sizes), *(TALLEST / height for _, height in sizes)])
    sections = []
    y: float = HEADING + (30 if sizes else 0) + NOTE * len(notes)
    for kind, heading in KINDS.items():
        if not tiles.get(kind):
            continue
        placed: list[Tile] = []
        top = y + HEADING
        for row in _rows(tiles[kind], scale):
            height = max(tile.height for tile in row) * scale
            x: float = 0
            for tile in row:
                placed.append(replace(tile, x=round(x, 2), y=round(top + height - tile.height * scale, 2)))
                x += max(tile.width * scale, NARROWEST) + GAP
            top += height + TEXT + GAP
        sections.append(Section(heading, placed, y + 20, y if kind == "missed" else None))
        y = top
    unit = (pixels_per_um or 1) * scale
    bar = max((bar for bar in BARS if bar * unit <= LONGEST_BAR), default=BARS[0])
    return {
        "sections": sections,
        "notes": [(HEADING + (30 if sizes else 0) + NOTE * i + 14, note) for i, note in enumerate(notes)],
        "width": WIDTH,
        "height": round(y + GAP),
        "scale": scale,
        "bar": round(bar * unit, 2) if sizes else 0,
        "bar_says": f"{bar} \u00b5m (at {pixels_per_um:g} pixels per \u00b5m)" if pixels_per_um else f"{bar} pixels",
    }


def _rows(tiles: Sequence[Tile], scale: float) -> Iterator[list[Tile]]:
    row: list[Tile] = []
    used: float = 0
    for tile in tiles:
        wide = max(tile.width * scale, NARROWEST)
        if row and used + wide > WIDTH:
            yield row
            row, used = [], 0
        row.append(tile)
        used += wide + GAP
    if row:
        yield row
