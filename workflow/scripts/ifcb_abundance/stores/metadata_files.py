"""Which files on disk say what an array is, so that a change of one of them is noticed."""

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from ifcb_abundance.stores.places import METADATA, Place

NAMES = (*METADATA, ".zattrs")


def files_on_disk(url: str) -> list[str]:
    """The files of metadata of an array or a pyramid, whether they are there or not; none of an address elsewhere.

    They are those of its folder, of the one above it, and of the folders of its scales. Their contents are not checked.
    """
    place = Place(url)
    if place.kind != "file":
        return []
    folder = Path(place.address)
    above = Path(os.path.normpath(folder / ".."))  # a link is not followed: `Place.above` does not follow it either
    return [f"{each}/{name}" for each in (folder, above, *_scales(folder)) for name in NAMES]


def _scales(folder: Path) -> list[Path]:
    """The folders of the scales of OME-Zarr or n5, as its metadata has them: folders of chunks may be millions."""
    found: list[Path] = []
    for name in ("zarr.json", ".zattrs", "attributes.json"):
        with suppress(OSError, ValueError, TypeError, AttributeError, LookupError):  # then it is no such pyramid
            entry: dict[str, Any] = json.loads((folder / name).read_bytes())
            ome = entry.get("attributes", {}).get("ome", entry)
            found += [
                folder / str(scale["path"]) for scale in ome.get("multiscales", [{"datasets": []}])[0]["datasets"]
            ]
            if name == "attributes.json" and "dimensions" not in entry:
                found += sorted(path for path in folder.glob("s[0-9]*") if path.is_dir())
    return found
