"""Thresholds of single classes: what is accepted and refused, and the message for a misspelt class."""

import csv
import logging
import socket
from pathlib import Path

import pytest

from ifcb_abundance.classes.thresholds import read_class_thresholds, warn_of_unknown
from ifcb_abundance.common.errors import ConfigError

REAL = Path(__file__).parents[2].parent / "shared" / "data" / "scores" / "D20220522T000439_IFCB134_thresholds.csv"


def read(folder: Path, text: str | bytes) -> dict[str, float]:
    path = folder / "thresholds.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_class_thresholds(path)


@pytest.mark.skipif(not REAL.exists(), reason=f"no {REAL}")
def test_a_real_file() -> None:
    with REAL.open(newline="") as file:
        expected = {row["class"]: float(row["threshold"]) for row in csv.DictReader(file)}
    assert read_class_thresholds(REAL) == expected
    assert expected["Akashiwo_sanguinea"] == 0.06729096919298172


def test_labels_and_values_as_they_are(tmp_path: Path) -> None:
    text = '\ufeffnote,threshold,class\nx,0,NA\n,1,"a, b"\n,0.5,nan\n,1e-3,nano <10um\n,0.1,"say ""x"""\n'
    expected = {"NA": 0.0, "a, b": 1.0, "nan": 0.5, "nano <10um": 0.001, 'say "x"': 0.1}
    assert read(tmp_path, text) == expected
    assert read(tmp_path, text.replace("\n", "\r\n")) == expected
    assert read(tmp_path, "class,threshold\n") == {}


def test_blanks_around_labels_do_not_count(tmp_path: Path) -> None:
    """`Akashiwo ,0.95` let Akashiwo count at 0.7."""
    text = 'class,threshold\nAkashiwo ,0.95\n  b, 0.5\n"\tc d\u00a0",0.25 \n'
    assert read(tmp_path, text) == {"Akashiwo": 0.95, "b": 0.5, "c d": 0.25}
    assert read(tmp_path, "class , threshold\na,0.5\n") == {"a": 0.5}
    for rows, told in (
        ("a,0.5\na ,0.6\n", "line 3: duplicate class 'a'"),
        (" unclassified,0.5\n", "line 2: 'unclassified' is reserved"),
        ("  ,0.5\n", "line 2: no class before the threshold"),
    ):
        with pytest.raises(ConfigError, match=told):
            read(tmp_path, f"class,threshold\n{rows}")


def test_what_a_spreadsheet_did_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="line 3 is not in UTF-8: save the file as CSV UTF-8"):
        read(tmp_path, "class,threshold\na,0.5\nChaetoc\u00e9ros,0.5\n".encode("latin-1"))
    with pytest.raises(
        ConfigError, match=r"line 3 has 3 cells, not 2: .*Text that has a comma in it needs double quot"
    ):
        read(tmp_path, "class,threshold\na,0.5\nChaetoceros, single,0.5\n")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("class;threshold\na;0.5\n", "its columns are separated by semicolons; commas are needed, and decimal points"),
        ("class;threshold\na;0,5\n", "its columns are separated by semicolons"),
        ('\ufeff"class";"threshold"\r\n"a";"0,5"\r\n', "its columns are separated by semicolons"),
        ("class\tthreshold\na\t0.5\n", "its columns are separated by tabs"),
        (
            "class,threshold\na,0.5\nb,0,95\n",
            "line 3 has 3 cells, not 2: 'b,0,95'. Is 0,95 a number with a decimal comma?",
        ),
        (
            'class,threshold\na,"0,5"\n',
            "line 2: the threshold of 'a' is '0,5': not a number: use a decimal point",
        ),
        ('class,threshold\na,",5"\n', "line 2: the threshold of 'a' is ',5': not a number: use a decimal point"),
    ],
)
def test_semicolons_and_decimal_commas_are_named_as_what_they_are(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read(tmp_path, text)
    assert told in str(refused.value)
    assert "class,threshold" in str(refused.value) or "from 0 to 1 are accepted" in str(refused.value)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("a,0.5\nb,1.01", ["line 3", "'b'", "1.01", "0 to 1"]),
        ("a,-0.1", ["line 2", "-0.1"]),
        ("a,nan", ["line 2", "'nan'"]),
        ("a,inf", ["line 2", "'inf'"]),
        ("a,high", ["line 2", "'high'"]),
        ("a,", ["line 2", "''"]),
        ("a", ["line 2", "'a'"]),
        ("a,0.5\na,0.5", ["line 3", "'a'", "duplicate"]),
        (",0.5", ["line 2", "no class"]),
        ("a,1e400", ["line 2", "'1e400'"]),
        ("a,0x0", ["line 2", "'0x0'"]),
        ("a,0.5,b", ["line 2", "3 cells"]),
        ('"a"b,0.5', ["line 2"]),
        ("unclassified,0.5", ["line 2", "unclassified", "reserved"]),
    ],
)
def test_bad_rows_are_refused(tmp_path: Path, rows: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as refused:
        read(tmp_path, f"class,threshold\n{rows}\n")
    assert all(word in str(refused.value) for word in ["thresholds.csv", *words])


@pytest.mark.parametrize(
    "body", [b"", b"label,value\na,0.5\n", b"class;threshold\na;0.5\n", b"class,threshold\n\xff,0.5\n", b"\0\0"]
)
def test_other_files_are_refused(tmp_path: Path, body: bytes) -> None:
    with pytest.raises(ConfigError, match=r"thresholds\.csv.*class,threshold"):
        read(tmp_path, body)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("none.csv", r"there is no file .*none\.csv"),
        *((n, "be read") for n in (".", "\0", "x" * 5000)),
    ],
)
def test_a_file_that_is_not_there_is_refused(tmp_path: Path, name: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        read_class_thresholds(tmp_path / name)


@pytest.mark.parametrize("address", ["http://127.0.0.1:1/x.csv", "s3://x/y.csv", "file:///etc/passwd", "memory://x"])
def test_an_address_is_no_file(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket.socket, "connect", None)
    with pytest.raises(ConfigError, match="there is no file"):
        read_class_thresholds(address)


@pytest.mark.parametrize("name", ["x.zip", "x.gz", "x.csv.xz"])
def test_a_file_is_read_as_it_is_whatever_its_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("class,threshold\na,0.5\n")
    assert read_class_thresholds(tmp_path / name) == {"a": 0.5}


def test_unknown_classes_are_told(caplog: pytest.LogCaptureFixture) -> None:
    labels = {"Akashiwo", "detritus"}
    assert warn_of_unknown(labels, {}) == []
    assert warn_of_unknown(labels, {"Akashiwo": 0.5}) == []
    assert not caplog.records
    assert warn_of_unknown(labels, {"Akashivo": 0.5, "Akashiwo": 0.5}) == ["Akashivo"]
    (warning,) = caplog.records
    assert warning.levelno == logging.WARNING
    assert "class_thresholds" in warning.getMessage()
    assert "Akashivo" in warning.getMessage()
    assert "Akashiwo" in warning.getMessage()
