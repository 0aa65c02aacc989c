"""Which ROIs montages show: by hand, and against all ROIs of all bins in order."""

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ifcb_abundance.bins.ids import parse_bin_id
from ifcb_abundance.common.errors import RawFileError
from ifcb_abundance.images import examples
from ifcb_abundance.pooling.method import Method
from ifcb_abundance.scores.decide import More
from ifcb_abundance.scores.summary import Provenance, find_winners, write_summary
from ifcb_abundance.tables import table_files

METHOD = Method(
    threshold=0.7,
    class_thresholds={},
    class_table={},
    precision="float64",
    group_by=[],
    confidence=0.95,
    position_tolerance_km=1.0,
)
CLASSES = ["Akashiwo", "detritus"]
Scores = dict[str, Sequence[tuple[float, float]]]  # bin to its ROIs' scores, of CLASSES


def bin_id(n: int) -> str:
    return f"D20240401T{n:02d}0000_IFCB010"


class AllButOne:
    """A source that is known to have no raw files of the bin at 23 o'clock."""

    def may_have_images(self, bin_id: str) -> bool:
        return "T23" not in bin_id


def choose(folder: Path, scores: Scores, per_class: int = 4, method: Method = METHOD, **options: Any) -> pd.DataFrame:
    for name, rows in scores.items():
        array = np.array(rows, float).reshape(-1, 2)
        more = More(scores=array if method.rule != "winner" else None, own=options.get("own"))
        path = folder / "bins" / parse_bin_id(name).folder / f"{name}.parquet"
        thresholds = options.get("thresholds", {}).get(name, ())
        said = Provenance(name, "read", classes=tuple(CLASSES), thresholds=thresholds)
        write_summary(said, find_winners(array, more), path)
    ledger = pd.DataFrame({"bin": list(scores), "date": "2024-04-01", "status": "used"})
    ledger = ledger.reindex(columns=table_files.columns("ledger")).assign(
        reason="", address="", sha256="", server="", label_set=""
    )
    table_files.write(ledger.astype({"bytes": "Int64"}), "ledger", folder / "ledger.csv")
    counts = pd.DataFrame({"class": [*CLASSES, "unclassified"], "count": [5, 9, 3], "living": ["yes", "no", ""]})
    counts.assign(ml_analyzed_total=1.0).to_csv(folder / "abundance.csv", index=False)
    examples.choose_examples(
        options.get("source", AllButOne()),  # type: ignore[arg-type]
        folder / "ledger.csv",
        folder / "abundance.csv",
        folder / "bins",
        examples.ExampleCriteria(options.get("classes", ["Akashiwo"]), options.get("bins", []), 20, per_class, method),
        folder / "montages.csv",
    )
    return table_files.read("montages", folder / "montages.csv")


def shown(table: pd.DataFrame, name: str = "Akashiwo") -> dict[str, list[tuple[int, float, int]]]:
    """Kind to (hour of the bin, score, number of ROIs)."""
    rows = table[table["class"] == name]
    return {
        kind: [
            (int(b[10:12]), s, n) for b, s, n in of_kind[["bin", "score", "n_rois"]].itertuples(index=False, name=None)
        ]
        for kind, of_kind in rows.groupby("kind", sort=False)
    }


def of_akashiwo(*scores: float) -> list[tuple[float, float]]:
    return [(score, 0.0) for score in scores]


def test_a_choice_by_hand(tmp_path: Path) -> None:
    scores = {
        bin_id(1): of_akashiwo(0.99, 0.95, 0.72, 0.3),
        bin_id(2): of_akashiwo(0.97, 0.71, 0.69, 0.69, 0.69),
        bin_id(3): [*of_akashiwo(0.7), (0.0, 1.0)],
    }
    assert shown(choose(tmp_path, scores)) == {
        "top": [(1, 0.99, 1), (2, 0.97, 1), (1, 0.95, 1), (1, 0.72, 1)],
        "reached": [(3, 0.7, 1), (2, 0.71, 1)],
        "missed": [(2, 0.69, 2)],
    }


def test_no_roi_is_shown_twice_and_none_of_another_class(tmp_path: Path) -> None:
    found = shown(choose(tmp_path, {bin_id(1): [*of_akashiwo(0.9, 0.8, 0.8), (0.1, 0.9)]}))
    assert found == {"top": [(1, 0.9, 1), (1, 0.8, 2)]}
    found = shown(choose(tmp_path, {bin_id(1): of_akashiwo(*[0.9] * 7)}))
    assert found == {"top": [(1, 0.9, 4)], "reached": [(1, 0.9, 2)]}


def test_few_bins_those_that_hold_most_of_the_best(tmp_path: Path) -> None:
    # Each of ten bins has one of the best; the eleventh has two, and its next ones fill what is missing.
    scores: Scores = {bin_id(n): of_akashiwo(0.9 + n / 1000, 0.1) for n in range(1, 11)}
    scores[bin_id(11)] = of_akashiwo(0.95, 0.95, 0.8, 0.79)
    found = shown(choose(tmp_path, scores, per_class=12))["top"]
    # Of equal ones the first; what the first bin has is as good as the last that is wanted, and no better.
    assert found == [(11, 0.95, 2), (4, 0.904, 1), (3, 0.903, 1), (2, 0.902, 1), (11, 0.8, 1), (11, 0.79, 1)]


def test_bins_that_are_chosen_already_are_chosen_again(tmp_path: Path) -> None:
    scores: Scores = {bin_id(n): [(0.0, 0.9)] for n in range(1, 9)}
    scores[bin_id(8)] = [(0.9, 0.0), (0.0, 0.9)]
    table = choose(tmp_path, scores, per_class=2, classes=CLASSES)
    assert [hour for hour, _, _ in shown(table, "detritus")["top"]] == [1, 8]


def test_the_class_has_its_own_threshold_and_precision(tmp_path: Path) -> None:
    scores = {bin_id(1): of_akashiwo(0.69999, 0.7, 0.5, 0.4)}
    half = replace(METHOD, precision="float16")
    assert shown(choose(tmp_path, scores, per_class=1, method=half)) == {
        "top": [(1, 0.7, 1)],
        "reached": [(1, 0.69999, 1)],
    }
    lower = replace(METHOD, class_thresholds={"Akashiwo": 0.5})
    table = choose(tmp_path, scores, method=lower)
    assert set(table["threshold"]) == {0.5}
    assert shown(table) == {"top": [(1, 0.7, 1), (1, 0.69999, 1), (1, 0.5, 1)], "missed": [(1, 0.4, 1)]}


@pytest.mark.parametrize("rule", ["above_own", "each"])
def test_a_roi_that_counts_for_another_class_is_not_unclassified(tmp_path: Path, rule: Any) -> None:
    """Detritus needs 0.9: the first ROI missed that and counts for Akashiwo, with the score that it has for it."""
    method = replace(METHOD, rule=rule, threshold=0.3, class_thresholds={"detritus": 0.9})
    scores: Scores = {bin_id(1): [(0.4, 0.6), (0.1, 0.7), (0.2, 0.95)]}
    table = choose(tmp_path, scores, classes=CLASSES, method=method)
    assert shown(table, "detritus") == {"top": [(1, 0.95, 1)], "missed": [(1, 0.7, 1)]}
    assert shown(table) == {"top": [(1, 0.4, 1)]}


def test_thresholds_of_the_classifier_are_those_of_each_bin(tmp_path: Path) -> None:
    method = replace(METHOD, from_scores=True)
    scores = {bin_id(1): of_akashiwo(0.66, 0.6), bin_id(2): of_akashiwo(0.66, 0.5)}
    table = choose(tmp_path, scores, method=method, thresholds={bin_id(1): (0.65, 0.5), bin_id(2): (0.67, 0.5)})
    assert shown(table) == {"top": [(1, 0.66, 1)], "missed": [(2, 0.66, 1), (1, 0.6, 1)]}
    assert table["threshold"].tolist() == [0.65, 0.67, 0.65]


def test_classes_of_the_classifier_say_what_is_counted(tmp_path: Path) -> None:
    """Its thresholds are not known. Two ROIs have 0.63, rounded: one is counted, so only that is shown."""
    scores = {bin_id(1): of_akashiwo(0.69, 0.63, 0.63, 0.5, 0.4)}
    own = np.array([0, -1, 0, -1, -1])
    table = choose(tmp_path, scores, per_class=2, method=replace(METHOD, from_scores=True), own=own)
    assert shown(table) == {"top": [(1, 0.69, 1), (1, 0.63, 1)], "missed": [(1, 0.5, 1)]}
    assert table["threshold"].isna().all()


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_class_that_labels_are_merged_into_shows_all_of_them(tmp_path: Path, when: str) -> None:
    """Each ROI by its label's threshold, the nearest to it first: 0.52 is nearer to 0.5 than 0.75 is to 0.7."""
    table = {"Akashiwo": {"group": "dinoflagellate"}, "detritus": {"synonym_of": "Akashiwo", "merge": when}}
    method = replace(METHOD, class_table=table, class_thresholds={"detritus": 0.5})
    scores = {
        bin_id(1): [(0.9, 0.0), (0.0, 0.95), (0.75, 0.0), (0.0, 0.52), (0.69, 0.0)],
        bin_id(2): [(0.0, 0.98), (0.0, 0.45), (0.0, 0.55)],
    }
    for asked in (["Akashiwo"], ["detritus"], ["detritus", "Akashiwo"]):
        found = choose(tmp_path, scores, classes=asked, method=method)
        columns = ["kind", "class", "threshold", "bin", "score"]
        assert [(k, name, t, int(b[10:12]), s) for k, name, t, b, s in found[columns].itertuples(index=False)] == [
            ("top", "detritus", 0.5, 2, 0.98),
            ("top", "detritus", 0.5, 1, 0.95),
            ("top", "Akashiwo", 0.7, 1, 0.9),
            ("top", "Akashiwo", 0.7, 1, 0.75),
            ("reached", "detritus", 0.5, 1, 0.52),
            ("reached", "detritus", 0.5, 2, 0.55),
            ("missed", "Akashiwo", 0.7, 1, 0.69),
            ("missed", "detritus", 0.5, 2, 0.45),
        ]


def test_only_bins_that_may_have_images_and_that_are_asked_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    scores = {bin_id(n): of_akashiwo(n / 25) for n in (20, 21, 23)}
    assert [hour for hour, _, _ in shown(choose(tmp_path, scores))["top"]] == [21, 20]
    assert [hour for hour, _, _ in shown(choose(tmp_path, scores, bins=[bin_id(20), bin_id(9)]))["top"]] == [20]
    assert f"images.bins: no used bin of the window: {bin_id(9)!r}" in caplog.text
    with pytest.raises(RawFileError, match="none of 1 used bins has raw files"):
        choose(tmp_path, scores, bins=[bin_id(23)])


def test_the_classes_are_those_asked_for_or_the_most_abundant(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    scores = {bin_id(1): [(0.9, 0.0), (0.0, 0.9)]}
    assert set(choose(tmp_path, scores, classes=[])["class"]) == {"Akashiwo"}  # detritus does not live
    asked = choose(tmp_path, scores, classes=["detritus", "unclassified", "Dinofisis"])
    assert set(asked["class"]) == {"detritus"}
    assert "images.classes: in no label set of the window's bins: 'Dinofisis'" in caplog.text
    assert "no montage of classes that won no ROI: 'Dinofisis'" in caplog.text


@pytest.mark.parametrize("seed", range(20))
def test_with_few_bins_the_choice_is_the_best_of_all(
    tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not more bins than are chosen at most: then no ROI elsewhere is better."""
    made_up = random.Random(seed)
    monkeypatch.setattr(examples, "PRUNED_AT", made_up.choice([3, 20_000]))
    scores = {
        bin_id(n): of_akashiwo(*[made_up.randrange(1, 40) / 40 for _ in range(made_up.randrange(30))])
        for n in range(examples.BINS_MOST)
    }
    per_class = made_up.randrange(1, 30)
    everything = sorted((score, name) for name, rows in scores.items() for score, _ in rows)
    reached = [score for score, _ in everything if score >= 0.7]
    top = reached[::-1][:per_class]
    rest = reached[: len(reached) - len(top)]
    expected = {
        "top": top,
        "reached": rest[: per_class - per_class // 2],
        "missed": [score for score, _ in everything[::-1] if score < 0.7][: per_class // 2],
    }
    found = shown(choose(tmp_path, scores, per_class))
    assert {kind: [s for _, s, n in rows for _ in range(n)] for kind, rows in found.items()} == {
        kind: scores for kind, scores in expected.items() if scores
    }
