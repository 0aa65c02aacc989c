"""The project's name and version, in one place."""

import tomllib
from pathlib import Path

_PROJECT = tomllib.loads((Path(__file__).parents[4] / "pyproject.toml").read_text(encoding="utf-8"))["project"]

NAME: str = _PROJECT["name"]
VERSION: str = _PROJECT["version"]
USER_AGENT = f"{NAME}/{VERSION} (Snakemake workflow for IFCB plankton abundance)"
