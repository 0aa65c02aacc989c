"""Features computed from images: the golden bin of WHOI's tests, images that have none, and a run."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ifcb_abundance.common.errors import RawFileError
from ifcb_abundance.features.compute import COLUMNS, compute_features
from ifcb_abundance.features.gather import gather_images
from ifcb_abundance.features.summary import summarize_features
from ifcb_abundance.images.extract import outline_png
from ifcb_abundance.scores.summary import summarize_scores
from ifcb_abundance.sources.directory import DirectorySource
from tests.archives import bin_row, write_archive
from tests.checkout import Checkout
from tests.dashboard.emulator import Emulator
from tests.raw_files import NEW, OLD, picture, write_bin

RAW = Path(__file__).parents[2].parent / "shared" / "data" / "raw"
GOLDEN = RAW / "golden" / f"{OLD}_features_v4.csv"
shared = pytest.mark.skipif(not RAW.exists(), reason=f"no shared data in {RAW}")
PARTS = ("hdr", "adc", "roi")
LABELS = ["Akashiwo", "detritus"]


def archive_of(folder: Path, with_features: bool = False) -> Path:
    """The golden bin with scores, in an archive, beside one that has made-up images and features."""
    of_old = {"pid": OLD, "sample_time": "2012-01-28 08:15:15+00:00", "ifcb": 5, "ml_analyzed": 0.5}
    rows = [bin_row(NEW, **of_old), bin_row(NEW)]
    write_archive(folder, rows, {})
    for path in RAW.glob(f"{OLD}.*"):
        (folder / path.name).write_bytes(path.read_bytes())
    write_bin(folder, NEW, [(1, 0, 0, picture(40, 40)), (2, 0, 0, picture(1, 30))])
    for bin_id, rois in ((OLD, [1, 2, 3, 5, 6]), (NEW, [1, 2])):
        lines = [f"pid,{','.join(LABELS)}", *(f"{bin_id}_{roi:05d},0.9,0.1" for roi in rois)]
        (folder / f"{bin_id}_class_scores.csv").write_text("\n".join([*lines, ""]))
    if with_features:
        (folder / f"{NEW}_features.csv").write_text("roi_number,Biovolume\n1,39304\n2,39304\n")
    return folder


def check_golden(csv: Path, blobs: Path) -> None:
    found, golden = pd.read_csv(csv, index_col=0), pd.read_csv(GOLDEN, index_col=0)
    assert (list(found.index), list(found.columns)) == ([1, 2, 3, 5, 6], list(golden.columns))
    assert np.allclose(found, golden, rtol=1e-9, atol=0)
    with zipfile.ZipFile(blobs) as ours, zipfile.ZipFile(RAW / "golden" / f"{OLD}_blobs_v4.zip") as theirs:
        assert ours.namelist() == theirs.namelist()
        for name in theirs.namelist():
            pictures = [np.asarray(Image.open(io.BytesIO(of.read(name))).convert("1")) for of in (ours, theirs)]
            assert np.array_equal(*pictures), name


@shared
def test_the_golden_bin(tmp_path: Path) -> None:
    raw = [RAW / f"{OLD}.{part}" for part in PARTS]
    compute_features(OLD, raw, tmp_path / "f.csv", tmp_path / "b.zip", False)
    check_golden(tmp_path / "f.csv", tmp_path / "b.zip")
    first = [(tmp_path / name).read_bytes() for name in ("f.csv", "b.zip")]
    compute_features(OLD, raw, tmp_path / "f.csv", tmp_path / "b.zip", False)
    assert [(tmp_path / name).read_bytes() for name in ("f.csv", "b.zip")] == first


@shared
def test_images_that_came_over_a_network(tmp_path: Path) -> None:
    """Gathered first, then computed from that file alone; whether there are features is asked in between."""
    source = DirectorySource(str(archive_of(tmp_path / "archive", with_features=True)))
    for bin_id in (OLD, NEW):
        summarize_scores(source, bin_id, tmp_path / f"{bin_id}.parquet", record_failures=False)

    def made(bin_id: str, missing: bool) -> list[str]:
        files = [tmp_path / name for name in ("images.npz", "f.csv", "b.zip")]
        gather_images(source, bin_id, tmp_path / f"{bin_id}.parquet", missing, files[0], False)
        compute_features(bin_id, files[:1], *files[1:], False)
        return files[1].read_text().splitlines()

    made(OLD, missing=True)
    check_golden(tmp_path / "f.csv", tmp_path / "b.zip")
    assert made(NEW, missing=True) == ["not computed: the source has features of it"]
    summary = tmp_path / f"{NEW}.parquet"
    said = summarize_features(source, NEW, summary, tmp_path / "s", False, tmp_path / "f.csv")
    assert (said.status, Path(said.address).name) == ("read", f"{NEW}_features.csv")
    assert [line.split(",")[0] for line in made(NEW, missing=False)] == ["roi_number", "1"]  # ROI 2 is one pixel wide
    said = summarize_features(source, NEW, summary, tmp_path / "s", False, tmp_path / "f.csv")
    assert (said.status, said.address, said.column) == ("read", str(tmp_path / "f.csv"), "summedBiovolume")
    for part in PARTS:
        (tmp_path / "archive" / f"{NEW}.{part}").unlink()
    source = DirectorySource(str(tmp_path / "archive"))
    assert made(NEW, missing=False) == ["not computed: the source has no raw files of it"]
    said = summarize_features(source, NEW, summary, tmp_path / "s", False, tmp_path / "f.csv")
    assert (said.status, said.reason) == ("no_features", "not computed: the source has no raw files of it")


def test_a_fault_while_images_are_gathered_leaves_no_file_for_later_runs(tmp_path: Path) -> None:
    """Where failures are recorded, the file says it."""
    archive = write_archive(tmp_path / "archive", [bin_row(NEW)], {NEW: (["Akashiwo"], [[0.9]])})
    write_bin(archive, NEW, [(1, 0, 0, picture(4, 4))])
    (archive / f"{NEW}.roi").unlink()
    source = DirectorySource(str(archive))
    summary, gathered = tmp_path / "s.parquet", tmp_path / "images.npz"
    summarize_scores(source, NEW, summary, record_failures=False)
    with pytest.raises(RawFileError, match=r"no \.roi beside"):
        gather_images(source, NEW, summary, False, gathered, record_failures=False)
    assert not gathered.exists()
    gather_images(source, NEW, summary, False, gathered, record_failures=True)
    compute_features(NEW, [gathered], tmp_path / "f.csv", None, True)
    assert "no .roi beside" in (tmp_path / "f.csv").read_text()


def test_what_cannot_be_read_fails_or_is_recorded(tmp_path: Path) -> None:
    raw = write_bin(tmp_path, NEW, [(1, 0, 0, picture(30, 30)), (2, 0, 0, picture(30, 30))])
    raw["roi"].write_bytes(raw["roi"].read_bytes()[:-1])
    out = tmp_path / "f.csv"
    with pytest.raises(RawFileError, match=f"ROI {NEW}_00002: the .roi ends within its image"):
        compute_features(NEW, [raw[part] for part in PARTS], out, None, False)
    assert not out.exists()
    compute_features(NEW, [raw[part] for part in PARTS], out, None, True)
    assert out.read_text().startswith(f"failed: ROI {NEW}_00002: the .roi ends")
    with pytest.raises(RawFileError, match=f"bin {NEW}: the source has no raw files"):
        compute_features(NEW, [], out, None, False)
    empty = write_bin(tmp_path / "empty", NEW, [])
    compute_features(NEW, [empty[part] for part in PARTS], out, None, False)
    assert out.read_text() == f"roi_number,{','.join(COLUMNS)}\n"


@shared
def test_a_run_computes_what_is_missing_and_goes_on_where_it_stood(tmp_path: Path) -> None:
    archive = archive_of(tmp_path / "archive", with_features=True)
    features = {"make": True, "compute": "missing", "blobs": True}
    config = {"dataset": "own", "source": {"kind": "directory", "path": str(archive)}, "features": features}
    run = Checkout(tmp_path / "checkout")
    printed = run.run(config)
    computed = run.results("own") / "computed" / "2012" / "IFCB5_2012_028"
    check_golden(computed / f"{OLD}_features_v4.csv", computed / f"{OLD}_blobs_v4.zip")
    assert "bins whose features are computed: 1 of 1 done" in printed
    ledger = pd.read_csv(run.results("own") / "features_ledger.csv").set_index("bin")
    assert list(ledger["status"]) == ["read", "read"]
    assert ledger.loc[OLD, "address"] == f"results/own/computed/2012/IFCB5_2012_028/{OLD}_features_v4.csv"
    assert ledger.loc[NEW, "address"] == f"{archive}/{NEW}_features.csv"
    long = pd.read_csv(run.results("own") / "biovolume_long.csv").set_index(["instrument", "class"])
    golden = pd.read_csv(GOLDEN)["summedBiovolume"].sum() / 3.4**3 / 0.5
    assert long.loc[("IFCB5", "Akashiwo"), "biovolume_um3_per_ml"] == pytest.approx(golden, rel=1e-9)
    assert long.loc[("IFCB13", "Akashiwo"), "biovolume_um3_per_ml"] == pytest.approx(2 * 1000 / 2.0)
    assert "Nothing to be done" in run.run(config)

    # Outlines are those of the computed blobs; the other bin has features, so no blobs of it were computed.
    run.run(config | {"images": {"outlines": True}}, "images")
    folder = run.results("own") / "images"
    with zipfile.ZipFile(RAW / "golden" / f"{OLD}_blobs_v4.zip") as blobs:
        pictures = {
            name: np.asarray(Image.open(io.BytesIO(blobs.read(name))).convert("1")) for name in blobs.namelist()
        }
    with zipfile.ZipFile(folder / "2012" / "IFCB5_2012_028" / f"{OLD}.zip") as zipped:
        outlines = {name: zipped.read(name) for name in zipped.namelist() if name.startswith("outlines/")}
    assert outlines == {f"outlines/{name}": outline_png(blob) for name, blob in pictures.items()}
    with zipfile.ZipFile(folder / "2013" / "D20130526" / f"{NEW}.zip") as zipped:
        assert not [name for name in zipped.namelist() if name.startswith("outlines/")]


@shared
@pytest.mark.slow
def test_a_run_over_a_network_gives_the_same(tmp_path: Path) -> None:
    archive = archive_of(tmp_path / "archive", with_features=True)
    run = Checkout(tmp_path / "checkout")
    with Emulator({"own": archive}) as dashboard:
        source = {"kind": "dashboard", "url": dashboard.url, "retries": 0, "backoff": 0}
        select = {"start": "2012-01-28", "end": "2013-05-26"}
        features = {"make": True, "compute": "missing", "blobs": True}
        config = {"dataset": "own", "source": source, "select": select, "features": features}
        run.run(config)
        asked = len(dashboard.requests)
        assert "Nothing to be done" in run.run(config)
        assert len(dashboard.requests) == asked
    computed = run.results("own") / "computed"
    old = computed / "2012" / "IFCB5_2012_028"
    check_golden(old / f"{OLD}_features_v4.csv", old / f"{OLD}_blobs_v4.zip")
    assert not list(computed.rglob("*.npz"))
    ledger = pd.read_csv(run.results("own") / "features_ledger.csv").set_index("bin")
    assert ledger.loc[OLD, "address"] == f"results/own/computed/2012/IFCB5_2012_028/{OLD}_features_v4.csv"
    assert ledger.loc[NEW, "address"] == f"{dashboard.url}/own/{NEW}_features.csv"


def test_what_is_computed_over_a_network_follows_the_config_there_and_back(tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "archive", [bin_row(NEW, ml_analyzed=2.5)], {})
    write_bin(archive, NEW, [(1, 0, 0, picture(40, 40))])
    (archive / f"{NEW}_class_scores.csv").write_text(f"pid,{','.join(LABELS)}\n{NEW}_00001,0.9,0.1\n")
    (archive / f"{NEW}_features.csv").write_text("roi_number,Biovolume\n1,39304\n")  # 1000 um3 at 3.4 pixels a um
    run = Checkout(tmp_path / "checkout")
    with Emulator({"own": archive}) as dashboard:
        source = {"kind": "dashboard", "url": dashboard.url, "retries": 0, "backoff": 0}
        select = {"start": "2013-05-26", "end": "2013-05-26"}
        addresses, volumes = [], []
        for compute in ("missing", "all", "missing"):
            features = {"make": True, "compute": compute}
            run.run({"dataset": "own", "source": source, "select": select, "features": features})
            addresses.append(run.table("own", "features_ledger")["address"].item())
            volumes.append(run.table("own", "biovolume_long").set_index("class")["biovolume_um3_per_ml"]["Akashiwo"])
    there = f"{dashboard.url}/own/{NEW}_features.csv"
    assert addresses == [there, f"results/own/computed/2013/D20130526/{NEW}_features_v4.csv", there]
    assert volumes[::2] == pytest.approx([1000 / 2.5] * 2)
    assert volumes[1] != pytest.approx(1000 / 2.5)
