"""The demo where there is next to nothing: no home folder, a proxy that does not answer, what a container has."""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from tests.integration.conftest import ROOT, SNAKEMAKE, Checkout

# Nobody can make a folder in /proc, not even root.
NO_HOME = {"HOME": "/proc/nowhere", "XDG_CACHE_HOME": None, "XDG_CONFIG_HOME": None, "XDG_DATA_HOME": None}
DEAD_PROXIES = {f"{kind}_proxy": "http://127.0.0.1:9" for kind in ("http", "https", "all")}


def test_the_demo_needs_no_home_folder_and_no_network(checkout: Checkout, demo_run: Checkout) -> None:
    checkout.run(env=NO_HOME | DEAD_PROXIES)
    assert checkout.files("demo") == demo_run.files("demo")
    assert "Nothing to be done" in checkout.run(None, "--dry-run", env=NO_HOME)
    assert "in a good condition" in checkout.run(None, "--lint", env=NO_HOME)


def test_the_demo_needs_no_more_than_the_container_copies(tmp_path: Path, demo_run: Checkout) -> None:
    """What the lines of the Dockerfile say, in folders of this machine."""
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
    variables = {name: value for name, value in (os.environ | NO_HOME).items() if value is not None}
    subprocess.run([*SNAKEMAKE, *arguments], cwd=work, env=variables, check=True, timeout=300)
    expected = (demo_run.results("demo") / "abundance_long.csv").read_bytes()
    assert (work / "results" / "demo" / "abundance_long.csv").read_bytes() == expected


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
