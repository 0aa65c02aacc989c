"""`snakemake check_labels` asks for the scores of bins that a run may ask for, and goes on past one that is damaged."""

from pathlib import Path

from tests.archives import bin_row, write_archive
from tests.checkout import Checkout
from tests.dashboard.emulator import Emulator
from tests.sources.test_dashboard_run import asked_bins, config

DAY = "D20240415"


def test_bins_that_are_left_out_are_not_asked_for_and_a_damaged_one_is_no_end(tmp_path: Path) -> None:
    out = {
        f"{DAY}T010000_IFCB010": {"skip": 1},
        f"{DAY}T020000_IFCB010": {"ml_analyzed": 37.8},
        f"{DAY}T030000_IFCB010": {"sample_time": "2024-04-14 03:00:00+00:00"},
    }
    bins = [*out, *(f"{DAY}T{hour:02d}0000_IFCB010" for hour in (4, 5, 6))]
    archive = write_archive(
        tmp_path / "archive",
        [bin_row(bin_id, **out.get(bin_id, {})) for bin_id in bins],
        {bin_id: (["Akashiwo", "Nonesuch"], [[0.9, 0.1]]) for bin_id in bins},
    )
    damaged = next(archive.rglob(f"{bins[3]}_class_scores.csv"))
    damaged.write_text(damaged.read_text().replace("0.9", "nine"))
    with Emulator({"demo": archive}) as dashboard:
        settings = config(dashboard, "2024-04-15", "2024-04-15", source={"retries": 0})
        printed = Checkout(tmp_path / "checkout").run(settings, "check_labels")
        assert asked_bins(dashboard) == bins[3:]
    assert "2 labels in 1 label set of 2 bins looked at" in printed
    assert "  Nonesuch: unknown" in printed
