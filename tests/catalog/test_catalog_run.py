"""What a user of a run reads about mistakes in a list of bins."""

from pathlib import Path

import pytest

from tests.archives import bin_row, write_archive
from tests.checkout import Checkout
from tests.dashboard.emulator import Emulator
from tests.sources.test_dashboard_run import config

BINS = [f"D20240401T{hour:02d}0000_IFCB010" for hour in range(6)]
POSITIONS = [(95, -70), (41, -370), (41, -70), (41, 290), (-91, 400), (-9999999, -9999999)]
NOTES = {
    BINS[0]: "latitude 95 is beyond 90",
    BINS[1]: "longitude -370 is beyond -180",
    BINS[2]: "depth -999 is beyond -100",
    BINS[4]: "latitude -91 is beyond -90; longitude 400 is beyond 360",
}


@pytest.mark.parametrize("kind", ["directory", "export", "walk"])
def test_positions_that_are_nowhere_on_earth_are_named(checkout: Checkout, tmp_path: Path, kind: str) -> None:
    rows = [bin_row(b, latitude=p[0], longitude=p[1]) for b, p in zip(BINS, POSITIONS, strict=True)]
    rows[2]["depth"] = -999
    archive = write_archive(tmp_path / "archive", rows, {b: (["Akashiwo"], [[0.9]]) for b in BINS})
    with Emulator({"demo": archive}) as dashboard:
        if kind == "directory":
            settings = {"dataset": "demo", "source": {"path": str(archive)}}
        else:
            settings = config(dashboard, "2024-04-01", "2024-04-01", source={"catalog": kind})
        printed = checkout.run(settings)
    catalog = checkout.table("demo", "catalog").set_index("bin")
    assert catalog["position_note"].dropna().to_dict() == NOTES
    assert catalog.loc[BINS[3], "longitude"] == -70
    assert catalog["latitude"].notna().tolist() == [False, True, True, True, False, False]
    told = [line for line in printed.splitlines() if "nowhere on earth" in line and "catalog: 4 bins" in line]
    assert len(told) == 1
    assert "; ".join(f"{b}: {note}" for b, note in list(NOTES.items())[:3]) + "; ..." in told[0]
    overview = (checkout.results("demo") / "overview.rst").read_text().replace("\\", "")
    assert f"nowhere on earth: 4 used bins ({', '.join(list(NOTES)[:3])}" in overview
