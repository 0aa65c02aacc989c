"""Deployments: where an instrument was, from the first day or time to the first one after it."""

from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from ifcb_abundance.bins.deployments import deployed, read_deployments, unmatched
from ifcb_abundance.common.errors import ConfigError

HEADER = "instrument,from,to,latitude,longitude,depth\n"
TABLE = HEADER + "10,2024-02-01,2024-03-01,41.325,-70.5667,4\nIFCB010,2024-03-01T06:00:00,,41.5,-70.6,\n5,,,1,2,0\n"


def table(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "deployments.csv"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("instrument", "time", "place"),
    [
        (10, (2024, 1, 31, 23, 59, 59), None),
        (10, (2024, 2, 1), (41.325, -70.5667, 4.0)),
        (10, (2024, 2, 29, 23, 59, 59), (41.325, -70.5667, 4.0)),
        (10, (2024, 3, 1), None),  # `to` is the first day after it
        (10, (2024, 3, 1, 6), (41.5, -70.6, None)),
        (10, (2050, 1, 1), (41.5, -70.6, None)),
        (5, (2006, 1, 1), (1.0, 2.0, 0.0)),
        (11, (2024, 2, 10), None),
    ],
)
def test_where_an_instrument_was(
    tmp_path: Path, instrument: int, time: tuple[int, ...], place: tuple[float | None, ...] | None
) -> None:
    found = deployed(read_deployments(table(tmp_path, TABLE)), instrument, datetime(*time, tzinfo=UTC))
    assert (found and (found.latitude, found.longitude, found.depth)) == place


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("instrument,from,to,latitude,longitude\n", "has no column depth"),
        (HEADER + "ten,,,1,2,3\n", "line 2: instrument is 'ten'"),
        (HEADER + "1,,,1,2,3\n1,yesterday,,1,2,3\n", "line 3: from is 'yesterday'"),
        (HEADER + "1,2024-02-01,2024-02-01,1,2,3\n", "line 2: from 2024-02-01 is not before to 2024-02-01"),
        (HEADER + "1,,,91,2,3\n", "line 2: latitude is 91, beyond 90"),
        (HEADER + "1,,,1,181,3\n", "line 2: longitude is 181, beyond 180"),
        (HEADER + "1,,,1,2,-999\n", "line 2: depth is -999, beyond -100"),
        (HEADER + "1,,,1,2,12001\n", "line 2: depth is 12001, beyond 12000"),
        (HEADER + "1,,,1,2,nan\n", "line 2: depth is 'nan', not a number"),
        (HEADER + "1,,,,2,3\n", "line 2: latitude is '', not a number"),
        (HEADER + "1,2024-01-01,2024-03-01,1,2,3\n1,2024-02-29T23:59:59,,1,2,3\n", "line 3: instrument 1 is in"),
    ],
)
def test_what_is_refused(tmp_path: Path, text: str, says: str) -> None:
    path = table(tmp_path, text)
    with pytest.raises(ConfigError) as refused:
        read_deployments(path)
    assert says in str(refused.value)
    assert str(path) in str(refused.value)


def test_without_a_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no file .*nowhere\.csv"):
        read_deployments(tmp_path / "nowhere.csv")


def test_one_that_follows_the_other_is_no_overlap(tmp_path: Path) -> None:
    rows = "1,2024-01-01,2024-02-01,1,2,3\n1,2024-02-01,2024-03-01,1,2,3\n2,2024-01-01,,1,2,3\n"
    assert len(read_deployments(table(tmp_path, HEADER + rows))) == 3


def test_deployments_without_a_bin(tmp_path: Path) -> None:
    times = ["2024-02-29T23:59:59Z", "2024-03-01T00:00:00Z", "2025-01-01T00:00:00Z", "2006-01-01T00:00:00Z"]
    bins = pd.DataFrame({"instrument": ["IFCB10", "IFCB10", "IFCB11", "IFCB5"], "sample_time": pd.to_datetime(times)})
    deployments = read_deployments(table(tmp_path, TABLE + "105,2006-01-01,2007-01-01,1,2,3\n"))
    assert unmatched(deployments, bins) == [
        "IFCB10 from 2024-03-01T06:00 to open (UTC)",  # the bin of that day is of midnight
        "IFCB105 from 2006-01-01T00:00 to 2007-01-01T00:00 (UTC)",
    ]
    assert len(unmatched(deployments, bins.iloc[:0])) == 4
