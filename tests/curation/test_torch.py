"""What torch itself says: `make torch` makes an environment with it, and passes these; on a GPU too if there is one."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ifcb_abundance.common.errors import WorkflowInputError
from ifcb_abundance.curation import resnet
from ifcb_abundance.curation.weights import read_weights
from tests.curation.data import files_of, needs_shared, pixels_of, rows_of
from tests.curation.torch_files import resnet34_weights, write_state_dict

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.torch, needs_shared]


def devices() -> list[str]:
    import torch

    return ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]


def test_torch_and_onnxruntime_give_the_same_scores() -> None:
    weights = resnet34_weights()
    pictures = [pixels_of(body) for body in list(files_of("labelled_patches.zip").values())[:20]]
    networks = [resnet.OnnxNetwork(weights), *(resnet.TorchNetwork(weights, device) for device in devices())]
    expected, *found = [
        resnet.sigmoid(resnet.run_network(network, pictures.__getitem__, len(pictures), 2)[1]) for network in networks
    ]
    for scores in found:
        assert np.abs(scores - expected).max() < 1e-6


def test_auto_takes_a_gpu_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        network = resnet.open_network(resnet34_weights(), "auto")
    assert isinstance(network, resnet.TorchNetwork if "cuda" in devices() else resnet.OnnxNetwork)
    assert f"the ResNet34 runs on the {'GPU, ' if 'cuda' in devices() else 'CPU'}" in caplog.text


def test_a_gpu_whose_memory_is_full_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    def full(*_: object) -> None:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    network = resnet.TorchNetwork(resnet34_weights(), "cpu")
    monkeypatch.setattr(network, "_body", full)
    with pytest.raises(WorkflowInputError, match="the memory of the GPU is full"):
        network(np.zeros((1, 1, 224, 224), np.uint8))


def test_files_that_torch_saves_are_read(tmp_path: Path) -> None:
    import torch
    from torchvision.models import resnet34

    state = resnet34(num_classes=1).state_dict()
    for kind in (torch.float32, torch.float16, torch.bfloat16):
        saved = {name: value.to(kind) if value.is_floating_point() else value for name, value in state.items()}
        torch.save(saved, tmp_path / "w.pth")
        read = read_weights(tmp_path / "w.pth")
        resnet.check_weights(read, "w.pth")
        assert all((read[name] == value.to(torch.float64).numpy()).all() for name, value in saved.items())


def test_the_training_script_makes_weights_that_the_filter_takes(tmp_path: Path) -> None:
    bodies = files_of("labelled_patches.zip")
    for name, body in bodies.items():
        (tmp_path / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "images" / name).write_bytes(body)
    rows = pd.DataFrame(rows_of("labelled_patches.csv"))[["image", "label"]]
    rows.groupby("label").head(40).to_csv(tmp_path / "labels.csv", index=False)
    weights = resnet34_weights()
    given = {**weights, "fc.weight": np.zeros((1000, 512), np.float32), "fc.bias": np.zeros(1000, np.float32)}
    write_state_dict(tmp_path / "imagenet.pth", given)
    script = ROOT / "workflow" / "scripts" / "train_resnet.py"
    arguments = [tmp_path / "images", tmp_path / "labels.csv", tmp_path / "out", "--weights", tmp_path / "imagenet.pth"]
    command = [sys.executable, script, *arguments, "--epochs", "1", "--device", "auto"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "epoch 1 of 1" in printed
    found = json.loads((tmp_path / "out" / "training.json").read_text())
    assert found["held_out"] + found["trained_on"] == 80
    assert found["device"] == devices()[-1]
    trained = read_weights(tmp_path / "out" / "weights.pth")
    resnet.check_weights(trained, "weights.pth")
    kept = [name for name in weights if "conv" in name and not name.startswith("layer4.")]
    assert all((trained[name] == weights[name]).all() for name in kept)
    assert not (trained["layer4.0.conv1.weight"] == weights["layer4.0.conv1.weight"]).all()
