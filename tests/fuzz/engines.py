"""Three ways to make inputs. Each gives inputs to a parser until it disagrees with its oracle or enough are checked.

All return the digests of the inputs that were checked and found right, as targets.CHECKED has them. All are
repeatable: the same seed makes the same inputs.
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from random import Random

import hypothesis
import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.fuzz.targets import CHECKED, ROOT, TARGETS, put, readable

Digests = NDArray[np.uint64]
GUIDED = importlib.util.find_spec("atheris") is not None


def seeded(name: str, seed: int, cases: int) -> Digests:
    """By a seeded generator: so many different inputs, in batches of which each starts from a seed of its own."""
    os.chdir(ROOT)  # a config may name config/classes.csv
    readable()
    CHECKED[name].clear()
    random = Random(f"{name} {seed}")
    while len(CHECKED[name]) < cases:
        put(name, TARGETS[name].make(random.randrange))
    return digests(name)


def explored(name: str, seed: int, examples: int) -> Digests:
    """By hypothesis, which shrinks what fails."""
    os.chdir(ROOT)
    readable()
    CHECKED[name].clear()

    @st.composite
    def inputs(draw: st.DrawFn) -> object:
        return TARGETS[name].make(lambda n: draw(st.integers(0, n - 1)))

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=examples, deadline=None, database=None, suppress_health_check=list(hypothesis.HealthCheck)
    )
    @hypothesis.given(inputs())
    def check(given: object) -> None:
        put(name, given)

    check()
    return digests(name)


def guided(name: str, seed: int, runs: int, folder: Path) -> Digests:
    """By atheris, which keeps the inputs that reach new code and changes them further; in a process of its own."""
    found = folder / f"{name} {seed}.digests"
    command = [sys.executable, "-m", "tests.fuzz.guided", name, str(found), str(seed), str(runs)]
    options = {"cwd": ROOT, "env": {**os.environ, "TMPDIR": str(folder)}, "timeout": 1200}
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", **options)
    assert done.returncode == 0, f"{name}:\n{done.stderr[-8000:]}"
    return np.fromfile(found, np.uint64)


def digests(name: str) -> Digests:
    return np.fromiter(CHECKED[name], np.uint64, len(CHECKED[name]))
