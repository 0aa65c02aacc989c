"""Write the page docs/benchmarks.md and its plots from the measured rows."""

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd

mpl.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "ifcb", "font.size": 10, "axes.spines.top": False}
mpl.rcParams |= {"axes.spines.right": False, "figure.constrained_layout.use": True}
# Okabe and Ito's colours, which the colour-blind can tell apart.
COLOURS = {"walk": "#D55E00", "bare": "#009E73", "workflow": "#0072B2"}
MARKERS = {"walk": "s", "bare": "^", "workflow": "o"}
NAMES = {"walk": "walk, as the notebook", "bare": "bare client, the limit", "workflow": "workflow"}


def write_page(folder: Path) -> None:
    """Write the page beside `folder`, from the tables in it."""
    tables = {path.stem: pd.read_csv(path) for path in sorted(folder.glob("*.csv"))}
    sections = [_head(), *(section(tables[name], folder) for name, section in SECTIONS.items() if name in tables)]
    folder.with_suffix(".md").write_text("\n".join(sections), encoding="utf-8")


def _head() -> str:
    cpu = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line), ": unknown")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    software = ", ".join(f"{name} {version(name)}" for name in ("snakemake", "pyarrow", "pandas", "requests"))
    return f"""# Benchmarks

Made by `make bench` on {datetime.now(UTC):%Y-%m-%d} (UTC): {os.cpu_count()} cores ({cpu.split(":")[1].strip()}),
{memory:.0f} GB, {platform.system()} {platform.release()}, Python {platform.python_version()}, {software}.
The dashboard is emulated by another process on the same machine, so the cores do its work too.
Numbers that are compared were measured side by side in one run. With another machine, compare ratios, not seconds.
"""


def _clients(table: pd.DataFrame, folder: Path) -> str:  # noqa: ARG001
    wall = table.set_index("client")["wall_s"]
    shown = table.set_index("client").loc[["walk", "bare", "workflow"]]
    rows = [
        f"| {NAMES[name]} | {row.wall_s:.1f} | {row.bins_per_s:.1f} | {row.ms_per_bin:.1f} | {row.cpu_ms_per_bin:.1f} "
        f"| {row.peak_mb:.0f} | {wall['walk'] / row.wall_s:.1f} | {row.wall_s / wall['bare']:.2f} |"
        for name, row in shown.iterrows()
    ]
    bins = round(table["bins_per_s"].iloc[0] * table["wall_s"].iloc[0])
    return "\n".join(
        [
            "## Beside the notebook's walk and beside the limit",
            "",
            f"{bins} bins, 60 a day; a body of {table['body_mb'].iloc[0]:.1f} MB each; 8 connections. `walk` asks for",
            "each next bin, then reads a day's scores with eight workers and pandas. `bare` has eight threads and the",
            "fastest parser, and keeps nothing: no summary, no checksum, no table. Times are of whole processes.",
            "",
            "| | time, s | bins per s | ms per bin | processor, ms per bin | peak memory, MB "
            "| times as fast as the walk | time, over the limit's |",
            "|---|---|---|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


def _budget(table: pd.DataFrame, folder: Path) -> str:
    rows = [f"| {row.step} | {row.cpu_ms:.1f} |" for row in table.itertuples()]
    clients = folder / "clients.csv"
    if clients.exists():
        whole = pd.read_csv(clients).set_index("client")["cpu_ms_per_bin"]["workflow"]
        rows.append(
            f"| engine, start of the process, tables: the rest of the whole | {whole - table['cpu_ms'].sum():.1f} |"
        )
        rows.append(f"| **whole** | **{whole:.1f}** |")
    return "\n".join(
        [
            "## Where a bin's time goes",
            "",
            "Processor time per bin, each step alone in an idle process. The whole is from the comparison above.",
            "",
            "| step | ms |",
            "|---|---|",
            *rows,
            "",
        ]
    )


def _parsers(table: pd.DataFrame, folder: Path) -> str:  # noqa: ARG001
    shown = table.pivot_table(index="parser", columns="widened", values="cpu_ms", sort=False)
    sizes = table.groupby("widened")["body_mb"].first()
    return "\n".join(
        [
            "## Parsers",
            "",
            "Processor time of the scores of a bin, in one thread: the best of many, on a machine that did other work",
            f"too. The bodies are as dashboards before 5.2 write them ({sizes[False]:.1f} MB), and from 5.2 on",
            f"({sizes[True]:.1f} MB). polars is one more large dependency; pysimdjson keeps other threads waiting.",
            "",
            "| parser | before 5.2, ms | from 5.2 on, ms |",
            "|---|---|---|",
            *(f"| {name} | {row[False]:.1f} | {row[True]:.1f} |" for name, row in shown.iterrows()),
            "",
        ]
    )


def _settings(table: pd.DataFrame, folder: Path) -> str:  # noqa: ARG001
    shipped = table["wall_s"].iloc[0]
    rows = [
        f"| {row.setting} | {row.wall_s:.1f} | {row.cpu_ms_per_bin:.1f} | {row.wall_s / shipped:.2f} |"
        for row in table.itertuples()
    ]
    return "\n".join(
        [
            "## The engine's settings",
            "",
            f"{table['bins'].iloc[0]:,} bins with small bodies, cold. One setting is changed at a time.",
            "",
            "| setting | time, s | processor, ms per bin | time, over the shipped one's |",
            "|---|---|---|---|",
            *rows,
            "",
        ]
    )


def _latency(table: pd.DataFrame, folder: Path) -> str:
    figure, axes = plt.subplots(figsize=(6, 3.6))
    for client, rows in table.groupby("client"):
        axes.plot(
            rows["latency_ms"], rows["bins_per_s"], color=COLOURS[client], marker=MARKERS[client], label=NAMES[client]
        )
    some = table["latency_ms"] > 0
    axes.plot(
        table["latency_ms"][some].unique(),
        8000 / table["latency_ms"][some].unique(),
        color="0.6",
        linestyle=":",
        label="8 connections, no work at all",
    )
    axes.set(yscale="log", xlabel="time until the server answers, ms", ylabel="bins per second")
    axes.legend(frameon=False, fontsize=8)
    _save(figure, folder / "latency.svg")
    return "## Throughput against latency\n\n![Bins per second against latency](benchmarks/latency.svg)\n"


def _size(table: pd.DataFrame, folder: Path) -> str:
    figure, (time, memory) = plt.subplots(1, 2, figsize=(8.4, 3.4))
    for (run, rows), marker in zip(table.groupby("run", sort=False), "osD", strict=True):
        time.plot(rows["bins"], rows["wall_s"], marker=marker, label=run)
        memory.plot(rows["bins"], rows["peak_mb"], marker=marker, label=run)
    archive = folder / "archive.csv"
    if archive.exists():
        shards = pd.read_csv(archive)
        time.plot(shards["bins"], shards["total_s"], marker="*", linestyle="--", label="in shards, cold")
        memory.plot(
            shards["bins"], shards[["shard_mb", "merge_mb"]].max(axis=1), marker="*", linestyle="--", label="in shards"
        )
    time.set(xscale="log", yscale="log", xlabel="bins", ylabel="time, s")
    memory.set(xscale="log", xlabel="bins", ylabel="peak memory, MB", ylim=(0, None))
    time.legend(frameon=False, fontsize=8)
    _save(figure, folder / "size.svg")
    rows = [
        f"| {row.bins:,} | {row.run} | {row.wall_s:.1f} | {row.ms_per_bin:.1f} | {row.peak_mb:.0f} | {row.files:,} |"
        for row in table.itertuples()
    ]
    return "\n".join(
        [
            "## Cost against the number of bins",
            "",
            "Small bodies (3 ROIs x 150 classes) and a server that answers at once: the rest is our own cost.",
            "",
            "![Time and memory against the number of bins](benchmarks/size.svg)",
            "",
            "| bins | run | time, s | ms per bin | peak memory, MB | files |",
            "|---|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


def _archive(table: pd.DataFrame, folder: Path) -> str:  # noqa: ARG001
    rows = [
        f"| {row.bins:,} | {row.shards} | {row.shard_s:.0f} | {row.merge_s:.0f} "
        f"| {row.total_s / 60:.0f} | {max(row.shard_mb, row.merge_mb):.0f} | {row.files:,} |"
        for row in table.itertuples()
    ]
    return "\n".join(
        [
            "## A whole archive in shards",
            "",
            "Years of 21,900 bins. One shard was built, its tables were copied for the other years, and all were",
            "merged. The total time is that of all shards, one after the other, and of the merge.",
            "",
            "| bins | shards | a shard, cold, s | merge, s | total, min | peak memory, MB | files |",
            "|---|---|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


def _overload(table: pd.DataFrame, folder: Path) -> str:
    figure, axes = plt.subplots(figsize=(6, 3))
    axes.step(table["seconds"], table["in_flight"], where="post", color=COLOURS["workflow"], label="in flight")
    axes.step(table["seconds"], table["capacity"], where="post", color="0.5", linestyle="--", label="server takes")
    refused = table[table["refused"] > 0]
    axes.plot(refused["seconds"], refused["refused"] * 0 + 0.2, "|", color=COLOURS["walk"], label="refused (503)")
    axes.set(xlabel="time, s", ylabel="score requests", ylim=(0, 9))
    axes.legend(frameon=False, fontsize=8, loc="lower left", bbox_to_anchor=(0, 1), ncols=3)
    _save(figure, folder / "overload.svg")
    limited = table[table["capacity"].notna()]
    return "\n".join(
        [
            "## A server that is overloaded",
            "",
            f"For a while the server takes {limited['capacity'].max():.0f} requests at a time and refuses the others "
            f"({table['refused'].sum():.0f} in all). The run then makes fewer requests at a time, "
            f"{limited['in_flight'].mean():.1f} on average, and as many as before once the server keeps up.",
            "",
            "![Requests in flight while the server is overloaded](benchmarks/overload.svg)",
            "",
        ]
    )


def _cluster(table: pd.DataFrame, folder: Path) -> str:  # noqa: ARG001
    rows = [
        f"| {row.how} | {row.bins} | {row.jobs} | {row.wall_s:.0f} | {row.ms_per_bin:,.0f} | {row.requests_at_once} |"
        for row in table.itertuples()
    ]
    return "\n".join(
        [
            "## On a cluster",
            "",
            "SLURM with one node of two cores, on the machine that also serves the bins. Nobody else waits in the",
            "queue. A job a day is a group (`--groups summarize_scores=day pool_abundance=day`): each of its bins is a",
            "step that starts a Python of its own on the node.",
            "",
            "| where bins and days are done | bins | jobs submitted | time, s | ms per bin | requests at once |",
            "|---|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


def _zooniverse(table: pd.DataFrame, folder: Path) -> str:  # noqa: ARG001
    rows = [
        f"| {row.program} | {row.rows:,} | {row.export_mb:.0f} | {row.step} | {row.cpu_s:.1f} | {row.peak_mb:.0f} |"
        for row in table.itertuples()
    ]
    return "\n".join(
        [
            "## Votes from Zooniverse",
            "",
            "An export with one question and ten classifications per subject, in one process. panoptes_aggregation is",
            "measured if it is installed. Its time to reduce grows with the square of the number of subjects.",
            "",
            "| program | rows | export, MB | step | processor, s | peak memory, MB |",
            "|---|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


def _stores(table: pd.DataFrame, folder: Path) -> str:  # noqa: ARG001
    middle = table.groupby(["step", "program", "files"], sort=False)[["wall_s", "cpu_s", "peak_mb"]].median()
    rows = [
        f"| {step} | {program} | {files:,} | {row.wall_s:.1f} | {row.cpu_s:.1f} | {row.peak_mb:.0f} |".replace(
            "nan", ""
        )
        for (step, program, files), row in middle.iterrows()  # type: ignore[misc]
    ]
    return "\n".join(
        [
            "## Stores",
            "",
            "A list of many keys from a server without latency; and a fetch of files of 100 kB, listed and planned by",
            "the same command, with 50 ms before each answer and 8 connections. Whole processes, which Snakemake takes",
            "some seconds to start, and the fetch in one of them alone (whose processor time is not known); medians",
            "of three. rclone is measured if it is installed. The bucket is another process on the same machine, which",
            "did other work too.",
            "",
            "| step | program | files | time, s | processor, s | peak memory, MB |",
            "|---|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


def _arrays(table: pd.DataFrame, folder: Path) -> str:  # noqa: ARG001
    rows = [
        f"| {row.n:,} {row.what} | {row.wall_s:.0f} | {row.cpu_s:.0f} | {row.rate:,.0f} | {row.peak_mb:,.0f} |"
        for row in table.itertuples()
    ]
    return "\n".join(
        [
            "## Arrays and graphs",
            "",
            "A plane of 6,000 by 6,000 voxels and its labels, which reach 77,322,656,252, from chunks that are eight",
            "planes thick: read, coloured, and written as PNG and NPZ. Graphs in BSON, with as many edges as nodes:",
            "read, checked, and drawn. Each is a whole run of the workflow, on a machine that did other work too.",
            "",
            "| what | time, s | processor, s | a second of processor time | peak memory, MB |",
            "|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


def _curation(table: pd.DataFrame, folder: Path) -> str:  # noqa: ARG001
    rows = [
        f"| {row.what} | {row.program} | {row.n:,} | {row.cpu_s:.1f} | {row.rate:,.0f} | {row.peak_mb:,.0f} |"
        for row in table.itertuples()
    ]
    return "\n".join(
        [
            "## Curated images",
            "",
            "Made-up ROIs of 30 to 200 pixels a side, from a zip of PNG files: hashed and measured, with a dozen",
            "statistics and a checksum; the libraries beside hash alone. Hashes of which a fifth are copies with up to",
            "6 bits changed; uneven ones have a quarter of the bits set. faiss and imagededup give all pairs within 8",
            "bits. The ResNet34 on patches that are read, decoded and resized. All on one core; two do two groups",
            "at once. faiss, imagededup and torch ran beside other work, which slows them. A GPU adds its own lines.",
            "",
            "| what | program | n | processor, s | a second of it | peak memory, MB |",
            "|---|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


def _raw(table: pd.DataFrame, folder: Path) -> str:  # noqa: ARG001
    rows = [
        f"| {row.what} | {row.program} | {row.n:,} | {row.cpu_s:.2f} | {row.rate:,.0f} | {row.peak_mb:,.0f} |"
        for row in table.itertuples()
    ]
    computed = table.loc[table["program"].str.contains("planktofeatures"), "rate"]
    per_hour = [
        f"At that rate a core computes the features of {3600 * rate / 2000:.0f} bins of 2,000 images an hour."
        for rate in computed
    ]
    return "\n".join(
        [
            "## Raw files",
            "",
            "Made-up images of 30 to 200 pixels a side in one bin, read as Pillow images, and their features computed.",
            "libifcb has no stitching and reads bins of new instruments alone. All on one core of a machine that did",
            "much other work: compare the rows of one kind.",
            *per_hour,
            "",
            "| what | program | images | processor, s | images a second of it | peak memory, MB |",
            "|---|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


def _save(figure: plt.Figure, path: Path) -> None:
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def _year_report(table: pd.DataFrame, folder: Path) -> str:  # noqa: ARG001
    rows = [
        f"| {row.days} | {row.classes} | {row.rois:,} | {row.written_cpu_s} | {row.page_mb} | {row.scores_mb} "
        f"| {row.ready_s} | {row.whole_s} | {row.slider_ms} | {row.thresholds} |"
        for row in table.itertuples()
    ]
    return "\n".join(
        [
            "## The report of a year",
            "",
            "A made-up year, hourly bins; its page opened in Chromium from the disk. Ready: charts are drawn, and",
            "follow the slider. Whole: the figures at its end are drawn too. The slider moves all classes at once.",
            "The machine did much other work, which makes a page open later; writing is in processor time.",
            "",
            "| days | classes | ROIs | written, processor s | page, MB | scores in it, MB | ready, s | whole, s "
            "| a move of the slider, ms | thresholds |",
            "|---|---|---|---|---|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


SECTIONS = {
    "clients": _clients,
    "budget": _budget,
    "parsers": _parsers,
    "latency": _latency,
    "size": _size,
    "settings": _settings,
    "archive": _archive,
    "overload": _overload,
    "cluster": _cluster,
    "zooniverse": _zooniverse,
    "stores": _stores,
    "curation": _curation,
    "raw": _raw,
    "arrays": _arrays,
    "year_report": _year_report,
}
