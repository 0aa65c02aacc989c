"""Features files and features summaries: what is accepted and refused, and ROIs joined with their classes."""

from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ifcb_abundance.common.errors import FeaturesError, ScoresError
from ifcb_abundance.common.precision import Precision
from ifcb_abundance.features.gather import gather_images
from ifcb_abundance.features.summary import (
    FeaturesProvenance,
    RoiFeatures,
    biovolume_of,
    proves_itself,
    read_features,
    read_features_summary,
    summarize_features,
    version_of,
)
from ifcb_abundance.scores import summary as scores_summary
from ifcb_abundance.scores.decide import Decision, Kept
from ifcb_abundance.scores.summary import (
    Provenance,
    find_winners,
    labels_of_rois,
    read_score_file,
    read_summary,
    write_summary,
)
from ifcb_abundance.sources.source_file import SourceFile

BIN = "D20240215T150055_IFCB010"
GOLDEN = Path(__file__).parents[3] / "shared/data/raw/golden/IFCB5_2012_028_081515_features_v4.csv"
HEADER = b"roi_number,Area,Biovolume,summedBiovolume\n"
SCORES = f"pid,A,B\n{BIN}_00002,0.9,0.1\n{BIN}_00003,0.2,0.8\n{BIN}_00005,0.4,0.5\n".encode()


class Given:
    """A source with one bin; counts what it is asked for."""

    def __init__(self, features: bytes | None, scores: bytes | None = SCORES) -> None:
        self.features, self.scores = features, scores
        self.asked: list[str] = []

    def features_identity_of(self, bin_id: str) -> dict[str, str]:
        return {"of": bin_id}

    def read_features(self, bin_id: str) -> SourceFile | None:
        self.asked.append("features")
        return None if self.features is None else SourceFile(f"at/{bin_id}_features.csv", self.features)

    def read_scores(self, bin_id: str) -> SourceFile | None:
        self.asked.append("scores")
        return None if self.scores is None else SourceFile(f"at/{bin_id}_class_scores.csv", self.scores)


def a_summary(folder: Path, status: str = "read") -> Path:
    """The scores summary of SCORES."""
    classes, scores = read_score_file(BIN, SourceFile("x.csv", SCORES))
    said = Provenance(BIN, status, "", "at", sha256(SCORES).hexdigest(), len(SCORES), classes=classes)
    write_summary(said, find_winners(scores), folder / "scores.parquet")
    return folder / "scores.parquet"


# --- files ---


def test_a_real_file() -> None:
    """Of five ROIs, two of them of several blobs; the fourth target is the second half of the third."""
    if not GOLDEN.exists():
        pytest.skip(f"no shared data in {GOLDEN.parents[2]}")
    found = read_features("IFCB5_2012_028_081515", GOLDEN.read_bytes())
    assert found.column == "summedBiovolume"
    assert found.rois.tolist() == [1, 2, 3, 5, 6]
    assert found.biovolume.tolist() == [1058.193125, 153497.2344, 5147.593414, 916.428757, 2509.915039]


def test_the_volume_of_all_blobs_is_taken_where_there_is_one() -> None:
    assert read_features(BIN, HEADER + b"2,9,100,130\n").biovolume.tolist() == [130]
    found = read_features(BIN, b"Area,Biovolume,roi_number\n9,100,2\n")
    assert (found.column, found.rois.tolist(), found.biovolume.tolist()) == ("Biovolume", [2], [100])


def test_what_is_not_there_is_missing_and_zero_is_read_as_it_is() -> None:
    found = read_features(BIN, HEADER + b"2,9,1,\n3,9,1,nan\n4,0,0,0\n5,9,1,NaN\n")
    assert np.isnan(found.biovolume).tolist() == [True, True, False, True]
    assert found.biovolume[2] == 0


@pytest.mark.parametrize("body", [HEADER, b"\xef\xbb\xbf" + HEADER, b'"roi_number","Biovolume"\r\n'])
def test_a_file_without_rois_is_no_error(body: bytes) -> None:
    assert len(read_features(BIN, body).rois) == 0


DAMAGED = {
    "a ROI twice": (HEADER + b"2,9,1,1\n3,9,1,1\n2,9,1,1\n", "line 4, roi_number 2, .*the ROI is a duplicate"),
    "a negative volume": (HEADER + b"2,9,1,1\n3,9,1,-0.5\n", "line 3, roi_number 3, summedBiovolume -0.5: a biovol"),
    "an infinite volume": (HEADER + b"2,9,1,inf\n", "line 2, .*summedBiovolume inf"),
    "a volume beyond double": (HEADER + b"2,9,1,1e400\n", "line 2, .*summedBiovolume inf"),
    "a volume beyond any image": (
        HEADER + b"2,9,1,2e12\n",
        "line 2, .*2e\\+12: a biovolume must be a number from 0 to 1e12",
    ),
    "no number": (HEADER + b"2,9,1,large\n", "Row #1: .*'large'"),
    "another spelling of no number": (HEADER + b"2,9,1,-NAN\n", "line 2, .*a biovolume must be"),
    "a ROI that is not whole": (HEADER + b"2.5,9,1,1\n", "line 2, roi_number 2.5"),
    "a ROI zero": (HEADER + b"0,9,1,1\n", "line 2, roi_number 0"),
    "a ROI without a number": (HEADER + b"2,9,1,1\n,9,1,1\n", "line 3, roi_number nan"),
    "a ROI beyond any": (HEADER + b"3000000000,9,1,1\n", "line 2, roi_number 3e\\+09"),
    "a cell too few": (HEADER + b"2,9,1,1\n3,9,1\n", "Row #2: Expected 4 columns, got 3"),
    "a cell too many": (HEADER + b"2,9,1,1,7\n", "Row #1: Expected 4 columns, got 5"),
    "a line cut off": (HEADER + b"2,9,1,1\n3,9,1,13", "are truncated in line 3"),
    "a null character": (HEADER + b"2,9,1,1\0\n", "b.?.x00.? in line 2"),
    "a quote": (HEADER + b'2,9,1,1\n3,9,1,"1."5\n', "in line 3, where only numbers belong"),
    "another byte": (HEADER + b"2,9,1,1\n3,\xb2,1,1\n", "xb2.? in line 3"),
    "a blank line": (HEADER + b"2,9,1,1\n\n3,9,1,1\n", "Row #2: Expected 4 columns, got 1|line 3, roi_number nan"),
    "a web page": (b"<!DOCTYPE html>\n<html>\n</html>\n", "not features: the header is b'<!DOCTYPE html>'"),
    "nothing": (b"", "not features"),
    "a header cut off": (b"roi_number,Biovol", "not features"),
    "no roi_number": (b"roi,Biovolume\n2,1\n", "not features"),
    "no biovolume": (b"roi_number,Area\n2,1\n", "not a line with roi_number and summedBiovolume or Biovolume"),
    "a column twice": (b"roi_number,Biovolume,Biovolume\n2,1,3\n", "duplicate column, roi_number or Biovolume"),
    "no text": (b"\xff\xfe\n1,2\n", "the header of its features cannot be read"),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_damage_is_refused_and_the_bin_and_the_line_are_named(kind: str) -> None:
    body, told = DAMAGED[kind]
    with pytest.raises(FeaturesError, match=f"(?s)bin {BIN}: .*({told})"):
        read_features(BIN, body)


# --- joined by ROI ---


def test_rois_have_the_biovolume_of_their_number() -> None:
    features = RoiFeatures("Biovolume", np.array([7, 2, 5]), np.array([70.0, 20.0, np.nan]))
    assert biovolume_of(np.array([1, 2, 3, 5, 7, 8]), features).tolist()[1::3] == [20, 70]
    assert np.isnan(biovolume_of(np.array([1, 3, 5, 8]), features)).all()
    assert np.isnan(biovolume_of(np.array([1]), RoiFeatures("Biovolume", np.empty(0, int), np.empty(0)))).all()


@given(st.sets(st.integers(1, 30)), st.permutations(range(1, 31)), st.integers(0, 30))
def test_the_order_of_lines_says_nothing(rois: set[int], order: list[int], n: int) -> None:
    numbers = np.array(order[:n], dtype=np.int64)
    found = biovolume_of(np.array(sorted(rois), dtype=np.int64), RoiFeatures("Biovolume", numbers, numbers * 10.0))
    expected = [roi * 10.0 if roi in order[:n] else None for roi in sorted(rois)]
    assert [None if np.isnan(value) else value for value in found] == expected


def test_a_summary_has_the_class_at_any_threshold_beside_the_biovolume(tmp_path: Path) -> None:
    # ROI 5 has no line, ROI 9 no class scores.
    source = Given(HEADER + b"3,9,1,300\n2,9,1,200\n9,9,1,900\n")
    summarize_features(source, BIN, a_summary(tmp_path), tmp_path / "x.parquet", False)
    assert source.asked == ["features", "scores"]
    said, rois, biovolume = read_features_summary(tmp_path / "x.parquet")
    assert (said.status, said.column, said.n_rois_without_scores) == ("read", "summedBiovolume", 1)
    assert said.sha256 == sha256(source.features).hexdigest()
    assert said.address == f"at/{BIN}_features.csv"
    assert rois.rois.tolist() == [2, 3, 5]
    assert biovolume[:2].tolist() == [200, 300]
    assert np.isnan(biovolume[2])
    assert labels_of_rois(rois, Decision(0.85, {}, "float64")) == ["A", "unclassified", "unclassified"]
    assert labels_of_rois(rois, Decision(0.5, {}, "float32")) == ["A", "B", "B"]


PRECISIONS: tuple[Precision, ...] = ("float64", "float32", "float16")


@given(st.lists(st.tuples(*[st.one_of(st.none(), st.floats(0, 1))] * 3), max_size=6), st.floats(0, 1))
def test_a_summary_loses_nothing_of_any_score(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[float | None, ...]], threshold: float
) -> None:
    folder = tmp_path_factory.mktemp("x")
    lines = [f"{BIN}_{i:05d}," + ",".join("" if s is None else repr(s) for s in row) for i, row in enumerate(rows, 1)]
    body = "\n".join(["pid,A,B,unclassified", *lines, ""]).encode()
    classes, scores = read_score_file(BIN, SourceFile("x.csv", body))
    said = Provenance(BIN, "read", "", "at", sha256(body).hexdigest(), classes=classes)
    write_summary(said, find_winners(scores), folder / "scores.parquet")
    volumes = b"".join(b"%d,1,1,%d\n" % (i, i * 10) for i in range(1, len(rows) + 1))
    summarize_features(Given(HEADER + volumes, body), BIN, folder / "scores.parquet", folder / "x.parquet", False)
    _, rois, biovolume = read_features_summary(folder / "x.parquet")
    assert biovolume.tolist() == [i * 10 for i in range(1, len(rows) + 1)]
    for precision in PRECISIONS:
        kept = [
            max(
                ((getattr(np, precision)(s), -i) for i, s in enumerate(row) if s is not None),
                default=(-1, 0),
            )
            for row in rows
        ]
        expected = ["unclassified" if best < getattr(np, precision)(threshold) else classes[-i] for best, i in kept]
        assert labels_of_rois(rois, Decision(threshold, {}, precision)) == expected


@pytest.mark.parametrize("status", ["no_scores", "failed"])
def test_a_bin_without_class_scores_is_not_asked_for(tmp_path: Path, status: str) -> None:
    source = Given(HEADER)
    summarize_features(source, BIN, a_summary(tmp_path, status), tmp_path / "x.parquet", False)
    assert source.asked == []
    assert read_features_summary(tmp_path / "x.parquet")[0].status == "not_used"


def test_a_bin_without_features_is_told_and_its_scores_are_not_asked_for(tmp_path: Path) -> None:
    source = Given(None)
    summarize_features(source, BIN, a_summary(tmp_path), tmp_path / "x.parquet", False)
    said, rois, _ = read_features_summary(tmp_path / "x.parquet")
    assert (said.status, len(rois.rois), source.asked) == ("no_features", 0, ["features"])
    assert said.reason
    assert said.classes == ()
    assert "winners_only" not in said.stated()


def test_only_what_a_scores_summary_says_of_its_bin_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its rows may be large. A file that is no summary is refused all the same."""
    summary = a_summary(tmp_path)
    monkeypatch.setattr(scores_summary, "_read", None)
    assert summarize_features(Given(HEADER), BIN, summary, tmp_path / "x.parquet", False).status == "read"
    gather_images(Given(HEADER), BIN, summary, True, tmp_path / "images.npz", False)
    assert "the source has features of it" in str(np.load(tmp_path / "images.npz")["why"])
    for body in (b"PAR1", (tmp_path / "x.parquet").read_bytes()):
        summary.write_bytes(body)
        for what in (
            lambda: summarize_features(Given(HEADER), BIN, summary, tmp_path / "y.parquet", True),
            lambda: gather_images(Given(HEADER), BIN, summary, True, tmp_path / "y.npz", True),
        ):
            with pytest.raises(ScoresError, match=r"scores\.parquet: not a scores summary \(.*delete it"):
                what()


def test_of_winners_alone_a_bin_without_features_has_its_classes_too(tmp_path: Path) -> None:
    """Other bins of the day share them. A summary of before did not have them, so it is made again."""
    said, winners = read_summary(a_summary(tmp_path))
    write_summary(replace(said, winners_only=True), winners, tmp_path / "winners.parquet")
    source: Any = Given(None)
    for name in ("scores.parquet", "winners.parquet"):
        summarize_features(source, BIN, tmp_path / name, tmp_path / f"of_{name}", False)
        assert proves_itself(source, BIN, tmp_path / name, tmp_path / f"of_{name}")
    found, _, _ = read_features_summary(tmp_path / "of_winners.parquet")
    assert (found.status, found.classes, found.winners_only) == ("no_features", ("A", "B"), True)
    assert not proves_itself(source, BIN, tmp_path / "winners.parquet", tmp_path / "of_scores.parquet")
    assert [version_of(Kept(cells=True), winners) for winners in (False, True)] == [[1, "cells"], [2, "cells"]]


def test_a_summary_that_has_more_is_as_good(tmp_path: Path) -> None:
    source: Any = Given(HEADER)
    scores, path, every = a_summary(tmp_path), tmp_path / "x.parquet", Kept(all_scores=True)
    summarize_features(source, BIN, scores, path, False, kept=every)
    assert proves_itself(source, BIN, scores, path, kept=every)
    assert proves_itself(source, BIN, scores, path)
    summarize_features(source, BIN, scores, path, False)
    assert not proves_itself(source, BIN, scores, path, kept=every)


@pytest.mark.parametrize(
    ("features", "scores", "told"),
    [
        (b"<html>\n", SCORES, f"not features.*at/{BIN}_features.csv"),
        (HEADER, SCORES.replace(b"0.9", b"0.8"), "counted from are different now .*recheck.scores: all"),
        (HEADER, None, "counted from are gone"),
    ],
)
def test_what_cannot_be_used_stops_or_is_recorded(
    tmp_path: Path, features: bytes, scores: bytes | None, told: str
) -> None:
    summary = a_summary(tmp_path)
    with pytest.raises(FeaturesError, match=f"(?s)bin {BIN}: .*{told}"):
        summarize_features(Given(features, scores), BIN, summary, tmp_path / "x.parquet", False)
    assert not (tmp_path / "x.parquet").exists()
    summarize_features(Given(features, scores), BIN, summary, tmp_path / "x.parquet", True)
    said, rois, biovolume = read_features_summary(tmp_path / "x.parquet")
    assert (said.status, len(rois.rois), len(biovolume)) == ("failed", 0, 0)
    assert said.reason.isprintable()


def test_what_is_no_summary_is_named(tmp_path: Path) -> None:
    write_summary(Provenance(BIN, "read"), find_winners(np.empty((0, 0))), tmp_path / "scores.parquet")
    (tmp_path / "x.parquet").write_bytes(b"PAR1")
    for path in tmp_path.glob("*.parquet"):
        with pytest.raises(FeaturesError, match=f"{path.name}: not a features summary .*delete it"):
            read_features_summary(path)
    assert FeaturesProvenance(BIN, "read").classes == ()
