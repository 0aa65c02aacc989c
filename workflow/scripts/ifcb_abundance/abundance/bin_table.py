"""The bin-level table: one row per used bin and class, zero counts included, as Parquet."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from pandas.api.extensions import ExtensionArray

from ifcb_abundance.classes.labels import UNCLASSIFIED
from ifcb_abundance.common import proof
from ifcb_abundance.common.atomic_write import atomic_write
from ifcb_abundance.pooling.core import COUNT, BinValues, Columns
from ifcb_abundance.pooling.method import SEVERAL, THRESHOLD
from ifcb_abundance.tables import table_files


def of_bin_columns(columns: Sequence[str] = ()) -> list[str]:
    """List what a row says of its bin, as the catalog does: all but the class and what there is of it."""
    return [name for name in table_files.columns("bins_long", columns) if name in table_files.schema("catalog")]


def bin_rows(used: pd.DataFrame, found: Mapping[str, BinValues], columns: Sequence[str] = ()) -> pd.DataFrame:
    """Build the rows of the used bins of a day, in order of time.

    found: bin to its counts. `unclassified` is the last class of each bin, so the counts of a bin sum to its ROIs.
    columns: those that the table has because of the config (`Method.bin_columns`).
    """
    used = used.sort_values(["sample_time", "bin"], ignore_index=True)
    of_bins = [found[bin_id] for bin_id in used["bin"].tolist()]
    of_row = np.repeat(np.arange(len(used)), [len(of_bin.classes) for of_bin in of_bins])
    count = np.concatenate([np.empty(0), *(of_bin.values[COUNT] for of_bin in of_bins)])
    rows: Columns = {name: used[name].array.take(of_row) for name in of_bin_columns(columns)}
    rows["class"] = _labels_of_rows([of_bin.classes for of_bin in of_bins])
    rows["count"] = count.astype("int64")
    rows["objects_per_ml"] = count / rows["ml_analyzed"]
    for name in set(columns) & set(of_bins[0].values) if of_bins else ():
        rows[name] = np.concatenate([of_bin.values[name] for of_bin in of_bins])
    if THRESHOLD in rows:
        rows[THRESHOLD] = np.where(rows[THRESHOLD] == SEVERAL, np.nan, rows[THRESHOLD])
    nothing = np.full(len(count), np.nan)
    in_order = table_files.columns("bins_long", columns)
    return pd.DataFrame({name: rows.get(name, nothing) for name in in_order}, copy=False)


def _labels_of_rows(label_sets: Sequence[tuple[str, ...]]) -> ExtensionArray:
    """The labels of all bins, one after the other. There are many bins, and few label sets."""
    starts: dict[tuple[str, ...], int] = {}
    labels: list[str] = []
    for classes in label_sets:
        if classes not in starts:
            starts[classes] = len(labels)
            labels += classes
    places = [np.arange(starts[classes], starts[classes] + len(classes)) for classes in label_sets]
    return pd.array(labels, dtype="str").take(np.concatenate([np.empty(0, np.intp), *places]))


def part_of(rows: pd.DataFrame, where: str, stated: str = "") -> bytes:
    """Check the rows against their schema and return them as a Parquet file of their own.

    where: what the message of an error calls it. stated: the day's proof.
    """
    return table_files.as_parquet(rows, "bins_long", where, {proof.KEY: stated})


def merge_parts(parts: Sequence[str | Path], path: str | Path, columns: Sequence[str] = ()) -> None:
    """Merge the parts, a day or more each, into one Parquet file.

    A row group is a day. A thread reads the next one while one is written, so two are in memory at a time.
    columns: as of `bin_rows`.
    """
    days = _read_days(parts)
    with (
        atomic_write(path) as unfinished,
        pq.ParquetWriter(unfinished, table_files.arrow_schema("bins_long", columns), compression="zstd") as writer,
        ThreadPoolExecutor(max_workers=1) as reader,
    ):
        following = reader.submit(next, days, None)
        while (day := following.result()) is not None:
            following = reader.submit(next, days, None)
            writer.write_table(day)


def _read_days(parts: Sequence[str | Path]) -> Iterator[pa.Table]:
    for part in map(pq.ParquetFile, parts):
        for day in range(part.num_row_groups):
            yield part.read_row_group(day, use_threads=False)


def labels_of(table: str | Path, bins: Sequence[str]) -> dict[str, set[str]]:
    """Look up the label sets of the given bins; a bin that is not in the table is left out."""
    found = pq.read_table(table, columns=["bin", "class"], filters=[("bin", "in", list(bins))]).to_pandas()
    return {str(bin_id): set(labels) - {UNCLASSIFIED} for bin_id, labels in found.groupby("bin")["class"]}


def write_csv(table: str | Path, path: str | Path) -> None:
    """Write the same table as a compressed CSV, row group by row group, with times as in all other tables."""
    columns = table_files.arrow_schema("bins_long", pq.read_schema(table).names)
    time = columns.get_field_index("sample_time")
    columns = columns.set(time, pa.field("sample_time", pa.string()))
    with (
        atomic_write(path) as unfinished,
        pa.CompressedOutputStream(str(unfinished), "gzip") as stream,
        pyarrow.csv.CSVWriter(stream, columns) as writer,
    ):
        for batch in pq.ParquetFile(table).iter_batches():
            batch = table_files.cells_of_batch(batch)
            times = batch.column(time).dictionary_encode()  # many rows, few different times
            texts = pa.array([moment.isoformat() for moment in times.dictionary.to_pylist()], pa.string())
            writer.write_batch(batch.set_column(time, "sample_time", texts.take(times.indices)))
