"""Every parser against its oracle: never a wrong number, never another error than ours.

A few thousand inputs each time; a million and more in the slow set, `pytest -m slow tests/fuzz`, in some minutes on two
cores. A failure shows the input, and hypothesis shrinks it.
"""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from ifcb_abundance.config import Config, resolve
from tests.conftest import Statistic
from tests.fuzz import tally
from tests.fuzz.config_oracle import KEYS
from tests.fuzz.engines import GUIDED, explored, guided, seeded
from tests.fuzz.generators import RIGHT
from tests.fuzz.targets import TARGETS, leaves

WORKERS = 2
every_target = pytest.mark.parametrize("name", TARGETS)


@pytest.fixture(autouse=True)
def _root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])


@every_target
def test_a_few_inputs_by_seed(name: str) -> None:
    tally.add(name, "seeded", [seeded(name, 0, TARGETS[name].cases // 200)])


@every_target
def test_a_few_inputs_by_hypothesis(name: str) -> None:
    tally.add(name, "explored", [explored(name, 0, 60)])


def test_every_key_of_the_config_has_an_oracle_and_values_to_try() -> None:
    """Of the main job; keys of other stages have theirs in tests/config."""
    sections = {key for key in leaves(resolve({}).as_written()) if key.split(".")[0] not in Config.BESIDE - {"recheck"}}
    assert set(KEYS) == set(RIGHT) == sections


# --- the slow set ---


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) as workers:
        yield workers


@pytest.mark.slow
@every_target
def test_many_inputs_by_seed(name: str, pool: ProcessPoolExecutor) -> None:
    parts = [pool.submit(seeded, name, 1 + i, TARGETS[name].cases // WORKERS) for i in range(WORKERS)]
    assert tally.add(name, "seeded", [part.result() for part in parts]) > 0.8 * TARGETS[name].cases


@pytest.mark.slow
@every_target
def test_many_inputs_by_hypothesis(name: str, pool: ProcessPoolExecutor) -> None:
    parts = [pool.submit(explored, name, 1 + i, TARGETS[name].examples // WORKERS) for i in range(WORKERS)]
    assert tally.add(name, "explored", [part.result() for part in parts]) > 0.3 * TARGETS[name].examples


@pytest.mark.slow
def test_they_are_a_million(statistic: Statistic) -> None:
    """The two above, which need nothing that is not in every environment; all of their tests have to run before."""
    statistic("inputs fuzzed", tally.total("seeded", "explored"))
    assert tally.total("seeded", "explored") >= 1_000_000


@pytest.mark.slow
@pytest.mark.skipif(not GUIDED, reason="atheris is not installed: inputs guided by coverage are left out")
@every_target
def test_many_inputs_guided_by_coverage(
    name: str, pool: ProcessPoolExecutor, tmp_path: Path, statistic: Statistic
) -> None:
    parts = [pool.submit(guided, name, 1 + i, TARGETS[name].runs // WORKERS, tmp_path) for i in range(WORKERS)]
    added = tally.add(name, "guided", [part.result() for part in parts])
    statistic("inputs fuzzed, guided by coverage", added)
    assert added > 0.03 * TARGETS[name].runs  # most are refused early, or were given before
