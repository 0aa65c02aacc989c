"""What the files beside an array say: its format and axes, the size of its voxels and where it begins.

An address is that of an array, or of a pyramid: OME-Zarr, n5 with the scales s0, s1, ..., or precomputed. At most five
small files are asked for. Sources: zarr v2 and v3 specifications; NGFF 0.4 and 0.5; the n5 file format, and the habits
of n5-viewer (pixelResolution, scales, downsamplingFactors); neuroglancer's precomputed volumes.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from ifcb_abundance.common.errors import quoted
from ifcb_abundance.common.lengths import NM
from ifcb_abundance.stores.boxes import Exact, exact, floats, times
from ifcb_abundance.stores.places import METADATA, ArrayError, ClosedError, Place, ScaleError, UnreachableError

SPACE = frozenset("zyx")
TRANSLATION = "translation of OME"  # where an offset was found, which is in voxels if the scale has no unit of length


@dataclass(frozen=True)
class Told:
    """What the config says of an array, for where the store says nothing. voxel_nm, offset_nm: z, y, x.

    section: of the config that says it, for messages; empty if nobody knows. finest_nm: in place of voxel_nm, that of
    scale 0, from which the one of another scale follows.
    """

    axes: str | None = None
    voxel_nm: Sequence[float] | None = None
    offset_nm: Sequence[float] | None = None
    section: str = ""
    finest_nm: Sequence[float] | None = None

    def named(self, key: str) -> str:
        """A key as the config has it."""
        return f"{self.section}.{key}" if self.section else key


@dataclass(frozen=True)
class Metadata:
    """What was found.

    place: the folder of the array, of precomputed that of its `info`. spec: what tensorstore needs to open it there
    without a further request. stored_axes: a letter for each stored axis. voxel, offset: nm, z, y, x; None: not said.
    unit_from: where each was found. scales: None where the pyramid does not say how many it has. factor: size of a
    voxel over that of scale 0, z, y, x; None: not said. refused: files that may say more and may not be
    read; buckets that may not be listed say the same of files that are not there.
    """

    format: str
    place: Place
    spec: Mapping[str, Any]
    shape: Sequence[int]
    stored_axes: str
    scale: int = 0
    scales: int | None = 1
    voxel: Exact | None = None
    offset: Exact | None = None
    unit_from: Mapping[str, str] = field(default_factory=dict)
    factor: Exact | None = None
    refused: Sequence[str] = ()

    @property
    def driver(self) -> str:
        """tensorstore's name of the driver."""
        return str(self.spec["driver"])


Look = Callable[[Place, int, Told], Metadata | None]  # what a format says of a place at a scale


def find_metadata(place: Place, scale: int, told: Told) -> Metadata:
    """Return what the files at an address say of the array, at a scale of several.

    Raises ArrayError: nothing is there, a group and no array, metadata that cannot be used, no size of a voxel.
    """
    for look in _order(place):
        if found := look(place, scale, told):
            if found.voxel is None and told.finest_nm is not None:
                # Without a scale, the address is that of one array, whichever of a pyramid it is.
                factor = (found.factor or _factor_by_shapes(found, look, place)) if scale else exact((1, 1, 1))
                told = replace(told, voxel_nm=floats(times(exact(told.finest_nm), factor)))
            return _complete(found, told)
    raise ArrayError(_not_found(place))


def _factor_by_shapes(found: Metadata, look: Look, place: Place) -> Exact:
    """How much larger a voxel is than one of scale 0, where the store does not say: a whole number along each axis.

    If scale 0 cannot be used, it is 2 for each scale. Raises UnreachableError.
    """
    try:
        first = look(place, 0, Told())
    except UnreachableError:
        raise
    except ArrayError:
        first = None
    if first is None or first.stored_axes != found.stored_axes:
        return exact((2**found.scale,) * 3)
    of_axis = dict(zip(found.stored_axes, zip(first.shape, found.shape, strict=True), strict=True))
    return exact([_factor_of(*of_axis[axis]) for axis in "zyx"])


def _factor_of(n: int, coarse: int) -> int:
    """How many voxels of n were made one of the coarse ones: the nearest power of 2, if it gives so many."""
    power = 2 ** max(0, round(math.log2(n / coarse)))
    return power if coarse in (n // power, -(-n // power)) else max(1, round(n / coarse))


def _order(place: Place) -> list[Look]:
    """The formats, the likeliest first, as the address has it: each miss is a request."""
    looks: list[Look] = [_zarr3, _zarr2, _n5, _precomputed]
    first = {"n5": _n5, "precomputed": _precomputed, "zarr2": _zarr2}.get(place.hint)
    if first is None and re.search(r"\.n5(/|$)", place.address):
        first = _n5
    if first is None and "precomputed" in place.address:
        first = _precomputed
    return [first, *(look for look in looks if look is not first)] if first else looks


def _not_found(place: Place) -> str:
    if arrays := place.arrays():
        return (
            f"{place.address} is a group and no array. Set url to one of its arrays: "
            f"{quoted(f'{place.address}/{path}' for path in arrays)}"
        )
    groups = ("zarr.json", ".zgroup", "attributes.json")
    # Each is asked for: a refusal says more than that nothing was found.
    there = [name for name in dict.fromkeys((*METADATA, *groups, ".zattrs")) if place.read(name) is not None]
    if set(there) & set(groups):
        return f"{place.address} is a group and no array, and its server does not list it: set url to an array below it"
    if place.exists() is False:
        return f"{place.address}: nothing is there: check url"
    return (
        f"{place.address}: no metadata of an array ({', '.join(METADATA)}) is there: check url, which names the folder "
        "of an array in zarr, OME-Zarr, n5 or precomputed"
    )


def _complete(found: Metadata, told: Told) -> Metadata:
    """Fill in from the config what the store does not say."""
    origin = dict(found.unit_from)
    voxel, offset = found.voxel, found.offset
    if voxel is None:
        if told.voxel_nm is None:
            closed = f" ({' and '.join(found.refused)} may not be read)" if found.refused else ""
            raise ArrayError(
                f"{found.place.address}: the store does not say the size of a voxel in nm{closed}: set "
                f"{told.named('voxel_nm')}: [z, y, x]"
            )
        voxel, origin["voxel_nm"] = exact(told.voxel_nm), "voxel_nm of the config"
        if offset is not None and origin.get("offset_nm") == TRANSLATION:  # in units of unknown length: so many voxels
            offset = times(offset, voxel)
    if offset is None:
        given = told.offset_nm is not None
        offset = exact(told.offset_nm) if told.offset_nm is not None else exact((0, 0, 0))
        origin["offset_nm"] = "offset_nm of the config" if given else "none is said, so 0"
    if any(size <= 0 for size in voxel):
        raise ArrayError(f"{found.place.address}: {origin['voxel_nm']} is not above 0: it cannot be used")
    return replace(found, voxel=voxel, offset=offset, unit_from=origin)


# --- zarr ---


def _zarr3(place: Place, scale: int, told: Told) -> Metadata | None:
    entry = _asked(place, "zarr.json")
    if entry is None:
        return None
    if entry.get("node_type") == "array":
        return _zarr_array(place, "zarr3", entry, _mapping(entry.get("attributes")), scale, told)
    ome = _mapping(_mapping(entry.get("attributes")).get("ome"))
    if not ome.get("multiscales"):
        raise ArrayError(_not_found(place))
    return _ome(place, ome, scale, "zarr3")


def _zarr2(place: Place, scale: int, told: Told) -> Metadata | None:
    entry = _asked(place, ".zarray")
    attributes, refused = _beside(place, ".zattrs")
    if entry is not None:
        found = _zarr_array(place, "zarr", entry, attributes, scale, told)
        return replace(found, refused=(*refused, *found.refused))
    return _ome(place, attributes, scale, "zarr") if attributes.get("multiscales") else None


def _zarr_array(
    place: Place, driver: str, entry: dict[str, Any], attributes: Mapping[str, Any], scale: int, told: Told
) -> Metadata:
    """An array by its own address; the group above may be an OME-Zarr that says where it is."""
    _only_scale(place, scale)
    shape = _shape(place, entry, "shape")
    named = entry.get("dimension_names") or attributes.get("_ARRAY_DIMENSIONS")
    axes, axes_from = _axes(place, len(shape), named, told.axes, "zyx")
    form = "zarr3" if driver == "zarr3" else "zarr2"
    spec = {"driver": driver, "metadata": entry}
    found = Metadata(form, place, spec, shape, axes, unit_from={"axes": axes_from})
    where = "zarr.json" if driver == "zarr3" else ".zattrs"
    found = _own(found, attributes, where)
    if found.voxel is None and (up := place.above()) is not None:
        group, name = up
        above, refused = _beside(group, where)
        found = replace(found, refused=refused)
        ome = _mapping(_mapping(above.get("attributes")).get("ome")) if driver == "zarr3" else above
        for number, dataset in enumerate(_datasets(ome)):
            if str(dataset.get("path", "")).strip("/") == name:
                return _with_ome(found, group, ome, number)
    return found


def _asked(place: Place, name: str) -> dict[str, Any] | None:
    """A file of metadata; None if it is not there, or if the server does not say whether it is."""
    try:
        return place.read_json(name)
    except ClosedError:
        return None


def _beside(place: Place, name: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """A file that may say more of an array, empty if it is not there; and its address if it may not be read."""
    try:
        return place.read_json(name) or {}, ()
    except ClosedError:
        return {}, (f"{place.address}/{name}",)


# --- OME-Zarr ---


def _datasets(ome: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The scales of the first image, the finest first."""
    images = ome.get("multiscales")
    image = _mapping(images[0]) if isinstance(images, list) and images else {}
    datasets = image.get("datasets")
    return [_mapping(dataset) for dataset in datasets] if isinstance(datasets, list) else []


def _ome(place: Place, ome: Mapping[str, Any], scale: int, driver: str) -> Metadata:
    """A scale of an OME-Zarr by the address of its group."""
    datasets = _datasets(ome)
    if not datasets:
        raise ArrayError(f"{place.address}: its OME metadata lists no datasets: set url to an array below it")
    _one_of(place, scale, len(datasets))
    image = _mapping(ome["multiscales"][0])
    version = str(ome.get("version") or image.get("version") or "0.4")
    array = place.below(str(datasets[scale].get("path", "")))
    entry = array.read_json("zarr.json" if driver == "zarr3" else ".zarray")
    if entry is None:
        raise ArrayError(f"{array.address}: the OME metadata of {place.address} names this array, and it is not there")
    shape = _shape(array, entry, "shape")
    found = Metadata(f"ome-zarr {version}", array, {"driver": driver, "metadata": entry}, shape, "", scale)
    return replace(_with_ome(found, place, ome, scale), scales=len(datasets))


def _with_ome(found: Metadata, group: Place, ome: Mapping[str, Any], number: int) -> Metadata:
    """Add what OME metadata says of its scale of that number."""
    image = _mapping(ome["multiscales"][0])
    given = image.get("axes") or list("tczyx")[-len(found.shape) :]
    if not isinstance(given, list):
        raise ArrayError(f"{group.address}: axes in its OME metadata cannot be used ({given}): it is a list of axes")
    entries = [entry if isinstance(entry, dict) else {"name": entry} for entry in given]
    axes = "".join(str(entry.get("name", "")).lower()[:1] for entry in entries)
    if len(axes) != len(found.shape) or not set(axes) >= SPACE or len(set(axes)) < len(axes):
        raise ArrayError(
            f"{group.address}: its axes are {quoted(str(entry.get('name')) for entry in entries)}, and the array has "
            f"{len(found.shape)} dimensions: only volumes with z, y and x can be read"
        )
    steps = [
        *_transformations(_datasets(ome)[number], group, len(axes)),
        *_transformations(image, group, len(axes)),
    ]
    scale, shift = [Fraction(1)] * len(axes), [Fraction(0)] * len(axes)
    for kind, values in steps:
        if kind == "scale":
            scale = [a * b for a, b in zip(scale, values, strict=True)]
            shift = [a * b for a, b in zip(shift, values, strict=True)]
        else:
            shift = [a + b for a, b in zip(shift, values, strict=True)]
    units = [NM.get(str(entries[axes.index(axis)].get("unit"))) for axis in "zyx"]
    size, start = ([values[axes.index(axis)] for axis in "zyx"] for values in (scale, shift))
    if any(value <= 0 for value in size):
        raise ArrayError(f"{group.address}: a scale of its OME metadata is not above 0: set url to the array itself")
    said = {kind for kind, _ in steps}
    where = {"axes": "axes of OME"} | ({"offset_nm": TRANSLATION} if "translation" in said else {})
    known = [unit for unit in units if unit is not None]
    if len(known) < len(units) or "scale" not in said:  # see `_complete` for the offset
        voxel, offset = None, _ratio(start, size)
    else:
        voxel, offset = times(size, known), times(start, known)
        where["voxel_nm"] = "scale of OME"
    return replace(
        found,
        stored_axes=axes,
        voxel=voxel,
        offset=offset if "translation" in said else None,
        unit_from=where,
        factor=_factor_of_ome(_datasets(ome), number, group, axes) if voxel is None else None,
    )


def _factor_of_ome(datasets: Sequence[Mapping[str, Any]], number: int, group: Place, axes: str) -> Exact | None:
    """The scale of a dataset over that of the first one, whatever their unit; None if one of them has none."""
    sizes = []
    for dataset in (datasets[0], datasets[number]):
        scales = [values for kind, values in _transformations(dataset, group, len(axes)) if kind == "scale"]
        if not scales or any(value <= 0 for value in scales[0]):
            return None
        sizes.append([scales[0][axes.index(axis)] for axis in "zyx"])
    return _ratio(sizes[1], sizes[0])


def _transformations(entry: Mapping[str, Any], group: Place, n: int) -> list[tuple[str, list[Fraction]]]:
    """The scales and translations of an entry, in the order in which they are applied."""
    found = []
    steps = entry.get("coordinateTransformations") or []
    for step in steps if isinstance(steps, list) else [steps]:
        kind = str(_mapping(step).get("type"))
        if kind == "identity":
            continue
        values = step.get(kind) if kind in ("scale", "translation") else None
        if not isinstance(values, list) or len(values) != n:
            raise ArrayError(
                f"{group.address}: its OME metadata has a coordinateTransformation that cannot be used ({step}): "
                f"accepted are a scale and a translation of {n} numbers"
            )
        found.append((kind, [_number(value, group, kind) for value in values]))
    return found


# --- n5 ---


def _n5(place: Place, scale: int, told: Told) -> Metadata | None:
    entry = _asked(place, "attributes.json")
    if entry is None:
        return None
    if "dimensions" in entry:
        _only_scale(place, scale)
        found = _n5_array(place, entry, told)
        up = place.above()
        if found.voxel is None and up is not None and up[1][:1] == "s" and up[1][1:].isdigit():
            above, refused = _beside(up[0], "attributes.json")
            return replace(_of_pyramid(found, entry, above, int(up[1][1:])), refused=refused)
        return found
    factors = entry.get("scales") or entry.get("downsamplingFactors")
    count = len(factors) if isinstance(factors, list) else None
    if count is not None:
        _one_of(place, scale, count)
    array = place.below(f"s{scale}")
    own = _asked(array, "attributes.json")
    if own is None or "dimensions" not in own:
        if count is None and scale and place.below("s0").read("attributes.json") is not None:
            raise ScaleError(f"{place.address}: there is no scale {scale}: set a smaller one")
        raise ArrayError(_not_found(place))
    found = _of_pyramid(_n5_array(array, own, told), own, entry, scale)
    return replace(found, scale=scale, scales=count)


def _n5_array(place: Place, entry: dict[str, Any], told: Told) -> Metadata:
    shape = _shape(place, entry, "dimensions")
    axes, axes_from = _axes(place, len(shape), None, told.axes, "xyz")
    metadata = {name: entry[name] for name in ("dimensions", "blockSize", "dataType", "compression") if name in entry}
    found = Metadata("n5", place, {"driver": "n5", "metadata": metadata}, shape, axes, unit_from={"axes": axes_from})
    return _own(found, entry, "attributes.json")


def _of_pyramid(found: Metadata, own: Mapping[str, Any], above: Mapping[str, Any], scale: int) -> Metadata:
    """Add what the group of a pyramid says, whose resolution is that of its finest scale."""
    whole = _own(replace(found, voxel=None, offset=None), above, "attributes.json of the group")
    if found.voxel is None:
        listed = above.get("scales") or above.get("downsamplingFactors")
        factor = own.get("downsamplingFactors")
        if not factor and isinstance(listed, list):
            factor = listed[scale] if scale < len(listed) else None
        elif not factor and whole.voxel is not None:
            factor = [2**scale] * 3
        if whole.voxel is not None:
            found = replace(
                found,
                voxel=times(whole.voxel, _stored(found, factor, "downsamplingFactors")),
                unit_from={**found.unit_from, "voxel_nm": f"{whole.unit_from['voxel_nm']}, times its scale"},
            )
        elif factor:
            with suppress(ArrayError):  # it has another meaning, and the shapes say how large voxels are
                found = replace(found, factor=_stored(found, factor, "downsamplingFactors"))
    if found.offset is None and whole.offset is not None:
        found = replace(
            found, offset=whole.offset, unit_from={**found.unit_from, "offset_nm": whole.unit_from["offset_nm"]}
        )
    return found


# --- precomputed ---


def _precomputed(place: Place, scale: int, told: Told) -> Metadata | None:  # noqa: ARG001 - as the other formats
    entry = _asked(place, "info")
    if entry is None:
        return None
    scales = entry.get("scales")
    if not isinstance(scales, list) or not scales or "data_type" not in entry:
        kind = entry.get("@type", "something else")
        raise ArrayError(f"{place.address}: its info is of {kind} and not of a volume: set url to the volume")
    _one_of(place, scale, len(scales))
    chosen = _mapping(scales[scale])
    try:
        metadata = {
            "chunk_size": chosen["chunk_sizes"][0],
            **{name: chosen[name] for name in ("key", "size", "resolution", "encoding")},
            "voxel_offset": chosen.get("voxel_offset", [0, 0, 0]),
        }
        size, begin = exact(chosen["resolution"]), exact(metadata["voxel_offset"])
        channels = int(entry.get("num_channels", 1))
    except (KeyError, IndexError, TypeError, ValueError, ZeroDivisionError):
        raise ArrayError(
            f"{place.address}: scale {scale} in its info cannot be used: it needs key, size, resolution, encoding and "
            "chunk_sizes, with voxel_offset in whole voxels"
        ) from None
    optional = ("compressed_segmentation_block_size", "sharding")
    metadata |= {name: chosen[name] for name in optional if chosen.get(name) is not None}
    volume = {"data_type": entry["data_type"], "num_channels": channels, "type": entry.get("type", "image")}
    spec = {"driver": "neuroglancer_precomputed", "scale_metadata": metadata, "multiscale_metadata": volume}
    where = {"axes": "precomputed: xyz", "voxel_nm": "resolution in info", "offset_nm": "voxel_offset in info"}
    return Metadata(
        "precomputed",
        place,
        spec,
        _shape(place, metadata, "size") + ([channels] if channels > 1 else []),
        "xyzc" if channels > 1 else "xyz",
        scale,
        len(scales),
        _swapped(size),
        _swapped(times(begin, size)),
        where,
    )


# --- what formats have in common ---


def _own(found: Metadata, attributes: Mapping[str, Any], where: str) -> Metadata:
    """Add an array's own `resolution` and `offset` (nm, in stored order), else its `pixelResolution`."""
    origin = dict(found.unit_from)
    voxel, offset = found.voxel, found.offset
    if attributes.get("resolution") is not None:
        voxel = _stored(found, attributes["resolution"], "resolution")
        origin["voxel_nm"] = f"resolution in {where}"
    elif attributes.get("pixelResolution") is not None:
        pixel = _mapping(attributes["pixelResolution"])
        unit = NM.get(str(pixel.get("unit")))
        if unit is not None:
            # n5-viewer: the resolution of the finest scale, where the factors stand beside it.
            factors = attributes.get("downsamplingFactors") or [1, 1, 1]
            if isinstance(factors, list) and isinstance(factors[0], list):
                factors = [1, 1, 1]
            steps = times(_stored(found, factors, "downsamplingFactors"), [unit] * 3)
            voxel = times(_stored(found, pixel.get("dimensions"), "pixelResolution"), steps)
            origin["voxel_nm"] = f"pixelResolution in {where}"
    if attributes.get("offset") is not None:
        offset = _stored(found, attributes["offset"], "offset")
        origin["offset_nm"] = f"offset in {where}"
    return replace(found, voxel=voxel, offset=offset, unit_from=origin)


def _stored(found: Metadata, values: Any, name: str) -> Exact:
    """Three numbers in the order of the stored axes, or one for each axis, as z, y, x."""
    spatial = [axis for axis in found.stored_axes if axis in SPACE]
    if isinstance(values, list) and len(values) == len(found.stored_axes):
        spatial = list(found.stored_axes)
    if not isinstance(values, list) or len(values) != len(spatial):
        raise ArrayError(f"{found.place.address}: {name} cannot be used ({values}): it is a list of three numbers")
    by_axis = dict(zip(spatial, (_number(value, found.place, name) for value in values), strict=True))
    return by_axis["z"], by_axis["y"], by_axis["x"]


def _axes(place: Place, n: int, named: Any, told: str | None, usual: str) -> tuple[str, str]:
    """The stored axes and where they were found: names in the metadata, the config, or what the format is used with."""
    names = [str(name).lower()[:1] for name in named] if isinstance(named, list) else []
    if len(names) == n and set(names) >= SPACE and len(set(names)) == n:
        return "".join(names), "names of dimensions"
    if not 3 <= n <= 5:
        raise ArrayError(f"{place.address}: the array has {n} dimensions: volumes have z, y and x, and url names one")
    space = told or usual
    axes = {"zyx": "tc"[5 - n :] + "zyx", "xyz": "xyz" + "ct"[: n - 3]}[space]
    return axes, "axes of the config" if told else f"usual order of the format ({usual})"


def _shape(place: Place, entry: Mapping[str, Any], name: str) -> list[int]:
    shape = entry.get(name)
    if not isinstance(shape, list) or not all(type(n) is int and n >= 0 for n in shape):
        raise ArrayError(f"{place.address}: {name} in its metadata cannot be used ({shape}): it is not whole numbers")
    if 0 in shape:
        raise ArrayError(f"{place.address}: the array is empty ({name}: {shape})")
    return shape


def _only_scale(place: Place, scale: int) -> None:
    if scale:
        raise ScaleError(
            f"{place.address} is one array and has no scale {scale}: set scale: 0, or url to the folder of all scales"
        )


def _one_of(place: Place, scale: int, count: int) -> None:
    if scale >= count:
        raise ScaleError(f"{place.address} has the scales 0 to {count - 1}, and scale is {scale}: set one of them")


def _number(value: Any, place: Place, name: str) -> Fraction:
    try:
        if isinstance(value, bool):
            raise ValueError
        return Fraction(str(value))
    except (ValueError, ZeroDivisionError):
        raise ArrayError(f"{place.address}: {name} holds {value!r}, which is no number") from None


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _swapped(values: Sequence[Fraction]) -> Exact:
    x, y, z = values
    return z, y, x


def _ratio(values: Sequence[Fraction], over: Sequence[Fraction]) -> Exact:
    z, y, x = (value / size for value, size in zip(values, over, strict=True))
    return z, y, x
