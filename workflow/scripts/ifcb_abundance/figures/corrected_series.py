"""Corrected abundance beside the uncorrected one."""

from typing import Any

import altair as alt
import pandas as pd

from ifcb_abundance.figures import chart_parts as parts
from ifcb_abundance.figures.options import FigureOptions, Tables
from ifcb_abundance.figures.rows import in_natural_order, series_of
from ifcb_abundance.figures.span import Span
from ifcb_abundance.tables import table_files

CORRECTED, UNCORRECTED = "corrected by people's labels", "as classified"
PANELS = 24  # at most
WIDTH, HEIGHT = 290, 90  # of a panel, in pixels
LIMITS = ("objects_per_ml_corrected_low", "objects_per_ml_corrected_high")


def chart(tables: Tables, options: FigureOptions) -> Any:
    """Draw both abundances per day, a panel per class and group of bins; the limits as a band, where there are any."""
    head = "Corrected and uncorrected abundance"
    rows = table_files.read("abundance_corrected", tables["abundance_corrected"])
    told = rows[rows["count_corrected"].notna()]
    if told.empty:
        return parts.message(head, f"{options.dataset}: no class has enough labels to be corrected")
    told = told.assign(series=series_of(told, options.group_by), day=pd.to_datetime(told["date"]))
    all_series = in_natural_order(told["series"].unique())
    series = all_series[:4]
    told = told[told["series"].isin(series)]
    sums = told.groupby("class")["count_corrected"].sum().sort_values(ascending=False, kind="stable")
    classes = list(sums.index[: min(options.top_classes, PANELS // len(series))])
    told = told[told["class"].isin(classes)]
    told["panel"] = told["class"] + ("" if len(all_series) == 1 else ", " + told["series"])
    volume = told["ml_analyzed_total"]
    values = {CORRECTED: told["objects_per_ml_corrected"], UNCORRECTED: told["count"] / volume}
    drawn = pd.concat([told[["panel", "day"]].assign(kind=kind, value=of) for kind, of in values.items()])
    drawn[["low", "high"]] = told[list(LIMITS)].to_numpy().tolist() + [[None, None]] * len(told)
    drawn = drawn.astype({"low": "float64", "high": "float64"})
    span = Span(told["day"].min(), told["day"].max())
    order = [f"{name}, {one}" if len(all_series) > 1 else name for name in classes for one in series]
    no_limits = told[LIMITS[0]].isna().all()
    return (
        _panel(span)
        .facet(
            alt.Facet("panel:N", sort=order, header=alt.Header(title=None, labelFontSize=10, labelLimit=290)),
            data=parts.inline(drawn),
            columns=2,
        )
        .resolve_scale(y="independent")
        .properties(
            title=parts.title(
                f"{head}, {options.dataset}",
                "no limits: abundance_corrected.csv says what to label for them"
                if no_limits
                else f"band: {parts.percent(options.confidence)} limits, classification error included",
                f"{len(classes)} of {len(sums)} corrected classes, the most abundant; square-root scale",
            )
        )
    )


def _panel(span: Span) -> Any:
    axis = alt.Axis(tickCount=4, format=".6~g", minExtent=34)
    y = alt.Y("value:Q", title="objects/mL", scale=parts.SQUARE_ROOT, axis=axis)
    colour = alt.Color(
        "kind:N",
        title=None,
        scale=alt.Scale(domain=[CORRECTED, UNCORRECTED], range=[parts.OKABE_ITO[0], parts.OKABE_ITO[1]]),
        legend=alt.Legend(symbolType="square", symbolOpacity=1),
    )
    hover = [
        alt.Tooltip("panel:N", title="class"),
        alt.Tooltip("kind:N", title=" "),
        parts.day_hover(),
        alt.Tooltip("value:Q", title="objects/mL"),
        alt.Tooltip("low:Q", title="lower limit"),
        alt.Tooltip("high:Q", title="upper limit"),
    ]
    base = alt.Chart().transform_calculate(middle=f"toNumber(datum.day) + {12 * 3600 * 1000}")
    base = base.encode(x=parts.time_axis(span, WIDTH, field="middle"), color=colour)
    limits = base.transform_filter("isValid(datum.low)")
    return alt.layer(
        limits.mark_area(opacity=0.25, clip=True).encode(y=alt.Y("low:Q", title="objects/mL"), y2="high:Q"),
        base.mark_line(strokeWidth=1.2, clip=True).encode(y=y).add_params(parts.zoom("x")),
        base.mark_circle(size=22, opacity=1, clip=True).encode(y=y, tooltip=hover),
    ).properties(width=WIDTH, height=HEIGHT)
