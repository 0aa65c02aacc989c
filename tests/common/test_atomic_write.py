"""Files are either complete or absent."""

from pathlib import Path

import pytest

from ifcb_abundance.common.atomic_write import atomic_write


def test_the_name_is_taken_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "2024" / "D20240215" / "table.csv"
    with atomic_write(path) as unfinished:
        unfinished.write_text("half")
        assert not path.exists()
        assert unfinished.parent == path.parent  # so that the last step is a rename
        unfinished.write_text("whole")
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]


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
