# Finds the workflow's own files. It is included before anything imports the package.
import sys
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZipFile

import snakemake.workflow
from snakemake.sourcecache import HostingProviderFile


def checkout_folder(rules):
    """The folder of the workflow's files. rules: what the engine knows of this file's folder.

    As a module that the engine has fetched, by `github(...)`, the workflow has no folder. All its files are unpacked
    into one then, beside what the engine keeps for the time of the run.
    """
    if not isinstance(rules, HostingProviderFile):
        return Path(rules.get_path_or_uri(secret_free=True)).parents[1]
    repository = rules.hosted_repo.repo
    commit = repository.commit(rules.ref).hexsha
    unpacked = Path(workflow.sourcecache.runtime_cache_path, f"checkout-{commit}")
    if not unpacked.exists():
        with TemporaryDirectory(dir=unpacked.parent) as unfinished:
            repository.git.archive(commit, output=f"{unfinished}/files.zip")
            with ZipFile(f"{unfinished}/files.zip") as files:
                files.extractall(f"{unfinished}/files")
            with suppress(OSError):  # another process was faster
                Path(unfinished, "files").rename(unpacked)
    return (unpacked / rules.path).parents[1]


# The modules import each other by name.
CHECKOUT = checkout_folder(workflow.current_basedir)
sys.path.insert(0, str(CHECKOUT / "workflow" / "scripts"))
# The scripts of rules, for their rules files. If the workflow was fetched, they are read from the unpacked files:
# parallel jobs cannot read them from one git clone at the same time.
SCRIPTS = (
    CHECKOUT / "workflow" / "scripts" if isinstance(workflow.current_basedir, HostingProviderFile) else "../scripts"
)

from ifcb_abundance.engine import patches

patches.save_memory_work()
patches.keep_translations(snakemake.workflow, CHECKOUT / "workflow" / "rules")
