"""The files below an address, in a bucket or a folder: listed in the order of their keys, and copied piece by piece.

`open_objects` knows from the address what it is. A key is what stands below the address; where the address is that of
one file, it is the file's name.
"""

import difflib
import logging
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from ifcb_abundance.common.errors import RequestError
from ifcb_abundance.config.stages.stores import Store
from ifcb_abundance.sources.faults import CHANGED, GONE
from ifcb_abundance.sources.retry import RequestOptions, Retrier

if TYPE_CHECKING:
    from ifcb_abundance.sources.s3 import S3Client, S3Object, Sink

log = logging.getLogger("ifcb.objects")

GOOGLE = "https://storage.googleapis.com"  # Google's buckets, as S3's clients ask for them
PAGE = 1000
PIECE = 2**20  # bytes of a file that are read at a time
NEAR = 5  # names that a message gives


class StoredObject(NamedTuple):
    """A file. size: bytes. etag: without quotes; of a file on disk its size and time of change."""

    key: str
    size: int
    etag: str
    modified: datetime
    storage_class: str


class Objects(Protocol):
    """The files below an address. Its methods raise RequestError or UnreachableError.

    is_one_file: the address is that of a file, and no folder. `pages` finds it out, and `copy` has to know it.
    """

    address: str
    is_one_file: bool

    def pages(self) -> Iterator[list[StoredObject]]:
        """List all files, in the order of the bytes of their keys. Raises RequestError if there is none."""

    def copy(self, found: StoredObject, sink: "Sink") -> bool:
        """Give the sink what it lacks of a file. Returns whether the etag may be the file's MD5.

        Raises RequestError, of the kind CHANGED if the file is no longer the one that was listed.
        """

    def given_up(self) -> str:
        """Why nothing more is asked of the server; empty as long as it is, or if there is none."""


def endpoint_of(scheme: str, endpoint_url: str | None) -> str | None:
    """The server of a bucket: the one of the config, Google's for gs://, otherwise the usual one (None)."""
    return endpoint_url or (GOOGLE if scheme == "gs" else None)


def open_objects(store: Store, requests: RequestOptions, section: str) -> Objects:
    """Return the files below the url of a store. Opens nothing yet.

    section: of the config, such as `stores.fib25`, for messages.
    """
    return BucketObjects(store, requests, section) if "://" in store.url else FolderObjects(store.url)


class BucketObjects:
    """The files below a prefix of a bucket."""

    def __init__(self, store: Store, requests: RequestOptions, section: str) -> None:
        self.address = store.url.rstrip("/")
        self.prefix = self.address.partition("://")[2].partition("/")[2]
        self.is_one_file = False
        self._store, self._section = store, section
        self._retrier = Retrier(requests)
        self._opened: S3Client | None = None

    @property
    def client(self) -> "S3Client":
        """The client, whose import takes time."""
        from ifcb_abundance.sources.s3 import ConfigKeys, S3Client

        if self._opened is None:
            keys = ConfigKeys(*(f"{self._section}.{key}" for key in ("url", "endpoint_url", "anonymous", "max_bytes")))
            scheme, _, place = self.address.partition("://")
            at = endpoint_of(scheme, self._store.endpoint_url)
            bucket, anonymous = place.partition("/")[0], self._store.anonymous
            self._opened = S3Client(bucket, at, anonymous, self._retrier, keys, scheme)
        return self._opened

    def pages(self) -> Iterator[list[StoredObject]]:
        """See Objects. Keys that end with `/` are markers of folders, and no files."""
        there = False
        folder = f"{self.prefix}/" if self.prefix else ""
        for page in self.client.pages(folder):
            if found := [_below(each, len(folder)) for each in page.objects if not each.key.endswith("/")]:
                there = True
                yield found
        if there:
            return
        if self.prefix and not self._store.url.endswith("/"):
            first = next(self.client.pages(self.prefix)).objects
            if first and first[0].key == self.prefix:
                self.is_one_file = True
                yield [_below(first[0], self.prefix.rfind("/") + 1)]
                return
        bucket = "/".join(self.address.split("/")[:3])
        raise RequestError(_nothing(bucket, self.prefix.split("/"), self._names))

    def copy(self, found: StoredObject, sink: "Sink") -> bool:
        """See Objects."""
        from ifcb_abundance.sources.s3 import S3Object

        folder = f"{self.prefix}/" if self.prefix else ""
        return self.client.copy(S3Object(self.prefix if self.is_one_file else folder + found.key, *found[1:]), sink)

    def given_up(self) -> str:
        """See Objects."""
        return self._retrier.given_up

    def _names(self, folder: str) -> list[str]:
        """The names right below a folder: a page of them."""
        above = f"{folder}/" if folder else ""
        page = next(self.client.pages(above, "/"))
        keys = [*page.folders, *(each.key for each in page.objects)]
        return [name for key in keys if (name := key[len(above) :].rstrip("/"))]


class FolderObjects:
    """The files below a folder on disk. Folders that are symbolic links are entered, but none within itself."""

    def __init__(self, path: str) -> None:
        self.address = path.rstrip("/") or "/"
        self.is_one_file = False

    def pages(self) -> Iterator[list[StoredObject]]:
        """See Objects."""
        root = Path(self.address)
        if not root.exists():
            raise RequestError(self._nothing_there())
        if root.is_file():
            self.is_one_file = True
            yield [_of_file(root.name, root.stat())]
            return
        page: list[StoredObject] = []
        empty = True
        for found in self._walk():
            empty = False
            page.append(found)
            if len(page) == PAGE:
                yield page
                page = []
        if page:
            yield page
        if empty:
            raise RequestError(self._nothing_there())

    def copy(self, found: StoredObject, sink: "Sink") -> bool:
        """See Objects."""
        path = Path(self.address) if self.is_one_file else Path(self.address, found.key)
        for piece in _pieces(path, found.etag, sink.size):
            sink.take(piece)
        if sink.size != found.size:
            raise _changed(path)
        return False

    def given_up(self) -> str:
        """See Objects."""
        return ""

    def _walk(self, above: str = "", within: tuple[tuple[int, int], ...] = ()) -> Iterator[StoredObject]:
        """The files of a folder in the order of their keys. within: the folders on the way to it, so that none is
        entered within itself."""
        folder = Path(self.address, above)
        try:
            found = folder.stat()
            here = (found.st_dev, found.st_ino)
            if here in within:
                return
            with os.scandir(folder) as listed:
                entries = list(listed)
        except OSError as error:
            raise RequestError(f"{folder}: cannot be read ({error.strerror})") from None
        named: list[tuple[str, os.stat_result]] = []
        for entry in entries:
            try:
                entry.name.encode()
                found = entry.stat()
            except (UnicodeEncodeError, OSError) as error:  # a link to nothing; a name that is no text
                log.warning(f"{folder}: {entry.name!r} is left out: {error}")
                continue
            named.append((entry.name + "/" * stat.S_ISDIR(found.st_mode), found))
        for name, found in sorted(named, key=lambda each: each[0]):
            if name.endswith("/"):
                yield from self._walk(above + name, (*within, here))
            elif stat.S_ISREG(found.st_mode):
                yield _of_file(above + name, found)

    def _nothing_there(self) -> str:
        top = "/" if self.address.startswith("/") else "."
        return _nothing(top, self.address.strip("/").split("/"), lambda folder: self._names(Path(top, folder)))

    @staticmethod
    def _names(folder: Path) -> list[str]:
        try:
            return [path.name for path in folder.iterdir()]
        except OSError:
            return []


def _below(found: "S3Object", length: int) -> StoredObject:
    """An object of a bucket, with its key below a prefix of that length."""
    return StoredObject(found.key[length:], *found[1:])


def _of_file(key: str, found: os.stat_result) -> StoredObject:
    modified = datetime.fromtimestamp(found.st_mtime_ns // 1000 / 1e6, UTC)
    return StoredObject(key, found.st_size, _etag(found), modified, "")


def _etag(found: os.stat_result) -> str:
    return f"{found.st_size:x}-{found.st_mtime_ns:x}"


def _changed(path: Path) -> RequestError:
    return RequestError(f"{path}: it has changed since it was listed", CHANGED)


def _pieces(path: Path, etag: str, start: int) -> Iterator[bytes]:
    """Read a file from there on. Raises RequestError, which names it: what an OSError of a read says has no name."""
    try:
        with path.open("rb") as file:
            file.seek(start)
            while _etag(os.fstat(file.fileno())) == etag:
                if not (piece := file.read(PIECE)):
                    return
                yield piece
    except OSError as error:
        kind = GONE if isinstance(error, FileNotFoundError) else ""
        raise RequestError(f"{path}: cannot be read ({error.strerror})", kind) from None
    raise _changed(path)


def _nothing(top: str, steps: Sequence[str], names_in: Callable[[str], list[str]]) -> str:
    """The message for an address without files: it has the names that are nearest to the step that is not there.

    top, steps: the address, such as `s3://bucket` and the parts of a prefix. names_in: what there is right in a folder
    below the top, which may not be there.
    """
    address = "/".join([top.rstrip("/"), *steps])
    for depth in range(len(steps) - 1, -1, -1):
        names = sorted(set(names_in("/".join(steps[:depth]))) - {steps[depth]})
        if near := difflib.get_close_matches(steps[depth], names, NEAR, 0.5) or names[:NEAR]:
            above = "/".join([top.rstrip("/"), *steps[:depth]])
            return f"{address}: there is no file at or below this address. In {above or top} there is {', '.join(near)}"
    return f"{address}: there is no file at or below this address, and nothing near it"
