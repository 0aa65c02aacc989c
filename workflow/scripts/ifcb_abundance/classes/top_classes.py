"""The classes that are shown where there is no room for all: the most abundant ones."""

import pandas as pd

from ifcb_abundance.classes.labels import UNCLASSIFIED


def top_classes(abundance: pd.DataFrame, most: int) -> list[str]:
    """Find the most abundant classes, by the sum of counts over the sum of volumes of all days and groups.

    `unclassified` is not among them, nor are classes that the class table says do not live. Classes that the table does
    not know are.
    """
    rows = abundance[(abundance["class"] != UNCLASSIFIED) & (abundance["living"] != "no")]
    sums = rows.groupby("class", sort=True)[["count", "ml_analyzed_total"]].sum()
    mean = (sums["count"] / sums["ml_analyzed_total"]).sort_values(ascending=False, kind="stable")
    return [str(name) for name in mean.index[:most]]
