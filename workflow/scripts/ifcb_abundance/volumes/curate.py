"""What becomes of each patch of the volumes, and the kept ones as files."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ifcb_abundance.common.atomic_write import atomic_folder, atomic_write
from ifcb_abundance.common.progress import Progress
from ifcb_abundance.curation.zips import OpenZips
from ifcb_abundance.tables import table_files
from ifcb_abundance.volumes.names import dataset_of, parse_patch

VERSION = 1  # of what is kept: raise it so that it is decided again


def curate_volumes(duplicates: str | Path, filtered: str | Path, path: str | Path) -> None:
    """Write the table `volume_curated`. duplicates, filtered: the tables of that kind, of all patches."""
    copies = table_files.read("duplicates", duplicates, ["patch", "group", "kept", "exemplar"])
    scores = table_files.read("filter", filtered, ["patch", "informative"])
    both = copies.merge(scores, on="patch", how="left")
    status = np.select([both["kept"] == 0, both["informative"] == 0], ["duplicate", "uninformative"], "kept")
    reason = np.where(both["kept"] == 0, "a copy of " + both["exemplar"].fillna(""), "")
    reason = np.where(status == "uninformative", "scores below volumes.filter.threshold", reason)
    rows = pd.DataFrame(
        {
            "patch": both["patch"],
            "volume": both["group"],
            "dataset": both["group"].map(dataset_of),
            "status": status,
            "reason": reason,
        }
    )
    table_files.write(rows, "volume_curated", path)


def write_kept(curated: str | Path, dataset: str, zips: str | Path, folder: str | Path) -> None:
    """Write the kept patches of a dataset as `{folder}/{patch}.tiff`. zips: the folder of the volumes' patches."""
    import tifffile

    names = kept_of(curated, dataset)
    progress = Progress(f"kept patches of {dataset}", lambda: (len(names), len(names)))
    progress.begin()
    with OpenZips() as archives, atomic_folder(folder) as unfinished:
        for name in names:
            pixels = archives.pixels(Path(zips) / f"{parse_patch(name).volume}.zip", name)
            with atomic_write(unfinished / f"{name}.tiff") as file:
                tifffile.imwrite(file, pixels, metadata=None, software="")
            progress.step()


def kept_of(curated: str | Path, dataset: str) -> Sequence[str]:
    """List the kept patches of a dataset, volume by volume."""
    rows = table_files.read("volume_curated", curated, ["patch", "volume", "dataset", "status"])
    rows = rows[(rows["dataset"] == dataset) & (rows["status"] == "kept")]
    return list(rows.sort_values(["volume", "patch"], kind="stable")["patch"])
