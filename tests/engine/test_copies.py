"""Results that were copied without the engine's folder: what proves itself is kept, the rest is made again."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.archives import bin_row, write_archive, write_scores
from tests.checkout import Checkout, differences
from tests.dashboard.emulator import Emulator
from tests.engine.test_kills import copy_of
from tests.raw_files import picture, write_bin
from tests.sources.test_dashboard_run import EXPORT, asked_bins, config, targets

DAYS = ["2024-04-01", "2024-04-02", "2024-04-03"]
BINS = [f"D{day.replace('-', '')}T{hour:02d}0000_IFCB010" for day in DAYS for hour in (3, 15)]
NO_SCORES = BINS[3]
SCORES = {b: (["Akashiwo", "detritus"], [[0.9, 0.1], [0.6, 0.4]]) for b in BINS if b != NO_SCORES}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_archive(tmp_path_factory.mktemp("archive"), [bin_row(bin_id) for bin_id in BINS], SCORES)
    for bin_id in BINS[:2]:
        write_bin(folder / "raw", bin_id, [(n, 10 * n, 20, picture(30 + n, 20, n)) for n in (1, 2, 3)], start=0)
    return folder


@pytest.fixture(scope="module")
def server(archive: Path) -> Iterator[Emulator]:
    with Emulator({"demo": archive}) as emulator:
        yield emulator


@pytest.fixture
def dashboard(server: Emulator) -> Emulator:
    server.clear()
    return server


def settings(dashboard: Emulator, threshold: float = 0.7, end: str = DAYS[-1], **sections: Any) -> dict[str, Any]:
    images = {"images": {"bins": BINS[:2]}, "classify": {"threshold": threshold}}
    return config(dashboard, DAYS[0], end, **{**images, **sections})


@pytest.fixture(scope="module")
def complete(server: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Tables of a dashboard's bins, and zips of images; to be copied, not to be changed."""
    run = Checkout(tmp_path_factory.mktemp("complete") / "checkout")
    run.run(settings(server), "all", "images", "results/demo/bins_long.csv.gz")
    return run


@pytest.fixture
def copied(tmp_path: Path, complete: Checkout) -> Checkout:
    run = copy_of(complete, tmp_path / "checkout")
    shutil.rmtree(run.folder / ".snakemake")
    return run


def changed(run: Checkout, before: dict[str, int]) -> set[str]:
    """Results, without those of other folders, that were made anew."""
    now = run.stamps()
    return {
        name.removeprefix("results/demo/")
        for name, time in now.items()
        if name.startswith("results/demo/") and (run.folder / name).is_file() and before.get(name) != time
    }


def test_a_copy_is_taken_as_it_is(copied: Checkout, dashboard: Emulator, complete: Checkout) -> None:
    before = copied.stamps()
    printed = copied.run(settings(dashboard), "all", "images", "results/demo/bins_long.csv.gz")
    assert "Nothing to be done" in printed
    assert copied.stamps() == before
    assert dashboard.requests == []
    assert not differences(copied.files("demo"), complete.files("demo"))


def test_a_zip_of_images_alone_is_taken_as_it_is(copied: Checkout, dashboard: Emulator) -> None:
    """What run.json vouches for is known before the engine has met the tables."""
    before = copied.stamps()
    (zipped, _) = sorted(copied.results("demo").rglob("images/**/*.zip"))
    assert "Nothing to be done" in copied.run(settings(dashboard), str(zipped.relative_to(copied.folder)))
    assert copied.stamps() == before
    assert dashboard.requests == []


def test_a_copy_that_lost_the_times_of_files(tmp_path: Path, dashboard: Emulator, complete: Checkout) -> None:
    """As `cp -r` leaves it: tables are put together again, no bin is asked for and no day is pooled."""
    run = copy_of(complete, tmp_path / "checkout")
    shutil.rmtree(run.folder / ".snakemake")
    files = sorted((path for path in run.results("demo").rglob("*") if path.is_file()), reverse=True)
    for at, path in enumerate(files):
        os.utime(path, (1_720_000_000 + at, 1_720_000_000 + at))
    before = run.stamps()
    run.run(settings(dashboard))
    assert dashboard.requests == []
    assert not {name for name in changed(run, before) if "/" in name and not name.startswith("stale/")}
    whole = {name: body for name, body in complete.files("demo").items() if name != "bins_long.csv.gz"}
    assert {name: body for name, body in run.files("demo").items() if not name.startswith("stale/")} == whole


def test_another_threshold(copied: Checkout, dashboard: Emulator, tmp_path: Path) -> None:
    undisturbed = Checkout(tmp_path / "undisturbed")
    undisturbed.run(settings(dashboard, 0.5))
    dashboard.clear()
    before = copied.stamps()
    copied.run(settings(dashboard, 0.5))
    assert dashboard.requests == []
    days = {f"{folder}/{day}" for folder in ("daily", "groups", "bins_long") for day in DAYS}
    made = {name.rpartition(".")[0] for name in changed(copied, before) if "/" in name}
    assert days <= made
    assert not {name for name in made if name.startswith(("bins/", "images/"))}
    images = {name for name in copied.files("demo") if name.startswith("images/")}
    assert len(images) == 2  # whole bins: they hang on no threshold
    stale = {"stale/bins_long.csv.gz", "image_bins.csv", "stale/image_bins.csv"}
    found = {name: body for name, body in copied.files("demo").items() if name not in images | stale}
    assert found == undisturbed.files("demo")


def test_a_longer_window_asks_for_its_list_only(copied: Checkout, dashboard: Emulator) -> None:
    copied.run(settings(dashboard, end="2024-04-04"))
    assert asked_bins(dashboard) == []
    assert len(targets(dashboard, EXPORT)) == 1


def test_another_server_is_read_anew(copied: Checkout, archive: Path, complete: Checkout) -> None:
    with Emulator({"demo": archive}) as other:
        copied.run(settings(other))
        assert asked_bins(other) == sorted(BINS)
        undisturbed = complete.files("demo")
        found = copied.files("demo")
        assert found["abundance_long.csv"] == undisturbed["abundance_long.csv"]
        assert other.url.encode() in found["ledger.csv"]


@pytest.mark.parametrize("name", ["daily/2024-04-02.csv", "sweep/2024-04-02.parquet", "bins_long/2024-04-02.parquet"])
def test_a_part_that_is_not_that_of_its_day_is_made_again(
    copied: Checkout, dashboard: Emulator, complete: Checkout, name: str
) -> None:
    """It was restored from elsewhere: the time and the name are right, the contents are those of another day."""
    path = copied.results("demo") / name
    time = path.stat().st_mtime_ns
    shutil.copy(copied.results("demo") / name.replace("04-02", "04-01"), path)
    os.utime(path, ns=(time, time))
    copied.run(settings(dashboard))
    assert dashboard.requests == []
    assert copied.files("demo")[name] == complete.files("demo")[name]


def test_a_summary_of_another_bin_is_read_again(copied: Checkout, dashboard: Emulator, complete: Checkout) -> None:
    summaries = {path.stem: path for path in (copied.results("demo") / "bins").rglob("*.parquet")}
    shutil.copy(summaries[BINS[0]], summaries[BINS[1]])
    copied.run(settings(dashboard))
    assert asked_bins(dashboard) == [BINS[1]]
    assert copied.files("demo")["ledger.csv"] == complete.files("demo")["ledger.csv"]


def test_a_summary_from_before_summaries_stated_what_they_are_of(copied: Checkout, dashboard: Emulator) -> None:
    """It names the address that it was read from; that is enough not to ask again."""
    for path in (copied.results("demo") / "bins").rglob("*.parquet"):
        table = pq.read_table(path)
        pq.write_table(table.replace_schema_metadata({"ifcb": table.schema.metadata[b"ifcb"]}), path)
    copied.run(settings(dashboard))
    assert dashboard.requests == []


@pytest.fixture
def on_disk(tmp_path: Path, archive: Path) -> tuple[Checkout, dict[str, Any], Path]:
    """A copy of results of an archive on disk, its config, and the archive."""
    shutil.copytree(archive, tmp_path / "archive")
    run = Checkout(tmp_path / "checkout")
    own = {"dataset": "demo", "source": {"kind": "directory", "path": "../archive"}}
    run.run(own)
    shutil.rmtree(run.folder / ".snakemake")
    return run, own, tmp_path / "archive"


def test_a_copy_of_results_of_files(on_disk: tuple[Checkout, dict[str, Any], Path]) -> None:
    run, own, _ = on_disk
    before = run.stamps()
    assert "Nothing to be done" in run.run(own)
    assert run.stamps() == before


def test_a_file_that_was_replaced_meanwhile_is_read(on_disk: tuple[Checkout, dict[str, Any], Path]) -> None:
    """Even by one that is older, and of the same size."""
    run, own, archive = on_disk
    written = write_scores(archive, BINS[4], ["Akashiwo", "detritus"], [[0.1, 0.9], [0.4, 0.6]])
    os.utime(written, (1_700_000_000, 1_700_000_000))
    before = run.stamps()
    run.run(own)
    table = run.table("demo")
    of_day = table[table["date"] == DAYS[2]].set_index("class")["count"]
    assert (of_day["Akashiwo"], of_day["detritus"]) == (1, 1)  # the other bin of the day has an Akashiwo of 0.9
    made = {name for name in changed(run, before) if name.startswith(("bins/", "daily/"))}
    assert made == {f"bins/2024/D20240403/{BINS[4]}.parquet", f"daily/{DAYS[2]}.csv"}
