"""Runs on a real SLURM of one node, on loopback, that the tests start themselves."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ifcb_abundance.demo.archive import write_demo_archive
from tests.archives import bin_row, write_archive
from tests.checkout import ROOT, Checkout
from tests.dashboard.emulator import Emulator
from tests.slurm import PROFILE, cluster, submitted, why_not
from tests.sources.test_dashboard_run import config

pytestmark = pytest.mark.slow
TABLES_ONLY = {"report": {"make": False}}


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    if reason := why_not():
        pytest.skip(reason)
    with cluster(tmp_path_factory.mktemp("slurm")):
        yield


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive")
    write_demo_archive(folder)
    return folder


def break_reshape(checkout: Checkout, condition: str, error: str = "RuntimeError") -> None:
    """Have the rule that goes to a node fail there."""
    module = checkout.module("abundance/days.py")
    start = '    index = table_files.columns("abundance_wide", method.group_by)\n'
    broken = f'    if {condition}:\n        raise {error}("broken on purpose")\n'
    text = module.read_text()
    assert text.count(start) == 1
    module.write_text(text.replace(start, broken + start))


@pytest.mark.usefixtures("slurm")
def test_results_are_those_of_a_laptop_and_bins_are_not_submitted(
    checkout: Checkout, archive: Path, tmp_path: Path
) -> None:
    settings: dict[str, Any] = {}
    with Emulator({"demo": archive}, latency=0.1) as dashboard:
        settings = config(dashboard)
        checkout.run(settings, *PROFILE, "--resources", "dashboard=3", "pooling=1")
        assert dashboard.most_at_once() == 3
        assert submitted(checkout.folder) == {"reshape_abundance": 1}
        laptop = Checkout(tmp_path / "laptop")
        laptop.run(settings)
        assert checkout.files("demo") == laptop.files("demo")
        dashboard.clear()
        assert "Nothing to be done" in checkout.run(settings, *PROFILE)
        assert dashboard.requests == []


@pytest.mark.usefixtures("slurm")
def test_profile_for_other_schedulers(checkout: Checkout, demo_run: Checkout) -> None:
    """With this cluster's command in the place of the one for PBS."""
    submit = "sbatch --parsable --cpus-per-task={threads} --mem={resources.mem_mb} --time={resources.runtime}"
    profile = ("--workflow-profile", "profiles/cluster-generic", "--cluster-generic-submit-cmd", submit)
    checkout.run(None, *profile)
    assert checkout.files("demo") == demo_run.files("demo")
    figures = list((checkout.results("demo") / "figures").rglob("*.svg"))
    assert len(figures) > 10
    assert len(list(checkout.folder.glob("slurm-*.out"))) == len(figures) + 2  # and reshape_abundance, the report


@pytest.mark.usefixtures("slurm")
def test_a_job_that_fails_on_its_node_is_tried_again(checkout: Checkout) -> None:
    marker = checkout.folder / "failed_once"
    break_reshape(checkout, f"not Path({str(marker)!r}).exists() and not Path({str(marker)!r}).touch()")
    checkout.run(TABLES_ONLY, *PROFILE)
    assert marker.exists()
    assert len(checkout.table("demo", "abundance_wide")) == 8


@pytest.mark.usefixtures("slurm")
def test_the_log_of_a_job_that_keeps_failing_is_named(checkout: Checkout) -> None:
    break_reshape(checkout, "True")
    printed = checkout.run(TABLES_ONLY, *PROFILE, fails=True)
    named = [word.strip("(),.:") for word in printed.split() if word.strip("(),.:").endswith(".log")]
    texts = [path.read_text() for name in named if (path := checkout.folder / name).is_file()]
    assert any("broken on purpose" in text for text in texts), printed


@pytest.mark.usefixtures("slurm")
def test_an_error_of_ours_on_a_node_is_told_here_once(checkout: Checkout) -> None:
    """It is in the log of the job, which the nodes and this process share; the job was tried three times."""
    break_reshape(checkout, "True", "TableError")
    printed = checkout.run(TABLES_ONLY, *PROFILE, fails=True)
    assert printed.count("broken on purpose") == 1
    assert "\nbroken on purpose\n" in printed


@pytest.mark.usefixtures("slurm")
def test_an_archive_is_one_job_array_of_shards(checkout: Checkout, tmp_path: Path) -> None:
    """With the commands of docs/archive.md, and by Snakemake: the tables are those of one run of the window."""
    bins = [f"D{day}T120000_IFCB010" for day in ("20211230", "20211231", "20220101")]
    scores = {bin_id: (["Akashiwo"], [[0.9], [0.1]]) for bin_id in bins}
    archive = write_archive(tmp_path / "archive", [bin_row(bin_id) for bin_id in bins], scores)
    with Emulator({"demo": archive}) as dashboard:
        select = {"start": "2021-12-30", "end": "2022-01-01"}
        settings = {"dataset": "demo", "source": {"kind": "dashboard", "url": dashboard.url}, "select": select}
        whole = Checkout(tmp_path / "whole")
        whole.run(settings)
        expected = whole.files("demo")
        dashboard.clear()

        shutil.copy(whole.folder / "my.yaml", checkout.folder)
        (commands,) = re.findall(r"```bash\n(shards=.*?)```", (ROOT / "docs" / "archive.md").read_text(), re.DOTALL)
        for documented, here in (
            ("'snakemake", f"'{sys.executable} -m snakemake"),
            ("mvco.yaml", "my.yaml"),
            ("=0-13%8", "=0-1%8"),
            ("2006 +", "2021 +"),
            ("sbatch --dependency", "sbatch --wait --dependency"),
        ):
            assert documented in commands
            commands = commands.replace(documented, here)
        done = subprocess.run(["bash", "-euc", commands], cwd=checkout.folder, capture_output=True, text=True)
        assert not done.returncode, [path.read_text() for path in checkout.folder.glob("slurm-*.out")]
        assert {name for name, body in checkout.files("demo").items() if expected.get(name, body) != body} == set()
        assert expected.keys() <= checkout.files("demo").keys()
        assert len([r for r in dashboard.requests if "class_scores" in r.target]) == 3

        # Up to date: Snakemake submits the shards once more, which ask nothing, and merges them here.
        dashboard.clear()
        arguments = ("archive", *PROFILE, "--slurm-array-jobs", "make_shard", "--configfile", "my.yaml")
        printed, status = checkout.call(*arguments)  # without --cores, as documented
        assert status == 0, printed
        assert "Submitted array job" in printed
        assert submitted(checkout.folder) == {"make_shard": 2}
        assert dashboard.requests == []
