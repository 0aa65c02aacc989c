"""Write volumes of bytes as .nrrd: the same volume gives the same file. pynrrd writes the time into the header."""

import zlib
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ifcb_abundance.common.atomic_write import atomic_write
from ifcb_abundance.volumes.files import Triple

GZIP = 16 + zlib.MAX_WBITS


def write_nrrd(
    path: Path,
    blocks: Iterable[NDArray[np.uint8]],
    shape: tuple[int, int, int],
    voxel_nm: Triple | None,
    origin_nm: Triple,
    packed: bool = False,
    space: str = "",
) -> str:
    """Write a volume and return the SHA-256 of its voxels, x fastest.

    blocks: its slices from the first to the last, as arrays (slices, y, x). shape, voxel_nm, origin_nm: z, y, x; a
    video has no size of voxels. packed: by gzip; else slices along any axis can be read without the rest. space: what
    x, y and z are, in the words of nrrd, or empty.
    """
    digest = sha256()
    with atomic_write(path) as unfinished, unfinished.open("wb") as file:
        file.write(_header(shape, voxel_nm, origin_nm, packed, space).encode())
        packer = zlib.compressobj(6, wbits=GZIP) if packed else None  # its header has no time
        n = 0
        for block in blocks:
            voxels = np.ascontiguousarray(block, np.uint8).tobytes()
            n += len(voxels)
            digest.update(voxels)
            file.write(packer.compress(voxels) if packer else voxels)
        if packer:
            file.write(packer.flush())
        if n != shape[0] * shape[1] * shape[2]:
            raise ValueError(f"{n} voxels for the shape {shape}")
    return digest.hexdigest()


def _header(shape: tuple[int, int, int], voxel_nm: Triple | None, origin_nm: Triple, packed: bool, space: str) -> str:
    lines = ["NRRD0004", "type: uint8", "dimension: 3"]
    if voxel_nm:
        z, y, x = (_text(each) for each in voxel_nm)
        lines += [f"space: {space}" if space else "space dimension: 3", f"sizes: {shape[2]} {shape[1]} {shape[0]}"]
        lines += [f"space directions: ({x},0,0) (0,{y},0) (0,0,{z})", "kinds: domain domain domain"]
    else:
        lines += [f"sizes: {shape[2]} {shape[1]} {shape[0]}", "kinds: domain domain domain"]
    lines.append(f"encoding: {'gzip' if packed else 'raw'}")
    if voxel_nm:
        z, y, x = (_text(each) for each in origin_nm)
        lines += ['space units: "nm" "nm" "nm"', f"space origin: ({x},{y},{z})"]
    return "\n".join(lines) + "\n\n"


def _text(value: float) -> str:
    return repr(float(value)).removesuffix(".0")
