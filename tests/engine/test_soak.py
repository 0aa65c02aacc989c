"""A long run at a server that keeps failing: nothing is lost, nothing is wrong, and memory does not grow."""

import random
import re
import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests import reference
from tests.archives import bin_row, write_archive
from tests.checkout import Checkout
from tests.comparing import assert_equals_reference
from tests.conftest import Statistic
from tests.dashboard.emulator import Emulator, Fault
from tests.sources.test_dashboard_run import EXPORT, config

BINS, PER_DAY, SHARE = 5000, 100, 0.05
CLASSES = [f"class_{number}" for number in range(8)]
# All that may pass, by what the fault's kind takes.
PASSING: list[tuple[str, dict[str, Any]]] = [
    ("reset", {}),
    ("cut", {}),
    ("cut_length", {}),
    ("cut_close", {}),
    ("gzip_cut", {}),
    ("html", {}),
    ("empty", {}),
    ("stall_body", {"seconds": 0.2}),
    ("busy", {"after": 0}),
    *(("status", {"status": status}) for status in (408, 425, 429, 500, 502, 503, 504)),
]


def memory_mb(process: int) -> float:
    """0 when it has just ended."""
    said = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    return int(said[1]) / 1024 if said else 0.0


@pytest.mark.slow
def test_soak(tmp_path: Path, checkout: Checkout, statistic: Statistic) -> None:
    chance = random.Random(5000)
    first = datetime(2024, 4, 1, tzinfo=UTC)
    times = [first + timedelta(days=1) / PER_DAY * i for i in range(BINS)]
    bins = [f"D{time:%Y%m%dT%H%M%S}_IFCB{chance.choice((10, 125)):03d}" for time in times]
    scores = {b: (CLASSES, [[round(chance.random(), 3) for _ in CLASSES] for _ in range(9)]) for b in bins}
    rows = [bin_row(b, ml_analyzed=round(chance.uniform(0.5, 5), 4)) for b in bins]
    archive = write_archive(tmp_path / "archive", rows, scores)
    # Some requests fail twice and more in a row: each bin that is struck has its own faults, one after the other.
    faults = [Fault(EXPORT, "html"), Fault(EXPORT, "reset", skip=1)]
    for bin_id in bins:
        while chance.random() < SHARE:
            kind, options = chance.choice(PASSING)
            faults.append(Fault(f"/{bin_id}_class_scores", kind, **options))
    with Emulator({"demo": archive}, faults=faults) as dashboard:
        source = {"backoff": 0.01, "retries": 10}
        process = checkout.start(config(dashboard, "2024-04-01", str(times[-1].date()), source=source))
        assert process.stdout
        memory = []  # with the number of requests by then
        while process.poll() is None and len(memory) < 6000:
            memory.append((len(dashboard.requests), memory_mb(process.pid)))
            time.sleep(0.1)
        printed = process.stdout.read()
        assert process.wait(timeout=60) == 0, printed[-5000:]
        met = sum(request.fault is not None for request in dashboard.requests)
        asked = len(dashboard.requests)
    assert len(faults) > SHARE * BINS * 0.9
    assert met == len(faults)
    assert asked == BINS + 2 + met  # each fault costs one more request, and no bin is asked for in vain
    ledger = checkout.table("demo", "ledger")
    assert len(ledger) == BINS
    assert (ledger["status"] == "used").all()
    cells = assert_equals_reference(checkout.table("demo"), reference.abundance(archive))
    thirds = [
        max(mb for requests, mb in memory if low <= requests / asked <= high)
        for low, high in pairwise((0.1, 0.4, 0.7, 0.999))
    ]
    assert thirds[-1] < 1.1 * thirds[0], thirds
    statistic("bins of the soak", BINS)
    statistic("faults met in the soak", met)
    statistic("cells of the soak compared with the reference", cells)
