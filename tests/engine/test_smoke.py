"""The smoke set: the same results with the oldest Snakemake, the locked one, and the newest. `make smoke` runs it.

`make smoke` puts the oldest and the newest Snakemake into environments beside the pinned packages.
"""

import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from tests.archives import bin_row, write_archive
from tests.checkout import ROOT, SNAKEMAKE, Checkout
from tests.dashboard.emulator import Emulator
from tests.sources.test_dashboard_run import asked_bins

pytestmark = pytest.mark.smoke

ENVIRONMENTS = ROOT / ".venv" / "smoke"
(OLDEST,) = re.findall(r'^min_version\("(.+)"\)$', (ROOT / "Snakefile").read_text(), re.MULTILINE)
BINS = [
    f"D{day}T{hour:02d}0000_IFCB010" for day in ("20211230", "20211231", "20220101", "20220102") for hour in range(6)
]
NAMES_SNAKEMAKE = ("overview.rst", "METHODS.md", "report.html")  # these say with which version they were made
with socket.create_server(("127.0.0.1", 0)) as free:
    PORT = free.getsockname()[1]  # one for all servers: summaries name the server that the scores are from

Files = dict[str, bytes]


class OtherCheckout(Checkout):
    """A checkout whose runs are processes of another environment's Python."""

    def __init__(self, folder: Path, python: Path) -> None:
        super().__init__(folder)
        self.python = str(python)

    def command(self, config: Mapping[str, Any] | None, *arguments: str) -> list[str]:
        return [self.python, *super().command(config, *arguments)[1:]]

    def run(self, config: Mapping[str, Any] | None = None, *arguments: str, **options: Any) -> str:
        return super().run(config, *arguments, **{"env": {}, **options})


Scenario = Callable[[Checkout, Path], Files]


def config(dashboard: Emulator, **sections: Any) -> dict[str, Any]:
    source = {"kind": "dashboard", "url": dashboard.url, "backoff": 0.05}
    return {"dataset": "demo", "source": source, "select": {"start": "2021-12-30", "end": "2022-01-02"}, **sections}


def archive(folder: Path) -> Path:
    scores = {bin_id: (["A", "B"], [[0.9, 0.1], [0.3, 0.6], [0.5, n / 48]]) for n, bin_id in enumerate(BINS)}
    del scores[BINS[5]]
    return write_archive(folder, [bin_row(bin_id) for bin_id in BINS], scores)


def demo(run: Checkout, folder: Path) -> Files:  # noqa: ARG001
    run.run()
    return run.files("demo")


def dashboard(run: Checkout, folder: Path) -> Files:
    """A run, one with nothing to do, and one with another threshold, which asks for nothing."""
    with Emulator({"demo": archive(folder)}, port=PORT) as server:
        run.run(config(server))
        assert asked_bins(server) == BINS
        before = run.stamps()
        first = {f"first/{name}": body for name, body in run.files("demo").items()}
        server.clear()
        run.run(config(server))
        assert run.stamps() == before
        run.run(config(server, classify={"threshold": 0.55}))
        assert server.requests == []
    return first | run.files("demo")


def resume(run: Checkout, folder: Path) -> Files:
    """A run that is stopped half-way, and the same command again, which asks only for what is missing."""
    with Emulator({"demo": archive(folder)}, port=PORT, latency=0.2) as server:
        process = run.start(config(server), start_new_session=True)
        while process.poll() is None and len(server.requests) < len(BINS) // 2:
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        printed, _ = process.communicate(timeout=120)
        assert process.returncode > 0, printed
        assert "same command goes on" in printed
        whole = {path.stem for path in (run.results("demo") / "bins").rglob("[!.]*") if path.is_file()}
        assert 0 < len(whole) < len(BINS)
        server.clear()
        run.run(config(server))
        assert asked_bins(server) == sorted(set(BINS) - whole)
    return run.files("demo")


def shards(run: Checkout, folder: Path) -> Files:
    """Two years by themselves, put together."""
    with Emulator({"demo": archive(folder)}, port=PORT) as server:
        for shard in ("2021", "2022", "merge"):
            run.run(config(server), "--config", f"shard={shard}")
        assert asked_bins(server) == BINS
    return run.files("demo")


@pytest.fixture(scope="module")
def with_the_locked(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Scenario], Files]:
    """The results of a scenario with the locked Snakemake, which is that of this process."""

    @cache
    def results(scenario: Scenario) -> Files:
        folder = tmp_path_factory.mktemp(scenario.__name__)
        return scenario(Checkout(folder / "checkout"), folder / "archive")

    return results


def snakemake_in(environment: str) -> tuple[Path, str]:
    """The Python of an environment that `make smoke` made, and the version of Snakemake that it runs."""
    python = ENVIRONMENTS / environment / "bin" / "python"
    assert python.exists(), "`make smoke` makes the environments, then runs these tests"
    command = [str(python), *SNAKEMAKE[1:], "--version"]
    return python, subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize("environment", ["oldest", "newest"])
@pytest.mark.parametrize("scenario", [demo, dashboard, resume, shards])
def test_results_are_the_same_as_with_the_locked_snakemake(
    tmp_path: Path, with_the_locked: Callable[[Scenario], Files], scenario: Scenario, environment: str
) -> None:
    expected = with_the_locked(scenario)
    assert "abundance_long.csv" in expected
    python, release = snakemake_in(environment)
    if environment == "oldest":
        assert release == OLDEST
    elif release == version("snakemake"):
        pytest.skip(f"the newest Snakemake, {release}, is the locked one")
    found = scenario(OtherCheckout(tmp_path / "checkout", python), tmp_path / "archive")
    assert found.keys() == expected.keys()
    different = [name for name in found if found[name] != expected[name] and not name.endswith(NAMES_SNAKEMAKE)]
    assert different == []


def test_the_locked_snakemake_is_the_one_of_this_process() -> None:
    """The environment of these tests is the locked one, else they would compare something else."""
    (locked,) = re.findall(r"^snakemake==(\S+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    assert version("snakemake") == locked, sys.executable
