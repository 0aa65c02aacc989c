"""Archives of raw files: the same tables as from a dashboard that has their metadata."""

import csv
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.archives import bin_row, write_archive
from tests.dashboard.emulator import Emulator
from tests.integration.conftest import Checkout
from tests.raw_files import picture, scores_h5, scores_mat, write_bin

BINS = [f"D202404{day}T{hour:02d}0000_IFCB{ifcb:03d}" for day in (15, 16) for hour in (3, 15) for ifcb in (10, 125)]
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
    assert "1 malformed line(s): line 5" in catalog.loc[odd_line, "volume_note"]
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
    assert "cannot be read (No such file or directory)" in checkout.run(config(tmp_path / "nowhere"), fails=True)
    (tmp_path / "empty").mkdir()
    assert "no raw bin (.hdr, .adc, .roi)" in checkout.run(config(tmp_path / "empty"), fails=True)
    refused = checkout.run(config(tmp_path / "empty", deployments=str(tmp_path / "none.csv")), fails=True)
    assert "source.deployments: " in refused
    assert "Traceback" not in refused
