"""Positions through the front door: incomplete ones, 0,0, deployments, and the number of bins in a mean."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.archives import bin_row, write_archive
from tests.checkout import Checkout
from tests.raw.test_raw_run import config as of_raw
from tests.raw.test_raw_run import write_csv, write_tree

PLACES: list[tuple[Any, Any]] = [(36.9, -121.9), ("", -122.6), (0, 0), ("", ""), (37.1, -121.7), (38.0, -9999999)]
BINS = [f"D20240415T{hour:02d}0000_IFCB010" for hour in range(len(PLACES))]


def overview(run: Checkout, dataset: str) -> str:
    return (run.results(dataset) / "overview.rst").read_text().replace("\\", "")


def test_half_a_position_and_zero_are_none(tmp_path: Path) -> None:
    rows = [bin_row(b, latitude=lat, longitude=lon) for b, (lat, lon) in zip(BINS, PLACES, strict=True)]
    archive = write_archive(tmp_path / "archive", rows, {b: (["Akashiwo"], [[0.9]]) for b in BINS})
    run = Checkout(tmp_path / "checkout")
    config: dict[str, Any] = {"dataset": "own", "source": {"kind": "directory", "path": str(archive)}}
    run.run({**config, "abundance": {"period": "month"}})
    for name in ("abundance_long", "abundance_month", "groups_long"):
        means = run.table("own", name)[["latitude", "longitude"]].drop_duplicates().to_numpy().tolist()
        assert means == [pytest.approx([37.0, -121.8])], name
    (coverage,) = run.table("own", "coverage").to_dict("records")
    assert (coverage["n_used"], coverage["n_positions"]) == (6, 2)
    assert coverage["position_spread_km"] < 30
    bins = pd.read_parquet(run.results("own") / "bins_long.parquet").drop_duplicates("bin")
    assert bins["latitude"].notna().tolist() == bins["longitude"].notna().tolist() == [
        True, False, False, False, True, False
    ]  # fmt: skip
    # The catalog keeps what the source said.
    catalog = run.table("own", "catalog")
    assert catalog["longitude"].fillna(99).tolist() == [-121.9, -122.6, 0, 99, -121.7, 99]
    assert "2 of 6 used bins with one; 1 without one; 2 with half of one; 1 at exactly 0,0, which is none" in overview(
        run, "own"
    )
    assert "Not in the mean positions: 4 used bins of 6" in overview(run, "own")

    run.run({**config, "select": {"accept_zero_position": True}})
    assert run.table("own")["latitude"].tolist() == pytest.approx([(36.9 + 37.1) / 3] * 2)
    assert run.table("own", "coverage")["n_positions"].tolist() == [3]
    assert "3 of 6 used bins with one; 1 without one; 2 with half of one" in overview(run, "own")


def test_deployments_that_match_no_bin_are_told_of(tmp_path: Path) -> None:
    archive, run = write_tree(tmp_path / "archive", write_csv), Checkout(tmp_path / "checkout")
    table = archive / "deployments.csv"
    config = of_raw(archive, deployments=str(table))
    run.run(config)
    assert "match no bin" not in overview(run, "raw")
    table.write_text(table.read_text() + "10,2023-01-01,2024-01-01,1,2,3\n105,,,1,2,3\n")
    printed = run.run(config)
    without = "IFCB10 from 2023-01-01T00:00 to 2024-01-01T00:00 (UTC); IFCB105 from open to open (UTC)"
    assert f"source.deployments: 2 of 4 match no bin of the window: {without}" in printed
    assert "Deployments that match no bin of the window: 2 lines (IFCB10 from 2023-01-01T00:00" in overview(run, "raw")
