"""Write a file or a folder so that it is either complete or absent."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ifcb_abundance.common.errors import StateError

NO_ROOM = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "your share of the disk is used up",
    errno.EFBIG: "the file would exceed the size limit of this file system",
    errno.EROFS: "the disk is read-only",
}


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, which is renamed to `path` if the block raises nothing.

    Raises StateError, naming the file, if the disk is full or read-only.
    """
    target = Path(path)
    unfinished = target.with_name(f".{target.name}.part")  # a fixed name, so that a retry overwrites it
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield unfinished
        with unfinished.open("rb") as written:
            os.fsync(written.fileno())  # else a power cut may leave the name without the contents
        unfinished.replace(target)
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        raise StateError(
            f"{target} cannot be written: {NO_ROOM[error.errno]} ({error}). Existing files are complete; make "
            "room, then run the same command again"
        ) from error
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Yield an empty folder beside `path`, which takes the place of `path` if the block raises nothing.

    The engine does not look for unfinished outputs of jobs behind a checkpoint, so it would take a part for the whole.
    """
    target = Path(path)
    unfinished = target.with_name(f".{target.name}.part")  # a fixed name, so that a retry removes it
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    try:
        yield unfinished
        shutil.rmtree(target, ignore_errors=True)
        unfinished.replace(target)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
