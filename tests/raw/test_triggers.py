"""The `.adc` in both layouts, line by line, with every irregularity."""

import tracemalloc
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ifcb_abundance.common.errors import RawFileError
from ifcb_abundance.raw.triggers import LARGEST, MOST_LINES, Roi, read_triggers
from tests.raw_files import ADC_COLUMNS, NEW, OLD, adc, new_line, old_line

RAW = Path(__file__).parents[2].parent / "shared" / "data" / "raw"
shared = pytest.mark.skipif(not RAW.exists(), reason=f"no shared data in {RAW}")
BOX = (202, 673, 96, 45)


def test_old_layout() -> None:
    table = read_triggers(
        OLD, adc(old_line(7, 1.5, 1.75, BOX, 4321), old_line(8, 2, 2.25, (-11, -11, 0, 0), 71082)), "a"
    )
    assert table.rows.to_dict("records") == [
        {"roi_number": 1, "trigger": 7, "x": 202, "y": 673, "width": 96, "height": 45, "offset": 4321}
        | {"trigger_open_time": 1.5, "frame_grab_time": 1.75},
        {"roi_number": 2, "trigger": 8, "x": -11, "y": -11, "width": 0, "height": 0, "offset": 71082}
        | {"trigger_open_time": 2.0, "frame_grab_time": 2.25},
    ]
    assert table.rois == {1: Roi(1, 7, 202, 673, 96, 45, 4321)}
    assert table.malformed.count == 0


def test_new_layout() -> None:
    table = read_triggers(NEW, adc(new_line(3, 9.5, 9.75, 0.5, BOX, 0), end="\r\n"), "a", ADC_COLUMNS.split(","))
    assert table.rows.to_dict("records") == [
        {"roi_number": 1, "trigger": 3, "x": 202, "y": 673, "width": 96, "height": 45, "offset": 0}
        | {"adc_time": 9.5, "run_time": 9.75, "inhibit_time": 0.5}
    ]
    assert table.rois == {1: Roi(1, 3, 202, 673, 96, 45, 0)}


def test_a_new_file_without_the_last_columns_has_images_and_no_clocks() -> None:
    lines = [new_line(n, n, n, n, BOX, 0).rsplit(",", 2)[0] for n in (1, 2)]
    table = read_triggers(NEW, adc(*lines), "a")
    assert list(table.rois) == [1, 2]
    assert table.rows["adc_time"].tolist() == [1.0, 2.0]
    assert np.isnan(table.rows["run_time"]).all()
    assert np.isnan(table.rows["inhibit_time"]).all()


GOOD = new_line(1, 1, 1, 0.1, BOX, 0)
BAD_LINES = {
    "": "blank",
    "   ": "blank",
    "1,2,3": "of 3 cells, not 24 as the others",
    GOOD + ",": "of 25 cells, not 24 as the others",
    GOOD.rsplit(",", 1)[0]: "of 23 cells, not 24 as the others",
    new_line("x"): "'x' where a whole number belongs",
    new_line("1.0"): "'1.0' where a whole number belongs",
    new_line("\u0661"): "where a whole number belongs",
    new_line("1" * 16): "where a whole number belongs",
    new_line(box=(1, 1, 10, "")): "'' where a whole number belongs",
    new_line(box=(1, 1, 10**9, 1)): "an image of 1000000000 x 1 pixels",
    new_line(box=(1, 1, 4097, 1)): "an image of 4097 x 1 pixels",
    new_line(box=(1, 1, -5, 5)): "an image of -5 x 5 pixels",
    new_line(box=(1, 1, 5, -5)): "an image of 5 x -5 pixels",
    new_line(offset=-1): "an image at byte -1",
    new_line(offset=2**41): "an image at byte 2199023255552",
    new_line(run_time="nan"): "'nan' where seconds belong",
    new_line(run_time="1.#INF"): "'1.#INF' where seconds belong",
    new_line(inhibit_time="1e12"): "a time of 1000000000000.0 s",
    new_line(adc_time=""): "'' where seconds belong",
}


@pytest.mark.parametrize("line", BAD_LINES)
@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_bad_line_is_counted_with_its_reason_and_the_others_keep_their_numbers(line: str, at: int) -> None:
    lines = [GOOD, GOOD, GOOD]
    lines.insert(at - 1, line)
    table = read_triggers(NEW, adc(*lines), "a")
    assert table.rows["roi_number"].tolist() == [n for n in (1, 2, 3, 4) if n != at]
    assert table.malformed.count == 1
    [(number, reason)] = table.malformed.first
    assert number == at
    assert BAD_LINES[line] in reason


def test_a_last_line_that_breaks_off() -> None:
    whole = adc(*[old_line(n, n, n + 0.5, BOX, 1) for n in (1, 2)])
    for cut in range(len(whole) // 2 + 1, len(whole)):
        # Without its line end only too: cut within the last number a line would be whole, and the number another one.
        with pytest.raises(RawFileError, match=r"a: not the triggers of bin .* truncated in its last line"):
            read_triggers(OLD, whole[:cut], "a")
    assert len(read_triggers(OLD, whole, "a").rows) == 2


@pytest.mark.parametrize(
    "body", [b"\0" * 500, b"<html>\n</html>\n", b"1,2,3\n", b"\n\n", adc(old_line()), b"," * 10**6]
)
def test_what_is_no_such_file_is_refused(body: bytes) -> None:
    with pytest.raises(RawFileError, match=rf"a\.adc: not the triggers of bin {NEW}"):
        read_triggers(NEW, body, "a.adc")


def test_a_new_line_is_not_read_as_an_old_one() -> None:
    with pytest.raises(RawFileError, match=r"not legible: '0\.01' where a whole number belongs"):  # a voltage
        read_triggers(OLD, adc(new_line(1, 0.05, 0.1, 0.001, BOX, 0)), "a")


def test_an_empty_file_is_a_bin_without_triggers() -> None:
    for bin_id in (OLD, NEW):
        table = read_triggers(bin_id, b"", "a")
        assert (len(table.rows), table.rois, table.malformed.count) == (0, {}, 0)
        assert table.rows["roi_number"].dtype == np.int64


def test_other_columns_than_declared_are_refused() -> None:
    swapped = ADC_COLUMNS.replace("ROIx", "ROI_y").replace("ROIy", "ROIx").split(",")
    with pytest.raises(RawFileError, match="declares ' ROI_y' as column 14, this layout has it as column 15"):
        read_triggers(NEW, adc(GOOD), "a", swapped)
    renamed = ["triggerNumber", "ADCtime", *ADC_COLUMNS.split(",")[2:13], "RoiX", "RoiY", "RoiWidth", "RoiHeight"]
    assert read_triggers(NEW, adc(GOOD), "a", [*renamed, "StartByte"]).rois


def test_of_many_bad_lines_twenty_are_kept() -> None:
    table = read_triggers(NEW, adc(GOOD, *["x"] * 100_000), "a")
    assert len(table.rows) == 1
    assert table.malformed.count == 100_000
    assert len(table.malformed.first) == 20


@pytest.mark.parametrize(
    ("repeated", "times"),
    [(b"\n", MOST_LINES + 1), (b"x", LARGEST + 1), (b",", LARGEST), (b"1,", LARGEST // 2), (adc(new_line()), 1000)],
    ids=["lines", "bytes", "commas", "cells", "triggers"],
)
def test_memory_is_bounded(repeated: bytes, times: int) -> None:
    body = repeated * times
    tracemalloc.start()
    try:
        with suppress(RawFileError):
            read_triggers(NEW, body, "a")
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 2 * len(body) + 20e6


LINES = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 900), st.integers(0, 900), st.integers(0, 10**9)))


@given(LINES, st.sampled_from([OLD, NEW]))
def test_what_is_written_is_read(lines: list[tuple[int, int, int, int]], bin_id: str) -> None:
    if bin_id == OLD:
        body = adc(*[old_line(trigger, n, n, (5, 6, w, h), at) for n, (trigger, w, h, at) in enumerate(lines)])
    else:
        body = adc(*[new_line(trigger, n, n, n, (5, 6, w, h), at) for n, (trigger, w, h, at) in enumerate(lines)])
    table = read_triggers(bin_id, body, "a")
    columns = ("trigger", "width", "height", "offset")
    assert list(zip(*(table.rows[name].tolist() for name in columns), strict=True)) == lines
    assert list(table.rois) == [n for n, (_, w, h, _) in enumerate(lines, start=1) if w and h]


@shared
def test_real_triggers() -> None:
    new = read_triggers(NEW, (RAW / f"{NEW}.adc").read_bytes(), "new")
    assert (len(new.rows), len(new.rois), new.malformed.count) == (118, 19, 0)
    assert new.rois[99][4:6] == (64, 34)
    assert new.rois[114] == Roi(114, 114, 844, 89, 184, 89, 82096)
    assert new.rows.iloc[-1][["adc_time", "run_time", "inhibit_time"]].tolist() == [1183.968994, 1184.037103, 11.620326]
    old = read_triggers(OLD, (RAW / f"{OLD}.adc").read_bytes(), "old")
    assert (len(old.rows), list(old.rois), old.malformed.count) == (7, [1, 2, 3, 4, 5, 6], 0)
    assert old.rois[4] == Roi(4, 3, 360, 457, 113, 45, 52407)
