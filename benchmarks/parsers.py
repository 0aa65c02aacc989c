"""How long parsers take for the class scores of a bin, in one thread; those that are not installed are left out."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv

from benchmarks import archive
from ifcb_abundance.engine import patches
from ifcb_abundance.scores.scan import scan_scores

PIECE = 2**18  # bytes: how much of a body is parsed at a time where it is parsed while it comes in


def measure(rois: int, classes: int, folder: Path, times: int = 40) -> pd.DataFrame:
    """The best processor time of each, for bodies as dashboards before 5.2 and from 5.2 on write them."""
    patches.save_memory_work()  # as in a run
    rows = []
    for widened in (False, True):
        archive.write_body(folder / "body", rois, classes, widened)
        body = (folder / "body").read_bytes()
        for name, parse in _parsers(body):
            parse()
            took = []
            for _ in range(times):
                began = time.process_time()
                parse()
                took.append(time.process_time() - began)
            rows.append({"parser": name, "widened": widened, "body_mb": len(body) / 1e6, "cpu_ms": 1e3 * min(took)})
    return pd.DataFrame(rows)


def _parsers(body: bytes) -> Iterator[tuple[str, Callable[[], object]]]:
    start = body.index(b"\n") + 1
    names = [str(i) for i in range(body[:start].count(b",") + 1)]
    types = {name: pa.float64() for name in names} | {"0": pa.string()}

    def arrow(block: int) -> object:
        return pyarrow.csv.read_csv(
            pa.py_buffer(body).slice(start),
            pyarrow.csv.ReadOptions(use_threads=False, column_names=names, block_size=block),
            convert_options=pyarrow.csv.ConvertOptions(column_types=types),
        )

    yield "those that may win, as here", lambda: scan_scores(archive.PLACEHOLDER, body, len(names) - 1)
    yield "pyarrow, a body at a time, as here where all are needed", lambda: arrow(2**22)
    yield f"pyarrow, {PIECE // 1024} kB at a time, as a body comes in", lambda: arrow(PIECE)
    with suppress(ImportError):
        import polars as pl

        schema = dict.fromkeys(names, pl.Float64) | {"0": pl.String}
        yield "polars", lambda: pl.read_csv(body[start:], has_header=False, schema=schema)
    with suppress(ImportError):
        import simdjson

        parser, bin_id = simdjson.Parser(), body[start : body.index(b"_", start + 20) + 1]

        def as_json() -> object:
            """The rows as one array of numbers, in which a ROI's number follows a 1."""
            rows = body[start + len(bin_id) :].replace(b"\n" + bin_id, b",1").replace(b'"', b" ")
            return np.frombuffer(parser.parse(b"[1" + rows.rstrip() + b"]").as_buffer(of_type="d")).sum()

        yield "pysimdjson", as_json
