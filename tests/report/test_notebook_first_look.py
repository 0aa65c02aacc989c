"""The notebook for beginners: its cells, run one after the other over the demo."""

import ast
from pathlib import Path
from typing import Any

import altair as alt
import nbformat
import pytest

from tests.checkout import ROOT, Checkout


def run_cells(path: Path) -> tuple[dict[str, Any], list[Any]]:
    """The names that the notebook's code leaves, and what its cells show: the value of their last line."""
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    names: dict[str, Any] = {}
    shown = []
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert not cell.outputs  # committed without
            tree = ast.parse(cell.source)
            last = ast.Expression(tree.body.pop().value)
            exec(compile(tree, cell.id, "exec"), names)
            shown.append(eval(compile(last, cell.id, "eval"), names))
    return names, shown


def test_the_notebook_runs_and_draws_what_the_table_says(demo_run: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = demo_run.folder / "notebooks"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setattr(alt.data_transformers, "consolidate_datasets", True)  # as it is where no figure was drawn
    names, (_, commonest, figure, unclassified) = run_cells(ROOT / "notebooks" / "first_look.ipynb")
    table = demo_run.table("demo")
    of_class = table[table["class"] == names["CLASS"]]
    limits, points = figure.to_dict()["layer"]
    assert points["encoding"]["y"]["field"] == "objects_per_ml"
    assert limits["encoding"]["y2"]["field"] == "objects_per_ml_high_dispersed"
    (drawn,) = figure.to_dict()["datasets"].values()
    assert [row["objects_per_ml"] for row in drawn] == of_class["objects_per_ml"].tolist()
    assert set(unclassified.columns) == {"IFCB901", "IFCB902"}
    assert commonest["objects_per_ml"].is_monotonic_decreasing
    assert not set(commonest.index) & {"detritus", "bead", "unclassified"}
