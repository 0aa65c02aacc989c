"""The archive on disk answers a source's questions with files anywhere below its folder."""

import json
import os
import re
from pathlib import Path

import pytest

from ifcb_abundance.bins.window import Bound, Window
from ifcb_abundance.common.errors import CatalogError, ConfigError, ScoresError
from ifcb_abundance.sources.bin_files import FileOptions
from ifcb_abundance.sources.directory import DirectorySource, why_no_list
from ifcb_abundance.sources.source_file import SourceFile
from tests.archives import bin_row, write_archive, write_scores

BIN, OTHER = "D20240215T150055_IFCB010", "IFCB5_2012_028_081515"


@pytest.mark.parametrize("place", [".", "D20240215", "class/v3/2024/deep"])
def test_scores_are_found_anywhere_below(tmp_path: Path, place: str) -> None:
    path = tmp_path / place / f"{OTHER}_class_scores.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"pid,a\r\n\xff")
    (path.parent / f"{BIN}_class_scores.csv.bak").touch()
    (path.parent / f"{BIN}_features.csv").touch()
    archive = DirectorySource(str(tmp_path))
    assert archive.read_scores(OTHER) == SourceFile(path.as_posix(), b"pid,a\r\n\xff")
    assert [Path(file) for file in archive.scores_files(OTHER)] == [path]
    assert archive.read_scores(BIN) is None
    assert archive.scores_files(BIN) == []
    assert archive.missing_reason(BIN) == f"no {BIN}_class_scores.csv below {tmp_path.as_posix()}"


def test_scores_in_another_format_are_told_of(tmp_path: Path) -> None:
    for name in (f"{BIN}_class_v1.mat", f"{BIN}_class.h5", f"{OTHER}_class_v2.h5", f"{OTHER}_class_v4.h5"):
        (tmp_path / name).touch()
    of_csv, of_mat = DirectorySource(str(tmp_path)), DirectorySource(str(tmp_path), FileOptions(scores_format="mat"))
    missing = f"no {OTHER}_class_scores.csv below {tmp_path.as_posix()}"
    assert of_csv.read_scores(OTHER) is None
    assert of_csv.missing_reason(OTHER) == (
        f"{missing}; source.scores_format: h5 would read {tmp_path.as_posix()}/{OTHER}_class_v2.h5"
    )
    assert "h5 would read" in of_csv.missing_reason(BIN)
    assert "mat would read" in of_csv.missing_reason(BIN)
    assert [Path(file).name for file in of_mat.scores_files(BIN)] == [f"{BIN}_class_v1.mat"]
    assert of_mat.missing_reason(OTHER).startswith(f"no {OTHER}_class_v1.mat below")


@pytest.mark.parametrize(
    "name",
    [
        f"{BIN}_class_scores.CSV",
        f"{BIN} _class_scores.csv",
        f"{BIN}_class_scores (1).csv",
        f"{BIN}_class_scores.csv.gz",
        f"{BIN.lower()}_class_scores.csv",
        f"{BIN}_Class.H5",
    ],
)
def test_a_file_that_is_named_nearly_so_is_told_of_and_not_read(tmp_path: Path, name: str) -> None:
    for other in (name, f"{BIN}_class_scores.csv.bak", f"{BIN}_features.csv", f"{OTHER}_class_scores.csv"):
        (tmp_path / other).touch()
    archive = DirectorySource(str(tmp_path))
    assert archive.read_scores(BIN) is None
    expected = f"no {BIN}_class_scores.csv below {tmp_path.as_posix()}; {tmp_path.as_posix()}/{name} is not named so"
    assert archive.missing_reason(BIN).startswith(expected)
    (tmp_path / name).unlink()
    assert "not named so" not in DirectorySource(str(tmp_path)).missing_reason(BIN)


def test_two_files_of_a_bin_are_refused_naming_both(tmp_path: Path) -> None:
    paths = [write_scores(tmp_path / version, BIN, ["a"], []) for version in ("v1", "v2")]
    with pytest.raises(ScoresError, match=BIN) as refused:
        DirectorySource(str(tmp_path)).read_scores(BIN)
    assert all(path.as_posix() in str(refused.value) for path in paths)


@pytest.mark.parametrize("folder", ["skip", "2024/Beads/D20240215"])
def test_scores_in_excluded_folders_count_where_there_are_no_others(tmp_path: Path, folder: str) -> None:
    archive = tmp_path / "skip" / "archive"  # asked for by name
    aside = write_scores(archive / folder, BIN, ["a"], [])
    assert DirectorySource(str(archive)).scores_files(BIN) == [str(aside)]
    path = write_scores(archive / "2024", BIN, ["a"], [])
    assert DirectorySource(str(archive)).scores_files(BIN) == [str(path)]
    again = write_scores(archive / "copy", BIN, ["a"], [])
    assert DirectorySource(str(archive)).scores_files(BIN) == [str(path), str(again)]


def test_bins_are_those_of_metadata_csv(tmp_path: Path) -> None:
    write_archive(tmp_path, [bin_row(BIN, ml_analyzed=2.5)], {"D20240216T000000_IFCB010": (["a"], [])})
    archive = DirectorySource(str(tmp_path))
    assert archive.catalog_files() == [str(tmp_path / "metadata.csv")]
    rows = archive.list_bins(Window(None, None))
    assert list(rows["bin"]) == [BIN]
    assert list(rows["ml_analyzed"]) == [2.5]


def test_a_bad_metadata_csv_is_named(tmp_path: Path) -> None:
    (tmp_path / "metadata.csv").write_text("<html>")
    with pytest.raises(CatalogError, match=r"metadata\.csv"):
        DirectorySource(str(tmp_path)).list_bins(Window(None, None))


def test_a_folder_is_the_same_however_its_path_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell adds the slash. If that were another source, all bins would be read again."""
    write_scores(tmp_path / "a", BIN, ["a"], [[0.5]])
    monkeypatch.chdir(tmp_path)
    usual = DirectorySource("a")
    for path in ("a/", "./a", "a/."):
        other = DirectorySource(path)
        assert (other.address, other.scores_identity_of(BIN)) == ("a", usual.scores_identity_of(BIN))


def test_the_folder_above_an_archive_is_told_where_the_list_is(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "metadata.csv").touch()
    assert why_no_list(tmp_path) == (
        f"source.path: {tmp_path} has no metadata.csv. Accepted: the folder that has it. Is that {tmp_path / 'a'}?"
    )


def test_what_is_read_of_a_bin_is_told_by_size_and_time(tmp_path: Path) -> None:
    path = write_scores(tmp_path, BIN, ["a"], [[0.5]])
    size, time = path.stat().st_size, path.stat().st_mtime_ns
    archive = DirectorySource(str(tmp_path))
    identity = archive.scores_identity_of(BIN)
    assert identity == {"path": str(tmp_path), "files": [[str(path), size, time]]}
    assert json.loads(json.dumps(identity)) == identity
    assert archive.scores_identity_of(OTHER) == {"path": str(tmp_path), "files": []}
    os.utime(path, ns=(0, time - 1))
    assert archive.scores_identity_of(BIN) == identity  # as it was when this run first looked
    assert DirectorySource(str(tmp_path)).scores_identity_of(BIN)["files"] == [[str(path), size, time - 1]]
    # Not the features' and the images'.
    assert archive.features_identity_of(BIN) == archive.images_identity_of(BIN) == archive.scores_identity_of(OTHER)


def test_every_score_file_is_accounted_for(tmp_path: Path) -> None:
    no_such_day = "D20241332T000000_IFCB010"
    for bin_id in (BIN, OTHER, "D20240216T000000_IFCB010", no_such_day):
        write_scores(tmp_path, bin_id, ["a"], [])
    write_scores(tmp_path / "again", BIN, ["a"], [])
    for name in (f"{BIN}_class.h5", f"{OTHER}_class_v3.h5", f"{OTHER}_class_v1.mat"):
        (tmp_path / name).touch()
    window = Window(Bound.parse("2024-02-15"), Bound.parse("2024-02-15"))
    archive = DirectorySource(str(tmp_path))
    assert archive.score_files({BIN}, window) == {
        "of_the_catalog": 2, "not_in_the_catalog": 1, "outside_the_window": 2, "of_other_formats": 3,
        "such_as": [no_such_day],
    }  # fmt: skip
    assert archive.score_files(set(), Window(None, None))["not_in_the_catalog"] == 5
    assert archive.scores_instead({OTHER}) == (
        f"below {tmp_path} there are 1 _class_v1.mat: source.scores_format: mat, 1 _class_v3.h5: "
        "source.scores_format: h5, 1 *_class.h5 for other bins, 4 *_class_scores.csv for other bins"
    )
    (tmp_path / "empty").mkdir()
    nothing = f"below {tmp_path}/empty there are no class scores of any format"
    assert DirectorySource(str(tmp_path / "empty")).scores_instead({BIN}) == nothing


UNUSABLE = [b"{x}", b"new\nline", b"\xe9t\xe9"]


@pytest.mark.parametrize("name", UNUSABLE)
def test_a_path_that_the_workflow_cannot_have_is_refused_by_name(tmp_path: Path, name: bytes) -> None:
    folder = tmp_path / os.fsdecode(name)
    folder.mkdir()
    (folder / "notes.csv").touch()  # of no bin
    for end in (".roi", "_class.h5"):
        (folder / f"{BIN}{end}").touch()  # not wanted
    assert re.search("h5 would read .*_class.h5", DirectorySource(str(tmp_path)).missing_reason(BIN))
    assert DirectorySource(str(tmp_path)).scores_files(BIN) == []
    (folder / f"{BIN}_class.h5").unlink()
    archive = DirectorySource(str(tmp_path), FileOptions(scores_format="auto"))
    assert (archive.scores_format, archive.scores_files(BIN)) == ("csv", [])
    for end, ask in (
        ("_class_scores.csv", lambda: DirectorySource(str(tmp_path), FileOptions(scores_format="auto")).scores_format),
        ("_class_scores.csv", lambda: DirectorySource(str(tmp_path)).scores_files(BIN)),
        ("_features_v4.csv", lambda: DirectorySource(str(tmp_path)).features_files(BIN)),
        ("_blobs_v4.zip", lambda: DirectorySource(str(tmp_path)).blobs_files(BIN)),
        (".roi", lambda: DirectorySource(str(tmp_path)).image_files(BIN)),
    ):
        path = folder / f"{BIN}{end}"
        path.touch()
        with pytest.raises(ConfigError) as refused:
            ask()
        assert str(refused.value) == (
            f"source.path: {str(path)!r} cannot be read: there are braces, control characters such as a line break, or "
            "bytes that are not UTF-8 in it. Rename the folder or file"
        )
        path.unlink()
    (folder / "summary_allTB2024.mat").touch()
    with pytest.raises(ConfigError, match="Rename the folder or file"):
        _ = DirectorySource(str(tmp_path), FileOptions(scores_format="auto")).scores_format


@pytest.mark.parametrize("name", UNUSABLE[1:])
def test_a_note_about_such_a_path_can_be_written(tmp_path: Path, name: bytes) -> None:
    folder = tmp_path / os.fsdecode(name)
    folder.mkdir()
    (folder / f"{BIN}.adc").touch()
    rows = DirectorySource(str(tmp_path), FileOptions(catalog="raw")).list_bins(Window(None, None))
    shown = {UNUSABLE[1]: "new line", UNUSABLE[2]: " t "}[name]
    assert list(rows["volume_note"]) == [f"bin {BIN}: no .hdr and no .roi beside {tmp_path}/{shown}/{BIN}.adc"]
    (folder / f"{BIN}_Class.H5").touch()
    assert f"{tmp_path}/{shown}/{BIN}_Class.H5 is not named so" in DirectorySource(str(tmp_path)).missing_reason(BIN)
