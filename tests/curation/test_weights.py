"""Files of weights are read without torch, and whatever is no tensor is refused by its name."""

import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from ifcb_abundance.curation.weights import WeightsError, read_weights
from tests.curation.torch_files import pickled, tensor, text, write_file, write_state_dict

TWELVE = np.arange(12, dtype=np.float32)


def test_tensors_come_back_as_they_were_saved(tmp_path: Path) -> None:
    saved = {
        "conv.weight": np.random.default_rng(1).normal(size=(2, 3, 4)).astype(np.float32),
        "half": np.array([0.5, -2.0], np.float16),
        "double": np.array([1.25], np.float64),
        "batches": np.array(7, np.int64),
    }
    read = read_weights(write_state_dict(tmp_path / "w.pth", saved))
    assert list(read) == list(saved)
    for name, value in saved.items():
        assert read[name].shape == value.shape
        assert (read[name] == value).all()
    assert {str(value.dtype) for value in read.values()} == {"float32", "int64"}


def test_a_tensor_may_be_a_view_into_a_shared_storage(tmp_path: Path) -> None:
    entries = {
        "turned": tensor("0", "FloatStorage", 12, (4, 3), (1, 4)),
        "tail": tensor("0", "FloatStorage", 12, (2,), (1,), offset=10),
        "bfloat": tensor("1", "BFloat16Storage", 1, (1,), (1,)),
    }
    three = np.array([3.0], np.float32).view(np.uint16)[1:]  # the upper half of the number's bits
    read = read_weights(write_file(tmp_path / "w.pth", pickled(entries), {"0": TWELVE.tobytes(), "1": three.tobytes()}))
    assert (read["turned"] == TWELVE.reshape(3, 4).T).all()
    assert read["tail"].tolist() == [10, 11]
    assert read["bfloat"].tolist() == [3.0]


class Harm:
    """An object that calls a function when it is unpickled."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return self.function, self.arguments


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_that_would_run_something_is_refused_by_its_name(tmp_path: Path, protocol: int) -> None:
    import os

    for function, name in ((os.system, f"{os.name}.system"), (eval, "eval"), (os.makedirs, "os.makedirs")):
        body = pickle.dumps({"w": Harm(function, str(tmp_path / "harm"))}, protocol)
        with pytest.raises(WeightsError, match=rf"asks for .*{name}, which is no tensor\. Nothing of it was run"):
            read_weights(write_file(tmp_path / "w.pth", body, {}))
        assert not (tmp_path / "harm").exists()


def test_a_name_that_is_put_together_while_loading_is_refused_too(tmp_path: Path) -> None:
    memo = text("posix") + b"q\x00" + text("system") + b"q\x01" + text("x") + text("y") + b"00"
    body = b"\x80\x04" + memo + b"00h\x00h\x01\x93" + text("true") + b"\x85R."
    with pytest.raises(WeightsError, match=r"refused.*(posix\.system|x\.y)"):
        read_weights(write_file(tmp_path / "w.pth", body, {}))


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (tensor("0", "FloatStorage", 12, (13,), (1,)), "larger than its storage"),
        (tensor("0", "FloatStorage", 12, (3,), (1,), offset=10), "larger than its storage"),
        (tensor("0", "FloatStorage", 12, (1 << 20, 1 << 20), (0, 0)), "repeats its storage"),
        (tensor("0", "FloatStorage", 12, (3,), (-1,)), "no whole numbers"),
        (tensor("0", "FloatStorage", 24, (24,), (1,)), "not of the size that the pickle says"),
        (tensor("9", "FloatStorage", 12, (12,), (1,)), "storage '9' is missing"),
        (tensor("0", "QuantizedStorage", 12, (12,), (1,)), r"asks for torch\.QuantizedStorage"),
        (text("no tensor"), "'w' hold no tensor"),
        (b"}", "'w' hold no tensor"),
        (b"r\xff\xff\xff\x7f" + text("x"), "numbers more objects than it has|cannot be read"),
        (text("many") + b"r\xff\xff\xff\x7f", "numbers more objects than it has"),
    ],
)
def test_what_does_not_fit_together_is_refused(tmp_path: Path, entry: bytes, message: str) -> None:
    path = write_file(tmp_path / "w.pth", pickled({"w": entry}), {"0": TWELVE.tobytes()})
    with pytest.raises(WeightsError, match=message):
        read_weights(path)


def test_other_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    with pytest.raises(WeightsError, match="No such file"):
        read_weights(path)
    path.write_bytes(pickle.dumps({"w": 1}))  # what torch before 1.6 wrote begins like it
    with pytest.raises(WeightsError, match=r"torch 1\.6 and later"):
        read_weights(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "no weights")
    with pytest.raises(WeightsError, match=r"without the one data\.pkl"):
        read_weights(path)
    whole = write_state_dict(path, {"w": TWELVE}).read_bytes()
    for end in range(0, len(whole), 37):
        path.write_bytes(whole[:end])
        with pytest.raises(WeightsError):
            read_weights(path)
    path.write_bytes(whole.replace(TWELVE.tobytes(), TWELVE[::-1].tobytes()))
    with pytest.raises(WeightsError, match="damaged"):
        read_weights(path)
