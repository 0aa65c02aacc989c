"""The how-tos, exactly as they are written, on the demo."""

import json
import re
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.io import savemat

from ifcb_abundance.demo.archive import LABELS
from tests.checkout import ROOT, Checkout
from tests.validation.zoo import question_export, write_workflows

BLOCK = re.compile(r"^```(\w+)(?: title=\"(.*?)\")?\n(.*?)^```$", re.M | re.S)
PEOPLE = {"person-1": 0.98, "person-2": 0.95, "person-3": 0.9}


def walk(page: str, run: Checkout, before: Any) -> None:
    """Do what a page says; before: called with each command, to do what people do meanwhile."""
    path = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
    for language, title, text in BLOCK.findall((ROOT / "docs" / "how-to" / page).read_text(encoding="utf-8")):
        if title:
            (run.folder / title).write_text(text)
        elif language == "bash":
            before(text)
            done = subprocess.run(
                ["bash", "-ec", text], cwd=run.folder, env=path, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def export(run: Checkout) -> None:
    """What Zooniverse exports, once people have looked at the subjects: one question, an answer for each class."""
    answers = [*LABELS, "I can't tell"]
    task = {"type": "single", "question": "T0.question"}
    task["answers"] = [{"label": f"T0.answers.{i}.label"} for i in range(len(answers))]  # type: ignore[assignment]
    strings = {f"T0.answers.{i}.label": name for i, name in enumerate(answers)}
    write_workflows(run.folder / "workflows.csv", {"T0": task}, {"T0.question": "Which class is it?", **strings})
    rng = np.random.default_rng(5)
    votes = []
    manifest = pd.read_csv(run.results("demo") / "validation/subjects/manifest.csv")
    winner = run.table("demo", "validation/sample").set_index("roi")["class"]
    for number, roi in enumerate(manifest["#roi_id"]):
        right = str(winner[roi]) if rng.random() < 0.9 else str(rng.choice(LABELS))
        for person, skill in PEOPLE.items():
            said = right if rng.random() < skill else str(rng.choice(LABELS))
            subject = json.dumps({str(number): {"#roi_id": roi, "#dataset": "demo"}})
            votes.append({"value": said, "user_name": person, "subject_ids": number, "subject_data": subject})
    question_export(run.folder / "classifications.csv", votes)


@pytest.mark.slow
def test_from_a_subject_set_to_thresholds(demo_run: Checkout, tmp_path: Path) -> None:
    run = Checkout(tmp_path / "walk", copied_from=demo_run.folder)
    done: dict[str, Any] = {}

    def before(command: str) -> None:
        if "snakemake --cores 8 validation " in command:
            export(run)
        if "round: 2" in command:
            done["first"] = set(run.table("demo", "validation/sample")["roi"])
            done["used"] = run.table("demo").dropna(subset="threshold").groupby("class")["threshold"].first()

    walk("validation.md", run, before)
    folder = run.results("demo") / "validation"
    assert {name.stem for name in folder.glob("*.csv")} >= {"sample", "consensus", "people"}
    # The last command drew a second round.
    second = set(run.table("demo", "validation/sample")["roi"])
    assert len(second) > 300
    assert not second & done["first"]
    chosen = pd.read_csv(run.folder / "my_thresholds.csv").set_index("class")["threshold"]
    assert len(chosen) > 3
    used = done["used"]
    assert used[used.index.isin(chosen.index)].to_dict() == chosen.to_dict()


@pytest.mark.slow
def test_from_labels_elsewhere(demo_run: Checkout, tmp_path: Path) -> None:
    run = Checkout(tmp_path / "walk", copied_from=demo_run.folder)
    labels = pd.read_csv(run.folder / "resources/demo/labels.csv").drop_duplicates("roi")
    labels["bin"] = labels["roi"].str[:-6]
    bins = sorted(set(labels["bin"]))
    of = {name: labels[labels["bin"].isin(bins[i::4])] for i, name in enumerate(("sqlite", "mat", "tsv", "csv"))}

    (run.folder / "classipyr").mkdir()
    with sqlite3.connect(run.folder / "classipyr" / "annotations.sqlite") as database:
        database.execute(
            "CREATE TABLE annotations (sample_name TEXT, roi_number INTEGER, class_name TEXT, annotator TEXT, "
            "timestamp TEXT, is_manual INTEGER)"
        )
        rows = [
            (row["bin"], int(row["roi"][-5:]), row["label"], "person-1", "2024-05-01", 1)
            for row in of["sqlite"].to_dict("records")
        ]
        database.executemany("INSERT INTO annotations VALUES (?, ?, ?, ?, ?, ?)", rows)
    (run.folder / "manual").mkdir()
    for bin_id, told in of["mat"].groupby("bin"):
        classlist = [
            [int(roi[-5:]), LABELS.index(label) + 1, np.nan]
            for roi, label in told[["roi", "label"]].values
            if label in LABELS
        ]
        if classlist:
            names = np.array(LABELS, dtype=object)
            savemat(run.folder / "manual" / f"{bin_id}.mat", {"classlist": classlist, "class2use_manual": names})
    ecotaxa = of["tsv"].rename(columns={"roi": "object_id", "label": "object_annotation_category"})
    ecotaxa["object_annotation_status"] = "validated"
    columns = ["object_id", "object_annotation_status", "object_annotation_category"]
    ecotaxa[columns].to_csv(run.folder / "ecotaxa_export.tsv", sep="\t", index=False)
    of["csv"][["roi", "label"]].replace("Guinardia_delicatula", "Guinardia").to_csv(
        run.folder / "labels.csv", index=False
    )

    walk("labels-elsewhere.md", run, lambda _: None)
    consensus = run.table("demo", "validation/consensus")
    in_mat = of["mat"]["label"].isin(LABELS)
    assert len(consensus) == len(labels) - (~in_mat).sum()
    assert "Guinardia" not in set(consensus["class"])
    assert len(run.table("demo", "validation/thresholds")) > 20
