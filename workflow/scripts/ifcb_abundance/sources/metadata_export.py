"""The dashboard's metadata export: the CSV that lists bins, over HTTP or on disk, turned into catalog rows."""

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import compress
from typing import Any

import pandas as pd

from ifcb_abundance.bins.ids import PATTERN, parse_bin_id
from ifcb_abundance.bins.positions import LIMITS
from ifcb_abundance.common.errors import CatalogError
from ifcb_abundance.common.strict_csv import number, read_columns
from ifcb_abundance.common.words import printable
from ifcb_abundance.raw.header import Header
from ifcb_abundance.raw.position import FIX_TIMES, GPS, OWN, fault_of_fix
from ifcb_abundance.raw.volume import FastRuns, measure_volume
from ifcb_abundance.tables import table_files

NEEDED = ("pid sample_time ifcb ml_analyzed latitude longitude depth cruise sample_type n_images skip").split()
OPTIONAL = ("cast", "niskin")
NUMBERS = {"ifcb", "ml_analyzed", "latitude", "longitude", "depth", "n_images"}
MISSING = ("NA", "nan", "NaN")  # how R and pandas write a cell that is empty
# Lists of bins that are no export: what people upload to a dashboard, iRfcb's table of headers, lists made by hand. By
# the export's column, names in lower case that mean the same there. Source: ifcbdb (`dashboard/accession.py`,
# import_metadata), iRfcb (`R/ifcb_read_hdr_data.R`).
OTHER_NAMES = {
    "pid": ("filename", "lid", "bin", "bin_id", "sample", "sample_id", "sample_name", "id"),
    "sample_time": ("sample_time", "timestamp", "datetime", "date"),
    "ifcb": ("ifcb", "ifcb_number", "instrument", "instrument_id"),
    "ml_analyzed": ("ml_analyzed", "volume_analyzed"),
    "latitude": ("latitude", "lat", "y", "gpslatitude"),
    "longitude": ("longitude", "lon", "lng", "lg", "x", "gpslongitude"),
    "depth": ("depth", "dep", "z"),
    "cruise": ("cruise",),
    "cast": ("cast",),
    "niskin": ("niskin", "bottle"),
    "sample_type": ("sample_type", "sampletype"),
    "n_images": ("n_images",),
    "skip": ("skip", "bad"),
}
ALL_NAMES = {name for names in OTHER_NAMES.values() for name in names}
SKIPPED = {
    **dict.fromkeys(("skip", "yes", "y", "true", "t", "1"), "1"),
    **dict.fromkeys(("", "noskip", "no", "n"), "0"),
}
SKIPPED |= dict.fromkeys(("false", "f", "0"), "0")
SKIP = {"0": 0, "1": 1, "0.0": 0, "1.0": 1, "false": 0, "true": 1}
# Years of four digits: a day is written with as many. No fraction finer than a microsecond.
_TIME = re.compile(
    r"[1-9]\d{3}-\d\d-\d\d([T ]([01]\d|2[0-3]):\d\d(:\d\d(\.\d{1,6}0*)?)?(Z|[+-]\d\d(:?\d\d)?)?)?", re.ASCII
)


def read_export(body: bytes, origin: str, fast_runs: FastRuns = "factor") -> pd.DataFrame:
    """Return the catalog rows of a metadata export.

    body: CSV as dashboards 5.0, 5.1 and 5.2 write it, read by column name (5.2 quotes strings and adds
    columns); or a list of bins with a column `filename` or the like, see OTHER_NAMES. `NA` and `nan` are empty cells.
    origin: its address or path, for messages. fast_runs: as of `measure_volume`, for the volumes of a table of headers.

    Returns one row per bin, the columns of the table `catalog`, `cast` and `niskin` where a bin has one:
    `sample_time` as UTC timestamps (a leap second, 23:59:60, as 00:00:00 of the next day), `instrument` as
    `IFCB10`, `ml_analyzed` in mL, `depth` in m, positions in degrees. Numbers are NaN where there is none; fill
    values such as -9999999 are none. `position_note` names a latitude, longitude or depth that is beyond the earth and
    so is NaN too, or a fix of another day in a table of headers. `tags` are joined by `;`, `volume_method` is
    `metadata` for a volume, or as of `measure_volume` for one that was computed. Raises CatalogError if the body is not
    such a list, or is truncated or ambiguous.
    """
    try:
        columns = read_columns(body)
    except ValueError as error:  # not CSV, not UTF-8
        raise CatalogError(f"{origin}: not a metadata export ({error})") from None
    lower = {name.lower(): cells for name, cells in columns.items()}
    if len(lower) == len(columns) and set(NEEDED) <= set(lower):  # an export, its names perhaps in another case
        columns = lower
    filled = [any(map(str.strip, row)) for row in zip(*columns.values(), strict=True)]
    if not all(filled):  # a spreadsheet leaves rows without a value behind
        columns = {name: list(compress(cells, filled)) for name, cells in columns.items()}
    # A dashboard writes nothing in place of a missing text, so a cruise called NA is one.
    missing_in = NUMBERS if "pid" in columns else set(columns)
    columns |= {name: [_known(cell) for cell in cells] for name, cells in columns.items() if name in missing_in}
    told: dict[str, list[str]] = {}
    if "pid" not in columns:
        columns, told = _as_export(columns, origin, fast_runs)
    missing = [column for column in NEEDED if column not in columns]
    if missing:
        raise CatalogError(
            f"{origin}: not a metadata export, it has no column {', '.join(missing)} "
            f"(found: {', '.join(list(columns)[:20])})"
        )
    if not body.endswith((b"\n", b"\r")):  # the last number may have lost digits
        raise CatalogError(f"{origin}: its last line does not end with a line break: it may have been cut short")
    tags = [columns[name] for name in columns if re.fullmatch("tag[0-9]+", name)]
    columns["tags"] = [";".join(filter(None, row)) for row in zip(*tags, strict=True)] or [""] * len(columns["pid"])
    return _catalog_rows(columns, origin, told)


def _known(cell: str) -> str:
    return "" if cell.strip() in MISSING else cell


def _as_export(
    columns: Mapping[str, list[str]], origin: str, fast_runs: FastRuns
) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """A list of bins with other names of columns, in those of the export; unchanged if no column has bins.

    What a list does not have is empty: a time is that in the bin's id, also where its day alone is told; a bin is not
    skipped. A table of headers gives volumes and positions as the headers of raw bins do; what is said of them comes
    second, by columns of the catalog.
    Raises CatalogError for two columns that mean the same.
    """
    twice = [name for name, n in Counter(map(str.lower, columns)).items() if n > 1 and name in ALL_NAMES]
    if twice:
        raise CatalogError(f"{origin}: more than one column {', '.join(twice)}. Leave one of each")
    lower: dict[str, list[str]] = {name.lower(): cells for name, cells in columns.items()}
    bins = next((name for name in OTHER_NAMES["pid"] if name in lower), None)
    if bins is None:
        return dict(columns), {}
    pids = [_bin_of(text, origin) for text in lower[bins]]
    lower, notes = _without_old_fixes(lower, pids)
    found: dict[str, list[str]] = {}
    for name, others in OTHER_NAMES.items():
        there = [other for other in others if other in lower]
        there = [other for other in there if len(other) > 1] or there[:1]  # x beside longitude may be in metres
        rows = zip(*(lower[other] for other in there), strict=True) if there else [("",)] * len(lower[bins])
        found[name] = [_one_of(name, there, row, origin) for row in rows]
    found["pid"] = pids
    stamps = (parse_bin_id(pid).time.isoformat(sep=" ") for pid in pids)
    times = zip(found["sample_time"], stamps, strict=True)
    found["sample_time"] = [stamp if text in ("", stamp[:10]) else text for text, stamp in times]
    found["ifcb"] = [re.sub("^IFCB0*(?=[0-9])", "", text.strip(), flags=re.IGNORECASE) for text in found["ifcb"]]
    places = zip(notes, found["latitude"], found["longitude"], strict=True)
    told = {"position_note": ["" if north or east else note for note, north, east in places]}
    if not any(found["ml_analyzed"]) and {"runtime", "inhibittime"} <= set(lower):
        volumes = [measure_volume(None, header, fast_runs) for header in _headers(lower)]
        found["ml_analyzed"] = ["" if each.ml_analyzed is None else repr(each.ml_analyzed) for each in volumes]
        told["volume_method"] = [each.volume_method for each in volumes]
        told["volume_note"] = [printable(each.note) for each in volumes]
    return {**found, **{name: cells for name, cells in lower.items() if re.fullmatch("tag[0-9]+", name)}}, told


def _headers(lower: Mapping[str, list[str]]) -> list[Header]:
    """The rows of a table of headers, as such."""
    rows = [dict(zip(lower, row, strict=True)) for row in zip(*lower.values(), strict=True)]
    return [Header("keyed", row, _seconds(row.get("runtime")), _seconds(row.get("inhibittime"))) for row in rows]


def _seconds(cell: str | None) -> float | None:
    try:
        return number(cell or "")
    except ValueError:
        return None


def _without_old_fixes(lower: Mapping[str, list[str]], pids: Sequence[str]) -> tuple[dict[str, list[str]], list[str]]:
    """The columns without positions whose fix is not of the bin's day, as of raw headers, and why not, of each bin.

    A list that tells no times of fixes stays as it is.
    """
    notes = [""] * len(pids)
    if not any(name.lower() in lower for name in FIX_TIMES):
        return dict(lower), notes
    kept = {name.lower(): list(lower[name.lower()]) for name in (*OWN, *GPS) if name.lower() in lower}
    for at, (pid, header) in enumerate(zip(pids, _headers(lower), strict=True)):
        names = GPS if any(map(header.setting, GPS)) else OWN
        if any(map(header.setting, names)):
            notes[at] = printable(fault_of_fix(header, parse_bin_id(pid).time, names is GPS))
        if notes[at]:
            for name in kept.keys() & set(map(str.lower, names)):
                kept[name][at] = ""
    return {**lower, **kept}, notes


def _one_of(name: str, there: Sequence[str], row: Sequence[str], origin: str) -> str:
    """What the columns that are `there` say of a bin. A day may stand beside a time; one flag of two is enough."""
    if name == "pid":  # others may number the rows
        return row[0]
    if name == "skip":
        row = sorted((SKIPPED.get(cell.strip().lower(), cell) for cell in row), reverse=True)
    said = list(filter(None, row))
    if name not in ("sample_time", "ifcb", "skip") and len(set(map(_as_number, said))) > 1:
        raise CatalogError(
            f"{origin}: columns {', '.join(there)} mean the same, and one bin has {', '.join(map(repr, row))} in them. "
            "Leave one of them"
        )
    return said[0] if said else ""


def _as_number(cell: str) -> float | str:
    try:
        return number(cell)
    except ValueError:
        return cell.strip()


def _bin_of(text: str, origin: str) -> str:
    """The bin that a file or an address is of."""
    name = text.strip().replace("\\", "/").rpartition("/")[2]
    found = re.fullmatch(rf"({PATTERN})(\.[a-z0-9]+)?", name, re.IGNORECASE)
    try:
        parse_bin_id(found[1] if found else name)
    except ValueError as error:
        raise CatalogError(f"{origin}: {error}") from None
    return str(found[1] if found else name)


def from_records(records: Sequence[Mapping[str, str]], origin: str) -> pd.DataFrame:
    """Return the catalog rows of bins that were asked for one by one: texts by the export's columns."""
    # JSON may hold halves of characters, which no file can.
    columns = {
        name: [str(record[name]).encode("utf-8", "replace").decode() for record in records]
        for name in [*NEEDED, "tags"]
    }
    for name in OPTIONAL:
        columns[name] = [str(record.get(name, "")).encode("utf-8", "replace").decode() for record in records]
    return _catalog_rows(columns, origin, {})


def _catalog_rows(columns: Mapping[str, Sequence[str]], origin: str, told: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Check and convert columns of text, the export's and `tags`, as read_export describes.

    told: notes and methods that are known already, by columns of the catalog.
    """
    try:
        ids = [parse_bin_id(pid) for pid in columns["pid"]]
    except ValueError as error:
        raise CatalogError(f"{origin}: {error}") from None

    def converted(column: str, convert: Callable[[str], Any]) -> list[Any]:
        values = []
        for bin_id, text in zip(columns["pid"], columns[column], strict=True):
            try:
                values.append(convert(text))
            except ValueError as error:
                raise CatalogError(f"{origin}: bin {bin_id}: {column} is {text[:80]!r} ({error})") from None
        return values

    # If the dashboard has no instrument for one bin, its number is empty, and `10.0` in all other rows. The id always
    # has the number.
    numbers = zip(converted("ifcb", _whole_number), ids, strict=True)
    rows = pd.DataFrame(
        {
            "bin": pd.Series(columns["pid"], dtype="str"),
            "sample_time": pd.Series(converted("sample_time", _utc_time), dtype="datetime64[us, UTC]"),
            "instrument": pd.Series([f"IFCB{i.instrument if n is None else n}" for n, i in numbers], dtype="str"),
            **{
                column: pd.Series(converted(column, _number_or_nan), dtype="float64")
                for column in ("ml_analyzed", "latitude", "longitude", "depth")
            },
            "n_images": pd.Series(converted("n_images", _whole_number), dtype="Int64"),
            "skip": pd.Series(converted("skip", _flag), dtype="int64"),
            **{
                column: pd.Series(columns[column], dtype="str").str.replace(r"[\x00-\x1f]", " ", regex=True)
                for column in ("cruise", "sample_type", "tags")
            },
            **{
                column: pd.Series(columns[column], dtype="str").str.replace(r"[\x00-\x1f]", " ", regex=True)
                for column in OPTIONAL
                if any(columns.get(column, ()))
            },
        }
    )
    notes = [[note] if note else [] for note in told.get("position_note", [""] * len(rows))]
    _keep_to_the_earth(rows, notes)
    rows["ml_analyzed"] = rows["ml_analyzed"].where(rows["ml_analyzed"] > -9999999)
    methods = pd.Series(told.get("volume_method", ["metadata"] * len(rows)), index=rows.index, dtype="str")
    rows = rows.assign(
        volume_method=methods.where(rows["ml_analyzed"].notna(), ""),
        volume_disagreement=math.nan,
        volume_note=pd.Series(told.get("volume_note", [""] * len(rows)), index=rows.index, dtype="str"),
        position_note=pd.Series(["; ".join(note) for note in notes], index=rows.index, dtype="str"),
    )
    if "niskin" in rows:  # a number, with a decimal place in an answer that has a bin without one
        rows["niskin"] = rows["niskin"].str.replace(r"^([0-9]+)\.0$", r"\1", regex=True)
    return rows[table_files.columns("catalog", [str(name) for name in rows])]


def _keep_to_the_earth(rows: pd.DataFrame, notes: list[list[str]]) -> None:
    """Take away latitudes, longitudes and depths that do not exist, and note those that were measured."""
    east = rows["longitude"]
    rows["longitude"] = east.where(~east.between(180, 360, inclusive="right"), east - 360)
    for column, (lowest, highest) in LIMITS.items():
        on_earth = rows[column].between(lowest, highest)
        for note, value in zip(notes, rows[column].where(_measured(rows[column]) & ~on_earth), strict=True):
            if not math.isnan(value):
                most = 360 if column == "longitude" else highest  # both ways of counting are known
                note.append(f"{column} {value:.15g} is beyond {most if value > 0 else lowest:g}")
        rows[column] = rows[column].where(on_earth)


def _measured(values: "pd.Series[float]") -> "pd.Series[bool]":
    """Whether each value is finite and not a fill value (-9999, -9999999)."""
    return values.between(-9999, math.inf, inclusive="neither")


def _number_or_nan(text: str) -> float:
    if text in ("inf", "-inf"):  # as the dashboard prints infinity: the catalog reports such a volume, it is no error
        return float(text)
    return number(text) if text else math.nan


def _whole_number(text: str) -> int | None:
    if not text:
        return None
    value = number(text)
    if not (0 <= value < 2**53 and value.is_integer()):
        raise ValueError("not a whole number")
    return int(value)


def _utc_time(text: str) -> datetime:
    if not _TIME.fullmatch(text):
        by_hand = "; a spreadsheet may have rewritten it: export the file anew" if re.search("[/.]", text[:10]) else ""
        raise ValueError(f"not a time such as 2024-02-15 00:07:00+00:00{by_hand}")
    # Second 60, a leap second or one that was rounded up, is the first of the next minute: POSIX defines it so, and
    # PostgreSQL, which stores the dashboard's times, follows.
    sixtieth = text[16:19] == ":60"
    time = datetime.fromisoformat(f"{text[:17]}59{text[19:]}" if sixtieth else text)
    try:
        time = (time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)) + timedelta(seconds=sixtieth)
    except OverflowError:  # the last hours of the year 9999, in another time zone
        raise ValueError("not a time that exists in UTC") from None
    if time.year < 1000:
        raise ValueError("not a year of four digits")
    return time


def _flag(text: str) -> int:
    if text.lower() not in SKIP:
        raise ValueError("not 0 or 1")
    return SKIP[text.lower()]


def without_repeats(rows: pd.DataFrame, where: str) -> pd.DataFrame:
    """Return the rows without duplicates. Raises CatalogError if a bin is listed twice with different values."""
    rows = rows.drop_duplicates(ignore_index=True)
    again = rows["bin"][rows["bin"].duplicated()]
    if len(again):
        first, other = rows[rows["bin"] == again.iloc[0]].head(2).to_dict("records")
        differing = [
            f"{name} {first[name]!s} and {other[name]!s}"
            for name in rows
            if first[name] != other[name] and not (pd.isna(first[name]) and pd.isna(other[name]))
        ]
        raise CatalogError(
            f"{where}: bin {again.iloc[0]} is listed twice, with different values: {', '.join(differing)}"
        )
    return rows
