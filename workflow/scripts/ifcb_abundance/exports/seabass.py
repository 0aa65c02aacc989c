"""Export to SeaBASS: a text file with a row per UTC day and group and a column per class."""

import logging
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, count
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ifcb_abundance.classes.labels import UNCLASSIFIED
from ifcb_abundance.common import version
from ifcb_abundance.common.atomic_write import atomic_write
from ifcb_abundance.common.errors import TableError
from ifcb_abundance.exports.publication import (
    METHOD,
    Publication,
    Tables,
    lsid,
    moves,
    of_instruments,
    one_threshold,
    read_days,
    text_of,
    warn_of_excluded,
    west_and_east,
)

log = logging.getLogger("ifcb.export_seabass")

MISSING = "-9999"
# Letters that Unicode does not make of others, as ASCII has them.
LETTERS = str.maketrans(
    {"\u00e6": "ae", "\u00c6": "AE", "\u0153": "oe", "\u0152": "OE", "\u00f8": "o", "\u00d8": "O", "\u00df": "ss"}
    | {"\u0142": "l", "\u0141": "L", "\u0111": "d", "\u0110": "D", "\u00b5": "u", "\u03bc": "u"}
)
PER_M3 = 1e6  # mL in a cubic metre
# The fields before those of the classes, with their units.
START = {
    "station_alt_id": "none",
    "date": "yyyymmdd",
    "time": "hh:mm:ss",
    "lat": "degrees",
    "lon": "degrees",
    "depth": "m",
    "volume": "L",
}


def export_seabass(
    tables: Tables,
    group_by: Sequence[str],
    publication: Publication,
    tolerance_km: float,
    accept_zero: bool,
    path: str | Path,
) -> None:
    """Write the dataset as one SeaBASS file.

    All classes are in it, in columns abun_1id, abun_2id, ...; the header says what each means. -9999 means not
    assessed, zero is a count. SeaBASS accepts no row without position or depth: a warning counts the days and groups
    that are excluded. tolerance_km: if an instrument is farther from where it was, whatever its group is, the data
    type is `flow_thru`. accept_zero: whether a bin at 0,0 has a position. Raises TableError if no row is left.
    Source: the SeaBASS wiki (metadataheaders, stdfields, plankton_and_particles) and Neeley et al. 2021,
    doi:10.1575/1912/27377.
    """
    dataset = read_days(tables, group_by, publication.dataset)
    placed = dataset.events[["latitude", "longitude", "depth_low"]].notna().all(axis="columns")
    events = dataset.events[placed].sort_values(["first_sample_time", "event"])
    without = int((~placed).sum())
    warn_of_excluded(log, tables, publication.dataset, "SeaBASS", "a position and a depth", without, len(placed))
    if events.empty:
        raise TableError(
            f"{tables.abundance}: no day has both a position and a depth, so there is nothing for SeaBASS. Have them "
            "entered at the source, or take seabass out of export.formats"
        )
    events = events.assign(station=events["name"].map(words(events["name"].unique())))
    rows = dataset.rows[dataset.rows["event"].isin(events.index)]
    classes = rows.drop_duplicates("class").sort_values("class", ignore_index=True)
    classes["threshold"] = classes["class"].map(one_threshold(rows))
    abundance = rows.pivot(index="event", columns="class", values="objects_per_ml") * PER_M3
    cells = abundance.reindex(index=events.index, columns=pd.Index(classes["class"])).to_numpy()
    with atomic_write(path) as unfinished, unfinished.open("w", encoding="ascii", newline="") as file:
        places = of_instruments(tables, group_by, events, tolerance_km, accept_zero)
        data_type = "flow_thru" if moves(places, "instruments", tolerance_km) else "mooring"
        for line in _header(events, classes, publication, data_type, Path(path).name):
            file.write(line + "\n")
        for event, values in zip(events.to_dict("records"), cells, strict=True):
            of_class = [MISSING if np.isnan(value) else text_of(value) for value in values]
            file.write(",".join([*_start(event), *of_class]) + "\n")


def _start(event: dict[Any, Any]) -> list[str]:
    """Make the first columns of a row: word of the group, time of the first bin, place, volume in litres."""
    time = event["first_sample_time"]
    return [
        event["station"],
        f"{time:%Y%m%d}",
        f"{time:%H:%M:%S}",
        text_of(event["latitude"]),
        text_of(event["longitude"]),
        text_of((event["depth_low"] + event["depth_high"]) / 2),
        text_of(event["ml_analyzed_total"] / 1000),
    ]


def _header(
    events: pd.DataFrame, classes: pd.DataFrame, publication: Publication, data_type: str, name: str
) -> Iterator[str]:
    first, last = events["first_sample_time"].iloc[0], events["first_sample_time"].iloc[-1]
    instruments = sorted({name for names in events["instruments"] for name in names.split(";")})
    yield "/begin_header"
    yield f"/investigators={word(publication.creator_name)}"
    yield f"/affiliations={word(publication.institution)}"
    yield f"/contact={publication.creator_email}"
    yield f"/experiment={publication.experiment}"
    yield f"/cruise={publication.cruise}"
    yield "/station=NA"
    yield f"/data_file_name={name}"
    yield f"/documents={','.join(publication.documents)}"
    yield "/calibration_files=no_cal_files"
    yield f"/data_type={data_type}"
    yield "/data_status=preliminary"
    yield f"/instrument_model={','.join(f'Imaging_FlowCytobot_{instrument}' for instrument in instruments)}"
    yield "/instrument_manufacturer=McLane_Research_Laboratories_Inc"
    yield f"/start_date={first:%Y%m%d}"
    yield f"/end_date={last:%Y%m%d}"
    yield f"/start_time={first:%H:%M:%S}[GMT]"
    yield f"/end_time={last:%H:%M:%S}[GMT]"
    yield f"/north_latitude={text_of(events['latitude'].max())}[DEG]"
    yield f"/south_latitude={text_of(events['latitude'].min())}[DEG]"
    west, east = west_and_east(events["longitude"])
    yield f"/east_longitude={text_of(east)}[DEG]"
    yield f"/west_longitude={text_of(west)}[DEG]"
    yield "/water_depth=NA"
    yield "/measurement_depth=NA"
    yield f"/missing={MISSING}"
    yield "/delimiter=comma"
    yield "!"
    yield f"! {plain(publication.title)}"
    yield f"! Made by {version.NAME} {version.VERSION}."
    if publication.model:
        yield f"! Classifier: {plain(publication.model)}"
    for sentence in re.split(r"(?<=\.) ", METHOD):
        yield f"! {sentence}"
    yield "! A row holds all bins of a UTC day; its time is that of the first bin. volume: of the used bins of the day."
    yield "! abun: objects (images), not cells; 0 is looked for and not found, -9999 not assessed."
    yield "!"
    yield "! id, label of the classifier, scientificName, scientificNameID, threshold"
    for number, row in enumerate(classes.to_dict("records"), start=1):
        without = "none" if row["class"] == UNCLASSIFIED else "varies"
        threshold = without if np.isnan(row["threshold"]) else text_of(row["threshold"])
        label, taxon = (_cell(plain(row[name])) or "none" for name in ("class", "scientific_name"))
        yield f"! {number}id, {label}, {taxon}, {lsid(row['aphia_id']) or 'none'}, {threshold}"
    yield "!"
    word_of = words(classes["class"])
    definitions = (f"{number}id:{word_of[label]}" for number, label in enumerate(classes["class"], start=1))
    yield f"/id_fields_definitions={','.join(definitions)}"
    ids = range(1, len(classes) + 1)
    yield f"/fields={','.join([*START, *(f'abun_{number}id' for number in ids)])}"
    yield f"/units={','.join([*START.values(), *('number/m^3' for _ in ids)])}"
    yield "/end_header"


def plain(text: str) -> str:
    """Write a text in ASCII: without accents and odd punctuation, other characters as code points, such as U4E2D."""
    return "".join(map(_in_ascii, unicodedata.normalize("NFC", text.translate(LETTERS)))).strip()


def _in_ascii(character: str) -> str:
    parts = unicodedata.normalize("NFKD", character)
    text = "".join(part for part in parts if not unicodedata.combining(part))
    if text.isascii():
        return text
    is_punctuation = unicodedata.category(character)[0] in "PZC"
    return "" if is_punctuation else f"U{ord(character):04X}"


def word(text: str) -> str:
    """Reduce a text to a value of a SeaBASS header or cell: letters, digits, dots, underscores and hyphens."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", plain(text)).strip("_") or "NA"


def words(texts: Iterable[str]) -> dict[str, str]:
    """Reduce different texts to different words: a text that is a word stays, of others equal words end in _2, _3."""
    texts = list(texts)
    found = {text: text for text in texts if word(text) == text}
    taken = set(found)
    for text in texts:
        if text not in found:
            start = word(text)
            numbered = (f"{start}_{number}" for number in count(2))
            found[text] = next(each for each in chain([start], numbered) if each not in taken)
            taken.add(found[text])
    return found


def _cell(text: str) -> str:
    """A cell of the list of ids, in quotes if it has a comma or a quote."""
    return '"' + text.replace('"', '""') + '"' if re.search('[",]', text) else text
