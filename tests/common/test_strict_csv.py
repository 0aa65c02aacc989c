"""CSV files of other programs, as text: accepted only if they can be read in one way."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ifcb_abundance.common.strict_csv import any_formula, guarded, is_formula, number, read_columns, unguarded


def test_columns_by_name_as_text() -> None:
    body = '\ufeffa,"b ""x""",,c\r\n\r\n1," 2",x,"line\nbreak"\r\nNA,,y,\r\n'.encode()
    assert read_columns(body) == {"a": ["1", "NA"], 'b "x"': [" 2", ""], "c": ["line\nbreak", ""]}
    assert read_columns(b"a,b\n") == {"a": [], "b": []}


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "no header"),
        (b"\n\n", "no header"),
        (b"a,b\n1\n", "line 2 has 1 cell, not 2: '1'"),
        (b"a,b\n1,2\n1,2,3\n", "line 3 has 3 cells"),
        (b"a,b\n1,2,\n", "3 cells"),
        (b"a,b\n  \n", "1 cell, not 2"),
        (b"a,b,a\n", "duplicate column 'a'"),
        (b"a;b\n1;2\n", "separated by semicolons"),
        (b"a\tb\n1\t2\n", "separated by tabs"),
        (b"a,b\nx,1,5\n", r"line 2 has 3 cells, not 2: 'x,1,5'. Is 1,5 a number with a decimal comma"),
        (
            b"a,b\nx,1,y\n",
            "line 2 has 3 cells, not 2: 'x,1,y'. Text that has a comma in it needs double quotes around",
        ),
        (b'a,b\n"1."5,2\n', "line 2: "),
        (b'a,b\n"1,2\n', "unexpected end"),
        (b"a,b\n\xff,2\n", "line 2 is not in UTF-8: save the file as CSV UTF-8"),
        (b"a,b,b \n", "duplicate column 'b'"),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(body: bytes, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        read_columns(body)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_are_read_back_to_the_last_digit(value: float) -> None:
    assert number(repr(value)) == value
    assert number(f" {value:.1000g} ") == value


@pytest.mark.parametrize("text", ["1e-400", "-0", "+.5", "5.", "1E2"])
def test_spellings_of_a_number(text: str) -> None:
    assert number(text) == float(text)


@pytest.mark.parametrize(
    "text", ["", " ", "nan", "inf", "1e400", "9" * 400, "0x1", "1_0", "1,5", "1e", ".", "\u0661", "1\0", "1\n", "true"]
)
def test_what_is_no_decimal_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a number"):
        number(text)


def test_a_number_is_finite() -> None:
    assert math.isfinite(number("1.7976931348623157e308"))


@pytest.mark.parametrize("text", ["=1", "+a", "-a", "@a", " =1", "\u00a0-1", "a;=1", "a; @b", "\uff1d1"])
def test_formulas(text: str) -> None:
    assert is_formula(text)


@pytest.mark.parametrize("text", ["", "a", "a=1", "a-b", "a;b", "a, -b", "<10um", "'=1", "1-2"])
def test_no_formulas(text: str) -> None:
    assert not is_formula(text)


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        (" -", " '-"),
        ("a; @b;+c", "a; '@b;'+c"),
        ("'=1", "''=1"),
        ("\uff1d1", "'\uff1d1"),
        ("EN-1", "EN-1"),
        ("-70.5", "-70.5"),
        ("-1e-05", "-1e-05"),
        ("'-70.5", "''-70.5"),
        ("-1;-2", "'-1;'-2"),
        ("-1+1", "'-1+1"),
        ("-1\n=1", "'-1\n=1"),
        ("+1", "'+1"),
        ("it's", "it's"),
        ("'a", "'a"),
        ("", ""),
    ],
)
def test_cells_that_no_spreadsheet_runs(text: str, cell: str) -> None:
    assert guarded(text) == cell
    assert unguarded(cell) == text


@given(st.text("=+-@;' a\u00a0\uff1d", max_size=8) | st.text(max_size=20))
def test_any_text_comes_back_from_its_cell(text: str) -> None:
    assert not is_formula(guarded(text)) or re.fullmatch("-[0-9.]+", text)
    assert guarded(text) == text == unguarded(text) or any_formula(["x", text, "y"])
    assert unguarded(guarded(text)) == text
