"""Images of bins as files that anything can open."""

import io

import numpy as np
from PIL import Image, PngImagePlugin

from raw_images import RoiImage


def as_png(image: RoiImage) -> bytes:
    """The image as a PNG file, 8-bit grey: the same image gives the same bytes.

    A stitched one says so in a text field `stitched`: its ROIs, and how many pixels are filled in.
    """
    about = PngImagePlugin.PngInfo()
    if image.gap is not None:
        rois = " and ".join(map(str, image.rois))
        about.add_text("stitched", f"ROIs {rois}; {np.count_nonzero(image.gap)} pixels filled in")
    file = io.BytesIO()
    Image.fromarray(image.pixels).save(file, "PNG", compress_level=6, pnginfo=about)
    return file.getvalue()
