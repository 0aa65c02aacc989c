"""The parsers, each with inputs for it and a check of what it makes of one of them."""

import json
import math
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd

from ifcb_abundance.bins.ids import PATTERN, parse_bin_id
from ifcb_abundance.bins.window import Bound, Window
from ifcb_abundance.classes.class_table import read_class_table
from ifcb_abundance.classes.thresholds import read_class_thresholds
from ifcb_abundance.common.errors import (
    CatalogError,
    ConfigError,
    FeaturesError,
    RawFileError,
    ScoresError,
    WorkflowInputError,
)
from ifcb_abundance.common.precision import Precision
from ifcb_abundance.config import resolve
from ifcb_abundance.features.summary import read_features
from ifcb_abundance.raw.header import read_header
from ifcb_abundance.raw.images import image_numbers, read_image
from ifcb_abundance.raw.position import header_position
from ifcb_abundance.raw.triggers import read_triggers
from ifcb_abundance.raw.volume import measure_volume
from ifcb_abundance.scores import score_csv as scores_module
from ifcb_abundance.scores.decide import Decision
from ifcb_abundance.scores.summary import count_by, find_winners, read_score_file
from ifcb_abundance.sources.dashboard import DashboardSource
from ifcb_abundance.sources.metadata_export import read_export
from ifcb_abundance.sources.source_file import SourceFile
from ifcb_abundance.tables import table_files
from tests import raw_files
from tests.fuzz import config_oracle, generators, oracle
from tests.fuzz.generators import BIN, Pick
from tests.scores.reading import read_scores

ROOT = Path(__file__).parents[2]
KINDS: dict[Precision, str] = {"float16": oracle.HALF, "float32": oracle.SINGLE, "float64": oracle.DOUBLE}


class DisagreementError(AssertionError):
    """A parser and its oracle differ; the message has the input that shows it."""


def outcome(parse: Callable[[], Any], refusal: type[Exception]) -> tuple[Any, str]:
    """What a parser gives, or the message with which it refuses; any other error goes through."""
    try:
        return parse(), ""
    except refusal as error:
        if type(error) is not refusal and not isinstance(error, WorkflowInputError):
            raise
        return None, str(error)


def agreed(
    reading: Callable[[], oracle.Reading], parse: Callable[[], Any], refusal: type[Exception], names: str
) -> Any:
    """What the parser gives beside what is right, or None where it refuses and may.

    refusal: the only error allowed, with `names` in its message.
    """
    try:
        right = reading()
    except oracle.WrongError as wrong:
        right, why = None, str(wrong)
    taken, refused = outcome(parse, refusal)
    if refused:
        assert names in refused, f"the message does not name {names}: {refused}"
        assert right is None or right.odd, f"refused, but it is right: {refused}"
        return None
    assert right is not None, f"wrong ({why}), but taken as {taken!r}"
    return taken, right.value


# --- one check per parser: True if the input was taken, False if it was refused ---


def check_scores(body: bytes) -> bool:
    # Every other file is parsed in blocks of a line or two, as long ones are in blocks of many.
    block = scores_module.BLOCK if len(body) % 2 else max(map(len, body.splitlines(keepends=True)), default=0) + 8
    scores_module._options.cache_clear()  # it keeps the size of a block
    with mock.patch.object(scores_module, "BLOCK", block):
        both = agreed(lambda: oracle.scores(BIN, body), lambda: read_scores(BIN, body), ScoresError, BIN)
    scores_module._options.cache_clear()
    if both is None:
        return False
    (classes, scores), (labels, rows) = both
    assert classes == labels
    assert scores.shape == (len(rows), len(labels))
    assert [[None if math.isnan(score) else score for score in row] for row in scores.tolist()] == rows
    winners = find_winners(scores)
    assert winners.n_rois.sum() == len(rows)
    known = [score for row in rows for score in row if score is not None]
    threshold = known[len(known) // 2] if known else 0.5
    for precision, kind in KINDS.items():
        found = count_by(classes, winners, Decision(threshold, {}, precision)).counts.tolist()
        assert found == oracle.counts(labels, rows, threshold, kind), f"counts in {precision}"
    return True


def check_features(body: bytes) -> bool:
    both = agreed(lambda: oracle.features(body), lambda: read_features(BIN, body), FeaturesError, BIN)
    if both is None:
        return False
    found, (column, right) = both
    assert found.column == column
    assert found.rois.tolist() == list(right)
    assert [None if math.isnan(volume) else volume for volume in found.biovolume] == list(right.values())
    return True


def check_export(body: bytes) -> bool:
    if oracle.is_another_list(body):  # of which other tests say what it means
        _, refused = outcome(lambda: read_export(body, "metadata.csv"), CatalogError)
        assert not refused or "metadata.csv" in refused
        return not refused
    both = agreed(lambda: oracle.export(body), lambda: read_export(body, "metadata.csv"), CatalogError, "metadata.csv")
    if both is None:
        return False
    frame, rows = both
    columns = table_files.columns("catalog", [name for name in oracle.OPTIONAL if any(row[name] for row in rows)])
    assert list(frame.columns) == columns
    found = {name: [None if pd.isna(value) else value for value in frame[name].tolist()] for name in columns}
    right = {name: [row[name] for row in rows] for name in columns}
    assert found == right
    return True


class Answers(DashboardSource):
    """A dashboard whose answers are there already."""

    def __init__(self, bodies: dict[str, bytes]) -> None:
        super().__init__("x", "http://dashboard", catalog="walk")
        self.bodies = bodies

    def _get(self, target: str, csv: bool = False) -> bytes | None:  # noqa: ARG002
        name = "recent" if target.startswith("/api/most_recent") else target.removeprefix("/api/bin/").split("?")[0]
        return self.bodies.get(name)


def check_walk(bodies: dict[str, bytes]) -> bool:
    ends = [Bound.parse(BIN[1:5] + "-02-15"), Bound.parse(generators.LINE[0])]
    window = Window(ends[len(bodies["recent"]) % 2], ends[0])
    rows, refused = outcome(lambda: Answers(bodies).list_bins(window), CatalogError)
    if refused:
        assert "http://dashboard" in refused
        return False
    for row in rows.to_dict("records"):
        right = oracle.walked(json.loads(bodies[row["bin"]]))
        assert {name: None if pd.isna(row[name]) else row[name] for name in right} == right
    return True


def check_bin_id(text: str) -> bool:
    both = agreed(lambda: oracle.bin_id(text), lambda: parse_bin_id(text), ValueError, "is not a bin id")
    found = re.fullmatch(PATTERN, text)
    assert found is None or text.isascii(), "a wildcard takes other digits than 0 to 9"
    if both is None:
        return False
    parsed, (instrument, time, folder) = both
    assert found
    assert (parsed.bin, parsed.instrument, parsed.time, parsed.folder) == (text, instrument, time, folder)
    return True


def check_bound(text: str) -> bool:
    both = agreed(lambda: oracle.bound(text), lambda: Bound.parse(text), ValueError, "is not a")
    if both is None:
        return False
    bound, (day, bin_id, first, last) = both
    assert (bound.day, bound.bin, bound.first_instant, bound.last_instant) == (day, bin_id, first, last)
    assert str(bound) == text
    return True


_SCRATCH = tempfile.TemporaryDirectory(prefix="fuzz-")


def scratch() -> Path:
    """A folder of this process, for parsers that read files; gone when it ends."""
    return Path(_SCRATCH.name)


def check_thresholds(body: bytes) -> bool:
    path = scratch() / "thresholds.csv"
    path.write_bytes(body)
    both = agreed(lambda: oracle.class_thresholds(body), lambda: read_class_thresholds(path), ConfigError, str(path))
    if both is None:
        return False
    found, right = both
    assert list(found.items()) == list(right.items())
    return True


def check_class_table(body: bytes) -> bool:
    path = scratch() / "classes.csv"
    path.write_bytes(body)
    both = agreed(lambda: oracle.class_table(body), lambda: read_class_table(path), ConfigError, str(path))
    if both is None:
        return False
    found, right = both
    assert found == right
    return True


@cache
def readable() -> set[str]:
    """The files that a config may name."""
    thresholds, classes = scratch() / "own_thresholds.csv", scratch() / "own_classes.csv"
    thresholds.write_text("class,threshold\na,0.5\n")
    classes.write_text("label,scientific_name,aphia_id,living,group,harmful\na,,,,,\n")
    generators.FILES.update(thresholds=str(thresholds), classes=str(classes))
    return {str(thresholds), str(classes), "config/classes.csv"}


def leaves(tree: dict[str, Any], above: str = "") -> dict[str, Any]:
    found = {}
    for key, value in tree.items():
        found |= leaves(value, f"{above}{key}.") if isinstance(value, dict) else {above + key: value}
    return found


def check_config(config: dict[Any, Any]) -> bool:
    names = readable()
    found, refused = outcome(lambda: resolve(config), ConfigError)
    if refused:
        first, *lines = refused.split("\n")
        assert first == "Invalid configuration:"
        assert lines
        assert all(line.isprintable() for line in lines), "control characters in a message"
        assert len(refused) < 20_000, "a message of thousands of characters"
        if not config_oracle.beyond(config):
            _, faults, either = config_oracle.resolve(config, names)
            if "source" in faults:  # of no kind, so it lacks what any kind needs
                faults |= {"select.start", "select.end"}
            told = ["".join(c if c.isprintable() else "?" for c in f"  {key}: ")[:99] for key in faults | either]
            wrongly = [line for line in lines if not line.startswith(tuple(told))]
            assert not wrongly, f"refused, but right: {wrongly}"
        return False
    assert not config_oracle.beyond(config), "taken, but nested too deep or with too large a number"
    values, faults, _ = config_oracle.resolve(config, names)
    assert not faults, f"taken, but wrong: {sorted(faults)}"
    assert json.dumps(found.as_written())
    resolved = leaves(found.as_written())
    differing = {key: (resolved[key], value) for key, value in values.items() if repr(resolved[key]) != repr(value)}
    differing = {key: both for key, both in differing.items() if both[0] != both[1] or isinstance(both[1], bool)}
    assert not differing
    if values["shard"] is None:
        ends = found.window
        assert [end and str(end) for end in (ends.start, ends.end)] == [values["select.start"], values["select.end"]]
    return True


# --- raw files ---

STYLES = {True: raw_files.OLD, False: raw_files.NEW}


SAMPLE_TIME = datetime(2023, 8, 10, 11, 30, 59, tzinfo=UTC)
# 240.5 s of which 0.5 s are not looked at: 1 mL.
CLOCKS = ((10, 10.0, 0.3), (20, 20.0, 0.4), (240.5, 240.5, 0.5))
LINES = [raw_files.new_line(n, *clocks) for n, clocks in enumerate(CLOCKS, start=1)]
THREE_TRIGGERS = read_triggers(raw_files.NEW, raw_files.adc(*LINES), "x.adc")


def check_header(given: dict[str, Any]) -> bool:
    header, refused = outcome(lambda: read_header(given["body"], "x.hdr"), RawFileError)
    if refused:
        assert given["right"] is None
        assert "x.hdr: not a header" in refused
        return False
    measured = [header.run_time, header.inhibit_time, header.temperature, header.humidity]
    assert all(value is None or abs(value) < 1e9 for value in measured)
    assert len(header.malformed.first) <= min(20, header.malformed.count)
    if given["right"] is not None:
        assert measured == [float(text) if text else None for text in given["right"]]
        assert header.malformed.count == 0
        volume = measure_volume(THREE_TRIGGERS, header)
        right = oracle.volume(given["right"], given["sample"], by_adc=1.0)
        assert (volume.ml_analyzed is None) == (right is None) == (volume.volume_method == "")
        assert right is None or math.isclose(volume.ml_analyzed or 0, right, rel_tol=1e-9)
        assert volume.volume_method or volume.note
    found = header_position(header, SAMPLE_TIME)
    assert abs(found.latitude or 0) <= 90
    assert abs(found.longitude or 0) <= 180
    if given["right"] is not None:
        assert (found.latitude, found.longitude) == oracle.position(given["sample"])
    return True


def check_triggers(given: dict[str, Any]) -> bool:
    old, body = given["old"], given["body"]
    read = lambda: read_triggers(STYLES[old], body, "x.adc")  # noqa: E731
    both = agreed(lambda: oracle.triggers(old, body), read, RawFileError, "x.adc: not the triggers")
    if both is None:
        return False
    table, (rows, malformed) = both
    found = [[None if isinstance(v, float) and math.isnan(v) else v for v in row] for row in table.rows.values.tolist()]
    assert found == rows
    assert table.malformed.count == malformed == len(table.malformed.first)
    assert list(table.rois) == [row[0] for row in rows if row[4] and row[5]]
    volume = measure_volume(table)
    assert (volume.ml_analyzed is None) == (volume.volume_method == "")
    assert all(value is None or math.isfinite(value) for value in (volume.ml_analyzed, volume.look_time))
    assert rows or volume.ml_analyzed is None
    return True


def check_images(given: dict[str, Any]) -> bool:
    roi, stitch, old = given["roi"], given["stitch"], given["old"]
    line = raw_files.old_line if old else raw_files.new_line
    lines = [line(trigger, box=box, offset=offset) for trigger, *box, offset in given["boxes"]]
    table = read_triggers(STYLES[old], raw_files.adc(*lines), "x.adc")
    right = oracle.images(old, stitch, given["boxes"], roi)
    assert image_numbers(table, stitch) == list(right)

    def read(start: int, size: int) -> bytes:
        return roi[start : start + size]

    for number, frame in right.items():
        image, refused = outcome(lambda n=number: read_image(read, table, n, stitch), RawFileError)
        if isinstance(frame, int):
            assert refused.startswith(f"ROI {STYLES[old]}_{frame:05d}: the .roi ends")
            continue
        top, left = (min(at[axis] for at in frame) for axis in (0, 1))
        bottom, right_edge = (max(at[axis] for at in frame) for axis in (0, 1))
        whole = [(j, i) for j in range(top, bottom + 1) for i in range(left, right_edge + 1)]
        assert image.pixels.shape == (bottom - top + 1, right_edge - left + 1)
        gap = set(whole) - set(frame)
        marked = [] if image.gap is None else image.gap.ravel().tolist()
        assert not gap or marked == [at in gap for at in whole]
        beside = {(j + dj, i + di) for j, i in gap for dj, di in ((0, 1), (0, -1), (1, 0), (-1, 0))} & set(frame)
        filled = round(sum(frame[at] for at in beside) / len(beside)) if beside else None
        assert image.pixels.ravel().tolist() == [frame.get(at, filled) for at in whole]
    return not any(isinstance(frame, int) for frame in right.values())


def check_packed_scores(given: dict[str, Any]) -> bool:
    version, labels = given["version"], given["labels"]
    if version == 1:
        body = raw_files.scores_mat(labels, given["rois"], given["scores"], bool(given["rois"]))
    else:
        make = (labels, np.array(given["rois"], int), given["scores"], given["dtype"])
        body = raw_files.scores_h5(version, given["bin"], *make)
    whole = body
    for at, value in given["damage"]:
        body = body[: at % len(body)] + bytes([value]) + body[at % len(body) + 1 :]
    body = body if given["cut"] is None else body[: given["cut"] % len(body)]
    file = SourceFile("x.mat" if version == 1 else "x.h5", body)
    if body == whole:
        both = agreed(lambda: oracle.packed_scores(BIN, given), lambda: read_score_file(BIN, file), ScoresError, BIN)
        if both is None:
            return False
        (classes, scores), (right_labels, _, rows) = both
        assert classes == right_labels
        assert [[None if math.isnan(score) else score for score in row] for row in scores.tolist()] == rows
        return True
    # Nothing in these files says what a damaged number was; but what is read is class scores, or else refused.
    taken, refused = outcome(lambda: read_score_file(BIN, file), ScoresError)
    if refused:
        assert BIN in refused
        assert refused.isprintable()
        return False
    classes, scores = taken
    assert scores.shape[1] == len(classes) == len(set(classes))
    assert not ((scores < 0) | (scores > 1)).any()
    return True


# --- the parsers together ---


@dataclass(frozen=True)
class Target:
    """A parser: how inputs for it are made and checked, and how many cases the slow set gives it at least."""

    make: Callable[[Pick], Any]
    check: Callable[[Any], bool]
    cases: int  # by seeded choices, all of them different
    examples: int  # by hypothesis
    runs: int  # by coverage


TARGETS = {
    "class scores": Target(generators.some_scores, check_scores, 350_000, 6_000, 100_000),
    "features": Target(generators.some_features, check_features, 60_000, 4_000, 20_000),
    "metadata export": Target(generators.an_export, check_export, 30_000, 3_000, 15_000),
    "walk": Target(generators.some_answers, check_walk, 10_000, 2_000, 4_000),
    "bin id": Target(generators.an_id, check_bin_id, 370_000, 6_000, 200_000),
    "window bound": Target(generators.a_bound, check_bound, 200_000, 6_000, 100_000),
    "config": Target(generators.a_config, check_config, 60_000, 4_000, 15_000),
    "class thresholds": Target(generators.some_thresholds, check_thresholds, 60_000, 4_000, 20_000),
    "class table": Target(generators.a_class_table, check_class_table, 10_000, 2_000, 5_000),
    "raw header": Target(generators.a_header, check_header, 60_000, 4_000, 20_000),
    "raw triggers": Target(generators.some_triggers, check_triggers, 30_000, 4_000, 10_000),
    "raw images": Target(generators.some_images, check_images, 30_000, 4_000, 10_000),
    "packed scores": Target(generators.some_packed_scores, check_packed_scores, 10_000, 2_000, 4_000),
}

# Inputs of this process that were checked, by target: a digest of each, even if it was refused, odd if it was taken.
CHECKED: dict[str, set[int]] = {name: set() for name in TARGETS}


def put(name: str, given: Any) -> None:
    """Give one input to a parser and check what it makes of it; raises DisagreementError, with the input."""
    try:
        taken = TARGETS[name].check(given)
    except Exception as error:
        raise DisagreementError(f"{name}: {type(error).__name__}: {error}\ninput: {shown(given)}") from error
    digest = blake2b(as_bytes(given), digest_size=8).digest()
    CHECKED[name].add(int.from_bytes(digest, "big") & ~1 | taken)


def as_bytes(given: Any) -> bytes:
    """The input as bytes, the same in every process."""
    if isinstance(given, bytes):
        return given
    text = given if isinstance(given, str) else shown(given).replace(str(scratch()), "")
    return text.encode("utf-8", "surrogatepass")


def shown(value: Any, depth: int = 0) -> str:
    """As repr, also of what repr gives up on: lists that hold themselves, numbers of thousands of digits."""
    if isinstance(value, dict):
        inner = ", ".join(f"{shown(key)}: {shown(item, depth + 1)}" for key, item in value.items())
        return "{" + inner + "}"
    if isinstance(value, list | tuple | set):
        items = "..." if depth > 2 * config_oracle.DEEPEST else ", ".join(shown(item, depth + 1) for item in value)
        return f"{type(value).__name__}([{items}])"
    return hex(value) if isinstance(value, int) and abs(value) >= config_oracle.LARGEST else repr(value)
