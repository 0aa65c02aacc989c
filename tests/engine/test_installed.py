"""The package as pip installs it, without a clone beside it and as an editable install."""

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.checkout import ROOT

PARTS = ("pyproject.toml", "README.md", "LICENSE", "Snakefile", "config", "profiles", "workflow")
READS = """
from importlib.metadata import version
from pathlib import Path
import ifcb_abundance
from ifcb_abundance.common.version import VERSION
from ifcb_abundance.config import settings
from ifcb_abundance.images import montages
from ifcb_abundance.report import page
from ifcb_abundance.figures import draw
from ifcb_abundance.tables import table_files

assert version("ifcb-abundance") == VERSION
assert settings.resolve({"dataset": "demo"}).class_table
assert "n_rois" in table_files.schema("abundance_long")
assert (page.TEMPLATES / "page.html.j2").is_file()
assert (montages.TEMPLATES / "montage.svg.j2").is_file()
assert (draw.CAPTIONS / "heat_map.rst").is_file()
print(Path(ifcb_abundance.__file__).parents[1])
"""


@pytest.mark.parametrize("editable", [False, True])
def test_the_package_installs_with_its_schemas_and_templates(tmp_path: Path, editable: bool) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for part in PARTS:
        (shutil.copytree if (ROOT / part).is_dir() else shutil.copy)(ROOT / part, source / part)
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    python = environment / "bin" / "python"
    (site,) = environment.glob("lib/python*/site-packages")
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib"))
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-index", "--no-deps"]
    install += ["--no-build-isolation", *(["--editable"] if editable else []), str(source)]
    subprocess.run(install, check=True, timeout=300)
    done = subprocess.run([python, "-c", READS], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    command = environment / "bin" / "ifcb-abundance"
    listed = subprocess.run([command, "targets"], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert "\n  figures " in listed
    (tmp_path / "my.yaml").write_text("dataset: demo\n")
    if not editable:
        ran = subprocess.run([command, "run", "my.yaml"], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert ran.returncode == 1
        assert ran.stderr.startswith("`run` needs a clone of the workflow")
        assert "git clone" in ran.stderr
    assert Path(done.stdout.strip()) == (source / "workflow" / "scripts" if editable else site)
