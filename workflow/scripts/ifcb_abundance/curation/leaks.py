"""Find near-duplicates that must not be in two splits of a training set, and prove that none are.

Images are joined by more than what makes one a duplicate of another: copies that the correlation just misses would leak
too. So pairs of a few more bits and of a lower correlation join images as well, as long as the splits can still get
their fractions.
"""

import json
import logging
import tarfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ifcb_abundance.common.errors import WorkflowInputError
from ifcb_abundance.common.progress import Progress
from ifcb_abundance.common.words import counted
from ifcb_abundance.common.workers import in_order
from ifcb_abundance.curation.duplicates import DuplicateRule
from ifcb_abundance.curation.hashes import HASHES
from ifcb_abundance.curation.likeness import Likeness, Pixels
from ifcb_abundance.curation.neighbours import Hashes, TooManyError, find_pairs
from ifcb_abundance.curation.splits import SPLITS
from ifcb_abundance.curation.zips import from_png
from ifcb_abundance.tables import table_files

log = logging.getLogger("ifcb.curation")

VERSION = 2  # of what joins images, and of the proof: raise it so that a set is split and proved anew
MANY = 200_000  # images
PIECE = 64  # images that a worker gets at a time
CHUNK, MOST_PAIRS = 4096, 1 << 22  # images and pairs that are looked at together

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Margin:
    """What joins images beyond duplicates: so many more bits, so much less correlation.

    chains: whether images that are left out join those that they look like.
    """

    bits: int
    correlation: float
    chains: bool


# The loosest first. By the last one the set has no near-duplicates in two splits, as by all others.
MARGINS = (
    Margin(4, 0.07, True),
    Margin(4, 0.04, True),
    Margin(2, 0.02, True),
    Margin(0, 0.0, True),
    Margin(0, 0.0, False),
)
EXACT = MARGINS[-1]
# For the proof: a correlation that is just enough may be just too little when it is reckoned the other way round.
ROUNDING = Margin(0, -1e-9, False)


def margins(n: int, rule: DuplicateRule) -> tuple[Margin, ...]:
    """Return the margins that are tried for n images. With many, the wider search by hash would take long."""
    if rule.confirm is None:
        return MARGINS[-2:]
    return MARGINS if n <= MANY else tuple(replace(margin, bits=0) for margin in MARGINS)


@dataclass(frozen=True)
class Images:
    """Images by their number: hashes, heights, widths, and a function that reads the pixels of one."""

    hashes: Hashes
    height: Numbers
    width: Numbers
    load: Callable[[int], Pixels]

    def __len__(self) -> int:
        return len(self.hashes)


@dataclass(frozen=True)
class Pair:
    """Two images that are alike. correlation: NaN if the hash alone decides."""

    one: int
    other: int
    distance: int
    correlation: float


class Components:
    """Which images are joined with which: a union-find."""

    def __init__(self, n: int) -> None:
        self._above = list(range(n))

    def of(self, image: int) -> int:
        """Return the number of an image's component."""
        while (above := self._above[image]) != image:
            self._above[image] = image = self._above[above]
        return image

    def join(self, one: int, other: int) -> None:
        """Make one component of two."""
        self._above[self.of(one)] = self.of(other)


def find_near(
    images: Images,
    queries: Numbers,
    rule: DuplicateRule,
    margin: Margin,
    is_needless: Callable[[int, int], bool],
    what: str,
) -> Iterator[Pair]:
    """Yield pairs of an image of `queries` and any other that are near-duplicates, each once.

    margin: how much looser than the rule the search is. is_needless: tells of a pair that it need not be looked at.
    what: that progress is reported of.
    """
    progress = Progress(what, lambda: (len(queries), len(queries)))
    if len(queries):
        progress.begin()
    distance, confirm = rule.distance, rule.confirm
    likeness = None
    if confirm is not None:
        distance = min(64, distance + margin.bits)
        likeness = Likeness(images.load, images.height, images.width, confirm - margin.correlation)
    asked = np.zeros(len(images), bool)
    for some, query, known in _candidates(images.hashes, queries, distance):
        asked[some] = True
        later = (known != query) & (~asked[known] | (known > query))  # the other way round it is met, or was
        first, known = query[later], known[later]
        starts = np.flatnonzero(np.diff(first, prepend=-1))
        ends = np.append(starts, len(first))[1:]
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
            one = int(first[start])
            others = np.array([other for other in known[start:end].tolist() if not is_needless(one, other)], np.int64)
            alike: Iterable[tuple[int, float]] = ((other, np.nan) for other in others.tolist())
            if likeness is not None and confirm is not None:
                alike = likeness.like(one, others, confirm)
            for other, correlation in alike:
                bits = int(np.bitwise_count(images.hashes[one] ^ images.hashes[other]))
                yield Pair(one, other, bits, correlation)
        progress.step(len(some))


def _candidates(hashes: Hashes, queries: Numbers, distance: int) -> Iterator[tuple[Numbers, Numbers, Numbers]]:
    """Yield some of the queries, and all pairs of one of them and any image that are near by their hashes."""
    start, size = 0, CHUNK
    while start < len(queries):
        some = queries[start : start + size]
        try:
            pairs = find_pairs(hashes[some], hashes, distance, MOST_PAIRS if size > 1 else len(hashes))
        except TooManyError:
            size = max(1, size // 4)
            continue
        yield some, some[pairs.query], pairs.known
        start += len(some)


def join_pairs(images: Images, used: Numbers, links: Sequence[tuple[int, int]], rule: DuplicateRule) -> list[Pair]:
    """Return pairs that join images that must be in one split, the widest margin included.

    used: the images of the set. links: duplicates and their exemplars, which are joined already. An image that is left
    out and already joined needs no pair of its own.
    """
    margin = margins(len(images), rule)[0]
    is_used = np.zeros(len(images), bool)
    is_used[used] = True

    def is_needless(one: int, other: int) -> bool:
        return not (is_used[one] and is_used[other]) and joined.of(one) == joined.of(other)

    joined = Components(len(images))
    for one, other in links:
        joined.join(one, other)
    pairs = []
    for pair in find_near(images, used, rule, margin, is_needless, "near-duplicates joined"):
        pairs.append(pair)
        if within(pair, rule, EXACT):
            joined.join(pair.one, pair.other)
    return pairs


def within(pair: Pair, rule: DuplicateRule, margin: Margin) -> bool:
    """Whether a pair is of near-duplicates with this margin."""
    if rule.confirm is None:
        return pair.distance <= rule.distance
    return pair.distance <= rule.distance + margin.bits and pair.correlation >= rule.confirm - margin.correlation


# --- the proof ---


@dataclass(frozen=True)
class Written:
    """An image as it stands in the set. place: its file, and where in it the PNG begins and how long it is."""

    image: str
    split: str
    place: tuple[str, int, int]

    def read(self) -> Pixels:
        """Read its pixels (height, width)."""
        path, start, size = self.place
        with Path(path).open("rb") as file:
            file.seek(start)
            return from_png(file.read(size))


def list_written(folder: str | Path) -> list[Written]:
    """List the images of a training set as its files have them: the folders, or else the shards."""
    root = Path(folder)
    found = []
    for split in SPLITS:
        if (metadata := root / split / "metadata.csv").exists():
            table = table_files.read("training_metadata", metadata)
            for name, image in zip(table["file_name"], table["image"], strict=True):
                found.append(Written(image, split, (str(root / split / name), 0, -1)))
    return found or [image for path in sorted((root / "shards").glob("*.tar")) for image in _in_shard(path)]


def _in_shard(path: Path) -> Iterator[Written]:
    with tarfile.open(path) as tar:
        about = ""
        for member in tar:
            if member.name.endswith(".json"):
                file = tar.extractfile(member)
                about = json.load(file)["image"] if file else ""
            elif member.name.endswith(".png"):
                yield Written(about, path.name.rsplit("-", 1)[0], (str(path), member.offset_data, member.size))


def describe_written(kind: str, written: Sequence[Written]) -> list[tuple[int, int, int]]:
    """Return hash, height and width of some images. Workers call it."""
    pixels = [image.read() for image in written]
    return [(HASHES[kind](each), *each.shape) for each in pixels]


def find_leaks(folder: str | Path, kind: str, rule: DuplicateRule, path: str | Path, processes: int = 1) -> None:
    """Look for near-duplicates in different splits of a finished set, in its files: the table `training_leaks`.

    kind: of the hash, `steady` or `difference`.
    Raises WorkflowInputError, naming them, if there are any.
    """
    written = list_written(folder)
    pieces = [written[start : start + PIECE] for start in range(0, len(written), PIECE)]
    progress = Progress("images of the training set hashed", lambda: (len(written), len(written)))
    rows: list[tuple[int, int, int]] = []
    for piece in in_order(partial(describe_written, kind), pieces, processes):
        progress.begin()
        rows += piece
        progress.step(len(piece))
    hashes = np.array([row[0] for row in rows], np.uint64)
    height, width = (np.array([row[side] for row in rows], np.int64) for side in (1, 2))
    images = Images(hashes, height, width, lambda number: written[number].read())

    def is_in_one_split(one: int, other: int) -> bool:
        return written[one].split == written[other].split

    everything = np.arange(len(written))
    leaks = find_near(images, everything, rule, ROUNDING, is_in_one_split, "images compared across splits")
    found = [
        {
            "image": written[pair.one].image,
            "split": written[pair.one].split,
            "other": written[pair.other].image,
            "other_split": written[pair.other].split,
            "distance": pair.distance,
            "correlation": pair.correlation,
        }
        for pair in leaks
    ]
    if found:
        for leak in found:
            log.warning("{image} ({split}) and {other} ({other_split}) look alike".format(**leak))
        raise WorkflowInputError(
            f"training_set: {counted(len(found), 'pair')} of near-duplicates in different splits, the first "
            "{image} ({split}) and {other} ({other_split}); the log names all. This is a fault of the workflow: please "
            "report it".format(**found[0])
        )
    table_files.write(table_files.empty("training_leaks"), "training_leaks", path)
