"""Corrected abundance beside the uncorrected one."""

from typing import Any

import altair as alt
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ifcb_abundance.common.words import counted
from ifcb_abundance.figures import chart_parts as parts
from ifcb_abundance.figures import words
from ifcb_abundance.figures.colours import OKABE_ITO
from ifcb_abundance.figures.options import FigureOptions, Tables
from ifcb_abundance.figures.rows import in_natural_order, series_of
from ifcb_abundance.figures.span import Span
from ifcb_abundance.tables import table_files

CORRECTED, UNCORRECTED = "corrected by people's labels", "as classified"
SERIES = 4  # groups of bins at most
PANELS = 12  # at most, so that the text can be read where the figure fills a page
DOTS_MOST = 62  # with more days, only those without a neighbour are drawn as points too
HEIGHT, GAP = 80, 50  # of a panel, and between two side by side, in pixels
LIMITS = ("objects_per_ml_corrected_low", "objects_per_ml_corrected_high")


def chart(tables: Tables, options: FigureOptions) -> Any:
    """Draw both abundances per day, a panel per class and group of bins; the limits as a band, where there are any."""
    head = "Corrected and uncorrected abundance"
    rows = table_files.read("abundance_corrected", tables["abundance_corrected"])
    told = rows[rows["count_corrected"].notna()]
    if told.empty:
        return parts.message(options, head, f"{options.dataset}: no class has enough labels to be corrected")
    told = told.assign(series=series_of(told, options.group_by), day=pd.to_datetime(told["date"]))
    water = told.drop_duplicates(["series", "day"]).groupby("series")["ml_analyzed_total"].sum()
    water = water[in_natural_order(water.index)].sort_values(ascending=False, kind="stable")
    series = in_natural_order(water.index[:SERIES])
    told = told[told["series"].isin(series)]
    sums = told.groupby("class")["count_corrected"].sum().sort_values(ascending=False, kind="stable")
    classes = list(sums.index[: min(options.top_classes, PANELS // len(series))])
    told = told[told["class"].isin(classes)]
    names = words.names_of(classes, options)
    of_class = dict(zip(classes, (names.shown[name] for name in classes), strict=True))
    told["panel"] = told["class"].map(of_class) + ("" if len(water) == 1 else ", " + told["series"])
    volume = told["ml_analyzed_total"]
    values = {CORRECTED: told["objects_per_ml_corrected"], UNCORRECTED: told["count"] / volume}
    drawn = pd.concat([told[["panel", "day"]].assign(kind=kind, value=of) for kind, of in values.items()])
    drawn[["low", "high"]] = told[list(LIMITS)].to_numpy().tolist() + [[None, None]] * len(told)
    drawn = drawn.astype({"low": "float64", "high": "float64"})
    drawn["dot"] = np.tile(_dots(told), 2).astype(int)
    span = Span(told["day"].min(), told["day"].max())
    order = [f"{of_class[name]}, {one}" if len(water) > 1 else of_class[name] for name in classes for one in series]
    scientific = [panel for panel in order if panel.split(", ")[0] in names.scientific]
    columns = 1 if options.narrow else 2
    width = parts.panel_width(options, columns=columns, gap=GAP)
    no_limits = told[LIMITS[0]].isna().all()
    return (
        _panel(span, options, width)
        .facet(
            alt.Facet("panel:N", sort=order, header=parts.panel_titles(order, width, scientific, "panel")),
            data=parts.inline(drawn),
            columns=columns,
            spacing=alt.RowColnumber(row=14, column=GAP),
        )
        .resolve_scale(y="independent")
        .properties(
            title=parts.title(
                options,
                f"{head}, {options.dataset}",
                "no limits: abundance_corrected.csv says what to label for them"
                if no_limits
                else f"band: {parts.percent(options.confidence)} limits, classification error included",
                f"{len(classes)} of {counted(len(sums), 'corrected class')}, the most abundant; square-root scale",
                f"{SERIES} of {len(water)} groups, those with the most water analyzed" if len(water) > SERIES else "",
            )
        )
    )


def _dots(rows: pd.DataFrame) -> NDArray[np.bool_]:
    """Which days are drawn as points too: all if there are few, or those alone, which a line does not show."""
    days = rows.groupby("panel")["day"]
    alone = (days.diff() != pd.Timedelta(days=1)) & (days.diff(-1) != pd.Timedelta(days=-1))
    return alone.to_numpy() | (rows["day"].nunique() <= DOTS_MOST)


def _panel(span: Span, options: FigureOptions, width: float) -> Any:
    axis = parts.number_axis(tickCount=4, minExtent=34)
    y = alt.Y("value:Q", title=words.PER_ML, scale=parts.SQUARE_ROOT, axis=axis)
    colour = alt.Color(
        "kind:N",
        title=None,
        scale=alt.Scale(domain=[CORRECTED, UNCORRECTED], range=[OKABE_ITO[0], OKABE_ITO[1]]),
        legend=parts.legend(options, [CORRECTED, UNCORRECTED]),
    )
    hover = [
        alt.Tooltip("panel:N", title="class"),
        alt.Tooltip("kind:N", title=" "),
        parts.day_hover(),
        alt.Tooltip("value:Q", title=words.PER_ML),
        alt.Tooltip("low:Q", title="lower limit"),
        alt.Tooltip("high:Q", title="upper limit"),
    ]
    base = alt.Chart().transform_calculate(middle=f"toNumber(datum.day) + {12 * 3600 * 1000}")
    base = base.encode(x=parts.time_axis(span, width, field="middle"), color=colour)
    limits = base.transform_filter("isValid(datum.low)").encode(y=alt.Y("low:Q", title=words.PER_ML), y2="high:Q")
    plain, corrected = (base.transform_filter(alt.datum.kind == kind) for kind in (UNCORRECTED, CORRECTED))
    shown, there = "datum.dot == 1", "screen || datum.dot == 1"  # on a screen each day says its numbers
    opacity = alt.condition(shown, alt.value(1), alt.value(0))
    return alt.layer(
        limits.mark_area(opacity=0.25, clip=True),
        limits.transform_filter(shown).mark_rule(opacity=0.35, clip=True),
        # The wide one below, so that both are seen where they are the same.
        plain.mark_line(strokeWidth=3.5, clip=True).encode(y=y).add_params(parts.zoom("x")),
        plain.transform_filter(there).mark_circle(size=60, clip=True).encode(y=y, tooltip=hover, opacity=opacity),
        corrected.mark_line(strokeWidth=1.2, clip=True).encode(y=y),
        corrected.transform_filter(there).mark_circle(size=16, clip=True).encode(y=y, tooltip=hover, opacity=opacity),
    ).properties(width=width, height=HEIGHT)
