"""The NetCDF export: every number against the tables it came from, the conventions against the compliance-checker."""

import json
import resource
from collections.abc import Sequence
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr
from compliance_checker.runner import CheckSuite, ComplianceChecker

from ifcb_abundance.common.errors import StateError, TableError
from ifcb_abundance.exports.netcdf import export_netcdf
from tests.exports.export_tables import PUBLICATION, Day, write_tables

CLASSES = {"Akashiwo": (3, 60.0), "Alexandrium_catenella": (0, 60.0), "detritus": (7, 60.0), "unclassified": (20, 60.0)}


def export(folder: Path, days: Sequence[Day], group_by: Sequence[str] = ("instrument",)) -> Path:
    tables = write_tables(folder, days, group_by)
    path = folder / "out" / "demo.nc"
    export_netcdf(tables, folder / "run.json", group_by, PUBLICATION, 1.0, 0.95, path)
    return path


def complaints(path: Path, *conventions: str) -> dict[str, list[str]]:
    """What the IOOS compliance-checker says of the file, by its convention and priority."""
    report = path.with_suffix(".json")
    CheckSuite.load_all_available_checkers()
    ComplianceChecker.run_checker(
        str(path), conventions, 0, "normal", output_filename=str(report), output_format="json"
    )
    found = {}
    for convention, result in json.loads(report.read_text()).items():
        for level in ("high", "medium", "low"):
            messages = [f"{of['name']}: {m}" for of in result[f"{level}_priorities"] for m in of["msgs"]]
            found[f"{convention} {level}"] = messages
    return found


def test_numbers_are_the_tables_per_cubic_metre(tmp_path: Path) -> None:
    other = {"Akashiwo": (6, 30.0), "detritus": (0, 30.0), "unclassified": (1, 30.0)}  # Alexandrium was not assessed
    path = export(
        tmp_path,
        [
            Day("2024-04-15", CLASSES),
            Day("2024-04-15", other, instrument="IFCB125", latitude=41.1, longitude=-70.8, depths=(7.0, 7.0)),
            Day("2024-04-16", CLASSES, used=False),
            Day("2024-04-17", CLASSES, complete="no"),
        ],
    )
    with xr.open_dataset(path) as data:
        assert data.sizes == {"station": 2, "time": 3, "bounds": 2, "taxon": 2, "other_class": 2}
        assert data["time"].dt.strftime("%FT%H").values.tolist() == ["2024-04-15T12", "2024-04-16T12", "2024-04-17T12"]
        assert data["station_name"].values.tolist() == ["IFCB10", "IFCB125"]
        assert data["taxon_name"].values.tolist() == ["Akashiwo", "Alexandrium catenella"]
        assert data["taxon_lsid"].values.tolist() == ["", "urn:lsid:marinespecies.org:taxname:231873"]
        assert data["other_class_label"].values.tolist() == ["detritus", "unclassified"]
        nan = np.nan
        # 3 in 60 mL are 0.05 per mL, 50,000 per cubic metre; zero is zero; not assessed and no data are missing
        expected = [[[5e4, nan, 5e4], [0, nan, 0]], [[2e5, nan, nan], [nan, nan, nan]]]
        np.testing.assert_allclose(data["abundance"].transpose("station", "taxon", "time"), expected, rtol=1e-14)
        np.testing.assert_allclose(data["abundance_high"][0, 1], [5e4, nan, 5e4], rtol=1e-14)  # 3 / 60 mL
        np.testing.assert_allclose(data["other_abundance"][1, :, 0], [0, 1e6 / 30], rtol=1e-14)
        np.testing.assert_allclose(data["volume"][:, 0, 0], [60, 30])
        np.testing.assert_allclose(data["object_count"][:, 0, 0], [3, 6])
        np.testing.assert_allclose(data["bin_count"][:, 0, 0], [1, 2])
        np.testing.assert_allclose(data["complete"], [[1, nan, 0], [1, nan, nan]])
        np.testing.assert_allclose(data["latitude"], [41.325, 41.1])
        np.testing.assert_allclose(data["depth"], [4, 7])
        np.testing.assert_allclose(data["threshold"], [0.7, 0.7])
        np.testing.assert_allclose(data["other_threshold"], [0.7, nan])
        assert data["abundance"].attrs["standard_name"] == "number_concentration_of_biological_taxon_in_sea_water"
        assert "standard_name" not in data["other_abundance"].attrs
        assert data.attrs["date_created"] == "2024-06-01"  # when the bins were listed
        assert data.attrs["title"] == PUBLICATION.title
    with netCDF4.Dataset(path) as raw:
        raw.set_auto_maskandscale(False)
        assert raw["abundance"][0, 1].tolist() == [0.0, raw["abundance"]._FillValue, 0.0]
        assert raw["abundance"]._FillValue != 0
        days = (np.datetime64("2024-04-15") - np.datetime64("1970-01-01")).astype(int)
        assert raw["time_bounds"][:].tolist() == [[days, days + 1], [days + 1, days + 2], [days + 2, days + 3]]


def test_a_series_of_stations_is_cf_1_11_without_a_complaint(tmp_path: Path) -> None:
    path = export(tmp_path, [Day("2024-04-15", CLASSES), Day("2024-04-15", CLASSES, instrument="IFCB125")])
    found = complaints(path, "cf:1.11", "acdd:1.3")
    assert {level: found[level] for level in found if "cf" in level} == {
        "cf:1.11 high": [],
        "cf:1.11 medium": [],
        "cf:1.11 low": [],
    }
    # ACDD wishes for a standard name for each variable; there is none for limits, counts and volumes.
    assert all("standard_name" in message for message in found["acdd:1.3 high"])


def test_the_checker_would_complain(tmp_path: Path) -> None:
    path = export(tmp_path, [Day("2024-04-15", CLASSES)])
    with netCDF4.Dataset(path, "a") as raw:
        raw["abundance"].units = "kg"
    assert any("abundance" in message for message in complaints(path, "cf:1.11")["cf:1.11 high"])


@pytest.mark.parametrize(
    ("days", "group_by", "feature"),
    [
        # a ship: it moves within the day
        ([Day("2024-04-15", CLASSES, moving="yes", spread=80.0), Day("2024-04-16", CLASSES)], [], "trajectory"),
        # a mooring that was put elsewhere, at another depth
        (
            [Day("2024-04-15", CLASSES), Day("2024-04-16", CLASSES, latitude=42.0, depths=(9.0,))],
            ["instrument"],
            "trajectory",
        ),
        # one of two groups has no position, and no depth: no feature of CF
        (
            [
                Day("2024-04-15", CLASSES, groups={"depth": 5.0, "cruise": "EN 1"}, depths=(5.0,)),
                Day("2024-04-15", CLASSES, groups={"depth": None, "cruise": ""}, depths=(None,), latitude=None),
            ],
            ["depth", "cruise"],
            None,
        ),
        # a ship whose position is not known on one of the days: likewise
        (
            [
                Day("2024-04-15", CLASSES, moving="yes"),
                Day("2024-04-16", CLASSES, latitude=None, longitude=None),
                Day("2024-04-17", CLASSES, latitude=42.0),
            ],
            ["instrument"],
            None,
        ),
        # a mooring whose position is not known on one of the days: it is where it was. Nor is it on a day without data
        (
            [
                Day("2024-04-15", CLASSES, latitude=None, longitude=None),
                Day("2024-04-16", CLASSES),
                Day("2024-04-17", CLASSES, latitude=None, longitude=None, used=False),
            ],
            ["instrument"],
            "timeSeries",
        ),
        # no position at all
        ([Day("2024-04-15", CLASSES, latitude=None, longitude=None, depths=(None,))], ["instrument"], None),
        # only what is no taxon, under odd names
        ([Day("2024-04-15", {"nano <10um": (1, 2.0), '\u00e9t\u00e9, "x"': (0, 2.0)})], ["instrument"], "timeSeries"),
        # only taxa without an AphiaID
        ([Day("2024-04-15", {"Akashiwo": (1, 2.0)})], [], "timeSeries"),
    ],
    ids=["ship", "moved", "half placed", "a day nowhere", "mooring", "nowhere", "odd names", "no AphiaID"],
)
def test_all_kinds_of_datasets_are_cf(tmp_path: Path, days: list[Day], group_by: list[str], feature: str) -> None:
    path = export(tmp_path, days, group_by)
    with xr.open_dataset(path) as data:
        assert data.attrs.get("featureType") == feature
        assert ("latitude" in data) == any(day.latitude is not None for day in days)
    assert not any(complaints(path, "cf:1.11").values())


def test_groups_keep_their_names(tmp_path: Path) -> None:
    days = [
        Day("2024-04-15", CLASSES, groups={"depth": 5.0, "cruise": "EN 1"}, depths=(5.0,)),
        Day("2024-04-15", CLASSES, groups={"depth": None, "cruise": ""}, depths=(None,)),
    ]
    with xr.open_dataset(export(tmp_path, days, ["depth", "cruise"])) as data:
        assert data["station_name"].values.tolist() == ["depth 5 m, cruise EN 1", "depth unknown, cruise unknown"]
    with xr.open_dataset(export(tmp_path, [Day("2024-04-15", CLASSES)], [])) as data:
        assert data["station_name"].values.tolist() == ["demo"]


def test_the_same_tables_give_the_same_bytes(tmp_path: Path) -> None:
    first = export(tmp_path, [Day("2024-04-15", CLASSES)]).read_bytes()
    (tmp_path / "out" / "demo.nc").unlink()
    assert export(tmp_path, [Day("2024-04-15", CLASSES)]).read_bytes() == first


def test_nothing_to_export_is_said(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="no bin of the window was used, so there is nothing to export"):
        export(tmp_path, [Day("2024-04-15", {}, used=False)])
    assert not (tmp_path / "out" / "demo.nc").exists()


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))  # no file may be larger
    try:
        with pytest.raises(StateError, match=r"demo.nc cannot be written: .*Is the disk full"):
            export(tmp_path, [Day("2024-04-15", CLASSES)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list((tmp_path / "out").iterdir())


def test_a_group_without_a_name_is_not_the_one_that_is_called_unknown(tmp_path: Path) -> None:
    days = [
        Day("2024-04-15", {"Akashiwo": (count, 60.0)}, groups={"cruise": cruise})
        for count, cruise in ((3, "unknown"), (5, ""), (7, "EN1"))
    ]
    with xr.open_dataset(export(tmp_path, days, ["cruise"])) as data:
        assert data["station_name"].values.tolist() == ["cruise unknown", "cruise not known", "cruise EN1"]
        assert data["object_count"].values.ravel().tolist() == [3, 5, 7]


def test_a_threshold_that_is_not_the_same_on_all_days_is_none(tmp_path: Path) -> None:
    """As with those of the classifier: classify.class_thresholds: from_scores."""
    both = {"Akashiwo": (3, 60.0), "Chaetoceros": (1, 60.0)}
    days = [Day("2024-04-15", both, threshold=0.7), Day("2024-04-16", {"Akashiwo": (3, 60.0)}, threshold=0.4)]
    with xr.open_dataset(export(tmp_path, days)) as data:
        assert data["taxon_label"].values.tolist() == ["Akashiwo", "Chaetoceros"]
        np.testing.assert_equal(data["threshold"].values, [np.nan, 0.7])


def test_the_span_of_longitudes_goes_over_the_date_line(tmp_path: Path) -> None:
    """ACDD: the western end may be the greater one."""
    days = [
        Day(f"2024-04-{day}", CLASSES, longitude=longitude)
        for day, longitude in ((15, 179.5), (16, -179.25), (17, 179.75))
    ]
    with xr.open_dataset(export(tmp_path, days)) as data:
        assert (data.attrs["geospatial_lon_min"], data.attrs["geospatial_lon_max"]) == (179.5, -179.25)
