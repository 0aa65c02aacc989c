"""Class scores out of the text of a file, read as those of a dashboard are."""

import numpy as np
from numpy.typing import NDArray

from ifcb_abundance.scores.summary import read_score_file
from ifcb_abundance.sources.source_file import SourceFile


def read_scores(bin_id: str, body: bytes) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    return read_score_file(bin_id, SourceFile(f"{bin_id}_class_scores.csv", body))
