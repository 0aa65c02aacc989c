"""Class scores in `.mat` and `.h5`: the three versions, and files that would mislead the libraries."""

import io
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ifcb_abundance.common.errors import ScoresError
from ifcb_abundance.scores.decide import Decision
from ifcb_abundance.scores.packed import MOST_BYTES, read_packed
from ifcb_abundance.scores.summary import (
    count_by,
    find_winners,
    read_score_file,
    read_summary,
    summarize_scores,
)
from ifcb_abundance.sources.source_file import SourceFile
from tests.raw_files import NEW, scores_h5, scores_mat
from tests.scores.reading import read_scores

BIN = "D20240215T150055_IFCB010"
LABELS = ("Akashiwo", "Chaetoceros, single cell", "nano <10um")
ROIS = [2, 3, 17]
SCORES = [[0.75, 0.125, 0.125], [0.25, 0.5, 0.25], [0, 0, 1]]  # exact in float16


def of_version(version: int, scores: object = SCORES) -> bytes:
    return scores_mat(LABELS, ROIS, scores) if version == 1 else scores_h5(version, BIN, LABELS, ROIS, scores)


def address(version: int) -> str:
    return f"archive/{BIN}_class{ {1: '_v1.mat', 2: '_v2.h5', 3: '.h5'}[version] }"


@pytest.mark.parametrize("version", [1, 2, 3])
def test_the_three_versions(version: int) -> None:
    labels, rois, scores = read_packed(BIN, of_version(version))
    assert labels == LABELS
    assert (rois.tolist(), rois.dtype) == (ROIS, np.int64)
    assert (scores.tolist(), scores.dtype) == (SCORES, np.float64)
    classes, again = read_score_file(BIN, SourceFile(address(version), of_version(version)))
    assert classes == LABELS
    assert np.array_equal(again, scores)


@pytest.mark.parametrize("version", [1, 2, 3])
def test_none_scores_and_one_roi(version: int) -> None:
    make: Callable[..., bytes] = scores_mat if version == 1 else lambda *of: scores_h5(version, BIN, *of)
    labels, rois, scores = read_packed(BIN, make(LABELS, np.empty(0, int), []))
    assert (labels, len(rois), scores.shape) == (LABELS, 0, (0, 3))
    labels, rois, scores = read_packed(BIN, make(("a",), [5], [[0.5]]))
    assert (labels, rois.tolist(), scores.tolist()) == (("a",), [5], [[0.5]])


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.lists(st.floats(0, 1, width=16), min_size=2, max_size=2), min_size=1, max_size=6),
    st.sampled_from([1, 2, 3]),
    st.floats(0, 1),
)
def test_counts_as_from_a_csv_of_the_same_scores(rows: list[list[float]], version: int, threshold: float) -> None:
    rois = list(range(1, len(rows) + 1))
    packed = scores_mat("ab", rois, rows) if version == 1 else scores_h5(version, BIN, "ab", rois, rows)
    lines = [f"{BIN}_{n:05d},{a!r},{b!r}\n" for n, (a, b) in zip(rois, rows, strict=True)]
    text = "pid,a,b\n" + "".join(lines)
    both = (read_score_file(BIN, SourceFile(address(version), packed)), read_scores(BIN, text.encode()))
    for precision in ("float16", "float32", "float64"):
        counts = [count_by(*(c, find_winners(s)), Decision(threshold, {}, precision)).counts.tolist() for c, s in both]
        assert counts[0] == counts[1]


def test_a_float16_of_0_8_reaches_0_8_in_float16_only() -> None:
    _, _, scores = read_packed(BIN, scores_h5(3, BIN, ["a"], [1], [[0.8]]))
    assert scores.tolist() == [[0.7998046875]]
    counts = [
        count_by(("a",), find_winners(scores), Decision(0.8, {}, p)).counts.tolist()
        for p in ("float16", "float32", "float64")
    ]
    assert counts == [[1], [0], [0]]


def test_missing_scores_stay_missing() -> None:
    for body in (scores_h5(3, BIN, "ab", [1], [[np.nan, 0.5]]), scores_mat("ab", [1], [[np.nan, 0.5]])):
        _, _, scores = read_packed(BIN, body)
        assert np.isnan(scores).tolist() == [[True, False]]


@pytest.mark.parametrize("version", [2, 3])
def test_a_file_of_another_bin(version: int) -> None:
    with pytest.raises(ScoresError, match=f"bin {BIN}: its class scores say that they are of '{NEW}'"):
        read_packed(BIN, scores_h5(version, NEW, LABELS, ROIS, SCORES))
    assert read_packed(BIN, scores_h5(version, None, LABELS, ROIS, SCORES))[0] == LABELS


def test_a_mat_without_a_last_label_unclassified_and_one_not_compressed() -> None:
    plain = scores_mat(LABELS, ROIS, SCORES, compressed=False)
    assert read_packed(BIN, plain)[2].tolist() == SCORES
    cells = np.array(["a", "b"], dtype=object)
    body = scores_mat("abc", ROIS, SCORES, class2useTB=cells, TBscores=np.array(SCORES)[:, :2])
    assert read_packed(BIN, body)[0] == ("a", "b")


BAD = {
    "no scores": scores_h5(3, BIN, LABELS, ROIS, SCORES, without=["scores"]),
    "no labels": scores_h5(3, BIN, LABELS, ROIS, SCORES, without=["class_labels"]),
    "no rois": scores_h5(2, BIN, LABELS, ROIS, SCORES, without=["roi_numbers"]),
    "a ROI too few": scores_h5(3, BIN, LABELS, ROIS[:2], SCORES),
    "a ROI twice": scores_h5(3, BIN, LABELS, [2, 2, 3], SCORES),
    "ROI 0": scores_h5(3, BIN, LABELS, [0, 1, 2], SCORES),
    "ROI 1.5": scores_h5(3, BIN, LABELS, [1.5, 2, 3], SCORES),
    "ROIs in float16": scores_h5(3, BIN, LABELS, np.array([2048, 2049, 2050], "float16"), SCORES),
    "ROIs of texts": scores_h5(3, BIN, LABELS, np.array([b"1", b"2", b"3"]), SCORES),
    "other way round": scores_h5(3, BIN, LABELS, ROIS[:2], [], without=["scores"], output_scores=np.ones((3, 2), "f2")),
    "whole numbers": scores_h5(3, BIN, LABELS, ROIS, SCORES, dtype="int32"),
    "above 1": scores_h5(3, BIN, LABELS, ROIS, [[1.5, 0, 0], *SCORES[1:]]),
    "below 0": scores_mat(LABELS, ROIS, [[-0.5, 0, 0], *SCORES[1:]]),
    "infinite": scores_h5(2, BIN, LABELS, ROIS, [[np.inf, 0, 0], *SCORES[1:]]),
    "no classes": scores_h5(3, BIN, [], [], []),
    "a label twice": scores_h5(3, BIN, "aba", ROIS, SCORES),
    "a formula": scores_h5(3, BIN, ["a", "=1+1", "b"], ROIS, SCORES),
    "an empty label": scores_mat(["a", " ", ""], ROIS, SCORES),
    "no roinum": scores_mat(LABELS, ROIS, SCORES, compressed=False).replace(b"roinum", b"roinxm"),
    "labels of numbers": scores_mat("ab", ROIS, np.array(SCORES)[:, :2], class2useTB=np.array([[1.0, 2.0]])),
    "scores of texts": scores_mat("ab", ROIS, np.array(SCORES)[:, :2], TBscores=np.array(["a", "b", "c"])),
    "three axes": scores_mat("ab", ROIS, np.array(SCORES)[:, :2], TBscores=np.ones((3, 2, 2))),
    "MATLAB 7.3": b"MATLAB 7.3 MAT-file".ljust(512) + scores_h5(3, BIN, LABELS, ROIS, SCORES),
    "csv": b"pid,a\n",
    "empty": b"",
    "signature": b"\x89HDF\r\n\x1a\n",
    "header": b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\x01IM",
}


def refusal_of(body: bytes) -> str:
    with pytest.raises(ScoresError, match=f"bin {BIN}: ") as error:
        read_score_file(BIN, SourceFile("a.mat" if body.startswith(b"MATLAB") else "a.h5", body))
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 600
    return str(error.value)


@pytest.mark.parametrize("why", BAD)
def test_what_is_not_class_scores_is_refused(why: str) -> None:
    refusal_of(BAD[why])


def test_what_is_too_large_is_refused() -> None:
    body = of_version(3).ljust(MOST_BYTES, b"\0")
    assert read_packed(BIN, body)[2].tolist() == SCORES
    assert "have 67,108,865 bytes, more than any bin's" in refusal_of(body + b"\0")


@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_file_that_breaks_off(version: int) -> None:
    body = of_version(version)
    for cut in range(20, len(body), max(1, len(body) // 50)):
        try:
            _, _, scores = read_packed(BIN, body[:cut])
        except ScoresError:
            continue
        assert scores.tolist() == SCORES  # what is lost was padding


class OneFile:
    """A source with one score file."""

    def __init__(self, file: SourceFile) -> None:
        self.file = file

    def scores_identity_of(self, bin_id: str) -> dict[str, str]:  # noqa: ARG002
        return {"address": self.file.address}

    def read_scores(self, bin_id: str) -> SourceFile:  # noqa: ARG002
        return self.file


@pytest.mark.parametrize("version", [1, 2, 3])
def test_the_summary_of_a_bin_is_that_of_its_csv_and_says_what_was_read(version: int, tmp_path: Path) -> None:
    body = of_version(version)
    source = OneFile(SourceFile(address(version), body))
    found = summarize_scores(source, BIN, tmp_path / "packed.parquet", record_failures=False)  # type: ignore[arg-type]
    assert (found.status, found.address, found.classes) == ("read", address(version), LABELS)
    assert (found.sha256, found.bytes) == (sha256(body).hexdigest(), len(body))
    _, winners = read_summary(tmp_path / "packed.parquet")
    assert count_by(LABELS, winners, Decision(0.75, {}, "float16")).counts.tolist() == [1, 0, 1]
    cut = OneFile(SourceFile(address(version), body[:100]))
    with pytest.raises(ScoresError, match=rf"bin {BIN}: .*\({address(version)}\)"):
        summarize_scores(cut, BIN, tmp_path / "cut.parquet", record_failures=False)  # type: ignore[arg-type]
    failed = summarize_scores(cut, BIN, tmp_path / "cut.parquet", record_failures=True)  # type: ignore[arg-type]
    assert failed.status == "failed"


def test_a_dashboard_cannot_send_such_a_file() -> None:
    for version in (1, 3):
        with pytest.raises(ScoresError, match="header"):
            read_score_file(BIN, SourceFile(f"http://x/mvco/{BIN}_class_scores.csv", of_version(version)))


# --- files that would take the library all memory, for ever, or elsewhere ---


def refused_in_little_memory(body: bytes, match: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(ScoresError, match=match):
            read_packed(BIN, body)
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 3 * MOST_BYTES


def h5_with(change: Callable[[h5py.File], None]) -> bytes:
    file = io.BytesIO(scores_h5(3, BIN, LABELS, ROIS, SCORES, without=["scores"]))
    with h5py.File(file, "r+") as h5:
        change(h5)
    return file.getvalue()


def test_a_shape_of_more_than_all_memory() -> None:
    body = h5_with(lambda h5: h5.create_dataset("output_scores", (10**9, 10**6), "f2", chunks=(10, 10)))
    refused_in_little_memory(body, "have the shape")


def test_chunks_of_more_than_all_memory() -> None:
    def change(h5: h5py.File) -> None:
        h5.create_dataset("output_scores", (3, 3), "f2", chunks=(2**14, 2**14), maxshape=(None, None), compression=9)
        h5["output_scores"].id.write_direct_chunk((0, 0), zlib.compress(b"\0" * 10**7))

    refused_in_little_memory(h5_with(change), "chunks of")


def test_a_chunk_that_unpacks_to_more_than_it_holds() -> None:
    def change(h5: h5py.File) -> None:
        h5.create_dataset("output_scores", (3, 3), "f2", chunks=(3, 3), compression=9)
        h5["output_scores"].id.write_direct_chunk((0, 0), zlib.compress(b"\0" * 10**8))

    refused_in_little_memory(h5_with(change), "a chunk of")


def test_scores_that_lie_in_another_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"\0" * 18)
    (tmp_path / "other.h5").write_bytes(of_version(3))
    outside = [(str(secret), 0, 18)]
    layout = h5py.VirtualLayout((3, 3), "f2")
    layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "output_scores", (3, 3))

    def link(h5: h5py.File) -> None:
        h5["output_scores"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "output_scores")

    for change, match in (
        (lambda h5: h5.create_dataset("output_scores", (3, 3), "f2", external=outside), "lie in another file"),
        (lambda h5: h5.create_virtual_dataset("output_scores", layout), "lie in another file"),
        (link, "it has no output_scores"),
    ):
        refused_in_little_memory(h5_with(change), match)


def test_a_heap_that_never_ends() -> None:
    body = of_version(3)
    start = body.index(b"GCOL")
    for at, change in ((16, b"\0" * 16), (24, b"\xff" * 8), (8, b"\xff" * 8), (8, b"\0" * 8)):
        damaged = body[: start + at] + change + body[start + at + len(change) :]
        refused_in_little_memory(damaged, "a heap of texts is damaged")


def test_a_label_that_is_longer_than_all_memory() -> None:
    body = of_version(3)
    with h5py.File(io.BytesIO(body), "r") as h5:
        at = h5["class_labels"].id.get_offset()
    assert body[at : at + 4] == struct.pack("<I", len(LABELS[0]))
    refused_in_little_memory(body[:at] + b"\xff" * 4 + body[at + 4 :], "longer than the file")


def element(kind: int, data: bytes) -> bytes:
    return struct.pack("<II", kind, len(data)) + data + b"\0" * (-len(data) % 8)


def array(kind: int, dims: tuple[int, int], name: bytes, data: bytes) -> bytes:
    head = element(6, struct.pack("<II", kind, 0)) + element(5, struct.pack("<ii", *dims)) + element(1, name)
    return element(14, head + data)


MAT = of_version(1)[:128]
CELL = element(6, struct.pack("<II", 1, 0)) + element(5, struct.pack("<ii", 1, 1)) + element(1, b"")


def test_cells_within_each_other() -> None:
    nested = array(6, (0, 0), b"", element(9, b""))
    for _ in range(20_000):
        nested = struct.pack("<II", 14, len(CELL) + len(nested)) + CELL + nested
    refused_in_little_memory(MAT + array(1, (1, 1), b"class2useTB", nested), "a label that is not a line of text")


def test_a_mat_that_unpacks_to_more_than_all_memory() -> None:
    bomb = element(15, zlib.compress(b"\0" * (2 * MOST_BYTES), 9))
    refused_in_little_memory(MAT + bomb * 20, "bytes are packed in it")


@pytest.mark.parametrize("name", ["class2useTB", "roinum", "TBscores"])
def test_a_mat_of_large_numbers(name: str) -> None:
    kind = 1 if name == "class2useTB" else 6
    for dims in ((2**30, 2**30), (2**31 - 1, 1), (-1, -1)):
        refused_in_little_memory(MAT + array(kind, dims, name.encode(), b""), "its class scores cannot be read")
        filled = element(9, b"\0" * 80)
        refused_in_little_memory(MAT + array(kind, dims, name.encode(), filled), "its class scores cannot be read")


def test_other_variables_of_a_mat_may_be_anything() -> None:
    more = {"cube": np.ones((2, 2, 2)), "z": np.array([[1j]]), "TBclass": np.array(["a", "b"], dtype=object)}
    body = scores_mat(LABELS, ROIS, SCORES, **more, deep={"a": {"b": np.array([[1.0]])}}, none=np.empty((0, 0)))
    opaque = element(14, element(6, struct.pack("<II", 17, 0)) + element(1, b"tbl") + element(1, b"MCOS"))
    assert read_packed(BIN, body + opaque)[2].tolist() == SCORES
    with pytest.raises(ScoresError, match="its TBscores is an array of class 2054"):
        read_packed(BIN, scores_mat(LABELS, ROIS, SCORES, TBscores=np.full((3, 3), 1j)))


def test_numbers_that_look_like_a_heap() -> None:
    file = io.BytesIO(scores_h5(3, BIN, LABELS, [1, 2], np.zeros((2, 3)), without=["scores"]))
    with h5py.File(file, "r+") as h5:
        h5.create_dataset("output_scores", data=np.zeros((2, 3), "f4"))
        h5.create_dataset("more", data=np.frombuffer(b"GCOL" * 50, "u1"))
    assert read_packed(BIN, file.getvalue())[2].tolist() == [[0, 0, 0]] * 2


@pytest.mark.parametrize("packing", [{}, {"compression": 4}, {"shuffle": True, "compression": 9}])
@pytest.mark.parametrize("checksum", [False, True])
def test_scores_in_chunks(packing: dict[str, object], checksum: bool) -> None:
    for scores in (SCORES, np.random.default_rng(1).random((3, 3))):  # the latter do not get smaller
        body = h5_with(
            lambda h5, s=scores: h5.create_dataset(
                "output_scores", data=s, chunks=(2, 3), fletcher32=checksum, **packing
            )
        )
        assert np.array_equal(read_packed(BIN, body)[2], scores)


@pytest.mark.parametrize("layout", [h5py.h5d.COMPACT, h5py.h5d.CONTIGUOUS, h5py.h5d.CHUNKED])
def test_labels_in_any_layout(layout: int) -> None:
    file = io.BytesIO(scores_h5(3, BIN, LABELS, ROIS, SCORES, without=["class_labels"]))
    with h5py.File(file, "r+") as h5:
        plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plan.set_layout(layout)
        if layout == h5py.h5d.CHUNKED:
            plan.set_chunk((2,))  # the second is half empty
        texts, space = h5py.h5t.py_create(h5py.string_dtype(), logical=True), h5py.h5s.create_simple((3,))
        data = h5py.Dataset(h5py.h5d.create(h5.id, b"class_labels", texts, space, plan))
        data[:] = LABELS
    assert read_packed(BIN, file.getvalue())[0] == LABELS


def test_a_mat_as_other_machines_write_it() -> None:
    """Big-endian, texts of UTF-16, whole numbers in one byte, and small ones within their tag."""

    def big(kind: int, data: bytes, small: bool = False) -> bytes:
        if small:
            return struct.pack(">HH", len(data), kind) + data.ljust(4, b"\0")
        return struct.pack(">II", kind, len(data)) + data + b"\0" * (-len(data) % 8)

    def of(class_: int, dims: tuple[int, int], name: bytes, data: bytes) -> bytes:
        head = big(6, struct.pack(">II", class_, 0)) + big(5, struct.pack(">ii", *dims)) + big(1, name, len(name) < 5)
        return big(14, head + data)

    texts = b"".join(
        of(4, (1, len(x)), b"", big(4, x.encode("utf-16-be"), len(x) < 3)) for x in ("ab", "\u00e9\u00e8\u00e0")
    )
    body = (
        b"MATLAB 5.0 MAT-file".ljust(124)
        + b"\x01\0MI"
        + of(1, (1, 2), b"class2useTB", texts)
        + of(6, (3, 1), b"roinum", big(2, bytes([4, 5, 6]), small=True))
        + of(7, (3, 2), b"TBscores", big(7, struct.pack(">6f", 0.5, 0.25, 0, 0.125, 0.75, 1)))  # column by column
    )
    labels, rois, scores = read_packed(BIN, body)
    assert labels == ("ab", "\u00e9\u00e8\u00e0")
    assert rois.tolist() == [4, 5, 6]
    assert scores.tolist() == [[0.5, 0.125], [0.25, 0.75], [0, 1]]
