"""The Darwin Core export, read back by python-dwca-reader, its metadata checked by metapype (EML's rules)."""

import logging
import zipfile
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from dwca.darwincore.terms import TERMS
from dwca.read import DwCAReader

from ifcb_abundance.common.errors import TableError
from ifcb_abundance.exports.darwin_core import export_darwin_core
from tests.exports.export_tables import PUBLICATION, TRAITS, Day, write_tables

DWC, OBIS = "http://rs.tdwg.org/dwc/terms/", "http://rs.iobis.org/obis/terms/"
TEXT = "{http://rs.tdwg.org/dwc/text/}"
CLASSES = {
    "Akashiwo": (3, 60.0),  # no AphiaID
    "Alexandrium_catenella": (0, 60.0),
    "Chaetoceros": (0, 60.0),
    "Chaetoceros, single cell": (0, 60.0),
    "Chaetoceros_didymus": (6, 60.0),
    "detritus": (7, 60.0),
    "pollen": (1, 60.0),
    "unclassified": (20, 60.0),
}
# Terms of Darwin Core that the reader's list of its terms lacks.
LACKING = {f"{DWC}measurement{part}" for part in ("Type", "Value", "Unit", "Remarks")}
LACKING |= {f"{DWC}{term}" for term in ("organismQuantity", "organismQuantityType", "verbatimIdentification")}
# What OBIS does not take a record without, wherever in the archive it stands.
OBIS_REQUIRED = {
    *("eventID", "eventDate", "decimalLatitude", "decimalLongitude"),
    *("occurrenceID", "occurrenceStatus", "basisOfRecord", "scientificName", "scientificNameID"),
}


def export(folder: Path, days: Sequence[Day], group_by: Sequence[str] = ("instrument",)) -> Path:
    tables = write_tables(folder, days, group_by)
    path = folder / "out" / "demo.zip"
    export_darwin_core(tables, folder / "run.json", group_by, PUBLICATION, "float16", 0.95, path)
    return path


def records(path: Path) -> list[tuple[dict[str, str], list[dict[str, str]], list[dict[str, str]]]]:
    """Each event with its occurrences and measurements, by the terms' short names."""
    found = []
    with DwCAReader(path) as archive:
        for event in archive:
            by_type: dict[str, list[dict[str, str]]] = {f"{DWC}Occurrence": [], f"{OBIS}ExtendedMeasurementOrFact": []}
            for row in event.extensions:
                by_type[row.rowtype].append(short(row.data))
            found.append((short(event.data), *by_type.values()))
    return found


def short(data: dict[str, str]) -> dict[str, str]:
    return {term.rpartition("/")[2]: value for term, value in data.items()}


def test_events_occurrences_and_measurements(tmp_path: Path) -> None:
    (event, occurrences, measurements), second = records(
        export(tmp_path, [Day("2024-04-15", CLASSES, depths=(4.0, 6.5)), Day("2024-04-16", CLASSES)])
    )
    assert event == {
        "eventID": "demo:2024-04-15:IFCB10",
        "eventDate": "2024-04-15T00:12:30Z/2024-04-15T23:05:53Z",
        "decimalLatitude": "41.325",
        "decimalLongitude": "-70.5667",
        "coordinateUncertaintyInMeters": "",
        "geodeticDatum": "EPSG:4326",
        "minimumDepthInMeters": "4",
        "maximumDepthInMeters": "6.5",
        "sampleSizeValue": "60",
        "sampleSizeUnit": "millilitre",
        "samplingProtocol": "Imaging FlowCytobot IFCB10",
        "samplingEffort": "2 samples of a UTC day, pooled",
        "eventRemarks": "",
    }
    # Chaetoceros was found as one of its species, so it is not absent; Akashiwo has no AphiaID; the rest is no taxon.
    assert {row["verbatimIdentification"]: row["occurrenceStatus"] for row in occurrences} == {
        "Alexandrium_catenella": "absent",
        "Chaetoceros_didymus": "present",
    }
    (found,) = (row for row in occurrences if row["occurrenceStatus"] == "present")
    assert found == found | {
        "eventID": "demo:2024-04-15:IFCB10",
        "occurrenceID": "demo:2024-04-15:IFCB10:Chaetoceros_didymus",
        "basisOfRecord": "MachineObservation",
        "scientificName": "Chaetoceros didymus",
        "scientificNameID": "urn:lsid:marinespecies.org:taxname:149122",
        "organismQuantity": "6",
        "identificationVerificationStatus": "PredictedByMachine",
    }
    assert PUBLICATION.model in found["identificationReferences"]
    assert "0.7 (>=, compared as float16)" in found["identificationRemarks"]
    of_found = {row["measurementType"]: row for row in measurements if row["occurrenceID"] == found["occurrenceID"]}
    abundance = of_found["Abundance of biological entity specified elsewhere per unit volume of the water body"]
    assert float(abundance["measurementValue"]) == pytest.approx(1e5)  # 6 in 60 mL: 0.1 per mL
    assert abundance["measurementUnitID"] == "http://vocab.nerc.ac.uk/collection/P06/current/UPMM/"
    assert abundance["measurementTypeID"] == "http://vocab.nerc.ac.uk/collection/P01/current/SDBIOL01/"
    assert of_found["Volume in which the class was looked for"]["measurementValue"] == "60"
    assert [row["measurementValue"] for row in measurements if not row["occurrenceID"]] == ["Imaging FlowCytobot"]
    assert second[0]["eventID"] == "demo:2024-04-16:IFCB10"


def test_what_is_found_without_an_aphia_id_is_not_absent(tmp_path: Path) -> None:
    """The shipped tables have no AphiaID for labels such as Chaetoceros_other."""
    labels = ["Alexandrium_catenella", "Chaetoceros", "Chaetoceros_curvisetus", "Chaetoceros_other"]
    counts = [(0, 0, 5, 0), (0, 0, 0, 5), (0, 0, 0, 0)]
    days = [
        Day(f"2024-04-1{i}", {label: (n, 60.0) for label, n in zip(labels, of_day, strict=True)})
        for i, of_day in enumerate(counts)
    ]
    found = [
        {row["scientificName"]: row["occurrenceStatus"] for row in rows}
        for _, rows, _ in records(export(tmp_path, days))
    ]
    one, both = {"Alexandrium catenella": "absent"}, {"Alexandrium catenella": "absent", "Chaetoceros": "absent"}
    assert found == [one, one, both]


def test_labels_that_are_one_taxon_are_one_occurrence(tmp_path: Path) -> None:
    """By hand: 4 in 60 mL and 3 in 30 mL are 7 in 60 mL. The exact limits of 7 at 95 % are 2.814 and 14.423."""
    one = {"Chaetoceros": (4, 60.0), "Chaetoceros, single cell": (3, 30.0), "Chaetoceros_didymus": (2, 60.0)}
    none = {"Chaetoceros": (0, 60.0), "Chaetoceros, single cell": (0, 60.0)}
    apart = {"Chaetoceros": (0, 60.0), "Chaetoceros, single cell": (5, 60.0)}
    path = export(
        tmp_path, [Day(f"2024-04-1{i}", {**day, "unclassified": (9, 60.0)}) for i, day in enumerate((one, none, apart))]
    )
    (_, first, measured), (_, second, _), (_, third, _) = records(path)
    assert {
        row["verbatimIdentification"]: (row["organismQuantity"], row["scientificNameID"][-6:]) for row in first
    } == {
        "Chaetoceros | Chaetoceros, single cell": ("7", "148985"),
        "Chaetoceros_didymus": ("2", "149122"),
    }
    (taxon,) = (row["occurrenceID"] for row in first if row["organismQuantity"] == "7")
    values = sorted(float(row["measurementValue"]) for row in measured if row["occurrenceID"] == taxon)
    per_m3 = [7 / 60 * 1e6, 2.814 / 60 * 1e6, 14.423 / 60 * 1e6]
    assert values == pytest.approx([7, 60, *sorted(per_m3)], rel=1e-3)
    assert [(row["occurrenceStatus"], row["organismQuantity"]) for row in second] == [("absent", "0")]
    assert [(row["occurrenceStatus"], row["organismQuantity"]) for row in third] == [("present", "5")]


def test_what_obis_requires_is_in_every_record(tmp_path: Path) -> None:
    path = export(
        tmp_path,
        [
            Day("2024-04-15", CLASSES, groups={"cruise": "EN 1/2", "depth": None}, moving="yes", spread=12.3456),
            Day("2024-04-15", CLASSES, groups={"cruise": "", "depth": 5.0}),
        ],
        ["depth", "cruise"],
    )
    ids = []
    for event, occurrences, _ in records(path):
        for row in occurrences:
            record = event | row
            assert not [term for term in OBIS_REQUIRED if not record[term]]
            ids.append(row["occurrenceID"])
    assert len(ids) == len(set(ids)) == 4
    moving, fixed = (event for event, _, _ in records(path))
    assert moving["eventID"] == "demo:2024-04-15:depth%20unknown%2C%20cruise%20EN%201%2F2"
    assert (moving["coordinateUncertaintyInMeters"], fixed["coordinateUncertaintyInMeters"]) == ("12346", "")


def test_the_descriptor_keeps_to_the_text_guide(tmp_path: Path) -> None:
    """By hand what the schema tdwg_dwc_text.xsd says: the order of elements, their attributes, indices, terms."""
    with zipfile.ZipFile(export(tmp_path, [Day("2024-04-15", CLASSES)])) as archive:
        root = ET.fromstring(archive.read("meta.xml"))
        assert root.tag == f"{TEXT}archive"
        assert root.attrib == {"metadata": "eml.xml"}
        assert [file.tag for file in root] == [f"{TEXT}core", f"{TEXT}extension", f"{TEXT}extension"]
        locations = []
        for file in root:
            files, key, *fields = file
            assert (files.tag, key.tag) == (f"{TEXT}files", f"{TEXT}{'id' if file.tag.endswith('core') else 'coreid'}")
            assert {field.tag for field in fields} == {f"{TEXT}field"}
            assert file.attrib["rowType"] in {*TERMS, f"{OBIS}ExtendedMeasurementOrFact"}
            assert (file.attrib["fieldsTerminatedBy"], file.attrib["linesTerminatedBy"]) == ("\\t", "\\n")
            assert [field.attrib["index"] for field in fields] == [str(i) for i in range(len(fields))]
            terms = [field.attrib["term"] for field in fields]
            assert len(set(terms)) == len(terms)
            assert {term for term in terms if not term.startswith(OBIS)} <= {*TERMS, *LACKING}
            (location,) = files
            lines = archive.read(location.text).decode().split("\n")
            assert lines[0].split("\t") == [term.rpartition("/")[2] for term in terms]
            assert {line.count("\t") for line in lines[:-1]} == {len(terms) - 1}
            locations.append(location.text)
        assert sorted(archive.namelist()) == sorted([*locations, "meta.xml", "eml.xml"])


def test_the_metadata_is_eml(tmp_path: Path) -> None:
    # Imported here: its library for logs looks up each module, which takes a second while tests are collected.
    from metapype.eml import validate
    from metapype.model import metapype_io

    with zipfile.ZipFile(export(tmp_path, [Day("2024-04-15", CLASSES), Day("2024-05-01", CLASSES)])) as archive:
        text = archive.read("eml.xml").decode()
    complaints: list[tuple[object, str, object]] = []
    validate.tree(metapype_io.from_xml(text), complaints)
    # GBIF reads the licence from a link in a paragraph; EML has it, metapype does not know it.
    assert [message for _, message, *_ in complaints if "ulink" not in message and "citetitle" not in message] == []
    dataset = ET.fromstring(text).find("dataset")
    assert dataset is not None
    assert dataset.findtext("title") == PUBLICATION.title
    assert dataset.findtext("abstract/para") == PUBLICATION.summary
    assert dataset.findtext("pubDate") == "2024-06-01"  # when the bins were listed
    assert dataset.findtext("contact/electronicMailAddress") == PUBLICATION.creator_email
    assert dataset.findtext("coverage/temporalCoverage/rangeOfDates/endDate/calendarDate") == "2024-05-01"
    methods = " ".join(dataset.find("methods").itertext())
    assert "4 classes without a name and an AphiaID of a living taxon left out of this archive: Akashiwo," in methods
    assert PUBLICATION.model in methods


def test_what_is_left_out_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    days = [Day("2024-04-15", CLASSES), Day("2024-04-16", CLASSES, latitude=None, longitude=None)]
    with caplog.at_level(logging.WARNING, "ifcb"):
        found = records(export(tmp_path, days))
    assert [event["eventDate"][:10] for event, *_ in found] == ["2024-04-15"]
    assert "1 of 2 days and groups are excluded because none of their bins has a position" in caplog.text
    assert "1 class excluded because classify.class_table has no AphiaID for them" in caplog.text
    assert "Akashiwo" in caplog.text


NOWHERE = Day("2024-04-15", CLASSES, latitude=None, longitude=None)
NAMELESS = Day("2024-04-16", {"Akashiwo": (3, 2.0), "detritus": (1, 2.0)})


@pytest.mark.parametrize(
    ("days", "message"),
    [
        ([NOWHERE], "no day has a position, so there is nothing for Darwin Core. Have positions entered at the source"),
        ([NAMELESS], "no class is a taxon with an AphiaID, so there is nothing for Darwin Core. Give the AphiaIDs in"),
        ([NOWHERE, NAMELESS], "no taxon with an AphiaID is present, or known to be absent, at a position, so there is"),
        ([Day("2024-04-15", {"Chaetoceros": (0, 2.0), "Chaetoceros_other": (5, 2.0)})], "no taxon with an AphiaID is"),
        ([Day("2024-04-15", {}, used=False)], "no bin of the window was used, so there is nothing"),
    ],
    ids=["no position", "no AphiaID", "not both", "found without an AphiaID", "no bin"],
)
def test_an_archive_without_a_record_is_not_made(tmp_path: Path, days: list[Day], message: str) -> None:
    with pytest.raises(TableError, match=message):
        export(tmp_path, days)
    assert not (tmp_path / "out" / "demo.zip").exists()


def test_odd_names_stand_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = "Caf\u00e9 \"x\", <10um & 'y': 1/2"
    monkeypatch.setitem(TRAITS, odd, ("Navicula", "7", "yes"))
    ((_, occurrences, _),) = records(export(tmp_path, [Day("2024-04-15", {odd: (1, 2.0)})], []))
    assert [row["verbatimIdentification"] for row in occurrences] == [odd]
    assert occurrences[0]["eventID"] == "demo:2024-04-15:demo"
    assert occurrences[0]["occurrenceID"].isascii()


def test_the_same_tables_give_the_same_bytes(tmp_path: Path) -> None:
    first = export(tmp_path, [Day("2024-04-15", CLASSES)]).read_bytes()
    (tmp_path / "out" / "demo.zip").unlink()
    assert export(tmp_path, [Day("2024-04-15", CLASSES)]).read_bytes() == first


def test_the_box_of_positions_goes_over_the_date_line(tmp_path: Path) -> None:
    days = [Day(f"2024-04-{day}", CLASSES, longitude=longitude) for day, longitude in ((15, 179.5), (16, -179.25))]
    with zipfile.ZipFile(export(tmp_path, days)) as archive:
        box = ET.fromstring(archive.read("eml.xml")).find("dataset/coverage/geographicCoverage/boundingCoordinates")
    assert box is not None
    assert [float(box.findtext(f"{side}BoundingCoordinate") or "") for side in ("west", "east")] == [179.5, -179.25]
