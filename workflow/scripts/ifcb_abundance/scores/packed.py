"""Class scores in the binary files that classifiers write: `.mat` (version 1) and `.h5` (versions 2 and 3).

- Version 1, MATLAB: `TBscores` (ROIs, classes), `class2useTB` with `unclassified` as a last label that has no scores,
  `roinum`.
- Version 2, HDF5: `scores` (ROIs, classes) with the attributes `class_labels` and `bin_id`, `roi_numbers`.
- Version 3, HDF5: `output_scores` (ROIs, classes), `class_labels`, `roi_numbers`; the attribute `bin_id` of `metadata`.

Most are of float16; they are given as float64, which holds every float16 and float32 exactly, so that comparing in
float16 later is comparing what the classifier wrote. The library for HDF5 trusts what a file says of itself: a few
bytes can make it take all memory, loop for ever or read other files. Such bytes are looked for first.

Sources: pyifcb (`ifcb/data/products/class_scores.py`) for the three versions, WHOI's ifcb_classifier
(`neuston_callbacks.py`) for how they are written, the format specifications of MAT-files of level 5 and of HDF5.
"""

import io
import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ifcb_abundance.bins.ids import PATTERN
from ifcb_abundance.classes.labels import UNCLASSIFIED
from ifcb_abundance.common.errors import ScoresError

PACKED = (".h5", ".mat")  # how the names of such files end
HDF5 = b"\x89HDF\r\n\x1a\n"
MATLAB = b"MATLAB 5.0 MAT-file"
MOST_BYTES = 2**26  # of a file, and of what is packed in it: 16,000 ROIs of 180 classes have 23 MB in double precision
REFERENCE = 16  # bytes, in HDF5, of a text of any length: its length, its heap and its index there
HEAP = b"GCOL\x01\0\0\0"  # how a heap of texts begins in HDF5
DEFLATE = 1
FILTERS = {DEFLATE, 2, 3}  # of HDF5, with shuffle and checksum; others would be code from elsewhere

Labels = tuple[str, ...]


def read_packed(bin_id: str, body: bytes) -> tuple[Labels, NDArray[np.int64], NDArray[np.float64]]:
    """Read labels, ROI numbers and scores, of the shape (ROIs, classes), from a `.h5` or `.mat`.

    Raises ScoresError, naming the bin, if the file is not class scores, is not of this bin or is truncated.
    """
    if len(body) > MOST_BYTES:
        raise ScoresError(f"bin {bin_id}: its class scores have {len(body):,} bytes, more than any bin's")
    if not body.startswith((MATLAB, HDF5)):
        raise ScoresError(
            f"bin {bin_id}: its class scores are neither HDF5 nor MATLAB of level 5 (`save -v7`), but begin with "
            f"{body[:20]!r}"
        )
    try:
        labels, rois, scores = _read_matlab(body) if body.startswith(MATLAB) else _read_hdf5(bin_id, body)
        numbers = _checked(labels, rois, scores)
    except ScoresError:
        raise
    except Exception as error:  # the libraries raise whatever a damaged file leads them to
        told = "".join(c if c.isprintable() else "?" for c in str(error)[:200])
        raise ScoresError(
            f"bin {bin_id}: its class scores cannot be read: {told or type(error).__name__}. Copy the file again, or "
            "have the bin classified again"
        ) from None
    return labels, numbers, scores.astype(np.float64)


def _checked(labels: Labels, rois: NDArray[Any], scores: NDArray[Any]) -> NDArray[np.int64]:
    """Return the ROI numbers if all three belong together."""
    if not labels or scores.shape != (len(rois), len(labels)):
        raise ValueError(f"scores of the shape {scores.shape} for {len(rois)} ROIs and {len(labels)} classes")
    if scores.dtype.kind != "f":
        raise ValueError(f"scores of the type {scores.dtype}")
    numbers = rois.astype(np.float64) if rois.dtype.kind in "iuf" else np.zeros(len(rois))
    if not ((numbers >= 1) & (numbers < 10**9) & (numbers == np.floor(numbers))).all():
        raise ValueError("ROI numbers that are not whole numbers from 1")
    if len(np.unique(numbers)) < len(numbers):  # as large numbers are that were stored in float16
        raise ValueError("duplicate ROI numbers")
    return numbers.astype(np.int64)


# --- version 1 ---
# A few lines of our own, for scipy's reader ends the process on one in two hundred damaged files.

Element = tuple[int, memoryview]  # of a MAT-file: what kind it is of, and what it holds
Order = Literal["<", ">"]  # of the bytes of numbers
MATRIX, PACKED_ELEMENT = 14, 15
NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
TEXTS = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
CELLS, TEXT, SCORES, NUMERIC, COMPLEX = {1}, 4, {6, 7}, set(range(6, 16)), 0x800  # classes of arrays


def _read_matlab(body: bytes) -> tuple[Labels, NDArray[Any], NDArray[Any]]:
    order: Order = "<" if body[126:128] == b"IM" else ">"
    wanted = {"class2useTB": CELLS, "roinum": NUMERIC, "TBscores": SCORES}
    arrays: dict[str, Any] = {}
    room = MOST_BYTES
    for kind, data in _elements(memoryview(body)[128:], order):
        if kind == PACKED_ELEMENT:
            plain = zlib.decompressobj().decompress(data, room)
            room -= len(plain)
            if room <= 0:
                raise ValueError(f"more than {MOST_BYTES:,} bytes are packed in it")
            kind, data = next(_elements(memoryview(plain), order), (0, data))
        if kind == MATRIX:
            name, kind_of, shape, inner = _array(data, order)
            if name in wanted:
                if kind_of not in wanted[name] or len(shape) != 2 or min(shape) < 0:
                    raise ValueError(f"its {name} is an array of class {kind_of} and shape {shape}")
                arrays[name] = _labels(shape, inner, order) if kind_of in CELLS else _numbers(shape, inner, order)
    if missing := sorted(set(wanted) - set(arrays)):
        raise ValueError(f"it has no {', '.join(missing)}")
    labels = arrays["class2useTB"]
    if labels[-1:] == [UNCLASSIFIED]:
        labels.pop()
    return tuple(labels), arrays["roinum"].ravel(), arrays["TBscores"].astype(np.float64)


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


# --- versions 2 and 3 ---


def _read_hdf5(bin_id: str, body: bytes) -> tuple[Labels, NDArray[Any], NDArray[Any]]:
    import h5py  # here, for few archives have such files

    texts = _heap_texts(body)
    with h5py.File(io.BytesIO(body), "r") as file:
        version = 3 if "output_scores" in file else 2
        scores = _dataset(file, "output_scores" if version == 3 else "scores", body)
        rois = _dataset(file, "roi_numbers", body)
        labels = _dataset(file, "class_labels", body)[()] if version == 3 else _attribute(scores, "class_labels")
        holder = scores if version == 2 else file.get("metadata")
        for name in [] if holder is None else _bins_said(holder, texts):
            if name != bin_id:
                raise ScoresError(f"bin {bin_id}: its class scores say that they are of {name[:80]!r}")
        return tuple(map(_decoded, labels)), rois[()], scores[()]


def _dataset(file: Any, name: str, body: bytes) -> Any:
    """Check that a dataset can be read: it is in this file, of a plain type, and no larger than the file allows."""
    import h5py

    if not isinstance(file.get(name, getlink=True), h5py.HardLink) or not isinstance(file[name], h5py.Dataset):
        raise ValueError(f"it has no {name}")
    data = file[name]
    if data.is_virtual or data.external:
        raise ValueError(f"its {name} lie in another file")
    text = h5py.check_string_dtype(data.dtype)
    if data.dtype.kind not in "iuf" and text is None:
        raise ValueError(f"its {name} are of the type {data.dtype}")
    free_length = text is not None and text.length is None
    item = REFERENCE if free_length else data.id.get_type().get_size()
    if data.size is None or data.size * item > MOST_BYTES:
        raise ValueError(f"its {name} have the shape {data.shape}")
    for part in _chunks(data, name, item) if data.chunks else _in_one_piece(data, body, item):
        lengths = np.frombuffer(part, np.uint32, count=len(part) // REFERENCE * 4)[::4]
        if free_length and lengths.max(initial=0) > len(body):
            raise ValueError(f"its {name} hold a text that is longer than the file")
    return data


def _in_one_piece(data: Any, body: bytes, item: int) -> list[bytes]:
    start = data.id.get_offset()  # none of a small one, which is kept with its description
    return [] if start is None else [body[start : start + data.size * item]]


def _chunks(data: Any, name: str, item: int) -> Iterator[bytes]:
    """Read what the chunks hold. Refuses a chunk of the wrong size, at which the library would not stop."""
    plan = data.id.get_create_plist()
    filters = [plan.get_filter(i)[0] for i in range(plan.get_nfilters())]
    if not set(filters) <= FILTERS:
        raise ValueError(f"its {name} are packed by the filters {filters}")
    room = int(np.prod(data.chunks, dtype=object)) * item
    if room * data.id.get_num_chunks() > 2 * MOST_BYTES:  # those at the edges may be half empty
        raise ValueError(f"its {name} are in {data.id.get_num_chunks()} chunks of {room:,} bytes")
    for i in range(data.id.get_num_chunks()):
        left_out, part = data.id.read_direct_chunk(data.id.get_chunk_info(i).chunk_offset)
        if DEFLATE in filters and not left_out >> filters.index(DEFLATE) & 1:
            part = zlib.decompressobj().decompress(part, room + 5)
        if len(part) not in (room, room + 4):  # with a checksum
            raise ValueError(f"its {name} have a chunk of {len(part):,} bytes, not {room:,}")
        yield part


def _heap_texts(body: bytes) -> list[bytes]:
    """Read all texts of variable length. Refuses a damaged heap of them, which would be read for ever.

    By the format specification, III.E: HEAP, the size of the whole from there; then objects of index, count,
    size and contents, in multiples of 8 bytes. Index 0 is the free space, and its size includes its head.
    """
    texts = []
    start = body.find(HEAP)
    while start >= 0:
        end = start + int.from_bytes(body[start + 8 : start + 16], "little")
        at = start + 16
        while at + 16 <= end <= len(body):
            index, size = int.from_bytes(body[at : at + 2], "little"), int.from_bytes(body[at + 8 : at + 16], "little")
            if index:
                texts.append(body[at + 16 : at + 16 + size])
                size = 16 + (size + 7) // 8 * 8
            if size < 16:
                raise ValueError("a heap of texts is damaged")
            at += size
        if not start + 16 <= at <= end <= len(body):
            raise ValueError("a heap of texts is damaged")
        start = body.find(HEAP, end)
    return texts


def _bins_said(holder: Any, texts: list[bytes]) -> list[str]:
    """The bin that the file names. Reading an attribute of any length would take as much memory as it claims."""
    import h5py

    if "bin_id" not in holder.attrs:
        return []
    kind = holder.attrs.get_id("bin_id").get_type()
    if isinstance(kind, h5py.h5t.TypeStringID) and kind.is_variable_str():
        return [text.decode() for text in texts if re.fullmatch(PATTERN.encode(), text)]
    return list(map(_decoded, _attribute(holder, "bin_id")))


def _attribute(holder: Any, name: str) -> list[Any]:
    """Read one text or several. Reading any other type would not be safe.

    Of texts of any length (the labels of version 2) the library takes what memory a damaged one says, some 2 GB.
    """
    import h5py

    if name not in holder.attrs or not isinstance(holder.attrs.get_id(name).get_type(), h5py.h5t.TypeStringID):
        raise ValueError(f"it has no {name} of texts")
    return list(np.ravel(holder.attrs[name]))


def _decoded(label: Any) -> str:
    if isinstance(label, bytes):
        return label.decode("utf-8")
    if not isinstance(label, str):
        raise ValueError("a label that is not text")
    return str(label)
