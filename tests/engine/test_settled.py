"""Days that are finished bring none of their bins into the graph, and whatever changed is met all the same."""

import os
import re
from base64 import urlsafe_b64encode
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.archives import bin_row, write_archive, write_scores
from tests.checkout import Checkout, differences
from tests.engine.test_kills import copy_of
from tests.features.test_features_run import write_features

DAYS = ["2024-04-01", "2024-04-02", "2024-04-03"]
BINS = [f"D{day.replace('-', '')}T{hour:02d}0000_IFCB010" for day in DAYS for hour in (3, 15)]
NEW = "D20240402T210000_IFCB010"
CLASSES = ["Akashiwo", "detritus"]
SETTINGS = {"dataset": "own", "source": {"kind": "directory", "path": "archive"}, "features": {"make": True}}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Results of three days, with features, and the archive that they are of; to be copied."""
    run = Checkout(tmp_path_factory.mktemp("built") / "checkout")
    archive = write_archive(
        run.folder / "archive", [bin_row(b) for b in BINS], {b: (CLASSES, [[0.9, 0.1], [0.6, 0.4]]) for b in BINS}
    )
    for bin_id in BINS:
        write_features(archive, bin_id, ["2,9,1,1000", "3,9,1,2000"])
    run.run(SETTINGS)
    return run


def asked(run: Checkout, *arguments: str) -> tuple[dict[str, int], set[str]]:
    """What a run would do: how many jobs of each rule; and the rules of all jobs in the graph."""
    printed = run.run(SETTINGS, "-n", "--debug-dag", *arguments)
    stats = re.search(r"^job +count\n[- ]+\n(.*?)^total", printed, re.MULTILINE | re.DOTALL)
    counts = dict(re.findall(r"^(\w+) +(\d+)$", stats[1], re.MULTILINE)) if stats else {}
    return {rule: int(n) for rule, n in counts.items()}, set(re.findall(r"^selected job (\w+)", printed, re.MULTILINE))


OF_BINS = {"summarize_scores", "summarize_features"}


def test_nothing_to_do_and_another_threshold(built: Checkout) -> None:
    assert asked(built)[0] == {}
    assert not asked(built)[1] & OF_BINS
    jobs, graph = asked(built, "--config", "classify={threshold: 0.5}")
    assert jobs["pool_abundance"] == jobs["pool_biovolume"] == 3
    assert not graph & OF_BINS


def test_what_forces_bins_or_looks_at_all_files_sees_them(built: Checkout) -> None:
    jobs, _ = asked(built, "-R", "summarize_scores")
    assert jobs["summarize_scores"] == jobs["summarize_features"] == 6
    listed = built.run(SETTINGS, "--summary")
    assert len(re.findall(r"^results/own/bins/", listed, re.MULTILINE)) == 6


def test_days_of_another_config_are_not_taken_as_they_are(tmp_path: Path, built: Checkout) -> None:
    run, other = copy_of(built, tmp_path / "checkout"), ("--config", "classify={threshold: 0.5}")
    run.run(SETTINGS, "--touch", *other, fails=True)
    assert asked(run, *other)[0]["pool_abundance"] == 3  # the engine has no new record of them
    (run.results("own") / "daily" / f"{DAYS[1]}.csv").unlink()
    for lost in ("status.json", "catalog.csv"):  # without the list, days are known only once the run is at work
        (run.results("own") / lost).unlink()
        printed = run.run(SETTINGS, "--rerun-triggers", "mtime", *other, fails=True)
        (said,) = [line for line in printed.splitlines() if line.startswith("--rerun-triggers is given without params")]
        first = ", ".join(f"results/own/biovolume/{day}.csv" for day in DAYS)
        assert f": {first} and 2 more. Without" in said  # the others are of daily/
        assert not (run.results("own") / "daily" / f"{DAYS[1]}.csv").exists()


def summary(run: Checkout, folder: str = "bins") -> Path:
    return run.results("own") / folder / "2024" / "D20240402" / f"{BINS[2]}.parquet"


def delete_summary(run: Checkout) -> None:
    summary(run).unlink()


def delete_features(run: Checkout) -> None:
    summary(run, "features").unlink()


def damage_summary(run: Checkout) -> None:
    summary(run).write_bytes(b"PAR1")


def replace_scores_by_older_ones(run: Checkout) -> None:
    path = write_scores(run.folder / "archive", BINS[2], CLASSES, [[0.1, 0.9]])
    os.utime(path, (1_600_000_000, 1_600_000_000))


def delete_part(run: Checkout) -> None:
    (run.results("own") / "groups" / "2024-04-02.csv").unlink()


def add_bin(run: Checkout) -> None:
    write_scores(run.folder / "archive", NEW, CLASSES, [[0.8, 0.2]])
    write_archive(run.folder / "archive", [bin_row(b) for b in (*BINS, NEW)], {})


def raise_version(run: Checkout) -> None:
    path = run.module("scores/summary.py")
    text, found = re.subn(r"^VERSION = \d+", "VERSION = 999", path.read_text(), flags=re.MULTILINE)
    assert found == 1
    path.write_text(text)


def lose_a_record(run: Checkout) -> None:
    """As a run that was killed while it wrote the summary leaves it, with other contents."""
    damage_summary(run)
    os.utime(summary(run), (1_600_000_000, 1_600_000_000))
    marks = run.folder / ".snakemake" / "incomplete"
    name = str(summary(run).relative_to(run.folder)).encode()
    (marks / urlsafe_b64encode(name).decode()).write_text("{}")


@pytest.mark.parametrize(
    ("change", "bins", "features", "days", "feature_days"),
    [
        (delete_summary, 1, 1, 1, 1),
        (delete_features, 0, 1, 0, 1),
        (damage_summary, 0, 1, 1, 1),  # the day says which file to delete
        (replace_scores_by_older_ones, 1, 1, 1, 1),
        (delete_part, 0, 0, 1, 0),
        (raise_version, 6, 6, 3, 3),
        (lose_a_record, 1, 1, 1, 1),
    ],
)
def test_what_changed_is_met(
    tmp_path: Path,
    built: Checkout,
    change: Callable[[Checkout], None],
    bins: int,
    features: int,
    days: int,
    feature_days: int,
) -> None:
    run = copy_of(built, tmp_path / "checkout")
    change(run)
    jobs, _ = asked(run)
    found = [
        jobs.get(rule, 0) for rule in ("summarize_scores", "summarize_features", "pool_abundance", "pool_biovolume")
    ]
    assert found == [bins, features, days, feature_days]


def test_parts_of_tables_that_the_config_asks_for_are_made_again(tmp_path: Path, built: Checkout) -> None:
    run = copy_of(built, tmp_path / "checkout")
    every = {**SETTINGS, "features": {"make": True, "bins": True}, "quality": {"make": True}}
    run.run(every)
    before = run.files("own")
    for part in ("biovolume_bins/2024-04-02.parquet", "quality/2024-04-02.csv"):
        (run.results("own") / part).unlink()
    run.run(every)
    assert differences(run.files("own"), before) == {}


def test_a_new_bin_of_a_finished_day_gets_its_own_job(tmp_path: Path, built: Checkout) -> None:
    run = copy_of(built, tmp_path / "checkout")
    add_bin(run)
    before = run.stamps()
    run.run(SETTINGS)
    made = {name for name, time in run.stamps().items() if before.get(name) != time and name.endswith(".parquet")}
    assert {name for name in made if "/bins/" in name} == {f"results/own/bins/2024/D20240402/{NEW}.parquet"}
    assert {name for name in made if "/bins_long/" in name} == {"results/own/bins_long/2024-04-02.parquet"}
    assert asked(run) == ({}, asked(built)[1])
