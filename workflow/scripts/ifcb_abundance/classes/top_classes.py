"""Which classes are shown where not all can be: the most abundant ones."""

import pandas as pd

UNCLASSIFIED = "unclassified"  # as in scores.py, which would bring along the clients of all sources


def top_classes(abundance: pd.DataFrame, most: int) -> list[str]:
    """The most abundant classes, by the sum of counts over the sum of volumes of all days and series.

    Those that the class table says do not live, and `unclassified`, are none of them; unknown ones are.
    """
    rows = abundance[(abundance["class"] != UNCLASSIFIED) & (abundance["living"] != "no")]
    sums = rows.groupby("class", sort=True)[["count", "ml_analyzed_total"]].sum()
    mean = (sums["count"] / sums["ml_analyzed_total"]).sort_values(ascending=False, kind="stable")
    return [str(name) for name in mean.index[:most]]
