import logging
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.io import savemat

from ifcb_abundance.common.errors import ConfigError, ScoresError, TableError
from ifcb_abundance.tables import table_files
from ifcb_abundance.validation import evaluation, label_times, labels
from ifcb_abundance.validation.consensus import Rules, agree
from ifcb_abundance.validation.sampling import Bands
from tests.validation.zoo import RECORDED, recorded

BIN = "D20240418T001403_IFCB010"


def read(tmp_path: Path, text: str, name: str = "labels.csv") -> list[tuple[str, str, str]]:
    (tmp_path / name).write_text(text)
    return list(labels.read_labels([tmp_path / name])[["roi", "label", "person"]].itertuples(index=False, name=None))


@recorded
def test_all_six_forms_give_what_is_expected() -> None:
    folder = RECORDED / "labels"
    expected = pd.read_csv(folder / "EXPECTED.csv", dtype="str", keep_default_na=False)
    files = labels.label_files([str(folder / name) for name in dict.fromkeys(expected["file"])])
    found = labels.read_labels(files)
    found["file"] = [Path(path).name for path in found["file"]]
    pd.testing.assert_frame_equal(found[list(expected)], expected)


@recorded
def test_the_form_is_told_by_content_and_not_by_name(tmp_path: Path) -> None:
    for name in ("annotations.sqlite", "ecotaxa.tsv", "label_studio.csv"):
        (tmp_path / "labels.txt").write_bytes((RECORDED / "labels" / name).read_bytes())
        of_name = labels.read_labels([RECORDED / "labels" / name])
        found = labels.read_labels([tmp_path / "labels.txt"])
        pd.testing.assert_frame_equal(found.drop(columns="file"), of_name.drop(columns="file"))


@pytest.mark.parametrize(
    "name",
    [
        f"{BIN}_00002",
        f"{BIN}_00002.png",
        f"some/folder/{BIN}_00002.PNG",
        f"C:\\images\\{BIN}_00002.png",
        f"/data/upload/7/0a1b2c3d-{BIN}_00002.png",
        f"/data/local-files/?d=images/{BIN}_00002.jpg",
    ],
)
def test_the_roi_is_found_in_the_name_of_its_image(name: str) -> None:
    assert labels.roi_name(name) == f"{BIN}_00002"


def test_rows_that_name_no_roi_are_left_out_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = read(tmp_path, f"roi,label\n{BIN}_00002,mix\nphoto_7.png,mix\n{BIN},mix\n")
    assert rows == [(f"{BIN}_00002", "mix", "")]
    assert "2 rows left out that name no ROI" in caplog.text
    assert "photo_7.png" in caplog.text


def test_a_file_in_which_no_row_names_a_roi_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"labels\.csv: none of its rows names a ROI"):
        read(tmp_path, "roi,label\nphoto_7.png,mix\n")


@pytest.mark.parametrize("text", ["a,b\n1,2\n", "roi;label\nx;y\n", "", "roi,label\nx\n", "\0\0\0"])
def test_a_file_of_another_form_is_an_error_that_names_it(tmp_path: Path, text: str) -> None:
    with pytest.raises(TableError, match=r"labels\.csv"):
        read(tmp_path, text)


def test_a_manual_file_has_labels_where_a_person_looked(tmp_path: Path) -> None:
    classes = np.array(["unclassified", "mix", " Ditylum ", "unclassified "], object)
    rows = [[1, 2, np.nan], [2, np.nan, 3], [3, 1, 3], [4, 3, 2], [5, 4, np.nan]]
    savemat(tmp_path / f"{BIN}.mat", {"classlist": np.array(rows, float), "class2use_manual": classes})
    found = labels.read_labels([tmp_path / f"{BIN}.mat"])
    assert found[["roi", "label"]].values.tolist() == [[f"{BIN}_00001", "mix"], [f"{BIN}_00004", "Ditylum"]]


def test_a_manual_file_whose_class_is_not_listed_is_an_error(tmp_path: Path) -> None:
    savemat(tmp_path / f"{BIN}.mat", {"classlist": np.array([[7.0, 3, 1]]), "class2use_manual": ["a"]})
    with pytest.raises(TableError, match="ROI 7 is of class 3, and there are 1 class"):
        labels.read_labels([tmp_path / f"{BIN}.mat"])


@pytest.mark.parametrize("damage", ["a byte", "the end", "half the head"])
def test_a_damaged_manual_file_is_named(tmp_path: Path, damage: str) -> None:
    path = tmp_path / f"{BIN}.mat"
    classlist = np.array([[i, 2, np.nan] for i in range(1, 200)], float)
    savemat(
        path, {"classlist": classlist, "class2use_manual": np.array(["mix", "Ditylum"], object)}, do_compression=True
    )
    body = path.read_bytes()
    changed = bytes([body[200] ^ 255])
    damaged = {
        "a byte": body[:200] + changed + body[201:],
        "the end": body[:200],
        "half the head": body[:64],
    }
    path.write_bytes(damaged[damage])
    with pytest.raises(TableError, match=rf"{BIN}\.mat"):
        labels.read_labels([path])


def test_empty_cells_of_a_database_are_no_labels(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with closing(sqlite3.connect(tmp_path / "annotations.sqlite")) as database:
        database.execute(
            "CREATE TABLE annotations (sample_name, roi_number, class_name, annotator, timestamp, is_manual)"
        )
        rows = [(BIN, 2.0, "mix"), (BIN, None, "mix"), (BIN, "x", "mix"), (BIN, 3, None)]
        database.executemany("INSERT INTO annotations VALUES (?, ?, ?, 'ann', '', 1)", rows)
        database.commit()
    found = labels.read_labels([tmp_path / "annotations.sqlite"])
    assert found[["roi", "label", "person"]].values.tolist() == [[f"{BIN}_00002", "mix", "ann"]]
    assert "2 rows left out that name no ROI" in caplog.text


def test_globs_and_paths_name_files_once(tmp_path: Path) -> None:
    for name in ("b.csv", "a.csv", "note[1].csv"):
        (tmp_path / name).write_text("roi,label\n")
    found = labels.label_files([f"{tmp_path}/b.csv", f"{tmp_path}/*.csv", f"{tmp_path}/note[1].csv"])
    assert [Path(path).name for path in found] == ["b.csv", "a.csv", "note[1].csv"]
    with pytest.raises(ConfigError, match=r"validation\.labels: there is no file .*none\*\.mat"):
        labels.label_files([f"{tmp_path}/none*.mat"])


def test_a_file_that_is_spelt_in_two_ways_counts_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "labels.csv").write_text("roi,label\n")
    monkeypatch.chdir(tmp_path)
    assert labels.label_files(["./labels.csv", "*.csv", f"{tmp_path}/labels.csv"]) == ["./labels.csv"]
    assert labels.label_files(["*.csv", "./labels.csv"]) == ["labels.csv"]


def test_what_is_no_class_becomes_other_and_the_nearest_class_is_named(caplog: pytest.LogCaptureFixture) -> None:
    given = pd.DataFrame({"label": ["Strombidium_like", "Ditylum", "tunicate", "bad image", "D. brightwellii"]})
    classes = ["Ditylum", "Strombidium-like", "mix"]
    renamed = {"D. brightwellii": "Ditylum"}
    found = labels.as_classes(given, renamed, labels.unknown_labels(given, classes, renamed, ["bad image"]))
    assert found["label"].tolist() == ["other", "Ditylum", "other", "bad image", "Ditylum"]
    assert "'Strombidium_like' is no class (1 label), so it counts as other" in caplog.text
    assert "The nearest class is 'Strombidium-like'" in caplog.text
    assert "'tunicate' is no class (1 label), so it counts as other\n" in caplog.text


def test_classes_that_are_spelt_alike_are_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Two label sets spell a class in two ways: its labels count as they are written."""
    given = ["Strombidium_like", "Strombidium_like", "Strombidium-like", "Ditylum", "odd"]
    rois = [f"{BIN}_{i:05d}" for i in range(len(given))]
    table = pd.DataFrame({"file": "l.csv", "roi": rois, "label": given, "person": "", "created": ""})
    table_files.write(table, "labels", tmp_path / "labels.csv")
    used = [{"bin": BIN, "date": "2024-04-18", "status": "used"}]
    table_files.write(table_files.from_rows(used, "ledger"), "ledger", tmp_path / "ledger.csv")
    (tmp_path / "abundance.csv").write_text("class\nDitylum\nStrombidium-like\nStrombidium_like\n")
    monkeypatch.setattr(evaluation, "winners_of_rois", lambda *_: pd.DataFrame({"roi": rois}))
    files = {name: tmp_path / f"{name}.csv" for name in ("labels", "ledger", "abundance")}
    made = {name: tmp_path / f"{name}.csv" for name in ("consensus", "people", "label_notes")}
    evaluation.agree_labels(files, [f"{BIN}.parquet"], Bands((0.5,), "float64"), None, Rules(), made)
    assert table_files.read("label_notes", made["label_notes"]).to_numpy().tolist() == [
        ["no_class", "odd", 1, ""],
        ["alike", "Strombidium-like", 1, "Strombidium_like"],
        ["alike", "Strombidium_like", 2, "Strombidium-like"],
    ]
    assert table_files.read("consensus", made["consensus"])["class"].tolist() == [*given[:4], "other"]
    assert "'Strombidium_like' (2 labels) and 'Strombidium-like' are both classes" in caplog.text
    # What the map makes unclassified is no label, and its ROIs have none.
    (tmp_path / "map.csv").write_text("label,class\nodd,unclassified\nStrombidium_like,Strombidium-like\n")
    of = (files, [f"{BIN}.parquet"], Bands((0.5,), "float64"), tmp_path / "map.csv", Rules(), made)
    evaluation.agree_labels(*of)
    assert table_files.read("consensus", made["consensus"])["roi"].tolist() == rois[:4]
    assert set(table_files.read("label_notes", made["label_notes"])["what"]) == {"alike"}
    assert "1 label left out that validation.label_map makes unclassified or empty: that is no label" in caplog.text
    (tmp_path / "map.csv").write_text("label,class\n" + "".join(f"{name},unclassified\n" for name in set(given)))
    with pytest.raises(ConfigError, match=r"validation\.label_map: it makes every label unclassified"):
        evaluation.agree_labels(*of)
    told = table.assign(person="ann", roi=rois[0], created=["9/10/2024", "10/9/2024", "", "", ""])
    table_files.write(told, "labels", tmp_path / "labels.csv")
    with pytest.raises(TableError, match="do not say which was first"):
        evaluation.agree_labels(files, [f"{BIN}.parquet"], Bands((0.5,), "float64"), None, Rules(), made)
    with pytest.raises(ScoresError, match=f"labelled_bins.csv lacks 1 used bin with labels, such as '{BIN}'"):
        evaluation.agree_labels(files, [], Bands((0.5,), "float64"), None, Rules(), made)


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2024-02-23 16:17:42 UTC", "2024-02-23T16:17:42+00:00"),
        ("2024-03-01 00:30:00 +0200", "2024-02-29T22:30:00+00:00"),
        ("2024-05-01T10:00:00.5Z", "2024-05-01T10:00:00.500000+00:00"),
        ("20231204T123830", "2023-12-04T12:38:30+00:00"),  # EcoTaxa
        ("2024/05/01 10:00", "2024-05-01T10:00:00+00:00"),
        ("2024-05-01", "2024-05-01"),
        ("9/10/2024 9:10", None),
        ("2024-13-01", None),
        ("1710101012345", None),
        ("", None),
    ],
)
def test_a_time_is_utc_where_it_can_be_read_in_one_way(text: str, utc: str | None) -> None:
    assert label_times.as_utc(text) == utc
    assert utc is None or label_times.as_utc(utc) == utc


def test_the_first_label_is_the_first_in_time_and_not_in_text(tmp_path: Path) -> None:
    """By hand: b at 10:00 in a zone of +2 is 08:00 UTC, and so an hour before a."""
    rows = f"{BIN}_00001,a,ann,2024-03-01 09:00:00 UTC\n{BIN}_00001,b,ann,2024-03-01T10:00:00+02:00\n"
    (tmp_path / "labels.csv").write_text(f"roi,label,person,created\n{rows}")
    table = labels.read_labels([tmp_path / "labels.csv"])
    label_times.check_order(table, "first")
    assert agree(table, Rules(repeat="first"))[0]["class"].tolist() == ["b"]
    assert agree(table, Rules(repeat="last"))[0]["class"].tolist() == ["a"]


def test_a_label_of_ecotaxa_without_a_time_has_its_day(tmp_path: Path) -> None:
    names = ["id", *(f"annotation_{name}" for name in ("status", "category", "date", "time"))]
    rows = [[f"{BIN}_00001", "validated", "a", "20231204", time] for time in ("", "93005")]
    text = "\n".join("\t".join(row) for row in [[f"object_{name}" for name in names], *rows])
    (tmp_path / "labels.tsv").write_text(f"{text}\n")
    found = labels.read_labels([tmp_path / "labels.tsv"])["created"]
    assert found.tolist() == ["2023-12-04", "2023-12-04T09:30:05+00:00"]


def test_an_order_that_cannot_be_told_is_refused(tmp_path: Path) -> None:
    def given(*rows: str) -> pd.DataFrame:
        text = "".join(f"{BIN}_00001,{row}\n" for row in rows)
        (tmp_path / "labels.csv").write_text(f"roi,label,person,created\n{text}")
        return labels.read_labels([tmp_path / "labels.csv"])

    table = given("a,ann,9/10/2024 9:10", "b,ann,10/9/2024 9:10")
    with pytest.raises(TableError, match=rf"labels\.csv: 'ann' labelled {BIN}_00001 as 'a', 'b', and '9/10/2024 9:10'"):
        label_times.check_order(table, "last")
    label_times.check_order(table, "all")
    for day in ("2024-03-01", "2024-03-02"):
        with pytest.raises(TableError, match=f"'2024-03-01T09:00:00.00:00', '{day}' do not say which was first"):
            label_times.check_order(given("a,ann,2024-03-01T09:00:00Z", f"b,ann,{day}"), "first")
    for rows in (
        ("a,ann,2024-03-01", "b,ann,2024-03-02"),
        ("a,ann,2024-03-01", "b,ann,2024-03-02", "a,bob,2024-03-01T09:00:00Z"),
        ("a,ann,9/10/2024", "a,ann,10/9/2024"),  # the same label
        ("a,ann,9/10/2024", "b,ann,9/10/2024"),  # the same time: in the order of the file
        ("a,ann,9/10/2024", "b,bob,10/9/2024"),
        ("a,,9/10/2024", "b,,10/9/2024"),  # of different people
        ("a,ann,", "b,ann,"),
    ):
        label_times.check_order(given(*rows), "first")


def test_a_label_map_that_says_two_things_is_refused(tmp_path: Path) -> None:
    for rows in ("a,b\na,c\n", " a,b\na,c\n"):  # blanks around a label are no part of it
        (tmp_path / "map.csv").write_text(f"label,class\n{rows}")
        with pytest.raises(ConfigError, match=r"map\.csv: label 'a' stands for more than one class"):
            labels.read_label_map(tmp_path / "map.csv")
    (tmp_path / "map.csv").write_text("label,class\na,b\nc , d\na , b\n")
    assert labels.read_label_map(tmp_path / "map.csv") == {"a": "b", "c": "d"}


def test_labels_of_other_bins_are_left_out_and_said(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    given = pd.DataFrame({"roi": [f"{BIN}_00001", "D20230101T000000_IFCB010_00001"], "label": ["a", "b"]})
    assert labels.of_used_bins(given, [BIN])["bin"].tolist() == [BIN]
    assert "1 label of 1 bin that the run does not use, such as 'D20230101T000000_IFCB010'" in caplog.text
