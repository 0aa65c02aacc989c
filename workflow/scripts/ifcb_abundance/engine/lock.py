"""Who works on a folder of results: a claim that ends with its process, and the lock that a killed run leaves."""

import fcntl
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

from ifcb_abundance.common.errors import StateError

ENGINE = Path(".snakemake")


def claim(folder: str) -> IO[str] | None:
    """Hold `folder` for this process until what is returned is closed, or the process ends; None if another holds it.

    The engine's own locks do not tell a run at work from one that was killed, and a run on another dataset takes
    them away when it ends. Raises StateError if the checkout cannot be written to.
    """
    try:
        ENGINE.mkdir(exist_ok=True)
        held = _claim_of(folder).open("a", encoding="utf-8")
    except OSError as error:
        if ENGINE.is_dir():
            return None
        raise StateError(f"{Path.cwd()} cannot be written to ({error}): run in a copy of your own") from None
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        held.close()
        return None
    except OSError:
        pass  # a file system without locks: there are the engine's
    return held


def _claim_of(folder: str) -> Path:
    return ENGINE / f"{folder.replace('/', '-')}.claim"


def claim_or_refuse(folder: str) -> IO[str]:
    """`claim`, or StateError."""
    held = claim(folder)
    if not held:
        raise StateError(_at_work(folder))
    return held


def _at_work(folder: str) -> str:
    return f"another run is at work on {folder}: wait until it has ended"


def refuse_others(folders: Iterable[str]) -> None:
    """Raise StateError if another run holds one of the folders. None is held, or written to, by this."""
    for folder in folders:
        if _claim_of(folder).exists():
            claim_or_refuse(folder).close()


def locked_files(folder: str) -> list[str]:
    """The files of `folder` that the engine has a lock on."""
    found = []
    for lock in (ENGINE / "locks").glob("*.lock"):
        with suppress(FileNotFoundError):
            lines = lock.read_text(encoding="utf-8").splitlines()
            found += [line for line in lines if line.startswith(f"{folder}/")]
    return found


def refuse_stale_lock(folder: str, arguments: Sequence[str]) -> None:
    """Raise StateError, with the command that goes on, if a killed run has left its lock; call it with the claim.

    Also if the lock is that of a run at work on a folder below, which is a shard.
    """
    if files := locked_files(folder):
        below = {str(above) for file in files for above in Path(file).parents if Path(folder) in above.parents}
        refuse_others(sorted(below))
        # With this Python the command runs where no environment is activated too. Its path may have backslashes before
        # blanks (patches.escape_python).
        python = sys.executable if Path(sys.executable).exists() else shlex.split(sys.executable)[0]
        raise StateError(
            f"{folder} is locked by a run that was killed; no other run is at work on it. To unlock it:\n"
            f"  {shlex.join([python, '-m', 'snakemake', '--unlock', *arguments])}\n"
            "Then the same command as now goes on where that run stopped."
        )


class Claim:
    """The claim of this run on a folder, taken once, whoever asks for it first.

    begin: called when the engine has its lock too, before the run does anything, even if there is nothing to do.
    end: called before the lock is given back, if the run ended well, likewise.
    """

    def __init__(self, folder: str, begin: Callable[[], None], end: Callable[[], None] = lambda: None) -> None:
        self.folder, self._begin, self._end = folder, begin, end
        self._held: IO[str] | None = None

    def hold(self) -> None:
        """Take the claim, if this run does not have it. Raises StateError if another run has it."""
        self._held = self._held or claim_or_refuse(self.folder)

    @contextmanager
    def around(self, lock: Callable[[], AbstractContextManager[None]], arguments: Sequence[str]) -> Iterator[None]:
        """The engine's lock, within the claim. Raises StateError as `hold` and `refuse_stale_lock` do.

        Also if the engine cannot lock the files of a shard because a run on all of them is at work.
        """
        self.hold()
        try:
            refuse_stale_lock(self.folder, arguments)
            with ExitStack() as locked:
                try:
                    locked.enter_context(lock())
                except Exception:
                    refuse_others(map(str, Path(self.folder).parents))
                    raise
                self._begin()
                yield
                self._end()
        finally:
            if self._held:
                self._held.close()
            self._held = None
