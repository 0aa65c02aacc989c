"""The class table of WHOI's label set: complete, tidy, and equal to the sources that its rows name."""

import csv
import re
from collections import defaultdict
from pathlib import Path

import pytest

from ifcb_abundance.classes.class_table import NOT_LIVING as NOT_LIVING_ANYWHERE
from ifcb_abundance.classes.class_table import traits
from ifcb_abundance.demo.archive import LABELS
from tests.classes import label_page

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "config" / "classes.csv"
SHARED = ROOT.parent / "shared"
SCIENCE = SHARED / "SCIENCE.md"
RESOLVED = SHARED / "data" / "tables" / "whoi_labels_resolved.csv"
NODC = SHARED / "data" / "tables" / "taxa_lookup_nodc.csv"
SITES = SHARED / "data" / "tables" / "labels_of_sites.csv"
with_shared = pytest.mark.skipif(
    not all(path.exists() for path in (SCIENCE, RESOLVED, NODC, SITES)),
    reason=f"the tables to compare with are not beside this checkout ({SHARED})",
)

COLUMNS = ["label", "scientific_name", "aphia_id", "living", "group", "harmful", "source"]
GROUPS = set(
    "diatom dinoflagellate ciliate haptophyte silicoflagellate chlorophyte cryptophyte euglenoid flagellate "
    "zooplankton other".split()
)
# The groups that the resolved table tells, in its words. Of all others it only says that they are none of these.
HIGHER_GROUPS = {"Bacillariophyceae": "diatom", "Dinoflagellata": "dinoflagellate", "Haptophyta": "haptophyte"}
OTHERS = "other than diatoms, dinoflagellates, or haptophytes"
WORMS = "World Register of Marine Species"
NOT_LIVING = set("bad bead bubble camera_spot detritus detritus_clear fecal_pellet fiber pollen".split())
# The label in which the resolved table matched a word to a taxon that is not meant.
NOT_THAT_TAXON = {"camera_spot": "Camera"}
NOT_OF_WHOI = {"Akashiwo", "Chaetoceros, single cell", "fiber", "mix_elongated", "nanoplankton <10um"}


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, strict=True))


@pytest.fixture(scope="module")
def rows() -> dict[str, dict[str, str]]:
    return {row["label"]: row for row in read(TABLE)}


@pytest.fixture(scope="module")
def resolved() -> dict[str, dict[str, str]]:
    """The resolved table, by WHOI's labels as a classifier writes them."""
    return {row["name"].replace(" ", "_"): row for row in read(RESOLVED)}


def higher(row: dict[str, str]) -> set[str]:
    return {row["higher_order_fromid"], row["resolved_higher_order_fromgnr"]} - {"NA"}


def claimed(row: dict[str, str]) -> dict[str, str]:
    """Column to who it is from."""
    return {column: claim.who for claim in label_page.claims(row["source"]) for column in claim.columns}


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
    assert {label for label, row in rows.items() if row["living"] == "no"} == NOT_LIVING
    # Said of these labels without a table too; of `mix` and `unknown` nothing is said then.
    assert NOT_LIVING <= NOT_LIVING_ANYWHERE
    assert traits([*NOT_LIVING, "mix", "unknown"], {})["living"] == ["no"] * len(NOT_LIVING) + ["", ""]


@pytest.mark.parametrize(
    "label", ["mix", "mix_elongated", "square_unknown", "flagellate", "flagellate_morphotype1", "unknown1", "unknown2"]
)
def test_what_has_no_name_may_live(rows: dict[str, dict[str, str]], label: str) -> None:
    assert rows[label]["living"] == "yes"
    assert rows[label]["aphia_id"] == ""


def test_company_does_not_make_an_organism_dead(rows: dict[str, dict[str, str]]) -> None:
    assert rows["Thalassiosira_TAG_external_detritus"] == {
        **rows["Thalassiosira"],
        "label": "Thalassiosira_TAG_external_detritus",
    }


def test_each_row_says_where_it_is_from(rows: dict[str, dict[str, str]]) -> None:
    """Each value that is there is from one source, and what is by hand has its reason. `harmful: no` is the default."""
    for label, row in rows.items():
        claims = label_page.claims(row["source"])
        columns = [column for claim in claims for column in claim.columns]
        assert len(columns) == len(set(columns)), label
        filled = {column for column in label_page.COLUMNS if row[column] and (column, row[column]) != ("harmful", "no")}
        assert filled <= set(columns), label
        assert {claim.who for claim in claims} <= {"hand", "NES-LTER", "NODC", "UCSC", "WHOI-Plankton"}, label
        assert all(bool(claim.why) == (claim.who == "hand") for claim in claims), label


@pytest.mark.parametrize(
    "source",
    [
        "",
        "hand",
        "hand: colour",
        "hand: living;group",
        "NES-LTER: living (a; b)",
        "NES-LTER: living, group",
        "x: living;",
    ],
)
def test_a_source_that_cannot_be_read_is_no_source(source: str) -> None:
    with pytest.raises(ValueError, match="not a source"):
        label_page.claims(source)


# --- beside the tables that the rows are from ---


@with_shared
def test_the_list_of_not_living_is_that_of_the_definitions() -> None:
    found = re.search(r"Not living, to be marked and never deleted:([^.]*)\.", SCIENCE.read_text(encoding="utf-8"))
    assert found is not None
    assert {word.strip() for word in found[1].split(",")} == NOT_LIVING - {"detritus_clear"}


@with_shared
def test_every_label_of_whoi_is_there(rows: dict[str, dict[str, str]], resolved: dict[str, dict[str, str]]) -> None:
    assert len(resolved) == 147
    assert set(rows) == set(resolved) | NOT_OF_WHOI


@with_shared
def test_names_and_aphia_ids_are_those_of_the_resolved_table(
    rows: dict[str, dict[str, str]], resolved: dict[str, dict[str, str]]
) -> None:
    """Where it has a number of WoRMS for what the label means. AlgaeBase's numbers and fill values are left out."""
    found = {label: row for label, row in resolved.items() if row["data_source"] == WORMS}
    assert len(found) == 128
    for label, row in found.items():
        (name,) = {row["resolved_names"], row["taxon_name_fromid"]} - {"NA"}
        if label in NOT_THAT_TAXON:
            assert name == NOT_THAT_TAXON[label]
            assert (rows[label]["scientific_name"], rows[label]["aphia_id"]) == ("", "")
            assert claimed(rows[label])["aphia_id"] == "hand"
        else:
            assert (rows[label]["scientific_name"], rows[label]["aphia_id"]) == (name, row["resolved_id_fromgnr"])
            assert claimed(rows[label])["aphia_id"] == "NES-LTER"
    others = {label: row["aphia_id"] for label, row in rows.items() if row["aphia_id"] and label not in found}
    diatoms = resolved["Bacillariophyceae"]["resolved_id_fromgnr"]
    assert resolved["pennate"]["resolved_id_fromgnr"] == diatoms  # from a table of the authors, a number of WoRMS
    assert others == {
        "Akashiwo": "232546",
        "Chaetoceros, single cell": rows["Chaetoceros"]["aphia_id"],
        "pennate": diatoms,
        "pennate_morphotype1": diatoms,
    }


@with_shared
def test_living_is_what_the_resolved_table_says(
    rows: dict[str, dict[str, str]], resolved: dict[str, dict[str, str]]
) -> None:
    """What has a higher taxon there lives, what has a fill value for its id does not. The rest it leaves open."""
    lives = {label for label, row in resolved.items() if higher(row)} - {"camera_spot"}
    dead = {label for label, row in resolved.items() if row["resolved_id_fromgnr"] == "-999999"}
    assert dead == {"bead", "bubble", "detritus", "pollen"}
    assert {label for label in lives | dead if rows[label]["living"] != ("yes" if label in lives else "no")} == set()
    by_it = {label for label, row in rows.items() if claimed(row)["living"] == "NES-LTER"}
    assert by_it == lives | dead
    left_open = "bad camera_spot ciliate coccolithophorid detritus_clear fecal_pellet flagellate_morphotype1 "
    left_open += "flagellate_morphotype3 pennate_morphotype1 square_unknown unknown1 unknown2 zooplankton"
    assert set(resolved) - by_it == set(left_open.split())


@with_shared
def test_groups_are_those_of_the_resolved_table(
    rows: dict[str, dict[str, str]], resolved: dict[str, dict[str, str]]
) -> None:
    """Its three groups, and for all others one that is none of these."""
    for label, row in resolved.items():
        if higher(row) and label != "camera_spot":
            (words,) = higher(row)
            if words in HIGHER_GROUPS:
                assert rows[label]["group"] == HIGHER_GROUPS[words]
                assert claimed(rows[label])["group"] == "NES-LTER"
            else:
                assert words == OTHERS
                assert rows[label]["group"] in GROUPS - set(HIGHER_GROUPS.values())
    known = {label for label, row in resolved.items() if higher(row) & set(HIGHER_GROUPS)}
    others = {label for label, row in rows.items() if row["group"] in HIGHER_GROUPS.values()} - known
    assert others == {"Akashiwo", "Chaetoceros, single cell", "coccolithophorid", "pennate_morphotype1"}


@with_shared
def test_what_is_said_to_be_from_the_tables_of_sites_is_there(rows: dict[str, dict[str, str]]) -> None:
    words = {"Diatom": "diatom", "Dinoflagellate": "dinoflagellate", "Ciliate": "ciliate", "Flagellate": "flagellate"}
    sites = {(row["site"].split()[0], re.sub("_sp$", "", row["label"])): row for row in read(SITES)}
    nodc = {row["name"]: row for row in read(NODC)}
    seen = 0
    for label, row in rows.items():
        for column, who in claimed(row).items():
            if who in ("UCSC", "WHOI-Plankton"):
                found = sites[who, label][column]
                assert row[column] == (words[found] if column == "group" else found), label
            elif who == "NODC":
                theirs = nodc[row["scientific_name"]]
                assert column in ("scientific_name", "harmful"), label
                assert column == "scientific_name" or (theirs["HAB"], row["harmful"]) == ("TRUE", "yes"), label
            seen += who in ("UCSC", "WHOI-Plankton", "NODC")
    assert seen > 25


@with_shared
def test_harmful_is_what_nodc_flags(rows: dict[str, dict[str, str]]) -> None:
    """And by hand what the IOC lists; never what UCSC alone flags, which flags whole genera."""
    flagged = {row["name"] for row in read(NODC) if row["HAB"] == "TRUE"}
    by_nodc = {label for label, row in rows.items() if row["scientific_name"] in flagged}
    harmful = {label for label, row in rows.items() if row["harmful"] == "yes"}
    assert by_nodc <= harmful
    by_hand = harmful - by_nodc
    assert {claimed(rows[label])["harmful"] for label in by_hand} == {"hand"}
    assert all("IOC-UNESCO" in rows[label]["source"] for label in by_hand)


@with_shared
def test_akashiwo_is_harmful_and_has_its_id_by_two_tables(rows: dict[str, dict[str, str]]) -> None:
    (ucsc,) = (row for row in read(SITES) if row["label"] == "Akashiwo" and row["site"] == "UCSC v1")
    (nodc,) = (row for row in read(NODC) if row["clean_names"] == "Akashiwo_sanguinea")
    assert (ucsc["aphia_id"], ucsc["harmful"], nodc["AphiaID"], nodc["HAB"]) == ("232546", "yes", "232546", "TRUE")
    found = rows["Akashiwo"]
    assert (found["aphia_id"], found["harmful"], found["scientific_name"]) == ("232546", "yes", nodc["name"])


@with_shared
def test_the_page_lists_each_label_on_which_the_sources_disagree() -> None:
    """As `python -m tests.classes.label_page` writes it."""
    page = label_page.PAGE.read_text(encoding="utf-8")
    assert page[page.index(label_page.HEAD) :] == label_page.disagreements()
    # Some of them, seen in the tables by eye.
    for line in (
        "| `Dinophysis` | aphia_id | 109462 | NES-LTER: 109462; UCSC: 19542; NODC: 109462 |",
        "| `Ephemera` | group | diatom | NES-LTER: Bacillariophyceae; WHOI-Plankton: Other |",
        "| `Karenia` | harmful | yes | NODC: no |",
        "| `Prorocentrum` | harmful | no | UCSC: yes; NODC: no |",
        "| `camera_spot` | living | no | NES-LTER: yes |",
        "| `mix_elongated` | group | flagellate | WHOI-Plankton: Diatom |",
    ):
        assert line in page
    assert "| `mix` |" not in page
