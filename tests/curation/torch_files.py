"""Files of weights as torch writes them, put together by hand, so that no test needs torch."""

import importlib.util
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import numpy as np
import numpy.typing as npt

from tests.curation.data import SHARED

KINDS = {"float32": "FloatStorage", "float16": "HalfStorage", "float64": "DoubleStorage", "int64": "LongStorage"}


def text(value: str) -> bytes:
    body = value.encode()
    return b"X" + struct.pack("<I", len(body)) + body


def whole(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def tuple_of(*values: int) -> bytes:
    return b"(" + b"".join(map(whole, values)) + b"t"


def tensor(
    key: str, kind: str, elements: int, shape: tuple[int, ...], strides: tuple[int, ...], offset: int = 0
) -> bytes:
    """The opcodes that describe a tensor."""
    storage = b"(" + text("storage") + f"ctorch\n{kind}\n".encode() + text(key) + text("cpu") + whole(elements) + b"tQ"
    view = whole(offset) + tuple_of(*shape) + tuple_of(*strides)
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + view + b"\x89ccollections\nOrderedDict\n)RtR"


def pickled(entries: Mapping[str, bytes]) -> bytes:
    return b"\x80\x02}(" + b"".join(text(name) + body for name, body in entries.items()) + b"u."


def write_file(path: Path, pickle: bytes, storages: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("weights/data.pkl", pickle)
        archive.writestr("weights/byteorder", "little")
        for key, body in storages.items():
            archive.writestr(f"weights/data/{key}", body)
    return path


def write_state_dict(path: Path, weights: Mapping[str, npt.NDArray[np.generic]]) -> Path:
    """Write arrays as torch.save does it with a state dict."""
    entries, storages = {}, {}
    for key, (name, value) in enumerate(weights.items()):
        strides = tuple(int(np.prod(value.shape[n + 1 :])) for n in range(value.ndim))
        entries[name] = tensor(str(key), KINDS[str(value.dtype)], value.size, value.shape, strides)
        storages[str(key)] = value.tobytes()
    return write_file(path, pickled(entries), storages)


def resnet34_weights() -> dict[str, npt.NDArray[np.generic]]:
    """The weights of the oracle, by the formula that was given to torch."""
    from ifcb_abundance.curation import resnet

    weights: dict[str, npt.NDArray[np.generic]] = formula().weights(resnet.shapes())
    return weights


def formula() -> ModuleType:
    spec = importlib.util.spec_from_file_location("formula", SHARED / "resnet34_weights.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
