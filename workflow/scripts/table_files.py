"""Tables as CSV files, checked against their schema when they are written and when they are read."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from errors import TableError
from files import whole_file

SCHEMAS = Path(__file__).parents[1] / "schemas" / "tables.yaml"
DTYPES = {"string": "str", "date": "str", "datetime": "str", "number": "float64", "integer": "Int64"}


@cache
def schema(table: str) -> dict[str, dict[str, Any]]:
    """The table's columns: name to its entry in workflow/schemas/tables.yaml, in order."""
    declared = yaml.safe_load(SCHEMAS.read_text(encoding="utf-8"))[table]["fields"]
    return {entry["name"]: entry for entry in declared}


def title(table: str) -> str:
    """What a row of the table is, in a sentence."""
    return str(yaml.safe_load(SCHEMAS.read_text(encoding="utf-8"))[table]["title"])


def columns(table: str, groups: Sequence[str] = ()) -> list[str]:
    """The names of the table's columns; of those that depend on the grouping, the given ones."""
    return [name for name, entry in schema(table).items() if not entry.get("group") or name in groups]


def write(frame: pd.DataFrame, table: str, path: str | Path) -> None:
    """Check `frame` against the schema of `table` and write it to `path` as CSV, whole or not at all.

    Numbers are written so that reading them back loses nothing, times in ISO 8601 with their offset.
    Raises TableError if the frame does not agree with the schema; nothing is written then.
    """
    check(frame, table, str(path))
    times = {
        c: frame[c].map(pd.Timestamp.isoformat, na_action="ignore") for c in frame.select_dtypes("datetimetz").columns
    }
    with whole_file(path) as unfinished:
        frame.assign(**times).to_csv(unfinished, index=False, lineterminator="\n")


def empty(table: str, groups: Sequence[str] = ()) -> pd.DataFrame:
    """The table without rows."""
    entries = schema(table)
    return pd.DataFrame({name: pd.Series(dtype=DTYPES[entries[name]["type"]]) for name in columns(table, groups)})


def read(table: str, path: str | Path) -> pd.DataFrame:
    """Read a table that `write` wrote. Raises TableError if it does not agree with its schema."""
    try:
        frame = _typed(table, path)
    except (ValueError, TypeError) as error:
        for name in pd.read_csv(path, nrows=0).columns.intersection(list(schema(table))):
            try:
                _typed(table, path, usecols=[name])
            except (ValueError, TypeError) as of_column:
                raise TableError(f"{path}: table {table}, column {name}: {of_column}") from error
        raise TableError(f"{path}: not a table {table}: {error}") from error
    check(frame, table, str(path))
    return frame


def _typed(table: str, path: str | Path, **options: Any) -> pd.DataFrame:
    entries = schema(table)
    frame: pd.DataFrame = pd.read_csv(
        path,
        dtype={name: DTYPES[entry["type"]] for name, entry in entries.items()},
        keep_default_na=False,  # a class may be called NA
        na_values={name: [""] for name, entry in entries.items() if DTYPES[entry["type"]] != "str"},
        **options,
    )
    for name, entry in entries.items():
        if entry["type"] == "datetime" and name in frame:
            frame[name] = pd.to_datetime(frame[name], format="ISO8601", utc=True)
    return frame


def check(frame: pd.DataFrame, table: str, where: str) -> None:
    """Raise TableError, naming table, column and row, unless the frame agrees with its schema."""
    entries = schema(table)
    wrong = [c for c in frame.columns if c not in entries]
    wrong += [c for c, entry in entries.items() if c not in frame.columns and not entry.get("group")]
    if wrong:
        raise TableError(f"{where}: columns {wrong} are missing or not in the schema of {table}")
    for name in frame.columns if len(frame) else ():  # an empty table has no types either
        _check_column(frame, name, entries[name], f"{where}: table {table}, column {name}")


def _check_column(frame: pd.DataFrame, name: str, entry: dict[str, Any], where: str) -> None:
    values, rules = frame[name], entry.get("constraints", {})
    empty = (values == "") | values.isna() if DTYPES[entry["type"]] == "str" else values.isna()
    bad = pd.Series(False, index=frame.index)
    if entry["type"] == "string":
        rules = {"no control characters": True, **rules}
        bad |= values.str.contains(r"[\x00-\x1f]", na=False)
    if rules.get("required"):
        bad |= empty
    if rules.get("unique"):
        bad |= values.duplicated()
    if "minimum" in rules:
        bad |= (values < rules["minimum"]).fillna(False)
    if "maximum" in rules:
        bad |= (values > rules["maximum"]).fillna(False)
    if "enum" in rules:
        bad |= ~values.isin(rules["enum"])
    if "pattern" in rules:
        bad |= ~values.str.fullmatch(rules["pattern"])
    if bad.any():
        row = frame.loc[bad].iloc[0].to_dict()
        raise TableError(f"{where}: {bad.sum()} value(s) break {rules}, the first in row {row}")
