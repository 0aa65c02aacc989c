"""Export to Darwin Core: a zip of events, occurrences and measurements that OBIS and GBIF read."""

import csv
import io
import json
import logging
import math
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote
from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ifcb_abundance.common import version
from ifcb_abundance.common.atomic_write import atomic_write
from ifcb_abundance.common.errors import TableError, quoted
from ifcb_abundance.common.intervals import poisson_limits
from ifcb_abundance.common.words import counted
from ifcb_abundance.exports.publication import (
    LICENSES,
    LIMITS,
    METHOD,
    METHOD_OF_BINS,
    Publication,
    Tables,
    bins_of_classes,
    lsid,
    read_bins,
    read_days,
    text_of,
    warn_of_excluded,
    west_and_east,
)

log = logging.getLogger("ifcb.export_darwin_core")

DWC = "http://rs.tdwg.org/dwc/terms/"
OBIS = "http://rs.iobis.org/obis/terms/"
NERC = "http://vocab.nerc.ac.uk/collection"
EML = "https://eml.ecoinformatics.org/eml-2.2.0"
# The files of the zip: row type and terms, in the order of the columns. The first links the files to each other.
FILES = {
    "event.txt": (
        f"{DWC}Event",
        *(f"{DWC}{term}" for term in ("eventID", "eventDate", "decimalLatitude", "decimalLongitude")),
        *(f"{DWC}{term}" for term in ("coordinateUncertaintyInMeters", "geodeticDatum")),
        *(f"{DWC}{term}" for term in ("minimumDepthInMeters", "maximumDepthInMeters")),
        *(f"{DWC}{term}" for term in ("sampleSizeValue", "sampleSizeUnit", "samplingProtocol", "samplingEffort")),
        f"{DWC}eventRemarks",
    ),
    "occurrence.txt": (
        f"{DWC}Occurrence",
        *(f"{DWC}{term}" for term in ("eventID", "occurrenceID", "basisOfRecord", "occurrenceStatus")),
        *(f"{DWC}{term}" for term in ("scientificName", "scientificNameID", "verbatimIdentification")),
        *(f"{DWC}{term}" for term in ("organismQuantity", "organismQuantityType")),
        *(f"{DWC}{term}" for term in ("identificationVerificationStatus", "identificationReferences")),
        f"{DWC}identificationRemarks",
    ),
    "extendedmeasurementorfact.txt": (
        f"{OBIS}ExtendedMeasurementOrFact",
        *(f"{DWC}{term}" for term in ("eventID", "occurrenceID", "measurementType")),
        f"{OBIS}measurementTypeID",
        f"{DWC}measurementValue",
        f"{OBIS}measurementValueID",
        f"{DWC}measurementUnit",
        f"{OBIS}measurementUnitID",
        f"{DWC}measurementRemarks",
    ),
}
PER_M3 = 1e6  # mL in a cubic metre
COUNT = "Count (in assayed sample) of biological entity specified elsewhere"
ABUNDANCE = "Abundance of biological entity specified elsewhere per unit volume of the water body"
PER_CUBIC_METRE = ("Number per cubic metre", f"{NERC}/P06/current/UPMM/")
# By column of abundance_long: type and its id, factor, unit and its id; the ids are of the vocabularies of NERC.
MEASUREMENTS: dict[str, tuple[str, str, float, str, str]] = {
    "count": (COUNT, f"{NERC}/P01/current/OCOUNT01/", 1, "", ""),
    "objects_per_ml": (ABUNDANCE, f"{NERC}/P01/current/SDBIOL01/", PER_M3, *PER_CUBIC_METRE),
    "objects_per_ml_low": ("Lower exact Poisson limit of the abundance", "", PER_M3, *PER_CUBIC_METRE),
    "objects_per_ml_high": ("Upper exact Poisson limit of the abundance", "", PER_M3, *PER_CUBIC_METRE),
    "ml_analyzed_total": ("Volume in which the class was looked for", "", 1, "millilitre", ""),
}
INSTRUMENT = {
    "measurementType": "Sampling instrument name",
    "measurementTypeID": f"{NERC}/Q01/current/Q0100002/",
    "measurementValue": "Imaging FlowCytobot",
    "measurementValueID": f"{NERC}/L22/current/TOOL1588/",
}


def export_darwin_core(
    tables: Tables,
    run: str | Path,
    group_by: Sequence[str],
    publication: Publication,
    precision: str,
    confidence: float,
    path: str | Path,
) -> None:
    """Write the dataset as a Darwin Core Archive: one event per UTC day and group, present and absent taxa.

    If the table of abundance is per bin, each used bin is an event.

    Occurrences are the classes that are living taxa with a name and an AphiaID, as OBIS demands; a warning names the
    others, and days or bins without a position. tables, run: the tables of a run and its run.json, of which only the
    time of the catalog is used. precision: the precision in which scores were compared. Raises TableError if nothing is
    left.
    Source: Darwin Core text guide (TDWG), the OBIS manual (Event core, Occurrence and extended measurements), and
    Martin-Cabrera et al. 2022, plankton imaging data management, doi:10.25607/OBP-1742.
    """
    dataset = read_bins(tables) if tables.per_bin else read_days(tables, group_by, publication.dataset)
    events = dataset.events
    without_place = events["latitude"].isna() | events["longitude"].isna()
    named = dataset.rows["taxon"] & (dataset.rows["aphia_id"] != "")
    left_out = sorted(set(dataset.rows.loc[~named, "class"]))
    warn_of_excluded(
        log, tables, publication.dataset, "Darwin Core", "a position", int(without_place.sum()), len(events)
    )
    nameless = sorted(set(dataset.rows.loc[dataset.rows["taxon"] & ~named, "class"]))
    if nameless:
        log.warning(
            f"Darwin Core export: {counted(len(nameless), 'class')} excluded because classify.class_table has no "
            f"AphiaID for them, and OBIS accepts no record without one: {quoted(nameless)}"
        )
    rows = dataset.rows[named & ~dataset.rows["event"].isin(events.index[without_place])]
    rows = _by_taxon(rows, tables, group_by, events, confidence)
    found = dataset.rows[dataset.rows["taxon"] & (dataset.rows["count"] > 0)]  # also what has no AphiaID
    absent = (rows["count"] == 0) & ~rows.duplicated(["event", "scientific_name"]) & ~_is_found_otherwise(rows, found)
    rows = rows[(rows["count"] > 0) | absent]
    if rows.empty:
        raise TableError(f"{tables.abundance}: {_why_nothing(tables, bool(without_place.all()), not named.any())}")
    ids = events["date"] + ":" + events["name"].map(lambda name: quote(name, safe=""))
    ids = publication.dataset + ":" + ids
    occurrence_ids = rows["event"].map(ids) + ":" + rows["class"].map(lambda name: quote(name, safe=""))
    events = events[~without_place]
    read_on = json.loads(Path(run).read_text(encoding="utf-8"))["catalog_read_at"][:10]
    with atomic_write(path) as unfinished, zipfile.ZipFile(unfinished, "w") as archive:
        _add(archive, "meta.xml", _meta())
        _add(archive, "eml.xml", _eml(publication, events, rows, left_out, read_on))
        _add_table(archive, "event.txt", _events(events, ids))
        _add_table(archive, "occurrence.txt", _occurrences(rows, ids, occurrence_ids, publication, precision))
        _add_table(
            archive, "extendedmeasurementorfact.txt", _measurements(events, rows, ids, occurrence_ids, confidence)
        )


def _why_nothing(tables: Tables, nowhere: bool, nameless: bool) -> str:
    """Why there is no occurrence, and the remedy. nowhere, nameless: nothing has a position, or an AphiaID."""
    why = "no taxon with an AphiaID is present, or known to be absent, at a position"
    remedy = "Give positions and AphiaIDs"
    if nowhere:
        why, remedy = f"no {'bin' if tables.per_bin else 'day'} has a position", "Have positions entered at the source"
    elif nameless:
        why, remedy = "no class is a taxon with an AphiaID", "Give the AphiaIDs in classify.class_table"
    return f"{why}, so there is nothing for Darwin Core. {remedy}, or take darwin_core out of export.formats"


def _by_taxon(
    rows: pd.DataFrame, tables: Tables, group_by: Sequence[str], events: pd.DataFrame, confidence: float
) -> pd.DataFrame:
    """Add up the classes of an event that are one taxon, by AphiaID: they are one occurrence.

    The count is the sum of theirs, the volume that of the bins in which at least one of them was looked for.
    `class` joins their labels.
    """
    several = rows[rows.duplicated(["event", "aphia_id"], keep=False)]
    if several.empty:
        return rows
    first = several.drop_duplicates(["event", "aphia_id"])
    of_taxon = several.groupby(["event", "aphia_id"], sort=False)
    volume = _volumes_of_taxa(several, tables, group_by, events)
    summed = first.assign(
        count=of_taxon["count"].sum().to_numpy(),
        ml_analyzed_total=volume,
        threshold=of_taxon["threshold"]
        .agg(lambda of: of.iloc[0] if of.nunique(dropna=False) == 1 else math.nan)
        .to_numpy(),
        **{"class": of_taxon["class"].agg(" | ".join).to_numpy()},
    )
    low, high = poisson_limits(summed["count"].to_numpy("float64"), confidence)
    summed = summed.assign(
        objects_per_ml=summed["count"] / volume, objects_per_ml_low=low / volume, objects_per_ml_high=high / volume
    )
    return pd.concat([rows.drop(several.index), summed]).sort_index()


def _volumes_of_taxa(
    several: pd.DataFrame, tables: Tables, group_by: Sequence[str], events: pd.DataFrame
) -> NDArray[np.float64]:
    """The volume (mL) of the bins in which a label of the taxon was looked for, per event and AphiaID, in order.

    That of one label, if it was looked for in all bins. Only where there is none the bin-level table is read.
    """
    taxon = ["event", "aphia_id"]
    volumes = several.groupby(taxon, sort=False)["ml_analyzed_total"].max()
    in_all = (several["n_bins_assessed"] == several["n_bins"]).groupby([several[key] for key in taxon])
    apart = several.loc[~in_all.transform("any"), [*taxon, "class"]]
    if len(apart):
        looked_for = apart.merge(
            bins_of_classes(tables, group_by, events, set(apart["class"])), on=["event", "class"]
        ).drop_duplicates([*taxon, "bin"])
        volumes.update(looked_for.groupby(taxon)["ml_analyzed"].agg(math.fsum))
    return volumes.to_numpy("float64")


def _is_found_otherwise(rows: pd.DataFrame, found: pd.DataFrame) -> pd.Series:
    """Whether a row of `found` has event and taxon of a row: another class has it, or a species of the genus.

    Such a taxon is not absent, although none of its objects was given this row's class.
    """
    names = set(zip(found["event"], found["scientific_name"], strict=True))
    names |= {(event, name.partition(" ")[0]) for event, name in names}
    return pd.Series(
        [key in names for key in zip(rows["event"], rows["scientific_name"], strict=True)], rows.index, dtype=bool
    )


def _events(events: pd.DataFrame, ids: pd.Series) -> dict[str, pd.Series]:
    def numbers(values: pd.Series) -> pd.Series:
        return values.map(text_of, na_action="ignore").astype("str").where(values.notna(), "")

    first, last = (events[f"{end}_sample_time"].map(_utc) for end in ("first", "last"))
    spread = events["position_spread_km"] * 1000
    constant = pd.Series("", events.index)
    return {
        "eventID": ids[events.index],
        "eventDate": first.where(first == last, first + "/" + last),
        "decimalLatitude": numbers(events["latitude"]),
        "decimalLongitude": numbers(events["longitude"]),
        # No bin is farther from the mean than from the farthest other bin; an uncertainty of 0 there is not.
        "coordinateUncertaintyInMeters": numbers(spread.where(spread > 0).round()),
        "geodeticDatum": constant + "EPSG:4326",
        "minimumDepthInMeters": numbers(events["depth_low"]),
        "maximumDepthInMeters": numbers(events["depth_high"]),
        "sampleSizeValue": numbers(events["ml_analyzed_total"]),
        "sampleSizeUnit": constant + "millilitre",
        "samplingProtocol": "Imaging FlowCytobot " + events["instruments"].str.replace(";", ", "),
        "samplingEffort": events["effort"]
        if "effort" in events
        else events["n_bins"].astype("str") + " samples of a UTC day, pooled",
        "eventRemarks": constant.where(
            events["complete"] == "yes", "the day is not complete: samples of it are missing"
        ),
    }


def _occurrences(
    rows: pd.DataFrame, ids: pd.Series, occurrence_ids: pd.Series, publication: Publication, precision: str
) -> dict[str, pd.Series]:
    constant = pd.Series("", rows.index)
    return {
        "eventID": rows["event"].map(ids),
        "occurrenceID": occurrence_ids,
        "basisOfRecord": constant + "MachineObservation",
        "occurrenceStatus": (rows["count"] > 0).map({True: "present", False: "absent"}),
        "scientificName": rows["scientific_name"],
        "scientificNameID": rows["aphia_id"].map(lsid),
        "verbatimIdentification": rows["class"],
        "organismQuantity": rows["count"].astype("str"),
        "organismQuantityType": constant + "images (regions of interest)",
        "identificationVerificationStatus": constant + "PredictedByMachine",
        "identificationReferences": constant + f"{publication.model} | {version.NAME} {version.VERSION}",
        "identificationRemarks": "the highest score of an image is that of its class and reaches "
        + rows["threshold"].map(lambda of: "that of its class" if math.isnan(of) else text_of(of))
        + f" (>=, compared as {precision})",
    }


def _measurements(
    events: pd.DataFrame, rows: pd.DataFrame, ids: pd.Series, occurrence_ids: pd.Series, confidence: float
) -> dict[str, pd.Series]:
    """List the instrument of each event and the measurements of each occurrence."""
    parts = [pd.DataFrame({"eventID": ids[events.index], **INSTRUMENT})]
    for column, (kind, kind_id, factor, unit, unit_id) in MEASUREMENTS.items():
        limit = column.startswith("objects_per_ml_")
        parts.append(
            pd.DataFrame(
                {
                    "eventID": rows["event"].map(ids),
                    "occurrenceID": occurrence_ids,
                    "measurementType": kind,
                    "measurementTypeID": kind_id,
                    "measurementValue": (rows[column] * factor).map(text_of),
                    "measurementUnit": unit,
                    "measurementUnitID": unit_id,
                    "measurementRemarks": f"counting error only, at the confidence level {confidence}" if limit else "",
                }
            )
        )
    table = pd.concat(parts, ignore_index=True).fillna("")
    columns = [term.rpartition("/")[2] for term in FILES["extendedmeasurementorfact.txt"][1:]]
    return {column: table[column] for column in columns}


def _utc(time: pd.Timestamp) -> str:
    return time.isoformat().replace("+00:00", "Z")


def _add(archive: zipfile.ZipFile, name: str, root: ET.Element) -> None:
    ET.indent(root)
    text = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    archive.writestr(_entry(name), text + b"\n")


def _add_table(archive: zipfile.ZipFile, name: str, columns: Mapping[str, pd.Series]) -> None:
    assert [term.rpartition("/")[2] for term in FILES[name][1:]] == list(columns)
    with archive.open(_entry(name), "w", force_zip64=True) as raw, io.TextIOWrapper(raw, "utf-8", newline="") as text:
        # No text of the tables has a tab or a line end: their schema forbids them. Quotes stand for themselves.
        out = csv.writer(text, delimiter="\t", quoting=csv.QUOTE_NONE, quotechar=None, lineterminator="\n")
        out.writerow(columns)
        out.writerows(zip(*columns.values(), strict=True))


def _entry(name: str) -> zipfile.ZipInfo:
    """Make an entry with a fixed time, so that the same tables give the same bytes."""
    entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry


def _meta() -> ET.Element:
    """Make the descriptor of the zip. Source: Darwin Core text guide."""
    root = ET.Element("archive", {"xmlns": "http://rs.tdwg.org/dwc/text/", "metadata": "eml.xml"})
    for name, (row_type, *terms) in FILES.items():
        is_core = name == "event.txt"
        attributes = {"rowType": row_type, "encoding": "UTF-8", "fieldsTerminatedBy": "\\t", "linesTerminatedBy": "\\n"}
        attributes |= {"fieldsEnclosedBy": "", "ignoreHeaderLines": "1"}
        file = ET.SubElement(root, "core" if is_core else "extension", attributes)
        ET.SubElement(ET.SubElement(file, "files"), "location").text = name
        ET.SubElement(file, "id" if is_core else "coreid", {"index": "0"})
        for index, term in enumerate(terms):
            ET.SubElement(file, "field", {"index": str(index), "term": term})
    return root


def _eml(
    publication: Publication, events: pd.DataFrame, rows: pd.DataFrame, left_out: Iterable[str], read_on: str
) -> ET.Element:
    """Make the metadata. Source: Ecological Metadata Language 2.2.0, as GBIF and OBIS use it."""
    first, last = events["date"].min(), events["date"].max()
    root = ET.Element("eml:eml", {"xmlns:eml": EML, "packageId": f"{publication.dataset}/{first}/{last}"})
    root.attrib |= {"system": "http://gbif.org", "scope": "system", "xml:lang": "en"}
    dataset = ET.SubElement(root, "dataset")
    ET.SubElement(dataset, "title").text = publication.title
    _party(ET.SubElement(dataset, "creator"), publication)
    _party(ET.SubElement(dataset, "metadataProvider"), publication)
    ET.SubElement(dataset, "pubDate").text = read_on
    ET.SubElement(dataset, "language").text = "en"
    ET.SubElement(ET.SubElement(dataset, "abstract"), "para").text = publication.summary
    keywords = ET.SubElement(dataset, "keywordSet")
    for keyword in ("Samplingevent", "plankton", "Imaging FlowCytobot", "machine observation"):
        ET.SubElement(keywords, "keyword").text = keyword
    rights = ET.SubElement(ET.SubElement(dataset, "intellectualRights"), "para")
    rights.text = "Licence: "
    link = ET.SubElement(rights, "ulink", {"url": LICENSES[publication.license]})
    ET.SubElement(link, "citetitle").text = publication.license
    licensed = ET.SubElement(dataset, "licensed")
    ET.SubElement(licensed, "licenseName").text = publication.license
    ET.SubElement(licensed, "url").text = LICENSES[publication.license]
    ET.SubElement(licensed, "identifier").text = publication.license
    if publication.info_url:
        online = ET.SubElement(ET.SubElement(dataset, "distribution"), "online")
        ET.SubElement(online, "url", {"function": "information"}).text = publication.info_url
    _coverage(ET.SubElement(dataset, "coverage"), publication, events, rows)
    _party(ET.SubElement(dataset, "contact"), publication)
    methods = ET.SubElement(dataset, "methods")
    texts = [
        METHOD_OF_BINS if "effort" in events else METHOD,
        LIMITS,
        f"Classifier: {publication.model}. Software: {version.NAME} {version.VERSION}.",
    ]
    texts.append(
        "An occurrence is absent if no object of its class, nor of another class of the same taxon or of a species of "
        "the same genus, was found in the volume in which it was looked for."
    )
    if left_out := list(left_out):
        texts.append(
            f"{counted(len(left_out), 'class')} without a name and an AphiaID of a living taxon left out of this "
            "archive: " + ", ".join(left_out)
        )
    step = ET.SubElement(ET.SubElement(methods, "methodStep"), "description")
    for text in texts:
        ET.SubElement(step, "para").text = text
    more = ET.SubElement(ET.SubElement(root, "additionalMetadata"), "metadata")
    gbif = ET.SubElement(more, "gbif")
    ET.SubElement(gbif, "dateStamp").text = f"{read_on}T00:00:00Z"
    ET.SubElement(gbif, "hierarchyLevel").text = "dataset"
    ET.SubElement(gbif, "citation").text = (
        f"{publication.creator_name} ({read_on[:4]}). {publication.title}. {publication.institution}. "
        f"{publication.info_url}".strip()
    )
    return root


def _party(party: ET.Element, publication: Publication) -> None:
    given, _, surname = publication.creator_name.strip().rpartition(" ")
    name = ET.SubElement(party, "individualName")
    if given:
        ET.SubElement(name, "givenName").text = given
    ET.SubElement(name, "surName").text = surname
    ET.SubElement(party, "organizationName").text = publication.institution
    ET.SubElement(party, "electronicMailAddress").text = publication.creator_email


def _coverage(coverage: ET.Element, publication: Publication, events: pd.DataFrame, rows: pd.DataFrame) -> None:
    place = ET.SubElement(coverage, "geographicCoverage")
    ET.SubElement(place, "geographicDescription").text = f"The positions of the samples of {publication.dataset}"
    box = ET.SubElement(place, "boundingCoordinates")
    west, east = west_and_east(events["longitude"])
    corners = {"west": west, "east": east, "north": events["latitude"].max(), "south": events["latitude"].min()}
    for side, degrees in corners.items():
        ET.SubElement(box, f"{side}BoundingCoordinate").text = text_of(degrees)
    time = ET.SubElement(ET.SubElement(coverage, "temporalCoverage"), "rangeOfDates")
    for end, date in (("begin", events["date"].min()), ("end", events["date"].max())):
        ET.SubElement(ET.SubElement(time, f"{end}Date"), "calendarDate").text = date
    taxa = ET.SubElement(coverage, "taxonomicCoverage")
    names = rows.drop_duplicates("scientific_name").sort_values("scientific_name")
    for name, aphia_id in zip(names["scientific_name"], names["aphia_id"], strict=True):
        taxon = ET.SubElement(taxa, "taxonomicClassification")
        ET.SubElement(taxon, "taxonRankValue").text = name
        ET.SubElement(taxon, "taxonId", {"provider": "https://www.marinespecies.org"}).text = lsid(aphia_id)
