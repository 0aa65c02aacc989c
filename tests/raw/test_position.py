"""Positions in headers: which ones count, and the note on those that do not."""

from datetime import UTC, datetime

import pytest

from ifcb_abundance.raw.header import read_header
from ifcb_abundance.raw.position import HeaderPosition, header_position
from tests.raw_files import keyed_header

TIME = datetime(2023, 8, 10, 11, 30, 59, tzinfo=UTC)
FIX = "Aug/10/2023 11:30:12.25 UTC"


def position(**settings: object) -> HeaderPosition:
    return header_position(read_header(keyed_header(runTime=1200, **settings), "x.hdr"), TIME)


def gps(latitude: object = 57.5, longitude: object = 11.25, fix: str = FIX) -> HeaderPosition:
    return position(gpsLatitude=latitude, gpsLongitude=longitude, gpsTimeFromFix=fix)


def test_a_header_without_a_position() -> None:
    assert position() == position(GPSFeed=0, latitude="", gpsLongitude="") == HeaderPosition()


def test_the_sample_s_own_position_and_depth() -> None:
    assert position(latitude=57.5, longitude=-11.25, depth=4.5) == HeaderPosition(57.5, -11.25, 4.5)
    assert position(Latitude=57.5, LONGITUDE=348.75) == HeaderPosition(57.5, -11.25)
    assert position(latitude=57.5, longitude=11.25, depth="deep") == HeaderPosition(57.5, 11.25)
    assert position(latitude=57.5, longitude=11.25, depth=-999) == HeaderPosition(57.5, 11.25)
    assert position(latitude=0, longitude=11.25) == HeaderPosition(0, 11.25)  # on the equator


@pytest.mark.parametrize(
    "fix",
    [
        FIX,
        "Aug/10/2023 00:00:00",
        "Aug/10/2023 23:59:59.999999",
        "2023-08-10T11:30:12Z",
        "2023-08-10 11:30:12",
        "2023-08-11T01:30:12+02:00",  # 23:30 UTC
    ],
)
def test_a_fix_of_the_sample_s_day(fix: str) -> None:
    assert gps(fix=fix) == HeaderPosition(57.5, 11.25)
    assert position(gpsLatitude=57.5, gpsLongitude=11.25, ifcbTimeAtFix=fix) == HeaderPosition(57.5, 11.25)


@pytest.mark.parametrize(
    ("fix", "said"),
    [
        ("Oct/21/2022 09:12:13 UTC", "the fix is of 2022-10-21 (gpsTimeFromFix), not of the sample's day"),
        ("Aug/09/2023 23:59:59", "the fix is of 2023-08-09"),
        ("2023-08-10T00:30:00+02:00", "the fix is of 2023-08-09"),
        ("Aug/11/2023 00:00:00", "the fix is of 2023-08-11"),
        ("10/08/2023 11:30:12", "the time of the fix cannot be read (gpsTimeFromFix '10/08/2023 11:30:12')"),
        ("None", "the time of the fix cannot be read"),
        ("", "without the time of the fix (gpsTimeFromFix)"),
        ("0001-01-01T00:00:00+12:00", "the time of the fix cannot be read"),
    ],
)
def test_a_fix_of_another_day_or_of_none_does_not_count(fix: str, said: str) -> None:
    found = gps(fix=fix)
    assert (found.latitude, found.longitude, found.depth) == (None, None, None)
    assert said in found.note


@pytest.mark.parametrize(
    ("latitude", "longitude", "expected"),
    [
        (57.5, "", (57.5, None)),  # half a position, as in any list of bins: what becomes of it is said elsewhere
        ("", 11.25, (None, 11.25)),
        (57.5, "nan", (57.5, None)),
        (57.5, -999, (57.5, None)),
        (-999, -999, (None, None)),
        (90.5, 11.25, (None, 11.25)),
        (57.5, 180.5, (57.5, -179.5)),
        (57.5, 360.5, (57.5, None)),
        (0, "-0.0", (0, 0)),
    ],
)
def test_what_is_half_or_nowhere_on_earth(latitude: object, longitude: object, expected: tuple[object, object]) -> None:
    for found in (gps(latitude, longitude), position(latitude=latitude, longitude=longitude)):
        assert (found.latitude, found.longitude, found.note) == (*expected, "")


def test_of_two_positions_the_sample_s_own_counts() -> None:
    both = {"gpsLatitude": 1, "gpsLongitude": 2, "gpsTimeFromFix": "Oct/21/2022 09:12:13"}
    assert position(latitude=57.5, longitude=11.25, **both) == HeaderPosition(57.5, 11.25)
    fresh = {**both, "gpsTimeFromFix": FIX}
    assert position(latitude=57.5, **fresh) == HeaderPosition(1, 2)  # the other one is half a position
    assert position(latitude=57.5, gpsLongitude=2) == HeaderPosition(57.5)  # of two halves no whole is made
    # Without a pair of its own the fix is that of the other one.
    stale = position(latitude=57.5, longitude=11.25, gpsTimeFromFix="Oct/21/2022 09:12:13")
    assert (stale.latitude, stale.longitude) == (None, None)
    assert "the fix is of 2022-10-21" in stale.note


def test_a_good_fix_counts_where_the_sample_s_own_is_zero() -> None:
    zero = {"latitude": 0.0, "longitude": "-0.0"}
    fix = {"gpsLatitude": 58.25, "gpsLongitude": 11.44, "gpsTimeFromFix": FIX}
    assert position(**zero, **fix) == HeaderPosition(58.25, 11.44)
    assert position(**zero, **fix, depth=4) == HeaderPosition(58.25, 11.44, 4)
    stale = {**fix, "gpsTimeFromFix": "Oct/21/2022 09:12:13"}
    assert position(**zero, **stale, depth=4) == HeaderPosition(0, 0, 4)
    assert position(**zero, gpsLatitude=58.25, gpsTimeFromFix=FIX) == HeaderPosition(0, 0)
