"""Runs against the emulated dashboard over real HTTP: right numbers, and no request too many."""

import re
import time
from pathlib import Path
from typing import Any

import pytest

from demo_archive import AWKWARD, write_demo_archive
from tests import truth
from tests.archives import bin_row, write_archive
from tests.dashboard.emulator import Emulator, Fault, Request
from tests.integration.comparing import assert_equals_truth
from tests.integration.conftest import Checkout

VERSIONS = ("5.0", "5.1", "5.2")
SCORES = "_class_scores"
EXPORT = "/api/export_metadata/demo"


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive")
    write_demo_archive(folder)
    return folder


def config(dashboard: Emulator, start: str = "2024-04-15", end: str = "2024-04-18", **sections: Any) -> dict[str, Any]:
    source = {"kind": "dashboard", "url": dashboard.url, "backoff": 0.05, **sections.pop("source", {})}
    select = {"start": start, "end": end, **sections.pop("select", {})}
    return {"dataset": "demo", "source": source, "select": select, **sections}


def targets(dashboard: Emulator, *parts: str) -> list[str]:
    """What was asked for and has one of the parts in its target, in order."""
    return [r.target for r in dashboard.requests if not parts or any(part in r.target for part in parts)]


def asked_bins(dashboard: Emulator) -> list[str]:
    return sorted(re.search(r"/([^/]+)_class_scores", target)[1] for target in targets(dashboard, SCORES))


@pytest.mark.parametrize("version", VERSIONS)
def test_each_version_gives_the_truth_with_no_request_too_many(checkout: Checkout, archive: Path, version: str) -> None:
    with Emulator({"demo": archive}, version=version, latency=0.02) as dashboard:
        checkout.run(config(dashboard))
        assert_equals_truth(checkout.table("demo"), truth.abundance(archive))
        ledger = checkout.table("demo", "ledger")
        assert dict(zip(ledger["bin"], ledger["status"], strict=True)) == truth.statuses(archive)
        server = "ifcbdb 5.2" if version == "5.2" else "ifcbdb 5.0 or 5.1"
        assert (ledger.loc[ledger["status"] == "used", "server"] == server).all()

        eligible = ledger.loc[ledger["status"].isin(["used", "no_scores"]), "bin"]
        assert asked_bins(dashboard) == sorted(eligible)
        assert len(targets(dashboard, EXPORT)) == 1
        assert len(dashboard.requests) == 1 + len(eligible)
        assert all(
            r.method == "GET" and r.headers["User-Agent"].startswith("ifcb-abundance/") for r in dashboard.requests
        )
        assert 2 <= dashboard.most_at_once() <= 8

        before = checkout.stamps()
        dashboard.clear()
        checkout.run(config(dashboard))
        assert dashboard.requests == []
        assert checkout.stamps() == before

        checkout.run(config(dashboard, classify={"threshold": 0.35, "score_precision": "float32"}))
        checkout.run(config(dashboard, abundance={"group_by": [], "confidence": 0.9}))
        checkout.run(config(dashboard, source={"timeout": 30, "retries": 1, "on_failure": "record"}))
        checkout.run(config(dashboard, select={"instruments": [901], "exclude_tags": ["beads"]}))
        assert dashboard.requests == []


def test_versions_and_archive_agree_to_the_byte(tmp_path: Path, archive: Path, demo_run: Checkout) -> None:
    expected = demo_run.files("demo")
    for version in ("5.0", "5.2"):
        run = Checkout(tmp_path / version)
        with Emulator({"demo": archive}, version=version) as dashboard:
            run.run(config(dashboard))
        found = run.files("demo")
        for name in ("catalog.csv", "abundance_long.csv", "daily/2024-04-17.csv"):
            assert found[name] == expected[name], (version, name)


def test_cap_on_requests_in_flight_is_the_profiles(checkout: Checkout, archive: Path) -> None:
    with Emulator({"demo": archive}, latency=0.02) as dashboard:
        checkout.run(config(dashboard), "--resources", "dashboard=3")
        assert dashboard.most_at_once() == 3


def test_the_cap_holds_for_jobs_in_processes_of_their_own(checkout: Checkout, tmp_path: Path) -> None:
    """As on a cluster, where no job knows of the others' requests."""
    bins = [f"D20240401T{hour:02d}0000_IFCB010" for hour in range(8)]
    scores = {b: (["A", "B"], [[0.9, 0.1]]) for b in bins}
    archive = write_archive(tmp_path / "archive", [bin_row(b) for b in bins], scores)
    with Emulator({"demo": archive}, latency=3.0) as dashboard:  # so that all that may be under way at a time is
        alone = ("--workflow-profile", "none", "--resources", "dashboard=2")
        # Without the profile Snakemake's cache lies in the home folder, if it may write there.
        env = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
        checkout.run(config(dashboard, "2024-04-01", "2024-04-01"), *alone, env=env)
        assert dashboard.most_at_once() == 2
        assert asked_bins(dashboard) == bins
    assert checkout.table("demo").set_index("class")["count"].to_dict() == {"A": 8, "B": 0, "unclassified": 0}


def test_grown_window_asks_for_the_new_bins_only(checkout: Checkout, archive: Path) -> None:
    with Emulator({"demo": archive}) as dashboard:
        checkout.run(config(dashboard, end="2024-04-16"))
        first = asked_bins(dashboard)
        dashboard.clear()
        checkout.run(config(dashboard, end="2024-04-18"))
        second = asked_bins(dashboard)
        assert len(targets(dashboard, EXPORT)) == 1
        assert not set(first) & set(second)
        assert_equals_truth(checkout.table("demo"), truth.abundance(archive))
        ledger = checkout.table("demo", "ledger")
        assert sorted(first + second) == sorted(ledger.loc[ledger["status"].isin(["used", "no_scores"]), "bin"])


def test_months_are_asked_one_by_one_and_their_midnight_counts_once(checkout: Checkout, tmp_path: Path) -> None:
    bins = [
        "D20240131T235959_IFCB010",
        "D20240201T000000_IFCB010",
        "D20240229T120000_IFCB010",
        "D20240301T000000_IFCB010",
    ]
    archive = write_archive(
        tmp_path / "archive",
        [bin_row(bin_id) for bin_id in bins],
        {bin_id: (["Akashiwo", "detritus"], [[0.9, 0.1]]) for bin_id in bins},
    )
    with Emulator({"demo": archive}) as dashboard:
        checkout.run(config(dashboard, start="2024-01-31", end="2024-02-29"))
        assert targets(dashboard, EXPORT) == [
            f"{EXPORT}?start_date=2024-01-31&end_date=2024-01-31",
            f"{EXPORT}?start_date=2024-02-01&end_date=2024-02-29",
        ]
    assert list(checkout.table("demo", "catalog")["bin"]) == bins[:3]
    table = checkout.table("demo").query("`class` == 'Akashiwo'").set_index("date")
    assert table["count"].to_dict() == {"2024-01-31": 1, "2024-02-01": 1, "2024-02-29": 1}


def window_archive(folder: Path) -> Path:
    """Six bins, two of one instant; the fourth is flagged skip, the fifth's time was corrected to before it."""
    rows = [
        bin_row("D20240210T000000_IFCB010"),
        bin_row("D20240210T010000_IFCB010"),
        bin_row("D20240210T010000_IFCB125"),
        bin_row("D20240210T020000_IFCB010", skip=1),
        bin_row("D20240212T000000_IFCB010", sample_time="2024-02-10 01:30:00+00:00"),
        bin_row("D20240210T030000_IFCB010"),
        bin_row("D20240211T000000_IFCB010"),
    ]
    scores = {row["pid"]: (["Akashiwo"], [[0.9]]) for row in rows}
    return write_archive(folder, rows, scores)


@pytest.mark.parametrize("catalog", ["export", "walk"])
@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        # an end bin that is skipped, one that does not exist, and one with a corrected time
        (
            "D20240210T010000_IFCB125",
            "D20240210T020000_IFCB010",
            "010000_IFCB010 010000_IFCB125 000000_IFCB010 020000_IFCB010",
        ),
        ("2024-02-10", "D20240210T013500_IFCB010", "000000_IFCB010 010000_IFCB010 010000_IFCB125 000000_IFCB010"),
        ("D20240210T010000_IFCB010", "D20240212T000000_IFCB010", "010000_IFCB010 010000_IFCB125 000000_IFCB010"),
        ("D20240210T030000_IFCB010", "2024-02-10", "030000_IFCB010"),
        ("2024-02-11", "2024-02-29", "000000_IFCB010"),
    ],
)
def test_ends_of_the_window_are_inclusive_by_sample_time(
    checkout: Checkout, tmp_path: Path, catalog: str, start: str, end: str, expected: str
) -> None:
    """Both ways of listing stop where the window ends, whatever the end bin is."""
    with Emulator({"demo": window_archive(tmp_path / "archive")}) as dashboard:
        checkout.run(config(dashboard, start, end, source={"catalog": catalog}))
        listed = [bin_id.split("T")[1] for bin_id in checkout.table("demo", "catalog")["bin"]]
        wanted = expected.split()
        if catalog == "walk":  # the line leaves out skipped bins, unless one is named as an end
            wanted = [name for name in wanted if name != "020000_IFCB010"]
            assert targets(dashboard, "export_metadata") == []
        assert listed == wanted
        assert len(asked_bins(dashboard)) == len([name for name in wanted if name != "020000_IFCB010"])


def test_walk_lists_what_the_export_lists(tmp_path: Path, archive: Path) -> None:
    listed = {}
    for catalog in ("export", "walk"):
        run = Checkout(tmp_path / catalog)
        with Emulator({"demo": archive}, version="5.1") as dashboard:
            run.run(config(dashboard, "D20240415T000000_IFCB902", "2024-04-16", source={"catalog": catalog}))
        listed[catalog] = run.table("demo", "catalog").set_index("bin")
    export, walk = listed["export"], listed["walk"]
    export = export[export["skip"] == 0]
    assert list(walk.index) == list(export.index)
    for column in ("sample_time", "instrument", "latitude", "longitude", "cruise", "sample_type", "n_images"):
        assert walk[column].equals(export[column].astype(walk[column].dtype)), column
    # the walk knows volumes to three decimals
    assert (walk["ml_analyzed"] - export["ml_analyzed"]).abs().max() <= 0.0005 + 1e-12


def test_scores_version_is_passed_on(checkout: Checkout, archive: Path) -> None:
    with Emulator({"demo": archive}) as dashboard:
        checkout.run(config(dashboard, end="2024-04-15", source={"scores_version": 3}))
        assert all(target.endswith("_class_scores.csv?v=3") for target in targets(dashboard, SCORES))
        # another version is another file: all bins are asked again, and this server has none of them
        checkout.run(config(dashboard, end="2024-04-15", source={"scores_version": 1}))
        assert set(checkout.table("demo", "ledger")["status"]) <= {"no_scores", "skipped", "bad_volume"}


def test_old_style_ids(checkout: Checkout, tmp_path: Path) -> None:
    old = "IFCB5_2012_028_081515"
    row = bin_row("D20120128T081515_IFCB005") | {"pid": old, "ml_analyzed": 0.0033914708}
    archive = write_archive(tmp_path / "archive", [row], {})
    scores = archive / "IFCB5_2012_028" / f"{old}_class_scores.csv"
    scores.parent.mkdir()
    scores.write_text(f"pid,Akashiwo,detritus\n{old}_00001,0.9,0.1\n")
    with Emulator({"demo": archive}, score_dtype="float64") as dashboard:
        checkout.run(config(dashboard, old, "2012-01-28"))
    assert (checkout.results("demo") / "bins" / "2012" / "IFCB5_2012_028" / f"{old}.parquet").exists()
    row = checkout.table("demo").set_index("class").loc["Akashiwo"]
    assert (row["date"], row["instrument"], row["count"]) == ("2012-01-28", "IFCB5", 1)
    assert row["objects_per_ml"] == pytest.approx(1 / 0.0033914708, rel=1e-12)


def test_filters_are_named_in_the_ledger_and_never_asked_for(checkout: Checkout, archive: Path) -> None:
    (beads,) = AWKWARD["beads_not_skipped"]
    (midnight, _) = AWKWARD["midnight"]
    with Emulator({"demo": archive}) as dashboard:
        checkout.run(
            config(dashboard, select={"instruments": [902], "exclude_tags": ["beads"], "exclude_bins": [midnight]})
        )
        asked = asked_bins(dashboard)
    ledger = checkout.table("demo", "ledger").set_index("bin")
    assert ledger.loc[beads, "status"] == "filtered"
    assert ledger.loc[beads, "reason"] == "select.exclude_tags: beads"
    assert ledger.loc[midnight, ["status", "reason"]].tolist() == ["filtered", "select.exclude_bins"]
    others = ledger[ledger.index.str.endswith("IFCB901") & (ledger["status"] != "skipped")]
    assert set(others["status"]) == {"filtered"}
    assert set(others["reason"]) == {"select.instruments: IFCB901"}
    assert asked == sorted(ledger.index[ledger["status"].isin(["used", "no_scores"])])


def test_skipped_bins_are_kept_on_request(checkout: Checkout, archive: Path) -> None:
    with Emulator({"demo": archive}) as dashboard:
        checkout.run(config(dashboard, select={"include_skipped": True}))
    ledger = checkout.table("demo", "ledger").set_index("bin")
    assert set(ledger.loc[AWKWARD["skipped"] + AWKWARD["beads_skipped"], "status"]) == {"used"}


@pytest.mark.parametrize("kind", ["nowhere", "empty"])
def test_no_bins_is_an_error_that_says_what_to_check(checkout: Checkout, archive: Path, kind: str) -> None:
    with Emulator({"demo": archive}) as dashboard:
        asked = config(dashboard, "2030-01-01", "2030-02-01") | ({"dataset": "typo"} if kind == "nowhere" else {})
        printed = checkout.run(asked, fails=True)
        assert f"{dashboard.url} lists no bin of dataset '{asked['dataset']}' from 2030-01-01 to 2030-02-01" in printed
        assert len(dashboard.requests) == 2


def test_a_stale_merged_table_does_not_outlive_its_catalog(checkout: Checkout, archive: Path) -> None:
    with Emulator({"demo": archive}) as dashboard:
        checkout.run(config(dashboard, end="2024-04-15"))
        assert (checkout.results("demo") / "abundance_long.csv").exists()
        bad = "D20240416T124431_IFCB902"
        dashboard.faults.append(Fault(f"{bad}{SCORES}", "status", times=None, status=500))
        checkout.run(config(dashboard, end="2024-04-17", source={"retries": 0}), fails=True)
        assert not (checkout.results("demo") / "abundance_long.csv").exists()
        assert not (checkout.results("demo") / "daily" / "2024-04-16.csv").exists()
        assert (checkout.results("demo") / "daily" / "2024-04-17.csv").exists()


def test_a_part_that_was_deleted_is_made_again_and_nothing_else(checkout: Checkout, archive: Path) -> None:
    with Emulator({"demo": archive}) as dashboard:
        checkout.run(config(dashboard, end="2024-04-15"))
        whole = checkout.files("demo")
        dashboard.clear()
        (summary, *_) = sorted((checkout.results("demo") / "bins").rglob("*.parquet"))
        summary.unlink()
        checkout.run(config(dashboard, end="2024-04-15"))
        assert targets(dashboard) == [f"/demo/{summary.stem}_class_scores.csv"]
        (checkout.results("demo") / "daily" / "2024-04-15.csv").unlink()
        checkout.run(config(dashboard, end="2024-04-15"))
        assert len(dashboard.requests) == 1
    assert checkout.files("demo") == whole


def test_a_list_that_cannot_be_read_again_costs_nothing_that_was_built(checkout: Checkout, archive: Path) -> None:
    with Emulator({"demo": archive}) as dashboard:
        checkout.run(config(dashboard, end="2024-04-15"))
        whole = checkout.files("demo")
        dashboard.faults.append(Fault("export_metadata", "status", times=None, status=503))
        printed = checkout.run(config(dashboard, end="2024-04-16", source={"retries": 0}), fails=True)
        assert "The list of bins could not be read" in printed
        assert checkout.files("demo") == whole
        dashboard.faults.clear()
        dashboard.clear()
        checkout.run(config(dashboard, end="2024-04-15"))
        assert asked_bins(dashboard) == []
        assert checkout.files("demo") == whole


def test_a_dashboard_that_was_forgotten_as_the_kind_is_not_replaced_by_the_demo(checkout: Checkout) -> None:
    source = {"url": "http://127.0.0.1:9"}
    printed = checkout.run({"dataset": "mine", "source": source}, fails=True)
    assert "source.kind: 'directory' while source.url is http://127.0.0.1:9" in printed


def test_filters_that_match_nothing_are_warned_of(checkout: Checkout, archive: Path) -> None:
    with Emulator({"demo": archive}) as dashboard:
        select = {"instruments": [901, 11], "exclude_tags": ["bead"], "exclude_bins": ["D20240101T000000_IFCB010"]}
        printed = checkout.run(config(dashboard, end="2024-04-17", select=select))
    assert "select.instruments: no bin of the window has IFCB11; there are 'IFCB901', 'IFCB902'" in printed
    assert "select.exclude_tags: no bin of the window has bead; there are '', 'beads'" in printed
    assert "select.exclude_bins: no bin of the window has D20240101T000000_IFCB010" in printed


def test_fewer_requests_at_a_time_while_the_server_is_overloaded(checkout: Checkout, tmp_path: Path) -> None:
    bins = [f"D20240401T{hour:02d}{minute:02d}00_IFCB010" for hour in range(24) for minute in range(0, 60, 10)]
    archive = write_archive(tmp_path / "archive", [bin_row(b) for b in bins], dict.fromkeys(bins, (["A"], [[0.9]])))
    with Emulator({"demo": archive}, latency=0.05, capacity=3) as dashboard:
        select = {"start": "2024-04-01", "end": "2024-04-01"}
        source = {"kind": "dashboard", "url": dashboard.url, "backoff": 0.05, "retries": 20}
        run = checkout.start({"dataset": "demo", "source": source, "select": select})
        while len([r for r in dashboard.requests if r.status == 200]) < 70 and run.poll() is None:
            time.sleep(0.02)
        dashboard.capacity = None
        recovered = time.monotonic()
        printed, _ = run.communicate(timeout=120)
        assert run.returncode == 0, printed
        scores = [r for r in dashboard.requests if "class_scores" in r.target]
    assert re.search(
        r"the server is overloaded \(it refuses requests or does not answer\): [234] request\(s\) at a time", printed
    )
    assert set(checkout.table("demo", "ledger")["status"]) == {"used"}

    def in_flight(requests: list[Request]) -> list[int]:
        return sorted(sum(r.started <= at.started < (r.finished or at.started) for r in scores) for at in requests)

    # The first eight met a server that takes three; afterwards no more than one over its capacity is tried, but for
    # moments: where the client is slow itself, four at a time are often three at the server, and one more is tried.
    first, overloaded = scores[:8], [r for r in scores[20:] if r.started < recovered]
    assert max(in_flight(first)) > 4
    assert in_flight(overloaded)[len(overloaded) * 9 // 10] <= 4
    assert max(in_flight([r for r in scores if r.started > recovered])) > 4
    refused = sum(r.status == 503 for r in overloaded)
    assert refused < len(overloaded) / 3
