"""The config: its defaults filled in, checked, every error told with the key, the value and what would do."""

import difflib
import math
import os
import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from ifcb_abundance.bins.deployments import Deployment, read_deployments
from ifcb_abundance.bins.ids import parse_bin_id
from ifcb_abundance.bins.window import Bound, Window
from ifcb_abundance.classes.class_table import read_class_table
from ifcb_abundance.classes.thresholds import read_class_thresholds
from ifcb_abundance.common.errors import ConfigError
from ifcb_abundance.common.strict_csv import number

AUTO = "auto"  # as classify.score_precision: the precision of the source
MERGE = "merge"  # stands as shard where the shards are put together
WORKFLOW = Path(__file__).parents[4]
SCHEMA = Path(__file__).parent / "config.schema.yaml"
DEEPEST = 8  # levels of a config; YAML's anchors make lists that hold themselves
LARGEST = 2**63  # whole numbers beyond it are refused: Python does not even print the largest
LONGEST = 400  # characters of a value in a message
# What an archive does not take a file without; keys below `export`.
EXPORTS_NEED = {
    "netcdf": ("title", "summary", "institution", "license", "creator.name"),
    "darwin_core": ("title", "summary", "institution", "license", "model", "creator.name", "creator.email"),
    "seabass": (
        *("institution", "creator.name", "creator.email"),
        *("seabass.experiment", "seabass.cruise", "seabass.documents"),
    ),
    "erddap": ("title", "summary", "institution", "license", "info_url"),
}
# Where a path may stand, of which `~` is someone's home folder.
PATH_KEYS = (
    *(("source", "path"), ("source", "deployments")),
    *(("classify", "class_thresholds"), ("classify", "class_table")),
)
NOT_OF_KIND = {"dashboard": "raw", "bucket": "walk"}  # ways to list bins that a kind of source does not have
# A host of ASCII names or numbers, a port, a path.
_ADDRESS = re.compile(
    r"https?://([A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?(/[!-~]*)?"
)


def resolve(config: Mapping[str, Any], places: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The config with defaults for all keys that it does not have.

    places: full key to where it is written, such as `my.yaml, line 3`, as `config_files.read_strictly` gives it.
    Raises ConfigError, with a line for each fault found, if it cannot be right.
    """
    schema = _schema()
    resolved: dict[str, Any] = _with_defaults(_plain(config), schema)
    errors = Draft202012Validator(schema).iter_errors(resolved)
    faults = [fault for error in errors for fault in _told(error, schema)]
    if not faults:
        for section, key in PATH_KEYS:
            if path := resolved[section][key]:
                resolved[section][key] = os.path.expanduser(path)  # noqa: PTH111 - Path's fails where there is no home
    faults = list(dict.fromkeys(faults)) or list(_cross_checks(resolved, schema))
    if faults:
        raise refusal(*(_with_place(fault, places or {}) for fault in faults))
    return resolved


@cache
def _schema() -> dict[str, Any]:
    schema: dict[str, Any] = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))
    return schema


def window(config: Mapping[str, Any]) -> Window:
    """The window of a resolved config, or the part of it that lies in its shard."""
    bounds = (config["select"][side] for side in ("start", "end"))
    whole = Window(*(Bound.parse(text) if text is not None else None for text in bounds))
    return whole if config["shard"] in (None, MERGE) else whole.within(config["shard"])


def class_thresholds(config: Mapping[str, Any]) -> dict[str, float]:
    """The thresholds of single classes that a resolved config names, by label."""
    path = config["classify"]["class_thresholds"]
    return read_class_thresholds(path) if path is not None else {}


def class_table(config: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """The class table that a resolved config names: label to traits."""
    path = config["classify"]["class_table"]
    shipped = _schema()["properties"]["classify"]["properties"]["class_table"]["default"]
    if path == shipped and not Path(path).exists():  # another workflow uses this one as a module
        path = WORKFLOW / path
    return read_class_table(path)


def deployments(config: Mapping[str, Any]) -> list[Deployment]:
    """The deployments that a resolved config names."""
    path = config["source"]["deployments"]
    return read_deployments(path) if path is not None else []


def refusal(*faults: str) -> ConfigError:
    """The error for a config that has these faults, a line each."""
    # What a config holds may be anything, control sequences of a terminal included; a fault is one line.
    # A login does not belong into an address, and least of all into a log.
    faults = tuple(re.sub(r"(?<=//)\S*@", "...@", fault) for fault in faults)
    lines = ("".join(c if c.isprintable() else "?" for c in fault) for fault in faults)
    return ConfigError("the config cannot be right:\n" + "\n".join(f"  {line}" for line in lines))


def _with_place(fault: str, places: Mapping[str, str]) -> str:
    """The fault, which begins with its key, and where the key is written."""
    place = places.get(fault.split(": ", 1)[0])
    return f"{place}: {fault}" if place else fault


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}... ({len(text)} characters)"


def _plain(value: Any, *keys: str) -> Any:
    """A copy in plain JSON types: YAML reads an unquoted 2024-02-15 as a date, JSON has no NaN.

    keys: those that lead to the value. Raises ConfigError for values too deep or too large to be looked at further.
    """
    if len(keys) > DEEPEST:
        raise refusal(f"{'.'.join(keys)}: nested too deep. Accepted: the keys that config/config.yaml has")
    if isinstance(value, int) and abs(value) >= LARGEST:
        raise refusal(f"{'.'.join(keys)}: a number of {value.bit_length()} bits. Accepted: numbers of up to 63 bits")
    if isinstance(value, set):
        value = dict.fromkeys(value)  # as YAML writes it
    if isinstance(value, Mapping):
        plain_keys = (_short(str(_plain(key, *keys))) for key in value)
        return {key: _plain(entry, *keys, key) for key, entry in zip(plain_keys, value.values(), strict=True)}
    if isinstance(value, list | tuple):
        return [_plain(entry, *keys, str(i)) for i, entry in enumerate(value)]
    if isinstance(value, date) or (isinstance(value, float) and not math.isfinite(value)):
        return str(value)
    return value


def _with_defaults(given: Any, entry: Mapping[str, Any]) -> Any:
    """The value with the defaults of its schema entry, and of the type that it asks for."""
    if isinstance(given, dict):
        known = entry.get("properties", {})
        defaults = {key: deepcopy(known[key]["default"]) for key in known if "default" in known[key]}
        others = entry.get("additionalProperties") or {}
        return {key: _with_defaults(value, known.get(key, others)) for key, value in {**defaults, **given}.items()}
    if isinstance(given, list):
        return [_with_defaults(value, entry.get("items", {})) for value in given]
    # `--config select='{instruments: [10]}'` hands over text at all depths, `--config dataset=2024` a number.
    types = entry.get("type", "string" if "enum" in entry else "")
    if isinstance(given, str) and (given == "null" or "string" not in types):
        given = _scalar(given)
    if type(given) is int and (types == "string" or "pattern" in entry):
        return str(given)
    return int(given) if "integer" in types and isinstance(given, float) and given.is_integer() else given


def _scalar(text: str) -> Any:
    """The number, truth value or null that the text says; else the text itself."""
    if re.fullmatch("[+-]?[0-9]{1,18}", text):
        return int(text)
    try:
        return number(text)
    except ValueError:
        return {"true": True, "false": False, "null": None}.get(text.lower(), text)


def _told(error: ValidationError, schema: Mapping[str, Any]) -> list[str]:
    path = [str(part) for part in error.absolute_path if isinstance(part, str)]
    entry = schema
    given: Any = error.instance
    for part in path:
        entry = entry["properties"].get(part) or entry["additionalProperties"]
    if error.validator == "additionalProperties":
        unknown = sorted(set(given) - set(entry["properties"]))
        return [_unknown_key([*path, key], given, entry["properties"]) for key in unknown]
    key, hint = ".".join(path), ""
    value = "null (not set)" if given is None else _short(repr(given))
    if given is None and key in ("select.start", "select.end"):
        hint = " With a dashboard, give both select.start and select.end."
    elif isinstance(given, str) and re.fullmatch(r"[+-]?[0-9]+,[0-9]+", given) and "number" in entry.get("type", ""):
        hint = f" Write decimals with a point: {given.replace(',', '.')}."
    return [f"{key}: {value} cannot be used.{hint} Accepted: {entry['description']}"]


def _unknown_key(path: list[str], given: Mapping[str, Any], known: Mapping[str, Any]) -> str:
    """The fault of a key that is unknown in its mapping `given`. known: the schema's entries of that mapping."""
    hint = _slip_of_yaml(path[-1], given, known)
    if not hint and (close := difflib.get_close_matches(path[-1], list(known), n=1)):
        hint = f" Did you mean {'.'.join([*path[:-1], close[0]])}?"
    return f"{'.'.join(path)}: unknown key.{hint} Accepted here: {', '.join(known)}"


def _slip_of_yaml(key: str, given: Mapping[str, Any], known: Mapping[str, Any]) -> str:
    """What to do about an unknown key that comes of a comma, a point or an indent."""
    if re.fullmatch("[0-9]{1,18}", key) and given[key] is None:  # {threshold: 0,5}
        return " A comma ends a value: write decimals with a point, such as 0.5."
    section, *below = key.split(".")
    if below and section in known:
        nested = known[section]
        for part in below:
            nested = nested.get("properties", {}).get(part, {})
        if nested:
            opened, closed = "".join(f" {{{part}:" for part in below), "}" * len(below)
            return f" Sections are nested: write {section}:{opened} ...{closed}."
    owners = [name for name, entry in known.items() if key in entry.get("properties", {})]
    empty = [name for name in owners if given.get(name, "") is None]
    if empty:
        return f" It belongs to {empty[0]}: indent it below that line."
    return f" It belongs to {owners[0]}: write {owners[0]}: {{{key}: ...}}." if len(owners) == 1 else ""


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
        # Of a bin only the catalog knows the sample_time, and so whether it is before the other end.
        if not (start.bin or end.bin) and start.day > end.day:
            yield f"select.start: {start} is after select.end: {end}. Accepted: a start not after the end"
    source, entry = config["source"], schema["properties"]["source"]["properties"]
    yield from _source_checks(source, entry)
    if source["kind"] == "dashboard" and not re.fullmatch("[-A-Za-z0-9_]+", config["dataset"]):
        yield (
            f"dataset: {config['dataset']!r} cannot be used with source.kind: dashboard, whose addresses have no other "
            "characters in names of datasets than letters, digits, '-' and '_'. Accepted: a name that "
            "/api/list_datasets of the dashboard gives"
        )
    if (catalog := source["catalog"]) == NOT_OF_KIND.get(source["kind"]):
        others = " or ".join(name for name in entry["catalog"]["enum"] if name != catalog)
        yield f"source.catalog: {catalog!r} while source.kind is {source['kind']!r}. Accepted: {others}"
    demo = entry["path"]["default"]
    if source["url"] and source["kind"] == "directory" and source["path"] == demo:
        yield (
            f"source.kind: 'directory' while source.url is {source['url']} and source.path the demo's. "
            "Accepted: kind: dashboard for that url, or the path of an archive of yours"
        )
    else:
        yield from _refuse_made_up(config, demo, schema["properties"]["dataset"]["default"])
    for bin_id in config["images"]["bins"]:
        try:
            parse_bin_id(bin_id)
        except ValueError as error:
            accepted = schema["properties"]["images"]["properties"]["bins"]["description"]
            yield f"images.bins: {error}. Accepted: {accepted}"
    volume = select["ml_analyzed"]
    if volume["above"] >= volume["at_most"]:
        yield (
            f"select.ml_analyzed.above: {volume['above']} is not below select.ml_analyzed.at_most: "
            f"{volume['at_most']}. Accepted: two volumes in mL, the first smaller"
        )
    files = {
        "classify.class_thresholds": class_thresholds,
        "classify.class_table": class_table,
        "source.deployments": deployments,
    }
    for path, read in files.items():
        try:
            read(config)
        except ConfigError as error:
            section, key = path.split(".")
            accepted = schema["properties"][section]["properties"][key]["description"]
            yield f"{path}: {_short(str(error))}. Accepted: {accepted}"
    yield from _export_checks(config, schema["properties"])
    if config["shard"] is not None:
        try:
            window(config).shards()
        except ValueError as error:
            accepted = schema["properties"]["shard"]["description"]
            yield f"shard: {config['shard']} cannot be used: {error}. Accepted: {accepted}"


def _refuse_made_up(config: Mapping[str, Any], folder: str, name: str) -> Iterator[str]:
    """The demo's bins, which are made up, go by no other name. folder, name: the demo's."""
    source = config["source"]
    if config["dataset"] == name or source["kind"] != "directory":
        return
    try:
        path = Path(source["path"]).resolve()
    except (OSError, ValueError, RuntimeError):  # what no path can be is told already
        return
    demos = [Path(folder).resolve(), WORKFLOW / folder]
    # Raw files are looked for in all that lies below.
    if any(path.is_relative_to(demo) or (source["catalog"] == "raw" and demo.is_relative_to(path)) for demo in demos):
        yield (
            f"source.path: {_short(repr(source['path']))} is the demo's, whose bins are made up, but dataset is "
            f"{config['dataset']!r}. Accepted: where the bins of that dataset are: the path of an archive of yours, or "
            "source.kind: dashboard or bucket"
        )


def _export_checks(config: Mapping[str, Any], entries: Mapping[str, Any]) -> Iterator[str]:
    """What the chosen formats need of other keys."""
    formats = config["export"]["formats"]
    for key in dict.fromkeys(key for name in formats for key in EXPORTS_NEED[name]):
        value, entry = config["export"], entries["export"]
        for part in key.split("."):
            value, entry = value[part], entry["properties"][part]
        if not value:
            needing = ", ".join(name for name in formats if key in EXPORTS_NEED[name])
            yield f"export.{key}: not set, but needed by {needing} in export.formats. Accepted: {entry['description']}"
    if "darwin_core" in formats and config["classify"]["class_table"] is None:
        accepted = entries["classify"]["properties"]["class_table"]["description"]
        yield (
            "classify.class_table: null (not set), but darwin_core in export.formats needs the names of the taxa. "
            f"Accepted: {accepted}"
        )


def _source_checks(source: Mapping[str, Any], entries: Mapping[str, Any]) -> Iterator[str]:
    """What a pattern cannot tell of the address and the path."""
    checks = {"url": _check_address, "endpoint_url": _check_address, "path": PATHS.get(source["kind"], str)}
    for key, check in checks.items():
        try:
            check(source[key] or "")
        except (ValueError, OSError) as error:
            value, reason = _short(repr(source[key])), _short(getattr(error, "strerror", None) or str(error))
            yield f"source.{key}: {value} cannot be used: {reason}. Accepted: {entries[key]['description']}"


def _check_address(url: str) -> None:
    if url and not _ADDRESS.fullmatch(url):
        raise ValueError("not a host, a port and a path in ASCII")
    if len(urlsplit(url).hostname or "") > 253 or urlsplit(url).port == 0:  # raises ValueError above 65535
        raise ValueError("there is no such host or port")


def _check_path(path: str) -> None:
    if path.startswith("s3://"):
        raise ValueError("a bucket is no directory: source.kind has to be bucket")
    if re.search(r"[{}\0]", path):  # to the workflow braces are wildcards
        raise ValueError("it has braces or a null character")
    Path(path).exists()  # raises OSError where it could not even be looked for


def _check_bucket(path: str) -> None:
    bucket, _, prefix = path.removeprefix("s3://").partition("/")
    if not path.startswith("s3://") or not re.fullmatch("[A-Za-z0-9][A-Za-z0-9._-]{2,254}", bucket):
        raise ValueError("it does not begin with s3:// and the name of a bucket")
    if not prefix.isprintable() or len(prefix.encode("utf-8", "replace")) > 900:  # keys have up to 1024 bytes
        raise ValueError("no file can have such a name")


PATHS = {"directory": _check_path, "bucket": _check_bucket}
