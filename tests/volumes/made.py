"""The made-up volume of the shared data in all its files, unpacked once, and volumes made here."""

import tarfile
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pytest
from numpy.typing import NDArray

PACKED = Path(__file__).parents[3] / "shared" / "data" / "bucket" / "made.tar.gz"
LIST = PACKED.parents[1] / "curation" / "ngff_datasets.csv"
recorded = pytest.mark.skipif(not PACKED.exists(), reason=f"no shared data at {PACKED}")


@cache
def made() -> Path:
    """The folder with the files, arrays and videos."""
    folder = Path(mkdtemp(prefix="made-"))
    with tarfile.open(PACKED) as archive:
        archive.extractall(folder, filter="data")
    return folder / "made"


def truth() -> NDArray[np.uint8]:
    """The volume that all of them hold: 18 x 40 x 52, voxels of 40 x 8 x 4 nm, at 200, 96, 120 nm."""
    with np.load(made() / "truth.npz") as arrays:
        return np.asarray(arrays["raw"])
