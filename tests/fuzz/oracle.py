"""What each parser has to make of an input, worked out plainly and slowly, with nothing of the workflow.

A function here returns a Reading: the value that is right, and whether the parser may refuse it all the same. It raises
WrongError where the parser has to refuse. Three rules decide what is what:

- Damage is never a number. What could be read in two ways (a row with a cell too few, a duplicate column, text
  behind a closing quote, a last line without its end) is refused.
- A number is written in decimal digits: `0x1`, `1_0`, other scripts' digits are refused. Where a spelling can mean one
  thing only (`+0.5`, `-0.0`, a blank around it), it may be refused or taken for that.
- What is odd and harmless (blank lines, line ends of old Macs) may be refused or taken, but taken it has one meaning.
"""

import math
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any


class WrongError(Exception):
    """The parser has to refuse this."""


@dataclass
class Reading:
    """The value that is right; odd: why the parser may refuse it."""

    value: Any
    odd: str = ""


def need(right: object, reason: str) -> None:
    if not right:
        raise WrongError(reason)


# --- CSV ---


def csv_rows(text: str) -> tuple[list[list[str]], str]:
    """Rows of cells by RFC 4180, and what is odd. Lines end with LF, CR LF or CR; blank ones have no cells."""
    rows: list[list[str]] = []
    row: list[str] = []
    odd = ""
    at = 0
    while at < len(text):
        blank = not row and text[at] in "\r\n"
        if text[at] == '"':
            cell, at = "", at + 1
            while True:
                end = text.find('"', at)
                need(end >= 0, "a quote that does not end")
                cell, at = cell + text[at:end], end + 1
                if text[at : at + 1] != '"':
                    break
                cell, at = cell + '"', at + 1
            need(text[at : at + 1] in ("", ",", "\r", "\n"), "text behind a closing quote")
        else:
            cell = re.compile(r"[^,\r\n]*").match(text, at).group()  # type: ignore[union-attr]
            at += len(cell)
            odd = odd or ("a quote within a cell" if '"' in cell else "")
        row += [] if blank else [cell]
        if text[at : at + 1] == ",":
            at += 1
            if at < len(text):
                continue
            row.append("")
        if text[at : at + 1] == "\r" and text[at + 1 : at + 2] != "\n":
            odd = odd or "a line that ends with CR"
        at += 2 if text[at : at + 2] == "\r\n" else 1
        rows.append(row)
        row = []
    return rows, odd


def decoded(body: bytes) -> str:
    try:
        return body.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError:
        raise WrongError("not UTF-8") from None


def columns(body: bytes, needed: list[str]) -> tuple[dict[str, list[str]], str]:
    """The named columns of a table with a header, and what is odd about it."""
    rows, odd = csv_rows(decoded(body))
    if rows and not rows[0]:
        odd = "a blank line before the header"
    header, *rows = list(filter(None, rows)) or [[]]
    header = [name.strip() for name in header]
    names = [name for name in header if name]
    need(names and len(names) == len(set(names)), "no header, or a duplicate column")
    need(all(len(row) == len(header) for row in rows), "a row of another length")
    return {name: [row[header.index(name)] for row in rows] for name in needed if name in header} | {
        name: [row[header.index(name)] for row in rows] for name in names
    }, odd


# --- numbers ---

DECIMAL = r"(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"


def number(text: str) -> tuple[float, str]:
    """The value of a number in decimal digits, and what is odd about how it is written."""
    found = re.fullmatch(rf"([ \t]*)([+-]?)({DECIMAL})([ \t]*)", text, re.ASCII)
    if found is None:
        raise WrongError(f"not a number: {text[:40]!r}")
    before, sign, digits, after = found[1], found[2], found[3], found[6]
    value = float(digits)
    need(math.isfinite(value), "beyond the largest double")
    return (-value if sign == "-" else value), "a sign or blanks" if before or after or sign else ""


# --- class scores ---

MISSING = ("", "nan", "NaN", "NA")
FORMULA = re.compile(r"(^|;)\s*[=+\-@\uff1d\uff0b\uff0d\uff20]")


def scores(bin_id: str, body: bytes) -> Reading:
    """(labels, rows of scores), None for a missing one."""
    text = decoded(body)
    need("\0" not in text, "a null character")
    need(text.endswith(("\n", "\r")), "the last line has no end: a number may have lost digits")
    first_line = text.find("\n") + 1
    odd = ""
    if text[first_line:].startswith("\ufeff"):
        text, odd = text[:first_line] + text[first_line + 1 :], "a second byte order mark"
    rows, odd_rows = csv_rows(text)
    odd = odd or odd_rows or ("" if text.endswith("\n") else "a last line that ends with CR")
    need(rows[0][:1] == ["pid"] and len(rows[0]) > 1, "no header of pid and classes")
    labels = rows[0][1:]
    need(len(set(labels)) == len(labels), "a label twice")
    need(all(labels) and min("".join(labels)) >= " ", "an empty label, or one with control characters")
    need(not any(map(FORMULA.search, labels)), "a label that spreadsheets run")
    if not text[first_line:].strip(" \t\r\n\v\f"):
        return Reading((tuple(labels), []), odd or ("blanks" if text[first_line:].strip("\r\n") else ""))
    odd = odd or ("" if all(rows) else "blank lines")
    table: list[list[float | None]] = []
    rois = set()
    for pid, *cells in filter(None, rows[1:]):
        need(len(cells) == len(labels), "a row of another length")
        roi = re.fullmatch(rf"{bin_id}_([0-9]+)", pid)
        need(roi, f"not a ROI of the bin: {pid[:80]!r}")
        rois.add(roi[1].lstrip("0") if roi else "")
        table.append([])
        for cell in cells:
            if cell in MISSING:
                table[-1].append(None)
                continue
            bare = cell.strip(" \t")
            if bare in MISSING[1:] or re.fullmatch(r"[+-]?nan(\(\w*\))?", bare, re.IGNORECASE | re.ASCII):
                table[-1].append(None)
                odd = odd or "nan in another spelling"
                continue
            value, odd_number = number(cell)
            need(0 <= value <= 1, "a score outside 0 to 1")
            table[-1].append(value)
            odd = odd or odd_number
    need(len(rois) == len(table), "a ROI twice")
    return Reading((tuple(labels), table), odd)


HALF, SINGLE, DOUBLE = "<e", "<f", "<d"  # as struct packs them, rounded to the nearest


def features(body: bytes) -> Reading:
    """(ROI number to its biovolume), None for a missing one, in the file's order."""
    text = decoded(body)
    need(text.endswith(("\n", "\r")), "the last line has no end: a number may have lost digits")
    first_line = text.find("\n") + 1
    need(first_line, "no line that ends")
    need("\0" not in text and text[first_line:].isascii(), "what is in no table of numbers")
    rows, odd = csv_rows(text)
    need(rows and rows[0], "a blank line in place of the header")
    odd = odd or ("a blank line" if not all(rows) else "") or ("a quote" if '"' in text[first_line:] else "")
    header, *rows = rows
    column = next((name for name in ("summedBiovolume", "Biovolume") if name in header), None)
    need(column and header.count(column) == header.count("roi_number") == 1, "a missing or duplicate column")
    found: dict[int, float | None] = {}
    for row in filter(None, rows):
        need(len(row) == len(header), "a row of another length")
        roi, odd_roi = number(row[header.index("roi_number")])
        need(roi == int(roi) and 1 <= roi < 2**31 and int(roi) not in found, "no number of a ROI, or a duplicate one")
        cell = row[header.index(str(column))]
        volume, odd_volume = (None, "") if cell in MISSING else number(cell)
        need(volume is None or 0 <= volume <= 1e12, "no biovolume")
        found[int(roi)] = volume
        odd = odd or odd_roi or odd_volume
    return Reading((column, found), odd)


def counts(labels: Sequence[str], rows: list[list[float | None]], threshold: float, kind: str) -> list[int]:
    """ROIs per class by the contract: the first highest score wins, and counts if it reaches the threshold."""

    def rounded(value: float) -> float:
        return float(struct.unpack(kind, struct.pack(kind, value))[0])

    won = [0] * len(labels)
    for row in rows:
        scores = [-1.0 if score is None else rounded(score) for score in row]
        if max(scores) >= max(0.0, rounded(threshold)):
            won[scores.index(max(scores))] += 1
    return won


# --- bin ids ---


def days_of_month(year: int, month: int) -> int:
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return (31, 29 if leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)[month - 1]


def of_calendar(year: int, month: int, day: int) -> date:
    need(year >= 1 and 1 <= month <= 12 and 1 <= day <= days_of_month(year, month), "no such day")
    return date(year, month, day)


def of_clock(hour: int, minute: int, second: int) -> timedelta:
    """The time since midnight; a 60th second is the first of the next minute."""
    need(hour < 24 and minute < 60 and second <= 60, "no such time")
    return timedelta(hours=hour, minutes=minute, seconds=second)


def digits(text: str, *lengths: int) -> list[int]:
    """Whole numbers of so many digits each."""
    need(len(text) == sum(lengths) and all(c in "0123456789" for c in text), f"not {lengths} digits: {text[:20]!r}")
    numbers = []
    for length in lengths:
        numbers.append(int(text[:length]))
        text = text[length:]
    return numbers


def bin_id(text: str) -> Reading:
    """(instrument, time, folder)."""
    parts = text.split("_")
    if len(parts) == 2:  # D20240215T150055_IFCB010
        stamp, name = parts
        need(len(stamp) == 16 and stamp[0] == "D" and stamp[9] == "T", "not a time")
        year, month, day, *clock = digits(stamp[1:9] + stamp[10:], 4, 2, 2, 2, 2, 2)
        on, folder = of_calendar(year, month, day), stamp[:9]
    else:  # IFCB5_2012_028_081515
        need(len(parts) == 4, "not the parts of an id")
        name = parts[0]
        (year,), (day_of_year,), clock = digits(parts[1], 4), digits(parts[2], 3), digits(parts[3], 2, 2, 2)
        need(year >= 1 and 1 <= day_of_year <= sum(days_of_month(year, m) for m in range(1, 13)), "no such day")
        on, folder = date(year, 1, 1) + timedelta(days=day_of_year - 1), "_".join(parts[:3])
    need(name[:4] == "IFCB" and 1 <= len(name[4:]) <= 5, "not an instrument")
    (instrument,) = digits(name[4:], len(name[4:]))
    try:
        time = datetime(on.year, on.month, on.day, tzinfo=UTC) + of_clock(*clock)
    except OverflowError:
        raise WrongError("the first second of the year 10000") from None
    return Reading((instrument, time, f"{on.year:04d}/{folder}"))


def bound(text: str) -> Reading:
    """(day, bin or None, first instant, last instant)."""
    parts = text.split("-")
    if len(parts) == 3:
        (year,), (month,), (day,) = digits(parts[0], 4), digits(parts[1], 2), digits(parts[2], 2)
        on = of_calendar(year, month, day)
        first = datetime(on.year, on.month, on.day, tzinfo=UTC)
        return Reading((on, None, first, first + timedelta(hours=23, minutes=59, seconds=59, microseconds=999_999)))
    _, time, _ = bin_id(text).value
    return Reading((time.date(), text, time, time))


# --- the metadata export ---

NEEDED = "pid sample_time ifcb ml_analyzed latitude longitude depth cruise sample_type n_images skip".split()
NUMBERS = "ifcb ml_analyzed latitude longitude depth n_images".split()
OPTIONAL = ("cast", "niskin")
OTHER_BINS = {"filename", "lid", "bin", "bin_id", "sample", "sample_id", "sample_name", "id"}
TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:([T ])(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(?:(Z)|([+-])(\d\d)(?::?(\d\d))?)?)?", re.ASCII
)


def utc_time(text: str) -> tuple[datetime, str]:
    """The time, and what is odd about how it is written."""
    found = TIME.fullmatch(text)
    if found is None:
        raise WrongError(f"not a time: {text[:40]!r}")
    year, month, day, separator, hour, minute, second, fraction, _, sign, of_hours, of_minutes = found.groups()
    on = of_calendar(int(year), int(month), int(day))
    need(on.year >= 1000, "a year that is not written with four digits")
    need(not (fraction or "")[6:].strip("0"), "finer than a microsecond")
    clock = of_clock(int(hour or 0), int(minute or 0), int(second or 0))
    clock += timedelta(microseconds=int(f"{fraction or '0':0<6.6}"))
    need(int(of_hours or 0) < 24, "no such offset")
    offset = timedelta(hours=int(of_hours or 0), minutes=int(of_minutes or 0))
    try:
        local = datetime(on.year, on.month, on.day, tzinfo=UTC) + clock
        time = local + offset if sign == "-" else local - offset
    except OverflowError:
        raise WrongError("a time that does not exist in UTC") from None
    need(time.year >= 1000, "a year that is not written with four digits")
    plain = separator and second and not (fraction or "")[6:]
    return time, "" if plain and int(of_minutes or 0) < 60 else "another spelling of a time"


def is_another_list(body: bytes) -> bool:
    """Whether a table has its bins in a column that is not called `pid`: a list of bins made by hand."""
    try:
        table, _ = columns(body, [])
    except WrongError:
        return False
    return "pid" not in table and not OTHER_BINS.isdisjoint(map(str.lower, table))


def export(body: bytes) -> Reading:
    """Rows of the catalog, each a mapping, None for what is not there."""
    table, odd = columns(body, NEEDED)
    if set(NEEDED) <= (lower := {name.lower(): cells for name, cells in table.items()}).keys():
        table = lower if len(lower) == len(table) else table
    need(all(name in table for name in NEEDED), "a column is missing")
    need(body.endswith((b"\n", b"\r")), "the last line has no end: a number may have lost digits")
    tags = [table[name] for name in table if re.fullmatch("tag[0-9]+", name)]
    rows = []
    for i in range(len(table["pid"])):
        if not any(cells[i].strip() for cells in table.values()):
            continue
        cell = {name: table[name][i] for name in NEEDED}
        cell |= {name: "" for name in NUMBERS if cell[name].strip() in ("NA", "nan", "NaN")}
        instrument, _, _ = bin_id(cell["pid"]).value
        row: dict[str, Any] = {"bin": cell["pid"]}
        row["sample_time"], odd_time = utc_time(cell["sample_time"])
        odd = odd or odd_time
        for name in ("ifcb", "n_images", "ml_analyzed", "latitude", "longitude", "depth"):
            row[name], odd_number = measured(cell[name])
            odd = odd or odd_number
        for name in ("ifcb", "n_images"):
            value = row[name]
            need(value is None or (0 <= value < 2**53 and value == int(value)), f"{name} is not a whole number")
            row[name] = None if value is None else int(value)
        ifcb = row.pop("ifcb")
        row["instrument"] = f"IFCB{instrument if ifcb is None else ifcb}"
        note = beyond(row)
        row |= known(row)
        row["skip"] = flag(cell["skip"])
        row["tags"] = ";".join(column[i] for column in tags if column[i])
        for name in ("cruise", "sample_type", "tags", *OPTIONAL):
            text = row.get(name, table[name][i] if name in table else "")
            row[name] = "".join(" " if c < " " else c for c in text)
        row["niskin"] = re.sub(r"^([0-9]+)\.0$", r"\1", row["niskin"])
        stated = "" if row["ml_analyzed"] is None else "metadata"
        row |= {"volume_method": stated, "volume_disagreement": None, "volume_note": "", "position_note": note}
        rows.append(row)
    return Reading(rows, odd)


def flag(text: str) -> int:
    flags = {"0": 0, "0.0": 0, "false": 0, "1": 1, "1.0": 1, "true": 1}
    need(text.lower() in flags, "skip is not 0 or 1")
    return flags[text.lower()]


def known(row: Mapping[str, Any]) -> dict[str, float | None]:
    """Volume, position and depth of a row, None for fill values and for what is nowhere on earth."""
    found = {name: row[name] for name in ("latitude", "longitude", "depth", "ml_analyzed")}
    if found["longitude"] is not None and 180 < found["longitude"] <= 360:
        found["longitude"] -= 360
    unknown = {
        "latitude": lambda degrees: abs(degrees) > 90,
        "longitude": lambda degrees: abs(degrees) > 180,
        "depth": lambda m: not -100 <= m <= 12000,
        "ml_analyzed": lambda ml: ml <= -9999999,
    }
    return {name: None if value is None or unknown[name](value) else value for name, value in found.items()}


def beyond(row: Mapping[str, Any]) -> str:
    """The latitude, longitude and depth that are nowhere on earth; of what stands for an unknown one, nothing."""
    said = []
    for name, lowest, highest in (("latitude", -90, 90), ("longitude", -180, 360), ("depth", -100, 12000)):
        degrees = row[name]
        if degrees is not None and -9999 < degrees < math.inf and not lowest <= degrees <= highest:
            said.append(f"{name} {degrees:.15g} is beyond {highest if degrees > 0 else lowest}")
    return "; ".join(said)


def walked(info: Mapping[str, Any]) -> dict[str, Any]:
    """Time, volume, position, depth and number of images of a bin's JSON; texts of numbers as in the export."""

    def cell(value: Any) -> str:
        return "" if value is None or (isinstance(value, float) and math.isnan(value)) else str(value)

    volume = str(info["ml_analyzed"] or "").removesuffix("ml").strip()
    texts = {
        "ml_analyzed": "" if volume == "nan" else volume,
        "latitude": cell(info["lat"]),
        "longitude": cell(info["lng"]),
        "depth": cell(info["depth"] or ""),
        "n_images": cell(info["num_images"]),
    }
    row = {name: measured(text)[0] for name, text in texts.items()}
    time, _ = utc_time(str(info["timestamp_iso"]))
    return {"n_images": row["n_images"], "sample_time": time, "skip": flag(cell(info["skip"]) or "0")} | known(row)


def measured(text: str) -> tuple[float | None, str]:
    """A number that may be missing, or a database's infinity."""
    if text in ("", "inf", "-inf"):
        return (float(text) if text else None), ""
    value, odd = number(text)
    return value, odd


# --- tables that come with a config ---


def class_thresholds(body: bytes) -> Reading:
    """Label to threshold."""
    table, odd = columns(body, ["class", "threshold"])
    need({"class", "threshold"} <= set(table), "a column is missing")
    found: dict[str, float] = {}
    for name, text in zip(map(str.strip, table["class"]), table["threshold"], strict=True):
        value, odd_number = number(text)
        odd = odd or odd_number
        need(0 <= value <= 1, "outside 0 to 1")
        need(name not in ("", "unclassified") and name not in found, "empty, reserved or duplicate")
        found[name] = value
    return Reading(found, odd)


TRAITS = ["scientific_name", "aphia_id", "living", "group", "harmful"]


def class_table(body: bytes) -> Reading:
    """Label to traits."""
    table, odd = columns(body, ["label", *TRAITS])
    need(set(table) - {"source"} == {"label", *TRAITS}, "other columns")
    labels = table["label"]
    need(all(labels) and len(set(labels)) == len(labels), "an empty or duplicate label")
    need(all(c >= " " for cells in table.values() for cell in cells for c in cell), "control characters")
    need(all(cell in ("yes", "no", "") for name in ("living", "harmful") for cell in table[name]), "neither yes nor no")
    need(all(c.isdecimal() for cell in table["aphia_id"] for c in cell), "not an AphiaID")
    odd = odd or ("" if "".join(table["aphia_id"]).isascii() else "digits of another script")
    need("living total" not in table["group"], "the name of the total")
    need(not any(FORMULA.search(cell) for cells in table.values() for cell in cells), "a cell that spreadsheets run")
    return Reading({label: {name: table[name][i] for name in TRAITS} for i, label in enumerate(labels)}, odd)


# --- raw files ---


def volume(clocks: Sequence[str], sample: Mapping[str, str], by_adc: float) -> float | None:
    """mL of a bin by run time and inhibit time as its header has them, what it says of the sample, and its `.adc`."""
    if sample.get("runSampleFast", "").lower() not in ("1", "1.000000", "true"):
        return by_adc
    try:
        factor, _ = number(sample.get("RunFastFactor", ""))
    except WrongError:
        return None
    run, inhibit = (float(text) if text else math.nan for text in clocks[:2])
    usable = factor > 0 and not math.isnan(run - inhibit) and run != inhibit
    return (run - inhibit) / 60 * 0.25 * factor if usable else None


def position(sample: Mapping[str, str]) -> tuple[float | None, float | None]:
    """Degrees north and east of a sample of 10 August 2023, as its header says, where its fix can be believed."""

    def degrees(key: str, limit: float) -> float | None:
        try:
            value, _ = number(sample.get(key, ""))
        except WrongError:
            return None
        value -= 360 if limit == 180 and 180 < value <= 360 else 0
        return value if -limit <= value <= limit else None

    own, gps = ([degrees(north, 90), degrees(east, 180)] for north, east in (OWN, GPS))
    fix = sample.get("gpsTimeFromFix", "")
    if own == [0, 0] and None not in gps and fix.startswith("Aug/10/2023"):
        found, believed = gps, True
    elif gps.count(None) < own.count(None):
        found, believed = gps, fix.startswith("Aug/10/2023")
    else:
        found, believed = own, fix == "" or fix.startswith("Aug/10/2023")
        believed = believed or any(sample.get(key) for key in GPS)
    return (found[0], found[1]) if believed else (None, None)


OWN, GPS = ("latitude", "longitude"), ("gpsLatitude", "gpsLongitude")


def triggers(old: bool, body: bytes) -> Reading:
    """(rows, how many lines are malformed); a row is line, trigger, x, y, width, height, offset and the clocks."""
    lines = body.split(b"\n")
    lines = lines if lines[-1] else lines[:-1]
    cells = [line.rstrip(b"\r").decode("latin-1").split(",") for line in lines]
    first, clocks = (9, (7, 8)) if old else (13, (1, 22, 23))
    widths = [len(row) for row in cells if first + 5 <= len(row) <= 100]
    usual = max(sorted(set(widths), reverse=True), key=widths.count, default=0)
    rows = []
    for line, row in enumerate(cells, start=1):
        try:
            need(len(row) == usual, "not as many cells as the others")
            trigger, x, y, width, height, offset = (whole(row[at]) for at in (0, *range(first, first + 5)))
            need(0 <= width <= 4096 and 0 <= height <= 4096, "no such image")
            need(0 <= offset <= 2**40, "not in any file")
            times = [seconds(row[at]) if at < usual else None for at in clocks]
        except WrongError:
            continue
        rows.append([line, trigger, x, y, width, height, offset, *times])
    need(rows or not lines, "no line is a trigger")
    need(not body or body[-1:] == b"\n", "the last line has no end")
    return Reading((rows, len(lines) - len(rows)))


def whole(text: str) -> int:
    bare = text.strip(" ")
    number = bare[1:] if bare[:1] in ("+", "-") else bare
    need(1 <= len(number) <= 15 and set(number) <= set("0123456789"), "not a whole number")
    return int(bare)


def seconds(text: str) -> float:
    need("\t" not in text, "a tab")
    value, _ = number(text)
    need(abs(value) <= 1e9, "too long")
    return value


Boxes = Sequence[Sequence[int]]  # trigger, x, y, width, height, offset; the place in the list is the ROI's number


def images(old: bool, stitch: bool, boxes: Boxes, roi: bytes) -> dict[int, dict[tuple[int, int], int] | int]:
    """By ROI number: the pixels that its image has from ROIs, by (y, x) in the frame; or the ROI that is cut short."""
    numbers = [n for n, (_, _, _, w, h, _) in enumerate(boxes, start=1) if w and h]
    found: dict[int, dict[tuple[int, int], int] | int] = {}
    while numbers:
        n, *rest = numbers
        of = [n]
        if old and stitch and rest and together(boxes[n - 1], boxes[rest[0] - 1]):
            of.append(rest[0])
        numbers = numbers[len(of) :]
        frame: dict[tuple[int, int], int] = {}
        for member in of:
            _, x, y, w, h, at = boxes[member - 1]
            if at + w * h > len(roi):
                found[n] = member
                break
            frame |= {(y + i // w, x + i % w): roi[at + i] for i in range(w * h)}
        else:
            found[n] = frame
    return found


def together(a: Sequence[int], b: Sequence[int]) -> bool:
    """Whether they are of one trigger and each reaches more than 2 pixels beyond where the other begins."""
    return a[0] == b[0] and all(a[i] + a[i + 2] - b[i] > 2 and b[i] + b[i + 2] - a[i] > 2 for i in (1, 2))


def packed_scores(bin_id: str, given: Mapping[str, Any]) -> Reading:
    """(labels, ROIs, rows of scores), None for a missing one; as the file's type holds them."""
    labels, rois = given["labels"], given["rois"]
    need(labels and all(labels) and len(set(labels)) == len(labels), "no labels, an empty one, or one twice")
    need(min("".join(labels)) >= " ", "control characters")
    need(not any(map(FORMULA.search, labels)), "a label that spreadsheets run")
    need(len(set(rois)) == len(rois) and all(1 <= roi < 10**9 for roi in rois), "no ROIs, or one twice")
    need(given["version"] == 1 or given["bin"] in (bin_id, None), "of another bin")
    kind = DOUBLE if given["version"] == 1 else {"float16": HALF, "float32": SINGLE, "float64": DOUBLE}[given["dtype"]]
    rows = []
    for row in given["scores"]:
        stored = [None if math.isnan(score) else struct.unpack(kind, struct.pack(kind, score))[0] for score in row]
        need(all(score is None or 0 <= score <= 1 for score in stored), "outside 0 to 1")
        rows.append(stored)
    return Reading((tuple(labels), rois, rows))
