"""The bins of an IFCB dashboard (ifcbdb 5.0, 5.1, 5.2): its addresses and answers.

Reads only (GET); never more than one request at a time per caller, so the caller's own limit on parallel
jobs is the limit on requests in flight.
"""

import itertools
import json
import logging
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import pandas as pd

from ifcb_abundance.bins.ids import FIRST_YEAR, parse_bin_id
from ifcb_abundance.bins.window import Window, month_of, months
from ifcb_abundance.common.errors import (
    CatalogError,
    FeaturesError,
    NoBinsError,
    NoRawFilesError,
    RawFileError,
    RequestError,
    ScoresError,
)
from ifcb_abundance.common.words import counted
from ifcb_abundance.raw.header import Header, read_header
from ifcb_abundance.raw.images import RawImages
from ifcb_abundance.raw.triggers import TriggerTable, read_triggers
from ifcb_abundance.sources.http import ANYTHING, JSON, LINE, HttpClient
from ifcb_abundance.sources.metadata_export import OPTIONAL, from_records, read_export, without_repeats
from ifcb_abundance.sources.network_source import NetworkSource
from ifcb_abundance.sources.retry import RequestOptions, Retrier
from ifcb_abundance.sources.source_file import SourceFile
from ifcb_abundance.sources.survey import Survey, pick, share

if TYPE_CHECKING:
    from ifcb_abundance.common.precision import Precision

log = logging.getLogger("ifcb.dashboard")

EXPORT_LIMIT = 500_000  # rows: the server cuts longer lists without a word
MOST_NAMES, SHOWN_NAMES, LONGEST_NAME = 1000, 20, 60  # of a server's datasets: compared, shown, characters of one
WALK_KEYS = frozenset(
    "timestamp_iso instrument ml_analyzed lat lng depth num_images skip previous_bin_id next_bin_id".split()
)

WALK_TYPES = {
    "previous_bin_id": str,
    "next_bin_id": str,
    "tags": list,
    "datasets": list,
    "cruise": str,
    "sample_type": str,
}


class DashboardSource(NetworkSource):
    """A source of bins: one dataset of the dashboard at `url`.

    catalog: `export` (one metadata request a month) or `walk` (one request a bin along next_bin_id).
    scores_version: passed on as `?v=`. model: passed on as `?model=`, which dashboards know from 5.2 on.
    """

    def __init__(
        self,
        dataset: str,
        url: str,
        catalog: str = "export",
        scores_version: int | None = None,
        model: str | None = None,
        requests: RequestOptions = RequestOptions(),  # noqa: B008
    ) -> None:
        self.url = url.rstrip("/")
        self.dataset = dataset
        self.walks = catalog == "walk"
        self.scores_version = scores_version
        self.model = model
        self.retrier = Retrier(requests)
        self._http = HttpClient(self.url, self.retrier)
        where = {"url": self.url, "dataset": dataset}
        self.catalog_identity: dict[str, Any] = {**where, "catalog": catalog}
        self.scores_identity: dict[str, Any] = {**where, "scores_version": scores_version}
        if model is not None:
            self.scores_identity["model"] = model
        # A dashboard prints half precision, some versions widened (0.7998046875 for 0.8): rounded, both are one number.
        self.score_precision: Precision = "float16"
        self.scores_format = "csv"

    def catalog_files(self) -> list[str]:
        """Empty: the list comes over the network."""
        return []

    def may_have_images(self, bin_id: str) -> bool:  # noqa: ARG002
        """True: it would take a request to know."""
        return True

    # --- the list of bins ---

    def list_bins(self, window: Window, at_once: int = 1) -> pd.DataFrame:  # noqa: ARG002
        """List all bins that may lie in the window, as rows of `metadata_export.read_export`, one request at a time.

        Raises NoBinsError if there is none, CatalogError if an answer is not a list, RequestError without an answer.
        """
        rows = self._walk(window) if self.walks else self._export(window)
        if rows.empty:
            raise NoBinsError(
                f"{self.url} lists no bin of dataset {self.dataset!r} from {window.start} to {window.end}. "
                + self._why_none()
            )
        return rows

    def _why_none(self) -> str:
        """Ask whether the dataset exists: an empty list does not tell."""
        try:
            names = self.datasets()
        except (RequestError, CatalogError):  # it is only for a hint
            return (
                "It gives the same answer for an unknown dataset and for a period without bins: check dataset, "
                f"select.start and select.end; {self.url}/api/list_datasets names its datasets."
            )
        if self.dataset in names:
            return "It has this dataset, so check select.start and select.end."
        return f"It has no dataset of that name: check dataset. {_named(names, self.dataset)}"

    def datasets(self) -> list[str]:
        """The names of the server's datasets. Raises RequestError, CatalogError if the answer does not list them."""
        names = (self._json("/api/list_datasets") or {}).get("datasets")
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            asked = f"{self.url}/api/list_datasets"
            raise CatalogError(
                f"{asked} does not list datasets: is {self.url} a dashboard's address? A dataset's name, or a page, is "
                "no part of it"
            )
        return names

    def survey(self) -> Survey:
        """Look what the dataset has, in some 20 small requests. Raises NoBinsError if it has no bin."""
        dataset = quote(self.dataset)
        answer = self._json(f"/api/most_recent_bin?dataset={dataset}")
        if not answer:
            raise NoBinsError(f"{self.url} has no bin of dataset {self.dataset!r}. {self._why_none()}")
        try:
            newest = parse_bin_id(str(answer.get("pid"))).time.date()
        except ValueError as error:
            raise CatalogError(
                f"{self.url}: the newest bin of dataset {self.dataset!r} has an id that is {error}"
            ) from None
        month = self._month(*month_of(newest), {})
        inside = month[month["skip"] == 0]
        looked_at = pick(list(inside["bin"]))
        numbers = (self._json(f"/api/filter_options?dataset={dataset}") or {}).get("instrument_options")
        counted_bins = (self._json(f"/api/timeline_info?dataset={dataset}") or {}).get("n_bins")
        first = self._first_day(newest)
        with_features = sum(self.read_features(bin_id) is not None for bin_id in looked_at)
        with_raw = sum(self._raw(bin_id, ".hdr") is not None for bin_id in looked_at)
        return Survey(
            bins=counted_bins if isinstance(counted_bins, int) else len(inside),
            instruments=sorted(n for n in numbers if isinstance(n, int)) if isinstance(numbers, list) else [],
            first=first or newest,
            last=max([newest, *month["sample_time"].dt.date]),
            catalog="export" if len(month) or first else "walk",
            looked_at=looked_at,
            features=f"{share(with_features, len(looked_at))} that were looked at",
            raw=f"{share(with_raw, len(looked_at))} that were looked at",
            with_skipped=False,
        )

    def _first_day(self, newest: date) -> date | None:
        """The UTC day of the first bin: the first year with bins is looked for, and empty answers are small.

        None if the server exports no list.
        """
        for year in range(FIRST_YEAR, newest.year + 1):
            target = f"/api/export_metadata/{quote(self.dataset)}?end_date={year}-12-31"
            body = self._get(target, ends=LINE)
            if body is not None and len(rows := read_export(body, self.url + target)):
                first: date = rows["sample_time"].min().date()
                return first
        return None

    def _export(self, window: Window) -> pd.DataFrame:
        """One request a month. If a bin is an end of the window, its sample_time tells the month."""
        start, end = window.start, window.end
        if start is None or end is None:
            raise ValueError("a dashboard's window needs both ends")
        listed: dict[date, pd.DataFrame] = {}
        sample_times: dict[str, datetime] = {}
        for key, bin_id in window.bins():
            # Most bins are listed in the month of their id: ask for that one first.
            first, last = month_of(parse_bin_id(bin_id).time.date())
            first = first if start.bin else max(first, start.day)
            last = last if end.bin else min(last, end.day)
            if first <= last:
                month = self._month(first, last, listed)
                found = month.loc[month["bin"] == bin_id, "sample_time"]
                if len(found):
                    sample_times[bin_id] = found.iloc[0].to_pydatetime()
            if bin_id not in sample_times:
                sample_times[bin_id] = _time(self._end_bin(key, bin_id))
        earliest, latest = self._instants(window, sample_times)
        wanted = [self._month(first, last, listed) for first, last in months(earliest.date(), latest.date())]
        # An answer includes midnight after its last day, so two months' answers may have the same bin.
        where = f"{self.url}/api/export_metadata/{self.dataset}"
        # Not every month has a cast or a niskin.
        together = pd.concat(wanted, ignore_index=True).fillna(dict.fromkeys(OPTIONAL, ""))
        rows = without_repeats(together, where)
        for key, bin_id in window.bins():
            if len(rows) and not (rows["bin"] == bin_id).any():
                raise CatalogError(f"{key}: {where} does not list bin {bin_id}, which {self.url}/api/bin has")
        return rows

    def _month(self, first: date, last: date, listed: dict[date, pd.DataFrame]) -> pd.DataFrame:
        """The bins from the first to the last day of a month. `listed` keeps them, so a month is asked for once."""
        if first.replace(day=1) not in listed:
            target = f"/api/export_metadata/{quote(self.dataset)}?start_date={first}&end_date={last}"
            body = self._get(target, ends=LINE)
            month = from_records([], target) if body is None else read_export(body, self.url + target)
            if len(month) >= EXPORT_LIMIT:
                raise CatalogError(f"{self.url}{target}: {len(month)} rows; the dashboard cuts lists at {EXPORT_LIMIT}")
            log.info(f"catalog: {first} to {last} (UTC): {counted(len(month), 'bin')} listed")
            listed[first.replace(day=1)] = month
        return listed[first.replace(day=1)]

    def _instants(self, window: Window, sample_times: Mapping[str, datetime]) -> tuple[datetime, datetime]:
        try:
            first, last = window.instants(sample_times)
        except ValueError as error:
            raise CatalogError(f"{error} at {self.url}. Accepted: a start not after the end") from None
        if first is None or last is None:
            raise ValueError("a dashboard's window needs both ends")
        return first, last

    def _end_bin(self, key: str, bin_id: str) -> dict[str, Any]:
        """The answer of /api/bin about a bin that is an end of the window, which has to be in the dataset."""
        accepted = "Accepted: a bin of the dataset, or a UTC day"
        info = self._bin_info(bin_id)
        if info is None:
            raise CatalogError(
                f"{key}: {self.url} has no bin {bin_id} in dataset {self.dataset!r} (HTTP 404, which it answers for an "
                f"unknown bin and for an unknown dataset). {accepted}"
            )
        datasets = info.get("datasets") or [self.dataset]
        if self.dataset not in datasets:
            raise CatalogError(
                f"{key}: {self.url} has bin {bin_id} not in dataset {self.dataset!r} but in "
                f"{', '.join(map(repr, datasets))}. {accepted}"
            )
        return info

    def _walk(self, window: Window) -> pd.DataFrame:
        """One request a bin: from a known bin forward to the end of the window, and back to its start.

        Bins are linked in the order of sample_time, without those flagged skip. So the walk ends by time: it would
        never meet an end bin that is skipped.
        """
        ends = [self._end_bin(key, bin_id) for key, bin_id in window.bins()]
        earliest, latest = self._instants(window, {info["bin"]: _time(info) for info in ends})
        begin = self._onto_line(ends[0] if ends else self._most_recent())
        # The newest id is not the newest sample_time: there may be bins after it.
        later = itertools.takewhile(lambda info: _time(info) <= latest, self._line(begin, "next_bin_id"))
        earlier = itertools.takewhile(lambda info: _time(info) >= earliest, self._line(begin, "previous_bin_id"))
        found = {}
        for walked, info in enumerate(itertools.chain(ends, later, earlier), start=1):
            if earliest <= _time(info) <= latest:
                found[info["bin"]] = info
            if walked % 100 == 0:
                log.info(f"catalog: walked {walked} bins, now at {info['timestamp_iso']}")
        self._tell_of_others(found.values())
        return from_records([_walk_record(info) for info in found.values()], f"{self.url}/api/bin")

    def _onto_line(self, info: dict[str, Any] | None) -> dict[str, Any] | None:
        """Return the bin, or a neighbour if it is flagged skip: such a bin may hide others of the same instant."""
        if info is None or info["skip"] not in (True, 1):
            return info
        neighbour = info["next_bin_id"] or info["previous_bin_id"]
        return self._linked(neighbour) if neighbour else None

    def _tell_of_others(self, infos: Iterable[dict[str, Any]]) -> None:
        """Warn of bins whose position and depth /api/bin may have taken from another dataset."""
        shared = [info["bin"] for info in infos if len(info.get("datasets") or []) > 1]
        if shared:
            log.warning(
                f"catalog: other datasets of {self.url} have {counted(len(shared), 'bin')} too, such as {shared[0]}. A "
                "walk gets the position and depth of the first of them for a bin that has none of its own. "
                f"source.catalog: export gets those of {self.dataset}"
            )

    def _line(self, info: dict[str, Any] | None, link: str) -> Iterator[dict[str, Any]]:
        """Yield bin after bin along `link`, from the given one on."""
        met = set()
        while info:
            if info["bin"] in met:
                raise CatalogError(f"{self.url}: the walk along {link} came back to bin {info['bin']}")
            met.add(info["bin"])
            yield info
            info = self._linked(info[link]) if info[link] else None

    def _linked(self, bin_id: str) -> dict[str, Any]:
        """The answer of /api/bin about a bin that its neighbour names."""
        info = self._bin_info(bin_id)
        if info is None:
            raise CatalogError(f"bin {bin_id}: {self.url} names it but answers HTTP 404; the walk ends there")
        return info

    def _most_recent(self) -> dict[str, Any] | None:
        answer = self._json(f"/api/most_recent_bin?dataset={quote(self.dataset)}")
        return self._bin_info(str(answer.get("pid"))) if answer else None

    def _bin_info(self, bin_id: str) -> dict[str, Any] | None:
        """The answer of /api/bin about a bin, with its id as `bin`; None if there is no such bin."""
        try:
            target = f"/api/bin/{parse_bin_id(bin_id).bin}?dataset={quote(self.dataset)}"
        except ValueError as error:
            raise CatalogError(f"{self.url}: the walk leads to {error}") from None
        info = self._json(target)
        if info is None:
            return None
        if fault := next(_faults(info), None):
            raise CatalogError(f"bin {bin_id}: {self.url}{target}: {fault}")
        return {**info, "bin": bin_id}

    def _json(self, target: str) -> dict[str, Any] | None:
        body = self._get(target)
        try:
            answer = None if body is None else dict(json.loads(body))
        except (ValueError, TypeError, RecursionError) as error:
            raise CatalogError(f"{self.url}{target}: the answer is not a JSON object ({error})") from error
        return answer

    # --- class scores ---

    def read_scores(self, bin_id: str) -> SourceFile | None:
        """Read the bin's class scores; None if the server has none (HTTP 404).

        Raises ScoresError, naming the bin, if no try gets a usable answer.
        """
        target = self._scores_target(bin_id)
        try:
            body = self._get(target, ends=LINE)
        except RequestError as error:
            raise ScoresError(f"bin {bin_id}: {error}") from error
        if body is None:
            return None
        # No answer names the version, but 5.2 quotes text and its predecessors do not.
        quoted = body[:1] == b'"'
        if self.model is not None and not quoted:
            raise ScoresError(
                f"bin {bin_id}: {self.url} is a dashboard older than 5.2, which serves the same class scores for any "
                f"source.model ({self.model!r}). Accepted: null"
            )
        return SourceFile(self.url + target, body, "ifcbdb 5.2" if quoted else "ifcbdb 5.0 or 5.1")

    # --- features and images ---

    def read_features(self, bin_id: str) -> SourceFile | None:
        """Read the bin's features; None if the server has none (HTTP 404). Raises FeaturesError."""
        target = f"/{quote(self.dataset)}/{quote(bin_id)}_features.csv"
        try:
            body = self._get(target, ends=LINE)
        except RequestError as error:
            raise FeaturesError(f"bin {bin_id}: {error}") from error
        return None if body is None else SourceFile(self.url + target, body)

    @contextmanager
    def open_images(self, bin_id: str) -> Iterator[RawImages | None]:
        """Open the bin's images; None if the server has no raw files of it. Reads the whole `.roi`.

        Raises RawFileError, naming the bin, if no try gets a usable answer.
        """
        hdr, adc = (self._raw(bin_id, part) for part in (".hdr", ".adc"))
        if hdr is None or adc is None:
            yield None
            return
        columns = read_header(hdr.body, hdr.address).adc_columns
        triggers = read_triggers(bin_id, adc.body, adc.address, columns)
        roi = self._raw(bin_id, ".roi") if triggers.rois else None
        if triggers.rois and roi is None:
            raise NoRawFilesError(f"bin {bin_id}: {adc.address} tells of images, but the server has no .roi (HTTP 404)")
        body = roi.body if roi else b""
        yield RawImages(triggers, lambda offset, length: body[offset : offset + length])

    def read_blobs(self, bin_id: str) -> None:  # noqa: ARG002
        """None: it is not known under which address a dashboard has them."""
        return

    def read_raw(self, bin_id: str) -> tuple[Header | None, TriggerTable | None]:
        """Read header and triggers of a bin, one request each; None for what the server lacks."""
        hdr = self._raw(bin_id, ".hdr")
        if hdr is None:
            return None, None
        header, adc = read_header(hdr.body, hdr.address), self._raw(bin_id, ".adc")
        return header, read_triggers(bin_id, adc.body, adc.address, header.adc_columns) if adc else None

    def _raw(self, bin_id: str, part: str) -> SourceFile | None:
        target = f"/{quote(self.dataset)}/{quote(bin_id)}{part}"
        try:
            # Without a trigger there is no line in the .adc.
            body = self._http.get(target, ANYTHING, may_be_empty=part == ".adc")
        except RequestError as error:
            raise RawFileError(f"bin {bin_id}: {error}") from error
        return None if body is None else SourceFile(self.url + target, body)

    def missing_reason(self, bin_id: str) -> str:
        """Why a bin has no scores, for the ledger."""
        return f"HTTP 404: {self.url}{self._scores_target(bin_id)}"

    def scores_instead(self, bins: Collection[str]) -> str:
        """What it means if none of the bins has scores, for a message."""
        version = "" if self.scores_version is None else f", in version {self.scores_version} (source.scores_version)"
        return (
            f"{self.url} says of each of these {len(bins)} bins that it has no scores (HTTP 404){version}: are they "
            "classified?"
        )

    def would_tell(self, bin_id: str, told: str) -> bool:
        """Whether this source would give it as the address of the bin's scores, or as the reason for none."""
        return told in (self.url + self._scores_target(bin_id), self.missing_reason(bin_id))

    def _get(self, target: str, ends: tuple[bytes, ...] = JSON) -> bytes | None:
        return self._http.get(target, ends)

    def _scores_target(self, bin_id: str) -> str:
        asked = {"v": self.scores_version, "model": self.model}
        chosen = urlencode({name: value for name, value in asked.items() if value is not None})
        return f"/{quote(self.dataset)}/{quote(bin_id)}_class_scores.csv" + (f"?{chosen}" if chosen else "")


def _named(names: list[str], wanted: str) -> str:
    """A server's names, shortened and made printable, the most similar to the wanted one first."""
    clean = {"".join(c if c.isprintable() else "?" for c in name[:LONGEST_NAME]) for name in names[:MOST_NAMES]}
    likeness = {name: SequenceMatcher(None, wanted.lower(), name.lower()).ratio() for name in clean}
    shown = sorted(clean, key=lambda name: (-likeness[name], name))[:SHOWN_NAMES]
    more = f" and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
    listed = ", ".join(map(repr, shown)) + more
    return f"Its datasets, those of similar names first: {listed}." if shown else "It has no datasets at all."


def _faults(info: dict[str, Any]) -> Iterator[str]:
    """Yield why an answer of /api/bin cannot be used."""
    if missing := WALK_KEYS.difference(info):
        yield f"the answer has no {', '.join(sorted(missing))}"
    for key, kind in WALK_TYPES.items():
        if not isinstance(info.get(key) or kind(), kind):
            yield f"{key} is {info[key]!r:.80}, not a {kind.__name__}"
    try:
        _time(info)
    except (TypeError, ValueError):
        yield f"timestamp_iso is {info['timestamp_iso']!r:.80}, not a time"


def _time(info: dict[str, Any]) -> datetime:
    time = datetime.fromisoformat(info["timestamp_iso"])
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _text(value: Any) -> str:
    """A value of JSON as a cell of the export, which is empty for null and NaN."""
    return "" if value is None or value != value else str(value)


def _walk_record(info: dict[str, Any]) -> dict[str, str]:
    """Turn a bin's JSON into a row of the metadata export.

    The JSON rounds ml_analyzed to three decimals, and has 0 for an unknown depth and -9999999 for an unknown position.
    The export has none of these faults, so it is the default.
    """
    volume = str(info.get("ml_analyzed") or "").removesuffix("ml").strip()
    return {
        "pid": info["bin"],
        "sample_time": info["timestamp_iso"],
        "ifcb": _text(info["instrument"]).upper().removeprefix("IFCB"),
        "ml_analyzed": "" if volume == "nan" else volume,
        "latitude": _text(info["lat"]),
        "longitude": _text(info["lng"]),
        "depth": _text(info["depth"] or None),
        "cruise": info.get("cruise") or "",
        "cast": str(info.get("cast") or ""),
        "niskin": _text(info.get("niskin")),
        "sample_type": info.get("sample_type") or "",
        "n_images": _text(info["num_images"]),
        "skip": _text(info["skip"]) or "0",  # nobody said that it is to be skipped
        "tags": ";".join(map(str, info.get("tags") or [])),
    }
