"""Names of files and folders made of labels and of names of images, which may hold anything."""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable
from hashlib import sha256

LONGEST = 120  # characters of a name, without its ending; file systems take 255 bytes
# Windows keeps these names for devices, with any ending.
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def folder_of_label(label: str) -> str:
    """Return a folder's name for a label: ASCII letters, digits, `_`, `-` and points; never empty, never a path."""
    ascii_letters = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode()
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", ascii_letters)
    name = re.sub(r"\.{2,}", ".", name).strip("._-")
    return _fitted(name or "class", label)


def file_of_image(image: str) -> str:
    """Return a file's name, without ending, for an image: `/` becomes `__`, what some systems refuse `_`."""
    name = re.sub(r'[\x00-\x1f<>:"\\|?*]', "_", image.replace("/", "__"))
    return _fitted(name, image)


def key_of_image(image: str) -> str:
    """Return the name of a sample in a shard: webdataset takes all behind the first point for its ending."""
    return file_of_image(image).replace(".", "_")


def unique(names: Iterable[str], made: Callable[[str], str]) -> dict[str, str]:
    """Map names to what is made of each; those that would be the same get a checksum at their end.

    Upper and lower case count as the same, because some file systems take them so.
    """
    found = {name: made(name) for name in names}
    times = Counter(file.lower() for file in found.values())
    return {
        name: f"{file[: LONGEST - 9]}-{_checksum(name)}" if times[file.lower()] > 1 else file
        for name, file in found.items()
    }


def _fitted(name: str, original: str) -> str:
    if len(name.encode()) > LONGEST:
        name = name.encode()[: LONGEST - 9].decode(errors="ignore") + f"-{_checksum(original)}"
    return f"_{name}" if RESERVED.fullmatch(name) else name


def _checksum(name: str) -> str:
    return sha256(name.encode()).hexdigest()[:8]
