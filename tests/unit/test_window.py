"""The window: days or bins as bounds, and the months it touches."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from window import Bound, Window

DAYS = st.dates(date(1990, 1, 1), date(2110, 12, 31))


def window(start: str, end: str) -> Window:
    return Window(Bound.parse(start), Bound.parse(end))


@given(DAYS, st.integers(0, 900))
def test_months_tile_the_window(start: date, length: int) -> None:
    end = start + timedelta(days=length)
    chunks = window(start.isoformat(), end.isoformat()).months()
    days = [first + timedelta(days=n) for first, last in chunks for n in range((last - first).days + 1)]
    assert days == [start + timedelta(days=n) for n in range(length + 1)]
    months = [(first.year, first.month) for first, _ in chunks]
    assert months == [(last.year, last.month) for _, last in chunks]  # each within one month
    assert len(set(months)) == len(months)  # and each month asked for once


@pytest.mark.parametrize(
    ("start", "end", "months"),
    [
        ("2024-02-15", "2024-02-15", ["2024-02-15 2024-02-15"]),
        ("2024-02-15", "2024-03-01", ["2024-02-15 2024-02-29", "2024-03-01 2024-03-01"]),
        ("2023-02-15", "2023-03-01", ["2023-02-15 2023-02-28", "2023-03-01 2023-03-01"]),
        ("2024-02-29", "2024-02-29", ["2024-02-29 2024-02-29"]),
        ("2023-12-31", "2024-01-01", ["2023-12-31 2023-12-31", "2024-01-01 2024-01-01"]),
        # A bin widens to the whole month: its sample_time may be on another day than its id's.
        ("D20240215T150055_IFCB010", "2024-02-20", ["2024-02-01 2024-02-20"]),
        ("2024-02-10", "D20240215T150055_IFCB010", ["2024-02-10 2024-02-29"]),
        ("IFCB5_2012_028_081515", "IFCB5_2012_060_081515", ["2012-01-01 2012-01-31", "2012-02-01 2012-02-29"]),
        ("D20240229T000000_IFCB010", "D20240229T000000_IFCB010", ["2024-02-01 2024-02-29"]),
        ("9999-11-30", "9999-12-31", ["9999-11-30 9999-11-30", "9999-12-01 9999-12-31"]),
    ],
)
def test_months_by_hand(start: str, end: str, months: list[str]) -> None:
    assert [f"{first} {last}" for first, last in window(start, end).months()] == months


def test_an_end_before_the_start_has_no_months() -> None:
    assert window("2024-03-01", "2024-02-01").months() == []


@pytest.mark.parametrize("bounds", [(None, None), (Bound.parse("2024-02-15"), None), (None, Bound.parse("2024-02-15"))])
def test_an_open_window_has_no_list_of_months(bounds: tuple[Bound | None, Bound | None]) -> None:
    with pytest.raises(ValueError, match="open window"):
        Window(*bounds).months()


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2024-02-29", datetime(2024, 2, 29), datetime(2024, 2, 29, 23, 59, 59, 999_999)),
        ("D20240215T150055_IFCB010", datetime(2024, 2, 15, 15, 0, 55), datetime(2024, 2, 15, 15, 0, 55)),
        ("IFCB5_2012_028_081515", datetime(2012, 1, 28, 8, 15, 15), datetime(2012, 1, 28, 8, 15, 15)),
    ],
)
def test_bounds(text: str, first: datetime, last: datetime) -> None:
    bound = Bound.parse(text)
    assert str(bound) == text
    assert bound.day == first.date()
    assert (bound.first_instant, bound.last_instant) == (first.replace(tzinfo=UTC), last.replace(tzinfo=UTC))


@pytest.mark.parametrize(
    "text",
    "|2024|2024-2-1|20240215|2024-02-30|2023-02-29|2024-02-15T00:00:00|15.02.2024|2024/02/15|2024-W07-4|2024-02-15 |"
    "2024-02-15\n|yesterday|FCB1_2006_157_181359|D20240230T000000_IFCB010".split("|"),
)
def test_other_bounds_are_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  the message is the config's business
        Bound.parse(text)
