import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ifcb_abundance.common.errors import NoRawFilesError
from ifcb_abundance.validation import subjects

BIN = "D20240418T001403_IFCB010"


class OneBin:
    """A source of one bin: three pictures, of which number 2 has none."""

    def __init__(self, there: bool = True) -> None:
        self.there = there
        self.opened: list[str] = []

    @contextmanager
    def open_images(self, bin_id: str) -> Iterator[Any]:
        from ifcb_abundance.raw.images import RawImages
        from ifcb_abundance.raw.triggers import Roi, TriggerTable

        self.opened.append(bin_id)
        pixels = np.arange(60, dtype=np.uint8).tobytes()
        rois = {n: Roi(number=n, trigger=n, x=0, y=0, width=5, height=4, offset=20 * (n // 2)) for n in (1, 3)}
        table = TriggerTable.__new__(TriggerTable)
        object.__setattr__(table, "bin", bin_id)
        object.__setattr__(table, "rois", rois)
        yield RawImages(table, lambda offset, length: pixels[offset : offset + length]) if self.there else None


def cut(source: OneBin, rois: list[str], folder: Path) -> Path:
    path = folder / f"{BIN}.zip"
    subjects.cut_subjects(source, BIN, rois, path, "settings")  # type: ignore[arg-type]
    return path


def test_each_roi_is_a_picture_with_a_line_that_tells_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    source = OneBin()
    rois = [f"{BIN}_0000{n}" for n in (1, 2, 3)]
    path = cut(source, rois, tmp_path)
    folder = tmp_path / "subjects"
    subjects.write_subjects([path], rois, "mvco", folder)
    assert (folder / "manifest.csv").read_text() == (
        f"file,#roi_id,#dataset\n{rois[0]}.png,{rois[0]},mvco\n{rois[2]}.png,{rois[2]},mvco\n"
    )
    assert sorted(path.name for path in folder.glob("*.png")) == [f"{rois[0]}.png", f"{rois[2]}.png"]
    assert np.asarray(Image.open(folder / f"{rois[2]}.png")).tolist() == np.arange(20, 40).reshape(4, 5).tolist()
    assert source.opened == [BIN]
    assert f"1 ROI without an image left out, the first is {rois[1]}" in caplog.text
    assert subjects.proves_itself(path, "settings")
    assert not subjects.proves_itself(path, "others")


def test_no_image_at_all_is_an_error(tmp_path: Path) -> None:
    rois = [f"{BIN}_00001"]
    path = cut(OneBin(there=False), rois, tmp_path)
    with pytest.raises(NoRawFilesError, match="none of 1 ROI has an image in the source"):
        subjects.write_subjects([path], rois, "mvco", tmp_path / "subjects")


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def test_a_picture_that_is_too_large_is_scaled() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (1200, 1100), dtype=np.uint8)
    body, scaled = subjects.fitting(png(noise))
    assert scaled
    assert len(body) <= 1_000_000
    width, height = Image.open(io.BytesIO(body)).size
    assert width / height == pytest.approx(1100 / 1200, abs=0.01)
    small = png(noise[:100])
    assert subjects.fitting(small) == (small, False)


def test_images_above_a_megabyte_are_scaled_and_that_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    noise = np.random.default_rng(2).integers(0, 256, (1100, 1000), dtype=np.uint8)
    bodies = {f"{BIN}_00001": png(noise[:50]), f"{BIN}_00002": png(noise), f"{BIN}_00003": png(noise.T)}
    assert [len(body) > 1_000_000 for body in bodies.values()] == [False, True, True]
    with zipfile.ZipFile(tmp_path / f"{BIN}.zip", "w") as archive:
        for roi, body in bodies.items():
            archive.writestr(f"{roi}.png", body)
    folder = tmp_path / "subjects"
    subjects.write_subjects([tmp_path / f"{BIN}.zip"], list(bodies), "mvco", folder)
    assert (folder / f"{BIN}_00001.png").read_bytes() == bodies[f"{BIN}_00001"]
    assert all(path.stat().st_size <= 1_000_000 for path in folder.glob("*.png"))
    said = "2 images scaled down to 1,000,000 bytes, which is the most that Zooniverse takes; the first is "
    assert said + f"{BIN}_00002" in caplog.text


def test_more_subjects_than_a_user_may_have_are_said(caplog: pytest.LogCaptureFixture) -> None:
    subjects._tell(["roi"] * 10_001, [], [])
    assert "10,001 images; Zooniverse lets a user have 10,000" in caplog.text
