"""The right result of config.resolve for a config, key by key, without the workflow and its schema."""

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from tests.fuzz.oracle import DECIMAL, WrongError, bound, days_of_month, need


@dataclass
class Key:
    """What a key accepts: `read` gives the value in the type that it is used in, or raises WrongError."""

    read: Any
    default: Any


def text_as_value(value: Any) -> Any:
    """As `--config` hands values over: text that says a number, a truth value or null."""
    if not isinstance(value, str):
        return value
    if value.lower() in ("true", "false", "null"):
        return {"true": True, "false": False, "null": None}[value.lower()]
    if re.fullmatch(rf" *[+-]?{DECIMAL} *", value, re.ASCII):
        return int(value) if re.fullmatch("[+-]?[0-9]{1,18}", value) else float(value)
    return value


def a_number(low: float, high: float = math.inf, above: bool = False, below: bool = False, null: bool = False) -> Any:
    def read(value: Any) -> Any:
        value = text_as_value(value)
        if value is None and null:
            return None
        need(isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value), "not a number")
        need(low < value if above else low <= value, "too small")
        need(value < high if below else value <= high, "too large")
        return value

    return read


def a_whole_number(low: int, high: float = math.inf, null: bool = False) -> Any:
    def read(value: Any) -> Any:
        value = text_as_value(value)
        if value is None and null:
            return None
        need(isinstance(value, int | float) and not isinstance(value, bool), "not a number")
        need(math.isfinite(value) and value == int(value) and low <= value <= high, "not whole, too small or large")
        return int(value)

    return read


def an_instrument(value: Any) -> Any:
    """A number, or the name of an instrument with at most five digits."""
    if isinstance(value, str) and value[:4].lower() == "ifcb" and re.fullmatch("[0-9]{1,5}", value[4:]):
        return int(value[4:])
    return a_whole_number(0)(value)


def a_text(pattern: str = r"(?s).*", null: bool = False) -> Any:
    def read(value: Any) -> Any:
        value = None if value == "null" and isinstance(value, str) else value
        if value is None and null:
            return None
        if isinstance(value, int) and not isinstance(value, bool) and not null:
            value = str(value)
        need(isinstance(value, str) and re.fullmatch(pattern, value), "not such a text")
        need(not re.search("[\ud800-\udfff]", value), "half of a character")
        return value

    read.text_or_null = null  # type: ignore[attr-defined]
    return read


def a_line(value: Any) -> Any:
    """Null, or a text that can stand on one line of an XML file."""
    value = a_text(r"(?s).{1,5000}", null=True)(value)
    for c in value or "x":
        good = 0x20 <= ord(c) < 0x7F or 0xA0 <= ord(c) < 0xD800 or ord(c) > 0xDFFF
        need(good and c not in "\u2028\u2029\ufffe\uffff", "a character that no line of XML has")
    need(value is None or value.strip(), "blank")
    return value


a_line.text_or_null = True  # type: ignore[attr-defined]


def a_flag(value: Any) -> bool:
    value = text_as_value(value)
    need(isinstance(value, bool), "neither true nor false")
    return bool(value)


def a_flag_or_null(value: Any) -> bool | None:
    return None if text_as_value(value) is None else a_flag(value)


def one_of(*options: str) -> Any:
    def read(value: Any) -> Any:
        need(isinstance(value, str) and value in options, "not an option")
        return value

    return read


def one_of_or_null(*options: str) -> Any:
    def read(value: Any) -> Any:
        return None if text_as_value(value) is None else one_of(*options)(value)

    return read


def a_list(entry: Any, unique: bool = False) -> Any:
    def read(value: Any) -> Any:
        need(isinstance(value, list | tuple), "not a list")
        values = [entry(item) for item in value]
        need(not unique or len(set(values)) == len(values), "an entry twice")
        return values

    return read


KEYS = {
    "dataset": Key(a_text("[A-Za-z0-9_][A-Za-z0-9._-]{0,99}"), "demo"),
    "shard": Key(a_text("[0-9]{4}(-(0[1-9]|1[0-2]))?|merge", null=True), None),
    "source.kind": Key(one_of("directory", "dashboard", "bucket"), "directory"),
    "source.path": Key(a_text("(?s).+", null=True), "resources/demo"),
    "source.url": Key(a_text(r"https?://[^\s/?#@]+(/[^\s?#@]*)?", null=True), None),
    "source.endpoint_url": Key(a_text(r"https?://[^\s/?#@]+(/[^\s?#@]*)?", null=True), None),
    "source.anonymous": Key(a_flag, False),
    "source.catalog": Key(one_of("export", "walk", "raw"), "export"),
    "source.scores_format": Key(one_of("auto", "csv", "h5", "mat", "class_csv", "prob_csv", "summary"), "auto"),
    "source.deployments": Key(a_text("(?s).+", null=True), None),
    "source.fast_runs": Key(one_of("factor", "as_dashboard"), "factor"),
    "source.scores_version": Key(a_whole_number(1, null=True), None),
    "source.model": Key(a_text("[A-Za-z0-9_-]{1,100}", null=True), None),
    "source.timeout": Key(a_number(0, 86_400, above=True), 60),
    "source.retries": Key(a_whole_number(0, 1000), 5),
    "source.backoff": Key(a_number(0, 3600), 1.0),
    "source.max_body_mb": Key(a_number(0, 100_000, above=True), 256),
    "source.max_requests_per_second": Key(a_number(0.001, null=True), None),
    "source.on_failure": Key(one_of("stop", "record"), "stop"),
    "source.allow_empty": Key(a_flag, False),
    "select.start": Key(a_text(null=True), None),
    "select.end": Key(a_text(null=True), None),
    "select.instruments": Key(a_list(an_instrument), []),
    "select.sample_types": Key(a_list(a_text()), []),
    "select.exclude_tags": Key(a_list(a_text()), []),
    "select.exclude_bins": Key(a_list(a_text()), []),
    "select.include_skipped": Key(a_flag, False),
    "select.accept_zero_position": Key(a_flag, False),
    "select.ml_analyzed.above": Key(a_number(0), 0),
    "select.ml_analyzed.at_most": Key(a_number(0), 5.25),
    "classify.threshold": Key(a_number(0, 1), 0.7),
    "classify.rule": Key(one_of("winner", "above_own", "each"), "winner"),
    "classify.match_labels": Key(one_of("loose", "exact"), "loose"),
    "classify.class_thresholds": Key(a_text("(?s).+", null=True), None),
    "classify.class_table": Key(a_text("(?s).+", null=True), "config/classes.csv"),
    "classify.score_precision": Key(one_of("auto", "float16", "float32", "float64"), "auto"),
    "abundance.group_by": Key(
        a_list(one_of("instrument", "depth", "cruise", "cast", "niskin", "sample_type"), True), ["instrument"]
    ),
    "abundance.period": Key(one_of("day", "hour", "week", "month"), "day"),
    "abundance.pool_km": Key(a_number(0, above=True, null=True), None),
    "abundance.position_tolerance_km": Key(a_number(0), 1.0),
    "abundance.cells": Key(a_flag_or_null, None),
    "abundance.confidence": Key(a_number(0, 1, above=True, below=True), 0.95),
    "features.make": Key(a_flag, False),
    "features.carbon": Key(one_of("per_image", "per_cell"), "per_image"),
    "features.carbon_rule": Key(
        one_of("menden_deuer_lessard_2000", "ifcb_analysis", "irfcb_legacy"), "menden_deuer_lessard_2000"
    ),
    "features.compute": Key(one_of_or_null("missing", "all"), None),
    "features.bins": Key(a_flag, False),
    "features.blobs": Key(a_flag, False),
    "features.pixels_per_um.default": Key(a_number(0.1, 100), 3.4),
    "report.make": Key(a_flag_or_null, None),
    "report.top_classes": Key(a_whole_number(1, 200), 20),
    "report.class": Key(a_text("(?s).+", null=True), None),
    "report.width_mm": Key(a_whole_number(60, 300), 180),
    "report.font": Key(a_text("[A-Za-z0-9][A-Za-z0-9 _-]{0,99}", null=True), None),
    "images.make": Key(a_flag, False),
    "images.classes": Key(a_list(a_text("(?s).+"), True), []),
    "images.bins": Key(a_list(a_text(), True), []),
    "images.outlines": Key(a_flag, False),
    "images.stitch": Key(a_flag, True),
    "images.per_class": Key(a_whole_number(1, 200), 24),
    "quality.make": Key(a_flag, False),
    "quality.exclude_bad": Key(a_flag, False),
    "recheck.scores": Key(one_of("no_scores", "all"), "no_scores"),
    "recheck.days": Key(a_whole_number(1, 36_500, null=True), None),
    "export.formats": Key(a_list(one_of("netcdf", "darwin_core", "seabass", "erddap"), True), []),
    "export.event": Key(one_of("day", "bin"), "day"),
    "export.title": Key(a_line, None),
    "export.summary": Key(a_line, None),
    "export.institution": Key(a_line, None),
    "export.license": Key(a_text(r"CC0-1\.0|CC-BY-4\.0|CC-BY-NC-4\.0", null=True), None),
    "export.info_url": Key(a_text(r"https?://[!-~]{1,2000}", null=True), None),
    "export.model": Key(a_line, None),
    "export.creator.name": Key(a_line, None),
    "export.creator.email": Key(a_text(r"[A-Za-z0-9._%+-]{1,200}@[A-Za-z0-9.-]{1,200}", null=True), None),
    "export.seabass.experiment": Key(a_text(r"[A-Za-z0-9._-]{1,100}", null=True), None),
    "export.seabass.cruise": Key(a_text(r"[A-Za-z0-9._-]{1,100}", null=True), None),
    "export.seabass.documents": Key(a_list(a_text(r"[A-Za-z0-9._-]{1,100}")), []),
}
EXPORTS_NEED = {
    "netcdf": "title summary institution license creator.name",
    "darwin_core": "title summary institution license model creator.name creator.email",
    "seabass": "institution creator.name creator.email seabass.experiment seabass.cruise seabass.documents",
    "erddap": "title summary institution license info_url",
}
SECTIONS = [
    *("source", "select", "select.ml_analyzed", "classify", "abundance", "features", "features.pixels_per_um"),
    *("report", "quality", "images", "recheck"),
    *("export", "export.creator", "export.seabass"),
]
TEXTS_OR_NULL = [key for key, entry in KEYS.items() if getattr(entry.read, "text_or_null", False)]
DEEPEST, LARGEST = 8, 2**63


def plain(value: Any) -> Any:
    """Dates and infinities as text."""
    return str(value) if isinstance(value, date) or (isinstance(value, float) and not math.isfinite(value)) else value


def beyond(value: Any, depth: int = 0) -> bool:
    """Whether a value is nested deeper, or has a number larger, than a config may have anywhere."""
    if isinstance(value, Mapping):
        return depth > DEEPEST or any(beyond(key, depth) or beyond(item, depth + 1) for key, item in value.items())
    if isinstance(value, list | tuple | set):
        return depth > DEEPEST or any(beyond(item, depth + 1) for item in value)
    return depth > DEEPEST or (isinstance(value, int) and abs(value) >= LARGEST)


def key_text(key: Any) -> str:
    """A key of any type as text."""
    return str([plain(part) for part in key] if isinstance(key, tuple) else plain(key))


def resolve(given: Mapping[Any, Any], readable: set[str]) -> tuple[dict[str, Any], set[str], set[str]]:
    """Key to value, all defaults filled in; the keys that are at fault; those whose value may be refused or not.

    given: a config that is not `beyond`. readable: the files there are.
    """
    values: dict[str, Any] = {}
    faults: set[str] = set()
    either: set[str] = set()

    def look(section: Mapping[Any, Any], above: str) -> None:
        for name, value in section.items():
            key = f"{above}{key_text(name)}"
            if key in SECTIONS:
                if isinstance(value, Mapping | set):
                    look(dict.fromkeys(value) if isinstance(value, set) else value, f"{key}.")
                else:
                    faults.add(key)
            elif key not in KEYS:
                faults.add(key)
            else:
                wanted = [plain(item) for item in value] if isinstance(value, list | tuple) else plain(value)
                if key in TEXTS_OR_NULL and type(value) is int:
                    wanted, _ = str(value), either.add(key)
                try:
                    values[key] = KEYS[key].read(wanted)
                except WrongError:
                    faults.add(key)

    look(given, "")
    values = {key: values.get(key, entry.default) for key, entry in KEYS.items()}
    kind = None if "source.kind" in faults else values["source.kind"]
    if kind in ("directory", "bucket") and values["source.path"] is None:
        faults.add("source.path")
    if kind == "dashboard":
        faults |= {key for key in ("source.url", "select.start", "select.end") if values[key] is None}
    if not faults:
        faults = cross_faults(values, readable)
        if values["shard"] is not None and faults:
            either.add("shard")  # without a window there is no part of it
    return values, faults, either


def cross_faults(values: Mapping[str, Any], readable: set[str]) -> set[str]:
    """What the keys of a config that is right key by key ask of the world and of each other."""
    faults = window_faults(values)
    if not is_right_for_kind(values["source.kind"], values["source.path"]):
        faults.add("source.path")
    faults |= source_faults(values)
    if values["select.ml_analyzed.above"] >= values["select.ml_analyzed.at_most"]:
        faults.add("select.ml_analyzed.above")
    for key in ("classify.class_thresholds", "classify.class_table", "source.deployments"):
        if values[key] is not None and values[key] not in readable:
            faults.add(key)
    if values["export.formats"] and values["classify.rule"] != "winner":
        faults.add("classify.rule")
    for name in values["export.formats"]:
        faults |= {f"export.{key}" for key in EXPORTS_NEED[name].split() if not values[f"export.{key}"]}
        if name == "darwin_core" and values["classify.class_table"] is None:
            faults.add("classify.class_table")
    return faults


def window_faults(values: Mapping[str, Any]) -> set[str]:
    """Faults of the days and bins that are asked for, and of the part of them that a shard is."""
    faults = set()
    bounds = {}
    for key in ("select.start", "select.end"):
        try:
            if values[key] is not None:
                bounds[key] = bound(values[key]).value
        except WrongError:
            faults.add(key)
    for key in ("select.exclude_bins", "images.bins"):
        for text in values[key]:
            try:
                _, bin_id, *_ = bound(text).value
            except WrongError:
                bin_id = None
            if bin_id is None:
                faults.add(key)
    days = [day for day, bin_id, *_ in bounds.values() if bin_id is None]
    if len(days) == 2 and days[0] > days[1]:  # a bin's sample_time is not in its id
        faults.add("select.start")
    if values["shard"] is not None and not faults & {"select.start", "select.end"}:
        no_day = {key for key in ("select.start", "select.end") if key not in bounds or bounds[key][1] is not None}
        faults |= no_day
        if not no_day and not has_part(values["shard"], *bounds.values()):
            faults.add("shard")
    return faults


def source_faults(values: Mapping[str, Any]) -> set[str]:
    """Faults of the source's keys together, and of its addresses."""
    faults = {
        key for key in ("source.url", "source.endpoint_url") if values[key] is not None and not is_address(values[key])
    }
    kind, path = values["source.kind"], values["source.path"]
    if kind == "dashboard" and "." in values["dataset"]:
        faults.add("dataset")
    if values["source.url"] is not None and kind == "directory" and path == "resources/demo":
        faults.add("source.kind")
    elif kind == "directory" and values["dataset"] != "demo" and is_of_demo(path, values["source.catalog"] == "raw"):
        faults.add("source.path")
    if (kind, values["source.catalog"]) in (("dashboard", "raw"), ("bucket", "walk")):
        faults.add("source.catalog")
    return faults


def is_right_for_kind(kind: str, path: str) -> bool:
    """Whether a source of this kind can have this path."""
    if kind == "directory":
        longest = max(len(part.encode("utf-8", "surrogatepass")) for part in path.split("/"))
        return not (re.search(r"[{}\0]", path) or longest > 255 or len(path) > 4000 or path.startswith("s3://"))
    if kind == "bucket":
        found = re.fullmatch("(?s)s3://[A-Za-z0-9][A-Za-z0-9._-]{2,254}(/.*)?", path)
        prefix = (found[1] or "/")[1:] if found else ""
        return bool(found) and prefix.isprintable() and len(prefix.encode("utf-8", "surrogatepass")) <= 900
    return True


def is_of_demo(path: str, raw: bool) -> bool:
    """Whether what is read below a path is of the demo: the path is in its folder, or raw files below it are."""
    if "\0" in path:
        return False
    demo, own = f"{os.path.realpath('resources/demo')}/", f"{os.path.realpath(path)}/"
    return own.startswith(demo) or (raw and demo.startswith(own.replace("//", "/")))


def is_address(url: str) -> bool:
    """Whether a text that begins as an address of the web is one."""
    found = re.fullmatch(r"https?://([^/:]+|\[[^]]*\])(?::([0-9]{1,5}))?(/[!-~]*)?", url)
    host = found[1] if found else ""
    labels = host.removesuffix(".").split(".")
    named = len(host) <= 253 and all(re.fullmatch("[A-Za-z0-9_-]{1,63}", label) for label in labels)
    return (named or host in ("[::1]", "[fe80::1]")) and 0 < int((found and found[2]) or 80) < 65536


def has_part(shard: str, *bounds: tuple[date, str | None, datetime, datetime]) -> bool:
    """Whether a window from day to day has days in a year or a month, or parts to be merged."""
    if len(bounds) < 2 or any(bin_id for _, bin_id, _, _ in bounds):
        return False
    (first, *_), (last, *_) = bounds
    year, month = (int(part) for part in f"{shard}-0".split("-")[:2]) if shard != "merge" else (0, 0)
    return shard == "merge" or any(
        first <= date(year, m, days_of_month(year, m)) and date(year, m, 1) <= last
        for m in ([month] if month else range(1, 13))
        if year
    )
