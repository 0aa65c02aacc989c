"""An HTTP server on loopback that behaves as the dashboard does, right or wrong, and keeps a log."""

import asyncio
import re
import socket
import ssl
import struct
import threading
import time
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Self

from aiohttp import web

from .answers import Answer, Answers, ScoreBody, error_page
from .archive import ScoreDirectory
from .faults import BROKEN, HALF, Chooser, Fault, half_an_answer, spoil

__all__ = ["Emulator", "Fault", "Request", "ScoreDirectory"]

HOST = "127.0.0.1"
PIECE = 256 * 1024  # bytes per chunk of a streamed body


@dataclass
class Request:
    """A request as it came in; the last three fields are filled in as it is answered."""

    method: str
    target: str  # path?query, as sent
    path: str
    query: dict[str, str]
    headers: Mapping[str, str]
    started: float  # time.monotonic()
    finished: float | None = None
    status: int | None = None  # None as long as there is no whole answer
    fault: str | None = None


@dataclass(eq=False)
class Emulator:
    """A dashboard of one version over archives on disk, by dataset's name; served from a thread of its own.

    `latency`: seconds before each answer. `faults`: see `Fault`; the list may be changed at any time.
    `keep_alive` False closes the connection after each answer, as the dashboard's own worker does when there
    is no proxy before it. `score_dtype`, `score_body`, `score_directories`, `renamed`: see `Answers`. `capacity`: as
    many requests at a time are served, the others refused (503); may be changed at any time. `workers`: as many are
    worked on at a time, the others wait for their turn; None is no limit. `port` 0 takes a free one. `tls`: serve
    https. `login`: "user:password" that each request has to bring (HTTP Basic), else 401. It is a forward proxy too: a
    request for another host is answered as its own.
    """

    archives: Mapping[str, Path]
    version: str = "5.2"
    _: KW_ONLY
    latency: float = 0.0
    keep_alive: bool = True
    score_dtype: str = "float16"
    score_body: ScoreBody | None = None
    score_directories: Sequence[ScoreDirectory] = ()
    renamed: Mapping[str, str] | None = None
    faults: Iterable[Fault] = ()
    capacity: int | None = None
    workers: int | None = None
    port: int = 0
    tls: ssl.SSLContext | None = None
    login: str | None = None

    def __post_init__(self) -> None:
        self.archives = dict(self.archives)
        self.faults = list(self.faults)
        self._lock = threading.Lock()
        self._log: list[Request] = []
        self._in_flight = 0
        self._chooser = Chooser()
        self._thread: threading.Thread | None = None
        self.reload()

    # -- for the caller ----------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """Address without a slash at its end."""
        return f"{'https' if self.tls else 'http'}://{HOST}:{self.port}"

    @property
    def requests(self) -> list[Request]:
        """Every request since the last `clear`, in the order of arrival."""
        with self._lock:
            return list(self._log)

    def clear(self) -> int:
        """Forget the requests; returns how many there were."""
        with self._lock:
            forgotten = len(self._log)
            self._log.clear()
        return forgotten

    def reload(self) -> None:
        """Read the archives again: bins and scores added or changed since are served from now on."""
        self._answers = Answers(
            self.archives, self.version, self.score_dtype, self.score_body, self.score_directories, self.renamed
        )

    def most_at_once(self, pattern: str | None = None) -> int:
        """The greatest number of requests in flight at the same time; only those whose target matches."""
        requests = [r for r in self.requests if pattern is None or re.search(pattern, r.target)]
        changes = [(r.started, 1) for r in requests]
        changes += [(r.finished, -1) for r in requests if r.finished is not None]
        most = now = 0
        for _, change in sorted(changes):  # at the same instant the end comes before the start
            now += change
            most = max(most, now)
        return most

    def start(self) -> Self:
        """Serve until `close`. Raises OSError if the port is taken."""
        listening: Future[int] = Future()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(listening)), name="dashboard emulator", daemon=True
        )
        self._thread.start()
        self.port = listening.result()
        return self

    def close(self) -> None:
        """Stop serving; answers under way are broken off."""
        if self._thread is not None:
            self._loop.call_soon_threadsafe(self._closing.set)
            self._thread.join()
            self._thread = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- in the server's thread --------------------------------------------------------------------------

    async def _serve(self, listening: "Future[int]") -> None:
        self._loop = asyncio.get_running_loop()
        self._closing = asyncio.Event()
        self._turns = asyncio.Semaphore(self.workers or 1_000_000)
        # A client that gives up ends its request: one that stalls is not in flight for longer than that.
        server = web.Server(self._handle, access_log=None, handler_cancellation=True)
        runner = web.ServerRunner(server, shutdown_timeout=0.02)
        try:
            await runner.setup()
            await web.TCPSite(runner, HOST, self.port, ssl_context=self.tls).start()
            listening.set_result(runner.addresses[0][1])
            await self._closing.wait()
        except OSError as error:
            listening.set_exception(error)
        finally:
            await runner.cleanup()

    async def _handle(self, incoming: web.BaseRequest) -> web.StreamResponse:
        request = Request(
            method=incoming.method,
            target=incoming.raw_path,
            path=incoming.path,
            query=dict(incoming.query.items()),
            headers=incoming.headers.copy(),
            started=time.monotonic(),
        )
        with self._lock:
            self._log.append(request)
            fault = self._chooser.choose(self.faults, request.target)
            self._in_flight += 1
            if self.capacity is not None and self._in_flight > self.capacity:
                fault = Fault("", "status", status=503)
        request.fault = fault.kind if fault else None
        try:
            async with self._turns:
                await asyncio.sleep(self.latency)
            if fault is not None:
                return await self._misbehave(incoming, request, fault)
            if self.login and request.headers.get("Authorization") != _basic(self.login):
                return await self._send(incoming, request, error_page(401))
            answer = self._answers.answer(request.method, request.path, request.query)
            return await self._send(incoming, request, answer)
        except ConnectionError:
            return web.Response()  # the client is gone; there is nobody to tell
        finally:
            self._in_flight -= 1
            if request.finished is None:
                request.finished = time.monotonic()

    async def _misbehave(self, incoming: web.BaseRequest, request: Request, fault: Fault) -> web.StreamResponse:
        if fault.kind in BROKEN:
            if fault.kind in HALF:
                answer = self._answers.answer(request.method, request.path, request.query)
                _transport(incoming).write(half_an_answer(fault.kind, answer))
            await asyncio.sleep(fault.options.get("seconds", 0.0))
            request.finished = time.monotonic()
            _drop(_transport(incoming), reset=fault.kind == "reset")
            return web.Response()

        await asyncio.sleep(fault.options.get("seconds", 0.0))
        answer = self._answers.answer(request.method, request.path, request.query)
        return await self._send(incoming, request, spoil(fault, answer))

    async def _send(self, incoming: web.BaseRequest, request: Request, answer: Answer) -> web.StreamResponse:
        headers = {"Server": "gunicorn", "Content-Type": answer.content_type, **answer.headers}
        response = web.StreamResponse(status=answer.status, headers=headers)
        if not self.keep_alive:
            response.force_close()
        if not answer.streamed:
            response.content_length = len(answer.body)
        elif incoming.method != "HEAD":
            response.enable_chunked_encoding()
        body = b"" if incoming.method == "HEAD" else answer.body
        end = max(0, len(body) - PIECE)

        def note() -> None:
            # Before the last bytes go out: a client that has them all may ask again at once, and would
            # otherwise be counted twice.
            request.status = answer.status
            request.finished = time.monotonic()

        if not body:
            note()  # the head is then all there is
        await response.prepare(incoming)
        for start in range(0, end, PIECE):
            await response.write(body[start : min(start + PIECE, end)])
        if body:
            note()
        await response.write_eof(body[end:])
        return response


def _basic(login: str) -> str:
    return f"Basic {b64encode(login.encode()).decode()}"


def _transport(incoming: web.BaseRequest) -> asyncio.Transport:
    if incoming.transport is None:
        raise ConnectionResetError("the client closed the connection")
    return incoming.transport


def _drop(transport: asyncio.Transport, reset: bool) -> None:
    """Close a connection: after what has been written, or at once by a TCP reset."""
    if reset:
        connection: socket.socket = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    else:
        transport.close()
