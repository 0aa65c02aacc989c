"""What torch itself says: `make torch` makes an environment that has it, and passes these."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ifcb_abundance.curation import resnet
from ifcb_abundance.curation.weights import read_weights
from tests.curation.data import files_of, needs_shared, pixels_of, rows_of
from tests.curation.torch_files import resnet34_weights, write_state_dict

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.torch, needs_shared]


def test_torch_and_onnxruntime_give_the_same_scores() -> None:
    weights = resnet34_weights()
    pictures = [pixels_of(body) for body in list(files_of("labelled_patches.zip").values())[:20]]
    found = [
        resnet.sigmoid(resnet.run_network(network, pictures.__getitem__, len(pictures), 2)[1])
        for network in (resnet.OnnxNetwork(weights), resnet.TorchNetwork(weights, "cpu"))
    ]
    assert np.abs(found[0] - found[1]).max() < 1e-6


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
    command = [sys.executable, script, *arguments, "--epochs", "1", "--device", "cpu"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "epoch 1 of 1" in printed
    found = json.loads((tmp_path / "out" / "training.json").read_text())
    assert found["held_out"] + found["trained_on"] == 80
    trained = read_weights(tmp_path / "out" / "weights.pth")
    resnet.check_weights(trained, "weights.pth")
    kept = [name for name in weights if "conv" in name and not name.startswith("layer4.")]
    assert all((trained[name] == weights[name]).all() for name in kept)
    assert not (trained["layer4.0.conv1.weight"] == weights["layer4.0.conv1.weight"]).all()
