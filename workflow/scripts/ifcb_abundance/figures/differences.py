"""How two runs of a dataset differ: the abundance of each class in both, and what else is different."""

from typing import Any

import altair as alt
import pandas as pd

from ifcb_abundance.classes.labels import UNCLASSIFIED
from ifcb_abundance.common.words import counted
from ifcb_abundance.figures import chart_parts as parts
from ifcb_abundance.figures import words
from ifcb_abundance.figures.colours import OKABE_ITO
from ifcb_abundance.figures.options import FigureOptions, Tables
from ifcb_abundance.tables import table_files

KEYS = 4  # of the config that the title names
LONGEST = 90  # characters of a line below the title


def chart(tables: Tables, options: FigureOptions) -> Any:
    """Draw a row per class with a point for each run, joined by a line."""
    rows = table_files.read("differences", tables["differences"])
    names = rows.loc[(rows["what"] == "config") & (rows["name"] == "run"), ["first", "second"]].iloc[0]
    head = f"{options.dataset}: {names['first']} and {names['second']}"
    classes = rows[(rows["what"] == "abundance") & (rows["date"] == "") & (rows["name"] != UNCLASSIFIED)].copy()
    if classes.empty:
        return parts.message(options, head, "no abundance differs")
    for run in ("first", "second"):
        classes[run] = pd.to_numeric(classes[run].replace("", None))
    classes["size"] = (classes["second"].fillna(0) - classes["first"].fillna(0)).abs()
    shown = classes.sort_values(["size", "name"], ascending=[False, True]).head(options.top_classes)
    names_of = words.names_of(shown["name"], options)
    shown = shown.assign(name=shown["name"].map(names_of.shown))
    order = list(shown["name"])
    long = shown.melt(["name", "why"], ["first", "second"], "run", "value").dropna(subset="value")
    long["run"] = long["run"].map(dict(names))
    axis, room = parts.label_axis(options, order, grid=True, labelFontStyle=names_of.style())
    width = parts.panel_width(options, room)
    top = long["value"].max() * 1.1 or 1  # the points stay off the frame
    x = alt.X(
        "value:Q",
        title=f"{words.PER_ML} over the window",
        scale=alt.Scale(type="sqrt", domain=[0, top], nice=False),
        axis=parts.number_axis(values=words.nice_ticks(top), labelOverlap=False),
    )
    y = alt.Y("name:N", title=None, sort=order, axis=axis)
    colour = alt.Color(
        "run:N",
        title=None,
        sort=list(names),
        scale=alt.Scale(domain=list(names), range=[OKABE_ITO[0], OKABE_ITO[1]]),
        legend=parts.legend(options, list(names), room, symbolType="circle"),
    )
    hover = [
        alt.Tooltip("name:N", title="class"),
        alt.Tooltip("run:N"),
        alt.Tooltip("value:Q", title=words.PER_ML),
        alt.Tooltip("why:N"),
    ]
    base = alt.Chart(parts.inline(long)).encode(x=x, y=y)
    joined = base.mark_line(color="#bbb", strokeWidth=2).encode(detail="name:N")
    points = base.mark_circle(size=60, opacity=1).encode(color=colour, tooltip=hover)
    note = f"{len(order)} of {counted(len(classes), 'class')} beside unclassified that differ, those that differ most"
    note += "; square-root scale"
    return alt.layer(joined, points).properties(
        width=width,
        height=alt.Step(16),
        title=parts.title(options, head, *_below(rows), note),
    )


def _below(rows: pd.DataFrame) -> list[str]:
    """What differs beside the abundance, a line each."""
    config = rows[(rows["what"] == "config") & (rows["name"] != "run")]
    of_classes = config["name"].str.contains("class_thresholds.", regex=False)
    config = pd.concat([config[~of_classes], config[of_classes]])  # they may be many, and hide what holds for all
    lines = [f"{row['name']}: {row['first']} and {row['second']}" for row in config.head(KEYS).to_dict("records")]
    if len(config) > KEYS:
        lines.append(f"and {counted(len(config) - KEYS, 'more key')} of the config")
    if bins := int((rows["what"] == "bin").sum()):
        lines.append(f"{counted(bins, 'bin')} did not become the same in both")
    return [line if len(line) <= LONGEST else f"{line[: LONGEST - 3]}..." for line in lines]
