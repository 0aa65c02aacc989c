"""Say which labels of a data set the class table matches to what, before a long run: `snakemake check_labels`."""

import logging
from collections.abc import Callable, Sequence

from ifcb_abundance.classes.class_table import AFTER, BEFORE, LabelTable
from ifcb_abundance.classes.shipped import known_labels
from ifcb_abundance.common.errors import RequestError, ScoresError
from ifcb_abundance.common.words import counted
from ifcb_abundance.scores.summary import labels_of_file
from ifcb_abundance.sources.protocols import ScoreReader
from ifcb_abundance.sources.source_file import SourceFile

log = logging.getLogger("ifcb.labels")

LOOKED_AT, TRIED = 5, 20  # bins whose labels are looked at, and bins that are asked for scores at most


def check_labels(source: ScoreReader, wanted: Callable[[], Sequence[str]], table: LabelTable, named: str) -> str:
    """Return what a class table makes of the labels of a few bins, from the first to the last, as lines of text.

    wanted: lists the bins that may be asked for scores, in order; called only if the source cannot tell which have
    them. named: the table's name or path. Reads a few score files, and writes nothing. Raises ScoresError if no bin has
    scores.
    """
    labels, n_bins, n_sets = _labels(source, wanted)
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


def _labels(source: ScoreReader, wanted: Callable[[], Sequence[str]]) -> tuple[list[str], int, int]:
    """The labels of a few bins, sorted; how many bins were looked at, and how many label sets they have."""
    sets: list[tuple[str, ...]] = []
    found = source.some_scores(LOOKED_AT)
    if found is not None:
        files = dict(found)
        for bin_id in files:
            sets += _labels_of(bin_id, files.get)
    else:
        for bin_id in _spread(wanted()):
            if len(sets) < LOOKED_AT:
                sets += _labels_of(bin_id, source.read_scores)
    if not sets:
        raise ScoresError("no bin that was looked at has class scores, so there is no label to check")
    return sorted({label for labels in sets for label in labels}), len(sets), len(set(map(frozenset, sets)))


def _spread(bins: Sequence[str]) -> list[str]:
    """TRIED bins at most: the first, the last, the middle one, those at the quarters, and so on.

    However many of them are asked for, they are from the whole window, so that labels of a later classifier are seen.
    """
    places = [0.0, 1.0]
    parts = 2
    while len(places) < 2 * TRIED:
        places += [part / parts for part in range(1, parts, 2)]
        parts *= 2
    last = len(bins) - 1
    return list(dict.fromkeys(bins[round(place * last)] for place in places))[:TRIED] if bins else []


def _labels_of(bin_id: str, read: Callable[[str], SourceFile | None]) -> list[tuple[str, ...]]:
    """The labels of a bin; none, with a warning, if it has no scores that can be used."""
    try:
        file = read(bin_id)
        return [labels_of_file(bin_id, file)] if file else []
    except (RequestError, ScoresError) as error:
        log.warning(f"{error}")
        return []
