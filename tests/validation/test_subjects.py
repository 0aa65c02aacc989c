import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ifcb_abundance.common.errors import NoRawFilesError
from ifcb_abundance.raw.images import RoiImage
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


def test_each_roi_is_a_picture_with_a_line_that_tells_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    source = OneBin()
    rois = [f"{BIN}_0000{n}" for n in (1, 2, 3)]
    subjects.write_subjects(source, rois, "mvco", tmp_path)  # type: ignore[arg-type]
    assert (tmp_path / "manifest.csv").read_text() == (
        f"file,#roi_id,#dataset\n{rois[0]}.png,{rois[0]},mvco\n{rois[2]}.png,{rois[2]},mvco\n"
    )
    assert sorted(path.name for path in tmp_path.glob("*.png")) == [f"{rois[0]}.png", f"{rois[2]}.png"]
    assert np.asarray(Image.open(tmp_path / f"{rois[2]}.png")).tolist() == np.arange(20, 40).reshape(4, 5).tolist()
    assert source.opened == [BIN]
    assert f"1 ROI without an image left out, the first is {rois[1]}" in caplog.text


def test_a_bin_without_raw_files_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NoRawFilesError, match=BIN):
        subjects.write_subjects(OneBin(there=False), [f"{BIN}_00001"], "mvco", tmp_path)  # type: ignore[arg-type]


def test_a_picture_that_is_too_large_is_scaled() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (1200, 1100), dtype=np.uint8)
    body, scaled = subjects.fitting_png(RoiImage(noise, (1,)))
    assert scaled
    assert len(body) <= 1_000_000
    width, height = Image.open(io.BytesIO(body)).size
    assert width / height == pytest.approx(1100 / 1200, abs=0.01)
    assert subjects.fitting_png(RoiImage(noise[:100], (1,)))[1] is False


def test_more_subjects_than_a_user_may_have_are_said(caplog: pytest.LogCaptureFixture) -> None:
    subjects._tell(["roi"] * 10_001, [], [])
    assert "10,001 images; Zooniverse lets a user have 10,000" in caplog.text
