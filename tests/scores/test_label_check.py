"""`snakemake check_labels` asks for the scores of bins that a run may ask for, and goes on past one that is damaged."""

from pathlib import Path
from typing import cast

import pytest

from ifcb_abundance.classes.class_table import LabelTable
from ifcb_abundance.scores.label_check import check_labels
from ifcb_abundance.sources.protocols import ScoreReader
from ifcb_abundance.sources.source_file import SourceFile
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


class Classified:
    """A source that has to be asked for each bin: from bin 30 of 40 on another classifier was at work."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def some_scores(self, most: int) -> None:  # noqa: ARG002
        return None

    def read_scores(self, bin_id: str) -> SourceFile:
        self.asked.append(int(bin_id[10:12]) * 10 + int(bin_id[12:14]))
        label = "Old" if self.asked[-1] < 30 else "New"
        return SourceFile("here", f"pid,{label}\n{bin_id}_00001,0.9\n".encode())


@pytest.mark.parametrize(("n_bins", "asked"), [(40, [0, 39, 20, 10, 29]), (3, [0, 2, 1]), (1, [0])])
def test_the_bins_that_are_looked_at_are_from_the_whole_window(n_bins: int, asked: list[int]) -> None:
    """Half of 39 is 19.5, which rounds to the even 20; the quarters are 9.75 and 29.25."""
    source = Classified()
    bins = [f"{DAY}T{n // 10:02d}{n % 10:02d}00_IFCB010" for n in range(n_bins)]
    printed = check_labels(cast(ScoreReader, source), lambda: bins, LabelTable(), "none")
    assert source.asked == asked
    assert f"of {len(asked)} bin" in printed
    assert ("  New: unknown" in printed) == (n_bins == 40)
