"""What each threshold keeps."""

from typing import Any

import altair as alt

from ifcb_abundance.classes.top_classes import top_classes
from ifcb_abundance.figures import chart_parts as parts
from ifcb_abundance.figures.colours import OKABE_ITO
from ifcb_abundance.figures.options import FigureOptions, Tables
from ifcb_abundance.figures.rows import read_abundance
from ifcb_abundance.tables import table_files

NARROW_MOST = 12  # panels of a narrow figure


def chart(tables: Tables, options: FigureOptions) -> Any:
    """Draw a panel per class with the share of the ROIs it wins that each threshold keeps, and the threshold in use."""
    head = "What each threshold keeps"
    abundance = read_abundance(tables, options, None, "living", "threshold")
    every = top_classes(abundance, options.top_classes)
    if not every:
        return parts.message(options, head, parts.no_class_to_show(options, abundance))
    sweep = table_files.read("threshold_sweep", tables["sweep"])
    won = sweep[sweep["threshold"] == 0].set_index("class")["count"]
    every = [name for name in every if name in won.index]
    if not every:
        why = f"{options.dataset}: the class scores are counts per bin, which tell of no other threshold"
        return parts.message(options, head, why)
    classes = every[:NARROW_MOST] if options.narrow else every
    sweep = sweep[sweep["class"].isin(classes)]
    thresholds = abundance.groupby("class")["threshold"]
    # None where days have different ones, or where a ROI counts for other classes than the one that it wins.
    is_one = (thresholds.nunique(dropna=False) == 1) & (options.rule == "winner")
    in_use = thresholds.first().where(is_one)
    sweep = sweep.assign(
        rank=sweep["class"].map({name: rank for rank, name in enumerate(classes)}),
        # once per class: a rule is drawn for each
        in_use=sweep["class"].map(in_use).where(sweep["threshold"] == 0),
    )
    sweep = sweep[["class", "rank", "threshold", "count", "share_kept", "in_use"]]
    return parts.class_panels(_panel, sweep, {name: won[name] for name in classes}, options).properties(
        title=parts.title(
            options,
            f"{head}, {options.dataset}",
            "share of the n ROIs that a class wins whose score reaches the threshold"
            + ("; dashed: the threshold in use" if options.rule == "winner" else ", not the counts of this run's rule"),
            f"{parts.classes_note(classes)}, all bins together",
            parts.page_note(len(every) - len(classes)),
        )
    )


def _panel(width: float) -> Any:
    share = alt.Scale(domain=[0, 1])
    x = alt.X("threshold:Q", title="threshold (score)", scale=share, axis=alt.Axis(values=[0, 0.5, 1]))
    y_axis = alt.Axis(format=".0%", values=[0, 0.5, 1])
    y = alt.Y("share_kept:Q", title="ROIs kept (%)", scale=share, axis=y_axis)
    hover = [
        alt.Tooltip("panel:N", title="class"),
        alt.Tooltip("threshold:Q"),
        alt.Tooltip("count:Q", title="ROIs kept"),
        alt.Tooltip("share_kept:Q", title="share kept", format=".1%"),
    ]
    base = alt.Chart()
    line = base.mark_line(color=OKABE_ITO[0], strokeWidth=1.5).encode(x=x, y=y)
    points = (
        base.transform_filter("screen && isValid(datum.share_kept)")
        .mark_circle(size=30, color=OKABE_ITO[0])
        .encode(x=x, y=y, tooltip=hover)
    )
    in_use = (
        base.transform_filter("isValid(datum.in_use)")
        .mark_rule(color=OKABE_ITO[1], strokeDash=[4, 3])
        .encode(x=alt.X("in_use:Q"))
    )
    never = (
        base.transform_filter("datum.threshold == 0 && datum.count == 0")
        .mark_text(text="never wins", align="left")
        .encode(x=alt.datum(0.05), y=alt.datum(0.5))
    )
    return alt.layer(line, points, in_use, never).properties(width=width, height=64)
