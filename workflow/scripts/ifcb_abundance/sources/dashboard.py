"""The client of an IFCB dashboard (ifcbdb 5.0, 5.1, 5.2): its addresses, answers and faults.

Reads only (GET); never more than one request at a time per caller, so the caller's own limit on parallel
jobs is the limit on requests in flight.
"""

import io
import itertools
import json
import logging
import threading
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

import pandas as pd
import requests
import urllib3

from ifcb_abundance.bins.ids import parse_bin_id
from ifcb_abundance.bins.window import Window, month_of, months
from ifcb_abundance.common.errors import (
    CatalogError,
    FeaturesError,
    NoBinsError,
    NoConnectionError,
    NoRawFilesError,
    RawFileError,
    RequestError,
    ScoresError,
    TransientError,
)
from ifcb_abundance.common.version import USER_AGENT
from ifcb_abundance.common.words import counted
from ifcb_abundance.raw.header import read_header
from ifcb_abundance.raw.images import RawImages
from ifcb_abundance.raw.triggers import read_triggers
from ifcb_abundance.sources.concurrency import Leave
from ifcb_abundance.sources.metadata_export import from_records, read_export, without_repeats
from ifcb_abundance.sources.over_network import OverNetwork
from ifcb_abundance.sources.retry import ENOUGH, Patience
from ifcb_abundance.sources.source_file import SourceFile

if TYPE_CHECKING:
    from ifcb_abundance.common.precision import Precision

log = logging.getLogger("ifcb.dashboard")

EXPORT_LIMIT = 500_000  # rows: the server cuts longer lists without a word
MOST_NAMES, SHOWN_NAMES, LONGEST_NAME = 1000, 20, 60  # of a server's datasets: compared, shown, characters of one
LONGEST_WAIT = 600.0  # seconds between two tries
PIECE = 2**18  # bytes of a body at a time
OVERLOADED = (429, 502, 503, 504)  # a 500 is about one file
NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE")  # OpenSSL 1 to 3.1, and later ones: the answer is no TLS
NO_WHOLE_ANSWER = "no answer, or one that breaks off"
LINE, JSON, ANYTHING = (b"\n",), (b"\n", b"}"), (b"",)  # how an answer ends that is whole
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


class Dashboard(OverNetwork):
    """A source of bins: one dataset of the dashboard at `url`.

    catalog: `export` (one metadata request a month) or `walk` (one request a bin along next_bin_id).
    scores_version: passed on as `?v=`. model: passed on as `?model=`, which dashboards know from 5.2 on. timeout:
    seconds to connect, and between two pieces of an answer. retries: further tries after a transient fault; the wait
    doubles from `backoff` seconds. max_body_mb: the most that an answer may hold, unpacked, in megabytes.
    max_requests_per_second: None is no limit.
    """

    def __init__(
        self,
        dataset: str,
        url: str,
        catalog: str = "export",
        scores_version: int | None = None,
        model: str | None = None,
        timeout: float = 60.0,
        retries: int = 5,
        backoff: float = 1.0,
        max_body_mb: float = 256.0,
        max_requests_per_second: float | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self.dataset = dataset
        self.walks = catalog == "walk"
        self.scores_version = scores_version
        self.model = model
        self.timeout = timeout
        self.max_body = int(max_body_mb * 1e6)
        self.patience = Patience(retries, backoff, max_requests_per_second)
        where = {"url": self.url, "dataset": dataset}
        self.catalog_identity: dict[str, Any] = {**where, "catalog": catalog}
        self.scores_identity: dict[str, Any] = {**where, "scores_version": scores_version}
        if model is not None:
            self.scores_identity["model"] = model
        # A dashboard prints half precision, some versions widened (0.7998046875 for 0.8): rounded, both are one number.
        self.score_precision: Precision = "float16"
        self._local = threading.local()  # requests does not promise that sessions are safe across threads

    def catalog_files(self) -> list[str]:
        """None: the list comes over the network."""
        return []

    def may_have_images(self, bin_id: str) -> bool:  # noqa: ARG002
        """True: only a request would tell."""
        return True

    # --- which bins ---

    def list_bins(self, window: Window) -> pd.DataFrame:
        """All bins that may lie in the window, as rows of `metadata_export.read_export`.

        Raises NoBinsError if there is none, CatalogError if an answer is not a list and RequestError without answer.
        """
        rows = self._walk(window) if self.walks else self._export(window)
        if rows.empty:
            raise NoBinsError(
                f"{self.url} lists no bin of dataset {self.dataset!r} from {window.start} to {window.end}. "
                + self._why_none()
            )
        return rows

    def _why_none(self) -> str:
        """Whether there is such a dataset, which a list without bins does not tell: one more request."""
        try:
            names = (self._json("/api/list_datasets") or {}).get("datasets")
        except (RequestError, CatalogError):  # what it is asked for is a hint, no more
            names = None
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            return (
                "It answers alike for a dataset that it does not have and for a period without bins: check dataset, "
                f"select.start and select.end; {self.url}/api/list_datasets names its datasets."
            )
        if self.dataset in names:
            return "It has this dataset, so check select.start and select.end."
        return f"It has no dataset of that name: check dataset. {_named(names, self.dataset)}"

    def _export(self, window: Window) -> pd.DataFrame:
        """One request a month. The months follow from the sample_time of a bin that is an end of the window."""
        start, end = window.start, window.end
        if start is None or end is None:
            raise ValueError("a dashboard's window needs both ends")
        listed: dict[date, pd.DataFrame] = {}
        sample_times: dict[str, datetime] = {}
        for key, bin_id in window.bins():
            # Most bins are listed in the month of their id, which the window touches then.
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
        # Midnight of the day after the last is part of every answer, so of two months' answers.
        where = f"{self.url}/api/export_metadata/{self.dataset}"
        rows = without_repeats(pd.concat(wanted, ignore_index=True), where)
        for key, bin_id in window.bins():
            if len(rows) and not (rows["bin"] == bin_id).any():
                raise CatalogError(f"{key}: {where} does not list bin {bin_id}, which {self.url}/api/bin has")
        return rows

    def _month(self, first: date, last: date, listed: dict[date, pd.DataFrame]) -> pd.DataFrame:
        """The bins from the first to the last day of a month, which is asked for once and then in `listed`."""
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
        """What /api/bin says of a bin that is an end of the window; it has to be a bin of the dataset."""
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
        """One request a bin: from one that is at hand forward to the end of the window, and back to its start.

        Bins are linked in the order of sample_time and those flagged skip are left out of the line, so the
        ends are told by time: an end bin that is skipped would never be met.
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
        """The bin, or a neighbour of one that is flagged skip: such a bin may hide others of the same instant."""
        if info is None or info["skip"] not in (True, 1):
            return info
        neighbour = info["next_bin_id"] or info["previous_bin_id"]
        return self._linked(neighbour) if neighbour else None

    def _tell_of_others(self, infos: Iterable[dict[str, Any]]) -> None:
        """Warn of bins whose position and depth /api/bin may have taken from another dataset than ours."""
        shared = [info["bin"] for info in infos if len(info.get("datasets") or []) > 1]
        if shared:
            log.warning(
                f"catalog: other datasets of {self.url} have {counted(len(shared), 'bin')} too, such as {shared[0]}. A "
                "walk gets the position and depth of the first of them for a bin that has none of its own. "
                f"source.catalog: export gets those of {self.dataset}"
            )

    def _line(self, info: dict[str, Any] | None, link: str) -> Iterator[dict[str, Any]]:
        """Bin after bin along `link`, from the given one."""
        met = set()
        while info:
            if info["bin"] in met:
                raise CatalogError(f"{self.url}: the walk along {link} came back to bin {info['bin']}")
            met.add(info["bin"])
            yield info
            info = self._linked(info[link]) if info[link] else None

    def _linked(self, bin_id: str) -> dict[str, Any]:
        """What /api/bin says of a bin that its neighbour names."""
        info = self._bin_info(bin_id)
        if info is None:
            raise CatalogError(f"bin {bin_id}: {self.url} names it but answers HTTP 404; the walk ends there")
        return info

    def _most_recent(self) -> dict[str, Any] | None:
        answer = self._json(f"/api/most_recent_bin?dataset={quote(self.dataset)}")
        return self._bin_info(str(answer.get("pid"))) if answer else None

    def _bin_info(self, bin_id: str) -> dict[str, Any] | None:
        """What /api/bin says of a bin, and its id as `bin`; None if there is no such bin."""
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

    # --- this bin's scores ---

    def read_scores(self, bin_id: str) -> SourceFile | None:
        """The bin's class scores as served; None if the server has none (HTTP 404).

        Raises ScoresError, naming the bin, if there is no usable answer after all tries.
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

    # --- what else is there of this bin ---

    def read_features(self, bin_id: str) -> SourceFile | None:
        """The bin's features as served; None if the server has none (HTTP 404). Raises FeaturesError."""
        target = f"/{quote(self.dataset)}/{quote(bin_id)}_features.csv"
        try:
            body = self._get(target, ends=LINE)
        except RequestError as error:
            raise FeaturesError(f"bin {bin_id}: {error}") from error
        return None if body is None else SourceFile(self.url + target, body)

    @contextmanager
    def open_images(self, bin_id: str) -> Iterator[RawImages | None]:
        """The bin's images; None if the server has no raw files of it. Its `.roi` comes whole.

        Raises RawFileError, naming the bin, if there is no usable answer after all tries.
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

    def _raw(self, bin_id: str, part: str) -> SourceFile | None:
        target = f"/{quote(self.dataset)}/{quote(bin_id)}{part}"
        try:
            body = self._get(target, ends=ANYTHING)
        except RequestError as error:
            raise RawFileError(f"bin {bin_id}: {error}") from error
        return None if body is None else SourceFile(self.url + target, body)

    def missing_reason(self, bin_id: str) -> str:
        """Why a bin has no scores, for the ledger."""
        return f"HTTP 404: {self.url}{self._scores_target(bin_id)}"

    def scores_instead(self, bins: Collection[str]) -> str:
        """What it means that none of the bins has scores, for a message."""
        version = "" if self.scores_version is None else f", in version {self.scores_version} (source.scores_version)"
        return (
            f"{self.url} says of each of these {len(bins)} bins that it has no scores (HTTP 404){version}: are they "
            "classified?"
        )

    def would_tell(self, bin_id: str, told: str) -> bool:
        """Whether it is what this source gives as the address of the bin's scores, or as the reason for none."""
        return told in (self.url + self._scores_target(bin_id), self.missing_reason(bin_id))

    def _scores_target(self, bin_id: str) -> str:
        asked = {"v": self.scores_version, "model": self.model}
        chosen = urlencode({name: value for name, value in asked.items() if value is not None})
        return f"/{quote(self.dataset)}/{quote(bin_id)}_class_scores.csv" + (f"?{chosen}" if chosen else "")

    # --- requests ---

    def _get(self, target: str, ends: tuple[bytes, ...] = JSON) -> bytes | None:
        """The body of the answer, None for HTTP 404. Transient faults are tried again with growing waits."""
        return self.patience.ask(lambda leave: self._fetch(self.url + target, ends, leave))

    def _fetch(self, address: str, ends: tuple[bytes, ...], leave: Leave) -> bytes | None:
        session = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = requests.Session()
            session.headers.update({"User-Agent": USER_AGENT, "Accept-Encoding": "gzip"})
        try:
            # Redirects are for browsers: a mistyped address is redirected to a page.
            with session.get(address, timeout=self.timeout, allow_redirects=False, stream=True) as response:
                self.patience.answered(leave, good=response.status_code in (200, 404))
                body = self._body(response, address)
        except requests.exceptions.InvalidURL as error:
            raise RequestError(f"{address}: {error}") from error
        except (
            requests.RequestException,
            urllib3.exceptions.HTTPError,
            OSError,
            EOFError,
            zlib.error,
        ) as error:
            if without_connection := _no_connection(self.url, address, error):
                raise without_connection from error
            no_answer = isinstance(error, requests.ConnectionError | requests.Timeout)
            raise TransientError(f"{address}: {_reason(error)}", refused=no_answer, kind=NO_WHOLE_ANSWER) from error
        _check(response, address, body, ends)
        return None if response.status_code == 404 else body

    def _body(self, response: requests.Response, address: str) -> bytes:
        """The whole body, unpacked piece by piece: urllib3 would take a gzip stream that breaks off as whole."""
        gzipped = response.headers.get("Content-Encoding", "").lower() in ("gzip", "x-gzip")
        unpacker = zlib.decompressobj(wbits=31) if gzipped else None
        body = io.BytesIO()
        for piece in response.raw.stream(PIECE, decode_content=False):
            body.write(unpacker.decompress(piece, self.max_body + 1 - body.tell()) if unpacker else piece)
            if body.tell() > self.max_body:
                raise RequestError(
                    f"{address}: the answer is larger than source.max_body_mb ({self.max_body / 1e6:g} MB)",
                    "an answer larger than source.max_body_mb",
                )
        if unpacker and (not unpacker.eof or unpacker.unused_data):
            raise EOFError("the compressed answer breaks off")
        return body.getvalue()


def _named(names: list[str], wanted: str) -> str:
    """Names that a server gave, cut and cleaned, those that are most like the wanted one first."""
    clean = {"".join(c if c.isprintable() else "?" for c in name[:LONGEST_NAME]) for name in names[:MOST_NAMES]}
    likeness = {name: SequenceMatcher(None, wanted.lower(), name.lower()).ratio() for name in clean}
    shown = sorted(clean, key=lambda name: (-likeness[name], name))[:SHOWN_NAMES]
    more = f" and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
    listed = ", ".join(map(repr, shown)) + more
    return f"Its datasets, those of similar names first: {listed}." if shown else "It has no datasets at all."


def _check(response: requests.Response, address: str, body: bytes, ends: tuple[bytes, ...]) -> None:
    """Raise RequestError unless the answer is data or a plain 404."""
    status, headers = response.status_code, response.headers
    kind = f"HTTP {status}"
    if status == 404:
        return
    if status in (408, 425, 429) or status >= 500:
        wait = _retry_after(headers.get("Retry-After"))
        if wait is not None and wait > LONGEST_WAIT:
            asked = headers["Retry-After"]
            raise RequestError(
                f"{address}: HTTP {status}, and the server asks to wait (Retry-After: {asked}): try later", kind
            )
        raise TransientError(f"{address}: HTTP {status} {response.reason}", wait, status in OVERLOADED, kind)
    if 300 <= status < 400:
        raise RequestError(
            f"{address}: HTTP {status}, a redirect to {headers.get('Location')}: "
            "check source.url (http or https, host, path) and dataset",
            kind,
        )
    if status in (401, 403):
        raise RequestError(
            f"{address}: HTTP {status} {response.reason}: the server wants a login, which goes into the file .netrc of "
            f"your home folder: machine {urlsplit(address).hostname} login NAME password WORD",
            kind,
        )
    if status != 200:
        raise RequestError(f"{address}: HTTP {status} {response.reason}", kind)
    if "html" in headers.get("Content-Type", "") or (ends != ANYTHING and body[:200].lstrip()[:1] == b"<"):
        raise TransientError(f"{address}: HTTP 200 with an HTML page instead of data", kind="an HTML page, not data")
    if not body:
        raise TransientError(f"{address}: HTTP 200 with an empty answer", kind="an empty answer")
    # A length and the last chunk are no proof: a proxy may end an answer properly that it got a part of.
    if not body.endswith(ends):
        raise TransientError(f"{address}: the answer breaks off in the middle of a line", kind=NO_WHOLE_ANSWER)


def _no_connection(url: str, address: str, error: Exception) -> NoConnectionError | None:
    """What a fault says of the server if there was no connection to it; None if there was one."""
    cause, reason, text = _innermost(error), _reason(error), str(error)
    enough, for_good, advice = ENOUGH, False, "Check source.url, and this machine's network"
    if "CERTIFICATE_VERIFY_FAILED" in text:
        enough, for_good, why = 0, True, "has a certificate that is not trusted"
        advice = (
            "For a server whose certificate is of a private authority, name the file of that authority's certificate "
            "in the environment variable REQUESTS_CA_BUNDLE"
        )
    elif isinstance(error, requests.exceptions.ProxyError):
        enough, why = ENOUGH, "is not reached through the proxy that the environment names"
    elif isinstance(error, requests.exceptions.SSLError) and any(sign in text for sign in NO_TLS):
        enough, why = 0, "does not speak TLS at this port"
        advice = "Check source.url: it says https://, which may have to be http://, or the port is another one"
    elif isinstance(error, requests.exceptions.SSLError):
        why = "makes no TLS connection"
    elif isinstance(cause, urllib3.exceptions.NameResolutionError):
        enough, why = 0, "has a host name that cannot be resolved"
    elif isinstance(cause, urllib3.exceptions.NewConnectionError):
        enough, why = 1, "takes no connections"
        advice = "Check source.url, or wait until the server runs again"
        if isinstance(cause.__cause__, OSError):
            reason = f"{type(cause.__cause__).__name__}: {cause.__cause__}"
    elif isinstance(error, requests.exceptions.ConnectTimeout):
        why = "does not answer when it is asked for a connection"
        advice = "The server is down, or a firewall is in the way. Check source.url, and this machine's network"
    else:
        return None
    return NoConnectionError(f"{address}: {_reason(error)}", f"{url} {why} ({reason})", advice, enough, for_good)


def _innermost(error: BaseException) -> BaseException:
    """The fault that the others are about."""
    while isinstance(inner := getattr(error, "reason", None) or (error.args or [None])[-1], BaseException):
        error = inner
    return error


def _reason(error: BaseException) -> str:
    """The innermost cause, in a line: the outer ones repeat the address and each other."""
    error = _innermost(error)
    # Some hold a connection beside their text, and would print where it lies in memory.
    texts = [] if isinstance(error, OSError) else [part for part in error.args if isinstance(part, str)]
    return f"{type(error).__name__}: {texts[-1] if texts else error}"


def _retry_after(value: str | None) -> float | None:
    """Seconds to wait by a Retry-After header, given in seconds or as a date; None if it says neither."""
    try:
        return None if value is None else urllib3.Retry().parse_retry_after(value)
    except (urllib3.exceptions.InvalidHeader, ValueError, OverflowError):
        return None


def _faults(info: dict[str, Any]) -> Iterator[str]:
    """Why what /api/bin says of a bin cannot be used."""
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


def _walk_record(info: dict[str, Any]) -> dict[str, str]:
    """A bin's JSON as a row of the metadata export.

    The JSON rounds ml_analyzed to three decimals and writes 0 for an unknown depth, -9999999 for an
    unknown position; the export has none of these faults, which is why it is the default.
    """
    volume = str(info.get("ml_analyzed") or "").removesuffix("ml").strip()
    return {
        "pid": info["bin"],
        "sample_time": info["timestamp_iso"],
        "ifcb": str(info["instrument"]).upper().removeprefix("IFCB"),
        "ml_analyzed": "" if volume == "nan" else volume,
        "latitude": str(info["lat"]),
        "longitude": str(info["lng"]),
        "depth": str(info["depth"] or ""),
        "cruise": info.get("cruise") or "",
        "sample_type": info.get("sample_type") or "",
        "n_images": str(info["num_images"]),
        "skip": str(info["skip"]),
        "tags": ";".join(map(str, info.get("tags") or [])),
    }
