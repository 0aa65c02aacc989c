"""When people gave labels: times in one form that sorts, and no guess where the order cannot be told."""

import re
from datetime import UTC, datetime

import pandas as pd

from ifcb_abundance.common.errors import TableError, quoted
from ifcb_abundance.common.words import counted

# Only with the year first: 9/10/2024 is in September or in October.
_TIME = re.compile(
    r"(\d{4})([-/.]?)(\d\d)\2(\d\d)(?:[T ](\d\d):?(\d\d)(?::?(\d\d(?:[.,]\d+)?))?\s*(Z|UTC|GMT|[+-]\d\d(?::?\d\d)?)?)?",
    re.ASCII,
)


def as_utc(text: str) -> str | None:
    """The time, or the day alone, as ISO 8601 in UTC, where it can be read without doubt. Without a zone it is UTC.

    Sorted as texts they are in the order of time: a fraction of a second, if there is one, sorts behind `+`.
    """
    parts = _TIME.fullmatch(text.strip())
    if not parts:
        return None
    year, _, month, day, hour, minute, second, zone = parts.groups()
    zone = "+00:00" if zone in (None, "Z", "UTC", "GMT") else zone
    try:
        time = datetime.fromisoformat(f"{year}-{month}-{day}T{hour or '00'}:{minute or '00'}:{second or '00'}{zone}")
        return time.astimezone(UTC).isoformat() if hour else time.date().isoformat()
    except (ValueError, OverflowError):
        return None


def check_order(labels: pd.DataFrame, repeat: str) -> None:
    """Check that it can be told which label of a person who gave a ROI several ones is the first.

    labels: columns file, roi, label, person, created, as of `labels.read_labels`. repeat: as of `consensus.Rules`.
    Raises TableError, naming the file, where the order matters and a time cannot be read, or is a day alone beside a
    time of day. Labels that all are without a time are in the order of their file.
    """
    named = labels[labels["person"] != ""]
    if repeat == "all" or named.empty:
        return
    of_person = ["roi", "person"]
    differ = (named.groupby(of_person)[["label", "created"]].transform("nunique") > 1).all(axis=1)
    several = named[differ]
    times = several["created"].map(as_utc)
    has_hour = times.str.contains("T", na=False)
    beside_hour = has_hour.groupby([several[key] for key in of_person]).transform("any")
    unread = several[times.isna() | (beside_hour & ~has_hour)]
    if unread.empty:
        return
    first = unread.iloc[0]
    own = several[(several[of_person] == first[of_person]).all(axis=1)]
    n = len(unread.drop_duplicates(of_person))
    raise TableError(
        f"{first['file']}: {first['person']!r} labelled {first['roi']} as {quoted(own['label'].unique()[:3])}, and "
        f"{quoted(own['created'].unique()[:3])} do not say which was first ({counted(n, 'ROI')} in all). Write times "
        "as 2024-10-09T13:45:00Z, or set validation.repeat: all"
    )
