"""Find late and corrected data: read the source again and compare with what was read before."""

import io
import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pandas as pd

from ifcb_abundance.bins.statuses import WANTED, BinStatus
from ifcb_abundance.bins.window import Window
from ifcb_abundance.catalog.listing import list_catalog
from ifcb_abundance.catalog.selection import assess
from ifcb_abundance.common.errors import CatalogError, ConfigError, RequestError, ScoresError, UnreachableError
from ifcb_abundance.common.strict_csv import unguarded
from ifcb_abundance.common.words import counted
from ifcb_abundance.config import Select
from ifcb_abundance.recheck.found_changes import Change, FoundChanges
from ifcb_abundance.scores.decide import Kept
from ifcb_abundance.scores.summary import read_provenance, summarize_scores
from ifcb_abundance.sources.protocols import Source
from ifcb_abundance.tables import table_files

log = logging.getLogger("ifcb.recheck")


@dataclass(frozen=True)
class Recheck:
    """What is read again.

    which: "no_scores" for bins that had none, or "all". days: only bins of the last days (sample_time, UTC); None for
    all bins. kept: what scores summaries hold beside the winners. may_be_empty, group_by: as for `list_catalog`.
    """

    window: Window
    criteria: Select
    which: str
    days: int | None
    kept: Kept = field(default_factory=Kept)
    may_be_empty: bool = False
    group_by: Sequence[str] = ()


def refuse_merge(shards: Sequence[Path]) -> list[str]:
    """Raise ConfigError if the run merges shards: only a shard can read the source again. Else there are no inputs."""
    if shards:
        raise ConfigError(
            f"shard: merge cannot be combined with recheck. Recheck each shard, as in --config shard={shards[0].name}, "
            "then merge"
        )
    return []


def recheck(
    source: Source,
    asked: Recheck,
    summary_path: Callable[[str], str],
    catalog: str | Path,
    ledger: str | Path,
    changes: str | Path,
    workers: int,
) -> None:
    """Read the catalog and scores again, and replace scores that differ.

    A bin that the new catalog skips, filters or gives a bad volume is not asked for. workers: requests at a time.
    Writes to `changes` one row per bin and column of the catalog, or `scores`, that differs, with the value before and
    after. A bin that is unavailable now keeps its scores. Raises CatalogError without a ledger.
    """
    if not Path(ledger).exists():
        raise CatalogError(f"{ledger} does not exist: there is nothing to recheck before a first run")
    found = FoundChanges(changes)
    before = table_files.read("catalog", catalog)
    fresh = _fresh(catalog)
    try:
        list_catalog(source, asked.window, fresh, asked.may_be_empty, asked.group_by, workers)
        after = table_files.read("catalog", fresh)
        found.note(_catalog_changes(before, after))
        if fresh.read_bytes() != Path(catalog).read_bytes() or _last_day_is_over(before, catalog):
            fresh.replace(catalog)
    finally:
        fresh.unlink(missing_ok=True)

    bins = _bins_to_read(table_files.read("ledger", ledger), after, asked)
    log.info(f"recheck: asking again for the scores of {counted(len(bins), 'bin')}")
    told: set[str] = set()
    with ThreadPoolExecutor(workers) as pool:
        reread = pool.map(lambda bin_id: _reread(source, bin_id, summary_path(bin_id), asked.kept, found, told), bins)
        for number, _ in enumerate(reread, 1):
            if number % 100 == 0:
                log.info(f"recheck: {number} of {len(bins)} bins asked for again")
    if gone := source.given_up():
        log.warning(f"recheck: {gone}. The scores read before of bins that were not read again are kept")
    rows = found.all()
    log.info(f"recheck: {counted(len(rows), 'change')}, listed in {changes}")
    table = table_files.empty("changes") if not rows else pd.DataFrame(rows, columns=table_files.columns("changes"))
    text = table_files.as_csv(table, "changes", str(changes))
    if not (Path(changes).exists() and Path(changes).read_text(encoding="utf-8") == text):
        table_files.write(table, "changes", changes)
    found.discard()


def _fresh(path: str | Path) -> Path:
    """Where a file is written before it replaces `path`: hidden, so that a run that is killed leaves no result more."""
    return Path(path).with_name(f".{Path(path).name}.fresh")


def _bins_to_read(ledger: pd.DataFrame, catalog: pd.DataFrame, asked: Recheck) -> list[str]:
    """Name the bins whose scores are read again."""
    statuses = [BinStatus.NO_SCORES, BinStatus.FAILED] + ([] if asked.which == "no_scores" else [BinStatus.USED])
    assessed = assess(catalog, asked.criteria)
    chosen = ledger["status"].isin(statuses)
    chosen &= ledger["bin"].isin(assessed.loc[assessed["status"] == WANTED, "bin"])
    if asked.days is not None:
        first = (datetime.now(UTC) - timedelta(days=asked.days)).date().isoformat()
        chosen &= ledger["date"] >= first
    return list(ledger["bin"][chosen])


def _last_day_is_over(listed: pd.DataFrame, catalog: str | Path) -> bool:
    """Whether the last day of a catalog is over now, but was not when it was listed (the time of its file).

    The day is then known to be complete, although the list is the same.
    """
    if listed.empty:
        return False
    last: date = listed["sample_time"].max().date()
    return datetime.fromtimestamp(Path(catalog).stat().st_mtime, UTC).date() <= last < datetime.now(UTC).date()


def _catalog_changes(before: pd.DataFrame, after: pd.DataFrame) -> Iterator[Change]:
    """List the changes: bin, column, value before and value after, which are written as in catalog.csv later."""
    old, new = (_texts(table) for table in (before, after))
    columns = old.columns.union(new.columns, sort=False)  # a cast is a column only where a bin has one
    old, new = (table.reindex(columns=columns, fill_value="") for table in (old, new))
    for bin_id in old.index.union(new.index):
        if bin_id not in old.index or bin_id not in new.index:
            there = ("", "listed") if bin_id in new.index else ("listed", "")
            yield str(bin_id), "bin", *there
            continue
        for column in columns:
            was, is_now = str(old.at[bin_id, column]), str(new.at[bin_id, column])
            if was != is_now:
                yield str(bin_id), column, unguarded(was), unguarded(is_now)


def _texts(catalog: pd.DataFrame) -> pd.DataFrame:
    written = io.StringIO(table_files.as_csv(catalog, "catalog", "catalog"))
    return pd.read_csv(written, dtype="str", keep_default_na=False).set_index("bin")


def _reread(source: Source, bin_id: str, path: str, kept: Kept, found: FoundChanges, told: set[str]) -> None:
    """Read the scores of a bin again; if they differ, note the change and replace the summary.

    One that was deleted or is damaged is replaced too. There is nothing to compare with, so no change to tell of.
    told: faults of many bins that were warned of.
    """
    before, fresh = read_provenance(path), _fresh(path)
    try:
        after = summarize_scores(source, bin_id, fresh, record_failures=False, kept=kept)
        if before is None:
            fresh.replace(path)
        elif (after.status, after.sha256) != (before.status, before.sha256):
            found.note([(bin_id, "scores", before.sha256 or before.status, after.sha256 or after.status)])
            fresh.replace(path)
    except RequestError as error:  # about a folder of many bins, which cannot be listed
        if before and str(error) not in told:
            told.add(str(error))
            log.warning(f"{error}; the scores read before of these bins are kept")
    except (ScoresError, UnreachableError) as error:
        if before and str(error) != source.given_up():  # which is said once for all bins
            log.warning(f"{error}; the scores read before are kept")
    finally:
        fresh.unlink(missing_ok=True)
