"""A results folder belongs to one config: what a run does not make anew is moved to stale/."""

import json
import os
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.archives import bin_row, write_archive, write_scores
from tests.checkout import Checkout, differences
from tests.dashboard.emulator import Emulator, Fault
from tests.engine.test_kills import copy_of
from tests.raw_files import picture, write_bin
from tests.sources.test_dashboard_run import config

DAYS = ["2024-04-01", "2024-04-02"]
BINS = [f"D{day.replace('-', '')}T{hour:02d}0000_IFCB010" for day in DAYS for hour in (3, 15)]
CLASSES = ["Akashiwo", "detritus"]
ROWS = [[0.9, 0.1], [0.6, 0.4]]
ASKED = ("results/demo/abundance_week.csv", "results/demo/bins_long.csv.gz", "results/demo/figures/heat_map.svg")
RESTED = {
    "run.json",
    "overview.rst",
    "METHODS.md",
    "test_results.txt",
    "abundance_wide.csv",
    "abundance_long.parquet",
    "datapackage.json",
}


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    folder = write_archive(
        tmp_path / "archive", [bin_row(bin_id) for bin_id in BINS], dict.fromkeys(BINS, (CLASSES, ROWS))
    )
    for bin_id in BINS:
        write_bin(folder / "raw", bin_id, [(n, 10 * n, 20, picture(30 + n, 20, n)) for n in (1, 2, 3)], start=0)
    return folder


@pytest.fixture
def dashboard(archive: Path) -> Iterator[Emulator]:
    with Emulator({"demo": archive}) as emulator:
        yield emulator


def settings(dashboard: Emulator, threshold: float = 0.7, **sections: Any) -> dict[str, Any]:
    source = {"retries": 0}
    period = {"period": "week"}
    return config(dashboard, *DAYS, source=source, abundance=period, classify={"threshold": threshold}, **sections)


def stale(run: Checkout) -> set[str]:
    folder = run.results("demo") / "stale"
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def there(run: Checkout) -> set[str]:
    return {path.name for path in run.results("demo").iterdir() if path.is_file()}


def thresholds(path: Path) -> set[str]:
    """All thresholds that a table has."""
    header, *rows = path.read_text().splitlines()
    at = header.split(",").index("threshold")
    return {row.split(",")[at] for row in rows} - {""}


def test_what_is_made_on_request_does_not_stay_beside_another_threshold(
    checkout: Checkout, dashboard: Emulator
) -> None:
    plain = {**settings(dashboard), "abundance": {}}
    checkout.run(settings(dashboard), *ASKED, "all")
    assert stale(checkout) == set()
    printed = checkout.run({**plain, "classify": {"threshold": 0.5}})
    assert stale(checkout) == {"abundance_week.csv", "bins_long.csv.gz"} | {
        f"figures/heat_map.{form}" for form in ("svg", "pdf", "png", "html", "json")
    }
    line = next(line for line in printed.splitlines() if "stale/" in line)
    assert "abundance_week.csv, bins_long.csv.gz, figures/ (5 files)" in line
    assert thresholds(checkout.results("demo") / "abundance_long.csv") == {"0.5"}
    assert thresholds(checkout.results("demo") / "stale" / "abundance_week.csv") == {"0.7"}
    # Asked for again it is made anew, and what was put aside goes.
    checkout.run(settings(dashboard, 0.5), *ASKED[:2], "all")
    assert {"abundance_week.csv", "bins_long.csv.gz"} <= there(checkout)
    assert thresholds(checkout.results("demo") / "abundance_week.csv") == {"0.5"}
    assert not stale(checkout) & {"abundance_week.csv", "bins_long.csv.gz"}
    before = checkout.stamps()
    assert "stale" not in checkout.run(settings(dashboard, 0.5))
    assert checkout.stamps() == before


def test_one_file_that_is_asked_for_by_name(checkout: Checkout, dashboard: Emulator) -> None:
    checkout.run(settings(dashboard))
    printed = checkout.run(settings(dashboard, 0.5), "results/demo/abundance_week.csv")
    assert stale(checkout) == RESTED
    assert not RESTED & there(checkout)
    assert "Moved to results/demo/stale/" in printed
    for name in ("abundance_long", "abundance_week"):
        assert thresholds(checkout.results("demo") / f"{name}.csv") == {"0.5"}
    checkout.run(settings(dashboard, 0.5))
    assert json.loads((checkout.results("demo") / "run.json").read_text())["config"]["classify"]["threshold"] == 0.5
    assert not (checkout.results("demo") / "stale").exists()


def days_of(run: Checkout, folder: str = "daily") -> set[str]:
    return {path.stem for path in (run.results("demo") / folder).iterdir()}


def test_days_that_no_bin_has_now_do_not_stay(checkout: Checkout, dashboard: Emulator, archive: Path) -> None:
    """A shorter window, and a bin whose time was corrected to another day: nobody counts them by the parts of days."""
    checkout.run(settings(dashboard))
    shorter = settings(dashboard, 0.5)
    shorter["select"]["end"] = DAYS[0]
    printed = checkout.run(shorter)
    assert "Moved to results/demo/stale/, since no table is made of them now: bins_long/2024-04-02.parquet, " in printed
    for folder in ("bins_long", "coverage", "daily", "groups", "ledger", "sweep"):
        assert days_of(checkout, folder) == {DAYS[0]}
    assert thresholds(checkout.results("demo") / "daily" / f"{DAYS[0]}.csv") == {"0.5"}
    assert thresholds(checkout.results("demo") / "stale" / "daily" / f"{DAYS[1]}.csv") == {"0.7"}
    checkout.run(settings(dashboard))
    assert days_of(checkout) == set(DAYS)
    assert not (checkout.results("demo") / "stale").exists()
    corrected = [bin_row(b, sample_time=f"{DAYS[0]}T23:{n:02d}:00+00:00") for n, b in enumerate(BINS[2:])]
    write_archive(archive, [*map(bin_row, BINS[:2]), *corrected], dict.fromkeys(BINS, (CLASSES, ROWS)))
    dashboard.reload()
    (checkout.results("demo") / "catalog.csv").unlink()
    checkout.run(settings(dashboard))
    assert days_of(checkout, "ledger") == {DAYS[0]}
    (part,) = (checkout.results("demo") / "ledger").iterdir()
    assert part.read_text() == (checkout.results("demo") / "ledger.csv").read_text()
    assert part.read_text().count("\n") == 1 + len(BINS)


def test_days_that_a_run_did_not_make_anew_do_not_stay(checkout: Checkout, dashboard: Emulator, archive: Path) -> None:
    checkout.run(settings(dashboard))
    checkout.run(settings(dashboard, 0.5), f"results/demo/daily/{DAYS[1]}.csv")
    assert days_of(checkout) == {DAYS[1]}
    assert thresholds(checkout.results("demo") / "daily" / f"{DAYS[1]}.csv") == {"0.5"}
    checkout.run(settings(dashboard, 0.5))
    assert days_of(checkout) == set(DAYS)
    lost = "D20240401T200000_IFCB010"
    write_archive(archive, [bin_row(b) for b in (*BINS, lost)], dict.fromkeys((*BINS, lost), (CLASSES, ROWS)))
    dashboard.reload()
    dashboard.faults.append(Fault(lost, "status", status=500))
    (checkout.results("demo") / "catalog.csv").unlink()
    checkout.run(settings(dashboard, 0.6), fails=True)
    assert days_of(checkout) == {DAYS[1]}
    assert thresholds(checkout.results("demo") / "daily" / f"{DAYS[1]}.csv") == {"0.6"}
    assert f"daily/{DAYS[0]}.csv" in stale(checkout)


def test_shards_leave_the_days_of_others_alone(checkout: Checkout, dashboard: Emulator, archive: Path) -> None:
    bins = ["D20231231T120000_IFCB010", *BINS]
    write_archive(archive, list(map(bin_row, bins)), dict.fromkeys(bins, (CLASSES, ROWS)))
    dashboard.reload()
    years = settings(dashboard)
    years["select"] |= {"start": "2023-12-31"}
    for shard in ("2023", "2024", "merge"):
        assert "no table" not in checkout.run(years, "--config", f"shard={shard}")
    assert days_of(checkout) == {"2023-12-31", *DAYS}
    years["select"] |= {"end": DAYS[0]}
    checkout.run(years, "--config", "shard=2024")
    assert days_of(checkout) == {"2023-12-31", DAYS[0]}


def test_a_look_moves_nothing(checkout: Checkout, dashboard: Emulator) -> None:
    checkout.run(settings(dashboard))
    before = checkout.stamps()
    checkout.run(settings(dashboard, 0.5), "-n", "results/demo/abundance_week.csv")
    checkout.run(settings(dashboard, 0.5), "--touch", "results/demo/abundance_week.csv", fails=True)
    assert checkout.stamps() == before


def test_a_file_that_nobody_made_here_stays(checkout: Checkout, dashboard: Emulator) -> None:
    checkout.run(settings(dashboard))
    for name in ("notes.txt", "validation/labels.csv", "my_table.csv"):
        path = checkout.results("demo") / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    checkout.run(settings(dashboard, 0.5))
    assert not stale(checkout)
    assert {"notes.txt", "my_table.csv"} <= there(checkout)


def test_zips_of_images_of_classes_hang_on_thresholds_those_of_whole_bins_do_not(
    checkout: Checkout, dashboard: Emulator
) -> None:
    def zips() -> set[str]:
        return {path.stem for path in (checkout.results("demo") / "images").rglob("*.zip")}

    checkout.run(settings(dashboard), "images", "all")
    dashboard.clear()
    checkout.run(settings(dashboard, 0.95))
    assert zips() == set(BINS)
    assert dashboard.requests == []
    of_class = {"images": {"classes": ["Akashiwo"]}}
    checkout.run(settings(dashboard, **of_class), "images", "all")
    printed = checkout.run(settings(dashboard, 0.5, **of_class))
    assert zips() == set()
    assert {Path(name).stem for name in stale(checkout) if name.startswith("images/")} == set(BINS)
    assert "images/ (4 files)" in printed
    checkout.run(settings(dashboard, 0.5, **of_class), "images")
    assert zips() == set(BINS)
    assert not {name for name in stale(checkout) if name.startswith("images/")}


def test_images_of_classes_notice_scores_that_changed(checkout: Checkout, dashboard: Emulator, archive: Path) -> None:
    of_class = settings(dashboard, images={"classes": ["Akashiwo"]}, recheck={"scores": "all"})
    checkout.run(of_class, "images", "all")
    write_scores(archive, BINS[1], CLASSES, [[0.9, 0.1], [0.8, 0.2]])
    dashboard.reload()
    checkout.run(of_class, "recheck")
    assert {Path(name).stem for name in stale(checkout) if name.startswith("images/")} == {BINS[1]}
    dashboard.clear()
    checkout.run(of_class, "images")
    (found,) = (checkout.results("demo") / "images").rglob(f"{BINS[1]}.zip")
    with zipfile.ZipFile(found) as zipped:
        assert {name for name in zipped.namelist() if name.endswith(".png")} == {
            f"{BINS[1]}_{roi:05d}.png" for roi in (2, 3)
        }
    assert {path.name for path in (checkout.results("demo") / "images").rglob("*.zip")} == {f"{b}.zip" for b in BINS}
    assert {name.split("_IFCB")[0].rpartition("/")[2] for name in (r.target for r in dashboard.requests)} == {
        BINS[1].split("_")[0]
    }


def test_a_recheck_that_finds_nothing_touches_nothing(checkout: Checkout, dashboard: Emulator) -> None:
    rechecked = settings(dashboard, recheck={"scores": "all"})
    checkout.run(settings(dashboard), *ASKED[:2], "all")
    before = results(checkout)
    for _ in range(2):
        printed = checkout.run(rechecked, "recheck")
        assert "stale" not in printed
        assert "older" not in printed
        after = results(checkout)
        assert after.pop("results/demo/changes.csv")
        assert after == before
    assert (checkout.results("demo") / "changes.csv").read_text().count("\n") == 1


def results(run: Checkout) -> dict[str, int]:
    stamps = run.stamps()
    return {name: stamps[name] for name in stamps if name.startswith("results/") and (run.folder / name).is_file()}


def test_a_recheck_that_finds_something(checkout: Checkout, dashboard: Emulator, archive: Path) -> None:
    checkout.run(settings(dashboard), *ASKED[:2], "all")
    write_scores(archive, BINS[1], CLASSES, [[0.9, 0.1], [0.8, 0.2]])
    dashboard.reload()
    checkout.run({**settings(dashboard, recheck={"scores": "all"}), "abundance": {}}, "recheck")
    assert stale(checkout) == {"abundance_week.csv", "bins_long.csv.gz"}


def test_a_day_that_is_no_longer_running_is_found_by_a_recheck(checkout: Checkout, dashboard: Emulator) -> None:
    """The list says the same, but was made while the day was running."""
    checkout.run(settings(dashboard))
    catalog = checkout.results("demo") / "catalog.csv"
    while_running = 1_712_080_000  # 2024-04-02 17:46:40 UTC
    os.utime(catalog, (while_running, while_running))
    checkout.run(settings(dashboard))
    assert list(checkout.table("demo", "coverage")["complete"]) == ["yes", "no"]
    checkout.run(settings(dashboard), "recheck")
    assert list(checkout.table("demo", "coverage")["complete"]) == ["yes", "yes"]


def test_shards_and_what_they_are_put_together_to(checkout: Checkout, dashboard: Emulator) -> None:
    def of_shard(shard: str, threshold: float = 0.7) -> str:
        return checkout.run(settings(dashboard, threshold), "--config", f"shard={shard}")

    of_shard("2024")
    of_shard("merge")
    asked = checkout.run(settings(dashboard), "results/demo/bins_long.csv.gz", "--config", "shard=merge")
    assert "stale" not in asked
    whole = there(checkout)
    printed = of_shard("2024", 0.5)
    assert "Moved to results/demo/stale/" in printed
    assert there(checkout) == set()
    assert stale(checkout) == whole
    of_shard("merge", 0.5)
    assert there(checkout) == whole - {"bins_long.csv.gz"}
    assert stale(checkout) == {"bins_long.csv.gz"}


def test_what_hangs_on_tables_that_come_out_the_same_comes_back(checkout: Checkout, dashboard: Emulator) -> None:
    """An archive makes each table anew that one run has made, and with the same data each is the same."""
    on_request = ("results/demo/bins_long.csv.gz", "montages")
    checkout.run(settings(dashboard), *on_request, "all")
    before = checkout.files("demo")
    printed = checkout.run(settings(dashboard), "archive")
    assert "Back from results/demo/stale/, since the data is the same, byte for byte: " in printed
    after = {name: body for name, body in checkout.files("demo").items() if not name.startswith("shards/")}
    assert after == before
    asked = (on_request[0], "results/demo/montages", "--config", "shard=merge")
    assert "Nothing to be done" in checkout.run(settings(dashboard), "-n", *asked)


PUBLISHED = {"title": "T", "summary": "S", "institution": "I", "license": "CC0-1.0"}
PUBLISHED |= {"info_url": "https://example.org", "creator": {"name": "N N", "email": "n@example.org"}}
MERGES = """\
label,scientific_name,aphia_id,living,group,harmful,synonym_of,merge
Akashiwo,Akashiwo,,yes,dinoflagellate,yes,,
detritus,Akashiwo,,yes,dinoflagellate,yes,Akashiwo,before
"""


def test_what_the_config_now_refuses_ends_no_run_that_does_not_ask_for_it(
    checkout: Checkout, dashboard: Emulator, tmp_path: Path
) -> None:
    """Exports need a title, and like validation the rule of the winner; validation a class table without synonyms."""
    (tmp_path / "merges.csv").write_text(MERGES)
    formats = {"formats": ["erddap", "netcdf"]}
    strata, *exports = "validation/strata.parquet", "exports/demo.nc", "exports/demo_erddap.xml"
    checkout.run(settings(dashboard, export={**PUBLISHED, **formats}), f"results/demo/{strata}", "all")
    assert {strata, *exports} <= checkout.files("demo").keys()
    for name, changed, gone in (
        ("no-title", {}, {*exports}),
        ("each", {"classify": {"rule": "each"}, "export": PUBLISHED}, {strata, *exports}),
        ("merges", {"classify": {"class_table": str(tmp_path / "merges.csv")}}, {strata, *exports}),
    ):
        other = {**settings(dashboard), **changed}
        run = copy_of(checkout, tmp_path / name)
        run.run(other)
        assert gone <= stale(run), name
        fresh = Checkout(tmp_path / f"{name}-fresh")
        fresh.run(other)
        found = {path: body for path, body in run.files("demo").items() if not path.startswith("stale/")}
        kept = {strata, *(path for path in found if path.startswith("bins/"))} - gone
        assert set(differences(found, fresh.files("demo"))) <= kept, name


MERGED = {
    *("abundance_long.csv", "groups_long.csv", "coverage.csv"),
    *("ledger.csv", "bins_long.parquet", "threshold_sweep.csv"),
}


def test_tables_that_are_made_of_days_alone_are_of_one_config_too(tmp_path: Path, demo_run: Checkout) -> None:
    """Their days are moved aside or not made again, and nothing else that they are made of changes."""
    run = copy_of(demo_run, tmp_path / "checkout")
    every: dict[str, Any] = {"quality": {"make": True}, "features": {"make": True, "bins": True}}
    run.run(every | {"report": {"make": False}})
    run.run({"report": {"make": False}, "classify": {"threshold": 0.4}})
    assert "biovolume_bins.parquet" in stale(run)
    assert "quality.csv" in there(run)  # no threshold is in it
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(run.folder / "resources" / "demo" / "metadata.csv", other)
    for path in (run.folder / "resources" / "demo").rglob("*_class_scores*.csv"):
        shutil.copy(path, other)
    run.run({"report": {"make": False}, "source": {"kind": "directory", "path": str(other)}})
    assert {"quality.csv", "quality/2024-04-15.csv"} <= stale(run)  # it was measured on the raw files that were there
    run.run({"report": {"make": False}, "quality": {"make": True}})
    assert "quality.csv" in there(run)
    run.run({"report": {"make": False}, "select": {"end": "2024-04-16"}})
    assert "quality.csv" in stale(run)


def test_two_keys_that_swap_their_values_are_noticed(checkout: Checkout, dashboard: Emulator) -> None:
    """The engine compares the values of params without their names."""

    def chosen(top_classes: int, per_class: int) -> int:
        keys = {"report": {"make": False, "top_classes": top_classes}, "images": {"per_class": per_class}}
        checkout.run(settings(dashboard, **keys), "results/demo/montages.csv")
        return len((checkout.results("demo") / "montages.csv").read_text().splitlines()) - 1

    three, one, again = chosen(1, 3), chosen(3, 1), chosen(1, 3)
    assert three == again > one


def test_a_recheck_of_merged_shards_is_refused(checkout: Checkout, dashboard: Emulator) -> None:
    """It would find what changed, and build nothing: only a shard reads the source."""
    sharded = settings(dashboard)
    checkout.run(sharded, "--config", "shard=2024")
    checkout.run(sharded, "--config", "shard=merge")
    before = checkout.stamps()
    printed = checkout.run(sharded, "recheck", "--config", "shard=merge", fails=True)
    assert "shard: merge cannot be combined with recheck. Recheck each shard, as in --config shard=2024" in printed
    results = {path: stamp for path, stamp in before.items() if path.startswith("results/")}
    assert results.items() <= checkout.stamps().items()


def test_a_merge_that_is_refused_loses_no_table(checkout: Checkout, dashboard: Emulator, archive: Path) -> None:
    checkout.run(settings(dashboard))
    before = {name: (checkout.results("demo") / name).read_bytes() for name in MERGED}
    without_scores = "D20240403T030000_IFCB010"
    write_archive(archive, [bin_row(b) for b in (*BINS, without_scores)], dict.fromkeys(BINS, (CLASSES, ROWS)))
    dashboard.reload()
    slip = settings(dashboard)
    slip["select"] |= {"start": "2024-04-03", "end": "2024-04-03"}
    for again in (False, True):  # the second run finds them in stale/, and leaves them there
        printed = checkout.run(slip, fails=True)
        assert not MERGED & there(checkout)
        assert {name: (checkout.results("demo") / "stale" / name).read_bytes() for name in MERGED} == before
        assert "What is built is kept. Fix what the message above says" in printed
        assert "goes on where" not in printed
        assert "on_failure" not in printed
        if not again:
            (line,) = (line for line in printed.splitlines() if "they are of an earlier config" in line)
            assert all(name in line for name in MERGED)
    printed = checkout.run(settings(dashboard))
    assert "of an earlier config" not in printed
    assert {name: (checkout.results("demo") / name).read_bytes() for name in MERGED} == before
    assert not MERGED & stale(checkout)


def test_a_failed_run_puts_the_old_tables_aside(checkout: Checkout, dashboard: Emulator, archive: Path) -> None:
    checkout.run(settings(dashboard))
    whole = there(checkout) - {"catalog.csv", "status.json"}
    late = "D20240403T030000_IFCB010"
    write_archive(archive, [bin_row(b) for b in (*BINS, late)], dict.fromkeys((*BINS, late), (CLASSES, ROWS)))
    dashboard.reload()
    dashboard.faults.append(Fault(late, "status", status=500))
    longer = settings(dashboard)
    longer["select"]["end"] = "2024-04-03"
    printed = checkout.run(longer, fails=True)
    assert "gone until nothing is missing" in printed
    assert there(checkout) == {"catalog.csv", "status.json"}
    assert stale(checkout) == whole
    dashboard.faults.clear()
    checkout.run(longer)
    assert not (checkout.results("demo") / "stale").exists()
    shutil.rmtree(checkout.folder / ".snakemake")
    copied = copy_of(checkout, checkout.folder.parent / "copied")
    assert "Nothing to be done" in copied.run(longer)
