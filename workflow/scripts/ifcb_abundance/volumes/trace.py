"""Take each kept patch back to the bytes that it came from."""

import logging
from pathlib import Path
from typing import Any

from ifcb_abundance.common.words import counted
from ifcb_abundance.tables import table_files
from ifcb_abundance.volumes.files import Triple, open_volume
from ifcb_abundance.volumes.names import Patch, parse_crop, parse_patch

log = logging.getLogger("ifcb.volumes")

VERSION = 1  # of the table: raise it so that it is made again


def box_of(patch: Patch, shape: tuple[int, int, int]) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
    """Return the voxels of a patch in its volume of a shape (z, y, x): half-open spans along z, y and x."""
    flat = (patch.slice, patch.slice + 1)
    rows, columns = (patch.y0, patch.y1), (patch.x0, patch.x1)
    found = {0: (flat, rows, columns), 1: (rows, flat, columns), 2: (rows, columns, flat)}[patch.axis]
    if any(end > n for (_, end), n in zip(found, shape, strict=True)):
        raise ValueError(f"patch {patch} is not in a volume of {shape}")
    return found


def trace_patches(
    curated: str | Path, volumes: str | Path, folder: str | Path, datasets: str | Path | None, path: str | Path
) -> None:
    """Write the table `trace`: of each kept patch the crop, the dataset or file, the scale, and its box in nm.

    curated: table `volume_curated`. volumes: table `volumes`. folder: of the volumes of bytes, whose headers have their
    place. datasets: table `sampled_datasets`; None if the volumes are no crops of this config.
    """
    kept = table_files.read("volume_curated", curated, ["patch", "volume", "status"])
    kept = kept[kept["status"] == "kept"]
    rows = table_files.read("volumes", volumes, ["volume", "file"])
    files: dict[str, str] = dict(zip(rows["volume"], rows["file"], strict=True))
    known = {}
    if datasets is not None:
        rows = table_files.read("sampled_datasets", datasets, ["dataset", "url", "scale"])
        known = {dataset: (url, scale) for dataset, url, scale in rows.itertuples(index=False)}
    found: list[dict[str, Any]] = []
    for volume in sorted(set(kept["volume"])):
        patches = kept.loc[kept["volume"] == volume, "patch"]
        opened = open_volume(Path(folder) / f"{volume}.nrrd")
        crop = parse_crop(volume)
        source: dict[str, Any] = {"url": files[volume]}
        if crop is not None:
            source["crop"] = volume
            if crop.dataset in known:
                source["url"], source["scale"] = known[crop.dataset]
        for name in patches:
            spans = box_of(parse_patch(name), opened.shape)
            found.append({"patch": name, **source, **_in_nm(spans, opened.voxel_nm, opened.origin_nm)})
    table_files.write(table_files.from_rows(found, "trace"), "trace", path)
    log.info(
        f"volumes: {counted(len(found), 'patch')} of {counted(kept['volume'].nunique(), 'volume')} are kept, in "
        f"{Path(path).with_name('kept')}; {path} says where each lies"
    )


def _in_nm(spans: Any, voxel: Triple | None, origin: Triple) -> dict[str, float]:
    if voxel is None:
        return {}
    return {
        f"{axis}{side}_nm": origin[number] + spans[number][side] * voxel[number]
        for number, axis in enumerate("zyx")
        for side in (0, 1)
    }
