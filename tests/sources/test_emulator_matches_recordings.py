"""The emulated dashboard equals the recorded answers of real ones, and shows its faults to a client."""

import csv
import io
import json
import math
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import requests

from tests.archives import bin_row, write_archive, write_scores
from tests.dashboard.emulator import Emulator, Fault, ScoreDirectory
from tests.raw_files import scores_h5, scores_mat

REPOSITORY = Path(__file__).parents[2]
RECORDED = REPOSITORY.parent / "shared" / "data" / "recorded"
VERSIONS = ("5.0", "5.1", "5.2")

# Series and small pages that nothing here asks for.
NOT_EMULATED = re.compile(
    r"cs_mat_download_h5|roisizes|zip|short_json|metadata|list_images|(q_)?ts_?.*|feed"
    r"|extent.*|(single_)?bin_exists.*|bin_location|tags|tag_list|badhost"
)
EXPORTS = {"mvco": "export_mvco", "legacy": "export_legacy", "noloc-ds": "export_noloc", "quirks": "q_export"}
SCORES = {
    "mvco": ("cs_ok", "cs_skipped", "cs_empty", "cs_via_other_dataset"),
    "noloc-ds": ("cs_via_other_dataset",),
    "legacy": ("cs_old_mat",),
}
# What metadata.csv cannot tell.
UNKNOWABLE = {"num_triggers", "trigger_freq", "size", "modified", "accessioned", "has_features"}
UNKNOWABLE |= {"total_data_volume", "path", "time_since", "temperature", "humidity"}

BIN = "D20240215T000700_IFCB010"
METADATA = (
    "pid,sample_time,ifcb,ml_analyzed,latitude,longitude,depth,cruise,cast,niskin,sample_type,n_images,tag1,"
    "comment_summary,trigger_selection,skip\n"
    f"{BIN},2024-02-15 00:07:00+00:00,10,3.5,41.3,-70.5,4.0,,,,,40,,,2,0\n"
)
SCORE_FILE = "pid,Akashiwo,detritus\n" + "".join(f"{BIN}_{roi:05d},0.8,0.2\n" for roi in range(1, 41))
SCORES_PATH = f"/mvco/{BIN}_class_scores.csv"


@dataclass(frozen=True)
class Recording:
    """A line of INDEX.md with the answer it names."""

    name: str
    method: str
    target: str
    headers: dict[str, str]
    status: int
    answer_headers: dict[str, str]
    body: bytes | None


def read_recordings(version: str) -> Iterator[Recording]:
    folder = RECORDED / version
    line_format = re.compile(r"\| (\w+) \| `(.+?)`\s+(?:\((.*)\))? ?\| (\d+) \|")
    for line in (folder / "INDEX.md").read_text().splitlines()[2:]:
        name, target, options, status = line_format.match(line).groups(default="")
        header_lines = (folder / f"{name}.hdr.txt").read_text().splitlines()[1:]
        body = folder / f"{name}.body"
        yield Recording(
            name=name,
            method="POST" if "-X POST" in options else "HEAD" if "-I" in options else "GET",
            target=target,
            headers=dict(pair.split(": ", 1) for pair in re.findall(r"-H ([^)]+)", options)),
            status=int(status),
            answer_headers=dict(pair.split(": ", 1) for pair in header_lines if ": " in pair),
            body=body.read_bytes() if body.exists() else None,
        )


def recorded_archives(root: Path, own_positions: bool) -> dict[str, Path]:
    """Archives that hold what the recorded servers held, as 5.0 told it.

    The export of one dataset puts its position on bins without their own, the export of all does not:
    `own_positions` takes the bins' rows from there.
    """

    def body(name: str) -> str:
        return (RECORDED / "5.0" / f"{name}.body").read_text()

    everything = list(csv.DictReader(io.StringIO(body("export_all"))))
    folders = {dataset: root / dataset for dataset in [*EXPORTS, "empty"]}
    for dataset, folder in folders.items():
        folder.mkdir(parents=True)
        rows = list(csv.DictReader(io.StringIO(body(EXPORTS.get(dataset, "export_mvco")))))
        if dataset == "empty":
            rows = []
        elif own_positions:
            pids = {row["pid"] for row in rows}
            rows = [row for row in everything if row["pid"] in pids]
        names = [name for name in (rows or everything)[0] if name != "dataset"]
        with (folder / "metadata.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, names, extrasaction="ignore", lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    for dataset, names in SCORES.items():
        for name in names:
            disposition = (RECORDED / "5.2" / f"{name}.hdr.txt").read_text()
            pid = re.search(r"filename=(\w+)\.csv", disposition)[1]
            day = folders[dataset] / "class" / pid[:9]
            day.mkdir(parents=True, exist_ok=True)
            (day / f"{pid}_class_scores.csv").write_text(body(name))
    (folders["mvco"] / f"{BIN}_features.csv").write_text(body("fea_ok"))
    raw = folders["mvco"] / "raw"
    raw.mkdir()
    for part in ("hdr", "adc"):
        (raw / f"{BIN}.{part}").write_bytes((RECORDED / "5.0" / f"{part}.body").read_bytes())
    (raw / f"{BIN}.roi").write_bytes(bytes(12093))  # the bytes were not kept, how many there were was
    (folders["mvco"] / "D20240215T191900_IFCB010_class_scores.csv").write_bytes(b"")
    return folders


def comparable(text: bytes) -> str:
    """A JSON body in a form in which what follows from metadata.csv is equal; keeps the order of the keys."""
    page = json.loads(text)
    for key in UNKNOWABLE & page.keys():
        page[key] = None
    for key in ("tags", "tag_options"):  # in the order in which the tags were made
        if key in page:
            page[key] = sorted(page[key])
    if "data" in page:  # list_bins: bins of the same second come in any order
        page["data"].sort(key=lambda row: (row["sample_time"], row["pid"]))
    if "comments" in page:
        page["comments"] = [comment[1] for comment in page["comments"]]
    if "concentration" in page and math.isfinite(page["concentration"]):
        page["concentration"] = f"{page['concentration']:.2f}"
    if "class_scores" in page:
        page["class_scores"] = len(page["class_scores"])
    if "dataset_options" in page:  # inactive datasets are left out; an archive on disk cannot be inactive
        page["dataset_options"] = [name for name in page["dataset_options"] if name != "noloc-ds"]
    return json.dumps(page)


def difference(recording: Recording, answer: requests.Response) -> str | None:
    if answer.status_code != recording.status:
        return f"status {answer.status_code}, recorded {recording.status}"
    named = ["Content-Type", "Content-Disposition", "Location"]
    named += ["Transfer-Encoding"] if recording.status == 200 else []
    named += ["Content-Length"] if re.fullmatch(r"hdr.*|adc.*|roi", recording.name) else []
    for name in named:
        if answer.headers.get(name) != recording.answer_headers.get(name):
            return f"{name} {answer.headers.get(name)}, recorded {recording.answer_headers.get(name)}"
    if recording.status != 200 or recording.method == "HEAD":
        return None
    if recording.body is None:
        return None if recording.name == "roi" else "recorded no body"
    if recording.answer_headers["Content-Type"] in ("text/csv", "text/plain"):
        if answer.content != recording.body:
            return f"body {answer.content[:300]!r}, recorded {recording.body[:300]!r}"
    elif comparable(answer.content) != comparable(recording.body):
        return f"body {comparable(answer.content)}, recorded {comparable(recording.body)}"
    return None


@pytest.mark.parametrize("version", VERSIONS)
def test_answers_are_those_recorded(version: str, tmp_path: Path) -> None:
    if not RECORDED.is_dir():
        pytest.skip("recorded answers are not beside this checkout (../shared/data/recorded)")
    archives = recorded_archives(tmp_path / "as exported", own_positions=False)
    own_positions = recorded_archives(tmp_path / "own positions", own_positions=True)
    with ExitStack() as stack:
        usual = stack.enter_context(Emulator(archives, version))
        special = {
            "export_all": stack.enter_context(Emulator(own_positions, version)),
            "cs_old_mat": stack.enter_context(Emulator(archives, version, score_dtype="float64")),
        }
        differences = {}
        recordings = [r for r in read_recordings(version) if not NOT_EMULATED.fullmatch(r.name)]
        for r in recordings:
            url = special.get(r.name, usual).url + r.target
            answer = requests.request(r.method, url, headers=r.headers, allow_redirects=False, timeout=10)
            if found := difference(r, answer):
                differences[r.name] = found
    assert len(recordings) > 70
    assert not differences, "\n".join(f"{name}: {found}" for name, found in differences.items())


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """One bin of 40 ROIs."""
    (tmp_path / "metadata.csv").write_text(METADATA)
    (tmp_path / f"{BIN}_class_scores.csv").write_text(SCORE_FILE)
    return tmp_path


@pytest.fixture
def dashboard(archive: Path) -> Iterator[Emulator]:
    with Emulator({"mvco": archive}, "5.0") as emulator:
        yield emulator


def get(dashboard: Emulator, timeout: float = 10) -> requests.Response:
    return requests.get(dashboard.url + SCORES_PATH, timeout=timeout, allow_redirects=False)


@pytest.mark.parametrize(
    ("name", "body", "status"),
    [
        ("_class.h5", scores_h5(3, BIN, ["Akashiwo", "Ceratium"], [2], [[0.5, 0.25]]), 200),
        ("_class_v2.h5", scores_h5(2, BIN, ["Akashiwo", "Ceratium"], [2], [[0.5, 0.25]]), 200),
        ("_class.h5", scores_h5(3, BIN, ["\u00c5kashiwo", "Ceratium"], [2], [[0.5, 0.25]]), 500),
        ("_class_v1.mat", scores_mat(["A", "B"], [2, 3], [[0.5, 0.25]] * 2, roinum=np.array([[2], [3]])), 200),
        ("_class_v1.mat", scores_mat(["A", "B"], [2], [[0.5, 0.25]], roinum=np.array([[2]])), 500),
        ("_class_v1.mat", scores_mat(["A", "B"], [2, 3], [[0.5, 0.25]] * 2), 500),
    ],
    ids=["h5", "h5 version 2", "h5 not ASCII", "mat", "mat of one ROI", "mat with ROI numbers as floats"],
)
def test_scores_files_of_classifiers_that_the_application_stumbles_over(
    archive: Path, name: str, body: bytes, status: int
) -> None:
    """As it was seen of the application in three versions: each time, so that trying again does not help."""
    (archive / f"{BIN}_class_scores.csv").unlink()
    (archive / f"{BIN}{name}").write_bytes(body)
    with Emulator({"mvco": archive}, "5.0") as dashboard:
        answers = [get(dashboard) for _ in range(3)]
        products = requests.get(f"{dashboard.url}/api/has_products/{BIN}", timeout=10).json()
    assert [answer.status_code for answer in answers] == [status] * 3
    assert status == 500 or answers[0].text.splitlines()[1] == f"{BIN}_00002,0.5,0.25"
    assert products["has_class_scores"]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"kind": "reset"}, requests.ConnectionError),
        ({"kind": "stall"}, requests.ReadTimeout),
        ({"kind": "stall", "seconds": 0.05}, requests.ConnectionError),
        ({"kind": "stall_body"}, requests.ConnectionError),  # requests' name for a timeout within the body
        ({"kind": "delay", "seconds": 5}, requests.ReadTimeout),
        ({"kind": "cut"}, requests.exceptions.ChunkedEncodingError),
        ({"kind": "cut_length"}, requests.exceptions.ChunkedEncodingError),
    ],
)
def test_broken_answers(dashboard: Emulator, options: dict, error: type[Exception]) -> None:
    dashboard.faults.append(Fault("_class_scores", **options))
    with pytest.raises(error):
        get(dashboard, timeout=0.5)
    assert get(dashboard).text == SCORE_FILE
    broken, whole = dashboard.requests
    assert (broken.fault, broken.status) == (options["kind"], None)
    assert (whole.fault, whole.status) == (None, 200)


def test_cut_without_a_length_shows_only_in_the_last_line(dashboard: Emulator) -> None:
    dashboard.faults.append(Fault("_class_scores", "cut_close"))
    answer = get(dashboard)
    assert answer.status_code == 200
    assert not {"Content-Length", "Transfer-Encoding"} & answer.headers.keys()
    assert SCORE_FILE.startswith(answer.text)
    assert not answer.text.endswith("\n")


def test_gzip_cut_is_a_well_formed_chunked_answer(dashboard: Emulator) -> None:
    dashboard.faults.append(Fault("_class_scores", "gzip_cut"))
    answer = requests.get(dashboard.url + SCORES_PATH, timeout=10, stream=True)
    assert answer.headers["Content-Encoding"] == "gzip"
    packed = answer.raw.read(decode_content=False)
    assert packed.startswith(b"\x1f\x8b")
    assert len(packed) > 0


@pytest.mark.parametrize(
    ("options", "status", "content_type", "body"),
    [
        ({"kind": "status", "status": 504}, 504, "text/html; charset=utf-8", "<!DOCTYPE html>"),
        ({"kind": "html"}, 200, "text/html; charset=utf-8", "<!DOCTYPE html>"),
        ({"kind": "empty"}, 200, "text/csv", ""),
        ({"kind": "redirect"}, 302, "text/html; charset=utf-8", ""),
        ({"kind": "body", "body": b"pid,a\n"}, 200, "text/csv", "pid,a\n"),
        ({"kind": "transform", "function": lambda body: body[:11]}, 200, "text/csv", "pid,Akashiw"),
        ({"kind": "delay", "seconds": 0.05}, 200, "text/csv", SCORE_FILE),
    ],
)
def test_wrong_but_whole_answers(dashboard: Emulator, options: dict, status: int, content_type: str, body: str) -> None:
    dashboard.faults.append(Fault("_class_scores", **options))
    answer = get(dashboard)
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, content_type)
    assert answer.text.startswith(body)
    assert bool(answer.text) == bool(body)
    assert dashboard.requests[0].status == status


def test_status_fault_carries_headers_and_redirect_leads_to_html(dashboard: Emulator) -> None:
    dashboard.faults += [
        Fault("_class_scores", "status", status=429, headers={"Retry-After": "1"}),
        Fault("_class_scores", "redirect"),
    ]
    assert get(dashboard).headers["Retry-After"] == "1"
    page = requests.get(dashboard.url + SCORES_PATH, timeout=10)
    assert page.status_code == 200
    assert page.headers["Content-Type"].startswith("text/html")


def test_unknown_kinds_and_options_are_refused() -> None:
    with pytest.raises(ValueError, match="expected one of"):
        Fault(".", "explode")
    with pytest.raises(ValueError, match="no option second"):
        Fault(".", "stall", second=1)


def test_faults_are_counted_exactly_with_many_clients(dashboard: Emulator) -> None:
    dashboard.faults += [
        Fault("_class_scores", "status", times=7, skip=10, status=500),
        Fault("_class_scores", "status", times=5, skip=3, status=503),
    ]
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda _: get(dashboard).status_code, range(60)))
    assert (statuses.count(500), statuses.count(503), statuses.count(200)) == (7, 5, 48)
    assert len(dashboard.requests) == 60


def test_most_at_once_is_the_number_of_clients(archive: Path) -> None:
    with Emulator({"mvco": archive}, latency=0.1) as dashboard:
        for clients in (1, 3):
            dashboard.clear()
            with ThreadPoolExecutor(clients) as pool:
                list(pool.map(lambda _: get(dashboard), range(4 * clients)))
            assert dashboard.most_at_once() == clients
            assert dashboard.most_at_once("_class_scores") == clients
            assert dashboard.most_at_once("export_metadata") == 0


def test_log_tells_what_was_asked(dashboard: Emulator) -> None:
    requests.get(dashboard.url + SCORES_PATH + "?v=3", headers={"User-Agent": "me"}, timeout=10)
    (request,) = dashboard.requests
    assert (request.method, request.path, request.query) == ("GET", SCORES_PATH, {"v": "3"})
    assert request.target == SCORES_PATH + "?v=3"
    assert request.headers["user-agent"] == "me"
    assert request.started <= request.finished <= time.monotonic()
    dashboard.clear()
    assert dashboard.requests == []


def test_reload_serves_what_has_changed(dashboard: Emulator, archive: Path) -> None:
    get(dashboard)
    (archive / f"{BIN}_class_scores.csv").write_text("pid,Akashiwo\n")
    assert get(dashboard).text == SCORE_FILE
    dashboard.reload()
    assert get(dashboard).text == "pid,Akashiwo\n"


def a_server(folder: Path, **datasets: list[dict[str, object]]) -> dict[str, Path]:
    return {name: write_archive(folder / name, rows, {}) for name, rows in datasets.items()}


@pytest.mark.parametrize("version", VERSIONS)
def test_the_most_recent_bin_is_that_of_the_newest_id(tmp_path: Path, version: str) -> None:
    """As seen on the application: skipped ones too, those of the future not; sample_time does not matter."""
    moved, skipped = "D20240301T000000_IFCB010", "D20240302T000000_IFCB010"
    first = [bin_row("D20240201T000000_IFCB010"), bin_row(moved, sample_time="2023-01-01 00:00:00+00:00")]
    future = bin_row("D29990101T000000_IFCB010", sample_time="2024-02-01 00:00:00+00:00")
    old = bin_row("D20120128T081515_IFCB005") | {"pid": "IFCB5_2012_028_081515"}
    datasets = {"a": first, "b": [*first, bin_row(skipped, skip=1)], "c": [*first, future], "d": [*first, old]}
    with Emulator(a_server(tmp_path, **datasets), version) as server:
        found = {
            name: requests.get(f"{server.url}/api/most_recent_bin?dataset={name}").json()["pid"] for name in "abcd"
        }
    assert found == {"a": moved, "b": skipped, "c": moved, "d": moved}


@pytest.mark.parametrize("version", VERSIONS)
def test_the_dataset_of_an_address_chooses_no_file(tmp_path: Path, version: str) -> None:
    """It has to be one of the bin, by its name or its old one; what is served is the first file of any of them."""
    archives = a_server(tmp_path, first=[bin_row(BIN)], second=[bin_row(BIN)], third=[])
    for dataset in ("first", "second"):
        write_scores(archives[dataset], BIN, [dataset], [[0.5]])
        (archives[dataset] / f"{BIN}_features.csv").write_text(f"roi_number,{dataset}\n1,1\n")
        (archives[dataset] / f"{BIN}.hdr").write_text(dataset)
    with Emulator(archives, version, renamed={"old": "second"}) as server:

        def get(path: str) -> requests.Response:
            return requests.get(server.url + path, timeout=10)

        for dataset in ("first", "second", "old"):
            assert get(f"/{dataset}/{BIN}_class_scores.csv").text.splitlines()[0].replace('"', "") == "pid,first"
            assert get(f"/{dataset}/{BIN}_features.csv").text.startswith("roi_number,first")
            assert get(f"/{dataset}/{BIN}.hdr").text == "first"
        for dataset in ("third", "nowhere"):
            for part in ("_class_scores.csv", "_features.csv", ".hdr"):
                assert get(f"/{dataset}/{BIN}{part}").status_code == 404
        # Under the old name there are files, but no list and no bin.
        assert get("/api/export_metadata/old").status_code == 404
        assert get(f"/api/bin/{BIN}?dataset=old").status_code == 404
        assert get(f"/api/bin/{BIN}?dataset=second").status_code == 200


@pytest.mark.parametrize("version", VERSIONS)
def test_versions_and_models_choose_scores(tmp_path: Path, version: str) -> None:
    archives = a_server(tmp_path, first=[bin_row(BIN)])
    write_scores(archives["first"], BIN, ["own"], [[0.5]])
    directories = []
    for name, number, default in (("a", 7, False), ("b", 8, True)):
        write_scores(tmp_path / name, BIN, [name], [[0.5]])
        directories.append(ScoreDirectory("first", tmp_path / name, number, f"model-{name}", default))
    asked = ("", "?v=3", "?v=7", "?v=8", "?v=9", "?v=x", "?model=model-a", "?model=none", "?v=8&model=model-a")
    with Emulator(archives, version, score_directories=directories) as server:
        answers = [requests.get(f"{server.url}/first/{BIN}_class_scores.csv{query}", timeout=10) for query in asked]
    labels = [a.text.splitlines()[0].replace('"', "")[4:] if a.status_code == 200 else a.status_code for a in answers]
    if version == "5.2":  # its default model comes first
        assert labels == ["b", "own", "a", "b", 404, 404, "a", 404, 404]
    else:
        assert labels == ["own", "own", "a", "b", 404, 404, "own", "own", "b"]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_bin_is_shown_where_its_first_dataset_is_and_listed_where_the_asked_one_is(
    tmp_path: Path, version: str
) -> None:
    rows = {
        name: bin_row(BIN, latitude=lat, longitude=-70.0, depth=d)
        for name, lat, d in (("a", 41.0, 4.0), ("b", 50.0, 9.0))
    }
    with Emulator(a_server(tmp_path, a=[rows["a"]], b=[rows["b"]]), version) as server:
        for dataset, latitude, depth in (("a", "41.0", "4.0"), ("b", "50.0", "9.0")):
            shown = requests.get(f"{server.url}/api/bin/{BIN}?dataset={dataset}", timeout=10).json()
            assert (shown["lat"], shown["depth"]) == (41.0, 4.0)
            listed = requests.get(f"{server.url}/api/export_metadata/{dataset}", timeout=10).text.replace('"', "")
            row = next(csv.DictReader(io.StringIO(listed)))
            assert (row["latitude"], row["depth"]) == (latitude, depth)


@pytest.mark.parametrize("content", [b"", b"\x89HDF\r\n\x1a\n", b"pid,a\nx_00001,much\n", b"pid,a,b\nx_00001,0.5\n"])
def test_unreadable_score_files_are_a_500(dashboard: Emulator, archive: Path, content: bytes) -> None:
    (archive / f"{BIN}_class_scores.csv").write_bytes(content)
    dashboard.reload()
    assert get(dashboard).status_code == 500


def test_large_bodies_arrive_whole(archive: Path) -> None:
    body = os.urandom(3_000_001)
    with Emulator({"mvco": archive}, score_body=lambda pid: body if pid == BIN else None) as dashboard:
        answer = requests.get(dashboard.url + SCORES_PATH, timeout=10)
    assert answer.headers["Transfer-Encoding"] == "chunked"
    assert answer.content == body


@pytest.mark.parametrize("kind", ["stall", "stall_body", "delay"])
def test_closing_ends_what_is_under_way_and_frees_the_port(archive: Path, kind: str) -> None:
    def ask(url: str) -> str:
        try:
            return requests.get(url, timeout=60).text
        except requests.RequestException:
            return "broken off"

    threads = threading.active_count()
    with (
        Emulator({"mvco": archive}, faults=[Fault(".", kind, seconds=60)]) as dashboard,
        ThreadPoolExecutor() as pool,
    ):
        answer = pool.submit(ask, dashboard.url + SCORES_PATH)
        wait_until(lambda: bool(dashboard.requests))
        before = time.monotonic()
        dashboard.close()
        assert answer.result() == "broken off"
        assert time.monotonic() - before < 2
    assert threading.active_count() == threads
    with Emulator({"mvco": archive}, "5.0", port=dashboard.port) as again:
        assert again.url == dashboard.url
        assert get(again).text == SCORE_FILE


def test_a_client_that_gives_up_is_not_in_flight_any_longer(dashboard: Emulator) -> None:
    dashboard.faults.append(Fault(".", "stall"))
    with pytest.raises(requests.ReadTimeout):
        get(dashboard, timeout=0.2)
    wait_until(lambda: dashboard.requests[0].finished is not None)


def test_serves_from_a_process_of_its_own(archive: Path) -> None:
    command = [sys.executable, "-m", "tests.dashboard", "--dataset", f"mvco={archive}", "--version", "5.1"]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as process:
        try:
            url = process.stdout.readline().strip()
            assert requests.get(url + SCORES_PATH, timeout=60).text == SCORE_FILE
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "waited for 60 s"
        time.sleep(0.005)
