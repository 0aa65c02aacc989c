"""Tables of validation, out of abundances: people agree with the classifier on three of four ROIs."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ifcb_abundance.classes.labels import UNCLASSIFIED
from ifcb_abundance.tables import table_files
from ifcb_abundance.validation import evaluation
from ifcb_abundance.validation.class_report import Question
from ifcb_abundance.validation.correction import Bootstrap
from ifcb_abundance.validation.sampling import Bands

TABLES = ("confusion", "class_report", "class_curve", "reliability", "rate_drift")
CORRECTED = ("totals_corrected", "abundance_corrected")
MOST = 20  # labels of a class and day


def write_validation(folder: Path, abundance: Path, group_by: Sequence[str]) -> dict[str, Path]:
    """Write what is made of labels of all ROIs that were classified, at most MOST of a class and day."""
    files = {name: folder / f"{name}.csv" for name in (*TABLES, *CORRECTED)}
    counts = table_files.read("abundance_long", abundance)
    names = sorted(set(counts["class"]) - {UNCLASSIFIED})
    rows = []
    for date, name, count in counts[["date", "class", "count"]].itertuples(index=False):
        for i in range(min(count, MOST) if name != UNCLASSIFIED else 0):
            truth = name if i % 4 else names[(names.index(name) + 1) % len(names)]
            roi = f"D{date.replace('-', '')}T000000_IFCB010_{len(rows) + 1:05d}"
            stratum = names.index(name)
            rows.append((roi, roi[:-6], date, name, 0.9 + i / 1000, 2, truth, stratum, 1.5))
    if not rows:
        for name, path in files.items():
            table_files.write(table_files.empty(name, group_by), name, path)
        return files
    rois = pd.DataFrame(rows, columns=table_files.columns("labelled_rois"))
    table_files.write(rois, "labelled_rois", folder / "labelled_rois.csv")
    evidence = evaluation.read_evidence(folder / "labelled_rois.csv", abundance)
    question, how = Question(min_labels=1), Bootstrap(100, 0.01)
    evaluation.report_classes(evidence, question, Bands((0.5, 0.7), "float16"), files)
    evaluation.correct_counts(evidence, abundance, group_by, question, how, files)
    return files
