"""Each recorded output of panoptes_aggregation 5.3.1, by value."""

import shutil
from pathlib import Path

import pytest
import yaml

from tests.validation.zoo import RECORDED, assert_same_rows, read, recorded, run, value, values

pytestmark = recorded
EXTRACTS = ("classification_id", "task", "data.choice")
REDUCTIONS = ("subject_id", "task", "data.choice")

PENGUINS = RECORDED / "penguin_watch"
ALL = RECORDED / "all_tasks"
CONFIG = "Extractor_config_workflow_6465_V52.76.yaml"


def loaded(path: Path) -> object:
    return yaml.safe_load(path.read_text())


@pytest.fixture(scope="module")
def penguins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("penguins")
    run(folder, "config", PENGUINS / "penguin-watch-workflows.csv", 6465, "-v", 52, "-m", 76)
    export = PENGUINS / "penguin-watch-classifications-trim.csv"
    run(folder, "extract", export, PENGUINS / "oracle_5.3.1" / CONFIG, "-o", "example")
    run(folder, "extract", export, CONFIG, "-o", "with_T4.csv", "-c", 2)
    return folder


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("all_tasks")
    run(folder, "config", ALL / "workflows.csv", 2099)
    run(folder, "extract", ALL / "classifications.csv", "Extractor_config_workflow_2099_V12.34.yaml", "-o", "all", "-O")
    return folder


def test_config_of_the_manual(penguins: Path) -> None:
    oracle = PENGUINS / "oracle_5.3.1"
    assert loaded(penguins / CONFIG) == loaded(oracle / "Extractor_config_as_made.yaml")
    for name in ("Reducer_config_*", "Task_labels_*"):
        for path in oracle.glob(name):
            made = loaded(penguins / path.name)
            if name.startswith("Task"):  # those of T4 are recorded, too
                assert "T4.question" in made
            assert made == loaded(path)


@pytest.mark.parametrize(
    "table", ["point_extractor_by_frame_example", "question_extractor_example", "question_extractor_with_T4"]
)
def test_extracts_of_the_manual(penguins: Path, table: str) -> None:
    assert_same_rows(penguins / f"{table}.csv", PENGUINS / "oracle_5.3.1" / f"{table}.csv", EXTRACTS)


@pytest.mark.parametrize(
    ("answers", "config", "made"),
    [
        ("point_extractor_by_frame_example", "dbscan", "point_reducer_dbscan_example"),
        ("point_extractor_by_frame_example", "hdbscan", "point_reducer_hdbscan_example"),
        ("question_extractor_example", "consensus", "question_consensus_reducer_example"),
        (
            "question_extractor_example",
            "Reducer_config_workflow_6465_V52.76_question_extractor",
            "question_reducer_example",
        ),
        (
            "question_extractor_with_T4",
            "Reducer_config_workflow_6465_V52.76_question_extractor",
            "question_reducer_with_T4",
        ),
    ],
)
@pytest.mark.parametrize("made_by", ["us", "the reference"])
def test_reductions_of_the_manual(
    penguins: Path, tmp_path: Path, answers: str, config: str, made: str, made_by: str
) -> None:
    oracle = PENGUINS / "oracle_5.3.1"
    source = penguins if made_by == "us" else oracle
    name = made.rsplit("reducer_", 1)[1].removeprefix("dbscan_").removeprefix("hdbscan_")
    run(tmp_path, "reduce", source / f"{answers}.csv", oracle / f"{config}.yaml", "-o", name)
    if "consensus" not in made:
        assert_same_rows(tmp_path / f"{made}.csv", oracle / f"{made}.csv", REDUCTIONS)
        return
    # Subject 13300035 is a tie of 5 and 5, which the reference gives to who came first.
    ours, theirs = tmp_path / f"{made}.csv", tmp_path / "theirs.csv"
    shutil.copy(oracle / f"{made}.csv", theirs)
    tie = "13300035,6465,T6,question_consensus_reducer,no-there-are-too-many,5,0.5,5.3.1"
    assert tie in theirs.read_text()
    theirs.write_text(theirs.read_text().replace(tie, tie.replace("no-there-are-too-many", "")))
    (tied,) = [row["data.tied"] for row in read(ours) if row["data.tied"]]
    assert value(tied) == ["no-there-are-too-many", "yes"]
    plain = [{name: cell for name, cell in row.items() if name != "data.tied"} for row in read(ours)]
    shown = tmp_path / "ours.csv"
    shown.write_text("\n".join([",".join(plain[0]), *(",".join(row.values()) for row in plain)]))
    assert_same_rows(shown, theirs, REDUCTIONS)


@pytest.mark.parametrize("path", sorted((ALL / "oracle_5.3.1").glob("*_V12.34*.yaml")), ids=lambda path: path.stem)
def test_config_of_all_tasks(everything: Path, path: Path) -> None:
    expected = loaded(path)
    if path.stem.endswith("shape_extractor_rectangle"):  # the reference forgets the sub-tasks of T6: its issue 280
        assert isinstance(expected, dict)
        details = expected["reducer_config"]["shape_reducer_dbscan"]["details"]
        details["T6_tool0"] = ["question_reducer", "text_reducer"]
    assert loaded(everything / path.name) == expected


@pytest.mark.parametrize("path", sorted((ALL / "oracle_5.3.1").glob("*_all.csv")), ids=lambda path: path.stem)
def test_extracts_of_all_tasks(everything: Path, path: Path) -> None:
    assert_same_rows(everything / path.name, path, EXTRACTS)
    assert list(read(everything / path.name)[0]) == list(read(path)[0])  # -O


@pytest.mark.parametrize(
    "path",
    [path for path in sorted((ALL / "oracle_5.3.1").glob("*_reducer_*_extractor*.csv")) if "text" not in path.stem],
    ids=lambda path: path.stem,
)
@pytest.mark.parametrize("made_by", ["us", "the reference"])
def test_reductions_of_all_tasks(everything: Path, tmp_path: Path, path: Path, made_by: str) -> None:
    reducer, _, extractor = next(
        (path.stem[: place + 7], "", path.stem[place + 8 :]) for place in [path.stem.index("reducer")]
    )
    for method in ("dbscan",):
        if extractor.startswith(f"{method}_"):
            reducer, extractor = f"{reducer}_{method}", extractor.removeprefix(f"{method}_")
    oracle = ALL / "oracle_5.3.1"
    answers = (everything if made_by == "us" else oracle) / f"{extractor}_all.csv"
    config = oracle / f"Reducer_config_workflow_2099_V12.34_{extractor}.yaml"
    run(tmp_path, "reduce", answers, config, "-o", extractor, "-F", "all")
    assert_same_rows(tmp_path / path.name, path, REDUCTIONS)
    assert (tmp_path / path.name).name == f"{reducer}_{extractor}.csv"


@pytest.mark.parametrize("method", ["hdbscan", "optics"])
def test_other_clusterings_of_rectangles(everything: Path, tmp_path: Path, method: str) -> None:
    oracle = ALL / "oracle_5.3.1"
    answers = everything / "shape_extractor_rectangle_all.csv"
    run(tmp_path, "reduce", answers, oracle / f"{method}.yaml", "-o", "rectangle", "-F", "all")
    name = f"shape_reducer_{method}_rectangle.csv"
    assert_same_rows(tmp_path / name, oracle / name, REDUCTIONS)


def test_texts_are_counted(everything: Path, tmp_path: Path) -> None:
    config = everything / "Reducer_config_workflow_2099_V12.34_text_extractor.yaml"
    run(tmp_path, "reduce", everything / "text_extractor_all.csv", config)
    first = values(tmp_path / "text_reducer_reductions.csv")[0]
    assert first["data.text_counts"] == {"a chain of four cell": 3, "chain of four cells": 2}
    assert first["data.number_views"] == 5


@pytest.mark.parametrize(
    ("export", "config", "extracts", "reductions"),
    [
        (
            "gorongosa/classifications.anon.csv",
            "gorongosa/Extractor_config.yaml",
            "gorongosa/oracle_5.3.1/survey_extractor_g.csv",
            "gorongosa/oracle_5.3.1/survey_reducer_g.csv",
        ),
        (
            "survey-classifications.anon.csv",
            "oracle_5.3.1/ex.yaml",
            "oracle_5.3.1/survey_extractor_survey.csv",
            "oracle_5.3.1/survey_reducer_all.csv",
        ),
    ],
)
def test_surveys(tmp_path: Path, export: str, config: str, extracts: str, reductions: str) -> None:
    name = Path(extracts).stem.removeprefix("survey_extractor_")
    run(tmp_path, "extract", RECORDED / export, RECORDED / config, "-o", name)
    made = tmp_path / f"survey_extractor_{name}.csv"
    assert_same_rows(made, RECORDED / extracts, EXTRACTS)
    of = Path(reductions).stem.removeprefix("survey_reducer_")
    run(tmp_path, "reduce", made, RECORDED / "gorongosa" / "Reducer_config.yaml", "-o", of, "-F", "all")
    assert_same_rows(tmp_path / f"survey_reducer_{of}.csv", RECORDED / reductions, REDUCTIONS)


def test_questions_of_people_without_a_login(tmp_path: Path) -> None:
    oracle = RECORDED / "oracle_5.3.1"
    run(tmp_path, "config", RECORDED / "wf_export.csv", 10, "-v", "16.55")
    for path in oracle.glob("*V16.55*"):
        assert loaded(tmp_path / path.name) == loaded(path)
    config = "Extractor_config_workflow_10_V16.55.yaml"
    run(tmp_path, "extract", RECORDED / "cls_export.anon.csv", config, "-o", "ex")
    made, theirs = values(tmp_path / "question_extractor_ex.csv"), values(oracle / "question_extractor_ex.csv")
    assert len(made) == len(theirs) == 14
    for one, other in zip(made, theirs, strict=True):  # their names were made anonymous anew
        assert {**one, "user_name": ""} == {**other, "user_name": ""}
    reducer = "Reducer_config_workflow_10_V16.55_question_extractor.yaml"
    run(tmp_path, "reduce", "question_extractor_ex.csv", reducer, "-o", "red")
    assert_same_rows(tmp_path / "question_reducer_red.csv", oracle / "question_reducer_red.csv", REDUCTIONS)
