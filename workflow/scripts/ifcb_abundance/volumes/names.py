"""Names of volumes, crops, patches and flipbooks, and what they say.

They are those of volume-em/cem-dataset: `-ROI-` stands between a dataset and the place of a crop in it, `-LOC-` between
a volume and the place of a patch in it. Names are read from their end, so that a dataset or volume may have either in
its own name.
"""

import re
from typing import NamedTuple

from ifcb_abundance.common.errors import ConfigError

LOC, ROI = "-LOC-", "-ROI-"
PATCH = re.compile(r"(?s)(.+)-LOC-([012])_([0-9]+)_([0-9]+)-([0-9]+)_([0-9]+)-([0-9]+)")
FLIPBOOK = re.compile(r"(?s)(.+)-LOC-([012])_([0-9]+)-([0-9]+)_([0-9]+)-([0-9]+)_([0-9]+)-([0-9]+)")
CROP = re.compile(r"(?s)(.+)_s([0-9]+)-ROI-x(-?[0-9]+)-(-?[0-9]+)_y(-?[0-9]+)-(-?[0-9]+)_z(-?[0-9]+)-(-?[0-9]+)")
UNUSABLE = re.compile(r"[\x00-\x1f\x7f/\\{}]|^[.\s]|\s$")
LONGEST = 180  # characters; the place of a patch and a suffix have to fit into the 255 of a file's name


class Patch(NamedTuple):
    """A part of a slice of a volume: rows y0 to y1 and columns x0 to x1 of the slice, the ends exclusive.

    axis: 0 is xy (rows y, columns x), 1 is xz (rows z, columns x), 2 is yz (rows z, columns y). slice: its index along
    the axis.
    """

    volume: str
    axis: int
    slice: int
    y0: int
    y1: int
    x0: int
    x1: int

    def name(self, n_slices: int) -> str:
        """Return its name; the slice is padded with zeros to the width of the last of `n_slices`."""
        index = str(self.slice).zfill(len(str(n_slices - 1)))
        return f"{self.volume}{LOC}{self.axis}_{index}_{self.y0}-{self.y1}_{self.x0}-{self.x1}"


class Flipbook(NamedTuple):
    """A patch and the slices around it: slices first to end, the end exclusive."""

    volume: str
    axis: int
    first: int
    end: int
    y0: int
    y1: int
    x0: int
    x1: int

    def name(self) -> str:
        """Return its name; numbers are not padded."""
        place = f"{self.axis}_{self.first}-{self.end}_{self.y0}-{self.y1}_{self.x0}-{self.x1}"
        return f"{self.volume}{LOC}{place}"


class Crop(NamedTuple):
    """A box of a dataset, in absolute voxels of a scale, the ends exclusive."""

    dataset: str
    mip: int
    x0: int
    x1: int
    y0: int
    y1: int
    z0: int
    z1: int

    def name(self) -> str:
        """Return its name."""
        place = f"x{self.x0}-{self.x1}_y{self.y0}-{self.y1}_z{self.z0}-{self.z1}"
        return f"{self.dataset}_s{self.mip}{ROI}{place}"


def parse_patch(name: str) -> Patch:
    """Read the name of a patch; ValueError if it is none."""
    found = PATCH.fullmatch(name)
    if not found:
        raise ValueError(
            f"{name!r} is not the name of a patch, {{volume}}-LOC-{{axis}}_{{slice}}_{{y0}}-{{y1}}_{{x0}}-{{x1}}"
        )
    return Patch(found[1], *map(int, found.groups()[1:]))


def parse_flipbook(name: str) -> Flipbook:
    """Read the name of a flipbook; ValueError if it is none."""
    found = FLIPBOOK.fullmatch(name)
    if not found:
        raise ValueError(f"{name!r} is not the name of a flipbook")
    return Flipbook(found[1], *map(int, found.groups()[1:]))


def parse_crop(name: str) -> Crop | None:
    """Read the name of a crop; None if it is the name of another volume."""
    found = CROP.fullmatch(name)
    return Crop(found[1], *map(int, found.groups()[1:])) if found else None


def dataset_of(volume: str) -> str:
    """Return the dataset that a volume is of: the name before `-ROI-`, or the whole name."""
    place = re.fullmatch(r"(?s)(.+)-ROI-x-?[0-9].*", volume)
    return place[1] if place else volume.split(ROI)[0] or volume


def check_name(volume: str, where: str) -> str:
    """Return the name of a volume, or raise ConfigError if it cannot be the name of files. where: what has the name."""
    if not volume or UNUSABLE.search(volume) or len(volume.encode()) > LONGEST:
        raise ConfigError(
            f"{where}: {volume!r} cannot be the name of a volume: at most {LONGEST} bytes, without control characters, "
            "slashes and braces, and not beginning with a dot or a blank. Rename it"
        )
    return volume
