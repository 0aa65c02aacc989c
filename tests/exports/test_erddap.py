"""The description for ERDDAP, against the tags and attributes that its documentation asks for, and the table itself."""

import csv
import re
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

import cf_units
import pytest

from ifcb_abundance.common.errors import TableError
from ifcb_abundance.exports.erddap import export_erddap
from tests.exports.export_tables import PUBLICATION, Day, write_tables

# Tags that <dataset type="EDDTableFromAsciiFiles"> may have, and those that it must have.
TAGS = {
    *("reloadEveryNMinutes", "updateEveryNMillis", "fileDir", "fileNameRegex", "recursive", "pathRegex", "charset"),
    *("metadataFrom", "standardizeWhat", "columnSeparator", "columnNamesRow", "firstDataRow", "fileTableInMemory"),
    *("sortFilesBySourceNames", "accessibleViaFiles", "addAttributes", "dataVariable"),
}
NEEDED = {"fileDir", "fileNameRegex", "addAttributes", "dataVariable"}
GLOBAL = {"cdm_data_type", "infoUrl", "institution", "sourceUrl", "summary", "title", "license"}
TYPES = {"String": str, "double": float, "int": int}
# The categories that ERDDAP knows and that may come up.
CATEGORIES = {"Biology", "Ecology", "Identifier", "Location", "Other", "Quality", "Statistics", "Taxonomy", "Time"}
CLASSES = {"Akashiwo": (3, 60.0), "unclassified": (20, 60.0)}


def export(folder: Path, group_by: Sequence[str]) -> tuple[ET.Element, list[dict[str, str]]]:
    """The description, and the rows of the table that it is of."""
    tables = write_tables(
        folder, [Day("2024-04-15", CLASSES, groups=dict.fromkeys(group_by, "") | {"instrument": "IFCB10"})], group_by
    )
    path = folder / "out" / "demo.xml"
    export_erddap(tables.abundance, group_by, PUBLICATION, path)
    with Path(tables.abundance).open(encoding="utf-8", newline="") as file:
        return ET.fromstring(path.read_bytes()), list(csv.DictReader(file))


def attributes(element: ET.Element) -> dict[str, str]:
    found = [(att.attrib["name"], att.text or "") for att in element.findall("addAttributes/att")]
    assert len(dict(found)) == len(found)
    assert all(text for _, text in found)
    return dict(found)


@pytest.mark.parametrize("group_by", [["instrument"], [], ["depth", "cruise", "sample_type", "cast", "niskin"]])
def test_the_description_agrees_with_the_table(tmp_path: Path, group_by: list[str]) -> None:
    dataset, rows = export(tmp_path, group_by)
    assert (dataset.tag, dataset.attrib["type"]) == ("dataset", "EDDTableFromAsciiFiles")
    assert re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", dataset.attrib["datasetID"])
    tags = [child.tag for child in dataset]
    assert NEEDED <= set(tags) <= TAGS
    assert re.fullmatch(dataset.findtext("fileNameRegex"), "abundance_long.csv")
    variables = {variable.findtext("sourceName"): variable for variable in dataset.findall("dataVariable")}
    assert list(variables) == list(rows[0])
    names = [variable.findtext("destinationName") for variable in variables.values()]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) for name in names)
    assert {"time", "latitude", "longitude"} <= set(names)  # what cdm_data_type Point needs
    for column, variable in variables.items():
        found = attributes(variable)
        assert found["ioos_category"] in CATEGORIES
        assert found["long_name"]
        if column != "date" and "units" in found:
            cf_units.Unit(found["units"])  # raises ValueError for what UDUNITS does not know
        for row in rows:
            if row[column]:
                TYPES[variable.findtext("dataType")](row[column])
    groups = set(group_by) - {"depth"}
    assert {attributes(variables[column])["ioos_category"] for column in groups} <= {"Identifier"}
    assert groups <= set(attributes(dataset)["subsetVariables"].split(", "))
    assert attributes(variables["date"])["units"] == "yyyy-MM-dd"
    assert attributes(variables["objects_per_ml"])["units"] == "count mL-1"


def test_what_is_said_of_the_dataset(tmp_path: Path) -> None:
    dataset, _ = export(tmp_path, ["instrument"])
    found = attributes(dataset)
    assert set(found) >= GLOBAL
    assert found["title"] == PUBLICATION.title
    assert found["infoUrl"] == PUBLICATION.info_url
    assert found["summary"].startswith(PUBLICATION.summary)
    sources = {variable.findtext("destinationName") for variable in dataset.findall("dataVariable")}
    assert set(found["subsetVariables"].split(", ")) <= sources


def test_a_table_without_rows_is_not_described(tmp_path: Path) -> None:
    tables = write_tables(tmp_path, [Day("2024-04-15", {}, used=False)])
    with pytest.raises(TableError, match="no bin of the window was used, so there is nothing to export"):
        export_erddap(tables.abundance, ["instrument"], PUBLICATION, tmp_path / "demo.xml")
    assert not (tmp_path / "demo.xml").exists()


def test_columns_that_the_config_asks_for_are_described_too(tmp_path: Path) -> None:
    tables = write_tables(tmp_path, [Day("2024-04-15", CLASSES)])
    asked = ["instrument", "cells_per_ml", "thresholds_mixed"]
    export_erddap(tables.abundance, asked, PUBLICATION, tmp_path / "demo.xml")
    found = {each.findtext("sourceName"): each for each in ET.parse(tmp_path / "demo.xml").iter("dataVariable")}
    assert set(asked) <= set(found)
    assert attributes(found["cells_per_ml"])["units"] == "count mL-1"
