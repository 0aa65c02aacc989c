"""Arrays written by hand, those that were made for this project, and a server on loopback that keeps a log."""

import json
import os
import ssl
import tarfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np
import numpy.typing as npt
import pytest

ROOT = Path(__file__).parents[2]
BUCKET = ROOT.parent / "shared" / "data" / "bucket"
made_data = pytest.mark.skipif(not BUCKET.is_dir(), reason=f"no arrays at {BUCKET}")


def unpack(folder: Path) -> Path:
    """The made arrays and graphs; the arrays of other libraries beside them."""
    for name in ("made.tar.gz", "zarr_implementations_subset.tar.gz"):
        with tarfile.open(BUCKET / name) as packed:
            packed.extractall(folder, filter="data")
    return folder / "made"


def write_zarr(path: Path, values: npt.NDArray[Any], chunks: Sequence[int] | None = None, **attributes: Any) -> Path:
    """An array in zarr v2 without compression, as its specification has it."""
    chunks = list(chunks or values.shape)
    path.mkdir(parents=True)
    entry = {
        "zarr_format": 2,
        "shape": list(values.shape),
        "chunks": chunks,
        "dtype": values.dtype.str,
        "compressor": None,
        "fill_value": 0,
        "order": "C",
        "filters": None,
    }
    (path / ".zarray").write_text(json.dumps(entry))
    (path / ".zattrs").write_text(json.dumps(attributes))
    counts = [-(-n // chunk) for n, chunk in zip(values.shape, chunks, strict=True)]
    for place in np.ndindex(*counts):
        begin = [index * chunk for index, chunk in zip(place, chunks, strict=True)]
        part = values[tuple(slice(b, b + chunk) for b, chunk in zip(begin, chunks, strict=True))]
        whole = np.zeros(chunks, values.dtype)
        whole[tuple(slice(0, n) for n in part.shape)] = part
        (path / ".".join(map(str, place))).write_bytes(whole.tobytes())
    return path


def write_n5(path: Path, values: npt.NDArray[Any], **attributes: Any) -> Path:
    """An array in n5 of one raw block; values: in z, y, x, stored as x, y, z."""
    z, y, x = values.shape
    path.mkdir(parents=True)
    entry = {"dimensions": [x, y, z], "blockSize": [x, y, z], "dataType": values.dtype.name}
    (path / "attributes.json").write_text(json.dumps({**entry, "compression": {"type": "raw"}, **attributes}))
    block = path / "0" / "0" / "0"
    block.parent.mkdir(parents=True)
    header = np.array([0, 3], ">u2").tobytes() + np.array([x, y, z], ">u4").tobytes()
    block.write_bytes(header + values.astype(values.dtype.newbyteorder(">")).tobytes())
    return path


class Web:
    """What a server was asked for: paths and Range headers. most: how many requests were there at a time."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked: list[tuple[str, str | None]] = []
        self.most = 0
        self._now = 0
        self._lock = threading.Lock()

    def wait(self, seconds: float) -> None:
        """Let a request wait before it is answered, so that others that are sent meanwhile are counted."""
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        time.sleep(seconds)
        with self._lock:
            self._now -= 1


@contextmanager
def served(
    folder: Path,
    broken: str | None = None,
    seconds: float = 0,
    tls: ssl.SSLContext | None = None,
    fault: tuple[int, bytes] = (503, b""),
) -> Iterator[Web]:
    """Serve a folder over HTTP with ranges, as a server of S3, and as Google's JSON API. broken: paths with it fail.

    seconds: that each request waits. tls: serve https. fault: status and body of the answer for what is broken.
    """
    web: Web

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            web.asked.append((self.path, self.headers.get("Range")))
            web.wait(seconds)
            path = urlsplit(self.path).path
            if path.startswith("/storage/v1/b/"):
                path = path.partition("/o/")[2]
            if broken and broken in path:
                self.send_response(fault[0])
                self.send_header("Content-Length", str(len(fault[1])))
                self.end_headers()
                self.wfile.write(fault[1])
                return
            file = folder / unquote(path).lstrip("/")
            if not file.is_file():
                self.send_error(404)
                return
            body, status, length = file.read_bytes(), 200, file.stat().st_size
            headers = {"x-goog-generation": "1", "ETag": '"1"'}
            if asked := self.headers.get("Range"):
                first, _, last = asked.removeprefix("bytes=").partition("-")
                begin = int(first) if first else max(0, length - int(last))
                end = min(length, int(last) + 1) if first and last else length
                headers["Content-Range"], status = f"bytes {begin}-{end - 1}/{length}", 206
                body = body[begin:end]
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    web = Web(f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def below(folder: Path) -> dict[str, bytes]:
    """The files of a folder by their paths in it."""
    return {os.path.relpath(path, folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
