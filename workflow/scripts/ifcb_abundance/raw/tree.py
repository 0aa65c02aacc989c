"""Find the raw files and the products of bins in a tree of any depth, in one walk.

Usual trees are `2013/D20130526/`, `2012/IFCB5_2012_028/` or one flat folder. Only the names of the files count, and
their endings may be in capitals. Symbolic links to folders are followed. Folders named `skip` and `beads` are excluded
with everything below them. A corrected `.adc` is a `{bin}.adc.mod`, anywhere in the tree or in the folder `adcmod`
beside it. It replaces the `.adc`, which must exist too.

Sources: ifcbkit 0.3.1 (`fileset.py`, `products.py`) and pyifcb (`ifcb/data/files.py`, `ifcb/data/products/`) for trees,
excluded folders, corrected files and the names of products; iRfcb for `_features_v4.csv`.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ifcb_abundance.bins.ids import PATTERN, parse_bin_id
from ifcb_abundance.common.errors import RawFileError
from ifcb_abundance.common.folders import below
from ifcb_abundance.raw import header as raw_header
from ifcb_abundance.raw import triggers as raw_triggers
from ifcb_abundance.raw.header import Header, read_header
from ifcb_abundance.raw.triggers import TriggerTable, has_known_layout, read_triggers

EXCLUDED = {"skip", "beads"}
PARTS = (".hdr", ".adc", ".roi")
NEEDED = (".hdr", ".adc")  # the .roi has the images, and nothing else needs it
MODIFIED = ".adc.mod"
MODIFIED_FOLDER = "adcmod"

# The text after the bin's id in the names of its products, and the version if the name has none.
PRODUCTS = {
    "class_scores": re.compile(r"_class_scores(?:_v([0-9]{1,3}))?\.csv|_class(?:_v([0-9]{1,3}))?\.(?:h5|mat)"),
    "features": re.compile(r"_(?:features|fea)(?:_v([0-9]{1,3}))?\.csv"),
    "blobs": re.compile(r"_blobs_v([0-9]{1,3})\.zip"),
}
UNNAMED = {"_class.h5": 3}

_NAME = re.compile(f"({PATTERN})([._].+)")

# Reads the first bytes of a file, fewer only if it is shorter: of a local file, or of one in a bucket.
ReadStart = Callable[[str, int], bytes]


@dataclass(frozen=True)
class RawBin:
    """The raw files of a bin. problem: why it cannot be read, or empty: it has no .hdr or .adc, or duplicates.

    hdr, adc, roi: paths, empty for a missing part. A bin without a .roi can be read; it has no images. modified:
    whether `adc` is a corrected one, an `.adc.mod`.
    """

    bin: str
    hdr: str
    adc: str
    roi: str
    modified: bool = False
    problem: str = ""


@dataclass(frozen=True)
class Product:
    """A product file of a bin. kind: a key of PRODUCTS. version: as in its name, 0 where it has none."""

    kind: str
    version: int
    path: str


@dataclass(frozen=True)
class RawTree:
    """The contents of a tree. strangers: files that end like raw files and whose names belong to no bin.

    bins: by id, in the order of ids. products: those of a bin, by kind, then version, then path.
    """

    bins: Mapping[str, RawBin] = field(default_factory=dict)
    products: Mapping[str, list[Product]] = field(default_factory=dict)
    strangers: tuple[str, ...] = ()


def find_raw(folder: str | Path) -> RawTree:
    """Search a folder on disk. Raises RawFileError, naming it, if it or a folder in it cannot be read."""
    root = Path(folder)
    beside = root.resolve().parent / MODIFIED_FOLDER
    modified = below(beside, EXCLUDED) if beside.is_dir() and beside != root.resolve() else ()
    return index_files(below(root, EXCLUDED), (path for path in modified if path.lower().endswith(MODIFIED)))


def index_files(paths: Iterable[str], modified: Iterable[str] = ()) -> RawTree:
    """Sort files by bin: paths with `/`, of folders that are not excluded. modified: `.adc.mod` from elsewhere."""
    places: dict[str, dict[str, dict[str, str]]] = {}  # bin, folder, part: path
    mods: dict[str, list[str]] = {}
    products: dict[str, list[Product]] = {}
    twice: dict[str, str] = {}  # of a bin, by an ending in both cases: why it cannot be read
    strangers = []
    for path in [*paths, *modified]:
        folder, _, name = path.rpartition("/")
        found = _NAME.fullmatch(name)
        if found is None or not _exists(found[1]):
            strangers += [path] if name.lower().endswith((*PARTS, MODIFIED)) else []
            continue
        bin_id, rest = found[1], found[2]
        part = rest.lower()  # copied from Windows, some are `.HDR`, `.ADC`, `.ROI`
        if part in PARTS:
            there = places.setdefault(bin_id, {}).setdefault(folder, {})
            if part in there:
                twice.setdefault(bin_id, f"duplicate files: {there[part]} and {path}")
            there.setdefault(part, path)
        elif part == MODIFIED:
            mods.setdefault(bin_id, []).append(path)
        else:
            products.setdefault(bin_id, []).extend(_products(rest, path))
    strangers += [path for bin_id, found_mods in mods.items() if bin_id not in places for path in found_mods]
    return RawTree(
        {
            bin_id: _raw_bin(bin_id, places[bin_id], mods.get(bin_id, []), twice.get(bin_id, ""))
            for bin_id in sorted(places)
        },
        {
            bin_id: sorted(products[bin_id], key=lambda product: (product.kind, product.version, product.path))
            for bin_id in sorted(products)
            if products[bin_id]
        },
        tuple(strangers),
    )


def _exists(bin_id: str) -> bool:
    try:
        parse_bin_id(bin_id)
    except ValueError:
        return False
    return True


def _products(rest: str, path: str) -> Iterator[Product]:
    for kind, pattern in PRODUCTS.items():
        if found := pattern.fullmatch(rest):
            version = next(filter(None, found.groups()), None)
            yield Product(kind, int(version or UNNAMED.get(rest, 0)), path)


def _raw_bin(bin_id: str, places: Mapping[str, Mapping[str, str]], mods: list[str], problem: str) -> RawBin:
    """Make a bin of the parts that were found in one or more folders.

    The folder with all parts counts, or else one that lacks only the .roi, or else the one with the most parts.
    problem: one that is known already, or empty.
    """
    whole = [folder for folder, parts in places.items() if len(parts) == len(PARTS)]
    whole = whole or [folder for folder, parts in places.items() if parts.keys() >= set(NEEDED)]
    parts = places[whole[0]] if whole else max(places.values(), key=len)
    missing = [part for part in PARTS if part not in parts]
    if problem:
        pass
    elif not whole:
        problem = f"no {' and no '.join(missing)} beside {next(iter(parts.values()))}"
    elif len(whole) > 1:
        problem = f"duplicate bin, in {len(whole)} folders: {', '.join(whole)}"
    elif len(mods) > 1:
        problem = f"more than one {MODIFIED}: {', '.join(mods)}"
    adc = mods[0] if mods and ".adc" in parts else parts.get(".adc", "")
    return RawBin(bin_id, parts.get(".hdr", ""), adc, parts.get(".roi", ""), adc.lower().endswith(MODIFIED), problem)


def read_start(path: str, most: int) -> bytes:
    """Read the first bytes of a file on disk, as a `ReadStart`. Raises RawFileError, naming the file."""
    try:
        with Path(path).open("rb") as file:
            return file.read(most)
    except OSError as error:
        raise RawFileError(f"{path}: cannot be read ({error.strerror})") from None


def read_raw_bin(raw: RawBin, read: ReadStart = read_start) -> tuple[Header, TriggerTable]:
    """Header and triggers of a bin. Raises RawFileError, naming bin or file, if a part is missing or none such.

    An empty `.hdr` counts as a header without settings, if the `.adc` has a layout that needs no declaration.
    """
    if raw.problem:
        raise RawFileError(f"bin {raw.bin}: {raw.problem}")
    body = read(raw.hdr, raw_header.LARGEST + 1)
    header = read_header(body, raw.hdr) if body.strip() else Header("empty", {})
    log = read(raw.adc, raw_triggers.LARGEST + 1)
    triggers = read_triggers(raw.bin, log, raw.adc, header.adc_columns)
    if header.dialect == "empty" and not has_known_layout(raw.bin, log, raw.adc):
        read_header(body, raw.hdr)  # says that it is empty
    return header, triggers
