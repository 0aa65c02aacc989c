"""The embedded default run: `snakemake --cores 8` and nothing else."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ifcb_abundance.demo.archive import AWKWARD, NEWER_CLASSES
from tests import reference
from tests.checkout import Checkout
from tests.comparing import assert_equals_reference


@pytest.fixture(scope="module")
def archive(demo_run: Checkout) -> Path:
    return demo_run.folder / "resources" / "demo"


def test_merged_table_is_what_the_archive_says(demo_run: Checkout, archive: Path) -> None:
    assert_equals_reference(demo_run.table("demo"), reference.abundance(archive))


def test_table_shows_the_signals_of_the_demo(demo_run: Checkout) -> None:
    table = demo_run.table("demo").set_index(["class", "instrument", "date"])["objects_per_ml"].sort_index()
    bloom = table["Guinardia_delicatula", "IFCB901"]
    assert bloom["2024-04-18"] > 3 * bloom["2024-04-15"]
    assert table["Margalefidinium", "IFCB902"]["2024-04-15"] == 0
    assert table["Margalefidinium", "IFCB902"]["2024-04-18"] > 0


def test_every_bin_of_the_catalog_is_in_the_ledger_with_its_status(demo_run: Checkout, archive: Path) -> None:
    ledger = demo_run.table("demo", "ledger")
    catalog = demo_run.table("demo", "catalog")
    assert list(ledger["bin"]) == list(catalog["bin"])
    assert sorted(ledger["bin"]) == sorted(row["pid"] for row in reference.metadata(archive))
    assert dict(zip(ledger["bin"], ledger["status"], strict=True)) == reference.statuses(archive)
    assert (ledger["date"] == catalog["sample_time"].str[:10]).all()
    assert ledger["reason"].notna().equals(ledger["status"] != "used")


def test_one_summary_per_bin_asked_for_where_the_contract_says(demo_run: Checkout) -> None:
    ledger = demo_run.table("demo", "ledger")
    asked = ledger.loc[ledger["status"].isin(["used", "no_scores"]), "bin"]
    folder = demo_run.results("demo") / "bins"
    found = sorted(str(path.relative_to(folder).with_suffix("")) for path in folder.rglob("*") if path.is_file())
    assert found == sorted(f"{bin_id[1:5]}/{bin_id[:9]}/{bin_id}" for bin_id in asked)


def test_awkward_bins_are_treated_as_the_definitions_say(demo_run: Checkout) -> None:
    ledger = demo_run.table("demo", "ledger").set_index("bin")
    for case, status in {
        "no_scores": "no_scores",
        "skipped": "skipped",
        "beads_skipped": "skipped",
        "volume_empty": "bad_volume",
        "volume_fill": "bad_volume",
        "volume_too_large": "bad_volume",
        "volume_zero": "bad_volume",
        "volume_negative": "bad_volume",
        "header_only": "used",
        "no_roi_at_threshold": "used",
        "rois_without_scores": "used",
        "position_fill": "used",
    }.items():
        assert set(ledger.loc[AWKWARD[case], "status"]) == {status}, case
    assert set(ledger.loc[AWKWARD["corrected_time"], "date"]) == {"2024-04-17"}
    assert set(ledger.loc[AWKWARD["midnight"], "date"]) == {"2024-04-15", "2024-04-18"}


def test_a_class_unknown_to_one_bin_lacks_its_volume(demo_run: Checkout) -> None:
    (bin_id,) = AWKWARD["older_classifier"]
    volume = demo_run.table("demo", "catalog").set_index("bin").loc[bin_id, "ml_analyzed"]
    table = demo_run.table("demo")
    group = table[(table["date"] == "2024-04-17") & (table["instrument"] == "IFCB902")]
    total = group.set_index("class")["ml_analyzed_total"]
    for name in NEWER_CLASSES:
        assert total[name] == pytest.approx(total["unclassified"] - volume, rel=1e-12)
    assert (total.drop(list(NEWER_CLASSES)) == total["unclassified"]).all()


def test_counts_of_a_day_and_group_sum_to_its_rois(demo_run: Checkout) -> None:
    table = demo_run.table("demo")
    groups = table.groupby(["date", "instrument"])
    assert (groups["count"].sum() == groups["n_rois"].first()).all()
    assert (groups["n_rois"].nunique() == 1).all()
    unclassified = table[table["class"] == "unclassified"]
    assert len(unclassified) == groups.ngroups
    assert unclassified["threshold"].isna().all()
    assert (table.loc[table["class"] != "unclassified", "threshold"] == 0.7).all()


def test_what_does_not_live_is_marked_and_kept(demo_run: Checkout) -> None:
    table = demo_run.table("demo")
    marked = set(table.loc[table["living"] == "no", "class"])
    assert {"bead", "bubble", "detritus", "fecal_pellet", "pollen"} <= marked
    assert not {"Guinardia_delicatula", "ciliate", "mix", "unclassified"} & marked
    assert table.loc[table["class"] == "detritus", "count"].sum() > 0


def test_positions_are_means_of_known_ones(demo_run: Checkout) -> None:
    catalog = demo_run.table("demo", "catalog")
    ledger = demo_run.table("demo", "ledger")
    used = catalog[ledger["status"] == "used"]
    assert used["latitude"].isna().any()
    assert catalog["latitude"].dropna().between(-90, 90).all()
    means = used.groupby([used["sample_time"].str[:10], "instrument"])[["latitude", "longitude"]].mean()
    table = demo_run.table("demo").groupby(["date", "instrument"])[["latitude", "longitude"]]
    assert np.allclose(table.first(), means, rtol=1e-12)
    assert (table.nunique(dropna=False) == 1).all(axis=None)


def test_days_are_the_parts_of_the_merged_table(demo_run: Checkout) -> None:
    merged = (demo_run.results("demo") / "abundance_long.csv").read_text().splitlines()
    days = sorted((demo_run.results("demo") / "daily").glob("*.csv"))
    assert [day.stem for day in days] == ["2024-04-15", "2024-04-16", "2024-04-17", "2024-04-18"]
    lines = [day.read_text().splitlines() for day in days]
    assert all(day[0] == merged[0] for day in lines)
    assert [line for day in lines for line in day[1:]] == merged[1:]


def test_numbers_lose_nothing(demo_run: Checkout) -> None:
    table = demo_run.table("demo")
    text = pd.read_csv(demo_run.results("demo") / "abundance_long.csv", dtype=str)
    for column in ("ml_analyzed_total", "objects_per_ml", "objects_per_ml_low", "objects_per_ml_high"):
        assert [repr(float(cell)) for cell in text[column]] == list(text[column])
    assert (table["objects_per_ml"] == table["count"] / table["ml_analyzed_total"]).all()


def test_run_json_records_the_run(demo_run: Checkout) -> None:
    record = json.loads((demo_run.results("demo") / "run.json").read_text())
    ledger = demo_run.table("demo", "ledger")
    counted = ledger["status"].value_counts().to_dict()
    assert {status: n for status, n in record["bins_per_status"].items() if n} == counted
    assert record["config"]["classify"]["threshold"] == 0.7
    assert record["source"] == {"path": "resources/demo"}
    assert record["software"]["snakemake"].startswith("9.")
    assert record["catalog_read_at"].endswith("+00:00")


def test_user_sees_progress_and_a_summary_on_terminal_and_in_the_log(demo_run: Checkout) -> None:
    statuses = demo_run.table("demo", "ledger")["status"].value_counts()
    asked = statuses["used"] + statuses["no_scores"]
    expected = [
        f"class scores of bins: {asked} to read, 0 of {asked} are done already",
        f"class scores of bins: {asked} of {asked} done (100.0%)",
        "demo: 4 days (2024-04-15 to 2024-04-18, UTC), 59 classes beside unclassified\n",
        f"\n  {statuses.sum()} bins: {statuses['used']} used",
        "results/demo/abundance_long.csv",
    ]
    log = min((demo_run.folder / ".snakemake" / "log").glob("*.log"))  # of the first run; others may have looked at it
    for printed in (demo_run.printed, log.read_text()):
        for text in expected:
            assert text in printed


def test_second_run_touches_nothing_and_a_new_checkout_gives_the_same_bytes(tmp_path: Path, demo_run: Checkout) -> None:
    before = demo_run.stamps()
    assert "Nothing to be done" in demo_run.run()
    assert demo_run.stamps() == before
    other = Checkout(tmp_path / "other")
    other.run(None, "--cores", "1")
    assert other.files("demo") == demo_run.files("demo")


def test_a_score_file_that_changed_or_came_late_is_read_again(tmp_path: Path, demo_run: Checkout) -> None:
    run = Checkout(tmp_path / "checkout", copied_from=demo_run.folder)
    archive = run.folder / "resources" / "demo"
    late, changed = AWKWARD["no_scores"][0], AWKWARD["header_only"][0]
    labels, _ = reference.score_rows(archive, changed)
    header = ",".join(f'"{label}"' for label in ["pid", *labels])
    file = next(archive.rglob(f"{changed}_class_scores.csv"))
    for bin_id in (late, changed):
        hit = ",".join("0.9" if i == 0 else "0.0" for i in range(len(labels)))
        (file.parent / f"{bin_id}_class_scores.csv").write_text(f"{header}\n{bin_id}_00001,{hit}\n")
    printed = run.run({"report": {"make": False}})
    assert "class scores of bins: 2 to read" in printed
    assert_equals_reference(run.table("demo"), reference.abundance(archive))
