"""The workflow as a module of another one, as a paper's own workflow uses it."""

import re
import subprocess
from pathlib import Path

import pandas as pd

from tests.archives import bin_row, write_archive
from tests.integration.conftest import ROOT, SNAKEMAKE, Checkout

OUTER = f"""
module ifcb:
    snakefile:
        "{ROOT}/Snakefile"
    config:
        {{"dataset": "demo"}}


use rule * from ifcb


rule count_rows:
    default_target: True
    input:
        rules.merge_abundance.output.abundance,
    output:
        "rows.txt",
    shell:
        "wc -l < {{input}} > {{output}}"
"""


def test_another_workflow_builds_on_the_tables(tmp_path: Path, demo_run: Checkout) -> None:
    (tmp_path / "Snakefile").write_text(OUTER)
    command = [*SNAKEMAKE, "--cores", "8", "--workflow-profile", str(ROOT / "profiles" / "default")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    expected = (demo_run.results("demo") / "abundance_long.csv").read_bytes()
    assert (tmp_path / "results" / "demo" / "abundance_long.csv").read_bytes() == expected
    assert int((tmp_path / "rows.txt").read_text()) == expected.count(b"\n")
    # The landing page of its report is this workflow's, with an overview of what was made.
    done = subprocess.run([*command, "--report", "own.html"], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "Plankton abundance" in (tmp_path / "own.html").read_text()


TWO = """
module north:
    snakefile:
        "{root}/Snakefile"
    config:
        {{"dataset": "north", "source": {{"path": "north"}}}}


module south:
    snakefile:
        "{root}/Snakefile"
    config:
        config["south"]


use rule * from north as north_*
use rule * from south as south_*


rule both:
    default_target: True
    input:
        rules.north_merge_abundance.output.abundance,
        rules.south_merge_abundance.output.abundance,
"""
# The outer workflow's own: what it writes there, and how, is no business of a module.
OUTER_CONFIG = """
dataset: 2024_02
own: {key: 010, key: 010}
south:
  dataset: south
  source: {path: south}
"""


def test_two_modules_count_their_own_bins(tmp_path: Path) -> None:
    bins = [f"D20240401T{hour:02d}0000_IFCB010" for hour in range(5)]
    for name, number in {"north": 5, "south": 3}.items():
        scores = {bin_id: (["Akashiwo"], [[0.8]]) for bin_id in bins[:number]}
        write_archive(tmp_path / name, [bin_row(bin_id) for bin_id in bins[:number]], scores)
    (tmp_path / "Snakefile").write_text(TWO.format(root=ROOT))
    (tmp_path / "config.yaml").write_text(OUTER_CONFIG)
    command = [*SNAKEMAKE, "--cores", "4", "--workflow-profile", str(ROOT / "profiles" / "default")]
    command += ["--configfile", "config.yaml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    said = re.findall(r"class scores of bins: (.*)", done.stderr)
    assert {"5 to read, 0 of 5 are there already", "3 to read, 0 of 3 are there already"} <= set(said)
    shares = [float(share) for share in re.findall(r"done \(([0-9.]+)%\)", done.stderr)]
    assert sorted(shares)[-2:] == [100.0, 100.0]
    assert max(shares) <= 100
    for name, number in {"north": 5, "south": 3}.items():
        table = pd.read_csv(tmp_path / "results" / name / "abundance_long.csv")
        assert table["n_bins"].tolist() == [number, number]
