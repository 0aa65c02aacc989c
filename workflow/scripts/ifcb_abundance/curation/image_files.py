"""Read files of images as they are stored: grey of any depth, colours, palettes.

Pillow reads most of them. TIFF files are read by tifffile, since Pillow does not tell signed from unsigned numbers
there and knows no float64. Where tifffile lacks a codec, Pillow unpacks what it reads the same way. Of PNG files with
16-bit colours Pillow gives the upper bytes alone, so they are read twice.
"""

import io
import logging
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, UnidentifiedImageError

from ifcb_abundance.common.errors import StateError
from ifcb_abundance.common.extras import is_there, needed, to_install
from ifcb_abundance.curation.grey import Grey, to_grey

MOST_PIXELS = 1 << 27  # of one image: in 8-bit grey 128 MB
MOST_BYTES = 1 << 31  # of one file
# What libraries say of single files stands in `problem`, or does not matter.
warnings.filterwarnings("ignore", module="PIL")
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
logging.getLogger("tifffile").setLevel(logging.CRITICAL)
TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
BLACK_IS_HIGH = 0  # a TIFF's photometric interpretation: 0 is white
# Of TIFF files: the compressions that Pillow unpacks, and its modes whose pixels are those that tifffile would give.
BY_PILLOW = ("CCITTRLE", "CCITTFAX3", "CCITTFAX4", "LZW", "JPEG", "ZSTD")
SAME_PIXELS = ("1", "L", "I;16", "I;16B", "RGB", "RGBA", "P")


class NoImageError(Exception):
    """A file is no image that can be used; says why, in a few words."""


@dataclass(frozen=True, eq=False)
class StoredImage:
    """The pixels of a file, (height, width) or (height, width, 3).

    stored: their type as tables say it, such as `uint16 RGB`. note: what was done to have them, as the start of a rule.
    """

    pixels: NDArray[np.generic]
    stored: str
    alpha: bool = False
    palette: bool = False

    def to_grey(self, scaling: str) -> Grey:
        """Turn them into 8-bit grey; see `grey.to_grey`. Raises NoImageError if that has no meaning."""
        try:
            grey = to_grey(self.pixels, scaling)
        except ValueError as error:
            raise NoImageError(str(error)) from None
        rule = grey.rule
        if self.palette:
            rule = "its colours, then " + ("luma" if rule.startswith("equal") else rule)
        if self.alpha:
            rule = "alpha left out" if rule == "none" else f"{rule}, alpha left out"
        return Grey(grey.pixels, rule, grey.low, grey.high, grey.used_fraction)


def read_image(body: bytes) -> StoredImage:
    """Read the bytes of a file. Raises NoImageError, and StateError if a library is missing."""
    if not body:
        raise NoImageError("no bytes")
    try:
        return _tiff(body) if body.startswith(TIFF) else _any(body)
    except (NoImageError, StateError):
        raise
    except Image.DecompressionBombError:
        raise NoImageError(f"more than {MOST_PIXELS:,} pixels") from None
    except UnidentifiedImageError:
        raise NoImageError("no image that can be read") from None
    except MemoryError:
        raise NoImageError("more memory needed than there is") from None
    except Exception as error:  # a library may fail in any way on a file that somebody else wrote
        raise NoImageError(f"broken: {' '.join(str(error).split())[:200] or type(error).__name__}") from None


def _refuse_large(width: int, height: int) -> None:
    if width * height > MOST_PIXELS:
        raise NoImageError(f"{width:,} x {height:,} pixels; {MOST_PIXELS:,} are read at most")


def _any(body: bytes) -> StoredImage:
    with Image.open(io.BytesIO(body)) as file:
        image: Any = file
        _refuse_large(*image.size)
        if getattr(image, "n_frames", 1) > 1:
            raise NoImageError("several pages: a volume or an animation")
        if image.mode in ("CMYK", "LAB", "HSV"):
            raise NoImageError(f"{image.mode} has no rule for grey")
        if image.format == "PNG" and (deep := _deep_png(body, image)):
            return deep
        image.load()
        if image.mode in ("P", "PA"):
            return StoredImage(np.asarray(image.convert("RGB")), "palette", palette=True)
        if image.mode in ("YCbCr", "RGBX", "RGBa"):
            image = image.convert("RGB")
        pixels = np.asarray(image)
        alpha = image.mode in ("LA", "La", "RGBA")
        if image.mode in ("LA", "La"):
            pixels = pixels[..., 0]
        elif image.mode == "RGBA":
            pixels = pixels[..., :3]
        if image.mode == "I" and image.format == "PPM":
            pixels = pixels.astype(np.uint16)  # as Pillow scales them
        names = {"RGB": " RGB", "RGBA": " RGBA", "LA": " with alpha", "La": " with alpha"}
        pixels = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
        return StoredImage(pixels, f"{pixels.dtype}{names.get(image.mode, '')}", alpha)


def _deep_png(body: bytes, image: ImageFile.ImageFile) -> StoredImage | None:
    """The image if it is a PNG with several channels of 16 bits; else None."""
    raw = image.tile[0].args if image.tile else None
    if raw in ("RGB;16B", "RGBA;16B"):
        upper, lower = (_raw(body, f"{raw[:-1]}{order}").astype(np.uint16) for order in "BL")
        return StoredImage((upper << 8 | lower)[..., :3], f"uint16 {raw[:-4]}", alpha=raw.startswith("RGBA"))
    if raw == "LA;16B":  # as many bytes a pixel as RGBA has: grey, upper and lower byte, and alpha
        channels = _raw(body, "RGBA", "RGBA").astype(np.uint16)
        return StoredImage(channels[..., 0] << 8 | channels[..., 1], "uint16 with alpha", alpha=True)
    return None


def _raw(body: bytes, raw_mode: str, mode: str = "") -> NDArray[np.uint8]:
    """The pixels of a PNG file, unpacked as if they were of another mode."""
    with Image.open(io.BytesIO(body)) as image:
        image.tile = [image.tile[0]._replace(args=raw_mode)]
        if mode:
            image._mode = mode
        return np.asarray(image)


def _tiff(body: bytes) -> StoredImage:
    tifffile = needed("tifffile", "tifffile", "Reading a TIFF file")
    with tifffile.TiffFile(io.BytesIO(body)) as file:
        if len(file.pages) > 1:
            raise NoImageError("several pages: a volume")
        page: Any = file.pages[0]
        _refuse_large(page.imagewidth, page.imagelength)
        if page.photometric == tifffile.PHOTOMETRIC.SEPARATED:
            raise NoImageError("CMYK has no rule for grey")
        if page.dtype is not None and page.dtype.kind == "c":
            raise NoImageError("complex numbers")
        if page.photometric == tifffile.PHOTOMETRIC.PALETTE:
            colours = page.colormap[:, _unpacked(page, body)]  # (3, height, width) of 16 bits
            return StoredImage(np.rint(np.moveaxis(colours, 0, -1) / 257).astype(np.uint8), "palette", palette=True)
        if page.photometric == tifffile.PHOTOMETRIC.YCBCR:
            return _any(body)
        pixels = _unpacked(page, body)
        if pixels.ndim > 3:
            pixels = pixels.squeeze()
        if page.photometric == BLACK_IS_HIGH and pixels.dtype.kind in "ub":
            pixels = ~pixels if pixels.dtype.kind == "b" else np.iinfo(pixels.dtype).max - pixels
        return _of_channels(pixels, page.planarconfig == tifffile.PLANARCONFIG.SEPARATE)


def _unpacked(page: Any, body: bytes) -> NDArray[Any]:
    """The pixels of a TIFF's page as tifffile gives them; by way of Pillow if tifffile lacks the codec."""
    try:
        pixels: NDArray[Any] = page.asarray()
    except ImportError:  # zstd is in Python from 3.14 on
        return _by_pillow(page, body)
    except ValueError as error:
        if "imagecodecs" not in str(error):
            raise
        return _by_pillow(page, body)
    return pixels


def _by_pillow(page: Any, body: bytes) -> NDArray[Any]:
    """The pixels of a TIFF's page as tifffile would give them. Raises NoImageError where Pillow's may be others."""
    compression = str(getattr(page.compression, "name", page.compression))
    what = f"{page.bitspersample} bits a pixel" if compression == "NONE" else f"compressed by {compression}"
    lacks = f"needs the package imagecodecs: {to_install('imagecodecs')}, or save it uncompressed"
    refused = NoImageError(
        f"{what}, which {'imagecodecs does not unpack: save it uncompressed' if is_there('imagecodecs') else lacks}"
    )
    bits = 1 if page.dtype is None or page.dtype.kind == "b" else page.dtype.itemsize * 8
    turned = page.tags.valueof("Orientation", 1) != 1  # Pillow turns such images, tifffile does not
    if compression not in BY_PILLOW or turned or page.bitspersample != bits:
        raise refused
    with Image.open(io.BytesIO(body)) as image:
        inverted = page.photometric == BLACK_IS_HIGH
        if image.mode not in (SAME_PIXELS[:2] if inverted else SAME_PIXELS):
            raise refused
        pixels: NDArray[Any] = np.asarray(image)
    pixels = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
    if pixels.dtype != page.dtype or pixels.shape != page.shape:
        raise refused
    return ~pixels if inverted else pixels  # Pillow has inverted them


def _of_channels(pixels: NDArray[Any], planes: bool) -> StoredImage:
    if pixels.ndim == 3 and planes:
        pixels = np.moveaxis(pixels, 0, -1)
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    if channels not in (1, 2, 3, 4) or pixels.ndim not in (2, 3):
        raise NoImageError(f"{channels} channels: neither grey nor RGB")
    kind = str(pixels.dtype)
    if channels > 2:
        name, alpha = (f"{kind} RGB", False) if channels == 3 else (f"{kind} RGBA", True)
        return StoredImage(pixels[..., :3], name, alpha)
    if pixels.ndim == 3:
        return StoredImage(pixels[..., 0], kind if channels == 1 else f"{kind} with alpha", alpha=channels == 2)
    return StoredImage(pixels, kind)
