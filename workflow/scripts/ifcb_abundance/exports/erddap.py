"""Export to ERDDAP: what a server's datasets.xml needs to serve abundance_long.csv."""

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

from ifcb_abundance.common.atomic_write import atomic_write
from ifcb_abundance.exports.publication import LICENSES, LIMITS, METHOD, Publication, refuse_empty
from ifcb_abundance.tables import table_files

TABLE = "abundance_long"
FOLDER = "/path/on/the/server/"
TYPES = {"string": "String", "date": "String", "number": "double", "integer": "int"}
UNITS = {"mL": "mL", "objects": "count", "objects/mL": "count mL-1", "objects/L": "count L-1", "cells/mL": "count mL-1"}
# The categories of variables in ERDDAP; variables that are not here are counts and statistics.
CATEGORIES = {
    "Time": ("date",),
    "Location": ("latitude", "longitude", "depth"),
    "Identifier": ("instrument", "cruise", "cast", "niskin", "sample_type", "class"),
    "Taxonomy": ("scientific_name", "aphia_id", "living", "group", "harmful"),
    "Biology": ("count", "objects_per_ml", "objects_per_L"),
}
CATEGORY_OF = {column: category for category, columns in CATEGORIES.items() for column in columns}
# Attributes beyond meaning and unit, by column.
MORE = {
    "date": {"standard_name": "time", "units": "yyyy-MM-dd", "time_precision": "1970-01-01"},
    "latitude": {"standard_name": "latitude", "units": "degrees_north"},
    "longitude": {"standard_name": "longitude", "units": "degrees_east"},
    "depth": {"standard_name": "depth", "units": "m", "positive": "down"},
    "scientific_name": {"standard_name": "biological_taxon_name"},
}


def export_erddap(abundance: str | Path, optional: Sequence[str], publication: Publication, path: str | Path) -> None:
    """Write the description of abundance_long.csv as one <dataset> of ERDDAP's datasets.xml.

    The administrator of the server adds it to that file and fills in the folder of the table. Source: ERDDAP, Working
    with the datasets.xml File (EDDTableFromAsciiFiles). optional: the columns that the table has because of the config.
    Raises TableError if no bin was used.
    """
    refuse_empty(table_files.read(TABLE, abundance, ["date"]), abundance)
    root = ET.Element(
        "dataset",
        {"type": "EDDTableFromAsciiFiles", "datasetID": f"ifcb_{_name(publication.dataset)}", "active": "true"},
    )
    root.append(ET.Comment(f" fileDir: the folder of {Path(abundance).name} on the server "))
    settings = {
        "reloadEveryNMinutes": "1440",
        "updateEveryNMillis": "10000",
        "fileDir": FOLDER,
        "fileNameRegex": Path(abundance).name.replace(".", r"\."),
        "recursive": "false",
        "pathRegex": ".*",
        "metadataFrom": "last",
        "standardizeWhat": "0",
        "charset": "UTF-8",
        "columnSeparator": ",",
        "columnNamesRow": "1",
        "firstDataRow": "2",
        "sortFilesBySourceNames": "date",
        "fileTableInMemory": "false",
    }
    for tag, text in settings.items():
        ET.SubElement(root, tag).text = text
    columns = table_files.columns(TABLE, optional)
    _attributes(root, _about(publication, columns))
    entries = table_files.schema(TABLE)
    for column in columns:
        variable = ET.SubElement(root, "dataVariable")
        ET.SubElement(variable, "sourceName").text = column
        ET.SubElement(variable, "destinationName").text = "time" if column == "date" else column
        ET.SubElement(variable, "dataType").text = TYPES[entries[column]["type"]]
        unit = entries[column].get("unit", "")
        meaning = {"long_name": " ".join(entries[column]["description"].split())}
        meaning |= {"units": UNITS[unit]} if unit in UNITS else {}
        category = {"ioos_category": CATEGORY_OF.get(column, "Statistics")}
        _attributes(variable, meaning | category | MORE.get(column, {}))
    ET.indent(root, "    ")
    with atomic_write(path) as unfinished:
        unfinished.write_bytes(ET.tostring(root, encoding="utf-8") + b"\n")


def _about(publication: Publication, columns: Sequence[str]) -> dict[str, str]:
    about = {
        "cdm_data_type": "Point",
        "Conventions": "COARDS, CF-1.11, ACDD-1.3",
        "title": publication.title,
        "summary": f"{publication.summary} {METHOD} {LIMITS}",
        "institution": publication.institution,
        "infoUrl": publication.info_url,
        "sourceUrl": "(local files)",
        "license": f"{publication.license}, {LICENSES[publication.license]}",
        "creator_name": publication.creator_name,
        "creator_email": publication.creator_email,
        "classifier": publication.model,
        "keywords": "plankton, abundance, Imaging FlowCytobot",
        "standard_name_vocabulary": "CF Standard Name Table v93",
        "subsetVariables": ", ".join(
            column for column in columns if CATEGORY_OF.get(column) in ("Identifier", "Taxonomy")
        ),
    }
    return {name: text for name, text in about.items() if text}


def _attributes(parent: ET.Element, attributes: dict[str, str]) -> None:
    added = ET.SubElement(parent, "addAttributes")
    for name, text in attributes.items():
        ET.SubElement(added, "att", {"name": name}).text = text


def _name(dataset: str) -> str:
    """Reduce a dataset's name to what ERDDAP accepts: letters, digits and underscores."""
    return "".join(c if c.isalnum() else "_" for c in dataset)
