"""Runs against the emulated dashboard over real HTTP: right numbers, and no needless request."""

import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ifcb_abundance.bins.window import Bound, Window
from ifcb_abundance.common.errors import RawFileError
from ifcb_abundance.demo.archive import AWKWARD, write_demo_archive
from ifcb_abundance.sources.dashboard import DashboardSource
from ifcb_abundance.sources.retry import RequestOptions
from tests import reference
from tests.archives import bin_row, write_archive
from tests.checkout import Checkout
from tests.comparing import assert_equals_reference
from tests.dashboard.emulator import Emulator, Fault, Request, ScoreDirectory
from tests.raw_files import keyed_header, scores_h5, scores_mat

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


# What may change after all is read: no server of any version is asked for it.
LATER = {
    "5.0": [{"classify": {"threshold": 0.35, "score_precision": "float32"}}],
    "5.1": [
        {"abundance": {"group_by": [], "confidence": 0.9}},
        {"source": {"timeout": 30, "retries": 1, "on_failure": "record"}},
    ],
    "5.2": [{"select": {"instruments": [901], "exclude_tags": ["beads"]}}],
}


@pytest.mark.parametrize("version", VERSIONS)
def test_each_version_gives_the_reference_with_no_request_too_many(
    checkout: Checkout, archive: Path, demo_run: Checkout, version: str
) -> None:
    with Emulator({"demo": archive}, version=version, latency=0.02) as dashboard:
        checkout.run(config(dashboard))
        assert_equals_reference(checkout.table("demo"), reference.abundance(archive))
        found, of_directory = checkout.files("demo"), demo_run.files("demo")
        for name in ("catalog.csv", "abundance_long.csv", "daily/2024-04-17.csv"):
            assert found[name] == of_directory[name], name
        ledger = checkout.table("demo", "ledger")
        assert dict(zip(ledger["bin"], ledger["status"], strict=True)) == reference.statuses(archive)
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

        for change in LATER[version]:
            checkout.run(config(dashboard, **change))
        assert dashboard.requests == []


def test_a_rule_that_is_changed_back_asks_for_nothing(checkout: Checkout, archive: Path) -> None:
    """The other rules need more of each bin than winners, and what they have serves winners too."""
    tables = ("abundance_long.csv", "threshold_sweep.csv", "bins_long.parquet", "biovolume_long.csv", "ledger.csv")
    with Emulator({"demo": archive}) as dashboard:
        asked, found = [], []
        for rule in ("winner", "above_own", "winner", "above_own"):
            dashboard.clear()
            checkout.run(
                config(dashboard, end="2024-04-15", classify={"rule": rule}, features={"make": True}), "--quiet"
            )
            asked.append(len(dashboard.requests))
            found.append({name: checkout.files("demo")[name] for name in tables})
        assert asked[0] > asked[1] > 0  # the list of bins is asked for once
        assert asked[2:] == [0, 0]
        assert found[0] != found[1]
        assert found[2:] == found[:2]


def test_cap_on_requests_in_flight_is_the_profiles(checkout: Checkout, archive: Path) -> None:
    with Emulator({"demo": archive}, latency=0.02) as dashboard:
        checkout.run(config(dashboard), "--resources", "dashboard=3")
        assert dashboard.most_at_once() == 3


def test_the_cap_holds_for_jobs_in_processes_of_their_own(checkout: Checkout, tmp_path: Path) -> None:
    """As on a cluster, where no job knows of the others' requests. What asks for nothing is done in this process."""
    bins = [f"D20240401T{hour:02d}0000_IFCB010" for hour in range(3)]
    scores = {b: (["A", "B"], [[0.9, 0.1]]) for b in bins}
    archive = write_archive(tmp_path / "archive", [bin_row(b) for b in bins], scores)
    summaries = [f"results/demo/bins/2024/D20240401/{b}.parquet" for b in bins]
    with Emulator({"demo": archive}, latency=3.0) as dashboard:  # so that all that may be under way at a time is
        alone = ("--workflow-profile", "none", "--resources", "dashboard=2")
        # Without the profile Snakemake's cache lies in the home folder, if it may write there.
        env = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
        settings = config(dashboard, "2024-04-01", "2024-04-01")
        checkout.run(settings, *summaries, *alone, env=env)
        assert dashboard.most_at_once() == 2
        assert asked_bins(dashboard) == bins
        dashboard.clear()
        checkout.run(settings)
        assert asked_bins(dashboard) == []
    assert checkout.table("demo").set_index("class")["count"].to_dict() == {"A": 3, "B": 0, "unclassified": 0}


def test_grown_window_asks_for_the_new_bins_only(checkout: Checkout, archive: Path) -> None:
    with Emulator({"demo": archive}) as dashboard:
        checkout.run(config(dashboard, end="2024-04-16"))
        first = asked_bins(dashboard)
        dashboard.clear()
        checkout.run(config(dashboard, end="2024-04-18"))
        second = asked_bins(dashboard)
        assert len(targets(dashboard, EXPORT)) == 1
        assert not set(first) & set(second)
        assert_equals_reference(checkout.table("demo"), reference.abundance(archive))
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


def test_a_midnight_between_months_with_and_without_casts_counts_once(tmp_path: Path) -> None:
    bins = ["D20240229T120000_IFCB010", "D20240301T000000_IFCB010", "D20240310T120000_IFCB010"]
    rows = [bin_row(bins[0]), bin_row(bins[1]), bin_row(bins[2], cast="7", niskin="2")]
    archive = write_archive(tmp_path / "archive", rows, {})
    with Emulator({"demo": archive}) as dashboard:
        window = Window(Bound.parse("2024-02-20"), Bound.parse("2024-03-15"))
        listed = DashboardSource("demo", dashboard.url).list_bins(window)
    assert listed["bin"].tolist() == bins
    assert listed["cast"].tolist() == ["", "", "7"]
    assert listed["niskin"].tolist() == ["", "", "2"]


@pytest.mark.parametrize("catalog", ["export", "walk"])
def test_a_niskin_is_the_same_in_each_month(tmp_path: Path, catalog: str) -> None:
    """An answer in which each bin has one gives whole numbers; another one has `3.0` for the bin that both have."""
    bins = ["D20240229T120000_IFCB010", "D20240301T000000_IFCB010", "D20240310T120000_IFCB010"]
    rows = [bin_row(bins[0], cast="1", niskin="2"), bin_row(bins[1], cast="1", niskin="3"), bin_row(bins[2])]
    with Emulator({"demo": write_archive(tmp_path / "archive", rows, {})}) as dashboard:
        window = Window(Bound.parse("2024-02-20"), Bound.parse("2024-03-15"))
        source = DashboardSource("demo", dashboard.url, catalog=catalog)
        listed = source.list_bins(window).sort_values("bin")
    assert listed["bin"].tolist() == bins
    assert listed["cast"].tolist() == ["1", "1", ""]
    assert listed["niskin"].tolist() == ["2", "3", ""]


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
        # an end bin that is skipped, and one with a corrected time
        (
            "D20240210T010000_IFCB125",
            "D20240210T020000_IFCB010",
            "010000_IFCB010 010000_IFCB125 000000_IFCB010 020000_IFCB010",
        ),
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
        if catalog == "walk":
            # The line leaves out skipped bins, unless one is named as an end.
            wanted = [name for name in wanted if name != "020000_IFCB010" or "020000" in end]
            assert targets(dashboard, "export_metadata") == []
        assert listed == wanted
        assert len(asked_bins(dashboard)) == len([name for name in wanted if name != "020000_IFCB010"])


def scores_of(*bins: dict[str, Any]) -> dict[str, Any]:
    return {row["pid"]: (["Akashiwo"], [[0.9]]) for row in bins}


# Each: bins of which the newest id is not the newest sample_time, or is hidden from the line.
LINES = {
    "an id newer than its sample_time": [
        bin_row("D20240210T010000_IFCB010"),
        bin_row("D20240210T020000_IFCB010"),
        bin_row("D20240210T030000_IFCB010"),
        bin_row("D20240212T000000_IFCB010", sample_time="2024-02-10 01:30:00+00:00"),
    ],
    "the newest is before the window": [
        bin_row("D20240210T010000_IFCB010"),
        bin_row("D20240210T020000_IFCB010"),
        bin_row("D20240212T000000_IFCB010", sample_time="2024-01-31 01:30:00+00:00"),
    ],
    "the newest is skipped, and another one of its instant is not": [
        bin_row("D20240210T010000_IFCB010"),
        bin_row("D20240210T020000_IFCB010"),
        bin_row("D20240210T030000_IFCB010", sample_time="2024-02-10 02:00:00+00:00", skip=1),
    ],
    "the newest is skipped in the middle": [
        bin_row("D20240210T010000_IFCB010"),
        bin_row("D20240210T020000_IFCB010"),
        bin_row("D20240210T020000_IFCB125"),
        bin_row("D20240210T030000_IFCB010"),
        bin_row("D20240212T000000_IFCB010", sample_time="2024-02-10 02:00:00+00:00", skip=1),
    ],
    "an id of the future": [
        bin_row("D20240210T010000_IFCB010"),
        bin_row("D20240210T020000_IFCB010"),
        bin_row("D29990210T030000_IFCB010", sample_time="2024-02-10 03:00:00+00:00"),
    ],
}


@pytest.mark.parametrize("line", LINES)
def test_a_walk_meets_all_bins_whichever_has_the_newest_id(checkout: Checkout, tmp_path: Path, line: str) -> None:
    archive = write_archive(tmp_path / "archive", LINES[line], scores_of(*LINES[line]))
    with Emulator({"demo": archive}) as dashboard:
        checkout.run(config(dashboard, "2024-02-10", "2024-02-10", source={"catalog": "walk"}))
        asked = targets(dashboard, "/api/bin/")
    listed = checkout.table("demo", "catalog")["bin"]
    inside = [row for row in LINES[line] if row["sample_time"].startswith("2024-02-10") and not row["skip"]]
    assert list(listed) == [row["pid"] for row in sorted(inside, key=lambda row: (row["sample_time"], row["pid"]))]
    assert len(set(asked)) == len(asked) <= len(LINES[line])


def test_a_walk_stops_where_the_window_ends(checkout: Checkout, tmp_path: Path) -> None:
    """Bins after the window are not all asked for on the way to it, if a bin within it is at hand."""
    rows = [bin_row(f"D202402{day:02d}T010000_IFCB010") for day in range(1, 20)]
    archive = write_archive(tmp_path / "archive", rows, scores_of(*rows))
    with Emulator({"demo": archive}) as dashboard:
        checkout.run(config(dashboard, "D20240203T010000_IFCB010", "2024-02-04", source={"catalog": "walk"}))
        assert [
            re.search("D202402..", target)[0][-2:] for target in targets(dashboard, "/api/")
        ] == "03 04 05 02".split()
    assert list(checkout.table("demo", "catalog")["bin"]) == [row["pid"] for row in rows[2:4]]


def test_depths_of_a_walk_are_warned_of_where_they_count(checkout: Checkout, tmp_path: Path) -> None:
    rows = [bin_row("D20240210T010000_IFCB010", depth=0.0), bin_row("D20240210T020000_IFCB010", depth=4.0)]
    archive = write_archive(tmp_path / "archive", rows, scores_of(*rows))
    said = "cannot tell a depth of 0 m from an unknown one"
    with Emulator({"demo": archive}) as dashboard:
        for catalog, group_by, warns in (("walk", ["depth"], True), ("walk", [], False), ("export", ["depth"], False)):
            options = {"source": {"catalog": catalog}, "abundance": {"group_by": group_by}}
            (checkout.results("demo") / "catalog.csv").unlink(missing_ok=True)
            printed = checkout.run(config(dashboard, "2024-02-10", "2024-02-10", **options))
            overview = (checkout.results("demo") / "overview.rst").read_text()
            assert (said in printed, said in overview) == (warns, warns), (catalog, group_by)
            depths = checkout.table("demo", "catalog")["depth"].tolist()
            assert depths[1] == 4
            assert (depths[0] == 0) == (catalog == "export")


def test_a_walk_tells_of_positions_that_may_be_of_another_dataset(checkout: Checkout, tmp_path: Path) -> None:
    """/api/bin shows a bin without its own position at that of its first dataset, the export at that of ours."""
    other, ours = (
        bin_row("D20240210T010000_IFCB010", latitude=lat, longitude=-70.0, depth=d) for lat, d in ((41, 4), (50, 9))
    )
    archives = {
        "other": write_archive(tmp_path / "other", [other], {}),
        "demo": write_archive(tmp_path / "ours", [ours], scores_of(ours)),
    }
    with Emulator(archives) as dashboard:
        walk = config(dashboard, "2024-02-10", "2024-02-10", source={"catalog": "walk"})
        assert "have 1 bin too, such as D20240210T010000_IFCB010" in checkout.run(walk)
        row = checkout.table("demo", "catalog").iloc[0]
        assert (row["latitude"], row["depth"]) == (41, 4)
        checkout.run(config(dashboard, "2024-02-10", "2024-02-10"))
        row = checkout.table("demo", "catalog").iloc[0]
        assert (row["latitude"], row["depth"]) == (50, 9)


MOVED = [
    bin_row("D20240105T000000_IFCB010", sample_time="2024-02-15 12:00:00+00:00"),
    bin_row("D20240201T000000_IFCB010"),
    bin_row("D20240210T000000_IFCB010"),
    bin_row("D20240220T000000_IFCB010"),
    bin_row("D20240305T000000_IFCB010", sample_time="2024-02-10 12:00:00+00:00"),
    bin_row("D20240310T000000_IFCB010"),
    bin_row("D20120128T081515_IFCB005", sample_time="2024-02-12 00:00:00+00:00") | {"pid": "IFCB5_2012_028_081515"},
]
FEBRUARY = "export_metadata/demo?start_date=2024-02-{}&end_date=2024-02-{}"


@pytest.mark.parametrize(
    ("start", "end", "listed", "asked"),
    [
        # its id is after the end
        (
            "D20240305T000000_IFCB010",
            "2024-02-20",
            ["D20240305", "IFCB5_201", "D20240105", "D20240220"],
            ["bin/D20240305T000000_IFCB010?dataset=demo", FEBRUARY.format("10", "20")],
        ),
        # its id is of another month, before the start
        (
            "2024-02-10",
            "D20240105T000000_IFCB010",
            ["D20240210", "D20240305", "IFCB5_201", "D20240105"],
            ["bin/D20240105T000000_IFCB010?dataset=demo", FEBRUARY.format("10", "15")],
        ),
        # an old-style id, 12 years off
        (
            "IFCB5_2012_028_081515",
            "2024-02-20",
            ["IFCB5_201", "D20240105", "D20240220"],
            [
                "export_metadata/demo?start_date=2012-01-01&end_date=2012-01-31",
                "bin/IFCB5_2012_028_081515?dataset=demo",
                FEBRUARY.format("12", "20"),
            ],
        ),
        # the list of its id's month has it: nothing more is asked
        (
            "D20240210T000000_IFCB010",
            "D20240220T000000_IFCB010",
            ["D20240210", "D20240305", "IFCB5_201", "D20240105", "D20240220"],
            [FEBRUARY.format("01", "29")],
        ),
        # both ends are elsewhere
        (
            "D20240305T000000_IFCB010",
            "D20240105T000000_IFCB010",
            ["D20240305", "IFCB5_201", "D20240105"],
            [
                "export_metadata/demo?start_date=2024-03-01&end_date=2024-03-31",
                "bin/D20240305T000000_IFCB010?dataset=demo",
                "export_metadata/demo?start_date=2024-01-01&end_date=2024-01-31",
                "bin/D20240105T000000_IFCB010?dataset=demo",
                FEBRUARY.format("10", "15"),
            ],
        ),
    ],
)
def test_a_bin_at_an_end_is_its_sample_time_wherever_that_is(
    checkout: Checkout, tmp_path: Path, start: str, end: str, listed: list[str], asked: list[str]
) -> None:
    """By the export, by the walk, and of an archive on disk."""
    archive = write_archive(tmp_path / "archive", MOVED, {})
    for row in MOVED:
        (archive / f"{row['pid']}_class_scores.csv").write_text(f"pid,Akashiwo\n{row['pid']}_00001,0.9\n")
    with Emulator({"demo": archive}) as dashboard:
        for name in ("export", "walk"):
            checkout.run(config(dashboard, start, end, dataset="demo", source={"catalog": name}))
            assert [bin_id[:9] for bin_id in checkout.table("demo", "catalog")["bin"]] == listed, name
            if name == "export":
                assert targets(dashboard, "/api/") == [f"/api/{target}" for target in asked]
    on_disk = {"dataset": "disk", "source": {"kind": "directory", "path": str(archive)}}
    checkout.run({**on_disk, "select": {"start": start, "end": end}})
    assert [bin_id[:9] for bin_id in checkout.table("disk", "catalog")["bin"]] == listed


def test_days_are_complete_or_not_by_the_sample_time_of_the_end(checkout: Checkout, tmp_path: Path) -> None:
    """The window is cut on the day of the end's sample_time, not on that of its id, and begins there."""
    archive = write_archive(tmp_path / "archive", MOVED[:-1], scores_of(*MOVED[:-1]))
    with Emulator({"demo": archive}) as dashboard:
        checkout.run(config(dashboard, "D20240305T000000_IFCB010", "2024-03-10"))
    coverage = checkout.table("demo", "coverage").set_index("date")["complete"]
    assert coverage.to_dict() == {"2024-02-10": "no", "2024-02-15": "yes", "2024-02-20": "yes", "2024-03-10": "yes"}
    overview = (checkout.results("demo") / "overview.rst").read_text()
    assert "30 from the first to the last, 4 with data, 26 without" in overview  # 10 February to 10 March


@pytest.mark.parametrize("catalog", ["export", "walk"])
@pytest.mark.parametrize(
    ("start", "end", "says"),
    [
        (
            "D20240101T000000_IFCB999",
            "2024-02-20",
            "select.start: {url} has no bin D20240101T000000_IFCB999 in dataset",
        ),
        ("2024-02-01", "D20240211T000000_IFCB010", "bin D20240211T000000_IFCB010 not in dataset 'demo' but in 'other'"),
        (
            "D20240310T000000_IFCB010",
            "D20240220T000000_IFCB010",
            "select.start: D20240310T000000_IFCB010 (2024-03-10 00:00:00 UTC) is after select.end: "
            "D20240220T000000_IFCB010 (2024-02-20 00:00:00 UTC)",
        ),
        ("2024-02-16", "D20240105T000000_IFCB010", "is after select.end: D20240105T000000_IFCB010 (2024-02-15 12:00"),
    ],
)
def test_an_end_that_cannot_be_is_named_by_key_and_bin(
    checkout: Checkout, tmp_path: Path, catalog: str, start: str, end: str, says: str
) -> None:
    other = bin_row("D20240211T000000_IFCB010")
    archives = {
        "demo": write_archive(tmp_path / "demo", MOVED, {}),
        "other": write_archive(tmp_path / "other", [other], scores_of(other)),
    }
    with Emulator(archives) as dashboard:
        printed = checkout.run(config(dashboard, start, end, source={"catalog": catalog}), fails=True)
        assert says.format(url=dashboard.url) in printed
        assert len(dashboard.requests) <= 4
    assert not (checkout.results("demo") / "catalog.csv").exists()


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
        other = {"scores_version": 1}
        printed = checkout.run(config(dashboard, end="2024-04-15", source=other), fails=True)
        assert "(HTTP 404), in version 1 (source.scores_version)" in printed
        checkout.run(config(dashboard, end="2024-04-15", source={**other, "allow_empty": True}))
        assert set(checkout.table("demo", "ledger")["status"]) <= {"no_scores", "skipped", "bad_volume"}


def two_classifiers(folder: Path) -> tuple[dict[str, Path], list[str]]:
    """Bins of dataset demo, of which every second one is in a dataset with another classifier, that came first."""
    bins = [f"D20240401T{hour:02d}0000_IFCB010" for hour in range(6)]
    ours = {b: (["Akashiwo", "detritus"], [[0.9, 0.1]]) for b in bins}
    others = {b: (["Chaetoceros", "detritus", "mix"], [[0.9, 0.1, 0.0]]) for b in bins[1::2]}
    archives = {
        "other": write_archive(folder / "other", [bin_row(b) for b in bins[1::2]], others),
        "demo": write_archive(folder / "ours", [bin_row(b) for b in bins], ours),
    }
    return archives, bins


def test_label_sets_that_alternate_are_told_with_their_bins(checkout: Checkout, tmp_path: Path) -> None:
    archives, bins = two_classifiers(tmp_path)
    day = ("2024-04-01", "2024-04-01")
    with Emulator(archives) as dashboard:
        checkout.run(config(dashboard, *day))
        counts = checkout.table("demo").set_index("class")["count"].to_dict()
        assert (counts["Akashiwo"], counts["Chaetoceros"]) == (3, 3)  # though all bins have scores of ours
        sets = checkout.table("demo", "ledger").set_index("bin")["label_set"]
        ours, others = sets[bins[0]], sets[bins[1]]
        assert [ours.split()[:2], others.split()[:2]] == [["2", "classes"], ["3", "classes"]]
        assert list(sets) == [ours, others] * 3
        said = (checkout.results("demo") / "overview.rst").read_text().replace("\\", "")
        assert "Label sets alternate (5 changes from bin to bin)" in said
        assert f"{ours} in 3 bins of IFCB10 ({', '.join(bins[0::2])}), alone with 'Akashiwo'" in said
        assert f"{others} in 3 bins of IFCB10 ({', '.join(bins[1::2])}), alone with 'Chaetoceros', 'mix'" in said
        assert "source.model" in said
        dashboard.clear()
        # Of one classifier, or of one after the other, there is nothing to say.
        checkout.run(config(dashboard, *day, select={"exclude_bins": bins[1::2]}))
        assert "alternate" not in (checkout.results("demo") / "overview.rst").read_text()
        checkout.run(config(dashboard, *day, select={"exclude_bins": [bins[1], bins[3]]}))
        assert "alternate" not in (checkout.results("demo") / "overview.rst").read_text()
        assert targets(dashboard, SCORES) == []


def test_the_model_chooses_the_classifier(checkout: Checkout, tmp_path: Path) -> None:
    archives, bins = two_classifiers(tmp_path)
    day = ("2024-04-01", "2024-04-01")
    again = {b: (["Dinophysis"], [[0.9]]) for b in bins}
    directory = ScoreDirectory("demo", write_archive(tmp_path / "again", [], again), version=7, model="vit-2024")
    with Emulator(archives, score_directories=[directory]) as dashboard:
        checkout.run(config(dashboard, *day, source={"model": "vit-2024"}))
        assert targets(dashboard, SCORES)[0].endswith("_class_scores.csv?model=vit-2024")
        assert checkout.table("demo").set_index("class")["count"].to_dict() == {"Dinophysis": 6, "unclassified": 0}
        checkout.run(config(dashboard, *day, source={"model": "vit-2024", "scores_version": 7}))
        assert targets(dashboard, SCORES)[-1].endswith("_class_scores.csv?v=7&model=vit-2024")
        assert checkout.table("demo").set_index("class")["count"]["Dinophysis"] == 6
        # Any whole number is a version that there may be.
        checkout.run(config(dashboard, *day, source={"scores_version": 7}))
        assert checkout.table("demo").set_index("class")["count"]["Dinophysis"] == 6
        dashboard.clear()
        checkout.run(config(dashboard, *day, source={"scores_version": 7}))
        assert dashboard.requests == []


def test_an_older_dashboard_does_not_pass_off_other_scores_as_the_model_s(checkout: Checkout, tmp_path: Path) -> None:
    archives, bins = two_classifiers(tmp_path)
    with Emulator(archives, version="5.1") as dashboard:
        options = {"model": "vit-2024", "on_failure": "record"}
        printed = checkout.run(config(dashboard, "2024-04-01", "2024-04-01", source=options), fails=True)
        assert len(asked_bins(dashboard)) == len(bins)
        for bin_id in bins:
            assert f"bin {bin_id}: {dashboard.url} is a dashboard older than 5.2" in printed
    assert "source.model ('vit-2024')" in printed
    assert not (checkout.results("demo") / "abundance_long.csv").exists()


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


@pytest.mark.parametrize("catalog", ["export", "walk"])
def test_no_bins_in_the_window_is_an_error_that_says_what_to_check(
    checkout: Checkout, archive: Path, catalog: str
) -> None:
    with Emulator({"demo": archive}) as dashboard:
        asked = config(dashboard, "2030-01-01", "2030-02-01", source={"catalog": catalog})
        printed = checkout.run(asked, fails=True)
        assert (
            f"{dashboard.url} lists no bin of dataset 'demo' from 2030-01-01 to 2030-02-01. It has this dataset, so "
            "check select.start and select.end." in printed
        )
        assert [r.path for r in dashboard.requests][-1] == "/api/list_datasets"
        assert len(dashboard.requests) == (3 if catalog == "export" else len(dashboard.requests))


def test_a_wrong_dataset_is_told_the_names_of_the_server_the_nearest_first(checkout: Checkout, archive: Path) -> None:
    with Emulator(dict.fromkeys(["zzz", "MVCO", "mvco2", "arctic", "harpswell"], archive)) as dashboard:
        printed = checkout.run(config(dashboard) | {"dataset": "mvcO"}, fails=True)
        told = (
            "It has no dataset of that name: check dataset. Its datasets, those of similar names first: 'MVCO', 'mvco2'"
        )
        assert told in printed
        assert len(dashboard.requests) == 2
    assert not (checkout.folder / "results" / "mvcO").exists() or checkout.files("mvcO") == {}


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (
            b'{"datasets": ["a\\nb\\u001b[2J'
            + b"x" * 500
            + b'"'
            + b', "many"'
            + b"".join(b', "%d"' % n for n in range(2000))
            + b"]}",
            "many",
        ),
        (b'{"datasets": []}', "It has no datasets at all."),
        (b'{"datasets": "all"}', "names its datasets"),
        (b'{"datasets": [1]}', "names its datasets"),
        (b"[]", "names its datasets"),
        (b"<html>", "names its datasets"),
    ],
    ids=["odd names", "none", "text", "numbers", "list", "page"],
)
def test_names_of_datasets_are_text_from_elsewhere(checkout: Checkout, archive: Path, body: bytes, says: str) -> None:
    with Emulator({"demo": archive}) as dashboard:
        dashboard.faults.append(Fault("list_datasets", "body", times=None, body=body, content_type="application/json"))
        printed = checkout.run(config(dashboard, source={"retries": 0}) | {"dataset": "many0"}, fails=True)
    (line,) = [line for line in printed.splitlines() if "lists no bin of dataset 'many0'" in line]
    assert says in line
    assert "\x1b" not in line
    assert len(line) < 600


def test_a_dataset_that_no_dashboard_can_have_is_refused_before_any_request(checkout: Checkout, archive: Path) -> None:
    with Emulator({"demo": archive}) as dashboard:
        printed = checkout.run(config(dashboard) | {"dataset": "dot.ted"}, fails=True)
        assert "dataset: 'dot.ted' cannot be used with source.kind: dashboard" in printed
        assert dashboard.requests == []
    printed = checkout.run({"dataset": "dot.ted", "source": {"kind": "directory", "path": str(archive)}})
    assert "dot.ted: 4 days" in printed


def test_bins_that_the_server_cannot_read_are_counted_and_the_line_to_set_is_given(
    checkout: Checkout, tmp_path: Path
) -> None:
    bins = [f"D20240401T0{hour}0000_IFCB010" for hour in range(7)]
    archive = write_archive(tmp_path / "archive", [bin_row(b) for b in bins], {bins[0]: (["A"], [[0.9]] * 2)})
    for bin_id, name, body in (
        (bins[1], "_class.h5", scores_h5(3, bins[1], ["A"], [2, 3], [[0.9]] * 2)),
        (bins[2], "_class_v1.mat", scores_mat(["A", "B"], [2, 3], [[0.9, 0.1]] * 2, roinum=np.array([[2], [3]]))),
        (bins[3], "_class.h5", scores_h5(3, bins[3], ["\u00c5"], [2], [[0.9]])),
        (bins[4], "_class_v1.mat", scores_mat(["A", "B"], [2], [[0.9, 0.1]], roinum=np.array([[2]]))),
        (bins[5], "_class_v1.mat", scores_mat(["A", "B"], [2, 3], [[0.9, 0.1]] * 2)),  # of floats
    ):
        (archive / f"{bin_id}{name}").write_bytes(body)
    unreadable = bins[3:6]
    with Emulator({"demo": archive}) as dashboard:
        dashboard.faults.append(Fault(f"{bins[6]}{SCORES}", "html", times=None))
        asked = config(dashboard, "2024-04-01", "2024-04-01", source={"retries": 1})
        printed = checkout.run(asked, fails=True)
        for bin_id in unreadable:
            assert len(targets(dashboard, bin_id)) == 2
            assert re.search(rf"bin {bin_id}: .*HTTP 500 Internal Server Error \(tried 2 times\)", printed)
        assert "class scores of bins: 4 failed (3 HTTP 500, 1 an HTML page, not data)" in printed
        assert "about a file that the server cannot read: trying again does not help" in printed
        assert "set source.on_failure: record" in printed
        asked["source"]["on_failure"] = "record"
        checkout.run(asked)
    ledger = checkout.table("demo", "ledger").set_index("bin")["status"].to_dict()
    assert ledger == dict.fromkeys(bins[:3], "used") | dict.fromkeys(bins[3:], "failed")
    assert checkout.table("demo").set_index("class")["count"].to_dict() == {"A": 6, "B": 0, "unclassified": 0}


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


def test_requests_that_queue_at_one_worker_are_no_overload(checkout: Checkout, tmp_path: Path) -> None:
    bins = [f"D20240401T{hour:02d}0000_IFCB010" for hour in range(16)]
    archive = write_archive(tmp_path / "archive", [bin_row(b) for b in bins], dict.fromkeys(bins, (["A"], [[0.9]])))
    with Emulator({"demo": archive}, latency=0.3, workers=1) as dashboard:
        printed = checkout.run(config(dashboard, "2024-04-01", "2024-04-01"))
        waited = [r.finished - r.started for r in dashboard.requests if SCORES in r.target and r.finished]
        assert max(waited) > 7 * 0.3
        assert dashboard.most_at_once() == 8
    assert "overloaded" not in printed


@pytest.mark.parametrize("at_once", [1, 8])
def test_a_server_that_is_not_there_is_given_up_once_for_all_bins(
    checkout: Checkout, tmp_path: Path, at_once: int
) -> None:
    bins = [f"D202404{day:02d}T{hour:02d}0000_IFCB010" for day in (1, 2, 3) for hour in range(24)]
    archive = write_archive(tmp_path / "archive", [bin_row(b) for b in bins], dict.fromkeys(bins, (["A"], [[0.9]])))
    cap = ("--resources", f"dashboard={at_once}")
    with Emulator({"demo": archive}) as dashboard:
        asked = config(dashboard, "2024-04-01", "2024-04-03", source={"retries": 2})
        checkout.run(asked, "results/demo/daily/2024-04-01.csv", *cap)
        (checkout.results("demo") / "daily/2024-04-01.csv").unlink()  # what needs no server is built without it
        port = dashboard.port
    printed = checkout.run(asked, *cap, fails=True)
    told = [line for line in printed.splitlines() if "Connection refused" in line]
    assert [line for line in told if "trying again" not in line] == [
        f"{asked['source']['url']} takes no connections (ConnectionRefusedError: [Errno 111] Connection refused) "
        "(tried 3 times): nothing more is asked of it in this run. Check source.url, or wait until the server runs "
        "again"
    ]
    assert len(told) == 3  # before each of the two further tries, whichever bins they are for
    assert "overloaded" not in printed
    assert "the same command goes on where this run stopped" in printed
    assert (checkout.results("demo") / "daily/2024-04-01.csv").exists()
    assert not (checkout.results("demo") / "ledger.csv").exists()
    assert len(list((checkout.results("demo") / "bins").rglob("*.parquet"))) == 24
    with Emulator({"demo": archive}, port=port) as dashboard:
        checkout.run(asked, *cap)
        assert asked_bins(dashboard) == bins[24:]
    assert set(checkout.table("demo", "ledger")["status"]) == {"used"}


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
        r"the server is overloaded \(it refuses requests or does not answer\): [234] requests at a time", printed
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


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("cut_length", "IncompleteRead|ended|truncated"),
        ("cut", "IncompleteRead|ended|truncated"),
        ("cut_close", "HTTP 200 with an empty answer"),
    ],
)
def test_a_bin_without_triggers_has_an_adc_without_a_byte_unless_that_was_cut(
    tmp_path: Path, kind: str, says: str
) -> None:
    """Of a body of one byte, half is nothing."""
    without, cut = "D20240415T030000_IFCB010", "D20240415T040000_IFCB010"
    archive = write_archive(tmp_path / "archive", [bin_row(without), bin_row(cut)], {})
    for bin_id, log in ((without, b""), (cut, b"x")):
        (archive / f"{bin_id}.hdr").write_bytes(keyed_header(runTime=1200.0, inhibitTime=12.0))
        (archive / f"{bin_id}.adc").write_bytes(log)
        (archive / f"{bin_id}.roi").write_bytes(b"")
    with Emulator({"demo": archive}, faults=[Fault(rf"{cut}\.adc", kind, times=None)]) as dashboard:
        source = DashboardSource("demo", dashboard.url, requests=RequestOptions(retries=1, backoff=0.01))
        header, triggers = source.read_raw(without)
        assert header is not None
        assert triggers is not None
        assert (header.run_time, len(triggers.rows), len(triggers.rois)) == (1200.0, 0, 0)
        with source.open_images(without) as images:
            assert images is not None
        assert len(dashboard.requests) == 4
        with pytest.raises(RawFileError, match=rf"bin {cut}: .*\.adc: .*({says}).* \(tried 2 times\)"):
            source.read_raw(cut)
