"""Run the workflow as a user does: `snakemake` as a process, from the root of a checkout of its own."""

import compileall
import multiprocessing
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import yaml

ROOT = Path(__file__).parents[1]
PARTS = ("Snakefile", "config", "workflow", "profiles", "envs")
SNAKEMAKE = (sys.executable, "-m", "snakemake")
# To import the engine, the libraries and our modules takes longer than many a run. So a server imports them, and each
# run is a process that is forked from it.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["tests.preloaded"])


def _engine(arguments: Sequence[str], folder: Path, env: Mapping[str, str | None], output: Path) -> None:
    """What `python -m snakemake` does, in a process that was forked."""
    with output.open("wb", buffering=0) as printed:
        for stream in (1, 2):
            os.dup2(printed.fileno(), stream)
    sys.stdout, sys.stderr = (os.fdopen(stream, "w", buffering=1, closefd=False) for stream in (1, 2))
    os.chdir(folder)
    os.environ |= {"NO_COLOR": "1"} | {name: value for name, value in env.items() if value is not None}
    for name in [name for name, value in env.items() if value is None]:
        os.environ.pop(name, None)
    ours = (ROOT, ROOT / "workflow" / "scripts")  # the checkout has its own
    sys.path[:] = [str(folder), *(path for path in sys.path if Path(path).resolve() not in ours)]
    sys.argv = ["snakemake", *arguments]
    from snakemake.cli import main

    from tests.preloaded import forget_ours_unless_same

    forget_ours_unless_same(folder)

    main(list(arguments))


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
        process = FORKS.Process(target=_engine, args=(arguments, ROOT, {}, Path(folder, "printed.txt")))
        process.start()
        process.join(600)


class Checkout:
    """A copy of the workflow in a folder of its own, or of another checkout with the results that it has."""

    def __init__(self, folder: Path, copied_from: Path | None = None) -> None:
        self.folder = folder
        if copied_from:
            shutil.copytree(copied_from, folder, symlinks=True)  # times of files stay
            return
        compile_modules()
        for part in PARTS:
            source = ROOT / part
            if source.is_dir():
                shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("*.pyc.*"))
            else:
                folder.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, folder / part)

    def command(self, config: Mapping[str, Any] | None, *arguments: str) -> list[str]:
        command = [*SNAKEMAKE, "--cores", "8", *arguments]
        if config is not None:
            (self.folder / "my.yaml").write_text(yaml.safe_dump(dict(config), sort_keys=False))
            command += ["--configfile", "my.yaml"]
        return command

    def start(
        self,
        config: Mapping[str, Any] | None,
        *arguments: str,
        env: Mapping[str, str | None] | None = None,
        **options: Any,
    ) -> subprocess.Popen[str]:
        """Start a run, with other environment variables (None: not set); its output is merged into one text.

        options: of subprocess.Popen.
        """
        variables = {**os.environ, "NO_COLOR": "1", **(env or {})}
        return subprocess.Popen(
            self.command(config, *arguments),
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={name: value for name, value in variables.items() if value is not None},
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
        process = FORKS.Process(target=_engine, args=(arguments, self.folder, env or {}, output))
        process.start()
        process.join(600)
        status = process.exitcode
        if status is None:
            process.kill()
        return output.read_text(encoding="utf-8", errors="replace"), status

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
