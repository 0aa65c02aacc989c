"""The archive on disk answers a source's questions from files anywhere below its folder."""

from pathlib import Path

import pytest

from archive import Archive
from errors import CatalogError, ScoresError
from source_file import SourceFile
from tests.archives import bin_row, write_archive, write_scores
from window import Window

BIN, OTHER = "D20240215T150055_IFCB010", "IFCB5_2012_028_081515"


@pytest.mark.parametrize("place", [".", "D20240215", "class/v3/2024/deep"])
def test_scores_are_found_anywhere_below(tmp_path: Path, place: str) -> None:
    path = tmp_path / place / f"{OTHER}_class_scores.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"pid,a\r\n\xff")
    (path.parent / f"{BIN}_class_scores.csv.bak").touch()
    (path.parent / f"{BIN}_features.csv").touch()
    archive = Archive(str(tmp_path))
    assert archive.read_scores(OTHER) == SourceFile(path.as_posix(), b"pid,a\r\n\xff")
    assert [Path(file) for file in archive.scores_files(OTHER)] == [path]
    assert archive.read_scores(BIN) is None
    assert archive.scores_files(BIN) == []
    assert archive.missing_reason(BIN) == f"no {BIN}_class_scores.csv below {tmp_path.as_posix()}"


def test_scores_in_another_format_are_told_of(tmp_path: Path) -> None:
    for name in (f"{BIN}_class_v1.mat", f"{BIN}_class.h5", f"{OTHER}_class_v2.h5", f"{OTHER}_class_v4.h5"):
        (tmp_path / name).touch()
    of_csv, of_mat = Archive(str(tmp_path)), Archive(str(tmp_path), scores_format="mat")
    missing = f"no {OTHER}_class_scores.csv below {tmp_path.as_posix()}"
    assert of_csv.read_scores(OTHER) is None
    assert of_csv.missing_reason(OTHER) == (
        f"{missing}; source.scores_format: h5 would read {tmp_path.as_posix()}/{OTHER}_class_v2.h5"
    )
    assert "h5 would read" in of_csv.missing_reason(BIN)
    assert "mat would read" in of_csv.missing_reason(BIN)
    assert [Path(file).name for file in of_mat.scores_files(BIN)] == [f"{BIN}_class_v1.mat"]
    assert of_mat.missing_reason(OTHER).startswith(f"no {OTHER}_class_v1.mat below")


def test_two_files_of_a_bin_are_refused_naming_both(tmp_path: Path) -> None:
    paths = [write_scores(tmp_path / version, BIN, ["a"], []) for version in ("v1", "v2")]
    with pytest.raises(ScoresError, match=BIN) as refused:
        Archive(str(tmp_path)).read_scores(BIN)
    assert all(path.as_posix() in str(refused.value) for path in paths)


def test_bins_are_those_of_metadata_csv(tmp_path: Path) -> None:
    write_archive(tmp_path, [bin_row(BIN, ml_analyzed=2.5)], {"D20240216T000000_IFCB010": (["a"], [])})
    archive = Archive(str(tmp_path))
    assert archive.catalog_files() == [str(tmp_path / "metadata.csv")]
    rows = archive.list_bins(Window(None, None))
    assert list(rows["bin"]) == [BIN]
    assert list(rows["ml_analyzed"]) == [2.5]


def test_a_bad_metadata_csv_is_named(tmp_path: Path) -> None:
    (tmp_path / "metadata.csv").write_text("<html>")
    with pytest.raises(CatalogError, match=r"metadata\.csv"):
        Archive(str(tmp_path)).list_bins(Window(None, None))
