"""The three dialects of `.hdr`, and damaged headers."""

from pathlib import Path

import pytest

from ifcb_abundance.common.errors import RawFileError
from ifcb_abundance.raw.header import LARGEST, read_header
from tests.raw_files import ADC_COLUMNS, COLUMNS, NEW, OLD, SENTENCES, keyed_header

RAW = Path(__file__).parents[2].parent / "shared" / "data" / "raw"
shared = pytest.mark.skipif(not RAW.exists(), reason=f"no shared data in {RAW}")


def test_keyed_header() -> None:
    measured = {"runTime": 1231.5, "inhibitTime": 11.25, "temperature": 35.5, "humidity": -8.5}
    header = read_header(keyed_header(sampleTime="2013-05-26T09:52:07Z", **measured), "x.hdr")
    assert header.dialect == "keyed"
    assert (header.run_time, header.inhibit_time) == (1231.5, 11.25)
    assert (header.temperature, header.humidity) == (35.5, -8.5)
    assert header.settings["sampleTime"] == "2013-05-26T09:52:07Z"  # the first colon ends the key
    assert header.adc_columns == tuple(name.strip() for name in ADC_COLUMNS.split(","))
    assert len(header.adc_columns) == 24
    assert header.malformed.count == 0


def test_sentences() -> None:
    header = read_header(SENTENCES.encode(), "x.hdr")
    assert header.dialect == "sentences"
    assert (header.run_time, header.inhibit_time) == (1205.5, 35.25)
    assert (header.temperature, header.humidity) == (22.125, -1.5)
    assert header.malformed.count == 0


def test_columns() -> None:
    header = read_header(COLUMNS.replace("\n", "\r\n").encode(), "x.hdr")
    assert header.dialect == "columns"
    assert (header.temperature, header.humidity) == (11.5, 32.25)
    assert (header.run_time, header.inhibit_time) == (None, None)  # in the .adc
    assert header.settings["PMT1hv(ssc)"] == ".675"
    assert list(header.settings)[2:] == ["BinarizeThresh", "PMT1hv(ssc)", "PMT2hv(chl)", "BlobSizeThresh"]


def test_newer_software_spells_the_keys_otherwise() -> None:
    body = keyed_header(RunTime=1200, InhibitTime=30).replace(b"softwareVersion", b"SoftwareVersion")
    header = read_header(body, "x.hdr")
    assert (header.dialect, header.run_time, header.inhibit_time) == ("keyed", 1200, 30)


def test_what_editors_leave_at_the_start_is_no_harm() -> None:
    for start in ("\ufeff", "\r\n", "  "):
        assert read_header(start.encode() + keyed_header(runTime=5), "x.hdr").run_time == 5


def test_a_key_that_is_there_twice_counts_the_last_time_and_is_told() -> None:
    body = keyed_header(runType="NORMAL", runTime=5) + b"runTime: 7\r\nrunType: NORMAL\r\n"
    header = read_header(body, "x.hdr")
    assert (header.run_time, header.settings["runTime"]) == (7, "7")
    assert header.malformed.count == 1
    assert "duplicate runTime" in str(header.malformed)


@pytest.mark.parametrize("text", ["-1.#IND", "", "nan", "12,5", "0x10", "1e400", "1e30", "\u0661"])
def test_what_is_no_number_is_missing_and_told(text: str) -> None:
    header = read_header(keyed_header(runTime=text, inhibitTime=3), "x.hdr")
    assert (header.run_time, header.inhibit_time) == (None, 3)
    assert header.malformed.count == 1
    assert header.malformed.first[0][0] == 3  # the line


@pytest.mark.parametrize(
    ("body", "malformed"),
    [
        (SENTENCES.replace("inhibit time", "inhibited").encode(), 1),
        (SENTENCES.splitlines()[0].encode(), 0),
        (COLUMNS.replace(',"', "").encode(), 1),  # fewer values than names
        ("".join(COLUMNS.splitlines(keepends=True)[:5]).encode(), 1),  # names without values
        ("".join(COLUMNS.splitlines(keepends=True)[:4]).encode(), 0),  # the very first headers end here
    ],
)
def test_a_header_that_breaks_off_has_no_clocks(body: bytes, malformed: int) -> None:
    header = read_header(body, "x.hdr")
    assert (header.run_time, header.inhibit_time) == (None, None)
    assert header.malformed.count == malformed


@pytest.mark.parametrize(
    "body", [b"", b"\r\n\r\n", b"\0" * 100, b"1,2,3\n", b"<html>", b"ENVI\n", b"softwareVersion: x\n" + b" " * LARGEST]
)
def test_what_is_no_header_is_refused(body: bytes) -> None:
    with pytest.raises(RawFileError, match=r"x\.hdr: not a header"):
        read_header(body, "x.hdr")


def test_of_many_bad_lines_some_are_told_and_all_counted() -> None:
    body = keyed_header() + b"".join(b"a: %d\n" % n for n in range(500))
    header = read_header(body, "x.hdr")
    assert header.malformed.count == 499
    assert len(header.malformed.first) == 20
    assert str(header.malformed).startswith("499 malformed lines: line 5: duplicate a")
    assert str(header.malformed).endswith("; ...")


@shared
def test_real_headers() -> None:
    new = read_header((RAW / f"{NEW}.hdr").read_bytes(), "new")
    assert (new.run_time, new.inhibit_time, new.temperature, new.humidity) == (
        1231.024861,
        11.62298,
        35.270397,
        2.48685,
    )
    assert new.settings["imagerID"] == "13"
    assert len(new.adc_columns) == 24
    old = read_header((RAW / f"{OLD}.hdr").read_bytes(), "old")
    assert (old.dialect, old.temperature, old.humidity) == ("columns", 11.4799732421875, 32.167437512207)
    assert new.malformed.count == old.malformed.count == 0
    with pytest.raises(RawFileError, match="is empty"):
        read_header((RAW / "edge" / "invalid" / "D20130101T101010_IFCB099.hdr").read_bytes(), "invalid")
