"""One run for each form of class scores, of real files, with published values or such that are worked out by hand."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.io import loadmat, savemat

from ifcb_abundance.common.errors import CatalogError, TableError
from ifcb_abundance.report.invariants import NEEDED, write_test_results
from ifcb_abundance.sources.bin_files import FileOptions
from ifcb_abundance.sources.directory import DirectorySource
from tests.archives import bin_row, write_archive
from tests.checkout import Checkout
from tests.raw_files import scores_h5
from tests.scores.test_forms import CASES, needs_cases

BLIND = "D20240415T030000_IFCB010"  # it has no features
BINS = ("D20240415T010000_IFCB010", "D20240415T020000_IFCB010", "D20240416T010000_IFCB010")


def config(path: Path, classify: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"dataset": "own", "source": {"kind": "directory", "path": str(path)}, "classify": classify} | more


def counts(run: Checkout, name: str = "abundance_long") -> dict[tuple[str, str], int]:
    table = run.table("own", name)
    return {(row["date"], row["class"]): row["count"] for row in table.to_dict("records") if row["count"]}


@needs_cases
def test_winners_and_probabilities(tmp_path: Path) -> None:
    archive, run = tmp_path / "irfcb", Checkout(tmp_path / "checkout")
    archive.mkdir()
    for name in (*(CASES / "no_roi").glob("*.[ha]d[rc]"), *(CASES / "irfcb_class_csv").glob("*.csv")):
        shutil.copy(name, archive)
    raw = config(archive, {"threshold": 0.65, "class_table": "auto"})
    raw["source"]["catalog"] = "raw"
    printed = run.run(raw)
    assert "class scores: class_csv (source.scores_format: auto)" in printed
    assert "class table: smhi, which knows 1 of 1 label (classify.class_table: auto)" in printed
    assert counts(run) == {("2022-05-22", "Mesodinium_rubrum"): 1, ("2022-05-22", "unclassified"): 1}
    kept = run.files("own")
    printed = run.run(raw | {"classify": {"rule": "each"}}, fails=True)
    assert "classify.rule: 'each': the class scores are class_csv files, which have the score of the winner" in printed
    assert run.files("own") == kept
    run.run(raw | {"classify": {"class_thresholds": "from_scores", "class_table": "smhi"}})
    (row,) = run.table("own").query("count == 2").to_dict("records")
    assert row["ml_analyzed_total"] == pytest.approx(2.98127228913484)
    assert row["objects_per_ml"] == pytest.approx(0.670854523)
    assert (row["scientific_name"], row["aphia_id"]) == ("Mesodinium rubrum", 232069)

    for name in (*(CASES / "fast_run").glob("*.[har][do][rci]"), *(CASES / "prob_csv").glob("*.csv")):
        shutil.copy(name, archive)
    for name in archive.glob("D2022*"):
        name.unlink()
    each = raw | {"classify": {"threshold": 0.1, "class_table": None, "rule": "each"}}
    printed = run.run(each, "validation", fails=True)
    assert "validation needs classify.rule: winner" in printed
    assert "MissingInput" not in printed
    assert counts(run) == {("2022-05-22", "Mesodinium_rubrum"): 2}  # nothing was done
    run.run(each)
    assert counts(run) == dict.fromkeys([("2018-07-12", name) for name in ("Beads", "Ciliata", "Dinophyceae")], 2)
    assert set(run.table("own")["n_rois"]) == {2}
    assert set(run.table("own")["rule"]) == {"each"}


@needs_cases
def test_a_summary_lists_its_bins_itself(tmp_path: Path) -> None:
    run = Checkout(tmp_path / "checkout")
    of = CASES / "summary_mat"
    printed = run.run(config(of, {"class_table": "whoi"}), fails=True)
    assert "classify.threshold: 0 or classify.threshold: 0.5 or classify.class_thresholds: from_scores" in printed
    assert not run.results("own").exists()  # it was refused before any work
    printed = run.run(config(of, {"threshold": 0}), "validation_plan", fails=True)
    assert "validation: the class scores are summaries, which have no ROIs" in printed
    assert not run.results("own").exists()
    run.run(config(of, {"threshold": 0}))
    assert counts(run) == {
        ("2024-05-01", "Akashiwo"): 3, ("2024-05-01", "Chaetoceros"): 22, ("2024-05-01", "unclassified"): 12,
        ("2024-05-02", "Akashiwo"): 1, ("2024-05-02", "unclassified"): 9,
    }  # fmt: skip
    assert run.table("own").groupby("date")["ml_analyzed_total"].unique().map(list).to_dict() == {
        "2024-05-01": [7.5],
        "2024-05-02": [4.5],
    }
    run.run(config(of, {"class_thresholds": "from_scores"}))
    assert counts(run)["2024-05-01", "Akashiwo"] == 2
    assert counts(run)["2024-05-01", "Chaetoceros"] == 17


def test_thresholds_and_cells_of_the_classifier_labels_and_casts(tmp_path: Path) -> None:
    """By hand: classes A (a chain), `a-B` (spelt otherwise in the table), C1 and C2 (merged)."""
    archive, run = tmp_path / "archive", Checkout(tmp_path / "checkout")
    classes = ("A", "a-B", "C1", "C2")
    scores = [
        [0.6, 0.2, 0.1, 0.1],
        [0.55, 0.25, 0.1, 0.1],
        [0.1, 0.7, 0.1, 0.1],
        [0.1, 0, 0.8, 0.1],
        [0.1, 0, 0.1, 0.8],
    ]
    archive.mkdir()
    thresholds = {BINS[0]: [0.5] * 4, BINS[1]: [0.58, 0.5, 0.5, 0.5], BINS[2]: [0.5] * 4}
    for bin_id, own in thresholds.items():
        more = {"thresholds": own, "cell_count": np.array([4, 2, -1, -1, -1], np.int32)}
        body = scores_h5(3, None, classes, [1, 2, 3, 4, 5], scores, "float64", **more)
        (archive / f"{bin_id}_class.h5").write_bytes(body)
    # As people upload it to a dashboard.
    rows = [f"{bin_id},IFCB10,2.0,{cast},NA,nan" for bin_id, cast in zip(BINS, ("1", "1", "2"), strict=True)]
    (archive / "metadata.csv").write_text(
        "\n".join(["filename,instrument,ml_analyzed,cast,latitude,longitude", *rows, ""])
    )
    (tmp_path / "classes.csv").write_text(
        "label,scientific_name,aphia_id,living,group,harmful,cells_per_image,synonym_of,merge\n"
        "A,Aus,1,yes,diatom,no,,,\nA_b,Bus,2,yes,diatom,no,3,,\n"
        "C1,Cus,3,yes,other,no,,C,before\nC2,Cus,3,yes,other,no,,C,after\nC,Cus,3,yes,other,no,,,\n"
    )
    classify = {"class_thresholds": "from_scores", "class_table": str(tmp_path / "classes.csv")}
    how = config(archive, classify, abundance={"group_by": ["cast"], "period": "week"})
    assert "A_b): Bus, 2, diatom" in run.run(how, "check_labels")
    assert not (run.results("own") / "catalog.csv").exists()
    assert "the class table spells 1 label otherwise: 'a-B' is its 'A_b'" in run.run(how)
    table = run.table("own").set_index(["date", "class"])
    assert set(table["cast"]) == {1, 2}
    first = table.loc["2024-04-15"]
    assert first["count"].to_dict() == {"A": 3, "C": 4, "a-B": 2, "unclassified": 1}
    assert first["thresholds_mixed"].to_dict() == {"A": "yes", "C": "no", "a-B": "no", "unclassified": "yes"}
    assert np.isnan(first.loc["A", "threshold"])
    assert first.loc["a-B", "threshold"] == 0.5
    assert first.loc["a-B", "scientific_name"] == "Bus"
    # 4 + 2 cells in the first bin, 4 in the second, in 4 mL; three cells an image of a-B; C is not known.
    assert first["cells_per_ml"].fillna(-1).to_dict() == {"A": 2.5, "C": -1, "a-B": 1.5, "unclassified": -1}
    a = first.loc["A"]
    assert a["cells_per_ml_high"] == pytest.approx(a["objects_per_ml_high"] * 10 / 3)
    assert a["cells_per_ml_low_dispersed"] == pytest.approx(a["objects_per_ml_low_dispersed"] * 10 / 3)
    bins = pd.read_parquet(run.results("own") / "bins_long.parquet")
    assert set(bins["class"]) == {"A", "a-B", "C", "C2", "unclassified"}  # C2 is merged after pooling
    week = run.table("own", "abundance_week").set_index("class").query("cast == 1")
    assert week["cells_per_ml"].fillna(-1).to_dict() == first["cells_per_ml"].fillna(-1).to_dict()
    ledger = run.table("own", "ledger")
    assert ledger["label_set"].nunique() == 1
    assert ledger["label_set"].iloc[0].startswith("4 classes ")
    assert "The class table merges labels: it counts C1 and C2 as C." in (run.results("own") / "METHODS.md").read_text()


def test_a_bin_that_failed_for_want_of_thresholds_is_read_once_none_are_asked_for(tmp_path: Path) -> None:
    archive, run = tmp_path / "archive", Checkout(tmp_path / "checkout")
    write_archive(archive, [bin_row(bin_id) for bin_id in BINS[:2]], {})
    for bin_id, more in zip(BINS, ({"thresholds": [0.1, 0.1]}, {}), strict=False):
        (archive / f"{bin_id}_class.h5").write_bytes(
            scores_h5(3, None, ("A", "B"), [2], [[0.9, 0.1]], "float64", **more)
        )
    how = config(archive, {"class_table": None, "class_thresholds": "from_scores"})
    run.run(how | {"source": how["source"] | {"on_failure": "record"}})
    assert run.table("own", "ledger").set_index("bin")["status"].to_dict() == {BINS[0]: "used", BINS[1]: "failed"}
    run.run(config(archive, {"class_table": None}))
    assert counts(run) == {("2024-04-15", "A"): 2}


def write_winners(
    folder: Path, bins: dict[str, tuple[float, dict[str, int]]], without_features: Sequence[str] = ()
) -> Path:
    """Write bins as iRfcb has them: of each its mL, and the classes that won with the ROIs; one cell and 1e6 cubic
    pixels a ROI."""
    write_archive(folder, [bin_row(name, ml_analyzed=volume) for name, (volume, _) in bins.items()], {})
    for name, (_, won) in bins.items():
        labels = [label for label, n in won.items() for _ in range(n)]
        rows = [f"{name}_{i:05d}.png,{label},{label},0.9,1\n" for i, label in enumerate(labels, 1)]
        (folder / f"{name}.csv").write_text("file_name,class_name,class_name_auto,score,cell_count\n" + "".join(rows))
        if name not in without_features:
            rows = [f"{i},1000000\n" for i in range(1, len(labels) + 1)]
            (folder / f"{name}_features_v4.csv").write_text("roi_number,Biovolume\n" + "".join(rows))
    return folder


def test_winners_with_features(tmp_path: Path) -> None:
    """By hand: the first day has 5 mL in two bins with features, and 1 mL in one without. A ROI of 1e6 cubic pixels has
    1000 um3 at 10 pixels per um; a diatom of so much has 77.983 pg C. Class scores count one cell, so the 4 of the
    class table do not count."""
    bins: dict[str, tuple[float, dict[str, int]]] = {
        BINS[0]: (2.0, {"Dia": 1, "Rare": 1}),
        BINS[1]: (3.0, {"Dia": 2}),
        BLIND: (1.0, {"Other": 1}),
        BINS[2]: (4.0, {"Dia": 1}),
    }
    archive, run = write_winners(tmp_path / "archive", bins, [BLIND]), Checkout(tmp_path / "checkout")
    (tmp_path / "classes.csv").write_text(
        "label,scientific_name,aphia_id,living,group,harmful,cells_per_image\nDia,Dia,1,yes,diatom,no,4\n"
    )
    classify = {"class_table": str(tmp_path / "classes.csv")}
    features = {"make": True, "bins": True, "carbon": "per_cell", "pixels_per_um": {"default": 10.0}}
    run.run(config(archive, classify, features=features, abundance={"cells": False, "period": "month"}))
    assert "cells_per_ml" not in run.table("own")
    found = run.table("own", "biovolume_long").set_index(["date", "class"])
    assert found.loc[("2024-04-15", "Dia"), "carbon_ug_per_L"] == pytest.approx(3 * 77.983e-3 / 5, rel=1e-4)
    # What won in any bin of a day was looked for in all of them.
    first = found.loc["2024-04-15"]
    assert first["ml_analyzed_total"].to_dict() == dict.fromkeys(("Dia", "Other", "Rare", "unclassified"), 5)
    assert set(first["n_bins_with_features"]) == {2}
    assert first["biovolume_um3_per_ml"].to_dict() == {"Dia": 600, "Other": 0, "Rare": 200, "unclassified": 0}
    assert set(run.table("own").query("date == '2024-04-15'")["ml_analyzed_total"]) == {6}
    of_bins = pd.read_parquet(run.results("own") / "biovolume_bins.parquet").set_index(["bin", "class"])
    assert of_bins["biovolume_um3_per_ml"].xs("Rare", level="class").to_dict() == {BINS[0]: 500, BINS[1]: 0}
    month = run.table("own", "abundance_month").set_index("class")  # of both days, although Rare won on one
    assert month["ml_analyzed_total"].to_dict() == dict.fromkeys(("Dia", "Other", "Rare", "unclassified"), 10)
    assert month["objects_per_ml"].to_dict() == {"Dia": 0.4, "Other": 0.1, "Rare": 0.1, "unclassified": 0}
    # Where all bins have features, both tables must say that.
    tested = {name: run.results("own") / f"{name}.csv" for name in NEEDED}
    tables = {**tested, "bins_long": run.results("own") / "bins_long.parquet"}
    for day, refused in (("2024-04-15", False), ("2024-04-16", True)):
        table = run.table("own", "biovolume_long")
        table.loc[table["date"] == day, "ml_analyzed_total"] -= 0.5
        table.to_csv(tmp_path / "biovolume_long.csv", index=False)
        tables["biovolume_long"] = tmp_path / "biovolume_long.csv"
        if refused:
            with pytest.raises(TableError, match=r"biovolume_long: ml_analyzed_total .*Dia \(3\.5, not 4\)"):
                write_test_results(tables, None, ["instrument"], tmp_path / "tested.txt")
        else:
            write_test_results(tables, None, ["instrument"], tmp_path / "tested.txt")


def test_a_list_of_bins_without_a_cast_has_no_such_column(tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "archive", [bin_row(BINS[0])], {BINS[0]: (["A"], [[0.9]])})
    run = Checkout(tmp_path / "checkout")
    run.run(config(archive, {"class_table": None}))
    assert not {"cast", "niskin"} & set(run.table("own", "catalog"))


def write_summaries(folder: Path, with_carbon: bool = True) -> Path:
    """The counts of the shared case, and biovolumes for them: by hand, 100 um3 and 10 pg an Akashiwo, 50 and 8 else."""
    made = loadmat(CASES / "summary_mat" / "summary_allTB2024.mat")
    folder.mkdir()
    given = {name: value for name, value in made.items() if not name.startswith("__")}
    sums: dict[str, Any] = {}
    for counts in [name for name in given if name.startswith("classcountTB")]:
        sums[counts.replace("classcount", "classbiovol")] = given[counts] * np.array([100.0, 50.0, 50.0])
        if with_carbon:
            sums[counts.replace("classcountTB", "classC_TB")] = given[counts] * np.array([10.0, 8.0, 8.0])
    # A bin whose features were not there.
    sums["classbiovolTB"][2] = sums["classbiovolTB_above_adhocthresh"][2] = np.nan
    savemat(folder / "summary_allTB2024.mat", given)
    savemat(folder / "summary_biovol_allTB2024.mat", given | sums)
    return folder


@needs_cases
def test_a_bin_that_two_summaries_count_differently_is_refused_naming_both(tmp_path: Path) -> None:
    folder = write_summaries(tmp_path / "archive")
    given = {n: v for n, v in loadmat(folder / "summary_allTB2024.mat").items() if not n.startswith("__")}
    other = folder / "class_2019" / "summary_allTB2024.mat"
    other.parent.mkdir()
    savemat(other, given)
    source = DirectorySource(str(folder), FileOptions(scores_format="summary"))
    assert set(source.summaries.of_bin.values()) == {str(other)}  # which is the same
    given["classcountTB"] = given["classcountTB"] + np.array([[0], [1], [0]])
    savemat(other, given)
    bin_id = sorted(source.summaries.of_bin)[1]
    source = DirectorySource(str(folder), FileOptions(scores_format="summary"))
    says = rf"bin {bin_id}: {other} and {folder}/summary_allTB2024\.mat count it differently"
    with pytest.raises(CatalogError, match=says):
        source.scores_files(bin_id)


@needs_cases
def test_a_summary_of_biovolumes_gives_the_tables_of_biovolume(tmp_path: Path) -> None:
    """By hand, in 7.5 and 4.5 mL: winners are 3 Akashiwo and 22 Chaetoceros, and 1 Akashiwo without a biovolume."""
    run, folder = Checkout(tmp_path / "checkout"), write_summaries(tmp_path / "archive")
    classes = "label,scientific_name,aphia_id,living,group,harmful\nAkashiwo,,1,yes,dinoflagellate,no\n"
    (tmp_path / "classes.csv").write_text(f"{classes}Chaetoceros,,2,yes,diatom,no\n")
    classify = {"threshold": 0, "class_table": str(tmp_path / "classes.csv")}
    how = config(folder, classify, features={"make": True, "bins": True, "carbon_rule": "ifcb_analysis"})
    run.run(how)
    table = run.table("own", "biovolume_long").set_index(["date", "class"])
    assert table["count"].to_dict() == {
        ("2024-05-01", "Akashiwo"): 3, ("2024-05-01", "Chaetoceros"): 22, ("2024-05-01", "unclassified"): 12,
        ("2024-05-02", "Akashiwo"): 1, ("2024-05-02", "Chaetoceros"): 0, ("2024-05-02", "unclassified"): 9,
    }  # fmt: skip
    first, second = table.loc["2024-05-01"], table.loc["2024-05-02"]
    assert first["biovolume_um3_per_ml"].to_dict() == pytest.approx(
        {"Akashiwo": 300 / 7.5, "Chaetoceros": 1100 / 7.5, "unclassified": 600 / 7.5}
    )
    assert first["carbon_ug_per_L"].to_dict() == pytest.approx(
        {"Akashiwo": 0.030 / 7.5, "Chaetoceros": 0.176 / 7.5, "unclassified": np.nan}, nan_ok=True
    )
    assert second["n_measured"].to_dict() == {"Akashiwo": 0, "Chaetoceros": 0, "unclassified": 0}
    assert second["biovolume_um3_per_ml"].to_dict() == pytest.approx(
        {"Akashiwo": np.nan, "Chaetoceros": 0, "unclassified": np.nan}, nan_ok=True
    )
    assert set(table["carbon_rule"]) == {"ifcb_analysis"}
    ledger = run.table("own", "features_ledger")
    assert set(ledger["biovolume_column"]) == {"classbiovolTB"}
    assert set(ledger["address"].str.rpartition("/")[2]) == {"summary_biovol_allTB2024.mat"}
    assert ledger["pixels_per_um"].isna().all()
    assert ledger["n_measured"].tolist() == [20, 17, 0]
    bins = pd.read_parquet(run.results("own") / "biovolume_bins.parquet")
    assert bins.query("`class` == 'Chaetoceros'")["biovolume_um3_per_ml"].tolist() == pytest.approx(
        [500 / 4, 600 / 3.5, 0]
    )
    assert run.table("own", "size_spectrum").empty
    methods = (run.results("own") / "METHODS.md").read_text(encoding="utf-8")
    assert "which are in µm³ already. Carbon was taken from the summaries as well, which computed it" in methods
    printed = run.run(how | {"classify": classify | {"threshold": 0.5}, "features": {"make": True}})
    assert "class summaries have sums per class, so there are no sizes of objects, and carbon" in printed
    table = run.table("own", "biovolume_long").set_index(["date", "class"]).loc["2024-05-01"]
    assert table["biovolume_um3_per_ml"].to_dict() == pytest.approx(
        {"Akashiwo": 200 / 7.5, "Chaetoceros": 850 / 7.5, "unclassified": 900 / 7.5}
    )
    assert table["carbon_ug_per_L"].isna().all()
    loadable = folder / "summary_biovol_allTB2024.mat"
    other = {name: value for name, value in loadmat(loadable).items() if not name.startswith("__")}
    other["classcountTB"][0] = [2, 11, 7]
    savemat(loadable, other)
    printed = run.run(how, fails=True)
    assert "summary_biovol_allTB2024.mat and" in printed
    assert "count it differently" in printed
