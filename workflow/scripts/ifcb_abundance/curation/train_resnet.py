"""Fine-tune a ResNet34 to tell informative patches from uninformative ones, in torch.

As volume-em/cem-dataset does it (`train_patch_classifier.py`): layers 1 to 3 keep their weights, though their batch
normalization follows the patches. layer4 and a new last layer are trained with Adam at 1e-3, on patches that are
flipped, blurred, and changed in light and noise, by amounts that do not make an informative patch uninformative. Unlike
there, whole groups are held out, the first weights come from a file, and a seed makes a run repeatable.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ifcb_abundance.common.errors import WorkflowInputError
from ifcb_abundance.curation import resnet
from ifcb_abundance.curation.filter import Truth, curve_of, read_labels
from ifcb_abundance.curation.image_files import NoImageError, read_image
from ifcb_abundance.curation.listing import list_folder
from ifcb_abundance.curation.weights import Weights, read_weights
from ifcb_abundance.tables import table_files

BATCH, RATE, HELD_OUT = 64, 1e-3, 0.15
LIGHT, CONTRAST, NOISE = 0.2, 0.2, (40.0, 100.0)  # limits of what is done to half of the patches; noise as variances


def main(arguments: Sequence[str]) -> int:
    """Run the command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="train_resnet.py", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("folder", help="the folder of images; its subfolders are the groups")
    parser.add_argument("labels", help="CSV image,label, as of curation.filter.labels")
    parser.add_argument("out", type=Path, help="the folder that weights.pth, training.json and roc.csv are written to")
    parser.add_argument("--weights", required=True, help="state dict of a ResNet34 to begin with, such as ImageNet's")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--device", choices=["auto", "cpu", "gpu"], default="auto")
    parser.add_argument("--threads", type=int, default=4, help="that read and decode images")
    options = parser.parse_args(arguments)
    try:
        train(options, print)
    except WorkflowInputError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def train(options: argparse.Namespace, say: Callable[[str], object]) -> None:
    """Train as the options say, and write weights, how well they do, and the curve."""
    torch = needs_torch()
    device = "cuda" if resnet.chosen_device(options.device, "--device") == "gpu" else "cpu"
    torch.manual_seed(options.seed)
    images, truth, groups = read_images(options.folder, options.labels, options.threads)
    held_out = hold_out(truth, groups, options.seed)
    model = new_network(read_weights(options.weights), options.weights).to(device)
    trained = [each for each in model.parameters() if each.requires_grad]
    say(f"{sum(each.numel() for each in trained):,} weights to train, {(~held_out).sum()} patches, on {device}")
    optimizer = torch.optim.Adam(trained, lr=RATE)
    loss_of = torch.nn.BCEWithLogitsLoss()
    rows = np.flatnonzero(~held_out)
    for epoch in range(options.epochs):
        model.train()
        losses = []
        shuffled = torch.randperm(len(rows)).numpy()
        for start in range(0, len(rows), BATCH):
            some = rows[shuffled[start : start + BATCH]]
            if len(some) == 1 and len(rows) > 1:  # batch normalization needs two
                continue
            wanted = torch.from_numpy(truth[some].astype(np.float32)).to(device)
            loss = loss_of(model(normalized(augmented(torch.from_numpy(images[some]).to(device))))[:, 0], wanted)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(float(loss.detach()))
        say(f"epoch {epoch + 1} of {options.epochs}: loss {np.mean(losses):.4f}")
    _judge_and_write(model, images, truth, held_out, device, options)


def _judge_and_write(
    model: Any, images: resnet.Pixels, truth: Truth, held_out: Truth, device: str, options: argparse.Namespace
) -> None:
    torch = needs_torch()
    model.eval()
    scores = []
    rows = np.flatnonzero(held_out)
    with torch.inference_mode():
        for start in range(0, len(rows), BATCH):
            given = torch.from_numpy(images[rows[start : start + BATCH]]).to(device)
            scores.append(torch.sigmoid(model(normalized(given.float()))[:, 0]).cpu().numpy())
    auc, curve = curve_of(np.concatenate(scores).astype(np.float64), truth[held_out])
    options.out.mkdir(parents=True, exist_ok=True)
    torch.save({name: value.cpu() for name, value in model.state_dict().items()}, options.out / "weights.pth")
    table_files.write(curve, "roc", options.out / "roc.csv")
    facts: dict[str, Any] = {"auc": auc, "held_out": int(held_out.sum()), "trained_on": int((~held_out).sum())}
    facts |= {"epochs": options.epochs, "seed": options.seed, "device": device, "torch": torch.__version__}
    (options.out / "training.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    print(f"AUC {auc:.3f} on {facts['held_out']} patches of groups that it was not trained on; see {options.out}")


def needs_torch() -> Any:
    """Import torch. Raises WorkflowInputError if it is not there."""
    try:
        import torch
        import torchvision  # noqa: F401
    except ImportError:
        raise WorkflowInputError(
            "train_resnet.py needs torch and torchvision, which are not part of this workflow: install them in an "
            "environment of their own, and run the script with its Python"
        ) from None
    return torch


def read_images(folder: str, labels: str, threads: int) -> tuple[resnet.Pixels, Truth, np.ndarray[Any, Any]]:
    """Read the labelled images: pixels (n, 1, 224, 224), whether each is informative, and the group of each."""
    files = {file.image: (file, group.name) for group in list_folder(folder).groups.values() for file in group.files}
    names = pd.DataFrame({"patch": list(files), "image": list(files)})
    wanted, _ = read_labels(labels, names, "labels")

    def read(name: str) -> resnet.Pixels:
        try:
            return resnet.resized(read_image(Path(files[name][0].path).read_bytes()).to_grey("type").pixels)
        except NoImageError as error:
            raise WorkflowInputError(f"{name}: {error}: leave its label out") from None

    with ThreadPoolExecutor(threads) as pool:
        pixels = list(pool.map(read, wanted.index))
    groups = np.array([files[name][1] for name in wanted.index], object)
    return np.stack(pixels)[:, None], wanted.to_numpy() == 1, groups


def hold_out(truth: Truth, groups: np.ndarray[Any, Any], seed: int) -> Truth:
    """Return which patches are held out: about HELD_OUT of them, of whole groups, and of both kinds."""
    order = np.random.default_rng(seed).permutation(sorted(set(groups)))
    held_out = np.zeros(len(truth), bool)
    for group in order:
        kinds, left = set(truth[held_out]), set(truth[~held_out & (groups != group)])
        if (held_out.mean() < HELD_OUT or len(kinds) < 2) and len(left) == 2:
            held_out |= groups == group
    if len(set(truth[held_out])) < 2:
        raise WorkflowInputError(
            "the labels are of too few groups: some whole groups with patches of both kinds must be held out, and "
            "others trained on"
        )
    return held_out


def new_network(weights: Weights, path: str) -> Any:
    """Return a network of which layer4 and a new last layer can be trained. weights: with any number of outputs."""
    torch = needs_torch()
    body = {name: value for name, value in weights.items() if not name.startswith("fc.")}
    start = {"fc.weight": np.zeros((1, resnet.FEATURES), np.float32), "fc.bias": np.zeros(1, np.float32)}
    resnet.check_weights(body | start, path)
    model = resnet.torch_network(body | start)
    model.fc = torch.nn.Linear(resnet.FEATURES, 1)
    for name, parameter in model.named_parameters():
        parameter.requires_grad = name.startswith(("layer4.", "fc."))
    return model


def normalized(grey: Any) -> Any:
    """Give grey patches (n, 1, 224, 224; 0 to 255) to ImageNet's three colours, with its mean and deviation."""
    torch = needs_torch()
    mean, std = (torch.tensor(each, device=grey.device).reshape(1, 3, 1, 1) for each in (resnet.MEAN, resnet.STD))
    return (grey / 255 - mean) / std


def augmented(grey: Any) -> Any:
    """Flip, blur, and change light, contrast and noise of patches, each change to about half of them."""
    torch = needs_torch()
    from torchvision.transforms.functional import gaussian_blur

    def half() -> Any:
        return (torch.rand(len(grey), 1, 1, 1, device=grey.device) < 0.5).float()

    def between(low: float, high: float) -> Any:
        return low + (high - low) * torch.rand(len(grey), 1, 1, 1, device=grey.device)

    pixels = grey.float()
    for axis in (2, 3):
        flip = half()
        pixels = flip * pixels.flip(axis) + (1 - flip) * pixels
    changed = half()
    contrast, light = 1 + changed * between(-CONTRAST, CONTRAST), changed * between(-LIGHT, LIGHT) * 255
    pixels = (pixels * contrast + light).clamp(0, 255)
    pixels = pixels + half() * between(*NOISE).sqrt() * torch.randn_like(pixels)
    blurred = half()
    pixels = blurred * gaussian_blur(pixels, [5, 5]) + (1 - blurred) * pixels
    return pixels.clamp(0, 255)
