"""The demo archive, read with plain csv and numpy: shapes, signal, and every awkward case it promises."""

import csv
import hashlib
import shutil
from collections import Counter, defaultdict
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from ifcb_abundance.demo import archive as demo_archive
from ifcb_abundance.demo.archive import AWKWARD, LABELS, RARE_CLASS, write_demo_archive
from ifcb_abundance.demo.people import NO_CLASS, SKILLS
from ifcb_abundance.raw.tree import find_raw, read_raw_bin

Metadata = dict[str, dict[str, str]]  # bin: column: text
Wins = dict[tuple[str, str], Counter[str]]  # UTC day, instrument number: class: ROIs

THRESHOLD = np.float16(0.7)
RAW = (".hdr", ".adc", ".roi")
BAD_VOLUMES = {
    "volume_empty": "",
    "volume_fill": "-9999999.0",
    "volume_too_large": "37.8",
    "volume_zero": "0.0",
    "volume_negative": "-0.029",
}


def digests(folder: Path) -> dict[str, str]:
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "resources" / "demo"
    write_demo_archive(folder)
    return folder


@pytest.fixture(scope="module")
def other_seed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("other")
    write_demo_archive(folder, seed=7)
    return folder


@pytest.fixture(scope="module")
def metadata(archive: Path) -> Metadata:
    with (archive / "metadata.csv").open(newline="") as file:
        return {row["pid"]: row for row in csv.DictReader(file)}


class Scores:
    """One score file: `labels`, `rois` and `text` (as written), `values` (float16, NaN where empty)."""

    def __init__(self, path: Path) -> None:
        with path.open(newline="") as file:
            header, *rows = csv.reader(file)
        self.header = header
        self.labels = header[1:]
        self.rois = [row[0] for row in rows]
        self.text = [row[1:] for row in rows]
        values = [[float(x) if x else np.nan for x in row] for row in self.text]
        self.values = np.array(values, dtype=np.float16).reshape(len(rows), len(self.labels))
        self.best = np.nan_to_num(self.values, nan=-1).max(axis=1, initial=-1)

    def winners(self) -> Counter[str]:
        """How many ROIs each class won with a score of at least 0.7."""
        winning = np.nan_to_num(self.values, nan=-1).argmax(axis=1)[self.best >= THRESHOLD]
        return Counter(self.labels[i] for i in winning)


@pytest.fixture(scope="module")
def scores(archive: Path) -> dict[str, Scores]:
    suffix = "_class_scores.csv"
    return {p.name.removesuffix(suffix): Scores(p) for p in archive.rglob(f"*{suffix}")}


@pytest.fixture(scope="module")
def wins(metadata: Metadata, scores: dict[str, Scores]) -> Wins:
    """Winners of the bins that a stock config would use, by UTC day and instrument number."""
    total: Wins = defaultdict(Counter)
    for bin_id, row in metadata.items():
        good = row["ml_analyzed"] and 0 < float(row["ml_analyzed"]) <= 5.25
        if good and row["skip"] == "0" and bin_id in scores:
            total[row["sample_time"][:10], row["ifcb"]] += scores[bin_id].winners()
    return total


def only(case: str) -> str:
    (bin_id,) = AWKWARD[case]
    return bin_id


# --- bytes


def test_same_seed_same_bytes_other_seed_other_bytes(archive: Path, other_seed: Path, tmp_path: Path) -> None:
    write_demo_archive(tmp_path)
    expected, other = digests(archive), digests(other_seed)
    assert digests(tmp_path) == expected
    assert other.keys() == expected.keys()
    same = {name for name in expected if other[name] == expected[name]}
    # A header has nothing random, nor has that of a raw bin of which the volume is not.
    assert {name for name in same if not name.endswith(RAW)} == {
        name for name in expected if name.endswith(f"{only('header_only')}_class_scores.csv")
    }
    assert not [name for name in same if name.endswith((".adc", ".roi"))]


def test_files_of_bins_have_the_time_of_the_bin(archive: Path) -> None:
    """So that summaries, which name their files, are equal in two checkouts."""
    times = {p.name: p.stat().st_mtime for p in archive.rglob("D20240415T053738_IFCB902*")}
    assert len(times) >= 2
    assert set(times.values()) == {datetime(2024, 4, 15, 5, 37, 38, tzinfo=UTC).timestamp()}


def test_writes_over_what_an_earlier_run_left(archive: Path, other_seed: Path, tmp_path: Path) -> None:
    shutil.copytree(other_seed, tmp_path, dirs_exist_ok=True)
    left = tmp_path / "2024/D20240415" / f"{AWKWARD['no_scores'][0]}_class_scores.csv"
    left.write_text("pid,bead\n")
    write_demo_archive(tmp_path)
    assert digests(tmp_path) == digests(archive)


def test_no_metadata_unless_all_is_written(archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(archive, tmp_path, dirs_exist_ok=True)
    calls = iter(range(50))

    def fail_late(*_: object) -> list[object]:
        if next(calls, None) is None:
            raise OSError("disk full")
        return []

    monkeypatch.setattr(demo_archive, "_metadata_row", fail_late)
    with pytest.raises(OSError, match="disk full"):
        write_demo_archive(tmp_path)
    assert not (tmp_path / "metadata.csv").exists()


def test_small_and_unix_lines(archive: Path) -> None:
    files = [p for p in archive.rglob("*") if p.is_file()]
    assert sum(p.stat().st_size for p in files) < 20e6
    assert sum(p.stat().st_size for p in files if p.suffix in RAW) < 5e6
    texts = [p for p in files if p.suffix != ".roi"]
    assert not any(b"\r" in p.read_bytes() for p in texts)
    assert all(p.read_bytes().endswith(b"\n") for p in texts)
    products = ("_class_scores.csv", "_features.csv", *RAW)
    assert {p.name for p in files if not p.name.endswith(products)} == {"metadata.csv", "labels.csv"}


# --- metadata


def test_metadata_columns_and_order(archive: Path) -> None:
    lines = (archive / "metadata.csv").read_text().splitlines()
    assert lines[0] == (
        "pid,sample_time,ifcb,ml_analyzed,latitude,longitude,depth,cruise,cast,niskin,sample_type,n_images,"
        "tag1,tag2,comment_summary,trigger_selection,skip"
    )
    pids = [line.split(",")[0] for line in lines[1:]]
    assert pids == sorted(set(pids))


def test_four_days_of_two_instruments(metadata: Metadata) -> None:
    per_day = Counter((row["sample_time"][:10], row["ifcb"]) for row in metadata.values())
    assert sorted(per_day) == [(f"2024-04-{d}", n) for d in (15, 16, 17, 18) for n in ("901", "902")]
    assert all(18 <= n <= 22 for n in per_day.values())


def test_metadata_values(metadata: Metadata) -> None:
    corrected = only("corrected_time")
    positions: dict[str, set[tuple[str, str, str]]] = {"901": set(), "902": set()}
    awkward_positions = AWKWARD["position_empty"] + AWKWARD["position_fill"]
    for bin_id, row in metadata.items():
        at = datetime.strptime(bin_id, f"D%Y%m%dT%H%M%S_IFCB{int(row['ifcb']):03d}").replace(tzinfo=UTC)
        assert (row["sample_time"] == str(at)) == (bin_id != corrected)
        assert row["skip"] in ("0", "1")
        assert row["trigger_selection"] == "2"
        assert 100 <= int(row["n_images"]) <= 300
        if bin_id not in awkward_positions:
            positions[row["ifcb"]].add((row["latitude"], row["longitude"], row["depth"]))
    assert positions["901"] == {("-48.875", "-123.3917", "4.0")}
    assert len(positions["902"]) == 1
    assert positions["902"] != positions["901"]


def test_volumes_are_good_where_not_listed_as_bad(metadata: Metadata) -> None:
    bad = {bin_id for case in BAD_VOLUMES for bin_id in AWKWARD[case]}
    assert len(bad) == 5
    good = [row["ml_analyzed"] for bin_id, row in metadata.items() if bin_id not in bad]
    assert all(2 < float(text) < 4.9 and repr(float(text)) == text for text in good)
    assert sum(len(text) > 12 for text in good) > len(good) / 2  # full precision, not rounded


# --- score files


def test_every_score_file_is_in_its_place(archive: Path, metadata: Metadata) -> None:
    expected = {
        f"{bin_id[1:5]}/{bin_id[:9]}/{bin_id}_class_scores.csv"
        for bin_id in metadata
        if bin_id not in AWKWARD["no_scores"]
    }
    assert {name for name in digests(archive) if name.endswith("_class_scores.csv")} == expected


def test_labels(archive: Path, scores: dict[str, Scores]) -> None:
    assert 55 <= len(LABELS) <= 65
    assert len(set(LABELS)) == len(LABELS)
    for bin_id, file in scores.items():
        assert file.header[0] == "pid"
        if bin_id not in AWKWARD["older_classifier"]:
            assert file.labels == LABELS
    assert {"nanoplankton <10um", "Thalassiosira_TAG_external_detritus", "Pseudo-nitzschia"} <= set(LABELS)
    (comma,) = [label for label in LABELS if "," in label]
    header = next(archive.rglob("*IFCB901_class_scores.csv")).read_text().splitlines()[0]
    assert f',"{comma}",' in header
    assert header.count('"') == 2


def test_rows_are_the_images_and_roi_numbers_have_gaps(metadata: Metadata, scores: dict[str, Scores]) -> None:
    for bin_id, file in scores.items():
        if bin_id in AWKWARD["header_only"]:
            continue
        assert len(file.rois) == int(metadata[bin_id]["n_images"])
        numbers = [int(roi.rsplit("_", 1)[1]) for roi in file.rois]
        assert file.rois == [f"{bin_id}_{n:05d}" for n in numbers]
        steps = np.diff(numbers)
        assert steps.min() == 1
        assert steps.max() > 1


def test_scores_are_printed_as_the_shortest_float16(scores: dict[str, Scores]) -> None:
    written = {text for file in scores.values() for row in file.text for text in row if text}
    assert all(str(np.float16(text)) == text for text in written)
    assert all(0 <= float(text) <= 1 for text in written)
    assert {"0.0", "0.7", "0.8", "0.06076", "1.5e-06"} <= written  # as the recordings have them


def test_scores_look_like_a_softmax(scores: dict[str, Scores]) -> None:
    cases = ("rois_without_scores", "rois_with_some_scores", "no_roi_at_threshold")
    special = {bin_id for case in cases for bin_id in AWKWARD[case]}
    files = [file for bin_id, file in scores.items() if bin_id not in special and file.rois]
    sums = np.concatenate([file.values.astype(float).sum(axis=1) for file in files])
    assert np.abs(sums - 1).max() < 0.002
    best = np.concatenate([file.best for file in files])
    assert 0.28 < np.mean(best < THRESHOLD) < 0.39
    assert np.mean(best > 0.95) > 0.2
    # No class wins at 0.7 by chance: what a mooring has none of stays at zero.
    assert not any(file.winners()["Margalefidinium"] for b, file in scores.items() if b.endswith("IFCB901"))


# --- signal


def test_bloom(wins: Wins) -> None:
    daily = [wins[f"2024-04-{day}", "901"]["Guinardia_delicatula"] for day in (15, 16, 17, 18)]
    assert daily == sorted(daily)
    assert daily[3] > 3 * daily[0] > 100
    at_902 = [wins[f"2024-04-{day}", "902"]["Guinardia_delicatula"] for day in (15, 18)]
    assert at_902[1] < 2 * at_902[0]


def test_harmful_class_comes_late_and_at_one_instrument(wins: Wins) -> None:
    seen = {key for key, counts in wins.items() if counts["Margalefidinium"]}
    assert seen == {("2024-04-17", "902"), ("2024-04-18", "902")}


def test_rare_class_has_days_without_a_hit(wins: Wins) -> None:
    assert RARE_CLASS in LABELS
    assert {date for (date, _), counts in wins.items() if counts[RARE_CLASS]} == {"2024-04-17"}


def test_instruments_differ_in_composition(wins: Wins) -> None:
    for day in (15, 16, 17, 18):
        at_901, at_902 = wins[f"2024-04-{day}", "901"], wins[f"2024-04-{day}", "902"]
        assert at_901["Skeletonema"] > 2 * at_902["Skeletonema"]
        assert at_902["Chaetoceros"] > 2 * at_901["Chaetoceros"]


def test_diurnal_cycle(metadata: Metadata, scores: dict[str, Scores]) -> None:
    for label in ("nanoplankton <10um", "Dinophysis_acuminata", "Mesodinium"):
        hits = {"day": 0, "night": 0}
        for bin_id, file in scores.items():
            hour = int(metadata[bin_id]["sample_time"][11:13])  # six hours about local noon and midnight, UTC
            if 14 <= hour < 20 or 2 <= hour < 8:
                hits["day" if hour >= 14 else "night"] += file.winners()[label]
        assert hits["day"] > 2 * hits["night"] > 0


# --- every awkward case


def test_awkward_names_bins_of_the_archive_each_once(metadata: Metadata) -> None:
    named = [bin_id for bins in AWKWARD.values() for bin_id in bins]
    assert len(set(named)) == len(named)
    assert set(named) <= metadata.keys()
    assert set(AWKWARD) == {
        "no_scores", "skipped", "beads_skipped", "beads_not_skipped", *BAD_VOLUMES, "no_roi_at_threshold",
        "header_only", "corrected_time", "midnight", "position_empty", "position_fill", "rois_without_scores",
        "rois_with_some_scores", "ties", "exactly_at_threshold", "older_classifier", "no_features",
        "rois_without_features", "rois_without_blob",
    }  # fmt: skip


def test_no_scores(metadata: Metadata, scores: dict[str, Scores]) -> None:
    assert len(AWKWARD["no_scores"]) == 2
    assert metadata.keys() - scores.keys() == set(AWKWARD["no_scores"])


def test_skipped_and_beads(metadata: Metadata, scores: dict[str, Scores]) -> None:
    assert len(AWKWARD["skipped"]) == 2
    skipped = {bin_id for bin_id, row in metadata.items() if row["skip"] == "1"}
    assert skipped == {*AWKWARD["skipped"], *AWKWARD["beads_skipped"]}
    beads = {only("beads_skipped"), only("beads_not_skipped")}
    assert {bin_id for bin_id, row in metadata.items() if row["tag1"] == "beads"} == beads
    for bin_id, file in scores.items():
        assert (file.winners()["bead"] > 0.5 * file.winners().total() > 0) == (bin_id in beads)


@pytest.mark.parametrize(("case", "text"), BAD_VOLUMES.items())
def test_bad_volume(metadata: Metadata, scores: dict[str, Scores], case: str, text: str) -> None:
    assert metadata[only(case)]["ml_analyzed"] == text
    assert scores[only(case)].winners()  # has objects: only the volume is wrong


def test_no_roi_at_threshold(scores: dict[str, Scores]) -> None:
    without = {bin_id for bin_id, file in scores.items() if file.rois and not file.winners()}
    assert without == {only("no_roi_at_threshold")}
    assert scores[only("no_roi_at_threshold")].best.max() > 0.5


def test_header_only(archive: Path, metadata: Metadata, scores: dict[str, Scores]) -> None:
    assert [bin_id for bin_id, file in scores.items() if not file.rois] == AWKWARD["header_only"]
    path = next(archive.rglob(f"{only('header_only')}_class_scores.csv"))
    assert path.read_text().count("\n") == 1
    assert int(metadata[only("header_only")]["n_images"]) > 0


def test_corrected_time_moves_to_another_day(metadata: Metadata) -> None:
    assert only("corrected_time").startswith("D20240416T")
    assert metadata[only("corrected_time")]["sample_time"] == "2024-04-17 00:20:45+00:00"


def test_midnight(metadata: Metadata) -> None:
    assert len(AWKWARD["midnight"]) == 2
    for bin_id in AWKWARD["midnight"]:
        assert metadata[bin_id]["sample_time"].endswith(" 00:00:00+00:00")


def test_positions(metadata: Metadata) -> None:
    empty = [bin_id for bin_id, row in metadata.items() if row["latitude"] == "" and row["longitude"] == ""]
    assert empty == sorted(AWKWARD["position_empty"])
    row = metadata[only("position_fill")]
    assert (row["latitude"], row["longitude"]) == ("-9999999.0", "-9999999.0")


def test_missing_scores(archive: Path, scores: dict[str, Scores]) -> None:
    missing = {bin_id: np.isnan(file.values) for bin_id, file in scores.items()}
    none = {bin_id for bin_id, gaps in missing.items() if gaps.all(axis=1).any() and len(gaps)}
    some = {bin_id for bin_id, gaps in missing.items() if (gaps.any(axis=1) & ~gaps.all(axis=1)).any()}
    assert none == {only("rois_without_scores")}
    assert some == {only("rois_with_some_scores")}
    gone = missing[only("rois_without_scores")].all(axis=1)
    assert gone.sum() == 3
    path = next(archive.rglob(f"{only('rois_without_scores')}_class_scores.csv"))
    line = path.read_text().splitlines()[1 + int(gone.argmax())]
    assert line == scores[only("rois_without_scores")].rois[int(gone.argmax())] + "," * len(LABELS)
    # One ROI keeps nothing but a winning score: it still is of that class.
    file = scores[only("rois_with_some_scores")]
    (alone,) = np.flatnonzero((~np.isnan(file.values)).sum(axis=1) == 1)
    assert file.best[alone] >= THRESHOLD


def test_ties(scores: dict[str, Scores]) -> None:
    file = scores[only("ties")]
    shared = (file.values == file.best[:, None]).sum(axis=1)
    assert sorted(shared[shared > 1]) == [2, 3, len(LABELS)]
    assert file.best[shared == 2] == 0.5


def test_exactly_at_threshold(scores: dict[str, Scores]) -> None:
    file = scores[only("exactly_at_threshold")]
    best = [max(row, key=float) for row in file.text]
    assert "0.7" in best
    assert "0.6997" in best
    assert np.nextafter(THRESHOLD, np.float16(0)) == np.float16("0.6997")


def test_older_classifier(scores: dict[str, Scores]) -> None:
    shorter = [bin_id for bin_id, file in scores.items() if file.labels != LABELS]
    assert shorter == AWKWARD["older_classifier"]
    assert only("older_classifier").endswith("IFCB902")
    labels = scores[only("older_classifier")].labels
    assert len(labels) == len(LABELS) - 2
    assert labels == [label for label in LABELS if label in labels]


# --- features


def features_of(archive: Path, bin_id: str) -> list[dict[str, float]]:
    path = archive / bin_id[1:5] / bin_id[:9] / f"{bin_id}_features.csv"
    with path.open(newline="") as file:
        return [{name: float(text) for name, text in row.items()} for row in csv.DictReader(file)]


def test_features_are_there_of_all_bins_with_scores_but_one(archive: Path, scores: dict[str, Scores]) -> None:
    there = {p.name.removesuffix("_features.csv") for p in archive.rglob("*_features.csv")}
    assert there == scores.keys() - {only("no_features")}


def test_features_have_a_row_per_roi_but_for_some(archive: Path, scores: dict[str, Scores]) -> None:
    for bin_id in scores.keys() - {only("no_features"), only("header_only")}:
        numbers = [row["roi_number"] for row in features_of(archive, bin_id)]
        rois = [int(roi.rsplit("_", 1)[1]) for roi in scores[bin_id].rois]
        missing = 3 if bin_id == only("rois_without_features") else 0
        assert [roi for roi in rois if roi in numbers] == numbers
        assert len(rois) - len(numbers) == missing


def test_sizes_are_those_of_the_classes(archive: Path, scores: dict[str, Scores]) -> None:
    """At 3.4 pixels per um; and only what has no blob has no volume."""
    diameters = defaultdict(list)
    without_blob = []
    for bin_id in scores.keys() - {only("no_features"), only("header_only"), only("rois_without_features")}:
        file = scores[bin_id]
        for row, best, wins in zip(features_of(archive, bin_id), file.best, file.values, strict=True):
            assert 0 <= row["Biovolume"] <= row["summedBiovolume"]
            assert row["Area"] <= row["summedArea"]
            if row["summedBiovolume"] == 0:
                without_blob.append(bin_id)
            elif best >= THRESHOLD:
                name = file.labels[int(np.nan_to_num(wins, nan=-1).argmax())]
                diameters[name].append((6 * row["summedBiovolume"] / np.pi) ** (1 / 3) / 3.4)
    assert np.median(diameters["nanoplankton <10um"]) == pytest.approx(7, rel=0.05)
    assert np.median(diameters["Guinardia_delicatula"]) == pytest.approx(24, rel=0.05)
    assert np.median(diameters["Ditylum_brightwellii"]) == pytest.approx(40, rel=0.1)
    assert without_blob == [only("rois_without_blob")] * 2


def test_features_change_nothing_else_of_the_archive(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo_archive, "_write_features", lambda *_: None)
    write_demo_archive(tmp_path)
    expected = digests(archive)
    assert digests(tmp_path) == {name: of for name, of in expected.items() if not name.endswith("_features.csv")}


# --- raw files


def test_bins_of_one_day_and_instrument_have_images_of_their_rois(
    archive: Path, metadata: Metadata, scores: dict[str, Scores]
) -> None:
    raw = find_raw(archive)
    assert set(raw.bins) == {b for b in metadata if b.startswith("D20240418") and b.endswith("IFCB901")}
    sizes = defaultdict(set)
    for bin_id, found in raw.bins.items():
        header, triggers = read_raw_bin(found)
        assert triggers.malformed.count == 0
        assert [f"{bin_id}_{n:05d}" for n in triggers.rois] == scores[bin_id].rois
        assert sum(roi.width * roi.height for roi in triggers.rois.values()) == Path(found.roi).stat().st_size
        last = triggers.rows.iloc[-1]
        # The clocks give the volume of the metadata, to which an awkward bin may not agree.
        volume = 0.25 * (last["run_time"] - last["inhibit_time"]) / 60
        assert header.run_time == last["run_time"]
        if bin_id not in AWKWARD["volume_negative"]:
            assert volume == pytest.approx(float(metadata[bin_id]["ml_analyzed"]), rel=1e-6)
        winners = np.array(scores[bin_id].labels)[np.nan_to_num(scores[bin_id].values, nan=-1).argmax(axis=1)]
        for label, roi in zip(winners, triggers.rois.values(), strict=True):
            assert roi.x + roi.width <= 1380
            assert roi.y + roi.height <= 1034
            sizes[label].add((roi.width, roi.height))
    # Chains are longer than they are high, a single cell is not.
    assert all(width > height for width, height in sizes["Guinardia_delicatula"] | sizes["Cylindrotheca"])
    assert all(abs(width - height) <= 1 for width, height in sizes["Dinophysis_acuminata"])


def test_nobody_can_take_it_for_real_data(metadata: Metadata) -> None:
    """No such instruments, a kind of sample that says what it is, and Point Nemo, which lies 2,688 km from any land."""
    assert {row["ifcb"] for row in metadata.values()} == {"901", "902"}
    assert {row["sample_type"] for row in metadata.values()} == {"demo"}
    places = {(row["latitude"], row["longitude"]) for row in metadata.values()}
    known = places - {("", ""), ("-9999999.0", "-9999999.0")}
    assert len(known) == 2
    for latitude, longitude in known:
        assert abs(float(latitude) - -(48 + 52.6 / 60)) < 0.5
        assert abs(float(longitude) - -(123 + 23.6 / 60)) < 0.5


# --- people


def test_people_label_rois_of_bins_that_count_as_often_right_as_promised(
    archive: Path, scores: dict[str, Scores]
) -> None:
    with (archive / "labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    said: dict[str, dict[str, str]] = defaultdict(dict)
    for row in rows:
        said[row["roi"]][row["person"]] = row["label"]
    rois = {roi for file in scores.values() for roi in file.rois}
    unused = {bin_id for case in ("skipped", "beads_skipped", *BAD_VOLUMES) for bin_id in AWKWARD[case]}
    assert {len(votes) for votes in said.values()} == {3}
    assert said.keys() <= rois
    assert not {roi.rsplit("_", 1)[0] for roi in said} & unused
    # Where the two others agree, they are right nearly always.
    of_person: dict[str, list[bool]] = defaultdict(list)
    for votes in said.values():
        for person, label in votes.items():
            others = {votes[other] for other in votes if other != person}
            if len(others) == 1:
                of_person[person].append(label in others)
    assert {person: round(float(np.mean(right)), 1) for person, right in of_person.items()} == {
        person: round(skill, 1) for person, skill in SKILLS.items()
    }
    assert {row["label"] for row in rows} - set(LABELS) == {NO_CLASS}
