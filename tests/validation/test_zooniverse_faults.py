"""The thirteen faults of panoptes_aggregation 5.3.1: each test fails with its behaviour."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.validation.zoo import (
    RECORDED,
    aggregate,
    answer,
    classification,
    extractor_config,
    question_export,
    read,
    recorded,
    reducer_config,
    refused,
    run,
    value,
    values,
    write_csv,
    write_workflows,
)

QUESTION = {"task": "T0"}


def point(x: Any, y: Any, tool: int = 0, **more: Any) -> dict[str, Any]:
    return {"x": x, "y": y, "tool": tool, "frame": 0, "details": [], **more}


def point2(x: Any, y: Any, tool: int = 0, **more: Any) -> dict[str, Any]:
    return {"x": x, "y": y, "toolIndex": tool, "toolType": "point", "frame": 0, "details": [], **more}


# 1: who answers several times


@recorded
@pytest.mark.parametrize(("which", "yes", "no"), [("first", 3, None), ("last", 2, 1), ("all", 3, 2)])
def test_filter_of_the_recorded_case(tmp_path: Path, which: str, yes: int, no: int | None) -> None:
    case = RECORDED / "synthetic_repeat_case"
    config = case / "Reducer_config_workflow_7_V1.2_question_extractor.yaml"
    run(tmp_path, "reduce", case / "question_extractor_e.csv", config, "-F", which)
    (row,) = values(tmp_path / "question_reducer_reductions.csv")
    assert (row.get("data.yes"), row.get("data.no")) == (yes, no)


def test_filter_goes_by_time_then_by_classification(tmp_path: Path) -> None:
    votes = [
        {"value": "B", "classification_id": 20, "user_name": "ann", "created_at": "2024-01-01 00:00:00 UTC"},
        {"value": "A", "classification_id": 9, "user_name": "ann", "created_at": "2024-01-01 00:00:00 UTC"},
        {"value": "C", "classification_id": 1, "user_name": "ann", "created_at": "2024-01-01 00:00:01 UTC"},
        {"value": "C", "classification_id": 2, "user_name": "", "created_at": "2024-01-02 00:00:00 UTC"},
        {"value": "C", "classification_id": 3, "user_name": "", "created_at": "2024-01-02 00:00:00 UTC"},
        {"value": "C", "classification_id": 4, "user_name": "NA", "created_at": "2024-01-02 00:00:00 UTC"},
    ]
    export = question_export(tmp_path / "c.csv", votes)
    (first,) = aggregate(tmp_path, export, "question_extractor", QUESTION, "question_reducer")
    (last,) = aggregate(tmp_path, export, "question_extractor", QUESTION, "question_reducer", "-F", "last")
    assert (first["data.a"], first["data.c"]) == (1, 3)  # 9 before 20; nobody without a name is the same person
    assert "data.b" not in first
    assert last["data.c"] == 4


def test_all_choices_of_the_classification_that_counts_count(tmp_path: Path) -> None:
    survey = [{"choice": "PSD", "answers": {}}, {"choice": "DTR", "answers": {}}]
    votes = [{"value": survey, "user_name": "ann"}, {"value": survey[:1], "user_name": "ann"}]
    export = question_export(tmp_path / "c.csv", votes)
    rows = aggregate(tmp_path, export, "survey_extractor", QUESTION, "survey_reducer")
    assert sorted((row["data.choice"], row["data.choice_count"]) for row in rows) == [("dtr", 1), ("psd", 1)]
    rows = aggregate(tmp_path, export, "survey_extractor", QUESTION, "survey_reducer", "-F", "last")
    assert [(row["data.choice"], row["data.choice_count"]) for row in rows] == [("psd", 1)]


# 2: going on with a table; more in test_zooniverse_properties.py


def two_tasks(folder: Path) -> Path:
    rows = [
        classification(n, [answer("Yes"), answer(["A", "B"], task="T1")], subject_ids=subject)
        for n, subject in enumerate([100, 100, 200, 200], start=1)
    ]
    export = write_csv(folder / "c.csv", rows)
    config = extractor_config(folder, question_extractor=[{"task": "T0"}, {"task": "T1"}])
    run(folder, "extract", export, config, "-o", "x")
    return reducer_config(folder, "question_reducer")


@pytest.mark.parametrize(
    "there",
    [
        "subject_id,workflow_id,task,reducer,data\n100,7,T0,question_reducer,{'yes': 2}\n",
        "subject_id,workflow_id,task,reducer,data\n100,7,T0,question_reducer,{'yes': 2}\n100,7,T1,question_red",
        "subject_id,workflow_id,task,reducer,data.yes,data.no\n100,7,T0,question_reducer,9,9\n",
        "subject_id",
        "",
    ],
    ids=["one task of a subject", "half a line", "finished", "cut header", "empty"],
)
def test_a_table_that_is_there_changes_nothing(tmp_path: Path, there: str) -> None:
    config = two_tasks(tmp_path)
    run(tmp_path, "reduce", "question_extractor_x.csv", config, "-o", "undisturbed")
    (tmp_path / "question_reducer_x.csv").write_text(there)
    run(tmp_path, "reduce", "question_extractor_x.csv", config, "-o", "x", "-s")
    undisturbed = (tmp_path / "question_reducer_undisturbed.csv").read_bytes()
    assert (tmp_path / "question_reducer_x.csv").read_bytes() == undisturbed


# 3: nothing is evaluated

HOSTILE = [
    "__import__('pathlib').Path('trace').touch()",
    "[__import__('pathlib').Path('trace').touch()]",
    "{'a': __import__('pathlib').Path('trace').touch()}",
    "!!python/object/apply:pathlib.Path.touch [trace]",
    "[" * 5000,
    "=cmd|' /C calc'!A0",
    "+1;=2",
    "\N{FULLWIDTH EQUALS SIGN}1+1",
    "@SUM(A1)",
    "-1+1",
    '"\n1,ann,1,7,T0,2024-01-01 00:00:00 UTC,100,question_extractor,1',
    "\x00",
]


def assert_no_formula(paths: Iterable[Path]) -> None:
    for path in paths:
        for row in read(path):
            for cell in row.values():
                number = cell.removeprefix("-").replace(".", "").isdecimal()
                for part in cell.split(";"):
                    assert number or not part.lstrip().startswith(tuple("=+-@\uff1d\uff0b\uff0d\uff20")), cell


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_cells_leave_no_trace(tmp_path: Path, hostile: str) -> None:
    rows = [classification(1, [answer("Yes"), answer("good", "T1")])]
    rows += [
        {**classification(n, [answer("Yes"), answer("good", "T1")]), column: hostile}
        for n, column in enumerate(["annotations", "metadata", "user_name", "created_at", "subject_ids"], start=2)
    ]
    rows += [classification(9, [answer(hostile), answer(hostile, "T1")])]
    rows += [classification(10, [answer([{"choice": hostile, "answers": {hostile: hostile}}], "T2")])]
    export = write_csv(tmp_path / "c.csv", rows)
    extractors: dict[str, Any] = {"question_extractor": [{"task": "T0"}], "text_extractor": [{"task": "T1"}]}
    config = extractor_config(tmp_path, **extractors, survey_extractor=[{"task": "T2"}])
    run(tmp_path, "extract", export, config, "-o", "x")
    assert_no_formula(tmp_path.glob("*_x.csv"))
    for extractor, reducer in [("question", "question"), ("text", "text"), ("survey", "survey")]:
        path = tmp_path / f"{extractor}_extractor_x.csv"
        broken = read(path)
        for name in [name for name in broken[0] if name.startswith("data.")]:
            broken.append({**broken[0], "classification_id": str(100 + len(broken)), name: hostile})
        write_csv(path, broken)
        run(tmp_path, "reduce", path, reducer_config(tmp_path, f"{reducer}_reducer"), "-o", "x")
    assert not (tmp_path / "trace").exists()
    made = [*tmp_path.glob("*_reducer_x.csv"), tmp_path / "rejected_x.csv"]
    assert len(made) == 4
    assert_no_formula(made)
    text = values(tmp_path / "text_reducer_x.csv")
    assert text[0]["data.text_counts"]["good"] >= 1


def test_texts_of_a_workflow_are_not_evaluated(tmp_path: Path) -> None:
    tasks = {"T0": {"type": "single", "answers": [{"label": "T0.answers.0.label"}]}}
    strings = "{'T0.answers.0.label': __import__('pathlib').Path('trace').touch()}"
    cells = {"workflow_id": 7, "version": 1, "minor_version": 2, "tasks": json.dumps(tasks), "strings": strings}
    write_csv(tmp_path / "w.csv", [cells])
    assert "strings are not JSON" in refused(tmp_path, "config", "w.csv", 7)
    assert not (tmp_path / "trace").exists()


def test_yaml_makes_no_objects(tmp_path: Path) -> None:
    question_export(tmp_path / "c.csv", [{"value": "Yes"}])
    (tmp_path / "e.yaml").write_text("extractor_config: !!python/object/apply:os.system ['touch trace']\n")
    assert "is not YAML" in refused(tmp_path, "extract", "c.csv", "e.yaml")
    assert not (tmp_path / "trace").exists()


# 4: ties


def test_a_tie_is_nobodys(tmp_path: Path) -> None:
    export = question_export(tmp_path / "c.csv", [{"value": answer} for answer in ["B", "A", "A", "B", "C"]])
    (row,) = aggregate(tmp_path, export, "question_extractor", QUESTION, "question_consensus_reducer")
    assert "data.most_likely" not in row
    assert (row["data.tied"], row["data.num_votes"], row["data.agreement"]) == (["a", "b"], 2, 0.4)
    assert read(tmp_path / "question_consensus_reducer_x.csv")[0]["data.tied"] == '["a", "b"]'


def test_ties_of_a_survey(tmp_path: Path) -> None:
    choices = [["PSD"], ["DTR", "PSD"], ["DTR"]]
    votes = [{"value": [{"choice": name, "answers": {}} for name in names]} for names in choices]
    votes += [{"value": [{"choice": "PSD", "answers": {}}], "subject_ids": 200}]
    export = question_export(tmp_path / "c.csv", votes)
    tie, clear = aggregate(tmp_path, export, "survey_extractor", QUESTION, "survey_consensus_reducer")
    assert (tie["data.tied"], tie["data.num_votes"], tie["data.agreement"]) == (["dtr", "psd"], 2, 0.5)
    assert (clear["data.most_likely"], clear["data.num_votes"], clear["data.agreement"]) == ("psd", 1, 1)


def test_no_votes_at_all(tmp_path: Path) -> None:
    export = question_export(tmp_path / "c.csv", [{"value": []}])
    (row,) = aggregate(tmp_path, export, "question_extractor", QUESTION, "question_consensus_reducer")
    assert row["data.num_votes"] == 0
    assert "data.most_likely" not in row
    assert "data.agreement" not in row


# 5: marks without an answer to their sub-task

SUBTASK = {"task": "T0", "tools": [0], "details": {"T0_tool0": ["question_extractor"]}}
REDUCED = {"details": {"T0_tool0": ["question_reducer"]}, "eps": 5, "min_samples": 2}


@pytest.mark.parametrize("details", [[], None, [{}]])
def test_a_mark_without_an_answer_stays_in_its_cluster(tmp_path: Path, details: Any) -> None:
    human = [{"value": "Human"}]
    votes = [{"value": [point(10 + n, 10, details=human)]} for n in range(2)]
    votes += [{"value": [point(12, 10, details=details), point(300, 300, details=human)]}]
    export = question_export(tmp_path / "c.csv", votes)
    (row,) = aggregate(tmp_path, export, "point_extractor_by_frame", SUBTASK, "point_reducer_dbscan", **REDUCED)
    assert row["data.frame0.T0_tool0_cluster_labels"] == [0, 0, 0, -1]
    assert row["data.frame0.T0_tool0_clusters_count"] == [3]
    assert row["data.frame0.T0_tool0_clusters_details"] == [[{"human": 2}]]
    assert len(row["data.frame0.T0_tool0_details"]) == 4


def test_nobody_has_answered(tmp_path: Path) -> None:
    export = question_export(tmp_path / "c.csv", [{"value": [point(10, 10)]}, {"value": [point(11, 10)]}])
    (row,) = aggregate(tmp_path, export, "point_extractor_by_frame", SUBTASK, "point_reducer_dbscan", **REDUCED)
    assert row["data.frame0.T0_tool0_clusters_details"] == [[{}]]


def test_a_mark_that_was_not_placed_takes_its_answer_with_it(tmp_path: Path) -> None:
    votes = [
        {"value": [point(None, 10, details=[{"value": "Bird"}]), point(10, 10, details=[{"value": "Human"}])]},
        {"value": [point(11, 10, details=[{"value": "Human"}]), point(11, None, details=[{"value": "Bird"}])]},
    ]
    export = question_export(tmp_path / "c.csv", votes)
    (row,) = aggregate(tmp_path, export, "point_extractor_by_frame", SUBTASK, "point_reducer_dbscan", **REDUCED)
    assert row["data.frame0.T0_tool0_points_x"] == [10, 11]
    assert row["data.frame0.T0_tool0_clusters_details"] == [[{"human": 2}]]


def test_a_mark_without_a_frame_is_on_the_first(tmp_path: Path) -> None:
    marks = [{"x": 1, "y": 2, "tool": 0, "details": []}, point(3, 4, frame=None), point(5, 6, frame=1)]
    export = question_export(tmp_path / "c.csv", [{"value": marks}])
    config = extractor_config(tmp_path, point_extractor_by_frame=[{"task": "T0", "tools": [0]}])
    run(tmp_path, "extract", export, config, "-o", "x")
    (row,) = values(tmp_path / "point_extractor_by_frame_x.csv")
    assert (row["data.frame0.T0_tool0_x"], row["data.frame1.T0_tool0_x"]) == ([1, 3], [5])


# 6: classifier 2.0

DRAWING = {
    "T0": {
        "type": "drawing",
        "tools": [
            {"type": "point", "details": []},
            {
                "type": "point",
                "details": [{"type": "single", "answers": [{"label": "Human"}, {"label": "Bird"}]}, {"type": "text"}],
            },
        ],
    }
}


def test_points_of_classifier_2(tmp_path: Path) -> None:
    """With the config that is made here: marks by toolIndex, their answers by markIndex."""
    write_workflows(tmp_path / "w.csv", DRAWING, {})
    run(tmp_path, "config", "w.csv", 7)
    subtasks = [{"task": "T0.1.0"}, {"task": "T0.1.1"}]
    rows = []
    for n in range(3):
        marks = [point2(50 + n, 50), point2(None, 9), point2(100 + n, 100, 1, details=subtasks)]
        sub = [answer(n % 2, "T0.1.0", markIndex=2), answer("a note", "T0.1.1", markIndex=2)]
        rows.append(
            classification(n + 1, [answer(marks), *sub[: 2 if n else 1]], metadata='{"classifier_version": "2.0"}')
        )
    write_csv(tmp_path / "c.csv", rows)
    run(tmp_path, "extract", "c.csv", "Extractor_config_workflow_7_V1.2.yaml", "-o", "x")
    first = values(tmp_path / "point_extractor_by_frame_x.csv")[0]
    assert first["data.frame0.T0_toolIndex0_x"] == [50]
    assert first["data.frame0.T0_toolIndex1_y"] == [100]
    assert first["data.frame0.T0_toolIndex1_subtask0"] == [{"0": 1}]
    assert first["data.frame0.T0_toolIndex1_subtask1"] == [{}]
    reducer = "Reducer_config_workflow_7_V1.2_point_extractor_by_frame.yaml"
    run(tmp_path, "reduce", "point_extractor_by_frame_x.csv", reducer, "-o", "x")
    (row,) = values(tmp_path / "point_reducer_dbscan_x.csv")
    assert row["data.frame0.T0_toolIndex0_clusters_x"] == [51]
    assert row["data.frame0.T0_toolIndex1_subtask0_clusters"] == [{"0": 2, "1": 1}]
    assert row["data.frame0.T0_toolIndex1_subtask1_clusters"] == [{"text_counts": {"a note": 2}, "number_views": 2}]
    assert len(row["data.frame0.T0_toolIndex1_subtask0"]) == 3


def test_shapes_of_classifier_2_have_middles(tmp_path: Path) -> None:
    votes = [
        {"value": [{"x_center": 10 + n, "y_center": 20, "width": 4, "height": 6, "toolIndex": 0, "details": []}]}
        for n in range(3)
    ]
    export = question_export(tmp_path / "c.csv", votes)
    entry = {"task": "T0", "tools": [0], "shape": "rectangle"}
    (row,) = aggregate(tmp_path, export, "shape_extractor_rectangle", entry, "shape_reducer_dbscan", shape="rectangle")
    assert row["data.frame0.T0_toolIndex0_rectangle_x_center"] == [10, 11, 12]
    assert row["data.frame0.T0_toolIndex0_clusters_x_center"] == [11]


def test_dropdowns_of_classifier_2(tmp_path: Path) -> None:
    votes = [{"value": {"selection": 6, "option": True}}, {"value": {"value": "6"}}, {"value": None}]
    export = question_export(tmp_path / "c.csv", votes)
    (row,) = aggregate(tmp_path, export, "dropdown_extractor", QUESTION, "dropdown_reducer")
    assert row["data.value"] == [{"6": 2}]


# 7: two drawing tasks with tools of one shape


def test_details_of_all_tasks_are_reduced(tmp_path: Path) -> None:
    subtask = [{"type": "single", "answers": [{"label": "Sharp"}]}]
    tool = {"type": "rectangle", "details": subtask}
    write_workflows(tmp_path / "w.csv", {name: {"type": "drawing", "tools": [tool]} for name in ("T0", "T1")}, {})
    run(tmp_path, "config", "w.csv", 7)
    reducer = tmp_path / "Reducer_config_workflow_7_V1.2_shape_extractor_rectangle.yaml"
    details = yaml.safe_load(reducer.read_text())["reducer_config"]["shape_reducer_dbscan"]["details"]
    assert details == {"T0_tool0": ["question_reducer"], "T1_tool0": ["question_reducer"]}
    mark = {"x": 1, "y": 2, "width": 3, "height": 4, "tool": 0, "frame": 0, "details": [{"value": "Sharp"}]}
    rows = [classification(n, [answer([mark]), answer([mark], "T1")]) for n in (1, 2, 3)]
    write_csv(tmp_path / "c.csv", rows)
    run(tmp_path, "extract", "c.csv", "Extractor_config_workflow_7_V1.2.yaml", "-o", "x")
    run(tmp_path, "reduce", "shape_extractor_rectangle_x.csv", reducer, "-o", "x")
    for row in values(tmp_path / "shape_reducer_dbscan_x.csv"):
        assert row[f"data.frame0.{row['task']}_tool0_clusters_details"] == [[{"sharp": 3}]]


# 8: what has no extractor


def test_what_is_left_out_is_named(tmp_path: Path) -> None:
    tasks = {
        "T0": {"type": "single", "answers": []},
        "T1": {"type": "crop"},
        "T2": {"type": "drawing", "tools": [{"type": "polygon", "details": []}, {"type": "circle"}]},
    }
    write_workflows(tmp_path / "w.csv", tasks, {})
    told = run(tmp_path, "config", "w.csv", 7)
    assert "task T1 (crop)" in told
    assert "tool 0 (polygon) of task T2" in told
    write_workflows(tmp_path / "w.csv", {"T1": tasks["T1"]}, {})
    error = refused(tmp_path, "config", "w.csv", 7, "-d", ".")
    assert "no task that can be extracted" in error
    assert "T1 (crop)" in error


# 9: rows that cannot be read


def test_each_bad_row_is_told_and_all_else_counts(tmp_path: Path) -> None:
    good = [answer("Yes"), answer("5", "T1")]
    rows = [
        classification(1, good),
        classification(2, '[{"task": "T0"'),
        classification(3, '{"task": "T0"}'),
        classification(4, good, workflow_version="NA"),
        classification(5, good, workflow_version="52"),
        classification(6, good, created_at="yesterday"),
        classification(7, good, metadata="{"),
        classification(8, good, subject_ids=""),
        classification(9, good, classification_id="nine"),
        classification(1, good),
        classification(11, [answer({"a": 1}), answer("5", "T1")]),
        classification(12, [answer("Yes"), answer("many", "T1")]),
        classification(13, '[{"task": "T0", "value": NaN}]'),
        classification(14, good, workflow_version="1.20"),
        classification(15, '[{"task": "T0"', workflow_id=8),
        classification(16, good),
    ]
    path = write_csv(tmp_path / "c.csv", rows)
    lines = path.read_bytes().splitlines(keepends=True)
    lines.insert(4, b"17,too,short\n")
    lines.insert(5, b'18,"an open quote,\n')
    lines.insert(6, lines[1].replace(b"1,person-1", b"19,person-\xff"))
    path.write_bytes(b"".join([b"\xef\xbb\xbf", *lines, lines[1][:90]]))
    extractors: dict[str, Any] = {"question_extractor": [{"task": "T0"}], "slider_extractor": [{"task": "T1"}]}
    told = run(tmp_path, "extract", path, extractor_config(tmp_path, **extractors), "-o", "x")
    assert "16 rows" in told
    rejected = [tuple(row.values())[:4] for row in read(tmp_path / "rejected_x.csv")]
    assert rejected == [
        ("3", "2", "", ""),
        ("4", "3", "", ""),
        ("5", "", "", ""),
        ("6", "", "", ""),
        ("7", "", "", ""),
        ("8", "4", "", ""),
        ("9", "5", "", ""),
        ("10", "6", "", ""),
        ("11", "7", "", ""),
        ("12", "8", "", ""),
        ("13", "nine", "", ""),
        ("14", "1", "", ""),
        ("15", "11", "T0", "question_extractor"),
        ("16", "12", "T1", "slider_extractor"),
        ("17", "13", "", ""),
        ("21", "", "", ""),
    ]
    answered = [row["classification_id"] for row in read(tmp_path / "question_extractor_x.csv")]
    assert answered == ["1", "12", "16"]
    assert [row["classification_id"] for row in read(tmp_path / "slider_extractor_x.csv")] == ["1", "11", "16"]


def test_rows_that_reduce_cannot_read(tmp_path: Path) -> None:
    export = question_export(tmp_path / "c.csv", [{"value": [point(n, n)]} for n in range(6)])
    config = extractor_config(tmp_path, point_extractor_by_frame=[{"task": "T0"}])
    run(tmp_path, "extract", export, config, "-o", "x")
    rows = read(tmp_path / "point_extractor_by_frame_x.csv")
    rows[1]["data.frame0.T0_tool0_x"] = "[1, 'one']"
    rows[2]["data.frame0.T0_tool0_x"] = "[1, 2]"
    rows[3]["created_at"] = ""
    rows.append(dict(rows[0]))
    write_csv(tmp_path / "point_extractor_by_frame_x.csv", rows)
    told = run(
        tmp_path,
        "reduce",
        "point_extractor_by_frame_x.csv",
        reducer_config(tmp_path, "point_reducer_dbscan"),
        "-o",
        "x",
    )
    assert "4 rows" in told
    rejected = read(tmp_path / "rejected_x.csv")
    assert [(row["line"], row["task"]) for row in rejected] == [("3", "T0"), ("4", "T0"), ("5", "T0"), ("8", "T0")]
    (row,) = values(tmp_path / "point_reducer_dbscan_x.csv")
    assert row["data.frame0.T0_tool0_points_x"] == [0, 4, 5]


def test_a_table_that_went_through_r(tmp_path: Path) -> None:
    """A byte-order mark, a nameless first column, Windows line ends, NA, and columns that nobody knows."""
    rows = [classification(n, [answer("Yes")], user_name="NA", user_id="NA") for n in (1, 2)]
    rows = [{"": str(n), **row, "gold_standard": "NA", "mine": "?"} for n, row in enumerate(rows)]
    path = write_csv(tmp_path / "c.csv", rows)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    (row,) = aggregate(tmp_path, path, "question_extractor", QUESTION, "question_reducer")
    assert row["data.yes"] == 2
    assert read(tmp_path / "question_extractor_x.csv")[0]["user_name"] == ""


# 10: answers of one slug


def test_answers_of_one_slug_are_kept_apart(tmp_path: Path) -> None:
    texts = ["5 µm", "5 mm", "5-mm", "5 mm 2", "10 µm"]
    labels = {f"T0.answers.{n}.label": text for n, text in enumerate(texts)}
    write_workflows(
        tmp_path / "w.csv", {"T0": {"type": "single", "answers": [{"label": key} for key in labels]}}, labels
    )
    told = run(tmp_path, "config", "w.csv", 7)
    assert '"5 µm" in column data.5-mm' in told
    assert '"5 mm" in column data.5-mm-3' in told  # 5-mm-2 is an answer of its own
    config = yaml.safe_load((tmp_path / "Extractor_config_workflow_7_V1.2.yaml").read_text(encoding="utf-8"))
    made = config["extractor_config"]["question_extractor"][0]["labels"]
    assert made == {"5 µm": "5-mm", "5 mm": "5-mm-3", "5-mm": "5-mm-4"}
    question_export(tmp_path / "c.csv", [{"value": text} for text in texts for _ in range(1 + texts.index(text))])
    run(tmp_path, "extract", "c.csv", "Extractor_config_workflow_7_V1.2.yaml", "-o", "x")
    run(
        tmp_path,
        "reduce",
        "question_extractor_x.csv",
        "Reducer_config_workflow_7_V1.2_question_extractor.yaml",
        "-o",
        "x",
    )
    (row,) = values(tmp_path / "question_reducer_x.csv")
    counts = {name.removeprefix("data."): row[name] for name in row if "mm" in name}
    assert counts == {"5-mm": 1, "5-mm-3": 2, "5-mm-4": 3, "5-mm-2": 4, "10-mm": 5}


def test_the_second_of_two_gets_2(tmp_path: Path) -> None:
    answers = [{"label": "Yes!"}, {"label": "Yes?"}]
    tool = {"type": "point", "details": [{"type": "multiple", "answers": answers}]}
    tasks = {"T0": {"type": "multiple", "answers": answers}, "T1": {"type": "drawing", "tools": [tool]}}
    write_workflows(tmp_path / "w.csv", tasks, {})
    run(tmp_path, "config", "w.csv", 7)
    mark = point(1, 1, details=[{"value": ["Yes?", "Yes!"]}])
    write_csv(tmp_path / "c.csv", [classification(1, [answer(["Yes!", "Yes?"]), answer([mark], "T1")])])
    run(tmp_path, "extract", "c.csv", "Extractor_config_workflow_7_V1.2.yaml", "-o", "x")
    (row,) = values(tmp_path / "question_extractor_x.csv")
    assert (row["data.yes"], row["data.yes-2"]) == (1, 1)
    (row,) = values(tmp_path / "point_extractor_by_frame_x.csv")
    assert row["data.frame0.T1_tool0_details"] == [[{"yes": 1, "yes-2": 1}]]


# 11 and 12: versions

VERSIONS = ("51.70", "52.8", "52.80", "53.2")


def configured(folder: Path, *options: object) -> tuple[str, Any]:
    for path in folder.glob("Extractor_config*"):
        path.unlink()
    write_workflows(folder / "w.csv", {"T0": {"type": "single", "answers": []}}, {}, VERSIONS)
    run(folder, "config", "w.csv", 7, *options)
    (path,) = folder.glob("Extractor_config*")
    return path.stem.rsplit("V", 1)[1], yaml.safe_load(path.read_text())["workflow_version"]


def test_versions_of_config(tmp_path: Path) -> None:
    assert configured(tmp_path) == ("53.2", "53.2")
    assert configured(tmp_path, "-v", "52") == ("52.80", "52")
    assert configured(tmp_path, "-v", "52.8") == ("52.8", "52.8")
    assert configured(tmp_path, "-v", "52", "-m", "8") == ("52.8", "52.8")
    assert configured(tmp_path, "--max_version", "52") == ("52.80", {"max": "52"})
    assert configured(tmp_path, "--min_version", "51", "--max_version", "52.79") == (
        "52.8",
        {"min": "51", "max": "52.79"},
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("-v", "52", "--min_version", "51"), "not both"),
        (("-v", "52.8", "-m", "8"), "--minor_version needs"),
        (("-m", "8"), "--minor_version needs"),
        (("-v", "54"), "51.70, 52.8, 52.80, 53.2"),
        (("-v", "new"), "is not a version"),
        (("--min_version", "54"), "51.70, 52.8, 52.80, 53.2"),
    ],
)
def test_versions_that_are_refused(tmp_path: Path, options: tuple[str, ...], said: str) -> None:
    write_workflows(tmp_path / "w.csv", {"T0": {"type": "single", "answers": []}}, {}, VERSIONS)
    assert said in refused(tmp_path, "config", "w.csv", 7, *options)
    assert not list(tmp_path.glob("*.yaml"))


@pytest.mark.parametrize(
    ("version", "kept"),
    [
        ("52.8", [2]),
        ("52", [2, 3]),
        (52, [2, 3]),
        ({"min": "52.9", "max": "53"}, [3, 4]),
        ({"max": "52"}, [1, 2, 3]),
        ({"min": "52.80"}, [3, 4]),
    ],
)
def test_versions_of_extract(tmp_path: Path, version: Any, kept: list[int]) -> None:
    votes = [{"value": "Yes", "workflow_version": text} for text in VERSIONS]
    export = question_export(tmp_path / "c.csv", votes)
    config = extractor_config(tmp_path, question_extractor=[QUESTION])
    content = yaml.safe_load(config.read_text()) | {"workflow_version": version}
    config.write_text(yaml.safe_dump(content))
    run(tmp_path, "extract", export, config, "-o", "x")
    assert [value(row["classification_id"]) for row in read(tmp_path / "question_extractor_x.csv")] == kept


def test_a_version_that_yaml_has_read_as_a_number_is_refused(tmp_path: Path) -> None:
    export = question_export(tmp_path / "c.csv", [{"value": "Yes"}])
    config = extractor_config(tmp_path, question_extractor=[QUESTION])
    config.write_text(config.read_text().replace("'1.2'", "1.2"))
    assert "needs quotes" in refused(tmp_path, "extract", export, config)


# 13: memory and time; `python -m benchmarks.zooniverse` measures them


def test_no_more_than_a_batch_is_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ifcb_abundance.validation.zooniverse import extract, reduce

    monkeypatch.setattr(extract, "BATCH", 5)
    monkeypatch.setattr(reduce, "BATCH", 5)
    held: list[int] = []
    for module in (extract, reduce):
        in_order = module.in_order

        def watched(work: Any, batches: Any, processes: int, in_order: Any = in_order) -> Any:
            def counted(batch: Any) -> Any:
                rows = sum(len(one[1]) for one in batch) if isinstance(batch[0][1], list) else len(batch)
                held.append(rows)
                return work(batch)

            return in_order(counted, batches, processes)

        monkeypatch.setattr(module, "in_order", watched)
    export = question_export(tmp_path / "c.csv", [{"value": "Yes", "subject_ids": n % 20} for n in range(60)])
    rows = aggregate(tmp_path, export, "question_extractor", QUESTION, "question_reducer")
    assert [row["data.yes"] for row in rows] == [3] * 20
    assert max(held) <= 7  # whole subjects
    assert sum(held) == 120
