"""List the images of a folder, by group: each subfolder with files in it is one."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ifcb_abundance.common.errors import ConfigError, quoted
from ifcb_abundance.common.named import Named
from ifcb_abundance.common.proof import digest
from ifcb_abundance.curation.zips import file_name

LONGEST = 200  # bytes of a group's name: files are named by it, and names have 255


@dataclass(frozen=True)
class ImageFile:
    """A file that may be an image.

    image: its name, the path below the folder. path: where it is. problem: why it is not read; empty if it can be
    tried. stamp: size and time of change, which tell a replaced file from the old one.
    """

    image: str
    path: str
    problem: str = ""
    stamp: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Group:
    """The files of a folder, in the order of their names. name: its path below the listed folder; `.` for that one."""

    name: str
    files: tuple[ImageFile, ...]

    def identity(self) -> str:
        """A checksum of the names, sizes and times of the files: it changes when a file does."""
        return digest([(file.image, file.problem, *file.stamp) for file in self.files])


@dataclass(frozen=True)
class Listing:
    """A folder's groups, by the name that files of a group get, and the subfolders that hold nothing."""

    groups: Named[Group]
    empty: tuple[str, ...]


def list_folder(folder: str | Path) -> Listing:
    """List all files below a folder.

    Hidden files are left out. Links that lead out of the folder, or to another folder, are listed with a problem and
    not followed, so that nothing is read twice and nothing from elsewhere. Raises ConfigError if the folder has no
    files, if two groups would get files of one name, or if a name cannot be that of a file of the workflow.
    """
    root = os.path.realpath(folder)
    if not Path(root).is_dir():
        raise ConfigError(f"curation.folder: {folder} is no folder. Give the path of a folder of images")
    groups: dict[str, Group] = {}
    empty: list[str] = []
    for name, files in _walk(root, ""):
        if not files:
            empty.append(name)
            continue
        key = file_name(name)
        if key in groups:
            raise ConfigError(
                f"curation.folder: the subfolders {quoted([groups[key].name, name])} would both be written to "
                f"{key}.zip. Rename one of them"
            )
        if "{" in name or "}" in name:  # to the workflow braces are wildcards
            raise ConfigError(f"curation.folder: the subfolder {name!r} has braces in its name. Rename it")
        if len(os.fsencode(key)) > LONGEST:
            raise ConfigError(f"curation.folder: the path of the subfolder {name} is too long. Shorten it")
        groups[key] = Group(name, tuple(files))
    if not groups:
        raise ConfigError(f"curation.folder: {folder} holds no image. Give the path of a folder of images")
    return Listing(Named("curation.folder: no group of images is called", groups), tuple(empty))


def _walk(root: str, below: str) -> Iterator[tuple[str, list[ImageFile]]]:
    """Yield each folder with its files, by its path below the root; without files if it holds nothing at all."""
    where = f"{root}/{below}" if below else root
    files: list[ImageFile] = []
    folders: list[str] = []
    try:
        with os.scandir(where) as listed:
            entries = sorted(listed, key=lambda entry: entry.name)
    except OSError as error:
        raise ConfigError(f"curation.folder: {where} cannot be read ({error.strerror})") from None
    for entry in entries:
        if entry.name.startswith("."):
            continue
        path = f"{below}/{entry.name}" if below else entry.name
        if entry.is_dir(follow_symlinks=False):
            folders.append(path)
        else:
            files.append(_looked_at(root, path))
    if files or (below and not folders):
        yield printable(below) or ".", files
    for path in folders:
        yield from _walk(root, path)


def _looked_at(root: str, path: str) -> ImageFile:
    where = f"{root}/{path}"
    problem = ""
    try:
        found = Path(where).stat()  # of what a link leads to
        if Path(where).is_symlink() and not os.path.realpath(where).startswith(f"{root.rstrip('/')}/"):
            problem = "a link that leads out of the folder"
        elif stat.S_ISDIR(found.st_mode):
            problem = "a link to a folder"
        elif not stat.S_ISREG(found.st_mode):
            problem = "no regular file"
        stamp = (found.st_size, found.st_mtime_ns)
    except OSError as error:
        problem, stamp = f"cannot be read ({error.strerror})", (0, 0)
    return ImageFile(printable(path), where, problem, stamp)


def printable(name: str) -> str:
    """The name as tables and messages can hold it: what cannot be printed is escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)
