"""Summaries of ifcb-analysis: the counts per bin and class of a year, without its ROIs.

`summary_allTB*.mat` and `summary_biovol_allTB*.mat` have `filelistTB` (bins), `class2useTB` (labels, `unclassified`
behind them), `mdateTB` (MATLAB's day numbers, UTC), `ml_analyzedTB` (mL), and counts of the shape (bins, labels):
`classcountTB` of the winners whatever their score, `classcountTB_above_optthresh` at the classifier's own thresholds,
`classcountTB_above_adhocthresh` at `adhocthresh`.

Source: ifcb-analysis (`classification/batch_classification/countcells_allTBnew_user_training.m`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from ifcb_abundance.bins.ids import PATTERN
from ifcb_abundance.classes.labels import UNCLASSIFIED
from ifcb_abundance.common.errors import CatalogError
from ifcb_abundance.common.matlab import CELLS, MATLAB, NUMERIC, read_arrays

MOST_BYTES = 2**28  # 20,000 bins of 150 classes have 72 MB
WINNERS, OPT, ADHOC = "classcountTB", "classcountTB_above_optthresh", "classcountTB_above_adhocthresh"
NEEDED = {"filelistTB": CELLS, "class2useTB": CELLS, "mdateTB": NUMERIC, "ml_analyzedTB": NUMERIC, WINNERS: NUMERIC}
OTHERS = {OPT: NUMERIC, ADHOC: NUMERIC, "adhocthresh": NUMERIC}
EPOCH, EPOCH_OF_MATLAB = datetime(1970, 1, 1, tzinfo=UTC), 719529  # the same day


@dataclass(frozen=True)
class CountSummary:
    """What a summary says of its bins; arrays have a row per bin.

    classes: the label set, without `unclassified`. times: of the samples. ml_analyzed: mL. counts: by the name of the
    array, the ROIs per class. n_rois: of each bin. adhoc: the threshold of ADHOC, None if it is not one for all.
    """

    bins: tuple[str, ...]
    classes: tuple[str, ...]
    times: tuple[datetime, ...]
    ml_analyzed: NDArray[np.float64]
    counts: Mapping[str, NDArray[np.int64]]
    n_rois: NDArray[np.int64]
    adhoc: float | None

    @cached_property
    def rows(self) -> dict[str, int]:
        """The row of each bin."""
        return {bin_id: row for row, bin_id in enumerate(self.bins)}


@lru_cache(maxsize=4)
def read_count_summary(body: bytes, origin: str) -> CountSummary:
    """Read a summary. Raises CatalogError, naming its origin, if it is none, is damaged or has a bin twice.

    It is asked for bin by bin, so the last few are kept.
    """
    try:
        if not body.startswith(MATLAB):
            raise ValueError("it is not a MATLAB file of level 5: save it with -v7")
        return _summary(read_arrays(body, NEEDED | OTHERS, MOST_BYTES))
    except Exception as error:  # a damaged file leads to whatever
        raise CatalogError(f"{origin}: not a summary of class counts ({error})") from None


def _summary(arrays: Mapping[str, NDArray[np.float64]]) -> CountSummary:
    if missing := sorted(set(NEEDED) - set(arrays)):
        raise ValueError(f"it has no {', '.join(missing)}")
    found = [re.search(PATTERN, str(name)) for name in arrays["filelistTB"]]
    bins = tuple(match[0] for match in found if match)
    if len(bins) < len(found) or len(set(bins)) < len(bins):
        raise ValueError("filelistTB has a bin twice, or a name that is no bin")
    labels = list(arrays["class2useTB"])
    shape = (len(bins), len(labels))
    own = [i for i, label in enumerate(labels) if label != UNCLASSIFIED]
    counts = {name: _whole(arrays[name], shape, name) for name in (WINNERS, OPT, ADHOC) if name in arrays}
    days, volumes = arrays["mdateTB"].ravel(), arrays["ml_analyzedTB"].ravel().astype(np.float64)
    if not len(days) == len(volumes) == len(bins) or not np.isfinite(days).all():
        raise ValueError("mdateTB or ml_analyzedTB is not of the bins")
    adhoc = np.unique(arrays.get("adhocthresh", np.empty(0)))
    return CountSummary(
        bins=bins,
        classes=tuple(labels[i] for i in own),
        times=tuple(EPOCH + timedelta(seconds=round((float(day) - EPOCH_OF_MATLAB) * 86400)) for day in days),
        ml_analyzed=volumes,
        counts={name: table[:, own] for name, table in counts.items()},
        n_rois=counts[WINNERS].sum(axis=1),
        adhoc=float(adhoc[0]) if len(adhoc) == 1 else None,
    )


def _whole(table: NDArray[np.float64], shape: tuple[int, int], name: str) -> NDArray[np.int64]:
    if table.shape != shape or not ((table >= 0) & (table == np.floor(table))).all():
        raise ValueError(f"its {name} has the shape {table.shape}, or values that are no counts")
    return table.astype(np.int64)
