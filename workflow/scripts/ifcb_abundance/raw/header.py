"""Reads the `.hdr` of a raw bin: settings and clocks of the run, in three dialects.

- keyed (new instruments): a line `softwareVersion: ...`, then `key: value`, among lines of free text. Newer software
  spells the keys with other capitals.
- sentences (some new instruments before that): `run time = 1231.0 s  inhibit time = 11.6 s`, and
  `35.3 temperature,  2.5 humidity`.
- columns (old instruments): quoted lines, the last but one with names and the last with their values. It has no
  clocks: they are in the `.adc`.

Sources: ifcbkit 0.3.1 (`header.py`) and pyifcb (`ifcb/data/hdr.py`) for the dialects, WHOI's ifcb-analysis
(`IFCBxxx_readhdr.m`) for the capitals and for duplicate keys.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from ifcb_abundance.common.errors import RawFileError
from ifcb_abundance.common.strict_csv import number
from ifcb_abundance.raw.malformed_lines import MalformedLines

LARGEST = 2**20  # bytes: real ones have some 3,000

_NUMBER = r"([+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)"
_CLOCKS = re.compile(rf"run time = {_NUMBER} s\s+inhibit time = {_NUMBER}(?: s)?")
_CLIMATE = re.compile(rf"{_NUMBER} temperature,\s*{_NUMBER} humidity")
_SYRINGE = re.compile(r'(?im)^["\s]*syringe ?status\s*[:=]\s*([0-9]{1,6})["\s]*$')
# Keys in lower case, and what they measure.
MEASURED = {
    "runtime": "run_time",
    "inhibittime": "inhibit_time",
    "temperature": "temperature",
    "temp": "temperature",
    "humidity": "humidity",
}


@dataclass(frozen=True)
class Header:
    """The contents of a header; None for what it lacks or what is illegible.

    dialect: `keyed`, `sentences`, `columns`, or `empty` for a file with nothing in it. settings: all keys with their
    values as written. run_time, inhibit_time: seconds. temperature: degrees Celsius. humidity: percent, below zero from
    some sensors. adc_columns: the names of the columns of the `.adc`, if they are declared. malformed: the lines that
    could not be read. syringe_status: what the syringe pump reported, 0 if nothing was wrong.
    """

    dialect: str
    settings: Mapping[str, str]
    run_time: float | None = None
    inhibit_time: float | None = None
    temperature: float | None = None
    humidity: float | None = None
    adc_columns: tuple[str, ...] = ()
    malformed: MalformedLines = field(default_factory=MalformedLines)
    syringe_status: int | None = None

    def setting(self, key: str) -> str:
        """The text after the key, however it is capitalised; empty if the key is missing."""
        return self._settings.get(key.lower(), "")

    @cached_property
    def _settings(self) -> dict[str, str]:
        return {key.lower(): value for key, value in self.settings.items()}


def parse_hdr_file(path: str | Path) -> Header:
    """Read a `.hdr` from disk. Raises RawFileError, naming it, if it cannot be read or is no header."""
    try:
        body = Path(path).read_bytes()
    except OSError as error:
        raise RawFileError(f"{path}: cannot be read ({error.strerror})") from None
    return read_header(body, str(path))


def read_header(body: bytes, name: str) -> Header:
    """Read a `.hdr`; `name` is for the message. Raises RawFileError, naming it, if it is no header."""
    if len(body) > LARGEST:
        raise RawFileError(f"{name}: not a header: it has {len(body):,} bytes, headers have a few thousand")
    text = body.decode("utf-8-sig", "replace")
    lines = [line.strip() for line in text.splitlines()]
    first = next((line for line in lines if line), "")
    found = _SYRINGE.search(text)
    status = int(found[1]) if found else None
    if first.lower().startswith("softwareversion:"):
        return replace(_keyed(lines), syringe_status=status)
    if first.startswith("Imaging FlowCytobot Acquisition Software"):
        return replace(_sentences(lines), syringe_status=status)
    if first.startswith('"Imaging FlowCytobot Acquisition Software'):
        return replace(_columns(lines), syringe_status=status)
    told = f"begins with {first[:60]!r}, which is an unknown format" if first else "is empty"
    raise RawFileError(f"{name}: not a header: it {told}. Copy it again from the instrument, or exclude the bin")


def _keyed(lines: list[str]) -> Header:
    malformed = MalformedLines()
    settings: dict[str, str] = {}
    measured: dict[str, float | None] = {}
    adc_columns: tuple[str, ...] = ()
    for at, line in enumerate(lines, start=1):
        key, colon, value = (part.strip() for part in line.partition(":"))
        if not colon or not key:  # free text, such as the version of the firmware
            continue
        if settings.get(key, value) != value:
            malformed.add(at, f"duplicate {key}, the last one counts")
        settings[key] = value
        if key.lower() in MEASURED:
            measured[MEASURED[key.lower()]] = _measured(value, at, malformed)
        elif key.lower() == "adcfileformat":
            adc_columns = tuple(cell.strip() for cell in value.split(","))
    return _header("keyed", settings, measured, malformed, adc_columns)


def _sentences(lines: list[str]) -> Header:
    malformed = MalformedLines()
    settings: dict[str, str] = {}
    measured: dict[str, float | None] = {}
    for at, line in enumerate(lines, start=1):
        if found := _CLOCKS.match(line):
            names = ("run_time", "inhibit_time")
        elif found := _CLIMATE.match(line):
            names = ("temperature", "humidity")
        else:
            key, colon, value = (part.strip() for part in line.partition(":"))
            if colon and key:
                settings[key] = value
            elif line.startswith("run time"):
                malformed.add(at, f"no run time and inhibit time in {line!r}")
            continue
        for name, text in zip(names, found.groups(), strict=True):
            settings[name] = text
            measured[name] = _measured(text, at, malformed)
    return _header("sentences", settings, measured, malformed)


def _columns(lines: list[str]) -> Header:
    malformed = MalformedLines()
    settings: dict[str, str] = {}
    measured: dict[str, float | None] = {}
    plain = [line.replace('"', "") for line in lines]
    for at, line in enumerate(plain, start=1):
        names = line.split()
        if names[:1] != ["Temp"]:  # the very first headers have neither names nor values
            continue
        values = [cell.strip() for cell in plain[at].split(",")] if at < len(plain) else []
        if len(values) != len(names):
            malformed.add(at + 1, f"{len(values)} values for the names {line!r}")
            continue
        settings = dict(zip(names, values, strict=True))
        measured = {
            MEASURED[name.lower()]: _measured(value, at + 1, malformed)
            for name, value in settings.items()
            if name.lower() in MEASURED
        }
    return _header("columns", settings, measured, malformed)


def _header(
    dialect: str,
    settings: dict[str, str],
    measured: dict[str, float | None],
    malformed: MalformedLines,
    adc_columns: tuple[str, ...] = (),
) -> Header:
    run_time, inhibit_time = measured.get("run_time"), measured.get("inhibit_time")
    temperature, humidity = measured.get("temperature"), measured.get("humidity")
    return Header(dialect, settings, run_time, inhibit_time, temperature, humidity, adc_columns, malformed)


def _measured(text: str, at: int, malformed: MalformedLines) -> float | None:
    try:
        if abs(value := number(text)) < 1e9:
            return value
        malformed.add(at, f"{text!r} is not a time, temperature or humidity")
    except ValueError:
        malformed.add(at, f"{text[:40]!r} is not a number")
    return None
