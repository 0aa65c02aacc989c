"""Read volumes from files: .nrrd, .mrc, .rec, .tif, .tiff, and the frames of .avi and .mp4.

Arrays are z, y, x here. Files have x as the fastest axis. Lengths are in nm.
"""

import logging
import os
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from glob import escape, glob
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ifcb_abundance.common import extras
from ifcb_abundance.common.errors import ConfigError, quoted
from ifcb_abundance.common.folders import stamp
from ifcb_abundance.common.lengths import NM
from ifcb_abundance.common.named import Named, listed
from ifcb_abundance.volumes.names import check_name

log = logging.getLogger("ifcb.volumes")

Triple = tuple[float, float, float]

VIDEOS = (".avi", ".mp4")
MRC = (".mrc", ".rec")
TIFF = (".ome.tiff", ".ome.tif", ".tiff", ".tif")
OTHERS = (".nii.gz", ".nii", ".mha", ".mhd")  # SimpleITK reads them
SUFFIXES = (".nrrd", *MRC, *TIFF, *VIDEOS, *OTHERS)
DETACHED = (".nrrd", ".mhd", ".mha")  # whose voxels may be in other files
DATA_FILE = re.compile(
    r"^(?:data ?file:|[ \t]*ElementDataFile[ \t]*=)[ \t]*([^\0\n]*[^\0\s])", re.MULTILINE | re.IGNORECASE
)
NUMBER = re.compile(r"%\d*[a-z]")  # in a pattern of names
LONGEST_HEADER = 1 << 16  # bytes that are searched for names of data files
RAW_TYPES = {"uint8": "u1", "uchar": "u1", "unsigned char": "u1", "int8": "i1", "uint16": "u2", "ushort": "u2"}
RAW_TYPES |= {"unsigned short": "u2", "int16": "i2", "short": "i2", "float": "f4"}
# Spaces of three dimensions that nrrd knows by name.
SPACES = {"right-anterior-superior", "left-anterior-superior", "left-posterior-superior", "ras", "las", "lps"}
SPACES |= {"scanner-xyz", "3d-right-handed", "3d-left-handed"}
IMOD = 1146047817  # the stamp of IMOD in the header of a .mrc
NO_UNIT = ("", "???", "none")  # how a .nrrd says that it has none
BLOCK = 1 << 24  # bytes of slices that are in memory at a time, or one slice


class NoVolumeError(Exception):
    """A file that cannot be used as a volume; the message says why."""


@dataclass(frozen=True, eq=False)
class Volume:
    """A volume as a file has it.

    stored: the type of its values. shape: z, y, x. voxel_nm: size of a voxel, z, y, x; None if the file does not say.
    voxel_from: where in the file that stands. origin_nm: place of the first voxel's corner, z, y, x. notes: what was
    decided, for the log. blocks: gives the slices from the first to the last, as arrays (slices, y, x) or (slices, y,
    x, 3) of colours. array: the same as one array, where the file has it so. space: what x, y and z are, in the words
    of nrrd; empty if the file does not say.
    """

    format: str
    stored: str
    shape: tuple[int, int, int]
    blocks: Callable[[], Iterator[NDArray[Any]]]
    voxel_nm: Triple | None = None
    voxel_from: str = ""
    origin_nm: Triple = (0.0, 0.0, 0.0)
    notes: tuple[str, ...] = ()
    array: NDArray[Any] | None = None
    space: str = ""


def find_volumes(folders: Sequence[str]) -> tuple[dict[str, Path], list[str]]:
    """List the volumes of some folders by name, and the names of files that are none.

    Raises ConfigError if a folder is missing or has no volume, or two volumes have one name.
    """
    found: dict[str, Path] = {}
    passed: list[str] = []
    for folder in folders:
        try:
            entries = sorted(Path(folder).iterdir())
        except OSError as error:
            raise ConfigError(f"volumes.folder: {folder} cannot be listed ({error.strerror})") from None
        for path in entries:
            if path.is_dir() or path.name.startswith("."):
                continue
            suffix = suffix_of(path)
            if suffix is None:
                passed.append(path.name)
                continue
            name = volume_name(path, suffix)
            if name in found:
                raise ConfigError(f"volumes.folder: {found[name]} and {path} are both called {name!r}. Rename one")
            found[name] = path
    if not found:
        raise ConfigError(
            f"volumes.folder: {', '.join(map(str, folders))} has no file that ends in {', '.join(SUFFIXES)}"
        )
    return found, passed


def list_volumes(folders: Sequence[str], voxel_nm: Iterable[str]) -> Named[Path]:
    """List the volumes of some folders by name; warns of files that are none, and of names in voxel_nm.

    Raises ConfigError as `find_volumes` does.
    """
    found, passed = find_volumes(folders)
    if passed:
        log.warning(f"volumes.folder: {len(passed)} files are no volumes and are passed over, such as {passed[0]!r}")
    warn_of_unknown(voxel_nm, sorted(found))
    return Named("volumes.folder: no volume is called", found)


def warn_of_unknown(named: Iterable[str], volumes: Sequence[str]) -> None:
    """Warn of names in volumes.voxel_nm that no volume has. volumes: those that there are."""
    unknown = sorted(set(named) - set(volumes))
    if unknown:
        log.warning(f"volumes.voxel_nm: no volume is called {quoted(unknown)}; there are {listed(volumes)}")


def suffix_of(path: Path) -> str | None:
    """Return the suffix that a volume's name loses, as it is written; None if the file is no volume."""
    for suffix in SUFFIXES:
        if path.name.lower().endswith(suffix) and len(path.name) > len(suffix):
            return path.name[-len(suffix) :]
    return None


def volume_name(path: Path, suffix: str) -> str:
    """Name a volume by its file, without the suffix. A video has `video` in its name, in whatever case of letters."""
    name = path.name.removesuffix(suffix)
    if suffix.lower() in VIDEOS and "video" not in name.lower():
        name += "_video"
    return check_name(name, str(path))


def identity_of_file(path: Path) -> list[Any]:
    """What tells a volume from one that replaced it, whatever the time of either: of its data files too."""
    seen = path.stat()
    return [seen.st_size, seen.st_mtime_ns, *map(stamp, data_files(path))]


def data_files(path: Path) -> list[str]:
    """List the files that the header of a .nrrd, .mhd or .mha names for its voxels; none if it holds them itself.

    Of names that have a pattern, such as `slice%03d.raw 1 12 1`, all files that it fits.
    """
    if not path.name.lower().endswith(DETACHED):
        return []
    with suppress(OSError), path.open("rb") as file:
        text = os.fsdecode(file.read(LONGEST_HEADER)).replace("\r\n", "\n")
        header = text.partition("\n\n")[0] if path.name.lower().endswith(".nrrd") else text
        if told := DATA_FILE.search(header):
            return _named(path.parent, told[1], header[told.end() :])
    return []


def _named(folder: Path, name: str, behind: str) -> list[str]:
    """The paths that a name stands for in a header; behind: what follows it there."""
    first = name.split()[0]
    if first == "LOCAL":
        return []
    if first == "LIST":
        return [str(folder / line.strip()) for line in behind.splitlines() if line.strip() and "\0" not in line]
    if "%" in first:
        return sorted(glob(str(Path(escape(str(folder)), NUMBER.sub("*", first)))))  # noqa: PTH207 - it may be absolute
    return [str(folder / name)]


def is_video(path: Path) -> bool:
    """Tell whether a file is a video, by its suffix."""
    return path.name.lower().endswith(VIDEOS)


def open_volume(path: Path) -> Volume:
    """Open a volume. Raises NoVolumeError if the file is unreadable, broken, or has no volume."""
    kind = (suffix_of(path) or "").lower()
    read: Callable[[Path], Volume]
    if kind == ".nrrd":
        read = _open_nrrd
    elif kind in MRC:
        read = _open_mrc
    elif kind in TIFF:
        read = _open_tiff
    elif kind in VIDEOS:
        read = _open_video
    else:
        read = _open_other
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # readers warn of what is checked here
            opened = read(path)
    except (NoVolumeError, MemoryError):
        raise
    except OSError as error:
        raise NoVolumeError(f"cannot be read ({error.strerror or error})") from error
    except Exception as error:  # what readers raise for a broken file is no list that they promise
        lacking = "imagecodecs" in str(error) and not extras.is_there("imagecodecs")
        how = f", which is not installed: .venv/bin/{extras.to_install('imagecodecs')}" if lacking else ""
        raise NoVolumeError(f"cannot be read as {kind}: {_one_line(error)}{how}") from error
    if not all(opened.shape):
        raise NoVolumeError("has no voxels")
    return _checked(opened)


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return "".join(c if c.isprintable() else "?" for c in text)[:300]


def _checked(opened: Volume) -> Volume:
    size = opened.voxel_nm
    if size is not None and not all(np.isfinite(each) and each > 0 for each in size):
        return replace(opened, voxel_nm=None, voxel_from="")
    return opened


def _slabs(array: NDArray[Any]) -> Callable[[], Iterator[NDArray[Any]]]:
    """Give an array (z, y, x) in blocks of slices."""
    step = max(1, BLOCK // max(1, array[0].nbytes))

    def blocks() -> Iterator[NDArray[Any]]:
        for start in range(0, array.shape[0], step):
            yield np.asarray(array[start : start + step])

    return blocks


def _of_array(
    kind: str, array: NDArray[Any], voxel_nm: Triple | None, voxel_from: str, origin_nm: Triple, notes: tuple[str, ...]
) -> Volume:
    colours = array.ndim == 4
    if array.ndim != 3 and not (colours and array.shape[3] == 3):
        raise NoVolumeError(f"an image of {array.ndim} dimensions: not a volume")
    if array.dtype.kind not in "buif":
        raise NoVolumeError(f"values of type {array.dtype}")
    shape = (int(array.shape[0]), int(array.shape[1]), int(array.shape[2]))
    stored = f"{array.dtype.name} RGB" if colours else array.dtype.name
    return Volume(kind, stored, shape, _slabs(array), voxel_nm, voxel_from if voxel_nm else "", origin_nm, notes, array)


def nm_of(unit: str) -> float | None:
    """Return how many nm a unit of length has; None if it is none that is known."""
    text = unit.strip().strip('"').replace("\\u00B5", "\u00b5")  # ImageJ writes the Greek letter so
    factor = NM.get(text) or NM.get(text.lower())
    return float(factor) if factor else None


# --- nrrd ---


def _open_nrrd(path: Path) -> Volume:
    import nrrd

    with path.open("rb") as file:
        header = nrrd.read_header(file)
        place = file.tell()
    elsewhere = {"data file", "datafile", "line skip", "lineskip", "byte skip", "byteskip"} & set(header)
    if header["encoding"] == "raw" and header["type"] in RAW_TYPES and not elsewhere:
        array = _map_raw(path, header, place)
    else:
        array, _ = nrrd.read(str(path), index_order="C")
    sizes, origin, unknown = _space_of(header)
    kinds = list(reversed(header.get("kinds", []) or ["domain"] * array.ndim))
    spatial = [axis for axis in range(array.ndim) if kinds[axis] in ("domain", "space", "???", "none")]
    notes: tuple[str, ...] = ()
    if array.ndim == 4 and len(spatial) == 3 and spatial == [0, 1, 2] and array.shape[3] in (3, 4):
        array = array[..., :3]
    elif array.ndim == 4:
        extra = next((axis for axis in range(4) if axis not in spatial), 0)
        array = np.take(array, 0, axis=extra)
        notes = (f"the first of {header['sizes'][::-1][extra]} along its {kinds[extra]} axis is used",)
    if unknown:
        notes += (
            f"its unit {unknown!r} is no length that is known, so its size of a voxel and its place are not used",
        )
    space = str(header.get("space", ""))
    volume = _of_array(".nrrd", array, sizes, "nrrd header", origin, notes)
    return replace(volume, space=space if space.lower() in SPACES else "")


def _map_raw(path: Path, header: Any, place: int) -> NDArray[Any]:
    kind = np.dtype(RAW_TYPES[header["type"]]).newbyteorder("<" if header.get("endian", "little") == "little" else ">")
    shape = tuple(int(n) for n in reversed(header["sizes"]))
    if path.stat().st_size < place + int(np.prod(shape)) * kind.itemsize:
        raise NoVolumeError("is truncated")
    return np.memmap(path, kind, "r", place, shape)


def _space_of(header: Any) -> tuple[Triple | None, Triple, str]:
    """Read sizes of voxels and the origin, z, y, x, in nm, and a unit that is not known, of which there are then none.

    A header without units is in nm; the last text is empty then, and where all units are known.

    Raises NoVolumeError if the axes do not run along x, y and z, in this order and upwards.
    """
    directions = header.get("space directions")
    if directions is not None:
        lengths = np.array([np.nan if d is None else np.linalg.norm(d) for d in directions], float)
        _check_directions([d for d, length in zip(directions, lengths, strict=True) if np.isfinite(length)][:3])
    else:
        lengths = np.asarray(header.get("spacings", []), float)
    known = np.isfinite(lengths)  # an axis of colours has no length
    units = header.get("space units") or []
    if not units:  # units are told of each axis, that of colours too
        units = [unit for unit, kept in zip(header.get("units") or [], known, strict=False) if kept]
    told = [str(unit).strip().strip('"') for unit in units][:3]
    unknown = next((unit for unit in told if unit not in NO_UNIT and nm_of(unit) is None), "")
    if unknown:
        return None, (0.0, 0.0, 0.0), unknown
    factors = ([nm_of(unit) or 1.0 for unit in told] + [1.0] * 3)[:3]
    lengths = lengths[known]
    origin = np.nan_to_num(np.asarray(header.get("space origin", (0, 0, 0)), float))
    start = tuple(float(o) * f for o, f in zip(origin, factors, strict=False)) if len(origin) == 3 else (0.0,) * 3
    sizes = tuple(float(n) * f for n, f in zip(lengths, factors, strict=False)) if len(lengths) >= 3 else None
    return (sizes[2], sizes[1], sizes[0]) if sizes else None, (start[2], start[1], start[0]), ""


def _check_directions(directions: Sequence[Any]) -> None:
    """Raise NoVolumeError unless the axes of space run along x, y and z, in this order and upwards."""
    told = np.asarray(directions, float)
    if len(told) < 3:
        return  # no volume, which is said elsewhere
    lengths = np.linalg.norm(told, axis=1, keepdims=True)
    if (np.abs(told - lengths * np.eye(*told.shape)) > 1e-6 * lengths).any():  # but for what is lost in rounding
        text = " ".join(f"({','.join(f'{each:g}' for each in row)})" for row in told)
        raise NoVolumeError(
            f"has the space directions {text}: its axes have to run along x, y and z of its space, in this order and "
            "upwards. Write it so, or with spacings in place of its space"
        )


# --- mrc ---


def _open_mrc(path: Path) -> Volume:
    import mrcfile

    try:
        file = mrcfile.mmap(path, mode="r")  # it stays open as long as its data are used
    except ValueError as error:
        if "mmap length" not in str(error):
            raise
        raise NoVolumeError("is truncated") from error
    array, header = file.data, file.header
    _check_mrc_axes(header)
    if array.dtype == np.int8 and _has_unsigned_bytes(header):
        array = array.view(np.uint8)
    notes: tuple[str, ...] = ()
    if array.ndim == 4:
        notes, array = (f"the first of {array.shape[0]} volumes is used",), array[0]
    if array.ndim == 2:
        raise NoVolumeError("has one slice: an image, not a volume")
    size = tuple(_as_printed(file.voxel_size[axis]) / 10 for axis in "zyx")  # angstrom
    origin = tuple(_as_printed(header.origin[axis]) / 10 for axis in "zyx")
    if not any(origin):
        starts = (int(header.nzstart), int(header.nystart), int(header.nxstart))
        origin = tuple(start * each for start, each in zip(starts, size, strict=True))
    return _of_array(".mrc", array, (size[0], size[1], size[2]), "mrc header", (origin[0], origin[1], origin[2]), notes)


def _check_mrc_axes(header: Any) -> None:
    """Raise NoVolumeError unless columns, rows and sections run along x, y and z. Zeros say nothing, so they may."""
    told = tuple(int(header[name]) for name in ("mapc", "mapr", "maps"))
    if told not in ((1, 2, 3), (0, 0, 0)):
        raise NoVolumeError(
            f"has {told} as mapc, mapr and maps: its columns, rows and sections have to run along x, y and z, which is "
            "(1, 2, 3). Write it so"
        )


def _has_unsigned_bytes(header: Any) -> bool:
    """Tell whether bytes are unsigned in a file of mode 0, whose bytes are signed by the format.

    IMOD says so where its stamp is: in bytes 152 to 155, with the flags behind it, of which the first bit is that of
    signed bytes (https://bio3d.colorado.edu/imod/doc/mrc_format.txt).
    """
    stamp, flags = np.frombuffer(header.tobytes(), header["mode"].dtype, 2, 152)
    return bool(stamp == IMOD and not flags & 1)


def _as_printed(value: Any) -> float:
    """Return a number of single precision as it was meant: 34.8 and not 34.79999924."""
    return float(f"{float(value):.7g}")


# --- tif ---


def _open_tiff(path: Path) -> Volume:
    import tifffile

    with tifffile.TiffFile(path) as file:
        if not file.pages or not file.series:
            raise NoVolumeError("has no pages")
        for number, page in enumerate(file.pages):
            if page.is_memmappable is False and not any(page.databytecounts):
                raise NoVolumeError(f"page {number + 1} is empty")
        stack, told_axes, notes = _tiff_stack(path, file)
        size, voxel_from = _tiff_voxel(file)
        pages = len(file.pages)
    array, axes = stack, _with_slices(stack, told_axes, notes)
    for axis in [a for a in axes if a in "TCRP" or (a not in "ZYXSIQ")]:
        where = axes.index(axis)
        if array.shape[where] > 1:
            notes.append(f"the first of {array.shape[where]} along axis {axis} is used")
        array, axes = np.take(array, 0, axis=where), axes.replace(axis, "")
    if axes.endswith("S"):
        array = array[..., 0] if array.shape[-1] < 3 else array[..., :3]
        axes = axes if array.ndim == len(axes) else axes[:-1]
    if len(axes.replace("S", "")) != 3 or "S" in axes[:-1]:
        told = f"{pages} pages with the axes {told_axes} of {' x '.join(map(str, stack.shape))}"
        raise NoVolumeError(f"has {'one page' if pages == 1 else told}: an image, not a volume")
    return _of_array(".tif", array, size, voxel_from, (0.0, 0.0, 0.0), tuple(notes))


def _tiff_stack(path: Path, file: Any) -> tuple[NDArray[Any], str, list[str]]:
    """Return the first series of pages, its axes, and notes. Series of one image each, of equal shape, are slices."""
    import tifffile

    series = file.series[0]
    like = {(each.shape, each.dtype, each.axes) for each in file.series}
    if len(file.series) > 1 and len(like) == 1 and series.axes in ("YX", "YXS"):
        stack = np.stack([each.asarray() for each in file.series])
        return stack, f"Z{series.axes}", [f"its {len(file.series)} series of one image each are taken for slices"]
    notes = [f"the first of {len(file.series)} series of pages is used"] if len(file.series) > 1 else []
    array = tifffile.memmap(path, series=0, mode="r") if series.dataoffset is not None else series.asarray()
    return array.reshape(series.shape), series.axes, notes


def _with_slices(array: NDArray[Any], axes: str, notes: list[str]) -> str:
    """Return the axes with T or C called Z, where no axis is one of slices and one of the two alone is longer than 1.

    ImageJ and others call the slices of a stack channels or times if nobody says what they are. It adds a note.
    """
    long = [axis for axis in "TC" if axis in axes and array.shape[axes.index(axis)] > 1]
    if len(long) != 1 or set("ZIQ") & set(axes):
        return axes
    notes.append(f"axis {long[0]} is taken for the slices, {array.shape[axes.index(long[0])]} of them")
    return axes.replace(long[0], "Z")


def _tiff_voxel(file: Any) -> tuple[Triple | None, str]:
    if file.ome_metadata:
        size = [_ome_length(file.ome_metadata, axis) for axis in "ZYX"]
        if all(each is not None for each in size):
            return (size[0], size[1], size[2]), "OME metadata"  # type: ignore[return-value]
    described = file.imagej_metadata or {}
    factor = nm_of(str(described.get("unit", "")))
    tags = file.pages[0].tags
    if factor and "spacing" in described and "XResolution" in tags and "YResolution" in tags:
        try:
            x, y = ((tags[name].value[1] / tags[name].value[0]) * factor for name in ("XResolution", "YResolution"))
        except ZeroDivisionError:
            return None, ""
        return (float(described["spacing"]) * factor, y, x), "ImageJ metadata"
    return None, ""


def _ome_length(xml: str, axis: str) -> float | None:
    """Read a physical size from OME-XML, in nm. The unit is um where none is given, as OME's schema says."""
    pixels = re.search(r"<(?:\w+:)?Pixels\b[^>]*>", xml)
    length = re.search(rf'\bPhysicalSize{axis}="([^"]*)"', pixels[0]) if pixels else None
    unit = re.search(rf'\bPhysicalSize{axis}Unit="([^"]*)"', pixels[0]) if pixels else None
    factor = nm_of(unit[1]) if unit else float(NM["um"])
    return float(length[1]) * factor if length and factor else None


# --- videos ---


def _open_video(path: Path) -> Volume:
    import av

    n, shape, stored = 0, None, ""
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise NoVolumeError("has no video stream")
            for frame in container.decode(video=0):
                shape = shape or (frame.height, frame.width)
                stored = stored or f"{frame.format.name}"
                if (frame.height, frame.width) != shape:
                    raise NoVolumeError(f"frame {n + 1} has another size than the first")
                n += 1
    except av.FFmpegError as error:
        raise NoVolumeError(f"cannot be decoded behind frame {n}: {error.strerror}") from error
    if not n or shape is None:
        raise NoVolumeError("has no frames")
    return Volume("." + path.suffix.lower().lstrip("."), stored, (n, *shape), lambda: _frames(path))


def _frames(path: Path) -> Iterator[NDArray[Any]]:
    import av

    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            grey = frame.format.name.startswith("gray")
            yield frame.to_ndarray(format="gray" if grey else "rgb24")[None]


# --- others ---


def _open_other(path: Path) -> Volume:
    if not extras.is_there("SimpleITK"):
        raise NoVolumeError(f"needs SimpleITK, which is not installed: .venv/bin/{extras.to_install('SimpleITK')}")
    import SimpleITK

    image = SimpleITK.ReadImage(str(path))
    array = SimpleITK.GetArrayFromImage(image)
    notes: tuple[str, ...] = ()
    if image.GetDimension() == 4:
        notes, array = (f"the first of {array.shape[0]} volumes is used",), array[0]
    # The unit of NIfTI's lengths, which have single precision, is mm; ITK converts others to it.
    factor = float(NM["mm"]) if ".nii" in path.name.lower() else 1.0
    size, origin = ([_as_printed(each * factor) for each in told] for told in (image.GetSpacing(), image.GetOrigin()))
    return _of_array(
        (suffix_of(path) or "").lower(),
        array,
        (size[2], size[1], size[0]),
        "header, by SimpleITK",
        (origin[2], origin[1], origin[0]),
        notes,
    )
