"""What several files say, they say alike: versions, requirements, imports."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import yaml

from ifcb_abundance.common.version import AUTHORS, NAME, RELEASED, TITLE, VERSION

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SCRIPTS = ROOT / "workflow" / "scripts"
PACKAGE = "ifcb_abundance"
EXTRAS: dict[str, list[str]] = PROJECT["project"]["optional-dependencies"]
# What is used where it is there, and that nobody is asked to install.
IF_THERE = {"torch", "torchvision", "SimpleITK"}
# What a package is imported as, where that is not its name.
MODULES = {
    "basemap-data-hires": "mpl_toolkits",
    "netcdf4": "netCDF4",
    "pillow": "PIL",
    "pymongo": "bson",
    "pynrrd": "nrrd",
    "python-slugify": "slugify",
    "pyyaml": "yaml",
    "scikit-learn": "sklearn",
    "snakemake-minimal": "snakemake",
    "vl-convert-python": "vl_convert",
}


def names(requirements: list[str]) -> set[str]:
    return {re.match(r"[A-Za-z0-9_.-]+", text)[0].lower() for text in requirements}


def locked(file: str) -> set[tuple[str, str]]:
    """Packages and versions; some have one for each Python."""
    return set(re.findall(r"^([a-z0-9_.-]+)==([0-9][^ ;\\\n]*)", (ROOT / file).read_text(), re.MULTILINE))


def imported(*places: Path) -> set[str]:
    """Top-level modules that Python files, or those in folders, import, but for our own and the standard library's."""
    found = set()
    for place in places:
        for path in place.rglob("*.py") if place.is_dir() else [place]:
            text = path.read_text(encoding="utf-8")
            found |= set(re.findall(r'needed\("(\w+)[."]', text))  # of stages, told by name where they are missing
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.Import):
                    found |= {alias.name.split(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and not node.level:
                    found.add(node.module.split(".")[0])
    return found - {PACKAGE} - set(sys.stdlib_module_names)


def conda(path: Path) -> dict[str, str]:
    """Package to version of a conda environment, with those that pip installs into it."""
    entries = yaml.safe_load(path.read_text())["dependencies"]
    if "pip" in entries:
        *entries, of_pip = (entry for entry in entries if entry != "pip")
        entries += of_pip["pip"]
    return {name: version.lstrip("=") for name, version in (entry.split(maxsplit=1) for entry in entries)}


def test_the_code_imports_what_is_asked_for_and_no_more() -> None:
    asked = names(PROJECT["project"]["dependencies"]).union(*map(names, EXTRAS.values()))
    of_the_engine = {"snakemake", "pygments"}  # its reports need pygments, and it does not ask for it
    needed = {MODULES.get(name, name) for name in asked}
    assert imported(SCRIPTS) - IF_THERE | of_the_engine == needed


def test_the_locks_have_all_that_is_asked_for_in_one_version() -> None:
    run, dev = locked("requirements.txt"), locked("requirements-dev.txt")
    stages = locked("requirements-stages.txt")  # `make stages`
    assert names(PROJECT["project"]["dependencies"]) <= {name for name, _ in run}
    for extra in EXTRAS.values():
        assert names(extra) <= {name for name, _ in stages} - {name for name, _ in run}
    assert run <= stages
    assert {(name, version) for name, version in dev if name in dict(stages)} == stages
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


def imports_of(module: str, seen: set[str]) -> set[str]:
    """Packages that one of our modules needs to be imported, through our other modules too."""
    if module in seen:
        return set()
    seen.add(module)
    found = set()
    path = SCRIPTS.joinpath(*module.split(".")).with_suffix(".py")
    if not path.exists():  # a name that a room itself gives
        path = path.parent / "__init__.py"
    text = path.read_text(encoding="utf-8")
    # A module that is chosen when it is needed may be any of its room.
    for room in re.findall(rf'import_module\(f"{PACKAGE}\.(\w+)\.\{{', text):
        for each in (SCRIPTS / PACKAGE / room).glob("[a-z]*.py"):
            found |= imports_of(f"{PACKAGE}.{room}.{each.stem}", seen)
    for node in ast.walk(ast.parse(text)):
        names_of = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            of_room = node.module.count(".") == 1 and node.module.startswith(PACKAGE)
            names_of += [f"{node.module}.{a.name}" for a in node.names] if of_room else [node.module]
        for name in names_of:
            if name.startswith(f"{PACKAGE}."):
                found |= imports_of(name, seen)
            elif name.split(".")[0] not in sys.stdlib_module_names:
                found.add(name.split(".")[0])
    return found


def test_environments_of_scripts_have_what_they_import_in_the_locks_versions() -> None:
    """A rule with `script:` runs in its `conda:` environment, with `--sdm conda`."""
    needed: dict[str, set[str]] = {}
    for rules in (ROOT / "workflow" / "rules").glob("*.smk"):
        pairs = re.findall(
            r'conda:\s+"\.\./\.\./envs/([a-z]+)\.yaml"(?:(?!\nrule ).)*?script:\s+f"\{SCRIPTS\}/([a-z_]+)\.py"',
            rules.read_text(),
            re.DOTALL,
        )
        for env, script in pairs:
            needed.setdefault(env, set()).update(imports_of(script, set()))
    assert "exports" in needed
    run = locked("requirements-stages.txt")
    for env, modules in needed.items():
        found = conda(ROOT / "envs" / f"{env}.yaml")
        assert found.pop("python").startswith(PROJECT["project"]["requires-python"])
        has, asks = {MODULES.get(name, name).lower() for name in found}, {name.lower() for name in modules}
        # What stages ask for by name, so that a missing one is told with the remedy, is no import statement.
        extras = {MODULES.get(name, name).lower() for each in EXTRAS.values() for name in names(each)}
        assert asks <= has <= asks | extras
        for name, version in found.items():
            assert any(package == name and f"{of}.".startswith(f"{version}.") for package, of in run), (env, name)


def test_make_help_tells_every_target_with_its_time() -> None:
    told = subprocess.run(["make", "--silent", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.search(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)[1].split())
    lines = {line.split()[0]: line for line in told.splitlines()}
    assert lines.keys() == targets
    for target in targets - {"help"}:
        assert re.search(r"\(.*\d+ (s|min)\b.*\)$", lines[target]), lines[target]


def test_the_version_and_its_date_are_the_same_everywhere() -> None:
    assert PROJECT["project"]["name"] == NAME
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == VERSION
    assert (citation["title"], str(citation["date-released"])) == (TITLE, RELEASED)
    assert [author["name"] for author in citation["authors"]] == [AUTHORS]
    assert f"## {VERSION}, {citation['date-released']}\n" in (ROOT / "CHANGELOG.md").read_text()


def test_zenodo_is_told_what_the_citation_says_in_fields_that_it_knows() -> None:
    """Fields and values as in Zenodo's documentation of a deposition's metadata."""
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    told = json.loads((ROOT / ".zenodo.json").read_text())
    assert told == {
        "upload_type": "software",
        "access_right": "open",
        "language": "eng",  # ISO 639-2
        "title": citation["title"],
        "version": citation["version"],
        "publication_date": str(citation["date-released"]),
        "license": citation["license"],
        "keywords": citation["keywords"],
        "creators": [{"name": author["name"]} for author in citation["authors"]],
        "description": f"<p>{citation['abstract']}</p>",
    }


def test_the_oldest_snakemake_is_the_one_that_the_gate_runs() -> None:
    (oldest,) = re.findall(r'^min_version\("(.+)"\)$', (ROOT / "Snakefile").read_text(), re.MULTILINE)
    (asked,) = (text for text in PROJECT["project"]["dependencies"] if re.match(r"snakemake\b", text))
    assert asked == f"snakemake>={oldest},<10"
    told = subprocess.run(["make", "--dry-run", "smoke"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert f"pip install --quiet --disable-pip-version-check snakemake=={oldest}" in told
    assert "\nmake smoke\n" in (ROOT / ".ci" / "run").read_text()
    assert "- run: .ci/run\n" in (ROOT / ".github" / "workflows" / "ci.yml").read_text()


def test_results_say_what_a_run_fills_them_with() -> None:
    """The folder stands in a fresh clone; what runs make in it is not committed."""
    told = (ROOT / "results" / "README.md").read_text()
    for name in ("abundance_long.csv", "coverage.csv", "ledger.csv", "catalog.csv", "run.json"):
        assert f"`{name}`" in told


def test_an_environment_whose_python_is_gone_is_made_anew(tmp_path: Path) -> None:
    """By a Python that makes one as `venv --clear` does, of a Python older than any mark, and installs nothing."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    there, made, python = tmp_path / "there", tmp_path / ".venv" / "bin", tmp_path / "python"
    there.write_text('#!/bin/sh\necho "$*" >> installed\n')
    python.write_text(
        '#!/bin/sh\n[ "$2" = venv ] || exit 0\n[ "$3" = --clear ] && rm -rf .venv && mkdir -p .venv/bin\n'
        "ln -s ../../there .venv/bin/python\n"
    )
    for file in (there, python):
        file.chmod(0o755)
        os.utime(file, (1000, 1000))
    made.mkdir(parents=True)
    (made / "python").symlink_to(tmp_path / "gone")
    for name in ("requirements.txt", ".venv/installed"):
        (tmp_path / name).touch()
    for _ in range(2):  # the second time there is nothing to do
        subprocess.run(["make", f"PYTHON={python}", ".venv/installed"], cwd=tmp_path, check=True, capture_output=True)
        told = (tmp_path / "installed").read_text()
        assert told == "-m pip install --quiet --disable-pip-version-check -r requirements.txt\n"
