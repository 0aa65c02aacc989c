"""The class that each ROI of a bin won."""

import logging
from pathlib import Path

import numpy as np
import pandas as pd

from ifcb_abundance.bins.ids import add_target
from ifcb_abundance.classes.labels import UNCLASSIFIED
from ifcb_abundance.common.errors import NoScoresError
from ifcb_abundance.images.extract import scored_rois
from ifcb_abundance.pooling.method import Method
from ifcb_abundance.scores.decide import decide
from ifcb_abundance.scores.summary import labels_of_rois
from ifcb_abundance.sources.protocols import ScoreReader
from ifcb_abundance.tables import table_files

log = logging.getLogger("ifcb.curation")

VERSION = 1  # of the table: raise it so that it is made anew


def classes_won(source: ScoreReader, bin_id: str, method: Method) -> dict[int, str]:
    """Map the numbers of a bin's ROIs to the classes that they won at their thresholds, `unclassified` included.

    The scores are read from the source. Raises NoScoresError if it has none.
    """
    rois = scored_rois(source, bin_id, method.kept)
    names = labels_of_rois(rois, method.decision)
    return dict(zip(rois.rois.tolist(), names, strict=True))


def classes_counted(source: ScoreReader, bin_id: str, method: Method) -> dict[int, list[str]]:
    """Map the numbers of a bin's ROIs to all classes that they count for, [UNCLASSIFIED] if there is none.

    By `classify.rule: each` a ROI may count for several. Otherwise like `classes_won`.
    """
    rois = scored_rois(source, bin_id, method.kept)
    found: dict[int, list[str]] = {number: [] for number in rois.rois.tolist()}
    for row, member in zip(*map(np.ndarray.tolist, decide(rois.classes, rois, method.decision)), strict=True):
        found[int(rois.rois[row])].append(rois.classes[member])
    return {number: names or [UNCLASSIFIED] for number, names in found.items()}


def write_classes(source: ScoreReader, bin_id: str, method: Method, counted: str, path: str | Path) -> None:
    """Write the table `image_classes` of a bin; it is empty if the bin has no scores.

    counted: the checksum of the scores that the bin's counts come from; empty if it has none. Raises ScoresError if
    there were scores and they are gone.
    """
    try:
        won = classes_won(source, bin_id, method)
    except NoScoresError as error:
        if counted:
            raise
        log.info(f"{error}: they have no label")
        won = {}
    rows = {"image": [add_target(bin_id, number) for number in won], "class": list(won.values())}
    table_files.write(pd.DataFrame(rows, dtype="str"), "image_classes", path)
