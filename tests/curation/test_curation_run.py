"""Curation through the front door: of a folder, and of the images of bins."""

import io
import os
import shutil
import signal
import time
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ifcb_abundance.curation import classes_won
from ifcb_abundance.pooling.method import Method
from ifcb_abundance.scores.decide import More
from ifcb_abundance.scores.summary import RoiWinners, best_scores
from tests.checkout import Checkout
from tests.curation.data import SHARED, needs_shared, particle, rows_of, save


def fill(folder: Path, reverse: bool = False) -> None:
    """A folder of images in groups: copies of two particles, single ones, and what cannot be used."""
    pictures = {f"day 1/{i}.png": particle(i) for i in range(5)}
    pictures |= {
        "day 1/again.png": particle(1, at=(1, 1)),
        "deep/er/1.png": particle(1, at=(2, 0)),
        "top.png": particle(9),
    }
    pictures |= {"one/dot.png": np.full((1, 1), 7, np.uint8)}
    for name, pixels in sorted(pictures.items(), reverse=reverse):
        save(folder / name, pixels)
    (folder / "deep" / "er" / "broken.png").write_bytes(b"no image")
    (folder / "nothing").mkdir()
    save(folder.parent / "elsewhere" / "x.png", particle(20))
    (folder / "one" / "out.png").symlink_to("../../elsewhere/x.png")
    (folder / "one" / "out").symlink_to("../../elsewhere")
    (folder / "one" / "lost.png").symlink_to("gone.png")


def config(folder: Path, **curation: Any) -> dict[str, Any]:
    return {"dataset": "mine", "curation": {"folder": str(folder), **curation}}


# All tables, without the figures, which take longer than all else.
TABLES = [f"results/mine/curation/{name}.csv" for name in ("curated", "issues", "distance")]


def made(run: Checkout) -> dict[str, bytes]:
    """All results but the figures."""
    return {name: body for name, body in run.files("mine").items() if name.startswith("curation/")}


def table(run: Checkout, name: str, dataset: str = "mine") -> pd.DataFrame:
    return pd.read_csv(run.results(dataset) / "curation" / f"{name}.csv", keep_default_na=False)


@pytest.fixture(scope="module")
def folder_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Checkout, Path, str]:
    top = tmp_path_factory.mktemp("curation")
    fill(top / "images")
    run = Checkout(top / "run")
    return run, top / "images", run.run(config(top / "images"), "curation")


def test_each_image_of_a_folder_has_a_row_and_a_group(folder_run: tuple[Checkout, Path, str]) -> None:
    run, folder, printed = folder_run
    rows = table(run, "cleaning").set_index("image")
    assert len(rows) == 13
    assert rows.loc["top.png", "group"] == "."
    assert rows.loc["deep/er/1.png", "group"] == "deep/er"
    problems = rows.loc[rows["problem"] != "", "problem"].to_dict()
    assert problems == {
        "deep/er/broken.png": "no image that can be read",
        "one/lost.png": "cannot be read (No such file or directory)",
        "one/out": "a link that leads out of the folder",
        "one/out.png": "a link that leads out of the folder",
    }
    assert "1 subfolder without any image: 'nothing'" in printed
    assert "4 of 13 images are refused" in printed
    with zipfile.ZipFile(run.results("mine") / "curation" / "clean" / "deep__er.zip") as archive:
        assert archive.namelist() == ["deep__er__1.png.png"]
        assert archive.infolist()[0].date_time == (1980, 1, 1, 0, 0, 0)
        with Image.open(io.BytesIO(archive.read("deep__er__1.png.png"))) as image:
            assert image.mode == "L"
            assert (np.asarray(image) == particle(1, at=(2, 0))).all()
    assert (folder / "deep" / "er" / "broken.png").read_bytes() == b"no image"


def test_copies_are_found_over_groups_and_the_rest_is_kept(folder_run: tuple[Checkout, Path, str]) -> None:
    run, _, _ = folder_run
    rows = table(run, "curated").set_index("patch")
    assert rows["status"].value_counts().to_dict() == {"kept": 7, "refused": 4, "duplicate": 2}
    of_one = rows.loc[["day 1/1.png", "day 1/again.png", "deep/er/1.png"]]
    kept = of_one.index[of_one["status"] == "kept"]
    assert len(kept) == 1
    assert of_one.loc[of_one["status"] == "duplicate", "reason"].str.startswith(f"a copy of {kept[0]}: ").all()
    zips = {
        path.name: zipfile.ZipFile(path).namelist()
        for path in (run.results("mine") / "curation" / "kept").glob("*.zip")
    }
    assert sum(map(len, zips.values())) == 7
    assert zips["..zip"] == ["top.png.png"]
    issues = table(run, "issues").set_index("patch")
    assert (issues.loc[of_one.index, "is_near_duplicate_issue"] == 1).all()
    assert issues["is_near_duplicate_issue"].sum() == 3
    assert (issues.loc["one/dot.png", ["is_low_information_issue", "is_blurry_issue"]] == 1).all()
    distance = table(run, "distance").set_index(["rule", "distance"])
    assert distance.loc[("confirmed", 8), "precision"] == 1
    assert distance.loc[("hash", 16), "recall"] >= distance.loc[("hash", 0), "recall"]
    assert not (run.results("mine") / "catalog.csv").exists()
    figures = {path.name for path in (run.results("mine") / "figures").glob("*.svg")}
    assert figures == {"curated_images.svg", "duplicate_distance.svg"}


def test_order_and_cores_change_no_byte_and_a_new_group_is_cleaned_alone(
    folder_run: tuple[Checkout, Path, str], tmp_path: Path
) -> None:
    run, _, _ = folder_run
    other = Checkout(tmp_path / "other")
    fill(tmp_path / "images", reverse=True)
    other.run(config(tmp_path / "images"), *TABLES, "--cores", "1")
    assert made(other) == made(run)
    before = other.stamps()
    save(tmp_path / "images" / "new" / "1.png", particle(2, at=(1, 0)))
    os.utime(tmp_path / "images" / "top.png")  # a file that was touched may be another
    printed = other.run(config(tmp_path / "images"), *TABLES)
    changed = {path for path, stamp in other.stamps().items() if before.get(path) != stamp}
    of_groups = {path.split("curation/")[1] for path in changed if "/cleaning/" in path or "/patches/" in path}
    assert of_groups == {f"{part}/{group}.csv" for part in ("cleaning", "patches") for group in (".", "new")}
    assert table(other, "curated").set_index("patch").loc[["day 1/2.png", "new/1.png"], "status"].nunique() == 2
    assert "groups of images cleaned: 2 of 2 done" in printed
    shutil.rmtree(tmp_path / "images" / "new")
    classes = other.results("mine") / "curation" / "classes" / "new.csv"  # as bins have them
    classes.parent.mkdir()
    classes.write_text("image,class\n")
    other.run(config(tmp_path / "images"), *TABLES)
    assert made(other) == made(run)  # nothing of a group that is gone is left
    curation = other.results("mine") / "curation"
    for break_off in ((curation / "kept" / "one.zip").unlink, lambda: (curation / "curated.csv").write_text("group\n")):
        break_off()
        other.run(config(tmp_path / "images"), *TABLES)
        assert made(other) == made(run)


def test_a_folder_of_one_image_is_curated(checkout: Checkout, tmp_path: Path) -> None:
    save(tmp_path / "one" / "1.png", particle(1))
    printed = checkout.run(config(tmp_path / "one"), "curation")
    assert "fewer than two kept images have 16 pixels across and down" in printed
    assert table(checkout, "curated")["status"].tolist() == ["kept"]
    assert table(checkout, "distance").empty
    assert "fewer than two kept images" in (checkout.results("mine") / "figures" / "duplicate_distance.svg").read_text()
    before = made(checkout)
    shutil.rmtree(checkout.results("mine") / "curation" / "kept")
    checkout.run(config(tmp_path / "one"), TABLES[0])
    assert made(checkout) == before
    # If nothing can be used any more, the run fails each time, and the tables stay.
    (tmp_path / "one" / "1.png").write_bytes(b"")
    for _ in range(2):
        assert "none of 1 image can be used" in checkout.run(config(tmp_path / "one"), TABLES[0], fails=True)
        after = made(checkout)
        assert [name for name in before if before[name] != after.get(name)] == [
            "curation/clean/..zip",
            "curation/cleaning/..csv",
            "curation/patches/..csv",
        ]


@pytest.mark.skipif(find_spec("imagecodecs") is not None, reason="imagecodecs is installed")
def test_images_that_needed_a_package_are_cleaned_again_once_it_is_there(checkout: Checkout, tmp_path: Path) -> None:
    """An imagecodecs that unpacks nothing: the row says so, and the group is not cleaned once more for it."""
    folder = tmp_path / "images"
    save(folder / "a" / "1.png", particle(1))
    (folder / "b").mkdir()
    Image.new("F", (3, 3)).save(folder / "b" / "1.tif", compression="tiff_lzw")
    (tmp_path / "packages").mkdir()
    (tmp_path / "packages" / "imagecodecs.py").touch()
    cleaning = checkout.results("mine") / "curation" / "cleaning"
    problem, made = [], []
    for path in (None, None, str(tmp_path / "packages"), str(tmp_path / "packages")):
        printed = checkout.run(config(folder), "results/mine/curation/cleaning.csv", env={"PYTHONPATH": path})
        problem.append(table(checkout, "cleaning").set_index("image")["problem"]["b/1.tif"])
        made.append((cleaning / "a.csv").stat().st_mtime_ns)
    needs = "compressed by LZW, which needs the package imagecodecs: pip install imagecodecs, or save it uncompressed"
    unpacks = "compressed by LZW, which imagecodecs does not unpack: save it uncompressed"
    assert problem == [needs, needs, unpacks, unpacks]
    assert len(set(made)) == 1
    assert "Nothing to be done" in printed


def test_a_folder_without_an_image_fails(checkout: Checkout, tmp_path: Path) -> None:
    (tmp_path / "empty" / "sub").mkdir(parents=True)
    for what, folder in (("holds no image", "empty"), ("no such folder", "gone")):
        printed = checkout.run(config(tmp_path / folder), "curation", fails=True)
        assert what in printed
        assert "Traceback" not in printed
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "x.png").write_bytes(b"")
    (tmp_path / "bad" / "notes.txt").write_text("no image")
    printed = checkout.run(config(tmp_path / "bad"), "curation", fails=True)
    assert "none of 2 images can be used: notes.txt: no image that can be read; x.png: no bytes" in printed
    assert "Traceback" not in printed
    save(tmp_path / "braces" / "{x}" / "1.png", particle(1))
    assert "the subfolder '{x}' has braces" in checkout.run(config(tmp_path / "braces"), "curation", fails=True)
    clash = tmp_path / "clash"
    save(clash / "a" / "b" / "1.png", particle(1))
    save(clash / "a__b" / "1.png", particle(2))
    printed = checkout.run(config(clash), "curation", fails=True)
    assert "the subfolders 'a/b', 'a__b' would both be written to a__b.zip" in printed


# --- bins ---


@pytest.fixture(scope="module")
def bins_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Checkout, dict[str, bytes]]:
    """A run of the main job, and then of curation. Also what was there before it."""
    top = tmp_path_factory.mktemp("stuck")
    with zipfile.ZipFile(SHARED / "stuck.zip") as archive:
        archive.extractall(top)
    run = Checkout(top / "run")
    source = {"dataset": "own", "source": {"kind": "directory", "path": str(top / "stuck")}}
    run.run(source)
    before = run.files("own")
    run.run(source, "results/own/curation/curated.csv", "results/own/abundance_without_stuck.csv")
    return run, before


@needs_shared
def test_stuck_particles_are_found_exactly(bins_run: tuple[Checkout, dict[str, bytes]]) -> None:
    run, _ = bins_run
    truth = pd.DataFrame(rows_of("stuck_truth.csv"))
    stuck = table(run, "stuck", "own")
    assert set(stuck["roi"]) == set(truth.loc[truth["stuck"] == "1", "roi"])
    merged = stuck.merge(truth, on=["roi", "bin"])
    assert merged.groupby("particle")["what"].nunique().max() == 1
    assert merged.groupby("what")[["n_images", "n_bins"]].first().to_dict("index") == {
        "A": {"n_images": 6, "n_bins": 5},
        "D": {"n_images": 4, "n_bins": 1},
    }
    curated = table(run, "curated", "own").set_index("patch")
    assert set(curated.index) == set(truth["roi"])
    assert set(curated.index[curated["status"] == "stuck"]) == set(stuck["roi"])


@needs_shared
def test_abundance_without_stuck_particles(bins_run: tuple[Checkout, dict[str, bytes]]) -> None:
    run, before = bins_run
    truth = pd.DataFrame(rows_of("stuck_truth.csv"))
    found = run.table("own", "abundance_without_stuck").set_index(["date", "instrument", "class"])
    whole = run.table("own").set_index(["date", "instrument", "class"])
    assert list(found.index) == list(whole.index)
    assert (found["count"] == whole["count"]).all()
    stuck = truth[truth["stuck"] == "1"].groupby("class").size().to_dict()
    assert found["n_stuck"].xs("IFCB10", level="instrument").droplevel("date").loc[list(stuck)].to_dict() == stuck
    assert (found["n_stuck"].xs("IFCB11", level="instrument") == 0).all()
    assert (found["count_without_stuck"] == found["count"] - found["n_stuck"]).all()
    name = "objects_per_ml_without_stuck"
    assert np.allclose(found[name] * whole["ml_analyzed_total"], found["count_without_stuck"])
    unchanged = found["n_stuck"] == 0
    for limit in ("low", "high"):
        assert (found.loc[unchanged, f"{name}_{limit}"] == whole.loc[unchanged, f"objects_per_ml_{limit}"]).all()
    after = run.files("own")
    assert {name: after[name] for name in before} == before  # the tables of the main job stay as they are


@needs_shared
def test_stuck_particles_of_merged_labels_are_those_of_the_class_that_they_become(
    bins_run: tuple[Checkout, dict[str, bytes]], tmp_path: Path
) -> None:
    stuck = pd.DataFrame(rows_of("stuck_truth.csv")).query("stuck == '1'").groupby("class").size().to_dict()
    assert len(stuck) == 2
    rows = [f"{label},,,,,,pooled {when},{when}\n" for label, when in zip(stuck, ("before", "after"), strict=True)]
    header = "label,scientific_name,aphia_id,living,group,harmful,synonym_of,merge\n"
    (tmp_path / "merged.csv").write_text(header + "".join(rows))
    run = Checkout(tmp_path / "run", copied_from=bins_run[0].folder)
    source = {"kind": "directory", "path": str(bins_run[0].folder.parent / "stuck")}
    config = {"dataset": "own", "source": source, "classify": {"class_table": str(tmp_path / "merged.csv")}}
    run.run(config, "results/own/abundance_without_stuck.csv")
    found = run.table("own", "abundance_without_stuck")
    assert found.groupby("class")["n_stuck"].sum()[lambda n: n > 0].to_dict() == dict(
        zip(("pooled before", "pooled after"), stuck.values(), strict=True)
    )
    printed = run.run(config, "validation", "-n", fails=True)
    assert "validation needs a class table that merges no labels" in printed


def test_a_roi_that_counts_for_several_classes_is_stuck_in_each(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = np.array([[0.8, 0.75], [0.1, 0.9], [0.2, 0.3]])
    winners = RoiWinners(("a", "b"), np.array([2, 3, 5]), *best_scores(scores), More(scores=scores))
    monkeypatch.setattr(classes_won, "scored_rois", lambda *_: winners)
    source: Any = None
    each = classes_won.classes_counted(source, "bin", Method(rule="each"))
    assert each == {2: ["a", "b"], 3: ["b"], 5: ["unclassified"]}
    assert classes_won.classes_counted(source, "bin", Method()) == {2: ["a"], 3: ["b"], 5: ["unclassified"]}
    merged = Method(rule="each", class_table={"b": {"synonym_of": "a", "merge": "after"}})  # once, by the higher score
    assert classes_won.classes_counted(source, "bin", merged) == {2: ["a"], 3: ["b"], 5: ["unclassified"]}


@needs_shared
def test_each_run_makes_them_if_the_config_says_so(bins_run: tuple[Checkout, dict[str, bytes]]) -> None:
    run, _ = bins_run
    source = {"dataset": "own", "source": {"kind": "directory", "path": str(run.folder.parent / "stuck")}}
    plain = run.run(source, "-n", "--forceall")
    assert "curate" not in plain
    printed = run.run({**source, "curation": {"make": True}, "report": {"make": True}}, "-n", "--forceall")
    jobs = dict(line.split() for line in printed.splitlines() if len(line.split()) == 2)
    assert {"curate", "find_stuck", "draw_curated_images", "draw_duplicate_distance", "write_report"} <= set(jobs)


DAYS = ["01", "02", "03", "04", "05", "06"]  # of the bins of IFCB010; those of IFCB011 are of the first two
UNSCORED = "D20240608T020000_IFCB012"


@pytest.fixture(scope="module")
def days_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Checkout, pd.DataFrame]:
    """A training set of the same bins on several days, and of one without scores. Also the truth about all ROIs."""
    top = tmp_path_factory.mktemp("days")
    with zipfile.ZipFile(SHARED / "stuck.zip") as archive:
        bodies = {Path(name).name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}
    truth = pd.DataFrame(rows_of("stuck_truth.csv"))
    names = {}
    for instrument in ("IFCB010", "IFCB011"):
        own = sorted(name for name in set(truth["bin"]) if name.endswith(instrument))
        names |= {name: f"D202406{day}{name[9:]}" for name, day in zip(own, DAYS, strict=False)}
    (top / "bins").mkdir()
    metadata = pd.read_csv(io.BytesIO(bodies.pop("metadata.csv")), dtype=str, keep_default_na=False)
    for file, body in bodies.items():
        new = names[file[:24]]
        (top / "bins" / file.replace(file[:24], new)).write_bytes(body.replace(file[:24].encode(), new.encode()))
    for end in ("hdr", "adc", "roi"):
        (top / "bins" / f"{UNSCORED}.{end}").write_bytes(bodies[f"D20240601T020000_IFCB010.{end}"])
    unscored = metadata[metadata["pid"] == "D20240601T020000_IFCB010"].assign(pid=UNSCORED, ifcb="12")
    metadata = pd.concat([metadata.assign(pid=metadata["pid"].map(names)), unscored])
    day = metadata["pid"].str[1:5] + "-" + metadata["pid"].str[5:7] + "-" + metadata["pid"].str[7:9]
    metadata = metadata.assign(sample_time=day + metadata["sample_time"].str[10:])
    metadata.to_csv(top / "bins" / "metadata.csv", index=False)
    for column in ("roi", "bin"):
        truth[column] = [names[text[:24]] + text[24:] for text in truth[column]]
    run = Checkout(top / "run")
    run.run(of_days(top), "training_set", "results/own/abundance_without_stuck.csv")
    return run, truth.set_index("roi")


def of_days(top: Path, **sections: Any) -> dict[str, Any]:
    source = {"kind": "directory", "path": str(top / "bins")}
    bins = sorted({path.stem for path in (top / "bins").glob("*.adc")})
    return {"dataset": "own", "source": source, "images": {"bins": bins}, **sections}


@needs_shared
def test_a_training_set_of_bins_has_the_classes_that_rois_won(days_run: tuple[Checkout, pd.DataFrame]) -> None:
    run, truth = days_run
    folder = run.results("own") / "training_set"
    split = pd.read_csv(folder / "split.csv", keep_default_na=False).set_index("image")
    scored = split[split["group"] != UNSCORED]
    assert set(scored.index) == set(truth.index)
    assert (scored["label"] == truth.loc[scored.index, "class"]).all()
    assert (split["day"] == split.index.str[1:5] + "-" + split.index.str[5:7] + "-" + split.index.str[7:9]).all()
    used = split[split["split"] != ""]
    assert used.groupby("day")["split"].nunique().max() == 1
    assert set(used["split"]) == {"train", "val", "test"}
    assert (truth.loc[used.index, "stuck"] == "0").all()
    stuck = truth.index[truth["stuck"] == "1"]
    assert split.loc[stuck, "reason"].str.startswith("stuck: one of ").all()
    assert pd.read_csv(folder / "leaks.csv").empty
    classes = pd.read_csv(folder / "classes.csv").set_index("label")
    assert classes["folder"].to_dict() == {name: name for name in sorted(set(used["label"]))}
    for name in ("train", "val", "test"):
        written = {path.stem: path.parent.name for path in (folder / name).glob("*/*.png")}
        assert written == used.loc[used["split"] == name, "label"].to_dict()


@needs_shared
def test_a_bin_without_scores_gives_no_label_and_no_stuck_particle(days_run: tuple[Checkout, pd.DataFrame]) -> None:
    run, truth = days_run
    ledger = run.table("own", "ledger").set_index("bin")
    assert ledger.loc[UNSCORED, "status"] == "no_scores"
    split = pd.read_csv(run.results("own") / "training_set" / "split.csv", keep_default_na=False)
    unscored = split[split["group"] == UNSCORED]
    assert len(unscored) == 11
    assert (unscored[["label", "split"]] == "").all(axis=None)
    assert set(unscored["reason"].str.split(":").str[0]) == {"stuck", "no label", "duplicate"}
    stuck = table(run, "stuck", "own")
    assert (stuck["bin"] == UNSCORED).sum() == 4
    found = run.table("own", "abundance_without_stuck")
    assert found["n_stuck"].sum() == (truth["stuck"] == "1").sum() == len(stuck) - 4


@needs_shared
def test_a_training_set_of_other_labels_does_not_stay(days_run: tuple[Checkout, pd.DataFrame], tmp_path: Path) -> None:
    """Of a run of the tables alone: its threshold decides which classes ROIs won, unless people labelled them."""
    run, _ = days_run
    made_set = run.results("own") / "training_set"
    before = sorted(path.name for path in made_set.iterdir())
    assert "Moved" not in run.run(of_days(run.folder.parent))
    printed = run.run(of_days(run.folder.parent, classify={"threshold": 0.99}))
    assert "Moved to results/own/stale/: training_set/, made with an earlier config" in printed
    assert not made_set.exists()
    assert sorted(path.name for path in (run.results("own") / "stale" / "training_set").iterdir()) == before
    labels = tmp_path / "labels.csv"
    split = pd.read_csv(run.results("own") / "stale" / "training_set" / "split.csv", keep_default_na=False)
    split[["image", "label"]].query("label != ''").to_csv(labels, index=False)
    by_people = {"training_set": {"labels": str(labels)}}
    run.run(of_days(run.folder.parent, **by_people), "training_set")
    assert "training_set" not in run.run(of_days(run.folder.parent, classify={"threshold": 0.99}, **by_people))
    assert made_set.exists()
    good = labels.read_bytes()
    labels.write_text("image,label\na,b\na,c\n")  # it ends no run that makes no training set
    run.run(of_days(run.folder.parent, **by_people))
    assert made_set.exists()
    labels.write_bytes(good)
    other = {"classify": {"threshold": 0.99}, "curation": {"patch_px": 32}}
    printed = run.run(of_days(run.folder.parent, **other, **by_people))
    assert "Moved to results/own/stale/: training_set/, made with an earlier config" in printed
    assert not made_set.exists()


# --- kills ---


@pytest.mark.slow
def test_a_run_that_is_killed_goes_on_to_the_same_bytes(folder_run: tuple[Checkout, Path, str], tmp_path: Path) -> None:
    run, folder, _ = folder_run
    expected = made(run)
    other = Checkout(tmp_path / "killed")
    for name in ("clean", "cleaning.csv", "duplicates.csv"):
        started = other.start(config(folder), *TABLES, start_new_session=True)
        there = other.results("mine") / "curation" / name
        while not there.exists() and started.poll() is None:
            time.sleep(0.01)
        os.killpg(started.pid, signal.SIGKILL)
        printed, _ = started.communicate(timeout=30)
        assert started.returncode == -signal.SIGKILL, printed  # it had more to do
        shutil.rmtree(other.folder / ".snakemake" / "locks", ignore_errors=True)
    other.run(config(folder), *TABLES)
    assert made(other) == expected
