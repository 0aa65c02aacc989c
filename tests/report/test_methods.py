"""METHODS.md: each number and name in it is that of the run."""

import json
from pathlib import Path
from typing import Any

import pytest

from ifcb_abundance.common.version import TITLE, VERSION
from ifcb_abundance.report.methods import REFERENCES, write_methods
from tests import reference
from tests.abundance.pooling import a_bin, rois
from tests.checkout import Checkout
from tests.report.reported import a_run, looked_over

DAY = ([a_bin(0, ml_analyzed=1.5), a_bin(1, ml_analyzed=2.5), a_bin(2)], [rois(2, A=3, B=0), rois(A=1), "no_scores"])


def written(run: Path) -> str:
    write_methods(run / "run.json", run / "METHODS.md")
    return (run / "METHODS.md").read_text(encoding="utf-8")


def test_the_demo_says_what_was_done(demo_run: Checkout) -> None:
    text = (demo_run.results("demo") / "METHODS.md").read_text(encoding="utf-8")
    archive = demo_run.folder / "resources" / "demo"
    status = reference.statuses(archive)
    table = reference.abundance(archive)
    used = [row for row in reference.metadata(archive) if status[row["pid"]] == "used"]
    n_rois = sum(row["count"] for row in table.values())
    unclassified = sum(row["count"] for key, row in table.items() if key[2] == "unclassified")
    volume = sum(float(row["ml_analyzed"]) for row in used)
    assert f"Of {len(status)} bins on 4 UTC days (2024-04-15 to 2024-04-18), {len(used)} were used" in text
    assert f"(IFCB901, IFCB902) hold {n_rois:,} images in {volume:,.1f} mL" in text
    assert f"{unclassified:,} images ({unclassified / n_rois:.1%}) remained unclassified" in text
    record = json.loads((demo_run.results("demo") / "run.json").read_text())
    assert f"read on {record['catalog_read_at'][:10]}" in text
    for name, version in record["software"].items():
        assert f"{name} {version}".lower() in text.lower()
    assert f"{TITLE}. Version {VERSION}" in text


def test_numbers_of_a_small_run(tmp_path: Path) -> None:
    text = written(a_run(tmp_path / "run", DAY, thresholds={"B_x": 0.3}, abundance={"period": "week"}))
    assert "Of 3 bins on 1 UTC day (2024-02-15 to 2024-02-15), 2 were used; not used: 1 without class scores." in text
    assert "hold 6 images in 4.0 mL" in text
    assert "reached the threshold of 0.7;" in text
    assert "1 class had thresholds of their own: B\\_x 0.3." in text
    assert "half precision" in text
    assert "There were 2 classes; 2 images (33.3%) remained unclassified." in text
    assert "per UTC day and instrument" in text
    assert "The same was done per week." in text


def test_cells_are_told_where_they_are_given(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run", DAY)
    assert "It counts images (objects), not cells. A class" in written(run)
    record = json.loads((run / "run.json").read_text())
    assert record["cells"] is False
    (run / "run.json").write_text(json.dumps(record | {"cells": True}))
    text = written(run)
    assert "not cells" not in text
    assert "It counts images (objects). A class that was looked for" in text
    assert "Abundance is given in cells too, where the cells of all images of a class are known" in text
    assert "the error of the cells per image is not in them." in text


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            {"features": {"make": True}},
            "Biovolumes are those of the feature files (Moberg and Sosik 2012), at 3.4 pixels per µm unless an "
            "instrument has its own value. Carbon is computed from biovolume (Menden-Deuer and Lessard 2000).\n",
        ),
        (
            {"features": {"make": True, "carbon_rule": "ifcb_analysis"}},
            "as ifcb-analysis does (biovol2carbon.m): diatoms of less than 3,000 µm³ have the equation of other",
        ),
        (
            {"features": {"make": True, "carbon_rule": "irfcb_legacy"}},
            "as iRfcb's vol2C_lgdiatom does: diatoms of any size have the equation of large diatoms.\n",
        ),
        (
            {"features": {"make": True, "carbon": "per_cell"}},
            "(Menden-Deuer and Lessard 2000). For carbon, an image is as many equal cells as it shows, or one cell",
        ),
        ({"features": {"make": True, "compute": "missing"}}, "without such a file, computed with planktofeatures"),
        ({"features": {"make": True, "compute": "all"}}, "Biovolumes are computed with planktofeatures, version 4"),
        ({"select": {"start": "2024-02-15", "instruments": [10]}}, "time (2024-02-15 to the last bin, UTC, inclusive)"),
        (
            {"select": {"start": "2024-02-15", "ml_analyzed": {"above": 3, "at_most": 4.5}}},
            "time (2024-02-15 to the last bin, UTC, inclusive) and analyzed volume (above 3 and at most 4.5 mL). Of",
        ),
        (
            {"select": {"include_skipped": True}},
            "All bins were selected, including bins flagged by the operator (skip).",
        ),
        (
            {"select": {"instruments": [10], "include_skipped": True}},
            "selected by instruments (10), including bins flagged by the operator (skip).",
        ),
        ({"abundance": {"pool_km": 2.5}}, "as long as they were no farther than 2.5 km from the first."),
        ({"source": {"kind": "dashboard", "url": "https://x.org"}}, "the data set mvco at https://x.org"),
        (
            {"source": {"kind": "bucket", "path": "s3://b_1/ifcb", "endpoint_url": "http://x.org:9000"}},
            "were read from an archive in a bucket (s3://b\\_1/ifcb, at http://x.org:9000). The list",
        ),
        (
            {"source": {"kind": "bucket", "path": "s3://b/ifcb"}},
            "- The data: an archive in a bucket (s3://b/ifcb), read on ",
        ),
    ],
)
def test_what_the_config_asks_for_is_said(tmp_path: Path, given: dict[str, Any], sentence: str) -> None:
    run = a_run(tmp_path / "run", DAY)
    record = json.loads((run / "run.json").read_text())
    for key, values in given.items():
        record["config"][key] |= values
    (run / "run.json").write_text(json.dumps(record))
    text = written(run)
    assert sentence in text
    listed = text.partition("## References")[2]
    for short, full in REFERENCES.items():
        assert (short in text.partition("## References")[0]) == (full in listed), short


@pytest.mark.parametrize(
    ("features", "carbon"),
    [
        ({}, "There is no carbon: class summaries have it by ifcb-analysis' rule and per image only."),
        ({"carbon_rule": "ifcb_analysis"}, "Carbon was taken from the summaries as well, which computed it from"),
        ({"carbon_rule": "ifcb_analysis", "carbon": "per_cell"}, "There is no carbon: class summaries have it by"),
    ],
)
def test_class_summaries_have_biovolumes_and_carbon_of_their_own(
    tmp_path: Path, features: dict[str, Any], carbon: str
) -> None:
    """Whatever the config says of the form: a bucket's is known only once it was read."""
    run = a_run(tmp_path / "run", DAY, features={"make": True, **features})
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(record | {"scores_format": "summary"}))
    text = written(run)
    assert "class summaries (Moberg and Sosik 2012), which are in µm³ already. " + carbon in text
    assert "The counts were read from class summaries of ifcb-analysis, which have no scores of single images." in text
    for untrue in ("feature files", "pixels per µm", "precision", "equal cells"):
        assert untrue not in text


def test_labels_that_are_merged_are_said(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run", DAY)
    assert "merges labels" not in written(run)
    record = json.loads((run / "run.json").read_text())
    record["merged_labels"] = {"a_b": "C", "d": "C"} | {f"e{n:02}": f"E{n:02}" for n in range(11)}
    (run / "run.json").write_text(json.dumps(record))
    text = written(run)
    assert "The class table merges labels: it counts a\\_b and d as C; e00 as E00; " in text
    assert "e08 as E08; and 2 more." in text


def test_bins_left_out_by_the_selection_or_for_their_quality(tmp_path: Path) -> None:
    bins = [a_bin(0), a_bin(1)]
    run = a_run(tmp_path / "run", (bins, [rois(2, A=3)] * 2))
    record = json.loads((run / "run.json").read_text())
    record["bins_per_status"] |= {"used": 1, "filtered": 1}
    for quality, said in ((False, "by the selection."), (True, "by the selection or for their quality.")):
        record["config"]["quality"]["exclude_bad"] = quality
        (run / "run.json").write_text(json.dumps(record))
        assert f"1 was used; not used: 1 left out {said}" in written(run)


def test_bins_left_out_for_their_volume_are_told_with_the_bounds_of_the_config(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run", ([a_bin(0), a_bin(1, ml_analyzed=0)], [rois(A=3), "no_scores"]))
    assert "1 was used; not used: 1 without a usable volume." in written(run)
    record = json.loads((run / "run.json").read_text())
    record["config"]["select"]["ml_analyzed"] = {"above": 0.5, "at_most": 5}
    (run / "run.json").write_text(json.dumps(record))
    assert "not used: 1 without a volume above 0.5 and at most 5 mL." in written(run)
    said = "Excluded because they have no volume above 0.5 and at most 5 mL: 1 bin (status bad_volume in the ledger)."
    assert said in looked_over(run).warnings


def test_a_run_without_a_used_bin(tmp_path: Path) -> None:
    assert "They hold no image." in written(a_run(tmp_path / "run", ([a_bin(0)], ["no_scores"])))
