"""Reductions with values worked out by hand."""

import math
from pathlib import Path
from typing import Any

import pytest

from ifcb_abundance.validation.zooniverse.plot import ellipse_of, outline_of
from ifcb_abundance.validation.zooniverse.shapes import SHAPES
from tests.validation.zoo import aggregate, question_export, run, values


def marked(path: Path, marks: list[dict[str, Any]]) -> Path:
    """Each mark is another person's, in this order."""
    return question_export(path, [{"value": [{"tool": 0, "frame": 0, "details": [], **mark}]} for mark in marks])


def test_pairs(tmp_path: Path) -> None:
    export = question_export(tmp_path / "c.csv", [{"value": said} for said in (["B", "A"], ["A", "B"], ["A"], "B")])
    (row,) = aggregate(tmp_path, export, "question_extractor", {"task": "T0"}, "question_consensus_reducer", pairs=True)
    assert (row["data.most_likely"], row["data.num_votes"], row["data.agreement"]) == ("a+b", 2, 0.5)
    (row,) = aggregate(tmp_path, export, "question_extractor", {"task": "T0"}, "question_reducer", pairs=True)
    assert (row["data.a+b"], row["data.a"], row["data.b"]) == (2, 1, 1)


def test_an_answer_counts_once_however_often_it_is_given(tmp_path: Path) -> None:
    export = question_export(tmp_path / "c.csv", [{"value": ["A", "A"]}, {"value": None}, {"value": 0}])
    (row,) = aggregate(tmp_path, export, "question_extractor", {"task": "T0"}, "question_reducer")
    assert (row["data.a"], row["data.None"], row["data.0"]) == (1, 1, 1)


def test_a_slider_that_few_have_moved(tmp_path: Path) -> None:
    export = question_export(tmp_path / "c.csv", [{"value": said} for said in ("-1.5", 2, None, "4")])
    (row,) = aggregate(tmp_path, export, "slider_extractor", {"task": "T0"}, "slider_reducer")
    assert (row["data.slider_mean"], row["data.slider_median"]) == (1.5, 2)
    assert row["data.slider_var"] == pytest.approx((9 + 0.25 + 6.25) / 3)


def test_dropdowns_of_unequal_length(tmp_path: Path) -> None:
    selects = [[{"value": "a"}], [{"value": "a"}, {"value": "My own"}], [{"value": None}, {"value": "b"}]]
    export = question_export(tmp_path / "c.csv", [{"value": value} for value in selects])
    (row,) = aggregate(tmp_path, export, "dropdown_extractor", {"task": "T0"}, "dropdown_reducer")
    assert row["data.value"] == [{"a": 2, "None": 1}, {"b": 1, "my-own": 1}]


def test_covariance_of_a_cluster(tmp_path: Path) -> None:
    export = marked(tmp_path / "c.csv", [{"x": x, "y": y} for x, y in ((0, 0), (2, 0), (4, 3), (100, 100))])
    (row,) = aggregate(tmp_path, export, "point_extractor_by_frame", {"task": "T0"}, "point_reducer_dbscan", eps=4)
    prefix = "data.frame0.T0_tool0"
    assert row[f"{prefix}_cluster_labels"] == [0, 0, 0, -1]
    assert (row[f"{prefix}_clusters_x"], row[f"{prefix}_clusters_y"]) == ([2], [1])
    assert row[f"{prefix}_clusters_var_x"] == [4]  # (4 + 0 + 4) / 2
    assert row[f"{prefix}_clusters_var_y"] == [3]  # (1 + 1 + 4) / 2
    assert row[f"{prefix}_clusters_var_x_y"] == [3]  # (2 + 0 + 4) / 2


def test_one_mark_alone_has_no_spread(tmp_path: Path) -> None:
    export = marked(tmp_path / "c.csv", [{"x": 1, "y": 2}])
    (row,) = aggregate(
        tmp_path, export, "point_extractor_by_frame", {"task": "T0"}, "point_reducer_dbscan", min_samples=1
    )
    assert row["data.frame0.T0_tool0_clusters_count"] == [1]
    assert row["data.frame0.T0_tool0_clusters_var_x"] == [None]


@pytest.mark.parametrize(
    ("method", "keywords"),
    [
        ("dbscan", {"min_samples": 3}),
        ("hdbscan", {"min_cluster_size": 3, "min_samples": 1}),
        ("hdbscan", {"min_cluster_size": 2, "min_samples": 3}),
        ("optics", {"min_samples": 3}),
        ("optics", {"min_samples": 2, "min_cluster_size": 3}),
    ],
)
def test_too_few_marks_are_in_no_cluster(tmp_path: Path, method: str, keywords: dict[str, int]) -> None:
    export = marked(tmp_path / "c.csv", [{"x": 1, "y": 2}, {"x": 1, "y": 2}])
    (row,) = aggregate(
        tmp_path, export, "point_extractor_by_frame", {"task": "T0"}, f"point_reducer_{method}", **keywords
    )
    assert row["data.frame0.T0_tool0_cluster_labels"] == [-1, -1]
    assert "data.frame0.T0_tool0_clusters_count" not in row
    if method == "hdbscan":
        assert row["data.frame0.T0_tool0_cluster_probabilities"] == [0, 0]


@pytest.mark.parametrize("method", ["dbscan", "hdbscan", "optics"])
def test_two_heaps_are_two_clusters(tmp_path: Path, method: str) -> None:
    steps = (0, 0.1, 0.2, 0.3, 0.45, 0.6)
    marks = [{"x": at + step, "y": 5} for step in steps for at in (10, 90)]
    export = marked(tmp_path / "c.csv", [*marks, *marks[:2]])  # two of them at the same place
    (row,) = aggregate(tmp_path, export, "point_extractor_by_frame", {"task": "T0"}, f"point_reducer_{method}")
    labels = row["data.frame0.T0_tool0_cluster_labels"]
    assert set(labels[::2]).isdisjoint(set(labels[1::2]) - {-1})
    if method != "optics":
        assert labels == [0, 1] * 7


@pytest.mark.parametrize("method", ["dbscan", "hdbscan", "optics"])
def test_angles_go_round(tmp_path: Path, method: str) -> None:
    """359, 1 and 3 degrees are neighbours, and their mean is 1."""
    fans = [{"x": 1, "y": 1, "radius": 5, "spread": 9, "rotation": angle} for angle in (359, 1, 3, 180)]
    export = marked(tmp_path / "c.csv", fans)
    entry = {"task": "T0", "tools": [0], "shape": "fan"}
    hdbscan = {"min_cluster_size": 3, "min_samples": 2, "allow_single_cluster": True}
    keywords: dict[str, dict[str, int]] = {"dbscan": {"eps": 3}, "hdbscan": hdbscan, "optics": {"min_samples": 2}}
    given: dict[str, Any] = {"shape": "fan", "algorithm": "kd_tree", **keywords[method]}
    (row,) = aggregate(tmp_path, export, "shape_extractor_fan", entry, f"shape_reducer_{method}", **given)
    assert row["data.frame0.T0_tool0_cluster_labels"][:3] == [0, 0, 0]
    if method == "dbscan":
        assert row["data.frame0.T0_tool0_clusters_rotation"] == [1]


def test_tables_of_two_workflows_are_not_mixed(tmp_path: Path) -> None:
    export = question_export(tmp_path / "c.csv", [{"value": "A"}, {"value": "B"}])
    aggregate(tmp_path, export, "question_extractor", {"task": "T0"}, "question_reducer")
    table = tmp_path / "question_extractor_x.csv"
    table.write_text(table.read_text().replace("2,person-2,,7,", "2,person-2,,8,"))
    run(tmp_path, "reduce", table, "reducer.yaml", "-o", "two")
    rows = values(tmp_path / "question_reducer_two.csv")
    assert [(row["workflow_id"], row.get("data.a"), row.get("data.b")) for row in rows] == [(7, 1, None), (8, None, 1)]


def test_combined_tasks_count_for_their_own(tmp_path: Path) -> None:
    combo = [{"task": "T0", "value": "A"}, {"task": "T1", "value": ["B"]}]
    export = question_export(tmp_path / "c.csv", [{"value": combo}])
    outer = '[{""task"": ""T0"", ""value"": [{'
    export.write_text(export.read_text().replace(outer, outer.replace("T0", "T7")))
    rows = aggregate(tmp_path, export, "question_extractor", [{"task": "T0"}, {"task": "T1"}], "question_reducer")
    assert [(row["task"], row.get("data.a"), row.get("data.b")) for row in rows] == [("T0", 1, None), ("T1", None, 1)]


# Pictures


def test_an_ellipse_of_two_deviations() -> None:
    """Of variances 9 and 1 along axes that are turned by 45 degrees: half axes of 6 and 2."""
    points = ellipse_of(10, 20, 5, 5, 4)
    away = [math.hypot(x - 10, y - 20) for x, y in points]
    assert max(away) == pytest.approx(6)
    assert min(away) == pytest.approx(2)
    farthest = points[away.index(max(away))]
    assert farthest[0] - 10 == pytest.approx(farthest[1] - 20)


@pytest.mark.long
@pytest.mark.parametrize("shape", SHAPES)
def test_each_shape_is_drawn(tmp_path: Path, shape: str) -> None:
    sizes = {"x": 50, "y": 60, "x1": 10, "y1": 20, "x2": 30, "y2": 40}
    marks = [{name: sizes.get(name, 20) + n for name in SHAPES[shape]} for n in range(3)]
    export = marked(tmp_path / "c.csv", marks)
    entry = {"task": "T0", "tools": [0], "shape": shape}
    aggregate(tmp_path, export, f"shape_extractor_{shape}", entry, "shape_reducer_dbscan", "--plot", "p", shape=shape)
    (picture,) = (tmp_path / "p").iterdir()
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_outlines() -> None:
    box = {"x": 1.0, "y": 2.0, "width": 4.0, "height": 6.0}
    assert outline_of("rectangle", box) == [(1, 2), (5, 2), (5, 8), (1, 8), (1, 2)]
    middle = {"x_center": 3.0, "y_center": 5.0, "width": 4.0, "height": 6.0}
    assert outline_of("rectangle", middle) == outline_of("rectangle", box)
    assert all(math.hypot(x, y) == pytest.approx(2) for x, y in outline_of("circle", {"x": 0.0, "y": 0.0, "r": 2.0}))


def test_pictures_stay_in_their_folder(tmp_path: Path) -> None:
    export = marked(tmp_path / "c.csv", [{"x": 1, "y": 2}])
    export.write_text(export.read_text().replace(",100\n", ",../../up\n"))
    aggregate(tmp_path, export, "point_extractor_by_frame", {"task": "T0"}, "point_reducer_dbscan", "--plot", "p")
    assert [path.name for path in (tmp_path / "p").iterdir()] == ["_up_T0_frame0.png"]
    assert not list(tmp_path.parent.glob("*.png"))
