"""What an earlier run has made of volumes and datasets that there are no longer, or that cannot be used now."""

from collections.abc import Collection, Sequence
from pathlib import Path

from ifcb_abundance.tables import table_files
from ifcb_abundance.volumes.names import dataset_of


def of_other_volumes(folder: str | Path, volumes: str | Path) -> list[Path]:
    """Find the files and folders below `folder` that are of none of the volumes. volumes: the table of that name."""
    rows = table_files.read("volumes", volumes, ["volume", "problem"])
    usable = set(rows.loc[rows["problem"] == "", "volume"])
    return [
        *_others(folder, ("bytes", "converted"), set(rows["volume"])),
        *_others(folder, ("patches", "duplicates", "filter", "pictures/patches"), usable),
        *_others(folder, ("kept",), set(map(dataset_of, usable))),
    ]


def of_other_flipbooks(folder: str | Path, rows: Sequence[str | Path]) -> list[Path]:
    """Find the flipbooks below `folder` that are of none of the datasets. rows: a table of each dataset."""
    datasets = {Path(path).stem for path in rows}
    return _others(folder, ("flipbooks", "flipbook_rows", "pictures/flipbooks"), datasets)


def _others(folder: str | Path, parts: Sequence[str], names: Collection[str]) -> list[Path]:
    found = [path for part in parts for path in Path(folder, part).glob("[!.]*")]
    return [path for path in found if (path.name if path.is_dir() else path.stem) not in names]
