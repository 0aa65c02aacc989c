"""A walk along the bins of a dashboard, with answers that are there already."""

import json
import math
from typing import Any

import pandas as pd
import pytest

from ifcb_abundance.bins.window import Bound, Window
from ifcb_abundance.sources.dashboard import DashboardSource

BIN = "D20240215T000000_IFCB010"
ANSWER: dict[str, Any] = {
    "timestamp_iso": "2024-02-15T00:00:00+00:00",
    "instrument": "IFCB10",
    "ml_analyzed": "2.851 ml",
    "lat": 41.3,
    "lng": -70.5,
    "depth": 5,
    "num_images": 7,
    "skip": False,
    "previous_bin_id": "",
    "next_bin_id": "",
}
ROW = {
    "instrument": "IFCB10",
    "ml_analyzed": 2.851,
    "latitude": 41.3,
    "longitude": -70.5,
    "depth": 5,
    "n_images": 7,
    "skip": 0,
}


class Answers(DashboardSource):
    """A dashboard with one bin."""

    def __init__(self, **said: Any) -> None:
        super().__init__("x", "http://dashboard", catalog="walk")
        self.answer = json.dumps(ANSWER | said).encode()  # with NaN, as Python's servers write it

    def _get(self, target: str, ends: tuple[bytes, ...] = ()) -> bytes:  # noqa: ARG002
        return json.dumps({"pid": BIN}).encode() if target.startswith("/api/most_recent") else self.answer


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ({"cast": "007", "niskin": 2}, {"cast": "007", "niskin": "2"}),
        ({"cast": "", "niskin": 2}, {"niskin": "2"}),
        ({"cast": "", "niskin": None}, {}),  # as dashboards answer where there is none
        ({"cast": None}, {}),
    ],
)
def test_cast_and_niskin_are_those_of_the_bin(said: dict[str, Any], found: dict[str, str]) -> None:
    day = Bound.parse("2024-02-15")
    (row,) = Answers(**said).list_bins(Window(day, day)).to_dict("records")
    assert {name: row[name] for name in ("cast", "niskin") if name in row} == found


@pytest.mark.parametrize("unknown", [None, math.nan])
@pytest.mark.parametrize(
    ("key", "column", "value"),
    [
        ("lat", "latitude", None),
        ("lng", "longitude", None),
        ("depth", "depth", None),
        ("num_images", "n_images", None),
        ("ml_analyzed", "ml_analyzed", None),
        ("instrument", "instrument", "IFCB10"),  # the number in the id
        ("skip", "skip", 0),
    ],
)
def test_what_a_bin_lacks_is_empty_and_costs_no_other(unknown: Any, key: str, column: str, value: Any) -> None:
    day = Bound.parse("2024-02-15")
    (row,) = Answers(**{key: unknown}).list_bins(Window(day, day)).astype(object).to_dict("records")
    found = {name: None if pd.isna(row[name]) else row[name] for name in ROW}
    assert found == ROW | {column: value}
