"""Runs on a real SLURM of one node, on loopback, that the tests start themselves.

It needs root, since jobs find their cluster by /etc/slurm/slurm.conf, and the packages slurm-wlm and munge, which are
installed where apt can.
"""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from demo_archive import write_demo_archive
from tests.dashboard.emulator import Emulator
from tests.integration.conftest import Checkout
from tests.integration.test_dashboard import config

CONF = Path("/etc/slurm/slurm.conf")
# Of one node: nobody else waits for this cluster, and there are no accounts.
PROFILE = (
    *("--workflow-profile", "profiles/slurm", "--slurm-no-account", "--slurm-status-command", "squeue"),
    *("--slurm-init-seconds-before-status-checks", "1", "--seconds-between-status-checks", "1"),
    "--slurm-keep-successful-logs",
)
SETTINGS = """\
ClusterName=loopback
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmctldPort={port}
SlurmdPort={next_port}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SchedulerParameters=sched_interval=1,batch_sched_delay=0
MpiDefault=none
ReturnToService=2
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=6000 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""

pytestmark = pytest.mark.slow


def free_ports() -> tuple[int, int]:
    with socket.socket() as first, socket.socket() as second:
        for opened in (first, second):
            opened.bind(("127.0.0.1", 0))
        return first.getsockname()[1], second.getsockname()[1]


def install() -> None:
    if os.geteuid():
        pytest.skip("not root: /etc/slurm/slurm.conf cannot be written")
    if not shutil.which("slurmctld"):
        with suppress(OSError, subprocess.TimeoutExpired):
            command = ["apt-get", "install", "--yes", "--no-install-recommends", "slurm-wlm", "munge"]
            subprocess.run(command, capture_output=True, timeout=180)
    if not shutil.which("slurmctld"):
        pytest.skip("there is no SLURM here, and apt does not install it")
    if CONF.exists() and "ClusterName=loopback" not in CONF.read_text():
        pytest.skip("this machine belongs to a cluster")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    install()
    folder = tmp_path_factory.mktemp("slurm")
    for part in ("state", "spool"):
        (folder / part).mkdir()
    (folder / "munge.key").write_bytes(os.urandom(1024))
    (folder / "munge.key").chmod(0o400)
    host = socket.gethostname().split(".")[0]
    port, next_port = free_ports()
    CONF.parent.mkdir(exist_ok=True)
    CONF.write_text(SETTINGS.format(host=host, folder=folder, port=port, next_port=next_port))
    at = {name: folder / f"munge.{name}" for name in ("key", "socket")}
    munged = ["munged", "--foreground", "--force", f"--key-file={at['key']}", f"--socket={at['socket']}"]
    munged += [f"--{name}={folder}/munged.{name}" for name in ("pid-file", "log-file", "seed-file")]
    daemons = []
    try:
        for command in (munged, ["slurmctld", "-D"], ["slurmd", "-D"]):
            daemons.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
            time.sleep(1)
        for _ in range(60):
            states = subprocess.run(["sinfo", "--noheader", "--format=%t"], capture_output=True, text=True).stdout
            if "idle" in states:
                break
            time.sleep(1)
        assert "idle" in states
        yield
    finally:
        for daemon in reversed(daemons):
            daemon.terminate()
            daemon.wait(timeout=30)
        CONF.unlink()


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive")
    write_demo_archive(folder)
    return folder


def submitted(checkout: Checkout) -> dict[str, int]:
    """How many jobs of each rule went to a node."""
    logs = checkout.folder / ".snakemake" / "slurm_logs"
    return {rule.name.removeprefix("rule_"): len(list(rule.rglob("*.log"))) for rule in logs.iterdir()}


def break_reshape(checkout: Checkout, condition: str) -> None:
    """Have the rule that goes to a node fail there."""
    module = checkout.folder / "workflow" / "scripts" / "abundance.py"
    start = '    index = table_files.columns("abundance_wide", method.group_by)\n'
    broken = f'    if {condition}:\n        raise RuntimeError("broken on purpose")\n'
    text = module.read_text()
    assert text.count(start) == 1
    module.write_text(text.replace(start, broken + start))


@pytest.mark.usefixtures("cluster")
def test_results_are_those_of_a_laptop_and_bins_are_not_submitted(
    checkout: Checkout, archive: Path, tmp_path: Path
) -> None:
    settings: dict[str, Any] = {}
    with Emulator({"demo": archive}, latency=0.1) as dashboard:
        settings = config(dashboard)
        checkout.run(settings, *PROFILE, "--resources", "dashboard=3", "pooling=1")
        assert dashboard.most_at_once() == 3
        assert submitted(checkout) == {"reshape_abundance": 1}
        laptop = Checkout(tmp_path / "laptop")
        laptop.run(settings)
        assert checkout.files("demo") == laptop.files("demo")
        dashboard.clear()
        assert "Nothing to be done" in checkout.run(settings, *PROFILE)
        assert dashboard.requests == []


@pytest.mark.usefixtures("cluster")
def test_a_job_that_fails_on_its_node_is_tried_again(checkout: Checkout) -> None:
    marker = checkout.folder / "failed_once"
    break_reshape(checkout, f"not Path({str(marker)!r}).exists() and not Path({str(marker)!r}).touch()")
    checkout.run(None, *PROFILE)
    assert marker.exists()
    assert len(checkout.table("demo", "abundance_wide")) == 8
    # figures are drawn on nodes, by scripts
    assert submitted(checkout)["draw_heat_map"] == 1
    assert (checkout.results("demo") / "figures" / "heat_map.pdf").read_bytes().startswith(b"%PDF-")


@pytest.mark.usefixtures("cluster")
def test_the_log_of_a_job_that_keeps_failing_is_named(checkout: Checkout) -> None:
    break_reshape(checkout, "True")
    printed = checkout.run(None, *PROFILE, fails=True)
    named = [word.strip("(),.:") for word in printed.split() if word.strip("(),.:").endswith(".log")]
    texts = [path.read_text() for name in named if (path := checkout.folder / name).is_file()]
    assert any("broken on purpose" in text for text in texts), printed
