"""Run the workflow as a user does: `snakemake` as a process, from the root of a checkout of its own."""

import compileall
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import yaml

from tests.warm import WarmPopen

ROOT = Path(__file__).parents[1]
PARTS = ("Snakefile", "config", "workflow", "profiles", "envs")
SCRIPTS = Path("workflow", "scripts")
SNAKEMAKE = (sys.executable, "-m", "snakemake")


def files_below(results: Path) -> dict[str, bytes]:
    """Every result of a dataset by relative path, but run.json and status.json, which say when and how a run ended.

    Nor the engine's empty files in folders, whose time alone says something.
    """
    return {
        str(path.relative_to(results)): path.read_bytes()
        for path in sorted(results.rglob("*"))
        if path.is_file() and path.name not in ("run.json", "status.json", ".snakemake_timestamp")
    }


def differences(found: Mapping[str, bytes], expected: Mapping[str, bytes]) -> dict[str, str]:
    """What is wrong with files, by name. An assertion on it says more than one on the files themselves."""
    wrong = dict.fromkeys(expected.keys() - found.keys(), "missing") | dict.fromkeys(found.keys() - expected, "extra")
    for name in found.keys() & expected.keys():
        if (body := found[name]) != (right := expected[name]):
            pairs = enumerate(zip(body, right, strict=False))
            first = next((at for at, (one, other) in pairs if one != other), min(len(body), len(right)))
            wrong[name] = f"differs from byte {first}: {body[first:][:80]!r}, not {right[first:][:80]!r}"
    return dict(sorted(wrong.items()))


@cache
def compile_modules() -> None:
    """Compile our modules and the files of rules once: each checkout gets what was compiled, and its runs need not."""
    compileall.compile_dir(ROOT / "workflow" / "scripts", quiet=1)
    with TemporaryDirectory() as folder:
        arguments = ["--list-rules", "--directory", folder]
        WarmPopen([*SNAKEMAKE, *arguments], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).wait(600)


class SharedWorkflow:
    """A copy of our rules and modules, whose files checkouts share: there are hundreds, and a run writes none."""

    def __init__(self) -> None:
        compile_modules()
        self._temporary = TemporaryDirectory(prefix="workflow-")
        self.folder = Path(self._temporary.name, "workflow")
        shutil.copytree(ROOT / "workflow", self.folder, ignore=shutil.ignore_patterns("*.pyc.*"))
        self._stamps = self._now()

    def _now(self) -> dict[Path, tuple[int, int]]:
        files = (path for path in self.folder.rglob("*.*") if path.suffix != ".pyc")
        found = {path: path.stat() for path in (self.folder / "Snakefile", *files)}
        return {path: (stat.st_size, stat.st_mtime_ns) for path, stat in found.items()}

    def check(self) -> None:
        assert self._now() == self._stamps, "a test has changed a file that checkouts share: see Checkout.own"


@cache
def _workflow() -> SharedWorkflow:
    return SharedWorkflow()


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # on another disk
        shutil.copy2(source, target)


class Checkout:
    """A copy of the workflow in a folder of its own, or of another checkout with the results that it has."""

    def __init__(self, folder: Path, copied_from: Path | None = None) -> None:
        self.folder = folder
        if copied_from:
            shutil.copytree(copied_from, folder, symlinks=True)  # times of files stay
            return
        _workflow().check()
        shutil.copytree(_workflow().folder, folder / "workflow", copy_function=_link)
        for part in PARTS:
            if part != "workflow":
                copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
                copy(ROOT / part, folder / part)

    def own(self, path: str) -> Path:
        """A file of the workflow that is this checkout's alone, so that it may be changed."""
        found = self.folder / path
        text = found.read_bytes()
        found.unlink()
        found.write_bytes(text)
        return found

    def module(self, path: str) -> Path:
        """A module of the package, likewise."""
        return self.own(f"{SCRIPTS}/ifcb_abundance/{path}")

    def command(self, config: Mapping[str, Any] | None, *arguments: str) -> list[str]:
        command = [*SNAKEMAKE, "--cores", "8", *arguments]
        if config is not None:
            (self.folder / "my.yaml").write_text(yaml.safe_dump(dict(config), sort_keys=False))
            command += ["--configfile", "my.yaml"]
        return command

    @staticmethod
    def _variables(env: Mapping[str, str | None] | None) -> dict[str, str]:
        variables = {**os.environ, "NO_COLOR": "1", **(env or {})}
        return {name: value for name, value in variables.items() if value is not None}

    def start(
        self,
        config: Mapping[str, Any] | None,
        *arguments: str,
        env: Mapping[str, str | None] | None = None,
        popen: type[subprocess.Popen[str]] = subprocess.Popen,
        **options: Any,
    ) -> subprocess.Popen[str]:
        """Start a run, with other environment variables (None: not set); its output is merged into one text.

        popen: WarmPopen, where the processes that the run starts need not be its children. options: of popen.
        """
        return popen(
            self.command(config, *arguments),
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self._variables(env),
            **options,
        )

    def run(
        self,
        config: Mapping[str, Any] | None = None,
        *arguments: str,
        fails: bool = False,
        env: Mapping[str, str | None] | None = None,
    ) -> str:
        """A run from start to end, with other environment variables (None: not set); returns what it printed.

        It must succeed, or fail if `fails`. The engine and the libraries are imported without these variables.
        """
        printed, status = self.call(*self.command(config, *arguments)[len(SNAKEMAKE) :], env=env)
        assert (status != 0) == fails, printed[-5000:]
        return printed

    def call(self, *arguments: str, env: Mapping[str, str | None] | None = None) -> tuple[str, int | None]:
        """What the engine printed in a forked process, and its exit status; None after ten minutes."""
        output = self.folder.with_name(f"{self.folder.name}.printed")
        with output.open("wb") as printed:
            process = WarmPopen(
                [*SNAKEMAKE, *arguments],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=subprocess.STDOUT,
                env=self._variables(env),
            )
            with suppress(subprocess.TimeoutExpired):
                process.wait(600)
        if process.returncode is None:
            process.kill()
        return output.read_text(encoding="utf-8", errors="replace"), process.returncode

    def results(self, dataset: str) -> Path:
        return self.folder / "results" / dataset

    def table(self, dataset: str, name: str = "abundance_long") -> pd.DataFrame:
        """A table as any user would read it; empty cells of text are NaN."""
        return pd.read_csv(self.results(dataset) / f"{name}.csv")

    def files(self, dataset: str) -> dict[str, bytes]:
        """Every result but run.json and status.json, by relative path."""
        return files_below(self.results(dataset))

    def stamps(self) -> dict[str, int]:
        """When each file of results, resources and logs was last written."""
        return {
            str(path.relative_to(self.folder)): path.stat().st_mtime_ns
            for top in ("results", "resources", "logs")
            for path in sorted((self.folder / top).rglob("*"))
        }
