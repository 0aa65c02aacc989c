"""Read the weights of a neural network from a file that torch saved, without torch and without running what is in it.

Such a file is a zip: `data.pkl` is a pickle that says which tensor has which name, shape and part of which storage, and
`data/0`, `data/1`, ... are the storages. A pickle may name any function of Python to be called. Here only the handful
of names that build tensors are known, and any other is refused before anything of the pickle is run.
Source of the format: torch/serialization.py, torch/_utils.py.
"""

import io
import pickle
import pickletools
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ifcb_abundance.common.errors import WorkflowInputError, quoted

Weights = dict[str, npt.NDArray[Any]]

LARGEST_PICKLE = 16 << 20  # bytes; that of a ResNet34 has 20 kB
STORAGES: dict[str, np.dtype[Any]] = {
    "DoubleStorage": np.dtype("<f8"),
    "FloatStorage": np.dtype("<f4"),
    "HalfStorage": np.dtype("<f2"),
    "BFloat16Storage": np.dtype("<u2"),  # the upper half of a float32
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "ShortStorage": np.dtype("<i2"),
    "CharStorage": np.dtype("i1"),
    "ByteStorage": np.dtype("u1"),
    "BoolStorage": np.dtype("?"),
}
# What a dictionary of tensors is pickled with. An index of the memo is looked at too: it decides how much is allocated.
OPCODES = set(
    "PROTO FRAME STOP MARK MEMOIZE BINPUT LONG_BINPUT BINGET LONG_BINGET EMPTY_DICT SETITEM SETITEMS EMPTY_TUPLE TUPLE "
    "TUPLE1 TUPLE2 TUPLE3 EMPTY_LIST APPEND APPENDS NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 LONG1 BINFLOAT "
    "BINUNICODE SHORT_BINUNICODE GLOBAL STACK_GLOBAL REDUCE BUILD BINPERSID".split()
)


class WeightsError(WorkflowInputError):
    """A file of weights cannot be used; names the file."""


@dataclass(frozen=True)
class _StorageType:
    name: str


@dataclass(frozen=True)
class _Storage:
    kind: str
    key: str
    elements: int


@dataclass(frozen=True)
class _Tensor:
    """A tensor as the pickle describes it: a view into a storage."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_weights(path: str | Path) -> Weights:
    """Read a state dict that `torch.save` wrote: name to array, floats as float32, whole numbers as int64.

    Raises WeightsError for a file that is no state dict, that breaks off, or whose pickle names anything but tensors.
    """
    try:
        if not zipfile.is_zipfile(path) and Path(path).is_file():
            raise WeightsError(
                f"{path}: no file of weights as torch 1.6 and later save it, which is a zip. Load an older one in "
                "torch, and save its state_dict() again"
            )
        with zipfile.ZipFile(path) as archive:
            return _read(archive, str(path))
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:  # the last: a zip with a password
        raise WeightsError(f"{path}: damaged, or not all of it is there ({error}). Fetch it again") from None
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror or error})") from None


def _read(archive: zipfile.ZipFile, path: str) -> Weights:
    entries = {entry.filename: entry for entry in archive.infolist()}
    pickles = [name for name in entries if name.endswith("/data.pkl") and name.count("/") == 1]
    if len(pickles) != 1:
        raise WeightsError(f"{path}: a zip without the one data.pkl that torch writes: no file of weights")
    folder = pickles[0].removesuffix("data.pkl")
    if entries[pickles[0]].file_size > LARGEST_PICKLE:
        raise WeightsError(f"{path}: its pickle is larger than {LARGEST_PICKLE >> 20} MB: no state dict")
    if f"{folder}byteorder" in entries and archive.read(f"{folder}byteorder") != b"little":
        raise WeightsError(f"{path}: saved on a big-endian machine, which is not supported")
    described = _unpickle(archive.read(pickles[0]), path)
    return {name: _load(archive, entries, folder, tensor, f"{path}: {name}") for name, tensor in described.items()}


def _unpickle(body: bytes, path: str) -> dict[str, _Tensor]:
    """Return the names and tensors of a state dict. Nothing is called but the functions of `_Unpickler`."""
    try:
        unpickler = _Unpickler(body, path)
        _inspect(body, unpickler)
        content = unpickler.load()
    except WeightsError:
        raise
    except Exception as error:  # a broken pickle raises nearly anything
        raise WeightsError(f"{path}: its pickle cannot be read ({type(error).__name__}: {error})") from None
    if not isinstance(content, dict) or not content:
        raise WeightsError(f"{path}: no state dict: save model.state_dict(), not the model")
    other = [str(name) for name, value in content.items() if not (isinstance(name, str) and isinstance(value, _Tensor))]
    if other:
        raise WeightsError(
            f"{path}: no state dict: {quoted(other[:3])} hold no tensor. Save model.state_dict() alone, without an "
            "optimizer or an epoch"
        )
    return content


def _inspect(body: bytes, unpickler: "_Unpickler") -> None:
    """Refuse a pickle by the first name or the first operation that no state dict needs, before it is loaded.

    A name that is put together in a way not seen here is refused when it is asked for.
    """
    texts: list[str] = []
    operations = list(pickletools.genops(body))
    for opcode, argument, _ in operations:
        if opcode.name in ("GLOBAL", "INST"):
            unpickler.find_class(*str(argument).split(" ", 1))
        elif opcode.name == "STACK_GLOBAL" and len(texts) > 1:
            unpickler.find_class(*texts[-2:])
        elif isinstance(argument, str):
            texts.append(argument)
    for opcode, argument, _ in operations:
        if opcode.name not in OPCODES:
            raise unpickler.refused(f"uses {opcode.name}, which no state dict needs")
        if opcode.name == "LONG_BINPUT" and int(argument or 0) > len(body):  # so much memory would be taken for it
            raise unpickler.refused("numbers more objects than it has")


class _Unpickler(pickle.Unpickler):
    """Knows tensors and dictionaries, and refuses any other name by its name."""

    def __init__(self, body: bytes, path: str) -> None:
        super().__init__(io.BytesIO(body))
        self.path = path
        self.known: dict[tuple[str, str], Callable[..., Any] | _StorageType] = {
            ("collections", "OrderedDict"): OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2"): _describe,
            ("torch._utils", "_rebuild_parameter"): lambda tensor, *_: tensor,
            **{("torch", name): _StorageType(name) for name in STORAGES},
        }

    def find_class(self, module: str, name: str) -> Any:
        """Return what a name of the pickle stands for; it is never imported."""
        if (module, name) not in self.known:
            raise self.refused(f"asks for {module}.{name}, which is no tensor")
        return self.known[module, name]

    def persistent_load(self, pid: Any) -> _Storage:
        """Return what the pickle says of a storage."""
        match pid:
            case ("storage", _StorageType(kind), str(key), str(), int(elements)) if elements >= 0:
                return _Storage(kind, key, elements)
        raise self.refused(f"describes a storage as {str(pid)[:100]}")

    def refused(self, what: str) -> WeightsError:
        """Return the error that says what the pickle does."""
        return WeightsError(f"{self.path}: refused: its pickle {what}. Nothing of it was run")


def _describe(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> _Tensor:
    whole = [offset, *shape, *strides]
    if not isinstance(storage, _Storage):
        raise ValueError("a tensor has no storage")
    if len(shape) != len(strides) or any(type(n) is not int or n < 0 for n in whole):
        raise ValueError("a tensor's shape or strides are no whole numbers")
    if prod(shape) and offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True)) >= storage.elements:
        raise ValueError("a tensor is larger than its storage")
    if prod(shape) > storage.elements:
        raise ValueError("a tensor repeats its storage")
    return _Tensor(storage, offset, tuple(shape), tuple(strides))


def _load(
    archive: zipfile.ZipFile, entries: dict[str, zipfile.ZipInfo], folder: str, tensor: _Tensor, where: str
) -> npt.NDArray[Any]:
    """Read a tensor out of its storage."""
    kind, key, elements = tensor.storage.kind, tensor.storage.key, tensor.storage.elements
    dtype = STORAGES[kind]
    entry = entries.get(f"{folder}data/{key}")
    if entry is None:
        raise WeightsError(f"{where}: its storage {key!r} is missing from the file")
    if entry.file_size < elements * dtype.itemsize or entry.compress_type != zipfile.ZIP_STORED:
        raise WeightsError(f"{where}: its storage {key!r} is not of the size that the pickle says, or is packed")
    flat = np.frombuffer(archive.read(entry), dtype, elements)[tensor.offset :]
    strides = [step * dtype.itemsize for step in tensor.strides]
    values = np.lib.stride_tricks.as_strided(flat, tensor.shape, strides, writeable=False) if flat.size else flat
    values = values.reshape(tensor.shape)
    if kind == "BFloat16Storage":
        return (values.astype(np.uint32) << 16).view(np.float32)
    return values.astype(np.float32 if dtype.kind == "f" else np.int64)
