"""Class scores in the forms in use, the classifier's thresholds, and the rules by which a ROI counts."""

import io
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.io import loadmat, savemat

from ifcb_abundance.bins.statuses import ScoresStatus
from ifcb_abundance.common.errors import CatalogError, ConfigError, ScoresError
from ifcb_abundance.scores.decide import Decision, Kept, More
from ifcb_abundance.scores.summary import (
    Provenance,
    RoiWinners,
    count_bins,
    count_by,
    counts_of_summary,
    find_winners,
    is_enough,
    labels_of_rois,
    proves_itself,
    read_rois,
    read_summaries,
    read_summary,
    summarize_scores,
    write_summary,
)
from ifcb_abundance.sources.bin_files import FileOptions
from ifcb_abundance.sources.count_summary import SizeSummary, read_count_summary, read_size_summary
from ifcb_abundance.sources.directory import DirectorySource
from ifcb_abundance.sources.score_files import chosen, detect, index_scores
from ifcb_abundance.sources.source_file import SourceFile
from tests.raw_files import scores_h5, scores_mat

CASES = Path(__file__).parents[2].parent / "shared" / "data" / "cases"
BIN, OTHER = "D20240215T150055_IFCB010", "D20240216T150055_IFCB010"
needs_cases = pytest.mark.skipif(not CASES.exists(), reason="shared data is not there")
CLASSES = ("A", "B", "C")
SCORES = [[0.5, 0.4, 0.1], [0.3, 0.6, 0.1], [0.2, 0.3, 0.5]]


def rois_of(ending: str, body: bytes, kept: Kept | None = None) -> RoiWinners:
    return read_rois(BIN, SourceFile(f"a/{BIN}{ending}", body), kept or Kept())


# --- which files count ---


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ([f"{BIN}_class_scores.csv"], "csv"),
        ([f"{BIN}_class.h5", f"{OTHER}_class_v2.h5"], "h5"),
        ([f"{BIN}_class_v1.mat"], "mat"),
        ([f"{BIN}.csv"], "class_csv"),
        ([f"{BIN}.prob.csv"], "prob_csv"),
        ([f"{BIN}_class_v1.mat", f"{BIN}_class.h5", f"{OTHER}_class.h5"], "h5"),  # versions of one product
        ([], "csv"),
    ],
)
def test_the_form_is_what_lies_there(names: list[str], found: str) -> None:
    assert detect(index_scores(f"x/{name}" for name in names), [], None, "x") == found


def test_a_mixture_is_refused_by_name_and_a_summary_beside_files_is_none() -> None:
    both = index_scores([f"x/{BIN}_class_scores.csv", f"x/{OTHER}_class.h5"])
    with pytest.raises(ConfigError, match=r"1 file \*_class_scores.csv \(csv\), 1 file \*_class.h5 \(h5\).*csv or h5"):
        detect(both, [], None, "x")
    alternating = index_scores([f"x/{BIN}_class_v1.mat", f"x/{OTHER}_class.h5"])
    with pytest.raises(ConfigError, match="h5 or mat"):
        detect(alternating, [], None, "x")
    assert detect(alternating, [], 1, "x") == "mat"  # the version asked for leaves one form
    assert detect(index_scores([f"x/{BIN}_class_v1.mat"]), ["x/summary_allTB2024.mat"], None, "x") == "mat"
    assert detect({}, ["x/summary_allTB2024.mat"], None, "x") == "summary"


def test_the_newest_version_counts_or_the_one_asked_for() -> None:
    files = [f"x/{BIN}_class_v2.h5", f"x/{BIN}_class.h5"]
    assert chosen(files, "h5", None) == files[1:]  # version 3
    assert chosen(files, "h5", 2) == files[:1]
    models = [f"x/model_v4/{BIN}_class.h5", f"x/model_v12/{BIN}_class.h5"]
    assert chosen(models, "h5", None) == models[1:]
    assert chosen(models, "h5", 4) == models[:1]
    assert chosen(models, "h5", 5) == []
    copies = [f"x/v1/{BIN}_class_scores.csv", f"x/v2/{BIN}_class_scores.csv"]
    assert chosen(copies, "csv", None) == copies  # which is told as before
    assert chosen(copies, "csv", 1) == copies[:1]
    numbered = [f"x/{BIN}_class_scores{rest}.csv" for rest in ("", "_v1", "_v2", "_v10")]
    assert chosen(numbered, "csv", None) == numbered[3:]
    assert chosen(numbered, "csv", 1) == numbered[1:2]  # the one without a version is another one
    assert chosen(numbered, "csv", 3) == numbered[:1]


def test_another_csv_of_the_name_of_a_bin_is_no_class_scores(tmp_path: Path) -> None:
    (tmp_path / f"{BIN}.csv").write_text("roi,area\n1,2\n")
    (tmp_path / f"{BIN}_class_scores.csv").write_text("pid,A\n")
    assert DirectorySource(str(tmp_path), FileOptions(scores_format="auto")).scores_format == "csv"


@pytest.mark.parametrize("asked", ["class_csv", "auto"])
@pytest.mark.parametrize("damage", [b"", b"\0\0\0\0", b"roi,area\n1,2\n"])
@pytest.mark.parametrize("damaged", [0, 3])
def test_one_damaged_file_of_winners_hides_no_other(tmp_path: Path, asked: str, damage: bytes, damaged: int) -> None:
    bins = [f"D20240215T1{hour}0055_IFCB010" for hour in range(4)]
    for n, bin_id in enumerate(bins):
        whole = f"file_name,class_name,class_name_auto,score\n{bin_id}_00002.png,A,A,0.5\n".encode()
        (tmp_path / f"{bin_id}.csv").write_bytes(damage if n == damaged else whole)
    archive = DirectorySource(str(tmp_path), FileOptions(scores_format=asked))
    assert archive.scores_format == "class_csv"
    assert [archive.scores_files(bin_id) for bin_id in bins] == [[f"{tmp_path}/{bin_id}.csv"] for bin_id in bins]
    for n, bin_id in enumerate(bins):
        file = archive.read_scores(bin_id)
        assert file is not None
        if n == damaged:
            with pytest.raises(ScoresError, match=f"{bin_id}: its classes cannot be read"):
                read_rois(bin_id, file)
        else:
            assert read_rois(bin_id, file).score.tolist() == [0.5]


def test_a_file_of_winners_that_is_named_so_is_read_whatever_it_begins_with(tmp_path: Path) -> None:
    (tmp_path / f"{BIN}.csv").write_text("roi,area\n1,2\n")
    of_auto, of_form = (
        DirectorySource(str(tmp_path), FileOptions(scores_format=form)) for form in ("auto", "class_csv")
    )
    assert of_auto.read_scores(BIN) is None
    assert of_form.read_scores(BIN) == SourceFile(f"{tmp_path}/{BIN}.csv", b"roi,area\n1,2\n")


# --- what they say ---


@needs_cases
def test_winners_of_irfcb() -> None:
    name = "D20220522T003051_IFCB134"
    file = SourceFile(f"x/{name}.csv", (CASES / "irfcb_class_csv" / f"{name}.csv").read_bytes())
    rois = read_rois(name, file, Kept(own=True))
    assert (rois.rois.tolist(), rois.score.tolist()) == ([2, 3], [0.63, 0.69])
    assert labels_of_rois(rois, Decision(0.6, {}, "float64")) == ["Mesodinium_rubrum"] * 2
    assert labels_of_rois(rois, Decision(0.65, {}, "float64")) == ["unclassified", "Mesodinium_rubrum"]
    assert labels_of_rois(rois, Decision(0.9, {}, "float64", from_scores=True)) == ["Mesodinium_rubrum"] * 2
    with pytest.raises(ScoresError, match="winners alone"):
        read_rois(name, file, Kept(all_scores=True))


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ("x_00002.png,A,A,0.5\n", "not an image of this bin"),
        (f"{BIN}_00002.png,A,A,0.5\n{BIN}_2.png,A,A,0.5\n", "duplicate image"),
        (f"{BIN}_00002.png,A,A,high\n", "not a number"),
        (f"{BIN}_00002.png,A,A,1.5\n", "outside 0 to 1"),
        (f"{BIN}_00002.png,A,A,0.5", "cut short"),
    ],
)
def test_bad_winners_are_refused(rows: str, why: str) -> None:
    with pytest.raises(ScoresError, match=rf"{BIN}.*{why}"):
        rois_of(".csv", b"file_name,class_name,class_name_auto,score\n" + rows.encode())


def test_probabilities_are_read_as_scores_are() -> None:
    rois = rois_of(".prob.csv", b"roi,A,B\r\n2,0.25,0.75\r\n11,0.5,0.5\r\n")
    assert (rois.classes, rois.rois.tolist(), rois.score.tolist()) == (("A", "B"), [2, 11], [0.75, 0.5])
    for body in (b"roi,A\n2,0.5\n2,0.5\n", b"roi,A\nx,0.5\n", b"pid,A\n2,0.5\n"):
        with pytest.raises(ScoresError, match=BIN):
            rois_of(".prob.csv", body)


def test_thresholds_classes_and_cells_of_a_classifier() -> None:
    more = {"thresholds": [0.55, 0.5, 0.5], "cell_count": np.array([3, 0, -1], np.int32)}
    rois = rois_of(
        "_class.h5", scores_h5(3, None, CLASSES, [2, 3, 4], SCORES, "float64", **more), Kept(own=True, cells=True)
    )
    assert rois.more.cells is not None
    assert np.array_equal(rois.more.cells, [3, 1, np.nan], equal_nan=True)  # 0: none were found, -1: none were counted
    assert labels_of_rois(rois, Decision(0, {}, from_scores=True)) == ["unclassified", "B", "C"]
    with_names = io.BytesIO(scores_h5(3, None, CLASSES, [2, 3, 4], SCORES, "float64"))
    with h5py.File(with_names, "a") as h5:
        h5.create_dataset("class_name", data=["unclassified", "B", "A"], dtype=h5py.string_dtype())
    rois = rois_of("_class.h5", with_names.getvalue(), Kept(own=True))
    assert labels_of_rois(rois, Decision(0, {}, from_scores=True)) == ["unclassified", "B", "A"]
    cells = np.empty((3, 1), dtype=object)
    cells[:, 0] = ["A", "unclassified", "C"]
    matlab = scores_mat(
        CLASSES, [2, 3, 4], SCORES, TBclass_above_threshold=cells, cell_count=np.array([[2.0], [1], [8]])
    )
    rois = rois_of("_class_v1.mat", matlab, Kept(own=True, cells=True))
    assert labels_of_rois(rois, Decision(0, {}, from_scores=True)) == ["A", "unclassified", "C"]
    assert rois.more.cells is not None
    assert rois.more.cells.tolist() == [2, 1, 8]
    for form, body in (("_class.h5", scores_h5(3, None, CLASSES, [2], SCORES[:1])), ("_class_scores.csv", b"pid,A\n")):
        with pytest.raises(ScoresError, match="bring no thresholds"):
            rois_of(form, body, Kept(own=True))
    with pytest.raises(ScoresError, match="2 thresholds for 3 classes"):
        rois_of("_class.h5", scores_h5(3, None, CLASSES, [2], SCORES[:1], thresholds=[0.5, 0.5]), Kept(own=True))


@needs_cases
def test_counts_of_a_summary_are_those_of_its_thresholds(tmp_path: Path) -> None:
    path = CASES / "summary_mat" / "summary_allTB2024.mat"
    summary = read_count_summary(path.read_bytes(), path.name)
    assert (summary.classes, summary.adhoc, summary.n_rois.tolist()) == (("Akashiwo", "Chaetoceros"), 0.5, [20, 17, 10])
    assert [time.isoformat() for time in summary.times] == [
        "2024-05-01T00:00:00+00:00", "2024-05-01T01:00:00+00:00", "2024-05-02T00:00:00+00:00"
    ]  # fmt: skip
    source = DirectorySource(str(path.parent), FileOptions(scores_format="auto"))
    said = summarize_scores(source, summary.bins[0], tmp_path / "summary", False)
    assert counts_of_summary(said, Decision(0)).counts.tolist() == [3, 10]
    assert counts_of_summary(said, Decision(0.5)).counts.tolist() == [2, 8]
    assert counts_of_summary(said, Decision(0.9, from_scores=True)).counts.tolist() == [2, 8]
    for refused in (Decision(0.7), Decision(0.5, {"Akashiwo": 0.3}), Decision(0, rule="each")):
        with pytest.raises(ScoresError, match=r"threshold: 0 or classify\.threshold: 0\.5 or .*from_scores"):
            counts_of_summary(said, refused)
    with pytest.raises(CatalogError, match="here: not a summary"):
        read_count_summary(path.read_bytes()[:300], "here")


@needs_cases
def test_sums_of_a_summary_are_those_of_its_classes_and_of_the_rest(tmp_path: Path) -> None:
    stored = {
        name: value
        for name, value in loadmat(CASES / "summary_mat" / "summary_allTB2024.mat").items()
        if not name.startswith("__")
    }

    def sizes(**arrays: list[list[float]]) -> SizeSummary:
        savemat(tmp_path / "made.mat", stored | {name: np.array(values) for name, values in arrays.items()})
        return read_size_summary((tmp_path / "made.mat").read_bytes(), "made")

    made = sizes(classbiovolTB=[[300, 500, 7], [0, np.nan, 5], [1, 0, 9]])
    assert made.carbon == {}
    assert list(made.biovolumes) == ["classcountTB"]
    assert np.array_equal(made.biovolumes["classcountTB"], [[300, 500, 7], [0, np.nan, 5], [1, 0, 9]], equal_nan=True)
    for wrong in ([[300, 500], [0, 1], [1, 0]], [[-1, 500, 7], [0, 1, 5], [1, 0, 9]]):
        with pytest.raises(CatalogError, match="made: its sums of biovolume and carbon cannot be used"):
            sizes(classbiovolTB=wrong)


@needs_cases
@pytest.mark.parametrize(
    ("label", "why"), [("A", "'A' is a duplicate"), ("=1+1", r"'=1\+1' begins like a spreadsheet formula")]
)
def test_a_summary_with_labels_that_cannot_be_told_apart_is_refused(tmp_path: Path, label: str, why: str) -> None:
    """Two columns of one name would be one class with the counts of the last."""
    stored = {k: v for k, v in loadmat(CASES / "summary_mat" / "summary_allTB2024.mat").items() if k[0] != "_"}
    names = np.array(["A", label, "unclassified"], dtype=object).reshape(stored["class2useTB"].shape)
    savemat(tmp_path / "made.mat", stored | {"class2useTB": names})
    with pytest.raises(CatalogError, match=f"made: .*class2useTB has labels that cannot be used: {why}"):
        read_count_summary((tmp_path / "made.mat").read_bytes(), "made")


# --- rules ---


def naive(scores: list[list[float]], decision: Decision) -> list[int]:
    """The counts of the classes, and how many ROIs are in none."""
    counts = [0] * (len(CLASSES) + 1)
    for row in scores:
        needed = [decision.class_thresholds.get(name, decision.threshold) for name in CLASSES]
        over = [i for i, score in enumerate(row) if score >= needed[i]]
        if decision.rule == "winner":
            best = row.index(max(row))
            over = [best] if best in over else []
        elif decision.rule == "above_own":
            over = [max(over, key=lambda i: (row[i], -i))] if over else []
        for i in over:
            counts[i] += 1
        counts[-1] += not over
    return counts


@settings(max_examples=60)
@given(
    st.lists(st.lists(st.sampled_from([i / 8 for i in range(9)]), min_size=3, max_size=3), max_size=8),
    st.sampled_from(["winner", "above_own", "each"]),
    st.sampled_from([0, 0.25, 0.5, 1]),
    st.dictionaries(st.sampled_from(CLASSES), st.sampled_from([0, 0.375, 0.75]), max_size=2),
)
@example([[0.5, 0.375, 0]], "above_own", 0.25, {CLASSES[0]: 0.75})  # the highest score does not reach its threshold
def test_rules_count_as_they_say(scores: list[list[float]], rule: str, threshold: float, own: dict[str, float]) -> None:
    matrix = np.array(scores, dtype=float).reshape(-1, 3)
    decision = Decision(threshold, own, "float64", rule)  # type: ignore[arg-type]
    found = count_by(CLASSES, find_winners(matrix, More(scores=matrix)), decision)
    assert [*found.counts.tolist(), len(scores) - found.classified] == naive(scores, decision)


def test_a_summary_keeps_what_was_asked_for_and_nothing_else(tmp_path: Path) -> None:
    body = scores_h5(3, None, CLASSES, [2, 3, 4], SCORES, "float64", thresholds=[0.1, 0.1, 0.1], cell_count=[1, 2, -1])
    (tmp_path / f"{BIN}_class.h5").write_bytes(body)
    source = DirectorySource(str(tmp_path), FileOptions(scores_format="auto"))
    said = summarize_scores(source, BIN, tmp_path / "plain", False)
    assert set(said.stated()) == {"bin", "status", "reason", "address", "sha256", "bytes", "server", "classes"}
    kept = Kept(own=True, cells=True, all_scores=True)
    summarize_scores(source, BIN, tmp_path / "all", False, kept)
    said, winners = read_summary(tmp_path / "all")
    each = count_by(CLASSES, winners, Decision(0.9, {}, "float16", "each", from_scores=True))
    assert (each.counts.tolist(), each.classified) == ([3, 3, 3], 3)
    assert each.cells is not None
    assert each.uncounted is not None
    assert (each.cells.tolist(), each.uncounted.tolist()) == ([3, 3, 3], [1, 1, 1])
    _, plain = read_summary(tmp_path / "plain")
    with pytest.raises(ScoresError, match="not kept"):
        count_by(CLASSES, plain, Decision(0.5, {}, "float64", "each"))


def test_a_summary_that_has_more_is_as_good(tmp_path: Path) -> None:
    scores, cells = [[0.5, 0.4, 0.1], [0.5, 0.1, 0.2], [0.2, 0.6, 0.1]], [1, 2, -1]
    body = scores_h5(3, None, CLASSES, [2, 3, 4], scores, "float64", thresholds=[0.1, 0.1, 0.1], cell_count=cells)
    (tmp_path / f"{BIN}_class.h5").write_bytes(body)
    source = DirectorySource(str(tmp_path), FileOptions(scores_format="auto"))
    plain, all_scores, all_of_it = Kept(), Kept(all_scores=True), Kept(own=True, cells=True, all_scores=True)
    assert list(all_scores.or_more) == [
        *(all_scores, Kept(cells=True, all_scores=True), Kept(own=True, all_scores=True), all_of_it)
    ]
    for has in (plain, all_scores, all_of_it):
        path = tmp_path / "-".join(["summary", *has.names])
        summarize_scores(source, BIN, path, False, has)
        for wanted in (plain, all_scores, all_of_it):
            enough = set(wanted.names) <= set(has.names)
            assert proves_itself(source, BIN, path, wanted) == is_enough(source, BIN, path, wanted) == enough
        _, winners = read_summary(path, plain)
        assert winners.score.tolist() == [0.5, 0.6]
        assert winners.winner["float64"].tolist() == [0, 1]
        assert winners.n_rois.tolist() == [2, 1]
        assert (winners.more.own, winners.more.cells, winners.more.scores) == (None, None, None)
        _, (stack,) = read_summaries([path], plain)
        assert count_by(CLASSES, stack.winners, Decision(0.5, {}, "float64")).counts.tolist() == [2, 1, 0]
        assert stack.winners.more.scores is None


def test_a_bin_that_failed_for_what_was_kept_is_read_again(tmp_path: Path) -> None:
    (tmp_path / f"{BIN}.csv").write_text(f"file_name,class_name,class_name_auto,score\n{BIN}_00002.png,A,A,0.5\n")
    source = DirectorySource(str(tmp_path), FileOptions(scores_format="class_csv"))
    summary, every = tmp_path / "summary", Kept(all_scores=True)
    assert summarize_scores(source, BIN, summary, True, every).status == ScoresStatus.FAILED
    assert is_enough(source, BIN, summary, every)
    assert not is_enough(source, BIN, summary)
    assert not proves_itself(source, BIN, summary)
    assert summarize_scores(source, BIN, summary, True).status == ScoresStatus.READ


def test_bins_are_counted_together_as_each_alone(tmp_path: Path) -> None:
    scores = {"A": np.array(SCORES), "B": np.empty((0, 3)), "C": np.array(SCORES[::-1])}
    decision = Decision(0.5, {}, "float64")
    for keep_all in (False, True):
        for name, of_bin in scores.items():
            winners = find_winners(of_bin, More(scores=of_bin) if keep_all else None)
            write_summary(Provenance(name, ScoresStatus.READ, classes=CLASSES), winners, tmp_path / name)
        said, stacks = read_summaries([tmp_path / name for name in scores])
        assert [each.bin for each in said] == ["A", "B", "C"]
        found = {
            each.bin: counts.counts.tolist()
            for stack in stacks
            for each, counts in zip(
                stack.said,
                count_bins(CLASSES, stack.winners, decision, stack.bin_of_row, len(stack.said)),
                strict=True,
            )
        }
        assert found == {name: naive(of_bin.tolist(), decision)[:-1] for name, of_bin in scores.items()}
