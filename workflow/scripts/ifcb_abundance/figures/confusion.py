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


def chart(tables: Tables, options: FigureOptions) -> Any:
    """Draw true classes by predicted ones, coloured by the share of a true class that is predicted so."""
    head = "Which classes are taken for which"
    rows = table_files.read("confusion", tables["confusion"])
    if rows.empty:
        return parts.message(options, head, f"{options.dataset}: people agreed on no ROI")
    limit = 0.3 * options.width
    most = min(options.top_classes, int((options.width - limit - 60) / SMALLEST_CELL) - 2)
    classes = _most_frequent(rows, most)
    shown = rows[rows["true_class"].isin(classes)]
    predicted = shown["predicted_class"].where(shown["predicted_class"].isin([*classes, UNCLASSIFIED]), FURTHER)
    keys = ["true_class", "predicted_class"]
    cells = shown.assign(predicted_class=predicted).groupby(keys, as_index=False)[["n_labels", "n_rois"]].sum()
    cells["share"] = cells["n_rois"] / cells.groupby("true_class")["n_rois"].transform("sum")
    columns = [
        *(name for name in classes if name != OTHER),
        *(name for name in (FURTHER, UNCLASSIFIED) if name in set(cells["predicted_class"])),
    ]
    names = words.names_of({*classes, *columns}, options)
    for key in keys:
        cells[key] = cells[key].map(names.shown)
    true, columns = [names.shown[name] for name in classes], [names.shown[name] for name in columns]
    look: dict[str, Any] = {
        "grid": False,
        "ticks": False,
        "labelOverlap": False,
        "labelLimit": limit,
        "labelFontStyle": names.style(),
    }
    layers = _cells(cells, true, columns, look, options.width / len(columns) > 24)
    cell = max(SMALLEST_CELL, min(CELL, (options.width - limit - 60) / len(columns)))
    n_all = rows["true_class"].nunique()
    return layers.properties(
        width=cell * len(columns),
        height=cell * len(classes),
        title=parts.title(
            options,
            f"{head}, {options.dataset}",
            "percent of the ROIs of a row, weighted; below 0.5 % without a number",
            f"{len(classes)} of {n_all} classes, those with the most ROIs" if len(classes) < n_all else "",
        ),
    )


def _cells(cells: pd.DataFrame, true: list[str], columns: list[str], look: dict[str, Any], numbered: bool) -> Any:
    """Cells coloured by their share of the row, with that share as a number where there is room."""
    base = alt.Chart(parts.inline(cells)).encode(
        x=alt.X(
            "predicted_class:N",
            title="predicted as",
            scale=alt.Scale(domain=columns),
            axis=alt.Axis(labelAngle=-60, **look),
        ),
        y=alt.Y("true_class:N", title="people say", scale=alt.Scale(domain=true), axis=alt.Axis(**look)),
    )
    colour = alt.Fill(
        "share:Q",
        title="share of the row",
        scale=alt.Scale(scheme="blues", domain=[0, 1]),
        legend=alt.Legend(format=".0%", gradientLength=220),
    )
    hover = [
        alt.Tooltip("true_class:N", title="people say"),
        alt.Tooltip("predicted_class:N", title="predicted as"),
        alt.Tooltip("share:Q", format=".1%"),
        alt.Tooltip("n_labels:Q", title="labelled ROIs"),
    ]
    text = base.transform_filter("datum.share >= 0.005").mark_text(fontSize=9.6 if numbered else 0)
    return alt.layer(
        base.mark_rect(stroke="#eee").encode(fill=colour, tooltip=hover),
        text.encode(
            text=alt.Text("percent:N"), color=alt.condition("datum.share > 0.6", alt.value("white"), alt.value("black"))
        ).transform_calculate(percent="round(100 * datum.share)"),
    )


def _most_frequent(rows: pd.DataFrame, most: int) -> list[str]:
    """The classes that are shown, sorted by name."""
    sums = rows.groupby("true_class")["n_rois"].sum().sort_values(ascending=False, kind="stable")
    return sorted(str(name) for name in sums.index[:most])
