"""Volumes: cut, hashed and grouped; crops of an OME-Zarr; crops of a large .mrc: `python -m benchmarks.volumes`.

Each is one run of the workflow as a process, with its seconds by the clock and the peak memory of the largest process.
The volumes are made up: smooth noise, as tissue is, under the noise of a camera.
"""

import argparse
import multiprocessing
import sys
import tempfile
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
import yaml
import zarr
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.measure import ROOT, Cost, run

sys.path.insert(0, str(ROOT / "workflow" / "scripts"))
from ifcb_abundance.volumes.nrrd_file import write_nrrd


def made_up(side: int) -> NDArray[np.uint8]:
    """A volume of side x side x side."""
    chance = np.random.default_rng(1)
    smooth = ndimage.zoom(chance.normal(size=(side // 8,) * 3).astype(np.float32), 8, order=1)
    noise = chance.normal(size=smooth.shape).astype(np.float32)
    return (128 + 60 * smooth + 6 * noise).clip(0, 255).astype(np.uint8)


def workflow(folder: Path, config: dict[str, Any], target: str) -> Cost:
    """A run on two cores."""
    (folder / "my.yaml").write_text(yaml.safe_dump({"dataset": "made", **config}))
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--cores", "2"]
    return run([*command, "--configfile", "my.yaml", "--", target], folder)


def make_file(folder: Path, side: int) -> None:
    """A volume of side x side x side as .nrrd."""
    volume = made_up(side)
    (folder / "files").mkdir()
    write_nrrd(folder / "files" / "made.nrrd", [volume], volume.shape, (8, 8, 8), (0, 0, 0), packed=True)


def make_zarr(folder: Path, side: int) -> None:
    """An OME-Zarr of two scales, side x side x side at the finer one, and the list that names it."""
    volume = made_up(side)
    group = zarr.open_group(str(folder / "made.zarr"), mode="w", zarr_format=2)
    for name, values in (("0", volume), ("1", volume[::2, ::2, ::2])):
        array = group.create_array(name, shape=values.shape, chunks=(64, 64, 64), dtype="uint8")
        array[:] = values
    group.attrs["multiscales"] = [
        {
            "version": "0.4",
            "axes": [{"name": axis, "type": "space", "unit": "nanometer"} for axis in "zyx"],
            "datasets": [
                {"path": str(n), "coordinateTransformations": [{"type": "scale", "scale": [8 * 2**n] * 3}]}
                for n in (0, 1)
            ],
        }
    ]
    (folder / "list.csv").write_text("download_url,volume_name,crop_size\nmade.zarr,made,128\n")


def make_mrc(folder: Path, gigabytes: float) -> None:
    """A .mrc of 1,024 x 1,024 voxels a slice, and the list that names it."""
    side = 1024
    slices = max(256, round(gigabytes * 1e9 / side**2))
    with mrcfile.new_mmap(folder / "made.mrc", (slices, side, side), mrc_mode=0) as file:
        block = made_up(256).astype(np.int16)
        for start in range(0, slices, 256):
            part = np.tile(block, (1, 4, 4))[: slices - start]
            file.data[start : start + len(part)] = (part - 128).astype(np.int8)
        file.voxel_size = 80
    (folder / "list.csv").write_text("download_url,volume_name,crop_size\nmade.mrc,made,256\n")


def main() -> None:
    """Print a line for each measurement."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.volumes", description=__doc__)
    parser.add_argument("--side", type=int, default=512, help="of the volume that is cut")
    parser.add_argument("--crops", type=int, default=100)
    parser.add_argument("--gigabytes", type=float, default=4, help="of the .mrc")
    options = parser.parse_args()

    def samples(max_bytes: int) -> dict[str, Any]:
        return {"samples": {"list": "list.csv", "max_bytes": max_bytes}}

    files = {"volumes": {"folder": "files"}}
    for what, make, size, config, target in (
        (f"{options.side}^3 cut along three axes", make_file, options.side, files, "volumes"),
        (f"{options.crops} crops of 128^3", make_zarr, 640, samples(options.crops * 128**3), "crops"),
        (f"10 crops of {options.gigabytes:g} GB", make_mrc, options.gigabytes, samples(10 * 256**3), "crops"),
    ):
        with tempfile.TemporaryDirectory() as name:
            # In another process: the memory of this one would be counted as the workflow's.
            maker = multiprocessing.get_context("spawn").Process(target=make, args=(Path(name), size))
            maker.start()
            maker.join()
            cost = workflow(Path(name), config, target)
        print(f"{what}: {cost.wall:.1f} s, {cost.cpu:.1f} s of processor time, {cost.memory:,.0f} MB", flush=True)


if __name__ == "__main__":
    main()
