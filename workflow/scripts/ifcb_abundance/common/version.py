"""The project's name and version, in one place: pyproject.toml reads the version here."""

NAME = "ifcb-abundance"
VERSION = "0.1.0"
# As in CITATION.cff, which does not go with the installed package.
RELEASED = "2026-11-27"
AUTHORS = "The ifcb-abundance authors"
TITLE = "ifcb-abundance: a Snakemake workflow from Imaging FlowCytobot classifier scores to daily plankton abundance"
USER_AGENT = f"{NAME}/{VERSION} (Snakemake workflow for IFCB plankton abundance)"
