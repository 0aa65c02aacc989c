"""Archives in buckets give the tables of the same files on disk, from a real S3 server on loopback."""

import itertools
import os
import re
import socket
import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import trustme
from werkzeug.wrappers import Response

from ifcb_abundance.bins.statuses import ScoresStatus
from ifcb_abundance.bins.window import Bound, Window
from ifcb_abundance.catalog.listing import list_catalog
from ifcb_abundance.common.errors import (
    CatalogError,
    NoBinsError,
    RawFileError,
    RequestError,
    ScoresError,
    UnreachableError,
)
from ifcb_abundance.config import Select
from ifcb_abundance.raw.images import read_image, read_images
from ifcb_abundance.recheck.reread import Recheck, recheck
from ifcb_abundance.scores.summary import Provenance, find_winners, read_provenance, write_summary
from ifcb_abundance.sources.bin_files import FileOptions
from ifcb_abundance.sources.bucket import BucketSource
from ifcb_abundance.sources.directory import DirectorySource
from ifcb_abundance.sources.faults import GONE
from ifcb_abundance.sources.retry import RequestOptions
from ifcb_abundance.sources.source_file import SourceFile
from ifcb_abundance.tables import table_files
from tests.archives import bin_row, write_archive
from tests.checkout import Checkout
from tests.raw.test_raw_run import BINS, ml_analyzed, write_csv, write_tree
from tests.raw_files import keyed_header, picture, scores_h5, write_bin
from tests.s3_server import Request, S3Server, error, flat
from tests.scores.test_forms import needs_cases
from tests.scores.test_forms_run import write_summaries

BIN, LATER, OTHER_YEAR = "D20240415T030000_IFCB010", "D20240416T030000_IFCB010", "D20230415T030000_IFCB010"
OLD = "IFCB5_2024_106_081515"  # 15 April
EVER = Window(None, None)
NUMBERS = itertools.count()
RAW = Path(__file__).parents[2].parent / "shared" / "data" / "raw"
SECRET = "correct/horse+battery"
# Nothing of the machine's own, and no look for a cloud's metadata service.
UNSET = {name: None for name in os.environ if name.startswith("AWS_")}
ENVIRONMENT: dict[str, str | None] = {**UNSET, "AWS_EC2_METADATA_DISABLED": "true"}


@pytest.fixture(autouse=True)
def _no_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in UNSET:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture(scope="module")
def shared_server() -> Iterator[S3Server]:
    with S3Server() as server:
        yield server


@pytest.fixture
def server(shared_server: S3Server) -> Iterator[S3Server]:
    shared_server.clear()
    yield shared_server
    shared_server.want_logins(False)
    shared_server.fault = shared_server.page = None
    shared_server.latency = 0.0


@pytest.fixture
def name() -> str:
    """The name of a bucket for each test."""
    return f"test-{next(NUMBERS)}"


def login(monkeypatch: pytest.MonkeyPatch, key: str, secret: str) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)


def opened(server: S3Server, path: str, **options: Any) -> BucketSource:
    given = {"endpoint_url": server.url, "anonymous": True, "timeout": 10, "retries": 2, "backoff": 0.01, **options}
    files = FileOptions(**{name: given.pop(name) for name in ("catalog", "scores_format") if name in given})
    of_place = {name: given.pop(name) for name in ("endpoint_url", "anonymous")}
    return BucketSource(f"s3://{path}", **of_place, files=files, requests=RequestOptions(**given))


def config(server: S3Server, path: str, **sections: Any) -> dict[str, Any]:
    source = {"kind": "bucket", "path": f"s3://{path}", "endpoint_url": server.url, "retries": 1, "backoff": 0.05}
    return {"dataset": "raw", "source": source | {"catalog": "raw", **sections.pop("source", {})}, **sections}


def run(checkout: Checkout, settings: dict[str, Any], *arguments: str, fails: bool = False, **env: str) -> str:
    return checkout.run(settings, *arguments, fails=fails, env={**ENVIRONMENT, "HOME": str(checkout.folder), **env})


# --- runs ---


def write_archive_of_years(folder: Path) -> Path:
    """The archive of test_raw_archive, an old bin of the same days, and a bin of another year."""
    write_tree(folder, write_csv)
    for bin_id in (OLD, OTHER_YEAR):
        write_bin(folder / "data" / "more", bin_id, [(1, 10, 10, picture(8, 4)), (2, 10, 10, picture(4, 8))])
        text = f"pid,Akashiwo,detritus\n{bin_id}_00001,0.75,0.25\n{bin_id}_00002,0.25,0.75\n"
        (folder / "data" / "more" / f"{bin_id}_class_scores.csv").write_text(text)
    return folder


def test_the_tables_are_those_of_the_directory(server: S3Server, tmp_path: Path, name: str) -> None:
    folder = write_archive_of_years(tmp_path / "archive")
    server.put(name, flat(folder, "a b/"))
    here, there = Checkout(tmp_path / "here"), Checkout(tmp_path / "there")
    days = {"select": {"start": "2024-04-15", "end": "2024-04-16"}}
    source = {"deployments": str(folder / "deployments.csv")}
    here.run(
        {"dataset": "raw", "source": {"kind": "directory", "path": str(folder), "catalog": "raw", **source}, **days}
    )
    wanted = config(server, f"{name}/a b", source={**source, "anonymous": True}, **days)
    server.latency = 0.1
    server.clear()
    run(there, wanted, "--resources", "dashboard=3")
    assert server.most == 3
    assert sorted(there.table("raw", "ledger")["bin"]) == sorted([*BINS, OLD])
    expected, found = here.files("raw"), there.files("raw")
    tables = {path for path in expected if path.endswith(".csv")}
    assert {"catalog.csv", "abundance_long.csv", "ledger.csv", "coverage.csv"} <= tables
    assert {path for path in tables if found[path] != expected[path]} == {path for path in tables if "ledger" in path}
    # which says where it was read
    said, ledger = here.table("raw", "ledger"), there.table("raw", "ledger")
    pd.testing.assert_frame_equal(ledger.drop(columns="address"), said.drop(columns="address"))
    assert list(ledger["address"].str.rpartition("/")[2]) == list(said["address"].str.rpartition("/")[2])
    # one request for the folders and one for each, but not for that of another year; raw files and scores once
    assert sorted(server.lists) == ["a b/", "a b/2024/", "a b/legacy/"]
    parts = (".hdr", ".adc", "_class_scores.csv")
    years = {bin_id: "legacy" if bin_id == OLD else "2024" for bin_id in (*BINS, OLD)}
    asked = [f"{name}/a b/{year}/{bin_id}{part}" for bin_id, year in years.items() for part in parts]
    assert sorted(server.keys) == sorted(asked)
    assert not any(request.signed for request in server.requests)
    server.clear()
    assert "Nothing to be done" in run(there, wanted)
    assert server.requests == []


def test_images_and_features_are_those_of_the_directory(server: S3Server, tmp_path: Path, name: str) -> None:
    folder = write_archive_of_years(tmp_path / "archive")
    lines = "".join(f"{roi},{1000.0 * roi}\n" for roi in range(1, 4))
    (folder / "data" / f"{BIN}_features_v4.csv").write_text(f"roi_number,summedBiovolume\n{lines}")
    server.put(name, flat(folder, ""))
    here, there = Checkout(tmp_path / "here"), Checkout(tmp_path / "there")
    more = {"select": {"start": "2024-04-15", "end": "2024-04-15"}, "images": {"classes": ["Akashiwo"]}}
    of_disk = {"kind": "directory", "path": str(folder), "catalog": "raw"}
    targets = ("features", "images", "montages")
    here.run({"dataset": "raw", "source": of_disk, **more}, *targets)
    run(there, config(server, name, source={"anonymous": True}, **more), *targets)
    expected, found = here.files("raw"), there.files("raw")
    same = [path for path in expected if path.endswith((".zip", ".html", "biovolume_long.csv", "size_spectrum.csv"))]
    assert {Path(path).suffix for path in same} == {".zip", ".html", ".csv"}
    assert [path for path in same if expected[path] != found[path]] == []
    account = there.table("raw", "features_ledger").set_index("bin")
    assert account.loc[BIN, ["status", "n_measured"]].tolist() == ["read", 3]
    assert set(account.drop(BIN)["status"]) == {"no_features"}
    # only ranges of the `.roi`, and none of another day's
    assert {request.path.rpartition("/")[2][:9] for request in server.requests if request.path.endswith(".roi")} <= {
        "D20240415",
        "IFCB5_202",
    }
    assert all(request.range for request in server.requests if request.path.endswith(".roi"))


@needs_cases
def test_summaries_of_a_bucket_are_read_as_those_of_a_folder(server: S3Server, tmp_path: Path, name: str) -> None:
    """They lie in a folder of a year, and list their bins themselves; the values are those of the same case on disk."""
    folder = write_summaries(tmp_path / "archive")
    server.put(name, {f"2024/class/{path.name}": path.read_bytes() for path in folder.iterdir()})
    run_of = Checkout(tmp_path / "there")
    source = {"catalog": "export", "anonymous": True}
    how = {"classify": {"threshold": 0}, "features": {"make": True, "carbon_rule": "ifcb_analysis"}}
    run(run_of, config(server, name, source=source, **how))
    table = run_of.table("raw", "biovolume_long").set_index(["date", "class"])
    assert table.loc["2024-05-01", "count"].to_dict() == {"Akashiwo": 3, "Chaetoceros": 22, "unclassified": 12}
    assert table.loc[("2024-05-01", "Chaetoceros"), "biovolume_um3_per_ml"] == pytest.approx(1100 / 7.5)
    # each file once, and each list once
    assert sorted(server.keys) == sorted(f"{name}/2024/class/{path.name}" for path in folder.iterdir())
    assert sorted(server.lists) == ["", "2024/"]
    server.clear()
    named = opened(server, name, scores_format="summary")
    assert [len(named.list_bins(EVER)), len(server.keys), len(server.lists)] == [3, 2, 2]


def test_auto_takes_what_lies_in_a_bucket_and_says_it(
    server: S3Server, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    of = scores_h5(3, None, ["A", "B"], [1], [[0.25, 0.75]])
    server.put(name, {f"h5/2024/{BIN}_class.h5": of, f"h5/2024/{LATER}_class.h5": of})
    source = opened(server, f"{name}/h5", scores_format="auto")
    assert [file.body for bin_id in (BIN, LATER) if (file := source.read_scores(bin_id))] == [of, of]
    assert caplog.text.count("class scores: h5 (source.scores_format: auto)") == 1
    # What the ledger says of a bin without scores does not depend on what was read before.
    nothing = f"no class scores of {OTHER_YEAR} below s3://{name}/h5"
    assert source.missing_reason(OTHER_YEAR) == nothing
    assert opened(server, f"{name}/h5", scores_format="auto").missing_reason(OTHER_YEAR) == nothing
    # Forms that are compared in another precision have to be named, and a mixture is refused by name.
    server.put(name, {f"mat/2024/{BIN}_class_v1.mat": b"", f"mixed/2024/{BIN}_class.h5": of})
    server.put(name, {f"mixed/2024/{LATER}_class_scores.csv": b"pid,A\n"})
    with pytest.raises(RequestError, match=r"_class_v1\.mat files.* compared as float64.*Set it to mat"):
        opened(server, f"{name}/mat", scores_format="auto").read_scores(BIN)
    with pytest.raises(RequestError, match=r"1 file \*_class_scores\.csv \(csv\), 1 file \*_class\.h5 \(h5\)"):
        opened(server, f"{name}/mixed", scores_format="auto").read_scores(BIN)


def test_a_form_that_is_named_later_replaces_what_auto_took(
    server: S3Server, checkout: Checkout, name: str, tmp_path: Path
) -> None:
    """Of two bins that `auto` read, one had `.h5` and one nothing. Then CSV files are put there, and named."""
    folder = write_archive(tmp_path / "archive", [bin_row(BIN), bin_row(LATER)], {})
    of = scores_h5(3, None, ["A", "B"], [1], [[0.25, 0.75]])
    server.put(name, {"metadata.csv": (folder / "metadata.csv").read_bytes(), f"2024/{BIN}_class.h5": of})
    asked = {"catalog": "export", "anonymous": True}
    run(checkout, config(server, name, source=asked))
    assert checkout.table("raw", "ledger")["status"].tolist() == ["used", "no_scores"]
    files = {f"2024/{bin_id}_class_scores.csv": f"pid,A\n{bin_id}_00001,0.75\n".encode() for bin_id in (BIN, LATER)}
    server.put(name, files)
    server.clear()
    named = config(server, name, source=asked | {"scores_format": "csv"})
    run(checkout, named)
    assert sorted(server.keys) == sorted(f"{name}/{key}" for key in files)
    assert checkout.table("raw", "ledger")["address"].tolist() == [f"s3://{name}/{key}" for key in files]
    table = checkout.table("raw").set_index(["date", "class"])["count"]
    assert table.to_dict() == {(f"2024-04-{d}", c): n for d in (15, 16) for c, n in (("A", 1), ("unclassified", 0))}
    server.clear()
    assert "Nothing to be done" in run(checkout, named)
    assert server.requests == []


def test_another_csv_of_the_name_of_a_bin_is_no_class_scores_in_a_bucket_either(server: S3Server, name: str) -> None:
    sizes, winners = b"roi,area\n1,2\n", b"file_name,class_name,class_name_auto,score\n"
    server.put(name, {f"a/2024/{BIN}.csv": sizes, f"a/2024/{BIN}_class_scores.csv": scores(0.5)})
    server.put(name, {f"a/2023/{OTHER_YEAR}.csv": sizes, "a/summary_allTB2024.mat": b"", f"b/2024/{BIN}.csv": winners})
    source = opened(server, f"{name}/a", scores_format="auto", catalog="raw")
    server.clear()
    assert source.read_scores(BIN) == SourceFile(f"s3://{name}/a/2024/{BIN}_class_scores.csv", scores(0.5))
    assert server.keys == [f"{name}/a/2024/{BIN}.csv", f"{name}/a/2024/{BIN}_class_scores.csv"]
    assert source.read_scores(OTHER_YEAR) is None
    says = f"below s3://{name}/a there are 1 summary_allTB*.mat: source.scores_format: summary"
    assert source.scores_instead({BIN}) == says
    with pytest.raises(RequestError, match=r"\.csv files.* compared as float64.*Set it to class_csv"):
        opened(server, f"{name}/b", scores_format="auto").read_scores(BIN)
    # One that is named so is read, and nothing is looked at before.
    server.clear()
    named = opened(server, f"{name}/a", scores_format="class_csv")
    assert named.read_scores(BIN) == SourceFile(f"s3://{name}/a/2024/{BIN}.csv", sizes)
    assert server.keys == [f"{name}/a/2024/{BIN}.csv"]


def test_another_csv_that_cannot_be_read_keeps_no_bin_from_its_class_scores(server: S3Server, name: str) -> None:
    """It may be in cold storage; a fault that may pass is no answer."""
    server.put(name, {f"2024/{BIN}.csv": b"roi,area\n", f"2024/{BIN}_class_scores.csv": scores(0.5)})
    server.fault = lambda request: error(403, "InvalidObjectState") if request.path.endswith(f"{BIN}.csv") else None
    read = opened(server, name, scores_format="auto").read_scores(BIN)
    assert read == SourceFile(f"s3://{name}/2024/{BIN}_class_scores.csv", scores(0.5))
    server.fault = lambda request: error(503, "SlowDown") if request.path.endswith(f"{BIN}.csv") else None
    with pytest.raises(RequestError, match=rf"{BIN}\.csv .*SlowDown.*tried 3 times"):
        opened(server, name, scores_format="auto").read_scores(BIN)


def test_credentials_of_the_environment_recheck_and_nothing_written_of_them(
    server: S3Server, checkout: Checkout, tmp_path: Path, name: str
) -> None:
    files = flat(write_archive_of_years(tmp_path / "archive"), "")
    late = {key: body for key, body in files.items() if LATER in key}
    server.put(name, {key: body for key, body in files.items() if key not in late})
    key, secret = server.user(name, ["s3:ListBucket", "s3:GetObject"])
    login = {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret}
    server.want_logins(True)
    days = {"select": {"start": "2024-04-15", "end": "2024-04-16"}}
    wanted = config(server, name, **days)
    printed = run(checkout, wanted, **login)
    before = set(checkout.table("raw", "ledger")["bin"])
    server.want_logins(False)
    server.put(name, late)
    server.want_logins(True)
    server.clear()
    assert "Nothing to be done" in run(checkout, wanted)  # without credentials: there is nothing to ask
    assert server.requests == []
    printed += run(checkout, wanted, "recheck", **login)
    assert set(checkout.table("raw", "ledger")["bin"]) - before == {LATER}
    assert sorted(server.lists) == ["", "2024/", "legacy/"]
    assert [key for key in server.keys if key.endswith("_scores.csv")] == [f"{name}/2024/{LATER}_class_scores.csv"]
    assert all(request.signed for request in server.requests)
    assert_written_nowhere(checkout, printed, secret, key)


def assert_written_nowhere(checkout: Checkout, printed: str, *secrets: str) -> None:
    tops = ("results", "logs", ".snakemake")
    files = [path for top in tops for path in (checkout.folder / top).rglob("*") if path.is_file()]
    assert files
    for secret in secrets:
        assert secret not in printed
        assert [path for path in files if secret.encode() in path.read_bytes()] == []


def test_credentials_that_are_refused_are_said_and_not_shown(server: S3Server, checkout: Checkout, name: str) -> None:
    server.put(name, {f"2024/{BIN}.hdr": b""})
    key, _ = server.user(name, ["s3:*"])
    server.want_logins(True)
    server.clear()
    login = {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_SESSION_TOKEN": f"token-{SECRET}"}
    printed = run(checkout, config(server, name), fails=True, **login)
    assert f"s3://{name}/ (at {server.url}): HTTP 40" in printed
    assert "AWS_ACCESS_KEY_ID" in printed  # what to do
    assert "Traceback" not in printed
    assert len(server.requests) == 1
    assert_written_nowhere(checkout, printed, SECRET, key)


def test_no_credentials_are_said_and_nothing_is_asked(server: S3Server, checkout: Checkout, name: str) -> None:
    printed = run(checkout, config(server, name), fails=True)
    assert "credentials are unavailable (NoCredentialsError)" in printed
    assert "source.anonymous: true" in printed
    assert "Traceback" not in printed
    assert server.requests == []


# --- what is listed ---


def scores(*rows: float) -> bytes:
    return b"".join([b"pid,a\n", *(f"{BIN}_{n:05d},{score}\n".encode() for n, score in enumerate(rows, 1))])


def test_lists_of_many_pages_and_threads_that_all_wait_for_one(server: S3Server, name: str) -> None:
    bins = [f"D202404{day:02d}T{hour:02d}0000_IFCB010" for day in range(1, 8) for hour in range(4)]
    server.put(name, {f"x/2024/{bin_id}_class_scores.csv": scores(n / 64) for n, bin_id in enumerate(bins)})
    server.page = 10
    source = opened(server, f"{name}/x/")
    server.clear()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(source.read_scores, bins))
    assert found == [
        SourceFile(f"s3://{name}/x/2024/{bin_id}_class_scores.csv", scores(n / 64)) for n, bin_id in enumerate(bins)
    ]
    assert sorted(server.lists) == ["x/", "x/2024/", "x/2024/", "x/2024/"]  # 28 files
    assert sorted(server.keys) == [f"{name}/x/2024/{bin_id}_class_scores.csv" for bin_id in bins]


def test_folders_of_other_years_and_those_left_out_are_not_listed(server: S3Server, name: str) -> None:
    files = {
        **{f"{year}/{bin_id}{part}": b"x" for year, bin_id in ((2023, OTHER_YEAR), (2024, BIN)) for part in (".hdr",)},
        f"2025/{BIN}_class_scores.csv": b"in the folder of another year",
        f"skip/{LATER}_class_scores.csv": b"x",
        f"class/Beads/{LATER}_class_scores.csv": b"x",
        f"class/2024/deep/{BIN}_class_scores.csv": b"deep",
        f"{OTHER_YEAR}_class_scores.csv": b"top",
        "20244/notes.txt": b"",
    }
    server.put(name, files)
    source = opened(server, name, catalog="raw")
    server.clear()
    assert source.read_scores(BIN) == SourceFile(f"s3://{name}/class/2024/deep/{BIN}_class_scores.csv", b"deep")
    assert sorted(server.lists) == ["", "2024/", "20244/", "class/"]
    assert source.read_scores(LATER) is None
    assert source.missing_reason(LATER) == f"no {LATER}_class_scores.csv below s3://{name}"
    assert sorted(server.lists) == ["", "2024/", "20244/", "class/"]
    assert source.read_scores(OTHER_YEAR) == SourceFile(f"s3://{name}/{OTHER_YEAR}_class_scores.csv", b"top")
    assert sorted(server.lists) == ["", "2023/", "2024/", "20244/", "class/"]
    only = source.list_bins(Window(Bound.parse("2023-01-01"), Bound.parse("2023-12-31")))
    assert list(only["bin"]) == [OTHER_YEAR]
    assert "no .adc and no .roi beside" in only["volume_note"][0]
    with pytest.raises(NoBinsError, match=rf"s3://{name}: no raw bin .*there are 1, from 2024-04-15 03:00:00"):
        source.list_bins(Window(Bound.parse("2024-05-01"), Bound.parse("2024-05-31")))


def test_the_list_of_bins_from_metadata_csv(server: S3Server, name: str, tmp_path: Path) -> None:
    folder = write_archive(tmp_path / "archive", [bin_row(BIN, ml_analyzed=2.5)], {})
    server.put(name, {"a/metadata.csv": (folder / "metadata.csv").read_bytes()})
    source = opened(server, f"{name}/a")
    server.clear()
    rows = source.list_bins(EVER)
    assert rows.equals(DirectorySource(str(folder)).list_bins(EVER))
    assert (server.keys, server.lists) == ([f"{name}/a/metadata.csv"], [])
    assert source.catalog_files() == []
    server.put(name, {"a/metadata.csv": b"<html>"})
    with pytest.raises(CatalogError, match=rf"s3://{name}/a/metadata\.csv: not a metadata export"):
        source.list_bins(EVER)


def test_features_of_the_highest_version(server: S3Server, name: str) -> None:
    server.put(name, {f"2024/{BIN}_fea_v2.csv": b"2", f"2024/{BIN}_features_v4.csv": b"4"})
    assert opened(server, name).read_features(BIN) == SourceFile(f"s3://{name}/2024/{BIN}_features_v4.csv", b"4")


def test_more_than_one_file_of_scores_is_refused_naming_both(server: S3Server, name: str) -> None:
    server.put(name, {f"{folder}/{BIN}_class_scores.csv": b"" for folder in ("a", "b")})
    with pytest.raises(ScoresError, match=rf"{BIN}: more than one .*/a/{BIN}_.*, s3://{name}/b/{BIN}_"):
        opened(server, name).read_scores(BIN)


def test_what_a_summary_tells_is_known_without_a_request(server: S3Server, name: str) -> None:
    source = opened(server, f"{name}/a", scores_format="h5")
    server.clear()
    told = f"s3://{name}/a/2024/{BIN}_class_v2.h5"
    assert source.would_tell(BIN, told)
    assert source.would_tell(BIN, f"no {BIN}_class.h5 below s3://{name}/a")
    for bin_id, other in (
        (LATER, told),
        (BIN, told.replace("/a/", "/b/")),
        (BIN, told.replace("_class_v2.h5", ".roi")),
    ):
        assert not source.would_tell(bin_id, other)
    assert server.requests == []


# --- images ---


def test_images_are_read_by_ranges(server: S3Server, name: str, tmp_path: Path) -> None:
    pictures = [picture(40, 30, seed) for seed in range(5)]
    write_bin(tmp_path / "archive", BIN, [(n, 0, 0, pixels) for n, pixels in enumerate(pictures, 1)])
    server.put(name, flat(tmp_path / "archive", ""))
    source = opened(server, name)
    server.clear()
    with source.open_images(BIN) as images:
        assert images is not None
        assert (read_image(images.read, images.triggers, 4).pixels == pictures[3]).all()
    roi = [request for request in server.requests if request.path.endswith(".roi")]
    assert [request.range for request in roi] == ["bytes=3601-4800"]  # the fourth of 1,200 bytes each, behind one byte
    with source.open_images(BIN) as images, DirectorySource(str(tmp_path / "archive")).open_images(BIN) as on_disk:
        assert images is not None
        assert on_disk is not None
        theirs = list(read_images(on_disk.read, on_disk.triggers))
        for (n, image), (m, other) in zip(read_images(images.read, images.triggers), theirs, strict=True):
            assert n == m
            assert (image.pixels == other.pixels).all()
        assert images.read(6000, 10) == on_disk.read(6000, 10)  # the last byte
        assert images.read(6001, 10) == on_disk.read(6001, 10) == b""
        assert images.read(0, 0) == b""
    with source.open_images(LATER) as none:
        assert none is None


def test_fast_runs_and_bins_without_a_roi_are_as_on_disk(
    server: S3Server, checkout: Checkout, tmp_path: Path, name: str
) -> None:
    folder = write_tree(tmp_path / "archive", write_csv)
    fast, without = BINS[0], BINS[1]
    said = {"runSampleFast": 1, "RunFastFactor": "5.000000", "sampleType": "Normal"}
    next(folder.rglob(f"{fast}.hdr")).write_bytes(keyed_header(runTime=241, inhibitTime=1, **said))
    next(folder.rglob(f"{without}.roi")).unlink()
    server.put(name, flat(folder, ""))
    run(checkout, config(server, name, source={"anonymous": True}))
    catalog = checkout.table("raw", "catalog").set_index("bin")
    assert catalog.loc[fast, ["ml_analyzed", "volume_method", "sample_type"]].tolist() == [
        *(pytest.approx(5.0), "header+run_fast_factor", "Normal")  # 240 s x 0.25 mL/min x 5
    ]
    assert set(checkout.table("raw", "ledger")["status"]) == {"used"}
    printed = run(checkout, config(server, name, source={"anonymous": True}), "images")
    assert "images: 1 of 8 bins lack raw files (.hdr, .adc or .roi): excluded" in printed
    made = {path.stem for path in (checkout.results("raw") / "images").rglob("*.zip")}
    assert made == set(BINS) - {without}
    run(checkout, config(server, name, source={"anonymous": True, "fast_runs": "as_dashboard"}))
    volumes = checkout.table("raw", "catalog").set_index("bin")["ml_analyzed"]
    assert volumes.to_dict() == pytest.approx({bin_id: ml_analyzed(bin_id) for bin_id in BINS})


@pytest.mark.skipif(not RAW.exists(), reason=f"no shared data in {RAW}")
def test_real_bins_are_those_of_the_folder(server: S3Server, name: str) -> None:
    server.put(name, {str(path.relative_to(RAW)): path.read_bytes() for path in RAW.rglob("*") if path.is_file()})
    source, archive = opened(server, name, catalog="raw"), DirectorySource(str(RAW), FileOptions(catalog="raw"))
    rows, expected = source.list_bins(EVER), archive.list_bins(EVER)
    assert len(rows) == 5
    notes = rows["volume_note"].str.replace(source.address, str(RAW))
    pd.testing.assert_frame_equal(rows.assign(volume_note=notes), expected)
    for bin_id in ("D20130526T095207_IFCB013", "IFCB5_2012_028_081515"):
        server.clear()
        with source.open_images(bin_id) as ours, archive.open_images(bin_id) as theirs:
            assert ours is not None
            assert theirs is not None
            images, others = (list(read_images(bin_.read, bin_.triggers)) for bin_ in (ours, theirs))
        assert [n for n, _ in images] == [n for n, _ in others]
        assert all((image.pixels == other.pixels).all() for (_, image), (_, other) in zip(images, others, strict=True))
        assert all(request.range for request in server.requests if request.path.endswith(".roi"))


def test_a_roi_that_breaks_off_or_is_gone_or_not_served_in_parts(server: S3Server, name: str, tmp_path: Path) -> None:
    write_bin(tmp_path, BIN, [(1, 0, 0, picture(40, 30))])
    files = flat(tmp_path, "")
    key = f"2024/{BIN}.roi"
    server.put(name, {**files, key: files[key][:-1]})
    source = opened(server, name, retries=0)
    with source.open_images(BIN) as images:
        assert images is not None
        with pytest.raises(RawFileError, match=rf"{BIN}_00001: the \.roi ends within its image"):
            read_image(images.read, images.triggers, 1)
    whole = Response(files[key], headers={"ETag": '"x"'})
    server.fault = lambda request: whole if request.range else None
    with (
        pytest.raises(RawFileError, match=rf"bin {BIN}: s3://{name}/{key} .*does not serve parts of files"),
        source.open_images(BIN) as images,
    ):
        read_image(images.read, images.triggers, 1)
    server.fault = None
    server.delete(name, key)
    with (
        pytest.raises(RawFileError, match=rf"bin {BIN}: s3://{name}/{key} .*HTTP 404 NoSuchKey"),
        source.open_images(BIN) as images,
    ):
        read_image(images.read, images.triggers, 1)


# --- faults ---


class Times:
    """An answer that is given so many times to what is asked, then no more."""

    def __init__(self, times: int, answer: Callable[[], Response], what: Callable[[Request], bool]) -> None:
        self.times, self.answer, self.what = times, answer, what

    def __call__(self, request: Request) -> Response | None:
        if self.times and self.what(request):
            self.times -= 1
            return self.answer()
        return None


def truncated() -> Response:
    answer = Response(b"pid", headers={"ETag": '"x"'})
    answer.headers["Content-Length"] = "5000"
    return answer


def page_of_a_proxy() -> Response:
    return Response("<html>Please log in</html>", mimetype="text/html")


PASSING = {
    "HTTP 503 SlowDown": lambda: error(503, "SlowDown"),
    "HTTP 500 InternalError": lambda: error(500, "InternalError"),
    "HTTP 400 RequestTimeout": lambda: error(400, "RequestTimeout"),
    "HTTP 429": lambda: Response("", 429),
    "IncompleteRead": truncated,
    "HTTP 200 with something": page_of_a_proxy,
}


@pytest.mark.parametrize("what", ["list", "file"])
@pytest.mark.parametrize("said", PASSING)
def test_what_passes_is_asked_again_and_what_does_not_is_told(
    server: S3Server, name: str, said: str, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    server.put(name, {f"2024/{BIN}_class_scores.csv": scores(0.5)})
    server.clear()
    wanted = (lambda r: r.listed == "2024/") if what == "list" else (lambda r: r.listed is None)
    server.fault = Times(2, PASSING[said], wanted)
    if (what, said) == ("list", "IncompleteRead"):  # boto3 takes a list that is no XML for an error of the server
        said = "HTTP 500"
    found = opened(server, name).read_scores(BIN)
    assert found is not None
    assert found.body == scores(0.5)
    assert len(server.requests) == 5  # two lists, one file, two more of either
    again = [record.message for record in caplog.records if "trying again" in record.message]
    assert len(again) == 2
    assert all(said in message and f"s3://{name}/2024/" in message for message in again)
    server.fault = Times(100, server.fault.answer, wanted)
    source = opened(server, name)
    for _ in range(2):
        server.clear()
        with pytest.raises(RequestError if what == "list" else ScoresError, match=rf"{said}.*\(tried 3 times\)"):
            source.read_scores(BIN)
    assert len(server.requests) == (0 if what == "list" else 3)  # a list that is unavailable is not asked for again


def test_class_scores_that_are_shorter_than_listed_are_asked_for_again(server: S3Server, name: str) -> None:
    """They end with a line, and the answer's length is theirs."""
    server.put(name, {f"2024/{BIN}_class_scores.csv": scores(0.5, 0.75)})
    cut = Response(scores(0.5), headers={"ETag": '"x"'})
    server.fault = Times(1, lambda: cut, lambda request: request.listed is None)
    found = opened(server, name).read_scores(BIN)
    assert found is not None
    assert found.body == scores(0.5, 0.75)


@pytest.mark.parametrize(
    ("status", "code", "advice"),
    [
        (404, "NoSuchBucket", "there is no such bucket: check source.path and source.endpoint_url"),
        (403, "AccessDenied", r"unsigned requests .* need s3:ListBucket and s3:GetObject"),
        (400, "ExpiredToken", "source.anonymous: false"),
        (301, "PermanentRedirect", "another region: set AWS_DEFAULT_REGION"),
        (403, "InvalidObjectState", "cold storage"),
        (405, "MethodNotAllowed", "check source.path"),
        (418, "AKIA <secret>", " AKIAsecret: check source.path"),
    ],
)
def test_what_does_not_pass_is_told_at_once(server: S3Server, name: str, status: int, code: str, advice: str) -> None:
    answer = error(status, code.replace("<", "&lt;"))
    answer.headers["x-amz-bucket-region"] = "eu-central-1"
    server.fault = lambda request: answer  # noqa: ARG005
    server.clear()
    with pytest.raises(RequestError, match=rf"^s3://{name}/ \(at {server.url}\): HTTP {status}.*{advice}"):
        opened(server, name).read_scores(BIN)
    assert len(server.requests) == (2 if code == "PermanentRedirect" else 1)  # to the region that it names


def test_places_that_are_not_there(server: S3Server, name: str) -> None:
    with pytest.raises(RequestError, match=rf"s3://{name}/ .*HTTP 404 NoSuchBucket: there is no such bucket"):
        opened(server, name).read_scores(BIN)
    server.put(name, {"a/x": b""})
    for ask in (lambda s: s.read_scores(BIN), lambda s: s.list_bins(EVER)):
        with pytest.raises(
            NoBinsError, match=rf"s3://{name}/b \(at .*\): there is no file below it: check source\.path"
        ):
            ask(opened(server, f"{name}/b", catalog="raw"))
    with pytest.raises(RequestError, match=rf"s3://{name}/b/metadata\.csv .*HTTP 404 NoSuchKey"):
        opened(server, f"{name}/b").list_bins(EVER)


@pytest.mark.parametrize(
    ("address", "says"),
    [
        (
            "http://127.0.0.1:9",
            r"http://127\.0\.0\.1:9 takes no connections \(.*\) \(tried 3 times\): nothing more is asked",
        ),
        (
            "http://nowhere.invalid",
            r"http://nowhere\.invalid has a host name that cannot be resolved \(.*\): nothing more",
        ),
        ("https", r"https://127\.0\.0\.1:\d+ does not speak TLS at this port \(.*\): nothing more is asked of it"),
    ],
)
def test_a_server_that_is_not_there_is_given_up(
    server: S3Server, name: str, caplog: pytest.LogCaptureFixture, address: str, says: str
) -> None:
    source = opened(server, name, endpoint_url=address.replace("https", server.url.replace("http:", "https:")))
    for bin_id in (BIN, LATER, BIN):
        with pytest.raises(UnreachableError, match=says):
            source.read_scores(bin_id)
    assert re.match(says, source.given_up())
    told = [record for record in caplog.records if record.name.startswith("ifcb")]
    assert len(told) == (2 if "tried 3 times" in source.given_up() else 0)


def test_what_a_user_may_not_read(server: S3Server, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    server.put(name, {f"2024/{BIN}_class_scores.csv": b""})
    lister = server.user(f"{name}-lister", ["s3:ListBucket"])
    reader = server.user(f"{name}-reader", ["s3:GetObject"])
    server.want_logins(True)
    login(monkeypatch, *lister)
    with pytest.raises(ScoresError, match=rf"bin {BIN}: s3://{name}/2024/.*HTTP 403 AccessDenied.*your credentials"):
        opened(server, name, anonymous=False).read_scores(BIN)
    login(monkeypatch, *reader)
    with pytest.raises(RequestError, match=rf"^s3://{name}/ .*HTTP 403 AccessDenied.*s3:ListBucket"):
        opened(server, name, anonymous=False).read_scores(BIN)
    login(monkeypatch, reader[0], SECRET)
    with pytest.raises(RequestError, match="HTTP 403 SignatureDoesNotMatch") as refused:
        opened(server, name, anonymous=False).read_scores(BIN)
    assert SECRET not in repr(refused.getrepr(chain=True))


def test_the_server_of_the_environment_and_credentials_of_a_profile(
    server: S3Server, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server.put(name, {f"2024/{BIN}_class_scores.csv": b"x"})
    key, secret = server.user(f"{name}-profile", ["s3:ListBucket", "s3:GetObject"])
    server.want_logins(True)
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text(
        f"[default]\naws_access_key_id={key}\naws_secret_access_key={SECRET}\n"
        f"[ours]\naws_access_key_id={key}\naws_secret_access_key={secret}\n"
    )
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    monkeypatch.setenv("AWS_PROFILE", "ours")
    assert opened(server, name, endpoint_url=None, anonymous=False).read_scores(BIN) is not None
    monkeypatch.delenv("AWS_PROFILE")
    with pytest.raises(RequestError, match=rf"^s3://{name}/: HTTP 403 SignatureDoesNotMatch"):
        opened(server, name, endpoint_url=None, anonymous=False).read_scores(BIN)


def test_a_machine_without_credentials_and_without_an_answer_from_its_metadata_service(
    server: S3Server, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}/")
        server.clear()
        with pytest.raises(RequestError, match=r"credentials are unavailable \(NoCredentialsError\)"):
            opened(server, name, anonymous=False, timeout=1000).read_scores(BIN)  # a second or two all the same
    assert server.requests == []


def test_a_certificate_of_a_private_authority(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with S3Server(context) as secure:
        secure.fault = lambda request: error(403, "AccessDenied")  # noqa: ARG005
        with pytest.raises(UnreachableError, match=r"certificate verify failed.*AWS_CA_BUNDLE$"):
            opened(secure, name).read_scores(BIN)
        authority.cert_pem.write_to_path(str(tmp_path / "ours.pem"))
        monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "ours.pem"))
        with pytest.raises(RequestError, match="HTTP 403 AccessDenied"):
            opened(secure, name).read_scores(BIN)


def test_a_proxy_that_is_not_there_is_said_without_its_login(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://someone:{SECRET.replace('/', '')}@127.0.0.1:9")
    impatient = RequestOptions(retries=2, backoff=0.01)
    says = r"host='127\.0\.0\.1', port=9.*Connection refused.*tried 3 times"
    with pytest.raises(UnreachableError, match=says) as refused:
        BucketSource("s3://bucket", "http://s3.invalid", True, requests=impatient).read_scores(BIN)
    assert SECRET.replace("/", "") not in repr(refused.getrepr(chain=True))


def test_files_that_vanish_or_are_too_large(server: S3Server, name: str) -> None:
    server.put(name, {f"2024/{b}{part}": b"x" * 3000 for b in (BIN, LATER) for part in (".hdr", "_class_scores.csv")})
    source = opened(server, name)
    assert source.read_scores(BIN) is not None
    server.delete(name, f"2024/{LATER}_class_scores.csv")
    with pytest.raises(ScoresError, match=rf"bin {LATER}: .*HTTP 404 NoSuchKey: .*gone since the bucket was listed"):
        source.read_scores(LATER)
    assert opened(server, name, max_body_mb=0.003).read_scores(BIN) is not None
    with pytest.raises(ScoresError, match=rf"bin {BIN}: .*larger than source\.max_body_mb \(0\.0029 MB\)"):
        opened(server, name, max_body_mb=0.0029).read_scores(BIN)


def test_a_fault_while_raw_bins_are_listed_is_no_bad_volume(server: S3Server, name: str, tmp_path: Path) -> None:
    write_bin(tmp_path, BIN, [(1, 0, 0, picture(4, 4))])
    server.put(name, flat(tmp_path, ""))
    server.fault = lambda request: error(503, "SlowDown") if request.path.endswith(".adc") else None
    with pytest.raises(RequestError, match=rf"s3://{name}/2024/{BIN}\.adc .*SlowDown.*tried 3 times"):
        opened(server, name, catalog="raw").list_bins(EVER)
    server.fault = None
    expected = DirectorySource(str(tmp_path), FileOptions(catalog="raw")).list_bins(EVER)
    pd.testing.assert_frame_equal(opened(server, name, catalog="raw").list_bins(EVER), expected)


def test_a_folder_that_cannot_be_listed_leaves_a_recheck_the_scores_read_before(
    server: S3Server, name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = write_archive(tmp_path / "archive", [bin_row(BIN), bin_row(LATER)], {})
    lists = {"metadata.csv": (folder / "metadata.csv").read_bytes()}
    server.put(name, lists | {f"2024/{bin_id}_class_scores.csv": scores(0.5) for bin_id in (BIN, LATER)})
    list_catalog(opened(server, name), EVER, tmp_path / "catalog.csv")
    days = {BIN: "2024-04-15", LATER: "2024-04-16"}
    rows = [{"bin": bin_id, "date": day, "status": "no_scores"} for bin_id, day in days.items()]
    table_files.write(table_files.from_rows(rows, "ledger"), "ledger", tmp_path / "ledger.csv")
    for bin_id in days:
        said = Provenance(bin_id, ScoresStatus.NO_SCORES, "none yet")
        write_summary(said, find_winners(np.empty((0, 0))), tmp_path / f"{bin_id}.parquet")
    server.fault = lambda request: error(404, "NoSuchBucket") if request.listed == "2024/" else None
    source = opened(server, name)
    for _ in range(2):  # it is listed once, and is told of as the same fault
        with pytest.raises(RequestError, match=r"HTTP 404 NoSuchBucket") as refused:
            source.read_scores(BIN)
        assert refused.value.kind == GONE
    asked = Recheck(EVER, Select(), "no_scores", None)
    where = [tmp_path / f"{table}.csv" for table in ("catalog", "ledger", "changes")]
    recheck(source, asked, lambda bin_id: str(tmp_path / f"{bin_id}.parquet"), *where, 2)
    assert caplog.text.count("the scores read before of these bins are kept") == 1
    kept = [read_provenance(tmp_path / f"{bin_id}.parquet") for bin_id in days]
    assert [said.reason for said in kept if said] == ["none yet"] * 2


def test_a_server_that_names_no_next_page_is_told(server: S3Server, name: str) -> None:
    page = "<ListBucketResult><IsTruncated>true</IsTruncated>{}</ListBucketResult>"
    for token in ("", "<NextContinuationToken>again</NextContinuationToken>"):
        server.fault = lambda request, token=token: Response(page.format(token), mimetype="text/xml")  # noqa: ARG005
        with pytest.raises(RequestError, match="the list of files is truncated"):
            opened(server, name).read_scores(BIN)
