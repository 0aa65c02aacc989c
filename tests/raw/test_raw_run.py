"""Archives of raw files: the same tables as from a dashboard that has their metadata."""

import csv
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.archives import bin_row, write_archive
from tests.checkout import Checkout
from tests.dashboard.emulator import Emulator
from tests.raw_files import keyed_header, picture, scores_h5, scores_mat, write_bin

BINS = [f"D202404{day}T{hour:02d}0000_IFCB{ifcb:03d}" for day in (15, 16) for hour in (3, 15) for ifcb in (10, 125)]
CASES = Path(__file__).parents[2].parent / "shared" / "data" / "cases"
shared = pytest.mark.skipif(not CASES.is_dir(), reason=f"no shared data at {CASES}")
CLASSES = ["Akashiwo", "Ditylum_brightwellii", "detritus"]
PLACE = {10: (41.325, -70.5667, 4.0), 125: (41.1417, -70.8833, 7.0)}


def n_images(bin_id: str) -> int:
    return 3 + BINS.index(bin_id)


def ml_analyzed(bin_id: str) -> float:
    """Of the bins that `write_bin` writes: a trigger each second, 0.1 s of inhibit time each, 0.25 mL a minute."""
    return 0.25 / 60 * (n_images(bin_id) + 0.05 - 0.1 * n_images(bin_id))


def scores(bin_id: str) -> list[list[float]]:
    """Exact in float16, so that every format holds the same."""
    made_up = random.Random(bin_id)
    return [[made_up.randrange(0, 65) / 64 for _ in CLASSES] for _ in range(n_images(bin_id))]


def rois(bin_id: str) -> list[int]:
    return list(range(1, n_images(bin_id) + 1))


def write_csv(bin_id: str, path: Path) -> None:
    with path.with_name(f"{bin_id}_class_scores.csv").open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["pid", *CLASSES])
        out.writerows([f"{bin_id}_{roi:05d}", *row] for roi, row in zip(rois(bin_id), scores(bin_id), strict=True))


def write_h5(bin_id: str, path: Path) -> None:
    body = scores_h5(3, bin_id, CLASSES, rois(bin_id), scores(bin_id))
    path.with_name(f"{bin_id}_class.h5").write_bytes(body)


def write_mat(bin_id: str, path: Path) -> None:
    path.with_name(f"{bin_id}_class_v1.mat").write_bytes(scores_mat(CLASSES, rois(bin_id), scores(bin_id)))


def write_tree(folder: Path, write_scores: Callable[[str, Path], None]) -> Path:
    """A tree by year and day, the scores in a tree of their own beside it."""
    for bin_id in BINS:
        day = Path(bin_id[1:5]) / bin_id[:9]
        pixels = picture(8, 4)
        write_bin(folder / "data" / day, bin_id, [(n, 10, 10, pixels) for n in rois(bin_id)], start=0)
        (folder / "class" / day).mkdir(parents=True, exist_ok=True)
        write_scores(bin_id, folder / "class" / day / "x")
    (folder / "deployments.csv").write_text(
        "instrument,from,to,latitude,longitude,depth\n"
        + "".join(f"{ifcb},2024-01-01,,{','.join(map(str, place))}\n" for ifcb, place in PLACE.items())
    )
    return folder


def config(folder: Path, **source: Any) -> dict[str, Any]:
    source = {"kind": "directory", "path": str(folder), "catalog": "raw", **source}
    return {"dataset": "raw", "source": source}


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """The same bins from a dashboard."""
    folder = tmp_path_factory.mktemp("twin")
    rows = []
    for bin_id in BINS:
        latitude, longitude, depth = PLACE[int(bin_id[-3:])]
        place = {"latitude": latitude, "longitude": longitude, "depth": depth}
        rows.append(bin_row(bin_id, ml_analyzed=ml_analyzed(bin_id), n_images=n_images(bin_id), **place))
    write_archive(folder / "archive", rows, {bin_id: (CLASSES, scores(bin_id)) for bin_id in BINS})
    run = Checkout(folder / "checkout")
    with Emulator({"raw": folder / "archive"}) as dashboard:
        source = {"kind": "dashboard", "url": dashboard.url}
        run.run({"dataset": "raw", "source": source, "select": {"start": "2024-04-15", "end": "2024-04-16"}})
    return run


@pytest.mark.parametrize(("scores_format", "write"), [("csv", write_csv), ("h5", write_h5), ("mat", write_mat)])
def test_the_tables_are_those_of_a_dashboard(
    checkout: Checkout, twin: Checkout, tmp_path: Path, scores_format: str, write: Callable[[str, Path], None]
) -> None:
    folder = write_tree(tmp_path / "archive", write)
    deployments = str(folder / "deployments.csv")
    checkout.run(config(folder, scores_format=scores_format, deployments=deployments))
    for name in ("abundance_long", "groups_long", "coverage", "threshold_sweep", "abundance_wide"):
        # A volume is a sum of seconds here, a number in a list there.
        pd.testing.assert_frame_equal(checkout.table("raw", name), twin.table("raw", name), rtol=1e-12)
    own = ["volume_method", "volume_disagreement", "volume_note"]
    catalog, listed = checkout.table("raw", "catalog"), twin.table("raw", "catalog")
    pd.testing.assert_frame_equal(catalog.drop(columns=own), listed.drop(columns=own), rtol=1e-12)
    assert set(catalog["volume_method"]) == {"adc"}
    assert set(listed["volume_method"]) == {"metadata"}
    header = 0.25 / 60 * (1200 - 12)  # as write_bin has it
    expected = [header / ml_analyzed(bin_id) - 1 for bin_id in catalog["bin"]]
    assert catalog["volume_disagreement"].tolist() == pytest.approx(expected)


def test_bins_that_are_not_whole_are_rows_all_the_same(checkout: Checkout, tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "archive", write_csv)
    no_header, odd_line, no_trigger = BINS[0], BINS[1], BINS[2]
    raw = {path.name: path for path in (folder / "data").rglob("D*.*")}
    raw[f"{no_header}.hdr"].unlink()
    triggers = raw[f"{odd_line}.adc"]
    triggers.write_bytes(triggers.read_bytes() + b"5,not,a,line\n")
    raw[f"{no_trigger}.adc"].write_bytes(b"")
    printed = checkout.run(config(folder))
    catalog = checkout.table("raw", "catalog").set_index("bin")
    assert sorted(catalog.index) == sorted(BINS)
    assert f"{no_header}: " in printed
    assert "no .hdr beside" in catalog.loc[no_header, "volume_note"]
    assert "1 malformed line: line 5" in catalog.loc[odd_line, "volume_note"]
    assert catalog.loc[odd_line, "ml_analyzed"] == pytest.approx(ml_analyzed(odd_line), rel=1e-12)
    assert catalog.loc[[no_header, no_trigger], "ml_analyzed"].isna().all()  # no volume, which is not zero
    ledger = checkout.table("raw", "ledger").set_index("bin")
    assert ledger.loc[[no_header, no_trigger], "status"].tolist() == ["bad_volume"] * 2
    assert "no .hdr beside" in ledger.loc[no_header, "reason"]
    assert ledger.drop([no_header, no_trigger])["status"].eq("used").all()


def test_raw_files_that_come_later_are_listed_then(checkout: Checkout, tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "archive", write_csv)
    late = sorted((folder / "data").rglob(f"{BINS[-1]}.*"))
    for path in late:
        path.rename(tmp_path / path.name)
    checkout.run(config(folder))
    assert len(checkout.table("raw", "catalog")) == len(BINS) - 1
    assert "Nothing to be done" in checkout.run(config(folder))
    for path in late:
        (tmp_path / path.name).rename(path)
    checkout.run(config(folder))
    assert sorted(checkout.table("raw", "ledger")["bin"]) == sorted(BINS)


def test_what_cannot_be_is_said_before_any_work(checkout: Checkout, tmp_path: Path) -> None:
    assert f"there is no folder {tmp_path / 'nowhere'}" in checkout.run(config(tmp_path / "nowhere"), fails=True)
    (tmp_path / "empty").mkdir()
    assert "no raw bin (.hdr, .adc, .roi)" in checkout.run(config(tmp_path / "empty"), fails=True)
    refused = checkout.run(config(tmp_path / "empty", deployments=str(tmp_path / "none.csv")), fails=True)
    assert "source.deployments: " in refused
    assert "Traceback" not in refused


# --- fast runs ---


def write_headers(folder: Path, headers: dict[str, dict[str, object]]) -> None:
    for bin_id, settings in headers.items():
        next(folder.rglob(f"{bin_id}.hdr")).write_bytes(keyed_header(runTime=241, inhibitTime=1, **settings))


def test_fast_runs_are_reckoned_by_their_factor_and_named(checkout: Checkout, tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "archive", write_csv)
    old_fast, new_fast, no_factor, normal = BINS[:4]
    headers: dict[str, dict[str, object]] = {
        old_fast: {"runSampleFast": 1, "RunFastFactor": "5.000000"},
        new_fast: {"runSampleFast": "True", "RunFastFactor": 4},
        no_factor: {"runSampleFast": "true", "RunFastFactor": "0.000000"},
        normal: {"runSampleFast": "False", "RunFastFactor": 4},
    }
    write_headers(folder, headers)
    checkout.run(config(folder))
    catalog = checkout.table("raw", "catalog").set_index("bin")
    # 240 s at 0.25 mL/min are 1 mL.
    assert catalog.loc[[old_fast, new_fast], "ml_analyzed"].tolist() == pytest.approx([5.0, 4.0])
    assert set(catalog.loc[[old_fast, new_fast], "volume_method"]) == {"header+run_fast_factor"}
    assert catalog.loc[normal, "ml_analyzed"] == pytest.approx(ml_analyzed(normal))
    assert catalog.loc[normal, "volume_method"] == "adc"
    ledger = checkout.table("raw", "ledger").set_index("bin")
    assert ledger.loc[no_factor, "status"] == "bad_volume"
    assert "a fast run (runSampleFast) without a usable RunFastFactor: '0.000000'" in ledger.loc[no_factor, "reason"]
    assert ledger.drop(no_factor)["status"].eq("used").all()
    overview = (checkout.results("raw") / "overview.rst").read_text().replace("\\", "")
    assert f"Fast runs: 2 used bins ({old_fast}, {new_fast})" in overview
    volumes = checkout.table("raw", "abundance_long").query("`class` == 'detritus'")
    used = [bin_id for bin_id in BINS if bin_id != no_factor]
    known = {old_fast: 5.0, new_fast: 4.0}
    expected = sum(known.get(bin_id, ml_analyzed(bin_id)) for bin_id in used)
    assert volumes["ml_analyzed_total"].sum() == pytest.approx(expected)

    checkout.run(config(folder, fast_runs="as_dashboard"))
    catalog = checkout.table("raw", "catalog").set_index("bin")
    assert catalog["ml_analyzed"].to_dict() == pytest.approx({bin_id: ml_analyzed(bin_id) for bin_id in BINS})
    methods = dict.fromkeys((old_fast, new_fast, no_factor), "adc+no_run_fast_factor")
    assert catalog["volume_method"].to_dict() == {bin_id: methods.get(bin_id, "adc") for bin_id in BINS}
    overview = (checkout.results("raw") / "overview.rst").read_text().replace("\\", "")
    assert "Fast runs: 3 used bins" in overview
    assert "too high by that factor" in overview


@shared
def test_a_real_fast_run(checkout: Checkout) -> None:
    checkout.run(config(CASES / "fast_run"))
    row = checkout.table("raw", "catalog").iloc[0]
    assert row["ml_analyzed"] == pytest.approx((238.018835 - 1.50005) * 0.25 * 5 / 60, rel=1e-12)  # 4.92747 mL
    n_rois = checkout.table("raw", "abundance_long").query("`class` == 'unclassified'")
    assert n_rois["n_rois"].tolist() == [2]
    assert 2 / row["ml_analyzed"] == pytest.approx(0.40589, abs=5e-6)
    overview = (checkout.results("raw") / "overview.rst").read_text().replace("\\", "")
    assert "Fast runs: 1 used bin (D20180712T065600_IFCB114)" in overview
    checkout.run(config(CASES / "fast_run", fast_runs="as_dashboard"))
    assert checkout.table("raw", "catalog")["ml_analyzed"].tolist() == pytest.approx([0.38622], abs=5e-6)


# --- bins that are not whole ---


def test_a_bin_without_a_roi_counts_and_has_no_images(checkout: Checkout, tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "archive", write_csv)
    checkout.run(config(folder))
    before = {name: checkout.table("raw", name) for name in ("catalog", "abundance_long", "ledger")}
    without = [BINS[1], BINS[6]]
    for bin_id in without:
        next(folder.rglob(f"{bin_id}.roi")).unlink()
    checkout.run(config(folder))
    for name, table in before.items():
        pd.testing.assert_frame_equal(checkout.table("raw", name), table)
    printed = checkout.run(config(folder), "images")
    assert "images: 2 of 8 bins lack raw files (.hdr, .adc or .roi): excluded" in printed
    made = {path.stem for path in (checkout.results("raw") / "images").rglob("*.zip")}
    assert made == set(BINS) - set(without)
    printed = checkout.run(config(folder), "montages")
    assert "montages: 2 of 8 used bins lack raw files (.hdr, .adc or .roi): excluded" in printed
    assert without[0] not in set(checkout.table("raw", "montages")["bin"])
    zip_ = f"results/raw/images/2024/{without[0][:9]}/{without[0]}.zip"
    printed = checkout.run(config(folder), zip_, fails=True)
    assert f"bin {without[0]}: no .roi beside" in printed


def test_an_empty_header_beside_a_whole_adc(checkout: Checkout, tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "archive", write_csv)
    empty, odd_layout = BINS[0], BINS[1]
    for bin_id in (empty, odd_layout):
        next(folder.rglob(f"{bin_id}.hdr")).write_bytes(b"")
    triggers = next(folder.rglob(f"{odd_layout}.adc"))
    triggers.write_bytes(triggers.read_bytes().replace(b"\n", b",0\n"))
    checkout.run(config(folder))
    catalog = checkout.table("raw", "catalog").set_index("bin")
    assert catalog.loc[empty, "ml_analyzed"] == pytest.approx(ml_analyzed(empty), rel=1e-12)
    assert (catalog.loc[empty, "volume_method"], catalog.loc[empty, "n_images"]) == ("adc", n_images(empty))
    assert f"{empty}.hdr: is empty: the run is taken for a normal one" in catalog.loc[empty, "volume_note"]
    ledger = checkout.table("raw", "ledger").set_index("bin")
    assert ledger["status"].to_dict() == dict.fromkeys(BINS, "used") | {odd_layout: "bad_volume"}
    assert "not a header: it is empty" in ledger.loc[odd_layout, "reason"]
    overview = (checkout.results("raw") / "overview.rst").read_text()
    assert "Files of 1 used bin are damaged or unusual" in overview


@shared
def test_a_real_bin_without_a_roi(checkout: Checkout) -> None:
    # 0.5 is the threshold that its file of scores has for this class.
    checkout.run(config(CASES / "no_roi", scores_format="h5") | {"classify": {"threshold": 0.5}})
    assert checkout.table("raw", "catalog")["ml_analyzed"].tolist() == pytest.approx([2.98127228913484], rel=1e-12)
    assert checkout.table("raw", "ledger")["status"].tolist() == ["used"]
    abundance = checkout.table("raw", "abundance_long").set_index("class")
    assert abundance.loc["Mesodinium_rubrum", "count"] == 2
    assert abundance.loc["Mesodinium_rubrum", "objects_per_ml"] == pytest.approx(0.670854523, abs=5e-10)


# --- what headers say of the sample ---


def test_sample_types_and_positions_of_headers(checkout: Checkout, tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "archive", write_csv)
    days = {bin_id: f"{'Apr/15/2024' if '20240415' in bin_id else 'Apr/16/2024'} 03:00:01.5" for bin_id in BINS}
    headers: dict[str, dict[str, object]] = {
        bin_id: {"sampleType": "Normal", "gpsLatitude": 57 + n, "gpsLongitude": 11.5, "gpsTimeFromFix": days[bin_id]}
        for n, bin_id in enumerate(BINS)
    }
    headers[BINS[0]] |= {"sampleType": "Beads"}
    headers[BINS[2]] |= {"gpsTimeFromFix": "Apr/15/2023 03:00:01"}  # a year old
    headers[BINS[4]] |= {"gpsLongitude": ""}
    headers[BINS[6]] |= {"gpsLatitude": 0, "gpsLongitude": 0}
    write_headers(folder, headers)
    wanted = config(folder) | {"select": {"sample_types": ["Normal"]}, "abundance": {"group_by": ["sample_type"]}}
    printed = checkout.run(wanted)
    catalog = checkout.table("raw", "catalog").set_index("bin").loc[BINS]
    assert catalog["sample_type"].tolist() == ["Beads"] + ["Normal"] * 7
    none = float("nan")
    assert catalog["latitude"].tolist() == pytest.approx([57, 58, none, 60, 61, 62, 0, 64], nan_ok=True)
    assert catalog["longitude"].tolist() == pytest.approx([11.5, 11.5, none, 11.5, none, 11.5, 0, 11.5], nan_ok=True)
    note = "the fix is of 2023-04-15 (gpsTimeFromFix), not of the sample's day"
    assert catalog["position_note"].dropna().to_dict() == {BINS[2]: note}
    assert f"the header's position does not count in 1 of 8 (position_note in the catalog), as in {BINS[2]}" in printed
    ledger = checkout.table("raw", "ledger").set_index("bin")
    assert ledger.loc[BINS[0], ["status", "reason"]].tolist() == ["filtered", "select.sample_types: 'Beads'"]
    assert ledger.drop(BINS[0])["status"].eq("used").all()
    abundance = checkout.table("raw", "abundance_long")
    assert set(abundance["sample_type"]) == {"Normal"}
    first = abundance[abundance["date"] == "2024-04-15"]
    assert set(first["latitude"]) == {59.0}  # of 58 and 60; the third one's fix is a year old
    overview = (checkout.results("raw") / "overview.rst").read_text().replace("\\", "")
    assert f"The header's position is ignored in 1 used bin ({BINS[2]})" in overview

    checkout.run(config(folder, deployments=str(folder / "deployments.csv")))
    catalog = checkout.table("raw", "catalog")
    assert set(catalog["latitude"]) == {place[0] for place in PLACE.values()}
    assert catalog["position_note"].isna().all()


@shared
def test_the_sample_type_of_a_real_header(checkout: Checkout) -> None:
    checkout.run(config(CASES / "raw_sample_type", scores_format="h5") | {"select": {"sample_types": ["Normal"]}})
    assert checkout.table("raw", "catalog")["sample_type"].tolist() == ["Normal"]
    assert checkout.table("raw", "ledger")["status"].tolist() == ["used"]
