"""Folders on disk: the files below one, and how to tell a replaced file from the old one."""

import errno
import os
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

from ifcb_abundance.common.errors import RawFileError

SYSTEM = {"lost+found"}  # of the file system itself, and closed to users


def walk(root: str | Path, left_out: Collection[str] = ()) -> Iterator[tuple[str, list[str]]]:
    """Every folder from `root` down, as a path with `/`, and the names of the files in it, sorted.

    Folders that are symbolic links are entered too, after all others. Each folder is entered once, however many links
    lead to it, so links that lead in a circle do no harm. left_out: names of folders, in lower case, that are not
    entered. Raises RawFileError, naming it, for a folder that cannot be read: its bins would be missing without a word.
    """
    met: set[tuple[int, int]] = set()
    links = [Path(root).as_posix()]
    while links:
        waiting = [links.pop(0)]
        while waiting:
            folder = waiting.pop()
            try:
                found = Path(folder).stat()
                if (found.st_dev, found.st_ino) in met:
                    continue
                met.add((found.st_dev, found.st_ino))
                with os.scandir(folder) as listed:
                    entries = sorted(listed, key=lambda entry: entry.name)
                folders: list[os.DirEntry[str]] = []
                files: list[os.DirEntry[str]] = []
                for entry in entries:
                    (folders if _is_folder(entry) else files).append(entry)
            except OSError as error:
                raise RawFileError(f"{error.filename}: cannot be read ({error.strerror})") from None
            yield folder, [entry.name for entry in files]
            entered = [entry for entry in folders if entry.name.lower() not in left_out and entry.name not in SYSTEM]
            links += [_inside(folder, entry.name) for entry in entered if entry.is_symlink()]
            waiting += [_inside(folder, entry.name) for entry in reversed(entered) if not entry.is_symlink()]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError as error:
        if error.errno == errno.ELOOP:  # a link that leads to itself
            return False
        raise


def below(root: str | Path, left_out: Collection[str] = ()) -> Iterator[str]:
    """The paths of all files that `walk` finds."""
    for folder, names in walk(root, left_out):
        for name in names:
            yield _inside(folder, name)


def _inside(folder: str, name: str) -> str:
    return name if folder == "." else f"{folder.rstrip('/')}/{name}"


def stamp(path: str | Path) -> list[str | int]:
    """Path, size in bytes and time of change (ns) of a file: another one in its place has another size or time.

    Nothing of its contents is read. The path alone for a file that is not there.
    """
    try:
        found = Path(path).stat()
    except OSError:
        return [str(path)]
    return [str(path), found.st_size, found.st_mtime_ns]


class Listing:
    """What is in folders, and when it was changed last. A folder is read once, when its first file is asked for.

    Paths are relative to the working directory, or absolute, with `/`.
    """

    def __init__(self) -> None:
        self._folders: dict[str, dict[str, int]] = {}

    def __contains__(self, path: str) -> bool:
        """Whether there is a file or folder of this path, or a link to one."""
        return self.changed(path) is not None

    def changed(self, path: str) -> int | None:
        """Return the time of change (ns) of a file, for a link that of its target; None if there is no such file."""
        folder, _, name = path.rpartition("/")
        if folder not in self._folders:
            self._folders[folder] = _times(folder)
        return self._folders[folder].get(name)


def _times(folder: str) -> dict[str, int]:
    found = {}
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(OSError):  # a link to nothing
                found[entry.name] = entry.stat().st_mtime_ns
    return found
