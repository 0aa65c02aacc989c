"""Lists a store: each file with its size, and how many bytes lie in which folder and in which format."""

import logging
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from ifcb_abundance.common import stopping
from ifcb_abundance.common.progress import Transfer
from ifcb_abundance.common.words import counted, sized
from ifcb_abundance.sources.objects import Objects, StoredObject
from ifcb_abundance.stores.object_tables import write_objects
from ifcb_abundance.tables import table_files

log = logging.getLogger("ifcb.inventory")

FORMATS = ("zarr", "n5", "precomputed", "nml", "json", "bson", "other")
# Files whose folder, with all below it, is an array or a group of this format.
MARKERS = {
    **dict.fromkeys((".zarray", ".zgroup", ".zattrs", ".zmetadata", "zarr.json"), "zarr"),
    "attributes.json": "n5",
    "info": "precomputed",
}
_NAMED = re.compile(r"\.(zarr|n5|precomputed)$")
_SUFFIX = re.compile(r"\.(nml|json|bson)$")

Counts = dict[str, list[int]]  # files and bytes, by name


def list_store(
    objects: Objects, name: str, again: str, inventory: str | Path, folders: str | Path, formats: str | Path
) -> None:
    """List the files of a store, and write inventory.parquet, folders.csv and formats.csv.

    name: of the store. again: the command that lists it again. Keys are written as they come. Raises RequestError.
    """
    census = Census(objects.address)

    def seen(progress: Transfer) -> Iterator[list[StoredObject]]:
        for page in objects.pages():
            stopping.refuse_if_asked()
            census.count(page)
            progress.add(len(page), 0)
            yield page

    with Transfer(f"{name}: listed") as progress:
        write_objects(seen(progress), inventory, lambda: objects.is_one_file)
    by_folder, by_format = census.folders(), census.formats()
    files, size = by_folder[""]
    write_folders(by_folder, folders)
    rows = [{"format": each, "files": by_format[each][0], "bytes": by_format[each][1]} for each in by_format]
    table_files.write(table_files.from_rows(rows, "store_formats"), "store_formats", formats)
    kinds = ", ".join(f"{each} {sized(of[1])}" for each, of in by_format.items())
    log.info(
        f"{name}: {counted(files, 'file')}, {sized(size)} at {objects.address} ({kinds}) are in {inventory}. Nothing "
        f"lists it again by itself: {again}"
    )


def write_folders(folders: Counts, path: str | Path) -> None:
    """Write the counts of folders as the table `store_folders`."""
    rows = [
        {"folder": folder, "depth": folder.count("/") + 1 if folder else 0, "files": files, "bytes": size}
        for folder, (files, size) in sorted(folders.items())
    ]
    table_files.write(table_files.from_rows(rows, "store_folders"), "store_folders", path)


class Census:
    """Counts files and bytes of folders and formats. address: of the store, whose name may say its format."""

    def __init__(self, address: str = "") -> None:
        self._address = address
        self._files: dict[tuple[str, str], list[int]] = {}  # by folder and suffix
        self._markers: dict[str, str] = {}  # formats of folders

    def count(self, page: Iterable[StoredObject]) -> None:
        """Take these files into account."""
        for found in page:
            folder, _, file = found.key.rpartition("/")
            if (marker := MARKERS.get(file)) and FORMATS.index(marker) <= FORMATS.index(
                self._markers.get(folder, "precomputed")
            ):
                self._markers[folder] = marker
            suffix = _SUFFIX.search(file)
            counts = self._files.setdefault((folder, suffix[1] if suffix else ""), [0, 0])
            counts[0] += 1
            counts[1] += found.size

    def folders(self) -> Counts:
        """Files and bytes below each folder; that of all is the empty one."""
        below: Counts = {"": [0, 0]}
        for (folder, _), counts in self._files.items():
            for above in _and_above(folder):
                _add(below.setdefault(above, [0, 0]), counts)
        return below

    def formats(self) -> Counts:
        """Files and bytes of each format that there is, in the order of FORMATS."""
        found: Counts = {}
        for (folder, suffix), counts in self._files.items():
            array = "" if suffix in ("nml", "bson") else self._format_of(folder)
            _add(found.setdefault(array or suffix or "other", [0, 0]), counts)
        return {each: found[each] for each in FORMATS if each in found}

    def _format_of(self, folder: str) -> str:
        """The format of the nearest folder that is one of an array or group; empty if there is none."""
        for each in _and_above(folder):
            if named := _NAMED.search(each):
                return named[1]
            if each in self._markers:
                return self._markers[each]
        steps = (_NAMED.search(step) for step in reversed(self._address.split("/")))
        return next((named[1] for named in steps if named), "")


def largest(folders: Counts, most: int) -> list[str]:
    """The largest folders in words, without the one of all."""
    named = sorted((-size, folder) for folder, (_, size) in folders.items() if folder)[:most]
    return [f"{folder} ({counted(folders[folder][0], 'file')}, {sized(-size)})" for size, folder in named]


def _and_above(folder: str) -> Iterator[str]:
    """A folder, and those above it up to the empty one."""
    while folder:
        yield folder
        folder = folder.rpartition("/")[0]
    yield ""


def _add(counts: list[int], more: list[int]) -> None:
    counts[0] += more[0]
    counts[1] += more[1]
