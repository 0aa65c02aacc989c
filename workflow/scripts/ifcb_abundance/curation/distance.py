"""Measure on the user's own images what each distance finds: copies of them, by known transformations.

Some of the kept images are chosen by the sha256 of their names, and each is copied in eleven ways. Pairs of pictures of
one image are what is to be found, all other pairs are not. There are far more other pairs in a real set than in a small
sample, so the precision there is lower; compare distances by it, and rules.
"""

import io
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter

from ifcb_abundance.common.progress import Progress
from ifcb_abundance.curation.duplicates import DuplicateRule, keep_order
from ifcb_abundance.curation.hashes import HASHES
from ifcb_abundance.curation.likeness import Likeness
from ifcb_abundance.curation.patch_images import PLACE, PatchImages, zip_paths
from ifcb_abundance.tables import table_files

log = logging.getLogger("ifcb.curation")

VERSION = 2  # of the measurement: raise it so that it is made again
IMAGES = 40  # that are copied
SMALLEST = 16  # pixels across and down; smaller ones cannot be copied in all ways
BEYOND = 8  # distances above the config's that are measured too
CONFIRMED = 0.97  # where the config confirms nothing

Pixels = NDArray[np.uint8]


def _scaled(image: Image.Image, factor: float) -> Image.Image:
    width, height = (max(1, round(side * factor)) for side in image.size)
    return image.resize((width, height), Image.Resampling.BICUBIC)


def _jpeg(image: Image.Image) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=75)
    return Image.open(file).convert("L")


def _noisy(pixels: Pixels, deviation: float, seed: int) -> Pixels:
    noise = np.random.default_rng(seed).normal(0, deviation, pixels.shape)
    return np.clip(np.rint(pixels + noise), 0, 255).astype(np.uint8)


def _brighter(pixels: Pixels, levels: int) -> Pixels:
    return np.clip(pixels.astype(np.int16) + levels, 0, 255).astype(np.uint8)


COPIES: dict[str, Callable[[Pixels], Pixels]] = {
    "noise of 2 grey levels": lambda pixels: _noisy(pixels, 2, 1),
    "noise of 4 grey levels": lambda pixels: _noisy(pixels, 4, 2),
    "lighter": lambda pixels: _brighter(pixels, 12),
    "darker": lambda pixels: _brighter(pixels, -12),
    "more contrast": lambda pixels: np.asarray(ImageEnhance.Contrast(Image.fromarray(pixels)).enhance(1.2)),
    "JPEG": lambda pixels: np.asarray(_jpeg(Image.fromarray(pixels))),
    "blurred": lambda pixels: np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(0.8))),
    "larger": lambda pixels: np.asarray(_scaled(Image.fromarray(pixels), 1.1)),
    "smaller": lambda pixels: np.asarray(_scaled(Image.fromarray(pixels), 0.9)),
    "smaller box": lambda pixels: pixels[2:-2, 2:-2],
    "shifted box": lambda pixels: pixels[3:, :-3],
}


def measure_distance(
    patches: str | Path, duplicates: str | Path, clean: str | Path, kind: str, rule: DuplicateRule, path: str | Path
) -> None:
    """Write the table `distance`.

    patches, duplicates: the tables of these names. clean: the folder of the cleaned images. kind: of the hash.
    Where the rule confirms nothing, CONFIRMED is tried. If there are no two images to copy, the table is empty.
    """
    table = table_files.read("patches", patches, [*PLACE, "width", "height"])
    kept = table_files.read("duplicates", duplicates, ["patch", "kept"]).set_index("patch")["kept"]
    large = (table["width"] >= SMALLEST) & (table["height"] >= SMALLEST)
    table = table[large & (kept.loc[table["patch"]] == 1).to_numpy()].reset_index(drop=True)
    if len(table) < 2:
        log.warning(
            f"curation: fewer than two kept images have {SMALLEST} pixels across and down, so what each distance finds "
            "is not measured: distance.csv is empty"
        )
        table_files.write(table_files.empty("distance"), "distance", path)
        return
    chosen = keep_order([f"distance/{name}" for name in table["patch"]], rule.seed)[:IMAGES]
    pictures: list[Pixels] = []
    with PatchImages(table, zip_paths(clean, table["group"])) as images:
        for place in chosen.tolist():
            pixels = images.pixels(place)
            pictures += [pixels, *(copy(pixels) for copy in COPIES.values())]
    of_image = np.repeat(np.arange(len(chosen)), len(COPIES) + 1)
    most = min(rule.distance + BEYOND, 64)
    rows = measured(pictures, of_image, kind, most, CONFIRMED if rule.confirm is None else rule.confirm)
    in_use = "hash" if rule.confirm is None else "confirmed"
    rows["in_use"] = ((rows["rule"] == in_use) & (rows["distance"] == rule.distance)).astype("int64")
    table_files.write(rows, "distance", path)


def measured(pictures: list[Pixels], of_image: NDArray[np.int64], kind: str, most: int, least: float) -> pd.DataFrame:
    """Count the pairs of pictures that each distance up to `most` finds, by the hash alone and confirmed.

    of_image: which image each picture shows. least: the correlation that confirms.
    """
    hashes = np.array([HASHES[kind](np.ascontiguousarray(pixels)) for pixels in pictures], dtype=np.uint64)
    one, two = np.triu_indices(len(pictures), 1)
    bits = np.bitwise_count(hashes[one] ^ hashes[two])
    same = of_image[one] == of_image[two]
    near = np.flatnonzero(bits <= most)
    height, width = (np.array([pixels.shape[axis] for pixels in pictures]) for axis in (0, 1))
    likeness = Likeness(lambda i: np.ascontiguousarray(pictures[i]), height, width, least)
    progress = Progress("pairs of copies compared", lambda: (len(near),) * 2)
    progress.begin()
    confirmed = np.zeros(len(bits), np.bool_)
    for pairs in np.split(near, np.flatnonzero(np.diff(one[near])) + 1):
        if len(pairs):
            confirmed[pairs] = likeness.all(int(one[pairs[0]]), two[pairs])
            progress.step(len(pairs))
    rows = []
    for rule, counts in (("hash", np.ones(len(bits), np.bool_)), ("confirmed", confirmed)):
        for distance in range(most + 1):
            found = counts & (bits <= distance)
            n, right, there = int(found.sum()), int((found & same).sum()), int(same.sum())
            rows.append(
                {
                    "distance": distance,
                    "rule": rule,
                    "precision": right / n if n else None,
                    "recall": right / there,
                    "n_pairs": n,
                    "n_copies": there,
                }
            )
    return pd.DataFrame(rows)
