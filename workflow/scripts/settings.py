"""The config: its defaults filled in, checked, every error told with the key, the value and what would do."""

import difflib
import math
from collections.abc import Iterator, Mapping
from copy import deepcopy
from datetime import date
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from class_table import read_class_table
from errors import ConfigError
from thresholds import read_class_thresholds
from window import Bound, Window

SCHEMA = Path(__file__).parents[1] / "schemas" / "config.schema.yaml"


def resolve(config: Mapping[str, Any]) -> dict[str, Any]:
    """The config with defaults for all keys that it does not have.

    Raises ConfigError, with a line for each fault found, if it cannot be right.
    """
    schema = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))
    resolved: dict[str, Any] = _with_defaults(_plain(config), schema)
    errors = Draft202012Validator(schema).iter_errors(resolved)
    faults = [fault for error in errors for fault in _told(error, schema)]
    faults = list(dict.fromkeys(faults)) or list(_cross_checks(resolved, schema))
    if faults:
        raise ConfigError("the config cannot be right:\n" + "\n".join(f"  {fault}" for fault in faults))
    return resolved


def window(config: Mapping[str, Any]) -> Window:
    """The window of a resolved config."""
    bounds = (config["select"][side] for side in ("start", "end"))
    return Window(*(Bound.parse(text) if text is not None else None for text in bounds))


def class_thresholds(config: Mapping[str, Any]) -> dict[str, float]:
    """The thresholds of single classes that a resolved config names, by label."""
    path = config["classify"]["class_thresholds"]
    return read_class_thresholds(path) if path is not None else {}


def class_table(config: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """The class table that a resolved config names: label to traits."""
    return read_class_table(config["classify"]["class_table"])


def _plain(value: Any) -> Any:
    """A copy in plain JSON types: YAML reads an unquoted 2024-02-15 as a date, JSON has no NaN."""
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, date) or (isinstance(value, float) and not math.isfinite(value)):
        return str(value)
    return value


def _with_defaults(given: Any, entry: Mapping[str, Any]) -> Any:
    """The value with the defaults of its schema entry, and of the type that it asks for."""
    if isinstance(given, dict):
        known = entry.get("properties", {})
        defaults = {key: deepcopy(known[key]["default"]) for key in known if "default" in known[key]}
        return {key: _with_defaults(value, known.get(key, {})) for key, value in {**defaults, **given}.items()}
    if isinstance(given, list):
        return [_with_defaults(value, entry.get("items", {})) for value in given]
    # `--config select='{instruments: [10]}'` hands over text at all depths, `--config dataset=2024` a number.
    types = entry.get("type", "string" if "enum" in entry else "")
    if isinstance(given, str) and (given == "null" or "string" not in types):
        given = _scalar(given)
    if types == "string" and type(given) is int:
        return str(given)
    return int(given) if "integer" in types and isinstance(given, float) and given.is_integer() else given


def _scalar(text: str) -> Any:
    """The number, truth value or null that the text says; else the text itself."""
    for number in (int, float):
        try:
            value = number(text)
        except ValueError:
            continue
        return value if math.isfinite(value) else text
    return {"true": True, "false": False, "null": None}.get(text.lower(), text)


def _told(error: ValidationError, schema: Mapping[str, Any]) -> list[str]:
    path = [str(part) for part in error.absolute_path if isinstance(part, str)]
    entry = schema
    given: Any = error.instance
    for part in path:
        entry = entry["properties"][part]
    if error.validator == "additionalProperties":
        unknown = sorted(set(given) - set(entry["properties"]))
        return [_unknown_key([*path, key], list(entry["properties"])) for key in unknown]
    value = "null (not set)" if error.instance is None else repr(error.instance)
    return [f"{'.'.join(path)}: {value} cannot be used. Accepted: {entry['description']}"]


def _unknown_key(path: list[str], known: list[str]) -> str:
    close = difflib.get_close_matches(path[-1], known, n=1)
    hint = f" Did you mean {'.'.join([*path[:-1], close[0]])}?" if close else ""
    return f"{'.'.join(path)}: unknown key.{hint} Accepted here: {', '.join(known)}"


def _cross_checks(config: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[str]:
    select = config["select"]
    bounds: dict[str, Bound] = {}
    for side in ("start", "end"):
        try:
            if select[side] is not None:
                bounds[side] = Bound.parse(select[side])
        except ValueError as error:
            yield f"select.{side}: {error}. Accepted: a UTC day YYYY-MM-DD or a bin id"
    if len(bounds) == 2:
        start, end = bounds["start"], bounds["end"]
        if start.first_instant > end.last_instant:
            yield f"select.start: {start} is after select.end: {end}. Accepted: a start not after the end"
    source = config["source"]
    demo = schema["properties"]["source"]["properties"]["path"]["default"]
    if source["url"] and source["kind"] == "directory" and source["path"] == demo:
        yield (
            f"source.kind: 'directory' while source.url is {source['url']} and source.path the demo's. "
            "Accepted: kind: dashboard for that url, or the path of an archive of yours"
        )
    volume = select["ml_analyzed"]
    if volume["above"] >= volume["at_most"]:
        yield (
            f"select.ml_analyzed.above: {volume['above']} is not below select.ml_analyzed.at_most: "
            f"{volume['at_most']}. Accepted: two volumes in mL, the first smaller"
        )
    for key, read in {"class_thresholds": class_thresholds, "class_table": class_table}.items():
        try:
            read(config)
        except ConfigError as error:
            accepted = schema["properties"]["classify"]["properties"][key]["description"]
            yield f"classify.{key}: {error}. Accepted: {accepted}"
