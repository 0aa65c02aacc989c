"""Summaries of ifcb-analysis: the counts per bin and class of a year, without its ROIs.

`summary_allTB*.mat` and `summary_biovol_allTB*.mat` have `filelistTB` (bins), `class2useTB` (labels, `unclassified`
behind them), `mdateTB` (MATLAB's day numbers, UTC), `ml_analyzedTB` (mL), and counts of the shape (bins, labels):
`classcountTB` of the winners whatever their score, `classcountTB_above_optthresh` at the classifier's own thresholds,
`classcountTB_above_adhocthresh` at `adhocthresh`. `summary_biovol_allTB*.mat` has sums of the same shape beside each of
them: `classbiovolTB*` (um3) and `classC_TB*` (pg C, by the rule of `biovol2carbon.m`).

Sources: ifcb-analysis (`classification/batch_classification/countcells_allTBnew_user_training.m`,
`analyze_by_class/summarize_biovol_TBclassMVCO.m`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ifcb_abundance.bins.ids import PATTERN
from ifcb_abundance.classes.labels import UNCLASSIFIED, odd_labels
from ifcb_abundance.common.errors import CatalogError
from ifcb_abundance.common.matlab import CELLS, MATLAB, NUMERIC, read_arrays

MOST_BYTES = 2**28  # 20,000 bins of 150 classes have 72 MB
WINNERS, OPT, ADHOC = "classcountTB", "classcountTB_above_optthresh", "classcountTB_above_adhocthresh"
NEEDED = {"filelistTB": CELLS, "class2useTB": CELLS, "mdateTB": NUMERIC, "ml_analyzedTB": NUMERIC, WINNERS: NUMERIC}
OTHERS = {OPT: NUMERIC, ADHOC: NUMERIC, "adhocthresh": NUMERIC}
BIOVOLUME, CARBON = "classbiovolTB", "classC_TB"
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


@dataclass(frozen=True)
class SizeSummary:
    """The sums of a summary beside its counts; arrays of the shape (bins, classes and `unclassified`), NaN: not known.

    biovolumes: um3. carbon: pg C. Both by the name of the array of counts that they are of.
    """

    counted: CountSummary
    biovolumes: Mapping[str, NDArray[np.float64]]
    carbon: Mapping[str, NDArray[np.float64]]


@lru_cache(maxsize=4)
def read_count_summary(body: bytes, origin: str) -> CountSummary:
    """Read a summary. Raises CatalogError, naming its origin, if it is none, is damaged or has a bin twice.

    It is asked for bin by bin, so the last few are kept.
    """
    try:
        return _summary(_arrays(body, NEEDED | OTHERS))
    except Exception as error:  # a damaged file leads to whatever
        raise CatalogError(f"{origin}: not a summary of class counts ({error})") from None


@lru_cache(maxsize=2)
def read_size_summary(body: bytes, origin: str) -> SizeSummary:
    """Read the biovolumes and the carbon of a summary too. Raises CatalogError as `read_count_summary` does."""
    counted = read_count_summary(body, origin)
    wanted = {name.replace(WINNERS, kind): NUMERIC for name in counted.counts for kind in (BIOVOLUME, CARBON)}
    try:
        arrays = _arrays(body, {"class2useTB": CELLS, **wanted})
        found = {
            kind: {
                name: _sums(arrays[of], arrays["class2useTB"], len(counted.bins), of)
                for name in counted.counts
                if (of := name.replace(WINNERS, kind)) in arrays
            }
            for kind in (BIOVOLUME, CARBON)
        }
    except Exception as error:  # as above
        raise CatalogError(f"{origin}: its sums of biovolume and carbon cannot be used ({error})") from None
    return SizeSummary(counted, found[BIOVOLUME], found[CARBON])


def _arrays(body: bytes, wanted: Mapping[str, set[int]]) -> dict[str, Any]:
    if not body.startswith(MATLAB):
        raise ValueError("it is not a MATLAB file of level 5: save it with -v7")
    return read_arrays(body, wanted, MOST_BYTES)


def _sums(table: NDArray[np.float64], labels: list[str], n_bins: int, name: str) -> NDArray[np.float64]:
    """The sums of classes, and behind them those of `unclassified`; NaN if the summary has no such label."""
    if table.shape != (n_bins, len(labels)) or (table < 0).any() or np.isinf(table).any():
        raise ValueError(f"its {name} has the shape {table.shape}, or values that are no sums")
    own = [i for i, label in enumerate(labels) if label != UNCLASSIFIED]
    rest = table[:, labels.index(UNCLASSIFIED)] if UNCLASSIFIED in labels else np.full(n_bins, np.nan)
    return np.column_stack([table[:, own], rest]).astype(np.float64)


def _summary(arrays: Mapping[str, NDArray[np.float64]]) -> CountSummary:
    if missing := sorted(set(NEEDED) - set(arrays)):
        raise ValueError(f"it has no {', '.join(missing)}")
    found = [re.search(PATTERN, str(name)) for name in arrays["filelistTB"]]
    bins = tuple(match[0] for match in found if match)
    if len(bins) < len(found) or len(set(bins)) < len(bins):
        raise ValueError("filelistTB has a bin twice, or a name that is no bin")
    labels = list(arrays["class2useTB"])
    if odd := odd_labels(tuple(labels)):
        raise ValueError(f"class2useTB has labels that cannot be used: {odd}")
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
