"""A file that was replaced is a changed file, whatever its time says; folders behind links; endings in capitals."""

import os
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.archives import bin_row, write_archive, write_scores
from tests.checkout import Checkout
from tests.raw_files import picture, write_bin

BINS = [f"D202404{day}T{hour:02d}0000_IFCB010" for day in (15, 16) for hour in (3, 15)]
CLASSES = ["Akashiwo", "Ditylum_brightwellii"]
LONG_AGO = 1_300_000_000.25  # seconds since 1970: March 2011


def rows_of(*winners: int) -> list[list[float]]:
    return [[0.9 if i == winner else 0.05 for i in range(len(CLASSES))] for winner in winners]


def replace(path: Path, text: str, time: float = LONG_AGO) -> None:
    """Put another file in the place of one, with a time of its own, as `cp -p`, `rsync -a` and tar do."""
    other = path.with_name("other")
    other.write_text(text)
    os.utime(other, (time, time))
    other.replace(path)


def counts(run: Checkout, name: str, column: str = "count") -> list[Any]:
    table = run.table("own")
    return table.loc[table["class"] == name, column].tolist()


def make_archive(folder: Path) -> Path:
    rows = [bin_row(bin_id, latitude=41.5, longitude=-70.5) for bin_id in BINS]
    archive = write_archive(folder, rows, {bin_id: (CLASSES, rows_of(0, 0, 1)) for bin_id in BINS})
    for bin_id in BINS:
        write_features(archive, bin_id, [1000, 2000, 3000])
    return archive


def write_features(archive: Path, bin_id: str, volumes: Sequence[int], time: float | None = None) -> None:
    path = archive / bin_id[:9] / f"{bin_id}_features.csv"
    lines = ["roi_number,Biovolume", *(f"{roi},{volume}" for roi, volume in enumerate(volumes, start=2)), ""]
    path.write_text("\n".join(lines)) if time is None else replace(path, "\n".join(lines), time)


def test_files_that_were_replaced_by_older_ones_are_read_again_and_nothing_else(tmp_path: Path) -> None:
    archive, run = make_archive(tmp_path / "archive"), Checkout(tmp_path / "checkout")
    config = {"dataset": "own", "source": {"kind": "directory", "path": str(archive)}, "features": {"make": True}}
    run.run(config)
    assert counts(run, "Akashiwo") == [4, 4]
    before = run.stamps()
    assert "Nothing to be done" in run.run(config)
    assert run.stamps() == before

    # Of the same size as the one that was there; and one that is smaller.
    scores = archive / BINS[0][:9] / f"{BINS[0]}_class_scores.csv"
    body = scores.read_text()
    replace(scores, body.replace("0.9,0.05", "0.05,0.9"))
    assert scores.stat().st_size == len(body)
    write_features(archive, BINS[2], [1, 2, 3], LONG_AGO)
    printed = run.run(config)
    assert "class scores of bins: 1 to read, 3 of 4 are done already" in printed
    assert "features of bins: 2 to read, 2 of 4 are done already" in printed  # its own, and of the other scores
    assert counts(run, "Akashiwo") == [2, 4]
    biovolume = run.table("own", "biovolume_long").set_index(["date", "class"])["biovolume_um3_per_ml"]
    # By hand: 3,000 and 3 cubic pixels of each bin's third ROI in twice 2 mL, at 3.4 pixels per um.
    assert abs(biovolume["2024-04-16", CLASSES[1]] - (3 + 3000) / 3.4**3 / 4) < 1e-9

    metadata = archive / "metadata.csv"
    replace(metadata, metadata.read_text().replace(",2.0,", ",4.0,", 1))
    run.run(config)
    assert counts(run, "Akashiwo", "ml_analyzed_total") == [6.0, 4.0]
    assert "Nothing to be done" in run.run(config)

    # The old file comes back, with the time that it had.
    replace(scores, body, LONG_AGO - 1)
    run.run(config)
    assert counts(run, "Akashiwo") == [4, 4]


def test_images_of_raw_files_that_were_replaced_are_taken_anew(tmp_path: Path) -> None:
    raw, run, bin_id = tmp_path / "raw", Checkout(tmp_path / "checkout"), BINS[0]
    write_bin(raw, bin_id, [(1, 10, 10, picture(8, 4))], start=0)
    write_scores(raw, bin_id, CLASSES, rows_of(0))
    config = {"dataset": "own", "source": {"kind": "directory", "path": str(raw), "catalog": "raw"}}
    made = run.results("own") / f"images/2024/{bin_id[:9]}/{bin_id}.zip"
    asked = str(made.relative_to(run.folder))
    run.run(config, asked)
    with zipfile.ZipFile(made) as zipped:
        assert len([name for name in zipped.namelist() if name.endswith(".png")]) == 1
    write_bin(raw, bin_id, [(1, 10, 10, picture(8, 4)), (2, 30, 10, picture(8, 4))], start=0)
    for part in (".hdr", ".adc", ".roi"):
        os.utime(raw / f"{bin_id}{part}", (LONG_AGO, LONG_AGO))
    run.run(config, asked)
    with zipfile.ZipFile(made) as zipped:
        assert len([name for name in zipped.namelist() if name.endswith(".png")]) == 2


def test_an_archive_behind_links_with_a_circle_and_endings_in_capitals(tmp_path: Path) -> None:
    """Days of a tape that is mounted elsewhere, and a folder of all that leads back to the archive itself."""
    disk, archive, run = tmp_path / "disk", tmp_path / "archive", Checkout(tmp_path / "checkout")
    for bin_id in BINS:
        write_bin(disk / bin_id[:9], bin_id, [(n, 10, 10, picture(8, 4)) for n in (2, 3, 4)], start=0)
        write_scores(disk, bin_id, CLASSES, rows_of(0, 0, 1))
    for path in disk.rglob(f"{BINS[1]}.*"):
        path.rename(path.with_suffix(path.suffix.upper()))
    archive.mkdir()
    (archive / "D20240415").symlink_to(disk / "D20240415")
    (archive / "more").symlink_to(disk)  # the same day once more: it is met once
    (disk / "all").symlink_to(archive)
    config = {"dataset": "own", "source": {"kind": "directory", "path": str(archive), "catalog": "raw"}}
    run.run(config)
    assert run.table("own", "ledger")["bin"].tolist() == BINS
    assert set(run.table("own", "ledger")["status"]) == {"used"}
    assert run.table("own", "catalog")["n_images"].tolist() == [3, 3, 3, 3]
    assert counts(run, "Akashiwo") == [4, 4]


def test_a_file_that_cannot_be_read_is_of_one_bin_and_not_of_the_run(tmp_path: Path) -> None:
    """A link that leads nowhere, and a file that the disk cannot read: Linux gives this error for its own memory."""
    archive, run = make_archive(tmp_path / "archive"), Checkout(tmp_path / "checkout")
    bad = {
        archive / BINS[0][:9] / f"{BINS[0]}_class_scores.csv": ("/proc/self/mem", "Input/output error"),
        archive / BINS[2][:9] / f"{BINS[2]}_class_scores.csv": (archive / "gone", "No such file or directory"),
        archive / BINS[3][:9] / f"{BINS[3]}_features.csv": (archive / "gone", "No such file or directory"),
    }
    good = {path: path.read_text() for path in bad}
    for path, (target, _) in bad.items():
        path.unlink()
        path.symlink_to(target)
    source: dict[str, Any] = {"kind": "directory", "path": str(archive)}
    config = {"dataset": "own", "source": source, "features": {"make": True}}
    printed = run.run(config, fails=True)
    for path, (_, why) in bad.items():
        assert f"bin {path.name[:24]}: {path}: cannot be read ({why})\n" in printed
    assert "Traceback" not in printed
    assert {path.stem for path in (run.results("own") / "bins").rglob("*.parquet")} == {BINS[1], BINS[3]}

    run.run({**config, "source": {**source, "on_failure": "record"}})
    ledger = run.table("own", "ledger").set_index("bin")
    assert ledger["status"].to_dict() == dict(zip(BINS, ("failed", "used", "failed", "used"), strict=True))
    assert ledger.at[BINS[0], "reason"].endswith("cannot be read (Input/output error)")
    assert run.table("own", "features_ledger").set_index("bin").at[BINS[3], "status"] == "failed"

    for path, text in good.items():
        replace(path, text)
    run.run({**config, "source": {**source, "on_failure": "record"}})
    assert run.table("own", "ledger")["status"].tolist() == ["used"] * 4
    assert run.table("own", "features_ledger")["status"].tolist() == ["read"] * 4
