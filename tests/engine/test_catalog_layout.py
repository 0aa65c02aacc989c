"""What the Snakemake Workflow Catalog asks of the layout, and what snakedeploy makes of it."""

from pathlib import Path

import yaml

from tests.archives import bin_row, write_archive
from tests.checkout import ROOT, Checkout

BIN = "D20240401T010000_IFCB010"
# As snakedeploy 0.17 writes it, but that it would fetch the workflow from its repository.
DEPLOYED = """\
from snakemake.utils import min_version
min_version("6.10.0")
configfile: "config/config.yaml"
module ifcb:
    snakefile: "{}/workflow/Snakefile"
    config: config
use rule * from ifcb
"""


def test_the_files_of_standardized_usage_are_there() -> None:
    """As the catalog's README says; `usage` has the keys that it knows."""
    assert (ROOT / "workflow" / "Snakefile").is_file()
    assert (ROOT / "config" / "README.md").is_file()
    usage = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert usage.keys() == {"mandatory-flags", "software-stack-deployment", "report"}
    assert usage["mandatory-flags"].keys() == {"desc", "flags"}
    assert usage["software-stack-deployment"].keys() == {"conda", "apptainer", "apptainer+conda"}


def test_what_snakedeploy_deploys_makes_the_same(checkout: Checkout, tmp_path: Path) -> None:
    """A folder with config, profiles and a Snakefile that takes ours as a module, which itself is a module."""
    archive = write_archive(tmp_path / "archive", [bin_row(BIN)], {BIN: (["A", "B"], [[0.9, 0.1], [0.2, 0.3]])})
    config = {"dataset": "own", "source": {"kind": "directory", "path": str(archive)}}
    table = "results/own/abundance_long.csv"
    deployed = Checkout(tmp_path / "deployed")
    (deployed.folder / "Snakefile").unlink()
    deployed.own("workflow/Snakefile").write_text(DEPLOYED.format(checkout.folder))
    for each in (checkout, deployed):
        each.run(config, table)
    assert (deployed.folder / table).read_bytes() == (checkout.folder / table).read_bytes()
