"""What became of the images that were curated."""

from typing import Any

import altair as alt

from ifcb_abundance.figures import chart_parts as parts
from ifcb_abundance.figures.colours import OKABE_ITO
from ifcb_abundance.figures.options import FigureOptions, Tables
from ifcb_abundance.tables import table_files

GROUPS_MOST = 40
OTHERS = "further groups"
COLOURS = {
    "kept": OKABE_ITO[2],
    "duplicate": OKABE_ITO[3],
    "stuck": OKABE_ITO[1],
    "uninformative": OKABE_ITO[4],
    "refused": "#808080",
}


def chart(tables: Tables, options: FigureOptions) -> Any:
    """Draw a bar per group with its patches by status; beyond GROUPS_MOST groups, the smaller ones share a bar."""
    rows = table_files.read("curated", tables["curated"], ["group", "status"])
    sizes = rows["group"].value_counts(sort=False).sort_index().sort_values(ascending=False, kind="stable")
    shown = list(sizes.index[:GROUPS_MOST])
    rows["group"] = rows["group"].where(rows["group"].isin(shown), OTHERS)
    counts = rows.groupby(["group", "status"], as_index=False).size().rename(columns={"size": "n"})
    counts["order"] = counts["status"].map({name: i for i, name in enumerate(COLOURS)})
    of_all = rows["status"].value_counts()
    told = ", ".join(f"{of_all[name]:,} {name}" for name in COLOURS if name in of_all)
    groups = [*sorted(shown), *([OTHERS] if len(sizes) > GROUPS_MOST else [])]
    axis, room = parts.label_axis(options, groups)
    width = parts.panel_width(options, room)
    return (
        alt.Chart(parts.inline(counts))
        .mark_bar()
        .encode(
            x=alt.X("n:Q", title="patches", axis=parts.count_axis(width)),
            y=alt.Y("group:N", title=None, sort=groups, axis=axis),
            color=alt.Color(
                "status:N",
                title=None,
                scale=alt.Scale(domain=list(COLOURS), range=list(COLOURS.values())),
                legend=parts.legend(options, list(COLOURS), room),
            ),
            order=alt.Order("order:Q"),
            tooltip=[alt.Tooltip("group:N"), alt.Tooltip("status:N"), alt.Tooltip("n:Q", title="patches")],
        )
        .properties(
            width=width,
            height=alt.Step(16),
            title=parts.title(options, f"What became of the images, {options.dataset}", told),
        )
    )
