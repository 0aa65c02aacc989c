"""Measure the workflow beside what it replaces and beside the limit, and write docs/benchmarks.md: `make bench`.

All that is compared is measured in this one run, on this machine. Nothing here passes or fails.
"""

import argparse
import os
import re
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterable
from hashlib import sha256
from itertools import product
from pathlib import Path
from statistics import median

import pandas as pd
from tests import slurm
from tests.dashboard.__main__ import PLACEHOLDER
from tests.dashboard.emulator import Emulator

from benchmarks import (
    archive,
    arrays,
    correction,
    curation,
    parsers,
    raw,
    report,
    shards,
    stores,
    year_report,
    zooniverse,
)
from benchmarks.clients import DATASET
from benchmarks.measure import ROOT, Checkout, Cost, dashboard, run

# What each function of `engine/patches.py` does that saves time. docs/engine.md has the numbers.
PATCHES = {
    "skip_input_sizes": "the patch that skips the sizes of inputs",
    "skip_remaining_jobs": "the patch that skips the list of remaining jobs",
    "skip_rate_limit": "the patch that drops the limit on jobs per second",
    "save_memory_work": "the settings of memory",
}
CAPACITY = 3  # requests at a time that the overloaded server takes


def main() -> None:
    """Run the chosen measurements, keep their rows, and make the page of all that were ever kept."""
    chosen = {
        "clients": clients,
        "budget": budget,
        "parsers": lambda options, folder: parsers.measure(options.rois, options.classes, folder),
        "latency": latency,
        "size": size,
        "settings": settings,
        "archive": lambda options, folder: shards.measure(options, folder, say),
        "overload": overload,
        "cluster": on_a_cluster,
        "cluster_archive": lambda options, folder: shards.measure_on_cluster(options, folder, say),
        "stores": lambda options, folder: stores.measure(options.keys, 2000, 0.05, folder, shutil.which("rclone")),
        "arrays": lambda options, folder: arrays.measure(options.nodes, folder),
        "zooniverse": lambda options, folder: zooniverse.measure(options.rows, folder, zooniverse.installed()),
        "curation": curation.measure,
        "raw": raw.measure,
        "correction": lambda options, _: correction.drifting_rates(options.runs, say),
        "year_report": lambda options, folder: year_report.measure(365, options.classes, 5000, folder),
        "people": lambda options, _: correction.people(options.runs, say),
        "spread": lambda options, _: correction.spread(20 * options.runs, say),
    }
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("which", nargs="*", default=list(chosen), metavar="MEASUREMENT", help=", ".join(chosen))
    parser.add_argument("--bins", type=int, default=1000, help="of the comparison")
    parser.add_argument("--latency", type=float, default=0.1, help="seconds before each answer")
    parser.add_argument("--rois", type=int, default=2000)
    parser.add_argument("--classes", type=int, default=150)
    parser.add_argument("--repeats", type=int, default=3, help="of the comparison and of --sizes")
    parser.add_argument(
        "--server",
        nargs="*",
        choices=("shared", "own"),
        default=["shared", "own"],
        help="of the comparison: shares the cores with the clients, or has a core of its own",
    )
    parser.add_argument("--sizes", type=int, nargs="*", default=[1000, 5000, 22000], help="bins of one run")
    parser.add_argument("--settings-bins", type=int, default=3000, help="of each run with another setting")
    shards.add_options(parser)
    parser.add_argument("--nodes", type=int, nargs="*", default=[1_000_000, 10_000_000], help="of graphs")
    parser.add_argument("--keys", type=int, default=1_000_000, help="of a store that is listed")
    parser.add_argument("--rows", type=int, nargs="*", default=[100_000, 1_000_000], help="of Zooniverse's exports")
    parser.add_argument("--runs", type=int, default=6, help="of each simulated community")
    curation.add_options(parser)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "benchmarks")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    # Copies of the workflow come with its modules and rules compiled, as after a user's first command.
    run([sys.executable, "-m", "snakemake", "--dry-run"])
    for name in options.which:
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            table = chosen[name](options, Path(folder))
        table.to_csv(options.out / f"{name}.csv", index=False)
        print(table.to_string(index=False), flush=True)
    report.write_page(options.out)
    if (page := options.out.parent / "correction.md").exists():
        correction.fill_page(page, options.out)


def clients(options: argparse.Namespace, folder: Path) -> pd.DataFrame:
    """The workflow, the walk and the bare client on the same bins, several times."""
    ids = archive.write_bins(folder / "archive", options.bins)
    size = archive.write_body(folder / "body", options.rois, options.classes)
    rows = []
    for where in options.server:
        own, others = _cores(where)
        with dashboard(folder / "archive", folder / "body", options.latency, core=own) as server:
            for number in range(options.repeats):
                for client in ("walk", "bare", "workflow"):
                    if client == "walk" and number:
                        continue  # two minutes, and it varies least
                    cost = _read(client, server.url, ids, folder / f"{where}-{client}{number}", others)
                    say(f"{client}, server's cores {where}: {len(ids)} bins in {cost.wall:.1f} s")
                    rows.append(
                        {
                            "server": where,
                            "number": number,
                            "client": client,
                            **_per_bin(cost, len(ids)),
                            "body_mb": size / 1e6,
                            "latency_ms": options.latency * 1e3,
                        }
                    )
    return pd.DataFrame(rows)


def _cores(server: str) -> tuple[int | None, list[int]]:
    """The core of a server that has one of its own, and those for everything else; with a shared one, none is named."""
    if server == "shared":
        return None, []
    *others, own = sorted(os.sched_getaffinity(0))
    if not others:
        raise SystemExit("clients: this machine has one core only. Measure with --server shared")
    return own, others


def budget(options: argparse.Namespace, folder: Path) -> pd.DataFrame:
    """What of a bin's processor time goes where, by calling the parts one after the other."""
    from ifcb_abundance.abundance.sweep import count_kept
    from ifcb_abundance.engine import patches
    from ifcb_abundance.scores.decide import Decision
    from ifcb_abundance.scores.score_csv import read_csv
    from ifcb_abundance.scores.summary import (
        Provenance,
        count_by,
        find_winners,
        read_summary,
        write_summary,
    )
    from ifcb_abundance.sources.dashboard import DashboardSource

    patches.save_memory_work()  # as in a run
    (bin_id,) = archive.write_bins(folder / "archive", 1)
    archive.write_body(folder / "body", options.rois, options.classes)
    with dashboard(folder / "archive", folder / "body", 0.0) as server:
        source = DashboardSource(DATASET, server.url)
        file = source.read_scores(bin_id)
        assert file
        classes, _, scores = read_csv(bin_id, file.body, every_score=False)
        winners = find_winners(scores)
        provenance = Provenance(bin_id, "read", classes=classes)
        summary = folder / "summary.parquet"
        steps: dict[str, Callable[[], object]] = {
            "request: receive the body": lambda: source.read_scores(bin_id),
            "checksum": lambda: sha256(file.body).hexdigest(),
            "parse": lambda: read_csv(bin_id, file.body, every_score=False),
            "reduce: winners in three precisions": lambda: find_winners(scores),
            "write the summary": lambda: write_summary(provenance, winners, summary),
            "day: read the summary": lambda: read_summary(summary),
            "day: count classes and thresholds": lambda: (
                count_by(classes, winners, Decision(0.7, {}, "float16")),
                count_kept(classes, winners, "float16"),
            ),
        }
        return pd.DataFrame([{"step": name, "cpu_ms": _cpu_ms(step)} for name, step in steps.items()])


def _cpu_ms(step: Callable[[], object], times: int = 50) -> float:
    step()
    took = []
    for _ in range(times):
        began = time.process_time()
        step()
        took.append(time.process_time() - began)
    return median(took) * 1e3


def leave_out(rules: Path, patches: Iterable[str]) -> None:
    """Take the calls of some of the functions of `engine/patches.py` out of the files of rules."""
    files = [rules / name for name in ("checkout.smk", "engine.smk")]
    for patch in patches:
        call = re.compile(rf"^ *patches\.{patch}\(.*\)\n", re.MULTILINE)
        (calls,) = (file for file in files if call.search(file.read_text()))
        calls.write_text(call.sub("", calls.read_text()))


def settings(options: argparse.Namespace, folder: Path) -> pd.DataFrame:
    """The engine's own settings and our patches of it, each changed alone: what each choice gains."""
    bins = options.settings_bins
    archive.write_bins(folder / "archive", bins)
    archive.write_body(folder / "body", 3, options.classes)
    rows = []
    with dashboard(folder / "archive", folder / "body", 0.0) as server:
        for number, (what, left_out, arguments) in enumerate(
            (
                ("as shipped", (), []),
                ("all ready jobs weighed, not a sample of 50", (), ["--scheduler-subsample", "1000000"]),
                (
                    "checksums of all inputs below 1 MB, the engine's default",
                    (),
                    ["--max-checksum-file-size", "1000000"],
                ),
                ("scheduler ilp", (), ["--scheduler", "ilp"]),
                ("records of jobs in a database", (), ["--persistence-backend", "db"]),
                *((f"without {PATCHES[patch]}", (patch,), []) for patch in PATCHES),
                ("without these four patches", tuple(PATCHES), []),
                ("as shipped", (), []),  # once more: what was run before, and deleted, is felt in the first run
            )
        ):
            checkout = Checkout(folder / str(number), server.url, *archive.days(bins))
            leave_out(checkout.folder / "workflow" / "rules", left_out)
            cost = checkout.snakemake(*arguments)
            say(f"{what}: {cost.wall:.1f} s")
            rows.append({"setting": what, "bins": bins, **_per_bin(cost, bins)})
    return pd.DataFrame(rows).groupby("setting", as_index=False, sort=False).min()


def latency(options: argparse.Namespace, folder: Path) -> pd.DataFrame:
    """Bins per second of the three, as the server takes longer to answer."""
    rows = []
    archive.write_body(folder / "body", options.rois, options.classes)
    for seconds in (0.0, 0.05, 0.1, 0.2, 0.4):
        for client, bins in (("walk", 60), ("bare", 300), ("workflow", 300)):
            place = folder / f"{client}{seconds}"
            ids = archive.write_bins(place / "archive", bins)
            with dashboard(place / "archive", folder / "body", seconds) as server:
                cost = _read(client, server.url, ids, place / "run")
            say(f"{client} at {seconds * 1000:.0f} ms: {bins / cost.wall:.1f} bins per second")
            rows.append({"latency_ms": seconds * 1000, "client": client, "bins": bins, **_per_bin(cost, bins)})
    return pd.DataFrame(rows)


def size(options: argparse.Namespace, folder: Path) -> pd.DataFrame:
    """One run of ever more bins with small bodies: the first, one more, and one with another threshold."""
    rows = []
    archive.write_body(folder / "body", 3, options.classes)
    for bins, number in product(options.sizes, range(options.repeats)):
        place = folder / f"{bins}-{number}"
        archive.write_bins(place / "archive", bins)
        with dashboard(place / "archive", folder / "body", 0.0) as server:
            checkout = Checkout(place / "run", server.url, *archive.days(bins))
            for what, arguments in (("cold", ()), ("up to date", ()), ("another threshold", shards.ANOTHER_THRESHOLD)):
                cost = checkout.snakemake(*arguments)
                say(f"{bins} bins, {what}: {cost.wall:.1f} s, {cost.memory:.0f} MB")
                rows.append({"bins": bins, "run": what, **_per_bin(cost, bins), "files": checkout.files()})
    return pd.DataFrame(rows)


def overload(options: argparse.Namespace, folder: Path) -> pd.DataFrame:
    """Requests in flight at a server that for a while takes only some at a time and refuses the others."""
    bins = 1500
    ids = archive.write_bins(folder / "archive", bins)
    archive.write_body(folder / "body", 3, options.classes)
    with Emulator(
        {DATASET: folder / "archive"}, "5.0", latency=options.latency, score_body=_bodies(folder / "body")
    ) as server:
        source = {"backoff": 0.2, "retries": 20}
        checkout = Checkout(folder / "run", server.url, *archive.days(len(ids)), source=source)
        running = threading.Thread(target=checkout.snakemake)
        running.start()
        limits: list[tuple[float, float]] = []
        for answered, capacity in ((400, CAPACITY), (700, None)):
            while len(server.requests) < answered and running.is_alive():
                time.sleep(0.02)
            server.capacity = capacity
            limits.append((time.monotonic(), capacity or float("nan")))
        running.join()
        requests = [r for r in server.requests if "class_scores" in r.target]
    began = requests[0].started
    rows = []
    for step in range(int((max(r.finished or 0 for r in requests) - began) * 5)):
        at = began + step / 5
        rows.append(
            {
                "seconds": step / 5,
                "in_flight": sum(r.started <= at < (r.finished or at) for r in requests),
                "refused": sum(at <= r.started < at + 0.2 and r.status == 503 for r in requests),
                "capacity": next((limit for since, limit in reversed(limits) if since <= at), float("nan")),
            }
        )
    return pd.DataFrame(rows)


def on_a_cluster(options: argparse.Namespace, folder: Path) -> pd.DataFrame:
    """On a SLURM of one node: bins and days in the main process, as shipped; a job a day; and a job a bin."""
    if reason := slurm.why_not():
        raise SystemExit(f"cluster: {reason}")
    archive.write_body(folder / "body", options.rois, options.classes)
    # Members of a group share the cores and the memory that are named; else the sum of theirs is asked for.
    limits = ("--resources", "dashboard=8", "pooling=1", "mem_mb=3000", "--cores", "2")
    rows = []
    with slurm.cluster(folder / "slurm"):
        for how, bins, arguments in (
            ("in the main process, as shipped", 240, ("--cores", "8")),
            ("a job a day", 60, ("--groups", "summarize_scores=day", "pool_abundance=day", *limits)),
            ("a job a bin", 20, limits),
        ):
            place = folder / how
            archive.write_bins(place / "archive", bins)
            bodies = _bodies(folder / "body")
            with Emulator({DATASET: place / "archive"}, "5.0", latency=options.latency, score_body=bodies) as server:
                checkout = Checkout(place / "run", server.url, *archive.days(bins))
                if "job" in how:
                    _submit(checkout, "scores", "abundance")
                table = f"results/{DATASET}/abundance_long.csv"  # what is made of it goes to the node in any case
                cost = checkout.snakemake(*slurm.PROFILE, *arguments, table)
                at_once = server.most_at_once()
            say(f"{how}: {bins} bins in {cost.wall:.1f} s")
            jobs = sum(slurm.submitted(checkout.folder).values())
            rows.append({"how": how, **_per_bin(cost, bins), "bins": bins, "jobs": jobs, "requests_at_once": at_once})
    return pd.DataFrame(rows)[["how", "bins", "jobs", "wall_s", "ms_per_bin", "requests_at_once"]]


def _submit(checkout: Checkout, *rules: str) -> None:
    """Have the jobs of these files of rules go to nodes."""
    for name in rules:
        path = checkout.folder / "workflow" / "rules" / f"{name}.smk"
        text = path.read_text().replace("    localrule: True\n", "")
        assert text != path.read_text()
        path.write_text(text)


def _bodies(path: Path) -> Callable[[str], bytes]:
    body = path.read_bytes()
    return lambda bin_id: body.replace(PLACEHOLDER.encode(), bin_id.encode())


def _read(client: str, url: str, ids: list[str], folder: Path, cores: Collection[int] = ()) -> Cost:
    if client == "workflow":
        # The folder is removed when all is measured: after many files were deleted, ext4 is slow to make new ones.
        return Checkout(folder, url, *archive.days(len(ids))).snakemake(cores=cores)
    return run([sys.executable, "-m", "benchmarks.clients", client, url, ids[0], ids[-1]], cores=cores)


def _per_bin(cost: Cost, bins: int) -> dict[str, float]:
    return {
        "wall_s": cost.wall,
        "bins_per_s": bins / cost.wall,
        "ms_per_bin": cost.wall / bins * 1e3,
        "cpu_ms_per_bin": cost.cpu / bins * 1e3,
        "peak_mb": cost.memory,
    }


def say(text: str) -> None:
    """Progress, at once."""
    print(text, flush=True)


if __name__ == "__main__":
    main()
