"""The archive in an S3-compatible bucket: the files of an archive on disk, under `{prefix}/{year}/` and other folders.

Reads only (GET). The bucket is listed at most once in a process, folder by folder as bins are asked for: a top-level
folder that is named as a year holds the bins of that year, any other one (`legacy`) those of all years.
"""

import logging
import re
import socket
import threading
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from ifcb_abundance.bins.ids import PATTERN, parse_bin_id
from ifcb_abundance.bins.window import Window
from ifcb_abundance.common.errors import NoBinsError, NoConnectionError, RequestError, TransientError
from ifcb_abundance.common.version import USER_AGENT
from ifcb_abundance.common.words import counted
from ifcb_abundance.raw.images import ReadRange
from ifcb_abundance.raw.tree import LEFT_OUT, RawBin, RawTree, index_files
from ifcb_abundance.raw.volume import FastRuns
from ifcb_abundance.sources.bin_files import BinFiles, ScoreFiles, index_scores
from ifcb_abundance.sources.concurrency import Leave
from ifcb_abundance.sources.over_network import OverNetwork
from ifcb_abundance.sources.retry import ENOUGH, Patience

if TYPE_CHECKING:
    from s3fs import S3FileSystem

T = TypeVar("T")

log = logging.getLogger("ifcb.bucket")

PIECE = 2**18  # bytes of a body at a time
CONNECTIONS = 64  # more than are asked for at a time: what limits requests is the profile's `dashboard` resource
YEAR = re.compile("[0-9]{4}")
OVERLOADED = (429, 502, 503, 504)
NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE")  # OpenSSL 1 to 3.1, and later ones: the answer is no TLS
NO_WHOLE_ANSWER = "no answer, or one that breaks off"
# Codes of faults that may pass, beside HTTP 408, 425, 429 and 5xx. Source: botocore/retries/standard.py.
PASSING = {"RequestTimeout", "RequestTimeoutException", "PriorRequestNotComplete", "SlowDown", "Throttling"}
OTHER_REGION = {"PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "301"}
EXPIRED = {"ExpiredToken", "ExpiredTokenException", "InvalidToken", "TokenRefreshRequired"}
WHERE = "check source.path and source.endpoint_url"
LOGIN = (
    "credentials come from the environment (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE), from ~/.aws, "
    "or from the machine's role; for a public bucket set source.anonymous: true"
)

# The file of a bin of either style, and the year in its id.
_OF_A_BIN = re.compile(f"(?s:.*)/(?=(?:D([0-9]{{4}})|IFCB[0-9]+_([0-9]{{4}})_))(?:{PATTERN})[._][^/]+")


@dataclass(frozen=True)
class _Year:
    """The files of a year's bins: raw ones and products, and the class scores of the wanted format by bin."""

    tree: RawTree
    scores: Mapping[str, list[str]]


class Bucket(OverNetwork, BinFiles):
    """A source of bins: what is below `path` (`s3://bucket/prefix`).

    endpoint_url: address of an S3-compatible server, None for AWS or what the environment names. anonymous: requests
    are not signed, otherwise with the usual credentials (environment, ~/.aws, role). timeout: seconds to connect, and
    between two pieces of an answer. max_body_mb: the most that an answer may hold, in megabytes. The other arguments as
    of BinFiles and Patience. Nothing is opened yet.
    """

    def __init__(
        self,
        path: str,
        endpoint_url: str | None = None,
        anonymous: bool = False,
        catalog: str = "export",
        scores_format: str = "csv",
        deployments: str | None = None,
        fast_runs: FastRuns = "factor",
        timeout: float = 60.0,
        retries: int = 5,
        backoff: float = 1.0,
        max_body_mb: float = 256.0,
        max_requests_per_second: float | None = None,
    ) -> None:
        address = path.rstrip("/")
        super().__init__(
            address, {"path": address, "endpoint_url": endpoint_url}, catalog, scores_format, deployments, fast_runs
        )
        self.catalog_identity["catalog"] = catalog
        self.bucket, _, prefix = address.removeprefix("s3://").partition("/")
        self.prefix = f"{prefix}/" if prefix else ""
        self.endpoint_url = endpoint_url
        self.anonymous = anonymous
        self.timeout = timeout
        self.max_body = int(max_body_mb * 1e6)
        self.patience = Patience(retries, backoff, max_requests_per_second)
        self._listing = threading.RLock()  # one lists, the others wait for it
        self._opening = threading.Lock()
        self._opened: S3FileSystem | None = None
        self._listed: dict[str, list[str] | RequestError] = {}
        self._years: dict[int, _Year] = {}

    def would_tell(self, bin_id: str, told: str) -> bool:
        """Whether it could be the address of the bin's scores here, or is the reason for none; asks nothing."""
        found = re.fullmatch(self.scores_name, told.rpartition("/")[2])
        here = told.startswith(f"{self.address}/") and found is not None and found[1] == bin_id
        return here or told == self.missing_reason(bin_id)

    # --- which files there are ---

    def _raw_bins(self, window: Window) -> dict[str, RawBin]:
        first = window.start.day.year if window.start else 0
        last = window.end.day.year if window.end else 9999
        with self._listing:
            known = {int(folder) for folder in self._folders if YEAR.fullmatch(folder)} | set(self._others)
            trees = [self._year(year).tree for year in sorted(known) if first <= year <= last]
        return dict(sorted((bin_id, raw) for tree in trees for bin_id, raw in tree.bins.items()))

    def _tree(self, bin_id: str) -> RawTree:
        return self._year(parse_bin_id(bin_id).time.year).tree

    def _scores(self, bin_id: str) -> list[str]:
        return self._year(parse_bin_id(bin_id).time.year).scores.get(bin_id, [])

    def _all_scores(self, bins: Collection[str]) -> ScoreFiles:
        years = {parse_bin_id(bin_id).time.year for bin_id in bins}
        with self._listing:
            paths = [path for of_year in self._others.values() for path in of_year]
            for year in sorted(years):
                paths += self._list(f"{year:04d}/") if f"{year:04d}" in self._folders else []
        return index_scores(paths)

    def _year(self, year: int) -> _Year:
        """The files of all bins with an id of that year."""
        with self._listing:
            if year not in self._years:
                folder = f"{year:04d}"
                of_year = _by_year(self._list(f"{folder}/")).get(year, []) if folder in self._folders else []
                # As a walk through folders meets them: of two files for one thing the same one counts as on disk.
                paths = sorted(of_year + self._others.get(year, []), key=_place)
                scores: dict[str, list[str]] = {}
                for path in paths:
                    if found := re.fullmatch(self.scores_name, path.rpartition("/")[2]):
                        scores.setdefault(found[1], []).append(path)
                self._years[year] = _Year(index_files(paths), scores)
            return self._years[year]

    @cached_property
    def _others(self) -> dict[int, list[str]]:
        """The files of bins, by their year, that are in no folder of a year."""
        folders = [folder for folder in self._folders if not YEAR.fullmatch(folder)]
        files = [path for path in self._top if not path.endswith("/")]
        return _by_year(files + [path for folder in folders for path in self._list(f"{folder}/")])

    @property
    def _top(self) -> list[str]:
        """The files right under the prefix, and its folders with a `/` behind their names; NoBinsError for none."""
        if not (top := self._list("", delimiter="/")):
            raise NoBinsError(f"{self._named(self.address)}: there is no file below it: {WHERE}")
        return top

    @property
    def _folders(self) -> list[str]:
        names = [path[len(self.address) + 1 : -1] for path in self._top if path.endswith("/")]
        return [name for name in names if name.lower() not in LEFT_OUT]

    def _list(self, folder: str, delimiter: str = "") -> list[str]:
        """Paths below a folder (`2024/`, or `` for all), but for what is left out; 1,000 to a request.

        With the delimiter its files and folders alone, folders with a `/` behind. Asked for once: also what cannot be
        listed is not asked for again by this process. Raises RequestError.
        """
        if folder not in self._listed:
            try:
                self._listed[folder] = found = list(self._pages(folder, delimiter))
                log.info(f"bucket: {self.address}/{folder}: {counted(len(found), 'file')} listed")
            except RequestError as error:
                self._listed[folder] = error
        listed = self._listed[folder]
        if isinstance(listed, RequestError):
            raise RequestError(str(listed))
        return listed

    def _pages(self, folder: str, delimiter: str) -> Iterator[str]:
        where = f"{self.address}/{folder}"
        asked = {"Bucket": self.bucket, "Prefix": self.prefix + folder, "Delimiter": delimiter}
        met: set[str] = set()
        while True:
            page = self._page(where, asked)
            keys = [entry["Key"] for entry in page.get("Contents", ()) if not entry["Key"].endswith("/")]
            keys += [entry["Prefix"] for entry in page.get("CommonPrefixes", ())]
            for key in keys:
                folders = key.removeprefix(self.prefix).split("/")[:-1]
                if LEFT_OUT.isdisjoint(map(str.lower, folders)):
                    yield f"s3://{self.bucket}/{key}"
            if not page.get("IsTruncated"):
                return
            token = page.get("NextContinuationToken")
            if not token or token in met:
                raise RequestError(f"{self._named(where)}: the list of files breaks off: the server does not go on")
            met.add(token)
            asked["ContinuationToken"] = token

    # --- files ---

    def _read(self, path: str) -> bytes:
        body = self._get(path, self.max_body + 1)
        if len(body) > self.max_body:
            raise self._too_large(path)
        return body

    def _read_start(self, path: str, most: int) -> bytes:
        return self._get(path, most) if most <= self.max_body else self._read(path)

    @contextmanager
    def _open_roi(self, path: str) -> Iterator[ReadRange]:
        def read(offset: int, length: int) -> bytes:
            if length > self.max_body:
                raise self._too_large(path)
            try:
                return self._get(path, length, offset) if length else b""
            except _BehindEndError:
                return b""

        yield read

    def _too_large(self, path: str) -> RequestError:
        most = f"{self.max_body / 1e6:g} MB"
        return RequestError(f"{self._named(path)}: the answer is larger than source.max_body_mb ({most})")

    # --- requests ---

    def _get(self, path: str, most: int, offset: int | None = None) -> bytes:
        """The first `most` bytes of a file, or those from an offset on: fewer only where the file ends."""

        async def get(files: "S3FileSystem", leave: Leave) -> bytes:
            asked = {"Bucket": self.bucket, "Key": path.removeprefix(f"s3://{self.bucket}/")}
            if offset is not None:
                asked["Range"] = f"bytes={offset}-{offset + most - 1}"
            answer = await files._call_s3("get_object", **asked)
            self.patience.answered(leave, good=True)
            body = bytearray()
            async with answer["Body"] as pieces:
                if not {"ETag", "ContentLength"} <= answer.keys():  # a page of a proxy
                    raise TransientError(f"{self._named(path)}: HTTP 200 with something that is no file of a bucket")
                if offset is not None and not answer.get("ContentRange", "").startswith(f"bytes {offset}-"):
                    raise RequestError(f"{self._named(path)}: the server does not serve parts of files (Range)")
                async for piece in pieces.iter_chunks(PIECE):
                    body += piece
                    if len(body) >= most:
                        break
            return bytes(body[:most])

        return self._ask(path, get)

    def _page(self, where: str, asked: Mapping[str, str]) -> dict[str, Any]:
        """An answer of ListObjectsV2."""

        async def page(files: "S3FileSystem", leave: Leave) -> dict[str, Any]:
            answer: dict[str, Any] = await files._call_s3("list_objects_v2", **asked)
            self.patience.answered(leave, good=True)
            if "IsTruncated" not in answer:  # a page of a proxy, which is read as a list of nothing
                raise TransientError(f"{self._named(where)}: HTTP 200 with something that is no list of files")
            return answer

        return self._ask(where, page)

    def _ask(self, where: str, send: Callable[["S3FileSystem", Leave], Awaitable[T]]) -> T:
        """What `send` returns, given the client and leave to go. Raises RequestError, naming `where`."""
        from botocore.exceptions import BotoCoreError, ClientError
        from fsspec.asyn import sync
        from s3fs.core import S3_RETRYABLE_ERRORS

        def once(leave: Leave) -> T:
            try:
                files = self._files()
                answer: T = sync(files.loop, send, files, leave)
            except (ClientError, BotoCoreError, OSError, ValueError, *S3_RETRYABLE_ERRORS) as error:
                # Of an answer that is a refusal s3fs makes an error of the system's kind, from it.
                told: BaseException | None = error
                while told is not None and not isinstance(told, ClientError):
                    told = told.__cause__
                name = self._named(where)
                # Not `from error`: what libraries say may hold more than belongs into a log.
                if told is None:
                    raise _no_answer(self._server, name, error) from None
                self.patience.answered(leave, good=False)
                raise self._refusal(name, told.response) from None
            return answer

        return self.patience.ask(once)

    def _files(self) -> "S3FileSystem":
        """The client. Its modules take a second to be imported, so that waits until there is something to ask."""
        from s3fs import S3FileSystem

        with self._opening:
            if self._opened is None:
                self._opened = S3FileSystem(
                    anon=self.anonymous,
                    endpoint_url=self.endpoint_url,
                    config_kwargs={
                        "connect_timeout": self.timeout,
                        "read_timeout": self.timeout,
                        "max_pool_connections": CONNECTIONS,
                        "user_agent_extra": USER_AGENT,
                        "retries": {"total_max_attempts": 1, "mode": "standard"},  # it is `Patience` that tries again
                    },
                    skip_instance_cache=True,
                )
                self._opened.retries = 1
            return self._opened

    # --- faults ---

    @property
    def _server(self) -> str:
        return self.endpoint_url or f"the server of {self.address}"

    def _named(self, where: str) -> str:
        return f"{where} (at {self.endpoint_url})" if self.endpoint_url else where

    def _refusal(self, name: str, answer: Mapping[str, Any]) -> RequestError:
        """What an answer that is no data means; its code is shown, its text is not: that may repeat what was sent."""
        status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        code = re.sub("[^A-Za-z0-9]", "", str(answer.get("Error", {}).get("Code", "")))[:60]
        said = f"{name}: HTTP {status}" + (f" {code}" if code not in ("", str(status)) else "")
        if code in PASSING or status in (408, 425, 429) or status >= 500:
            return TransientError(said, refused=status in OVERLOADED, kind=f"HTTP {status}")
        if status == 416:
            return _BehindEndError(said)
        if code in OTHER_REGION:
            return RequestError(f"{said}: the bucket is in another region: set AWS_DEFAULT_REGION, or {WHERE}")
        if code == "InvalidObjectState":
            return RequestError(f"{said}: the file is in cold storage: have it restored first")
        if status in (401, 403) or code in EXPIRED:
            who = "unsigned requests (source.anonymous: true)" if self.anonymous else "your credentials"
            others = "set source.anonymous: false to use credentials" if self.anonymous else LOGIN
            return RequestError(
                f"{said}: refused to {who}, which need s3:ListBucket and s3:GetObject. {WHERE.capitalize()}; {others}"
            )
        if status == 404:
            what = "bucket" if code == "NoSuchBucket" else "file, or it is gone since the bucket was listed"
            return RequestError(f"{said}: there is no such {what}: {WHERE}")
        return RequestError(f"{said}: {WHERE}")


class _BehindEndError(RequestError):
    """A part was asked for that begins where the file has ended."""


def _no_answer(server: str, name: str, error: Exception) -> RequestError:
    """What a fault means that is not an answer. server: as a message names it; name: what was asked for."""
    from botocore import exceptions as faults
    from s3fs.core import S3_RETRYABLE_ERRORS

    kind = type(error).__name__
    reason = re.sub(" ssl:(<[^>]*>|[a-zA-Z]+)", "", str(getattr(error, "kwargs", {}).get("error", "") or error))
    # A login may stand in an address of the environment, a proxy's for example.
    reason = re.sub(r"(?<=//)\S*@", "...@", reason)
    if isinstance(
        error,
        faults.NoCredentialsError
        | faults.PartialCredentialsError
        | faults.CredentialRetrievalError
        | faults.MetadataRetrievalError
        | faults.NoAuthTokenError
        | faults.TokenRetrievalError
        | faults.ProfileNotFound
        | faults.SSOError
        | faults.LoginError,
    ):
        return RequestError(f"{name}: no credentials are to be had ({kind}): {LOGIN}")
    told = f"{name}: {kind}: {reason}"
    if "CERTIFICATE_VERIFY_FAILED" in reason or "certificate verify failed" in reason:
        return NoConnectionError(
            told,
            f"{server} has a certificate that is not trusted ({reason})",
            "For a server whose certificate is of a private authority, name the file of that authority's certificate "
            "in the environment variable AWS_CA_BUNDLE",
            enough=0,
            for_good=True,
        )
    if no_connection := _no_connection(error, reason):
        why, enough = no_connection
        return NoConnectionError(f"{told}: {WHERE}", f"{server} {why} ({reason})", WHERE.capitalize(), enough)
    if isinstance(error, (faults.ConnectionError, faults.FlexibleChecksumError, *S3_RETRYABLE_ERRORS)):
        return TransientError(told, refused=isinstance(error, faults.ConnectionError), kind=NO_WHOLE_ANSWER)
    return RequestError(f"{told}: {WHERE}", "no answer")


def _no_connection(error: Exception, reason: str) -> tuple[str, int] | None:
    """What a server without a connection does, and NoConnectionError.enough of it; None if there was one."""
    from botocore import exceptions as faults

    cause = error.__cause__ or error.__context__
    if isinstance(error, faults.SSLError):
        no_tls = any(sign in reason for sign in NO_TLS)
        return ("does not speak TLS at this port", 0) if no_tls else ("makes no TLS connection", ENOUGH)
    if isinstance(error, faults.ProxyConnectionError):
        return "is not reached through the proxy that the environment names", ENOUGH
    if isinstance(error, faults.ConnectTimeoutError):
        return "does not answer when it is asked for a connection", ENOUGH
    if isinstance(error, faults.EndpointConnectionError):
        unknown = isinstance(getattr(cause, "os_error", cause), socket.gaierror)
        return ("has a host name that cannot be resolved", 0) if unknown else ("takes no connections", 1)
    return None


def _place(path: str) -> tuple[list[str], str]:
    folder, _, name = path.rpartition("/")
    return folder.split("/"), name


def _by_year(paths: Iterable[str]) -> dict[int, list[str]]:
    """The files that are named after a bin, by the year in its id; whether there is such a day is not asked here."""
    years: dict[int, list[str]] = {}
    for path in paths:
        if found := _OF_A_BIN.fullmatch(path):
            years.setdefault(int(found[1] or found[2]), []).append(path)
    return years
