"""Which bins of the catalog are asked for, and why the others are not."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ifcb_abundance.bins.positions import only_positions
from ifcb_abundance.bins.statuses import WANTED, BinStatus
from ifcb_abundance.bins.window import Window
from ifcb_abundance.catalog.listing import OPTIONAL, in_window
from ifcb_abundance.catalog.quality import bad_bins
from ifcb_abundance.common.named import Named
from ifcb_abundance.common.words import counted
from ifcb_abundance.config import Select
from ifcb_abundance.sources.protocols import BinCatalog
from ifcb_abundance.tables import table_files

log = logging.getLogger("ifcb.selection")

NO_DAY = "select: no bin of the window is of the day"
LEAST_ML = 0.1  # that an instrument looks at within minutes


def assess(catalog: pd.DataFrame, criteria: Select) -> pd.DataFrame:
    """Add `date` (UTC day of sample_time), `status` and `reason` to the bins of the catalog.

    Status is `skipped`, `filtered`, `bad_volume` (the first of this order that applies) or WANTED. Latitude
    and longitude are NaN where they are no position.
    """
    assessed = only_positions(catalog, criteria.accept_zero_position)
    assessed = assessed.assign(date=catalog["sample_time"].dt.strftime("%Y-%m-%d"), status=WANTED, reason="")

    def exclude(where: pd.Series, status: BinStatus, reasons: pd.Series | str) -> None:
        still = where & (assessed["status"] == WANTED)
        assessed.loc[still, "status"] = status
        assessed.loc[still, "reason"] = reasons[still] if isinstance(reasons, pd.Series) else reasons

    if not criteria.include_skipped:
        exclude(catalog["skip"] == 1, BinStatus.SKIPPED, "flagged skip by the operator")
    if criteria.instruments:
        names = {f"IFCB{number}" for number in criteria.instruments}
        exclude(~catalog["instrument"].isin(names), BinStatus.FILTERED, "select.instruments: " + catalog["instrument"])
    if criteria.sample_types:
        types = catalog["sample_type"]
        exclude(~types.isin(criteria.sample_types), BinStatus.FILTERED, "select.sample_types: '" + types + "'")
    if criteria.exclude_tags:
        unwanted = set(criteria.exclude_tags)
        found = catalog["tags"].map(lambda tags: ";".join(t for t in tags.split(";") if t in unwanted))
        exclude(found != "", BinStatus.FILTERED, "select.exclude_tags: " + found)
    if criteria.exclude_bins:
        exclude(catalog["bin"].isin(criteria.exclude_bins), BinStatus.FILTERED, "select.exclude_bins")

    _warn_of_unknown("instruments", [f"IFCB{n}" for n in criteria.instruments], catalog["instrument"])
    _warn_of_unknown("sample_types", criteria.sample_types, catalog["sample_type"])
    _warn_of_unknown("exclude_tags", criteria.exclude_tags, catalog["tags"].str.split(";").explode())
    _warn_of_unknown("exclude_bins", criteria.exclude_bins, catalog["bin"])

    volume = catalog["ml_analyzed"]
    bounds = f"select.ml_analyzed: above {criteria.ml_analyzed.above} and at most {criteria.ml_analyzed.at_most}"
    note = catalog["volume_note"]
    exclude(volume.isna(), BinStatus.BAD_VOLUME, "no ml_analyzed" + (": " + note).where(note != "", ""))
    exclude(
        ~((volume > criteria.ml_analyzed.above) & (volume <= criteria.ml_analyzed.at_most)),
        BinStatus.BAD_VOLUME,
        "ml_analyzed " + volume.astype(str) + f" mL is not in {bounds}",
    )
    in_ml = volume / 1000
    of_ul = (volume > criteria.ml_analyzed.at_most) & (in_ml > LEAST_ML) & (in_ml <= criteria.ml_analyzed.at_most)
    if of_ul.sum() > len(volume) / 2:
        log.warning(
            f"{bounds}, but {counted(int(of_ul.sum()), 'bin')} have more, such as {volume[of_ul].iloc[0]:g}. Volumes "
            "have to be in mL; are these in uL?"
        )
    return assessed


def list_wanted(source: BinCatalog, window: Window, criteria: Select, at_once: int = 4) -> list[str]:
    """Ask the source for its bins, and list those of the window that may be asked for scores, in order."""
    bins = assess(in_window(source.list_bins(window, at_once), window), criteria)
    return bins[bins["status"] == WANTED].sort_values(["sample_time", "bin"])["bin"].tolist()


def without_bad(assessed: pd.DataFrame, bad: Mapping[str, str]) -> pd.DataFrame:
    """Leave out bins that are bad, whatever their volume: `filtered` stands before it. bad: bin to what was found."""
    still = assessed["bin"].isin(list(bad)) & assessed["status"].isin([WANTED, BinStatus.BAD_VOLUME])
    reasons = "quality.exclude_bad: " + assessed.loc[still, "bin"].map(bad)
    assessed = assessed.copy()
    assessed.loc[still, "status"], assessed.loc[still, "reason"] = BinStatus.FILTERED, reasons
    return assessed


def _warn_of_unknown(key: str, named: Sequence[str], known: pd.Series) -> None:
    unknown = sorted(set(named) - set(known))
    if unknown:
        there = ", ".join(map(repr, sorted(set(known))[:20])) if any(known) else "none at all"
        log.warning(f"select.{key}: no bin of the window has {', '.join(unknown)}; there are {there}")


@dataclass(frozen=True)
class Selection:
    """An assessed catalog, looked up by day. Rules ask once per job, so each look-up is one of a dict."""

    path: Path
    criteria: Select
    quality: Path | None = None  # the table of flags, if bad bins are left out
    group_by: Sequence[str] = ()

    @cached_property
    def bins(self) -> pd.DataFrame:
        """Return all bins, as `assess` does, without those that are bad."""
        catalog = table_files.read("catalog", self.path)
        # The list may be older than the wish to group by such a column. No bin has one, otherwise it would be there.
        lacking = [name for name in OPTIONAL if name in self.group_by and name not in catalog]
        bins = assess(catalog.assign(**dict.fromkeys(lacking, "")), self.criteria)
        return without_bad(bins, bad_bins(self.quality)) if self.quality else bins

    @cached_property
    def days(self) -> Mapping[str, pd.DataFrame]:
        """Map each UTC day (ISO) to its bins, days in order."""
        return _Days(self.bins)

    @cached_property
    def checksums(self) -> Named[str]:
        """Map each UTC day to a checksum of what is in its rows of `bins`."""
        columns = repr(list(self.bins.columns))
        rows = pd.util.hash_pandas_object(self.bins, index=False).to_numpy()
        found = {
            day: sha256(columns.encode() + rows[places].tobytes()).hexdigest() for day, places in _places(self.bins)
        }
        return Named(NO_DAY, found)

    @cached_property
    def wanted(self) -> Named[list[str]]:
        """Map each UTC day to the ids of its bins that are asked for, which may be none."""
        wanted = Named[list[str]](NO_DAY, {day: [] for day in self.days})
        rows = self.bins[self.bins["status"] == WANTED]
        for day, bin_id in zip(rows["date"].tolist(), rows["bin"].tolist(), strict=True):
            wanted[day].append(bin_id)
        return wanted


def flags_are_of(catalog: Path, quality: Path) -> bool:
    """Whether a table of flags is there, and has the bins of this catalog."""
    try:
        return _same_bins(catalog, quality, catalog.stat().st_mtime_ns, quality.stat().st_mtime_ns)
    except OSError:
        return False


@lru_cache(maxsize=2)  # asked for each job
def _same_bins(catalog: Path, quality: Path, listed: int, flagged: int) -> bool:  # noqa: ARG001
    bins, flags = (table_files.read(name, path, ["bin"]) for name, path in (("catalog", catalog), ("quality", quality)))
    return sorted(bins["bin"].tolist()) == sorted(flags["bin"].tolist())


class _Days(Mapping[str, pd.DataFrame]):
    """Rows by UTC day, cut out when they are asked for: most runs ask for few days."""

    def __init__(self, bins: pd.DataFrame) -> None:
        self._bins = bins
        self._places = Named(NO_DAY, dict(_places(bins)))

    def __getitem__(self, day: str) -> pd.DataFrame:
        return self._bins.take(self._places[day]).reset_index(drop=True)

    def __contains__(self, day: object) -> bool:
        return day in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def _places(bins: pd.DataFrame) -> list[tuple[str, NDArray[np.intp]]]:
    """List the days, in order, with the positions of their rows."""
    return sorted((str(day), np.asarray(places)) for day, places in bins.groupby("date").indices.items())
