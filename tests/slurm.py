"""A real SLURM of one node, on loopback: the daemons of the packages slurm-wlm and munge.

It needs root, since jobs find their cluster by /etc/slurm/slurm.conf.
"""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests import debian

CONF = Path("/etc/slurm/slurm.conf")
# Arguments of a run there. Of one node: nobody else waits for this cluster, and there are no accounts.
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
MinJobAge=86400
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=6000 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def why_not() -> str | None:
    """Why there can be no cluster here. The packages are installed where apt can."""
    if os.geteuid():
        return "not root: /etc/slurm/slurm.conf cannot be written"
    if not debian.install("slurmctld", "slurm-wlm", "munge"):
        return "there is no SLURM here, and apt does not install it"
    if CONF.exists() and "ClusterName=loopback" not in CONF.read_text():
        return "this machine belongs to a cluster"
    return None


@contextmanager
def cluster(folder: Path) -> Iterator[None]:
    """The cluster, from when its node is idle until the block is left; its files are in the folder."""
    for part in ("state", "spool"):
        (folder / part).mkdir(parents=True)
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


def submitted(checkout: Path) -> dict[str, int]:
    """How many jobs of each rule, or group of them, went to a node."""
    logs = (checkout / ".snakemake" / "slurm_logs").glob("*")
    return {rule.name.removeprefix("rule_"): len(list(rule.rglob("*.log"))) for rule in logs}


def free_ports() -> tuple[int, int]:
    with socket.socket() as first, socket.socket() as second:
        for opened in (first, second):
            opened.bind(("127.0.0.1", 0))
        return first.getsockname()[1], second.getsockname()[1]
