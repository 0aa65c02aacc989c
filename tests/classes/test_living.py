"""Living classes count in the totals of groups: by the shipped class table, on real counts."""

import json
from pathlib import Path

import pandas as pd
import pytest

from tests.archives import bin_row, write_archive
from tests.checkout import ROOT, Checkout

CASE = ROOT.parent / "shared" / "data" / "cases" / "mix_not_living"
BIN = "D20240215T120000_IFCB010"


@pytest.mark.skipif(not CASE.is_dir(), reason=f"no test data at {CASE}")
def test_a_published_bin_has_the_living_total_of_its_publication(checkout: Checkout) -> None:
    """Counts per label as published: 1,868 objects of living categories in 3.9148 mL, 1,708 of them `mix`."""
    checkout.run({"dataset": "cruise", "source": {"kind": "directory", "path": str(CASE)}})
    groups = checkout.table("cruise", "groups_long").set_index("group")
    assert groups.loc["living total", "count"] == 1868
    assert groups.loc["living total", "objects_per_ml"] == pytest.approx(477.16, abs=0.005)
    assert groups.loc["flagellate", "count"] == 1708 + 17  # mix_elongated, by WHOI's own grouping
    classes = checkout.table("cruise").set_index("class")
    assert set(classes.index[classes["living"] == "no"]) == {"detritus"}
    assert classes.loc["detritus", "count"] == 258
    assert pd.isna(classes.loc["other", "living"])  # not a label of the table: in no total


def test_the_labels_without_a_table_are_not_called_what_nobody_knows(checkout: Checkout, tmp_path: Path) -> None:
    """Without a class table only labels that name no organism by convention are marked; `mix` is none of them."""
    classes = ["mix", "bead", "detritus_clear", "Akashiwo", "unknown1"]
    scores = [[float(i == n) for i in range(5)] for n in range(5)]
    archive = write_archive(tmp_path / "archive", [bin_row(BIN)], {BIN: (classes, scores)})
    source = {"kind": "directory", "path": str(archive)}
    checkout.run({"dataset": "plain", "source": source, "classify": {"class_table": None}})
    table = checkout.table("plain").set_index("class")["living"].fillna("")
    assert table.to_dict() == dict.fromkeys([*classes, "unclassified"], "") | {"bead": "no", "detritus_clear": "no"}


def test_a_table_without_a_source_is_a_class_table_too(checkout: Checkout, tmp_path: Path) -> None:
    """And what stands in `source` is in no result: it may say anything."""
    archive = write_archive(tmp_path / "archive", [bin_row(BIN)], {BIN: (["mix"], [[1.0]])})
    config = {"dataset": "own", "source": {"kind": "directory", "path": str(archive)}}
    tables = {
        "six": "label,scientific_name,aphia_id,living,group,harmful\nmix,,,yes,flagellate,no\n",
        "seven": "label,scientific_name,aphia_id,living,group,harmful,source\nmix,,,yes,flagellate,no,by me\n",
    }
    for name, text in tables.items():
        (tmp_path / f"{name}.csv").write_text(text)
        checkout.run({**config, "classify": {"class_table": str(tmp_path / f"{name}.csv")}})
        groups = checkout.table("own", "groups_long").set_index("group")["count"]
        assert groups.to_dict() == {"flagellate": 1, "living total": 1}
        assert "by me" not in (checkout.results("own") / "abundance_long.csv").read_text()
    described = json.loads((checkout.results("own") / "datapackage.json").read_text())
    assert "source" not in {field["name"] for each in described["resources"] for field in each["schema"]["fields"]}
