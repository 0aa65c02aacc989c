"""The training set: labels, splits that do not leak, files that other libraries read, and the proof."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ifcb_abundance.common.errors import WorkflowInputError
from ifcb_abundance.config import resolve
from ifcb_abundance.curation import file_names, filter, leaks, splits, training_set
from ifcb_abundance.curation.dataset_card import CardFacts, Joined, write_card
from ifcb_abundance.curation.duplicates import DuplicateRule
from ifcb_abundance.curation.listing import list_folder
from ifcb_abundance.curation.patches import describe
from ifcb_abundance.curation.training_set import Joins, SplitOptions, assemble, split_images
from ifcb_abundance.curation.zips import as_png, write_zip
from ifcb_abundance.tables import table_files
from tests.checkout import Checkout, differences, files_below
from tests.curation.data import files_of, needs_shared, particle, rows_of, save

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "training-set.md"
FRACTIONS = (0.7, 0.15, 0.15)
NEAR = DuplicateRule(8, 0.97, "all", 1)


def snippets(language: str) -> list[str]:
    """The blocks of code of the how-to."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Checkout, Path]:
    """A training set of the near-duplicates, made as docs/how-to/training-set.md says."""
    run = Checkout(tmp_path_factory.mktemp("training") / "run")
    (run.folder / "images").mkdir()
    for name, body in files_of("near_duplicates.zip").items():
        (run.folder / "images" / name).write_bytes(body)
    rows = [{"image": row["file"], "label": row["kind"]} for row in rows_of("near_duplicates.csv")]
    pd.DataFrame(rows).to_csv(run.folder / "labels.csv", index=False)
    assert snippets("bash")[0] == "snakemake training_set --cores 8 --configfile my.yaml\n"
    run.run(yaml.safe_load(snippets("yaml")[0]), "training_set")
    return run, run.results("mine") / "training_set"


def run_snippet(folder: Path, code: str) -> str:
    """What a block of Python prints, run as a script."""
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True, timeout=120).stdout


@needs_shared
def test_no_particle_is_in_two_splits_and_the_fractions_are_met(built: tuple[Checkout, Path]) -> None:
    split = pd.read_csv(built[1] / "split.csv", keep_default_na=False)
    truth = {row["file"]: row for row in rows_of("near_duplicates.csv")}
    assert len(split) == len(truth) == 357
    used = split[split["split"] != ""]
    assert used.groupby(used["image"].map(lambda name: truth[name]["particle"]))["split"].nunique().max() == 1
    assert (used["label"] == used["image"].map(lambda name: truth[name]["kind"])).all()
    there = used["split"].value_counts(normalize=True)
    assert [abs(there[name] - wanted) < 0.05 for name, wanted in zip(splits.SPLITS, FRACTIONS, strict=True)] == [
        True
    ] * 3
    assert (used["reason"] == "").all()
    assert split.loc[split["split"] == "", "reason"].str.match(r"duplicate: a copy of n\d+\.png: \d+ bits").all()
    assert len(pd.read_csv(built[1] / "leaks.csv")) == 0
    curated = pd.read_csv(built[0].results("mine") / "curation" / "curated.csv")
    assert set(used["image"]) == set(curated.loc[curated["status"] == "kept", "patch"])


@needs_shared
def test_labels_that_cannot_be_used_end_the_run_first_and_leave_the_set(
    built: tuple[Checkout, Path], tmp_path: Path
) -> None:
    run = Checkout(tmp_path / "run", built[0].folder)
    before = files_below(run.results("mine") / "training_set")
    (run.folder / "labels.csv").write_text("image,label\nn0001.png,a\nn0001.png,b\n")
    printed = run.run(yaml.safe_load(snippets("yaml")[0]), "training_set", fails=True)
    assert "two labels of 'n0001.png': keep one of them" in printed
    assert "Traceback" not in printed
    (run.folder / "labels.csv").write_text("image,label\nelsewhere.png,a\n")  # that is seen by the job
    printed = run.run(yaml.safe_load(snippets("yaml")[0]), "training_set", fails=True)
    assert "no image is left to train on" in printed
    assert files_below(run.results("mine") / "training_set") == before


def test_labels_that_cannot_be_used_end_a_first_run_before_any_work(tmp_path: Path) -> None:
    run = Checkout(tmp_path / "run")
    save(tmp_path / "images" / "1.png", particle(1))
    bad = tmp_path / "labels.csv"
    bad.write_text("image,label\n1.png,good\n1.png,bad\n")
    of_filter, of_set = {"filter": {"labels": str(bad)}}, {"labels": str(bad)}
    for key, curation, options in (("curation.filter", of_filter, {}), ("training_set", {}, of_set)):
        config = {"dataset": "mine", "curation": {"folder": str(tmp_path / "images"), **curation}}
        printed = run.run({**config, "training_set": options}, "training_set", fails=True)
        assert f"{key}.labels: {bad}: two labels of '1.png': keep one of" in printed
        assert "Traceback" not in printed
        assert not (run.results("mine") / "curation").exists()


@needs_shared
def test_another_rule_of_the_workflow_leaves_no_old_proof(built: tuple[Checkout, Path], tmp_path: Path) -> None:
    run = Checkout(tmp_path / "run", built[0].folder)
    for name, job in {"dataset_card": "write_training_set", "leaks": "split_training_set"}.items():
        module = run.folder / "workflow" / "scripts" / "ifcb_abundance" / "curation" / f"{name}.py"
        text = module.read_text(encoding="utf-8")
        module.write_text(re.sub(r"^VERSION = \d+", "VERSION = 99", text, flags=re.MULTILINE), encoding="utf-8")
        printed = run.run(yaml.safe_load(snippets("yaml")[0]), "training_set", "-n")
        assert f"Rules with provenance triggered jobs: {job}\n" in printed
        assert re.search(r"^find_leaks +1$", printed, re.MULTILINE)


@needs_shared
def test_all_tables_and_files_say_the_same(built: tuple[Checkout, Path]) -> None:
    root = built[1]
    split = pd.read_csv(root / "split.csv", keep_default_na=False).set_index("image")
    classes = pd.read_csv(root / "classes.csv").set_index("label")
    images = files_of("near_duplicates.zip")
    n = 0
    for name in splits.SPLITS:
        rows = pd.read_csv(root / name / "metadata.csv", keep_default_na=False)
        assert {*rows["file_name"], "metadata.csv"} == {
            str(path.relative_to(root / name)) for path in (root / name).rglob("*") if path.is_file()
        }
        for row in rows.itertuples():
            assert split.loc[row.image, ["split", "label", "group", "day"]].tolist() == [name, row.label, ".", "."]
            with Image.open(root / name / row.file_name) as image:
                assert image.mode == "L"
            original = root / "original.png"
            original.write_bytes(images[row.image])
            with Image.open(original) as image, Image.open(root / name / row.file_name) as written:
                assert (np.asarray(image) == np.asarray(written)).all()
            original.unlink()
        assert (classes[name] == rows["label"].value_counts().reindex(classes.index, fill_value=0)).all()
        n += len(rows)
    assert n == (split["split"] != "").sum()
    sums = dict(line.split("  ", 1)[::-1] for line in (root / "SHA256SUMS").read_text().splitlines())
    files = {name: body for name, body in files_below(root).items() if name != "SHA256SUMS"}
    assert sums == {name: hashlib.sha256(body).hexdigest() for name, body in files.items()}


@needs_shared
def test_the_card_has_the_counts_and_a_head_that_hugging_face_reads(built: tuple[Checkout, Path]) -> None:
    _, head, text = (built[1] / "README.md").read_text().split("---\n", 2)
    front = yaml.safe_load(head)
    assert front["task_categories"] == ["image-classification"]
    assert [each["split"] for each in front["configs"][0]["data_files"]] == ["train", "validation", "test"]
    split = pd.read_csv(built[1] / "split.csv", keep_default_na=False)
    counts = Counter(split["split"])
    assert f"train {counts['train']:,} (" in text
    assert f"| duplicate | {counts['']:,} |" in text
    assert "hash `steady` differs by 8 of 64 bits or fewer" in text


@needs_shared
def test_hugging_face_reads_pictures_and_labels(
    built: tuple[Checkout, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets

    datasets.disable_progress_bars()
    counts = Counter(pd.read_csv(built[1] / "split.csv", keep_default_na=False)["split"])
    for arguments in ({"path": str(built[1])}, {"path": "imagefolder", "data_dir": str(built[1])}):
        read = datasets.load_dataset(**arguments, cache_dir=str(tmp_path / "cache"))
        assert {name: len(rows) for name, rows in read.items()} == {
            "train": counts["train"],
            "validation": counts["val"],
            "test": counts["test"],
        }
        first, row = read["train"][0], pd.read_csv(built[1] / "train" / "metadata.csv").iloc[0]
        assert (first["label"], first["group"], first["day"]) == (row["label"], ".", ".")
        assert np.asarray(first["image"]).shape == np.asarray(Image.open(built[1] / "train" / row["file_name"])).shape


@needs_shared
def test_webdataset_reads_the_shards(built: tuple[Checkout, Path]) -> None:
    import webdataset

    split = pd.read_csv(built[1] / "split.csv", keep_default_na=False).set_index("image")
    classes = list(pd.read_csv(built[1] / "classes.csv")["label"])
    for name in splits.SPLITS:
        shards = [str(path) for path in sorted((built[1] / "shards").glob(f"{name}-*.tar"))]
        assert [Path(path).name for path in shards] == [f"{name}-000000.tar"]
        read = list(webdataset.WebDataset(shards, shardshuffle=False, empty_check=False).decode("l8"))
        assert {sample["json"]["image"] for sample in read} == set(split.index[split["split"] == name])
        for sample in read:
            assert classes[sample["cls"]] == split.loc[sample["json"]["image"], "label"] == sample["json"]["label"]
        file = pd.read_csv(built[1] / name / "metadata.csv").set_index("image")["file_name"]
        first = read[0]
        assert (first["png"] == np.asarray(Image.open(built[1] / name / file[first["json"]["image"]]))).all()


@needs_shared
def test_the_code_of_the_how_to_runs(
    built: tuple[Checkout, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    hugging_face, webdataset, torchvision = snippets("python")
    assert re.fullmatch(r"\(\d+, \d+\) \w+\n", run_snippet(built[0].folder, hugging_face))
    code = webdataset + "\nprint(pixels.dtype, number)\n"
    assert re.fullmatch(r"uint8 \d\n", run_snippet(built[0].folder, code))
    compile(torchvision, "how-to", "exec")  # torchvision itself reads the set in the test below


@pytest.mark.parametrize("part", snippets("yaml"))
def test_each_config_of_the_how_to_can_be_used(part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "images").mkdir()
    for name in ("labels.csv", "informative.csv", "patch_quality_classifier_nn.pth"):
        (tmp_path / name).touch()
    config = {"dataset": "mine", **yaml.safe_load(part)}
    resolve({**config, "curation": {"folder": "images", **config["curation"]}})


@pytest.mark.torch
@needs_shared
def test_torchvision_reads_the_folders(built: tuple[Checkout, Path]) -> None:
    from torchvision.datasets import ImageFolder

    classes = pd.read_csv(built[1] / "classes.csv")
    printed = run_snippet(built[0].folder, snippets("python")[2])
    assert printed == f"{classes['train'].sum()} {sorted(classes['folder'])}\n"
    for name in splits.SPLITS:
        read = ImageFolder(str(built[1] / name))
        assert read.classes == list(classes["folder"])  # each split has images of each class here
        assert Counter(read.targets) == Counter({number: n for number, n in enumerate(classes[name]) if n})
        assert len(read) == classes[name].sum()
        image, _ = read[0]
        assert image.size[0] > 0


@needs_shared
def test_a_set_that_was_half_written_becomes_the_same(built: tuple[Checkout, Path], tmp_path: Path) -> None:
    run, root = built
    whole = files_below(root)
    again = tmp_path / "set"
    shutil.copytree(root, again)
    pngs = sorted(again.glob("train/*/*.png"))
    pngs[0].unlink()
    pngs[1].write_bytes(pngs[1].read_bytes()[:-1])
    pngs[2].write_bytes(bytes(len(pngs[2].read_bytes())))
    (again / "train" / "old").mkdir()
    shutil.move(pngs[3], again / "train" / "old" / "of another run.png")
    (again / "shards" / "train-000001.tar").write_bytes(b"")
    (again / "shards" / "train-000000.tar").write_bytes(b"broken off")
    before = pngs[4].stat()
    tables = (again / "split.csv", again / "classes.csv", run.results("mine") / "curation" / "training_set.json")
    facts = CardFacts(
        title="Training set mine",
        labels="from the file `labels.csv`, which people have to answer for",
        machine=False,
        formats=("imagefolder", "webdataset"),
        split_by="image",
        fractions=FRACTIONS,
        seed=1,
        duplicates={"hash": "steady", "distance": 8, "confirm": 0.97, "within": "all", "seed": 1},
        patch_px=None,
        license=None,
    )
    training_set.write_training_set(tables, run.results("mine") / "curation" / "kept", facts, again)
    assert not differences(files_below(again), whole)
    assert pngs[4].stat().st_mtime_ns == before.st_mtime_ns  # what was right was left alone


@needs_shared
def test_shards_hold_no_time_and_no_owner(built: tuple[Checkout, Path]) -> None:
    with tarfile.open(built[1] / "shards" / "val-000000.tar") as tar:
        assert {(m.mtime, m.uid, m.gid, m.uname, m.gname, m.mode) for m in tar} == {(0, 0, 0, "", "", 0o644)}


# --- the split ---


def curated(groups: Sequence[int], statuses: Sequence[str] = ()) -> pd.DataFrame:
    """A table `curated` with so many images in each group."""
    rows = [(f"i{g:02d}_{n:03d}", f"g{g:02d}") for g, size in enumerate(groups) for n in range(size)]
    table = pd.DataFrame(rows, columns=["patch", "group"])
    status = [*statuses, *["kept"] * (len(table) - len(statuses))]
    return table.assign(image=table["patch"], status=status, reason=["" if s == "kept" else "why" for s in status])


def assembled(groups: Sequence[int], statuses: Sequence[str] = ()) -> pd.DataFrame:
    table = curated(groups, statuses)
    label = {name: "ab"[number % 2] for number, name in enumerate(table["patch"])}
    return assemble(table, label, {group: group for group in table["group"]})


def joined(pairs: Sequence[tuple[str, str]]) -> list[Joins]:
    return [Joins(leaks.EXACT, pairs)]


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(1, 30), min_size=8, max_size=60),
    st.integers(0, 5),
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=6),
)
def test_units_stay_whole_and_the_order_of_rows_does_not_matter(
    groups: list[int], seed: int, near: list[tuple[int, int]]
) -> None:
    table = assembled(groups)
    names = list(table["patch"])
    pairs = [(names[a % len(names)], names[b % len(names)]) for a, b in near]
    options = SplitOptions("group", FRACTIONS, seed)
    split, _ = split_images(table, joined(pairs), options)
    assert split.groupby("group")["split"].nunique().max() == 1
    of = split.set_index("image")["split"]
    assert all(of[a] == of[b] for a, b in pairs)
    shuffled, _ = split_images(table.sample(frac=1, random_state=1), joined(pairs[::-1]), options)
    assert of.equals(shuffled.set_index("image")["split"].loc[of.index])


def test_fractions_are_within_tolerance_where_units_allow() -> None:
    rng = np.random.default_rng(1)
    for seed in range(25):
        sizes = np.round(rng.lognormal(2, 1, rng.integers(12, 40))).astype(int) + 1
        counts = rng.multinomial(1, [0.5, 0.3, 0.2], sizes.sum())
        of_unit = np.add.reduceat(counts, np.concatenate([[0], np.cumsum(sizes)[:-1]]))
        dealt = splits.deal(of_unit, [str(n) for n in range(len(sizes))], FRACTIONS, seed)
        there = splits.totals(of_unit, dealt).sum(axis=1) / sizes.sum()
        assert np.abs(there - FRACTIONS).max() <= splits.TOLERANCE, sizes


def test_many_single_images_are_dealt_alike_class_by_class() -> None:
    counts = np.eye(5, dtype=int)[np.random.default_rng(1).choice(5, 3000, p=[0.6, 0.2, 0.1, 0.09, 0.01])]
    held = splits.totals(counts, splits.deal(counts, [str(n) for n in range(3000)], FRACTIONS, 1))
    assert np.abs(held / held.sum(axis=0) - np.array(FRACTIONS)[:, None]).max() < 0.06


@pytest.mark.parametrize(("groups", "filled"), [([9], 1), ([5, 5], 2), ([5, 5, 5], 3), ([50, 1, 1], 3)])
def test_few_units_fill_as_many_splits_as_they_can(groups: list[int], filled: int) -> None:
    split, _ = split_images(assembled(groups), joined([]), SplitOptions("group", FRACTIONS, 1))
    assert split["split"].nunique() == filled
    assert splits.missed_fractions(split["split"], FRACTIONS)


ADVICE = "`training_set.split_by: image` spreads each class over the splits"


@pytest.mark.parametrize(
    ("groups", "split_by", "near", "says", "advised"),
    [
        ([2], "image", [], "there are too few images", False),
        ([1, 1], "group", [], "there are too few images", False),
        (
            [9, 1],
            "group",
            [],
            "by split_by: group and by near-duplicates, is too large. The labels are the groups",
            True,
        ),
        ([5], "image", [("i00_000", "i00_001")], "by split_by: image and by near-duplicates, is too large", False),
    ],
)
def test_a_warning_of_fractions_says_why_and_never_advises_what_is_set(
    caplog: pytest.LogCaptureFixture,
    groups: list[int],
    split_by: str,
    near: list[tuple[str, str]],
    says: str,
    advised: bool,
) -> None:
    table, options = assembled(groups), SplitOptions(split_by, FRACTIONS, 1)
    split, taken = split_images(table, joined(near), options)
    training_set.warn_of_fractions(table, split, taken, training_set.LabelSources(), options)
    assert says in caplog.text
    assert (ADVICE in caplog.text) == advised
    assert len(caplog.records) == 1


def test_near_duplicates_join_units_by_way_of_images_that_are_left_out() -> None:
    table = assembled([21] + [20] * 19, ["duplicate"])  # the first image of the first group
    dropped, own = "i00_000", "i00_001"
    ends = [("i05_000", dropped), (dropped, "i09_000")]
    split, _ = split_images(table, joined(ends), SplitOptions("group", FRACTIONS, 1))
    of = split.set_index("image")
    assert (of.loc[dropped, "split"], of.loc[dropped, "reason"]) == ("", "duplicate: why")
    assert of.loc["i05_000", "split"] == of.loc["i09_000", "split"]
    tied = {
        seed: split_images(table, joined(ends), SplitOptions("group", FRACTIONS, seed))[0].set_index("image")["split"]
        for seed in range(12)
    }
    assert all(of["i05_000"] == of["i09_000"] for of in tied.values())
    assert any(of["i05_000"] != of[own] for of in tied.values())  # its own unit is not tied to them


def test_the_loosest_joins_that_leave_the_fractions_are_taken() -> None:
    table = assembled([10] * 20)
    firsts = [f"i{g:02d}_000" for g in range(20)]
    loose, some = list(pairwise(firsts)), [(firsts[0], firsts[1])]
    joins = [Joins(leaks.MARGINS[0], loose), Joins(leaks.MARGINS[1], some), Joins(leaks.EXACT, [])]
    split, taken = split_images(table, joins, SplitOptions("group", FRACTIONS, 1))
    assert taken is joins[1]
    assert not splits.missed_fractions(split["split"], FRACTIONS)


def test_copies_with_another_label_are_counted_and_named(caplog: pytest.LogCaptureFixture) -> None:
    table = assemble(
        curated([4, 1], ["kept", "duplicate", "duplicate", "duplicate"]),
        {"i00_000": "a", "i00_001": "b", "i00_002": "a", "i01_000": "b"},
        {"g00": "day", "g01": "day"},
    )
    links = [("i00_001", "i00_000"), ("i00_002", "i00_000"), ("i00_003", "i00_000")]
    marked, n = training_set.mark_contradictions(table, links)
    assert n == 1
    assert marked["reason"].tolist() == ["", "duplicate: why; i00_000 has the label a", *["duplicate: why"] * 2, ""]
    assert (
        "1 image left out as near-duplicates of images of the set, but under another label: i00_001 (b) and i00_000 (a)"
        in caplog.text
    )
    assert training_set.mark_contradictions(table, links[1:])[1] == 0


def test_the_label_of_a_copy_is_not_lost_with_it(caplog: pytest.LogCaptureFixture) -> None:
    """The kept images: 0 has two copies of one label, 3 has copies of two, 6 is labelled, 8 is kept for a stuck one."""
    statuses = [
        "kept",
        "duplicate",
        "duplicate",
        "kept",
        "duplicate",
        "duplicate",
        "kept",
        "stuck",
        "kept",
        "duplicate",
    ]
    labels = {"i00_001": "a", "i00_002": "a", "i00_004": "a", "i00_005": "b", "i00_006": "c", "i00_009": "d"}
    exemplars = {1: 0, 2: 0, 4: 3, 5: 3, 8: 7, 9: 7}
    pairs = [(f"i00_{copy:03d}", f"i00_{exemplar:03d}") for copy, exemplar in exemplars.items()]
    met = curated([10], statuses)
    copies = training_set.copies_of_kept(met, pd.DataFrame(pairs, columns=["patch", "exemplar"]))
    assert copies == [*pairs[:4], ("i00_009", "i00_008")]
    table, n = training_set.take_labels_of_copies(assemble(met, labels, {"g00": "day"}), copies)
    used = table[table["in_set"]]
    assert dict(zip(used["patch"], used["label"], strict=True)) == {"i00_000": "a", "i00_006": "c", "i00_008": "d"}
    assert n == 2
    assert table["reason"].tolist()[3] == "no label; its copies have the labels a, b"
    assert "2 images without a label of their own: the label of copies that were left out is taken" in caplog.text
    assert "1 image without a label left out, since the copies have different labels: i00_003." in caplog.text
    assert training_set.mark_contradictions(table, copies)[1] == 0


@pytest.mark.parametrize(("most", "size"), [(3, 1 << 20), (1 << 20, 5000)])
def test_shards_are_full_and_hold_each_image_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int, size: int
) -> None:
    monkeypatch.setattr(training_set, "SHARD_IMAGES", most)
    monkeypatch.setattr(training_set, "SHARD_BYTES", size)
    pngs = {f"{group}/{n}": as_png(particle(n)) for group in "abc" for n in range(4)}
    samples = [training_set.Sample(name, 0, "x", "x", "train", name[0], "") for name in pngs]
    for group in "abc":
        with write_zip(tmp_path / f"{group}.zip") as out:
            for name in pngs:
                if name.startswith(group):
                    out.add(name, pngs[name])
    training_set.write_shards(samples, tmp_path, tmp_path / "shards", 1)
    held = []
    for shard in sorted((tmp_path / "shards").glob("train-*.tar")):
        with tarfile.open(shard) as tar:
            held.append([tar.extractfile(member).read() for member in tar if member.name.endswith(".png")])
    assert sorted(body for some in held for body in some) == sorted(pngs.values())
    assert max(map(len, held)) <= most
    assert all(sum(map(len, some)) <= size for some in held)
    assert len(held) > 3


def test_webdataset_reads_samples_with_long_names(tmp_path: Path) -> None:
    import webdataset

    # With its ending the second one has 101 bytes: one more than the plain format of tar holds.
    names = ["short µ", "b" * 97, "c" * 119, "ä" * 60, "d" * 300]
    with write_zip(tmp_path / "g.zip") as out:
        for number, name in enumerate(names):
            out.add(name, as_png(particle(number)))
    samples = [training_set.Sample(name, 0, "x", "x", "train", "g", "") for name in names]
    for some in (samples, samples[:1]):
        training_set.write_shards(some, tmp_path, tmp_path / "shards", 1)
        shard = tmp_path / "shards" / "train-000000.tar"
        read = list(webdataset.WebDataset(str(shard), shardshuffle=False).decode("l8"))
        assert {each["json"]["image"] for each in read} == {sample.image for sample in some}
        for each in read:
            assert (each["png"] == particle(names.index(each["json"]["image"]))).all()
    assert b"PaxHeader" not in shard.read_bytes()  # a shard whose names fit is as it always was


def card(classes: pd.DataFrame, folder: Path, found: Joined, **facts: Any) -> str:
    """The card of a set with these counts."""
    rows = [
        (f"{label}{name}{n}", label, name, "g", "day", "")
        for label, *counts in classes[["label", *splits.SPLITS]].to_numpy(object)
        for name, count in zip(splits.SPLITS, counts, strict=True)
        for n in range(count)
    ]
    split = pd.DataFrame(rows, columns=["image", "label", "split", "group", "day", "reason"])
    given = CardFacts(
        title="mine",
        labels="the names of the folders",
        machine=False,
        formats=("webdataset",),
        split_by="group",
        fractions=FRACTIONS,
        seed=1,
        duplicates={"hash": "steady", "distance": 8, "confirm": 0.97, "within": "all", "seed": 1},
        patch_px=None,
        license=None,
    )
    write_card(split, classes, replace(given, **facts), found, folder / "README.md")
    return (folder / "README.md").read_text(encoding="utf-8")


def test_the_card_names_classes_that_nothing_learns_and_says_what_joined_images(tmp_path: Path) -> None:
    classes = pd.DataFrame(
        {"label": ["a", "b", "c"], "folder": ["a", "b", "c"], "train": [7, 0, 0], "val": [0, 2, 0], "test": [0, 0, 1]}
    )
    (tmp_path / "shards").mkdir()
    for number in range(3):
        (tmp_path / "shards" / f"train-{number:06}.tar").touch()
    many = leaks.margins(leaks.MANY + 1, NEAR)[0]
    text = card(classes, tmp_path, Joined(many, 2, 3))
    assert "train has no image of 2 classes: b, c, so a classifier cannot learn what val or test has of them" in text
    assert "2 images left out as near-duplicates of images of the set, but under another label" in text
    assert "3 images had no label and took that of the copies" in text
    assert "images that look alike (up to 8 bits, correlation from 0.90)" in text
    assert "shards/train-{000000..000002}.tar" in text
    text = card(classes[:1], tmp_path, Joined(leaks.margins(10, NEAR)[0]))
    assert "images that look alike (up to 12 bits, correlation from 0.90)" in text
    assert "under another label" not in text
    assert "took that of the copies" not in text
    assert "cannot learn" not in text


def test_labels_that_are_the_groups_are_warned_of_unless_images_are_dealt(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    names = [f"g{g}/{n}" for g in range(6) for n in range(20)]
    groups = [name[:2] for name in names]
    hashes = np.random.default_rng(1).integers(0, 1 << 64, len(names), np.uint64)
    tables = {name: tmp_path / f"{name}.csv" for name in ("curated", "patches", "duplicates")}
    table = pd.DataFrame({"patch": names, "image": names, "group": groups})
    table_files.write(table.assign(status="kept", reason=""), "curated", tables["curated"])
    described = pd.DataFrame([describe(particle(1), "steady")] * len(names)).assign(hash=[f"{h:016x}" for h in hashes])
    place = {"y0": 0, "y1": 60, "x0": 0, "x1": 80}
    table_files.write(pd.concat([table.assign(**place), described], axis=1), "patches", tables["patches"])
    kept = table[["patch", "group"]].assign(kept=1, exemplar="", distance=pd.NA, correlation=np.nan)
    table_files.write(kept.astype({"distance": "Int64"}), "duplicates", tables["duplicates"])
    written = tuple(tmp_path / name for name in ("split.csv", "classes.csv", "training_set.json"))
    rule = DuplicateRule(0, None, "all", 1)
    for split_by, warned in (("group", True), ("image", False)):
        caplog.clear()
        options = SplitOptions(split_by, FRACTIONS, 1)
        training_set.split_training_set(tables, tmp_path, training_set.LabelSources(), rule, options, written)
        classes = table_files.read("training_classes", written[1])
        assert ((classes[list(splits.SPLITS)] > 0).sum(axis=1) == (1 if warned else 3)).all()
        assert ("classes have images in val or test and none in train" in caplog.text) == warned
        assert ("`training_set.split_by: image` spreads each class" in caplog.text) == warned


def test_images_without_a_label_are_left_out_and_said_so() -> None:
    table = assemble(curated([3], ["kept", "stuck"]), {"i00_000": "a"}, {"g00": "day"})
    split, _ = split_images(table, joined([]), SplitOptions("day", FRACTIONS, 1))
    assert split["reason"].tolist() == ["", "stuck: why", "no label"]
    assert split["split"].tolist() == ["train", "", ""]


def test_rois_have_the_class_that_they_won_and_the_day_of_their_bin(tmp_path: Path) -> None:
    bins = ("D20240418T000000_IFCB901", "D20240419T000000_IFCB901")
    for number, name in enumerate(bins):
        rows = [f"{name}_00001,Akashiwo", f"{name}_00002,unclassified"]
        (tmp_path / f"{number}.csv").write_text("\n".join(["image,class", *rows, ""]))
    ledger = table_files.from_rows(
        [{"bin": name, "date": f"{name[1:5]}-{name[5:7]}-{name[7:9]}", "status": "used"} for name in bins], "ledger"
    )
    table_files.write(ledger, "ledger", tmp_path / "ledger.csv")
    sources = training_set.LabelSources(won=[tmp_path / "0.csv", tmp_path / "1.csv"], ledger=tmp_path / "ledger.csv")
    rows = [(f"{name}_{n:05}", name) for name in bins for n in (1, 2, 3)]
    table = pd.DataFrame(rows, columns=["patch", "group"])
    table = table.assign(image=table["patch"], status="kept", reason="")
    split, _ = split_images(
        assemble(table, sources.labels(table), sources.days(table)), joined([]), SplitOptions("day", FRACTIONS, 1)
    )
    assert split["label"].tolist() == ["Akashiwo", "", ""] * 2
    assert split["day"].tolist() == ["2024-04-18"] * 3 + ["2024-04-19"] * 3
    assert split["reason"].tolist() == ["", "no label", "no label"] * 2


def test_labels_are_read_strictly(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("image,label\na,x\nb, \nc,y\n")
    assert training_set.read_labels(path, ["a", "b"]) == {"a": "x", "c": "y"}
    assert "1 label of unknown images, the first 'c'" in caplog.text
    path.write_text("image,label\na,x\na,y\n")
    with pytest.raises(WorkflowInputError, match="two labels of 'a'"):
        training_set.read_labels(path, ["a"])


def test_labels_of_images_with_spaces_that_cannot_be_printed_are_found(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """macOS puts U+202F into the names of screenshots. Tables have it escaped, and either way can be written."""
    names = ["Screenshot 9.41\u202fAM.png", "a\u00a0b.png", "c d.png"]
    for name in names:
        save(tmp_path / "images" / name, particle(1))
    met = [file.image for file in list_folder(tmp_path / "images").groups["."].files]
    assert met == [r"Screenshot 9.41\u202fAM.png", r"a\xa0b.png", "c d.png"]
    for written in (names, met):
        path = tmp_path / "labels.csv"
        path.write_text("".join(["image,label\n", *(f"{name},good\n" for name in written)]), encoding="utf-8")
        assert training_set.read_labels(path, met) == dict.fromkeys(met, "good")
        assert filter.parse_labels(path, "curation.filter.labels").to_dict() == dict.fromkeys(met, "good")
    assert caplog.text == ""


# --- names of files ---


@pytest.mark.parametrize(
    ("label", "folder"),
    [
        ("Akashiwo", "Akashiwo"),
        ("Pseudo-nitzschia_sp.", "Pseudo-nitzschia_sp"),
        ("../../etc/passwd", "etc_passwd"),
        ("/abs", "abs"),
        ("..", "class"),
        ("", "class"),
        ("日本", "class"),
        ("Ångström <10 µm", "Angstrom_10_m"),
        ("con", "_con"),
        ("-rf *", "rf"),
        (".hidden", "hidden"),
        ("a\x00b\n", "a_b"),
    ],
)
def test_labels_never_become_paths(label: str, folder: str) -> None:
    assert file_names.folder_of_label(label) == folder


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=300), unique=True, max_size=12))
def test_each_name_gets_a_file_of_its_own(names: list[str]) -> None:
    for made in (file_names.folder_of_label, file_names.file_of_image, file_names.key_of_image):
        files = file_names.unique(names, made)
        assert len({file.lower() for file in files.values()}) == len(names)
        assert all("/" not in file and 0 < len(os.fsencode(file)) < 200 for file in files.values() if file)
    assert all("." not in key for key in file_names.unique(names, file_names.key_of_image).values())


# --- the proof ---


def leaking_set(root: Path, form: str) -> None:
    """A set of two splits that has a particle in both."""
    pictures = {"a": ("train", particle(1)), "b": ("train", particle(2)), "c": ("val", particle(1, at=(1, 1)))}
    samples = [training_set.Sample(name, 0, "x", "x", split, "g", "") for name, (split, _) in pictures.items()]
    with write_zip(root / "kept" / "g.zip") as out:
        for name, (_, pixels) in pictures.items():
            out.add(name, as_png(pixels))
    if form == "imagefolder":
        training_set.write_images(samples, root / "kept", root / "set")
    else:
        training_set.write_shards(samples, root / "kept", root / "set" / "shards", 1)


@pytest.mark.parametrize("form", ["imagefolder", "webdataset"])
def test_a_pair_across_splits_fails_and_is_named(tmp_path: Path, form: str) -> None:
    leaking_set(tmp_path, form)
    with pytest.raises(WorkflowInputError, match=r"1 pair of near-duplicates in different splits, the first (a|c)"):
        leaks.find_leaks(tmp_path / "set", "steady", NEAR, tmp_path / "leaks.csv")
    assert not (tmp_path / "leaks.csv").exists()
    assert {(image.image, image.split) for image in leaks.list_written(tmp_path / "set")} == {
        ("a", "train"),
        ("b", "train"),
        ("c", "val"),
    }


def test_a_correlation_of_0_confirms_as_any_other_does() -> None:
    pictures = [particle(1), particle(1, at=(1, 1)), 255 - particle(1)]
    size = np.full(3, 60), np.full(3, 80)
    images = leaks.Images(np.zeros(3, np.uint64), *size, lambda number: pictures[number])
    rule = DuplicateRule(8, 0.0, "all", 1)
    found = leaks.find_near(images, np.arange(3), rule, leaks.EXACT, lambda *_: False, "pairs")
    assert [(pair.one, pair.other, pair.correlation > 0.9) for pair in found] == [(0, 1, True)]
    assert leaks.join_pairs(images, np.arange(3), [], rule)


@pytest.mark.parametrize("chunk", [1, 3, 4096])
def test_each_near_pair_is_found_once(monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    monkeypatch.setattr(leaks, "CHUNK", chunk)
    rng = np.random.default_rng(1)
    hashes = rng.integers(0, 1 << 12, 60, dtype=np.uint64)
    size = np.full(60, 10)
    images = leaks.Images(hashes, size, size, lambda _: np.zeros((10, 10), np.uint8))
    rule = DuplicateRule(2, None, "all", 1)
    for queries in (np.arange(60), np.arange(0, 60, 3)):
        found = [
            (pair.one, pair.other)
            for pair in leaks.find_near(images, queries, rule, leaks.EXACT, lambda *_: False, "pairs")
        ]
        asked = set(queries.tolist())
        expected = {
            (a, b)
            for a in range(60)
            for b in range(a + 1, 60)
            if (a in asked or b in asked) and int(hashes[a] ^ hashes[b]).bit_count() <= 2
        }
        assert len(found) == len(expected)
        assert {tuple(sorted(pair)) for pair in found} == expected


def test_what_links_join_needs_no_pair_unless_both_are_in_the_set() -> None:
    hashes = np.zeros(4, np.uint64)
    size = np.full(4, 10)
    images = leaks.Images(hashes, size, size, lambda _: np.zeros((10, 10), np.uint8))
    pairs = leaks.join_pairs(images, np.array([0, 1]), [(2, 0), (3, 2)], DuplicateRule(0, None, "all", 1))
    assert {(pair.one, pair.other) for pair in pairs} == {(0, 1)}
