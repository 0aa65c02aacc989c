"""The tables around the merged one, through the front door, each against an independent calculation."""

import csv
import hashlib
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from tests import reference
from tests.archives import bin_row, write_archive
from tests.checkout import ROOT, Checkout

KEYS = ["date", "instrument", "class"]


@pytest.fixture(scope="module")
def bins_long(demo_run: Checkout) -> pd.DataFrame:
    table = pd.read_parquet(demo_run.results("demo") / "bins_long.parquet")
    return table.assign(date=table["sample_time"].dt.strftime("%Y-%m-%d"))


def test_bins_sum_to_days(demo_run: Checkout, bins_long: pd.DataFrame) -> None:
    days = demo_run.table("demo").set_index(KEYS)
    sums = bins_long.groupby(KEYS)[["count", "ml_analyzed"]].sum()
    assert sums["count"].to_dict() == days["count"].to_dict()
    assert sums["ml_analyzed"].to_dict() == pytest.approx(days["ml_analyzed_total"].to_dict(), rel=1e-12)
    ledger = demo_run.table("demo", "ledger")
    assert set(bins_long["bin"]) == set(ledger.loc[ledger["status"] == "used", "bin"])
    assert (bins_long["count"] == 0).any()
    assert pq.ParquetFile(demo_run.results("demo") / "bins_long.parquet").num_row_groups == 4


def test_bin_table_as_csv_on_request(tmp_path: Path, bins_long: pd.DataFrame) -> None:
    run = Checkout(tmp_path)
    run.run(None, "results/demo/bins_long.csv.gz")
    table = pd.read_csv(run.results("demo") / "bins_long.csv.gz", keep_default_na=False, na_values=[""])
    assert len(table) == len(bins_long)
    for column in ("count", "ml_analyzed", "objects_per_ml", "latitude"):
        assert np.array_equal(table[column].to_numpy(float), bins_long[column].to_numpy(float), equal_nan=True)


def test_other_shapes_hold_the_same_numbers(demo_run: Checkout) -> None:
    long = demo_run.table("demo")
    parquet = pd.read_parquet(demo_run.results("demo") / "abundance_long.parquet")
    assert list(parquet.columns) == list(long.columns)
    assert parquet["objects_per_ml"].tolist() == long["objects_per_ml"].tolist()
    wide = demo_run.table("demo", "abundance_wide")
    assert list(wide.columns[:2]) == ["date", "instrument"]
    assert wide.columns[-1] == "unclassified"
    unpivoted = wide.melt(["date", "instrument"], var_name="class", value_name="x").set_index(KEYS)["x"]
    assert unpivoted.dropna().to_dict() == long.set_index(KEYS)["objects_per_ml"].to_dict()


def test_groups_are_sums_of_their_classes_by_the_class_table(demo_run: Checkout) -> None:
    listed = pd.read_csv(ROOT / "config" / "classes.csv", dtype=str, keep_default_na=False).set_index("label")
    long = demo_run.table("demo").merge(
        listed[["group", "living"]], left_on="class", right_index=True, how="left", suffixes=("", "_listed")
    )
    groups = demo_run.table("demo", "groups_long").set_index(["date", "instrument", "group"])
    expected = long[long["group_listed"] != ""].groupby(["date", "instrument", "group_listed"])["count"].sum()
    living = long[long["living_listed"] == "yes"].groupby(["date", "instrument"])["count"].sum()
    found = groups["count"].to_dict()
    assert {key: n for key, n in found.items() if key[2] != "living total"} == {
        key: n for key, n in expected.to_dict().items() if key[2]
    }
    assert {key[:2]: n for key, n in found.items() if key[2] == "living total"} == living.to_dict()
    assert "diatom" in groups.index.get_level_values("group")
    assert not set(demo_run.table("demo")["class"]) & {"diatom", "living total"}


def test_coverage_agrees_with_the_ledger(demo_run: Checkout) -> None:
    ledger = demo_run.table("demo", "ledger")
    catalog = demo_run.table("demo", "catalog")
    coverage = demo_run.table("demo", "coverage").set_index(["date", "instrument"])
    by = [ledger["date"], catalog["instrument"], ledger["status"]]
    counts = ledger.groupby(by).size().unstack(fill_value=0)
    for status in counts.columns:
        assert coverage[f"n_{status}"].to_dict() == counts[status].to_dict()
    assert coverage["n_expected"].to_dict() == counts.sum(axis=1).to_dict()
    lost = counts.get("bad_volume", 0) + counts.get("no_scores", 0)
    assert (coverage["complete"] == "yes").to_dict() == (lost == 0).to_dict()
    assert set(coverage["complete"]) == {"yes", "no"}
    used = catalog[ledger["status"] == "used"]
    hours = used.groupby([used["sample_time"].str[:10], "instrument"])["sample_time"].agg(
        lambda t: t.str[11:13].nunique()
    )
    assert coverage["hours_covered"].to_dict() == hours.to_dict()


def test_threshold_sweep_against_the_score_files(demo_run: Checkout) -> None:
    archive = demo_run.folder / "resources" / "demo"
    tops: dict[str, list[float]] = {}
    for bin_id, status in reference.statuses(archive).items():
        if status == "used":
            labels, rows = reference.score_rows(archive, bin_id)
            for row in rows:
                name = reference.winner(labels, row, 0.0)
                if name != "unclassified":
                    tops.setdefault(name, []).append(float(np.float16(np.nanmax(row))))
    sweep = demo_run.table("demo", "threshold_sweep")
    assert sweep.groupby("class").size().eq(21).all()
    for row in sweep.to_dict("records"):
        of_class = np.array(tops.get(row["class"], []))
        kept = int((of_class >= np.float16(row["threshold"])).sum())
        assert row["count"] == kept, row
        assert (
            row["share_kept"] == pytest.approx(kept / len(of_class)) if len(of_class) else np.isnan(row["share_kept"])
        )


@pytest.mark.parametrize(("period", "rule"), [("week", "W"), ("month", "M"), ("hour", "h")])
def test_other_periods_pool_the_same_bins(
    tmp_path: Path, demo_run: Checkout, bins_long: pd.DataFrame, period: str, rule: str
) -> None:
    run = Checkout(tmp_path / "checkout", copied_from=demo_run.folder)
    days = {name: time for name, time in run.stamps().items() if "/daily/" in name}
    run.run({"abundance": {"period": period}, "report": {"make": False}})
    assert {name: time for name, time in run.stamps().items() if "/daily/" in name} == days
    starts = bins_long["sample_time"].dt.tz_localize(None).dt.to_period(rule).dt.start_time
    sums = bins_long.assign(start=starts).groupby(["start", "instrument", "class"])[["count", "ml_analyzed"]].sum()
    table = run.table("demo", f"abundance_{period}")
    start = pd.to_datetime(table["date"], utc=True).dt.tz_localize(None)
    keyed = table.assign(start=start).set_index(["start", "instrument", "class"])
    assert keyed["count"].to_dict() == sums["count"].to_dict()
    assert keyed["ml_analyzed_total"].to_dict() == pytest.approx(sums["ml_analyzed"].to_dict(), rel=1e-12)
    assert (
        keyed.groupby(["start", "instrument"])["count"].sum()
        == keyed.groupby(["start", "instrument"])["n_rois"].first()
    ).all()


def test_groups_of_bins_and_a_moving_platform(checkout: Checkout, tmp_path: Path) -> None:
    bins = {
        "D20240401T010000_IFCB010": {"cruise": "EN1", "depth": 5.0, "latitude": 41.0, "longitude": -70.0},
        "D20240401T020000_IFCB010": {"cruise": "EN1", "depth": 5.0, "latitude": 42.0, "longitude": -70.0},
        "D20240401T030000_IFCB010": {"cruise": "EN1", "depth": 30.0, "latitude": 41.0, "longitude": -70.0},
        "D20240401T040000_IFCB010": {},
    }
    archive = write_archive(
        tmp_path / "archive",
        [bin_row(bin_id, **columns) for bin_id, columns in bins.items()],
        {bin_id: (["Akashiwo"], [[0.9]] * (i + 1)) for i, bin_id in enumerate(bins)},
    )
    config = {"dataset": "ship", "source": {"kind": "directory", "path": str(archive)}}
    checkout.run({**config, "abundance": {"group_by": ["cruise", "depth"], "position_tolerance_km": 50}})
    table = checkout.table("ship").fillna({"cruise": "", "depth": -1}).query("`class` == 'Akashiwo'")
    assert table.set_index(["cruise", "depth"])["count"].to_dict() == {("EN1", 5.0): 3, ("EN1", 30.0): 3, ("", -1.0): 4}
    assert set(table["instrument"]) == {"IFCB10"}
    wide = checkout.table("ship", "abundance_wide").fillna({"cruise": "", "depth": -1})
    by_group = table.set_index(["cruise", "depth"])["objects_per_ml"]
    assert wide.set_index(["cruise", "depth"])["Akashiwo"].to_dict() == by_group.to_dict()
    coverage = checkout.table("ship", "coverage").fillna({"cruise": "", "depth": -1}).set_index(["cruise", "depth"])
    # one degree of latitude on a sphere of 6371.0088 km radius
    assert coverage["position_spread_km"]["EN1", 5.0] == pytest.approx(np.pi / 180 * 6371.0088)
    assert coverage["moving"].fillna("").to_dict() == {("EN1", 5.0): "yes", ("EN1", 30.0): "no", ("", -1.0): ""}


def test_a_day_that_the_window_cuts_is_not_complete(checkout: Checkout, tmp_path: Path) -> None:
    bins = [f"D2024040{day}T{hour:02d}0000_IFCB010" for day in (1, 2, 3) for hour in (1, 2)]
    archive = write_archive(
        tmp_path / "archive", [bin_row(b) for b in bins], {b: (["Akashiwo"], [[0.9]]) for b in bins}
    )
    source = {"kind": "directory", "path": str(archive)}
    checkout.run({"dataset": "cut", "source": source, "select": {"start": bins[1], "end": "2024-04-03"}})
    coverage = checkout.table("cut", "coverage").set_index("date")["complete"]
    assert coverage.to_dict() == {"2024-04-01": "no", "2024-04-02": "yes", "2024-04-03": "yes"}


def test_a_day_that_is_not_over_is_not_complete(checkout: Checkout, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    days = {name: now + timedelta(days=d) for name, d in (("today", 0), ("before", -2))}
    bins = {name: f"D{day:%Y%m%d}T000000_IFCB010" for name, day in days.items()}
    archive = write_archive(
        tmp_path / "archive", [bin_row(b) for b in bins.values()], {b: (["Akashiwo"], [[0.9]]) for b in bins.values()}
    )
    checkout.run({"dataset": "now", "source": {"kind": "directory", "path": str(archive)}})
    coverage = checkout.table("now", "coverage").set_index("date")["complete"]
    assert coverage[f"{days['today']:%Y-%m-%d}"] == "no"
    assert coverage[f"{days['before']:%Y-%m-%d}"] == "yes"


def test_labels_that_are_called_as_columns(checkout: Checkout, tmp_path: Path) -> None:
    bin_id, labels = "D20240401T010000_IFCB010", ["date", "count", "unclassified", "NA"]
    rows = [[0.9, 0, 0, 0], [0, 0.9, 0, 0], [0, 0, 0.9, 0], [0, 0, 0, 0.9]]
    archive = write_archive(tmp_path / "archive", [bin_row(bin_id)], {bin_id: (labels, rows)})
    checkout.run({"dataset": "odd", "source": {"kind": "directory", "path": str(archive)}})
    with (checkout.results("odd") / "abundance_long.csv").open() as file:
        counts = {row["class"]: row["count"] for row in csv.DictReader(file)}
    assert counts == {"NA": "1", "count": "1", "date": "1", "unclassified": "1"}
    header = (checkout.results("odd") / "abundance_wide.csv").read_text().splitlines()[0]
    assert header == "date,instrument,NA,count,date (class),unclassified"
    sweep = (checkout.results("odd") / "threshold_sweep.csv").read_text()
    assert "unclassified" not in sweep


def test_results_describe_themselves(demo_run: Checkout) -> None:
    package = json.loads((demo_run.results("demo") / "datapackage.json").read_text())
    assert package["name"] == "demo"
    described = {resource["path"]: resource for resource in package["resources"]}
    present = {path.name for path in demo_run.results("demo").glob("*") if path.suffix in (".csv", ".parquet")}
    assert set(described) == present
    for path, resource in described.items():
        file = demo_run.results("demo") / path
        columns = list((pd.read_csv(file, nrows=0) if file.suffix == ".csv" else pd.read_parquet(file)).columns)
        assert [field["name"] for field in resource["schema"]["fields"]] == columns
        assert all(field["description"] and field["type"] for field in resource["schema"]["fields"])
    units = {field["name"]: field.get("unit") for field in described["abundance_long.csv"]["schema"]["fields"]}
    assert units["objects_per_ml"] == "objects/mL"
    assert units["ml_analyzed_total"] == "mL"


def test_provenance_of_each_bin(demo_run: Checkout) -> None:
    ledger = demo_run.table("demo", "ledger")
    used = ledger[ledger["status"] == "used"]
    for row in used.sample(10, random_state=1).to_dict("records"):
        body = (demo_run.folder / row["address"]).read_bytes()
        assert (row["sha256"], row["bytes"]) == (hashlib.sha256(body).hexdigest(), len(body))
    read_at = json.loads((demo_run.results("demo") / "run.json").read_text())["scores_read_at"]
    assert set(read_at) == set(ledger.loc[ledger["status"].isin(["used", "no_scores"]), "bin"])


def test_no_text_of_any_table_is_run_by_a_spreadsheet(tmp_path: Path) -> None:
    """A cruise `-` and a tag `=1+1` are what an operator typed: they count, and select and group as they are."""
    bins = {f"D20240401T{hour:02d}0000_IFCB010": [[0.9]] for hour in range(4)}
    texts = {"cruise": "=1+1", "sample_type": "-", "tag1": "@x", "tag2": "+y", "latitude": -41.5, "longitude": -70.5}
    rows = [bin_row(bin_id, **texts) for bin_id in bins]
    rows[0] |= {"cruise": "-", "sample_type": "'-"}
    rows[3] |= {"tag1": "=2"}
    archive = write_archive(tmp_path / "archive", rows, {b: (["Akashiwo"], scores) for b, scores in bins.items()})
    run = Checkout(tmp_path / "checkout")
    config = {"dataset": "own", "source": {"path": str(archive)}}
    config |= {
        "abundance": {"group_by": ["cruise", "sample_type"], "period": "week"},
        "select": {"exclude_tags": ["=2"]},
    }
    run.run(config)
    run.run(config, "results/own/bins_long.csv.gz", "recheck")
    csvs = [*run.results("own").rglob("*.csv"), *run.results("own").rglob("*.csv.gz")]
    assert len(csvs) > 12
    # Numbers may have a minus.
    for path in csvs:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        cells = [cell for name in table for cell in table[name] if not re.fullmatch(r"-?[0-9.e+-]+", cell)]
        assert not [cell for cell in [*table.columns, *cells] if re.search(r"(^|;)\s*[=+\-@]", cell)], path
    catalog = run.table("own", "catalog").set_index("bin")
    assert catalog["cruise"].tolist() == ["'-", "'=1+1", "'=1+1", "'=1+1"]
    assert catalog["tags"].tolist() == ["'@x;'+y"] * 3 + ["'=2;'+y"]
    parquet = pd.read_parquet(run.results("own") / "abundance_long.parquet")
    groups = set(zip(parquet["cruise"], parquet["sample_type"], parquet["n_bins"], strict=True))
    assert groups == {("-", "'-", 1), ("=1+1", "-", 2)}
    ledger = run.table("own", "ledger")
    assert ledger["status"].tolist() == ["used"] * 3 + ["filtered"]
    # As selected by what the operator typed.
    run.run({**config, "select": {"sample_types": ["-"]}})
    assert run.table("own", "ledger")["status"].tolist() == ["filtered", "used", "used", "used"]


def test_a_leap_second_costs_neither_the_list_nor_the_bin(tmp_path: Path) -> None:
    """It is the first second of the next day, as POSIX and PostgreSQL count; the id's folder is that of its own day."""
    bins = ["D20161231T233000_IFCB010", "D20161231T235960_IFCB010", "D20170101T003000_IFCB010"]
    rows = [bin_row(bin_id) for bin_id in bins]
    assert rows[1]["sample_time"] == "2016-12-31 23:59:60+00:00"
    rows[2]["sample_time"] = "2017-01-01 00:29:60+00:00"  # 00:29:59.7, rounded by whoever wrote it
    archive = write_archive(tmp_path / "archive", rows, {bin_id: (["Akashiwo"], [[0.9]]) for bin_id in bins})
    run = Checkout(tmp_path / "checkout")
    run.run({"dataset": "own", "source": {"path": str(archive)}, "select": {"start": "2016-12-31", "end": bins[2]}})
    catalog = run.table("own", "catalog")
    assert catalog["bin"].tolist() == bins
    assert catalog["sample_time"].tolist()[1:] == ["2017-01-01T00:00:00+00:00", "2017-01-01T00:30:00+00:00"]
    assert run.table("own", "ledger")["status"].tolist() == ["used"] * 3
    table = run.table("own").set_index(["date", "class"])["count"]
    assert table.xs("Akashiwo", level="class").to_dict() == {"2016-12-31": 1, "2017-01-01": 2}
    assert (run.results("own") / "bins" / "2016" / "D20161231" / f"{bins[1]}.parquet").exists()
