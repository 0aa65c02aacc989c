"""A client of S3-compatible servers: lists objects page by page, and reads them whole or in part. Reads only.

boto3 signs, sends and parses; it tries nothing again, which is what Retrier does. It takes 1.5 ms of a processor for
each request, so objects that are copied are asked for with less of it (Direct). Importing it takes 0.15 s, so a module
that may not need a bucket imports this one late.
"""

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import datetime
from typing import Any, NamedTuple, Protocol, TypeVar
from urllib.parse import quote

import boto3
from botocore import UNSIGNED, exceptions
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSPreparedRequest, AWSRequest
from botocore.config import Config
from botocore.parsers import ResponseParserError
from botocore.session import get_session
from botocore.utils import parse_timestamp
from urllib3.exceptions import HTTPError

from ifcb_abundance.common.errors import RequestError, TransientError
from ifcb_abundance.common.progress import TRAFFIC
from ifcb_abundance.common.version import USER_AGENT
from ifcb_abundance.sources.concurrency import Slot
from ifcb_abundance.sources.faults import (
    CHANGED,
    GONE,
    PIECE,
    TRUNCATED,
    may_pass,
    no_connection,
    passing,
    reason,
    too_large,
)
from ifcb_abundance.sources.retry import Retrier

T = TypeVar("T")

CONNECTIONS = 64  # kept open; more than are in flight at a time, which the profile's `dashboard` resource limits
# Codes of transient faults whose status does not say so. Source: botocore/retries/standard.py.
PASSING = {
    "BandwidthLimitExceeded",
    "EC2ThrottledException",
    "LimitExceededException",
    "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "RequestTimeout",
    "RequestTimeoutException",
    "SlowDown",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "TransactionInProgressException",
}
OTHER_REGION = {"PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "301"}
EXPIRED = {"ExpiredToken", "ExpiredTokenException", "InvalidToken", "TokenRefreshRequired"}
FAULTS = (exceptions.BotoCoreError, ResponseParserError, HTTPError, OSError, ValueError)
NO_ANSWER = (
    exceptions.ConnectionError,
    exceptions.HTTPClientError,
    exceptions.FlexibleChecksumError,
    ResponseParserError,
)
NO_CREDENTIALS = (
    exceptions.NoCredentialsError,
    exceptions.PartialCredentialsError,
    exceptions.CredentialRetrievalError,
    exceptions.MetadataRetrievalError,
    exceptions.NoAuthTokenError,
    exceptions.TokenRetrievalError,
    exceptions.ProfileNotFound,
    exceptions.SSOError,
    exceptions.LoginError,
)


class ConfigKeys(NamedTuple):
    """The config keys that a client was opened with, as its messages name them."""

    place: str
    endpoint_url: str
    anonymous: str
    max_body_mb: str

    @property
    def check(self) -> str:
        """Those that say which server and bucket it is."""
        return f"{self.place} and {self.endpoint_url}"


class S3Object(NamedTuple):
    """An object as a list tells it. size: bytes. etag: without quotes. storage_class: empty if the server has none."""

    key: str
    size: int
    etag: str
    modified: datetime
    storage_class: str = ""


class S3Page(NamedTuple):
    """A page of a list. folders: prefixes that end with the delimiter."""

    objects: list[S3Object]
    folders: list[str]


class Direct(NamedTuple):
    """How boto3 asked for an object of the bucket: others are asked for likewise, without its work for each of them.

    top: address of the bucket, up to the `/` before a key. region: of the signature; empty if there is none.
    """

    top: str
    region: str

    @classmethod
    def like(cls, sent: AWSPreparedRequest, key: str, anonymous: bool) -> "Direct | None":
        """What a request of boto3 for this key tells; None if it was sent or signed in a way that is not known here."""
        path, signature = _path(key), sent.headers.get("Authorization") or ""
        signature = signature.decode() if isinstance(signature, bytes) else signature
        signed = re.search(r"^AWS4-HMAC-SHA256 Credential=[^,]*/\d{8}/([^/,]+)/s3/aws4_request", signature)
        if not sent.url.endswith(f"/{path}") or "?" in sent.url or not (signed or (anonymous and not signature)):
            return None
        return cls(sent.url.removesuffix(path), signed[1] if signed else "")

    def request(self, key: str, headers: dict[str, str], credentials: Any) -> AWSPreparedRequest:
        """The request for a key. credentials: of boto3's session; not used if requests are not signed."""
        request = AWSRequest("GET", self.top + _path(key), {"User-Agent": USER_AGENT, **headers}, stream_output=True)
        if self.region:
            S3SigV4Auth(credentials.get_frozen_credentials(), "s3", self.region).add_auth(request)
        return request.prepare()


class Sink(Protocol):
    """Takes the bytes of an object, in order, as they are stored.

    size: how many it has. content_encoding: of the object, such as gzip; the client sets it.
    """

    size: int
    content_encoding: str

    def take(self, piece: bytes) -> None:
        """Add these bytes to its end."""

    def restart(self) -> None:
        """Forget all bytes: the object comes from its beginning."""


class _SinkError(Exception):
    """An OSError of a sink, on its way past what takes one for a fault of the server."""

    def __init__(self, fault: OSError) -> None:
        super().__init__(str(fault))
        self.fault = fault


class S3Client:
    """Reads one bucket, for any number of threads.

    endpoint_url: address of an S3-compatible server, None for AWS or the one that the environment names. anonymous:
    requests are not signed, otherwise with the usual credentials (environment, ~/.aws, role). keys: for messages.
    scheme: of the bucket's address in messages. Connects at the first request. Its methods raise RequestError, which
    names the object or list, or UnreachableError.
    """

    def __init__(
        self,
        bucket: str,
        endpoint_url: str | None,
        anonymous: bool,
        retrier: Retrier,
        keys: ConfigKeys,
        scheme: str = "s3",
    ) -> None:
        self.address = f"{scheme}://{bucket}"
        self.bucket = bucket
        self.endpoint_url = endpoint_url
        self.anonymous = anonymous
        self.retrier = retrier
        self.keys = keys
        self._opening = threading.Lock()
        self._opened: Any = None
        self._sent = threading.local()  # boto3's latest request, of each thread
        self._direct: Direct | None = None

    def pages(self, prefix: str = "", delimiter: str = "") -> Iterator[S3Page]:
        """List the objects whose keys begin with the prefix: 1,000 to a page, each asked for when it is needed.

        delimiter: `/` lists only what lies directly below the prefix, and its folders.
        """
        name = self._named(prefix)
        asked = {"Bucket": self.bucket, "Prefix": prefix, "Delimiter": delimiter}
        met: set[str] = set()
        while True:
            page = self._page(name, asked)
            yield S3Page(
                [
                    S3Object(
                        entry["Key"],
                        entry["Size"],
                        entry.get("ETag", "").strip('"'),
                        entry["LastModified"],
                        entry.get("StorageClass", ""),
                    )
                    for entry in page.get("Contents", ())
                ],
                [entry["Prefix"] for entry in page.get("CommonPrefixes", ())],
            )
            if not page.get("IsTruncated"):
                return
            token = page.get("NextContinuationToken")
            if not token or token in met:
                raise RequestError(f"{name}: the list of files is truncated: the server names no next page")
            met.add(token)
            asked["ContinuationToken"] = token

    def read(self, key: str, size: int | None = None) -> bytes:
        """Read an object whole. size: as it was listed, None if it was not: a body of another length is not taken, but
        for that of an object that has changed since."""
        return self._get(key, size=size)

    def read_start(self, key: str, length: int, size: int | None = None) -> bytes:
        """Read the first `length` bytes of an object: fewer only where it is shorter. size: see `read`."""
        return self._get(key, length if length <= self.retrier.options.max_body else None, size=size)

    def read_range(self, key: str, offset: int, length: int) -> bytes:
        """Read `length` bytes of an object from the offset on: fewer, or none, only where it ends."""
        if length > self.retrier.options.max_body:
            raise self._too_large(self._named(key))
        return self._get(key, length, f"bytes={offset}-{offset + length - 1}") if length else b""

    def copy(self, found: S3Object, sink: Sink) -> bool:
        """Give the sink what it lacks of an object: from its end on, and on from there after each fault.

        Returns whether the etag may be the object's MD5, which encryption rules out. Raises RequestError, of the kind
        CHANGED if the object is no longer the one that was listed; OSError if the sink cannot take it.
        """
        most = sink.size
        while True:
            try:
                return self._ask(self._named(found.key), lambda client, slot: self._copy_on(client, slot, found, sink))
            except _SinkError as error:
                raise error.fault from None
            except RequestError as error:
                # A long file may be cut off more often than a request is tried, as long as it grows. A server that
                # knows no Range sends it from its beginning each time.
                if error.kind != TRUNCATED or sink.size <= most:
                    raise
                most = sink.size

    # --- requests ---

    def _copy_on(self, client: Any, slot: Slot, found: S3Object, sink: Sink) -> bool:
        """Ask for the rest of an object once."""
        name, offset = self._named(found.key), sink.size
        asked = {"If-Match": f'"{found.etag}"'} if found.etag else {}
        asked |= {"Range": f"bytes={offset}-"} if offset else {}
        changed = RequestError(f"{name}: it has changed since it was listed (its etag was {found.etag})", CHANGED)
        try:
            headers, body = self._open(client, found.key, asked)
        except exceptions.ClientError as error:
            if _status(error.response) == 412:
                self.retrier.answered(slot, good=True)
                raise changed from None
            if offset and _status(error.response) == 416:  # it ends before, so it is another one, or has wrong bytes
                self.retrier.answered(slot, good=True)
                sink.restart()
                return self._copy_on(client, slot, found, sink)
            raise
        self.retrier.answered(slot, good=True)
        with closing(body):
            if not {"etag", "content-length"} <= set(map(str.lower, headers)):  # a proxy's page
                raise TransientError(f"{name}: HTTP 200 with something that is no file of a bucket", kind=TRUNCATED)
            if found.etag and headers["etag"].strip('"') != found.etag:  # of a server that does not know If-Match
                raise changed
            if offset and not headers.get("content-range", "").startswith(f"bytes {offset}-"):
                sink.restart()
            sink.content_encoding = _encoding(headers.get("content-encoding", ""))
            self._pour(name, body, sink, found.size)
        encrypted = headers.get("x-amz-server-side-encryption", "AES256") != "AES256"
        return not encrypted and "x-amz-server-side-encryption-customer-algorithm" not in headers

    def _open(self, client: Any, key: str, headers: dict[str, str]) -> tuple[Mapping[str, str], Any]:
        """Ask for an object; return the headers of the answer and its body. Raises ClientError for a refusal.

        boto3 asks for the first one, which shows address, region and signature.
        """
        if self._direct is None:
            asked = {name.replace("-", ""): value for name, value in headers.items()}
            answer = client.get_object(Bucket=self.bucket, Key=key, **asked)
            self._direct = Direct.like(self._sent.request, key, self.anonymous)
            return answer["ResponseMetadata"]["HTTPHeaders"], answer["Body"]
        answer = self._send(self._direct.request(key, headers, self._credentials))
        if answer.status_code in (200, 206):
            return answer.headers, answer.raw
        with closing(answer.raw):
            code = re.search(rb"<Code>(\w+)</Code>", answer.raw.read(PIECE))
        told = {"HTTPStatusCode": answer.status_code, "HTTPHeaders": answer.headers}
        error = {"Code": code[1].decode() if code else ""}
        raise exceptions.ClientError({"Error": error, "ResponseMetadata": told}, "GetObject")

    def _pour(self, name: str, body: Any, sink: Sink, size: int) -> None:
        """Give the sink a body, which has to end where it has `size` bytes."""
        # What has come is taken at once, so that a fault loses none of it. Bodies of boto3 only give whole pieces.
        read = getattr(body, "read1", body.read)
        while True:
            try:
                piece = read(PIECE)
            except exceptions.FlexibleChecksumError as error:  # told at the end: all bytes may be wrong
                sink.restart()
                raise TransientError(f"{name}: {reason(error)}") from None
            except FAULTS as error:
                raise TransientError(f"{name}: {reason(error)}", kind=TRUNCATED) from None
            if not piece:
                break
            try:
                sink.take(piece)
            except OSError as error:
                raise _SinkError(error) from error
            TRAFFIC.add(len(piece))
        if sink.size > size:
            sink.restart()
            raise TransientError(f"{name}: more bytes than the {size:,} that were listed")
        if sink.size < size:
            raise TransientError(f"{name}: {sink.size:,} bytes of the {size:,} that were listed", kind=TRUNCATED)

    def _page(self, name: str, asked: Mapping[str, str]) -> dict[str, Any]:
        """An answer to ListObjectsV2."""

        def send(client: Any, slot: Slot) -> dict[str, Any]:
            page: dict[str, Any] = client.list_objects_v2(**asked)
            self.retrier.answered(slot, good=True)
            if "IsTruncated" not in page:  # a proxy's page, which boto3 reads as an empty list
                raise TransientError(f"{name}: HTTP 200 with something that is no list of files")
            return page

        return self._ask(name, send)

    def _get(self, key: str, length: int | None = None, of: str = "", size: int | None = None) -> bytes:
        """The first bytes of an object, all without a length. of: the value of a Range header, empty for none.

        size: see `read`.
        """
        name, most = self._named(key), self.retrier.options.max_body
        asked = {"Bucket": self.bucket, "Key": key} | ({"Range": of} if of else {})

        def send(client: Any, slot: Slot) -> bytes:
            try:
                answer = client.get_object(**asked)
            except exceptions.ClientError as error:
                if of and _status(error.response) == 416:  # the object ends before it
                    self.retrier.answered(slot, good=True)
                    return b""
                raise
            self.retrier.answered(slot, good=True)
            with closing(answer["Body"]) as body:
                if not {"ETag", "ContentLength"} <= answer.keys():  # a proxy's page
                    raise TransientError(f"{name}: HTTP 200 with something that is no file of a bucket")
                if of and not answer.get("ContentRange", "").startswith(of.replace("=", " ").rpartition("-")[0] + "-"):
                    raise RequestError(f"{name}: the server does not serve parts of files (Range)")
                if length is None and answer["ContentLength"] > most:
                    raise self._too_large(name)
                try:
                    found = _read(body, most + 1 if length is None else length)
                except FAULTS as error:
                    raise TransientError(f"{name}: {reason(error)}", kind=TRUNCATED) from None
            # A proxy may give a length that fits the part of the object that it has.
            if size is not None and len(found) != _at_most(size, length):
                now = self._size_now(client, key)
                if now is None or len(found) != _at_most(now, length):
                    raise TransientError(
                        f"{name}: {len(found):,} bytes of the {size:,} that were listed", kind=TRUNCATED
                    )
            return found

        return self._ask(name, send)

    def _size_now(self, client: Any, key: str) -> int | None:
        """The size that the list has of an object now; None if it does not have it."""
        (found,) = client.list_objects_v2(Bucket=self.bucket, Prefix=key, MaxKeys=1).get("Contents") or [{}]
        return found["Size"] if found.get("Key") == key else None

    def _ask(self, name: str, send: Callable[[Any, Slot], T]) -> T:
        """Return what `send` returns, given boto3's client. Raises RequestError, naming what was asked for."""

        def once(slot: Slot) -> T:
            try:
                return send(self._client(), slot)
            # Never `from error`: what libraries say may hold more than belongs in a log.
            except exceptions.ClientError as error:
                self.retrier.answered(slot, good=False)
                raise self._refusal(name, error.response) from None
            except FAULTS as error:
                raise self._no_answer(name, error) from None

        return self.retrier.retry(once)

    def _client(self) -> Any:
        """boto3's client, which threads may share, though not make."""
        with self._opening:
            if self._opened is None:
                timeout = self.retrier.options.timeout
                config = Config(
                    signature_version=UNSIGNED if self.anonymous else None,
                    connect_timeout=timeout,
                    read_timeout=timeout,
                    max_pool_connections=CONNECTIONS,
                    user_agent=USER_AGENT,  # botocore's own takes a tenth of the time of a small request to make
                    retries={"total_max_attempts": 1, "mode": "standard"},
                )
                session = get_session()
                session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_time)
                session = boto3.session.Session(botocore_session=session)
                client = session.client("s3", endpoint_url=self.endpoint_url, config=config)
                client.meta.events.register("before-send.s3.GetObject", self._note)
                self._credentials = None if self.anonymous else session.get_credentials()
                # With its connections, proxies, certificates and names of faults.
                self._send = client._endpoint.http_session.send
                self._opened = client
            return self._opened

    def _note(self, request: AWSPreparedRequest, **_: Any) -> None:
        """Called by boto3 before it sends a request."""
        self._sent.request = request

    # --- faults ---

    def _named(self, key: str) -> str:
        at = f" (at {self.endpoint_url})" if self.endpoint_url else ""
        return f"{self.address}/{key}{at}"

    def _too_large(self, name: str) -> RequestError:
        return too_large(name, self.retrier.options.max_body / 1e6, self.keys.max_body_mb)

    def _refusal(self, name: str, answer: Mapping[str, Any]) -> RequestError:
        """What an answer that is no data means. Its code is shown; its text may repeat what was sent, and is not."""
        status, check = _status(answer), f"check {self.keys.check}"
        code = re.sub("[^A-Za-z0-9]", "", str(answer.get("Error", {}).get("Code", "")))[:60]
        told = f"{name}: HTTP {status}" + (f" {code}" if code not in ("", str(status)) else "")
        if code in PASSING or may_pass(status):
            headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
            return passing(told, status, headers.get("retry-after"))
        if code in OTHER_REGION:
            return RequestError(f"{told}: the bucket is in another region: set AWS_DEFAULT_REGION, or {check}")
        if code == "InvalidObjectState":
            return RequestError(f"{told}: the file is in cold storage: have it restored first")
        if code == "RequestTimeTooSkewed":
            return RequestError(f"{told}: this machine's clock is wrong by more than the server allows: set it right")
        if status in (401, 403) or code in EXPIRED:
            who = f"unsigned requests ({self.keys.anonymous}: true)" if self.anonymous else "your credentials"
            other = f"set {self.keys.anonymous}: false to use credentials" if self.anonymous else self._login()
            return RequestError(
                f"{told}: refused to {who}, which need s3:ListBucket and s3:GetObject. C{check[1:]}; {other}"
            )
        if status == 404:
            what = "bucket" if code == "NoSuchBucket" else "file, or it is gone since the bucket was listed"
            return RequestError(f"{told}: there is no such {what}: {check}", GONE)
        return RequestError(f"{told}: {check}")

    def _login(self) -> str:
        return (
            "credentials come from the environment (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE), "
            f"from ~/.aws, or from the machine's role; for a public bucket set {self.keys.anonymous}: true"
        )

    def _no_answer(self, name: str, error: Exception) -> RequestError:
        """What a fault means that is not an answer."""
        if isinstance(error, NO_CREDENTIALS):
            return RequestError(f"{name}: credentials are unavailable ({type(error).__name__}): {self._login()}")
        server = self.endpoint_url or f"the server of {self.address}"
        if fault := no_connection(error, name, server, self.keys.check, "AWS_CA_BUNDLE"):
            return fault
        told = f"{name}: {reason(error)}"
        if isinstance(error, NO_ANSWER):
            silent = isinstance(error, exceptions.ConnectionError | exceptions.HTTPClientError)
            return TransientError(told, refused=silent, kind=TRUNCATED)
        return RequestError(f"{told}: check {self.keys.check}", "no answer")


def _read(body: Any, most: int) -> bytes:
    """The first bytes of a body; boto3 checks its length and checksum if it is read to the end."""
    pieces, length = [], 0
    while length < most and (piece := body.read(PIECE)):
        pieces.append(piece)
        length += len(piece)
        TRAFFIC.add(len(piece))
    return b"".join(pieces)[:most]


def _at_most(size: int, length: int | None) -> int:
    return size if length is None else min(size, length)


def _encoding(told: str) -> str:
    """A Content-Encoding without what does not pack: `aws-chunked` stays of uploads in pieces."""
    names = (name.strip().lower() for name in told.split(","))
    return ", ".join(name for name in names if name not in ("", "identity", "aws-chunked"))


def _time(text: Any) -> datetime:
    """Parse a time of an answer: botocore's own parser, for any format, takes most of the time that a list takes."""
    try:
        return datetime.fromisoformat(text)
    except (TypeError, ValueError):
        time: datetime = parse_timestamp(text)
        return time


def _path(key: str) -> str:
    """A key as it stands in the address of its object."""
    return quote(key, safe="/~")


def _status(answer: Mapping[str, Any]) -> int:
    return int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
