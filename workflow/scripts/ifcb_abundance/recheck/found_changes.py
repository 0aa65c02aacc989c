"""What a recheck has found so far, in a hidden file beside changes.csv until that has it."""

import json
from collections.abc import Iterable
from pathlib import Path
from threading import Lock

from ifcb_abundance.tables import table_files

Change = tuple[str, str, str, str]  # a row of changes.csv: bin, column, before and after

COLUMNS = ["bin", *table_files.schema("catalog"), "scores"]


class FoundChanges:
    """The changes since the last recheck that was completed: one that is killed has replaced some of what it read.

    changes: where changes.csv goes.
    """

    def __init__(self, changes: str | Path) -> None:
        self._path = Path(changes).with_name(f".{Path(changes).name}.found")
        self._lock = Lock()

    def note(self, changes: Iterable[Change]) -> None:
        """Keep changes; to be called before the files that they tell of are replaced."""
        lines = "".join(f"{json.dumps(change)}\n" for change in changes)
        if lines:
            with self._lock, self._path.open("a", encoding="utf-8") as file:
                file.write(f"\n{lines}")  # perhaps after a line that was cut off

    def all(self) -> list[Change]:
        """List them by bin and column, `scores` last. What changed twice has its first value before, its last after."""
        found: dict[tuple[str, str], tuple[str, str]] = {}
        for bin_id, column, before, after in self._noted():
            found[bin_id, column] = found.get((bin_id, column), (before, ""))[0], after
        rows = [(*what, *values) for what, values in found.items() if values[0] != values[1]]
        return sorted(rows, key=lambda row: (row[1] == "scores", row[0], COLUMNS.index(row[1])))

    def _noted(self) -> Iterable[Change]:
        try:
            lines = self._path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return
        for line in lines:
            try:
                bin_id, column, before, after = json.loads(line)
            except ValueError:  # cut off: what it would have told of was not replaced, and is found again
                continue
            yield bin_id, column, before, after

    def discard(self) -> None:
        """Forget them: changes.csv has them."""
        self._path.unlink(missing_ok=True)
