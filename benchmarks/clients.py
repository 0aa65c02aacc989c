"""The two programs that the workflow is measured beside: `python -m benchmarks.clients walk|bare URL FIRST LAST`.

`walk` does what the notebook does: one request after the other to find the bins of a day, then eight workers that
read each bin's scores with pandas. `bare` is the limit: the same requests as the workflow's, eight threads, the
fastest parser there is, and nothing kept. Both print how many ROIs reached the threshold, per class in all.
"""

import io
import sys
import threading
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import requests

DATASET = "bench"
THRESHOLD = 0.7
WORKERS = 8


def walk(url: str, first: str, last: str) -> Counter[str]:
    """Day by day: find its bins one by one along next_bin_id, then read them with eight workers."""
    import pandas as pd

    def hits(bin_id: str) -> Counter[str]:
        answer = requests.get(f"{url}/{DATASET}/{bin_id}_class_scores.csv", timeout=60)
        scores = pd.read_csv(io.StringIO(answer.text)).set_index("pid")
        return Counter(scores[scores.max(axis=1) >= THRESHOLD].idxmax(axis=1))

    total: Counter[str] = Counter()
    bin_id = first
    with ThreadPoolExecutor(WORKERS) as pool:
        while bin_id:
            day, of_day = bin_id[:9], []
            while bin_id and bin_id[:9] == day:
                of_day.append(bin_id)
                info = requests.get(f"{url}/api/bin/{bin_id}", params={"dataset": DATASET}, timeout=60).json()
                bin_id = info["next_bin_id"] if bin_id != last else ""
            for of_bin in pool.map(hits, of_day):
                total.update(of_bin)
    return total


def bare(url: str, first: str, last: str) -> Counter[str]:
    """One list of bins, then eight threads with a session each."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.csv

    local = threading.local()

    def get(target: str) -> bytes:
        if not hasattr(local, "session"):
            local.session = requests.Session()
        return local.session.get(url + target, timeout=60).content  # type: ignore[no-any-return]

    def hits(bin_id: str) -> Counter[str]:
        body = get(f"/{DATASET}/{bin_id}_class_scores.csv")
        names = body[: body.index(b"\n")].decode().replace('"', "").split(",")
        table = pyarrow.csv.read_csv(
            pa.py_buffer(body),
            read_options=pyarrow.csv.ReadOptions(
                use_threads=False, column_names=names, skip_rows=1, block_size=len(body) + 1
            ),
            convert_options=pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(names[1:], pa.float64())),
        )
        scores = np.column_stack([column.to_numpy() for column in table.columns[1:]])
        winner = scores.argmax(axis=1)
        kept = winner[scores[np.arange(len(scores)), winner] >= THRESHOLD]
        return Counter(dict(zip(names[1:], np.bincount(kept, minlength=len(names) - 1).tolist(), strict=True)))

    day = {end: f"{bin_id[1:5]}-{bin_id[5:7]}-{bin_id[7:9]}" for end, bin_id in (("start", first), ("end", last))}
    months = f"/api/export_metadata/{DATASET}?start_date={day['start']}&end_date={day['end']}"
    ids: Iterable[str] = [line.split(",")[1].strip('"') for line in get(months).decode().splitlines()[1:]]
    total: Counter[str] = Counter()
    with ThreadPoolExecutor(WORKERS) as pool:
        for of_bin in pool.map(hits, ids):
            total.update(of_bin)
    return total


if __name__ == "__main__":
    client = {"walk": walk, "bare": bare}[sys.argv[1]]
    counts = client(*sys.argv[2:])
    print(sum(counts.values()))
