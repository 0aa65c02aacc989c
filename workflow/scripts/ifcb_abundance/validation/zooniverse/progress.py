"""Report the progress of long work: one changing line on a terminal, lines from time to time in a log."""

import sys
import time
from datetime import timedelta
from typing import TextIO

TERMINAL, LOG = 0.5, 10.0  # seconds between two reports


class Progress:
    """Reports to `stream` how many rows are done, how fast, and how long the rest takes.

    total: the whole work, in the unit of `at` (bytes, subjects). hidden: say nothing.
    """

    def __init__(self, what: str, total: int, hidden: bool = False, stream: TextIO | None = None) -> None:
        self.what, self.total, self.hidden = what, max(total, 1), hidden
        self.stream = sys.stderr if stream is None else stream
        self.terminal = self.stream.isatty()
        self._began = self._said = time.monotonic()
        self._shown = False

    def __call__(self, at: int, rows: int, unit: str = "rows") -> None:
        """Report the position `at`, after `rows` rows, if the last report is old enough."""
        now = time.monotonic()
        if self.hidden or now - self._said < (TERMINAL if self.terminal else LOG):
            return
        self._said = now
        spent = now - self._began
        share = min(at / self.total, 1.0)
        left = timedelta(seconds=round(spent / share - spent)) if share else "unknown time"
        text = f"{self.what}: {rows:,} {unit} ({share:.0%}), {rows / spent:,.0f} per second, {left} left"
        self.stream.write(f"\r{text:<79}" if self.terminal else f"{text}\n")
        self.stream.flush()
        self._shown = True

    def done(self, rows: int, unit: str = "rows") -> None:
        """Report that the work is done."""
        if self.hidden:
            return
        spent = time.monotonic() - self._began
        text = f"{self.what}: {rows:,} {unit} in {spent:.1f} s"
        self.stream.write(f"\r{text:<79}\n" if self.terminal and self._shown else f"{text}\n")
        self.stream.flush()
