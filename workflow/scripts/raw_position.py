"""Where a raw bin was sampled, as its header says, if that can be believed.

Two pairs of keys are in use. `latitude` and `longitude` (with `depth`) are written by the software that controls the
instrument when it opens the file: they are the sample's own. `gpsLatitude` and `gpsLongitude` are the last fix of the
instrument's GPS, which may be a year old: they need the time of the fix, and it has to be of the sample's day.

Sources: WHOIGit/ifcbdb, issues 355 (PhytO-ARM writes position and depth at the initial file write) and 396 (newer
headers have gpsLatitude and gpsLongitude), whose dashboard takes either pair; nodc-sweden/ifcb-data-pipeline for
`gpsTimeFromFix`, its format, and for leaving out old fixes.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from csv_text import number
from metadata_export import LIMITS
from raw_header import Header

OWN = ("latitude", "longitude")
GPS = ("gpsLatitude", "gpsLongitude")
FIX_TIMES = ("gpsTimeFromFix", "ifcbTimeAtFix")
FORMATS = ("%b/%d/%Y %H:%M:%S", "%b/%d/%Y %H:%M:%S.%f")  # as Aug/10/2023 11:30:59.25


@dataclass(frozen=True)
class HeaderPosition:
    """latitude, longitude: degrees north and east. depth: m. None where the header has none that can be believed.

    note: why a position that is there does not count, else empty.
    """

    latitude: float | None = None
    longitude: float | None = None
    depth: float | None = None
    note: str = ""


def header_position(header: Header, sample_time: datetime) -> HeaderPosition:
    """The position in a header of a sample of that time (UTC)."""
    has_gps = any(header.setting(key) for key in GPS)
    notes = []
    for keys in (OWN, GPS):
        if not any(header.setting(key) for key in keys):
            continue
        try:
            latitude, longitude = _pair(header, keys)
            # Without a pair of its own the GPS's time is that of the other one.
            if keys is GPS or not has_gps:
                _check_fix(header, sample_time, needed=keys is GPS)
        except ValueError as error:
            notes.append(str(error))
            continue
        return HeaderPosition(latitude, longitude, _depth(header) if keys is OWN else None)
    return HeaderPosition(note="; ".join(notes))


def _pair(header: Header, keys: tuple[str, str]) -> tuple[float, float]:
    latitude, longitude = (_degrees(header, key) for key in keys)
    said = ", ".join(f"{key} {header.setting(key)[:40]!r}" for key in keys)
    if latitude is None or longitude is None:
        which = "no position" if latitude is None and longitude is None else "half a position"
        raise ValueError(f"{said}: {which}")
    if latitude == longitude == 0:
        raise ValueError(f"{said}: what a GPS without a fix writes")
    return latitude, longitude


def _degrees(header: Header, key: str) -> float | None:
    """The value in degrees, None for what is no number or nowhere on earth, such as a fill value."""
    try:
        value = number(header.setting(key))
    except ValueError:
        return None
    limit = LIMITS[key.lower().removeprefix("gps")]
    if limit == LIMITS["longitude"] and limit < value <= 2 * limit:
        value -= 2 * limit
    return value if abs(value) <= limit else None


def _depth(header: Header) -> float | None:
    try:
        depth = number(header.setting("depth"))
    except ValueError:
        return None
    return depth if depth > -9999 else None


def _check_fix(header: Header, sample_time: datetime, needed: bool) -> None:
    """Raise ValueError if the header's fix is not of the sample's UTC day; if `needed`, also without its time."""
    key = next((key for key in FIX_TIMES if header.setting(key)), None)
    if key is None:
        if needed:
            raise ValueError(f"{GPS[0]} and {GPS[1]} without the time of the fix ({FIX_TIMES[0]})")
        return
    fix = _time(header.setting(key))
    if fix is None:
        raise ValueError(f"the time of the fix cannot be read ({key} {header.setting(key)[:40]!r})")
    if fix.date() != sample_time.date():
        raise ValueError(f"the fix is of {fix:%Y-%m-%d} ({key}), not of the sample's day")


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
