"""Coverage of a day: bins by their status, hours, distances and the two flags, by hand and on real data."""

import csv
import math
from collections import defaultdict
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ifcb_abundance.abundance.coverage import cover
from ifcb_abundance.bins.positions import greatest_distance_km
from ifcb_abundance.bins.statuses import BinStatus
from ifcb_abundance.tables import table_files
from tests.abundance.pooling import a_bin, pool, rois

REAL = Path(__file__).parents[3] / "shared" / "data" / "tables" / "Margalefidinium_2018.csv"
NAN = math.nan
DEGREE = 6371.0088 * math.pi / 180  # km of one degree along a great circle


def bins_of(*rows: dict[str, Any]) -> pd.DataFrame:
    """Bins of a day, used and of 2 mL unless said otherwise; `time` is of the clock."""
    plain = {"instrument": "IFCB10", "status": "used", "ml_analyzed": 2.0, "latitude": NAN, "longitude": NAN}
    plain |= {"date": "2024-02-15", "depth": NAN, "time": "12:00:00"}
    table = pd.DataFrame([plain | row for row in rows])
    return table.assign(sample_time=pd.to_datetime(table["date"] + "T" + table["time"] + "Z"))


def covered(*rows: dict[str, Any], cut: bool = False, tolerance_km: float = 1.0) -> dict[str, Any]:
    (row,) = cover(bins_of(*rows), ["instrument"], cut, tolerance_km).to_dict("records")
    return {str(name): value for name, value in row.items()}


def test_each_status_is_counted() -> None:
    rows = [{"status": status} for n, status in enumerate(BinStatus, 1) for _ in range(n)]
    found = covered(*rows)
    assert {status: found[f"n_{status}"] for status in BinStatus} == {
        "used": 1, "skipped": 2, "filtered": 3, "bad_volume": 4, "no_scores": 5, "failed": 6
    }  # fmt: skip
    assert found["n_expected"] == 21
    assert found["ml_analyzed_total"] == 2.0
    declared = table_files.schema("ledger")["status"]["constraints"]["enum"]
    assert set(declared) == set(BinStatus)


@pytest.mark.parametrize(
    ("statuses", "cut", "complete"),
    [
        ("used", False, "yes"),
        ("used used", False, "yes"),
        ("used", True, "no"),
        ("used skipped filtered", False, "yes"),
        ("used skipped filtered", True, "no"),
        ("used bad_volume", False, "no"),
        ("used no_scores", False, "no"),
        ("used failed", False, "no"),
        ("skipped filtered", False, "no"),
        ("no_scores", False, "no"),
    ],
)
def test_complete_is_a_whole_day_of_which_nothing_is_lost(statuses: str, cut: bool, complete: str) -> None:
    assert covered(*({"status": status} for status in statuses.split()), cut=cut)["complete"] == complete


def test_hours_and_times_are_of_the_used_bins() -> None:
    found = covered(
        {"time": "23:59:59"},
        {"time": "05:00:00"},
        {"time": "05:59:59"},
        {"time": "06:00:00"},
        {"time": "00:30:00", "status": "skipped", "ml_analyzed": 99.0},
    )
    assert found["hours_covered"] == 3
    assert str(found["first_sample_time"]) == "2024-02-15 05:00:00+00:00"
    assert str(found["last_sample_time"]) == "2024-02-15 23:59:59+00:00"
    assert found["ml_analyzed_total"] == 8.0


@pytest.mark.parametrize(
    ("places", "km"),
    [
        ([], NAN),
        ([(NAN, NAN)], NAN),
        ([(41.5, NAN), (NAN, -70.5)], NAN),
        ([(41.5, -70.5)], 0.0),
        ([(41.5, -70.5), (41.5, -70.5), (NAN, NAN)], 0.0),
        ([(41.0, -70.5), (42.0, -70.5)], DEGREE),
        ([(0.0, 10.0), (NAN, 50.0), (0.0, 11.0)], DEGREE),
        ([(0.0, 179.5), (0.0, -179.5)], DEGREE),  # over the antimeridian, not around the world
        ([(60.0, 10.0), (60.0, 11.0)], 2 * 6371.0088 * math.asin(0.5 * math.sin(math.radians(0.5)))),
        ([(89.5, 0.0), (89.5, 180.0)], DEGREE),  # over the pole
        ([(90.0, 0.0), (-90.0, 77.0)], 180 * DEGREE),
        ([(0.0, 0.0), (0.0, 180.0)], 180 * DEGREE),
        ([(0.0, 0.0), (1.0, 0.0), (3.0, 0.0), (-2.0, 0.0)], 5 * DEGREE),  # the last two are the farthest apart
    ],
)
def test_the_greatest_distance(places: list[tuple[float, float]], km: float) -> None:
    assert pytest.approx(111.195, abs=0.0005) == DEGREE
    latitude, longitude = np.array(places, dtype=float).reshape(-1, 2).T
    assert greatest_distance_km(latitude, longitude) == pytest.approx(km, rel=1e-9, nan_ok=True)


def test_the_bins_that_the_mean_position_is_of_are_counted() -> None:
    here, half = {"latitude": 41.0, "longitude": -70.0}, {"longitude": -70.5}
    assert covered({}, {}, {})["n_positions"] == 0
    assert covered(here, here, {}, half, {"latitude": 41.0}, here | {"status": "skipped"})["n_positions"] == 2


def test_moving_is_beyond_the_tolerance() -> None:
    there, here = {"latitude": 41.0, "longitude": -70.0}, {"latitude": 41.01, "longitude": -70.0}
    spread = covered(there, here)["position_spread_km"]
    assert spread == pytest.approx(1.1119, abs=0.0001)
    moving = {t: covered(there, here, tolerance_km=t)["moving"] for t in (1.0, math.nextafter(spread, 0), spread, 1.2)}
    assert list(moving.values()) == ["yes", "yes", "no", "no"]
    assert covered(there, there, tolerance_km=0)["moving"] == "no"
    assert covered(there, here | {"status": "skipped"})["moving"] == "no"  # what is not used moves nothing
    assert covered({})["moving"] == ""


def test_one_row_per_group_with_and_without_used_bins(tmp_path: Path) -> None:
    rows = [{"depth": 4.0}, {"depth": 4.0, "instrument": "IFCB125", "status": "no_scores"}, {"status": "skipped"}]
    for group_by, expected in {
        (): [("IFCB10;IFCB125", 3, 1, "no")],
        ("instrument",): [("IFCB10", 2, 1, "yes"), ("IFCB125", 1, 0, "no")],
        ("depth",): [("IFCB10;IFCB125", 2, 1, "no"), ("IFCB10", 1, 0, "no")],
    }.items():
        table = cover(bins_of(*rows), group_by, False, 1.0)
        assert (
            list(table[["instrument", "n_expected", "n_used", "complete"]].itertuples(index=False, name=None))
            == expected
        )
        table_files.write(table, "coverage", tmp_path / "coverage.csv")
        read = table_files.read("coverage", tmp_path / "coverage.csv")
        assert read["first_sample_time"].notna().tolist() == [used > 0 for _, _, used, _ in expected]


def test_a_day_says_what_became_of_its_bins(tmp_path: Path) -> None:
    bins = [a_bin(0, ml_analyzed=0.7), a_bin(1, skip=1), a_bin(2, ml_analyzed=37.8), a_bin(3), a_bin(4)]
    bins += [a_bin(5 + n, ml_analyzed=0.7 + 0.211 * n, latitude="-9999999", longitude="-9999999") for n in range(1, 10)]
    scores = [rois(A=1), "", "", "no_scores", "failed", *[rois(A=1)] * 9]
    day = pool(tmp_path, bins, scores)
    (row,) = day.coverage
    counts = {name: int(value) for name, value in row.items() if name.startswith("n_")}
    assert counts == {"n_expected": 14, "n_used": 10, "n_filtered": 0, "n_positions": 0} | dict.fromkeys(
        ("n_skipped", "n_bad_volume", "n_no_scores", "n_failed"), 1
    )
    assert (row["complete"], row["moving"], row["position_spread_km"]) == ("no", "", "")
    # The day has one volume, to the last digit, whichever table says it.
    assert float(row["ml_analyzed_total"]) == day.column("ml_analyzed_total")["unclassified"]
    whole = [pool(tmp_path, bins[:2], scores[:2], cut=cut).coverage[0]["complete"] for cut in (False, True)]
    assert whole == ["yes", "no"]


def test_coverage_of_a_real_summer() -> None:
    """2,377 bins by a plain loop over the file; every tenth is taken to have no scores."""
    if not REAL.exists():
        pytest.skip(f"no real counts at {REAL}")
    with REAL.open(newline="") as file:
        rows = list(csv.DictReader(file))
    by_day: dict[str, list[tuple[str, datetime, float, bool]]] = defaultdict(list)
    for n, row in enumerate(rows):
        time = datetime.fromisoformat(row["sample_time"])
        instrument = f"IFCB{int(row['pid'].split('IFCB')[1])}"
        by_day[f"{time:%Y-%m-%d}"].append((instrument, time, float(row["bin_ml"]), n % 10 != 0))
    assert sum(map(len, by_day.values())) == 2377
    for date, of_day in by_day.items():
        bins = pd.DataFrame(of_day, columns=["instrument", "sample_time", "ml_analyzed", "is_used"])
        bins["status"] = np.where(bins.pop("is_used"), "used", "no_scores")
        table = cover(bins.assign(date=date, latitude=41.6, longitude=-70.6), ["instrument"], False, 1.0)
        assert table["instrument"].tolist() == sorted({instrument for instrument, *_ in of_day})
        for row in table.itertuples():
            used = [(time, ml) for instrument, time, ml, used in of_day if used and instrument == row.instrument]
            n_bins = sum(instrument == row.instrument for instrument, *_ in of_day)
            assert (row.n_expected, row.n_used, row.n_no_scores) == (n_bins, len(used), n_bins - len(used))
            assert (row.first_sample_time, row.last_sample_time) == (min(used)[0], max(used)[0])
            assert row.hours_covered == len({time.hour for time, _ in used})
            assert row.ml_analyzed_total == pytest.approx(math.fsum(ml for _, ml in used), rel=1e-12)
            assert row.complete == ("yes" if len(used) == n_bins else "no")
            assert (row.position_spread_km, row.moving) == (0.0, "no")
