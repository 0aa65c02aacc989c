"""The days that a figure covers."""

from dataclasses import dataclass

import pandas as pd

DAYS_MOST = 1100  # a longer window is pooled into weeks: its days would be narrower than a line

# Days without their year, where two whole dates do not fit: the title has the year.
SHORT = tuple((f"{days}D", "%m-%d", 38) for days in (1, 2, 5, 10, 14))
# How often there may be ticks, how they are written, and the pixels that one of them takes.
TICKS = (
    *((f"{days}D", "%Y-%m-%d", 76) for days in (1, 2, 5, 10, 14)),
    *((f"{months}MS", "%Y-%m", 56) for months in (1, 2, 3, 6)),
    *((f"{years}YS", "%Y", 38) for years in (1, 2, 5, 10)),
)


@dataclass(frozen=True)
class Span:
    """The first and the last day with a bin, and how many days are pooled into one point (1 or 7)."""

    first: pd.Timestamp
    last: pd.Timestamp

    @property
    def step(self) -> int:
        """Days in a point."""
        return 1 if (self.last - self.first).days < DAYS_MOST else 7

    @property
    def days(self) -> pd.DatetimeIndex:
        """The first day of each point."""
        return pd.date_range(self.first, self.last, freq=f"{self.step}D")

    @property
    def pooled(self) -> str:
        """What a point stands for, in words."""
        return "day" if self.step == 1 else f"span of {self.step} days, pooled"

    @property
    def unit(self) -> str:
        """What a point stands for, in one word."""
        return "day" if self.step == 1 else "week"

    def start(self, dates: pd.Series) -> pd.Series:
        """The first day of the point that each UTC day belongs to."""
        days = (pd.to_datetime(dates) - self.first).dt.days
        return self.first + pd.to_timedelta(days // self.step * self.step, unit="D")

    def ticks(self, width: float) -> tuple[list[pd.Timestamp], str]:
        """The days of ticks that leave room for their labels on an axis of so many pixels, and how to write them."""
        end = self.days[-1] + pd.Timedelta(days=self.step)
        for every, form, room in (*TICKS, *SHORT):
            days = [day for day in pd.date_range(self.first, end, freq=every, inclusive="left") if day >= self.first]
            if len(days) > 1 and (len(days) - 1) * room <= width * (days[-1] - days[0]) / (end - self.first):
                return days, form
        return [self.first], "%Y-%m-%d"

    def __str__(self) -> str:
        return f"{self.first:%Y-%m-%d} to {self.last:%Y-%m-%d} (UTC)"
