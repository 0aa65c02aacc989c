"""Colours of ids: a hash of the id alone, so that an id looks the same in every picture.

Nothing is kept for each id, so that ids up to 2^64 - 1 cost no memory. The hash is the finalizer of SplitMix64 (Steele,
Lea and Flood 2014, doi:10.1145/2660193.2660195).
"""

from typing import Any

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
ROWS = 2**18  # pixels that are coloured at a time


def colours_of(ids: npt.NDArray[Any]) -> Bytes:
    """Return the colour of each id as red, green, blue, in a further last dimension. ids: whole numbers, any sign."""
    mixed = ids.astype(np.uint64)  # what is negative wraps around
    mixed += np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    hue = (mixed & np.uint64(0xFFFF)).astype(np.float32) * np.float32(6 / 65536)
    saturation = 0.55 + 0.45 * ((mixed >> np.uint64(16)) & np.uint64(0xFF)).astype(np.float32) / 255
    value = 0.75 + 0.25 * ((mixed >> np.uint64(24)) & np.uint64(0xFF)).astype(np.float32) / 255
    result = np.empty((*ids.shape, 3), np.uint8)
    for number, begin in enumerate((5, 3, 1)):  # hue, saturation, value to red, green, blue
        turn = (begin + hue) % 6
        share = np.clip(np.minimum(turn, 4 - turn), 0, 1)
        result[..., number] = np.rint(255 * value * (1 - saturation * share))
    return result


def hex_colours(ids: npt.NDArray[Any]) -> list[str]:
    """Return the same colours as `#rrggbb`."""
    return [f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in colours_of(ids).tolist()]


def laid_over(grey: Bytes, labels: npt.NDArray[Any]) -> Bytes:
    """Lay labels over a grey picture (rows, columns) at half opacity; 0 is transparent. Returns red, green, blue."""
    result = np.repeat(grey[:, :, np.newaxis], 3, axis=2)
    rows = max(1, ROWS // max(1, grey.shape[1]))
    for first in range(0, len(grey), rows):
        part, ids = result[first : first + rows], labels[first : first + rows]
        shown = ids != 0
        mixed = (part[shown].astype(np.uint16) + colours_of(ids[shown]) + 1) // 2
        part[shown] = mixed.astype(np.uint8)
    return result
