"""Turn stored pixels into 8-bit grey by one of two rules.

`type`: the range of the stored type becomes 0 to 255, so that images stay comparable with each other. `range`: the
range of the image itself does. Both are reckoned in float64 and rounded half to even. Floats have no range of their
own, so their `type` rule is `range`.

Colours become luma, by the weights of ITU-R BT.601 as Pillow has them for its mode `L`: (19595 R + 38470 G + 7471 B)
/ 65536, rounded.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

STRETCHED, CONSTANT = "(v - min) * 255 / (max - min)", "constant: 0"  # the rule `range`, in words
BLOCK = 1 << 20  # pixels that are reckoned in float64 at a time


@dataclass(frozen=True, eq=False)
class Grey:
    """An image in grey. pixels: (height, width).

    rule: how it was made, in words. low, high: the stored values that became 0 and 255. used_fraction: the part of the
    stored type's range between the image's least and greatest value; 1 for floats.
    """

    pixels: NDArray[np.uint8]
    rule: str
    low: float
    high: float
    used_fraction: float


def to_grey(stored: NDArray[Any], scaling: str = "type") -> Grey:
    """Turn an image into 8-bit grey.

    stored: (height, width) of bool, an integer or a float type, or (height, width, 3) of colours. scaling: `type` or
    `range`. Raises ValueError for NaN and infinity, complex numbers and arrays of other shapes.
    """
    if stored.ndim == 3 and stored.shape[2] == 3:
        return _colours(stored, scaling)
    if stored.ndim != 2:
        raise ValueError(f"{stored.ndim} dimensions: neither grey nor RGB")
    if not stored.size:
        raise ValueError("no pixels")
    if stored.dtype.kind == "b":
        return Grey(stored.astype(np.uint8) * np.uint8(255), "0 or 255", 0.0, 1.0, 1.0)
    if stored.dtype.kind == "c":
        raise ValueError("complex numbers")
    if stored.dtype.kind not in "uif":
        raise ValueError(f"values of type {stored.dtype}")
    least, greatest = stored.min(), stored.max()
    if not (np.isfinite(least) and np.isfinite(greatest)):
        raise ValueError("has NaN or infinity")
    return scale_numbers(stored, float(least), float(greatest), scaling)


def _colours(stored: NDArray[Any], scaling: str) -> Grey:
    first = stored[..., 0]
    if (first == stored[..., 1]).all() and (first == stored[..., 2]).all():
        grey = to_grey(first, scaling)
        as_it_is = grey.rule == "none"
        return Grey(
            grey.pixels,
            "equal channels: the first" + ("" if as_it_is else f", {grey.rule}"),
            grey.low,
            grey.high,
            grey.used_fraction,
        )
    rule = "luma"
    used = None
    if stored.dtype != np.uint8:
        height, width, _ = stored.shape
        eight = to_grey(stored.reshape(height, width * 3), "type")  # one range for the three channels
        rule = "each channel / 257, then luma" if stored.dtype == np.uint16 else f"each channel {eight.rule}, then luma"
        used = eight.used_fraction
        stored = eight.pixels.reshape(height, width, 3)
    luma = np.asarray(Image.fromarray(np.ascontiguousarray(stored)).convert("L"))
    grey = to_grey(luma, scaling)
    if grey.rule != "none":
        rule = f"{rule}, {grey.rule}"
    return Grey(grey.pixels, rule, grey.low, grey.high, grey.used_fraction if used is None else used)


def scale_numbers(stored: NDArray[Any], least: float, greatest: float, scaling: str) -> Grey:
    """Turn (height, width) numbers into 8-bit grey. least, greatest: of all values that get the same rule."""
    kind = stored.dtype
    used = 1.0
    if kind.kind in "ui":
        of_type = np.iinfo(kind)
        bottom, top = float(of_type.min), float(of_type.max)
        used = (greatest - least) / (top - bottom)
    if kind.kind == "f" or scaling == "range":
        if least == greatest:
            return Grey(np.zeros(stored.shape, np.uint8), CONSTANT, least, greatest, 0.0)
        if kind == np.uint8 and (least, greatest) == (0.0, 255.0):
            return Grey(stored.astype(np.uint8), "none", least, greatest, used)
        return Grey(_scaled(stored, least, greatest), STRETCHED, least, greatest, used)
    if kind == np.uint8:
        return Grey(stored.astype(np.uint8, copy=False), "none", bottom, top, used)
    if kind == np.int8:
        return Grey((stored.astype(np.int16) + 128).astype(np.uint8), "v + 128", bottom, top, used)
    shifted = "v" if not bottom else f"(v + {-bottom:.0f})"
    return Grey(_scaled(stored, bottom, top), f"{shifted} * 255 / {top - bottom:.0f}", bottom, top, used)


def _scaled(stored: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    """(v - low) * 255 / (high - low), rounded half to even, in blocks of rows: float64 takes eight times the memory."""
    if stored.dtype.kind in "ui" and stored.dtype.itemsize == 2:  # each value once
        of_type = np.iinfo(stored.dtype)
        values = np.arange(of_type.min, of_type.max + 1, dtype=np.float64)
        table = np.clip(np.rint((values - low) * 255 / (high - low)), 0, 255).astype(np.uint8)
        return table[stored.astype(np.int32) - of_type.min]
    halved = not np.isfinite((high - low) * 255)
    pixels = np.empty(stored.shape, np.uint8)
    rows = max(1, BLOCK // max(1, stored.shape[1]))
    for start in range(0, stored.shape[0], rows):
        values = stored[start : start + rows].astype(np.float64)
        if halved:  # floats so large that their differences are not
            values = (values / 1024 - low / 1024) * 255 / (high / 1024 - low / 1024)
        else:
            values = (values - low) * 255 / (high - low)
        pixels[start : start + rows] = np.rint(values)
    return pixels
