"""Shards: a long window made year by year, or month by month, gives the tables of one run, byte for byte."""

import json
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.archives import bin_row, write_archive
from tests.checkout import Checkout
from tests.dashboard.emulator import Emulator

# A day at each end of a year and of a month; none in November 2021 and in 2022, whose shards are empty.
DAYS = ["20210930", "20211001", "20211231", "20230101", "20230131", "20230201"]
BINS = [f"D{day}T{hour:02d}0000_IFCB010" for day in DAYS for hour in (0, 12, 23)]


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    rows = [bin_row(bin_id, ml_analyzed=2 + n / 10, depth=5) for n, bin_id in enumerate(BINS)]
    rows[4]["skip"] = 1
    # The label set changes with the years, and a week goes across the new year of 2021.
    early, late = ["Akashiwo", "detritus"], ["Akashiwo", "Ceratium", "detritus"]
    scores: dict[str, Any] = {
        bin_id: (early, [[0.9, 0.1], [0.3, 0.6]]) if n < 9 else (late, [[0.1, 0.8, 0.1]] * (n - 8))
        for n, bin_id in enumerate(BINS)
    }
    del scores[BINS[7]]
    return write_archive(tmp_path / "archive", rows, scores)


def of_window(url: str, start: str = "2021-09-30", end: str = "2023-02-01", **others: Any) -> dict[str, Any]:
    source = {"kind": "dashboard", "url": url, "backoff": 0.05}
    select = {"start": start, "end": end}
    return {"dataset": "demo", "source": source, "select": select, "abundance": {"period": "week"}, **others}


def tables(checkout: Checkout) -> dict[str, bytes]:
    return {path: body for path, body in checkout.files("demo").items() if not path.startswith("shards")}


def test_shards_put_together_are_the_tables_of_one_run(tmp_path: Path, archive: Path) -> None:
    whole, sharded = Checkout(tmp_path / "whole"), Checkout(tmp_path / "sharded")
    config = partial(of_window, quality={"make": True})
    with Emulator({"demo": archive}) as dashboard:
        whole.run(config(dashboard.url))
        dashboard.clear()
        for shard in ("2021-09", "2021-10", "2021-11", "2021-12", 2022, 2023):
            printed = sharded.run(config(dashboard.url), "--config", f"shard={shard}")
        assert "2023-01-01 to 2023-02-01" in printed
        asked = [r.target for r in dashboard.requests if "class_scores" in r.target]
        assert sorted(asked) == sorted(f"/demo/{bin_id}_class_scores.csv" for bin_id in BINS if bin_id != BINS[4])
        dashboard.clear()
        sharded.run(config(dashboard.url), "--config", "shard=merge")
        assert dashboard.requests == []
        expected = tables(whole)
        assert {
            "abundance_week.csv",
            "threshold_sweep.csv",
            "bins_long.parquet",
            "catalog.csv",
            "quality.csv",
        } <= expected.keys()
        assert tables(sharded) == expected

        # What is done is done, and a run of the whole window takes it up.
        before = sharded.stamps()
        sharded.run(config(dashboard.url), "--config", "shard=merge")
        assert sharded.stamps() == before
        assert dashboard.requests == []

        # One command makes the years and merges them; once more, it asks nothing and leaves all as it is.
        archived = Checkout(tmp_path / "archived")
        printed = archived.run(config(dashboard.url), "archive")
        assert [f"shard {year} is complete" in printed for year in (2021, 2022, 2023)] == [True] * 3
        assert tables(archived) == expected
        asked = [r.target for r in dashboard.requests if "class_scores" in r.target]
        assert sorted(asked) == sorted(f"/demo/{bin_id}_class_scores.csv" for bin_id in BINS if bin_id != BINS[4])
        assert dashboard.most_at_once() <= 8
        dashboard.clear()
        before = {path: stamp for path, stamp in archived.stamps().items() if path.startswith("results/")}
        archived.run(config(dashboard.url), "archive")
        assert before.items() <= archived.stamps().items()
        assert dashboard.requests == []
        assert not list((archived.folder / ".snakemake" / "archive").glob("*"))

        # Where a shard has no flags, it is said.
        for path in [sharded.results("demo") / "quality.csv", *sharded.results("demo").glob("shards/*/quality.csv")]:
            path.unlink()
        printed = sharded.run(config(dashboard.url), "--config", "shard=merge", fails=True)
        assert "shard: 2021-09 has no quality.csv. Make all shards with quality.make: true" in printed


def test_an_archive_that_cannot_be_whole_says_which_shard(checkout: Checkout, archive: Path) -> None:
    with Emulator({"demo": archive}) as dashboard:
        printed = checkout.run(of_window(dashboard.url, start=BINS[0]), "archive", fails=True)
        assert "archive: shards need UTC days as select.start and select.end" in printed
        printed = checkout.run(of_window(dashboard.url), "archive", "--config", "shard=2021", fails=True)
        assert "`archive`, which makes all shards. Leave it out" in printed
        printed = checkout.run(of_window(dashboard.url), "archive", "quality", fails=True)
        assert "archive cannot be asked for together with quality. Run `snakemake archive` alone" in printed
        assert "`snakemake quality --config shard=merge`" in printed
        assert dashboard.requests == []
        (whole,) = archive.rglob(f"{BINS[16]}_class_scores.csv")
        whole.write_text(whole.read_text().replace("0.8", "O.8"))
        printed = checkout.run(of_window(dashboard.url, start="2022-12-31"), "archive", fails=True)
        assert "shard 2023 is not complete" in printed
        assert "shard 2022 is complete" in printed
        assert BINS[16] in printed
        assert not (checkout.results("demo") / "abundance_long.csv").exists()


def test_shards_end_with_an_archive_that_is_killed(checkout: Checkout, archive: Path) -> None:
    """It can tell its shards nothing any more. The next run continues what they have begun."""
    with Emulator({"demo": archive}, latency=0.7) as dashboard:
        settings = of_window(dashboard.url, end="2021-12-31")
        run = checkout.start(settings, "archive", "--cores", "1", start_new_session=True)
        status = checkout.results("demo") / "shards" / "2021" / "status.json"
        began = time.monotonic()
        while not any("class_scores" in request.target for request in dashboard.requests):
            assert time.monotonic() < began + 60
            time.sleep(0.05)
        run.kill()
        run.communicate()
        while not status.exists() or json.loads(status.read_text())["state"] != "stopped":
            assert time.monotonic() < began + 60
            time.sleep(0.05)
        asked = [request.target for request in dashboard.requests if "class_scores" in request.target]
        assert len(asked) < 8  # of 9 bins, of which one is skipped
        dashboard.latency = 0
        checkout.run(settings, "archive")
        again = [request.target for request in dashboard.requests if "class_scores" in request.target]
        assert len(again) == len(set(again)) == 8
        assert (checkout.results("demo") / "abundance_long.csv").exists()


def test_a_shard_that_is_missing_or_of_another_config_is_named(checkout: Checkout, archive: Path) -> None:
    with Emulator({"demo": archive}) as dashboard:
        checkout.run(of_window(dashboard.url), "--config", "shard=2023")
        dashboard.clear()
        printed = checkout.run(of_window(dashboard.url), "--config", "shard=merge", fails=True)
        assert "shard: 16 of the window's shards are not there, or not finished: 2021-09, 2021-10" in printed
        assert "--config shard=2021-09 (or the whole year, shard=2021)" in printed
        other = of_window(dashboard.url, start="2023-01-01", classify={"threshold": 0.5})
        printed = checkout.run(other, "--config", "shard=merge", fails=True)
        assert "shard: 2023 was made with another config (classify, select)" in printed
        assert "Run it again with this one: --config shard=2023" in printed
        assert dashboard.requests == []


@pytest.mark.parametrize(
    ("shard", "start", "fault"),
    [
        ("2019", "2021-09-30", "no day from 2021-09-30 to 2023-02-01 lies in it"),
        ("2021-13", "2021-09-30", "cannot be used"),
        ("../2021", "2021-09-30", "cannot be used"),
    ],
)
def test_a_shard_that_cannot_be_is_refused(checkout: Checkout, shard: str, start: str, fault: str) -> None:
    printed = checkout.run(of_window("http://127.0.0.1:9", start=start), "--config", f"shard={shard}", fails=True)
    assert "shard: " in printed
    assert fault in printed
    assert "Accepted: null, a year such as '2012'" in printed


def test_a_window_that_shards_cannot_be_made_of_is_named_by_its_own_keys(checkout: Checkout) -> None:
    of_bin = of_window("http://127.0.0.1:9", start=BINS[0])
    printed = checkout.run(of_bin, "--config", "shard=merge", fails=True)
    (fault,) = [line for line in printed.splitlines() if "Accepted" in line]
    assert fault.endswith(f"select.start: {BINS[0]}, but shard: merge needs a UTC day. Accepted: a UTC day YYYY-MM-DD")
    of_no_day = of_window("http://127.0.0.1:9", start="2021-09-31")
    printed = checkout.run(of_no_day, "--config", "shard=2021", fails=True)
    (fault,) = [line for line in printed.splitlines() if "Accepted" in line]
    assert "select.start: '2021-09-31' is not a UTC day" in fault
