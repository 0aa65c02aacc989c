"""What stands in the engine's own folder: locks, and of which files it has a record.

The engine makes a file again if it was made under other settings, which it knows from its record of the file. A run
that is killed leaves files without one. The engine looks for those before it knows the bins and days, so it would
take them as they are for ever. And the lock of a run that is killed stays behind.
"""

import fcntl
import os
import shlex
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from errors import StateError

ENGINE = Path(".snakemake")
LONGEST_NAME = 254  # of a file that the engine keeps a record in


def claim(folder: str, patience: float = 0.0) -> IO[str] | None:
    """Hold `folder` for this process until it ends, however it ends; None if another holds it for `patience` seconds.

    The engine's own locks do not tell a run at work from one that was killed, and a run on another dataset takes
    them away when it ends. Raises StateError if the checkout cannot be written to.
    """
    give_up = time.monotonic() + patience
    try:
        ENGINE.mkdir(exist_ok=True)
        held = (ENGINE / f"{folder.replace('/', '-')}.claim").open("a", encoding="utf-8")
    except OSError as error:
        if ENGINE.is_dir():
            return None
        raise StateError(f"{Path.cwd()} cannot be written to ({error}): run in a copy of your own") from None
    while True:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() < give_up:
                time.sleep(0.1)
                continue
            held.close()
            return None
        except OSError:
            pass  # a file system without locks: as before, there are the engine's
        return held


def is_locked(folder: str) -> bool:
    """Whether the engine has a lock on files of `folder`."""
    for lock in (ENGINE / "locks").glob("*.lock"):
        with suppress(FileNotFoundError):
            if any(line.startswith(f"{folder}/") for line in lock.read_text(encoding="utf-8").splitlines()):
                return True
    return False


def refuse_stale_lock(folder: str, arguments: Sequence[str]) -> None:
    """Raise StateError, with the command that goes on, if a killed run has left its lock; call it with the claim."""
    if is_locked(folder) and "--unlock" not in arguments:
        raise StateError(
            f"{folder} is locked by a run that was killed; no other run is at work on it. To unlock it:\n"
            f"  {shlex.join(['snakemake', '--unlock', *arguments])}\n"
            "Then the same command as now goes on where that run stopped."
        )


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
                f"the folder {there} cannot be written to{missing}: give yourself the right to write "
                f"(chmod -R u+w {there}), or run in a copy of the workflow on a disk where you have it"
            )


def unrecorded(files: Iterable[Path]) -> Iterator[Path]:
    """Those of the files that the engine has no record of, or holds for unfinished."""
    records, unfinished = (_names(ENGINE / name) for name in ("metadata", "incomplete"))
    for path in files:
        name = _record(path)
        if name not in records or name in unfinished:
            yield path


def _names(folder: Path) -> set[str]:
    start = len(f"{folder}/")
    return {f"{top}/{name}"[start:] for top, _, names in os.walk(folder) for name in names}


def _record(path: Path) -> str:
    """The name of the engine's record of a file: its path in base 64, cut to the length of a file's name."""
    name = urlsafe_b64encode(str(path).encode()).decode()
    *heads, last = [name[i : i + LONGEST_NAME] for i in range(0, len(name), LONGEST_NAME)]
    return "/".join([*(f"@{head}" for head in heads), last])


def take_from_the_future(folder: Path) -> None:
    """Give files that were made before the clock was set back the present time."""
    now = time.time()
    for path in folder.rglob("*"):
        if path.stat().st_mtime > now:
            os.utime(path, (now, now))
