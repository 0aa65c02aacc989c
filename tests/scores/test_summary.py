"""From class scores to winners, from winners to counts, and the summary file between them."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from random import Random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ifcb_abundance.classes.labels import UNCLASSIFIED
from ifcb_abundance.classes.thresholds import read_class_thresholds
from ifcb_abundance.common.errors import ScoresError
from ifcb_abundance.common.precision import PRECISIONS
from ifcb_abundance.scores.decide import Decision
from ifcb_abundance.scores.summary import (
    Provenance,
    count_by,
    find_winners,
    label_set,
    labels_of_rois,
    read_rois,
    read_summary,
    summarize_scores,
    write_summary,
)
from ifcb_abundance.sources.directory import DirectorySource
from ifcb_abundance.sources.source_file import SourceFile
from tests.archives import write_scores
from tests.raw_files import scores_h5, scores_mat
from tests.scores.reading import read_scores

BIN = "D20240215T150055_IFCB010"
SHARED = Path(__file__).parents[2].parent / "shared" / "data"
shared = pytest.mark.skipif(not SHARED.exists(), reason=f"no shared data in {SHARED}")
DTYPES = {"float16": np.float16, "float32": np.float32, "float64": np.float64}


def score_file(labels: Sequence[str], rows: Sequence[Sequence[object]], bin_id: str = BIN) -> bytes:
    text = io.StringIO()
    out = csv.writer(text, lineterminator="\n")
    out.writerow(["pid", *labels])
    out.writerows([f"{bin_id}_{roi:05d}", *row] for roi, row in enumerate(rows, start=2))
    return text.getvalue().encode()


def counted(body: bytes, threshold: float, precision: str, own: Mapping[str, float] | None = None) -> list[int]:
    classes, scores = read_scores(BIN, body)
    return count_by(classes, find_winners(scores), Decision(threshold, own or {}, precision)).counts.tolist()


def counted_roi_by_roi(body: bytes, threshold: float, precision: str, own: Mapping[str, float]) -> list[int]:
    """The same from the text of the file, one ROI and one cell after the other."""
    rounded = DTYPES[precision]
    header, *rows = csv.reader(io.StringIO(body.decode(), newline=""))
    counts = dict.fromkeys(header[1:], 0)
    for row in rows:
        won, best = None, None
        for label, cell in zip(header[1:], row[1:], strict=True):
            if cell not in ("", "nan", "NaN", "NA") and (best is None or rounded(float(cell)) > best):
                won, best = label, rounded(float(cell))
        if won is not None and best >= rounded(own.get(won, threshold)):
            counts[won] += 1
    return list(counts.values())


# Values that tie or touch a threshold in one precision and not in another are likely, not rare.
BASES = [0.0, 1e-7, 0.125, 0.5, 0.7, 0.8, 0.9, 1.0]
NEAR = st.builds(lambda base, by: min(1.0, base + by), st.sampled_from(BASES), st.sampled_from([0, 1e-12, 1e-6, 2e-4]))
NUMBERS = st.one_of(NEAR, st.floats(0, 1), st.floats(0, 1, width=16), st.floats(0, 1, width=32))
PRINTED = st.one_of(
    NUMBERS.map(repr),
    NUMBERS.map(lambda x: str(np.float16(x))),
    NUMBERS.map(lambda x: str(float(np.float16(x)))),
    NUMBERS.map(lambda x: str(np.float32(x))),
)
CELLS = st.one_of(PRINTED, PRINTED, PRINTED, st.sampled_from(["", "nan", "NaN", "NA"]))
LABELS = st.one_of(
    st.sampled_from(["NA", "nan", "a,b", 'a "b"', "nano <10um", "_TAG_x", "Pseudo-nitzschia", "unclassified", "pid"]),
    st.text(
        st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="=+-@;\uff1d\uff0b\uff0d\uff20"),
        min_size=1,
        max_size=8,
    ),
)


@st.composite
def score_files(draw: st.DrawFn, cells: st.SearchStrategy = CELLS) -> tuple[list[str], list[list[str]]]:
    labels = draw(st.lists(LABELS, min_size=1, max_size=5, unique=True))
    n = len(labels)
    tied = cells.map(lambda cell: [cell] * n)
    row = st.one_of(st.lists(cells, min_size=n, max_size=n), tied)
    if cells is CELLS:  # scores that are a tie in a lower precision only
        by = st.sampled_from([0, 1e-12, 1e-9, 1e-6])
        row |= st.builds(
            lambda base, steps: [repr(base - step) for step in steps],
            st.sampled_from([0.3, 0.7, 0.8, 1.0]),
            st.lists(by, min_size=n, max_size=n),
        )
    return labels, draw(st.lists(row, max_size=8))


@pytest.fixture(scope="module")
def summary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bins") / "summary.parquet"


@settings(max_examples=300, deadline=None)
@given(score_files(), st.data())
def test_counts_of_a_summary_are_those_of_the_file_roi_by_roi(
    summary: Path, file: tuple[list[str], list[list[str]]], data: st.DataObject
) -> None:
    labels, rows = file
    body = score_file(labels, rows)
    classes, scores = read_scores(BIN, body)
    assert classes == tuple(labels)
    origin = {"address": "https://x/y", "sha256": sha256(body).hexdigest(), "bytes": len(body), "server": "ifcbdb 5.2"}
    said = Provenance(BIN, "read", classes=classes, **origin)
    write_summary(said, find_winners(scores), summary)
    provenance, winners = read_summary(summary)
    assert provenance == said
    assert winners.n_rois.sum() == len(rows)
    thresholds = st.one_of(NUMBERS, st.sampled_from([float(c) for row in rows for c in row if c[:1].isdigit()] or [0]))
    for _ in range(3):
        threshold = data.draw(thresholds)
        own = data.draw(st.dictionaries(st.sampled_from([*labels, "of no class"]), thresholds, max_size=3))
        for precision in PRECISIONS:
            expected = counted_roi_by_roi(body, threshold, precision, own)
            assert count_by(classes, winners, Decision(threshold, own, precision)).counts.tolist() == expected


@settings(deadline=None)
@given(score_files(st.floats(0, 1, width=16).map(np.float16)), NUMBERS)
def test_short_and_widened_printings_count_the_same_in_float16(
    file: tuple[list[str], list[list[np.float16]]], threshold: float
) -> None:
    labels, rows = file
    short = score_file(labels, [[str(score) for score in row] for row in rows])
    widened = score_file(labels, [[repr(float(score)) for score in row] for row in rows])
    assert counted(short, threshold, "float16") == counted(widened, threshold, "float16")


def test_the_printing_decides_at_the_threshold_except_in_float16() -> None:
    short, widened = (score_file(["a"], [[cell]]) for cell in ("0.8", "0.7998046875"))
    assert [counted(short, 0.8, p) for p in ("float16", "float32", "float64")] == [[1], [1], [1]]
    assert [counted(widened, 0.8, p) for p in ("float16", "float32", "float64")] == [[1], [0], [0]]


@shared
@pytest.mark.parametrize("threshold", [0.5, 0.7, 0.8, 0.9])
def test_recorded_printings_of_three_dashboards_count_the_same(threshold: float) -> None:
    counts = []
    for version in ("5.0", "5.1", "5.2"):
        body = (SHARED / "recorded" / version / "cs_ok.body").read_bytes()
        bin_id = body.split(b"\n")[1].split(b",")[0].strip(b'"').decode().rsplit("_", 1)[0]
        classes, scores = read_scores(bin_id, body)
        assert len(scores) == body.count(b"\n") - 1
        counts.append(count_by(classes, find_winners(scores), Decision(threshold, {}, "float16")).counts.tolist())
    assert counts[0] == counts[1] == counts[2]
    assert sum(counts[0]) > 0


# --- single rules ---


@pytest.mark.parametrize(
    ("cells", "threshold", "own", "expected"),
    [
        (["0.5", "0.5", "0.5"], 0.5, {}, [1, 0, 0]),  # first column wins ties
        (["0.1", "0.6", "0.6"], 0.5, {}, [0, 1, 0]),
        (["0.7", "0.1", "0.1"], 0.7, {}, [1, 0, 0]),  # >=
        (["0.69", "0.1", "0.1"], 0.7, {}, [0, 0, 0]),
        (["0.6", "0.5", "0"], 0.4, {"a": 0.9}, [0, 0, 0]),  # the winner fails: the second does not move up
        (["0.6", "0.5", "0"], 0.9, {"a": 0.6}, [1, 0, 0]),
        (["", "0.8", "NaN"], 0.7, {}, [0, 1, 0]),  # counts by its best score
        (["", "nan", "NA"], 0.0, {}, [0, 0, 0]),  # without any it is unclassified at any threshold
        (["0", "0", "0"], 0.0, {}, [1, 0, 0]),
        (["1", "0", "0"], 1.0, {}, [1, 0, 0]),
        (["0.70001", "0.70002", "0"], 0.7, {}, [1, 0, 0]),  # equal in float16
    ],
)
def test_one_roi(cells: list[str], threshold: float, own: dict[str, float], expected: list[int]) -> None:
    assert counted(score_file("abc", [cells]), threshold, "float16", own) == expected


def test_a_summary_says_who_won_at_which_score_in_which_precision(summary: Path) -> None:
    """The format at the top of the module, for whoever reads the files without it."""
    rows = [["0.8", "0.80001"], ["0.7999999999", "0.8"], ["0.1", "0.9"], ["0.1", "0.9"], ["", ""]]
    classes, scores = read_scores(BIN, score_file("ab", rows))
    write_summary(Provenance(BIN, "read", classes=classes), find_winners(scores), summary)
    table = [tuple(row.values()) for row in pq.read_table(summary).to_pylist()]
    assert sorted(table, key=str) == sorted(
        [
            ("b", 0.80001, 1, None, "a"),
            ("b", 0.8, 1, "a", "a"),
            ("b", 0.9, 2, None, None),
            (None, None, 1, None, None),
        ],
        key=str,
    )


def test_header_only_is_a_bin_without_rois(summary: Path) -> None:
    for body in (b"pid,a,b\n", b"pid,a,b\r\n", b'\xef\xbb\xbf"pid","a","b"\n\n'):
        classes, scores = read_scores(BIN, body)
        assert (classes, scores.shape) == (("a", "b"), (0, 2))
        write_summary(Provenance(BIN, "read", classes=classes), find_winners(scores), summary)
        assert read_summary(summary)[1].n_rois.sum() == 0
        assert count_by(classes, read_summary(summary)[1], Decision(0.0, {}, "float16")).counts.tolist() == [0, 0]


def test_line_ends_quotes_and_a_byte_order_mark_change_nothing() -> None:
    plain = score_file(["a", "b"], [["0.5", "0.25"], ["", "1"]])
    quoted = (
        "\ufeff" + "\r\n".join(",".join(f'"{c}"' for c in line.split(",")) for line in plain.decode().split()) + "\r\n"
    )
    classes, scores = read_scores(BIN, quoted.encode())
    assert classes == ("a", "b")
    np.testing.assert_array_equal(scores, [[0.5, 0.25], [math.nan, 1]])


@pytest.mark.parametrize("end", [b"", b"_00003,0.5", b"_00003,0.5,0.2"])
def test_a_file_without_its_last_line_end_may_lack_digits(end: bytes) -> None:
    body = score_file(["a", "b"], [["0.5", "0.25"]]) + (BIN.encode() + end if end else b"")
    if not end:
        body = body[:-1]
    with pytest.raises(ScoresError, match=rf"bin {BIN}: its class scores are truncated"):
        read_scores(BIN, body)


@given(score_files(), st.randoms())
def test_the_order_of_rois_does_not_show(file: tuple[list[str], list[list[str]]], random: Random) -> None:
    labels, rows = file
    shuffled = random.sample(rows, len(rows))
    one, two = (find_winners(read_scores(BIN, score_file(labels, r))[1]) for r in (rows, shuffled))
    np.testing.assert_array_equal(one.score, two.score)
    np.testing.assert_array_equal(one.n_rois, two.n_rois)
    for precision in PRECISIONS:
        np.testing.assert_array_equal(one.winner[precision], two.winner[precision])


# --- what is refused ---

ROI = f"{BIN}_00002"


@pytest.mark.parametrize(
    "body",
    [
        *(
            b"",
            b"\n",
            b"pid\n",
            b"roi,a,b\n",
            b"pid,a,a\n",
            b"pid,a,\n",
            b'pid,"a\n',
            b"pid\ta\tb\n",
            b"pid,\xff\xfe\n",
        ),
        *(b"pid,a\0\n", b'pid,"a\rb"\n', b"\0" * 100, b"PK\x03\x04\x14\x00\x00\x00", b'{"detail": "not found"}'),
        b"<!DOCTYPE html>\n<html><title>Not Found</title></html>\n",
        f"pid,a,b\r{ROI},0.5,0.5\r".encode(),
        *(
            f"pid,a,b\n{roi},0.5,0.5\n".encode()
            for roi in (
                "",
                "NA",
                "2",
                BIN,
                f"{BIN}_",
                f"{BIN}_x",
                f"x{ROI}",
                f"{ROI}_1",
                f"{ROI}\0",
                "D20240215T150055_IFCB011_00002",
            )
        ),
        *(
            f"pid,a,b\n{ROI}{cells}\n".encode()
            for cells in (
                "",
                ",0.5",
                ",0.5,0.5,0.5",
                ",x,0.5",
                ",null,0.5",
                ",true,0.5",
                ",0.5,\0",
                ",0.5,0\x000",
                ',0.5,"0.5',
            )
        ),
        *(f"pid,a,b\n{ROI},{score},0.5\n".encode() for score in ("1.5", "-0.1", "inf", "-inf", "1e300")),
        f"pid,a,b\n{ROI},0.5,0.5\n{ROI},0.4,0.4\n".encode(),
        f"pid,a,b\n{ROI},0.5,0.5\n<html>502 Bad Gateway</html>\n".encode(),
        f"pid,a,b\n{ROI},0.5,".encode() + b"\xff\n",
        f"pid,a,b\n{BIN}_".encode() + b"\xff,0.5,0.5\n",
    ],
)
def test_what_is_not_a_score_file_of_the_bin_is_refused(body: bytes) -> None:
    with pytest.raises(ScoresError, match=BIN):
        read_scores(BIN, body)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        *((empty, "not class scores: the file is empty") for empty in (b"", b"\n", b" \r\n")),
        (f"pid;a;b\n{ROI};0,5;0,5\n".encode(), "its columns are separated by semicolons; commas are needed"),
        (f'\ufeff"pid";"a";"b"\n{ROI};0.5;0.5\n'.encode(), "its columns are separated by semicolons"),
        (f"pid\ta\tb\n{ROI}\t0.5\t0.5\n".encode(), "its columns are separated by tabs"),
        (
            f"pid,a,b\n{ROI},0.5,NA\n\n{BIN}_00003,nan,high\n".encode(),
            f"line 4, ROI {BIN}_00003, class 'b': 'high' is not a number",
        ),
        (f'pid,a,b\n{ROI},"0,5",0.5\n'.encode(), f"line 2, ROI {ROI}, class 'a': '0,5' is not a number: use a decimal"),
        (f"pid,a\n{ROI},0,5\n".encode(), "line 2 has 3 cells, not 2: .* Is 0,5 a number with a decimal comma"),
        (f"pid,a,b\n{ROI},0.5\n".encode(), "line 2 has 2 cells, not 3"),
    ],
)
def test_what_is_wrong_with_a_score_file_is_said_in_its_own_words(body: bytes, told: str) -> None:
    with pytest.raises(ScoresError, match=f"bin {BIN}: .*{told}"):
        read_scores(BIN, body)


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_any_bytes_give_scores_or_a_scores_error(data: st.DataObject) -> None:
    body = data.draw(st.one_of(st.binary(max_size=60).map(lambda b: b"pid,a\n" + b), score_files().map(_as_body)))
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(body)))
        piece = st.one_of(
            st.binary(max_size=3), st.sampled_from([b",", b'"', b"\n", b"\r", b"\0", b"e9", b"-", b"nan"])
        )
        body = body[:at] + data.draw(piece) + body[at + data.draw(st.integers(0, 3)) :]
    refused = ""
    try:
        classes, scores = read_scores(BIN, body)
    except ScoresError as error:
        refused = str(error)
    if refused:
        assert BIN in refused
        return
    assert scores.shape[1] == len(classes) == len(set(classes)) > 0
    assert (np.isnan(scores) | ((scores >= 0) & (scores <= 1))).all()


def _as_body(file: tuple[list[str], list[list[str]]]) -> bytes:
    return score_file(*file)


# --- the summary file ---


def test_summary_bytes_are_the_same_each_time(tmp_path: Path) -> None:
    body = score_file(["a", "NA", 'x,"y'], [["0.1", "0.2", "0.3"], ["0.8", "0.80001", ""], ["", "", ""]] * 5)
    written = []
    for name in ("one", "two"):
        classes, scores = read_scores(BIN, body)
        write_summary(Provenance(BIN, "read", classes=classes), find_winners(scores), tmp_path / name)
        written.append((tmp_path / name).read_bytes())
    assert written[0] == written[1]


def readable(path: Path, data: bytes) -> bool:
    """Whether the file is a summary; anything raised but a ScoresError that names the file goes through."""
    path.write_bytes(data)
    refused = ""
    try:
        read_summary(path)
    except ScoresError as error:
        refused = str(error)
    assert not refused or str(path) in refused
    return not refused


@pytest.fixture
def good(summary: Path) -> bytes:
    classes, scores = read_scores(BIN, score_file(["a", "bb"], [["0.1", "0.2"], ["0.8", "0.80001"], ["", ""]]))
    write_summary(Provenance(BIN, "read", classes=classes), find_winners(scores), summary)
    return summary.read_bytes()


def test_a_cut_summary_is_refused(summary: Path, good: bytes) -> None:
    assert readable(summary, good)
    assert not any(readable(summary, good[:length]) for length in range(len(good)))


@pytest.mark.filterwarnings("ignore:invalid value encountered in cast")
def test_a_summary_with_a_damaged_byte_gives_no_error_but_a_scores_error(summary: Path, good: bytes) -> None:
    others = {}
    for at in range(len(good)):
        try:
            readable(summary, good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
        except Exception as error:
            others[f"{type(error).__name__}: {error}"] = at
    assert not others


@pytest.mark.parametrize("metadata", [None, {"ifcb": "{}"}, {"ifcb": "[]"}, {"ifcb": "x"}, {"other": "{}"}])
def test_another_parquet_file_is_refused(summary: Path, metadata: dict[str, str] | None) -> None:
    pq.write_table(pa.table({"x": [1]}).replace_schema_metadata(metadata), summary)
    assert not readable(summary, summary.read_bytes())


def test_a_summary_without_its_columns_is_refused(summary: Path, good: bytes) -> None:
    summary.write_bytes(good)
    pq.write_table(pq.read_table(summary).drop_columns(["class_float16"]), summary)
    assert not readable(summary, summary.read_bytes())


def test_a_missing_summary_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ScoresError, match=r"none\.parquet"):
        read_summary(tmp_path / "none.parquet")


# --- from a source to a summary ---


def test_a_bin_is_summarized_with_its_provenance(tmp_path: Path) -> None:
    path = write_scores(tmp_path / "archive", BIN, ["a", "b"], [[0.9, 0.1], [0.2, 0.3]])
    summarize_scores(DirectorySource(str(tmp_path / "archive")), BIN, tmp_path / "s.parquet", record_failures=False)
    provenance, winners = read_summary(tmp_path / "s.parquet")
    body = path.read_bytes()
    assert provenance == Provenance(
        BIN, "read", "", path.as_posix(), sha256(body).hexdigest(), len(body), classes=("a", "b")
    )
    assert count_by(provenance.classes, winners, Decision(0.7, {}, "float16")).counts.tolist() == [1, 0]


def test_a_bin_without_scores_is_written_down(tmp_path: Path) -> None:
    (tmp_path / "archive").mkdir()
    summarize_scores(DirectorySource(str(tmp_path / "archive")), BIN, tmp_path / "s.parquet", record_failures=False)
    provenance, winners = read_summary(tmp_path / "s.parquet")
    assert (provenance.status, provenance.classes, len(winners.n_rois)) == ("no_scores", (), 0)
    assert f"{BIN}_class_scores.csv" in provenance.reason


def test_a_bad_file_stops_or_is_recorded_with_its_address(tmp_path: Path) -> None:
    path = write_scores(tmp_path / "archive", BIN, ["a"], [[1.5]])
    archive, summary = DirectorySource(str(tmp_path / "archive")), tmp_path / "s.parquet"
    with pytest.raises(ScoresError) as refused:
        summarize_scores(archive, BIN, summary, record_failures=False)
    assert not summary.exists()
    assert BIN in str(refused.value)
    assert path.as_posix() in str(refused.value)
    summarize_scores(archive, BIN, summary, record_failures=True)
    provenance, winners = read_summary(summary)
    assert (provenance.status, provenance.reason) == ("failed", str(refused.value))
    assert winners.n_rois.sum() == 0


# --- real scores, and the labels that other tools gave them ---


def labels_of(name: str, own: Mapping[str, float], threshold: float, precision: str) -> list[str]:
    """The class of each ROI of a real score file, `unclassified` below its threshold."""
    classes, scores = read_scores(name, (SHARED / "scores" / f"{name}_class_scores.csv").read_bytes())
    labels = []
    for row in scores:
        counts = count_by(classes, find_winners(row[None, :]), Decision(threshold, own, precision)).counts
        labels.append(dict(zip(counts.tolist(), classes, strict=True)).get(1, "unclassified"))
    return labels


def expected_labels(name: str, column: str) -> list[str]:
    """Of the ROIs in the order of the score file."""
    with (SHARED / "scores" / f"{name}_expected_labels.csv").open(newline="") as file:
        by_roi = {int(row["roi"]): row[column] for row in csv.DictReader(file)}
    with (SHARED / "scores" / f"{name}_class_scores.csv").open(newline="") as file:
        rois = [int(row["pid"].rsplit("_", 1)[1]) for row in csv.DictReader(file)]
    assert sorted(rois) == sorted(by_roi)
    return [by_roi[roi] for roi in rois]


@shared
@pytest.mark.parametrize("precision", PRECISIONS)
def test_labels_of_a_neural_network(precision: str) -> None:
    """Seven ROIs, 109 classes: `class_name` by the thresholds that came with them, `class_name_auto` without."""
    name = "D20220522T000439_IFCB134"
    own = read_class_thresholds(SHARED / "scores" / f"{name}_thresholds.csv")
    assert len(own) == 109
    assert labels_of(name, own, 1.0, precision) == expected_labels(name, "class_name")
    assert labels_of(name, {}, 0.0, precision) == expected_labels(name, "class_name_auto")


FOREST = "D20230314T001205_IFCB134"  # 1,218 ROIs, 36 classes


@shared
def test_winners_of_a_random_forest() -> None:
    """TBclass is the winner of each ROI, without a threshold. Four winners had as many votes as another class and are
    ahead by a rounding error of the sum: in a lower precision these are ties, and the first column has them."""
    expected = expected_labels(FOREST, "TBclass")
    assert labels_of(FOREST, {}, 0.0, "float64") == expected
    classes, scores = read_scores(FOREST, (SHARED / "scores" / f"{FOREST}_class_scores.csv").read_bytes())
    for precision in ("float32", "float16"):
        found = labels_of(FOREST, {}, 0.0, precision)
        others = [i for i in range(len(found)) if found[i] != expected[i]]
        assert len(others) == 4
        for i in others:
            ours, theirs = classes.index(found[i]), classes.index(expected[i])
            assert ours < theirs
            assert 0 < scores[i, theirs] - scores[i, ours] < 1e-15


@shared
def test_thresholds_of_a_random_forest() -> None:
    """TBclass_above_threshold leaves out the lowest scores of each class. Its thresholds did not come along, but any
    value above the last score that is out and not above the first that is in has to give the same labels."""
    winners, above = expected_labels(FOREST, "TBclass"), expected_labels(FOREST, "TBclass_above_threshold")
    assert above.count("unclassified") == 88
    _, scores = read_scores(FOREST, (SHARED / "scores" / f"{FOREST}_class_scores.csv").read_bytes())
    last_out, first_in = dict.fromkeys(winners, 0.0), dict.fromkeys(winners, 1.0)
    for score, won, label in zip(scores.max(axis=1).tolist(), winners, above, strict=True):
        if label == "unclassified":
            last_out[won] = max(last_out[won], score)
        else:
            first_in[won] = min(first_in[won], score)
    between = {label: (last_out[label] + first_in[label]) / 2 for label in first_in}
    assert labels_of(FOREST, between, 1.0, "float64") == above
    assert labels_of(FOREST, first_in, 1.0, "float64") == above  # `>=`
    assert labels_of(FOREST, last_out, 1.0, "float64") != above


def test_a_header_that_breaks_off_is_refused() -> None:
    with pytest.raises(ScoresError, match=BIN):
        read_scores(BIN, b"pid,Akash")


@pytest.mark.parametrize("order", ["le", "be"])
def test_utf_16_is_told_with_the_remedy(order: str) -> None:
    """As spreadsheets save what they call Unicode text."""
    with pytest.raises(ScoresError, match=f"bin {BIN}: its class scores are in UTF-16; save them in UTF-8"):
        read_scores(BIN, f"\ufeffpid,Akashiwo\n{BIN}_00002,0.5\n".encode(f"utf-16-{order}"))


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ("pid,A,B,A", "'A' is a duplicate"),
        ("pid,,B", "'' is empty"),
        ("pid,=A,B", "'=A' begins like a spreadsheet formula"),
        ("pid,A\x01,B", r"'A\\x01' holds a control character"),
        ("pid,,A,A", "'' is empty, 'A' is a duplicate"),
    ],
)
def test_each_label_that_cannot_be_used_is_named_with_the_reason(header: str, why: str) -> None:
    with pytest.raises(ScoresError, match=f"class labels that cannot be used: {why}$"):
        read_scores(BIN, f"{header}\n".encode())


def test_a_roi_written_in_two_ways_is_met_twice() -> None:
    body = f"pid,Akashiwo\n{BIN}_00002,0.5\n{BIN}_2,0.5\n".encode()
    with pytest.raises(ScoresError, match="a duplicate ROI"):
        read_scores(BIN, body)


@given(score_files(), st.floats(0, 1), st.sampled_from(PRECISIONS))
def test_rois_get_the_classes_that_are_counted(
    file: tuple[list[str], list[list[str]]], threshold: float, precision: str
) -> None:
    labels, rows = file
    assume(UNCLASSIFIED not in labels)  # a label of that name is the same class
    body = score_file(labels, rows)
    rois = read_rois(BIN, SourceFile("x.csv", body))
    assert rois.rois.tolist() == list(range(2, len(rows) + 2))
    told = labels_of_rois(rois, Decision(threshold, {}, precision))
    assert [told.count(label) for label in labels] == counted_roi_by_roi(body, threshold, precision, {})
    assert told.count(UNCLASSIFIED) == len(rows) - sum(counted_roi_by_roi(body, threshold, precision, {}))


def test_a_roi_keeps_its_number_in_every_format() -> None:
    scores = [[0.25, 0.75], [0.75, 0.5], [0.5, 0.25]]
    rois, labels = [7, 12, 3], ["a", "b"]
    text = "pid,a,b\n" + "".join(f"{BIN}_{n:05d},{a},{b}\n" for n, (a, b) in zip(rois, scores, strict=True))
    files = [
        SourceFile("x.csv", text.encode()),
        SourceFile("x.h5", scores_h5(3, BIN, labels, rois, scores)),
        SourceFile("x.mat", scores_mat(labels, rois, scores)),
    ]
    for file in files:
        read = read_rois(BIN, file)
        assert read.rois.tolist() == rois
        assert read.score.tolist() == [0.75, 0.75, 0.5]
        assert labels_of_rois(read, Decision(0.75, {}, "float16")) == ["b", "a", UNCLASSIFIED]
        assert labels_of_rois(read, Decision(0.5, {"a": 0.8}, "float16")) == ["b", UNCLASSIFIED, UNCLASSIFIED]


def test_a_label_set_is_called_by_its_labels_alone() -> None:
    # printf '["A", "B"]' | sha256sum
    assert label_set(("A", "B")) == label_set(("B", "A")) == "2 classes f2314439"
    assert label_set(("A",)) == "1 class d2a4b37c"
    assert label_set(()) == "0 classes 4f53cda1"
    assert label_set(("a", "b")) != label_set(("ab",)) != label_set(("a,b",))
