"""Ids of bins, in both styles, and of ROIs, and what an id says: instrument, time and folder."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

# One expression for both styles, so that it can serve as a wildcard constraint (no capturing groups).
# [0-9] and not \d, which is any script's digits.
PATTERN = "D[0-9]{8}T[0-9]{6}_IFCB[0-9]{1,5}|IFCB[0-9]{1,5}_[0-9]{4}_[0-9]{3}_[0-9]{6}"

FIRST_YEAR = 2005  # no IFCB was in the water before

_NEW = re.compile("(D([0-9]{4})([0-9]{2})([0-9]{2}))T([0-9]{2})([0-9]{2})([0-9]{2})_IFCB([0-9]{1,5})")
_OLD = re.compile("(IFCB([0-9]{1,5})_([0-9]{4})_([0-9]{3}))_([0-9]{2})([0-9]{2})([0-9]{2})")
_INSTRUMENT = re.compile("ifcb([0-9]{1,5})", re.IGNORECASE | re.ASCII)
_TARGET = re.compile("(.+)_([0-9]{5}|[1-9][0-9]{5,8})")


@dataclass(frozen=True)
class BinId:
    """A bin id taken apart.

    `time` is the time in the id (UTC); a leap second, 23:59:60, is the first one of the next day. It names the bin; the
    time of the sample is the catalog's `sample_time`, which an operator may have corrected by minutes or days.
    """

    bin: str
    instrument: int
    time: datetime
    folder: str  # the folder of its products in usual archives: `2024/D20240215`, `2012/IFCB5_2012_028`

    @property
    def old_style(self) -> bool:
        """Whether the bin comes from one of the first instruments, whose raw files have another layout."""
        return self.bin.startswith("IFCB")


def parse_bin_id(text: str) -> BinId:
    """Take apart a bin id, `D20240215T150055_IFCB010` or the old `IFCB5_2012_028_081515`.

    Raises ValueError for anything else, impossible dates and times included, so that a parsed
    id is safe as a file name and in an address.
    """
    # Not by strptime, which takes five times as long: a run takes apart the id of each bin more than once.
    if match := _NEW.fullmatch(text):
        folder, year, month, day, hour, minute, second, instrument = match.groups()
        day_of_year = None
    elif match := _OLD.fullmatch(text):
        folder, instrument, year, day_of_year, hour, minute, second = match.groups()
        month = day = "1"
    else:
        raise ValueError(f"{text[:80]!r} is not a bin id such as D20240215T150055_IFCB010 or IFCB5_2012_028_081515")
    leap = second == "60"
    try:
        clock = int(hour), int(minute), 59 if leap else int(second)
        time = datetime(int(year), int(month), int(day), *clock, tzinfo=UTC)
        if day_of_year:
            time += timedelta(days=int(day_of_year) - 1)
            if time.year != int(year):
                raise ValueError("no such day of the year")
        if leap:
            time += timedelta(seconds=1)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{text!r} is not a bin id: its time does not exist ({error})") from None
    return BinId(text, int(instrument), time, f"{year}/{folder}")


def as_number(instrument: Any) -> Any:
    """The number of an instrument that is written as its name, `IFCB010` or `ifcb10`; anything else as it is."""
    if isinstance(instrument, str) and (name := _INSTRUMENT.fullmatch(instrument)):
        return int(name[1])
    return instrument


def bin_timestamp(bin_id: str) -> datetime:
    """Return the time in a bin id (UTC). Raises ValueError as `parse_bin_id` does."""
    return parse_bin_id(bin_id).time


def add_target(bin_id: str, target: int) -> str:
    """Make the id of a ROI: `add_target("IFCB5_2012_028_081515", 3)` is `IFCB5_2012_028_081515_00003`.

    target: the ROI's number in its bin, from 1. Raises ValueError for another number, or if this is not a bin id.
    """
    if not 1 <= target < 10**9:
        raise ValueError(f"{target} is not the number of a ROI in bin {bin_id}: they count from 1")
    return f"{parse_bin_id(bin_id).bin}_{target:05d}"


def parse_roi_id(text: str) -> tuple[str, int]:
    """Split a ROI id, as `add_target` writes it, into bin id and target. Raises ValueError for anything else."""
    match = _TARGET.fullmatch(text)
    if match is None or int(match[2]) < 1:
        raise ValueError(f"{text[:80]!r} is not a ROI id such as D20240215T150055_IFCB010_00002")
    return parse_bin_id(match[1]).bin, int(match[2])
