"""Fetches the files of a plan into a tree, and goes on where an earlier run stopped.

A file is written beside the tree. When it is whole and checked, it is noted in a journal and moved into the tree, so
that the next run asks for it no more and need not read it. None of this is an output of the engine, which would
delete it after a failure.
"""

import hashlib
import json
import logging
import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple

from ifcb_abundance.common import stopping
from ifcb_abundance.common.atomic_write import NO_ROOM
from ifcb_abundance.common.errors import RequestError, StateError
from ifcb_abundance.common.progress import Transfer
from ifcb_abundance.common.words import counted, sized
from ifcb_abundance.sources.faults import CHANGED, GONE
from ifcb_abundance.sources.objects import Objects, StoredObject
from ifcb_abundance.stores.object_tables import is_one_file, read_objects
from ifcb_abundance.stores.plan import refuse_without_room
from ifcb_abundance.stores.tree import Places, size_of
from ifcb_abundance.tables import table_files

log = logging.getLogger("ifcb.fetch")

MD5 = re.compile("[0-9a-f]{32}")
PIECE = 2**20  # bytes of a file that are read at a time
LONGEST = 255  # bytes of a file's name
READY = 2  # threads more than requests at a time: they open and move files meanwhile
NAMED = 3  # files that a warning names
ENOUGH = 20  # files that failed: no more are asked for


class Whole(NamedTuple):
    """What the journal has of a file in the tree. changed: its time of change in ns."""

    size: int
    etag: str
    sha256: str
    checked: str
    seconds: float
    changed: int
    content_encoding: str = ""  # journals of earlier versions do not have it


class Part:
    """A file that is not whole yet. Bytes that an earlier run wrote are read once, for the checksums.

    size: bytes that it has. content_encoding: see Sink.
    """

    content_encoding = ""

    def __init__(self, path: Path, on_bytes: Callable[[int], None]) -> None:
        self._on_bytes = on_bytes
        self._file = path.open("a+b", buffering=0)
        self._reset()
        self._file.seek(0)
        while piece := self._file.read(PIECE):
            self._hash(piece)
        self.size = self._file.tell()

    def take(self, piece: bytes) -> None:
        """See Sink."""
        stopping.refuse_if_asked()
        left = memoryview(piece)
        while left:
            left = left[self._file.write(left) :]
        self._hash(piece)
        self.size += len(piece)
        self._on_bytes(len(piece))

    def restart(self) -> None:
        """See Sink."""
        self._on_bytes(-self.size)
        self._file.truncate(0)
        self._reset()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    @property
    def md5(self) -> str:
        """The MD5 of all bytes."""
        return self._md5.hexdigest()

    @property
    def sha256(self) -> str:
        """The SHA-256 of all bytes."""
        return self._sha256.hexdigest()

    def _reset(self) -> None:
        self.size = 0
        self._md5, self._sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()

    def _hash(self, piece: bytes) -> None:
        self._md5.update(piece)
        self._sha256.update(piece)


class Fetch:
    """Brings the files of a plan into the tree. Its methods may be called from any number of threads.

    requests: the most at a time.
    """

    def __init__(self, objects: Objects, places: Places, progress: Transfer, requests: int) -> None:
        self.objects = objects
        self._at_once = threading.Semaphore(requests)
        self.places = places
        self.progress = progress
        self._lock = threading.Lock()
        self._whole = _read_journal(places.journal)
        places.tree.mkdir(parents=True, exist_ok=True)
        places.unfinished.mkdir(exist_ok=True)
        self._journal = places.journal.open("a", encoding="utf-8")

    def close(self) -> None:
        """Close the journal."""
        self._journal.close()

    def whole(self, key: str) -> Whole:
        """What is known of a file that is in the tree."""
        return self._whole[key]

    def bring(self, found: StoredObject) -> None:
        """Have a file in the tree, whole. Raises RequestError, UnreachableError; StateError if it cannot be written."""
        try:
            if self._is_there(found):
                self.progress.add(1, found.size, before=True)
            else:
                self._fetch(found)
                self.progress.add(1, 0)
        except OSError as error:
            why = NO_ROOM.get(error.errno or 0, error.strerror)
            raise StateError(
                f"{self.places.tree / found.key}: cannot be written: {why}. What is whole stays; then run the same "
                "command again"
            ) from None

    def _is_there(self, found: StoredObject) -> bool:
        """Whether the file is in the tree and right. Its contents are read only if the journal does not know it."""
        path = self.places.tree / found.key
        try:
            there = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        if there.st_size != found.size:
            return False
        known = self._whole.get(found.key)
        is_noted = known is not None and known.etag == found.etag
        if known and is_noted and known.changed == there.st_mtime_ns:
            return True
        has_md5 = MD5.fullmatch(found.etag) is not None
        if known and not is_noted and not has_md5:
            return False  # it is another version, of the same size: what is moved here is noted before
        digests = _digests(path)
        right = known.sha256 == digests[1] if known and is_noted else found.etag == digests[0] or not has_md5
        if right:
            checked = "md5" if found.etag == digests[0] else "size"
            encoding = known.content_encoding if known and is_noted else ""
            self._note(found, Whole(*found[1:3], digests[1], checked, 0.0, there.st_mtime_ns, encoding))
        return right

    def _fetch(self, found: StoredObject) -> None:
        started = time.monotonic()
        unfinished = self.places.part(found)
        if (size_of(unfinished) or 0) > found.size:
            unfinished.unlink()
        part = Part(unfinished, lambda size: self.progress.add(0, size))
        try:
            self.progress.add(0, part.size, before=True)
            checked = self._copy(found, part)
            if checked == "":  # bytes of an earlier run may be what is wrong, or one that changed on the way
                part.restart()
                checked = self._copy(found, part)
            if checked == "":
                part.restart()
                raise RequestError(f"{self._named(found)}: what came has another MD5 than its etag, {found.etag}")
        finally:
            part.close()
        path = self.places.tree / found.key
        path.parent.mkdir(parents=True, exist_ok=True)
        seconds, changed = round(time.monotonic() - started, 3), unfinished.stat().st_mtime_ns
        self._note(found, Whole(*found[1:3], part.sha256, checked, seconds, changed, part.content_encoding))
        unfinished.replace(path)

    def _copy(self, found: StoredObject, part: Part) -> str:
        """Complete a part; return by what it was checked, or an empty text if its MD5 is wrong."""
        is_plain = True
        if part.size < found.size:  # otherwise a run was killed before it moved the file, or the file is empty
            with self._at_once:
                stopping.refuse_if_asked()
                is_plain = self.objects.copy(found, part)
        if is_plain and MD5.fullmatch(found.etag) and (found.size or part.md5 == found.etag):
            return "md5" if part.md5 == found.etag else ""
        return "size"  # so it is with an empty file: nothing was asked, and its etag is no MD5 where KMS encrypts it

    def _note(self, found: StoredObject, whole: Whole) -> None:
        line = json.dumps([found.key, *whole], ensure_ascii=False) + "\n"
        with self._lock:
            self._whole[found.key] = whole
            self._journal.write(line)
            self._journal.flush()

    def _named(self, found: StoredObject) -> str:
        return f"{self.objects.address}: {found.key}"


def fetch_store(
    objects: Objects, name: str, plan: str | Path, requests: int, again: str, fetched: str | Path, refused: str | Path
) -> None:
    """Bring all files of a plan into `files/` beside it, and write fetched.csv and refused.csv.

    name: of the store. requests: the most at a time. again: the command that lists the store again. Raises RequestError
    that names the files that could not be had, once all others are there; UnreachableError; StateError.
    """
    started = time.monotonic()
    places = Places(Path(plan).parent)
    objects.is_one_file = is_one_file(plan)
    judged = Judged(plan)
    files = size = missing = 0
    for found in judged.good():
        files, size = files + 1, size + found.size
        missing += places.missing_bytes([found])
    refuse_without_room(name, missing, places.folder)
    log.info(f"{name}: {counted(files, 'file')}, {sized(size)}; {sized(missing)} of it to fetch")
    with Transfer(name, files, size) as progress, closing(Fetch(objects, places, progress, requests)) as fetch:
        _bring_all(fetch, judged.good(), requests, again)
        _write_tables(fetch, judged, fetched, refused)
        _tell_packed(fetch, judged, name)
    shutil.rmtree(places.unfinished)
    seconds = time.monotonic() - started
    log.info(f"{name}: {counted(files, 'file')}, {sized(size)} are whole in {places.tree}, after {seconds:.1f} s")


def not_planned(plan: str | Path) -> list[Path]:
    """The files in the tree that a plan does not have: an array would be read with chunks of another one.

    A folder without any file of the plan is one path. A folder that is a symbolic link is not looked into.
    """
    tree = Places(Path(plan).parent).tree
    keys = {found.key for found in Judged(plan).good()}
    folders = {above for key in keys for above in _folders_of(key)}
    others, waiting = [], [""]
    while waiting:
        above = waiting.pop()
        with suppress(FileNotFoundError), os.scandir(tree / above) as entries:
            for entry in entries:
                if entry.is_dir() and above + entry.name in folders:
                    waiting += [] if entry.is_symlink() else [f"{above}{entry.name}/"]
                elif entry.is_dir() or above + entry.name not in keys:
                    others.append(tree / above / entry.name)
    return sorted(others)


def is_whole(plan: str | Path, folder: str | Path) -> bool:
    """Whether all files of a plan, and no others, are in the tree, as they were when they were noted. Reads none."""
    places = Places(Path(folder))
    noted = _read_journal(places.journal)

    def is_there(found: StoredObject) -> bool:
        known = noted.get(found.key)
        try:
            there = (places.tree / found.key).stat()
        except OSError:
            return False
        as_noted = (found.size, found.etag, there.st_mtime_ns)
        return known is not None and there.st_size == found.size and as_noted == (known.size, known.etag, known.changed)

    return all(is_there(found) for found in Judged(plan).good()) and not not_planned(plan)


class Judged:
    """The files of a plan, those that can be files apart from those that cannot."""

    def __init__(self, plan: str | Path) -> None:
        self._plan = plan
        self._folders = {above for block in read_objects(plan) for found in block for above in _folders_of(found.key)}

    def good(self) -> Iterator[StoredObject]:
        """Those that can be files."""
        return (found for block in read_objects(self._plan) for found in block if not self._why(found))

    def refused(self) -> Iterator[tuple[StoredObject, str]]:
        """The others, and why."""
        return ((found, why) for block in read_objects(self._plan) for found in block if (why := self._why(found)))

    def _why(self, found: StoredObject) -> str:
        return why_no_file(found.key, self._folders)


def why_no_file(key: str, folders: set[str]) -> str:
    """Why no file can have this key; empty if one can. folders: the folders of all keys."""
    steps = key.split("/")
    if key.startswith("/"):
        return "an absolute path"
    if {"", ".", ".."} & set(steps):
        return "a step that is empty, . or .."
    if re.search(r"[\x00-\x1f\x7f]", key):
        return "a control character"
    if any(len(step.encode()) > LONGEST for step in steps):
        return f"a name of more than {LONGEST} bytes"
    return "a folder has this name too" if key in folders else ""


def _folders_of(key: str) -> Iterator[str]:
    while key := key.rpartition("/")[0]:
        yield key


def _bring_all(fetch: Fetch, wanted: Iterator[StoredObject], requests: int, again: str) -> None:
    """Bring the files, several at a time. Those that fail are told together at the end."""
    lock = threading.Lock()
    failed: dict[str, RequestError] = {}
    fatal: list[BaseException] = []

    def work() -> None:
        while not fatal and len(failed) < ENOUGH and not stopping.ASKED.is_set():
            with lock:
                found = next(wanted, None)
            if found is None:
                return
            try:
                fetch.bring(found)
            except RequestError as error:
                with lock:
                    failed[found.key] = error
            except BaseException as error:
                fatal.append(error)

    threads = requests + READY
    with ThreadPoolExecutor(threads, thread_name_prefix="fetch") as pool:
        for done in [pool.submit(work) for _ in range(threads)]:
            done.result()
    if fatal:
        raise fatal[0]
    stopping.refuse_if_asked()
    if failed:
        told = "\n  ".join(str(failed[key]) for key in sorted(failed))
        is_old = any(error.kind in (CHANGED, GONE) for error in failed.values())
        advice = f"List the store again, then fetch:\n  {again}" if is_old else "The same command goes on"
        raise RequestError(
            f"{counted(len(failed), 'file')} could not be fetched:\n  {told}\nWhat is whole stays. {advice}"
        )


def _write_tables(fetch: Fetch, judged: Judged, fetched: str | Path, refused: str | Path) -> None:
    rows = [{"key": found.key, **fetch.whole(found.key)._asdict()} for found in judged.good()]
    table_files.write(table_files.from_rows(rows, "fetched"), "fetched", fetched)
    shown = [
        {
            "key": re.sub(r"[\x00-\x1f\x7f]", lambda found: f"\\x{ord(found[0]):02x}", found.key),
            "size": found.size,
            "reason": why,
        }
        for found, why in judged.refused()
    ]
    table_files.write(table_files.from_rows(shown, "refused"), "refused", refused)


def _tell_packed(fetch: Fetch, judged: Judged, name: str) -> None:
    """Warn of files that are stored packed: who reads them from the bucket gets them unpacked, from the tree not."""
    packed = [
        f"{found.key} ({encoding})" for found in judged.good() if (encoding := fetch.whole(found.key).content_encoding)
    ]
    if packed:
        more = ", ..." if len(packed) > NAMED else ""
        log.warning(
            f"{name}: {counted(len(packed), 'file')} stored packed (Content-Encoding) in the bucket, and so in files/: "
            f"{', '.join(packed[:NAMED])}{more}. Unpack them before they are read; fetched.csv names them"
        )


def _read_journal(path: Path) -> dict[str, Whole]:
    """What earlier runs noted, the latest for each key. A line that a killed run did not finish says nothing."""
    whole: dict[str, Whole] = {}
    with suppress(FileNotFoundError), path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            with suppress(ValueError, TypeError):
                key, *rest = json.loads(line)
                whole[key] = Whole(*rest)
    return whole


def _digests(path: Path) -> tuple[str, str]:
    """MD5 and SHA-256 of a file."""
    md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            md5.update(piece)
            sha256.update(piece)
    return md5.hexdigest(), sha256.hexdigest()
