"""The ways in which the emulated dashboard misbehaves when a test asks for it."""

import gzip
import math
import re
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from email.utils import formatdate
from typing import Any

from .answers import Answer, error_page, html_page

# Half of the answer is sent; nothing is sent; after either the connection is closed.
HALF = ("cut", "cut_length", "cut_close", "stall_body")
BROKEN = (*HALF, "reset", "stall")

# The options each kind takes, with what stands for one not given.
KINDS: dict[str, dict[str, Any]] = {
    "status": {"status": 503, "headers": {}},
    "busy": {"status": 503, "after": 1, "date": False},
    "html": {},
    "empty": {},
    "redirect": {"location": "/timeline?dataset=elsewhere"},
    "body": {"body": b"", "content_type": "text/csv"},
    "transform": {"function": bytes},
    "typed": {"content_type": "text/plain"},
    "gzip": {},
    "gzip_cut": {},
    "delay": {"seconds": 1.0},
    "stall": {"seconds": 3600.0},
    "stall_body": {"seconds": 3600.0},
    "reset": {},
    "cut": {},
    "cut_length": {},
    "cut_close": {},
}


class Fault:
    """One thing that goes wrong with requests whose target (path?query) matches a regex.

    The first `skip` matching requests are answered as they should be, the next `times` are not (None: all).
    The kinds, and in brackets their options:

    - `status` [status, headers]: an error status and an HTML body
    - `busy` [status, after, date]: an error status with Retry-After: so many seconds, or the date by then
    - `html`: 200 and an HTML page
    - `empty`: 200, text/csv, no bytes
    - `redirect` [location]: 302, by default to an HTML page of this server
    - `body` [body, content_type]: 200 and these bytes
    - `transform` [function]: the right answer, its body passed through a function bytes -> bytes
    - `typed` [content_type]: the right answer under another Content-Type
    - `gzip`: the right answer, compressed
    - `gzip_cut`: Content-Encoding gzip and half of the compressed body; its chunks end as they should
    - `delay` [seconds]: the right answer, that much later
    - `reset`: the connection is reset, no answer
    - `stall` [seconds]: silence, then the connection is closed
    - `stall_body` [seconds]: half of a chunked body, silence, closed
    - `cut`: half of a chunked body, closed
    - `cut_length`: a Content-Length, half of the bytes, closed
    - `cut_close`: no Content-Length, no chunks, closed in the middle of a line: HTTP itself shows no fault
    """

    def __init__(self, match: str, kind: str, times: int | None = 1, skip: int = 0, **options: Any) -> None:
        if kind not in KINDS:
            raise ValueError(f"fault {kind!r}: expected one of {', '.join(KINDS)}")
        if unknown := options.keys() - KINDS[kind].keys():
            raise ValueError(f"fault {kind!r} has no option {', '.join(sorted(unknown))}")
        self.match = match
        self.kind = kind
        self.times = times
        self.skip = skip
        self.options = KINDS[kind] | options

    def __repr__(self) -> str:
        return f"Fault({self.match!r}, {self.kind!r}, times={self.times}, skip={self.skip})"


class Chooser:
    """Which fault a request meets. Counts, and so has to be called under one lock."""

    def __init__(self) -> None:
        self._met: dict[Fault, int] = {}

    def choose(self, faults: Sequence[Fault], target: str) -> Fault | None:
        """The first fault that is due; one taken by an earlier fault is not counted by the later ones."""
        for fault in faults:
            if not re.search(fault.match, target):
                continue
            met = self._met[fault] = self._met.get(fault, 0) + 1
            if met > fault.skip and (fault.times is None or met <= fault.skip + fault.times):
                return fault
        return None


def spoil(fault: Fault, right: Answer) -> Answer:
    """The answer that goes out whole instead of the right one; the right one itself for the other kinds."""
    options = fault.options
    match fault.kind:
        case "status":
            return replace(error_page(options["status"]), headers=options["headers"])
        case "busy":
            after = options["after"]
            # A date has no parts of a second: up to the next one, so that the wait is never shorter than said.
            said = formatdate(math.ceil(time.time() + after), usegmt=True) if options["date"] else str(after)
            return replace(error_page(options["status"]), headers={"Retry-After": said})
        case "html":
            return Answer(200, html_page("IFCB dashboard"))
        case "empty":
            return Answer(200, b"", "text/csv", streamed=True)
        case "redirect":
            return Answer(302, headers={"Location": options["location"]})
        case "body":
            return Answer(200, options["body"], options["content_type"], streamed=True)
        case "transform":
            return replace(right, body=options["function"](right.body))
        case "typed":
            return replace(right, content_type=options["content_type"])
        case "gzip" | "gzip_cut":
            packed = gzip.compress(right.body, mtime=0)
            sent = packed if fault.kind == "gzip" else packed[: len(packed) // 2]
            return replace(right, body=sent, headers={"Content-Encoding": "gzip"}, streamed=True)
    return right


def half_an_answer(kind: str, right: Answer) -> bytes:
    """The bytes of `cut`, `stall_body`, `cut_length` and `cut_close`, head included."""
    body = right.body
    middle = len(body) // 2
    if kind == "cut_close" and body[:middle].endswith(b"\n"):
        middle -= 1
    half = body[:middle]
    match kind:
        case "cut_length":
            framing = f"Content-Length: {len(body)}"
        case "cut_close":
            framing = "Connection: close"
        case _:
            framing = "Transfer-Encoding: chunked"
            # A chunk of no bytes would be the end of the body.
            half = b"%x\r\n%s\r\n" % (len(half), half) if half else b""
    lines = [f"HTTP/1.1 {right.status} -", f"Content-Type: {right.content_type}", framing]
    lines += [f"{name}: {value}" for name, value in right.headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + half


@contextmanager
def deaf(port: int) -> Iterator[None]:
    """A server on the port that is there but takes no connection: attempts to connect end in a time-out.

    Its queue of connections that wait to be accepted is full, so the system drops what comes after.
    """
    with ExitStack() as sockets:
        listener = sockets.enter_context(socket.socket())
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(0)
        for _ in range(16):
            waiting = sockets.enter_context(socket.socket())
            waiting.settimeout(0.2)
            try:
                waiting.connect(listener.getsockname())
            except TimeoutError:
                break
        else:
            raise RuntimeError("the system takes any number of connections that nobody accepts")
        yield
