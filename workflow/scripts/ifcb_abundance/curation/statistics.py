"""A dozen numbers that say what a picture is like, cheap enough for millions of them."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

LEVELS = np.arange(256)
SMALL = 64  # pixels that a picture is made smaller to, before its edges are looked for


def measure(pixels: NDArray[np.uint8]) -> dict[str, float]:
    """Measure (height, width) pixels; the columns of the table `patches` say what each number is."""
    height, width = pixels.shape
    n = pixels.size
    counts = np.bincount(pixels.ravel(), minlength=256)
    below = np.cumsum(counts)
    mean = float(LEVELS @ counts) / n
    variance = max(float((LEVELS * LEVELS) @ counts) / n - mean * mean, 0.0)
    shares = counts[counts > 0] / n
    low, median, high = np.searchsorted(below, (0.05 * n, 0.5 * n, 0.99 * n)).tolist()
    signed = pixels.astype(np.int16)
    across, down = np.diff(signed, axis=1), np.diff(signed, axis=0)
    steps = max(across.size + down.size, 1)
    gradient = (int(np.abs(across).sum()) + int(np.abs(down).sum())) / steps
    equal_rows = 0 if width < 2 else int((across == 0).all(axis=1).sum())
    equal_columns = 0 if height < 2 else int((down == 0).all(axis=0).sum())
    laplacian = 0.0
    if height > 2 and width > 2:
        second = across[1:-1, 1:] - across[1:-1, :-1] + down[1:, 1:-1] - down[:-1, 1:-1]
        # In whole numbers, so that it does not depend on how a library adds up.
        laplacian = (int(np.square(second, dtype=np.int32).sum(dtype=np.int64)) / second.size) ** 0.5
    deviation = variance**0.5
    edges, peaks = _small(pixels)
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
        "plain_lines": (equal_rows + equal_columns) / (height + width),
    }


def _small(pixels: NDArray[np.uint8]) -> tuple[float, float]:
    """The standard deviations of the edges of a small copy and of the counts of its levels, as cleanvision has them."""
    image = Image.fromarray(pixels)
    ratio = max(image.size) / SMALL
    if ratio > 1:
        width, height = (max(int(side // ratio), 1) for side in image.size)
        image = image.resize((width, height))
    counts = np.array(image.filter(ImageFilter.FIND_EDGES).histogram())
    n = int(counts.sum())
    total, squares = int(LEVELS @ counts), int((LEVELS * LEVELS) @ counts)
    edges = max((squares - total * total / n) / n, 0.0) ** 0.5
    return float(edges), float(np.std(image.histogram()))
