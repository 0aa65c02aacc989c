"""What is wrong with a config, in sentences: the key, the value, and what would be accepted."""

import difflib
import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from ifcb_abundance.common.errors import ConfigError
from ifcb_abundance.config.model import OF_INSTRUMENT, Config
from ifcb_abundance.config.section import Section, fields, find, has_names, section_of

LONGEST = 400  # characters of a value in a message


def refusal(*faults: str, files: str = "") -> ConfigError:
    """The error for a config that has these faults, a line each. files: where it is written."""
    # What a config holds may be anything, control sequences of a terminal included; a fault is one line.
    # A login does not belong into an address, and least of all into a log.
    lines = (re.sub(r"(?<=//)\S*@", "...@", fault) for fault in faults)
    head = f"Invalid configuration in {files}:" if files else "Invalid configuration:"
    return ConfigError("\n  ".join("".join(c if c.isprintable() else "?" for c in line) for line in (head, *lines)))


def files_of(places: Mapping[str, str]) -> str:
    """The files that keys stand in, such as `my.yaml`, and `--config`; empty if none is known."""
    return ", ".join(dict.fromkeys(place.rpartition(", line ")[0] or place for place in places.values()))


def with_place(fault: str, places: Mapping[str, str]) -> str:
    """The fault, which begins with its key, and where the key is written."""
    place = places.get(fault.split(": ", 1)[0])
    return f"{place}: {fault}" if place else fault


def short(text: str) -> str:
    """A value in a length that a message can hold."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}... ({len(text)} characters)"


def accepted(key: str) -> str:
    """What a key takes, such as of `source.url`."""
    return find(key.split("."), Config).description or ""


def told(key: str, value: Any, description: str) -> str:
    """The fault of a key whose value is not accepted."""
    shown = "null (not set)" if value is None else short(repr(value))
    hint = ""
    if value is None and key in ("select.start", "select.end"):
        hint = " With a dashboard, give both select.start and select.end."
    elif isinstance(value, str) and re.fullmatch(r"[+-]?[0-9]+,[0-9]+", value) and description.startswith("a number"):
        hint = f" Write decimals with a point: {value.replace(',', '.')}."
    return f"{key}: {shown} cannot be used.{hint} Accepted: {description}"


def all_told(error: ValidationError, given: Mapping[str, Any]) -> list[str]:
    """All that a model found wrong with a config, each once."""
    found = (_told(details, given) for details in error.errors(include_url=False, include_context=False))
    return list(dict.fromkeys(found))


def _told(error: Mapping[str, Any], given: Mapping[str, Any]) -> str:
    """One of the faults. An entry of a list is told by the list's key."""
    path = _to_key([part for part in error["loc"] if isinstance(part, str) and part != "[key]"])
    if error["type"] == "extra_forbidden":
        return _unknown_key(path, given)
    if error["type"] == "missing":
        return told(".".join(path), None, find(path, Config).description or "")
    try:
        description = find(path, Config).description or ""
    except KeyError:  # of an instrument, which is a key that no section declares
        if error["type"] == "string_pattern_mismatch":  # its name
            path.pop()
            description = find(path, Config).description or ""
        else:
            description = OF_INSTRUMENT
    return told(".".join(path), error["input"], description)


def _to_key(path: list[str]) -> list[str]:
    """The path without what stands behind a key of more than one type: the type that was tried."""
    for n in range(1, len(path)):
        try:
            if section_of(find(path[:n], Config)) is None:
                return path[:n]
        except KeyError:
            break
    return path


def _unknown_key(path: list[str], given: Mapping[str, Any]) -> str:
    """The fault of a key that its section does not have."""
    parts = iter(path[:-1])
    section: type[Section] | None = Config
    for part in parts:
        info = fields(section)[part]
        given, section = given[part], section_of(info)
        if has_names(info):
            given = given[next(parts)]
    known = fields(section)
    hint = _slip_of_yaml(path[-1], given, known)
    if not hint and (close := difflib.get_close_matches(path[-1], list(known), n=1)):
        hint = f" Did you mean {'.'.join([*path[:-1], close[0]])}?"
    if not hint and len(path) > 1:
        others = [name for name, info in fields(Config).items() if path[-1] in fields(section_of(info))]
        hint = f" Did you mean {others[0]}.{path[-1]}?" if len(others) == 1 else ""
    return f"{'.'.join(path)}: unknown key.{hint} Accepted here: {', '.join(known)}"


def _slip_of_yaml(key: str, given: Mapping[str, Any], known: Mapping[str, Any]) -> str:
    """What to do about an unknown key that comes of a comma, a point or an indent. known: the keys of its section."""
    if re.fullmatch("[0-9]{1,18}", key) and given[key] in (None, ""):  # {threshold: 0,5}; --config has "" for null
        return " A comma ends a value: write decimals with a point, such as 0.5."
    section, *below = key.split(".")
    if below and section in known:
        nested = known[section]
        for part in below:
            nested = fields(section_of(nested)).get(part) if nested else None
        if nested:
            opened, closed = "".join(f" {{{part}:" for part in below), "}" * len(below)
            return f" Sections are nested: write {section}:{opened} ...{closed}."
    owners = [name for name, info in known.items() if key in fields(section_of(info))]
    empty = [name for name in owners if given.get(name, "") is None]
    if empty:
        return f" It belongs to {empty[0]}: indent it below that line."
    return f" It belongs to {owners[0]}: write {owners[0]}: {{{key}: ...}}." if len(owners) == 1 else ""
