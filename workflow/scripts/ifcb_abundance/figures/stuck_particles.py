"""How much of each class is particles that stuck to the glass."""

from typing import Any

import altair as alt

from ifcb_abundance.figures import chart_parts as parts
from ifcb_abundance.figures import words
from ifcb_abundance.figures.colours import OKABE_ITO
from ifcb_abundance.figures.options import FigureOptions, Tables
from ifcb_abundance.tables import table_files

STUCK, OTHERS = "stuck to the glass", "not stuck"


def chart(tables: Tables, options: FigureOptions) -> Any:
    """Draw a bar per class with stuck ROIs, split into stuck and other ones; the classes with most stuck ones."""
    head = "Particles that stuck to the glass"
    rows = table_files.read(
        "abundance_without_stuck", tables["without_stuck"], ["class", "n_stuck", "count_without_stuck"]
    )
    sums = rows.groupby("class")[["n_stuck", "count_without_stuck"]].sum()
    sums = sums[sums["n_stuck"] > 0].sort_index().sort_values("n_stuck", ascending=False, kind="stable")
    if sums.empty:
        return parts.message(options, head, f"{options.dataset}: no particle was found that stuck to the glass")
    sums = sums.head(options.top_classes)
    long = sums.rename(columns={"n_stuck": STUCK, "count_without_stuck": OTHERS}).reset_index()
    long = long.melt("class", [STUCK, OTHERS], "kind", "n")
    names = words.names_of(sums.index, options)
    long["class"] = long["class"].map(names.shown)
    order = [names.shown[name] for name in sums.index]
    axis, room = parts.label_axis(options, order, labelFontStyle=names.style())
    width = parts.panel_width(options, room)
    colours = alt.Scale(domain=[STUCK, OTHERS], range=[OKABE_ITO[1], OKABE_ITO[0]])
    return (
        alt.Chart(parts.inline(long))
        .mark_bar()
        .encode(
            x=alt.X("n:Q", title="ROIs that the class won", axis=parts.count_axis(width)),
            y=alt.Y("class:N", title=None, sort=order, axis=axis),
            color=alt.Color("kind:N", title=None, scale=colours, legend=parts.legend(options, [STUCK, OTHERS], room)),
            order=alt.Order("kind:N", sort="descending"),
            tooltip=[alt.Tooltip("class:N"), alt.Tooltip("kind:N", title="ROIs"), alt.Tooltip("n:Q", title="number")],
        )
        .properties(
            width=width,
            height=alt.Step(18),
            title=parts.title(
                options, f"{head}, {options.dataset}", f"{int(sums['n_stuck'].sum()):,} ROIs, all days together"
            ),
        )
    )
