"""What is said in several files is said alike: versions, what is needed, what is imported."""

import ast
import re
import sys
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SCRIPTS = ROOT / "workflow" / "scripts"
# What a package is imported as, where that is not its name.
MODULES = {"pyyaml": "yaml", "snakemake-minimal": "snakemake"}


def names(requirements: list[str]) -> set[str]:
    return {re.match(r"[A-Za-z0-9_.-]+", text)[0].lower() for text in requirements}


def locked(file: str) -> set[tuple[str, str]]:
    """Packages and versions; some have one for each Python."""
    return set(re.findall(r"^([a-z0-9_.-]+)==([0-9][^ ;\\\n]*)", (ROOT / file).read_text(), re.MULTILINE))


def imported(*folders: Path) -> set[str]:
    """Top-level modules that Python files and rules import, but for our own and the standard library's."""
    found = set()
    for folder in folders:
        for path in folder.rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import):
                    found |= {alias.name.split(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and not node.level:
                    found.add(node.module.split(".")[0])
    own = {path.stem for path in SCRIPTS.glob("*.py")}
    return found - own - set(sys.stdlib_module_names)


def conda(path: Path) -> dict[str, str]:
    """Package to version of a conda environment."""
    entries = yaml.safe_load(path.read_text())["dependencies"]
    return {name: version.lstrip("=") for name, version in (entry.split(maxsplit=1) for entry in entries)}


def test_the_code_imports_what_is_asked_for_and_no_more() -> None:
    asked = names(PROJECT["project"]["dependencies"])
    of_the_engine = {"snakemake", "pygments"}  # its reports need pygments, and it does not ask for it
    assert imported(SCRIPTS) | of_the_engine == {MODULES.get(name, name) for name in asked}


def test_the_locks_have_all_that_is_asked_for_in_one_version() -> None:
    run, dev = locked("requirements.txt"), locked("requirements-dev.txt")
    assert names(PROJECT["project"]["dependencies"]) <= {name for name, _ in run}
    assert names(PROJECT["dependency-groups"]["dev"]) <= {name for name, _ in dev}
    assert {(name, version) for name, version in dev if name in dict(run)} == run


def test_conda_has_the_locks_minor_versions() -> None:
    run = locked("requirements.txt")
    found = conda(ROOT / "envs" / "workflow.yaml")
    python = found.pop("python")
    assert python.startswith(PROJECT["project"]["requires-python"])
    assert {name.removesuffix("-minimal") for name in found} == names(PROJECT["project"]["dependencies"])
    for name, version in found.items():
        locked_versions = [of for package, of in run if package == name.removesuffix("-minimal")]
        assert any(f"{of}.".startswith(f"{version}.") for of in locked_versions), (name, locked_versions)


def test_the_version_is_the_same_everywhere() -> None:
    version = PROJECT["project"]["version"]
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == version
    assert re.search(rf"^## {re.escape(version)}\b", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
