"""Lines of a file that cannot be read: every one counts, the first ones are kept with the reason."""

from dataclasses import dataclass, field

from ifcb_abundance.common.words import counted

KEPT = 20  # a file may have a million bad lines; a message names only this many


@dataclass
class MalformedLines:
    """count: how many. first: number (from 1) and reason of the first ones; line 0 is the file as a whole."""

    count: int = 0
    first: list[tuple[int, str]] = field(default_factory=list)

    def add(self, line: int, reason: str) -> None:
        """Count a line. The reason is cut, and what cannot be printed in it is replaced."""
        self.count += 1
        if len(self.first) < KEPT:
            self.first.append((line, "".join(c if c.isprintable() else "?" for c in reason[:200])))

    def __str__(self) -> str:
        told = "; ".join(f"line {line}: {reason}" for line, reason in self.first)
        return f"{counted(self.count, 'malformed line')}: {told}" + ("; ..." if self.count > len(self.first) else "")
