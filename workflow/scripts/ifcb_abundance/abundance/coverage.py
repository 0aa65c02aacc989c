"""Coverage: how much of a day was sampled and used, so that a day that lacks bins never looks like a full one."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from ifcb_abundance.bins.positions import greatest_distance_km
from ifcb_abundance.bins.statuses import BinStatus
from ifcb_abundance.pooling.core import BinGroup, group_bins, join_groups


def cover(bins: pd.DataFrame, group_by: Sequence[str], cut: bool, tolerance_km: float) -> pd.DataFrame:
    """Count what became of the bins of a day: one row per group, with the columns of the table `coverage`.

    bins: all bins of the day with their status. cut: the window begins or ends within the day. A group is
    complete if every bin that was neither skipped nor filtered was used and the window has the whole day; it is
    moving if two used bins are more than `tolerance_km` apart.
    """
    rows = [_row(group, cut, tolerance_km) for group in group_bins(bins, group_by)]
    return join_groups([pd.DataFrame(rows)], "coverage", group_by)


def _row(group: BinGroup, cut: bool, tolerance_km: float) -> dict[str, object]:
    keys, bins = group
    used = bins[bins["status"] == BinStatus.USED]
    of_status = bins["status"].value_counts()
    counts = {f"n_{status}": int(of_status.get(status, 0)) for status in BinStatus}
    eligible = len(bins) - counts["n_skipped"] - counts["n_filtered"]
    spread = greatest_distance_km(used["latitude"].to_numpy(), used["longitude"].to_numpy())
    return {
        **keys,
        "n_expected": len(bins),
        **counts,
        "first_sample_time": used["sample_time"].min(),
        "last_sample_time": used["sample_time"].max(),
        "hours_covered": int(used["sample_time"].dt.hour.nunique()),
        "ml_analyzed_total": math.fsum(used["ml_analyzed"]),
        "n_positions": int((used["latitude"].notna() & used["longitude"].notna()).sum()),
        "position_spread_km": spread,
        "moving": "" if np.isnan(spread) else "yes" if spread > tolerance_km else "no",
        "complete": "yes" if counts["n_used"] == eligible > 0 and not cut else "no",
    }
