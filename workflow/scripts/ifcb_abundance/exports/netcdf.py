"""Export to NetCDF: time series of all classes, with the conventions CF 1.11 and the attributes of ACDD 1.3."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from netCDF4 import default_fillvals
from numpy.typing import NDArray

from ifcb_abundance.common import version
from ifcb_abundance.common.atomic_write import atomic_write
from ifcb_abundance.common.errors import StateError
from ifcb_abundance.exports.publication import (
    LICENSES,
    LIMITS,
    METHOD,
    Days,
    Publication,
    Tables,
    lsid,
    moves,
    one_threshold,
    read_days,
    west_and_east,
)

PER_M3 = 1e6  # mL in a cubic metre
FILL = {kind: np.dtype(kind).type(default_fillvals[kind]) for kind in ("f8", "i4", "i1")}
TAXON_ABUNDANCE = "number_concentration_of_biological_taxon_in_sea_water"


class Quantity(NamedTuple):
    """A variable of the file: its name, the factor from the column's unit, type, unit and meaning."""

    name: str
    factor: float
    kind: str
    units: str
    meaning: str


# By column of abundance_long. The first is the abundance itself; the others belong to it.
QUANTITIES = {
    "objects_per_ml": Quantity("abundance", PER_M3, "f8", "m-3", "objects per volume of sea water"),
    "objects_per_ml_low": Quantity("abundance_low", PER_M3, "f8", "m-3", "lower exact Poisson (Garwood) limit"),
    "objects_per_ml_high": Quantity("abundance_high", PER_M3, "f8", "m-3", "upper exact Poisson (Garwood) limit"),
    "objects_per_ml_low_dispersed": Quantity(
        "abundance_low_dispersed", PER_M3, "f8", "m-3", "lower limit widened by the dispersion of the bins"
    ),
    "objects_per_ml_high_dispersed": Quantity(
        "abundance_high_dispersed", PER_M3, "f8", "m-3", "upper limit widened by the dispersion of the bins"
    ),
    "count": Quantity("object_count", 1, "i4", "1", "objects (ROIs) counted as the class"),
    "ml_analyzed_total": Quantity("volume", 1, "f8", "mL", "volume of the bins whose label set holds the class"),
    "n_bins_assessed": Quantity("bin_count", 1, "i4", "1", "bins whose label set holds the class"),
    "dispersion": Quantity("dispersion", 1, "f8", "1", "Pearson chi-square of the bins over degrees of freedom"),
}


class Grid(NamedTuple):
    """The position of each event of a dataset among its stations (the groups) and days."""

    stations: list[str]
    days: list[str]
    station_of: NDArray[np.intp]
    day_of: NDArray[np.intp]

    def spread(self, values: pd.Series) -> NDArray[np.float64]:
        """Arrange a value per event in the shape (stations, days), NaN where there is no event."""
        grid = np.full((len(self.stations), len(self.days)), np.nan)
        grid[self.station_of, self.day_of] = values.to_numpy("float64", na_value=np.nan)
        return grid


def export_netcdf(
    tables: Tables,
    run: str | Path,
    group_by: Sequence[str],
    publication: Publication,
    tolerance_km: float,
    confidence: float,
    path: str | Path,
) -> None:
    """Write the dataset as one NetCDF-4 file of stations (the groups), classes and days.

    tables, run: the tables of a run and its run.json; only the time of the catalog is used from it. tolerance_km: if a
    group moves within a day, or is farther from where it was, the feature type is `trajectory`. Days without a used
    bin and classes that a day did not assess are _FillValue; zero is a count. Raises TableError if no bin was used.
    Raises StateError if the file cannot be written.
    Source: CF conventions 1.11, in particular 6.1.2 (taxa) and chapter 9 (discrete sampling geometries); ACDD 1.3.
    """
    dataset = read_days(tables, group_by, publication.dataset)
    events = dataset.events
    stations = list(dict.fromkeys(events["name"]))
    grid = Grid(
        stations,
        dataset.dates,
        pd.Index(stations).get_indexer(pd.Index(events["name"])),
        pd.Index(dataset.dates).get_indexer(pd.Index(events["date"])),
    )
    feature = "trajectory" if moves(events, "name", tolerance_km) else "timeSeries"
    variables = {
        **_times(dataset.dates),
        **_places(events, grid, feature),
        "station_name": _text(
            "station",
            stations,
            long_name="what the bins are pooled by: instrument, depth, cruise or sample type",
            cf_role="trajectory_id" if feature == "trajectory" else "timeseries_id",
        ),
        "complete": _number(
            ("station", "time"),
            grid.spread((events["complete"] == "yes").astype("float64")),
            "i1",
            long_name="whether every bin of the day was used",
            flag_values=np.array([0, 1], "i1"),
            flag_meanings="incomplete complete",
            coverage_content_type="qualityInformation",
        ),
    }
    where = [name for name in ("latitude", "longitude", "depth", "station_name") if name in variables]
    for is_taxon in (True, False):
        rows = dataset.rows[dataset.rows["taxon"] == is_taxon]
        if len(rows):
            variables |= _classes(rows, is_taxon, grid, where, confidence)
    attributes = _about(dataset, publication, run)
    if _all_placed(variables, grid):  # no feature of CF is without a position
        attributes["featureType"] = feature
    with atomic_write(path) as unfinished:
        try:
            xr.Dataset(variables, attrs=attributes).to_netcdf(unfinished, format="NETCDF4", engine="netcdf4")
        except RuntimeError as error:  # the library does not say more when the disk is full
            raise StateError(f"{path} cannot be written: {error}. Is the disk full?") from error


def _classes(
    rows: pd.DataFrame, is_taxon: bool, grid: Grid, where: Sequence[str], confidence: float
) -> dict[str, xr.Variable]:
    """Make the variables of the classes of one kind, in the shape (station, class, time).

    Classes that are no taxon (detritus, bubbles, unclassified, or what the class table has no name for) have a
    dimension and variables of their own: CF's standard name is for the abundance of a taxon, its names are of WoRMS.
    """
    prefix, dimension = ("", "taxon") if is_taxon else ("other_", "other_class")
    classes = rows.drop_duplicates("class").sort_values("class", ignore_index=True)
    label = f"{dimension}_label"
    variables = {label: _text(dimension, classes["class"], long_name="label of the classifier")}
    if is_taxon:
        variables["taxon_name"] = _text(
            dimension, classes["scientific_name"], standard_name="biological_taxon_name", long_name="scientific name"
        )
        if classes["aphia_id"].any():
            variables["taxon_lsid"] = _text(
                dimension,
                classes["aphia_id"].map(lsid),
                standard_name="biological_taxon_lsid",
                long_name="Life Science Identifier in WoRMS; empty if the class table has no AphiaID",
            )
    coordinates = " ".join([*where, *variables])
    variables[f"{prefix}threshold"] = _number(
        (dimension,),
        one_threshold(rows).reindex(classes["class"]).to_numpy("float64"),
        "f8",
        long_name="score that the winning class has to reach (>=); none where it is not the same on all days",
        units="1",
        coordinates=label,
        coverage_content_type="auxiliaryInformation",
    )
    class_of = pd.Index(classes["class"]).get_indexer(pd.Index(rows["class"]))
    station_of, day_of = grid.station_of[rows["event"]], grid.day_of[rows["event"]]
    for column, quantity in QUANTITIES.items():
        values = np.full((len(grid.stations), len(classes), len(grid.days)), np.nan)
        values[station_of, class_of, day_of] = rows[column].to_numpy("float64", na_value=np.nan) * quantity.factor
        name = f"{prefix}{quantity.name}"
        variables[name] = _number(
            ("station", dimension, "time"),
            values,
            quantity.kind,
            long_name=quantity.meaning,
            units=quantity.units,
            coordinates=coordinates,
            coverage_content_type="physicalMeasurement" if column == "objects_per_ml" else "auxiliaryInformation",
        )
        if column.startswith("objects_per_ml_"):
            variables[name].attrs["comment"] = f"counting error only, at the confidence level {confidence}"
    abundance = variables[f"{prefix}abundance"].attrs
    beside = [f"{prefix}{quantity.name}" for quantity in QUANTITIES.values()][1:]
    abundance |= {"cell_methods": "time: mean", "ancillary_variables": " ".join(beside)}
    if is_taxon:
        abundance["standard_name"] = TAXON_ABUNDANCE
    return variables


def _times(dates: Sequence[str]) -> dict[str, xr.Variable]:
    start = np.array(dates, "datetime64[D]").astype("int64").astype("float64")
    no_fill = {"dtype": "f8", "_FillValue": None}
    attributes = {
        "standard_name": "time",
        "long_name": "middle of the UTC day",
        "axis": "T",
        "bounds": "time_bounds",
        "units": "days since 1970-01-01 00:00:00 UTC",
        "units_metadata": "leap_seconds: none",
        "calendar": "standard",
        "coverage_content_type": "coordinate",
    }
    return {
        "time": xr.Variable("time", start + 0.5, attributes, no_fill),
        "time_bounds": xr.Variable(("time", "bounds"), np.column_stack([start, start + 1]), {}, no_fill),
    }


def _places(events: pd.DataFrame, grid: Grid, feature: str) -> dict[str, xr.Variable]:
    """Latitude, longitude and depth if known: per station if they stay the same, otherwise per station and day."""
    found = {}
    columns = {
        "latitude": (events["latitude"], "degrees_north"),
        "longitude": (events["longitude"], "degrees_east"),
        "depth": ((events["depth_low"] + events["depth_high"]) / 2, "m"),
    }
    for name, (values, units) in columns.items():
        if values.isna().all():
            continue
        first = values.groupby(grid.station_of).transform("first")
        stays = (values.isna() | (values == first)).all() if name == "depth" else feature == "timeSeries"
        if stays:
            per_station = first.groupby(grid.station_of).first().to_numpy("float64")
            found[name] = _number(("station",), per_station, "f8", long_name=f"{name}, on the first day", units=units)
        else:
            found[name] = _number(("station", "time"), grid.spread(values), "f8", units=units)
            found[name].attrs["long_name"] = f"{name}, of the day's used bins"
        found[name].attrs |= {"standard_name": name, "coverage_content_type": "coordinate"}
    if "depth" in found:
        found["depth"].attrs["positive"] = "down"
    return found


def _all_placed(variables: dict[str, xr.Variable], grid: Grid) -> bool:
    """Whether the file has latitude and longitude of each station or, where they are per day, of each event."""
    for axis in ("latitude", "longitude"):
        values = variables[axis].values if axis in variables else np.full(len(grid.stations), np.nan)
        at = grid.station_of if values.ndim == 1 else (grid.station_of, grid.day_of)
        if np.isnan(values[at]).any():
            return False
    return True


def _text(dimension: str, values: Sequence[str] | pd.Series, **attributes: Any) -> xr.Variable:
    return xr.Variable(dimension, np.array(list(values), dtype=object), attributes, {"dtype": "S1"})


def _number(dimensions: tuple[str, ...], values: NDArray[np.float64], kind: str, **attributes: Any) -> xr.Variable:
    """Make a variable; NaN becomes _FillValue."""
    encoding = {"dtype": kind, "_FillValue": FILL[kind], "zlib": True, "complevel": 4}
    return xr.Variable(dimensions, values, attributes, encoding)


def _about(dataset: Days, publication: Publication, run: str | Path) -> dict[str, Any]:
    """Make the global attributes of CF and ACDD that are known."""
    read_on = json.loads(Path(run).read_text(encoding="utf-8"))["catalog_read_at"][:10]
    events, dates = dataset.events, dataset.dates
    end = np.datetime64(dates[-1]) + 1
    instruments = sorted({name for names in events["instruments"] for name in names.split(";")})
    about: dict[str, Any] = {
        "Conventions": "CF-1.11, ACDD-1.3",
        "title": publication.title,
        "summary": publication.summary,
        "keywords": "plankton, abundance, Imaging FlowCytobot",
        "id": publication.dataset,
        "institution": publication.institution,
        "creator_name": publication.creator_name,
        "creator_email": publication.creator_email,
        "license": f"{publication.license}, {LICENSES[publication.license]}",
        "source": f"Imaging FlowCytobot: {', '.join(instruments)}",
        "instrument": "Imaging FlowCytobot",
        "classifier": publication.model,
        "comment": f"{METHOD} {LIMITS}",
        "processing_level": "daily abundance from the scores of a classifier",
        "history": f"made by {version.NAME} {version.VERSION} from the list of bins read on {read_on}",
        "date_created": read_on,
        "references": publication.info_url,
        "standard_name_vocabulary": "CF Standard Name Table v93",
        "time_coverage_start": f"{dates[0]}T00:00:00Z",
        "time_coverage_end": f"{end}T00:00:00Z",
        "time_coverage_duration": f"P{(end - np.datetime64(dates[0])).astype(int)}D",
        "time_coverage_resolution": "P1D",
    }
    axes = {
        "lat": ("latitude", "latitude", "degrees_north"),
        "lon": ("longitude", "longitude", "degrees_east"),
        "vertical": ("depth_low", "depth_high", "m"),
    }
    for axis, (low, high, units) in axes.items():
        if events[low].notna().any():
            about[f"geospatial_{axis}_min"] = events[low].min()
            about[f"geospatial_{axis}_max"] = events[high].max()
            about[f"geospatial_{axis}_units"] = units
    if "geospatial_lon_min" in about:
        about["geospatial_lon_min"], about["geospatial_lon_max"] = west_and_east(events["longitude"])
    if "geospatial_vertical_min" in about:
        about["geospatial_vertical_positive"] = "down"
    return {name: value for name, value in about.items() if value != ""}
