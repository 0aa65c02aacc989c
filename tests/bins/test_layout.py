"""Where files lie: the paths that users' scripts rely on."""

import pytest

from ifcb_abundance.bins.layout import SUMMARY, ZIP, Layout, of_bin


def test_what_is_shared_lies_beside_the_shards() -> None:
    whole, shard = Layout("mvco"), Layout("mvco", "2024-02")
    assert whole.tables == whole.results == shard.results == "results/mvco"
    assert shard.tables == "results/mvco/shards/2024-02"
    assert whole.summaries == shard.summaries == "results/mvco/bins"
    assert whole.features == shard.features == "results/mvco/features"
    assert whole.logs == shard.logs == "logs/mvco"
    assert shard.figures == "results/mvco/shards/2024-02/figures"
    assert whole.export("_erddap.xml") == "results/mvco/exports/mvco_erddap.xml"


def test_runs_with_a_name_share_what_was_read_of_bins() -> None:
    run, shard = Layout("mvco", run="a"), Layout("mvco", "2024-02", "a")
    assert run.tables == run.results == shard.results == "results/mvco/runs/a"
    assert shard.tables == "results/mvco/runs/a/shards/2024-02"
    assert run.summaries == shard.summaries == "results/mvco/bins"
    assert run.with_kept(run.summaries, []) == run.summaries
    assert run.with_kept(run.features, ["own", "cells"]) == "results/mvco/features_own_cells"
    assert Layout("mvco").with_kept(run.summaries, ["own"]) == "results/mvco/bins"
    assert run.logs == "logs/mvco/runs/a"
    assert run.comparison("a", "b", "differences.csv") == "results/mvco/compare/a/b/differences.csv"


def test_files_of_a_bin_lie_in_folders_of_its_day() -> None:
    assert of_bin("results/mvco/bins", SUMMARY, "D20240215T150055_IFCB010") == (
        "results/mvco/bins/2024/D20240215/D20240215T150055_IFCB010.parquet"
    )
    assert of_bin("images", ZIP, "IFCB5_2012_028_081515") == "images/2012/IFCB5_2012_028/IFCB5_2012_028_081515.zip"
    with pytest.raises(ValueError, match="is not a bin id"):
        of_bin("images", ZIP, "../../etc")
