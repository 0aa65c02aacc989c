"""The HTTP client. It reads only (GET), and checks that answers are data: not an HTML page, empty or truncated."""

import threading
import zlib
from urllib.parse import urlsplit

import requests
import urllib3

from ifcb_abundance.common.errors import RequestError, TransientError
from ifcb_abundance.common.progress import TRAFFIC
from ifcb_abundance.common.version import USER_AGENT
from ifcb_abundance.sources.concurrency import Slot
from ifcb_abundance.sources.faults import PIECE, TRUNCATED, may_pass, no_connection, passing, reason, too_large
from ifcb_abundance.sources.retry import Retrier

LINE, JSON, ANYTHING = (b"\n",), (b"\n", b"}"), (b"",)  # how a whole answer ends


class HttpClient:
    """Reads from the server at `url`, for any number of threads: one request at a time for each."""

    def __init__(self, url: str, retrier: Retrier) -> None:
        self.url = url
        self.retrier = retrier
        self._local = threading.local()  # requests does not promise that sessions are safe across threads

    def get(self, target: str, ends: tuple[bytes, ...] = JSON, may_be_empty: bool = False) -> bytes | None:
        """Return the body of the answer, None for HTTP 404. Transient faults are tried again with growing waits.

        target: path and query. ends: one of LINE, JSON, ANYTHING. may_be_empty: a body without a byte is an answer,
        if the server says by its length or chunks that it is whole. Raises RequestError, UnreachableError.
        """
        return self.retrier.retry(lambda slot: self._fetch(self.url + target, ends, may_be_empty, slot))

    def _fetch(self, address: str, ends: tuple[bytes, ...], may_be_empty: bool, slot: Slot) -> bytes | None:
        session = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = requests.Session()
            session.headers.update({"User-Agent": USER_AGENT, "Accept-Encoding": "gzip"})
        began = False
        try:
            # Redirects are for browsers: a mistyped address is redirected to a page.
            timeout = self.retrier.options.timeout
            with session.get(address, timeout=timeout, allow_redirects=False, stream=True) as response:
                began = True
                self.retrier.answered(slot, good=response.status_code in (200, 404))
                body = self._body(response, address)
        except requests.exceptions.InvalidURL as error:
            raise RequestError(f"{address}: {error}") from error
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, EOFError, zlib.error) as error:
            if not began and (fault := no_connection(error, address, self.url, "source.url", "REQUESTS_CA_BUNDLE")):
                raise fault from error
            no_answer = isinstance(error, requests.ConnectionError | requests.Timeout)
            raise TransientError(f"{address}: {reason(error)}", refused=no_answer, kind=TRUNCATED) from error
        if not (may_be_empty and _is_empty(response, body)):
            _check(response, address, body, ends)
        return None if response.status_code == 404 else body

    def _body(self, response: requests.Response, address: str) -> bytes:
        """The whole body, unpacked piece by piece: urllib3 would accept a truncated gzip stream."""
        most = self.retrier.options.max_body
        gzipped = response.headers.get("Content-Encoding", "").lower() in ("gzip", "x-gzip")
        unpacker = zlib.decompressobj(wbits=31) if gzipped else None
        pieces, size = [], 0
        for piece in response.raw.stream(PIECE, decode_content=False):
            TRAFFIC.add(len(piece))
            pieces.append(unpacker.decompress(piece, most + 1 - size) if unpacker else piece)
            size += len(pieces[-1])
            if size > most:
                raise too_large(address, most / 1e6, "source.max_body_mb")
        if unpacker and (not unpacker.eof or unpacker.unused_data):
            raise EOFError("the compressed answer is truncated")
        return b"".join(pieces)


def _is_empty(response: requests.Response, body: bytes) -> bool:
    """Whether an answer is a file without a byte, and no page or refusal. A cut one was told of when it was read."""
    headers = response.headers
    framed = headers.get("Content-Length") == "0" or headers.get("Transfer-Encoding", "").lower() == "chunked"
    whole = framed or "Content-Encoding" in headers  # what is compressed has an end of its own
    return response.status_code == 200 and whole and not body and "html" not in headers.get("Content-Type", "")


def _check(response: requests.Response, address: str, body: bytes, ends: tuple[bytes, ...]) -> None:
    """Raise RequestError unless the answer is data or a plain 404."""
    status, headers = response.status_code, response.headers
    kind = f"HTTP {status}"
    if status == 404:
        return
    told = f"{address}: HTTP {status} {response.reason}"
    if may_pass(status):
        raise passing(told, status, headers.get("Retry-After"))
    if 300 <= status < 400:
        raise RequestError(
            f"{address}: HTTP {status}, a redirect to {headers.get('Location')}: "
            "check source.url (http or https, host, path) and dataset",
            kind,
        )
    if status in (401, 403):
        raise RequestError(
            f"{told}: the server wants a login, which goes into the file .netrc of "
            f"your home folder: machine {urlsplit(address).hostname} login NAME password WORD",
            kind,
        )
    if status != 200:
        raise RequestError(told, kind)
    if "html" in headers.get("Content-Type", "") or (ends != ANYTHING and body[:200].lstrip()[:1] == b"<"):
        raise TransientError(f"{address}: HTTP 200 with an HTML page instead of data", kind="an HTML page, not data")
    if not body:
        raise TransientError(f"{address}: HTTP 200 with an empty answer", kind="an empty answer")
    # A length and the last chunk are no proof: a proxy may end an answer properly after it received only a part.
    if not body.endswith(ends):
        raise TransientError(f"{address}: the answer is truncated in the middle of a line", kind=TRUNCATED)
