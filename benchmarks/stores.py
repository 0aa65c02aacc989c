"""Stores: what a list of a million keys takes, and a fetch of many small files beside rclone where it is installed.

`python -m benchmarks.stores` measures and prints; `python -m benchmarks stores` also writes the page.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pandas as pd

from benchmarks.measure import ROOT, Cost, copy_workflow, run

CONNECTIONS = 8


@contextmanager
def bucket(keys: int, size: int, latency: float) -> Iterator[str]:
    """A bucket in a process of its own; yields its address."""
    command = [sys.executable, "-m", "benchmarks.bucket", "--keys", str(keys), "--size", str(size)]
    command += ["--latency", str(latency)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()


def snakemake(folder: Path, url: str, target: str) -> Cost:
    """A run of the workflow in a copy of its own, as a user starts it."""
    store = {"url": "s3://data/volume.n5", "endpoint_url": url, "max_bytes": 10**12}
    copy_workflow(folder, {"dataset": "cells", "stores": {"volume": store}})
    return run([sys.executable, "-m", "snakemake", "--cores", "2", target, "--configfile", "my.yaml"], folder)


def rclone(program: str, folder: Path, url: str) -> Cost:
    """The same files copied by rclone, with as many connections."""
    os.environ["RCLONE_CONFIG"] = os.devnull
    os.environ.pop("AWS_CA_BUNDLE", None)  # rclone 1.60 refuses it, also for a server without TLS
    place = f":s3,provider=Other,endpoint='{url}',force_path_style=true,list_version=2:data/volume.n5"
    options = ["--transfers", str(CONNECTIONS), "--checkers", str(CONNECTIONS), "--fast-list", "--s3-no-head-object"]
    return run([program, "copy", place, folder, *options])


def measure(keys: int, files: int, latency: float, folder: Path, program: str | None) -> pd.DataFrame:
    """What a list of so many keys takes, and a fetch of so many files of 100 kB. program: rclone, if it is there."""
    costs = []

    def keep(what: str, who: str, number: int, cost: Cost) -> None:
        costs.append(
            {"step": what, "program": who, "files": number, "wall_s": cost.wall, "cpu_s": cost.cpu}
            | {"peak_mb": cost.memory}
        )
        print(costs[-1], flush=True)

    with bucket(keys, 100_000, 0) as url:
        keep("list", "here", keys, snakemake(folder / "list", url, "inventory"))
    with bucket(files, 100_000, latency) as url:
        for number in range(3):
            cost = snakemake(folder / f"fetch{number}", url, "fetch")
            keep("list, plan and fetch", "here", files, cost)
            (alone,) = re.findall(r"are whole in .*, after ([\d.]+) s", cost.printed)
            keep("the fetch of it", "here", files, replace(cost, wall=float(alone), cpu=float("nan")))
            if program:
                keep("list and fetch", "rclone", files, rclone(program, folder / f"rclone{number}", url))
    return pd.DataFrame(costs)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stores", description=__doc__)
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--latency", type=float, default=0.05, help="seconds before each answer of the fetch")
    parser.add_argument("--rclone", default=shutil.which("rclone"), help="the command rclone")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        print(
            measure(options.keys, options.files, options.latency, Path(folder), options.rclone).to_string(index=False)
        )


if __name__ == "__main__":
    main()
