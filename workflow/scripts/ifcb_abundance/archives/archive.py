"""An archive of raw files and products, in a folder or a bucket, for people who want images and no workflow.

`open_archive` opens one. The modules that read bins for the workflow do the work, so both see the same files: a tree of
any depth, without folders named `skip` and `beads`, with corrected `.adc.mod` files in place of the `.adc`.
"""

import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

import pandas as pd
from PIL import Image

from ifcb_abundance.bins.ids import as_number, parse_bin_id, parse_roi_id
from ifcb_abundance.bins.window import Bound, Window
from ifcb_abundance.common.errors import FeaturesError, NoBinsError, RawFileError, RequestError, ScoresError
from ifcb_abundance.raw import header as raw_header
from ifcb_abundance.raw.blobs import Blobs
from ifcb_abundance.raw.header import Header, read_header
from ifcb_abundance.raw.image_mapping import BinImages
from ifcb_abundance.raw.images import ReadRange
from ifcb_abundance.raw.tree import RawBin, read_raw_bin
from ifcb_abundance.raw.triggers import Target, TriggerTable
from ifcb_abundance.raw.volume import FastRuns, Volume, measure_volume
from ifcb_abundance.scores.summary import read_rois, read_score_file
from ifcb_abundance.sources.bin_files import BinFiles
from ifcb_abundance.sources.bucket import BucketSource
from ifcb_abundance.sources.directory import DirectorySource
from ifcb_abundance.sources.source_file import SourceFile

T = TypeVar("T")
Moment = datetime | date | str  # a time without a zone is UTC; a day begins at 00:00 UTC


class ListedBin(NamedTuple):
    """A bin and where its raw files are. paths: `hdr`, `adc` and `roi` to a path or address."""

    bin: str
    paths: dict[str, str]


@dataclass(frozen=True)
class ProductFile(Generic[T]):
    """A product of a bin. version: as in its name, 0 where it has none. path: on disk, or the address in a bucket."""

    path: str
    version: int
    _read: Callable[[], T] = field(repr=False)

    def read(self) -> T:
        """Read the file."""
        return self._read()


class Archive:
    """The raw files and products of an archive, found in one walk when they are first asked for.

    Methods that ask for a bin raise ValueError if the text is no bin id, and RawFileError, naming the bin or the file,
    if the archive lacks it or it cannot be read.
    """

    def __init__(self, files: BinFiles) -> None:
        self._files = files

    @property
    def address(self) -> str:
        """The folder, or the address of the bucket."""
        return self._files.address

    def list(
        self,
        start: Moment | None = None,
        end: Moment | None = None,
        instruments: int | str | Iterable[int | str] | None = None,
    ) -> list[ListedBin]:
        """List the bins that have all three raw files, in the order of their ids.

        start, end: from `start`, inclusive, to `end`, exclusive, by the time in the bin's id; None leaves a side open.
        instruments: numbers or names, such as 13 or `IFCB13`; None for all. Raises ValueError for what is neither.
        """
        first, last = _moment(start), _moment(end)
        if isinstance(instruments, int | str):
            instruments = [instruments]
        numbers = None if instruments is None else set(map(_number, instruments))
        window = Window(*(None if each is None else Bound(each.date()) for each in (first, last)))
        with _told():
            found = self._files._raw_bins(window)
        listed = []
        for bin_id, raw in found.items():
            parsed = parse_bin_id(bin_id)
            if (first and parsed.time < first) or (last and parsed.time >= last):
                continue
            if (numbers is None or parsed.instrument in numbers) and raw.roi and not raw.problem:
                listed.append(ListedBin(bin_id, _paths(raw)))
        return listed

    def exists(self, bin_id: str) -> bool:
        """Tell whether the archive has all three raw files of a bin; false for a text that is no bin id."""
        try:
            raw = self._find(bin_id)
        except ValueError:
            return False
        return raw is not None and bool(raw.roi) and not raw.problem

    def paths(self, bin_id: str) -> dict[str, str]:
        """Return where the raw files of a bin are: `hdr`, `adc` and, if there is one, `roi`."""
        return _paths(self._raw(bin_id))

    def header(self, bin_id: str) -> Header:
        """Read the settings and clocks of a bin."""
        raw = self._raw(bin_id)
        with _told():
            return read_header(self._files._read_start(raw.hdr, raw_header.LARGEST + 1), raw.hdr)

    def triggers(self, bin_id: str, extended: bool = False) -> dict[int, Target]:
        """Read where the images of a bin lie: ROI number to roi_id, x, y, width and height.

        extended: also trigger, the number of the trigger, and offset, the first byte in the `.roi`.
        """
        return self.trigger_table(bin_id).targets(extended)

    def trigger_table(self, bin_id: str) -> TriggerTable:
        """Read all triggers of a bin with their clocks, those without an image too."""
        with _told():
            return read_raw_bin(self._raw(bin_id), self._files._read_start)[1]

    def volume(self, bin_id: str, fast_runs: FastRuns = "factor") -> Volume:
        """Compute how much water was looked at, as the workflow does for raw bins."""
        with _told():
            header, triggers = read_raw_bin(self._raw(bin_id), self._files._read_start)
        return measure_volume(triggers, header, fast_runs)

    def read_images(self, bin_id: str, stitch: bool = True) -> BinImages:
        """Open the images of a bin: a mapping of ROI number to Pillow image, which reads each when it is asked for."""
        raw = self._raw(bin_id)
        if not raw.roi:
            raise RawFileError(f"bin {bin_id}: no .roi beside {raw.adc}, so there are no images of it")
        return BinImages(self.trigger_table(bin_id), self._reader(raw.roi), stitch)

    def load_images(self, bin_id: str, stitch: bool = True) -> BinImages:
        """Open the images of a bin as `read_images` does, with the whole `.roi` in memory."""
        raw = self._raw(bin_id)
        if not raw.roi:
            return self.read_images(bin_id, stitch)  # says so
        with _told():
            body = self._files._read(raw.roi)
        return BinImages(self.trigger_table(bin_id), lambda offset, length: body[offset : offset + length], stitch)

    def read_image(self, roi_id: str, stitch: bool = True) -> Image.Image:
        """Read one image, by the id of its ROI such as `D20130526T095207_IFCB013_00007`."""
        bin_id, number = parse_roi_id(roi_id)
        try:
            return self.read_images(bin_id, stitch)[number]
        except KeyError:
            raise RawFileError(f"ROI {roi_id}: the bin has no image under this number") from None

    def blobs(self, bin_id: str) -> ProductFile[Blobs] | None:
        """Find the blobs of a bin; `read()` maps ROI number to picture. None if there are none, as for the next two."""
        return self._product(bin_id, "blobs", lambda file: Blobs(bin_id, file.body, file.address))

    def features(self, bin_id: str) -> ProductFile[pd.DataFrame] | None:
        """Find the features of a bin; `read()` gives a row per ROI, with `roi_number` as index."""
        return self._product(bin_id, "features", lambda file: _features(bin_id, file))

    def class_scores(self, bin_id: str) -> ProductFile[pd.DataFrame] | None:
        """Find the class scores of a bin; `read()` gives a row per ROI, `roi_number` as index, and a column per class.

        Of several files the one of the highest version counts, as for all products.
        """
        return self._product(bin_id, "class_scores", lambda file: _class_scores(bin_id, file))

    def _find(self, bin_id: str) -> RawBin | None:
        parse_bin_id(bin_id)
        with _told():
            return self._files._tree(bin_id).bins.get(bin_id)

    def _raw(self, bin_id: str) -> RawBin:
        raw = self._find(bin_id)
        if raw is None:
            raise RawFileError(f"{self.address}: it has no bin {bin_id}")
        if raw.problem:
            raise RawFileError(f"bin {bin_id}: {raw.problem}")
        return raw

    def _reader(self, roi: str) -> ReadRange:
        def read(offset: int, length: int) -> bytes:
            with _told(), self._files._open_roi(roi) as part:
                return part(offset, length)

        return read

    def _product(self, bin_id: str, kind: str, read: Callable[[SourceFile], T]) -> ProductFile[T] | None:
        parse_bin_id(bin_id)
        with _told():
            found = [each for each in self._files._tree(bin_id).products.get(bin_id, []) if each.kind == kind]
        if not found:
            return None
        latest = [each for each in found if each.version == found[-1].version]
        if len(latest) > 1:
            raise RawFileError(f"bin {bin_id}: more than one file of {kind}: {', '.join(each.path for each in latest)}")

        def read_file() -> T:
            with _told():
                return read(SourceFile(latest[0].path, self._files._read(latest[0].path)))

        return ProductFile(latest[0].path, latest[0].version, read_file)


def open_archive(path: str | Path, endpoint_url: str | None = None, anonymous: bool = False) -> Archive:
    """Open an archive: a folder, or an address `s3://bucket/prefix`. Nothing is read yet.

    endpoint_url: the address of an S3-compatible server, None for AWS. anonymous: for a public bucket; otherwise the
    usual credentials are used, from the environment, ~/.aws or the machine's role. Raises RawFileError if there is no
    such folder.
    """
    if str(path).startswith("s3://"):
        return Archive(BucketSource(str(path), endpoint_url, anonymous))
    if not Path(path).is_dir():
        raise RawFileError(f"{path}: there is no such folder")
    return Archive(DirectorySource(str(path)))


@contextmanager
def _told() -> Iterator[None]:
    """Faults of a bucket, a disk or a product as the error that all of the archive raises."""
    try:
        yield
    except (RequestError, NoBinsError, FeaturesError, ScoresError) as error:
        raise RawFileError(str(error)) from error
    except OSError as error:
        raise RawFileError(f"{error.filename}: cannot be read ({error.strerror})") from None


def _moment(given: Moment | None) -> datetime | None:
    if given is None:
        return None
    if isinstance(given, str):
        given = datetime.fromisoformat(given)
    elif not isinstance(given, datetime):
        given = datetime.combine(given, time())
    return given.replace(tzinfo=UTC) if given.tzinfo is None else given.astimezone(UTC)


def _number(instrument: int | str) -> int:
    digits = str(as_number(instrument)).removesuffix(".0")
    if not (digits.isascii() and digits.isdigit()):
        raise ValueError(f"{instrument!r} is not an instrument. Accepted: a number or a name, such as 13 or IFCB13")
    return int(digits)


def _paths(raw: RawBin) -> dict[str, str]:
    return {part: path for part, path in (("hdr", raw.hdr), ("adc", raw.adc), ("roi", raw.roi)) if path}


def _features(bin_id: str, file: SourceFile) -> pd.DataFrame:
    try:
        return pd.read_csv(io.BytesIO(file.body)).set_index("roi_number")
    except (ValueError, KeyError) as error:
        raise FeaturesError(f"bin {bin_id}: not features: {file.address} ({error})") from None


def _class_scores(bin_id: str, file: SourceFile) -> pd.DataFrame:
    classes, scores = read_score_file(bin_id, file)
    return pd.DataFrame(scores, index=pd.Index(read_rois(bin_id, file).rois, name="roi_number"), columns=list(classes))
