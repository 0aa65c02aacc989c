"""Bodies of any size, over real HTTP: compressed if the server does so, and never larger than allowed."""

import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from ifcb_abundance.common.errors import ScoresError
from ifcb_abundance.sources.dashboard import DashboardSource
from ifcb_abundance.sources.retry import RequestOptions
from tests.archives import bin_row, write_archive
from tests.checkout import ROOT
from tests.dashboard.emulator import Emulator, Fault

BIN = "D20240401T010000_IFCB010"
REDUCE = """
import resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from ifcb_abundance.scores.summary import find_winners, read_score_file
from ifcb_abundance.sources.source_file import SourceFile
peak_mb = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
read = lambda body: read_score_file(sys.argv[3], SourceFile(f"{sys.argv[3]}_class_scores.csv", body))
read(f"pid,A\\n{sys.argv[3]}_00001,0.5\\n".encode())
body = Path(sys.argv[2]).read_bytes()
before = peak_mb()
classes, scores = read(body)
winners = find_winners(scores)
print(len(body) / 1e6, int(winners.n_rois.sum()), scores.shape[1], peak_mb() - before)
"""


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return write_archive(tmp_path / "archive", [bin_row(BIN)], {})


def source_of(server: Emulator, max_body_mb: float) -> DashboardSource:
    return DashboardSource("demo", server.url, requests=RequestOptions(max_body_mb=max_body_mb))


def body(megabytes: float) -> bytes:
    row = f"{BIN}_00001,0.5\n".encode()
    return b"pid,A\n" + row * int(megabytes * 1e6 / len(row))


def test_compressed_answers_are_asked_for_and_unpacked(archive: Path) -> None:
    whole = body(1)
    with Emulator({"demo": archive}, score_body=lambda _: whole, faults=[Fault("", "gzip", times=None)]) as server:
        file = DashboardSource("demo", server.url).read_scores(BIN)
        assert "gzip" in server.requests[0].headers["Accept-Encoding"]
    assert file
    assert file.body == whole


@pytest.mark.parametrize("kind", ["plain", "gzip"])
def test_an_answer_larger_than_allowed_is_refused_before_it_is_held(archive: Path, kind: str) -> None:
    faults = [Fault("", "gzip", times=None)] if kind == "gzip" else []
    bomb = body(60)
    with Emulator({"demo": archive}, score_body=lambda _: bomb, faults=faults) as server:
        source = source_of(server, 2)
        with pytest.raises(ScoresError, match=rf"bin {BIN}: .*{BIN}_class_scores.csv: the answer is larger than sou"):
            source.read_scores(BIN)  # what the emulator needs for the first answer is not ours
        tracemalloc.start()
        with pytest.raises(ScoresError, match=r"source.max_body_mb \(2 MB\)"):
            source.read_scores(BIN)
        asked = len(server.requests)
        held = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert asked == 2  # it would be as large if it was asked for again
    if kind == "gzip":  # the plain one is in the emulator's own buffers, in the same process
        assert held < 20e6


def test_the_largest_bins_take_little_more_memory_than_their_body(tmp_path: Path) -> None:
    """6,500 ROIs and 150 classes, printed as wide as version 5.2 does: some 18 MB."""
    random = np.random.default_rng(1)
    rows = random.random((6500, 150)).astype("float16").astype("float64").tolist()
    lines = [",".join(["pid", *(f"class_{i}" for i in range(150))])]
    lines += [f"{BIN}_{roi:05d}," + ",".join(f"{score:.16f}" for score in row) for roi, row in enumerate(rows, start=1)]
    (tmp_path / "body").write_text("\n".join(lines) + "\n")
    command = [sys.executable, "-c", REDUCE, str(ROOT / "workflow" / "scripts"), str(tmp_path / "body"), BIN]
    megabytes, n_rois, n_classes, more = map(
        float, subprocess.run(command, capture_output=True, check=True).stdout.split()
    )
    assert (n_rois, n_classes) == (6500, 150)
    assert megabytes > 18
    assert more < 2 * megabytes


def test_an_answer_as_large_as_allowed_is_taken(archive: Path) -> None:
    whole = body(1)
    with Emulator({"demo": archive}, score_body=lambda _: whole) as server:
        assert source_of(server, len(whole) / 1e6).read_scores(BIN)
        with pytest.raises(ScoresError, match="larger"):
            source_of(server, (len(whole) - 1) / 1e6).read_scores(BIN)
