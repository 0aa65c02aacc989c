"""Flags of bins: measured from real and made-up raw files, judged by hand, and bad bins left out of a run."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_filter

from ifcb_abundance.bins.window import Bound, Window
from ifcb_abundance.catalog.listing import list_catalog
from ifcb_abundance.catalog.quality import TESTS, judge_quality, measure_quality, merge_quality
from ifcb_abundance.catalog.selection import assess
from ifcb_abundance.common.errors import RawFileError
from ifcb_abundance.config import Select
from ifcb_abundance.figures.quality import SHOWN
from ifcb_abundance.raw.header import read_header
from ifcb_abundance.sources.dashboard import DashboardSource
from ifcb_abundance.sources.directory import DirectorySource
from ifcb_abundance.sources.retry import RequestOptions
from ifcb_abundance.tables import table_files
from tests.archives import bin_row, write_archive
from tests.checkout import Checkout
from tests.dashboard.emulator import Emulator, Fault
from tests.raw_files import COLUMNS, NEW, OLD, adc, keyed_header, new_line, old_line, write_bin

RAW = Path(__file__).parents[2].parent / "shared" / "data" / "raw"
shared = pytest.mark.skipif(not RAW.exists(), reason=f"no shared data in {RAW}")
GOOD = {
    "ml_analyzed": 4.0,
    "n_images": 90,
    "n_triggers": 100,
    "images_per_trigger": 0.9,
    "run_time": 1200.0,
    "inhibit_fraction": 0.1,
    "trigger_rate": 0.08,
    "humidity": 10.0,
    "temperature": 30.0,
    "pmt_a": 0.5,
    "pmt_b": 0.6,
    "syringe_status": 0,
    "focus": 0.3,
    "run_type": "NORMAL",
}


def places_of_points(svg: str) -> list[list[int]]:
    """Of each panel of a figure of one day, the hours at which its points stand."""
    panels = re.findall(r'<g class="mark-symbol role-mark [^>]*>(.*?)</g>', svg)
    width = float(re.findall(r'class="background"[^>]*d="M[\d.]+,[\d.]+h([\d.]+)v70h', svg)[0])
    points = [re.findall(r'<path[^>]*transform="translate\(([^,]+),', panel) for panel in panels]
    return [sorted(round(24 * float(x) / width) for x in panel) for panel in points]


def judged(*bins: dict[str, Any]) -> pd.DataFrame:
    """Flags of bins of one instrument, which are good but for what is said of each."""
    rows = [
        {**GOOD, "bin": f"D20240401T{at:06d}_IFCB010", "sample_time": pd.Timestamp("2024-04-01", tz="UTC")} | each
        for at, each in enumerate(bins)
    ]
    for row in rows:
        row.setdefault("instrument", "IFCB10")
    return judge_quality(table_files.from_rows(rows, "quality_measured"))


@pytest.mark.parametrize(
    ("said", "test", "flag"),
    [
        ({"humidity": 70.0}, "flag_humidity", 1),
        ({"humidity": 70.1}, "flag_humidity", 3),
        ({"humidity": 99.0}, "flag_humidity", 3),
        ({"humidity": 99.1}, "flag_humidity", 4),
        ({"humidity": None}, "flag_humidity", 2),
        ({"temperature": 61.0}, "flag_temperature", 3),
        ({"images_per_trigger": 0.69}, "flag_images", 3),
        ({"n_images": 0, "images_per_trigger": None}, "flag_images", 3),
        ({"n_triggers": 0}, "flag_triggers", 4),
        ({"run_type": "BEADS"}, "flag_beads", 4),
        ({"run_time": 999.0, "ml_analyzed": 2.4}, "flag_run_time", 4),
        ({"run_time": 999.0, "ml_analyzed": 2.5}, "flag_run_time", 1),
        ({"run_time": 1000.0, "ml_analyzed": 0.3}, "flag_run_time", 1),
        ({"inhibit_fraction": 0.81}, "flag_inhibit", 3),
        ({"inhibit_fraction": 1.1}, "flag_inhibit", 4),
        ({"trigger_rate": 14.1}, "flag_rate", 3),
        ({"syringe_status": 9}, "flag_syringe", 4),
        ({"pmt_b": 0.7}, "flag_pmt", 3),
        ({"focus": 0.14}, "flag_focus", 3),
        ({"ml_analyzed": 5.3}, "flag_volume", 4),
        ({"ml_analyzed": 0.0}, "flag_volume", 4),
        ({"ml_analyzed": None}, "flag_volume", 2),
    ],
)
def test_each_bound(said: dict[str, Any], test: str, flag: int) -> None:
    table = judged({}, {}, said)
    row = table.iloc[2]
    assert row[test] == flag
    assert {name: row[name] for name in TESTS if name != test} == {name: 1 for name in TESTS if name != test}
    assert row["flag"] == max(flag, 1) if flag != 2 else row["flag"] == 1
    assert (table["flag"].tolist()[:2], table["reason"].tolist()[:2]) == ([1, 1], ["", ""])
    assert row["reason"].startswith({3: "suspect: ", 4: "bad: "}.get(flag, ""))


def test_other_instruments_do_not_count_and_nothing_known_is_not_evaluated() -> None:
    nothing = dict.fromkeys(GOOD, None) | {"run_type": "", "instrument": "IFCB2"}
    table = judged({}, {}, {"pmt_a": 0.9, "focus": 0.01, "instrument": "IFCB1"}, nothing)
    assert table["flag"].tolist() == [1, 1, 1, 2]
    assert (table.loc[3, list(TESTS)] == 2).all()
    both = judged({}, {"humidity": 99.5, "focus": 0.1}, {}).iloc[1]
    assert (both["flag"], both["reason"]) == (4, "bad: humidity 99.5; suspect: focus 0.1")


def measured(folder: Path, tmp_path: Path) -> pd.DataFrame:
    from ifcb_abundance.bins.window import Window
    from ifcb_abundance.sources.bin_files import FileOptions

    source = DirectorySource(str(folder), FileOptions(catalog="raw"))
    list_catalog(source, Window(None, None), tmp_path / "catalog.csv")
    bins = assess(table_files.read("catalog", tmp_path / "catalog.csv"), Select())
    measure_quality(source, bins, True, tmp_path / "part.csv")
    merge_quality([str(tmp_path / "part.csv")], tmp_path / "quality.csv")
    return table_files.read("quality", tmp_path / "quality.csv").set_index("bin")


@shared
def test_the_real_bins(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    for path in [*RAW.glob("*.hdr"), *RAW.glob("*.adc"), *RAW.glob("*.roi")]:
        (tmp_path / "raw" / path.name).symlink_to(path)
    table = measured(tmp_path / "raw", tmp_path)
    new, old = table.loc[NEW], table.loc[OLD]
    assert (new["run_time"], new["humidity"], new["temperature"]) == (1231.024861, 2.48685, 35.270397)
    assert (new["n_triggers"], new["n_images"], new["run_type"]) == (118, 19, "NORMAL")
    assert (new["pmt_a"], new["pmt_b"]) == (0.45, 0.8)
    assert new["inhibit_fraction"] == pytest.approx(11.62298 / 1231.024861)
    assert new["roi_rate"] == pytest.approx(19 / 1231.024861)
    assert new["images_per_trigger"] == pytest.approx(19 / 118)
    assert (new["flag"], new["flag_images"], new["reason"]) == (3, 3, "suspect: n_images 19, images_per_trigger 0.161")
    assert (old["run_time"], old["n_triggers"], old["n_images"]) == (1.251953, 6, 6)  # two ROIs are of one trigger
    assert (old["syringe_status"], old["pmt_a"], old["pmt_b"]) == (0, 0.675, 0.6)
    assert (old["flag"], old["flag_run_time"], old["flag_inhibit"]) == (4, 4, 2)  # it is a piece of a run
    assert 0 < old["focus"] < 1


def test_a_run_of_an_old_instrument_that_crosses_midnight_is_as_good_as_another(tmp_path: Path) -> None:
    noon, midnight = "IFCB5_2012_028_120000", "IFCB5_2012_028_235500"  # 300 s before midnight
    (tmp_path / "raw").mkdir()
    for bin_id in (noon, midnight):
        off = [86400 if bin_id == midnight and 2 * at > 300 else 0 for at in range(601)]
        lines = [old_line(at, 2 * at - off[at], 2 * at + 0.5 - off[at], (1, 1, 2, 2), 0) for at in range(1, 601)]
        for part, body in (("hdr", COLUMNS.encode()), ("adc", adc(*lines)), ("roi", bytes(range(4)))):
            (tmp_path / "raw" / f"{bin_id}.{part}").write_bytes(body)
    table = measured(tmp_path / "raw", tmp_path)
    assert table["run_time"].to_dict() == {noon: 1200.5, midnight: 1200.5}
    assert table["trigger_rate"].to_dict() == dict.fromkeys((noon, midnight), pytest.approx(600 / 1200.5))
    assert table["reason"].to_dict() == {noon: "", midnight: ""}
    assert table["flag"].to_dict() == {noon: 1, midnight: 1}


def test_syringe_status() -> None:
    for line, status in (('"SyringeStatus =  3"', 3), ('"SyringeStatus =  0"', 0), ('"Syringe"', None)):
        text = f'"Imaging FlowCytobot Acquisition Software version 1.0; October 2005"\n{line}\n'
        assert read_header(text.encode(), "h").syringe_status == status
    assert read_header(keyed_header(syringeStatus=7), "h").syringe_status == 7


def test_blurred_images_are_out_of_focus(tmp_path: Path) -> None:
    disc = np.where(np.hypot(*np.mgrid[-30:30, -30:30]) < 15, 60.0, 200.0)
    for at in range(4):
        pixels = gaussian_filter(disc, 6 * (at == 2)).astype(np.uint8)
        write_bin(tmp_path / "raw", f"D20240401T0{at}0000_IFCB010", [(1, 0, 0, pixels), (2, 0, 0, pixels)])
    table = measured(tmp_path / "raw", tmp_path)
    assert table["flag_focus"].tolist() == [1, 1, 3, 1]
    assert table["focus"].iloc[0] == 1.0  # an edge over one pixel
    assert table["focus"].iloc[2] < 0.1


def test_a_run_leaves_out_what_is_bad(tmp_path: Path) -> None:
    bins = [f"D20240401T{hour:02d}0000_IFCB010" for hour in range(5)]
    beads, wet, absent, broken = bins[1:]
    rows = [bin_row(bin_id, **({"sample_type": "beads"} if bin_id == beads else {})) for bin_id in bins]
    archive = write_archive(tmp_path / "archive", rows, {bin_id: (["Akashiwo"], [[0.9]]) for bin_id in bins})
    lines = adc(*[new_line(at, at, at * 10, at * 0.1, (1, 1, 2, 2), 0) for at in range(1, 9)])
    for bin_id in (bins[0], beads, wet, broken):
        said = {"humidity": 99.5 if bin_id == wet else 5, "temperature": 20}
        said |= {"runType": "NORMAL\tor\0so"} if bin_id == bins[0] else {}  # no table holds such characters
        (archive / f"{bin_id}.hdr").write_bytes(keyed_header(runTime=1200.0, inhibitTime=12.0, **said))
        (archive / f"{bin_id}.adc").write_bytes(lines if bin_id != broken else b"no triggers\n")
        (archive / f"{bin_id}.roi").write_bytes(bytes(range(4)) * 2)
    config = {"dataset": "own", "source": {"kind": "directory", "path": str(archive)}}
    run = Checkout(tmp_path / "checkout")
    run.run(config)
    before = run.files("own")
    run.run(config | {"quality": {"make": True}})
    added = {
        "quality.csv",
        "quality/2024-04-01.csv",
        *(f"figures/quality.{form}" for form in ("svg", "pdf", "html", "json")),
    }
    after = run.files("own")
    assert {name: body for name, body in after.items() if name in before} | {"datapackage.json": b""} == before | {
        "datapackage.json": b""
    }
    assert added <= set(after)
    table = run.table("own", "quality").set_index("bin")
    assert places_of_points(after["figures/quality.svg"].decode()) == [
        [bins.index(bin_id) for bin_id in table.index[table[name].notna()]]
        for name in SHOWN
        if table[name].notna().any()
    ]
    assert table["flag"].to_dict() == {bins[0]: 1, beads: 4, wet: 4, absent: 1, broken: 1}
    assert table.loc[bins[0], "run_type"] == "NORMAL or so"
    assert table.loc[absent, "note"] == "the source has no raw files of it"
    assert "none of its 1 lines can be read" in table.loc[broken, "note"]
    run.run(config | {"quality": {"exclude_bad": True}})
    ledger = run.table("own", "ledger").set_index("bin")
    assert ledger["status"].to_dict() == dict.fromkeys(bins, "used") | {beads: "filtered", wet: "filtered"}
    assert ledger.loc[wet, "reason"] == "quality.exclude_bad: bad: humidity 99.5"
    assert ledger.loc[beads, "reason"] == "quality.exclude_bad: bad: run_type beads"
    assert run.table("own")["n_bins"].unique().tolist() == [3]
    assert "Nothing to be done" in run.run(config | {"quality": {"exclude_bad": True}})
    measured = run.results("own") / "quality" / "2024-04-01.csv"
    before = measured.read_bytes()
    measured.unlink()
    run.run(config | {"quality": {"exclude_bad": True}})
    assert measured.read_bytes() == before


def test_a_server_that_does_not_answer_says_nothing_about_a_bin(tmp_path: Path) -> None:
    good, wet = "D20240401T000000_IFCB010", "D20240401T010000_IFCB010"
    rows = [bin_row(bin_id) for bin_id in (good, wet)]
    archive = write_archive(tmp_path / "archive", rows, {bin_id: (["Akashiwo"], [[0.9]]) for bin_id in (good, wet)})
    for bin_id, humidity in ((good, 5), (wet, 99.9)):
        header = keyed_header(runTime=1200.0, inhibitTime=12.0, humidity=humidity, temperature=20)
        (archive / f"{bin_id}.hdr").write_bytes(header)
        (archive / f"{bin_id}.adc").write_bytes(adc(new_line(1, 1, 10, 0.1, (1, 1, 2, 2), 0)))
        (archive / f"{bin_id}.roi").write_bytes(bytes(range(4)) * 2)
    fault = Fault(rf"{wet}\.hdr", "status", times=4, status=503)
    with Emulator({"own": archive}, faults=[fault]) as dashboard:
        window = Window(Bound.parse("2024-04-01"), Bound.parse("2024-04-01"))
        source = DashboardSource("own", dashboard.url, requests=RequestOptions(retries=1, backoff=0.01))
        bins = assess(source.list_bins(window), Select())
        with pytest.raises(RawFileError, match=rf"bin {wet}: .*HTTP 503"):
            measure_quality(source, bins, False, tmp_path / "day.csv")
        asked = {"kind": "dashboard", "url": dashboard.url, "retries": 1, "backoff": 0.01, "on_failure": "record"}
        config = {"dataset": "own", "source": asked, "quality": {"exclude_bad": True}}
        config["select"] = {"start": "2024-04-01", "end": "2024-04-01"}
        run = Checkout(tmp_path / "checkout")
        run.run(config)
        assert run.table("own", "ledger")["status"].tolist() == ["used", "used"]
        note = run.table("own", "quality").set_index("bin").loc[wet, "note"]
        assert note.startswith(f"will be asked for again: bin {wet}: {dashboard.url}/own/{wet}.hdr: HTTP 503")
        dashboard.clear()
        run.run(config)
        assert run.table("own", "ledger")["status"].tolist() == ["used", "filtered"]
        assert sorted(r.target for r in dashboard.requests) == [
            f"/own/{bin_id}{part}" for bin_id in (good, wet) for part in (".adc", ".hdr")
        ]
        assert "Nothing to be done" in run.run(config)


def test_flags_are_those_of_the_window_also_where_it_shrinks_and_grows(tmp_path: Path) -> None:
    """What was measured of a day is still there then, so that only the set of days is new."""
    bins = [f"D202404{day:02d}T120000_IFCB010" for day in (1, 2, 3)]
    rows = [bin_row(bin_id, sample_type="beads" if bin_id == bins[1] else "") for bin_id in bins]
    archive = write_archive(tmp_path / "archive", rows, {bin_id: (["Akashiwo"], [[0.9]]) for bin_id in bins})
    config = {"dataset": "own", "source": {"kind": "directory", "path": str(archive)}, "quality": {"exclude_bad": True}}
    run = Checkout(tmp_path / "checkout")
    for last in (3, 2, 1, 2, 3, 1, 3):
        run.run(config | {"select": {"end": f"2024-04-{last:02d}"}})
        status = ["used", "filtered", "used"][:last]
        assert run.table("own", "ledger")["status"].tolist() == status
        assert run.table("own", "quality")["bin"].tolist() == bins[:last]
