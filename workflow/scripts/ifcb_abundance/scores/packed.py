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
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ifcb_abundance.bins.ids import PATTERN
from ifcb_abundance.classes.labels import UNCLASSIFIED
from ifcb_abundance.common.errors import ScoresError
from ifcb_abundance.common.matlab import CELLS, MATLAB, NUMERIC, SCORES, read_arrays

PACKED = (".h5", ".mat")  # how the names of such files end
HDF5 = b"\x89HDF\r\n\x1a\n"
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
def _read_matlab(body: bytes) -> tuple[Labels, NDArray[Any], NDArray[Any]]:
    wanted = {"class2useTB": CELLS, "roinum": NUMERIC, "TBscores": SCORES}
    arrays = read_arrays(body, wanted, MOST_BYTES)
    if missing := sorted(set(wanted) - set(arrays)):
        raise ValueError(f"it has no {', '.join(missing)}")
    labels = arrays["class2useTB"]
    if labels[-1:] == [UNCLASSIFIED]:
        labels.pop()
    return tuple(labels), arrays["roinum"].ravel(), arrays["TBscores"].astype(np.float64)


# --- versions 2 and 3 ---


def _read_hdf5(bin_id: str, body: bytes) -> tuple[Labels, NDArray[Any], NDArray[Any]]:
    import h5py  # here, for few archives have such files

    texts = _heap_texts(body)
    with h5py.File(io.BytesIO(body), "r") as file:
        version = 3 if "output_scores" in file else 2
        scores = dataset(file, "output_scores" if version == 3 else "scores", body)
        rois = dataset(file, "roi_numbers", body)
        labels = dataset(file, "class_labels", body)[()] if version == 3 else _attribute(scores, "class_labels")
        holder = scores if version == 2 else file.get("metadata")
        for name in [] if holder is None else _bins_said(holder, texts):
            if name != bin_id:
                raise ScoresError(f"bin {bin_id}: its class scores say that they are of {name[:80]!r}")
        return tuple(map(decoded, labels)), rois[()], scores[()]


def dataset(file: Any, name: str, body: bytes) -> Any:
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
    return list(map(decoded, _attribute(holder, "bin_id")))


def _attribute(holder: Any, name: str) -> list[Any]:
    """Read one text or several. Reading any other type would not be safe.

    Of texts of any length (the labels of version 2) the library takes what memory a damaged one says, some 2 GB.
    """
    import h5py

    if name not in holder.attrs or not isinstance(holder.attrs.get_id(name).get_type(), h5py.h5t.TypeStringID):
        raise ValueError(f"it has no {name} of texts")
    return list(np.ravel(holder.attrs[name]))


def decoded(label: Any) -> str:
    """Turn what the library gives for a text into one. Raises ValueError if it is none."""
    if isinstance(label, bytes):
        return label.decode("utf-8")
    if not isinstance(label, str):
        raise ValueError("a label that is not text")
    return str(label)
