"""`ifcb-abundance run`: Snakemake with the profile, its command printed first."""

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from itertools import takewhile
from pathlib import Path

from ifcb_abundance.cli import config_file, targets
from ifcb_abundance.common.errors import ConfigError, StateError
from ifcb_abundance.config import WORKFLOW
from ifcb_abundance.config.files import CONFIG_OPTIONS

PROFILES = ("--profile", "--workflow-profile")
# Options that say how many jobs run at a time. A profile may say it too: that of a cluster does.
CORES = ("--cores", "-c", "--jobs", "-j", "--executor", "-e")
# Options that bring more of the config than its files.
LAID_OVER = ("--config", "-C", *PROFILES)
# What a folder has that is a clone of the workflow.
MARKS = ("Snakefile", "workflow/scripts/ifcb_abundance")


def run(config: str, rest: Sequence[str]) -> int:
    """Check the config, print the command, and run it. Returns Snakemake's exit status.

    Where more is laid over the config, only how files are written is checked: the Snakefile checks what all of it says.

    rest: targets, and options of Snakemake. Raises ConfigError, also for an unknown target; StateError without a clone.
    """
    _refuse_swapped(config, rest)
    _refuse_dots(rest)
    words, others = _without_config_files(rest)
    if others or any(word.split("=")[0] in LAID_OVER or word[:2] == "-C" for word in words):
        config_file.check_written(config, *others)
    else:
        config_file.read(config)
    if not any(word.split("=")[0] in ("--snakefile", "-s") for word in rest):
        targets.check(takewhile(lambda word: not word.startswith("-"), rest))
    command = ["snakemake", *arguments(config, rest)]
    print(shlex.join(command), flush=True)
    process = subprocess.Popen([sys.executable, "-m", *command])
    # Snakemake ends in good order: Ctrl-C reaches it by itself, and another process's request to end is passed on.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN), signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    try:
        return process.wait()
    finally:
        signal.signal(signal.SIGINT, before[0])
        signal.signal(signal.SIGTERM, before[1])


def arguments(config: str, rest: Sequence[str]) -> list[str]:
    """The arguments of Snakemake. Targets stand before --configfile, which takes every word after it for a file.

    Files of a --configfile in `rest` go behind the config: of two such options Snakemake reads the last one alone.
    """
    rest, others = _without_config_files(rest)
    told = any(word.split("=")[0] in CORES or word[:2] in ("-c", "-j") for word in rest)
    cores = [] if told or any(map(_says_cores, _profiles(rest))) else ["--cores", "8"]
    first = next((i for i, word in enumerate(rest) if word.startswith("-")), len(rest))
    return [*rest[:first], *cores, *_where(config), "--configfile", config, *others, *rest[first:]]


def _without_config_files(rest: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words without --configfile and its files, and these files."""
    others: list[str] = []
    files: list[str] = []
    of_option = False
    for word in rest:
        option, equals, first = word.partition("=")
        if option in CONFIG_OPTIONS:
            files += [first] if equals else []
            of_option = True
        elif word.startswith("-"):
            others.append(word)
            of_option = False
        else:
            (files if of_option else others).append(word)
    return others, files


def _profiles(rest: Sequence[str]) -> Iterator[str]:
    """The profiles that options name; --profile may name several."""
    of_option = False
    for word in rest:
        if word.startswith("-"):
            option, _, first = word.partition("=")
            of_option = option in PROFILES
            yield from [first] if of_option and first else []
        elif of_option:
            yield word


def _says_cores(profile: str) -> bool:
    """Whether a profile says how many jobs run at a time. One that is no folder here counts as one that says it."""
    if profile == "none":
        return False
    folders = Path(profile), Path("profiles", profile), WORKFLOW / "profiles" / profile  # where Snakemake looks
    folder = next(filter(Path.is_dir, folders), None)
    if folder is None:
        return True
    said = "\n".join(file.read_text(encoding="utf-8", errors="replace") for file in folder.glob("config*.yaml"))
    return re.search(r"^(cores|jobs|executor)\s*:", said, re.MULTILINE) is not None


def _refuse_swapped(config: str, rest: Sequence[str]) -> None:
    """Raise ConfigError if a target stands where the config should, and the config behind it."""
    words = list(takewhile(lambda word: not word.startswith("-"), rest))
    files = [word for word in words if word.endswith((".yaml", ".yml")) and not word.startswith("results/")]
    if Path(config).exists():
        if files:
            raise ConfigError(f"{files[0]}: no target. A second config goes with --configfile: --configfile {files[0]}")
        return
    if files:
        named = [config, *(word for word in words if word != files[0])]
        raise ConfigError(
            f"{config}: there is no such file. The config stands before the targets: "
            f"ifcb-abundance run {shlex.join([files[0], *named])}"
        )


def _refuse_dots(rest: Sequence[str]) -> None:
    """Raise ConfigError for an entry such as classify.threshold=0.5, which Snakemake meets with a traceback."""
    for word in rest:
        if found := re.fullmatch(r"(\w+)((?:\.\w+)+)=(.*)", word):
            section, keys, value = found.groups()
            for key in reversed(keys[1:].split(".")):
                value = f"{{{key}: {value}}}"
            raise ConfigError(f"{word}: --config takes whole sections. Write it so: --config '{section}={value}'")


def _where(config: str) -> list[str]:
    """Nothing in a clone; elsewhere, the clone that this command was installed from."""
    if _is_clone(Path.cwd()):
        return []
    if _is_clone(WORKFLOW):
        profile = os.path.relpath(WORKFLOW / "profiles" / "default")
        return ["--snakefile", os.path.relpath(WORKFLOW / "Snakefile"), "--workflow-profile", profile]
    raise StateError(
        "`run` needs a clone of the workflow, and this folder is none. Get one from where you found the workflow, and "
        "run there:\n  git clone ADDRESS ifcb-abundance && cd ifcb-abundance && make run CONFIG="
        + str(Path(config).resolve())
    )


def _is_clone(folder: Path) -> bool:
    return all((folder / mark).exists() for mark in MARKS)
