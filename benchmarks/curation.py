"""Curation: what hashing, grouping and filtering take, beside libraries that do the same where they are installed.

`python -m benchmarks.curation` measures and prints; `python -m benchmarks curation` also writes the page. Each number
is that of a process of its own, on one core: processor time is what to compare where other work runs beside. `--python`
names the Python of an environment with imagededup and faiss-cpu. On a machine with a GPU, and torch in that
environment, the filter is measured on it too, beside a plain loop over one batch; there the clock counts, and
`--cores` says how many processes decode.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

from benchmarks.measure import ROOT

COLUMNS = ["what", "program", "n", "wall_s", "cpu_s", "rate", "peak_mb"]
DISTANCE = 8
MISSING = 3  # exit status of a task whose library or device is not there


# --- what is measured; each function is called in a process of its own ---


def write_images(folder: Path, n: int) -> None:
    """Made-up ROIs of 30 to 200 pixels a side, as files in a folder and in a zip of cleaned images."""
    from ifcb_abundance.curation.zips import as_png, write_zip
    from ifcb_abundance.tables import table_files

    chance = np.random.default_rng(1)
    rows = []
    (folder / "images").mkdir(parents=True)
    with write_zip(folder / "clean.zip") as out:
        for number in range(n):
            height, width = np.clip(chance.lognormal(4.2, 0.4, 2), 30, 200).astype(int).tolist()
            y, x = np.mgrid[:height, :width]
            picture = np.full((height, width), 190.0)
            for _ in range(5):
                down, right, radius = chance.random() * height, chance.random() * width, chance.uniform(4, height / 4)
                picture -= chance.uniform(30, 120) * ((y - down) ** 2 + (x - right) ** 2 < radius**2)
            pixels = np.clip(picture + chance.normal(0, 2, picture.shape), 0, 255).astype(np.uint8)
            png = as_png(pixels)
            out.add(f"{number:06}", png)
            (folder / "images" / f"{number:06}.png").write_bytes(png)
            rows.append({"image": f"{number:06}", "group": "g", "width": width, "height": height})
    table_files.write(table_files.from_rows(rows, "cleaning"), "cleaning", folder / "cleaning.csv")


def hashes(n: int, skewed: bool = False) -> npt.NDArray[np.uint64]:
    """Hashes, a fifth of which are copies with up to 6 bits flipped. skewed: a quarter of the bits is set, not half."""
    chance = np.random.default_rng(1)
    found = chance.integers(0, 1 << 64, n, np.uint64)
    if skewed:
        found &= chance.integers(0, 1 << 64, n, np.uint64)
    copies = chance.choice(n, n // 5, replace=False)
    found[copies] = found[chance.integers(0, n, len(copies))]
    for _ in range(6):
        flip = np.uint64(1) << chance.integers(0, 64, len(copies)).astype(np.uint64)
        found[copies] ^= np.where(chance.random(len(copies)) < 0.5, flip, np.uint64(0))
    return found


def hash_here(folder: Path, n: int, cores: int) -> Callable[[], object]:  # noqa: ARG001
    """Read, hash and measure the images of a group."""
    from ifcb_abundance.curation.patches import cut_patches

    paths = (folder / "clean.zip", folder / "cleaning.csv")
    return lambda: cut_patches(*paths, None, "steady", folder / "patches.csv", cores)


def hash_imagehash(folder: Path, n: int, cores: int) -> Callable[[], object]:  # noqa: ARG001
    """Hash alone."""
    import imagehash

    return lambda: [imagehash.dhash(Image.open(path)) for path in sorted((folder / "images").iterdir())]


def hash_imagededup(folder: Path, n: int, cores: int) -> Callable[[], object]:  # noqa: ARG001
    """Hash alone."""
    from imagededup.methods import DHash

    return lambda: DHash(verbose=False).encode_images(str(folder / "images"), num_enc_workers=cores)


def group_here(folder: Path, n: int, cores: int) -> Callable[[], object]:  # noqa: ARG001
    """Keep the first of each group of hashes within 8 bits."""
    from ifcb_abundance.curation.duplicates import group_hashes

    given = hashes(n)
    return lambda: group_hashes(given, DISTANCE)


def group_here_skewed(folder: Path, n: int, cores: int) -> Callable[[], object]:  # noqa: ARG001
    """Likewise, with hashes that are less even."""
    from ifcb_abundance.curation.duplicates import group_hashes

    given = hashes(n, skewed=True)
    return lambda: group_hashes(given, DISTANCE)


def group_faiss(folder: Path, n: int, cores: int) -> Callable[[], object]:  # noqa: ARG001
    """All pairs within 8 bits, by comparing each with each."""
    import faiss

    faiss.omp_set_num_threads(cores)
    given = hashes(n).view(np.uint8).reshape(n, 8)

    def search() -> None:
        index = faiss.IndexBinaryFlat(64)
        index.add(given)
        for start in range(0, n, 10_000):
            index.range_search(given[start : start + 10_000], DISTANCE + 1)

    return search


def group_imagededup(folder: Path, n: int, cores: int) -> Callable[[], object]:  # noqa: ARG001
    """All pairs within 8 bits."""
    from imagededup.methods import DHash

    given = {f"{number:07}.png": f"{value:016x}" for number, value in enumerate(hashes(n).tolist())}
    return lambda: DHash(verbose=False).find_duplicates(
        encoding_map=given, max_distance_threshold=DISTANCE, num_dist_workers=cores
    )


def _network_of(device: str) -> Any:
    from ifcb_abundance.curation import resnet

    chance = np.random.default_rng(1)
    weights = {
        name: chance.standard_normal(shape, np.float32) * np.float32(0.05) for name, shape in resnet.shapes().items()
    }
    weights |= {name: np.ones_like(value) for name, value in weights.items() if name.endswith("running_var")}
    return resnet.OnnxNetwork(weights) if device == "onnx" else resnet.TorchNetwork(weights, device)


def _filter(folder: Path, n: int, cores: int, device: str) -> Callable[[], object]:
    from ifcb_abundance.common.workers import end_if_idle
    from ifcb_abundance.curation import resnet
    from ifcb_abundance.curation.patch_images import PatchImages

    table = pd.read_csv(folder / "cleaning.csv", dtype={"image": str})
    table = table.rename(columns={"height": "y1", "width": "x1"}).assign(patch=table["image"], y0=0, x0=0)
    images = PatchImages(table, {"g": folder / "clean.zip"})
    network = _network_of(device)

    def load(number: int) -> Any:
        return images.packed(number % len(table))

    resnet.run_network(network, load, min(n, network.batch if network.parallel else 2000), cores)  # to warm up
    return lambda: (resnet.run_network(network, load, n, cores), end_if_idle())


def filter_onnxruntime(folder: Path, n: int, cores: int) -> Callable[[], object]:
    """Score with the ResNet34 as the workflow does it without a GPU."""
    return _filter(folder, n, cores, "onnx")


def filter_torch_cpu(folder: Path, n: int, cores: int) -> Callable[[], object]:
    """Score in torch, on the CPU."""
    import torch

    torch.set_num_threads(cores)
    return _filter(folder, n, cores, "cpu")


def filter_torch_gpu(folder: Path, n: int, cores: int) -> Callable[[], object]:
    """Score as the workflow does it with a GPU, files read and decoded."""
    import torch

    if not torch.cuda.is_available():
        raise ImportError("no GPU")
    return _filter(folder, n, cores, "cuda")


def loop_torch_gpu(folder: Path, n: int, cores: int) -> Callable[[], object]:  # noqa: ARG001
    """The plain loop: the same pixels again and again, already decoded."""
    import torch

    if not torch.cuda.is_available():
        raise ImportError("no GPU")
    network = _network_of("cuda")
    pixels = np.random.default_rng(1).integers(0, 256, (network.batch, 1, 224, 224), np.uint8)
    network(pixels)
    return lambda: [network(pixels) for _ in range(0, n, network.batch)]


HASHING = {
    "this workflow": hash_here,
    "imagehash (hash alone)": hash_imagehash,
    "imagededup (hash alone)": hash_imagededup,
}
GROUPING = {"this workflow": group_here, "faiss, flat": group_faiss, "imagededup": group_imagededup}
SKEWED = {"this workflow, uneven hashes": group_here_skewed}
FILTERING = {
    "this workflow, onnxruntime": filter_onnxruntime,
    "torch, CPU": filter_torch_cpu,
    "this workflow, torch on a GPU": filter_torch_gpu,
    "plain loop, torch on a GPU": loop_torch_gpu,
}
TASKS = {task.__name__: task for tasks in (HASHING, GROUPING, SKEWED, FILTERING) for task in tasks.values()}


# --- measuring ---


def work(name: str, folder: Path, n: int, cores: int) -> int:
    """Do one task, and print what it took."""
    sys.path.insert(0, str(ROOT / "workflow" / "scripts"))
    try:
        task = TASKS[name](folder, n, cores)
    except ImportError:
        return MISSING
    began, before = time.perf_counter(), _cpu()
    task()
    took = {"wall_s": time.perf_counter() - began, "cpu_s": _cpu() - before}
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    spent = took["wall_s"] if "gpu" in name else took["cpu_s"]
    print(json.dumps({**took, "rate": n / spent, "peak_mb": peak / 1024}))
    return 0


def _cpu() -> float:
    return sum(
        used.ru_utime + used.ru_stime
        for used in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def measure(options: argparse.Namespace, folder: Path) -> pd.DataFrame:
    """Measure all tasks, with what of each there are."""
    sys.path.insert(0, str(ROOT / "workflow" / "scripts"))
    write_images(folder, options.images)
    rows: list[dict[str, Any]] = []

    def add(what: str, tasks: dict[str, Any], sizes: Sequence[int], most: dict[str, int]) -> None:
        for program, task in tasks.items():
            python = sys.executable if program.startswith("this workflow, onnx") else options.python
            for n in sizes:
                if n > most.get(program, n):
                    n = most[program]
                command = [
                    python,
                    "-m",
                    "benchmarks.curation",
                    "--task",
                    task.__name__,
                    str(folder),
                    str(n),
                    str(options.cores),
                ]
                done = subprocess.run(list(map(str, command)), cwd=ROOT, capture_output=True, text=True, check=False)
                if done.returncode == MISSING:
                    print(f"{what}: {program}: not here", flush=True)
                    break
                if done.returncode:
                    raise RuntimeError(f"{program} ended with {done.returncode}:\n{done.stderr[-3000:]}")
                found = json.loads(done.stdout.splitlines()[-1])
                name = f"{program}, {options.cores} cores" if "GPU" in program else program
                rows.append({"what": what, "program": name, "n": n, **found})
                print(f"{what}: {program}: {n:,} in {found['cpu_s']:.1f} s of processor time", flush=True)
                if n == most.get(program):
                    break

    few = {"imagededup": 5000, "faiss, flat": 200_000}
    add("images read, hashed and measured", HASHING, [options.images], {})
    add("hashes grouped within 8 bits", GROUPING | SKEWED, options.hashes, few)
    add("images filtered by ResNet34", FILTERING, [options.filtered], {})
    return pd.DataFrame(rows, columns=COLUMNS)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what this benchmark can be told."""
    parser.add_argument("--images", type=int, default=8000, help="that are hashed")
    parser.add_argument("--hashes", type=int, nargs="*", default=[200_000, 1_000_000], help="that are grouped")
    parser.add_argument("--filtered", type=int, default=96, help="images that the ResNet34 scores")
    parser.add_argument("--cores", type=int, default=1, help="processes that decode for a GPU; else leave it")
    parser.add_argument("--python", default=sys.executable, help="Python of an environment with what is compared")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--task"]:
        sys.exit(work(sys.argv[2], Path(sys.argv[3]), *map(int, sys.argv[4:])))
    parsed = argparse.ArgumentParser(prog="python -m benchmarks.curation", description=__doc__)
    add_options(parsed)
    with tempfile.TemporaryDirectory(prefix="bench-") as temporary:
        print(measure(parsed.parse_args(), Path(temporary)).to_string(index=False))
