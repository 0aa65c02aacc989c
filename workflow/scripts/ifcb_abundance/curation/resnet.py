"""Score patches with torchvision's ResNet34 of one output, in onnxruntime; or in torch, where it finds a GPU.

The network is built from its weights as an ONNX graph. Each batch normalization is folded into the convolution before
it. Source of the architecture: He et al. 2016, and the names and shapes of torchvision's `resnet34`.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from ifcb_abundance.common.errors import WorkflowInputError, quoted
from ifcb_abundance.common.extras import needed
from ifcb_abundance.common.workers import in_order
from ifcb_abundance.curation.weights import Weights, WeightsError
from ifcb_abundance.curation.zips import Packed

log = logging.getLogger("ifcb.curation")

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

SIDE = 224  # pixels of a patch as the network sees it
FEATURES = 512
FEW = 256  # patches that are not worth a worker
BLOCKS = {1: 3, 2: 4, 3: 6, 4: 3}  # residual blocks of each layer
WIDTHS = {1: 64, 2: 128, 3: 256, 4: 512}  # channels
EPSILON = 1e-5  # of torch's batch normalization
# Of ImageNet's red, green and blue. A grey patch is given to all three.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


# --- weights ---


def shapes(outputs: int = 1) -> dict[str, tuple[int, ...]]:
    """Return the names and shapes of torchvision's ResNet34, in the order of its state dict."""
    found: dict[str, tuple[int, ...]] = {}

    def convolution(name: str, norm: str, out: int, into: int, side: int) -> None:
        found[f"{name}.weight"] = (out, into, side, side)
        found.update({f"{norm}.{part}": (out,) for part in ("weight", "bias", "running_mean", "running_var")})
        found[f"{norm}.num_batches_tracked"] = ()

    convolution("conv1", "bn1", 64, 3, 7)
    before = 64
    for layer, width in WIDTHS.items():
        for block in range(BLOCKS[layer]):
            name = f"layer{layer}.{block}"
            convolution(f"{name}.conv1", f"{name}.bn1", width, before, 3)
            convolution(f"{name}.conv2", f"{name}.bn2", width, width, 3)
            if before != width:
                convolution(f"{name}.downsample.0", f"{name}.downsample.1", width, before, 1)
            before = width
    found["fc.weight"], found["fc.bias"] = (outputs, FEATURES), (outputs,)
    return found


def check_weights(weights: Weights, path: str) -> None:
    """Raise WeightsError, naming `path`, unless these are the weights of a ResNet34 with one output."""
    wanted = shapes()
    there = {name: value.shape for name, value in weights.items()}
    # Old versions of torch did not save it.
    missing = [name for name in wanted if name not in there and not name.endswith("num_batches_tracked")]
    unknown = [name for name in there if name not in wanted]
    if missing or unknown:
        what = f"lacks {quoted(missing[:3])}" if missing else f"has {quoted(unknown[:3])}, which ResNet34 has not"
        raise WeightsError(f"{path}: no weights of torchvision's ResNet34: it {what}")
    for name, shape in there.items():
        if shape != wanted[name]:
            hint = "; the filter needs a ResNet34 with one output" if name.startswith("fc.") else ""
            raise WeightsError(f"{path}: {name} has the shape {shape}, not {wanted[name]}{hint}")
        if not np.isfinite(weights[name]).all() or (name.endswith("running_var") and weights[name].min() < 0):
            raise WeightsError(f"{path}: {name} has values that no trained network has")


# --- the graph ---


def build_graph(weights: Weights) -> bytes:
    """Build the network as an ONNX model.

    It takes `pixels` (n, 1, 224, 224; uint8) and gives `features` (n, 512) and `logit` (n, 1), both float32.
    """
    onnx = needed("onnx", "onnx", "Scoring with a ResNet34")
    helper, types = onnx.helper, onnx.TensorProto
    model = helper.make_model(
        helper.make_graph([], "resnet34", [], []), opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    )
    graph, nodes = model.graph, model.graph.node  # filled in place: a list of nodes and weights would be copied twice

    def constant(name: str, values: npt.ArrayLike) -> str:
        graph.initializer.add().CopyFrom(onnx.numpy_helper.from_array(np.asarray(values, np.float32), name))
        return name

    def node(kind: str, *inputs: str, **attributes: Any) -> str:
        output = f"{kind}{len(nodes)}"
        nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def convolve(given: str, name: str, norm: str, stride: int) -> str:
        folded, bias = fold(weights, name, norm)
        side = folded.shape[-1]
        return node(
            "Conv",
            given,
            constant(f"{name}.weight", folded),
            constant(f"{name}.bias", bias),
            kernel_shape=[side, side],
            strides=[stride, stride],
            pads=[side // 2] * 4,
        )

    mean, std = (np.array(each).reshape(1, 3, 1, 1) for each in (MEAN, STD))
    given = node("Cast", "pixels", to=types.FLOAT)
    given = node("Add", node("Mul", given, constant("scale", 1 / (255 * std))), constant("shift", -mean / std))
    given = node("Relu", convolve(given, "conv1", "bn1", 2))
    given = node("MaxPool", given, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    for layer, blocks in BLOCKS.items():
        for block in range(blocks):
            name = f"layer{layer}.{block}"
            stride = 2 if layer > 1 and block == 0 else 1
            inner = node("Relu", convolve(given, f"{name}.conv1", f"{name}.bn1", stride))
            inner = convolve(inner, f"{name}.conv2", f"{name}.bn2", 1)
            if f"{name}.downsample.0.weight" in weights:
                given = convolve(given, f"{name}.downsample.0", f"{name}.downsample.1", stride)
            given = node("Relu", node("Add", inner, given))
    given = node("GlobalAveragePool", given)
    nodes.append(helper.make_node("Flatten", [given], ["features"]))
    fc = [constant(f"fc.{part}", weights[f"fc.{part}"]) for part in ("weight", "bias")]
    nodes.append(helper.make_node("Gemm", ["features", *fc], ["logit"], transB=1))
    graph.input.append(helper.make_tensor_value_info("pixels", types.UINT8, ["n", 1, SIDE, SIDE]))
    graph.output.append(helper.make_tensor_value_info("features", types.FLOAT, ["n", FEATURES]))
    graph.output.append(helper.make_tensor_value_info("logit", types.FLOAT, ["n", 1]))
    serialized: bytes = model.SerializeToString()
    return serialized


def fold(weights: Weights, name: str, norm: str) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return kernel and bias of a convolution with the batch normalization after it."""
    scale = weights[f"{norm}.weight"].astype(np.float64) / np.sqrt(
        weights[f"{norm}.running_var"].astype(np.float64) + EPSILON
    )
    kernel = weights[f"{name}.weight"] * scale[:, None, None, None]
    return kernel, weights[f"{norm}.bias"] - weights[f"{norm}.running_mean"] * scale


# --- running it ---


def resized(pixels: Pixels) -> Pixels:
    """Resize a grey patch to 224 x 224, bilinear."""
    if pixels.shape == (SIDE, SIDE):
        return pixels
    return np.asarray(Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.BILINEAR))


# The number of a patch to its pixels, of any size, or to its file; called from several threads.
Load = Callable[[int], Pixels | Packed]
Batch = tuple[Floats, Floats]  # features (n, 512) and logits (n)


class Network(Protocol):
    """The network, ready to run."""

    batch: int  # patches that it is given at a time
    parallel: bool  # whether it is run in as many threads as there are cores

    def __call__(self, pixels: Pixels) -> Batch:
        """Return features (n, 512) and logits (n) of patches (n, 1, 224, 224)."""


class OnnxNetwork:
    """The network in onnxruntime, on the CPU.

    A batch is of one size and runs in one thread, so that its sums are the same on any number of cores.
    """

    batch, parallel = 16, True

    def __init__(self, weights: Weights) -> None:
        onnxruntime = needed("onnxruntime", "onnxruntime", "Scoring with a ResNet34")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        providers = ["CPUExecutionProvider"]
        self._session = onnxruntime.InferenceSession(build_graph(weights), options, providers=providers)

    def __call__(self, pixels: Pixels) -> Batch:
        """Return features (n, 512) and logits (n) of patches (n, 1, 224, 224)."""
        features, logits = self._session.run(["features", "logit"], {"pixels": pixels})
        return features, logits[:, 0]


class TorchNetwork:
    """The network in torch, on `cuda` or `cpu`, in float32: in bfloat16 scores would differ by more than 1e-3."""

    batch, parallel = 64, False

    def __init__(self, weights: Weights, device: str) -> None:
        import torch

        self._torch, self._device = torch, device
        self._body = torch_network(weights).to(device).eval()
        self._head, self._body.fc = self._body.fc, torch.nn.Identity()
        self._mean, self._std = (torch.tensor(each, device=device).reshape(1, 3, 1, 1) for each in (MEAN, STD))

    def __call__(self, pixels: Pixels) -> Batch:
        """Return features (n, 512) and logits (n) of patches (n, 1, 224, 224).

        Raises WorkflowInputError if the GPU has too little memory.
        """
        try:
            with self._torch.inference_mode():
                given = self._torch.from_numpy(pixels).to(self._device).float() / 255
                features = self._body((given - self._mean) / self._std)
                return features.cpu().numpy(), self._head(features)[:, 0].cpu().numpy()
        except self._torch.cuda.OutOfMemoryError:
            raise WorkflowInputError(
                f"the memory of the GPU is full: the ResNet34 takes about 1 GB for {self.batch} patches at a time. End "
                "what else runs there, or hide the GPU from this run with CUDA_VISIBLE_DEVICES=''"
            ) from None


def decoded(patches: Sequence[Pixels | Packed]) -> Pixels:
    """Return the pixels (n, 1, 224, 224) of patches. Workers call it."""
    found = (patch.pixels() if isinstance(patch, Packed) else patch for patch in patches)
    return np.stack([resized(pixels) for pixels in found])[:, None]


def open_network(weights: Weights, device: str) -> Network:
    """Return the network on the device: `cpu`, `gpu` or `auto`."""
    if chosen_device(device) == "cpu":
        log.info("curation: the ResNet34 runs on the CPU")
        return OnnxNetwork(weights)
    import torch

    log.info(f"curation: the ResNet34 runs on the GPU, {torch.cuda.get_device_name()}")
    return TorchNetwork(weights, "cuda")


def run_network(
    network: Network, load: Load, n: int, threads: int, step: Callable[[int], None] = lambda _: None
) -> Batch:
    """Return the features and logits of n patches. Patches are read and decoded before they are needed.

    threads: for a network that is not parallel, processes: threads of one Python decode for a GPU no faster than one.
    step: called with the number of patches after each batch.
    """

    def given(first: int) -> list[Pixels | Packed]:
        return [load(number) for number in range(first, min(first + network.batch, n))]

    starts = range(0, n, network.batch)
    if network.parallel:
        batches = _ahead(lambda first: network(decoded(given(first))), starts, threads)
    else:
        # The next batch is on its way when one is done.
        batches = _ahead(network, in_order(decoded, map(given, starts), threads if n > FEW else 1), 2)
    features, logits = [np.empty((0, FEATURES), np.float32)], [np.empty(0, np.float32)]
    for some_features, some_logits in batches:
        features.append(some_features)
        logits.append(some_logits)
        step(len(some_logits))
    return np.concatenate(features), np.concatenate(logits)


def chosen_device(device: str, key: str = "curation.filter.device") -> str:
    """Return `cpu` or `gpu`. Raises WorkflowInputError, naming `key`, if `device` is `gpu` and there is none."""
    if device == "cpu":
        return "cpu"
    why = _why_no_gpu()
    if device == "gpu" and why:
        raise WorkflowInputError(f"{key}: gpu: {why}. Use auto or cpu, or install torch and torchvision for it")
    return "cpu" if why else "gpu"


def _why_no_gpu() -> str:
    """Return why the network cannot run on a GPU; empty if it can."""
    try:
        import torch
        import torchvision  # noqa: F401
    except ImportError as error:
        return f"{error.name} is not installed" if error.name else str(error)
    return "" if torch.cuda.is_available() else "torch finds none"


def _ahead(work: Callable[[Any], Any], items: Iterable[Any], threads: int) -> Iterator[Any]:
    """Map in threads, in order; few results are in memory at a time."""
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[Any]] = deque()
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > 2 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def torch_network(weights: Weights) -> Any:
    """Return torchvision's ResNet34 with these weights. On a GPU it gives, and learns, the same each time."""
    import torch
    from torchvision.models import resnet34

    # Tensor cores would round the products to 10 bits.
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.deterministic = True
    model = resnet34(weights=None, num_classes=len(weights["fc.bias"]))
    model.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in weights.items()}, strict=False)
    return model


def sigmoid(logits: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return the score, 0 to 1, of a logit."""
    return 1 / (1 + np.exp(-np.clip(logits.astype(np.float64), -500, 500)))
