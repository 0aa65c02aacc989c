"""Find particles that stick to the glass: the same picture at the same place, again and again.

An image goes on with a particle if it is like the particle's first image, by the rule for duplicates, and close to its
last one in the field of the camera. Of several such particles it is the closest one's. So look-alikes elsewhere, and
other things that pass the same place, are left alone.
"""

import logging
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ifcb_abundance.bins.ids import parse_bin_id
from ifcb_abundance.common.progress import Progress
from ifcb_abundance.common.words import counted
from ifcb_abundance.curation.duplicates import DuplicateRule
from ifcb_abundance.curation.hashes import HASHES
from ifcb_abundance.curation.likeness import Picture, correlate, of_like_size
from ifcb_abundance.curation.zips import OpenZips
from ifcb_abundance.images.zip_names import MANIFEST
from ifcb_abundance.tables import table_files

log = logging.getLogger("ifcb.curation")

VERSION = 1  # of how stuck particles are found: raise it so that they are looked for again

Row = dict[str, Any]
Pixels = Callable[[], NDArray[np.uint8]]


@dataclass(frozen=True)
class StuckRule:
    """When a particle counts as stuck: the config's `curation.stuck`, and what makes two images alike.

    place_px: how far its image moves at most, across and down. times: the least number of images. gap_bins: bins of the
    instrument in a row that may lack it. hash: kind of hash. alike: the rule for duplicates.
    """

    place_px: float
    times: int
    gap_bins: int
    hash: str
    alike: DuplicateRule


class Sight:
    """An image at its place. number: of its bin among those of the instrument. pixels: reads them, when needed."""

    def __init__(self, roi: str, number: int, place: tuple[int, int], kind: str, pixels: Pixels) -> None:
        self.roi, self.number, self._kind, self._pixels = roi, number, kind, pixels
        self.x, self.y = place

    @cached_property
    def hash(self) -> int:
        """The hash of the image."""
        return HASHES[self._kind](self._pixels())

    @cached_property
    def picture(self) -> Picture:
        """The image in few cells."""
        return Picture.of(self._pixels())

    def is_like(self, other: "Sight", rule: DuplicateRule) -> bool:
        """Tell whether two images are alike by the rule for duplicates."""
        if (self.hash ^ other.hash).bit_count() > rule.distance:
            return False
        if rule.confirm is None:
            return True
        one, two = self.picture, other.picture
        return of_like_size(one, two) and correlate(one, two, rule.confirm) >= rule.confirm


@dataclass(eq=False)
class Particle:
    """What may be one particle: its images, in their order. number: of the particle, in the order of their firsts."""

    number: int
    sights: list[Sight]

    @property
    def last(self) -> Sight:
        """Its last image so far."""
        return self.sights[-1]


class Field:
    """The particles of an instrument that may go on, by where they were last."""

    def __init__(self, place_px: float) -> None:
        self._place_px = place_px
        self._cells: dict[tuple[int, int], list[Particle]] = {}

    def _cell(self, sight: Sight) -> tuple[int, int]:
        side = max(self._place_px, 1)
        return int(sight.x // side), int(sight.y // side)

    def near(self, sight: Sight) -> list[Particle]:
        """The particles close to an image, the closest first."""
        column, row = self._cell(sight)
        found = []
        for i in (column - 1, column, column + 1):
            for j in (row - 1, row, row + 1):
                for particle in self._cells.get((i, j), ()):
                    away = max(abs(particle.last.x - sight.x), abs(particle.last.y - sight.y))
                    if away <= self._place_px:
                        found.append((away, particle.number, particle))
        return [particle for *_, particle in sorted(found, key=lambda each: each[:2])]

    def add(self, particle: Particle) -> None:
        """Put a particle where its last image is."""
        self._cells.setdefault(self._cell(particle.last), []).append(particle)

    def go_on(self, particle: Particle, sight: Sight) -> None:
        """Give a particle another image."""
        self._cells[self._cell(particle.last)].remove(particle)
        particle.sights.append(sight)
        self.add(particle)

    def forget_before(self, number: int) -> None:
        """Forget particles whose last image is in an earlier bin."""
        left = ((cell, [each for each in those if each.last.number >= number]) for cell, those in self._cells.items())
        self._cells = {cell: those for cell, those in left if those}


def find_stuck(images: Sequence[str | Path], clean: str | Path, rule: StuckRule, path: str | Path) -> None:
    """Write the table `stuck`.

    images: the zips of bins' images, as the images stage makes them. clean: the folder of the cleaned images.
    """
    progress = Progress("bins searched for stuck particles", lambda: (len(images),) * 2)
    progress.begin()
    by_instrument: dict[int, list[Path]] = {}
    for each in map(Path, images):
        by_instrument.setdefault(parse_bin_id(each.stem).instrument, []).append(each)
    rows: list[Row] = []
    n = 0
    for _, zips in sorted(by_instrument.items()):
        zips.sort(key=lambda each: (parse_bin_id(each.stem).time, each.stem))
        found = _of_instrument(zips, Path(clean), rule, progress)
        n += len(found)
        for particle in found:
            rows += _rows(particle, [each.stem for each in zips])
    table_files.write(table_files.from_rows(rows, "stuck"), "stuck", path)
    log.info(f"curation: {counted(n, 'stuck particle')} with {counted(len(rows), 'image')}")


def _sights(images: Path, number: int, clean: Path, kind: str, zips: OpenZips) -> Iterator[Sight]:
    """The images of a bin that can be used, in the order of its ROIs."""
    with zipfile.ZipFile(images) as archive:
        manifest = table_files.from_csv(archive.read(MANIFEST), "images", f"{images}: {MANIFEST}")
    own = clean / f"{images.stem}.zip"
    with zipfile.ZipFile(own) as archive:
        used = set(archive.namelist())
    for roi, x, y in zip(manifest["roi"], manifest["x"], manifest["y"], strict=True):
        if f"{roi}.png" in used:
            yield Sight(roi, number, (int(x), int(y)), kind, partial(zips.pixels, own, roi))


def _of_instrument(bins: Sequence[Path], clean: Path, rule: StuckRule, progress: Progress) -> list[Particle]:
    particles: list[Particle] = []
    field, n = Field(rule.place_px), 0
    with OpenZips() as zips:
        for number, images in enumerate(bins):
            field.forget_before(number - rule.gap_bins - 1)
            for sight in _sights(images, number, clean, rule.hash, zips):
                like = (each for each in field.near(sight) if sight.is_like(each.sights[0], rule.alike))
                if particle := next(like, None):
                    field.go_on(particle, sight)
                else:
                    particles.append(Particle(n, [sight]))
                    field.add(particles[-1])
                    n += 1
            oldest = number - rule.gap_bins
            particles = [each for each in particles if len(each.sights) >= rule.times or each.last.number >= oldest]
            progress.step()
    return [each for each in particles if len(each.sights) >= rule.times]


def _rows(particle: Particle, bins: Sequence[str]) -> list[Row]:
    sights = particle.sights
    numbers = [sight.number for sight in sights]
    of_all = {
        "particle": sights[0].roi,
        "n_images": len(sights),
        "n_bins": len(set(numbers)),
        "first_bin": bins[min(numbers)],
        "last_bin": bins[max(numbers)],
    }
    return [{"roi": s.roi, "bin": bins[s.number], "x": s.x, "y": s.y, **of_all} for s in sights]
