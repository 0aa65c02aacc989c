"""Size spectra: how many objects there are per equivalent spherical diameter, and below which size they drop off.

The diameter (ESD) is the diameter of a sphere of the object's volume. Bins are quarters of an octave: a bin's upper
edge is 2^(1/4) times its lower one, and 1 um is an edge. Normalised, a spectrum is the objects per mL over the bin's
width. In the sea it falls with size; where it rises, towards small sizes, the instrument no longer sees or triggers on
all there are. So counts drop off at the bin of its maximum: smaller objects are counted in part.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ifcb_abundance.tables import table_files

PER_OCTAVE = 4
ALL, LIVING = "all", "living"


def esd(volume: NDArray[np.float64]) -> NDArray[np.float64]:
    """Convert volumes (um3) to equivalent spherical diameters (um): (6 V / pi)^(1/3)."""
    diameter: NDArray[np.float64] = np.cbrt(6 * volume / np.pi)
    return diameter


def size_bin(diameter: NDArray[np.float64]) -> NDArray[np.int64]:
    """Number the bin of each diameter (um, above 0): bin k is from 2^(k/4), inclusive, to 2^((k+1)/4) um."""
    number: NDArray[np.int64] = np.floor(PER_OCTAVE * np.log2(diameter)).astype(np.int64)
    return number


def spectrum(volumes: Mapping[str, NDArray[np.float64]], ml_analyzed: float) -> pd.DataFrame:
    """Compute the size spectra of the objects of some bins: rows of `size_spectrum` without date and group.

    volumes: of each object (um3, above 0), under ALL and, where it is known what lives, under LIVING, which are among
    them. ml_analyzed: mL. A bin without objects between others has a row; no rows if there is no object.
    """
    numbers = {objects: size_bin(esd(of_objects)) for objects, of_objects in volumes.items()}
    if not len(numbers[ALL]):
        return table_files.empty("size_spectrum").drop(columns=["date", "instrument"])
    first, last = int(numbers[ALL].min()), int(numbers[ALL].max())
    edges = 2.0 ** (np.arange(first, last + 2) / PER_OCTAVE)
    tables = []
    for objects, of_objects in numbers.items():
        count = np.bincount(of_objects - first, minlength=last - first + 1)
        table = pd.DataFrame({"esd_low_um": edges[:-1], "esd_high_um": edges[1:], "count": count})
        table["ml_analyzed_total"] = ml_analyzed
        table["objects_per_ml"] = count / ml_analyzed
        table["objects_per_ml_per_um"] = table["objects_per_ml"] / (edges[1:] - edges[:-1])
        tables.append(table.assign(objects=objects))
    return pd.concat(tables, ignore_index=True).assign(drop_off_um=drop_off(tables[0]))


def drop_off(table: pd.DataFrame) -> float:
    """Find the diameter (um) at which a spectrum is highest: the lower edge of its highest bin.

    table: a spectrum of all objects, with columns esd_low_um and objects_per_ml_per_um, in order of size. If several
    bins are as high, the smallest counts.
    """
    return float(table["esd_low_um"].iloc[int(table["objects_per_ml_per_um"].to_numpy().argmax())])
