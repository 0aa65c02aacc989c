"""Say of each image and patch what became of it, and pack the kept ones."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ifcb_abundance.common.errors import RawFileError, TableError
from ifcb_abundance.common.progress import Progress
from ifcb_abundance.common.words import counted
from ifcb_abundance.curation.duplicates import keep_order
from ifcb_abundance.curation.patch_images import PLACE, PatchImages, zip_paths
from ifcb_abundance.curation.zips import as_png, file_name, write_zip
from ifcb_abundance.tables import table_files

log = logging.getLogger("ifcb.curation")

Truth = npt.NDArray[np.bool_]

VERSION = 2  # of the choice: raise it so that it is made again
REFUSED, STUCK, DUPLICATE, UNINFORMATIVE, KEPT = "refused", "stuck", "duplicate", "uninformative", "kept"


def curate(tables: Mapping[str, str | Path], clean: str | Path, path: str | Path, kept: str | Path, seed: int) -> None:
    """Write the table `curated`, and the zips of kept patches into the folder `kept`.

    tables: the paths of `cleaning`, `patches` and `duplicates`; also of `stuck` and `filter`, if they are made. clean:
    the folder of the cleaned images. seed: of the order in which duplicates were grouped. A group of which nothing is
    kept has no zip. Raises RawFileError if nothing is kept at all, and then changes no file.
    """
    patches = table_files.read("patches", tables["patches"], PLACE)
    rows = _statuses(tables, patches, seed)
    _pack(patches, rows, clean, Path(kept))
    refused = table_files.read("cleaning", tables["cleaning"], ["image", "group", "problem"])
    refused = refused[refused["problem"] != ""]
    others = pd.DataFrame(
        {
            "patch": refused["image"],
            "image": refused["image"],
            "group": refused["group"],
            "status": REFUSED,
            "reason": refused["problem"],
        }
    )
    table = pd.concat([rows, others], ignore_index=True).sort_values(["group", "image"], kind="stable")
    table_files.write(table[table_files.columns("curated")].astype("str"), "curated", path)
    n = table["status"].value_counts()
    left = ", ".join(f"{n[status]:,} {status}" for status in n.index if status != KEPT) or "nothing left out"
    log.info(f"curation: {n[KEPT]:,} of {counted(len(table), 'patch')} are kept, in {kept} ({left})")


def is_packed(curated: str | Path, folder: str | Path) -> bool:
    """Whether each group with kept patches has its zip in the folder; no, if the table `curated` cannot be read."""
    try:
        rows = table_files.read("curated", curated, ["group", "status"])
    except TableError:
        return False
    groups = rows.loc[rows["status"] == KEPT, "group"].unique()
    return all(Path(folder, f"{file_name(group)}.zip").exists() for group in groups)


def _statuses(tables: Mapping[str, str | Path], patches: pd.DataFrame, seed: int) -> pd.DataFrame:
    """The status and reason of each patch, in the order of the table `patches`."""
    duplicates = table_files.read("duplicates", tables["duplicates"]).set_index("patch").loc[patches["patch"]]
    status = np.full(len(patches), KEPT, dtype=object)
    reason = np.full(len(patches), "", dtype=object)
    dull, sticks = np.zeros(len(patches), bool), np.zeros(len(patches), bool)
    if "filter" in tables:
        scores = table_files.read("filter", tables["filter"], ["patch", "score", "informative"])
        scores = scores.set_index("patch").reindex(patches["patch"])
        dull = (scores["informative"] == 0).to_numpy(bool)
        status[dull] = UNINFORMATIVE
        reason[dull] = [f"the filter gives it {score:.3f}" for score in scores["score"][dull]]
    copy = (duplicates["kept"] == 0).to_numpy(bool)
    status[copy] = DUPLICATE
    reason[copy] = [_copied(row) for row in duplicates[copy].itertuples()]
    if "stuck" in tables:
        stuck = table_files.read("stuck", tables["stuck"], ["roi", "particle", "n_images"]).set_index("roi")
        sticks = patches["image"].isin(stuck.index).to_numpy(bool)
        found = stuck.loc[patches["image"][sticks]]
        status[sticks] = STUCK
        pairs = zip(found["n_images"], found["particle"], strict=True)
        reason[sticks] = [f"one of {n} images of particle {particle}" for n, particle in pairs]
    heirs = _heirs(duplicates, ~copy & (dull | sticks), copy & ~dull & ~sticks, seed)
    heir = np.array([heirs.get(exemplar, "") for exemplar in duplicates["exemplar"]], object)
    others = (status == DUPLICATE) & (heir != "")
    reason[others] += "; " + heir[others] + " is kept in its place"
    kept = duplicates.index.isin(list(heirs.values()))
    status[kept], reason[kept] = KEPT, ""
    return patches[["patch", "image", "group"]].assign(status=status, reason=reason)


def _heirs(duplicates: pd.DataFrame, lost: Truth, usable: Truth, seed: int) -> dict[str, str]:
    """Which copies are kept in place of their exemplars, by the exemplars: the first usable one in their order.

    duplicates: that table, by patch. lost, usable: (n) which exemplars are not kept for another reason, and which
    copies nothing else is said of.
    """
    of_lost = duplicates[usable & duplicates["exemplar"].isin(duplicates.index[lost]).to_numpy(bool)]
    in_order = of_lost.iloc[keep_order(list(of_lost.index), seed)]
    first = in_order[~in_order["exemplar"].duplicated()]
    return dict(zip(first["exemplar"], first.index, strict=True))


def _copied(row: Any) -> str:
    correlation = "" if pd.isna(row.correlation) else f", correlation {row.correlation:.3f}"
    return f"a copy of {row.exemplar}: {row.distance} bits{correlation}"


def _pack(patches: pd.DataFrame, rows: pd.DataFrame, clean: str | Path, folder: Path) -> None:
    """Write the kept patches, a zip a group, in place of those of an earlier choice."""
    chosen = rows["status"] == KEPT
    if not chosen.any():
        counts = ", ".join(f"{n} {status}" for status, n in rows["status"].value_counts().items())
        raise RawFileError(f"curation: nothing is kept: the patches are {counts}")
    folder.mkdir(parents=True, exist_ok=True)
    progress = Progress("kept patches packed", lambda: (int(chosen.sum()),) * 2)
    progress.begin()
    places = pd.Series(np.flatnonzero(chosen), index=patches.loc[chosen, "group"])
    whole = ~patches["image"].duplicated(keep=False) & (patches["patch"] == patches["image"])
    written: set[Path] = set()
    with PatchImages(patches, zip_paths(clean, patches["group"])) as images:
        for group, of_group in places.groupby(level=0, sort=True):
            path = folder / f"{file_name(str(group))}.zip"
            written.add(path)
            with write_zip(path) as out:
                for place in of_group:
                    png = images.png(place) if whole.iloc[place] else as_png(images.pixels(place))
                    out.add(patches["patch"].iloc[place], png)
            progress.step(len(of_group))
    for path in set(folder.iterdir()) - written:
        path.unlink()
