"""How often the winner is right at which score."""

from typing import Any

import altair as alt

from ifcb_abundance.figures import chart_parts as parts
from ifcb_abundance.figures.colours import OKABE_ITO
from ifcb_abundance.figures.options import FigureOptions, Tables
from ifcb_abundance.tables import table_files


def chart(tables: Tables, options: FigureOptions) -> Any:
    """Draw a panel per class: the share that is right against the mean score of a band, and where they are equal."""
    head = "How often a score is right"
    rows = table_files.read("reliability", tables["reliability"])
    if rows.empty:
        return parts.message(options, head, f"{options.dataset}: no class has a label")
    n_labels = rows.groupby("class")["n_labels"].sum().sort_values(ascending=False, kind="stable")
    classes = list(n_labels.index[: options.top_classes])
    rows = rows[rows["class"].isin(classes)]
    columns = ["class", "mean_score", "share_right", "share_right_low", "share_right_high", "n_labels", "even"]
    rows = rows.assign(even=1)[columns]
    return parts.class_panels(_panel, rows, {name: n_labels[name] for name in classes}, options).properties(
        title=parts.title(
            options,
            f"{head}, {options.dataset}",
            f"bars: {parts.percent(options.confidence)} limits; n: labelled ROIs that the class won; "
            "dashed: a score that is the chance to be right",
            f"{len(classes)} of {len(n_labels)} classes with labels, those with the most"
            * (len(classes) < len(n_labels)),
        )
    )


def _panel(width: float) -> Any:
    scale = alt.Scale(domain=[0, 1])
    y_axis = alt.Axis(format=".0%", values=[0, 0.5, 1])
    base = alt.Chart().encode(
        x=alt.X("mean_score:Q", title="mean score of the band", scale=scale, axis=alt.Axis(values=[0, 0.5, 1]))
    )
    y = alt.Y("share_right:Q", title="share that is right", scale=scale, axis=y_axis)
    hover = [
        alt.Tooltip("panel:N", title="class"),
        alt.Tooltip("mean_score:Q", title="mean score"),
        alt.Tooltip("share_right:Q", title="share right", format=".1%"),
        alt.Tooltip("share_right_low:Q", title="lower limit", format=".1%"),
        alt.Tooltip("share_right_high:Q", title="upper limit", format=".1%"),
        alt.Tooltip("n_labels:Q", title="labelled ROIs"),
    ]
    equal = alt.Chart().mark_rule(color="#999", strokeDash=[3, 3])
    return alt.layer(
        equal.encode(x=alt.datum(0), x2=alt.datum(1), y=alt.datum(0), y2=alt.datum(1)),
        base.mark_rule(color=OKABE_ITO[0]).encode(
            y=alt.Y("share_right_low:Q", title="share that is right"), y2="share_right_high:Q"
        ),
        base.mark_line(color=OKABE_ITO[0], strokeWidth=1.2).encode(y=y),
        base.mark_circle(color=OKABE_ITO[0], size=32, opacity=1).encode(y=y, tooltip=hover),
    ).properties(width=width, height=100)
