"""Write the page docs/benchmarks.md and its plots from the measured rows."""

import math
import os
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Self

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

mpl.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "ifcb", "font.size": 10, "axes.spines.top": False}
mpl.rcParams |= {"axes.spines.right": False, "figure.constrained_layout.use": True}
# Okabe and Ito's colours, which the colour-blind can tell apart.
COLOURS = {"walk": "#D55E00", "bare": "#009E73", "workflow": "#0072B2"}
MARKERS = {"walk": "s", "bare": "^", "workflow": "o"}
NAMES = {"walk": "walk, as the notebook", "bare": "bare client, the limit", "workflow": "workflow"}


def write_page(folder: Path) -> None:
    """Write the page beside `folder`, from the tables in it and people's remarks on them, `{table}.txt`."""
    tables = {path.stem: pd.read_csv(path) for path in sorted(folder.glob("*.csv"))}
    sections = [_head()]
    for name, section in SECTIONS.items():
        if name in tables:
            sections.append(section(tables[name], folder))
            remarks = folder / f"{name}.txt"
            if remarks.exists():
                sections.append(remarks.read_text(encoding="utf-8"))
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


def _spread(values: pd.Series, digits: int = 1) -> str:
    """The median, and if there are several values, the least and the greatest."""
    middle, least, most = (f"{value:.{digits}f}" for value in (values.median(), values.min(), values.max()))
    return middle if len(values) == 1 else f"{middle} ({least} to {most})"


def _clients(table: pd.DataFrame, folder: Path) -> str:  # noqa: ARG001
    bins = round(table["bins_per_s"].iloc[0] * table["wall_s"].iloc[0])
    return "\n".join(
        [
            "## Beside the notebook's walk and beside the limit",
            "",
            f"{bins} bins, 60 a day; a body of {table['body_mb'].iloc[0]:.1f} MB each; 8 connections. `walk` asks for",
            "each next bin, then reads a day's scores with eight workers and pandas. `bare` has eight threads and the",
            "fastest parser, and keeps nothing: no summary, no checksum, no table. Times are of whole processes.",
            "Where there were several runs, this is the median, with the least and the greatest; `walk` ran once.",
            "",
            *(line for server, rows in table.groupby("server", sort=False) for line in _beside(str(server), rows)),
        ]
    )


def _beside(server: str, table: pd.DataFrame) -> list[str]:
    """The table of the clients, where the server shares their cores or has its own."""
    wall = table.pivot(index="number", columns="client", values="wall_s")
    walk = wall["walk"].dropna().median()
    rows = [
        f"| {NAMES[client]} | {_spread(runs['wall_s'])} | {runs['bins_per_s'].median():.1f} "
        f"| {runs['ms_per_bin'].median():.1f} | {_spread(runs['cpu_ms_per_bin'])} | {runs['peak_mb'].median():.0f} "
        f"| {_spread(walk / runs['wall_s'])} | {_spread((wall[client] / wall['bare']).dropna(), 2)} |"
        for client, runs in ((client, table[table["client"] == client]) for client in NAMES)
    ]
    where = {
        "shared": "The server shares the cores with the clients:",
        "own": "The server has a core of its own, and the clients have the others:",
    }
    return [
        where[server],
        "",
        "| | time, s | bins per s | ms per bin | processor, ms per bin | peak memory, MB "
        "| times as fast as the walk | time, over the limit's |",
        "|---|---|---|---|---|---|---|---|",
        *rows,
        "",
    ]


def _budget(table: pd.DataFrame, folder: Path) -> str:
    rows = [f"| {row.step} | {row.cpu_ms:.1f} |" for row in table.itertuples()]
    limits = []
    clients = folder / "clients.csv"
    if clients.exists():
        runs = pd.read_csv(clients)
        of_workflow = runs[(runs["client"] == "workflow") & (runs["server"] == "shared")]
        whole, latency = of_workflow["cpu_ms_per_bin"].median(), of_workflow["latency_ms"].median()
        rest, parse = whole - table["cpu_ms"].sum(), table.set_index("step")["cpu_ms"]["parse"]
        rows.append(f"| engine, start of the process, tables: the rest of the whole | {rest:.1f} |")
        rows.append(f"| **whole** | **{whole:.1f}** |")
        limits = _what_limits(whole, parse, rest, latency / 8)
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
            *limits,
        ]
    )


def _what_limits(whole: float, parse: float, rest: float, network: float) -> list[str]:
    """Whether network, parser or engine limits; all in ms per bin, `network` of eight connections that wait."""
    cores = os.cpu_count() or 1
    of_processor = f"the processor limits, the {'parser' if parse > rest else 'engine'} most of all"
    return [
        f"What limits: eight connections that only waited would bring a bin every {network:.1f} ms. The workflow needs",
        f"{whole:.1f} ms of processor time for it, {parse:.1f} in the parser and {rest:.1f} in the engine and what is",
        f"done once; the server needs its own. So on {cores} cores",
        f"{of_processor if whole / cores > network else 'the network limits'}. With small bodies the parser has little",
        "to do, and the engine limits.",
        "",
    ]


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
    archive = folder / "archive.csv"
    shards = pd.read_csv(archive) if archive.exists() else pd.DataFrame(columns=[*table.columns, "together_mb"])
    middle = table.groupby(["run", "bins"], sort=False)[["wall_s", "peak_mb"]].median().reset_index()
    for (run, rows), marker, colour in zip(middle.groupby("run", sort=False), "osD", COLOURS.values(), strict=True):
        of_shards = shards[shards["run"] == run]
        time.plot(rows["bins"], rows["wall_s"], marker=marker, color=colour, label=run)
        time.plot(of_shards["bins"], of_shards["wall_s"], marker=marker, color=colour, linestyle="--", mfc="white")
        memory.plot(rows["bins"], rows["peak_mb"], marker=marker, color=colour)
        memory.plot(of_shards["bins"], of_shards["peak_mb"], marker=marker, color=colour, linestyle="--", mfc="white")
    if archive.exists():
        time.plot([], [], color="0.4", linestyle="--", label="in shards")
    time.set(xscale="log", yscale="log", xlabel="bins", ylabel="time, s")
    memory.set(xscale="log", xlabel="bins", ylabel="peak memory, MB", ylim=(0, None))
    time.legend(frameon=False, fontsize=8)
    _save(figure, folder / "size.svg")
    rows = [
        f"| {bins:,} | {run} | {_spread(runs['wall_s'])} | {_spread(runs['ms_per_bin'])} "
        f"| {runs['peak_mb'].median():.0f} | {runs['files'].max():,} |"
        for (bins, run), runs in table.groupby(["bins", "run"], sort=False)  # type: ignore[misc]
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
        f"| {row.bins:,} | {row.shards} | {row.run} | {row.wall_s:,.0f} | {row.wall_s / row.bins * 1e3:.1f} "
        f"| {row.cpu_s / row.bins * 1e3:.1f} | {row.server_cpu_s / row.bins * 1e3:.1f} | {row.peak_mb:.0f} "
        f"| {row.together_mb:.0f} | {row.requests:,} | {row.files:,} |"
        for row in table.itertuples()
    ]
    return "\n".join(
        [
            "## A whole archive in shards",
            "",
            "`snakemake archive`, whole: a year is a shard, each a run of its own, as many at a time as there are",
            "cores; then they are merged. The bodies are small, and the server answers at once. Its own processor time",
            "comes on top, on the same cores. Peak memory is that of the largest process, and that of all together.",
            "",
            "| bins | shards | run | time, s | ms per bin | processor, ms per bin | server's, ms per bin "
            "| peak memory, MB | all together, MB | requests | files |",
            "|---|---|---|---|---|---|---|---|---|---|---|",
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


def _cluster_archive(table: pd.DataFrame, folder: Path) -> str:  # noqa: ARG001
    def shown(value: float) -> str:
        return "" if np.isnan(value) else f"{value:.0f}"

    rows = [
        f"| {row.how} | {row.shards} | {row.bins:,} | {row.jobs} | {row.wall_s:.0f} | {shown(row.wait_s)} "
        f"| {shown(row.shard_s)} | {shown(row.shards_s)} | {shown(row.merge_wait_s)} | {shown(row.merge_s)} |"
        for row in table.itertuples()
    ]
    arrays = table[table["how"] == "one job array"].sort_values("bins")
    model, largest = ArrayModel.of(arrays.iloc[:-1]), arrays.iloc[-1]
    predicted = model.time(largest.shards, largest.bins, largest.at_once)
    archive = model.time(14, 21_900, 14)
    return "\n".join(
        [
            "### Shards as one job array",
            "",
            "An archive on the same SLURM, as one job array of shards and a job that merges them",
            "([how](archive.md#shards-on-a-cluster)), and in other ways. The node has two cores, so two shards run at",
            "a time. Small bodies, and a server that answers at once, on the same machine. SLURM tells whole seconds.",
            "",
            "| how | shards | bins of each | jobs on nodes | time, s | wait for the first, s | a shard, s "
            "| all shards, s | wait for the merge, s | merge, s |",
            "|---|---|---|---|---|---|---|---|---|---|",
            *rows,
            "",
            "The model of [a whole archive](archive.md#shards-on-a-cluster), fitted to all arrays but the largest:",
            f"{model.waits:.1f} s to submit and to wait, {model.start:.1f} s to start a shard,",
            f"{model.ms_per_bin:.1f} ms per bin, and {model.merge_start:.1f} s and {model.merge_ms_per_bin:.2f} ms per",
            f"bin to merge. For the largest it predicts {predicted:.0f} s, and {largest.wall_s:.0f} s were measured",
            f"({predicted / largest.wall_s - 1:+.0%}). For 14 shards of 21,900 bins, all at a time, it gives",
            f"{archive / 60:.0f} min and the wait in the queue.",
            "",
        ]
    )


@dataclass(frozen=True)
class ArrayModel:
    """What a job array of shards takes: seconds, and milliseconds per bin."""

    waits: float
    start: float
    ms_per_bin: float
    merge_start: float
    merge_ms_per_bin: float

    @classmethod
    def of(cls, runs: pd.DataFrame) -> Self:
        """Fitted by least squares to runs of several sizes."""
        slope, start = np.polyfit(runs["bins"], runs["shard_s"], 1)
        merge_slope, merge_start = np.polyfit(runs["bins"] * runs["shards"], runs["merge_s"], 1)
        waits = float((runs["submit_s"] + runs["wait_s"] + runs["merge_wait_s"]).mean())
        return cls(waits, float(start), float(slope) * 1e3, float(merge_start), float(merge_slope) * 1e3)

    def time(self, shards: int, bins: int, at_once: int) -> float:
        """Seconds for shards of so many bins, of which some run at a time."""
        rounds = math.ceil(shards / at_once)
        of_shards = rounds * (self.start + bins * self.ms_per_bin / 1e3)
        return self.waits + of_shards + self.merge_start + shards * bins * self.merge_ms_per_bin / 1e3


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
    by_clock = table["program"].str.contains("GPU")
    rows = [
        f"| {row.what} | {row.program} | {row.n:,} | {row.cpu_s:.1f} | {row.rate:,.0f} | {row.peak_mb:,.0f} |"
        for row in table[~by_clock].itertuples()
    ]
    on_gpu = [
        f"| {row.program} | {row.n:,} | {row.wall_s:.1f} | {row.n / row.wall_s:,.0f} | {row.cpu_s:.1f} |"
        for row in table[by_clock].itertuples()
    ]
    return "\n".join(
        [
            "## Curated images",
            "",
            "Made-up ROIs of 30 to 200 pixels a side, from a zip of PNG files: hashed and measured, with a dozen",
            "statistics and a checksum; the libraries beside hash alone. Hashes of which a fifth are copies with up to",
            "6 bits changed; uneven ones have a quarter of the bits set. faiss and imagededup give all pairs within 8",
            "bits. The ResNet34 on patches that are read, decoded and resized. All on one core; two do two groups",
            "at once. faiss, imagededup and torch ran beside other work, which slows them.",
            "",
            "| what | program | n | processor, s | a second of it | peak memory, MB |",
            "|---|---|---|---|---|---|",
            *rows,
            "",
            *(_on_gpu(on_gpu) if on_gpu else []),
        ]
    )


def _on_gpu(rows: list[str]) -> list[str]:
    return [
        "### The filter on a GPU",
        "",
        "The ResNet34 as above, on a machine with a GPU, by the clock. The plain loop gives the network the same",
        "patches again and again, already decoded: the most that the GPU can do. Its batches have 64 patches unless",
        "it says otherwise, as the workflow's have.",
        "",
        "| program | n | time, s | patches a second | processor, s |",
        "|---|---|---|---|---|",
        *rows,
        "",
    ]


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
    "cluster_archive": _cluster_archive,
    "zooniverse": _zooniverse,
    "stores": _stores,
    "curation": _curation,
    "raw": _raw,
    "arrays": _arrays,
    "year_report": _year_report,
}
