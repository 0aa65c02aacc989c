"""Coverage: how much of a day was sampled and used, so that a day that lacks bins never looks like a full one."""

import math
from collections import Counter
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
    return join_groups([{name: [row[name] for row in rows] for name in rows[0]}] if rows else [], "coverage", group_by)


def _row(group: BinGroup, cut: bool, tolerance_km: float) -> dict[str, object]:
    keys, bins = group
    status = bins["status"].to_numpy(object)
    used = status == BinStatus.USED
    of_status = Counter(status.tolist())
    counts = {f"n_{status}": of_status[status] for status in BinStatus}
    eligible = len(bins) - counts["n_skipped"] - counts["n_filtered"]
    times = bins["sample_time"][used]
    latitude, longitude = (bins[axis].to_numpy("float64")[used] for axis in ("latitude", "longitude"))
    spread = greatest_distance_km(latitude, longitude)
    return {
        **keys,
        "n_expected": len(bins),
        **counts,
        "first_sample_time": times.min(),
        "last_sample_time": times.max(),
        "hours_covered": len(set(times.dt.hour)),
        "ml_analyzed_total": math.fsum(bins["ml_analyzed"].to_numpy()[used]),
        "n_positions": int((~np.isnan(latitude) & ~np.isnan(longitude)).sum()),
        "position_spread_km": spread,
        "moving": "" if np.isnan(spread) else "yes" if spread > tolerance_km else "no",
        "complete": "yes" if counts["n_used"] == eligible > 0 and not cut else "no",
    }
