"""Bin ids in both styles, and what an id says by itself: instrument, time and folder."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

# One expression for both styles, so that it can serve as a wildcard constraint (no capturing groups).
# [0-9] and not \d, which is any script's digits.
PATTERN = "D[0-9]{8}T[0-9]{6}_IFCB[0-9]{1,5}|IFCB[0-9]{1,5}_[0-9]{4}_[0-9]{3}_[0-9]{6}"

_NEW = re.compile("(D[0-9]{8})T[0-9]{6}_IFCB([0-9]{1,5})")
_OLD = re.compile("(IFCB([0-9]{1,5})_[0-9]{4}_[0-9]{3})_[0-9]{6}")


@dataclass(frozen=True)
class BinId:
    """A bin id taken apart.

    `time` is the time in the id (UTC). It names the bin; the time of the sample is the catalog's
    `sample_time`, which an operator may have corrected by minutes or days.
    """

    bin: str
    instrument: int
    time: datetime
    folder: str  # of its products, as archives are laid out: `2024/D20240215`, `2012/IFCB5_2012_028`


def parse_bin_id(text: str) -> BinId:
    """Take apart a bin id, `D20240215T150055_IFCB010` or the old `IFCB5_2012_028_081515`.

    Raises ValueError for anything else, impossible dates and times included, so that an id that was
    parsed is safe as a file name and in an address.
    """
    if match := _NEW.fullmatch(text):
        written, form = text.split("_")[0], "D%Y%m%dT%H%M%S"
    elif match := _OLD.fullmatch(text):
        written, form = text.split("_", 1)[1], "%Y_%j_%H%M%S"
    else:
        raise ValueError(f"{text[:80]!r} is not a bin id such as D20240215T150055_IFCB010 or IFCB5_2012_028_081515")
    try:
        time = datetime.strptime(written, form).replace(tzinfo=UTC)
        if "%j" in form and time.timetuple().tm_yday != int(written[5:8]):  # strptime takes day 366 of any year
            raise ValueError("no such day of the year")
    except ValueError as error:
        raise ValueError(f"{text!r} is not a bin id: its time does not exist ({error})") from None
    return BinId(text, int(match[2]), time, f"{time.year:04d}/{match[1]}")
