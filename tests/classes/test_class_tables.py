"""Shipped class tables, labels that are spelt otherwise, and labels that are merged."""

import csv
from pathlib import Path

import numpy as np
import pytest

from ifcb_abundance.classes.class_table import AFTER, BEFORE, LabelTable, read_class_table
from ifcb_abundance.classes.shipped import FOLDER, SHIPPED, best_table, known_labels
from ifcb_abundance.common.errors import ConfigError
from tests.abundance.pooling import a_bin, pool, rois
from tests.classes import class_tables

ROW = dict.fromkeys(("scientific_name", "aphia_id", "living", "group", "harmful"), "")
HEAD = "label,scientific_name,aphia_id,living,group,harmful"


@pytest.mark.skipif(not class_tables.SOURCES.exists(), reason="shared data is not there")
@pytest.mark.parametrize("name", class_tables.TABLES)
def test_a_shipped_table_is_what_its_sources_say(name: str) -> None:
    assert (FOLDER / f"{name}.csv").read_text(encoding="utf-8") == class_tables.written(class_tables.TABLES[name]())


@pytest.mark.parametrize(("name", "label", "number"), [
    ("smhi", "Akashiwo_sanguinea", "232546"), ("ucsc", "Alexandrium_singlet", "109470"),
    ("syke", "Nodularia_spumigena", ""), ("whoi_plankton", "Guinardia_delicatula", "149112"),
    ("whoi", "Akashiwo", "232546"),
])  # fmt: skip
def test_shipped_tables_can_be_read(name: str, label: str, number: str) -> None:
    table = read_class_table(SHIPPED[name])
    assert table[label]["living"] == "yes"
    assert table[label]["aphia_id"] == number
    assert all(row["living"] == "no" or row["group"] for row in table.values() if row["living"])


def test_the_table_that_knows_most_labels_is_chosen() -> None:
    syke = ["Nodularia spumigena", "oscillatoriales", "Snowella-Woronichinia"]
    assert best_table(syke) == "syke"
    assert known_labels(syke)["syke"] == 3
    assert known_labels(syke, loose=False)["syke"] == 1
    assert best_table(["no such label"]) == "whoi"


def test_labels_match_where_it_is_unambiguous() -> None:
    rows = {
        "Pseudo-nitzschia": ROW | {"group": "diatom"},
        "A_b": ROW,
        "a b": ROW | {"group": "x"},
        "C_d": ROW,
        "cd": ROW,
    }
    table = LabelTable(rows, loose=True)
    assert [table.matched(label) for label in ("pseudo nitzschia", "PSEUDO_NITZSCHIA", "A_b", "a b")] == [
        "Pseudo-nitzschia", "Pseudo-nitzschia", "A_b", "a b"
    ]  # fmt: skip
    assert table.matched("A-B") is None  # two rows that differ
    assert table.matched("c-D") == "C_d"  # two rows that say the same
    assert table.matched("Pseudonitzschia_") == "Pseudo-nitzschia"
    assert LabelTable(rows).matched("pseudo nitzschia") is None


@pytest.mark.skipif(not class_tables.SOURCES.exists(), reason="shared data is not there")
def test_published_labels_that_differ_in_nothing_else() -> None:
    """The labels of SMHI's network, and NODC's names of taxa, which have blanks in place of underscores."""
    with (class_tables.SOURCES / "taxa_lookup_nodc.csv").open(encoding="utf-8-sig", newline="") as file:
        names = {row["name"] for row in csv.DictReader(file)}
    scores = class_tables.SOURCES.parent / "scores" / "D20220522T000439_IFCB134_class_scores.csv"
    labels = scores.read_text().partition("\n")[0].split(",")[1:]
    table = LabelTable(dict.fromkeys(names, ROW), loose=True)
    matched = {label: row for label in labels if (row := table.matched(label))}
    otherwise = {label: row for label, row in matched.items() if label != row}
    assert (len(labels), len(matched), len(otherwise)) == (109, 48, 42)
    assert all(label.replace("_", " ") == row for label, row in otherwise.items())


@pytest.mark.parametrize("when", [BEFORE, AFTER])
def test_labels_of_two_generations_are_one_class(tmp_path: Path, when: str) -> None:
    """By hand: 3 and 2 objects of the new labels in 2 mL, 4 of the old one in another 2 mL."""
    rows = {
        "Chaetoceros_single": ROW | {"synonym_of": "Chaetoceros", "merge": when},
        "Chaetoceros": ROW | {"living": "yes"},
    }
    table = LabelTable(rows, loose=True)
    bins = [a_bin(0, ml_analyzed=2), a_bin(1, ml_analyzed=2)]
    day = pool(
        tmp_path,
        bins,
        [rois(**{"Chaetoceros_single": 3, "chaetoceros": 2}), rois(Chaetoceros=4, Other=0)],
        class_table=table,
    )
    assert day.column("count") == {"Chaetoceros": 9, "Other": 0, "unclassified": 0}
    assert day.column("ml_analyzed_total") == {"Chaetoceros": 4, "Other": 2, "unclassified": 4}
    assert day.column("n_bins_assessed") == {"Chaetoceros": 2, "Other": 1, "unclassified": 2}
    in_bins = set(day.bins["class"])
    assert ("Chaetoceros_single" in in_bins) == (when == AFTER)


def test_the_class_that_labels_become_is_found_as_labels_are(tmp_path: Path) -> None:
    """`D_d` is given a name that no other row has: its own in another spelling, as one may like it in figures."""
    path = tmp_path / "own.csv"
    rows = ["A_spp,,,yes,,,", "A_single,,,yes,,,A spp", "A_chain,,,yes,,,A_spp", "D_d,,,yes,,,D d"]
    path.write_text("\n".join([f"{HEAD},synonym_of", *rows, ""]))
    table = read_class_table(path, loose=True)
    labels = ("A_single", "A_chain", "A_spp", "a SPP", "D_d")
    assert [table.merged(label) for label in labels] == ["A_spp"] * 4 + ["D d"]
    exact = read_class_table(path)
    assert [exact.merged(label) for label in labels] == ["A spp", "A_spp", "A_spp", "a SPP", "D d"]


@pytest.mark.parametrize(("cells", "of"), [
    (("", "A", ""), "synonym_of of 'A'"), (("", "unclassified", ""), "unclassified"),
    (("many", "", ""), "cells_per_image of 'A'"), (("0", "", ""), "above 0"), (("", "B", "later"), "merge"),
])  # fmt: skip
def test_columns_that_cannot_be_used_are_refused(tmp_path: Path, cells: tuple[str, ...], of: str) -> None:
    path = tmp_path / "own.csv"
    path.write_text(f"{HEAD},cells_per_image,synonym_of,merge\nA,,,,,,{','.join(cells)}\n")
    with pytest.raises(ConfigError, match=of):
        read_class_table(path)


def test_cells_follow_from_the_class_table(tmp_path: Path) -> None:
    table = LabelTable({"A": ROW | {"cells_per_image": "2.5"}})
    day = pool(tmp_path, [a_bin(0, ml_analyzed=2)], [rois(1, A=4, B=1)], class_table=table, cells=True)
    assert day.column("cells_per_ml") == pytest.approx({"A": 5, "B": np.nan, "unclassified": np.nan}, nan_ok=True)
    assert day.column("cells_per_ml_high")["A"] == pytest.approx(day.column("objects_per_ml_high")["A"] * 2.5)
    none = pool(tmp_path / "none", [a_bin(0, ml_analyzed=2)], [rois(1, A=0)], class_table=table, cells=True)
    assert none.column("cells_per_ml")["A"] == 0
    assert none.column("cells_per_ml_high")["A"] == pytest.approx(none.column("objects_per_ml_high")["A"] * 2.5)
