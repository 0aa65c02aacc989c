"""Positions of bins: which bins have one, and what is wrong with the others.

A latitude without a longitude, or the other way round, is no position. Neither is exactly 0,0: devices and databases
write it when they know no position, and no mooring with an IFCB is known in the Gulf of Guinea. catalog.csv keeps both.
It does not keep degrees that do not exist on earth, nor a depth that is none; its position_note names them.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

EARTH_KM = 6371.0088  # mean radius, IUGG
# Degrees, and metres: from a tap high above the sea to below the deepest trench, so that -999 is none.
LIMITS = {"latitude": (-90.0, 90.0), "longitude": (-180.0, 180.0), "depth": (-100.0, 12_000.0)}


@dataclass(frozen=True)
class Positions:
    """Counts of bins: with a position, without one, with half of one, and at exactly 0,0 (unknown)."""

    known: int
    missing: int
    half: int
    zero: int


def has_position(bins: pd.DataFrame, accept_zero: bool) -> pd.Series:
    """Tell which bins have a position.

    bins: columns latitude and longitude (degrees, NaN where unknown). accept_zero: whether 0,0 is one.
    """
    return bins[["latitude", "longitude"]].notna().all(axis="columns") & (accept_zero | ~_at_zero(bins))


def only_positions(bins: pd.DataFrame, accept_zero: bool) -> pd.DataFrame:
    """The bins, with NaN as latitude and longitude of bins without a position (see `has_position`)."""
    known = has_position(bins, accept_zero)
    return bins.assign(**{axis: bins[axis].where(known) for axis in ("latitude", "longitude")})


def count_positions(bins: pd.DataFrame, accept_zero: bool) -> Positions:
    """How many of the bins have a position, and what is wrong with the others (see `has_position`)."""
    axes = bins[["latitude", "longitude"]].notna().sum(axis="columns")
    return Positions(
        known=int(has_position(bins, accept_zero).sum()),
        missing=int((axes == 0).sum()),
        half=int((axes == 1).sum()),
        zero=0 if accept_zero else int(_at_zero(bins).sum()),
    )


def _at_zero(bins: pd.DataFrame) -> pd.Series:
    return (bins["latitude"] == 0) & (bins["longitude"] == 0)


def greatest_distance_km(latitude: NDArray[np.float64], longitude: NDArray[np.float64]) -> float:
    """The greatest great-circle distance between any two of the positions, in km; NaN without a position.

    latitude, longitude: degrees, same length, NaN where unknown. By the haversine formula on a sphere.
    """
    known = ~(np.isnan(latitude) | np.isnan(longitude))
    lat, lon = np.radians(latitude[known]), np.radians(longitude[known])
    if not len(lat):
        return float("nan")
    half_chord = (
        np.sin((lat[:, None] - lat) / 2) ** 2
        + np.cos(lat[:, None]) * np.cos(lat) * np.sin((lon[:, None] - lon) / 2) ** 2
    )
    return float(2 * EARTH_KM * np.arcsin(np.sqrt(np.clip(half_chord.max(), 0, 1))))
