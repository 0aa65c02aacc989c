"""Results of another config: moved aside, reported, and deleted when they are made again."""

import os
from pathlib import Path

from ifcb_abundance.engine.stale import drop_replaced, put_aside, told


def files(folder: Path) -> dict[str, str]:
    return {p.relative_to(folder).as_posix(): p.read_text() for p in sorted(folder.rglob("*")) if p.is_file()}


def write(path: Path, text: str, time: int = 1000) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (time, time))
    return path


def test_files_and_folders_are_moved_with_their_place(tmp_path: Path) -> None:
    write(tmp_path / "daily" / "d.csv", "stays")
    moved = put_aside(
        [
            write(tmp_path / "run.json", "old"),
            write(tmp_path / "figures" / "a.svg", "old"),
            write(tmp_path / "montages" / "Akashiwo.html", "old").parent,
            tmp_path / "not_there.csv",
        ],
        tmp_path,
    )
    assert moved == ["figures/a.svg", "montages", "run.json"]
    assert files(tmp_path) == {
        "daily/d.csv": "stays",
        "stale/run.json": "old",
        "stale/figures/a.svg": "old",
        "stale/montages/Akashiwo.html": "old",
    }


def test_the_older_of_two_goes(tmp_path: Path) -> None:
    for text in ("first", "second"):
        put_aside([write(tmp_path / "run.json", text)], tmp_path)
        put_aside([write(tmp_path / "montages" / f"{text}.html", text).parent], tmp_path)
    assert files(tmp_path) == {"stale/run.json": "second", "stale/montages/second.html": "second"}


def test_what_is_there_anew_is_gone_from_stale(tmp_path: Path) -> None:
    put_aside([write(tmp_path / name, "old") for name in ("run.json", "figures/a.svg", "week.csv")], tmp_path)
    write(tmp_path / "figures" / "a.svg", "new", 2000)
    write(tmp_path / "week.csv", "older than what was moved", 500)
    drop_replaced(tmp_path)
    assert set(files(tmp_path / "stale")) == {"run.json", "week.csv"}
    assert not (tmp_path / "stale" / "figures").exists()
    write(tmp_path / "run.json", "new", 2000)
    write(tmp_path / "week.csv", "new", 2000)
    drop_replaced(tmp_path)
    assert not (tmp_path / "stale").exists()
    drop_replaced(tmp_path)


def test_what_was_moved_is_told_in_a_line() -> None:
    names = ["week.csv", "exports/x.nc", *(f"images/2024/D20240401/{n}.zip" for n in range(1500))]
    assert told(names) == "week.csv, exports/x.nc, images/ (1500 files)"
    named = ", ".join(f"{n}.csv" for n in range(16))
    assert told([f"{n}.csv" for n in range(18)]) == f"{named} and 2 more"
