"""A parser under atheris: `python -m tests.fuzz.guided TARGET DIGESTS SEED RUNS`, from the root of the checkout.

The parsers' modules are instrumented, the oracles and libraries are not. Exits with an error, and the input, where a
parser and its oracle disagree; else the digests of what was checked are in the file DIGESTS.
"""

import sys
import tempfile
from pathlib import Path
from random import Random
from typing import Any

import atheris
import numpy as np

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))
PARSERS = [
    "bin_ids",
    "class_scores_h5",
    "class_table",
    "csv_text",
    "dashboard",
    "malformed_lines",
    "metadata_export",
    "raw_header",
    "raw_images",
    "raw_position",
    "raw_triggers",
    "raw_volume",
    "scores",
    "settings",
    "thresholds",
    "window",
]
with atheris.instrument_imports(include=PARSERS):
    from tests.fuzz.targets import CHECKED, TARGETS, put, readable


class Choices:
    """Choices from bytes, for inputs that are not bytes themselves; the plain choice where they end."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def pick(self, n: int) -> int:
        size = ((n - 1).bit_length() + 7) // 8
        self.at += size
        return int.from_bytes(self.data[self.at - size : self.at], "big") % n


def from_bytes(name: str, data: bytes) -> Any:
    """An input for the target: the bytes themselves, or what they choose."""
    kind = type(TARGETS[name].make(lambda n: 0))  # noqa: ARG005
    if kind is bytes:
        return data
    return data.decode("utf-8", "surrogateescape") if kind is str else TARGETS[name].make(Choices(data).pick)


def seeds(name: str, random: Random) -> list[bytes]:
    """Some inputs to begin with."""
    made = [TARGETS[name].make(random.randrange) for _ in range(100)]
    if isinstance(made[0], bytes):
        return made
    if isinstance(made[0], str):
        return [text.encode("utf-8", "surrogatepass") for text in made]
    return [random.randbytes(random.randrange(8, 200)) for _ in made]


def main(name: str, found: str, seed: str, runs: str) -> None:
    readable()
    done = 0

    def check(data: bytes) -> None:
        nonlocal done
        put(name, from_bytes(name, data))
        done += 1
        if done % 500 == 0 or done >= int(runs) - 5:  # the engine leaves without a word
            np.fromiter(CHECKED[name], np.uint64).tofile(found)

    with tempfile.TemporaryDirectory() as corpus:
        for i, data in enumerate(seeds(name, Random(f"{name} {seed}"))):
            Path(corpus, str(i)).write_bytes(data)
        options = [
            f"-runs={runs}",
            f"-seed={seed}",
            "-max_len=600",
            "-timeout=30",
            f"-artifact_prefix={corpus}/",
            "-verbosity=0",
        ]
        atheris.Setup([sys.argv[0], corpus, *options], check)
        atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
