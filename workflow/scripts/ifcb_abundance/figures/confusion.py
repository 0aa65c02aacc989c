"""Confusion matrix: which classes are taken for which."""

from typing import Any

import altair as alt
import pandas as pd

from ifcb_abundance.classes.labels import UNCLASSIFIED
from ifcb_abundance.figures import chart_parts as parts
from ifcb_abundance.figures.options import FigureOptions, Tables
from ifcb_abundance.tables import table_files
from ifcb_abundance.validation.labels import OTHER

FURTHER = "further classes"
CELL = 19  # pixels


def chart(tables: Tables, options: FigureOptions) -> Any:
    """Draw true classes by predicted ones, coloured by the share of a true class that is predicted so."""
    head = "Which classes are taken for which"
    rows = table_files.read("confusion", tables["confusion"])
    if rows.empty:
        return parts.message(head, f"{options.dataset}: people agreed on no ROI")
    classes = _most_frequent(rows, options.top_classes)
    shown = rows[rows["true_class"].isin(classes)]
    predicted = shown["predicted_class"].where(shown["predicted_class"].isin([*classes, UNCLASSIFIED]), FURTHER)
    keys = ["true_class", "predicted_class"]
    cells = shown.assign(predicted_class=predicted).groupby(keys, as_index=False)[["n_labels", "n_rois"]].sum()
    cells["share"] = cells["n_rois"] / cells.groupby("true_class")["n_rois"].transform("sum")
    columns = [
        *(name for name in classes if name != OTHER),
        *(name for name in (FURTHER, UNCLASSIFIED) if name in set(cells["predicted_class"])),
    ]
    axis = alt.Axis(grid=False, ticks=False, labelOverlap=False, labelLimit=200)
    base = alt.Chart(parts.inline(cells)).encode(
        x=alt.X(
            "predicted_class:N",
            title="predicted as",
            scale=alt.Scale(domain=columns),
            axis=alt.Axis(grid=False, ticks=False, labelOverlap=False, labelLimit=200, labelAngle=-60),
        ),
        y=alt.Y("true_class:N", title="people say", scale=alt.Scale(domain=classes), axis=axis),
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
    text = base.transform_filter("datum.share >= 0.005").mark_text(fontSize=8)
    layers = alt.layer(
        base.mark_rect(stroke="#eee").encode(fill=colour, tooltip=hover),
        text.encode(
            text=alt.Text("percent:N"), color=alt.condition("datum.share > 0.6", alt.value("white"), alt.value("black"))
        ).transform_calculate(percent="round(100 * datum.share)"),
    )
    n_all = rows["true_class"].nunique()
    return layers.properties(
        width=CELL * len(columns),
        height=CELL * len(classes),
        title=parts.title(
            f"{head}, {options.dataset}",
            "percent of the ROIs of a row, weighted; below 0.5 % without a number",
            f"{len(classes)} of {n_all} classes, those with the most ROIs" if len(classes) < n_all else "",
        ),
    )


def _most_frequent(rows: pd.DataFrame, most: int) -> list[str]:
    """The classes that are shown, sorted by name."""
    sums = rows.groupby("true_class")["n_rois"].sum().sort_values(ascending=False, kind="stable")
    return sorted(str(name) for name in sums.index[:most])
