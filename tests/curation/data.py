"""The test data of curated images, and small pictures that tests make up."""

import csv
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

SHARED = Path(__file__).parents[2].parent / "shared" / "data" / "curation"
needs_shared = pytest.mark.skipif(not SHARED.exists(), reason="the test data of curated images are not there")


def rows_of(name: str) -> list[dict[str, str]]:
    """The rows of a table of the test data."""
    with (SHARED / name).open(newline="") as lines:
        return list(csv.DictReader(lines))


def files_of(name: str) -> dict[str, bytes]:
    """The files in a zip of the test data."""
    with zipfile.ZipFile(SHARED / name) as archive:
        return {entry: archive.read(entry) for entry in archive.namelist() if not entry.endswith("/")}


def pixels_of(body: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(body)) as image:
        return np.asarray(image.convert("L"))


def particle(seed: int, height: int = 60, width: int = 80, at: tuple[int, int] = (0, 0)) -> NDArray[np.uint8]:
    """A made-up particle on a grey ground: a few dark discs, moved by `at` (down, right), and a little noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    picture = np.full((height, width), 190.0)
    for _ in range(5):
        down, right = rng.uniform(0.25, 0.75) * height + at[0], rng.uniform(0.25, 0.75) * width + at[1]
        radius, depth = rng.uniform(4, height / 4), rng.uniform(30, 120)
        picture -= depth * ((y - down) ** 2 + (x - right) ** 2 < radius**2)
    return np.clip(picture + np.random.default_rng(seed + 1000).normal(0, 1, picture.shape), 0, 255).astype(np.uint8)


def save(path: Path, pixels: NDArray[np.uint8]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
