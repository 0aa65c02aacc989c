"""The workflow agrees with the notebook that it replaces wherever the notebook is right."""

import io
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import requests

from tests.archives import bin_row, write_archive
from tests.checkout import Checkout
from tests.dashboard.emulator import Emulator

CLASSES = ["Akashiwo", "Ditylum_brightwellii", "Guinardia_delicatula", "detritus"]


def notebook(
    url: str, dataset: str, start: str, end: str, threshold: float
) -> dict[tuple[str, str], tuple[int, float]]:
    """Its algorithm in short: a serial walk, volumes as displayed, days by name, only bins with a hit.

    Returns (date, class) to (count, mL).
    """
    count: Counter[tuple[str, str]] = Counter()
    volume: dict[str, float] = defaultdict(float)
    bin_id = start
    while bin_id:
        info = requests.get(f"{url}/api/bin/{bin_id}", params={"dataset": dataset}, timeout=10).json()
        answer = requests.get(f"{url}/{dataset}/{bin_id}_class_scores.csv", timeout=10)
        date = f"{bin_id[1:5]}-{bin_id[5:7]}-{bin_id[7:9]}"
        if answer.status_code == 200:
            scores = pd.read_csv(io.StringIO(answer.text)).set_index("pid")
            hits = scores[scores.max(axis=1) >= threshold].idxmax(axis=1)
            if len(hits):
                count.update((date, name) for name in hits)
                volume[date] += float(info["ml_analyzed"].split()[0])
        bin_id = "" if bin_id == end else info["next_bin_id"]
    return {(date, name): (n, volume[date]) for (date, name), n in count.items()}


@pytest.mark.parametrize("version", ["5.0", "5.1"])
def test_a_clean_archive_gives_the_notebooks_numbers(checkout: Checkout, tmp_path: Path, version: str) -> None:
    """One instrument, each bin with a hit, no skips, times as in the ids, volumes of three decimals."""
    rng = np.random.default_rng(8)
    bins = [f"D202404{day:02d}T{hour:02d}1500_IFCB010" for day in (29, 30) for hour in range(0, 24, 3)]
    scores = {}
    for bin_id in bins:
        winners = rng.dirichlet([0.3] * len(CLASSES), size=30)
        winners[0] = [0.0, 0.9, 0.1, 0.0]
        scores[bin_id] = (CLASSES, winners.astype(np.float16).tolist())
    rows = [bin_row(bin_id, ml_analyzed=round(float(rng.uniform(2, 4.9)), 3)) for bin_id in bins]
    archive = write_archive(tmp_path / "archive", rows, scores)
    with Emulator({"mvco": archive}, version=version) as dashboard:
        expected = notebook(dashboard.url, "mvco", bins[0], bins[-1], 0.75)
        source = {"kind": "dashboard", "url": dashboard.url}
        select = {"start": bins[0], "end": bins[-1]}
        checkout.run({"dataset": "mvco", "source": source, "select": select, "classify": {"threshold": 0.75}})
    table = checkout.table("mvco")
    hits = table[(table["count"] > 0) & (table["class"] != "unclassified")].set_index(["date", "class"])
    assert hits["count"].to_dict() == {key: n for key, (n, _) in expected.items()}
    assert hits["ml_analyzed_total"].to_dict() == pytest.approx({key: ml for key, (_, ml) in expected.items()})
    assert hits["objects_per_ml"].to_dict() == pytest.approx({key: n / ml for key, (n, ml) in expected.items()})
