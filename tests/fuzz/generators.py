"""Inputs for the parsers: right ones, odd ones and damaged ones, from a source of choices.

`pick(n)` gives a whole number from 0 to n - 1. It may be drawn by hypothesis, which then shrinks what fails, by a
seeded generator, or from the bytes of a coverage-guided fuzzer. Low numbers are the plain choices.
"""

import datetime
import json
import math
import struct
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from tests.archives import COLUMNS

Pick = Callable[[int], int]
T = TypeVar("T")

BIN = "D20240215T150055_IFCB010"
ONE = 0x3FF0000000000000  # the bits of 1.0


def one(pick: Pick, options: Sequence[T]) -> T:
    return options[pick(len(options))]


def seldom(pick: Pick, times: int) -> bool:
    """True once in so many times."""
    return pick(times) == times - 1


def some(pick: Pick, most: int, make: Callable[[], T]) -> list[T]:
    return [make() for _ in range(pick(most + 1))]


# --- numbers and texts ---

ODD_NUMBERS = [
    *"1e-3 1E-1 +0.5 -0.0 -0.1 .5 1. 00.5 1e400 1e-400 1e309 5e-324 -1e-400 1e 1e+ . - + e1 1-1 0..5 1,5 1;0".split(),
    *"1.0000000000000002 1.5 2 -1e-9 1.0000000000000000000001 0.99999999999999999999999 9007199254740993".split(),
    *"inf -inf Infinity nan NaN NAN -nan nan(1) NA N/A null None true 0x1 0x1p-1 1_0 0.5f 1d-1 #REF! =1+1".split(),
    *("-1000000", "-9998.5", "18446744073709551616", "\u0660.5", "\uff11", "\u00bd", "1" + "0" * 400, "0." + "1" * 400),
    *("", " ", " 0.5", "0.5 ", "\t0.5", "0.5\0", "0.5\v", "\xa00.5"),
]
ODD_TEXTS = [
    *(
        "",
        " ",
        "..",
        "../..",
        "/etc/passwd",
        "-rf",
        "~",
        "*",
        ".a",
        "$(id)",
        "`id`",
        "{x}",
        "%2e%2e",
        "a" * 101,
        "x" * 5000,
    ),
    *("a\nb", "a\rb", "a\tb", "\0", "\x1b[31m", "\u202ea", "\ud800", "\ufeff", "\u2028", "\u0661", "\u00e9"),
    *("=1+1", "+a", "-a", "@a", "\t=1", ";=1", "a;=1", "\uff1d1", "a,b", 'a"b', '"', "'"),
    *("null", "true", "nan", "NA", "1", "1e400"),
]


def a_double(pick: Pick) -> float:
    """From 0 to 1: ties, borders, and any double that there is."""
    kind = pick(5)
    if kind < 2:
        base = one(pick, (0.5, 0.0, 1.0, 0.7, 0.8, 0.7998046875, 0.1, 1e-7, 0.9999999999999999))
        return min(1.0, base + one(pick, (0, 0, 1e-12, 1e-6, 2e-4)))  # equal in one precision and not in another
    if kind < 4:
        return pick(2**53) / 2**53
    return float(struct.unpack("<d", struct.pack("<Q", pick(ONE + 1)))[0])


def a_number(pick: Pick, odd: int = 8) -> str:
    """A number as somebody may print it, an odd one once in so many times."""
    if seldom(pick, odd):
        return one(pick, ODD_NUMBERS)
    value = a_double(pick)
    return one(pick, (repr, "{:.3f}".format, "{:.20g}".format, "{:e}".format, "{:.40f}".format, "{:g}".format))(value)


def a_text(pick: Pick, plain: Sequence[str], odd: int = 8) -> str:
    if not seldom(pick, odd):
        return one(pick, plain)
    if seldom(pick, 2):
        return one(pick, ODD_TEXTS)
    return "".join(some(pick, 8, lambda: chr(one(pick, (pick(128), pick(0x3000), 0xFF00 + pick(256))))))


def a_line(pick: Pick, cells: Sequence[str], odd: int = 12) -> str:
    """A line of CSV: cells quoted where they have to be and sometimes where not, sometimes badly."""
    how = pick(3)
    written = []
    for cell in cells:
        if seldom(pick, odd * 8):
            written.append(
                one(pick, ('"' + cell, cell + '"', f'"{cell}"1', f'"{cell[:1]}"{cell[1:]}', f" {cell}", f'"{cell}" '))
            )
        elif how == 1 or any(c in cell for c in ',"\r\n') or (how == 2 and seldom(pick, 2)):
            written.append('"' + cell.replace('"', '""') + '"')
        else:
            written.append(cell)
    if seldom(pick, odd):
        written = one(pick, (written[:-1], [*written, ""], [*written, "0"], ["", *written], written[1:], written[::-1]))
    return ",".join(written)


def a_body(pick: Pick, lines: Sequence[str], odd: int = 12) -> bytes:
    """Lines as a file, with line ends and marks of several systems; sometimes damaged, cut or of other bytes."""
    end = (
        one(pick, ("\n", "\n", "\r\n"))
        if not seldom(pick, odd * 2)
        else one(pick, ("\r", "\n\n", "\r\r\n", "\n\r", "\n \n"))
    )
    if seldom(pick, odd):
        lines = [*lines[:1], one(pick, ("\ufeff", "\ufeff" + "".join(lines[1:2]), " ", "", "\v", '""')), *lines[2:]]
    text = end.join(lines) + ("" if seldom(pick, odd) else end)
    if seldom(pick, odd):
        text = one(pick, ("\ufeff", "\ufeff\ufeff", "\n", " ")) + text
    body = text.encode("utf-8", "surrogatepass")
    return damaged(pick, body) if seldom(pick, 4) else body


BITS = [
    *(bytes([c]) for c in b',"\n\r\0 \t-+.e019_;=\x1a\xff'),
    *(b"\r\n", b"e9", b"nan", b"inf", b"\xef\xbb\xbf", b"\xd9\xa1", b'""', b',"', b'",', b",,", b"<html>", b"00000"),
]


def damaged(pick: Pick, body: bytes) -> bytes:
    """One to three pieces inserted, lost, doubled or replaced, or the end cut off."""
    for _ in range(1 + pick(3)):
        at, kind, length = pick(len(body) + 1), pick(6), pick(6)
        if kind == 0:
            body = body[:at] + one(pick, BITS) + body[at:]
        elif kind == 1:
            body = body[:at] + body[at + length :]
        elif kind == 2:
            body = body[:at] + one(pick, BITS) + body[at + length :]
        elif kind == 3:
            body = body[:at] + body[at : at + length * 8] * 2 + body[at + length * 8 :]
        elif kind == 4:
            body = body[:at] + bytes([pick(256)]) + body[at + 1 :]
        else:
            body = body[: len(body) - pick(20)] if pick(2) else body[:at]
    return body


# --- files ---

LABELS = (*"a b Akashiwo NA nan Pseudo-nitzschia _TAG_x pid unclassified \u00e9".split(), "a,b", "nano <10um", "c d")


def some_scores(pick: Pick) -> bytes:
    """Class scores of BIN: up to 5 ROIs and 5 classes."""
    labels = [a_text(pick, LABELS, odd=16) for _ in range(1 + pick(5))]
    if not seldom(pick, 16):
        labels = list(dict.fromkeys(labels))
    lines = [a_line(pick, [one(pick, ("pid",) * 90 + ("PID", "roi", "")), *labels], odd=30)]
    roi = pick(3)
    odd = one(pick, (1000, 1000, 1000, 40, 10))
    for _ in range(pick(6)):
        roi += 1 + pick(3) - (pick(20) == 19)
        pid = f"{BIN}_{roi:05d}"
        if seldom(pick, 30):
            near = (f"{BIN}_{roi}", f"{BIN}_{roi:09d}", f"{BIN}_{roi - 1:09d}", f"{BIN}_-1", f"{BIN}_\u0662")
            pid = one(pick, (*near, BIN, f"{BIN}_", f"{BIN}1_{roi}", f"x{pid}", f" {pid}", f"{pid}_1", f"{pid}\n", ""))
        if seldom(pick, 4):
            lines.append(a_line(pick, [pid, *[a_number(pick, odd)] * len(labels)], odd=60))
        else:
            cells = [one(pick, ("", "nan", "NaN", "NA")) if seldom(pick, 8) else a_number(pick, odd) for _ in labels]
            lines.append(a_line(pick, [pid, *cells], odd=60))
    return a_body(pick, lines)


def some_features(pick: Pick) -> bytes:
    """Features of BIN: up to 6 ROIs, of columns that have the two that are read, or lack one."""
    names = ["roi_number", "Area", one(pick, ("Biovolume",) * 9 + ("Perimeter",)), "summedBiovolume"]
    names = names[: 3 + (pick(3) > 0)] + some(pick, 2, lambda: a_text(pick, ("Solidity", "numBlobs", "H90"), odd=20))
    if seldom(pick, 3):
        names = names[::-1]
    if seldom(pick, 30):
        names[pick(len(names))] = one(pick, ("", "Biovolume", "roi_number", "roi number", "biovolume"))
    lines = [a_line(pick, names, odd=40)]
    roi, odd = pick(3), one(pick, (1000, 1000, 60, 12))
    for _ in range(pick(7)):
        roi += 1 + pick(3) - (pick(20) == 19)
        number = (
            one(pick, (f"{roi}.5", f"{roi}.0", f"{roi}e0", "0", "-1", "", "4294967297", "nan"))
            if seldom(pick, odd)
            else str(roi)
        )
        cells = [number if name == "roi_number" else a_biovolume(pick, odd) for name in names]
        lines.append(a_line(pick, cells, odd=80) if seldom(pick, 60) else ",".join(cells))
    return a_body(pick, lines, odd=30)


def a_biovolume(pick: Pick, odd: int) -> str:
    if seldom(pick, odd):
        return one(pick, (*ODD_NUMBERS, "-1", "1e12", "1.0000001e12", "1e13"))
    return one(pick, ("0", "", "NA", "nan", "1058.193125", f"{pick(10**9) / 1000}", f"{pick(10**6)}"))


def an_id(pick: Pick) -> str:
    """A bin id of either style, or nearly one."""
    year, month, day = one(pick, (2024, 2012, 2023, 1900, 2000, pick(10000))), 1 + pick(12), 1 + pick(28)
    clock = (pick(24), pick(60), pick(60))
    if seldom(pick, 6):
        month, day, clock = pick(14), pick(33), (pick(26), pick(63), pick(63))
    number = one(pick, ("010", "10", "5", "125", "0", "99999", "123456", "", str(pick(100_000))))
    h, m, s = clock
    if pick(2):
        day_of_year = pick(366) + 1 if pick(4) else pick(1000)
        text = f"IFCB{number}_{year:04d}_{day_of_year:03d}_{h:02d}{m:02d}{s:02d}"
    else:
        text = f"D{year:04d}{month:02d}{day:02d}T{h:02d}{m:02d}{s:02d}_IFCB{number}"
    return changed(pick, text) if seldom(pick, 3) else text


def changed(pick: Pick, text: str) -> str:
    """With a character lost, put in or replaced by its like, or something around it."""
    at, kind = pick(len(text) + 1), pick(5)
    if kind == 0:
        return text[:at] + text[at + 1 :]
    if kind == 1:
        return text[:at] + one(pick, (*"0_-./DTIFCB \n\r\t\0+", "\u0660", "\uff11", "../", "\ud800")) + text[at:]
    if kind == 2:
        like = "".join(chr(0x660 + int(c)) if c in "0123456789" and pick(4) == 0 else c for c in text)
        return one(pick, (like, text.lower(), text[::-1], text.replace("_", "-"), text.replace("D", "d")))
    if kind == 3:
        return text[:at] + chr(one(pick, (pick(128), pick(0x3000), 0x660 + pick(10)))) + text[at + 1 :]
    around = ("\n{}", "{}\n", "{}\r\n", " {}", "{}_00002", "../{}", "{0}{0}", "{}" + "x" * 5000)
    return one(pick, around).format(text)


def a_bound(pick: Pick) -> str:
    """A day, an id or nearly one of them."""
    if pick(3) == 2:
        return an_id(pick)
    text = f"{one(pick, (2024, 2023, 1900, 2000, pick(10001))):04d}-{pick(14):02d}-{pick(33):02d}"
    return changed(pick, text) if seldom(pick, 3) else text


TIMES = (
    "2024-02-15 00:07:00+00:00|2024-02-29 23:59:59.999999+00:00|2024-02-15T00:07:00Z|2024-02-15 13:07:00|2024-02-15|"
    "2024-02-15 00:07|2024-02-15T00|2024-02-15 00:07:00.5|2024-02-15 00:07:00+01:00|2024-02-15 00:07:00-0130|"
    "2024-02-15 00:07:00+01|2024-02-15 24:00:00|2024-02-15 00:07:60|2024-02-30 00:00:00|0000-01-01|999-01-01|"
    "0001-01-01 00:00:00+23:00|9999-12-31 23:59:59-01:00|3000-01-01 00:00:00|1000-01-01 00:00:00+01:00|now|NaT||"
    "2024-02-15 00:07:00.123456789|2024-02-15 00:07:00.123456000|2024-02-15 00:07:00,5|2024-02-15 00:07:00 |"
    "2024-02-15 00:07:00+99:99|2024-02-15 00:07:00+01:75|2024-02-15 00:07:00+23:75|2024-02-15 00:07:00+00:00:01|"
    "2024-W07-4|20240215|2024-046|2024-02-15 00:07:00 UTC|\u0662024-02-15|2024-02-15 000700|2024-02-15t00:07:00z|"
    "-2024-02-15|+2024-02-15"
).split("|")


def an_export(pick: Pick) -> bytes:
    """A metadata export of up to 3 bins in the columns of some version, in some order."""
    names = list(COLUMNS)
    if seldom(pick, 3):
        at = pick(len(names))
        names = names[at:] + names[:at]
    if seldom(pick, 3):
        names = [*names, "tag3", "add_dataset", "add_tag"]
    if seldom(pick, 20):
        another = one(pick, ("", "tag1", "pid", "ml_analyzed", "tag\u0662", "x", "ml_analyzed.1", " pid"))
        names.insert(pick(len(names)), another)
    if seldom(pick, 30):
        del names[pick(len(names))]
    odd = one(pick, (1000, 1000, 100, 30))
    lines = [a_line(pick, names, odd=90)]
    for _ in range(pick(4)):
        time = f"2024-02-{1 + pick(29):02d} {pick(24):02d}:{pick(60):02d}:{pick(60):02d}+00:00"
        bin_id = f"D20240215T{pick(24):02d}{pick(60):02d}00_IFCB{pick(200):03d}"
        row = {
            "pid": an_id(pick) if seldom(pick, odd) else bin_id,
            "sample_time": one(pick, TIMES) if seldom(pick, odd // 2) else time,
            "ifcb": a_number(pick, 4) if seldom(pick, odd) else one(pick, ("10", "10.0", "", "125")),
            "ml_analyzed": a_volume(pick, odd),
            "latitude": a_degree(pick, odd),
            "longitude": a_degree(pick, odd),
            "depth": a_degree(pick, odd),
            "cruise": a_text(pick, ("", "EN644", "NA", "null"), odd),
            "sample_type": a_text(pick, ("", "cast", "underway", "1"), odd),
            "n_images": a_number(pick, 4) if seldom(pick, odd) else one(pick, ("10", "0", "", "3.0", str(pick(2**54)))),
            "skip": a_text(pick, ("0", "1", "0.0", "1.0", "False", "TRUE"), odd),
            "comment_summary": a_text(pick, ("", "check", "a, b", 'x "y"', "line\nbreak"), odd),
        }
        row |= {name: a_text(pick, ("", "b", "c", "a b"), odd) for name in names if name.startswith("tag")}
        lines.append(a_line(pick, [row.get(name, "") for name in names], odd))
    return a_body(pick, lines, odd=one(pick, (1000, 12)))


def a_volume(pick: Pick, odd: int) -> str:
    if seldom(pick, odd):
        return a_number(pick, 2)
    return one(pick, ("2.5", "", "-9999999.0", "-9999998", "0", "inf", "-inf", "-0.029", repr(pick(2**53) / 2**51)))


def a_degree(pick: Pick, odd: int) -> str:
    if seldom(pick, odd):
        return a_number(pick, 2)
    known = ("41.3", "-70.5", "180", "180.0000001", "289.5", "360", "90", "90.5", repr(pick(2**53) / 2**44))
    return one(pick, ("", "-9999999.0", "-9999", "inf", *known))


ODD_JSON = (
    *(
        None,
        True,
        False,
        0,
        5,
        -1,
        1.5,
        20240215,
        math.nan,
        math.inf,
        10**400,
        [],
        ["a", 1],
        [None],
        [["x"]],
        {},
        {"a": 1},
    ),
    *(
        "",
        "x",
        "nan ml",
        "inf ml",
        "-1 ml",
        "0.5 mL",
        "1e400 ml",
        "../x",
        "1_0",
        "IFCB\u0663",
        "ifcb10",
        "10",
        "0",
        "false",
    ),
    *("\ud800", "a\nb"),
)
LINE = ("D20240215T000000_IFCB010", "D20240215T010000_IFCB010", "D20240215T020000_IFCB010")


def some_answers(pick: Pick) -> dict[str, bytes]:
    """What a dashboard says of the bins LINE, by id, and of the most recent one, by the name `recent`: JSON."""
    answers: dict[str, Any] = {}
    for i, bin_id in enumerate(LINE):
        answers[bin_id] = {
            "timestamp_iso": f"2024-02-15T{i:02d}:00:00+00:00",
            "instrument": "IFCB10",
            "ml_analyzed": one(pick, ("2.851 ml", "nan ml", "-9999999.000 ml", "inf ml", "0.003 ml")),
            "lat": one(pick, (41.3, -9999999, 0, 90.5)),
            "lng": one(pick, (-70.5, -9999999, 289.5, 180)),
            "depth": one(pick, (5, 0, 0.5, -9999999, -999, 12000.5)),
            "num_images": pick(2000),
            "skip": False,
            "previous_bin_id": LINE[i - 1] if i else "",
            "next_bin_id": LINE[i + 1] if i < 2 else "",
            "tags": some(pick, 2, lambda: one(pick, ("a", "b c"))),
            "cruise": one(pick, ("", "EN644", None)),
            "sample_type": one(pick, ("", "cast")),
        }
    answers["recent"] = {"pid": LINE[2]}
    for _ in range(pick(3)):
        answer = answers[one(pick, tuple(answers))]
        key = one(pick, (*answer, "another"))
        ids = (*LINE, an_id(pick), an_id(pick) + "\n")
        answer[key] = one(pick, (one(pick, ids), one(pick, TIMES), one(pick, ODD_JSON), a_number(pick, 2)))
        if seldom(pick, 8):
            answer.pop(one(pick, tuple(answer)))
    bodies = {name: json.dumps(answer).encode() for name, answer in answers.items()}
    if seldom(pick, 3):
        name = one(pick, tuple(bodies))
        others = (b"", b"[]", b"{}", b"5", b"null", b"NaN", b'"x"', b'[["a", 1]]', b"[" * 5000, b"1" * 5000)
        bodies[name] = one(pick, others) if pick(2) else damaged(pick, bodies[name])
    return bodies


def some_thresholds(pick: Pick) -> bytes:
    """A CSV file class,threshold."""
    odd = one(pick, (1000, 10))
    header = ["class", "threshold"]
    if seldom(pick, 3):
        others = (["threshold", "class", "note"], ["class", "class"], ["a"], ["", "class", "threshold"])
        header = one(pick, others)
    lines = [a_line(pick, header, 60)]
    for _ in range(pick(5)):
        cell = {"class": a_text(pick, LABELS, odd), "threshold": a_number(pick, odd)}
        lines.append(a_line(pick, [cell.get(name, "x") for name in header], 30))
    return a_body(pick, lines)


def a_class_table(pick: Pick) -> bytes:
    """A CSV file label,scientific_name,aphia_id,living,group,harmful."""
    odd = one(pick, (1000, 20))
    header = ["label", "scientific_name", "aphia_id", "living", "group", "harmful"]
    if seldom(pick, 8):
        others = (header[::-1], header[1:], [*header, "note"], [*header, "source"], [*header, ""], ["label", *header])
        header = one(pick, others)
    lines = [a_line(pick, header, 60)]
    for _ in range(pick(5)):
        ids, groups = ("", "232546", "7", "\u0667", "7.0", "-7"), ("", "diatom", "living total")
        cell = {
            "label": a_text(pick, LABELS, odd),
            "scientific_name": a_text(pick, ("", "Akashiwo sanguinea", "x, y"), odd),
            "aphia_id": a_text(pick, ids, odd) if seldom(pick, 8) else str(pick(1000)),
            "living": a_text(pick, ("yes", "no", ""), odd),
            "group": a_text(pick, groups, odd) if seldom(pick, 8) else "diatom",
            "harmful": a_text(pick, ("yes", "no", ""), odd),
        }
        lines.append(a_line(pick, [cell.get(name, "x") for name in header], 30))
    return a_body(pick, lines)


# --- raw files ---

CLOCKS = ("0", "0.1", ".3105469", "12.5", "1231.024861", "-86370.5", "86399", "1e3", "-0", "100000000")
SIZES = (0, 0, 1, 2, 5, 9, 64)


DEGREES = ("", "57.5", "-11.25", "0", "0.0", "180", "-180.5", "359", "-999", "nan", "1_0", "91", "1e400")
FIXES = (
    "Aug/10/2023 11:30:12.25 UTC",
    "Aug/10/2023 23:59:59",
    "Oct/21/2022 09:12:13",
    "2023-08-10T00:30:00+02:00",
    "",
    "x",
)
SAMPLE = {
    "runSampleFast": ("0", "1", "True", "FALSE", "true", "", "2", "yes", "1.000000"),
    "RunFastFactor": ("5.000000", "4", "0", "-1", "", "x", "0.5"),
    **dict.fromkeys(("latitude", "longitude", "gpsLatitude", "gpsLongitude"), DEGREES),
    "gpsTimeFromFix": FIXES,
}


def a_header(pick: Pick) -> dict[str, Any]:
    """A header of any dialect.

    right: run time, inhibit time, temperature and humidity as written, if not damaged. sample: keys of SAMPLE.
    """
    texts = [one(pick, CLOCKS) for _ in range(4)]
    odd = seldom(pick, 4)
    if odd:
        texts[pick(4)] = a_number(pick, 1)
    kind = pick(3)
    sample: dict[str, str] = {}
    if kind == 0:
        names = [one(pick, (name, name.lower(), name.title())) for name in ("runTime", "inhibitTime")]
        lines = [f"{name}: {text}\t" for name, text in zip((*names, "temperature", "humidity"), texts, strict=True)]
        lines += [one(pick, ("runType: NORMAL", "Analog firmware version 36", "a: b: c", "", ": x", "imagerID:"))]
        sample = {key: one(pick, texts_of) for key, texts_of in SAMPLE.items() if pick(4)}
        lines += [f"{one(pick, (key, key.upper()))}: {text}\t" for key, text in sample.items()]
        if pick(2):
            lines = lines[::-1]
        lines = ["softwareVersion: Imaging FlowCytobot Acquisition Software version 2.0", *lines]
    elif kind == 1:
        lines = ["Imaging FlowCytobot Acquisition Software version 2.0; May 2010", "Sample Date 1-Jan-2011"]
        clocks = f"run time = {texts[0]} s\t inhibit time = {texts[1]} s"
        lines += [clocks, f"{texts[2]} temperature,\t{texts[3]} humidity"]
    else:
        lines = ['"Imaging FlowCytobot Acquisition Software version 1.0"', '"Temp Humidity BlobSizeThresh"']
        lines += [f'" {texts[2]}"," {texts[3]}"," 10"']
        texts[:2] = ["", ""]
    end = one(pick, ("\r\n", "\n"))
    body = (end.join(lines) + end * pick(3)).encode("utf-8", "surrogatepass")
    damage = seldom(pick, 3)
    return {
        "body": damaged(pick, body) if damage else body,
        "right": None if odd or damage else texts,
        "sample": sample,
    }


def some_triggers(pick: Pick) -> dict[str, Any]:
    """An `.adc` of up to 6 lines, of an old or a new instrument."""
    old = pick(2) == 1
    odd = one(pick, (1000, 40, 8))
    width = 16 if old else one(pick, (24, 24, 24, 22, 18))
    lines = []
    for n in range(pick(7)):
        cells = [str(n + 1), *[one(pick, CLOCKS) for _ in range(width - 1)]]
        x = 9 if old else 13
        cells[x : x + 4] = [str(one(pick, (*SIZES, pick(1380)))) for _ in range(4)]
        cells[x + 4] = str(one(pick, (1, 4321, pick(10**9))))
        if seldom(pick, odd):
            cells[pick(len(cells))] = one(pick, ODD_NUMBERS)
        if seldom(pick, odd):
            cells[x + pick(5)] = one(
                pick, ("-1", "1000000000", "4097", "1e3", "5.0", " 7 ", "+7", "1" * 16, str(2**40 + 1))
            )
        if seldom(pick, odd):
            cells = one(pick, (cells[:-1], [*cells, ""], [""], cells[: pick(len(cells))]))
        lines.append(",".join(cells))
    end = one(pick, ("\n", "\n", "\r\n"))
    body = (end.join(lines) + end * pick(2) * bool(lines)).encode("utf-8", "surrogatepass")
    return {"old": old, "body": damaged(pick, body) if seldom(pick, 4) else body}


def some_images(pick: Pick) -> dict[str, Any]:
    """Up to 4 triggers (trigger, x, y, width, height, offset) and a `.roi` that may be too short for them."""
    first, step = pick(256), 1 + 2 * pick(128)
    roi = bytes((first + step * i) % 256 for i in range(60 + pick(200)))
    boxes = []
    for n in range(pick(5)):
        trigger = n if seldom(pick, 6) else 1
        size = [one(pick, (4, 5, 7, 9, 3, 1, 0)) for _ in range(2)]
        room = max(0, len(roi) - size[0] * size[1])
        at = pick(room + 1) if not seldom(pick, 20) else one(pick, (len(roi), room + 1, 10**9))
        boxes.append([trigger, pick(6), pick(6), *size, at])
    return {"old": pick(4) > 0, "stitch": pick(4) > 0, "boxes": boxes, "roi": roi}


def some_packed_scores(pick: Pick) -> dict[str, Any]:
    """Class scores for a file of version 1, 2 or 3, and how the file is damaged, if it is."""
    odd = one(pick, (1000, 20))
    labels = [a_text(pick, LABELS, odd) for _ in range(pick(4) + (pick(20) > 0))]
    if not seldom(pick, 16):
        labels = list(dict.fromkeys(labels))
    # What cannot be written into such a file need not be read from it.
    labels = [label.encode("utf-8", "replace").decode().replace("\0", "")[:200] for label in labels]
    rois = [1 + 3 * n + pick(3) for n in range(pick(5))]
    if rois and seldom(pick, odd):
        rois[0] = one(pick, (0, -1, rois[-1], 2**31, 70_000))
    scores = [[math.nan if seldom(pick, 8) else a_double(pick) for _ in labels] for _ in rois]
    if scores and labels and seldom(pick, odd):
        scores[0][0] = one(pick, (-1e-9, 1.0000001, 2.0, math.inf, -math.inf))
    version = 1 + pick(3)
    # In version 2 the library takes up to 2 GB for a damaged length of a label, before it refuses.
    damage = [(pick(2**16), pick(256)) for _ in range(1 + pick(4))] if version != 2 and seldom(pick, 4) else []
    return {
        "version": version,
        "dtype": one(pick, ("float16", "float32", "float64")),
        "bin": one(pick, (BIN, BIN, BIN, None, "D20240215T150055_IFCB011")),
        "labels": labels,
        "rois": rois,
        "scores": scores,
        "cut": pick(2**16) if seldom(pick, 6) else None,
        "damage": damage,
    }


# --- the config ---

FILES = {"thresholds": "", "classes": ""}  # paths of files that can be read; set by whoever makes configs


def a_value(pick: Pick, depth: int = 0) -> Any:
    """Anything that YAML may hold."""
    kind = pick(9)
    if kind == 0:
        return one(pick, (None, True, False, 0, 1, -1, 10, 2024, 0.0, 0.5, 1.0, -0.5, 5.0, 1e308, -1e308, 5e-324))
    if kind == 1:
        return one(pick, (math.nan, math.inf, -math.inf, 2**53 + 1, 2**63 - 1, 2**63, -(2**63), 10**400, -(10**5000)))
    if kind == 2:
        return one(pick, (DAY, datetime.datetime(2024, 2, 15, 12), datetime.time(1), b"x", {1, "a"}, {10**5000}))
    if kind == 3:
        return a_number(pick, 2)
    if kind == 4:
        return one(pick, ODD_TEXTS)
    if kind == 5:
        return a_text(pick, ("a", "2024-02-15", "demo", "10", "0.5", "null", "False"), 4)
    if kind == 6 and depth < 3:
        return some(pick, 3, lambda: a_value(pick, depth + 1))
    if kind == 7 and depth < 3:
        return {a_key(pick): a_value(pick, depth + 1) for _ in range(pick(3))}
    knot: list[Any] = []
    knot.append(knot)
    deep: Any = 1
    for _ in range(one(pick, (6, 7, 8, 9, 3000))):
        deep = [deep]
    return one(pick, (knot, {"a": knot}, deep, [], {}, (1, 2)))


def a_key(pick: Pick) -> Any:
    texts = ("kind", "start", "selekt", "", "a.b", "a\nb", "\x1b[2J", "\ud800", "x" * 5000)
    return one(pick, (*texts, 1, None, True, 0.5, ("a", 1), 10**5000))


DAY, NEXT_DAY = datetime.date(2024, 2, 15), datetime.date(2024, 2, 16)
ODD_DAYS = ("2024-02-30", "2024-2-1", "null", "9999-12-31", "0001-01-01")
NO_TABLES = ("/no/such.csv", "https://127.0.0.1:1/x", "s3://a/b", "memory://x", "x.zip", ".", "/dev/null", "\0", "~/x")
ADDRESSES = (
    *("https://ifcb-data.whoi.edu", "http://localhost:8000/ifcb/", "https://ifcb.caloos.org/", "http://127.0.0.1:80"),
    *("http://[::1]:8000", "http://x:0", "http://x:65535", "http://x:65536", "http://x:", "http://x:abc", "http://a."),
    *(
        "http://u:p@x",
        "https://x/?a",
        "https://x/#a",
        "ftp://x",
        "file:///etc/passwd",
        "javascript:x",
        "HTTP://x",
        "-x",
    ),
    *("http://", "http://a..b", "http://a\\b", "http://\0", "http://\u00e9", "http://x/\u00e9", "http://x/../.."),
    *("http://" + "a" * 64, "http://" + ".".join(["a" * 60] * 5)),
)
BUCKETS = (
    *("s3://bucket", "s3://bucket/", "s3://a.b-c/ifcb/a b/{x}", "s3://Bucket_1//x", "s3://bucket/\u00e9", "s3://ab"),
    *("s3://", "s3:/x", "S3://bucket", "s3://u:p@bucket/x", "s3://bucket/a\nb", "s3://bucket/\ud800", "s3://-bucket"),
    *("s3://bucket/" + "x" * 901, "s3://" + "b" * 256, "s3://b\u00fccket/x", "s3://bucket?a"),
)
RIGHT: dict[str, Sequence[Any]] = {
    "dataset": ("demo", "mvco", "NESLTER_broadscale", "a.b-c", 2024, "x" * 100),
    "shard": (None, "2024", "2024-02", "merge", "2023", 2024, "0000", "2024-13", "null", "2024-2"),
    "source.kind": ("directory", "dashboard", "bucket"),
    "source.path": (
        "resources/demo",
        "resources/x/../demo/2024",
        ".",
        "elsewhere",
        "../up",
        "/tmp",
        "a b",
        None,
        "null",
        *BUCKETS,
    ),
    "source.url": (*ADDRESSES, None, "null"),
    "source.endpoint_url": (None, "null", "http://127.0.0.1:9000", *ADDRESSES),
    "source.anonymous": (True, False, "true", "FALSE", 1),
    "source.catalog": ("export", "walk", "raw"),
    "source.scores_format": ("auto", "csv", "h5", "mat", "class_csv", "prob_csv", "summary"),
    "source.deployments": (None, "null", "nowhere.csv"),
    "source.fast_runs": ("factor", "as_dashboard"),
    "source.scores_version": (None, 1, 2, "3", 2.0, "null", "2.0"),
    "source.model": (None, "vit-2024", "null", 3, "x" * 100, "a.b"),
    "source.timeout": (60, 0.5, "30", "1e2", 1),
    "source.retries": (5, 0, "3", 2.0, "1_0", " 5 "),
    "source.backoff": (1.0, 0, "0.5", "0x1"),
    "source.max_body_mb": (256, 0.5, "10", 0),
    "source.max_requests_per_second": (None, 5, "0.5", 0, "null"),
    "source.on_failure": ("stop", "record"),
    "source.allow_empty": (False, True, "true", "FALSE", 1),
    "select.start": (DAY, "2024-02-15", None, BIN, "D20240215T000000_IFCB010", "IFCB5_2012_028_081515", *ODD_DAYS),
    "select.end": (NEXT_DAY, "2024-02-16", None, BIN, "D20240215T000000_IFCB010", "2024-02-15", BIN + "\n", *ODD_DAYS),
    "select.instruments": ([], [10], ["10", 125], [10.0], (5,), ["\u0661"], ["IFCB010", "ifcb5"], ["IFCB\u0661"]),
    "select.sample_types": ([], ["cast"], [7], ["=1", ""], ["null"]),
    "select.exclude_tags": ([], ["bad", "x y"], [True], [datetime.date(2024, 2, 15)]),
    "select.exclude_bins": ([], [BIN], ["../x"]),
    "select.include_skipped": (False, True, "true", "FALSE", 1),
    "select.accept_zero_position": (False, True, "true", "FALSE", 1),
    "select.ml_analyzed.above": (0, 0.5, "1", 5.25),
    "select.ml_analyzed.at_most": (5.25, 5, "4.5", 0),
    "classify.threshold": (0.7, 0, 1, "0.8", 1.0, "1.0000000001"),
    "classify.rule": ("winner", "above_own", "each", "best"),
    "classify.match_labels": ("loose", "exact", None),
    "classify.class_thresholds": (None, "null", "THRESHOLDS", *NO_TABLES),
    "classify.class_table": (None, "null", "CLASSES", *NO_TABLES),
    "classify.score_precision": ("auto", "float16", "float32", "float64"),
    "abundance.group_by": (["instrument"], [], ["depth", "cruise"], ["sample_type", "sample_type"], ("instrument",)),
    "abundance.period": ("day", "hour", "week", "month"),
    "abundance.pool_km": (None, 5, "0.5", 0),
    "abundance.position_tolerance_km": (1.0, 0, "2.5", 1e308),
    "abundance.cells": (None, True, "false", 1),
    "abundance.confidence": (0.95, "0.9", 0.5, 0, 1),
    "features.carbon": ("per_image", "per_cell", "cell"),
    "features.carbon_rule": ("menden_deuer_lessard_2000", "ifcb_analysis", "irfcb_legacy", "x"),
    "features.compute": (None, "missing", "all", "none"),
    "features.bins": (False, True, "true", 1),
    "features.blobs": (False, True, "true", 1),
    "features.make": (False, True, "true", "null", 0),
    "features.pixels_per_um.default": (3.4, 2.77, "3", 0, 100, "0.05"),
    "report.make": (None, True, False, "true", "null", 1),
    "report.top_classes": (20, 1, 200, "30", 0, 201),
    "report.class": (None, "null", "Akashiwo", "nano <10um", ""),
    "report.width_mm": (180, 85, "85", 60, 300, 59, 301),
    "report.font": (None, "null", "Helvetica", "Source Sans 3", "", "-x", "a;b", "Arial\n"),
    "images.make": (False, True, "true", 1),
    "images.classes": ([], ["detritus"], ["nano <10um", 7], ["a", "a"], [""]),
    "images.bins": ([], [BIN], ["D20240215T000000_IFCB010", "IFCB5_2012_028_081515"], ["../x"], [BIN + "\n"]),
    "images.stitch": (True, False, "false", 0),
    "images.per_class": (24, 1, 200, "12", 0, 201),
    "images.outlines": (False, True, "true", 1),
    "quality.make": (False, True, "true", 1),
    "quality.exclude_bad": (False, True, "true", 1),
    "export.event": ("day", "bin", "hour"),
    "recheck.scores": ("no_scores", "all"),
    "recheck.days": (None, 7, "14", "null", 0),
    "export.formats": ([], ["netcdf"], ["darwin_core", "seabass"], ["erddap", "erddap"], ("seabass",)),
    "export.title": ("Plankton", None, "null", " ", "\u00e9", "a\nb", "\u2028", 2024, "x" * 5001, "\U0001f9a0"),
    "export.summary": ("Daily abundance & more.", None, "\ufffe"),
    "export.institution": ("An institute", None, "\x7f"),
    "export.license": ("CC-BY-4.0", "CC0-1.0", None, "MIT", "CC-BY-4.0\n"),
    "export.info_url": ("https://example.org/a", None, "example.org"),
    "export.model": ("classifier 1.0", None, "\ud800"),
    "export.creator.name": ("A. Name", None, ""),
    "export.creator.email": ("a.name@example.org", None, "a.name"),
    "export.seabass.experiment": ("EXPERIMENT", None, "a b", 7),
    "export.seabass.cruise": ("deployment_1", None, "a,b"),
    "export.seabass.documents": (["protocol.txt"], [], ["a b"], [7]),
}


def a_config(pick: Pick) -> dict[Any, Any]:
    """Some keys with values that are mostly right, and whatever else a config may hold."""
    keys = list(RIGHT)
    tree: dict[Any, Any] = {"classify": {"class_table": None}}
    wild = one(pick, (1000, 1000, 12, 3))
    for _ in range(pick(7)):
        key = one(pick, keys)
        value = a_value(pick) if seldom(pick, wild) else one(pick, RIGHT[key])
        value = FILES["thresholds"] if value == "THRESHOLDS" else FILES["classes"] if value == "CLASSES" else value
        *above, last = key.split(".")
        branch = tree
        for part in above:
            branch = branch.setdefault(part, {})
        branch[last] = value
    if seldom(pick, wild):
        holder = one(pick, (tree, *(branch for branch in tree.values() if isinstance(branch, dict))))
        holder[a_key(pick) if pick(2) else one(pick, ("select", "source", "abundance"))] = a_value(pick)
    return tree
