"""Folders on disk: links are followed, circles do no harm, and a replaced file has another stamp."""

import os
from pathlib import Path

import pytest

from ifcb_abundance.common.errors import RawFileError
from ifcb_abundance.common.folders import below, stamp, walk


def make(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()


def test_each_file_is_met_once_and_in_order(tmp_path: Path) -> None:
    make(tmp_path, "b/2", "b/1", "a/c/3", "4", "Skip/5", "lost+found/6")
    assert [Path(path).relative_to(tmp_path).as_posix() for path in below(tmp_path, {"skip"})] == [
        "4", "a/c/3", "b/1", "b/2"
    ]  # fmt: skip
    assert "Skip" in {Path(folder).name for folder, _ in walk(tmp_path)}


def test_links_to_folders_are_entered_after_the_folders_and_each_folder_once(tmp_path: Path) -> None:
    make(tmp_path, "root/z/1", "elsewhere/2", "elsewhere/deep/3")
    root = tmp_path / "root"
    (root / "a_link_to_z").symlink_to(root / "z")
    (root / "b").symlink_to(tmp_path / "elsewhere")
    (root / "c").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere/deep/up").symlink_to(tmp_path)  # the folder above all of them
    (root / "itself").symlink_to(root / "itself")
    (root / "gone").symlink_to(tmp_path / "nowhere")
    found = [Path(path).relative_to(root).as_posix() for path in below(root)]
    assert found == ["gone", "itself", "z/1", "b/2", "b/deep/3"]


def test_a_root_that_is_a_link_or_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "real/day/1")
    (tmp_path / "link").symlink_to("real")
    assert list(below(tmp_path / "link")) == [f"{tmp_path}/link/day/1"]
    monkeypatch.chdir(tmp_path / "real")
    assert list(below(".")) == ["day/1"]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RawFileError, match=r"nowhere: cannot be read \(No such file or directory\)"):
        list(below(tmp_path / "nowhere"))


def test_a_stamp_tells_size_and_time_apart(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("abc")
    os.utime(file, ns=(5, 10**18))
    first = stamp(file)
    assert first == [str(file), 3, 10**18]
    os.utime(file, ns=(6, 10**18 - 1))
    assert stamp(file) != first
    file.write_text("abcd")
    os.utime(file, ns=(5, 10**18))
    assert stamp(file) != first
    file.unlink()
    assert stamp(file) == [str(file)]
