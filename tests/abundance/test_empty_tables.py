"""A window without scores fails the run, and the message says what is there instead."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from tests.archives import bin_row, write_archive, write_scores
from tests.checkout import Checkout
from tests.dashboard.emulator import Emulator
from tests.s3_server import S3Server
from tests.sources.test_bucket_run import ENVIRONMENT

BINS = [f"D202404{day}T{hour:02d}0000_IFCB010" for day in (15, 16) for hour in (3, 15)]
OTHERS = [f"D20230415T{hour:02d}0000_IFCB010" for hour in range(20)]
SCORES = (["Akashiwo", "detritus"], [[0.9, 0.1]])
TABLES = ("abundance_long.csv", "ledger.csv", "run.json", "overview.rst")


CSV = {"scores_format": "csv"}


def bare_archive(folder: Path, bins: Sequence[str] = BINS) -> Path:
    """Bins without scores, and 20 score files of other bins."""
    archive = write_archive(folder, [bin_row(bin_id) for bin_id in bins], {})
    for bin_id in OTHERS:
        write_scores(archive, bin_id, *SCORES)
    return archive


def of_directory(archive: Path, **others: Any) -> dict[str, Any]:
    return {"dataset": "own", "source": {"kind": "directory", "path": str(archive)} | others.pop("source", {})} | others


def overview(run: Checkout) -> str:
    return (run.results("own") / "overview.rst").read_text().replace("\\", "")


def test_what_lies_there_instead_is_named_and_may_be_taken_for_an_answer(tmp_path: Path) -> None:
    archive, run = bare_archive(tmp_path / "archive"), Checkout(tmp_path / "checkout")
    for bin_id in BINS[:3]:
        (archive / f"{bin_id}_class.h5").touch()
    (archive / f"{OTHERS[0]}_class_v1.mat").touch()
    printed = run.run(of_directory(archive), fails=True)
    assert "20 files *_class_scores.csv (csv), 3 files *_class.h5 (h5), 1 file *_class_v1.mat (mat)" in printed
    assert "say which of them to read: csv or h5 or mat" in printed
    printed = run.run(of_directory(archive, source=CSV), fails=True)
    assert "no bin of the window has class scores" in printed
    assert "4 no_scores" in printed
    assert f"  {BINS[0]}: no_scores: no {BINS[0]}_class_scores.csv below" in printed
    assert "3 _class.h5: source.scores_format: h5, 20 *_class_scores.csv for other bins" in printed
    assert "1 *_class_v1.mat for other bins" in printed
    assert "source.allow_empty: true" in printed
    assert not [name for name in TABLES if (run.results("own") / name).exists()]

    run.run(of_directory(archive, source={"allow_empty": True} | CSV))
    assert run.table("own", "ledger")["status"].tolist() == ["no_scores"] * 4
    assert len(run.table("own")) == 0
    assert "No bin was used" in overview(run)
    assert "20 of bins outside" not in overview(run)  # there is no window: all of them could be listed
    assert "20 of bins that the catalog lacks, 4 in other formats" in overview(run)

    # Scores that come later are met, and it is a table like any other.
    write_scores(archive, BINS[0], *SCORES)
    run.run(of_directory(archive, source=CSV))
    assert run.table("own", "ledger")["status"].tolist() == ["used", *["no_scores"] * 3]


def test_bins_that_were_all_left_out_are_no_success_either(tmp_path: Path) -> None:
    archive, run = bare_archive(tmp_path / "archive"), Checkout(tmp_path / "checkout")
    printed = run.run(of_directory(archive, select={"instruments": [11]}), fails=True)
    assert "Of 4 bins: 4 filtered" in printed
    assert f"{BINS[0]}: filtered: select.instruments: IFCB10" in printed
    assert "select.instruments: no bin of the instruments that it names can be used; there are IFCB10\n" in printed
    assert json.loads((run.results("own") / "status.json").read_text())["state"] == "failed"


def test_a_key_that_excludes_every_bin_is_told_before_what_is_there_is_touched(tmp_path: Path) -> None:
    archive, run = tmp_path / "archive", Checkout(tmp_path / "checkout")
    write_archive(archive, [bin_row(bin_id) for bin_id in BINS], dict.fromkeys(BINS, SCORES))
    run.run(of_directory(archive))
    before = run.stamps()
    wrong = of_directory(archive, select={"instruments": [11]})
    for arguments in ((), ("--dry-run",)):
        printed = run.run(wrong, *arguments, fails=True)
        assert f"Of 4 bins: 4 filtered\n  {BINS[0]}: filtered: select.instruments: IFCB10\n" in printed
        assert run.stamps() == before
    # A part of a day is no table of the run: it is made, and says of each bin what became of it.
    run.run(wrong, "results/own/ledger/2024-04-15.csv")
    ledger = pd.read_csv(run.results("own") / "ledger" / "2024-04-15.csv")
    assert ledger["status"].tolist() == ["filtered"] * 2
    wrong["source"] |= {"allow_empty": True}
    run.run(wrong)
    assert run.table("own", "ledger")["status"].tolist() == ["filtered"] * 4


def test_a_bucket_says_the_same(tmp_path: Path) -> None:
    archive, run = bare_archive(tmp_path / "archive"), Checkout(tmp_path / "checkout")
    (archive / f"{BINS[0]}_class_v3.h5").touch()
    files = {path.relative_to(archive).as_posix(): path.read_bytes() for path in archive.rglob("*.*")}
    with S3Server() as server:
        server.put("own", files)
        source = {"kind": "bucket", "path": "s3://own", "endpoint_url": server.url, "anonymous": True} | CSV
        printed = run.run({"dataset": "own", "source": source}, fails=True, env={**ENVIRONMENT, "HOME": str(tmp_path)})
        assert "1 _class_v3.h5: source.scores_format: h5, 20 *_class_scores.csv for other bins" in printed
        assert f"delete the summaries of these bins: results/own/bins/2024/D20240415/{BINS[0]}.parquet" in printed


def test_a_dashboard_of_which_every_bin_answered_404(tmp_path: Path) -> None:
    archive, run = bare_archive(tmp_path / "archive"), Checkout(tmp_path / "checkout")
    with Emulator({"own": archive}) as dashboard:
        source = {"kind": "dashboard", "url": dashboard.url, "retries": 0}
        config = {"dataset": "own", "source": source, "select": {"start": "2024-04-15", "end": "2024-04-16"}}
        printed = run.run(config, fails=True)
        assert "says of each of these 4 bins that it has no scores (HTTP 404)" in printed
        assert f"results/own/bins/2024/D20240415/{BINS[0]}.parquet ..." in printed
        asked = len(dashboard.requests)
        assert asked == 1 + len(BINS)
        config["source"] = source | {"allow_empty": True}
        run.run(config)
        assert len(dashboard.requests) == asked
        assert run.table("own", "ledger")["status"].tolist() == ["no_scores"] * 4
        assert "Class-scores files" not in overview(run)


def test_a_shard_may_be_empty_but_not_all_of_them(tmp_path: Path) -> None:
    bins = [*BINS, "D20240501T000000_IFCB010"]
    archive, run = bare_archive(tmp_path / "archive", bins), Checkout(tmp_path / "checkout")
    config = of_directory(archive, select={"start": "2024-04-01", "end": "2024-05-31"})
    for shard in ("2024-04", "2024-05"):
        run.run(config, "--config", f"shard={shard}")
    printed = run.run(config, "--config", "shard=merge", fails=True)
    assert "Of 5 bins: 5 no_scores" in printed
    assert "20 *_class_scores.csv for other bins" in printed
    run.run({**config, "source": {**config["source"], "allow_empty": True}}, "--config", "shard=merge")
    assert len(run.table("own", "ledger")) == 5


def test_each_score_file_on_disk_is_accounted_for(tmp_path: Path) -> None:
    bins = [*BINS, "D20240417T030000_IFCB010"]
    archive, run = bare_archive(tmp_path / "archive", bins), Checkout(tmp_path / "checkout")
    for bin_id in bins[1:]:
        write_scores(archive, bin_id, *SCORES)
    stranger = "D20240416T120000_IFCB010"
    write_scores(archive, stranger, *SCORES)
    (archive / f"{BINS[0]}_class_v2.h5").touch()
    config = of_directory(archive, source=CSV, select={"start": "2024-04-15", "end": "2024-04-16"})
    run.run(config)
    assert json.loads((run.results("own") / "run.json").read_text())["score_files"] == {
        "of_the_catalog": 3, "not_in_the_catalog": 1, "outside_the_window": 21, "of_other_formats": 1,
        "such_as": [stranger],
    }  # fmt: skip
    assert (
        "3 of bins of the catalog, 1 of bins that the catalog lacks, 21 of bins outside the window, 1 in other formats"
    ) in overview(run)
    assert f"1 file of bins that the catalog lacks, though the time in their ids lies in the window (such as {stranger}"
    # One more comes: nothing is read again, but it is told of.
    assert "Nothing to be done" in run.run(config)
    write_scores(archive, "D20240416T120001_IFCB010", *SCORES)
    printed = run.run(config)
    assert "class scores of bins" not in printed
    assert "2 of bins that the catalog lacks" in overview(run)
