"""The demo on a bare machine: no home folder, a proxy that does not answer, only what a container has."""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.archives import bin_row, write_archive
from tests.checkout import ROOT, SNAKEMAKE, Checkout, files_below
from tests.dashboard.emulator import Emulator
from tests.engine.test_surroundings import obey_permissions
from tests.exports.test_exports import EXPORT
from tests.s3_server import S3Server, flat

# Each builds the demo from nothing, in 10 s of processor time or more.
pytestmark = pytest.mark.slow
# Nobody can make a folder in /proc, not even root.
NO_HOME = {"HOME": "/proc/nowhere", "XDG_CACHE_HOME": None, "XDG_CONFIG_HOME": None, "XDG_DATA_HOME": None}
DEAD_PROXIES = {f"{kind}_proxy": "http://127.0.0.1:9" for kind in ("http", "https", "all")}


@pytest.fixture
def closed_home(tmp_path: Path) -> Iterator[dict[str, str | None]]:
    """The environment of a user who may not even look into the home folder."""
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(0o000)
    probe = [sys.executable, "-c", f"import os; os.stat({str(home / 'any')!r})"]
    refused = subprocess.run(probe, preexec_fn=obey_permissions, capture_output=True, text=True)
    assert "PermissionError" in refused.stderr
    yield NO_HOME | {"HOME": str(home)}
    home.chmod(0o755)


def run_closed(run: Checkout, env: Mapping[str, str | None], config: Mapping[str, Any] | None, *arguments: str) -> None:
    process = run.start(config, *arguments, env=env, preexec_fn=obey_permissions)
    printed, _ = process.communicate(timeout=600)
    assert process.returncode == 0, printed[-5000:]
    assert "PermissionError" not in printed


def test_the_demo_where_nobody_may_look_into_the_home_folder(
    checkout: Checkout, demo_run: Checkout, closed_home: dict[str, str | None]
) -> None:
    """Libraries look there for settings, fonts, credentials."""
    run_closed(checkout, closed_home | DEAD_PROXIES, None)
    assert checkout.files("demo") == demo_run.files("demo")
    run_closed(checkout, closed_home, {"export": EXPORT, "images": {"make": True}}, "all", "features")
    assert len(list((checkout.results("demo") / "exports").iterdir())) == 4
    assert list((checkout.results("demo") / "montages").glob("*.html"))
    run_closed(checkout, closed_home, None, "--report", "report.zip")


def test_sources_where_nobody_may_look_into_the_home_folder(
    tmp_path: Path, checkout: Checkout, closed_home: dict[str, str | None]
) -> None:
    """A login for a dashboard and credentials for a bucket are looked for there."""
    bins = [f"D20240415T{hour:02d}0000_IFCB010" for hour in (1, 2)]
    scores = {bin_id: (["Akashiwo", "detritus"], [[0.9, 0.1], [0.2, 0.8]]) for bin_id in bins}
    archive = write_archive(tmp_path / "archive", list(map(bin_row, bins)), scores)
    day = {"select": {"start": "2024-04-15", "end": "2024-04-15"}}
    unset = {name: None for name in os.environ if name.startswith(("AWS_", "FSSPEC_"))}
    with Emulator({"mvco": archive}) as dashboard, S3Server() as server:
        source = {"kind": "dashboard", "url": dashboard.url}
        run_closed(checkout, closed_home, {"dataset": "mvco", "source": source, **day})
        server.put("bucket", flat(archive, "a/") | {"a/metadata.csv": (archive / "metadata.csv").read_bytes()})
        source = {"kind": "bucket", "path": "s3://bucket/a", "endpoint_url": server.url, "anonymous": True}
        env = closed_home | unset | {"AWS_EC2_METADATA_DISABLED": "true"}
        run_closed(checkout, env, {"dataset": "bucket", "source": source, **day})
    assert checkout.table("mvco").equals(checkout.table("bucket"))


def test_the_demo_needs_no_home_folder_no_network_and_no_more_than_the_container_copies(
    tmp_path: Path, demo_run: Checkout
) -> None:
    """The lines of the Dockerfile, in folders of this machine."""
    recipe = (ROOT / "Dockerfile").read_text()
    sent = (ROOT / ".dockerignore").read_text().split()
    image, work = tmp_path / "workflow", tmp_path / "work"
    for sources, target in re.findall(r"^COPY (.+) /workflow/(.*)$", recipe, re.MULTILINE):
        for source in map(ROOT.joinpath, sources.split()):
            assert f"!{source.name}" in sent  # to the builder
            if source.is_dir():
                shutil.copytree(source, image / target)
            else:
                (image / target).mkdir(parents=True, exist_ok=True)
                shutil.copy(source, image / target)
    work.mkdir()
    (entrypoint,) = re.findall(r"^ENTRYPOINT (\[.+\])$", recipe, re.MULTILINE)
    name, *arguments = json.loads(entrypoint.replace("/workflow/", f"{image}/"))
    assert name == SNAKEMAKE[-1]
    variables = {name: value for name, value in (os.environ | NO_HOME | DEAD_PROXIES).items() if value is not None}

    def run(*more: str) -> str:
        command = [*SNAKEMAKE, *arguments, *more]
        done = subprocess.run(command, cwd=work, env=variables, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    run()
    assert files_below(work / "results" / "demo") == demo_run.files("demo")
    assert "Nothing to be done" in run("--dry-run")
    assert "in a good condition" in run("--lint")


def test_make_run_where_the_path_has_a_blank_and_an_apostrophe(tmp_path: Path, demo_run: Checkout) -> None:
    """With an environment of its own, that takes its packages from the one of the tests."""
    checkout = Checkout(tmp_path / "it's a place" / "work flow")
    for name in ("Makefile", "requirements.txt"):
        shutil.copy(ROOT / name, checkout.folder)
    environment = checkout.folder / ".venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    (packages,) = environment.glob("lib/*/site-packages")
    (packages / "shared.pth").write_text(sysconfig.get_path("purelib"))
    (environment / "installed").touch()
    done = subprocess.run(["make", "run"], cwd=checkout.folder, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert checkout.files("demo") == demo_run.files("demo")
    # Jobs in processes of their own too, as without a profile.
    (checkout.results("demo") / "abundance_wide.csv").unlink()
    command = [environment / "bin" / "python", "-m", "snakemake", "--cores", "2", "--workflow-profile", "none"]
    done = subprocess.run(command, cwd=checkout.folder, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert checkout.files("demo") == demo_run.files("demo")
