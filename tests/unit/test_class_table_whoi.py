"""The class table of WHOI's label set: whole, tidy, and of one mind with the tables its facts come from."""

import csv
import re
from collections import defaultdict
from pathlib import Path

import pytest

from demo_archive import LABELS

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "config" / "classes.csv"
SHARED = ROOT.parent / "shared"
SCIENCE = SHARED / "SCIENCE.md"
RESOLVED = SHARED / "data" / "tables" / "whoi_labels_resolved.csv"
NODC = SHARED / "data" / "tables" / "taxa_lookup_nodc.csv"
with_shared = pytest.mark.skipif(
    not (SCIENCE.exists() and RESOLVED.exists() and NODC.exists()),
    reason=f"the tables to compare with are not beside this checkout ({SHARED})",
)

COLUMNS = ["label", "scientific_name", "aphia_id", "living", "group", "harmful"]
GROUPS = set(
    "diatom dinoflagellate ciliate haptophyte silicoflagellate chlorophyte cryptophyte euglenoid flagellate "
    "zooplankton other".split()
)
# The groups that the resolved table tells, in its words.
HIGHER_GROUPS = {"Bacillariophyceae": "diatom", "Dinoflagellata": "dinoflagellate", "Haptophyta": "haptophyte"}

NOT_LIVING = set("bad bead bubble camera_spot detritus fecal_pellet fiber pollen mix unknown".split())
# Labels that are one of these under a longer name.
NOT_LIVING_VARIANTS = {
    "detritus_clear": "detritus",
    "square_unknown": "unknown",
    "unknown1": "unknown",
    "unknown2": "unknown",
}

# A word that is spelled like a genus but does not mean it: amoebae at large, not Amoeba.
NOT_THE_GENUS = {"amoeba"}
# On the IOC-UNESCO list of harmful microalgae, or genera known for the species on it, without a flag in nodc's table.
HARMFUL_BY_IOC = {
    "Alexandrium_catenella",
    "Dinophysis",
    "Karenia",
    "Margalefidinium",
    "Pseudochattonella_farcimen",
    "Vicicitus_globosus",
}


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, strict=True))


@pytest.fixture(scope="module")
def rows() -> dict[str, dict[str, str]]:
    return {row["label"]: row for row in read(TABLE)}


def taxon(label: str) -> str:
    """The taxon a label names: without what it says about company, form or number of cells."""
    name = re.sub(r"_TAG_.*|_morphotype\d+|_spp|, single cell", "", label).replace("_", " ")
    return name[0].upper() + name[1:]


def aphia_ids() -> dict[str, set[str]]:
    """Name of a taxon: its own AphiaIDs in the two tables.

    In the resolved table it is `resolved_id_fromgnr`, and only where `data_source` is WoRMS: without a source
    that column holds AlgaeBase ids, fill values and ids of the higher group. `resolved_names` or
    `taxon_name_fromid` says whose id it is.
    """
    ids = defaultdict(set)
    for row in read(RESOLVED):
        if row["data_source"] == "World Register of Marine Species":
            name = row["resolved_names"] if row["resolved_names"] != "NA" else row["taxon_name_fromid"]
            ids[name].add(row["resolved_id_fromgnr"])
    for row in read(NODC):
        if row["AphiaID"] != "NA":
            ids[row["name"]].add(row["AphiaID"])
    return ids


def test_columns_and_plain_text() -> None:
    text = TABLE.read_bytes()
    assert text.startswith(",".join(COLUMNS).encode() + b"\n")
    assert text.endswith(b"\n")
    assert b"\r" not in text
    assert text.isascii()
    with TABLE.open(newline="", encoding="utf-8") as file:
        cells = list(csv.reader(file, strict=True))
    assert {len(row) for row in cells} == {len(COLUMNS)}
    assert [cell for row in cells for cell in row if cell != cell.strip()] == []


def test_labels_are_sorted_and_unique() -> None:
    labels = [row["label"] for row in read(TABLE)]
    assert labels == sorted(set(labels))
    assert "" not in labels


def test_values_are_allowed(rows: dict[str, dict[str, str]]) -> None:
    for label, row in rows.items():
        assert row["living"] in {"yes", "no"}, label
        assert re.fullmatch(r"([1-9]\d*)?", row["aphia_id"]), label
        if row["living"] == "yes":
            assert row["group"] in GROUPS, label
            assert row["harmful"] in {"yes", "no"}, label
        else:
            assert (row["scientific_name"], row["aphia_id"], row["group"], row["harmful"]) == ("",) * 4, label


def test_an_id_has_the_name_of_its_label(rows: dict[str, dict[str, str]]) -> None:
    for label, row in rows.items():
        if row["aphia_id"]:
            assert row["scientific_name"] == taxon(label)


def test_a_taxon_is_described_the_same_in_all_its_labels(rows: dict[str, dict[str, str]]) -> None:
    facts = defaultdict(set)
    for row in rows.values():
        if row["scientific_name"]:
            facts[row["scientific_name"]].add((row["aphia_id"], row["group"], row["harmful"]))
    assert {name: found for name, found in facts.items() if len(found) > 1} == {}
    names = defaultdict(set)
    for row in rows.values():
        if row["aphia_id"]:
            names[row["aphia_id"]].add(row["scientific_name"])
    assert {aphia_id: found for aphia_id, found in names.items() if len(found) > 1} == {}


def test_every_label_of_the_demo_is_there(rows: dict[str, dict[str, str]]) -> None:
    assert set(LABELS) - set(rows) == set()


def test_not_living_is_what_the_list_says(rows: dict[str, dict[str, str]]) -> None:
    assert set(NOT_LIVING_VARIANTS) <= set(rows)
    expected = {label for label in rows if NOT_LIVING_VARIANTS.get(label, label) in NOT_LIVING}
    assert {label for label, row in rows.items() if row["living"] == "no"} == expected


def test_company_does_not_make_an_organism_dead(rows: dict[str, dict[str, str]]) -> None:
    assert rows["Thalassiosira_TAG_external_detritus"] == {
        **rows["Thalassiosira"],
        "label": "Thalassiosira_TAG_external_detritus",
    }


@with_shared
def test_the_list_of_not_living_is_that_of_the_definitions() -> None:
    found = re.search(r"Not living, to be marked and never deleted:([^.]*)\.", SCIENCE.read_text(encoding="utf-8"))
    assert found is not None
    assert {word.strip() for word in found[1].split(",")} == NOT_LIVING


@with_shared
def test_every_label_of_whoi_is_there(rows: dict[str, dict[str, str]]) -> None:
    whoi = {row["name"].replace(" ", "_") for row in read(RESOLVED)}
    assert len(whoi) == 147
    assert whoi - set(rows) == set()


@with_shared
def test_aphia_ids_are_those_of_the_tables_and_none_is_made_up(rows: dict[str, dict[str, str]]) -> None:
    ids = aphia_ids()
    expected = {
        label: ids.get(taxon(label), {""}) if row["living"] == "yes" and label not in NOT_THE_GENUS else {""}
        for label, row in rows.items()
    }
    assert {label: {row["aphia_id"]} for label, row in rows.items()} == expected


@with_shared
def test_groups_are_those_of_the_resolved_table_where_it_tells(rows: dict[str, dict[str, str]]) -> None:
    told = {}
    for row in read(RESOLVED):
        higher = {row["higher_order_fromid"], row["resolved_higher_order_fromgnr"]} & set(HIGHER_GROUPS)
        if higher:
            told[row["name"].replace(" ", "_")] = HIGHER_GROUPS[higher.pop()]
    assert len(told) > 80
    assert {label: rows[label]["group"] for label in told} == told
    by_name = {"coccolithophorid", "pennate_morphotype1", "Akashiwo", "Chaetoceros, single cell"}
    others = {label for label, row in rows.items() if row["group"] in HIGHER_GROUPS.values()} - set(told)
    assert others == by_name


@with_shared
def test_harmful_is_what_nodc_flags_and_the_ioc_lists(rows: dict[str, dict[str, str]]) -> None:
    flagged = {row["name"] for row in read(NODC) if row["HAB"] == "TRUE"}
    expected = {label for label in rows if taxon(label) in flagged} | HARMFUL_BY_IOC
    assert {label for label, row in rows.items() if row["harmful"] == "yes"} == expected
