"""Exports made here, the command run as a process, and tables compared by value."""

import ast
import csv
import io
import json
import math
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
import yaml

from ifcb_abundance.validation.zooniverse.command import main

ROOT = Path(__file__).parents[2]
COMMAND = ROOT / "workflow" / "scripts" / "zooniverse.py"
RECORDED = ROOT.parent / "shared" / "data" / "zooniverse"
recorded = pytest.mark.skipif(not RECORDED.is_dir(), reason=f"no recorded outputs at {RECORDED}")

COLUMNS = ["classification_id", "user_name", "user_id", "user_ip", "workflow_id", "workflow_name"]
COLUMNS += ["workflow_version", "created_at", "gold_standard", "expert", "metadata", "annotations"]
COLUMNS += ["subject_data", "subject_ids"]


def run(folder: Path, *arguments: object, status: int = 0) -> str:
    """What the command prints, on both streams; it runs in this process."""
    printed = io.StringIO()
    with chdir(folder), redirect_stdout(printed), redirect_stderr(printed):
        ended = main([str(argument) for argument in arguments])
    assert ended == status, printed.getvalue()
    return printed.getvalue()


def process(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """The command as a process of its own."""
    command = [sys.executable, str(COMMAND), *map(str, arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def refused(folder: Path, *arguments: object) -> str:
    """The one sentence of an error."""
    line = run(folder, *arguments, status=1).splitlines()[-1]
    assert line.startswith("error: ")
    return line


def classification(number: int, annotations: Any, **cells: Any) -> dict[str, str]:
    """A row of an export of classifications, of workflow 7, version 1.2."""
    row: dict[str, Any] = {
        "classification_id": number,
        "user_name": f"person-{number}",
        "workflow_id": 7,
        "workflow_version": "1.2",
        "created_at": f"2024-01-01 00:{number // 60 % 60:02}:{number % 60:02} UTC",
        "metadata": "{}",
        "annotations": annotations if isinstance(annotations, str) else json.dumps(annotations),
        "subject_data": "{}",
        "subject_ids": 100,
    } | cells
    return {name: str(row.get(name, "")) for name in COLUMNS}


def answer(value: Any, task: str = "T0", **more: Any) -> dict[str, Any]:
    """One annotation."""
    return {"task": task, "value": value, **more}


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None) -> Path:
    """A CSV file of the rows."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns or list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_workflows(path: Path, tasks: Any, strings: Mapping[str, str], versions: Sequence[str] = ("1.2",)) -> Path:
    """An export of workflow 7: the same tasks and texts in each version."""
    rows = [
        {"workflow_id": 7, "version": major, "minor_version": minor, "tasks": json.dumps(tasks)}
        | {"strings": json.dumps(strings)}
        for major, minor in (version.split(".") for version in versions)
    ]
    return write_csv(path, rows)


def question_export(path: Path, votes: Sequence[Mapping[str, Any]]) -> Path:
    """An export of answers to question T0: of each its `value`, and other cells."""
    rows = []
    for number, vote in enumerate(votes, start=1):
        cells = dict(vote)
        rows.append(classification(number, [answer(cells.pop("value"))], **cells))
    return write_csv(path, rows)


def write_yaml(path: Path, content: Any) -> Path:
    """A config file."""
    path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    return path


def extractor_config(folder: Path, **extractors: Any) -> Path:
    """The config of extractors for version 1.2 of workflow 7."""
    content = {"workflow_id": 7, "workflow_version": "1.2", "extractor_config": extractors}
    return write_yaml(folder / "extractor.yaml", content)


def reducer_config(folder: Path, name: str, **keywords: Any) -> Path:
    """The config of a reducer."""
    return write_yaml(folder / "reducer.yaml", {"reducer_config": {name: keywords}})


def aggregate(
    folder: Path, export: Path, extractor: str, entry: Any, reducer: str, *options: str, **keywords: Any
) -> list[dict[str, Any]]:
    """Extract and reduce, and the rows by value."""
    entries = entry if isinstance(entry, list) else [entry]
    run(folder, "extract", export, extractor_config(folder, **{extractor: entries}), "-o", "x")
    run(folder, "reduce", f"{extractor}_x.csv", reducer_config(folder, reducer, **keywords), "-o", "x", *options)
    return values(folder / f"{reducer}_x.csv")


def read(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def value(cell: str) -> Any:
    """What a cell says: a list as JSON or Python has it, a number, or text; None if it is empty."""
    if cell == "":
        return None
    for reader in (json.loads, ast.literal_eval):
        try:
            return reader(cell)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
    return cell


def values(path: Path) -> list[dict[str, Any]]:
    """The rows by value, without empty cells."""
    rows = [{name: value(cell) for name, cell in row.items()} for row in read(path)]
    return [{name: found for name, found in row.items() if found is not None} for row in rows]


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal, numbers to nine digits."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, int | float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)
    return bool(one == other)


def assert_same_rows(made: Path, expected: Path, keys: Sequence[str]) -> None:
    """Each row of one table is in the other one, cell by cell, whatever their order."""
    tables = [sorted(values(path), key=lambda row: [str(row.get(key)) for key in keys]) for path in (made, expected)]
    assert [[row.get(key) for key in keys] for row in tables[0]] == [[r.get(key) for key in keys] for r in tables[1]]
    for one, other in zip(*tables, strict=True):
        for name in one.keys() | other.keys():
            assert same(one.get(name), other.get(name)), (name, one.get(name), other.get(name))
