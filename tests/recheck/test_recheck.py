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
from ifcb_abundance.sources.directory import DirectorySource
from tests import reference
from tests.checkout import Checkout, differences
from tests.comparing import assert_equals_reference
from tests.dashboard.emulator import Emulator
from tests.sources.fault_runs import quiet_port
from tests.sources.test_dashboard_run import EXPORT, asked_bins, config, targets


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


def test_a_server_that_is_down_costs_nothing(archive: Path, run: Checkout, built: tuple[Path, Checkout, int]) -> None:
    with Emulator({"demo": archive}, port=built[2]) as dashboard:
        settings = config(dashboard, source={"retries": 0})
        run.run(settings)
        whole = run.files("demo")
    run.run(settings, "recheck", fails=True)
    assert not differences(run.files("demo"), whole)
