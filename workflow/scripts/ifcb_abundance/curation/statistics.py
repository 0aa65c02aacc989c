"""A dozen numbers that say what a picture is like, cheap enough for millions of them."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

LEVELS = np.arange(256)
BLOCK = 1 << 22  # pixels that are looked at together
SMALL = 64  # pixels that a picture is made smaller to, before its edges are looked for


def measure(pixels: NDArray[np.uint8]) -> dict[str, float]:
    """Measure (height, width) pixels; the columns of the table `patches` say what each number is."""
    height, width = pixels.shape
    n = pixels.size
    image = Image.fromarray(pixels)
    counts = np.array(image.histogram())
    below = np.cumsum(counts)
    mean = float(LEVELS @ counts) / n
    variance = max(float((LEVELS * LEVELS) @ counts) / n - mean * mean, 0.0)
    shares = counts[counts > 0] / n
    low, median, high = np.searchsorted(below, (0.05 * n, 0.5 * n, 0.99 * n)).tolist()
    of_rows = [_of_rows(pixels, start) for start in range(0, height, _rows(width))]
    steps, squares, plain = map(sum, zip(*of_rows, strict=True))
    gradient = steps / max(height * (width - 1) + (height - 1) * width, 1)
    laplacian = (squares / max((height - 2) * (width - 2), 1)) ** 0.5
    plain += int((pixels == pixels[:1]).all(axis=0).sum()) if height > 1 else 0
    deviation = variance**0.5
    edges, peaks = _small(image)
    return {
        "mean": mean,
        "deviation": deviation,
        "minimum": int(np.argmax(below > 0)),
        "low": low,
        "median": median,
        "high": high,
        "maximum": int(np.searchsorted(below, n)),
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
    signed = pixels[start - above : min(stop + 1, height)].astype(np.int16)
    own = signed[above : above + stop - start]
    across, down = np.diff(own, axis=1), np.diff(signed[: above + stop - start], axis=0)
    steps = int(np.abs(across).sum(dtype=np.int64)) + int(np.abs(down).sum(dtype=np.int64))
    squares = 0
    if len(signed) > 2 and width > 2:
        middle = signed[1:-1, 1:-1]
        around = signed[1:-1, 2:] + signed[1:-1, :-2] + signed[2:, 1:-1] + signed[:-2, 1:-1] - 4 * middle
        squares = int(np.square(around, dtype=np.int32).sum(dtype=np.int64))
    return steps, squares, int((across == 0).all(axis=1).sum()) if width > 1 else 0


def _small(image: Image.Image) -> tuple[float, float]:
    """The standard deviations of the edges of a small copy and of the counts of its levels, as cleanvision has them."""
    ratio = max(image.size) / SMALL
    if ratio > 1:
        width, height = (max(int(side // ratio), 1) for side in image.size)
        image = image.resize((width, height))
    counts = np.array(image.filter(ImageFilter.FIND_EDGES).histogram())
    n = int(counts.sum())
    total, squares = int(LEVELS @ counts), int((LEVELS * LEVELS) @ counts)
    edges = max((squares - total * total / n) / n, 0.0) ** 0.5
    return float(edges), float(np.std(image.histogram()))
