"""Install programs of Debian that some tests need, where apt works."""

import fcntl
import os
import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest


def install(name: str, *packages: str) -> str | None:
    """The path of a program, installed with its packages if it is not there; None if that cannot be."""
    get = ["apt-get", "install", "--yes", "--no-install-recommends", *packages]
    if path := shutil.which(name):
        return path
    # Of each user, who may not open another's file in a shared folder.
    with (Path(tempfile.gettempdir()) / f"apt-of-tests-{os.getuid()}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # apt fails while another test has it install something
        # A machine that is new has no list of packages yet.
        for command in (get, ["apt-get", "update"], get):
            if not shutil.which(name):
                with suppress(OSError, subprocess.TimeoutExpired):
                    subprocess.run(command, capture_output=True, timeout=180)
    return shutil.which(name)


def program(name: str, *packages: str) -> str:
    """The path of a program as `install` finds it; without it the test is skipped."""
    path = install(name, *packages)
    if not path:
        pytest.skip(f"there is no {name} here, and apt does not install it")
    return path
