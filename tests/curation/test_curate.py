"""What becomes of a patch that several things are said of: the first of them stands."""

import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ifcb_abundance.common.errors import RawFileError
from ifcb_abundance.curation import clean, curate, patches
from ifcb_abundance.curation.listing import list_folder
from ifcb_abundance.tables import table_files
from tests.curation.data import particle, save

NAMES = ["both", "copy", "dull", "good", "sticks"]


@pytest.fixture
def tables(tmp_path: Path) -> dict[str, Path]:
    for i, name in enumerate(NAMES):
        save(tmp_path / "images" / f"{name}.png", particle(i))
    (tmp_path / "images" / "bad.png").write_bytes(b"")
    paths = {name: tmp_path / f"{name}.csv" for name in ("cleaning", "patches", "duplicates", "filter", "stuck")}
    clean.clean_folder(list_folder(tmp_path / "images").groups["."], "type", tmp_path / "..zip", paths["cleaning"])
    patches.cut_patches(tmp_path / "..zip", paths["cleaning"], None, "steady", paths["patches"])
    rows = {name: {"patch": f"{name}.png", "group": "."} for name in NAMES}
    copies = [{**row, "kept": 1, "exemplar": "", "distance": None, "correlation": None} for row in rows.values()]
    for place in (0, 1, 4):
        copies[place] |= {"kept": 0, "exemplar": "good.png", "distance": 3, "correlation": 0.98}
    scores = [{"patch": f"{name}.png", "score": 0.25 if name in ("both", "dull", "sticks") else 0.75} for name in NAMES]
    stuck = {"roi": "sticks.png", "bin": "b", "particle": "p", "x": 1, "y": 2, "n_images": 4, "n_bins": 1}
    for name, found in (
        ("duplicates", copies),
        ("filter", [{**row, "informative": int(row["score"] >= 0.5)} for row in scores]),
        ("stuck", [{**stuck, "first_bin": "b", "last_bin": "b"}]),
    ):
        table_files.write(table_files.from_rows(found, name), name, paths[name])
    return paths


def test_the_first_status_stands_and_the_reason_is_told(tables: dict[str, Path], tmp_path: Path) -> None:
    curate.curate(tables, tmp_path, tmp_path / "curated.csv", tmp_path / "kept", 1)
    found = table_files.read("curated", tmp_path / "curated.csv").set_index("patch")
    assert found[["status", "reason"]].to_dict("split")["data"] == [
        ["refused", "no bytes"],
        ["duplicate", "a copy of good.png: 3 bits, correlation 0.980"],
        ["duplicate", "a copy of good.png: 3 bits, correlation 0.980"],
        ["uninformative", "the filter gives it 0.250"],
        ["kept", ""],
        ["stuck", "one of 4 images of particle p"],
    ]
    assert list(found.index) == ["bad.png", *(f"{name}.png" for name in NAMES)]


def test_if_nothing_is_kept_it_is_said_and_what_was_kept_stays(tables: dict[str, Path], tmp_path: Path) -> None:
    curate.curate(tables, tmp_path, tmp_path / "curated.csv", tmp_path / "kept", 1)
    (tmp_path / "kept" / "gone.zip").write_bytes(b"of a group that is no more")
    curate.curate(tables, tmp_path, tmp_path / "curated.csv", tmp_path / "kept", 1)
    before = {path.name: path.read_bytes() for path in (tmp_path / "kept").iterdir()}
    assert list(before) == ["..zip"]
    table = pd.read_csv(tables["filter"]).assign(informative=0)
    table.to_csv(tables["filter"], index=False)
    with pytest.raises(RawFileError, match="nothing is kept: the patches are 2 duplicate, 2 uninformative, 1 stuck"):
        curate.curate(tables, tmp_path, tmp_path / "curated.csv", tmp_path / "kept", 1)
    assert {path.name: path.read_bytes() for path in (tmp_path / "kept").iterdir()} == before
    assert before


@pytest.mark.parametrize("left_out", ["filter", "stuck"])
def test_a_copy_is_kept_in_place_of_an_exemplar_that_is_left_out(
    tables: dict[str, Path], tmp_path: Path, left_out: str
) -> None:
    """`both`, `copy` and `sticks` are copies of `good`; sha256 of `1/copy.png` is less than that of `1/both.png`."""
    if left_out == "filter":
        table = pd.read_csv(tables["filter"]).set_index("patch")
        table["informative"] = [1, 1, 0, 0, 1]
        table.reset_index().to_csv(tables["filter"], index=False)
    else:
        table = pd.read_csv(tables["filter"]).assign(informative=[1, 1, 0, 1, 1])
        table.to_csv(tables["filter"], index=False)
        stuck = pd.read_csv(tables["stuck"])
        pd.concat([stuck, stuck.assign(roi="good.png")]).to_csv(tables["stuck"], index=False)
    curate.curate(tables, tmp_path, tmp_path / "curated.csv", tmp_path / "kept", 1)
    found = table_files.read("curated", tmp_path / "curated.csv").set_index("patch")
    assert found["status"].to_dict() == {
        "bad.png": "refused",
        "both.png": "duplicate",
        "copy.png": "kept",
        "dull.png": "uninformative",
        "good.png": "uninformative" if left_out == "filter" else "stuck",
        "sticks.png": "stuck",
    }
    assert found.loc["copy.png", "reason"] == ""
    told = "a copy of good.png: 3 bits, correlation 0.980; copy.png is kept in its place"
    assert found.loc["both.png", "reason"] == told
    with zipfile.ZipFile(tmp_path / "kept" / "..zip") as kept:
        assert kept.namelist() == ["copy.png.png"]


def test_a_copy_that_is_uninformative_itself_takes_no_place(tables: dict[str, Path], tmp_path: Path) -> None:
    """Of the copies of `good`, only `both` is informative and not stuck."""
    pd.read_csv(tables["filter"]).assign(informative=[1, 0, 1, 0, 1]).to_csv(tables["filter"], index=False)
    curate.curate(tables, tmp_path, tmp_path / "curated.csv", tmp_path / "kept", 1)
    found = table_files.read("curated", tmp_path / "curated.csv").set_index("patch")["status"]
    assert list(found.index[found == "kept"]) == ["both.png", "dull.png"]


@pytest.mark.parametrize(("scaling", "warned"), [("type", True), ("range", False)])
def test_only_images_that_are_not_stretched_are_said_to_come_out_dark(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, scaling: str, warned: bool
) -> None:
    """12 bits in 16, constants too: with `range` they are stretched, and the advice would be to do what was done."""
    save(tmp_path / "images" / "grey.png", np.arange(4096, dtype=np.uint16).reshape(64, 64))
    save(tmp_path / "images" / "one.png", np.full((8, 8), 4000, np.uint16))
    paths = (tmp_path / "..zip", tmp_path / "part.csv")
    clean.clean_folder(list_folder(tmp_path / "images").groups["."], scaling, *paths)
    clean.merge_cleaning([tmp_path / "part.csv"], [], tmp_path / "cleaning.csv")
    assert ("2 of 2 images use less than an eighth of their type's range" in caplog.text) == warned
    assert ("scaling" in caplog.text) == warned
    assert (table_files.read("cleaning", tmp_path / "cleaning.csv")["used_fraction"] < 1 / 8).all()
