"""The window of a run: from a UTC day or a bin to a UTC day or a bin, both inclusive."""

import re
from calendar import monthrange
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from itertools import groupby

from ifcb_abundance.bins.ids import parse_bin_id


@dataclass(frozen=True)
class Bound:
    """One end of the window: a whole UTC day or, if `bin` is set, the sample_time of that bin."""

    day: date  # for a bin the day in its id: its sample_time is known only to the catalog
    bin: str | None = None

    @classmethod
    def parse(cls, text: str) -> "Bound":
        """Read `YYYY-MM-DD` or a bin id; raises ValueError for anything else."""
        if text[:1].isdigit():
            try:
                if not re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
                    raise ValueError("four, two and two digits are needed")
                return cls(date.fromisoformat(text))
            except ValueError as error:
                raise ValueError(f"{text[:80]!r} is not a UTC day YYYY-MM-DD ({error})") from None
        return cls(parse_bin_id(text).time.date(), text)

    @property
    def first_instant(self) -> datetime:
        """The first instant of the day, or the time in the bin's id (UTC)."""
        return parse_bin_id(self.bin).time if self.bin else datetime.combine(self.day, time(), UTC)

    @property
    def last_instant(self) -> datetime:
        """The last instant of the day, to the microsecond, or the time in the bin's id (UTC)."""
        return parse_bin_id(self.bin).time if self.bin else datetime.combine(self.day, time.max, UTC)

    def __str__(self) -> str:
        return self.bin or self.day.isoformat()


@dataclass(frozen=True)
class Window:
    """From `start` to `end`, both inclusive; None leaves that side open."""

    start: Bound | None
    end: Bound | None

    def within(self, shard: str) -> "Window":
        """Cut the window to a year, `2012`, or a month, `2012-07`. Raises ValueError if no day is left."""
        first, last = self._days()
        year, _, month = shard.partition("-")
        start = max(first, date(int(year), int(month or 1), 1))
        end = min(last, _last_of_month(date(int(year), int(month or 12), 1)))
        if start > end:
            raise ValueError(f"no day from {self.start} to {self.end} lies in it")
        return Window(Bound(start), Bound(end))

    def shards(self) -> dict[str, list[str]]:
        """List the years that the window touches, each with those of its months that it touches."""
        first, last = self._days()
        months = [f"{year:04d}-{month:02d}" for year in range(first.year, last.year + 1) for month in range(1, 13)]
        touched = [month for month in months if f"{first:%Y-%m}" <= month <= f"{last:%Y-%m}"]
        return {year: list(of_year) for year, of_year in groupby(touched, key=lambda month: month[:4])}

    def _days(self) -> tuple[date, date]:
        if self.start is None or self.end is None or self.start.bin or self.end.bin:
            raise ValueError("shards need UTC days as select.start and select.end")
        return self.start.day, self.end.day

    def bins(self) -> Iterator[tuple[str, str]]:
        """Yield the bins that are ends of the window, each with its key of the config before it."""
        for key, bound in (("select.start", self.start), ("select.end", self.end)):
            if bound and bound.bin:
                yield key, bound.bin

    def instants(self, sample_times: Mapping[str, datetime]) -> tuple[datetime | None, datetime | None]:
        """Return the first and the last instant of the window (UTC), None where it is open.

        sample_times: of the bins that are ends of it; the time in the id stands for a bin that is not there. Raises
        ValueError if the first is after the last.
        """
        first = sample_times.get(self.start.bin or "", self.start.first_instant) if self.start else None
        last = sample_times.get(self.end.bin or "", self.end.last_instant) if self.end else None
        if first and last and first > last:
            raise ValueError(
                f"select.start: {self.start} ({first:%Y-%m-%d %H:%M:%S} UTC) is after "
                f"select.end: {self.end} ({last:%Y-%m-%d %H:%M:%S} UTC), by sample_time"
            )
        return first, last


def months(first: date, last: date) -> list[tuple[date, date]]:
    """List the first and last day of each calendar month, or part of a month, from `first` to `last`."""
    firsts = [
        date(year, month, 1)
        for year in range(first.year, last.year + 1)
        for month in range(1, 13)
        if (first.year, first.month) <= (year, month) <= (last.year, last.month)
    ]
    return [(max(month, first), min(_last_of_month(month), last)) for month in firsts]


def month_of(day: date) -> tuple[date, date]:
    """Return the first and last day of the day's calendar month."""
    return day.replace(day=1), _last_of_month(day)


def _last_of_month(day: date) -> date:
    return day.replace(day=monthrange(day.year, day.month)[1])
