"""Folders of results as a run finds them: not folders at all, not writable, or with files from the future."""

import os
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from ifcb_abundance.common.errors import StateError


def refuse_what_is_no_folder(*folders: str) -> None:
    """Raise StateError if something else stands where one of the folders should be."""
    for folder in folders:
        for path in (Path(folder), *Path(folder).parents):
            if os.path.lexists(path) and not path.is_dir():
                link = f"a link to {path.readlink()}, which is not there" if path.is_symlink() else "a file"
                raise StateError(f"{path} should be a folder, for results, but is {link}: move it away")


def refuse_read_only(folders: Iterable[Path]) -> None:
    """Raise StateError if one of the folders, or what it is to be made in, cannot be written to."""
    for folder in sorted(set(folders)):
        there = next(path for path in (folder, *folder.parents) if path.exists())
        if not os.access(there, os.W_OK | os.X_OK):
            missing = "" if there == folder else f", so {folder} cannot be made"
            raise StateError(
                f"the folder {there} cannot be written to{missing}: {_remedy(there)}, or run in a copy of the workflow "
                "on a disk where you have the right to write"
            )


def _remedy(folder: Path) -> str:
    """What gives the right to write: one's own chmod, or that of the folder's owner."""
    uid = folder.stat().st_uid
    if uid == os.geteuid():
        return f"give yourself the right to write (chmod -R u+w {folder})"
    try:
        name = folder.owner()
    except KeyError:  # a user that this machine does not know
        name = f"user {uid}"
    return f"it belongs to {name}, who alone can change that with chmod"


def take_from_the_future(folder: Path) -> None:
    """Give files that were made before the clock was set back the present time.

    Shards share the folder, so another run may rename or delete a file meanwhile.
    """
    now, waiting = time.time(), [str(folder)]
    while waiting:
        try:
            entries = os.scandir(waiting.pop())
        except OSError:  # nothing that this run could write to either
            continue
        with entries:  # a path of pathlib for each of hundreds of thousands of files would take four times as long
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                with suppress(FileNotFoundError):
                    if entry.stat().st_mtime > now:
                        os.utime(entry, (now, now))
