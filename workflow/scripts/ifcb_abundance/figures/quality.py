"""Flags of bins, and what was measured of them, through time."""

from typing import Any

import altair as alt
import pandas as pd

from ifcb_abundance.figures import chart_parts as parts
from ifcb_abundance.figures.colours import GREY
from ifcb_abundance.figures.options import FigureOptions, Tables
from ifcb_abundance.figures.span import Span
from ifcb_abundance.tables import table_files

FLAGS = {
    1: ("1 good", "#009E73"),
    2: ("2 not evaluated", GREY),
    3: ("3 suspect", "#E69F00"),
    4: ("4 bad", "#D55E00"),
}
SHOWN = {
    "humidity": "humidity, %",
    "temperature": "temperature, \u00b0C",
    "run_time": "run time, s",
    "inhibit_fraction": "inhibit fraction",
    "trigger_rate": "triggers per s",
    "roi_rate": "images per s",
    "focus": "edge sharpness",
    "ml_analyzed": "volume, mL",
}
MOST = 2000  # good bins in a panel; of more every n-th one is shown. Bins with other flags are all shown
FEW = 500  # bins, whose points are large


def chart(tables: Tables, options: FigureOptions) -> Any:
    """Draw a panel for each measured quantity: a point per bin, in the colour of the bin's flag."""
    head = "Quality of bins"
    rows = table_files.read(
        "quality", tables["quality"], ["bin", "sample_time", "instrument", "flag", "reason", *SHOWN]
    )
    rows = rows.dropna(axis="columns", how="all")
    shown = [name for name in SHOWN if name in rows]
    if rows.empty or not shown:
        return parts.message(options, head, f"{options.dataset}: nothing was measured of any bin")
    counts = rows["flag"].astype("int64").map(lambda flag: FLAGS[flag][0]).value_counts().sort_index()
    times = rows["sample_time"].dt.tz_localize(None)  # UTC, as in all tables
    span = Span(times.min().normalize(), times.max().normalize())
    rows = _thinned(rows).assign(flag=lambda frame: frame["flag"].astype("int64").map(lambda flag: FLAGS[flag][0]))
    data = parts.inline(rows.sort_values("flag", kind="stable"))  # what is bad lies above what is good
    words = [word for word, _ in FLAGS.values() if word in counts]
    colours = alt.Scale(domain=words, range=[colour for word, colour in FLAGS.values() if word in words])
    width = parts.panel_width(options)
    time = parts.time_axis(span, width, "sample_time (UTC)", "sample_time")
    panels = [
        alt.Chart(width=width, height=70)
        .mark_point(filled=True, size=14 if len(rows) <= FEW else 7, opacity=0.8)
        .encode(
            x=alt.X.from_dict(parts.Place(number, len(shown), 1).x(time)),
            # The points stay off the frame, and the titles of all panels are level.
            y=alt.Y(
                f"{name}:Q",
                title=SHOWN[name],
                scale=alt.Scale(zero=False, nice=False, padding=5),
                axis=parts.number_axis(tickCount=3, minExtent=34),
            ),
            color=alt.Color("flag:N", title="flag", scale=colours),
            tooltip=[
                alt.Tooltip("bin:N"),
                alt.Tooltip("sample_time:T", title="sample_time (UTC)", format="%Y-%m-%d %H:%M:%S"),
                alt.Tooltip(f"{name}:Q", title=SHOWN[name]),
                alt.Tooltip("reason:N"),
            ],
        )
        for number, name in enumerate(shown)
    ]
    told = ", ".join(f"{n:,} {str(word)[2:]}" for word, n in counts.items())
    return alt.vconcat(*panels, data=data, spacing=14).properties(
        title=parts.title(options, f"{head}, {options.dataset}", f"{told}; a point is a bin")
    )


def _thinned(rows: pd.DataFrame) -> pd.DataFrame:
    good = rows["flag"] == 1
    every = -(-int(good.sum()) // MOST) or 1
    return rows[~good | (good.cumsum() % every == 0)]
