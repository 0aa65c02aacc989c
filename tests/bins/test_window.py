"""The window: days or bins as bounds, and the months that it touches."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ifcb_abundance.bins.window import Bound, Window, month_of, months

DAYS = st.dates(date(1990, 1, 1), date(2110, 12, 31))


def window(start: str, end: str) -> Window:
    return Window(Bound.parse(start), Bound.parse(end))


@given(DAYS, st.integers(0, 900))
def test_months_tile_the_window(start: date, length: int) -> None:
    end = start + timedelta(days=length)
    chunks = months(start, end)
    days = [first + timedelta(days=n) for first, last in chunks for n in range((last - first).days + 1)]
    assert days == [start + timedelta(days=n) for n in range(length + 1)]
    named = [(first.year, first.month) for first, _ in chunks]
    assert named == [(last.year, last.month) for _, last in chunks]  # each within one month
    assert len(set(named)) == len(named)  # and each month asked for once


@pytest.mark.parametrize(
    ("start", "end", "chunks"),
    [
        ("2024-02-15", "2024-02-15", ["2024-02-15 2024-02-15"]),
        ("2024-02-15", "2024-03-01", ["2024-02-15 2024-02-29", "2024-03-01 2024-03-01"]),
        ("2023-02-15", "2023-03-01", ["2023-02-15 2023-02-28", "2023-03-01 2023-03-01"]),
        ("2024-02-29", "2024-02-29", ["2024-02-29 2024-02-29"]),
        ("2023-12-31", "2024-01-01", ["2023-12-31 2023-12-31", "2024-01-01 2024-01-01"]),
        ("9999-11-30", "9999-12-31", ["9999-11-30 9999-11-30", "9999-12-01 9999-12-31"]),
        ("2024-03-01", "2024-02-01", []),
    ],
)
def test_months_by_hand(start: str, end: str, chunks: list[str]) -> None:
    found = months(date.fromisoformat(start), date.fromisoformat(end))
    assert [f"{first} {last}" for first, last in found] == chunks


def test_the_month_of_a_day() -> None:
    assert month_of(date(2024, 2, 15)) == (date(2024, 2, 1), date(2024, 2, 29))
    assert month_of(date(2023, 12, 31)) == (date(2023, 12, 1), date(2023, 12, 31))


NEW, OLD = "D20240215T150055_IFCB010", "IFCB5_2012_028_081515"


def test_the_bins_at_the_ends_are_named_by_their_keys() -> None:
    assert list(window(NEW, "2024-02-20").bins()) == [("select.start", NEW)]
    assert list(window(OLD, NEW).bins()) == [("select.start", OLD), ("select.end", NEW)]
    assert list(Window(None, Bound.parse(OLD)).bins()) == [("select.end", OLD)]
    assert list(Window(None, None).bins()) == []


def test_a_bin_at_an_end_is_its_sample_time() -> None:
    moved = datetime(2024, 3, 1, 12, tzinfo=UTC)
    whole_day = datetime(2024, 3, 2, 23, 59, 59, 999_999, tzinfo=UTC)
    assert window(OLD, "2024-03-02").instants({OLD: moved}) == (moved, whole_day)
    assert window("2024-03-01", NEW).instants({NEW: moved}) == (datetime(2024, 3, 1, tzinfo=UTC), moved)
    assert window(OLD, "2024-03-02").instants({})[0] == datetime(2012, 1, 28, 8, 15, 15, tzinfo=UTC)
    assert Window(None, None).instants({}) == (None, None)
    assert window(NEW, NEW).instants({NEW: moved}) == (moved, moved)


def test_a_start_after_the_end_is_told_by_sample_time() -> None:
    moved = datetime(2024, 3, 1, 12, tzinfo=UTC)
    with pytest.raises(ValueError, match=rf"start: {NEW} \(2024-03-01 12:00:00 UTC\) is after select.end: 2024-02-20"):
        window(NEW, "2024-02-20").instants({NEW: moved})
    with pytest.raises(ValueError, match=r"is after select.end: IFCB5_2012_028_081515 \(2012-01-28 08:15:15 UTC"):
        window("2024-02-20", OLD).instants({})


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
