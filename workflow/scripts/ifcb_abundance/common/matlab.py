"""Arrays of MAT-files of level 5 (`save -v7`), which is how MATLAB and scipy write them.

A few lines of our own, for scipy's reader ends the process on one in two hundred damaged files. Source: the format
specification of MAT-files of level 5.
"""

import struct
import zlib
from collections.abc import Iterator, Mapping, Set
from itertools import islice
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

MATLAB = b"MATLAB 5.0 MAT-file"
Element = tuple[int, memoryview]  # of a MAT-file: what kind it is of, and what it holds
Order = Literal["<", ">"]  # of the bytes of numbers
MATRIX, PACKED_ELEMENT = 14, 15
NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
TEXTS = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
CELLS, TEXT, SCORES, NUMERIC, COMPLEX = {1}, 4, {6, 7}, set(range(6, 16)), 0x800  # classes of arrays


def read_arrays(body: bytes, wanted: Mapping[str, Set[int]], most: int) -> dict[str, Any]:
    """Read the arrays of these names: cells of text as a list of str, in column order, numbers as arrays.

    wanted: which classes of arrays a name may have. most: bytes that may be packed in the file. Raises ValueError for
    a file that is damaged or larger, and for arrays of other classes. Names that the file lacks are not in the result.
    """
    order: Order = "<" if body[126:128] == b"IM" else ">"
    arrays: dict[str, Any] = {}
    room = most
    for kind, data in _elements(memoryview(body)[128:], order):
        if kind == PACKED_ELEMENT:
            plain = zlib.decompressobj().decompress(data, room)
            room -= len(plain)
            if room <= 0:
                raise ValueError(f"more than {most:,} bytes are packed in it")
            kind, data = next(_elements(memoryview(plain), order), (0, data))
        if kind == MATRIX:
            name, kind_of, shape, inner = _array(data, order)
            if name in wanted:
                if kind_of not in wanted[name] or len(shape) != 2 or min(shape) < 0:
                    raise ValueError(f"its {name} is an array of class {kind_of} and shape {shape}")
                arrays[name] = _labels(shape, inner, order) if kind_of in CELLS else _numbers(shape, inner, order)
    return arrays


def _elements(data: memoryview, order: Order) -> Iterator[Element]:
    """Yield elements: a tag of kind and length, then that many bytes, padded to 8. Up to four fit into the tag."""
    at = 0
    while at + 8 <= len(data):
        kind, length = struct.unpack_from(f"{order}II", data, at)
        start = at + 8
        if kind >> 16:
            kind, length, start = kind & 0xFFFF, kind >> 16, at + 4
        if length > (len(data) - start if start == at + 8 else 4):
            raise ValueError("it is truncated")
        yield kind, data[start : start + length]
        at = at + 8 if start == at + 4 else start + length + (0 if kind == PACKED_ELEMENT else -length % 8)


def _array(data: memoryview, order: Order) -> tuple[str, int, tuple[int, ...], Iterator[Element]]:
    """Read the name, class (complex numbers have their own) and shape of an array, and its elements."""
    inner = _elements(data, order)
    head = [bytes(part) for _, part in islice(inner, 3)]
    if len(head) < 3:
        raise ValueError("it is truncated")
    flags, dims, name = head
    (flag,) = struct.unpack_from(f"{order}I", flags)
    shape = struct.unpack_from(f"{order}{len(dims) // 4}i", dims)
    return name.decode("latin-1"), flag & (0xFF | COMPLEX), shape, inner


def _numbers(shape: tuple[int, ...], inner: Iterator[Element], order: Order) -> NDArray[Any]:
    kind, data = _first(inner, NUMBERS)
    return np.frombuffer(data, np.dtype(kind).newbyteorder(order)).reshape(shape, order="F")


def _first(inner: Iterator[Element], kinds: Mapping[int, str]) -> tuple[str, memoryview]:
    kind, data = next(inner, (0, memoryview(b"")))
    if kind not in kinds:
        raise ValueError(f"it is truncated, or holds an element of kind {kind}")
    return kinds[kind], data


def _labels(shape: tuple[int, ...], inner: Iterator[Element], order: Order) -> list[str]:
    labels = []
    for _, data in islice(inner, shape[0] * shape[1]):
        _, kind_of, of_text, text = _array(data, order)
        if kind_of != TEXT or of_text[:1] != (1,):
            raise ValueError("a label that is not a line of text")
        coding, letters = _first(text, TEXTS)
        if coding in ("utf-16", "utf-32"):
            coding += "-le" if order == "<" else "-be"
        labels.append(bytes(letters).decode(coding))
    if len(labels) != shape[0] * shape[1]:
        raise ValueError("it is truncated")
    return labels
