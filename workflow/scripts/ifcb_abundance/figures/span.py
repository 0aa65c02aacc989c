"""The days that a figure covers."""

from dataclasses import dataclass

import pandas as pd

DAYS_MOST = 1100  # a longer window is pooled into weeks: its days would be narrower than a line


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

    def start(self, dates: pd.Series) -> pd.Series:
        """The first day of the point that each UTC day belongs to."""
        days = (pd.to_datetime(dates) - self.first).dt.days
        return self.first + pd.to_timedelta(days // self.step * self.step, unit="D")

    def __str__(self) -> str:
        return f"{self.first:%Y-%m-%d} to {self.last:%Y-%m-%d} (UTC)"
