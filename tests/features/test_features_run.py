"""Biovolume, carbon and sizes through the front door."""

import csv
import json
import math
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ifcb_abundance.demo.archive import AWKWARD
from tests import reference
from tests.archives import bin_row, write_archive
from tests.checkout import ROOT, Checkout
from tests.dashboard.emulator import Emulator, Fault

TABLES = ("biovolume_long", "biovolume_groups", "size_spectrum", "features_ledger")
FIGURES = ("size_spectrum", "carbon")
DAYS = ("20240415", "20240416")
BINS = [f"D{day}T{hour:02d}0000_IFCB{ifcb:03d}" for day in DAYS for hour in (3, 15) for ifcb in (10, 125)]
NONE, SKIPPED, UNSCORED = BINS[1], BINS[2], BINS[3]
LABELS = ["Akashiwo", "Ditylum_brightwellii", "detritus", "not_in_the_table"]


def write_features(folder: Path, bin_id: str, lines: list[str]) -> Path:
    path = folder / bin_id.split("T")[0] / f"{bin_id}_features.csv"
    path.write_text("\n".join(["roi_number,Area,Biovolume,summedBiovolume", *lines, ""]))
    return path


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Bins of five ROIs; one is skipped, one has no scores, one no features."""
    rows = [bin_row(bin_id, ml_analyzed=2 + n / 10, skip=int(bin_id == SKIPPED)) for n, bin_id in enumerate(BINS)]
    scores = {}
    for n, bin_id in enumerate(BINS):
        won = [(n + i) % len(LABELS) for i in range(5)]
        scores[bin_id] = (LABELS, [[0.85 if i == w else 0.05 for i in range(len(LABELS))] for w in won])
    del scores[UNSCORED]
    folder = write_archive(tmp_path / "archive", rows, scores)
    for n, bin_id in enumerate(BINS):
        if bin_id != NONE:
            (folder / bin_id.split("T")[0]).mkdir(exist_ok=True)
            write_features(folder, bin_id, [f"{roi},9,1,{1000 * (n + 1) * roi}" for roi in range(2, 7)])
    return folder


@pytest.fixture
def dashboard(archive: Path) -> Iterator[Emulator]:
    with Emulator({"own": archive}) as emulator:
        yield emulator


def of_directory(archive: Path, **others: Any) -> dict[str, Any]:
    return {"dataset": "own", "source": {"kind": "directory", "path": str(archive)}} | others


def of_dashboard(dashboard: Emulator, source: dict[str, Any] | None = None, **others: Any) -> dict[str, Any]:
    kind = {"kind": "dashboard", "url": dashboard.url, "retries": 1, "backoff": 0, **(source or {})}
    select = {"start": "2024-04-15", "end": "2024-04-16"}
    return {"dataset": "own", "source": kind, "select": select, "features": {"make": True}} | others


def asked(dashboard: Emulator, kind: str) -> list[str]:
    return sorted(r.path.split("/")[-1].split(f"_{kind}")[0] for r in dashboard.requests if f"_{kind}.csv" in r.path)


# --- the demo ---


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    run = Checkout(tmp_path_factory.mktemp("demo"))
    run.printed = run.run({"report": {"make": False}}, "features")  # type: ignore[attr-defined]
    return run


def by_class(archive: Path, pixels_per_um: float) -> tuple[dict[tuple[str, ...], list[float]], dict[str, list[float]]]:
    """Per day, instrument and class: count, measured, mL, um3 and pg; per day and instrument the um3 of each ROI."""
    with (ROOT / "config" / "classes.csv").open(newline="") as file:
        traits = {row["label"]: (row["living"], row["group"]) for row in csv.DictReader(file)}
    sums: dict[tuple[str, ...], list[float]] = defaultdict(lambda: [0.0] * 5)
    sizes = defaultdict(list)
    used = reference.statuses(archive)
    files = reference.score_files(archive)
    for row in reference.metadata(archive):
        features = files.get(row["pid"], archive).with_name(f"{row['pid']}_features.csv")
        if used[row["pid"]] != "used" or not features.exists():
            continue
        with features.open(newline="") as file:
            volumes = {int(line["roi_number"]): float(line["summedBiovolume"]) for line in csv.DictReader(file)}
        with files[row["pid"]].open(newline="", encoding="utf-8") as file:
            header, *lines = csv.reader(file)
        group = (row["sample_time"][:10], f"IFCB{int(row['ifcb'])}")
        for label in [*header[1:], "unclassified"]:
            sums[(*group, label)][2] += float(row["ml_analyzed"])
        for line in lines:
            label = reference.winner(header[1:], [float(cell) if cell else math.nan for cell in line[1:]], 0.7)
            volume = volumes.get(int(line[0].rsplit("_", 1)[1]), 0) / pixels_per_um**3
            found = sums[(*group, label)]
            found[0] += 1
            if volume:
                living, kind = traits.get(label, ("", ""))
                low, slope = (-0.665, 0.939)
                if kind == "diatom":
                    low, slope = (-0.933, 0.881) if volume > 3000 else (-0.541, 0.811)
                found[1] += 1
                found[3] += volume
                found[4] += 10 ** (low + slope * math.log10(volume)) if living == "yes" else math.nan
                sizes[group].append(volume)
    return sums, sizes


def test_the_demo_is_what_its_files_say(demo: Checkout) -> None:
    sums, sizes = by_class(demo.folder / "resources" / "demo", 3.4)
    table = demo.table("demo", "biovolume_long").set_index(["date", "instrument", "class"])
    assert set(table.index) == set(sums)
    for key, (count, measured, ml, volume, picograms) in sums.items():
        row = table.loc[key]
        assert (row["count"], row["n_measured"]) == (count, measured)
        assert row["ml_analyzed_total"] == pytest.approx(ml, rel=1e-12)
        assert row["biovolume_um3_per_ml"] == pytest.approx(volume / ml, rel=1e-9)
        if row["living"] == "yes":
            assert row["carbon_ug_per_L"] == pytest.approx(picograms / ml / 1000, rel=1e-9)
        else:
            assert math.isnan(row["carbon_ug_per_L"])
    spectrum = demo.table("demo", "size_spectrum")
    for group, of_group in spectrum[spectrum["objects"] == "all"].groupby(["date", "instrument"]):
        diameters = [(6 * volume / math.pi) ** (1 / 3) for volume in sizes[group]]
        for row in of_group.to_dict("records"):
            assert row["count"] == sum(row["esd_low_um"] <= d < row["esd_high_um"] for d in diameters)
        assert of_group["count"].sum() == len(diameters)
        assert of_group["drop_off_um"].between(5, 10).all()
    living = spectrum[spectrum["objects"] == "living"].groupby(["date", "instrument"])["count"].sum()
    groups = demo.table("demo", "biovolume_groups")
    total = groups[groups["group"] == "living total"].set_index(["date", "instrument"])["n_measured"]
    assert living.to_dict() == total.to_dict()


def test_the_account_of_the_demo(demo: Checkout) -> None:
    ledger = demo.table("demo", "ledger")
    account = demo.table("demo", "features_ledger").set_index("bin")
    assert sorted(account.index) == sorted(ledger.loc[ledger["status"] == "used", "bin"])
    assert account.index[account["status"] == "no_features"].tolist() == AWKWARD["no_features"]
    assert set(account["status"]) == {"read", "no_features"}
    short = account[account["n_measured"] < account["n_rois"]]
    missing = (short["n_rois"] - short["n_measured"]).to_dict()
    assert missing == {AWKWARD["rois_without_features"][0]: 3, AWKWARD["rois_without_blob"][0]: 2}
    assert account.index[account["n_rois_without_scores"] > 0].tolist() == AWKWARD["header_only"]
    text = pd.read_csv(demo.results("demo") / "features_ledger.csv", dtype=str, keep_default_na=False)
    for column in ("bytes", "n_rois", "n_measured", "n_rois_without_scores"):  # whole, though one is missing
        assert (text[column] == "").sum() == 1
        assert text[column].str.fullmatch("[0-9]*").all()
    printed = demo.printed  # type: ignore[attr-defined]
    assert "features of bins: 154 to read" in printed
    assert "features: 1 of 152 used bins have none" in printed
    assert "ROIs have no biovolume" in printed


def test_the_figures_come_with_the_tables_and_by_themselves(demo: Checkout) -> None:
    folder = demo.results("demo") / "figures"
    for figure in FIGURES:
        assert (folder / f"{figure}.pdf").read_bytes().startswith(b"%PDF-")
        assert "<script>" in (folder / f"{figure}.html").read_text()
    assert "size drop-off" in (folder / "size_spectrum.svg").read_text()
    caption = json.loads((folder / "size_spectrum.json").read_text())["description"]
    assert "(6 V / π)^(1/3)" in caption
    assert "Menden-Deuer and Lessard (2000" in json.loads((folder / "carbon.json").read_text())["description"]


def test_a_default_run_has_nothing_of_it(demo_run: Checkout) -> None:
    names = {path.name for path in demo_run.results("demo").rglob("*")}
    assert not names & {"features", *(f"{table}.csv" for table in TABLES), *(f"{name}.svg" for name in FIGURES)}
    resources = {
        path["path"] for path in json.loads((demo_run.results("demo") / "datapackage.json").read_text())["resources"]
    }
    assert not resources & {f"{table}.csv" for table in TABLES}


# --- from anywhere, again, and with other settings ---


def test_a_directory_and_its_dashboard_give_the_same_tables(tmp_path: Path, archive: Path, dashboard: Emulator) -> None:
    local, remote = Checkout(tmp_path / "local"), Checkout(tmp_path / "remote")
    local.run(of_directory(archive, features={"make": True}))
    remote.run(of_dashboard(dashboard))
    for table in TABLES[:3]:
        assert (local.results("own") / f"{table}.csv").read_bytes() == (
            remote.results("own") / f"{table}.csv"
        ).read_bytes()
    told = [run.table("own", "features_ledger").drop(columns="address") for run in (local, remote)]
    pd.testing.assert_frame_equal(*told)
    used = sorted(set(BINS) - {SKIPPED, UNSCORED})
    assert asked(dashboard, "features") == used  # none of a bin that is not used
    # Once, for the counts and for the class of each ROI.
    assert asked(dashboard, "class_scores") == sorted([*used, UNSCORED])
    assert dashboard.most_at_once() <= 8
    described = json.loads((remote.results("own") / "datapackage.json").read_text())["resources"]
    assert {f"{table}.csv" for table in TABLES} <= {resource["path"] for resource in described}
    dashboard.clear()
    before = remote.stamps()
    assert "Nothing to be done" in remote.run(of_dashboard(dashboard))
    assert remote.stamps() == before
    assert dashboard.requests == []


def test_a_merge_of_features_that_is_refused_loses_no_table(checkout: Checkout, archive: Path) -> None:
    asked = of_directory(archive, features={"make": True})
    checkout.run(asked)
    results = checkout.results("own")
    names = [f"{table}.csv" for table in TABLES]
    before = {name: (results / name).read_bytes() for name in names}
    part = results / "features_ledger" / "2024-04-15.csv"
    whole = part.read_bytes()
    part.write_bytes(whole.replace(BINS[0].encode(), b"D20240415T040000_IFCB010"))
    printed = checkout.run(asked, fails=True)
    assert {name: (results / "stale" / name).read_bytes() for name in names} == before
    assert not any((results / name).exists() for name in names)
    (line,) = (line for line in printed.splitlines() if line.startswith("Moved to results/own/stale/"))
    assert all(name in line for name in names)
    assert "What is built is kept. Fix what the message above says" in printed
    part.write_bytes(whole)
    checkout.run(asked)
    assert {name: (results / name).read_bytes() for name in names} == before
    assert not (results / "stale").exists()


def test_other_thresholds_and_pixels_ask_for_nothing(tmp_path: Path, dashboard: Emulator) -> None:
    run = Checkout(tmp_path / "run")
    run.run(of_dashboard(dashboard))
    first = run.table("own", "biovolume_long").set_index(["date", "instrument", "class"])["biovolume_um3_per_ml"]
    dashboard.clear()
    run.run(of_dashboard(dashboard, features={"make": True, "pixels_per_um": {"default": 6.8, "IFCB125": 3.4}}))
    second = run.table("own", "biovolume_long").set_index(["date", "instrument", "class"])["biovolume_um3_per_ml"]
    ratio = (second / first).dropna()
    assert ratio.xs("IFCB10", level="instrument").to_numpy() == pytest.approx(1 / 8)
    assert ratio.xs("IFCB125", level="instrument").to_numpy() == pytest.approx(1)
    run.run(of_dashboard(dashboard, classify={"threshold": 0.9}))
    third = run.table("own", "biovolume_long").set_index("class")
    assert (third.drop("unclassified")["count"] == 0).all()
    assert third.loc["unclassified", "biovolume_um3_per_ml"].sum() == pytest.approx(
        first.groupby(["date", "instrument"]).sum().sum()
    )
    assert dashboard.requests == []


def test_features_that_come_late_to_a_directory_are_read_then(tmp_path: Path, archive: Path) -> None:
    run, config = Checkout(tmp_path / "run"), of_directory(archive, features={"make": True})
    run.run(config)
    write_features(archive, NONE, ["2,9,1,5000"])
    printed = run.run(config)
    assert "features of bins: 1 to read" in printed
    assert set(run.table("own", "features_ledger")["status"]) == {"read"}
    # A summary that was deleted is made again.
    next((run.results("own") / "features").rglob(f"{NONE}.parquet")).unlink()
    assert "features of bins: 1 to read" in run.run(config)


def test_shards_have_them_too(tmp_path: Path, dashboard: Emulator) -> None:
    whole, sharded = Checkout(tmp_path / "whole"), Checkout(tmp_path / "sharded")
    settings = of_dashboard(dashboard)
    settings["features"] = {**settings["features"], "bins": True}
    whole.run(settings)
    sharded.run(settings, "--config", "shard=2024-04")
    dashboard.clear()
    sharded.run(settings, "--config", "shard=merge")
    assert dashboard.requests == []
    bins = [run.results("own") / "biovolume_bins.parquet" for run in (whole, sharded)]
    assert bins[0].read_bytes() == bins[1].read_bytes()
    assert len(pd.read_parquet(bins[0]))
    for table in TABLES:
        assert (sharded.results("own") / f"{table}.csv").read_bytes() == (
            whole.results("own") / f"{table}.csv"
        ).read_bytes()


# --- faults ---


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (
            {"kind": "transform", "function": lambda body: body + body.splitlines(keepends=True)[1]},
            "the ROI is a duplicate",
        ),
        ({"kind": "body", "body": b"roi_number,Biovolume\n2,-1\n"}, "line 2, roi_number 2, Biovolume -1"),
        ({"kind": "html", "times": None}, "HTML page instead of data"),
        ({"kind": "status", "status": 500, "times": None}, "HTTP 500"),
    ],
)
def test_features_that_cannot_be_used_stop_the_run_or_are_recorded(
    tmp_path: Path, dashboard: Emulator, fault: dict[str, Any], told: str
) -> None:
    run, bad = Checkout(tmp_path / "run"), BINS[0]
    dashboard.faults.append(Fault(f"{bad}_features", **{**fault, "times": None}))
    printed = run.run(of_dashboard(dashboard), fails=True)
    assert bad in printed
    assert told in printed
    assert not (run.results("own") / "biovolume_long.csv").exists()
    assert (run.results("own") / "biovolume" / "2024-04-16.csv").exists()  # the other day is built
    recorded = of_dashboard(dashboard, {"on_failure": "record"})
    run.run(recorded)
    account = run.table("own", "features_ledger").set_index("bin")
    assert account.loc[bad, "status"] == "failed"
    assert told in account.loc[bad, "reason"]
    assert account.loc[bad, "n_rois"] != account.loc[bad, "n_rois"]
    printed = run.run(of_dashboard(dashboard), fails=True)
    assert "were recorded as failed by an earlier run" in printed
    assert not (run.results("own") / "biovolume_long.csv").exists()  # nothing stale is left
    dashboard.faults.clear()
    next((run.results("own") / "features").rglob(f"{bad}.parquet")).unlink()
    run.run(of_dashboard(dashboard))
    assert run.table("own", "features_ledger").set_index("bin").loc[bad, "status"] == "read"


def test_faults_that_pass_are_tried_again(tmp_path: Path, dashboard: Emulator) -> None:
    run = Checkout(tmp_path / "run")
    dashboard.faults += [Fault("_features", "status", times=2), Fault("_features", "html"), Fault("_features", "cut")]
    run.run(of_dashboard(dashboard, {"retries": 5}))
    assert sorted(run.table("own", "features_ledger")["status"]) == ["no_features"] + ["read"] * 5


def test_class_scores_that_have_changed_are_told(tmp_path: Path, archive: Path, dashboard: Emulator) -> None:
    """Else sizes would be of other classes than counts are; a recheck mends it."""
    run = Checkout(tmp_path / "run")
    run.run(of_dashboard(dashboard, features={"make": False}))
    scores = next(archive.rglob(f"{BINS[0]}_class_scores.csv"))
    scores.write_text(scores.read_text().replace("0.85", "0.8"))
    dashboard.reload()
    printed = run.run(of_dashboard(dashboard), fails=True)
    assert "the class scores that its abundance was counted from are different now" in printed
    assert "recheck.scores: all" in printed
    again = of_dashboard(dashboard, recheck={"scores": "all"})
    run.run(again, "recheck")
    assert "Nothing to be done" in run.run(again)
    assert len(run.table("own", "features_ledger")) == 6


def test_tables_of_an_earlier_config_are_moved(tmp_path: Path, archive: Path) -> None:
    def moved() -> set[str]:
        folder = run.results("own") / "stale"
        return {path.relative_to(folder).as_posix().split("/")[0] for path in folder.rglob("*") if path.is_file()}

    tables = {"biovolume_long.csv", "biovolume_groups.csv", "size_spectrum.csv", "features_ledger.csv", "figures"}
    tables |= {"biovolume", "biovolume_groups", "size_spectrum", "features_ledger"}  # parts of days
    run = Checkout(tmp_path / "run")
    run.run(of_directory(archive), "features")
    printed = run.run(of_directory(archive, classify={"threshold": 0.9}))
    assert "Moved to results/own/stale/" in printed
    assert moved() == tables
    run.run(of_directory(archive, classify={"threshold": 0.9}), "features")
    assert not (run.results("own") / "stale").exists()
    # The other tables hang on no pixel size.
    other = of_directory(archive, classify={"threshold": 0.9}, features={"pixels_per_um": {"default": 2.0}})
    run.run(other)
    assert moved() == tables
