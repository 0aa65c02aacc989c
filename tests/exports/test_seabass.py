"""The SeaBASS export against the rules of the format, as NASA's wiki documents them and its FCHECK asks for them."""

import csv
import logging
import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pytest

from ifcb_abundance.common.errors import TableError
from ifcb_abundance.exports.seabass import export_seabass
from tests.exports.export_tables import PUBLICATION, Day, write_tables

CLASSES = {"Akashiwo": (3, 60.0), "Alexandrium_catenella": (0, 60.0), "detritus": (7, 60.0), "unclassified": (20, 60.0)}
# Headers that every file needs, and what their values look like.
NAME, WHEN, PLACE = r"[^\s,]+", r"\d\d:\d\d:\d\d\[GMT\]", r"-?\d+(\.\d+)?\[DEG\]"
REQUIRED = {
    "investigators": rf"{NAME}(,{NAME})*",
    "affiliations": rf"{NAME}(,{NAME})*",
    "contact": r"[^\s,@]+@[^\s,@]+",
    "experiment": NAME,
    "cruise": NAME,
    "station": NAME,
    "data_file_name": NAME,
    "documents": rf"{NAME}(,{NAME})*",
    "calibration_files": rf"{NAME}(,{NAME})*",
    "data_type": "cast|flow_thru|above_water|sunphoto|mooring|drifter|scan|lidar|pigment",
    "data_status": "preliminary|update|final",
    "instrument_model": rf"{NAME}(,{NAME})*",
    "instrument_manufacturer": rf"{NAME}(,{NAME})*",
    "start_date": r"\d{8}",
    "end_date": r"\d{8}",
    "start_time": WHEN,
    "end_time": WHEN,
    "north_latitude": PLACE,
    "south_latitude": PLACE,
    "east_longitude": PLACE,
    "west_longitude": PLACE,
    "water_depth": r"NA|\d+(\.\d+)?",
    "missing": r"-\d+",
    "delimiter": "comma|space|tab",
    "fields": rf"{NAME}(,{NAME})*",
    "units": rf"{NAME}(,{NAME})*",
}
# Standard fields and their units; the suffix _1id may stand behind a field and is then declared in the header.
STANDARD = {
    "station_alt_id": "none",
    "date": "yyyymmdd",
    "time": "hh:mm:ss",
    "lat": "degrees",
    "lon": "degrees",
    "depth": "m",
    "volume": "L",
    "abun": "number/m^3",
}


def read(path: Path) -> tuple[dict[str, str], list[str], list[dict[str, str]]]:
    """Headers, comments and rows; every rule is checked on the way."""
    text = path.read_bytes().decode("ascii")
    assert text.endswith("\n")
    assert "\r" not in text
    first, *lines = text.splitlines()
    assert first == "/begin_header"
    end = lines.index("/end_header")
    headers, comments = {}, []
    for line in lines[:end]:
        if line.startswith("!"):
            comments.append(line)
            continue
        key, value = re.fullmatch(r"/([a-z_]+)=(\S+)", line).groups()
        assert key not in headers
        headers[key] = value
    for key, form in REQUIRED.items():
        assert re.fullmatch(form, headers[key]), key
    assert headers["data_file_name"] == path.name
    fields, units = headers["fields"].split(","), headers["units"].split(",")
    assert len(fields) == len(units) == len(set(fields))
    declared = dict(pair.split(":") for pair in headers["id_fields_definitions"].split(","))
    for field, unit in zip(fields, units, strict=True):
        name, _, number = field.partition("_") if field.endswith("id") and field not in STANDARD else (field, "", "")
        assert STANDARD[name] == unit
        assert not number or declared.pop(number)
    assert not declared
    rows = [dict(zip(fields, line.split(","), strict=True)) for line in lines[end + 1 :]]
    assert rows
    for row in rows:
        assert not [cell for cell in row.values() if not cell or re.search(r"\s", cell)]
        numbers = {
            name: float(cell)
            for name, cell in row.items()
            if STANDARD.get(name, "1") not in ("none", "yyyymmdd", "hh:mm:ss")
        }
        assert -90 <= numbers["lat"] <= 90
        assert -180 <= numbers["lon"] <= 180
    times = [datetime.strptime(row["date"] + row["time"], "%Y%m%d%H:%M:%S") for row in rows]
    assert times == sorted(times)
    assert f"{times[0]:%Y%m%d%H:%M:%S}[GMT]" == headers["start_date"] + headers["start_time"]
    assert f"{times[-1]:%Y%m%d%H:%M:%S}[GMT]" == headers["end_date"] + headers["end_time"]
    corner = {side: float(headers[f"{side}_latitude"].removesuffix("[DEG]")) for side in ("north", "south")}
    corner |= {side: float(headers[f"{side}_longitude"].removesuffix("[DEG]")) for side in ("east", "west")}
    places = [(float(row["lat"]), float(row["lon"])) for row in rows]
    assert (corner["south"], corner["north"]) == (min(places)[0], max(places)[0])
    assert {corner["west"], corner["east"]} <= {longitude for _, longitude in places}
    # Eastwards from west to east, which may be over the date line, but not around the globe.
    assert all((longitude - corner["west"]) % 360 <= (corner["east"] - corner["west"]) % 360 for _, longitude in places)
    assert (corner["east"] - corner["west"]) % 360 < 180
    return headers, comments, rows


def export(folder: Path, days: Sequence[Day], group_by: Sequence[str] = ("instrument",)) -> Path:
    path = folder / "out" / "demo.sb"
    export_seabass(write_tables(folder, days, group_by), group_by, PUBLICATION, 1.0, False, path)
    return path


def test_numbers_and_headers(tmp_path: Path) -> None:
    other = {"Akashiwo": (6, 30.0), "detritus": (0, 30.0), "unclassified": (1, 30.0)}  # Alexandrium was not assessed
    headers, comments, rows = read(
        export(tmp_path, [Day("2024-04-15", CLASSES, depths=(4.0, 6.0)), Day("2024-04-16", other, latitude=41.32)])
    )
    assert headers["id_fields_definitions"] == "1id:Akashiwo,2id:Alexandrium_catenella,3id:detritus,4id:unclassified"
    assert "! 2id, Alexandrium_catenella, Alexandrium catenella, urn:lsid:marinespecies.org:taxname:231873, 0.7" in (
        comments
    )
    assert "! 4id, unclassified, none, none, none" in comments
    assert rows[0] == rows[0] | {
        "station_alt_id": "IFCB10",
        "date": "20240415",
        "time": "00:12:30",
        "lat": "41.325",
        "lon": "-70.5667",
        "depth": "5",
        "volume": "0.06",
        "abun_2id": "0",
    }
    assert [float(rows[0][f"abun_{i}id"]) for i in (1, 3, 4)] == pytest.approx([5e4, 7e6 / 60, 2e7 / 60])
    assert [float(rows[1][f"abun_{i}id"]) for i in (1, 2, 3)] == pytest.approx([2e5, -9999, 0])
    assert headers["contact"] == "a.name@example.org"
    assert headers["documents"] == "protocol.txt,checklist.txt"
    assert headers["data_type"] == "mooring"
    assert any(PUBLICATION.model in line for line in comments)


@pytest.mark.parametrize(
    ("groups", "group_by"),
    [([{}, {}], ["instrument"]), ([{"cruise": "EN1"}, {"cruise": "EN2"}], ["cruise"])],
    ids=["days", "groups"],
)
def test_what_is_elsewhere_in_another_row_is_no_mooring(
    tmp_path: Path, groups: list[dict[str, str]], group_by: list[str]
) -> None:
    """By hand: half a degree of latitude is 55.6 km, 0.005 degrees are 0.6 km. The tolerance is 1 km."""
    found = {}
    for latitude in (41.325, 41.33, 41.825):
        places = zip((15, 16), groups, (41.325, latitude), strict=True)
        days = [Day(f"2024-04-{day}", CLASSES, latitude=at, groups=of_day) for day, of_day, at in places]
        found[latitude] = read(export(tmp_path, days, group_by))[0]["data_type"]
    assert found == {41.325: "mooring", 41.33: "mooring", 41.825: "flow_thru"}


def test_two_moorings_are_moorings(tmp_path: Path) -> None:
    days = [Day("2024-04-15", CLASSES), Day("2024-04-15", CLASSES, instrument="IFCB125", latitude=41.1)]
    assert read(export(tmp_path, days))[0]["data_type"] == "mooring"


def test_two_moorings_that_are_pooled_are_moorings(tmp_path: Path) -> None:
    """They are 25 km apart, and the second lacks a day: so the mean moves by 12.5 km. On the third it was moved."""
    found = []
    for last in (41.1, 41.2):
        others = ([("IFCB125", 41.1)], [], [("IFCB125", last)])
        days = [
            Day(f"2024-04-{n}", CLASSES, others=of_day, moving="yes" if of_day else "no")
            for n, of_day in enumerate(others, 15)
        ]
        found.append(read(export(tmp_path, days, []))[0]["data_type"])
    assert found == ["mooring", "flow_thru"]


def test_groups_of_a_ship_and_odd_names(tmp_path: Path) -> None:
    odd = {'Caf\u00e9 "x", <10um: \u6d77': (1, 2.0), "\u6d77": (2, 2.0)}
    headers, _, rows = read(
        export(
            tmp_path,
            [
                Day("2024-04-15", odd, groups={"depth": 5.0, "cruise": "EN 1, leg 2"}, depths=(5.0,), moving="yes"),
                Day("2024-04-15", odd, groups={"depth": 9.0, "cruise": ""}, depths=(9.0,)),
            ],
            ["depth", "cruise"],
        )
    )
    assert headers["data_type"] == "flow_thru"
    assert headers["id_fields_definitions"] == "1id:Cafe_x_10um_U6D77,2id:U6D77"
    assert [row["station_alt_id"] for row in rows] == ["depth_5_m_cruise_EN_1_leg_2", "depth_9_m_cruise_unknown"]
    assert [row["station_alt_id"] for row in read(export(tmp_path, [Day("2024-04-15", odd)], []))[2]] == ["demo"]


def test_what_ids_are_is_said_of_each(tmp_path: Path) -> None:
    """By hand: in the order of labels. What is a word already stays; the code point of the Greek beta is 03B2."""
    labels = [
        "a b",
        "a_b",
        "unclassified",
        "unclassified_",
        "_unclassified",
        "\u03b2eta",
        "\u4e2d\u6587",
        "\u65e5\u672c",
    ]
    labels += ['x "y", z', "\u00d8rsted 5 \u00b5m"]
    cruises = [{"cruise": cruise} for cruise in ("cr B", "cr_B", "\u03b2")]
    days = [Day("2024-04-15", dict.fromkeys(labels, (1, 2.0)), groups=cruise) for cruise in cruises]
    headers, comments, rows = read(export(tmp_path, days, ["cruise"]))
    words = [pair.split(":")[1] for pair in headers["id_fields_definitions"].split(",")]
    assert dict(zip(sorted(labels), words, strict=True)) == {
        "_unclassified": "unclassified_2",
        "a b": "a_b_2",
        "a_b": "a_b",
        "unclassified": "unclassified",
        "unclassified_": "unclassified_3",
        'x "y", z': "x_y_z",
        "\u00d8rsted 5 \u00b5m": "Orsted_5_um",
        "\u03b2eta": "U03B2eta",
        "\u4e2d\u6587": "U4E2DU6587",
        "\u65e5\u672c": "U65E5U672C",
    }
    table = csv.reader((line[2:] for line in comments if re.match(r"! \d+id, ", line)), skipinitialspace=True)
    assert [cells for cells in table if cells[1].startswith("x")] == [["6id", 'x "y", z', "none", "none", "0.7"]]
    assert [row["station_alt_id"] for row in rows] == ["cruise_cr_B", "cruise_cr_B_2", "cruise_U03B2"]


def test_days_without_a_position_or_a_depth_are_left_out_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    days = [
        Day("2024-04-15", CLASSES, latitude=None, longitude=None),
        Day("2024-04-16", CLASSES, depths=(None,)),
        Day("2024-04-17", CLASSES, depths=(None, 3.0)),
    ]
    with caplog.at_level(logging.WARNING, "ifcb"):
        _, _, rows = read(export(tmp_path, days))
    assert [(row["date"], row["depth"]) for row in rows] == [("20240417", "3")]
    assert "2 of 3 days and groups are excluded because none of their bins has a position and a depth" in caplog.text


@pytest.mark.parametrize("day", [Day("2024-04-15", CLASSES, latitude=None), Day("2024-04-15", CLASSES, depths=(None,))])
def test_a_file_without_a_row_is_not_made(tmp_path: Path, day: Day) -> None:
    with pytest.raises(TableError, match="no day has both a position and a depth, so there is nothing for SeaBASS"):
        export(tmp_path, [day])
    assert not (tmp_path / "out" / "demo.sb").exists()


def test_over_the_date_line_and_with_thresholds_that_vary(tmp_path: Path) -> None:
    days = [
        Day("2024-04-15", CLASSES, longitude=179.5),
        Day("2024-04-16", {"Akashiwo": (3, 60.0)}, longitude=-179.25, threshold=0.4),
    ]
    headers, comments, _ = read(export(tmp_path, days))
    assert (headers["west_longitude"], headers["east_longitude"]) == ("179.5[DEG]", "-179.25[DEG]")
    assert "! 1id, Akashiwo, Akashiwo, none, varies" in comments
    assert "! 3id, detritus, none, none, 0.7" in comments
    assert "! 4id, unclassified, none, none, none" in comments
