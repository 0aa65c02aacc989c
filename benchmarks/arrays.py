"""Arrays and graphs: what a large plane with labels takes, and a graph of millions of nodes and edges.

`python -m benchmarks.arrays` measures and prints; `python -m benchmarks arrays` also writes the page. Everything is a
run of the workflow, as a user starts it. Processor time is what to compare where other work runs beside.
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import bson
import numpy as np
import pandas as pd
import tensorstore as ts

from benchmarks.measure import Cost, copy_workflow, run
from benchmarks.zooniverse import PEAK

PX = 6000  # side of the plane
LARGEST = 77_322_656_252  # label
FIRST = 77_322_656_856  # node
PART = 500_000  # records that are written at a time


def write_plane(folder: Path, seed: int = 1) -> None:
    """Raw voxels and labels in zarr v3, 16 planes of PX by PX in chunks of 8 by 1,000 by 1,000."""
    chance = np.random.default_rng(seed)
    for name in ("raw", "labels"):
        metadata = {
            "shape": [16, PX, PX],
            "data_type": "uint8" if name == "raw" else "uint64",
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [8, 1000, 1000]}},
            "codecs": [
                {"name": "bytes", "configuration": {"endian": "little"}},
                {"name": "zstd", "configuration": {"level": 1}},
            ],
            "attributes": {"resolution": [40, 8, 8], "offset": [400, 0, 0]},
        }
        store = {"driver": "file", "path": f"{folder / name}/"}
        array = ts.open({"driver": "zarr3", "kvstore": store, "metadata": metadata, "create": True}).result()
        for row in range(0, PX, 1000):
            if name == "raw":
                values = chance.integers(0, 256, (16, 1000, PX), np.uint8)
            else:
                cells = chance.integers(0, 5_000_000, (16, 50, PX // 20), np.uint64)
                values = LARGEST - np.repeat(np.repeat(cells, 20, 1), 20, 2)
            array[:, row : row + 1000].write(values).result()


def write_bson(path: Path, record: Mapping[str, Any], rows: int, values: Mapping[str, Any]) -> None:
    """Records of one length. values: name to a function that makes so many numbers of 8 bytes from a row on."""
    template = np.frombuffer(bson.encode({"_id": bson.ObjectId(), **record}), np.uint8)
    with path.open("wb") as file:
        for first in range(0, rows, PART):
            part = np.tile(template, (min(PART, rows - first), 1))
            for name, numbers in values.items():
                kind = b"\x01" if isinstance(record[name], float) else b"\x12"
                start = template.tobytes().index(kind + name.encode() + b"\0") + len(name) + 2
                part[:, start : start + 8] = numbers(first, len(part)).view(np.uint8).reshape(-1, 8)
            file.write(part.tobytes())


def write_graph(folder: Path, rows: int, seed: int = 1) -> None:
    """So many nodes, in descending order of their ids, and as many edges."""
    chance = np.random.default_rng(seed)
    whole = bson.Int64(2**40)
    centre = {f"center_{axis}": 0.5 for axis in "zyx"}
    places = {name: lambda _, n: chance.random(n) * 1e5 for name in centre}
    ids = {"id": lambda first, n: FIRST + 3 * (rows - first - np.arange(n, dtype=np.int64))}
    write_bson(folder / "nodes.bson", {"id": whole, **centre, "size": whole}, rows, {**ids, **places})
    ends = {end: lambda _, n: FIRST + 3 * chance.integers(1, rows + 1, n) for end in "uv"}
    scores = {"merge_score": lambda _, n: chance.random(n)}
    edge = {"u": whole, "v": whole, "merge_score": 0.5, "agglomerated": True}
    write_bson(folder / "edges.bson", edge, rows, {**ends, **scores})


def snakemake(folder: Path, target: str, config: Mapping[str, Any]) -> Cost:
    """A run of the workflow in a copy of its own."""
    shutil.rmtree(folder, ignore_errors=True)
    copy_workflow(folder, {"dataset": "cells", **config})
    command = [sys.executable, "-m", "snakemake", target, "--cores", "2", "--configfile", "my.yaml"]
    cost = run([sys.executable, "-S", "-c", PEAK, *command], folder)
    return replace(cost, memory=int(cost.printed.split()[-1]) / 1024)


def measure(rows: list[int], folder: Path) -> pd.DataFrame:
    """What the plane takes, and graphs of so many nodes and as many edges."""
    costs = []

    def add(what: str, number: int, cost: Cost) -> None:
        rate = number / cost.cpu
        costs.append(
            {"what": what, "n": number, "wall_s": cost.wall, "cpu_s": cost.cpu, "rate": rate, "peak_mb": cost.memory}
        )
        print(costs[-1], flush=True)

    write_plane(folder)
    box = {"unit": "voxel", "z": [12, 13], "y": [0, PX], "x": [0, PX]}
    array = {"url": str(folder / "raw"), "labels": str(folder / "labels"), "box": box}
    add("voxels of a plane with labels", PX * PX, snakemake(folder / "run", "arrays", {"arrays": {"plane": array}}))
    for number in rows:
        write_graph(folder, number)
        files = {name: str(folder / f"{name}.bson") for name in ("nodes", "edges")}
        graph = {**files, "voxel_nm": [40, 8, 8]}
        add("records of a graph", 2 * number, snakemake(folder / "run", "graphs", {"graphs": {"regions": graph}}))
    return pd.DataFrame(costs)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.arrays", description=__doc__)
    parser.add_argument("--nodes", type=int, nargs="*", default=[1_000_000, 10_000_000])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        print(measure(options.nodes, Path(folder)).to_string(index=False))


if __name__ == "__main__":
    main()
