"""The workflow as a module of another one, as a paper's own workflow uses it."""

import subprocess
from pathlib import Path

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
