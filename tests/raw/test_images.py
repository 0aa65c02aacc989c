"""Images from a `.roi`: one at a time, stitched and not, and truncated files."""

import hashlib
import io
import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from ifcb_abundance.common.errors import RawFileError
from ifcb_abundance.images.extract import as_png
from ifcb_abundance.raw.images import (
    ReadRange,
    RoiImage,
    image_numbers,
    open_roi,
    read_image,
    read_images,
    stitched_pairs,
)
from ifcb_abundance.raw.triggers import TriggerTable, read_triggers
from tests.raw_files import NEW, OLD, adc, new_line, old_line, picture, write_bin

RAW = Path(__file__).parents[2].parent / "shared" / "data" / "raw"
shared = pytest.mark.skipif(not RAW.exists(), reason=f"no shared data in {RAW}")


def triggers_of(paths: dict[str, Path]) -> TriggerTable:
    return read_triggers(paths["adc"].stem, paths["adc"].read_bytes(), str(paths["adc"]))


def of_boxes(*boxes: tuple[int, int, int, int, int], bin_id: str = OLD) -> TriggerTable:
    """Trigger, x, y, width and height of each line."""
    line = old_line if bin_id.startswith("IFCB") else new_line
    return read_triggers(bin_id, adc(*[line(trigger, box=box) for trigger, *box in boxes]), "a")


def test_images_as_they_were_written(tmp_path: Path) -> None:
    images = [(n, 10 * n, 5, picture(8 * n, 3 * n)) for n in (1, 2, 3)]
    for bin_id in (OLD, NEW):
        paths = write_bin(tmp_path, bin_id, images)
        with open_roi(paths["roi"]) as read:
            found = dict(read_images(read, triggers_of(paths)))
        assert list(found) == [1, 2, 3]
        for n, image in found.items():
            assert image.pixels.dtype == np.uint8
            assert np.array_equal(image.pixels, images[n - 1][3])
            assert (image.rois, image.gap) == ((n,), None)


def test_one_image_is_read_and_nothing_else(tmp_path: Path) -> None:
    pixels = picture(50, 40)
    offset = 3 * 2**30  # behind 3 GB that are not there
    path = tmp_path / f"{NEW}.roi"
    with path.open("wb") as file:
        file.seek(offset)
        file.write(pixels.tobytes() + b"\0" * 2**20)
    triggers = read_triggers(NEW, adc(new_line(), new_line(box=(1, 1, 50, 40), offset=offset)), "a")
    tracemalloc.start()
    with open_roi(path) as read:
        image = read_image(read, triggers, 2)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert np.array_equal(image.pixels, pixels)
    assert peak < 100_000


def test_no_more_than_the_bytes_of_the_image_are_asked_for() -> None:
    asked = []

    def read(offset: int, length: int) -> bytes:
        asked.append((offset, length))
        return b"\x07" * length

    triggers = read_triggers(
        OLD, adc(old_line(1, box=(0, 0, 4, 3), offset=9), old_line(2, box=(0, 0, 5, 2), offset=21)), "a"
    )
    assert read_image(read, triggers, 2).pixels.tolist() == [[7] * 5] * 2
    assert asked == [(21, 10)]


@pytest.mark.parametrize("missing", [1, 5, 23, 24])
def test_a_roi_file_that_ends_too_soon_names_the_roi(tmp_path: Path, missing: int) -> None:
    paths = write_bin(tmp_path, NEW, [(1, 0, 0, picture(4, 4)), (2, 0, 0, picture(6, 4))])
    body = paths["roi"].read_bytes()
    paths["roi"].write_bytes(body[:-missing])
    with open_roi(paths["roi"]) as read:
        assert np.array_equal(read_image(read, triggers_of(paths), 1).pixels, picture(4, 4))
        with pytest.raises(RawFileError, match=rf"ROI {NEW}_00002: the \.roi ends within its image") as error:
            read_image(read, triggers_of(paths), 2)
    assert f"{24 - missing} are there" in str(error.value)


def test_a_roi_that_is_not_there(tmp_path: Path) -> None:
    paths = write_bin(tmp_path, NEW, [(1, 0, 0, picture(4, 4))])
    with open_roi(paths["roi"]) as read:
        for roi, named in ((2, f"{NEW}_00002"), (0, f"0 of bin {NEW}"), (-1, f"-1 of bin {NEW}")):
            with pytest.raises(RawFileError, match=f"ROI {named}: the bin has no image"):
                read_image(read, triggers_of(paths), roi)
    for path in (tmp_path / "no.roi", tmp_path):
        with pytest.raises(RawFileError, match=r"cannot be (opened|read)"), open_roi(path) as read:
            read_image(read, triggers_of(paths), 1)


# --- pairs ---


@pytest.mark.parametrize(
    ("second", "overlapping"),
    [
        ((1, 15, 10, 10, 10), True),
        ((1, 17, 10, 10, 10), True),  # by 3 pixels
        ((1, 18, 10, 10, 10), False),  # by 2
        ((1, 3, 3, 10, 10), True),  # by 3 each, from above
        ((1, 3, 2, 10, 10), False),
        ((2, 15, 10, 10, 10), False),  # another trigger
        ((1, 10, 10, 10, 10), True),  # the same place
        ((1, 50, 10, 10, 10), False),
    ],
)
def test_what_is_a_pair(second: tuple[int, int, int, int, int], overlapping: bool) -> None:
    assert stitched_pairs(of_boxes((1, 10, 10, 10, 10), second)) == ({1: 2} if overlapping else {})
    assert stitched_pairs(of_boxes((1, 10, 10, 10, 10), second, bin_id=NEW)) == {}  # new instruments have none


def test_only_neighbours_are_pairs_and_each_roi_is_in_one() -> None:
    box = (10, 10, 10, 10)
    assert stitched_pairs(of_boxes((1, *box), (1, 0, 0, 0, 0), (1, *box))) == {1: 3}  # one without image between
    assert stitched_pairs(of_boxes((1, *box), (2, *box), (1, *box))) == {}
    three = of_boxes((1, *box), (1, *box), (1, *box))
    assert stitched_pairs(three) == {1: 2}
    assert image_numbers(three) == [1, 3]  # none is lost
    assert image_numbers(three, stitch=False) == [1, 2, 3]
    assert stitched_pairs(of_boxes(*[(1, *box)] * 4)) == {1: 2, 3: 4}


def test_a_stitched_image_by_hand(tmp_path: Path) -> None:
    first, second = np.full((4, 4), 10, np.uint8), np.full((4, 4), 31, np.uint8)
    first[0, 3] = 50
    paths = write_bin(tmp_path, OLD, [(1, 100, 200, first), (1, 101, 201, second)])
    with open_roi(paths["roi"]) as read:
        image = read_image(read, triggers_of(paths), 1)
        with pytest.raises(RawFileError, match=f"ROI {OLD}_00002: the bin has no image"):
            read_image(read, triggers_of(paths), 2)
        raw = dict(read_images(read, triggers_of(paths), stitch=False))
    # A corner above on the right and one below on the left are in neither. Along them: 50 and 31, 10 and 31.
    filled = round((50 + 31 + 10 + 31) / 4)
    assert filled == 30
    assert image.pixels.tolist() == [
        [10, 10, 10, 50, filled],
        [10, 31, 31, 31, 31],
        [10, 31, 31, 31, 31],
        [10, 31, 31, 31, 31],
        [filled, 31, 31, 31, 31],
    ]
    assert image.gap is not None
    assert np.argwhere(image.gap).tolist() == [[0, 4], [4, 0]]
    assert image.rois == (1, 2)
    assert {n: found.pixels.tolist() for n, found in raw.items()} == {1: first.tolist(), 2: second.tolist()}


def test_a_pair_without_a_gap_is_marked_too(tmp_path: Path) -> None:
    paths = write_bin(tmp_path, OLD, [(1, 0, 0, picture(9, 5)), (1, 3, 0, picture(9, 5, 1))])
    with open_roi(paths["roi"]) as read:
        image = read_image(read, triggers_of(paths), 1)
    assert np.array_equal(image.pixels, np.hstack([picture(9, 5)[:, :3], picture(9, 5, 1)]))
    assert image.gap is not None
    assert not image.gap.any()


# --- PNG ---


def shown(png: bytes) -> tuple[NDArray[np.uint8], dict[str, str]]:
    with Image.open(io.BytesIO(png)) as image:
        assert (image.format, image.mode) == ("PNG", "L")
        return np.asarray(image), dict(image.info)


def test_png() -> None:
    image = RoiImage(picture(40, 30), (2,))
    pixels, about = shown(as_png(image))
    assert np.array_equal(pixels, picture(40, 30))
    assert about == {}
    assert as_png(image) == as_png(RoiImage(picture(40, 30), (2,)))
    gap = np.zeros((30, 40), bool)
    gap[2, :5] = True
    pixels, about = shown(as_png(RoiImage(picture(40, 30), (3, 4), gap)))
    assert np.array_equal(pixels, picture(40, 30))
    assert about == {"stitched": "ROIs 3 and 4; 5 pixels filled in"}


# --- real bins ---


@shared
@pytest.mark.parametrize("bin_id", [NEW, OLD])
def test_real_images_as_ifcbkit(bin_id: str) -> None:
    oracle = json.loads((RAW / "oracles" / "ifcbkit_0.3.1_images_imagehash_4.3.2.json").read_text())[bin_id]
    triggers = read_triggers(bin_id, (RAW / f"{bin_id}.adc").read_bytes(), "adc")
    with open_roi(RAW / f"{bin_id}.roi") as read:
        found = dict(read_images(read, triggers))
        single = read_image(read, triggers, list(found)[2])
    assert np.array_equal(single.pixels, found[list(found)[2]].pixels)
    assert {
        str(n): {"size_wh": [*image.pixels.shape[::-1]], "sha256": hashlib.sha256(image.pixels.tobytes()).hexdigest()}
        for n, image in found.items()
    } == {n: {key: roi[key] for key in ("size_wh", "sha256")} for n, roi in oracle["rois"].items()}
    assert [[*pair] for pair in stitched_pairs(triggers).items()] == oracle["pairs"]


@shared
def test_the_real_pair() -> None:
    triggers = read_triggers(OLD, (RAW / f"{OLD}.adc").read_bytes(), "adc")
    assert image_numbers(triggers) == [1, 2, 3, 5, 6]
    assert image_numbers(triggers, stitch=False) == [1, 2, 3, 4, 5, 6]
    with open_roi(RAW / f"{OLD}.roi") as read:
        image = read_image(read, triggers, 3)
        raw = {n: image.pixels.shape[::-1] for n, image in read_images(read, triggers, stitch=False)}
    assert image.pixels.shape[::-1] == (263, 86)
    assert (raw[3], raw[4]) == ((180, 86), (113, 45))
    assert image.gap is not None
    # 263 x 86 less both ROIs, which overlap from x 360 to 390 and y 457 to 502.
    assert image.gap.sum() == 263 * 86 - 180 * 86 - 113 * 45 + 30 * 45
    assert set(image.pixels[image.gap].tolist()) == {203}


@shared
def test_a_real_bin_that_has_lost_its_end() -> None:
    triggers = read_triggers(OLD, (RAW / f"{OLD}.adc").read_bytes(), "adc")
    whole = (RAW / f"{OLD}.roi").read_bytes()
    for cut, last in ((71082, "whole"), (71081, "6"), (60000, "5"), (57491, "4"), (1, "1"), (0, "1")):
        body = whole[:cut]
        read: ReadRange = lambda offset, length, body=body: body[offset : offset + length]  # noqa: E731
        if last == "whole":
            assert len(dict(read_images(read, triggers))) == 5
        else:
            with pytest.raises(RawFileError, match=f"{OLD}_0000{last}: the .roi ends"):
                dict(read_images(read, triggers, stitch=False))
