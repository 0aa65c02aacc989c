"""The class table: accepted or refused, joined by label; and the totals of its groups, worked out by hand."""

import logging
from pathlib import Path

import pytest

from ifcb_abundance.classes.class_table import TRAITS, read_class_table, traits, warn_of_unlisted
from ifcb_abundance.common.errors import ConfigError
from ifcb_abundance.tables import table_files
from tests.abundance.pooling import CLASSES, a_bin, pool, rois

HEADER = "label,scientific_name,aphia_id,living,group,harmful"


def test_a_table_is_read_as_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "classes.csv"
    path.write_bytes(f'\ufeff{HEADER}\r\nNA,"Nan, a",007,yes,diatom,no\r\nnan,,,,,\r\n'.encode())
    assert read_class_table(path) == {
        "NA": dict(zip(TRAITS, ["Nan, a", "007", "yes", "diatom", "no"], strict=True)),
        "nan": dict.fromkeys(TRAITS, ""),
    }
    assert read_class_table(None) == {}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\0\0",
        b"label\nA\n",
        b"label;scientific_name;aphia_id;living;group;harmful\nA;;;;;\n",
        f"{HEADER},note\nA,,,,,,x\n".encode(),
        f"{HEADER}\nA,,,yes,diatom,no,x\n".encode(),
        f"{HEADER}\nA,,,yes,diatom,no\nA,,,yes,diatom,no\n".encode(),
        f"{HEADER}\n,,,yes,diatom,no\n".encode(),
        f"{HEADER}\nA,,,Yes,diatom,no\n".encode(),
        f"{HEADER}\nA,,,yes,diatom,perhaps\n".encode(),
        f"{HEADER}\nA,,12.0,yes,diatom,no\n".encode(),
        f"{HEADER}\nA,,12\n".encode(),
        f"{HEADER}\nx,A,,,yes,diatom,no\n".encode(),
        f'{HEADER}\n"A"x,,,yes,diatom,no\n'.encode(),
        f"{HEADER}\n\xff,,,yes,diatom,no\n".encode("latin-1"),
    ],
)
def test_what_is_not_a_class_table_is_refused_by_name(tmp_path: Path, body: bytes) -> None:
    path = tmp_path / "classes.csv"
    path.write_bytes(body)
    with pytest.raises(ConfigError, match=r"classes\.csv cannot be read as a class table"):
        read_class_table(path)


@pytest.mark.parametrize("row", ["=A,,,yes,diatom,no", "A,+1,,yes,diatom,no", "A,,,yes,@x,no", "A,a;-1,,yes,diatom,no"])
def test_cells_that_spreadsheets_would_run_are_refused(tmp_path: Path, row: str) -> None:
    path = tmp_path / "classes.csv"
    path.write_text(f"{HEADER}\n{row}\n")
    with pytest.raises(ConfigError, match=r"classes\.csv: .* formula"):
        read_class_table(path)


@pytest.mark.parametrize("name", ["none.csv", ".", "s3://x/y", "x" * 5000])
def test_a_class_table_that_is_not_there_is_refused_by_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"there is no file|cannot be read as a class table"):
        read_class_table(tmp_path / name)


def test_a_group_that_is_called_as_the_total_is_refused(tmp_path: Path) -> None:
    """Its own classes would be lost behind those of the total."""
    path = tmp_path / "classes.csv"
    path.write_text(f"{HEADER}\nA,,,no,living total,no\n")
    with pytest.raises(ConfigError, match=r"classes\.csv"):
        read_class_table(path)


def test_traits_are_joined_by_label_and_unlisted_labels_keep_their_place() -> None:
    found = traits(["C", "x", "Detritus", "A"], CLASSES)
    assert found["living"] == ["yes", "", "no", "yes"]
    assert found["group"] == ["dinoflagellate", "", "", "diatom"]
    assert found["scientific_name"] == ["C sp.", "", "", "A sp."]


def test_labels_that_a_table_lacks_are_told(caplog: pytest.LogCaptureFixture) -> None:
    assert warn_of_unlisted(["A", "B"], CLASSES) == warn_of_unlisted(["x"], {}) == []
    assert not caplog.records
    assert warn_of_unlisted(["y, single", "A", "x"], CLASSES) == ["x", "y, single"]
    (warning,) = caplog.records
    assert warning.levelno == logging.WARNING
    assert all(word in warning.getMessage() for word in ("classify.class_table", "2 labels", "'x', 'y, single'"))


# --- groups of classes ---


def test_totals_of_groups_by_hand(tmp_path: Path) -> None:
    """Four label sets: a group has the volume of every bin that looks for any of its classes."""
    bins = [a_bin(n, ml_analyzed=volume) for n, volume in enumerate([1.5, 2.5, 3.0, 4.0])]
    scores = [rois(2, A=3, B=1), rois(A=1, C=0), rois(1, B=2, E=6), rois(D=5, E=7)]
    day = pool(tmp_path, bins, scores, class_table=CLASSES)
    assert list(day.groups) == ["diatom", "dinoflagellate", "living total"]
    assert day.group_column("n_classes") == {"diatom": 2, "dinoflagellate": 1, "living total": 3}
    assert day.group_column("count") == {"diatom": 7, "dinoflagellate": 0, "living total": 7}
    assert day.group_column("ml_analyzed_total") == {"diatom": 7.0, "dinoflagellate": 2.5, "living total": 7.0}
    assert day.group_column("n_bins_assessed") == {"diatom": 3, "dinoflagellate": 1, "living total": 3}
    assert day.group_column("objects_per_ml") == {"diatom": 1.0, "dinoflagellate": 0.0, "living total": 1.0}
    assert day.group_column("objects_per_ml_high")["dinoflagellate"] == pytest.approx(3.689 / 2.5, abs=0.0002)
    # Diatoms: 4, 1 and 2 of the 1.5, 2.5 and 3 expected of one object per mL, with two degrees of freedom.
    assert day.group_column("dispersion")["diatom"] == pytest.approx((2.5**2 / 1.5 + 1.5**2 / 2.5 + 1 / 3) / 2)
    assert set(day.group_column("n_bins").values()) == {4}
    assert set(day.group_column("n_rois").values()) == {28}
    assert next(iter(day.groups.values())).keys() == set(table_files.columns("groups_long"))
    # Never among the classes, which are the same without a table but for their traits.
    assert [row["class"] for row in day.rows] == ["A", "B", "C", "D", "E", "unclassified"]
    assert [row["group"] for row in day.rows] == ["diatom", "diatom", "dinoflagellate", "", "", ""]
    plain = pool(tmp_path / "plain", bins, scores)
    drop = ("scientific_name", "living", "group")
    assert [{k: v for k, v in row.items() if k not in drop} for row in day.rows] == (
        [{k: v for k, v in row.items() if k not in drop} for row in plain.rows]
    )
    assert plain.groups == {}


def test_the_counts_of_a_total_are_those_of_its_classes(tmp_path: Path) -> None:
    bins = [a_bin(n, instrument=10 + n % 2) for n in range(4)]
    scores = [rois(n, A=n, B=2 * n, C=1, D=9, E=5) for n in range(4)]
    day = pool(tmp_path, bins, scores, class_table=CLASSES, group_by=[])
    of_class = day.column("count")
    assert day.group_column("count") == {
        "diatom": of_class["A"] + of_class["B"],
        "dinoflagellate": of_class["C"],
        "living total": of_class["A"] + of_class["B"] + of_class["C"],
    }


def test_classes_that_live_in_no_group_are_in_the_living_total_only(tmp_path: Path) -> None:
    table = {"A": CLASSES["A"] | {"group": ""}, "D": CLASSES["D"] | {"group": "plastic"}}
    day = pool(tmp_path, [a_bin(0)], [rois(A=2, D=3)], class_table=table)
    assert day.group_column("count") == {"plastic": 3, "living total": 2}


def test_what_is_unclassified_is_in_no_group_whatever_a_table_says(tmp_path: Path) -> None:
    table = {"A": CLASSES["A"], "unclassified": CLASSES["A"]}
    day = pool(tmp_path, [a_bin(0)], [rois(5, A=2)], class_table=table)
    assert day.group_column("count") == {"diatom": 2, "living total": 2}
    assert [row["group"] for row in day.rows] == ["diatom", ""]


def test_an_instrument_without_groups_leaves_those_of_the_other_as_they_are(tmp_path: Path) -> None:
    bins, scores = [a_bin(0), a_bin(1, instrument=125)], [rois(A=2), rois(D=1)]
    day = pool(tmp_path, bins, scores, class_table=CLASSES)
    assert {name: (row["instrument"], row["count"], row["n_classes"]) for name, row in day.groups.items()} == {
        "diatom": ("IFCB10", "2", "1"),
        "living total": ("IFCB10", "2", "1"),
    }
