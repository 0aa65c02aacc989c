"""The raw files of a bin: header, triggers, images, volume, position, and where they lie in a tree of folders.

It knows the formats of .hdr, .adc and .roi. It uses common and bins, and never a network.

Public: tree.find_raw and read_raw_bin, header.read_header, triggers.read_triggers, images.RawImages,
volume.measure_volume, position.header_position, blobs.read_blobs.

It is also what people import who want images and no workflow: `from ifcb_abundance import raw`, then
`raw.open_archive(...)` and the functions below (docs/how-to/python.md). Each name is looked up in the module that does
the work when it is first used, so that a run of the workflow does not pay for what it does not need. `raw.aio` has the
same names, awaitable. Archives lie above this room, so nothing in it imports them: their names are only looked up.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ifcb_abundance.archives.archive import Archive, ListedBin, ProductFile, open_archive
    from ifcb_abundance.bins.ids import BinId, add_target, bin_timestamp, parse_bin_id, parse_roi_id
    from ifcb_abundance.common.errors import RawFileError
    from ifcb_abundance.raw.header import Header, parse_hdr_file
    from ifcb_abundance.raw.image_mapping import BinImages, bin_images, detect_pairs, infill, stitch_pair
    from ifcb_abundance.raw.triggers import Target, parse_adc_file
    from ifcb_abundance.raw.volume import Volume

_WHERE = {
    "archives.archive": ("Archive", "ListedBin", "ProductFile", "open_archive"),
    "bins.ids": ("BinId", "add_target", "bin_timestamp", "parse_bin_id", "parse_roi_id"),
    "common.errors": ("RawFileError",),
    "raw.image_mapping": ("BinImages", "bin_images", "detect_pairs", "infill", "stitch_pair"),
    "raw.header": ("Header", "parse_hdr_file"),
    "raw.triggers": ("Target", "parse_adc_file"),
    "raw.volume": ("Volume",),
}
_MODULES = {name: module for module, names in _WHERE.items() for name in names}

__all__ = [
    "Archive",
    "BinId",
    "BinImages",
    "Header",
    "ListedBin",
    "ProductFile",
    "RawFileError",
    "Target",
    "Volume",
    "add_target",
    "bin_images",
    "bin_timestamp",
    "detect_pairs",
    "infill",
    "open_archive",
    "parse_adc_file",
    "parse_bin_id",
    "parse_hdr_file",
    "parse_roi_id",
    "stitch_pair",
]


def __getattr__(name: str) -> Any:
    if name == "aio":
        return import_module("ifcb_abundance.archives.aio")
    if name in _MODULES:
        return getattr(import_module(f"ifcb_abundance.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
