"""Say which labels of a data set the class table matches to what, before a long run: `snakemake check_labels`."""

import logging

from ifcb_abundance.bins.window import Window
from ifcb_abundance.classes.class_table import AFTER, BEFORE, LabelTable
from ifcb_abundance.classes.shipped import known_labels
from ifcb_abundance.common.errors import RequestError, ScoresError
from ifcb_abundance.common.words import counted
from ifcb_abundance.scores.summary import labels_of_file
from ifcb_abundance.sources.protocols import Source

log = logging.getLogger("ifcb.labels")

LOOKED_AT, TRIED = 5, 20  # bins whose labels are looked at, and bins that are asked for scores at most


def check_labels(source: Source, window: Window, table: LabelTable, named: str) -> str:
    """Return what a class table makes of the labels of a few bins, from the first to the last, as lines of text.

    named: the table's name or path. Reads the list of bins and a few score files, and writes nothing. Raises
    ScoresError if no bin has scores.
    """
    labels, n_bins, n_sets = _labels(source, window)
    lines = [f"{counted(len(labels), 'label')} in {counted(n_sets, 'label set')} of {counted(n_bins, 'bin')} looked at"]
    unknown = []
    for label in labels:
        row = table.matched(label)
        if row is None:
            unknown.append(label)
            continue
        traits = table[row]
        said = ", ".join(filter(None, (traits["scientific_name"], traits["aphia_id"], traits["group"])))
        said += {"no": " (not living)", "yes": ""}.get(traits["living"], " (living or not is unknown)")
        merged = table.class_of(table.class_of(label, BEFORE), AFTER)
        other = "" if row == label else f" (row {row})"
        lines.append(f"  {label}{other}: {said.strip()}" + (f"; merged into {merged}" if merged != label else ""))
    lines += [f"  {label}: unknown" for label in unknown]
    known = len(labels) - len(unknown)
    lines.append(f"classify.class_table {named} knows {known} of {counted(len(labels), 'label')}")
    others = known_labels(labels, table.loose)
    lines.append("shipped tables know: " + ", ".join(f"{name} {n}" for name, n in others.items()))
    return "\n".join(lines)


def _labels(source: Source, window: Window) -> tuple[list[str], int, int]:
    """The labels of a few bins, sorted; how many bins were looked at, and how many label sets they have."""
    found = source.some_scores(LOOKED_AT)
    sets: list[tuple[str, ...]] = [labels_of_file(bin_id, file) for bin_id, file in found or ()]
    if found is None:
        bins = list(source.list_bins(window).sort_values(["sample_time", "bin"])["bin"])
        step = max(len(bins) // TRIED, 1)
        for bin_id in bins[::step][:TRIED]:
            if len(sets) == LOOKED_AT:
                break
            try:
                file = source.read_scores(str(bin_id))
            except (RequestError, ScoresError) as error:
                log.warning(f"{error}")
                continue
            sets += [labels_of_file(str(bin_id), file)] if file else []
    if not sets:
        raise ScoresError("no bin that was looked at has class scores, so there is no label to check")
    return sorted({label for labels in sets for label in labels}), len(sets), len(set(map(frozenset, sets)))
