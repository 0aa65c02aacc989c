"""Bin ids: both styles round trip, and anything else is refused, such as a time that does not exist."""

import calendar
import re
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ifcb_abundance.bins.ids import PATTERN, add_target, bin_timestamp, parse_bin_id, parse_roi_id

TIMES = st.datetimes(datetime(1900, 1, 1), datetime(2199, 12, 31, 23, 59, 59)).map(lambda t: t.replace(microsecond=0))
INSTRUMENTS = st.integers(0, 99_999)


@given(TIMES, INSTRUMENTS, st.integers(1, 5))
def test_new_style_round_trip(time: datetime, instrument: int, digits: int) -> None:
    day = f"D{time.year:04d}{time.month:02d}{time.day:02d}"
    text = f"{day}T{time.hour:02d}{time.minute:02d}{time.second:02d}_IFCB{instrument:0{digits}d}"
    parsed = parse_bin_id(text)
    assert (parsed.bin, parsed.instrument, parsed.time) == (text, instrument, time.replace(tzinfo=UTC))
    assert parsed.folder == f"{time.year:04d}/{day}"
    assert re.fullmatch(PATTERN, text)


@given(TIMES, INSTRUMENTS)
def test_old_style_round_trip(time: datetime, instrument: int) -> None:
    day_of_year = (time.date() - date(time.year, 1, 1)).days + 1
    day = f"IFCB{instrument}_{time.year:04d}_{day_of_year:03d}"
    text = f"{day}_{time.hour:02d}{time.minute:02d}{time.second:02d}"
    parsed = parse_bin_id(text)
    assert (parsed.bin, parsed.instrument, parsed.time) == (text, instrument, time.replace(tzinfo=UTC))
    assert parsed.folder == f"{time.year:04d}/{day}"
    assert re.fullmatch(PATTERN, text)


@pytest.mark.parametrize(
    ("text", "instrument", "time", "folder"),
    [
        ("D20240215T150055_IFCB010", 10, datetime(2024, 2, 15, 15, 0, 55, tzinfo=UTC), "2024/D20240215"),
        ("IFCB5_2012_028_081515", 5, datetime(2012, 1, 28, 8, 15, 15, tzinfo=UTC), "2012/IFCB5_2012_028"),
        ("IFCB5_2012_366_235959", 5, datetime(2012, 12, 31, 23, 59, 59, tzinfo=UTC), "2012/IFCB5_2012_366"),
        # The leap seconds of 2016 and 2012: in the folder of the day in the id, as archives have them.
        ("D20161231T235960_IFCB010", 10, datetime(2017, 1, 1, tzinfo=UTC), "2016/D20161231"),
        ("IFCB5_2012_182_235960", 5, datetime(2012, 7, 1, tzinfo=UTC), "2012/IFCB5_2012_182"),
    ],
)
def test_ids_by_hand(text: str, instrument: int, time: datetime, folder: str) -> None:
    parsed = parse_bin_id(text)
    assert (parsed.instrument, parsed.time, parsed.folder) == (instrument, time, folder)


@given(st.tuples(*(st.integers(0, n) for n in (9999, 14, 33, 25, 61, 61))))
def test_new_style_takes_exactly_the_times_that_exist(parts: tuple[int, ...]) -> None:
    text = "D{:04d}{:02d}{:02d}T{:02d}{:02d}{:02d}_IFCB010".format(*parts)
    *minute, second = parts
    try:
        time = datetime(*minute, tzinfo=UTC) + timedelta(seconds=second)
        if second > 60:
            raise ValueError
    except (ValueError, OverflowError):
        with pytest.raises(ValueError, match=text):
            parse_bin_id(text)
    else:
        assert parse_bin_id(text).time == time


@pytest.mark.parametrize("year", [1900, 2000, 2011, 2012, 2013, 2100, 9999])
def test_old_style_takes_exactly_the_days_of_the_year(year: int) -> None:
    taken = []
    for day in range(1000):
        try:
            taken.append((day, parse_bin_id(f"IFCB5_{year}_{day:03d}_081515").time.timetuple().tm_yday))
        except ValueError:
            continue
    days = 366 if calendar.isleap(year) else 365
    assert taken == [(day, day) for day in range(1, days + 1)]


@pytest.mark.parametrize(
    "text",
    [
        *"FCB1_2006_157_181359 IFCB1_2006_157_18135 IFCB_2006_157_181359 IFCB123456_2006_157_181359".split(),
        *"ifcb1_2006_157_181359 IFCB1_2006_157_236061 D20240215T150055 D20240215T150055_IFCB".split(),
        *"D20240215T150055_IFCB123456 D20240215T150055_IFCB010_00002 xD20240215T150055_IFCB010".split(),
        *"D20240230T000000_IFCB010 D20230229T000000_IFCB010 D20240215T240000_IFCB010".split(),
        *"../D20240215T150055_IFCB010 D20240215T150055_IFCB010/../../etc/passwd D20240215T150055_IFCB010?v=1".split(),
        *("", "D20240215 150055_IFCB010", " D20240215T150055_IFCB010", "D20240215T150055_IFCB010\n"),
        *("\nIFCB5_2012_028_081515", "IFCB5_2012_028_081515\r\n", "D20240215T150055_IFCB010\0"),
        "D20240215T150055_IFCB\u0660\u0661\u0660",  # Arabic digits
        "D２０２４0215T150055_IFCB010",  # noqa: RUF001  full-width digits
        *("D" * 5000, "D20240215T150055_IFCB" + "1" * 5000),
    ],
)
def test_decoys_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a bin id") as refused:
        parse_bin_id(text)
    assert len(str(refused.value)) < 400
    assert not re.fullmatch(PATTERN, text) or text.isascii()


@given(st.one_of(st.text(), st.from_regex(PATTERN), st.from_regex(PATTERN, fullmatch=True)))
def test_what_is_taken_is_safe_as_a_name(text: str) -> None:
    try:
        parsed = parse_bin_id(text)
    except ValueError:
        return
    assert re.fullmatch("[DIFCBT0-9_]+", parsed.bin)
    assert re.fullmatch("[0-9]{4}/[DIFCB0-9_]+", parsed.folder)


@pytest.mark.parametrize("text", ["D20240215T150055_IFCB\u0660\u0661\u0660", "IFCB5_2012_\u0660\u0662\u0668_081515"])
def test_a_wildcard_takes_no_other_digits_than_an_id(text: str) -> None:
    assert not re.fullmatch(PATTERN, text)


# --- ROIs ---


@pytest.mark.parametrize(
    ("bin_id", "target", "text"),
    [
        ("D20240215T150055_IFCB010", 2, "D20240215T150055_IFCB010_00002"),
        ("IFCB5_2012_028_081515", 3, "IFCB5_2012_028_081515_00003"),
        ("IFCB5_2012_028_081515", 99_999, "IFCB5_2012_028_081515_99999"),
        ("IFCB5_2012_028_081515", 123_456, "IFCB5_2012_028_081515_123456"),
    ],
)
def test_roi_ids_by_hand(bin_id: str, target: int, text: str) -> None:
    assert add_target(bin_id, target) == text
    assert parse_roi_id(text) == (bin_id, target)


@given(TIMES, INSTRUMENTS, st.integers(1, 10**9 - 1), st.booleans())
def test_roi_ids_round_trip(time: datetime, instrument: int, target: int, old: bool) -> None:
    bin_id = f"IFCB{instrument}_{time:%Y_%j_%H%M%S}" if old else f"D{time:%Y%m%dT%H%M%S}_IFCB{instrument:03d}"
    assert parse_roi_id(add_target(bin_id, target)) == (bin_id, target)
    assert bin_timestamp(bin_id) == time.replace(tzinfo=UTC)
    assert parse_bin_id(bin_id).old_style == old


@pytest.mark.parametrize(
    "text",
    [
        *"D20240215T150055_IFCB010 IFCB5_2012_028_081515 D20240215T150055_IFCB010_ D20240215T150055_IFCB010_2".split(),
        *"D20240215T150055_IFCB010_0002 D20240215T150055_IFCB010_000002 D20240215T150055_IFCB010_00000".split(),
        *"D20240215T150055_IFCB010_-0002 D20240230T150055_IFCB010_00002 _00002 x_00002".split(),
        *("D20240215T150055_IFCB010_00002\n", "D20240215T150055_IFCB010_00002.png", "D20240215T150055_IFCB010\n_00002"),
        *("D20240215T150055_IFCB010_\u0660\u0660\u0660\u0660\u0662", "D20240215T150055_IFCB010_1" + "0" * 5000),
    ],
)
def test_what_is_no_roi_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a (ROI|bin) id"):
        parse_roi_id(text)


@pytest.mark.parametrize("target", [0, -1, 10**9])
def test_what_is_no_target_is_refused(target: int) -> None:
    with pytest.raises(ValueError, match="is not the number of a ROI"):
        add_target("IFCB5_2012_028_081515", target)
    with pytest.raises(ValueError, match="is not a bin id"):
        add_target("IFCB5", 1)
