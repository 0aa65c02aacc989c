"""Stores through the front door: listed, planned within a budget, fetched, and gone on with after a kill."""

import hashlib
import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from moto.s3.models import get_canned_acl, s3_backends
from werkzeug.wrappers import Response

from tests.checkout import Checkout
from tests.engine.test_messages import assert_plain
from tests.s3_server import Request, S3Server

ACCOUNT = "123456789012"
LARGE = bytes(range(256)) * 20_000  # 5 MB: several pieces
CHUNKS = {f"cells.zarr/raw/{n:04}/0.0": b"%d" % n for n in range(3494)}
OTHERS = {
    "cells.zarr/raw/.zarray": b"{}",
    "cells.zarr/skeletons/one.nml": b"<things/>",
    "cells.zarr/large.bin": LARGE,
    "cells.zarr/../up": b"no file",
    "cells.zarr//top": b"no file",
    "cells.zarr/raw/0007": b"no file, since it is a folder too",
}
MARKERS = {"cells.zarr/": b"", "cells.zarr/raw/": b""}
SIBLINGS = {"cells.zarr2/raw/0000/0.0": b"another", "cells.zarr.json": b"{}"}


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with S3Server() as server:
        server.put("data", {"some/text.json": b"[1, 2]"})
        backend = s3_backends[ACCOUNT]["aws"]
        for key, body in {**CHUNKS, **OTHERS, **MARKERS, **SIBLINGS}.items():
            backend.put_object("data", key, body).set_acl(get_canned_acl("public-read"))
        yield server


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    return Checkout(tmp_path_factory.mktemp("stores") / "checkout")


def config(server: S3Server, **stores: dict[str, Any]) -> dict[str, Any]:
    """A config without a source."""
    urls = {name: {"endpoint_url": server.url, **store} for name, store in stores.items()}
    return {"dataset": "cells", "source": {"retries": 2, "backoff": 0.01}, "stores": urls}


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


FEW = {"include": ["raw/000?/**", "**/*.nml", "../*", "**top", "raw/*"], "exclude": ["raw/0003/*"]}


@pytest.fixture(scope="module")
def fetched(server: S3Server, work: Checkout) -> Path:
    """The folder of a store of 3,500 keys, of which a few were fetched."""
    server.clear()
    printed = work.run(config(server, cells={"url": "s3://data/cells.zarr", **FEW}), "fetch")
    assert "cells: 14 files of 3,500" in printed
    return work.results("cells") / "stores" / "cells"


def test_a_store_is_listed_page_by_page_without_its_siblings_and_markers(server: S3Server, fetched: Path) -> None:
    assert server.lists == ["cells.zarr/"] * 4
    inventory = pd.read_parquet(fetched / "inventory.parquet")
    bodies = {key.removeprefix("cells.zarr/"): body for key, body in {**CHUNKS, **OTHERS}.items()}
    assert list(inventory["key"]) == sorted(bodies)
    assert list(inventory["size"]) == [len(bodies[key]) for key in sorted(bodies)]
    assert inventory.set_index("key")["etag"]["large.bin"] == hashlib.md5(LARGE).hexdigest()
    assert set(inventory["storage_class"]) == {"STANDARD"}
    folders = pd.read_csv(fetched / "folders.csv", keep_default_na=False).set_index("folder")
    size = sum(map(len, bodies.values()))
    assert dict(folders.loc[""]) == {"depth": 0, "files": 3500, "bytes": size}
    assert dict(folders.loc["raw/0042"]) == {"depth": 2, "files": 1, "bytes": 2}
    assert folders["files"]["raw"] == 3496
    formats = pd.read_csv(fetched / "formats.csv").set_index("format")
    assert dict(formats["files"]) == {"zarr": 3499, "nml": 1}
    assert formats["bytes"].sum() == size


def test_what_was_planned_is_fetched_and_nothing_else(server: S3Server, fetched: Path) -> None:
    wanted = {f"raw/{n:04}/0.0": b"%d" % n for n in range(10) if n != 3}
    wanted |= {"raw/.zarray": b"{}", "skeletons/one.nml": b"<things/>"}
    assert tree(fetched / "files") == wanted
    table = pd.read_csv(fetched / "fetched.csv")
    assert list(table["key"]) == sorted(wanted)
    assert list(table["sha256"]) == [hashlib.sha256(wanted[key]).hexdigest() for key in sorted(wanted)]
    assert set(table["checked"]) == {"md5"}
    refused = pd.read_csv(fetched / "refused.csv").set_index("key")["reason"]
    assert refused["raw/0007"] == "a folder has this name too"
    assert refused["/top"] == "an absolute path"
    assert set(refused.index) == {"raw/0007", "/top", "../up"}
    assert sorted(server.keys) == sorted(f"data/cells.zarr/{key}" for key in wanted)
    assert not (fetched / "unfinished").exists()
    assert not any(request.signed for request in server.requests)


def test_what_is_there_is_not_asked_for_again(server: S3Server, work: Checkout, fetched: Path) -> None:
    server.clear()
    wide = config(server, cells={"url": "s3://data/cells.zarr", **FEW, "include": ["**/*.nml", "raw/001?/*"]})
    (fetched / "files" / "skeletons" / "one.nml").unlink()
    printed = work.run(wide, "fetch")  # a file of the tree is gone, and others are wanted
    assert "the plan of store cells does not have them: stores/ (10 files)" in re.sub(r"\s+", " ", printed)
    asked = [f"data/cells.zarr/raw/{n:04}/0.0" for n in range(10, 20)]
    assert sorted(server.keys) == [*asked, "data/cells.zarr/skeletons/one.nml"]
    assert server.lists == []
    there = {f"raw/{n:04}/0.0" for n in range(10, 20)} | {"skeletons/one.nml"}
    assert tree(fetched / "files").keys() == there
    aside = work.results("cells") / "stale" / "stores" / "cells" / "files"
    assert tree(aside).keys() == {f"raw/{n:04}/0.0" for n in range(10) if n != 3} | {"raw/.zarray"}
    (fetched / "files" / "skeletons" / "one.nml").unlink()
    server.clear()
    work.run(wide, "fetch")  # only a file of the tree is gone
    assert server.keys == ["data/cells.zarr/skeletons/one.nml"]
    (fetched / "files" / "skeletons" / "one.nml").write_bytes(b"<others/>")  # of the same size
    server.clear()
    work.run(wide, "fetch")
    assert server.keys == ["data/cells.zarr/skeletons/one.nml"]
    assert (fetched / "files" / "skeletons" / "one.nml").read_bytes() == b"<things/>"
    assert "Nothing to be done" in work.run(wide, "fetch")


def test_refusals_name_what_there_is(server: S3Server, work: Checkout) -> None:
    server.clear()
    printed = work.run(
        config(
            server,
            large={"url": "s3://data/cells.zarr/", "max_bytes": 1_000_000, "exclude": ["raw/*/*"]},
            none={"url": "s3://data/cells.zar"},
            off={"url": "s3://data/some/text.jsn"},
            empty={"url": "s3://data/some", "include": ["*.csv"]},
            gone={"url": str(work.folder / "confix")},
        ),
        "fetch",
        fails=True,
    )
    assert (
        "stores.large.max_bytes: the plan has 6 files with 5,120,058 bytes (5.12 MB), but the budget is 1,000,000 "
        "bytes (1 MB). The largest folders: raw (2 files, 35 bytes); skeletons (1 file, 9 bytes); .. (1 file, 7 bytes)."
        in printed
    )
    assert "s3://data/cells.zar: there is no file at or below this address. In s3://data there is cells.zarr" in printed
    assert "In s3://data/some there is text.json" in printed
    assert "stores.empty: none of 1 file matches include ['*.csv']" in printed
    assert f"In {work.folder} there is config" in printed
    assert "Traceback" not in printed
    assert server.keys == []
    assert not list((work.results("cells") / "stores").glob("large/files/*"))
    one = config(server, one={"url": "s3://data"})
    printed = work.run(one, "-n", "results/cells/stores/two/inventory.parquet", fails=True)
    assert_plain(printed)
    assert "stores: no store is called 'two'; there are 'one'" in printed


def test_a_url_may_be_that_of_one_file_or_of_a_folder_on_disk(server: S3Server, work: Checkout) -> None:
    stores = {"one": {"url": "s3://data/some/text.json"}, "disk": {"url": "config/examples"}}
    work.run(config(server, **stores), "fetch")
    folder = work.results("cells") / "stores"
    assert tree(folder / "one" / "files") == {"text.json": b"[1, 2]"}
    assert tree(folder / "disk" / "files") == tree(work.folder / "config" / "examples")
    assert list(pd.read_csv(folder / "one" / "formats.csv")["format"]) == ["json"]


def test_a_file_that_changed_is_named_and_the_others_stay(server: S3Server, work: Checkout) -> None:
    settings = config(server, two={"url": "gs://data/pair"})
    server.put("data", {"pair/first": b"1", "pair/second": b"2"})
    work.run(settings, "plan")
    server.put("data", {"pair/second": b"3"})
    printed = work.run(settings, "fetch", "--config", "select={end: 2024-01-01}", fails=True)
    assert "gs://data/pair/second" in printed
    assert "it has changed since it was listed" in printed
    command = "snakemake --force results/cells/stores/two/inventory.parquet --cores 8 --configfile my.yaml"
    assert f"{command} --config 'select={{end: 2024-01-01}}'" in printed
    folder = work.results("cells") / "stores" / "two"
    assert tree(folder / "files") == {"first": b"1"}
    server.clear()
    work.run(settings, "--force", "results/cells/stores/two/inventory.parquet")
    work.run(settings, "fetch")
    assert tree(folder / "files") == {"first": b"1", "second": b"3"}
    assert server.keys == ["data/pair/second"]


def test_a_run_that_was_killed_goes_on_within_the_file(server: S3Server, work: Checkout) -> None:
    settings = config(server, cut={"url": "s3://data/cells.zarr", "include": ["large.bin", "raw/001?/*"]})
    work.run(settings, "plan")
    stopped, go_on = threading.Event(), threading.Event()

    def half(request: Request) -> Response | None:
        if not request.path.endswith("large.bin"):
            return None

        def body() -> Iterator[bytes]:
            yield LARGE[:3_000_000]
            stopped.set()
            go_on.wait(60)

        headers = {"ETag": f'"{hashlib.md5(LARGE).hexdigest()}"', "Content-Length": str(len(LARGE))}
        return Response(body(), 200, headers)

    server.clear()
    server.fault = half
    run = work.start(settings, "fetch")
    try:
        assert stopped.wait(60)
        folder = work.results("cells") / "stores" / "cut"
        until = time.monotonic() + 30
        while len(tree(folder / "files")) < 10 and time.monotonic() < until:
            time.sleep(0.05)
        while not sum(path.stat().st_size for path in (folder / "unfinished").iterdir()) and time.monotonic() < until:
            time.sleep(0.05)
    finally:
        os.kill(run.pid, signal.SIGKILL)
        run.communicate()
        go_on.set()
        server.fault = None
    assert len(server.keys) == 11
    work.run(settings, "--unlock")
    server.clear()
    work.run(settings, "fetch")
    (request,) = server.requests
    assert request.path == "data/cells.zarr/large.bin"
    assert request.range
    assert int(request.range.removeprefix("bytes=").removesuffix("-")) > 0
    assert tree(folder / "files") == {
        "large.bin": LARGE,
        **{f"raw/{n:04}/0.0": b"%d" % n for n in range(10, 20)},
    }


def test_credentials_leave_no_trace(server: S3Server, work: Checkout) -> None:
    key, secret = server.user("reader_of_stores", ["s3:ListBucket", "s3:GetObject"])
    settings = config(server, signed={"url": "s3://data/some", "anonymous": False})
    env = {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, "AWS_DEFAULT_REGION": "us-east-1"}
    server.clear()
    server.want_logins(True)
    try:
        refused = config(server, unsigned={"url": "s3://data/some"})
        printed = work.run(refused, "inventory", fails=True)
        assert "refused to unsigned requests (stores.unsigned.anonymous: true)" in printed
        printed += work.run(settings, "fetch", env=env)
        printed += work.run(settings, "fetch", "--forceall", env={**env, "AWS_SECRET_ACCESS_KEY": "wrong"}, fails=True)
    finally:
        server.want_logins(False)
    assert "refused to your credentials" in printed
    assert tree(work.results("cells") / "stores" / "signed" / "files") == {"text.json": b"[1, 2]"}
    for text in [printed.encode(), *(path.read_bytes() for path in work.folder.rglob("*") if path.is_file())]:
        assert key.encode() not in text
        assert secret.encode() not in text
