"""Classes that the class table calls harmful, and the levels from which on there is a warning."""

from typing import Any

from ifcb_abundance.common.words import counted
from ifcb_abundance.figures import chart_parts as parts
from ifcb_abundance.figures import words
from ifcb_abundance.figures.options import FigureOptions, Tables
from ifcb_abundance.figures.rows import read_abundance, read_coverage
from ifcb_abundance.figures.time_series import LIMITS, ROWS, draw_classes


def chart(tables: Tables, options: FigureOptions) -> Any:
    """Draw abundance per day with its interval, a panel per harmful class; a dashed line is its warning level."""
    head = "Harmful classes"
    coverage, span = read_coverage(tables, options)
    abundance = read_abundance(tables, options, span, "harmful", *LIMITS)
    harmful = abundance[abundance["harmful"] == "yes"]
    sums = harmful.groupby("class")[["count", "ml_analyzed_total"]].sum()
    mean = (sums["count"] / sums["ml_analyzed_total"]).sort_values(ascending=False, kind="stable")
    every = [str(name) for name in mean.index[: options.top_classes]]
    classes = every[:ROWS] if options.narrow else every
    if span is None or not classes:
        return parts.message(
            options, head, f"{options.dataset}: no class of the class table that is harmful was looked for"
        )
    levels = {name: level for name in classes if (level := options.warning_level(name)) is not None}
    names = words.names_of(classes, options)
    reached = harmful[harmful["count"] / harmful["ml_analyzed_total"] >= harmful["class"].map(levels)]
    days = reached.drop_duplicates(["class", "day"])["class"].value_counts()
    told = [
        f"{names.shown[name]} {level:g} mL⁻¹, reached on {counted(int(days.get(name, 0)), span.unit)}"
        for name, level in levels.items()
    ]
    note = (
        "dashed: warning level of the class table: " + "; ".join(told)
        if told
        else ("no warning level: the class table has none")
    )
    title = [f"{head}, {options.dataset}", f"{counted(len(mean), 'class')} that the class table calls harmful", note]
    title.append(parts.page_note(len(every) - len(classes)))
    return draw_classes(abundance, coverage, span, classes, options, title, levels)
