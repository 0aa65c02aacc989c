"""Images read from raw files, beside libifcb, and features computed from images, per second of one core.

Each task runs in a process of its own, that of libifcb with `--python`, an environment that has it.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]

BIN = "D20240415T010000_IFCB010"
MISSING = 3  # exit status of a task whose library is not installed
COLUMNS = ["what", "program", "n", "cpu_s", "rate", "peak_mb"]
PER_BIN = 2000  # images of a busy bin


def write_bin(folder: Path, n: int) -> None:
    """Write a bin of n images of 30 to 200 pixels a side: a bright ground with a dark ellipse and noise."""
    import numpy as np
    from tests.raw_files import write_bin as write

    chance = np.random.default_rng(1)
    images = []
    for number in range(1, n + 1):
        height, width = chance.integers(30, 200, 2)
        down, across = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
        pixels = np.where(down**2 + across**2 < 0.4, 110, 200) + chance.normal(0, 4, (height, width))
        images.append((number, 10, 10, pixels.clip(0, 255).astype(np.uint8)))
    write(folder, BIN, images)


def read_here(folder: Path) -> Callable[[], object]:
    """Read each image of the bin as a Pillow image."""
    from ifcb_abundance import raw

    return lambda: [image.load() for image in raw.open_archive(folder).read_images(BIN).values()]


def read_libifcb(folder: Path) -> Callable[[], object]:
    """Likewise with libifcb."""
    import libifcb

    parts = [str(folder / f"{BIN}.{part}") for part in ("hdr", "adc", "roi")]
    return lambda: [roi.image.load() for roi in libifcb.ROIReader(*parts).rois]


def compute(folder: Path) -> Callable[[], object]:
    """Compute the features of the bin."""
    from ifcb_abundance.features.compute import compute_features

    parts = [folder / f"{BIN}.{part}" for part in ("hdr", "adc", "roi")]
    return lambda: compute_features(BIN, parts, folder / "features.csv", folder / "blobs.zip", False)


TASKS: dict[str, tuple[str, str, Callable[[Path], Callable[[], object]]]] = {
    "read_here": ("images read", "this workflow", read_here),
    "read_libifcb": ("images read", "libifcb", read_libifcb),
    "compute": ("images, features and blobs computed", "this workflow, planktofeatures", compute),
}


def work(task: str, folder: Path) -> int:
    """Do a task, after once in vain for what is imported late, and print what it cost."""
    sys.path.insert(0, str(ROOT / "workflow" / "scripts"))
    try:
        do = TASKS[task][2](folder)
    except ImportError:
        return MISSING
    if task != "compute":
        do()
    began = time.process_time()
    do()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"cpu_s": time.process_time() - began, "peak_mb": memory}))
    return 0


def measure(options: argparse.Namespace, folder: Path) -> Any:
    """Measure all tasks that can be done here."""
    import pandas as pd

    rows = []
    for task, (what, program, _) in TASKS.items():
        n = PER_BIN // 20 if task == "compute" else PER_BIN
        write_bin(folder / task, n)
        python = options.python if program == "libifcb" else sys.executable
        command = [python, "-m", "benchmarks.raw", task, str(folder / task)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode == MISSING:
            print(f"{what}: {program}: not here", flush=True)
            continue
        if done.returncode:
            raise RuntimeError(f"{program} ended with {done.returncode}:\n{done.stderr[-3000:]}")
        found = json.loads(done.stdout.splitlines()[-1])
        rows.append({"what": what, "program": program, "n": n, **found, "rate": n / found["cpu_s"]})
    return pd.DataFrame(rows, columns=COLUMNS)


if __name__ == "__main__":
    sys.exit(work(sys.argv[1], Path(sys.argv[2])))
