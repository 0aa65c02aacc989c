"""What a run that failed says at its end: what is missing, what is kept, how to go on."""

import os
import shlex
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

from ifcb_abundance.engine.log import count_failed, of_bins


def same_config(
    asked: Sequence[str], snakefile: str, configs: Sequence[str | Path], entries: Sequence[str], moved: bool
) -> str:
    """The command that makes something else with the config of this run.

    asked: targets and options. snakefile, configs: paths of the Snakefile and of the config files. entries: what was
    given with `--config`. moved: the run was given `--directory`, so it is not in the folder where it was started.
    """
    path_of: Callable[[str | Path], str] = os.path.abspath if moved else os.path.relpath
    at = path_of(snakefile)
    command = ["snakemake", *asked, *(["--snakefile", at] if at != "Snakefile" else []), "--cores", "8"]
    command += ["--directory", str(Path.cwd())] if moved else []
    command += ["--configfile", *map(path_of, configs)] if configs else []
    return shlex.join([*command, *(["--config", *entries] if entries else [])])


def why_incomplete(failed: Collection[Any], failures: Sequence[str], unfinished: Collection[str], gave_up: bool) -> str:
    """The sentences for the user.

    failed: jobs of the engine. failures: in words, what failed of bins. unfinished: the names of rules that still have
    something to do. gave_up: the server could not be reached.
    """
    if not failed:
        return "The run was stopped. What is built is kept: the same command goes on where it stood."
    if gave_up:
        return (
            "The run is not complete, because the server could not be reached; the message above says why. Bins that "
            "were not read for that reason are not recorded as failed. What is built is kept: the same command goes on "
            "where this run stopped, once the server can be reached."
        )
    if not failures and not of_bins(failed):
        return (
            f"The run is not complete: {count_failed(failed)} What is built is kept. "
            "Fix what the message above says, then run the same command again."
        )
    gone = (
        "the merged tables are gone until nothing is missing"
        if "merge_abundance" in unfinished
        else "tables that need what failed are gone until nothing is missing"
    )
    counted = "".join(f"\n  {said}" for said in failures) + "\n" if failures else f" {count_failed(failed)} "
    stays = (
        "An HTTP 500 that stays is about a file that the server cannot read: trying again does not help. "
        if any("HTTP 500" in said for said in failures)
        else ""
    )
    return (
        "The run is not complete. The messages above name what failed, with its bin and address."
        f"{counted}The bins and days that are built are kept; {gone}. The same command goes on where this run stopped. "
        f"{stays}To have bins that cannot be read recorded as failed, set source.on_failure: record."
    )
