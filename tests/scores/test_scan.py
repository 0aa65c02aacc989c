"""Class scores of which only those that may win are read: the winners are those that the parser finds."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ifcb_abundance.common.errors import ScoresError
from ifcb_abundance.scores import scan
from ifcb_abundance.scores.scan import scan_scores
from ifcb_abundance.scores.score_csv import read_csv
from ifcb_abundance.scores.summary import best_scores

BIN = "D20240401T010000_IFCB010"


def body(*rows: str, classes: str = "A,B,C") -> bytes:
    return "".join(f"{row}\n" for row in (f"pid,{classes}", *rows)).encode()


def row(scores: str, roi: str = "00002", quote: str = "") -> str:
    return f"{quote}{BIN}_{roi}{quote},{scores}"


@pytest.mark.parametrize(
    ("scores", "may_win"),
    [
        ("0.25,6e-08,0.75", [0, 0, 0.75]),
        ("0.25,5.960464477539063e-08,0.74951171875", [0, 0, 0.74951171875]),
        ("0,1,0", [0, 1, 0]),
        ("1.0,0.98,0.9999", [1.0, 0, 0.9999]),  # the last is 1 in float16
        ("0.1,0.0999999,0.01", [0.1, 0.0999999, 0]),
        ("0.5,0.499,0.5", [0.5, 0.499, 0.5]),
        ("0.9,9.9e-05,9e-05", [0.9, 0, 0]),
        ("0.019,0.0185,1e-05", [0.019, 0.0185, 1e-05]),  # all are far from 1
        ("0.0,0.0,0.0", [0, 0, 0]),
        ("5e-06,4e-07,0", [5e-06, 4e-07, 0]),
    ],
)
@pytest.mark.parametrize("quote", ["", '"'])
def test_scores_that_may_win_are_read(scores: str, may_win: list[float], quote: str) -> None:
    clear = [row("0.0,0.875,0.0", f"{roi:05}", quote) for roi in range(100, 120)]
    found = scan_scores(BIN, body(*clear, row(scores, "00007", quote)), 3)
    assert found
    rois, read = found
    assert rois.tolist() == [*range(100, 120), 7]
    assert read[-1].tolist() == may_win
    assert read[:-1].tolist() == [[0, 0.875, 0]] * 20


@pytest.mark.parametrize("roi", ["1", "00001", "123456789"])
def test_numbers_of_rois_may_have_any_width(roi: str) -> None:
    found = scan_scores(BIN, body(row("0.5,0.25,0.25", roi), row("0.5,0.25,0.25", "31")), 3)
    assert found
    assert found[0].tolist() == [int(roi), 31]


ODD = {
    "a missing score": row("0.5,,0.25"),
    "a missing score at the end": row("0.5,0.25,"),
    "a score that is no number": row("0.5,NaN,0.25"),
    "a large exponent": row("1e-1,0.25,0.5"),
    "a large exponent with a point": row("0.5,9.9e-02,0.25"),
    "an exponent without a sign": row("0.5,1e05,0.25"),
    "two exponents": row("0.5,1e-05e-05,0.25"),
    "an exponent of one digit": row("0.5,1e-5,0.25"),
    "an exponent of one digit at the end": row("0.5,0.25,1e-5"),
    "an exponent without digits at the end": row("0.5,0.25,1e-"),
    "an exponent of three digits": row("0.5,1e-100,0.25"),
    "an exponent alone": row("0.5,e-05,0.25"),
    "a capital E": row("0.5,1E-05,0.25"),
    "a plus": row("0.5,+0.25,0.25"),
    "a minus": row("0.5,-0.25,0.25"),
    "a minus within": row("0.5,0.2-5,0.25"),
    "a blank": row("0.5, 0.25,0.25"),
    "no digit before the point": row("0.5,.25,0.25"),
    "no digit behind the point": row("0.5,0.,0.25"),
    "no digit behind the point at the end": row("0.5,0.25,0."),
    "two points": row("0.5,0.2.5,0.25"),
    "two points together": row("0.5,0..5,0.25"),
    "a leading zero": row("0.5,00.25,0.25"),
    "an underscore": row("0.5,0.2_5,0.25"),
    "a quote": row('"0.5",0.25,0.25'),
    "more than 1": row("1.5,0.25,0.25"),
    "many times 1": row("0.5,12,0.25"),
    "a cell too many": row("0.5,0.25,0.25,0.125"),
    "a cell too few": row("0.5,0.25"),
    "a line break in place of a comma": row("0.5\n0.25,0.25"),
    "a comma in place of a line break": row("0.5,0.25,0.25," + row("0.5,0.25,0.25", "00004")),
    "the line break of Windows": row("0.5,0.25,0.25\r"),
    "another bin": row("0.5,0.25,0.25").replace("T01", "T02"),
    "no number of a ROI": row("0.5,0.25,0.25", ""),
    "letters in the number of a ROI": row("0.5,0.25,0.25", "0a"),
    "an exponent in the number of a ROI": row("0.5,0.25,0.25", "1e-05"),
    "a point in the number of a ROI": row("0.5,0.25,0.25", "1.5"),
    "a ROI with a large number": row("0.5,0.25,0.25", "1234567890"),
    "a ROI in quotes": row("0.5,0.25,0.25", quote='"'),
    "half a quote": row("0.5,0.25,0.25", "00001").replace(BIN, f'"{BIN}'),
    "a duplicate ROI": row("0.5,0.25,0.25", "1"),
    "an empty line": "",
    "another letter": row("0.5,0.25,0.25\N{FULLWIDTH DIGIT ONE}"),
}


@pytest.mark.parametrize("place", ["first", "last"])
@pytest.mark.parametrize("what", ODD)
def test_what_has_not_the_usual_form_is_left_to_the_parser(what: str, place: str) -> None:
    usual = [row("0.5,0.25,0.25", "00001"), row("0.5,1e-05,0.25", "00003")]
    rows = [ODD[what], *usual] if place == "first" else [*usual, ODD[what]]
    assert scan_scores(BIN, body(*usual), 3)
    assert scan_scores(BIN, body(*rows), 3) is None


def test_many_lines_without_a_clear_winner_are_left_to_the_parser() -> None:
    lines = [row("0.011,0.012,0.013", f"{roi}") for roi in range(1, 4)]
    lines += [row("0.5,0.25,0.25", f"{roi}") for roi in range(4, 24)]
    assert scan_scores(BIN, body(*lines), 3) is None
    assert scan_scores(BIN, body(*lines[1:]), 3)


def near(score: float, steps: int) -> float:
    """A neighbour in float16, and one in float64 beside it."""
    moved = np.float16(score)
    for _ in range(abs(steps)):
        moved = np.nextafter(moved, np.float16(2 if steps > 0 else 0))
    return min(1.0, max(0.0, float(moved) * (1 - 1e-9 * (steps % 3))))


WRITTEN: tuple[Callable[[float], str], ...] = (
    repr,
    lambda score: str(np.float16(score)),
    lambda score: repr(float(np.float16(score))),
    lambda score: f"{score:.4f}",
    lambda score: f"{score:.2e}",
    lambda score: f"{score:g}",
    lambda score: str(round(score)),
)


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """Class scores in one or several ways of writing, often nearly equal, and perhaps with a few bytes changed."""
    n_classes, quote = draw(st.integers(1, 5)), draw(st.sampled_from(["", '"']))
    ways = draw(st.lists(st.sampled_from(WRITTEN), min_size=1, max_size=3))
    lines = ["pid," + ",".join(f"C{i}" for i in range(n_classes))]
    for roi in range(1, draw(st.integers(1, 12)) + 1):
        base = draw(st.floats(0, 1) | st.sampled_from([0.0, 1e-5, 0.01, 0.02, 0.1, 0.5, 1.0]))
        others = st.floats(0, 1) | st.integers(-3, 3).map(lambda steps, base=base: near(base, steps))  # type: ignore[misc]
        scores = draw(st.lists(others, min_size=n_classes, max_size=n_classes))
        cells = [draw(st.sampled_from(ways))(score) for score in scores]
        lines.append(f"{quote}{BIN}_{roi:05}{quote}," + ",".join(cells))
    text = bytearray("".join(f"{line}\n" for line in lines).encode())
    first = len(lines[0]) + 1
    for _ in range(draw(st.integers(0, 2))):
        at, byte = draw(st.integers(first, len(text) - 1)), draw(st.sampled_from(b'0129.,e-+\n\r "ENa_'))
        text[at : at + draw(st.integers(0, 1))] = bytes([byte]) if draw(st.booleans()) else b""
    return bytes(text)


def outcome(text: bytes, every_score: bool) -> object:
    try:
        classes, rois, scores = read_csv(BIN, text, every_score)
    except ScoresError as error:
        return str(error)
    top, winner = best_scores(scores)
    numbers = [int(roi) for roi in (rois.tolist() if isinstance(rois, np.ndarray) else rois.to_pylist())]
    return classes, numbers, top.tolist(), {precision: each.tolist() for precision, each in winner.items()}


@given(bodies())
def test_winners_are_those_of_the_parser(text: bytes) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scan, "UNCLEAR", 1)  # lines without a clear winner are all read
        assert outcome(text, every_score=False) == outcome(text, every_score=True)
