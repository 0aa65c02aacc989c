"""Class scores in the binary files that classifiers write: `.mat` (version 1) and `.h5` (versions 2 and 3).

- Version 1, MATLAB: `TBscores` (ROIs, classes), `class2useTB` with `unclassified` as a last label that has no scores,
  `roinum`.
- Version 2, HDF5: `scores` (ROIs, classes) with the attributes `class_labels` and `bin_id`, `roi_numbers`.
- Version 3, HDF5: `output_scores` (ROIs, classes), `class_labels`, `roi_numbers`; the attribute `bin_id` of `metadata`.

Most are of float16; they are given as float64, which holds every float16 and float32 exactly, so that comparing in
float16 later is comparing what the classifier wrote. The libraries that read these formats trust what a file says of
itself: a few bytes can have them take all memory, go round for ever or end the process. What they do not survive is
looked for before.

Sources: pyifcb (`ifcb/data/products/class_scores.py`) for the three versions, WHOI's ifcb_classifier
(`neuston_callbacks.py`) for how they are written, the format specifications of MAT-files of level 5 and of HDF5.
"""

import io
import re
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bin_ids import PATTERN
from errors import ScoresError

PACKED = (".h5", ".mat")  # how the names of such files end
HDF5 = b"\x89HDF\r\n\x1a\n"
MATLAB = b"MATLAB 5.0 MAT-file"
MOST_BYTES = 2**26  # of a file, and of what is packed in it: 16,000 ROIs of 180 classes have 23 MB in double precision
MOST_ARRAYS = 2000  # in a .mat: a label is one. More than some 20,000 within each other end the process
REFERENCE = 16  # bytes, in HDF5, of a text of any length: its length, its heap and its index there
DEFLATE = 1
FILTERS = {DEFLATE, 2, 3}  # of HDF5, with shuffle and checksum; others would be code from elsewhere

Labels = tuple[str, ...]


def read_packed(bin_id: str, body: bytes) -> tuple[Labels, NDArray[np.int64], NDArray[np.float64]]:
    """Labels, ROI numbers and scores, of the shape (ROIs, classes), of a `.h5` or `.mat`.

    Raises ScoresError, naming the bin, if the file is not class scores, is not of this bin or breaks off.
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
    """The ROI numbers, if all three belong together."""
    if not labels or scores.shape != (len(rois), len(labels)):
        raise ValueError(f"scores of the shape {scores.shape} for {len(rois)} ROIs and {len(labels)} classes")
    if scores.dtype.kind != "f":
        raise ValueError(f"scores of the type {scores.dtype}")
    numbers = rois.astype(np.float64) if rois.dtype.kind in "iuf" else np.zeros(len(rois))
    if not ((numbers >= 1) & (numbers < 10**9) & (numbers == np.floor(numbers))).all():
        raise ValueError("ROI numbers that are not whole numbers from 1")
    if len(np.unique(numbers)) < len(numbers):  # as large numbers are that were stored in float16
        raise ValueError("a ROI is there twice")
    return numbers.astype(np.int64)


# --- version 1 ---


def _read_matlab(body: bytes) -> tuple[Labels, NDArray[Any], NDArray[Any]]:
    from scipy.io import loadmat, whosmat  # here, for few archives have such files

    plain = _unpacked(body)
    names = ("roinum", "class2useTB", "TBscores")
    shapes = {name: shape for name, shape, _ in whosmat(io.BytesIO(plain)) if name in names}
    if missing := sorted(set(names) - set(shapes)):
        raise ValueError(f"it has no {', '.join(missing)}")
    if any(len(shape) != 2 or np.prod(shape, dtype=float) > MOST_BYTES / 8 for shape in shapes.values()):
        raise ValueError(f"arrays of the shapes {shapes}")
    found = loadmat(io.BytesIO(plain), variable_names=names)
    labels = [_text(cell) for cell in found["class2useTB"].ravel()]
    if labels[-1:] == ["unclassified"]:
        labels.pop()
    return tuple(labels), np.atleast_1d(found["roinum"]).ravel(), found["TBscores"]


def _unpacked(body: bytes) -> bytes:
    """The same file without compression. Its variables, each a tag of type and length and so many bytes, are packed."""
    order = "little" if body[126:128] == b"IM" else "big"
    word = np.dtype(np.uint32).newbyteorder("<" if order == "little" else ">")
    parts, at, size = [body[:128]], 128, 128
    while at < len(body):
        kind, length = (int(n) for n in np.frombuffer(body[at : at + 8].ljust(8, b"\0"), word))
        part = body[at : at + 8 + length]
        if kind == 15:
            part = zlib.decompressobj().decompress(part[8:], MOST_BYTES - size + 1)
        parts.append(part)
        at, size = at + 8 + length, size + len(part)
        if size > MOST_BYTES:
            raise ValueError(f"more than {MOST_BYTES:,} bytes are packed in it")
    plain = b"".join(parts)
    # An array is type 14, at a multiple of 8 bytes; each of many within each other would take some of the stack.
    tags = np.frombuffer(plain, word, count=len(plain) // 8 * 2)[::2]
    if np.count_nonzero(tags == 14) > MOST_ARRAYS:
        raise ValueError(f"it has more than {MOST_ARRAYS} arrays")
    return plain


def _text(cell: Any) -> str:
    if not isinstance(cell, np.ndarray) or cell.dtype.kind != "U" or cell.size != 1:
        raise ValueError("a label that is not text")
    return str(cell.ravel()[0])


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
    """A dataset that can be read: of this file itself, of a plain type, and no larger than what is there."""
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
    start = data.id.get_offset()  # none if it is in chunks
    for part in _chunks(data, name, item) if data.chunks else [body[start : start + data.size * item]] if start else []:
        lengths = np.frombuffer(part, np.uint32, count=len(part) // REFERENCE * 4)[::4]
        if free_length and lengths.max(initial=0) > len(body):
            raise ValueError(f"its {name} hold a text that is longer than the file")
    return data


def _chunks(data: Any, name: str, item: int) -> Iterator[bytes]:
    """What is stored in the chunks. Refuses one that does not hold what it has to: the library would not stop there."""
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
    """All texts of any length that the file holds. Refuses a damaged heap of them: reading it would never end.

    By the format specification, III.E: `GCOL`, version, size of the whole from there; then objects of index, count,
    size and contents, in multiples of 8 bytes. Index 0 is the free space, and its size includes its head.
    """
    texts = []
    start = body.find(b"GCOL")
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
        start = body.find(b"GCOL", start + 4)
    return texts


def _bins_said(holder: Any, texts: list[bytes]) -> list[str]:
    """The bin that the file says it is of. To read an attribute of any length would take what memory it says."""
    import h5py

    if "bin_id" not in holder.attrs:
        return []
    kind = holder.attrs.get_id("bin_id").get_type()
    if isinstance(kind, h5py.h5t.TypeStringID) and kind.is_variable_str():
        return [text.decode() for text in texts if re.fullmatch(PATTERN.encode(), text)]
    return list(map(_decoded, _attribute(holder, "bin_id")))


def _attribute(holder: Any, name: str) -> list[Any]:
    """A text or several ones. Of another type it would not be safe to read.

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
