"""Files of a plan are brought into the tree whole, whatever the server and the machine do."""

import errno
import hashlib
import os
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from werkzeug.wrappers import Response

from ifcb_abundance.common import stopping
from ifcb_abundance.common.errors import RequestError, StateError
from ifcb_abundance.config.stages.stores import Store
from ifcb_abundance.sources.objects import StoredObject, open_objects
from ifcb_abundance.sources.retry import RequestOptions
from ifcb_abundance.stores import fetch
from ifcb_abundance.stores.object_tables import write_objects
from ifcb_abundance.stores.plan import Choice, plan_fetch, refuse_without_room
from tests.s3_server import Request, S3Server, error

TIME = datetime(2024, 1, 2, tzinfo=UTC)
LARGE = bytes(range(256)) * 4000  # 1 MB: four pieces of a body
FILES = {"a/1": b"one", "a/2": LARGE, "b": b"", "c": b"three"}


def md5(body: bytes) -> str:
    return hashlib.md5(body).hexdigest()


def plan(folder: Path, etags: dict[str, str]) -> Path:
    """The plan of FILES."""
    folder.mkdir(exist_ok=True)
    found = [StoredObject(key, len(FILES[key]), etags[key], TIME, "STANDARD") for key in sorted(FILES)]
    write_objects([found], folder / "plan.parquet", lambda: False)
    return folder / "plan.parquet"


def tree(folder: Path) -> dict[str, bytes]:
    files = folder / "files"
    return {str(path.relative_to(files)): path.read_bytes() for path in files.rglob("*") if path.is_file()}


def tables(folder: Path) -> tuple[Path, Path]:
    return folder / "fetched.csv", folder / "refused.csv"


# --- a server with faults ---


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with S3Server() as server:
        server.put("bucket", {f"x/{key}": body for key, body in FILES.items()})
        yield server


@pytest.fixture
def get(server: S3Server, tmp_path: Path) -> Iterator[Callable[[], None]]:
    """Fetches FILES from the server."""
    server.clear()
    store = Store(url="s3://bucket/x", endpoint_url=server.url)

    def get() -> None:
        objects = open_objects(store, RequestOptions(retries=2, backoff=0.01, timeout=5), "stores.x")
        path = plan(tmp_path, {key: md5(body) for key, body in FILES.items()})
        fetch.fetch_store(objects, "x", path, 2, "LIST AGAIN", *tables(tmp_path))

    yield get
    server.fault = None


def once(answer: Callable[[], Response]) -> Callable[[Request], Response | None]:
    """The first request for the large file gets another answer."""
    asked = Counter[str]()

    def fault(request: Request) -> Response | None:
        asked[request.path] += 1
        return answer() if request.path.endswith("a/2") and asked[request.path] == 1 else None

    return fault


def short(body: bytes, **headers: str) -> Response:
    """A body that is cut off: the connection ends before it does."""
    all_headers = {"ETag": f'"{md5(LARGE)}"', "Content-Length": str(len(LARGE)), **headers}
    return Response(iter([body]), 200, all_headers)


FAULTS: dict[str, Callable[[], Response]] = {
    "503": lambda: error(503, "SlowDown"),
    "cut off": lambda: short(LARGE[:300_000]),
    "reset at once": lambda: short(b""),
    "a proxy's page": lambda: Response("<html>log in</html>", 200, mimetype="text/html"),
    "a shorter file": lambda: short(LARGE[:300_000], **{"Content-Length": "300000"}),
    "wrong bytes": lambda: short(LARGE[::-1]),
    "a longer file": lambda: short(LARGE * 2, **{"Content-Length": str(2 * len(LARGE))}),
}


@pytest.mark.parametrize("kind", FAULTS)
def test_faults_that_pass_cost_a_request(kind: str, server: S3Server, get: Callable[[], None], tmp_path: Path) -> None:
    server.fault = once(FAULTS[kind])
    get()
    assert tree(tmp_path) == FILES
    asked = [request for request in server.requests if request.path.endswith("a/2")]
    assert len(asked) == 2
    on_from = "bytes=300000-" if kind in ("cut off", "a shorter file") else None
    assert [request.range for request in asked] == [None, on_from]
    assert len(server.requests) == 4  # the empty file is not asked for
    server.clear()
    get()
    assert server.requests == []


def test_a_server_that_knows_no_range_sends_the_file_again(
    server: S3Server, get: Callable[[], None], tmp_path: Path
) -> None:
    whole = once(lambda: short(LARGE[:300_000]))

    def fault(request: Request) -> Response | None:
        return short(LARGE) if request.range else whole(request)

    server.fault = fault
    get()
    assert tree(tmp_path) == FILES


def test_a_long_file_may_be_cut_off_more_often_than_requests_are_tried(
    server: S3Server, get: Callable[[], None], tmp_path: Path
) -> None:
    def fault(request: Request) -> Response | None:
        if not request.path.endswith("a/2"):
            return None
        first = int((request.range or "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        part, rest = LARGE[first : first + 100_000], len(LARGE) - first
        headers = {"Content-Length": str(rest), "Content-Range": f"bytes {first}-{len(LARGE) - 1}/{len(LARGE)}"}
        return short(part, **headers)

    server.fault = fault
    get()
    assert tree(tmp_path) == FILES
    assert len([request for request in server.requests if request.path.endswith("a/2")]) == 11


def test_wrong_bytes_are_not_kept(server: S3Server, get: Callable[[], None], tmp_path: Path) -> None:
    server.fault = lambda request: short(LARGE[::-1]) if request.path.endswith("a/2") else None
    with pytest.raises(RequestError, match=f"a/2: what came has another MD5 than its etag, {md5(LARGE)}") as caught:
        get()
    assert str(caught.value).endswith("What is whole stays. The same command goes on")
    assert tree(tmp_path) == {key: body for key, body in FILES.items() if key != "a/2"}
    server.fault = None
    get()
    assert tree(tmp_path) == FILES


def test_files_that_are_stored_packed_are_named(
    server: S3Server, get: Callable[[], None], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """They stay as they are stored. What was sent in pieces is not packed."""
    encodings = {"a/2": "gzip", "c": "aws-chunked"}

    def fault(request: Request) -> Response | None:
        key = request.path.removeprefix("bucket/x/")
        headers = {"ETag": f'"{md5(FILES[key])}"', "Content-Encoding": encodings.get(key, "")}
        return Response(FILES[key], 200, headers)

    server.fault = fault
    for _ in range(2):  # the second run knows it from the first one
        caplog.clear()
        get()
        (warning,) = [record.message for record in caplog.records if record.levelname == "WARNING"]
        assert warning.startswith(
            "x: 1 file stored packed (Content-Encoding) in the bucket, and so in files/: a/2 (gzip)."
        )
        fetched = pd.read_csv(tmp_path / "fetched.csv", keep_default_na=False).set_index("key")
        assert dict(fetched["content_encoding"]) == {"a/1": "", "a/2": "gzip", "b": "", "c": ""}
    assert tree(tmp_path) == FILES


def test_a_disk_that_fills_is_no_fault_of_the_server(get: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    def full(part: fetch.Part, piece: bytes) -> None:  # noqa: ARG001
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(fetch.Part, "take", full)
    with pytest.raises(StateError, match=r"files/(a/1|a/2|c): cannot be written: .*then run the same command again"):
        get()


def test_a_file_that_is_gone_says_to_list_again(server: S3Server, get: Callable[[], None], tmp_path: Path) -> None:
    server.fault = lambda request: error(404, "NoSuchKey") if request.path.endswith("a/2") else None
    with pytest.raises(RequestError, match=r"HTTP 404 NoSuchKey.*\n.*List the store again, then fetch:\n  LIST AGAIN"):
        get()
    assert set(tree(tmp_path)) == FILES.keys() - {"a/2"}


def test_an_etag_of_parts_is_no_md5(server: S3Server, tmp_path: Path) -> None:
    client = server.client()
    upload = client.create_multipart_upload(Bucket="bucket", Key="parts/a", ACL="public-read")["UploadId"]
    body = LARGE * 6
    for number, piece in ((1, body[: 5 << 20]), (2, body[5 << 20 :])):
        client.upload_part(Bucket="bucket", Key="parts/a", PartNumber=number, UploadId=upload, Body=piece)
    parts = client.list_parts(Bucket="bucket", Key="parts/a", UploadId=upload)["Parts"]
    listed = [{"PartNumber": part["PartNumber"], "ETag": part["ETag"]} for part in parts]
    client.complete_multipart_upload(Bucket="bucket", Key="parts/a", UploadId=upload, MultipartUpload={"Parts": listed})
    objects = open_objects(Store(url="s3://bucket/parts", endpoint_url=server.url), RequestOptions(), "stores.x")
    write_objects(objects.pages(), tmp_path / "plan.parquet", lambda: False)
    fetch.fetch_store(objects, "x", tmp_path / "plan.parquet", 2, "", *tables(tmp_path))
    (row,) = pd.read_csv(tmp_path / "fetched.csv").to_dict("records")
    assert row["etag"].endswith("-2")
    assert (row["checked"], row["sha256"]) == ("size", hashlib.sha256(body).hexdigest())


def test_an_empty_file_is_whole_whatever_its_etag(tmp_path: Path) -> None:
    """Buckets that encrypt with KMS have etags that look like an MD5 and are none."""
    bring(tmp_path, Memory(), lambda body: md5(body if body else b"encrypted"))
    assert tree(tmp_path) == FILES
    fetched = pd.read_csv(tmp_path / "fetched.csv").set_index("key")
    assert dict(fetched["checked"]) == {"a/1": "md5", "a/2": "md5", "b": "size", "c": "md5"}
    assert fetched["sha256"]["b"] == hashlib.sha256(b"").hexdigest()
    bring(tmp_path, objects := Memory(), lambda body: md5(body if body else b"encrypted"))
    assert not objects.given


# --- a machine with faults ---


class Killed(BaseException):
    """What stands for SIGKILL: nothing handles it."""


class Memory:
    """Files in memory, in three pieces each. given: how often all of a file was asked for, and given."""

    address = "memory"
    is_one_file = False

    def __init__(self) -> None:
        self.given = Counter[str]()

    def pages(self) -> Iterator[list[StoredObject]]:
        raise NotImplementedError

    def copy(self, found: StoredObject, sink: Any) -> bool:
        from_the_start = sink.size == 0
        while sink.size < found.size:
            sink.take(FILES[found.key][sink.size :][: max(found.size // 3, 1)])
        self.given[found.key] += from_the_start
        return True

    def given_up(self) -> str:
        return ""


def bring(folder: Path, objects: Memory, etags: Callable[[bytes], str] = md5) -> None:
    path = plan(folder, {key: etags(body) for key, body in FILES.items()})
    fetch.fetch_store(objects, "x", path, 1, "LIST AGAIN", *tables(folder))


@pytest.mark.parametrize("etags", [md5, lambda body: f"{len(body):032x}-2"], ids=["md5", "parts"])
def test_killed_anywhere_the_next_run_asks_for_no_whole_file_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, etags: Callable[[bytes], str]
) -> None:
    monkeypatch.setattr(fetch, "READY", 0)
    left = -1

    def dies(before: bool, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal left
            left -= 1
            if before and left == 0:
                raise Killed
            result = function(*args, **kwargs)
            if not before and left == 0:
                raise Killed
            return result

        return call

    for name in ("take", "_reset", "close"):
        monkeypatch.setattr(fetch.Part, name, dies(False, getattr(fetch.Part, name)))
    for name in ("_note", "_is_there"):
        monkeypatch.setattr(fetch.Fetch, name, dies(True, getattr(fetch.Fetch, name)))
    monkeypatch.setattr(Path, "replace", dies(True, Path.replace))
    monkeypatch.setattr(fetch, "_write_tables", dies(True, fetch._write_tables))
    for step in range(1, 100):
        folder, objects, left = tmp_path / str(step), Memory(), step
        try:
            bring(folder, objects, etags)
        except Killed:
            left = -1
            bring(folder, objects, etags)
        else:
            assert step > 15  # it was killed everywhere
            break
        assert tree(folder) == FILES
        assert max(objects.given.values()) == 1
        assert sorted(path.name for path in folder.iterdir()) == [
            *("fetched.csv", "files", "journal.jsonl", "plan.parquet", "refused.csv")
        ]
    else:
        pytest.fail("it was killed at each step")


def test_a_note_that_was_not_finished_says_nothing(tmp_path: Path) -> None:
    bring(tmp_path, Memory())
    journal = tmp_path / "journal.jsonl"
    journal.write_bytes(journal.read_bytes()[:-20] + b"\xff")
    objects = Memory()
    bring(tmp_path, objects)
    assert not objects.given
    assert len(pd.read_csv(tmp_path / "fetched.csv")) == len(FILES)


def test_a_file_that_somebody_changed_is_fetched_again(tmp_path: Path) -> None:
    bring(tmp_path, Memory())
    (tmp_path / "files" / "c").write_bytes(b"THREE")  # of the same size
    objects = Memory()
    bring(tmp_path, objects)
    assert objects.given == {"c": 1}
    assert tree(tmp_path) == FILES


def test_another_version_of_the_same_size_is_fetched_whatever_its_etag(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Etags of parts and of folders are no MD5."""
    bring(tmp_path, Memory(), lambda body: f"{len(body):x}-1")
    monkeypatch.setitem(FILES, "c", b"THREE")
    objects = Memory()
    bring(tmp_path, objects, lambda body: f"{len(body):x}-2")
    assert tree(tmp_path) == FILES
    assert objects.given["c"] == 1
    fetched = pd.read_csv(tmp_path / "fetched.csv").set_index("key")
    assert dict(fetched.loc["c", ["etag", "sha256"]]) == {"etag": "5-2", "sha256": hashlib.sha256(b"THREE").hexdigest()}


def test_the_tree_is_looked_at_for_files_that_are_gone_or_changed(tmp_path: Path) -> None:
    bring(tmp_path, Memory())
    for key in FILES:  # one of them is empty
        path, body = tmp_path / "files" / key, FILES[key]
        assert fetch.is_whole(tmp_path / "plan.parquet", tmp_path)
        as_noted = path.stat().st_mtime_ns
        path.unlink()
        assert not fetch.is_whole(tmp_path / "plan.parquet", tmp_path)
        path.write_bytes(body)
        assert not fetch.is_whole(tmp_path / "plan.parquet", tmp_path)
        os.utime(path, ns=(as_noted, as_noted))


def test_files_that_the_plan_does_not_have_are_found(tmp_path: Path) -> None:
    """FILES are a/1, a/2, b and c. A folder in place of a file is in its way."""
    bring(tmp_path, Memory())
    files, whole = tmp_path / "files", tmp_path / "plan.parquet"
    assert fetch.not_planned(whole) == []
    for name in ("a/10", "a/old/1", "old/2", ".hidden"):
        (files / name).parent.mkdir(exist_ok=True)
        (files / name).touch()
    assert fetch.not_planned(whole) == [files / name for name in (".hidden", "a/10", "a/old", "old")]
    assert not fetch.is_whole(whole, tmp_path)
    (files / "c").unlink()
    (files / "c").mkdir()
    assert files / "c" in fetch.not_planned(whole)
    assert files / "a" / "1" not in fetch.not_planned(whole)


def test_no_more_requests_go_at_a_time_than_are_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FILES, "d", b"four")
    monkeypatch.setitem(FILES, "e", b"five")
    lock, most, now = threading.Lock(), 0, 0

    class Counting(Memory):
        def copy(self, found: StoredObject, sink: Any) -> bool:
            nonlocal most, now
            with lock:
                now += 1
                most = max(most, now)
            time.sleep(0.05)
            with lock:
                now -= 1
            return super().copy(found, sink)

    path = plan(tmp_path, {key: md5(body) for key, body in FILES.items()})
    fetch.fetch_store(Counting(), "x", path, 2, "", *tables(tmp_path))
    assert most == 2


def test_a_run_that_is_to_stop_stops_within_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Asked(Memory):
        def copy(self, found: StoredObject, sink: Any) -> bool:
            if found.key == "a/2":
                sink.take(LARGE[:1000])
                stopping.ASKED.set()
            return super().copy(found, sink)

    monkeypatch.setattr(stopping, "ASKED", type(stopping.ASKED)())
    with pytest.raises(StateError, match="Stopped as you asked"):
        bring(tmp_path, Asked())
    assert sum(path.stat().st_size for path in (tmp_path / "unfinished").iterdir()) == 1000
    assert "a/2" not in tree(tmp_path)


def test_a_run_that_is_to_stop_asks_for_no_file_that_waits_for_its_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One request at a time, and three threads: the two others have opened their files by then."""
    asked: list[str] = []

    class Asked(Memory):
        def copy(self, found: StoredObject, sink: Any) -> bool:  # noqa: ARG002
            asked.append(found.key)
            deadline = time.monotonic() + 10
            while len(list((tmp_path / "unfinished").iterdir())) < 3 and time.monotonic() < deadline:
                time.sleep(0.01)
            stopping.ASKED.set()
            raise RequestError("cut off")

    monkeypatch.setattr(stopping, "ASKED", type(stopping.ASKED)())
    path = plan(tmp_path, {key: md5(body) for key, body in FILES.items()})
    with pytest.raises(StateError, match="Stopped as you asked"):
        fetch.fetch_store(Asked(), "x", path, 1, "", *tables(tmp_path))
    assert len(asked) == 1


def test_what_no_file_can_be_called() -> None:
    folders = {"a", "a/b"}
    for key in ("x", "a/b/c", "..x/y", ".hidden", "é/ü", "a b", "x" * 255):
        assert fetch.why_no_file(key, folders) == ""
    for key in ("/x", "..", "a/../b", "a/./b", "a//b", "tab\tx", "del\x7f", "x" * 256, "é" * 128, "a/b"):
        assert fetch.why_no_file(key, folders)


def test_a_disk_without_room_is_told_before(tmp_path: Path) -> None:
    refuse_without_room("x", 1000, tmp_path / "not" / "there")
    with pytest.raises(StateError, match=r"stores\.x: .* are to be fetched, but the disk of .* has .* of room"):
        refuse_without_room("x", 10**18, tmp_path)


def test_what_is_unfinished_takes_no_further_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Cut(Memory):
        def copy(self, found: StoredObject, sink: Any) -> bool:
            if found.key != "a/2":
                return super().copy(found, sink)
            sink.take(LARGE[:900_000])
            raise RequestError("cut off")

    with pytest.raises(RequestError, match="cut off"):
        bring(tmp_path, Cut())
    room = len(LARGE) - 900_000
    inventory = plan(tmp_path, {key: md5(body) for key, body in FILES.items()}).rename(tmp_path / "inventory.parquet")
    choice = Choice("x", ["**"], [], 10**9)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=room - 1))
    for refused in (
        lambda: plan_fetch(inventory, choice, tmp_path / "plan.parquet"),
        lambda: bring(tmp_path, Memory()),
    ):
        with pytest.raises(StateError, match=f"{room:,} bytes.* are to be fetched.*Nothing more was fetched"):
            refused()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=room))
    plan_fetch(inventory, choice, tmp_path / "plan.parquet")
    bring(tmp_path, Memory())
    assert tree(tmp_path) == FILES
