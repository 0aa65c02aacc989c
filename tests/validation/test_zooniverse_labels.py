import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ifcb_abundance.common.errors import ConfigError, TableError
from ifcb_abundance.validation.labels import read_labels
from ifcb_abundance.validation.zooniverse_labels import Exports, read_zooniverse
from tests.validation.zoo import question_export, write_csv, write_workflows

BIN = "D20240418T001403_IFCB010"
TASKS = {
    "T0": {
        "type": "single",
        "question": "T0.question",
        "answers": [{"label": f"T0.answers.{i}.label"} for i in range(3)],
    }
}
STRINGS = {
    "T0.question": "Which is it?",
    "T0.answers.0.label": "Pseudo-nitzschia sp.",
    "T0.answers.1.label": "Chaetoceros_socialis",
    "T0.answers.2.label": "I can't tell",
}


def subject(number: int, **cells: Any) -> dict[str, Any]:
    data = {str(number): {"retired": None, "#roi_id": f"{BIN}_{number:05d}", **cells}}
    return {"subject_ids": number, "subject_data": json.dumps(data)}


def exports(folder: Path, votes: list[dict[str, Any]], task: str = "T0") -> Exports:
    workflows = write_workflows(folder / "workflows.csv", TASKS, STRINGS)
    return Exports(str(workflows), str(question_export(folder / "classifications.csv", votes)), 7, task)


def test_answers_are_texts_again_and_subjects_rois(tmp_path: Path) -> None:
    votes = [
        {"value": "Pseudo-nitzschia sp.", "user_name": "ann", **subject(1)},
        {"value": "Chaetoceros_socialis", "user_name": "bob", **subject(1)},
        {"value": 1, "user_name": "ann", "metadata": json.dumps({"classifier_version": "2.0"}), **subject(2)},
        {"value": None, "user_name": "bob", **subject(2)},
        {"value": "I can't tell", "user_name": "bob", **subject(3)},
    ]
    found = read_zooniverse(exports(tmp_path, votes))
    assert found[["roi", "label", "person"]].values.tolist() == [
        [f"{BIN}_00001", "Pseudo-nitzschia sp.", "ann"],
        [f"{BIN}_00001", "Chaetoceros_socialis", "bob"],
        [f"{BIN}_00002", "Chaetoceros_socialis", "ann"],
        [f"{BIN}_00003", "I can't tell", "bob"],
    ]
    assert found["created"][0] == "2024-01-01T00:00:01+00:00"


def labels_of(folder: Path, task: dict[str, Any], strings: dict[str, str], values: list[Any]) -> list[str]:
    """The labels of an export whose question T0 is such a task; a vote for each value, of a subject of its own."""
    workflows = write_workflows(folder / "workflows.csv", {"T0": task}, strings)
    votes = [{"value": value, **subject(number)} for number, value in enumerate(values, start=1)]
    export = question_export(folder / "classifications.csv", votes)
    return list(read_zooniverse(Exports(str(workflows), str(export), 7, "T0"))["label"])


def test_answers_that_are_called_as_columns_of_other_tasks(tmp_path: Path) -> None:
    """Answers of a question have a column of their name each, a dropdown has `value` and a survey `choice`."""
    names = ["Value", "Choice", "Diatom"]
    question = {"type": "single", "answers": [{"label": f"T0.answers.{i}.label"} for i in range(3)]}
    strings = {f"T0.answers.{i}.label": name for i, name in enumerate(names)}
    assert labels_of(tmp_path, question, strings, [*names, None, 0]) == [*names, "Value"]
    select = {"options": {"*": [{"label": f"T0.selects.0.options.*.{i}.label", "value": f"v{i}"} for i in range(3)]}}
    strings = {f"T0.selects.0.options.*.{i}.label": name for i, name in enumerate(names)}
    dropdown = {"type": "dropdown", "selects": [select]}
    picked = [[{"value": f"v{i}", "option": True}] for i in range(3)]
    assert labels_of(tmp_path, dropdown, strings, [*picked, None]) == names
    survey = {"type": "survey", "choices": {f"C{i}": {} for i in range(3)}}
    strings = {f"T0.choices.C{i}.label": name for i, name in enumerate(names)}
    seen = [[{"choice": f"C{i}", "answers": {"HOW": "1"}}] for i in range(3)]
    assert labels_of(tmp_path, survey, strings, seen) == names


OPTIONS = [{"label": f"T0.selects.0.options.*.{i}.label", "value": f"v{i}"} for i in range(2)]
OF_OPTIONS = {"T0.selects.0.options.*.0.label": "mix", "T0.selects.0.options.*.1.label": "Ditylum"}


def test_an_option_of_a_dropdown_is_its_text_in_both_classifiers(tmp_path: Path) -> None:
    """Classifier 2.0 gives the number of the option, from 0."""
    select = {"title": "T0.selects.0.title", "options": {"*": OPTIONS}}
    strings = {"T0.selects.0.title": "Main", **OF_OPTIONS}
    picked = [{"selection": 1, "option": True}, [{"value": "v0", "option": True}], {"selection": 0, "option": True}]
    dropdown = {"type": "dropdown", "selects": [select]}
    assert labels_of(tmp_path, dropdown, strings, picked) == ["Ditylum", "mix", "mix"]
    simple = {"type": "dropdown-simple", "options": [{"label": f"T0.options.{i}.label"} for i in range(2)]}
    strings = {"T0.options.0.label": "mix", "T0.options.1.label": "Ditylum"}
    assert labels_of(tmp_path, simple, strings, [picked[0], picked[2]]) == ["Ditylum", "mix"]


@pytest.mark.parametrize(
    ("task", "strings", "value", "told"),
    [
        ({"type": "text"}, {"T0.instruction": "Which?"}, "mix", ""),
        ({"type": "slider"}, {"T0.instruction": "How sure?"}, "5", ", such as 'slider_value'"),
        # With two menus a number does not say of which it is.
        (
            {"type": "dropdown", "selects": [{"options": {"*": OPTIONS}}] * 2},
            {**OF_OPTIONS, "T0.selects.1.options.*.0.label": "a chain"},
            {"selection": 1, "option": True},
            ", such as '1'",
        ),
    ],
)
def test_a_task_whose_answers_have_no_text_is_refused(
    tmp_path: Path, task: dict[str, Any], strings: dict[str, str], value: Any, told: str
) -> None:
    with pytest.raises(ConfigError, match=rf"has no text of the answers to 'T0' of workflow 7{told}\. Accepted"):
        labels_of(tmp_path, task, strings, [value])


def test_a_text_that_was_typed_into_a_dropdown_keeps_its_spelling(tmp_path: Path) -> None:
    dropdown = {"type": "dropdown", "selects": [{"allowCreate": True, "options": {"*": OPTIONS}}]}
    typed = [[{"value": "Pseudo-nitzschia_x", "option": False}], {"selection": "1", "option": False}]
    nothing = [{"value": None, "option": False}]
    picked = [{"value": "v0", "option": True}]
    found = labels_of(tmp_path, dropdown, OF_OPTIONS, [*typed, nothing, picked])
    assert found == ["Pseudo-nitzschia_x", "1", "mix"]  # 1 was typed: it is no number of an option


def test_an_answer_of_an_older_minor_version_is_its_text_then(tmp_path: Path) -> None:
    """In 1.3 the first answer has another text, and the two others have changed places."""
    texts = {2: ["Ditylum", "mix", "Guinardia_flaccida"], 3: ["Ditylum (alone)", "Guinardia_flaccida", "mix"]}
    workflows = [
        {"workflow_id": 7, "version": 1, "minor_version": minor, "tasks": json.dumps(TASKS)}
        | {"strings": json.dumps({f"T0.answers.{i}.label": text for i, text in enumerate(of_minor)})}
        for minor, of_minor in texts.items()
    ]
    write_csv(tmp_path / "workflows.csv", workflows)
    said = [(2, "Ditylum"), (3, "Ditylum (alone)"), (2, "mix"), (2, 0), (2, 1), (3, 1), (2, 2)]
    votes = [
        {"value": value, "workflow_version": f"1.{minor}", **subject(number)}
        for number, (minor, value) in enumerate(said, start=1)
    ]
    export = question_export(tmp_path / "classifications.csv", votes)
    of = Exports(str(tmp_path / "workflows.csv"), str(export), 7, "T0", "1")
    assert read_zooniverse(of)["label"].tolist() == [
        "Ditylum",
        "Ditylum (alone)",
        "mix",
        "Ditylum",
        "mix",
        "Guinardia_flaccida",
        "Guinardia_flaccida",
    ]
    assert read_zooniverse(replace(of, version=None))["label"].tolist() == ["Ditylum (alone)", "Guinardia_flaccida"]


def test_a_choice_of_a_survey_is_its_text_and_not_its_code(tmp_path: Path) -> None:
    """Codes are what Zooniverse makes of texts: capitals without vowels; a code may be the text of another one."""
    texts = {"PSD": "Pseudo-nitzschia", "DTR": "Detritus", "dtr": "PSD"}
    strings = {f"T0.choices.{code}.label": text for code, text in texts.items()}
    seen = [[{"choice": code, "answers": {}}] for code in texts]
    survey = {"type": "survey", "choices": {code: {} for code in texts}}
    assert labels_of(tmp_path, survey, strings, seen) == list(texts.values())
    both = [[{"choice": code, "answers": {}} for code in ("PSD", "DTR")]]
    assert labels_of(tmp_path, survey, strings, [*both, seen[1]]) == ["Detritus"]  # two choices are no label


def test_unclassified_is_no_label_and_blanks_around_a_text_are_no_part_of_it(tmp_path: Path) -> None:
    """As in files of labels."""
    question = {"type": "single", "answers": [{"label": f"T0.answers.{i}.label"} for i in range(3)]}
    strings = dict(zip([f"T0.answers.{i}.label" for i in range(3)], ["unclassified", " mix ", " "], strict=True))
    assert labels_of(tmp_path, question, strings, [0, 1, 2, "unclassified", " mix "]) == ["mix", "mix"]
    rows = "".join(f"{BIN}_{n:05d},{text}\n" for n, text in enumerate(["unclassified", " mix ", " "], start=1))
    (tmp_path / "labels.csv").write_text(f"roi,label\n{rows}")
    assert read_labels([tmp_path / "labels.csv"])["label"].tolist() == ["mix"]


def test_a_person_is_the_same_in_all_files(tmp_path: Path) -> None:
    """A cell that a spreadsheet would run has an apostrophe before it in tables of answers."""
    names = ["@bob", "-ann", "=cid", "+dan", "+5", "eve"]
    votes = [{"value": "I can't tell", "user_name": name, **subject(n)} for n, name in enumerate(names, start=1)]
    rows = "".join(f"{BIN}_{n:05d},mix,{name}\n" for n, name in enumerate(names, start=1))
    (tmp_path / "labels.csv").write_text(f"roi,label,person\n{rows}")
    assert read_labels([tmp_path / "labels.csv"])["person"].tolist() == names
    assert read_zooniverse(exports(tmp_path, votes))["person"].tolist() == names


def test_subjects_that_do_not_say_which_roi_they_are(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="no subject has #roi_id"):
        read_zooniverse(exports(tmp_path, [{"value": "I can't tell"}]))


def test_a_task_that_nobody_answered(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"validation\.zooniverse\.task: workflow 7 has no answers to 'T9'"):
        read_zooniverse(exports(tmp_path, [{"value": "I can't tell", **subject(1)}], task="T9"))


def test_classifications_that_are_left_out_are_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cannot, unknown = {"value": "I can't tell"}, {"subject_ids": 9, "subject_data": '{"9": {"retired": null}}'}
    votes = [
        {**cannot, **subject(1)},
        {**cannot, **subject(2), "subject_ids": ""},
        {**cannot, **unknown},
        {**cannot, **unknown},
        {**cannot, **subject(3), "workflow_version": "1.1"},
        {**cannot, **subject(4), "workflow_version": "1.1"},
        {**cannot, **subject(5), "workflow_version": "0.9"},
        {**cannot, **subject(6), "workflow_id": 8},  # of another workflow
    ]
    of = exports(tmp_path, votes)
    assert read_zooniverse(of)["roi"].tolist() == [f"{BIN}_00001"]
    said = [record.message.replace(of.classifications, "EXPORT") for record in caplog.records]
    assert said == [
        "labels: 3 classifications in EXPORT left out, of other versions than 1.2, the newest: 1 of 0.9, 2 of 1.1. Set "
        "validation.zooniverse.version to count them",
        "labels: 1 row of EXPORT left out that cannot be used. Most frequent reason (1): subject_ids is missing",
        "labels: 2 classifications in EXPORT left out, of 1 subject without #roi_id, such as 9",
    ]
    caplog.clear()
    assert read_zooniverse(replace(of, version="1.2"))["roi"].tolist() == [f"{BIN}_00001"]
    assert "other versions" not in caplog.text  # as it was asked for


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        ({"subject_ids": ""}, "no row of {} can be used. Most frequent reason (1): subject_ids is missing"),
        ({"workflow_version": "1.1"}, "{} has no classification of workflow 7, its newest version"),
    ],
)
def test_an_export_without_a_usable_row_names_no_file_that_is_gone(
    tmp_path: Path, cells: dict[str, Any], told: str
) -> None:
    of = exports(tmp_path, [{"value": "I can't tell", **subject(1), **cells}])
    with pytest.raises(TableError) as refused:
        read_zooniverse(of)
    assert str(refused.value) == told.format(of.classifications)
