"""Stored pixels become 8-bit grey: beside pictures with known pixels, and by properties."""

import io
import struct
import zlib
from fractions import Fraction
from hashlib import sha256
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from PIL import Image

from ifcb_abundance.curation.grey import to_grey
from ifcb_abundance.curation.image_files import NoImageError, read_image
from tests.curation.data import files_of, needs_shared, rows_of


def encoded(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def png(kind: int, width: int, height: int, rows: bytes, bits: int = 16) -> bytes:
    """A PNG file, from bytes of rows that Pillow would not write."""
    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    packed = (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def rows_of_16_bits(samples: np.ndarray[Any, Any]) -> bytes:
    return b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)


@needs_shared
def test_one_picture_in_all_kinds_of_file() -> None:
    files = files_of("depths.zip")
    assert len(files) == 30
    for row in rows_of("depths.csv"):
        if row["problem"]:
            with pytest.raises(NoImageError):
                read_image(files[row["file"]]).to_grey("type")
            continue
        image = read_image(files[row["file"]])
        for scaling in ("type", "range"):
            grey = image.to_grey(scaling)
            assert sha256(grey.pixels.tobytes()).hexdigest() == row[f"sha256_{scaling}"], (row["file"], scaling)
        found = image.to_grey("type")
        assert (image.stored, found.rule) == (row["stored"], row["rule_type"])
        assert found.pixels.shape == (int(row["height"]), int(row["width"]))
        assert (found.used_fraction < 1 / 8) == (row["file"] in ("uint16_12bit.tif", "float_constant.tif"))


NUMBERS = st.sampled_from([np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32, np.float32, np.float64])


@given(st.data(), NUMBERS, st.sampled_from(["type", "range"]))
@settings(max_examples=60)
def test_the_rule_is_that_of_exact_numbers(data: st.DataObject, kind: type, scaling: str) -> None:
    shape = npst.array_shapes(min_dims=2, max_dims=2, max_side=4)
    finite = {"allow_nan": False, "allow_infinity": False} if np.dtype(kind).kind == "f" else {}
    elements = npst.from_dtype(np.dtype(kind), **finite)
    stored = data.draw(npst.arrays(kind, shape, elements=elements))
    found = to_grey(stored, scaling).pixels
    low, high = stored.min(), stored.max()
    if scaling == "type" and np.dtype(kind).kind != "f":
        low, high = np.iinfo(kind).min, np.iinfo(kind).max
    if low == high:
        assert not found.any()
        return
    bottom, top = (Fraction(np.asarray(end).item()) for end in (low, high))
    for value, pixel in zip(stored.ravel(), found.ravel(), strict=True):
        exact = (Fraction(value.item()) - bottom) * 255 / (top - bottom)
        assert abs(exact - int(pixel)) <= Fraction(1, 2) + Fraction(1, 10**6)


def test_halves_are_rounded_to_even() -> None:
    stored = np.array([[0, 1, 3, 5, 510]], np.float64)  # 510 becomes 255, so 1, 3 and 5 are 0.5, 1.5 and 2.5
    assert to_grey(stored).pixels.tolist() == [[0, 0, 2, 2, 255]]


@pytest.mark.parametrize("how", [{}, {"tiffinfo": {317: 2}}], ids=["plain", "differences"])
@pytest.mark.parametrize("compression", ["tiff_lzw", "zstd"])
def test_a_tiff_that_only_pillow_unpacks_has_the_pixels_of_the_uncompressed_file(
    compression: str, how: dict[str, Any]
) -> None:
    samples = np.random.default_rng(1).integers(0, 65536, (9, 7, 4))
    colours = (samples >> 8).astype(np.uint8)
    palette = Image.fromarray(colours[..., 0]).convert("P")
    palette.putpalette(colours[:, :3].tobytes()[:768])
    sixteen = samples[..., 0].astype(np.uint16)
    deep = Image.frombytes("I;16B", (7, 9), sixteen.astype(">u2").tobytes())
    kinds = [palette, deep, *map(Image.fromarray, (colours[..., 0], colours[..., :3], colours, sixteen))]
    for image in kinds:
        plain, packed = (
            read_image(encoded(image, "TIFF", **more)) for more in ({}, {"compression": compression, **how})
        )
        assert (packed.pixels == plain.pixels).all(), image.mode
        assert (packed.stored, packed.alpha, packed.palette) == (plain.stored, plain.alpha, plain.palette)
    assert (read_image(encoded(deep, "TIFF", compression=compression, **how)).pixels == sixteen).all()


@pytest.mark.parametrize("white_is_0", [{}, {"tiffinfo": {262: 0}}], ids=["black is 0", "white is 0"])
def test_a_scan_of_one_bit_and_a_jpeg_in_a_tiff_are_read(white_is_0: dict[str, Any]) -> None:
    grey = np.random.default_rng(1).integers(0, 256, (9, 7)).astype(np.uint8)
    for compression in ("group3", "group4", "tiff_lzw"):
        found = read_image(encoded(Image.fromarray(grey > 99), "TIFF", compression=compression, **white_is_0))
        assert (found.pixels == (grey > 99)).all()
        assert found.stored == "bool"
    assert (
        read_image(encoded(Image.fromarray(grey), "TIFF", compression="tiff_lzw", **white_is_0)).pixels == grey
    ).all()
    smooth = np.add.outer(np.arange(16), np.arange(16)).astype(np.uint8)
    packed = read_image(encoded(Image.fromarray(smooth), "TIFF", compression="jpeg", quality=100, **white_is_0))
    assert np.abs(packed.pixels.astype(int) - smooth).max() <= 1


@pytest.mark.parametrize("mode", ["I", "F"])
def test_a_tiff_that_nothing_unpacks_is_not_called_broken(mode: str) -> None:
    """Pillow reads these numbers too, but does not tell signed ones from unsigned ones."""
    body = encoded(Image.new(mode, (3, 3)), "TIFF", compression="tiff_lzw")
    with pytest.raises(NoImageError, match=r"^compressed by LZW, which needs the package imagecodecs: pip install"):
        read_image(body)
    turned = encoded(Image.new("L", (3, 4)), "TIFF", compression="tiff_lzw", tiffinfo={274: 6})
    with pytest.raises(NoImageError, match="compressed by LZW"):
        read_image(turned)
    broken = bytearray(encoded(Image.effect_noise((50, 50), 9), "TIFF", compression="tiff_lzw"))
    broken[500:1500] = bytes(1000)
    with pytest.raises(NoImageError, match=r"^broken"):
        read_image(bytes(broken))


def test_colours_of_16_bits_in_png_keep_their_lower_bytes() -> None:
    # 383 / 257 is 1.49, which the upper byte alone (1) rounds the same way; 386 / 257 is 1.502
    samples = np.random.default_rng(1).integers(0, 65536, (5, 7, 4))
    expected = np.rint(samples / 257).astype(np.uint8)
    luma = np.asarray(Image.fromarray(expected[..., :3]).convert("L"))
    for colour, channels in ((2, 3), (6, 4)):
        image = read_image(png(colour, 7, 5, rows_of_16_bits(samples[..., :channels])))
        assert (image.to_grey("type").pixels == luma).all()
        assert image.stored == ("uint16 RGB" if channels == 3 else "uint16 RGBA")
    grey = read_image(png(4, 7, 5, rows_of_16_bits(samples[..., :2])))
    assert (grey.to_grey("type").pixels == np.rint(samples[..., 0] / 257)).all()


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "no bytes"),
        (b"# not an image", "no image"),
        (encoded(Image.new("CMYK", (3, 3)), "TIFF"), "CMYK"),
        (encoded(Image.new("CMYK", (3, 3)), "JPEG"), "CMYK"),
        (encoded(Image.new("L", (3, 3)), "GIF", save_all=True, append_images=[Image.new("L", (3, 3), 9)]), "several"),
        (png(0, 30_000, 30_000, b""), "more than 134,217,728 pixels"),
        (png(0, 12_000, 12_000, b""), "12,000 x 12,000 pixels; 134,217,728 are read at most"),
        (encoded(Image.new("L", (50, 50)))[:-30], "broken"),
        (encoded(Image.new("L", (50, 50)), "TIFF")[:100], "broken|no image"),
    ],
)
def test_what_cannot_be_used_is_named(body: bytes, problem: str) -> None:
    with pytest.raises(NoImageError, match=problem):
        read_image(body).to_grey("type")


def test_the_least_image_is_one_pixel() -> None:
    found = read_image(encoded(Image.new("L", (1, 1), 7))).to_grey("type")
    assert found.pixels.tolist() == [[7]]
    assert found.rule == "none"
