"""The project's name and version, in one place: pyproject.toml reads the version here."""

NAME = "ifcb-abundance"
VERSION = "0.1.0"
USER_AGENT = f"{NAME}/{VERSION} (Snakemake workflow for IFCB plankton abundance)"
