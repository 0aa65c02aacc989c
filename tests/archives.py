"""Small archives on disk, written row by row so that a test can say what is in them."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

COLUMNS = (
    "pid,sample_time,ifcb,ml_analyzed,latitude,longitude,depth,cruise,cast,niskin,sample_type,n_images,"
    "tag1,tag2,comment_summary,trigger_selection,skip"
).split(",")


def bin_row(bin_id: str, **columns: Any) -> dict[str, Any]:
    """A row of metadata.csv for a new-style id: 2 mL, no position, not skipped, unless said otherwise."""
    stamp, instrument = bin_id.split("_")
    time = f"{stamp[1:5]}-{stamp[5:7]}-{stamp[7:9]} {stamp[10:12]}:{stamp[12:14]}:{stamp[14:16]}+00:00"
    row = dict.fromkeys(COLUMNS, "") | {
        "pid": bin_id,
        "sample_time": time,
        "ifcb": int(instrument[4:]),
        "ml_analyzed": 2.0,
        "n_images": 3,
        "trigger_selection": 2,
        "skip": 0,
    }
    unknown = set(columns) - set(COLUMNS)
    assert not unknown, unknown
    return row | columns


def write_scores(folder: Path, bin_id: str, classes: Sequence[str], rows: Sequence[Sequence[Any]]) -> Path:
    """Write the bin's class scores below `folder`; ROIs are numbered from 2, None is a missing score."""
    path = folder / bin_id.split("T")[0] / f"{bin_id}_class_scores.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["pid", *classes])
        for roi, row in enumerate(rows, start=2):
            out.writerow([f"{bin_id}_{roi:05d}", *row])
    return path


def write_archive(
    folder: Path,
    bins: Sequence[Mapping[str, Any]],
    scores: Mapping[str, tuple[Sequence[str], Sequence[Sequence[Any]]]],
) -> Path:
    """Write an archive: rows of `bin_row`, and (classes, scores) of the bins that have scores."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "metadata.csv").open("w", newline="", encoding="utf-8") as file:
        out = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        out.writeheader()
        out.writerows(sorted(bins, key=lambda row: row["pid"]))
    for bin_id, (classes, rows) in scores.items():
        write_scores(folder, bin_id, classes, rows)
    return folder
