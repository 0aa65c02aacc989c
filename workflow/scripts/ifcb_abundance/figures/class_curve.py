"""Precision and recall of each class at each threshold."""

from functools import partial
from typing import Any

import altair as alt
import pandas as pd

from ifcb_abundance.figures import chart_parts as parts
from ifcb_abundance.figures.colours import OKABE_ITO
from ifcb_abundance.figures.options import FigureOptions, Tables
from ifcb_abundance.tables import table_files

RATES = ("precision", "recall")


def chart(tables: Tables, options: FigureOptions) -> Any:
    """Draw a panel per class: both rates against the threshold, with limits, and the threshold in use."""
    head = "Precision and recall at each threshold"
    curve = table_files.read("class_curve", tables["class_curve"])
    report = table_files.read("class_report", tables["class_report"])
    report = report[(report["n_true"] > 0) | (report["n_predicted"] > 0)]
    if report.empty:
        return parts.message(options, head, f"{options.dataset}: no class has a label")
    known = report.assign(n=report["n_true"] + report["n_predicted"]).sort_values(
        ["n", "class"], ascending=[False, True]
    )
    classes = list(known["class"][: options.top_classes])
    curve = curve[curve["class"].isin(classes)]
    rows = pd.concat(
        [
            curve[["class", "threshold"]].assign(
                rate=rate, value=curve[rate], low=curve[f"{rate}_low"], high=curve[f"{rate}_high"]
            )
            for rate in RATES
        ]
    ).dropna(subset="value")
    in_use = report.set_index("class")["threshold"]
    n_true = report.set_index("class")["n_true"]
    rows["in_use"] = rows["class"].map(in_use).where(~rows.duplicated("class"))
    rows = rows[["class", "threshold", "rate", "value", "low", "high", "in_use"]]
    return parts.class_panels(
        partial(_panel, options), rows, {name: n_true[name] for name in classes}, options
    ).properties(
        title=parts.title(
            options,
            f"{head}, {options.dataset}",
            f"bands: {parts.percent(options.confidence)} limits; n: labels of the class; dashed: threshold in use",
            f"{len(classes)} of {len(report)} classes with labels, those with the most" * (len(classes) < len(report)),
        )
    )


def _panel(options: FigureOptions, width: float) -> Any:
    scale = alt.Scale(domain=[0, 1])
    x = alt.X("threshold:Q", title="threshold (score)", scale=scale, axis=alt.Axis(values=[0, 0.5, 1]))
    axis = alt.Axis(format=".0%", values=[0, 0.5, 1])
    y = alt.Y("value:Q", title="rate", scale=scale, axis=axis)
    colour = alt.Color(
        "rate:N",
        title=None,
        scale=alt.Scale(domain=list(RATES), range=[OKABE_ITO[0], OKABE_ITO[1]]),
        legend=parts.legend(options, RATES),
    )
    base = alt.Chart().encode(x=x, color=colour)
    hover = [
        alt.Tooltip("panel:N", title="class"),
        alt.Tooltip("threshold:Q"),
        alt.Tooltip("rate:N"),
        alt.Tooltip("value:Q", format=".1%"),
        alt.Tooltip("low:Q", title="lower limit", format=".1%"),
        alt.Tooltip("high:Q", title="upper limit", format=".1%"),
    ]
    return alt.layer(
        base.mark_area(opacity=0.2).encode(y=alt.Y("low:Q", title="rate", scale=scale), y2="high:Q"),
        base.mark_line(strokeWidth=1.5).encode(y=y),
        base.transform_filter("screen").mark_circle(size=30, opacity=0).encode(y=y, tooltip=hover),
        alt.Chart()
        .transform_filter("isValid(datum.in_use)")
        .mark_rule(color=OKABE_ITO[5], strokeDash=[4, 3])
        .encode(x=alt.X("in_use:Q")),
    ).properties(width=width, height=64)
