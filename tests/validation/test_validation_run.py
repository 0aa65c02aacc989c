"""Validation through the front door: on the demo, whose people are known, and from a dashboard that is emulated."""

import csv
import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ifcb_abundance.demo.people import SKILLS
from tests.archives import bin_row, write_archive
from tests.checkout import Checkout
from tests.dashboard.emulator import Emulator
from tests.raw_files import picture, write_bin
from tests.validation.zoo import question_export, write_workflows

DEMO = "results/demo/validation"
RATES = "n_predicted,n_true,precision,precision_low,precision_high,recall,recall_low,recall_high,f1,note"
COLUMNS = {
    "sample": "roi,bin,class,score,stratum,n_stratum,n_sampled,inclusion_probability",
    "consensus": "roi,status,class,n_votes,agreement",
    "people": "person,n_rois,agreement,skill",
    "confusion": "true_class,predicted_class,n_labels,n_rois",
    "class_report": f"class,threshold,{RATES}",
    "class_curve": f"class,threshold,{RATES}",
    "thresholds": "class,threshold,criterion,precision,recall,precision_cv,n_predicted,note",
    "totals_corrected": "class,count,count_corrected,count_corrected_low,count_corrected_high,n_true,note",
    "abundance_corrected": "date,instrument,class,count,count_corrected,ml_analyzed_total,objects_per_ml_corrected,"
    "objects_per_ml_corrected_low,objects_per_ml_corrected_high,n_true,note",
}


def tables(run: Checkout, dataset: str) -> dict[str, bytes]:
    """The files of validation but for those of single bins, by name."""
    folder = run.results(dataset) / "validation"
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


# --- the demo ---


@pytest.fixture(scope="module")
def demo(demo_run: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    run = Checkout(tmp_path_factory.mktemp("labelled") / "demo", copied_from=demo_run.folder)
    run.printed = run.run(None, "validation", "subject_set", "validation_plan")  # type: ignore[attr-defined]
    return run


def test_tables_have_the_columns_that_are_promised(demo: Checkout) -> None:
    for name, columns in COLUMNS.items():
        assert ",".join(demo.table("demo", f"validation/{name}").columns) == columns
    drift = demo.table("demo", "validation/rate_drift")
    assert list(drift.columns[:3]) == ["class", "period", "n_labels"]
    reliability = demo.table("demo", "validation/reliability")
    assert list(reliability.columns[:6]) == "class score_low score_high n_labels mean_score share_right".split()
    assert "unclassified" not in set(demo.table("demo", "validation/totals_corrected")["class"])


def test_what_was_there_stays_byte_for_byte(demo: Checkout, demo_run: Checkout) -> None:
    before, after = demo_run.files("demo"), demo.files("demo")
    # These say what people found, and so do the report and its figures.
    told = {"overview.rst", "datapackage.json", "report.html"}
    assert {name for name in before if before[name] != after.get(name)} <= told
    assert demo.run(None, "validation", "subject_set", "validation_plan").count("Nothing to be done") == 1


def test_skills_are_those_of_the_demos_people(demo: Checkout) -> None:
    people = demo.table("demo", "validation/people").set_index("person")
    assert set(people.index) == set(SKILLS)
    for person, skill in SKILLS.items():
        assert abs(people.loc[person, "skill"] - skill) < 0.05
    consensus = demo.table("demo", "validation/consensus")
    assert set(consensus["n_votes"]) == {3}
    assert set(consensus["status"]) == {"agreed", "tie"}


def test_the_overview_names_labels_that_are_no_class(demo: Checkout) -> None:
    overview = (demo.results("demo") / "overview.rst").read_text()
    assert re.search(r"Labels that are no class count as other.*Strombidium\\_like.* \(43 labels\)", overview)
    notes = demo.table("demo", "validation/label_notes")
    assert notes.loc[0, ["what", "name", "n_labels"]].tolist() == ["no_class", "Strombidium_like", 43]


def test_figures_are_drawn_and_the_report_shows_them(demo: Checkout) -> None:
    folder = demo.results("demo")
    for name in ("confusion", "class_curve", "reliability", "corrected_series"):
        for form in ("svg", "pdf", "png", "html", "json"):
            assert (folder / "figures" / f"{name}.{form}").stat().st_size > 5000
        assert f'"{name}"' in (folder / "report.html").read_text()
    assert (
        "no limits: abundance_corrected.csv says what to label" in (folder / "figures/corrected_series.svg").read_text()
    )


def test_the_data_package_describes_each_table(demo: Checkout) -> None:
    package = json.loads((demo.results("demo") / "datapackage.json").read_text())
    fields = {r["path"]: [field["name"] for field in r["schema"]["fields"]] for r in package["resources"]}
    for name in set(COLUMNS) - {"sample"}:
        path = f"validation/{name}.csv"
        assert fields[path] == list(demo.table("demo", path.removesuffix(".csv")).columns)


def test_days_without_enough_labels_say_what_to_label(demo: Checkout) -> None:
    table = demo.table("demo", "validation/abundance_corrected")
    told = table[table["count_corrected"].notna()]
    assert told["objects_per_ml_corrected_low"].isna().all()
    assert set(told["note"]) == {"no limits: label ROIs of 10 days or more, several of a class on a day"}


def test_the_subject_set_is_the_sample_and_tells_nothing(demo: Checkout) -> None:
    sample = demo.table("demo", "validation/sample")
    folder = demo.folder / DEMO / "subjects"
    with (folder / "manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["file", "#roi_id", "#dataset"]
    assert [row["#roi_id"] for row in rows] == sorted(sample["roi"])
    assert {path.name for path in folder.glob("*.png")} == {row["file"] for row in rows}
    assert {row["#dataset"] for row in rows} == {"demo"}
    assert np.asarray(Image.open(folder / rows[0]["file"])).ndim == 2
    # The demo has raw files of one day and instrument alone.
    assert set(sample["bin"].str[:9]) == {"D20240418"}
    assert demo.printed.count("131 of 151 bins have no images: left out of the sample") == 1  # type: ignore[attr-defined]
    taken = sample.groupby("stratum").agg(n=("roi", "size"), said=("n_sampled", "first"), of=("n_stratum", "first"))
    assert (taken["n"] == taken["said"]).all()
    assert (taken["n"] >= np.minimum(taken["of"], 5)).all()
    assert np.allclose(sample["inclusion_probability"], sample["n_sampled"] / sample["n_stratum"])


def test_the_plan_says_what_more_labels_would_tell(demo: Checkout) -> None:
    plan = demo.table("demo", "validation/plan")
    width = (plan["precision_high"] - plan["precision_low"]).groupby(plan["n_sample"]).mean()
    assert width.is_monotonic_decreasing
    assert "labelled ROIs would tell the precision of" in demo.printed  # type: ignore[attr-defined]


def test_thresholds_go_into_the_config_as_they_are(demo: Checkout, tmp_path: Path) -> None:
    run = Checkout(tmp_path / "with-thresholds", copied_from=demo.folder)
    path = f"{DEMO}/thresholds.csv"
    before = (run.folder / path).read_bytes()
    run.run({"classify": {"class_thresholds": path}, "report": {"make": False}}, "results/demo/abundance_long.csv")
    assert (run.folder / path).read_bytes() == before
    chosen = run.table("demo", "validation/thresholds").set_index("class")["threshold"]
    used = run.table("demo").dropna(subset="threshold").groupby("class")["threshold"].first()
    assert used[used.index.isin(chosen.index)].to_dict() == chosen.to_dict()
    assert set(used[~used.index.isin(chosen.index)]) <= {0.7}
    # What was made with other thresholds does not lie beside these tables; the sample and the thresholds stay.
    left = set(tables(run, "demo"))
    assert {"sample.csv", "thresholds.csv"} <= left
    assert not {"class_report.csv", "abundance_corrected.csv"} & left


def test_one_core_makes_the_same_bytes(demo: Checkout, tmp_path: Path) -> None:
    run = Checkout(tmp_path / "one-core", copied_from=demo.folder)
    for name in tables(run, "demo"):
        (run.folder / DEMO / name).unlink()
    wanted = [f"{DEMO}/{name}.csv" for name in ("abundance_corrected", "class_report", "thresholds", "sample", "plan")]
    run.run(None, *wanted, "--cores", "1", "--config", "report={make: false}")
    assert tables(run, "demo") == tables(demo, "demo")


# --- a dashboard ---

CLASSES = ["Chaetoceros", "Ditylum", "Pseudo-nitzschia"]
BINS = [f"D2024{month:02d}{day:02d}T120000_IFCB010" for month in (4, 5, 6) for day in (3, 10, 17, 24)]
N_ROIS = 40
LABELLED = BINS[:11]
SCORES_OF = re.compile(r"/own/(D[0-9T]+_IFCB010)_class_scores\.csv")


def scores(bin_id: str) -> list[list[float]]:
    """Scores that half precision holds exactly."""
    rng = np.random.default_rng(list(bin_id.encode()))
    rows = np.zeros((N_ROIS, 3))
    rows[np.arange(N_ROIS), rng.integers(0, 3, N_ROIS)] = rng.integers(20, 64, N_ROIS) / 64
    return rows.tolist()


def truth(row: list[float], roi: int) -> str:
    """What people see: the winner, but for some of those with low scores."""
    at = int(np.argmax(row))
    return CLASSES[at] if max(row) > 0.5 or roi % 3 else CLASSES[(at + 1) % 3]


def write_labels(path: Path, bins: list[str], per_bin: int) -> Path:
    rows = [
        f"{bin_id}_{roi:05d},{truth(row, roi)},{person}\n"
        for bin_id in bins
        for roi, row in list(enumerate(scores(bin_id), start=2))[:per_bin]
        for person in ("person-1", "person-2")
    ]
    path.write_text("roi,label,person\n" + "".join(rows))
    return path


class Served:
    """An archive behind an emulated dashboard, and a run of it."""

    def __init__(self, folder: Path) -> None:
        archive = write_archive(
            folder / "archive",
            [bin_row(bin_id, n_images=N_ROIS + 1) for bin_id in BINS],
            {bin_id: (CLASSES, scores(bin_id)) for bin_id in BINS},
        )
        for bin_id in BINS:
            images = [(n, 1, 1, picture(20, 12, n)) for n in range(1, N_ROIS + 2)]
            write_bin(archive / "raw", bin_id, images, start=0)
        self.dashboard = Emulator({"own": archive})
        self.run = Checkout(folder / "checkout")
        self.labels = write_labels(folder / "labels.csv", LABELLED, 20)
        self.validation: dict[str, Any] = {"max_bins": 4, "n_rois": 60, "bootstrap": 100, "labels": [str(self.labels)]}

    def __call__(self, *targets: str, **validation: Any) -> Counter[str]:
        """Run, and count the requests for class scores by bin; other requests are under their path."""
        self.dashboard.clear()
        config = {
            "dataset": "own",
            "source": {"kind": "dashboard", "url": self.dashboard.url, "retries": 0},
            "select": {"start": "2024-04-01", "end": "2024-06-30"},
            "report": {"make": False},
            "validation": self.validation | validation,
        }
        self.printed = self.run.run(config, *targets)
        return Counter(SCORES_OF.sub(r"\1", request.path) for request in self.dashboard.requests)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    of = Served(tmp_path_factory.mktemp("served"))
    with of.dashboard:
        yield of


def test_a_dashboard_is_asked_for_what_is_drawn_or_labelled_and_once(served: Served) -> None:
    table = "results/own/validation/abundance_corrected.csv"
    served()
    main = served.run.files("own")
    # Sizes of strata come from summaries. Of the drawn bins, the winners of single ROIs are read.
    assert not served("validation_plan")
    asked = served("sample_rois")
    sample = served.run.table("own", "validation/sample")
    assert asked == Counter(set(sample["bin"]))
    assert len(asked) <= 4
    # Their raw files, once each.
    images = served("subject_set")
    assert images == Counter(f"/own/{bin_id}.{part}" for bin_id in set(sample["bin"]) for part in ("hdr", "adc", "roi"))
    # Only bins with labels are asked for scores, but for those that were read.
    assert served(table) == Counter(set(LABELLED) - set(asked))
    assert main.items() <= served.run.files("own").items()
    corrected = served.run.table("own", "validation/abundance_corrected")
    assert corrected["objects_per_ml_corrected_low"].notna().all()  # labels of eleven days
    assert (corrected["objects_per_ml_corrected_low"] <= corrected["objects_per_ml_corrected_high"]).all()


def test_a_second_run_other_keys_and_new_labels_ask_for_nothing(served: Served) -> None:
    wanted = [f"results/own/validation/{name}.csv" for name in ("abundance_corrected", "class_report", "thresholds")]
    served(*wanted)  # in case that this test runs alone
    assert not served(*wanted)
    assert "Nothing to be done" in served.printed
    before = served.run.stamps()

    def made(**validation: Any) -> set[str]:
        """The tables that a run made again."""
        nonlocal before
        assert not served(*wanted, **validation)
        after = served.run.stamps()
        changed = {
            Path(path).name for path, stamp in after.items() if before.get(path) != stamp and path.endswith(".csv")
        }
        before = after
        return {name for name in changed if (served.run.results("own") / "validation" / name).exists()}

    assert made(criterion="f1") == {"thresholds.csv"}
    assert made(criterion="f1", rate_dispersion=0) == {"abundance_corrected.csv", "totals_corrected.csv"}
    write_labels(served.labels, LABELLED, 25)
    os.utime(served.labels, (1_000_000_000,) * 2)  # a changed file is a changed file, whatever its time
    again = made(criterion="f1", rate_dispersion=0)
    assert {"all_labels.csv", "consensus.csv", "class_report.csv"} <= again
    assert not {"sample.csv", "draws.csv", "strata.parquet"} & again


def test_the_second_round_asks_about_other_rois(served: Served) -> None:
    labelled = set(pd.read_csv(served.labels)["roi"])
    served("sample_rois", round=2)
    second = served.run.table("own", "validation/sample")
    assert len(second) > 0
    assert not set(second["roi"]) & labelled
    assert (second["inclusion_probability"] <= 1).all()
    draws = served.run.results("own") / "validation" / "draws.csv"
    before = draws.read_bytes()
    served("sample_rois", round=2, seed=2)
    assert draws.read_bytes() != before


# --- labels of all kinds, and what is wrong with them ---


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> tuple[Checkout, dict[str, Any]]:
    """A finished run of two bins."""
    run = Checkout(tmp_path_factory.mktemp("own") / "checkout")
    archive = write_archive(
        run.folder / "archive",
        [bin_row(bin_id) for bin_id in BINS[:2]],
        {bin_id: (CLASSES, scores(bin_id)) for bin_id in BINS[:2]},
    )
    config = {"dataset": "own", "source": {"kind": "directory", "path": str(archive)}, "report": {"make": False}}
    run.run(config)
    return run, config


def test_zooniverse_and_other_labels_together(own: tuple[Checkout, dict[str, Any]]) -> None:
    run, config = own
    folder = run.folder
    tasks = {
        "T0": {
            "type": "single",
            "question": "T0.question",
            "answers": [{"label": f"T0.answers.{i}.label"} for i in (0, 1, 2)],
        }
    }
    strings = {
        "T0.question": "Which is it?",
        "T0.answers.0.label": "Pseudo-nitzschia",
        "T0.answers.1.label": "Ditylum_brightwellii",
        "T0.answers.2.label": "I can't tell",
    }

    def vote(roi: str, value: Any, person: str, **cells: Any) -> dict[str, Any]:
        number = int(roi[-5:])
        subject = json.dumps({str(number): {"#roi_id": roi}})
        return {"value": value, "user_name": person, "subject_ids": number, "subject_data": subject, **cells}

    rois = [f"{BINS[0]}_{n:05d}" for n in range(2, 6)]
    newer = {"metadata": json.dumps({"classifier_version": "2.0"})}
    question_export(
        folder / "classifications.csv",
        [
            vote(rois[0], "Pseudo-nitzschia", "person-1"),
            vote(rois[1], 1, "person-1", **newer),  # the number of the answer
            vote(rois[2], "I can't tell", "person-1"),
        ],
    )
    write_workflows(folder / "workflows.csv", tasks, strings)
    other = f"{BINS[1]}_00002.png"
    (folder / "labels.csv").write_text(
        f"roi,label\nfolder/{rois[3]}.png,Pseudo_nitzschia\n{other},Chaetoceros\nD20200101T000000_IFCB010_00001,Chaetoceros\n"
    )
    (folder / "map.csv").write_text("label,class\nDitylum_brightwellii,Ditylum\n")
    validation = {
        "labels": ["labels*.csv"],
        "zooniverse": {
            "workflows": "workflows.csv",
            "classifications": "classifications.csv",
            "workflow_id": 7,
            "task": "T0",
        },
        "label_map": "map.csv",
        "none_labels": ["I can't tell"],
        "people": "skill",
        "make": True,
    }
    printed = run.run({**config, "validation": validation})
    consensus = run.table("own", "validation/consensus").fillna("").set_index("roi")
    assert consensus[["status", "class"]].T.to_dict("list") == {
        rois[0]: ["agreed", "Pseudo-nitzschia"],
        rois[1]: ["agreed", "Ditylum"],
        rois[2]: ["none", ""],
        rois[3]: ["agreed", "other"],
        f"{BINS[1]}_00002": ["agreed", "Chaetoceros"],
    }
    assert "class_by_vote" in consensus.columns
    notes = run.table("own", "validation/label_notes").fillna("")
    assert notes.to_numpy().tolist() == [
        ["no_class", "Pseudo_nitzschia", 1, "Pseudo-nitzschia"],
        ["bin_not_used", "D20200101T000000_IFCB010", 1, ""],
    ]
    assert (
        "'Pseudo_nitzschia' is no class (1 label), so it counts as other. The nearest class is 'Pseudo-nitzschia'"
        in printed
    )
    overview = (run.results("own") / "overview.rst").read_text()
    assert "Labels left out" in overview
    # Too few labels: a note, and no corrected count.
    totals = run.table("own", "validation/totals_corrected")
    assert set(totals["note"]) == {"fewer than 10 labels"}
    assert totals["count_corrected"].isna().all()
    assert (run.results("own") / "figures" / "corrected_series.svg").exists()
    assert run.table("own", "validation/thresholds").empty


def test_labels_of_bins_that_are_used_again_count_again(own: tuple[Checkout, dict[str, Any]], tmp_path: Path) -> None:
    """The list of bins with labels hangs on the ledger, which is made in the same run."""
    run = Checkout(tmp_path / "again", copied_from=own[0].folder)
    validation = {"labels": [str(write_labels(tmp_path / "labels.csv", BINS[:2], 5))]}
    wanted = "results/own/validation/labelled_rois.csv"
    config = {**own[1], "validation": validation}
    without = {**config, "select": {"exclude_bins": [BINS[1]]}}
    for of, n_rois in ((without, 5), (config, 10)):
        printed = run.run(of, wanted)
        assert len(run.table("own", "validation/labelled_rois")) == n_rois
    assert "left out" not in printed
    assert (run.results("own") / "validation" / "labelled_bins.csv").exists()


BAD_MAP = "validation.label_map: bad.csv cannot be read as a CSV"
NO_LABELS = "validation.labels: [] and no validation.zooniverse: there are no labels to compare with"
# By name, where nothing is made yet: the engine takes a file that is there as it is.
ONE_TABLE = "results/new/validation/class_report.csv"
BAD: dict[str, tuple[dict[str, Any], list[str], str]] = {
    "by name": ({"labels": ["no-such.csv"]}, ["validation"], "validation.labels: there is no file no-such.csv"),
    "each run": ({"labels": ["bad.csv"], "make": True}, [], "bad.csv is no table of labels that is known: its columns"),
    "one table": ({"labels": []}, [ONE_TABLE], NO_LABELS),
    "round 2": ({"labels": [], "round": 2}, ["sample_rois"], NO_LABELS),
    "the map": ({"labels": ["good.csv"], "label_map": "bad.csv"}, ["validation"], BAD_MAP),
}


@pytest.mark.parametrize("way", BAD)
def test_bad_labels_end_a_run_before_it_begins(own: tuple[Checkout, dict[str, Any]], way: str) -> None:
    run, config = own
    validation, targets, told = BAD[way]
    dataset = "new" if targets == [ONE_TABLE] else config["dataset"]
    assert_told(run, {**config, "dataset": dataset, "validation": validation}, targets, told)


def test_the_demos_people_say_nothing_of_a_dashboard(own: tuple[Checkout, dict[str, Any]]) -> None:
    run, _ = own
    source = {"kind": "dashboard", "url": "http://127.0.0.1:9"}
    config = {"dataset": "served", "source": source, "select": {"start": "2024-01-01", "end": "2024-01-02"}}
    assert_told(run, config, ["validation"], NO_LABELS)


def test_a_bad_label_map_ends_a_run_of_the_demo_too(demo: Checkout) -> None:
    assert_told(demo, {"validation": {"label_map": "bad.csv"}}, ["validation"], BAD_MAP)


def assert_told(run: Checkout, config: dict[str, Any], targets: list[str], told: str) -> None:
    """A run ends with a sentence before it does anything."""
    (run.folder / "bad.csv").write_text("roi,name\nx,y\n")
    (run.folder / "good.csv").write_text(f"roi,label\n{BINS[0]}_00002,Ditylum\n")
    dataset = config.get("dataset", "demo")
    before = run.files(dataset)
    printed = run.run(config, *targets, fails=True)
    assert told in printed
    assert "Traceback" not in printed
    assert "Job stats" not in printed
    assert run.files(dataset) == before
