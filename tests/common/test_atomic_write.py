"""Files and folders are either complete or absent."""

import os
from pathlib import Path

import pytest

from ifcb_abundance.common.atomic_write import atomic_folder, atomic_write


def test_the_name_is_taken_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "2024" / "D20240215" / "table.csv"
    with atomic_write(path) as unfinished:
        unfinished.write_text("half")
        assert not path.exists()
        assert unfinished.parent == path.parent  # so that the last step is a rename
        unfinished.write_text("whole")
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]


def test_the_contents_are_on_the_disk_before_the_name_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "table.csv"
    synced = []
    monkeypatch.setattr(os, "fsync", lambda file: synced.append((os.fstat(file).st_ino, path.exists())))
    with atomic_write(path) as unfinished:
        unfinished.write_text("whole")
    assert synced == [(path.stat().st_ino, False)]


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("written", [True, False])
def test_a_failure_leaves_what_was_there(tmp_path: Path, failure: type[BaseException], written: bool) -> None:
    path = tmp_path / "table.csv"
    path.write_text("old")
    with pytest.raises(failure), atomic_write(path) as unfinished:  # noqa: PT012
        if written:
            unfinished.write_text("new")
        raise failure
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_nothing_written_is_an_error_not_an_empty_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_write(tmp_path / "table.csv"):
        pass
    assert not list(tmp_path.iterdir())


def test_a_folder_is_there_once_it_is_whole_and_holds_nothing_older(tmp_path: Path) -> None:
    path = tmp_path / "kept" / "volume"
    stopped = path.with_name(".volume.part")
    stopped.mkdir(parents=True)
    (stopped / "of_a_run_that_was_killed").touch()
    path.mkdir()
    (path / "old").touch()
    with atomic_folder(path) as unfinished:
        (unfinished / "a").write_text("1")
        assert [each.name for each in path.iterdir()] == ["old"]
    assert [each.name for each in path.iterdir()] == ["a"]
    with pytest.raises(ValueError, match="half"), atomic_folder(path) as unfinished:  # noqa: PT012
        (unfinished / "b").touch()
        raise ValueError("half")
    assert [each.name for each in path.iterdir()] == ["a"]
    assert list(path.parent.iterdir()) == [path]
