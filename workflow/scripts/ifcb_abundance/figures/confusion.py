"""Confusion matrix: which classes are taken for which."""

from typing import Any

import altair as alt
import pandas as pd

from ifcb_abundance.classes.labels import UNCLASSIFIED
from ifcb_abundance.figures import chart_parts as parts
from ifcb_abundance.figures import words
from ifcb_abundance.figures.options import FigureOptions, Tables
from ifcb_abundance.tables import table_files
from ifcb_abundance.validation.labels import OTHER

FURTHER = "further classes"
CELL, SMALLEST_CELL = 20, 12  # pixels
WITH_NUMBER, SLANTED = 17, 14  # pixels of a cell that a number fits in, and of one whose label may be slanted
LABELS = 0.33  # of the width, at most


def chart(tables: Tables, options: FigureOptions) -> Any:
    """Draw true classes by predicted ones, coloured by the share of a true class that is predicted so."""
    head = "Which classes are taken for which"
    rows = table_files.read("confusion", tables["confusion"])
    if rows.empty:
        return parts.message(options, head, f"{options.dataset}: people agreed on no ROI")
    most = min(options.top_classes, int((options.width * (1 - LABELS) - 60) / SMALLEST_CELL) - 2)
    classes = _most_frequent(rows, most)
    shown = rows[rows["true_class"].isin(classes)]
    predicted = shown["predicted_class"].where(shown["predicted_class"].isin([*classes, UNCLASSIFIED]), FURTHER)
    keys = ["true_class", "predicted_class"]
    cells = shown.assign(predicted_class=predicted).groupby(keys, as_index=False)[["n_labels", "n_rois"]].sum()
    cells["share"] = cells["n_rois"] / cells.groupby("true_class")["n_rois"].transform("sum")
    found = set(cells["predicted_class"])
    columns = [
        *(name for name in classes if name != OTHER or name in found),  # some classifiers have a class of that name
        *(name for name in (FURTHER, UNCLASSIFIED) if name in found),
    ]
    names = words.names_of(sorted({*classes, *columns}), options)
    for key in keys:
        cells[key] = cells[key].map(names.shown)
    true, columns = [names.shown[name] for name in classes], [names.shown[name] for name in columns]
    y_axis, room = parts.label_axis(options, true, LABELS, labelFontStyle=names.style())
    cell = min(CELL, (options.width - room - 60) / len(columns))
    angle = -60 if cell >= SLANTED else -90
    x_axis, _ = parts.label_axis(options, columns, LABELS, labelFontStyle=names.style(), labelAngle=angle, minExtent=0)
    numbered = cell >= WITH_NUMBER
    length = min(220, cell * len(columns))
    layers = _cells(cells, (_scaled(columns, x_axis), _scaled(true, y_axis)), length, numbered)
    n_all = rows["true_class"].nunique()
    return layers.properties(
        width=cell * len(columns),
        height=cell * len(classes),
        title=parts.title(
            options,
            f"{head}, {options.dataset}",
            "percent of the ROIs of a row, weighted; below 0.5 % without a number"
            if numbered
            else "share of the ROIs of a row, weighted",
            f"{len(classes)} of {n_all} classes, those with the most ROIs" if len(classes) < n_all else "",
        ),
    )


def _scaled(classes: list[str], axis: alt.Axis) -> dict[str, Any]:
    return {"scale": alt.Scale(domain=classes), "axis": axis}


def _cells(cells: pd.DataFrame, axes: tuple[dict[str, Any], dict[str, Any]], length: float, numbered: bool) -> Any:
    """Cells coloured by their share of the row, with that share as a number where there is room.

    axes: scale and axis of x and of y. length: of the legend, in pixels.
    """
    base = alt.Chart(parts.inline(cells)).encode(
        x=alt.X("predicted_class:N", title="predicted as", **axes[0]),
        y=alt.Y("true_class:N", title="people say", **axes[1]),
    )
    colour = alt.Fill(
        "share:Q",
        title="share of the row",
        scale=alt.Scale(scheme="blues", domain=[0, 1]),
        legend=alt.Legend(format=".0%", gradientLength=length, tickCount=3),
    )
    hover = [
        alt.Tooltip("true_class:N", title="people say"),
        alt.Tooltip("predicted_class:N", title="predicted as"),
        alt.Tooltip("share:Q", format=".1%"),
        alt.Tooltip("n_labels:Q", title="labelled ROIs"),
    ]
    text = (
        base.transform_filter("datum.share >= 0.005")
        .transform_calculate(percent="round(100 * datum.share)")
        .mark_text(fontSize=9.6)
        .encode(text="percent:N", color=alt.condition("datum.share > 0.6", alt.value("white"), alt.value("black")))
    )
    rects = base.mark_rect(stroke="#eee").encode(fill=colour, tooltip=hover)
    return alt.layer(rects, *([text] if numbered else []))


def _most_frequent(rows: pd.DataFrame, most: int) -> list[str]:
    """The classes that are shown, sorted by name."""
    sums = rows.groupby("true_class")["n_rois"].sum().sort_values(ascending=False, kind="stable")
    return sorted(str(name) for name in sums.index[:most])
