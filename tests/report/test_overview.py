"""The overview of a run: each number and each warning against a run made by hand."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from docutils.core import publish_parts

from ifcb_abundance.report.overview import look_over, read_run, write_overview
from ifcb_abundance.tables import table_files
from tests.abundance.pooling import CLASSES, a_bin, rois
from tests.report.reported import a_run, looked_over, tables

HOSTILE = ("</script><script>alert(1)</script>", "`x <javascript:alert(2)>`_", "http://e.org/ |y| *z* b_", "\\ [1]_ ::")


def test_totals_are_those_of_the_bins(tmp_path: Path) -> None:
    first = [
        a_bin(0, ml_analyzed=1.5),
        a_bin(1, ml_analyzed=2.5),
        a_bin(2),
        a_bin(3, skip=1),
        a_bin(4, ml_analyzed=37.8),
    ]
    scores = [rois(2, A=3, B=0), rois(0, A=0, B=1), "no_scores", rois(A=5), rois(A=5)]
    third = [a_bin(0, day="20240217", ml_analyzed=4.0)]
    facts = looked_over(a_run(tmp_path / "run", (first, scores), (third, [rois(2, A=0, B=0)]))).facts
    assert facts["Dataset"] == "mvco"
    assert facts["Source"] == "here"
    assert facts["Bins"] == "6: 3 used, 1 skipped, 1 bad_volume, 1 no_scores"
    assert facts["UTC days"] == "3 from the first to the last, 2 with data, 1 without"
    assert facts["Used samples"] == "2024-02-15 00:00 to 2024-02-17 00:00 UTC"
    assert facts["Volume analyzed"] == "8.0 mL in used bins"
    assert facts["Objects (images with class scores)"] == "8, of which 4 (50%) are unclassified"
    assert facts["Classes"] == "2, beside unclassified"
    assert facts["Complete"] == "1 of 2 rows of day and instrument"
    assert facts["Window asked for"] == "all bins"


def test_a_bucket_without_a_server_of_its_own_is_named_alone(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run", ([a_bin(0)], [rois(A=1)]))
    record = json.loads((run / "run.json").read_text())
    record["source"] = {"path": "s3://b/ifcb", "endpoint_url": None, "catalog": "export"}
    (run / "run.json").write_text(json.dumps(record))
    assert looked_over(run).facts["Source"] == "s3://b/ifcb export"


def test_the_days_of_a_window_count_where_no_bin_is(tmp_path: Path) -> None:
    window = {"start": "2024-02-10", "end": "2024-02-16"}
    run = looked_over(a_run(tmp_path / "run", ([a_bin(0)], [rois(A=1)]), select=window))
    assert run.facts["UTC days"] == "7 from the first to the last, 1 with data, 6 without"
    assert run.warnings == [
        "Without a used bin: 6 UTC days (2024-02-10, 2024-02-11, 2024-02-12, 2024-02-13, 2024-02-14 and 1 more). "
        "They are missing, not zero."
    ]


def test_bins_left_out_are_told_with_the_keys_that_did_it(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run", ([a_bin(n) for n in range(4)], [rois(A=1)] * 4))
    ledger = pd.read_csv(run / "ledger.csv", dtype="str", keep_default_na=False)
    ledger.loc[:2, "status"] = "filtered"
    ledger.loc[:2, "reason"] = ["quality.exclude_bad: bad: humidity 99.5", "select.exclude_bins", "select.exclude_bins"]
    ledger.to_csv(run / "ledger.csv", index=False)
    said = "Excluded by quality.exclude_bad and select.exclude_bins: 3 bins (status filtered in the ledger)."
    assert said in looked_over(run).warnings


def test_the_rule_each_is_warned_of_with_the_classifiers_thresholds_too(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run", ([a_bin(0)], [rois(A=1)]))
    record = json.loads((run / "run.json").read_text())
    for own in (None, "from_scores"):
        record["config"]["classify"] |= {"rule": "each", "class_thresholds": own}
        (run / "run.json").write_text(json.dumps(record))
        read = {name: table_files.read(name, path) for name, path in tables(run).items()}
        read["abundance_long"]["thresholds_mixed"] = "no"  # as tables with the classifier's thresholds have it
        warnings = look_over(read_run(run / "run.json"), read, run / "bins.parquet").warnings
        (told,) = (text for text in warnings if "classify.rule: each" in text)
        assert "the counts of a day do not sum to its objects" in told


def test_rows_with_no_bin_but_those_left_out_are_not_incomplete(tmp_path: Path) -> None:
    """Of IFCB11 the config takes no bin, on the 16th the operator flagged all, and on the 17th a bin was lost."""
    days = [
        ([a_bin(0), a_bin(1, instrument=11)], [rois(A=1)] * 2),
        ([a_bin(0, day="20240216", skip=1)], [rois(A=1)]),
        ([a_bin(0, day="20240217"), a_bin(1, day="20240217")], [rois(A=1), "no_scores"]),
    ]
    run = a_run(tmp_path / "run", *days)
    coverage = pd.read_csv(run / "coverage.csv", dtype="str", keep_default_na=False)
    other = coverage["instrument"] == "IFCB11"
    coverage.loc[other, ["n_used", "n_filtered", "complete"]] = ["0", "1", "no"]
    coverage.to_csv(run / "coverage.csv", index=False)
    assert coverage["complete"].tolist() == ["yes", "no", "no", "no"]
    found = looked_over(run)
    assert found.facts["Complete"] == "1 of 2 rows of day and instrument"
    assert [text for text in found.warnings if text.startswith("Not complete")] == [
        "Not complete: 1 of 2 rows of day and instrument (2024-02-17). Bins were lost, or the window does not hold the "
        "whole day."
    ]


def test_nothing_to_warn_of(tmp_path: Path) -> None:
    assert looked_over(a_run(tmp_path / "run", ([a_bin(0)], [rois(1, A=1, B=0)]))).warnings == []


A = ([a_bin(0)], [rois(A=1)])


@pytest.mark.parametrize(
    ("days", "options", "starts", "names"),
    [
        ([([a_bin(0), a_bin(1)], [rois(A=1), "no_scores"])], {}, "Not complete: 1 of 1", "2024-02-15"),
        ([A], {"cut": True}, "Not complete: 1 of 1", "the window does not hold the whole day"),
        ([([a_bin(0), a_bin(1)], [rois(A=1), "failed"])], {}, "Excluded because they could", "1 bin (status failed"),
        ([([a_bin(0), a_bin(1)], [rois(A=1), "no_scores"])], {}, "Excluded because the source", "(status no_scores"),
        ([([a_bin(0), a_bin(1, ml_analyzed=0)], [rois(A=1)] * 2)], {}, "Excluded because they h", "(status bad_volume"),
        (
            [([a_bin(0, latitude=41, longitude=-70), a_bin(1, latitude=41.1, longitude=-70)], [rois(A=1)] * 2)],
            {},
            "Moving platform: 1 of 1",
            "1.0 km apart",
        ),
        ([([a_bin(0), a_bin(1)], [rois(A=1), rois(A=1, B=0)])], {}, "The label set changes", "1 class not assessed"),
        (
            [A, ([a_bin(0, day="20240216")], [rois(A=1, B=0, C=0)])],
            {},
            "The label set changes",
            "2 classes not assessed in all used bins ('B', 'C')",
        ),
        ([([a_bin(0)], [rois(A=1, NA=0)])], {}, "The class table says nothing of 1 class ('NA')", ""),
        ([A], {"classify": {"class_table": None}}, "No class table", ""),
        ([A], {"classify": {"threshold": 0.5}}, "The threshold is 0.5; the workflow's default is 0.7", ""),
        ([([a_bin(0)], [rois(A=1, B=1)])], {"thresholds": {"B": 0.3}}, "Thresholds of their own: 1 class ('B')", "0.3"),
        ([A], {"abundance": {"period": "week"}}, "Abundance is per UTC day here", "abundance_week.csv"),
        ([A], {"select": {"include_skipped": True}}, "Bins that the operator flagged", ""),
        ([([a_bin(0, sample_type="Beads")], [rois(A=1)])], {}, "Perhaps no plankton", "D20240215T000000_IFCB010"),
        ([([a_bin(0)], ["no_scores"])], {}, "No bin was used", "ledger"),
    ],
)  # fmt: skip
def test_each_warning(tmp_path: Path, days: list[Any], options: dict[str, Any], starts: str, names: str) -> None:
    said = [text for text in looked_over(a_run(tmp_path / "run", *days, **options)).warnings if text.startswith(starts)]
    assert len(said) == 1
    assert names in said[0]


def test_thresholds_that_matched_no_class_are_named(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run", ([a_bin(0)], [rois(A=1, B=1)]), thresholds={"B": 0.3, "Akashivo": 0.2, "b": 0.1})
    said = [text for text in looked_over(run).warnings if text.startswith("classify.class_thresholds")]
    assert len(said) == 1
    assert "names 2 classes for which no used bin was classified ('Akashivo', 'b')" in said[0]


def test_a_class_may_be_assessed_at_one_instrument_only(tmp_path: Path) -> None:
    """Each instrument has a label set of its own: nothing changed within the window."""
    bins = [a_bin(0), a_bin(1, instrument=11)]
    assert looked_over(a_run(tmp_path / "run", (bins, [rois(A=1), rois(B=1)]))).warnings == []
    pooled = a_run(tmp_path / "pooled", (bins, [rois(A=1), rois(B=1)]), abundance={"group_by": []})
    assert any("2 classes not assessed in all used bins" in text for text in looked_over(pooled).warnings)


ALTERNATING = ["AB", "C", "AB", "C"]


@pytest.mark.parametrize(
    ("sets", "says"),
    [
        (["AB", "AB", "C", "C"], ""),  # a new classifier
        (["AB", "BA", "AB"], ""),  # the same labels in another order
        (["A", "B", "C"], ""),
        (["AB", None, "AB"], ""),  # no scores at all
        (ALTERNATING, "(3 changes from bin to bin)"),
        (["AB", "AB", "C", "AB"], "2 classes f2314439 in 3 bins of IFCB10"),
        (["AB", "AB", "C", "AB"], "1 class 2ad97e2d in 1 bin of IFCB10 (D20240215T000002_IFCB010), alone with 'C'"),
        (["ABD", "AB", "ABD", "AB"], "2 classes f2314439 in 2 bins of IFCB10 (D20240215T000001_IFCB010, "
         "D20240215T000003_IFCB010), with no label of its own"),
        (["A", "B", "C", "D", "E", "AB", "AC", "A"], "; 2 more label sets. The column label_set"),
    ],
)  # fmt: skip
def test_label_sets_that_alternate(tmp_path: Path, sets: list[str | None], says: str) -> None:
    scores = ["no_scores" if labels is None else rois(**dict.fromkeys(labels, 1)) for labels in sets]
    run = a_run(tmp_path / "run", ([a_bin(n) for n in range(len(sets))], scores))
    said = [text for text in looked_over(run).warnings if text.startswith("Label sets alternate")]
    assert len(said) == bool(says)
    assert says in "".join(said)
    assert "dashboard" not in "".join(said)


def test_a_label_set_has_no_class_of_its_own_where_its_labels_are_merged(tmp_path: Path) -> None:
    """B is counted as A, so the label sets A and A, B have the same class, and one has a label that the other lacks."""
    table = {"A": CLASSES["A"], "B": CLASSES["A"] | {"synonym_of": "A"}}
    run = a_run(tmp_path / "run", ([a_bin(n) for n in range(4)], [rois(A=1), rois(A=1, B=1)] * 2), merged=table)
    (said,) = [text for text in looked_over(run).warnings if text.startswith("Label sets alternate")]
    assert said.count("with no class of its own") == 2


def test_label_sets_that_alternate_at_a_dashboard(tmp_path: Path) -> None:
    """Of two days, in turns by instrument; what to do about it is said."""
    at = {
        "source": {"kind": "dashboard", "url": "https://e.org"},
        "select": {"start": "2024-02-15", "end": "2024-02-16"},
    }
    days = [
        ([a_bin(n, instrument=(10, 125)[n % 2], day=day) for n in range(2)], [rois(A=1, B=0), rois(C=1)])
        for day in ("20240215", "20240216")
    ]
    (said,) = [text for text in looked_over(a_run(tmp_path / "run", *days, **at)).warnings if "alternate" in text]
    assert "2 classes f2314439 in 2 bins of IFCB10 (D20240215T000000_IFCB010, D20240216T000000_IFCB010)" in said
    assert "in 2 bins of IFCB125" in said
    assert "source.model and source.scores_version" in said


@pytest.mark.parametrize(
    ("catalog", "group_by", "warns"), [("walk", ["depth"], 1), ("walk", [], 0), ("export", ["depth"], 0)]
)
def test_the_depth_of_a_walk(tmp_path: Path, catalog: str, group_by: list[str], warns: int) -> None:
    source = {"kind": "dashboard", "url": "https://e.org", "catalog": catalog}
    given = {
        "source": source,
        "select": {"start": "2024-02-15", "end": "2024-02-15"},
        "abundance": {"group_by": group_by},
    }
    run = looked_over(a_run(tmp_path / "run", ([a_bin(0)], [rois(A=1)]), **given))
    assert sum("cannot tell a depth of 0 m" in text for text in run.warnings) == warns


def test_the_days_of_a_window_that_begins_with_a_bin_are_those_of_its_sample_time(tmp_path: Path) -> None:
    moved = a_bin(0, day="20230101", sample_time="2024-02-14 00:00:00+00:00")
    ends = {"start": moved["pid"], "end": "2024-02-16"}
    run = looked_over(a_run(tmp_path / "run", ([moved], [rois(A=1)]), ([a_bin(1)], [rois(A=1)]), select=ends))
    assert run.facts["UTC days"] == "3 from the first to the last, 2 with data, 1 without"


@pytest.mark.parametrize("group_by", [[], ["depth"], ["instrument", "cruise", "sample_type"]])
def test_any_grouping(tmp_path: Path, group_by: list[str]) -> None:
    bins = [a_bin(0, depth=5, cruise="EN1"), a_bin(1), a_bin(2, instrument=11)]
    run = looked_over(a_run(tmp_path / "run", (bins, [rois(A=1, B=0)] * 3), abundance={"group_by": group_by}))
    assert run.warnings == []
    assert run.facts["Pooled per"] == " and ".join(["UTC day", *group_by])
    assert run.facts["Objects (images with class scores)"].startswith("3,")


def test_no_bin_used(tmp_path: Path) -> None:
    facts = looked_over(a_run(tmp_path / "run", ([a_bin(0)], ["no_scores"]))).facts
    assert facts["Used samples"] == "none"
    assert facts["Objects (images with class scores)"] == "0"
    assert facts["Bins"] == "1: 1 no_scores"


def test_labels_stand_for_themselves_in_the_text(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run", ([a_bin(0)], [rois(**dict.fromkeys(HOSTILE, 1))]))
    write_overview(run / "run.json", tables(run), run / "bins.parquet", run / "overview.rst")
    settings = {"report_level": 1, "halt_level": 2}
    page = publish_parts((run / "overview.rst").read_text(), writer="html", settings_overrides=settings)["body"]
    assert "&lt;/script&gt;&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "`x &lt;javascript:alert(2)&gt;`_" in page
    assert "http://e.org/ |y| *z* b_" in page
    assert "\\ [1]_ ::" in page
    for tag in ("<script", "<a ", "<em", "system-message", "problematic"):
        assert tag not in page


@pytest.mark.parametrize(("n_images", "warns"), [(2, True), (3, False), ("", False)])
def test_more_scores_than_images(tmp_path: Path, n_images: object, warns: bool) -> None:
    run = a_run(tmp_path / "run", ([a_bin(0, n_images=n_images)], [rois(1, A=1, B=1)]))  # three ROIs
    said = [text for text in looked_over(run).warnings if text.startswith("More images have class scores (3)")]
    assert bool(said) == warns


def test_fewer_scores_than_images(tmp_path: Path) -> None:
    """Two ROIs of each bin have scores. A day with a bin of which the list has no number of images is left alone."""
    days = [
        ([a_bin(0, n_images=2), a_bin(1, n_images=5)], [rois(A=2)] * 2),
        ([a_bin(0, day="20240216", n_images=2)], [rois(A=2)]),
        ([a_bin(0, day="20240217", n_images=9), a_bin(1, day="20240217", n_images="")], [rois(A=2)] * 2),
    ]
    said = [text for text in looked_over(a_run(tmp_path / "run", *days)).warnings if "class scores than images" in text]
    (warning,) = said
    assert warning.startswith(
        "Fewer class scores than images: 3 of 7 images have none, in used bins of 1 UTC day (2024-02-15). "
    )


def test_files_that_are_not_all_right_and_volumes_that_are_far_apart_are_named(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run", ([a_bin(n) for n in range(4)], [rois(A=1)] * 3 + ["no_scores"]))
    catalog = pd.read_csv(run / "catalog.csv", dtype={"volume_note": "str"})
    catalog.loc[0, "volume_note"] = catalog.loc[3, "volume_note"] = "a.adc: 1 malformed line"
    catalog["volume_disagreement"] = [0.04, -0.3, 0.2, 5.0]  # the last one is not used
    catalog.to_csv(run / "catalog.csv", index=False)
    said = [text for text in looked_over(run).warnings if "volume" in text]
    assert said == [
        "Files of 1 used bin are damaged or unusual (D20240215T000000_IFCB010): volume_note in the catalog says how.",
        "The volumes by .adc and by header differ by more than 20% in 1 used bin (D20240215T000001_IFCB010): is the "
        ".adc truncated? The volume by .adc counts.",
    ]


def test_fast_runs_and_positions_that_do_not_count_are_named(tmp_path: Path) -> None:
    bins = [a_bin(n) for n in range(10)]
    raw = {"source": {"path": "here", "catalog": "raw"}}
    run = a_run(tmp_path / "run", (bins, [rois(A=1)] * 9 + ["no_scores"]), **raw)
    catalog = pd.read_csv(run / "catalog.csv", dtype={"volume_note": "str", "position_note": "str"})
    fast, ignored = "header+run_fast_factor", "adc+no_run_fast_factor"
    catalog["volume_method"] = [fast] * 7 + [ignored, "adc", fast]  # the last one is not used
    catalog["volume_disagreement"] = 1.5  # of a fast run it is the header's volume that counts
    catalog.loc[8, "volume_disagreement"] = 0.1
    catalog.loc[7, "volume_disagreement"] = 0.1
    catalog.loc[2, "position_note"] = "the fix is of 2022-10-21 (gpsTimeFromFix), not of the sample's day"
    catalog.to_csv(run / "catalog.csv", index=False)
    said = [text for text in looked_over(run).warnings if "Fast" in text or "position" in text or "differ" in text]
    first = ", ".join(f"D20240215T00000{n}_IFCB010" for n in range(5))
    assert said == [
        f"Fast runs: 7 used bins ({first} and 2 more). Their volume is the header's look time x 0.25 mL/min x "
        "RunFastFactor; source.fast_runs: as_dashboard leaves the factor out.",
        "Fast runs: 1 used bin (D20240215T000007_IFCB010). Their volume is without RunFastFactor (source.fast_runs: "
        "as_dashboard), so their abundance is too high by that factor.",
        "The header's position is ignored in 1 used bin (D20240215T000002_IFCB010): position_note in the catalog "
        "says why. source.deployments can give the instrument's position.",
    ]


def test_what_features_are_missing_is_said(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run", ([a_bin(0), a_bin(1)], [rois(A=3), rois(A=2)]))
    read = {name: table_files.read(name, path) for name, path in tables(run).items()}
    columns = ["bin", "status", "n_rois", "n_measured"]
    rows = [("D20240215T000000_IFCB010", "read", 3, 1), ("D20240215T000001_IFCB010", "no_features", None, None)]
    with_account = {**read, "features_ledger": pd.DataFrame(rows, columns=columns)}
    assert look_over(read_run(run / "run.json"), with_account, run / "bins.parquet").warnings == [
        "Biovolume, carbon and sizes exclude 1 used bin of 2, whose features are missing or could not be read "
        "(D20240215T000001_IFCB010).",
        "Biovolume and carbon exclude 2 of 3 objects, which were not measured.",
    ]


def test_what_people_said_and_which_rates_drift_is_said(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run", ([a_bin(0)], [rois(A=3)]))
    read = {name: table_files.read(name, path) for name, path in tables(run).items()}
    notes = [
        ("no_class", "Strombidium_like", 12, "Strombidium-like"),
        ("no_class", "unheard of", 1, ""),
        ("bin_not_used", "D20200101T000000_IFCB010", 3, ""),
        ("no_scores", "D20240215T000000_IFCB010", 1, ""),
    ]
    drift = pd.DataFrame({"class": ["A", "A", "B", "B"], "drifts": ["no", "no", "yes", "yes"]})
    of_labels = {"label_notes": pd.DataFrame(notes, columns=table_files.columns("label_notes")), "rate_drift": drift}
    assert look_over(read_run(run / "run.json"), read | of_labels, run / "bins.parquet").warnings == [
        "Labels that are no class count as other: 'Strombidium_like' (12 labels, nearest class 'Strombidium-like'), "
        "'unheard of' (1 label). If one is spelt otherwise than its class, say so in validation.label_map.",
        "Labels left out: 3 labels of 1 bin that the run does not use (D20200101T000000_IFCB010).",
        "Labels left out: 1 label of ROIs that class scores do not have (D20240215T000000_IFCB010).",
        "Error rates drift from month to month: 1 class ('B'). rate_drift.csv has the rates; the limits of corrected "
        "counts cover what differs from day to day.",
    ]


def test_thresholds_of_labels_that_are_merged_are_no_misspelt_ones(tmp_path: Path) -> None:
    """The thresholds count, though no class has the label; and a class of labels with different ones has none."""
    run = a_run(tmp_path / "run", ([a_bin(0)], [rois(A=1, B=1)]), thresholds={"B_1": 0.3, "C": 0.2})
    table = pd.read_csv(run / "abundance_long.csv")
    table.loc[table["class"] == "B", "threshold"] = np.nan
    table.to_csv(run / "abundance_long.csv", index=False)
    read = {name: table_files.read(name, path) for name, path in tables(run).items()}
    said = look_over(
        read_run(run / "run.json"), read, run / "bins.parquet", {"B_1": "B", "C": "C"}.__getitem__
    ).warnings
    (unknown,) = [text for text in said if text.startswith("classify.class_thresholds")]
    assert "names 1 class for which no used bin was classified ('C')" in unknown
    (merged,) = [text for text in said if text.startswith("Merged from labels")]
    assert "1 class ('B')" in merged
    assert not [text for text in said if "nan" in text]
