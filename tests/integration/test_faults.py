"""Faults of the server, over real HTTP: what can pass is tried again, what cannot is said or recorded."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.archives import bin_row, write_archive
from tests.dashboard.emulator import Emulator, Fault
from tests.integration.conftest import Checkout

BINS = [f"D2024040{day}T0{hour}0000_IFCB010" for day in (1, 2, 3) for hour in (1, 2)]
BAD = BINS[2]  # on 2024-04-02
CLASSES = ["Akashiwo", "detritus"]
ROIS = [[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]]

TRANSIENT = {
    "http_429": Fault("", "status", status=429, headers={"Retry-After": "0"}),
    "http_500": Fault("", "status", status=500),
    "http_502": Fault("", "status", status=502),
    "http_503": Fault("", "status", status=503, headers={"Retry-After": "1"}),
    "http_504": Fault("", "status", status=504),
    "html_with_200": Fault("", "html"),
    "empty_with_200": Fault("", "empty"),
    "reset": Fault("", "reset"),
    "stalled": Fault("", "stall", seconds=30),
    "stalled_in_the_body": Fault("", "stall_body", seconds=30),
    "cut_in_a_chunk": Fault("", "cut"),
    "cut_before_its_length": Fault("", "cut_length"),
    "cut_without_any_mark": Fault("", "cut_close"),
    "gzip_cut": Fault("", "gzip_cut"),
}


@pytest.fixture
def dashboard(tmp_path: Path) -> Iterator[Emulator]:
    archive = write_archive(
        tmp_path / "archive",
        [bin_row(bin_id, ml_analyzed=2.5) for bin_id in BINS],
        dict.fromkeys(BINS, (CLASSES, ROIS)),
    )
    with Emulator({"demo": archive}) as emulator:
        yield emulator


def config(dashboard: Emulator, **source: Any) -> dict[str, Any]:
    return {
        "dataset": "demo",
        "source": {"kind": "dashboard", "url": dashboard.url, "backoff": 0.05, "timeout": 2, "retries": 2, **source},
        "select": {"start": "2024-04-01", "end": "2024-04-03"},
    }


def fault(kind: str, match: str, times: int | None = 1) -> Fault:
    """A fresh copy, since a fault counts how often it struck."""
    pattern = TRANSIENT[kind]
    return Fault(match, pattern.kind, times=times, **pattern.options)


def assert_right(checkout: Checkout, bins: list[str] = BINS) -> None:
    ledger = checkout.table("demo", "ledger").set_index("bin")["status"]
    assert sorted(ledger.index) == sorted(BINS)
    assert set(ledger[bins]) == {"used"}
    table = checkout.table("demo").set_index(["date", "class"])
    for date in {f"2024-04-{bin_id[7:9]}" for bin_id in bins}:
        n = sum(bin_id[7:9] == date[-2:] for bin_id in bins)
        assert table["count"][date].to_dict() == {"Akashiwo": n, "detritus": n, "unclassified": n}
        assert (table["ml_analyzed_total"][date] == 2.5 * n).all()


@pytest.mark.parametrize("kind", TRANSIENT)
def test_a_fault_that_passes_leaves_no_trace_in_the_results(checkout: Checkout, dashboard: Emulator, kind: str) -> None:
    dashboard.faults += [fault(kind, "export_metadata"), fault(kind, BAD, times=2)]
    printed = checkout.run(config(dashboard))
    assert_right(checkout)
    assert len(re.findall(rf"{BAD}_class_scores.csv: .*; trying again in", printed)) == 2
    assert len(re.findall(r"export_metadata/.*; trying again in", printed)) == 1
    assert len([r for r in dashboard.requests if BAD in r.target]) == 3


@pytest.mark.parametrize("kind", ["http_500", "html_with_200", "cut_in_a_chunk", "reset"])
def test_a_bin_that_cannot_be_had_stops_the_run_when_all_else_is_built(
    checkout: Checkout, dashboard: Emulator, kind: str
) -> None:
    dashboard.faults.append(fault(kind, BAD, times=None))
    printed = checkout.run(config(dashboard), fails=True)
    assert f"bin {BAD}: {dashboard.url}/demo/{BAD}_class_scores.csv: " in printed
    assert "(tried 3 times)" in printed
    assert "The run is not complete" in printed
    results = checkout.results("demo")
    assert sorted(day.name for day in (results / "daily").glob("*.csv")) == ["2024-04-01.csv", "2024-04-03.csv"]
    assert not (results / "abundance_long.csv").exists()
    assert len([r for r in dashboard.requests if BAD in r.target]) == 3

    # When the fault has passed, the same command asks for this bin only.
    dashboard.faults.clear()
    dashboard.clear()
    checkout.run(config(dashboard))
    assert [r.target for r in dashboard.requests] == [f"/demo/{BAD}_class_scores.csv"]
    assert_right(checkout)


def test_a_bin_that_cannot_be_had_is_recorded_on_request(checkout: Checkout, dashboard: Emulator) -> None:
    dashboard.faults.append(fault("http_500", BAD, times=None))
    checkout.run(config(dashboard, on_failure="record"))
    row = checkout.table("demo", "ledger").set_index("bin").loc[BAD]
    assert row["status"] == "failed"
    assert f"{dashboard.url}/demo/{BAD}_class_scores.csv: HTTP 500" in row["reason"]
    assert_right(checkout, [bin_id for bin_id in BINS if bin_id != BAD])
    assert list((checkout.results("demo") / "bins").rglob(f"{BAD}.*"))

    # It stays so without a request; where failures are not allowed, the run says which file to delete.
    dashboard.clear()
    checkout.run(config(dashboard, on_failure="record"))
    assert dashboard.requests == []
    dashboard.faults.clear()
    printed = checkout.run(config(dashboard, on_failure="stop"), fails=True)
    remedy = re.search(rf"^  rm (\S+{BAD}\S+)$", printed, re.MULTILINE)
    assert remedy, printed
    (checkout.folder / remedy[1]).unlink()
    checkout.run(config(dashboard, on_failure="stop"))
    assert [r.target for r in dashboard.requests] == [f"/demo/{BAD}_class_scores.csv"]
    assert_right(checkout)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"pid,Akashiwo\n" + BINS[0].encode() + b"_00002,0.9\n", "not a ROI of this bin"),
        (b"pid,Akashiwo\n" + BAD.encode() + b"_00002,high\n", "invalid value 'high'"),
        (b"pid,Akashiwo\n" + BAD.encode() + b"_00002,1.5\n", "outside 0 to 1"),
        (b"pid,Akashiwo,Akashiwo\n" + BAD.encode() + b"_00002,0.5,0.5\n", "met twice"),
        (b"pid,Akashiwo,detritus\n" + BAD.encode() + b"_00002,0.5\n", "columns"),
        (b"roi,score\n1,0.5\n", "not class scores"),
        (b"pid,Aka\xff\n" + BAD.encode() + b"_00002,0.5\n", "header"),
    ],
)
def test_an_answer_that_is_not_this_bins_scores_is_never_a_number(
    checkout: Checkout, dashboard: Emulator, body: bytes, reason: str
) -> None:
    dashboard.faults.append(Fault(BAD, "body", times=None, body=body))
    printed = checkout.run(config(dashboard, on_failure="record"))
    row = checkout.table("demo", "ledger").set_index("bin").loc[BAD]
    assert row["status"] == "failed"
    assert reason in row["reason"]
    assert BAD in row["reason"]
    assert f"{dashboard.url}/demo/{BAD}_class_scores.csv" in row["reason"]
    assert "recorded as failed" in printed
    assert len([r for r in dashboard.requests if BAD in r.target]) == 1  # asking again would not help
    assert_right(checkout, [bin_id for bin_id in BINS if bin_id != BAD])


def test_a_catalog_that_cannot_be_had_stops_the_run(checkout: Checkout, dashboard: Emulator) -> None:
    dashboard.faults.append(fault("http_503", "export_metadata", times=None))
    printed = checkout.run(config(dashboard, on_failure="record"), fails=True)
    assert f"{dashboard.url}/api/export_metadata/demo?start_date=2024-04-01&end_date=2024-04-03: HTTP 503" in printed
    assert len(dashboard.requests) == 3
    assert not (checkout.results("demo") / "catalog.csv").exists()


def test_a_walk_that_breaks_off_is_not_taken_for_whole(checkout: Checkout, dashboard: Emulator) -> None:
    dashboard.faults.append(Fault(f"api/bin/{BINS[3]}", "status", times=None, status=503))
    printed = checkout.run(config(dashboard, catalog="walk"), fails=True)
    assert f"{dashboard.url}/api/bin/{BINS[3]}?dataset=demo: HTTP 503" in printed
    assert not (checkout.results("demo") / "catalog.csv").exists()
    dashboard.faults[:] = [Fault(f"api/bin/{BINS[3]}", "status", times=None, status=404)]
    printed = checkout.run(config(dashboard, catalog="walk"), fails=True)
    assert f"bin {BINS[3]}" in printed
    dashboard.faults.clear()
    checkout.run(config(dashboard, catalog="walk"))
    assert_right(checkout)


def test_redirects_are_told_and_not_followed(checkout: Checkout, dashboard: Emulator) -> None:
    dashboard.faults.append(Fault("export_metadata", "redirect", times=None))
    printed = checkout.run(config(dashboard), fails=True)
    assert "HTTP 302, a redirect to" in printed
    assert "check source.url" in printed
    assert len(dashboard.requests) == 1


def test_a_refused_connection_names_the_address(checkout: Checkout, dashboard: Emulator) -> None:
    settings = config(dashboard, retries=1)
    dashboard.close()
    printed = checkout.run(settings, fails=True)
    assert f"{dashboard.url}/api/export_metadata/demo" in printed
    assert "(tried 2 times)" in printed


def test_a_server_that_asks_to_wait_longer_than_a_run_should_is_left_alone(
    checkout: Checkout, dashboard: Emulator
) -> None:
    dashboard.faults.append(Fault(BAD, "status", times=None, status=503, headers={"Retry-After": "86400"}))
    printed = checkout.run(config(dashboard), fails=True)
    assert "the server asks to wait (Retry-After: 86400)" in printed
    assert len([r for r in dashboard.requests if BAD in r.target]) == 1
