"""Results that are no longer those of the config and data at hand: moved to `stale/` until their like is made anew."""

import filecmp
import os
import shutil
import time
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path

from ifcb_abundance.common.errors import StateError
from ifcb_abundance.engine import records

STALE = "stale"
NAMED = 16  # folders and files in a message


def put_aside(paths: Iterable[str | Path], results: str | Path) -> list[str]:
    """Move files and folders below the folder `results` to its `stale/`, in place of older ones of the same name.

    Returns their paths below `results`. Raises StateError if one cannot be moved.
    """
    moved = []
    for path in sorted(map(Path, paths)):
        name = path.relative_to(results)
        there = Path(results, STALE, name)
        try:
            there.parent.mkdir(parents=True, exist_ok=True)
            _remove(there)
            path.rename(there)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise StateError(f"{path} is of an earlier config and cannot be moved to {there} ({error})") from error
        moved.append(name.as_posix())
    return moved


def time_made(path: str, results: str | Path, moved: Collection[str], replaced: Collection[str]) -> float:
    """When a file was made that is right still, if what it is made from is the same as before.

    moved, replaced: paths below the folder `results` that this run has put aside. A file that was made anew is as old
    as the one that it replaced, if it is the same, byte for byte.
    """
    name = os.path.relpath(path, results)
    aside = Path(results, STALE, name)
    same = name in replaced and Path(path).is_file() and aside.is_file() and filecmp.cmp(path, aside, shallow=False)
    return records.time_made(str(aside if same or name in moved else path))


def bring_back(paths: Iterable[str], results: str | Path) -> list[str]:
    """Move files and folders from `stale/` back to where they were, as if they were made now; returns their names."""
    back, now = [], time.time_ns()
    for path in paths:
        name = os.path.relpath(path, results)
        aside = Path(results, STALE, name)
        stamp = aside / ".snakemake_timestamp"
        with suppress(OSError):  # then it stays aside
            os.utime(stamp if stamp.exists() else aside, ns=(now, now))
            aside.rename(path)
            back.append(name)
    return back


def drop_replaced(results: str | Path) -> None:
    """Remove from `stale/` what is there anew, and folders that are empty then."""
    folder = Path(results, STALE)
    for top, _, names in os.walk(folder, topdown=False):
        for name in names:
            stale = Path(top, name)
            replacement = Path(results, stale.relative_to(folder))
            with suppress(OSError):  # it is not there, or the folder is read-only
                if replacement.stat().st_mtime_ns > stale.stat().st_mtime_ns:
                    stale.unlink()
        # Not of a folder that was made anew without this file: a class that has no montage now.
        with suppress(OSError):
            Path(top).rmdir()


def told(moved: Iterable[str]) -> str:
    """The files that were moved, in a few words: those of a folder are counted."""
    of_folder: dict[str, list[str]] = {}
    for name in moved:
        folder, _, file = name.rpartition("/")
        of_folder.setdefault(folder.split("/")[0], []).append(file if not folder else name)
    words = list(of_folder.pop("", []))
    words += [names[0] if len(names) == 1 else f"{folder}/ ({len(names)} files)" for folder, names in of_folder.items()]
    more = f" and {len(words) - NAMED} more" if len(words) > NAMED else ""
    return ", ".join(words[:NAMED]) + more


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
