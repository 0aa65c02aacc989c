"""Where a store's files lie on disk, and how many bytes of them are there already."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ifcb_abundance.sources.objects import StoredObject


@dataclass(frozen=True)
class Places:
    """Where a store's files lie, all below one folder."""

    folder: Path

    @property
    def tree(self) -> Path:
        """The whole files, by their keys."""
        return self.folder / "files"

    @property
    def unfinished(self) -> Path:
        """Files that are not whole yet."""
        return self.folder / "unfinished"

    @property
    def journal(self) -> Path:
        """What is whole: a line of JSON for each file."""
        return self.folder / "journal.jsonl"

    def part(self, found: StoredObject) -> Path:
        """A file that is not whole yet. Another version of it has another name."""
        name = hashlib.sha256(f"{found.key}\n{found.etag}\n{found.size}".encode()).hexdigest()[:40]
        return self.unfinished / name

    def missing_bytes(self, files: Iterable[StoredObject]) -> int:
        """The bytes of those files that are neither in the tree, in their size, nor in what is unfinished."""
        missing = 0
        for found in files:
            if size_of(self.tree / found.key) != found.size:
                missing += max(found.size - (size_of(self.part(found)) or 0), 0)
        return missing


def size_of(path: Path) -> int | None:
    """The bytes of a file; None if there is none."""
    try:
        return path.stat().st_size
    except (OSError, ValueError):
        return None
