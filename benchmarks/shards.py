"""A whole archive in shards: by `snakemake archive` on this machine, and as an array of jobs on a SLURM of one node."""

import argparse
import re
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pandas as pd
from tests import slurm

from benchmarks import archive
from benchmarks.measure import Checkout, dashboard

ANOTHER_THRESHOLD = ("--config", "classify={threshold: 0.5}")


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `measure` and `measure_on_cluster`."""
    parser.add_argument("--shards", type=int, nargs="*", default=[5, 14], help="years of an archive")
    parser.add_argument("--shard-bins", type=int, default=365 * 60, help="of a year of an archive, 60 a day")
    parser.add_argument("--cluster-shards", type=int, default=4, help="years of an archive on a cluster")
    parser.add_argument(
        "--cluster-bins",
        type=int,
        nargs="*",
        default=[240, 960, 2880],
        help="of a year on a cluster: the model is fitted to all sizes but the last, and compared with the last",
    )


def measure(options: argparse.Namespace, folder: Path, say: Callable[[str], None]) -> pd.DataFrame:
    """`snakemake archive`: cold, once more, and with another threshold. Rows of other sizes are kept."""
    rows = []
    archive.write_body(folder / "body", 3, options.classes)
    for shards in options.shards:
        place, bins = folder / str(shards), shards * options.shard_bins
        window = archive.write_years(place / "archive", shards, options.shard_bins)
        port, _ = slurm.free_ports()
        checkout = Checkout(place / "run", f"http://127.0.0.1:{port}", *window)
        for what, arguments in (("cold", ()), ("up to date", ()), ("another threshold", ANOTHER_THRESHOLD)):
            with dashboard(place / "archive", folder / "body", 0.0, port) as server:
                cost = checkout.snakemake("archive", *arguments, watched=True)
            say(f"{bins} bins in {shards} shards, {what}: {cost.wall:.1f} s, {cost.together:.0f} MB together")
            rows.append(
                {
                    "bins": bins,
                    "shards": shards,
                    "run": what,
                    "wall_s": cost.wall,
                    "cpu_s": cost.cpu,
                    "server_cpu_s": server.cpu,
                    "peak_mb": cost.memory,
                    "together_mb": cost.together,
                    "requests": server.requests,
                    "files": checkout.files(),
                }
            )
    measured = pd.DataFrame(rows)
    before = options.out / "archive.csv"
    if before.exists():  # a size takes hours: what was measured of others stays
        others = pd.read_csv(before)
        measured = pd.concat([others[~others["bins"].isin(measured["bins"])], measured])
    return measured.sort_values("bins", kind="stable")


def measure_on_cluster(options: argparse.Namespace, folder: Path, say: Callable[[str], None]) -> pd.DataFrame:
    """On a SLURM of one node: one job array of shards, of several sizes; and other ways, of the last size but one."""
    if reason := slurm.why_not():
        raise SystemExit(f"cluster_archive: {reason}")
    archive.write_body(folder / "body", 3, options.classes)
    shards, sizes = options.cluster_shards, options.cluster_bins
    runs = [("one job array", bins, _array) for bins in sizes]
    runs += [
        ("`snakemake archive`, a job a shard", sizes[-2], _by_snakemake(*slurm.PROFILE)),
        (
            "`snakemake archive`, `--slurm-array-jobs make_shard`",
            sizes[-2],
            _by_snakemake(*slurm.PROFILE, "--slurm-array-jobs", "make_shard"),
        ),
        ("`snakemake archive`, without SLURM", sizes[-2], _by_snakemake("--cores", "2")),
    ]
    rows = []
    with slurm.cluster(folder / "slurm"):
        for number, (how, bins, make) in enumerate(runs):
            place = folder / str(number)
            window = archive.write_years(place / "archive", shards, bins)
            with dashboard(place / "archive", folder / "body", 0.0) as server:
                parts = make(Checkout(place / "run", server.url, *window), shards)
            say(f"{how}, {shards} shards of {bins} bins: {parts['wall_s']:.1f} s")
            rows.append({"how": how, "shards": shards, "bins": bins, "at_once": 2, **parts})
    return pd.DataFrame(rows)


def _array(checkout: Checkout, shards: int) -> dict[str, float]:
    """As docs/archive.md has it. All but the time to submit is from SLURM's own record, which knows whole seconds."""
    snakemake = f"{sys.executable} -m snakemake --cores 1 --configfile my.yaml"
    year = f"$(({archive.FIRST_DAY.year} + SLURM_ARRAY_TASK_ID))"
    of_shard = f"{snakemake} --resources dashboard=1 pooling=1 --config shard={year}"
    began = time.monotonic()
    job = _sbatch(checkout, f"--array=0-{shards - 1}%8", "--mem=2G", "--wrap", of_shard)
    submitted = time.monotonic() - began
    last = _sbatch(
        *(checkout, f"--dependency=afterok:{job}", "--kill-on-invalid-dep=yes", "--mem=2G", "--wait"),
        *("--wrap", f"{snakemake} --config shard=merge"),
    )
    tasks, (merge,) = _times(job), _times(last)
    begun = [start for _, start, _ in tasks]
    ended = [end for *_, end in tasks]
    return {
        "jobs": shards + 1,
        "wall_s": (merge[2] - tasks[0][0]).total_seconds(),
        "submit_s": submitted,
        "wait_s": (min(begun) - tasks[0][0]).total_seconds(),
        "shard_s": sum((end - start).total_seconds() for _, start, end in tasks) / shards,
        "shards_s": (max(ended) - min(begun)).total_seconds(),
        "merge_wait_s": (merge[1] - max(ended)).total_seconds(),
        "merge_s": (merge[2] - merge[1]).total_seconds(),
    }


def _sbatch(checkout: Checkout, *arguments: str) -> str:
    command = ["sbatch", "--parsable", *arguments]
    return subprocess.run(command, cwd=checkout.folder, capture_output=True, text=True, check=True).stdout.strip()


def _times(job: str) -> list[tuple[datetime, datetime, datetime]]:
    """When a job, or each task of an array of them, was submitted, started and ended."""
    shown = subprocess.run(["scontrol", "show", "job", job], capture_output=True, text=True, check=True).stdout
    if states := set(re.findall(r"JobState=(\w+)", shown)) - {"COMPLETED", "COMPLETING"}:
        raise RuntimeError(f"job {job}: {', '.join(sorted(states))}")
    stamps = [re.findall(rf"\b{name}=(\S+)", shown) for name in ("SubmitTime", "StartTime", "EndTime")]
    return [tuple(map(datetime.fromisoformat, times)) for times in zip(*stamps, strict=True)]  # type: ignore[misc]


def _by_snakemake(*arguments: str) -> Callable[[Checkout, int], dict[str, float]]:
    def make(checkout: Checkout, shards: int) -> dict[str, float]:  # noqa: ARG001
        cost = checkout.snakemake("archive", *arguments)
        return {"jobs": sum(slurm.submitted(checkout.folder).values()), "wall_s": cost.wall}

    return make
