"""A dozen numbers that say what a picture is like, cheap enough for millions of them."""

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

LEVELS = np.arange(256)
SQUARES = LEVELS * LEVELS
BLOCK = 1 << 22  # pixels that are looked at together
SMALL = 64  # pixels that a picture is made smaller to, before its edges are looked for


def measure(pixels: NDArray[np.uint8]) -> dict[str, float]:
    """Measure (height, width) pixels; the columns of the table `patches` say what each number is."""
    height, width = pixels.shape
    n = pixels.size
    counts = np.bincount(pixels.ravel(), minlength=256)
    below = np.cumsum(counts)
    mean = int(LEVELS @ counts) / n
    variance = max(int(SQUARES @ counts) / n - mean * mean, 0.0)
    shares = counts[counts > 0] / n
    minimum, low, median, high, maximum = np.searchsorted(below, (1, 0.05 * n, 0.5 * n, 0.99 * n, n)).tolist()
    of_rows = [_of_rows(pixels, start) for start in range(0, height, _rows(width))]
    steps, squares, plain = map(sum, zip(*of_rows, strict=True))
    gradient = steps / max(height * (width - 1) + (height - 1) * width, 1)
    laplacian = (squares / max((height - 2) * (width - 2), 1)) ** 0.5
    plain += int(np.count_nonzero((pixels == pixels[:1]).all(axis=0))) if height > 1 else 0
    deviation = variance**0.5
    edges, peaks = _small(pixels)
    return {
        "mean": mean,
        "deviation": deviation,
        "minimum": minimum,
        "low": low,
        "median": median,
        "high": high,
        "maximum": maximum,
        "entropy": max(-float(shares @ np.log2(shares)), 0.0),
        "saturated": float(counts[0] + counts[255]) / n,
        "commonest": float(counts.max()) / n,
        "gradient": gradient,
        "laplacian": laplacian,
        "edges": edges,
        "peaks": peaks,
        "sharpness": laplacian / deviation if deviation else 0.0,
        "plain_lines": plain / (height + width),
    }


def _rows(width: int) -> int:
    return max(1, BLOCK // width)


def _of_rows(pixels: NDArray[np.uint8], start: int) -> tuple[int, int, int]:
    """Of some rows: the sum of the steps to the left and up, of the squares of the Laplacian, and of rows of one value.

    In whole numbers, so that the sums do not depend on how a library adds up; some rows at a time, because differences
    take eight times the memory of the pixels.
    """
    height, width = pixels.shape
    stop = min(start + _rows(width), height)
    above = min(start, 1)
    rows = pixels[start - above : min(stop + 1, height)]
    own = rows[above : above + stop - start]
    upper = rows[: above + stop - start]
    across, down = _steps(own[:, 1:], own[:, :-1]), _steps(upper[1:], upper[:-1])
    steps = int(across.sum(dtype=np.int64)) + int(down.sum(dtype=np.int64))
    squares = 0
    if len(rows) > 2 and width > 2:
        signed = rows.astype(np.int16)
        around = signed[1:-1, 2:] + signed[1:-1, :-2]
        around += signed[2:, 1:-1]
        around += signed[:-2, 1:-1]
        around -= signed[1:-1, 1:-1] << 2
        squares = _sum_of_squares(around)
    return steps, squares, int(np.count_nonzero(~across.any(axis=1))) if width > 1 else 0


def _steps(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """How far pixels are from others. Numbers of 8 bits are subtracted many at a time."""
    return np.maximum(one, other) - np.minimum(one, other)


def _sum_of_squares(numbers: NDArray[np.int16]) -> int:
    """Exact below 2^53. Floats are multiplied and added faster than whole numbers."""
    floats = numbers.astype(np.float64)
    floats *= floats
    return int(floats.sum())


def _small(pixels: NDArray[np.uint8]) -> tuple[float, float]:
    """The standard deviations of the edges of a small copy and of the counts of its levels, as cleanvision has them.

    The edges are those of Pillow's FIND_EDGES: 8 times a pixel less its neighbours, cut off at 0 and 255; pixels at the
    border stay as they are.
    """
    ratio = max(pixels.shape) / SMALL
    if ratio > 1:
        height, width = (max(int(side // ratio), 1) for side in pixels.shape)
        pixels = np.asarray(Image.fromarray(pixels).resize((width, height)))
    n = pixels.size
    counts = np.bincount(pixels.ravel(), minlength=256)
    peaks = math.sqrt((int(counts @ counts) - n * n / 256) / 256)
    edges = pixels.astype(np.int16)
    if min(pixels.shape) > 2:
        columns = edges[:-2] + edges[1:-1]
        columns += edges[2:]
        around = columns[:, :-2] + columns[:, 1:-1]
        around += columns[:, 2:]
        inner = edges[1:-1, 1:-1]
        inner *= 9
        inner -= around
        np.minimum(np.maximum(inner, 0, out=inner), 255, out=inner)
    total = int(edges.sum(dtype=np.int64))
    variance = max((_sum_of_squares(edges) - total * total / n) / n, 0.0)
    return variance**0.5, peaks
