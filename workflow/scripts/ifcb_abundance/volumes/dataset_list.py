"""The list of datasets that crops are taken from, with the columns of volume-em/cem-dataset (`ngff_datasets.csv`)."""

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ifcb_abundance.common.errors import ConfigError, quoted
from ifcb_abundance.common.named import Named
from ifcb_abundance.common.strict_csv import read_given
from ifcb_abundance.volumes.files import Triple
from ifcb_abundance.volumes.names import check_name

log = logging.getLogger("ifcb.volumes")

NEEDED = ("download_url", "volume_name")
KNOWN = (
    *NEEDED,
    *("url", "source", "api"),
    *("mip", "voxel_x", "voxel_y", "voxel_z", "crop", "crop_size", "invert", "padding_value", "endpoint_url"),
)
UNKNOWN = ("", "x", "na", "nan")  # how a size that nobody knows is written
LARGEST_CROP = 4096


@dataclass(frozen=True)
class Dataset:
    """A dataset of the list.

    line: where it stands. url: of the array, or the path of a file. mip: the scale. voxel_nm: of scale 0, z, y, x; None
    where the list does not say. crop: take boxes; else the whole array. padding_value: as it is stored.
    """

    line: int
    name: str
    url: str
    mip: int = 0
    voxel_nm: Triple | None = None
    crop: bool = True
    crop_size: int = 256
    invert: bool = False
    padding_value: float = 0
    endpoint_url: str | None = None


def read_datasets(path: str | Path) -> Named[Dataset]:
    """Read the list, by name. Rows that cannot be used are named with their line and left out.

    Raises ConfigError if the file cannot be read, lacks a column, or has no row that can be used.
    """
    where = f"samples.list: {path}"
    table = read_given(path, where, NEEDED)
    unknown = [name for name in table if name not in KNOWN]
    if unknown:
        log.warning(f"{where}: line 1: the columns {quoted(unknown)} are not known and not used")
    found: dict[str, Dataset] = {}
    problems: list[str] = []
    for number in range(len(table["volume_name"])):
        row = {name: cells[number].strip() for name, cells in table.items()}
        try:
            dataset = _read_row(row, number + 2)
            if dataset.name in found:
                raise ValueError(f"volume_name {dataset.name!r} is in line {found[dataset.name].line} already")
        except (ValueError, ConfigError) as error:
            problems.append(f"{where}: line {number + 2} is not used: {error}")
            continue
        found[dataset.name] = dataset
    for problem in problems:
        log.warning(problem)
    if not found:
        raise ConfigError(problems[0] if problems else f"{where} has no row")
    return Named("samples.list: no dataset is called", found)


def _read_row(row: Mapping[str, str], line: int) -> Dataset:
    if not row["download_url"]:
        raise ValueError("download_url is empty")
    voxel = [_size(row.get(f"voxel_{axis}", ""), f"voxel_{axis}") for axis in "zyx"]
    z, y, x = voxel
    return Dataset(
        line,
        check_name(row["volume_name"], "volume_name"),
        row["download_url"],
        _whole(row, "mip", 0, 0, 30),
        (z, y, x) if z and y and x else None,
        _truth(row, "crop", True),
        _whole(row, "crop_size", 256, 2, LARGEST_CROP),
        _truth(row, "invert", False),
        _number(row.get("padding_value") or "0", "padding_value"),
        row.get("endpoint_url") or None,
    )


def _number(text: str, name: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{name} is {text!r} and no number")
    return value


def _size(text: str, name: str) -> float | None:
    if text.lower() in UNKNOWN:
        return None
    value = _number(text, name)
    if value <= 0:
        raise ValueError(f"{name} is {text!r} and not above 0")
    return value


def _whole(row: Mapping[str, str], name: str, usual: int, least: int, most: int) -> int:
    text = row.get(name) or str(usual)
    value = _number(text, name)
    if value != int(value) or not least <= value <= most:
        raise ValueError(f"{name} is {text!r} and no whole number from {least} to {most}")
    return int(value)


def _truth(row: Mapping[str, str], name: str, usual: bool) -> bool:
    text = (row.get(name) or str(usual)).lower()
    if text not in ("true", "false", "1", "0", "yes", "no"):
        raise ValueError(f"{name} is {row[name]!r} and neither TRUE nor FALSE")
    return text in ("true", "1", "yes")
