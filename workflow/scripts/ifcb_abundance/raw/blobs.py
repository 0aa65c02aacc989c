"""The blobs of a bin: a zip with a black and white picture per image, white where the target is.

The zip is `{bin}_blobs_v{version}.zip`, and a picture in it `{ROI id}.png`. Source: ifcb-features (`extract_blobs.py`)
and ifcb-analysis (`export_png_from_ROIlist.m`).
"""

import io
import zipfile
from collections.abc import Iterator, Mapping

from PIL import Image

from ifcb_abundance.bins.ids import parse_roi_id
from ifcb_abundance.common.errors import RawFileError

LARGEST = 4096 * 4096  # pixels of a picture: as large as an image may be


class Blobs(Mapping[int, Image.Image]):
    """The blobs of a bin by the ROI's number, each unpacked when it is asked for: mode `1`, white on the target."""

    def __init__(self, bin_id: str, body: bytes, name: str) -> None:
        """Open a zip. name: for messages. Raises RawFileError, naming it, if it is no zip of blobs of the bin."""
        self._name = name
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(body))
        except zipfile.BadZipFile as error:
            raise RawFileError(f"{name}: not a zip of blobs ({error})") from None
        self._entries: dict[int, str] = {}
        for entry in self._zip.namelist():
            try:
                of_bin, number = parse_roi_id(entry.rpartition("/")[2].removesuffix(".png"))
            except ValueError:
                continue
            if of_bin == bin_id:
                self._entries[number] = entry
        if not self._entries and self._zip.namelist():
            raise RawFileError(f"{name}: no blob of bin {bin_id}: it has {self._zip.namelist()[0][:80]!r}")

    def __getitem__(self, number: int) -> Image.Image:
        try:
            with self._zip.open(self._entries[number]) as file, Image.open(file, formats=["PNG"]) as image:
                if image.width * image.height > LARGEST:
                    raise RawFileError(
                        f"{self._name}: the blob of ROI {number} is {image.width} x {image.height} pixels"
                    )
                return image.convert("1", dither=Image.Dither.NONE)
        except (zipfile.BadZipFile, OSError, SyntaxError, RuntimeError, NotImplementedError) as error:
            raise RawFileError(f"{self._name}: the blob of ROI {number} cannot be read ({error})") from None

    def __contains__(self, number: object) -> bool:
        return number in self._entries  # without reading it, as Mapping would

    def __iter__(self) -> Iterator[int]:
        return iter(sorted(self._entries))

    def __len__(self) -> int:
        return len(self._entries)
