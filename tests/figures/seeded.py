"""Seeded tables of long windows, written at once: to pool so many bins would take minutes."""

from pathlib import Path

import numpy as np
import pandas as pd

from ifcb_abundance.common.intervals import poisson_limits
from ifcb_abundance.tables import table_files

# label: scientific name, group, harmful
CLASSES = {
    "Guinardia_delicatula": ("Guinardia delicatula", "diatom", "no"),
    "Guinardia_delicatula_TAG_internal_parasite": ("Guinardia delicatula", "diatom", "no"),
    "Dinophysis_acuminata": ("Dinophysis acuminata", "dinoflagellate", "yes"),
    "Alexandrium": ("Alexandrium catenella", "dinoflagellate", "yes"),
    "Mesodinium": ("Mesodinium", "ciliate", "no"),
    "mix": ("", "flagellate", "no"),
}
ML = 9.0  # of a day


def write_seeded(folder: Path, days: int, first: str = "2010-03-20") -> dict[str, Path]:
    """Write the tables that figures are drawn from: of one mooring, with two bins a day; some days lack.

    The label set has Mesodinium only after a tenth of the days.
    """
    rng = np.random.default_rng(5)
    dates = pd.date_range(first, periods=days)
    dates = dates[rng.random(days) > 0.1]
    labels = list(CLASSES)
    course = 1 + np.cos(2 * np.pi * (dates.day_of_year.to_numpy()[:, None] / 365 + np.arange(len(labels)) / 6))
    counts = rng.poisson(course * [40, 1, 0.3, 2, 8, 90])
    abundance = pd.DataFrame(counts, index=dates.strftime("%Y-%m-%d"), columns=labels).stack().reset_index()
    abundance.columns = ["date", "class", "count"]
    for i, trait in enumerate(("scientific_name", "group", "harmful")):
        abundance[trait] = abundance["class"].map(lambda label, i=i: CLASSES[label][i])
    low, high = poisson_limits(abundance["count"].to_numpy(dtype=int), 0.95)
    abundance = abundance.assign(
        instrument="IFCB10", living="yes", aphia_id="", ml_analyzed_total=ML, threshold=0.7, n_bins=2, n_rois=200
    )
    per_ml = {"": abundance["count"], "_low": low, "_high": high, "_low_dispersed": low, "_high_dispersed": high}
    abundance = abundance.assign(**{f"objects_per_ml{name}": values / ML for name, values in per_ml.items()})
    early = abundance["date"] < str(dates[len(dates) // 10].date())
    abundance = abundance[~(early & (abundance["class"] == "Mesodinium"))]
    coverage = pd.DataFrame({"date": dates.strftime("%Y-%m-%d"), "instrument": "IFCB10", "n_expected": 3, "n_used": 2})
    for status in ("skipped", "filtered", "bad_volume", "no_scores", "failed"):
        coverage[f"n_{status}"] = int(status == "no_scores")
    times = dates.repeat(2) + pd.to_timedelta(np.tile([1, 13], len(dates)), unit="h")
    bins = pd.DataFrame({"sample_time": times.tz_localize("UTC"), "instrument": "IFCB10"})
    bins = bins.merge(pd.DataFrame({"class": labels}), how="cross")
    bins["objects_per_ml"] = rng.poisson(20, len(bins)) / (ML / 2)
    catalog = pd.DataFrame({"bin": times.strftime("D%Y%m%dT%H%M%S_IFCB010"), "sample_time": times})
    catalog = catalog.assign(instrument="IFCB10", latitude=41.325, longitude=-70.5667)
    ledger = pd.DataFrame({"bin": catalog["bin"], "date": times.strftime("%Y-%m-%d"), "status": "used", "reason": ""})
    sweep = pd.DataFrame({"class": labels}).merge(pd.DataFrame({"threshold": [0, 0.5, 1]}), how="cross")
    sweep = sweep.assign(count=10, share_kept=0.5)
    folder.mkdir(parents=True)
    catalog["sample_time"] = catalog["sample_time"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    frames = {
        "abundance": ("abundance_long", abundance),
        "coverage": ("coverage", coverage),
        "catalog": ("catalog", catalog),
        "ledger": ("ledger", ledger),
        "sweep": ("threshold_sweep", sweep),
    }
    paths = {"bins": folder / "bins.parquet"}
    bins.to_parquet(paths["bins"])
    for name, (table, frame) in frames.items():
        paths[name] = folder / f"{name}.csv"
        frame[[column for column in table_files.columns(table) if column in frame]].to_csv(paths[name], index=False)
    return paths
