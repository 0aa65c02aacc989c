"""Figures of validation: in every kind of run, and what they show."""

import csv
import re
from pathlib import Path
from typing import Any

import pytest
import vl_convert

from ifcb_abundance.figures.draw import for_paper
from ifcb_abundance.figures.registry import OF_VALIDATION
from ifcb_abundance.tables import table_files
from tests.abundance.pooling import a_bin, rois
from tests.figures.test_figures import KINDS, ODD, OF_OBJECTS, VALIDATOR, Run, assert_drawn_alike, texts
from tests.validation.labelled import write_validation


def labelled(folder: Path, days: Any, group_by: tuple[str, ...] = ("instrument",)) -> Run:
    run = Run(folder, days, group_by)
    run.tables |= write_validation(folder, Path(run.tables["abundance"]), group_by)
    return run


@pytest.mark.parametrize("kind", ["no used bin", "one bin", "odd labels", "many groups"])
def test_every_figure_can_be_drawn(tmp_path: Path, kind: str) -> None:
    run = labelled(tmp_path, KINDS[kind], () if kind == "odd labels" else ("instrument",))
    for figure in OF_VALIDATION:
        spec = run.spec(figure)
        assert not [error.message for error in VALIDATOR.iter_errors(spec)], figure
        shown = texts(vl_convert.vegalite_to_svg(for_paper(spec)))
        assert "here" in " ".join(shown)
        if kind == "no used bin":
            assert any(text.startswith("here: ") for text in shown), figure
        if kind == "odd labels" and figure in ("confusion", "corrected_series"):
            assert set(ODD) <= shown, figure


def test_series_are_those_of_the_tables(tmp_path: Path) -> None:
    """20 of A on each of two days, of which every fourth is something else by people's labels."""
    days = [[(a_bin(1, 10, date), rois(A=20, B=20))] for date in ("20240216", "20240217")]
    run = labelled(tmp_path, days)
    rows = list(csv.DictReader(run.spec("corrected_series")["data"]["values"].splitlines()))
    of = {(row["panel"], row["kind"], row["day"]): row for row in rows}
    assert {key[0] for key in of} == {"A", "B"}
    plain = of["A", "as classified", "2024-02-16"]
    assert (float(plain["value"]), plain["low"]) == (10, "")  # 20 in 2 mL, without limits
    corrected = of["A", "corrected by people's labels", "2024-02-16"]
    assert float(corrected["low"]) <= float(corrected["value"]) <= float(corrected["high"])
    cells = list(csv.DictReader(run.spec("confusion")["data"]["values"].splitlines()))
    shares = {(row["true_class"], row["predicted_class"]): float(row["share"]) for row in cells}
    assert shares == {("A", "A"): 0.75, ("A", "B"): 0.25, ("B", "B"): 0.75, ("B", "A"): 0.25}


def test_classes_may_be_called_as_what_each_object_of_javascript_has(tmp_path: Path) -> None:
    odd, plain = (
        labelled(tmp_path / names[0], [[(a_bin(1), rois(A=20, **dict(zip(names, (19, 18, 17), strict=True))))]])
        for names in (list(OF_OBJECTS), list(OF_OBJECTS.values()))
    )
    for figure in OF_VALIDATION:
        assert_drawn_alike(odd.svg(figure), plain.svg(figure))
    assert "constructor\u200b" in texts(odd.svg("corrected_series"))


def columns_of_confusion(run: Run) -> tuple[list[str], set[str]]:
    """The columns of the figure, and what its cells say that ROIs are predicted as."""
    spec = run.spec("confusion")
    cells = csv.DictReader(spec["data"]["values"].splitlines())
    return spec["layer"][0]["encoding"]["x"]["scale"]["domain"], {row["predicted_class"] for row in cells}


def test_a_class_that_is_called_other_has_a_column_where_it_is_predicted(tmp_path: Path) -> None:
    """Every fourth ROI is of the other class by people's labels: of a classifier with the class `other`, and of one
    without, which predicts no ROI as that."""
    run = labelled(tmp_path / "with", [[(a_bin(1), rois(A=20, other=20))]])
    assert columns_of_confusion(run) == (["A", "other"], {"A", "other"})
    run = labelled(tmp_path / "without", [[(a_bin(1), rois(A=20, B=20))]])
    rows = table_files.read("confusion", run.tables["confusion"])
    rows.loc[rows["true_class"] != rows["predicted_class"], "true_class"] = "other"
    table_files.write(rows, "confusion", run.tables["confusion"])
    assert columns_of_confusion(run) == (["A", "B"], {"A", "B"})


def test_scientific_names_of_the_confusion_matrix_are_in_the_order_of_labels(tmp_path: Path) -> None:
    """Otherwise the same figure would have other bytes in each process: the order of a set hangs on its seed."""
    labels = list("HCAFBGDE")
    run = labelled(tmp_path, [[(a_bin(1), rois(**dict.fromkeys(labels, 20)))]])
    style = run.spec("confusion", names={label: f"Genus {label}" for label in labels})["layer"][0]["encoding"]["x"]
    test = style["axis"]["labelFontStyle"]["condition"]["test"]
    assert re.findall("Genus (.)", test) == list("ABCDEFGH")


def test_groups_that_are_left_out_of_the_series_are_said(tmp_path: Path) -> None:
    """Six instruments, of which four are drawn: those with the most water, in the order of their numbers."""
    bins = [(a_bin(n, n), rois(A=20)) for n in range(1, 7)] + [(a_bin(10 + n, n), rois(A=20)) for n in (6, 5)]
    run = labelled(tmp_path, [bins])
    shown = texts(run.svg("corrected_series"))
    assert "4 of 6 groups, those with the most water analyzed" in shown
    assert {text for text in shown if text.startswith("A, ")} == {"A, IFCB1", "A, IFCB2", "A, IFCB5", "A, IFCB6"}
