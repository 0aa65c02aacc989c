"""Hashes of 64 bits that look alike where pictures do.

`difference` is dHash as imagehash 4.3.2 has it (`dhash`), of a picture that was first resized to 224 x 224, which is
what volume-em/cem-dataset does. `steady` is like it, but asks for a difference that noise does not make: on flat
background the bits of dHash are thrown like coins.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 8
MARGIN = 2  # grey levels
LANCZOS = Image.Resampling.LANCZOS


def difference_hash(pixels: NDArray[np.uint8]) -> int:
    """The difference hash of (height, width) pixels: a bit for each of 8 x 8 cells that is darker than the next one."""
    image = Image.fromarray(pixels).resize((224, 224), Image.Resampling.BILINEAR)
    return _bits(np.asarray(image.resize((SIDE + 1, SIDE), LANCZOS)), 0)


def steady_hash(pixels: NDArray[np.uint8]) -> int:
    """The steady hash of (height, width) pixels: the next cell has to be brighter by more than MARGIN grey levels."""
    return _bits(np.asarray(Image.fromarray(pixels).resize((SIDE + 1, SIDE), Image.Resampling.BOX)), MARGIN)


def _bits(cells: NDArray[Any], margin: int) -> int:
    brighter = cells[:, 1:].astype(np.int16) > cells[:, :-1].astype(np.int16) + margin
    return int.from_bytes(np.packbits(brighter).tobytes(), "big")


HASHES = {"difference": difference_hash, "steady": steady_hash}


def as_text(value: int) -> str:
    """The hash as 16 hex digits."""
    return f"{value:016x}"


def as_numbers(texts: Any) -> NDArray[np.uint64]:
    """Hashes that `as_text` wrote, as numbers."""
    return np.array([int(text, 16) for text in texts], dtype=np.uint64)
