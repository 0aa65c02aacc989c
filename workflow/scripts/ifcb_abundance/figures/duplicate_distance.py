"""What each distance of hashes finds, on copies of the user's own images."""

from typing import Any

import altair as alt

from ifcb_abundance.figures import chart_parts as parts
from ifcb_abundance.figures.colours import OKABE_ITO
from ifcb_abundance.figures.options import FigureOptions, Tables
from ifcb_abundance.tables import table_files

RULES = {"hash": "hash alone", "confirmed": "confirmed by pixels"}
MEASURES = {"recall": "copies found (recall)", "precision": "found ones that are copies (precision)"}


def chart(tables: Tables, options: FigureOptions) -> Any:
    """Draw recall and precision over the distance: a panel each, a line for each rule, the distance in use dashed."""
    head = f"What each distance finds, {options.dataset}"
    rows = table_files.read("distance", tables["distance"])
    if rows.empty:
        return parts.message(options, head, "fewer than two kept images are large enough to be copied")
    long = rows.melt(["distance", "rule", "n_pairs", "n_copies", "in_use"], list(MEASURES), "measure", "share")
    long = long.dropna(subset="share")
    long["rule"], long["measure"] = long["rule"].map(RULES), long["measure"].map(MEASURES)
    long["chosen"] = long["distance"].where(long["in_use"] == 1)
    colour = alt.Color(
        "rule:N",
        title=None,
        scale=alt.Scale(domain=list(RULES.values()), range=[OKABE_ITO[1], OKABE_ITO[0]]),
    )
    x = alt.X("distance:Q", title="distance (bits of the hash that may differ)", axis=alt.Axis(tickMinStep=1))
    y = alt.Y("share:Q", title="share (%)", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format=".0%"))
    hover = [
        alt.Tooltip("rule:N"),
        alt.Tooltip("distance:Q", title="distance (bits)"),
        alt.Tooltip("share:Q", format=".1%"),
        alt.Tooltip("n_pairs:Q", title="pairs found"),
        alt.Tooltip("n_copies:Q", title="pairs of copies"),
    ]
    lines = alt.Chart().mark_line(point=alt.OverlayMarkDef(size=25)).encode(x=x, y=y, color=colour, tooltip=hover)
    used = (
        alt.Chart()
        .transform_filter("isValid(datum.chosen)")
        .mark_rule(color="#808080", strokeDash=[4, 3])
        .encode(x=alt.X("chosen:Q"))
    )
    columns = 1 if options.narrow else 2
    facet = alt.Facet("measure:N", sort=list(MEASURES.values()), header=alt.Header(title=None))
    return (
        alt.layer(used, lines)
        .properties(width=parts.panel_width(options, columns=columns, gap=20), height=180)
        .facet(facet, data=parts.inline(long), columns=columns)
        .properties(
            title=parts.title(
                options,
                head,
                "pairs among copies of some of the kept images; dashed: the distance in use",
            )
        )
    )
