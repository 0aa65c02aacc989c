"""Single bins, and stretches of a ship's way."""

import json
import math
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ifcb_abundance.abundance.periods import pool_distance, pool_periods
from ifcb_abundance.pooling.method import Method
from ifcb_abundance.tables import table_files
from tests.archives import bin_row, write_archive
from tests.checkout import Checkout

KM = math.radians(1) * 6371.0088  # a degree of latitude
# Time, instrument, latitude, count; each bin has 2 mL. A degree is 111.2 km.
BINS = [
    ("D20240401T010000_IFCB010", 41.0, 1),
    ("D20240401T013000_IFCB125", 50.0, 100),  # another ship
    ("D20240401T020000_IFCB010", 41.05, 2),  # 5.6 km
    ("D20240401T030000_IFCB010", 41.09, 4),  # 10.0 km from the first
    ("D20240401T033000_IFCB010", math.nan, 8),
    ("D20240401T040000_IFCB010", 41.11, 16),  # 12.2 km: a new stretch, although the last is 2.2 km away
    ("D20240401T050000_IFCB010", 41.0, 32),  # 12.2 km from where that began: back at the first place
    ("D20240402T010000_IFCB010", 41.0, 64),  # another day
]


def bins_long(path: Path) -> Path:
    rows = []
    for bin_id, latitude, count in BINS:
        time = pd.Timestamp(f"{bin_id[1:9]}T{bin_id[10:16]}", tz="UTC")
        place = {"latitude": latitude, "longitude": 0.0 if latitude == latitude else math.nan}
        for name, n in (("Akashiwo", count), ("unclassified", 0)):
            row = {"bin": bin_id, "sample_time": time, "instrument": f"IFCB{int(bin_id.split('IFCB')[1])}"}
            rows.append({**row, **place, "ml_analyzed": 2.0, "class": name, "count": n, "objects_per_ml": n / 2})
    frame = table_files.from_rows(rows, "bins_long")
    schema = table_files.arrow_schema("bins_long")
    with pq.ParquetWriter(path, schema) as writer:
        for _, day in frame.groupby(frame["sample_time"].dt.date):
            writer.write_table(pa.Table.from_pandas(day, schema, preserve_index=False))
    return path


def rows_of(path: Path) -> pd.DataFrame:
    table = table_files.read("abundance_moving", path)
    assert (
        table.groupby("bins", sort=False)["class"]
        .agg(list)
        .map(lambda names: names == ["Akashiwo", "unclassified"])
        .all()
    )
    return table[table["class"] == "Akashiwo"].reset_index(drop=True)


def test_a_row_per_bin(tmp_path: Path) -> None:
    pool_periods(bins_long(tmp_path / "b.parquet"), "bin", Method(), tmp_path / "t.csv")
    table = rows_of(tmp_path / "t.csv")
    assert list(table["bins"]) == [bin_id for bin_id, _, _ in BINS]
    assert list(table["count"]) == [count for _, _, count in BINS]
    assert table["date"].iloc[0] == "2024-04-01T01:00:00+00:00"
    assert table["objects_per_ml"].tolist() == [count / 2 for _, _, count in BINS]
    assert (table["n_bins"] == 1).all()
    assert table["position_spread_km"].fillna(-1).tolist() == [0, 0, 0, 0, -1, 0, 0, 0]
    assert table["n_positions"].tolist() == [1, 1, 1, 1, 0, 1, 1, 1]


@pytest.mark.parametrize("group_by", [("instrument",), ()])
def test_stretches_by_hand(tmp_path: Path, group_by: tuple[str, ...]) -> None:
    pool_distance(bins_long(tmp_path / "b.parquet"), 10.01, Method(group_by=group_by), tmp_path / "t.csv")
    table = rows_of(tmp_path / "t.csv")
    first = "D20240401T010000_IFCB010..D20240401T030000_IFCB010"
    assert dict(zip(table["bins"], table["count"], strict=True)) == {
        first: 7,
        BINS[1][0]: 100,
        BINS[4][0]: 8,
        BINS[5][0]: 16,
        BINS[6][0]: 32,
        BINS[7][0]: 64,
    }
    row = table.set_index("bins").loc[first]
    assert (row["ml_analyzed_total"], row["objects_per_ml"], row["n_bins"]) == (6.0, 7 / 6, 3)
    assert row["latitude"] == pytest.approx((41 + 41.05 + 41.09) / 3)
    assert row["position_spread_km"] == pytest.approx(0.09 * KM)
    assert (row["date"], row["last_sample_time"].isoformat()) == (
        "2024-04-01T01:00:00+00:00",
        "2024-04-01T03:00:00+00:00",
    )


def test_a_run_with_both(tmp_path: Path) -> None:
    rows = [
        bin_row(bin_id, **({"latitude": latitude, "longitude": 0.0} if latitude == latitude else {}))
        for bin_id, latitude, _ in BINS
    ]
    archive = write_archive(tmp_path / "archive", rows, {bin_id: (["Akashiwo"], [[0.9]]) for bin_id, _, _ in BINS})
    config = {"dataset": "ship", "source": {"kind": "directory", "path": str(archive)}}
    run = Checkout(tmp_path / "checkout")
    run.run(config | {"abundance": {"period": "bin", "pool_km": 10.01}})
    days = run.table("ship")
    for name, n in (("abundance_bin", 8), ("abundance_km", 6)):
        table = run.table("ship", name)
        assert table["count"].sum() == days["count"].sum() == 8
        assert table["bins"].nunique() == n
    described = json.loads((run.results("ship") / "datapackage.json").read_text())["resources"]
    fields = {each["path"]: [field["name"] for field in each["schema"]["fields"]] for each in described}
    assert fields["abundance_km.csv"] == list(run.table("ship", "abundance_km"))
    assert "position_spread_km" not in fields["abundance_long.csv"]
