"""The config's sections `volumes` and `samples`."""

import os.path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from ifcb_abundance.config.section import EachOnce, Section, key, section

FilePath = Annotated[str, Field(min_length=1), AfterValidator(os.path.expanduser)]
Sizes = Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=3, max_length=3)]


def _as_list(given: Any) -> Any:
    return [given] if isinstance(given, str) and given not in ("", "null") else given


def _odd(n: int) -> int:
    if n % 2 == 0:
        raise ValueError("an even number of slices has no centre")
    return n


class VolumeDuplicates(Section):
    """Which patches of a volume count as copies of another."""

    hash: Literal["difference", "steady"] = key(
        "difference", "'difference' or 'steady': the hash of a patch, as in curation.duplicates"
    )
    distance: int = key(
        12,
        "a whole number from 0 to 64: two patches may be copies if at most so many bits of their hashes differ",
        ge=0,
        le=64,
    )
    confirm: float | None = key(
        None,
        "null or a number from 0 to 1: copies must also correlate at least so well, pixel by pixel; null: the hash "
        "alone decides",
        ge=0,
        le=1,
    )
    seed: int = key(1, "a whole number from 0: it decides which copy of several is kept", ge=0)


class VolumeFilter(Section):
    """Which patches of volumes hold something worth looking at."""

    labels: FilePath | None = key(
        None, "null or the path of a CSV file image,label, where image is a patch; as in curation.filter"
    )
    model: Literal["statistics", "resnet34"] = key("statistics", "'statistics' or 'resnet34', as in curation.filter")
    weights: FilePath | None = key(None, "null or the path of a file of weights, as in curation.filter")
    threshold: float = key(0.5, "a number from 0 to 1: a patch that scores at least this is informative", ge=0, le=1)


class Flipbooks(Section):
    """Patches with the slices around them."""

    slices: Annotated[int, AfterValidator(_odd), Field(json_schema_extra={"not": {"multipleOf": 2}})] = key(
        5, "an odd whole number from 1 to 999: slices of a flipbook; the patch is the centre one", ge=1, le=999
    )
    of: FilePath = key("kept", "'kept' or the path of a CSV file with the column patch: which patches get a flipbook")
    limit: int | None = key(None, "null or a whole number from 1: flipbooks of a dataset at most; null: all", ge=1)
    seed: int = key(1, "a whole number from 0: it decides which ones, where there is a limit", ge=0)


class VolumesOfImages(Section):
    """Volumes: slices, patches, flipbooks."""

    folder: Annotated[list[FilePath], Field(min_length=1), BeforeValidator(_as_list)] | None = key(
        None,
        "null, the path of a folder of volumes, or a list of such paths; null: the crops that `samples` takes",
        "Read are .nrrd, .mrc, .rec, .tif, .tiff, .avi and .mp4, and .nii, .nii.gz, .mha and .mhd where SimpleITK is "
        "installed",
    )
    scaling: Literal["type", "range"] = key(
        "type",
        "'type' or 'range': how voxels become bytes; type: the range of the file's type becomes 0 to 255, range: the "
        "range of the volume does",
    )
    axes: EachOnce[Literal[0, 1, 2]] = key(
        [0, 1, 2], "a list of any of 0, 1 and 2, each once: the axes that slices are cut along; 0: xy, 1: xz, 2: yz"
    )
    spacing: int = key(1, "a whole number from 1: every so manyth slice is cut", ge=1)
    patch_px: int = key(224, "a whole number from 16 to 4096: the side of a patch", ge=16, le=4096)
    anisotropy: float = key(
        0.25,
        "a number from 0: a volume is cut along axis 0 only if its voxels differ in x and z by more than this part of "
        "x; so are videos",
        ge=0,
    )
    duplicates: VolumeDuplicates = section(
        "a mapping of hash, distance, confirm and seed: which patches of a volume count as copies of another"
    )
    filter: VolumeFilter = section("a mapping of labels, model, weights and threshold: which patches are informative")
    flipbooks: Flipbooks = section("a mapping of slices, of, limit and seed: patches with the slices around them")
    voxel_nm: dict[Annotated[str, Field(min_length=1)], Sizes] = key(
        {},
        "a mapping of volumes to lists of three numbers of nm above 0, [z, y, x]: how large the voxels are of a volume "
        "whose file does not say",
        "A volume is called as its file is, without the suffix",
    )


class Samples(Section):
    """Crops of datasets that are too large to be copied."""

    datasets: FilePath | None = key(
        None,
        "null or the path of a CSV file of datasets with the columns download_url, volume_name and, if need be, mip, "
        "voxel_x, voxel_y, voxel_z, crop, crop_size, invert, padding_value, endpoint_url: what crops are taken from",
        "Columns url, source and api are accepted and not needed. See [Volumes](../docs/how-to/volumes.md)",
        alias="list",
    )
    max_bytes: int = key(
        5_000_000_000,
        "a whole number of bytes from 1: all crops of a dataset are no larger",
        "Bytes are those that are read: voxels by the bytes that one has where it is stored, before compression",
        ge=1,
    )
    filled: float = key(0.7, "a number from 0 to 1: the part of a box that has to be no padding", ge=0, le=1)
    seed: int = key(1, "a whole number from 0: it decides which boxes are taken", ge=0)
