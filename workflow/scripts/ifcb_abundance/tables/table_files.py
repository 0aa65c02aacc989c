"""Tables as CSV files, checked against their schema when they are written and when they are read.

A cruise, a tag or another text from elsewhere may begin like a formula of spreadsheets. CSV files put an apostrophe
before it. Whoever reads a table here, or from Parquet, gets the text itself.
"""

import csv
import io
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
import yaml
from numpy.typing import NDArray

from ifcb_abundance.common.atomic_write import atomic_write
from ifcb_abundance.common.errors import TableError
from ifcb_abundance.common.strict_csv import any_formula, guarded, unguarded
from ifcb_abundance.common.words import counted

SCHEMAS = Path(__file__).parent / "tables.yaml"
TABLES = yaml.CSafeLoader(SCHEMAS.read_text(encoding="utf-8")).get_single_data()
for _table in TABLES.values():
    if "extends" in _table:
        _table["fields"] = [*TABLES[_table["extends"]]["fields"], *_table["fields"]]
ROWS_AT_ONCE = 10_000  # that a CSV file is written in
CONTROL = re.compile(r"[\x00-\x1f]")
DTYPES = {"string": "str", "date": "str", "datetime": "str", "number": "float64", "integer": "Int64"}
ARROW = {
    "string": pa.string(),
    "date": pa.string(),
    "datetime": pa.timestamp("us", "UTC"),
    "number": pa.float64(),
    "integer": pa.int64(),
}


@cache
def schema(table: str) -> dict[str, dict[str, Any]]:
    """Return the columns of a table, in order: name to its entry in tables.yaml."""
    return {entry["name"]: entry for entry in TABLES[table]["fields"]}


def title(table: str) -> str:
    """Return what a row of the table is, in a sentence."""
    return str(TABLES[table]["title"])


def columns(table: str, groups: Sequence[str] = ()) -> list[str]:
    """List the columns of a table. Those that depend on the grouping are in it if they are in `groups`."""
    return [name for name, entry in schema(table).items() if not entry.get("group") or name in groups]


def write(frame: pd.DataFrame, table: str, path: str | Path) -> None:
    """Check `frame` against the schema of `table` and write it to `path` as CSV, whole or not at all.

    Numbers are written so that reading them back loses nothing, whole ones without a point even where some are missing;
    times in ISO 8601 with their offset. Raises TableError if the frame does not agree with the schema; nothing is
    written then.
    """
    check(frame, table, str(path))
    with atomic_write(path) as unfinished:
        _to_csv(frame, table, unfinished)


def as_csv(frame: pd.DataFrame, table: str, where: str) -> str:
    """Return what `write` would write, as text. where: what the message of an error calls it."""
    check(frame, table, where)
    text = io.StringIO()
    _to_csv(frame, table, text)
    return text.getvalue()


def _to_csv(frame: pd.DataFrame, table: str, file: Path | io.StringIO) -> None:
    entries = schema(table)
    # For the few hundred rows of a day, csv.writer alone takes 1.2 ms where pandas, which uses it, takes 2.0 ms.
    with nullcontext(file) if isinstance(file, io.StringIO) else file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(frame.columns)
        for start in range(0, len(frame), ROWS_AT_ONCE):
            rows = frame.iloc[start : start + ROWS_AT_ONCE] if len(frame) > ROWS_AT_ONCE else frame
            writer.writerows(
                zip(*(_texts_of(values, entries[str(name)]["type"]) for name, values in rows.items()), strict=True)
            )


def _texts_of(values: pd.Series, kind: str) -> list[Any]:
    """The values of a column for `csv.writer`, which writes numbers so that nothing is lost; empty where missing."""
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        return ["" if pd.isna(time) else time.isoformat() for time in values]
    if kind == "integer" and not pd.api.types.is_integer_dtype(values):
        values = values.astype("Int64")  # where one is missing, pandas makes numbers with a point of whole ones
    cells = values.tolist()
    if not (isinstance(values.dtype, np.dtype) and values.dtype.kind == "i"):
        cells = ["" if cell is None or cell is pd.NA or cell != cell else cell for cell in cells]
    if kind == "string" and (changed := _changed(set(cells), guarded)):
        cells = [changed.get(cell, cell) for cell in cells]
    return cells


def cells(frame: pd.DataFrame, table: str) -> pd.DataFrame:
    """Guard the texts of a frame so that no spreadsheet runs them as formulas."""
    return _with_texts(frame, table, guarded)


def cells_of_batch(batch: pa.RecordBatch, change: Callable[[str], str] = guarded) -> pa.RecordBatch:
    """Guard the texts of rows of Arrow likewise; or, with `unguarded`, undo it."""
    for number, (name, column) in enumerate(zip(batch.schema.names, batch.columns, strict=True)):
        if pa.types.is_string(column.type) and (changed := _changed(pc.unique(column).to_pylist(), change)):
            texts = pa.array([changed.get(text, text) for text in column.to_pylist()], column.type)
            batch = batch.set_column(number, name, texts)
    return batch


def _with_texts(frame: pd.DataFrame, table: str, change: Callable[[str], str]) -> pd.DataFrame:
    texts = {}
    for name, entry in schema(table).items():
        if entry["type"] == "string" and name in frame and (changed := _changed(_distinct(frame[name]), change)):
            texts[name] = frame[name].map(lambda text, new=changed: new.get(text, text)).astype(frame[name].dtype)
    return frame.assign(**texts) if texts else frame


def _changed(texts: Iterable[Any], change: Callable[[str], str]) -> dict[str, str]:
    """Map the texts that `change` changes to what they become. There are hardly ever any."""
    texts = [text for text in texts if isinstance(text, str)]
    return {text: new for text in texts if (new := change(text)) != text} if any_formula(texts) else {}


def empty(table: str, groups: Sequence[str] = ()) -> pd.DataFrame:
    """Return the table without rows."""
    return _empty(table, tuple(groups)).copy()


@cache
def _empty(table: str, groups: tuple[str, ...]) -> pd.DataFrame:
    entries = schema(table)
    return pd.DataFrame({name: pd.Series(dtype=DTYPES[entries[name]["type"]]) for name in columns(table, groups)})


def from_rows(rows: Sequence[Mapping[str, Any]], table: str) -> pd.DataFrame:
    """Build a table from rows that may lack columns: texts are empty there, all else is missing. Times are UTC."""
    frame = pd.DataFrame(rows, columns=columns(table))
    entries = {name: schema(table)[name] for name in frame.columns}
    for name, entry in entries.items():
        if DTYPES[entry["type"]] == "str" and entry["type"] != "datetime":
            frame[name] = frame[name].astype(object).fillna("")
    times = {name: "datetime64[us, UTC]" for name, entry in entries.items() if entry["type"] == "datetime"}
    return frame.astype({name: DTYPES[entry["type"]] for name, entry in entries.items()} | times)


def read(table: str, path: str | Path, only: Sequence[str] = ()) -> pd.DataFrame:
    """Read a table that `write` wrote, or `only` some of its columns.

    Raises TableError if what is read does not agree with the schema.
    """
    try:
        frame = _typed(table, path, usecols=list(only) or None)
    except (ValueError, TypeError) as error:
        for name in pd.read_csv(path, nrows=0).columns.intersection(list(schema(table))):
            try:
                _typed(table, path, usecols=[name])
            except (ValueError, TypeError) as of_column:
                raise TableError(f"{path}: table {table}, column {name}: {of_column}") from error
        raise TableError(f"{path}: not a table {table}: {error}") from error
    check(frame, table, str(path), only)
    return frame


def read_catalog(path: str | Path, only: Sequence[str]) -> pd.DataFrame:
    """Read some columns of a catalog. Those that it has only where a bin has such a thing are empty where none has."""
    there = set(pd.read_csv(path, nrows=0).columns)
    lacking = [name for name in only if name not in there and schema("catalog")[name].get("group")]
    frame = read("catalog", path, [name for name in only if name not in lacking])
    return frame.assign(**dict.fromkeys(lacking, ""))


def read_checked(table: str, path: str | Path, only: Sequence[str]) -> pd.DataFrame:
    """Read some columns of a table that `write` checked, faster than `read` and without another check.

    Times are texts. Raises TableError if a column is missing or has values of another type.
    """
    entries = schema(table)
    times = [name for name in only if entries[name]["type"] == "datetime"]
    options = pyarrow.csv.ConvertOptions(
        column_types={**{name: ARROW[entries[name]["type"]] for name in only}, **dict.fromkeys(times, pa.string())},
        null_values=[""],
        strings_can_be_null=False,
        include_columns=list(only),
    )
    try:
        rows = pyarrow.csv.read_csv(path, pyarrow.csv.ReadOptions(use_threads=False), convert_options=options)
    except (pa.ArrowException, KeyError) as error:
        raise TableError(f"{path}: not a table {table}: {error}") from error
    batches = [cells_of_batch(batch, unguarded) for batch in rows.to_batches()]
    frame: pd.DataFrame = pa.Table.from_batches(batches, rows.schema).to_pandas()
    return frame


def from_csv(body: bytes, table: str, where: str) -> pd.DataFrame:
    """Read what `as_csv` wrote. Raises TableError, naming `where`, if it does not agree with the schema."""
    try:
        frame = _typed(table, io.BytesIO(body))
    except (ValueError, TypeError) as error:
        raise TableError(f"{where}: not a table {table}: {error}") from error
    check(frame, table, where)
    return frame


def arrow_schema(table: str, groups: Sequence[str] = ()) -> pa.Schema:
    """Return the columns of a table as they are in Parquet files."""
    entries = schema(table)
    return pa.schema([(name, ARROW[entries[name]["type"]]) for name in columns(table, groups)])


def write_parquet(frame: pd.DataFrame, table: str, path: str | Path, stated: Mapping[str, str] | None = None) -> None:
    """Check `frame` against the schema of `table` and write it to `path` as Parquet, whole or not at all.

    stated: what the file says of itself. Raises TableError if the frame does not agree with the schema.
    """
    rows = _to_arrow(frame, table, str(path), stated)
    with atomic_write(path) as unfinished:
        pq.write_table(rows, unfinished, compression="zstd")


def as_parquet(frame: pd.DataFrame, table: str, where: str, stated: Mapping[str, str] | None = None) -> bytes:
    """Return what `write_parquet` would write. where: what the message of an error calls it."""
    return parquet_bytes(_to_arrow(frame, table, where, stated))


def _to_arrow(frame: pd.DataFrame, table: str, where: str, stated: Mapping[str, str] | None) -> pa.Table:
    check(frame, table, where)
    # With one thread, since pyarrow starts new ones for each table.
    rows = pa.Table.from_pandas(
        frame, arrow_schema(table, [str(name) for name in frame]), preserve_index=False, nthreads=1
    )
    if stated:
        rows = rows.replace_schema_metadata({**(rows.schema.metadata or {}), **stated})
    return rows


def parquet_bytes(rows: pa.Table) -> bytes:
    """Return rows as a Parquet file."""
    content = pa.BufferOutputStream()
    pq.write_table(rows, content, compression="zstd")
    return content.getvalue().to_pybytes()  # type: ignore[no-any-return]


def convert(table: str, path: str | Path, parquet: str | Path) -> None:
    """Write a table that `write` wrote as Parquet too, block by block: it is never in memory as a whole."""
    header = list(pd.read_csv(path, nrows=0).columns)
    types = arrow_schema(table, header)
    options = pyarrow.csv.ConvertOptions(
        column_types=types, null_values=[""], strings_can_be_null=False, include_columns=header
    )
    with (
        atomic_write(parquet) as unfinished,
        pyarrow.csv.open_csv(path, convert_options=options) as blocks,
        pq.ParquetWriter(unfinished, blocks.schema, compression="zstd") as writer,
    ):
        for block in blocks:
            writer.write_batch(cells_of_batch(block, unguarded))


def _typed(table: str, path: str | Path | io.BytesIO, **options: Any) -> pd.DataFrame:
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
    return _with_texts(frame, table, unguarded)


def check(frame: pd.DataFrame, table: str, where: str, only: Sequence[str] = ()) -> None:
    """Raise TableError, naming table, column and row, unless the frame agrees with its schema.

    only: the columns that have to be there; else all that the schema has.
    """
    entries = schema(table)
    wrong = [c for c in frame.columns if c not in entries]
    wrong += [c for c in only or entries if c not in frame.columns and not entries[c].get("group")]
    if wrong:
        raise TableError(f"{where}: columns {wrong} are missing or not in the schema of {table}")
    for name, values in frame.items() if len(frame) else ():  # an empty table has no types either
        bad, rules = _against_rules(values, entries[str(name)])
        if bad.any():
            row = frame.loc[bad].iloc[0].to_dict()
            raise TableError(
                f"{where}: table {table}, column {name}: {counted(int(bad.sum()), 'value')} against {rules}, the "
                f"first in row {row}"
            )


def _against_rules(values: pd.Series, entry: dict[str, Any]) -> tuple[NDArray[np.bool_], dict[str, Any]]:
    """Tell which values of a column are against the rules of its entry in tables.yaml, and which rules these are."""
    rules = entry.get("constraints", {})
    if entry["type"] in ("number", "integer"):
        is_plain = isinstance(values.dtype, np.dtype) and values.dtype.kind in "if"
        numbers = values.to_numpy() if is_plain else values.to_numpy("float64", na_value=np.nan)
        bad = (numbers < rules.get("minimum", -np.inf)) | (numbers > rules.get("maximum", np.inf))
        bad |= np.isnan(numbers) & rules.get("required", False)
        if "enum" in rules:
            bad |= ~np.isin(numbers, rules["enum"])
        if entry["type"] == "integer":
            rules = {"whole": True, **rules}
            bad |= ~np.isnan(numbers) & ((numbers != np.floor(numbers)) | np.isinf(numbers))
    else:
        if entry["type"] == "string":
            rules = {"no control characters": True, **rules}
        # Many rows, few different texts.
        wrong = _wrong(_distinct(values), rules)
        bad = values.isin(wrong).to_numpy() if wrong else np.zeros(len(values), dtype=bool)
    if rules.get("unique"):
        bad = bad | values.duplicated().to_numpy()
    return bad, rules


def _distinct(values: pd.Series) -> list[Any]:
    """List the different values of a column. To iterate over what pandas returns takes many times as long."""
    return list(np.asarray(values.unique(), dtype=object))


def _wrong(values: Iterable[Any], rules: Mapping[str, Any]) -> list[Any]:
    """List the texts or times that break the rules."""
    if not rules.keys() & {"pattern", "enum"}:  # then all can be looked at together, and they hardly ever break one
        values = list(values)
        texts = [value for value in values if isinstance(value, str)]
        is_whole = not rules.get("required") or (all(texts) and not pd.isna(values).any())
        if is_whole and not CONTROL.search("".join(texts)):
            return []
    return [value for value in values if not _is_right(value, rules)]


def _is_right(value: Any, rules: Mapping[str, Any]) -> bool:
    """Tell whether a text or a time obeys the rules. A missing one counts as empty."""
    if not isinstance(value, str) and pd.isna(value):
        value = ""
    if value == "" and rules.get("required"):
        return False
    if rules.get("no control characters") and isinstance(value, str) and CONTROL.search(value):
        return False
    if "pattern" in rules and not re.fullmatch(rules["pattern"], value):
        return False
    return "enum" not in rules or value in rules["enum"]
