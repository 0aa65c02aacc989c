"""Keep what a run with --stream has reduced so far, in lines that may be truncated but not falsified."""

import json
import os
from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO

Row = dict[str, Any]
Task = tuple[str, str, list[Row]]


class Journal:
    """A checksum and a line of JSON for each subject, in a file beside the table until the table is complete.

    A subject's line counts only if its fingerprint matches its present votes. Damaged lines are skipped,
    and no other file is ever continued: neither a table that the reference began nor one that is finished.
    fingerprints: those in the file, by subject.
    """

    def __init__(self, table: Path, kept: bool) -> None:
        self.path = table.with_name(f".{table.name}.stream")
        self.kept = kept
        self.fingerprints: dict[str, str] = {}
        self._offsets: dict[str, int] = {}
        self._file: BinaryIO | None = None

    def __enter__(self) -> "Journal":
        if not self.kept:
            return self
        self._file = self.path.open("a+b")
        self._file.seek(0)
        offset, line = 0, b""
        for line in self._file:
            found = _entry(line)
            if found:
                self.fingerprints[found[0]], self._offsets[found[0]] = found[1], offset
            offset += len(line)
        if line and not line.endswith(b"\n"):
            self._file.write(b"\n")
            self._file.flush()
        return self

    def __exit__(self, *_: object) -> None:
        if self._file:
            self._file.close()

    def completed(
        self, subject: str, fingerprint: str, tasks: Iterable[tuple[str, str, list[Row] | None]]
    ) -> list[Task]:
        """The tasks with their rows: those that were reduced now are noted, the others come from the journal."""
        made = [(workflow, task, rows) for workflow, task, rows in tasks if rows is not None]
        if not self._file:
            return made
        if made or subject not in self._offsets or self.fingerprints[subject] != fingerprint:
            noted = json.dumps([subject, fingerprint, made], allow_nan=False).encode()
            self._file.write(_digest(noted) + b" " + noted + b"\n")
            self._file.flush()  # what the process has handed over outlives it
            return made
        self._file.seek(self._offsets[subject])
        found = _entry(self._file.readline())
        self._file.seek(0, os.SEEK_END)
        assert found
        return found[2]

    def discard(self) -> None:
        """Remove the journal: the table is complete."""
        if self._file:
            self._file.close()
            self.path.unlink(missing_ok=True)


def _entry(line: bytes) -> tuple[str, str, list[Task]] | None:
    digest, _, noted = line.rstrip(b"\n").partition(b" ")
    if digest != _digest(noted):
        return None
    subject, fingerprint, tasks = json.loads(noted)
    return subject, fingerprint, [(workflow, task, rows) for workflow, task, rows in tasks]


def _digest(noted: bytes) -> bytes:
    return blake2b(noted, digest_size=8).hexdigest().encode()
