"""The filter of uninformative patches: labels, statistics that learn, and the ResNet34."""

import json
import re
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.metrics import roc_auc_score

from ifcb_abundance.common.errors import WorkflowInputError
from ifcb_abundance.curation import filter, resnet
from ifcb_abundance.curation.weights import WeightsError
from ifcb_abundance.curation.zips import Packed, as_png, write_zip
from tests.checkout import Checkout
from tests.curation.data import SHARED, files_of, needs_shared, rows_of
from tests.curation.torch_files import resnet34_weights, write_state_dict

HELD_OUT = ("g6", "g7")


def patches(n: int) -> pd.DataFrame:
    return pd.DataFrame({"patch": [f"i{i}-a" for i in range(n)], "image": [f"i{i}" for i in range(n)]})


def labels(path: Path, rows: dict[str, str]) -> Path:
    path.write_text("image,label\n" + "".join(f"{image},{label}\n" for image, label in rows.items()))
    return path


def test_labels_of_both_vocabularies_count_and_none_is_skipped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    given = {f"i{i}": "Good" if i % 2 else "bad" for i in range(70)}
    given |= {"i0": "none", "i1-a": "uninformative", "elsewhere": "good"}
    found, unknown = filter.read_labels(labels(tmp_path / "l.csv", given), patches(70), "curation.filter.labels")
    assert unknown == 1
    assert "1 label of unknown images, the first 'elsewhere'" in caplog.text
    assert "i0-a" not in found
    assert found["i1-a"] == 0  # a patch's own label counts before its image's
    assert found["i3-a"] == 1
    assert len(found) == 69


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({f"i{i}": "good" if i % 2 else "bad" for i in range(63)}, "labels 31 informative and 32 uninformative"),
        ({f"i{i}": "good" for i in range(70)}, "some of each kind"),
        ({f"i{i}": "nice" for i in range(70)}, "'nice': labels are 'informative', 'good'"),
    ],
)
def test_labels_that_cannot_be_learned_from_are_refused(tmp_path: Path, given: dict[str, str], message: str) -> None:
    with pytest.raises(WorkflowInputError, match=message):
        filter.read_labels(labels(tmp_path / "l.csv", given), patches(70), "curation.filter.labels")


def test_two_labels_of_an_image_and_missing_columns_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "l.csv"
    path.write_text("image,label\na,good\na,bad\n")
    with pytest.raises(WorkflowInputError, match="two labels of 'a'"):
        filter.read_labels(path, patches(1), "volumes.filter.labels")
    path.write_text("picture,label\na,good\n")
    with pytest.raises(WorkflowInputError, match="no column 'image'"):
        filter.read_labels(path, patches(1), "volumes.filter.labels")


def test_the_filter_is_judged_on_groups_that_it_has_not_seen() -> None:
    rng = np.random.default_rng(1)
    groups = np.repeat([f"g{i}" for i in range(20)], 10).astype(object)
    truth = rng.random(200) < 0.5
    truth[::10], truth[1::10] = True, False
    # What tells the kinds apart within a group says nothing of another group.
    own = np.repeat(rng.normal(size=20) * 20, 10)[:, None] * np.where(truth, 1, -1)[:, None]
    judged, curve = filter.judge(np.hstack([own, rng.normal(size=(200, 1))]), truth, groups, ["a", "b"])
    assert (judged.judged_by, judged.folds) == ("group", 5)
    assert judged.auc is not None
    assert judged.auc < 0.75
    counts = curve[["true_positives", "false_positives", "true_negatives", "false_negatives"]].sum(axis=1)
    assert set(counts) == {200}


def test_few_groups_are_judged_by_patches_and_it_is_said() -> None:
    truth = np.arange(100) % 2 == 0
    values = truth[:, None] + np.random.default_rng(1).normal(0, 0.1, (100, 1))
    judged, _ = filter.judge(values, truth, np.full(100, "one", object), ["a"])
    assert (judged.judged_by, judged.auc) == ("patch", 1.0)


@pytest.fixture(scope="module")
def statistics_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Checkout, str]:
    top = tmp_path_factory.mktemp("filter")
    for name, body in files_of("labelled_patches.zip").items():
        (top / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        (top / "images" / name).write_bytes(body)
    known = {row["image"]: row["label"] for row in rows_of("labelled_patches.csv") if row["image"][:2] not in HELD_OUT}
    path = labels(top / "labels.csv", known)
    config = {"dataset": "mine", "curation": {"folder": str(top / "images"), "filter": {"labels": str(path)}}}
    run = Checkout(top / "run")
    return run, run.run(config, "results/mine/curation/filter.csv")


@needs_shared
def test_statistics_tell_patches_of_groups_that_were_not_labelled(statistics_run: tuple[Checkout, str]) -> None:
    run, printed = statistics_run
    table = pd.read_csv(run.results("mine") / "curation" / "filter.csv").set_index("patch")
    held_out = [row for row in rows_of("labelled_patches.csv") if row["image"].startswith(HELD_OUT)]
    truth = [row["label"] == "informative" for row in held_out]
    assert len(truth) == 40
    assert roc_auc_score(truth, table["score"][[row["image"] for row in held_out]]) >= 0.95
    assert (table["informative"] == (table["score"] >= 0.5)).all()
    assert "on groups that it was not trained on" in printed


@needs_shared
def test_the_parameters_of_the_filter_can_be_read_and_give_its_scores(statistics_run: tuple[Checkout, str]) -> None:
    folder = statistics_run[0].results("mine") / "curation"
    found = json.loads((folder / "filter.json").read_text())
    assert (found["model"], found["informative"], found["uninformative"]) == ("statistics", 68, 52)
    assert found["judgement"]["judged_by"] == "group"
    assert found["judgement"]["auc"] > 0.95
    patches = pd.read_csv(folder / "patches.csv")
    regression = found["regression"]
    logit = np.full(len(patches), regression["intercept"])
    for name, centre, scale, coefficient in zip(
        regression["features"], regression["centre"], regression["scale"], regression["coefficients"], strict=True
    ):
        logit += coefficient * (patches[name] - centre) / scale
    score = pd.read_csv(folder / "filter.csv")["score"]
    assert np.abs(1 / (1 + np.exp(-logit)) - score).max() < 1e-6
    roc = pd.read_csv(folder / "roc.csv")
    assert roc_auc_of(roc) == pytest.approx(found["judgement"]["auc"], abs=1e-6)


@needs_shared
def test_a_threshold_that_keeps_nothing_fails_each_time_and_what_was_kept_stays(
    statistics_run: tuple[Checkout, str], tmp_path: Path
) -> None:
    run = Checkout(tmp_path / "run", copied_from=statistics_run[0].folder)
    config = yaml.safe_load((run.folder / "my.yaml").read_text())
    target = "results/mine/curation/curated.csv"
    run.run(config, target)
    kept = {name: body for name, body in run.files("mine").items() if "/kept/" in name or name.endswith("curated.csv")}
    assert len(kept) == 9
    config["curation"]["filter"]["threshold"] = 1.0
    for _ in range(2):
        printed = run.run(config, target, fails=True)
        assert re.search(r"nothing is kept: the patches are \d+ uninformative", printed)
        assert kept.items() <= run.files("mine").items()
    config["curation"]["filter"]["threshold"] = 0.5
    run.run(config, target)
    assert kept.items() <= run.files("mine").items()


def roc_auc_of(roc: pd.DataFrame) -> float:
    x, y = roc["false_positive_rate"].to_numpy(), roc["true_positive_rate"].to_numpy()
    return float(((x[1:] - x[:-1]) * (y[1:] + y[:-1]) / 2).sum())


# --- the ResNet34 ---


@pytest.fixture(scope="module")
def weights_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_state_dict(tmp_path_factory.mktemp("weights") / "weights.pth", resnet34_weights())


@needs_shared
def test_the_resnet_scores_as_torch_does(tmp_path: Path, weights_file: Path) -> None:
    oracle = json.loads((SHARED / "resnet34_oracle.json").read_text())
    assert {name: tuple(shape) for name, shape in oracle["keys"].items()} == resnet.shapes()
    bodies = files_of("labelled_patches.zip")
    for name in oracle["scores"]:
        (tmp_path / "images" / name).parent.mkdir(parents=True)
        (tmp_path / "images" / name).write_bytes(bodies[name])
    options = {"model": "resnet34", "weights": str(weights_file), "threshold": 0.572, "device": "cpu"}
    config = {"dataset": "mine", "curation": {"folder": str(tmp_path / "images"), "filter": options}}
    run = Checkout(tmp_path / "run")
    printed = run.run(config, "results/mine/curation/filter.csv")
    assert "the ResNet34 runs on the CPU" in printed
    config["curation"]["filter"]["device"] = "auto"  # type: ignore[index]
    assert "Nothing to be done" in run.run(config, "results/mine/curation/filter.csv")
    table = pd.read_csv(run.results("mine") / "curation" / "filter.csv").set_index("patch")
    expected = pd.Series({name: of["pillow_bilinear"]["score"] for name, of in oracle["scores"].items()})
    assert len(expected) == len(table) == 8
    assert (table["score"] - expected).abs().max() < 1e-4
    assert (table["informative"] == (expected >= 0.572)).all()
    found = json.loads((run.results("mine") / "curation" / "filter.json").read_text())
    assert (found["model"], found["regression"], found["judgement"]["judged_by"]) == ("resnet34", None, "nothing")


@needs_shared
def test_weights_of_another_network_are_named() -> None:
    weights = resnet34_weights()
    classes = {**weights, "fc.weight": np.zeros((1000, 512), np.float32)}
    with pytest.raises(WeightsError, match=r"fc\.weight has the shape \(1000, 512\), not \(1, 512\); .*one output"):
        resnet.check_weights(classes, "w.pth")
    with pytest.raises(WeightsError, match=r"w\.pth: no weights of torchvision's ResNet34: it has 'layer5'"):
        resnet.check_weights({**weights, "layer5": np.zeros(1)}, "w.pth")
    with pytest.raises(WeightsError, match=r"lacks 'conv1\.weight'"):
        resnet.check_weights({name: value for name, value in weights.items() if name != "conv1.weight"}, "w.pth")
    with pytest.raises(WeightsError, match=r"bn1\.bias has values that no trained network has"):
        resnet.check_weights({**weights, "bn1.bias": np.full(64, np.nan, np.float32)}, "w.pth")
    resnet.check_weights(
        {name: value for name, value in weights.items() if not name.endswith("num_batches_tracked")}, "w.pth"
    )


class Doubled:
    """A network that takes seconds no more: the mean of each patch is its one feature."""

    batch, parallel = 4, True

    def __call__(self, pixels: resnet.Pixels) -> resnet.Batch:
        means = pixels.mean(axis=(1, 2, 3), dtype=np.float32)
        return np.repeat(means[:, None], resnet.FEATURES, axis=1), means


@pytest.mark.parametrize("parallel", [True, False])
def test_patches_come_back_in_their_order_from_any_number_of_threads(parallel: bool) -> None:
    network = Doubled()
    network.parallel = parallel
    steps: list[int] = []
    features, logits = resnet.run_network(
        network, lambda number: np.full((9, 5), number, np.uint8), 13, 3, steps.append
    )
    assert logits.tolist() == list(range(13))
    assert features.shape == (13, resnet.FEATURES)
    assert steps == [4, 4, 4, 1]
    assert resnet.run_network(network, lambda _: np.zeros((1, 1), np.uint8), 0, 3)[0].shape == (0, resnet.FEATURES)


@pytest.mark.parametrize("parallel", [True, False])
def test_files_are_decoded_elsewhere_and_come_back_in_their_order(parallel: bool) -> None:
    network = Doubled()
    network.parallel = parallel
    n = resnet.FEW + 50  # more than one process decodes alone
    pictures = [np.random.default_rng(number).integers(0, 256, (9, 7), np.uint8) for number in range(n)]
    files = [Packed(as_png(pixels), slice(2, 8), slice(1, 4)) for pixels in pictures]
    _, logits = resnet.run_network(network, files.__getitem__, n, 2)
    expected = resnet.run_network(network, lambda number: pictures[number][2:8, 1:4], n, 2)[1]
    assert logits.tolist() == expected.tolist()
    assert len(set(logits.tolist())) > n / 2


def test_with_labels_the_last_layer_is_trained_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filter, "_open_network", lambda *_: Doubled())
    brightness = np.array([20, 200] * 40)
    pixels = {f"i{i}": np.full((8, 8), value, np.uint8) for i, value in enumerate(brightness)}
    table = pd.DataFrame({"patch": list(pixels), "image": list(pixels), "group": [f"g{i % 5}" for i in range(80)]})
    table = table.assign(y0=0, y1=8, x0=0, x1=8)
    for group, names in table.groupby("group")["image"]:
        with write_zip(tmp_path / f"{group}.zip") as out:
            for name in names:
                out.add(name, as_png(pixels[name]))
    monkeypatch.setattr(filter.table_files, "read", lambda *_: table)
    given = labels(
        tmp_path / "l.csv", {f"i{i}": "bad" if value > 100 else "good" for i, value in enumerate(brightness)}
    )
    (tmp_path / "w.pth").write_bytes(b"")
    options = filter.FilterOptions(str(given), "resnet34", str(tmp_path / "w.pth"), "cpu")
    filter.train_filter("patches.csv", tmp_path, options, 2, (tmp_path / "filter.json", tmp_path / "roc.csv"))
    filter.score_patches("p", tmp_path, tmp_path / "filter.json", options, 2, tmp_path / "scores.csv")
    scores = pd.read_csv(tmp_path / "scores.csv")["score"].to_numpy()
    assert ((scores > 0.5) == (brightness < 100)).all()  # the network alone would say the opposite
    assert filter.read_filter(tmp_path / "filter.json").judgement.auc == 1.0


QUICK = """

class _Quick:
    batch, parallel = 16, True

    def __call__(self, pixels):
        means = pixels.mean(axis=(1, 2, 3), dtype=np.float32)
        return np.repeat(means[:, None], resnet.FEATURES, axis=1), means


def _open_network(*_):
    return _Quick()
"""


@needs_shared
def test_a_filter_that_learns_from_another_group_scores_all_groups_anew(tmp_path: Path) -> None:
    bodies = files_of("labelled_patches.zip")
    known = {row["image"]: row["label"] for row in rows_of("labelled_patches.csv")}
    options = {
        "labels": str(labels(tmp_path / "l.csv", known)),
        "model": "resnet34",
        "weights": str(tmp_path / "l.csv"),
    }
    config = {"dataset": "mine", "curation": {"folder": str(tmp_path / "images"), "filter": options}}

    def add(groups: set[str]) -> None:
        for name in (name for name in bodies if name.split("/")[0] in groups):
            (tmp_path / "images" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "images" / name).write_bytes(bodies[name])

    run = Checkout(tmp_path / "run")
    with run.module("curation/filter.py").open("a") as module:
        module.write(QUICK)
    add({"g0", "g1", "g2", "g3"})
    target = "results/mine/curation/filter.csv"
    run.run(config, target)
    add({"g4"})
    run.run(config, target)
    table = pd.read_csv(run.results("mine") / "curation" / "filter.csv").set_index("patch")["score"]
    again = Checkout(tmp_path / "again", run.folder)
    shutil.rmtree(again.folder / "results")
    again.run(config, target)
    assert table.equals(pd.read_csv(again.results("mine") / "curation" / "filter.csv").set_index("patch")["score"])


@needs_shared
def test_other_weights_score_all_groups_anew_and_a_new_group_is_scored_alone(tmp_path: Path) -> None:
    bodies = files_of("labelled_patches.zip")
    run = Checkout(tmp_path / "run")
    with run.module("curation/filter.py").open("a") as module:
        module.write(QUICK)
    options = {"model": "resnet34", "weights": str(tmp_path / "w.pth")}
    config = {"dataset": "mine", "curation": {"folder": str(tmp_path / "images"), "filter": options}}

    def scored_after(groups: str, weights: bytes) -> set[str]:
        (tmp_path / "w.pth").write_bytes(weights)
        for name in (name for name in bodies if name.startswith(groups)):
            (tmp_path / "images" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "images" / name).write_bytes(bodies[name])
        before = run.stamps()
        run.run(config, "results/mine/curation/filter.csv")
        changed = {path for path, stamp in run.stamps().items() if before.get(path) != stamp}
        return {Path(path).stem for path in changed if "curation/filter/" in path}

    assert scored_after("g0", b"one") == {"g0"}
    assert scored_after("g1", b"one") == {"g1"}
    assert scored_after("g1", b"another") == {"g0", "g1"}


@pytest.mark.parametrize(
    ("installed", "finds", "why"),
    [
        ([], False, "torch is not installed"),
        (["torch"], True, "torchvision is not installed"),
        (["torch", "torchvision"], False, "torch finds none"),
        (["torch", "torchvision"], True, None),
    ],
)
def test_a_gpu_that_cannot_be_used_is_named(
    installed: list[str], finds: bool, why: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("torch", "torchvision"):
        module = SimpleNamespace(cuda=SimpleNamespace(is_available=lambda: finds))
        monkeypatch.setitem(sys.modules, name, module if name in installed else None)  # type: ignore[arg-type]
    if why:
        with pytest.raises(WorkflowInputError, match=f"curation.filter.device: gpu: {why}. Use auto or cpu"):
            resnet.chosen_device("gpu")
    else:
        assert resnet.chosen_device("gpu") == "gpu"
    assert resnet.chosen_device("auto") == ("cpu" if why else "gpu")
    assert resnet.chosen_device("cpu") == "cpu"
