"""`ifcb-abundance plan`: what a run would read and build, how long it takes and how much it keeps. Writes nothing."""

import shlex
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pandas as pd
import yaml

from ifcb_abundance.bins.layout import COMPUTED, SUMMARY, Layout, of_bin
from ifcb_abundance.bins.statuses import WANTED, ScoresStatus
from ifcb_abundance.bins.window import Window, months
from ifcb_abundance.catalog import listing
from ifcb_abundance.catalog.selection import assess
from ifcb_abundance.cli import config_file
from ifcb_abundance.common import proof
from ifcb_abundance.common.errors import ConfigError, NoBinsError, ScoresError, WorkflowInputError
from ifcb_abundance.common.words import counted, sized
from ifcb_abundance.config import MERGE, WORKFLOW, Config, why_no_source
from ifcb_abundance.config.section import Section, fields, section_of
from ifcb_abundance.features.summary import proves_itself as features_prove
from ifcb_abundance.pooling.method import Method
from ifcb_abundance.report import run_record
from ifcb_abundance.scores import choices
from ifcb_abundance.scores.decide import Kept
from ifcb_abundance.scores.summary import proves_itself, summarize_scores
from ifcb_abundance.sources.directory import DirectorySource, why_no_list
from ifcb_abundance.sources.protocols import Source
from ifcb_abundance.tables import table_files
from ifcb_abundance.tables.registry import TABLES

OF_TABLES = 60  # bytes of tables per used bin and class, measured with the demo
PER_BIN = 0.03  # seconds of processor time per bin, from docs/benchmarks.md

# What a changed section of the config makes anew. A section that is not here makes the daily tables anew.
ANEW = {
    "source": "the list of bins, and the class scores that are read from elsewhere now",
    "select": "the list of bins, and the days whose bins change",
    "classify": "all days and tables",
    "abundance": "all days and tables",
    "features": "what is made of features",
    "report": "figures and report",
    "images": "images and montages",
    "export": "files for repositories",
}
POOLED = ("classify", "abundance")  # sections that say how class scores are pooled


@dataclass(frozen=True)
class Sample:
    """What the class scores of a few bins say of the others. sizes, seconds, kept: a number for each bin that has some.

    sizes: bytes read. kept: bytes of its summary. classes: labels of the last one. faults: why others cannot be read.
    """

    asked: int
    sizes: Sequence[int]
    seconds: Sequence[float]
    kept: Sequence[int]
    classes: int
    faults: Sequence[str]

    @property
    def share(self) -> float:
        """The share of bins that have class scores."""
        return len(self.sizes) / self.asked if self.asked else 0.0


def plan(path: str, most: int) -> int:
    """Print the plan of a config. most: bins whose class scores are read. Returns the exit status.

    Raises ConfigError for a config that a run would refuse, and what the source raises.
    """
    config = config_file.read(path)
    if why_no_source(config):
        targets = ", ".join(config.targets_without_bins)
        print(f"{path} reads no bin. Its targets: {targets}. `snakemake plan` plans what is fetched of stores")
        return 0
    if config.source.kind == "directory" and not Path(config.source.path or "").exists():
        raise ConfigError(
            f"source.path: there is no folder {config.source.path}"
            + ("; a run of the demo makes it first" if config.dataset == "demo" else "")
        )
    source = config_file.open_to_look(config)
    for needed in map(Path, source.catalog_files()):
        if not needed.exists():
            raise ConfigError(why_no_list(needed.parent))
    for line in _lines(path, config, source, most):
        print(line)
    return 0


def _lines(path: str, config: Config, source: Source, most: int) -> Iterator[str]:
    config = choices.settle(config, source)
    kept = Method.of(config, choices.cells_are_counted(source)).kept
    layout = Layout(config.dataset, None if config.shard == MERGE else config.shard, config.run)
    known = _known(source, config.window, layout)
    bins = assess(_listed(source, config.window) if known is None else known, config.select)
    wanted = list(bins["bin"][bins["status"] == WANTED])
    built = [bin_id for bin_id in wanted if _is_built(source, layout, bin_id, kept)]
    left = sorted(set(wanted) - set(built))
    sample = _read_sample(source, left or wanted, most, kept)
    network = source.same_for_all_bins

    yield f"{path}: dataset {config.dataset}, {bins['date'].min()} to {bins['date'].max()}, UTC"
    others = bins["status"][bins["status"] != WANTED].value_counts()
    left_out = "".join(f", {n:,} {status}" for status, n in others.items())
    yield f"  bins      {len(bins):,} in the window: {len(wanted):,} wanted{left_out}"
    yield f"  built     class scores of {len(built):,} of {counted(len(wanted), 'wanted bin')}"
    if isinstance(source, DirectorySource) and (lacking := [name for name in wanted if not source.scores_files(name)]):
        says_most = max(map(source.missing_reason, lacking), key=len)
        yield f"  lacking   class scores of {counted(len(lacking), 'wanted bin')}, such as: {says_most}"
    if network:
        features = ""
        if config.features.make:
            features = f", and {_for_features(source, layout, kept, built, left, config):,} for features"
        of_list = _of_list(config) if known is None else "0 for the list of bins"
        yield f"  requests  {of_list}, {len(left):,} for class scores{features}"
    if known is not None and (new := _new_bins(config, source, known)):
        recheck = shlex.join(["ifcb-abundance", "run", str(path), "recheck"])
        verb = "is" if new == 1 else "are"
        yield f"  new       {counted(new, 'bin')} {verb} new at the server: `{recheck}` reads them"
    yield f"  bytes     {_bytes(sample, len(left)) if wanted else _why_none(bins)}"
    if sample.faults:
        which = f"{len(sample.faults)} of {counted(sample.asked, 'bin')} asked for"
        yield f"  faults    class scores of {which} cannot be read, such as: {sample.faults[0]}"
    yield f"  time      {_time(sample, len(left), config, network)}"
    yield f"  disk      {_disk(sample, len(left), len(wanted))}"
    yield from (f"  anew      {line}" for line in _anew(config, layout, len(left), known is None))
    if wanted:
        yield f"Nothing was written. Next: {shlex.join(['ifcb-abundance', 'run', str(path)])}"
    else:
        yield f"Nothing was written. No bin of the window is wanted: check select in {path}, then plan again"


def _known(source: Source, window: Window, layout: Layout) -> pd.DataFrame | None:
    """The bins that a finished run has listed, if they are of this source and window: a run lists them once."""
    path = TABLES["catalog"].merged_in(layout.tables)
    made_of = proof.digest(listing.made_of(listing.identity(source), window))
    vouched = run_record.vouches_for_catalog(run_record.read(layout.run_record), path, made_of)
    bins = table_files.read("catalog", path) if vouched else pd.DataFrame()
    return None if bins.empty else bins


def _new_bins(config: Config, source: Source, known: pd.DataFrame) -> int:
    """How many bins a server has that are not known; 0 where it takes many requests, or no answer comes."""
    if source.same_for_all_bins and config.source.catalog != "walk":
        with suppress(WorkflowInputError, OSError):  # a run does not ask for it either
            listed = listing.in_window(source.list_bins(config.window), config.window)
            return len(set(listed["bin"]) - set(known["bin"]))
    return 0


def _listed(source: Source, window: Window) -> pd.DataFrame:
    """The bins of the window. Raises NoBinsError if there is none, and says on which days there are some."""
    try:
        bins = listing.in_window(source.list_bins(window), window)
        if bins.empty:
            raise NoBinsError(f"no bin lies in the window, select.start {window.start} to select.end {window.end}")
    except NoBinsError as error:
        try:
            found = source.survey()
        except (WorkflowInputError, OSError):  # it is only for a hint
            raise error from None
        told = f"{str(error).rstrip('.')}. There are bins from {found.first} to {found.last} (UTC)."
        raise NoBinsError(told) from None
    return bins


def _is_built(source: Source, layout: Layout, bin_id: str, kept: Kept) -> bool:
    summary = of_bin(layout.with_kept(layout.summaries, kept.names), SUMMARY, bin_id)
    return Path(summary).exists() and proves_itself(source, bin_id, summary, kept)


def _for_features(
    source: Source, layout: Layout, kept: Kept, built: Sequence[str], left: Sequence[str], config: Config
) -> int:
    """The most requests for features: one for each bin to be read, and its class scores if they were read before.

    built: the bins whose scores summaries are there. left: the others; their features are read with the class scores.
    """
    scores, features = (layout.with_kept(folder, kept.names) for folder in (layout.summaries, layout.features))
    without = 0
    for bin_id in built:
        summary, path = of_bin(scores, SUMMARY, bin_id), of_bin(features, SUMMARY, bin_id)
        computed = of_bin(layout.computed, COMPUTED, bin_id) if config.features.compute else None
        without += not Path(path).exists() or not features_prove(source, bin_id, summary, path, computed, kept)
    return len(left) + 2 * without


def _of_list(config: Config) -> str:
    """The requests that list the bins."""
    window = config.window
    if config.source.kind != "dashboard":
        return "some for the list of files"
    if config.source.catalog == "walk":
        return "one for each bin of the window"
    if window.start is None or window.end is None:
        raise ConfigError("a dashboard's window needs both ends")
    return f"{len(months(window.start.day, window.end.day))} for the list of bins"


def _read_sample(source: Source, bins: Sequence[str], most: int, kept: Kept) -> Sample:
    """Read the class scores of a few bins, the same ones each time, one after the other."""
    chosen = Random(0).sample(list(bins), min(most, len(bins)))
    sizes, seconds, stored, classes, faults = [], [], [], 0, []
    for bin_id in chosen:
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            summary = Path(folder, "summary.parquet")
            try:
                made = summarize_scores(source, bin_id, summary, False, kept)
            except ScoresError as error:
                faults.append(str(error))
                continue
            if made.status == ScoresStatus.READ:
                sizes.append(made.bytes)
                seconds.append(time.monotonic() - began)
                stored.append(summary.stat().st_size)
                classes = len(made.classes)
    return Sample(len(chosen), sizes, seconds, stored, classes, faults)


def _why_none(bins: pd.DataFrame) -> str:
    """That no bin is wanted, and the reasons that most bins have."""
    reasons = bins["reason"].value_counts()
    told = "; ".join(f"{counted(n, 'bin')}: {reason}" for reason, n in reasons.head(3).items())
    return f"none: no bin of the window is wanted. {told}" + ("; ..." if len(reasons) > 3 else "")


def _bytes(sample: Sample, left: int) -> str:
    if not left:
        return "none: all class scores are read already"
    if not sample.sizes:
        return f"unknown: no class scores were read ({counted(sample.asked, 'bin')} asked for)"
    expected = left * sample.share
    low, high = (expected * (statistics.fmean(sample.sizes) + side * _error(sample.sizes)) for side in (-1, 1))
    between = f" ({sized(max(low, 0))} to {sized(high)})" if len(sample.sizes) > 1 else ""
    of = f"{len(sample.sizes)} of {counted(sample.asked, 'bin')} asked for"
    return f"about {sized(expected * statistics.fmean(sample.sizes))}{between}, by the class scores of {of}"


def _error(values: Sequence[int]) -> float:
    """Twice the standard error of the mean; 0 for a single value."""
    return 2 * statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0


def _time(sample: Sample, left: int, config: Config, network: bool) -> str:
    """How long reading takes. A server may answer requests side by side or, as a stock dashboard does, one by one."""
    if not left:
        return "seconds to look, and as long as it takes to build what is below"
    each = statistics.fmean(sample.seconds) if sample.seconds else 0.1
    if not network:
        return f"about {_span(left * max(each, PER_BIN))} for class scores"
    at_a_time = _at_a_time()
    floor = left * PER_BIN
    if most := config.source.max_requests_per_second:
        floor = max(floor, left / most)
    side_by_side = max(left * each / at_a_time, floor)
    told = f"about {_span(side_by_side)} with {at_a_time} requests at a time"
    limit = f" and {most:g} a second at most" if most else ""
    return f"{told}{limit}; {_span(max(left * each, floor))} if the server answers one by one"


def _at_a_time() -> int:
    """The most requests at a time, which the profile sets."""
    with suppress(OSError):
        profile = next((WORKFLOW / "profiles" / "default").glob("config*.yaml"))
        resources = yaml.safe_load(profile.read_text(encoding="utf-8"))["resources"]
        return int(dict(each.split("=") for each in resources)["dashboard"])
    return 8


def _span(seconds: float) -> str:
    return str(timedelta(seconds=max(1, round(seconds))))


def _disk(sample: Sample, left: int, wanted: int) -> str:
    kept = left * (statistics.fmean(sample.kept) if sample.kept else 0)
    free = sized(shutil.disk_usage(Path.cwd()).free)
    tables = wanted * sample.share * sample.classes * OF_TABLES
    return f"about {sized(kept)} of new summaries, {sized(tables)} of tables; {free} are free. Scores are not kept"


def _anew(config: Config, layout: Layout, left: int, lists: bool) -> Iterator[str]:
    """What is built again, and why. left: bins whose class scores are read. lists: the bins are listed again."""
    record = run_record.read(layout.run_record)
    made_with = record.get("config")
    if not isinstance(made_with, dict):
        yield "everything: there is no finished run in " + layout.tables
        return
    none_read = "" if left else "; no class scores are read for it"
    changed = dict(_changes(made_with, run_record.asked_of(config.as_written())))
    for section in dict.fromkeys(key.split(".")[0] for key in changed):
        keys = [key for key in changed if key.split(".")[0] == section]
        told = "; ".join(f"{key}: {changed[key][0]} before, {changed[key][1]} now" for key in keys)
        yield f"{ANEW.get(section, 'all days and tables')}{none_read if section in POOLED else ''} ({told})"
    files = [key for key, said in config.contents.items() if record.get(key, said) != said]
    for key in files:
        if f"classify.{key}" not in changed:
            yield f"{ANEW['classify']}{none_read} (the file of classify.{key} says something else than before)"
    if lists and not any(key.startswith(("source.", "select.")) for key in changed):
        yield "the list of bins" + (", since the archive's files changed" if config.source.kind == "directory" else "")
    if left:
        yield f"class scores of {counted(left, 'bin')}, and their days"
    if not (changed or files or lists or left):
        yield "nothing that hangs on the config"


def _changes(
    before: Any, now: Any, model: type[Section] | None = Config, above: str = ""
) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield each key whose value differs, with both values in words. A key that another version lacks is none.

    model: the section whose keys these are; None for a mapping of other keys. Where users choose the keys, one that is
    new or gone is a change.
    """
    if not (isinstance(before, Mapping) and isinstance(now, Mapping)):
        if before != now:
            yield above, (_short(before), _short(now))
        return
    chosen = model is None or model.model_config.get("extra") == "allow"
    for key in dict.fromkeys([*now, *before]):
        path = f"{above}.{key}" if above else key
        if key in before and key in now:
            info = fields(model).get(key)
            yield from _changes(before[key], now[key], section_of(info) if info else None, path)
        elif chosen:
            was, is_now = (_short(side[key]) if key in side else "not given" for side in (before, now))
            yield path, (was, is_now)


def _short(value: Any) -> str:
    text = "null" if value is None else str(value)
    return text if len(text) < 60 else f"{text[:57]}..."
