"""Late and corrected data: `snakemake recheck` against a dashboard whose data change."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ifcb_abundance.bins.window import Window
from ifcb_abundance.config.model import Select
from ifcb_abundance.demo.archive import AWKWARD, write_demo_archive
from ifcb_abundance.recheck import reread
from ifcb_abundance.recheck.found_changes import FoundChanges
from ifcb_abundance.scores.summary import read_provenance
from ifcb_abundance.sources.directory import DirectorySource
from ifcb_abundance.tables import table_files
from tests import reference
from tests.archives import bin_row, write_archive
from tests.checkout import Checkout, differences
from tests.comparing import assert_equals_reference
from tests.dashboard.emulator import Emulator
from tests.sources.fault_runs import quiet_port
from tests.sources.test_dashboard_run import EXPORT, asked_bins, config, targets

BINS = [f"D202404{day}T{hour:02d}0000_IFCB010" for day in (15, 16) for hour in (3, 15)]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Checkout, int]:
    """The demo's archive, a run against a dashboard that serves it, and the dashboard's port."""
    folder, port = tmp_path_factory.mktemp("built"), quiet_port()
    archive, run = folder / "archive", Checkout(folder / "checkout")
    write_demo_archive(archive)
    with Emulator({"demo": archive}, port=port) as dashboard:
        run.run(config(dashboard))
    return archive, run, port


@pytest.fixture
def archive(built: tuple[Path, Checkout, int], tmp_path: Path) -> Path:
    return shutil.copytree(built[0], tmp_path / "archive")


@pytest.fixture
def run(built: tuple[Path, Checkout, int], tmp_path: Path) -> Checkout:
    return Checkout(tmp_path / "checkout", copied_from=built[1].folder)


def changes(run: Checkout) -> dict[tuple[str, str], tuple[str, str]]:
    table = pd.read_csv(run.results("demo") / "changes.csv", dtype=str, keep_default_na=False)
    return {(row["bin"], row["column"]): (row["before"], row["after"]) for row in table.to_dict("records")}


def test_late_scores_and_corrected_bins(archive: Path, run: Checkout, built: tuple[Path, Checkout, int]) -> None:
    with Emulator({"demo": archive}, port=built[2]) as dashboard:
        untouched = {name: time for name, time in run.stamps().items() if "2024-04-16" in name}

        # One bin's scores come late, one volume is corrected, one bin without scores is flagged skip.
        late, flagged = AWKWARD["no_scores"]
        (neighbour,) = AWKWARD["header_only"]
        labels, _ = reference.score_rows(archive, neighbour)
        header = next(archive.rglob(f"{neighbour}_class_scores.csv")).read_text().splitlines()[0]
        scores = archive / f"{late}_class_scores.csv"
        scores.write_text(f"{header}\n{late}_00002,{','.join(['0.9'] + ['0.0'] * (len(labels) - 1))}\n")
        (volume,) = AWKWARD["exactly_at_threshold"]
        metadata = (archive / "metadata.csv").read_text()
        line = next(row for row in metadata.splitlines() if row.startswith(volume))
        before = line.split(",")[3]
        time = line.split(",")[1]
        corrected = f"{time[:17]}59.25+00:00"
        assert re.fullmatch(r"2024-04-\d\d \d\d:\d\d:\d\d\+00:00", time)
        metadata = metadata.replace(line, line.replace(f",{before},", ",1.25,", 1).replace(time, corrected))
        line = next(row for row in metadata.splitlines() if row.startswith(flagged))
        (archive / "metadata.csv").write_text(metadata.replace(line, line.removesuffix("0") + "1"))
        dashboard.reload()

        dashboard.clear()
        run.run(config(dashboard), "recheck")
        assert len(targets(dashboard, EXPORT)) == 1
        assert asked_bins(dashboard) == [late]
        found = changes(run)
        assert set(found) == {(late, "scores"), (volume, "ml_analyzed"), (volume, "sample_time"), (flagged, "skip")}
        assert found[volume, "sample_time"] == (
            time.replace(" ", "T"),
            f"{corrected[:-9].replace(' ', 'T')}.250000+00:00",
        )
        assert found[flagged, "skip"] == ("0", "1")
        assert found[volume, "ml_analyzed"] == (before, "1.25")
        assert found[late, "scores"][0] == "no_scores"
        assert re.fullmatch("[0-9a-f]{64}", found[late, "scores"][1])
        assert_equals_reference(run.table("demo"), reference.abundance(archive))
        after = run.stamps()
        assert {name: after[name] for name in untouched} == untouched  # a day that nothing touched

        dashboard.clear()
        assert "Nothing to be done" in run.run(config(dashboard))
        assert dashboard.requests == []


def test_scores_that_changed_in_place_are_found_when_all_are_asked_for(
    archive: Path, run: Checkout, built: tuple[Path, Checkout, int]
) -> None:
    with Emulator({"demo": archive}, port=built[2], latency=0.02) as dashboard:
        (bin_id,) = AWKWARD["ties"]
        file = next(archive.rglob(f"{bin_id}_class_scores.csv"))
        file.write_text("".join(file.read_text().splitlines(keepends=True)[:-5]))
        dashboard.reload()
        dashboard.clear()
        run.run(config(dashboard, recheck={"scores": "all"}), "recheck", "--resources", "dashboard=4")
        assert dashboard.most_at_once("_class_scores") == 4
        assert set(changes(run)) == {(bin_id, "scores")}
        assert_equals_reference(run.table("demo"), reference.abundance(archive))
        # only bins of the last days: the demo's are older
        dashboard.clear()
        run.run(config(dashboard, recheck={"scores": "all", "days": 30}), "recheck")
        assert asked_bins(dashboard) == []


def test_what_is_read_anew_never_lies_among_the_results(
    archive: Path, run: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It lies beside them for a moment, hidden: a run that is killed then adds no file that someone would take for one.

    The stand-ins look at the results when the new file has been written and has not replaced the old one yet.
    """
    results, seen = run.results("demo"), []

    def then_look(write: Callable[..., Any]) -> Callable[..., Any]:
        def written(*args: Any, **kwargs: Any) -> Any:
            made = write(*args, **kwargs)
            seen.append([path for path in results.rglob("*.fresh") if not path.name.startswith(".")])
            assert list(results.rglob("*.fresh"))
            return made

        return written

    for name in ("list_catalog", "summarize_scores"):
        monkeypatch.setattr(reread, name, then_look(getattr(reread, name)))
    summaries = {path.stem: str(path) for path in (results / "bins").rglob("*.parquet")}
    reread.recheck(
        DirectorySource(str(archive)),
        reread.Recheck(Window(None, None), Select(), "all", None),
        summaries.__getitem__,
        results / "catalog.csv",
        results / "ledger.csv",
        results / "changes.csv",
        workers=1,
    )
    assert len(seen) > 100
    assert seen == [[]] * len(seen)
    assert not list(results.rglob("*.fresh"))


def own(archive: Path, **sections: Any) -> dict[str, Any]:
    source = {"kind": "directory", "path": str(archive), "scores_format": "csv"}
    return {"dataset": "own", "source": source, "recheck": {"scores": "all"}, **sections}


def own_archive(folder: Path, **columns: Any) -> Path:
    rows = [bin_row(bin_id, **columns) for bin_id in BINS]
    return write_archive(folder, rows, dict.fromkeys(BINS, (["Akashiwo"], [[0.9]])))


def own_changes(run: Checkout) -> list[list[str]]:
    table = pd.read_csv(run.results("own") / "changes.csv", dtype=str, keep_default_na=False)
    return table.to_numpy().tolist()  # type: ignore[no-any-return]


def test_a_column_that_only_some_bins_have_comes_and_goes(tmp_path: Path) -> None:
    archive, run = own_archive(tmp_path / "archive"), Checkout(tmp_path / "checkout")
    run.run(own(archive))
    # The bins were listed before anybody grouped by it, and nothing is listed anew for that.
    grouped = own(archive, abundance={"group_by": ["cast"]})
    printed = run.run(grouped)
    assert "list_catalog" not in printed
    assert run.table("own")["cast"].isna().all()
    assert run.table("own")["n_bins"].unique().tolist() == [2]
    run.run(grouped, "recheck")
    assert own_changes(run) == []
    own_archive(archive, cast="7")
    for settings in (grouped, own(archive)):
        run.run(settings, "recheck")
    assert own_changes(run) == []  # of the second; the first is looked at next
    assert set(run.table("own", "catalog")["cast"]) == {7}
    own_archive(archive)
    run.run(own(archive), "recheck")
    assert own_changes(run) == [[bin_id, "cast", "7", ""] for bin_id in BINS]
    own_archive(archive, cast="8")
    run.run(own(archive), "recheck")
    assert own_changes(run) == [[bin_id, "cast", "", "8"] for bin_id in BINS]


def test_a_summary_that_was_deleted_or_damaged_does_not_keep_others_from_being_read(tmp_path: Path) -> None:
    archive, run = own_archive(tmp_path / "archive"), Checkout(tmp_path / "checkout")
    run.run(own(archive))
    summaries = {path.stem: path for path in (run.results("own") / "bins").rglob("*.parquet")}
    for bin_id in BINS[1:]:
        next(archive.rglob(f"{bin_id}_class_scores.csv")).write_text(f"pid,Akashiwo\n{bin_id}_00002,0.1\n")
    summaries[BINS[0]].unlink()
    run.run(own(archive), "recheck")
    assert [[bin_id, column] for bin_id, column, _, _ in own_changes(run)] == [[b, "scores"] for b in BINS[1:]]
    assert run.table("own").set_index(["date", "class"])["count"].to_dict() == {
        ("2024-04-15", "Akashiwo"): 1,
        ("2024-04-15", "unclassified"): 1,
        ("2024-04-16", "Akashiwo"): 0,
        ("2024-04-16", "unclassified"): 2,
    }
    counts = (run.results("own") / "abundance_long.csv").read_bytes()
    summaries[BINS[1]].write_bytes(b"no summary")
    run.run(own(archive), "recheck")
    assert own_changes(run) == []
    assert read_provenance(summaries[BINS[1]])
    assert (run.results("own") / "abundance_long.csv").read_bytes() == counts


def test_a_shard_without_a_bin_can_be_rechecked(tmp_path: Path) -> None:
    archive, run = own_archive(tmp_path / "archive"), Checkout(tmp_path / "checkout")
    config = own(archive, select={"start": "2024-03-01", "end": "2024-04-30"})
    run.run(config, "--config", "shard=2024-03")
    run.run(config, "recheck", "--config", "shard=2024-03")
    assert pd.read_csv(run.results("own") / "shards" / "2024-03" / "changes.csv").empty


def test_changes_are_written_as_in_the_catalog() -> None:
    row = {"bin": BINS[0], "sample_time": pd.Timestamp("2024-04-15T03:00:00Z"), "instrument": "IFCB10", "skip": 0}
    before, after = (
        table_files.from_rows([row | {"longitude": east, "cruise": cruise, "volume_method": ""}], "catalog")
        for east, cruise in ((-70.5, "=a"), (-70.25, "EN1"))
    )
    changes = pd.DataFrame(reread._catalog_changes(before, after), columns=table_files.columns("changes"))
    assert table_files.as_csv(changes, "changes", "changes.csv").splitlines()[1:] == [
        f"{BINS[0]},longitude,-70.5,-70.25",
        f"{BINS[0]},cruise,'=a,EN1",
    ]


def test_what_an_interrupted_recheck_has_found_is_told_by_the_next_one(tmp_path: Path) -> None:
    changes = tmp_path / "changes.csv"
    first = FoundChanges(changes)
    first.note([(BINS[0], "ml_analyzed", "2.5", "3.5"), (BINS[1], "bin", "", "listed"), (BINS[2], "tags", "", "a")])
    first.note([(BINS[0], "scores", "no_scores", "12ab")])
    with (tmp_path / ".changes.csv.found").open("a") as file:
        file.write(f'["{BINS[3]}", "sco')  # it was killed while it wrote
    second = FoundChanges(changes)
    second.note([])
    second.note([(BINS[0], "ml_analyzed", "3.5", "4.5"), (BINS[0], "latitude", "1", "2"), (BINS[2], "tags", "a", "")])
    second.note([(BINS[3], "scores", "no_scores", "34cd")])
    assert second.all() == [
        (BINS[0], "ml_analyzed", "2.5", "4.5"),
        (BINS[0], "latitude", "1", "2"),
        (BINS[1], "bin", "", "listed"),
        (BINS[0], "scores", "no_scores", "12ab"),
        (BINS[3], "scores", "no_scores", "34cd"),
    ]
    second.discard()
    assert FoundChanges(changes).all() == []
    assert not list(tmp_path.iterdir())


def test_a_server_that_is_down_costs_nothing(archive: Path, run: Checkout, built: tuple[Path, Checkout, int]) -> None:
    with Emulator({"demo": archive}, port=built[2]) as dashboard:
        settings = config(dashboard, source={"retries": 0})
        run.run(settings)
        whole = run.files("demo")
    run.run(settings, "recheck", fails=True)
    assert not differences(run.files("demo"), whole)
