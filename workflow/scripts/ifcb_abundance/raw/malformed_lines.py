"""Counts the lines of a file that cannot be read, and keeps the first ones with the reason."""

from dataclasses import dataclass, field

from ifcb_abundance.common.words import counted

KEPT = 20  # a file may have a million bad lines; a message names only this many


@dataclass
class MalformedLines:
    """count: number of lines. first: line number (from 1) and reason of the first ones; line 0 is the whole file."""

    count: int = 0
    first: list[tuple[int, str]] = field(default_factory=list)

    def add(self, line: int, reason: str) -> None:
        """Count a line. Its reason is shortened, and unprintable characters in it are replaced."""
        self.count += 1
        if len(self.first) < KEPT:
            self.first.append((line, "".join(c if c.isprintable() else "?" for c in reason[:200])))

    def __str__(self) -> str:
        told = "; ".join(f"line {line}: {reason}" for line, reason in self.first)
        return f"{counted(self.count, 'malformed line')}: {told}" + ("; ..." if self.count > len(self.first) else "")
