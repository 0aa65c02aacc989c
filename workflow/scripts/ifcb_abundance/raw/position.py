"""Reads from its header where a raw bin was sampled, if that is credible.

Two pairs of keys are in use. `latitude` and `longitude` (with `depth`) are written by the software that controls the
instrument when it opens the file: they are the sample's own. `gpsLatitude` and `gpsLongitude` are the last fix of the
instrument's GPS, which may be a year old: they need the time of the fix, and it has to be of the sample's day.

Sources: WHOIGit/ifcbdb, issues 355 (PhytO-ARM writes position and depth at the initial file write) and 396 (newer
headers have gpsLatitude and gpsLongitude), whose dashboard takes either pair; nodc-sweden/ifcb-data-pipeline for
`gpsTimeFromFix`, its format, and for ignoring old fixes.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from ifcb_abundance.bins.positions import LIMITS
from ifcb_abundance.common.strict_csv import number
from ifcb_abundance.raw.header import Header

OWN = ("latitude", "longitude")
GPS = ("gpsLatitude", "gpsLongitude")
FIX_TIMES = ("gpsTimeFromFix", "ifcbTimeAtFix")
FORMATS = ("%b/%d/%Y %H:%M:%S", "%b/%d/%Y %H:%M:%S.%f")  # as Aug/10/2023 11:30:59.25


@dataclass(frozen=True)
class HeaderPosition:
    """latitude, longitude: degrees north and east. depth: m. None for what the header lacks or what is illegible.

    It may be half a position, or 0, 0, as in any list of bins. note: why the header's position does not count, else
    empty.
    """

    latitude: float | None = None
    longitude: float | None = None
    depth: float | None = None
    note: str = ""


def header_position(header: Header, sample_time: datetime) -> HeaderPosition:
    """Return the position in the header of a sample of that time (UTC).

    A header may have two: the more complete one counts, or else the sample's own. If that is 0, 0, which is none as a
    rule, a fix of the sample's day counts. The depth is the sample's own.
    """
    pairs = {keys: [_degrees(header, key) for key in keys] for keys in (OWN, GPS)}
    keys = min(pairs, key=lambda keys: pairs[keys].count(None))
    if pairs[OWN] == [0, 0] and None not in pairs[GPS] and not fault_of_fix(header, sample_time, needed=True):
        latitude, longitude = pairs[GPS]
        return HeaderPosition(latitude, longitude, _depth(header))
    latitude, longitude = pairs[keys]
    if latitude is None and longitude is None:
        return HeaderPosition()
    # If the header has no GPS position, the time of a fix belongs to the other one.
    if (keys is GPS or not any(map(header.setting, GPS))) and (note := fault_of_fix(header, sample_time, keys is GPS)):
        return HeaderPosition(note=note)
    return HeaderPosition(latitude, longitude, _depth(header) if keys is OWN else None)


def _degrees(header: Header, key: str) -> float | None:
    """The value in degrees; None if it is no number or not on earth, such as a fill value."""
    try:
        value = number(header.setting(key))
    except ValueError:
        return None
    if key in (OWN[1], GPS[1]) and 180 < value <= 360:
        value -= 360
    lowest, highest = LIMITS["longitude" if key in (OWN[1], GPS[1]) else "latitude"]
    return value if lowest <= value <= highest else None


def _depth(header: Header) -> float | None:
    try:
        depth = number(header.setting("depth"))
    except ValueError:
        return None
    lowest, highest = LIMITS["depth"]
    return depth if lowest <= depth <= highest else None


def fault_of_fix(header: Header, sample_time: datetime, needed: bool) -> str:
    """Why the header's fix is not known to be of the sample's UTC day, else empty. needed: its time has to be there."""
    key = next((key for key in FIX_TIMES if header.setting(key)), None)
    if key is None:
        return f"{GPS[0]} and {GPS[1]} without the time of the fix ({FIX_TIMES[0]})" if needed else ""
    fix = _time(header.setting(key))
    if fix is None:
        return f"the time of the fix cannot be read ({key} {header.setting(key)[:40]!r})"
    return "" if fix.date() == sample_time.date() else f"the fix is of {fix:%Y-%m-%d} ({key}), not of the sample's day"


def _time(text: str) -> datetime | None:
    """The time (UTC), None if it cannot be read."""
    bare = re.sub(" *(UTC|GMT)$", "", text.strip())
    try:
        time = datetime.fromisoformat(bare)
    except ValueError:
        for form in FORMATS:
            try:
                return datetime.strptime(bare, form).replace(tzinfo=UTC)
            except ValueError:
                continue
        return None
    try:
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except OverflowError:
        return None
